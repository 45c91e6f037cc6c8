"""The timeline of a report: a line each, from git, trueup, ECS, CloudWatch and CloudTrail. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from daemon.events import Event, What
from daemon.verbs.report_drifts import Drift
from daemon.verbs.report_facts import Facts
from daemon.verbs.report_said import because, said
from daemon.verbs.report_words import Phrase, counted, quoted, short, when
from desired_state.history import Version
from reconcilers.ecs_history import PastDeployment, ServicePast
from reconcilers.ecs_records import UNDER_WAY

MOST: Final = 400
"""Lines that are told."""
_PINS: Final = 4  # keys that one line tells


@dataclass(frozen=True)
class Line:
    """One thing that happened."""

    at: datetime
    source: str  # git | trueup | ECS | CloudWatch | CloudTrail
    words: Phrase
    commit: str = ""  # that this is about, where git tells it


def timeline(facts: Facts, drifts: list[Drift]) -> list[Line]:
    """Everything, oldest first; the newest lines where there are too many."""
    lines = [
        *(_commit(facts, version) for version in facts.commits),
        *(line for event in _told(facts) if (line := _event(event))),
        *(line for name, past in facts.services.items() for line in _ecs(name, past)),
        *(
            Line(each.at, "CloudWatch", ("alarm ", quoted(each.alarm), ": ", quoted(each.summary)))
            for each in facts.alarms
        ),
        *_deeds(drifts),
    ]
    within = [line for line in lines if facts.since <= line.at <= facts.until]
    return sorted(within, key=lambda line: _place(facts, line))[-MOST:]


def _place(facts: Facts, line: Line) -> datetime:
    """Git tells whole seconds: a commit stands at the end of its own, and before whatever trueup says of it."""
    if not line.commit:
        return line.at
    told = (event.at for event in facts.events if line.commit in (event.commit, event.text("version")))
    end = line.at + timedelta(milliseconds=999)
    return min((end, *(at for at in told if at >= line.at)))


def _told(facts: Facts) -> Iterator[Event]:
    """What is not said by the change that was made in the same moment."""
    changed = {(event.at, event.key) for event in facts.of(What.CHANGE)}
    for event in facts.told:
        planned = event.event == What.DRIFT and event.text("cause") == "commit"
        begun = event.event == What.CONDITION and event.text("to") == "progressing"
        if not (planned or begun) or (event.at, event.key) not in changed:
            yield event


def _commit(facts: Facts, version: Version) -> Line:
    commit, pinned = version.commit, facts.pinned(version)
    words: Phrase = ("commit ", short(commit.oid), " by ", quoted(commit.author), ": ", quoted(commit.subject))
    if version.environment is None:
        words += ("; the file is bad in it",)
    elif pinned:
        more = f" and {len(pinned) - _PINS} more" if len(pinned) > _PINS else ""
        words += ("; it says ", quoted(", ".join(pinned[:_PINS]), 400), more)
    if commit.reverts:
        words += ("; it takes ", short(commit.reverts), " back")
    return Line(commit.at, "git", words, commit.oid)


def _deeds(drifts: list[Drift]) -> Iterator[Line]:
    for deed in {deed: None for drift in drifts for deed in drift.by}:
        yield Line(deed.at, "CloudTrail", (quoted(deed.who), " called ", quoted(deed.operation)))


def _ecs(name: str, past: ServicePast) -> Iterator[Line]:
    called = quoted(f"service {name}")
    for deployment in past.deployments:
        yield from (Line(at, "ECS", (called, ": ", *words)) for at, words in _deployment(deployment))
    for event in past.events:
        yield Line(event.at, "ECS", (quoted(event.message, 300),))
    for group in past.stopped:
        last = f", the last at {when(group.last)}" if group.count > 1 else ""
        tasks = f": {counted(group.count, 'task')} of "
        yield Line(
            group.first, "ECS", (called, tasks, quoted(group.revision), f" stopped{last}: ", quoted(group.reason))
        )


def _deployment(of: PastDeployment) -> Iterator[tuple[datetime, Phrase]]:
    revision = quoted(of.revision or "a revision that ECS no longer tells")
    yield of.created, ("deployment of ", revision, " began")
    if of.rolled_back:
        to: Phrase = (" to ", quoted(of.rolled_back_to)) if of.rolled_back_to else ()
        yield (
            of.rolled_back,
            ("deployment of ", revision, " is rolled back by ECS itself", *to, *because(of.rollback_reason)),
        )
    if of.finished and of.status not in UNDER_WAY:
        reason = "" if of.reason == of.rollback_reason else of.reason
        yield of.finished, ("deployment of ", revision, " ended: ", quoted(of.status), *because(reason))


def _event(event: Event) -> Line | None:
    words = said(event)
    return Line(event.at, "trueup", words) if words else None
