"""`python -m tests.bench`: measures the numbers of trueup's design, prints them as Markdown and keeps them.

Counts and ratios hold anywhere; times hold for the machine that the table names. `--quick` leaves out the large fleet
and most repetitions, to see that everything still runs.
"""

import argparse
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import calls, cpu, first_write, memory, side_by_side, table, times
from tests.bench.production import production
from tests.conftest import pytest_configure as loopback_only

_CALLS = (
    "counted by AWS; every service is pinned by revision and carries 100 events; 1 cluster for every 100 services",
    "allowed: the sum of ⌈services of a cluster / 10⌉, 1 a listener, 2 a secret; the design grants 106 at 1,000",
)
_CPU = "thread CPU of a pass in this process, without what boto3's calls cost, but with our own hooks inside them"
_MEMORY = "of the real daemon, passing again and again without a pause, scraped about once a second"
_TIMES = "the commits are made while the methods below run, by AWS's own log of calls"
_RESULTS = Path(__file__).parents[2] / "bench-results"


@dataclass(frozen=True)
class _Fleet:
    """How much is measured with a fleet of this size."""

    services: int
    cpu_passes: int
    memory_passes: int
    memory_seconds: float  # at most
    starts: int = 0


@dataclass(frozen=True)
class _Size:
    """How much is measured."""

    fleets: tuple[_Fleet, ...]
    intervals: tuple[float, ...]
    commits: int
    rounds: int


_FULL = _Size(
    fleets=(_Fleet(10, 200, 1000, 40.0, 5), _Fleet(100, 50, 1000, 60.0), _Fleet(1000, 10, 1000, 480.0, 5)),
    intervals=(1.0, 5.0),
    commits=10,
    rounds=3,
)
_QUICK = _Size(fleets=(_Fleet(10, 20, 50, 5.0, 2),), intervals=(1.0,), commits=2, rounds=1)


def main() -> int:
    """Measure, print, keep. The exit code tells that it ran; whether a target was met stands in the table."""
    chosen = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    chosen.add_argument("--quick", action="store_true", help="a smoke run of about a minute")
    size = _QUICK if chosen.parse_args().quick else _FULL
    loopback_only()
    os.environ.pop("PYTHONDONTWRITEBYTECODE")  # a cold start is measured with its imports compiled
    started, load = datetime.now(UTC), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="trueup-bench-") as folder:
        sections = _measured(Path(folder), size)
    document = table.markdown(sections, table.about(started, load))
    _RESULTS.mkdir(exist_ok=True)
    kept = _RESULTS / f"{started:%Y-%m-%dT%H%M%SZ}.md"
    kept.write_text(document)
    sys.stdout.write(f"{document}\nkept in {kept}\n")
    return 0


def _measured(folder: Path, size: _Size) -> list[table.Section]:
    counted, spent, held, timed = [], [], [], []
    for fleet in size.fleets:
        _say(f"a fleet of {fleet.services}")
        with production(folder / f"fleet-{fleet.services}", services=fleet.services) as world:
            counted += calls.measure(world, fleet.services)
            spent += cpu.measure(world, fleet.services, fleet.cpu_passes)
            held += memory.measure(world, fleet.services, fleet.memory_passes, fleet.memory_seconds)
            timed += times.measure(world, fleet.services, fleet.starts) if fleet.starts else []
    _say("commits, and methods side by side")
    # A daemon that waits for its next poll disturbs nobody: its commits are made beside the other runs.
    with ThreadPoolExecutor() as beside:
        wrote = [
            beside.submit(first_write.measure, folder / f"write-{interval}", interval, size.commits)
            for interval in size.intervals
        ]
        compared = side_by_side.measure(folder / "side-by-side", size.rounds)
        timed += [each.result() for each in wrote]
    return [
        table.figures("AWS calls in a steady pass", counted, *_CALLS),
        table.figures("CPU", spent, _CPU),
        table.figures("Memory and length of a pass", held, _MEMORY),
        table.figures("Times", timed, _TIMES),
        *compared,
    ]


def _say(what: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} measuring {what}\n")


if __name__ == "__main__":
    sys.exit(main())
