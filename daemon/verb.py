"""What a verb of the command line is: its words, its options, and the one function that does its work."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from daemon import settings

Arguments = Callable[[argparse.ArgumentParser], None]

DAEMON, LOOK, CHANGE, WORK, FILES = "the daemon", "to look", "to change the file", "to do by hand", "the file"
"""Where the list of all verbs shows it."""


@dataclass(frozen=True)
class Verb:
    """`trueup NAME`. `about` is what `--help` shows: what it does, two examples, its exit codes; 80 columns."""

    name: str
    group: str
    help: str
    about: str
    run: Callable[[argparse.Namespace], int]
    arguments: Arguments = lambda _: None
    usage: str | None = None


def environment(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """The word ENVIRONMENT, as `sources.named` reads it."""
    parser.add_argument(
        "environment",
        nargs=None if required else "?",
        metavar="ENVIRONMENT",
        help="a file, or the name of an environment",
    )


def service(parser: argparse.ArgumentParser) -> None:
    """The word SERVICE, as `sources.service_of` reads it."""
    parser.add_argument("service", metavar="SERVICE", help="the name of the entry under `services`")


def database(parser: argparse.ArgumentParser) -> None:
    """The word DATABASE, as `sources.database_of` reads it."""
    parser.add_argument("database", metavar="DATABASE", help="the name of the entry under `databases`")


def output(parser: argparse.ArgumentParser, *more: str) -> None:
    """`--output`: text for people, JSON for scripts."""
    parser.add_argument("--output", choices=("text", "json", *more), default="text", help="(default: text)")


def most(parser: argparse.ArgumentParser) -> None:
    """`--most`: the length of a list."""
    parser.add_argument("--most", type=settings.count, default=10, metavar="N", help="how many to show (default: 10)")


def where(parser: argparse.ArgumentParser) -> None:
    """The repository, and how long AWS may take."""
    settings.add(parser, settings.REPOSITORY + settings.AWS)


def listing(parser: argparse.ArgumentParser) -> None:
    """The words of a verb that lists what a service can be led back to."""
    environment(parser)
    service(parser)
    most(parser)
    output(parser)
    where(parser)
