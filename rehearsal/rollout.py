"""A service and its rolling deployments as ECS makes them: pure steps from what was asked when to what is so now."""

import json
from collections.abc import Iterator
from dataclasses import replace
from math import inf

from rehearsal.rollout_tasks import cancelled, doomed, launch, retire
from rehearsal.service_values import Deployment, Record, Revision, Service, Task, breaker, digest_of, number_of

_EVENTS = 100  # as many as DescribeServices ever shows
_STOPPED = 20  # how many stopped tasks are remembered
_MOVED = "Scaling activity initiated by a newer deployment"


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
    staying = (t for t in service.tasks if t.status(now) in ("RUNNING", "PENDING") and t.stopped == inf)
    mine = [t for t in staying if t.deployment == primary.id]
    others = tuple(t for t in service.tasks if t not in mine)
    if desired >= len(mine):
        added = launch(service, primary, now, seconds, desired - len(mine))
        scaled = replace(scaled, tasks=(*others, *mine, *added))
        return said(scaled, now, _started(added)) if added else scaled
    surplus = retire(tuple(mine[desired:]), now, seconds, "Scaling activity initiated by a change of desired count")
    return replace(scaled, tasks=(*others, *mine[:desired], *surplus))


def drain(service: Service, now: float, seconds: float) -> Service:
    """DeleteService: every task stops, then the service is INACTIVE."""
    tasks = retire(service.tasks, now, seconds, "Service deleted")
    return replace(service, status="DRAINING", desired=0, tasks=tasks, deployments=(), gone=now + seconds, steady=inf)


def heal(service: Service, now: float, seconds: float) -> Service:
    """The image that kept the rollout from going on is good now."""
    primary = replace(service.primary, healthy=True, ends=now + seconds)
    tasks = cancelled(service.tasks, now)
    added = launch(service, primary, now, seconds, service.desired)
    healed = replace(service, deployments=(primary, *service.deployments[1:]))
    return replace(healed, tasks=(*retire(tasks, now, seconds, _MOVED), *added))


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


def _begin(service: Service, revision: Revision, now: float, seconds: float, *, healthy: bool, reason: str) -> Service:
    healthy = healthy or service.desired == 0  # without tasks none can fail
    number = number_of(service.arn, "deployment", now, len(service.events))
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
    tasks = cancelled(service.tasks, now)
    if healthy:
        tasks = retire(tasks, now, seconds, _MOVED)
        added = launch(service, deployment, now, seconds, service.desired)
    else:
        added = doomed(service, deployment, now, seconds)
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
        return replace(service, history=(stopped, *service.history[1:]), tasks=cancelled(service.tasks, at))
    rollback = (why, at, target.arn)
    undoing = replace(record, status="ROLLBACK_IN_PROGRESS", reason=why, updated=at, rollback=rollback)
    service = replace(service, history=(undoing, *service.history[1:]))
    old = next((d.id for d in service.deployments if d.revision == target), primary.id)
    service = said(service, at, f"rolling back to deployment {old}.")
    reason = f"ECS deployment circuit breaker: rolling back to deploymentId {old}."
    return _begin(service, target, at, seconds, healthy=True, reason=reason)


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
    return f"{prefix}:{kind}/{rest}/{number_of(service.arn, kind, now)}"


def revision_arn(service: Service, now: float) -> str:
    """The ARN of the service revision that a deployment started now rolls out."""
    return _arn(service, "service-revision", now)


def _uuid(*of: object) -> str:
    h = digest_of(*of)
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
