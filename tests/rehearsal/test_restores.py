"""A restore makes a new DB instance, slowly, of what was there at some time, or it is refused."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError

from tests.rehearsal.databases import REGION, Databases
from tests.rehearsal.place import CREATING, Aws, code

STRANGER = "210987654321"
TAGS = [{"Key": "team", "Value": "platform"}]


@pytest.fixture
def db(aws: Aws) -> Databases:
    return Databases(aws)


@pytest.fixture
def source(db: Databases) -> str:
    """A plain instance that keeps backups, with a snapshot of its name and -snapshot."""
    return db.source(BackupRetentionPeriod=7)


# --- its course


def test_a_restored_instance_is_creating_then_backing_up_then_available(aws: Aws, db: Databases, source: str) -> None:
    name = f"{source}-restored"

    phases = [db.restore(source, name)]
    for seconds in (CREATING - 1, 2, CREATING / 4):
        aws.rehearsal.advance(seconds)
        phases.append(db.shown(name))

    assert [each["DBInstanceStatus"] for each in phases] == ["creating", "creating", "backing-up", "available"]
    assert ["Endpoint" in each for each in phases] == [False, False, True, True]
    assert ["InstanceCreateTime" in each for each in phases] == [False, False, True, True]
    assert ["LatestRestorableTime" in each for each in phases] == [False, False, False, True]
    assert phases[-1]["Endpoint"]["Address"] == f"{name}.abc123.us-east-1.rds.amazonaws.com"


def test_without_backups_a_restored_instance_is_not_backed_up(aws: Aws, db: Databases, source: str) -> None:
    db.restore(source, f"{source}-restored", BackupRetentionPeriod=0)

    aws.rehearsal.advance(CREATING + 0.1)

    assert db.status(f"{source}-restored") == "available"


def test_two_instances_are_two_resources(db: Databases, source: str) -> None:
    restored = db.restore(source, f"{source}-restored")

    assert restored["DbiResourceId"] != db.shown(source)["DbiResourceId"]
    assert restored["DbiResourceId"] == db.shown(f"{source}-restored")["DbiResourceId"]


def test_a_stored_name_is_in_lower_case(db: Databases, source: str) -> None:
    assert db.restore(source, f"{source}-NEW")["DBInstanceIdentifier"] == f"{source}-new"
    assert code(db.restore, source=source, name=f"{source}-New") == "DBInstanceAlreadyExists"


def test_a_new_instance_may_not_be_listed_yet(aws: Aws, db: Databases, source: str) -> None:
    name = f"{source}-restored"
    db.restore(source, name)
    aws.rehearsal.fault("rds", "DescribeDBInstances", "stale", times=2, seconds=30)

    by_name = code(db.shown, name=name)
    listed = [each["DBInstanceIdentifier"] for each in db.rds.describe_db_instances()["DBInstances"]]

    assert (by_name, source in listed, name in listed) == ("DBInstanceNotFound", True, False)
    assert db.status(name) == "creating"


def test_a_stale_read_shows_an_instance_as_it_was(aws: Aws, db: Databases, source: str) -> None:
    db.restore(source, f"{source}-restored")
    aws.rehearsal.advance(2 * CREATING)
    aws.rehearsal.fault("rds", "DescribeDBInstances", "stale", seconds=1.5 * CREATING)

    assert [db.status(f"{source}-restored") for _ in range(2)] == ["creating", "available"]


@pytest.mark.parametrize(("kind", "made"), [("drop_before", False), ("drop_after", True)])
def test_a_restore_whose_answer_is_lost_was_made_all_the_same(
    aws: Aws, db: Databases, source: str, kind: str, made: bool
) -> None:
    aws.rehearsal.fault("rds", "RestoreDBInstanceFromDBSnapshot", kind)

    with pytest.raises(ConnectionClosedError):
        db.restore(source, f"{source}-restored", Tags=TAGS)

    assert code(db.shown, name=f"{source}-restored") == ("" if made else "DBInstanceNotFound")
    again = code(db.restore, source=source, name=f"{source}-restored")
    assert again == ("DBInstanceAlreadyExists" if made else "")


# --- what is refused


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        pytest.param({"DBSnapshotIdentifier": "nothing"}, "DBSnapshotNotFound", id="no such snapshot"),
        pytest.param({"DBSubnetGroupName": "nothing"}, "DBSubnetGroupNotFoundFault", id="no such subnets"),
        pytest.param({"DBParameterGroupName": "nothing"}, "DBParameterGroupNotFound", id="no such parameters"),
        pytest.param({"OptionGroupName": "nothing"}, "OptionGroupNotFoundFault", id="no such options"),
        pytest.param({"CACertificateIdentifier": "nothing"}, "CertificateNotFound", id="no such authority"),
        pytest.param({"VpcSecurityGroupIds": ["sg-nothing"]}, "InvalidParameterValue", id="no such security group"),
        pytest.param({"DBInstanceClass": "t4g.medium"}, "InvalidParameterValue", id="no class"),
        pytest.param({"BackupRetentionPeriod": 36}, "InvalidParameterValue", id="kept too long"),
        pytest.param({"Port": 80}, "InvalidParameterValue", id="port"),
        pytest.param({"PreferredBackupWindow": "at night"}, "InvalidParameterValue", id="window"),
        pytest.param({"AllocatedStorage": 19}, "InvalidParameterCombination", id="smaller than the snapshot"),
        pytest.param({"Iops": 3000, "StorageType": "gp3"}, "InvalidParameterCombination", id="IOPS of small gp3"),
        pytest.param({"StorageThroughput": 125}, "InvalidParameterCombination", id="throughput of small gp3"),
        pytest.param({"EnableCloudwatchLogsExports": ["slowquery"]}, "InvalidParameterCombination", id="no such logs"),
        pytest.param({"Engine": "mysql"}, "InvalidParameterCombination", id="another engine"),
        pytest.param({"DBName": "other"}, "InvalidParameterValue", id="a name for the database"),
        pytest.param(
            {"MultiAZ": True, "AvailabilityZone": "us-east-1a"}, "InvalidParameterCombination", id="two zones or one"
        ),
    ],
)
def test_what_no_restore_can_have_is_refused(db: Databases, source: str, asked: dict[str, Any], refused: str) -> None:
    assert code(db.restore, source=source, name=f"{source}-restored", **asked) == refused
    assert code(db.shown, name=f"{source}-restored") == "DBInstanceNotFound"


@pytest.mark.parametrize(
    "name",
    ["", "1st", "-a", "a-", "a--b", "under_score", "rds:a", "a" * 64, "a.b"],
    ids=lambda name: name[:8] or "none",
)
def test_an_instance_needs_a_name_that_is_one(db: Databases, source: str, name: str) -> None:
    assert code(db.restore, source=source, name=name) == "InvalidParameterValue"


def test_a_restore_needs_a_name_that_is_free(db: Databases, source: str) -> None:
    assert code(db.restore, source=source, name=source) == "DBInstanceAlreadyExists"
    assert db.status(source) == "available"


def test_groups_have_to_be_for_the_engine_and_in_the_vpc(db: Databases, source: str) -> None:
    subnets, group = db.network()
    _, elsewhere = db.network()
    asked: list[dict[str, Any]] = [
        {"DBParameterGroupName": db.parameter_group("postgres15")},
        {"OptionGroupName": db.option_group(major="15")},
        {"VpcSecurityGroupIds": [group]},
        {"VpcSecurityGroupIds": [elsewhere], "DBSubnetGroupName": subnets},
    ]

    for each in asked:
        assert code(db.restore, source=source, name=f"{source}-restored", **each) == "InvalidParameterCombination"


def test_there_are_so_many_instances_and_no_more(aws: Aws, db: Databases, source: str) -> None:
    aws.caller.ask("databases/quota", instances=1)

    codes = [
        code(db.restore, source=source, name=f"{source}-restored"),
        code(db.create, name=f"{source}-created"),
        code(db.to_time, source=source, name=f"{source}-earlier", UseLatestRestorableTime=True),
    ]

    assert codes == ["InstanceQuotaExceeded"] * 3


def test_aws_may_have_no_room_for_a_while(aws: Aws, db: Databases, source: str) -> None:
    aws.rehearsal.fault("rds", "RestoreDBInstanceFromDBSnapshot", "capacity", times=2)

    codes = [code(db.restore, source=source, name=f"{source}-restored") for _ in range(3)]

    assert codes == ["InsufficientDBInstanceCapacity"] * 2 + [""]


def test_every_code_that_is_refused_with_is_one_that_aws_has(db: Databases, source: str) -> None:
    model = boto3.Session(region_name=REGION).client("rds").meta.service_model
    shapes = [model.shape_for(each).metadata for each in model.shape_names]
    statuses = {each["error"]["code"]: each["error"]["httpStatusCode"] for each in shapes if "error" in each}
    asked: list[dict[str, Any]] = [
        {"DBInstanceIdentifier": source},
        {"DBSnapshotIdentifier": "nothing"},
        {"DBSubnetGroupName": "nothing"},
        {"DBParameterGroupName": "nothing"},
        {"OptionGroupName": "nothing"},
        {"CACertificateIdentifier": "nothing"},
    ]

    for each in asked:
        with pytest.raises(db.rds.exceptions.ClientError) as refused:
            db.restore(source, f"{source}-restored", **each)
        answer = refused.value.response
        assert statuses[answer["Error"]["Code"]] == answer["ResponseMetadata"]["HTTPStatusCode"]


# --- where it comes from


def test_a_snapshot_by_its_arn_an_automated_and_a_shared_one_can_be_restored(db: Databases) -> None:
    source = db.source(Port=6543, CopyTagsToSnapshot=True, Tags=TAGS)
    automated = db.put_snapshot(source, f"rds:{source}-2024-02-24-03-00")
    shared = db.put_snapshot(source, f"{source}-shared", owner=STRANGER)
    arns = [
        f"arn:aws:rds:{REGION}:{owner}:snapshot:{name}"
        for owner, name in ((STRANGER, shared), ("123456789012", automated))
    ]

    restored = [db.restored(source, DBSnapshotIdentifier=each) for each in (*arns, automated)]

    assert [each["Endpoint"]["Port"] for each in restored] == [6543] * 3
    assert [each["TagList"] for each in restored] == [[], TAGS, TAGS]


def test_calls_that_restore_tell_what_they_named(aws: Aws, db: Databases, source: str) -> None:
    aws.rehearsal.clear_calls()

    db.restore(source, f"{source}-restored", Tags=TAGS, DBInstanceClass="db.m7g.large")

    call = aws.rehearsal.calls()[0]
    assert (call["operation"], call["write"], call["code"]) == ("RestoreDBInstanceFromDBSnapshot", True, "200")
    assert call["summary"] == {
        "DBInstanceIdentifier": f"{source}-restored",
        "DBSnapshotIdentifier": f"{source}-snapshot",
        "DBInstanceClass": "db.m7g.large",
        "tags": ["team"],
    }
