"""How long a new commit takes to its first write and until everything is in sync with it."""

from collections.abc import Callable

from daemon.telling import Telling


class Stopwatch:
    """Times one environment's newest commit. What was in force when the process started is not timed."""

    def __init__(self, environment: str, telling: Telling, monotonic: Callable[[], float]) -> None:
        self._environment = environment
        self._telling = telling
        self._now = monotonic
        self._seen: float | None = None  # when the commit was seen; None: nothing is left to time
        self._wrote = False

    def start(self, seen: float) -> None:
        """A commit that changes the environment was seen at this instant."""
        self._seen, self._wrote = seen, False

    def written(self) -> None:
        """Something was asked of AWS."""
        if self._seen is not None and not self._wrote:
            self._wrote = True
            self._telling.first_write(self._environment, self._now() - self._seen)

    def in_sync(self) -> None:
        """Everything is as the commit says."""
        if self._seen is not None:
            self._telling.converged(self._environment, self._now() - self._seen)
            self._seen = None
