"""What rounds of checks amount to: verified, failed, or neither yet. Pure; times are seconds of a monotonic clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from reconcilers.checks import Check, listed

FAILS_AFTER: Final = 10.0
"""For how long a check must have failed in every round before that counts, unless the file asks for longer."""
FLAPS_AFTER: Final = 900.0
"""For how long everything may hold now and then, and never for long enough, before that counts as a failure."""
_TRIES: Final = 3  # how many times as long as everything must hold that is at least


@dataclass(frozen=True)
class Amiss:
    """A check that does not hold: since when, and what was seen first. That stays the same while the numbers change."""

    since: float
    evidence: str


@dataclass(frozen=True)
class Failure:
    """What failed for so long that it counts."""

    what: str
    since: float
    sure: bool = True  # it failed all the time; False: it came and went, which may have other reasons than a release


@dataclass(frozen=True)
class Verdict:
    """What the rounds of one trial amount to so far."""

    restless: float | None = None  # since when everything has not held for long enough
    holding: float | None = None  # since when everything has held in every round
    held: float = 0.0  # for how many seconds that is
    failing: Mapping[str, Amiss] = field(default_factory=dict)  # by name; one that could not be made stays in it
    unmade: Mapping[str, Amiss] = field(default_factory=dict)  # what could not be made in any round since
    stuck: str = ""  # what can never be made until a commit or a person has helped
    unseen: str = ""  # what has not been made for so long that people are told
    verified: bool = False
    failure: Failure | None = None

    def after(self, began: float, checks: tuple[Check, ...], hold: float) -> "Verdict":
        """The verdict with one more round, which began at this time. `hold`: for how long everything must hold."""
        holds = all(check.ok for check in checks)
        holding = (began if self.holding is None else self.holding) if holds else None
        held = 0.0 if holding is None else began - holding
        enough = holds and held >= hold
        restless = None if enough else began if self.restless is None else self.restless
        failing = {} if holds else self._failing(began, checks)
        unmade = _since(began, checks, self.unmade, ok=None)
        long = {name for name, amiss in unmade.items() if began - amiss.since >= FAILS_AFTER}
        verdict = replace(self, restless=restless, holding=holding, held=held, failing=failing, unmade=unmade)
        return replace(
            verdict,
            verified=self.verified or enough,
            failure=None if enough else verdict._judged(began, checks, hold),
            stuck=_told(unmade, {check.name for check in checks if check.stuck} & long),
            unseen=_told(unmade, long),
        )

    def unsettled(self) -> "Verdict":
        """What runs has begun to change: what was held or failed for a while begins anew, and a judgement stays."""
        return Verdict(verified=self.verified, failure=self.failure)

    @property
    def amiss(self) -> str:
        """What does not hold now, or could not be made; empty: everything holds."""
        return _told({**self.unmade, **self.failing}, {*self.unmade, *self.failing}) if self.holding is None else ""

    def _failing(self, began: float, checks: tuple[Check, ...]) -> dict[str, Amiss]:
        held = {check.name for check in checks if check.ok}
        before = {name: amiss for name, amiss in self.failing.items() if name not in held}
        return before | _since(began, checks, before, ok=False)

    def _judged(self, began: float, checks: tuple[Check, ...], hold: float) -> Failure | None:
        """The failure that counts after this round. One that counted goes away only once everything has held."""
        failed = [check for check in checks if check.ok is False]
        counts = {
            check.name
            for check in failed
            if began - self.failing[check.name].since >= max(hold, FAILS_AFTER, check.patience)
        }
        if counts:
            since = min(self.failing[name].since for name in counts)
            return Failure(_told(self.failing, counts), since)
        return self.failure or self._flapping(began, failed, hold)

    def _flapping(self, began: float, failed: Sequence[Check], hold: float) -> Failure | None:
        """What comes and goes for so long that it counts. What fails for no longer than is usual is no part of it."""
        if self.restless is None or began - self.restless < max(_TRIES * hold, FLAPS_AFTER):
            return None
        names = {check.name for check in failed if began - self.failing[check.name].since >= check.patience}
        if not names:
            return None
        what = f"it holds now and then, and never for long enough; last: {_told(self.failing, names)}"
        return Failure(what, self.restless, sure=False)


def _since(
    began: float, checks: tuple[Check, ...], before: Mapping[str, Amiss], *, ok: bool | None
) -> dict[str, Amiss]:
    return {check.name: before.get(check.name) or Amiss(began, check.evidence) for check in checks if check.ok is ok}


def _told(amiss: Mapping[str, Amiss], names: set[str]) -> str:
    return listed(f"{name}: {each.evidence}" for name, each in amiss.items() if name in names)
