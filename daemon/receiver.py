"""One URL that is told things, in a thread of its own: bounded, tried a few times, and not too often in an hour."""

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from daemon.notice_text import Notice
from daemon.posting import Unusable

Send = Callable[[str, Notice], str]
"""Tells a URL once. Returns why it was not heard; empty: it was. Unusable: trying again changes nothing."""

_HOUR: Final = 3600.0  # seconds
_MOST_AN_HOUR: Final = 20
_MOST_QUEUED: Final = 100
_PAUSES: Final = (0.0, 2.0, 8.0)  # seconds before each try
_REST: Final = 60.0  # seconds of rest after a message that was not heard; twice as long after each further one
_LONGEST_REST: Final = 3600.0

_Job = tuple[Notice, Callable[[str], None]]


class Receiver:
    """`takes` returns at once, whatever the URL does; the thread begins with the first message."""

    def __init__(self, url: str, send: Send, monotonic: Callable[[], float]) -> None:
        self._url = url
        self._send = send
        self._now = monotonic
        self._jobs: queue.Queue[_Job] = queue.Queue(_MOST_QUEUED)
        self._taken: deque[float] = deque()  # when, in the last hour
        self._failed = 0  # messages in a row that were not heard
        self._resting_until = 0.0
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def takes(self, notice: Notice, done: Callable[[str], None]) -> bool:
        """Whether a message is sent; False: too many were. `done` is told why it was not heard; empty: it was."""
        now = self._now()
        while self._taken and now - self._taken[0] >= _HOUR:
            self._taken.popleft()
        if now < self._resting_until or len(self._taken) >= _MOST_AN_HOUR or self._ending.is_set():
            return False
        try:
            self._jobs.put_nowait((notice, done))
        except queue.Full:
            return False
        self._taken.append(now)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="notify", daemon=True)
            self._thread.start()
        return True

    def end(self) -> None:
        """What is being sent is sent, and is not tried again."""
        self._ending.set()

    @property
    def busy(self) -> bool:
        """Whether a message has not come to its end."""
        return self._jobs.unfinished_tasks > 0

    def _work(self) -> None:
        while True:
            notice, done = self._jobs.get()
            why = self._told(notice)
            self._failed = self._failed + 1 if why else 0
            self._resting_until = self._now() + min(_REST * 2 ** (self._failed - 1), _LONGEST_REST) if why else 0.0
            done(why)
            self._jobs.task_done()

    def _told(self, notice: Notice) -> str:
        why = ""
        for pause in _PAUSES:
            if pause and self._ending.wait(pause):
                break
            try:
                why = self._send(self._url, notice)
            except Unusable as error:
                return f"{error}"
            except Exception as error:  # noqa: BLE001 — a thread that dies tells nobody anything; the text may hold the URL
                why = type(error).__name__
            if not why:
                break
        return why
