"""Terraform's work, beside the passes: a pass looks at what it has come to, and never waits for it."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from desired_state.tree import NoSuchCommit, Refused, Trees, Unfit
from reconcilers.aws import Connection, Place
from reconcilers.contract import NotNow
from reconcilers.terraform import (
    Applied,
    Broken,
    Busy,
    Check,
    Failed,
    Locked,
    MissingWorkspace,
    ProgramMissing,
    Stack,
    Stale,
    StateErrored,
    Terraform,
)
from reconcilers.terraform_backups import StateBackups, holds_anything, lineage_of, serial_of

CHECKS_AT_ONCE: Final = 4
"""A terraform with its providers takes half a gigabyte of memory."""
_FIRST_RETRY: Final = 5.0  # seconds after the first failed check; doubled with each further one
_LAST_RETRY: Final = 60.0
PERSON_NEEDED: Final = (Broken, MissingWorkspace, ProgramMissing, StateErrored, NoSuchCommit, Refused, Unfit)
"""What no later try mends."""
_NOTHING_DONE: Final = (Busy, Locked, Stale)

Aside = Callable[[Callable[[], None]], None]
"""Runs a piece of work in a thread of its own, and returns at once."""


class Doing(StrEnum):
    """What goes on with an entry."""

    CHECK = "plan"
    APPLY = "apply"


@dataclass(frozen=True)
class Order:
    """What an entry pins, and the way to what it is about. Two with the same pins are the same order."""

    environment: str
    entry: str
    location: str = field(repr=False)  # of the repository; it may hold credentials
    commit: str
    directory: str
    workspace: str | None
    variables_file: str | None
    targets: tuple[str, ...]
    imports: Mapping[str, str]
    place: Place
    connection: Connection = field(compare=False, repr=False)  # without a guard: no pass is under way

    @property
    def key(self) -> tuple[str, str]:
        """One folder, and one piece of work at a time."""
        return self.environment, self.entry


@dataclass(frozen=True)
class Report:
    """How an apply ended."""

    at: datetime
    commit: str
    seconds: float
    applied: Applied | None = None  # None where it never began, or nobody knows what it did
    error: str = ""
    began: bool = True  # False: nothing was done

    @property
    def result(self) -> str:
        """In one word, for metrics: ok or failed."""
        return "failed" if self.error else "ok"


@dataclass(frozen=True)
class Look:
    """What the work on an order has come to."""

    doing: Doing | None = None  # what goes on now, also for an older order
    commit: str = ""  # of what goes on
    since: datetime | None = None
    check: Check | None = None  # the newest one of this order
    error: Exception | None = None  # why there is no newer one
    lost: str = ""  # why the state cannot be the right one
    report: Report | None = None  # of the last apply of this order
    failures: int = 0  # applies of this order that have failed in a row
    rest: float = 0.0  # seconds before which another apply is not begun


@dataclass
class _Bench:
    """What is known of one order. Times are seconds of a monotonic clock."""

    order: Order
    check: Check | None = None
    checked: float = 0.0
    error: Exception | None = None
    failures: int = 0  # in a row
    lost: str = ""
    report: Report | None = None
    failed: int = 0  # applies in a row
    resting_until: float = 0.0
    renewed: bool = True  # to be checked at once

    def due(self, now: float, every: float) -> bool:
        """Whether it is time for another check."""
        if self.renewed:
            return True
        if self.error is None or isinstance(self.error, PERSON_NEEDED):
            return now >= self.checked + every
        return now >= self.checked + min(_FIRST_RETRY * 2.0 ** min(self.failures - 1, 10), _LAST_RETRY, every)


@dataclass(frozen=True)
class _Work:
    bench: _Bench
    doing: Doing
    since: datetime


class Workshop:
    """Checks and applies of all entries, one piece of work at a time for each.

    `folder`: where each entry has a private folder of its own. `backups`: where states are kept, see StateBackups;
    `days`: for how long. `only_looks`: for `trueup plan`, which writes nothing. `wall`: the time of day; `monotonic`:
    seconds. `on_applied` hears of every apply that ended. Nothing is needed after a restart: the next look checks.
    """

    def __init__(
        self,
        terraform: Terraform,
        trees: Trees,
        folder: Path,
        aside: Aside,
        *,
        backups: str,
        days: int,
        only_looks: bool = False,
        wall: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        on_applied: Callable[[str, str, Report], None] = lambda *_: None,
    ) -> None:
        self._terraform = terraform
        self._trees = trees
        self._folder = folder.absolute()
        self._aside = aside
        self._backups = backups
        self._days = days
        self._only_looks = only_looks
        self._wall = wall
        self._now = monotonic
        self._on_applied = on_applied
        self._lock = threading.RLock()
        self._turns = threading.Semaphore(CHECKS_AT_ONCE)
        self._benches: dict[tuple[str, str], _Bench] = {}
        self._busy: dict[tuple[str, str], _Work] = {}

    def look(self, order: Order, every: float, *, lock: bool) -> Look:
        """What the work has come to. Begins a check where the last one is older than `every` seconds, or failed.

        A check of an older order is stopped; an apply of one is left to its end. `lock`: whether a check takes the
        lock of the state; without it nothing is written anywhere.
        """
        with self._lock:
            bench = self._bench(order)
            work = self._busy.get(order.key)
            if work and work.bench is not bench and work.doing is Doing.CHECK:
                self._terraform.interrupt(self._home(order))
            if work is None and bench.due(self._now(), every):
                locks = lock and not self._only_looks
                work = self._begin(bench, Doing.CHECK, lambda: self._check(bench, lock=locks))
                bench.renewed = False
            return self._seen(bench, work)

    def apply(self, order: Order, check: Check, every: float) -> None:
        """Begin to do what a check has planned, after a backup of the state. NotNow: something else goes on.

        `every`: seconds before which another apply is not begun, however this one ends.
        """
        with self._lock:
            bench = self._bench(order)
            if order.key in self._busy or bench.check is not check:
                raise NotNow("terraform looks again first")
            self._begin(bench, Doing.APPLY, lambda: self._apply(bench, check, every))

    def renew(self, key: tuple[str, str]) -> None:
        """A commit, or a person who asks again: check at once, and try again what failed."""
        with self._lock:
            if bench := self._benches.get(key):
                bench.renewed, bench.error, bench.failures = True, None, 0
                bench.failed, bench.resting_until = 0, 0.0

    def backups(self, order: Order) -> StateBackups:
        """The backups of an entry's state."""
        return StateBackups(self._backups, order.environment, order.entry, self._days, order.connection)

    @property
    def working(self) -> bool:
        """Whether a terraform runs now, or what one has done is not told yet."""
        return self._terraform.running or self.applying

    @property
    def applying(self) -> bool:
        """Whether an apply has not come to its end."""
        return any(work.doing is Doing.APPLY for work in list(self._busy.values()))

    def stop(self) -> None:
        """Ask whatever runs to stop, and begin nothing more. Returns at once; an apply saves its state first."""
        self._terraform.stop()

    def _bench(self, order: Order) -> _Bench:
        bench = self._benches.get(order.key)
        if bench is None or bench.order != order:
            bench = self._benches[order.key] = _Bench(order)
        return bench

    def _begin(self, bench: _Bench, doing: Doing, task: Callable[[], None]) -> _Work:
        key = bench.order.key

        def work() -> None:
            try:
                task()
            finally:
                with self._lock:
                    del self._busy[key]

        self._busy[key] = begun = _Work(bench, doing, self._wall())
        try:
            self._aside(work)
        except RuntimeError:  # no thread can be started now
            del self._busy[key]
            raise
        return begun

    def _seen(self, bench: _Bench, work: _Work | None) -> Look:
        return Look(
            doing=work.doing if work else None,
            commit=work.bench.order.commit if work else "",
            since=work.since if work else None,
            check=bench.check,
            error=bench.error,
            lost=bench.lost,
            report=bench.report,
            failures=bench.failed,
            rest=max(0.0, bench.resting_until - self._now()),
        )

    def _check(self, bench: _Bench, *, lock: bool) -> None:
        try:
            with self._turns:
                if not self._is_wanted(bench):
                    return
                check = self._terraform.check(self._stack(bench.order), self._wall(), lock=lock)
                lost = self._lost(bench.order, check, sure=lock)
        except Exception as error:  # noqa: BLE001 — the passes tell of it, whatever it is
            if isinstance(error, StateErrored) and lock:
                self._keep_unsaved(bench.order, error.path)
            with self._lock:
                bench.error, bench.checked, bench.failures = error, self._now(), bench.failures + 1
            return
        with self._lock:
            bench.check, bench.lost, bench.checked = check, lost, self._now()
            bench.error, bench.failures = None, 0

    def _apply(self, bench: _Bench, check: Check, every: float) -> None:
        report = self._applied(bench, check)
        with self._lock:
            if report:
                bench.report, bench.resting_until = report, self._now() + every
                bench.failed = bench.failed + 1 if report.error else 0
            self._busy[bench.order.key] = _Work(bench, Doing.CHECK, self._wall())
        if report and report.began:
            self._on_applied(*bench.order.key, report)
        self._check(bench, lock=True)

    def _applied(self, bench: _Bench, check: Check) -> Report | None:
        """None where nothing was done, and a new check says why, or finds that it can be done now."""
        order = bench.order
        try:
            stack = self._stack(order)
            state = self._terraform.state(stack)
            if holds_anything(state):
                self.backups(order).keep(state, order.workspace or "default", self._wall())
        except _NOTHING_DONE:
            return None
        except Exception as error:  # noqa: BLE001 — the passes tell of it, whatever it is
            return Report(self._wall(), order.commit, 0.0, error=f"{error}", began=False)
        if not self._is_wanted(bench):
            return None
        began = self._now()
        try:
            applied = self._terraform.apply(stack, check)
        except _NOTHING_DONE:
            return None
        except Exception as error:  # noqa: BLE001 — as above
            return Report(self._wall(), order.commit, self._now() - began, error=f"{error}")
        return Report(self._wall(), order.commit, applied.seconds, applied, applied.errored)

    def _is_wanted(self, bench: _Bench) -> bool:
        """Whether no newer commit has come meanwhile."""
        return self._benches.get(bench.order.key) is bench

    def _stack(self, order: Order) -> Stack:
        order.connection.new_pass()
        root = self._trees.at(order.location, order.commit, order.directory)
        return Stack(
            root=root,
            directory=order.directory,
            workspace=order.workspace,
            variables_file=order.variables_file,
            targets=order.targets,
            home=self._home(order),
            imports=order.imports,
            environ=order.connection.environ(),
        )

    def _home(self, order: Order) -> Path:
        return self._folder / order.environment / order.entry

    def _keep_unsaved(self, order: Order, path: Path) -> None:
        """Keep a state that terraform could not save, once, where it outlives this machine's cache."""
        with suppress(Failed, OSError):  # it lies where it lies, and a person is told so
            state, backups, workspace = path.read_bytes(), self.backups(order), order.workspace or "default"
            if backups.newest(workspace) != state:
                backups.keep(state, workspace, self._wall())

    def _lost(self, order: Order, check: Check, *, sure: bool) -> str:
        """Why the state cannot be the right one: it is not the one that was there before. `sure`: or it must be known.

        An empty state would make everything once more: a bucket that was emptied, a key or a workspace misspelt.
        """
        if not check.add:
            return ""
        backups = self.backups(order)
        try:
            newest = backups.newest(order.workspace or "default")
        except Failed:
            if sure:
                raise
            return ""
        if newest is None:
            return ""
        same = lineage_of(newest) == check.lineage
        if same and (check.serial is None or check.serial >= serial_of(newest)):
            return ""
        kept = backups.listed(order.workspace or "default")[0].place
        what = "is older than" if same else "is another one than" if check.lineage else "is empty, unlike"
        return (
            f"the state {what} its backup {kept}: correct the backend or the workspace, or put the backup back with"
            " terraform state push; if a new state is meant, move the backups of this entry away"
        )
