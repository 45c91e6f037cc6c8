"""A commit moves production, and a revert moves it back: the real command, real git, the rehearsal AWS."""

from pathlib import Path

from rehearsal.replaydash_names import BAD_TAG
from tests.end_to_end.world import CLUSTER, SERVICE, World, api, eventually, world


def test_a_revision_pin_is_one_update_and_registers_nothing(replaydash: World) -> None:
    daemon = replaydash.following(api("task_revision: 124"))

    commit = replaydash.git.commit(api("task_revision: 123"))
    eventually(lambda: daemon.in_sync(commit))

    assert replaydash.settled_on("123")
    assert replaydash.writes() == ["UpdateService"]


def test_a_revert_takes_production_back(replaydash: World) -> None:
    daemon = replaydash.following(api("task_revision: 124"))
    bad = replaydash.git.commit(api("task_revision: 122"))
    eventually(lambda: daemon.in_sync(bad))
    replaydash.aws.clear_calls()

    back = replaydash.git.revert()
    eventually(lambda: daemon.in_sync(back))

    assert replaydash.settled_on("124")
    assert replaydash.writes() == ["UpdateService"]


def test_a_second_pass_writes_nothing(replaydash: World) -> None:
    replaydash.git.commit(api("task_revision: 123"))
    assert replaydash.once().returncode == 0
    replaydash.aws.clear_calls()

    assert replaydash.once().returncode == 0

    assert replaydash.writes() == []


def test_drift_made_by_hand_is_repaired(replaydash: World) -> None:
    daemon = replaydash.following(api("task_revision: 124"))

    replaydash.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=f"{SERVICE}:121")
    eventually(lambda: replaydash.writes().count("UpdateService") == 2)

    eventually(lambda: replaydash.settled_on("124"))
    assert daemon.metric("trueup_changes_total{") == 1


def test_pin_scale_and_restart_in_one_commit_are_one_update(replaydash: World) -> None:
    before = replaydash.primary()
    at = before["createdAt"].strftime("%Y-%m-%dT%H:%M:%S.999Z")
    replaydash.git.commit(api("task_revision: 123", "desired_count: 2", f"restarted_at: {at}"))

    done = replaydash.once()

    assert done.returncode == 0, done.stderr
    assert replaydash.writes() == ["UpdateService"]
    assert replaydash.service()["desiredCount"] == 2
    assert replaydash.settled_on("123")


def test_a_restart_is_made_once(replaydash: World) -> None:
    before = replaydash.primary()
    at = before["createdAt"].strftime("%Y-%m-%dT%H:%M:%S.999Z")
    replaydash.git.commit(api(f"restarted_at: {at}"))

    assert replaydash.once().returncode == 0
    assert replaydash.once().returncode == 0

    assert replaydash.writes() == ["UpdateService"]
    assert replaydash.primary()["id"] != before["id"]


def test_an_unchanged_head_costs_one_describe_a_pass(replaydash: World) -> None:
    daemon = replaydash.following(api("task_revision: 124"))

    eventually(lambda: len(replaydash.aws.calls()) >= 3)

    assert {call["operation"] for call in replaydash.aws.calls()} == {"DescribeServices"}
    assert daemon.stop() == 0


def test_a_newer_commit_preempts_a_rollout_that_is_stuck(tmp_path: Path) -> None:
    with world(tmp_path, rollout=120.0) as slow:
        slow.aws.advance(120.0)
        daemon = slow.following(api("task_revision: 124"))
        slow.git.commit(api("task_revision: 124", f"image_tag: {BAD_TAG}"))
        eventually(lambda: slow.writes() == ["RegisterTaskDefinition", "UpdateService"])
        eventually(lambda: daemon.condition() == "progressing")

        slow.git.revert()
        eventually(lambda: slow.writes().count("UpdateService") == 2)

        assert slow.primary()["taskDefinition"].endswith(f"{SERVICE}:124")
        slow.aws.advance(120.0)
        eventually(lambda: slow.settled_on("124"))
