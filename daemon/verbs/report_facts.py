"""Everything that a report is made of, as it was collected. What is missing is said in `gaps`; nothing is invented."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from daemon.differences import differences
from daemon.entry import Key
from daemon.events import Event, What
from desired_state.history import Version
from desired_state.model import Environment
from reconcilers.alarm_history import AlarmChange
from reconcilers.contract import Condition
from reconcilers.ecs_history import ServicePast
from reconcilers.trail import Deed


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of one environment between two instants (UTC)."""

    environment: Environment
    file: str
    since: datetime
    until: datetime
    made: datetime  # when the report was made
    events: tuple[Event, ...] = ()  # what the daemon saw and did in between, oldest first
    heard: bool = True  # the daemon, or its file, told its events: where there are none, nothing happened
    versions: tuple[Version, ...] = ()  # of the file, newest first, also older ones than the report is about
    services: Mapping[str, ServicePast] = field(default_factory=dict)  # by the name in the file
    alarms: tuple[AlarmChange, ...] = ()
    deeds: tuple[Deed, ...] = ()  # oldest first
    deeds_known: bool = False  # CloudTrail was asked, and answered
    gaps: tuple[str, ...] = ()

    @property
    def commits(self) -> tuple[Version, ...]:
        """The versions that were committed in between, oldest first."""
        return tuple(each for each in reversed(self.versions) if self.since <= each.commit.at <= self.until)

    @property
    def changes(self) -> list[Event]:
        """What AWS was asked for, oldest first."""
        return [event for event in self.told if event.event == What.CHANGE]

    @property
    def told(self) -> list[Event]:
        """What happened without the steps that only prepare or tidy up after another change: they go without saying."""
        return [event for event in self.events if not _is_step(event)]

    @property
    def began(self) -> Event | None:
        """The first event, where it says that the daemon only then started: nobody tells what was before it."""
        first = self.events[0] if self.events else None
        started = first is not None and first.event == What.COMMIT and first.facts.get("seen") is False
        return first if started else None

    def of(self, *what: What) -> list[Event]:
        """What happened of these kinds, oldest first."""
        return [event for event in self.events if event.event in what]

    def between(self, first: Event, end: datetime | None) -> list[Event]:
        """What happened with an event and after it, up to an instant."""
        events = self.events[self.events.index(first) :]
        return [each for each in events if end is None or each.at < end]

    def first(self, after: Event, *what: What, key: Key | None = None, before: datetime | None = None) -> Event | None:
        """The first event of these kinds that came with or after another one, of one entry or of any."""
        events = (each for each in self.between(after, before) if each.event in what and not _is_step(each))
        return next((each for each in events if key is None or each.key == key), None)

    def mended(self, drift: Event) -> Event | None:
        """When an entry that was seen to differ was in sync again."""
        events = self.events[self.events.index(drift) :]
        good = Condition.IN_SYNC.value
        return next((each for each in events if _is_of(each, drift) and each.text("to") == good), None)

    def version(self, commit: str) -> Version | None:
        """The version that a commit brought, where git knows it."""
        return next((each for each in self.versions if commit and each.commit.oid == commit), None)

    def pinned(self, version: Version) -> tuple[str, ...]:
        """What a version says otherwise than the good one before it. Empty: that is not known, or nothing."""
        older = self.versions[self.versions.index(version) + 1 :]
        before = next((each.environment for each in older if each.environment), None)
        return differences(before, version.environment) if before and version.environment else ()


def with_arrivals(facts: Facts) -> Facts:
    """A commit that says nothing new is not seen to arrive either: only what came first was there at the start."""
    return replace(facts, events=tuple(_arrival(facts, event) for event in facts.events))


def _arrival(facts: Facts, event: Event) -> Event:
    version = facts.version(event.text("version") or event.commit)
    if event.event != What.COMMIT or event is facts.events[0] or version is None or facts.pinned(version):
        return event
    return replace(event, facts={**event.facts, "seen": True})


def drifts(facts: Facts) -> Iterator[Event]:
    """What differed although no commit had asked for another state."""
    return (event for event in facts.of(What.DRIFT) if event.text("cause") != "commit")


def _is_step(event: Event) -> bool:
    """Whether it only prepared or tidied up after another change. One that went wrong is told."""
    return event.event == What.CHANGE and not event.items("drifts") and event.text("result") == "ok"


def _is_of(event: Event, drift: Event) -> bool:
    return event.event == What.CONDITION and event.key == drift.key
