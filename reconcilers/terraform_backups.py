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

from reconcilers.aws import Connection, sentence
from reconcilers.terraform_errors import Failed

NEVER_FEWER: Final = 3
"""So many of the newest are kept, however old they are."""
_INSTANT: Final = "%Y%m%dT%H%M%SZ"
_BUCKET: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")


def checked_place(text: str) -> str:
    """Where backups are kept: the absolute path of a folder, or s3://bucket/prefix. ValueError: it is neither."""
    if match := _BUCKET.fullmatch(text):
        return f"s3://{match[1]}/{(match[2] or '').strip('/')}".rstrip("/")
    if "://" in text or not text:
        raise ValueError(f"{text!r} is neither a folder nor s3://bucket/prefix")
    return f"{Path(text).absolute()}"


def serial_of(state: bytes) -> int:
    """The serial of a state. Failed: this is none."""
    try:
        return int(json.loads(state)["serial"])
    except (ValueError, KeyError, TypeError):
        raise Failed("terraform state pull did not answer with a state: nothing is kept of it") from None


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
        ours = re.compile(rf"{re.escape(quote(workspace, safe=''))}-\d{{8}}T\d{{6}}Z-\d+\.tfstate")
        found = [_backup(name, self._shelf) for name in self._shelf.names() if ours.fullmatch(name)]
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
        """All of it or nothing, for nobody else to read."""
        with self._used("written"):
            for folder in reversed([self.folder, *self.folder.parents]):
                folder.mkdir(mode=0o700, exist_ok=True)  # the mode of `parents=True` is another one
            new = self.folder / f"{name}.{os.getpid()}"
            new.unlink(missing_ok=True)
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(state)
                file.flush()
                os.fsync(file.fileno())
            new.rename(self.folder / name)

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
                f"the state backups in {self.folder} cannot be {how}: {error.strerror}:"
                " mend that, or name another place with --state-backups"
            ) from None


@dataclass(frozen=True)
class _Bucket:
    connection: Connection
    bucket: str
    prefix: str

    def names(self) -> list[str]:
        def listed() -> list[str]:
            pages = self.connection.reading("s3").get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=self.bucket, Prefix=f"{self.prefix}/")
            return [each["Key"].removeprefix(f"{self.prefix}/") for page in found for each in page.get("Contents", [])]

        return list(self._asked(listed))

    def read(self, name: str) -> bytes:
        get = self.connection.reading("s3").get_object
        return bytes(self._asked(lambda: get(Bucket=self.bucket, Key=f"{self.prefix}/{name}")["Body"].read()))

    def write(self, name: str, state: bytes) -> None:
        put = self.connection.writing("s3").put_object
        self._asked(lambda: put(Bucket=self.bucket, Key=f"{self.prefix}/{name}", Body=state))

    def remove(self, name: str) -> None:
        delete = self.connection.writing("s3").delete_object
        self._asked(lambda: delete(Bucket=self.bucket, Key=f"{self.prefix}/{name}"))

    def place(self, name: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}/{name}"

    def _asked(self, ask: Callable[[], Any]) -> Any:
        self.connection.new_pass()  # what did not answer before is asked again
        try:
            return ask()
        except (ClientError, BotoCoreError) as error:
            raise Failed(f"the state backups in s3://{self.bucket}/{self.prefix}: {sentence(error)}") from error
