"""What the checks of one commit have come to, and what `on_failure` makes of it."""

from dataclasses import dataclass, field

from daemon.way_back import Verified, by_hand
from desired_state.in_force import Standing
from desired_state.model import Mode, OnFailure
from reconcilers.contract import Outcome
from reconcilers.verification import NOT_VERIFIED, LiveVerification


@dataclass
class Trial:
    """One commit on trial. It is the memory of a process, which may hold a revert back and never cause one:

    only what this process saw arrive, and saw fail, is taken back.
    """

    standing: Standing
    seen: float | None  # when this process saw the commit arrive (monotonic); None: it was in force at the start
    verified: bool = False
    failed: str = ""  # what failed, once that counts
    paused: bool = False  # nobody expects production to answer: nothing is checked
    sure: bool = True  # it failed all the time; False: it came and went
    failing: tuple[str, ...] = ()  # the checks that did not hold in the last look
    told: set[str] = field(default_factory=set)  # which of the two people have been told of
    note: str = ""  # what followed from the failure
    tried: bool = False  # taking it back was tried once; without an answer it is tried again, at the pace of the polls

    def learn(self, live: LiveVerification) -> None:
        """Take in what the last look at the checks came to. While nothing is checked, nothing is verified either."""
        self.paused = any(advice.type == NOT_VERIFIED for advice in live.advice)
        self.verified |= live.verified and not self.paused
        self.failed, self.sure = live.failed, live.sure
        self.failing = tuple(check.name for check in live.checks if check.ok is False)

    @property
    def arrived(self) -> bool:
        """Whether this process saw the commit arrive."""
        return self.seen is not None

    @property
    def holds(self) -> bool | None:
        """Whether the checks of the commit hold; None: it has none, or nothing is checked now."""
        return self.verified and not self.failed if self.asked and not self.paused else None

    @property
    def asked(self) -> bool:
        """Whether the file asks for anything to be verified."""
        return self.standing.environment.verify is not None

    @property
    def condemned(self) -> bool:
        """Whether its services' pins have to be taken back, and nobody has tried yet."""
        taken_back = self._reverts and self.arrived and self.sure and not self.verified
        return bool(self.failed) and taken_back and not self.note

    @property
    def _reverts(self) -> bool:
        environment = self.standing.environment
        return environment.on_failure is OnFailure.REVERT and environment.mode is Mode.ENFORCE

    def news(self) -> str:
        """`verified` or `failed`, when people have not been told yet; a commit that heals is told again."""
        word = "failed" if self.failed else "verified" if self.verified else ""
        if not word or word in self.told:
            return ""
        self.told = {word}
        return word

    def shown(self, outcome: Outcome, verified: Verified) -> str:
        """The reason of a failed verification, with what follows from it, and how a person goes back."""
        if not self.failed:
            return outcome.reason
        held = "the commit was verified before" if self.verified else "held: what runs stays"
        if self._reverts and not self.arrived and not self.verified:
            held += ", since trueup was started after the commit came"
        elif self._reverts and not self.sure and not self.verified:
            held += ", since nothing is taken back for what comes and goes"
        note = self.note or ("its pins are being taken back" if self.condemned else held)
        return f"{outcome.reason}; {note}; {by_hand(self.standing, verified)}"
