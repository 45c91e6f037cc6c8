"""All verbs of the command line, in the order in which people see them."""

import argparse
from pathlib import Path

from daemon import commands, settings, verb
from daemon.verb import Verb
from daemon.verbs import (
    adopt,
    completion,
    explain,
    history,
    images,
    infrastructure,
    load_dump,
    maintenance,
    migrate,
    report,
    restart,
    revisions,
    rollback,
    set_pin,
    snapshots,
    status_verb,
    wait,
)

_RUN = """
Follow an environment file in git and keep AWS as it says.

  trueup run --repository https://git.example/production.git --path production.yaml

Every interval trueup asks git for the newest commit and AWS for what is live. What
differs is repaired, unless the file says `mode: observe`. A rollback is a commit.
SIGTERM or SIGINT: the call in flight ends, then the process exits with 0.
SIGHUP: try again now what AWS refused or what is waiting.
"""
_PLAN = """
Say what a pass would change, reading live AWS and writing nothing.

  trueup plan production.yaml                           the file in this folder
  trueup plan --repository . --path production.yaml     what is committed
  trueup plan production.yaml --output markdown         for a pull-request comment

Exit code: 0 no drift, 2 drift, 1 error.
"""
_VALIDATE = """
Check environment files, without AWS and without git.

  trueup validate production.yaml staging.yaml

Every mistake is named with its file, line and key, and what to write instead.
Exit code: 0 all good, 1 otherwise.
"""
_SCHEMA = """
Print the JSON Schema of the environment file, for an editor's completion and checks.

  trueup schema > trueup.schema.json
"""
_DEMO = """
A rollback story on this machine: a rehearsal AWS, a git repository, and the daemon.
Nothing leaves this machine and no AWS account is needed. It takes about a minute.
"""


def _run(parser: argparse.ArgumentParser) -> None:
    settings.add(parser, settings.REPOSITORY + settings.AWS + settings.TERRAFORM + settings.DAEMON)
    parser.add_argument(
        "--once", action="store_true", help="passes until nothing is progressing, then stop: 0 in sync, 1 not"
    )
    parser.add_argument(
        "--timeout", type=settings.seconds, default="900", metavar="SECONDS", help="longest time for --once"
    )


def _plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="environment files; without one, --repository"
    )
    verb.output(parser, "markdown")
    settings.add(parser, settings.REPOSITORY + settings.AWS + settings.TERRAFORM)


def _validate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stay", action="store_true", help="leave daemon and rehearsal AWS running at the end")


VERBS: tuple[Verb, ...] = (
    Verb("run", verb.DAEMON, "follow a git repository and keep AWS as it says", _RUN, commands.run, _run),
    Verb("demo", verb.DAEMON, "a rollback story on this machine", _DEMO, commands.demo, _demo),
    Verb("validate", verb.FILES, "check environment files without AWS", _VALIDATE, commands.validate, _validate),
    Verb("schema", verb.FILES, "print the JSON Schema of the environment file", _SCHEMA, commands.schema),
    adopt.VERB,
    Verb("plan", verb.LOOK, "say what a pass would change; writes nothing", _PLAN, commands.plan, _plan),
    status_verb.VERB,
    explain.VERB,
    wait.VERB,
    history.VERB,
    report.VERB,
    revisions.VERB,
    images.VERB,
    completion.VERB,
    snapshots.VERB,
    rollback.VERB,
    set_pin.VERB,
    restart.RESTART,
    restart.SHUTDOWN,
    maintenance.VERB,
    infrastructure.VERB,
    migrate.VERB,
    load_dump.VERB,
)
