"""One pass over one resource: what each way in which it can go comes to. It never raises."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from reconcilers.contract import (
    Absent,
    Attempt,
    Change,
    Condition,
    Drift,
    Gate,
    Observation,
    Reconciler,
    Refusal,
    Result,
    Stalled,
    Superseded,
)
from reconcilers.reconcile import reconcile


@dataclass(frozen=True, kw_only=True)
class Paint(Change):
    """A verb with a drift."""


@dataclass(frozen=True, kw_only=True)
class TidyUp(Change):
    """A verb without one."""


PAINT = Paint(drifts=(Drift("colour", "red", "green"),))
TIDY_UP = TidyUp()


@dataclass
class House(Reconciler[str, Observation]):
    """Says what it is told to say, and remembers what it was asked to do."""

    live: Observation | BaseException = field(default_factory=Observation)
    changes: tuple[Change, ...] = ()
    fails: dict[Change, BaseException] = field(default_factory=dict)
    applied: list[Change] = field(default_factory=list)

    def observe(self, desired: str) -> Observation:
        if isinstance(self.live, BaseException):
            raise self.live
        return self.live

    def diff(self, desired: str, live: Observation) -> Iterable[Change]:
        return iter(self.changes)

    def apply(self, desired: str, change: Change) -> None:
        if change in self.fails:
            raise self.fails[change]
        self.applied.append(change)


def answered(code: str, status: int, message: str = "no") -> ClientError:
    told: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, "UpdateService")


def allow(_: tuple[Change, ...]) -> None:
    return None


def refuse(_: tuple[Change, ...]) -> Refusal:
    return Refusal(Condition.DRIFTED, "mode is observe")


@pytest.mark.parametrize(
    ("live", "condition", "reason"),
    [
        pytest.param(Observation(), Condition.IN_SYNC, "", id="settled"),
        pytest.param(Observation(settling="rolling out"), Condition.PROGRESSING, "rolling out", id="settling"),
        pytest.param(
            Observation(settling="rolling out", overdue="for an hour"), Condition.STALLED, "for an hour", id="overdue"
        ),
        pytest.param(
            Observation(settling="rolling out", overdue="for an hour", blocked="no such container"),
            Condition.STALLED,
            "no such container",
            id="blocked",
        ),
        pytest.param(Observation(held="held until noon"), Condition.IN_SYNC, "", id="held, with nothing to hold back"),
    ],
)
def test_where_nothing_differs_aws_decides(live: Observation, condition: Condition, reason: str) -> None:
    house = House(live)
    outcome = reconcile(house, "green", refuse)  # there is nothing to refuse
    assert (outcome.condition, outcome.reason, outcome.live) == (condition, reason, live)
    assert (outcome.changes, outcome.attempts, outcome.error) == ((), (), None)


@pytest.mark.parametrize(
    ("live", "condition", "reason"),
    [
        pytest.param(Observation(), Condition.DRIFTED, "mode is observe", id="the gate refuses"),
        pytest.param(Observation(held="held until noon"), Condition.DRIFTED, "held until noon", id="held"),
        pytest.param(Observation(blocked="no such container"), Condition.STALLED, "no such container", id="blocked"),
        pytest.param(
            Observation(blocked="no such container", held="held until noon"),
            Condition.STALLED,
            "no such container",
            id="blocked and held",
        ),
    ],
)
def test_a_refused_change_is_reported_and_not_made(live: Observation, condition: Condition, reason: str) -> None:
    house = House(live, (PAINT,))
    outcome = reconcile(house, "green", refuse)
    assert (outcome.condition, outcome.reason) == (condition, reason)
    assert (outcome.changes, outcome.drifts, outcome.attempts) == ((PAINT,), PAINT.drifts, ())
    assert house.applied == []


WAITING = "waits until no task runs"


@pytest.mark.parametrize(
    ("live", "gate", "condition", "reason"),
    [
        pytest.param(Observation(waiting=WAITING), allow, Condition.PROGRESSING, WAITING, id="it waits"),
        pytest.param(Observation(waiting=WAITING), refuse, Condition.DRIFTED, "mode is observe", id="nobody may write"),
        pytest.param(
            Observation(waiting=WAITING, held="held until noon"), allow, Condition.DRIFTED, "held until noon", id="held"
        ),
        pytest.param(Observation(waiting=WAITING, blocked="no"), allow, Condition.STALLED, "no", id="blocked"),
    ],
)
def test_what_waits_is_not_made_yet(live: Observation, gate: Gate, condition: Condition, reason: str) -> None:
    house = House(live, (PAINT,))
    outcome = reconcile(house, "green", gate)
    assert (outcome.condition, outcome.reason) == (condition, reason)
    assert (outcome.changes, outcome.attempts, house.applied) == ((PAINT,), (), [])
    assert reconcile(House(live), "green", gate).reason in ("", "no")  # there is nothing to wait for


def test_a_newer_commit_preempts_what_is_settling_or_overdue() -> None:
    house = House(Observation(settling="rolling out", overdue="for an hour"), (PAINT,))
    assert reconcile(house, "green", allow).condition is Condition.PROGRESSING
    assert house.applied == [PAINT]


def test_the_gate_is_asked_once_with_everything() -> None:
    asked: list[tuple[Change, ...]] = []
    reconcile(House(changes=(PAINT, TIDY_UP)), "green", asked.append)
    assert asked == [(PAINT, TIDY_UP)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param((PAINT,), "asked AWS to paint", id="one"),
        pytest.param((PAINT, TIDY_UP), "asked AWS to paint", id="what only tidies up is not said"),
        pytest.param((TIDY_UP,), "asked AWS to tidy up", id="only tidying up"),
    ],
)
def test_what_was_asked_is_progressing_until_it_is_seen(changes: tuple[Change, ...], reason: str) -> None:
    house = House(changes=changes)
    outcome = reconcile(house, "green", allow)
    assert (outcome.condition, outcome.reason) == (Condition.PROGRESSING, reason)
    assert outcome.attempts == tuple(Attempt(change, Result.OK) for change in changes)
    assert house.applied == list(changes)


@pytest.mark.parametrize(
    ("error", "condition", "result"),
    [
        pytest.param(Stalled("a person must help"), Condition.STALLED, Result.FAILED, id="stalled"),
        pytest.param(answered("AccessDeniedException", 400), Condition.STALLED, Result.FAILED, id="denied"),
        pytest.param(answered("InvalidParameterException", 400), Condition.STALLED, Result.FAILED, id="refused"),
        pytest.param(answered("ThrottlingException", 400), Condition.RETRYING, Result.FAILED, id="throttled"),
        pytest.param(answered("ServerException", 500), Condition.RETRYING, Result.UNKNOWN, id="an error of AWS"),
        pytest.param(ReadTimeoutError(endpoint_url="aws"), Condition.RETRYING, Result.UNKNOWN, id="no answer"),
        pytest.param(Absent("it has gone"), Condition.RETRYING, Result.FAILED, id="absent"),
        pytest.param(KeyError("deployments"), Condition.RETRYING, Result.FAILED, id="a mistake of ours"),
    ],
)
def test_a_write_that_fails_ends_the_pass(error: Exception, condition: Condition, result: Result) -> None:
    house = House(changes=(TIDY_UP, PAINT, Paint()), fails={PAINT: error})
    outcome = reconcile(house, "green", allow)
    assert (outcome.condition, outcome.error) == (condition, error)
    assert outcome.attempts == (Attempt(TIDY_UP, Result.OK), Attempt(PAINT, result))
    assert (outcome.changes, outcome.live) == (house.changes, house.live)
    assert house.applied == [TIDY_UP]
    assert outcome.reason


def test_a_newer_commit_stops_the_pass_before_its_next_write() -> None:
    house = House(changes=(TIDY_UP, PAINT), fails={PAINT: Superseded("commit abc has arrived")})
    outcome = reconcile(house, "green", allow)
    assert (outcome.condition, outcome.reason) == (Condition.PROGRESSING, "commit abc has arrived")
    assert outcome.attempts == (Attempt(TIDY_UP, Result.OK),)
    assert outcome.error is None


@pytest.mark.parametrize(
    ("error", "condition", "reason"),
    [
        pytest.param(Stalled("a person must help"), Condition.STALLED, "a person must help", id="stalled"),
        pytest.param(
            answered("AccessDenied", 403),
            Condition.STALLED,
            "not allowed to call UpdateService: no; grant it to the role that trueup runs as",
            id="denied",
        ),
        pytest.param(
            answered("ServerException", 500),
            Condition.RETRYING,
            "UpdateService failed (ServerException): no",
            id="an error of AWS",
        ),
        pytest.param(Absent("there is no secret"), Condition.RETRYING, "there is no secret", id="absent"),
        pytest.param(ValueError("line one\n  line two"), Condition.RETRYING, "line one line two", id="several lines"),
        pytest.param(ValueError(), Condition.RETRYING, "ValueError", id="an error without words"),
    ],
)
def test_a_read_that_fails_is_no_drift(error: Exception, condition: Condition, reason: str) -> None:
    outcome = reconcile(House(error, (PAINT,)), "green", allow)
    assert (outcome.condition, outcome.reason, outcome.error) == (condition, reason, error)
    assert (outcome.changes, outcome.attempts, outcome.live) == ((), (), None)


def broken_diff(house: House) -> Callable[..., None]:
    def changes() -> Iterable[Change]:
        yield PAINT
        raise ValueError("half a diff")

    house.changes = changes()
    return allow


def broken_gate(house: House) -> Callable[..., None]:
    def gate(_: tuple[Change, ...]) -> None:
        raise ValueError("half a gate")

    return gate


@pytest.mark.parametrize("broken", [broken_diff, broken_gate])
def test_a_mistake_of_ours_is_one_resources_own(broken: Callable[[House], Callable[..., None]]) -> None:
    house = House(changes=(PAINT,))
    outcome = reconcile(house, "green", broken(house))
    assert (outcome.condition, type(outcome.error)) == (Condition.RETRYING, ValueError)
    assert house.applied == []


def test_the_end_of_the_process_is_not_held_up() -> None:
    with pytest.raises(KeyboardInterrupt):
        reconcile(House(KeyboardInterrupt()), "green", allow)


def test_a_verb_is_named_as_people_spell_it() -> None:
    assert [change.verb for change in (PAINT, TIDY_UP)] == ["paint", "tidy_up"]
    assert PAINT.asks == ("paint", "colour=green")
    assert Paint(drifts=(Drift("colour", "blue", "green"),)).asks == PAINT.asks
