"""Every metric of the contract, as a scrape shows it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.metrics import Metrics
from daemon.readiness import Known
from daemon.status import EnvironmentStatus, GitStatus, ResourceStatus, Status
from desired_state.parse import Problem
from reconcilers import verification
from reconcilers.contract import Advice, Change, Condition, Drift, Wait
from reconcilers.infrastructure import LiveInfrastructure
from reconcilers.terraform import Applied, Check, PlannedChange
from reconcilers.workshop import Report

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)
GIT = GitStatus(repository="r", branch="main", path="p.yaml", head="c1")
API = ResourceStatus(
    kind="service",
    name="api",
    condition=Condition.DRIFTED,
    reason="held",
    since=NOON,
    observed=NOON,
    changes=(Change(drifts=(Drift("image", "a", "b"), Drift("desired_count", "1", "2"))),),
    drifted_since=NOON,
    advice=(Advice("base_not_pinned", "text"), Advice("base_not_pinned", "other text")),
)
GOOD = ResourceStatus(
    kind="database", name="postgres", condition=Condition.IN_SYNC, reason="", since=NOON, observed=NOON
)
CHANGES = (("create",), ("delete", "create"))
CHECK = Check(
    at=NOON,
    version="1.11.4",
    differs=True,
    changes=tuple(PlannedChange(f"a.{n}", "a", f"{n}", actions, ()) for n, actions in enumerate(CHANGES)),
    outputs_changed=False,
    drifted=(),
    warnings=(),
    serial=1,
    lineage="x",
    plan=Path("plan"),
    digest="d",
)
NETWORK = ResourceStatus(
    kind="infrastructure",
    name="network",
    condition=Condition.IN_SYNC,
    reason="",
    since=NOON,
    observed=NOON,
    infrastructure=LiveInfrastructure(check=CHECK),
)
WAITING = ResourceStatus(
    kind="service",
    name="web",
    condition=Condition.DRIFTED,
    reason="waits for its window",
    since=NOON,
    observed=NOON,
    wait=Wait("window", NOON),
)
CHECKS = ResourceStatus(
    kind="verification",
    name="verification",
    condition=Condition.IN_SYNC,
    reason="",
    since=NOON,
    observed=NOON,
    checks=(verification.Check("running tasks", ok=True, evidence="4 of 4"),),
)
PRODUCTION = EnvironmentStatus(
    name="production",
    file="p.yaml",
    commit="c1",
    mode="enforce",
    valid=True,
    resources=(API, GOOD, NETWORK, WAITING, CHECKS),
    last_pass=NOON,
    last_in_sync=NOON,
    maintenance_enabled=True,
    verified=True,
    rollback_ready=(Known(1, "c0", ready=True, looked=NOON), Known(2, "b0", ready=False, looked=NOON), Known(3, "a0")),
)

# Straight from the design, section 5: name, type, labels.
CONTRACT = {
    "trueup_resource_condition": ("gauge", {"environment", "kind", "name", "condition"}),
    "trueup_resource_drift": ("gauge", {"environment", "kind", "name"}),
    "trueup_changes_total": ("counter", {"environment", "kind", "name", "verb", "result"}),
    "trueup_pass_duration_seconds": ("histogram", {"environment"}),
    "trueup_last_pass_timestamp_seconds": ("gauge", {"environment"}),
    "trueup_last_in_sync_timestamp_seconds": ("gauge", {"environment"}),
    "trueup_desired_state_info": ("gauge", {"environment", "commit"}),
    "trueup_desired_state_valid": ("gauge", {"environment"}),
    "trueup_resource_drifted_since_timestamp_seconds": ("gauge", {"environment", "kind", "name"}),
    "trueup_first_write_seconds": ("histogram", {"environment"}),
    "trueup_convergence_seconds": ("histogram", {"environment"}),
    "trueup_maintenance_enabled": ("gauge", {"environment"}),
    "trueup_git_fetches_total": ("counter", {"repository", "result"}),
    "trueup_git_last_fetch_timestamp_seconds": ("gauge", {"repository", "result"}),
    "trueup_aws_calls_total": ("counter", {"service", "operation", "code"}),
    "trueup_aws_call_duration_seconds": ("histogram", {"service", "operation", "code"}),
    "trueup_build_info": ("gauge", {"version"}),
    "trueup_leader": ("gauge", set()),
}


class Scraped:
    """Metrics, the status that they read, and what a scrape shows of both."""

    def __init__(self) -> None:
        self.status = Status(git=GIT, environments=(PRODUCTION,))
        self.metrics = Metrics(lambda: self.status)

    def samples(self) -> list[tuple[str, dict[str, str], float]]:
        families = text_string_to_metric_families(self.metrics.render().decode())
        return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]

    def value(self, metric: str, /, **labels: str) -> float | None:
        found = [value for each, has, value in self.samples() if each == metric and labels.items() <= has.items()]
        assert len(found) <= 1, f"{metric} {labels} is not one series"
        return found[0] if found else None

    def of(self, name: str) -> list[dict[str, str]]:
        return [labels for each, labels, _ in self.samples() if each == name]

    def show(self, *resources: ResourceStatus, **changes: object) -> None:
        environment = replace(self.status.environments[0], resources=resources, **changes)
        self.status = replace(self.status, environments=(environment,))


@pytest.fixture
def scraped() -> Scraped:
    return Scraped()


def test_every_metric_of_the_contract_is_there_with_its_type_and_labels(scraped: Scraped) -> None:
    metrics = scraped.metrics
    metrics.aws_call("ecs", "DescribeServices", "", 0.1)
    metrics.change("production", "service", "api", "deploy", "ok")
    metrics.pass_took("production", 0.2)
    metrics.first_write("production", 1.5)
    metrics.converged("production", 20.0)
    metrics.verified("production", 80.0)
    metrics.reverted("production")
    metrics.notified("production", "stalled", "sent")
    metrics.git_fetch("r", "ok")
    metrics.applied("production", "network", Report(NOON, "c", 3, error="it broke"))

    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, {key for sample in family.samples for key in sample.labels} - {"le"})

    assert {name: kind for name, kind in found.items() if name.startswith("trueup_")} == {
        **CONTRACT,
        "trueup_advice": ("gauge", {"environment", "kind", "name", "type"}),
        "trueup_infrastructure_drift": ("gauge", {"environment", "name", "action"}),
        "trueup_infrastructure_last_check_timestamp_seconds": ("gauge", {"environment", "name"}),
        "trueup_infrastructure_apply_duration_seconds": ("histogram", {"environment", "name", "result"}),
        "trueup_changes_waiting": ("gauge", {"environment", "kind", "name", "reason"}),
        "trueup_changes_waiting_until_timestamp_seconds": ("gauge", {"environment", "kind", "name"}),
        "trueup_verified": ("gauge", {"environment"}),
        "trueup_mode_info": ("gauge", {"environment", "mode"}),
        "trueup_rollback_ready": ("gauge", {"environment", "commits_back"}),
        "trueup_rollback_ready_timestamp_seconds": ("gauge", {"environment"}),
        "trueup_verification_seconds": ("histogram", {"environment"}),
        "trueup_reverts_total": ("counter", {"environment"}),
        "trueup_notifications_total": ("counter", {"environment", "event", "result"}),
        "trueup_verification_check": ("gauge", {"environment", "check"}),
    }


def test_infrastructure_is_counted_as_terraform_counts(scraped: Scraped) -> None:
    shown = {each: scraped.value("trueup_infrastructure_drift", action=each) for each in ("add", "change", "destroy")}
    assert shown == {"add": 2, "change": 0, "destroy": 1}
    assert scraped.value("trueup_infrastructure_last_check_timestamp_seconds", name="network") == NOON.timestamp()


def test_applies_are_timed_by_how_they_ended_and_leave_with_their_entry(scraped: Scraped) -> None:
    metrics, name = scraped.metrics, "trueup_infrastructure_apply_duration_seconds"
    metrics.applied("production", "network", Report(NOON, "c", 90, Applied(seconds=90, add=1, change=0, destroy=0)))
    assert scraped.value(f"{name}_sum", name="network", result="ok") == 90
    assert scraped.value(f"{name}_count", name="network", result="failed") == 0
    metrics.applied("production", "network", Report(NOON, "c", 3, error="it broke"))
    assert scraped.value(f"{name}_count", name="network", result="failed") == 1

    scraped.show(API)
    metrics.pass_took("production", 0.1)
    assert scraped.of(f"{name}_sum") == []


def test_exactly_one_condition_of_a_resource_is_1(scraped: Scraped) -> None:
    shown = {c: scraped.value("trueup_resource_condition", name="api", condition=c) for c in Condition}

    assert shown == {c: float(c is Condition.DRIFTED) for c in Condition}


def test_gauges_show_the_status_at_the_scrape(scraped: Scraped) -> None:
    assert scraped.value("trueup_resource_drift", name="api") == 2
    assert scraped.value("trueup_resource_drift", name="postgres") == 0
    assert scraped.value("trueup_resource_drifted_since_timestamp_seconds", name="api") == NOON.timestamp()
    assert scraped.value("trueup_resource_drifted_since_timestamp_seconds", name="postgres") is None
    assert scraped.value("trueup_advice", name="api", type="base_not_pinned") == 1
    assert scraped.value("trueup_last_pass_timestamp_seconds", environment="production") == NOON.timestamp()
    assert scraped.value("trueup_desired_state_info", environment="production", commit="c1") == 1
    assert scraped.value("trueup_maintenance_enabled", environment="production") == 1
    assert scraped.value("trueup_leader") == 1

    scraped.show(replace(GOOD, condition=Condition.STALLED), maintenance_enabled=False, commit="c2", last_pass=None)

    assert scraped.value("trueup_resource_condition", name="postgres", condition="stalled") == 1
    assert scraped.of("trueup_desired_state_info") == [{"environment": "production", "commit": "c2"}]
    assert scraped.value("trueup_maintenance_enabled", environment="production") == 0
    assert scraped.value("trueup_last_pass_timestamp_seconds", environment="production") is None


def test_maintenance_that_was_never_read_is_neither_on_nor_off(scraped: Scraped) -> None:
    scraped.show(maintenance_enabled=None)

    assert scraped.value("trueup_maintenance_enabled", environment="production") is None


def test_a_file_without_any_good_version_is_told_by_its_own_name(scraped: Scraped) -> None:
    problems = (Problem("new.yaml", 1, "", "is empty", "fill it"), Problem("p.yaml", 1, "", "is empty", "fill it"))
    scraped.show(GOOD, valid=False)
    scraped.status = replace(scraped.status, git=replace(GIT, problems=problems))

    assert scraped.value("trueup_desired_state_valid", environment="production") == 0
    assert scraped.value("trueup_desired_state_valid", environment="new.yaml") == 0
    assert len(scraped.of("trueup_desired_state_valid")) == 2


# --- what leaves


def test_a_resource_that_left_the_file_leaves_the_metrics_with_the_next_pass(scraped: Scraped) -> None:
    scraped.metrics.change("production", "service", "api", "deploy", "ok")
    scraped.metrics.change("production", "database", "postgres", "publish", "ok")

    scraped.show(GOOD)
    scraped.metrics.pass_took("production", 0.1)

    assert not [labels for _, labels, _ in scraped.samples() if labels.get("name") == "api"]
    assert scraped.value("trueup_changes_total", name="postgres", result="ok") == 1


def test_maintenance_that_has_ended_keeps_its_counts(scraped: Scraped) -> None:
    scraped.metrics.change("production", "maintenance", "maintenance", "leave_maintenance", "ok")

    scraped.metrics.pass_took("production", 0.1)

    assert scraped.value("trueup_changes_total", kind="maintenance", result="ok") == 1


def test_an_environment_that_left_takes_all_its_series_along(scraped: Scraped) -> None:
    metrics = scraped.metrics
    for environment in ("production", "staging"):
        metrics.change(environment, "service", "api", "deploy", "ok")
        metrics.pass_took(environment, 0.2)
        metrics.first_write(environment, 1.5)
        metrics.converged(environment, 20.0)
    scraped.status = replace(scraped.status, environments=())

    metrics.forget("production")

    assert not [labels for _, labels, _ in scraped.samples() if labels.get("environment") == "production"]
    assert scraped.value("trueup_convergence_seconds_count", environment="staging") == 1


# --- what is counted


def test_changes_are_counted_by_result_and_the_other_results_begin_at_0(scraped: Scraped) -> None:
    scraped.metrics.change("production", "service", "api", "deploy", "unknown")

    shown = {r: scraped.value("trueup_changes_total", verb="deploy", result=r) for r in ("ok", "failed", "unknown")}
    assert shown == {"ok": 0, "failed": 0, "unknown": 1}


def test_polls_are_counted_by_result(scraped: Scraped) -> None:
    scraped.metrics.git_fetch("r", "ok")
    assert scraped.value("trueup_git_fetches_total", result="unreachable") == 0

    scraped.metrics.git_fetch("r", "unreachable")

    assert scraped.value("trueup_git_fetches_total", repository="r", result="ok") == 1
    assert scraped.value("trueup_git_fetches_total", repository="r", result="unreachable") == 1
    assert scraped.value("trueup_git_last_fetch_timestamp_seconds", result="unreachable") is not None


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        pytest.param("", "ok", id="an answer"),
        pytest.param("ThrottlingException", "ThrottlingException", id="an error code"),
        pytest.param("AWS.SimpleQueueService.NonExistentQueue", "AWS.SimpleQueueService.NonExistentQueue", id="dots"),
        pytest.param("<html>502 bad gateway</html>", "other", id="a text"),
        pytest.param("x" * 81, "other", id="far too long"),
    ],
)
def test_calls_are_counted_by_code(scraped: Scraped, code: str, shown: str) -> None:
    scraped.metrics.aws_call("ecs", "UpdateService", code, 0.3)

    assert scraped.value("trueup_aws_calls_total", service="ecs", operation="UpdateService", code=shown) == 1
    assert scraped.value("trueup_aws_call_duration_seconds_sum", code=shown) == 0.3


def test_an_endpoint_that_makes_up_codes_cannot_fill_the_memory(scraped: Scraped) -> None:
    for number in range(1000):
        scraped.metrics.aws_call("ecs", "UpdateService", f"Code{number}", 0.1)

    codes = {labels["code"] for labels in scraped.of("trueup_aws_calls_total")}
    assert len(codes) <= 65
    assert scraped.value("trueup_aws_calls_total", code="other") == 1000 - (len(codes) - 1)


def test_no_text_of_an_error_is_a_label(scraped: Scraped) -> None:
    scraped.show(replace(API, reason="some secret reason"))

    assert "some secret reason" not in scraped.metrics.render().decode()


def test_a_hostile_name_stays_inside_its_label(scraped: Scraped) -> None:
    name = 'x"} 1\nevil_total{a="\\'
    scraped.show(replace(GOOD, name=name))

    assert scraped.value("trueup_resource_drift", name=name) == 0


def test_there_are_few_series_for_each_service(scraped: Scraped) -> None:
    scraped.show(*(replace(GOOD, kind="service", name=f"s{number}") for number in range(1000)))

    assert len(scraped.samples()) <= 12 * 1000 + 300


def test_whether_versions_can_be_gone_back_to_is_told_where_it_is_known(scraped: Scraped) -> None:
    lines = [
        line for line in scraped.metrics.render().decode().splitlines() if line.startswith("trueup_rollback_ready{")
    ]

    assert lines == [
        'trueup_rollback_ready{commits_back="1",environment="production"} 1.0',
        'trueup_rollback_ready{commits_back="2",environment="production"} 0.0',
    ]
