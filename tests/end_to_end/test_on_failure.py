"""A release that AWS calls COMPLETED and that does not serve: held, or taken back by a commit of trueup's own."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.world import FILE, Daemon, World, api, eventually, world

FIRST, RELEASED = "124", "123"


@dataclass
class Health:
    """A page that answers 500 while anything else than a healthy revision runs, or always."""

    w: World
    port: int
    healthy: set[str] = field(default_factory=lambda: {FIRST, RELEASED, "122"})
    dead: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/health"

    @property
    def status(self) -> int:
        revision = self.w.primary()["taskDefinition"].rpartition(":")[2]
        return 500 if self.dead or revision not in self.healthy else 200


@contextmanager
def health(w: World) -> Iterator[Health]:
    """The page of the api, on this machine."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code = page.status
            body = b"ok" if code == 200 else b"no connection to the queue"
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    page = Health(w, server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield page
    finally:
        server.shutdown()
        thread.join()


@dataclass
class Team:
    """A world whose repository is a bare one that everybody pushes to, and a page that tells who is well."""

    w: World
    page: Health
    origin: Path
    verify: str = ""
    on_failure: str = "revert"

    def text(self, revision: str, *lines: str, more: str = "") -> str:
        checks = f"verify:\n  http: [{{url: {self.page.url}, contains: ok}}]  # as users do\n"
        return (
            api(f"task_revision: {revision}  # the release", *lines)
            + checks
            + f"on_failure: {self.on_failure}\n"
            + more
        )

    def commit(self, text: str, message: str = "Pin") -> str:
        self.w.git.run("pull", "--quiet", "--rebase", "origin", "main")
        commit = self.w.git.commit(text, message)
        self.w.git.run("push", "--quiet", "origin", "main")
        return commit

    def begin(self) -> Daemon:
        """A daemon that is in sync with the first revision, verified."""
        commit = self.commit(self.text(FIRST), "Pin what runs")
        daemon = self.w.daemon("--repository", str(self.origin))
        eventually(lambda: daemon.in_sync(commit))
        assert daemon.environment()["verified"] is True
        self.w.aws.clear_calls()
        return daemon

    def release(self, *lines: str, more: str = "") -> str:
        self.page.healthy = {FIRST, "122"}
        return self.commit(self.text(RELEASED, *lines, more=more), "Release the new checkout")

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.origin, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    @property
    def head(self) -> str:
        return self.git("rev-parse", "main")

    def shown(self, commit: str = "main") -> str:
        return self.git("show", f"{commit}:{FILE}") + "\n"


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    with world(tmp_path) as w, health(w) as page:
        origin = tmp_path / "origin.git"
        w.git.commit("", "Begin", file="README")
        subprocess.run(["git", "clone", "--quiet", "--bare", str(w.git.folder), str(origin)], check=True)
        w.git.run("remote", "add", "origin", str(origin))
        yield Team(w, page, origin)


def reason(daemon: Daemon) -> str:
    return str(daemon.resource("verification").get("reason", ""))


def test_a_release_that_does_not_serve_is_held_and_says_how_to_go_back(team: Team) -> None:
    team.on_failure = "hold"
    daemon = team.begin()
    commit = team.release()

    eventually(lambda: daemon.stalled(commit, "verification"), within=60)

    assert team.w.settled_on(RELEASED)
    assert f"{team.page.url}: " in reason(daemon)
    assert "500" in reason(daemon)
    assert f"git revert --no-edit {commit[:12]} && git push" in reason(daemon)
    assert daemon.environment()["verified"] is False
    assert daemon.metric('trueup_verified{environment="replaydash-production"}') == 0
    assert team.head == commit
    assert team.w.writes() == ["UpdateService"]

    team.page.healthy.add(RELEASED)
    eventually(lambda: daemon.in_sync(commit))
    assert daemon.environment()["verified"] is True


def test_a_release_that_does_not_serve_is_taken_back_by_one_commit(team: Team) -> None:
    daemon = team.begin()
    bad = team.release()

    eventually(lambda: team.head != bad, within=60)
    back = team.head
    eventually(lambda: daemon.in_sync(back), within=60)

    assert team.w.settled_on(FIRST)
    assert daemon.environment()["verified"] is True
    assert team.shown() == team.text(FIRST)
    assert team.git("rev-parse", f"{back}^") == bad
    message = team.git("log", "-1", "--format=%an%n%B")
    assert message.startswith("trueup\nTake back the services of replaydash-production")
    assert f"Trueup-Reverts: {bad}" in message
    assert f"Failed: http {team.page.url}" in message
    assert team.w.writes() == ["UpdateService", "UpdateService"]
    daemon.after_passes(3)
    assert team.head == back


def test_only_the_pins_of_services_are_taken_back(team: Team) -> None:
    daemon = team.begin()
    bad = team.release("env: {NEW_CHECKOUT: enabled}", more="limits: {changes_per_pass: 7}  # of our own\n")

    eventually(lambda: team.head != bad, within=90)
    back = team.head
    eventually(lambda: daemon.in_sync(back), within=60)

    assert team.shown() == team.text(FIRST, more="limits: {changes_per_pass: 7}  # of our own\n")


def test_a_way_back_that_does_not_serve_either_is_held(team: Team) -> None:
    daemon = team.begin()
    bad = team.release()
    eventually(lambda: team.head != bad, within=60)
    back = team.head
    team.page.dead = True

    eventually(lambda: daemon.stalled(back, "verification"), within=60)
    daemon.after_passes(3)

    assert team.head == back
    assert "a revert is never reverted" in reason(daemon)


def test_without_the_right_to_push_it_is_held_with_the_commands_to_paste(team: Team) -> None:
    daemon = team.begin()
    bad = team.release()
    hook = team.origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho main is protected, ask the platform team >&2\nexit 1\n")
    hook.chmod(0o755)

    eventually(lambda: "held: what runs stays" in reason(daemon), within=60)

    assert team.head == bad
    assert "the revert could not be pushed" in reason(daemon)
    assert f"git revert --no-edit {bad[:12]} && git push" in reason(daemon)
    assert team.w.settled_on(RELEASED)


def test_a_new_commit_wins(team: Team) -> None:
    daemon = team.begin()
    bad = team.release()
    eventually(lambda: team.w.settled_on(RELEASED))
    mended = team.commit(team.text("122"), "Another one")

    eventually(lambda: daemon.in_sync(mended), within=60)
    daemon.after_passes(3)

    assert (team.head, bad != mended) == (mended, True)


def test_a_daemon_that_was_killed_meanwhile_holds(team: Team) -> None:
    daemon = team.begin()
    bad = team.release()
    eventually(lambda: team.w.settled_on(RELEASED))
    daemon.kill()
    assert team.head == bad  # a failure counts after ten seconds at the earliest

    again = team.w.daemon("--repository", str(team.origin), ready=False)
    eventually(lambda: "since trueup was started after the commit came" in reason_or_none(again), within=60)
    assert team.head == bad


def reason_or_none(daemon: Daemon) -> str:
    try:
        return reason(daemon)
    except OSError:
        return ""


def test_once_holds_what_failed_and_says_so(team: Team) -> None:
    commit = team.commit(team.text(FIRST), "Pin what runs")
    team.page.dead = True

    ended = team.w.once("--repository", str(team.origin))

    assert ended.returncode == 1
    assert "verification verification: stalled" in ended.stderr
    assert team.head == commit
