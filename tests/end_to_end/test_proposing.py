"""A verb that changes the file: what a person sees, what is committed, by whom, and that nothing is done unasked."""

import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.world import ENVIRONMENT, FILE, World, api, world

ROOT = Path(__file__).parents[2]
BEFORE = api("task_revision: 124  # why", "desired_count: 4")
BACK = "services.api.task_revision=123"
GONE = "services.api.task_revision=999"
IDENTITY = "[user]\n\tname = Ann\n\temail = ann@example.test\n"


@dataclass
class Team:
    """A forge, and the work tree of one of the team."""

    on: World
    folder: Path

    @property
    def forge(self) -> Path:
        return self.folder / "forge.git"

    @property
    def mine(self) -> Path:
        return self.folder / "mine"

    @property
    def environ(self) -> dict[str, str]:
        mine = {"HOME": str(self.folder), "PYTHONPATH": str(ROOT), "COLUMNS": "80", "GIT_CONFIG_NOSYSTEM": "1"}
        return self.on.environ | mine | {"TRUEUP_CACHE": str(self.folder / "cache")}

    def git(self, *words: str, at: Path | None = None) -> str:
        """git, as the person."""
        done = subprocess.run(
            ["git", *words], cwd=at or self.mine, env=self.environ, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def pin(self, *words: str, at: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=at or self.mine,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=90,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "tests.end_to_end.pin_verb", "pin", *words]

    def pin_there(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """By the name of the environment, in the repository."""
        where = ("--repository", str(self.forge), "--path", FILE)
        return self.pin(ENVIRONMENT, *words, *where, at=self.folder, **environ)

    def head(self, branch: str = "main") -> str:
        return self.git("rev-parse", branch, at=self.forge)

    def at_the_forge(self, branch: str = "main", file: str = FILE) -> str:
        return self.git("show", f"{branch}:{file}", at=self.forge) + "\n"

    def hook(self, at: Path, name: str, *lines: str) -> None:
        path = at / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(("#!/bin/sh", *lines, "")))
        path.chmod(0o755)

    def state(self) -> tuple[str, ...]:
        """All that a command may not change when it does nothing."""
        return (
            self.git("for-each-ref", at=self.forge),
            self.git("for-each-ref", "refs/heads"),
            self.git("symbolic-ref", "HEAD"),
            self.git("status", "--porcelain"),
            (self.mine / FILE).read_text(),
        )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Production as it runs; no test here but the last writes to AWS."""
    with world(tmp_path_factory.mktemp("proposing"), rollout=0.2) as made:
        yield made


@pytest.fixture
def team(shared: World, tmp_path: Path) -> Team:
    made = Team(shared, tmp_path)
    (tmp_path / ".gitconfig").write_text(IDENTITY)
    made.git("init", "--quiet", "--bare", "--initial-branch=main", str(made.forge), at=tmp_path)
    made.git("clone", "--quiet", str(made.forge), str(made.mine), at=tmp_path)
    made.git("switch", "--quiet", "--create", "main")
    (made.mine / FILE).write_text(BEFORE)
    made.git("add", "-A")
    made.git("commit", "--quiet", "-m", "Pin what runs")
    made.git("push", "--quiet", "--set-upstream", "origin", "main")
    return made


def moved_on(team: Team, text: str = "theirs", file: str = "other.txt") -> str:
    """A colleague pushes."""
    other = team.folder / "other"
    team.git("clone", "--quiet", str(team.forge), str(other), at=team.folder)
    (other / file).write_text(text)
    team.git("add", "-A", at=other)
    team.git("commit", "--quiet", "-m", "Theirs", at=other)
    team.git("push", "--quiet", at=other)
    return team.git("rev-parse", "HEAD", at=other)


# --- in a person's own folder


def test_it_shows_the_lines_and_what_follows_in_aws(team: Team) -> None:
    done = team.pin(FILE, BACK, "services.api.desired_count=0", "--dry-run", "--note", "a note")

    assert done.returncode == 2, done.stderr
    lines = done.stdout.splitlines()
    for line in ("-    task_revision: 124  # why", "+    task_revision: 123  # why", "+    desired_count: 0", "a note"):
        assert line in lines
    assert "SHUTDOWN" in done.stdout
    assert "\x1b" not in done.stdout
    assert team.on.writes() == []


@pytest.mark.parametrize(("pin", "code"), [(BACK, 2), ("services.api.image_tag=v9", 1)], ids=["differs", "would stall"])
def test_a_dry_run_ends_as_a_plan_does_and_does_nothing(team: Team, pin: str, code: int) -> None:
    before = team.state()

    done = team.pin(FILE, pin, "--dry-run")

    assert (done.returncode, team.state()) == (code, before), done.stderr


def test_without_a_terminal_and_a_yes_nothing_is_done(team: Team) -> None:
    before = team.state()

    done = team.pin(FILE, BACK)

    assert done.returncode == 1
    assert "nothing was done, since nobody can be asked here; --yes" in done.stderr
    assert "+    task_revision: 123  # why" in done.stdout
    assert team.state() == before


def test_what_the_file_says_already_is_not_committed(team: Team) -> None:
    before = team.state()

    done = team.pin(FILE, "services.api.task_revision=124", "--yes")

    assert (done.returncode, team.state()) == (0, before)
    assert "says so already" in done.stderr


def test_for_a_script_it_is_json(team: Team) -> None:
    looked = json.loads(team.pin(FILE, BACK, "--output", "json", "--dry-run").stdout)
    told = json.loads(team.pin(FILE, BACK, "--output", "json", "--yes").stdout)

    assert (looked["commit"], looked["pushed"]) == (None, False)
    assert (told["commit"], told["branch"], told["pushed"]) == (team.head(), "main", True)
    assert "+    task_revision: 123  # why" in told["diff"].splitlines()
    assert told["plan"]["result"] == "drift"
    assert told["no_plan"] is None
    assert (looked["title"], looked["notes"]) == (f"Pin {BACK}", [])


def test_a_new_branch_is_pushed_for_a_pull_request(team: Team) -> None:
    main = team.head()

    done = team.pin(FILE, BACK, "--yes", "--new-branch", "go-back")

    assert done.returncode == 0, done.stderr
    assert team.head() == main
    assert "task_revision: 123  # why" in team.at_the_forge("go-back")
    assert team.git("rev-parse", "main") == main, "the branch that was checked out has no commit that is nowhere else"
    assert "open a pull request" in done.stderr
    assert "git switch main" in done.stderr


def test_what_the_forge_says_of_a_new_branch_is_seen(team: Team) -> None:
    url = "https://forge.example/pulls/new/go-back"
    team.hook(team.forge, "post-receive", f"echo 'Create a pull request: {url}' >&2")

    assert url in team.pin(FILE, BACK, "--yes", "--new-branch", "go-back").stderr


def test_a_commit_without_a_push(team: Team) -> None:
    before = team.head()

    done = team.pin(FILE, BACK, "--yes", "--no-push", "--output", "json")

    told = json.loads(done.stdout)
    assert (done.returncode, told["pushed"], told["commit"]) == (0, False, team.git("rev-parse", "HEAD"))
    assert team.head() == before


@pytest.mark.parametrize("pushed", [True, False], ids=["with a branch over there", "that goes nowhere"])
def test_a_branch_that_is_not_followed_is_not_committed_to_unasked(team: Team, pushed: bool) -> None:
    team.git("switch", "--quiet", "--no-track", "--create", "fix/oncall")
    if pushed:
        team.git("push", "--quiet", "--set-upstream", "origin", "fix/oncall")
    before = team.state()

    done = team.pin(FILE, BACK, "--yes")

    assert (done.returncode, team.state()) == (1, before)
    assert "The daemon follows main: git switch main, or push fix/oncall and open a pull request" in done.stderr
    assert "--branch NAME" in done.stderr
    assert "The daemon follows main" in team.pin(FILE, BACK, "--dry-run").stdout
    assert team.pin(FILE, BACK, "--yes", "--branch", "fix/oncall").returncode == 0


def test_a_person_at_a_terminal_is_told_that_a_branch_is_not_followed(team: Team) -> None:
    team.git("switch", "--quiet", "--no-track", "--create", "fix/oncall")

    code, shown = at_a_terminal(team, FILE, BACK, answers=("y",))

    assert code == 0
    after = " ".join(shown.partition("committed to fix/oncall, not pushed.")[2].split())
    assert after == "The daemon follows main: git switch main, or push fix/oncall and open a pull request."


def test_commits_that_are_here_alone_are_named_before_they_are_pushed_too(team: Team) -> None:
    (team.mine / "other.txt").write_text("x")
    team.git("add", "-A")
    team.git("commit", "--quiet", "-m", "Half an idea")

    shown = team.pin(FILE, BACK, "--dry-run")

    assert re.search("pushed with it, since it is here alone: [0-9a-f]+ Half an idea", shown.stdout)


# --- what is in the way


def uncommitted(team: Team) -> None:
    (team.mine / FILE).write_text(BEFORE + "# mine\n")


def staged(team: Team) -> None:
    uncommitted(team)
    team.git("add", FILE)


def untracked(team: Team) -> None:
    team.git("rm", "--quiet", "--cached", FILE)
    team.git("commit", "--quiet", "-m", "Untrack")


def merging(team: Team) -> None:
    for number, branch in enumerate(("one", "two")):
        team.git("switch", "--quiet", "--create", branch, "main")
        (team.mine / "clash.txt").write_text(str(number))
        team.git("add", "-A")
        team.git("commit", "--quiet", "-m", branch)
    subprocess.run(["git", "merge", "one"], cwd=team.mine, env=team.environ, capture_output=True, check=False)


def rebasing(team: Team) -> None:
    merging(team)
    team.git("merge", "--abort")
    subprocess.run(["git", "rebase", "one"], cwd=team.mine, env=team.environ, capture_output=True, check=False)


def detached(team: Team) -> None:
    team.git("switch", "--quiet", "--detach")


def linked(team: Team) -> None:
    (team.mine / FILE).rename(team.mine / "real.yaml")
    (team.mine / FILE).symlink_to("real.yaml")


def nowhere(team: Team) -> None:
    (team.mine / ".git").rename(team.folder / "gone")


def behind(team: Team) -> None:
    moved_on(team)


@pytest.mark.parametrize(
    ("hinder", "said"),
    [
        pytest.param(uncommitted, "changes that are not committed", id="changes"),
        pytest.param(staged, "changes that are not committed", id="staged changes"),
        pytest.param(untracked, "git does not know it yet", id="untracked"),
        pytest.param(merging, "a merge is under way", id="a merge"),
        pytest.param(rebasing, "a rebase is under way", id="a rebase"),
        pytest.param(detached, "no branch is checked out", id="no branch"),
        pytest.param(linked, "symbolic link", id="a link"),
        pytest.param(nowhere, "in no git repository", id="no repository"),
        pytest.param(behind, "1 commit is in origin/main and not in this folder yet; git pull", id="behind"),
    ],
)
def test_what_is_in_the_way_is_said_before_anything_is_done(team: Team, hinder: Any, said: str) -> None:
    hinder(team)
    before, text = team.head(), (team.mine / FILE).read_text()

    done = team.pin(FILE, BACK, "--yes")

    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]
    assert (team.head(), (team.mine / FILE).read_text()) == (before, text)


def test_a_commit_that_a_hook_refuses_leaves_everything_as_it_was(team: Team) -> None:
    team.hook(team.mine / ".git", "pre-commit", "echo 'not on a Friday' >&2", "exit 1")
    before = team.state()

    for more in ((), ("--new-branch", "go-back")):
        done = team.pin(FILE, BACK, "--yes", *more)

        assert done.returncode == 1
        assert "not on a Friday" in done.stderr
        assert f"nothing was committed, and {FILE} is as it was" in done.stderr
        assert team.state() == before


def test_a_push_that_is_refused_says_what_is_here_and_how_to_go_on(team: Team) -> None:
    team.hook(team.forge, "pre-receive", "echo 'main is protected' >&2", "exit 1")
    before = team.head()

    done = team.pin(FILE, BACK, "--yes", "--output", "json")

    told = json.loads(done.stdout)
    assert (done.returncode, told["pushed"], told["commit"]) == (1, False, team.git("rev-parse", "HEAD"))
    assert team.head() == before
    for part in ("main is protected", "did not take it", "git push origin HEAD:refs/heads/NAME", "git reset --keep"):
        assert part in done.stderr, part
    again = team.pin(FILE, BACK, "--yes")
    assert again.returncode == 1
    assert "main is protected" in again.stderr, "it has tried to push again"
    assert "1 commit is in this folder and not in origin/main yet; git push" in team.pin(FILE, BACK, "--dry-run").stderr
    (team.forge / "hooks" / "pre-receive").unlink()
    last = json.loads(team.pin(FILE, BACK, "--yes", "--output", "json").stdout)
    assert (last["pushed"], last["commit"]) == (True, team.head())


def test_a_new_branch_that_was_refused_is_pushed_by_the_same_command(team: Team) -> None:
    team.hook(team.forge, "pre-receive", "exit 1")
    again = (FILE, BACK, "--yes", "--new-branch", "go-back")
    assert [team.pin(*again).returncode for _ in range(2)] == [1, 1]
    (team.forge / "hooks" / "pre-receive").unlink()

    done = team.pin(*again)

    assert (done.returncode, team.head("go-back")) == (0, team.git("rev-parse", "HEAD")), done.stderr


def test_what_else_is_here_alone_is_not_pushed_for_a_file_that_says_so_already(team: Team) -> None:
    (team.mine / "other.txt").write_text("x")
    team.git("add", "-A")
    team.git("commit", "--quiet", "-m", "Half an idea")
    before = team.head()

    done = team.pin(FILE, "services.api.task_revision=124", "--yes")

    assert (done.returncode, team.head()) == (1, before)
    assert "1 commit is in this folder and not in origin/main yet; git push" in done.stderr


def test_a_forge_that_does_not_answer_leaves_the_commit_here(team: Team) -> None:
    team.forge.rename(team.folder / "away.git")

    done = team.pin(FILE, BACK, "--yes")

    assert done.returncode == 1
    assert "origin did not answer" in done.stdout
    assert "did not take it" in done.stderr
    assert team.git("log", "-1", "--format=%s") == f"Pin {BACK}"


@pytest.mark.parametrize("place", ["here", "there"])
def test_aws_that_is_out_of_reach_blocks_no_way_back(team: Team, place: str) -> None:
    how = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}

    done = team.pin(FILE, BACK, "--yes", **how) if place == "here" else team.pin_there(BACK, "--yes", **how)

    assert done.returncode == 0, done.stderr
    assert "The plan could not be made: AWS did not answer" in done.stdout
    assert "retrying" not in done.stdout
    assert "The file can be changed all the same" in done.stdout
    assert "task_revision: 123" in team.at_the_forge()


def test_an_aws_that_hangs_is_not_waited_for_long(team: Team) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:  # it takes what comes, and says nothing
        begun = time.monotonic()
        how = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}", "TRUEUP_AWS_TIMEOUT": "3"}
        done = team.pin(FILE, BACK, "--dry-run", "--output", "json", **how)

    told = json.loads(done.stdout)
    assert (done.returncode, told["plan"]) == (1, None)
    assert "AWS did not answer" in told["no_plan"]
    assert time.monotonic() - begun < 2 * 3 + 6, "two time-outs, the pauses between the tries, and the start"


def test_no_credentials_block_no_way_back(team: Team) -> None:
    keyless = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}

    done = team.pin(FILE, BACK, "--yes", "--output", "json", **keyless)

    told = json.loads(done.stdout)
    assert (done.returncode, told["plan"], told["pushed"]) == (0, None, True)
    assert "credentials" in told["no_plan"]


def test_a_file_name_is_never_a_pattern(team: Team) -> None:
    odd = "prod [1] *.yaml"
    (team.mine / odd).write_text(BEFORE)
    (team.mine / "prod 1 x.yaml").write_text("not: this")
    team.git("add", "-A")
    team.git("commit", "--quiet", "-m", "Odd names")
    team.git("push", "--quiet")
    (team.mine / "prod 1 x.yaml").write_text("changed")

    done = team.pin(odd, BACK, "--yes")

    assert done.returncode == 0, done.stderr
    assert team.git("show", "--name-only", "--format=", "HEAD") == odd


# --- at a terminal


def at_a_terminal(team: Team, *words: str, answers: tuple[str, ...]) -> tuple[int, str]:
    """The exit code, and all that the terminal showed; an answer is typed at each question."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        team.command(*words), cwd=team.mine, env=team.environ, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown, left, end = "", list(answers), time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                shown += os.read(ours, 65536).decode()
            except OSError:  # it has ended, and all that it said was read
                break
        if left and shown.rstrip().endswith(("]", "]:")) and shown.endswith(" "):
            shown += f"{left[0]}"
            os.write(ours, f"{left.pop(0)}\n".encode())
    os.close(ours)
    return process.wait(20), shown


@pytest.mark.parametrize("answer", ["", "n", "x", "Y es"])
def test_anything_but_yes_is_no(team: Team, answer: str) -> None:
    before = team.state()

    code, shown = at_a_terminal(team, FILE, BACK, answers=(answer,))

    assert "Commit and push to origin/main? [y/N, b: a branch instead] " in shown
    assert "Nothing was done." in shown
    assert (code, team.state()) == (1, before)


def test_at_a_terminal_it_is_coloured_and_yes_does_it(team: Team) -> None:
    code, shown = at_a_terminal(team, FILE, BACK, answers=("y",))

    assert code == 0
    assert "\x1b[32m+    task_revision: 123  # why" in shown
    assert "\x1b[31m-    task_revision: 124  # why" in shown
    assert "task_revision: 123" in team.at_the_forge()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(len(line.rstrip("\r")) for line in plain.split("\n") if "/" not in line) <= 80


def test_b_makes_a_branch_with_a_name_of_its_own(team: Team) -> None:
    main = team.head()

    code, shown = at_a_terminal(team, FILE, BACK, answers=("b", ""))

    assert code == 0, shown
    branches = team.git("for-each-ref", "--format=%(refname:short)", at=team.forge).split()
    assert [re.sub("-[0-9a-f]{6}$", "", each) for each in branches] == [
        "main",
        "trueup/pin-services-api-task-revision-123",
    ]
    assert team.head() == main


@pytest.mark.parametrize(("answer", "code"), [("", 1), ("y", 0)])
def test_what_would_stall_is_shown_and_no_is_still_the_answer_by_default(team: Team, answer: str, code: int) -> None:
    before = team.state()

    ended, shown = at_a_terminal(team, FILE, GONE, answers=(answer,))

    assert "This would be stalled. Commit all the same? [y/N] " in shown
    assert "b: a branch" not in shown
    assert (ended, team.state() == before) == (code, code == 1)


@pytest.mark.parametrize("place", ["here", "there"])
def test_what_would_stall_is_not_committed_unread(team: Team, place: str) -> None:
    before = team.state()

    done = (team.pin if place == "here" else team.pin_there)(*([FILE] if place == "here" else []), GONE, "--yes")

    assert (done.returncode, team.state()) == (1, before)
    assert "nothing was committed, since this would be stalled: service api: " in done.stderr
    assert "commit it by hand" in done.stderr


def test_what_was_stalled_so_before_holds_nobody_up(team: Team) -> None:
    (team.mine / FILE).write_text(BEFORE.replace("124", "999"))
    team.git("commit", "--quiet", "-am", "Break it")
    team.git("push", "--quiet")

    assert team.pin(FILE, "services.api.desired_count=3", "--yes").returncode == 0
    other = team.pin(FILE, "services.api.task_revision=998", "--yes")
    assert other.returncode == 1, other.stdout
    assert team.pin(FILE, BACK, "--yes").returncode == 0, "that is the way back"


# --- by name, in the repository


def test_by_name_it_is_committed_at_the_head_of_the_branch(team: Team) -> None:
    moved_on(team)
    before = team.head()

    done = team.pin_there(BACK, "--yes", "--output", "json", "--note", "a note")

    told = json.loads(done.stdout)
    assert (done.returncode, told["commit"], told["branch"], told["pushed"]) == (0, team.head(), "main", True)
    assert team.git("rev-parse", "main^", at=team.forge) == before
    assert team.git("log", "-1", "--format=%an <%ae>%n%B", "main", at=team.forge) == (
        f"Ann <ann@example.test>\nPin {BACK}\n\na note"
    )
    assert team.at_the_forge() == BEFORE.replace("124", "123")
    again = team.pin_there(BACK, "--yes")
    assert (again.returncode, team.head()) == (0, told["commit"])
    assert "says so already" in again.stderr


def test_by_name_on_a_new_branch_and_the_same_again_is_the_same(team: Team) -> None:
    main = team.head()

    first = json.loads(team.pin_there(BACK, "--yes", "--output", "json", "--new-branch", "go/back").stdout)
    second = json.loads(team.pin_there(BACK, "--yes", "--output", "json", "--new-branch", "go/back").stdout)
    other = team.pin_there("services.api.task_revision=122", "--yes", "--new-branch", "go/back")

    assert first["commit"] == second["commit"] == team.head("go/back")
    assert team.head() == main
    assert other.returncode == 1
    assert "there is a branch go/back already, with something else" in other.stderr


def test_by_name_it_is_committed_by_whom_the_environment_names(team: Team) -> None:
    who = {"GIT_AUTHOR_NAME": "Bea", "GIT_AUTHOR_EMAIL": "bea@example.test", "GIT_COMMITTER_NAME": "A bot"}

    done = team.pin_there(BACK, "--yes", **who)

    assert done.returncode == 0, done.stderr
    told = team.git("log", "-1", "--format=%an <%ae> %cn <%ce>", "main", at=team.forge)
    assert told == "Bea <bea@example.test> A bot <ann@example.test>"


def test_nobody_commits_without_a_name(team: Team) -> None:
    (team.folder / ".gitconfig").write_text("")
    before = team.head()

    done = team.pin_there(BACK, "--yes")

    assert done.returncode == 1
    assert 'git config --global user.name "' in done.stderr
    assert team.head() == before


def test_by_name_a_refusal_is_heard_and_a_branch_is_offered(team: Team) -> None:
    team.hook(team.forge, "pre-receive", "echo 'main is protected; password=hunter2secret' >&2", "exit 1")

    done = team.pin_there(BACK, "--yes")

    assert done.returncode == 1
    assert "did not take the commit" in done.stderr
    assert "main is protected" in done.stderr
    assert "--new-branch NAME" in done.stderr
    assert "hunter2" not in done.stderr


def test_by_name_a_bad_file_at_the_head_is_replaced_by_what_counts(team: Team) -> None:
    assert team.pin_there("services.api.desired_count=4", "--dry-run").returncode == 0
    moved_on(team, "services: [", FILE)

    done = team.pin_there(BACK, "--yes")

    assert done.returncode == 0, done.stderr
    assert "replaced, since it is wrong" in done.stdout
    assert "-services: [" in done.stdout.splitlines()
    assert team.at_the_forge() == BEFORE.replace("124", "123")


@pytest.mark.parametrize("name", ["--exec=touch owned", "main:refs/heads/x", "a..b", "x y", ""])
def test_a_hostile_name_of_a_branch_does_nothing(team: Team, name: str) -> None:
    before = team.state()

    here = team.pin(FILE, BACK, "--yes", f"--new-branch={name}")
    there = team.pin_there(BACK, "--yes", f"--new-branch={name}")

    assert (here.returncode, there.returncode, team.state()) == (1, 1, before)
    assert "the branch is not one that git allows" in here.stderr
    assert not list(team.folder.rglob("owned"))


def test_no_shell_ever_sees_a_name(team: Team) -> None:
    name = "$(touch${IFS}owned)`touch${IFS}owned`;touch${IFS}owned"

    assert team.pin_there(BACK, "--yes", f"--new-branch={name}").returncode == 0
    assert team.pin(FILE, "services.api.task_revision=122", "--yes", f"--new-branch={name}-2").returncode == 0

    assert team.head(name) != team.head(f"{name}-2")
    assert not list(team.folder.rglob("owned"))


# --- and then it is so


def test_it_is_committed_and_pushed_by_the_persons_own_git_and_then_enacted(team: Team) -> None:
    (team.mine / "notes.txt").write_text("one")
    team.git("add", "-A")
    team.git("commit", "--quiet", "-m", "Take notes")
    team.git("push", "--quiet")
    team.hook(team.mine / ".git", "commit-msg", 'echo "Reviewed-by: the hook" >> "$1"')
    (team.mine / "notes.txt").write_text("two, not yet committed")
    team.git("add", "notes.txt")

    done = team.pin(FILE, BACK, "--yes", "--note", "image_tag was left over")

    assert done.returncode == 0, done.stderr
    commit = team.git("rev-parse", "HEAD")
    assert team.head() == commit
    assert team.at_the_forge() == BEFORE.replace("124  # why", "123  # why")
    assert team.git("show", "--name-only", "--format=%an <%ae>%n%B", commit).split("\n") == [
        "Ann <ann@example.test>",
        f"Pin {BACK}",
        "",
        "image_tag was left over",
        "Reviewed-by: the hook",
        "",
        "",
        FILE,
    ]
    assert team.git("status", "--porcelain") == "M  notes.txt", "what was staged still is, and was not committed"
    assert f"trueup wait {ENVIRONMENT} --commit {commit[:12]}" in done.stderr
    ran = team.on.trueup("run", "--once", "--repository", str(team.forge), "--path", FILE, "--timeout", "40")
    assert ran.returncode == 0, ran.stderr
    assert team.on.settled_on("123")
