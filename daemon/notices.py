"""What is worth telling to one listener of an environment, and what was told already. Knows no thread or network."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from daemon.entry import Key
from daemon.events import Event as Happened
from daemon.events import What
from daemon.status import EnvironmentStatus
from desired_state.model import Event
from reconcilers.contract import Condition

MINUTE = 60.0  # seconds between two messages of one environment about one event, and of silence after a start
_WRONG = {Event.STALLED: Condition.STALLED, Event.DRIFTED: Condition.DRIFTED}  # the worst first


@dataclass(frozen=True)
class Sight:
    """What a pass has shown of an environment: its worst condition, and which entries are in it."""

    event: Event | None = None  # None: it has not settled, and nobody is told
    entries: frozenset[Key] = frozenset()

    @property
    def wrong(self) -> bool:
        """Whether somebody has to look at it."""
        return self.event in _WRONG


def sight(status: EnvironmentStatus) -> Sight:
    """What people care for in a status. What progresses or is tried again may still come to anything."""
    for event, condition in _WRONG.items():
        entries = frozenset((each.kind, each.name) for each in status.resources if each.condition is condition)
        if entries:
            return Sight(event, entries)
    return Sight(Event.IN_SYNC if status.in_sync else None)


@dataclass(frozen=True)
class Past:
    """What an earlier process saw of an environment, and of which commit's version."""

    sight: Sight
    version: str


def past(events: Iterable[Happened]) -> Past | None:
    """What the events of one environment, oldest first, came to. None: nothing is known."""
    conditions: dict[Key, str] = {}
    version, settled = "", False
    for each in events:
        if each.event == What.COMMIT:
            version, settled = each.text("version") or each.commit, False
        elif each.event == What.CONDITION:
            conditions[each.key] = each.text("to")
        elif each.event == What.REFUSED:
            conditions[each.key] = Condition.STALLED.value
        elif each.event == What.IN_SYNC:
            conditions, settled = {}, True
        elif each.event == What.GONE:
            conditions, version, settled = {}, "", False
    for event, condition in _WRONG.items():
        if entries := frozenset(key for key, told in conditions.items() if told == condition.value):
            return Past(Sight(event, entries), version)
    return Past(Sight(Event.IN_SYNC), version) if settled else None


@dataclass(frozen=True)
class TakenBack:
    """A commit that failed its checks, the one that takes it back, and the one whose pins are there again."""

    bad: str
    commit: str
    to: str


@dataclass
class Hearing:
    """What one listener knows of one environment. Times are seconds of the monotonic clock."""

    quiet_until: float  # before that nothing is told that was wrong when the process started
    on: frozenset[Event] = frozenset()  # what it wants to be told
    told: Sight = field(default_factory=Sight)  # what it knows, or passed over because it does not care
    alarmed: bool = False  # it was told of something wrong, and not yet that it is over
    took: float | None = None  # seconds in which a commit came in sync, while that is to be told
    taken_back: TakenBack | None = None  # the same of a commit that was taken back
    more: int = 0  # changes that were held back since the last message
    busy: bool = False  # a message is on its way
    _renewed: int = 0  # how often another version came
    _sent: tuple[int, float | None, TakenBack | None] = (0, None, None)  # what the message that is on its way tells of
    _held: Sight | None = None
    _last: dict[Event, float] = field(default_factory=dict)

    def recall(self, before: Past, version: str) -> None:
        """What was so before the process started, of the same version, is told to nobody again."""
        same = before.version == version
        self.told = before.sight if same else Sight(before.sight.event)
        self.alarmed = before.sight.wrong

    def renew(self, *, seen: bool) -> None:
        """Another version is in force: what is wrong with it is news. `seen`: the process saw it arrive."""
        self.told, self.took = Sight(self.told.event), None
        self._renewed += 1
        if seen:
            self.quiet_until = 0.0

    def due(self, now_so: Sight, now: float) -> Event | None:
        """What to tell of now. A change for which it is too early is counted, and told later if it is still so."""
        event = self._news(now_so, now)
        if event is None:
            self._held = None
        elif event not in self.on:
            self.pass_over(event, now_so)
        elif now - self._last.get(event, -MINUTE) < MINUTE:
            self.hold(now_so)
        else:
            return event
        return None

    def hold(self, now_so: Sight) -> bool:
        """A change is not told now. Returns whether it is one that was not counted yet."""
        new = self._held != now_so
        self._held = now_so
        self.more += new
        return new

    def summed_up(self, now_so: Sight) -> int:
        """How many other changes were held back since the last message."""
        return self.more - (self._held == now_so)

    def begin(self, event: Event, now: float) -> None:
        """A message is on its way."""
        self.busy, self._last[event] = True, now
        self._sent = self._renewed, self.took, self.taken_back

    def end(self, event: Event, now_so: Sight, *, heard: bool) -> None:
        """It has come to its end. What was not heard is told later, if it is still so; what came since then as well."""
        renewed, took, taken_back = self._sent
        self.busy = False
        if not heard:
            return
        self.more, self._held = 0, None
        self.took = None if self.took == took else self.took
        self.taken_back = None if self.taken_back == taken_back else self.taken_back
        if event is not Event.REVERTED:
            self.alarmed = now_so.wrong
            self._know(now_so if renewed == self._renewed else Sight(event))

    def pass_over(self, event: Event, now_so: Sight) -> None:
        """It is not told, now or later."""
        if event is Event.REVERTED:
            self.taken_back = None
            return
        if event is Event.IN_SYNC:
            self.alarmed, self.took = False, None
        self._know(now_so)

    def _know(self, now_so: Sight) -> None:
        known = self.told.entries if self.told.event is now_so.event else frozenset()
        self.told = Sight(now_so.event, known | now_so.entries)

    def _news(self, now_so: Sight, now: float) -> Event | None:
        if self.taken_back:
            return Event.REVERTED
        if now_so.event is Event.IN_SYNC:
            self.quiet_until = 0.0
            if self.alarmed or self.took is not None:
                return Event.IN_SYNC
            self.told = now_so
            return None
        if not now_so.wrong or now < self.quiet_until:
            return None
        known = self.told.entries if self.told.event is now_so.event else frozenset()
        return None if now_so.entries <= known else now_so.event
