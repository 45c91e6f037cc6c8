"""`trueup adopt`: a first file from what is live, which plans no change, in whatever shape somebody built it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess
from typing import Any

import pytest

from desired_state.model import Environment
from desired_state.parse import parse
from rehearsal.replaydash_names import PASSWORD, URL
from rehearsal.server import Pace, Rehearsal
from rehearsal.wire import Answer, Refused, Request, decode, refusal
from tests.end_to_end.clusters import MARK, ROLLOUT, Builder, Cluster
from tests.end_to_end.world import CLUSTER, FILE, SERVICE, WORKER, Git, World

HERE = ("--region", "us-east-1")
WORLDS = 50
LIVE = """
version: 1
environment: replaydash-production

aws:
  region: us-east-1
  account: "123456789012"

services:
  api:
    cluster: replaydash-production-cluster
    service: replaydash-production-api
    task_revision: 124
    # image_tag: v20240227-163000   # what 124 runs
    container: api   # what image_tag and env are for
    # its other containers: otel
    desired_count: 4
    databases: [postgres]
  worker:
    cluster: replaydash-production-cluster
    service: replaydash-production-worker
    task_revision: 58
    # image_tag: v20240226-110000   # what 58 runs
    # desired_count: 3   # autoscaling decides, between 2 and 10
    databases: [postgres]

databases:
  postgres:
    secret: replaydash-production/db/password
    endpoint: replaydash-production-postgres.abc123.us-east-1.rds.amazonaws.com:5432

maintenance:
  enabled: false
  load_balancer: replaydash-production-alb
  port: 443

# What could be verified after every change: take away the # of what you want.
# verify:
#   target_group_healthy: {load_balancer: replaydash-production-alb}
#   running_tasks: true
#   logs: {group: /ecs/replaydash-production-api, pattern: "?ERROR ?FATAL", at_most: 0, over: 5m}
#   for: 60s
# other log groups: /ecs/replaydash-production-worker
"""


def refusing(aws: Rehearsal, monkeypatch: pytest.MonkeyPatch, *denied: str) -> None:
    """From now on nobody may call these operations, nor any of a service that is named."""
    answer = aws.answer

    def refuse(request: Request) -> Answer:
        call = decode(request)
        if not {call.service, call.operation}.intersection(denied):
            return answer(request)
        message = f"User: arn:aws:iam::123456789012:user/x is not authorized to perform: {call.operation}"
        return refusal(call, Refused("AccessDeniedException" if call.protocol != "query" else "AccessDenied", message))

    monkeypatch.setattr(aws, "answer", refuse)


def adopted(done: CompletedProcess[str]) -> Environment:
    """What the printed file says."""
    return parse(done.stdout.encode(), "adopted.yaml")


# --- ReplayDash


def test_what_is_live_becomes_a_file_that_plans_no_change(replaydash: World) -> None:
    done = replaydash.trueup("adopt", CLUSTER, *HERE, "--write", FILE)
    planned = replaydash.trueup("plan", FILE)

    assert (done.returncode, done.stdout) == (0, "")
    assert f"wrote {FILE}; this file plans no change" in done.stderr
    assert planned.returncode == 0, planned.stdout
    said = (replaydash.folder / FILE).read_text()
    assert "\n" + said.partition("\n\n")[2] == LIVE
    assert replaydash.writes() == []
    assert not [part for part in (PASSWORD, URL) if part in said + done.stderr]


@pytest.mark.parametrize("service", [SERVICE, WORKER])
def test_one_service_alone_is_adopted_by_its_name(replaydash: World, service: str) -> None:
    done = replaydash.trueup("adopt", CLUSTER, service, *HERE)
    (replaydash.folder / FILE).write_text(done.stdout)

    assert done.returncode == 0
    assert [each.service for each in adopted(done).services.values()] == [service]
    assert replaydash.trueup("plan", FILE).returncode == 0


def test_the_daemon_that_follows_the_adopted_file_writes_nothing(replaydash: World) -> None:
    daemon = replaydash.following(replaydash.trueup("adopt", CLUSTER, *HERE).stdout)

    daemon.after_passes(5)

    assert replaydash.writes() == []
    assert daemon.environment()["in_sync"]


def test_a_file_that_is_there_is_never_written_over(replaydash: World) -> None:
    (replaydash.folder / FILE).write_text("mine")

    done = replaydash.trueup("adopt", CLUSTER, *HERE, "--write", FILE)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"trueup: {FILE} is there already; name a file that is not\n"
    assert (replaydash.folder / FILE).read_text() == "mine"
    assert replaydash.aws.calls() == []


# --- what may not be read


DENIED = [
    pytest.param(
        ("secretsmanager",),
        "secret replaydash-production/db/password - not allowed to call DescribeSecret",
        id="secrets",
    ),
    pytest.param(
        ("GetSecretValue",),
        "secret replaydash-production/db/password - not allowed to call GetSecretValue",
        id="values",
    ),
    pytest.param(
        ("rds",), "secret replaydash-production/db/password - not allowed to call DescribeDBInstances", id="RDS"
    ),
    pytest.param(("elbv2",), "maintenance - not allowed to call DescribeTargetGroups", id="load balancing"),
    pytest.param(("DescribeTags",), "maintenance - not allowed to call DescribeTags", id="the tags of listeners"),
    pytest.param(("cloudwatch",), "alarms - not allowed to call DescribeAlarms", id="alarms"),
    pytest.param(("application-autoscaling",), "not allowed to call DescribeScalableTargets", id="autoscaling"),
    pytest.param(("DescribeTaskDefinition",), "not allowed to call DescribeTaskDefinition", id="task definitions"),
    pytest.param(("ListServiceDeployments",), "not allowed to call ListServiceDeployments", id="the history"),
]


@pytest.mark.parametrize(("denied", "said"), DENIED)
def test_what_may_not_be_read_is_left_out_with_a_comment(
    replaydash: World, monkeypatch: pytest.MonkeyPatch, denied: tuple[str, ...], said: str
) -> None:
    refusing(replaydash.aws, monkeypatch, *denied)

    done = replaydash.trueup("adopt", CLUSTER, *HERE)

    assert (done.returncode, "this file plans no change" in done.stderr) == (0, True), done.stdout + done.stderr
    assert said in " ".join(line.strip(" #") for line in done.stdout.splitlines())
    assert {each.service for each in adopted(done).services.values()} == {SERVICE, WORKER}


def test_services_that_may_not_be_read_are_an_error_that_says_what_to_grant(
    replaydash: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(replaydash.aws, monkeypatch, "ListServices")

    done = replaydash.trueup("adopt", CLUSTER, *HERE)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("trueup: not allowed to call ListServices: ")
    assert replaydash.trueup("adopt", CLUSTER, SERVICE, *HERE).returncode == 0


# --- words that are wrong


WRONG = [
    pytest.param(("nowhere",), "there is no ECS cluster nowhere in this region", id="no cluster"),
    pytest.param((CLUSTER, "nobody"), f"ECS cluster {CLUSTER} has no service nobody", id="no service"),
    pytest.param((f"arn:aws:ecs:us-east-1:1:cluster/{CLUSTER}",), f"write its name, such as {CLUSTER}", id="an ARN"),
    pytest.param((CLUSTER, "--environment", "a b"), "a b cannot be the name of an environment", id="no environment"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_a_wrong_word_is_one_line_that_says_what_to_write(replaydash: World, words: tuple[str, ...], said: str) -> None:
    done = replaydash.trueup("adopt", *words, *HERE)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert said in done.stderr


def test_without_a_region_the_mistake_says_how_to_name_one(replaydash: World) -> None:
    done = replaydash.trueup("adopt", CLUSTER)

    assert (done.returncode, "such as --region us-east-1" in done.stderr) == (1, True)


# --- what changes meanwhile


def test_what_is_no_longer_as_it_was_read_is_told_and_the_exit_code_is_2(
    replaydash: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, ecs = replaydash.aws.answer, replaydash.client("ecs")

    def meanwhile(request: Request) -> Answer:
        if decode(request).operation == "DescribeAlarms":  # the last thing that is read
            monkeypatch.setattr(replaydash.aws, "answer", answer)
            ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=2)
        return answer(request)

    monkeypatch.setattr(replaydash.aws, "answer", meanwhile)
    done = replaydash.trueup("adopt", CLUSTER, *HERE)

    assert done.returncode == 2
    assert "this file would change what is live:\n  service api: scale desired_count: 2 → 4\n" in done.stderr


def test_a_rollout_that_ECS_gave_up_is_told_and_is_no_change(replaydash: World) -> None:  # noqa: N802 — as AWS spells it
    ecs, bad = replaydash.client("ecs"), "registry.example/worker:bad"
    replaydash.aws.mark_bad(bad)
    told = ecs.describe_task_definition(taskDefinition=WORKER)["taskDefinition"]
    container = told["containerDefinitions"][0] | {"image": bad}
    made = ecs.register_task_definition(
        family=WORKER,
        networkMode="awsvpc",
        containerDefinitions=[container],
        **{name: told[name] for name in ("requiresCompatibilities", "cpu", "memory")},
    )
    disabled = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    ecs.update_service(
        cluster=CLUSTER,
        service=WORKER,
        taskDefinition=made["taskDefinition"]["taskDefinitionArn"],
        deploymentConfiguration=disabled,
    )
    replaydash.aws.advance(3600)

    done = replaydash.trueup("adopt", CLUSTER, WORKER, *HERE)

    assert done.returncode == 1
    assert adopted(done).services["worker"].task_revision
    assert "this file plans no change, but not all is well:\n  service worker: stalled: ECS gave up" in done.stderr


# --- clusters that somebody else built


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, list[Cluster]]]:
    """Fifty clusters in one account, each adopted once."""
    folder = tmp_path_factory.mktemp("clusters")
    with Rehearsal(pace=Pace(rollout=ROLLOUT, creating=10.0)) as aws:
        clusters = Builder(aws).build(range(WORLDS))
        aws.clear_calls()
        yield World(folder, aws, Git(folder / "repository")), clusters


@pytest.fixture(scope="module")
def files(built: tuple[World, list[Cluster]]) -> list[tuple[Cluster, CompletedProcess[str]]]:
    world, clusters = built

    def one(cluster: Cluster) -> CompletedProcess[str]:
        named = ("--environment", cluster.environment) if cluster.environment else ()
        return world.trueup("adopt", *HERE, *named, "--", cluster.name, timeout=120)

    with ThreadPoolExecutor(2) as pool:
        return list(zip(clusters, pool.map(one, clusters), strict=True))


def test_every_generated_cluster_is_adopted_as_it_is_live(
    files: list[tuple[Cluster, CompletedProcess[str]]],
) -> None:
    for cluster, done in files:
        assert done.returncode == 0, (cluster.name, done.stdout, done.stderr)
        assert "this file plans no change\n" in done.stderr
        assert MARK not in done.stdout + done.stderr
        assert said_of(adopted(done)) == meant_by(cluster), cluster.name


def test_one_plan_of_all_the_adopted_files_is_no_change_and_nothing_was_written(
    built: tuple[World, list[Cluster]], files: list[tuple[Cluster, CompletedProcess[str]]]
) -> None:
    world, _ = built
    names = [f"{cluster.seed}.yaml" for cluster, _ in files]
    for name, (cluster, done) in zip(names, files, strict=True):
        text = done.stdout
        if not cluster.environment:  # several clusters may come to the same name
            text = text.replace(
                f"\nenvironment: {adopted(done).environment}\n", f"\nenvironment: world-{cluster.seed}\n"
            )
        (world.folder / name).write_text(text)

    planned = world.trueup("plan", *names, "--output", "json", timeout=120)

    assert planned.returncode == 0, planned.stdout[-3000:] + planned.stderr
    told = json.loads(planned.stdout)
    assert (told["result"], len(told["environments"])) == ("no_drift", WORLDS)
    assert world.writes() == []


def said_of(file: Environment) -> dict[str, Any]:
    """What a file says, by what AWS calls it."""
    secrets = {name: database.secret for name, database in file.databases.items()}
    page = file.maintenance
    return {
        "services": {
            each.service: (
                str(each.task_revision),
                each.desired_count,
                bool(each.container),
                {secrets[name] for name in each.databases},
            )
            for each in file.services.values()
        },
        "databases": {each.secret: str(each.endpoint) for each in file.databases.values()},
        "page": (page.enabled, page.load_balancer, page.port) if page else None,
    }


def meant_by(cluster: Cluster) -> dict[str, Any]:
    """What the file of a generated cluster has to say."""
    named = set[str]().union(*(each.named for each in cluster.services.values()))
    return {
        "services": {
            name: (str(each.revision), each.count, each.containers > 1, each.secrets)
            for name, each in cluster.services.items()
        },
        "databases": {name: endpoint for name, endpoint in cluster.secrets.items() if name in named},
        "page": cluster.front and (bool(cluster.environment), *cluster.front),
    }
