"""The tasks of a rollout: which are started, which never come up, and which have to go, each at its instant."""

from dataclasses import replace
from math import inf

from rehearsal.service_values import Deployment, Service, Task, breaker, digest_of, threshold

_FAILING = 60  # how many tasks a rollout without a circuit breaker tries in vain


def launch(service: Service, of: Deployment, now: float, seconds: float, count: int) -> tuple[Task, ...]:
    """Tasks that start one after the other, the last of them when the time is over."""
    first = len(service.tasks)
    return tuple(
        Task(digest_of(of.id, now, first + i), of.id, of.revision, now, now + seconds * (i + 1) / count)
        for i in range(count)
    )


def doomed(service: Service, of: Deployment, now: float, seconds: float) -> tuple[Task, ...]:
    """Tasks that never become healthy, one after the other."""
    limit = threshold(service.desired)
    step = seconds / limit
    count = limit if breaker(service)["enable"] else max(limit, _FAILING)
    why = "Task failed container health checks"
    return tuple(
        Task(digest_of(of.id, now, i), of.id, of.revision, now + step * i, inf, now + step * (i + 1), why)
        for i in range(count)
    )


def cancelled(tasks: tuple[Task, ...], now: float) -> tuple[Task, ...]:
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


def retire(tasks: tuple[Task, ...], now: float, seconds: float, why: str) -> tuple[Task, ...]:
    """Tasks that stop one after the other, the last of them when the time is over."""
    alive = [t for t in tasks if t.status(now) in ("RUNNING", "PENDING")]
    stops = {t.id: now + seconds * (i + 1) / len(alive) for i, t in enumerate(alive)}
    return tuple(replace(t, stopped=stops[t.id], reason=why) if t.id in stops else t for t in tasks)
