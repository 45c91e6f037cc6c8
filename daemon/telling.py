"""The one place where what happened reaches people: every fact goes to log, metrics and chronicle from here."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from daemon.chronicle import Chronicle
from daemon.journal import Journal
from daemon.metrics import Metrics
from daemon.notifications import Notifications
from daemon.status import EnvironmentStatus, GitStatus
from desired_state.in_force import Standing
from desired_state.repository import Commit
from reconcilers.checks import Check
from reconcilers.contract import Outcome
from reconcilers.workshop import Report


@dataclass(frozen=True)
class Telling:
    """Logs, metrics and the chronicle, told the same facts."""

    journal: Journal
    metrics: Metrics
    chronicle: Chronicle = field(default_factory=Chronicle)
    notifications: Notifications = field(default_factory=Notifications)

    def resource(self, environment: str, commit: str, kind: str, name: str, outcome: Outcome) -> None:
        """One pass over one resource came to this."""
        self.journal.resource(environment, commit, kind, name, outcome)
        for attempt in outcome.attempts:
            self.metrics.change(environment, kind, name, attempt.change.verb, attempt.result.value)
        self.chronicle.resource(environment, commit, kind, name, outcome)

    def passed(self, status: EnvironmentStatus, seconds: float, writes: int, *, full: bool) -> None:
        """A pass over an environment has ended; a full one looked at everything in it."""
        self.journal.passed(status, seconds, writes, full=full)
        self.metrics.pass_took(status.name, seconds)
        self.chronicle.passed(status)
        self.notifications.passed(status)

    def applied(self, environment: str, name: str, report: Report) -> None:
        """Terraform has come to the end of an apply."""
        self.journal.applied(environment, name, report)
        self.metrics.applied(environment, name, report)
        self.chronicle.applied(environment, name, report)

    def followed(self, standing: Standing, *, seen: bool, by: Commit | None = None) -> None:
        """A version of a file came into force. `seen`: this process saw it arrive; `by`: the commit that brought it."""
        self.journal.followed(standing, by)
        self.chronicle.followed(standing, seen=seen, by=by)
        self.notifications.followed(standing, seen=seen, by=by)

    def verified(self, environment: str, commit: str, seconds: float | None, checks: Sequence[Check]) -> None:
        """The checks of a commit have held, so long after it was seen to arrive; None: it was there at the start."""
        self.journal.verified(environment, commit, seconds, checks)
        if seconds is not None:
            self.metrics.verified(environment, seconds)
        self.chronicle.verified(environment, commit, seconds, checks)

    def verification_failed(self, environment: str, commit: str, reason: str, checks: Sequence[Check]) -> None:
        """A check of a commit has failed for so long that it counts."""
        self.journal.verification_failed(environment, commit, reason, checks)
        self.chronicle.verification_failed(environment, commit, reason, checks)

    def reverted(self, environment: str, bad: str, commit: str, to: str) -> None:
        """The services' pins of a bad commit were taken back to those of an earlier one, by this new commit."""
        self.journal.reverted(environment, bad, commit, to)
        self.metrics.reverted(environment)
        self.chronicle.reverted(environment, bad, commit, to)
        self.notifications.reverted(environment, bad, commit, to)

    def is_verified(self, environment: str, commit: str) -> bool | None:
        """Whether people were told that the checks of a commit held, or failed. None: neither."""
        return self.chronicle.is_verified(environment, commit)

    def first_write(self, environment: str, seconds: float) -> None:
        """The first write that a new commit led to, so long after the commit was seen."""
        self.metrics.first_write(environment, seconds)

    def converged(self, environment: str, seconds: float) -> None:
        """Everything is in sync with a new commit, so long after the commit was seen."""
        self.metrics.converged(environment, seconds)
        self.notifications.converged(environment, seconds)

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
        self.chronicle.gone(environment)
        self.notifications.gone(environment)
