"""Infrastructure end to end: a commit is a pin, drift is seen and repaired, and the pin back is the rollback."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.end_to_end.infrastructure_world import BUCKET, Team, bucket, infrastructure, local, thing
from tests.end_to_end.world import ENVIRONMENT, FILE, HEAD, Daemon, Git, World, eventually
from tests.terraform_state import state_server
from tests.tools import tool

SECRET = "tops3cret-value"


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool("terraform")
    monkeypatch.setenv("XDG_STATE_HOME", f"{tmp_path / 'state'}")


@pytest.fixture
def team(replaydash: World) -> Team:
    return Team(replaydash, local(replaydash.folder))


@pytest.fixture(params=["local", "http", "s3"])
def anywhere(request: pytest.FixtureRequest, replaydash: World) -> Iterator[Team]:
    """The same with each backend."""
    with state_server() if request.param == "http" else nullcontext() as server:
        if server:
            yield Team(replaydash, server.backend, server)
        else:
            folder, url = replaydash.folder, replaydash.aws.url
            yield Team(replaydash, local(folder) if request.param == "local" else bucket(url))


def following(team: Team, text: str, *lines: str) -> Daemon:
    """A daemon that is in sync with this configuration."""
    commit = team.pin(team.terraform(text), *lines)
    daemon = team.world.daemon()
    eventually(lambda: daemon.in_sync(commit))
    return daemon


def test_a_pin_is_applied_what_a_person_changes_is_repaired_and_the_pin_back_is_the_rollback(anywhere: Team) -> None:
    team = anywhere
    one = team.terraform(thing("x", 'input = "one"') + thing("kept"))
    first = team.pin(one)
    daemon = team.world.daemon()
    eventually(lambda: daemon.in_sync(first))
    kept = team.state["kept"]["id"]
    assert team.state["x"]["input"]["value"] == "one"

    by_hand = team.terraform(thing("x", 'input = "by hand"') + thing("kept"))
    team.run(by_hand, "apply", "-auto-approve")
    assert team.state["x"]["input"]["value"] == "by hand"
    eventually(lambda: team.state["x"]["input"]["value"] == "one")
    eventually(lambda: daemon.condition("network") == "in_sync")

    two = team.terraform(thing("x", 'input = "two"') + thing("kept"))
    second = team.pin(two)
    eventually(lambda: daemon.in_sync(second))
    assert team.state["x"]["input"]["value"] == "two"

    back = team.world.git.revert()
    eventually(lambda: daemon.in_sync(back))
    assert team.state["x"]["input"]["value"] == "one"
    assert team.state["kept"]["id"] == kept
    assert daemon.metric('trueup_changes_total{environment="replaydash-production",kind="infrastructure"') == 4


def test_what_is_deleted_comes_back_with_the_next_check(team: Team) -> None:
    daemon = following(team, thing("cluster") + thing("other"))
    was = team.state
    team.run(team.world.git.run("rev-parse", "HEAD"), "destroy", "-auto-approve", "-target=terraform_data.cluster")
    assert "cluster" not in team.state
    eventually(lambda: "cluster" in team.state)
    eventually(lambda: daemon.condition("network") == "in_sync")
    assert team.state["other"]["id"] == was["other"]["id"]


def test_what_would_be_destroyed_is_listed_and_left_until_the_file_allows_it(team: Team) -> None:
    text = thing("a") + thing("b") + thing("c", 'triggers_replace = "1"')
    daemon = following(team, text)
    was = team.state
    fewer = team.terraform(thing("a") + thing("c", 'triggers_replace = "2"'))
    commit = team.pin(fewer)
    eventually(lambda: daemon.stalled(commit, "network"))
    reason = daemon.resource("network")["reason"]
    assert reason == (
        "the plan destroys terraform_data.b, terraform_data.c (replaced): "
        "pin another commit, or write apply: destroy_allowed if that is meant"
    )
    daemon.after_passes()
    assert team.state == was

    allowed = team.pin(fewer, "apply: destroy_allowed")
    eventually(lambda: daemon.in_sync(allowed))
    assert set(team.state) == {"a", "c"}
    assert team.state["a"] == was["a"]
    assert team.state["c"]["id"] != was["c"]["id"]


def test_a_state_is_kept_before_every_apply_and_can_be_put_back_by_a_person(team: Team) -> None:
    daemon = following(team, thing("x", 'input = "one"'))
    one = team.world.git.run("rev-parse", "HEAD")
    assert team.backups == []  # there was no state before the first apply
    commit = team.pin(team.terraform(thing("x", 'input = "two"')))
    eventually(lambda: daemon.in_sync(commit))

    (backup,) = team.backups
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    shown = team.world.trueup("infrastructure", f"repository/{FILE}").stdout
    assert f"{backup}" in shown
    quiet = team.pin(team.terraform(thing("x", 'input = "two"'), {"note": "x"}), "apply: never")
    eventually(lambda: daemon.in_sync(quiet))
    team.run(one, "state", "push", "-force", f"{backup}")
    assert team.state["x"]["input"]["value"] == "one"
    eventually(lambda: daemon.resource("network")["terraform"]["check"]["change"] == 1)
    assert daemon.condition("network") == "drifted"


def test_states_are_kept_in_a_bucket(team: Team) -> None:
    s3 = team.world.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    commit = team.pin(team.terraform(thing("x", 'input = "one"')))
    where = ("--state-backups", f"s3://{BUCKET}/kept")
    daemon = team.world.daemon(*where)
    eventually(lambda: daemon.in_sync(commit))
    commit = team.pin(team.terraform(thing("x", 'input = "two"')))
    eventually(lambda: daemon.in_sync(commit))

    (kept,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert kept["Key"].startswith(f"kept/{ENVIRONMENT}/network/default-")
    state = json.loads(s3.get_object(Bucket=BUCKET, Key=kept["Key"])["Body"].read())
    assert state["resources"][0]["instances"][0]["attributes"]["input"]["value"] == "one"
    shown = team.world.trueup("infrastructure", f"repository/{FILE}", *where)
    assert f"s3://{BUCKET}/{kept['Key']}" in shown.stdout
    assert team.backups == []


def test_nothing_is_applied_where_the_state_cannot_be_kept(team: Team) -> None:
    daemon = following(team, thing("x", 'input = "one"'))
    assert daemon.stop() == 0
    team.pin(team.terraform(thing("x", 'input = "two"')))
    daemon = team.world.daemon("--state-backups", "s3://no-such-bucket/kept")
    eventually(lambda: "NoSuchBucket" in daemon.resource("network").get("reason", ""))
    assert daemon.condition("network") == "retrying"
    assert daemon.resource("network")["reason"].startswith("terraform apply failed: the state backups in s3://no-such")
    assert team.state["x"]["input"]["value"] == "one"


def test_an_import_is_made_once(team: Team) -> None:
    text = thing("theirs") + thing("other")
    imports = 'imports: {terraform_data.theirs: "made-before"}'
    commit = team.terraform(text)
    planned = team.world.trueup("plan", f"{_written(team, commit, imports)}")
    assert "terraform_data.theirs: made-before, not in the state → imported" in planned.stdout
    pinned = team.pin(commit, imports)
    daemon = team.world.daemon()
    eventually(lambda: daemon.in_sync(pinned))
    assert team.state["theirs"]["id"] == "made-before"
    was = team.state

    assert team.world.once().returncode == 0
    assert team.state == was


def test_a_plan_and_the_verb_say_what_is_there_and_write_nothing(team: Team) -> None:
    file = _written(team, team.terraform(thing("x", 'input = "one"')))
    planned = team.world.trueup("plan", f"{file}")
    assert planned.returncode == 2
    assert "infrastructure network: apply terraform terraform_data.x: not there → created" in planned.stdout
    assert "no earlier version of the file pins a commit here" in planned.stdout
    markdown = team.world.trueup("plan", f"{file}", "--output", "markdown").stdout
    assert "+ terraform_data.x: created" in markdown
    shown = team.world.trueup("infrastructure", f"{file}")
    assert (shown.returncode, shown.stderr) == (2, "")
    assert "1 to add, 0 to change, 0 to destroy" in shown.stdout
    assert "+ terraform_data.x: not there → created" in shown.stdout
    assert "state backups: none yet" in shown.stdout
    assert team.state == {}
    assert list((team.world.folder / "cache").glob("plan-*")) == []

    following(team, thing("x", 'input = "one"'))
    was = team.state
    commit = team.pin(team.terraform(thing("x", 'input = "two"') + thing("y")), "apply: never")
    told = json.loads(team.world.trueup("plan", f"{file}", "--output", "json").stdout)
    (network,) = [each for each in told["environments"][0]["resources"] if each["kind"] == "infrastructure"]
    assert {key: network["terraform"]["check"][key] for key in ("add", "change", "destroy", "replace")} == {
        "add": 1,
        "change": 1,
        "destroy": 0,
        "replace": 0,
    }
    assert commit
    words = ("--repository", f"{team.world.git.folder}", "--path", FILE, "--output", "json")
    found = team.world.trueup("infrastructure", ENVIRONMENT, *words)
    (entry,) = json.loads(found.stdout)
    assert (found.returncode, entry["name"], entry["check"]["add"]) == (2, "network", 1)
    assert [drift["field"] for drift in entry["drift"]] == ["terraform_data.x", "terraform_data.y"]
    assert team.state == was


def test_the_verb_needs_an_environment_that_pins_something(team: Team) -> None:
    file = team.world.git.folder / FILE
    file.write_text(HEAD)
    shown = team.world.trueup("infrastructure", f"{file}")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "pins no infrastructure" in shown.stderr


def test_the_metrics_say_what_differs_when_it_was_checked_and_how_applies_ended(team: Team) -> None:
    daemon = following(team, thing("x") + thing("y"))
    labels = f'environment="{ENVIRONMENT}",name="network"'
    applied = "trueup_infrastructure_apply_duration_seconds_count"
    assert daemon.metric(f'{applied}{{{labels},result="ok"}}') == 1
    assert daemon.metric(f'{applied}{{{labels},result="failed"}}') == 0
    assert daemon.metric(f"trueup_infrastructure_last_check_timestamp_seconds{{{labels}}}") > 1.7e9

    fails = 'provisioner "local-exec" { command = "exit 7" }'
    commit = team.pin(team.terraform(thing("x", "input = 1") + thing("z") + thing("bad", fails)))
    eventually(lambda: daemon.stalled(commit, "network"))  # y would go
    drift = {
        action: daemon.metric(f'trueup_infrastructure_drift{{action="{action}",{labels}}}')
        for action in ("add", "change", "destroy")
    }
    assert drift == {"add": 2, "change": 1, "destroy": 1}

    commit = team.pin(team.terraform(thing("x") + thing("y") + thing("bad", fails)))
    eventually(lambda: daemon.stalled(commit, "network"))  # what was half made would be destroyed
    reason = daemon.resource("network")["reason"]
    assert reason.startswith("the plan destroys terraform_data.bad (replaced): ")
    assert "; the last apply failed: infra/main.tf:" in reason
    assert daemon.metric(f'{applied}{{{labels},result="failed"}}') == 1

    commit = team.pin(team.world.git.run("rev-parse", "HEAD~1"), "apply: destroy_allowed")
    eventually(lambda: daemon.condition("network") == "retrying")
    assert daemon.metric(f'{applied}{{{labels},result="failed"}}') == 2
    resource = daemon.resource("network")
    assert "terraform apply failed: infra/main.tf:" in resource["reason"]
    assert "local-exec provisioner error; the next try is at " in resource["reason"]
    assert resource["terraform"]["apply"]["result"] == "failed"
    assert '"event": "terraform_applied"' in daemon.printed()


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_sensitive_is_told_nowhere(team: Team, fails: bool) -> None:
    text = 'variable "s" { sensitive = true }\noutput "o" {\n  value = var.s\n  sensitive = true\n}\n'
    text += thing("x", "input = { deep = [var.s] }")
    if fails:
        text += thing(
            "bad", 'provisioner "local-exec" {', 'command = "echo $V >&2; exit 1"', "environment = { V = var.s }", "}"
        )
    commit = team.terraform(text, {"p.tfvars": f's = "{SECRET}"\n'})
    file = _written(team, commit, "variables_file: p.tfvars")
    words = [team.world.trueup("plan", f"{file}", "--output", how) for how in ("text", "json", "markdown")]
    words.append(team.world.trueup("infrastructure", f"{file}", "--output", "json"))
    pinned = team.pin(commit, "variables_file: p.tfvars")
    daemon = team.world.daemon("--log-level", "debug")
    eventually(lambda: daemon.stalled(pinned, "network") if fails else daemon.in_sync(pinned))

    assert team.state["x"]["input"]["value"] == {"deep": [SECRET]}
    told = [each.stdout + each.stderr for each in words]
    told += [daemon.get("/api/v1/status"), daemon.get("/metrics"), daemon.printed()]
    assert all("terraform_data.x" in each or "network" in each for each in told)
    assert not any(SECRET in each for each in told)
    if not fails:
        return
    assert "local-exec provisioner error" in daemon.resource("network")["reason"]


@pytest.mark.parametrize("how", ["apply: never", "mode: observe"])
def test_what_is_only_reported_writes_nothing_and_takes_no_lock(replaydash: World, how: str) -> None:
    with state_server() as server:
        team = Team(replaydash, server.backend, server)
        server.lock = {"ID": "7d3e", "Who": "ann"}
        commit = team.terraform(thing("x"))
        head = HEAD + ("mode: observe\n" if how.startswith("mode") else "")
        pinned = team.world.git.commit(head + infrastructure(commit, *([how] if how.startswith("apply") else [])))
        daemon = team.world.daemon()
        eventually(lambda: daemon.condition("network") == "drifted")
        assert daemon.environment()["commit"] == pinned
        assert [drift["field"] for drift in daemon.resource("network")["drift"]] == ["terraform_data.x"]
        daemon.after_passes()
        assert (server.state, server.lock["ID"]) == (b"", "7d3e")


def test_outputs_alone_are_a_difference_and_are_applied(team: Team) -> None:
    daemon = following(team, 'output "o" {\n  value = 1\n}\n')
    was = team.world.folder / "kept" / "terraform.tfstate"
    assert json.loads(was.read_text())["outputs"]["o"]["value"] == 1
    commit = team.pin(team.terraform('output "o" {\n  value = 2\n}\n'))
    eventually(lambda: daemon.in_sync(commit))
    assert json.loads(was.read_text())["outputs"]["o"]["value"] == 2


def test_a_broken_configuration_says_where_and_the_next_commit_heals(team: Team) -> None:
    daemon = following(team, thing("x"))
    commit = team.pin(team.terraform('resource "terraform_data" "x" { input = var.none }\n'))
    eventually(lambda: daemon.stalled(commit, "network"))
    reason = daemon.resource("network")["reason"]
    assert reason.startswith("the configuration is wrong: infra/main.tf:4: Reference to undeclared input variable")
    assert reason.endswith("correct it and pin that commit")
    back = team.world.git.revert()
    eventually(lambda: daemon.in_sync(back))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "has no commit 0000"),
        (("repository: /no/such/repository",), "/no/such/repository"),
    ],
)
def test_what_cannot_be_fetched_is_told(team: Team, lines: tuple[str, ...], said: str) -> None:
    team.terraform(thing("x"))
    team.pin("0" * 40, *lines)
    daemon = team.world.daemon()
    eventually(lambda: said in daemon.resource("network").get("reason", ""))
    assert daemon.condition("network") == ("retrying" if lines else "stalled")


def test_a_commit_of_another_repository_is_fetched_by_its_id(team: Team) -> None:
    theirs = Git(team.world.folder / "other")
    other = Team(World(team.world.folder, team.world.aws, theirs), team.backend)
    commit = other.terraform(thing("x"))
    other.terraform(thing("later"))
    pinned = team.pin(commit, f"repository: {theirs.folder}")
    daemon = team.world.daemon()
    eventually(lambda: daemon.in_sync(pinned))
    assert set(team.state) == {"x"}


def _written(team: Team, commit: str, *lines: str) -> Path:
    """The file in somebody's work tree, not committed yet."""
    file = team.world.git.folder / FILE
    file.write_text(HEAD + infrastructure(commit, *lines))
    return file
