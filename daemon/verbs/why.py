"""Why something is, or is not, being done now: a paragraph an entry, what follows, what a person can do. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daemon.refusals import PLANNED
from daemon.verbs.seen import Entry, Environment, Field, Seen
from daemon.verbs.status_text import STYLES, age, counted, field, git_trouble, readiness, short, silence

_MOST_FIELDS: Final = 4  # of one entry, in a sentence
_MOST_CHECKS: Final = 5
_OWN: Final = ("desired_state", "verification")  # kinds that say themselves what follows
_WORDS: Final = {"progressing": "on its way", "retrying": "out of reach", "stalled": "stalled"}
_NEXT: Final = {
    "progressing": "nothing has to be done; trueup looks again every few seconds, and enacts a newer commit at once",
    "retrying": "trueup tries again by itself, at least once a minute, and writes nothing that it cannot see",
    "stalled": (
        "trying again by itself would not help, it takes a new commit or a person; "
        "trueup goes on looking and sees when it is mended, and a SIGHUP makes it try again at once"
    ),
}


@dataclass(frozen=True)
class Paragraph:
    """Some sentences on one thing, and how much they matter."""

    text: str
    style: str = ""


def paragraphs(seen: Seen, environment: Environment) -> Iterator[Paragraph]:
    """In the order of a pass: the file, then every entry that is not in sync, then what is well."""
    yield from _daemon(seen, environment)
    if environment.mode == "suspended":
        text = "The file says mode: suspended, so nothing is read and nothing is written."
        yield Paragraph(f"{text} To go on, commit mode: enforce, or mode: observe to look without writing.", "yellow")
        return
    if environment.last_pass is None:
        yield Paragraph("The first pass is under way: nothing is known yet. Ask again in some seconds.", "yellow")
    yield from _wrong(seen, environment)
    yield from _well(seen, environment)


def _daemon(seen: Seen, environment: Environment) -> Iterator[Paragraph]:
    if not seen.leader:
        yield Paragraph("This daemon is not the leader: another one does the work, and this one only looks.", "yellow")
    if trouble := git_trouble(seen.git, seen.at):
        known = f"Commit {short(environment.commit)} stays in force, and a newer one is not known here."
        yield Paragraph(_joined([trouble, known, "It is asked again with every interval."]), "red")
    if silent := silence(seen, environment):
        every = f"every {_span(seen.interval)}" if seen.interval else "with every interval"
        text = f"{silent}; one should end {every}. What follows was seen then."
        yield Paragraph(f"{text} See the daemon's log, its page /healthz, and whether AWS can be reached.", "red")


def _wrong(seen: Seen, environment: Environment) -> Iterator[Paragraph]:
    """What holds for several entries alike is said once, below them."""
    alike = Counter(entry.condition for entry in environment.out_of_sync if entry.kind not in _OWN)
    for entry in environment.out_of_sync:
        told = [*_about(entry, seen, environment)]
        if entry.kind == "verification" or (alike[entry.condition] == 1 and entry.kind not in _OWN):
            told.append(_follows(entry, environment))
        yield Paragraph(_joined(told), STYLES.get(entry.condition, "yellow"))
    for condition, number in alike.items():
        if number > 1 and condition in _NEXT:
            yield Paragraph(_joined([f"Of what is {_WORDS[condition]}: {_NEXT[condition]}"]), "dim")


def _follows(entry: Entry, environment: Environment) -> str:
    """What comes next by itself, and what a person can do."""
    if entry.kind != "verification" or entry.condition not in ("progressing", "stalled"):
        return _NEXT.get(entry.condition, "")
    back = f". To go back at once: trueup rollback {environment.name}"
    if entry.condition == "stalled":
        told = "trueup rollback" in entry.reason or "no earlier pins are known" in entry.reason
        return f"Trueup goes on looking, and sees when the checks hold{'' if told else back}"
    if all(check.ok is not False for check in entry.checks) or entry.reason.startswith("verified once"):
        return _NEXT["progressing"]
    return (
        "If that stays so, the commit has failed: with on_failure: revert its pins are taken back by a commit, "
        f"else what runs is held, and people are told{back}"
    )


def _about(entry: Entry, seen: Seen, environment: Environment) -> Iterator[str]:
    if entry.kind == "desired_state":
        yield from _refused(entry, seen, environment)
        return
    known: dict[str, Callable[[], Iterator[str]]] = {
        "progressing": lambda: _progressing(entry, seen.at),
        "retrying": lambda: _retrying(entry, seen.at),
        "stalled": lambda: _stalled(entry, seen.at),
        "drifted": lambda: _drifted(entry, seen.at, environment),
    }
    yield from known.get(entry.condition, lambda: iter([_first(entry, entry.condition, seen.at)]))()
    yield from _failing_checks(entry)
    yield from (f"Note: {each}" for each in entry.advice)


def _refused(entry: Entry, seen: Seen, environment: Environment) -> Iterator[str]:
    yield entry.reason
    more = [p for f, p in zip(seen.git.files, seen.git.problems, strict=True) if f == environment.file][1:]
    yield from (f"Also {problem}" for problem in more[:_MOST_FIELDS])
    yield "Commit a correction, or revert that commit: it is taken up with the next look at git"


def _progressing(entry: Entry, now: datetime) -> Iterator[str]:
    yield _first(entry, "on its way", now)
    if entry.drift:
        yield f"Asked for: {_fields(entry.drift)}"
    yield from _ahead(entry)
    if entry.reason.startswith(("waits for", "leaves maintenance once", "runs no task until")):
        yield "It goes on by itself once that has settled"
    elif entry.deadline is not None:
        yield f"After {_span(entry.deadline)} it counts as stalled, and heals when AWS does finish"


def _retrying(entry: Entry, now: datetime) -> Iterator[str]:
    yield _first(entry, "out of reach", now)
    if entry.drift:
        seen = age(now, entry.observed)
        yield f"What was read {seen or 'some time'} ago differs in {_fields(entry.drift)}"


def _stalled(entry: Entry, now: datetime) -> Iterator[str]:
    yield _first(entry, "stalled", now)
    if entry.drift:
        yield f"It differs in {_fields(entry.drift)}"


def _drifted(entry: Entry, now: datetime, environment: Environment) -> Iterator[str]:
    if entry.reason == PLANNED:
        yield f"{_capital(entry.called)} differs in {_fields(entry.drift)}"
        yield "A daemon that follows this file changes it in its next pass"
        yield from _ahead(entry)
        return
    yield _first(entry, "left as it is", now)
    yield f"It differs in {_fields(entry.drift)}" if entry.drift else ""
    yield from _ahead(entry)
    yield _goes_on(entry, now, environment)


def _goes_on(entry: Entry, now: datetime, environment: Environment) -> str:
    """When, or by whom, what is held back goes on."""
    if entry.until is not None:
        return (
            f"It goes on by itself at {entry.until:%Y-%m-%d %H:%M} UTC, in {_span((entry.until - now).total_seconds())}"
        )
    if entry.waits == "limit":
        return "It waits for a person, without an end"
    if entry.reason.startswith("held"):
        return "A person holds it with that tag on the service: it goes on then, or once the tag is removed"
    if entry.reason.startswith("waits for"):
        return "It goes on by itself once that is mended"
    if environment.mode == "observe":
        return "To have it repaired, commit mode: enforce"
    return ""


def _well(seen: Seen, environment: Environment) -> Iterator[Paragraph]:
    quiet = [entry for entry in environment.entries if entry.condition == "in_sync"]
    for entry in quiet:
        if entry.advice:
            yield Paragraph(_joined([f"{entry.called} is in sync", *entry.advice]), "yellow")
    if environment.in_sync:
        style = "yellow" if seen.silence(environment) else "green"
        yield Paragraph(_joined(_at_rest(seen, environment)), style)
    elif quiet:
        yield Paragraph(_joined([f"In sync: {counted(quiet)}"]), "green")
    if line := readiness(environment.ready):
        yield Paragraph(_joined([line]), "" if all(each.ready for each in environment.ready) else "yellow")


def _at_rest(seen: Seen, environment: Environment) -> Iterator[str]:
    silent = seen.silence(environment)
    verified = ", and its checks have held" if environment.verified else ""
    file = f"commit {short(environment.commit)} of {environment.file}" if environment.commit else environment.file
    yield f"Everything {'was' if silent else 'is'} as {file} says{verified}"
    if environment.maintenance:
        yield "Maintenance is on, as the file says: users see the page"
    looked = age(seen.at, environment.last_pass)
    if looked:
        rest = "what it is now is not known" if silent else "nothing is being done, and nothing has to be"
        yield f"It was looked at {looked} ago; {rest}"


def _first(entry: Entry, what: str, now: datetime) -> str:
    since = age(now, entry.since)
    start = f"{_capital(entry.called)} {f'has been {what} for {since}' if since else f'is {what}'}"
    return f"{start}: {entry.reason}" if entry.reason else start


def _ahead(entry: Entry) -> Iterator[str]:
    if entry.ahead:
        told = (field(each).removeprefix("then ") for each in entry.ahead[:_MOST_FIELDS])
        yield f"What follows: {'; then '.join(told)}"


def _failing_checks(entry: Entry) -> Iterator[str]:
    wrong = [check for check in entry.checks if not check.ok and check.name not in entry.reason]
    for check in wrong[:_MOST_CHECKS]:
        yield f"The check {check.name} {'fails' if check.ok is False else 'could not be made'}: {check.evidence}"


def _fields(fields: Sequence[Field]) -> str:
    told = ", ".join(f"{each.name} ({each.live} → {each.desired})" for each in fields[:_MOST_FIELDS])
    return told + (f" and {len(fields) - _MOST_FIELDS} more" if len(fields) > _MOST_FIELDS else "")


def _span(seconds: float) -> str:
    minutes = max(0, round(seconds / 60))
    if seconds < 100:
        return f"{max(0, round(seconds))} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h"


def _joined(sentences: Sequence[str] | Iterator[str]) -> str:
    return " ".join(f"{_capital(each).rstrip('.')}." for each in sentences if each)


def _capital(text: str) -> str:
    """As a sentence begins; a name that has capitals or digits of its own is left as it is."""
    word = text.partition(" ")[0].rstrip(":;,")
    return text[:1].upper() + text[1:] if word.isalpha() and word.islower() and word != "trueup" else text
