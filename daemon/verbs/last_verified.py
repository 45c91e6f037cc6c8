"""Which version `trueup rollback` goes back to where none is named, and what a person may choose from. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from daemon.past import Past
from daemon.plain import one_line
from daemon.verbs import pins
from daemon.verbs.pins import SHORT, Behind
from desired_state.history import Version
from desired_state.model import Environment

_MOST_SHOWN: Final = 5
_MOST_SKIPPED: Final = 3
_LEFT: Final = "it was gone back from already"
Known = Mapping[str, Past]
"""What a daemon knows of the versions, by commit."""


@dataclass(frozen=True)
class Choice:
    """The newest version that was verified and is not known to be not ready."""

    version: Version
    notes: tuple[str, ...]
    """Why it is this one, and why not a newer one."""


def choice(behind: Behind, known: Known, service: str | None) -> Choice | None:
    """None: there is no such version, and a person chooses."""
    skipped: list[tuple[Version, str]] = []
    for version in behind.versions:
        oid = version.commit.oid
        if not (why := _LEFT if oid in behind.left else _hindrance(known.get(oid), service)):
            return Choice(version, tuple(_notes(known[oid], skipped)))
        skipped.append((version, why))
    return None


def _notes(past: Past, skipped: Sequence[tuple[Version, str]]) -> Iterator[str]:
    which = " and can be gone back to" if skipped else ""
    unknown = "; whether it is ready is not known" if past.ready is None else ""
    yield f"this is the last version that was verified{which}{unknown}"
    for version, why in skipped[:_MOST_SKIPPED]:
        commit = version.commit
        yield f"skipped {commit.oid[:SHORT]} ({one_line(commit.subject, 45)}): {why}"
    if len(skipped) > _MOST_SKIPPED:
        yield f"skipped {len(skipped) - _MOST_SKIPPED} more"


def _hindrance(past: Past | None, service: str | None) -> str:
    """Why a version is not chosen. Empty: it is."""
    if past is None or past.verified is None:
        return "it is not known to have been verified"
    if past.verified is False:
        return "its checks failed"
    return not_ready(past, service)


def not_ready(past: Past | None, service: str | None) -> str:
    """Why the services, or the one that is named, cannot go back to a version. Empty: that is not known.

    What is missing of a database or of a page is no matter of a rollback: it takes back services alone.
    """
    if past is None or past.ready is not False:
        return ""
    missing = [each for each in past.findings if each.missing]
    of = "service " if service is None else f"service {service}"
    found = [each for each in missing if each.entry.startswith(of) and (service is None or each.entry == of)]
    if missing and not found:
        return ""
    return "not ready" + "".join(f": {each.entry}: {each.message}" for each in found[:1])


def none_verified(behind: Behind, known: Known, now: Environment) -> str:
    """Why no version was chosen, though a daemon told what it knows."""
    ahead = [each for each in behind.versions if each.commit.oid not in behind.left]
    if not ahead:
        return "there is no version further back: each of the others was gone back from already"
    if any(past.verified for each in ahead if (past := known.get(each.commit.oid))):
        return "of the versions that were verified, none is ready"
    none = "of the versions that the daemon knows, none was verified"
    if now.verify is not None:
        return none
    return f"{none}; the file has no `verify`, so a version counts as such once the daemon saw all of it in sync"


def to_choose(why: str, behind: Behind, known: Known, service: str | None) -> str:
    """Why no version can be chosen here, and those that a person may choose from: the ready ones first."""
    lines = [f"{why}\nName the version to go back to with --to. The last ones are:"]
    marked = [(each, each.commit.oid in behind.left, known.get(each.commit.oid)) for each in behind.versions]
    for version, left, past in sorted(marked, key=lambda each: (each[1], _rank(each[2], service)))[:_MOST_SHOWN]:
        lines += _lines(version, past, service, left=left)
    return "\n".join(lines)


def _rank(past: Past | None, service: str | None) -> tuple[bool, bool, bool]:
    if past is None:
        return False, False, True
    return bool(not_ready(past, service)), past.verified is False, past.ready is None


def _lines(version: Version, past: Past | None, service: str | None, *, left: bool) -> Iterator[str]:
    commit = version.commit
    told = [_LEFT] if left else []
    told += ["its checks failed"] if past and past.verified is False else []
    told += ["not ready"] if not_ready(past, service) else ["ready"] if past and past.ready else []
    told += [pins.all_pinned(version.environment)] if version.environment else []
    yield f"  {commit.oid[:SHORT]}  {commit.at:%Y-%m-%d %H:%M} UTC  {one_line(commit.subject, 45)}"
    yield f"            {one_line('; '.join(told), 66)}"
