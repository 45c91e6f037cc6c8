"""Rounds of checks, beside the passes: a pass looks at what the last round said, and never waits for one."""

import threading
import time
from collections.abc import Callable, Hashable, Sequence

from reconcilers.checks import Check, Probe, unmade

ROUNDS_AT_ONCE = 8
"""Environments whose checks are made at the same time: each takes a thread for every URL of its file."""


def in_a_thread(work: Callable[[], None]) -> None:
    """Do this beside everything else. What hangs does not keep the process from ending."""
    threading.Thread(target=work, name="check", daemon=True).start()


class Round:
    """Every check of one environment, once, all at the same time. Times are seconds of a monotonic clock."""

    def __init__(self, began: float, probes: Sequence[Probe]) -> None:
        self.began = began
        self._probes = probes
        self._until = began + max((probe.within for probe in probes), default=0.0)
        self._told: dict[str, tuple[Check, ...]] = {}

    def is_over(self, now: float) -> bool:
        """Whether every check has been made, or nobody waits for those that have not."""
        return len(self._told) == len(self._probes) or now >= self._until

    def tell(self, probe: Probe, checks: tuple[Check, ...]) -> None:
        """What came of one of them."""
        self._told[probe.name] = checks

    def checks(self) -> tuple[Check, ...]:
        """What came of all of them, in the order of the file."""
        told = dict(self._told)
        late = {
            probe.name: (unmade(probe.name, f"did not come back within {probe.within:.0f} s"),)
            for probe in self._probes
        }
        return tuple(check for probe in self._probes for check in told.get(probe.name, late[probe.name]))


class Rounds:
    """The rounds of all environments of a place: at most one at a time for each, and not many together."""

    def __init__(
        self,
        aside: Callable[[Callable[[], None]], None] = in_a_thread,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._aside = aside
        self._now = monotonic
        self._open: dict[Hashable, Round] = {}
        self._away: set[tuple[Hashable, str]] = set()  # what was asked and has not come back
        self._lock = threading.Lock()

    def begin(self, key: Hashable, probes: Sequence[Probe]) -> Round | None:
        """Begin a round in place of the one before it. None: too many others are under way, try again soon."""
        now = self._now()
        self._open = {each: made for each, made in self._open.items() if not made.is_over(now) and each != key}
        if len(self._open) >= ROUNDS_AT_ONCE:
            return None
        begun = self._open[key] = Round(now, probes)
        for probe in probes:
            self._start(key, begun, probe)
        return begun

    def _start(self, key: Hashable, begun: Round, probe: Probe) -> None:
        mark = (key, probe.name)
        with self._lock:
            away = mark in self._away
            self._away.add(mark)
        if away:  # threads never pile up behind something that hangs
            begun.tell(probe, (unmade(probe.name, "has not come back since an earlier try"),))
            return

        def work() -> None:
            try:
                begun.tell(probe, probe.answer())
            finally:
                self._back(mark)

        try:
            self._aside(work)
        except RuntimeError as error:  # no thread can be started now
            self._back(mark)
            begun.tell(probe, (unmade(probe.name, f"{error}"),))

    def _back(self, mark: tuple[Hashable, str]) -> None:
        with self._lock:
            self._away.discard(mark)
