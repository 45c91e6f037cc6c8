"""`trueup migrate`: a command that a person runs once in a service's own task, and follows to its end."""

import argparse
import io
import re
import shlex
import sys
import time
import uuid

from daemon import settings, verb
from daemon.plain import one_line, redacted
from daemon.refusals import by_account
from daemon.sources import Misused, named
from daemon.verb import Verb
from daemon.wiring import Territory, place
from desired_state.model import Environment, Service
from reconcilers.aws import Connection, is_ambiguous, is_terminal, sentence
from reconcilers.ecs_reads import EcsReads
from reconcilers.ecs_records import short
from reconcilers.one_off import TROUBLE, Job, OneOffs, Progress

_TRIES = 3  # of RunTask, with the same token, while it is not known whether a task was started
_SOON, _LATER = 1.0, 5.0  # seconds between two looks: at first, and in the end
_FORGOTTEN = 60.0  # seconds after which a task that ECS does not know is gone, and not only young
_LAST_LINES = 2.0  # seconds that the last lines may take from the container to the log
_FOUND_AGAIN = "while it runs, the same command follows it; once it has ended, the same command runs it again"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def migrate(chosen: argparse.Namespace) -> int:
    """`trueup migrate`. Returns the exit code of the command, and 1 where it has none."""
    if not chosen.command:
        raise Misused("write the command behind --: trueup migrate ENVIRONMENT SERVICE -- COMMAND …")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may not have the letters of a log line
    standing = named(chosen)
    service = _service(standing.environment, chosen.service)
    connection = Connection(place(standing.environment), timeout=chosen.aws_timeout)
    try:
        if refused := by_account(standing.environment, connection):
            raise Misused(refused.reason)
        _check_databases(standing.environment, service, Territory(connection))
        one_offs = OneOffs(connection, EcsReads(connection))
        job = one_offs.job(service, chosen.container, chosen.command, standing.commit)
        _announce(job)
        return _followed(_Follower(connection, one_offs, job, _begun(one_offs, job)), chosen.timeout)
    except TROUBLE as error:
        raise Misused(sentence(error)) from error


def _service(environment: Environment, name: str) -> Service:
    if name not in environment.services:
        known = ", ".join(environment.services) or "none"
        raise Misused(f"environment {environment.environment} has no service {one_line(name)}; it has {known}")
    return environment.services[name]


def _check_databases(environment: Environment, service: Service, territory: Territory) -> None:
    """Misused: a database of the service is being moved, and the command would run in the one that is left."""
    for name in service.databases:
        if territory.is_moving(environment.databases[name]):
            raise Misused(f"database {name} is being moved to another one; run this again once the commit is in sync")


def _announce(job: Job) -> None:
    where = f"container {job.container} of {short(job.revision)} on cluster {job.cluster}"
    _say(f"runs in {where}: {shlex.join(job.command)}")
    if job.has_entry_point:
        _say(f"container {job.container} has an entryPoint, which gets these words as its arguments")
    if job.log is None:
        _say(f"container {job.container} does not log by awslogs with a stream prefix: its lines are not shown here")


def _begun(one_offs: OneOffs, job: Job) -> str:
    """The task that runs the command: one that is under way, or a new one."""
    if found := one_offs.under_way(job):
        _say("this command is under way already: it is followed, and not started twice")
        return found
    token, tries = str(uuid.uuid4()), 0
    while True:
        tries += 1
        try:
            return one_offs.start(job, token)
        except KeyboardInterrupt:
            _say(f"a task may have been started; {_FOUND_AGAIN}")
            raise
        except TROUBLE as error:
            if not is_ambiguous(error):
                raise
            if tries == _TRIES:
                raise Misused(f"{sentence(error)}; a task may have been started; {_FOUND_AGAIN}") from error


class _Follower:
    """Prints what a task does and logs, until it has ended."""

    def __init__(self, connection: Connection, one_offs: OneOffs, job: Job, task: str) -> None:
        self._connection, self._one_offs, self._job = connection, one_offs, job
        self._tail = one_offs.tail(job.log, task) if job.log else None
        self._said: set[str] = set()
        self._known = time.monotonic()  # when ECS last knew the task
        self.task = task

    def until(self, end: float) -> Progress | None:
        """Follow the task; its end. None: `end` came first."""
        pause = _SOON
        while True:
            progress = self._look()
            self._print()
            if progress and progress.over:
                time.sleep(_LAST_LINES)
                self._print()
                return progress
            if time.monotonic() >= end:
                return None
            time.sleep(max(0.0, min(pause, end - time.monotonic())))
            pause = min(_LATER, pause * 1.1)

    def goes_on(self) -> str:
        """What becomes of the task when nobody follows it any more."""
        stop = f"aws ecs stop-task --cluster {self._job.cluster} --task {self.task}"
        return f"the task goes on by itself; {_FOUND_AGAIN}; to stop it: {stop}"

    def _look(self) -> Progress | None:
        self._connection.new_pass()
        try:
            progress = self._one_offs.look(self._job, self.task)
        except TROUBLE as error:
            if is_terminal(error):
                raise
            self._say_once(f"{sentence(error)}; the task is still followed")
            return None
        if progress is None:
            if time.monotonic() - self._known > _FORGOTTEN:
                return Progress("STOPPED", why=f"ECS does not know task {self.task} any more")
            return None
        self._known = time.monotonic()
        self._say_once(f"task {self.task.rpartition('/')[2]} is {progress.status.lower()}")
        return progress

    def _print(self) -> None:
        try:
            for line in self._tail.lines() if self._tail else ():
                sys.stdout.write(_harmless(line) + "\n")
        except TROUBLE as error:
            self._say_once(f"the log cannot be read: {sentence(error)}; the task is still followed")
        sys.stdout.flush()

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            _say(text)


def _followed(follower: _Follower, timeout: float) -> int:
    try:
        progress = follower.until(time.monotonic() + timeout)
    except BaseException:
        _say(follower.goes_on())
        raise
    if progress is None:
        _say(f"the command has not ended within {timeout:g} seconds; {follower.goes_on()}")
        return 1
    if progress.exit_code is None:
        _say(f"the command has no exit code ({progress.why or 'ECS does not say why'})")
        return 1
    why = f" ({progress.why})" if progress.exit_code and progress.why else ""
    _say(f"the command ended with exit code {progress.exit_code}{why}")
    return progress.exit_code if 0 <= progress.exit_code <= 255 else 1


def _harmless(line: str) -> str:
    """A line as it was logged, with nothing that moves a cursor, and no credentials."""
    text = redacted(_COLOURS.sub("", line).expandtabs())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _say(text: str) -> None:
    sys.stderr.write(f"trueup: {one_line(text, 2000)}\n")


_ABOUT = """
Run a command once, in a task of the revision that the file pins for a service.

  trueup migrate production.yaml api -- npx prisma migrate deploy
  trueup migrate replaydash-production api --repository . --path production.yaml -- …

ENVIRONMENT is a file, or the name of an environment: in the repository where one is
given, else in this folder. SERVICE is the name of its entry. The task gets the
service's network, its log is printed, and trueup never stops it. While it is under
way, the same command follows it and starts no second one.
Exit code: that of the command; 1 where it has none; 130 after Ctrl-C.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser)
    verb.service(parser)
    parser.add_argument("--container", metavar="NAME", help="the container; needed only with several")
    parser.add_argument(
        "--timeout", type=settings.seconds, default="3600", metavar="SECONDS", help="longest time to follow it"
    )
    verb.where(parser)


VERB = Verb(
    "migrate",
    verb.WORK,
    "run a command once in a task of a service",
    _ABOUT,
    migrate,
    arguments=_arguments,
    usage="trueup migrate [options] ENVIRONMENT SERVICE -- COMMAND …",
)
