"""A commit that trueup makes itself: made once, pushed once, and never over somebody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from desired_state import proposal as module
from desired_state.git import Failed
from desired_state.proposal import Author, Moved, NotAllowed, push
from desired_state.repository import Damaged, Refused, Repository, Unreachable
from tests.desired_state.git_server import http
from tests.desired_state.git_world import Work, environment

FILE = "envs/production.yaml"
ANN = Author("Ann Ångström", "ann@example.test")
MESSAGE = "Go back to 122\n\nIt failed its checks.\n\nTrueup-Reverts: " + "4f" * 20 + "\n"
NEW = b"version: 1\r\n# a comment \xc3\xa5\r\n"


@dataclass
class Forge:
    """A bare repository that takes pushes, a colleague who pushes to it, and the copy of trueup."""

    bare: Path
    colleague: Work
    repository: Repository

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", "-C", str(self.bare), *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def hook(self, name: str, *lines: str) -> None:
        path = self.bare / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(("#!/bin/sh", *lines, "")))
        path.chmod(0o755)

    def push(self, content: bytes = NEW, *, base: str = "", branch: str = "main", message: str = MESSAGE) -> str:
        return push(self.repository, base or self.repository.fetch(), FILE, content, message, ANN, branch)

    def another_commit(self, text: str = "theirs", file: str = "other.txt") -> str:
        commit = self.colleague.commit({file: text}, "Theirs")
        self.colleague.git("push", "--quiet", "origin", "main")
        return commit

    def since(self, base: str, branch: str = "main") -> list[str]:
        return self.git("rev-list", f"{base}..{branch}").split()


def forge_at(folder: Path, *options: str, commits: int = 1, location: str = "") -> Forge:
    colleague = Work.at(folder / "colleague", *options)
    for number in range(commits):
        files: dict[str, str | bytes | None] = {FILE: environment(), "README.md": f"{number}\n", "a/b/c.txt": "c\n"}
        colleague.commit(files, f"Commit {number}")
    colleague.git("clone", "--quiet", "--bare", str(colleague.folder), str(folder / "forge.git"))
    colleague.git("remote", "add", "origin", str(folder / "forge.git"))
    place = location and f"{location}/forge.git"
    repository = Repository(place or str(folder / "forge.git"), "main", folder / "cache")
    return Forge(folder / "forge.git", colleague, repository)


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    return forge_at(tmp_path)


@pytest.fixture(params=["file", "http"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Forge]:
    if request.param == "file":
        yield forge_at(tmp_path)
    else:
        with http(tmp_path) as host:
            yield forge_at(tmp_path, location=host)


# --- one commit


@pytest.mark.parametrize("options", [(), ("--object-format=sha256",)], ids=["SHA-1", "SHA-256"])
@pytest.mark.parametrize("commits", [1, 60], ids=["whole", "shallow"])
def test_one_file_changes_and_nothing_else(tmp_path: Path, options: tuple[str, ...], commits: int) -> None:
    with http(tmp_path) as host:
        forge = forge_at(tmp_path, *options, commits=commits, location=host)
        base = forge.repository.fetch()

        commit = forge.push(base=base)

        assert forge.repository.fetch() == commit, "what was pushed is what is followed"

    assert forge.git("rev-parse", "main^") == base
    assert forge.git("diff", "--name-status", "main^", "main") == f"M\t{FILE}"
    assert subprocess.check_output(["git", "-C", forge.bare, "show", f"main:{FILE}"]) == NEW, "not a byte is changed"
    assert forge.git("log", "-1", "--format=%an <%ae> %cn <%ce>", "main") == " ".join([f"{ANN.name} <{ANN.email}>"] * 2)
    assert forge.git("log", "-1", "--format=%B", "main") == MESSAGE.strip()
    assert forge.git("log", "-1", "--format=%(trailers:key=Trueup-Reverts,valueonly)", "main").strip() == "4f" * 20
    forge.git("fsck", "--strict")


def test_a_new_branch_is_made_and_the_other_one_stays(either: Forge) -> None:
    base = either.repository.fetch()

    commit = either.push(branch="trueup/go-back")

    assert either.git("rev-parse", "main") == base
    assert either.git("rev-parse", "trueup/go-back") == commit
    assert either.push(base=base, branch="trueup/go-back") == commit


def test_a_file_that_says_so_already_is_not_committed(forge: Forge) -> None:
    base = forge.repository.fetch()

    assert forge.push(environment().encode()) == base

    assert forge.since(base) == []


def test_a_new_file_can_be_committed(forge: Forge) -> None:
    base = forge.repository.fetch()

    push(forge.repository, base, "new/folder/a,b.yaml", NEW, "Add", ANN, "main")

    assert forge.git("diff", "--name-status", base, "main") == "A\tnew/folder/a,b.yaml"


@pytest.mark.parametrize(
    ("file", "author", "branch"),
    [
        pytest.param("../out.yaml", ANN, "main", id="a path that leads out"),
        pytest.param("/etc/passwd", ANN, "main", id="an absolute path"),
        pytest.param("", ANN, "main", id="no path"),
        pytest.param("a//b.yaml", ANN, "main", id="a path that git does not spell so"),
        pytest.param(FILE, ANN, "--exec=touch x", id="an option as branch"),
        pytest.param(FILE, ANN, "main:refs/heads/other", id="a refspec as branch"),
        pytest.param(FILE, Author("", "ann@example.test"), "main", id="nobody"),
        pytest.param(FILE, Author("Ann", " "), "main", id="no address"),
    ],
)
def test_what_git_would_misread_is_refused(forge: Forge, file: str, author: Author, branch: str) -> None:
    base = forge.repository.fetch()

    with pytest.raises(Refused):
        push(forge.repository, base, file, NEW, MESSAGE, author, branch)

    assert forge.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert forge.since(base) == []


def test_a_path_into_git_itself_is_not_committed(forge: Forge) -> None:
    base = forge.repository.fetch()

    with pytest.raises(Damaged):
        push(forge.repository, base, ".git/config", NEW, MESSAGE, ANN, "main")

    assert forge.since(base) == []


def test_a_base_that_the_copy_has_not_is_said(forge: Forge) -> None:
    forge.repository.fetch()

    with pytest.raises(Damaged):
        forge.push(base="4f" * 20)


# --- others push, too


def test_a_branch_that_has_moved_on_is_left_as_it_is(either: Forge) -> None:
    base = either.repository.fetch()
    theirs = either.another_commit()

    with pytest.raises(Moved):
        either.push(base=base)

    assert either.git("rev-parse", "main") == theirs


def between(forge: Forge, monkeypatch: pytest.MonkeyPatch, happens: str, *, instead_of: str = "") -> None:
    """Something that happens on the server after the branch was looked at, and right before the push."""
    real = module.git

    def late(*words: str, **how: object) -> bytes:
        if words[0] == "push":
            forge.git("update-ref", f"refs/heads/{instead_of or 'main'}", happens)
        return real(*words, **how)

    monkeypatch.setattr(module, "git", late)


def test_a_branch_that_moves_while_we_push_is_left_as_it_is(either: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = either.another_commit()
    base = either.git("rev-parse", "main^")
    either.git("update-ref", "refs/heads/main", base)
    either.repository.fetch()
    between(either, monkeypatch, theirs)

    with pytest.raises(Moved):
        either.push(base=base)

    assert either.git("rev-parse", "main") == theirs


def test_a_branch_that_is_moved_back_while_we_push_is_not_led_forward_again(
    either: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody takes a commit out by force: pushing on top of it would bring it back, as a fast-forward."""
    either.another_commit()
    base = either.repository.fetch()
    before = either.git("rev-parse", f"{base}^")
    between(either, monkeypatch, before)

    with pytest.raises(Moved):
        either.push(base=base)

    assert either.git("rev-parse", "main") == before


def test_a_new_branch_that_somebody_else_makes_meanwhile_stays_theirs(
    either: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = either.repository.fetch()
    between(either, monkeypatch, base, instead_of="mine")

    with pytest.raises(Moved):
        either.push(base=base, branch="mine")

    assert either.git("rev-parse", "mine") == base


def test_a_branch_that_is_gone_is_not_made_anew(forge: Forge) -> None:
    base = forge.repository.fetch()
    forge.git("branch", "-m", "main", "trunk")

    with pytest.raises(Unreachable, match="has no branch main"):
        forge.push(base=base)

    assert forge.git("for-each-ref", "--format=%(refname)") == "refs/heads/trunk"


# --- the same call again


def test_the_same_call_again_finds_what_was_pushed_also_below_later_commits(either: Forge) -> None:
    base = either.repository.fetch()
    commit = either.push(base=base)
    assert either.push(base=base) == commit
    either.colleague.git("pull", "--quiet", "origin", "main")
    either.another_commit()

    assert either.push(base=base) == commit

    assert len(either.since(base)) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [pytest.param(b"other", MESSAGE, id="another content"), pytest.param(NEW, "Another", id="another message")],
)
def test_another_proposal_on_the_same_base_is_no_repetition(forge: Forge, content: bytes, message: str) -> None:
    base = forge.repository.fetch()
    commit = forge.push(base=base)

    with pytest.raises(Moved):
        forge.push(content, base=base, message=message)

    assert forge.since(base) == [commit]


def test_an_answer_that_is_lost_is_not_a_push_that_is_lost(tmp_path: Path) -> None:
    lost = ["git-receive-pack"]
    with http(tmp_path, lost=lost) as host:
        forge = forge_at(tmp_path, location=host)
        base = forge.repository.fetch()

        commit = forge.push(base=base)

    assert lost == []
    assert forge.since(base) == [commit]


def test_a_server_that_is_slow_is_asked_again_and_nothing_is_done_twice(tmp_path: Path) -> None:
    with http(tmp_path) as host:
        forge = forge_at(tmp_path, location=host)
        base = forge.repository.fetch()
        forge.hook("pre-receive", "sleep 3")
        forge.repository.timeout = 1.5

        with pytest.raises(Unreachable, match="did not end within"):
            forge.push(base=base)
        time.sleep(3)
        forge.repository.timeout = 20.0
        commit = forge.push(base=base)

    assert forge.since(base) == [commit]


PROGRAM = """
import sys, pathlib
from desired_state.proposal import Author, push
from desired_state.repository import Repository
repository = Repository(sys.argv[1], "main", pathlib.Path(sys.argv[2]))
ann = Author("Ann", "ann@example.test")
print(push(repository, sys.argv[3], "envs/production.yaml", b"new", "Go back", ann, "main"))
"""
KILLER = """#!/bin/sh
count=$(($(cat '{folder}/count') + 1)); echo $count > '{folder}/count'
[ "$count {when}" = "{fatal} before" ] && kill -9 $PPID && exit 1
'{git}' "$@"; code=$?
[ "$count {when}" = "{fatal} after" ] && kill -9 $PPID
exit $code
"""


def pushed_by_a_process(forge: Forge, folder: Path, base: str, fatal: int, when: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a process that is killed at its git command of this number; 0: at none."""
    program = folder / "git"
    program.write_text(KILLER.format(folder=folder, when=when, fatal=fatal, git=shutil.which("git")))
    program.chmod(0o755)
    (folder / "count").write_text("0")
    environ = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", PROGRAM, forge.repository.location, str(folder.parent / "cache"), base]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.strip(), done.stderr


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_that_is_killed_at_any_git_command_pushes_once(tmp_path: Path, when: str) -> None:
    forge = forge_at(tmp_path)
    (tmp_path / "bin").mkdir()
    base = forge.repository.fetch()
    fatal, code = 0, -9
    while code == -9:
        fatal += 1
        forge.git("update-ref", "refs/heads/main", base)

        code, first, error = pushed_by_a_process(forge, tmp_path / "bin", base, fatal, when)
        assert code in (0, -9), error
        again, second, error = pushed_by_a_process(forge, tmp_path / "bin", base, 0, when)

        assert again == 0, (fatal, error)
        assert forge.since(base) == [second], fatal
        assert first in ("", second)
    assert fatal > 7, "it was killed at each of its commands, and at the end at none"


# --- who may not push


def test_a_hook_that_refuses_is_heard(either: Forge) -> None:
    base = either.repository.fetch()
    said = "remote: error: GH006: Protected branch update failed for refs/heads/main."
    either.hook("pre-receive", "echo '==========' >&2", "echo >&2", f"echo '{said[8:]}' >&2", "exit 1")

    with pytest.raises(NotAllowed) as refused:
        either.push(base=base)

    assert "GH006: Protected branch update failed" in str(refused.value)
    assert "pre-receive hook declined" in str(refused.value)
    assert "===" not in str(refused.value)
    assert either.since(base) == []


def test_a_hook_that_speaks_in_colours_moves_no_cursor(forge: Forge) -> None:
    forge.hook("pre-receive", r"printf 'no \033[31mway\007 https://ann:s3cret@example.test/\n' >&2", "exit 1")

    with pytest.raises(NotAllowed) as refused:
        forge.push()

    assert str(refused.value).isprintable()
    assert "s3cret" not in str(refused.value)


def test_a_key_that_may_only_read_is_not_asked_again(tmp_path: Path) -> None:
    with http(tmp_path, pushes=False) as host:
        forge = forge_at(tmp_path, location=host)
        with pytest.raises(NotAllowed, match="403"):
            forge.push()


GITHUB_KEY = "ERROR: The key you are authenticating with has been marked as read only.\nfatal: Could not read from"
GITLAB = "remote: \nremote: ERROR: You are not allowed to push code to this project.\nremote: \nfatal: Could not read"
REJECTED = "!\tabc:refs/heads/main\t[remote rejected] ({})\nerror: failed to push some refs to 'x'"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        pytest.param(GITHUB_KEY, NotAllowed, id="a read-only deploy key"),
        pytest.param(GITLAB, NotAllowed, id="a project of others"),
        pytest.param("remote: Permission to a/b.git denied to ann.", NotAllowed, id="no right to write"),
        pytest.param("fatal: Authentication failed for 'https://x/'", NotAllowed, id="a token that is over"),
        pytest.param("fatal: could not read Username for 'https://x': No such device", NotAllowed, id="none"),
        pytest.param("The requested URL returned error: 403", NotAllowed, id="403"),
        pytest.param("fatal: remote error: access denied or repository not exported: /x", NotAllowed, id="git daemon"),
        pytest.param(REJECTED.format("protected branch hook declined"), NotAllowed, id="a protected branch"),
        pytest.param(REJECTED.format("shallow update not allowed"), NotAllowed, id="takes no shallow one"),
        pytest.param(REJECTED.format("Internal Server Error"), Unreachable, id="a server in trouble"),
        pytest.param(REJECTED.format("cannot lock ref 'refs/heads/main'"), Unreachable, id="a busy server"),
        pytest.param("The requested URL returned error: 502", Unreachable, id="502"),
        pytest.param("ssh: connect to host x port 22: Connection timed out", Unreachable, id="no way there"),
        pytest.param("fatal: the remote end hung up unexpectedly", Unreachable, id="hung up"),
        pytest.param("!\tabc:refs/heads/main\t[rejected] (stale info)", Moved, id="moved"),
    ],
)
def test_what_forges_say_is_told_apart(
    forge: Forge, monkeypatch: pytest.MonkeyPatch, said: str, kind: type[Exception]
) -> None:
    real = module.git

    def failing(*words: str, **how: object) -> bytes:
        if words[0] == "push":
            raise Failed("the last words", said)
        return real(*words, **how)

    monkeypatch.setattr(module, "git", failing)

    with pytest.raises(kind):
        forge.push()


def test_no_answer_is_said_to_be_none(tmp_path: Path) -> None:
    with http(tmp_path) as host:
        forge = forge_at(tmp_path, location=host)
        base = forge.repository.fetch()

    with pytest.raises(Unreachable):
        forge.push(base=base)
