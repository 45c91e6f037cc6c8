"""What the daemon says: everything that the contract names, nothing twice, and never a secret."""

import base64
import json
import re
from urllib.parse import quote

from rehearsal.replaydash_names import DATABASE_HOST, PASSWORD, URL
from tests.end_to_end.combined import OTHER_HOST
from tests.end_to_end.world import CLUSTER, SECRET, SERVICE, Daemon, World, api, eventually, production

PINNED, LIVE = "pinned-value-5f2c9", "base-value-81d3e"
# Every name of the contract, with its type and its labels.
METRICS = {
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


def test_no_secret_is_ever_told_to_anybody(replaydash: World) -> None:
    _run_with_a_variable_of_its_own(replaydash)
    pages: list[str] = []
    pinned = production(
        api=["task_revision: 125", "env:", f"  TOKEN: {PINNED}", "databases: [postgres]"],
        postgres=[f"endpoint: {OTHER_HOST}"],
        maintenance=["enabled: true"],
    )
    commit = replaydash.git.commit(pinned)
    daemon = replaydash.daemon("--log-level", "debug", interval=0.3)
    eventually(lambda: _heard(daemon, pages) and daemon.in_sync(commit))

    secrets = replaydash.client("secretsmanager")
    for text in (f"the password is {PASSWORD}", f"postgresql://replaydash:{quote(PASSWORD, safe='')}@a,b:5432/x", URL):
        secrets.put_secret_value(SecretId=SECRET, SecretString=text)
        daemon.after_passes(2)
        _heard(daemon, pages)
    _contest(replaydash, daemon)
    _heard(daemon, pages)
    replaydash.aws.fault("ecs", "DescribeServices", "throttle", times=3)
    replaydash.aws.fault("ecs", "UpdateService", "error")
    replaydash.aws.fault("secretsmanager", "GetSecretValue", "error", times=3)
    replaydash.git.commit(pinned.replace(OTHER_HOST, DATABASE_HOST).replace("125", "124"))
    failed = {"ThrottlingException", "ServerException", "InternalFailure"}
    eventually(lambda: _heard(daemon, pages) and failed <= {call["code"] for call in replaydash.aws.calls()})
    for form in ("text", "json", "markdown"):
        words = ("--repository", str(replaydash.git.folder), "--path", "production.yaml", "--output", form)
        done = replaydash.trueup("plan", *words)
        pages.append(done.stdout + done.stderr)
    replaydash.git.commit(pinned + "\n  broken: [\n")
    eventually(lambda: _heard(daemon, pages) and daemon.status()["git"]["problems"])
    daemon.after_passes(1)
    assert daemon.stop() == 0

    said = "\n".join([*pages, daemon.printed()])
    for part in ("env.TOKEN", "is not one URL", "cannot be told for certain", "contended", "is not YAML"):
        assert part in said, part
    forbidden = (PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD), json.dumps(PASSWORD)[1:-1], PINNED, LIVE)
    encoded = [base64.b64encode(text.encode()).decode().rstrip("=") for text in (PASSWORD, PINNED, LIVE)]
    assert [word for word in (*forbidden, *encoded) if word in said] == []
    assert "Traceback" not in said


def test_every_metric_of_the_contract_is_there_with_its_type_and_labels(replaydash: World) -> None:
    following = production(api=["task_revision: 124"], maintenance=["enabled: false"])
    daemon = replaydash.following(following, interval=0.3)
    done = replaydash.git.commit(production(api=["task_revision: 123"], maintenance=["enabled: false"]))
    eventually(lambda: daemon.in_sync(done))
    stuck = production(api=["task_revision: 124", "image_tag: v9"], maintenance=["enabled: false"])
    stalled = replaydash.git.commit("mode: observe\n" + stuck.replace("image_tag: v9", "desired_count: 1"))
    eventually(lambda: daemon.environment()["commit"] == stalled and daemon.condition() == "drifted")

    text = daemon.get("/metrics")

    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert {name: types.get(name) for name in METRICS} == {name: kind for name, (kind, _) in METRICS.items()}
    labels = {name: _labels(text, name, kind) for name, (kind, _) in METRICS.items()}
    assert labels == {name: wanted for name, (_, wanted) in METRICS.items()}
    conditions = [
        line for line in text.splitlines() if line.startswith("trueup_resource_condition") and 'name="api"' in line
    ]
    assert len(conditions) == 5
    assert [line.endswith(" 1.0") for line in conditions].count(True) == 1


def test_the_probes_say_how_it_is(replaydash: World) -> None:
    daemon = replaydash.following(api("task_revision: 124"))

    assert daemon.get("/healthz") == "ok\n"
    assert daemon.get("/readyz") == "ready\n"
    status = daemon.status()
    assert {"git", "environments"} <= status.keys()
    assert status["environments"][0]["resources"][0]["drift"] == []


def test_a_quiet_daemon_is_quiet_and_a_change_is_one_line(replaydash: World) -> None:
    daemon = replaydash.following(api("task_revision: 124"), interval=0.3)
    daemon.after_passes(1)
    before, passes = daemon.printed(), daemon.passes()

    daemon.after_passes(4)
    quiet = daemon.printed()
    between = daemon.passes() - passes
    pinned = replaydash.git.commit(api("task_revision: 123"))
    eventually(lambda: daemon.in_sync(pinned))
    daemon.after_passes(2)

    steady = [json.loads(line) for line in quiet.removeprefix(before).splitlines()]
    assert {(line["event"], line["writes"]) for line in steady} == {("pass", 0)}, "one summary line a pass"
    assert len(steady) <= between + 1
    lines = [json.loads(line) for line in daemon.printed().removeprefix(quiet).splitlines()]
    told = [(line["condition"], line["reason"]) for line in lines if line["event"] == "resource"]
    assert told[-1][0] == "in_sync"
    assert len(told) == len(set(told)), "nothing is said twice"
    deployed = [line for line in lines if line.get("verbs") == ["deploy"]]
    assert [line["drifts"] for line in deployed] == [[f"task_revision: {SERVICE}:124 -> {SERVICE}:123"]]
    assert {line["commit"] for line in lines if line["event"] == "resource"} == {pinned}


def test_the_series_of_what_left_the_file_disappear(replaydash: World) -> None:
    both = production(api=["task_revision: 124"], worker=["task_revision: 57"])
    daemon = replaydash.following(both, interval=0.3)
    assert 'name="worker"' in daemon.get("/metrics")

    commit = replaydash.git.commit(production(api=["task_revision: 124"]))
    eventually(lambda: daemon.in_sync(commit))
    daemon.after_passes(1)

    assert 'name="worker"' not in daemon.get("/metrics")
    assert 'name="api"' in daemon.get("/metrics")
    assert 'name="worker"' not in daemon.get("/api/v1/status")


def test_the_times_of_a_commit_are_told(replaydash: World) -> None:
    daemon = replaydash.following(api("task_revision: 124"), interval=0.3)
    name = "replaydash-production"

    commit = replaydash.git.commit(api("task_revision: 123"))
    eventually(lambda: daemon.in_sync(commit))

    wrote = daemon.metric(f'trueup_first_write_seconds_sum{{environment="{name}"}}')
    converged = daemon.metric(f'trueup_convergence_seconds_sum{{environment="{name}"}}')
    assert 0 < wrote < converged < 10
    assert daemon.metric(f'trueup_first_write_seconds_count{{environment="{name}"}}') == 1


def _run_with_a_variable_of_its_own(world: World) -> None:
    """Revision 125 runs, whose environment holds what might be a secret."""
    ecs = world.client("ecs")
    told = ecs.describe_task_definition(taskDefinition=f"{SERVICE}:124")["taskDefinition"]
    kept = ("family", "networkMode", "requiresCompatibilities", "cpu", "memory", "containerDefinitions", "volumes")
    content = {name: told[name] for name in kept}
    content["containerDefinitions"][0]["environment"].append({"name": "TOKEN", "value": LIVE})
    arn = ecs.register_task_definition(**content)["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=arn)
    eventually(lambda: world.settled_on("125"))


def _contest(world: World, daemon: Daemon) -> None:
    """Somebody takes the maintenance page away as often as it comes back."""
    elb = world.client("elbv2")
    for _ in range(3):
        eventually(lambda: daemon.condition("maintenance") == "in_sync" and world.route()["status"] == 503)
        elb.delete_rule(RuleArn=world.route()["rule_arn"])
        eventually(lambda: world.route()["status"] == 503)
    elb.delete_rule(RuleArn=world.route()["rule_arn"])
    eventually(lambda: daemon.condition("maintenance") == "stalled")


def _heard(daemon: Daemon, pages: list[str]) -> bool:
    pages += [daemon.get("/metrics"), daemon.get("/api/v1/status")]
    return True


def _labels(text: str, name: str, kind: str) -> set[str]:
    """The labels of a metric's samples, without those of its buckets."""
    sample = f"{name}_count" if kind == "histogram" else name
    found = {
        frozenset(re.findall(r'(\w+)="', labels)) for labels in re.findall(rf"^{sample}(?:{{(.*)}})? ", text, re.M)
    }
    assert len(found) == 1, (name, found)
    return set(next(iter(found)))
