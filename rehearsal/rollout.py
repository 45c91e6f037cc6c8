"""A service and its rolling deployments as ECS makes them: pure steps from what was asked when to what is so now."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Any

_EVENTS = 100  # as many as DescribeServices ever shows
_FAILING = 60  # how many tasks a rollout without a circuit breaker tries in vain
_STOPPED = 20  # how many stopped tasks are remembered


@dataclass(frozen=True)
class Revision:
    """A service revision: what one deployment rolls out. `images`: container, image and digest of each."""

    arn: str
    created: float
    task_definition: str
    images: tuple[tuple[str, str, str], ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """One task with the instants at which it was created, starts and stops; infinite: it never does."""

    id: str
    deployment: str
    revision: Revision
    created: float
    started: float
    stopped: float = inf
    reason: str = ""

    def status(self, now: float) -> str:
        if now < self.created:
            return ""
        if now >= self.stopped:
            return "STOPPED"
        return "RUNNING" if now >= self.started else "PENDING"


@dataclass(frozen=True)
class Deployment:
    """One entry of deployments[]. `ends`: when it is complete, or given up."""

    id: str
    revision: Revision
    created: float
    updated: float
    desired: int
    healthy: bool
    ends: float
    status: str = "PRIMARY"
    rollout: str = "IN_PROGRESS"
    reason: str = ""


@dataclass(frozen=True)
class Record:
    """A service deployment, as the deployment history keeps it."""

    arn: str
    status: str
    target: Revision
    sources: tuple[str, ...]
    created: float
    updated: float
    finished: float | None = None
    reason: str = ""
    rollback: tuple[str, float, str] | None = None  # why, since when, to which service revision


@dataclass(frozen=True)
class Service:
    """An ECS service. `settings` are the members of CreateService that AWS keeps and echoes."""

    arn: str
    name: str
    cluster: str
    created: float
    desired: int
    settings: Mapping[str, Any]
    tags: Mapping[str, str]
    status: str = "ACTIVE"
    deployments: tuple[Deployment, ...] = ()  # newest first
    tasks: tuple[Task, ...] = ()
    events: tuple[str, ...] = ()  # JSON, newest first
    history: tuple[Record, ...] = ()  # newest first
    completed: Revision | None = None  # what a rollback returns to
    steady: float = inf  # when the scaling under way ends
    gone: float = inf  # when draining ends

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]

    @property
    def due(self) -> float:
        """The instant of the next step."""
        return min(self.steady, self.gone, self.deployments[0].ends if self.deployments else inf)


def start(service: Service, revision: Revision, now: float, seconds: float, *, healthy: bool) -> Service:
    """A new PRIMARY deployment of `revision`; it preempts whatever is under way."""
    record = Record(
        arn=_arn(service, "service-deployment", now),
        status="IN_PROGRESS",
        target=revision,
        sources=tuple(dict.fromkeys(d.revision.arn for d in service.deployments)),
        created=now,
        updated=now,
    )
    history = service.history
    if history and history[0].finished is None:
        given_up = "ROLLBACK_FAILED" if history[0].rollback else "STOPPED"
        stopped = replace(history[0], status=given_up, finished=now, updated=now, reason="A newer deployment started.")
        history = (stopped, *history[1:])
    service = replace(service, history=(record, *history)[:50])
    return _begin(service, revision, now, seconds, healthy=healthy, reason="in progress.")


def scale(service: Service, desired: int, now: float, seconds: float) -> Service:
    """Another desired count: no deployment, only more or fewer tasks of the one that there is."""
    primary = replace(service.primary, desired=desired, updated=now)
    if primary.rollout == "IN_PROGRESS" and primary.healthy:
        primary = replace(primary, ends=max(primary.ends, now + seconds))
    scaled = replace(service, desired=desired, deployments=(primary, *service.deployments[1:]), steady=now + seconds)
    if not primary.healthy:
        return scaled
    mine = [t for t in service.tasks if t.deployment == primary.id and t.status(now) in ("RUNNING", "PENDING")]
    others = tuple(t for t in service.tasks if t not in mine)
    if desired >= len(mine):
        added = _launch(service, primary, now, seconds, desired - len(mine))
        scaled = replace(scaled, tasks=(*others, *mine, *added))
        return said(scaled, now, _started(added)) if added else scaled
    surplus = _retire(tuple(mine[desired:]), now, seconds, "Scaling activity initiated by a change of desired count")
    return replace(scaled, tasks=(*others, *mine[:desired], *surplus))


def drain(service: Service, now: float, seconds: float) -> Service:
    """DeleteService: every task stops, then the service is INACTIVE."""
    tasks = _retire(service.tasks, now, seconds, "Service deleted")
    return replace(service, status="DRAINING", desired=0, tasks=tasks, deployments=(), gone=now + seconds, steady=inf)


def heal(service: Service, now: float, seconds: float) -> Service:
    """The image that kept the rollout from going on is good now."""
    primary = replace(service.primary, healthy=True, ends=now + seconds)
    tasks = _cancelled(service.tasks, now)
    added = _launch(service, primary, now, seconds, service.desired)
    healed = replace(service, deployments=(primary, *service.deployments[1:]))
    return replace(healed, tasks=(*_retire(tasks, now, seconds, _MOVED), *added))


def steps(service: Service, now: float, seconds: float) -> Iterator[tuple[float, Service]]:
    """Every step that is due by `now`, each with its own instant and the service after it."""
    while service.due <= now:
        at = service.due
        service = _step(service, at, seconds)
        yield at, service


def settled(service: Service, now: float, seconds: float) -> Service:
    """The service after every step that is due by `now`."""
    for _, later in steps(service, now, seconds):
        service = later
    return service


def counts(service: Service, now: float, deployment: str | None = None) -> tuple[int, int, int]:
    """Running, pending and failed tasks, of one deployment or of all."""
    mine = [t for t in service.tasks if deployment in (None, t.deployment)]
    states = [t.status(now) for t in mine]
    failed = sum(1 for t, state in zip(mine, states, strict=True) if state == "STOPPED" and t.started == inf)
    return states.count("RUNNING"), states.count("PENDING"), failed


def next_change(service: Service, now: float) -> float:
    """Until when the service stays as it is now."""
    instants = [i for t in service.tasks for i in (t.created, t.started, t.stopped) if now < i < inf]
    return min([service.due, *instants])


def breaker(service: Service) -> Mapping[str, bool]:
    """Its deployment circuit breaker: {enable, rollback}."""
    found: Mapping[str, bool] = service.settings["deploymentConfiguration"]["deploymentCircuitBreaker"]
    return found


def threshold(desired: int) -> int:
    """How many failed tasks make the circuit breaker give up: half of the desired count, at least 3, at most 200."""
    return min(200, max(3, ceil(desired * 0.5)))


_MOVED = "Scaling activity initiated by a newer deployment"


def _begin(service: Service, revision: Revision, now: float, seconds: float, *, healthy: bool, reason: str) -> Service:
    healthy = healthy or service.desired == 0  # without tasks none can fail
    number = _number(service.arn, "deployment", now, len(service.events))
    deployment = Deployment(
        id=f"ecs-svc/{number}",
        revision=revision,
        created=now,
        updated=now,
        desired=service.desired,
        healthy=healthy,
        ends=now + seconds,
        reason=f"ECS deployment ecs-svc/{number} {reason}" if reason.startswith("in ") else reason,
    )
    older = tuple(
        replace(d, status="ACTIVE", ends=inf, desired=0 if healthy else d.desired) for d in service.deployments
    )
    tasks = _cancelled(service.tasks, now)
    if healthy:
        tasks = _retire(tasks, now, seconds, _MOVED)
        added = _launch(service, deployment, now, seconds, service.desired)
    else:
        added = _doomed(service, deployment, now, seconds)
    begun = replace(service, deployments=(deployment, *older), tasks=(*tasks, *added), steady=inf)
    return said(begun, now, _started(added[: max(1, service.desired)])) if added else begun


def _step(service: Service, at: float, seconds: float) -> Service:
    if service.gone <= at:
        return replace(service, status="INACTIVE", gone=inf, tasks=())
    if service.steady <= at:
        return said(replace(service, steady=inf), at, "has reached a steady state.")
    if service.primary.healthy:
        return _complete(service, at)
    return _give_up(service, at, seconds)


def _complete(service: Service, at: float) -> Service:
    primary = service.primary
    record = service.history[0]
    status = "ROLLBACK_SUCCESSFUL" if record.rollback else "SUCCESSFUL"
    done = replace(primary, rollout="COMPLETED", ends=inf, updated=at, reason=f"ECS deployment {primary.id} completed.")
    alive = tuple(t for t in service.tasks if t.status(at) != "STOPPED")
    stopped = sorted((t for t in service.tasks if t.status(at) == "STOPPED"), key=lambda t: t.stopped)[-_STOPPED:]
    after = replace(
        service,
        deployments=(done,),
        tasks=(*alive, *stopped),
        history=(replace(record, status=status, finished=at, updated=at), *service.history[1:]),
        completed=primary.revision,
    )
    after = said(after, at, f"(deployment {primary.id}) deployment completed.")
    return said(after, at, "has reached a steady state.")


def _give_up(service: Service, at: float, seconds: float) -> Service:
    primary, record = service.primary, service.history[0]
    if not breaker(service)["enable"]:
        return replace(service, deployments=(replace(primary, ends=inf), *service.deployments[1:]))
    why = "ECS deployment circuit breaker: tasks failed to start."
    failed = replace(primary, rollout="FAILED", reason=why, updated=at, ends=inf)
    service = replace(service, deployments=(failed, *service.deployments[1:]))
    service = said(service, at, f"(deployment {primary.id}) deployment failed: tasks failed to start.")
    target = service.completed
    if not breaker(service)["rollback"] or target is None:
        stopped = replace(record, status="STOPPED", reason=why, finished=at, updated=at)
        return replace(service, history=(stopped, *service.history[1:]), tasks=_cancelled(service.tasks, at))
    rollback = (why, at, target.arn)
    undoing = replace(record, status="ROLLBACK_IN_PROGRESS", reason=why, updated=at, rollback=rollback)
    service = replace(service, history=(undoing, *service.history[1:]))
    old = next((d.id for d in service.deployments if d.revision == target), primary.id)
    service = said(service, at, f"rolling back to deployment {old}.")
    reason = f"ECS deployment circuit breaker: rolling back to deploymentId {old}."
    return _begin(service, target, at, seconds, healthy=True, reason=reason)


def _launch(service: Service, of: Deployment, now: float, seconds: float, count: int) -> tuple[Task, ...]:
    """Tasks that start one after the other, the last of them when the time is over."""
    first = len(service.tasks)
    return tuple(
        Task(_hex(of.id, now, first + i), of.id, of.revision, now, now + seconds * (i + 1) / count)
        for i in range(count)
    )


def _doomed(service: Service, of: Deployment, now: float, seconds: float) -> tuple[Task, ...]:
    """Tasks that never become healthy, one after the other."""
    limit = threshold(service.desired)
    step = seconds / limit
    count = limit if breaker(service)["enable"] else max(limit, _FAILING)
    why = "Task failed container health checks"
    return tuple(
        Task(_hex(of.id, now, i), of.id, of.revision, now + step * i, inf, now + step * (i + 1), why)
        for i in range(count)
    )


def _cancelled(tasks: tuple[Task, ...], now: float) -> tuple[Task, ...]:
    """What has not started never will, and what was to stop goes on."""
    kept = []
    for task in tasks:
        if task.status(now) == "RUNNING":
            kept.append(replace(task, stopped=inf, reason=""))
        elif task.status(now) == "PENDING":
            kept.append(replace(task, stopped=now, reason="Deployment superseded"))
        elif task.status(now) == "STOPPED":
            kept.append(task)
    return tuple(kept)


def _retire(tasks: tuple[Task, ...], now: float, seconds: float, why: str) -> tuple[Task, ...]:
    """Tasks that stop one after the other, the last of them when the time is over."""
    alive = [t for t in tasks if t.status(now) in ("RUNNING", "PENDING")]
    stops = {t.id: now + seconds * (i + 1) / len(alive) for i, t in enumerate(alive)}
    return tuple(replace(t, stopped=stops[t.id], reason=why) if t.id in stops else t for t in tasks)


def said(service: Service, at: float, message: str) -> Service:
    event = json.dumps(
        {
            "id": _uuid(service.arn, at, message),
            "createdAt": round(at, 3),
            "message": f"(service {service.name}) {message}",
        },
        separators=(",", ":"),
    )
    return replace(service, events=(event, *service.events)[:_EVENTS])


def _started(tasks: tuple[Task, ...]) -> str:
    return f"has started {len(tasks)} tasks: " + " ".join(f"(task {t.id})" for t in tasks[:10]) + "."


def _arn(service: Service, kind: str, now: float) -> str:
    prefix, _, rest = service.arn.partition(":service/")
    return f"{prefix}:{kind}/{rest}/{_number(service.arn, kind, now)}"


def revision_arn(service: Service, now: float) -> str:
    """The ARN of the service revision that a deployment started now rolls out."""
    return _arn(service, "service-revision", now)


def _hex(*of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:32]


def _number(*of: object) -> str:
    return str(10**18 + int(_hex(*of), 16) % (9 * 10**18))


def _uuid(*of: object) -> str:
    h = _hex(*of)
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
