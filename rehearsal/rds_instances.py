"""DB instances: what CreateDBInstance, DescribeDBInstances and DeleteDBInstance do; tags; and what stops and starts."""

import base64
import hashlib
from dataclasses import replace

from rehearsal import rds_checks, rds_settings
from rehearsal.rds_checks import combination, invalid
from rehearsal.rds_snapshots import take
from rehearsal.rds_state import Region, fits, page
from rehearsal.rds_values import Instance, Settings, tag_list, tag_map
from rehearsal.shapes import Params
from rehearsal.wire import Refused


def create(region: Region, params: Params) -> Params:
    """CreateDBInstance."""
    name, engine = free(region, params, "DBInstanceIdentifier"), params["Engine"]
    if engine not in rds_checks.ENGINES:
        raise invalid(f"Invalid DB engine: {engine}")
    for needed in ("MasterUsername", "AllocatedStorage"):
        if not params.get(needed):
            raise invalid(f"The parameter {needed} must be provided and must not be blank.")
    version, port, licence, _ = rds_checks.ENGINES[engine]
    base = {"Engine": engine, "EngineVersion": version, "Port": port, "LicenseModel": licence}
    settings = rds_settings.new(region.name, name, base, params)
    roles = {params["MasterUsername"]: rds_checks.password(params.get("MasterUserPassword"))}
    return began(region, name, settings, tag_map(params.get("Tags")), roles)


def free(region: Region, params: Params, parameter: str) -> str:
    """The name of a new instance. Refused where it is no name, where it is taken, or where there are enough."""
    name = rds_checks.identifier(params[parameter], parameter)
    if name in region.instances():
        raise Refused("DBInstanceAlreadyExists", "DB instance already exists")
    if len(region.instances()) >= region.quota:
        raise Refused("InstanceQuotaExceeded", "Creating the DB instance would exceed the quota of DB instances.")
    return name


def began(region: Region, name: str, settings: Settings, tags: dict[str, str], roles: dict[str, str]) -> Params:
    """Begin to create an instance. What AWS answers."""
    now = region.clock.now()
    digest = hashlib.sha256(f"{region.name}{name}{now}".encode()).digest()
    resource = f"db-{base64.b32encode(digest).decode()[:26]}"
    instance = Instance(region.name, name, resource, now, settings, tags=tags, roles=roles)
    region.begin(instance)
    return answer(region, name)


def answer(region: Region, name: str) -> Params:
    """The instance as the call that has just changed it answers."""
    return {"DBInstance": region.shown(region.instance(name))}


def describe(region: Region, params: Params, *, ago: float = 0.0) -> Params:
    """DescribeDBInstances, as of some seconds ago."""
    there = region.instances(ago=ago)
    if given := params.get("DBInstanceIdentifier"):
        found = region.instance(given, ago=ago)
        there = {found.name: found}
    filters = params.get("Filters")
    shown = {name: region.shown(each, ago=ago) for name, each in there.items() if fits(_facts(each), filters)}
    instances, marker = page(shown, params)
    return {"DBInstances": instances, "Marker": marker}


def delete(region: Region, params: Params) -> Params:
    """DeleteDBInstance. It is gone at once, and so are its automated snapshots unless they are to be retained."""
    instance = region.instance(params["DBInstanceIdentifier"])
    final, skip = params.get("FinalDBSnapshotIdentifier"), params.get("SkipFinalSnapshot", False)
    if instance.settings["DeletionProtection"]:
        raise combination("Cannot delete protected DB Instance, please disable deletion protection and try again.")
    if bool(final) is skip:
        raise combination("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")
    if final:
        take(region, instance, rds_checks.identifier(final, "FinalDBSnapshotIdentifier", 255))
    if params.get("DeleteAutomatedBackups", True):
        own = [arn for arn, each in region.snapshots.items() if each.of.resource == instance.resource]
        for arn in own:
            if region.snapshots[arn].kind == "automated":
                del region.snapshots[arn]
    region.take(instance, (0.0, None))
    return {"DBInstance": replace(instance, status="deleting", forced="").shown(None)}


def stop(region: Region, params: Params) -> Params:
    """StopDBInstance."""
    instance = region.ready(params["DBInstanceIdentifier"])
    gone = (region.pace.rebooting, replace(instance, status="stopped"))
    region.take(instance, (0.0, replace(instance, status="stopping")), gone)
    return answer(region, instance.name)


def start(region: Region, params: Params) -> Params:
    """StartDBInstance."""
    instance = region.instance(params["DBInstanceIdentifier"])
    if instance.state != "stopped":
        raise Refused("InvalidDBInstanceState", f"Instance {instance.name} is {instance.state}, not stopped.")
    back = (region.pace.rebooting, replace(instance, status="available"))
    region.take(instance, (0.0, replace(instance, status="starting")), back)
    return answer(region, instance.name)


def tag(region: Region, params: Params) -> Params:
    """AddTagsToResource."""
    _retag(region, params["ResourceName"], {**_tags(region, params["ResourceName"]), **tag_map(params["Tags"])})
    return {}


def untag(region: Region, params: Params) -> Params:
    """RemoveTagsFromResource."""
    tags, gone = _tags(region, params["ResourceName"]), params["TagKeys"]
    _retag(region, params["ResourceName"], {key: value for key, value in tags.items() if key not in gone})
    return {}


def list_tags(region: Region, params: Params) -> Params:
    """ListTagsForResource."""
    return {"TagList": tag_list(_tags(region, params["ResourceName"]))}


def _tags(region: Region, arn: str) -> dict[str, str]:
    return dict(region.snapshot(arn).tags if ":snapshot:" in arn else region.instance(arn).tags)


def _retag(region: Region, arn: str, tags: dict[str, str]) -> None:
    if ":snapshot:" in arn:
        region.snapshots[arn] = replace(region.snapshots[arn], tags=tags)
    else:
        region.amend(arn, lambda each: replace(each, tags=tags))


def _facts(instance: Instance) -> dict[str, tuple[str, ...]]:
    return {
        "db-instance-id": (instance.name, instance.arn),
        "dbi-resource-id": (instance.resource,),
        "engine": (instance.settings["Engine"],),
        "db-cluster-id": (),
        "domain": (),
    }
