"""The status as gauges, made anew at every scrape."""

from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import version

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from daemon.status import EnvironmentStatus, ResourceStatus, Status
from reconcilers.contract import Condition

_RESOURCE = ("environment", "kind", "name")


class Gauges(Collector):
    """The status at the time of a scrape. Nothing is kept, so what left the file leaves the metrics."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        status = self._status()
        yield _gauge("trueup_build_info", "The version that runs.", ("version",), [((version("trueup"),), 1.0)])
        yield _gauge("trueup_leader", "Whether this process is the one that acts.", (), [((), float(status.leader))])
        yield from _of_environments(status.environments)
        yield _validity(status)
        yield from _of_infrastructure([(e.name, r) for e in status.environments for r in e.resources])
        yield from _of_resources([(e.name, r) for e in status.environments for r in e.resources])


_Samples = list[tuple[tuple[str, ...], float]]


def _of_environments(environments: tuple[EnvironmentStatus, ...]) -> Iterator[Metric]:
    one = ("environment",)

    def each(name: str, about: str, value: Callable[[EnvironmentStatus], float | None]) -> Metric:
        found = [(e.name, value(e)) for e in environments]
        return _gauge(name, about, one, [((name,), number) for name, number in found if number is not None])

    yield each("trueup_last_pass_timestamp_seconds", "When the last pass ended.", lambda e: _instant(e.last_pass))
    yield each(
        "trueup_last_in_sync_timestamp_seconds",
        "When everything was last in sync.",
        lambda e: _instant(e.last_in_sync),
    )
    yield _gauge(
        "trueup_desired_state_info",
        "The commit that is in force.",
        ("environment", "commit"),
        [((e.name, e.commit), 1.0) for e in environments],
    )
    yield _gauge(
        "trueup_mode_info",
        "How far trueup may go: enforce, observe or suspended.",
        ("environment", "mode"),
        [((e.name, e.mode), 1.0) for e in environments],
    )
    yield each(
        "trueup_maintenance_enabled",
        "Whether the maintenance page is live.",
        lambda e: None if e.maintenance_enabled is None else float(e.maintenance_enabled),
    )
    yield each(
        "trueup_verified",
        "Whether the checks of the commit in force hold, where the file has any.",
        lambda e: None if e.verified is None else float(e.verified),
    )
    ready = [((e.name, f"{k.back}"), k.ready) for e in environments for k in e.rollback_ready]
    yield _gauge(
        "trueup_rollback_ready",
        "Whether going back by so many versions would work now, where that is known.",
        ("environment", "commits_back"),
        [(labels, float(value)) for labels, value in ready if value is not None],
    )
    yield each(
        "trueup_rollback_ready_timestamp_seconds",
        "When that was looked at last.",
        lambda e: max((k.looked.timestamp() for k in e.rollback_ready if k.looked), default=None),
    )


def _validity(status: Status) -> Metric:
    """A file of which no version was ever good has no name of an environment yet; its own name stands in for it."""
    samples: _Samples = [((e.name,), float(e.valid)) for e in status.environments]
    known = {e.file for e in status.environments}
    samples += [((file,), 0.0) for file in sorted({each.file for each in status.git.problems} - known)]
    return _gauge("trueup_desired_state_valid", "Whether the file is good at the head.", ("environment",), samples)


def _of_resources(resources: list[tuple[str, ResourceStatus]]) -> Iterator[Metric]:
    conditions: _Samples = []
    drift: _Samples = []
    since: _Samples = []
    advice: _Samples = []
    waiting: _Samples = []
    until: _Samples = []
    checks: _Samples = []
    for environment, resource in resources:
        labels = (environment, resource.kind, resource.name)
        conditions += [((*labels, each.value), float(each is resource.condition)) for each in Condition]
        drift.append((labels, float(len(resource.drifts))))
        if resource.drifted_since:
            since.append((labels, resource.drifted_since.timestamp()))
        if resource.wait:
            waiting.append(((*labels, resource.wait.kind), 1.0))
            until += [(labels, resource.wait.until.timestamp())] if resource.wait.until else []
        checks += [((environment, c.name), float(c.ok)) for c in resource.checks if c.ok is not None]
        advice += [((*labels, kind), 1.0) for kind in sorted({each.type for each in resource.advice})]
    yield _gauge("trueup_resource_condition", "1 for the condition that holds.", (*_RESOURCE, "condition"), conditions)
    yield _gauge("trueup_resource_drift", "Fields that differ.", _RESOURCE, drift)
    yield _gauge("trueup_resource_drifted_since_timestamp_seconds", "Since when something differs.", _RESOURCE, since)
    yield _gauge(
        "trueup_changes_waiting",
        "1 while changes wait for a change window or, above the limit, for a person.",
        (*_RESOURCE, "reason"),
        waiting,
    )
    yield _gauge(
        "trueup_changes_waiting_until_timestamp_seconds", "When the window opens that they wait for.", _RESOURCE, until
    )
    yield _gauge(
        "trueup_verification_check",
        "Whether a check of verify held when it was last made.",
        ("environment", "check"),
        checks,
    )
    yield _gauge("trueup_advice", "Something a person should know that is not drift.", (*_RESOURCE, "type"), advice)


def _of_infrastructure(resources: list[tuple[str, ResourceStatus]]) -> Iterator[Metric]:
    drift: _Samples = []
    at: _Samples = []
    for environment, resource in resources:
        if resource.infrastructure and (check := resource.infrastructure.check):
            counts = {"add": check.add, "change": check.change, "destroy": check.destroy}
            drift += [((environment, resource.name, action), float(count)) for action, count in counts.items()]
            at.append(((environment, resource.name), check.at.timestamp()))
    labels = ("environment", "name")
    yield _gauge(
        "trueup_infrastructure_drift",
        "Resources that the last terraform plan would add, change and destroy; a replacement is added and destroyed.",
        (*labels, "action"),
        drift,
    )
    yield _gauge(
        "trueup_infrastructure_last_check_timestamp_seconds", "When terraform last found out what differs.", labels, at
    )


def _gauge(name: str, about: str, labels: tuple[str, ...], samples: _Samples) -> Metric:
    family = GaugeMetricFamily(name, about, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _instant(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
