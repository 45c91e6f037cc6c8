"""What a report tells, worked out of the facts. Pure: the same facts give the same story."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daemon.events import Event, What
from daemon.verbs import report_drifts
from daemon.verbs.report_checklist import Item, checklist
from daemon.verbs.report_drifts import Drift
from daemon.verbs.report_facts import Facts, with_arrivals
from daemon.verbs.report_timeline import MOST, Line, timeline
from daemon.verbs.report_times import Took, times
from daemon.verbs.report_words import Phrase, counted, short, when

_CHANGES: Final = 100


@dataclass(frozen=True)
class Story:
    """Everything that a report says."""

    environment: str
    file: str
    since: datetime
    until: datetime
    made: datetime
    summary: Phrase
    timeline: Sequence[Line]
    drifts: Sequence[Drift]
    changes: Sequence[Event]  # what was asked of AWS
    verdicts: Sequence[Event]  # of verifications, with their evidence
    times: Sequence[Took]
    heard: bool  # what the daemon saw is known
    checklist: Sequence[Item]
    verifies: bool  # the file asks for checks
    gaps: Sequence[str]


def story(facts: Facts) -> Story:
    """The report of these facts."""
    facts = with_arrivals(facts)
    drifts = report_drifts.found(facts)
    lines, changes = timeline(facts, drifts), facts.changes
    return Story(
        environment=facts.environment.environment,
        file=facts.file,
        since=facts.since,
        until=facts.until,
        made=facts.made,
        summary=_summary(facts, drifts),
        timeline=lines,
        drifts=drifts,
        changes=changes[-_CHANGES:],
        verdicts=facts.of(What.VERIFIED, What.VERIFICATION_FAILED),
        times=times(facts, drifts),
        heard=facts.heard,
        checklist=checklist(facts),
        verifies=facts.environment.verify is not None,
        gaps=(*facts.gaps, *_before(facts), *_cut(len(lines), len(changes))),
    )


def _before(facts: Facts) -> Iterator[str]:
    if facts.began:
        yield f"the daemon tells of nothing before {when(facts.began.at)}; it may have started then"


def _cut(lines: int, changes: int) -> Iterator[str]:
    if lines >= MOST:
        yield f"the timeline holds its newest {MOST} lines; a later --since tells less at once"
    if changes > _CHANGES:
        yield f"there were {changes} changes; the newest {_CHANGES} are listed"


def _summary(facts: Facts, drifts: list[Drift]) -> Phrase:
    """One sentence of counts, and how it ended. What nobody tells is not counted: that is not none."""
    parts, unknown = list(_counts(facts, drifts)), list(_unknown(facts))
    if not facts.heard:
        there = f"There {'was' if parts[0].startswith('1 ') else 'were'} {_listed(parts)}. " if parts else ""
        return (f"{there}Not known: {_listed(unknown)}.",)
    before = f"; what was before {when(facts.began.at)} is not known" if facts.began else ""
    return (f"There were {_listed(parts)}{before}; ", *_ending(facts))


def _unknown(facts: Facts) -> Iterator[str]:
    """What a report without the daemon cannot tell."""
    if not facts.versions:
        yield "the commits"
    yield from ("what drifted", "what was asked of AWS", "whether anything was verified or taken back", "how it ended")


def _listed(parts: list[str]) -> str:
    return " and ".join((", ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else "".join(parts)


def _counts(facts: Facts, drifts: list[Drift]) -> Iterator[str]:
    commits = {version.commit.oid for version in facts.commits} | {
        _brought(e) for e in facts.of(What.COMMIT) if _seen(e)
    }
    if facts.heard or facts.versions:
        yield counted(len(commits), "commit")
    failed = sum(past.rolled_back is not None for each in facts.services.values() for past in each.deployments)
    if failed:
        yield f"{counted(failed, 'deployment')} that ECS rolled back"
    if not facts.heard:
        return
    yield counted(len(drifts), "drift")
    yield f"{counted(len(facts.changes), 'change')} asked of AWS"
    refused = len(facts.of(What.VERIFICATION_FAILED))
    if refused:
        yield counted(refused, "failed verification")
    if reverted := facts.of(What.REVERTED):
        yield f"{counted(len(reverted), 'commit')} taken back by trueup"


def _ending(facts: Facts) -> Phrase:
    """What the daemon said last."""
    if not facts.events:
        return ("the daemon saw nothing change.",)
    telling = (What.IN_SYNC, What.VERIFIED, What.VERIFICATION_FAILED, What.CONDITION, What.REFUSED, What.COMMIT)
    last = next((event for event in reversed(facts.events) if event.event in telling), None)
    if last is None:
        return ("how it ended is not known.",)
    if last.event in (What.IN_SYNC, What.VERIFIED):
        word = "in sync" if last.event == What.IN_SYNC else "verified"
        return (f"it ended {word} with commit ", short(last.commit), ".")
    if last.event == What.CONDITION and last.text("to") == "in_sync":
        return ("the last entry that was not in sync came in sync again.",)
    return ("it had not come in sync by the end of this report.",)


def _brought(event: Event) -> str:
    return event.text("version") or event.commit


def _seen(event: Event) -> bool:
    return event.facts.get("seen") is True
