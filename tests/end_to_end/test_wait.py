"""`trueup wait`, as a CI job runs it after a merge: its exit code says in sync, stalled, refused, or not in time."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.replaydash_names import BAD_TAG, LIVE_REVISION, PREVIOUS_REVISION
from tests.end_to_end.world import ENVIRONMENT, FILE, Daemon, World, api, eventually, world

LIVE = api(f"task_revision: {LIVE_REVISION}")
BACK = api(f"task_revision: {PREVIOUS_REVISION}")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, rollout=8.0) as made:
        yield made


def wait(on: World, daemon: Daemon, commit: str, *words: str, timeout: str = "40s") -> subprocess.CompletedProcess[str]:
    command = ("wait", ENVIRONMENT, "--commit", commit, "--timeout", timeout, "--interval", "0.2")
    return on.trueup(*command, "--daemon", f"http://{daemon.address}", *words)


def test_a_rollback_that_is_waited_for_ends_with_0_once_production_is_as_committed(made: World) -> None:
    daemon = made.following(LIVE)
    commit = made.git.commit(BACK, "Go back")

    done = wait(made, daemon, commit[:10])

    assert done.returncode == 0, done.stdout + done.stderr
    assert made.settled_on(str(PREVIOUS_REVISION))
    assert "service api: progressing" in done.stdout
    assert f"{ENVIRONMENT} at commit {commit[:8]}: in sync after" in done.stdout


def test_a_release_that_ecs_gives_up_ends_with_2_and_says_why(made: World) -> None:
    daemon = made.following(LIVE)
    commit = made.git.commit(api(f"task_revision: {LIVE_REVISION}", f"image_tag: {BAD_TAG}"), "Release")

    done = wait(made, daemon, commit, "--output", "json")

    told = json.loads(done.stdout)
    assert (done.returncode, told["result"]) == (2, "stalled"), done.stderr
    assert "ECS gave up the rollout" in told["reasons"][0]
    assert "service api: progressing" in done.stderr, "what happened meanwhile is told beside it"


def test_a_commit_that_is_refused_ends_with_2_and_names_file_and_line(made: World) -> None:
    daemon = made.following(LIVE)
    commit = made.git.commit(LIVE + "wrong: 1\n", "Make a mistake")

    done = wait(made, daemon, commit)

    assert done.returncode == 2
    assert f"{FILE}:" in done.stdout
    assert "refused" in done.stdout


def test_a_commit_that_nobody_pushed_ends_with_3(made: World) -> None:
    daemon = made.following(LIVE)

    done = wait(made, daemon, "0" * 40, timeout="1s")

    assert done.returncode == 3
    assert "the time is up" in done.stdout


def test_a_daemon_that_is_killed_and_started_anew_meanwhile_is_asked_again(made: World) -> None:
    daemon = made.following(LIVE)
    daemon.kill()
    commit = made.git.commit(BACK, "Go back")
    command = [sys.executable, "-m", "daemon", "wait", ENVIRONMENT, "--commit", commit, "--timeout", "60s"]
    command += ["--interval", "0.2", "--daemon", f"http://{daemon.address}"]
    output = made.folder / "wait.txt"
    with output.open("wb") as sink:
        waiting = subprocess.Popen(command, cwd=made.folder, env=made.environ, stdout=sink, stderr=sink)
    eventually(lambda: "asking again until the time is up" in output.read_text())

    made.daemon("--listen", daemon.address, ready=False)  # the last --listen counts

    assert waiting.wait(60) == 0, output.read_text()
    assert output.read_text().count("asking again") == 1


def test_a_later_commit_counts_in_its_place_where_a_clone_says_that_it_contains_it(made: World) -> None:
    daemon = made.following(BACK)
    first = made.git.commit(LIVE, "Go on")
    second = made.git.commit(BACK, "Go back again")
    eventually(lambda: daemon.in_sync(second), within=60)
    command = [sys.executable, "-m", "daemon", "wait", ENVIRONMENT, "--commit", first, "--timeout", "10s"]

    done = subprocess.run(
        [*command, "--daemon", f"http://{daemon.address}"],
        cwd=made.git.folder,
        env=made.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{second[:8]} is in force, a later commit that contains {first[:8]}" in done.stdout
