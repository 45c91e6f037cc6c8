"""What ECS told us, as small frozen values: a pass over 1,000 services keeps these and drops the answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import DeploymentTypeDef, ServiceTypeDef

TAG = "trueup:"  # every tag that trueup reads or writes begins so


UNDER_WAY = frozenset({"PENDING", "IN_PROGRESS"})  # of a service deployment that may yet be SUCCESSFUL


class Incomplete(Exception):
    """AWS left out something that must not be guessed: the next pass looks again."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One entry of a service's deployments[]."""

    status: str  # PRIMARY | ACTIVE | INACTIVE
    task_definition: str
    rollout: str  # IN_PROGRESS | COMPLETED | FAILED; "" where the endpoint does not say
    created: datetime | None  # None where the endpoint does not say
    desired: int
    running: int
    failed: int
    updated: datetime | None = None  # another count updates it too, and starts no deployment


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """One service as DescribeServices tells it."""

    arn: str
    name: str
    status: str  # ACTIVE | DRAINING | INACTIVE; "" where the endpoint does not say
    controller: str  # ECS | CODE_DEPLOY | EXTERNAL
    scheduling: str  # REPLICA | DAEMON
    task_definition: str  # its ARN; "" where the controller keeps it in task sets
    desired: int
    running: int | None  # None where the endpoint does not say
    deployments: tuple[Deployment, ...]
    tags: Mapping[str, str]  # ours only, without their prefix

    @property
    def primary(self) -> Deployment | None:
        """The deployment that ECS is rolling out, or has rolled out."""
        return next((d for d in self.deployments if d.status == "PRIMARY"), None)


@dataclass(frozen=True, slots=True)
class Revision:
    """One task definition revision. Content is immutable; status and tags are as of the read."""

    arn: str
    active: bool
    tags: Mapping[str, str]  # all of them
    text: str  # what RegisterTaskDefinition takes, without tags, as JSON
    unmodelled: str = ""  # a member that this botocore does not know, and would silently drop from a clone


@dataclass(frozen=True, slots=True)
class ServiceDeployment:
    """One entry of a service's deployment history."""

    task_definition: str
    status: str  # PENDING, IN_PROGRESS, SUCCESSFUL, STOPPED, ROLLBACK_…
    created: datetime


@dataclass(frozen=True, slots=True)
class Band:
    """What autoscaling may do to a service's count."""

    minimum: int
    maximum: int
    active: frozenset[str]  # which of in, out, scheduled are not suspended


def service_record(told: "ServiceTypeDef") -> ServiceRecord:
    """Project one described service. What an endpoint may leave out is told from what cannot be done without."""
    if missing := [member for member in ("serviceArn", "desiredCount") if member not in told]:
        raise Incomplete(f"ECS did not say the {' and the '.join(missing)} of service {told['serviceName']}")
    arn = told["serviceArn"]
    return ServiceRecord(
        arn=arn,
        name=told["serviceName"],
        status=told.get("status", ""),
        controller=told["deploymentController"]["type"] if "deploymentController" in told else "ECS",
        scheduling=told.get("schedulingStrategy", "REPLICA"),
        task_definition=_full(told.get("taskDefinition", ""), arn),
        desired=told["desiredCount"],
        running=told.get("runningCount"),
        deployments=tuple(_deployment(each, arn) for each in told.get("deployments", [])),
        tags={tag["key"].removeprefix(TAG): tag["value"] for tag in told.get("tags", []) if tag["key"].startswith(TAG)},
    )


def _deployment(told: "DeploymentTypeDef", service_arn: str) -> Deployment:
    return Deployment(
        status=told.get("status", ""),
        task_definition=_full(told.get("taskDefinition", ""), service_arn),
        rollout=told.get("rolloutState", ""),
        created=told.get("createdAt"),
        desired=told.get("desiredCount", 0),
        running=told.get("runningCount", 0),
        failed=told.get("failedTasks", 0),
        updated=told.get("updatedAt"),
    )


def _full(revision: str, service_arn: str) -> str:
    """The ARN of a revision. Emulators echo `family:revision`, as it was sent to them."""
    if not revision or revision.startswith("arn:"):
        return revision
    return f"{service_arn.partition(':service/')[0]}:task-definition/{revision}"


def family_of(arn: str) -> str:
    """`api` of arn:…:task-definition/api:123."""
    return arn.rpartition("/")[2].rpartition(":")[0]


def number_of(arn: str) -> int:
    """`123` of arn:…:task-definition/api:123."""
    return int(arn.rpartition(":")[2])


def short(arn: str) -> str:
    """`api:123`, as people say it."""
    return arn.rpartition("/")[2]


def sibling(arn: str, family: str, number: int) -> str:
    """The ARN of another revision in the same account and region."""
    return f"{arn.rpartition('/')[0]}/{family}:{number}"
