"""How the log reaches people: JSON for machines, columns at a terminal, and nothing secret in either."""

import logging
import os
import sys
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

import structlog

from daemon.journal import Journal, frames
from daemon.plain import one_line
from daemon.terminal_log import TerminalRenderer

__all__ = ["Journal", "configure"]

_FIRST = ("ts", "level", "event", "environment", "commit", "kind", "name", "condition")

_Event = MutableMapping[str, Any]


def configure(level: str) -> None:
    """Set up logging for the process: what trueup says from this level on, and warnings of its libraries.

    Libraries are never heard below warning: botocore's debug lines carry whole requests.
    """
    terminal = sys.stderr.isatty()
    renderer: Any = structlog.processors.JSONRenderer()
    if terminal:
        renderer = TerminalRenderer(colours=not os.environ.get("NO_COLOR"))
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
    # That a poll is left out while the one before it still runs is no news.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)


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
            line |= {"error": type(error).__name__, "reason": str(error), "traceback": frames(error)}
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
