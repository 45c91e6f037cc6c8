"""`python -m rehearsal`: says what to export, serves, and ends when it is told to."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rehearsal.caller import Caller
from rehearsal.replaydash_names import API, CLUSTER


@contextmanager
def running(*words: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process and the two lines that it prints."""
    command = [sys.executable, "-m", "rehearsal", "--port", "0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, [process.stdout.readline().strip() for _ in range(2)]
        finally:
            process.kill()


def clients(printed: list[str]) -> Caller:
    """What a person reaches who exports what was printed."""
    words = [word for line in printed for word in line.removeprefix("export ").split()]
    exported = dict(word.split("=", 1) for word in words)
    assert (exported["AWS_REGION"], exported["AWS_DEFAULT_REGION"]) == ("us-east-1", "us-east-1")
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} < exported.keys()
    return Caller(exported["AWS_ENDPOINT_URL"])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_replaydash_until_it_is_stopped(how: signal.Signals) -> None:
    with running() as (process, printed):
        described = clients(printed).aws("ecs").describe_services(cluster=CLUSTER, services=[API])["services"][0]
        process.send_signal(how)
        rest = process.communicate(timeout=10)

    assert described["taskDefinition"].endswith(f"{API}:124")
    assert rest == ("", "")
    assert process.returncode == 0


def test_it_serves_an_empty_aws_at_the_pace_that_was_asked_for() -> None:
    with running("--seed", "empty", "--rollout", "7", "--creating", "9", "--throttle") as (process, printed):
        caller = clients(printed)
        clusters = caller.aws("ecs").list_clusters()["clusterArns"]
        with urllib.request.urlopen(f"{caller.url}/rehearsal/clock", timeout=5) as answer:
            pace = json.load(answer)["pace"]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)

    assert (clusters, pace["rollout"], pace["creating"]) == ([], 7.0, 9.0)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        pytest.param(["--help"], 0, "so that a rollback can be rehearsed", id="help"),
        pytest.param(["--rollout", "soon"], 2, "'soon' is not a number of seconds", id="a pace that is no number"),
        pytest.param(["--rollout", "-1"], 2, "'-1' is not a number of seconds", id="a pace that goes backwards"),
        pytest.param(["--seed", "other"], 2, "invalid choice: 'other'", id="a seed that is not there"),
        pytest.param(["--port", "99999"], 1, "cannot listen on port 99999", id="a port that is not there"),
    ],
)
def test_it_says_what_is_wrong(words: list[str], exit_code: int, said: str) -> None:
    done = subprocess.run([sys.executable, "-m", "rehearsal", *words], capture_output=True, text=True, timeout=30)

    assert done.returncode == exit_code
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "rehearsal", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)

    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot listen on port {port}" in done.stderr
