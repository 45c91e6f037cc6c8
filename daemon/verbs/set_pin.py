"""`trueup set`: pins of a service, one by one, or the variables of an earlier revision, as a commit."""

import argparse

from daemon import verb
from daemon.refusals import by_account
from daemon.sources import Misused, service_of
from daemon.verb import Verb
from daemon.verbs import proposing, set_words
from daemon.verbs.proposing_bad import named
from daemon.verbs.set_words import Laid, Wish
from daemon.wiring import place
from desired_state.model import Environment, Service
from reconcilers.aws import Connection, sentence
from reconcilers.ecs_reads import EcsReads
from reconcilers.one_off import TROUBLE
from reconcilers.variables import VariableReads


def set_pin(chosen: argparse.Namespace) -> int:
    """`trueup set`."""
    standing = named(chosen)
    service = service_of(standing.environment, chosen.service)
    wished = set_words.wish(chosen.words)
    laid = _laid_out(standing.environment, service, wished, chosen.aws_timeout)
    made = set_words.assigned(standing.environment, chosen.service, wished, laid)
    return proposing.propose(chosen, standing, made.edits, made.subject, made.notes)


def _laid_out(environment: Environment, service: Service, wished: Wish, timeout: float) -> Laid:
    """The lines that the variables of another revision need. Misused: AWS does not tell what they are."""
    if wished.variables_of is None:
        return Laid({}, ())
    connection = Connection(place(environment), timeout=timeout)
    try:
        if refused := by_account(environment, connection):
            raise Misused(refused.reason)
        reads = VariableReads(EcsReads(connection))
        pinned = wished.changed(service)
        return set_words.laid_out(service, reads.base(pinned), reads.of(pinned, wished.variables_of))
    except TROUBLE as error:
        raise Misused(sentence(error)) from error


_ABOUT = """
Set pins of a service: edits the file, shows change and plan, and commits.

  trueup set production.yaml api image_tag=v20240224-120000
  trueup set production.yaml api task_revision=122 image_tag=unset
  trueup set production.yaml api env.LOG_LEVEL=debug env.OLD_FLAG=null
  trueup set production.yaml api env@122      the environment of revision 122

ENVIRONMENT is a file, or the name of an environment: in the repository where
one is given, else in this folder. SERVICE is the name of its entry.
PIN=unset takes a pin out; env.NAME= is an empty text, env.NAME=null means that
it must be absent. env@122 writes a line for each variable that differs. What comes
from a secret, or looks like one, is left alone, and said.
Exit code: 0 committed or nothing to do, 1 not; --dry-run: as `trueup plan`.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser)
    verb.service(parser)
    parser.add_argument("words", nargs="+", metavar="PIN=VALUE", help="the pins, as in the examples above")
    proposing.arguments(parser)


VERB = Verb("set", verb.CHANGE, "set pins of a service", _ABOUT, set_pin, arguments=_arguments)
