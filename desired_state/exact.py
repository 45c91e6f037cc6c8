"""One exact commit of a repository: fetched by its id, verified to be that very commit, and read file by file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from desired_state.bare import Bare
from desired_state.git import Failed, git, named_remote, shown_location
from desired_state.repository import Damaged, Unreachable

_OPTIONS: Final = ("--quiet", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
_DEPTHS: Final = (50, 1000, 2**31 - 1)  # the last one is git's word for all of it
_BRANCHES_AND_TAGS: Final = ("refs/heads/*:refs/trueup/heads/*", "refs/tags/*:refs/trueup/tags/*")
_AT_ONCE: Final = 16 * 1024 * 1024  # bytes of files that are held in memory, unless one alone is larger
_FILES_AT_ONCE: Final = 1000


class NoSuchCommit(Exception):
    """The repository answers and has no such commit; the message says what to write."""


class Unfit(Exception):
    """The commit is there and cannot be used; the message says what must change in it."""


@dataclass(frozen=True)
class Entry:
    """A line of a commit's tree."""

    mode: str
    oid: str
    size: int
    """Bytes; 0 where it is no file."""
    path: str


class Commit:
    """One commit, by its full id, and the bare copy below `cache` that it is fetched into.

    `own`: the repository whose host gets the daemon's credentials. `timeout`: seconds for one git command.
    Refused: the location is none.
    """

    def __init__(self, location: str, oid: str, cache: Path, *, own: str, timeout: float) -> None:
        self._remote = named_remote(location, own)
        self._oid = oid
        self._timeout = timeout
        self._shown = shown_location(location)
        repository = sha256(f"{self._remote.address}\n{len(oid)}".encode()).hexdigest()[:16]
        self._bare = Bare(cache / f"{repository}.git")
        self.name = f"{repository}-{oid}"

    def __str__(self) -> str:
        return f"{self._shown} at {self._oid[:12]}"

    def locked(self) -> AbstractContextManager[None]:
        """Nobody else fetches or reads meanwhile. Unreachable: the cache folder cannot be written."""
        return self._bare.locked()

    def discard(self) -> None:
        """Give the copy up, so that the next fetch starts anew."""
        self._bare.discard()

    def fetch(self) -> None:
        """Have it in the copy. Unreachable: no answer. NoSuchCommit: it is not there. Unfit: git itself refuses it."""
        self._bare.prepare(sha256_ids=len(self._oid) == 64)
        if not self._kind():
            try:
                self._ask(1, f"{self._oid}:refs/trueup/{self._oid}")
            except Unreachable:
                # Some servers give only what a branch or a tag names. One that does not answer says so once more.
                self._search()
        kind = self._kind()
        if not kind:
            raise NoSuchCommit(f"{self._shown} has no commit {self._oid}; write one that a branch or a tag leads to")
        if kind != "commit":
            raise NoSuchCommit(f"{self._shown}: {self._oid} is a {kind}, no commit; write the id that git log shows")

    def listing(self) -> bytes:
        """Every file of it, as `entries` takes them. Damaged: the copy cannot be read."""
        return self._look("ls-tree", "-r", "-z", "-l", "--full-tree", self._oid)

    def contents(self, files: Iterable[Entry]) -> Iterator[tuple[Entry, bytes]]:
        """Each of these files with its bytes. Damaged: the copy cannot be read."""
        some: list[Entry] = []
        for file in files:
            if sum(one.size for one in some) + file.size > _AT_ONCE or len(some) == _FILES_AT_ONCE:
                yield from self._read(some)
                some = []
            some.append(file)
        yield from self._read(some)

    def _search(self) -> None:
        for depth in _DEPTHS:
            self._ask(depth, *_BRANCHES_AND_TAGS)
            if self._kind():
                return

    def _kind(self) -> str:
        """What the id names; empty where the copy has no such thing."""
        try:
            return self._look("cat-file", "-t", self._oid).decode().strip()
        except Damaged:
            return ""

    def _read(self, files: list[Entry]) -> Iterator[tuple[Entry, bytes]]:
        told = "".join(f"{file.oid}\n" for file in files).encode()
        answer = memoryview(self._look("cat-file", "--batch", told=told) if told else b"")
        for file in files:
            start = len(f"{file.oid} blob {file.size}\n")
            body, answer = answer[start : start + file.size], answer[start + file.size + 1 :]
            if len(body) != file.size:
                raise Damaged(f"{file.oid} cannot be read")
            yield file, bytes(body)

    def _ask(self, depth: int, *refspecs: str) -> None:
        """A fetch, which talks to the other side."""
        words = ("fetch", *_OPTIONS, f"--depth={depth}", "--", self._remote.address, *refspecs)
        try:
            git(*words, timeout=self._timeout, folder=self._bare.folder, remote=self._remote)
        except Failed as error:
            if "fsck error" in str(error):
                raise Unfit(f"git refuses what is in it; mend the commit: {error}") from None
            raise Unreachable(f"{self._shown}: {error}") from None

    def _look(self, *words: str, told: bytes = b"") -> bytes:
        """A command on the copy alone."""
        try:
            return git(*words, timeout=self._timeout, folder=self._bare.folder, told=told)
        except Failed as error:
            raise Damaged(str(error)) from None


def entries(listing: bytes) -> list[Entry]:
    """What `listing` returned, line by line."""
    found = []
    for line in listing.decode(errors="surrogateescape").split("\0"):
        if line:
            about, _, path = line.partition("\t")
            mode, _, oid, size = about.split()
            found.append(Entry(mode, oid, int(size) if size.isdigit() else 0, path))
    return found
