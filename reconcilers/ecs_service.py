"""An ECS service: which revision it runs, how many tasks, and since when."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from desired_state.model import Service
from reconcilers.aws import Connection
from reconcilers.contract import Absent, Advice, Change, Drift, Observation, Reconciler, Stalled
from reconcilers.ecs_count import SHUTDOWN, Count, ForgetTag, RememberTag, ResumeScaling, Shutdown, SuspendScaling
from reconcilers.ecs_reads import EcsReads
from reconcilers.ecs_records import TAG, UNDER_WAY, Incomplete, ServiceRecord, family_of, short
from reconcilers.ecs_restart import Needed, Restarts
from reconcilers.ecs_rollout import failed, gave_up, held, overdue, settling, since, undrivable
from reconcilers.ecs_target import BASE, FAMILY, OVERLAY, Target, Targets
from reconcilers.secrets import Secrets
from reconcilers.task_definition import mark

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TagTypeDef

_SCALING = {
    "in": "DynamicScalingInSuspended",
    "out": "DynamicScalingOutSuspended",
    "scheduled": "ScheduledScalingSuspended",
}


@dataclass(frozen=True)
class ServicePin:
    """One entry of `services`, with what it needs to know from the rest of its file."""

    name: str
    service: Service
    secrets: tuple[str, ...]  # of the databases that it names
    commit: str
    still_for: str = ""  # the database that it has to run no task for now
    unsure: str = ""  # why that cannot be told

    @property
    def key(self) -> tuple[str, str]:
        """Cluster and service."""
        return self.service.cluster, self.service.service


@dataclass(frozen=True, kw_only=True)
class LiveService(Observation):
    """The service, and what the file means for it."""

    record: ServiceRecord
    target: Target | None  # None: no revision is asked for, or none can be
    count: Count
    restart: str = ""  # why every task must be replaced; empty: it need not
    restarts_soon: bool = False  # it is not certain yet whether every task must be replaced
    still: bool = False  # only the count is looked at

    @property
    def started(self) -> str:
        """When the oldest of the tasks may have started."""
        created = self.record.primary.created if self.record.primary else None
        return f"{created:%Y-%m-%dT%H:%M:%SZ}" if created else "unknown"


@dataclass(frozen=True, kw_only=True)
class _Update(Change):
    count: int | None = None  # sent only when it differs
    returns: bool = False  # tasks come back that trueup stopped itself

    @property
    def follows(self) -> bool:
        """Tasks that trueup stopped itself come back, or tasks that do not know a changed secret are replaced."""
        return bool(self.drifts) and all(self._goes_along(drift) for drift in self.drifts)

    def _goes_along(self, drift: Drift) -> bool:
        if drift.field == "tasks_started":
            return "(restarted_at)" not in drift.desired
        return drift.field == "desired_count" and self.returns


@dataclass(frozen=True, kw_only=True)
class Deploy(_Update):
    """RegisterTaskDefinition where no equal revision exists, then UpdateService with it, and with the count."""

    actions = ("ecs:RegisterTaskDefinition", "ecs:TagResource", "iam:PassRole", "ecs:UpdateService")

    target: Target

    @property
    def asks(self) -> tuple[str, ...]:
        return (*super().asks, self.target.arn or self.target.text)


@dataclass(frozen=True, kw_only=True)
class Restart(_Update):
    """UpdateService with forceNewDeployment, and with the count."""

    actions = ("ecs:UpdateService",)
    once = True

    @property
    def asks(self) -> tuple[str, ...]:
        return tuple(ask for ask in super().asks if not ask.startswith("desired_count="))


@dataclass(frozen=True, kw_only=True)
class Scale(_Update):
    """UpdateService with desiredCount alone: starts no deployment."""

    actions = ("ecs:UpdateService",)

    @property
    def at_once(self) -> bool:
        return self.count == 0


class EcsServiceReconciler(Reconciler[ServicePin, LiveService]):
    """Drives one ECS service with ECS's own rolling deployments."""

    reads = (
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:ListTaskDefinitions",
        "ecs:ListServiceDeployments",
        "ecs:DescribeServiceRevisions",
        "ecr:DescribeImages",
        "application-autoscaling:DescribeScalableTargets",
        "secretsmanager:DescribeSecret",
        "secretsmanager:ListSecretVersionIds",
    )

    def __init__(self, connection: Connection, reads: EcsReads, secrets: Secrets) -> None:
        self._connection = connection
        self._reads = reads
        self._restarts = Restarts(reads, secrets)
        self._targets = Targets(reads)

    def observe(self, desired: ServicePin) -> LiveService:
        record = self._reads.service(desired.key)
        if record.status not in ("ACTIVE", ""):
            raise Absent(f"ECS service {record.name} is {record.status}; create it again, or take it out of the file")
        now, count = self._connection.now(), self._count(desired, record)
        if desired.still_for:
            return _standing_still(record, count, desired.still_for, now)
        if desired.unsure and record.desired == 0 and SHUTDOWN in record.tags:
            raise Incomplete(desired.unsure)  # what stands still must not come back by mistake
        target, blocked = self._wanted_or_missing(desired, record, count, now)
        advice = target.advice if target else ()
        restart = Needed()
        if blocked and count.drift() and not count.blocked():
            # A count does not wait for a revision that cannot run: the pass after it is stalled.
            target, blocked, advice = None, "", (Advice("revision_blocked", blocked),)
        elif (record.desired or count.wanted()) and not (target and target.drifts):  # a deployment restarts anyway
            restart = self._restarts.of(desired.service, desired.secrets, record, now)
        why = settling(record, count_is_pinned=count.pinned is not None)
        late = "" if restart.soon else failed(record) or restart.given_up or self._overdue(desired, record, why, now)
        return LiveService(
            record=record,
            target=target,
            count=count,
            restart=restart.due,
            restarts_soon=bool(restart.soon),
            settling=restart.soon or why,
            overdue=late,
            blocked=blocked or count.blocked(),
            held=held(record, now),
            advice=(*advice, *count.idle),
        )

    @staticmethod
    def diff(desired: ServicePin, live: LiveService) -> Iterator[Change]:
        count, moved, returns = live.count.wanted(), live.count.drift(), live.count.replaced is not None
        yield from live.count.first()
        if live.target and live.target.drifts:
            yield from _own_family(live)
            yield Deploy(target=live.target, count=count, returns=returns, drifts=(*live.target.drifts, *moved))
        elif live.restart:
            started = Drift("tasks_started", live.started, live.restart)
            yield Restart(count=count, returns=returns, drifts=(started, *moved))
        elif count is not None and live.restarts_soon and live.count.live == 0:
            return  # the return and the restart are one call
        elif count is not None:
            yield Scale(count=count, returns=returns, drifts=moved)
        if live.still:
            return
        yield from live.count.last()
        if live.record.tags.get(FAMILY) == family_of(live.record.task_definition) and not _own_family_needed(live):
            yield ForgetTag(key=TAG + FAMILY)

    def apply(self, desired: ServicePin, change: Change) -> None:
        match change:
            case Deploy(target=target):
                self._update(desired, change, taskDefinition=target.arn or self._register(desired, target))
            case Restart():
                self._update(desired, change, forceNewDeployment=True)
            case Scale():
                self._update(desired, change)
            case RememberTag(key=key, value=value):
                tags: list[TagTypeDef] = [{"key": key, "value": value}]
                self._connection.writing("ecs").tag_resource(resourceArn=self._arn(desired), tags=tags)
            case ForgetTag(key=key):
                self._connection.writing("ecs").untag_resource(resourceArn=self._arn(desired), tagKeys=[key])
            case SuspendScaling():
                self._scaling(desired, frozenset(_SCALING), suspended=True)
            case ResumeScaling(kinds=kinds):
                self._scaling(desired, kinds, suspended=False)
            case _:
                raise TypeError(f"a service knows no change {change.verb}")

    def last_took(self, service: Service) -> timedelta | None:
        """ListServiceDeployments: how long its last good rollout took. None: none is known."""
        record = self._reads.service((service.cluster, service.service))
        return self._reads.last_took(service.cluster, record.arn)

    def _update(self, desired: ServicePin, change: _Update, **settings: Any) -> None:
        if change.count is not None:
            settings["desiredCount"] = change.count
        cluster, service = desired.key
        self._connection.writing("ecs").update_service(cluster=cluster, service=service, **settings)

    def _arn(self, desired: ServicePin) -> str:
        return self._reads.service(desired.key).arn

    def _register(self, desired: ServicePin, target: Target) -> str:
        base = self._reads.revision(target.base, fresh=True)
        ours = {BASE: short(base.arn), OVERLAY: mark(short(base.arn), json.loads(target.text))}
        ours[TAG + "commit"] = desired.commit
        kept = {key: value for key, value in base.tags.items() if not key.startswith((TAG, "aws:"))}
        told = self._connection.writing("ecs").register_task_definition(
            **json.loads(target.text), tags=[{"key": key, "value": value} for key, value in (kept | ours).items()]
        )
        return told["taskDefinition"]["taskDefinitionArn"]

    def _scaling(self, desired: ServicePin, kinds: frozenset[str], *, suspended: bool) -> None:
        state: Any = {_SCALING[kind]: suspended for kind in sorted(kinds)}
        self._connection.writing("application-autoscaling").register_scalable_target(
            ServiceNamespace="ecs",
            ResourceId="service/" + "/".join(desired.key),
            ScalableDimension="ecs:service:DesiredCount",
            SuspendedState=state,
        )

    def _count(self, desired: ServicePin, record: ServiceRecord) -> Count:
        asked = 0 if desired.still_for else desired.service.desired_count
        pinned = None if record.scheduling == "DAEMON" else asked
        replaced = Shutdown.read(record.tags[SHUTDOWN]) if SHUTDOWN in record.tags else None
        band = self._reads.band(desired.key) if pinned is not None or replaced else None
        count = Count(record.desired, pinned, band, replaced)
        if band is None and count.needs_a_band:
            self._reads.confirm_no_band(desired.key)
        return count

    def _wanted_or_missing(
        self, desired: ServicePin, record: ServiceRecord, count: Count, now: datetime
    ) -> tuple[Target | None, str]:
        """As `_wanted`; a count does not wait for a revision that is not there."""
        try:
            return self._wanted(desired, record, count, now)
        except Absent as error:
            if not count.drift():
                raise
            return None, str(error)

    def _wanted(
        self, desired: ServicePin, record: ServiceRecord, count: Count, now: datetime
    ) -> tuple[Target | None, str]:
        """The revision to run, and what stands against it."""
        if record.scheduling == "DAEMON" and desired.service.desired_count is not None:
            return None, f"{record.name} is a DAEMON service and has no count; take desired_count out"
        if desired.service.desired_count == 0 and count.wanted() is not None:
            return self._closing(desired, record, now)
        return self._target(desired, record, now)

    def _closing(self, desired: ServicePin, record: ServiceRecord, now: datetime) -> tuple[Target | None, str]:
        """A complete shutdown is made whatever is wrong with the other pins."""
        try:
            target, blocked = self._target(desired, record, now)
        except (Absent, Incomplete, ClientError, BotoCoreError):
            return None, ""  # said by the pass after the shutdown
        return (None if blocked else target), ""

    def _target(self, desired: ServicePin, record: ServiceRecord, now: datetime) -> tuple[Target | None, str]:
        if record.controller != "ECS":
            return None, undrivable(desired.service, record)
        if not record.task_definition:
            raise Incomplete(f"ECS did not say which task definition service {record.name} runs")
        try:
            target = self._targets.of(desired.service, record)
        except Stalled as error:
            return None, str(error)
        return target, self._given_up(desired, record, target, now) if target and target.arn else ""

    def _overdue(self, desired: ServicePin, record: ServiceRecord, why: str, now: datetime) -> str:
        if not why:
            return ""
        began = since(record)
        if began is None:
            last = self._reads.last_deployment(desired.service.cluster, record.arn)
            began = last.created if last else None
        return overdue(why, began, desired.service.progress_deadline, now) if began else ""

    def _given_up(self, desired: ServicePin, record: ServiceRecord, target: Target, now: datetime) -> str:
        """Whether ECS has given this very revision up: the circuit breaker is never fought."""
        tried = [d.created for d in record.deployments if d.task_definition == target.arn and d.rollout == "FAILED"]
        if target.drifts and not tried:
            last = self._reads.last_deployment(desired.service.cluster, record.arn)
            if last and last.task_definition == target.arn and last.status not in UNDER_WAY | {"SUCCESSFUL"}:
                tried = [last.created]
        again = desired.service.restarted_at
        if not tried or (again and again <= now and all(at and at < again for at in tried)):
            return ""
        return gave_up(target.arn, tried[0])


def _standing_still(record: ServiceRecord, count: Count, database: str, now: datetime) -> LiveService:
    """Everything but the count waits until the database has been moved."""
    why = settling(record, count_is_pinned=True) or f"runs no task until database {database} has been moved"
    return LiveService(record=record, target=None, count=count, settling=why, held=held(record, now), still=True)


def _own_family_needed(live: LiveService) -> bool:
    """Whether the target is of another family: then the service remembers its own, for the day the pin is a number."""
    target = live.target
    arn = (target.arn or target.base) if target else ""
    return bool(arn) and family_of(arn) != family_of(live.record.task_definition)


def _own_family(live: LiveService) -> Iterator[Change]:
    if _own_family_needed(live) and FAMILY not in live.record.tags:
        yield RememberTag(key=TAG + FAMILY, value=family_of(live.record.task_definition))
