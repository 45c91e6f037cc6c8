"""A restore to a point in time: which times there are, and that it brings back what was in force then."""

from datetime import timedelta
from typing import Any

import pytest

from tests.rehearsal.databases import PASSWORD, Databases
from tests.rehearsal.place import Aws, code


@pytest.fixture
def db(aws: Aws) -> Databases:
    return Databases(aws)


@pytest.fixture
def source(db: Databases) -> str:
    """An instance that keeps backups, with a snapshot of its name and -snapshot."""
    return db.source(BackupRetentionPeriod=7)


def test_the_latest_point_in_time_is_five_minutes_ago(aws: Aws, db: Databases, source: str) -> None:
    latest = db.shown(source)["LatestRestorableTime"]
    assert abs(aws.rehearsal.now() - latest - timedelta(minutes=5)) < timedelta(seconds=5)

    restored = db.to_time(source, f"{source}-earlier", RestoreTime=latest)

    assert (restored["DBInstanceStatus"], "Endpoint" in restored) == ("creating", False)


@pytest.mark.parametrize(
    ("minutes", "refused"),
    [(4, "InvalidRestoreFault"), (6, ""), (70, "InvalidRestoreFault")],
    ids=lambda each: str(each),
)
def test_only_what_is_backed_up_can_be_restored(
    aws: Aws, db: Databases, source: str, minutes: int, refused: str
) -> None:
    at = aws.rehearsal.now() - timedelta(minutes=minutes)

    assert code(db.to_time, source=source, name=f"{source}-earlier", RestoreTime=at) == refused


def test_nothing_is_kept_longer_than_was_asked(aws: Aws, db: Databases) -> None:
    source = db.instance(BackupRetentionPeriod=2)
    aws.rehearsal.advance(5 * 86400)

    codes = [
        code(db.to_time, source=source, name=aws.name("earlier"), RestoreTime=aws.rehearsal.now() - ago)
        for ago in (timedelta(hours=49), timedelta(hours=47))
    ]

    assert codes == ["InvalidRestoreFault", ""]


def test_a_point_in_time_needs_a_source_that_keeps_backups_and_one_time(aws: Aws, db: Databases, source: str) -> None:
    bare, young, name = db.instance(BackupRetentionPeriod=0), aws.name("db"), aws.name("earlier")
    db.create(young)
    latest: dict[str, Any] = {"UseLatestRestorableTime": True}

    assert code(db.to_time, source=bare, name=name, **latest) == "PointInTimeRestoreNotEnabled"
    assert code(db.to_time, source=young, name=name, **latest) == "InvalidDBInstanceState"
    assert code(db.to_time, source="nobody", name=name, **latest) == "DBInstanceNotFound"
    assert code(db.to_time, source=source, name=source, **latest) == "DBInstanceAlreadyExists"
    both = {"RestoreTime": aws.rehearsal.now() - timedelta(minutes=6), **latest}
    for asked in ({}, both):
        assert code(db.to_time, source=source, name=name, **asked) == "InvalidParameterCombination"


def test_a_source_can_be_named_by_its_resource(db: Databases, source: str) -> None:
    resource = db.shown(source)["DbiResourceId"]
    asked = {"TargetDBInstanceIdentifier": f"{source}-earlier", "UseLatestRestorableTime": True}

    db.rds.restore_db_instance_to_point_in_time(SourceDbiResourceId=resource, **asked)

    assert db.status(f"{source}-earlier") == "creating"


# --- the passwords of its time


def test_a_snapshot_brings_back_the_passwords_of_its_time(aws: Aws, db: Databases, source: str) -> None:
    aws.caller.ask("databases/roles", instance=source, user="app", password="first:app?")
    db.rds.create_db_snapshot(DBInstanceIdentifier=source, DBSnapshotIdentifier=f"{source}-with-app")
    at = aws.rehearsal.now()
    aws.rehearsal.advance(60)
    db.modify(source, MasterUserPassword="second:password?", ApplyImmediately=True)
    aws.caller.ask("databases/roles", instance=source, user="app", password="second:app?")
    aws.rehearsal.advance(3600)

    of_snapshot = db.restored(source, DBSnapshotIdentifier=f"{source}-with-app")["DBInstanceIdentifier"]
    earlier = db.to_time(source, aws.name("earlier"), RestoreTime=at)["DBInstanceIdentifier"]
    late = db.put_snapshot(source, f"{source}-of-then", at=at.isoformat())
    of_then = db.restored(source, DBSnapshotIdentifier=late)["DBInstanceIdentifier"]

    login = aws.rehearsal.login
    for name in (of_snapshot, earlier, of_then):
        assert login(name, "postgres", PASSWORD)
        assert login(name, "app", "first:app?")
        assert not login(name, "postgres", "second:password?")
    assert login(source, "postgres", "second:password?")
    assert login(source, "app", "second:app?")
    assert not login(source, "postgres", PASSWORD)
