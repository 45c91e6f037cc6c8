"""Where the commands find environments: files that are named, or what is committed in a repository."""

import argparse
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from daemon.settings import cache_of
from daemon.status import GitStatus
from desired_state.history import Version, work_tree_versions
from desired_state.in_force import Source, Standing, contested
from desired_state.model import Database, Environment, Service
from desired_state.parse import Invalid, Problem, parse
from desired_state.repository import Damaged, Repository, repository_of, shown_location
from desired_state.values import printable

_MOST_BYTES: Final = 1024 * 1024 + 1  # one more than a file may have, so that a larger one is seen to be larger


class Misused(Exception):
    """The command cannot do what was asked; the message says what to write."""


def source(chosen: argparse.Namespace) -> tuple[Source, GitStatus]:
    if not chosen.repository or not chosen.path:
        raise Misused("name the repository and the path of the environment file: --repository … --path …")
    cache = cache_of(chosen.cache, chosen.repository)
    repository = Repository(chosen.repository, chosen.branch, cache, timeout=chosen.git_timeout)
    git = GitStatus(repository=shown_location(chosen.repository), branch=chosen.branch, path=chosen.path)
    return Source(repository, chosen.path), git


def named(chosen: argparse.Namespace) -> Standing:
    """The environment that a verb's word ENVIRONMENT means.

    A file of that name; else the environment of that name in the repository, where one is given; else in the YAML
    files of this folder. Misused: there is no such environment, or its file is bad.
    """
    word: str = chosen.environment
    if Path(word).is_file():
        return _of_name(None, *from_files([Path(word)]))
    if word.endswith((".yaml", ".yml")):
        raise Misused(f"there is no file {printable(word, 200)}; name the environment, or its file")
    if chosen.repository:
        found = source(chosen)[0].poll()
        return _of_name(word, found.standings, found.problems)
    return _of_name(word, *from_files(sorted(Path().glob("*.y*ml"))))


def database_of(environment: Environment, name: str) -> Database:
    """The entry under `databases`. Misused: there is none of this name."""
    if name not in environment.databases:
        known = ", ".join(environment.databases) or "none"
        raise Misused(f"environment {environment.environment} has no database {printable(name)}; it has {known}")
    return environment.databases[name]


def service_of(environment: Environment, name: str) -> Service:
    """The entry under `services`. Misused: there is none of this name."""
    if name not in environment.services:
        known = ", ".join(environment.services) or "none"
        raise Misused(f"environment {environment.environment} has no service {printable(name)}; it has {known}")
    return environment.services[name]


def versions_of(chosen: argparse.Namespace, standing: Standing, most: int = 50) -> list[Version]:
    """The versions of an environment's file, newest first: of the repository, or of the work tree that it is in."""
    if not standing.commit:
        return work_tree_versions(Path(standing.file), most)
    return list(source(chosen)[0].versions(standing, most))


def version_at(chosen: argparse.Namespace, standing: Standing, commit: str) -> Version | None:
    """What an environment's file said at a commit, which a person may have cut short. None: no such one is known."""
    if not standing.commit:
        return next(iter(work_tree_versions(Path(standing.file), 1, commit)), None)
    try:
        return next(source(chosen)[0].versions(replace(standing, commit=commit), 1), None)
    except Damaged:
        return None


def _of_name(name: str | None, standings: Sequence[Standing], problems: Sequence[Problem]) -> Standing:
    for standing in standings:
        if name in (None, standing.environment.environment):
            return standing
    known = ", ".join(each.environment.environment for each in standings) or "none"
    wrong = f"; {problems[0]}" if problems else ""
    shown = "in that file" if name is None else f"called {printable(name)} (found: {known})"
    raise Misused(f"there is no environment {shown}{wrong}; name its file, or give --repository and --path")


def from_files(files: Iterable[Path]) -> tuple[list[Standing], tuple[Problem, ...]]:
    """The environments of these files, and what is wrong with the others."""
    standings: list[Standing] = []
    problems: list[Problem] = []
    for file in files:
        try:
            environment = parse(_content(file), str(file))
            standings.append(Standing(str(file), "", environment, repository=repository_of(file)))
        except Invalid as error:
            problems += error.problems
        except _Unreadable as error:
            problems.append(Problem(str(file), 1, "", f"{error}", "name an environment file"))
    return standings, (*problems, *contested(standings))


class _Unreadable(Exception):
    """There is no file to read."""


def _content(file: Path) -> bytes:
    try:
        # Not blocking: opening a named pipe would wait for somebody to write into it.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _Unreadable(f"cannot be read ({getattr(error, 'strerror', error)})") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _Unreadable("is not an ordinary file")
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            return opened.read(_MOST_BYTES)
    except OSError as error:
        raise _Unreadable(f"cannot be read ({error.strerror})") from error
    finally:
        os.close(descriptor)
