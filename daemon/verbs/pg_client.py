"""Starts and ends psql and pg_restore, which nothing else does, and explains how they ended.

No argument, and nothing that they print, ever holds a password.
"""

import os
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Final

from daemon.plain import one_line

CHUNK: Final = 1024 * 1024  # bytes
_PG_RESTORE: Final = ("pg_restore", "--no-owner", "--no-privileges", "--file=-")
_PATIENCE: Final = 3.0  # seconds that a tool may take to end when it is asked to
_SHOWN: Final = 4  # lines of an error


class Failed(Exception):
    """One of the tools is missing, or ended with an error. The message says why, and what to do where that is known."""


@contextmanager
def archive(file: IO[bytes]) -> Iterator[Iterator[bytes]]:
    """The SQL of a dump in custom format or tar. Failed, from the iterator: pg_restore could not read all of it."""
    check_tools()
    file.seek(0)
    process = started(_PG_RESTORE, environment(), stdin=file)
    errors = Lines(process.stderr)
    try:
        yield _output(process, errors)
    finally:
        end(process)
        errors.join()


def check_tools() -> None:
    """Failed: psql or pg_restore is not installed."""
    if not (shutil.which("psql") and shutil.which("pg_restore")):
        raise Failed("psql and pg_restore are needed: install the PostgreSQL client (Debian: postgresql-client)")


_MENDS: Final = (
    (r"invalid command \\restrict", "this psql is older than August 2025: update the PostgreSQL client"),
    (
        "backslash commands are restricted|(CREATE|DROP) DATABASE",
        "make the dump of one database with pg_dump, and without --create",
    ),
    (
        "trueup_unfinished",
        "the dump ends the transaction that it is loaded in: remove BEGIN, COMMIT and ROLLBACK from it",
    ),
    ("must be owner of (extension|schema)", "make the dump with pg_dump --no-comments, or let the user own it"),
    ('role ".*" does not exist|must be (able|owner|member)', "make the dump with pg_dump --no-owner --no-privileges"),
)


def _output(process: subprocess.Popen[bytes], errors: "Lines") -> Iterator[bytes]:
    while chunk := _piece(process.stdout):
        yield chunk
    if process.wait():
        raise Failed(explained(errors.join()) or f"pg_restore ended with {process.returncode}")


def _piece(stream: IO[bytes] | None) -> bytes:
    """What a tool has printed by now, without waiting for more."""
    return os.read(fileno(stream), CHUNK)


def explained(lines: list[str]) -> str:
    """What a tool printed from its last error on, and what to do about it where that is known."""
    starts = [number for number, line in enumerate(lines) if re.search(r"\b(error|ERROR|FATAL|PANIC):", line)]
    shown = lines[starts[-1] if starts else -_SHOWN :][:_SHOWN]
    mends = [mend for words, mend in _MENDS if re.search(words, "\n".join(shown))]
    return "\n".join([*shown, *mends[:1]])


class Lines:
    """The last lines that a tool printed on its way, each made harmless."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._lines: deque[str] = deque(maxlen=100)
        self._stream = stream
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def join(self) -> list[str]:
        """All of them, once the tool has ended."""
        self._thread.join()
        return list(self._lines)

    def _read(self) -> None:
        for line in self._stream or ():
            if text := one_line(line.decode(errors="replace").rstrip(), 300):
                self._lines.append(text)


def started(command: tuple[str, ...], environ: Mapping[str, bytes], stdin: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """A tool with pipes for what it prints, and with no variable but these."""
    # A session of its own: Ctrl-C reaches trueup alone, which then ends what it started.
    return subprocess.Popen(
        command,
        env=environ,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a tool with all that it started. psql hands an interrupt on to the server, which then stops at once."""
    if process.stdin:
        process.stdin.close()
    for last in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, last)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)


def environment() -> dict[str, bytes]:
    """Made from scratch: no PG… variable of the caller changes what is meant, except where certificates are."""
    kept = {name: os.environb[name.encode()] for name in ("PATH", "HOME", "PGSSLROOTCERT") if name in os.environ}
    return kept | {"LC_ALL": b"C"}


def fileno(pipe: IO[bytes] | None) -> int:
    """The descriptor of a pipe that the tool was started with."""
    if pipe is None:
        raise TypeError("the tool was started without this pipe")
    return pipe.fileno()
