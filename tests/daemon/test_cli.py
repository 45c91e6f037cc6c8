"""The command line as a person meets it: help, mistakes, exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon import cli
from tests.daemon.fakes import counts
from tests.end_to_end.world import Git

Capture = pytest.CaptureFixture[str]
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
COMMANDS = ("run", "plan", "validate", "schema", "migrate", "load-dump", "demo")


def trueup(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The real command, as a process."""
    command = [sys.executable, "-m", "daemon", *words]
    return subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, timeout=30, check=False)


def said(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """The exit code, and what was printed."""
    try:
        code = cli.run(words)
    except SystemExit as end:
        code = int(end.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(("--help",), capsys)

    assert code == 0
    assert all(f"\n    {command}" in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_fits_80_columns_and_says_what_it_does(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = said((command, "--help"), capsys)

    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    assert out.startswith(f"usage: trueup {command}")


def test_help_of_run_names_every_variable_and_every_signal(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(("run", "--help"), capsys)

    for word in ("TRUEUP_REPOSITORY", "TRUEUP_INTERVAL", "TRUEUP_LISTEN", "SIGTERM", "SIGHUP", "--once", "--timeout"):
        assert word in out


def test_help_of_plan_names_its_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Exit code: 0 no drift, 2 drift, 1 error." in said(("plan", "--help"), capsys)[1]


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(("--version",), capsys)

    assert code == 0
    assert out.startswith("trueup ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param((), "required: COMMAND", id="nothing"),
        pytest.param(("rolback",), "there is no command rolback; did you mean rollback?", id="a slip of a command"),
        pytest.param(("xyzzy",), "there is no command xyzzy; trueup --help lists them", id="no such command"),
        pytest.param(("rollback",), "required: ENVIRONMENT", id="no environment"),
        pytest.param(("validate",), "required: FILE", id="no file"),
        pytest.param(("plan", "--output", "xml"), "invalid choice: 'xml'", id="no such output"),
        pytest.param(("run", "--interval", "0"), "0 is not between 0 and 86400 seconds", id="no such interval"),
        pytest.param(("run", "--interval", "soon"), "'soon' is not a number of seconds", id="no number"),
        pytest.param(("run",), "name the repository and the path", id="no repository"),
        pytest.param(("plan",), "name the repository and the path", id="neither file nor repository"),
        pytest.param(("run", "--repository", "."), "name the repository and the path", id="no path"),
        pytest.param(("schema", "extra"), "unrecognized arguments: extra", id="a word too many"),
        pytest.param(
            ("run", "--repository", "ext::sh -c x", "--path", "p"), "ext:: is not allowed", id="a dangerous repository"
        ),
        pytest.param(
            ("run", "--repository", ".", "--path", "p", "--branch", "--upload-pack=x"),
            "",
            id="a branch that is an option",
        ),
        pytest.param(
            ("run", "--repository", ".", "--path", "p", "--listen", "8080"),
            "cannot listen on 8080: it is not HOST:PORT; give another --listen HOST:PORT",
            id="no address",
        ),
    ],
)
def test_a_mistake_ends_with_1_and_one_clear_line(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(words, capsys)

    assert (code, out) == (1, "")
    assert message in err
    assert err.startswith("trueup: ")
    assert len(err.splitlines()) == 1


def test_a_mistake_in_a_variable_is_told_as_one_of_the_option() -> None:
    done = trueup("run", TRUEUP_INTERVAL="soon")

    assert done.returncode == 1
    assert "argument --interval: 'soon' is not a number of seconds" in done.stderr


@pytest.mark.parametrize(
    ("role", "environ", "message"),
    [
        pytest.param(
            ', role_arn: "arn:aws:iam::123456789012:role/x"', {}, "Unable to locate credentials; set ", id="role"
        ),
        pytest.param("", {}, "Unable to locate credentials; set ", id="no credentials"),
        pytest.param("", {"AWS_PROFILE": "nope"}, "The config profile (nope) could not be found; ", id="no profile"),
        pytest.param(
            "", KEYS | {"AWS_ENDPOINT_URL": "localhost:5000"}, "Invalid endpoint: localhost:5000; ", id="no URL"
        ),
    ],
)
def test_a_plan_for_which_aws_cannot_be_asked_ends_with_1_and_one_line(
    role: str, environ: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "p.yaml").write_text(counts(api=1).replace("us-east-1", f"us-east-1{role}"))

    code, out, err = said(("plan", str(tmp_path / "p.yaml")), capsys)

    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("trueup: AWS cannot be asked: ")
    assert message in err


def test_a_single_run_without_credentials_ends_with_1_and_no_traceback(tmp_path: Path) -> None:
    git = Git(tmp_path / "repository")
    git.commit(counts(api=1).replace("us-east-1", 'us-east-1, role_arn: "arn:aws:iam::123456789012:role/x"'))
    words = ("run", "--once", "--repository", str(git.folder), "--path", "production.yaml", "--timeout", "2")

    done = trueup(*words, "--cache", str(tmp_path / "cache"), AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")

    assert done.returncode == 1
    assert "Unable to locate credentials; set AWS_PROFILE" in done.stderr
    assert "raceback" not in done.stderr


def test_a_copy_that_cannot_be_written_ends_a_plan_with_1_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    git = Git(tmp_path / "repository")
    git.commit(counts(api=1))
    monkeypatch.setattr(Path, "write_text", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    cache = ("--cache", str(tmp_path / "cache"))

    code, out, err = said(("plan", "--repository", str(git.folder), "--path", "production.yaml", *cache), capsys)

    assert (code, out, err) == (1, "", "trueup: [Errno 28] No space left on device\n")


def test_a_repository_that_is_not_there_ends_a_plan_with_1_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(("plan", "--repository", "/nonexistent/here", "--path", "p.yaml"), capsys)

    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("trueup: /nonexistent/here: ")


@pytest.mark.parametrize("words", ["schema", "validate /work.yaml"], ids=["much to say", "little to say"])
def test_a_reader_that_leaves_early_gets_no_traceback(words: str, tmp_path: Path) -> None:
    (tmp_path / "work.yaml").write_text(counts(api=1))
    command = f"sleep 0.3; {sys.executable} -m daemon {words.replace('/', f'{tmp_path}/')}"
    read, write = os.pipe()
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(["sh", "-c", command], env=environ, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    os.close(read)

    assert process.communicate(timeout=30) == (None, "")
    assert process.returncode == 1
