"""`quiesce`: the services run until the new database is ready, stand still while they are led there, and come back."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.retries.standard import ExponentialBackoff

from rehearsal.replaydash_names import DATABASE
from tests.end_to_end.inside import Inside
from tests.end_to_end.restores import (
    FIT,
    INSTANCE,
    address,
    assert_led_to,
    at_rest,
    committed,
    control,
    document,
    following,
    logs_in,
    operations,
    pinned,
    put,
    restoring,
    rotate,
    shown,
)
from tests.end_to_end.world import CLUSTER, SECRET, SERVICE, WORKER, World, world

REST = "quiesce: [api]"
BOTH: dict[str, Any] = {"api": ["databases: [postgres]", "desired_count: 5"], "worker": ["databases: [postgres]"]}
SHUTDOWN = "trueup:count-before-shutdown"


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[World]:
    """Production, in an AWS where an instance takes ten seconds to be created, and tasks four to stop."""
    with world(tmp_path, rollout=4.0, creating=10.0, backing_up=0.0) as made:
        rotate(made)
        yield made


def _tasks(on: World, service: str = SERVICE) -> list[dict[str, Any]]:
    """Every task that ECS remembers of a service."""
    ecs = on.client("ecs")
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in ecs.list_tasks(cluster=CLUSTER, serviceName=service, desiredStatus=status)["taskArns"]
    ]
    return list(ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"])


def _at(on: World, operation: str) -> datetime:
    """When the only successful call of an operation came."""
    (made,) = [call for call in operations(on, operation) if call["code"] == "200"]
    return datetime.fromisoformat(made["at"])


def _updates(on: World, service: str = SERVICE) -> list[tuple[int | None, bool]]:
    """Count and restart of every UpdateService."""
    asked = [call["summary"] for call in operations(on, "UpdateService") if call["summary"]["service"] == service]
    return [(each.get("desiredCount"), each.get("forceNewDeployment", False)) for each in asked]


def _is_back(on: World, run: Inside, tasks: int, service: str = SERVICE) -> bool:
    """Whether a service runs so many tasks, and nothing of its standstill is left."""
    told = on.service(service)
    kept = SHUTDOWN in {tag["key"] for tag in told["tags"]}
    return run.in_sync() and (told["desiredCount"], told["runningCount"], kept) == (tasks, tasks, False)


def _until(run: Inside, so: Any) -> None:
    """Passes at the daemon's pace until something is so."""
    for _ in range(90):
        if so():
            return
        run.wait(run.step())
    raise AssertionError(f"never came true: {run.reasons()}")


def _begun(on: World, text: str) -> Inside:
    """The loop, right after it took this commit in."""
    on.git.commit(text)
    run = Inside(on)
    run.loop.poll()
    return run


def _still(on: World) -> Inside:
    """The loop of a restore, when the last task is about to stop and the secret has not been written."""
    run = _begun(on, restoring(REST))
    _until(run, lambda: on.service()["desiredCount"] == 0 and on.service()["runningCount"] <= 1)
    assert "PutSecretValue" not in on.writes()
    return run


def test_tasks_run_until_the_new_database_is_ready_and_the_secret_waits_for_the_last_of_them(slow: World) -> None:
    following(slow)
    before = slow.secret()

    run = _begun(slow, restoring(REST))
    _until(run, lambda: "AddTagsToResource" in slow.writes())
    ready, since = (slow.service()["runningCount"], slow.service()["desiredCount"]), slow.aws.now()
    _until(run, lambda: slow.service()["desiredCount"] == 0)
    took = (slow.aws.now() - since).total_seconds()
    at_rest(run)

    assert ready == (4, 4), "not while it is being restored"
    assert took < 5, "and as soon as it is there"
    assert_led_to(slow, before)
    assert _is_back(slow, run, 4)
    published, tasks = _at(slow, "PutSecretValue"), _tasks(slow)
    assert {each["lastStatus"] for each in tasks} == {"RUNNING", "STOPPED"}
    assert all(each["stoppedAt"] <= published for each in tasks if each["lastStatus"] == "STOPPED")
    assert all(each["createdAt"] > published for each in tasks if each["lastStatus"] == "RUNNING")
    assert _updates(slow) == [(0, False), (4, True)], "the return and the restart are one call"


def test_the_way_back_is_as_quiet(slow: World) -> None:
    following(slow, restoring(REST))
    before = slow.secret()

    run = committed(slow, pinned(REST))

    assert_led_to(slow, before, DATABASE, INSTANCE)
    assert _is_back(slow, run, 4)
    assert _updates(slow) == [(0, False), (4, True)]


def test_a_pinned_count_and_one_that_autoscaling_owns_come_back_as_they_were(slow: World) -> None:
    following(slow, pinned(**BOTH))
    before = slow.secret()

    run = committed(slow, restoring("quiesce: [api, worker]", **BOTH))

    assert_led_to(slow, before)
    assert _is_back(slow, run, 5)
    assert _is_back(slow, run, 3, WORKER)
    assert (_updates(slow), _updates(slow, WORKER)) == ([(0, False), (5, True)], [(0, False), (3, True)])
    suspended = [call["summary"]["SuspendedState"] for call in operations(slow, "RegisterScalableTarget")]
    assert [set(each.values()) for each in suspended] == [{True}, {False}]
    published = _at(slow, "PutSecretValue")
    stopped = [each["stoppedAt"] for each in _tasks(slow, WORKER) if each["lastStatus"] == "STOPPED"]
    assert max(stopped) <= published


def test_a_service_that_is_shut_down_stays_so(slow: World) -> None:
    off: dict[str, Any] = {"api": ["databases: [postgres]", "desired_count: 0"]}
    following(slow, pinned(**off))

    run = committed(slow, restoring(REST, **off))

    assert (run.in_sync(), slow.service()["desiredCount"], _updates(slow)) == (True, 0, [])
    assert logs_in(slow)


def test_a_port_alone_stops_nobody(slow: World) -> None:
    following(slow, pinned(REST))

    run = committed(slow, pinned(REST, host=f"{address(DATABASE)}:6432"))

    assert (run.in_sync(), _updates(slow)) == (True, [(None, True)])


def test_a_revert_in_the_middle_brings_the_tasks_back_to_the_old_database(slow: World) -> None:
    following(slow)
    before = slow.secret()
    run = _still(slow)

    slow.git.revert()
    at_rest(run)
    run.wait(10)

    assert _is_back(slow, run, 4)
    assert (slow.secret(), operations(slow, "PutSecretValue")) == (before, [])
    assert _updates(slow) == [(0, False), (4, False)], "no restart: nothing has changed for them"
    assert shown(slow)["DBInstanceStatus"] == "available"


def test_a_rotation_that_begins_in_the_middle_is_not_written_into_and_its_end_leads_them_on(slow: World) -> None:
    following(slow)
    run = _still(slow)
    secrets = slow.client("secretsmanager")
    told = secrets.put_secret_value(SecretId=SECRET, SecretString=document(FIT + "!"), VersionStages=["AWSPENDING"])
    slow.aws.clear_calls()

    for _ in range(20):
        run.wait(max(1.0, run.step()))
    waiting = run.conditions()["postgres"], operations(slow, "PutSecretValue")
    put(slow, document(FIT + "!"))
    secrets.update_secret_version_stage(
        SecretId=SECRET, VersionStage="AWSPENDING", RemoveFromVersionId=told["VersionId"]
    )
    slow.aws.clear_calls()
    run.wait(31)
    at_rest(run)

    assert waiting == ("stalled", [])
    assert _is_back(slow, run, 4)
    assert_led_to(slow, document(FIT + "!"))
    assert _updates(slow)[-1] == (4, True)


def test_they_stay_still_while_rds_is_busy_with_the_instance_for_a_moment(slow: World) -> None:
    following(slow)
    run = _still(slow)
    control(slow, "databases/status", instance=INSTANCE, status="modifying")
    for _ in range(15):
        run.wait(run.step())
    busy = slow.service()["desiredCount"]
    control(slow, "databases/status", instance=INSTANCE, status=None)
    at_rest(run)

    assert busy == 0
    assert _is_back(slow, run, 4)
    assert _updates(slow) == [(0, False), (4, True)]


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("rds", "DescribeDBInstances"),
        ("secretsmanager", "DescribeSecret"),
        ("secretsmanager", "GetSecretValue"),
        ("ecs", "DescribeServices"),
        ("ecs", "ListTasks"),
    ],
)
def test_they_stay_still_while_something_cannot_be_read(
    slow: World, monkeypatch: pytest.MonkeyPatch, service: str, operation: str
) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.0)
    following(slow)
    _still(slow)
    slow.aws.fault(service, operation, "error", times=10**6)
    run = Inside(slow)  # it remembers nothing
    run.loop.poll()
    for _ in range(20):
        run.wait(run.step())
    meanwhile = slow.service()["desiredCount"] if operation != "DescribeServices" else 0
    slow.aws.clear_faults()
    run.wait(61)
    at_rest(run)

    assert meanwhile == 0
    assert _is_back(slow, run, 4)
    assert _updates(slow) == [(0, False), (4, True)]
