"""What a database can be brought back from: its snapshots, and its points in time. Reads only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from desired_state.model import Database
from reconcilers.contract import Absent, Stalled
from reconcilers.rds_changes import FROM
from reconcilers.rds_reads import Instance, RdsReads, Snapshot
from reconcilers.restoring import free_name, kept_days
from reconcilers.switch import Switches


@dataclass(frozen=True)
class Choice:
    """A snapshot, and why it cannot be restored any more; empty: it can."""

    snapshot: Snapshot
    hindrance: str


@dataclass(frozen=True)
class PointInTime:
    """An instance whose past can be restored."""

    instance: str
    newest: datetime
    days: int  # for how many days its backups are kept


@dataclass(frozen=True)
class Backups:
    """Of one database, the newest first."""

    instances: tuple[str, ...]  # whose backups these are
    snapshots: tuple[Choice, ...]
    past: tuple[PointInTime, ...]
    free: str  # a name for a new instance that nobody has
    like: str  # the instance in use, "" where it is none of this account
    left: tuple[str, ...]  # instances that trueup restored from these, and that the file does not name


class BackupReads:
    """For one look of a person."""

    reads = ("rds:DescribeDBInstances", "rds:DescribeDBSnapshots", "rds:DescribeDBEngineVersions")

    def __init__(self, rds: RdsReads, switches: Switches) -> None:
        self._rds = rds
        self._switches = switches

    def of(self, database: Database, most: int) -> Backups:
        """Those of every instance that the file names for it, and of the one in use. Absent: there is none of these."""
        names = tuple(dict.fromkeys(self._names(database)))
        if not names:
            raise Absent("the file names no instance, and no instance of this account listens where the secret points")
        found = sorted(
            (each for name in names for each in self._rds.snapshots_of(name)),
            key=lambda each: (each.taken is not None, each.taken),
            reverse=True,
        )
        there = [instance for name in names if (instance := self._rds.instances().get(name))]
        like = self._in_use(database)
        return Backups(
            instances=names,
            snapshots=tuple(Choice(each, self._hindrance(each)) for each in found[:most]),
            past=tuple(_past(there)),
            free=free_name(f"{(like or names[0])[:54]}-restored", self._rds.instances()),
            like=like,
            left=tuple(self._left(names)),
        )

    def _left(self, names: tuple[str, ...]) -> Iterator[str]:
        for each in self._rds.instances().values():
            source = each.tags.get(FROM, "")
            if each.name not in names and any(f"{name}-" in source or f"{name} at" in source for name in names):
                yield each.name

    def _names(self, database: Database) -> Iterator[str]:
        yield from self._pointed_at(database)
        if restore := database.restore:
            yield from (each for each in (restore.like, restore.of, restore.instance) if each)

    def _pointed_at(self, database: Database) -> Iterator[str]:
        """The instances that the secret and the file point at, also gone ones: their snapshots may be there."""
        try:
            hosts = [each.host for each in self._switches.addresses(database)]
        except (Absent, Stalled):
            hosts = []
        for host in [*hosts, *([database.endpoint.host] if database.endpoint else [])]:
            instance = self._rds.at(host)
            first, _, rest = host.lower().partition(".")
            if instance or ".rds." in rest:
                yield instance.name if instance else first

    def _in_use(self, database: Database) -> str:
        try:
            found = self._switches.addresses(database)
        except (Absent, Stalled):
            return ""  # the secret says nothing: what the file names is still worth a look
        instance = self._rds.at(found[0].host) if found[0].host else None
        return instance.name if instance else ""

    def _hindrance(self, snapshot: Snapshot) -> str:
        if snapshot.status != "available":
            return f"it is {snapshot.status}"
        if not self._rds.offers(snapshot.engine, snapshot.version):
            return f"RDS no longer offers {snapshot.engine} {snapshot.version}"
        return ""


def _past(instances: list[Instance]) -> Iterator[PointInTime]:
    for each in instances:
        if each.restorable and kept_days(each):
            yield PointInTime(each.name, each.restorable, kept_days(each))
