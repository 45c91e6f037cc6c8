"""What a report tells, worked out of the facts. Pure: the same facts give the same story."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daemon.events import Event, What
from daemon.verbs import report_drifts
from daemon.verbs.report_checklist import Item, checklist
from daemon.verbs.report_drifts import Drift
from daemon.verbs.report_facts import Facts
from daemon.verbs.report_timeline import MOST, Line, timeline
from daemon.verbs.report_times import Took, times
from daemon.verbs.report_words import Phrase, counted, short

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
    checklist: Sequence[Item]
    verifies: bool  # the file asks for checks
    gaps: Sequence[str]


def story(facts: Facts) -> Story:
    """The report of these facts."""
    drifts = report_drifts.found(facts)
    lines, changes = timeline(facts, drifts), facts.of(What.CHANGE)
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
        checklist=checklist(facts),
        verifies=facts.environment.verify is not None,
        gaps=(*facts.gaps, *_cut(len(lines), len(changes))),
    )


def _cut(lines: int, changes: int) -> Iterator[str]:
    if lines >= MOST:
        yield f"the timeline holds its newest {MOST} lines; a later --since tells less at once"
    if changes > _CHANGES:
        yield f"there were {changes} changes; the newest {_CHANGES} are listed"


def _summary(facts: Facts, drifts: list[Drift]) -> Phrase:
    """One sentence of counts, and how it ended."""
    commits = {version.commit.oid for version in facts.commits} | {
        _brought(e) for e in facts.of(What.COMMIT) if _seen(e)
    }
    parts = [counted(len(commits), "commit")]
    failed = sum(past.rolled_back is not None for each in facts.services.values() for past in each.deployments)
    parts += [f"{counted(failed, 'deployment')} that ECS rolled back"] if failed else []
    parts += [counted(len(drifts), "drift"), f"{counted(len(facts.of(What.CHANGE)), 'change')} asked of AWS"]
    refused = len(facts.of(What.VERIFICATION_FAILED))
    parts += [counted(refused, "failed verification")] if refused else []
    reverted = facts.of(What.REVERTED)
    parts += [f"{counted(len(reverted), 'commit')} taken back by trueup"] if reverted else []
    return (f"There were {', '.join(parts[:-1])} and {parts[-1]}; ", *_ending(facts))


def _ending(facts: Facts) -> Phrase:
    """What the daemon said last."""
    if not facts.events:
        return ("what the daemon saw is not known.",)
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
