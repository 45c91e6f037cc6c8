"""What ECS still knows of the past of a service: its deployments, its events, and why tasks stopped."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from reconcilers.aws import Connection, is_unsupported
from reconcilers.contract import Absent
from reconcilers.ecs_reads import HISTORY
from reconcilers.ecs_records import short
from reconcilers.plain import one_line

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import ServiceDeploymentTypeDef, TaskTypeDef

ACTIONS: Final = (
    "ecs:DescribeServices",
    "ecs:ListServiceDeployments",
    "ecs:DescribeServiceDeployments",
    "ecs:DescribeServiceRevisions",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
)
_DEPLOYMENTS: Final = 60  # of a service that are told
_AT_ONCE: Final = 20  # that one call describes
_TASKS: Final = 100
_SHOWN: Final = 500
# Words of the events that say something went wrong: the others tell of every task that comes and goes.
_WRONG: Final = ("unable", "unhealthy", "failed", "circuit breaker", "rolling back", "not able", "insufficient")
# Why tasks stop when nothing is wrong.
_USUAL: Final = ("Scaling activity initiated", "Deployment superseded")


@dataclass(frozen=True)
class PastDeployment:
    """One service deployment."""

    revision: str  # `api:123`; empty where ECS no longer tells
    status: str  # SUCCESSFUL | IN_PROGRESS | STOPPED | ROLLBACK_SUCCESSFUL | …
    created: datetime
    finished: datetime | None
    reason: str = ""
    rolled_back: datetime | None = None  # when ECS began to go back by itself
    rolled_back_to: str = ""
    rollback_reason: str = ""


@dataclass(frozen=True)
class PastEvent:
    """What ECS wrote into a service's events when something went wrong."""

    at: datetime
    message: str


@dataclass(frozen=True)
class StoppedTasks:
    """Tasks of one revision that stopped for one reason."""

    revision: str
    reason: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class ServicePast:
    """What ECS tells of one service between two instants, oldest first."""

    desired: int
    running: int | None
    at: datetime  # when these counts were read
    deployments: tuple[PastDeployment, ...] = ()
    events: tuple[PastEvent, ...] = ()
    stopped: tuple[StoppedTasks, ...] = ()
    gaps: tuple[str, ...] = ()


def past(connection: Connection, cluster: str, service: str, since: datetime, until: datetime) -> ServicePast:
    """What happened to a service. Absent: there is none. ClientError or BotoCoreError: ECS does not tell."""
    ecs = connection.reading("ecs")
    found = ecs.describe_services(cluster=cluster, services=[service]).get("services", [])
    if not found:
        raise Absent(f"ECS cluster {cluster} has no service {service}")
    told = found[0]
    gaps: list[str] = []
    return ServicePast(
        desired=told["desiredCount"],
        running=told.get("runningCount"),
        at=connection.now(),
        deployments=tuple(_deployments(connection, cluster, told["serviceArn"], since, until, gaps)),
        events=tuple(_wrong(told.get("events", []), since, until)),
        stopped=tuple(_stopped(ecs, cluster, service, since, until)),
        gaps=tuple(gaps),
    )


def _deployments(
    connection: Connection, cluster: str, arn: str, since: datetime, until: datetime, gaps: list[str]
) -> Iterator[PastDeployment]:
    """Those that were begun or ended in between. ListServiceDeployments tells the newest first."""
    ecs, oldest = connection.reading("ecs"), connection.now() - HISTORY
    try:
        listed = ecs.list_service_deployments(
            cluster=cluster, service=arn, createdAt={"after": oldest, "before": until}, maxResults=100
        ).get("serviceDeployments", [])
    except ClientError as error:
        if connection.is_real_aws or not is_unsupported(error):
            raise
        gaps.append(f"this AWS endpoint keeps no history of deployments, so those of {short(arn)} are missing")
        return
    chosen = [each for each in listed if "createdAt" in each and (each.get("finishedAt") or until) >= since]
    if len(chosen) > _DEPLOYMENTS:
        gaps.append(f"{short(arn)} had {len(chosen)} deployments; the newest {_DEPLOYMENTS} are told")
    arns = [each["serviceDeploymentArn"] for each in chosen[:_DEPLOYMENTS] if "serviceDeploymentArn" in each]
    described = [each for batch in _batches(arns) for each in _described(ecs, batch)]
    pins = _pins(ecs, described)
    for each in sorted(described, key=lambda one: one["createdAt"]):
        yield _deployment(each, pins)


def _described(ecs: "ECSClient", arns: Sequence[str]) -> "list[ServiceDeploymentTypeDef]":
    told = ecs.describe_service_deployments(serviceDeploymentArns=arns).get("serviceDeployments", [])
    return [each for each in told if "createdAt" in each]


def _pins(ecs: "ECSClient", deployments: "Iterable[ServiceDeploymentTypeDef]") -> dict[str, str]:
    """The task definition of every service revision that these name."""
    named: list[Any] = [arn for each in deployments for arn in _revisions_of(each) if arn]
    pins: dict[str, str] = {}
    for batch in _batches(list(dict.fromkeys(named))):
        for each in ecs.describe_service_revisions(serviceRevisionArns=batch).get("serviceRevisions", []):
            pins[each.get("serviceRevisionArn", "")] = short(each.get("taskDefinition", ""))
    return pins


def _revisions_of(of: "ServiceDeploymentTypeDef") -> tuple[str, str]:
    return of.get("targetServiceRevision", {}).get("arn", ""), of.get("rollback", {}).get("serviceRevisionArn", "")


def _deployment(of: "ServiceDeploymentTypeDef", pins: dict[str, str]) -> PastDeployment:
    target, back_to = _revisions_of(of)
    back = of.get("rollback", {})
    return PastDeployment(
        revision=pins.get(target, ""),
        status=one_line(of.get("status", ""), 100),
        created=_utc(of["createdAt"]),
        finished=_utc(of["finishedAt"]) if "finishedAt" in of else None,
        reason=one_line(of.get("statusReason", ""), _SHOWN),
        rolled_back=_utc(back["startedAt"]) if "startedAt" in back else None,
        rolled_back_to=pins.get(back_to, ""),
        rollback_reason=one_line(back.get("reason", ""), _SHOWN),
    )


def _wrong(events: Iterable[Any], since: datetime, until: datetime) -> Iterator[PastEvent]:
    for each in sorted(events, key=lambda one: one["createdAt"]):
        at, message = _utc(each["createdAt"]), each.get("message", "")
        if since <= at <= until and any(word in message.lower() for word in _WRONG):
            yield PastEvent(at, one_line(message, _SHOWN))


def _stopped(ecs: "ECSClient", cluster: str, service: str, since: datetime, until: datetime) -> Iterator[StoppedTasks]:
    """Why tasks stopped, while AWS still has them: that is about an hour."""
    arns = ecs.list_tasks(cluster=cluster, serviceName=service, desiredStatus="STOPPED", maxResults=_TASKS)
    named = arns.get("taskArns", [])
    told = ecs.describe_tasks(cluster=cluster, tasks=named).get("tasks", []) if named else []
    groups: dict[tuple[str, str], list[datetime]] = {}
    for task in told:
        reason, at = _reason(task), task.get("stoppedAt")
        if at is not None and reason and since <= at <= until and not reason.startswith(_USUAL):
            groups.setdefault((short(task.get("taskDefinitionArn", "")), reason), []).append(_utc(at))
    for (revision, reason), ends in sorted(groups.items(), key=lambda group: min(group[1])):
        yield StoppedTasks(revision, reason, len(ends), min(ends), max(ends))


def _reason(task: "TaskTypeDef") -> str:
    """Why it stopped, and what its containers ended with."""
    ends = [
        f"{each.get('name', '')}: {each.get('reason') or 'exit code ' + str(each['exitCode'])}"
        for each in task.get("containers", [])
        if each.get("reason") or each.get("exitCode")
    ]
    return one_line("; ".join([task.get("stoppedReason", ""), *ends]).strip("; "), _SHOWN)


def _batches(arns: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(arns), _AT_ONCE):
        yield arns[first : first + _AT_ONCE]


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)
