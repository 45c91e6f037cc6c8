"""`trueup infrastructure`: what terraform finds now, and the backups of its state, for the person on call."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.text import Text

from daemon import aside, settings, status_json, verb
from daemon.plain import one_line, redacted
from daemon.refusals import PLANNED, by_account
from daemon.sources import Misused, named
from daemon.verb import Verb
from daemon.wiring import Territory, infrastructure_pins, place
from desired_state.model import Infrastructure
from reconcilers.aws import Connection, sentence
from reconcilers.contract import Condition, Outcome, Refusal
from reconcilers.infrastructure import InfrastructurePin, InfrastructureReconciler, LiveInfrastructure
from reconcilers.reconcile import reconcile
from reconcilers.restoring import span
from reconcilers.terraform import Check, Failed
from reconcilers.terraform_backups import Backup

_SOON: Final = 0.1  # seconds between looks at what terraform has come to
_MOST: Final = 10
_STYLES: Final = {"+": "green", "-": "red", "±": "red"}


@dataclass(frozen=True)
class _Found:
    """One entry: what a check came to, and what is kept of its state."""

    pin: InfrastructurePin
    outcome: Outcome
    backups: tuple[Backup, ...]
    place: str  # where those are
    trouble: str  # why they cannot be listed
    unsaved: Path | None  # a state that the daemon of this machine could not save

    @property
    def live(self) -> LiveInfrastructure | None:
        return self.outcome.live if isinstance(self.outcome.live, LiveInfrastructure) else None

    @property
    def check(self) -> Check | None:
        return self.live.check if self.live else None


def infrastructure(chosen: argparse.Namespace) -> int:
    """`trueup infrastructure`."""
    standing = named(chosen)
    environment = standing.environment
    pins = tuple(infrastructure_pins(standing))
    if not pins:
        raise Misused(f"environment {environment.environment} pins no infrastructure")
    connection = Connection(place(environment), timeout=chosen.aws_timeout)
    try:
        if refused := by_account(environment, connection):
            raise Misused(refused.reason)
        with aside.rehearsal(chosen) as workshop:
            reconciler = Territory(connection, workshop=workshop).infrastructure
            found = _looked(reconciler, pins, chosen) if reconciler else []
    except (ClientError, BotoCoreError) as error:
        raise Misused(sentence(error)) from error
    if chosen.output == "json":
        sys.stdout.write(json.dumps([_as_json(each) for each in found], indent=2) + "\n")
    else:
        _print(found)
    return max((_code(each) for each in found), key=(0, 2, 1).index)


def _code(found: _Found) -> int:
    if found.outcome.condition in (Condition.STALLED, Condition.RETRYING) or found.trouble or found.unsaved:
        return 1
    return 2 if found.outcome.drifts else 0


def _looked(
    reconciler: InfrastructureReconciler, pins: Sequence[InfrastructurePin], chosen: argparse.Namespace
) -> list[_Found]:
    """All entries are checked at the same time."""
    if sys.stderr.isatty():
        sys.stderr.write(f"checking {', '.join(pin.name for pin in pins)} …\n")
    while any(reconcile(reconciler, pin, _planned).condition is Condition.PROGRESSING for pin in pins):
        time.sleep(_SOON)
    return [_found(reconciler, pin, chosen) for pin in pins]


def _found(reconciler: InfrastructureReconciler, pin: InfrastructurePin, chosen: argparse.Namespace) -> _Found:
    inside = f"{pin.environment.environment}/{pin.name}"
    place = f"{aside.kept(chosen)}/{inside}"
    unsaved = next(iter(sorted((aside.homes(chosen) / inside).glob("*errored.tfstate"))), None)
    outcome = reconcile(reconciler, pin, _planned)
    try:
        return _Found(pin, outcome, reconciler.backups(pin), place, "", unsaved)
    except Failed as error:
        return _Found(pin, outcome, (), place, f"{error}", unsaved)


def _planned(_: object) -> Refusal:
    return Refusal(Condition.DRIFTED, PLANNED)


def _print(found: list[_Found]) -> None:
    console = Console(highlight=False)
    now = datetime.now(UTC)
    for number, each in enumerate(found):
        if number:
            console.print()
        console.print(Text.assemble((each.pin.name, "bold"), f"  {_about(each.pin.infrastructure)}"), soft_wrap=True)
        for line, style in (*_checked(each), *_kept(each, now)):
            console.print(Text(f"  {line}", style=style), soft_wrap=True)


Line = tuple[str, str]  # and its style


def _about(pinned: Infrastructure) -> str:
    where = pinned.directory or "the top folder"
    workspace = pinned.workspace or "default"
    return f"{where} at {pinned.commit[:12]}, workspace {workspace}, apply: {pinned.apply.value}"


def _checked(found: _Found) -> Iterator[Line]:
    check, outcome = found.check, found.outcome
    if check:
        counts = f"{check.add} to add, {check.change} to change, {check.destroy} to destroy"
        what = counts if check.differs else "nothing differs"
        yield f"checked {check.at:%F %TZ} with terraform {check.version}: {what}", ""
    signs = {change.address: change.sign for change in check.changes} if check else {}
    for drift in outcome.drifts:
        sign = signs.get(drift.field, "~")
        style = _STYLES.get(sign, "yellow")
        yield f"  {sign} {one_line(drift.field)}: {one_line(drift.live)} → {one_line(drift.desired)}", style
    if outcome.reason and outcome.reason != PLANNED:
        wrong = outcome.condition in (Condition.STALLED, Condition.RETRYING)
        yield f"{outcome.condition.value}: {one_line(outcome.reason)}", "red" if wrong else "yellow"
    for advice in found.live.advice if found.live else ():
        yield one_line(advice.message), "yellow"


def _kept(found: _Found, now: datetime) -> Iterator[Line]:
    if found.unsaved:
        yield f"terraform could not save its state, which is kept in {found.unsaved}: save that first", "red"
    if found.trouble:
        yield one_line(found.trouble), "red"
        return
    if not found.backups:
        where = f"{found.place}; one is kept before every apply. Give --state-backups as the daemon has it"
        yield f"state backups: none in {one_line(where)}", ""
        return
    yield f"state backups, each from right before an apply ({len(found.backups)}):", ""
    for backup in found.backups[:_MOST]:
        ago = span((now - backup.taken).total_seconds())
        yield f"  {backup.taken:%F %TZ}  {ago} ago  serial {backup.serial}  {one_line(backup.place)}", ""
    yield "trueup never puts one back; docs/infrastructure.md says how a person does, by terraform state push", "dim"


def _as_json(found: _Found) -> dict[str, Any]:
    pinned, live = found.pin.infrastructure, found.live
    return {
        "name": found.pin.name,
        "commit": pinned.commit,
        "directory": pinned.directory,
        "workspace": pinned.workspace,
        "apply": pinned.apply.value,
        "condition": found.outcome.condition.value,
        "reason": redacted(found.outcome.reason),
        "check": status_json.check(live.check) if live and live.check else None,
        "drift": [status_json.drift(drift) for drift in found.outcome.drifts],
        "advice": [status_json.advice(each) for each in live.advice] if live else [],
        "backups": [
            {"place": each.place, "taken": f"{each.taken:%FT%TZ}", "serial": each.serial} for each in found.backups
        ],
        "backups_place": found.place,
        "backups_error": found.trouble or None,
        "unsaved_state": f"{found.unsaved}" if found.unsaved else None,
    }


_ABOUT = """
What terraform finds at the commit that the file pins, and the backups of its state.

  trueup infrastructure production.yaml
  trueup infrastructure replaydash-production --repository . --path production.yaml

ENVIRONMENT is a file, or the name of an environment: in the repository where one is
given, else in this folder. Every entry is checked now; nothing is written, and the
lock of the state is not taken: who holds it, and what the daemon does at the moment,
is in the daemon's /api/v1/status. A person puts a backup back, never trueup.
Exit code: 0 nothing differs, 2 something does, 1 error.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser)
    verb.output(parser)
    verb.where(parser)
    settings.add(parser, settings.TERRAFORM)


VERB = Verb(
    "infrastructure",
    verb.LOOK,
    "what terraform finds, and its state backups",
    _ABOUT,
    infrastructure,
    arguments=_arguments,
)
