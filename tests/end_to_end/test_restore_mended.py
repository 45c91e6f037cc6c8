"""What once went wrong with a restore, each thing as it was found."""

import pytest

from rehearsal.replaydash_names import DATABASE
from tests.end_to_end.inside import Inside
from tests.end_to_end.restores import (
    at_rest,
    begun,
    committed,
    following,
    operations,
    pinned,
    restoring,
    rotate,
    versions,
)
from tests.end_to_end.world import SECRET, World


def test_backups_and_settings_are_not_asked_for_at_once(slow: World) -> None:
    following(slow)
    run = committed(slow, restoring("backups: {retention_days: 14}", settings=("backup_retention_days: 2",)))
    assert run.in_sync()
    assert {call["code"] for call in operations(slow, "ModifyDBInstance")} == {"200"}


def test_the_plan_of_a_restore_tells_the_secret_version(slow: World) -> None:
    old = next(each["VersionId"] for each in versions(slow))
    rotate(slow)
    following(slow)
    (slow.folder / "v.yaml").write_text(restoring(f"secret_version: {old}"))
    done = slow.trueup("plan", "v.yaml")
    assert "secret_version" in done.stdout


def test_services_come_back_while_a_rotation_holds_the_switch_up(slow: World) -> None:
    following(slow)
    run = begun(slow, restoring("quiesce: [api]"))
    for _ in range(60):
        if slow.service()["desiredCount"] == 0:
            break
        run.wait(max(0.5, run.step()))
    slow.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString="x", VersionStages=["AWSPENDING"])
    for _ in range(30):
        run.wait(max(1.0, run.step()))
    assert run.conditions()["postgres"] == "stalled"
    assert slow.service()["desiredCount"] == 4, run.reasons()


def test_the_snapshots_of_an_instance_that_is_gone_are_listed(slow: World) -> None:
    following(slow)
    rds = slow.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=DATABASE, DeletionProtection=False, ApplyImmediately=True)
    slow.aws.advance(5)
    rds.delete_db_instance(DBInstanceIdentifier=DATABASE, SkipFinalSnapshot=True)
    (slow.folder / "p.yaml").write_text(pinned())
    done = slow.trueup("snapshots", "p.yaml", "postgres")
    assert done.returncode == 0, done.stderr
    assert "before-2024-02-20-migration" in done.stdout


@pytest.mark.parametrize("more", [(), ("quiesce: [api]",)], ids=["plain", "quiesced"])
def test_answers_that_were_lost_are_no_repairs(slow: World, more: tuple[str, ...]) -> None:
    following(slow)
    slow.aws.fault("ecs", "UpdateService", "error", times=3, skip=len(more))
    slow.git.commit(restoring(*more))
    run = Inside(slow)
    for _ in range(10):
        at_rest(run)
    assert run.in_sync(), (run.reasons(), slow.service()["runningCount"])
