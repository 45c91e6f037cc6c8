"""Whether a commit has arrived: in force, and everything as it says. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from daemon.verbs.seen import Entry, Environment, Seen
from daemon.verbs.status_text import short, silence, summary

Contains = Callable[[str], bool | None]
"""Whether the commit in force has the awaited one in its history. None: nobody here knows."""

_MOST_REASONS: Final = 20


class Result(StrEnum):
    """How it stands, or has ended."""

    WAITING = "waiting"
    IN_SYNC = "in_sync"
    STALLED = "stalled"  # only a new commit or a person can help
    REFUSED = "refused"  # the file is bad at this commit
    UNKNOWN = "unknown"  # there is no such environment at this commit
    TIMED_OUT = "timed_out"


@dataclass(frozen=True)
class Verdict:
    """How a commit stands, and why."""

    result: Result
    reasons: tuple[str, ...] = ()
    in_force: str = ""  # the commit that is
    verified: bool | None = None
    taken_back_by: str = ""  # the commit with which trueup took this one back

    @property
    def arrived(self) -> bool:
        """Whether the commit, or a later one that contains it, is in force."""
        return bool(self.in_force)


def judge(seen: Seen, name: str, commit: str, contains: Contains) -> Verdict:
    """How the commit stands in the environment of this name. `commit` may be abbreviated."""
    environment = next((each for each in seen.environments if each.name == name), None)
    if environment is None:
        return _missing(seen, name, commit)
    silent = silence(seen, environment)
    if is_of(environment.commit, commit):
        return _in_force(environment, commit, (), silent)
    if refused := _refusal(seen, environment, commit):
        return Verdict(Result.REFUSED, refused)
    known = contains(environment.commit) if environment.commit else False
    if known:
        note = f"{short(environment.commit)} is in force, a later commit that contains {short(commit)}"
        return _in_force(environment, commit, (note,), silent)
    unsure = f"; whether it contains {short(commit)} is not known here" if known is None else ""
    return Verdict(Result.WAITING, (f"commit {short(environment.commit)} is in force{unsure}",))


def is_of(full: str, commit: str) -> bool:
    """Whether an abbreviated id means this commit."""
    return bool(commit) and full.lower().startswith(commit.lower())


def _missing(seen: Seen, name: str, commit: str) -> Verdict:
    if not is_of(seen.git.head, commit):
        return Verdict(Result.WAITING, (seen.git.error or f"the daemon has no environment {name} yet",))
    if seen.git.problems:
        return Verdict(Result.REFUSED, seen.git.problems[:_MOST_REASONS])
    known = ", ".join(each.name for each in seen.environments) or "none"
    return Verdict(Result.UNKNOWN, (f"there is no environment {name} at this commit (there is: {known})",))


def _refusal(seen: Seen, environment: Environment, commit: str) -> tuple[str, ...]:
    """Why the file does not count at this commit. Empty: it does, or nobody has looked at it yet."""
    file = _file(environment)
    if file is None or not is_of(seen.git.head, commit) or not _names(file, seen.git.head):
        return ()
    wrong = (p for f, p in zip(seen.git.files, seen.git.problems, strict=True) if f == environment.file)
    return (file.reason, *list(wrong)[1:_MOST_REASONS])


def _in_force(environment: Environment, commit: str, notes: tuple[str, ...], silent: str) -> Verdict:
    # A later commit that is refused is no matter of this one.
    file = _file(environment)
    entries = [e for e in environment.entries if e is not file or _names(e, commit)]
    result, reasons = Result.IN_SYNC, tuple(_open(entries))
    if environment.mode == "suspended":
        result, reasons = Result.STALLED, ("the file says mode: suspended, so nothing is looked at",)
    elif any(entry.condition == "stalled" for entry in entries):
        result, reasons = Result.STALLED, tuple(_open(e for e in entries if e.condition == "stalled"))
    elif reasons or environment.last_pass is None:
        result, reasons = Result.WAITING, reasons or (summary(environment),)
    elif silent:  # what was in sync then may be anything now
        result, reasons = Result.WAITING, (silent,)
    return Verdict(result, (*notes, *reasons[:_MOST_REASONS]), environment.commit, environment.verified)


def _open(entries: "Iterator[Entry] | list[Entry]") -> Iterator[str]:
    for entry in entries:
        if entry.condition != "in_sync":
            told = f"{entry.called} is {entry.condition.replace('_', ' ')}"
            yield f"{told}: {entry.reason}" if entry.reason else told


def _file(environment: Environment) -> Entry | None:
    return next((each for each in environment.entries if each.kind == "desired_state"), None)


def _names(file: Entry, commit: str) -> bool:
    """Whether it is this very commit that is refused: the daemon tells the first eight characters."""
    return file.reason.startswith(f"commit {commit[:8].lower()}")
