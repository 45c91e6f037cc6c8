"""The verbs that change the file, where they change nothing: what is refused, only shown, or said already."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.end_to_end.test_verbs_edit import NOBODY, TEXT
from tests.end_to_end.world import FILE, SERVICE, World, world


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Production with its file committed; nothing here commits another one."""
    with world(tmp_path_factory.mktemp("verbs")) as made:
        made.git.commit(TEXT)
        yield made


def verb(on: World, name: str, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """A verb on the file of the work tree, as a script calls it."""
    done = on.trueup(name, str(on.git.folder / FILE), *words, "--yes")
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("--to", "122"), "there is api, worker", id="a revision of which service"),
        pytest.param(("db", "--to", "122"), "has no service db", id="no such service"),
        pytest.param(("db",), "has no service db", id="no such service, without a target"),
        pytest.param(("api", "--to", "a/b"), "is no commit, revision or image tag", id="nothing"),
        pytest.param((), "no earlier version of", id="nothing to go back to"),
        pytest.param(("api", "--to", "latest"), "latest moves with every push", id="what pins nothing"),
    ],
)
def test_a_target_that_cannot_be_is_one_line(shared: World, words: tuple[str, ...], said: str) -> None:
    done = verb(shared, "rollback", *words, "--daemon", NOBODY, code=1)

    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_an_id_that_no_commit_has_is_taken_for_a_tag_and_said(shared: World) -> None:
    done = shared.trueup("rollback", str(shared.git.folder / FILE), "api", "--to", "deadbeef", "--dry-run")

    assert "no commit deadbeef of the file is known here" in done.stdout
    assert "+    image_tag: deadbeef" in done.stdout
    assert "has no image deadbeef" in done.stdout
    assert done.returncode == 1, "a plan that stalls is an error, as it is of `trueup plan`"


def test_a_restart_needs_no_answer_of_aws(shared: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    file = str(shared.git.folder / FILE)

    done = shared.trueup("restart", file, "api", "--dry-run")

    assert "the time is that of this machine, since AWS did not tell its own" in done.stdout
    assert "+    restarted_at: 2" in done.stdout
    assert "The plan could not be made" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("set", "api", "env@999"), f"there is no task definition {SERVICE}:999", id="no such revision"),
        pytest.param(("set", "api", "desired_count=many"), "services.api.desired_count", id="no number"),
        pytest.param(("set", "db", "image_tag=v1"), "has no service db; it has api, worker", id="no such service"),
        pytest.param(("restart", "db"), "has no service db; it has api, worker", id="nothing to restart"),
        pytest.param(("shutdown", "db"), "has no service db; it has api, worker", id="nothing to shut down"),
        pytest.param(("maintenance", "off", "--message", "x"), "leave them out with off", id="a message of no page"),
        pytest.param(("maintenance", "on", "--until", "noon"), "it is not an instant", id="no instant"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_done(shared: World, words: tuple[str, ...], said: str) -> None:
    before = shared.git.run("rev-parse", "HEAD")

    done = verb(shared, *words, code=1)

    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert shared.git.run("rev-parse", "HEAD") == before
    assert shared.git.run("status", "--porcelain") == ""


@pytest.mark.parametrize(
    "words", [("maintenance", "off"), ("set", "api", "task_revision=124"), ("set", "api", "env=unset")]
)
def test_what_the_file_says_already_is_no_commit(shared: World, words: tuple[str, ...]) -> None:
    before = shared.git.run("rev-parse", "HEAD")

    done = verb(shared, *words)

    assert "says so already: nothing is committed" in done.stderr
    assert shared.git.run("rev-parse", "HEAD") == before


@pytest.mark.parametrize("name", ["rollback", "set", "restart", "shutdown", "maintenance"])
def test_help_fits_a_terminal(shared: World, name: str) -> None:
    done = shared.trueup(name, "--help")

    assert done.returncode == 0
    assert "  trueup " + name in done.stdout
    assert "Exit code" in done.stdout
