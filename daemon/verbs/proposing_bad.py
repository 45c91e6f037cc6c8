"""A file that is bad where a verb would change it: which commit broke it, and the commands that lead back."""

import argparse
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Final

from daemon import sources
from daemon.plain import one_line
from daemon.sources import Misused
from desired_state.history import Version, work_tree_versions
from desired_state.in_force import Standing
from desired_state.values import printable

_LOOKED_AT: Final = 50  # commits
_SHORT: Final = 8


def named(chosen: argparse.Namespace) -> Standing:
    """As `sources.named`; of a file that is bad it says how to come back. Misused."""
    file = Path(chosen.environment)
    if not file.is_file():
        return sources.named(chosen)
    standings, problems = sources.from_files([file])
    if standings:
        return standings[0]
    how = way_back(printable(chosen.environment, 200), work_tree_versions(file, _LOOKED_AT))
    raise Misused(f"{one_line(f'{problems[0]}')}. {how}")


def way_back(file: str, versions: Sequence[Version]) -> str:
    """The commands that make a bad file good again. `versions`: what was committed of it, newest first. Pure."""
    bad = list(takewhile(lambda version: version.environment is None, versions))
    if len(bad) == len(versions):
        return "Mend that line first"
    if not bad:
        return f"It was good at its last commit: git restore {file}, or mend that line"
    broke = bad[-1].commit
    who = f"by {one_line(broke.author, 40)}: {one_line(broke.subject, 80)}"
    oid = broke.oid[:_SHORT]
    return f"Commit {oid} broke it ({who}): git revert {oid} && git push, or mend that line and commit it"
