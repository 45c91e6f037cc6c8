"""A rollout that ECS gave up is reported and never fought; a commit or a person's word tries again."""

from pathlib import Path

from rehearsal.replaydash_names import BAD_TAG, GOOD_TAG
from tests.end_to_end.world import CLUSTER, SERVICE, WORKER, World, api, eventually, instant, production, world

BAD = ("task_revision: 124", f"image_tag: {BAD_TAG}")


def test_a_rollout_that_ecs_rolled_back_is_stalled_and_written_once(replaydash: World) -> None:
    bad = replaydash.git.commit(api(*BAD))
    daemon = replaydash.daemon(interval=0.5)
    eventually(lambda: daemon.stalled(bad))

    daemon.after_passes(3)
    reason = daemon.resource()["reason"]
    assert daemon.stop() == 0
    again = replaydash.daemon(interval=0.5)
    eventually(lambda: again.stalled(bad))
    again.after_passes(3)

    assert "ECS gave up the rollout of replaydash-production-api:125" in reason
    assert replaydash.writes() == ["RegisterTaskDefinition", "UpdateService"]
    assert replaydash.settled_on("124"), "what ECS returned to keeps running"


def test_the_next_good_commit_converges(replaydash: World) -> None:
    bad = replaydash.git.commit(api(*BAD))
    daemon = replaydash.daemon(interval=0.5)
    eventually(lambda: daemon.stalled(bad))

    good = replaydash.git.commit(api("task_revision: 124", f"image_tag: {GOOD_TAG}"))
    eventually(lambda: daemon.in_sync(good))

    assert replaydash.running()["taskDefinition"]["containerDefinitions"][0]["image"].endswith(f":{GOOD_TAG}")
    assert replaydash.writes() == ["RegisterTaskDefinition", "UpdateService"] * 2


def test_reverting_the_bad_commit_writes_nothing_more(replaydash: World) -> None:
    replaydash.git.commit(api("task_revision: 124"))
    replaydash.git.commit(api(*BAD))
    assert replaydash.once().returncode == 1
    replaydash.aws.clear_calls()

    replaydash.git.revert()

    assert replaydash.once().returncode == 0
    assert replaydash.writes() == []


def test_a_commit_that_changes_something_else_does_not_try_again(replaydash: World) -> None:
    bad = replaydash.git.commit(api(*BAD))
    daemon = replaydash.daemon(interval=0.5)
    eventually(lambda: daemon.stalled(bad))

    other = replaydash.git.commit(production(api=BAD, worker=["task_revision: 57"]))
    eventually(lambda: daemon.environment()["commit"] == other and daemon.condition("worker") == "in_sync")
    daemon.after_passes(2)

    assert daemon.condition() == "stalled"
    assert _updates(replaydash, SERVICE) == 1
    assert _updates(replaydash, WORKER) == 1


def test_a_person_who_sets_restarted_at_tries_again(replaydash: World) -> None:
    replaydash.git.commit(api(*BAD))
    assert replaydash.once().returncode == 1
    replaydash.aws.mark_bad(_image(replaydash), bad=False)
    replaydash.aws.advance(10)

    replaydash.git.commit(api(*BAD, f"restarted_at: {instant(replaydash.aws.now())}"))
    replaydash.aws.advance(3)
    done = replaydash.once()

    assert done.returncode == 0, done.stderr
    assert replaydash.writes() == ["RegisterTaskDefinition", "UpdateService", "UpdateService"]
    assert replaydash.settled_on("125")


def test_without_a_rollback_of_its_own_a_failed_rollout_is_stalled_too(replaydash: World) -> None:
    settings = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    ecs = replaydash.client("ecs")
    ecs.update_service(cluster=CLUSTER, service=SERVICE, deploymentConfiguration=settings)
    eventually(lambda: replaydash.primary()["rolloutState"] == "COMPLETED")
    replaydash.aws.clear_calls()
    bad = replaydash.git.commit(api(*BAD))

    daemon = replaydash.daemon(interval=0.5)
    eventually(lambda: daemon.stalled(bad))
    daemon.after_passes(3)

    assert replaydash.primary()["rolloutState"] == "FAILED"
    assert replaydash.writes() == ["RegisterTaskDefinition", "UpdateService"]
    back = replaydash.git.commit(api("task_revision: 124"))
    eventually(lambda: daemon.in_sync(back))
    assert replaydash.settled_on("124")


def test_a_rollout_past_its_deadline_is_stalled_and_heals_when_it_finishes(tmp_path: Path) -> None:
    with world(tmp_path, rollout=120.0) as slow:
        slow.aws.advance(120.0)
        commit = slow.git.commit(api("task_revision: 123", "progress_deadline: 1m"))
        daemon = slow.daemon(interval=0.5)
        eventually(lambda: daemon.condition() == "progressing")

        slow.aws.advance(90.0)
        eventually(lambda: daemon.stalled(commit))
        assert "longer than its progress_deadline" in daemon.resource()["reason"]
        slow.aws.advance(90.0)
        eventually(lambda: daemon.in_sync(commit))

        assert slow.writes() == ["UpdateService"]


def _updates(world: World, service: str) -> int:
    calls = [call for call in world.aws.calls() if call["operation"] == "UpdateService"]
    return sum(call["summary"]["service"] == service for call in calls)


def _image(world: World) -> str:
    told = world.client("ecs").describe_task_definition(taskDefinition=f"{SERVICE}:125")
    return told["taskDefinition"]["containerDefinitions"][0]["image"]
