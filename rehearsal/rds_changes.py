"""ModifyDBInstance and RebootDBInstance: what they refuse, what comes at once, and what waits for a window."""

from dataclasses import replace

from rehearsal import rds_checks, rds_settings
from rehearsal.rds_checks import combination
from rehearsal.rds_instances import answer
from rehearsal.rds_state import Region
from rehearsal.rds_values import Instance, Settings
from rehearsal.shapes import Params

_WAITING = frozenset(  # for the maintenance window, unless it is to be applied immediately
    {
        "AllocatedStorage",
        "BackupRetentionPeriod",
        "CACertificateIdentifier",
        "DBInstanceClass",
        "DBSubnetGroup",
        "DedicatedLogVolume",
        "EnableIAMDatabaseAuthentication",
        "EngineVersion",
        "Iops",
        "LicenseModel",
        "MultiAZ",
        "OptionGroupName",
        "ProcessorFeatures",
        "SecondaryAvailabilityZone",
        "StorageThroughput",
        "StorageType",
    }
)


def modify(region: Region, params: Params) -> Params:
    """ModifyDBInstance."""
    instance = region.ready(params["DBInstanceIdentifier"])
    password = rds_checks.password(params["MasterUserPassword"]) if "MasterUserPassword" in params else ""
    settings, passed = instance.settings, _passed(instance, params)
    rds_checks.values(passed, settings["Engine"])
    wanted = rds_settings.merged(region.name, {**settings, **instance.waiting}, passed)
    changed = {name: value for name, value in wanted.items() if value != settings.get(name)}
    waiting = {} if params.get("ApplyImmediately") else _until_the_window(settings, changed)
    soon = {name: value for name, value in changed.items() if name not in waiting}
    if soon or password:
        _apply(region, instance, soon, waiting, password)
    else:
        region.amend(instance.name, lambda each: replace(each, waiting=waiting))
    return answer(region, instance.name)


def reboot(region: Region, params: Params) -> Params:
    """RebootDBInstance. Afterwards the parameter group is in force."""
    instance = region.ready(params["DBInstanceIdentifier"])
    if params.get("ForceFailover") and not instance.settings["MultiAZ"]:
        raise combination("You can't specify ForceFailover for a DB instance that is not Multi-AZ.")
    settings = {**instance.settings, "ParameterApplyStatus": "in-sync"}
    back = replace(instance, settings=settings, status="available")
    region.take(instance, (0.0, replace(instance, status="rebooting")), (region.pace.rebooting, back))
    return answer(region, instance.name)


def _passed(instance: Instance, params: Params) -> Params:
    """What was passed, by the names that CreateDBInstance has for it."""
    passed = {name: value for name, value in params.items() if name != "DBInstanceIdentifier"}
    if "DBPortNumber" in passed:
        passed["Port"] = passed.pop("DBPortNumber")
    if logs := passed.pop("CloudwatchLogsExportConfiguration", None):
        kept = set(instance.settings["EnableCloudwatchLogsExports"]) - set(logs.get("DisableLogTypes", ()))
        passed["EnableCloudwatchLogsExports"] = sorted(kept | set(logs.get("EnableLogTypes", ())))
    return passed


def _until_the_window(settings: Settings, changed: Params) -> Params:
    days = settings["BackupRetentionPeriod"], changed.get("BackupRetentionPeriod", 0)
    return {
        name: value
        for name, value in changed.items()
        if name in _WAITING and not (name == "BackupRetentionPeriod" and all(days))
    }


def _apply(region: Region, instance: Instance, soon: Params, waiting: Params, password: str) -> None:
    """Begin to apply what comes soon, and apply it when the time has come."""
    before, after = dict(instance.settings), {**instance.settings, **soon}
    if "DBParameterGroupName" in soon:  # of the group the name comes at once, and what it says with a reboot
        before |= {"DBParameterGroupName": soon["DBParameterGroupName"], "ParameterApplyStatus": "applying"}
        after["ParameterApplyStatus"] = "pending-reboot"
    status = "modifying" if soon else "resetting-master-credentials"
    applying = {**soon, **_logs(instance.settings, after), **({"MasterUserPassword": "****"} if password else {})}
    begun = replace(instance, settings=before, waiting=waiting, applying=applying, status=status)
    roles = {**instance.roles, **({after["MasterUsername"]: password} if password else {})}
    done = replace(instance, settings=after, waiting=waiting, applying={}, status="available", roles=roles)
    region.take(instance, (0.0, begun), (region.pace.modifying, done))


def _logs(before: Settings, after: Settings) -> Params:
    had, gets = (set(each["EnableCloudwatchLogsExports"]) for each in (before, after))
    if had == gets:
        return {}
    return {
        "PendingCloudwatchLogsExports": {
            "LogTypesToEnable": sorted(gets - had),
            "LogTypesToDisable": sorted(had - gets),
        }
    }
