"""What happened, kept on this machine's disk: a line each, two files at most, written beside the passes."""

import fcntl
import json
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from daemon.events import Event, read
from daemon.record import FOLDED

NAME: Final = "events.jsonl"
_LARGEST: Final = 2 * 1024 * 1024  # bytes of one file
_CARRIED: Final = _LARGEST // 2  # of what a new file begins with
_WAITING: Final = 10_000  # events that a slow disk may owe; what comes on top is in memory alone
_LASTING: Final = tuple(f'"event":"{each}"'.encode() for each in FOLDED)
_PATIENCE: Final = 2.0  # seconds that the end of the process waits for the disk

Carry = Callable[[], Iterable[Event]]


class EventFile:
    """`events.jsonl` in a folder, and the file before it. Appending never waits and never fails.

    `carry`: what must not be lost when a file is begun anew, newest last. `complain` hears once why nothing is kept.
    """

    def __init__(self, folder: Path, complain: Callable[[str], None]) -> None:
        self.carry: Carry = tuple
        self._file, self._former = folder / NAME, folder / f"{NAME}.1"
        self._complain = complain
        self._complained = False
        self._owed: queue.Queue[Event | None] = queue.Queue(_WAITING)
        self._writer: threading.Thread | None = None

    def load(self, most: int) -> list[Event]:
        """What earlier processes kept, oldest first: the last so many, and which commits were live and verified.

        A line that is torn or no event is passed over.
        """
        lines = list(dict.fromkeys((*_lines(self._former), *_lines(self._file))))  # what was carried over is twice
        older = (line for line in lines[:-most] if any(mark in line for mark in _LASTING))
        return sorted(_events((*older, *lines[-most:])), key=lambda event: event.at)

    def append(self, event: Event) -> None:
        """Keep it, a moment later."""
        with suppress(queue.Full, RuntimeError):  # no thread could be started: it is in memory alone
            self._begin()
            self._owed.put_nowait(event)

    def close(self) -> None:
        """Wait a little for what is owed."""
        if self._writer is not None:
            with suppress(queue.Full):
                self._owed.put_nowait(None)
            self._writer.join(_PATIENCE)

    def _begin(self) -> None:
        if self._writer is None:
            writer = threading.Thread(target=self._write_all, name="events", daemon=True)
            writer.start()
            self._writer = writer

    def _write_all(self) -> None:
        while (event := self._owed.get()) is not None:
            try:
                self._write(_line(event))
            except OSError as error:
                self._tell(f"what happens is kept in memory alone: {self._file} cannot be written ({error.strerror})")

    def _write(self, line: bytes) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX)  # `run --once` may keep its own beside the daemon
            size = os.fstat(opened).st_size
            torn = size > 0 and os.pread(opened, 1, size - 1) != b"\n"
            os.write(opened, b"\n" + line if torn else line)
            if size + len(line) > _LARGEST and _is_still(self._file, opened):
                self._turn()
        finally:
            os.close(opened)

    def _turn(self) -> None:
        """Begin a new file with what must not be lost: the old one is at hand until the next time."""
        new = self._file.with_name(f"{NAME}.new")
        new.write_bytes(b"".join(_newest(self.carry(), _CARRIED)))
        new.chmod(0o600)
        self._file.replace(self._former)
        new.replace(self._file)

    def _tell(self, why: str) -> None:
        if not self._complained:
            self._complained = True
            self._complain(why)


def lines_of(text: bytes) -> list[Event]:
    """The events of a file that somebody has at hand, oldest first."""
    return sorted(_events(dict.fromkeys(text.split(b"\n"))), key=lambda event: event.at)


def _lines(file: Path) -> list[bytes]:
    try:
        with file.open("rb") as opened:
            return opened.read(2 * _LARGEST).split(b"\n")
    except OSError:
        return []


def _events(lines: Iterable[bytes]) -> Iterator[Event]:
    for line in lines:
        with suppress(ValueError, RecursionError):
            if line and (event := read(json.loads(line))):
                yield event


def _line(event: Event) -> bytes:
    return json.dumps(event.as_json(), separators=(",", ":"), ensure_ascii=False).encode(errors="replace") + b"\n"


def _newest(events: Iterable[Event], most: int) -> list[bytes]:
    lines: list[bytes] = []
    for line in reversed([_line(event) for event in events]):
        most -= len(line)
        if most < 0:
            break
        lines.append(line)
    return lines[::-1]


def _is_still(file: Path, opened: int) -> bool:
    """Whether the file of this name is the one that is open: another process may have begun a new one."""
    return file.stat().st_ino == os.fstat(opened).st_ino
