"""A command that is run once: which revision, where, by whose settings; found again, followed, and never doubled."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from desired_state.model import Service
from reconcilers.contract import Absent, Stalled
from reconcilers.one_off import TROUBLE, Job, OneOffs, Progress
from rehearsal.server import Pace, Rehearsal
from tests.reconcilers.ecs_world import CLUSTER, NAME, ROLLOUT, Process, World, arn

COMMAND = ("npx", "prisma", "migrate", "deploy")
GROUP = "/ecs/api"
LOG = {
    "logDriver": "awslogs",
    "options": {"awslogs-group": GROUP, "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "app"},
}
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}}
TASK = 60.0  # seconds to start, and as many to run


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with Rehearsal(pace=Pace(rollout=ROLLOUT, task=TASK)) as rehearsal:
        monkeypatch.setenv("AWS_ENDPOINT_URL", rehearsal.url)
        yield World(rehearsal)


@pytest.fixture
def one_offs(world: World, process: Process) -> OneOffs:
    return OneOffs(process.connection, process.reads)


def service(name: str = NAME, **pins: Any) -> Service:
    return Service(cluster=CLUSTER, service=name, **pins)


def job(one_offs: OneOffs, name: str = NAME, given: str | None = None, commit: str = "", **pins: Any) -> Job:
    """The job of this entry; `given`: the container that the person names."""
    return one_offs.job(service(name, **pins), given, COMMAND, commit)


def asked(world: World, one_offs: OneOffs, of: Job) -> dict[str, Any]:
    """The members of RunTask that the rehearsal got for this job, and those of its task."""
    task = one_offs.start(of, "token")
    return dict(world.ecs.describe_tasks(cluster=CLUSTER, tasks=[task], include=["TAGS"])["tasks"][0])


# Which revision


@pytest.mark.parametrize(
    ("pins", "revision"),
    [
        pytest.param({}, "api:1", id="nothing pinned: what runs"),
        pytest.param({"task_revision": 2}, "api:2", id="pinned, and not rolled out yet"),
        pytest.param({"task_revision": 1, "image_tag": "v2"}, "api:2", id="an overlay that is registered"),
    ],
)
def test_the_revision_is_the_one_that_the_pins_mean(
    world: World, one_offs: OneOffs, pins: dict[str, Any], revision: str
) -> None:
    assert job(one_offs, **pins).revision == arn(revision)
    assert world.writes() == []


def test_an_overlay_that_is_not_registered_is_left_to_the_commit(world: World, one_offs: OneOffs) -> None:
    with pytest.raises(Stalled, match=r"production-api is not registered yet: trueup makes it of api:1 when the comm"):
        job(one_offs, task_revision=1, image_tag="v9")
    assert world.writes() == []


def test_an_inactive_revision_that_still_runs_takes_no_task(world: World, one_offs: OneOffs) -> None:
    world.ecs.deregister_task_definition(taskDefinition="api:1")

    with pytest.raises(Stalled, match="api:1 is INACTIVE"):
        job(one_offs)


@pytest.mark.parametrize(
    ("name", "pins", "said"),
    [
        pytest.param("nobody", {}, "has no service nobody", id="no service"),
        pytest.param(NAME, {"task_revision": 99}, "there is no task definition api:99", id="no revision"),
    ],
)
def test_what_is_not_there_is_said(one_offs: OneOffs, name: str, pins: dict[str, Any], said: str) -> None:
    with pytest.raises(Absent, match=said):
        job(one_offs, name, **pins)


def test_a_service_that_is_gone_or_without_a_task_definition_of_its_own_is_refused(
    world: World, one_offs: OneOffs, process: Process
) -> None:
    process.tells("DescribeServices", lambda parsed: [each.pop("taskDefinition") for each in parsed["services"]])
    with pytest.raises(Stalled, match="no task definition of its own"):
        job(one_offs)
    world.ecs.delete_service(cluster=CLUSTER, service=NAME, force=True)
    process.reads.new_pass((), ())

    with pytest.raises(Stalled, match="ECS service production-api is DRAINING"):
        job(one_offs)


# Which container


def _several(world: World, *containers: dict[str, Any]) -> None:
    world.register_all([{"image": "registry.example/x:v1", "memory": 128, **each} for each in containers])


@pytest.mark.parametrize(
    ("containers", "given", "said"),
    [
        pytest.param(
            [{"name": "a"}, {"name": "b"}], None, r"several containers \(a, b\); say which one with --container", id="2"
        ),
        pytest.param([{"name": "a"}], "web", "has no container web; it has a", id="none of that name"),
        pytest.param([{"name": "a"}, {"name": "b", "essential": False}], "b", "is not essential", id="not essential"),
        pytest.param(
            [{"name": "a", "restartPolicy": {"enabled": True}}], None, "may run the command more than once", id="again"
        ),
    ],
)
def test_a_container_in_which_it_would_not_be_one_run_is_refused(
    world: World, one_offs: OneOffs, containers: list[dict[str, Any]], given: str | None, said: str
) -> None:
    _several(world, *containers)

    with pytest.raises(Stalled, match=said):
        job(one_offs, given=given, task_revision=3)


def test_the_entry_names_the_container_and_the_person_overrules_it(world: World, one_offs: OneOffs) -> None:
    _several(world, {"name": "a", "entryPoint": ["sh", "-c"]}, {"name": "b"})
    of = {"task_revision": 3, "container": "a"}

    assert (job(one_offs, **of).container, job(one_offs, **of).has_entry_point) == ("a", True)
    assert (job(one_offs, given="b", **of).container, job(one_offs, given="b", **of).has_entry_point) == ("b", False)


# What the task takes over from the service


def test_on_fargate_the_task_has_the_network_the_platform_and_the_tags_of_the_service(
    world: World, one_offs: OneOffs
) -> None:
    _fargate(world, launchType="FARGATE", platformVersion="1.4.0", propagateTags="SERVICE", enableECSManagedTags=True)
    of = job(one_offs, "fargate", commit="c0ffee")
    task = asked(world, one_offs, of)

    assert of.like["networkConfiguration"] == NETWORK
    assert of.like["enableECSManagedTags"] is True
    assert (task["launchType"], task["platformVersion"]) == ("FARGATE", "1.4.0")
    assert {tag["key"]: tag["value"] for tag in task["tags"]} == {"team": "replay", "trueup:commit": "c0ffee"}
    assert task["overrides"]["containerOverrides"] == [{"name": "app", "command": list(COMMAND)}]
    assert task["startedBy"] == of.started_by


def test_a_capacity_provider_takes_the_place_of_the_launch_type(world: World, one_offs: OneOffs) -> None:
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    _fargate(world, capacityProviderStrategy=spot, propagateTags="TASK_DEFINITION")
    of = job(one_offs, "fargate")

    assert asked(world, one_offs, of)["capacityProviderName"] == "FARGATE_SPOT"
    assert (of.like["propagateTags"], "tags" in of.like) == ("TASK_DEFINITION", False)


def _fargate(world: World, **more: Any) -> None:
    world.ecs.register_task_definition(
        family="fargate",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "app", "image": "registry.example/app:v1"}],
    )
    tags = [{"key": "team", "value": "replay"}, {"key": "trueup:family", "value": "api"}]
    world.create("fargate", "fargate:1", networkConfiguration=NETWORK, tags=tags, **more)


# Never twice at once


def test_the_same_command_is_found_again_while_it_runs_and_only_then(world: World, one_offs: OneOffs) -> None:
    of = job(one_offs)
    assert one_offs.under_way(of) == ""
    task = one_offs.start(of, "token")

    assert one_offs.under_way(job(one_offs)) == task
    assert one_offs.under_way(one_offs.job(service(), None, ("other",), "")) == ""
    assert one_offs.under_way(job(one_offs, task_revision=2)) == ""
    world.rehearsal.advance(2 * TASK)
    assert one_offs.under_way(of) == ""


def test_asked_again_with_the_same_token_it_is_one_task(world: World, one_offs: OneOffs, process: Process) -> None:
    of = job(one_offs)
    world.rehearsal.fault("ecs", "RunTask", "drop_after")
    with pytest.raises(TROUBLE) as lost:
        one_offs.start(of, "token")

    task = one_offs.start(of, "token")

    assert not isinstance(lost.value, ClientError | ReadTimeoutError)
    assert world.ecs.list_tasks(cluster=CLUSTER, startedBy=of.started_by)["taskArns"] == [task]
    assert world.writes() == ["RunTask", "RunTask"]


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("RESOURCE:MEMORY", "RESOURCE:MEMORY; the cluster has too little memory free: add capacity"),
        ("AGENT", "the agent on the cluster's instance is not connected"),
        ("ODD", "look at the capacity of the cluster, or try again later"),
    ],
)
def test_a_task_that_is_not_placed_is_an_error_in_words(
    one_offs: OneOffs, process: Process, reason: str, said: str
) -> None:
    of = job(one_offs)
    events = process.connection.writing("ecs").meta.events
    events.register(
        "after-call.ecs.RunTask", lambda parsed, **_: parsed.update(tasks=[], failures=[{"reason": reason}])
    )

    with pytest.raises(Stalled, match=said):
        one_offs.start(of, "token")


# Following it


def test_a_task_is_looked_at_until_its_container_has_an_exit_code(world: World, one_offs: OneOffs) -> None:
    world.rehearsal.command(*COMMAND, exit_code=3)
    of = job(one_offs)
    task = one_offs.start(of, "token")
    seen = [one_offs.look(of, task)]
    for _ in range(2):
        world.rehearsal.advance(TASK)
        seen.append(one_offs.look(of, task))

    why = "EssentialContainerExited: Essential container in task exited"
    assert seen == [Progress("PROVISIONING"), Progress("RUNNING"), Progress("STOPPED", 3, why)]
    assert [each.over for each in seen if each] == [False, False, True]
    world.rehearsal.advance(3600)
    assert one_offs.look(of, task) is None


def test_a_task_that_cannot_start_says_why(world: World, one_offs: OneOffs) -> None:
    world.rehearsal.command(*COMMAND, starts=False)
    of = job(one_offs)
    task = one_offs.start(of, "token")
    world.rehearsal.advance(TASK)

    end = one_offs.look(of, task)

    assert end
    assert (end.over, end.exit_code) == (True, None)
    assert end.why.startswith("TaskFailedToStart: Task failed to start; CannotStartContainerError: ")


def test_every_line_comes_once_from_the_region_of_its_log(world: World, one_offs: OneOffs, process: Process) -> None:
    logs = process.connection.reading("logs", "eu-west-1")
    logs.create_log_group(logGroupName=GROUP)
    world.register(logConfiguration=LOG)
    world.rehearsal.command(*COMMAND, output=["one", "two\nthree", "", "four"])
    of = job(one_offs, task_revision=3)
    assert of.log
    task = one_offs.start(of, "token")
    tail = one_offs.tail(of.log, task)

    assert list(tail.lines()) == [], "the stream is not there yet"
    world.rehearsal.advance(TASK * 1.5)
    assert list(tail.lines()) == ["one", "two", "three"]
    assert list(tail.lines()) == []
    world.rehearsal.advance(TASK)
    assert list(tail.lines()) == ["", "four"]


def test_an_empty_page_is_not_the_end_of_a_log(world: World, one_offs: OneOffs, process: Process) -> None:
    process.connection.reading("logs", "eu-west-1").create_log_group(logGroupName=GROUP)
    world.register(logConfiguration=LOG)
    of = job(one_offs, task_revision=3)
    assert of.log
    task = one_offs.start(of, "token")
    world.rehearsal.advance(2 * TASK)
    pages = iter([{"events": [], "nextForwardToken": f"f/{-1:056d}"}])
    events = process.connection.reading("logs", "eu-west-1").meta.events
    events.register("after-call.cloudwatch-logs.GetLogEvents", lambda parsed, **_: parsed.update(next(pages, {})))

    assert list(one_offs.tail(of.log, task).lines()) == ["the rehearsal ran npx prisma migrate deploy"]
