"""RunTask and StopTask: a task that is run once, what its command prints and ends with, and what ECS refuses."""

from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.clock import Pace
from rehearsal.server import Rehearsal
from tests.rehearsal.place import CLUSTER, NETWORK, Aws, code, message

TASK = 20.0  # seconds to start, and as many to run, by the clock of the rehearsal
COMMAND = ["npx", "prisma", "migrate", "deploy"]
FARGATE = {"requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512"}


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with Rehearsal(pace=Pace(task=TASK)) as rehearsal:
        yield Aws(rehearsal)


@pytest.fixture(scope="module")
def family(aws: Aws) -> str:
    """Two containers, and a log group for what they print."""
    return _family(aws, "migrating")


def _family(aws: Aws, name: str, *, group: bool = True) -> str:
    options = {"awslogs-group": f"/ecs/{name}", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "app"}
    log = {"logDriver": "awslogs", "options": options}
    app = {"name": "app", "image": "registry.example/app:v1", "logConfiguration": log}
    sidecar = {"name": "otel", "image": "registry.example/otel:v1", "essential": False}
    if group:
        aws.caller.aws("logs").create_log_group(logGroupName=f"/ecs/{name}")
    aws.register(name, [app, sidecar], **FARGATE)
    return name


def _overrides(*command: str, container: str = "app") -> dict[str, Any]:
    return {"containerOverrides": [{"name": container, "command": list(command or COMMAND)}]}


def _asked(family: str, **more: Any) -> dict[str, Any]:
    asked = {"cluster": CLUSTER, "taskDefinition": f"{family}:1", "launchType": "FARGATE", "overrides": _overrides()}
    return asked | {"networkConfiguration": NETWORK} | more


def _run(aws: Aws, family: str, **more: Any) -> str:
    return str(aws.ecs.run_task(**_asked(family, **more))["tasks"][0]["taskArn"])


def _task(aws: Aws, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn], include=["TAGS"])["tasks"][0]
    return found


def _lines(aws: Aws, family: str, arn: str) -> list[str]:
    told = aws.caller.aws("logs").get_log_events(
        logGroupName=f"/ecs/{family}", logStreamName=f"app/app/{arn.rpartition('/')[2]}", startFromHead=True
    )
    return [event["message"] for event in told["events"]]


def test_a_task_is_taken_up_runs_prints_and_ends_with_the_exit_code_of_its_command(aws: Aws, family: str) -> None:
    aws.rehearsal.command(*COMMAND, output=["one", "two", "three"], exit_code=3)
    arn = _run(aws, family, startedBy="me/1", tags=[{"key": "commit", "value": "c1"}], propagateTags="NONE")
    seen = [_task(aws, arn)["lastStatus"]]
    for seconds in (TASK * 0.6, TASK * 0.5, TASK * 0.35, TASK):
        assert "exitCode" not in _task(aws, arn)["containers"][0]
        aws.rehearsal.advance(seconds)
        seen.append(_task(aws, arn)["lastStatus"])
        if seen[-1] == "RUNNING":
            seen += _lines(aws, family, arn)

    assert seen == ["PROVISIONING", "PENDING", "RUNNING", "RUNNING", "one", "STOPPED"]
    assert _lines(aws, family, arn) == ["one", "two", "three"]
    task = _task(aws, arn)
    assert (task["stopCode"], task["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert {each["name"]: each["exitCode"] for each in task["containers"]} == {"app": 3, "otel": 137}
    assert (task["startedBy"], task["group"], task["desiredStatus"]) == ("me/1", f"family:{family}", "STOPPED")
    assert task["overrides"]["containerOverrides"] == [{"name": "app", "command": COMMAND}]
    assert task["tags"] == [{"key": "commit", "value": "c1"}]
    assert task["taskDefinitionArn"].endswith(f"/{family}:1")


def test_a_command_that_nobody_set_prints_one_line_and_ends_with_0(aws: Aws, family: str) -> None:
    arn = _run(aws, family, overrides=_overrides("true"))
    aws.rehearsal.advance(2 * TASK)

    assert _lines(aws, family, arn) == ["the rehearsal ran true"]
    assert _task(aws, arn)["containers"][0]["exitCode"] == 0


def test_what_a_command_does_is_set_by_request_too(aws: Aws, family: str) -> None:
    aws.caller.ask("commands", command=["by", "request"], exit=9, output=["asked for"])
    arn = _run(aws, family, overrides=_overrides("by", "request"))
    aws.rehearsal.advance(2 * TASK)

    assert _lines(aws, family, arn) == ["asked for"]
    assert _task(aws, arn)["containers"][0]["exitCode"] == 9


def test_a_program_that_is_not_there_has_no_exit_code_and_no_log(aws: Aws, family: str) -> None:
    aws.rehearsal.command("npxx", starts=False)
    arn = _run(aws, family, overrides=_overrides("npxx"))
    aws.rehearsal.advance(2 * TASK)

    task = _task(aws, arn)
    assert (task["stopCode"], "startedAt" in task) == ("TaskFailedToStart", False)
    assert "executable file not found" in task["containers"][0]["reason"]
    assert "exitCode" not in task["containers"][0]
    assert code(lambda: _lines(aws, family, arn)) == "ResourceNotFoundException"


def test_a_task_without_its_log_group_does_not_start(aws: Aws) -> None:
    arn = _run(aws, _family(aws, "unlogged", group=False))
    aws.rehearsal.advance(2 * TASK)

    assert "log group does not exist" in _task(aws, arn)["stoppedReason"]


def test_tasks_are_listed_by_who_started_them_and_by_family_and_stopped_ones_for_an_hour(aws: Aws) -> None:
    family = _family(aws, "listed")
    arn = _run(aws, family, startedBy="me/listed")

    def listed(**by: str) -> list[str]:
        return list(aws.ecs.list_tasks(cluster=CLUSTER, **by)["taskArns"])

    assert listed(startedBy="me/listed") == listed(family=family) == [arn]
    assert listed(startedBy="me/nobody") == []
    assert code(aws.ecs.list_tasks, cluster=CLUSTER, startedBy="me/listed", family=family) == (
        "InvalidParameterException"
    )
    aws.rehearsal.advance(2 * TASK)
    assert listed(startedBy="me/listed") == []
    assert listed(startedBy="me/listed", desiredStatus="STOPPED") == [arn]
    aws.rehearsal.advance(3600)
    assert listed(startedBy="me/listed", desiredStatus="STOPPED") == []
    assert aws.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["failures"][0]["reason"] == "MISSING"


def test_a_client_token_is_one_task_and_refused_with_another_request(aws: Aws, family: str) -> None:
    first = _run(aws, family, clientToken="token-1")

    assert _run(aws, family, clientToken="token-1") == first
    assert _run(aws, family, clientToken="token-2") != first
    other = _asked(family, clientToken="token-1", overrides=_overrides("other"))
    assert code(aws.ecs.run_task, **other) == "ConflictException"
    aws.rehearsal.advance(86400)
    assert _run(aws, family, clientToken="token-1") != first


def test_a_stopped_task_ends_at_once_and_says_who_stopped_it(aws: Aws, family: str) -> None:
    aws.rehearsal.command("slow", output=["first", "never"])
    arn = _run(aws, family, overrides=_overrides("slow"))
    aws.rehearsal.advance(1.5 * TASK)

    aws.ecs.stop_task(cluster=CLUSTER, task=arn, reason="enough")
    aws.rehearsal.advance(TASK)

    task = _task(aws, arn)
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")
    assert task["containers"][0]["exitCode"] == 137
    assert _lines(aws, family, arn) == ["first"]
    assert aws.ecs.stop_task(cluster=CLUSTER, task=arn, reason="again")["task"]["stoppedReason"] == "enough"
    assert code(aws.ecs.stop_task, cluster=CLUSTER, task="0" * 32) == "InvalidParameterException"


def test_a_task_that_is_stopped_before_it_has_started_never_does(aws: Aws, family: str) -> None:
    arn = _run(aws, family)
    aws.ecs.stop_task(cluster=CLUSTER, task=arn)
    aws.rehearsal.advance(2 * TASK)

    assert "startedAt" not in _task(aws, arn)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param({"overrides": _overrides(container="web")}, "named web is not a container", id="container"),
        pytest.param({"overrides": _overrides("x" * 8192)}, "at most 8192", id="long overrides"),
        pytest.param({"count": 11}, "between 1 and 10", id="count"),
        pytest.param({"networkConfiguration": {}}, "must be provided", id="no network"),
        pytest.param({"startedBy": "me:1"}, "startedBy", id="startedBy"),
        pytest.param({"startedBy": "m" * 129}, "startedBy", id="long startedBy"),
        pytest.param({"propagateTags": "SERVICE"}, "propagateTags", id="tags of no service"),
        pytest.param(
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]}, "both a launch type", id="two kinds"
        ),
        pytest.param({"taskDefinition": "migrating:9"}, "not found", id="no such revision"),
        pytest.param({"cluster": "elsewhere"}, "Cluster not found", id="no such cluster"),
    ],
)
def test_what_ecs_refuses(aws: Aws, family: str, more: dict[str, Any], said: str) -> None:
    assert said in message(aws.ecs.run_task, **_asked(family, **more))


def test_an_inactive_revision_and_a_network_that_does_not_fit_are_refused(aws: Aws) -> None:
    retired = aws.family()
    aws.ecs.deregister_task_definition(taskDefinition=f"{retired}:1")
    bridge = aws.name("family")
    aws.register(bridge, [{"name": "app", "image": "registry.example/app:v1"}], networkMode="bridge")

    assert "inactive" in message(aws.ecs.run_task, **_asked(retired))
    assert "not valid for the given networkMode" in message(aws.ecs.run_task, **_asked(bridge, launchType="EC2"))
    assert "launch_type FARGATE" in message(aws.ecs.run_task, **_asked(bridge))


def test_capacity_is_shown_as_it_was_asked_for(aws: Aws, family: str) -> None:
    asked = _asked(family, capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT"}])
    del asked["launchType"]
    spot = aws.ecs.run_task(**asked)["tasks"][0]
    fargate = aws.ecs.run_task(**_asked(family, platformVersion="LATEST"))["tasks"][0]

    assert (spot["capacityProviderName"], "launchType" in spot) == ("FARGATE_SPOT", False)
    assert (fargate["launchType"], fargate["platformVersion"]) == ("FARGATE", "1.4.0")
