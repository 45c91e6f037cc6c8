"""The time of the rehearsal, and how fast things happen in it."""

import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Seconds that AWS takes: for a rollout, and for a database to be created, modified and rebooted.

    `backing_up` is how long the first backup takes; None: a quarter of `creating`.
    """

    rollout: float = 2.0
    creating: float = 3.0
    backing_up: float | None = None
    modifying: float = 1.0
    rebooting: float = 1.0
    task: float = 1.0  # for a task that is run once to start, and as long again for its command


class Clock:
    """Seconds since the epoch. It starts at the true time, goes forward only, and can be advanced."""

    def __init__(self) -> None:
        self._zero = time.time() - time.monotonic()
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._zero + time.monotonic()

    def begin(self, behind: float) -> None:
        """Start anew, `behind` seconds in the past, so that what is made first is old later."""
        with self._lock:
            self._zero = time.time() - time.monotonic() - behind if behind else self._zero

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once."""
        if seconds < 0:
            raise ValueError("the clock of a rehearsal only goes forward")
        with self._lock:
            self._zero += seconds
