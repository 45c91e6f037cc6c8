"""The real command line with one more verb, `pin FILE KEY=VALUE…`: the smallest that changes the file."""

import argparse
import sys

from daemon import cli, verb
from daemon.sources import named
from daemon.verb import Verb
from daemon.verbs import proposing, registry
from desired_state.edit import Edit


def pin(chosen: argparse.Namespace) -> int:
    """Set keys of the file."""
    pairs = [each.partition("=") for each in chosen.pairs]
    edits = [Edit(tuple(key.split(".")), int(value) if value.isdigit() else value) for key, _, value in pairs]
    return proposing.propose(chosen, named(chosen), edits, f"Pin {' '.join(chosen.pairs)}", tuple(chosen.note))


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its words."""
    verb.environment(parser)
    parser.add_argument("pairs", nargs="+")
    parser.add_argument("--note", action="append", default=[])
    proposing.arguments(parser)


if __name__ == "__main__":
    registry.VERBS += (Verb("pin", verb.CHANGE, "set keys", "Set keys.", pin, arguments),)
    cli.VERBS = registry.VERBS
    sys.exit(cli.run(sys.argv[1:]))
