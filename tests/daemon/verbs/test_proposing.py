"""What a change of the file is called, how it is shown, and what is said of it afterwards."""

import subprocess

import pytest

from daemon.verbs import proposing_text
from daemon.verbs.proposing import branch_name
from daemon.verbs.proposing_place import Made
from daemon.verbs.proposing_text import diff

COMMIT = "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d"


@pytest.mark.parametrize(
    ("subject", "start"),
    [
        pytest.param("Roll back api to 123", "trueup/roll-back-api-to-123-", id="words"),
        pytest.param("../../--exec=$(touch x); ~^:", "trueup/exec-touch-x-", id="hostile"),
        pytest.param("Zurück!", "trueup/zur-ck-", id="other letters"),
        pytest.param("", "trueup/change-", id="nothing"),
        pytest.param("x" * 300, f"trueup/{'x' * 40}-", id="long"),
    ],
)
def test_a_branch_is_called_after_what_it_does(subject: str, start: str) -> None:
    name = branch_name(subject, b"a")

    assert name.startswith(start)
    assert len(name) == len(start) + 6
    assert (
        subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False).returncode == 0
    )
    assert branch_name(subject, b"a") == name, "the same change has the same name"
    assert branch_name(subject, b"b") != name


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        pytest.param(b"a\nb\n", b"a\nc\n", [" a", "-b", "+c"], id="a line"),
        pytest.param(b"a\r\nb\r\n", b"a\r\nc\r\n", [" a", "-b", "+c"], id="CRLF"),
        pytest.param(b"a", b"b", ["-a", "+b"], id="no line end"),
        pytest.param(b"", b"a\n", ["+a"], id="nothing before"),
        pytest.param(b"\xff\n", b"x\n", ["-\ufffd", "+x"], id="no text"),
        pytest.param(b"x\n", b"\x1b[2Jy\n", ["-x", "+\\x1b[2Jy"], id="what moves a cursor"),
        pytest.param(b"x\n", b"password: hunter2\n", ["-x", "+password: [redacted]"], id="a password"),
        pytest.param(b"  x: 1\n", b"  x: 2\n", ["-  x: 1", "+  x: 2"], id="indented"),
    ],
)
def test_a_diff_is_fit_to_be_shown(before: bytes, after: bytes, lines: list[str]) -> None:
    shown = list(diff(before, after, "a.yaml"))

    assert shown[:2] == ["--- a/a.yaml", "+++ b/a.yaml"]
    assert shown[3:] == lines


@pytest.mark.parametrize(
    ("made", "said"),
    [
        pytest.param(
            Made(COMMIT, "main", "origin/main", pushed=True, is_new=False),
            ["Commit 1a2b3c4d5e6f: pushed to origin/main.", "To follow it: trueup wait prod --commit 1a2b3c4d5e6f"],
            id="pushed",
        ),
        pytest.param(
            Made(COMMIT, "new", "origin/new", pushed=True, is_new=True, back="main"),
            [
                "Commit 1a2b3c4d5e6f: pushed to origin/new.",
                "It counts once new is merged: open a pull request.",
                "This folder is on new now; back: git switch main",
            ],
            id="on a new branch",
        ),
        pytest.param(
            Made(COMMIT, "main", "main", pushed=False, is_new=False),
            ["Commit 1a2b3c4d5e6f: committed to main, not pushed."],
            id="here alone",
        ),
        pytest.param(
            Made(COMMIT, "main", "main", pushed=False, is_new=False, trouble="origin did not take it"),
            ["Commit 1a2b3c4d5e6f: committed to main, not pushed.", "Origin did not take it."],
            id="refused",
        ),
    ],
)
def test_it_is_said_what_has_become_of_a_change(
    made: Made, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    proposing_text.done(made, "prod")

    assert capsys.readouterr().err.splitlines() == said
