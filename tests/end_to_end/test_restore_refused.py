"""What stands against a restore: nothing is written, and the reason says what to do."""

import json

import pytest

from rehearsal.replaydash_names import DATABASE, DATABASE_HOST, SNAPSHOT
from tests.end_to_end.inside import Inside
from tests.end_to_end.restores import (
    INSTANCE,
    RESTORE,
    assert_stalled,
    at_rest,
    begun,
    control,
    following,
    going_back,
    looked,
    operations,
    pass_time,
    pinned,
    put,
    restoring,
)
from tests.end_to_end.world import SECRET, World, instant

FREE = f"{INSTANCE}-2"


# --- the secret


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("hunter2-only", "is not one URL", id="neither JSON nor a URL"),
        pytest.param('{"username": "x", "password": "hunter2-only"}', "neither a key host nor a key url", id="no host"),
        pytest.param(f"postgresql://u:hunter2-only@a,{DATABASE_HOST}/x", "cannot be told", id="two hosts in one URL"),
    ],
)
def test_a_secret_that_cannot_be_read_for_certain_restores_nothing(slow: World, text: str, said: str) -> None:
    put(slow, text)

    run = looked(slow, restoring(api=[]))

    assert_stalled(slow, run, SECRET, said)
    assert "hunter2" not in json.dumps(run.reasons())


def test_a_rotation_under_way_restores_nothing_and_its_end_lets_it_go_on(slow: World) -> None:
    secrets = slow.client("secretsmanager")
    told = secrets.put_secret_value(SecretId=SECRET, SecretString=slow.secret(), VersionStages=["AWSPENDING"])
    slow.aws.clear_calls()

    run = looked(slow, restoring())
    assert_stalled(slow, run, "AWSPENDING", "wait for the rotation to end, or cancel it")
    secrets.update_secret_version_stage(
        SecretId=SECRET, VersionStage="AWSPENDING", RemoveFromVersionId=told["VersionId"]
    )
    at_rest(run)

    assert run.in_sync(), run.reasons()


def test_a_secret_that_is_to_be_deleted_restores_nothing(slow: World) -> None:
    slow.client("secretsmanager").delete_secret(SecretId=SECRET)
    slow.aws.clear_calls()

    run = looked(slow, restoring())

    assert_stalled(slow, run, "scheduled for deletion", "RestoreSecret")


def test_a_secret_that_another_service_manages_restores_nothing(slow: World) -> None:
    secrets = slow.aws._layer.secrets._secrets["us-east-1", SECRET]
    since, secret = secrets[-1]
    secrets[-1] = since, type(secret)(**{**secret.__dict__, "about": {**secret.about, "OwningService": "rds"}})

    run = looked(slow, restoring())

    assert_stalled(slow, run, "managed by rds", "change it there")


# --- what is to be restored


def test_a_snapshot_that_is_not_there(slow: World) -> None:
    run = looked(slow, restoring(snapshot="rds:of-nobody-2024"))

    assert_stalled(slow, run, "no snapshot rds:of-nobody-2024", "trueup snapshots")


def test_a_snapshot_that_failed(slow: World) -> None:
    control(slow, "snapshots/status", name=SNAPSHOT, status="failed")

    run = looked(slow, restoring())

    assert_stalled(slow, run, f"snapshot {SNAPSHOT} is failed", "choose another one")


def test_a_snapshot_that_is_still_being_taken_is_waited_for(slow: World) -> None:
    control(slow, "snapshots/status", name=SNAPSHOT, status="creating")
    run = looked(slow, restoring(), minutes=1)
    waiting = run.conditions()["postgres"], run.reasons()["postgres"], slow.writes()

    control(slow, "snapshots/status", name=SNAPSHOT, status="available")
    at_rest(run)

    assert waiting == ("progressing", f"snapshot {SNAPSHOT} is creating", [])
    assert run.in_sync(), run.reasons()


def test_an_instance_to_be_like_that_is_gone(slow: World) -> None:
    run = looked(slow, restoring(like="replaydash-staging"))

    assert_stalled(slow, run, "no instance replaydash-staging to be like", "subnet_group")


def test_the_past_of_an_instance_that_is_gone_or_keeps_none(slow: World) -> None:
    then = instant(slow.aws.now())

    gone = looked(slow, going_back(then, of="replaydash-staging"))
    assert_stalled(slow, gone, "no instance replaydash-staging", "name a snapshot")
    slow.client("rds").modify_db_instance(DBInstanceIdentifier=DATABASE, BackupRetentionPeriod=0, ApplyImmediately=True)
    slow.aws.advance(5)
    slow.aws.clear_calls()
    kept = looked(slow, going_back(then))

    assert_stalled(slow, kept, "keeps no automated backups", "name a snapshot")


# --- the instance


def _plain(on: World, name: str) -> None:
    """An instance that somebody else made."""
    on.client("rds").create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="somebody",
        MasterUserPassword="somebody-else-1",
    )
    on.aws.advance(60)
    on.aws.clear_calls()


def test_an_instance_of_somebody_else_is_left_alone(slow: World) -> None:
    _plain(slow, INSTANCE)
    _plain(slow, FREE)

    run = looked(slow, restoring())

    assert_stalled(slow, run, "is there already and was not restored by trueup", f"such as {INSTANCE}-3")


def test_an_instance_that_came_from_another_snapshot_is_left_alone(slow: World) -> None:
    following(slow, restoring(name=""))
    other = SNAPSHOT.replace("02-24", "02-25")

    run = looked(slow, restoring(snapshot=other, name=""))

    assert_stalled(slow, run, f"was restored from {SNAPSHOT}, not from {other}", f"such as {FREE}")


def _delete(on: World, name: str) -> None:
    rds = on.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
    on.aws.advance(5)
    rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    on.aws.clear_calls()


def test_what_was_in_use_and_is_gone_is_never_brought_back(slow: World) -> None:
    run = following(slow, restoring())
    _delete(slow, INSTANCE)

    pass_time(run, 10)
    assert_stalled(slow, run, f"instance {INSTANCE} was in use and is gone", f"such as {FREE}", "pin the endpoint")
    again = looked(slow, restoring())

    assert_stalled(slow, again, f"instance {INSTANCE} was in use and is gone")


def test_nor_is_what_only_the_previous_version_of_the_secret_names(slow: World) -> None:
    following(slow, restoring())
    following(slow, pinned())
    _delete(slow, INSTANCE)

    run = looked(slow, restoring())

    assert_stalled(slow, run, f"instance {INSTANCE} was in use and is gone")


_BROKEN = {
    "storage-full": "enlarge it",
    "incompatible-restore": "cannot be restored so",
    "incompatible-network": "subnets",
    "incompatible-parameters": "mend the group",
    "insufficient-capacity": "no capacity",
    "inaccessible-encryption-credentials": "KMS key",
    "restore-error": "could not restore",
    "failed": "cannot be recovered",
    "stopped": "StartDBInstance",
}


def test_a_broken_instance_is_not_published(slow: World) -> None:
    run = _creating(slow)

    for status, said in _BROKEN.items():
        control(slow, "databases/status", instance=INSTANCE, status=status)
        run.wait(31)
        pass_time(run, 1)
        assert_stalled(slow, run, f"instance {INSTANCE} is {status}", said, "restore again under a new name")
    control(slow, "databases/status", instance=INSTANCE, status=None)
    run.wait(31)
    at_rest(run)

    assert run.in_sync(), "and it heals"


def test_a_restore_that_takes_too_long_is_told_and_heals(slow: World) -> None:
    run = _creating(slow)
    control(slow, "databases/status", instance=INSTANCE, status="creating")
    run.wait(7300)
    pass_time(run, 1)

    assert_stalled(slow, run, f"RDS is creating {INSTANCE}", "for 2.0 h", "look at its events")
    control(slow, "databases/status", instance=INSTANCE, status=None)
    run.wait(31)
    at_rest(run)

    assert run.in_sync(), run.reasons()


def _creating(on: World) -> Inside:
    """The loop, while RDS creates the instance."""
    run = begun(on, restoring())
    run.step()
    assert on.writes() == [RESTORE]
    on.aws.clear_calls()
    return run


@pytest.mark.parametrize("status", ["available", "backing-up"])
def test_an_instance_without_an_endpoint_is_not_published(slow: World, status: str) -> None:
    run = _creating(slow)
    control(slow, "databases/endpoint", instance=INSTANCE, shown=False)
    slow.aws.advance(10)
    control(slow, "databases/status", instance=INSTANCE, status=status)

    pass_time(run, 3)
    assert_stalled(slow, run, f"as {status} and without an endpoint", "nothing is published")
    control(slow, "databases/endpoint", instance=INSTANCE, shown=True)
    control(slow, "databases/status", instance=INSTANCE, status=None)
    pass_time(run, 2)

    assert run.in_sync(), run.reasons()


def test_a_quota_that_is_used_up_is_asked_once(slow: World) -> None:
    control(slow, "databases/quota", instances=1)

    run = looked(slow, restoring(), minutes=30)
    assert_stalled(slow, run, "InstanceQuotaExceeded", "raise the quota", "SIGHUP")
    assert len(operations(slow, RESTORE)) == 1
    control(slow, "databases/quota", instances=2)
    run.loop.ask_again()
    at_rest(run)

    assert run.in_sync(), run.reasons()


def test_missing_capacity_is_asked_for_again_and_slowly(slow: World) -> None:
    slow.aws.fault("rds", RESTORE, "capacity", times=1000)

    run = looked(slow, restoring(), minutes=10)
    asked = len(operations(slow, RESTORE))
    condition, reason = run.conditions()["postgres"], run.reasons()["postgres"]
    slow.aws.clear_faults()
    pass_time(run, 3)

    assert 8 <= asked <= 30
    assert (condition, "InsufficientDBInstanceCapacity" in reason) == ("retrying", True)
    assert run.in_sync(), run.reasons()
    assert slow.writes().count(RESTORE) == 1
