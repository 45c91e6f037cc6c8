"""What a poll and a pass do. Knows no threads of its own: `schedule` says when, and only locks what two would share."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from daemon.enforcement import FAST, Enforcement, Surroundings
from daemon.status import GitStatus, Status
from daemon.wiring import Entry, Territory, place
from desired_state.in_force import InForce, Source, Standing
from desired_state.repository import Refused, Unreachable
from reconcilers.aws import Place

STUCK = 180.0  # seconds without a poll or an entry of a pass coming to its end: the process makes no progress
_POLITE = 50.0  # services looked at in a second while many are progressing: a quarter of what ECS grants


@dataclass
class _Beat:
    """A poll, or the passes of a place: one at a time, and since when it has been busy with one thing."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    since: float | None = None
    full_at: float = 0.0  # when the next look at everything is due


class Loop:
    """The desired state in force, one Enforcement per environment, and the status of it all."""

    def __init__(
        self,
        source: Source,
        git: GitStatus,
        territory: Callable[[Place], Territory],
        around: Surroundings,
        interval: float,
    ) -> None:
        self._source = source
        self._git = git
        self._territory = territory
        self._around = around
        self._interval = interval
        self._now = around.clock.monotonic
        self._territories: dict[Place, Territory] = {}
        self._enforcements: dict[str, Enforcement] = {}
        self._in_force: InForce | None = None
        self._polling = _Beat()
        self._beats: dict[Place, _Beat] = {}
        self._ready = False

    def poll(self) -> list[Place]:
        """Ask the repository for its head. Returns the places that have a new commit to enact."""
        with self._polling.lock:
            self._polling.since = self._now()
            try:
                return self._poll()
            finally:
                self._polling.since = None

    def look(self, where: Place) -> float:
        """One pass over what is due in a place. Returns the seconds until something is due again."""
        beat = self._beats.setdefault(where, _Beat())
        with beat.lock:
            beat.since = self._now()
            try:
                soonest = self._look(where, beat)
            finally:
                beat.since = None
        pace = self._pace(where)
        due = min([beat.full_at, *(enforcement.next_look(pace) for enforcement in self._at(where))])
        return max(0.0, soonest, due - self._now())

    @property
    def places(self) -> list[Place]:
        """Where there is something to look after."""
        return list(dict.fromkeys(enforcement.territory.connection.place for enforcement in self._all()))

    @property
    def unsettled(self) -> bool:
        """Whether a later pass may end otherwise than the last one did."""
        return any(enforcement.unsettled for enforcement in self._all())

    def hopeless(self, tries: int) -> bool:
        """Whether all that is unsettled has failed more often than so many times in a row."""
        return all(enforcement.hopeless(tries) for enforcement in self._all())

    @property
    def writing(self) -> bool:
        """Whether a write is on its way to AWS right now."""
        return any(territory.connection.writes_in_flight for territory in list(self._territories.values()))

    def ask_again(self) -> None:
        """A person asks: everything that was refused or rests is tried again."""
        for enforcement in self._all():
            enforcement.ask_again()

    def status(self) -> Status:
        """Everything, at this instant."""
        enforcements = self._all()
        # Once ready always ready: a later environment with a mistake must not take the others' pages away.
        self._ready |= bool(enforcements) and all(enforcement.good for enforcement in enforcements)
        return Status(
            git=self._git,
            environments=tuple(enforcement.status() for enforcement in enforcements),
            alive=not self._stuck(),
            ready=self._ready,
        )

    def _poll(self) -> list[Place]:
        found: InForce | None
        try:
            found = self._source.poll()
        except (Unreachable, Refused) as error:
            self._git = replace(self._git, error=str(error))
            found = self._source.current
        else:
            self._git = replace(self._git, error="", last_fetch=self._around.clock.wall())
        if found is None or found is self._in_force:
            self._around.telling.polled(self._git)
            return []
        self._git = replace(self._git, head=found.head, rewritten=found.rewritten, problems=found.problems)
        self._around.telling.polled(self._git)
        return self._follow(found)

    def _follow(self, found: InForce) -> list[Place]:
        seen = None if self._in_force is None else self._now()
        following: dict[str, Enforcement] = {}
        for standing in found.standings:
            name = standing.environment.environment
            known = self._enforcements.get(name)
            if known and not known.moved(standing):
                known.follow(standing)
                following[name] = known
            else:
                following[name] = self._begin(standing, seen)
            following[name].judge(tuple(each for each in found.problems if each.file == standing.file))
        left = [known for name, known in self._enforcements.items() if following.get(name) is not known]
        self._enforcements, self._in_force = following, found
        for known in left:
            known.retire()
            if known.name not in following:
                self._around.telling.gone(known.name)
        return list(dict.fromkeys(e.territory.connection.place for e in following.values() if e.waiting))

    def _begin(self, standing: Standing, seen: float | None) -> Enforcement:
        where = place(standing.environment)
        if where not in self._territories:
            self._territories[where] = self._territory(where)
        return Enforcement(standing, self._territories[where], self._around, seen=seen)

    def _look(self, where: Place, beat: _Beat) -> float:
        """Returns the seconds that must pass before the next look."""
        started = self._now()
        full = started >= beat.full_at
        if full:
            beat.full_at = started + self._interval
        at, soonest, pace = self._at(where), 0.0, self._pace(where)
        due = [(enforcement, enforcement.due(full=full, pace=pace)) for enforcement in at]
        if at:
            at[0].territory.new_pass(entry for _, entries in due for entry in entries)
        for enforcement, entries in due:
            if not entries:
                continue
            try:
                enforcement.run(self._beating(beat, entries))
            except Exception as error:  # noqa: BLE001 — a mistake of ours in one environment must not stop the others
                self._around.telling.failed(enforcement.name, error)
                soonest = FAST
        return soonest

    def _beating(self, beat: _Beat, entries: Iterable[Entry]) -> Iterator[Entry]:
        """However long a pass takes, it is not stuck while one entry after the other comes to its end."""
        for entry in entries:
            beat.since = self._now()
            yield entry

    def _pace(self, where: Place) -> float:
        return max(FAST, sum(enforcement.moving for enforcement in self._at(where)) / _POLITE)

    def _at(self, where: Place) -> list[Enforcement]:
        return [enforcement for enforcement in self._all() if enforcement.territory.connection.place == where]

    def _all(self) -> list[Enforcement]:
        return list(self._enforcements.values())

    def _stuck(self) -> bool:
        begun = [beat.since for beat in (self._polling, *list(self._beats.values()))]
        return any(since is not None and self._now() - since > STUCK for since in begun)
