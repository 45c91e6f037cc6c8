"""ModifyDBInstance and RebootDBInstance take their time, and what was changed is not there before it is applied."""

from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.clock import Pace
from rehearsal.server import Rehearsal
from tests.rehearsal.databases import PASSWORD, Databases
from tests.rehearsal.place import CREATING, Aws, code

MODIFYING = REBOOTING = 60.0
HOURS = 6 * 3600.0
ROLE = "arn:aws:iam::123456789012:role/monitoring"
NOW: dict[str, Any] = {"ApplyImmediately": True}


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    pace = Pace(creating=CREATING, backing_up=HOURS, modifying=MODIFYING, rebooting=REBOOTING)
    with Rehearsal(pace=pace) as rehearsal:
        yield Aws(rehearsal)


@pytest.fixture
def db(aws: Aws) -> Databases:
    return Databases(aws)


@pytest.fixture
def name(db: Databases) -> str:
    """An instance without backups, which is available at once."""
    return db.instance(BackupRetentionPeriod=0, MaxAllocatedStorage=100)


def after(db: Databases, name: str) -> dict[str, Any]:
    """An instance when what was changed is applied."""
    db.aws.rehearsal.advance(MODIFYING)
    return db.shown(name)


def parameters(shown: dict[str, Any]) -> tuple[str, str]:
    group = shown["DBParameterGroups"][0]
    return group["DBParameterGroupName"], group["ParameterApplyStatus"]


# --- when


def test_the_first_backup_may_take_hours_and_until_then_nothing_is_changed(aws: Aws, db: Databases) -> None:
    name = db.instance(BackupRetentionPeriod=7)

    assert (db.status(name), "Endpoint" in db.shown(name)) == ("backing-up", True)
    assert code(db.modify, name=name, MultiAZ=True) == "InvalidDBInstanceState"
    aws.rehearsal.advance(HOURS)
    assert db.status(name) == "available"


def test_what_is_changed_at_once_is_pending_then_applied(db: Databases, name: str) -> None:
    changed = db.modify(name, DBInstanceClass="db.m7g.large", MultiAZ=True, **NOW)

    for shown in (changed, db.shown(name)):
        assert (shown["DBInstanceStatus"], shown["DBInstanceClass"]) == ("modifying", "db.t4g.medium")
        assert shown["PendingModifiedValues"] == {"DBInstanceClass": "db.m7g.large", "MultiAZ": True}
    shown = after(db, name)
    assert (shown["DBInstanceStatus"], shown["DBInstanceClass"], shown["MultiAZ"]) == (
        "available",
        "db.m7g.large",
        True,
    )
    assert shown["PendingModifiedValues"] == {}


def test_without_that_it_waits_for_the_maintenance_window(aws: Aws, db: Databases, name: str) -> None:
    changed = db.modify(name, DBInstanceClass="db.m7g.large", EnableIAMDatabaseAuthentication=True)

    aws.rehearsal.advance(86400)

    for shown in (changed, db.shown(name)):
        assert (shown["DBInstanceStatus"], shown["DBInstanceClass"]) == ("available", "db.t4g.medium")
        pending = {"DBInstanceClass": "db.m7g.large", "IAMDatabaseAuthenticationEnabled": True}
        assert shown["PendingModifiedValues"] == pending


def test_a_change_at_once_brings_what_was_waiting(db: Databases, name: str) -> None:
    db.modify(name, DBInstanceClass="db.m7g.large")
    db.modify(name, AllocatedStorage=40)
    waiting = db.shown(name)["PendingModifiedValues"]

    db.modify(name, **NOW)

    assert waiting == {"DBInstanceClass": "db.m7g.large", "AllocatedStorage": 40}
    shown = after(db, name)
    assert (shown["DBInstanceClass"], shown["AllocatedStorage"]) == ("db.m7g.large", 40)
    assert shown["PendingModifiedValues"] == {}


def test_what_needs_no_window_does_not_wait_for_one(db: Databases, name: str) -> None:
    """Storage autoscaling, insights, monitoring and windows: RDS applies them soon, whatever is said."""
    monitoring = {"MonitoringInterval": 30, "MonitoringRoleArn": ROLE}
    insights = {"EnablePerformanceInsights": True, "PerformanceInsightsRetentionPeriod": 31}

    changed = db.modify(
        name, MaxAllocatedStorage=200, PreferredMaintenanceWindow="Sat:22:00-Sat:22:30", **monitoring, **insights
    )

    assert (changed["DBInstanceStatus"], changed["PendingModifiedValues"]) == ("modifying", {})
    assert changed["MaxAllocatedStorage"] == 100
    shown = after(db, name)
    assert (shown["MaxAllocatedStorage"], shown["PreferredMaintenanceWindow"]) == (200, "sat:22:00-sat:22:30")
    assert (shown["MonitoringInterval"], shown["MonitoringRoleArn"]) == (30, ROLE)
    assert (shown["PerformanceInsightsEnabled"], shown["PerformanceInsightsRetentionPeriod"]) == (True, 31)


def test_what_changes_nothing_starts_nothing(db: Databases, name: str) -> None:
    of = db.shown(name)

    changed = db.modify(name, DBInstanceClass=of["DBInstanceClass"], MaxAllocatedStorage=100, **NOW)

    assert (changed["DBInstanceStatus"], changed["PendingModifiedValues"]) == ("available", {})


# --- what


def test_a_password_is_in_force_when_it_is_applied(aws: Aws, db: Databases, name: str) -> None:
    login = aws.rehearsal.login
    changed = db.modify(name, MasterUserPassword="another:password?", **NOW)

    assert changed["DBInstanceStatus"] == "resetting-master-credentials"
    assert changed["PendingModifiedValues"] == {"MasterUserPassword": "****"}
    assert [login(name, "postgres", each) for each in (PASSWORD, "another:password?")] == [True, False]
    shown = after(db, name)
    assert (shown["DBInstanceStatus"], shown["PendingModifiedValues"]) == ("available", {})
    assert [login(name, "postgres", each) for each in (PASSWORD, "another:password?")] == [False, True]


def test_a_parameter_group_is_named_at_once_and_in_force_after_a_reboot(aws: Aws, db: Databases, name: str) -> None:
    group = db.parameter_group()

    changed = db.modify(name, DBParameterGroupName=group)
    assert parameters(changed) == (group, "applying")
    assert parameters(after(db, name)) == (group, "pending-reboot")
    aws.rehearsal.advance(86400)
    assert parameters(db.shown(name)) == (group, "pending-reboot")

    rebooted = db.rds.reboot_db_instance(DBInstanceIdentifier=name)["DBInstance"]
    assert (rebooted["DBInstanceStatus"], *parameters(rebooted)) == ("rebooting", group, "pending-reboot")
    aws.rehearsal.advance(REBOOTING)
    assert (db.status(name), *parameters(db.shown(name))) == ("available", group, "in-sync")


def test_logs_are_turned_on_and_off(db: Databases, name: str) -> None:
    db.modify(name, CloudwatchLogsExportConfiguration={"EnableLogTypes": ["postgresql", "upgrade"]})
    assert after(db, name)["EnabledCloudwatchLogsExports"] == ["postgresql", "upgrade"]

    changed = db.modify(
        name,
        CloudwatchLogsExportConfiguration={"EnableLogTypes": ["iam-db-auth-error"], "DisableLogTypes": ["upgrade"]},
    )

    assert changed["PendingModifiedValues"]["PendingCloudwatchLogsExports"] == {
        "LogTypesToEnable": ["iam-db-auth-error"],
        "LogTypesToDisable": ["upgrade"],
    }
    assert after(db, name)["EnabledCloudwatchLogsExports"] == ["iam-db-auth-error", "postgresql"]


@pytest.mark.parametrize(
    ("asked", "member", "value"),
    [
        pytest.param({"DBPortNumber": 6543}, "Port", 6543, id="port"),
        pytest.param({"BackupRetentionPeriod": 3}, "BackupRetentionPeriod", 3, id="backups"),
        pytest.param({"CACertificateIdentifier": "rds-ca-ecc384-g1"}, "CACertificateIdentifier", None, id="authority"),
        pytest.param({"EngineVersion": "16.4"}, "EngineVersion", "16.4", id="version"),
        pytest.param({"DedicatedLogVolume": True}, "DedicatedLogVolume", True, id="log volume"),
        pytest.param({"StorageType": "gp2"}, "StorageType", "gp2", id="storage"),
    ],
)
def test_a_change_is_shown_where_it_belongs(
    db: Databases, name: str, asked: dict[str, Any], member: str, value: Any
) -> None:
    value = value if value is not None else asked[member]

    pending = db.modify(name, **asked, **NOW)["PendingModifiedValues"]

    assert pending[member] == value
    shown = after(db, name)
    assert (shown["Endpoint"] if member == "Port" else shown)[member] == value


def test_groups_are_changed(db: Databases, name: str) -> None:
    subnets, group = db.network()
    options = db.option_group()

    pending = db.modify(name, DBSubnetGroupName=subnets, VpcSecurityGroupIds=[group], OptionGroupName=options, **NOW)[
        "PendingModifiedValues"
    ]

    assert pending == {"DBSubnetGroupName": subnets}
    shown = after(db, name)
    assert shown["DBSubnetGroup"]["DBSubnetGroupName"] == subnets
    assert [each["VpcSecurityGroupId"] for each in shown["VpcSecurityGroups"]] == [group]
    assert shown["OptionGroupMemberships"][0]["OptionGroupName"] == options


def test_storage_that_grows_may_become_faster(db: Databases, name: str) -> None:
    db.modify(name, AllocatedStorage=400, MaxAllocatedStorage=1000, **NOW)
    grown = after(db, name)
    db.modify(name, StorageThroughput=600, **NOW)
    faster = after(db, name)

    assert (grown["Iops"], grown["StorageThroughput"]) == (12000, 500)
    assert (faster["Iops"], faster["StorageThroughput"]) == (12000, 600)


def test_a_most_that_is_what_there_is_turns_autoscaling_off(db: Databases, name: str) -> None:
    db.modify(name, MaxAllocatedStorage=20, **NOW)

    assert "MaxAllocatedStorage" not in after(db, name)


# --- what is refused


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        pytest.param({"MonitoringInterval": 60}, "InvalidParameterCombination", id="monitored by nobody"),
        pytest.param({"MaxAllocatedStorage": 19}, "InvalidParameterCombination", id="less than there is"),
        pytest.param({"AllocatedStorage": 19}, "InvalidParameterCombination", id="smaller"),
        pytest.param({"Iops": 3000}, "InvalidParameterCombination", id="IOPS of small gp3"),
        pytest.param({"DBParameterGroupName": "nothing"}, "DBParameterGroupNotFound", id="no such parameters"),
        pytest.param({"OptionGroupName": "nothing"}, "OptionGroupNotFoundFault", id="no such options"),
        pytest.param({"VpcSecurityGroupIds": ["sg-nothing"]}, "InvalidParameterValue", id="no such security group"),
        pytest.param({"DBSubnetGroupName": "nothing"}, "DBSubnetGroupNotFoundFault", id="no such subnets"),
        pytest.param({"DBInstanceClass": "large"}, "InvalidParameterValue", id="no class"),
        pytest.param({"BackupRetentionPeriod": 36}, "InvalidParameterValue", id="kept too long"),
        pytest.param({"MasterUserPassword": "short"}, "InvalidParameterValue", id="a short password"),
        pytest.param({"PreferredMaintenanceWindow": "sat"}, "InvalidParameterValue", id="window"),
        pytest.param({"PerformanceInsightsRetentionPeriod": 31}, "InvalidParameterCombination", id="insights are off"),
        pytest.param({"NewDBInstanceIdentifier": "other"}, "UnknownOperationException", id="not rehearsed"),
    ],
)
def test_what_no_instance_can_become_is_refused(db: Databases, name: str, asked: dict[str, Any], refused: str) -> None:
    before = db.shown(name)

    assert code(db.modify, name=name, **asked, **NOW) == refused
    assert db.shown(name) == before


def test_only_what_is_available_is_changed_or_rebooted(aws: Aws, db: Databases, name: str) -> None:
    db.modify(name, MultiAZ=True, **NOW)

    assert code(db.modify, name=name, MultiAZ=False) == "InvalidDBInstanceState"
    assert code(db.rds.reboot_db_instance, DBInstanceIdentifier=name) == "InvalidDBInstanceState"
    assert code(db.modify, name="nobody", MultiAZ=False) == "DBInstanceNotFound"
    aws.rehearsal.advance(MODIFYING)
    aws.caller.ask("databases/status", instance=name, status="storage-optimization")
    assert code(db.modify, name=name, MultiAZ=False) == ""


def test_only_two_can_fail_over(db: Databases, name: str) -> None:
    refused = code(db.rds.reboot_db_instance, DBInstanceIdentifier=name, ForceFailover=True)

    assert refused == "InvalidParameterCombination"


def test_what_is_put_while_something_is_applied_outlasts_it(aws: Aws, db: Databases, name: str) -> None:
    db.modify(name, MasterUserPassword="another:password?", **NOW)
    aws.caller.ask("databases/roles", instance=name, user="app", password="its-own:secret?")
    arn = db.shown(name)["DBInstanceArn"]
    db.rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "a", "Value": "1"}])

    shown = after(db, name)

    assert shown["TagList"] == [{"Key": "a", "Value": "1"}]
    assert aws.rehearsal.login(name, "app", "its-own:secret?")
    assert aws.rehearsal.login(name, "postgres", "another:password?")
