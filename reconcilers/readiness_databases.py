"""Whether a database could be what an earlier version says: its secret, its instance, its snapshot. Reads only."""

from collections.abc import Iterator
from typing import Final

from desired_state.model import Database, Endpoint, Restore
from reconcilers.aws import Connection
from reconcilers.contract import Change
from reconcilers.rds_changes import Restore as RestoreChange
from reconcilers.rds_reads import RdsReads, Snapshot
from reconcilers.readiness_words import Finding, Weight, tried
from reconcilers.restoring import BROKEN, USABLE
from reconcilers.secrets import Secrets
from reconcilers.switch import Switch, Switches

_INSTANCES: Final = "DBInstances"
_STORAGE: Final = "AllocatedStorage"
_SERVING: Final = USABLE | {"modifying", "maintenance"}
# What a restore says at once, and what it would stop at once it is done.
_IN_THE_END: Final = ("password_outdated", "password_unfit")


class DatabaseChecks:
    """The reads of a connection: the judgement of a pass, and what a pass finds out only when it restores."""

    reads = (*Switches.reads, "rds:DescribeDBEngineVersions", "rds:DescribeAccountAttributes")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._secrets = Secrets(connection)
        self._rds = RdsReads(connection)
        self._switches = Switches(connection, self._secrets, self._rds)
        self.new_check()

    def new_check(self) -> None:
        """Forget what may have changed."""
        for reads in (self._secrets, self._rds, self._switches):
            reads.new_pass()
        self._quotas: dict[str, tuple[int, int]] | None = None
        self._offered: dict[tuple[str, str], bool] = {}

    def findings(self, entry: str, database: Database) -> Iterator[Finding]:
        """All that is to be said of it."""
        yield from tried(entry, lambda: self._look(entry, database))
        if database.endpoint is not None:
            endpoint = database.endpoint
            yield from tried(entry, lambda: self._listens(entry, endpoint), self._emulated)

    def _look(self, entry: str, database: Database) -> Iterator[Finding]:
        switch = self._switches.of(database)
        if switch.elsewhere and switch.state.blocked:
            yield Finding(entry, switch.state.blocked)
        progress = switch.restoring
        if progress is None:
            return
        yield from (Finding(entry, each.message) for each in progress.advice if each.type in _IN_THE_END)
        if hindrance := progress.blocked or progress.overdue:
            yield Finding(entry, hindrance)
        elif switch.goal is None and progress.settling:
            yield Finding(entry, progress.settling, Weight.UNREAD)
        if database.restore and any(_begins(step) for step in progress.steps):
            yield from self._restorable(entry, database.restore, switch)

    def _listens(self, entry: str, endpoint: Endpoint) -> Iterator[Finding]:
        """Whether the instance at an endpoint takes connections, where it is one of this account."""
        instance = self._rds.at(endpoint.host)
        if instance is None:
            yield self._nobody(entry, endpoint.host.lower())
        elif why := BROKEN.get(instance.status):
            yield Finding(entry, f"instance {instance.name} is {instance.status}: {why}")
        elif instance.status not in _SERVING:
            yield Finding(entry, f"instance {instance.name} is {instance.status} right now", Weight.UNREAD)

    def _nobody(self, entry: str, host: str) -> Finding:
        """RDS gives all instances of an account and region the same ending."""
        name, _, ending = host.partition(".")
        endings = {each.host.lower().partition(".")[2] for each in self._rds.instances().values() if each.host}
        if ending in endings:
            return Finding(entry, f"instance {name} is gone; restore it under a new name, or pin another endpoint")
        return Finding(entry, f"{host} is no RDS instance of this account and region: not checked", Weight.UNCHECKED)

    def _restorable(self, entry: str, restore: Restore, switch: Switch) -> Iterator[Finding]:
        source = self._rds.snapshot(restore.snapshot) if restore.snapshot else None
        if source:
            yield from tried(entry, lambda: self._engine(entry, source), self._emulated)
        size = restore.allocated_storage or 0
        if source:
            size = max(size, source.size)
        elif past := self._rds.instances().get(restore.of or ""):
            size = max(size, int(past.settings.get("allocated_storage") or 0))
        yield from tried(entry, lambda: self._room(entry, size), self._emulated)

    def _engine(self, entry: str, source: Snapshot) -> Iterator[Finding]:
        key = (source.engine, source.version)
        if key not in self._offered:
            self._offered[key] = self._rds.offers(*key)
        if not self._offered[key]:
            message = f"RDS no longer offers {source.engine} {source.version}, which snapshot {source.name} has"
            yield Finding(entry, f"{message}; choose a newer snapshot")

    def _room(self, entry: str, size: int) -> Iterator[Finding]:
        """DescribeAccountAttributes: whether one more instance with so many GiB may be made."""
        if self._quotas is None:
            told = self._connection.reading("rds").describe_account_attributes().get("AccountQuotas", [])
            self._quotas = {each["AccountQuotaName"]: (each["Used"], each["Max"]) for each in told}
        for name, more, unit in ((_INSTANCES, 1, "DB instances"), (_STORAGE, size, "GiB of database storage")):
            used, most = self._quotas.get(name, (0, more))
            if used + more > most:
                yield Finding(
                    entry,
                    f"the account uses {used} of {most} {unit}, and the restore needs {more} more; "
                    "raise the quota, or remove an instance",
                )

    def _emulated(self) -> bool:
        return not self._connection.is_real_aws


def _begins(step: Change) -> bool:
    return isinstance(step, RestoreChange)
