"""The Post-Rollback Checklist of the runbook: each item ticked with its evidence, or left open with why. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from daemon.events import Event, Json, What
from daemon.verbs.report_facts import Facts
from daemon.verbs.report_words import Phrase, quoted, when
from reconcilers.ecs_history import ServicePast

_VERDICTS: Final = (What.VERIFIED, What.VERIFICATION_FAILED)
_UNTOLD: Final = "the daemon tells of no verification in this time"
_UNASKED: Final = "the file does not ask for it (verify)"


@dataclass(frozen=True)
class Item:
    """One item. `done`: it holds, and `words` say how that is known; else they say why it is open."""

    title: str
    words: Phrase
    done: bool = False


def checklist(facts: Facts) -> list[Item]:
    """The nine items of the runbook, in its order. What was checked last counts."""
    last = next(iter(reversed(facts.of(*_VERDICTS))), None)
    items = _items(facts, last)
    return items if facts.heard else [_unheard(item) for item in items]


def _unheard(item: Item) -> Item:
    """What nobody tells is not what did not happen."""
    return replace(item, words=("not known: nobody told what the daemon saw",)) if item.words == (_UNTOLD,) else item


def _items(facts: Facts, last: Event | None) -> list[Item]:
    verify = facts.environment.verify
    urls = len(verify.http) if verify else 0
    return [
        _checked("Verify API is responding", last, "http ", "the file verifies no URL", asked=urls > 0),
        _checked("Check CloudWatch logs for errors", last, "logs ", _UNASKED, asked=bool(verify and verify.logs)),
        _checked(
            "Monitor CloudWatch dashboard for anomalies",
            last,
            "alarm ",
            "the file names no alarms, and nothing here looks at a dashboard",
            asked=bool(verify and verify.alarms),
        ),
        _endpoints(last, urls),
        _checked("Verify database connectivity", last, "database ", _UNASKED, asked=bool(verify and verify.database)),
        _tasks(facts, last),
        _checked(
            "Review ALB target health", last, "targets ", _UNASKED, asked=bool(verify and verify.target_group_healthy)
        ),
        Item("Document the incident and rollback in postmortem", ("this is its draft",)),
        Item("Update team on status", ("trueup does not know whom you have told",)),
    ]


def _checked(title: str, last: Event | None, prefix: str, unasked: str, *, asked: bool) -> Item:
    if not asked:
        return Item(title, (unasked,))
    if last is None:
        return Item(title, (_UNTOLD,))
    found = [check for check in last.items("checks") if f"{check.get('check', '')}".startswith(prefix)]
    if not found:
        return Item(title, (f"it was not among the checks at {when(last.at)}",))
    done = all(check.get("ok") is True for check in found)
    told = found if done else [check for check in found if check.get("ok") is not True]
    return Item(title, _evidence(told, last.at), done)


def _endpoints(last: Event | None, urls: int) -> Item:
    title = "Test critical API endpoints"
    if urls < 2:
        verifies = "one URL only" if urls else "no URL"
        return Item(title, (f"the file verifies {verifies}; which others are critical is for you to say",))
    return _checked(title, last, "http ", "", asked=True)


def _tasks(facts: Facts, last: Event | None) -> Item:
    """What ECS said when the report was made is newer than any check."""
    title = "Check ECS task count matches desired count"
    if facts.services:
        done = all(past.running == past.desired for past in facts.services.values())
        return Item(title, tuple(word for words in _counts(facts.services) for word in words), done)
    return _checked(title, last, "running tasks", "ECS was not read", asked=last is not None)


def _counts(services: Mapping[str, ServicePast]) -> Iterator[Phrase]:
    for number, (name, past) in enumerate(services.items()):
        running = "an unknown number" if past.running is None else f"{past.running}"
        comma = ", " if number else ""
        yield (comma, quoted(name), f" runs {running} of {past.desired} at {when(past.at)}")


def _evidence(checks: list[Json], at: datetime) -> Phrase:
    words: Phrase = ()
    for check in checks:
        name = f"{check.get('check', '')}".removeprefix("http ")
        words += ("; " if words else "", quoted(name), " ", quoted(f"{check.get('evidence', '')}"))
    return (*words, f" at {when(at)}")
