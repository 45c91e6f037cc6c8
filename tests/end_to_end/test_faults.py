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
    ("ecs", "DescribeServiceRevisions"),
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
    ("secretsmanager", "DescribeSecret"),
    ("secretsmanager", "GetSecretValue"),
    ("secretsmanager", "ListSecretVersionIds"),
    ("secretsmanager", "PutSecretValue"),
)
KINDS = ("throttle", "error", "drop_before", "drop_after", "hang_before", "hang_after")
ATTEMPTS = 3  # as many as a read makes before its pass gives up
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all faults: each case starts from the same file and asks for a value of its own."""
    with pytest.MonkeyPatch.context() as patch, world(tmp_path_factory.mktemp("faults"), rollout=0.4) as made:
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.0)
        yield made


@pytest.fixture
def settled(shared: World) -> Iterator[World]:
    """In sync with the file before the change; afterwards, what the case registered is retired."""
    shared.aws.clear_faults()
    _converge(shared, BEFORE)
    shared.aws.advance(600)
    shared.aws.clear_calls()
    yield shared
    for revision in range(125, revisions(shared) + 1):
        shared.client("ecs").deregister_task_definition(taskDefinition=f"{SERVICE}:{revision}")


def test_these_are_the_calls_that_the_change_makes(settled: World) -> None:
    _converge(settled, after(f"{next(_NUMBERS)}"))

    assert tuple(settled.writes()) == WRITES
    made = {(call["service"], call["operation"]) for call in settled.aws.calls()}
    assert made | {("ecs", "DescribeServiceRevisions"), ("ecs", "ListServiceDeployments")} == set(CALLS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("service", "operation"), CALLS, ids=[operation for _, operation in CALLS])
def test_a_fault_on_a_call_is_survived(settled: World, service: str, operation: str, kind: str) -> None:
    secret, held, newest = settled.secret(), versions(settled), revisions(settled)
    value = f"{next(_NUMBERS)}"
    settled.git.commit(after(value))
    times = 1 if operation in WRITES else ATTEMPTS
    settled.aws.fault(service, operation, kind, times=times, seconds=0.6 if kind.startswith("hang") else 0.0)

    run = Inside(settled, timeout=0.3 if kind.startswith("hang") else 2.0)
    run.converge()

    assert run.in_sync(), run.reasons()
    assert_enacted(settled, secret, value)
    assert versions(settled) == held + 1
    made = effects(settled) - {"PutSecretValue": 1}  # asked again with the same token, it has no effect
    assert {write: made[write] for write in WRITES if write != "PutSecretValue"} == {
        "CreateRule": 1,
        "RegisterTaskDefinition": 1,
        "UpdateService": 1,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_forced_deployment_is_never_made_twice(settled: World, kind: str) -> None:
    settled.git.commit(api("task_revision: 124", f"restarted_at: {instant(settled.aws.now())}"))
    settled.aws.advance(5)
    settled.aws.fault("ecs", "UpdateService", kind, seconds=0.6 if kind.startswith("hang") else 0.0)

    run = Inside(settled, timeout=0.3 if kind.startswith("hang") else 2.0)
    run.converge()
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
        "combined": after(f"{next(_NUMBERS)}"),
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


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice at once"])
def test_an_answer_without_the_service_is_no_fact(settled: World, times: int) -> None:
    """As of before the service was made, ECS answers `services: []`."""
    settled.git.commit(api("task_revision: 123"))
    settled.aws.fault("ecs", "DescribeServices", "stale", times=times, seconds=30 * 86400)
    run = Inside(settled)

    run.loop.poll()
    for _ in range(times):
        run.step()
    assert run.conditions()["api"] == "retrying"
    assert settled.writes() == []
    run.wait(6)
    run.converge()

    assert run.in_sync(), run.reasons()
    assert settled.writes() == ["UpdateService"]


def _converge(on: World, text: str) -> None:
    on.git.commit(text)
    run = Inside(on)
    run.converge()
    assert run.in_sync(), run.reasons()
