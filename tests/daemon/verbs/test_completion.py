"""The completion scripts, in a real bash; in zsh where there is one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from daemon import cli
from daemon.verbs.completion import script
from daemon.verbs.registry import VERBS
from tests.tools import tool

FILE = """version: 1
environment: "production"
services:
  api: {cluster: c, service: s}
  # none: of these
  worker:
    cluster: c
databases:
  postgres:
    secret: s
"""
ASK = r"""
source ./trueup.bash
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMPREPLY=()
$(complete -p trueup | sed 's/.*-F \([^ ]*\) .*/\1/')
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment file, another file, and the script."""
    made = tmp_path_factory.mktemp("completion")
    (made / "production.yaml").write_text(FILE)
    (made / "notes.txt").write_text("")
    (made / "environments").mkdir()
    (made / ".git").mkdir()
    (made / ".hidden.yaml").write_text("")
    (made / "trueup.bash").write_text(script(cli.parser(), "bash"))
    return made


def completed(folder: Path, *words: str) -> list[str]:
    command = ["bash", "--norc", "-c", ASK, "bash", "trueup", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    return sorted(line for line in done.stdout.splitlines() if line)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(("stat",), ["status"], id="a command"),
        pytest.param(("status", ""), ["environments/", "production", "production.yaml"], id="an environment"),
        pytest.param(("status", "production."), ["production.yaml"], id="its file"),
        pytest.param(("revisions", "production", ""), ["api", "worker"], id="a service"),
        pytest.param(("images", "production.yaml", "w"), ["worker"], id="the beginning of a service"),
        pytest.param(("snapshots", "production", ""), ["postgres"], id="a database"),
        pytest.param(("wait", "production", "--comm"), ["--commit"], id="an option"),
        pytest.param(("plan", "--output", ""), ["json", "markdown", "text"], id="the choices of an option"),
        pytest.param(("validate", "pro"), ["production.yaml"], id="a file"),
        pytest.param(("completion", ""), ["bash", "zsh"], id="a shell"),
        pytest.param(("revisions", "$(touch evil)", ""), ["api", "worker"], id="what is typed is not run"),
    ],
)
def test_bash_completes(folder: Path, words: tuple[str, ...], expected: list[str]) -> None:
    assert completed(folder, *words) == expected
    assert not (folder / "evil").exists()


def test_bash_completes_every_command(folder: Path) -> None:
    assert completed(folder, "") == sorted(each.name for each in VERBS)


def test_a_folder_without_environment_files_is_no_trouble(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "trueup.bash", tmp_path)

    assert completed(tmp_path, "revisions", "production", "") == []


def test_the_verb_prints_the_script_of_each_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(("completion", "bash")) == 0
    assert "complete" in capsys.readouterr().out
    assert cli.run(("completion", "zsh")) == 0

    told = capsys.readouterr().out
    assert told.startswith("#compdef trueup")
    assert all(f"    {each.name}:'" in told for each in VERBS)


def test_zsh_takes_its_script(tmp_path: Path) -> None:
    (tmp_path / "_trueup").write_text(script(cli.parser(), "zsh"))

    subprocess.run([tool("zsh"), "-n", str(tmp_path / "_trueup")], check=True, timeout=30)
