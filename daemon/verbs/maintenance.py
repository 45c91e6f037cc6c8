"""`trueup maintenance`: the maintenance page on or off, as a commit."""

import argparse
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from daemon import verb
from daemon.verb import Verb
from daemon.verbs import pins, proposing
from daemon.verbs.proposing_bad import named
from desired_state.times import Instant


def maintenance(chosen: argparse.Namespace) -> int:
    """`trueup maintenance`."""
    standing = named(chosen)
    made = pins.maintenance(
        standing.environment, enabled=chosen.state == "on", message=chosen.message, until=chosen.until
    )
    return proposing.propose(chosen, standing, made.edits, made.subject, made.notes)


def instant(text: str) -> datetime:
    """An instant as the file writes it."""
    try:
        read: datetime = TypeAdapter(Instant).validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"it {error.errors()[0]['msg']}") from None
    return read


_ABOUT = """
Show the maintenance page or take it away: edits the file and commits.

  trueup maintenance production.yaml on
  trueup maintenance production.yaml on --message "Back at noon" \\
      --until 2024-02-24T12:00:00Z
  trueup maintenance production.yaml off

ENVIRONMENT is a file, or the name of an environment: in the repository where
one is given, else in this folder. --until ends nothing: from then
on, maintenance that is still on is reported as forgotten.
Exit code: 0 committed or nothing to do, 1 not; --dry-run: as `trueup plan`.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser)
    parser.add_argument("state", choices=("on", "off"), metavar="on|off", help="whether the page is shown")
    parser.add_argument("--message", metavar="TEXT", help="the content of the page")
    parser.add_argument("--until", type=instant, metavar="INSTANT", help="when it should be over, with its offset or Z")
    proposing.arguments(parser)


VERB = Verb(
    "maintenance",
    verb.CHANGE,
    "show the maintenance page, or take it away",
    _ABOUT,
    maintenance,
    arguments=_arguments,
)
