"""The command line: reads its words, and hands them to the one function that does the work."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from daemon import commands, settings
from daemon.infrastructure import infrastructure
from daemon.load_dump import endpoint, load_dump
from daemon.migrate import migrate
from daemon.snapshots import snapshots
from daemon.sources import Misused
from desired_state.repository import Refused, Unreachable

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
_SNAPSHOTS = """
What a database can be brought back from: its last ten snapshots and its points in time.

  trueup snapshots production.yaml postgres
  trueup snapshots replaydash-production postgres --output json

ENVIRONMENT is a file, or the name of an environment: in the repository where one is
given, else in this folder. DATABASE is the name of its entry. Nothing is written.
"""
_MIGRATE = """
Run a command once, in a task of the revision that the file pins for a service.

  trueup migrate production.yaml api -- npx prisma migrate deploy
  trueup migrate replaydash-production api --repository . --path production.yaml -- …

ENVIRONMENT is a file, or the name of an environment: in the repository where one is
given, else in this folder. SERVICE is the name of its entry. The task gets the
service's network, its log is printed, and trueup never stops it. While it is under
way, the same command follows it and starts no second one.
Exit code: that of the command; 1 where it has none; 130 after Ctrl-C.
"""
_LOAD_DUMP = """
Load a dump of pg_dump into an empty database: all of it or nothing, and never twice.

  trueup load-dump production.yaml postgres backup.dump
  trueup load-dump replaydash-production postgres s3://backups/2024-02-24.sql.gz
  trueup load-dump production.yaml postgres backup.dump --endpoint HOST --name shop

ENVIRONMENT is a file, or the name of an environment: in the repository where one is
given, else in this folder. DATABASE is the name of its entry, whose secret says who
logs in and where. FILE is in custom format, tar, or SQL with or without gzip. psql
and pg_restore do the work, in one transaction; a table trueup.loaded_dumps in the
database keeps the digest of the file.
Exit code: 0 loaded, now or before; 1 otherwise; 130 after Ctrl-C.
"""
_INFRASTRUCTURE = """
What terraform finds at the commit that the file pins, and the backups of its state.

  trueup infrastructure production.yaml
  trueup infrastructure replaydash-production --repository . --path production.yaml

ENVIRONMENT is a file, or the name of an environment: in the repository where one is
given, else in this folder. Every entry is checked now; nothing is written, and the
lock of the state is not taken: who holds it, and what the daemon does at the moment,
is in the daemon's /api/v1/status. A person puts a backup back, never trueup.
Exit code: 0 nothing differs, 2 something does, 1 error.
"""
_DEMO = """
A rollback story on this machine: a rehearsal AWS, a git repository, and the daemon.
Nothing leaves this machine and no AWS account is needed. It takes about a minute.
"""
_MAIN = """
trueup keeps AWS as one small file per environment says: the ECS revision, the image
tag, environment variables, the database endpoint, maintenance, the commit of the
Terraform configuration. A rollback is a commit.
"""


class _Parser(argparse.ArgumentParser):
    """Words that cannot be understood end with 1: for `plan`, 2 means drift."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"trueup: {message}\n")


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = _Parser("trueup", description=_MAIN, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=f"trueup {version('trueup')}")
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def verb(name: str, help_: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        formatter = argparse.RawDescriptionHelpFormatter
        made = verbs.add_parser(name, help=help_, description=text, formatter_class=formatter)
        made.set_defaults(run=run)
        return made

    run_ = verb("run", "follow a git repository and keep AWS as it says", _RUN, commands.run)
    settings.add(run_, settings.REPOSITORY + settings.AWS + settings.TERRAFORM + settings.DAEMON)
    run_.add_argument(
        "--once", action="store_true", help="passes until nothing is progressing, then stop: 0 in sync, 1 not"
    )
    run_.add_argument(
        "--timeout", type=settings.seconds, default="900", metavar="SECONDS", help="longest time for --once"
    )
    plan = verb("plan", "say what a pass would change; writes nothing", _PLAN, commands.plan)
    plan.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="environment files; without one, --repository"
    )
    plan.add_argument("--output", choices=("text", "json", "markdown"), default="text", help="(default: text)")
    settings.add(plan, settings.REPOSITORY + settings.AWS + settings.TERRAFORM)
    validate = verb("validate", "check environment files without AWS", _VALIDATE, commands.validate)
    validate.add_argument("files", nargs="+", type=Path, metavar="FILE")
    verb("schema", "print the JSON Schema of the environment file", _SCHEMA, commands.schema)
    kept = verb("snapshots", "list what a database can be restored from", _SNAPSHOTS, snapshots)
    kept.add_argument("environment", metavar="ENVIRONMENT", help="a file, or the name of an environment")
    kept.add_argument("database", metavar="DATABASE", help="the name of the entry under `databases`")
    kept.add_argument("--output", choices=("text", "json"), default="text", help="(default: text)")
    settings.add(kept, settings.REPOSITORY + settings.AWS)
    once = verb("migrate", "run a command once in a task of a service", _MIGRATE, migrate)
    once.usage = "trueup migrate [options] ENVIRONMENT SERVICE -- COMMAND …"
    once.add_argument("environment", metavar="ENVIRONMENT", help="a file, or the name of an environment")
    once.add_argument("service", metavar="SERVICE", help="the name of the entry under `services`")
    once.add_argument("--container", metavar="NAME", help="the container; needed only with several")
    once.add_argument(
        "--timeout", type=settings.seconds, default="3600", metavar="SECONDS", help="longest time to follow it"
    )
    settings.add(once, settings.REPOSITORY + settings.AWS)
    load = verb("load-dump", "load a dump into an empty database", _LOAD_DUMP, load_dump)
    load.add_argument("environment", metavar="ENVIRONMENT", help="a file, or the name of an environment")
    load.add_argument("database", metavar="DATABASE", help="the name of the entry under `databases`")
    load.add_argument("file", metavar="FILE", help="the dump: a file, or s3://bucket/key")
    load.add_argument("--endpoint", type=endpoint, metavar="HOST[:PORT]", help="load here, not where the secret says")
    load.add_argument("--name", metavar="NAME", help="load into this database, not the one that the secret names")
    settings.add(load, settings.REPOSITORY + settings.AWS)
    terraform = verb("infrastructure", "what terraform finds, and its state backups", _INFRASTRUCTURE, infrastructure)
    terraform.add_argument("environment", metavar="ENVIRONMENT", help="a file, or the name of an environment")
    terraform.add_argument("--output", choices=("text", "json"), default="text", help="(default: text)")
    settings.add(terraform, settings.REPOSITORY + settings.AWS + settings.TERRAFORM)
    demo = verb("demo", "a rollback story on this machine", _DEMO, commands.demo)
    demo.add_argument("--stay", action="store_true", help="leave daemon and rehearsal AWS running at the end")
    return top


def _read(words: Sequence[str]) -> argparse.Namespace:
    """What stands behind -- is the command of `migrate`: argparse would take a -- of its own out of it."""
    own = list(words)
    at = own.index("--") if own[:1] == ["migrate"] and "--" in own else len(own)
    chosen = parser().parse_args(own[:at])
    chosen.command = own[at + 1 :]
    return chosen


def run(words: Sequence[str]) -> int:
    """Run one command. Returns the exit code; what can be foreseen ends in one line, not in a traceback."""
    chosen = _read(words)
    try:
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
