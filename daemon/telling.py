"""The one place where what happened reaches people: every fact goes to the log and to the metrics from here."""

from dataclasses import dataclass

from daemon.journal import Journal
from daemon.metrics import Metrics
from daemon.status import EnvironmentStatus, GitStatus
from reconcilers.contract import Outcome
from reconcilers.workshop import Report


@dataclass(frozen=True)
class Telling:
    """Logs and metrics, told the same facts."""

    journal: Journal
    metrics: Metrics

    def resource(self, environment: str, commit: str, kind: str, name: str, outcome: Outcome) -> None:
        """One pass over one resource came to this."""
        self.journal.resource(environment, commit, kind, name, outcome)
        for attempt in outcome.attempts:
            self.metrics.change(environment, kind, name, attempt.change.verb, attempt.result.value)

    def passed(self, status: EnvironmentStatus, seconds: float, writes: int, *, full: bool) -> None:
        """A pass over an environment has ended; a full one looked at everything in it."""
        self.journal.passed(status, seconds, writes, full=full)
        self.metrics.pass_took(status.name, seconds)

    def applied(self, environment: str, name: str, report: Report) -> None:
        """Terraform has come to the end of an apply."""
        self.journal.applied(environment, name, report)
        self.metrics.applied(environment, name, report)

    def first_write(self, environment: str, seconds: float) -> None:
        """The first write that a new commit led to, so long after the commit was seen."""
        self.metrics.first_write(environment, seconds)

    def converged(self, environment: str, seconds: float) -> None:
        """Everything is in sync with a new commit, so long after the commit was seen."""
        self.metrics.converged(environment, seconds)

    def polled(self, status: GitStatus) -> None:
        """The repository was asked for its head."""
        self.journal.git(status)
        self.metrics.git_fetch(status.repository, "unreachable" if status.error else "ok")

    def failed(self, environment: str, error: Exception) -> None:
        """A pass over an environment ended with a mistake of ours."""
        self.journal.failed(environment, error)

    def gone(self, environment: str) -> None:
        """An environment has left the repository."""
        self.journal.gone(environment)
        self.metrics.forget(environment)
