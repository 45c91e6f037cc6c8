"""`trueup explain`: why an environment is, or is not, being changed now, in plain sentences."""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from daemon import settings, status_json, verb
from daemon.commands import planned
from daemon.plain import one_line
from daemon.sources import Misused, named
from daemon.verb import Verb
from daemon.verbs import client
from daemon.verbs.client import Unreached
from daemon.verbs.seen import Entry, Environment, Git, Seen
from daemon.verbs.seen import environment as read
from daemon.verbs.status_text import short
from daemon.verbs.status_verb import select
from daemon.verbs.why import Paragraph, paragraphs
from desired_state import model
from desired_state.in_force import with_former

_WIDEST: Final = 80  # columns: these are sentences


def explain(chosen: argparse.Namespace) -> int:
    """`trueup explain`."""
    seen, environment, note = _from_here(chosen) if chosen.no_daemon else _asked(chosen)
    told = list(paragraphs(seen, environment))
    if chosen.output == "json":
        found = {"environment": environment.name, "commit": environment.commit, "in_sync": environment.in_sync}
        sys.stdout.write(json.dumps(found | {"note": note, "told": [each.text for each in told]}, indent=2) + "\n")
    else:
        at = f" at commit {short(environment.commit)} of {environment.file}" if environment.commit else ""
        _print(Paragraph(f"{environment.name}{at}", "bold"), [*([Paragraph(note, "yellow")] if note else []), *told])
    return 0 if environment.in_sync and not seen.silence(environment) else 2


def _asked(chosen: argparse.Namespace) -> tuple[Seen, Environment, str]:
    """What the daemon knows; where none answers, what one look from here says."""
    name = client.name_of(chosen.environment, chosen.daemon)
    try:
        seen = client.status(chosen.daemon)
    except Unreached as error:
        if not (Path(chosen.environment).is_file() or chosen.repository):
            raise Misused(f"{error}; or name the environment's file, to look at AWS from here") from error
        return _from_here(chosen, f"{error}. ")
    environment = select(seen, name)[0]
    if Path(chosen.environment).is_file():  # it is the newest only at the same commit, and then says the deadlines
        environment = _with_deadlines(environment, named(chosen).environment)
    return seen, environment, ""


def _from_here(chosen: argparse.Namespace, why: str = "") -> tuple[Seen, Environment, str]:
    """One look at AWS that writes nothing, as `plan` makes it."""
    standing = named(chosen)
    standings = with_former([standing]) if Path(chosen.environment).is_file() else [standing]
    try:
        status = next(iter(planned(standings, lambda _: standing.environment, chosen)))
    except Misused as error:
        raise Misused(f"{why}{error}") from error
    found = _with_deadlines(read(status_json.environment(status)), standing.environment)
    entries = tuple(replace(each, since=None, drifted_since=None) for each in found.entries)
    note = (
        f"{why}No daemon was asked: this is one look at AWS from here, which writes nothing and verifies nothing. "
        "What a daemon has tried, and since when, is not known."
    )
    return Seen(datetime.now(UTC), Git(), (found,)), replace(found, entries=entries), note


def _with_deadlines(environment: Environment, file: model.Environment) -> Environment:
    def known(entry: Entry) -> Entry:
        service = file.services.get(entry.name) if entry.kind == "service" else None
        if service is None or entry.deadline is not None:
            return entry
        return replace(entry, deadline=service.progress_deadline.total_seconds())

    return replace(environment, entries=tuple(known(entry) for entry in environment.entries))


def _print(title: Paragraph, told: Iterable[Paragraph]) -> None:
    console = Console(highlight=False)
    width = min(_WIDEST, console.width) if console.is_terminal else _WIDEST
    console.print(Text(title.text, style=title.style), soft_wrap=True)
    for each in told:
        console.print()
        for line in textwrap.wrap(one_line(each.text, 20_000), width, break_long_words=False, break_on_hyphens=False):
            console.print(Text(line, style=each.style), soft_wrap=True)


_ABOUT = """
Why an environment is, or is not, being changed now: a paragraph for each entry, in the
order of a pass, with what comes next and what a person can do.

  trueup explain replaydash-production
  trueup explain production.yaml --no-daemon      one look at AWS from here instead

ENVIRONMENT is a file, or the name of an environment. The running daemon is asked. Where
none answers and the file is at hand, one look at AWS is made from here. Nothing is
written.
Exit code: 0 in sync, 2 not, or not looked at for long, 1 error.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser)
    parser.add_argument("--no-daemon", action="store_true", help="ask no daemon: look at AWS once from here")
    verb.output(parser)
    client.arguments(parser)
    verb.where(parser)
    settings.add(parser, settings.TERRAFORM)


VERB = Verb("explain", verb.LOOK, "why something is, or is not, being done now", _ABOUT, explain, arguments=_arguments)
