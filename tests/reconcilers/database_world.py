"""One process that looks after a database: its reads, and the reconciler."""

from collections.abc import Callable

from reconcilers.aws import Connection
from reconcilers.database import DatabaseReconciler
from reconcilers.ecs_reads import EcsReads, Key
from reconcilers.rds_reads import RdsReads
from reconcilers.secrets import Secrets
from reconcilers.standstill import Standstill
from reconcilers.switch import Switches


class DatabaseProcess:
    """As daemon/wiring.py puts it together."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.secrets = Secrets(connection)
        self.rds = RdsReads(connection)
        self.ecs = EcsReads(connection)
        self.switches = Switches(connection, self.secrets, self.rds)
        self.reconciler = DatabaseReconciler(
            connection, self.secrets, self.rds, self.switches, Standstill(connection, self.ecs)
        )

    def new_pass(self, services: tuple[Key, ...] = ()) -> None:
        for forget in self._forgetting():
            forget()
        self.ecs.new_pass(services, ())

    def _forgetting(self) -> tuple[Callable[[], None], ...]:
        return self.secrets.new_pass, self.rds.new_pass, self.switches.new_pass
