"""What waits for infrastructure and what does not: a long apply holds up those that need it, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.infrastructure_world import Team, infrastructure, local, terraforms, thing
from tests.end_to_end.slow_terraform import Gate
from tests.end_to_end.world import (
    CLUSTER,
    FILE,
    HEAD,
    SERVICE,
    WORKER,
    Daemon,
    World,
    eventually,
)
from tests.tools import tool

NEEDS = "needs: [network]"


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    tool("terraform")
    monkeypatch.setenv("XDG_STATE_HOME", f"{tmp_path / 'state'}")
    yield
    for process in terraforms(tmp_path):
        process.kill()


@pytest.fixture
def team(replaydash: World) -> Team:
    return Team(replaydash, local(replaydash.folder))


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.open()


def following(team: Team) -> Daemon:
    """A daemon in sync with infrastructure, both services and no maintenance, the api in need of the infrastructure."""
    text = team.pinned(
        team.terraform(thing("first")),
        api=["task_revision: 124", NEEDS],
        worker=[],
        maintenance=["enabled: false"],
    )
    return team.world.following(text)


def slow(team: Team, daemon: Daemon, gate: Gate, **entries: object) -> str:
    """Commit these entries with an apply that takes long, and wait until that is under way."""
    text = team.pinned(team.terraform(gate.configuration), **entries)
    commit = team.world.git.commit(text, "A long apply")
    eventually(lambda: gate.waits)
    eventually(lambda: daemon.environment().get("commit") == commit)
    return commit


def test_only_what_needs_it_waits_for_a_long_apply(team: Team, gate: Gate) -> None:
    world = team.world
    daemon = following(team)
    entries = {"api": ["task_revision: 123", NEEDS], "worker": ["task_revision: 57"]}
    commit = slow(team, daemon, gate, **entries, maintenance=["enabled: true"])

    eventually(lambda: world.primary(WORKER)["taskDefinition"].endswith(":57"))
    eventually(lambda: world.route()["status"] == 503)
    waiting = daemon.resource("api")
    assert waiting["condition"] == "progressing"
    assert waiting["reason"].startswith("waits for infrastructure network (progressing: terraform ")
    assert [drift["desired"] for drift in waiting["drift"]] == ["replaydash-production-api:123"]
    assert world.primary()["taskDefinition"].endswith(":124")

    gate.open()
    eventually(lambda: daemon.in_sync(commit))
    assert world.settled_on("123")
    assert set(team.state) == {"first", "slow"}


def test_a_shutdown_waits_for_nothing(team: Team, gate: Gate) -> None:
    daemon = following(team)
    slow(team, daemon, gate, api=["task_revision: 124", "desired_count: 0", NEEDS], worker=[])
    eventually(lambda: team.world.service()["desiredCount"] == 0)
    assert gate.waits


def test_a_commit_that_leaves_infrastructure_alone_waits_for_no_check(team: Team) -> None:
    daemon = following(team)
    text = (team.world.git.folder / FILE).read_text()
    assert "task_revision: 124" in text
    commit = team.world.git.commit(text.replace("task_revision: 124", "task_revision: 123"))
    eventually(lambda: daemon.in_sync(commit))
    assert "waits for infrastructure" not in daemon.printed()


def test_another_environment_does_not_wait(team: Team, gate: Gate) -> None:
    world = team.world
    commit = team.terraform(thing("first"))
    folder = world.git.folder / "environments"
    folder.mkdir()
    other = "version: 1\nenvironment: other\naws: {region: us-east-1}\nservices:\n"
    other += f"  worker: {{cluster: {CLUSTER}, service: {WORKER}%s}}\n"
    (folder / "other.yaml").write_text(other % "")
    first = world.git.commit(HEAD + infrastructure(commit), file="environments/production.yaml")
    daemon = world.daemon(path="environments")
    eventually(lambda: daemon.in_sync(first))

    slowly = HEAD + infrastructure(team.terraform(gate.configuration))
    (folder / "other.yaml").write_text(other % ", task_revision: 57")
    second = world.git.commit(slowly, file="environments/production.yaml")
    eventually(lambda: gate.waits)
    eventually(lambda: daemon.environment("other").get("commit") == second and daemon.environment("other")["in_sync"])
    assert world.primary(WORKER)["taskDefinition"].endswith(":57")
    assert daemon.condition("network") == "progressing"


def test_entries_of_one_environment_work_at_the_same_time(team: Team, gate: Gate) -> None:
    world = team.world
    other = Team(world, local(world.folder / "two"), directory="two")
    slowly, quick = team.terraform(gate.configuration), other.terraform(thing("quick"))
    text = HEAD + infrastructure(slowly) + infrastructure(quick, directory="two", name="other").partition("\n")[2]
    world.git.commit(text)
    daemon = world.daemon()
    eventually(lambda: gate.waits)
    eventually(lambda: daemon.condition("other") == "in_sync")
    assert daemon.condition("network") == "progressing"


@pytest.mark.parametrize(
    ("apply", "waits"),
    [("approved", True), ("never", False)],
)
def test_what_only_a_person_can_settle_is_waited_for_and_what_is_only_reported_is_not(
    team: Team, apply: str, waits: bool
) -> None:
    world = team.world
    daemon = following(team)
    empty = team.terraform('output "o" {\n  value = 1\n}\n')
    commit = world.git.commit(team.pinned(empty, f"apply: {apply}", api=["task_revision: 123", NEEDS], worker=[]))
    if waits:
        eventually(lambda: daemon.stalled(commit, "network") and daemon.condition() == "drifted")
        reason = daemon.resource("api")["reason"]
        assert reason.startswith("waits for infrastructure network (stalled: the plan destroys terraform_data.first: ")
        daemon.after_passes()
        assert world.primary()["taskDefinition"].endswith(":124")
    else:
        eventually(lambda: world.settled_on("123"))
        eventually(lambda: daemon.condition("network") == "drifted")
    assert set(team.state) == {"first"}


def test_a_plan_says_who_will_wait(team: Team) -> None:
    following(team)
    text = team.pinned(team.terraform(thing("first") + thing("more")), api=["task_revision: 123", NEEDS])
    (team.world.git.folder / FILE).write_text(text)
    planned = team.world.trueup("plan", f"repository/{FILE}").stdout
    assert "service api: deploy task_revision: replaydash-production-api:124 → replaydash-production-api:123" in planned
    assert "service api: waits until infrastructure network has settled" in planned


def test_the_first_commit_of_all_keeps_the_order_too(team: Team) -> None:
    world = team.world
    broken = team.terraform('resource "terraform_data" "x" { input = var.none }\n')
    commit = team.pin(broken, api=["task_revision: 123", NEEDS])
    daemon = world.daemon()
    eventually(lambda: daemon.stalled(commit, "network"))
    daemon.after_passes()
    assert daemon.condition() == "drifted"
    assert "waits for infrastructure network (stalled: the configuration is wrong" in daemon.resource("api")["reason"]
    assert world.service(SERVICE)["taskDefinition"].endswith(":124")
    world.git.commit(team.pinned(broken, api=["task_revision: 123"]))  # without `needs` it does not wait
    eventually(lambda: world.settled_on("123"))
