"""Dump files: of which kind they are, and their digest."""

import gzip
import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Final

from rich.filesize import decimal

from daemon.verbs.dump_sql import CUT, Unfit, sql_of
from daemon.verbs.pg_client import CHUNK, archive
from reconcilers.objects import Object

_HEAD: Final = 4096  # bytes that tell what a file is
_TAR_END: Final = 1024  # zero bytes

At = Callable[[int], None]  # hears how many bytes have been read


class Kind(StrEnum):
    """What pg_dump can make, as people call it."""

    CUSTOM = "custom format"
    TAR = "tar"
    PLAIN = "plain SQL"
    GZIP = "compressed SQL"


@dataclass(frozen=True)
class Dump:
    """An open dump. Everything reads this one open file, so that a file of the same name put there later is not meant.

    pg_restore gets it as its standard input and so moves the same position: `position` tells how far it is.
    """

    file: IO[bytes]
    size: int  # bytes
    kind: Kind
    digest: str  # SHA-256 of its bytes
    stamp: tuple[int, ...]  # what changes when somebody writes into the file

    @property
    def position(self) -> int:
        """How many of its bytes have been read."""
        return os.lseek(self.file.fileno(), 0, os.SEEK_CUR)

    @contextmanager
    def sql(self) -> Iterator[Iterator[bytes]]:
        """Its SQL, from the beginning. Unfit or Failed, from the iterator: it is damaged, cut off, or has changed."""
        self.file.seek(0)
        if self.kind is Kind.PLAIN:
            yield self._checked(sql_of(_chunks(self.file)))
        elif self.kind is Kind.GZIP:
            yield self._checked(sql_of(_unpacked(self.file)))
        else:
            with archive(self.file) as chunks:
                yield self._checked(sql_of(chunks))

    def _checked(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield from chunks
        if _stamp(self.file) != self.stamp:
            raise Unfit("the file was written to while it was loaded: load it again once that is over")


@contextmanager
def opened(path: Path, at: At) -> Iterator[Dump]:
    """The dump in a file, read once from end to end for its digest. Unfit: it is none. OSError: it cannot be read."""
    if path.is_dir():
        raise Unfit("it is a folder: make the dump with pg_dump --format=custom")
    # Not blocking: opening a named pipe would wait for somebody to write into it.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Unfit("it is not an ordinary file: make the dump with pg_dump --format=custom")
        stamp, kind = _stamp(file), _kind(file)
        file.seek(0)
        size, digest = _digested(_chunks(file), at)
        yield Dump(file, size, kind, digest, stamp)


@contextmanager
def downloaded(source: Object, at: At) -> Iterator[Dump]:
    """The same of an object, in a file that has no name and is gone with this process, however that ends."""
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < source.size:
        raise Unfit(f"{folder} has no room for its {decimal(source.size)}: set TMPDIR to a folder that has")
    with tempfile.TemporaryFile(buffering=0) as file:
        with open(file.fileno(), "wb", closefd=False) as sink:
            size, digest = _digested(source.content, at, sink.write)
        yield Dump(file, size, _kind(file), digest, _stamp(file))


def _digested(chunks: Iterator[bytes], at: At, keep: Callable[[bytes], object] = len) -> tuple[int, str]:
    digest, done = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        keep(chunk)
        at(done := done + len(chunk))
    return done, digest.hexdigest()


def _kind(file: IO[bytes]) -> Kind:
    file.seek(0)
    head = file.read(_HEAD)
    if head.startswith(b"\x1f\x8b"):
        file.seek(0)
        if _kind_of(next(_unpacked(file), b"")) is not Kind.PLAIN:
            raise Unfit("it is a compressed archive: unpack it with gunzip first")
        return Kind.GZIP
    if _kind_of(head) is Kind.TAR and not _is_whole_tar(file):
        raise Unfit(CUT)
    return _kind_of(head)


def _kind_of(head: bytes) -> Kind:
    if not head:
        raise Unfit("it is empty: make the dump again")
    if head.startswith(b"PGDMP"):
        return Kind.CUSTOM
    if head[257:262] == b"ustar":
        return Kind.TAR
    if b"\0" in head or head.startswith((b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")):
        raise Unfit("it is neither an archive of pg_dump nor SQL in UTF-8, with or without gzip: unpack or convert it")
    return Kind.PLAIN


def _is_whole_tar(file: IO[bytes]) -> bool:
    """Asked here, because pg_restore takes the end of a tar file that is cut off for the end of its data."""
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            archive.getmembers()
    except tarfile.TarError:
        return False
    file.seek(-_TAR_END, os.SEEK_END)
    return not any(file.read())


def _unpacked(file: IO[bytes]) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
            while chunk := unpacked.read(CHUNK):
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise Unfit("its gzip data are damaged or cut off: copy it again, or make it again") from None


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _stamp(file: IO[bytes]) -> tuple[int, ...]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
