"""`trueup demo --stay`, as a new user would run it: the story to its end, then on by hand, then Ctrl-C."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.world import eventually


@pytest.fixture
def played(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    output = tmp_path / "output"
    environ = os.environ | {"TMPDIR": str(tmp_path), "COLUMNS": "100", "PYTHONUNBUFFERED": "1"}
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "demo", "--stay"], env=environ, cwd=tmp_path, stdout=sink, stderr=sink
        )
    yield process, output
    if process.poll() is None:
        process.kill()


def test_the_story_ends_well_and_can_be_gone_on_with_by_hand(
    played: tuple[subprocess.Popen[bytes], Path], tmp_path: Path
) -> None:
    process, output = played
    eventually(lambda: process.poll() is not None or "Ctrl-C ends it all" in output.read_text(), within=150)
    told = output.read_text()
    assert process.poll() is None, told
    children = psutil.Process(process.pid).children(recursive=True)

    for chapter in (
        "A bad release",
        "The rollback",
        "A change by hand",
        "there and back",
        "The database rollback",
        "Maintenance",
    ):
        assert re.search(rf"{chapter} +\d+\.\d s", told), told
    assert "0 RegisterTaskDefinition" in told
    assert "503 Service under maintenance" in told

    commands = [line.strip() for line in told.partition("In another terminal")[2].splitlines() if line.startswith("  ")]
    exported, keys, edit, plan, commit, _ = commands
    after = _shell(tmp_path, exported, keys, edit, plan)
    assert after.returncode == 2
    assert "replaydash-production-api:123" in after.stdout
    folder = edit.split()[1]
    assert _shell(Path(folder), commit.partition(" && ")[0]).returncode == 0
    address = re.search(r"http://[\d.:]+/api/v1/status", told)
    assert address
    eventually(lambda: _commit_in_force(address[0]) == _head(folder))

    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 0
    assert "nothing is left behind" in output.read_text()
    assert not [child for child in children if child.is_running()]
    assert not list(tmp_path.glob("trueup-demo-*"))


def test_a_terminal_that_is_closed_leaves_nothing_running(
    played: tuple[subprocess.Popen[bytes], Path], tmp_path: Path
) -> None:
    process, output = played
    eventually(lambda: process.poll() is not None or "A bad release" in output.read_text(), within=60)
    children = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(signal.SIGHUP)

    assert process.wait(20) == 1
    assert children
    assert not [child for child in children if child.is_running()]
    assert not list(tmp_path.glob("trueup-demo-*"))


def _shell(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Lines as a person pastes them into a terminal, in which `trueup` is on the PATH."""
    trueup = f'trueup() {{ {shlex.quote(sys.executable)} -m daemon "$@"; }}'
    script = "\n".join([trueup, *lines])
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def _commit_in_force(address: str) -> str:
    with urllib.request.urlopen(address, timeout=5) as answer:
        return str(json.load(answer)["environments"][0]["commit"])


def _head(folder: str) -> str:
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()
