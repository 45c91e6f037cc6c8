"""A change of a file in a person's own work tree: committed and pushed by their git, as they would."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from daemon.plain import one_line
from daemon.sources import Misused
from daemon.verbs.proposing_place import Made
from desired_state import work_tree
from desired_state.git import Failed
from desired_state.in_force import Standing, with_former
from desired_state.model import Environment
from desired_state.parse import Problem
from desired_state.values import printable
from desired_state.work_tree import WorkTree

_PATIENCE: Final = 60.0
"""Seconds for the first answer of the repository: a person may have to type the passphrase of a key."""


@dataclass(frozen=True)
class Here:
    """A file in a work tree, with nothing in the way of a commit."""

    standing: Standing
    tree: WorkTree
    content: bytes
    push: bool
    unpushed: tuple[str, ...]
    notes: tuple[str, ...]
    followed: str
    """The branch that a daemon follows, as far as is known here."""
    again: str
    """The new branch that an earlier run made and could not push; empty where there is none."""

    @property
    def file(self) -> str:
        """As the person named it."""
        return self.path

    @property
    def path(self) -> str:
        """The same."""
        return printable(self.standing.file, 200)

    @property
    def branch(self) -> str:
        """The branch that is checked out."""
        return self.tree.branch

    @property
    def counting(self) -> bytes:
        """The file itself: were it bad, no verb would have found its environment."""
        return self.content

    @property
    def left(self) -> str:
        """Commits of before that were not pushed."""
        if self.again:
            return f"{self.again} is in this folder only"
        if not self.unpushed:
            return ""
        return f"{_counted(len(self.unpushed))} in this folder and not in {self.tree.upstream} yet; git push"

    @property
    def is_alone(self) -> bool:
        """Whether the commits of before change this file only."""
        return self.push and (bool(self.again) or work_tree.touches_only(self.tree))

    def push_again(self) -> Made:
        """With the person's own git."""
        return self._pushed(work_tree.head(self.tree), self.again)

    def doing(self, branch: str) -> str:
        """The question."""
        remote = work_tree.remote_of(self.tree)
        if branch:
            there = f" and push it to {remote}" if self.push and remote else ""
            return f"Commit on a new branch {branch}{there}"
        if not self.push:
            return f"Commit to {self.tree.branch} in this folder, without a push"
        if self.tree.remote:
            return f"Commit and push to {self.tree.upstream}"
        return f"Commit to {self.tree.branch}, which is pushed nowhere"

    def supposing(self, environment: Environment) -> tuple[Standing, tuple[Problem, ...]]:
        """With what its committed versions named."""
        (supposed,) = with_former([Standing(self.standing.file, "", environment, repository=self.standing.repository)])
        return supposed, ()

    def commit(self, content: bytes, message: str, branch: str) -> Made:
        """With the person's own git."""
        try:
            made = work_tree.commit(self.tree, content, message, branch)
        except Failed as error:
            raise Misused(
                f"nothing was committed, and {self.file} is as it was: {one_line(f'{error}')}; see what git says above"
            ) from error
        return self._pushed(made, branch)

    def _pushed(self, commit: str, branch: str) -> Made:
        on, back = branch or self.tree.branch, self.tree.branch if branch and not self.again else ""
        remote = work_tree.remote_of(self.tree) if branch else self.tree.remote
        aside = "" if branch else _aside(self.tree, self.followed)
        only_here = Made(commit, on, on, pushed=False, is_new=bool(branch), back=back, aside=aside)
        if not self.push or not remote:
            return only_here
        try:
            work_tree.push(self.tree, branch)
        except Failed:
            return replace(only_here, trouble=self._how_on(branch, remote))
        target = branch or self.tree.followed
        return replace(only_here, branch=target, shown=f"{remote}/{target}", pushed=True)

    def _how_on(self, branch: str, remote: str) -> str:
        start = f"{remote} did not take it, as git says above. It is in this folder, on {branch or self.branch}. "
        if branch:
            return f"{start}To try again: git push -u {remote} {branch}"
        return (
            f"{start}Where the branch has moved: git pull --rebase && git push. Where it is protected: "
            f"git push {remote} HEAD:refs/heads/NAME, and a pull request. To take it back: git reset --keep HEAD~1"
        )


def place(chosen: argparse.Namespace, standing: Standing) -> Here:
    """The file of a person, looked at. Misused: something is in the way of a commit."""
    file = Path(standing.file)
    named = printable(standing.file, 200)
    try:
        tree = work_tree.work_tree(file)
        hindered = work_tree.hindrance(tree)
    except Failed:
        raise Misused(
            f"{named} is in no git repository, so nothing can be committed; edit it by hand, or git init"
        ) from None
    if hindered:
        raise Misused(f"{named} cannot be committed: {hindered}")
    aside = "" if chosen.new_branch else _aside(tree, chosen.branch)
    if aside and chosen.yes and not chosen.dry_run:
        raise Misused(
            f"nothing was done, since this folder is on {tree.branch}, which production does not follow. {aside}; or "
            "--new-branch NAME for a pull request, or --branch NAME where the daemon follows another branch"
        )
    notes = [] if chosen.no_push or chosen.dry_run else _refreshed(tree)
    notes += [f"this folder is on {tree.branch}. {aside}"] if aside else []
    if behind := work_tree.behind(tree):
        told = f"{_counted(behind)} in {tree.upstream} and not in this folder yet; git pull --rebase, then again"
        if not chosen.no_push and not chosen.dry_run:
            raise Misused(told)
        notes.append(told)
    unpushed = tuple(work_tree.unpushed(tree))
    notes += [f"pushed with it, since it is here alone: {one_line(each, 120)}" for each in unpushed]
    again = chosen.new_branch if chosen.new_branch == tree.branch and not tree.remote else ""
    return Here(standing, tree, file.read_bytes(), not chosen.no_push, unpushed, tuple(notes), chosen.branch, again)


def _aside(tree: WorkTree, followed: str) -> str:
    """How a commit here comes to count, where the branch is not the one that is followed; else empty."""
    goes_to = tree.followed or tree.branch
    if goes_to == followed:
        return ""
    return f"The daemon follows {followed}: git switch {followed}, or push {goes_to} and open a pull request"


def _refreshed(tree: WorkTree) -> list[str]:
    try:
        work_tree.refresh(tree, timeout=_PATIENCE)
    except Failed:
        return [f"{tree.remote} did not answer: whether {tree.upstream} has moved is not known, and the push may fail"]
    return []


def _counted(number: int) -> str:
    return f"{number} commit is" if number == 1 else f"{number} commits are"
