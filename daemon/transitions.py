"""What is new in the looks at one environment. A look that finds what the last one found is no event."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from daemon.entry import Key
from daemon.events import Event, Json, What, fields, shown, spelled
from daemon.status import EnvironmentStatus
from desired_state.in_force import Standing
from desired_state.model import Environment
from reconcilers.contract import Condition, Drift, Outcome

_FILE: Final = "desired_state"
_CHECKS: Final = "verification"
_GOOD: Final = Condition.IN_SYNC.value
_SECTIONS: Final = {"service": "services", "database": "databases", "infrastructure": "infrastructure"}


@dataclass
class _Seen:
    """One entry of the file, and what is known of it."""

    condition: str = ""  # "" before the first look
    reason: str = ""  # of what stalled, so that another one is told
    drifts: frozenset[tuple[str, str]] = frozenset()  # field and desired value of what has differed since in sync
    waits: tuple[str, datetime | None] | None = None
    clean_at: datetime | None = None  # when it was last seen in sync
    clean_commit: str = ""
    pinned_anew: bool = False  # a version that says something else of it has come since


@dataclass
class Transitions:
    """Compares each look with the one before. Every method returns the events that it led to, in their order."""

    environment: str
    _seen: dict[Key, _Seen] = field(default_factory=dict)
    _in_sync: bool = False
    _pinned: Environment | None = None
    _commit: str = ""  # of the last pass
    _left: str | None = None  # of the last pass, when a newer version came: passes of it may still come to an end

    def recall(self, event: Event) -> None:
        """What an earlier process saw."""
        seen = self._seen.setdefault(event.key, _Seen())
        if event.event == What.CONDITION:
            seen.condition, seen.reason = event.text("to"), event.text("reason")
            seen.drifts = frozenset() if seen.condition == _GOOD else seen.drifts
            self._in_sync &= seen.condition == _GOOD
        elif event.event == What.DRIFT:
            seen.drifts |= {(each.get("field", ""), each.get("desired", "")) for each in event.items("drifts")}
        elif event.event == What.REFUSED:
            seen.condition, seen.reason = Condition.STALLED.value, event.text("reason")
        elif event.event == What.IN_SYNC:
            self._in_sync = True
        elif event.event == What.COMMIT:
            self._in_sync = False

    def followed(self, standing: Standing, *, new: bool) -> None:
        """A version is in force. `new`: it was not before, also not in an earlier process."""
        before, self._pinned = self._pinned, standing.environment
        self._left = self._commit if new else self._left
        if before is not None:
            for key in _pinned_anew(before, standing.environment):
                self._seen.setdefault(key, _Seen()).pinned_anew = True

    def looked(self, at: datetime, commit: str, key: Key, outcome: Outcome) -> Iterator[Event]:
        """A pass looked at one entry."""
        seen = self._seen.setdefault(key, _Seen())
        if outcome.live is not None:
            yield from self._drifted(at, commit, key, outcome)
        for attempt in outcome.attempts:
            told = {"verb": attempt.change.verb, "result": attempt.result.value}
            drifts = {"drifts": fields(attempt.change.drifts)} if attempt.change.drifts else {}
            yield self._event(at, What.CHANGE, commit, key, **told, **drifts)
        waits = (outcome.wait.kind, outcome.wait.until) if outcome.wait else None
        if outcome.wait and waits != seen.waits:
            until = spelled(outcome.wait.until) if outcome.wait.until else None
            told = {"for": outcome.wait.kind, "reason": shown(outcome.reason)}
            yield self._event(at, What.WAITING, commit, key, **told, until=until)
        seen.waits = waits
        yield from self._came_to(at, commit, key, outcome.condition, outcome.reason)

    def passed(self, at: datetime, status: EnvironmentStatus) -> Iterator[Event]:
        """A pass has ended. A pass over an older version says nothing of the newer one."""
        if self._left is not None and status.commit != self._left:
            self._left, self._in_sync = None, False
        self._commit = status.commit
        before, self._in_sync = self._in_sync, status.in_sync
        kept = {(each.kind, each.name) for each in status.resources}
        for key in [key for key, seen in self._seen.items() if key not in kept and seen.condition]:
            self._seen[key].condition = _GOOD  # what is not shown is in sync, or is named no more
        if self._in_sync and not before:
            verifies = any(each.kind == _CHECKS for each in status.resources)
            yield self._event(at, What.IN_SYNC, status.commit, verify="yes" if verifies else "no")

    def _drifted(self, at: datetime, commit: str, key: Key, outcome: Outcome) -> Iterator[Event]:
        seen = self._seen[key]
        drifts = [drift for change in outcome.changes for drift in change.drifts]
        new = [drift for drift in drifts if _mark(drift) not in seen.drifts]
        if new:
            since = spelled(seen.clean_at) if seen.clean_at else None
            yield self._event(
                at, What.DRIFT, commit, key, drifts=fields(new), cause=_cause(seen, commit), unseen_since=since
            )
        seen.drifts |= frozenset(map(_mark, drifts))
        if outcome.condition is Condition.IN_SYNC:  # what is on its way may yet come back
            seen.clean_at, seen.clean_commit = at, commit
            seen.drifts, seen.pinned_anew = frozenset(), False

    def _came_to(self, at: datetime, commit: str, key: Key, condition: Condition, reason: str) -> Iterator[Event]:
        """What has been in sync from the first look on is no news."""
        seen = self._seen[key]
        stalled = condition is Condition.STALLED
        same = seen.condition == condition.value and (not stalled or seen.reason == shown(reason))
        before, seen.condition, seen.reason = seen.condition, condition.value, shown(reason)
        if same or (not before and condition is Condition.IN_SYNC):
            return
        if key == (_FILE, _FILE) and stalled:
            yield self._event(at, What.REFUSED, commit, key, reason=shown(reason))
        else:
            told = {"from": before or None, "to": condition.value, "reason": shown(reason)}
            yield self._event(at, What.CONDITION, commit, key, **told)

    def _event(self, at: datetime, what: What, commit: str, key: Key = ("", ""), **facts: Any) -> Event:
        return Event(at, self.environment, what.value, commit, *key, facts=_without_nothing(facts))


def _cause(seen: _Seen, commit: str) -> str:
    """`commit`: the file pins something else now; `live`: somebody changed AWS; `unknown`: never seen in sync."""
    if seen.clean_at is None:
        return "unknown"
    return "commit" if seen.pinned_anew and commit != seen.clean_commit else "live"


def _pinned_anew(before: Environment, after: Environment) -> Iterator[Key]:
    """The entries of which the newer version says something else, and the services that follow their databases."""
    moved = {name for name in after.databases if before.databases.get(name) != after.databases[name]}
    for kind, section in _SECTIONS.items():
        old, new = getattr(before, section), getattr(after, section)
        yield from ((kind, name) for name in {*old, *new} if old.get(name) != new.get(name))
    for name, service in after.services.items():
        if moved.intersection(service.databases):
            yield ("service", name)
    if before.maintenance != after.maintenance:
        yield ("maintenance", "maintenance")


def _mark(drift: Drift) -> tuple[str, str]:
    """What is live may change from look to look: the field and what it must be say whether a drift is new."""
    told = fields((drift,))[0]
    return told["field"], told["desired"]


def _without_nothing(facts: Json) -> Json:
    return {word: value for word, value in facts.items() if value is not None}


def known(events: Iterable[Event], environment: str) -> Transitions:
    """What an earlier process saw of an environment."""
    found = Transitions(environment)
    for event in events:
        found.recall(event)
    return found
