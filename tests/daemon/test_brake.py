"""What may hold a write back: an owner who fights, an effect that has yet to show, an answer that came only once."""

from dataclasses import dataclass, field

import pytest

from daemon.brake import EFFECT, HOUR, LONGEST_BACKOFF, LOOK_AGAIN, Brake
from reconcilers.contract import (
    Absent,
    Attempt,
    Change,
    Condition,
    Drift,
    Observation,
    Outcome,
    Result,
)


@dataclass(frozen=True, kw_only=True)
class Set(Change):
    """A value."""


@dataclass(frozen=True, kw_only=True)
class Restart(Change):
    """Every task anew: nobody can take that back."""

    once = True


def change(desired: str = "4", live: str = "1", field: str = "count") -> Set:
    return Set(drifts=(Drift(field, live, desired),))


RESTART = Restart(drifts=(Drift("tasks_started", "earlier", "after noon"),))


@dataclass
class Resource:
    """A resource with its brake, asked and looked at by hand."""

    now: float = 1000.0
    brake: Brake = field(init=False)

    def __post_init__(self) -> None:
        self.brake = Brake(lambda: self.now)

    def look(self, *changes: Change, result: Result = Result.OK) -> str:
        """A pass: what differs is made unless the brake refuses. Returns "asked", or the refusal's condition."""
        if not changes:
            self.brake.learn(Outcome(Condition.IN_SYNC, live=Observation()))
            return "in_sync"
        if refusal := self.brake.refusal(changes):
            self.brake.learn(Outcome(refusal.condition, refusal.reason, changes, live=Observation()))
            return refusal.condition.value
        self.ask(*changes, result=result)
        return "asked"

    def ask(self, *changes: Change, result: Result, condition: Condition = Condition.PROGRESSING) -> Outcome:
        condition = Condition.RETRYING if result is not Result.OK else condition
        attempts = tuple(Attempt(each, result) for each in changes)
        return self.brake.learn(Outcome(condition, "said no", changes, attempts, Observation()))

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def resource() -> Resource:
    return Resource()


# --- an effect that has yet to show


def test_what_aws_took_is_not_asked_again_until_it_shows(resource: Resource) -> None:
    assert resource.look(change()) == "asked"
    resource.wait(1)
    assert resource.look(change()) == "progressing"
    resource.wait(EFFECT - 2)
    assert resource.look(change()) == "progressing"

    resource.wait(2)
    assert resource.look(change()) == "asked"


def test_once_an_effect_has_shown_a_new_drift_is_repaired_at_once(resource: Resource) -> None:
    resource.look(change())
    resource.wait(1)
    assert resource.look() == "in_sync"

    resource.wait(1)
    assert resource.look(change()) == "asked"


def test_another_request_does_not_wait_for_the_first_one(resource: Resource) -> None:
    resource.look(change("4"))
    resource.wait(1)

    assert resource.look(change("9")) == "asked"


def test_a_new_commit_does_not_make_a_request_be_sent_twice(resource: Resource) -> None:
    resource.look(change())
    resource.brake.release()
    resource.wait(1)

    assert resource.look(change()) == "progressing"


def test_a_write_without_an_answer_is_repeated_after_two_looks_that_do_not_show_it(resource: Resource) -> None:
    resource.look(change(), result=Result.UNKNOWN)
    resource.wait(1)
    assert resource.look(change()) == "progressing"
    resource.wait(LOOK_AGAIN - 1)
    assert resource.look(change()) == "progressing"

    resource.wait(1.1)
    assert resource.look(change()) == "asked"


def test_a_write_that_aws_refused_for_now_may_be_repeated_at_the_next_look(resource: Resource) -> None:
    resource.look(change(), result=Result.FAILED)
    resource.wait(1)

    assert resource.look(change()) == "asked"


def test_a_write_that_aws_refused_for_good_is_repeated_only_once_somebody_says_so(resource: Resource) -> None:
    attempt = Attempt(change(), Result.FAILED)
    resource.brake.learn(Outcome(Condition.STALLED, "not allowed", (change(),), (attempt,), Observation()))
    resource.wait(HOUR)

    assert resource.look(change()) == "stalled"
    resource.brake.release()
    assert resource.look(change()) == "asked"


def test_another_write_than_the_one_that_aws_refused_for_good_goes_on(resource: Resource) -> None:
    attempt = Attempt(change("4"), Result.FAILED)
    resource.brake.learn(Outcome(Condition.STALLED, "not allowed", (change("4"),), (attempt,), Observation()))

    assert resource.look(change("9")) == "asked"
    resource.wait(EFFECT + 1)
    assert resource.look(change("4")) == "stalled"
    assert resource.look(change("9"), change("4")) == "stalled"


# --- what nobody can take back


@pytest.mark.parametrize("result", [Result.OK, Result.UNKNOWN])
def test_a_restart_is_not_made_twice_by_a_stale_read_after_its_effect_was_seen(
    resource: Resource, result: Result
) -> None:
    resource.look(RESTART, result=result)
    resource.wait(1)
    assert resource.look() == "in_sync"

    resource.wait(1)
    assert resource.look(RESTART) == "progressing"
    resource.wait(LOOK_AGAIN + 1)
    assert resource.look(RESTART) == "progressing"


def test_a_restart_that_was_seen_is_forgotten_in_time_so_that_it_can_be_due_again(resource: Resource) -> None:
    resource.look(RESTART)
    resource.look()
    resource.wait(EFFECT + 1)

    assert resource.look(RESTART) == "asked"


def test_another_instant_is_another_restart(resource: Resource) -> None:
    resource.look(RESTART)
    resource.look()

    assert resource.look(Restart(drifts=(Drift("tasks_started", "noon", "after one"),))) == "asked"


# --- R11: an owner who fights


def test_a_field_that_was_repaired_three_times_in_an_hour_is_contended(resource: Resource) -> None:
    for _ in range(3):
        resource.look()
        resource.wait(60)
        assert resource.look(change()) == "asked"
        resource.wait(1)
    resource.look()
    resource.wait(60)

    assert resource.look(change()) == "stalled"
    refusal = resource.brake.refusal((change(),))
    assert refusal is not None
    assert refusal.reason.startswith("contended: count was repaired 3 times within an hour")


@pytest.mark.parametrize("mend", ["a new commit", "an hour"])
def test_contention_ends_with(resource: Resource, mend: str) -> None:
    _fight(resource)
    assert resource.look(change()) == "stalled"

    if mend == "a new commit":
        resource.brake.release()
    else:
        resource.wait(HOUR)

    assert resource.look(change()) == "asked"


def test_what_a_commit_asks_for_is_no_repair(resource: Resource) -> None:
    for count in range(9):
        resource.brake.release()
        assert resource.look(change(f"{count}")) == "asked"
        resource.wait(1)
        resource.look()

    assert resource.look(change("8")) == "asked"


def test_a_field_that_is_never_once_seen_in_sync_is_contended_too(resource: Resource) -> None:
    """The other owner is quicker than our next look, or ECS rolls back where nobody can ask why."""
    passes = []
    for _ in range(6):
        passes.append(resource.look(change()))
        resource.wait(EFFECT + 1)

    assert passes == ["asked"] * (1 + 3) + ["stalled"] * 2


def test_a_write_that_is_lost_again_and_again_is_nobody_else_s_doing(resource: Resource) -> None:
    for _ in range(9):
        assert resource.look(change(), result=Result.UNKNOWN) == "asked"
        resource.look(change())
        resource.wait(LOOK_AGAIN + 1)


def test_every_rotation_of_a_secret_is_a_restart_of_its_own(resource: Resource) -> None:
    resource.look()
    for hour in range(9):
        again = Restart(drifts=(Drift("tasks_started", "earlier", f"after {hour} (secret s changed)"),))
        assert resource.look(again) == "asked"
        resource.look()


def test_another_field_is_not_contended(resource: Resource) -> None:
    _fight(resource)

    assert resource.look(change(field="image")) == "asked"


def test_refused_writes_are_no_repairs(resource: Resource) -> None:
    resource.look()
    for _ in range(9):
        resource.look(change(), result=Result.FAILED)
        resource.wait(60)

    assert resource.look(change()) == "asked"


# --- an answer that came only once


def test_a_missing_resource_counts_as_missing_at_the_second_look(resource: Resource) -> None:
    absent = Outcome(Condition.RETRYING, "no such service", error=Absent("no such service"))

    first = resource.brake.learn(absent)
    assert (first.condition, first.reason) == ("retrying", "no such service; looking again before this counts")
    assert resource.brake.resting_until == resource.now + LOOK_AGAIN
    resource.wait(LOOK_AGAIN)
    assert resource.brake.learn(absent).condition == "stalled"
    resource.wait(30)
    assert resource.brake.learn(absent).condition == "stalled"


def test_a_resource_that_was_there_in_between_has_to_be_missing_twice_again(resource: Resource) -> None:
    absent = Outcome(Condition.RETRYING, "no such service", error=Absent("no such service"))
    resource.brake.learn(absent)
    resource.wait(LOOK_AGAIN)
    resource.look()

    assert resource.brake.learn(absent).condition == "retrying"


# --- backing off


def test_failures_in_a_row_rest_twice_as_long_each_time_up_to_a_minute_and_never_all_at_once(
    resource: Resource,
) -> None:
    failed = Outcome(Condition.RETRYING, "no answer", error=OSError("no answer"))
    for expected in (1, 2, 4, 8, 16, 32, *[LONGEST_BACKOFF] * 2000):
        resource.brake.learn(failed)
        assert expected / 2 <= resource.brake.resting_until - resource.now <= expected


def test_two_resources_that_fail_together_do_not_come_back_together() -> None:
    rests = set()
    for _ in range(9):
        resource = Resource()
        resource.brake.learn(Outcome(Condition.RETRYING, "no answer", error=OSError("no answer")))
        rests.add(resource.brake.resting_until)

    assert len(rests) > 5


def test_a_success_ends_the_rest(resource: Resource) -> None:
    resource.brake.learn(Outcome(Condition.RETRYING, "no answer", error=OSError("no answer")))
    resource.look()

    assert (resource.brake.resting_until, resource.brake.failures) == (0.0, 0)


def _fight(resource: Resource) -> None:
    for _ in range(3):
        resource.look()
        resource.look(change())
        resource.wait(1)
    resource.look()
