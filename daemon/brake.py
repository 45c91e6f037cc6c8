"""What the daemon remembers of one resource. It may only hold a write back, never cause one; losing it is safe."""

import random
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from reconcilers.contract import Absent, Attempt, Change, Condition, Outcome, Refusal, Result

EFFECT = 300.0  # seconds after a write in which a read may still show the state before it
LOOK_AGAIN = 5.0  # seconds between two looks that together make a fact
REPAIRS = 3  # of one field in an hour, while a commit is in force
HOUR = 3600.0
LONGEST_BACKOFF = 60.0

Asks = tuple[str, ...]
Drifted = tuple[str, str]  # a field and what it must be


@dataclass
class _Asked:
    """A request to AWS whose effect has not been seen yet."""

    at: float
    certain: bool  # AWS answered that it took the request, or a read has shown its effect
    once: bool  # its effect cannot be taken back: an old state read again is a stale read
    unseen: float | None = None  # the first look that did not show the effect


class Brake:
    """One resource's brakes. Times are seconds of a monotonic clock."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._asked: dict[Asks, _Asked] = {}
        self._absent: float | None = None
        self.release()

    def release(self) -> None:
        """A new commit, or a person who asks again: only what AWS has yet to show still counts."""
        self._refused: dict[Asks, str] = {}  # why AWS refused a request for good
        self._repairs: dict[Drifted, deque[float]] = defaultdict(deque)
        self._enacted: set[Drifted] = set()  # what AWS has taken once since: asking for it again repairs it
        self._settled = False  # in sync at least once since: whatever is written now repairs something
        self.rest_no_more()

    def rest_no_more(self) -> None:
        """Forget the failures in a row, and that it is too early to try again."""
        self.failures = 0  # in a row
        self.resting_until = 0.0  # nothing is read or written before this instant

    def refusal(self, changes: tuple[Change, ...]) -> Refusal | None:
        """Why these changes may not be made now."""
        if refused := [self._refused[change.asks] for change in changes if change.asks in self._refused]:
            return Refusal(Condition.STALLED, refused[0])
        if contended := self._contended(changes):
            reason = (
                f"contended: {contended} was repaired {REPAIRS} times within an hour, and somebody keeps changing it "
                "back; find the other owner, or commit what it writes"
            )
            return Refusal(Condition.STALLED, reason)
        if any(self._unseen(change) for change in changes):
            return Refusal(Condition.PROGRESSING, "waiting until AWS shows what was asked of it")
        return None

    def learn(self, outcome: Outcome) -> Outcome:
        """Take in what a pass came to. Returns it, with one missing answer told from a resource that is not there."""
        if outcome.live is not None:
            self._see(outcome)
        for attempt in outcome.attempts:
            self._asked[attempt.change.asks] = _Asked(self._now(), attempt.result is Result.OK, attempt.change.once)
            if attempt.result is Result.FAILED:
                del self._asked[attempt.change.asks]
                if outcome.condition is Condition.STALLED:
                    self._refused[attempt.change.asks] = outcome.reason
            else:
                self._count(attempt)
        self._settled |= outcome.condition is Condition.IN_SYNC
        return self._back_off(self._seen_twice(outcome))

    def _count(self, attempt: Attempt) -> None:
        """Whether a write repaired something, rather than enacted the commit or repeated what was lost."""
        if attempt.result is not Result.OK:
            return  # nobody changed it back: it may never have been made
        for drift in attempt.change.drifts:
            drifted = (drift.field, drift.desired)
            if self._settled or drifted in self._enacted:
                self._repairs[drifted].append(self._now())
            else:
                self._enacted.add(drifted)

    def _see(self, outcome: Outcome) -> None:
        """Forget the requests whose effect this look shows."""
        asks = {change.asks for change in outcome.changes}
        for asked, request in list(self._asked.items()):
            shown = asked not in asks
            request.certain |= shown and request.once
            if self._now() - request.at > EFFECT or (shown and not request.once):
                del self._asked[asked]

    def _contended(self, changes: tuple[Change, ...]) -> str:
        for drift in (drift for change in changes for drift in change.drifts):
            times = self._repairs.get((drift.field, drift.desired), deque())
            while times and self._now() - times[0] > HOUR:
                times.popleft()
            if len(times) >= REPAIRS:
                return drift.field
        return ""

    def _unseen(self, change: Change) -> bool:
        asked = self._asked.get(change.asks)
        if asked is None or self._now() - asked.at > EFFECT:
            return False
        if asked.certain:
            return True
        asked.unseen = self._now() if asked.unseen is None else asked.unseen
        return self._now() - asked.unseen < LOOK_AGAIN

    def _seen_twice(self, outcome: Outcome) -> Outcome:
        if not isinstance(outcome.error, Absent):
            self._absent = None
            return outcome
        self._absent = self._now() if self._absent is None else self._absent
        if self._now() - self._absent < LOOK_AGAIN:
            return replace(outcome, reason=f"{outcome.reason}; looking again before this counts")
        return replace(outcome, condition=Condition.STALLED)

    def _back_off(self, outcome: Outcome) -> Outcome:
        if outcome.condition is not Condition.RETRYING:
            self.rest_no_more()
            return outcome
        live = outcome.live
        if live is not None and live.failing:  # what retries has a pace of its own: here it is only looked at
            self.failures += not live.trying
            self.resting_until = self._now() + LOOK_AGAIN
            return outcome
        self.failures += 1
        seconds = min(LONGEST_BACKOFF, 2.0 ** min(self.failures - 1, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 — jitter
        if isinstance(outcome.error, Absent):
            seconds = LOOK_AGAIN
        self.resting_until = self._now() + seconds
        return outcome
