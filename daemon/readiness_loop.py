"""When it is looked whether each environment could go back: on threads of its own, beside the passes and slower."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from daemon.clock import Clock
from daemon.loop import Loop
from daemon.metrics import Metrics
from daemon.readiness import Known, Look, looked
from daemon.refusals import by_account
from daemon.status import Status
from daemon.telling import Telling
from daemon.wiring import place
from desired_state.in_force import Source, Standing
from desired_state.model import Mode
from reconcilers.aws import Connection, Observer, Place
from reconcilers.readiness import Finding, Readiness, Verdict, Weight

Connect = Callable[[Place, Observer], Connection]

_TICK: Final = 0.5  # seconds in which a new commit is noticed
_AGAIN: Final = 5.0  # seconds between two looks that together make a fact
_A_READ: Final = 0.5  # seconds of rest for each read of the check before
_BURST: Final = 40  # reads at once; further ones are as slow as the rest between two checks


@dataclass(frozen=True)
class _Checked:
    """An environment after a check. `due`: when the next one is (monotonic seconds)."""

    standing: Standing
    look: Look
    due: float


class ReadinessLoop:
    """One thread that keeps time, and one for each place while something there is being checked.

    `failed` hears of a mistake of ours, with the name of the environment.
    """

    def __init__(
        self,
        standings: Callable[[], Sequence[Standing]],
        connect: Connect,
        interval: float,
        failed: Callable[[str, Exception], None],
        clock: Clock | None = None,
    ) -> None:
        self.standings = standings
        self._connect = connect
        self._interval = interval
        self._failed = failed
        self._clock = clock or Clock()
        self._stop = threading.Event()
        self._checked: dict[str, _Checked] = {}
        self._checkers: dict[Place, _Checker] = {}

    def start(self) -> None:
        """Check from now on."""
        threading.Thread(target=self._keep_time, name="readiness", daemon=True).start()

    def stop(self) -> None:
        """Begin nothing more. What is being read has nothing to lose."""
        self._stop.set()

    def of(self, environment: str) -> tuple[Known, ...]:
        """What is known of its earlier versions, the newest first; empty: there is none, or nobody has looked yet."""
        checked = self._checked.get(environment)
        return checked.look.known if checked else ()

    def added(self, status: Status) -> Status:
        """The status with what is known of each environment's earlier versions."""
        environments = (replace(each, rollback_ready=self.of(each.name)) for each in status.environments)
        return replace(status, environments=tuple(environments))

    def begin_due(self) -> None:
        """Begin the checks that are due, where none is going on."""
        wanted = {each.environment.environment: each for each in self.standings() if _can_go_back(each)}
        for name in [name for name in list(self._checked) if name not in wanted]:
            self._checked.pop(name, None)
        due: dict[Place, list[Standing]] = {}
        for standing in wanted.values():
            if self._is_due(standing):
                due.setdefault(place(standing.environment), []).append(standing)
        for where, standings in due.items():
            if where not in self._checkers:
                self._checkers[where] = _Checker(where, self._connect, self._stop.wait, self._clock)
            if not self._checkers[where].busy:
                self._begin(self._checkers[where], standings)

    def _begin(self, checker: "_Checker", standings: Sequence[Standing]) -> None:
        checker.busy = True
        thread = threading.Thread(target=self._check_all, args=(checker, standings), name="readiness", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there are too many threads: later
            checker.busy = False

    def _keep_time(self) -> None:
        while not self._stop.wait(_TICK):
            self.begin_due()

    def _is_due(self, standing: Standing) -> bool:
        checked = self._checked.get(standing.environment.environment)
        return checked is None or _is_news(checked.standing, standing) or checked.due <= self._clock.monotonic()

    def _check_all(self, checker: "_Checker", standings: Sequence[Standing]) -> None:
        try:
            for standing in standings:
                if not self._stop.is_set():
                    self._check(checker, standing)
        finally:
            checker.busy = False

    def _check(self, checker: "_Checker", standing: Standing) -> None:
        name, before = standing.environment.environment, self._checked.get(standing.environment.environment)
        look, reads = before.look if before else Look(), checker.pace.reads
        try:
            verdicts = checker.check(standing, lambda: self._goes_on(standing))
        except Exception as error:  # noqa: BLE001 — a mistake of ours in one environment must not stop the others
            self._failed(name, error)
        else:
            if verdicts is None:
                return  # a new commit has come, and is checked next
            look = looked(look, standing.recent, verdicts, self._clock.wall())
        rest = max(self._interval, _A_READ * (checker.pace.reads - reads))
        wait = _AGAIN if look.doubtful else rest
        self._checked[name] = _Checked(standing, look, self._clock.monotonic() + wait)

    def _goes_on(self, standing: Standing) -> bool:
        name = standing.environment.environment
        present = next((each for each in self.standings() if each.environment.environment == name), None)
        return not self._stop.is_set() and present is not None and not _is_news(standing, present)


def beside(
    loop: Loop, source: Source, metrics: Metrics, telling: Telling, *, interval: float, timeout: float
) -> ReadinessLoop:
    """One for what a loop looks after, with connections of its own. `timeout`: seconds for one answer of AWS."""

    def connect(where: Place, heard: Observer) -> Connection:
        def on_call(service: str, operation: str, code: str, seconds: float) -> None:
            metrics.aws_call(service, operation, code, seconds)
            heard(service, operation, code, seconds)

        return Connection(where, timeout=timeout, on_call=on_call)

    def standings() -> tuple[Standing, ...]:
        """What is in force, once the loop has read it: until then the source is its alone."""
        found = source.current if loop.status().git.head else None
        return found.standings if found else ()

    return ReadinessLoop(standings, connect, interval, telling.failed)


class _Checker:
    """The checks of one place, one at a time."""

    def __init__(self, where: Place, connect: Connect, wait: Callable[[float], object], clock: Clock) -> None:
        self.busy = False
        self.pace = _Pace(wait, clock.monotonic)
        self._connection = connect(where, self.pace)
        self._readiness = Readiness(self._connection)

    def check(self, standing: Standing, go_on: Callable[[], bool]) -> tuple[Verdict, ...] | None:
        """One check of an environment. None: it was broken off."""
        self._connection.new_pass()  # what did not answer the last time is asked again, the account too
        if refused := by_account(standing.environment, self._connection):
            why = (Finding("aws", refused.reason, Weight.UNREAD),)
            return tuple(Verdict(version.commit.oid, why) for version in standing.recent)
        return self._readiness.of(standing.environment, standing.recent, go_on)


class _Pace:
    """Counts reads, and lets no more than a burst of them pass at once."""

    def __init__(self, wait: Callable[[float], object], monotonic: Callable[[], float]) -> None:
        self.reads = 0
        self._wait = wait
        self._now = monotonic
        self._free, self._at = float(_BURST), monotonic()

    def __call__(self, service: str, operation: str, code: str, seconds: float) -> None:
        self.reads += 1
        now = self._now()
        self._free = min(_BURST, self._free + (now - self._at) / _A_READ) - 1
        self._at = now
        if self._free < 0:
            self._wait(-self._free * _A_READ)


def _can_go_back(standing: Standing) -> bool:
    return bool(standing.recent) and standing.environment.mode is not Mode.SUSPENDED


def _is_news(known: Standing, standing: Standing) -> bool:
    """Whether there is something else to go back to, or to go back from."""
    commits = [[version.commit.oid for version in each.recent] for each in (known, standing)]
    return known.environment != standing.environment or commits[0] != commits[1]
