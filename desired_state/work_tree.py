"""A file in somebody's own work tree: what is in the way of a commit, the commit, and the push. All of it is theirs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from desired_state.git import Failed, own_git

_UNDER_WAY: Final = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisect",
}
_REFS: Final = "refs/heads/"


@dataclass(frozen=True)
class WorkTree:
    """Where a file is, and where its commits go."""

    file: Path
    branch: str
    """The branch that is checked out; empty where there is none."""
    remote: str
    """The name of the repository that the branch is pushed to; empty where it is pushed nowhere."""
    followed: str
    """The branch over there."""

    @property
    def upstream(self) -> str:
        """Both, as people write it; empty where there is none."""
        return f"{self.remote}/{self.followed}" if self.remote else ""

    @property
    def folder(self) -> Path:
        """Where git is run."""
        return self.file.parent

    @property
    def spec(self) -> str:
        """The file for git, whatever is in its name."""
        return f":(literal){self.file.name}"


def work_tree(file: Path) -> WorkTree:
    """The work tree of a file. Failed: git knows none."""
    where = file.absolute()
    own_git("rev-parse", "--show-toplevel", folder=where.parent)
    branch = _asked(where.parent, "symbolic-ref", "--quiet", "--short", "HEAD")
    remote = _asked(where.parent, "config", "--get", f"branch.{branch}.remote") if branch else ""
    followed = _asked(where.parent, "config", "--get", f"branch.{branch}.merge") if branch else ""
    pushed = remote not in ("", ".") and followed.startswith(_REFS)
    return WorkTree(where, branch, remote if pushed else "", followed.removeprefix(_REFS) if pushed else "")


def hindrance(tree: WorkTree) -> str:
    """What a person has to end before the file can be committed, and how; empty where there is nothing."""
    for name, what in _UNDER_WAY.items():
        if (tree.folder / own_git("rev-parse", "--git-path", name, folder=tree.folder)).exists():
            return f"{what} is under way in its folder; end it, or leave it with git {what.rpartition(' ')[2]} --abort"
    if not tree.branch:
        return "no branch is checked out in its folder; git switch main"
    if tree.file.is_symlink():
        return "it is a symbolic link; name the file that it leads to"
    options = ("--porcelain=v1", "-z", "--untracked-files=all", "--ignored")
    told = own_git("status", *options, "--", tree.spec, folder=tree.folder)
    if told.startswith(("??", "!!")):
        return "git does not know it yet; commit it first"
    return "it has changes that are not committed; commit them, or git restore them" if told else ""


def refresh(tree: WorkTree, *, timeout: float) -> None:
    """Find out what the branch over there is at. Failed: no answer within so many seconds."""
    if tree.remote:
        words = ("fetch", "--quiet", "--no-tags", "--", tree.remote, tree.followed)
        own_git(*words, folder=tree.folder, shown=True, timeout=timeout)


def behind(tree: WorkTree) -> int:
    """How many commits the branch over there has that are not here, as far as is known."""
    return len(_between(tree, "HEAD..@{upstream}"))


def unpushed(tree: WorkTree) -> list[str]:
    """The commits that are here alone, newest first, each as its short id and its subject."""
    return _between(tree, "@{upstream}..HEAD")


def commit(tree: WorkTree, content: bytes, message: str, branch: str = "") -> str:
    """Write the file and commit it alone, on a new branch where one is named. Returns the commit.

    Failed: a hook, a signature, a name that is taken. Then the file is what it was, and so is the branch.
    """
    before = tree.file.read_bytes()
    if branch:
        own_git("switch", "--quiet", "--no-track", "--create", branch, folder=tree.folder, shown=True)
    try:
        tree.file.write_bytes(content)
        own_git("commit", "--quiet", f"--message={message}", "--", tree.spec, folder=tree.folder, shown=True)
    except BaseException:
        tree.file.write_bytes(before)
        if branch:
            with suppress(Failed):
                own_git("switch", "--quiet", tree.branch, folder=tree.folder, shown=True)
                own_git("branch", "--quiet", "--delete", branch, folder=tree.folder)
        raise
    return head(tree)


def push(tree: WorkTree, branch: str = "") -> None:
    """Push what is here to where the branch goes, or to a new branch of that name. Failed: it was not taken."""
    follow = ("--set-upstream",) if branch else ()
    where = (remote_of(tree), f"HEAD:{_REFS}{branch or tree.followed}")
    own_git("push", "--no-progress", *follow, "--", *where, folder=tree.folder, shown=True)


def remote_of(tree: WorkTree) -> str:
    """Where a new branch goes: where this one does, else the only repository, else `origin`; empty: nowhere."""
    known = _asked(tree.folder, "remote").split("\n")
    return tree.remote or (known[0] if len(known) == 1 else "origin" if "origin" in known else "")


def identity(folder: Path, role: str = "author", environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The name and the address of whoever works here, in git's own order; each is empty where git would guess.

    `role`: `author` or `committer`.
    """

    def known(part: str) -> str:
        named = environ.get(f"GIT_{role}_{part}".upper(), "")
        kept = (_asked(folder, "config", "--get", f"{whose}.{part}") for whose in (role, "user"))
        return named or next(filter(None, kept), "")

    return known("name"), known("email") or environ.get("EMAIL", "")


def head(tree: WorkTree) -> str:
    """The commit that is checked out."""
    return own_git("rev-parse", "HEAD", folder=tree.folder)


def touches_only(tree: WorkTree) -> bool:
    """Whether the commits that are here alone change this file, and no other."""
    named = _asked(tree.folder, "log", "-m", "--format=", "--name-only", "-z", "@{upstream}..HEAD")
    files = {name for name in named.split("\0") if name}
    return bool(files) and files == {_asked(tree.folder, "ls-files", "--full-name", "-z", "--", tree.spec).rstrip("\0")}


def _between(tree: WorkTree, which: str) -> list[str]:
    if not tree.remote:
        return []
    return [line for line in _asked(tree.folder, "log", "--format=%h %s", which).split("\n") if line]


def _asked(folder: Path, *words: str) -> str:
    try:
        return own_git(*words, folder=folder)
    except Failed:
        return ""
