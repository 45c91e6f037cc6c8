"""A bare copy of a repository on this machine, with settings of ours, changed by one process at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from desired_state.git import Failed, git
from desired_state.repository import Unreachable


@dataclass(frozen=True)
class Bare:
    """The copy in `folder`; it need not exist yet."""

    folder: Path

    def prepare(self, *, sha256_ids: bool) -> None:
        """Make it where there is none, with settings of ours alone: git would run programs that settings name.

        Call it while it is locked. Unreachable: it cannot be made.
        """
        kind = "sha256" if sha256_ids else "sha1"
        if not (self.folder / "HEAD").exists():
            self.discard()
            try:
                git("init", "-q", "--bare", "--template=", f"--object-format={kind}", str(self.folder), timeout=20)
            except Failed as error:
                raise Unreachable(f"the cache folder {self.folder.parent} cannot be used: {error}") from None
        version, extension = ("1", "[extensions]\n\tobjectformat = sha256\n") if sha256_ids else ("0", "")
        settings = f"[core]\n\trepositoryformatversion = {version}\n\tbare = true\n{extension}"
        (self.folder / "config").write_text(settings)
        for left in self.folder.rglob("*.lock"):  # of a process that was killed: nobody else holds ours
            left.unlink(missing_ok=True)

    def discard(self) -> None:
        """Give it up, so that the next fetch starts anew."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes it meanwhile. Unreachable: the cache folder cannot be written."""
        try:
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(f"{self.folder}.busy", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unreachable(f"the cache folder {self.folder.parent} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
