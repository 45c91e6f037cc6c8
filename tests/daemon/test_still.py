"""Which services stand still for which database, and when they come back: as its own last outcome says."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from daemon.wiring import _run_still, entries
from reconcilers.contract import Absent, Change, Condition, Drift, Observation, Outcome, Stalled
from reconcilers.database import LiveDatabase
from reconcilers.ecs_service import Scale, ServicePin
from tests.daemon.fakes import Ground, Kind, One, Publish, standing
from tests.reconcilers.ecs_world import pinned

FILE = (
    "version: 1\nenvironment: production\naws: {region: us-east-1}\nservices:\n"
    "  api: {cluster: c, service: api, databases: [postgres]}\n"
    "  worker: {cluster: c, service: worker, databases: [postgres]}\n"
    "  web: {cluster: c, service: web}\n"
    "databases:\n  postgres: {secret: s, endpoint: new, quiesce: [api]}\n"
)


def database(*, still: bool = True, **more: Any) -> LiveDatabase:
    return LiveDatabase(secret="arn", version="1", still=still, **more)


def seen(condition: Condition, *, still: bool = True) -> Outcome:
    return Outcome(condition, "why", (Publish(),), live=database(still=still))


@dataclass
class Remembers:
    """A reconciler of services that only remembers what they had to be."""

    pins: list[ServicePin] = field(default_factory=list)

    def observe(self, pin: ServicePin) -> Observation:
        self.pins.append(pin)
        return Observation()

    def diff(self, pin: ServicePin, live: Observation) -> Iterator[Change]:
        return iter(())


def asked(**outcomes: Outcome | None) -> tuple[str, str]:
    """For which database a service stands still, and which one cannot be told of."""
    remembers: Any = Remembers()
    run = _run_still(remembers, pinned(), tuple(outcomes))
    assert run(lambda _: None, lambda key: outcomes.get(key[1])).condition is Condition.IN_SYNC
    (pin,) = remembers.pins
    unsure = pin.unsure.removeprefix("whether database ").removesuffix(" is being moved cannot be told now")
    return pin.still_for, unsure


# --- what an outcome says


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(seen(Condition.PROGRESSING), id="it waits for them, or was written a moment ago"),
        pytest.param(seen(Condition.RETRYING), id="its last write failed, and is tried again"),
    ],
)
def test_services_stand_still_while_their_database_is_being_moved(outcome: Outcome) -> None:
    assert asked(postgres=outcome) == ("postgres", "")


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(seen(Condition.STALLED), id="the secret may not be written"),
        pytest.param(Outcome(Condition.STALLED, "no zone", error=Stalled("no zone")), id="the name cannot be led"),
        pytest.param(seen(Condition.DRIFTED), id="it is only observed, or a person holds it"),
        pytest.param(seen(Condition.PROGRESSING, still=False), id="its instance is being made"),
        pytest.param(seen(Condition.RETRYING, still=False), id="what failed was a step before the move"),
        pytest.param(Outcome(Condition.IN_SYNC, live=database(still=False)), id="it is where it must be"),
        pytest.param(Outcome(Condition.PROGRESSING, live=Observation()), id="nothing is said of services"),
    ],
)
def test_services_run_while_it_is_not_moved_or_only_a_person_can_move_it(outcome: Outcome) -> None:
    assert asked(postgres=outcome) == ("", "")


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(None, id="not looked at yet"),
        pytest.param(Outcome(Condition.RETRYING, "no answer", error=OSError()), id="no answer"),
        pytest.param(Outcome(Condition.RETRYING, "gone", error=Absent("gone")), id="gone, at the first look"),
    ],
)
def test_what_was_not_seen_moves_nobody(outcome: Outcome | None) -> None:
    assert asked(postgres=outcome) == ("", "postgres")


def test_one_of_several_databases_is_enough() -> None:
    there = Outcome(Condition.IN_SYNC, live=database(still=False))
    assert asked(other=there, postgres=seen(Condition.PROGRESSING)) == ("postgres", "")
    assert asked(one=seen(Condition.PROGRESSING), two=seen(Condition.RETRYING)) == ("one", "")
    assert asked(other=there, unread=None) == ("", "unread")
    assert asked(unread=None, postgres=seen(Condition.PROGRESSING)) == ("postgres", "unread")


# --- whom it concerns


def test_only_what_is_named_stands_still_and_every_user_is_looked_at_with_its_database() -> None:
    ground: Any = Ground()
    ground.services = Remembers()
    made = {entry.name: entry for entry in entries(standing(FILE), ground) if entry.kind == "service"}
    for entry in made.values():
        entry.run(lambda _: None, lambda _: seen(Condition.PROGRESSING))
    assert [(pin.name, pin.still_for) for pin in ground.services.pins] == [
        ("api", "postgres"),
        ("worker", ""),
        ("web", ""),
    ]
    assert {name: set(entry.depends_on) for name, entry in made.items()} == {
        "api": {"postgres"},
        "worker": {"postgres"},
        "web": set(),
    }


# --- pass by pass


class Services(Kind):
    """As many tasks as are wanted: two, or none while the database is moved. Told what stands still, they stop."""

    def diff(self, pin: Any, live: Any) -> Iterator[Change]:
        wanted = "0" if pin.still_for else live.value if pin.unsure else "2"
        if live.value != wanted:
            yield Scale(count=int(wanted), drifts=(Drift("value", live.value, wanted),))


@dataclass
class Postgres(Kind):
    """A secret that names another host, which is written once no task runs."""

    services: Kind | None = None

    def _live(self, pin: Any) -> Observation:
        assert self.services
        still = self.live.get("postgres") != "new"
        running = self.services.live["api"] != "0"
        return database(still=still, waiting="waits until no task runs" if still and running else "")

    def diff(self, pin: Any, live: Any) -> Iterator[Change]:
        if live.still:
            yield Publish(drifts=(Drift("endpoint", "old", "new"),))


@pytest.fixture
def one() -> One:
    """The writes of both kinds, in their order, are those of the services."""
    one = One(FILE.replace("  worker: {cluster: c, service: worker, databases: [postgres]}\n", ""))
    services = Services(one.ground.connection, lambda _: None, live={"api": "2", "web": "2"})
    one.ground.services = services
    one.ground.databases = Postgres(one.ground.connection, lambda _: None, services=services, writes=services.writes)
    return one


def passes(one: One, count: int, *, full: bool = False) -> dict[str, str]:
    for _ in range(count):
        one.look(full=full)
        one.time.pass_(61.0 if full else 1.0)
    return one.conditions


def test_they_go_down_then_it_is_moved_then_they_come_back(one: One) -> None:
    one.look()
    assert one.ground.services.writes == [("api", "0")]
    assert one.reason("postgres") == "waits until no task runs"
    assert passes(one, 6) == {"postgres": "in_sync", "api": "in_sync", "web": "in_sync"}
    assert one.ground.services.writes == [("api", "0"), ("postgres", "new"), ("api", "2")]


@pytest.mark.parametrize("when", ["from the start", "once they stand still"])
def test_a_database_that_cannot_be_looked_at_for_good_holds_nobody_at_0(one: One, when: str) -> None:
    if when == "once they stand still":
        one.look()
        one.time.pass_(1)
    one.ground.databases.errors["postgres"] = Stalled("there is no hosted zone x.internl: correct dns.zone")
    conditions = passes(one, 4, full=True)
    assert conditions == {"postgres": "stalled", "api": "in_sync", "web": "in_sync"}
    went = [] if when == "from the start" else [("api", "0"), ("api", "2")]
    assert one.ground.services.writes == went


def test_a_read_that_fails_for_a_moment_brings_nobody_back_to_the_old_one(one: One) -> None:
    one.look()
    one.time.pass_(1)
    one.ground.databases.errors["postgres"] = OSError("no answer")
    passes(one, 3, full=True)
    assert one.ground.services.writes == [("api", "0")]
    one.ground.databases.errors.clear()
    assert passes(one, 3, full=True)["postgres"] == "in_sync"
    assert one.ground.services.writes == [("api", "0"), ("postgres", "new"), ("api", "2")]


def test_before_it_was_ever_read_nobody_is_stopped(one: One) -> None:
    one.ground.databases.errors["postgres"] = OSError("no answer")
    passes(one, 3, full=True)
    assert one.ground.services.writes == []


def test_nobody_is_stopped_where_nothing_may_be_written(one: One) -> None:
    one.commit(FILE.replace("aws:", "mode: observe\naws:").replace("  worker", "  #"))
    assert passes(one, 3, full=True)["postgres"] == "drifted"
    assert one.ground.services.writes == []
    assert "0" not in one.ground.services.live.values()


def test_a_plan_stops_nobody_and_says_what_the_database_would_do(one: One) -> None:
    planned = One(one.text, may_write=False, ground=one.ground)
    planned.look()
    assert (planned.reason("postgres"), planned.conditions["api"]) == ("would be changed", "in_sync")
    assert one.ground.services.writes == []


def test_after_a_move_its_users_are_looked_at_in_the_same_pass(one: One) -> None:
    passes(one, 1)
    one.ground.passes.clear()
    passes(one, 1)
    assert one.ground.services.writes[-1] == ("postgres", "new")
    assert one.ground.passes == [["postgres", "api"]]
