"""Fixtures of the rehearsal's own tests: one rehearsal a file, for time in it is advanced and not slept through."""

from collections.abc import Iterator

import pytest

from rehearsal.clock import Pace
from rehearsal.server import Rehearsal
from tests.rehearsal.place import CREATING, ROLLOUT, Aws


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with Rehearsal(pace=Pace(rollout=ROLLOUT, creating=CREATING)) as rehearsal:
        yield Aws(rehearsal)


@pytest.fixture(autouse=True)
def _no_fault_is_left_over(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "aws" in request.fixturenames:
        request.getfixturevalue("aws").rehearsal.clear_faults()
