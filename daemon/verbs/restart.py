"""`trueup restart` and `trueup shutdown`: new tasks for a service, or none at all, as a commit."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from daemon import verb
from daemon.plain import one_line
from daemon.sources import service_of
from daemon.verb import Verb
from daemon.verbs import pins, proposing
from daemon.verbs.proposing_bad import named
from daemon.verbs.proposing_plan import PATIENCE
from daemon.wiring import place
from desired_state.model import Environment
from reconcilers.aws import Connection, sentence

# A pass acts only two seconds after the instant, since AWS services share no clock; a plan must show it at once.
_MARGIN: Final = timedelta(seconds=2)


def restart(chosen: argparse.Namespace) -> int:
    """`trueup restart`."""
    standing = named(chosen)
    service_of(standing.environment, chosen.service)
    now, note = _now(standing.environment, min(chosen.aws_timeout, PATIENCE) / 2)
    made = pins.restart(standing.environment, chosen.service, due(now))
    return proposing.propose(chosen, standing, made.edits, made.subject, (*note, *made.notes))


def shutdown(chosen: argparse.Namespace) -> int:
    """`trueup shutdown`."""
    standing = named(chosen)
    made = pins.shutdown(standing.environment, chosen.service)
    return proposing.propose(chosen, standing, made.edits, made.subject, made.notes)


def due(now: datetime) -> datetime:
    """The instant to write so that a restart is due at once: AWS tells its time in whole seconds. Pure."""
    return now.replace(microsecond=0) - _MARGIN


def _now(environment: Environment, timeout: float) -> tuple[datetime, tuple[str, ...]]:
    """The time by AWS, since the start of the tasks is told by it. A person may be without credentials for AWS."""
    try:
        return Connection(place(environment), timeout=timeout).now(), ()
    except (BotoCoreError, ClientError) as error:
        why = one_line(sentence(error), 200)
        return datetime.now(UTC), (f"the time is that of this machine, since AWS did not tell its own: {why}",)


_RESTART = """
Replace every task of a service: sets restarted_at to now, and commits.

  trueup restart production.yaml api
  trueup restart production api --repository https://git.example/p.git \\
      --path production.yaml --yes

ENVIRONMENT is a file, or the name of an environment: in the repository where
one is given, else in this folder. SERVICE is the name of its entry.
It is a rolling restart: new tasks start before old ones stop.
Exit code: 0 committed or nothing to do, 1 not; --dry-run: as `trueup plan`.
"""
_SHUTDOWN = """
Stop every task of a service: sets desired_count to 0, and commits.

  trueup shutdown production.yaml worker
  trueup shutdown production.yaml worker --dry-run

ENVIRONMENT is a file, or the name of an environment: in the repository where
one is given, else in this folder. SERVICE is the name of its entry.
Autoscaling is suspended until the count is no longer 0; the way back is printed.
Exit code: 0 committed or nothing to do, 1 not; --dry-run: as `trueup plan`.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser)
    verb.service(parser)
    proposing.arguments(parser)


RESTART = Verb("restart", verb.CHANGE, "replace every task of a service", _RESTART, restart, arguments=_arguments)
SHUTDOWN = Verb("shutdown", verb.CHANGE, "stop every task of a service", _SHUTDOWN, shutdown, arguments=_arguments)
