"""Whether going back to an earlier version of a file would work now: what that would change, and what it needs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from desired_state.history import Version
from desired_state.model import Database, Environment, Maintenance, Mode, Service, Strategy
from reconcilers.aws import Connection
from reconcilers.listeners import Listeners
from reconcilers.readiness_databases import DatabaseChecks
from reconcilers.readiness_services import ServiceChecks
from reconcilers.readiness_words import Finding, Verdict, Weight, confirmed, tried

__all__ = ["Finding", "Readiness", "Touched", "Verdict", "Weight", "confirmed", "touched"]


@dataclass(frozen=True)
class Touched:
    """What going back to a version would change. The rest runs on as it is, and is not looked at."""

    services: tuple[tuple[str, Service], ...] = ()
    databases: tuple[tuple[str, Database], ...] = ()
    maintenance: Maintenance | None = None
    unchecked: tuple[Finding, ...] = ()


def touched(now: Environment, then: Environment) -> Touched:
    """Every entry that says something else than now, and the services that follow a database which does."""
    databases = {name: each for name, each in then.databases.items() if now.databases.get(name) != each}
    services = {
        name: each
        for name, each in then.services.items()
        if now.services.get(name) != each or not databases.keys().isdisjoint(each.databases)
    }
    return Touched(
        services=tuple(services.items()),
        databases=tuple(databases.items()),
        maintenance=then.maintenance if then.maintenance != now.maintenance else None,
        unchecked=tuple(_unchecked(now, then)),
    )


def _unchecked(now: Environment, then: Environment) -> Iterator[Finding]:
    for name, each in then.infrastructure.items():
        if now.infrastructure.get(name) != each:
            message = "its terraform configuration is another one: what it would change is not checked"
            yield Finding(f"infrastructure {name}", message, Weight.UNCHECKED)
    if then.mode is not Mode.ENFORCE and then.mode is not now.mode:
        yield Finding("mode", f"it says {then.mode.value}: trueup would write nothing", Weight.UNCHECKED)


class Readiness:
    """The checks of one account and region, with a connection of their own. For one thread at a time."""

    reads = (
        *ServiceChecks.reads,
        *DatabaseChecks.reads,
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTargetGroups",
    )

    def __init__(self, connection: Connection) -> None:
        self._services = ServiceChecks(connection)
        self._databases = DatabaseChecks(connection)
        self._listeners = Listeners(connection)

    def of(
        self, now: Environment, versions: Sequence[Version], go_on: Callable[[], bool] = lambda: True
    ) -> tuple[Verdict, ...] | None:
        """One check of these versions, in their order. `go_on` is asked before each entry; None: it said no.

        What is distinct is read once, however many versions name it. What AWS left unanswered in the connection's pass
        is not asked again.
        """
        pairs = [(version, version.environment) for version in versions if version.environment is not None]
        work = [(version.commit.oid, then, touched(now, then)) for version, then in pairs]
        self._databases.new_check()
        self._services.new_check(service for _, _, each in work for _, service in each.services)
        self._maintenance: dict[Maintenance, tuple[Finding, ...]] = {}
        here = [each for _, then, each in work if then.aws == now.aws]
        for name, service in dict.fromkeys(pair for each in here for pair in each.services):
            if not go_on():
                return None
            self._services.look(f"service {name}", service)
        self._services.look_at_images()
        verdicts = []
        for commit, then, each in work:
            if not go_on():
                return None
            found = self._findings(each) if then.aws == now.aws else _elsewhere()
            verdicts.append(Verdict(commit, tuple(sorted(dict.fromkeys(found), key=_by_weight))))
        return tuple(verdicts)

    def _findings(self, what: Touched) -> Iterator[Finding]:
        for name, database in what.databases:
            yield from self._databases.findings(f"database {name}", database)
        for name, service in what.services:
            yield from self._services.findings(f"service {name}", service)
        if section := what.maintenance:
            if section not in self._maintenance:
                self._maintenance[section] = tried("maintenance", lambda: self._listens(section))
            yield from self._maintenance[section]
        yield from what.unchecked

    def _listens(self, section: Maintenance) -> Iterator[Finding]:
        listener = self._listeners.read(self._listeners.arn(section))
        if section.strategy is Strategy.DEFAULT_ACTION and section.target_group:
            self._listeners.target_group(section.target_group, listener)
        yield from ()


def _elsewhere() -> Iterator[Finding]:
    yield Finding("aws", "it is of another account, region or role: not looked at from here", Weight.UNREAD)


def _by_weight(finding: Finding) -> int:
    return list(Weight).index(finding.weight)
