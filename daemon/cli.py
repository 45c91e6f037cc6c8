"""The command line: reads its words, and hands them to the one function that does the work."""

import argparse
import difflib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from daemon.plain import one_line
from daemon.sources import Misused
from daemon.verbs.registry import VERBS
from desired_state.repository import Refused, Unreachable

_MAIN = """
trueup keeps AWS as one small file per environment says: the ECS revision, the image
tag, environment variables, the database endpoint, maintenance, the commit of the
Terraform configuration. A rollback is a commit.
"""


class _Parser(argparse.ArgumentParser):
    """Words that cannot be understood end with 1: for `plan`, 2 means drift."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"trueup: {message}; {self.prog} --help says more\n")


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    raw = argparse.RawDescriptionHelpFormatter
    top = _Parser(
        "trueup", usage="trueup [--version] COMMAND …", description=_MAIN, epilog=_listed(), formatter_class=raw
    )
    top.add_argument("--version", action="version", version=f"trueup {version('trueup')}")
    verbs = top.add_subparsers(prog="trueup", metavar="COMMAND", required=True, help=argparse.SUPPRESS)
    for each in VERBS:
        made = verbs.add_parser(
            each.name, help=each.help, description=each.about, usage=each.usage, formatter_class=raw
        )
        each.arguments(made)
        made.set_defaults(run=each.run)
    return top


def _listed() -> str:
    """The verbs by what they are for."""
    groups: dict[str, list[str]] = {}
    for each in VERBS:
        groups.setdefault(each.group, []).append(f"    {each.name:<16}{each.help}")
    listed = "\n\n".join(f"  {group}:\n" + "\n".join(lines) for group, lines in groups.items())
    return f"commands:\n\n{listed}\n\ntrueup COMMAND --help says more about each."


def _known(word: str) -> None:
    names = [each.name for each in VERBS]
    if word not in names:
        near = difflib.get_close_matches(word, names, n=1)
        mend = f"did you mean {near[0]}?" if near else "trueup --help lists them"
        raise Misused(f"there is no command {one_line(word, 100)}; {mend}")


def _read(words: Sequence[str]) -> argparse.Namespace:
    """What stands behind -- is the command of `migrate`: argparse would take a -- of its own out of it.

    Misused: there is no such command.
    """
    own = list(words)
    if own and not own[0].startswith("-"):
        _known(own[0])
    at = own.index("--") if own[:1] == ["migrate"] and "--" in own else len(own)
    chosen = parser().parse_args(own[:at])
    chosen.command = own[at + 1 :]
    return chosen


def run(words: Sequence[str]) -> int:
    """Run one command. Returns the exit code; what can be foreseen ends in one line, not in a traceback."""
    try:
        chosen = _read(words)
        code = int(chosen.run(chosen))
        sys.stdout.flush()
    except BrokenPipeError:  # `trueup schema | head`: what is left to flush at the end has nowhere to go either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Misused, Refused, Unreachable, OSError) as error:
        print(f"trueup: {error}", file=sys.stderr)  # noqa: T201 — the command line's own voice
        return 1
    except KeyboardInterrupt:
        return 130
    return code
