"""A commit of one file, made in the bare copy and pushed: nothing is checked out, and nothing of others is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from desired_state.git import Failed, Refused, git
from desired_state.repository import Damaged, Repository, Unreachable, checked_branch, checked_path

_REFUSED: Final = re.compile(
    r"\[remote rejected\]|\b40[13]\b|authentication failed|could not read (?:username|password)|denied|not allowed"
    r"|not authori[sz]ed|unauthori[sz]ed|forbidden|read[ -]only|protected|not exported|not enabled|permission",
    re.IGNORECASE,
)
# A server says these of what may well succeed a moment later.
_PASSING: Final = re.compile(r"internal server error|time[d -]?out|temporar|cannot lock ref|try again", re.IGNORECASE)
_REASON: Final = re.compile(r"^!\t[^\t]*\t\[remote rejected\] \(([^()]*)\)", re.MULTILINE)
_LOOKED_AT: Final = 200
"""How many commits of a branch are looked through for one that was pushed before."""


class Moved(Exception):
    """The branch is not where it was looked at: what is there now counts. Nothing was pushed."""


class NotAllowed(Exception):
    """The repository answered and refused the push. The message is its own words: redact it before it is shown."""


@dataclass(frozen=True)
class Author:
    """Who commits."""

    name: str
    email: str


@dataclass(frozen=True)
class _Proposal:
    """What is pushed: one tree on top of one commit, with one message; and where to."""

    base: str
    tree: str
    message: str
    branch: str


def push(
    repository: Repository,
    base: str,
    file: str,
    content: bytes,
    message: str,
    author: Author,
    branch: str,
    committer: Author | None = None,
) -> str:
    """Commit another content of a file on top of `base`, and push that to a branch. Returns the commit.

    `base` was fetched before, and the branch is still there, or there is none such yet. The same call again finds what
    an earlier one pushed, also where that one was killed or had no answer. Where the file says so already, nothing
    is committed. `committer`: the author, where none is named. Moved, NotAllowed, Unreachable: nothing was pushed, or,
    with Unreachable, it is not known yet. Damaged: the copy cannot be read. Refused: git allows no such path, branch
    or author.
    """
    checked_branch(branch)
    if not file or checked_path(file) != file:
        raise Refused("the path is none of a file in the repository; write it as git lists it")
    with _copy(repository):
        proposal = _Proposal(base, _tree(repository, base, file, content), message, branch)
        if proposal.tree == _look(repository, "rev-parse", f"{base}^{{tree}}"):
            return base
    tip = _tip(repository, branch)
    if tip not in (base, ""):
        return _arrived(repository, proposal, tip)
    with _copy(repository):
        commit = _committed(repository, proposal, author, committer or author)
        try:
            _send(repository, commit, branch, tip)
        except Failed as error:
            failure = error
        else:
            return commit
    return _after(repository, proposal, tip, failure)


def _tip(repository: Repository, branch: str) -> str:
    """Where the branch is; empty where there is none, which is no place for what is followed."""
    return repository.head() if branch == repository.branch else repository.tip(branch)


def _tree(repository: Repository, base: str, file: str, content: bytes) -> str:
    """The tree of `base` with another content of one file."""
    index = repository.folder / "proposal-index"
    for left in (index, index.with_name(f"{index.name}.lock")):  # of a git that was killed
        left.unlink(missing_ok=True)
    where = {"GIT_INDEX_FILE": str(index)}
    blob = git("hash-object", "-w", "--stdin", told=content, timeout=repository.timeout, folder=repository.folder)
    _look(repository, "read-tree", base, also=where)
    _look(repository, "update-index", "--add", "--cacheinfo", f"100644,{blob.decode().strip()},{file}", also=where)
    return _look(repository, "write-tree", also=where)


def _committed(repository: Repository, proposal: _Proposal, author: Author, committer: Author) -> str:
    who = {
        f"GIT_{role}_{part}": value
        for role, person in (("AUTHOR", author), ("COMMITTER", committer))
        for part, value in (("NAME", person.name), ("EMAIL", person.email))
    }
    if not all(value.strip() for value in who.values()):
        raise Refused("a commit needs an author with a name and an address; name them in git's user.name, user.email")
    told = proposal.message.encode(errors="surrogateescape")
    return _look(repository, "commit-tree", proposal.tree, "-p", proposal.base, "-F", "-", told=told, also=who)


def _send(repository: Repository, commit: str, branch: str, tip: str) -> None:
    # The lease forces nothing: the commit is a child of `tip`, or the branch is new. It makes git refuse a branch that
    # was moved back meanwhile, too, which would else be led forward again over what somebody has just taken out.
    options = ("--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no")
    lease = f"--force-with-lease=refs/heads/{branch}:{tip}"
    refspec = f"{commit}:refs/heads/{branch}"
    words = ("push", *options, lease, "--", repository.remote.address, refspec)
    git(*words, timeout=repository.timeout, folder=repository.folder, remote=repository.remote)


def _after(repository: Repository, proposal: _Proposal, tip: str, failure: Failed) -> str:
    """What a push that failed has come to: its answer may have been lost, so the branch is looked at."""
    now = _tip(repository, proposal.branch)
    if now != tip:
        return _arrived(repository, proposal, now)
    if "[rejected]" in failure.told:
        raise Moved(f"the branch {proposal.branch} moved while the commit was pushed")
    if _REFUSED.search(failure.told) and not _PASSING.search(failure.told):
        reason = _REASON.search(failure.told)
        raise NotAllowed(f"{failure}" + (f" ({reason[1]})" if reason else ""))
    raise Unreachable(f"{repository.shown}: {failure}")


def _arrived(repository: Repository, proposal: _Proposal, tip: str) -> str:
    """The commit of this proposal that the branch has already. Moved: it has none, and others have come."""
    if tip:
        head = repository.fetched(proposal.branch, tip)
        with _copy(repository):
            if found := _found(repository, proposal, head):
                return found
    raise Moved(f"the branch {proposal.branch} is at {tip[:8] or 'no commit'} now")


def _found(repository: Repository, proposal: _Proposal, head: str) -> str:
    listed = _look(repository, "log", f"--max-count={_LOOKED_AT}", "--format=%H %T %P", head, f"^{proposal.base}")
    for commit, tree, *parents in map(str.split, listed.splitlines()):
        if (tree, parents) == (proposal.tree, [proposal.base]) and _says(repository, commit, proposal.message):
            return commit
    return ""


def _says(repository: Repository, commit: str, message: str) -> bool:
    return _look(repository, "log", "-1", "--format=%B", commit) == message.strip()


@contextmanager
def _copy(repository: Repository) -> Iterator[None]:
    """The copy, for one process at a time. Damaged: git cannot read it, or not write into it."""
    with repository.locked():
        try:
            yield
        except (Failed, OSError) as error:
            raise Damaged(f"{error}") from None


def _look(repository: Repository, *words: str, told: bytes = b"", also: Mapping[str, str] | None = None) -> str:
    done = git(*words, told=told, also=also or {}, timeout=repository.timeout, folder=repository.folder)
    return done.decode(errors="surrogateescape").strip()
