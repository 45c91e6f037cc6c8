"""Where a database's secret points and where it must: the one judgement that the database and its services share."""

from dataclasses import dataclass, replace
from datetime import datetime

from botocore.exceptions import ClientError

from desired_state.model import Database, Endpoint, Restore
from reconcilers import restoring
from reconcilers.aws import Connection, is_denied, is_unsupported
from reconcilers.contract import Absent, Stalled
from reconcilers.rds_changes import DATA, VERIFIED
from reconcilers.rds_reads import Instance, RdsReads, Snapshot
from reconcilers.restoring import Restoring, Secret
from reconcilers.secret_text import Address
from reconcilers.secret_values import SecretValues, unfit
from reconcilers.secrets import Secrets, SecretState


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
        version, renewed = database.secret_version or "", False
        older = self._values.addresses(database.secret, state, version) if version else ()
        goal = progress.endpoint if progress else self._pinned(database, state, (*found, *older))
        if progress and goal is None:
            return Switch(state, found, restoring=progress)
        if goal is None and any(not each.host for each in older):
            raise Stalled(f"version {version} of secret {database.secret} names no host: pin another secret_version")
        if version:
            renewed = not self._values.is_value_of(database.secret, state, version, goal)
        hosts = {goal.host.lower()} if goal else {each.host.lower() for each in older}
        moves = bool(hosts) and {each.host.lower() for each in found} != hosts
        if moves and goal and database.endpoint and not version:
            self._check_login(database, state, goal)
        return Switch(state, found, goal, renewed, moves, progress)

    def _pinned(self, database: Database, state: SecretState, found: tuple[Address, ...]) -> Endpoint | None:
        """The pinned endpoint. Where it has no port and leads elsewhere, with the port that is known of it.

        Stalled: it is an instance that takes no connections.
        """
        endpoint = database.endpoint
        if endpoint is None or all(each.has_host(endpoint) for each in found):
            return endpoint
        instance = self._instance_at(endpoint.host)
        if instance and (broken := restoring.BROKEN.get(instance.status)):
            raise Stalled(
                f"instance {instance.name} is {instance.status}: {broken}; nothing is published until it is available"
            )
        if endpoint.port:
            return endpoint
        port = instance.port if instance else self._former_port(database, state, endpoint)
        return endpoint.model_copy(update={"port": port}) if port else endpoint

    def _check_login(self, database: Database, state: SecretState, goal: Endpoint) -> None:
        """Stalled: the secret named this host last with another login, so the one of now may not open it."""
        if state.undone:
            return  # what was undone says nothing of what that host knows
        named = any(each.has_host(goal) for each in self._previous(database, state))
        if named and self._values.has_other_login(state, state.previous):
            raise Stalled(
                f"secret {database.secret} named {goal.host} last with another login: pin secret_version: "
                f"{state.previous} to go back to that, or secret_version: {state.current} to keep the one of now"
            )

    def _instance_at(self, host: str) -> Instance | None:
        try:
            return self._rds.at(host)
        except ClientError as error:
            if is_denied(error) or is_unsupported(error):
                return None  # as for any host that is no instance of ours
            raise

    def _former_port(self, database: Database, state: SecretState, endpoint: Endpoint) -> int | None:
        """The port that the previous version of the secret had for this host."""
        former = (each for each in self._previous(database, state) if each.has_host(endpoint))
        return next((each.port for each in former), None)

    def _restoring(
        self, database: Database, restore: Restore, state: SecretState, found: tuple[Address, ...]
    ) -> Restoring:
        instances, now = self._rds.instances(), self._connection.now()
        like, instance = instances.get(restore.like or ""), instances.get(restore.instance)
        if instance is None:
            source = self._source(restore)
            hosts = tuple(each.host for each in (*found, *self._previous(database, state)))
            data = restore.to_time or (source.taken if isinstance(source, Snapshot) else None)
            secret = replace(self._secret(database, state, source.master, data), hosts=hosts)
            return restoring.missing(restore, source, like, secret, now, instances)
        in_use = bool(instance.host) and all(each.host.lower() == instance.host.lower() for each in found)
        secret = Secret(database.secret_version or state.current, elsewhere=not in_use)
        if not in_use and instance.status in restoring.USABLE:
            # One that was in use since may have got other passwords.
            data = None if VERIFIED in instance.tags else restoring.instant(instance.tags.get(DATA, ""))
            secret = self._secret(database, state, instance.master, data)
        return restoring.present(restore, instance, like, secret, now, instances)

    def _source(self, restore: Restore) -> Snapshot | Instance:
        if restore.snapshot:
            return self._rds.snapshot(restore.snapshot)
        source = self._rds.instances().get(restore.of or "")
        if source is None:
            raise Absent(f"there is no instance {restore.of} whose past could be restored: name a snapshot of it")
        return source

    def _previous(self, database: Database, state: SecretState) -> tuple[Address, ...]:
        """What the previous version of the secret names, where it can be read."""
        if not state.previous:
            return ()
        try:
            return self._values.addresses(database.secret, state, state.previous)
        except (Absent, Stalled):
            return ()

    def _secret(self, database: Database, state: SecretState, master: str, data: datetime | None) -> Secret:
        """What its value lets in, compared with data of that time and its master user."""
        version = database.secret_version or state.current
        compared = data is not None and not database.secret_version
        outdated = self._values.outdated(database.secret, state, data) if compared and data else ""
        try:
            found = self._values.credentials(state, version)
        except Stalled as error:
            unclear = f"secret {database.secret}: {error}"
            return Secret(version, unclear=unclear, outdated=f"{unclear}; {outdated}" if outdated else "")
        outdated = "" if found.user == master else outdated
        return Secret(version, found.user, unfit=unfit(database.secret, found), outdated=outdated)
