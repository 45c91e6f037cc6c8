"""What is live in an ECS cluster, as a first file may say it. Reads only, and tells no value of a secret."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from desired_state.model import Service
from reconcilers.adoption_databases import DatabaseReads, Kept
from reconcilers.adoption_doors import Door, DoorReads
from reconcilers.adoption_services import TROUBLE, Running, ServiceReads, Unfit
from reconcilers.aws import Connection, sentence
from reconcilers.ecs_reads import EcsReads
from reconcilers.ecs_restart import Restarts
from reconcilers.secrets import Secrets

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import DimensionTypeDef, MetricAlarmTypeDef

__all__ = ["TROUBLE", "Adoption", "Door", "Found", "Kept", "Running", "Unfit"]

Part = TypeVar("Part")


@dataclass(frozen=True)
class Found:
    """Everything that a first file is made of."""

    cluster: str
    region: str
    account: str
    services: tuple[Running, ...]
    unfit: tuple[Unfit, ...] = ()
    databases: tuple[Kept, ...] = ()
    doors: tuple[Door, ...] = ()  # the listeners that lead to the services, the one for maintenance first
    alarms: tuple[str, ...] = ()  # the names of those that watch one of the services
    others: tuple[str, ...] = ()  # secrets that the containers name, and that name no database of RDS
    unknown: tuple[tuple[str, str], ...] = ()  # what could not be read, and why


class Adoption:
    """One look at a cluster. The services must be readable; of the rest, what is not is told in `unknown`."""

    reads = (
        *ServiceReads.reads,
        "ecs:ListServiceDeployments",
        *DatabaseReads.reads,
        *DoorReads.reads,
        "cloudwatch:DescribeAlarms",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        reads, secrets = EcsReads(connection), Secrets(connection)
        self._services = ServiceReads(connection, reads)
        self._databases = DatabaseReads(connection, secrets)
        self._doors = DoorReads(connection)
        self._restarts = Restarts(reads, secrets)

    def of(self, cluster: str, names: Sequence[str], environment: str) -> Found:
        """What is live of these services, or of all; `environment`: whose maintenance page counts as its own.

        Absent: there is no such cluster or service, or none at all. TROUBLE: ECS does not tell the services.
        """
        looked = self._services.of(cluster, names)
        running = [each for each in looked if isinstance(each, Running)]
        databases = self._databases.of(dict.fromkeys(arn for each in running for arn in each.named))
        services = tuple(self._with_databases(cluster, each, databases.kept) for each in running)
        doors, no_doors = _tried("maintenance", lambda: self._doors.to(_groups(services), environment))
        alarms, no_alarms = _tried("alarms", lambda: tuple(self._alarms(cluster, services)))
        return Found(
            cluster=cluster,
            region=self._connection.place.region,
            account=self._connection.account(),
            services=services,
            unfit=tuple(each for each in looked if isinstance(each, Unfit)),
            databases=tuple(databases.kept.values()),
            doors=doors,
            alarms=alarms,
            others=tuple(databases.others),
            unknown=(*databases.unknown, *no_doors, *no_alarms),
        )

    def _with_databases(self, cluster: str, running: Running, kept: Mapping[str, Kept]) -> Running:
        """With the secrets that may restart it; not with one for which its tasks would have to be replaced now."""
        secrets, notes = [], list(running.notes)
        for name in dict.fromkeys(kept[arn].secret for arn in running.named if arn in kept):
            if why := self._restarting(cluster, running, name):
                notes.append(f"the database of secret {name} is not in databases, since {why}")
            else:
                secrets.append(name)
        return replace(running, secrets=tuple(secrets), notes=tuple(notes))

    def _restarting(self, cluster: str, running: Running, secret: str) -> str:
        """Why naming the database of this secret would restart the service, or might; empty: it would not."""
        service = Service(cluster=cluster, service=running.name)
        try:
            needed = self._restarts.of(service, (secret,), running.record, self._connection.now())
        except TROUBLE as error:
            return f"it is not known whether its tasks would be replaced: {sentence(error)}"
        if needed.due or needed.soon:
            return "its tasks are older than what that says now: once it is, they are replaced"
        return needed.given_up

    def _alarms(self, cluster: str, services: Sequence[Running]) -> Iterator[str]:
        """DescribeAlarms: those of which a dimension is one of the services."""
        names = {each.name for each in services}
        for page in self._connection.reading("cloudwatch").get_paginator("describe_alarms").paginate():
            for alarm in page.get("MetricAlarms", ()):
                if any(_watches(dimensions, cluster, names) for dimensions in _dimensions(alarm)):
                    yield alarm["AlarmName"]


def _tried(part: str, read: Callable[[], tuple[Part, ...]]) -> tuple[tuple[Part, ...], tuple[tuple[str, str], ...]]:
    """What was read; or nothing, and why."""
    try:
        return read(), ()
    except TROUBLE as error:
        return (), ((part, sentence(error)),)


def _groups(services: Sequence[Running]) -> dict[str, tuple[str, ...]]:
    """The services behind each target group."""
    groups: dict[str, tuple[str, ...]] = {}
    for each in services:
        for arn in each.groups:
            groups[arn] = (*groups.get(arn, ()), each.name)
    return groups


def _dimensions(alarm: "MetricAlarmTypeDef") -> "Iterator[Sequence[DimensionTypeDef]]":
    yield alarm.get("Dimensions", ())
    for metric in alarm.get("Metrics", ()):
        yield metric.get("MetricStat", {}).get("Metric", {}).get("Dimensions", ())


def _watches(dimensions: "Sequence[DimensionTypeDef]", cluster: str, services: set[str]) -> bool:
    told = {each["Name"]: each["Value"] for each in dimensions}
    return told.get("ClusterName", cluster) == cluster and not services.isdisjoint(told.values())
