"""Whether every service runs exactly as many tasks as it desires."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from reconcilers.aws import Connection
from reconcilers.checks import Check, Probe, listed, unmade

_NAME: Final = "running tasks"
_AT_ONCE: Final = 10  # as many as one call takes
_USUAL: Final = 120.0  # seconds that a task may take to come or to go, when autoscaling or ECS replaces one


def running_tasks(services: Sequence[tuple[str, str]], aws: Connection) -> Probe:
    """DescribeServices in tens. Fewer or more than desired counts after two minutes: tasks come and go every day."""

    def ask() -> Iterable[Check]:
        told = [service for batch in _batches(services) for service in _described(*batch, aws)]
        return (_judged(services, told),)

    return Probe(_NAME, ask)


def _batches(services: Sequence[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    by_cluster: dict[str, list[str]] = defaultdict(list)
    for cluster, name in services:
        by_cluster[cluster].append(name)
    for cluster, names in by_cluster.items():
        for first in range(0, len(names), _AT_ONCE):
            yield cluster, names[first : first + _AT_ONCE]


def _described(cluster: str, names: list[str], aws: Connection) -> list[Any]:
    told = aws.reading("ecs").describe_services(cluster=cluster, services=names)
    return list(told.get("services", []))


def _judged(services: Sequence[tuple[str, str]], told: list[Any]) -> Check:
    if len(told) < len(services):
        missing = {name for _, name in services} - {service["serviceName"] for service in told}
        return unmade(_NAME, f"ECS does not tell of {listed(sorted(missing))}")
    amiss = [service for service in told if not _is_whole(service)]
    if amiss:
        return Check(_NAME, ok=False, evidence=listed(_spelled(each) for each in amiss), patience=_USUAL)
    running = sum(service.get("runningCount", 0) for service in told)
    return Check(_NAME, ok=True, evidence=f"{running} of {running}")


def _is_whole(service: Any) -> bool:
    return service.get("runningCount") == service["desiredCount"] and not service.get("pendingCount")


def _spelled(service: Any) -> str:
    pending = service.get("pendingCount", 0)
    more = f", {pending} pending" if pending else ""
    return f"{service['serviceName']} runs {service.get('runningCount', 0)} of {service['desiredCount']}{more}"
