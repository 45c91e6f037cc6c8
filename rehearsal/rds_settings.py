"""The settings of a DB instance: what was passed, what it had or inherits, and what AWS makes of the rest."""

from collections.abc import Mapping
from typing import Any

from rehearsal import rds_checks, rds_groups, rds_storage, rds_windows
from rehearsal.rds_checks import combination, invalid
from rehearsal.rds_values import Settings
from rehearsal.shapes import Params, members
from rehearsal.wire import ACCOUNT, Refused, Unsupported

# What AWS gives a new instance unless it is asked for something else.
_DEFAULTS: Mapping[str, Any] = {
    "MultiAZ": False,
    "PubliclyAccessible": False,
    "AutoMinorVersionUpgrade": True,
    "DeletionProtection": False,
    "EnableIAMDatabaseAuthentication": False,
    "EnableCloudwatchLogsExports": [],
    "CopyTagsToSnapshot": False,
    "CACertificateIdentifier": "rds-ca-rsa2048-g1",
    "NetworkType": "IPV4",
    "DedicatedLogVolume": False,
    "EnableCustomerOwnedIp": False,
    "BackupTarget": "region",
    "EngineLifecycleSupport": "open-source-rds-extended-support",
    "MonitoringInterval": 0,
    "EnablePerformanceInsights": False,
    "DatabaseInsightsMode": "standard",
    "StorageEncrypted": False,
    "BackupRetentionPeriod": 1,
}
# The members of CreateDBInstance that are no settings: names, tags, what is secret, and what becomes something else.
_NO_SETTINGS = frozenset(
    {
        "DBInstanceIdentifier",
        "DBSubnetGroupName",
        "ManageMasterUserPassword",
        "MasterUserPassword",
        "MasterUserSecretKmsKeyId",
        "TagSpecifications",
        "Tags",
        "TdeCredentialPassword",
    }
)
_KEPT_FOR = frozenset({7, 731, *(31 * months for months in range(1, 24))})


def new(region: str, name: str, base: Settings, passed: Params, source: Settings | None = None) -> Settings:
    """Of a new instance: what was passed, else what `base` has, else AWS's own, which is never the source's window."""
    rds_checks.values(passed, base["Engine"])
    backup = passed.get("PreferredBackupWindow") or next(rds_windows.backup(name, source or {}))
    maintenance = passed.get("PreferredMaintenanceWindow") or next(
        each for each in rds_windows.maintenance(name, source or {}) if not rds_windows.wrong(each, backup)
    )
    windows = {"PreferredBackupWindow": backup, "PreferredMaintenanceWindow": maintenance}
    return merged(region, {**_DEFAULTS, **windows, **base, "ParameterApplyStatus": "in-sync"}, passed)


def merged(region: str, base: Settings, passed: Params) -> Settings:
    """The settings after those passed. Refused where AWS would refuse them, alone or together."""
    for unknown in ("ManageMasterUserPassword", "NewDBInstanceIdentifier", "DBClusterIdentifier", "MultiTenant"):
        if passed.get(unknown):
            raise Unsupported(f"rds with {unknown}")
    names = members("rds", "CreateDBInstance") - _NO_SETTINGS
    settings = {**base, **{name: value for name, value in passed.items() if name in names}}
    settings["PreferredMaintenanceWindow"] = settings["PreferredMaintenanceWindow"].lower()
    if wrong := rds_windows.wrong(settings["PreferredMaintenanceWindow"], settings["PreferredBackupWindow"]):
        raise invalid(wrong)
    return {
        **settings,
        **_place(region, settings, passed),
        **_groups(region, settings),
        **rds_storage.storage(base, settings, passed),
        **_monitoring(settings, passed),
        **_insights(region, settings, passed),
        "KmsKeyId": (settings.get("KmsKeyId") or _key(region)) if settings["StorageEncrypted"] else None,
    }


def _place(region: str, settings: Params, passed: Params) -> Params:
    group = settings.get("DBSubnetGroup")
    if group is None or "DBSubnetGroupName" in passed:
        group = rds_groups.subnet_group(region, passed.get("DBSubnetGroupName", "default"))
    groups = settings.get("VpcSecurityGroupIds")
    zones = sorted({each["SubnetAvailabilityZone"]["Name"] for each in group["Subnets"]})
    zone = settings.get("AvailabilityZone") or zones[0]
    second = next((each for each in zones if each != zone), None)
    if settings["MultiAZ"] and second is None:
        raise Refused("DBSubnetGroupDoesNotCoverEnoughAZs", "A Multi-AZ instance needs subnets in two zones or more.")
    return {
        "DBSubnetGroup": group,
        "VpcSecurityGroupIds": rds_groups.security_groups(region, groups, group["VpcId"]),
        "AvailabilityZone": zone,
        "SecondaryAvailabilityZone": second if settings["MultiAZ"] else None,
    }


def _groups(region: str, settings: Params) -> Params:
    of = settings["Engine"], settings["EngineVersion"]
    return {
        "DBParameterGroupName": rds_groups.parameter_group(region, settings.get("DBParameterGroupName"), *of),
        "OptionGroupName": rds_groups.option_group(region, settings.get("OptionGroupName"), *of),
    }


def _monitoring(settings: Params, passed: Params) -> Params:
    seconds = settings["MonitoringInterval"]
    if seconds not in (0, 1, 5, 10, 15, 30, 60):
        raise invalid(f"Invalid value {seconds} for MonitoringInterval.")
    if seconds and not settings.get("MonitoringRoleArn"):
        raise combination(
            "A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0."
        )
    if not seconds and passed.get("MonitoringRoleArn"):
        raise combination(
            "You must specify a MonitoringInterval value other than 0 when you specify a MonitoringRoleARN value."
        )
    return {"MonitoringRoleArn": settings.get("MonitoringRoleArn") if seconds else None}


def _insights(region: str, settings: Params, passed: Params) -> Params:
    enabled, days = settings["EnablePerformanceInsights"], settings.get("PerformanceInsightsRetentionPeriod") or 7
    details = ("PerformanceInsightsRetentionPeriod", "PerformanceInsightsKMSKeyId")
    if not enabled and any(passed.get(name) for name in details):
        raise combination("To set the details of Performance Insights, enable it.")
    if days not in _KEPT_FOR:
        raise invalid(f"Invalid Performance Insights retention period: {days}.")
    if settings["DatabaseInsightsMode"] == "advanced" and not (enabled and days >= 465):
        raise combination(
            "The advanced mode of Database Insights needs Performance Insights kept for 465 days or more."
        )
    key = settings.get("PerformanceInsightsKMSKeyId") or _key(region)
    return dict(zip(details, (days, key) if enabled else (None, None), strict=True))


def _key(region: str) -> str:
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/0d5ba77e-aa11-4c5e-9f0e-7c1b5d0c6a31"
