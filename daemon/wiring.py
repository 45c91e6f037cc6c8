"""Which reconciler looks after which entry of a file, in which order, and what waits for what."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from daemon.entry import Entry, Others, Run
from daemon.verifying import verification
from desired_state.in_force import Standing
from desired_state.model import Database, Environment
from reconcilers.aws import Connection, Place
from reconcilers.backups import BackupReads
from reconcilers.contract import Condition, Gate, Outcome
from reconcilers.database import DatabasePin, DatabaseReconciler, LiveDatabase
from reconcilers.ecs_reads import EcsReads
from reconcilers.ecs_service import EcsServiceReconciler, ServicePin
from reconcilers.infrastructure import InfrastructurePin, InfrastructureReconciler
from reconcilers.maintenance import MaintenancePin, MaintenanceReconciler
from reconcilers.rds_reads import RdsReads
from reconcilers.reconcile import reconcile
from reconcilers.secrets import Secrets
from reconcilers.standstill import Standstill
from reconcilers.switch import Switches
from reconcilers.verification import VerificationReconciler
from reconcilers.workshop import Workshop


class Territory:
    """One account and region: its connection, its batched reads and its reconcilers, shared by all its environments.

    `workshop`: where terraform works; None where nobody looks at infrastructure.
    """

    def __init__(
        self,
        connection: Connection,
        monotonic: Callable[[], float] = time.monotonic,
        workshop: Workshop | None = None,
    ) -> None:
        self.connection = connection
        self._ecs = EcsReads(connection, monotonic)
        self._secrets = Secrets(connection)
        self._rds = RdsReads(connection)
        self._switches = Switches(connection, self._secrets, self._rds)
        self.services = EcsServiceReconciler(connection, self._ecs, self._secrets)
        standstill = Standstill(connection, self._ecs)
        self.databases = DatabaseReconciler(connection, self._secrets, self._rds, self._switches, standstill)
        self.backups = BackupReads(self._rds, self._switches)
        self.maintenance = MaintenanceReconciler(connection, monotonic)
        self.verification = VerificationReconciler(connection, monotonic)
        self.infrastructure = InfrastructureReconciler(connection, workshop) if workshop else None

    def is_moving(self, database: Database) -> bool:
        """Whether its secret does not say yet what the file says."""
        switch = self._switches.of(database)
        return switch.elsewhere or (database.restore is not None and switch.goal is None)

    def new_pass(self, due: Iterable[Entry]) -> None:
        """Forget what the last pass read; the entries that are due are read in batches."""
        self.connection.new_pass()
        pins = [entry.service for entry in due if entry.service]
        self._ecs.new_pass(
            (pin.key for pin in pins), (pin.key for pin in pins if pin.service.desired_count is not None)
        )
        self._secrets.new_pass()
        self._rds.new_pass()
        self._switches.new_pass()


def place(environment: Environment) -> Place:
    """Where an environment lives."""
    return Place(environment.aws.region, environment.aws.role_arn)


def entries(standing: Standing, territory: Territory) -> tuple[Entry, ...]:
    """Enter maintenance → infrastructure → databases → services → leave maintenance → verify."""
    environment = standing.environment
    maintenance = _maintenance(standing, territory)
    verify = environment.verify
    last = (verification(standing, verify, territory.verification),) if verify is not None else ()
    entering = environment.maintenance is not None and environment.maintenance.enabled
    middle = (*_infrastructure(standing, territory), *_databases(standing, territory), *_services(standing, territory))
    return (maintenance, *middle, *last) if entering else (*middle, maintenance, *last)


def _maintenance(standing: Standing, territory: Territory) -> Entry:
    section = standing.environment.maintenance
    pin = MaintenancePin(standing.environment.environment, standing.commit, section, standing.former.environments)
    leaving = section is None or not section.enabled
    run = _run(territory.maintenance, pin)
    return Entry("maintenance", "maintenance", run, waits_for_services=leaving, named=section is not None)


def infrastructure_pins(standing: Standing) -> Iterator[InfrastructurePin]:
    """The entries of a file under `infrastructure`."""
    environment = standing.environment
    for name, each in environment.infrastructure.items():
        yield InfrastructurePin(name, each, environment, each.repository or standing.repository)


def _infrastructure(standing: Standing, territory: Territory) -> Iterator[Entry]:
    for pin in infrastructure_pins(standing):
        reconciler = territory.infrastructure
        if reconciler is None:
            raise ValueError("this territory has no workshop for its infrastructure")
        yield Entry("infrastructure", pin.name, _run(reconciler, pin), renew=partial(reconciler.renew, pin))


def _databases(standing: Standing, territory: Territory) -> Iterator[Entry]:
    services = standing.environment.services
    for name, database in standing.environment.databases.items():
        quiesced = tuple((services[each].cluster, services[each].service) for each in database.quiesce)
        left = tuple(dns for owner, dns in standing.former.records if owner == name)
        pin = DatabasePin(name, database, quiesced, standing.commit, left)
        yield Entry("database", name, _run(territory.databases, pin))


def _services(standing: Standing, territory: Territory) -> Iterator[Entry]:
    databases = standing.environment.databases
    for name, service in standing.former.services.items():
        pin = ServicePin(name, service, (), standing.commit)
        yield Entry("service", name, _taken_back(_run(territory.services, pin)), named=False, service=pin)
    for name, service in standing.environment.services.items():
        secrets = tuple(databases[each].secret for each in service.databases)
        pin = ServicePin(name, service, secrets, standing.commit)
        quiesced_by = tuple(each for each, database in databases.items() if name in database.quiesce)
        # A complete shutdown waits for nothing.
        waits_for, needs = ((), ()) if service.desired_count == 0 else (service.databases, service.needs)
        run = _run_still(territory.services, pin, quiesced_by) if quiesced_by else _run(territory.services, pin)
        depends_on = (*service.databases, *quiesced_by)
        yield Entry("service", name, run, waits_for, needs, depends_on=depends_on, service=pin)


def _taken_back(run: Run) -> Run:
    """What left the file is ours only as far as trueup's own work has to be undone: any other trouble is not."""

    def run_quietly(gate: Gate, look: Others) -> Outcome:
        outcome = run(gate, look)
        others = not outcome.changes and outcome.condition is not Condition.PROGRESSING
        return Outcome(Condition.IN_SYNC, live=outcome.live) if others and not outcome.attempts else outcome

    return run_quietly


def _run_still(reconciler: EcsServiceReconciler, pin: ServicePin, quiesced_by: tuple[str, ...]) -> Run:
    """A service that stands still while one of these databases is moved."""

    def run(gate: Gate, look: Others) -> Outcome:
        looks = {name: _stands_still(look(("database", name))) for name in quiesced_by}
        still = next((name for name, answer in looks.items() if answer), "")
        unsure = next((name for name, answer in looks.items() if answer is None), "")
        why = f"whether database {unsure} is being moved cannot be told now" if unsure else ""
        return reconcile(reconciler, replace(pin, still_for=still, unsure=why), gate)

    return run


def _stands_still(database: Outcome | None) -> bool | None:
    """Whether its services must run no task now. None: that cannot be told; what runs goes on, what stands stays.

    A database that only a person can move further holds no service at 0: they run, and find the database of before.
    """
    if database is None or (database.live is None and database.condition is Condition.RETRYING):
        return None
    moving = database.condition in (Condition.PROGRESSING, Condition.RETRYING)
    return moving and isinstance(database.live, LiveDatabase) and database.live.still


def _run(reconciler: Any, pin: Any) -> Run:
    return lambda gate, _: reconcile(reconciler, pin, gate)
