"""The verbs that look, as a person runs them: status and explain, against a daemon and an AWS."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.replaydash_names import LIVE_REVISION, PREVIOUS_REVISION
from tests.end_to_end.world import ENVIRONMENT, FILE, Daemon, World, eventually, production, world

BACK = production(api=(f"task_revision: {PREVIOUS_REVISION}",), worker=("task_revision: 58",))
LIVE = production(api=(f"task_revision: {LIVE_REVISION}",), worker=("task_revision: 58",))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, rollout=12.0) as made:
        yield made


def asked(on: World, daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return on.trueup(*words, "--daemon", f"http://{daemon.address}")


# --- status and explain


def test_status_and_explain_follow_a_rollback_from_its_commit_to_its_end(made: World) -> None:
    daemon = made.following(LIVE)
    before = asked(made, daemon, "status"), asked(made, daemon, "explain", ENVIRONMENT)

    commit = made.git.commit(BACK, "Go back")
    eventually(lambda: daemon.condition() == "progressing" and daemon.environment()["commit"] == commit)
    during = asked(made, daemon, "status", ENVIRONMENT), asked(made, daemon, "explain", ENVIRONMENT)
    eventually(lambda: daemon.in_sync(commit), within=60)
    after = asked(made, daemon, "status", "--output", "json")

    assert [done.returncode for done in (*before, *during, after)] == [0, 0, 2, 2, 0]
    assert f"{ENVIRONMENT}: in sync" in before[0].stdout
    assert "nothing has to be" in before[1].stdout
    assert f"commit {commit[:8]} of {FILE}" in during[0].stdout
    assert "service api: progressing" in during[0].stdout
    assert "Service api has been on its way" in during[1].stdout
    assert json.loads(after.stdout)["environments"][0]["commit"] == commit


def test_a_file_names_its_environment(made: World) -> None:
    daemon = made.following(LIVE)
    (made.folder / FILE).write_text(LIVE)

    assert asked(made, daemon, "status", FILE).returncode == 0
    assert asked(made, daemon, "explain", FILE).returncode == 0


def test_a_refused_commit_is_explained_with_file_and_line(made: World) -> None:
    daemon = made.following(LIVE)
    commit = made.git.commit(LIVE + "  wrong: 1\n", "Make a mistake")
    eventually(lambda: not daemon.environment()["valid"])

    told = asked(made, daemon, "explain", ENVIRONMENT)

    assert told.returncode == 2
    assert f"Commit {commit[:8]} is refused: {FILE}:" in told.stdout
    assert "stays in force" in " ".join(told.stdout.split())


def test_an_environment_that_the_daemon_lacks_is_said_with_those_that_it_has(made: World) -> None:
    daemon = made.following(LIVE)

    done = asked(made, daemon, "status", "nobody")

    assert (done.returncode, done.stdout) == (1, "")
    assert f"it has: {ENVIRONMENT}" in done.stderr


def test_watch_prints_a_line_a_change_and_ends_with_130(made: World) -> None:
    daemon = made.following(LIVE)
    output = made.folder / "watch.txt"
    command = [sys.executable, "-m", "daemon", "status", "--watch", "--daemon", f"http://{daemon.address}"]
    with output.open("wb") as sink:
        watch = subprocess.Popen(command, cwd=made.folder, env=made.environ, stdout=sink, stderr=sink)
    try:
        eventually(lambda: "in sync" in output.read_text())
        commit = made.git.commit(BACK, "Go back")
        eventually(lambda: f"commit {commit[:8]}: in sync" in output.read_text(), within=60)
    finally:
        watch.send_signal(signal.SIGINT)

    assert watch.wait(10) == 130
    lines = output.read_text().splitlines()
    assert "service api: progressing" in "\n".join(lines)
    assert len(set(lines)) == len(lines), "nothing is told twice"


def test_watch_draws_on_a_terminal_of_80_columns(made: World) -> None:
    daemon = made.following(LIVE)
    told = _on_a_terminal(made, "status", "--watch", "--daemon", f"http://{daemon.address}", seconds=4.0)

    assert "in sync" in told
    assert "Ctrl-C ends" in told
    assert "Traceback" not in told


def _on_a_terminal(on: World, *words: str, seconds: float) -> str:
    """What a verb draws on a terminal of 80 columns before Ctrl-C."""
    ours, theirs = pty.openpty()
    environ = on.environ | {"COLUMNS": "80", "LINES": "30", "TERM": "xterm"}
    command = [sys.executable, "-m", "daemon", *words]
    process = subprocess.Popen(
        command, cwd=on.folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    told, end = b"", time.monotonic() + seconds
    os.set_blocking(ours, False)
    while process.poll() is None:
        if time.monotonic() > end:
            process.send_signal(signal.SIGINT)
            end = time.monotonic() + 10
        try:
            told += os.read(ours, 65536)
        except OSError:
            time.sleep(0.05)
    os.close(ours)
    assert process.returncode == 130
    return told.decode(errors="replace")
