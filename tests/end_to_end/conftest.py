"""Fixtures of the end-to-end tests: one world a test, served over HTTP on loopback."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.world import World, world

# botocore and moto fill the heap with what is never let go of: looking through it so often took a third of the time.
gc.set_threshold(50_000)


@pytest.fixture
def replaydash(tmp_path: Path) -> Iterator[World]:
    """ReplayDash's production, in sync with nothing pinned yet."""
    with world(tmp_path, rollout=0.4) as made:
        yield made


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[World]:
    """The same, in an AWS that takes ten seconds to create an instance and none to back it up."""
    with world(tmp_path, rollout=0.4, creating=10.0, backing_up=0.0) as made:
        yield made
