"""`trueup snapshots`: what a database can be brought back from, for the person who has to choose."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.text import Text

from daemon import verb
from daemon.plain import one_line
from daemon.refusals import by_account
from daemon.sources import Misused, database_of, named
from daemon.verb import Verb
from daemon.verbs.status_text import Line
from daemon.verbs.status_verb import show
from daemon.wiring import Territory, place
from reconcilers.aws import Connection, sentence
from reconcilers.backups import Backups, Choice
from reconcilers.contract import Absent, Stalled
from reconcilers.restoring import span

_MOST = 10
_TITLES = ("snapshot", "taken (UTC)", "ago", "can be restored", "status", "kind", "size", "engine")


def snapshots(chosen: argparse.Namespace) -> int:
    """`trueup snapshots`."""
    environment = named(chosen).environment
    database = database_of(environment, chosen.database)
    territory = Territory(Connection(place(environment), timeout=chosen.aws_timeout))
    try:
        if refused := by_account(environment, territory.connection):
            raise Misused(refused.reason)
        found = territory.backups.of(database, _MOST)
        now = territory.connection.now()
    except (Absent, Stalled, ClientError, BotoCoreError) as error:
        raise Misused(sentence(error)) from error
    if chosen.output == "json":
        sys.stdout.write(json.dumps(_as_json(found), indent=2) + "\n")
    else:
        _print(found, chosen.database, now)
    return 0


def _print(found: Backups, name: str, now: datetime) -> None:
    console = Console(highlight=False)

    def say(line: str, style: str = "") -> None:
        console.print(Text(line, style=style), soft_wrap=True)  # a name is copied whole

    if not found.snapshots:
        say(f"There is no snapshot of {', '.join(found.instances)}.")
    else:
        rows = [_TITLES, *(_cells(choice, now) for choice in found.snapshots)]
        shown = list(zip(rows, _aligned(rows), strict=True))
        if console.is_terminal and max(len(line) for _, line in shown) > console.width:
            show(console, (line for row in rows[1:] for line in _stacked(row)))
        else:
            for row, line in shown:
                say(line, "bold" if row is _TITLES else "" if row[3] == "yes" else "red")
    show(console, map(Line, _besides(found)))
    for line in _how_to(found, name):
        say(line, "dim")


def _besides(found: Backups) -> Iterator[str]:
    for left in found.left:
        yield f"Left behind: {left}, restored by trueup and in no use by this file; it costs money until it is deleted."
    for past in found.past:
        yield f"Point in time: {past.instance}, any instant of the last {past.days} days up to {past.newest:%FT%TZ}."


def _stacked(row: Sequence[str]) -> Iterator[Line]:
    """One snapshot below the other, for a terminal that is too narrow for the table."""
    name, taken, ago, restorable, *rest = row
    yield Line(name, "" if restorable == "yes" else "red")
    when = f"taken {taken} UTC, {ago} ago; " if ago != "-" else ""
    yield Line(when + ("can be restored" if restorable == "yes" else f"cannot be restored: {restorable[4:]}"), "", 2)
    yield Line(", ".join(rest), "dim", 2)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cells(choice: Choice, now: datetime) -> tuple[str, ...]:
    each = choice.snapshot
    return (
        one_line(each.name),
        f"{each.taken:%Y-%m-%d %H:%M}" if each.taken else "not yet",
        _ago((now - each.taken).total_seconds()) if each.taken else "-",
        f"no: {one_line(choice.hindrance)}" if choice.hindrance else "yes",
        one_line(each.status),
        one_line(each.kind),
        f"{each.size} GiB",
        one_line(f"{each.engine} {each.version}"),
    )


def _how_to(found: Backups, name: str) -> Iterator[str]:
    best = next((each.snapshot for each in found.snapshots if not each.hindrance), None)
    if best is None:
        return
    yield f"To restore one, write under databases.{name}, in place of endpoint or restore:"
    yield "  restore:"
    yield f"    snapshot: {best.name}"
    yield f"    instance: {found.free}"
    yield f"    like: {found.like}" if found.like else "    like: …  # an instance whose settings are copied"


def _as_json(found: Backups) -> dict[str, Any]:
    return {
        "left_behind": list(found.left),
        "instances": list(found.instances),
        "snapshots": [_shown(choice) for choice in found.snapshots],
        "point_in_time": [
            {"instance": past.instance, "newest": f"{past.newest:%FT%TZ}", "days": past.days} for past in found.past
        ],
    }


def _shown(choice: Choice) -> dict[str, Any]:
    each = choice.snapshot
    return {
        "snapshot": each.name,
        "arn": each.arn,
        "instance": each.instance,
        "taken": f"{each.taken:%FT%TZ}" if each.taken else None,
        "status": each.status,
        "kind": each.kind,
        "size_gib": each.size,
        "engine": each.engine,
        "version": each.version,
        "restorable": not choice.hindrance,
        "hindrance": choice.hindrance or None,
    }


def _ago(seconds: float) -> str:
    return f"{seconds / 86400:.0f} days" if seconds >= 172800 else span(seconds)


_ABOUT = """
What a database can be brought back from: its last ten snapshots and its points in time.

  trueup snapshots production.yaml postgres
  trueup snapshots replaydash-production postgres --output json

ENVIRONMENT is a file, or the name of an environment: in the repository where one is
given, else in this folder. DATABASE is the name of its entry. Nothing is written.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser)
    verb.database(parser)
    verb.output(parser)
    verb.where(parser)


VERB = Verb(
    "snapshots",
    verb.LOOK,
    "list what a database can be restored from",
    _ABOUT,
    snapshots,
    arguments=_arguments,
)
