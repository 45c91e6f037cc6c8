"""The process killed, or told to stop, at every write of a combined change: the next start ends what it began."""

import time

import pytest

from tests.end_to_end.combined import BEFORE, WRITES, after, assert_enacted, effects, revisions, versions
from tests.end_to_end.inside import Inside
from tests.end_to_end.world import Daemon, World, eventually

SERVICES = {"CreateRule": "elbv2", "PutSecretValue": "secretsmanager"}


def test_undisturbed_the_change_makes_these_writes(replaydash: World) -> None:
    before = _begin(replaydash)

    done = replaydash.once()

    assert done.returncode == 0, done.stderr
    assert tuple(replaydash.writes()) == WRITES
    assert (versions(replaydash), revisions(replaydash)) == (2, 125)
    assert_enacted(replaydash, before)


@pytest.mark.parametrize("effect", ["hang_before", "hang_after"], ids=["before its effect", "after its effect"])
@pytest.mark.parametrize("operation", WRITES)
def test_killed_at_a_write_the_next_start_converges(replaydash: World, operation: str, effect: str) -> None:
    before = _begin(replaydash)
    daemon = _held_at(replaydash, operation, effect, seconds=20.0)

    daemon.kill()
    done = replaydash.once()

    assert done.returncode == 0, done.stderr
    assert effects(replaydash) == dict.fromkeys(WRITES, 1), "nothing was made twice"
    assert (versions(replaydash), revisions(replaydash)) == (2, 125)
    assert_enacted(replaydash, before)


@pytest.mark.parametrize("operation", WRITES)
def test_told_to_stop_at_a_write_it_ends_that_call_and_begins_no_other(replaydash: World, operation: str) -> None:
    before = _begin(replaydash)
    daemon = _held_at(replaydash, operation, "hang_after", seconds=0.7)

    begun = time.monotonic()
    code = daemon.stop()
    took = time.monotonic() - begun

    assert (code, took < 3.7) == (0, True), f"{took:.1f} s"
    assert tuple(replaydash.writes()) == WRITES[: WRITES.index(operation) + 1]
    assert '"stopped"' in daemon.printed()
    assert replaydash.once().returncode == 0
    assert effects(replaydash) == dict.fromkeys(WRITES, 1)
    assert_enacted(replaydash, before)


def _begin(world: World) -> str:
    """In sync with the file before the change, which is committed and not yet seen. Returns the secret."""
    world.git.commit(BEFORE)
    run = Inside(world)
    run.converge()
    assert run.in_sync(), run.reasons()
    secret = world.secret()
    world.git.commit(after())
    world.aws.clear_calls()
    return secret


def _held_at(world: World, operation: str, effect: str, seconds: float) -> Daemon:
    """A daemon whose call of this operation has gone out and has no answer yet."""
    world.aws.fault(SERVICES.get(operation, "ecs"), operation, effect, seconds=seconds)
    daemon = world.daemon("--aws-timeout", "10", ready=False)
    eventually(lambda: any(call["operation"] == operation and call["code"] for call in world.aws.calls()), every=0.02)
    return daemon
