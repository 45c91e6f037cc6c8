"""A small world for the daemon's own tests: clocks that stand still, a source, and an AWS of three numbers."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from daemon.clock import Clock
from daemon.enforcement import Enforcement, Surroundings
from desired_state.in_force import InForce, Standing
from desired_state.parse import Problem, parse
from desired_state.repository import Unreachable
from reconcilers.aws import Place
from reconcilers.contract import Advice, Change, Drift, Observation
from reconcilers.maintenance import LiveMaintenance
from reconcilers.verification import NOT_VERIFIED, Check, LiveVerification, VerificationPin

HEAD = "version: 1\nenvironment: {name}\naws: {{region: {region}{account}}}\nmode: {mode}\n"
EPOCH = datetime(2024, 2, 24, 12, tzinfo=UTC)


class Time:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def pass_(self, seconds: float) -> None:
        self.now += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, lambda: EPOCH + timedelta(seconds=self.now))


class Told:
    """Stands in for Telling, and remembers."""

    def __init__(self) -> None:
        self.resources: list[tuple[str, str, str, str]] = []  # environment, kind, name, condition
        self.outcomes: list[Any] = []
        self.passes: list[tuple[str, int]] = []
        self.first_writes: list[tuple[str, float]] = []
        self.convergences: list[tuple[str, float]] = []
        self.polls: list[Any] = []
        self.versions: list[tuple[str, bool]] = []
        self.trials: list[tuple[str, str, str]] = []
        self.reverts: list[tuple[str, str, str, str]] = []
        self.left: list[str] = []
        self.failures: list[tuple[str, str]] = []

    def resource(self, environment: str, commit: str, kind: str, name: str, outcome: Any) -> None:
        self.resources.append((environment, kind, name, outcome.condition.value))
        self.outcomes.append((environment, commit, kind, name, outcome))

    def passed(self, status: Any, seconds: float, writes: int, *, full: bool) -> None:
        self.passes.append((status.name, writes))

    def first_write(self, environment: str, seconds: float) -> None:
        self.first_writes.append((environment, seconds))

    def converged(self, environment: str, seconds: float) -> None:
        self.convergences.append((environment, seconds))

    def followed(self, standing: Standing, *, seen: bool, by: Any = None) -> None:
        self.versions.append((standing.commit, seen))

    def verified(self, environment: str, commit: str, seconds: float | None, checks: Any) -> None:
        self.trials.append((environment, commit, "verified"))

    def verification_failed(self, environment: str, commit: str, reason: str, checks: Any) -> None:
        self.trials.append((environment, commit, reason))

    def is_verified(self, environment: str, commit: str) -> bool | None:
        return None

    def reverted(self, environment: str, bad: str, commit: str, to: str) -> None:
        self.reverts.append((environment, bad, commit, to))

    def polled(self, status: Any) -> None:
        self.polls.append(status)

    def failed(self, environment: str, error: Exception) -> None:
        self.failures.append((environment, f"{error}"))

    def gone(self, environment: str) -> None:
        self.left.append(environment)


class Scale(Change):
    """A count."""


class Publish(Change):
    """An endpoint."""


class EnterMaintenance(Change):
    """A page."""


class LeaveMaintenance(Change):
    """No page."""


@dataclass(frozen=True, kw_only=True)
class Live(Observation):
    value: str


@dataclass
class Kind:
    """One kind of resource: what is live by name, what breaks, and what was written."""

    connection: Any
    wanted: Callable[[Any], str | None]
    live: dict[str, str] = field(default_factory=dict)
    settling: dict[str, str] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    refusals: dict[str, Exception] = field(default_factory=dict)  # what apply raises
    deaf: bool = False  # writes are accepted and have no effect
    looks: list[str] = field(default_factory=list)
    writes: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[str], object] = lambda name: None  # runs before each look
    verb: type[Change] = Scale

    def observe(self, pin: Any) -> Observation:
        self.looks.append(_name(pin))
        self.before(_name(pin))
        if error := self.errors.get(_name(pin)):
            raise error
        return self._live(pin)

    def diff(self, pin: Any, live: Any) -> Iterator[Change]:
        wanted = self.wanted(pin)
        value = live.value if isinstance(live, Live) else "on" if live.enabled else "off"
        if wanted is not None and value != wanted:
            yield self._verb(wanted)(drifts=(Drift("value", value, wanted),))

    def apply(self, pin: Any, change: Change) -> None:
        self.connection.guard()
        if error := self.refusals.get(_name(pin)):
            raise error
        wanted = change.drifts[0].desired
        self.writes.append((_name(pin), wanted))
        if not self.deaf:
            self.live[_name(pin)] = wanted

    def _live(self, pin: Any) -> Observation:
        return Live(value=self.live.get(_name(pin), "1"), settling=self.settling.get(_name(pin), ""))

    def _verb(self, wanted: str) -> type[Change]:
        return self.verb


class Checks(Kind):
    """Verification: says what it is told to, and remembers what it was asked."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection, lambda _: None)
        self.pins: list[VerificationPin] = []
        self.failed = ""
        self.verified = True
        self.sure = True

    def observe(self, pin: VerificationPin) -> Observation:
        self.pins.append(pin)
        self.before("verification")
        if pin.settling:
            return LiveVerification(settling=pin.settling)
        if pin.paused:
            return LiveVerification(verified=self.verified, advice=(Advice(NOT_VERIFIED, pin.paused),))
        failed = f"verification: {self.failed}" if self.failed else ""
        return LiveVerification(
            checks=(Check("running tasks", ok=not failed, evidence="4 of 4"),),
            verified=self.verified and not failed,
            failed=failed,
            sure=self.sure,
            blocked=failed,
            settling="" if self.verified or failed else "20 s of 60 s",
        )

    def diff(self, pin: Any, live: Any) -> Iterator[Change]:
        return iter(())


class Page(Kind):
    """Maintenance: the one kind that the daemon looks into."""

    def _live(self, pin: Any) -> Observation:
        return LiveMaintenance(enabled=self.live.get(_name(pin)) == "on", settling=self.settling.get(_name(pin), ""))

    def _verb(self, wanted: str) -> type[Change]:
        return EnterMaintenance if wanted == "on" else LeaveMaintenance


def _name(pin: Any) -> str:
    return getattr(pin, "name", "maintenance")


def _page(pin: Any) -> str:
    return "on" if pin.section is not None and pin.section.enabled else "off"


def _count(pin: Any) -> str | None:
    return None if pin.service.desired_count is None else str(pin.service.desired_count)


def _endpoint(pin: Any) -> str | None:
    return None if pin.database.endpoint is None else str(pin.database.endpoint)


class Ground:
    """Stands in for Territory: one place with its three kinds of resource."""

    def __init__(self, place: Place = Place("us-east-1")) -> None:  # noqa: B008 — frozen
        self.connection = SimpleNamespace(
            place=place, guard=lambda: None, writes_in_flight=0, account=lambda: "123456789012", now=lambda: EPOCH
        )
        self.services = Kind(self.connection, _count)
        self.databases = Kind(self.connection, _endpoint, verb=Publish)
        self.maintenance = Page(self.connection, _page)
        self.verification = Checks(self.connection)
        self.passes: list[list[str]] = []

    def new_pass(self, due: Iterable[Any]) -> None:
        self.passes.append([entry.name for entry in due])

    @property
    def writes(self) -> list[tuple[str, str]]:
        return self.databases.writes + self.services.writes + self.maintenance.writes


class Source:
    """What a repository would say."""

    def __init__(self, found: InForce | None = None) -> None:
        self.current: InForce | None = None
        self.found = found
        self.error = ""

    def poll(self) -> InForce:
        if self.error or self.found is None:
            raise Unreachable(self.error or "no answer")
        self.current = self.found
        return self.found


def counts(
    name: str = "production", *, mode: str = "enforce", region: str = "us-east-1", account: str = "", **services: int
) -> str:
    """A file that pins the count of some services."""
    account = f', account: "{account}"' if account else ""
    text = HEAD.format(name=name, region=region, mode=mode, account=account) + "services:\n"
    for service, count in services.items():
        text += f"  {service}: {{cluster: c, service: {service}, desired_count: {count}}}\n"
    return text


def standing(text: str, commit: str = "c1", file: str = "production.yaml") -> Standing:
    return Standing(file=file, commit=commit, environment=parse(text.encode(), file))


def in_force(*standings: Standing, head: str = "c1", problems: tuple[Problem, ...] = ()) -> InForce:
    bad = frozenset(problem.file for problem in problems)
    return InForce(head=head, rewritten=False, problems=problems, bad_files=bad, standings=standings)


@dataclass
class One:
    """One environment, looked at by hand."""

    text: str
    may_write: bool = True
    time: Time = field(default_factory=Time)
    told: Told = field(default_factory=Told)
    ground: Ground = field(default_factory=Ground)
    stopping: bool = False

    def __post_init__(self) -> None:
        around = Surroundings(
            self.told,
            self.time.clock,
            stopping=lambda: self.stopping,
            may_write=self.may_write,
        )
        self.enforcement = Enforcement(standing(self.text), self.ground, around)

    def look(self, *, full: bool = True) -> dict[str, str]:
        """One pass, and the conditions that it came to."""
        due = self.enforcement.due(full=full)
        self.ground.new_pass(due)
        if due:
            self.enforcement.run(due)
        return self.conditions

    def commit(self, text: str, commit: str = "c2") -> None:
        self.enforcement.follow(standing(text, commit))

    @property
    def conditions(self) -> dict[str, str]:
        return {resource.name: resource.condition.value for resource in self.enforcement.status().resources}

    def reason(self, name: str) -> str:
        return next(r.reason for r in self.enforcement.status().resources if r.name == name)
