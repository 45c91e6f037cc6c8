"""Copies of a terraform state, each made before something was changed, in a folder or a bucket."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from reconcilers.aws import Connection, code, is_denied, sentence
from reconcilers.terraform_errors import Failed

NEVER_FEWER: Final = 3
"""So many of the newest are kept, however old they are."""
_INSTANT: Final = "%Y%m%dT%H%M%SZ"
_BUCKET: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_PERMISSIONS: Final = {"ListObjectsV2": "s3:ListBucket"}
"""The permission that an operation needs, where it has another name."""
_ELSEWHERE: Final = "or name another place with --state-backups"


def checked_place(text: str) -> str:
    """Where backups are kept: the absolute path of a folder, or s3://bucket/prefix. ValueError: it is neither."""
    if match := _BUCKET.fullmatch(text):
        return f"s3://{match[1]}/{(match[2] or '').strip('/')}".rstrip("/")
    if not text or "://" in text or text.lower().startswith("s3:"):
        raise ValueError(f"{text!r} is neither a folder nor s3://bucket/prefix")
    return f"{Path(text).absolute()}"


def serial_of(state: bytes) -> int:
    """The serial of a state, 0 or more. Failed: this is none."""
    with suppress(ValueError, KeyError, TypeError):
        serial = json.loads(state)["serial"]
        if type(serial) is int and serial >= 0:
            return serial
    raise Failed(
        "terraform state pull did not answer with a state, so nothing is kept of it and nothing applied:"
        " run it by hand to see what it says"
    )


def lineage_of(state: bytes) -> str:
    """Which state it is, however it changes; empty where that cannot be told."""
    try:
        return str(json.loads(state)["lineage"])
    except (ValueError, KeyError, TypeError):
        return ""


def holds_anything(state: bytes) -> bool:
    """Whether there is something to lose. Where there is no state yet, some backends answer with a new, empty one."""
    try:
        told = json.loads(state)
        return bool(told["resources"] or told.get("outputs"))
    except (ValueError, KeyError, TypeError):
        return bool(state.strip())  # it is looked at again before it is kept


@dataclass(frozen=True)
class Backup:
    """One copy of a state."""

    name: str
    taken: datetime
    serial: int
    place: str  # its whole path, or s3://bucket/key


class StateBackups:
    """The backups of one entry. `place`: see `checked_place`; `days`: for how long they are kept.

    Every method raises Failed, with what to do.
    """

    def __init__(self, place: str, environment: str, entry: str, days: int, connection: Connection) -> None:
        bucket = _BUCKET.fullmatch(place)
        inside = f"{environment}/{entry}"
        if bucket:
            self._shelf: _Shelf = _Bucket(connection, bucket[1], f"{bucket[2]}/{inside}" if bucket[2] else inside)
        else:
            self._shelf = _Folder(Path(place) / inside)
        self._days = days

    def keep(self, state: bytes, workspace: str, now: datetime) -> Backup:
        """Keep a state, and remove those of this workspace that are too old; where that fails, a later one does."""
        name = f"{quote(workspace, safe='')}-{now.astimezone(UTC).strftime(_INSTANT)}-{serial_of(state)}.tfstate"
        self._shelf.write(name, state)
        with suppress(Failed):
            self._remove_old(workspace, now)
        return _backup(name, self._shelf)

    def listed(self, workspace: str) -> tuple[Backup, ...]:
        """Those of a workspace, newest first."""
        ours = re.compile(rf"{re.escape(quote(workspace, safe=''))}-[0-9]{{8}}T[0-9]{{6}}Z-[0-9]+\.tfstate")
        found = []
        for name in filter(ours.fullmatch, self._shelf.names()):
            with suppress(ValueError):  # no such date: it is somebody else's
                found.append(_backup(name, self._shelf))
        return tuple(sorted(found, key=lambda backup: (backup.taken, backup.serial), reverse=True))

    def newest(self, workspace: str) -> bytes | None:
        """What is in the newest one; None where there is none."""
        found = self.listed(workspace)
        return self._shelf.read(found[0].name) if found else None

    def _remove_old(self, workspace: str, now: datetime) -> None:
        for old in self.listed(workspace)[NEVER_FEWER:]:
            if old.taken < now - timedelta(days=self._days):
                self._shelf.remove(old.name)


def _backup(name: str, shelf: "_Shelf") -> Backup:
    instant, serial = name.removesuffix(".tfstate").rsplit("-", 2)[1:]
    taken = datetime.strptime(instant, _INSTANT).replace(tzinfo=UTC)
    return Backup(name, taken, int(serial), shelf.place(name))


class _Shelf(Protocol):
    """Where the backups of one entry lie, by their names. Every method raises Failed."""

    def names(self) -> list[str]: ...
    def read(self, name: str) -> bytes: ...
    def write(self, name: str, state: bytes) -> None: ...
    def remove(self, name: str) -> None: ...
    def place(self, name: str) -> str: ...


@dataclass(frozen=True)
class _Folder:
    folder: Path

    def names(self) -> list[str]:
        with self._used("read"):
            return [path.name for path in self.folder.iterdir()] if self.folder.exists() else []

    def read(self, name: str) -> bytes:
        with self._used("read"):
            return (self.folder / name).read_bytes()

    def write(self, name: str, state: bytes) -> None:
        """All of it or nothing, for nobody else to read, and on the disk."""
        with self._used("written"):
            for folder in reversed([self.folder, *self.folder.parents]):
                folder.mkdir(mode=0o700, exist_ok=True)  # the mode of `parents=True` is another one
            new = self.folder / f"{name}.{os.getpid()}"
            new.unlink(missing_ok=True)
            try:
                _write(new, state)
                new.rename(self.folder / name)
            finally:
                new.unlink(missing_ok=True)  # of a full disk: half a state, with secrets in it
            _sync(self.folder)

    def remove(self, name: str) -> None:
        with self._used("written"):
            (self.folder / name).unlink(missing_ok=True)

    def place(self, name: str) -> str:
        return f"{self.folder / name}"

    @contextmanager
    def _used(self, how: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Failed(
                f"the state backups in {self.folder} cannot be {how}: {error.strerror}: mend that, {_ELSEWHERE}"
            ) from None


def _write(path: Path, state: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(state)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """The name of a new file is on the disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True)
class _Bucket:
    connection: Connection
    bucket: str
    prefix: str

    def names(self) -> list[str]:
        def listed() -> list[str]:
            pages = self.connection.reading("s3").get_paginator("list_objects_v2")
            found = [self._of_s3(page, "Name") for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self.prefix}/")]
            return [each["Key"].removeprefix(f"{self.prefix}/") for page in found for each in page.get("Contents", [])]

        return list(self._asked(listed))

    def read(self, name: str) -> bytes:
        def got() -> bytes:
            return self.connection.reading("s3").get_object(Bucket=self.bucket, Key=self._key(name))["Body"].read()

        return bytes(self._asked(got))

    def write(self, name: str, state: bytes) -> None:
        def put() -> Any:
            return self.connection.writing("s3").put_object(Bucket=self.bucket, Key=self._key(name), Body=state)

        self._of_s3(self._asked(put), "ETag")

    def remove(self, name: str) -> None:
        self._asked(lambda: self.connection.writing("s3").delete_object(Bucket=self.bucket, Key=self._key(name)))

    def place(self, name: str) -> str:
        return f"s3://{self.bucket}/{self._key(name)}"

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}"

    def _of_s3(self, answer: Any, field: str) -> Any:
        """The answer, which S3 never gives without this field. A page of a proxy reads as success and as no backups."""
        if field not in answer:
            raise Failed(
                f"the state backups in s3://{self.bucket}/{self.prefix}: an answer not of S3, without {field}:"
                f" look whether a proxy stands before it, {_ELSEWHERE}"
            )
        return answer

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """`ask` makes its client, too: without credentials there is none."""
        self.connection.new_pass()  # what did not answer before is asked again
        try:
            return ask()
        except (ClientError, BotoCoreError) as error:
            raise Failed(f"the state backups in s3://{self.bucket}/{self.prefix}: {_said(error)}") from error


def _said(error: Exception) -> str:
    """One line, with the next thing to do where a person has to do it."""
    if isinstance(error, ClientError) and is_denied(error):
        operation = error.operation_name
        return f"{sentence(error)} ({_PERMISSIONS.get(operation, f's3:{operation}')})"
    if code(error) == "NoSuchBucket":
        return f"{sentence(error)}: make it, {_ELSEWHERE}"
    return sentence(error)
