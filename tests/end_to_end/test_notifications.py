"""People are told what changed, by the real daemon over HTTP, and a receiver that is ill never holds up a pass."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rehearsal.replaydash_names import PASSWORD
from tests.end_to_end.test_on_failure import FIRST, Team, health
from tests.end_to_end.world import CLUSTER, ENVIRONMENT, SERVICE, World, api, eventually, world

TOKEN = "T0KEN-71c0"
NOTIFY = "notify: [{url_from: HOOK_URL, on: [drifted, stalled, in_sync, reverted]}]\n"
COUNTED = 'trueup_notifications_total{environment="replaydash-production",event="%s",result="%s"}'


class Hook:
    """A receiver on loopback. `answer`: the status of its answers; `slow`: the seconds until each."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.answer = 200
        self.slow = 0.0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.paths.append(self.path)
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(hook.slow)
                if hook.answer == 200:
                    hook.heard.append(said)
                self.send_response(hook.answer)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/{TOKEN}?to=production"

    @property
    def titles(self) -> list[str]:
        return [each["title"] for each in self.heard]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def _hook() -> Iterator[Hook]:
    hook = Hook()
    try:
        yield hook
    finally:
        hook.close()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    """A receiver whose URL the daemon has in HOOK_URL."""
    with _hook() as made:
        monkeypatch.setenv("HOOK_URL", made.url)
        yield made


def observed(pin: str) -> str:
    return NOTIFY + "mode: observe\n" + api(pin)


def enforced(pin: str) -> str:
    return NOTIFY + api(pin)


def test_drift_a_pin_that_cannot_be_and_the_end_of_both_are_told(replaydash: World, hook: Hook) -> None:
    daemon = replaydash.following(observed("task_revision: 124"), interval=0.3)
    replaydash.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=f"{SERVICE}:123")
    eventually(lambda: len(hook.heard) == 1)
    drifted = hook.heard[0]

    bad = replaydash.git.commit(enforced("task_revision: 999"), "Release what is not there")
    eventually(lambda: len(hook.heard) == 2)
    stalled = hook.heard[1]

    good = replaydash.git.commit(enforced("task_revision: 124"), "Pin what there is")
    eventually(lambda: daemon.in_sync(good))
    eventually(lambda: len(hook.heard) == 3)
    in_sync = hook.heard[2]
    daemon.after_passes(3)

    assert drifted["title"].startswith(f"{ENVIRONMENT}: drifted at ")
    assert f"task_revision {SERVICE}:123 -> {SERVICE}:124" in drifted["message"]
    assert (drifted["type"], drifted["environment"], drifted["event"]) == ("warning", ENVIRONMENT, "drifted")
    assert stalled["title"] == f"{ENVIRONMENT}: stalled at {bad[:7]}"
    assert f"commit {bad[:7]} by Ann: Release what is not there" in stalled["message"]
    assert "service api: stalled: " in stalled["message"]
    assert (stalled["type"], stalled["commit"]) == ("failure", bad)
    assert in_sync["title"].startswith(f"{ENVIRONMENT}: in sync at {good[:7]} after ")
    assert in_sync["type"] == "success"
    assert set(hook.paths) == {f"/hooks/{TOKEN}?to=production"}
    assert len(hook.heard) == 3
    assert daemon.metric(COUNTED % ("stalled", "sent")) == 1
    assert daemon.stop() == 0
    said = daemon.printed() + json.dumps(hook.heard)
    assert TOKEN not in said
    assert PASSWORD not in said


@pytest.mark.parametrize("ill", ["down", "slow", "refusing"])
def test_a_receiver_that_is_ill_holds_up_no_pass(
    replaydash: World, hook: Hook, ill: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ill == "down":
        monkeypatch.setenv("HOOK_URL", f"http://127.0.0.1:1/{TOKEN}")
    hook.slow, hook.answer = (30.0 if ill == "slow" else 0.0), (500 if ill == "refusing" else 200)
    daemon = replaydash.following(enforced("task_revision: 124"), interval=0.3)

    bad = replaydash.git.commit(enforced("task_revision: 999"))
    eventually(lambda: daemon.stalled(bad))
    if ill != "down":
        eventually(lambda: hook.paths)
    started = time.monotonic()
    daemon.after_passes(8)
    assert time.monotonic() - started < 10, "passes go on at their pace"

    good = replaydash.git.commit(enforced("task_revision: 123"))
    eventually(lambda: daemon.in_sync(good), within=15)
    if ill != "slow":
        eventually(lambda: daemon.metric(COUNTED % ("stalled", "failed")) == 1, within=40)
        eventually(lambda: "notify_failed" in daemon.printed())
        line = next(json.loads(line) for line in daemon.printed().splitlines() if "notify_failed" in line)
        assert line["url_from"] == "HOOK_URL"
    started = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - started < 6
    assert TOKEN not in daemon.printed()
    assert "Traceback" not in daemon.printed()


def test_a_restart_tells_nothing_again_and_a_kill_loses_what_was_not_sent_only(replaydash: World, hook: Hook) -> None:
    daemon = replaydash.following(enforced("task_revision: 124"), interval=0.3)
    replaydash.git.commit(enforced("task_revision: 999"))
    eventually(lambda: len(hook.heard) == 1)
    daemon.kill()

    again = replaydash.daemon(interval=0.3)
    eventually(lambda: again.condition() == "stalled")
    again.after_passes(4)
    assert len(hook.heard) == 1, "it was so before"

    good = replaydash.git.commit(enforced("task_revision: 123"))
    eventually(lambda: again.in_sync(good))
    eventually(lambda: len(hook.heard) == 2)
    assert hook.titles[1].startswith(f"{ENVIRONMENT}: in sync at {good[:7]} after ")


def test_what_healed_while_nobody_looked_is_told(replaydash: World, hook: Hook) -> None:
    daemon = replaydash.following(observed("task_revision: 124"), interval=0.3)
    ecs = replaydash.client("ecs")
    ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=f"{SERVICE}:123")
    eventually(lambda: len(hook.heard) == 1)
    daemon.stop()
    ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=f"{SERVICE}:124")
    eventually(lambda: replaydash.settled_on("124"))

    again = replaydash.daemon(interval=0.3)
    eventually(lambda: len(hook.heard) == 2)
    assert hook.titles[1].endswith(" again")
    assert again.stop() == 0


def test_without_the_variable_it_goes_on_and_says_so_once(replaydash: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_URL", raising=False)
    daemon = replaydash.following(enforced("task_revision: 124"), interval=0.3)
    bad = replaydash.git.commit(enforced("task_revision: 999"))
    eventually(lambda: daemon.stalled(bad))
    eventually(lambda: daemon.metric(COUNTED % ("stalled", "unconfigured")) == 1)
    daemon.after_passes(2)

    lines = [line for line in daemon.printed().splitlines() if "notify_failed" in line]
    assert len(lines) == 1
    assert "no such environment variable" in lines[0]


def test_a_url_that_nobody_understands_is_said_without_it(replaydash: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_URL", f"nonsense://{TOKEN}")
    daemon = replaydash.following(enforced("task_revision: 124"), interval=0.3)
    replaydash.git.commit(enforced("task_revision: 999"))
    eventually(lambda: daemon.metric(COUNTED % ("stalled", "failed")) == 1)

    assert "is no URL that can be told anything" in daemon.printed()
    assert TOKEN not in daemon.printed()


def test_a_release_that_was_taken_back_is_told_and_that_production_is_well_again(tmp_path: Path, hook: Hook) -> None:
    with world(tmp_path, rollout=0.4) as w, health(w) as page:
        origin = tmp_path / "origin.git"
        w.git.run("init", "--quiet", "--bare", "--initial-branch=main", str(origin))
        w.git.run("remote", "add", "origin", str(origin))
        w.git.commit("# a README\n", file="README")
        w.git.run("push", "--quiet", "origin", "main")
        team = Team(w, page, origin)
        before = team.commit(team.text(FIRST, more=NOTIFY), "Pin what runs")
        daemon = w.daemon("--repository", str(origin))
        eventually(lambda: daemon.in_sync(before))

        bad = team.release(more=NOTIFY)
        eventually(lambda: any(title.endswith("was taken back") for title in hook.titles), within=60)
        eventually(lambda: "in sync at" in hook.titles[-1], within=60)

        reverted = next(each for each in hook.heard if each["event"] == "reverted")
        assert reverted["title"] == f"{ENVIRONMENT}: {bad[:7]} failed its checks and was taken back"
        assert f"commit {team.head[:7]} pins its services again as {before[:7]} did" in reverted["message"]
        assert hook.titles[-1].startswith(f"{ENVIRONMENT}: in sync at {team.head[:7]} after ")
        assert len([title for title in hook.titles if "taken back" in title]) == 1
