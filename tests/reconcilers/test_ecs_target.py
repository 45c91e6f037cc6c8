"""Which revision a service must run: the pinned one, or a base with the file's overlay."""

import json
from typing import Any

import boto3
import pytest

from reconcilers.contract import Absent, Condition, Result
from reconcilers.ecs_target import Target
from reconcilers.task_definition import same
from tests.reconcilers.ecs_world import CLUSTER, NAME, Process, World, arn, pinned

ACCOUNT = "123456789012"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/team/api"


def settled(world: World, process: Process, **more: Any) -> None:
    """Passes with this pin until ECS and trueup rest; then everything so far is forgotten."""
    pin = pinned(**more)
    process.pass_over(pin)
    world.settle()
    outcome = process.pass_over(pin)
    assert (outcome.condition, outcome.reason) == (Condition.IN_SYNC, "")
    world.forget()


def target(process: Process, **more: Any) -> Target:
    found = process.observe(pinned(**more)).target
    assert found is not None
    return found


# A base and what is laid over it


def test_an_overlay_is_one_new_revision_that_differs_from_its_base_in_nothing_else(
    world: World, process: Process
) -> None:
    whole = {
        "environment": [{"name": "A", "value": "1"}, {"name": "EMPTY", "value": ""}],
        "secrets": [{"name": "PASSWORD", "valueFrom": "arn:aws:secretsmanager:us-east-1:1:secret:x"}],
        "healthCheck": {"command": ["CMD", "true"]},
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "api"}},
        "dockerLabels": {"team": "replay"},
        "command": ["serve", "--fast"],
        "restartPolicy": {"enabled": True},
    }
    base = world.register(tags={"team": "replay", "aws:kept": "no"}, **whole)
    world.forget()
    process.pass_over(pinned(task_revision=3, image_tag="v9", env={"A": None, "B": "2"}))
    assert world.writes() == ["RegisterTaskDefinition", "UpdateService"]
    before, after = world.revision(base), world.revision("api:4")
    assert after["tags"].pop("trueup:overlay")
    assert after["tags"] == {"team": "replay", "trueup:base": "api:3", "trueup:commit": "c1"}
    app = after["containerDefinitions"][0]
    assert app.pop("image") == "registry.example/api:v9"
    assert {each["name"]: each["value"] for each in app.pop("environment")} == {"EMPTY": "", "B": "2"}
    for member in ("image", "environment"):
        del before["containerDefinitions"][0][member]
    for member in ("taskDefinitionArn", "revision", "tags", "registeredAt"):
        before.pop(member)
        after.pop(member, None)
    assert same(before, after)


def test_t1_only_what_registering_takes_is_sent(world: World, process: Process) -> None:
    text = target(process, task_revision=1, env={"A": "1"}).text
    takes = process.connection.writing("ecs").meta.service_model.operation_model("RegisterTaskDefinition").input_shape
    assert json.loads(text).keys() < set(takes.members)
    assert not json.loads(text).keys() & {"revision", "status", "taskDefinitionArn", "registeredAt", "compatibilities"}


def test_t1_a_base_without_tags_gets_only_ours(world: World, process: Process) -> None:
    process.pass_over(pinned(task_revision=1, env={"A": "1"}))
    assert world.revision("api:3")["tags"].keys() == {"trueup:base", "trueup:overlay", "trueup:commit"}


def test_t7_an_equal_revision_is_deployed_and_none_is_registered(world: World, process: Process) -> None:
    settled(world, process, task_revision=1, image_tag="v2")
    assert world.revisions() == ["api:2", "api:1"]
    assert world.runs() == "api:2"


def test_t7_what_runs_already_is_left_alone(world: World, process: Process) -> None:
    pin = {"task_revision": 1, "image_tag": "v7"}
    settled(world, process, **pin)
    for each in (process, Process()):
        assert each.pass_over(pinned(**pin)).condition is Condition.IN_SYNC
    assert process.calls == {"DescribeServices": 1}
    assert world.writes() == []


def test_t7_pinning_the_same_again_reuses_the_revision(world: World, process: Process) -> None:
    settled(world, process, task_revision=1, env={"A": "1"})
    settled(world, process, task_revision=1)
    settled(world, Process(), task_revision=1, env={"A": "1"})
    assert (world.runs(), world.revisions()) == ("api:3", ["api:3", "api:2", "api:1"])


def test_t7_an_unpinned_base_that_already_is_what_is_asked_for_is_run_itself(world: World, process: Process) -> None:
    settled(world, process, env={"A": "1"})
    settled(world, process, image_tag="v1")  # what the base has anyhow, and A is gone again
    assert (world.runs(), world.revisions()) == ("api:1", ["api:3", "api:2", "api:1"])


def test_an_equal_revision_is_looked_for_among_the_newest_hundred_active_ones(
    world: World, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconcilers.ecs_reads._REVISIONS", 3)
    for number in range(3, 6):
        world.register(image=f"registry.example/api:v{number}")
    world.ecs.deregister_task_definition(taskDefinition="api:4")
    assert target(process, task_revision=1, image_tag="v3").arn == arn("api:3")  # 5, 3 and 2
    assert target(process, task_revision=1, image_tag="v4").arn == ""
    world.register(image="registry.example/api:v6")
    assert target(process, task_revision=1, image_tag="v2").arn == ""


@pytest.mark.parametrize("fault", ["concurrent", "drop_before", "drop_after", "throttle"])
def test_t8_registering_that_went_wrong_is_tried_again_and_registers_once(
    world: World, process: Process, fault: str
) -> None:
    world.rehearsal.fault("ecs", "RegisterTaskDefinition", fault)
    pin = pinned(task_revision=1, env={"A": "1"})
    outcome = process.pass_over(pin)
    unknown = fault.startswith("drop")
    assert (outcome.condition, outcome.attempts[0].result) == (
        Condition.RETRYING,
        Result.UNKNOWN if unknown else Result.FAILED,
    )
    process.pass_over(pin)
    assert world.revisions() == ["api:3", "api:2", "api:1"]
    assert world.updates() == [{"taskDefinition": arn("api:3")}]


@pytest.mark.parametrize(("size", "fits"), [(60_000, True), (65_536, False)])
def test_t9_a_definition_that_is_too_large_is_refused_before_it_is_sent(
    world: World, process: Process, size: int, fits: bool
) -> None:
    env = {f"A{number}": "x" * 4_000 for number in range(size // 4_000)}
    outcome = process.pass_over(pinned(task_revision=1, env=env | {"LAST": "x" * (size % 4_000)}))
    assert world.writes() == (["RegisterTaskDefinition", "UpdateService"] if fits else [])
    assert outcome.condition is (Condition.PROGRESSING if fits else Condition.STALLED)
    assert ("ECS takes 65536; shorten `env`" in outcome.reason) is not fits


# The base


def test_an_unpinned_base_works_and_says_how_to_pin_it(world: World, process: Process) -> None:
    for _ in range(2):
        settled(world, process, env={"A": "1"})
        advice = process.observe(pinned(env={"A": "1"})).advice
        assert [each.type for each in advice] == ["base_not_pinned"]
        assert "add `task_revision: 1` to pin it" in advice[0].message
    settled(world, process, env={"B": "1"})
    assert world.environment(world.runs()) == {"B": "1"}
    assert world.revision(world.runs())["tags"]["trueup:base"] == "api:1"


def test_an_unpinned_base_of_another_family_is_pinned_with_it(world: World, process: Process) -> None:
    world.register("web")
    settled(world, process, task_revision="web:1")
    message = process.observe(pinned(env={"A": "1"})).advice[0].message
    assert "add `task_revision: web:1`" in message


def test_a_pinned_base_is_no_news(world: World, process: Process) -> None:
    assert process.observe(pinned(task_revision=1, env={"A": "1"})).advice == ()


def test_reverting_the_first_overlay_returns_to_what_ran_before_it(world: World, process: Process) -> None:
    settled(world, process, image_tag="v7")
    assert world.runs() == "api:3"
    settled(world, Process())
    assert world.runs() == "api:1"
    assert process.pass_over(pinned()).condition is Condition.IN_SYNC
    assert world.writes() == []


def test_reverting_the_commit_that_added_a_variable_removes_it(world: World, process: Process) -> None:
    settled(world, process, env={"A": "1"})
    settled(world, process, env={"A": "1", "B": "2"})
    settled(world, Process(), env={"A": "1"})
    assert world.environment(world.runs()) == {"A": "1"}
    assert world.revisions() == ["api:4", "api:3", "api:2", "api:1"]


def test_what_a_person_deployed_since_is_not_undone(world: World, process: Process) -> None:
    settled(world, process, image_tag="v7")
    world.ecs.update_service(cluster=CLUSTER, service=NAME, taskDefinition="api:2")
    world.settle()
    world.forget()
    assert process.pass_over(pinned()).condition is Condition.IN_SYNC
    assert world.writes() == []


def clone(world: World, name: str, **changed: Any) -> str:
    """What a pipeline makes of a revision: all of it with its tags, and something changed."""
    before = world.revision(name)
    return world.register_all([before["containerDefinitions"][0] | changed], tags=before["tags"])


def test_a_clone_with_our_tags_is_not_ours(world: World, process: Process) -> None:
    settled(world, process, image_tag="v7")
    other = clone(world, "api:3", image="registry.example/api:v8")
    world.ecs.update_service(cluster=CLUSTER, service=NAME, taskDefinition=other)
    world.settle()
    world.forget()
    assert process.pass_over(pinned()).condition is Condition.IN_SYNC
    assert (world.runs(), world.writes()) == (other, [])
    assert process.observe(pinned(env={"A": "1"})).advice[0].message.endswith("add `task_revision: 4` to pin it")


@pytest.mark.parametrize("base", ["", "api", "api:x", "api:3:4", "arn:aws:ecs:api:3"])
def test_a_base_that_is_no_revision_is_no_base(world: World, process: Process, base: str) -> None:
    world.register(image="registry.example/api:v3", tags={"trueup:base": base, "trueup:overlay": "x"})
    world.ecs.update_service(cluster=CLUSTER, service=NAME, taskDefinition="api:3")
    world.settle()
    assert process.observe(pinned()).target is None


def test_revisions_that_name_each_other_as_their_base_end_somewhere(
    world: World, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconcilers.ecs_target.mark", lambda base, content: "forged")
    for base in ("api:4", "api:3"):
        world.register(tags={"trueup:base": base, "trueup:overlay": "forged"})
    world.ecs.update_service(cluster=CLUSTER, service=NAME, taskDefinition="api:3")
    world.settle()
    process.observe(pinned())
    assert process.calls["DescribeTaskDefinition"] <= 5


# Revisions that ECS does not take any more


def retire(world: World, name: str, state: str) -> None:
    world.ecs.deregister_task_definition(taskDefinition=name)
    if state == "DELETE_IN_PROGRESS":
        world.ecs.delete_task_definitions(taskDefinitions=[name])
    world.forget()


@pytest.mark.parametrize("state", ["INACTIVE", "DELETE_IN_PROGRESS"])
def test_t10_a_retired_revision_runs_under_a_new_number(world: World, process: Process, state: str) -> None:
    world.register(image="registry.example/api:v3", command=["old"])
    retire(world, "api:3", state)
    settled(world, process, task_revision=3)
    assert world.runs() == "api:4"
    assert world.revision("api:4")["containerDefinitions"][0]["command"] == ["old"]
    for each in (process, Process()):
        assert each.pass_over(pinned(task_revision=3)).condition is Condition.IN_SYNC
    assert world.writes() == []
    process.pass_over(pinned(task_revision=3))
    assert process.calls == {"DescribeServices": 1}


def test_t10_a_revision_that_was_retired_after_it_was_read_is_not_deployed(world: World, process: Process) -> None:
    assert target(process, task_revision=2).arn == arn("api:2")
    retire(world, "api:2", "INACTIVE")
    found = target(process, task_revision=2)
    assert (found.arn, found.base) == ("", arn("api:2"))


def test_t10_a_retired_base_still_carries_an_overlay(world: World, process: Process) -> None:
    retire(world, "api:2", "INACTIVE")
    settled(world, process, task_revision=2, env={"A": "1"})
    assert world.revision("api:3")["containerDefinitions"][0]["image"] == "registry.example/api:v2"


def test_t10_the_way_back_to_a_retired_base_is_a_copy_of_it(world: World, process: Process) -> None:
    settled(world, process, env={"A": "1"})
    retire(world, "api:1", "INACTIVE")
    settled(world, process)
    assert (world.runs(), world.environment("api:4")) == ("api:4", {})
    assert process.pass_over(pinned()).condition is Condition.IN_SYNC


def test_t10_nothing_is_ever_deregistered(world: World, process: Process) -> None:
    settled(world, process, env={"A": "1"})
    settled(world, process, env={"A": "2"})
    settled(world, process)
    assert world.revisions() == ["api:4", "api:3", "api:2", "api:1"]


@pytest.mark.parametrize("more", [{}, {"env": {"A": "1"}}])
def test_a_revision_that_is_not_there_is_absent(world: World, process: Process, more: dict[str, Any]) -> None:
    outcome = process.pass_over(pinned(task_revision=9, **more))
    assert isinstance(outcome.error, Absent)
    assert outcome.reason.startswith("there is no task definition api:9; pin a revision that exists")
    assert world.writes() == []


def test_t2_a_member_that_botocore_would_drop_is_not_cloned(world: World, process: Process) -> None:
    _with_unknown_member(process)
    outcome = process.pass_over(pinned(task_revision=1, env={"A": "1"}))
    assert (outcome.condition, world.writes()) == (Condition.STALLED, [])
    assert (
        "api:1 carries taskDefinition.containerDefinitions.newFeature, which this version of trueup" in outcome.reason
    )
    assert "pin it with task_revision" in outcome.reason


def test_t2_such_a_revision_can_be_pinned_as_it_is(world: World, process: Process) -> None:
    _with_unknown_member(process)
    settled(world, process, task_revision=2)
    assert world.runs() == "api:2"


def _with_unknown_member(process: Process) -> None:
    """What ECS answers once it has a member that this botocore has not heard of."""

    def add(response_dict: dict[str, Any], **_: object) -> None:
        body = json.loads(response_dict["body"])
        body["taskDefinition"]["containerDefinitions"][0]["newFeature"] = {"mode": "on"}
        response_dict["body"] = json.dumps(body).encode()

    process.connection.reading("ecs").meta.events.register_first("before-parse.ecs.DescribeTaskDefinition", add)


# Images


@pytest.fixture
def ecr(world: World) -> Any:
    """A repository with the tags v1 and v2; the service runs v1 from it as api:3."""
    ecr = boto3.client("ecr", "us-east-1")
    ecr.create_repository(repositoryName="team/api")
    for tag in ("v1", "v2"):
        manifest = json.dumps({"schemaVersion": 2, "mediaType": "x", "config": {"digest": tag}, "layers": []})
        ecr.put_image(repositoryName="team/api", imageTag=tag, imageManifest=manifest)
    world.register(image=f"{REPOSITORY}:v1")
    world.ecs.update_service(cluster=CLUSTER, service=NAME, taskDefinition="api:3")
    world.settle()
    world.forget()
    return ecr


def digest(ecr: Any, tag: str) -> str:
    return ecr.describe_images(repositoryName="team/api", imageIds=[{"imageTag": tag}])["imageDetails"][0][
        "imageDigest"
    ]


def test_t12_a_tag_that_ecr_has_is_deployed(world: World, process: Process, ecr: Any) -> None:
    settled(world, process, task_revision=3, image_tag="v2")
    assert world.revision(world.runs())["containerDefinitions"][0]["image"] == f"{REPOSITORY}:v2"


def test_t12_a_digest_that_ecr_has_is_deployed(world: World, process: Process, ecr: Any) -> None:
    found = digest(ecr, "v2")
    settled(world, process, task_revision=3, image_tag=found)
    assert world.revision(world.runs())["containerDefinitions"][0]["image"] == f"{REPOSITORY}@{found}"


@pytest.mark.parametrize("tag", ["v9", "sha256:" + "0" * 64])
def test_t12_an_image_that_ecr_has_not_stalls_before_any_write(
    world: World, process: Process, ecr: Any, tag: str
) -> None:
    outcome = process.pass_over(pinned(task_revision=3, image_tag=tag))
    assert (outcome.condition, world.writes()) == (Condition.STALLED, [])
    assert f"ECR repository team/api has no image {tag}; pin a tag that exists" in outcome.reason


def test_t12_an_empty_answer_of_ecr_is_no_image(world: World, process: Process, ecr: Any) -> None:
    process.connection.reading("ecr", "us-east-1").meta.events.register(
        "after-call.ecr.DescribeImages", lambda parsed, **_: parsed.update(imageDetails=[])
    )
    assert process.pass_over(pinned(task_revision=3, image_tag="v2")).condition is Condition.STALLED


def test_an_image_of_another_registry_is_not_looked_for(world: World, process: Process) -> None:
    settled(world, process, task_revision=1, image_tag="v7")
    assert "DescribeImages" not in process.calls


# What cannot be


@pytest.mark.parametrize(
    ("container", "more", "words"),
    [
        pytest.param(
            {"secrets": [{"name": "A", "valueFrom": "arn:x"}]},
            {"env": {"A": "1"}},
            "env.A: the base revision takes this variable from a secret",
            id="a variable that the base takes from a secret",
        ),
        pytest.param({}, {"env": {"A": "1"}, "container": "web"}, "has no container 'web'", id="no such container"),
    ],
)
def test_what_cannot_be_laid_over_stalls_before_any_write(
    world: World, process: Process, container: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    world.register(**container)
    world.forget()
    outcome = process.pass_over(pinned(task_revision=3, **more))
    assert (outcome.condition, world.writes()) == (Condition.STALLED, [])
    assert words in outcome.reason


def test_several_containers_need_one_to_be_named(world: World, process: Process) -> None:
    sidecar = {"name": "log", "image": "registry.example/log:v1", "memory": 64}
    world.register_all([{"name": "app", "image": "registry.example/api:v1", "memory": 128}, sidecar])
    world.forget()
    outcome = process.pass_over(pinned(task_revision=3, image_tag="v2"))
    assert (outcome.condition, world.writes()) == (Condition.STALLED, [])
    assert "several containers (app, log): say which one with `container:`" in outcome.reason
    settled(world, process, task_revision=3, image_tag="v2", container="log")
    images = [each["image"] for each in world.revision(world.runs())["containerDefinitions"]]
    assert images == ["registry.example/api:v1", "registry.example/log:v2"]


def test_no_value_of_a_variable_is_ever_shown(world: World, process: Process) -> None:
    world.register(environment=[{"name": "A", "value": "hunter2"}])
    settled(world, process, task_revision=3)
    outcome = process.pass_over(pinned(task_revision=3, env={"A": "hunter3", "B": "hunter4"}))
    shown = f"{outcome.reason} {outcome.drifts} {[change.verb for change in outcome.changes]}"
    assert [drift.field for drift in outcome.drifts] == ["env.A", "env.B"]
    assert "hunter" not in shown
