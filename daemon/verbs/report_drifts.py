"""Drifts of a report: what differed, from when to when, and who had changed it, as far as CloudTrail tells. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from daemon.events import Event
from daemon.verbs.report_facts import Facts, drifts
from daemon.verbs.report_words import Phrase, quoted, when
from desired_state.model import Environment
from reconcilers.trail import LATE, Deed

# What changes a thing of each kind. A revision that is registered changes nothing until a service runs it.
_OPERATIONS: Final = {
    "service": ("UpdateService", "DeleteService", "CreateService", "RegisterTaskDefinition", "RegisterScalableTarget"),
    "database": (
        "PutSecretValue",
        "UpdateSecret",
        "UpdateSecretVersionStage",
        "RotateSecret",
        "ModifyDBInstance",
        "DeleteDBInstance",
        "ChangeResourceRecordSets",
    ),
    "maintenance": ("CreateRule", "DeleteRule", "ModifyRule", "SetRulePriorities", "ModifyListener"),
}
_EARLIER: Final = timedelta(minutes=1)  # by which the clocks of AWS and of the daemon's machine may differ
_LATER: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class Drift:
    """One entry that was seen to differ."""

    event: Event
    mended: datetime | None
    by: tuple[Deed, ...]  # the calls that may have done it, oldest first
    who: Phrase  # the same in words, or why nobody is named


def found(facts: Facts) -> list[Drift]:
    """The drifts of a report, oldest first."""
    return [_drift(facts, event) for event in drifts(facts)]


def operations(facts: Facts) -> list[str]:
    """The calls that CloudTrail has to be asked for."""
    kinds = dict.fromkeys(event.kind for event in drifts(facts))
    return [operation for kind in kinds for operation in _OPERATIONS.get(kind, ())]


def span(facts: Facts) -> tuple[datetime, datetime] | None:
    """From when to when somebody may have done it. None: nothing has drifted."""
    every = [_between(facts, event) for event in drifts(facts)]
    return (min(first for first, _ in every), max(last for _, last in every)) if every else None


def _drift(facts: Facts, event: Event) -> Drift:
    mended, first_last = facts.mended(event), _between(facts, event)
    by = tuple(_suspects(facts, event, *first_last))
    return Drift(event, mended.at if mended else None, by, _who(facts, event, by))


def _between(facts: Facts, event: Event) -> tuple[datetime, datetime]:
    return (event.instant("unseen_since") or facts.since) - _EARLIER, event.at + _LATER


def _suspects(facts: Facts, event: Event, first: datetime, last: datetime) -> Iterator[Deed]:
    names = list(_names(facts.environment, event))
    for deed in facts.deeds:
        about = deed.operation in _OPERATIONS.get(event.kind, ()) and any(is_about(deed, name) for name in names)
        if about and first <= deed.at <= last and not deed.ours and not deed.error:
            yield deed


def is_about(deed: Deed, name: str) -> bool:
    """Whether a call names this thing: by its name, or inside an ARN, where Secrets Manager adds six characters."""
    part = re.compile(rf"(?:^|[:/]){re.escape(name)}(?:-[A-Za-z0-9]{{6}})?(?=$|[/:])")
    return any(each.rstrip(".") == name or (each.startswith("arn:") and part.search(each)) for each in deed.names)


def _names(environment: Environment, event: Event) -> Iterator[str]:
    """What the entry of a drift is called in AWS."""
    if event.kind == "service" and (service := environment.services.get(event.name)):
        yield service.service
        values = (each.get(side, "") for each in event.items("drifts") for side in ("live", "desired"))
        yield from dict.fromkeys(match[1] for value in values if (match := re.fullmatch(r"([\w-]+):\d+", f"{value}")))
    elif event.kind == "database" and (database := environment.databases.get(event.name)):
        yield database.secret
        yield from (database.dns.record,) if database.dns else ()
        yield from (database.restore.instance,) if database.restore else ()
    elif event.kind == "maintenance" and (page := environment.maintenance):
        yield from (name for name in (page.load_balancer, page.listener_arn) if name)


def _who(facts: Facts, event: Event, by: Sequence[Deed]) -> Phrase:
    if event.kind not in _OPERATIONS:
        return ("CloudTrail is not asked about this kind of entry",)
    if by:
        return tuple(word for words in _joined(by) for word in words)
    if not facts.deeds_known:
        return ("not known: CloudTrail did not tell (see below)",)
    first = event.instant("unseen_since")
    since = f"between {when(first)} and {when(event.at)}" if first else f"up to {when(event.at)}"
    return (f"CloudTrail has no call that fits, {since}; {LATE}",)


def _joined(deeds: Iterable[Deed]) -> Iterator[Phrase]:
    for number, deed in enumerate(list(deeds)[-3:]):
        yield ("; " if number else "", quoted(deed.who), " called ", quoted(deed.operation), f" at {when(deed.at)}")
