"""Infrastructure in trouble: locks, kills, states that are lost or not saved. Nothing is lost, nothing done twice."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.infrastructure_world import Team, local, terraforms, thing
from tests.end_to_end.slow_terraform import EMPTY_STATE, READS, Gate, plans, slow_to_plan
from tests.end_to_end.world import Daemon, World, eventually
from tests.terraform_state import state_server
from tests.tools import tool


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
def served(replaydash: World) -> Iterator[Team]:
    with state_server() as server:
        yield Team(replaydash, server.backend, server)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.open()


def applying(team: Team, gate: Gate) -> tuple[Daemon, str]:
    """A daemon whose terraform is in the middle of an apply."""
    commit = team.pin(team.terraform(gate.configuration))
    daemon = team.world.daemon(ready=False)
    eventually(lambda: gate.waits)
    eventually(lambda: "terraform apply of commit" in reason(daemon))
    return daemon, commit


def killed(team: Team, daemon: Daemon, gate: Gate) -> None:
    """Kill the daemon and its terraform, and let what that has started come to its end."""
    daemon.kill()
    for process in terraforms(team.world.folder):
        process.kill()
    gate.open()
    eventually(lambda: not terraforms(team.world.folder))


def reason(daemon: Daemon) -> str:
    return daemon.resource("network").get("reason", "")


def test_a_lock_of_somebody_else_is_waited_for_and_never_taken(served: Team) -> None:
    served.server.lock = {"ID": "7d3e", "Who": "ann@desk", "Operation": "OperationTypeApply"}
    commit = served.pin(served.terraform(thing("x")))
    daemon = served.world.daemon(ready=False)
    eventually(lambda: _status(daemon) and "7d3e" in reason(daemon))
    assert daemon.condition("network") == "retrying"
    assert "the state is locked by" in reason(daemon)
    assert "terraform force-unlock 7d3e" in reason(daemon)
    assert (served.server.lock["ID"], served.server.state) == ("7d3e", b"")

    served.server.lock = {}
    eventually(lambda: daemon.in_sync(commit))
    assert set(served.state) == {"x"}


def test_who_holds_a_lock_is_told(team: Team, gate: Gate) -> None:
    slow = team.terraform(gate.configuration)
    team.run(slow, "version")
    words = [tool("terraform"), "-chdir=infra", "apply", "-auto-approve"]
    sink, clone = subprocess.DEVNULL, team.world.folder / "ann"
    with subprocess.Popen(words, cwd=clone, stdin=sink, stdout=sink, stderr=sink) as theirs:
        eventually(lambda: gate.waits)
        commit = team.pin(slow)
        daemon = team.world.daemon(ready=False)
        eventually(lambda: _status(daemon) and "the state is locked by" in reason(daemon))
        assert "@" in reason(daemon).partition("locked by ")[2].split()[0]
        assert " for apply since " in reason(daemon)
        gate.open()
        assert theirs.wait(20) == 0
    eventually(lambda: daemon.in_sync(commit))
    assert gate.visits == 1


def test_a_daemon_and_its_terraform_that_are_killed_are_gone_on_from(team: Team, gate: Gate) -> None:
    daemon, commit = applying(team, gate)
    killed(team, daemon, gate)
    was = team.state
    assert set(was) == {"first"}  # of the other one terraform had noted nothing yet

    daemon = team.world.daemon()
    eventually(lambda: daemon.in_sync(commit))
    assert set(team.state) == {"first", "slow"}
    assert team.state["first"] == was["first"]


def test_a_terraform_that_outlives_its_daemon_is_waited_for(team: Team, gate: Gate) -> None:
    daemon, commit = applying(team, gate)
    daemon.kill()
    (left,) = terraforms(team.world.folder)

    daemon = team.world.daemon(ready=False)
    eventually(lambda: _status(daemon) and "another terraform of this entry still runs" in reason(daemon))
    assert daemon.condition("network") == "retrying"
    assert terraforms(team.world.folder) == [left]
    gate.open()
    eventually(lambda: daemon.in_sync(commit))
    assert set(team.state) == {"first", "slow"}
    assert gate.visits == 1


def test_the_lock_of_a_dead_terraform_is_left_to_a_person(served: Team, gate: Gate) -> None:
    daemon, commit = applying(served, gate)
    killed(served, daemon, gate)
    lock = served.server.lock["ID"]

    daemon = served.world.daemon(ready=False)
    eventually(lambda: _status(daemon) and f"terraform force-unlock {lock}" in reason(daemon))
    assert daemon.condition("network") == "retrying"
    assert served.server.lock["ID"] == lock
    served.server.lock = {}
    eventually(lambda: daemon.in_sync(commit), within=40)
    assert set(served.state) == {"first", "slow"}


def test_a_daemon_that_is_asked_to_stop_lets_terraform_save_what_it_did(served: Team, gate: Gate) -> None:
    daemon, _ = applying(served, gate)
    daemon.process.send_signal(signal.SIGTERM)
    eventually(lambda: '"event": "ending"' in daemon.printed())
    assert daemon.process.wait(20) == 0
    assert "first" in served.state
    assert served.server.lock == {}
    assert terraforms(served.world.folder) == []

    was = served.state["first"]["id"]
    commit = served.pin(served.terraform(thing("first") + thing("slow")), "apply: destroy_allowed")
    daemon = served.world.daemon()
    eventually(lambda: daemon.in_sync(commit))
    assert served.state["first"]["id"] == was


def test_a_check_does_not_hold_the_end_up(served: Team) -> None:
    with state_server() as slow:
        slow.state, slow.delay = EMPTY_STATE, 3.0
        served.pin(served.terraform(slow_to_plan(slow.url)))
        daemon = served.world.daemon(ready=False)
        eventually(lambda: plans(served.world.folder) and served.server.lock)
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < (READS - 1) * slow.delay  # the plan would have taken longer
    assert served.server.lock == {}
    assert terraforms(served.world.folder) == []


def test_a_state_that_cannot_be_saved_is_kept_until_a_person_has_saved_it(served: Team) -> None:
    first = served.terraform(thing("x", 'input = "one"'))
    commit = served.pin(first)
    daemon = served.world.daemon()
    eventually(lambda: daemon.in_sync(commit))
    two = served.terraform(thing("x", 'input = "two"'))
    served.server.refuses_writes = True
    commit = served.pin(two)
    eventually(lambda: daemon.stalled(commit, "network"))
    assert "terraform could not save its state, which is kept in " in reason(daemon)
    assert "save it with terraform state push, then remove the file" in reason(daemon)
    (kept,) = (served.world.folder / "cache").rglob("errored.tfstate")
    assert f"{kept}" in reason(daemon)
    served.server.refuses_writes = False
    daemon.after_passes()
    assert served.state["x"]["input"]["value"] == "one"

    served.run(two, "state", "push", f"{kept}")
    kept.unlink()
    eventually(lambda: daemon.in_sync(commit))
    assert served.state["x"]["input"]["value"] == "two"


def test_a_newer_commit_stops_a_plan_that_runs_for_an_older_one(team: Team) -> None:
    with state_server() as slow:
        slow.state, slow.delay = EMPTY_STATE, 3.0
        team.pin(team.terraform(slow_to_plan(slow.url)))
        daemon = team.world.daemon(ready=False)
        (plan,) = eventually(lambda: plans(team.world.folder))
        began = time.monotonic()
        commit = team.pin(team.terraform(thing("new")))
        eventually(lambda: not plan.is_running())
        assert time.monotonic() - began < (READS - 1) * slow.delay  # it would have taken longer
        eventually(lambda: daemon.in_sync(commit))
    assert set(team.state) == {"new"}


def test_an_apply_is_never_interrupted_and_the_newer_commit_follows(team: Team, gate: Gate) -> None:
    daemon, _ = applying(team, gate)
    (running,) = terraforms(team.world.folder)
    newer = team.terraform(gate.configuration + thing("more"))
    commit = team.pin(newer)
    eventually(lambda: reason(daemon).endswith(f"; commit {newer[:12]} comes next"))
    daemon.after_passes()
    assert running.is_running()
    assert set(team.state) == {"first"}
    gate.open()
    eventually(lambda: daemon.in_sync(commit))
    assert set(team.state) == {"first", "slow", "more"}
    assert gate.visits == 1


@pytest.mark.parametrize("meant", [False, True])
def test_a_state_that_is_gone_is_not_made_anew(team: Team, meant: bool) -> None:
    commit = team.pin(team.terraform(thing("x", 'input = "one"')))
    daemon = team.world.daemon()
    eventually(lambda: daemon.in_sync(commit))
    text = thing("x", 'input = "two"')
    commit = team.pin(team.terraform(text))
    eventually(lambda: daemon.in_sync(commit))
    (backup,) = team.backups

    kept = team.world.folder / "kept"
    for file in kept.iterdir():
        file.unlink()
    eventually(lambda: daemon.condition("network") == "stalled")
    assert reason(daemon).startswith(f"the state is empty, unlike its backup {backup}: correct the backend")
    daemon.after_passes()
    assert team.state == {}

    if meant:
        backup.rename(team.world.folder / "elsewhere")
    else:
        team.run(team.world.git.run("rev-parse", "HEAD~1"), "state", "push", f"{backup}")
    daemon.process.send_signal(signal.SIGHUP)  # or wait for the next check
    eventually(lambda: daemon.condition("network") == "in_sync")
    assert team.state["x"]["input"]["value"] == "two"


def test_an_apply_that_fails_waits_and_a_person_can_ask_again(team: Team) -> None:
    marker = team.world.folder / "good"
    text = thing("x", 'provisioner "local-exec" {', f'command = "echo >> {marker}.tries; test -e {marker}"', "}")
    commit = team.pin(team.terraform(text), "apply: destroy_allowed")
    file = team.world.git.folder / "production.yaml"
    commit = team.world.git.commit(file.read_text().replace("check_every: 5", "check_every: 600"))
    daemon = team.world.daemon()
    eventually(lambda: daemon.condition("network") == "retrying")
    assert "the next try is at " in reason(daemon)
    daemon.after_passes(5)
    tries = Path(f"{marker}.tries")
    assert len(tries.read_text().splitlines()) == 1

    marker.touch()
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: daemon.in_sync(commit))
    assert len(tries.read_text().splitlines()) == 2


def test_one_run_applies_waits_and_ends(team: Team) -> None:
    team.pin(team.terraform(thing("x")))
    done = team.world.once()
    assert done.returncode == 0, done.stderr
    assert set(team.state) == {"x"}


def test_one_run_gives_up_on_a_lock(served: Team) -> None:
    served.server.lock = {"ID": "7d3e", "Who": "ann@desk"}
    served.pin(served.terraform(thing("x")))
    began = time.monotonic()
    done = served.world.once(timeout=300)
    assert done.returncode == 1
    assert time.monotonic() - began < 75
    assert "7d3e" in done.stderr
    assert served.server.lock["ID"] == "7d3e"


def _status(daemon: Daemon) -> bool:
    """Whether the daemon has a page yet: it is not ready while nothing could be looked at."""
    try:
        return bool(daemon.resource("network"))
    except OSError:
        return False
