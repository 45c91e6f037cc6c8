"""Where terraform works: its folder, its threads, and how it comes to its end."""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from daemon import aside, settings


def chosen(folder: Path, *words: str) -> argparse.Namespace:
    """The settings of a run with its cache here."""
    parser = argparse.ArgumentParser()
    settings.add(parser, settings.REPOSITORY + settings.TERRAFORM + settings.DAEMON, {})
    return parser.parse_args(["--cache", f"{folder}", *words])


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"XDG_STATE_HOME": "/srv/state", "HOME": "/home/ann"}, "/srv/state/trueup/state-backups"),
        ({"HOME": "/home/ann"}, "/home/ann/.local/state/trueup/state-backups"),
    ],
)
def test_backups_are_not_kept_in_the_cache(
    environ: dict[str, str], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert aside.kept(chosen(tmp_path)) == place


def test_without_a_home_backups_are_kept_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda text: text)
    assert aside.kept(chosen(tmp_path)) == f"{tmp_path / 'state-backups'}"
    assert aside.open_workshop(chosen(tmp_path))


def test_a_command_that_writes_nothing_leaves_nothing_behind(tmp_path: Path) -> None:
    with aside.rehearsal(chosen(tmp_path)) as workshop:
        (folder,) = tmp_path.glob("plan-*")
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
    assert not workshop.working


def test_the_end_waits_for_what_runs_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    workshop = SimpleNamespace(working=True, applying=True, asked=0)
    workshop.stop = lambda: setattr(workshop, "asked", workshop.asked + 1)
    threading.Timer(0.2, setattr, (workshop, "working", False)).start()
    began = time.monotonic()
    aside.end(workshop)
    assert 0.1 < time.monotonic() - began < 5
    workshop.working = True
    monkeypatch.setattr(aside, "_LONGEST_END", 0.1)
    aside.end(workshop)
    monkeypatch.setattr(aside, "_LONGEST_END", 300.0)
    monkeypatch.setattr(aside, "_LONGEST_LOOK", 0.1)
    workshop.applying = False
    aside.end(workshop)
    assert workshop.asked == 3


def test_work_does_not_hold_up_whoever_begins_it() -> None:
    go_on, ended = threading.Event(), threading.Event()
    aside._in_a_thread(lambda: ended.set() if go_on.wait(5) else None)
    assert not ended.is_set()
    go_on.set()
    assert ended.wait(5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--state-backups", "https://x"), "neither a folder nor s3://bucket/prefix"),
        (("--state-backups", ""), "neither a folder nor s3://bucket/prefix"),
        (("--state-backup-days", "0"), "not a number of days"),
        (("--state-backup-days", "x"), "not a number of days"),
        (("--terraform-timeout", "0"), "not between 0 and 86400"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        chosen(tmp_path, *words)
    assert said in capsys.readouterr().err


def test_a_folder_for_backups_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert chosen(tmp_path, "--state-backups", "kept").state_backups == f"{tmp_path / 'kept'}"
    assert chosen(tmp_path, "--state-backups", "s3://shop-states/x/").state_backups == "s3://shop-states/x"
    assert chosen(tmp_path).state_backup_days == 30
