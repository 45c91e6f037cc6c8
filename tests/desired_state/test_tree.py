"""The files of one commit as a folder: exactly that commit, nothing else, and nothing that could do harm."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from desired_state import tree
from desired_state.exact import Entry
from desired_state.tree import NoSuchCommit, Refused, Trees, Unfit, Unreachable
from tests.desired_state.git_world import Work

MAIN = "infra/main.tf"


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work.at(tmp_path / "work")


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path / "cache", timeout=20)


def contents(folder: Path) -> dict[str, bytes]:
    return {f"{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def plumbed(work: Work, *lines: str) -> str:
    """A commit whose tree has these lines: mode, kind, what is in it (or an id), and the name."""
    written = []
    for line in lines:
        mode, kind, content, name = line.split(" ", 3)
        oid = content if kind != "blob" else _fed(work, content.encode(), "hash-object", "-w", "--stdin")
        written.append(f"{mode} {kind} {oid}\t{name}\0".encode())
    made = _fed(work, b"".join(written), "mktree", "-z", "--missing")
    commit = work.git("commit-tree", made, "-m", "Made by hand")
    work.git("update-ref", "refs/heads/main", commit)
    return commit


def _fed(work: Work, told: bytes, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=work.folder, input=told, capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_each_commit_is_laid_out_as_it_is(work: Work, trees: Trees) -> None:
    old = work.commit({MAIN: "old", "modules/a/a.tf": b"a\r\n\xff", "gone.txt": "x"})
    new = work.commit({MAIN: "new", "gone.txt": None})

    assert contents(trees.at(str(work.folder), old)) == {
        MAIN: b"old",
        "modules/a/a.tf": b"a\r\n\xff",
        "gone.txt": b"x",
    }
    assert contents(trees.at(str(work.folder), new)) == {MAIN: b"new", "modules/a/a.tf": b"a\r\n\xff"}


def test_a_commit_that_no_branch_has_any_more_is_laid_out(work: Work, trees: Trees) -> None:
    work.commit({MAIN: "first"})
    left = work.commit({MAIN: "left behind"})
    work.git("reset", "--quiet", "--hard", "HEAD~1")

    assert contents(trees.at(str(work.folder), left)) == {MAIN: b"left behind"}


def test_programs_stay_programs_and_nobody_else_may_look(work: Work, trees: Trees) -> None:
    script = work.folder / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    folder = trees.at(str(work.folder), work.commit({MAIN: "x"}))

    assert stat.S_IMODE((folder / "run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / MAIN).stat().st_mode) == 0o644
    assert stat.S_IMODE(folder.parent.parent.stat().st_mode) == 0o700


def test_attributes_do_not_change_what_is_laid_out(work: Work, trees: Trees) -> None:
    rules = "* export-subst eol=crlf ident filter=evil\nsecret export-ignore\n"
    files = {".gitattributes": rules, MAIN: "$Id$ $Format:%H$\n", "secret": "s\n"}
    commit = work.commit({name: text.encode() for name, text in files.items()})

    assert contents(trees.at(str(work.folder), commit)) == {name: text.encode() for name, text in files.items()}


def test_it_is_laid_out_once(work: Work, trees: Trees) -> None:
    commit = work.commit({MAIN: "x"})
    folder = trees.at(str(work.folder), commit)
    work.folder.rename(work.folder.with_name("gone"))

    assert trees.at(str(work.folder), commit) == folder


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda folder: (folder / MAIN).write_bytes(b""), id="a file without what was in it"),
        pytest.param(lambda folder: (folder / MAIN).unlink(), id="a file is missing"),
        pytest.param(lambda folder: (folder.parent / "listing").unlink(), id="the listing is missing"),
        pytest.param(lambda folder: [path.unlink() for path in _objects(folder)], id="the copy is damaged, too"),
    ],
)
def test_what_is_not_whole_is_laid_out_anew(work: Work, trees: Trees, damage) -> None:
    commit = work.commit({MAIN: "x"})
    folder = trees.at(str(work.folder), commit)
    damage(folder)

    assert contents(trees.at(str(work.folder), commit)) == {MAIN: b"x"}


def _objects(folder: Path) -> list[Path]:
    (folder / MAIN).unlink()
    cache = folder.parent.parent
    return [path for path in cache.glob("*.git/objects/**/*") if path.is_file()]


@pytest.mark.parametrize("broken_at", [0, 1, 2])
def test_a_process_that_is_killed_leaves_nothing_that_looks_whole(
    work: Work, trees: Trees, monkeypatch: pytest.MonkeyPatch, broken_at: int
) -> None:
    class Killed(BaseException):
        pass

    left = [broken_at]
    write = tree._write

    def dying(*arguments: object) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        write(*arguments)

    commit = work.commit({MAIN: "x", "a": "1", "b": "2"})
    monkeypatch.setattr(tree, "_write", dying)
    with pytest.raises(Killed):
        trees.at(str(work.folder), commit)
    monkeypatch.undo()

    assert contents(trees.at(str(work.folder), commit)) == {MAIN: b"x", "a": b"1", "b": b"2"}


def test_only_the_trees_used_last_are_kept(work: Work, trees: Trees, tmp_path: Path) -> None:
    commits = [work.commit({MAIN: str(number)}) for number in range(tree.KEPT + 3)]
    first, *others = commits
    folders = {}
    for age, commit in enumerate(commits):
        folders[commit] = trees.at(str(work.folder), commit)
        os.utime(folders[commit].parent, (age, age))
    trees.at(str(work.folder), first)
    for left in (".new", ".gone"):  # of a process that was killed
        folder = folders[others[0]].parent.with_suffix(left)
        folder.mkdir()
        os.utime(folder, (0, 0))

    again = trees.at(str(work.folder), first)

    kept = {path.parent.name for path in (tmp_path / "cache" / "trees").glob("*/listing")}
    assert kept == {again.parent.name, *(folders[commit].parent.name for commit in commits[-tree.KEPT + 1 :])}
    assert not [path for path in (tmp_path / "cache" / "trees").iterdir() if path.suffix in (".new", ".gone")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("120000 blob /etc/passwd main.tf", "main.tf is a symbolic link", id="a link"),
        pytest.param(f"160000 commit {'1' * 40} module", "module is a submodule", id="a submodule"),
        pytest.param("100644 blob x .GIT", "hasDotgit", id=".git in any spelling"),
        pytest.param("100644 blob x ..", "hasDotdot", id="the folder above"),
    ],
)
def test_a_hostile_tree_is_refused(work: Work, trees: Trees, line: str, said: str, tmp_path: Path) -> None:
    commit = plumbed(work, "100644 blob x a.tf", line)

    with pytest.raises(Unfit, match=said) as refused:
        trees.at(str(work.folder), commit)

    assert commit[:12] in str(refused.value)


def test_the_same_name_twice_is_refused(work: Work, trees: Trees) -> None:
    below = work.git("rev-parse", f"{work.commit({'f': 'x'})}^{{tree}}")
    commit = plumbed(work, "120000 blob /tmp a", f"040000 tree {below} a")

    with pytest.raises(Unfit, match=r"duplicateEntries|symbolic"):
        trees.at(str(work.folder), commit)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/x", "a//b", ".git/config", "a/.Git/hooks/x", "a/./b"])
def test_a_path_that_leads_elsewhere_is_never_written(path: str) -> None:
    """git itself refuses these when they are fetched; nothing here depends on it."""
    with pytest.raises(Unfit, match="leads elsewhere"):
        tree._check([Entry("100644", "0" * 40, 1, path)])


def test_a_mode_that_is_none_is_refused() -> None:
    with pytest.raises(Unfit, match="104755"):
        tree._check([Entry("104755", "0" * 40, 1, "a")])


@pytest.mark.parametrize(
    ("directory", "fits"),
    [
        pytest.param("", False, id="the top folder"),
        pytest.param("infra", True, id="a folder without any"),
        pytest.param("other", False, id="a folder with a link deep in it"),
        pytest.param("vendored/infra", False, id="a folder in a submodule"),
        pytest.param("linked/infra", False, id="a folder behind a link"),
    ],
)
def test_links_and_submodules_matter_where_the_configuration_is(
    work: Work, trees: Trees, directory: str, fits: bool
) -> None:
    inner = work.git("rev-parse", f"{work.commit({'main.tf': 'x', 'deep/main.tf': 'x'})}^{{tree}}")
    linked = plumbed(work, "120000 blob ../../infra link")
    other = _fed(work, f"040000 tree {work.git('rev-parse', linked + '^{tree}')}\tdeep\0".encode(), "mktree", "-z")
    lines = (f"160000 commit {'1' * 40} vendored", "120000 blob infra linked")
    commit = plumbed(work, f"040000 tree {inner} infra", f"040000 tree {other} other", *lines)

    if fits:
        folder = trees.at(str(work.folder), commit, directory)
        assert contents(folder) == {MAIN: b"x", "infra/deep/main.tf": b"x"}
        assert not [path for path in folder.rglob("*") if path.is_symlink()]
    else:
        with pytest.raises(Unfit, match="never followed; commit the files themselves"):
            trees.at(str(work.folder), commit, directory)


def test_a_link_in_place_of_code_matters_everywhere(work: Work, trees: Trees) -> None:
    """Left out, it would make terraform plan to destroy what it describes."""
    work.commit({MAIN: "x"})
    (work.folder / "module").mkdir()
    (work.folder / "module" / "shared.tf").symlink_to("../infra/main.tf")
    commit = work.commit({})

    with pytest.raises(Unfit, match=r"module/shared\.tf is a symbolic link"):
        trees.at(str(work.folder), commit, "infra")


def test_a_folder_that_is_not_there_is_said(work: Work, trees: Trees) -> None:
    commit = work.commit({MAIN: "x"})

    with pytest.raises(Unfit, match="there is no folder infrastructure; correct the directory"):
        trees.at(str(work.folder), commit, "infrastructure")


@pytest.mark.parametrize("limit", ["MOST_FILES", "MOST_BYTES"])
def test_too_much_is_refused(work: Work, trees: Trees, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    commit = work.commit({"a": "12", "b": "34", "c": "56"})
    monkeypatch.setattr(tree, limit, 2)

    with pytest.raises(Unfit, match="more than"):
        trees.at(str(work.folder), commit)


def test_many_files_and_large_ones_are_read_in_several_answers(
    work: Work, trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{number}": b"x" * (number * 100) for number in range(12)}
    monkeypatch.setattr("desired_state.exact._AT_ONCE", 1000)

    assert contents(trees.at(str(work.folder), work.commit(files))) == files


@pytest.mark.parametrize("commit", ["main", "v1", "4f2c9e1", "4F" * 20, "-" * 40, "", "4f" * 20 + "\n"])
def test_anything_but_a_full_id_is_refused(work: Work, trees: Trees, commit: str) -> None:
    with pytest.raises(Refused, match="full id"):
        trees.at(str(work.folder), commit)


def test_a_commit_that_is_not_there_says_so(work: Work, trees: Trees) -> None:
    work.commit({MAIN: "x"})

    with pytest.raises(NoSuchCommit, match=f"has no commit {'4f' * 20}; write one that"):
        trees.at(str(work.folder), "4f" * 20)


@pytest.mark.parametrize("kind", ["tag", "tree", "blob"])
def test_what_is_no_commit_says_so(work: Work, trees: Trees, kind: str) -> None:
    work.commit({MAIN: "x"})
    work.git("tag", "--annotate", "v1", "-m", "v1")
    oid = work.git("rev-parse", {"tag": "v1", "tree": "HEAD^{tree}", "blob": f"HEAD:{MAIN}"}[kind])

    with pytest.raises(NoSuchCommit, match=f"is a {kind}, no commit"):
        trees.at(str(work.folder), oid)


def test_a_repository_that_is_gone_is_unreachable(trees: Trees, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="does not"):
        trees.at(str(tmp_path / "nowhere"), "4f" * 20)


def test_a_cache_that_cannot_be_written_says_why(work: Work, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file stands here")

    with pytest.raises(Unreachable, match="cache folder"):
        Trees(tmp_path / "cache", timeout=20).at(str(work.folder), work.commit({MAIN: "x"}))


def test_sha256_ids_are_read(tmp_path: Path, trees: Trees) -> None:
    work = Work.at(tmp_path / "work", "--object-format=sha256")
    commit = work.commit({MAIN: "x"})

    assert len(commit) == 64
    assert contents(trees.at(str(work.folder), commit)) == {MAIN: b"x"}


@contextmanager
def old_server(root: Path, login: str = "") -> Iterator[str]:
    """git over HTTP in its first protocol, in which a server gives only what a branch or a tag names."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            if self.headers.get("Authorization", "") != login:
                return self._answer(401, b'WWW-Authenticate: Basic realm="git"', b"")
            path, _, query = self.path.partition("?")
            environ = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            }
            told = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            done = subprocess.run(["git", "http-backend"], env=environ, input=told, capture_output=True, check=True)
            head, _, body = done.stdout.partition(b"\r\n\r\n")
            return self._answer(200, head, body)

        def _answer(self, status: int, head: bytes, body: bytes) -> None:
            self.send_response(status)
            for line in head.decode().splitlines():
                self.send_header(*line.split(": ", 1))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve  # noqa: N815 — as http.server spells them

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_server_that_gives_branches_only_is_searched(work: Work, trees: Trees) -> None:
    old = work.commit({MAIN: "old"})
    for number in range(60):
        work.commit({MAIN: str(number)})
    work.git("switch", "--quiet", "--detach", old)
    tagged = work.commit({MAIN: "tagged"})
    work.git("tag", "v1")
    left = work.commit({MAIN: "left behind"})
    work.git("switch", "--quiet", "main")

    with old_server(work.folder.parent) as host:
        assert contents(trees.at(f"{host}/{work.folder.name}/.git", old)) == {MAIN: b"old"}
        assert contents(trees.at(f"{host}/{work.folder.name}/.git", tagged)) == {MAIN: b"tagged"}
        with pytest.raises(NoSuchCommit):
            trees.at(f"{host}/{work.folder.name}/.git", left)


def test_credentials_are_used_and_stay_out_of_names_and_errors(work: Work, tmp_path: Path, trees: Trees) -> None:
    commit = work.commit({MAIN: "x"})
    with old_server(work.folder.parent, "Basic YW5uOnMzY3JldA==") as host:
        location = f"{host.replace('//', '//ann:s3cret@')}/{work.folder.name}/.git"
        assert contents(trees.at(location, commit)) == {MAIN: b"x"}
        with pytest.raises(NoSuchCommit) as missing:
            trees.at(location, "4f" * 20)

    assert "s3cret" not in str(missing.value)
    written = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert b"s3cret" not in written


def test_two_processes_share_a_cache(work: Work, tmp_path: Path) -> None:
    commits = [work.commit({MAIN: str(number)}) for number in range(6)]
    program = (
        "import sys, pathlib; from desired_state.tree import Trees\n"
        "trees = Trees(pathlib.Path(sys.argv[1]), timeout=20)\n"
        "for commit in sys.argv[3:]: trees.at(sys.argv[2], commit)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cache"), str(work.folder), *commits]
    environ = os.environ | {"PYTHONPATH": f"{os.environ['PYTHONPATH']}:{Path(__file__).parents[2]}"}
    both = [subprocess.Popen(command, env=environ, stderr=subprocess.PIPE) for _ in range(2)]

    assert [process.communicate()[1] for process in both] == [b"", b""]
    assert len(list((tmp_path / "cache" / "trees").glob("*/listing"))) == 6
