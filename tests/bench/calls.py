"""AWS calls of a steady pass, by operation, of the real daemon: counted by AWS, not by trueup.

SIGHUP makes the daemon look at everything once; what AWS logged between that and the next finished pass is the pass.
"""

import signal
from collections import Counter
from collections.abc import Iterable

from tests.bench.production import cluster_sizes, passes, pinned
from tests.bench.table import Figure
from tests.end_to_end.world import World, eventually


def budget(in_clusters: Iterable[int], *, listeners: int = 0, secrets: int = 0, counts: int = 0) -> int:
    """The most calls that a steady pass may make.

    Σ⌈N_c/10⌉ + 1 a listener + 2 a secret + ⌈counts pinned / 50⌉.
    """
    return sum(-(-size // 10) for size in in_clusters) + listeners + 2 * secrets + -(-counts // 50)


def measure(world: World, services: int) -> list[Figure]:
    """Once with services alone, once with a listener and a secret besides."""
    alone = _steady(world, pinned(services))
    most = budget(cluster_sizes(services))
    around = _steady(world, pinned(services, listener_and_secret=True))
    most_around = budget(cluster_sizes(services), listeners=1, secrets=1)
    wrote = sum(_writes(calls) for calls in (alone, around))
    return [
        _figure(f"calls a pass, {services} services", alone, most),
        _figure(f"calls a pass, {services} services, 1 listener, 1 secret", around, most_around),
        Figure(f"writes a steady pass, {services} services", str(wrote), "0", wrote == 0),
    ]


def _steady(world: World, text: str) -> list[dict[str, object]]:
    commit = world.git.commit(text)
    daemon = world.daemon(interval=600.0)
    eventually(lambda: daemon.in_sync(commit), within=60)
    before, _ = passes(daemon)
    world.aws.clear_calls()
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: passes(daemon)[0] > before, within=60)
    made = world.aws.calls()
    daemon.stop()
    return made


def _figure(name: str, calls: list[dict[str, object]], most: int) -> Figure:
    by_operation = Counter(call["operation"] for call in calls)
    told = " + ".join(f"{count} {operation}" for operation, count in by_operation.most_common())
    return Figure(name, f"{len(calls)}: {told}", f"≤ {most}", len(calls) <= most)


def _writes(calls: list[dict[str, object]]) -> int:
    return sum(bool(call["write"]) for call in calls)
