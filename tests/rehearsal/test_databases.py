"""RDS: a new instance takes its time, has no endpoint before it is there, and is what was asked for."""

from datetime import timedelta
from typing import Any

import pytest

from tests.rehearsal.place import CREATING, Aws, code


@pytest.fixture
def rds(aws: Aws) -> Any:
    return aws.caller.aws("rds")


@pytest.fixture
def source(aws: Aws, rds: Any) -> str:
    """A public Multi-AZ instance that has been there for long, with a snapshot of the same name and -snapshot."""
    name = aws.name("db")
    create(rds, name, MultiAZ=True, PubliclyAccessible=True, DeletionProtection=True, BackupRetentionPeriod=7)
    aws.rehearsal.advance(10 * CREATING)
    rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{name}-snapshot")
    return name


def create(rds: Any, name: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = rds.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        MasterUsername="postgres",
        MasterUserPassword="made-up-password",
        AllocatedStorage=20,
        **more,
    )["DBInstance"]
    return made


def restore(rds: Any, source: str, name: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{source}-snapshot", **more
    )["DBInstance"]
    return made


def shown(rds: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    return found


def test_a_restored_instance_is_creating_then_backing_up_then_available(aws: Aws, rds: Any, source: str) -> None:
    name = f"{source}-restored"

    phases = [restore(rds, source, name)]
    for seconds in (CREATING - 1, 2, CREATING / 4):
        aws.rehearsal.advance(seconds)
        phases.append(shown(rds, name))

    assert [each["DBInstanceStatus"] for each in phases] == ["creating", "creating", "backing-up", "available"]
    assert ["Endpoint" in each for each in phases] == [False, False, True, True]
    assert phases[-1]["Endpoint"]["Address"] == f"{name}.abc123.us-east-1.rds.amazonaws.com"


def test_without_backups_there_is_nothing_to_back_up(aws: Aws, rds: Any) -> None:
    name = aws.name("db")
    create(rds, name, BackupRetentionPeriod=0)

    aws.rehearsal.advance(CREATING + 0.1)

    assert shown(rds, name)["DBInstanceStatus"] == "available"


def test_what_is_made_is_made_at_the_time_of_the_rehearsal(aws: Aws, rds: Any) -> None:
    aws.rehearsal.advance(86400)
    name = aws.name("db")

    create(rds, name)
    taken = rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{name}-now")["DBSnapshot"]

    kept = rds.describe_db_snapshots(DBSnapshotIdentifier=f"{name}-now")["DBSnapshots"][0]
    times = (shown(rds, name)["InstanceCreateTime"], taken["SnapshotCreateTime"], kept["SnapshotCreateTime"])
    assert all(abs(aws.rehearsal.now() - each) < timedelta(minutes=1) for each in times)


def test_a_new_instance_is_answered_as_it_was_asked_for(rds: Any, aws: Aws) -> None:
    answer = create(rds, aws.name("db"), MultiAZ=True, DeletionProtection=True)

    assert (answer["MultiAZ"], answer["DeletionProtection"], answer["DBInstanceStatus"]) == (True, True, "creating")


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        pytest.param({"PubliclyAccessible": False}, False, id="turned off"),
        pytest.param({}, False, id="left out"),
        pytest.param({"PubliclyAccessible": True}, True, id="turned on"),
    ],
)
def test_a_restored_instance_is_as_public_as_was_asked(
    aws: Aws, rds: Any, source: str, asked: dict[str, bool], answered: bool
) -> None:
    name = f"{source}-restored"

    answer = restore(rds, source, name, **asked)

    assert answer["PubliclyAccessible"] is answered
    aws.rehearsal.advance(2 * CREATING)
    assert shown(rds, name)["PubliclyAccessible"] is answered


def test_a_restore_starts_with_what_aws_turns_off(aws: Aws, rds: Any, source: str) -> None:
    restore(rds, source, f"{source}-restored")

    aws.rehearsal.advance(2 * CREATING)

    restored = shown(rds, f"{source}-restored")
    assert (restored["MultiAZ"], restored["DeletionProtection"]) == (False, False)
    assert restored["IAMDatabaseAuthenticationEnabled"] is False
    assert shown(rds, source)["MultiAZ"] is True


def test_a_restore_needs_a_name_that_is_free(rds: Any, source: str) -> None:
    refused = code(
        rds.restore_db_instance_from_db_snapshot,
        DBInstanceIdentifier=source,
        DBSnapshotIdentifier=f"{source}-snapshot",
    )

    assert refused == "DBInstanceAlreadyExists"
    assert shown(rds, source)["DBInstanceStatus"] == "available"


def test_two_instances_are_two_resources(rds: Any, source: str) -> None:
    restored = restore(rds, source, f"{source}-restored")

    assert restored["DbiResourceId"] != shown(rds, source)["DbiResourceId"]
    assert restored["DbiResourceId"] == shown(rds, f"{source}-restored")["DbiResourceId"]


def test_snapshots_of_the_past_are_automated_by_their_name(aws: Aws, rds: Any, source: str) -> None:
    at = aws.rehearsal.now() - timedelta(days=3)
    names = (f"rds:{source}-2024-02-24-03-00", f"{source}-by-hand")
    for name in names:
        aws.caller.ask("snapshots", region="us-east-1", instance=source, name=name, at=at.isoformat())

    snapshots = {
        each["DBSnapshotIdentifier"]: each
        for each in rds.describe_db_snapshots(DBInstanceIdentifier=source)["DBSnapshots"]
    }

    assert [snapshots[name]["SnapshotType"] for name in names] == ["automated", "manual"]
    assert all(abs(snapshots[name]["SnapshotCreateTime"] - at) < timedelta(seconds=1) for name in names)
    assert [name for name in snapshots if name.startswith("rds:")] == [names[0]]


def test_a_restore_from_an_automated_snapshot_is_possible(aws: Aws, rds: Any, source: str) -> None:
    name = f"rds:{source}-2024-02-24-03-00"
    aws.caller.ask("snapshots", region="us-east-1", instance=source, name=name, at=aws.rehearsal.now().isoformat())

    rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier=f"{source}-new", DBSnapshotIdentifier=name)

    assert shown(rds, f"{source}-new")["DBInstanceStatus"] == "creating"


def test_nobody_makes_an_automated_snapshot_by_hand(rds: Any, source: str) -> None:
    sent = {"DBInstanceIdentifier": source, "DBSnapshotIdentifier": "rds:mine"}

    assert code(rds.create_db_snapshot, **sent) == "InvalidParameterValue"


def test_a_protected_instance_is_not_deleted(rds: Any, source: str) -> None:
    sent = {"DBInstanceIdentifier": source, "SkipFinalSnapshot": True}

    assert code(rds.delete_db_instance, **sent) == "InvalidParameterCombination"


@pytest.mark.parametrize("size", [19, 101])
def test_a_page_has_twenty_to_a_hundred_records(rds: Any, size: int) -> None:
    nearest = min(max(size, 20), 100)

    assert code(rds.describe_db_instances, MaxRecords=size) == "InvalidParameterValue"
    assert code(rds.describe_db_instances, MaxRecords=nearest) == ""
