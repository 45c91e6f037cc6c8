"""The settings of a database instance: where AWS shows each, how a restore asks for it, how it is changed later. Pure.

What is no setting is in rds_left_alone.py, with the reason: a test compares both files with the model of the API.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from desired_state.model import Restore
from desired_state.values import FrozenMap

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

TAG: Final = "trueup:"  # every tag that trueup reads or writes begins so
_BASELINE: Final = {(3000, 125), (12000, 500)}  # of gp3 storage: what comes by itself must not be asked for
_NO_IOPS: Final = {"gp2", "standard"}
_SPEED: Final = ("iops", "storage_throughput")

Values = Mapping[str, Any]  # by the key in the file
_Reader = Callable[["DBInstanceTypeDef"], Any]


@dataclass(frozen=True)
class Setting:
    """One setting."""

    key: str
    """Its key in the file; of one that the file does not know, a name for people."""
    shown: str
    """The member of DescribeDBInstances that tells it."""
    read: _Reader
    asked: tuple[str, ...] = ()
    """The members of the restore calls that ask for it; none where they do not take it."""
    changed: str = ""
    """The member of ModifyDBInstance; "" where it stays as it was made."""
    first: bool = False
    """Whether it must be right before the instance is used; the others are put right while it is in use."""
    ask: Callable[[Any], dict[str, Any]] | None = None
    """How a value becomes what the restore calls take, where it is not one member with that value."""

    def asking(self, value: Any) -> dict[str, Any]:
        """What the restore calls are given for a value."""
        if self.ask is not None:
            return self.ask(value)
        return {member: _sent(value) for member in self.asked}


@dataclass(frozen=True)
class Difference:
    """A setting that is not as it was asked for."""

    setting: Setting
    live: Any
    wanted: Any


def _told(member: str) -> _Reader:
    return lambda told: told.get(member)


def _alike(key: str, member: str, *, first: bool = False) -> Setting:
    """A setting that has one name in all calls."""
    return Setting(key, member, _told(member), (member,), member, first)


def _sorted(values: Any) -> tuple[str, ...]:
    return tuple(sorted(values or ()))


def _group(names: Iterable[str]) -> str | None:
    """The one group that an instance has; RDS keeps its name in small letters."""
    return next((name.lower() for name in names if name), None)


def _features(told: "DBInstanceTypeDef") -> Any:
    return tuple(sorted((each.get("Name", ""), each.get("Value", "")) for each in told.get("ProcessorFeatures", ())))


def _domain(told: "DBInstanceTypeDef") -> Any:
    joined = next((each for each in told.get("DomainMemberships", ()) if each.get("Domain") or each.get("FQDN")), None)
    names = ("Domain", "IAMRoleName", "FQDN", "OU", "AuthSecretArn")
    found = {name: joined[name] for name in names if joined.get(name)} if joined else {}  # type: ignore[literal-required]
    if joined and joined.get("DnsIps"):
        found["DnsIps"] = tuple(joined["DnsIps"])
    return tuple(found.items())


_JOINING: Final = {
    "Domain": "Domain",
    "IAMRoleName": "DomainIAMRoleName",
    "FQDN": "DomainFqdn",
    "OU": "DomainOu",
    "AuthSecretArn": "DomainAuthSecretArn",
    "DnsIps": "DomainDnsIps",
}


def _join(value: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    asked = dict(value)
    if "AuthSecretArn" in asked:  # a directory of one's own: what AWS made of it is not asked for
        asked.pop("Domain", None)
        asked.pop("IAMRoleName", None)
    return {_JOINING[name]: _sent(each) for name, each in asked.items()}


def own_tags(told: Mapping[str, str]) -> Mapping[str, str]:
    """The tags that belong to the team: neither AWS's nor trueup's."""
    return FrozenMap({key: value for key, value in told.items() if not key.startswith(("aws:", TAG))})


def all_tags(told: "DBInstanceTypeDef") -> Mapping[str, str]:
    """Every tag of an instance."""
    return FrozenMap({tag.get("Key", ""): tag.get("Value", "") for tag in told.get("TagList", ())})


SETTINGS: Final = (
    _alike("instance_class", "DBInstanceClass", first=True),
    Setting(
        "subnet_group",
        "DBSubnetGroup",
        lambda told: told.get("DBSubnetGroup", {}).get("DBSubnetGroupName", "").lower() or None,
        ("DBSubnetGroupName",),
        first=True,
    ),
    Setting(
        "security_groups",
        "VpcSecurityGroups",
        lambda told: _sorted(each.get("VpcSecurityGroupId", "") for each in told.get("VpcSecurityGroups", ())) or None,
        ("VpcSecurityGroupIds",),
        "VpcSecurityGroupIds",
        first=True,
    ),
    Setting(
        "parameter_group",
        "DBParameterGroups",
        lambda told: _group(each.get("DBParameterGroupName", "") for each in told.get("DBParameterGroups", ())),
        ("DBParameterGroupName",),
        "DBParameterGroupName",
        first=True,
    ),
    Setting(
        "option_group",
        "OptionGroupMemberships",
        lambda told: _group(each.get("OptionGroupName", "") for each in told.get("OptionGroupMemberships", ())),
        ("OptionGroupName",),
        "OptionGroupName",
        first=True,
    ),
    _alike("multi_az", "MultiAZ"),
    _alike("publicly_accessible", "PubliclyAccessible", first=True),
    Setting(
        "port", "Endpoint", lambda told: told.get("Endpoint", {}).get("Port"), ("Port",), "DBPortNumber", first=True
    ),
    _alike("network_type", "NetworkType", first=True),
    Setting(
        "iam_authentication",
        "IAMDatabaseAuthenticationEnabled",
        _told("IAMDatabaseAuthenticationEnabled"),
        ("EnableIAMDatabaseAuthentication",),
        "EnableIAMDatabaseAuthentication",
        first=True,
    ),
    _alike("deletion_protection", "DeletionProtection"),
    Setting(
        "log_exports",
        "EnabledCloudwatchLogsExports",
        lambda told: _sorted(told.get("EnabledCloudwatchLogsExports")),
        ("EnableCloudwatchLogsExports",),
        "CloudwatchLogsExportConfiguration",
    ),
    _alike("ca_certificate", "CACertificateIdentifier"),
    _alike("auto_minor_version_upgrade", "AutoMinorVersionUpgrade"),
    _alike("license_model", "LicenseModel"),
    Setting(
        "engine_lifecycle_support",
        "EngineLifecycleSupport",
        _told("EngineLifecycleSupport"),
        ("EngineLifecycleSupport",),
        "EngineLifecycleSupport",
    ),
    _alike("storage_type", "StorageType"),
    _alike("allocated_storage", "AllocatedStorage"),
    _alike("iops", "Iops"),
    _alike("storage_throughput", "StorageThroughput"),
    _alike("dedicated_log_volume", "DedicatedLogVolume"),
    Setting("max_allocated_storage", "MaxAllocatedStorage", _told("MaxAllocatedStorage"), (), "MaxAllocatedStorage"),
    Setting(
        "backup_retention_days",
        "BackupRetentionPeriod",
        _told("BackupRetentionPeriod"),
        ("BackupRetentionPeriod",),
        "BackupRetentionPeriod",
    ),
    _alike("backup_window", "PreferredBackupWindow"),
    _alike("copy_tags_to_snapshot", "CopyTagsToSnapshot"),
    Setting(
        "maintenance_window",
        "PreferredMaintenanceWindow",
        lambda told: told.get("PreferredMaintenanceWindow", "").lower() or None,
        (),
        "PreferredMaintenanceWindow",
    ),
    Setting("monitoring_interval", "MonitoringInterval", _told("MonitoringInterval"), (), "MonitoringInterval"),
    Setting("monitoring_role", "MonitoringRoleArn", _told("MonitoringRoleArn"), (), "MonitoringRoleArn"),
    Setting(
        "performance_insights",
        "PerformanceInsightsEnabled",
        _told("PerformanceInsightsEnabled"),
        (),
        "EnablePerformanceInsights",
    ),
    Setting(
        "performance_insights_key",
        "PerformanceInsightsKMSKeyId",
        _told("PerformanceInsightsKMSKeyId"),
        (),
        "PerformanceInsightsKMSKeyId",
    ),
    Setting(
        "performance_insights_retention_days",
        "PerformanceInsightsRetentionPeriod",
        _told("PerformanceInsightsRetentionPeriod"),
        (),
        "PerformanceInsightsRetentionPeriod",
    ),
    Setting("database_insights", "DatabaseInsightsMode", _told("DatabaseInsightsMode"), (), "DatabaseInsightsMode"),
    Setting(
        "tags",
        "TagList",
        lambda told: own_tags(all_tags(told)),
        ("Tags",),
        ask=lambda value: {"Tags": [{"Key": key, "Value": text} for key, text in value.items()]},
    ),
    # What only an instance to copy from can say.
    Setting(
        "processor_features",
        "ProcessorFeatures",
        lambda told: _features(told) or None,
        ("ProcessorFeatures",),
        ask=lambda value: {"ProcessorFeatures": [{"Name": name, "Value": each} for name, each in value]},
    ),
    Setting("domain", "DomainMemberships", lambda told: _domain(told) or None, tuple(_JOINING.values()), ask=_join),
    Setting(
        "customer_owned_ip",
        "CustomerOwnedIpEnabled",
        lambda told: told.get("CustomerOwnedIpEnabled") or None,
        ("EnableCustomerOwnedIp",),
        "EnableCustomerOwnedIp",
    ),
    Setting(
        "backup_target",
        "BackupTarget",
        lambda told: None if told.get("BackupTarget") == "region" else told.get("BackupTarget"),
        ("BackupTarget",),
    ),
)
KEYS: Final = tuple(setting.key for setting in SETTINGS)


def settings(told: "DBInstanceTypeDef") -> Values:
    """The settings of an instance, those that it has."""
    found = {setting.key: setting.read(told) for setting in SETTINGS}
    return FrozenMap({key: value for key, value in found.items() if value is not None})


def wanted(restore: Restore, like: Values | None) -> Values:
    """What a restored instance must be: what the file says, else what the instance that it is like has."""
    written = {key: _normal(key, value) for key in KEYS if (value := getattr(restore, key, None)) is not None}
    values = {**(like or {}), **written}
    if "instance_class" in written and written["instance_class"] != (like or {}).get("instance_class"):
        values.pop("processor_features", None)  # they belong to the other class
    if "storage_type" in written and written["storage_type"] != (like or {}).get("storage_type"):
        values = {key: value for key, value in values.items() if key in written or key not in _SPEED}
    for key in _pointless(values):
        if key not in written:
            values.pop(key, None)
    return FrozenMap(values)


def asked(values: Values) -> dict[str, Any]:
    """What the restore calls are given."""
    members: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.asked and setting.key in values:
            members |= setting.asking(values[setting.key])
    return members


def differences(values: Values, live: Values) -> Iterator[Difference]:
    """Where an instance is not what it must be."""
    for setting in SETTINGS:
        if setting.key not in values:
            continue
        want, have = values[setting.key], live.get(setting.key)
        if not _holds(setting.key, want, have):
            yield Difference(setting, have, want)


def changing(found: Iterator[Difference] | tuple[Difference, ...]) -> dict[str, Any]:
    """What ModifyDBInstance is given to repair these differences. Tags are not its business."""
    members: dict[str, Any] = {}
    for each in found:
        if each.setting.key == "log_exports":
            live, want = set(each.live or ()), set(each.wanted)
            both = {"EnableLogTypes": sorted(want - live), "DisableLogTypes": sorted(live - want)}
            members[each.setting.changed] = {name: types for name, types in both.items() if types}
        elif each.setting.changed:
            members[each.setting.changed] = _sent(each.wanted)
    return members


def spelled(value: Any) -> str:
    """A value as the file would say it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {text}" for key, text in sorted(value.items())) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(each if isinstance(each, str) else "=".join(map(str, each)) for each in value) + "]"
    return str(value)


def _holds(key: str, want: Any, have: Any) -> bool:
    if key == "allocated_storage":  # storage never shrinks, and grows by itself
        return isinstance(have, int) and have >= want
    if key == "tags":
        return set(want.items()) <= set((have or {}).items())
    if key == "performance_insights_key" and isinstance(want, str) and not want.startswith("arn:"):
        return want.startswith("alias/") or str(have).endswith(f"/{want}")  # AWS shows the ARN of the key
    if not want:  # AWS leaves out what is off
        return not have
    return bool(want == have)


def _pointless(values: Values) -> Iterator[str]:
    """What must not be asked for beside the rest, and what comes by itself."""
    for key in ("parameter_group", "option_group"):
        if values.get(key, "").startswith(("default.", "default:")):
            yield key  # RDS takes the default of the version that the data has
    if not values.get("monitoring_interval"):
        yield "monitoring_role"
    if not values.get("performance_insights"):
        yield from ("performance_insights_key", "performance_insights_retention_days")
    if not values.get("dedicated_log_volume"):
        yield "dedicated_log_volume"
    storage = values.get("storage_type")
    speed = (values.get("iops"), values.get("storage_throughput"))
    if storage in _NO_IOPS or (storage == "gp3" and speed in _BASELINE):
        yield from _SPEED
    elif storage not in ("gp3", None):
        yield "storage_throughput"


def _normal(key: str, value: Any) -> Any:
    if key in ("subnet_group", "parameter_group", "option_group", "maintenance_window"):
        return value.lower()
    return _sorted(value) if isinstance(value, tuple) else value


def _sent(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
