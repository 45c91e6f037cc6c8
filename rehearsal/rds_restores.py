"""A restore: always a new DB instance, with AWS's own settings wherever none are passed."""

from rehearsal import rds_settings
from rehearsal.rds_checks import combination, invalid
from rehearsal.rds_instances import began, free
from rehearsal.rds_snapshots import available
from rehearsal.rds_state import Region
from rehearsal.rds_values import Instance, Settings, tag_map
from rehearsal.shapes import Params
from rehearsal.wire import Refused, Unsupported

# What the data carries with it, and what is taken from the source unless it is passed.
_INHERITED = (
    "Engine",
    "EngineVersion",
    "MasterUsername",
    "DBName",
    "DBInstanceClass",
    "Port",
    "AllocatedStorage",
    "BackupRetentionPeriod",
    "LicenseModel",
    "StorageEncrypted",
    "KmsKeyId",
    "CharacterSetName",
    "Timezone",
)


def from_snapshot(region: Region, params: Params) -> Params:
    """RestoreDBInstanceFromDBSnapshot."""
    if "DBSnapshotIdentifier" not in params:
        raise Unsupported("a restore from a cluster's snapshot")
    name = free(region, params, "DBInstanceIdentifier")
    snapshot = available(region, params["DBSnapshotIdentifier"])
    return _restored(region, name, snapshot.of, params, {} if snapshot.is_shared else dict(snapshot.of.tags))


def to_point_in_time(region: Region, params: Params) -> Params:
    """RestoreDBInstanceToPointInTime."""
    source, now = _source(region, params), region.clock.now()
    name = free(region, params, "TargetDBInstanceIdentifier")
    if not source.keeps_backups:
        raise Refused("PointInTimeRestoreNotEnabled", f"Point in time restore is not enabled for {source.name}.")
    span = region.restorable(source, now)
    if span is None:
        raise Refused("InvalidDBInstanceState", f"Instance {source.name} has no backup yet.")
    latest, given = params.get("UseLatestRestorableTime", False), params.get("RestoreTime")
    if latest is (given is not None):
        raise combination("Either RestoreTime or UseLatestRestorableTime must be specified, and not both.")
    at = span[1] if given is None else given
    if not span[0] <= at <= span[1]:
        raise Refused("InvalidRestoreFault", f"{source.name} cannot be restored to the time that was given.")
    return _restored(region, name, region.courses[source.name].at(at) or source, params, dict(source.tags))


def _source(region: Region, params: Params) -> Instance:
    if "SourceDBInstanceAutomatedBackupsArn" in params:
        raise Unsupported("a restore from a replicated automated backup")
    if resource := params.get("SourceDbiResourceId"):
        names = [each.name for each in region.instances().values() if each.resource == resource]
        return region.instance(names[0] if names else resource)
    return region.instance(params.get("SourceDBInstanceIdentifier", ""))


def _restored(region: Region, name: str, source: Instance, params: Params, tags: dict[str, str]) -> Params:
    if params.get("DBName"):
        raise invalid("DBName must be null when Restoring for this Engine.")
    if params.get("Engine", source.settings["Engine"]) != source.settings["Engine"]:
        raise combination(f"{params['Engine']} cannot be restored from {source.settings['Engine']}.")
    base: Settings = {each: source.settings[each] for each in _INHERITED if each in source.settings}
    settings = rds_settings.new(region.name, name, base, params, source.settings)
    return began(region, name, settings, tag_map(params.get("Tags")) or tags, dict(source.roles))
