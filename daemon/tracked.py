"""One resource over many passes: what the last look came to, what is known of it, and when to look again."""

from dataclasses import replace

from daemon.brake import Brake
from daemon.clock import Clock
from daemon.entry import Entry
from daemon.status import ResourceStatus
from reconcilers.contract import Condition, Outcome
from reconcilers.infrastructure import LiveInfrastructure
from reconcilers.verification import LiveVerification

NEVER = float("inf")


class Tracked:
    """An entry of a file and its resource. Times are seconds of the monotonic clock unless said otherwise."""

    def __init__(self, entry: Entry, clock: Clock) -> None:
        self.entry = entry
        self.brake = Brake(clock.monotonic)
        self.outcome: Outcome | None = None
        self.status: ResourceStatus | None = None  # None: nothing to show
        self.moving = False  # as far as could be read, a change of it is pending or in progress
        self._clock = clock
        self._looked = 0.0

    def take(self, outcome: Outcome) -> Outcome:
        """Take in what a pass came to. Returns what it counts as."""
        self.outcome = outcome = self.brake.learn(outcome)
        self._looked = self._clock.monotonic()
        pending = outcome.condition is Condition.RETRYING and bool(outcome.changes)
        if outcome.live is not None or outcome.condition is not Condition.RETRYING:
            self.moving = pending or outcome.condition is Condition.PROGRESSING
        shown = self.entry.named or outcome.condition is not Condition.IN_SYNC
        self.status = self._known(outcome) if shown or (outcome.live and outcome.live.advice) else None
        return outcome

    def lay_down(self) -> None:
        """Nobody looks at it any more, and what was seen is no longer told. What holds a write back stays known."""
        self.outcome, self.status, self.moving = None, None, False
        self.brake.rest_no_more()

    def due(self, pace: float) -> float:
        """When to look again before the next full pass. `pace`: seconds between looks at what is progressing."""
        if self.brake.resting_until:
            return self.brake.resting_until
        slow = self.outcome.live.pace if self.outcome and self.outcome.live else 0.0
        return self._looked + max(pace, slow) if self.progressing else NEVER

    @property
    def resting(self) -> bool:
        """Whether it is too early to try again."""
        return self.brake.resting_until > self._clock.monotonic()

    @property
    def unread(self) -> bool:
        """Whether the last look could not read it, so that nobody knows whether it differs."""
        return self.outcome is None or (self.outcome.live is None and self.outcome.condition is Condition.RETRYING)

    @property
    def progressing(self) -> bool:
        """Whether the next look may well show something else."""
        return self.outcome is not None and self.outcome.condition is Condition.PROGRESSING

    def _known(self, outcome: Outcome) -> ResourceStatus:
        """A read that failed leaves what was seen before, with its age."""
        now, before = self._clock.wall(), self.status
        known = before or ResourceStatus(
            kind=self.entry.kind,
            name=self.entry.name,
            condition=outcome.condition,
            reason=outcome.reason,
            since=now,
            observed=None,
        )
        since = known.since if known.condition is outcome.condition else now
        known = replace(known, condition=outcome.condition, reason=outcome.reason, since=since)
        if outcome.live is None:
            return known
        drifted = bool(outcome.drifts)
        return replace(
            known,
            observed=now,
            changes=outcome.changes,
            ahead=outcome.live.ahead,
            wait=outcome.wait,
            drifted_since=(known.drifted_since or now) if drifted else None,
            advice=outcome.live.advice,
            checks=outcome.live.checks if isinstance(outcome.live, LiveVerification) else (),
            infrastructure=outcome.live if isinstance(outcome.live, LiveInfrastructure) else None,
        )
