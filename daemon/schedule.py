"""When: APScheduler as a thin trigger for polls and passes, and an orderly end."""

import threading
import time
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from daemon.loop import Loop
from reconcilers.aws import Place

# APScheduler drops a run that is a second late by default; here late is better than never, and once is enough.
_JOB = {"misfire_grace_time": None, "coalesce": True}
# A wake-up during a look must be heard (`_again`) and not skipped: `_looking` is what keeps looks apart.
_NEVER_SKIPPED = 1000
# Git has a thread of its own: when every place waits for AWS, a commit is seen all the same.
_THREADS = {"default": 32, "git": 1}
_LAST_READ = 1.0  # seconds that a look may take to end when the process stops
_LAST_WRITE = 10.0  # seconds that a write in flight may take


class Schedule:
    """Polls every interval; a place is looked at when something there is due. One thread for git, one a place."""

    def __init__(self, loop: Loop, interval: float) -> None:
        self._loop = loop
        self._interval = interval
        self._lock = threading.Lock()
        self._due: dict[Place, datetime] = {}  # the next look at each place, while it has not begun
        self._looking: set[Place] = set()
        self._again: set[Place] = set()
        executors = {name: ThreadPoolExecutor(threads) for name, threads in _THREADS.items()}
        self._scheduler = BackgroundScheduler(timezone=UTC, executors=executors, job_defaults=_JOB)

    def start(self) -> None:
        """Poll now and from now on."""
        self._scheduler.add_job(
            self._poll, "interval", seconds=self._interval, next_run_time=_now(), id="poll", executor="git"
        )
        self._scheduler.start()

    def ask_again(self) -> None:
        """Poll and look at everything now."""
        self._loop.ask_again()
        self._scheduler.add_job(self._poll, executor="git")
        for place in self._loop.places:
            self._soon(place, 0.0)

    def stop(self) -> None:
        """Start nothing more and wait for a write that is on its way; reads are not waited for long."""
        # Shut down in the middle of its work, APScheduler dies with a traceback: pause it, and let it come to rest.
        self._scheduler.pause()
        self._scheduler.get_jobs()
        self._scheduler.shutdown(wait=False)
        begun = time.monotonic()
        while self._looking and (took := time.monotonic() - begun) < _LAST_WRITE:
            if took > _LAST_READ and not self._loop.writing:
                return
            time.sleep(0.02)

    def _poll(self) -> None:
        for place in self._loop.poll():
            self._soon(place, 0.0)

    def _look(self, place: Place) -> None:
        with self._lock:
            self._due.pop(place, None)
            if place in self._looking:
                self._again.add(place)
                return
            self._looking.add(place)
        wait = self._interval
        try:
            wait = self._loop.look(place)
        finally:
            with self._lock:
                self._looking.discard(place)
                wait = 0.0 if place in self._again else wait
                self._again.discard(place)
            self._soon(place, wait)

    def _soon(self, place: Place, seconds: float) -> None:
        """Look again after so many seconds, or earlier where that is due already."""
        if place not in self._loop.places or not self._scheduler.running:
            return
        at = _now() + timedelta(seconds=seconds)
        with self._lock:
            if place in self._due and self._due[place] <= at:
                return
            self._due[place] = at
            self._scheduler.add_job(
                self._look,
                "date",
                run_date=at,
                args=[place],
                id=f"{place}",
                replace_existing=True,
                max_instances=_NEVER_SKIPPED,
            )


def _now() -> datetime:
    return datetime.now(UTC)
