"""A git repository on this machine, written as a person would, for the tests of what reads it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

HEAD = "version: 1\nenvironment: {name}\naws: {{region: us-east-1}}\n"


def environment(name: str = "production", *lines: str) -> str:
    """A small good file."""
    return HEAD.format(name=name) + "".join(f"{line}\n" for line in lines)


def service(entry: str, of: str = "service") -> tuple[str, ...]:
    """The lines of a section with one service."""
    return ("services:", f"  {entry}: {{cluster: cluster, service: {of}}}")


@dataclass(frozen=True)
class Work:
    """A work tree with a branch main."""

    folder: Path

    @classmethod
    def at(cls, folder: Path, *options: str) -> Work:
        """A new one."""
        folder.mkdir(parents=True)
        work = cls(folder)
        work.git("init", "--quiet", "--initial-branch=main", *options)
        return work

    def git(self, *words: str) -> str:
        """Run git in the work tree."""
        who = {
            f"GIT_{role}_{part}": "ann@example.test" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
        }
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1", **who}
        done = subprocess.run(["git", *words], cwd=self.folder, env=environ, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, files: dict[str, str | bytes | None], message: str = "Change") -> str:
        """Write (or, with None, delete) these files and commit."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_bytes(text.encode() if isinstance(text, str) else text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")
