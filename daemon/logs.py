"""What the daemon does, as one line a fact: JSON for machines, columns for a person at a terminal."""

import logging
import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, MutableMapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from daemon.plain import one_line
from daemon.status import EnvironmentStatus, GitStatus
from reconcilers.contract import Absent, Condition, Drift, Outcome, Result, Stalled, Superseded
from reconcilers.secrets import Moved

REMIND = 600.0  # seconds after which what is still wrong, and unchanged, is said again
_LEVELS = {Condition.DRIFTED: "warning", Condition.RETRYING: "warning", Condition.STALLED: "error"}
_FORESEEN = (ClientError, BotoCoreError, OSError, Stalled, Absent, Superseded, Moved)
_FRAMES = 6  # of a traceback
_FIRST = ("ts", "level", "event", "environment", "commit", "kind", "name", "condition")
_MOST_SHOWN = 20

_Event = MutableMapping[str, Any]


def configure(level: str) -> None:
    """Set up logging for the process: what trueup says from this level on, and warnings of its libraries.

    Libraries are never heard below warning: botocore's debug lines carry whole requests.
    """
    terminal = sys.stderr.isatty()
    renderer: Any = structlog.processors.JSONRenderer()
    if terminal:
        colours = not os.environ.get("NO_COLOR")
        renderer = structlog.dev.ConsoleRenderer(
            colors=colours, timestamp_key="ts", exception_formatter=structlog.dev.plain_traceback, sort_keys=False
        )
    least = logging.CRITICAL if level == "critical" else getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            _in_order,
            _plain,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *_: _Stderr(),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_FromLibraries(max(least, logging.WARNING))], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


class Journal:
    """Says in the log what happened. Steady states are said once, and again every ten minutes where they are wrong."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log: Any = structlog.get_logger()
        self._now = monotonic
        self._said: dict[Hashable, tuple[object, float]] = {}

    def started(self, listen: str, interval: float) -> None:
        """The daemon has begun."""
        self._log.info("started", version=version("trueup"), listen=listen, interval=interval)

    def stopped(self) -> None:
        """The daemon has ended in good order."""
        self._log.info("stopped")

    def resource(self, environment: str, commit: str, kind: str, name: str, outcome: Outcome) -> None:
        """One line when something changed, was attempted, or is still wrong after ten minutes."""
        condition, attempts = outcome.condition, outcome.attempts
        good = condition is Condition.IN_SYNC
        facts = (condition, outcome.reason)
        key = (environment, kind, name)
        first = key not in self._said
        news = self._is_news(key, facts, wrong=not good and condition is not Condition.PROGRESSING)
        if not attempts and (not news or (first and good)):
            return
        line: dict[str, Any] = {"environment": environment, "commit": commit, "kind": kind, "name": name}
        line |= {"condition": condition.value, "reason": outcome.reason}
        if outcome.drifts:
            line["drifts"] = _listed(_spelled(drift) for drift in outcome.drifts)
        if attempts:
            line["verbs"] = [attempt.change.verb for attempt in attempts]
            line["result"] = _worst(attempt.result for attempt in attempts).value
        if outcome.error is not None and not isinstance(outcome.error, _FORESEEN):
            line["error"] = type(outcome.error).__name__
            line["traceback"] = _frames(outcome.error)
        self._log.log(_number(_LEVELS.get(condition, "info")), "resource", **line)

    def passed(self, status: EnvironmentStatus, seconds: float, writes: int) -> None:
        """One line a pass: at info when it wrote or its sums changed, or is not in sync; else at debug."""
        self._prune(status)
        counts = dict(sorted(Counter(resource.condition.value for resource in status.resources).items()))
        news = self._is_news((status.name,), (status.commit, counts), wrong=not status.in_sync)
        self._log.log(
            logging.INFO if writes or news else logging.DEBUG,
            "pass",
            environment=status.name,
            commit=status.commit,
            in_sync=status.in_sync,
            conditions=counts,
            writes=writes,
            seconds=round(seconds, 3),
        )

    def git(self, status: GitStatus) -> None:
        """One line when the head, or what is wrong with it, changed."""
        problems = [str(problem) for problem in status.problems]
        facts = (status.head, status.error, problems, status.rewritten)
        wrong = bool(status.error or problems)
        if not self._is_news("git", facts, wrong=wrong):
            return
        line: dict[str, Any] = {"repository": status.repository, "branch": status.branch, "commit": status.head}
        line |= {"rewritten": True} if status.rewritten else {}
        line |= {"reason": status.error} if status.error else {}
        line |= {"problems": _listed(problems)} if problems else {}
        self._log.log(logging.WARNING if wrong or status.rewritten else logging.INFO, "git", **line)

    def failed(self, environment: str, error: Exception) -> None:
        """A pass over an environment ended with a mistake of ours; the next one begins anew."""
        line = {"error": type(error).__name__, "reason": str(error), "traceback": _frames(error)}
        self._log.error("pass_failed", environment=environment, **line)

    def gone(self, environment: str) -> None:
        """An environment left the repository: nothing in AWS is touched."""
        for key in [key for key in self._said if isinstance(key, tuple) and key[0] == environment]:
            self._said.pop(key, None)
        self._log.info("environment_gone", environment=environment)

    def _is_news(self, key: Hashable, facts: object, *, wrong: bool) -> bool:
        now = self._now()
        said, at = self._said.get(key, (None, now))
        if said == facts and not (wrong and now - at >= REMIND):
            return False
        self._said[key] = (facts, now)
        return True

    def _prune(self, status: EnvironmentStatus) -> None:
        """Forget what left the file."""
        kept = {(status.name, resource.kind, resource.name) for resource in status.resources} | {(status.name,)}
        for key in [key for key in list(self._said) if isinstance(key, tuple) and key[0] == status.name]:
            if key not in kept:
                self._said.pop(key, None)


class _Stderr:
    """Writes lines to stderr. A log that nobody can read any more must not stop a pass."""

    _lock = threading.Lock()

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError), self._lock:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = msg


class _FromLibraries(logging.Handler):
    """Passes on what boto, urllib3 and APScheduler have to say, through the same processors."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._log: Any = structlog.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        line: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if error is not None:
            line |= {"error": type(error).__name__, "reason": str(error), "traceback": _frames(error)}
        self._log.log(max(record.levelno, logging.WARNING), "library", **line)


def _in_order(_: object, __: str, event: _Event) -> _Event:
    return {key: event[key] for key in _FIRST if key in event} | dict(event)


def _plain(_: object, __: str, event: _Event) -> _Event:
    """Last before the renderer: nothing that looks like a credential, no control characters, nothing endless."""
    return {key: _plain_value(value) for key, value in event.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return one_line(str(value))


def _spelled(drift: Drift) -> str:
    return f"{drift.field}: {drift.live} -> {drift.desired}"


def _listed(texts: Iterable[str]) -> list[str]:
    every = list(texts)
    more = len(every) - _MOST_SHOWN
    return [*every[:_MOST_SHOWN], f"and {more} more"] if more > 0 else every


def _worst(results: Iterable[Result]) -> Result:
    return max(results, key=list(Result).index)


def _frames(error: BaseException) -> list[str]:
    """Where an error came from: places in the code only, never values."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]


def _number(level: str) -> int:
    return int(getattr(logging, level.upper()))
