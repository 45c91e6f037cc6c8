"""Fixtures of the end-to-end tests: one world a test, served over HTTP on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.world import World, world


@pytest.fixture
def replaydash(tmp_path: Path) -> Iterator[World]:
    """ReplayDash's production, in sync with nothing pinned yet."""
    with world(tmp_path, rollout=0.4) as made:
        yield made
