"""The versions of one file: what a person, or trueup, can go back to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from desired_state.model import Environment
from desired_state.parse import Invalid, Problem, parse
from desired_state.repository import Commit, committed_versions

RECENT: Final = 5
"""How many versions before the present one count as recent: what they pinned can be gone back to at any time."""


@dataclass(frozen=True)
class Version:
    """What a file said from one commit on, until the next one that changed it."""

    commit: Commit
    environment: Environment | None
    """None where the file was bad: such a version was never in force."""
    content: bytes = field(default=b"", repr=False)
    """The file itself; empty where it was too large or no ordinary file."""
    problems: tuple[Problem, ...] = ()


def earlier(versions: Iterable[Version], now: Environment) -> Iterator[Version]:
    """The good versions that say something else than the one before them did, newest first, without the present one.

    A commit that changes only comments is no version to go back to.
    """
    said = now
    for version in versions:
        if version.environment is not None and version.environment != said:
            said = version.environment
            yield version


def work_tree_versions(file: Path, most: int, start: str = "HEAD") -> list[Version]:
    """The versions of a file in somebody's work tree that were committed, newest first, from a commit on back."""
    told = islice(committed_versions(file, start=start), most)
    return [_version(commit, content, str(file)) for commit, content in told]


def _version(commit: Commit, content: bytes, file: str) -> Version:
    try:
        return Version(commit, parse(content, file), content)
    except Invalid as error:
        return Version(commit, None, content, error.problems)
