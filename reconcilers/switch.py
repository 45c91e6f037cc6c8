"""Where a database's secret points and where it must: the one judgement that the database and its services share."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from desired_state.model import Database, Endpoint, Restore
from reconcilers import restoring
from reconcilers.aws import Connection
from reconcilers.contract import Absent, Stalled
from reconcilers.rds_changes import DATA
from reconcilers.rds_reads import Instance, RdsReads, Snapshot
from reconcilers.restoring import Restoring, Secret
from reconcilers.secret_text import Address
from reconcilers.secret_values import SecretValues, unfit
from reconcilers.secrets import Secrets, SecretState

_UNREAD: Final = (ClientError, BotoCoreError)


@dataclass(frozen=True)
class Switch:
    """A database as its secret has it, and as the file wants it."""

    state: SecretState
    found: tuple[Address, ...] = ()  # where the secret points; none where nothing is pinned
    goal: Endpoint | None = None  # where it must point; None: not pinned, or not known yet
    renewed: bool = False  # it must get the value of an older version
    moves: bool = False  # it must point to another host
    restoring: Restoring | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether the secret has to be written."""
        return self.renewed or (self.goal is not None and not all(each.is_at(self.goal) for each in self.found))

    @property
    def pending(self) -> bool:
        """Whether nothing else is left to do before the services are led to another database."""
        return self.elsewhere and self.moves and not self.state.blocked


class Switches:
    """The reads of one connection that it takes to know, once a pass for each database. For one thread at a time."""

    reads = (
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecretVersionIds",
        "rds:DescribeDBInstances",
        "rds:DescribeDBSnapshots",
    )

    def __init__(self, connection: Connection, secrets: Secrets, rds: RdsReads) -> None:
        self._connection = connection
        self._secrets = secrets
        self.values = self._values = SecretValues(secrets)
        self._rds = rds
        self.new_pass()

    def new_pass(self) -> None:
        """Forget what the last pass came to."""
        self._found: dict[Database, Switch | Exception] = {}

    def forget(self, database: Database) -> None:
        """Something of it was written."""
        self._found.pop(database, None)

    def of(self, database: Database) -> Switch:
        """Absent, Stalled: what stands against knowing it."""
        if database not in self._found:
            try:
                self._found[database] = self._look(database)
            except Exception as error:  # noqa: BLE001 — kept, and raised again to whatever depends on this database
                self._found[database] = error
        found = self._found[database]
        if isinstance(found, Exception):
            raise found
        return found

    def addresses(self, database: Database) -> tuple[Address, ...]:
        """Where the secret points, also where nothing of it is pinned."""
        return self._values.addresses(database.secret, self._secrets.state(database.secret))

    def _look(self, database: Database) -> Switch:
        state = self._secrets.state(database.secret)
        if state.deleted:
            raise Stalled(state.blocked)
        if not (database.endpoint or database.restore or database.secret_version):
            return Switch(state)
        found = self._values.addresses(database.secret, state)
        progress = self._restoring(database, database.restore, state, found) if database.restore else None
        goal = progress.endpoint if progress else self._pinned(database, found)
        if progress and goal is None:
            return Switch(state, found, restoring=progress)
        version, renewed = database.secret_version or "", False
        if version:
            renewed = not self._values.is_value_of(database.secret, state, version, goal)
        there = self._values.addresses(database.secret, state, version) if version and goal is None else ()
        hosts = {goal.host.lower()} if goal else {each.host.lower() for each in there}
        moves = bool(hosts) and {each.host.lower() for each in found} != hosts
        return Switch(state, found, goal, renewed, moves, progress)

    def _pinned(self, database: Database, found: tuple[Address, ...]) -> Endpoint | None:
        """The pinned endpoint. Where it has no port and leads to another instance, with the port of that one."""
        endpoint = database.endpoint
        if endpoint is None or endpoint.port or all(each.has_host(endpoint) for each in found):
            return endpoint
        try:
            instance = self._rds.at(endpoint.host)
        except _UNREAD:
            return endpoint  # as for any host that is no instance of ours: the port stays what it is
        return endpoint.model_copy(update={"port": instance.port}) if instance else endpoint

    def _restoring(
        self, database: Database, restore: Restore, state: SecretState, found: tuple[Address, ...]
    ) -> Restoring:
        instances, now = self._rds.instances(), self._connection.now()
        like, instance = instances.get(restore.like or ""), instances.get(restore.instance)
        if instance is None:
            source = self._source(restore)
            secret = self._secret(database, state, tuple(each.host for each in found) + self._former(database, state))
            return restoring.missing(restore, source, like, secret, now, instances)
        in_use = bool(instance.host) and all(each.host.lower() == instance.host.lower() for each in found)
        secret = Secret(database.secret_version or state.current, elsewhere=not in_use)
        if not in_use and instance.status in restoring.USABLE:
            secret = self._secret(database, state, of=instance)
        return restoring.present(restore, instance, like, secret, now, instances)

    def _source(self, restore: Restore) -> Snapshot | Instance:
        if restore.snapshot:
            return self._rds.snapshot(restore.snapshot)
        source = self._rds.instances().get(restore.of or "")
        if source is None:
            raise Absent(f"there is no instance {restore.of} whose past could be restored: name a snapshot of it")
        return source

    def _former(self, database: Database, state: SecretState) -> tuple[str, ...]:
        """The hosts that the previous version of the secret names, where it can be read."""
        if not state.previous:
            return ()
        try:
            return tuple(each.host for each in self._values.addresses(database.secret, state, state.previous))
        except (Absent, Stalled):
            return ()

    def _secret(
        self,
        database: Database,
        state: SecretState,
        hosts: tuple[str, ...] = (),
        of: Instance | None = None,
    ) -> Secret:
        version = database.secret_version or state.current
        try:
            found = self._values.credentials(state, version)
        except Stalled as error:
            return Secret(version, unclear=f"secret {database.secret}: {error}", hosts=hosts)
        outdated, data = "", _data(of) if of else None
        if data and of and found.user != of.master and not database.secret_version:
            outdated = self._values.outdated(database.secret, state, data)
        return Secret(version, found.user, unfit=unfit(database.secret, found), outdated=outdated, hosts=hosts)


def _data(instance: Instance) -> datetime | None:
    """The time of the data of a restored instance, as it was recorded."""
    try:
        return datetime.fromisoformat(instance.tags.get(DATA, ""))
    except ValueError:
        return None
