"""Where the ReplayDash production keeps its data: the database with its snapshots, its secret and its name."""

import json
from datetime import datetime, timedelta
from typing import Any

from rehearsal.caller import Caller
from rehearsal.replaydash_names import (
    DATABASE,
    DATABASE_HOST,
    DATABASE_NAME,
    MANUAL_SNAPSHOT,
    MONITORING_ROLE,
    OPTION_GROUP,
    PARAMETER_GROUP,
    PASSWORD,
    REGION,
    SECRET,
    SUBNET_GROUP,
    TODAY,
    URL,
    USER,
    ZONE,
)
from rehearsal.replaydash_network import Network

_KEPT_DAYS = 7
# What AWS would choose otherwise: a copy that forgets one of these shows it.
_UNLIKE_THE_DEFAULTS: dict[str, Any] = {
    "MultiAZ": True,
    "PubliclyAccessible": False,
    "AutoMinorVersionUpgrade": False,
    "DeletionProtection": True,
    "CopyTagsToSnapshot": True,
    "EnableIAMDatabaseAuthentication": True,
    "EnableCloudwatchLogsExports": ["postgresql", "upgrade"],
    "CACertificateIdentifier": "rds-ca-ecc384-g1",
    "BackupRetentionPeriod": _KEPT_DAYS,
    "PreferredBackupWindow": "03:00-03:30",
    "PreferredMaintenanceWindow": "sun:04:10-sun:04:40",
    "MonitoringInterval": 60,
    "MonitoringRoleArn": MONITORING_ROLE,
    "EnablePerformanceInsights": True,
    "PerformanceInsightsRetentionPeriod": 31,
}


def database(caller: Caller, network: Network) -> None:
    """The RDS instance with its groups."""
    rds = caller.aws("rds")
    _groups(rds, network)
    rds.create_db_instance(
        DBInstanceIdentifier=DATABASE,
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        EngineVersion="16.3",
        DBName=DATABASE_NAME,
        MasterUsername=USER,
        MasterUserPassword=PASSWORD,
        AllocatedStorage=100,
        MaxAllocatedStorage=500,
        StorageType="gp3",  # with the IOPS and the throughput that AWS gives so small a volume
        StorageEncrypted=True,
        DBSubnetGroupName=SUBNET_GROUP,
        VpcSecurityGroupIds=[network.groups["db"]],
        DBParameterGroupName=PARAMETER_GROUP,
        OptionGroupName=OPTION_GROUP,
        Tags=[{"Key": "team", "Value": "platform"}, {"Key": "environment", "Value": "production"}],
        **_UNLIKE_THE_DEFAULTS,
    )


def _groups(rds: Any, network: Network) -> None:
    rds.create_db_subnet_group(
        DBSubnetGroupName=SUBNET_GROUP, DBSubnetGroupDescription="ReplayDash", SubnetIds=list(network.private)
    )
    rds.create_db_parameter_group(
        DBParameterGroupName=PARAMETER_GROUP, DBParameterGroupFamily="postgres16", Description="ReplayDash"
    )
    rds.create_option_group(
        OptionGroupName=OPTION_GROUP,
        EngineName="postgres",
        MajorEngineVersion="16",
        OptionGroupDescription="ReplayDash",
    )


def secret(caller: Caller) -> str:
    """The secret that the tasks read; its ARN."""
    document = {
        "username": USER,
        "password": PASSWORD,
        "engine": "postgres",
        "host": DATABASE_HOST,
        "port": 5432,
        "dbname": DATABASE_NAME,
        "url": URL,
    }
    made = caller.aws("secretsmanager").create_secret(
        Name=SECRET, Description="Where the API finds its database", SecretString=json.dumps(document)
    )
    return str(made["ARN"])


def name(caller: Caller, network: Network) -> None:
    """db.replaydash.internal, in a zone that only the VPC sees."""
    route53 = caller.aws("route53")
    zone = route53.create_hosted_zone(
        Name=ZONE,
        CallerReference="replaydash",
        VPC={"VPCRegion": REGION, "VPCId": network.vpc},
        HostedZoneConfig={"Comment": "ReplayDash, inside", "PrivateZone": True},
    )["HostedZone"]["Id"]
    record = {"Name": f"db.{ZONE}", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": DATABASE_HOST}]}
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)


def snapshots(caller: Caller, now: datetime) -> None:
    """One automated snapshot a night for as long as they are kept, and one that somebody took by hand."""
    for night in range(_KEPT_DAYS):
        taken = TODAY.replace(hour=3, minute=0) - timedelta(days=night)
        named = f"rds:{DATABASE}-{taken:%Y-%m-%d-%H-%M}"
        _snapshot(caller, named, now - (TODAY - taken))
    _snapshot(caller, MANUAL_SNAPSHOT, now - timedelta(days=10))


def _snapshot(caller: Caller, name: str, at: datetime) -> None:
    caller.ask("snapshots", region=REGION, instance=DATABASE, name=name, at=at.isoformat())
