"""One environment in force: one pass over its entries, and what is known of each."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from daemon import freeze, refusals, verifying
from daemon.clock import Clock
from daemon.entry import Entry, Key
from daemon.status import EnvironmentStatus, ResourceStatus
from daemon.stopwatch import Stopwatch
from daemon.telling import Telling
from daemon.tracked import NEVER, Tracked
from daemon.trial import Trial
from daemon.wiring import Territory, entries, place
from desired_state.in_force import Standing
from desired_state.model import Mode
from desired_state.parse import Problem
from reconcilers.contract import Change, Condition, Gate, Observation, Outcome, Refusal, Superseded
from reconcilers.ecs_service import LiveService
from reconcilers.maintenance import LiveMaintenance
from reconcilers.verification import LiveVerification

_TRIES = 4  # looks in a row that may fail before what differs is counted without this one
FAST = 1.0  # seconds between looks at what is progressing


@dataclass(frozen=True)
class Surroundings:
    """What every environment of a process shares."""

    telling: Telling
    clock: Clock = field(default_factory=Clock)
    stopping: Callable[[], bool] = lambda: False
    may_write: bool = True  # False: `trueup plan`


class Enforcement:
    """Keeps one environment as its file says.

    Passes run in one thread at a time; `follow`, `ask_again`, `judge`, `retire` and `status` may be called from others.
    """

    def __init__(
        self, standing: Standing, territory: Territory, around: Surroundings, *, seen: float | None = None
    ) -> None:
        """`seen`: when the commit was seen to arrive (monotonic seconds); None: it was in force at the start."""
        self.territory = territory
        self.waiting = True  # a commit, or a person who asks again, has not been looked at yet
        self.good = False  # AWS has answered in at least one pass
        self._around = around
        self._clock = around.clock
        self._lock = threading.Lock()
        self._standing = standing
        self._next = standing
        self._next_seen = seen
        self._asked = True  # nothing has been looked at yet
        self._retired = False
        self._full = True  # the entries that are due are all there are
        self._entries: tuple[Entry, ...] = ()
        self._tracked: dict[Key, Tracked] = {}
        self._begun: set[Key] = set()  # what this commit has led to a write for, and is not in sync yet
        self._pending: frozenset[Key] | None = None  # what differed in the last look at each; None: not counted yet
        self._trial = Trial(standing, seen)
        self._version = ""  # the commit that brought the version that people were told of
        self._stopwatch = Stopwatch(standing.environment.environment, around.telling, self._clock.monotonic)
        self._file: ResourceStatus | None = None
        self._last = EnvironmentStatus(
            name=standing.environment.environment,
            file=standing.file,
            commit=standing.commit,
            mode=standing.environment.mode.value,
            valid=True,
        )

    @property
    def name(self) -> str:
        """The environment's name."""
        return self._last.name

    def moved(self, standing: Standing) -> bool:
        """Whether a newer version lives in another region or role: then it takes another Enforcement."""
        return place(standing.environment) != self.territory.connection.place

    def follow(self, standing: Standing) -> None:
        """A newer commit: what runs stops before its next write, and the next pass enacts this one."""
        with self._lock:
            if standing == self._next:
                return
            if standing.environment != self._next.environment:
                self._next_seen = self._clock.monotonic()
            self._next, self.waiting = standing, True

    def ask_again(self) -> None:
        """A person asks: forget what AWS refused and what rests, and look at everything."""
        with self._lock:
            self.waiting = self._asked = True

    def retire(self) -> None:
        """The environment is no longer ours: what runs stops before its next write."""
        self._retired = True

    def judge(self, head: str, problems: tuple[Problem, ...]) -> None:
        """What is wrong with the file at the head commit. Then the desired state itself is a resource, and stalled."""
        reason, condition = "", Condition.IN_SYNC
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            reason = (
                f"commit {head[:8]} is refused: {problems[0]}{more}; "
                f"the last good commit, {self._next.commit[:8]}, stays in force"
            )
            condition = Condition.STALLED
        now, kind = self._clock.wall(), "desired_state"
        since = self._file.since if self._file and self._file.condition is condition else now
        self._file = ResourceStatus(kind=kind, name=kind, condition=condition, reason=reason, since=since, observed=now)
        self._around.telling.resource(self.name, self._next.commit, kind, kind, Outcome(condition, reason))

    def due(self, *, full: bool, pace: float = FAST) -> list[Entry]:
        """The entries to look at now: all of them in a full pass, else those that are progressing or retrying.

        Where a database is looked at, so is what depends on it: it may have been moved a moment ago.
        """
        self._full = full = self._adopt() or full
        if self._standing.environment.mode is Mode.SUSPENDED:
            for tracked in self._tracked.values():
                tracked.lay_down()
            self.good, self._last = True, replace(self._told(), resources=(), maintenance_enabled=None)
            return []
        now = self._clock.monotonic()
        awake = [tracked for tracked in self._tracked.values() if not tracked.resting]
        due = {id(tracked) for tracked in awake if full or tracked.due(pace) <= now}
        moved = {tracked.entry.name for tracked in awake if id(tracked) in due and tracked.entry.kind == "database"}
        return [
            tracked.entry for tracked in awake if id(tracked) in due or not moved.isdisjoint(tracked.entry.depends_on)
        ]

    def run(self, due: Iterable[Entry], go_on: Callable[[], bool] = lambda: True) -> bool:
        """One pass over these entries, in the order of the file's meaning. Returns whether it came to its end.

        `go_on` is asked before each entry.
        """
        started = self._clock.monotonic()
        writes = 0
        self.territory.connection.guard = self._guard
        refused = refusals.by_account(self._standing.environment, self.territory.connection)
        for entry in due:
            if self._around.stopping() or self._superseded() or not go_on():
                return False
            outcome = refused or entry.run(self._gate(entry), self._outcome)
            writes += len(outcome.attempts)
            self._take(entry, outcome)
        self._count_pending()
        in_sync = all(t.outcome and t.outcome.condition is Condition.IN_SYNC for t in self._tracked.values())
        if in_sync:
            self._stopwatch.in_sync()
        self.good |= any(t.outcome and t.outcome.condition is not Condition.RETRYING for t in self._tracked.values())
        self._last = replace(
            self._told(),
            resources=tuple(t.status for t in self._tracked.values() if t.status),
            last_pass=self._clock.wall(),
            maintenance_enabled=self._maintenance(),
        )
        if self.status().in_sync:
            self._last = replace(self._last, last_in_sync=self._last.last_pass)
        self._tell_trial()
        if not self._retired:
            seconds = self._clock.monotonic() - started
            self._around.telling.passed(self.status(), seconds, writes, full=self._full)
        return True

    def status(self) -> EnvironmentStatus:
        """What the last pass came to, and whether the file is good at the head."""
        file = self._file
        if file is None or file.condition is Condition.IN_SYNC:
            return self._last
        return replace(self._last, valid=False, resources=(file, *self._last.resources))

    @property
    def urgent(self) -> bool:
        """Whether a commit that changes the environment, or a person who asks, has not been looked at yet."""
        return self.waiting and (self._asked or self._superseded())

    @property
    def condemned(self) -> Standing | None:
        """What has failed its checks and must be taken back, as long as no newer commit has come."""
        return self._standing if self._trial.condemned and not self._superseded() else None

    @property
    def failing(self) -> tuple[str, ...]:
        """The checks that do not hold."""
        return self._trial.failing

    @property
    def hurries(self) -> bool:
        """Whether taking back what failed must not wait for the next poll."""
        return self.condemned is not None and not self._trial.tried

    def tried(self) -> None:
        """Taking it back is being tried."""
        self._trial.tried = True

    def answer(self, note: str) -> None:
        """What came of taking it back; people read it with the reason."""
        with self._lock:
            self._trial.note, self.waiting = note, True

    @property
    def limited(self) -> bool:
        """Whether the file says how much may change at once."""
        return self._next.environment.limits is not None

    @property
    def moving(self) -> int:
        """How many resources are progressing."""
        return sum(1 for tracked in self._tracked.values() if tracked.progressing)

    @property
    def unsettled(self) -> bool:
        """Whether a later pass may end otherwise than the last one did."""
        return self.waiting or any(t.progressing or t.brake.failures for t in self._tracked.values())

    def hopeless(self, tries: int) -> bool:
        """Whether all that is unsettled has failed more often than so many times in a row."""
        tracked = self._tracked.values()
        return not self.waiting and not any(t.progressing or 0 < t.brake.failures <= tries for t in tracked)

    def next_look(self, pace: float = FAST) -> float:
        """When something is due before the next full pass (monotonic seconds)."""
        if self.waiting:
            return 0.0
        return min((tracked.due(pace) for tracked in self._tracked.values()), default=NEVER)

    def _adopt(self) -> bool:
        """Take in the newest commit, where there is one or a person asked for a new look."""
        with self._lock:
            if not self.waiting:
                return False
            # A commit that does not change this environment retries nothing here.
            renewed = self._asked or self._superseded()
            if self._superseded():
                goes_on = {key for key in self._begun if freeze.pins_alike(key, self._standing, self._next)}
                self._begun, self._pending = goes_on, None
                self._trial = Trial(self._next, self._next_seen)
            self.waiting = self._asked = False
            self._standing, seen, self._next_seen = self._next, self._next_seen, None
        self._tell_version(arrived=seen is not None)
        if seen is not None:
            self._stopwatch.start(seen)
        # A plan says what would change; nothing of that can be verified before it has.
        every = entries(self._standing, self.territory)
        self._entries = tuple(entry for entry in every if self._around.may_write or entry.key != verifying.KEY)
        before, self._tracked = self._tracked, {}
        for entry in self._entries:
            key = (entry.kind, entry.name)
            self._tracked[key] = before.get(key) or Tracked(entry, self._clock)
            self._tracked[key].entry = entry
            if renewed:
                self._tracked[key].brake.release()
                entry.renew()
        return True

    def _tell_version(self, *, arrived: bool) -> None:
        """Once, that a version of the file is in force. Other commits of the repository are none of it."""
        standing = self._trial.standing = self._standing
        brought = standing.version.oid if standing.version else standing.commit
        if brought != self._version:
            arrived |= bool(self._version)  # also one that says the same: this process has seen it come
            self._version = brought
            self._trial.told.clear()  # what it came to is told of this commit, too, where it says the same
            self._around.telling.followed(standing, seen=arrived, by=standing.version)

    def _told(self) -> EnvironmentStatus:
        """The status with the commit that was looked at: never a new commit with what an older one came to."""
        standing = self._standing
        return replace(
            self._last,
            file=standing.file,
            commit=standing.commit,
            mode=standing.environment.mode.value,
            verified=self._trial.holds,
        )

    def _superseded(self) -> bool:
        return self._retired or self._next.environment != self._standing.environment

    def _guard(self) -> None:
        """Right before every write."""
        if self._around.stopping():
            raise Superseded("stopping: nothing more is written")
        if self._retired:
            raise Superseded("the environment has left the repository")
        if self._superseded():
            raise Superseded(f"commit {self._next.commit[:7]} has arrived and is enacted next")

    def _outcome(self, key: Key) -> Outcome | None:
        tracked = self._tracked.get(key)
        return tracked.outcome if tracked else None

    def _gate(self, entry: Entry) -> Gate:
        def gate(changes: tuple[Change, ...]) -> Refusal | None:
            tracked = self._tracked[entry.kind, entry.name]
            return (
                refusals.by_mode(self._standing.environment.mode)
                or self._frozen(entry, changes)
                or refusals.by_plan(may_write=self._around.may_write)
                or refusals.by_order(entry, changes, self._tracked)
                or tracked.brake.refusal(changes)
            )

        return gate

    def _frozen(self, entry: Entry, changes: tuple[Change, ...]) -> Refusal | None:
        """Whether a window or a limit holds these changes back. What has been begun is brought to its end."""
        environment = self._standing.environment
        if not environment.windows and environment.limits is None:
            return None
        begun = self._is_begun(entry) or freeze.is_follow_up(entry, self._standing, changes)
        if begun or freeze.is_free(entry, self._standing):
            return None
        now = self.territory.connection.now()
        if refusal := freeze.by_window(environment, now):
            return refusal
        counted = self._around.may_write or self._pending is not None  # a plan looks twice, to count what differs
        return freeze.by_limit(environment, now, entry.key, self._pending) if counted else None

    def _is_begun(self, entry: Entry) -> bool:
        """Whether this commit has led to a write for it, or for a database that it follows, or stopped its users.

        That they were stopped is in AWS, so that a restart of this process does not leave them so.
        """
        keys = (entry.key, *(("database", name) for name in entry.depends_on))
        database = self._standing.environment.databases.get(entry.name) if entry.kind == "database" else None
        lives = [self._live(("service", name)) for name in database.quiesce] if database else []
        stopped = any(isinstance(live, LiveService) and live.count.replaced is not None for live in lives)
        return stopped or any(key in self._begun for key in keys)

    def _count_pending(self) -> None:
        """What a limit counts: the entries that differed in the last look at each, since the commit came.

        Nothing is counted before each was read once, or could not be in several looks: two of three would be made.
        """
        if self._standing.environment.limits is None:
            return
        limited = [t for t in self._tracked.values() if not freeze.is_free(t.entry, self._standing)]
        if self._pending is None and any(t.unread and t.brake.failures <= _TRIES for t in limited):
            return
        self._pending = frozenset(t.entry.key for t in limited if t.outcome and t.outcome.changes)

    def _take(self, entry: Entry, outcome: Outcome) -> None:
        tracked = self._tracked[entry.kind, entry.name]
        if isinstance(outcome.live, LiveVerification):
            self._trial.learn(outcome.live)
            known = self._around.telling.is_verified
            outcome = replace(outcome, reason=self._trial.shown(outcome, lambda commit: known(self.name, commit)))
        outcome = tracked.take(outcome)
        if outcome.attempts:
            self._stopwatch.written()
            self._begun.add(entry.key)
        elif outcome.condition is Condition.IN_SYNC and entry.kind != "database":  # its services have yet to follow
            self._begun.discard(entry.key)
        if tracked.status:
            self._around.telling.resource(self.name, self._standing.commit, entry.kind, entry.name, outcome)

    def _tell_trial(self) -> None:
        """Once, when the checks of a commit have held, or have failed."""
        news, tell, about = self._trial.news(), self._around.telling, (self.name, self._standing.commit)
        live = self._live(verifying.KEY)
        checks = live.checks if isinstance(live, LiveVerification) else ()
        seen, now = self._trial.seen, self._clock.monotonic()
        if news == "verified":
            tell.verified(*about, None if seen is None else now - seen, checks)
        elif news == "failed":
            tell.verification_failed(*about, self._trial.failed, checks)

    def _live(self, key: Key) -> Observation | None:
        outcome = self._outcome(key)
        return outcome.live if outcome else None

    def _maintenance(self) -> bool | None:
        live = self._live(("maintenance", "maintenance"))
        if not isinstance(live, LiveMaintenance):
            return self._last.maintenance_enabled
        return live.enabled if live.enabled or self._standing.environment.maintenance is not None else None
