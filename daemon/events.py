"""What happened, as small values that one line of JSON holds each. None of them holds a secret."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from daemon.plain import one_line
from reconcilers.checks import Check
from reconcilers.contract import Drift

Json = dict[str, Any]

_SHORT: Final = 300  # characters of a name or a value
_TEXT: Final = 1000  # of a reason
_MOST: Final = 20  # fields or checks that one event tells of
_DEEP: Final = 4
_NAMES: Final = ("environment", "event", "commit", "kind", "name")


class What(StrEnum):
    """What can happen."""

    COMMIT = "commit"  # a version of the file came into force
    REFUSED = "refused"  # the file is bad at the head, and the version before it stays in force
    DRIFT = "drift"  # fields were seen to differ
    CHANGE = "change"  # AWS was asked for something
    CONDITION = "condition"  # what a pass over one entry came to is another than before
    IN_SYNC = "in_sync"  # everything in the file is
    VERIFIED = "verified"  # its checks have held
    VERIFICATION_FAILED = "verification_failed"  # they have failed for so long that it counts
    REVERTED = "reverted"  # trueup took the pins of a commit back
    WAITING = "waiting"  # what differs waits for a calendar or a person
    APPLY = "apply"  # terraform came to the end of an apply
    GONE = "gone"  # the environment left the repository


@dataclass(frozen=True)
class Event:
    """One thing that happened. `facts` holds plain JSON, by the words of `docs/report.md`."""

    at: datetime  # UTC, by the clock of the machine that the daemon runs on
    environment: str
    event: str  # one of What, or a word of a later version
    commit: str = ""
    kind: str = ""
    name: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Which entry of the file it is about; two empty words: the whole environment."""
        return self.kind, self.name

    @property
    def called(self) -> str:
        """`service api`, as people say it."""
        return self.kind if self.kind == self.name else f"{self.kind} {self.name}"

    def text(self, fact: str) -> str:
        """A fact that is a text; empty where it is missing or no text."""
        value = self.facts.get(fact)
        return value if isinstance(value, str) else ""

    def items(self, fact: str) -> list[Json]:
        """A fact that is a list of objects; empty where it is missing."""
        value = self.facts.get(fact)
        return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    def instant(self, fact: str) -> datetime | None:
        """A fact that is an instant."""
        return instant(self.facts.get(fact))

    def as_json(self) -> Json:
        """As it is kept and told."""
        named = {word: getattr(self, word) for word in _NAMES if getattr(self, word)}
        return {"at": spelled(self.at), **named, **self.facts}


def read(document: object) -> Event | None:
    """An event that somebody else tells, with nothing in it that is not plain. None: it is no event."""
    if not isinstance(document, dict):
        return None
    at, names = instant(document.get("at")), [document.get(word, "") for word in _NAMES]
    if at is None or not all(isinstance(name, str) for name in names) or not names[0] or not names[1]:
        return None
    facts = {_short(word): _plain(value) for word, value in document.items() if word not in ("at", *_NAMES)}
    environment, event, commit, kind, name = map(_short, names)
    return Event(at, environment, event, commit, kind, name, facts)


def instant(text: object) -> datetime | None:
    """An instant with its offset, in UTC. None: it is none."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found and found.tzinfo and 2000 <= found.year < 2200 else None


def spelled(at: datetime) -> str:
    """An instant as it is kept."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fields(drifts: Iterable[Drift]) -> list[Json]:
    """Fields that differ: the first twenty."""
    every = list(drifts)
    told = [
        {"field": _short(each.field), "live": _short(each.live), "desired": _short(each.desired)}
        for each in every[:_MOST]
    ]
    more = len(every) - _MOST
    return [*told, {"field": f"and {more} more", "live": "", "desired": ""}] if more > 0 else told


def verdicts(checks: Iterable[Check]) -> list[Json]:
    """Checks with their evidence: those that failed first, and twenty at most."""
    first = sorted(checks, key=lambda check: check.ok is True)[:_MOST]
    return [{"check": _short(each.name), "ok": each.ok, "evidence": shown(each.evidence)} for each in first]


def shown(text: str) -> str:
    """A reason or a subject, made fit to be kept."""
    return one_line(text, _TEXT)


def _short(text: str) -> str:
    return one_line(text, _SHORT)


def _plain(value: object, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return one_line(value, _TEXT)
    if isinstance(value, list) and depth < _DEEP:
        return [_plain(each, depth + 1) for each in value[: _MOST + 1]]
    if isinstance(value, dict) and depth < _DEEP:
        return {_short(f"{key}"): _plain(each, depth + 1) for key, each in list(value.items())[:_MOST]}
    return None
