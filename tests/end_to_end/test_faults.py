"""Whatever goes wrong on any call of a combined change, it converges, and nothing is made twice."""

import itertools
from collections.abc import Iterator

import pytest
from botocore.retries.standard import ExponentialBackoff

from tests.end_to_end.combined import BEFORE, WRITES, after, assert_enacted, effects, revisions, versions
from tests.end_to_end.inside import Inside
from tests.end_to_end.world import SERVICE, World, api, instant, world

CALLS = (
    ("ecr", "DescribeImages"),
    ("ecs", "DescribeServices"),
    ("ecs", "DescribeTaskDefinition"),
    ("ecs", "ListServiceDeployments"),
    ("ecs", "ListTaskDefinitions"),
    ("ecs", "RegisterTaskDefinition"),
    ("ecs", "UpdateService"),
    ("elbv2", "CreateRule"),
    ("elbv2", "DescribeListeners"),
    ("elbv2", "DescribeLoadBalancers"),
    ("elbv2", "DescribeRules"),
    ("elbv2", "DescribeTags"),
    ("rds", "DescribeDBInstances"),
    ("secretsmanager", "DescribeSecret"),
    ("secretsmanager", "GetSecretValue"),
    ("secretsmanager", "ListSecretVersionIds"),
    ("secretsmanager", "PutSecretValue"),
)
HISTORY = ("ListServiceDeployments", "DescribeServiceRevisions")
KINDS = ("throttle", "error", "drop_before", "drop_after", "hang_before", "hang_after")
OF_A_READ = ("throttle", "error", "drop_before", "hang_after")  # it has no effect that could come before or after
ATTEMPTS = 3  # as many as a read makes before its pass gives up
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all faults: each case starts from the same file and asks for a value of its own."""
    with pytest.MonkeyPatch.context() as patch, world(tmp_path_factory.mktemp("faults"), rollout=0.4) as made:
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.0)
        yield made


@pytest.fixture(scope="module")
def preparing(shared: World) -> Inside:
    """The run that goes back to where each case starts."""
    return Inside(shared)


@pytest.fixture
def settled(shared: World, preparing: Inside) -> Iterator[World]:
    """In sync with the file before the change; afterwards, what the case registered is retired."""
    shared.aws.clear_faults()
    shared.git.commit(BEFORE)
    preparing.loop.ask_again()  # to it, what the cases do is somebody else's doing
    preparing.converge()
    assert preparing.in_sync(), preparing.reasons()
    preparing.wait(600)
    shared.aws.clear_calls()
    yield shared
    for revision in range(125, revisions(shared) + 1):
        shared.client("ecs").deregister_task_definition(taskDefinition=f"{SERVICE}:{revision}")


def test_these_are_the_calls_that_the_change_makes(settled: World) -> None:
    settled.git.commit(after(f"case-{next(_NUMBERS)}"))
    Inside(settled).converge()

    assert tuple(settled.writes()) == WRITES
    assert tuple(sorted({(call["service"], call["operation"]) for call in settled.aws.calls()})) == CALLS


@pytest.mark.parametrize(
    ("service", "operation", "kind"),
    [
        pytest.param(service, operation, kind, id=f"{operation}: {kind}")
        for service, operation in CALLS
        for kind in (KINDS if operation in WRITES else OF_A_READ)
    ],
)
def test_a_fault_on_a_call_is_survived(settled: World, service: str, operation: str, kind: str) -> None:
    secret, held = settled.secret(), versions(settled)
    value = f"case-{next(_NUMBERS)}"
    settled.git.commit(after(value))

    _converge_through(settled, service, operation, kind)

    assert_enacted(settled, secret, value)
    assert versions(settled) == held + 1
    made = effects(settled)
    assert (made["CreateRule"], made["RegisterTaskDefinition"]) == (1, 1)
    assert len(_updates(settled)) == len(set(_updates(settled))), "none was made twice"
    # While nobody knows where the secret must lead, the service does not wait, and is restarted once it was written.
    assert made["UpdateService"] <= (2 if service in ("secretsmanager", "rds") else 1)


@pytest.mark.parametrize("kind", OF_A_READ)
@pytest.mark.parametrize("operation", HISTORY)
def test_a_fault_on_a_look_at_the_deployment_history_is_survived(settled: World, operation: str, kind: str) -> None:
    settled.git.commit(api("task_revision: 123"))

    _converge_through(settled, "ecs", operation, kind)

    assert operation in {call["operation"] for call in settled.aws.calls()}
    assert settled.writes() == ["UpdateService"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_forced_deployment_is_never_made_twice(settled: World, kind: str) -> None:
    settled.git.commit(api("task_revision: 124", f"restarted_at: {instant(settled.aws.now())}"))
    settled.aws.advance(5)

    run = _converge_through(settled, "ecs", "UpdateService", kind)
    for _ in range(3):
        run.wait(60)
        run.converge()

    assert run.in_sync(), run.reasons()
    assert settled.writes() == ["UpdateService"]


@pytest.mark.parametrize(
    ("operation", "service", "reads", "text"),
    [
        pytest.param("UpdateService", "ecs", "DescribeServices", api("task_revision: 123"), id="a deployment"),
        pytest.param("UpdateService", "ecs", "DescribeServices", "restart", id="a forced deployment"),
        pytest.param("UpdateService", "ecs", "DescribeServices", api("desired_count: 5"), id="a count"),
        pytest.param("PutSecretValue", "secretsmanager", "DescribeSecret", "combined", id="a secret"),
    ],
)
def test_stale_reads_after_a_write_make_no_second_one(
    settled: World, operation: str, service: str, reads: str, text: str
) -> None:
    held = versions(settled)
    asked = {
        "restart": api("task_revision: 124", f"restarted_at: {instant(settled.aws.now())}"),
        "combined": after(f"case-{next(_NUMBERS)}"),
    }
    settled.git.commit(asked.get(text, text))
    settled.aws.advance(5)
    run = Inside(settled)
    run.loop.poll()
    while operation not in settled.writes():
        run.wait(run.step())

    settled.aws.fault(service, reads, "stale", times=4, seconds=300)
    run.converge()

    assert run.in_sync(), run.reasons()
    assert settled.writes().count("UpdateService") == 1
    assert versions(settled) == held + ("PutSecretValue" in settled.writes())


def _converge_through(on: World, service: str, operation: str, kind: str) -> Inside:
    """A new run that meets this fault as often as it takes to make a whole pass fail."""
    hangs = kind.startswith("hang")
    times = 1 if operation in WRITES else ATTEMPTS
    on.aws.fault(service, operation, kind, times=times, seconds=0.6 if hangs else 0.0)
    run = Inside(on, timeout=0.3 if hangs else 2.0)
    run.converge()
    assert run.in_sync(), run.reasons()
    return run


def _updates(on: World) -> list[tuple[object, ...]]:
    """What each UpdateService that had an effect asked for."""
    made = [call for call in on.aws.calls() if call["operation"] == "UpdateService" and call["code"] == "200"]
    return [(call["summary"].get("taskDefinition"), call["summary"].get("forceNewDeployment")) for call in made]
