"""Copies of a state: kept before anything is changed, found again, never fewer than three, in a folder or a bucket."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest

from reconcilers.aws import Connection, Place
from reconcilers.terraform_backups import StateBackups, checked_place, lineage_of, serial_of
from reconcilers.terraform_errors import Failed
from rehearsal.server import Rehearsal
from tests.reconcilers.terraform_world import Stage, thing
from tests.tools import tool

NOW = datetime(2026, 2, 24, 12, 0, tzinfo=UTC)
BUCKET = "shop-states"


@pytest.fixture(scope="module")
def aws() -> Iterator[Rehearsal]:
    with Rehearsal(port=0) as served:
        yield served


@pytest.fixture
def connection(aws: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    return Connection(Place("us-east-1"))


Make = Callable[..., StateBackups]


@pytest.fixture(params=["folder", "bucket", "prefix"])
def kept(request: pytest.FixtureRequest, tmp_path: Path, connection: Connection, aws: Rehearsal) -> Make:
    """The same for a folder and for a bucket. Each test has a place of its own."""
    place = f"{tmp_path / 'states'}"
    if request.param != "folder":
        s3 = boto3.resource("s3", region_name="us-east-1", endpoint_url=aws.url)
        bucket = s3.create_bucket(Bucket=BUCKET)
        bucket.objects.delete()
        place = f"s3://{BUCKET}" + ("/some/where" if request.param == "prefix" else "")

    def make(entry: str = "network", days: int = 15) -> StateBackups:
        return StateBackups(place, "shop", entry, days, connection)

    return make


def state(serial: int, lineage: str = "one") -> bytes:
    return json.dumps({"serial": serial, "lineage": lineage}).encode()


def test_what_is_kept_is_found_again_newest_first(kept: Make) -> None:
    backups = kept()
    assert (backups.listed("default"), backups.newest("default")) == ((), None)
    old = backups.keep(state(3), "default", NOW - timedelta(hours=1))
    new = backups.keep(state(4), "default", NOW)
    assert backups.listed("default") == (new, old)
    assert (new.name, new.taken, new.serial) == ("default-20260224T120000Z-4.tfstate", NOW, 4)
    assert new.place.endswith(f"shop/network/{new.name}")
    assert backups.newest("default") == state(4)


def test_two_of_the_same_second_are_both_kept(kept: Make) -> None:
    backups = kept()
    backups.keep(state(3), "default", NOW)
    backups.keep(state(4), "default", NOW)
    assert [each.serial for each in backups.listed("default")] == [4, 3]


def test_old_ones_are_removed_but_never_the_newest_three(kept: Make) -> None:
    backups = kept()
    for days in (40, 30, 20, 10, 0):
        backups.keep(state(days), "default", NOW - timedelta(days=days))
    assert [each.serial for each in backups.listed("default")] == [0, 10, 20]


def test_entries_and_workspaces_keep_apart(kept: Make) -> None:
    for workspace in ("default", "default-2", "a/b", "a"):
        kept().keep(state(1), workspace, NOW - timedelta(days=90))
    kept("other").keep(state(2), "default", NOW - timedelta(days=90))
    for number in range(3, 8):
        kept().keep(state(number), "default", NOW)
    assert [each.serial for each in kept().listed("default")] == [7, 6, 5, 4, 3]
    for workspace in ("default-2", "a/b", "a"):
        assert [each.serial for each in kept().listed(workspace)] == [1]
    assert [each.serial for each in kept("other").listed("default")] == [2]


def test_what_is_no_state_is_not_kept(kept: Make) -> None:
    for text in (b"", b"nonsense", b"[]", b'{"serial": null}', b"{}"):
        with pytest.raises(Failed, match="did not answer with a state"):
            kept().keep(text, "default", NOW)
    assert kept().listed("default") == ()


def test_files_of_others_are_neither_listed_nor_removed(tmp_path: Path, connection: Connection) -> None:
    folder = tmp_path / "shop" / "network"
    folder.mkdir(parents=True)
    others = {"terraform.tfstate", "default-20200101T000000Z-1.tfstate.bak", "default-2020-1.tfstate", "notes"}
    for name in others:
        (folder / name).touch()
    backups = StateBackups(f"{tmp_path}", "shop", "network", 1, connection)
    for days in range(10, 20):
        backups.keep(state(days), "default", NOW - timedelta(days=days))
    assert others <= {path.name for path in folder.iterdir()}


def test_nobody_else_can_read_a_folder(tmp_path: Path, connection: Connection) -> None:
    place = tmp_path / "states"
    backup = StateBackups(f"{place}", "shop", "network", 1, connection).keep(state(1), "default", NOW)
    for folder in (place, place / "shop", place / "shop" / "network"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(Path(backup.place).stat().st_mode) == 0o600
    assert [path.name for path in Path(backup.place).parent.iterdir()] == [backup.name]


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path, connection: Connection) -> None:
    (tmp_path / "shop").write_text("a file")
    backups = StateBackups(f"{tmp_path}", "shop", "network", 1, connection)
    with pytest.raises(Failed, match=r"shop/network cannot be written: .*--state-backups"):
        backups.keep(state(1), "default", NOW)


def test_a_bucket_that_is_not_there_says_so(connection: Connection) -> None:
    backups = StateBackups("s3://no-such-bucket/x", "shop", "network", 1, connection)
    for ask in (lambda: backups.keep(state(1), "default", NOW), lambda: backups.listed("default")):
        with pytest.raises(Failed, match=r"s3://no-such-bucket/x/shop/network: .*NoSuchBucket"):
            ask()


def test_a_bucket_that_does_not_answer_says_so_and_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, aws: Rehearsal
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    backups = StateBackups("s3://shop-states", "shop", "network", 1, Connection(Place("us-east-1"), timeout=0.2))
    for _ in range(2):
        with pytest.raises(Failed, match="s3://shop-states/shop/network: "):
            backups.listed("default")


def test_what_an_old_one_cannot_be_removed_for_keeps_no_new_one_back(
    kept: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days in (40, 30, 20, 10):
        kept().keep(state(days), "default", NOW - timedelta(days=days))

    def fails(*_: object) -> None:
        raise Failed("not allowed")

    monkeypatch.setattr(StateBackups, "_remove_old", fails)
    assert kept().keep(state(50), "default", NOW).serial == 50


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/var/lib/states", "/var/lib/states"),
        ("s3://shop-states", "s3://shop-states"),
        ("s3://shop-states/", "s3://shop-states"),
        ("s3://shop-states/a/b/", "s3://shop-states/a/b"),
        ("states", f"{Path('states').absolute()}"),
    ],
)
def test_where_backups_go(text: str, place: str) -> None:
    assert checked_place(text) == place


@pytest.mark.parametrize("text", ["", "s3://", "s3://A_bucket/x", "https://shop-states", "gs://x"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a folder nor s3://"):
        checked_place(text)


def test_which_state_it_is() -> None:
    assert (serial_of(state(7)), lineage_of(state(7, "x"))) == (7, "x")
    assert lineage_of(b"nonsense") == ""


def test_a_backup_is_the_state_and_can_be_put_back(tmp_path: Path, connection: Connection) -> None:
    program, stage = tool("terraform"), Stage(tmp_path)
    stack = stage.commit(thing("one"))
    backups = StateBackups(f"{tmp_path / 'states'}", "shop", "network", 30, connection)
    assert stage.terraform.state(stack) == b""
    stage.applied(stack)
    before = stage.state.read_bytes()
    other = stage.commit(thing("two"))
    check = stage.check(other)

    kept = backups.keep(stage.terraform.state(other), "default", NOW)

    assert json.loads(Path(kept.place).read_text()) == json.loads(before)
    assert stage.terraform.apply(other, check).destroy == 1
    assert not check.plan.exists()  # there are secrets in it, and nobody needs it any more
    push = [program, "state", "push", "-force", kept.place]
    environ = os.environ | {"TF_DATA_DIR": str(stack.home / "data"), "TF_CLI_CONFIG_FILE": os.devnull}
    subprocess.run(push, cwd=stack.home / "work" / "infra", env=environ, check=True, capture_output=True)
    assert not stage.check(stack).differs
