"""A database: the instance that is restored, the secret that says where it listens, and the name that follows it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from botocore.exceptions import BotoCoreError, ClientError

from desired_state.model import Database, Dns, Endpoint
from reconcilers.aws import Connection
from reconcilers.contract import Absent, Advice, Ahead, Change, Drift, Observation, Reconciler, Stalled
from reconcilers.dns import Names, PointName, Record
from reconcilers.ecs_reads import Key
from reconcilers.publishing import Publish, Publisher
from reconcilers.rds_changes import KeepBackups
from reconcilers.rds_reads import Instance, RdsReads
from reconcilers.rds_writes import InstanceWrites
from reconcilers.restoring import Restoring, kept_days
from reconcilers.secret_text import Address
from reconcilers.secrets import Secrets
from reconcilers.standstill import Standstill
from reconcilers.switch import Switch, Switches

_STILL_PACE: Final = 3.0  # seconds between looks at services that are stopping


@dataclass(frozen=True)
class DatabasePin:
    """An entry of `databases`, its name there, and what it needs to know from the rest of its file."""

    name: str
    database: Database
    quiesced: tuple[Key, ...] = ()  # cluster and service of those that must stand still while it is moved
    commit: str = ""
    left: tuple[Dns, ...] = ()  # the names that followed it in earlier versions of the file


@dataclass(frozen=True, kw_only=True)
class LiveDatabase(Observation):
    """What the secret says, without its value; how far the instance is; and where the name leads."""

    secret: str  # its ARN
    version: str  # the version id that AWSCURRENT is on
    addresses: tuple[Address, ...] = ()  # one for each place that names a host; none where nothing is pinned
    goal: Endpoint | None = None  # where the secret must point; None: not pinned, or not known yet
    renewed: bool = False  # the secret must get the value of an older version
    still: bool = False  # the services of `quiesce` must run no task now
    steps: tuple[Change, ...] = ()  # what must be done to the instance before it may be used
    later: tuple[Change, ...] = ()  # what may be done to it while it is in use
    record: Record | None = None  # None: no name is pinned

    @property
    def elsewhere(self) -> bool:
        """Whether the secret has to be written."""
        return self.renewed or (self.goal is not None and not all(each.is_at(self.goal) for each in self.addresses))


class DatabaseReconciler(Reconciler[DatabasePin, LiveDatabase]):
    """Leads the services to the pinned database: restores it where asked, then publishes where it is."""

    reads: ClassVar[tuple[str, ...]] = (*Switches.reads, *Names.reads, *Standstill.reads)

    def __init__(
        self, connection: Connection, secrets: Secrets, rds: RdsReads, switches: Switches, standstill: Standstill
    ) -> None:
        values = switches.values
        self._rds = rds
        self._switches = switches
        self._standstill = standstill
        self._names = Names(connection)
        self._publisher = Publisher(connection, secrets, values)
        self._writes = InstanceWrites(connection, rds, secrets, values)

    def observe(self, desired: DatabasePin) -> LiveDatabase:
        """DescribeSecret; a value only where its version is new; all instances and the name where they are pinned.

        Absent: no such secret, snapshot or zone. Stalled: the secret is unreadable.
        """
        database, switch = desired.database, self._switches.of(desired.database)
        progress = switch.restoring or Restoring()
        goes = switch.elsewhere or (database.restore is not None and switch.goal is None)
        record = self._names.record(database.dns) if database.dns else None
        still = switch.pending and bool(desired.quiesced)
        running = self._standstill.waits_for(desired.quiesced) if still else ""
        more, advice = self._backups(database, switch)
        return LiveDatabase(
            secret=switch.state.arn,
            version=switch.state.current,
            addresses=switch.found,
            goal=switch.goal,
            renewed=switch.renewed,
            still=still,
            steps=progress.steps,
            later=(*progress.later, *more),
            record=record,
            settling=progress.settling,
            waiting=f"waits until no task of these services runs: {running}" if running else "",
            overdue=progress.overdue,
            blocked=progress.blocked or (switch.state.blocked if goes else ""),
            aside=progress.aside,
            pace=progress.pace or (_STILL_PACE if running else 0.0),
            ahead=tuple(_ahead(database, switch, record)),
            advice=(*progress.advice, *advice, *_not_writable(switch, goes=goes), *self._left_behind(desired, switch)),
        )

    @staticmethod
    def diff(desired: DatabasePin, live: LiveDatabase) -> Iterator[Change]:
        """The instance first; then the secret, and the name that follows; and last what nothing waits for."""
        yield from live.steps
        if live.elsewhere:
            yield _publish(desired.database, live)
        dns = desired.database.dns
        if dns and live.record and live.goal and not live.record.leads_to(live.goal.host, dns.ttl):
            yield _point(dns.record, live.record, live.goal.host, dns.ttl)
        if not live.steps and not live.elsewhere:
            yield from live.later[:1]  # RDS takes one change of an instance at a time

    def apply(self, desired: DatabasePin, change: Change) -> None:
        try:
            if isinstance(change, Publish):
                self._publisher.publish(desired.database.secret, change)
            elif isinstance(change, PointName) and desired.database.dns:
                self._names.point(desired.database.dns, change)
            else:
                self._writes.make(desired.database, change, desired.commit)
        finally:
            self._switches.forget(desired.database)

    def _left_behind(self, desired: DatabasePin, switch: Switch) -> Iterator[Advice]:
        """Names that an earlier version of the file led somewhere, and that the secret does not name any more."""
        hosts = {each.host.lower() for each in switch.found}
        for dns in desired.left:
            try:
                record = self._names.record(dns)
            except (Absent, Stalled, ClientError, BotoCoreError):
                continue  # it is no business of this version of the file
            if hosts and record.host and record.host not in hosts:
                yield Advice(
                    "name_left_behind",
                    f"{dns.record} still leads to {record.host}, which the secret does not name: "
                    "pin dns together with the endpoint, or change the record by hand",
                )

    def _backups(self, database: Database, switch: Switch) -> tuple[tuple[Change, ...], tuple[Advice, ...]]:
        """What is missing of the backups of the instance in use."""
        if database.backups is None:
            return (), ()
        found = switch.found or self._switches.addresses(database)
        instance, days = self._rds.at(found[0].host), database.backups.retention_days
        if instance is None:
            message = f"no instance of this account and region listens at {found[0].host}: its backups are not compared"
            return (), (Advice("backups_not_compared", message),)
        if kept_days(instance) >= days or instance.status != "available":
            return (), ()
        return (_keep(instance, days),), ()


def _publish(database: Database, live: LiveDatabase) -> Publish:
    return Publish(
        drifts=tuple(_moving(database, live.version, live.addresses, live.goal, renewed=live.renewed)),
        version=live.version,
        endpoint=live.goal,
        value=database.secret_version or "",
    )


def _point(name: str, record: Record, host: str, ttl: int | None) -> PointName:
    drifts = [Drift(f"dns {name}", record.host or "absent", host)] if record.host != host.lower() else []
    if ttl not in (None, record.ttl) and record.host:
        drifts.append(Drift(f"dns {name} ttl", str(record.ttl), str(ttl)))
    return PointName(drifts=tuple(drifts), zone=record.zone, host=host, ttl=ttl or record.ttl)


def _keep(instance: Instance, days: int) -> KeepBackups:
    drift = Drift("backups", f"{kept_days(instance)} days", f"{days} days")
    return KeepBackups(drifts=(drift,), instance=instance.name, days=days)


def _moving(
    database: Database, version: str, found: tuple[Address, ...], goal: Endpoint | None, *, renewed: bool
) -> Iterator[Drift]:
    if renewed:
        yield Drift("secret_version", version, database.secret_version or "")
    if goal is not None and not all(each.is_at(goal) for each in found):
        yield Drift("endpoint", " and ".join(dict.fromkeys(map(str, found))), _resulting(goal, found))


def _ahead(database: Database, switch: Switch, record: Record | None) -> Iterator[Ahead]:
    """What follows once the instance is there."""
    restore = database.restore
    if switch.goal is not None or restore is None:
        return
    there = f"the endpoint of {restore.instance}"
    if database.secret_version not in (None, switch.state.current):
        yield Ahead("publish", Drift("secret_version", switch.state.current, database.secret_version or ""))
    yield Ahead("publish", Drift("endpoint", " and ".join(dict.fromkeys(map(str, switch.found))), there))
    if database.dns and record:
        drift = Drift(f"dns {database.dns.record}", record.host or "absent", there)
        yield Ahead("point_name", drift, f"some remember the old one for {record.ttl} s more" if record.host else "")


def _not_writable(switch: Switch, *, goes: bool) -> tuple[Advice, ...]:
    watched = switch.found and switch.state.blocked and not goes
    return (Advice("secret_not_writable", switch.state.blocked),) if watched else ()


def _resulting(endpoint: Endpoint, found: tuple[Address, ...]) -> str:
    """The endpoint, with the port that stays where none is known: the reader sees where it leads."""
    kept = dict.fromkeys(str(endpoint.port or address.port or "") for address in found)
    return " and ".join(f"{endpoint.host}:{port}" if port else endpoint.host for port in kept)
