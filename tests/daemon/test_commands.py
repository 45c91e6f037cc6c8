"""Commands that need no AWS: validate, schema, and the problems of plan."""

import json
import os
import socket
from pathlib import Path

import pytest

from daemon import cli
from tests.daemon.fakes import counts

GOOD = counts(api=2)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def test_a_good_file_is_valid_and_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    text = counts(api=2, worker=1) + "databases: {postgres: {secret: s, endpoint: e.example.com}}\n"
    text += "maintenance: {enabled: false, load_balancer: alb}\n"

    assert cli.run(("validate", write("production.yaml", text))) == 0

    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out == ("production.yaml: valid; environment production, 2 services, 1 database, maintenance\n")


def test_a_bad_file_is_named_with_line_key_and_mend_and_the_good_one_is_still_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = write("good.yaml", GOOD)
    bad = write("bad.yaml", GOOD.replace("desired_count: 2", "desired_cuont: 2").replace("production", "staging"))

    assert cli.run(("validate", bad, good)) == 1

    printed = capsys.readouterr()
    assert printed.err.startswith("bad.yaml:6: services.api.desired_cuont: ")
    assert printed.out.startswith("good.yaml: valid")


def test_two_files_that_claim_the_same_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = write("a.yaml", GOOD), write("b.yaml", GOOD.replace("production", "staging"))

    assert cli.run(("validate", one, other)) == 1

    printed = capsys.readouterr()
    assert printed.err == (
        "b.yaml:1: services.api: is claimed already by services.api of a.yaml; remove it from one of the two\n"
    )
    assert printed.out.splitlines() == ["a.yaml: valid; environment production, 1 service"]


def test_the_file_that_is_named_last_is_the_one_that_claims_too_much(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = write("b.yaml", GOOD), write("a.yaml", GOOD.replace("production", "staging"))

    assert cli.run(("validate", one, other)) == 1

    assert capsys.readouterr().err.startswith("a.yaml:1: services.api: ")


def test_a_file_that_is_not_there_does_not_hide_what_is_wrong_with_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = write("bad.yaml", GOOD.replace("desired_count: 2", "desired_cuont: 2"))

    assert cli.run(("validate", "missing.yaml", bad)) == 1

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "missing.yaml:1: cannot be read (No such file or directory); name an environment file"
    assert lines[1].startswith("bad.yaml:6: services.api.desired_cuont: ")


@pytest.mark.parametrize("command", [("validate",), ("plan",), ("plan", "--output", "json")])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("missing.yaml", "cannot be read (No such file or directory)", id="no file"),
        pytest.param(".", "is not an ordinary file", id="a folder"),
        pytest.param("pipe", "is not an ordinary file", id="a named pipe"),
        pytest.param("/dev/zero", "is not an ordinary file", id="a device"),
        pytest.param("socket", "cannot be read (No such device or address)", id="a socket"),
        pytest.param("nul\0.yaml", "cannot be read (embedded null byte)", id="no name at all"),
        pytest.param("x\n\x1b[2J", "cannot be read (No such file or directory)", id="a hostile name"),
        pytest.param("x" * 5000, "cannot be read (File name too long)", id="an endless name"),
    ],
)
def test_what_is_no_file_is_a_problem_like_any_other(
    command: tuple[str, ...], name: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")

        assert cli.run((*command, name)) == 1

    printed = capsys.readouterr()
    shown = printed.out + printed.err
    assert expected in shown
    assert "name an environment file" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\xff\xfe", "UTF-8", id="not UTF-8"),
        pytest.param(b"x" * (1024 * 1024 + 1), "larger than", id="too large"),
        pytest.param(b"a: &x [1]\nb: *x\n", "anchor", id="an alias"),
    ],
)
def test_bytes_that_are_no_environment_are_problems_of_the_file(
    content: bytes, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.yaml").write_bytes(content)

    assert cli.run(("validate", "bad.yaml")) == 1

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("bad.yaml:")
    assert words in printed.err


def test_a_name_that_is_no_text_is_shown_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"caf\xe9.yaml")
    write(name, GOOD)

    assert cli.run(("validate", name)) == 0

    assert capsys.readouterr().out.startswith("caf\\udce9.yaml: valid")


def test_the_schema_is_json_and_knows_the_words_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(("schema",)) == 0

    schema = json.loads(capsys.readouterr().out)
    assert {"version", "environment", "aws", "services", "databases", "maintenance"} <= schema["properties"].keys()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param("text", "bad.yaml:1: is empty; ", id="text"),
        pytest.param("markdown", "- `bad.yaml:1: is empty; ", id="markdown"),
        pytest.param("json", '"message": "is empty"', id="json"),
    ],
)
def test_a_plan_of_a_bad_file_says_the_problem_and_ends_with_1(
    output: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(("plan", write("bad.yaml", ""), "--output", output)) == 1

    assert expected in capsys.readouterr().out


def test_a_plan_of_a_suspended_environment_reads_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    name = write("p.yaml", counts(mode="suspended", api=2))

    assert cli.run(("plan", name)) == 0

    out = capsys.readouterr().out
    assert "mode is suspended: nothing was read or compared" in out
    assert out.endswith("Plan: no changes, 1 environment suspended and not compared; nothing was written.\n")
