"""From `git commit` returning to UpdateService arriving at AWS, by AWS's log; commits are spread over the interval."""

import time
from datetime import datetime
from pathlib import Path
from statistics import median

from tests.bench.production import production
from tests.bench.table import Figure
from tests.end_to_end.world import World, api, eventually

_ROLLOUT = 0.3  # seconds, so that the next run can begin soon


def measure(folder: Path, interval: float, runs: int) -> Figure:
    """The time from a commit to its first write, with this poll interval in seconds."""
    with production(folder, rollout=_ROLLOUT) as world:
        commit = world.git.commit(api("task_revision: 124"))
        daemon = world.daemon(interval=interval)
        eventually(lambda: daemon.in_sync(commit))
        seconds = [_one(world, 123 + run % 2, interval * (run + 0.5) / runs) for run in range(runs)]
    told = f"median {median(seconds):.2f} s, max {max(seconds):.2f} s ({runs} runs)"
    target = interval + 1
    return Figure(
        f"commit → first AWS write, interval {interval:.0f} s", told, f"≤ {target:.0f} s", max(seconds) <= target
    )


def _one(world: World, revision: int, pause: float) -> float:
    time.sleep(pause)
    world.aws.clear_calls()
    ahead = world.aws.ahead()
    commit = world.git.commit(api(f"task_revision: {revision}"))
    committed = time.time()
    written = eventually(lambda: updated_at(world), every=0.05)
    eventually(lambda: world.daemons[0].in_sync(commit), every=0.05)
    return written - ahead - committed


def updated_at(world: World) -> float | None:
    """When the first UpdateService since the last `clear_calls` arrived, by AWS's clock (seconds since the epoch)."""
    arrived = (call["at"] for call in world.aws.calls() if call["operation"] == "UpdateService")
    first = next(arrived, None)
    return None if first is None else datetime.fromisoformat(first).timestamp()
