"""What a restored database is like: in the end every setting, or all that is written in place of the instance."""

import json
from typing import Any

from reconcilers.rds_left_alone import NO_SETTING
from rehearsal.replaydash_names import DATABASE
from tests.end_to_end.restores import INSTANCE, address, committed, following, leads_to, restoring, shown, tags
from tests.end_to_end.world import World


def test_in_the_end_every_member_is_as_that_of_the_instance_that_it_is_like(slow: World) -> None:
    """Of all that DescribeDBInstances shows, but for what no setting is: `NO_SETTING` says why."""
    rds = slow.client("rds")
    since = {"DBInstanceClass": "db.m6g.large", "AllocatedStorage": 500, "Iops": 13000, "StorageThroughput": 600}
    rds.modify_db_instance(DBInstanceIdentifier=DATABASE, **since, MaxAllocatedStorage=900, ApplyImmediately=True)
    slow.aws.advance(5)
    following(slow)

    run = committed(slow, restoring())

    assert run.in_sync(), run.reasons()
    model, known = _members(slow), shown(slow, DATABASE)
    assert _settings(slow, INSTANCE) == _settings(slow, DATABASE)
    assert known["AllocatedStorage"] == 500
    assert set(NO_SETTING) < model
    assert set(known) <= model


def _members(on: World) -> set[str]:
    shape = on.client("rds").meta.service_model.operation_model("DescribeDBInstances").output_shape
    return set(shape.members["DBInstances"].member.members)


def _settings(on: World, instance: str) -> dict[str, Any]:
    """What is shown of an instance and is a setting; of its endpoint only the port, and only the team's tags."""
    found = {name: value for name, value in shown(on, instance).items() if name not in NO_SETTING}
    own = {key: value for key, value in tags(on, instance).items() if not key.startswith("trueup:")}
    return found | {"Endpoint": found["Endpoint"]["Port"], "TagList": own}


def test_what_is_written_wins_over_the_instance_that_it_is_like(slow: World) -> None:
    following(slow)
    settings = ("instance_class: db.m6g.xlarge", "multi_az: false", "backup_retention_days: 1", "tags: {team: data}")

    run = committed(slow, restoring(settings=(*settings, "log_exports: []", "monitoring_interval: 0")))

    assert run.in_sync(), run.reasons()
    restored, live = _settings(slow, INSTANCE), _settings(slow, DATABASE)
    written = {
        "DBInstanceClass": "db.m6g.xlarge",
        "MultiAZ": False,
        "BackupRetentionPeriod": 1,
        "TagList": {"team": "data"},
        "MonitoringInterval": 0,
    }
    gone = {"EnabledCloudwatchLogsExports", "MonitoringRoleArn"}
    assert {name: restored.get(name) for name in written} == written
    assert {name for name in live if restored.get(name) != live[name]} == {*written, *gone}


def test_everything_may_be_written_in_place_of_an_instance_to_be_like(slow: World) -> None:
    following(slow)
    group = shown(slow, DATABASE)["VpcSecurityGroups"][0]["VpcSecurityGroupId"]
    written = {
        "subnet_group: Replaydash-Production-DB": ("DBSubnetGroup", "replaydash-production-db"),
        f"security_groups: [{group}]": ("VpcSecurityGroups", group),
        "parameter_group: default.postgres16": ("DBParameterGroups", "default.postgres16"),
        "option_group: replaydash-production-postgres16": ("OptionGroupMemberships", DATABASE + "16"),
        "instance_class: db.m6g.large": ("DBInstanceClass", "db.m6g.large"),
        "multi_az: true": ("MultiAZ", True),
        "publicly_accessible: true": ("PubliclyAccessible", True),
        "port: 6432": ("Endpoint", 6432),
        "network_type: DUAL": ("NetworkType", "DUAL"),
        "iam_authentication: true": ("IAMDatabaseAuthenticationEnabled", True),
        "deletion_protection: true": ("DeletionProtection", True),
        "log_exports: [upgrade, postgresql]": ("EnabledCloudwatchLogsExports", ["postgresql", "upgrade"]),
        "ca_certificate: rds-ca-rsa4096-g1": ("CACertificateIdentifier", "rds-ca-rsa4096-g1"),
        "auto_minor_version_upgrade: false": ("AutoMinorVersionUpgrade", False),
        "storage_type: gp3": ("StorageType", "gp3"),
        "allocated_storage: 500": ("AllocatedStorage", 500),
        "iops: 13000": ("Iops", 13000),
        "storage_throughput: 600": ("StorageThroughput", 600),
        "dedicated_log_volume: true": ("DedicatedLogVolume", True),
        "max_allocated_storage: 900": ("MaxAllocatedStorage", 900),
        "backup_retention_days: 3": ("BackupRetentionPeriod", 3),
        "backup_window: 05:00-05:30": ("PreferredBackupWindow", "05:00-05:30"),
        "maintenance_window: Mon:01:00-Mon:01:30": ("PreferredMaintenanceWindow", "mon:01:00-mon:01:30"),
        "copy_tags_to_snapshot: true": ("CopyTagsToSnapshot", True),
        "performance_insights: true": ("PerformanceInsightsEnabled", True),
        "performance_insights_retention_days: 465": ("PerformanceInsightsRetentionPeriod", 465),
        "database_insights: advanced": ("DatabaseInsightsMode", "advanced"),
        "tags: {team: data, note: 'a: b'}": ("TagList", {"team": "data", "note": "a: b"}),
    }

    run = committed(slow, restoring(like="", settings=tuple(written)))

    assert run.in_sync(), run.reasons()
    restored = _settings(slow, INSTANCE)
    assert {member: _told(restored[member], value) for member, value in written.values()} == dict(written.values())
    assert json.loads(slow.secret())["port"] == 6432
    assert leads_to(slow) == address()


def _told(shown: Any, wanted: Any) -> Any:
    """What is shown of a group or of a list, as short as the file says it."""
    if isinstance(shown, list) and isinstance(wanted, str):
        shown = shown[0]
    if isinstance(shown, dict) and isinstance(wanted, str):
        return wanted if wanted in shown.values() else shown
    return sorted(shown) if isinstance(shown, list) else shown
