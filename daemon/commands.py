"""What each command does."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import nullcontext, suppress
from pathlib import Path
from types import FrameType

from botocore.exceptions import BotoCoreError, ClientError

from daemon import aside, http, logs, past, settings
from daemon import plan as rendering
from daemon.chronicle import Chronicle
from daemon.enforcement import Enforcement, Surroundings
from daemon.event_file import EventFile
from daemon.loop import Loop
from daemon.metrics import Metrics
from daemon.notifications import Notifications
from daemon.plan_facts import writes_secret
from daemon.readiness_loop import ReadinessLoop, beside
from daemon.schedule import Schedule
from daemon.sources import Misused, from_files, source
from daemon.status import EnvironmentStatus, GitStatus, ResourceStatus, Status
from daemon.telling import Telling
from daemon.wiring import Territory, place
from desired_state.in_force import Standing, committed_before, with_former
from desired_state.model import Environment, Mode
from desired_state.parse import schema as file_schema
from desired_state.values import printable
from reconcilers.aws import Connection, Place, sentence
from reconcilers.contract import Absent, Condition
from reconcilers.workshop import Workshop

_TRIES = 5  # looks in a row that may fail before `--once` and `plan` give up
_SOON = 0.2  # seconds between looks at what terraform has come to
_PAUSE = 5.0  # seconds between the two looks that make a missing answer a fact
_AWAKE = 0.5  # seconds after which a signal that another thread received is seen


def run(chosen: argparse.Namespace) -> int:
    """`trueup run`."""
    stop = threading.Event()
    loop, readiness, metrics, telling, workshop = _loop(chosen, stop)
    if chosen.once:
        _on_signals(stop, lambda: None)
        code = _once(loop, telling, stop, chosen.timeout)
        _let_end(workshop, telling)
        telling.chronicle.close()
        return code
    try:
        server = http.serve(
            chosen.listen,
            lambda: readiness.added(loop.status()),
            metrics,
            telling.chronicle,
            lambda: past.page(readiness.standings(), readiness.of, telling.chronicle),
        )
    except (OSError, ValueError) as error:
        raise Misused(f"cannot listen on {chosen.listen}: {error}; give another --listen HOST:PORT") from error
    schedule = Schedule(loop, chosen.interval)

    def ask_again() -> None:
        telling.journal.asked_again()
        schedule.ask_again()

    _on_signals(stop, ask_again)
    telling.journal.started(chosen.listen, chosen.interval)
    schedule.start()
    readiness.start()
    # A signal may reach any thread, for one while git is being started; only this one runs its handler, once awake.
    while not stop.wait(_AWAKE):
        pass
    readiness.stop()
    schedule.stop()
    server.close()
    _let_end(workshop, telling)
    telling.notifications.close()
    telling.journal.stopped()
    telling.chronicle.close()
    _leave(0)
    return 0


def plan(chosen: argparse.Namespace) -> int:
    """`trueup plan`."""
    if chosen.files:
        standings, problems = from_files(chosen.files)
        statuses = planned(with_former(standings), _committed_before, chosen)
    else:
        repository, _ = source(chosen)
        found = repository.poll()
        problems, statuses = found.problems, planned(found.standings, repository.before, chosen)
    if chosen.output == "text":
        rendering.print_text(statuses, problems)
    else:
        shown = rendering.as_json if chosen.output == "json" else rendering.as_markdown
        sys.stdout.write(shown(statuses, problems) + "\n")
    return rendering.exit_code(statuses, problems)


def validate(chosen: argparse.Namespace) -> int:
    """`trueup validate`."""
    standings, problems = from_files(chosen.files)
    bad = {problem.file for problem in problems}
    for standing in standings:
        if standing.file not in bad:
            sys.stdout.write(f"{printable(standing.file, 200)}: valid; {_summary(standing)}\n")
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


def schema(_: argparse.Namespace) -> int:
    """`trueup schema`."""
    sys.stdout.write(json.dumps(file_schema(), indent=2) + "\n")
    return 0


def demo(chosen: argparse.Namespace) -> int:
    """`trueup demo`."""
    try:
        from daemon.demo import tell
    except ModuleNotFoundError as error:
        raise Misused(f"the demo needs {error.name}: install trueup[rehearsal]") from error
    return tell(stay=chosen.stay)


def _let_end(workshop: Workshop, telling: Telling) -> None:
    if workshop.working:
        telling.journal.ending()
    aside.end(workshop)


def _loop(chosen: argparse.Namespace, stop: threading.Event) -> tuple[Loop, ReadinessLoop, Metrics, Telling, Workshop]:
    holder: list[Callable[[], Status]] = []
    nothing = Status(git=GitStatus(repository="", branch="", path=""))
    metrics = Metrics(lambda: holder[0]() if holder else nothing)
    logs.configure(chosen.log_level)
    repository, git = source(chosen)
    journal = logs.Journal()
    kept = EventFile(settings.cache_of(chosen.cache, chosen.repository), journal.unkept)
    chronicle = Chronicle(kept)
    telling = Telling(journal, metrics, chronicle, _notifications(chosen, journal, metrics, chronicle))
    workshop = aside.open_workshop(chosen, days=chosen.state_backup_days, on_applied=telling.applied)

    def territory(where: Place) -> Territory:
        connection = Connection(where, timeout=chosen.aws_timeout, on_call=metrics.aws_call)
        return Territory(connection, workshop=workshop)

    loop = Loop(repository, git, territory, Surroundings(telling, stopping=stop.is_set), chosen.interval)
    readiness = beside(loop, repository, metrics, telling, interval=chosen.interval, timeout=chosen.aws_timeout)
    holder.append(lambda: readiness.added(loop.status()))
    return loop, readiness, metrics, telling, workshop


def _notifications(
    chosen: argparse.Namespace, journal: logs.Journal, metrics: Metrics, chronicle: Chronicle
) -> Notifications:
    """Who is told. A single run tells nobody: whoever began it reads what it came to."""
    if chosen.once:
        return Notifications(environ={})
    return Notifications(metrics.notified, journal.untold, chronicle.events())


def _once(loop: Loop, telling: Telling, stop: threading.Event, timeout: float) -> int:
    """Passes until nothing is progressing. What cannot be read is tried a few times, not for the whole time-out."""
    end = time.monotonic() + timeout
    loop.poll()
    while not stop.is_set() and time.monotonic() < end:
        waits = [loop.look(where) for where in loop.places]
        if loop.wants_poll:
            loop.poll()
            continue
        if not loop.unsettled or loop.hopeless(_TRIES):
            break
        stop.wait(max(0.05, min([*waits, end - time.monotonic()])))
    status = loop.status()
    good = bool(status.environments) and all(environment.in_sync for environment in status.environments)
    good = good and not status.git.problems and not status.git.error
    telling.journal.ended(status, in_sync=good, timed_out=loop.unsettled and time.monotonic() >= end)
    return 0 if good else 1


def planned(
    standings: Iterable[Standing], before: Callable[[Standing], Environment | None], chosen: argparse.Namespace
) -> tuple[EnvironmentStatus, ...]:
    """What a pass over each of these would change. `before`: what its file said earlier. Writes nothing."""
    every = tuple(standings)
    pinned = any(standing.environment.infrastructure for standing in every)
    with aside.rehearsal(chosen) if pinned else nullcontext() as workshop:
        return tuple(_plans(every, before, chosen, workshop))


def _plans(
    standings: Iterable[Standing],
    before: Callable[[Standing], Environment | None],
    chosen: argparse.Namespace,
    workshop: Workshop | None,
) -> Iterator[EnvironmentStatus]:
    around = Surroundings(_silence(), may_write=False)
    territories: dict[Place, Territory] = {}
    for standing in standings:
        where = place(standing.environment)
        if where not in territories:
            territories[where] = Territory(Connection(where, timeout=chosen.aws_timeout), workshop=workshop)
        if standing.environment.mode is not Mode.SUSPENDED:
            _check(territories[where].connection)
        enforcement = Enforcement(standing, territories[where], around)
        _look_until_sure(enforcement)
        took = _rollouts(enforcement, standing.environment)
        yield rendering.annotated(enforcement.status(), standing.environment, before(standing), took)


def _rollouts(enforcement: Enforcement, environment: Environment) -> dict[str, float]:
    """Seconds that the last rollout took, of each service whose tasks a change of a database will replace."""
    moved = {each.name for each in enforcement.status().resources if each.kind == "database" and writes_secret(each)}
    took = {}
    for name, service in environment.services.items():
        if moved.intersection(service.databases):
            with suppress(Absent, BotoCoreError, ClientError):  # it is only told where it is known
                if last := enforcement.territory.services.last_took(service):
                    took[name] = last.total_seconds()
    return took


def _check(connection: Connection) -> None:
    """Without credentials, or with settings that no client can be made of, there is nothing to look at."""
    try:
        connection.reading("ecs")
    except BotoCoreError as error:
        raise Misused(f"AWS cannot be asked: {sentence(error)}") from error


def _look_until_sure(enforcement: Enforcement) -> None:
    """Until everything was read; then what differs has been counted, and one more look says whether it may change."""
    _look_until_read(enforcement)
    if enforcement.limited:
        _look(enforcement)


def _look_until_read(enforcement: Enforcement) -> None:
    """One pass; what could not be read or is missing gets a second look, five seconds later.

    Where AWS answers nothing at all, one look is enough: a person may be waiting with a way back.
    A pass does not wait for terraform: the first look at infrastructure only begins one.
    """
    for attempt in range(3):
        _look(enforcement)
        while any(_is_checked(resource) for resource in enforcement.status().resources):
            time.sleep(_SOON)
            _look(enforcement)
        unsure = [r for r in enforcement.status().resources if r.condition is Condition.RETRYING]
        if not unsure or attempt == 2 or not enforcement.territory.connection.was_answered:
            return
        time.sleep(_PAUSE)


def _look(enforcement: Enforcement) -> None:
    due = enforcement.due(full=True)
    enforcement.territory.new_pass(due)
    enforcement.run(due)


def _is_checked(resource: ResourceStatus) -> bool:
    """Whether terraform has not come to the end of its first look."""
    return resource.kind == "infrastructure" and resource.condition is Condition.PROGRESSING


def _committed_before(standing: Standing) -> Environment | None:
    return committed_before(Path(standing.file), standing.environment)


def _summary(standing: Standing) -> str:
    environment = standing.environment
    parts = [f"environment {environment.environment}", _counted(environment.services, "service")]
    parts += [_counted(environment.databases, "database")] if environment.databases else []
    parts += [f"{len(environment.infrastructure)} infrastructure"] if environment.infrastructure else []
    return ", ".join(parts) + (", maintenance" if environment.maintenance else "")


def _counted(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _silence() -> Telling:
    logs.configure("critical")  # the plan itself says what is wrong
    return Telling(logs.Journal(), Metrics(lambda: Status(git=GitStatus(repository="", branch="", path=""))))


def _on_signals(stop: threading.Event, ask_again: Callable[[], None]) -> None:
    def end(_: int, __: FrameType | None) -> None:
        if stop.is_set():  # a second signal does not wait
            _leave(1)
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=ask_again, daemon=True).start())


def _leave(code: int) -> None:
    """Leave now: threads that are still reading have nothing to lose, and would keep the process for seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
