"""What the daemon counts and times, for Prometheus."""

import re
from collections import defaultdict
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from daemon.gauges import Gauges
from daemon.status import Status
from reconcilers.contract import Result
from reconcilers.workshop import Report

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_RESOURCE = ("environment", "kind", "name")
_PASS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0)
_FIRST_WRITE = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_CONVERGENCE = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 3600.0)
_APPLY = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
_CALL = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MOST_CODES = 64  # error codes kept apart; any further one counts as "other"
_FETCHES = ("ok", "unreachable")
_MESSAGES = ("sent", "failed", "dropped", "unconfigured")

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody reads


class Metrics:
    """All metrics of a process, in a registry of their own. `status` is read at every scrape."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status
        self._registry = made = CollectorRegistry()
        self._changed: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        self._codes: set[str] = set()
        self._changes = Counter(
            "trueup_changes", "Changes that were asked of AWS.", (*_RESOURCE, "verb", "result"), registry=made
        )
        self._passes = _timed("trueup_pass_duration_seconds", "Length of a pass.", ("environment",), _PASS, made)
        self._first_write = _timed(
            "trueup_first_write_seconds", "From a commit seen to its first write.", ("environment",), _FIRST_WRITE, made
        )
        self._convergence = _timed(
            "trueup_convergence_seconds", "From a commit seen to all in sync.", ("environment",), _CONVERGENCE, made
        )
        self._verification = _timed(
            "trueup_verification_seconds",
            "From a commit seen to its checks having held.",
            ("environment",),
            _CONVERGENCE,
            made,
        )
        told = ("environment", "event", "result")
        self._notifications = Counter(
            "trueup_notifications", "Messages to people, by what came of them.", told, registry=made
        )
        self._reverts = Counter("trueup_reverts", "Commits that trueup took back.", ("environment",), registry=made)
        self._applies = _timed(
            "trueup_infrastructure_apply_duration_seconds",
            "Length of a terraform apply, by how it ended.",
            ("environment", "name", "result"),
            _APPLY,
            made,
        )
        git = ("repository", "result")
        self._fetches = Counter("trueup_git_fetches", "Polls of the repository.", git, registry=made)
        self._last_fetch = Gauge(
            "trueup_git_last_fetch_timestamp_seconds", "When a poll last ended so.", git, registry=made
        )
        aws = ("service", "operation", "code")
        self._calls = Counter("trueup_aws_calls", "Calls of the AWS API.", aws, registry=made)
        self._call_seconds = _timed(
            "trueup_aws_call_duration_seconds", "Length of a call of the AWS API, with its retries.", aws, _CALL, made
        )
        made.register(Gauges(status))
        ProcessCollector(registry=made)

    def aws_call(self, service: str, operation: str, code: str, seconds: float) -> None:
        """One call of AWS has ended; `code` is the error's, or "" for none."""
        labels = (service, operation, self._bounded(code))
        self._calls.labels(*labels).inc()
        self._call_seconds.labels(*labels).observe(seconds)

    def change(self, environment: str, kind: str, name: str, verb: str, result: str) -> None:
        """One change was asked of AWS."""
        self._changed[environment].add((kind, name))
        for each in Result:  # so that a rate sees the first failure
            self._changes.labels(environment, kind, name, verb, each.value)
        self._changes.labels(environment, kind, name, verb, result).inc()

    def applied(self, environment: str, name: str, report: Report) -> None:
        """A terraform apply has ended."""
        self._changed[environment].add(("infrastructure", name))
        for result in ("ok", "failed"):  # so that a rate sees the first failure
            self._applies.labels(environment, name, result)
        self._applies.labels(environment, name, report.result).observe(report.seconds)

    def pass_took(self, environment: str, seconds: float) -> None:
        """A pass over an environment has ended. What left its file leaves the counters."""
        self._passes.labels(environment).observe(seconds)
        self._forget_left(environment)

    def first_write(self, environment: str, seconds: float) -> None:
        """From a commit seen to its first write."""
        self._first_write.labels(environment).observe(seconds)

    def converged(self, environment: str, seconds: float) -> None:
        """From a commit seen to everything in sync with it."""
        self._convergence.labels(environment).observe(seconds)

    def verified(self, environment: str, seconds: float) -> None:
        """From a commit seen to its checks having held."""
        self._verification.labels(environment).observe(seconds)

    def reverted(self, environment: str) -> None:
        """A commit was taken back."""
        self._reverts.labels(environment).inc()

    def notified(self, environment: str, event: str, result: str) -> None:
        """A message to people was sent, failed, was held back (dropped), or had no URL (unconfigured)."""
        for each in _MESSAGES:  # so that a rate sees the first failure
            self._notifications.labels(environment, event, each)
        self._notifications.labels(environment, event, result).inc()

    def git_fetch(self, repository: str, result: str) -> None:
        """The repository was asked for its head."""
        for each in _FETCHES:
            self._fetches.labels(repository, each)
        self._fetches.labels(repository, result).inc()
        self._last_fetch.labels(repository, result).set_to_current_time()

    def forget(self, environment: str) -> None:
        """An environment has left the repository: its series go."""
        self._changed.pop(environment, None)
        timed = (self._passes, self._first_write, self._convergence, self._verification, self._applies)
        for metric in (self._changes, self._reverts, self._notifications, *timed):
            metric.remove_by_labels({"environment": environment})

    def render(self) -> bytes:
        """Everything in the Prometheus text format."""
        return generate_latest(self._registry)

    def _bounded(self, code: str) -> str:
        code = code or "ok"
        if not re.fullmatch(r"[\w.]{1,80}", code) or (code not in self._codes and len(self._codes) >= _MOST_CODES):
            return "other"
        self._codes.add(code)
        return code

    def _forget_left(self, environment: str) -> None:
        changed = self._changed.get(environment)
        if not changed:
            return
        present = {(r.kind, r.name) for e in self._status().environments if e.name == environment for r in e.resources}
        # Every environment has a maintenance entry, also where its file is silent and nothing is shown.
        for kind, name in [each for each in changed - present if each[0] != "maintenance"]:
            changed.discard((kind, name))
            self._changes.remove_by_labels({"environment": environment, "kind": kind, "name": name})
            if kind == "infrastructure":
                self._applies.remove_by_labels({"environment": environment, "name": name})


def _timed(
    name: str, about: str, labels: tuple[str, ...], buckets: tuple[float, ...], registry: CollectorRegistry
) -> Histogram:
    return Histogram(name, about, labels, buckets=buckets, registry=registry)
