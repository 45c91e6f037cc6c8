"""Fixtures of the ECS tests: an AWS on this machine, somebody who works in it, and a process of ours."""

from collections.abc import Iterator

import pytest

from rehearsal.server import Pace, Rehearsal
from tests.reconcilers.ecs_world import ROLLOUT, Process, World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An ECS with one settled service."""
    with Rehearsal(pace=Pace(rollout=ROLLOUT)) as rehearsal:
        monkeypatch.setenv("AWS_ENDPOINT_URL", rehearsal.url)
        yield World(rehearsal)


@pytest.fixture
def process(world: World) -> Process:
    """A process that has just started."""
    return Process()
