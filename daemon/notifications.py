"""Tells people, wherever a file's `notify` says, when its environment changes its condition. Never holds up a pass."""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from daemon.events import Event as Happened
from daemon.notice_text import About, notice
from daemon.notices import MINUTE, Hearing, Past, Sight, TakenBack, past, sight
from daemon.posting import post
from daemon.receiver import Receiver, Send
from daemon.status import EnvironmentStatus
from desired_state.in_force import Standing
from desired_state.model import Environment, Event, Notify
from desired_state.repository import Commit


def _nobody(*_: str) -> None:
    return None


def without_url(environment: Environment, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The variables that a file names for its messages, and that this process does not have."""
    return tuple(dict.fromkeys(each.url_from for each in environment.notify if not environ.get(each.url_from)))


@dataclass
class _Watch:
    """One environment: who listens, and what they can be told of."""

    environment: Environment
    by: Commit | None = None
    listeners: dict[str, Hearing] = field(default_factory=dict)  # by the variable of their URL
    status: EnvironmentStatus | None = None  # of the last pass
    left: str | None = None  # its commit when a newer one came: passes over it may still come to an end


class Notifications:
    """Any thread may tell it something, and none is held up.

    What people are told follows from what is so at the end of a pass, and not from a list of what happened: a message
    that was not heard, or came too soon after another one, is made anew by a later pass if it is still true.
    """

    def __init__(
        self,
        count: Callable[[str, str, str], None] = _nobody,
        trouble: Callable[[str, str], None] = _nobody,
        happened: Iterable[Happened] = (),
        *,
        environ: Mapping[str, str] = os.environ,
        monotonic: Callable[[], float] = time.monotonic,
        send: Send = post,
    ) -> None:
        """`count`: is told environment, event, and sent | failed | dropped | unconfigured. `trouble`: is told the
        variable of a URL, and what is wrong with it. `happened`: what an earlier process saw, oldest first.
        """
        self._count = count
        self._trouble = trouble
        self._environ = environ
        self._now = monotonic
        self._send = send
        self._lock = threading.Lock()
        self._watches: dict[str, _Watch] = {}
        self._receivers: dict[str, Receiver] = {}
        self._troubled: set[str] = set()  # variables whose trouble was told
        self._past = _pasts(happened)

    def followed(self, standing: Standing, *, seen: bool, by: Commit | None) -> None:
        """Another version of a file is in force. `seen`: this process saw it arrive."""
        environment = standing.environment
        name = environment.environment
        with self._lock:
            known = self._watches.get(name)
            watch = self._watches[name] = known or _Watch(environment)
            renewed, watch.environment, watch.by = watch.environment != environment, environment, by
            watch.left = watch.status.commit if watch.status else None
            self._listen(watch, environment.notify)
            before = self._past.pop(name, None)
            for hearing in watch.listeners.values():
                if before:
                    hearing.recall(before, by.oid if by else standing.commit)
                if renewed or (seen and not known):
                    hearing.renew(seen=seen)

    def converged(self, environment: str, seconds: float) -> None:
        """Everything is in sync with a new commit, so long after it was seen; told at the end of the pass."""
        with self._lock:
            for hearing in self._listeners(environment).values():
                hearing.took = seconds

    def reverted(self, environment: str, bad: str, commit: str, to: str) -> None:
        """The services' pins of a bad commit were taken back to those of an earlier one, by this new commit."""
        with self._lock:
            for hearing in self._listeners(environment).values():
                hearing.taken_back = TakenBack(bad, commit, to)
            self._tell(environment)

    def passed(self, status: EnvironmentStatus) -> None:
        """A pass over an environment has ended."""
        with self._lock:
            watch = self._watches.get(status.name)
            if watch is None or watch.left == status.commit:
                return
            watch.status, watch.left = status, None
            self._tell(status.name)

    def gone(self, environment: str) -> None:
        """An environment has left the repository."""
        with self._lock:
            self._watches.pop(environment, None)

    def close(self, within: float = 2.0) -> None:
        """The process ends: messages that are on their way get so many seconds, and no further try."""
        with self._lock:
            receivers = list(self._receivers.values())
        for receiver in receivers:
            receiver.end()
        end = time.monotonic() + within
        while any(receiver.busy for receiver in receivers) and time.monotonic() < end:
            time.sleep(0.02)

    def _listeners(self, environment: str) -> dict[str, Hearing]:
        watch = self._watches.get(environment)
        return watch.listeners if watch else {}

    def _listen(self, watch: _Watch, named: Iterable[Notify]) -> None:
        """Who is named still knows what it knew; several entries with one URL are one listener."""
        wanted: defaultdict[str, set[Event]] = defaultdict(set)
        for each in named:
            wanted[each.url_from] |= {*each.on}
        known, quiet = watch.listeners, self._now() + MINUTE
        watch.listeners = {variable: known.get(variable) or Hearing(quiet) for variable in wanted}
        for variable, on in wanted.items():
            watch.listeners[variable].on = frozenset(on)

    def _tell(self, environment: str) -> None:
        """Give each listener what is due; `_lock` is held."""
        watch = self._watches.get(environment)
        if watch is None or watch.status is None:
            return
        seen, now = sight(watch.status), self._now()
        for variable, hearing in watch.listeners.items():
            event = None if hearing.busy else hearing.due(seen, now)
            if event is not None:
                about = About(watch.status, watch.by, hearing.took, hearing.taken_back, hearing.summed_up(seen))
                self._give(variable, hearing, event, seen, about)

    def _give(self, variable: str, hearing: Hearing, event: Event, seen: Sight, about: About) -> None:
        environment, url = about.status.name, self._environ.get(variable, "").strip()
        if not url:
            hearing.pass_over(event, seen)
            self._count(environment, event.value, "unconfigured")
            self._warn(variable, "the daemon has no such environment variable, so nobody is told; give it one")
            return

        def done(why: str) -> None:
            self._done(variable, hearing, event, seen, environment, why)

        if variable not in self._receivers:
            self._receivers[variable] = Receiver(url, self._send, self._now)
        if self._receivers[variable].takes(notice(event, about), done):
            hearing.begin(event, self._now())
        elif hearing.hold(seen):
            self._count(environment, event.value, "dropped")

    def _done(self, variable: str, hearing: Hearing, event: Event, seen: Sight, environment: str, why: str) -> None:
        """A message has come to its end, in the thread that sent it. `why`: it was not heard; empty: it was."""
        with self._lock:
            hearing.end(event, seen, heard=not why)
            self._count(environment, event.value, "failed" if why else "sent")
            if why:
                self._warn(variable, f"{why}, so nobody was told; it is tried again while there is something to tell")
            else:
                self._troubled.discard(variable)

    def _warn(self, variable: str, what: str) -> None:
        if variable not in self._troubled:
            self._troubled.add(variable)
            self._trouble(variable, what)


def _pasts(happened: Iterable[Happened]) -> dict[str, Past]:
    events: defaultdict[str, list[Happened]] = defaultdict(list)
    for each in happened:
        events[each.environment].append(each)
    found = ((environment, past(each)) for environment, each in events.items())
    return {environment: before for environment, before in found if before}
