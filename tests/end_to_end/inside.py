"""The daemon's own loop inside the test, over HTTP all the same, with a clock that nobody has to wait for."""

import time
from typing import Any

import boto3

from daemon import logs
from daemon.clock import Clock
from daemon.enforcement import Surroundings
from daemon.loop import Loop
from daemon.metrics import Metrics
from daemon.status import GitStatus, Status
from daemon.telling import Telling
from daemon.wiring import Territory
from desired_state.in_force import Source
from desired_state.repository import Repository
from reconcilers.aws import Connection, Place
from tests.end_to_end.world import FILE, World

_SESSION = boto3.Session(region_name="us-east-1")  # with its own for each process, loading it would take half the time
_STEPS = 60  # passes after which it can be said that something never settles


class Killed(BaseException):
    """What kill -9 is to the code that it hits: nothing can catch it and go on."""


class _Mortal(Connection):
    """A connection whose process can be killed at a write."""

    death: "tuple[int, bool] | None" = None  # at which write from now on, counted from 0; after its effect or before

    def _about_to_write(self, **told: Any) -> None:
        super()._about_to_write(**told)
        self._die(after=False)

    def _wrote(self, **told: Any) -> None:
        super()._wrote(**told)
        self._die(after=True)

    def _die(self, *, after: bool) -> None:
        if self.death is None or self.death[1] is not after:
            return
        left, _ = self.death
        self.death = (left - 1, after)
        if not left:
            raise Killed


class Inside:
    """One run of the daemon. Another one on the same world is the daemon started again: it remembers nothing."""

    def __init__(self, world: World, *, timeout: float = 2.0, death: "tuple[int, bool] | None" = None) -> None:
        self.world = world
        self._ahead = 0.0
        logs.configure("critical")
        metrics = Metrics(lambda: Status(git=GitStatus(repository="", branch="", path="")))
        clock = Clock(monotonic=lambda: time.monotonic() + self._ahead)
        repository = Repository(str(world.git.folder), "main", world.folder / "cache-inside")
        source = Source(repository, FILE)
        git = GitStatus(repository="here", branch="main", path=FILE)

        def territory(where: Place) -> Territory:
            connection = _Mortal(where, timeout=timeout)
            connection.death = death
            connection._session = _SESSION
            return Territory(connection, clock.monotonic)

        around = Surroundings(Telling(logs.Journal(), metrics), clock)
        self.loop = Loop(source, git, territory, around, interval=30.0)

    def step(self) -> float:
        """One pass over everything. Returns the seconds until the next one is due."""
        return min(self.loop.look(place) for place in self.loop.places)

    def converge(self) -> None:
        """Poll, then passes at the daemon's own pace until nothing is left to do."""
        self.loop.poll()
        self.settle()

    def settle(self) -> None:
        """Passes at the daemon's own pace until nothing is left to do."""
        for _ in range(_STEPS):
            wait = self.step()
            if not self.loop.unsettled:
                return
            self.wait(wait)
        raise AssertionError(f"not settled after {_STEPS} passes: {self.conditions()}, {self.reasons()}")

    def wait(self, seconds: float) -> None:
        """Let time pass, here and in AWS."""
        self._ahead += seconds
        self.world.aws.advance(seconds)

    def conditions(self) -> dict[str, str]:
        """The condition of every entry, by its name."""
        return {r.name: r.condition.value for e in self.loop.status().environments for r in e.resources}

    def reasons(self) -> dict[str, str]:
        """Why, by the name of the entry."""
        return {r.name: r.reason for e in self.loop.status().environments for r in e.resources}

    def in_sync(self) -> bool:
        """Whether the whole environment is in sync with the newest commit."""
        status = self.loop.status()
        return all(e.in_sync and e.commit == status.git.head for e in status.environments)
