"""The files of one commit in a private folder: no checkout, no hook, no filter, no attribute, no link."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from desired_state.exact import Commit, Entry, NoSuchCommit, Unfit, entries
from desired_state.git import Refused
from desired_state.repository import Damaged, Unreachable

__all__ = ["NoSuchCommit", "Refused", "Trees", "Unfit", "Unreachable"]

MOST_FILES: Final = 20_000
MOST_BYTES: Final = 200 * 1024 * 1024
KEPT: Final = 20
"""How many trees are kept: those used last."""
_TREE: Final = re.compile("[0-9a-f]{16}-[0-9a-f]{40}")
_MODES: Final = {"100644": 0o644, "100755": 0o755}
_LEFT_OUT: Final = {"120000": "a symbolic link", "160000": "a submodule"}
# Without one of these a configuration says something else; anything else that is missing is an error when it is run.
_CODE: Final = re.compile(r".*\.(?:tf|tofu|tfvars|hcl)(?:\.json)?", re.DOTALL)


class Trees:
    """Commits of any repositories, laid out as files below `cache`.

    `own`: the daemon's own repository; its credentials go to its host alone. `timeout`: seconds for one git command.
    """

    def __init__(self, cache: Path, *, own: str = "", timeout: float) -> None:
        self._cache = cache.absolute() / "trees"
        self._own = own
        self._timeout = timeout

    def at(self, location: str, commit: str, directory: str = "") -> Path:
        """The files of one commit: a folder that is laid out once, and returned again later. Do not write into it.

        Links and submodules are left out; Unfit where that would matter: in `directory`, or as terraform's own files.
        Refused: the location or the id is none. Unreachable: no answer. NoSuchCommit: the repository has none such.
        """
        if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", commit):
            raise Refused("the commit is not a full id; write all of its 40 letters and digits")
        source = Commit(location, commit, self._cache, own=self._own, timeout=self._timeout)
        tree = self._cache / source.name
        try:
            with source.locked():
                found = _laid(tree) or _fetched(source, tree)
                os.utime(tree)
            self._forget()
            _check_directory(found, directory.strip("/"))
        except Unfit as error:
            raise Unfit(f"{source}: {error}") from None
        except OSError as error:
            raise Unreachable(f"the cache folder {self._cache} cannot be written: {error.strerror}") from None
        return tree / "files"

    def _forget(self) -> None:
        """Remove the trees that were used longest ago, and what a killed process left half made or half removed."""
        kept = sorted((path for path in self._cache.iterdir() if _is_tree(path)), key=_used)
        for path in kept[:-KEPT]:
            gone = path.with_suffix(".gone")  # renamed first: a tree that is half removed must not look whole
            with suppress(OSError):
                path.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)


def _is_tree(path: Path) -> bool:
    return _TREE.match(path.name) is not None


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process removes it
        return 0.0


def _laid(tree: Path) -> list[Entry]:
    """What is in a tree that was laid out; empty where it is not there, or not whole."""
    try:
        found = entries((tree / "listing").read_bytes())
        whole = all((tree / "files" / file.path).lstat().st_size == file.size for file in _files(found))
    except OSError:
        return []
    return found if whole else []  # after a power cut files may be there without what was in them


def _fetched(source: Commit, tree: Path) -> list[Entry]:
    try:
        return _lay(source, tree)
    except Damaged:
        source.discard()
    try:
        return _lay(source, tree)
    except Damaged as error:
        raise Unreachable(f"what was fetched of {source} cannot be read: {error}") from None


def _lay(source: Commit, tree: Path) -> list[Entry]:
    source.fetch()
    listing = source.listing()
    found = entries(listing)
    _check(found)
    new = tree.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    (new / "files").mkdir(parents=True)
    for file, content in source.contents(_files(found)):
        _write(new / "files" / file.path, content, _MODES[file.mode])
    (new / "listing").write_bytes(listing)
    shutil.rmtree(tree, ignore_errors=True)
    new.rename(tree)
    return found


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(file, "wb") as opened:
        os.fchmod(file, mode)
        opened.write(content)


def _files(found: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in found if entry.mode in _MODES]


def _check(found: list[Entry]) -> None:
    """Refuse what must never be written to a disk, and more than is sensible."""
    files = _files(found)
    if len(files) > MOST_FILES:
        raise Unfit(f"it has {len(files)} files, more than {MOST_FILES}; keep terraform in a smaller repository")
    if (size := sum(file.size for file in files)) > MOST_BYTES:
        raise Unfit(f"its files are {size >> 20} MiB, more than {MOST_BYTES >> 20}; take the large ones out of git")
    for entry in found:
        if any(part.lower() in ("", ".", "..", ".git") for part in entry.path.split("/")):
            raise Unfit(f"{_shown(entry.path)} is a path that leads elsewhere; take it out of the commit")
        if entry.mode not in _MODES and entry.mode not in _LEFT_OUT:
            raise Unfit(f"{_shown(entry.path)} has the mode {entry.mode}, which is none; commit it again")
        if entry.mode in _LEFT_OUT and _CODE.fullmatch(entry.path):
            raise Unfit(_left_out(entry))


def _check_directory(found: list[Entry], directory: str) -> None:
    below = f"{directory}/" if directory else ""
    for entry in found:
        if entry.mode in _LEFT_OUT and (entry.path.startswith(below) or below.startswith(f"{entry.path}/")):
            raise Unfit(_left_out(entry))
    if not any(entry.path.startswith(below) for entry in found):
        raise Unfit(f"there is no folder {_shown(directory)}; correct the directory, or pin a commit that has it")


def _left_out(entry: Entry) -> str:
    return f"{_shown(entry.path)} is {_LEFT_OUT[entry.mode]}, which is never followed; commit the files themselves"


def _shown(path: str) -> str:
    """A path that somebody else chose, for people: nothing in it may move a cursor."""
    return re.sub(r"[^\x20-\x7e]", "?", path)[:200]
