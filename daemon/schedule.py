"""When: APScheduler as a thin trigger for polls and passes, and an orderly end."""

import threading
import time
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from daemon.loop import Loop
from reconcilers.aws import Place

# APScheduler knows only the time of day, which may be set back by an hour. It is never told a time to wait for: what is
# due by the monotonic clock is handed to it as overdue, and it runs that at once.
_OVERDUE = datetime.fromtimestamp(0, UTC)
# APScheduler drops a run that is a second late by default; here late is better than never, and once is enough.
_JOB = {"misfire_grace_time": None, "coalesce": True}
# Git has a thread of its own: when every place waits for AWS, a commit is seen all the same.
_THREADS = {"default": 32, "git": 1}
_LAST_READ = 1.0  # seconds that a look may take to end when the process stops
_LAST_WRITE = 10.0  # seconds that a write in flight may take


What = Place | None  # a look at a place, or a poll


class Schedule:
    """Polls every interval; a place is looked at when something there is due. One thread for git, one a place."""

    def __init__(self, loop: Loop, interval: float) -> None:
        self._loop = loop
        self._interval = interval
        self._changed = threading.Condition()  # guards what follows
        self._due: dict[What, float] = {}  # the next poll, and the next look at each place: monotonic seconds
        self._busy: set[What] = set()  # what has been handed over and has not ended
        self._stopped = False
        self._timer = threading.Thread(target=self._keep_time, name="timer", daemon=True)
        executors = {name: ThreadPoolExecutor(threads) for name, threads in _THREADS.items()}
        self._scheduler = BackgroundScheduler(timezone=UTC, executors=executors, job_defaults=_JOB)

    def start(self) -> None:
        """Poll now and from now on."""
        self._scheduler.start()
        self._soon(None, 0.0)
        self._timer.start()

    def ask_again(self) -> None:
        """Poll and look at everything now."""
        self._loop.ask_again()
        self._soon(None, 0.0)
        for place in self._loop.places:
            self._soon(place, 0.0)

    def stop(self) -> None:
        """Start nothing more and wait for a write that is on its way; reads are not waited for long."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._timer.join()
        # Shut down in the middle of its work, APScheduler dies with a traceback: pause it, and let it come to rest.
        self._scheduler.pause()
        self._scheduler.get_jobs()
        self._scheduler.shutdown(wait=False)
        begun = time.monotonic()
        while self._busy - {None} and (took := time.monotonic() - begun) < _LAST_WRITE:
            if took > _LAST_READ and not self._loop.writing:
                return
            time.sleep(0.02)

    def _keep_time(self) -> None:
        with self._changed:
            while not self._stopped:
                for what in [what for what in self._due if what not in self._busy]:
                    if self._due[what] <= time.monotonic():
                        self._hand_over(what)
                waiting = [at for what, at in self._due.items() if what not in self._busy]
                self._changed.wait(max(0.0, min(waiting) - time.monotonic()) if waiting else None)

    def _hand_over(self, what: What) -> None:
        """What becomes due again while it is busy stays due, and begins when it has ended."""
        at = self._due.pop(what)
        if what is None:  # polls keep their beat, however long one takes to begin
            self._due[what] = max(at + self._interval, time.monotonic())
        self._busy.add(what)
        executor = "git" if what is None else "default"
        self._scheduler.add_job(self._run, "date", run_date=_OVERDUE, args=[what], executor=executor)

    def _run(self, what: What) -> None:
        wait = self._interval
        try:
            if what is not None:
                wait = self._loop.look(what)
                if self._loop.wants_poll:
                    self._soon(None, 0.0)
            else:
                self._poll()
        finally:
            with self._changed:
                self._busy.discard(what)
            self._soon(what, wait)

    def _poll(self) -> None:
        for place in self._loop.poll():
            self._soon(place, 0.0)

    def _soon(self, what: What, seconds: float) -> None:
        """Begin it after so many seconds, or earlier where it is due already."""
        if what is not None and what not in self._loop.places:
            return
        at = time.monotonic() + seconds
        with self._changed:
            self._due[what] = min(at, self._due.get(what, at))
            self._changed.notify()
