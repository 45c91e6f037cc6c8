"""A task definition's content: what is laid over it, what counts as the same, and what is shown of a difference."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcilers.contract import Drift, Stalled
from reconcilers.task_definition import (
    drifts,
    mark,
    normalised,
    overlay,
    repository_of,
    retagged,
    runs_overlay,
    same,
)

DIGEST = "sha256:" + "0" * 64


def container(**more: Any) -> dict[str, Any]:
    return {"name": "app", "image": "registry.example/api:v1", **more}


def content(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"family": "api", "containerDefinitions": list(containers or (container(),)), **more}


def variables(**values: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


# Images


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        pytest.param("api", "api", id="a name alone"),
        pytest.param("api:v1", "api", id="a tag"),
        pytest.param("registry.example/team/api:v1", "registry.example/team/api", id="a registry"),
        pytest.param("registry.example:5000/api", "registry.example:5000/api", id="a port is not a tag"),
        pytest.param("registry.example:5000/api:v1", "registry.example:5000/api", id="a port and a tag"),
        pytest.param(f"api@{DIGEST}", "api", id="a digest"),
        pytest.param(f"api:v1@{DIGEST}", "api", id="a tag and a digest"),
        pytest.param(f"registry.example:5000/api@{DIGEST}", "registry.example:5000/api", id="a port and a digest"),
    ],
)
def test_another_tag_or_digest_stays_in_the_same_repository(image: str, repository: str) -> None:
    assert repository_of(image) == repository
    assert retagged(image, "v2") == f"{repository}:v2"
    assert retagged(image, DIGEST) == f"{repository}@{DIGEST}"


# Laying over


@pytest.mark.parametrize(
    ("before", "env", "after"),
    [
        pytest.param({"A": "1"}, {"B": "2"}, {"A": "1", "B": "2"}, id="a variable is added"),
        pytest.param({"A": "1", "B": "1"}, {"A": "2"}, {"A": "2", "B": "1"}, id="a variable is replaced"),
        pytest.param({"A": "1", "B": "1"}, {"A": None}, {"B": "1"}, id="null takes a variable away"),
        pytest.param({"A": "1"}, {"B": None}, {"A": "1"}, id="null for one that is not there"),
        pytest.param({}, {"A": ""}, {"A": ""}, id="an empty value is a value"),
        pytest.param({"A": ""}, {"B": "1"}, {"A": "", "B": "1"}, id="an empty value of the base is kept"),
    ],
)
def test_t6_env_is_laid_over_what_the_base_has(
    before: dict[str, str], env: dict[str, str | None], after: dict[str, str]
) -> None:
    base = content(container(environment=variables(**before)), cpu="256")
    laid = overlay(base, None, None, env)
    told = laid["containerDefinitions"][0].pop("environment")
    assert {each["name"]: each["value"] for each in told} == after
    assert laid == content(cpu="256")


def test_t6_an_empty_value_is_not_the_same_as_none() -> None:
    assert not same(content(container(environment=variables(A=""))), content())


def test_the_base_itself_is_never_changed() -> None:
    base = content(container(environment=variables(A="1")))
    before = deepcopy(base)
    overlay(base, "app", "v2", {"A": "2", "B": "3"})
    assert base == before


@pytest.mark.parametrize(
    ("chosen", "images"),
    [
        pytest.param("app", ["registry.example/api:v2", "registry.example/log:v1"], id="the first"),
        pytest.param("log", ["registry.example/api:v1", "registry.example/log:v2"], id="the second"),
    ],
)
def test_only_the_named_container_is_laid_over(chosen: str, images: list[str]) -> None:
    base = content(container(), container(name="log", image="registry.example/log:v1"))
    laid = overlay(base, chosen, "v2", {"A": "1"})["containerDefinitions"]
    assert [each["image"] for each in laid] == images
    assert [each["name"] for each in laid if "environment" in each] == [chosen]


@pytest.mark.parametrize(
    ("base", "chosen", "words"),
    [
        pytest.param(
            content(container(), container(name="log")),
            None,
            r"several containers \(app, log\): say which one with `container:`",
            id="several, and none named",
        ),
        pytest.param(
            content(container(), container(name="log")),
            "web",
            "has no container 'web'; it has app, log",
            id="several, and none of that name",
        ),
        pytest.param(content(), "web", "has no container 'web'; it has app", id="one, of another name"),
    ],
)
def test_a_container_that_cannot_be_told_stalls(base: dict[str, Any], chosen: str | None, words: str) -> None:
    with pytest.raises(Stalled, match=words):
        overlay(base, chosen, "v2", {})


@pytest.mark.parametrize("value", ["1", "", None])
def test_a_variable_that_the_base_takes_from_a_secret_stalls(value: str | None) -> None:
    base = content(container(secrets=[{"name": "PASSWORD", "valueFrom": "arn:secret"}]))
    with pytest.raises(Stalled, match=r"env\.PASSWORD: the base revision takes this variable from a secret"):
        overlay(base, None, None, {"PASSWORD": value})


def test_nothing_pinned_is_the_base_whatever_containers_it_has() -> None:
    base = content(container(), container(name="log"))
    assert overlay(base, None, None, {}) is base


texts = st.text("abc", max_size=3)
names = st.sampled_from("ABCDE")
envs = st.dictionaries(names, st.one_of(st.none(), texts), max_size=5)
bases = st.builds(
    lambda env, image: content(container(image=image, environment=variables(**env))),
    st.dictionaries(names, texts, max_size=5),
    st.sampled_from(["api", "api:v1", f"api@{DIGEST}", "registry.example:5000/api:v1"]),
)


@given(base=bases, env=envs, tag=st.sampled_from([None, "v2", DIGEST]))
def test_laying_the_same_over_twice_is_laying_it_over_once(
    base: dict[str, Any], env: dict[str, str | None], tag: str | None
) -> None:
    once = overlay(base, None, tag, env)
    assert overlay(once, None, tag, env) == once
    assert runs_overlay(json.dumps(once), json.dumps(base), None, tag, tuple(sorted(env.items())))


# Comparing


MANY: dict[str, Any] = content(
    container(
        environment=variables(A="1", B="2"),
        secrets=[{"name": "S", "valueFrom": "s"}, {"name": "T", "valueFrom": "t"}],
        ulimits=[{"name": "core", "softLimit": 1, "hardLimit": 1}, {"name": "nofile", "softLimit": 1, "hardLimit": 1}],
        portMappings=[{"containerPort": 80}, {"containerPort": 81}],
        volumesFrom=[{"sourceContainer": "log"}, {"sourceContainer": "web"}],
        mountPoints=[{"sourceVolume": "v"}, {"sourceVolume": "w"}],
        links=["log", "web"],
        command=["run", "--fast"],
        entryPoint=["sh", "-c"],
        dependsOn=[{"containerName": "log", "condition": "START"}, {"containerName": "web", "condition": "START"}],
        dnsServers=["10.0.0.1", "10.0.0.2"],
        extraHosts=[{"hostname": "a", "ipAddress": "10.0.0.1"}, {"hostname": "b", "ipAddress": "10.0.0.2"}],
    ),
    container(name="log"),
    requiresCompatibilities=["EC2", "FARGATE"],
    volumes=[{"name": "v"}, {"name": "w"}],
    placementConstraints=[{"type": "memberOf", "expression": "a"}, {"type": "memberOf", "expression": "b"}],
)


def turned(member: str) -> dict[str, Any]:
    """The same content with one list the other way round."""
    other = deepcopy(MANY)
    where = other if member in other else other["containerDefinitions"][0]
    where[member].reverse()
    return other


@pytest.mark.parametrize(
    "member",
    [
        "environment",
        "secrets",
        "ulimits",
        "portMappings",
        "volumesFrom",
        "mountPoints",
        "links",
        "requiresCompatibilities",
        "containerDefinitions",
        "volumes",
    ],
)
def test_t3_order_of_what_ecs_reorders_is_no_difference(member: str) -> None:
    assert same(MANY, turned(member))


@pytest.mark.parametrize(
    "member", ["command", "entryPoint", "dependsOn", "dnsServers", "extraHosts", "placementConstraints"]
)
def test_t3_order_of_what_ecs_keeps_is_a_difference(member: str) -> None:
    assert not same(MANY, turned(member))


@given(st.data())
def test_t3_order_never_matters_where_ecs_keeps_none_and_always_where_it_does(data: st.DataObject) -> None:
    one = data.draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=6))
    other = data.draw(st.permutations(one))
    env = [container(environment=variables(**dict.fromkeys(order, "1"))) for order in (one, other)]
    assert same(content(env[0]), content(env[1]))
    for member in ("command", "entryPoint"):
        ordered = [content(container(**{member: list(order)})) for order in (one, other)]
        assert same(*ordered) is (one == other)
    depends = [
        content(container(dependsOn=[{"containerName": c, "condition": "START"} for c in o])) for o in (one, other)
    ]
    assert same(*depends) is (one == other)


PORT = {"containerPort": 80}
CHECK = {"command": ["CMD", "true"]}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        pytest.param(content(), content(container(cpu=0)), id="cpu 0"),
        pytest.param(content(), content(container(essential=True)), id="essential"),
        pytest.param(content(), content(container(environment=[], mountPoints=[], command=[])), id="empty lists"),
        pytest.param(content(), content(volumes=[], placementConstraints=[]), id="empty lists of the task"),
        pytest.param(
            content(), content(container(linuxParameters={"capabilities": {"add": [], "drop": []}})), id="nested"
        ),
        pytest.param(content(), content(container(user=None)), id="null"),
        pytest.param(
            content(container(portMappings=[PORT])),
            content(container(portMappings=[{**PORT, "hostPort": 0, "protocol": "tcp"}])),
            id="a port in bridge mode",
        ),
        pytest.param(
            content(container(portMappings=[PORT]), networkMode="awsvpc"),
            content(container(portMappings=[{**PORT, "hostPort": 80, "protocol": "tcp"}]), networkMode="awsvpc"),
            id="a port in awsvpc mode",
        ),
        pytest.param(
            content(container(portMappings=[PORT]), networkMode="host"),
            content(container(portMappings=[{**PORT, "hostPort": 80}]), networkMode="host"),
            id="a port in host mode",
        ),
        pytest.param(
            content(container(portMappings=[{"containerPortRange": "80-90"}]), networkMode="awsvpc"),
            content(container(portMappings=[{"containerPortRange": "80-90", "protocol": "tcp"}]), networkMode="awsvpc"),
            id="a range of ports",
        ),
        pytest.param(
            content(container(healthCheck=CHECK)),
            content(container(healthCheck={**CHECK, "interval": 30, "timeout": 5, "retries": 3})),
            id="a health check",
        ),
        pytest.param(content(cpu=256, memory=512), content(cpu="256", memory="512"), id="sizes as strings"),
        pytest.param(content(cpu=".25 vCPU", memory="0.5 GB"), content(cpu="256", memory="512"), id="sizes by unit"),
        pytest.param(content(cpu="1vcpu", memory="2gb"), content(cpu="1024", memory="2048"), id="small letters"),
        pytest.param(content(cpu="1 vCPU", memory="1.5 GB"), content(cpu="1024", memory="1536"), id="a fraction"),
    ],
)
def test_t4_what_ecs_fills_in_is_no_difference(written: dict[str, Any], told: dict[str, Any]) -> None:
    assert same(written, told)
    assert normalised(normalised(told)) == normalised(told)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(content(), content(container(cpu=128)), id="cpu"),
        pytest.param(content(), content(container(essential=False)), id="essential"),
        pytest.param(content(), content(container(readonlyRootFilesystem=False)), id="a false that was declared"),
        pytest.param(
            content(container(portMappings=[PORT])),
            content(container(portMappings=[{**PORT, "hostPort": 8080}])),
            id="a host port of one's own",
        ),
        pytest.param(
            content(container(portMappings=[PORT])),
            content(container(portMappings=[{**PORT, "protocol": "udp"}])),
            id="udp",
        ),
        pytest.param(
            content(container(healthCheck=CHECK)),
            content(container(healthCheck={**CHECK, "interval": 10})),
            id="the interval of a health check",
        ),
        pytest.param(content(cpu="256"), content(cpu="512"), id="size"),
        pytest.param(content(), content(cpu="256"), id="a size where there was none"),
        pytest.param(content(), content(container(logConfiguration={"logDriver": "awslogs"})), id="logs"),
        pytest.param(content(), content(enableFaultInjection=True), id="a member that nothing here has heard of"),
    ],
)
def test_t4_everything_else_is_a_difference(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not same(one, other)


def test_a_size_that_is_none_is_left_as_it_is() -> None:
    assert normalised(content(memory="plenty"))["memory"] == "plenty"


# Showing


@pytest.mark.parametrize(
    ("running", "desired", "shown"),
    [
        pytest.param(content(), content(), [], id="the same"),
        pytest.param(
            content(),
            content(container(image="registry.example/api:v2")),
            [Drift("image_tag", "v1", "v2")],
            id="a tag",
        ),
        pytest.param(
            content(container(image="registry.example:5000/api")),
            content(container(image=f"registry.example:5000/api@{DIGEST}")),
            [Drift("image_tag", "no tag", DIGEST)],
            id="a digest",
        ),
        pytest.param(
            content(),
            content(container(image="registry.example/other:v1")),
            [Drift("image", "registry.example/api:v1", "registry.example/other:v1")],
            id="another repository",
        ),
        pytest.param(
            content(),
            content(container(environment=variables(A="hunter2"))),
            [Drift("env.A", "absent", "the pinned value")],
            id="a variable that is not there",
        ),
        pytest.param(
            content(container(environment=variables(A="hunter2"))),
            content(container(environment=variables(A="hunter3"))),
            [Drift("env.A", "another value", "the pinned value")],
            id="a variable with another value",
        ),
        pytest.param(
            content(container(environment=variables(A="hunter2"))),
            content(),
            [Drift("env.A", "another value", "absent")],
            id="a variable that must go",
        ),
        pytest.param(
            content(container(environment=variables(A=""))),
            content(),
            [Drift("env.A", "another value", "absent")],
            id="an empty variable that must go",
        ),
        pytest.param(
            content(container(name="old")),
            content(container(environment=variables(A="hunter2"))),
            [
                Drift("image", "none", "registry.example/api:v1"),
                Drift("env.A", "absent", "the pinned value"),
            ],
            id="a container that is not there",
        ),
        pytest.param(content(cpu="1"), content(cpu="2"), [], id="nothing that has a name"),
    ],
)
def test_a_difference_is_shown_by_name_and_never_by_value(
    running: dict[str, Any], desired: dict[str, Any], shown: list[Drift]
) -> None:
    assert list(drifts(running, desired)) == shown
    assert "hunter" not in repr(drifts(running, desired))


def test_t5_what_only_aws_declares_is_no_drift_of_the_overlay() -> None:
    base = content(container(environment=variables(A="1")))
    told = overlay(base, None, "v2", {})
    told["containerDefinitions"][0] |= {"cpu": 0, "essential": True, "systemControls": []}
    assert runs_overlay(json.dumps(told), json.dumps(base), None, "v2", ())
    assert drifts(told, overlay(base, None, "v2", {})) == ()


# Whose it is


@given(st.permutations(["A", "B", "C"]))
def test_a_mark_does_not_depend_on_order(order: list[str]) -> None:
    both = [container(environment=variables(**dict.fromkeys(order, "1"))), container(name="log")]
    marks = {mark("api:1", content(*containers)) for containers in (both, both[::-1])}
    assert marks == {mark("api:1", content(container(environment=variables(A="1", B="1", C="1")), both[1]))}


@pytest.mark.parametrize(
    ("base", "other"),
    [
        pytest.param("api:2", content(), id="another base"),
        pytest.param("api:1", content(container(image="registry.example/api:v2")), id="another image"),
        pytest.param("api:1", content(container(environment=variables(A=""))), id="another variable"),
        pytest.param("api:1", content(container(name="web")), id="another container"),
        pytest.param("api:1", content(container(), container(name="log")), id="one container more"),
    ],
)
def test_a_mark_tells_whose_revision_it_is(base: str, other: dict[str, Any]) -> None:
    assert mark(base, other) != mark("api:1", content())


def test_a_mark_survives_what_ecs_fills_in() -> None:
    assert mark("api:1", content(container(cpu=0, environment=[]))) == mark("api:1", content())
    assert len(mark("api:1", content())) == 40
