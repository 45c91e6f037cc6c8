"""A DB instance and a DB snapshot: frozen values, and how AWS shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rehearsal.shapes import Params
from rehearsal.wire import ACCOUNT

Settings = Mapping[str, Any]

# Where what is shown is called otherwise than what is asked for.
_SHOWN_AS = {
    "EnableIAMDatabaseAuthentication": "IAMDatabaseAuthenticationEnabled",
    "EnablePerformanceInsights": "PerformanceInsightsEnabled",
    "EnableCustomerOwnedIp": "CustomerOwnedIpEnabled",
    "EnableCloudwatchLogsExports": "EnabledCloudwatchLogsExports",
}
_DOMAIN = {
    "Domain": "Domain",
    "DomainFqdn": "FQDN",
    "DomainOu": "OU",
    "DomainIAMRoleName": "IAMRoleName",
    "DomainAuthSecretArn": "AuthSecretArn",
    "DomainDnsIps": "DnsIps",
}
_YEAR = 365 * 86400.0


@dataclass(frozen=True)
class Instance:
    """One DB instance. `settings` go by the names that CreateDBInstance has for them, `roles` are user: password.

    `waiting` comes with the maintenance window, `applying` comes now, `forced` is a status that a test has put it into.
    """

    region: str
    name: str
    resource: str
    created: float
    settings: Settings
    status: str = "creating"
    tags: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict, repr=False)
    waiting: Settings = field(default_factory=dict)
    applying: Settings = field(default_factory=dict)
    forced: str = ""
    has_endpoint: bool = True

    @property
    def state(self) -> str:
        """The status that AWS shows."""
        return self.forced or self.status

    @property
    def arn(self) -> str:
        return f"arn:aws:rds:{self.region}:{ACCOUNT}:db:{self.name}"

    @property
    def address(self) -> str:
        return f"{self.name}.abc123.{self.region}.rds.amazonaws.com"

    @property
    def keeps_backups(self) -> bool:
        return int(self.settings["BackupRetentionPeriod"]) > 0

    def shown(self, restorable: float | None) -> Params:
        """As DescribeDBInstances shows it. `restorable` is LatestRestorableTime."""
        return {
            **_named(self.settings),
            **(self._born() if self.status != "creating" else {}),
            **_memberships(self.settings),
            "DBInstanceIdentifier": self.name,
            "DBInstanceStatus": self.state,
            "DBInstanceArn": self.arn,
            "DbiResourceId": self.resource,
            "LatestRestorableTime": restorable,
            "PendingModifiedValues": self._pending(),
            "CertificateDetails": {
                "CAIdentifier": self.settings["CACertificateIdentifier"],
                "ValidTill": milliseconds(self.created + _YEAR),
            },
            "EnhancedMonitoringResourceArn": self._monitored(),
            "TagList": tag_list(self.tags),
            "DbInstancePort": 0,
            "ActivityStreamStatus": "stopped",
            "IsStorageConfigUpgradeAvailable": False,
        }

    def _born(self) -> Params:
        endpoint = {"Address": self.address, "Port": self.settings["Port"], "HostedZoneId": "Z2R2ITUGPM61AM"}
        return {
            "InstanceCreateTime": milliseconds(self.created),
            "Endpoint": endpoint if self.has_endpoint else None,
        }

    def _pending(self) -> Params:
        coming = {**self.waiting, **self.applying}
        group = coming.get("DBSubnetGroup")
        return {**_named(coming), "DBSubnetGroupName": group and group["DBSubnetGroupName"]}

    def _monitored(self) -> str | None:
        stream = f"log-group:RDSOSMetrics:log-stream:{self.resource}"
        return f"arn:aws:logs:{self.region}:{ACCOUNT}:{stream}" if self.settings["MonitoringInterval"] else None


@dataclass(frozen=True)
class Snapshot:
    """One DB snapshot: an instance as it was, with the passwords that it had."""

    name: str
    of: Instance
    taken: float
    kind: str = "manual"
    status: str = "available"
    owner: str = ACCOUNT
    original: float = 0.0  # 0: it is no copy
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:rds:{self.of.region}:{self.owner}:snapshot:{self.name}"

    @property
    def is_shared(self) -> bool:
        """Whether it belongs to another account."""
        return self.owner != ACCOUNT

    def shown(self) -> Params:
        """As DescribeDBSnapshots shows it. A shared one goes by its ARN."""
        group = self.of.settings["DBSubnetGroup"]
        return {
            **_named(self.of.settings),
            "DBSnapshotIdentifier": self.arn if self.is_shared else self.name,
            "DBSnapshotArn": self.arn,
            "DBInstanceIdentifier": self.of.name,
            "DbiResourceId": self.of.resource,
            "InstanceCreateTime": milliseconds(self.of.created),
            "SnapshotCreateTime": None if self.status == "creating" else milliseconds(self.taken),
            "OriginalSnapshotCreateTime": milliseconds(self.original or self.taken),
            "SnapshotType": "shared" if self.is_shared else self.kind,
            "Status": self.status,
            "PercentProgress": 100 if self.status == "available" else 0,
            "Encrypted": self.of.settings["StorageEncrypted"],
            "VpcId": group["VpcId"],
            "SnapshotTarget": "region",
            "TagList": tag_list(self.tags),
        }


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(tags: list[dict[str, str]] | None) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in tags or ()}


def milliseconds(instant: float) -> float:
    """An instant as RDS tells it, never later than it is."""
    return int(instant * 1000) / 1000


def _named(settings: Settings) -> Params:
    return {_SHOWN_AS.get(name, name): value for name, value in settings.items()}


def _memberships(settings: Settings) -> Params:
    domain = {shown: settings[name] for name, shown in _DOMAIN.items() if settings.get(name)}
    parameters = {
        "DBParameterGroupName": settings["DBParameterGroupName"],
        "ParameterApplyStatus": settings["ParameterApplyStatus"],
    }
    return {
        "DBParameterGroups": [parameters],
        "OptionGroupMemberships": [{"OptionGroupName": settings["OptionGroupName"], "Status": "in-sync"}],
        "VpcSecurityGroups": [
            {"VpcSecurityGroupId": group, "Status": "active"} for group in settings["VpcSecurityGroupIds"]
        ],
        "DomainMemberships": [{**domain, "Status": "joined"}] if domain else [],
        "DBSecurityGroups": [],
        "ReadReplicaDBInstanceIdentifiers": [],
        "AssociatedRoles": [],
    }
