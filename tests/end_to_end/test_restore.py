"""The database rollback: one commit leads production to a restored database, and its revert leads it back."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rehearsal.replaydash_names import DATABASE, MANUAL_SNAPSHOT, PASSWORD, SNAPSHOT, USER
from tests.end_to_end.inside import Inside
from tests.end_to_end.restores import (
    FIT,
    INSTANCE,
    RESTORE,
    REVERTED,
    address,
    assert_led_to,
    at_rest,
    committed,
    control,
    document,
    following,
    going_back,
    logs_in,
    operations,
    pinned,
    put,
    restoring,
    rotate,
    shown,
    tags,
)
from tests.end_to_end.world import (
    CLUSTER,
    ENVIRONMENT,
    FILE,
    SERVICE,
    WORKER,
    Daemon,
    World,
    eventually,
    instant,
    world,
)

BOTH: dict[str, Any] = {"api": ["task_revision: 124", "databases: [postgres]"], "worker": ["task_revision: 57"]}
CREATING = 10.0


# --- the whole story, by real processes


def test_one_commit_leads_production_to_the_restored_database_and_its_revert_leads_it_back(tmp_path: Path) -> None:
    with world(tmp_path, rollout=0.3, creating=5.0, backing_up=0.3, modifying=0.2) as here:
        rotate(here)
        before, heard = here.secret(), list[str]()
        daemon = here.following(pinned(**BOTH), interval=0.5)
        there = here.git.commit(restoring(**BOTH), "Restore the database")
        daemon = _restarted_while_creating(here, daemon, heard)
        _lets_in_when_it_is_published(here)
        eventually(lambda: daemon.in_sync(there))
        _assert_made_once(here)
        assert_led_to(here, before)

        heard += _pages(here, daemon)
        here.aws.clear_calls()
        back = here.git.revert()
        eventually(lambda: daemon.in_sync(back))
        assert tuple(here.writes()) == REVERTED
        assert_led_to(here, before, DATABASE)
        assert shown(here)["DBInstanceStatus"] == "available", "it stays"
        assert daemon.stop() == 0
        _assert_kept_to_itself([*heard, *_pages(here), *(each.printed() for each in here.daemons)])


def _restarted_while_creating(here: World, daemon: Daemon, heard: list[str]) -> Daemon:
    """Killed and started again while RDS creates; what needs no database goes on meanwhile."""
    eventually(lambda: "creating" in daemon.resource("postgres").get("reason", ""))
    assert here.writes() == [RESTORE]
    condition = f'trueup_resource_condition{{condition="progressing",environment="{ENVIRONMENT}",kind="database"'
    assert daemon.metric(condition) == 1
    heard += _pages(here, daemon)
    daemon.kill()
    here.client("ecs").update_service(cluster=CLUSTER, service=WORKER, taskDefinition=f"{WORKER}:58")
    again = here.daemon("--log-level", "debug", interval=0.5)
    eventually(lambda: here.primary(WORKER)["taskDefinition"].endswith(":57"))
    assert "Endpoint" not in shown(here), "RDS is still creating"
    heard += _said(here)
    return again


def _lets_in_when_it_is_published(here: World) -> None:
    """At the moment at which the secret is written, its user and password open the new database."""
    here.aws.fault("secretsmanager", "PutSecretValue", "hang_after", seconds=0.7)
    eventually(lambda: operations(here, "PutSecretValue"), every=0.05)
    assert logs_in(here)
    assert not here.aws.login(INSTANCE, USER, PASSWORD), "the password of the snapshot's time opens nothing"
    made = [(call["operation"], call["summary"].get("service")) for call in here.aws.calls()]
    before = made[: made.index(("PutSecretValue", None))]
    assert ("UpdateService", SERVICE) not in before


def _assert_made_once(here: World) -> None:
    made = [
        call["operation"] for call in here.aws.calls() if call["write"] and call["summary"].get("service") != WORKER
    ]
    once = [write for write in made if write not in ("ModifyDBInstance", "AddTagsToResource")]
    assert once == [RESTORE, "PutSecretValue", "ChangeResourceRecordSets", "UpdateService"]
    assert (shown(here)["MaxAllocatedStorage"], "trueup:verified" in tags(here)) == (500, True)


def _pages(here: World, *daemons: Daemon) -> list[str]:
    """What can be read of a daemon, with which words it was started, and what the log of all calls kept."""
    pages = [page for each in daemons for page in (each.get("/metrics"), each.get("/api/v1/status"))]
    words = [Path(f"/proc/{each.process.pid}/cmdline").read_text() for each in daemons]
    return [*pages, *words, json.dumps(here.aws.calls())]


def _said(here: World) -> list[str]:
    """What the commands of a person say."""
    words = ("--repository", str(here.git.folder), "--path", FILE)
    told = [here.trueup("plan", *words, "--output", form) for form in ("text", "json", "markdown")]
    told += [here.trueup("snapshots", ENVIRONMENT, "postgres", *words, "--output", "json")]
    return [f"{each.stdout}{each.stderr}" for each in told]


def _assert_kept_to_itself(heard: list[str]) -> None:
    said = "\n".join(heard)
    for part in ("set_password", "creating", "publish", "point_name", "MasterUserPassword", SNAPSHOT):
        assert part in said, part
    for secret in (PASSWORD, FIT):
        coded = base64.b64encode(secret.encode()).decode().rstrip("=")
        forms = (secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1], coded)
        assert [form for form in forms if form in said] == []
    assert "Traceback" not in said


def test_it_counts_as_in_sync_only_once_the_tasks_are_replaced(slow: World) -> None:
    """With half a minute between two looks at everything, as `run --once` has it."""
    following(slow)
    before = slow.secret()
    slow.git.commit(restoring())
    run = Inside(slow)

    run.converge()

    assert run.in_sync(), run.reasons()
    assert_led_to(slow, before)


# --- what it is made from


def test_to_a_point_in_time(slow: World) -> None:
    rotate(slow)
    following(slow)
    before, then = slow.secret(), slow.aws.now() - timedelta(hours=3)

    run = committed(slow, going_back(instant(then)))

    assert run.in_sync(), run.reasons()
    assert slow.writes()[0] == "RestoreDBInstanceToPointInTime"
    assert operations(slow, "RestoreDBInstanceToPointInTime")[0]["summary"]["RestoreTime"][:19] == f"{then:%FT%T}"
    assert tags(slow)["trueup:restored-from"] == f"{DATABASE} at {then:%FT%TZ}"
    assert_led_to(slow, before)


def test_to_a_point_in_time_that_rds_cannot_restore_yet_is_waited_for(slow: World) -> None:
    following(slow)
    then = slow.aws.now() - timedelta(seconds=240)  # RDS is five minutes behind

    slow.git.commit(going_back(instant(then)))
    run = Inside(slow)
    run.loop.poll()
    run.step()
    waiting = run.conditions()["postgres"], slow.writes()
    at_rest(run)

    assert waiting == ("progressing", [])
    assert run.in_sync(), run.reasons()
    assert len(operations(slow, "RestoreDBInstanceToPointInTime")) == 1


def test_from_a_manual_snapshot_and_from_one_that_another_account_shares(slow: World) -> None:
    at = (slow.aws.now() - timedelta(days=3)).isoformat()
    control(slow, "snapshots", region="us-east-1", instance=DATABASE, name="theirs", at=at, owner="210987654321")
    following(slow)
    before, was = slow.secret(), DATABASE

    for name, snapshot in (("mine", MANUAL_SNAPSHOT), ("theirs", "arn:aws:rds:us-east-1:210987654321:snapshot:theirs")):
        run = committed(slow, restoring(snapshot=snapshot, instance=name))

        assert run.in_sync(), run.reasons()
        assert tags(slow, name)["trueup:restored-from"] == snapshot
        assert_led_to(slow, before.replace(address(DATABASE), address(was)), name, was)
        was = name
    assert slow.writes().count(RESTORE) == 2


# --- how it is published


def test_a_secret_that_is_one_url_keeps_everything_but_host_and_port(slow: World) -> None:
    rotate(slow)
    put(slow, json.loads(document(FIT))["url"] + "&sslmode=require")
    following(slow)
    before = slow.secret()

    run = committed(slow, restoring(settings=("port: 6432",)))

    assert run.in_sync(), run.reasons()
    assert slow.secret() == before.replace(f"{address(DATABASE)}:5432", f"{address()}:6432")
    assert slow.aws.login(INSTANCE, USER, FIT)


def test_a_first_backup_that_takes_hours_holds_nothing_up_where_the_password_fits(slow: World) -> None:
    """The secret's user is not the master, and its password is that of the snapshot's time."""
    following(slow, pinned(name=""))
    control(slow, "databases/roles", instance=DATABASE, user="app", password="the-same-as-ever")
    put(slow, document("the-same-as-ever", "app"))
    slow.aws.advance(60)
    slow.client("rds").create_db_snapshot(DBInstanceIdentifier=DATABASE, DBSnapshotIdentifier="mine")
    slow.aws.advance(60)
    following(slow)

    slow.git.commit(restoring(snapshot="mine"))
    run = Inside(slow)
    run.loop.poll()
    while RESTORE not in slow.writes():
        run.wait(run.step())
    run.wait(CREATING)
    control(slow, "databases/status", instance=INSTANCE, status="backing-up")
    at_rest(run)
    published = run.in_sync(), json.loads(slow.secret())["host"], logs_in(slow), "MaxAllocatedStorage" in shown(slow)
    control(slow, "databases/status", instance=INSTANCE, status=None)
    run.wait(31)
    at_rest(run)

    assert published == (True, address(), True, False)
    assert (run.in_sync(), shown(slow)["MaxAllocatedStorage"]) == (True, 500)
    assert operations(slow, "ModifyDBInstance")[-1]["code"] == "200"
    assert len(operations(slow, "ModifyDBInstance")) == 1, "nothing is asked of it while RDS takes no change"


def test_a_first_backup_delays_the_master_password_and_so_the_publishing(tmp_path: Path) -> None:
    with world(tmp_path, rollout=0.4, creating=CREATING, backing_up=600.0) as here:
        rotate(here)
        following(here)
        before = here.secret()
        here.git.commit(restoring())
        run = Inside(here)
        run.loop.poll()
        for _ in range(60):
            run.wait(run.step())
            if "PutSecretValue" in here.writes():
                break
        at_rest(run)

        assert run.in_sync(), run.reasons()
        assert_led_to(here, before)


def test_a_password_that_rds_does_not_take_is_told_while_it_creates_and_stalls(slow: World) -> None:
    following(slow)
    put(slow, document("with/a slash"))
    slow.git.commit(restoring())
    run = Inside(slow)
    run.loop.poll()
    run.step()
    advice = [each for r in run.loop.status().environments[0].resources for each in r.advice]

    at_rest(run)

    assert [each.type for each in advice] == ["password_unfit"]
    assert run.conditions()["postgres"] == "stalled"
    assert "PutSecretValue" not in slow.writes()
    assert len(operations(slow, "ModifyDBInstance")) == 1
    assert "with/a slash" not in f"{advice}{run.reasons()}"


def test_there_and_back_between_restores_makes_no_new_one_and_sets_the_password_again(slow: World) -> None:
    following(slow)
    first = committed(slow, restoring(instance="b"))
    assert first.in_sync(), first.reasons()
    committed(slow, restoring(instance="c", snapshot=MANUAL_SNAPSHOT))
    rotate_in_use(slow, "c")
    before = slow.secret()
    slow.aws.clear_calls()

    slow.git.revert()
    run = at_rest(Inside(slow))

    assert run.in_sync(), run.reasons()
    assert slow.writes() == ["ModifyDBInstance", "AddTagsToResource", *REVERTED]
    assert_led_to(slow, before, "b", "c")


def rotate_in_use(on: World, instance: str) -> None:
    """The password of the instance in use and of the secret is another one from now on."""
    on.client("rds").modify_db_instance(DBInstanceIdentifier=instance, MasterUserPassword=FIT, ApplyImmediately=True)
    on.aws.advance(5)
    put(on, document(FIT, host=address(instance)))
    at_rest(Inside(on))


# --- its backups


def test_backups_of_the_instance_in_use_are_kept_for_as_long_as_the_file_says(slow: World) -> None:
    run = following(slow)
    _keep(slow, DATABASE, 3)

    slow.git.commit(pinned("backups: {retention_days: 14}"))
    at_rest(run)
    there = slow.writes(), shown(slow, DATABASE)["BackupRetentionPeriod"]
    slow.git.commit(pinned("backups: {retention_days: 7}"))
    at_rest(run)

    assert there == (["ModifyDBInstance"], 14)
    assert shown(slow, DATABASE)["BackupRetentionPeriod"] == 14, "more is no drift"
    assert run.in_sync(), run.reasons()


def test_backups_of_a_restored_instance_are_kept_for_as_long_as_the_file_says(slow: World) -> None:
    following(slow)

    run = committed(slow, restoring("backups: {retention_days: 14}", settings=("backup_retention_days: 2",)))

    assert run.in_sync(), run.reasons()
    assert shown(slow)["BackupRetentionPeriod"] == 14
    slow.aws.clear_calls()
    run.wait(31)
    at_rest(run)
    assert slow.writes() == [], "and it rests"


def _keep(on: World, instance: str, days: int) -> None:
    on.client("rds").modify_db_instance(
        DBInstanceIdentifier=instance, BackupRetentionPeriod=days, ApplyImmediately=True
    )
    on.aws.advance(5)
    on.aws.clear_calls()
