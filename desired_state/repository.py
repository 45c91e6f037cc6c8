"""A path of a git repository at a commit, as text. A bare copy is fetched; nothing is ever checked out."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from desired_state.git import Failed, Refused, Remote, git, shown_location

__all__ = [
    "Blob",
    "Commit",
    "Damaged",
    "Refused",
    "Repository",
    "Unreachable",
    "checked_branch",
    "checked_path",
    "committed",
    "committed_versions",
    "repository_of",
    "shown_location",
]

FURTHEST: Final = 50
"""How many commits behind the head a good version of a file is looked for."""
_DEEP: Final = 1000  # commits that are fetched where the last 51 do not hold enough versions of a file
_PLAIN: Final = "100644"
_ENDINGS: Final = (".yaml", ".yml")
_MARK: Final = "\x1e"
_ABOUT: Final = "\x1e%x1f%H%x1f%ct%x1f%an%x1f%s%x1f%(trailers:key=Trueup-Reverts,valueonly,separator=%x20)"
_MAGIC: Final = re.compile(r"[*?\[\]]")
_BRANCH: Final = re.compile(
    r"(?!-)(?!.*(?:\.\.|@\{|//|/\.|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\/.][^\x00-\x20\x7f~^:?*\[\\]*"
)


class Unreachable(Exception):
    """The repository did not answer, or has no such branch. What was in force stays in force."""


class Damaged(Exception):
    """The copy on this machine cannot be read; it can be fetched anew."""


@dataclass(frozen=True)
class Blob:
    """A file at a commit."""

    oid: str
    mode: str
    size: int
    """Bytes; 0 where it is no blob."""

    @property
    def is_plain(self) -> bool:
        """Whether it is an ordinary file: no link, no program, no other repository."""
        return self.mode == _PLAIN


@dataclass(frozen=True)
class Commit:
    """A commit that changed a file."""

    oid: str
    at: datetime
    """When it was committed, by the clock of whoever did."""
    author: str
    subject: str
    reverts: str = ""
    """The commit whose pins trueup took back with it; empty where a person committed."""


class Repository:
    """One branch of a repository, and the bare copy of it below `cache`. `timeout`: seconds for one git command."""

    def __init__(self, location: str, branch: str, cache: Path, *, timeout: float = 20.0) -> None:
        self.location = location  # it may hold credentials
        self.remote = Remote(location)
        self.shown = shown_location(location)
        self.branch = checked_branch(branch)
        self.timeout = timeout
        self.folder = cache.absolute() / f"{sha256(self.remote.address.encode()).hexdigest()[:16]}.git"
        self._ref = f"refs/trueup/{branch}"
        self._prepared = False
        self._depth = FURTHEST + 1
        self._deepened = False

    def head(self) -> str:
        """The commit that the branch is at now: one ls-remote. Unreachable: no answer, or no such branch."""
        found = self.tip(self.branch)
        if not found:
            raise Unreachable(f"{self.shown} has no branch {self.branch}; create it, or name another --branch")
        return found

    def tip(self, branch: str) -> str:
        """The commit that any branch is at now; empty where there is none such. Unreachable: no answer."""
        name = f"refs/heads/{branch}"
        told = self._ask("ls-remote", "--", self.remote.address, name).decode(errors="replace")
        found = next((line.split("\t")[0] for line in told.splitlines() if line.endswith(f"\t{name}")), "")
        return found if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", found) else ""

    def fetch(self) -> str:
        """The commit that the branch is at, now with its last commits in the copy. Unreachable: no answer."""
        return self.fetched(self.branch, self.head())

    def fetched(self, branch: str, head: str) -> str:
        """The same of a branch that was at `head` when it was looked at."""
        incoming = f"refs/trueup/{branch}-incoming"
        refspec = f"+refs/heads/{branch}:{incoming}"
        options = (
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            f"--depth={self._depth}",
        )
        with self.locked():
            self._prepare(sha256_ids=len(head) == 64)
            self._ask("fetch", *options, "--", self.remote.address, refspec, folder=self.folder)
            return self._look("rev-parse", "--verify", f"{incoming}^{{commit}}").decode().strip()

    def deepen(self, commit: str) -> bool:
        """Have more of what came before a commit that was fetched. Returns whether there is more of it now.

        Tried once; a server that does not give it in time must not keep back the commit.
        """
        if self._deepened or self._look("rev-parse", "--is-shallow-repository").strip() != b"true":
            return False
        self._deepened, self._depth = True, _DEEP
        try:
            self.fetched(self.branch, commit)
        except Unreachable:
            self._depth = FURTHEST + 1
            return False
        return True

    def known(self) -> str:
        """The commit that was accepted last, also by an earlier process; empty where there is none."""
        try:
            return self._look("rev-parse", "--verify", "--quiet", f"{self._ref}^{{commit}}").decode().strip()
        except Damaged:
            return ""

    def accept(self, commit: str) -> None:
        """Remember the commit, for a time when the repository does not answer."""
        with self.locked():
            self._look("update-ref", self._ref, commit)

    def discard(self) -> None:
        """Give the copy up, so that the next fetch starts anew."""
        with self.locked():
            shutil.rmtree(self.folder, ignore_errors=True)
            self._prepared = False

    def history(self, commit: str) -> list[str]:
        """The commit and up to 50 before it, newest first, along first parents: what the branch was, one by one."""
        return self._look("rev-list", "--first-parent", f"--max-count={FURTHEST + 1}", commit).decode().split()

    def versions(self, commit: str, file: str) -> Iterator[Blob]:
        """What a file was at a commit and before it, newest first, along first parents: only where it changed."""
        return (blob for _, blob in self.commits(commit, file))

    def commits(self, commit: str, file: str) -> Iterator[tuple[Commit, Blob]]:
        """The same, with the commit that brought each."""
        options = ("--first-parent", "-m", "--no-renames", f"--format={_ABOUT}", "--raw", "--no-abbrev")
        told = self._look("log", *options, f"--max-count={FURTHEST}", commit, "--", file)
        for about, blob in _changes(told.decode(errors="replace")):
            size = int(self._look("cat-file", "-s", blob.oid)) if blob.is_plain else 0
            yield about, replace(blob, size=size)

    def descends(self, commit: str, ancestor: str) -> bool:
        """Whether the branch came to `commit` from `ancestor`; also true where the copy does not reach far enough."""
        line = set(self._look("rev-list", commit).split())
        if ancestor.encode() in line:
            return True
        cut = self._look("rev-parse", "--is-shallow-repository").strip() == b"true"
        return cut and line.isdisjoint(self._look("rev-list", ancestor).split())

    def files(self, commit: str, path: str) -> Mapping[str, Blob]:
        """The files that a path means at a commit: the file itself, the YAML files of a folder, or what a glob matches.

        `path` is one that `checked_path` returned. Empty where there is nothing there.
        """
        if magic := _MAGIC.search(path):
            fixed, pattern = path[: magic.start()].rpartition("/")[0], _pattern(path)
            return {name: blob for name, blob in self._tree(commit, fixed, deep=True) if pattern.fullmatch(name)}
        found = dict(self._tree(commit, "", only=path)) if path else {}
        if path and (path not in found or found[path].mode != "040000"):
            return found
        return {name: blob for name, blob in self._tree(commit, path) if name.endswith(_ENDINGS)}

    def read(self, blob: Blob) -> bytes:
        """The bytes of a file."""
        return self._look("cat-file", "blob", blob.oid)

    def _tree(self, commit: str, folder: str, *, only: str = "", deep: bool = False) -> Iterator[tuple[str, Blob]]:
        below = [only] if only else [f"{folder}/"] if folder else []
        options = ["-r"] if deep else []
        told = self._look("ls-tree", *options, "-l", "-z", "--full-tree", commit, "--", *below)
        for line in told.decode(errors="surrogateescape").split("\0"):
            if line:
                about, _, name = line.partition("\t")
                mode, _, oid, size = about.split()
                yield name, Blob(oid, mode, int(size) if size.isdigit() else 0)

    def _ask(self, *words: str, folder: Path | None = None) -> bytes:
        """A command that talks to the other side."""
        try:
            return git(*words, timeout=self.timeout, folder=folder, remote=self.remote)
        except Failed as error:
            raise Unreachable(f"{self.shown}: {error}") from None

    def _look(self, *words: str) -> bytes:
        """A command on the copy alone."""
        try:
            return git(*words, timeout=self.timeout, folder=self.folder)
        except Failed as error:
            raise Damaged(str(error)) from None

    def _prepare(self, *, sha256_ids: bool) -> None:
        """A bare copy with settings of ours and no others: git would run programs that its settings name."""
        if self._prepared and self.folder.exists():
            return
        kind = "sha256" if sha256_ids else "sha1"
        if not (self.folder / "HEAD").exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            git("init", "--quiet", "--bare", "--template=", f"--object-format={kind}", str(self.folder), timeout=20)
        version, extension = ("1", "[extensions]\n\tobjectformat = sha256\n") if sha256_ids else ("0", "")
        settings = f"[core]\n\trepositoryformatversion = {version}\n\tbare = true\n{extension}"
        (self.folder / "config").write_text(settings)
        for left in self.folder.rglob("*.lock"):  # of a process that was killed: nobody else holds ours
            left.unlink(missing_ok=True)
        self._prepared = True

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time changes the copy: `plan` may run beside the daemon."""
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(f"{self.folder}.busy", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unreachable(f"the cache folder {self.folder.parent} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        except Failed as error:
            raise Unreachable(f"{self.shown}: {error}") from None
        finally:
            os.close(lock)


def _changes(log: str) -> Iterator[tuple[Commit, Blob]]:
    """What `git log --raw` told of one file: a commit and what the file became, where it was not deleted."""
    about = None
    for line in log.split("\n"):
        if line.startswith(_MARK):
            about = _commit(line)
        elif line.startswith(":") and about is not None:
            _, mode, _, oid = line.split(maxsplit=4)[:4]
            if set(oid) != {"0"}:
                yield about, Blob(oid, mode, 0)


def _commit(line: str) -> Commit:
    """What stands in one line of `_ABOUT`. Names and subjects are somebody else's text."""
    _, oid, at, author, subject, trailers = (*line.split("\x1f"), "", "", "", "", "")[:6]
    return Commit(oid, datetime.fromtimestamp(int(at or 0), UTC), author, subject, trailers.strip())


def committed(file: Path, *, timeout: float = 5.0) -> Iterator[bytes]:
    """What a file of somebody's work tree was at its last commits, newest first. Nothing where git knows none."""
    return (content for _, content in committed_versions(file, timeout=timeout))


def committed_versions(file: Path, *, start: str = "HEAD", timeout: float = 5.0) -> Iterator[tuple[Commit, bytes]]:
    """The same, with the commit that brought each. `start`: the commit to look back from, as a person wrote it."""
    at = ("-C", str(file.absolute().parent))
    options = ("--first-parent", "-m", "--no-renames", f"--format={_ABOUT}", "--raw", "--no-abbrev")
    try:
        told = git(*at, "log", *options, f"--max-count={FURTHEST}", start, "--", file.name, timeout=timeout)
        for commit, blob in _changes(told.decode(errors="replace")):
            yield commit, git(*at, "cat-file", "blob", blob.oid, timeout=timeout)
    except Failed:
        return


def repository_of(file: Path, *, timeout: float = 5.0) -> str:
    """The repository that a file of somebody's work tree belongs to; empty where git knows none."""
    try:
        told = git("-C", str(file.absolute().parent), "rev-parse", "--show-toplevel", timeout=timeout)
    except Failed:
        return ""
    return told.decode(errors="surrogateescape").removesuffix("\n")


def checked_branch(name: str) -> str:
    """The name of a branch. Refused: git allows none such."""
    if not _BRANCH.fullmatch(name) or name.endswith(("/", ".")):
        raise Refused("the branch is not one that git allows; write its name without refs/heads/")
    return name


def checked_path(path: str) -> str:
    """The path of a file, a folder or a glob as git spells it; empty for the top folder. Refused: none can be meant."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or re.search(r"[\x00-\x1f\x7f\\]", path):
        raise Refused("the path leads out of the repository; write one that starts at its top folder")
    _pattern("/".join(parts))
    return "/".join(parts)


def _pattern(path: str) -> re.Pattern[str]:
    """A glob as a regular expression: `*` and `?` stay within one folder, `**/` is any folders, also none."""
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]/]+\])", path)
    meanings = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    whole = ""
    for piece in pieces:
        if piece in meanings:
            whole += meanings[piece]
        elif piece.startswith("[") and piece.endswith("]") and len(piece) > 2:
            inside = piece[1:-1]
            negated, inside = ("^", inside[1:]) if inside[0] == "!" else ("", inside)
            whole += f"[{negated}{re.escape(inside).replace(chr(92) + '-', '-')}]"
        else:
            whole += re.escape(piece)
    try:
        return re.compile(whole)
    except re.error:
        raise Refused("the path is a glob that cannot be read; write one with *, ** and ?") from None
