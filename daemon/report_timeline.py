"""The timeline of a report: a line each, from git, trueup, ECS, CloudWatch and CloudTrail. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from daemon.events import Event, Json, What
from daemon.report_drifts import Drift
from daemon.report_facts import Facts
from daemon.report_words import Phrase, counted, quoted, short, when
from desired_state.history import Version
from reconcilers.ecs_history import PastDeployment, ServicePast
from reconcilers.ecs_records import UNDER_WAY

_MOST: Final = 400  # lines
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
    return sorted(within, key=lambda line: _place(facts, line))[-_MOST:]


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
    for event in facts.events:
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
            ("deployment of ", revision, " is rolled back by ECS itself", *to, *_because(of.rollback_reason)),
        )
    if of.finished and of.status not in UNDER_WAY:
        reason = "" if of.reason == of.rollback_reason else of.reason
        yield of.finished, ("deployment of ", revision, " ended: ", quoted(of.status), *_because(reason))


def _event(event: Event) -> Line | None:
    """What the daemon tells. None: it is said better elsewhere, or is a word of a later version."""
    words = _WORDS[What(event.event)](event) if event.event in _WORDS else ()
    return Line(event.at, "trueup", words) if words else None


def _in_force(event: Event) -> Phrase:
    by: Phrase = (": ", quoted(event.text("subject"))) if event.text("subject") else ()
    how = " came into force" if event.facts.get("seen") is True else " was in force when trueup started"
    version = event.text("version")
    head: Phrase = (" with head ", short(event.commit)) if version not in ("", event.commit) else ()
    return ("commit ", short(version or event.commit), how, *head, *by)


def _drift(event: Event) -> Phrase:
    cause = event.text("cause")
    differs = {"commit": " has to change, as the commit says: ", "live": " was changed in AWS: "}
    return (quoted(event.called), differs.get(cause, " was found to differ: "), *differing(event))


def _change(event: Event) -> Phrase:
    result = {"ok": "", "failed": "; AWS refused it", "unknown": "; no answer came"}.get(event.text("result"), "")
    told: Phrase = (" (", *fields(event), ")") if event.items("drifts") else ()
    return ("asked AWS: ", quoted(event.text("verb")), " of ", quoted(event.called), *told, result)


def _condition(event: Event) -> Phrase:
    before = f" (it was {_said(event.text('from'))})" if event.text("from") else ""
    return (quoted(event.called), f" is {_said(event.text('to'))}{before}", *_because(event.text("reason")))


def _verified(event: Event) -> Phrase:
    checks = counted(len(event.items("checks")), "check")
    return ("commit ", short(event.commit), f" is verified: {checks} held")


def _failed(event: Event) -> Phrase:
    return ("commit ", short(event.commit), " failed its checks", *_because(event.text("reason")))


def _reverted(event: Event) -> Phrase:
    bad, to = short(event.text("bad")), short(event.text("to"))
    return ("took commit ", bad, " back by commit ", short(event.commit), ", with the pins of ", to)


def _waiting(event: Event) -> Phrase:
    at = event.instant("until")
    until = f" until {when(at)}" if at else " for a person"
    return (quoted(event.called), f" waits{until}", *_because(event.text("reason")))


def _apply(event: Event) -> Phrase:
    counts = [f"{event.facts[word]} to {word}" for word in ("add", "change", "destroy") if event.facts.get(word)]
    took = event.facts.get("seconds")
    length = f" in {took:.1f} s" if isinstance(took, int | float) else ""
    done = f" ({', '.join(counts)})" if counts else ""
    result = event.text("result")
    return (
        "terraform apply of ",
        quoted(event.name),
        f"{length}: ",
        quoted(result),
        done,
        *_because(event.text("reason")),
    )


def _said(condition: str) -> str:
    return condition.replace("_", " ") if condition.replace("_", "").isalpha() else "not known"


def _because(reason: str) -> Phrase:
    return (": ", quoted(reason, 400)) if reason else ()


def differing(event: Event) -> Phrase:
    """The fields of a drift: what is live, and what is pinned."""
    words: Phrase = ()
    for number, each in enumerate(event.items("drifts")):
        field, live, desired = (quoted(f"{each.get(word) or ''}") for word in ("field", "live", "desired"))
        told: Phrase = (" is ", live, ", pinned ", desired) if live.text or desired.text else ()
        words += ("; " if number else "", field, *told)
    return words


def fields(event: Event) -> Phrase:
    """The fields of a change: from what is live to what is pinned."""
    words: Phrase = ()
    for number, each in enumerate(event.items("drifts")):
        words += (", " if number else "", quoted(_field(each)))
    return words


def _field(told: Json) -> str:
    field, live, desired = (f"{told.get(word) or ''}" for word in ("field", "live", "desired"))
    return f"{field} {live} → {desired}" if live or desired else field


_WORDS: Final[dict[str, Callable[[Event], Phrase]]] = {
    What.COMMIT: _in_force,
    What.REFUSED: lambda event: ("the file is bad: ", quoted(event.text("reason"), 400)),
    What.DRIFT: _drift,
    What.CHANGE: _change,
    What.CONDITION: _condition,
    What.IN_SYNC: lambda event: ("everything is in sync with commit ", short(event.commit)),
    What.VERIFIED: _verified,
    What.VERIFICATION_FAILED: _failed,
    What.REVERTED: _reverted,
    What.WAITING: _waiting,
    What.APPLY: _apply,
    What.GONE: lambda _: ("the environment left the repository",),
}
