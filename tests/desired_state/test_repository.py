"""The only file that runs git: what it reads, what it refuses to hand to git, and what it survives."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from desired_state.repository import Damaged, Refused, Repository, Unreachable, checked_path, shown_location
from desired_state.tree import Trees
from tests.desired_state.git_world import Work, environment

FILE = "production.yaml"


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work.at(tmp_path / "work")


@pytest.fixture
def repository(work: Work, tmp_path: Path) -> Repository:
    return Repository(str(work.folder), "main", tmp_path / "cache")


def text(repository: Repository, commit: str, path: str = FILE) -> bytes:
    return repository.read(repository.files(commit, path)[path])


def test_a_file_is_read_at_its_commit(work: Work, repository: Repository) -> None:
    first = work.commit({FILE: "one"})
    second = work.commit({FILE: "two"})

    assert repository.fetch() == repository.head() == second

    assert (text(repository, first), text(repository, second)) == (b"one", b"two")
    assert repository.history(second) == [second, first]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param("a/one.yaml", {"a/one.yaml"}, id="a file"),
        pytest.param("./a//one.yaml", {"a/one.yaml"}, id="a file spelled oddly"),
        pytest.param("a", {"a/one.yaml", "a/two.yml"}, id="a folder: its YAML files, no deeper"),
        pytest.param("a/", {"a/one.yaml", "a/two.yml"}, id="a folder with a slash"),
        pytest.param(".", {"top.yaml"}, id="the top folder"),
        pytest.param("a/*.yaml", {"a/one.yaml"}, id="a glob stays in its folder"),
        pytest.param("**/*.yaml", {"top.yaml", "a/one.yaml", "a/b/three.yaml"}, id="a glob of all folders"),
        pytest.param("a/**/*.yaml", {"a/one.yaml", "a/b/three.yaml"}, id="a glob below a folder"),
        pytest.param("a/t?o.[xy]ml", {"a/two.yml"}, id="one character"),
        pytest.param("a/[!o]*", {"a/two.yml", "a/read.me"}, id="all but a character"),
        pytest.param("nowhere", set(), id="nothing"),
        pytest.param("a.one.yaml", set(), id="a dot is a dot"),
    ],
)
def test_a_path_is_a_file_a_folder_or_a_glob(work: Work, repository: Repository, path: str, found: set[str]) -> None:
    names = ("top.yaml", "a/one.yaml", "a/two.yml", "a/read.me", "a/b/three.yaml")
    commit = work.commit(dict.fromkeys(names, "x"))
    repository.fetch()

    assert set(repository.files(commit, checked_path(path))) == found


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside.yaml", "a/../../b", "a\nb", "a\\b", "a[z-a].yaml"])
def test_a_path_that_leads_out_of_the_repository_is_refused(path: str) -> None:
    with pytest.raises(Refused):
        checked_path(path)


def test_what_is_no_ordinary_file_is_seen_as_such(work: Work, repository: Repository) -> None:
    (work.folder / "link.yaml").symlink_to("/etc/passwd")
    (work.folder / "program.yaml").write_text("x")
    (work.folder / "program.yaml").chmod(0o755)
    commit = work.commit({FILE: "x"})
    repository.fetch()

    found = repository.files(commit, "")

    assert {name: blob.is_plain for name, blob in found.items()} == {
        "link.yaml": False,
        "program.yaml": False,
        FILE: True,
    }
    assert repository.read(found["link.yaml"]) == b"/etc/passwd"  # the text of the link, never what it leads to


def test_nothing_is_ever_checked_out(work: Work, repository: Repository, tmp_path: Path) -> None:
    work.commit({FILE: "text-of-the-file", ".gitattributes": "* filter=evil"})
    repository.accept(repository.fetch())

    names = {path.name for path in (tmp_path / "cache").rglob("*")}

    assert FILE not in names
    assert ".gitattributes" not in names


def test_a_branch_is_not_a_tag_of_the_same_name(work: Work, repository: Repository) -> None:
    old = work.commit({FILE: "one"})
    work.git("tag", "main", old)
    new = work.commit({FILE: "two"})

    assert repository.head() == new


def test_replaced_objects_do_not_count(work: Work, repository: Repository) -> None:
    old = work.commit({FILE: "one"})
    new = work.commit({FILE: "two"})
    work.git("replace", new, old)

    assert text(repository, repository.fetch()) == b"two"


def test_a_repository_with_sha256_ids_is_read(tmp_path: Path) -> None:
    work = Work.at(tmp_path / "work", "--object-format=sha256")
    commit = work.commit({FILE: "x"})
    repository = Repository(str(work.folder), "main", tmp_path / "cache")

    assert len(commit) == 64
    assert text(repository, repository.fetch()) == b"x"


def test_a_shallow_repository_is_read(work: Work, tmp_path: Path) -> None:
    work.commit({FILE: "one"})
    commit = work.commit({FILE: "two"})
    shallow = tmp_path / "shallow"
    work.git("clone", "--quiet", "--depth=1", f"file://{work.folder}", str(shallow))
    repository = Repository(str(shallow), "main", tmp_path / "cache")

    assert repository.fetch() == commit
    assert text(repository, commit) == b"two"


def test_only_the_last_commits_are_fetched(work: Work, repository: Repository) -> None:
    commits = [work.commit({FILE: str(number)}) for number in range(60)]

    assert repository.history(repository.fetch()) == commits[:8:-1]


def _other(work: Work, back: str) -> str:
    work.git("reset", "--quiet", "--hard", back)
    return work.commit({FILE: "another line"})


@pytest.mark.parametrize(
    ("move", "descends"),
    [
        pytest.param(lambda work: work.commit({FILE: "next"}), True, id="the next commit"),
        pytest.param(lambda work: [work.commit({FILE: str(n)}) for n in range(60)][-1], True, id="sixty commits"),
        pytest.param(lambda work: _other(work, "HEAD~2"), False, id="another line"),
        pytest.param(lambda work: work.git("reset", "--quiet", "--hard", "HEAD~1"), False, id="back by force"),
        pytest.param(lambda work: work.git("commit", "--amend", "-qm", "Amended"), False, id="amended"),
    ],
)
def test_a_head_that_does_not_descend_from_the_former_one_is_seen(
    work: Work, repository: Repository, move, descends: bool
) -> None:
    for number in range(55):  # more than are fetched
        work.commit({FILE: f"before {number}"})
    former = repository.fetch()
    move(work)

    assert repository.descends(repository.fetch(), former) is descends


def test_what_was_accepted_is_known_to_the_next_process(work: Work, tmp_path: Path) -> None:
    commit = work.commit({FILE: "x"})
    first = Repository(str(work.folder), "main", tmp_path / "cache")
    first.accept(first.fetch())

    again = Repository(str(work.folder), "main", tmp_path / "cache")

    assert again.known() == commit
    assert Repository(str(work.folder), "other", tmp_path / "cache").known() == ""
    assert Repository(str(tmp_path), "main", tmp_path / "cache").known() == ""


@pytest.mark.parametrize(
    "location",
    [
        pytest.param("--upload-pack=touch executed", id="an option"),
        pytest.param("ext::sh -c touch% executed", id="a transport that runs a program"),
        pytest.param("http://example.test/a.git", id="plain http"),
        pytest.param("git://example.test/a.git", id="plain git"),
        pytest.param("ftp://example.test/a.git", id="ftp"),
        pytest.param("ssh://-oProxyCommand=touch executed/a", id="an option as host"),
        pytest.param("https:///a.git", id="no host"),
        pytest.param("https://[::1/a.git", id="no URL"),
        pytest.param("https://example.test/a\nb", id="a line break"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_location_that_could_do_harm_is_never_handed_to_git(tmp_path: Path, location: str) -> None:
    with pytest.raises(Refused):
        Repository(location, "main", tmp_path)


@pytest.mark.parametrize(
    "branch", ["--upload-pack=x", "a b", "a..b", "a:b", "", "a.lock", "a/", ".a", "a@{1}", "a\n", "a*", "a//b", "a/.b"]
)
def test_a_branch_that_could_do_harm_is_never_handed_to_git(tmp_path: Path, branch: str) -> None:
    with pytest.raises(Refused):
        Repository(str(tmp_path), branch, tmp_path / "cache")


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        pytest.param("https://ann:hush@example.test/a.git?token=hush", "https://example.test/a.git", id="a URL"),
        pytest.param("git@example.test:team/a.git", "git@example.test:team/a.git", id="an address of ssh"),
        pytest.param("/srv/a.git", "/srv/a.git", id="a path"),
    ],
)
def test_credentials_are_never_shown(location: str, shown: str) -> None:
    assert shown_location(location) == shown


def test_settings_of_others_are_not_used(work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the caller's environment, or somebody in the cache, tells git to run is not run."""
    work.commit({FILE: "x"})
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\nexit 1\n")
    trap.chmod(0o755)
    for variable in ("GIT_SSH_COMMAND", "GIT_EXEC_PATH", "GIT_ASKPASS", "GIT_DIR", "GIT_PROXY_COMMAND"):
        monkeypatch.setenv(variable, str(trap))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(trap))
    Repository(str(work.folder), "main", tmp_path / "cache").fetch()
    copy = next((tmp_path / "cache").glob("*.git"))
    (copy / "hooks").mkdir(exist_ok=True)
    for hook in ("reference-transaction", "post-update", "post-checkout"):
        (copy / "hooks" / hook).write_bytes(trap.read_bytes())
        (copy / "hooks" / hook).chmod(0o755)
    with (copy / "config").open("a") as settings:
        settings.write(
            f"[core]\n\thooksPath = {copy}/hooks\n\tsshCommand = {trap}\n[uploadpack]\n\tpackObjectsHook = {trap}\n"
        )
    again = Repository(str(work.folder), "main", tmp_path / "cache")

    again.accept(again.fetch())

    assert not (tmp_path / "executed").exists()


def test_a_copy_that_was_damaged_says_so_and_is_fetched_anew(
    work: Work, repository: Repository, tmp_path: Path
) -> None:
    commit = work.commit({FILE: "x"})
    repository.fetch()
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file() and "objects" in path.parts:
            path.unlink()

    with pytest.raises(Damaged):
        repository.files(commit, FILE)
    repository.discard()
    assert text(repository, repository.fetch()) == b"x"


def test_locks_of_a_killed_process_do_not_last(work: Work, repository: Repository, tmp_path: Path) -> None:
    work.commit({FILE: "one"})
    repository.accept(repository.fetch())
    copy = next((tmp_path / "cache").glob("*.git"))
    for name in ("shallow.lock", "packed-refs.lock", "refs/trueup/main.lock", "refs/trueup/main-incoming.lock"):
        (copy / name).touch()
    commit = work.commit({FILE: "two"})
    again = Repository(str(work.folder), "main", tmp_path / "cache")

    again.accept(again.fetch())

    assert again.known() == commit


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        pytest.param(lambda work: work.folder.rename(work.folder.with_name("gone")), "does not", id="gone"),
        pytest.param(lambda work: work.git("branch", "-m", "trunk"), "has no branch main", id="branch gone"),
    ],
)
def test_what_cannot_be_reached_says_why(work: Work, repository: Repository, break_it, said: str) -> None:
    work.commit({FILE: "x"})
    break_it(work)

    with pytest.raises(Unreachable, match=said):
        repository.head()


def test_a_cache_that_cannot_be_written_says_why(work: Work, tmp_path: Path) -> None:
    work.commit({FILE: "x"})
    (tmp_path / "cache").write_text("a file stands here")

    with pytest.raises(Unreachable, match="cache folder"):
        Repository(str(work.folder), "main", tmp_path / "cache").fetch()


def test_a_server_that_never_answers_leaves_no_process_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/a.git"
        started = time.monotonic()
        with pytest.raises(Unreachable, match="did not end within"):
            Repository(address, "main", tmp_path, timeout=0.5).head()
        assert time.monotonic() - started < 5

        assert not [command for command in _commands() if address in command]


@contextmanager
def _server(answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    asked: list[str] = []

    def elsewhere(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        request.send_response(302)
        request.send_header("Location", "/elsewhere/info/refs?service=git-upload-pack")
        request.end_headers()

    with _server(elsewhere) as host, pytest.raises(Unreachable):
        Repository(f"http://{host}/a.git", "main", tmp_path, timeout=5).head()

    assert not [path for path in asked if path.startswith("/elsewhere")]


def test_credentials_reach_the_server_and_no_list_of_processes(tmp_path: Path) -> None:
    seen: list[str] = []
    commands: list[str] = []

    def ask(request: BaseHTTPRequestHandler) -> None:
        if authorization := request.headers.get("Authorization"):
            seen.append(authorization)
            commands.extend(_commands())
        request.send_response(401)
        request.send_header("WWW-Authenticate", 'Basic realm="git"')
        request.end_headers()

    with _server(ask) as host, pytest.raises(Unreachable) as refused:
        Repository(f"http://ann:s3cr%40t@{host}/a.git", "main", tmp_path, timeout=10).head()

    assert seen[0] == "Basic YW5uOnMzY3JAdA=="
    assert "s3cr" not in str(refused.value)
    assert [command for command in commands if "ls-remote" in command]
    assert not [command for command in commands if "s3cr" in command]


@pytest.mark.parametrize("own", ["same host", "other host", "a folder", "none"])
def test_what_a_file_names_gets_our_credentials_on_our_own_host_alone(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEUP_GIT_TOKEN", "hush")
    seen: list[str] = []

    def ask(request: BaseHTTPRequestHandler) -> None:
        seen.append(request.headers.get("Authorization", ""))
        request.send_response(401)
        request.send_header("WWW-Authenticate", 'Basic realm="git"')
        request.end_headers()

    with _server(ask) as host:
        ours = {"same host": f"http://{host}/ours.git", "other host": "http://127.0.0.1:9/x.git", "none": ""}
        trees = Trees(tmp_path, own=ours.get(own, f"{tmp_path}"), timeout=5)
        with pytest.raises(Unreachable):
            trees.at(f"http://{host}/theirs.git", "1" * 40)

    assert seen
    assert any(seen) is (own == "same host")


def _commands() -> list[str]:
    """The command lines of all processes, as everybody on the machine can read them."""
    return [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]


def test_what_a_server_says_cannot_move_a_cursor(tmp_path: Path) -> None:
    def hostile(request: BaseHTTPRequestHandler) -> None:
        body = b"003c# service=git-upload-pack\n0000ERR \x1b[2J\x1b]0;owned\x07"
        request.send_response(200)
        request.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    with _server(hostile) as host, pytest.raises(Unreachable) as refused:
        Repository(f"http://{host}/a.git", "main", tmp_path, timeout=5).head()

    assert "\x1b" not in str(refused.value)


def test_two_processes_share_a_cache(work: Work, tmp_path: Path) -> None:
    """`plan` beside the daemon: neither fails on the other's locks."""
    work.commit({FILE: environment()})
    program = (
        "import sys, pathlib; from desired_state.repository import Repository\n"
        "r = Repository(sys.argv[1], 'main', pathlib.Path(sys.argv[2]))\n"
        "for _ in range(8): r.accept(r.fetch())\n"
    )
    command = [sys.executable, "-c", program, str(work.folder), str(tmp_path / "cache")]
    environ = os.environ | {"PYTHONPATH": f"{os.environ['PYTHONPATH']}:{Path(__file__).parents[2]}"}
    both = [subprocess.Popen(command, env=environ, stderr=subprocess.PIPE) for _ in range(2)]

    assert [process.communicate()[1] for process in both] == [b"", b""]
    assert [process.returncode for process in both] == [0, 0]
