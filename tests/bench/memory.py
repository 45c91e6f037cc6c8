"""Memory of the real daemon, and the length of a pass, while it looks at everything again and again."""

import time
from dataclasses import dataclass

import psutil

from tests.bench.production import passes, pinned
from tests.bench.table import Figure
from tests.end_to_end.world import Daemon, World

_INTERVAL = 0.01  # seconds: the next full pass is due when the last one ends, or almost
_WARM = 0.05  # of the passes asked for; by then every answer was parsed many times
_FLAT = 0.03  # growth after warm-up that still counts as flat
_MIB = 2**20


@dataclass(frozen=True)
class _Sample:
    passes: int
    seconds: float  # of all passes together
    resident: int  # bytes


def measure(world: World, services: int, wanted: int, seconds: float) -> list[Figure]:
    """So many passes, or as many as fit into that time."""
    world.git.commit(pinned(services))
    daemon = world.daemon("--log-level", "error", interval=_INTERVAL)
    samples = _sampled(daemon, wanted, seconds)
    daemon.stop()
    warm = next(each for each in samples if each.passes >= min(_WARM * wanted, samples[-1].passes / 2))
    last, most = samples[-1], max(each.resident for each in samples)
    allowed = 96 * _MIB + 8 * 1024 * services
    grown = (last.resident - warm.resident) / warm.resident
    span = f"passes {warm.passes} to {last.passes}" + ("" if last.passes >= wanted else " (time was up)")
    wall = 1000 * (last.seconds - warm.seconds) / max(1, last.passes - warm.passes)
    return [
        Figure(
            f"memory (RSS, highest), {services} services",
            f"{most / _MIB:.1f} MiB",
            f"≤ {allowed / _MIB:.1f} MiB",
            most <= allowed,
        ),
        Figure(
            f"memory growth, {services} services", f"{100 * grown:+.1f} % over {span}", "flat: ≤ 3 %", grown <= _FLAT
        ),
        Figure(f"length of a steady pass, {services} services", f"{wall:.0f} ms (mean of the same passes)"),
    ]


def _sampled(daemon: Daemon, wanted: int, seconds: float) -> list[_Sample]:
    process, end, samples = psutil.Process(daemon.process.pid), time.monotonic() + seconds, []
    while True:
        made, took = passes(daemon)
        samples.append(_Sample(made, took, process.memory_info().rss))
        if made >= wanted or time.monotonic() >= end:
            return samples
        time.sleep(seconds / 50)  # a scrape costs something too
