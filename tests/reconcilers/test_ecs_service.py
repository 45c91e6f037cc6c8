"""An ECS service: what is asked of ECS for what differs, and what is understood of its answers."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT_ID
from moto.ecs.models import ecs_backends
from moto.server import ThreadedMotoServer

import reconcilers
from reconcilers.contract import Absent, Advice, Change, Condition, Drift, Outcome, Refusal, Result
from reconcilers.ecs_count import Count, ForgetTag, RememberTag, ResumeScaling, Shutdown, SuspendScaling
from reconcilers.ecs_records import Band, Incomplete
from reconcilers.ecs_service import Deploy, EcsServiceReconciler, LiveService, Restart, Scale
from reconcilers.ecs_target import Target
from rehearsal.wire import Unsupported
from tests.reconcilers.ecs_world import CLUSTER, NAME, PREFIX, SECRET, Process, World, arn, pinned, record

# Pure decisions

MOVED = (Drift("task_revision", "api:1", "api:2"),)
TWO = Target(arn("api:2"), MOVED)
WEB = Target(arn("web:3"), (Drift("task_revision", "api:1", "web:3"),))
SAME = Target(arn("api:1"))
LATER = "after 2024-02-24T13:00:00Z (restarted_at)"
COUNTED = (Drift("desired_count", "2", "4"),)
STARTED = Drift("tasks_started", "2024-02-24T12:00:00Z", LATER)
SCALED_TO_0 = (Drift("desired_count", "2", "0"),)
OWN_FAMILY = RememberTag(key="trueup:family", value="api")
BAND = Band(1, 10, frozenset({"in", "out"}))
REMEMBERED = Shutdown(4, frozenset({"in", "out"}))


def live(
    target: Target | None = None, pin: int | None = None, restart: str = "", count: Count | None = None, **more: Any
) -> LiveService:
    seen = record(**more)
    return LiveService(record=seen, target=target, count=count or Count(seen.desired, pin), restart=restart)


@pytest.mark.parametrize(
    ("seen", "changes"),
    [
        pytest.param(live(), [], id="nothing pinned"),
        pytest.param(live(SAME, pin=2), [], id="in sync"),
        pytest.param(live(TWO), [Deploy(target=TWO, drifts=MOVED)], id="another revision"),
        pytest.param(
            live(TWO, pin=4),
            [Deploy(target=TWO, count=4, drifts=MOVED + COUNTED)],
            id="another revision and count are one call",
        ),
        pytest.param(
            live(TWO, pin=4, restart=LATER),
            [Deploy(target=TWO, count=4, drifts=MOVED + COUNTED)],
            id="a deployment restarts anyway",
        ),
        pytest.param(live(SAME, restart=LATER), [Restart(drifts=(STARTED,))], id="restart"),
        pytest.param(
            live(SAME, pin=4, restart=LATER),
            [Restart(count=4, drifts=(STARTED, *COUNTED))],
            id="restart and count are one call",
        ),
        pytest.param(live(SAME, pin=4), [Scale(count=4, drifts=COUNTED)], id="scaled by hand"),
        pytest.param(live(WEB), [OWN_FAMILY, Deploy(target=WEB, drifts=WEB.drifts)], id="another family"),
        pytest.param(
            live(WEB, tags={"family": "api"}),
            [Deploy(target=WEB, drifts=WEB.drifts)],
            id="another family, whose own is remembered",
        ),
        pytest.param(live(Target(arn("web:3")), running="web:3", tags={"family": "api"}), [], id="runs another family"),
        pytest.param(live(SAME, tags={"family": "api"}), [ForgetTag(key="trueup:family")], id="back in its own family"),
        pytest.param(
            live(count=Count(2, 0, BAND)),
            [
                RememberTag(key="trueup:count-before-shutdown", value="2 resume:in+out"),
                SuspendScaling(drifts=(Drift("autoscaling", "active", "suspended"),)),
                Scale(count=0, drifts=SCALED_TO_0),
            ],
            id="a shutdown is remembered before it is made",
        ),
        pytest.param(
            live(desired=0, count=Count(0, None, Band(1, 10, frozenset()), REMEMBERED)),
            [
                Scale(count=4, returns=True, drifts=(Drift("desired_count", "0", "4"),)),
                ResumeScaling(kinds=frozenset({"in", "out"}), drifts=(Drift("autoscaling", "suspended", "active"),)),
                ForgetTag(key="trueup:count-before-shutdown"),
            ],
            id="the way back is forgotten once it has been gone",
        ),
    ],
)
def test_what_differs_is_at_most_one_update_and_in_this_order(seen: LiveService, changes: list[Change]) -> None:
    assert list(EcsServiceReconciler.diff(pinned(), seen)) == changes


def test_two_tags_are_two_requests() -> None:
    assert OWN_FAMILY.asks != RememberTag(key="trueup:count-before-shutdown", value="2").asks
    assert ForgetTag(key="a").asks != ForgetTag(key="b").asks


def test_a_restart_is_the_same_request_whatever_count_it_carries() -> None:
    assert Restart(count=4, drifts=(STARTED, *COUNTED)).asks == Restart(drifts=(STARTED,)).asks
    assert Restart.once


def test_deployments_of_different_content_are_different_requests() -> None:
    ask = {Deploy(target=Target("", MOVED, arn("api:1"), text), drifts=MOVED).asks for text in ("{}", '{"a": 1}')}
    assert len(ask) == 2


# On an ECS that answers


def deploys(world: World, process: Process, revision: int) -> None:
    """The process deploys a revision, and ECS rolls it out as far as it can."""
    process.pass_over(pinned(task_revision=revision))
    world.settle()
    world.forget()


def test_a_pinned_revision_is_deployed_and_then_left_alone(world: World, process: Process) -> None:
    pin = pinned(task_revision=2)
    outcome = process.pass_over(pin)
    assert (outcome.condition, outcome.reason) == (Condition.PROGRESSING, "asked AWS to deploy")
    assert world.updates() == [{"taskDefinition": arn("api:2")}]
    assert "rolling out api:2: 0 of 2 tasks running" in process.pass_over(pin).reason
    world.settle()
    assert process.pass_over(pin).condition is Condition.IN_SYNC
    assert world.writes() == ["UpdateService"]
    assert (world.runs(), world.primary()["rolloutState"]) == ("api:2", "COMPLETED")


def test_a_steady_pass_is_one_call(world: World, process: Process) -> None:
    for pin in (pinned(), pinned(task_revision=1)):
        process.pass_over(pin)
        assert process.pass_over(pin).condition is Condition.IN_SYNC
        assert process.calls == {"DescribeServices": 1}


def test_r5_a_count_that_is_not_pinned_is_never_sent(world: World, process: Process) -> None:
    world.ecs.update_service(cluster=CLUSTER, service=NAME, desiredCount=7)
    world.settle()
    world.forget()
    process.pass_over(pinned(task_revision=2))
    assert world.updates() == [{"taskDefinition": arn("api:2")}]
    assert world.service()["desiredCount"] == 7


def test_t5_what_no_file_declares_is_never_drift(world: World, process: Process) -> None:
    world.ecs.update_service(
        cluster=CLUSTER,
        service=NAME,
        desiredCount=7,
        enableExecuteCommand=True,
        healthCheckGracePeriodSeconds=60,
        deploymentConfiguration={"maximumPercent": 150},
    )
    world.settle()
    process.tells("DescribeServices", lambda parsed: parsed["services"][0].update(newFeature={"mode": "on"}))
    assert process.pass_over(pinned(task_revision=1)).condition is Condition.IN_SYNC


def test_r12_a_count_alone_starts_no_deployment(world: World, process: Process) -> None:
    before = world.primary()["id"]
    pin = pinned(desired_count=4)
    assert process.pass_over(pin).reason == "asked AWS to scale"
    assert world.updates() == [{"desiredCount": 4}]
    assert process.pass_over(pin).reason == "2 of 4 tasks running"
    world.settle()
    assert process.pass_over(pin).condition is Condition.IN_SYNC
    assert world.primary()["id"] == before


def test_pin_scale_and_restart_in_one_commit_are_one_update_and_one_rollout(world: World, process: Process) -> None:
    pin = pinned(task_revision=2, desired_count=4, restarted_at=world.instant(-5))
    process.pass_over(pin)
    world.settle()
    assert process.pass_over(pin).condition is Condition.IN_SYNC
    assert world.updates() == [{"taskDefinition": arn("api:2"), "desiredCount": 4}]


def test_r6_a_restart_is_forced_once_and_a_steady_pass_forces_nothing(world: World, process: Process) -> None:
    before = world.primary()["id"]
    pin = pinned(restarted_at=world.instant(-5))
    assert process.pass_over(pin).reason == "asked AWS to restart"
    world.settle()
    for _ in range(3):
        assert process.pass_over(pin).condition is Condition.IN_SYNC
    assert world.updates() == [{"forceNewDeployment": True}]
    assert (world.primary()["id"] != before, world.runs()) == (True, "api:1")


@pytest.mark.parametrize(
    ("seconds", "condition", "reason"),
    [
        pytest.param(-3, Condition.PROGRESSING, "asked AWS to restart", id="past"),
        pytest.param(-1, Condition.PROGRESSING, "restart due in a moment: restarted_at", id="just now"),
        pytest.param(1, Condition.PROGRESSING, "restart due in a moment: restarted_at", id="in a second"),
        pytest.param(3600, Condition.IN_SYNC, "", id="in an hour"),
    ],
)
def test_a_restart_waits_for_its_instant_by_the_clock_of_aws(
    world: World, process: Process, seconds: float, condition: Condition, reason: str
) -> None:
    outcome = process.pass_over(pinned(restarted_at=world.instant(seconds)))
    assert (outcome.condition, outcome.reason) == (condition, reason)


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.5, 0.999])
def test_a_restart_at_a_fraction_of_a_second_is_one_restart(world: World, process: Process, fraction: float) -> None:
    pin = pinned(restarted_at=world.instant().replace(microsecond=0) + timedelta(seconds=fraction))
    for _ in range(12):
        process.pass_over(pin)
        world.rehearsal.advance(0.4)
    world.settle()
    assert process.pass_over(pin).condition is Condition.IN_SYNC
    assert world.updates() == [{"forceNewDeployment": True}]


def test_a_service_without_tasks_is_not_restarted_until_it_gets_some(world: World, process: Process) -> None:
    world.ecs.update_service(cluster=CLUSTER, service=NAME, desiredCount=0)
    world.settle()
    world.forget()
    at = world.instant(-5)
    assert process.pass_over(pinned(restarted_at=at)).condition is Condition.IN_SYNC
    process.pass_over(pinned(restarted_at=at, desired_count=2))
    assert world.updates() == [{"forceNewDeployment": True, "desiredCount": 2}]


def test_s5_a_secret_that_changed_restarts_the_service_once(world: World, process: Process) -> None:
    world.secret("one")
    world.settle()
    pin = pinned(secrets=(SECRET,))
    deploys(world, process, 2)
    assert process.pass_over(pin).condition is Condition.IN_SYNC
    world.secret("two")
    world.forget()
    assert process.pass_over(pin).reason == f"restart due in a moment: secret {SECRET} changed"
    world.rehearsal.advance(3)
    outcome = process.pass_over(pin)
    assert outcome.attempts[0].result is Result.OK
    assert f"(secret {SECRET} changed)" in outcome.drifts[0].desired
    world.settle()
    assert process.pass_over(pin).condition is Condition.IN_SYNC
    assert world.updates() == [{"forceNewDeployment": True}]


def test_a_secret_that_changed_within_the_second_of_the_answer_is_not_overlooked(
    world: World, process: Process
) -> None:
    world.secret("one")
    begin = world.instant()
    # The Date of an answer is cut off to whole seconds, so the secret may look as if it changes in the future.
    world.rehearsal.advance(0.95 - begin.microsecond / 1e6 if begin.microsecond < 900_000 else 1.0)
    world.secret("two")
    outcome = process.pass_over(pinned(secrets=(SECRET,)))
    assert outcome.reason == f"restart due in a moment: secret {SECRET} changed"


def test_a_secret_that_is_to_be_deleted_restarts_nothing(world: World, process: Process) -> None:
    world.secret("one")
    world.secret("two")
    world.rehearsal.advance(5)
    world.secrets.delete_secret(SecretId=SECRET)
    world.forget()
    assert process.pass_over(pinned(secrets=(SECRET,))).condition is Condition.IN_SYNC
    assert world.writes() == []


@pytest.mark.parametrize("trouble", ["denied", "missing", "nonsense"])
def test_a_secret_that_cannot_be_read_hides_no_pin_of_the_service(world: World, process: Process, trouble: str) -> None:
    if trouble != "missing":
        world.secret("one")
    if trouble == "denied":
        world.rehearsal.fault("secretsmanager", "DescribeSecret", "error", times=9)
    if trouble == "nonsense":
        process.tells("ListSecretVersionIds", dict.clear, "secretsmanager")
    world.forget()
    pin = pinned(secrets=(SECRET,), task_revision=2)
    assert process.pass_over(pin).reason == "asked AWS to deploy"
    world.settle()
    assert process.pass_over(pin).condition is Condition.IN_SYNC
    assert world.updates() == [{"taskDefinition": arn("api:2")}]


# Rollouts


def test_r1_a_rollout_that_ecs_rolled_back_is_written_once_and_stalls(world: World, process: Process) -> None:
    world.rehearsal.mark_bad("registry.example/api:v2")
    pin = pinned(task_revision=2)
    process.pass_over(pin)
    world.settle()
    world.settle()
    assert (world.runs(), world.primary()["rolloutState"]) == ("api:1", "COMPLETED")
    for each in (process, Process()):
        outcome = each.pass_over(pin)
        assert outcome.condition is Condition.STALLED
        assert "ECS gave up the rollout of api:2 started at" in outcome.reason
        assert "pin another revision, or set restarted_at to try again" in outcome.reason
        assert [drift.desired for drift in outcome.drifts] == ["api:2"]
    assert world.writes() == ["UpdateService"]


def test_r1_it_is_not_fought_while_ecs_is_still_rolling_back(world: World, process: Process) -> None:
    world.rehearsal.mark_bad("registry.example/api:v2")
    pin = pinned(task_revision=2)
    process.pass_over(pin)
    world.settle()
    assert world.primary()["rolloutState"] == "IN_PROGRESS"
    assert process.pass_over(pin).condition is Condition.STALLED
    assert world.writes() == ["UpdateService"]


def test_r1_another_pin_goes_on_and_another_commit_does_not(world: World, process: Process) -> None:
    world.register(image="registry.example/api:v3")
    world.rehearsal.mark_bad("registry.example/api:v2")
    deploys(world, process, 2)
    assert process.pass_over(pinned(task_revision=2, commit="c2")).condition is Condition.STALLED
    assert process.pass_over(pinned(task_revision=3)).reason == "asked AWS to deploy"


@pytest.mark.parametrize(
    ("seconds", "tries"),
    [
        pytest.param(-100_000, 0, id="older than the rollout that failed"),
        pytest.param(-3, 1, id="a person asks for another try"),
        pytest.param(3600, 0, id="an instant that has not come is no try yet"),
    ],
)
def test_r1_restarted_at_allows_one_more_try(world: World, process: Process, seconds: float, tries: int) -> None:
    world.rehearsal.mark_bad("registry.example/api:v2")
    deploys(world, process, 2)
    world.settle()
    pin = pinned(task_revision=2, restarted_at=world.instant(seconds))
    for _ in range(3):
        outcome = process.pass_over(pin)
        world.settle()
        world.settle()
    assert outcome.condition is Condition.STALLED
    assert len(world.updates()) == tries


def test_r13_a_rollout_that_failed_without_a_rollback_stalls(world: World, process: Process) -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    world.ecs.update_service(cluster=CLUSTER, service=NAME, deploymentConfiguration=breaker)
    world.rehearsal.mark_bad("registry.example/api:v2")
    deploys(world, process, 2)
    assert (world.runs(), world.primary()["rolloutState"]) == ("api:2", "FAILED")
    outcome = process.pass_over(pinned(task_revision=2))
    assert (outcome.condition, outcome.changes) == (Condition.STALLED, ())
    assert "ECS gave up the rollout of api:2" in outcome.reason


@pytest.mark.parametrize(
    ("told", "condition"),
    [
        pytest.param({}, Condition.IN_SYNC, id="completed on the pin"),
        pytest.param({"rollout": "IN_PROGRESS"}, Condition.PROGRESSING, id="on the pin, not completed"),
        pytest.param({"primary": "api:2"}, Condition.PROGRESSING, id="the rollout shown is of another revision"),
        pytest.param({"rollout": ""}, Condition.IN_SYNC, id="an endpoint without rollout states"),
        pytest.param({"deployments": ()}, Condition.PROGRESSING, id="no PRIMARY at all"),
    ],
)
def test_r2_success_is_the_primary_deployment_completed_on_the_pin(
    world: World, process: Process, told: dict[str, Any], condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.observe(pinned())  # so that AWS has told the time
    now = world.instant()
    monkeypatch.setattr(process.reads, "service", lambda key: record(**{"created": now, **told}))
    assert process.pass_over(pinned(task_revision=1)).condition is condition


def test_r3_a_rollout_of_the_pin_under_way_is_left_alone(world: World, process: Process) -> None:
    world.ecs.update_service(cluster=CLUSTER, service=NAME, taskDefinition="api:2")
    world.forget()
    outcome = process.pass_over(pinned(task_revision=2))
    assert (outcome.condition, outcome.changes) == (Condition.PROGRESSING, ())
    assert world.writes() == []


def test_r4_a_stale_read_asks_for_the_same_and_can_be_held_back_by_it(world: World, process: Process) -> None:
    pin = pinned(task_revision=2)
    first = process.pass_over(pin)
    world.rehearsal.advance(1)
    world.rehearsal.fault("ecs", "DescribeServices", "stale", seconds=30)
    refused = process.pass_over(pin, lambda changes: Refusal(Condition.PROGRESSING, changes[0].verb))
    assert [change.asks for change in refused.changes] == [change.asks for change in first.changes]
    assert world.writes() == ["UpdateService"]


def test_a_newer_pin_preempts_a_rollout_that_is_stuck(world: World, process: Process) -> None:
    world.ecs.update_service(cluster=CLUSTER, service=NAME, taskDefinition="api:2")
    world.forget()
    assert process.pass_over(pinned(task_revision=1)).reason == "asked AWS to deploy"
    world.settle()
    assert process.pass_over(pinned(task_revision=1)).condition is Condition.IN_SYNC


def test_a_rollout_older_than_its_deadline_stalls_until_it_does_finish(world: World, process: Process) -> None:
    without = {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}
    world.ecs.update_service(cluster=CLUSTER, service=NAME, deploymentConfiguration=without)
    world.rehearsal.mark_bad("registry.example/api:v2")
    pin = pinned(task_revision=2, progress_deadline=timedelta(minutes=5))
    process.pass_over(pin)
    world.rehearsal.advance(299)
    assert process.pass_over(pin).condition is Condition.PROGRESSING
    world.rehearsal.advance(3)
    outcome = process.pass_over(pin)
    assert outcome.condition is Condition.STALLED
    assert outcome.reason.startswith("rolling out api:2: 0 of 2 tasks running")
    assert "failed, for 5 minutes: longer than its progress_deadline; look at" in outcome.reason
    world.rehearsal.mark_bad("registry.example/api:v2", bad=False)
    world.settle()
    assert process.pass_over(pin).condition is Condition.IN_SYNC
    assert world.updates()[1:] == [{"taskDefinition": arn("api:2")}]


def lacks_a_task(parsed: Any) -> None:
    for service in parsed["services"]:
        service["runningCount"] = service["desiredCount"] - 1


def test_a_count_that_is_not_reached_within_its_deadline_stalls(world: World, process: Process) -> None:
    world.rehearsal.advance(86_400)
    process.tells("DescribeServices", lacks_a_task)
    pin = pinned(desired_count=4, progress_deadline=timedelta(minutes=5))
    assert process.pass_over(pin).reason == "asked AWS to scale"
    world.rehearsal.advance(290)
    assert process.pass_over(pin).condition is Condition.PROGRESSING
    world.rehearsal.advance(20)
    outcome = process.pass_over(pin)
    assert outcome.condition is Condition.STALLED
    assert "3 of 4 tasks running, for 5 minutes: longer than its progress_deadline" in outcome.reason
    assert world.updates() == [{"desiredCount": 4}]
    assert process.pass_over(pinned()).condition is Condition.IN_SYNC  # not pinned: not managed


def never_begins(parsed: Any) -> None:
    for service in parsed["services"]:
        service["taskDefinition"] = arn("api:2")


@pytest.mark.parametrize(
    "shows",
    [
        pytest.param(never_begins, id="the rollout of the revision that was asked for"),
        pytest.param(lambda parsed: parsed["services"][0].update(deployments=[]), id="a PRIMARY deployment"),
    ],
)
@pytest.mark.parametrize("history", [True, False])
def test_a_rollout_that_ecs_never_shows_stalls_where_its_history_says_since_when(
    world: World, process: Process, monkeypatch: pytest.MonkeyPatch, shows: Any, history: bool
) -> None:
    if not history:
        monkeypatch.setattr("rehearsal.ecs._OPERATIONS", _without("ListServiceDeployments"))
    deploys(world, process, 2)
    process.tells("DescribeServices", shows)
    assert process.pass_over(pinned(task_revision=2)).condition is (
        Condition.IN_SYNC if shows is never_begins else Condition.PROGRESSING
    )
    process.tells("DescribeServices", lambda parsed: as_before(parsed) if shows is never_begins else None)
    assert process.pass_over(pinned(task_revision=2)).condition is Condition.PROGRESSING
    world.rehearsal.advance(86_400)
    expected = Condition.STALLED if history else Condition.PROGRESSING
    assert process.pass_over(pinned(task_revision=2)).condition is expected


def as_before(parsed: Any) -> None:
    """The PRIMARY deployment of api:1, long after another revision was asked for."""
    for service in parsed["services"]:
        for deployment in service["deployments"]:
            deployment["taskDefinition"] = arn("api:1")


def gives_up(world: World, *, rollback: bool) -> None:
    """From now on no new task of api:1 can start, and ECS ends such a rollout."""
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": rollback}}
    world.ecs.update_service(cluster=CLUSTER, service=NAME, deploymentConfiguration=breaker)
    world.rehearsal.mark_bad("registry.example/api:v1")
    world.forget()


@pytest.mark.parametrize("more", [{}, {"desired_count": 2}, {"restarted_at": datetime(2020, 1, 1, tzinfo=UTC)}])
def test_a_rollout_that_failed_stalls_whatever_is_pinned(world: World, process: Process, more: dict[str, Any]) -> None:
    gives_up(world, rollback=False)
    world.ecs.update_service(cluster=CLUSTER, service=NAME, forceNewDeployment=True)
    world.settle()
    world.settle()
    world.forget()
    assert world.primary()["rolloutState"] == "FAILED"
    outcome = process.pass_over(pinned(**more))
    assert (outcome.condition, world.writes()) == (Condition.STALLED, [])
    assert "ECS gave up the rollout of api:1 started at" in outcome.reason
    assert process.pass_over(pinned(task_revision=2)).reason == "asked AWS to deploy"


def test_a_rollout_that_failed_stands_neither_against_a_count_nor_a_later_restart(
    world: World, process: Process
) -> None:
    gives_up(world, rollback=False)
    world.ecs.update_service(cluster=CLUSTER, service=NAME, forceNewDeployment=True)
    world.settle()
    world.settle()
    world.forget()
    for count in (0, 3):
        assert process.pass_over(pinned(desired_count=count)).reason == "asked AWS to scale"
        assert ("ECS gave up" in process.pass_over(pinned(desired_count=count)).reason) is (count > 0)
    assert process.pass_over(pinned(restarted_at=world.instant(-3))).reason == "asked AWS to restart"
    assert world.updates() == [{"desiredCount": 0}, {"desiredCount": 3}, {"forceNewDeployment": True}]


@pytest.mark.parametrize("rollback", [True, False])
def test_a_restart_that_ecs_gave_up_is_made_once_and_stalls(world: World, process: Process, rollback: bool) -> None:
    gives_up(world, rollback=rollback)
    pin = pinned(restarted_at=world.instant(-3))
    process.pass_over(pin)
    for _ in range(3):
        world.settle()
    for each in (process, process, Process()):
        outcome = each.pass_over(pin)
        assert outcome.condition is Condition.STALLED
        assert "set restarted_at to try again" in outcome.reason
    assert world.updates() == [{"forceNewDeployment": True}]
    world.rehearsal.mark_bad("registry.example/api:v1", bad=False)
    again = pinned(restarted_at=world.instant(-3))
    process.pass_over(again)
    world.settle()
    assert process.pass_over(again).condition is Condition.IN_SYNC


def test_a_restart_that_shows_nothing_of_its_failure_is_not_made_again(world: World, process: Process) -> None:
    """Where ECS rolls back to the deployment that there was, with the time of its creation."""
    gives_up(world, rollback=True)
    before = world.primary()["createdAt"]
    pin = pinned(restarted_at=world.instant(-3))
    process.pass_over(pin)
    for _ in range(3):
        world.settle()

    def restored(parsed: Any) -> None:
        for service in parsed["services"]:
            service["deployments"][0]["createdAt"] = before

    process.tells("DescribeServices", restored)
    outcome = process.pass_over(pin)
    assert (outcome.condition, outcome.changes) == (Condition.STALLED, ())
    assert "ECS gave up the rollout that was to replace all tasks (restarted_at)" in outcome.reason


def test_a_secret_that_changes_again_restarts_after_a_restart_that_ecs_gave_up(world: World, process: Process) -> None:
    world.secret("one")
    world.rehearsal.advance(3)
    gives_up(world, rollback=True)
    pin = pinned(secrets=(SECRET,))
    process.pass_over(pin)
    for _ in range(3):
        world.settle()
    assert process.pass_over(pin).condition is Condition.STALLED
    world.secret("two")
    world.rehearsal.advance(3)
    assert process.pass_over(pin).reason == "asked AWS to restart"


@pytest.mark.parametrize("history", [True, False])
def test_a_restart_is_not_made_twice_by_a_new_process_and_one_stale_answer(
    world: World, process: Process, monkeypatch: pytest.MonkeyPatch, history: bool
) -> None:
    if not history:
        monkeypatch.setattr("rehearsal.ecs._OPERATIONS", _without("ListServiceDeployments"))
    pin = pinned(restarted_at=world.instant(-10))
    process.pass_over(pin)
    world.rehearsal.advance(2)
    world.rehearsal.fault("ecs", "DescribeServices", "stale", seconds=30)
    outcome = Process().pass_over(pin)
    assert outcome.condition is Condition.PROGRESSING
    if history:
        assert outcome.reason == "waiting for ECS to show the restart that was asked of it (restarted_at)"
    assert len(world.updates()) == (1 if history else 2)  # an endpoint without a history counts as no record


def test_a_restart_that_has_succeeded_is_not_made_twice_for_a_stale_answer(world: World, process: Process) -> None:
    world.rehearsal.advance(300)
    pin = pinned(restarted_at=world.instant(-10))
    process.pass_over(pin)
    world.settle()
    world.rehearsal.fault("ecs", "DescribeServices", "stale", seconds=300)
    assert Process().pass_over(pin).condition is Condition.IN_SYNC
    assert len(world.updates()) == 1


def test_a_history_without_statuses_is_no_record_of_a_restart(world: World, process: Process) -> None:
    process.tells("ListServiceDeployments", lambda told: [each.pop("status") for each in told["serviceDeployments"]])
    pin = pinned(restarted_at=world.instant(-10))
    assert process.pass_over(pin).reason == "asked AWS to restart"
    world.settle()
    assert process.pass_over(pin).condition is Condition.IN_SYNC


def test_a_deployment_does_not_wait_for_what_became_of_a_restart(world: World, process: Process) -> None:
    world.rehearsal.advance(60)
    pin = pinned(restarted_at=world.instant(-10), task_revision=2)
    process.tells("ListServiceDeployments", lambda told: told["serviceDeployments"].clear())
    assert process.pass_over(pin).reason == "asked AWS to deploy"
    assert process.calls["ListServiceDeployments"] == 1


def test_the_history_of_a_restart_is_read_once_for_each_deployment(world: World, process: Process) -> None:
    pin = pinned(restarted_at=world.instant(-10))
    process.pass_over(pin)
    world.settle()
    process.pass_over(pin)
    assert process.calls["ListServiceDeployments"] == 1
    assert process.pass_over(pin).condition is Condition.IN_SYNC
    assert process.calls == {"DescribeServices": 1}


def test_the_history_is_not_read_for_a_reason_older_than_it(world: World, process: Process) -> None:
    assert process.pass_over(pinned(restarted_at=datetime(2020, 1, 1, tzinfo=UTC))).condition is Condition.IN_SYNC
    assert "ListServiceDeployments" not in process.calls


def test_a_count_does_not_wait_for_a_revision_that_cannot_run(world: World, process: Process) -> None:
    pin = pinned(desired_count=8, env={"A": "b"}, container="none")
    outcome = process.pass_over(pin)
    assert outcome.reason == "asked AWS to scale"
    assert outcome.live is not None
    assert [each.type for each in outcome.live.advice] == ["revision_blocked"]
    for _ in range(2):
        outcome = process.pass_over(pin)
        assert outcome.condition is Condition.STALLED
        assert "has no container 'none'" in outcome.reason
        world.settle()
    assert world.updates() == [{"desiredCount": 8}]


def test_r8_r9_no_rollout_is_ever_stopped() -> None:
    declared = {action for verb in (Deploy, Restart, Scale, RememberTag, SuspendScaling) for action in verb.actions}
    sources = [path.read_text() for path in Path(reconcilers.__path__[0]).glob("*.py")]
    assert "ecs:StopServiceDeployment" not in declared
    assert not any("stop_service_deployment" in source for source in sources)


# What ECS may tell


def controlled(world: World, by: str) -> None:
    world.ecs.delete_service(cluster=CLUSTER, service=NAME, force=True)
    world.settle()
    world.create(NAME, deploymentController={"type": by})
    world.forget()


def test_r7_without_a_controller_it_is_ecs(world: World, process: Process) -> None:
    assert "deploymentController" not in world.service()
    assert process.observe(pinned()).record.controller == "ECS"


@pytest.mark.parametrize("by", ["CODE_DEPLOY", "EXTERNAL"])
@pytest.mark.parametrize("more", [{"task_revision": 2}, {"image_tag": "v2"}, {"env": {"A": "b"}}, {"desired_count": 4}])
def test_r7_of_another_controller_only_the_count_is_ever_written(
    world: World, process: Process, by: str, more: dict[str, Any]
) -> None:
    controlled(world, by)
    process.tells("DescribeServices", as_by_task_sets)
    outcome = process.pass_over(pinned(**more))
    if "desired_count" in more:
        assert world.updates() == [{"desiredCount": 4}]
    else:
        assert (outcome.condition, world.writes()) == (Condition.STALLED, [])
        assert f"{NAME} is deployed by {by}; trueup drives only ECS's own rolling deployments" in outcome.reason


def as_by_task_sets(parsed: Any) -> None:
    """Without deployments and without a task definition of the service's own."""
    for service in parsed["services"]:
        service["deployments"] = []
        del service["taskDefinition"]


def test_a_daemon_service_has_no_count(world: World, process: Process) -> None:
    world.create("agent", schedulingStrategy="DAEMON")
    world.forget()
    for count in (0, 4):
        outcome = process.pass_over(pinned(name="agent", desired_count=count))
        assert (outcome.condition, world.writes()) == (Condition.STALLED, [])
        assert "agent is a DAEMON service and has no count" in outcome.reason


@pytest.mark.parametrize("member", ["deployments", "runningCount", "status", "events", "tags", "createdAt"])
def test_an_answer_without_an_optional_member_is_understood(world: World, process: Process, member: str) -> None:
    process.tells("DescribeServices", lambda parsed: [each.pop(member, None) for each in parsed["services"]])
    pin = pinned(task_revision=2, desired_count=2)
    assert process.pass_over(pin).reason == "asked AWS to deploy"
    world.settle()
    expected = Condition.PROGRESSING if member == "deployments" else Condition.IN_SYNC
    assert process.pass_over(pin).condition is expected
    assert len(world.updates()) == 1


@pytest.mark.parametrize("member", ["desiredCount", "serviceArn", "taskDefinition"])
def test_an_answer_without_what_must_not_be_guessed_leads_to_no_write(
    world: World, process: Process, member: str
) -> None:
    process.tells("DescribeServices", lambda parsed: [each.pop(member, None) for each in parsed["services"]])
    outcome = process.pass_over(pinned(task_revision=2, desired_count=4))
    assert (outcome.condition, type(outcome.error)) == (Condition.RETRYING, Incomplete)
    assert f"service {NAME}" in outcome.reason
    assert world.writes() == []


@pytest.mark.parametrize("member", ["id", "status", "taskDefinition", "rolloutState", "createdAt", "failedTasks"])
def test_a_deployment_without_a_member_restarts_nothing_twice(world: World, process: Process, member: str) -> None:
    def without(parsed: Any) -> None:
        for service in parsed["services"]:
            for deployment in service["deployments"]:
                del deployment[member]

    process.tells("DescribeServices", without)
    pin = pinned(restarted_at=world.instant(-5))
    for _ in range(3):
        assert process.pass_over(pin).condition in (Condition.PROGRESSING, Condition.IN_SYNC)
        world.settle()
    assert len(world.updates()) <= 1


def test_since_when_tasks_run_is_asked_only_where_it_counts(world: World, process: Process) -> None:
    def without(parsed: Any) -> None:
        for service in parsed["services"]:
            for deployment in service["deployments"]:
                del deployment["createdAt"]

    process.tells("DescribeServices", without)
    assert process.pass_over(pinned(task_revision=1)).condition is Condition.IN_SYNC
    outcome = process.pass_over(pinned(restarted_at=world.instant(-5)))
    assert (outcome.condition, outcome.reason) == (
        Condition.PROGRESSING,
        "ECS does not say when the tasks were started",
    )


def test_a_revision_that_is_told_without_its_arn_is_the_same_one(world: World, process: Process) -> None:
    def short(parsed: Any) -> None:
        for service in parsed["services"]:
            service["taskDefinition"] = World.short(service["taskDefinition"])

    process.tells("DescribeServices", short)
    assert process.pass_over(pinned(task_revision=1)).condition is Condition.IN_SYNC
    process.pass_over(pinned(task_revision=2))
    assert world.updates() == [{"taskDefinition": arn("api:2")}]


@pytest.mark.parametrize("state", ["DRAINING", "INACTIVE"])
def test_a_service_that_is_going_or_gone_is_absent(world: World, process: Process, state: str) -> None:
    world.ecs.delete_service(cluster=CLUSTER, service=NAME, force=True)
    if state == "INACTIVE":
        world.settle()
    outcome = process.pass_over(pinned(task_revision=2))
    assert isinstance(outcome.error, Absent)
    assert outcome.reason.startswith(f"ECS service {NAME} is {state}; ")


# A person's brake


@pytest.mark.parametrize(
    ("text", "held"),
    [
        pytest.param(lambda now: now + timedelta(hours=2), "held by the tag trueup:hold until", id="two hours"),
        pytest.param(lambda now: now - timedelta(minutes=1), "", id="over"),
        pytest.param(lambda now: now + timedelta(hours=25), "is more than 24 h ahead; write an instant", id="too long"),
        pytest.param(lambda now: "tomorrow", "is not an instant; write an instant such as 20", id="no instant"),
        pytest.param(lambda now: now.replace(tzinfo=None) + timedelta(hours=2), "has no offset", id="no offset"),
        pytest.param(lambda now: f"{now + timedelta(hours=2):%Y-%m-%dT%H:%MZ}", "held by the tag", id="with a Z"),
    ],
)
def test_a_hold_reports_and_does_not_write(world: World, process: Process, text: Any, held: str) -> None:
    value = text(world.instant())
    value = value if isinstance(value, str) else value.isoformat()
    world.ecs.tag_resource(resourceArn=world.service()["serviceArn"], tags=[{"key": "trueup:hold", "value": value}])
    world.forget()
    outcome = process.pass_over(pinned(task_revision=2))
    assert held in outcome.reason
    assert [drift.desired for drift in outcome.drifts] == ["api:2"]
    assert outcome.condition is (Condition.DRIFTED if held else Condition.PROGRESSING)
    assert world.writes() == ([] if held else ["UpdateService"])


# Shutdown and the way back


def test_a_shutdown_and_its_revert_end_where_they_began(world: World, process: Process) -> None:
    world.autoscale(1, 10, ScheduledScalingSuspended=True)
    world.forget()
    process.pass_over(pinned(desired_count=0))
    assert world.writes() == ["TagResource", "RegisterScalableTarget", "UpdateService"]
    world.settle()
    assert process.pass_over(pinned(desired_count=0)).condition is Condition.IN_SYNC
    assert world.service()["runningCount"] == 0
    assert len(world.suspended()) == 3
    process.pass_over(pinned())
    world.settle()
    assert process.pass_over(pinned()).condition is Condition.IN_SYNC
    assert (world.service()["runningCount"], world.tags()) == (2, {})
    assert world.suspended() == {"ScheduledScalingSuspended"}
    assert world.updates() == [{"desiredCount": 0}, {"desiredCount": 2}]


@pytest.mark.parametrize(
    ("more", "trouble"),
    [
        pytest.param({"task_revision": 9}, "there is no task definition api:9", id="a revision that is not there"),
        pytest.param({"env": {"A": "b"}, "container": "none"}, "has no container", id="a container that is not there"),
        pytest.param({"task_revision": 2}, "ECS gave up", id="a revision that ECS gave up"),
    ],
)
def test_a_complete_shutdown_is_made_whatever_is_wrong_with_other_pins(
    world: World, process: Process, more: dict[str, Any], trouble: str
) -> None:
    world.rehearsal.mark_bad("registry.example/api:v2")
    deploys(world, process, 2)
    world.settle()
    pin = pinned(desired_count=0, **more)
    process.pass_over(pin)
    assert world.writes() == ["TagResource", "UpdateService"]
    assert world.updates() == [{"desiredCount": 0}]
    world.settle()
    assert trouble in process.pass_over(pin).reason


def test_a_shutdown_carries_a_revision_that_can_be_deployed(world: World, process: Process) -> None:
    pin = pinned(desired_count=0, task_revision=2)
    process.pass_over(pin)
    world.settle()
    assert process.pass_over(pin).condition is Condition.IN_SYNC
    assert world.updates() == [{"taskDefinition": arn("api:2"), "desiredCount": 0}]


def test_autoscaling_that_was_suspended_at_no_tasks_is_resumed_too(world: World, process: Process) -> None:
    world.ecs.update_service(cluster=CLUSTER, service=NAME, desiredCount=0)
    world.autoscale(0, 10)
    world.settle()
    for pin in (pinned(desired_count=0), pinned()):
        process.pass_over(pin)
        assert process.pass_over(pin).condition is Condition.IN_SYNC
    assert (world.suspended(), world.tags()) == (set(), {})


def test_a_count_outside_the_band_stalls_and_inside_it_is_autoscalings(world: World, process: Process) -> None:
    world.autoscale(1, 10)
    world.forget()
    assert process.pass_over(pinned(desired_count=5)).condition is Condition.IN_SYNC
    outcome = process.pass_over(pinned(desired_count=20))
    assert outcome.condition is Condition.STALLED
    assert "desired_count 20 is outside what autoscaling allows (1 to 10)" in outcome.reason
    assert world.writes() == []


def without_targets(process: Process, *, times: int = 1) -> None:
    """The next answers of application autoscaling are empty."""
    left = [True] * times

    def empty(parsed: Any) -> None:
        if left:
            left.pop()
            parsed["ScalableTargets"] = []

    process.tells("DescribeScalableTargets", empty, "application-autoscaling")


def looks_again(outcome: Outcome) -> bool:
    return isinstance(outcome.error, Absent) and "told no scalable target" in outcome.reason


def test_one_empty_answer_at_the_way_back_forgets_no_scaling(world: World) -> None:
    world.autoscale(1, 10)
    shutdown = Process(looked=False)
    shutdown.pass_over(pinned(desired_count=0))
    world.settle()
    process = Process(looked=False)
    without_targets(process)
    assert looks_again(process.pass_over(pinned()))
    assert world.tags() == {"trueup:count-before-shutdown": "2 resume:in+out+scheduled"}
    process.pass_over(pinned())
    world.settle()
    assert process.pass_over(pinned()).condition is Condition.IN_SYNC
    assert (world.service()["runningCount"], world.suspended(), world.tags()) == (2, set(), {})


def test_one_empty_answer_at_a_shutdown_is_made_good_by_the_next(world: World) -> None:
    world.autoscale(1, 10)
    process = Process(looked=False)
    without_targets(process)
    for _ in range(2):
        process.pass_over(pinned(desired_count=0))
        world.settle()
    assert world.tags() == {"trueup:count-before-shutdown": "2 resume:in+out+scheduled"}
    assert len(world.suspended()) == 3
    process.pass_over(pinned())
    world.settle()
    assert process.pass_over(pinned()).condition is Condition.IN_SYNC
    assert (world.service()["runningCount"], world.suspended(), world.tags()) == (2, set(), {})


def test_one_empty_answer_takes_no_count_from_autoscaling(world: World) -> None:
    world.autoscale(1, 10)
    world.ecs.update_service(cluster=CLUSTER, service=NAME, desiredCount=8)
    world.settle()
    world.forget()
    process = Process(looked=False)
    assert process.pass_over(pinned(desired_count=4)).condition is Condition.IN_SYNC
    without_targets(process)
    assert looks_again(process.pass_over(pinned(desired_count=4)))
    world.settle()
    assert process.pass_over(pinned(desired_count=4)).condition is Condition.IN_SYNC
    assert world.writes() == []


def test_that_there_is_no_autoscaling_is_a_fact_after_five_seconds(world: World) -> None:
    process = Process(looked=False)
    for _ in range(2):
        assert looks_again(process.pass_over(pinned(desired_count=4)))
        world.rehearsal.advance(2)
    world.rehearsal.advance(4)
    assert process.pass_over(pinned(desired_count=4)).reason == "asked AWS to scale"
    assert process.pass_over(pinned(desired_count=5)).reason == "asked AWS to scale"  # it stays a fact


def test_a_target_that_is_gone_ends_the_record_of_a_shutdown(world: World) -> None:
    world.autoscale(1, 10)
    process = Process(looked=False)
    process.pass_over(pinned(desired_count=0))
    world.settle()
    without_targets(process, times=9)
    assert looks_again(process.pass_over(pinned()))
    world.settle()
    process.pass_over(pinned())
    assert world.tags() == {}


def test_a_count_that_is_live_waits_for_no_second_look(world: World) -> None:
    assert Process(looked=False).pass_over(pinned(desired_count=2)).condition is Condition.IN_SYNC
    assert Process(looked=False).pass_over(pinned(desired_count=0)).reason == "asked AWS to scale"


def test_an_endpoint_without_autoscaling_is_believed_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise Unsupported("DescribeScalableTargets")

    monkeypatch.setattr("rehearsal.autoscaling.Autoscaling.answer", unsupported)
    assert Process(looked=False).pass_over(pinned(desired_count=4)).reason == "asked AWS to scale"


# Families


def test_a_pin_of_another_family_finds_the_way_back_to_a_bare_number(world: World, process: Process) -> None:
    world.register("web")
    steps = [
        ("web:1", "web:1", {"trueup:family": "api"}),
        (2, "api:2", {}),
    ]
    for pin, runs, tags in steps:
        process.pass_over(pinned(task_revision=pin))
        world.settle()
        process.pass_over(pinned(task_revision=pin))
        assert process.pass_over(pinned(task_revision=pin)).condition is Condition.IN_SYNC
        assert (world.runs(), world.tags()) == (runs, tags)


def test_t11_ecs_is_always_told_the_number_of_a_revision(world: World, process: Process) -> None:
    world.register(image="registry.example/api:v3")
    process.pass_over(pinned(task_revision=2))
    assert world.updates() == [{"taskDefinition": f"{PREFIX}:task-definition/api:2"}]
    with pytest.raises(ValueError, match="is not a revision"):
        pinned(task_revision="api")


# An AWS that is not there, or says no


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "error", "throttle"])
@pytest.mark.parametrize(
    "pin",
    [
        pytest.param(lambda world: pinned(task_revision=2), id="deploy"),
        pytest.param(lambda world: pinned(restarted_at=world.instant(-5)), id="restart"),
        pytest.param(lambda world: pinned(desired_count=4), id="scale"),
    ],
)
def test_an_update_without_an_answer_is_looked_for_before_it_is_made_again(
    world: World, process: Process, pin: Any, fault: str
) -> None:
    asked = pin(world)
    world.rehearsal.fault("ecs", "UpdateService", fault)
    outcome = process.pass_over(asked)
    assert outcome.condition is Condition.RETRYING
    assert outcome.attempts[0].result is (Result.FAILED if fault == "throttle" else Result.UNKNOWN)
    for _ in range(3):
        world.settle()
        outcome = process.pass_over(asked)
    assert outcome.condition is Condition.IN_SYNC
    assert len(world.updates()) == (1 if fault == "drop_after" else 2)


def test_a_failed_read_is_no_drift(world: World, process: Process) -> None:
    world.rehearsal.fault("ecs", "DescribeServices", "error", times=3)
    outcome = process.pass_over(pinned(task_revision=2))
    assert (outcome.condition, outcome.changes, world.writes()) == (Condition.RETRYING, (), [])


def test_an_endpoint_without_a_history_counts_as_no_record(
    world: World, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rehearsal.ecs._OPERATIONS", _without("ListServiceDeployments"))
    assert process.pass_over(pinned(task_revision=2)).reason == "asked AWS to deploy"


def _without(operation: str) -> dict[str, Any]:
    from rehearsal import ecs

    return {name: act for name, act in ecs._OPERATIONS.items() if name != operation}


def test_now_is_the_time_of_aws_and_not_of_this_machine(world: World, process: Process) -> None:
    world.rehearsal.advance(86_400)
    at = world.instant(-5)
    assert at > datetime.now(UTC)
    assert process.pass_over(pinned(restarted_at=at)).reason == "asked AWS to restart"


def test_advice_of_the_target_is_advice_of_the_service(world: World, process: Process) -> None:
    advice = process.observe(pinned(env={"A": "b"})).advice
    assert [type(each) for each in advice] == [Advice]
    assert advice[0].type == "base_not_pinned"


def test_a_change_of_another_kind_is_refused(world: World, process: Process) -> None:
    with pytest.raises(TypeError, match="a service knows no change"):
        process.reconciler.apply(pinned(), Change())


# Plain moto: kinder than AWS, and frozen


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Somebody else, in an AWS whose deployments never change; `production-api` runs two tasks of api:1."""
    monkeypatch.setenv("MOTO_ECS_SERVICE_RUNNING", "2")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    urlopen(f"{moto_url}/moto-api/reset", b"").close()
    ecs: Any = boto3.client("ecs", "us-east-1")
    ecs.create_cluster(clusterName=CLUSTER)
    for tag in ("v1", "v2"):
        container = {"name": "app", "image": f"registry.example/api:{tag}", "memory": 128}
        ecs.register_task_definition(family="api", containerDefinitions=[container])
    ecs.create_service(cluster=CLUSTER, serviceName=NAME, taskDefinition="api:1", desiredCount=2)
    return ecs


@pytest.mark.parametrize(
    ("more", "writes"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"task_revision": 1, "desired_count": 2}, [], id="in sync"),
        pytest.param({"task_revision": 2}, ["UpdateService"], id="deploy"),
        pytest.param({"env": {"A": "1"}}, ["RegisterTaskDefinition", "UpdateService"], id="a variable"),
        pytest.param({"desired_count": 3}, ["UpdateService"], id="scale"),
        pytest.param({"desired_count": 0}, ["TagResource", "UpdateService"], id="shutdown"),
        pytest.param({"task_revision": 2, "desired_count": 3}, ["UpdateService"], id="deploy and scale"),
    ],
)
def test_plain_moto_is_written_once_and_never_called_stalled(
    moto: Any, more: dict[str, Any], writes: list[str]
) -> None:
    process, made, conditions = Process(), Counter[str](), set()
    for _ in range(4):
        conditions.add(process.pass_over(pinned(**more)).condition)
        made += process.calls
    assert conditions <= {Condition.PROGRESSING, Condition.IN_SYNC}
    assert [operation for operation in made if not operation.startswith(("Describe", "List", "Get"))] == writes
    assert all(made[operation] == 1 for operation in writes)


def test_plain_moto_restarts_once(moto: Any) -> None:
    deployment = ecs_backends[ACCOUNT_ID]["us-east-1"].services[f"{CLUSTER}:{NAME}"].deployments[0]
    deployment["createdAt"] -= timedelta(minutes=1)
    process, made = Process(), Counter[str]()
    pin = pinned(restarted_at=datetime.now(UTC) - timedelta(seconds=30))
    for expected in (Condition.PROGRESSING, Condition.IN_SYNC, Condition.IN_SYNC):
        assert process.pass_over(pin).condition is expected
        made += process.calls
    assert made["UpdateService"] == 1
