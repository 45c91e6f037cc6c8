"""A command that is run once: an ECS task of the revision that the file means for a service, and what it logs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from desired_state.model import Service
from reconcilers.aws import Connection
from reconcilers.contract import Absent, Stalled
from reconcilers.ecs_reads import EcsReads
from reconcilers.ecs_records import TAG, Incomplete, Revision, ServiceRecord, short
from reconcilers.ecs_target import Targets
from reconcilers.log_tail import Log, Tail, log_of

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import FailureTypeDef, TagTypeDef, TaskTypeDef

TROUBLE = (Absent, Incomplete, Stalled, BotoCoreError, ClientError)  # what everything here may raise

# What a task takes over from the service as it is.
_LIKE = (
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "networkConfiguration",
    "placementConstraints",
    "placementStrategy",
    "enableECSManagedTags",
)


@dataclass(frozen=True)
class Job:
    """A command, and all that RunTask needs to know of it."""

    cluster: str
    revision: str  # its ARN
    container: str
    command: tuple[str, ...]
    like: Mapping[str, Any] = field(default_factory=dict)  # members of RunTask that come from the service
    log: Log | None = None  # None: it is not in CloudWatch Logs, or under a name that cannot be told
    has_entry_point: bool = False  # of the task definition: it gets the command as its arguments

    @property
    def started_by(self) -> str:
        """The same for the same command in the same container of the same revision: a task is found again by it."""
        text = json.dumps([self.revision, self.container, self.command])
        return f"trueup-migrate/{hashlib.sha256(text.encode()).hexdigest()[:40]}"


@dataclass(frozen=True)
class Progress:
    """A task as ECS tells it. `why`: what it says of the end, in one line."""

    status: str
    exit_code: int | None = None  # None: the container is not over, or never ran
    why: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing of the task runs any more."""
        return self.status == "STOPPED"


class OneOffs:
    """Tasks that are run once. Nothing here waits, and nothing stops a task. Raises TROUBLE."""

    actions = ("ecs:RunTask", "ecs:TagResource", "iam:PassRole")
    reads = (
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:ListTaskDefinitions",
        "ecr:DescribeImages",
        "ecs:ListTasks",
        "ecs:DescribeTasks",
        "logs:GetLogEvents",
    )

    def __init__(self, connection: Connection, reads: EcsReads) -> None:
        self._connection = connection
        self._reads = reads
        self._targets = Targets(reads)

    def job(self, service: Service, container: str | None, command: Sequence[str], commit: str) -> Job:
        """The command in the revision that the file means for the service now, on the service's own network.

        Stalled: that revision cannot be run once, and what to do about it.
        """
        record = self._reads.service((service.cluster, service.service))
        if record.status not in ("ACTIVE", ""):
            raise Stalled(f"ECS service {record.name} is {record.status}; create it again, or name another one")
        revision = self._revision(service, record)
        chosen = _chosen(revision, container or service.container)
        return Job(
            cluster=service.cluster,
            revision=revision.arn,
            container=chosen["name"],
            command=tuple(command),
            like=self._like(service, commit),
            log=log_of(chosen),
            has_entry_point=bool(chosen.get("entryPoint")),
        )

    def under_way(self, job: Job) -> str:
        """The ARN of a task that runs this very command already; empty: there is none."""
        ecs = self._connection.reading("ecs")
        # ECS takes no other filter beside startedBy; without one, tasks that are to stop are left out.
        arns = ecs.list_tasks(cluster=job.cluster, startedBy=job.started_by).get("taskArns", [])
        tasks = ecs.describe_tasks(cluster=job.cluster, tasks=arns).get("tasks", []) if arns else []
        running = (each for each in tasks if _is_running(each) and each.get("startedBy") == job.started_by)
        return next((each["taskArn"] for each in running), "")

    def start(self, job: Job, token: str) -> str:
        """RunTask; the ARN of the task. Asked again with the same token, it starts no second one."""
        told = self._connection.writing("ecs").run_task(
            cluster=job.cluster,
            taskDefinition=job.revision,
            count=1,
            overrides={"containerOverrides": [{"name": job.container, "command": list(job.command)}]},
            startedBy=job.started_by,
            clientToken=token,
            **job.like,
        )
        if tasks := told.get("tasks"):
            return tasks[0]["taskArn"]
        raise Stalled(_not_placed(job, told.get("failures", [])))

    def look(self, job: Job, task: str) -> Progress | None:
        """DescribeTasks. None: ECS does not know the task, not yet or not any more."""
        told = self._connection.reading("ecs").describe_tasks(cluster=job.cluster, tasks=[task])
        found = next(iter(told.get("tasks", [])), None)
        if found is None:
            return None
        container: Any = next((each for each in found.get("containers", []) if each.get("name") == job.container), {})
        stop = ": ".join(filter(None, (found.get("stopCode"), found.get("stoppedReason"))))
        why = "; ".join(filter(None, (stop, container.get("reason"))))
        return Progress(found.get("lastStatus", ""), container.get("exitCode"), why)

    def tail(self, log: Log, task: str) -> Tail:
        """The lines of one task."""
        return Tail(self._connection, log, f"{log.stream}/{task.rpartition('/')[2]}")

    def _revision(self, service: Service, record: ServiceRecord) -> Revision:
        if not record.task_definition:
            raise Stalled(
                f"service {record.name} has no task definition of its own, only task sets, which trueup does not read; "
                "run the command with aws ecs run-task"
            )
        target = self._targets.of(service, record)
        arn = target.arn if target else record.task_definition
        if target and not arn:
            raise Stalled(
                f"the revision that the file means for service {record.name} is not registered yet: trueup makes it of "
                f"{short(target.base)} when the commit is enacted; run this again once the commit is in sync, "
                "or name what is committed with --repository and --path"
            )
        revision = self._reads.revision(arn, fresh=True)
        if not revision.active:
            raise Stalled(f"{short(arn)} is INACTIVE, and ECS starts no task of it; pin an ACTIVE revision")
        return revision

    def _like(self, service: Service, commit: str) -> Mapping[str, Any]:
        ecs = self._connection.reading("ecs")
        told = ecs.describe_services(cluster=service.cluster, services=[service.service], include=["TAGS"])
        live: Any = next(iter(told.get("services", [])), {})
        like = {name: live[name] for name in _LIKE if live.get(name)}
        if "capacityProviderStrategy" in like:
            like.pop("launchType", None)  # ECS takes one of the two
        if live.get("propagateTags") == "TASK_DEFINITION":
            like["propagateTags"] = "TASK_DEFINITION"
        if tags := _tags(live, commit):
            like["tags"] = tags
        return like


def _chosen(revision: Revision, name: str | None) -> Mapping[str, Any]:
    """The container to run the command in: one whose end ends the task, and that ECS does not start again."""
    containers: list[dict[str, Any]] = json.loads(revision.text)["containerDefinitions"]
    names = ", ".join(sorted(each["name"] for each in containers))
    if name is None and len(containers) > 1:
        raise Stalled(
            f"{short(revision.arn)} has several containers ({names}); say which one with --container, "
            "or write container: in its entry of the file"
        )
    chosen = next((each for each in containers if name in (None, each["name"])), None)
    if chosen is None:
        raise Stalled(f"{short(revision.arn)} has no container {name}; it has {names}")
    if not chosen.get("essential", True):
        raise Stalled(
            f"container {chosen['name']} of {short(revision.arn)} is not essential, so the task would go on after the "
            "command; name an essential one with --container"
        )
    if chosen.get("restartPolicy", {}).get("enabled"):
        raise Stalled(
            f"container {chosen['name']} of {short(revision.arn)} has a restartPolicy, with which ECS may run the "
            "command more than once; pin a revision without one, or name another container with --container"
        )
    return chosen


def _tags(live: Mapping[str, Any], commit: str) -> "list[TagTypeDef]":
    """RunTask cannot propagate the tags of a service: they are given to the task themselves."""
    tags = live.get("tags", []) if live.get("propagateTags") == "SERVICE" else []
    kept: list[TagTypeDef] = [each for each in tags if not each["key"].startswith((TAG, "aws:"))]
    return [*kept, {"key": TAG + "commit", "value": commit}] if commit else kept


def _is_running(task: "TaskTypeDef") -> bool:
    return "STOPPED" not in (task.get("lastStatus"), task.get("desiredStatus"))


def _not_placed(job: Job, failures: "Sequence[FailureTypeDef]") -> str:
    failure = failures[0] if failures else {}
    reason, detail = failure.get("reason") or "it did not say why", failure.get("detail")
    kind, _, what = reason.partition(":")
    mend = "look at the capacity of the cluster, or try again later"
    if kind == "RESOURCE":
        mend = f"the cluster has too little {what.lower()} free: add capacity, or try again later"
    elif kind == "AGENT":
        mend = "the agent on the cluster's instance is not connected: restart it, or add an instance"
    told = f"{reason} ({detail})" if detail else reason
    return f"ECS started no task of {short(job.revision)} on cluster {job.cluster}: {told}; {mend}"
