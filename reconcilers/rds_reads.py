"""What RDS is asked: all instances, a page at a time and once a pass; snapshots where one is to be restored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from reconcilers.aws import Connection, code, is_unsupported
from reconcilers.contract import Absent
from reconcilers.rds_settings import Values, all_tags, settings

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef, DBSnapshotTypeDef

_PAGE: Final = 100  # of both; AWS gives no more


@dataclass(frozen=True, slots=True)
class Instance:
    """One database instance as DescribeDBInstances tells it."""

    name: str
    arn: str
    status: str
    host: str  # "" before it has an endpoint
    port: int | None
    engine: str
    created: datetime | None  # when RDS had made it; None while it is being made
    master: str  # the name of the master user
    cluster: str  # "" where it belongs to none
    groups: frozenset[str]  # how far its parameter and option groups are applied: in-sync, pending-reboot, …
    pending: frozenset[str]  # the members of PendingModifiedValues
    restorable: datetime | None  # the newest point in time that can be restored
    tags: Mapping[str, str]
    settings: Values


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot as DescribeDBSnapshots tells it."""

    name: str
    arn: str
    instance: str
    kind: str  # manual | automated | shared | awsbackup
    status: str
    taken: datetime | None  # the time of its data; None while it is being taken
    engine: str
    version: str
    size: int  # GiB
    master: str
    encrypted: bool


class RdsReads:
    """The reads of one connection, shared by all that name an instance. For one thread at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.new_pass()

    def new_pass(self) -> None:
        """Forget what the last pass read."""
        self._instances: Mapping[str, Instance] | Exception | None = None
        self._snapshots: dict[str, Snapshot | Exception] = {}

    def instances(self) -> Mapping[str, Instance]:
        """DescribeDBInstances, once a pass: every instance of the account and region, by its name."""
        if self._instances is None:
            try:
                self._instances = {each.name: each for each in map(_instance, self._all())}
            except Exception as error:  # noqa: BLE001 — kept, and raised again to whatever else names an instance
                self._instances = error
        if isinstance(self._instances, Exception):
            raise self._instances
        return self._instances

    def at(self, host: str) -> Instance | None:
        """The instance that listens at a host; None: there is none in this account and region."""
        found = (each for each in self.instances().values() if each.host and each.host.lower() == host.lower())
        return next(found, None)

    def snapshot(self, name: str) -> Snapshot:
        """DescribeDBSnapshots of one, by its name or ARN. Absent: there is none."""
        if name not in self._snapshots:
            try:
                self._snapshots[name] = self._snapshot(name)
            except Exception as error:  # noqa: BLE001 — as above
                self._snapshots[name] = error
        found = self._snapshots[name]
        if isinstance(found, Exception):
            raise found
        return found

    def snapshots_of(self, instance: str) -> tuple[Snapshot, ...]:
        """DescribeDBSnapshots of one instance, also of one that is gone; the newest first."""
        pages = self._connection.reading("rds").get_paginator("describe_db_snapshots")
        told = [each for page in pages.paginate(DBInstanceIdentifier=instance) for each in page["DBSnapshots"]]
        found = [_snapshot(each) for each in told]
        return tuple(sorted(found, key=lambda each: (each.taken is None, each.taken), reverse=True))

    def offers(self, engine: str, version: str) -> bool:
        """DescribeDBEngineVersions: whether RDS still makes instances of this version. An endpoint may not know."""
        try:
            told = self._connection.reading("rds").describe_db_engine_versions(Engine=engine, EngineVersion=version)
        except ClientError as error:
            if is_unsupported(error):
                return True
            raise
        return any(each.get("Status", "available") == "available" for each in told["DBEngineVersions"])

    def _all(self) -> "list[DBInstanceTypeDef]":
        pages = self._connection.reading("rds").get_paginator("describe_db_instances")
        return [each for page in pages.paginate(PaginationConfig={"PageSize": _PAGE}) for each in page["DBInstances"]]

    def _snapshot(self, name: str) -> Snapshot:
        missing = Absent(
            f"there is no snapshot {name}: correct its name in the file (`trueup snapshots` lists what there is)"
        )
        shared: Any = {"IncludeShared": True} if name.startswith("arn:") else {}
        try:
            told = self._connection.reading("rds").describe_db_snapshots(DBSnapshotIdentifier=name, **shared)
        except ClientError as error:
            if code(error) in ("DBSnapshotNotFound", "DBSnapshotNotFoundFault"):
                raise missing from error
            raise
        if not told.get("DBSnapshots"):
            raise missing
        return _snapshot(told["DBSnapshots"][0])


def _instance(told: "DBInstanceTypeDef") -> Instance:
    groups = [each.get("ParameterApplyStatus", "") for each in told.get("DBParameterGroups", ())]
    groups += [each.get("Status", "") for each in told.get("OptionGroupMemberships", ())]
    endpoint = told.get("Endpoint", {})
    return Instance(
        name=told["DBInstanceIdentifier"].lower(),
        arn=told.get("DBInstanceArn", ""),
        status=told.get("DBInstanceStatus", ""),
        host=endpoint.get("Address", ""),
        port=endpoint.get("Port"),
        engine=told.get("Engine", ""),
        created=told.get("InstanceCreateTime"),
        master=told.get("MasterUsername", ""),
        cluster=told.get("DBClusterIdentifier", ""),
        groups=frozenset(filter(None, groups)),
        pending=frozenset(
            name for name, value in told.get("PendingModifiedValues", {}).items() if value not in (None, {}, [])
        ),
        restorable=told.get("LatestRestorableTime"),
        tags=all_tags(told),
        settings=settings(told),
    )


def _snapshot(told: "DBSnapshotTypeDef") -> Snapshot:
    return Snapshot(
        name=told.get("DBSnapshotIdentifier", ""),
        arn=told.get("DBSnapshotArn", ""),
        instance=told.get("DBInstanceIdentifier", ""),
        kind=told.get("SnapshotType", ""),
        status=told.get("Status", ""),
        taken=told.get("OriginalSnapshotCreateTime") or told.get("SnapshotCreateTime"),
        engine=told.get("Engine", ""),
        version=told.get("EngineVersion", ""),
        size=told.get("AllocatedStorage", 0),
        master=told.get("MasterUsername", ""),
        encrypted=told.get("Encrypted", False),
    )
