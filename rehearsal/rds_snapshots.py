"""DB snapshots: what is taken, copied, shown and deleted, and what other accounts have shared."""

from dataclasses import replace

from rehearsal import rds_checks
from rehearsal.rds_state import Region, fits, page
from rehearsal.rds_values import Instance, Snapshot, tag_map
from rehearsal.shapes import Params
from rehearsal.wire import ACCOUNT, Refused


def create(region: Region, params: Params) -> Params:
    """CreateDBSnapshot."""
    name = rds_checks.identifier(params["DBSnapshotIdentifier"], "DBSnapshotIdentifier", 255)
    taken = take(region, region.ready(params["DBInstanceIdentifier"]), name, tag_map(params.get("Tags")))
    return {"DBSnapshot": taken.shown()}


def take(region: Region, instance: Instance, name: str, tags: dict[str, str] | None = None) -> Snapshot:
    """Take a manual snapshot of an instance as it is now."""
    copied = instance.tags if instance.settings["CopyTagsToSnapshot"] else {}
    return keep(region, Snapshot(name, instance, region.clock.now(), tags={**copied, **(tags or {})}))


def keep(region: Region, snapshot: Snapshot) -> Snapshot:
    """Keep a new snapshot, unless there is one of its name."""
    if snapshot.arn in region.snapshots:
        raise Refused(
            "DBSnapshotAlreadyExists", f"Cannot create the snapshot because one named {snapshot.name} exists."
        )
    region.snapshots[snapshot.arn] = snapshot
    return snapshot


def put(region: Region, instance: str, name: str, at: float, owner: str, status: str) -> None:
    """Put a snapshot of the past there, of the instance as it was then. One named rds:… is automated."""
    present = region.instance(instance)
    past = region.courses[present.name].at(at)
    of = past if past and past.resource == present.resource else _first(region, present)
    kind = "automated" if name.startswith("rds:") else "manual"
    tags = of.tags if of.settings["CopyTagsToSnapshot"] and owner == ACCOUNT else {}
    keep(region, Snapshot(name.lower(), of, at, kind, status, owner, tags=tags))


def copy(region: Region, params: Params) -> Params:
    """CopyDBSnapshot."""
    source = available(region, params["SourceDBSnapshotIdentifier"])
    name = rds_checks.identifier(params["TargetDBSnapshotIdentifier"], "TargetDBSnapshotIdentifier", 255)
    tags = tag_map(params.get("Tags")) or (source.tags if params.get("CopyTags") else {})
    original = source.original or source.taken
    made = Snapshot(name, source.of, region.clock.now(), original=original, tags=tags)
    return {"DBSnapshot": keep(region, made).shown()}


def delete(region: Region, params: Params) -> Params:
    """DeleteDBSnapshot: of a manual one that is not being made."""
    snapshot = region.snapshot(params["DBSnapshotIdentifier"])
    if snapshot.is_shared:
        raise rds_checks.missing("DBSnapshotNotFound", f"DBSnapshot {snapshot.arn} not found.")
    if snapshot.kind == "automated" or snapshot.status == "creating":
        raise Refused("InvalidDBSnapshotState", f"The snapshot {snapshot.name} cannot be deleted.")
    del region.snapshots[snapshot.arn]
    return {"DBSnapshot": replace(snapshot, status="deleted").shown()}


def available(region: Region, given: str) -> Snapshot:
    """A snapshot from which something can be made."""
    snapshot = region.snapshot(given)
    if snapshot.status != "available":
        raise Refused(
            "InvalidDBSnapshotState", f"The snapshot {given} is {snapshot.status}; it has to be available for this."
        )
    return snapshot


def describe(region: Region, params: Params) -> Params:
    """DescribeDBSnapshots. Those of other accounts are listed only where they are asked for."""
    kind, shared = params.get("SnapshotType"), params.get("IncludeShared", False)
    kinds = {kind} if kind else {"automated", "manual"}
    found = [each for each in region.snapshots.values() if _kind(each) in (kinds | {"shared"} if shared else kinds)]
    if given := params.get("DBSnapshotIdentifier"):
        wanted = region.snapshot(given)
        found = [each for each in found if each is wanted]
        if not found:
            raise rds_checks.missing("DBSnapshotNotFound", f"DBSnapshot {given} not found.")
    if instance := params.get("DBInstanceIdentifier"):
        found = [each for each in found if instance.lower() in (each.of.name, each.of.arn)]
    if resource := params.get("DbiResourceId"):
        found = [each for each in found if each.of.resource == resource]
    shown = {each.arn: each.shown() for each in found if fits(_facts(each), params.get("Filters"))}
    snapshots, marker = page(shown, params)
    return {"DBSnapshots": snapshots, "Marker": marker}


def _kind(snapshot: Snapshot) -> str:
    return "shared" if snapshot.is_shared else snapshot.kind


def _first(region: Region, instance: Instance) -> Instance:
    known = region.courses[instance.name].known()
    return next(each for _, each in known if each.resource == instance.resource)


def _facts(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    return {
        "db-instance-id": (snapshot.of.name, snapshot.of.arn),
        "db-snapshot-id": (snapshot.arn if snapshot.is_shared else snapshot.name,),
        "dbi-resource-id": (snapshot.of.resource,),
        "snapshot-type": (_kind(snapshot),),
        "engine": (snapshot.of.settings["Engine"],),
    }
