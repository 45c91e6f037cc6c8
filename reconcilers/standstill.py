"""Whether services stand still: no task of them runs, not even one that is still on its way down."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal

from botocore.exceptions import ClientError

from reconcilers.aws import Connection, is_unsupported
from reconcilers.contract import Stalled
from reconcilers.ecs_reads import EcsReads, Key
from reconcilers.ecs_records import ServiceRecord
from reconcilers.ecs_rollout import held

_ENDED: Final = ("DEPROVISIONING", "STOPPED")  # its containers have ended
_MOST: Final = 100  # tasks that one call describes


class Standstill:
    """Reads only."""

    reads = ("ecs:DescribeServices", "ecs:ListTasks", "ecs:DescribeTasks")

    def __init__(self, connection: Connection, ecs: EcsReads) -> None:
        self._connection = connection
        self._ecs = ecs

    def waits_for(self, services: tuple[Key, ...]) -> str:
        """Which of them still run tasks, and how many; empty: none."""
        running = [(key[1], self._running(key)) for key in services]
        return ", ".join(f"{name} ({count} running)" for name, count in running if count)

    def _running(self, key: Key) -> int:
        record = self._ecs.service(key)
        if stands := _cannot_stop(record, self._connection.now()):
            raise Stalled(f"service {record.name} is to run no task while the database is moved: {stands}")
        # The tasks are listed first: what may not be listed is known before anything stops for it.
        left = self._left(key)
        return max(left, record.desired, record.running or 0, sum(each.running for each in record.deployments))

    def _left(self, key: Key) -> int:
        """ListTasks, DescribeTasks: what ECS no longer counts may still write until its containers have ended."""
        try:
            arns = [*self._tasks(key, "RUNNING"), *self._tasks(key, "STOPPED")]
            return sum(1 for status in self._statuses(key, arns) if status not in _ENDED)
        except ClientError as error:
            if is_unsupported(error):
                return 0
            raise

    def _statuses(self, key: Key, arns: list[str]) -> Iterator[str]:
        for first in range(0, len(arns), _MOST):
            told = self._connection.reading("ecs").describe_tasks(cluster=key[0], tasks=arns[first : first + _MOST])
            yield from (task.get("lastStatus", "STOPPED") for task in told["tasks"])

    def _tasks(self, key: Key, status: Literal["RUNNING", "STOPPED"]) -> list[str]:
        pages = self._connection.reading("ecs").get_paginator("list_tasks")
        found = pages.paginate(cluster=key[0], serviceName=key[1], desiredStatus=status)
        return [arn for page in found for arn in page["taskArns"]]


def _cannot_stop(record: ServiceRecord, now: datetime) -> str:
    if record.status not in ("ACTIVE", ""):
        return ""
    if record.scheduling == "DAEMON":
        return "it is a DAEMON service and has no count; take it out of quiesce"
    return held(record, now) if record.desired else ""
