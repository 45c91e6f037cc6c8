"""The private folder of one infrastructure entry: what terraform works in, and what it leaves there."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from reconcilers.terraform_errors import IMPORTS, Broken, Busy, StateErrored

_ERRORED = "errored.tfstate"


@dataclass(frozen=True)
class Stack:
    """One configuration at one commit, and how it is run."""

    root: Path  # the files of the commit, which are never written to
    directory: str  # of the configuration, inside root
    workspace: str | None  # None: the default one
    variables_file: str | None  # inside directory
    targets: tuple[str, ...]  # addresses; empty for everything
    home: Path  # of this entry alone, whatever the commit
    imports: Mapping[str, str] = field(default_factory=dict)  # ids by address, taken into the state by the apply
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)  # laid over the daemon's, such as credentials


class Home:
    """The private folder of a stack.

    The configuration lies in it as a copy, at the same path for every commit: terraform writes beside it (its lock
    file, archives, a state that it could not save), and paths that end up in resources must not change with the pin.
    """

    def __init__(self, stack: Stack) -> None:
        self.folder = stack.home.absolute()
        self.data = self.folder / "data"
        self.plan = self.folder / "plan.tfplan"
        self.temporary = self.folder / "tmp"
        self.empty = self.folder / "empty.tfrc"
        self._work = self.folder / "work"
        self._laid = self.folder / "work-of"  # written last: what the copy is of
        self._root = stack.root
        self._directory = stack.directory
        self._imports = _import_blocks(stack.imports)
        self.work = self._work / stack.directory

    @contextmanager
    def held(self) -> Iterator[int]:
        """This entry is ours meanwhile. Returns the lock, which terraform inherits and holds as long as it runs.

        Busy: another process has it. StateErrored: terraform left a state behind, meanwhile.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        lock = os.open(self.folder / "busy", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _locked(lock, self.folder)
            self._rescue()  # what was left while nobody looked: `check_errored` tells of it
            try:
                yield lock
            finally:
                if left := self._rescue():
                    raise StateErrored(left) from None
        finally:
            os.close(lock)

    def lay(self, *, afresh: bool) -> None:
        """Have the configuration in place. Broken: there is no such directory in this commit."""
        if not (self._root / self._directory).is_dir():
            raise Broken(f"there is no folder {self._directory} in this commit: correct the directory")
        if not afresh and self.is_laid:
            return
        self._laid.unlink(missing_ok=True)
        for folder in (self._work, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._root, self._work, symlinks=True)
        self._lay_imports()
        for folder in (self.data, self.temporary):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.empty.write_bytes(b"")
        self._laid.write_text(self._whose)

    @property
    def is_laid(self) -> bool:
        """Whether the configuration in place is the one of this commit, with these imports."""
        return self._laid.exists() and self._laid.read_text() == self._whose

    @property
    def _whose(self) -> str:
        return f"{self._root}\n{self._imports}"

    def _lay_imports(self) -> None:
        """Terraform takes what exists already into its state by blocks of the configuration, as part of an apply."""
        if not self._imports:
            return
        file = self.work / IMPORTS
        if file.exists():
            raise Broken(f"the commit has a file {IMPORTS}, where trueup writes the imports: rename it")
        file.write_text(self._imports)

    def check_errored(self) -> None:
        """StateErrored: a state that could not be saved waits for a person."""
        if kept := sorted(self.folder.glob(f"*{_ERRORED}")):
            raise StateErrored(kept[0])

    def _rescue(self) -> Path | None:
        """Keep a state that terraform could not save, out of the copy, which will be replaced."""
        for left in self._work.rglob(_ERRORED):
            if not (self._root / left.relative_to(self._work)).exists():  # no file of the commit
                number = 1 + len(list(self.folder.glob(f"*{_ERRORED}")))
                left.chmod(0o600)
                return left.rename(self.folder / (f"{number}-{_ERRORED}" if number > 1 else _ERRORED))
        return None


def _import_blocks(imports: Mapping[str, str]) -> str:
    blocks = (f"import {{\n  to = {address}\n  id = {_quoted(text)}\n}}\n" for address, text in imports.items())
    return "".join(blocks)


def _quoted(text: str) -> str:
    """A string as a configuration writes it: nothing in it is evaluated."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")


def _locked(lock: int, folder: Path) -> None:
    """Take the lock. What was just killed gives it back a moment later."""
    for _ in range(20):
        with suppress(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(0.05)
    raise Busy(f"another terraform of this entry still runs on this machine, in {folder}: wait for it")
