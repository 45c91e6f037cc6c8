"""What a restored DB instance gets: all that was passed, and of the rest what AWS has and not what the source had."""

from contextlib import suppress
from functools import cache
from typing import Any

import boto3
import pytest

from tests.rehearsal.databases import REGION, Databases
from tests.rehearsal.place import CREATING, Aws

TAGS = [{"Key": "team", "Value": "platform"}]
ROLE = "arn:aws:iam::123456789012:role/monitoring"
# A source that is unlike AWS's defaults wherever it can be.
RICH: dict[str, Any] = {
    "DBInstanceClass": "db.r7g.large",
    "Port": 6543,
    "AllocatedStorage": 50,
    "MaxAllocatedStorage": 90,
    "BackupRetentionPeriod": 9,
    "PreferredBackupWindow": "01:00-01:30",
    "PreferredMaintenanceWindow": "sat:02:00-sat:02:30",
    "MultiAZ": True,
    "PubliclyAccessible": True,
    "DeletionProtection": True,
    "EnableIAMDatabaseAuthentication": True,
    "EnableCloudwatchLogsExports": ["postgresql"],
    "CopyTagsToSnapshot": True,
    "CACertificateIdentifier": "rds-ca-ecc384-g1",
    "StorageEncrypted": True,
    "DBName": "app",
    "MonitoringInterval": 60,
    "MonitoringRoleArn": ROLE,
    "EnablePerformanceInsights": True,
    "Tags": TAGS,
}


@pytest.fixture
def db(aws: Aws) -> Databases:
    return Databases(aws)


@pytest.fixture
def source(db: Databases) -> str:
    """A plain instance that keeps backups, with a snapshot of its name and -snapshot."""
    return db.source(BackupRetentionPeriod=7)


@pytest.fixture(scope="module")
def rich(aws: Aws) -> str:
    db = Databases(aws)
    subnets, group = db.network()
    groups = {"DBSubnetGroupName": subnets, "VpcSecurityGroupIds": [group], "OptionGroupName": db.option_group()}
    return db.source(**RICH, **groups, DBParameterGroupName=db.parameter_group())


def test_what_is_not_passed_is_as_aws_has_it_and_not_as_the_source(db: Databases, rich: str) -> None:
    of, restored = db.shown(rich), db.restored(rich)

    off = ("MultiAZ", "PubliclyAccessible", "DeletionProtection", "IAMDatabaseAuthenticationEnabled")
    assert [restored[each] for each in (*off, "CopyTagsToSnapshot", "PerformanceInsightsEnabled")] == [False] * 6
    assert restored["DBParameterGroups"][0]["DBParameterGroupName"] == "default.postgres16"
    assert restored["OptionGroupMemberships"][0]["OptionGroupName"] == "default:postgres-16"
    assert restored["DBSubnetGroup"]["DBSubnetGroupName"] == "default"
    group = restored["VpcSecurityGroups"][0]["VpcSecurityGroupId"]
    known = db.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    assert (known["GroupName"], known["VpcId"]) == ("default", restored["DBSubnetGroup"]["VpcId"])
    absent = {
        "MaxAllocatedStorage",
        "MonitoringRoleArn",
        "PerformanceInsightsRetentionPeriod",
        "SecondaryAvailabilityZone",
    }
    assert absent <= set(of)
    assert not absent & set(restored)
    assert (restored["MonitoringInterval"], restored["DatabaseInsightsMode"]) == (0, "standard")
    assert restored.get("EnabledCloudwatchLogsExports", []) == []
    for each in ("PreferredMaintenanceWindow", "PreferredBackupWindow", "CACertificateIdentifier"):
        assert restored[each] != of[each]


def test_what_is_turned_off_in_so_many_words_is_off(db: Databases, rich: str) -> None:
    off = ("MultiAZ", "PubliclyAccessible", "DeletionProtection", "CopyTagsToSnapshot", "AutoMinorVersionUpgrade")

    restored = db.restored(rich, **dict.fromkeys(off, False), EnableIAMDatabaseAuthentication=False)

    assert [restored[each] for each in (*off, "IAMDatabaseAuthenticationEnabled")] == [False] * 6


def test_what_the_data_carries_is_as_the_source_has_it(db: Databases, rich: str) -> None:
    of, restored = db.shown(rich), db.restored(rich)

    for each in ("Engine", "EngineVersion", "DBInstanceClass", "AllocatedStorage", "BackupRetentionPeriod", "DBName"):
        assert restored[each] == of[each]
    for each in ("MasterUsername", "StorageEncrypted", "KmsKeyId", "LicenseModel", "TagList"):
        assert restored[each] == of[each]
    assert restored["Endpoint"]["Port"] == of["Endpoint"]["Port"] == 6543


def test_tags_that_are_passed_replace_those_of_the_source(db: Databases, rich: str) -> None:
    mine = [{"Key": "trueup:snapshot", "Value": "x"}]

    assert db.restored(rich, Tags=mine)["TagList"] == mine


def test_nothing_of_the_source_changes(db: Databases, rich: str) -> None:
    before = db.shown(rich)

    db.restored(rich)

    assert {**db.shown(rich), "LatestRestorableTime": 0} == {**before, "LatestRestorableTime": 0}


# What is passed, member by member: a value that is not the default, and where it is shown.
SHOWN: dict[str, tuple[Any, Any]] = {
    "AdditionalStorageVolumes": ([{"VolumeName": "rdsdbdata2"}], lambda db: db["AdditionalStorageVolumes"]),
    "AllocatedStorage": (120, lambda db: db["AllocatedStorage"]),
    "AutoMinorVersionUpgrade": (False, lambda db: db["AutoMinorVersionUpgrade"]),
    "AvailabilityZone": ("us-east-1b", lambda db: db["AvailabilityZone"]),
    "BackupRetentionPeriod": (35, lambda db: db["BackupRetentionPeriod"]),
    "BackupTarget": ("outposts", lambda db: db["BackupTarget"]),
    "CACertificateIdentifier": ("rds-ca-rsa4096-g1", lambda db: db["CertificateDetails"]["CAIdentifier"]),
    "CopyTagsToSnapshot": (True, lambda db: db["CopyTagsToSnapshot"]),
    "CustomIamInstanceProfile": ("AWSRDSCustom", lambda db: db["CustomIamInstanceProfile"]),
    "DBCapacityReservationIdentifier": ("dbcr-1", lambda db: db["DBCapacityReservationIdentifier"]),
    "DBInstanceClass": ("db.m7g.large", lambda db: db["DBInstanceClass"]),
    "DedicatedLogVolume": (True, lambda db: db["DedicatedLogVolume"]),
    "DeletionProtection": (True, lambda db: db["DeletionProtection"]),
    "Domain": ("d-1", lambda db: db["DomainMemberships"][0]["Domain"]),
    "DomainAuthSecretArn": ("arn:s", lambda db: db["DomainMemberships"][0]["AuthSecretArn"]),
    "DomainDnsIps": (["1.2.3.4"], lambda db: db["DomainMemberships"][0]["DnsIps"]),
    "DomainFqdn": ("a.b", lambda db: db["DomainMemberships"][0]["FQDN"]),
    "DomainIAMRoleName": ("role", lambda db: db["DomainMemberships"][0]["IAMRoleName"]),
    "DomainOu": ("OU=a", lambda db: db["DomainMemberships"][0]["OU"]),
    "EnableCloudwatchLogsExports": (["upgrade"], lambda db: db["EnabledCloudwatchLogsExports"]),
    "EnableCustomerOwnedIp": (True, lambda db: db["CustomerOwnedIpEnabled"]),
    "EnableIAMDatabaseAuthentication": (True, lambda db: db["IAMDatabaseAuthenticationEnabled"]),
    "Engine": ("postgres", lambda db: db["Engine"]),
    "EngineLifecycleSupport": (
        "open-source-rds-extended-support-disabled",
        lambda db: db["EngineLifecycleSupport"],
    ),
    "LicenseModel": ("bring-your-own-license", lambda db: db["LicenseModel"]),
    "MaxAllocatedStorage": (200, lambda db: db["MaxAllocatedStorage"]),
    "MultiAZ": (True, lambda db: db["MultiAZ"]),
    "NetworkType": ("DUAL", lambda db: db["NetworkType"]),
    "Port": (7654, lambda db: db["Endpoint"]["Port"]),
    "PreferredBackupWindow": ("22:00-22:45", lambda db: db["PreferredBackupWindow"]),
    "ProcessorFeatures": ([{"Name": "coreCount", "Value": "2"}], lambda db: db["ProcessorFeatures"]),
    "PubliclyAccessible": (True, lambda db: db["PubliclyAccessible"]),
    "StorageType": ("gp2", lambda db: db["StorageType"]),
    "Tags": ([{"Key": "a", "Value": "1"}], lambda db: db["TagList"]),
    "TdeCredentialArn": ("arn:t", lambda db: db["TdeCredentialArn"]),
}
# These are tested below, each with what it needs; and of the others RDS shows nothing, or nobody rehearses them.
TOGETHER = {
    "DBParameterGroupName",
    "DBSubnetGroupName",
    "Iops",
    "OptionGroupName",
    "StorageThroughput",
    "VpcSecurityGroupIds",
}
FROM = {
    "DBInstanceIdentifier",
    "DBSnapshotIdentifier",
    "TargetDBInstanceIdentifier",
    "SourceDBInstanceIdentifier",
    "SourceDbiResourceId",
    "RestoreTime",
    "UseLatestRestorableTime",
}
UNSHOWN = {
    "DBClusterSnapshotIdentifier",
    "DBName",
    "ManageMasterUserPassword",
    "MasterUserSecretKmsKeyId",
    "SourceDBInstanceAutomatedBackupsArn",
    "TagSpecifications",
    "TdeCredentialPassword",
    "UseDefaultProcessorFeatures",
}
FROM_SNAPSHOT, TO_TIME = OPERATIONS = ("RestoreDBInstanceFromDBSnapshot", "RestoreDBInstanceToPointInTime")
ONLY_TO_TIME = {"MaxAllocatedStorage"}
PASSED = [
    (each, operation) for operation in OPERATIONS for each in SHOWN if operation == TO_TIME or each not in ONLY_TO_TIME
]


@cache
def members(operation: str) -> set[str]:
    model = boto3.Session(region_name=REGION).client("rds").meta.service_model
    return set(model.operation_model(operation).input_shape.members)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_member_of_a_restore_is_accounted_for(operation: str) -> None:
    unknown = members(operation) - set(SHOWN) - TOGETHER - FROM - UNSHOWN

    assert unknown == set()
    assert set(SHOWN) - members(operation) == (ONLY_TO_TIME if operation == FROM_SNAPSHOT else set())


@pytest.mark.parametrize(("member", "operation"), PASSED)
def test_what_is_passed_is_what_it_gets(aws: Aws, db: Databases, rich: str, member: str, operation: str) -> None:
    value, where = SHOWN[member]
    name = aws.name("restored")

    if operation == FROM_SNAPSHOT:
        db.restore(rich, name, **{member: value})
    else:
        db.rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=rich,
            TargetDBInstanceIdentifier=name,
            UseLatestRestorableTime=True,
            **{member: value},
        )
    aws.rehearsal.advance(2 * CREATING)

    assert where(db.shown(name)) == value


def test_what_is_passed_above_is_not_what_it_gets_anyway(db: Databases, rich: str) -> None:
    plain = db.restored(rich)

    def is_plain(member: str) -> bool:
        value, where = SHOWN[member]
        with suppress(LookupError):
            return bool(where(plain) == value)
        return False

    assert [member for member in SHOWN if is_plain(member)] == ["Engine"]


def test_groups_and_networks_that_are_passed_are_what_it_gets(db: Databases, source: str) -> None:
    subnets, group = db.network()
    groups = {"DBParameterGroupName": db.parameter_group(), "OptionGroupName": db.option_group()}

    restored = db.restored(source, DBSubnetGroupName=subnets, VpcSecurityGroupIds=[group], **groups)

    assert restored["DBSubnetGroup"]["DBSubnetGroupName"] == subnets
    assert len(restored["DBSubnetGroup"]["Subnets"]) == 2
    assert restored["VpcSecurityGroups"] == [{"VpcSecurityGroupId": group, "Status": "active"}]
    assert restored["DBParameterGroups"] == [
        {"DBParameterGroupName": groups["DBParameterGroupName"], "ParameterApplyStatus": "in-sync"}
    ]
    assert restored["OptionGroupMemberships"][0]["OptionGroupName"] == groups["OptionGroupName"]


def test_without_security_groups_it_gets_the_default_one_of_its_vpc(db: Databases, source: str) -> None:
    subnets, _ = db.network()

    restored = db.restored(source, DBSubnetGroupName=subnets)

    group = restored["VpcSecurityGroups"][0]["VpcSecurityGroupId"]
    known = db.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    assert (known["GroupName"], known["VpcId"]) == ("default", restored["DBSubnetGroup"]["VpcId"])


@pytest.mark.parametrize(
    ("asked", "storage"),
    [
        pytest.param({}, ("gp3", 3000, 125), id="small"),
        pytest.param({"AllocatedStorage": 400}, ("gp3", 12000, 500), id="large"),
        pytest.param(
            {"AllocatedStorage": 400, "StorageType": "gp3", "Iops": 16000, "StorageThroughput": 700},
            ("gp3", 16000, 700),
            id="large and faster",
        ),
        pytest.param({"AllocatedStorage": 100, "Iops": 2000}, ("io1", 2000, None), id="provisioned"),
        pytest.param({"StorageType": "gp2"}, ("gp2", None, None), id="gp2"),
    ],
)
def test_storage_is_as_fast_as_aws_makes_it(
    db: Databases, source: str, asked: dict[str, Any], storage: tuple[Any, ...]
) -> None:
    restored = db.restored(source, **asked)

    assert (restored["StorageType"], restored.get("Iops"), restored.get("StorageThroughput")) == storage
