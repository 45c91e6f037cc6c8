"""What the rehearsal's ECS knows of one region: clusters, task definitions, and services with their past."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from rehearsal import rollout
from rehearsal.clock import Clock, Pace
from rehearsal.run_values import Runs
from rehearsal.service_values import Service
from rehearsal.wire import ACCOUNT, Refused

_PAST = 60  # how many earlier states of a service a stale read can go back through

Params = dict[str, Any]


class Registry(Protocol):
    """Where images come from."""

    def digest(self, image: str) -> str:
        """The digest that this image has now."""

    def is_bad(self, image: str) -> bool:
        """Whether no task of this image ever becomes healthy."""


@dataclass(frozen=True)
class Definition:
    """One revision of a task definition as DescribeTaskDefinition shows it, without its tags."""

    arn: str
    family: str
    revision: int
    content: Mapping[str, Any]
    status: str = "ACTIVE"
    deregistered: float | None = None

    def shown(self) -> dict[str, Any]:
        gone = {} if self.deregistered is None else {"deregisteredAt": self.deregistered}
        return {**self.content, "status": self.status, **gone}


class Timeline:
    """One service: its present state, and those before it."""

    def __init__(self, service: Service, at: float) -> None:
        self.present = service
        self._past: list[tuple[float, Service | None]] = [(at, None)]  # each until the instant beside it
        self.cache: dict[bool, tuple[float, bytes]] = {}  # with tags or not -> until when, rendered

    def put(self, service: Service, at: float) -> None:
        self._past.append((at, self.present))
        del self._past[:-_PAST]
        self.present = service
        self.cache.clear()

    def as_of(self, at: float) -> Service | None:
        """The state at an instant in the past. None: the service did not exist yet."""
        return next((state for until, state in self._past if at < until), self.present)


@dataclass
class Region:
    """The ECS of one region."""

    name: str
    clock: Clock
    pace: Pace
    registry: Registry
    clusters: dict[str, Params] = field(default_factory=dict)
    families: dict[str, dict[int, Definition]] = field(default_factory=dict)
    numbering: dict[str, int] = field(default_factory=dict)
    services: dict[tuple[str, str], Timeline] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)  # of clusters and task definitions
    runs: Runs = field(default_factory=Runs)

    def arn(self, kind: str, rest: str) -> str:
        return f"arn:aws:ecs:{self.name}:{ACCOUNT}:{kind}/{rest}"

    def cluster(self, given: str | None) -> str:
        """The name of an ACTIVE cluster, by name or ARN."""
        name = (given or "default").removeprefix(self.arn("cluster", ""))
        if self.clusters.get(name, {}).get("status") != "ACTIVE":
            raise Refused("ClusterNotFoundException", "Cluster not found.")
        return name

    def timeline(self, cluster: str, given: str) -> Timeline | None:
        """The service with every step that is due, by name or ARN."""
        timeline = self.services.get((cluster, given.removeprefix(self.arn("service", f"{cluster}/"))))
        if timeline is not None:
            self.settle(timeline)
        return timeline

    def living(self, cluster: str, given: str) -> Timeline:
        """The service, refused where it is missing or INACTIVE."""
        timeline = self.timeline(cluster, given)
        if timeline is None:
            raise Refused("ServiceNotFoundException", "Service not found.")
        if timeline.present.status != "ACTIVE":
            raise Refused("ServiceNotActiveException", "Service was not ACTIVE.")
        return timeline

    def of_cluster(self, cluster: str) -> Iterator[Timeline]:
        for (where, _), timeline in self.services.items():
            if where == cluster:
                self.settle(timeline)
                yield timeline

    def settle(self, timeline: Timeline) -> None:
        now = self.clock.now()
        if timeline.present.due <= now:
            for at, service in rollout.steps(timeline.present, now, self.pace.rollout):
                timeline.put(service, at)

    def definition(self, given: str) -> Definition | None:
        """A revision by ARN, family:revision or family; a family alone is its latest ACTIVE revision."""
        family, _, revision = given.removeprefix(self.arn("task-definition", "")).partition(":")
        revisions = self.families.get(family, {})
        if revision:
            return revisions.get(int(revision)) if revision.isdecimal() else None
        active = [number for number, each in revisions.items() if each.status == "ACTIVE"]
        return revisions[max(active)] if active else None


def page(items: list[Any], params: Params, limit: int) -> tuple[list[Any], dict[str, str]]:
    """One page of a list, and the token of the next one where there is more."""
    size = params.get("maxResults") or limit
    if not 1 <= size <= 100:
        raise Refused("InvalidParameterException", "maxResults must be between 1 and 100.")
    token = params.get("nextToken") or "page-0"
    start = token.removeprefix("page-")
    if not start.isdecimal():
        raise Refused("InvalidParameterException", "Invalid token.")
    end = int(start) + size
    return items[int(start) : end], {"nextToken": f"page-{end}"} if end < len(items) else {}


def tag_map(tags: list[dict[str, str]] | None) -> dict[str, str]:
    """Tags as a map. An empty list is refused, as ECS does."""
    if tags is not None and not tags:
        raise Refused("InvalidParameterException", "Tags can not be empty.")
    return {tag["key"]: tag.get("value", "") for tag in tags or ()}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]
