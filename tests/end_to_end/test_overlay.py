"""A tag and variables laid over a revision: one new revision, equal in everything else, and gone with its commit."""

import json

import pytest

from rehearsal.replaydash_names import BAD_TAG, GOOD_TAG, LIVE_TAG, PREVIOUS_TAG
from tests.end_to_end.inside import Inside
from tests.end_to_end.world import CLUSTER, SERVICE, WORKER, World, api, eventually, production

FROM_AWS = {"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt"}
FROM_AWS |= {"registeredBy"}


def test_a_tag_registers_one_revision_that_differs_from_its_base_in_the_image_alone(replaydash: World) -> None:
    replaydash.git.commit(api("task_revision: 124", f"image_tag: {GOOD_TAG}"), "Release")
    done = replaydash.once()

    assert done.returncode == 0, done.stderr
    assert replaydash.writes() == ["RegisterTaskDefinition", "UpdateService"]
    base, made = _revision(replaydash, 124), _revision(replaydash, 125)
    before, after = _registerable(base), _registerable(made)
    images = [definition["containerDefinitions"][0].pop("image") for definition in (before, after)]
    assert [image.rpartition(":")[2] for image in images] == [LIVE_TAG, GOOD_TAG]
    assert after == before
    assert {"secrets", "healthCheck", "dependsOn", "ulimits", "linuxParameters"} <= after["containerDefinitions"][
        0
    ].keys()
    assert after["containerDefinitions"][1]["restartPolicy"], "the sidecar is as it was"
    kept = {key: value for key, value in _tags(made).items() if not key.startswith("trueup:")}
    assert kept == _tags(base)
    assert _tags(made)["trueup:base"] == f"{SERVICE}:124"


def test_a_tag_that_is_pinned_again_reuses_its_revision(replaydash: World) -> None:
    pinned = replaydash.git.commit(api("task_revision: 124", f"image_tag: {GOOD_TAG}"))
    daemon = replaydash.daemon()
    eventually(lambda: daemon.in_sync(pinned))
    first = replaydash.service()["taskDefinition"]
    away = replaydash.git.commit(api("task_revision: 123"))
    eventually(lambda: daemon.in_sync(away))

    again = replaydash.git.revert()
    eventually(lambda: daemon.in_sync(again))
    released = replaydash.git.commit(api("task_revision: 124", f"image_tag: {LIVE_TAG}"))
    eventually(lambda: daemon.in_sync(released))

    assert first.endswith(":125")
    assert replaydash.settled_on("124"), "the base itself carries that tag"
    assert replaydash.writes().count("RegisterTaskDefinition") == 1
    assert replaydash.writes().count("UpdateService") == 4


def test_a_base_that_carries_what_this_botocore_does_not_know_is_never_cloned(replaydash: World) -> None:
    """A clone that loses a field silently is the runbook's own bug: so it stalls, and says which field."""
    definition = _registerable(_revision(replaydash, 124))
    definition["containerDefinitions"][0]["gracefulDrainPolicy"] = {"seconds": 30}
    arn = _register_raw(replaydash, definition)
    replaydash.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=arn)
    eventually(lambda: replaydash.settled_on("125"))
    replaydash.aws.clear_calls()

    replaydash.git.commit(api("task_revision: 125", f"image_tag: {GOOD_TAG}"))
    refused = replaydash.once()

    assert refused.returncode == 1
    assert "gracefulDrainPolicy" in refused.stderr
    assert replaydash.writes() == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param(["image_tag: v20990101-000000"], "has no image v20990101-000000", id="a tag that ECR lacks"),
        pytest.param([f"image_tag: sha256:{'0' * 64}"], "has no image sha256:000", id="a digest that ECR lacks"),
        pytest.param(["env:", "  DATABASE_URL: here"], "takes this variable from a secret", id="a secret's own name"),
        pytest.param(["container: web", "image_tag: v1"], "no container 'web'", id="a container that is not there"),
    ],
)
def test_what_cannot_be_is_refused_before_any_write(replaydash: World, lines: list[str], said: str) -> None:
    text = api("task_revision: 124", *lines)
    if lines[0].startswith("container:"):
        text = text.replace("    container: api\n", "")
    replaydash.git.commit(text)
    run = Inside(replaydash)

    run.converge()

    assert run.conditions()["api"] == "stalled"
    assert said in run.reasons()["api"]
    assert replaydash.writes() == []


def test_a_digest_is_pinned_as_a_digest(replaydash: World) -> None:
    found = replaydash.client("ecr").describe_images(repositoryName=SERVICE, imageIds=[{"imageTag": GOOD_TAG}])
    digest = found["imageDetails"][0]["imageDigest"]
    replaydash.git.commit(api("task_revision: 124", f"image_tag: {digest}"))

    done = replaydash.once()

    assert done.returncode == 0, done.stderr
    assert replaydash.running()["taskDefinition"]["containerDefinitions"][0]["image"].endswith(f"@{digest}")


def test_variables_are_set_emptied_and_taken_away_and_a_revert_removes_them(replaydash: World) -> None:
    daemon = replaydash.following(api("task_revision: 124"))

    added = replaydash.git.commit(api("task_revision: 124", "env:", '  NEW: "on"', "  EMPTY: ''", "  OLD_FLAG: null"))
    eventually(lambda: daemon.in_sync(added))
    with_it = _environment(replaydash)
    reverted = replaydash.git.revert()
    eventually(lambda: daemon.in_sync(reverted))

    before = {
        v["name"]: v["value"]
        for v in _revision(replaydash, 124)["taskDefinition"]["containerDefinitions"][0]["environment"]
    }
    assert with_it == {**{k: v for k, v in before.items() if k != "OLD_FLAG"}, "NEW": "on", "EMPTY": ""}
    assert replaydash.settled_on("124")
    assert _environment(replaydash) == before
    assert replaydash.writes() == ["RegisterTaskDefinition", "UpdateService", "UpdateService"]


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(["image_tag: " + GOOD_TAG], id="a tag"),
        pytest.param(["env:", "  LOG_LEVEL: warn"], id="a variable"),
        pytest.param(["image_tag: " + GOOD_TAG, "env:", "  LOG_LEVEL: warn", "  OLD_FLAG: null"], id="both"),
        pytest.param(["image_tag: " + GOOD_TAG, "desired_count: 0"], id="both, and a shutdown"),
    ],
)
def test_the_revert_of_the_first_commit_that_pins_anything_restores_what_ran(
    replaydash: World, first: list[str]
) -> None:
    replaydash.git.commit(api())
    replaydash.git.commit(api(*first))
    run = Inside(replaydash)
    run.converge()
    assert run.in_sync(), run.reasons()
    assert not replaydash.primary()["taskDefinition"].endswith(":124")

    replaydash.git.revert()
    again = Inside(replaydash)
    again.converge()

    assert again.in_sync(), again.reasons()
    assert replaydash.settled_on("124")
    assert replaydash.service()["desiredCount"] == 4


def test_the_first_tag_after_another_is_reverted_to_what_ran_before_both(replaydash: World) -> None:
    daemon = replaydash.following(api())
    for tag in (GOOD_TAG, PREVIOUS_TAG):
        commit = replaydash.git.commit(api(f"image_tag: {tag}"))
        eventually(lambda commit=commit: daemon.in_sync(commit))
    assert daemon.resource()["advice"][0]["type"] == "base_not_pinned"
    assert "add `task_revision: 124`" in daemon.resource()["advice"][0]["message"]

    replaydash.git.run("revert", "--no-edit", "HEAD", "HEAD~1")
    back = replaydash.git.run("rev-parse", "HEAD")
    eventually(lambda: daemon.in_sync(back))

    assert replaydash.settled_on("124")


def test_a_shutdown_suspends_autoscaling_and_its_revert_resumes_both(replaydash: World) -> None:
    daemon = replaydash.following(production(worker=[]))
    before = replaydash.service(WORKER)["tags"]

    down = replaydash.git.commit(production(worker=["desired_count: 0"]))
    eventually(lambda: daemon.in_sync(down))
    stopped, suspended = replaydash.service(WORKER), _suspended(replaydash)
    back = replaydash.git.revert()
    eventually(lambda: daemon.in_sync(back))

    assert (stopped["desiredCount"], stopped["runningCount"]) == (0, 0)
    assert suspended == {True}
    assert replaydash.service(WORKER)["desiredCount"] == 3
    assert _suspended(replaydash) == {False}
    assert replaydash.service(WORKER)["tags"] == before, "what was remembered is forgotten"
    going = ["TagResource", "RegisterScalableTarget", "UpdateService"]
    assert replaydash.writes() == [*going, "UpdateService", "RegisterScalableTarget", "UntagResource"]


def test_a_count_outside_the_band_of_autoscaling_is_refused_and_one_inside_is_left_alone(replaydash: World) -> None:
    replaydash.git.commit(production(worker=["desired_count: 11"]))
    refused = replaydash.once()
    replaydash.git.commit(production(worker=["desired_count: 5"]))
    kept = replaydash.once()

    assert refused.returncode == 1
    assert "outside what autoscaling allows (2 to 10)" in refused.stderr
    assert kept.returncode == 0
    assert replaydash.writes() == []


def test_a_revision_of_another_family_runs_and_a_number_returns_to_its_own(replaydash: World) -> None:
    foreign = _registerable(_revision(replaydash, 123)) | {"family": "replaydash-canary"}
    replaydash.client("ecs").register_task_definition(**foreign)
    replaydash.git.commit(api('task_revision: "replaydash-canary:1"'))
    assert replaydash.once().returncode == 0
    assert replaydash.service()["taskDefinition"].endswith("/replaydash-canary:1")

    replaydash.git.commit(api("task_revision: 123"))
    done = replaydash.once()

    assert done.returncode == 0, done.stderr
    assert replaydash.settled_on("123")
    assert replaydash.service()["taskDefinition"].endswith(f"/{SERVICE}:123")


def test_a_retired_revision_runs_again_under_a_new_number(replaydash: World) -> None:
    """ECS refuses an INACTIVE revision for new tasks: its content is what was pinned."""
    replaydash.client("ecs").deregister_task_definition(taskDefinition=f"{SERVICE}:122")
    replaydash.aws.clear_calls()
    replaydash.git.commit(api("task_revision: 122"))

    done = replaydash.once()

    assert done.returncode == 0, done.stderr
    assert replaydash.writes() == ["RegisterTaskDefinition", "UpdateService"]
    assert _registerable(_revision(replaydash, 125)) == _registerable(_revision(replaydash, 122))


def test_a_bad_tag_is_said_to_be_bad_and_not_missing(replaydash: World) -> None:
    """A tag that ECR has and that no task survives is tried once: only ECS can know."""
    replaydash.git.commit(api("task_revision: 124", f"image_tag: {BAD_TAG}"))

    done = replaydash.once()

    assert done.returncode == 1
    assert "has no image" not in done.stderr
    assert "ECS gave up the rollout" in done.stderr


def _revision(world: World, number: int) -> dict:
    return world.client("ecs").describe_task_definition(taskDefinition=f"{SERVICE}:{number}", include=["TAGS"])


def _registerable(told: dict) -> dict:
    content = {name: value for name, value in told["taskDefinition"].items() if name not in FROM_AWS}
    content.pop("deregisteredAt", None)
    for container in content["containerDefinitions"]:
        container["environment"] = sorted(container.get("environment", []), key=lambda each: each["name"])
    return json.loads(json.dumps(content))


def _tags(told: dict) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in told["tags"]}


def _environment(world: World) -> dict[str, str]:
    container = world.running()["taskDefinition"]["containerDefinitions"][0]
    return {variable["name"]: variable["value"] for variable in container["environment"]}


def _suspended(world: World) -> set[bool]:
    scaling = world.client("application-autoscaling")
    target = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]
    return set(target["SuspendedState"].values())


def _register_raw(world: World, definition: dict) -> str:
    """RegisterTaskDefinition by somebody whose SDK is newer than ours."""
    ecs = world.client("ecs")

    def add(params: dict, **_: object) -> None:
        params["body"] = json.dumps(definition).encode()

    ecs.meta.events.register("before-call.ecs.RegisterTaskDefinition", add)
    told = ecs.register_task_definition(family=SERVICE, containerDefinitions=[{"name": "api", "image": "x"}])
    return told["taskDefinition"]["taskDefinitionArn"]
