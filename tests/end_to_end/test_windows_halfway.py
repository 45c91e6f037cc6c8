"""A window that closes in the middle of a database move: production is not left without tasks until it opens again."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.end_to_end.inside import Inside
from tests.end_to_end.restores import following, pinned, restoring, rotate
from tests.end_to_end.test_quiesce import REST, _until
from tests.end_to_end.world import World, world

AFTER_CLOSING = 3 * 3600.0


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[World]:
    """A world in which a rollout takes long enough for something to happen meanwhile."""
    with world(tmp_path, rollout=4.0, creating=10.0, backing_up=0.0) as made:
        rotate(made)
        yield made


def window(w: World) -> str:
    """It is open now, and for an hour."""
    now = w.aws.now()
    hours = "-".join(f"{now + timedelta(hours=step):%H:%M}" for step in (-1, 1))
    return f'windows: [{{allow: "{hours}"}}]\n'


def moving(w: World, text: str, begins: str) -> Inside:
    """A daemon that has stopped the services for a move that this text asks for."""
    following(w, begins)
    w.git.commit(text)
    run = Inside(w)
    run.loop.poll()
    _until(run, lambda: w.service()["desiredCount"] == 0 and w.service()["runningCount"] <= 1)
    return run


def comes_back(w: World, run: Inside) -> bool:
    for _ in range(60):
        run.wait(max(run.step(), 1.0))
        if w.service()["desiredCount"] > 0:
            return True
    run.wait(31)
    return w.service()["desiredCount"] > 0 or run.step() < 0


def test_a_restart_after_closing_time_brings_the_restore_to_its_end(slow: World) -> None:
    more = window(slow)
    moving(slow, restoring(REST) + more, pinned() + more)
    slow.aws.advance(AFTER_CLOSING)

    again = Inside(slow)
    again.loop.poll()

    assert comes_back(slow, again), again.reasons()


def test_another_commit_after_closing_time_does_not_stop_it_half_way(slow: World) -> None:
    more = window(slow)
    run = moving(slow, restoring(REST) + more, pinned() + more)
    slow.aws.advance(AFTER_CLOSING)

    slow.git.commit(restoring(REST) + more + "limits: {changes_per_pass: 50}\n")
    run.loop.poll()

    assert comes_back(slow, run), run.reasons()


def test_a_window_that_closes_while_tasks_end_does_not_keep_them_away(slow: World) -> None:
    more = window(slow)
    run = moving(slow, pinned(REST, host="other.example.com:5432") + more, pinned(REST) + more)
    slow.aws.advance(AFTER_CLOSING)

    assert comes_back(slow, run), run.reasons()
