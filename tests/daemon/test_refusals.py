"""Why a service waits for its database, and for what of it it does not wait."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest

from daemon.entry import Entry, Key
from daemon.refusals import by_order
from daemon.tracked import Tracked
from reconcilers.contract import Absent, Change, Condition, Drift, Observation, Outcome, Refusal, Stalled
from reconcilers.dns import PointName
from reconcilers.ecs_count import ForgetTag, RememberTag, SuspendScaling
from reconcilers.ecs_service import Restart, Scale
from reconcilers.infrastructure import LiveInfrastructure
from reconcilers.rds_changes import CompleteSettings, KeepBackups, MarkVerified, SetPassword
from reconcilers.terraform import Check
from tests.daemon.fakes import Time

DOWN, UP = Scale(count=0, drifts=(Drift("desired_count", "2", "0"),)), Scale(count=2)
REMEMBER, FORGET = RememberTag(key="k", value="2"), ForgetTag(key="k")
COMPLETE = CompleteSettings(drifts=(Drift("multi_az", "false", "true"),), found=())


@dataclass(frozen=True, kw_only=True)
class Publish(Change):
    """An endpoint."""


@dataclass(frozen=True, kw_only=True)
class Later(Change):
    """Something that nobody waits for."""

    aside: ClassVar[bool] = True


PUBLISH = Publish(drifts=(Drift("endpoint", "old", "new"),))
POINT = PointName(drifts=(Drift("dns a.b", "old", "new"),), zone="Z", host="new", ttl=30)


def known(outcome: Outcome | None, kind: str = "database", name: str = "db") -> dict[Key, Tracked]:
    entry = Entry(kind, name, lambda *_: Outcome(Condition.IN_SYNC))
    tracked = Tracked(entry, Time().clock)
    if outcome is not None:
        tracked.take(outcome)
    return {(kind, name): tracked}


def refusal(outcome: Outcome | None, *changes: Change, waits_for: tuple[str, ...] = ("db",)) -> Refusal | None:
    entry = Entry("service", "api", lambda *_: Outcome(Condition.IN_SYNC), waits_for=waits_for)
    return by_order(entry, changes or (UP,), known(outcome))


def seen(condition: Condition, reason: str = "why", *changes: Change, aside: bool = False) -> Outcome:
    return Outcome(condition, reason, changes, live=Observation(aside=aside))


@pytest.mark.parametrize(
    ("outcome", "condition"),
    [
        pytest.param(None, None, id="not looked at yet"),
        pytest.param(seen(Condition.IN_SYNC), None, id="in sync"),
        pytest.param(seen(Condition.PROGRESSING), Condition.PROGRESSING, id="settling"),
        pytest.param(seen(Condition.PROGRESSING, "why", PUBLISH), Condition.PROGRESSING, id="just asked"),
        pytest.param(seen(Condition.DRIFTED, "why", PUBLISH), Condition.DRIFTED, id="held"),
        pytest.param(seen(Condition.STALLED, "why", PUBLISH), Condition.DRIFTED, id="refused"),
        pytest.param(seen(Condition.RETRYING, "why", PUBLISH), Condition.PROGRESSING, id="tried again"),
        pytest.param(seen(Condition.STALLED), None, id="blocked, with nothing to write"),
        pytest.param(Outcome(Condition.RETRYING, "no answer", error=OSError()), None, id="not read"),
        pytest.param(Outcome(Condition.STALLED, "gone", error=Stalled()), None, id="not readable"),
        pytest.param(Outcome(Condition.RETRYING, "gone", error=Absent()), None, id="not there"),
        pytest.param(seen(Condition.PROGRESSING, aside=True), None, id="settling aside"),
        pytest.param(seen(Condition.PROGRESSING, "why", COMPLETE), None, id="its last settings"),
        pytest.param(seen(Condition.STALLED, "why", COMPLETE), None, id="last settings that rds refused"),
        pytest.param(seen(Condition.RETRYING, "why", MarkVerified(), Later()), None, id="whatever is aside"),
        pytest.param(seen(Condition.PROGRESSING, "why", PUBLISH, Later()), Condition.PROGRESSING, id="not all is"),
        pytest.param(seen(Condition.PROGRESSING, "why", PUBLISH, aside=True), Condition.PROGRESSING, id="writes count"),
        pytest.param(
            seen(Condition.PROGRESSING, "why", SetPassword(version="v")), Condition.PROGRESSING, id="a password"
        ),
        pytest.param(seen(Condition.DRIFTED, "why", KeepBackups(instance="i", days=7)), None, id="backups"),
        pytest.param(seen(Condition.STALLED, "why", POINT), None, id="a name that may not be led"),
        pytest.param(seen(Condition.RETRYING, "why", POINT), None, id="a name that is tried again"),
        pytest.param(seen(Condition.PROGRESSING, "why", POINT), Condition.PROGRESSING, id="a name that is being led"),
        pytest.param(seen(Condition.DRIFTED, "why", POINT), Condition.DRIFTED, id="a name that is held"),
        pytest.param(seen(Condition.STALLED, "why", PUBLISH, POINT), Condition.DRIFTED, id="the secret, and its name"),
        pytest.param(seen(Condition.STALLED, "why", COMPLETE, POINT), None, id="only what nobody needs"),
    ],
)
def test_a_service_waits_while_its_database_is_about_to_change(
    outcome: Outcome | None, condition: Condition | None
) -> None:
    found = refusal(outcome)
    assert (found and found.condition) == condition
    if found and outcome:
        assert found.reason == f"waits for database db ({outcome.condition.value}: {outcome.reason})"


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        pytest.param((DOWN,), False, id="down"),
        pytest.param((REMEMBER, SuspendScaling(), DOWN), False, id="down, as a shutdown goes"),
        pytest.param((REMEMBER,), False, id="only the tag of a shutdown"),
        pytest.param((UP,), True, id="up"),
        pytest.param((Scale(count=None),), True, id="a count that nobody says"),
        pytest.param((DOWN, FORGET), True, id="down, and something else"),
        pytest.param((Restart(count=0),), True, id="a restart without tasks"),
        pytest.param((Restart(count=2),), True, id="a restart"),
    ],
)
def test_what_takes_load_away_waits_for_nothing(changes: tuple[Change, ...], waits: bool) -> None:
    assert (refusal(seen(Condition.PROGRESSING), *changes) is not None) is waits


def test_a_service_waits_only_for_what_it_names() -> None:
    outcome = seen(Condition.PROGRESSING, "why", PUBLISH)
    assert refusal(outcome, waits_for=()) is None
    assert refusal(outcome, waits_for=("other",)) is None
    assert refusal(outcome, waits_for=("other", "db")) is not None


@pytest.mark.parametrize(
    ("live", "condition", "waits"),
    [
        pytest.param("0", Condition.STALLED, False, id="from 0, and only a person can help the database"),
        pytest.param("0", Condition.PROGRESSING, True, id="from 0, and the database is being moved"),
        pytest.param("0", Condition.RETRYING, True, id="from 0, and the move is tried again"),
        pytest.param("2", Condition.STALLED, True, id="from 2"),
    ],
)
def test_what_stopped_for_a_move_that_is_not_made_comes_back(live: str, condition: Condition, waits: bool) -> None:
    back = Restart(count=4, drifts=(Drift("tasks_started", "then", "now"), Drift("desired_count", live, "4")))
    assert (refusal(seen(condition, "not allowed", PUBLISH), back) is not None) is waits


def test_a_service_of_the_same_name_is_no_database() -> None:
    entry = Entry("service", "api", lambda *_: Outcome(Condition.IN_SYNC), waits_for=("db",))
    assert by_order(entry, (UP,), known(seen(Condition.PROGRESSING, "why", PUBLISH), kind="service")) is None


def test_leaving_maintenance_waits_for_a_service_that_stands_still() -> None:
    entry = Entry("maintenance", "maintenance", lambda *_: Outcome(Condition.IN_SYNC), waits_for_services=True)
    moving = known(seen(Condition.PROGRESSING, "runs no task until"), kind="service", name="api")
    found = by_order(entry, (PUBLISH,), moving)
    assert found == Refusal(Condition.PROGRESSING, "leaves maintenance once api has settled")
    assert by_order(entry, (PUBLISH,), known(seen(Condition.IN_SYNC), kind="service", name="api")) is None


CHECKED = LiveInfrastructure(
    check=Check(
        at=datetime(2024, 2, 24, tzinfo=UTC),
        version="1",
        differs=False,
        changes=(),
        outputs_changed=False,
        drifted=(),
        warnings=(),
        serial=1,
        lineage="x",
        plan=Path("plan"),
        digest="d",
    )
)
LATER = Later(drifts=(Drift("a.b", "there", "changed"),))


@pytest.mark.parametrize(
    ("outcome", "condition"),
    [
        pytest.param(None, None, id="not looked at yet"),
        pytest.param(Outcome(Condition.IN_SYNC, live=CHECKED), None, id="in sync"),
        pytest.param(Outcome(Condition.PROGRESSING, "why", live=CHECKED), Condition.PROGRESSING, id="under way"),
        pytest.param(Outcome(Condition.STALLED, "why", live=CHECKED), Condition.DRIFTED, id="only a person can help"),
        pytest.param(Outcome(Condition.STALLED, "why"), Condition.DRIFTED, id="broken, and never checked"),
        pytest.param(Outcome(Condition.DRIFTED, "why", (LATER,), live=CHECKED), None, id="only reported"),
        pytest.param(Outcome(Condition.RETRYING, "why", live=CHECKED), None, id="settled, and cannot be checked now"),
        pytest.param(
            Outcome(Condition.RETRYING, "why", (LATER,), live=CHECKED), Condition.PROGRESSING, id="pending, and failing"
        ),
        pytest.param(
            Outcome(Condition.RETRYING, "why", live=LiveInfrastructure()), Condition.PROGRESSING, id="never checked yet"
        ),
        pytest.param(Outcome(Condition.RETRYING, "why"), Condition.PROGRESSING, id="a mistake of ours, never checked"),
    ],
)
def test_a_service_waits_for_the_infrastructure_that_it_needs(
    outcome: Outcome | None, condition: Condition | None
) -> None:
    entry = Entry("service", "api", lambda *_: Outcome(Condition.IN_SYNC), needs=("network",))
    found = by_order(entry, (UP,), known(outcome, "infrastructure", "network"))
    assert (found.condition if found else None) is condition
    if found:
        stuck = condition is Condition.DRIFTED
        assert found.reason == f"waits for infrastructure network ({outcome.condition.value}: why)" + (
            "; to go on without it, take it out of needs" if stuck else ""
        )


def test_what_does_not_need_it_and_what_goes_to_0_does_not_wait_for_infrastructure() -> None:
    moving = known(Outcome(Condition.PROGRESSING, "why", live=CHECKED), "infrastructure", "network")
    plain = Entry("service", "api", lambda *_: Outcome(Condition.IN_SYNC))
    needing = Entry("service", "api", lambda *_: Outcome(Condition.IN_SYNC), needs=("network",))
    assert by_order(plain, (UP,), moving) is None
    assert by_order(needing, (DOWN,), moving) is None
