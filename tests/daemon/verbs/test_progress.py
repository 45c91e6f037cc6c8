"""How far something has come: a line each tenth where it is piped, a bar at a terminal."""

import pytest

from daemon.verbs.progress import Progress


def test_where_it_is_piped_each_tenth_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("load", 2_000_000) as progress:
        for done in (0, 199_999, 200_000, 250_000, 900_000, 900_001):
            progress.at(done)
        progress.then("waiting")

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "trueup: load: 10 % of 2.0 MB",
        "trueup: load: 40 % of 2.0 MB",
        "trueup: load: 100 % of 2.0 MB",
        "trueup: waiting",
    ]


def test_at_a_terminal_it_is_a_bar_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")

    with Progress("load", 2_000_000) as progress:
        progress.at(1_000_000)
        progress.then("waiting for PostgreSQL")

    printed = capsys.readouterr()
    assert printed.out == ""
    assert "load" in printed.err
    assert "waiting for PostgreSQL" in printed.err


def test_what_is_empty_is_done_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("digest", 0) as progress:
        progress.then("done")

    assert capsys.readouterr().err == "trueup: done\n"
