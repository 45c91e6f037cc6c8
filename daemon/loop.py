"""What a poll and a pass do. Knows no threads of its own: `schedule` says when, and only locks what two would share."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from daemon.enforcement import FAST, Enforcement, Surroundings
from daemon.reverting import take_back
from daemon.status import GitStatus, Status
from daemon.wiring import Territory, place
from desired_state.in_force import InForce, Source, Standing
from desired_state.repository import Refused, Unreachable
from reconcilers.aws import Place

STUCK = 180.0  # seconds without a poll or an entry of a pass coming to its end: the process makes no progress
_MISSED = 5  # intervals without a poll or a look that began: whatever should begin them does not
_POLITE = 50.0  # services looked at in a second while many are progressing: a quarter of what ECS grants


@dataclass
class _Beat:
    """A poll, or the passes of a place: one at a time, and since when it has been busy with one thing."""

    idle_since: float
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
        self._polling = _Beat(self._now())
        self._beats: dict[Place, _Beat] = {}
        self._ready = False

    def poll(self) -> list[Place]:
        """Ask the repository for its head. Returns the places that have a new commit to enact."""
        with self._polling.lock:
            self._polling.since = self._now()
            try:
                return self._poll()
            finally:
                self._polling.since, self._polling.idle_since = None, self._now()

    def look(self, where: Place) -> float:
        """One pass over what is due in a place. Returns the seconds until something is due again."""
        beat = self._beat(where)
        with beat.lock:
            beat.since = self._now()
            try:
                soonest = self._look(where, beat)
            finally:
                beat.since, beat.idle_since = None, self._now()
        pace = self._pace(where)
        due = min([beat.full_at, *(enforcement.next_look(pace) for enforcement in self._at(where))])
        return max(0.0, soonest, due - self._now())

    @property
    def places(self) -> list[Place]:
        """Where there is something to look after."""
        return list(dict.fromkeys(enforcement.territory.connection.place for enforcement in self._all()))

    @property
    def wants_poll(self) -> bool:
        """Whether something has to be taken back by a commit, which must not wait for its interval."""
        return any(enforcement.hurries for enforcement in self._all())

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
            interval=self._interval,
        )

    def _poll(self) -> list[Place]:
        self._take_back()
        found: InForce | None
        try:
            found = self._source.poll()
        except (Unreachable, Refused, OSError) as error:
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

    def _take_back(self) -> None:
        """Of one environment at a time: a git server that hangs must not keep back the commits of all the others."""
        condemned = next((each for each in self._all() if each.condemned), None)
        if condemned is None:
            return
        try:
            take_back(self._source, condemned, self._around.telling)
        except Exception as error:  # noqa: BLE001 — whatever goes wrong, the next commit must be seen
            self._around.telling.failed(condemned.name, error)
            condemned.answer("held: what runs stays, since the revert could not be made")

    def _follow(self, found: InForce) -> list[Place]:
        seen = None if self._in_force is None else self._now()
        following: dict[str, Enforcement] = {}
        for standing in found.standings:
            name = standing.environment.environment
            try:
                following[name] = self._followed(self._enforcements.get(name), standing, seen)
                following[name].judge(found.head, tuple(each for each in found.problems if each.file == standing.file))
            except Exception as error:  # noqa: BLE001 — a mistake of ours in one file must not keep back the others
                self._around.telling.failed(name, error)
        left = [known for name, known in self._enforcements.items() if following.get(name) is not known]
        named = {standing.environment.environment for standing in found.standings}
        self._enforcements = following
        if len(following) == len(named):  # else the next poll tries again
            self._in_force = found
        for known in left:
            known.retire()
            if known.name not in named:
                self._around.telling.gone(known.name)
        return list(dict.fromkeys(e.territory.connection.place for e in following.values() if e.waiting))

    def _followed(self, known: Enforcement | None, standing: Standing, seen: float | None) -> Enforcement:
        if known and not known.moved(standing):
            known.follow(standing)
            return known
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
        # The newest commit first: what AWS leaves without an answer elsewhere must not hold up a rollback.
        at, soonest, pace = sorted(self._at(where), key=lambda each: not each.urgent), 0.0, self._pace(where)
        due = [(enforcement, enforcement.due(full=full, pace=pace)) for enforcement in at]
        if at:
            at[0].territory.new_pass(entry for _, entries in due for entry in entries)
        for enforcement, entries in due:
            try:
                if entries and not enforcement.run(entries, lambda: self._goes_on(where, beat)):
                    beat.full_at = started if full else beat.full_at  # what is left follows after the commit
                    break
            except Exception as error:  # noqa: BLE001 — a mistake of ours in one environment must not stop the others
                self._around.telling.failed(enforcement.name, error)
                soonest = FAST
        return soonest

    def _goes_on(self, where: Place, beat: _Beat) -> bool:
        """However long a round takes, it is not stuck while one entry after the other ends. A new commit ends it."""
        beat.since = self._now()
        return not any(enforcement.urgent for enforcement in self._at(where))

    def _pace(self, where: Place) -> float:
        return max(FAST, sum(enforcement.moving for enforcement in self._at(where)) / _POLITE)

    def _at(self, where: Place) -> list[Enforcement]:
        return [enforcement for enforcement in self._all() if enforcement.territory.connection.place == where]

    def _all(self) -> list[Enforcement]:
        return list(self._enforcements.values())

    def _beat(self, where: Place) -> _Beat:
        return self._beats.setdefault(where, _Beat(self._now()))

    def _stuck(self) -> bool:
        now, patience = self._now(), max(STUCK, _MISSED * self._interval)
        beats = (self._polling, *(self._beat(where) for where in self.places))
        busy = [beat.since for beat in (self._polling, *list(self._beats.values()))]
        return any(since is not None and now - since > STUCK for since in busy) or any(
            beat.since is None and now - beat.idle_since > patience for beat in beats
        )
