"""Our CPU of a steady pass, with botocore taken out.

The loop of `trueup run` is built in this process and looks at everything, pass after pass, in one thread. That thread's
CPU time (`time.thread_time`, which counts no waiting and no other thread) is taken around each pass, and around every
call that a boto3 client makes. Taken out is what a call costs, except for our own hooks inside it (the ones that strip
events, read the Date and tell the metrics): those are ours and stay in.

    ours = pass - (calls - our hooks in calls)
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

from daemon import commands
from daemon.cli import parser
from reconcilers import ecs_reads
from reconcilers.aws import Connection
from tests.bench.production import pinned
from tests.bench.table import Figure
from tests.end_to_end.world import FILE, World

_TARGET = 0.5  # milliseconds a service and pass
_HOOKS = (
    (ecs_reads, "_without_events"),
    (ecs_reads.EcsReads, "_inspect"),
    (Connection, "_started"),
    (Connection, "_ended"),
)


@dataclass
class _Spent:
    """CPU seconds of this thread in calls of AWS, and in our hooks inside them."""

    calls: float = 0.0
    hooks: float = 0.0

    def timed(self, what: str, run: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its CPU added to one of the sums."""

        def timed(*positional: Any, **named: Any) -> Any:
            started = time.thread_time()
            try:
                return run(*positional, **named)
            finally:
                setattr(self, what, getattr(self, what) + time.thread_time() - started)

        return timed


def measure(world: World, services: int, passes: int) -> list[Figure]:
    """The median over so many passes."""
    world.git.commit(pinned(services))
    with _stopwatch() as spent:
        ours, whole = _looked(world, spent, passes)
    each, everything = (1000 * median(seconds) / services for seconds in (ours, whole))
    told = f"{each:.3f} ms; with botocore {everything:.2f} ms ({passes} passes)"
    return [Figure(f"our CPU a service and pass, {services} services", told, f"≤ {_TARGET} ms", each <= _TARGET)]


def _looked(world: World, spent: _Spent, passes: int) -> tuple[list[float], list[float]]:
    """CPU seconds of each pass: ours, and all."""
    words = ["run", "--repository", str(world.git.folder), "--path", FILE, "--log-level", "error"]
    # Every look is a full one: each is due as soon as the one before it has begun.
    words += ["--cache", str(world.folder / "cache"), "--interval", "0.000001"]
    with patch.dict("os.environ", AWS_ENDPOINT_URL=world.aws.url):
        loop, _, _ = commands._loop(parser().parse_args(words), threading.Event())
        loop.poll()
        (place,) = loop.places
        for _ in range(2):
            loop.look(place)
        assert all(environment.in_sync for environment in loop.status().environments)
        ours, whole = [], []
        for _ in range(passes):
            before, calls, hooks = time.thread_time(), spent.calls, spent.hooks
            loop.look(place)
            whole.append(time.thread_time() - before)
            ours.append(whole[-1] - (spent.calls - calls) + (spent.hooks - hooks))
    return ours, whole


@contextmanager
def _stopwatch() -> Iterator[_Spent]:
    spent = _Spent()
    with ExitStack() as patches:
        patches.enter_context(
            patch.object(BaseClient, "_make_api_call", spent.timed("calls", BaseClient._make_api_call))
        )
        for owner, name in _HOOKS:
            patches.enter_context(patch.object(owner, name, spent.timed("hooks", getattr(owner, name))))
        yield spent
