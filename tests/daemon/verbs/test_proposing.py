"""What a change of the file is called, how it is shown, and what is said of it afterwards."""

import subprocess
from datetime import UTC, datetime

import pytest

from daemon.verbs import proposing_text, restart
from daemon.verbs.proposing import branch_name
from daemon.verbs.proposing_bad import way_back
from daemon.verbs.proposing_place import Made
from daemon.verbs.proposing_text import diff
from desired_state.history import Version
from desired_state.parse import parse
from desired_state.repository import Commit

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
            Made(COMMIT, "fix", "origin/fix", pushed=True, is_new=False, aside="The daemon follows main"),
            ["Commit 1a2b3c4d5e6f: pushed to origin/fix.", "The daemon follows main."],
            id="on a branch that is not followed",
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


@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_a_restart_is_due_by_the_clock_of_an_aws_that_tells_whole_seconds(microsecond: int) -> None:
    at = datetime(2026, 3, 1, 3, 0, 5, microsecond, tzinfo=UTC)

    assert restart.due(at) == datetime(2026, 3, 1, 3, 0, 3, tzinfo=UTC)


def version(oid: str, *, good: bool) -> Version:
    """What a commit of Ann brought."""
    text = b"version: 1\nenvironment: production\naws: {region: eu-central-1}\n"
    commit = Commit(oid * 40, datetime(2026, 3, 1, tzinfo=UTC), "Ann", f"Change {oid}")
    return Version(commit, parse(text, "a.yaml") if good else None)


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        pytest.param([], "Mend that line first", id="in no repository"),
        pytest.param([version("1", good=False)], "Mend that line first", id="it never was good"),
        pytest.param(
            [version("1", good=True)],
            "It was good at its last commit: git restore a.yaml, or mend that line",
            id="not committed",
        ),
        pytest.param(
            [version("3", good=False), version("2", good=False), version("1", good=True), version("0", good=False)],
            "Commit 22222222 broke it (by Ann: Change 2): git revert 22222222 && git push, or mend that line and "
            "commit it",
            id="the first of two bad commits",
        ),
    ],
)
def test_a_bad_file_says_what_leads_back(versions: list[Version], said: str) -> None:
    assert way_back("a.yaml", versions) == said
