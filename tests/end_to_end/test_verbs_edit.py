"""The verbs that change the file: each touches the lines that it means and no other, and a daemon then enacts it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rehearsal.replaydash_names import GOOD_TAG, LIVE_TAG, PREVIOUS_TAG
from rehearsal.replaydash_tasks import api_environment
from tests.end_to_end.world import ALB, CLUSTER, ENVIRONMENT, FILE, HEAD, SERVICE, WORKER, Daemon, World, eventually

NOBODY = "http://127.0.0.1:1"
TEXT = f"""# What production must be. Ask Ann before you touch the worker.
{HEAD}
services:
  # serves the users
  api:
    cluster: {CLUSTER}
    service: {SERVICE}
    container: api    # the other one collects
    task_revision: 124   # since Tuesday

  worker: {{cluster: {CLUSTER}, service: {WORKER}, task_revision: 58}}   # mails

maintenance:
  enabled: false   # on for migrations
  load_balancer: {ALB}
"""


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NAME": "Ann", "EMAIL": "ann@example.test"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)


def pinning(*lines: str) -> str:
    """The file with more lines below the revision of the api."""
    return TEXT.replace("# since Tuesday", "\n    ".join(("# since Tuesday", *lines)))


def verb(on: World, name: str, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """A verb on the file of the work tree, as a script calls it."""
    done = on.trueup(name, str(on.git.folder / FILE), *words, "--yes")
    assert done.returncode == code, done.stdout + done.stderr
    return done


def changed(on: World) -> list[str]:
    """The lines that the last commit took out and put in."""
    lines = on.git.run("show", "--format=", "-U0", "HEAD").splitlines()
    assert on.git.run("show", "--format=", "--name-only", "HEAD") == FILE
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def enacted(on: World, daemon: Daemon) -> str:
    """The head of the branch, once it is in sync."""
    head = on.git.run("rev-parse", "HEAD")
    eventually(lambda: daemon.in_sync(head))
    return head


def environment_of(on: World) -> dict[str, str]:
    """What the API's own container finds in its environment."""
    container = next(c for c in on.running()["taskDefinition"]["containerDefinitions"] if c["name"] == "api")
    return {each["name"]: each["value"] for each in container["environment"]}


@contextmanager
def knowing(versions: list[dict[str, object]], environment: str = ENVIRONMENT) -> Iterator[str]:
    """The address of a daemon that has this to say of the versions of a file."""
    answer = {"environments": [{"environment": environment, "file": FILE, "versions": versions}]}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/api/v1/history"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


# --- rollback


def test_services_go_back_to_a_commit_to_the_letter(replaydash: World) -> None:
    daemon = replaydash.following(TEXT)
    good = replaydash.git.run("rev-parse", "HEAD")
    replaydash.git.commit(
        TEXT.replace("124   # since Tuesday", "122   # oh dear\n    env:\n      LOG_LEVEL: debug").replace(
            "enabled: false", "enabled: true"
        ),
        "Release",
    )
    enacted(replaydash, daemon)

    done = verb(replaydash, "rollback", "--to", good[:10])

    assert changed(replaydash) == [
        "-    task_revision: 122   # oh dear",
        "-    env:",
        "-      LOG_LEVEL: debug",
        "+    task_revision: 124   # since Tuesday",
    ]
    assert "though the file said something else then: maintenance" in done.stdout
    assert replaydash.git.run("show", "-s", "--format=%s") == f"Roll back the services of {ENVIRONMENT} to {good[:8]}"
    enacted(replaydash, daemon)
    assert replaydash.settled_on("124")
    assert replaydash.route()["status"] == 503, "maintenance is as it was"


def test_one_service_goes_back_and_the_others_stay(replaydash: World) -> None:
    first = replaydash.git.commit(TEXT)
    replaydash.git.commit(TEXT.replace("124 ", "122 ").replace("58}", "57}"))

    verb(replaydash, "rollback", "api", "--to", first)

    assert changed(replaydash) == [
        "-    task_revision: 122   # since Tuesday",
        "+    task_revision: 124   # since Tuesday",
    ]
    assert replaydash.once().returncode == 0
    assert replaydash.settled_on("124")
    assert replaydash.service(WORKER)["taskDefinition"].endswith(":57")


def test_a_commit_that_changed_another_file_means_what_this_one_said_then(replaydash: World) -> None:
    replaydash.git.commit(TEXT)
    other = replaydash.git.commit("words", "Write a letter", file="letter.txt")
    replaydash.git.commit(TEXT.replace("124 ", "122 "))

    verb(replaydash, "rollback", "--to", other[:12])

    assert changed(replaydash)[1:] == ["+    task_revision: 124   # since Tuesday"]


def test_a_revision_takes_out_what_would_be_laid_over_it(replaydash: World) -> None:
    overlaid = TEXT.replace(
        "124   # since Tuesday",
        f"124   # since Tuesday\n    image_tag: {GOOD_TAG}  # hot\n    env: {{LOG_LEVEL: debug}}",
    )
    daemon = replaydash.following(overlaid)

    done = verb(replaydash, "rollback", "api", "--to", "122")

    assert changed(replaydash) == [
        "-    task_revision: 124   # since Tuesday",
        f"-    image_tag: {GOOD_TAG}  # hot",
        "-    env: {LOG_LEVEL: debug}",
        "+    task_revision: 122   # since Tuesday",
    ]
    assert f"image_tag {GOOD_TAG} is taken out" in done.stdout
    assert "env is taken out (LOG_LEVEL)" in done.stdout
    enacted(replaydash, daemon)
    assert replaydash.settled_on("122")


def test_a_tag_goes_below_the_last_pin(replaydash: World) -> None:
    daemon = replaydash.following(TEXT)

    verb(replaydash, "rollback", "api", "--to", PREVIOUS_TAG)

    assert changed(replaydash) == [f"+    image_tag: {PREVIOUS_TAG}"]
    enacted(replaydash, daemon)
    images = [c["image"] for c in replaydash.running()["taskDefinition"]["containerDefinitions"]]
    assert any(image.endswith(f":{PREVIOUS_TAG}") for image in images)


def test_without_a_target_it_goes_to_the_last_version_that_was_verified(replaydash: World) -> None:
    text = f"{TEXT}verify: {{running_tasks: true}}\n"
    daemon = replaydash.following(text)
    replaydash.git.commit(text.replace("124 ", "999 "))
    eventually(lambda: daemon.stalled(replaydash.git.run("rev-parse", "HEAD")))
    replaydash.git.commit(text.replace("124 ", "122 "))
    enacted(replaydash, daemon)

    done = verb(replaydash, "rollback", "--daemon", f"http://{daemon.address}")

    assert changed(replaydash)[1:] == ["+    task_revision: 124   # since Tuesday"]
    assert "this is the last version that was verified" in done.stdout
    enacted(replaydash, daemon)
    assert replaydash.settled_on("124")


def test_a_verified_version_that_is_not_ready_is_skipped_and_said(replaydash: World) -> None:
    good, old, now = (replaydash.git.commit(TEXT.replace("124 ", f"{each} ")) for each in (121, 122, 123))
    missing = {"entry": "service api", "message": "the image is gone", "missing": True}
    told = [
        {"commit": now, "verified": True},
        {"commit": old, "verified": True, "ready": False, "findings": [missing]},
        {"commit": good, "verified": True, "ready": True},
    ]

    with knowing(told[:2]) as address:
        none = verb(replaydash, "rollback", "--daemon", address, code=1)
    with knowing(told) as address:
        done = verb(replaydash, "rollback", "--daemon", address)

    assert "of the versions that were verified, none is ready" in none.stderr
    assert changed(replaydash)[1:] == ["+    task_revision: 121   # since Tuesday"]
    assert "this is the last version that was verified and can be gone back to" in done.stdout
    assert f"skipped {old[:8]}" in done.stdout
    assert "not ready: service api: the image is gone" in done.stdout


def test_a_second_rollback_goes_further_back_and_never_forward(replaydash: World) -> None:
    commits = [replaydash.git.commit(TEXT.replace("124 ", f"{each} ")) for each in (121, 122, 123)]
    told: list[dict[str, object]] = [{"commit": each, "verified": True, "ready": True} for each in commits]

    with knowing(told) as address:
        for to in ("122", "121"):
            done = verb(replaydash, "rollback", "--daemon", address)
            assert changed(replaydash)[1:] == [f"+    task_revision: {to}   # since Tuesday"]
        no_more = verb(replaydash, "rollback", "--daemon", address, code=1)

    assert "it was gone back from already" in done.stdout
    assert "there is no version further back" in no_more.stderr


def test_after_a_revision_that_was_no_pin_before_a_person_chooses(replaydash: World) -> None:
    good = replaydash.git.commit(TEXT, "Release 124")
    verb(replaydash, "rollback", "api", "--to", "122")

    with knowing([{"commit": good, "verified": True, "ready": True}]) as address:
        done = verb(replaydash, "rollback", "api", "--daemon", address, code=1)

    assert "you went back already, by" in done.stderr
    assert "--to" in done.stderr


def test_a_revision_of_another_family_is_warned_of(replaydash: World) -> None:
    replaydash.git.commit(TEXT)

    other, own = (
        replaydash.trueup("rollback", str(replaydash.git.folder / FILE), "api", "--to", to, "--dry-run").stdout
        for to in (f"{WORKER}:58", f"{SERVICE}:122")
    )

    assert f"{WORKER}:58 is of another family: api runs {SERVICE} now" in " ".join(other.split())
    assert "another family" not in own


def test_where_nobody_knows_which_was_verified_a_person_chooses(replaydash: World) -> None:
    commits = [replaydash.git.commit(TEXT.replace("124 ", f"{each} "), f"Pin {each}") for each in range(120, 125)]
    before = [{"commit": commits[-2], "verified": False, "ready": False}]

    alone = verb(replaydash, "rollback", "--daemon", NOBODY, code=1)
    with knowing(before) as address:
        unsure = verb(replaydash, "rollback", "--daemon", address, code=1)
    with knowing(before, "staging") as address:
        other = verb(replaydash, "rollback", "--daemon", address, code=1)

    assert "no daemon answers at http://127.0.0.1:1" in alone.stderr
    assert "of the versions that the daemon knows, none was verified; the file has no `verify`, so" in unsure.stderr
    assert "its checks failed; not ready; api 123, worker 58" in unsure.stderr.splitlines()[-1]
    assert f"has no environment {ENVIRONMENT} (it has staging)" in other.stderr
    newest = [each[:8] for each in commits[-2::-1]]
    for done, order in ((alone, newest), (unsure, [*newest[1:], newest[0]]), (other, newest)):
        lines = done.stderr.splitlines()
        assert "Name the version to go back to with --to" in lines[1]
        assert [line.split()[0] for line in lines[2::2]] == order
        assert all(len(line) <= 80 for line in lines[1:])
    assert "Pin 123" in alone.stderr.splitlines()[2]
    assert "api 123, worker 58" in alone.stderr.splitlines()[3]
    assert replaydash.git.run("rev-parse", "HEAD") == commits[-1]


# --- the other verbs


def test_maintenance_comes_and_goes(replaydash: World) -> None:
    daemon = replaydash.following(TEXT)

    verb(replaydash, "maintenance", "on", "--message", "Back at noon: sorry", "--until", "2124-02-24T12:00:00+01:00")

    assert changed(replaydash) == [
        "-  enabled: false   # on for migrations",
        "+  enabled: true   # on for migrations",
        '+  message: "Back at noon: sorry"',
        "+  until: 2124-02-24T11:00:00Z",
    ]
    enacted(replaydash, daemon)
    assert replaydash.route()["body"] == "Back at noon: sorry"

    verb(replaydash, "maintenance", "off")

    assert changed(replaydash) == [
        "-  enabled: true   # on for migrations",
        "+  enabled: false   # on for migrations",
        "-  until: 2124-02-24T11:00:00Z",
        "+  until: null",
    ]
    enacted(replaydash, daemon)
    assert replaydash.route()["status"] is None


def test_a_restart_replaces_every_task(replaydash: World) -> None:
    daemon = replaydash.following(TEXT)
    before = replaydash.primary(WORKER)

    looked = replaydash.trueup("restart", str(replaydash.git.folder / FILE), "worker", "--dry-run")
    done = verb(replaydash, "restart", "worker")

    assert looked.returncode == 2, looked.stdout
    for shown in (looked, done):
        assert "service worker: restart" in shown.stdout
    (old, new) = changed(replaydash)
    at = new.partition("restarted_at: ")[2].partition("}")[0]
    assert new == f"+{old[1:].replace('}', f', restarted_at: {at}}}')}"
    assert abs(datetime.fromisoformat(at) - datetime.now(UTC)) < timedelta(minutes=1)
    enacted(replaydash, daemon)
    assert replaydash.primary(WORKER)["id"] != before["id"]
    assert replaydash.writes() == ["UpdateService"]


def test_a_bad_file_names_the_commit_that_broke_it(replaydash: World) -> None:
    replaydash.git.commit(TEXT)
    bad = replaydash.git.commit(TEXT.replace("services:", "servces:"))

    done = verb(replaydash, "restart", "worker", code=1)

    assert f"Commit {bad[:8]} broke it" in done.stderr
    assert f"git revert {bad[:8]} && git push" in done.stderr


def test_a_shutdown_and_the_way_back_that_it_names(replaydash: World) -> None:
    daemon = replaydash.following(TEXT)

    done = verb(replaydash, "shutdown", "api")

    assert changed(replaydash) == ["+    desired_count: 0"]
    assert f"to bring it back: trueup set {ENVIRONMENT} api desired_count=unset" in done.stdout
    enacted(replaydash, daemon)
    assert replaydash.service()["desiredCount"] == 0

    verb(replaydash, "set", "api", "desired_count=unset")

    assert (replaydash.git.folder / FILE).read_text() == TEXT
    enacted(replaydash, daemon)
    assert replaydash.service()["desiredCount"] == 4


def test_pins_are_set_and_unset(replaydash: World) -> None:
    daemon = replaydash.following(TEXT)

    verb(replaydash, "set", "api", f"image_tag={LIVE_TAG}", "env.LOG_LEVEL=debug", "env.NO=", "env.OLD_FLAG=null")

    assert changed(replaydash) == [
        f"+    image_tag: {LIVE_TAG}",
        "+    env:",
        "+      LOG_LEVEL: debug",
        '+      "NO": ""',
        "+      OLD_FLAG: null",
    ]
    enacted(replaydash, daemon)
    wanted = api_environment(124) | {"LOG_LEVEL": "debug", "NO": ""}
    del wanted["OLD_FLAG"]
    assert environment_of(replaydash) == wanted

    verb(replaydash, "set", "api", "image_tag=unset", "env=unset")

    assert (replaydash.git.folder / FILE).read_text() == TEXT
    enacted(replaydash, daemon)
    assert replaydash.settled_on("124")


def test_the_environment_of_a_former_revision_comes_back(replaydash: World) -> None:
    pinned = TEXT.replace(
        "124   # since Tuesday", "124   # since Tuesday\n    env:\n      LOG_LEVEL: trace  # loud\n      X: y"
    )
    daemon = replaydash.following(pinned)
    assert environment_of(replaydash)["X"] == "y"

    verb(replaydash, "set", "api", "env@121")

    assert changed(replaydash) == [
        "-      LOG_LEVEL: trace  # loud",
        "-      X: y",
        "+      LOG_LEVEL: info  # loud",
        '+      CACHE_TTL_SECONDS: "120"',
        "+      FEATURE_REPLAY: null",
    ]
    enacted(replaydash, daemon)
    assert environment_of(replaydash) == api_environment(121)


def test_by_name_the_branch_that_is_followed_is_changed(replaydash: World, tmp_path: Path) -> None:
    first = replaydash.git.commit(TEXT)
    replaydash.git.commit(TEXT.replace("124 ", "122 "))
    forge = tmp_path / "forge.git"
    replaydash.git.run("clone", "--quiet", "--bare", str(replaydash.git.folder), str(forge))
    where = ("--repository", str(forge), "--path", FILE, "--yes")

    back = replaydash.trueup("rollback", ENVIRONMENT, "api", "--to", first[:8], *where)
    page = replaydash.trueup("maintenance", ENVIRONMENT, "on", *where)
    json_of = replaydash.trueup("set", ENVIRONMENT, "worker", "task_revision=57", *where, "--output", "json")

    for done in (back, page, json_of):
        assert done.returncode == 0, done.stdout + done.stderr
    shown = json.loads(json_of.stdout)
    replaydash.git.run("fetch", "--quiet", str(forge), "main")
    assert shown["commit"] == replaydash.git.run("rev-parse", "FETCH_HEAD")
    assert shown["pushed"] is True
    text = replaydash.git.run("show", f"FETCH_HEAD:{FILE}") + "\n"
    assert text == TEXT.replace("enabled: false", "enabled: true").replace("58}", "57}")
