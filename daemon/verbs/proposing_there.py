"""A change of a file at the head of the branch that is followed: committed in the bare copy, and pushed."""

import argparse
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from daemon.plain import one_line
from daemon.settings import cache_of
from daemon.sources import Misused, source
from daemon.verbs.proposing_place import Made
from desired_state import proposal, work_tree
from desired_state.history import RECENT, Version, earlier
from desired_state.in_force import InForce, Standing, contested
from desired_state.model import Environment
from desired_state.parse import LARGEST, Problem
from desired_state.proposal import Author, Moved, NotAllowed
from desired_state.repository import Damaged, Repository, Unreachable
from desired_state.values import printable

_LOOKED_AT = 10
"""Versions of the file that are looked through for what counts as recent."""


@dataclass(frozen=True)
class There:
    """A file at a head."""

    repository: Repository
    found: InForce
    standing: Standing
    versions: tuple[Version, ...]
    content: bytes
    notes: tuple[str, ...]
    left: str = ""

    @property
    def file(self) -> str:
        """Its path, and the branch."""
        return f"{self.path} of {self.branch}"

    @property
    def path(self) -> str:
        """Inside the repository."""
        return printable(self.standing.file, 200)

    @property
    def branch(self) -> str:
        """The branch that is followed."""
        return self.repository.branch

    @property
    def counting(self) -> bytes:
        """The newest good version."""
        return self.versions[0].content

    @property
    def is_alone(self) -> bool:
        """Nothing is left to push: a commit is made only with its push."""
        return False

    def push_again(self) -> Made:
        """There is nothing to push."""
        return Made(self.found.head, self.branch, self.file, pushed=True, is_new=False)

    def doing(self, branch: str) -> str:
        """The question."""
        if branch:
            return f"Commit on a new branch {branch} of {self.repository.shown}"
        return f"Commit to {self.branch} of {self.repository.shown}"

    def supposing(self, environment: Environment) -> tuple[Standing, tuple[Problem, ...]]:
        """With what its last versions said, and what it would claim of another file."""
        recent = tuple(islice(earlier(self.versions, environment), RECENT))
        supposed = replace(self.standing, environment=environment, recent=recent)
        others = (each for each in self.found.standings if each.file != self.standing.file)
        return supposed, tuple(each for each in contested([*others, supposed]) if each.file == self.standing.file)

    def commit(self, content: bytes, message: str, branch: str) -> Made:
        """As the person whose git this is."""
        target = branch or self.branch
        author, committer = _who()
        words = (self.found.head, self.standing.file, content, message, author, target)
        try:
            made = proposal.push(self.repository, *words, committer)
        except (Moved, NotAllowed, Unreachable, Damaged) as error:
            raise Misused(self._why(error, branch)) from error
        return Made(made, target, f"{target} of {self.repository.shown}", pushed=True, is_new=bool(branch))

    def _why(self, error: Exception, branch: str) -> str:
        """Why nothing was pushed, and what to do."""
        said = one_line(f"{error}")
        if isinstance(error, Moved) and branch:
            return f"there is a branch {branch} already, with something else; name another one"
        if isinstance(error, Moved):
            return f"{self.branch} has moved meanwhile, and nothing was pushed; run the same command again"
        if isinstance(error, NotAllowed):
            instead = "" if branch else ". To propose it for a pull request: --new-branch NAME"
            return f"{self.repository.shown} did not take the commit: {said}{instead}"
        if isinstance(error, Unreachable):
            return f"{said}; whether the commit arrived is not known: run the same command again, which looks first"
        return f"the copy of the repository cannot be read: {said}; empty the folder {self.repository.folder.parent}"


def place(chosen: argparse.Namespace, standing: Standing) -> There:
    """The file at the head now. Misused: the branch has moved since the environment was looked up."""
    if chosen.no_push:
        raise Misused("--no-push commits in a folder of yours only; name the file in it, without --repository")
    if not chosen.dry_run:
        _who()
    followed, _ = source(chosen)
    found = followed.poll()
    now = next((each for each in found.standings if each.file == standing.file), None)
    if now is None or now.environment != standing.environment:
        raise Misused(f"{chosen.branch} has moved meanwhile, and nothing was done; run the same command again")
    cache = cache_of(chosen.cache, chosen.repository)
    repository = Repository(chosen.repository, chosen.branch, cache, timeout=chosen.git_timeout)
    versions = tuple(islice(followed.versions(now, _LOOKED_AT), _LOOKED_AT))
    notes = tuple(f"replaced, since it is wrong: {one_line(f'{each}')}" for each in found.problems if _of(each, now))
    return There(repository, found, now, versions, _content(repository, found.head, now.file), notes)


def _of(problem: Problem, standing: Standing) -> bool:
    return problem.file == standing.file


def _content(repository: Repository, head: str, file: str) -> bytes:
    """What the file says at the head; nothing where it is none that can be read."""
    blob = repository.files(head, file).get(file)
    return repository.read(blob) if blob is not None and blob.is_plain and blob.size <= LARGEST else b""


def _who() -> tuple[Author, Author]:
    """Who writes the change, and who commits it: mostly the same."""
    name, email = work_tree.identity(Path.cwd())
    if not name.strip() or not email.strip():
        how = 'git config --global user.name "Ann Example"; git config --global user.email ann@example.com'
        raise Misused(f"git does not know who commits; tell it: {how}")
    commits = work_tree.identity(Path.cwd(), "committer")
    return Author(name, email), Author(commits[0].strip() or name, commits[1].strip() or email)
