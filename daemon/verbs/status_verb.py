"""`trueup status`: what a running daemon sees and does, once or as it changes."""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from daemon import verb
from daemon.plain import one_line
from daemon.sources import Misused
from daemon.verb import Verb
from daemon.verbs import client, status_text
from daemon.verbs.changes import changes
from daemon.verbs.client import Answer, Unreached
from daemon.verbs.seen import Environment, Seen
from daemon.verbs.status_text import Line

_PACE: Final = 2.0  # seconds between two looks of --watch


def status(chosen: argparse.Namespace) -> int:
    """`trueup status`."""
    name = client.name_of(chosen.environment, chosen.daemon) if chosen.environment else None
    if chosen.watch and sys.stdout.isatty() and chosen.output == "text":
        _redrawn(chosen.daemon, name)
    if chosen.watch:
        _told(chosen.daemon, name, chosen.output)
    answer = client.get(chosen.daemon, client.STATUS)
    seen = client.status_of(chosen.daemon, answer)
    found = select(seen, name)
    if chosen.output == "json":
        sys.stdout.write(json.dumps(_only(answer, name), indent=2) + "\n")
    else:
        show(Console(highlight=False), status_text.lines(seen, found))
    return _code(seen, found)


def select(seen: Seen, name: str | None) -> tuple[Environment, ...]:
    """The environment of this name, or all. Misused: the daemon has none of this name."""
    found = tuple(each for each in seen.environments if name in (None, each.name))
    if name is None or found:
        return found
    known = ", ".join(each.name for each in seen.environments) or "none"
    wrong = f"; {seen.git.problems[0]}" if seen.git.problems else ""
    raise Misused(f"the daemon has no environment {one_line(name, 100)} (it has: {known}){wrong}")


def show(console: Console, lines: Iterable[Line]) -> None:
    """Print lines: a terminal folds them below their own beginning, a pipe gets them whole."""
    for line in lines:
        if console.is_terminal:
            console.print(_folded(line))
        else:
            console.print(Text(" " * line.indent + line.text), soft_wrap=True)


def _code(seen: Seen, environments: Sequence[Environment]) -> int:
    good = bool(environments) and all(each.in_sync and not seen.silence(each) for each in environments)
    return 0 if good and not seen.git.error else 2


def _only(answer: Answer, name: str | None) -> dict[str, Any]:
    """The page as the daemon told it, with this environment alone."""
    page: dict[str, Any] = answer.document
    return page | {"environments": [each for each in page["environments"] if name in (None, each["environment"])]}


def _folded(line: Line) -> Padding:
    return Padding(Text(line.text, style=line.style), (0, 0, 0, line.indent))


def _redrawn(address: str, name: str | None) -> None:
    """On a terminal, until Ctrl-C."""
    seen = client.status(address)
    select(seen, name)
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        trouble: tuple[Line, ...] = ()
        while True:
            found = [each for each in seen.environments if name in (None, each.name)]
            shown = [*trouble, *status_text.lines(seen, found), Line(f"{seen.at:%H:%M:%SZ}; Ctrl-C ends", "dim")]
            live.update(Group(*map(_folded, shown)), refresh=True)
            time.sleep(_PACE)
            try:
                seen, trouble = client.status(address), ()
            except Unreached as error:
                trouble = (Line(f"{error}", "bold red"), Line("what it said last:", "dim"))


def _told(address: str, name: str | None, output: str) -> None:
    """A line a change, or a JSON document each, until Ctrl-C. A daemon that does not answer is told once."""
    before, answer, silent = None, client.get(address, client.STATUS), ""
    select(client.status_of(address, answer), name)
    while True:
        try:
            seen = client.status_of(address, answer)
            _print(list(changes(before, seen, None if name is None else {name})), _only(answer, name), output)
            before = seen
            time.sleep(_PACE)
            answer, silent = client.get(address, client.STATUS), ""
        except Unreached as error:
            if not silent:
                sys.stderr.write(f"trueup: {error}\n")
            silent = f"{error}"


def _print(lines: Sequence[str], page: dict[str, Any], output: str) -> None:
    if lines and output == "json":
        sys.stdout.write(json.dumps(page) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


_ABOUT = """
What a running daemon sees and does: what is not in sync, field by field, since when
and why; what waits until when; and whether the last versions can be gone back to.

  trueup status
  trueup status replaydash-production --watch

ENVIRONMENT is a file, or the name of an environment; without it, all are shown.
--watch draws it anew on a terminal and prints a line a change where it is piped, until
Ctrl-C. It asks the daemon alone, and AWS nothing.
Exit code: 0 in sync, 2 not, or not looked at for long, 1 error.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser, required=False)
    parser.add_argument("--watch", action="store_true", help="go on until Ctrl-C, and show what changes")
    verb.output(parser)
    client.arguments(parser)


VERB = Verb("status", verb.LOOK, "what the daemon sees and does now", _ABOUT, status, arguments=_arguments)
