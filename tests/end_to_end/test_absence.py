"""A missing answer is not a fact until it was seen twice, and empty never means anything to do."""

from tests.end_to_end.inside import Inside
from tests.end_to_end.world import World, api

LONG_AGO = 30 * 86_400.0  # before the service was made: ECS answers `services: []`


def test_one_answer_without_the_service_is_no_fact(replaydash: World) -> None:
    replaydash.git.commit(api("task_revision: 123"))
    replaydash.aws.fault("ecs", "DescribeServices", "stale", seconds=LONG_AGO)
    run = Inside(replaydash)

    run.loop.poll()
    run.step()
    first = run.conditions()["api"]
    run.converge()

    assert first == "retrying"
    assert run.in_sync(), run.reasons()
    assert replaydash.writes() == ["UpdateService"]


def test_two_of_them_stall_without_a_write_and_heal_when_the_service_is_seen_again(replaydash: World) -> None:
    replaydash.git.commit(api("task_revision: 123"))
    replaydash.aws.fault("ecs", "DescribeServices", "stale", times=2, seconds=LONG_AGO)
    run = Inside(replaydash)

    run.converge()
    reason, meanwhile = run.reasons()["api"], replaydash.writes()
    stalled = run.conditions()["api"]
    run.wait(31)
    run.converge()

    assert (stalled, meanwhile) == ("stalled", [])
    assert "has no service replaydash-production-api" in reason
    assert run.in_sync(), run.reasons()
    assert replaydash.writes() == ["UpdateService"]
