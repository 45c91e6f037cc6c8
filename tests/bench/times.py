"""Cold start, end and scrape of the real daemon: its imports compiled, its copy of the repository not yet made."""

import os
import random
import select
import shutil
import time
import urllib.error
from collections.abc import Callable
from statistics import median

from tests.bench.production import pinned
from tests.bench.table import Figure
from tests.end_to_end.world import Daemon, World

_INTERVAL = 0.2  # seconds, so that SIGTERM finds the daemon in the middle of a pass, mostly
_LISTEN, _READY, _EXIT = 2.0, 5.0, 3.0  # targets, seconds


def measure(world: World, services: int, runs: int) -> list[Figure]:
    """So many starts, each ended by a SIGTERM somewhere in its next second; and ten scrapes of the last one."""
    starts, exits = [], []
    world.git.commit(pinned(services))
    _start(world)[0].kill()  # compiles what is not compiled yet
    for run in range(runs):
        daemon, listening, ready = _start(world)
        starts.append((listening, ready))
        if run == runs - 1:
            scrapes = [_scraped(daemon) for _ in range(10)]
        time.sleep(random.uniform(0.2, 1.2))
        exits.append(_stopped(daemon))
    listening, ready = (list(seconds) for seconds in zip(*starts, strict=True))
    return [
        _against(f"process start → listening, {services} services", listening, _LISTEN),
        _against(f"process start → ready (first pass done), {services} services", ready, _READY),
        _against(f"SIGTERM → exit, {services} services", exits, _EXIT),
        _scrape(services, scrapes),
    ]


def _start(world: World) -> tuple[Daemon, float, float]:
    """A daemon, and the seconds until it answered and until its first pass was done."""
    shutil.rmtree(world.folder / "cache", ignore_errors=True)
    started = time.perf_counter()
    daemon = world.daemon(interval=_INTERVAL, ready=False)
    listening = _until(started, lambda: _answers(daemon, "/healthz"))
    return daemon, listening, _until(started, lambda: _answers(daemon, "/readyz"))


def _until(started: float, claim: Callable[[], bool]) -> float:
    while not claim():
        assert time.perf_counter() - started < 60, "the daemon did not come up within a minute"
        time.sleep(0.005)
    return time.perf_counter() - started


def _answers(daemon: Daemon, path: str) -> bool:
    try:
        daemon.get(path)
    except (urllib.error.URLError, ConnectionError):
        return False
    return True


def _stopped(daemon: Daemon) -> float:
    """SIGTERM; seconds until the process is gone. Waiting for the process itself is exact, polling for it is not."""
    watched = os.pidfd_open(daemon.process.pid)
    started = time.perf_counter()
    daemon.process.terminate()
    gone, _, _ = select.select([watched], [], [], 30)
    seconds = time.perf_counter() - started
    os.close(watched)
    assert gone, "the daemon did not end within 30 s"
    assert daemon.process.wait(5) == 0, daemon.printed()
    return seconds


def _scraped(daemon: Daemon) -> tuple[float, int]:
    """Seconds and bytes."""
    started = time.perf_counter()
    text = daemon.get("/metrics")
    return time.perf_counter() - started, len(text.encode())


def _scrape(services: int, scrapes: list[tuple[float, int]]) -> Figure:
    seconds, size = median(each for each, _ in scrapes), scrapes[-1][1]
    busiest = max(each for each, _ in scrapes)
    told = f"{1000 * seconds:.0f} ms (max {1000 * busiest:.0f}), {size / 1024:.0f} KiB, while passes go on"
    return Figure(f"GET /metrics, {services} services", told)


def _against(name: str, seconds: list[float], target: float) -> Figure:
    told = f"median {median(seconds):.2f} s, max {max(seconds):.2f} s ({len(seconds)} runs)"
    return Figure(name, told, f"≤ {target:.0f} s", max(seconds) <= target)
