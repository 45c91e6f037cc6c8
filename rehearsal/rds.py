"""RDS as AWS runs it: instances and snapshots, region by region. What they belong to, moto keeps."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from rehearsal import rds_changes, rds_groups, rds_instances, rds_quotas, rds_restores, rds_snapshots
from rehearsal.clock import Clock, Pace
from rehearsal.rds_checks import invalid
from rehearsal.rds_state import Region
from rehearsal.rds_values import Instance
from rehearsal.shapes import Params, answered, given, members
from rehearsal.wire import ACCOUNT, Answer, Call, Unsupported

_OPERATIONS: Mapping[str, Callable[[Region, Params], Params]] = {
    "CreateDBInstance": rds_instances.create,
    "DescribeAccountAttributes": rds_quotas.describe,
    "DescribeDBInstances": rds_instances.describe,
    "DeleteDBInstance": rds_instances.delete,
    "StartDBInstance": rds_instances.start,
    "StopDBInstance": rds_instances.stop,
    "ModifyDBInstance": rds_changes.modify,
    "RebootDBInstance": rds_changes.reboot,
    "RestoreDBInstanceFromDBSnapshot": rds_restores.from_snapshot,
    "RestoreDBInstanceToPointInTime": rds_restores.to_point_in_time,
    "CreateDBSnapshot": rds_snapshots.create,
    "CopyDBSnapshot": rds_snapshots.copy,
    "DescribeDBSnapshots": rds_snapshots.describe,
    "DeleteDBSnapshot": rds_snapshots.delete,
}
_TAGGING: Mapping[str, Callable[[Region, Params], Params]] = {
    "AddTagsToResource": rds_instances.tag,
    "RemoveTagsFromResource": rds_instances.untag,
    "ListTagsForResource": rds_instances.list_tags,
}
_OURS = frozenset({"DBInstanceIdentifier", "DBSnapshotIdentifier", "SourceDBInstanceIdentifier"})
_REGION = "us-east-1"
# In these nobody gets in.
_SHUT = frozenset(
    {
        "creating",
        "deleting",
        "failed",
        "inaccessible-encryption-credentials",
        "incompatible-network",
        "incompatible-parameters",
        "incompatible-restore",
        "rebooting",
        "restore-error",
        "starting",
        "stopped",
        "stopping",
    }
)


class Databases:
    """The DB instances of every region, and who gets into them."""

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self._make: Callable[[str], Region] = lambda name: Region(name, clock, pace)
        self._regions: dict[str, Region] = {}

    def answer(self, call: Call, *, ago: float = 0.0) -> Answer | None:
        """The answer to a call, stale where `ago` is not 0 and it is DescribeDBInstances; None where it is moto's."""
        if not 20 <= int(size := call.params.get("MaxRecords", "100")) <= 100:
            raise invalid(f"Invalid value {size} for MaxRecords. Must be between 20 and 100")
        region = self._region(call.region)
        if call.operation == "DescribeDBInstances":
            return answered(call, rds_instances.describe(region, given(call), ago=ago))
        if call.operation == "CreateOptionGroup" and call.params.get("EngineName") == "postgres":
            return answered(call, rds_groups.create_option_group(call.region, given(call)))
        kind = call.params.get("ResourceName", "").split(":")[5:6]
        operation = (_TAGGING if kind in (["db"], ["snapshot"]) else _OPERATIONS).get(call.operation)
        if operation is not None:
            return answered(call, operation(region, given(call)))
        if members("rds", call.operation) & _OURS:
            raise Unsupported(f"rds {call.operation}")
        return None

    def login(self, instance: str, user: str, password: str, region: str = _REGION) -> bool:
        """Whether this user gets into an instance, named by its identifier or its address, with this password."""
        there = self._region(region).instances()
        known = {name: each for each in there.values() for name in (each.name, each.address)}
        found = known.get(instance.lower())
        return found is not None and found.state not in _SHUT and found.roles.get(user) == password

    def role(self, instance: str, user: str, password: str, region: str = _REGION) -> None:
        """Let a user besides the master in. Snapshots keep it, and restores bring it back."""
        self._amend(instance, region, lambda each: replace(each, roles={**each.roles, user: password}))

    def status(self, instance: str, status: str | None, region: str = _REGION) -> None:
        """Put an instance into any status, until it is put back by None to the one that is its own."""
        self._amend(instance, region, lambda each: replace(each, forced=status or ""))

    def endpoint(self, instance: str, *, shown: bool, region: str = _REGION) -> None:
        """Show an instance with or without the endpoint that it should have."""
        self._amend(instance, region, lambda each: replace(each, has_endpoint=shown))

    def quota(self, instances: int, region: str = _REGION) -> None:
        """How many instances the region may have."""
        self._region(region).quota = instances

    def snapshot(
        self, region: str, instance: str, name: str, at: datetime, owner: str = ACCOUNT, status: str = "available"
    ) -> None:
        """Put a snapshot of the past there. One named rds:… is automated; one of another owner is shared with us."""
        self._check_there(instance, region)
        rds_snapshots.put(self._region(region), instance, name, at.timestamp(), owner, status)

    def snapshot_status(self, name: str, status: str, region: str = _REGION) -> None:
        """Let a snapshot, by name or ARN, be creating, available or failed."""
        where = self._region(region)
        found = [each for each in where.snapshots.values() if name in (each.name, each.arn)]
        if not found:
            raise LookupError(f"there is no snapshot {name}")
        where.snapshots[found[0].arn] = replace(found[0], status=status)

    def _amend(self, instance: str, region: str, change: Callable[[Instance], Instance]) -> None:
        self._check_there(instance, region)
        self._region(region).amend(instance, change)

    def _check_there(self, instance: str, region: str) -> None:
        if instance.lower() not in self._region(region).instances():
            raise LookupError(f"there is no DB instance {instance}")

    def _region(self, name: str) -> Region:
        if name not in self._regions:
            self._regions[name] = self._make(name)
        return self._regions[name]
