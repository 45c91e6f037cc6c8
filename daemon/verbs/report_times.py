"""How long it took to detect, notice, act, converge, verify and recover, each between two instants. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from daemon.events import Event, What
from daemon.verbs.report_drifts import Drift
from daemon.verbs.report_facts import Facts
from daemon.verbs.report_words import Phrase, lasted, precisely, quoted, short, when

_BAD: Final = ("stalled", "drifted")


@dataclass(frozen=True)
class Took:
    """One length of time. `start` and `end` are what it was made from; None: it is not known, and `why` says so."""

    what: str  # detect | notice | act | converge | verify | recover
    about: Phrase
    start: datetime | None = None
    end: datetime | None = None
    why: str = ""
    quiet: bool = False  # of a commit that changed nothing in AWS: there is nothing to tell of it

    @property
    def seconds(self) -> float | None:
        """Its length. Clocks of two machines may differ: below zero counts as none."""
        return max(0.0, (self.end - self.start).total_seconds()) if self.start and self.end else None

    @property
    def words(self) -> str:
        """`3.2 s (12:00:01.000 → 12:00:04.200)`, or why it is not known."""
        if self.seconds is None or self.start is None or self.end is None:
            return self.why
        same = self.start.date() == self.end.date()
        ends = (precisely(self.start), precisely(self.end)) if same else (when(self.start), when(self.end))
        return f"{lasted(self.seconds)} ({ends[0]} → {ends[1]}){f'; {self.why}' if self.why else ''}"


def times(facts: Facts, drifts: list[Drift]) -> list[Took]:
    """Of every commit that the daemon saw arrive, of every drift, and from the first bad sign to in sync again."""
    commits = [event for event in facts.of(What.COMMIT) if event.facts.get("seen") is True]
    of_commits = (took for event in commits for took in _of_commit(facts, event))
    return [*of_commits, *(took for drift in drifts for took in _of_drift(facts, drift)), *_recovered(facts)]


def _of_commit(facts: Facts, event: Event) -> Iterator[Took]:
    end = _next_commit(facts, event)
    quiet = _is_quiet(facts, event, end)
    for took in _of_version(facts, event, end):
        yield replace(took, quiet=quiet)


def _is_quiet(facts: Facts, event: Event, end: datetime | None) -> bool:
    """Whether nothing came of it: all was in sync when it was first looked at, or the next commit came before that."""
    first = next((each for each in facts.between(event, end)[1:]), None)
    still = end is not None if first is None else first.event == What.IN_SYNC
    return still and not any(_is_bad(each) for each in facts.between(event, end))


def _of_version(facts: Facts, event: Event, end: datetime | None) -> Iterator[Took]:
    oid = event.text("version") or event.commit
    about: Phrase = ("commit ", short(oid))
    version = facts.version(oid)
    if version:
        yield Took("detect", about, version.commit.at, event.at)
    else:
        yield Took("detect", about, why="not known: git does not tell when it was committed")
    if bad := next((each for each in facts.between(event, end) if _is_bad(each)), None):
        yield Took("notice", about, event.at, bad.at, "until the first sign that it was bad")
    later = "not before the next commit" if end else "not by the end of this report"
    good = facts.first(event, What.IN_SYNC, before=end)
    wrote = facts.first(event, What.CHANGE, before=good.at if good else end)  # what is repaired later is a drift
    yield _until("act", about, event, wrote, "nothing was written for it")
    yield _until("converge", about, event, good, later)
    pinned = version.environment if version and version.environment else facts.environment
    if pinned.verify is not None:
        yield _until("verify", about, event, facts.first(event, What.VERIFIED, before=end), later)


def _of_drift(facts: Facts, drift: Drift) -> Iterator[Took]:
    event = drift.event
    about: Phrase = ("drift of ", quoted(event.called))
    clean = event.instant("unseen_since")
    if drift.by:
        yield Took("detect", about, drift.by[-1].at, event.at, "CloudTrail counts whole seconds")
    elif clean:
        yield Took("detect", about, clean, event.at, "at most: it was still in sync when it was looked at before")
    else:
        yield Took("detect", about, why="not known: it was never seen in sync before")
    wrote = facts.first(event, What.CHANGE, key=event.key, before=drift.mended)
    yield _until("act", about, event, wrote, "trueup wrote nothing for it")
    if drift.mended:
        yield Took("converge", about, event.at, drift.mended)
    else:
        yield Took("converge", about, why="not by the end of this report")


def _recovered(facts: Facts) -> Iterator[Took]:
    """From a bad sign to everything in sync, and the same for the next one that comes after it."""
    until: datetime | None = None
    for event in facts.events:
        if not _is_bad(event) or (until and event.at <= until):
            continue
        good = facts.first(event, What.IN_SYNC)
        about = _sign(event)
        yield _until("recover", about, event, good, "not by the end of this report")
        if good is None:
            return
        until = good.at


def _is_bad(event: Event) -> bool:
    stalled = event.event == What.CONDITION and event.text("to") in _BAD
    return stalled or event.event in (What.VERIFICATION_FAILED, What.REFUSED)


def _sign(event: Event) -> Phrase:
    if event.event == What.CONDITION:
        return (quoted(event.called), " was ", quoted(event.text("to")))
    if event.event == What.REFUSED:
        return ("the file was bad",)
    return ("commit ", short(event.commit), " failed its checks")


def _until(what: str, about: Phrase, start: Event, end: Event | None, missing: str) -> Took:
    return Took(what, about, start.at, end.at) if end else Took(what, about, why=missing)


def _next_commit(facts: Facts, event: Event) -> datetime | None:
    events = facts.events[facts.events.index(event) + 1 :]
    return next((each.at for each in events if each.event == What.COMMIT), None)
