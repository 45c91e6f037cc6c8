"""What everything is measured on: a rehearsal AWS in a process of its own, a repository, and trueup as a real process.

The rehearsal runs apart so that what it costs shows up in nobody's CPU or memory. It holds the runbook's ReplayDash
production (one listener, one secret, two services) and beside it a fleet of N services with 100 events each.
"""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.end_to_end.world import ALB, HEAD, SECRET, Daemon, Git, World

EVENTS = 100  # a service, as DescribeServices returns them
_ENDPOINT = "replaydash-production-postgres.abc123.us-east-1.rds.amazonaws.com"


class Aws:
    """The rehearsal behind a URL, with the questions that `World` asks of one in this process."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, what: str, **sent: Any) -> Any:
        """A request to the rehearsal's own /rehearsal/<what>."""
        body = json.dumps(sent).encode() if sent else None
        request = urllib.request.Request(f"{self.url}/rehearsal/{what}", method=method, data=body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def calls(self) -> list[dict[str, Any]]:
        return self.ask("GET", "calls")

    def clear_calls(self) -> None:
        self.ask("DELETE", "calls")

    def ahead(self) -> float:
        """Seconds by which its clock is ahead of ours, to a millisecond or two."""
        before = time.time()
        theirs = self.ask("GET", "clock")["now"]
        return theirs - (before + time.time()) / 2


def clusters(services: int) -> int:
    """In how many clusters a fleet of this size lives."""
    return max(1, services // 100)


def cluster_sizes(services: int) -> list[int]:
    """How many services each cluster has."""
    return [len(range(cluster, services, clusters(services))) for cluster in range(clusters(services))]


def pinned(services: int, *, listener_and_secret: bool = False) -> str:
    """The environment file: every service of the fleet by its revision, and if asked a database and maintenance."""
    around = (
        f"databases:\n  postgres: {{secret: {SECRET}, endpoint: {_ENDPOINT}}}\n"
        f"maintenance: {{enabled: false, load_balancer: {ALB}}}\n"
    )
    entries = "".join(_entry(each, clusters(services)) for each in range(services))
    return HEAD + (around if listener_and_secret else "") + "services:\n" + entries


def _entry(number: int, clusters_: int) -> str:
    at = f"cluster: fleet-{number % clusters_:03}, service: service-{number:04}"
    return f"  s{number:04}: {{{at}, task_revision: 2}}\n"


@contextmanager
def production(folder: Path, *, services: int = 0, rollout: float = 1.0) -> Iterator[World]:
    """ReplayDash's production with a fleet beside it, an empty repository, and no daemon yet."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "rehearsal", "--port", "0", "--rollout", str(rollout)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    world = None
    try:
        _, _, url = process.stdout.readline().strip().partition("=")
        assert url, "the rehearsal did not start"  # without an endpoint, trueup would ask the real AWS
        aws = Aws(url)
        if services:
            aws.ask("POST", "fleet", services=services, clusters=clusters(services), events=EVENTS)
        world = World(folder, aws, Git(folder / "repository"))
        yield world
    finally:
        for daemon in world.daemons if world else ():
            if daemon.process.poll() is None:
                daemon.kill()
        process.terminate()
        process.communicate(timeout=20)


def passes(daemon: Daemon) -> tuple[int, float]:
    """How many passes the daemon has made, and how many seconds they took together."""
    values = {}
    for line in daemon.get("/metrics").splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith("trueup_pass_duration_seconds_"):
            values[name.partition("{")[0].rpartition("_")[2]] = float(value)
    return int(values.get("count", 0)), values.get("sum", 0.0)
