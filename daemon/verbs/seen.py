"""What a daemon says of itself, as values. It is somebody else's text: one line each, bounded, nothing trusted."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from daemon.plain import one_line

Json = Mapping[str, Any]

_MOST: Final = 20_000  # entries of one list; what a daemon may look after has its own limits
_NAME, _TEXT = 300, 4000  # characters
_LONGEST: Final = 1e7  # seconds
_MISSED: Final = 3  # intervals without a pass that ended, after which what was seen last is no longer what is
_SOONEST, _PATIENCE = 20.0, 90.0  # seconds: at the least, and where the interval is not known


@dataclass(frozen=True)
class Field:
    """One field that differs, and the verb that changes it where it comes later."""

    name: str
    live: str
    desired: str
    verb: str = ""
    takes: str = ""


@dataclass(frozen=True)
class Verdict:
    """One check of `verify`. `ok` None: it could not be made."""

    name: str
    ok: bool | None
    evidence: str


@dataclass(frozen=True)
class Entry:
    """One entry of a file and what the last look at it came to."""

    kind: str
    name: str
    condition: str
    reason: str = ""
    since: datetime | None = None  # when the condition became what it is
    observed: datetime | None = None  # when it was last read
    drifted_since: datetime | None = None
    drift: tuple[Field, ...] = ()
    ahead: tuple[Field, ...] = ()  # what follows later, in its order
    advice: tuple[str, ...] = ()
    waits: str = ""  # window | limit | …; empty: for nothing of that kind
    until: datetime | None = None
    checks: tuple[Verdict, ...] = ()
    deadline: float | None = None  # seconds after which what progresses counts as stalled; None: not known

    @property
    def called(self) -> str:
        """`service api`, as people say it."""
        if self.kind == "desired_state":
            return "the file"
        return self.kind if self.kind == self.name else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Readiness:
    """Whether going back to an earlier version would work now. `ready` None: not known."""

    back: int
    commit: str
    ready: bool | None
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Environment:
    """One environment file in force."""

    name: str
    file: str
    commit: str
    mode: str
    valid: bool
    in_sync: bool
    verified: bool | None = None
    last_pass: datetime | None = None
    last_in_sync: datetime | None = None
    maintenance: bool | None = None
    entries: tuple[Entry, ...] = ()
    ready: tuple[Readiness, ...] = ()

    @property
    def out_of_sync(self) -> tuple[Entry, ...]:
        """The entries that are not in sync, in the order of a pass."""
        return tuple(entry for entry in self.entries if entry.condition != "in_sync")


@dataclass(frozen=True)
class Git:
    """The repository as the last poll found it."""

    repository: str = ""
    branch: str = ""
    head: str = ""
    error: str = ""
    rewritten: bool = False
    last_fetch: datetime | None = None
    problems: tuple[str, ...] = ()
    files: tuple[str, ...] = ()  # the file of each problem
    problem_count: int = 0


@dataclass(frozen=True)
class Seen:
    """Everything, at one instant of the daemon's clock."""

    at: datetime
    git: Git
    environments: tuple[Environment, ...]
    leader: bool = True
    ready: bool = True
    interval: float | None = None  # seconds between two looks at everything; None: not known

    def silence(self, environment: Environment) -> float:
        """Seconds since the last pass over an environment ended, once that is longer than it should be. 0: it is not.

        AWS that takes requests and answers none holds a pass up without an error.
        """
        if environment.last_pass is None or environment.mode == "suspended":
            return 0.0
        seconds = (self.at - environment.last_pass).total_seconds()
        patience = _PATIENCE if self.interval is None else max(_SOONEST, _MISSED * self.interval)
        return seconds if seconds > patience else 0.0


class NoStatus(Exception):
    """What was told is no status of trueup."""


def read(document: object, at: datetime) -> Seen:
    """The status page of a daemon, answered at `at`. NoStatus: it is none."""
    if not isinstance(document, dict) or not isinstance(document.get("environments"), list):
        raise NoStatus
    environments = tuple(environment(each) for each in _objects(document, "environments"))
    leader, ready = document.get("leader") is not False, document.get("ready") is True
    return Seen(at, _git(_object(document, "git")), environments, leader, ready, _seconds(document, "interval"))


def environment(told: Json) -> Environment:
    """One environment of the status page."""
    return Environment(
        name=_text(told, "environment", _NAME),
        file=_text(told, "file", _NAME),
        commit=_text(told, "commit", _NAME),
        mode=_text(told, "mode", _NAME),
        valid=told.get("valid") is True,
        in_sync=told.get("in_sync") is True,
        verified=_maybe(told, "verified"),
        last_pass=_instant(told, "last_pass"),
        last_in_sync=_instant(told, "last_in_sync"),
        maintenance=_maybe(told, "maintenance_enabled"),
        entries=tuple(_entry(each) for each in _objects(told, "resources")),
        ready=tuple(_readiness(each) for each in _objects(told, "rollback_ready")),
    )


def _entry(told: Json) -> Entry:
    ahead = tuple(_field(each) for each in _objects(told, "ahead"))
    drift = tuple(_field(each) for each in _objects(told, "drift"))
    waits, kind, reason = _object(told, "waits"), _text(told, "kind", _NAME), _text(told, "reason")
    advice = (_text(each, "message") for each in _objects(told, "advice"))
    return Entry(
        kind=kind,
        name=_text(told, "name", _NAME),
        condition=_text(told, "condition", _NAME),
        reason=_once(reason.removeprefix(f"{kind}: ")),
        since=_instant(told, "since"),
        observed=_instant(told, "observed"),
        drifted_since=_instant(told, "drifted_since"),
        drift=drift[: len(drift) - len(ahead)],  # the page tells what comes later at the end of both lists
        ahead=ahead,
        advice=tuple(each for each in advice if each not in reason),
        waits=_text(waits, "for", _NAME),
        until=_instant(waits, "until"),
        checks=tuple(_verdict(each) for each in _objects(told, "checks")),
        deadline=_seconds(told, "deadline"),
    )


def _field(told: Json) -> Field:
    words = ("field", "live", "desired", "verb", "takes")
    return Field(*(_text(told, word, _NAME) for word in words))


def _verdict(told: Json) -> Verdict:
    return Verdict(_once(_text(told, "check", _NAME)), _maybe(told, "ok"), _text(told, "evidence"))


def _once(text: str) -> str:
    """Without the kind of a check before a URL, which says it as well."""
    return re.sub(r"\bhttp (?=https?://)", "", text)


def _readiness(told: Json) -> Readiness:
    back = told.get("commits_back")
    findings = tuple(_findings(told.get("findings")))
    return Readiness(
        back if isinstance(back, int) else 0, _text(told, "commit", _NAME), _maybe(told, "ready"), findings
    )


def _findings(told: object) -> Iterator[str]:
    """Each as a text, or as an object that says of which entry it is."""
    for each in told[:_MOST] if isinstance(told, list) else []:
        if isinstance(each, str):
            yield one_line(each, _TEXT)
        elif isinstance(each, dict):
            entry, message = _text(each, "entry", _NAME), _text(each, "message")
            yield f"{entry}: {message}" if entry else message


def _git(told: Json) -> Git:
    problems = _objects(told, "problems")
    count = told.get("problem_count")
    return Git(
        repository=_text(told, "repository", _NAME),
        branch=_text(told, "branch", _NAME),
        head=_text(told, "head", _NAME),
        error=_text(told, "error"),
        rewritten=told.get("rewritten") is True,
        last_fetch=_instant(told, "last_fetch"),
        problems=tuple(_problem(each) for each in problems),
        files=tuple(_text(each, "file", _NAME) for each in problems),
        problem_count=count if isinstance(count, int) else len(problems),
    )


def _problem(told: Json) -> str:
    line, key = told.get("line"), _text(told, "key", _NAME)
    where = f"{_text(told, 'file', _NAME)}:{line if isinstance(line, int) else 1}"
    return f"{where}: {key}{': ' if key else ''}{_text(told, 'message')}; {_text(told, 'mend')}"


def _text(told: Json, key: str, longest: int = _TEXT) -> str:
    value = told.get(key)
    return one_line(value, longest) if isinstance(value, str) else ""


def _maybe(told: Json, key: str) -> bool | None:
    value = told.get(key)
    return value if isinstance(value, bool) else None


def _seconds(told: Json, key: str) -> float | None:
    value = told.get(key)
    return float(value) if isinstance(value, int | float) and 0 < value < _LONGEST else None


def _instant(told: Json, key: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(told[key])
        return found.astimezone(UTC) if found.tzinfo else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _object(told: Json, key: str) -> Json:
    value = told.get(key)
    return value if isinstance(value, dict) else {}


def _objects(told: Json, key: str) -> list[Json]:
    value = told.get(key)
    return [each for each in value[:_MOST] if isinstance(each, dict)] if isinstance(value, list) else []
