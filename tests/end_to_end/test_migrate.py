"""`trueup migrate`: a command that runs once in a service's own task, followed to its end by the real command."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.replaydash_names import PASSWORD, URL
from tests.end_to_end.world import CLUSTER, FILE, HEAD, SERVICE, World, api, eventually, production, world

TASK = 60.0  # seconds to start, and as many to run: a test lets them pass
PRISMA = ("npx", "prisma", "migrate", "deploy")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("migrate"), rollout=0.4, task=TASK) as made:
        yield made


@pytest.fixture
def replaydash(shared: World) -> World:
    """ReplayDash's production, with a file that pins the revision before the one that runs."""
    shared.aws.clear_faults()
    shared.aws.clear_calls()
    (shared.folder / FILE).write_text(api("task_revision: 123"))
    return shared


class Run:
    """One `trueup migrate` under way."""

    def __init__(self, world: World, *command: str, words: tuple[str, ...] = (FILE, "api")) -> None:
        self._world = world
        line = [sys.executable, "-m", "daemon", "migrate", *words, "--", *command]
        self._out, self._err = world.folder / "out", world.folder / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(line, cwd=world.folder, env=world.environ, stdout=out, stderr=err)

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def until_it_says(self, text: str) -> None:
        eventually(lambda: text in self.out + self.err or self.process.poll() is not None)
        assert text in self.out + self.err, self.err

    def ended(self) -> int:
        """Let the task run to its end; the exit code."""
        self.until_it_says(" is provisioning")
        self._world.aws.advance(3 * TASK)
        return self.process.wait(30)


def tasks(world: World) -> list[dict[str, Any]]:
    """The tasks that were asked for by RunTask since the last `clear_calls`, each once."""
    asked = {call["summary"]["startedBy"] for call in world.aws.calls() if call["operation"] == "RunTask"}
    ecs = world.client("ecs")
    listed = [
        arn
        for started_by in asked
        for status in ("RUNNING", "STOPPED")
        for arn in ecs.list_tasks(cluster=CLUSTER, startedBy=started_by, desiredStatus=status)["taskArns"]
    ]
    told = ecs.describe_tasks(cluster=CLUSTER, tasks=listed, include=["TAGS"])["tasks"] if listed else []
    return list(told)


def test_it_runs_once_in_the_pinned_revision_and_prints_what_the_command_prints(replaydash: World) -> None:
    lines = ["1 migration found", "\x1b[32mApplying\x1b[0m\tinit", "\x1b]0;owned\x07", URL, "", "done ✔"]
    replaydash.aws.command(*PRISMA, output=lines)

    run = Run(replaydash, *PRISMA)

    assert run.ended() == 0, run.err
    shown = URL.replace(URL.partition("://")[2].partition("@")[0], "[redacted]")
    assert run.out.splitlines() == [
        lines[0],
        "Applying        init",
        "\\x1b]0;owned\\x07",
        shown,
        "",
        "done ✔",
    ]
    started = f"trueup: runs in container api of {SERVICE}:123 on cluster {CLUSTER}: npx prisma migrate deploy\n"
    assert run.err.startswith(started)
    assert run.err.endswith("trueup: the command ended with exit code 0\n")
    (task,) = tasks(replaydash)
    assert task["taskDefinitionArn"].endswith(f"/{SERVICE}:123")
    assert task["overrides"]["containerOverrides"] == [{"name": "api", "command": list(PRISMA)}]
    assert (task["launchType"], task["platformVersion"]) == ("FARGATE", "1.4.0")
    assert {tag["key"]: tag["value"] for tag in task["tags"]} == {"team": "platform", "environment": "production"}
    assert replaydash.writes() == ["RunTask"]
    assert PASSWORD not in run.out + run.err


def test_it_ends_with_the_exit_code_of_the_command_which_keeps_a_dash_dash_of_its_own(replaydash: World) -> None:
    command = ("npm", "run", "migrate", "--", "--verbose")
    replaydash.aws.command(*command, output=["P3009 migrate found failed migrations"], exit_code=3)

    run = Run(replaydash, *command)

    assert run.ended() == 3
    assert run.out == "P3009 migrate found failed migrations\n"
    assert "exit code 3 (EssentialContainerExited: " in run.err
    assert tasks(replaydash)[0]["overrides"]["containerOverrides"][0]["command"] == list(command)


def test_a_command_that_cannot_start_ends_with_1_and_the_reason(replaydash: World) -> None:
    replaydash.aws.command("npxx", starts=False)

    run = Run(replaydash, "npxx")

    assert (run.ended(), run.out) == (1, "")
    assert "no exit code (TaskFailedToStart: Task failed to start; CannotStartContainerError: " in run.err
    assert "Traceback" not in run.err


def test_killed_and_started_again_it_follows_the_task_that_is_under_way(replaydash: World) -> None:
    replaydash.aws.command("long", output=["first", "second"])
    run = Run(replaydash, "long")
    run.until_it_says(" is provisioning")
    replaydash.aws.advance(1.5 * TASK)
    run.until_it_says("first\n")
    run.process.kill()
    run.process.wait(10)

    again = Run(replaydash, "long")
    again.until_it_says(" is running")
    replaydash.aws.advance(TASK)

    assert again.process.wait(30) == 0
    assert again.out == "first\nsecond\n"
    assert "this command is under way already: it is followed, and not started twice" in again.err
    assert replaydash.writes() == ["RunTask"]


@pytest.mark.parametrize("fault", ["hang_after", "hang_before"])
def test_a_time_out_of_run_task_starts_one_task(replaydash: World, fault: str) -> None:
    replaydash.aws.fault("ecs", "RunTask", fault, seconds=3.0)

    run = Run(replaydash, "lost", fault, words=(FILE, "api", "--aws-timeout", "1"))

    assert run.ended() == 0, run.err
    tokens = [call["summary"]["clientToken"] for call in replaydash.aws.calls() if call["operation"] == "RunTask"]
    assert (len(tokens), len(set(tokens))) == (2, 1)
    assert len(tasks(replaydash)) == 1


def test_without_any_answer_it_says_that_a_task_may_have_been_started(replaydash: World) -> None:
    replaydash.aws.fault("ecs", "RunTask", "error", times=3)

    done = replaydash.trueup("migrate", FILE, "api", "--", "unanswered")

    assert done.returncode == 1
    assert "a task may have been started; while it runs, the same command follows it; once it has ended" in done.stderr
    assert [call["operation"] for call in replaydash.aws.calls() if call["write"]] == ["RunTask"] * 3


def test_whoever_leaves_it_leaves_the_task_alone(replaydash: World) -> None:
    """The time is up for one, Ctrl-C for another, and the third sees the end."""
    late = Run(replaydash, "slow", words=(FILE, "api", "--timeout", "1.5"))
    assert late.process.wait(30) == 1
    interrupted = Run(replaydash, "slow")
    interrupted.until_it_says(" is provisioning")
    interrupted.process.send_signal(signal.SIGINT)
    assert interrupted.process.wait(10) == 130
    left = late.err, interrupted.err

    assert Run(replaydash, "slow").ended() == 0

    (task,) = tasks(replaydash)
    for said in left:
        assert f"to stop it: aws ecs stop-task --cluster {CLUSTER} --task {task['taskArn']}\n" in said
    assert replaydash.writes() == ["RunTask"]


def test_reads_that_fail_do_not_end_it(replaydash: World) -> None:
    replaydash.aws.command("shaky", output=["all the same"])
    replaydash.aws.fault("ecs", "DescribeTasks", "error", times=3, skip=1)
    replaydash.aws.fault("logs", "GetLogEvents", "error", times=3)

    run = Run(replaydash, "shaky")

    assert run.ended() == 0, run.err
    assert run.out == "all the same\n"
    assert "DescribeTasks failed (ServerException): " in run.err
    assert run.err.count("the task is still followed") == 2


def test_a_committed_environment_is_found_by_its_name_whatever_its_mode(replaydash: World, tmp_path: Path) -> None:
    commit = replaydash.git.commit("mode: suspended\n" + api())
    words = ("replaydash-production", "api", "--repository", str(replaydash.git.folder), "--path", FILE)

    run = Run(replaydash, "committed", words=words)

    assert run.ended() == 0, run.err
    (task,) = tasks(replaydash)
    assert task["taskDefinitionArn"].endswith(f"/{SERVICE}:124"), "nothing is pinned: what runs"
    assert {"key": "trueup:commit", "value": commit} in task["tags"]


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        pytest.param(api(), ("nope", "--", "x"), "has no service nope; it has api\n", id="no such service"),
        pytest.param(api(), ("api",), "write the command behind --", id="no command"),
        pytest.param(api(), ("api", "--container", "web", "--", "x"), "no container web; it has api, otel", id="web"),
        pytest.param(
            api("task_revision: 123", "image_tag: v20240229-110000"), ("api", "--", "x"), "not registered yet", id="tag"
        ),
        pytest.param(
            production(api=[], head=HEAD.replace("us-east-1", 'us-east-1, account: "999999999999"')),
            ("api", "--", "x"),
            "the credentials are of account 123456789012, but the file names 999999999999",
            id="another account",
        ),
    ],
)
def test_what_cannot_be_run_ends_with_1_and_one_line(
    replaydash: World, text: str, words: tuple[str, ...], said: str
) -> None:
    (replaydash.folder / FILE).write_text(text)

    done = replaydash.trueup("migrate", FILE, *words)

    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert replaydash.writes() == []


def test_a_reader_that_goes_away_is_told_that_the_task_goes_on(replaydash: World) -> None:
    replaydash.aws.command("piped", output=["one", "two"])
    command = f"{sys.executable} -m daemon migrate {FILE} api -- piped | head -n 0"
    process = subprocess.Popen(
        ["sh", "-c", command], cwd=replaydash.folder, env=replaydash.environ, stderr=subprocess.PIPE, text=True
    )
    eventually(lambda: "RunTask" in replaydash.writes())
    time.sleep(0.2)
    replaydash.aws.advance(3 * TASK)

    _, err = process.communicate(timeout=30)

    assert "the task goes on by itself" in err
    assert "Traceback" not in err
