"""A service that stands still while the secret of its database is moved: down, and back up with one call."""

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from reconcilers.contract import Condition, Outcome, Result
from reconcilers.ecs_service import ServicePin
from reconcilers.reconcile import reconcile
from tests.reconcilers.ecs_world import CLUSTER, NAME, SECRET, Process, World, pinned
from tests.reconcilers.test_contract import Died, allow, crashes

REMEMBERED = {"trueup:count-before-shutdown": "2"}
DOWN = ["TagResource", "UpdateService"]
STILL = "runs no task until database postgres has been moved"
UNSURE = "whether database postgres is being moved cannot be told now"


def holding(host: str, port: int = 5432) -> str:
    return json.dumps({"username": "app", "password": "hunter2", "host": host, "port": port})


def quiesced(**more: Any) -> ServicePin:
    """While its database is being moved."""
    return replace(pinned(secrets=(SECRET,), **more), still_for="postgres")


def moved(**more: Any) -> ServicePin:
    """Once that is done; and before it."""
    return replace(quiesced(**more), still_for="")


def unsure(**more: Any) -> ServicePin:
    """While nobody knows."""
    return replace(moved(**more), unsure=UNSURE)


@pytest.fixture
def moving(world: World) -> World:
    """A world whose secret points at the old database, since long ago."""
    world.secret(holding("old.example"))
    world.settle()
    world.ecs.update_service(cluster=CLUSTER, service=NAME, forceNewDeployment=True)
    world.settle()
    world.forget()
    return world


def publish(world: World, host: str = "new.example") -> None:
    """What the reconciler of the database does once nothing runs any more."""
    world.secret(holding(host))


def down(world: World, process: Process, pin: ServicePin) -> None:
    """The service stands still."""
    assert process.pass_over(pin).condition is Condition.PROGRESSING
    world.settle()
    assert process.pass_over(pin).reason == STILL
    world.forget()


# --- the way down


def test_it_goes_down_like_a_shutdown_and_then_waits(moving: World, process: Process) -> None:
    pin = quiesced()
    outcome = process.pass_over(pin)
    assert [(d.field, d.live, d.desired) for d in outcome.drifts] == [("desired_count", "2", "0")]
    assert moving.updates() == [{"desiredCount": 0}]
    assert all(change.at_once for change in outcome.changes)  # the database waits for it, and it for nothing
    moving.settle()
    moving.forget()
    outcome = process.pass_over(pin)
    assert (outcome.condition, outcome.reason, outcome.changes) == (Condition.PROGRESSING, STILL, ())
    assert (moving.writes(), moving.tags(), moving.service()["runningCount"]) == ([], REMEMBERED, 0)


def test_autoscaling_is_suspended_meanwhile_and_resumed_as_far_as_it_was_active(
    moving: World, process: Process
) -> None:
    moving.autoscale(1, 10, ScheduledScalingSuspended=True)
    pin = quiesced()
    moving.forget()
    down(moving, process, pin)
    assert moving.tags() == {"trueup:count-before-shutdown": "2 resume:in+out"}
    assert len(moving.suspended()) == 3
    publish(moving)
    moving.settle()
    moving.forget()
    assert process.pass_over(moved()).condition is Condition.PROGRESSING
    assert moving.writes() == ["UpdateService", "RegisterScalableTarget", "UntagResource"]
    assert moving.suspended() == {"ScheduledScalingSuspended"}


def test_tasks_that_somebody_starts_meanwhile_are_stopped_again(moving: World, process: Process) -> None:
    pin = quiesced()
    down(moving, process, pin)
    moving.ecs.update_service(cluster=CLUSTER, service=NAME, desiredCount=5)
    moving.forget()
    process.pass_over(pin)
    assert (moving.updates(), moving.tags()) == ([{"desiredCount": 0}], REMEMBERED)


def test_while_its_tasks_end_that_is_what_it_waits_for(moving: World, process: Process) -> None:
    process.pass_over(quiesced())
    outcome = process.pass_over(quiesced())
    assert outcome.condition is Condition.PROGRESSING
    assert moving.updates() == [{"desiredCount": 0}]


def test_a_daemon_service_has_no_count_to_take_away(moving: World, process: Process) -> None:
    moving.create("every", schedulingStrategy="DAEMON", desiredCount=1)
    moving.forget()
    outcome = process.pass_over(quiesced(name="every"))
    assert (outcome.condition, outcome.reason, moving.writes()) == (Condition.PROGRESSING, STILL, [])


def test_what_it_remembers_for_another_family_waits_as_well(moving: World, process: Process) -> None:
    arn = moving.service()["serviceArn"]
    moving.ecs.tag_resource(resourceArn=arn, tags=[{"key": "trueup:family", "value": "api"}])
    outcome = process.pass_over(quiesced())
    assert all(change.at_once for change in outcome.changes)  # it would wait for the database, and that for it
    assert (moving.updates(), moving.tags()["trueup:family"]) == ([{"desiredCount": 0}], "api")


def test_a_hold_of_a_person_holds_it(moving: World, process: Process) -> None:
    until = moving.instant(600).isoformat()
    moving.ecs.tag_resource(resourceArn=moving.service()["serviceArn"], tags=[{"key": "trueup:hold", "value": until}])
    moving.forget()
    outcome = process.pass_over(quiesced())
    assert (outcome.condition, moving.writes()) == (Condition.DRIFTED, [])
    assert outcome.reason == f"held by the tag trueup:hold until {until}"


# --- the way back


def test_it_comes_back_with_new_tasks_by_one_call(moving: World, process: Process) -> None:
    pin = quiesced()
    down(moving, process, pin)
    publish(moving)
    moving.settle()
    moving.forget()
    outcome = process.pass_over(moved())
    assert [(d.field, d.desired) for d in outcome.drifts][1:] == [("desired_count", "2")]
    assert moving.updates() == [{"forceNewDeployment": True, "desiredCount": 2}]
    assert moving.writes() == ["UpdateService", "UntagResource"]
    moving.settle()
    moving.forget()
    assert process.pass_over(moved()).condition is Condition.IN_SYNC
    assert (moving.writes(), moving.tags(), moving.service()["runningCount"]) == ([], {}, 2)


def test_in_the_moment_after_the_move_it_waits_and_forgets_nothing(moving: World, process: Process) -> None:
    pin = quiesced()
    down(moving, process, pin)
    publish(moving)
    for _ in range(2):
        outcome = process.pass_over(moved())
        assert (outcome.condition, outcome.changes) == (Condition.PROGRESSING, ())
        assert outcome.reason.startswith("restart due in a moment")
    assert (moving.writes()[1:], moving.tags()) == ([], REMEMBERED)


def test_with_a_pinned_count_it_comes_back_to_that(moving: World, process: Process) -> None:
    moving.ecs.update_service(cluster=CLUSTER, service=NAME, desiredCount=3)
    moving.settle()
    moving.forget()
    down(moving, process, quiesced(desired_count=3))
    publish(moving)
    moving.settle()
    moving.forget()
    process.pass_over(moved(desired_count=4))
    assert moving.updates() == [{"forceNewDeployment": True, "desiredCount": 4}]
    assert moving.tags() == {}


def test_a_service_that_is_pinned_to_0_stays_there(moving: World, process: Process) -> None:
    pin = quiesced(desired_count=0)
    down(moving, process, pin)
    publish(moving)
    moving.settle()
    moving.forget()
    assert process.pass_over(moved(desired_count=0)).condition is Condition.IN_SYNC
    assert (moving.writes(), moving.tags()) == ([], REMEMBERED)
    assert process.pass_over(moved()).drifts[1].desired == "2"


def test_a_service_that_had_no_tasks_gets_none(moving: World, process: Process) -> None:
    moving.ecs.update_service(cluster=CLUSTER, service=NAME, desiredCount=0)
    moving.settle()
    moving.forget()
    pin = quiesced()
    assert process.pass_over(pin).reason == STILL
    publish(moving)
    moving.settle()
    assert process.pass_over(moved()).condition is Condition.IN_SYNC
    assert moving.updates() == []


def test_another_revision_waits_for_the_move_and_brings_the_tasks_back_with_it(moving: World, process: Process) -> None:
    pin = quiesced(task_revision=2)
    down(moving, process, pin)
    assert moving.runs() == "api:1"
    publish(moving)
    moving.settle()
    moving.forget()
    process.pass_over(moved(task_revision=2))
    (update,) = moving.updates()
    assert (World.short(update["taskDefinition"]), update["desiredCount"]) == ("api:2", 2)
    assert moving.writes() == ["UpdateService", "UntagResource"]


def test_a_revision_that_ecs_gave_up_keeps_nobody_down(moving: World, process: Process) -> None:
    moving.rehearsal.mark_bad("registry.example/api:v2")
    moving.ecs.update_service(cluster=CLUSTER, service=NAME, taskDefinition="api:2")
    for _ in range(5):
        moving.settle()
    moving.forget()
    pin = quiesced(task_revision=2)
    down(moving, process, pin)
    publish(moving)
    moving.settle()
    moving.forget()
    outcome = process.pass_over(moved(task_revision=2))
    assert outcome.live is not None
    assert [each.type for each in outcome.live.advice] == ["revision_blocked"]
    assert (moving.updates(), moving.runs()) == ([{"desiredCount": 2}], "api:1")


def test_taking_it_out_of_the_file_brings_it_back(moving: World, process: Process) -> None:
    down(moving, process, quiesced())
    assert process.pass_over(moved()).condition is Condition.PROGRESSING
    moving.settle()
    assert (moving.tags(), moving.service()["runningCount"]) == ({}, 2)


def test_a_revision_that_is_not_there_keeps_nobody_down(moving: World, process: Process) -> None:
    down(moving, process, quiesced(task_revision=9))
    publish(moving)
    moving.settle()
    moving.forget()
    for _ in range(3):
        outcome = process.pass_over(moved(task_revision=9))
        moving.settle()
    assert (moving.updates(), moving.service()["runningCount"]) == ([{"desiredCount": 2}], 2)
    assert "api:9" in outcome.reason  # and that is still said


# --- while it cannot be told whether the database is being moved


def test_what_runs_goes_on_while_nobody_knows(moving: World, process: Process) -> None:
    outcome = process.pass_over(unsure(desired_count=3))
    assert outcome.error is None
    assert moving.updates() == [{"desiredCount": 3}]


def test_what_stands_still_does_not_come_back_by_mistake(moving: World, process: Process) -> None:
    down(moving, process, quiesced())
    for _ in range(2):
        outcome = process.pass_over(unsure())
        assert (outcome.condition, outcome.reason) == (Condition.RETRYING, UNSURE)
    assert (moving.writes(), moving.tags()) == ([], REMEMBERED)
    assert process.pass_over(quiesced()).reason == STILL


def test_what_is_on_its_way_down_goes_on_its_way(moving: World, process: Process) -> None:
    process.pass_over(quiesced())
    moving.forget()
    assert process.pass_over(unsure()).condition is Condition.RETRYING
    assert (moving.writes(), moving.tags()) == ([], REMEMBERED)


def test_what_was_shut_down_by_hand_is_no_business_of_its_database(moving: World, process: Process) -> None:
    moving.ecs.update_service(cluster=CLUSTER, service=NAME, desiredCount=0)
    moving.settle()
    moving.forget()
    assert process.pass_over(unsure()).error is None
    assert moving.writes() == []


# --- a process that dies


def run(world: World, pin: ServicePin, count: int = 4) -> Outcome:
    """Passes of a new process, with time for AWS to settle after each."""
    process = Process()
    for _ in range(count):
        outcome = process.pass_over(pin)
        world.settle()
    return outcome


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(3), ids=["TagResource", "RegisterScalableTarget", "UpdateService"])
@pytest.mark.parametrize("error", [Died, lambda: ReadTimeoutError(endpoint_url="aws")], ids=["killed", "no answer"])
def test_the_way_down_survives_a_crash_at_every_write(
    moving: World, monkeypatch: pytest.MonkeyPatch, nth: int, when: str, error: Any
) -> None:
    moving.autoscale(1, 10)
    moving.forget()
    with monkeypatch.context() as patch:
        crashes(patch, nth, when, error)
        _one_pass(Process(), quiesced())
    assert run(moving, quiesced()).reason == STILL
    assert moving.tags() == {"trueup:count-before-shutdown": "2 resume:in+out+scheduled"}
    assert (len(moving.suspended()), moving.service()["runningCount"]) == (3, 0)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(3), ids=["UpdateService", "RegisterScalableTarget", "UntagResource"])
@pytest.mark.parametrize("error", [Died, lambda: ReadTimeoutError(endpoint_url="aws")], ids=["killed", "no answer"])
def test_the_way_back_survives_a_crash_at_every_write_and_restarts_once(
    moving: World, monkeypatch: pytest.MonkeyPatch, nth: int, when: str, error: Any
) -> None:
    moving.autoscale(1, 10)
    run(moving, quiesced())
    publish(moving)
    moving.settle()
    moving.forget()
    with monkeypatch.context() as patch:
        crashes(patch, nth, when, error)
        _one_pass(Process(), moved())
    assert run(moving, moved()).condition is Condition.IN_SYNC
    forced = [each for each in moving.updates() if each.get("forceNewDeployment")]
    assert forced == [{"forceNewDeployment": True, "desiredCount": 2}]
    assert len(moving.updates()) == 1
    assert (moving.tags(), moving.suspended(), moving.service()["runningCount"]) == ({}, set(), 2)


def _one_pass(process: Process, pin: ServicePin) -> None:
    process.new_pass(pin)
    try:
        outcome = reconcile(process.reconciler, pin, allow)
    except Died:
        return
    assert outcome.attempts[-1].result is Result.UNKNOWN
