"""Whether every service runs exactly as many tasks as it desires."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from reconcilers.aws import Connection
from reconcilers.checks import Check, Probe, numbered, unmade

_NAME: Final = "running tasks"
_AT_ONCE: Final = 10  # as many as one call takes
_USUAL: Final = 120.0  # seconds that a task may take to come or to go, when autoscaling or ECS replaces one
_Service = tuple[str, str]  # its cluster and its name


def running_tasks(services: Sequence[_Service], aws: Connection) -> Probe:
    """DescribeServices in tens, and a check for each service: two that fall short in turn are not one that always does.

    Fewer or more than desired counts after two minutes: tasks come and go every day.
    """

    def ask() -> Iterable[Check]:
        told: dict[_Service, Any] = {}
        for cluster, names in _batches(services):
            told |= {(cluster, service["serviceName"]): service for service in _described(cluster, names, aws)}
        return _checks(services, told)

    return Probe(_NAME, ask)


def _batches(services: Sequence[_Service]) -> Iterator[tuple[str, list[str]]]:
    by_cluster: dict[str, list[str]] = defaultdict(list)
    for cluster, name in services:
        by_cluster[cluster].append(name)
    for cluster, names in by_cluster.items():
        for first in range(0, len(names), _AT_ONCE):
            yield cluster, names[first : first + _AT_ONCE]


def _described(cluster: str, names: list[str], aws: Connection) -> list[Any]:
    told = aws.reading("ecs").describe_services(cluster=cluster, services=names)
    return list(told.get("services", []))


def _checks(services: Sequence[_Service], told: Mapping[_Service, Any]) -> Iterator[Check]:
    names = numbered(f"{_NAME} of {name}" for _, name in services)
    for name, service in zip(names, services, strict=True):
        yield _judged(name, told[service]) if service in told else unmade(name, "ECS does not tell of it")


def _judged(name: str, service: Any) -> Check:
    running, desired, pending = service.get("runningCount", 0), service["desiredCount"], service.get("pendingCount", 0)
    if running == desired and not pending:
        return Check(name, ok=True, evidence=f"{running} of {desired}")
    more = f", {pending} starting" if pending else ""
    return Check(name, ok=False, evidence=f"{running} of {desired}{more}", patience=_USUAL)
