"""A daemon's status for people: what is wrong first and field by field, what is well summed up. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

from daemon.verbs.seen import Entry, Environment, Field, Git, Readiness, Seen

STYLES: Final = {"in_sync": "green", "progressing": "cyan", "drifted": "yellow", "retrying": "red", "stalled": "red"}
_MOST_FIELDS: Final = 10  # of one entry; --output json has all
_MOST_NAMES: Final = 60  # characters; more are counted
_LATER: Final = 60.0  # seconds that something has differed longer than its condition has lasted, worth a line
_SHORT: Final = 8  # characters of a commit's id
_PLURALS: Final = {"service": "services", "database": "databases", "infrastructure": "infrastructure"}


@dataclass(frozen=True)
class Line:
    """One line, which a terminal folds at its words and a pipe gets whole."""

    text: str
    style: str = ""
    indent: int = 0


def lines(seen: Seen, environments: Sequence[Environment]) -> Iterator[Line]:
    """These environments of a daemon, and what is wrong with the daemon itself."""
    yield from _trouble(seen, environments)
    for number, environment in enumerate(environments):
        if number:
            yield Line("")
        yield from _environment(environment, seen)


def summary(environment: Environment, *, silent: bool = False) -> str:
    """What an environment has come to, in a few words. `silent`: nobody has seen it for longer than should be."""
    if silent:
        return f"was {summary(environment)}, when it was last looked at"
    if environment.mode == "suspended":
        return "suspended: nothing is looked at"
    if environment.last_pass is None:
        return "not looked at yet"
    if not environment.in_sync:
        counts = Counter(entry.condition for entry in environment.entries)
        told = [f"{counts[each]} {each.replace('_', ' ')}" for each in reversed(STYLES) if counts[each]]
        return f"not in sync: {', '.join(told)}" if told else "not in sync"
    return "in sync" + (", verified" if environment.verified else "")


def short(commit: str) -> str:
    """The beginning of a commit's id, as people say it."""
    return commit[:_SHORT] or "none"


def age(now: datetime, then: datetime | None) -> str:
    """How long ago, in steps that are worth reading. Empty: it is not known."""
    if then is None:
        return ""
    seconds = max(0, int((now - then).total_seconds()))
    if seconds < 100:
        return f"{seconds} s"
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 100:
        return f"{minutes} min"
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"


def silence(seen: Seen, environment: Environment) -> str:
    """That no pass has ended for longer than should be. Empty: one has."""
    last = environment.last_pass
    if last is None or not seen.silence(environment):
        return ""
    return f"AWS has not answered for {age(seen.at, last)}, or no pass has ended since {last:%H:%M:%SZ}"


def field(each: Field) -> str:
    """One field that differs: live → desired."""
    verb = f"then {each.verb.replace('_', ' ')} " if each.verb else ""
    takes = f" ({each.takes})" if each.takes else ""
    return f"{verb}{each.name}: {each.live} → {each.desired}{takes}"


def git_trouble(git: Git, now: datetime) -> str:
    """Why git could not be asked. Empty: it could."""
    if not git.error:
        return ""
    last = age(now, git.last_fetch)
    return f"git could not be asked: {git.error}; " + (f"it was last asked {last} ago" if last else "it never answered")


def counted(entries: Iterable[Entry]) -> str:
    """The names of entries where they are few, else how many there are of each kind."""
    every = list(entries)
    names = ", ".join(entry.called for entry in every)
    if len(names) <= _MOST_NAMES:
        return names
    counts = Counter(entry.kind for entry in every)
    return ", ".join(f"{count} {_PLURALS.get(kind, kind)}" if count > 1 else kind for kind, count in counts.items())


def readiness(ready: Sequence[Readiness]) -> str:
    """Whether the last versions can be gone back to, in one line. Empty: there is none, or nobody looked."""
    if not ready:
        return ""
    backs = {verdict: [each for each in ready if each.ready is verdict] for verdict in (True, False, None)}
    told = []
    if good := backs[True]:
        told.append(f"ready to go back {_numbers(good, 'or')}{' version' if _is_first(good) else ' versions'}")
    for why, alike in _by_finding(backs[False]):
        which = f" ({short(alike[0].commit)})" if len(alike) == 1 else ""
        told.append(f"not ready to go back {_numbers(alike, 'and')}{which}{why}")
    for why, alike in _by_finding(backs[None]):
        told.append(f"whether going back {_numbers(alike, 'or')} would work is not known{why}")
    return "rollback: " + "; ".join(told)


def _by_finding(ready: Sequence[Readiness]) -> Iterator[tuple[str, list[Readiness]]]:
    """What is said of several versions alike is said once."""
    alike: dict[str, list[Readiness]] = {}
    for each in ready:
        alike.setdefault(f": {each.findings[0]}" if each.findings else "", []).append(each)
    yield from alike.items()


def _is_first(good: Sequence[Readiness]) -> bool:
    return [each.back for each in good] == [1]


def _numbers(ready: Sequence[Readiness], word: str) -> str:
    """`1 to 5`, or `1, 2 and 5`."""
    backs = [each.back for each in ready]
    if len(backs) > 2 and backs == list(range(backs[0], backs[-1] + 1)):
        return f"{backs[0]} to {backs[-1]}"
    *head, last = map(str, backs)
    return f"{', '.join(head)} {word} {last}" if head else last


def _trouble(seen: Seen, environments: Sequence[Environment]) -> Iterator[Line]:
    if not seen.leader:
        yield Line("this daemon is not the leader: another one writes", "yellow")
    if trouble := git_trouble(seen.git, seen.at):
        yield Line(trouble, "red")
    if seen.git.rewritten:
        yield Line(f"the branch was rewritten: {short(seen.git.head)} does not contain what was followed", "yellow")
    told = {environment.file for environment in environments if not environment.valid}
    for file, problem in zip(seen.git.files, seen.git.problems, strict=True):
        if file not in told:  # that of an environment is told with it
            yield Line(problem, "red")
    if not environments:
        yield Line("no environment is in force", "yellow")


def _environment(environment: Environment, seen: Seen) -> Iterator[Line]:
    now, silent = seen.at, silence(seen, environment)
    good = environment.in_sync and not silent
    style = "green" if good else "yellow" if environment.mode == "suspended" else "red"
    yield Line(f"{environment.name}: {summary(environment, silent=bool(silent))}", f"bold {style}")
    if silent:
        yield Line(f"{silent}: what follows was seen then", "bold red", 2)
    mode = f", mode {environment.mode}" if environment.mode != "enforce" else ""
    looked = f"; looked at {age(now, environment.last_pass)} ago" if environment.last_pass else ""
    yield Line(f"commit {short(environment.commit)} of {environment.file}{mode}{looked}", "dim", 2)
    yield from _state(environment, now)
    for entry in environment.out_of_sync:
        yield from _entry(entry, now)
    quiet = [entry for entry in environment.entries if entry.condition == "in_sync"]
    if quiet and (environment.out_of_sync or len(quiet) > 1):
        yield Line(f"in sync: {counted(quiet)}", "green", 2)
    if notes := sum(len(entry.advice) for entry in quiet):
        more = "a note" if notes == 1 else f"{notes} notes"
        yield Line(f"{more} on what is in sync: trueup explain {environment.name}", "yellow", 2)
    if line := readiness(environment.ready):
        yield Line(line, "" if all(each.ready for each in environment.ready) else "yellow", 2)


def _state(environment: Environment, now: datetime) -> Iterator[Line]:
    if not environment.in_sync and (last := age(now, environment.last_in_sync)):
        yield Line(f"last in sync {last} ago", "dim", 2)
    if environment.maintenance:
        yield Line("maintenance is on: users see the page", "bold yellow", 2)
    told = any(entry.kind == "verification" for entry in environment.out_of_sync)
    if environment.verified is False and not told and environment.last_pass and environment.mode != "suspended":
        yield Line("this commit is not verified yet", "yellow", 2)


def _entry(entry: Entry, now: datetime) -> Iterator[Line]:
    style = STYLES.get(entry.condition, "yellow")
    since = age(now, entry.since)
    how = f"{entry.condition.replace('_', ' ')}{f' for {since}' if since else ''}"
    yield Line(f"{entry.called}: {how}: {entry.reason}" if entry.reason else f"{entry.called}: {how}", style, 2)
    drift = [field(each) for each in chain(entry.drift, entry.ahead)]
    yield from (Line(each, "", 6) for each in drift[:_MOST_FIELDS])
    if len(drift) > _MOST_FIELDS:
        yield Line(f"and {len(drift) - _MOST_FIELDS} more fields", "", 6)
    if entry.since and entry.drifted_since and (entry.since - entry.drifted_since).total_seconds() > _LATER:
        yield Line(f"differs for {age(now, entry.drifted_since)}", "dim", 6)
    if entry.condition == "retrying" and entry.drift:
        yield Line(f"as it was read {age(now, entry.observed) or 'a while'} ago", "dim", 6)
    for check in entry.checks:
        told = f"{check.name}: {check.evidence}"
        if not check.ok and told not in entry.reason:
            what = "fails" if check.ok is False else "could not be made"
            yield Line(f"{what}: {told}", "red" if check.ok is False else "yellow", 6)
    yield from (Line(f"note: {each}", "yellow", 6) for each in entry.advice)
