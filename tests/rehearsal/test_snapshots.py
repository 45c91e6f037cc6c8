"""DB snapshots: of what, by whom and for whom, and which of them are listed."""

from datetime import timedelta

import pytest

from tests.rehearsal.databases import REGION, Databases
from tests.rehearsal.place import Aws, code

STRANGER = "210987654321"


@pytest.fixture
def db(aws: Aws) -> Databases:
    return Databases(aws)


@pytest.fixture
def source(db: Databases) -> str:
    """An instance with a snapshot of its name and -snapshot."""
    return db.source(BackupRetentionPeriod=7, Tags=[{"Key": "team", "Value": "platform"}])


def test_a_snapshot_shows_what_it_is_a_snapshot_of(db: Databases, source: str) -> None:
    shown, of = db.snapshots(DBSnapshotIdentifier=f"{source}-snapshot")[f"{source}-snapshot"], db.shown(source)

    same = ("Engine", "EngineVersion", "AllocatedStorage", "MasterUsername", "DbiResourceId", "StorageType")
    assert [shown[each] for each in same] == [of[each] for each in same]
    assert (shown["Port"], shown["Encrypted"], shown["Status"], shown["PercentProgress"]) == (
        5432,
        False,
        "available",
        100,
    )
    assert shown["OriginalSnapshotCreateTime"] == shown["SnapshotCreateTime"]
    assert (shown["SnapshotType"], shown["DBInstanceIdentifier"]) == ("manual", source)


def test_snapshots_of_the_past_are_automated_by_their_name(aws: Aws, db: Databases, source: str) -> None:
    at = aws.rehearsal.now() - timedelta(days=3)
    names = [f"rds:{source}-2024-02-24-03-00", f"{source}-by-hand"]
    for name in names:
        db.put_snapshot(source, name, at=at.isoformat())

    snapshots = db.snapshots(DBInstanceIdentifier=source)

    assert [snapshots[name]["SnapshotType"] for name in names] == ["automated", "manual"]
    assert all(abs(snapshots[name]["SnapshotCreateTime"] - at) < timedelta(seconds=1) for name in names)
    assert [*db.snapshots(DBInstanceIdentifier=source, SnapshotType="automated")] == names[:1]
    assert [*db.snapshots(Filters=[{"Name": "db-snapshot-id", "Values": names[1:]}])] == names[1:]


def test_nobody_makes_an_automated_snapshot_by_hand_or_deletes_one(db: Databases, source: str) -> None:
    automated = db.put_snapshot(source, f"rds:{source}-2024")
    sent = {"DBInstanceIdentifier": source, "DBSnapshotIdentifier": "rds:mine"}

    assert code(db.rds.create_db_snapshot, **sent) == "InvalidParameterValue"
    assert code(db.rds.delete_db_snapshot, DBSnapshotIdentifier=automated) == "InvalidDBSnapshotState"


def test_a_snapshot_is_taken_once_and_of_what_is_available(aws: Aws, db: Databases, source: str) -> None:
    again = {"DBInstanceIdentifier": source, "DBSnapshotIdentifier": f"{source}-snapshot"}
    assert code(db.rds.create_db_snapshot, **again) == "DBSnapshotAlreadyExists"

    name = aws.name("db")
    db.create(name)

    early = {"DBInstanceIdentifier": name, "DBSnapshotIdentifier": f"{name}-early"}
    assert code(db.rds.create_db_snapshot, **early) == "InvalidDBInstanceState"


def test_tags_are_copied_to_snapshots_only_where_that_was_asked(db: Databases, source: str) -> None:
    tags = [{"Key": "team", "Value": "platform"}]
    copying = db.source(CopyTagsToSnapshot=True, Tags=tags)

    shown = db.snapshots()

    assert shown[f"{source}-snapshot"]["TagList"] == []
    assert shown[f"{copying}-snapshot"]["TagList"] == tags


def test_a_copy_of_a_snapshot_tells_when_the_first_was_taken(aws: Aws, db: Databases, source: str) -> None:
    automated = db.put_snapshot(source, f"rds:{source}-2024")
    aws.rehearsal.advance(3600)

    db.rds.copy_db_snapshot(SourceDBSnapshotIdentifier=automated, TargetDBSnapshotIdentifier=f"{source}-kept")

    shown = db.snapshots()
    first, kept = shown[automated], shown[f"{source}-kept"]
    assert kept["SnapshotType"] == "manual"
    assert kept["OriginalSnapshotCreateTime"] == first["SnapshotCreateTime"]
    assert kept["SnapshotCreateTime"] - first["SnapshotCreateTime"] >= timedelta(hours=1)
    db.rds.delete_db_snapshot(DBSnapshotIdentifier=f"{source}-kept")
    assert f"{source}-kept" not in db.snapshots()


def test_a_snapshot_of_another_account_goes_by_its_arn_and_is_listed_on_request(db: Databases, source: str) -> None:
    name = db.put_snapshot(source, f"{source}-shared", owner=STRANGER)
    arn = f"arn:aws:rds:{REGION}:{STRANGER}:snapshot:{name}"

    assert arn not in db.snapshots()
    assert arn not in db.snapshots(SnapshotType="manual")
    assert code(db.rds.describe_db_snapshots, DBSnapshotIdentifier=arn) == "DBSnapshotNotFound"
    assert [*db.snapshots(DBSnapshotIdentifier=arn, IncludeShared=True)] == [arn]
    assert set(db.snapshots(IncludeShared=True)) > {arn, f"{source}-snapshot"}
    assert arn in db.snapshots(SnapshotType="shared")
    assert f"{source}-snapshot" not in db.snapshots(SnapshotType="shared")
    assert code(db.restore, source=source, name=f"{source}-new", DBSnapshotIdentifier=name) == "DBSnapshotNotFound"
    assert code(db.rds.delete_db_snapshot, DBSnapshotIdentifier=arn) == "DBSnapshotNotFound"


@pytest.mark.parametrize("status", ["creating", "failed"])
def test_a_snapshot_is_put_into_a_status(aws: Aws, db: Databases, source: str, status: str) -> None:
    aws.caller.ask("snapshots/status", name=f"{source}-snapshot", status=status)

    shown = db.snapshots(DBSnapshotIdentifier=f"{source}-snapshot")[f"{source}-snapshot"]

    assert (shown["Status"], shown["PercentProgress"], "SnapshotCreateTime" in shown) == (status, 0, status == "failed")
    assert code(db.restore, source=source, name=f"{source}-new") == "InvalidDBSnapshotState"
