"""The checks that AWS answers: targets, alarms, logs and running tasks, on an AWS that follows what really runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from desired_state.verify import LogCheck, TargetHealth
from reconcilers import check_tasks
from reconcilers.aws import Connection, Place
from reconcilers.check_alarms import alarms
from reconcilers.check_logs import logs
from reconcilers.check_targets import Targets
from reconcilers.check_tasks import running_tasks
from reconcilers.checks import Check
from reconcilers.verification import VerificationReconciler
from rehearsal import moto_app, replaydash
from rehearsal.caller import Caller
from rehearsal.clock import Pace
from rehearsal.replaydash_names import ALARMS, ALB, API, CLUSTER, WORKER
from rehearsal.server import Rehearsal
from tests.reconcilers.fake_aws import refused

ROLLOUT = 20.0
GROUP = f"/ecs/{API}"


class Production:
    """ReplayDash, what happens in it, and what a process of ours asks."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal, self.caller = rehearsal, Caller(rehearsal.url)
        self.aws = Connection(Place("us-east-1"))
        self.targets_of = Targets(self.aws)
        self.ecs, self.elb = self.caller.aws("ecs"), self.caller.aws("elbv2")

    @property
    def now(self) -> datetime:
        return self.rehearsal.now()

    def deploy(self, revision: int = 123, **more: Any) -> None:
        self.ecs.update_service(cluster=CLUSTER, service=API, taskDefinition=f"{API}:{revision}", **more)

    def targets(self, **check: Any) -> tuple[Check, ...]:
        return self.targets_of.probe(TargetHealth(**(check or {"load_balancer": ALB}))).answer()

    def alarms(self, *names: str, settled: float | None = 0.0) -> tuple[Check, ...]:
        """`settled`: so many seconds ago; None: not known."""
        at = None if settled is None else self.now - timedelta(seconds=settled)
        return alarms(names or ALARMS, at, self.aws).answer()

    def alarm(self, state: str, name: str = ALARMS[0], **more: str) -> None:
        self.caller.ask("alarms", name=name, state=state, **more)

    def logs(self, settled: float = 3600.0, **check: Any) -> Check:
        section = LogCheck.model_validate({"group": GROUP, "pattern": "?ERROR ?FATAL"} | check)
        return one(logs(section, self.now - timedelta(seconds=settled), self.aws).answer())

    def say(self, *messages: str, ago: float = 0.0, group: str = GROUP) -> None:
        self.caller.ask("logs", messages=messages, ago=ago, group=group)

    def tasks(self, *services: tuple[str, str]) -> tuple[Check, ...]:
        return running_tasks(services or ((CLUSTER, API), (CLUSTER, WORKER)), self.aws).answer()

    def calls(self, operation: str) -> int:
        return sum(1 for call in self.rehearsal.calls() if call["operation"] == operation)


def one(checks: Sequence[Check]) -> Check:
    assert len(checks) == 1
    return checks[0]


@pytest.fixture(scope="module")
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal(pace=Pace(rollout=ROLLOUT)) as opened:
        replaydash.seed(opened.url)
        yield opened


@pytest.fixture
def production(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> Production:
    """As if nothing had ever happened in it: all that a test did is undone, and an hour ago."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", rehearsal.url)
    made = Production(rehearsal)
    made.caller.ask("targets", service=API, unhealthy=0)
    for name in ALARMS:
        made.alarm("OK", name)
    made.deploy(124, desiredCount=4)
    rehearsal.advance(3600)
    rehearsal.clear_calls()
    return made


# Targets


@pytest.mark.parametrize("check", [{"load_balancer": ALB}, {"target_group": API}])
def test_all_targets_are_healthy(production: Production, check: dict[str, str]) -> None:
    assert production.targets(**check) == (Check(f"targets of {API}", ok=True, evidence="4 of 4 healthy"),)


def test_new_targets_are_waited_for_and_old_ones_do_not_count(production: Production) -> None:
    production.deploy()
    assert production.targets() == (
        Check(f"targets of {API}", ok=False, evidence="4 of 8 healthy, 4 still in their first checks", patience=120.0),
    )
    production.rehearsal.advance(ROLLOUT + 1)
    assert one(production.targets()).evidence == "4 of 4 healthy"


def test_unhealthy_targets_fail_with_what_the_load_balancer_says(production: Production) -> None:
    production.caller.ask("targets", service=API, unhealthy=1)

    assert one(production.targets()) == Check(
        f"targets of {API}", ok=False, evidence="3 of 4 healthy: Health checks failed with these codes: [503]"
    )
    assert one(production.targets(load_balancer=ALB, min_healthy_percent=75)).ok is True
    assert one(production.targets(load_balancer=ALB, min_healthy_percent=76)).ok is False


def test_no_targets_are_no_health(production: Production) -> None:
    production.ecs.update_service(cluster=CLUSTER, service=API, desiredCount=0)
    production.rehearsal.advance(ROLLOUT / 2 + 1)
    assert (one(production.targets()).ok, one(production.targets()).evidence) == (
        False,
        "none; its 4 are unused or draining",
    )
    production.rehearsal.advance(ROLLOUT * 2)
    assert one(production.targets()).evidence == "none"


@pytest.mark.parametrize(
    ("check", "evidence"),
    [
        pytest.param({"load_balancer": "nobody"}, "there is no load balancer nobody: correct", id="load balancer"),
        pytest.param({"target_group": "nobody"}, "there is no target group nobody: correct", id="target group"),
    ],
)
def test_targets_of_nothing_need_a_person(production: Production, check: dict[str, str], evidence: str) -> None:
    found = one(production.targets(**check))

    assert (found.ok, found.stuck, found.evidence.startswith(evidence)) == (None, True, True), found


def test_the_groups_of_a_load_balancer_are_not_asked_for_every_time(production: Production) -> None:
    for _ in range(5):
        production.targets()

    assert (production.calls("DescribeTargetGroups"), production.calls("DescribeTargetHealth")) == (1, 5)


def test_a_group_that_was_replaced_is_found_again(production: Production) -> None:
    assert one(production.targets(target_group=API)).ok is True
    known = next(iter(production.targets_of._groups.values()))[1]
    known[API] = known[API].replace(f"/{API}/", "/gone/")

    assert one(production.targets(target_group=API)).ok is None
    assert one(production.targets(target_group=API)).ok is True


# Alarms


def test_quiet_alarms_hold_in_one_call(production: Production) -> None:
    production.alarm("INSUFFICIENT_DATA", ALARMS[1])
    assert production.alarms() == (
        Check(f"alarm {ALARMS[0]}", ok=True, evidence="OK"),
        Check(f"alarm {ALARMS[1]}", ok=True, evidence="INSUFFICIENT_DATA"),
    )
    assert production.calls("DescribeAlarms") == 1


def test_an_alarm_of_after_the_rollout_fails_at_once_and_an_older_one_has_time(production: Production) -> None:
    production.alarm("ALARM", reason="26 is greater than 25 (password=hunter2)")

    found = production.alarms(settled=60)[0]
    assert (found.ok, found.patience) == (False, 0.0)
    assert found.evidence.startswith("ALARM since ")
    assert "UTC: 26 is greater than 25 (password=[redacted]" in found.evidence
    assert production.alarms(settled=-60)[0].patience == 600.0
    assert production.alarms(settled=None)[0].patience == 600.0


def test_a_composite_alarm_is_an_alarm(production: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    alarm = moto_app.cloudwatch("us-east-1").alarms[ALARMS[1]]
    monkeypatch.setattr(alarm, "rule", f"ALARM({ALARMS[0]})")
    production.alarm("ALARM", ALARMS[1])

    assert one(production.alarms(ALARMS[1])).ok is False


def test_a_missing_alarm_says_nothing_about_production_and_needs_a_person(production: Production) -> None:
    """A typing error, or an alarm that terraform renames, must never take back a release."""
    evidence = "there is no alarm nobody in us-east-1: correct its name in the file, or create it"

    assert production.alarms(ALARMS[0], "nobody") == (
        Check(f"alarm {ALARMS[0]}", ok=True, evidence="OK"),
        Check("alarm nobody", ok=None, evidence=evidence, stuck=True),
    )


# Logs


def test_a_log_without_the_pattern_holds(production: Production) -> None:
    production.say("fine", "also fine")

    assert production.logs() == Check(f"logs {GROUP}", ok=True, evidence="0 found in 5m")


def test_a_log_with_the_pattern_fails_with_the_first_event(production: Production) -> None:
    production.say("fine", "ERROR: login failed, password=hunter2 " + "x" * 200, "FATAL")

    found = production.logs()
    assert found.ok is False
    assert "at least one found since " in found.evidence
    assert "; the first: ERROR: login failed, password=[redacted] xxx" in found.evidence
    assert len(found.evidence) < 180


def test_as_many_events_as_may_be_hold_and_no_more_are_read(production: Production) -> None:
    production.say(*["ERROR"] * 3)
    assert production.logs(at_most=3).evidence == "3 found in 5m"
    production.say(*["ERROR"] * 500)
    production.rehearsal.clear_calls()

    assert production.logs(at_most=3).evidence.startswith("more than 3 found")
    assert production.calls("FilterLogEvents") == 2  # the first page is empty, as it may be in AWS


@pytest.mark.parametrize(
    ("ago", "settled", "ok"),
    [
        pytest.param(60, 3600, False, id="within the time"),
        pytest.param(400, 3600, True, id="too long ago"),
        pytest.param(60, 30, True, id="before the rollout ended"),
        pytest.param(20, 30, False, id="after it"),
    ],
)
def test_how_far_it_looks_back(production: Production, ago: float, settled: float, ok: bool) -> None:
    production.say("ERROR", ago=ago)

    assert production.logs(settled).ok is ok


@pytest.mark.parametrize(
    ("check", "evidence"),
    [
        pytest.param({"group": "/nobody"}, "there is no log group /nobody", id="no such group"),
        pytest.param({"pattern": '"open'}, "CloudWatch Logs does not take the pattern", id="no pattern"),
    ],
)
def test_a_log_that_cannot_be_searched_needs_a_person(
    production: Production, check: dict[str, str], evidence: str
) -> None:
    found = production.logs(**check)

    assert (found.ok, found.stuck, found.evidence.startswith(evidence)) == (None, True, True), found


def test_a_search_without_end_is_given_up(production: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconcilers.check_logs._PAGES", 3)
    monkeypatch.setattr("reconcilers.check_logs._page", lambda *_: {"events": [], "nextToken": "more"})

    assert (production.logs().ok, production.logs().stuck) == (None, False)


# Running tasks


def test_every_service_runs_what_it_desires(production: Production) -> None:
    assert production.tasks() == (
        Check(f"running tasks of {API}", ok=True, evidence="4 of 4"),
        Check(f"running tasks of {WORKER}", ok=True, evidence="3 of 3"),
    )
    assert production.calls("DescribeServices") == 1


def test_a_service_that_runs_fewer_fails_after_a_while(production: Production) -> None:
    production.ecs.update_service(cluster=CLUSTER, service=API, desiredCount=6)

    found = production.tasks()
    assert found[0] == Check(f"running tasks of {API}", ok=False, evidence="4 of 6, 2 starting", patience=120.0)
    assert found[1].ok is True
    production.rehearsal.advance(ROLLOUT)
    assert [each.evidence for each in production.tasks()] == ["6 of 6", "3 of 3"]


def test_a_task_more_that_is_on_its_way_is_not_at_rest() -> None:
    told = {"serviceName": "api", "desiredCount": 4, "runningCount": 4, "pendingCount": 1}

    found = check_tasks._judged("running tasks of api", told)
    assert (found.ok, found.evidence) == (False, "4 of 4, 1 starting")


def test_services_of_the_same_name_in_two_clusters_are_two(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"a": 1, "b": 2}

    def told(cluster: str, names: list[str], _: Any) -> list[Any]:
        return [{"serviceName": each, "desiredCount": 2, "runningCount": counts[cluster]} for each in names]

    monkeypatch.setattr(check_tasks, "_described", told)
    found = production.tasks(("a", "api"), ("b", "api"))
    assert [(each.name, each.ok, each.evidence) for each in found] == [
        ("running tasks of api", False, "1 of 2"),
        ("running tasks of api (2)", True, "2 of 2"),
    ]


def test_a_service_that_ecs_does_not_tell_of(production: Production) -> None:
    found = production.tasks((CLUSTER, "nobody"), (CLUSTER, API))
    assert found[0] == Check("running tasks of nobody", None, "ECS does not tell of it")
    assert found[1].ok is True


def test_services_are_asked_for_in_tens(production: Production) -> None:
    names = [f"service-{number}" for number in range(23)]
    production.tasks(*((CLUSTER, name) for name in names))

    assert production.calls("DescribeServices") == 3


# What AWS refuses


CHECKS = {
    "targets": ("elbv2", "DescribeLoadBalancers", lambda p: p.targets()),
    "alarms": ("cloudwatch", "DescribeAlarms", lambda p: p.alarms()),
    "logs": ("logs", "FilterLogEvents", lambda p: (p.logs(),)),
    "tasks": ("ecs", "DescribeServices", lambda p: p.tasks()),
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param("AccessDeniedException", "not allowed to call", id="denied"),
        pytest.param("ThrottlingException", "ThrottlingException", id="throttled"),
    ],
)
def test_what_aws_refuses_cannot_be_made(production: Production, name: str, code: str, said: str) -> None:
    service, operation, ask = CHECKS[name]

    def refuse(**_: Any) -> None:
        raise refused(code, operation)

    production.aws.reading(service).meta.events.register(f"before-call.*.{operation}", refuse)
    found = one(ask(production))
    assert (found.ok, found.stuck, said in found.evidence) == (None, False, True), found


def test_a_group_whose_health_nobody_knows(production: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Targets, "_states", lambda *_: [{"State": "healthy"}, {"State": "unavailable"}])

    assert one(production.targets()).ok is None


def test_what_is_asked_is_declared(production: Production) -> None:
    for _, _, ask in CHECKS.values():
        ask(production)

    iam = {"elbv2": "elasticloadbalancing"}
    made = {f"{iam.get(call['service'], call['service'])}:{call['operation']}" for call in production.rehearsal.calls()}
    assert made - {"sts:GetCallerIdentity"} == set(VerificationReconciler.reads) - {"secretsmanager:GetSecretValue"}
