"""DB instances: what is made, how it is shown, and what is refused."""

from datetime import timedelta
from typing import Any

import pytest

from tests.rehearsal.databases import PASSWORD, REGION, Databases
from tests.rehearsal.place import CREATING, Aws, code, message


@pytest.fixture
def db(aws: Aws) -> Databases:
    return Databases(aws)


@pytest.fixture
def source(db: Databases) -> str:
    """An instance with a snapshot of its name and -snapshot."""
    return db.source(BackupRetentionPeriod=7, Tags=[{"Key": "team", "Value": "platform"}])


# --- instances


def test_a_new_instance_is_answered_as_it_was_asked_for(db: Databases) -> None:
    answer = db.create(db.aws.name("db"), MultiAZ=True, DeletionProtection=True)

    assert (answer["MultiAZ"], answer["DeletionProtection"], answer["DBInstanceStatus"]) == (True, True, "creating")
    assert answer["SecondaryAvailabilityZone"] != answer["AvailabilityZone"]


def test_without_backups_there_is_nothing_to_back_up(aws: Aws, db: Databases) -> None:
    name = aws.name("db")
    db.create(name, BackupRetentionPeriod=0)

    aws.rehearsal.advance(CREATING + 0.1)

    assert db.status(name) == "available"
    assert "LatestRestorableTime" not in db.shown(name)


def test_what_is_made_is_made_at_the_time_of_the_rehearsal(aws: Aws, db: Databases) -> None:
    aws.rehearsal.advance(86400)
    name = aws.name("db")

    db.create(name)
    aws.rehearsal.advance(2 * CREATING)
    taken = db.rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{name}-now")["DBSnapshot"]

    kept = db.snapshots(DBSnapshotIdentifier=f"{name}-now")[f"{name}-now"]
    times = (db.shown(name)["InstanceCreateTime"], taken["SnapshotCreateTime"], kept["SnapshotCreateTime"])
    assert all(abs(aws.rehearsal.now() - each) < timedelta(minutes=2) for each in times)


def test_an_instance_is_shown_with_all_that_aws_shows_and_moto_does_not(db: Databases) -> None:
    shown = db.shown(db.instance())

    assert shown["PendingModifiedValues"] == {}
    assert shown["DBParameterGroups"] == [
        {"DBParameterGroupName": "default.postgres16", "ParameterApplyStatus": "in-sync"}
    ]
    assert shown["OptionGroupMemberships"] == [{"OptionGroupName": "default:postgres-16", "Status": "in-sync"}]
    assert shown["CertificateDetails"]["CAIdentifier"] == shown["CACertificateIdentifier"]
    assert (shown["PerformanceInsightsEnabled"], shown["DatabaseInsightsMode"]) == (False, "standard")
    assert (shown["NetworkType"], shown["DedicatedLogVolume"], shown["BackupTarget"]) == ("IPV4", False, "region")
    assert (shown["StorageType"], shown["Iops"], shown["StorageThroughput"]) == ("gp3", 3000, 125)
    assert (shown["MonitoringInterval"], "MonitoringRoleArn" in shown) == (0, False)


def test_what_costs_more_is_shown_where_it_is_on(db: Databases) -> None:
    role = "arn:aws:iam::123456789012:role/monitoring"
    insights = {"EnablePerformanceInsights": True, "PerformanceInsightsRetentionPeriod": 465}
    monitoring = {"MonitoringInterval": 60, "MonitoringRoleArn": role}

    shown = db.shown(db.instance(**insights, **monitoring, DatabaseInsightsMode="advanced", StorageEncrypted=True))

    assert (shown["PerformanceInsightsEnabled"], shown["PerformanceInsightsRetentionPeriod"]) == (True, 465)
    assert (shown["MonitoringInterval"], shown["MonitoringRoleArn"]) == (60, role)
    assert shown["DbiResourceId"] in shown["EnhancedMonitoringResourceArn"]
    assert (shown["DatabaseInsightsMode"], ":key/" in shown["KmsKeyId"]) == ("advanced", True)


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        pytest.param({"Engine": "dbase"}, "InvalidParameterValue", id="engine"),
        pytest.param({"MasterUsername": ""}, "InvalidParameterValue", id="nobody's"),
        pytest.param({"AllocatedStorage": 19}, "InvalidParameterCombination", id="too small"),
        pytest.param({"StorageType": "tape"}, "InvalidParameterValue", id="storage type"),
        pytest.param({"StorageType": "io1"}, "InvalidParameterCombination", id="provisioned, but nothing is"),
        pytest.param({"StorageType": "gp2", "Iops": 3000}, "InvalidParameterCombination", id="IOPS of gp2"),
        pytest.param({"Iops": 3000, "StorageType": "gp3"}, "InvalidParameterCombination", id="IOPS of small gp3"),
        pytest.param({"StorageThroughput": 125}, "InvalidParameterCombination", id="throughput of small gp3"),
        pytest.param(
            {"StorageType": "gp3", "AllocatedStorage": 400, "Iops": 3000}, "InvalidParameterCombination", id="few IOPS"
        ),
        pytest.param({"MaxAllocatedStorage": 19}, "InvalidParameterCombination", id="more than the most"),
        pytest.param({"MonitoringInterval": 60}, "InvalidParameterCombination", id="monitored by nobody"),
        pytest.param({"MonitoringInterval": 61, "MonitoringRoleArn": "arn"}, "InvalidParameterValue", id="interval"),
        pytest.param({"MonitoringRoleArn": "arn"}, "InvalidParameterCombination", id="a role for nothing"),
        pytest.param(
            {"PerformanceInsightsRetentionPeriod": 31}, "InvalidParameterCombination", id="insights that are off"
        ),
        pytest.param(
            {"EnablePerformanceInsights": True, "PerformanceInsightsRetentionPeriod": 8},
            "InvalidParameterValue",
            id="insights for eight days",
        ),
        pytest.param({"DatabaseInsightsMode": "advanced"}, "InvalidParameterCombination", id="advanced without them"),
        pytest.param(
            {"PreferredBackupWindow": "03:00-04:00", "PreferredMaintenanceWindow": "mon:03:30-mon:04:30"},
            "InvalidParameterValue",
            id="windows that overlap",
        ),
        pytest.param({"ManageMasterUserPassword": True}, "UnknownOperationException", id="not rehearsed"),
    ],
)
def test_what_no_instance_can_be_is_refused(db: Databases, more: dict[str, Any], refused: str) -> None:
    name = db.aws.name("db")

    assert code(db.create, name=name, **more) == refused
    assert code(db.shown, name=name) == "DBInstanceNotFound"


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        *(pytest.param(f"long-enough{each}", True, id=f"with {each}") for each in '/@" é'),
        pytest.param("seven77", True, id="too short"),
        pytest.param("x" * 129, True, id="too long"),
        pytest.param("x" * 128, False, id="long"),
        pytest.param("a:b#c%d?e+f&g=h'i", False, id="of what a URL has to escape"),
    ],
)
def test_a_master_password_is_one_that_rds_takes(db: Databases, given: str, refused: bool) -> None:
    name, asked = db.aws.name("db"), {"ApplyImmediately": True, "MasterUserPassword": given}

    assert code(db.create, name=name, MasterUserPassword=given) == ("InvalidParameterValue" if refused else "")
    there = db.instance()
    assert given not in message(db.modify, name=there, **asked)
    assert (db.status(there) == "available") is refused


def test_an_engine_has_a_version_a_port_and_groups_of_its_own(db: Databases) -> None:
    shown = db.shown(db.instance(Engine="mysql"))

    assert (shown["Endpoint"]["Port"], shown["LicenseModel"]) == (3306, "general-public-license")
    assert shown["DBParameterGroups"][0]["DBParameterGroupName"] == "default.mysql8.0"
    assert shown["OptionGroupMemberships"][0]["OptionGroupName"] == "default:mysql-8-0"


def test_instances_are_found_by_name_arn_and_filter(db: Databases, source: str) -> None:
    arn, resource = (db.shown(source)[each] for each in ("DBInstanceArn", "DbiResourceId"))
    asked = [
        {"DBInstanceIdentifier": source.upper()},
        {"DBInstanceIdentifier": arn},
        {"Filters": [{"Name": "db-instance-id", "Values": [source, "nobody"]}]},
        {"Filters": [{"Name": "dbi-resource-id", "Values": [resource]}, {"Name": "engine", "Values": ["postgres"]}]},
    ]

    found = [db.rds.describe_db_instances(**each)["DBInstances"] for each in asked]

    assert [[each["DBInstanceIdentifier"] for each in answer] for answer in found] == [[source]] * 4
    mysql = [{"Name": "engine", "Values": ["oracle-ee"]}]
    assert db.rds.describe_db_instances(Filters=mysql)["DBInstances"] == []
    unknown = [{"Name": "colour", "Values": ["red"]}]
    assert code(db.rds.describe_db_instances, Filters=unknown) == "InvalidParameterValue"


@pytest.mark.parametrize("size", [19, 101])
@pytest.mark.parametrize("operation", ["describe_db_instances", "describe_db_snapshots", "describe_db_subnet_groups"])
def test_a_page_has_twenty_to_a_hundred_records(db: Databases, operation: str, size: int) -> None:
    nearest = min(max(size, 20), 100)

    assert code(getattr(db.rds, operation), MaxRecords=size) == "InvalidParameterValue"
    assert code(getattr(db.rds, operation), MaxRecords=nearest) == ""


def test_what_does_not_fit_on_a_page_comes_with_the_next(db: Databases, source: str) -> None:
    names = sorted(f"paged-{each:02}" for each in range(25))
    for name in names:
        db.create(name)
        db.put_snapshot(source, f"of-{name}")

    for operation, key in (("describe_db_instances", "DBInstances"), ("describe_db_snapshots", "DBSnapshots")):
        pages = list(db.rds.get_paginator(operation).paginate(PaginationConfig={"PageSize": 20}))
        assert len(pages) > 1
        assert len(pages[0][key]) == 20
        ids = [
            each["DBInstanceIdentifier" if "DBI" in key else "DBSnapshotIdentifier"] for p in pages for each in p[key]
        ]
        assert set(names if "DBI" in key else (f"of-{each}" for each in names)) <= set(ids)
        assert len(ids) == len(set(ids))
    for name in names:
        db.rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


def test_what_nobody_rehearses_is_said_so(db: Databases, source: str) -> None:
    replica = {"DBInstanceIdentifier": f"{source}-replica", "SourceDBInstanceIdentifier": source}

    assert code(db.rds.create_db_instance_read_replica, **replica) == "UnknownOperationException"
    assert code(db.rds.describe_db_clusters) == ""


# --- deleting, stopping and starting


def test_a_protected_instance_is_not_deleted(db: Databases) -> None:
    name = db.instance(DeletionProtection=True)

    refused = code(db.rds.delete_db_instance, DBInstanceIdentifier=name, SkipFinalSnapshot=True)

    assert refused == "InvalidParameterCombination"
    assert db.status(name) == "available"


@pytest.mark.parametrize(
    "sent", [{}, {"SkipFinalSnapshot": True, "FinalDBSnapshotIdentifier": "last"}], ids=["neither", "both"]
)
def test_whether_there_is_a_last_snapshot_has_to_be_said(db: Databases, source: str, sent: dict[str, Any]) -> None:
    refused = code(db.rds.delete_db_instance, DBInstanceIdentifier=source, **sent)

    assert refused == "InvalidParameterCombination"


def test_automated_snapshots_go_with_their_instance_and_manual_ones_stay(aws: Aws, db: Databases, source: str) -> None:
    automated, last = db.put_snapshot(source, f"rds:{source}-2024"), aws.name("last")
    gone = db.rds.delete_db_instance(DBInstanceIdentifier=source, FinalDBSnapshotIdentifier=last)["DBInstance"]

    assert gone["DBInstanceStatus"] == "deleting"
    assert code(db.shown, name=source) == "DBInstanceNotFound"
    assert set(db.snapshots(DBInstanceIdentifier=source)) == {f"{source}-snapshot", last}
    assert code(db.rds.describe_db_snapshots, DBSnapshotIdentifier=automated) == "DBSnapshotNotFound"


def test_automated_snapshots_may_be_retained(db: Databases, source: str) -> None:
    automated = db.put_snapshot(source, f"rds:{source}-2024")

    db.rds.delete_db_instance(DBInstanceIdentifier=source, SkipFinalSnapshot=True, DeleteAutomatedBackups=False)

    assert automated in db.snapshots()


def test_a_stopped_instance_lets_nobody_in_until_it_is_started(aws: Aws, db: Databases, source: str) -> None:
    login = (source, "postgres", PASSWORD)
    assert aws.rehearsal.login(*login)

    db.rds.stop_db_instance(DBInstanceIdentifier=source)
    aws.rehearsal.advance(60)
    assert (db.status(source), aws.rehearsal.login(*login)) == ("stopped", False)
    assert code(db.rds.stop_db_instance, DBInstanceIdentifier=source) == "InvalidDBInstanceState"
    db.rds.start_db_instance(DBInstanceIdentifier=source)
    aws.rehearsal.advance(60)

    assert (db.status(source), aws.rehearsal.login(*login)) == ("available", True)
    assert code(db.rds.start_db_instance, DBInstanceIdentifier=source) == "InvalidDBInstanceState"


# --- tags


def test_tags_are_added_shown_and_removed(db: Databases, source: str) -> None:
    arn = db.shown(source)["DBInstanceArn"]

    db.rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "team", "Value": "x"}])
    assert db.shown(source)["TagList"] == [{"Key": "team", "Value": "x"}, {"Key": "a", "Value": "1"}]
    db.rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["team", "unknown"])

    assert db.rds.list_tags_for_resource(ResourceName=arn)["TagList"] == [{"Key": "a", "Value": "1"}]
    assert db.shown(source)["TagList"] == [{"Key": "a", "Value": "1"}]


def test_a_tag_that_comes_while_an_instance_is_created_stays(aws: Aws, db: Databases) -> None:
    name = aws.name("db")
    arn = db.create(name)["DBInstanceArn"]

    db.rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "a", "Value": "1"}])
    aws.rehearsal.advance(2 * CREATING)

    assert (db.status(name), db.shown(name)["TagList"]) == ("available", [{"Key": "a", "Value": "1"}])


def test_snapshots_and_groups_have_tags_too(db: Databases, source: str) -> None:
    arns = [
        db.snapshots(DBSnapshotIdentifier=f"{source}-snapshot")[f"{source}-snapshot"]["DBSnapshotArn"],
        f"arn:aws:rds:{REGION}:123456789012:pg:{db.parameter_group()}",
    ]
    for arn in arns:
        db.rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "a", "Value": "1"}])

        assert db.rds.list_tags_for_resource(ResourceName=arn)["TagList"] == [{"Key": "a", "Value": "1"}]
    unknown = f"arn:aws:rds:{REGION}:123456789012:db:nobody"
    assert code(db.rds.list_tags_for_resource, ResourceName=unknown) == "DBInstanceNotFound"
