"""Git as the world gives it: unreachable, rewritten, unchanged, with two files in a folder, and with a mode in each."""

import os
import shutil
import stat
import urllib.error
from datetime import timedelta
from pathlib import Path

import pytest

from tests.end_to_end.inside import Inside
from tests.end_to_end.world import CLUSTER, SERVICE, WORKER, Daemon, World, api, eventually, instant, production

STAGING = production(worker=["task_revision: 58"]).replace("environment: replaydash-production", "environment: worker")


def test_an_unreachable_repository_keeps_the_last_good_commit_in_force_also_across_a_restart(
    replaydash: World,
) -> None:
    daemon = replaydash.following(api("task_revision: 124"), interval=0.5)
    (replaydash.folder / "repository").rename(replaydash.folder / "away")
    eventually(lambda: daemon.status()["git"]["error"])
    fetches = 'trueup_git_fetches_total{repository="' + str(replaydash.git.folder) + '",result="unreachable"}'
    assert daemon.metric(fetches) >= 1
    _drift(replaydash, "121")
    eventually(lambda: replaydash.settled_on("124"))
    assert daemon.stop() == 0

    again = replaydash.daemon(interval=0.5)
    _drift(replaydash, "122")
    eventually(lambda: replaydash.settled_on("124"))
    assert again.status()["git"]["error"]
    eventually(lambda: again.environment()["in_sync"])
    assert '"reason"' in again.printed()

    (replaydash.folder / "away").rename(replaydash.folder / "repository")
    healed = replaydash.git.commit(api("task_revision: 123"))
    eventually(lambda: again.in_sync(healed))
    assert again.status()["git"]["error"] == ""


def test_a_daemon_that_never_reached_its_repository_writes_nothing_and_is_not_ready(replaydash: World) -> None:
    (replaydash.folder / "repository").rename(replaydash.folder / "away")
    daemon = replaydash.daemon(ready=False, interval=0.3)
    eventually(lambda: _answers(daemon) and daemon.status()["git"]["error"])

    assert _code(daemon, "/readyz") == 503
    assert _code(daemon, "/healthz") == 200
    (replaydash.folder / "away").rename(replaydash.folder / "repository")
    commit = replaydash.git.commit(api("task_revision: 123"))
    eventually(lambda: daemon.in_sync(commit))

    assert _code(daemon, "/readyz") == 200


def test_a_rewritten_head_is_followed_and_said(replaydash: World) -> None:
    daemon = replaydash.following(api("task_revision: 124"), interval=0.5)
    bad = replaydash.git.commit(api("task_revision: 122"))
    eventually(lambda: daemon.in_sync(bad))

    replaydash.git.run("reset", "--quiet", "--hard", "HEAD~1")
    forced = replaydash.git.commit(api("task_revision: 123"), "Instead")
    eventually(lambda: daemon.in_sync(forced))

    assert replaydash.settled_on("123")
    assert daemon.status()["git"]["rewritten"] is True
    assert '"rewritten": true' in daemon.printed()


def test_an_unchanged_head_costs_one_ls_remote(replaydash: World, monkeypatch: pytest.MonkeyPatch) -> None:
    log = _counting_git(replaydash.folder)
    monkeypatch.setenv("PATH", f"{log.parent / 'bin'}{os.pathsep}{os.environ['PATH']}")
    daemon = replaydash.following(api("task_revision: 124"), interval=0.3)
    before = _lines(log)

    daemon.after_passes(4)
    assert daemon.stop() == 0

    since = _lines(log)[len(before) :]
    assert set(since) == {"ls-remote"}
    assert 3 <= len(since) <= 8, "one for each poll"


def test_of_two_files_in_a_folder_a_bad_one_disturbs_only_itself(replaydash: World) -> None:
    (replaydash.git.folder / "envs").mkdir()
    replaydash.git.commit(STAGING, file="envs/worker.yaml")
    commit = replaydash.git.commit(api("task_revision: 124"), file="envs/api.yaml")
    daemon = replaydash.daemon(path="envs", interval=0.5)
    eventually(lambda: daemon.in_sync(commit) and daemon.environment("worker")["in_sync"])

    replaydash.git.commit("version: 1\nenvironment: [", file="envs/worker.yaml")
    moved = replaydash.git.commit(api("task_revision: 123"), file="envs/api.yaml")
    eventually(lambda: daemon.in_sync(moved))

    worker = daemon.environment("worker")
    assert (worker["valid"], worker["commit"] == moved) == (False, False)
    assert daemon.environment()["valid"]
    assert replaydash.settled_on("123")
    _drift(replaydash, "56", WORKER)
    eventually(lambda: replaydash.primary(WORKER)["taskDefinition"].endswith(":58"))


def test_a_second_claim_on_a_service_is_a_bad_commit_for_its_file(replaydash: World) -> None:
    (replaydash.git.folder / "envs").mkdir()
    first = replaydash.git.commit(api("task_revision: 124"), file="envs/api.yaml")
    daemon = replaydash.daemon(path="envs", interval=0.5)
    eventually(lambda: daemon.in_sync(first))

    claim = api("task_revision: 122").replace("environment: replaydash-production", "environment: thief")
    replaydash.git.commit(claim, file="envs/thief.yaml")
    eventually(lambda: daemon.status()["git"]["problems"])
    daemon.after_passes(2)

    assert "is claimed already by" in daemon.status()["git"]["problems"][0]["message"]
    assert replaydash.settled_on("124")
    assert replaydash.writes() == []


@pytest.mark.parametrize(
    ("mode", "reads", "condition"),
    [pytest.param("observe", True, "drifted", id="observe"), pytest.param("suspended", False, None, id="suspended")],
)
def test_a_mode_that_may_not_write_writes_nothing(
    replaydash: World, mode: str, reads: bool, condition: str | None
) -> None:
    replaydash.git.commit(f"mode: {mode}\n" + api("task_revision: 123", "desired_count: 1"))
    run = Inside(replaydash)

    run.loop.poll()
    run.step()
    run.wait(31)
    run.step()

    assert replaydash.writes() == []
    assert bool(replaydash.aws.calls()) is reads
    assert run.conditions().get("api") == condition


def test_an_environment_of_another_account_is_neither_read_nor_written(replaydash: World) -> None:
    other = api("task_revision: 123").replace("region: us-east-1", 'region: us-east-1, account: "999999999999"')
    replaydash.git.commit(other)

    done = replaydash.once()

    assert done.returncode == 1
    assert "the credentials are of account 123456789012, but the file names 999999999999" in done.stderr
    assert {call["service"] for call in replaydash.aws.calls()} == {"sts"}


def test_a_person_holds_a_service_by_a_tag_and_lets_it_go(replaydash: World) -> None:
    ecs = replaydash.client("ecs")
    arn = replaydash.service()["serviceArn"]
    until = instant(replaydash.aws.now() + timedelta(hours=1))
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "trueup:hold", "value": until}])
    replaydash.aws.clear_calls()
    replaydash.git.commit(api("task_revision: 123"))
    run = Inside(replaydash)
    run.converge()
    held = (run.conditions()["api"], run.reasons()["api"], replaydash.writes())

    run.wait(3700)
    run.converge()

    assert held == ("drifted", f"held by the tag trueup:hold until {until}", [])
    assert replaydash.settled_on("123")


def test_an_owner_that_trueup_cannot_see_is_fought_three_times_and_then_named(replaydash: World) -> None:
    replaydash.git.commit(api("task_revision: 124"))
    run = Inside(replaydash)
    run.converge()
    replaydash.aws.clear_calls()

    for _ in range(5):
        _drift(replaydash, "121")
        run.wait(31)
        run.converge()

    assert run.conditions()["api"] == "stalled"
    assert "contended: task_revision was repaired 3 times" in run.reasons()["api"]
    repairs = [call for call in replaydash.aws.calls() if call["summary"].get("taskDefinition", "").endswith(":124")]
    assert len([call for call in repairs if call["write"]]) == 3


def _drift(world: World, revision: str, service: str = SERVICE) -> None:
    """Somebody deploys by hand."""
    world.client("ecs").update_service(cluster=CLUSTER, service=service, taskDefinition=f"{service}:{revision}")


def _answers(daemon: Daemon) -> bool:
    try:
        return bool(daemon.get("/healthz"))
    except OSError:
        return False


def _code(daemon: Daemon, path: str) -> int:
    try:
        daemon.get(path)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def _counting_git(folder: Path) -> Path:
    """A git before the real one on the daemon's PATH, which writes down what it is asked. Returns its log."""
    log, real = folder / "git.log", shutil.which("git")
    wrapper = folder / "bin" / "git"
    wrapper.parent.mkdir()
    verbs = "ls-remote|fetch|init|cat-file|ls-tree|rev-list|rev-parse|update-ref|show-ref|for-each-ref"
    words = f'for word in "$@"; do case $word in {verbs}) echo $word >> {log}; break;; esac; done'
    wrapper.write_text(f'#!/bin/sh\n{words}\nexec {real} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return log


def _lines(log: Path) -> list[str]:
    return log.read_text().splitlines()
