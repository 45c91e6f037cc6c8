"""Whether services stand still: no task of them runs, not even one that is still on its way down."""

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from reconcilers.aws import Connection, is_unsupported
from reconcilers.ecs_reads import EcsReads, Key

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TaskTypeDef

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
        running = {key[1]: self._running(key) for key in services}
        return ", ".join(f"{name} ({count} running)" for name, count in running.items() if count)

    def _running(self, key: Key) -> int:
        record = self._ecs.service(key)
        told = [record.desired, record.running or 0, sum(each.running for each in record.deployments)]
        return max(told) or self._stopping(key)

    def _stopping(self, key: Key) -> int:
        """ListTasks, DescribeTasks: what ECS no longer counts may still write until its containers have ended."""
        ecs = self._connection.reading("ecs")
        try:
            arns = ecs.list_tasks(cluster=key[0], serviceName=key[1], desiredStatus="STOPPED")["taskArns"][:_MOST]
            tasks: list[TaskTypeDef] = ecs.describe_tasks(cluster=key[0], tasks=arns)["tasks"] if arns else []
        except ClientError as error:
            if is_unsupported(error):
                return 0
            raise
        return sum(1 for task in tasks if task.get("lastStatus", "STOPPED") not in _ENDED)
