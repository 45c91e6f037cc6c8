"""A report as a Markdown document for people to finish, and as JSON. Somebody else's text stands in code. Pure."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from daemon.events import Event, What, spelled
from daemon.markdown import cell, code
from daemon.verbs.report_drifts import Drift
from daemon.verbs.report_said import differing, fields
from daemon.verbs.report_story import Story
from daemon.verbs.report_times import Took
from daemon.verbs.report_words import Phrase, counted, in_markdown, in_text, short, when

Json = dict[str, Any]

_OK: Final = {True: "holds", False: "fails", None: "could not be made"}
_UNHEARD: Final = "Not known: nobody told what the daemon saw and did (the end of this report says why)."
_CLOCKS: Final = (
    "All times are UTC. Those of trueup are of the clock of its machine, those of ECS, CloudWatch and CloudTrail of "
    "AWS's, those of commits of whoever committed."
)


def as_markdown(story: Story) -> str:
    """The whole document."""
    return "\n".join((*_head(story), *_people(), *_told(story), *_what_we_change(), *_gaps(story))) + "\n"


def as_json(story: Story) -> Json:
    """The same facts for a script."""
    return {
        "environment": story.environment,
        "file": story.file,
        "since": spelled(story.since),
        "until": spelled(story.until),
        "made": spelled(story.made),
        "summary": in_text(story.summary),
        "timeline": [
            {"at": spelled(line.at), "source": line.source, "what": in_text(line.words)} for line in story.timeline
        ],
        "drifts": [_drift_json(drift) for drift in story.drifts] if story.heard else None,
        "changes": [change.as_json() for change in story.changes] if story.heard else None,
        "verifications": [verdict.as_json() for verdict in story.verdicts] if story.heard else None,
        "times": [
            {
                "what": each.what,
                "about": in_text(each.about),
                "from": spelled(each.start) if each.start else None,
                "to": spelled(each.end) if each.end else None,
                "seconds": each.seconds,
                "note": each.why or None,
            }
            for each in story.times
        ],
        "checklist": [{"item": i.title, "done": i.done, "evidence": in_text(i.words)} for i in story.checklist],
        "missing": list(story.gaps),
    }


def _drift_json(drift: Drift) -> Json:
    calls = [{"at": spelled(deed.at), "who": deed.who, "called": deed.operation} for deed in drift.by]
    mended = spelled(drift.mended) if drift.mended else None
    return {**drift.event.as_json(), "repaired_at": mended, "calls": calls, "who": in_text(drift.who)}


def _head(story: Story) -> Iterator[str]:
    yield f"# Incident report: {code(story.environment)}"
    yield from ("", f"From {when(story.since)} to {when(story.until)} UTC; file {code(story.file)}.")
    yield from ("", f"**{in_markdown(story.summary)}**")
    yield from ("", f"Drafted by trueup from facts alone at {when(story.made)}. {_CLOCKS}")


def _people() -> Iterator[str]:
    yield from ("", "## What happened", "", "_Say it in two or three sentences, for somebody who was not there._")
    yield from ("", "## Impact", "", "_Who noticed what, from when to when? How many requests or users?_")
    yield from ("", "## Why", "", "_What led to it, and what led to that? Why did nobody see it before it was live?_")


def _what_we_change() -> Iterator[str]:
    yield from ("", "## What we change", "", "- [ ] _One thing that will be different, who does it, and by when._")


def _told(story: Story) -> Iterator[str]:
    yield from ("", "## Timeline", "")
    lines = [f"- {when(line.at)} {line.source}: {in_markdown(line.words)}" for line in story.timeline]
    yield from lines or ["Nothing." if story.heard else _UNHEARD]
    yield from ("", "## Times", "")
    yield from _times(story)
    yield from ("", "## Drifts", "")
    yield from [line for drift in story.drifts for line in _drift(drift)] or [_none(story)]
    yield from ("", "## Changes made", "")
    yield from _changes(story)
    yield from ("", "## Verification", "")
    yield from _verification(story)
    yield from ("", "## Post-rollback checklist", "")
    for item in story.checklist:
        yield f"- [{'x' if item.done else ' '}] {item.title}: {in_markdown(item.words)}"


def _none(story: Story) -> str:
    return "None that is known." if story.heard else _UNHEARD


def _times(story: Story) -> Iterator[str]:
    if not story.times:
        yield "Nothing that could be timed is known." if story.heard else _UNHEARD
        return
    told = [each for each in story.times if not each.quiet]
    if told:
        yield from ("| to | of | took |", "|---|---|---|")
    for (about, _, words), rows in groupby(told, _same):
        yield f"| {', '.join(each.what for each in rows)} | {_in_cell(about)} | {words} |"
    if quiet := len({each.about for each in story.times if each.quiet}):
        yield from ("",) if told else ()
        yield f"{'And' if told else 'There were'} {counted(quiet, 'commit')} that changed nothing in AWS."


def _same(took: Took) -> tuple[Phrase, bool, str]:
    """What is not known for the same reason is one row."""
    return took.about, took.seconds is None, took.words


def _drift(drift: Drift) -> Iterator[str]:
    event = drift.event
    mended = f"repaired at {when(drift.mended)}" if drift.mended else "not repaired by the end of this report"
    yield f"- {code(event.called)}: {in_markdown(differing(event))}; seen at {when(event.at)}, {mended}."
    yield f"  Who: {in_markdown(drift.who)}."


def _changes(story: Story) -> Iterator[str]:
    if not story.changes:
        yield _none(story)
        return
    yield from ("| at | verb | of | fields (live → pinned) | result | commit |", "|---|---|---|---|---|---|")
    for event in story.changes:
        about = f"{cell(event.text('verb'))} | {cell(event.called)} | {_in_cell(fields(event))}"
        yield f"| {when(event.at)} | {about} | {cell(event.text('result'))} | {in_markdown((short(event.commit),))} |"


def _verification(story: Story) -> Iterator[str]:
    if not story.verifies:
        yield "The file asks for none (`verify`); whether AWS was in sync with a commit is all that is known of it."
    elif not story.verdicts:
        yield "The daemon tells of none in this time." if story.heard else _UNHEARD
    for event in story.verdicts:
        yield from _verdict(event)


def _verdict(event: Event) -> Iterator[str]:
    verified = event.event == What.VERIFIED
    commit = in_markdown((short(event.commit),))
    why = f": {code(event.text('reason'))}" if event.text("reason") else ""
    yield f"- {when(event.at)} commit {commit} {'is verified' if verified else 'failed its checks'}{why}"
    for check in event.items("checks"):
        ok = check.get("ok") if isinstance(check.get("ok"), bool) else None
        name, evidence = (code(f"{check.get(word, '')}") for word in ("check", "evidence"))
        yield f"  - {name} {_OK[ok]}: {evidence}"


def _gaps(story: Story) -> Iterator[str]:
    yield from ("", "## What is missing here", "")
    yield from [f"- {code(gap)}" for gap in story.gaps] or ["Nothing that was asked for."]


def _in_cell(phrase: Phrase) -> str:
    return in_markdown(phrase).replace("|", "¦")
