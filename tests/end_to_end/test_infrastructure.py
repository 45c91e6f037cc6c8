"""Infrastructure end to end: a commit is a pin, drift is seen and repaired, and the pin back is the rollback."""

from __future__ import annotations

import json
import re
import stat
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.end_to_end.infrastructure_world import BUCKET, Team, bucket, infrastructure, local, thing
from tests.end_to_end.world import ENVIRONMENT, FILE, HEAD, Daemon, Git, World, eventually
from tests.terraform_state import state_server
from tests.tools import tool

SECRET = "tops3cret-value"
WRITTEN = "wr1tten-in-the-code"  # no value of a variable, and so known to nobody but terraform
TWO = thing("x", 'input = "two"')
FAILS = 'provisioner "local-exec" { command = "exit 7" }'
LABELS = f'environment="{ENVIRONMENT}",name="network"'
CHECKED = f"trueup_infrastructure_last_check_timestamp_seconds{{{LABELS}}}"
APPLIES = "trueup_infrastructure_apply_duration_seconds"


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
    eventually(lambda: team.state.get("x", {}).get("input", {}).get("value") == "one")  # it may be half written
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
    was, kept = team.state, team.kept
    fewer = team.terraform(thing("a") + thing("c", 'triggers_replace = "2"'))
    commit = team.pin(fewer)
    eventually(lambda: daemon.stalled(commit, "network"))
    reason = daemon.resource("network")["reason"]
    assert reason == (
        "the plan destroys terraform_data.b, terraform_data.c (replaced): "
        "pin another commit, or write apply: destroy_allowed if that is meant"
    )
    checked = daemon.metric(CHECKED)
    eventually(lambda: daemon.metric(CHECKED) > checked)  # and so it is with the next check
    assert daemon.stalled(commit, "network")
    assert daemon.resource("network")["reason"] == reason
    assert team.kept == kept
    assert team.backups == []

    allowed = team.pin(fewer, "apply: destroy_allowed")
    eventually(lambda: daemon.in_sync(allowed))
    assert set(team.state) == {"a", "c"}
    assert team.state["a"] == was["a"]
    assert team.state["c"]["id"] != was["c"]["id"]


def test_the_state_is_kept_before_every_apply(team: Team) -> None:
    daemon = following(team, thing("x", 'input = "one"'))
    assert team.backups == []  # there was no state before the first apply
    before = []
    for value in ("two", "three"):
        before.append(json.loads(team.kept))
        commit = team.pin(team.terraform(thing("x", f'input = "{value}"')))
        eventually(lambda commit=commit: daemon.in_sync(commit))

    assert [json.loads(backup.read_bytes()) for backup in team.backups] == before
    assert {stat.S_IMODE(backup.stat().st_mode) for backup in team.backups} == {0o600}
    assert stat.S_IMODE(team.backups[0].parent.stat().st_mode) == 0o700
    shown = team.world.trueup("infrastructure", f"repository/{FILE}").stdout
    assert shown.index(f"{team.backups[1]}") < shown.index(f"{team.backups[0]}")  # the newest one first


def test_a_person_puts_a_kept_state_back_and_it_is_seen_and_not_written_over(team: Team) -> None:
    one, two = team.terraform(thing("x", 'input = "one"')), team.terraform(TWO)
    team.run(one, "apply", "-auto-approve")
    commit = team.pin(two)
    daemon = team.world.daemon()
    eventually(lambda: daemon.in_sync(commit))
    quiet = team.pin(two, "apply: never")  # as the page says
    eventually(lambda: daemon.in_sync(quiet))

    (backup,) = team.backups
    team.run(one, "state", "push", "-force", f"{backup}")
    assert team.state["x"]["input"]["value"] == "one"
    put_back = team.kept
    eventually(lambda: daemon.resource("network")["terraform"]["check"]["change"] == 1)  # not of a half written state
    assert daemon.condition("network") == "drifted"
    daemon.after_passes()
    assert (team.kept, team.backups) == (put_back, [backup])


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
    assert daemon.resource("network")["reason"].startswith("nothing was applied, since the state could not")
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
    kept, checked = team.kept, daemon.metric(CHECKED)
    eventually(lambda: daemon.metric(CHECKED) > checked)
    assert daemon.in_sync(pinned)
    assert daemon.stop() == 0
    assert team.world.once().returncode == 0
    assert team.kept == kept
    assert daemon.printed().count('"event": "terraform_applied"') == 1


@pytest.mark.parametrize("before", ["", thing("x", 'input = "one"')], ids=["no state", "a state"])
def test_a_plan_and_the_verb_say_what_is_there_and_write_nothing(replaydash: World, before: str) -> None:
    with state_server() as server:
        team = Team(replaydash, server.backend, server)
        if before:
            team.run(team.terraform(before), "apply", "-auto-approve")
        file = f"{_written(team, team.terraform(thing('y') + TWO))}"
        was, server.lock = team.kept, {"ID": "7d3e", "Who": "ann"}  # whoever takes the lock is refused
        folders = _folders(team)
        text, told, markdown = (
            team.world.trueup("plan", file, "--output", how) for how in ("text", "json", "markdown")
        )
        shown, entries = (team.world.trueup("infrastructure", file, "--output", how) for how in ("text", "json"))

        assert [each.returncode for each in (text, told, markdown, shown, entries)] == [2] * 5
        assert [each.stderr for each in (text, told, markdown, shown, entries)] == [""] * 5
        x = "there → changed (input, output)" if before else "not there → created"
        assert f"infrastructure network: apply terraform terraform_data.x: {x}" in text.stdout
        assert "infrastructure network: apply terraform terraform_data.y: not there → created" in text.stdout
        assert f"{'!' if before else '+'} terraform_data.x: {x}\n" in markdown.stdout
        assert "+ terraform_data.y: not there → created\n" in markdown.stdout
        count = {"add": 1, "change": 1} if before else {"add": 2, "change": 0}
        (network,) = json.loads(told.stdout)["environments"][0]["resources"]
        (entry,) = json.loads(entries.stdout)
        for check in (network["terraform"]["check"], entry["check"]):
            assert {key: check[key] for key in ("add", "change", "destroy", "replace")} == {
                **count,
                "destroy": 0,
                "replace": 0,
            }
        assert [drift["field"] for drift in entry["drift"]] == ["terraform_data.x", "terraform_data.y"]
        assert f"{count['add']} to add, {count['change']} to change, 0 to destroy" in shown.stdout
        assert f"{'~' if before else '+'} terraform_data.x: {x}" in shown.stdout
        assert "+ terraform_data.y: not there → created" in shown.stdout
        assert "state backups: none in " in shown.stdout

        assert (team.kept, server.lock["ID"]) == (was, "7d3e")
        assert team.world.writes() == []
        assert _folders(team) - folders <= {"cache"}  # no backups
        assert list((team.world.folder / "cache").rglob("plan*")) == []


def test_the_verb_ends_with_0_where_nothing_differs_and_with_1_where_only_a_person_can_help(team: Team) -> None:
    commit = team.terraform(thing("x"))
    team.run(commit, "apply", "-auto-approve")
    file = f"{_written(team, commit)}"
    shown = team.world.trueup("infrastructure", file)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert ": nothing differs\n" in shown.stdout
    assert team.world.trueup("plan", file).returncode == 0

    gone = team.terraform(thing("y"))  # x would be destroyed
    _written(team, gone)
    shown = team.world.trueup("infrastructure", file)
    assert (shown.returncode, shown.stderr) == (1, "")
    assert "- terraform_data.x: there → destroyed" in shown.stdout
    assert "stalled: the plan destroys terraform_data.x: " in shown.stdout

    _written(team, team.terraform("resource {}\n"))
    shown = team.world.trueup("infrastructure", file, "--output", "json")
    (entry,) = json.loads(shown.stdout)
    assert (shown.returncode, entry["condition"], entry["check"]) == (1, "stalled", None)
    assert entry["reason"].startswith("the configuration is wrong: infra/main.tf:4: ")
    assert set(team.state) == {"x"}


def test_one_environment_of_a_repository_is_named_to_the_verb(team: Team) -> None:
    pinned = team.pin(team.terraform(thing("x")), "apply: never")
    assert pinned
    words = ("--repository", f"{team.world.git.folder}", "--path", FILE, "--output", "json")
    found = team.world.trueup("infrastructure", ENVIRONMENT, *words)
    (entry,) = json.loads(found.stdout)
    assert (found.returncode, entry["name"], entry["apply"], entry["check"]["add"]) == (2, "network", "never", 1)
    other = team.world.trueup("infrastructure", "replaydash-staging", *words)
    assert (other.returncode, other.stdout) == (1, "")
    assert "replaydash-staging" in other.stderr


def test_the_verb_needs_an_environment_that_pins_something(team: Team) -> None:
    file = team.world.git.folder / FILE
    file.write_text(HEAD)
    shown = team.world.trueup("infrastructure", f"{file}")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "pins no infrastructure" in shown.stderr


def test_the_metrics_say_what_differs_when_it_was_checked_and_how_applies_ended(team: Team) -> None:
    began = time.time()
    daemon = following(team, thing("x") + thing("y"))
    assert _applies(daemon) == (1, 0)
    assert 0 < daemon.metric(f'{APPLIES}_sum{{{LABELS},result="ok"}}') < 30
    assert began < daemon.metric(CHECKED) <= time.time()
    assert (_differs(daemon), _condition(daemon)) == ({"add": 0, "change": 0, "destroy": 0}, "in_sync")

    commit = team.pin(team.terraform(thing("x", "input = 1") + thing("z") + thing("bad", FAILS)))
    eventually(lambda: daemon.stalled(commit, "network"))  # y would go
    assert (_differs(daemon), _condition(daemon)) == ({"add": 2, "change": 1, "destroy": 1}, "stalled")
    assert _applies(daemon) == (1, 0)

    commit = team.pin(team.terraform(thing("x") + thing("y") + thing("bad", FAILS)))
    eventually(lambda: daemon.stalled(commit, "network"))  # what was half made would be destroyed
    reason = daemon.resource("network")["reason"]
    assert reason.startswith(
        "the plan destroys terraform_data.bad (replaced: its creation failed, or it was tainted): "
    )
    assert "; the last apply failed: infra/main.tf:" in reason
    assert _applies(daemon) == (1, 1)
    assert _differs(daemon) == {"add": 1, "change": 0, "destroy": 1}  # of a replacement, both


def test_an_apply_that_fails_is_told_with_the_line_and_when_it_is_tried_again(team: Team) -> None:
    commit = team.pin(team.terraform(thing("x") + thing("bad", FAILS)), "apply: destroy_allowed")
    daemon = team.world.daemon()
    eventually(lambda: daemon.condition("network") == "retrying")
    resource = daemon.resource("network")
    assert re.fullmatch(
        r"terraform apply failed: infra/main\.tf:\d+: local-exec provisioner error; the next try is at [\d:]{8}Z",
        resource["reason"],
    )
    assert resource["terraform"]["apply"]["result"] == "failed"
    assert resource["terraform"]["apply"]["error"].startswith("terraform apply failed: infra/main.tf:")
    assert (_applies(daemon)[0], _condition(daemon)) == (0, "retrying")
    assert set(team.state) == {"x", "bad"}
    assert '"event": "terraform_apply_failed"' in daemon.printed()

    eventually(lambda: _applies(daemon)[1] >= 2)
    assert daemon.environment()["commit"] == commit
    healed = team.pin(team.terraform(thing("x") + thing("bad")), "apply: destroy_allowed")
    eventually(lambda: daemon.in_sync(healed))


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_sensitive_is_told_nowhere(team: Team, fails: bool) -> None:
    """Neither where terraform hides it, nor where the configuration makes terraform itself print it."""
    old = thing("x", f'input = {{ deep = [sensitive("{SECRET}-old")] }}')
    text = 'variable "s" { sensitive = true }\n'
    text += 'output "o" {\n  value = { deep = var.s }\n  sensitive = true\n}\n'
    text += thing("x", "input = { deep = [var.s] }", f'triggers_replace = sensitive("{WRITTEN}")')
    text += 'check "c" {\n  assert {\n    condition = nonsensitive(var.s) == ""\n'
    text += f'    error_message = "it is ${{nonsensitive(var.s)}} and {WRITTEN}"\n  }}\n}}\n'
    if fails:
        marked, printed = "echo $V >&2; exit 1", f"echo ${{nonsensitive(var.s)}} {WRITTEN} >&2; exit 1"
        for name, command in {"bad": marked, "worse": printed}.items():
            text += thing(
                name, 'provisioner "local-exec" {', f'command = "{command}"', "environment = { V = var.s }", "}"
            )
    team.run(team.terraform(old), "apply", "-auto-approve")
    commit = team.terraform(text, {"p.tfvars": f's = "{SECRET}"\n'})
    assert f"it is {SECRET} and {WRITTEN}" in team.run(commit, "plan", "-var-file=p.tfvars")

    lines = ("variables_file: p.tfvars", "apply: destroy_allowed")
    file = f"{_written(team, commit, *lines)}"
    told = [team.world.trueup("plan", file, "--output", how) for how in ("text", "json", "markdown")]
    told += [team.world.trueup("infrastructure", file, "--output", how) for how in ("text", "json")]
    said = [each.stdout + each.stderr for each in told]
    pinned = team.pin(commit, *lines)
    daemon = team.world.daemon("--log-level", "debug")
    if fails:
        eventually(lambda: daemon.condition("network") == "retrying")
        assert "local-exec provisioner error" in daemon.resource("network")["reason"]
    else:
        eventually(lambda: daemon.in_sync(pinned))
    said += [daemon.get("/api/v1/status"), daemon.get("/metrics"), daemon.printed()]

    assert team.state["x"]["input"]["value"] == {"deep": [SECRET]}
    assert all("terraform_data.x" in each for each in said[:5])
    assert all("Check block assertion failed" in each for each in said[:4])
    assert all("network" in each for each in said)
    assert [each for each in said if SECRET in each or WRITTEN in each] == []


@pytest.mark.parametrize("how", ["apply: never", "mode: observe"])
def test_what_is_only_reported_writes_nothing_and_takes_no_lock(replaydash: World, how: str) -> None:
    with state_server() as server:
        team = Team(replaydash, server.backend, server)
        team.run(team.terraform(thing("x")), "apply", "-auto-approve")
        was, server.lock = server.state, {"ID": "7d3e", "Who": "ann"}  # whoever takes the lock is refused
        commit = team.terraform(thing("y"))
        head = HEAD + ("mode: observe\n" if how.startswith("mode") else "")
        pinned = team.world.git.commit(head + infrastructure(commit, *([how] if how.startswith("apply") else [])))
        daemon = team.world.daemon()
        differs = "stalled" if how.startswith("mode") else "drifted"  # enforced, it would be refused
        eventually(lambda: daemon.condition("network") == differs)
        assert daemon.environment()["commit"] == pinned
        drifts = {drift["field"]: drift["desired"] for drift in daemon.resource("network")["drift"]}
        assert drifts == {"terraform_data.x": "destroyed", "terraform_data.y": "created"}
        assert _differs(daemon) == {"add": 1, "change": 0, "destroy": 1}
        checked = daemon.metric(CHECKED)
        eventually(lambda: daemon.metric(CHECKED) > checked)
        assert daemon.condition("network") == differs
        assert (server.state, server.lock["ID"], team.backups) == (was, "7d3e", [])
        assert team.world.writes() == []


def test_outputs_alone_are_a_difference_and_are_applied(team: Team) -> None:
    output = 'output "o" {{\n  value = "{}"\n}}\n'
    team.run(team.terraform(output.format("first-value")), "apply", "-auto-approve")
    commit = team.terraform(output.format("second-value"))
    planned = team.world.trueup("plan", f"{_written(team, commit)}")
    assert planned.returncode == 2
    assert "outputs: as they were → as the commit says" in planned.stdout
    pinned = team.pin(commit)
    daemon = team.world.daemon()
    eventually(lambda: daemon.in_sync(pinned))
    assert json.loads(team.kept)["outputs"]["o"]["value"] == "second-value"
    assert _applies(daemon) == (1, 0)
    told = planned.stdout + daemon.printed() + daemon.get("/api/v1/status")
    assert not re.search("(first|second)-value", told)  # an output may be anything


def test_a_broken_configuration_says_where_and_the_next_commit_heals(team: Team) -> None:
    daemon = following(team, thing("x"))
    was = team.kept
    commit = team.pin(team.terraform('resource "terraform_data" "x" { input = var.none }\n'))
    eventually(lambda: daemon.stalled(commit, "network"))
    reason = daemon.resource("network")["reason"]
    assert reason.startswith("the configuration is wrong: infra/main.tf:4: Reference to undeclared input variable")
    assert reason.endswith("correct it and pin that commit")
    assert team.kept == was
    back = team.world.git.revert()
    eventually(lambda: daemon.in_sync(back))


def test_a_warning_says_where_in_the_repository(team: Team) -> None:
    check = (
        'check "c" {\n  assert {\n    condition = terraform_data.x.input == "one"\n    error_message = "no"\n  }\n}\n'
    )
    daemon = following(team, TWO + check)
    (advice,) = (each for each in daemon.resource("network")["advice"] if each["type"] == "terraform_warning")
    line = (team.backend + TWO + check).splitlines().index('    condition = terraform_data.x.input == "one"') + 1
    assert advice["message"] == f"infra/main.tf:{line}: Check block assertion failed"


@pytest.mark.parametrize(
    ("lines", "condition", "said"),
    [
        ((), "stalled", "has no commit 000000000000"),
        (("repository: /no/such/repository",), "retrying", "/no/such/repository"),
    ],
    ids=["no such commit", "no such repository"],
)
def test_what_cannot_be_fetched_is_told_and_the_next_commit_heals(
    team: Team, lines: tuple[str, ...], condition: str, said: str
) -> None:
    good = team.terraform(thing("x"))
    missing = team.pin("0" * 40 if not lines else good, *lines)
    daemon = team.world.daemon()
    eventually(lambda: said in daemon.resource("network").get("reason", ""))
    assert (daemon.environment()["commit"], daemon.condition("network")) == (missing, condition)
    assert team.kept == b""
    shown = team.world.trueup("infrastructure", f"repository/{FILE}")
    assert shown.returncode == 1
    assert said in shown.stdout
    mended = team.pin(good)
    eventually(lambda: daemon.in_sync(mended))


def test_a_commit_of_another_repository_is_fetched_by_its_id(team: Team) -> None:
    theirs = Git(team.world.folder / "other")
    other = Team(World(team.world.folder, team.world.aws, theirs), team.backend)
    commit = other.terraform(thing("x"))
    other.terraform(thing("later"))
    pinned = team.pin(commit, f"repository: {theirs.folder}")
    daemon = team.world.daemon()
    eventually(lambda: daemon.in_sync(pinned))
    assert set(team.state) == {"x"}

    theirs.folder.rename(team.world.folder / "gone")  # what was laid out once is used again
    (team.world.folder / "kept" / "terraform.tfstate").write_text(_without_resources(team.kept))
    eventually(lambda: set(team.state) == {"x"})
    eventually(lambda: daemon.in_sync(pinned))


def _applies(daemon: Daemon) -> tuple[float | None, float | None]:
    """How many applies ended well, and how many did not."""
    ok, failed = (daemon.metric(f'{APPLIES}_count{{{LABELS},result="{how}"}}') for how in ("ok", "failed"))
    return ok, failed


def _differs(daemon: Daemon) -> dict[str, float | None]:
    """What the last plan would do, as the metrics tell it."""
    start = "trueup_infrastructure_drift"
    return {action: daemon.metric(f'{start}{{action="{action}",{LABELS}}}') for action in ("add", "change", "destroy")}


def _condition(daemon: Daemon) -> str:
    """The one condition that the metrics say holds."""
    lines = [line for line in daemon.get("/metrics").splitlines() if line.startswith("trueup_resource_condition{")]
    (held,) = (line for line in lines if 'kind="infrastructure"' in line and line.endswith(" 1.0"))
    return re.search('condition="(.+?)"', held)[1]


def _without_resources(state: bytes) -> str:
    """The state of somebody who removed everything by hand."""
    told = json.loads(state)
    return json.dumps(told | {"resources": [], "serial": told["serial"] + 1})


def _folders(team: Team) -> set[str]:
    """What lies beside the repository."""
    return {path.name for path in team.world.folder.iterdir()}


def _written(team: Team, commit: str, *lines: str) -> Path:
    """The file in somebody's work tree, not committed yet."""
    file = team.world.git.folder / FILE
    file.write_text(HEAD + infrastructure(commit, *lines))
    return file
