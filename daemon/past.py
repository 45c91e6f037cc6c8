"""The last versions of a file, with what is known of each: a page of the daemon, and what `trueup history` shows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from daemon.differences import Change, Pin, changes, pins
from daemon.events import instant, spelled
from daemon.plain import one_line
from daemon.readiness import Known
from desired_state.in_force import Standing
from desired_state.repository import Commit
from reconcilers.readiness import Finding, Weight

Json = dict[str, Any]

_MOST: Final = 200  # of a list that a page tells
_NAME, _TEXT = 300, 2000  # characters


class Lives(Protocol):
    """Who knows from when on which commit was live, and what its checks came to."""

    def live_since(self, environment: str, commit: str) -> datetime | None:
        """None: it was not live, as far as is known."""

    def is_verified(self, environment: str, commit: str) -> bool | None:
        """None: not that is known."""


@dataclass(frozen=True)
class Note:
    """One finding of a check, as it is told."""

    entry: str
    message: str
    missing: bool = False


@dataclass(frozen=True)
class Past:
    """One version of a file. What is not known is None or empty."""

    back: int  # versions before the present one; 0: the present one
    commit: str
    at: datetime | None = None  # when it was committed
    author: str = ""
    subject: str = ""
    pins: tuple[Pin, ...] = ()
    changed: tuple[Change, ...] = ()  # what going back to it changes, from the present version on
    live: datetime | None = None
    until: datetime | None = None
    verified: bool | None = None
    ready: bool | None = None
    told: datetime | None = None  # when that was found out
    findings: tuple[Note, ...] = ()
    unchecked: tuple[Note, ...] = ()


@dataclass(frozen=True)
class History:
    """One environment's file: the present version, and those that can be gone back to, newest first."""

    environment: str
    file: str
    versions: tuple[Past, ...]


def present(standing: Standing, by: Commit | None) -> Past:
    """The version that is in force. `by`: the commit that brought it, where that is known."""
    return _committed(0, by) if by else Past(0, standing.commit)


def history(standing: Standing, first: Past, known: Sequence[Known], lives: Lives) -> History:
    """What is known of the present version, `first`, and of those that can be gone back to."""
    environment = standing.environment
    judged = {each.commit: each for each in known}
    versions = [_lived(replace(first, pins=pins(environment)), environment.environment, [], lives)]
    for back, version in enumerate(standing.recent, start=1):
        past = _committed(back, version.commit)
        if then := version.environment:
            past = replace(past, pins=pins(then), changed=changes(environment, then))
        past = _lived(past, environment.environment, versions, lives)
        versions.append(_judged(past, judged[past.commit]) if past.commit in judged else past)
    return History(environment.environment, one_line(standing.file, _NAME), tuple(versions))


def _committed(back: int, by: Commit) -> Past:
    return Past(back, by.oid, by.at, one_line(by.author, _NAME), one_line(by.subject, _NAME))


def _lived(past: Past, environment: str, later: Sequence[Past], lives: Lives) -> Past:
    """From when on it was in force, until one of the later versions was."""
    live = lives.live_since(environment, past.commit)
    ends = [each.live for each in later if live and each.live and each.live > live]
    return replace(past, live=live, until=min(ends, default=None), verified=lives.is_verified(environment, past.commit))


def _judged(past: Past, known: Known) -> Past:
    told = {weight: tuple(_note(each) for each in known.findings if each.weight is weight) for weight in Weight}
    return replace(
        past,
        ready=known.ready,
        told=known.told,
        findings=(*told[Weight.MISSING], *told[Weight.UNREAD]),
        unchecked=told[Weight.UNCHECKED],
    )


def _note(finding: Finding) -> Note:
    return Note(one_line(finding.entry, _NAME), one_line(finding.message, _TEXT), finding.weight is Weight.MISSING)


def as_json(found: History) -> Json:
    """For scripts, and for the page."""
    versions = [_version(each) for each in found.versions]
    return {"environment": found.environment, "file": found.file, "versions": versions}


def read(document: object) -> tuple[History, ...]:
    """What a page tells of all environments. It is somebody else's text: nothing in it is trusted."""
    told = document if isinstance(document, dict) else {}
    return tuple(
        History(_text(each, "environment"), _text(each, "file"), tuple(map(_read, _objects(each, "versions"))))
        for each in _objects(told, "environments")
    )


def _version(past: Past) -> Json:
    times = {"at": past.at, "live_since": past.live, "live_until": past.until, "told": past.told}
    return {
        "commits_back": past.back,
        "commit": past.commit,
        "author": past.author,
        "subject": past.subject,
        "pins": [asdict(each) for each in past.pins],
        "changed": [asdict(each) for each in past.changed],
        "verified": past.verified,
        "ready": past.ready,
        "findings": [asdict(each) for each in past.findings],
        "unchecked": [asdict(each) for each in past.unchecked],
    } | {name: spelled(at) if at else None for name, at in times.items()}


def _read(told: Mapping[str, Any]) -> Past:
    back = told.get("commits_back")
    return Past(
        back=back if isinstance(back, int) else 0,
        commit=_text(told, "commit"),
        at=instant(told.get("at")),
        author=_text(told, "author"),
        subject=_text(told, "subject"),
        pins=tuple(_read_pin(each) for each in _objects(told, "pins")),
        changed=tuple(_read_change(each) for each in _objects(told, "changed")),
        live=instant(told.get("live_since")),
        until=instant(told.get("live_until")),
        verified=_maybe(told, "verified"),
        ready=_maybe(told, "ready"),
        told=instant(told.get("told")),
        findings=tuple(_notes(told, "findings")),
        unchecked=tuple(_notes(told, "unchecked")),
    )


def _read_pin(told: Mapping[str, Any]) -> Pin:
    return Pin(_text(told, "entry"), _text(told, "key"), _text(told, "value") or None)


def _read_change(told: Mapping[str, Any]) -> Change:
    before, after = (_text(told, key) or None for key in ("before", "after"))
    return Change(_text(told, "entry"), _text(told, "key"), before, after)


def _notes(told: Mapping[str, Any], key: str) -> Iterator[Note]:
    for each in _objects(told, key):
        yield Note(_text(each, "entry"), _text(each, "message", _TEXT), each.get("missing") is True)


def _objects(told: Mapping[str, Any], key: str) -> list[Json]:
    value = told.get(key)
    return [each for each in value[:_MOST] if isinstance(each, dict)] if isinstance(value, list) else []


def _text(told: Mapping[str, Any], key: str, longest: int = _NAME) -> str:
    value = told.get(key)
    return one_line(value, longest) if isinstance(value, str) else ""


def _maybe(told: Mapping[str, Any], key: str) -> bool | None:
    value = told.get(key)
    return value if isinstance(value, bool) else None


def page(standings: Sequence[Standing], of: Callable[[str], tuple[Known, ...]], chronicle: Lives) -> Json:
    """What a daemon tells of every environment."""
    found = (
        history(each, present(each, each.version), of(each.environment.environment), chronicle) for each in standings
    )
    return {"environments": [as_json(each) for each in found]}
