"""Copies of a state: kept before anything is changed, found again, never fewer than three, in a folder or a bucket."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError

from reconcilers.aws import Connection, Place
from reconcilers.contract import Superseded
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


def answer(client: Any, operation: str, status: int, body: str) -> None:
    """Let S3 say this to every call of an operation, as botocore reads it from the wire."""

    def said(**_: object) -> AWSResponse:
        response = AWSResponse("", status, {}, None)
        response._content = body.encode()
        return response

    client.meta.events.register(f"before-send.s3.{operation}", said)


DENIED = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"


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
    for text in (
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        *(b'{"serial": %b}' % it for it in (b"null", b"-1", b"1e999", b'"7"')),
    ):
        with pytest.raises(Failed, match="did not answer with a state"):
            kept().keep(text, "default", NOW)
    assert kept().listed("default") == ()


def test_files_of_others_are_neither_listed_nor_removed(tmp_path: Path, connection: Connection) -> None:
    folder = tmp_path / "shop" / "network"
    folder.mkdir(parents=True)
    others = {
        "terraform.tfstate",
        "default-20200101T000000Z-1.tfstate.bak",
        "default-2020-1.tfstate",
        "default-20209999T000000Z-1.tfstate",
        "notes",
    }
    for name in others:
        (folder / name).touch()
    backups = StateBackups(f"{tmp_path}", "shop", "network", 1, connection)
    for days in range(19, 9, -1):
        backups.keep(state(days), "default", NOW - timedelta(days=days))
    assert {path.name for path in folder.iterdir()} - others == {each.name for each in backups.listed("default")}
    assert [each.serial for each in backups.listed("default")] == [10, 11, 12]
    assert others <= {path.name for path in folder.iterdir()}


def test_nobody_else_can_read_a_folder(tmp_path: Path, connection: Connection) -> None:
    place = tmp_path / "states"
    backup = StateBackups(f"{place}", "shop", "network", 1, connection).keep(state(1), "default", NOW)
    for folder in (place, place / "shop", place / "shop" / "network"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(Path(backup.place).stat().st_mode) == 0o600
    assert [path.name for path in Path(backup.place).parent.iterdir()] == [backup.name]


def test_a_backup_and_its_name_are_on_the_disk(
    tmp_path: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino) or real(handle))
    backup = StateBackups(f"{tmp_path}", "shop", "network", 1, connection).keep(state(1), "default", NOW)
    path = Path(backup.place)
    assert synced == [path.stat().st_ino, path.parent.stat().st_ino]


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path, connection: Connection) -> None:
    (tmp_path / "shop").write_text("a file")
    backups = StateBackups(f"{tmp_path}", "shop", "network", 1, connection)
    with pytest.raises(Failed, match=r"shop/network cannot be written: .*--state-backups"):
        backups.keep(state(1), "default", NOW)


def test_a_bucket_that_is_not_there_says_so(connection: Connection) -> None:
    backups = StateBackups("s3://no-such-bucket/x", "shop", "network", 1, connection)
    for ask in (lambda: backups.keep(state(1), "default", NOW), lambda: backups.listed("default")):
        with pytest.raises(Failed, match=r"s3://no-such-bucket/x/shop/network: .*NoSuchBucket.*--state-backups"):
            ask()


def test_a_bucket_that_does_not_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    backups = StateBackups(f"s3://{BUCKET}", "shop", "network", 1, Connection(Place("us-east-1"), timeout=0.2))
    for ask in (lambda: backups.listed("default"), lambda: backups.keep(state(1), "default", NOW)):
        with pytest.raises(Failed, match=f"s3://{BUCKET}/shop/network: "):
            ask()


def test_credentials_that_are_missing_are_a_failure(
    aws: Rehearsal, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    backups = StateBackups(f"s3://{BUCKET}", "shop", "network", 1, connection)
    for ask in (lambda: backups.listed("default"), lambda: backups.keep(state(1), "default", NOW)):
        with pytest.raises(Failed, match="Unable to locate credentials; set AWS_PROFILE"):
            ask()


def test_a_bucket_that_did_not_answer_is_asked_again(aws: Rehearsal, connection: Connection) -> None:
    boto3.client("s3", region_name="us-east-1", endpoint_url=aws.url).create_bucket(Bucket=BUCKET)
    backups = StateBackups(f"s3://{BUCKET}", "again", "network", 1, connection)
    answers = False

    def silent(**_: object) -> None:
        if not answers:
            raise EndpointConnectionError(endpoint_url=aws.url)

    connection.reading("s3").meta.events.register("before-send.s3.ListObjectsV2", silent)
    with pytest.raises(Failed, match="Could not connect"):
        backups.listed("default")
    answers = True
    assert backups.listed("default") == ()


@pytest.mark.parametrize(
    ("operation", "permission"),
    [("ListObjectsV2", "s3:ListBucket"), ("GetObject", "s3:GetObject"), ("PutObject", "s3:PutObject")],
)
def test_a_permission_that_is_missing_is_named(
    aws: Rehearsal, connection: Connection, operation: str, permission: str
) -> None:
    boto3.client("s3", region_name="us-east-1", endpoint_url=aws.url).create_bucket(Bucket=BUCKET)
    backups = StateBackups(f"s3://{BUCKET}", "denied", "network", 1, connection)
    backups.keep(state(1), "default", NOW)
    for client in (connection.reading("s3"), connection.writing("s3")):
        answer(client, operation, 403, DENIED)
    ask = {"PutObject": lambda: backups.keep(state(2), "default", NOW)}.get(
        operation, lambda: backups.newest("default")
    )
    with pytest.raises(Failed) as failed:
        ask()
    assert f"{failed.value}" == (
        f"the state backups in s3://{BUCKET}/denied/network: not allowed to call {operation}: no;"
        f" grant it to the role that trueup runs as ({permission})"
    )


@pytest.mark.parametrize(("page", "said"), [("<html/>", "not of S3"), ("", "not of S3"), ("<html><p>", "500")])
def test_the_page_of_a_proxy_is_neither_a_backup_nor_an_empty_bucket(
    connection: Connection, page: str, said: str
) -> None:
    answer(connection.reading("s3"), "ListObjectsV2", 200, page)
    answer(connection.writing("s3"), "PutObject", 200, page)
    backups = StateBackups(f"s3://{BUCKET}", "shop", "network", 1, connection)
    for ask in (lambda: backups.listed("default"), lambda: backups.keep(state(1), "default", NOW)):
        with pytest.raises(Failed, match=rf"s3://{BUCKET}/shop/network: .*{said}"):
            ask()


def test_every_page_of_a_bucket_is_read(aws: Rehearsal, connection: Connection) -> None:
    boto3.client("s3", region_name="us-east-1", endpoint_url=aws.url).create_bucket(Bucket=BUCKET)
    backups = StateBackups(f"s3://{BUCKET}", "pages", "network", 1, connection)
    for serial in range(3):
        backups.keep(state(serial), "default", NOW)
    pages: list[dict[str, Any]] = []

    def one(params: dict[str, Any], **_: object) -> None:
        pages.append(params)
        params["MaxKeys"] = 1

    connection.reading("s3").meta.events.register("before-parameter-build.s3.ListObjectsV2", one)
    assert [each.serial for each in backups.listed("default")] == [2, 1, 0]
    assert len(pages) == 3


def test_nothing_is_removed_from_a_bucket_where_the_new_one_was_not_written(
    aws: Rehearsal, connection: Connection
) -> None:
    boto3.client("s3", region_name="us-east-1", endpoint_url=aws.url).create_bucket(Bucket=BUCKET)
    backups = StateBackups(f"s3://{BUCKET}", "unwritten", "network", 30, connection)
    for days in (40, 30, 20, 10):
        backups.keep(state(days), "default", NOW - timedelta(days=days))
    answer(connection.writing("s3"), "PutObject", 500, "<Error><Code>InternalError</Code><Message>no</Message></Error>")
    aws.clear_calls()
    sooner = StateBackups(f"s3://{BUCKET}", "unwritten", "network", 1, connection)
    with pytest.raises(Failed, match=r"PutObject failed \(InternalError\): no"):
        sooner.keep(state(50), "default", NOW)
    assert aws.calls() == []  # it neither tried again nor went on
    assert [each.serial for each in backups.listed("default")] == [10, 20, 30, 40]


def test_a_disk_that_is_full_loses_nothing_and_leaves_nothing(
    tmp_path: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days in (40, 30, 20, 10):
        StateBackups(f"{tmp_path}", "shop", "network", 99, connection).keep(
            state(days), "default", NOW - timedelta(days=days)
        )
    folder = tmp_path / "shop" / "network"
    before = {path.name for path in folder.iterdir()}

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Failed, match=r"shop/network cannot be written: No space left on device: .*--state-backups"):
        StateBackups(f"{tmp_path}", "shop", "network", 1, connection).keep(state(50), "default", NOW)
    assert {path.name for path in folder.iterdir()} == before
    assert len(before) == 4


def test_an_object_that_cannot_be_removed_holds_no_new_backup_up(aws: Rehearsal, connection: Connection) -> None:
    boto3.client("s3", region_name="us-east-1", endpoint_url=aws.url).create_bucket(Bucket=BUCKET)
    backups = StateBackups(f"s3://{BUCKET}", "stuck", "network", 15, connection)
    answer(connection.writing("s3"), "DeleteObject", 403, DENIED)
    for days in (40, 30, 20, 10):
        assert backups.keep(state(days), "default", NOW - timedelta(days=days)).serial == days
    assert backups.keep(state(50), "default", NOW).serial == 50
    assert [each.serial for each in backups.listed("default")] == [50, 10, 20, 30, 40]


def test_a_file_that_cannot_be_removed_holds_no_new_backup_up(tmp_path: Path, connection: Connection) -> None:
    stuck = tmp_path / "shop" / "network" / "default-20200101T000000Z-1.tfstate"
    stuck.mkdir(parents=True)  # unlink refuses it
    backups = StateBackups(f"{tmp_path}", "shop", "network", 1, connection)
    for serial in range(2, 6):
        assert backups.keep(state(serial), "default", NOW).serial == serial
    assert stuck.exists()


def test_a_connection_beside_the_passes_has_no_guard_and_is_still_observed(
    aws: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    boto3.client("s3", region_name="us-east-1", endpoint_url=aws.url).create_bucket(Bucket=BUCKET)
    heard: list[str] = []
    passes = Connection(Place("us-east-1"), on_call=lambda service, operation, *_: heard.append(operation))

    def superseded() -> None:
        raise Superseded("a newer commit")

    passes.guard = superseded
    with pytest.raises(Superseded):
        StateBackups(f"s3://{BUCKET}", "beside", "network", 1, passes).keep(state(1), "default", NOW)
    beside = passes.beside()
    kept = StateBackups(f"s3://{BUCKET}", "beside", "network", 1, beside).keep(state(1), "default", NOW)
    assert (kept.serial, beside.place) == (1, passes.place)
    assert "PutObject" in heard
    assert beside.writing("s3") is not passes.writing("s3")


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


@pytest.mark.parametrize(
    "text",
    ["", "s3://", "s3:shop-states", "s3:/shop-states/x", "S3://shop-states", "s3://A_bucket/x", "https://x", "gs://x"],
)
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
