"""The words of one message to people who are not at a terminal. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from daemon.notices import TakenBack
from daemon.plain import one_line
from daemon.status import EnvironmentStatus, ResourceStatus
from desired_state.model import Event
from desired_state.repository import Commit
from reconcilers.contract import Condition

_MOST = 10  # entries that are named
_FIELDS = 3  # of an entry that differs
_LONGEST = 300  # characters of one reason
_CONDITIONS = {Event.STALLED: Condition.STALLED, Event.DRIFTED: Condition.DRIFTED}
_CALLS = re.compile(r"([@!])(?=(?:everyone|here|channel|all|group|subteam)\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Notice:
    """One message, and what it is about for a program that reads it."""

    title: str
    body: str
    event: Event
    environment: str
    commit: str


@dataclass(frozen=True)
class About:
    """What a message tells of."""

    status: EnvironmentStatus
    by: Commit | None  # the commit that brought the version in force, where that is known
    took: float | None = None  # seconds in which it came in sync; None: it had been before
    taken_back: TakenBack | None = None
    more: int = 0  # changes that nobody was told of

    @property
    def commit(self) -> str:
        """The commit that a person looks for."""
        return self.by.oid if self.by else self.status.commit


def notice(event: Event, about: About) -> Notice:
    """The message. Whatever others wrote into it is one line each, redacted, and calls nobody to a channel."""
    lines = [*_body(event, about)]
    if about.more:
        lines.append(f"and {about.more} more change{'' if about.more == 1 else 's'} since the last message")
    body = "\n".join(_CALLS.sub("\\1\u200b", line) for line in lines)
    return Notice(_title(event, about), body, event, about.status.name, about.commit)


def _title(event: Event, about: About) -> str:
    commit = about.commit[:7]
    if event is Event.REVERTED and about.taken_back:
        return f"{about.status.name}: {about.taken_back.bad[:7]} failed its checks and was taken back"
    if event is Event.IN_SYNC:
        took = "again" if about.took is None else f"after {spelled(about.took)}"
        return f"{about.status.name}: in sync at {commit} {took}"
    return f"{about.status.name}: {event.value} at {commit}"


def _body(event: Event, about: About) -> Iterator[str]:
    name = about.status.name
    if about.by:
        yield f"commit {about.by.oid[:7]} by {one_line(about.by.author, 100)}: {one_line(about.by.subject, 200)}"
    if event is Event.REVERTED and about.taken_back:
        back = about.taken_back
        yield f"commit {back.commit[:7]} pins its services again as {back.to[:7]} did; nothing else has changed"
        yield f"Why it failed, with the evidence: trueup history {name}"
    elif event is Event.IN_SYNC:
        if about.status.verified:
            yield "its checks hold"
    else:
        yield from _entries(about.status, _CONDITIONS[event])
        yield f"What to do next: trueup explain {name}"


def _entries(status: EnvironmentStatus, condition: Condition) -> Iterator[str]:
    found = [each for each in status.resources if each.condition is condition]
    for each in found[:_MOST]:
        reason = one_line(each.reason, _LONGEST)
        yield f"{_called(each)}: {condition.value}: {reason}{_fields(each)}"
    if len(found) > _MOST:
        yield f"and {len(found) - _MOST} more"


def _called(entry: ResourceStatus) -> str:
    if entry.kind == "desired_state":
        return "the file"
    return entry.kind if entry.kind == entry.name else f"{entry.kind} {entry.name}"


def _fields(entry: ResourceStatus) -> str:
    if not entry.drifts:
        return ""
    shown = [
        f"{one_line(each.field, 60)} {one_line(each.live, 60)} -> {one_line(each.desired, 60)}"
        for each in entry.drifts[:_FIELDS]
    ]
    more = len(entry.drifts) - _FIELDS
    return f" ({', '.join(shown)}{f' and {more} more' if more > 0 else ''})"


def spelled(seconds: float) -> str:
    """A length of time as people say it."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
