"""The workflows of examples/: their scripts run for real, with the real trueup and a forge that is a stub."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.world import Git, World, api, eventually, world
from tests.tools import tool

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
GITHUB_PLAN, GITHUB_WAIT = (EXAMPLES / "github-actions" / f"trueup-{name}.yml" for name in ("plan", "wait"))
GITLAB = EXAMPLES / "gitlab-ci.yml"
FILE = "environments/production.yaml"
MARK = "<!-- trueup plan -->"
TOKEN = "glpat-0123456789abcdef0123"


def read(file: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true, which forges do not.
    return yaml.load(file.read_text(), Loader=yaml.BaseLoader)


def github_steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in read(file)["jobs"].values() for step in job["steps"]]


def github_script(file: Path, name: str) -> str:
    return next(step["run"] for step in github_steps(file) if step.get("name") == name)


def gitlab_script(job: str, part: str = "script") -> str:
    return "\n".join(read(GITLAB)[job][part])


def scripts() -> list[Any]:
    found = [
        pytest.param(step["run"], id=f"{file.name}: {step['name']}")
        for file in (GITHUB_PLAN, GITHUB_WAIT)
        for step in github_steps(file)
        if "run" in step
    ]
    jobs = ((".trueup", "before_script"), ("trueup-plan", "script"), ("trueup-wait", "script"))
    return found + [pytest.param(gitlab_script(*job), id=f"{GITLAB.name}: {job[0]}") for job in jobs]


# --- what they may


@pytest.mark.parametrize("script", scripts())
def test_a_script_is_one_and_nothing_is_pasted_into_it(script: str) -> None:
    assert "${{" not in script, "text of others would become part of the script"
    assert "eval" not in script
    checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    for line in script.splitlines():
        for variable in re.finditer(r"(?<![\'\w])\$\{?[A-Za-z_]\w*", re.sub(r"^\s*#.*", "", line)):
            before = line[: variable.start()]
            assigned = re.match(r"\s*(?:\w+)=$", before.rpartition(" ")[2]) or re.match(r"\s*\w+=\S*$", before)
            assert assigned or before.count('"') % 2 == 1, f"unquoted: {line.strip()}"


@pytest.mark.parametrize("file", [GITHUB_PLAN, GITHUB_WAIT], ids=["plan", "wait"])
def test_what_others_wrote_is_pinned_and_gets_no_credentials(file: Path) -> None:
    for step in github_steps(file):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] == "false"
        assert "run" not in step or step["shell"] == "bash"
    assert re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", file.read_text(), re.MULTILINE)


def test_each_job_may_do_what_it_needs_and_no_more() -> None:
    plan, wait = read(GITHUB_PLAN), read(GITHUB_WAIT)

    assert plan["permissions"] == wait["permissions"] == {}
    assert plan["jobs"]["plan"]["permissions"] == {
        "contents": "read",
        "id-token": "write",
        "pull-requests": "write",
    }
    assert wait["jobs"]["wait"]["permissions"] == {"contents": "read"}
    assert list(plan["on"]) == ["pull_request"], "pull_request_target would give a fork the rights of the repository"
    assert "head.repo.full_name == github.repository" in plan["jobs"]["plan"]["if"]
    assert "CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in read(GITLAB)["trueup-plan"]["rules"][0]["if"]
    assert plan["concurrency"]["cancel-in-progress"] == "true"
    for document, job in ((plan, "plan"), (wait, "wait")):
        event = "pull_request" if job == "plan" else "push"
        assert document["on"][event]["paths"] == [document["jobs"][job]["env"]["ENVIRONMENTS"]]


# --- a forge


STUBS = {
    # What it is asked is kept, with the body as it is then; what it answers is laid ready.
    "gh": """
import json, os, pathlib, sys
words, here = sys.argv[1:], pathlib.Path(os.environ["STUB"])
bodies = [pathlib.Path(w.removeprefix("body=@")).read_text() for w in words if w.startswith("body=@")]
asked = {"words": words, "bodies": bodies, "token": os.environ.get("GH_TOKEN")}
with (here / "asked").open("a") as log: log.write(json.dumps(asked) + "\\n")
if "--jq" in words: sys.stdout.write((here / "ids").read_text())
""",
    "curl": """
import json, os, pathlib, sys
words, here = sys.argv[1:], pathlib.Path(os.environ["STUB"])
bodies = [pathlib.Path(w.removeprefix("body@")).read_text() for w in words if w.startswith("body@")]
with (here / "asked").open("a") as log:
    log.write(json.dumps({"words": words, "bodies": bodies, "told": sys.stdin.read()}) + "\\n")
if words[-1].endswith("/user"): sys.stdout.write('{"id": 7}')
elif "/notes?" in words[-1]: sys.stdout.write((here / "notes").read_text())
""",
    "trueup": """
import os, sys
os.execv(sys.executable, [sys.executable, "-m", "daemon", *sys.argv[1:]])
""",
}


@dataclass
class Forge:
    """A repository with a pull request, and the machine that its workflow runs on."""

    on: World
    folder: Path
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        programs = self.folder / "programs"
        programs.mkdir(parents=True)
        for name, text in STUBS.items():
            (programs / name).write_text(f"#!{sys.executable}\n{text}")
            (programs / name).chmod(0o755)
        (programs / "python").symlink_to(sys.executable)
        (self.folder / "temp").mkdir()
        (self.folder / "ids").write_text("")
        (self.folder / "notes").write_text("[]")

    @property
    def environ(self) -> dict[str, str]:
        github = {
            "GITHUB_REPOSITORY": "team/production",
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_HEAD_REF": "$(touch owned)`touch owned`",
            "GITHUB_SHA": self.on.git.run("rev-parse", "HEAD"),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "NUMBER": "12",
            "GH_TOKEN": "a-token-of-the-job",
        }
        gitlab = {
            "CI_API_V4_URL": "https://gitlab.example/api/v4",
            "CI_PROJECT_ID": "34",
            "CI_MERGE_REQUEST_IID": "12",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": self.on.git.run("rev-parse", "HEAD^1"),
            "CI_COMMIT_BEFORE_SHA": "0" * 40,
            "CI_COMMIT_SHA": self.on.git.run("rev-parse", "HEAD"),
            "CI_COMMIT_REF_NAME": "$(touch owned)`touch owned`",
            "TRUEUP_COMMENT_TOKEN": TOKEN,
            "AWS_ID_TOKEN": "a-token-of-the-job",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(self.folder / "temp" / "identity"),
            "TMPDIR": str(self.folder / "temp"),
        }
        ours = {
            "PATH": f"{self.folder / 'programs'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "STUB": str(self.folder),
            "ENVIRONMENTS": read(GITHUB_PLAN)["jobs"]["plan"]["env"]["ENVIRONMENTS"],
        }
        return self.on.environ | github | gitlab | ours | self.extra

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """As the forges run a script: it ends at the first command that fails."""
        path = self.folder / "script.sh"
        path.write_text(script)
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(path)],
            cwd=self.on.git.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def asked(self) -> list[dict[str, Any]]:
        log = self.folder / "asked"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def commented(self) -> str:
        """The one body that was sent."""
        (body,) = (body for asked in self.asked() for body in asked["bodies"])
        return body

    def plan(self, kind: str) -> int:
        """Run the workflow's plan and comment. The exit code of the job."""
        if kind == "gitlab":
            return self.run(gitlab_script("trueup-plan")).returncode
        plan = self.run(github_script(GITHUB_PLAN, "Plan"))
        comment = self.run(github_script(GITHUB_PLAN, "Comment"))
        assert comment.returncode == 0, comment.stderr
        return plan.returncode


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("workflows"), rollout=0.3) as made:
        yield made


@pytest.fixture
def forge(shared: World, tmp_path: Path) -> Iterator[Forge]:
    """A repository of its own, and the AWS that all share: only the last tests here write to it."""
    on = World(tmp_path, shared.aws, Git(tmp_path / "repository"))
    yield Forge(on, tmp_path / "machine")
    for daemon in on.daemons:
        daemon.kill()


def proposed(forge: Forge, files: dict[str, str | None], *, before: dict[str, str] | None = None) -> None:
    """A pull request that changes these files, merged as the forge does for a trial."""
    write(forge, before or {FILE: api("task_revision: 124")})
    forge.on.git.run("switch", "--quiet", "--create", "change")
    write(forge, files)
    forge.on.git.run("switch", "--quiet", "main")
    forge.on.git.run("merge", "--quiet", "--no-ff", "--no-edit", "change")


def write(forge: Forge, files: dict[str, str | None] | dict[str, str]) -> None:
    for name, text in files.items():
        path = forge.on.git.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
    forge.on.git.run("add", "-A")
    forge.on.git.run("commit", "--quiet", "--allow-empty", "-m", "Change")


BOTH = pytest.mark.parametrize("kind", ["github", "gitlab"])


# --- the plan of a pull request


@BOTH
def test_a_drift_is_no_failure_and_the_plan_is_the_comment(forge: Forge, kind: str) -> None:
    proposed(forge, {FILE: api("task_revision: 123"), "README.md": "x"})

    assert forge.plan(kind) == 0

    body = forge.commented()
    assert body.startswith(f"{MARK}\n**Plan: 1 change in 1 resource")
    assert "replaydash-production-api:124" in body
    assert forge.on.writes() == []
    if kind == "github":
        assert forge.asked()[-1]["words"][:5] == [
            "api",
            "--silent",
            "--method",
            "POST",
            "repos/team/production/issues/12/comments",
        ]
        assert (forge.folder / "summary").read_text() == body
    else:
        assert forge.asked()[-1]["words"][-1].endswith("/projects/34/merge_requests/12/notes")
        assert "POST" in forge.asked()[-1]["words"]


@BOTH
def test_the_comment_is_kept_up_to_date(forge: Forge, kind: str) -> None:
    (forge.folder / "ids").write_text("42\n43\n")
    notes = [
        {"id": 40, "author": {"id": 8}, "body": f"{MARK}\nnot ours"},
        {"id": 41, "author": {"id": 7}, "body": "ours, about something else"},
        {"id": 42, "author": {"id": 7}, "body": f"{MARK}\nthe plan before"},
    ]
    (forge.folder / "notes").write_text(json.dumps(notes))
    proposed(forge, {FILE: api("task_revision: 123")})

    assert forge.plan(kind) == 0

    words = forge.asked()[-1]["words"]
    if kind == "github":
        assert words[2:5] == ["--method", "PATCH", "repos/team/production/issues/comments/42"]
        wanted = forge.asked()[0]["words"][-1]
        assert '.user.login == "github-actions[bot]"' in wanted
        assert f'startswith("{MARK}")' in wanted
    else:
        assert "PUT" in words
        assert words[-1].endswith("/merge_requests/12/notes/42")


def test_github_is_asked_for_the_comment_of_the_workflow_alone(forge: Forge) -> None:
    proposed(forge, {FILE: api("task_revision: 123")})
    forge.plan("github")
    words = forge.asked()[0]["words"]
    comments = [
        {"id": 1, "user": {"login": "mallory"}, "body": f"{MARK}\nmine"},
        {"id": 2, "user": {"login": "github-actions[bot]"}, "body": f"a quote of {MARK}"},
        {"id": 3, "user": {"login": "github-actions[bot]"}, "body": f"{MARK}\nthe plan"},
    ]

    told = json.dumps(comments)
    done = subprocess.run(
        [tool("jq"), words[words.index("--jq") + 1]], input=told, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["3"]


@BOTH
def test_a_bad_file_fails_the_job_and_the_comment_says_what_is_wrong(forge: Forge, kind: str) -> None:
    proposed(forge, {FILE: api("task_revison: 123")})

    assert forge.plan(kind) == 1

    assert "task_revison" in forge.commented()


@BOTH
def test_a_file_that_would_stall_fails_the_job(forge: Forge, kind: str) -> None:
    proposed(forge, {FILE: api("task_revision: 999")})

    assert forge.plan(kind) == 1

    assert "there is no task definition replaydash-production-api:999" in forge.commented()


@BOTH
def test_without_aws_the_comment_says_that_there_is_no_plan(forge: Forge, kind: str) -> None:
    forge.extra = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    forge.extra |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(forge.folder / "temp" / "identity")}
    proposed(forge, {FILE: api("task_revision: 123")})

    assert forge.plan(kind) == 1

    assert forge.commented() == f"{MARK}\ntrueup: there is no plan; the log of this job says why.\n"


@BOTH
def test_a_file_that_leaves_is_no_plan(forge: Forge, kind: str) -> None:
    proposed(forge, {FILE: None, "README.md": "x"})

    assert forge.plan(kind) == 0

    assert "changes no environment file" in forge.commented()


@BOTH
def test_hostile_names_and_contents_do_nothing(forge: Forge, kind: str) -> None:
    value = "'`touch owned`$(touch owned)\" --> @everyone <img src=x> ${{ secrets.X }}'"
    hostile = api("task_revision: 124", "env:", f"  LOG_LEVEL: {value.replace(chr(34), '')}")
    names = [
        "environments/$(touch owned).yaml",
        "environments/a b;touch owned;.yaml",
        "environments/-x\n::error::.yaml",
    ]
    files: dict[str, str | None] = {names[0]: hostile}
    files |= dict.fromkeys(names[1:], "not: a file")
    proposed(forge, files)

    assert forge.plan(kind) == 1

    body = forge.commented()
    assert not list(forge.folder.parent.rglob("owned"))
    for line in body.splitlines()[1:]:
        if "@everyone" in line or "<img" in line:
            fenced = body[: body.index(line)].count("\n```") % 2 == 1
            assert fenced or re.search("`[^`]*(?:@everyone|<img)", line), line
    assert "LOG_LEVEL" in body


def test_the_token_of_gitlab_stands_in_no_command_line_and_no_log(forge: Forge) -> None:
    proposed(forge, {FILE: api("task_revision: 123")})

    done = forge.run(gitlab_script("trueup-plan"))

    assert done.returncode == 0, done.stderr
    assert {asked["told"] for asked in forge.asked()} == {f"PRIVATE-TOKEN: {TOKEN}\n"}
    assert TOKEN not in json.dumps([asked["words"] for asked in forge.asked()])
    assert TOKEN not in done.stdout + done.stderr
    assert (forge.folder / "temp" / "identity").stat().st_mode & 0o777 == 0o600


# --- how it gets there


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(github_script(GITHUB_PLAN, "Install trueup"), ".trueup/requirements.lock", id="GitHub, plan"),
        pytest.param(github_script(GITHUB_WAIT, "Install trueup"), ".trueup/requirements.lock", id="GitHub, wait"),
        pytest.param(gitlab_script(".trueup", "before_script"), "/requirements.lock", id="GitLab"),
    ],
)
def test_trueup_is_installed_at_a_commit_and_by_its_lock(forge: Forge, script: str, expected: str) -> None:
    program = forge.folder / "programs" / "python"
    program.unlink()
    program.write_text('#!/bin/sh\necho "$@" >>"$STUB/installed"\n')
    program.chmod(0o755)
    proposed(forge, {"requirements.lock": ""})
    place = forge.folder / "source"
    forge.extra = {
        "TRUEUP_REPOSITORY": str(forge.on.git.folder),
        "TRUEUP_COMMIT": forge.on.git.run("rev-parse", "HEAD"),
    }

    done = forge.run(script.replace("/tmp/trueup", str(place)))

    assert done.returncode == 0, done.stderr
    first, second = (forge.folder / "installed").read_text().splitlines()
    assert "--require-hashes" in first
    assert first.endswith(expected)
    assert second.split()[:5] == ["-m", "pip", "install", "--quiet", "--no-deps"]
    if expected.startswith("/"):
        assert (place / "requirements.lock").exists()


# --- after the merge


def waiting(forge: Forge, kind: str, before: str) -> subprocess.CompletedProcess[str]:
    forge.extra |= {"BEFORE": before, "CI_COMMIT_BEFORE_SHA": before}
    script = github_script(GITHUB_WAIT, "Wait") if kind == "github" else gitlab_script("trueup-wait")
    assert script.count("--timeout 15m") == 1
    return forge.run(script.replace("--timeout 15m", "--timeout 20s"))


@BOTH
def test_the_job_ends_well_once_aws_is_so_and_not_before(forge: Forge, kind: str) -> None:
    replaydash = forge.on
    write(forge, {FILE: api("task_revision: 124")})
    first = replaydash.git.run("rev-parse", "HEAD")
    daemon = replaydash.daemon(path=FILE)
    forge.extra = {"TRUEUP_DAEMON": f"http://{daemon.address}"}
    write(forge, {FILE: api("task_revision: 123")})

    went = waiting(forge, kind, first)
    assert (went.returncode, went.stderr) == (0, ""), went.stdout
    assert replaydash.settled_on("123")

    eventually(lambda: daemon.in_sync(replaydash.git.run("rev-parse", "HEAD")))
    write(forge, {FILE: api("task_revision: 999")})
    stuck = waiting(forge, kind, "0" * 40)
    assert stuck.returncode == 2, stuck.stdout + stuck.stderr
    assert "999" in stuck.stdout
