"""A service with its deployments, its tasks and its history: frozen values, and what can be read off them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf
from typing import Any


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


def digest_of(*of: object) -> str:
    """32 hexadecimal digits that always come out the same."""
    return hashlib.sha256(repr(of).encode()).hexdigest()[:32]


def number_of(*of: object) -> str:
    """The 19 digits that end the ARN of a deployment or a revision."""
    return str(10**18 + int(digest_of(*of), 16) % (9 * 10**18))
