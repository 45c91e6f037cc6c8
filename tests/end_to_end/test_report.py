"""`trueup report` after something happened: a drift by hand, a release that ECS gave up, one that failed its checks."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from rehearsal.replaydash_names import BAD_TAG
from tests.end_to_end.test_on_failure import Health, health
from tests.end_to_end.world import ALB, CLUSTER, ENVIRONMENT, FILE, SERVICE, Daemon, World, api, eventually, world

PINNED = ("task_revision: 124", "desired_count: 4")
BAD = (*PINNED, f"image_tag: {BAD_TAG}")
SUBJECT = "Release | `v2` <b>now</b>"


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, rollout=0.4) as made:
        yield made


def report(w: World, *words: str) -> subprocess.CompletedProcess[str]:
    """`trueup report` of everything in the last hour, from the repository."""
    where = ("--repository", str(w.git.folder), "--path", FILE)
    return w.trueup("report", ENVIRONMENT, *(words if "--since" in words else ("--since", "1h", *words)), *where)


def told(w: World, *words: str) -> dict[str, Any]:
    done = report(w, *words, "--output", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def of(daemon: Daemon) -> tuple[str, str]:
    return "--daemon", f"http://{daemon.address}"


def ann(w: World) -> Any:
    """ECS, as a person calls it by hand."""
    keys = {"aws_access_key_id": "ann", "aws_secret_access_key": "x"}
    return boto3.client("ecs", region_name="us-east-1", endpoint_url=w.aws.url, **keys)


def drift_by_hand(w: World, daemon: Daemon) -> None:
    """Ann scales the service down, and trueup has scaled it up again."""
    in_sync = len([event for event in events(daemon) if event["event"] == "in_sync"])
    ann(w).update_service(cluster=CLUSTER, service=SERVICE, desiredCount=2)
    eventually(lambda: len([event for event in events(daemon) if event["event"] == "in_sync"]) > in_sync)


def events(daemon: Daemon) -> list[dict[str, Any]]:
    return list(json.loads(daemon.get(f"/api/v1/events?environment={ENVIRONMENT}"))["events"])


def test_a_bad_release_and_its_revert_are_told_with_commits_deployments_and_times(w: World) -> None:
    daemon = w.following(api(*PINNED), interval=0.5)
    bad = w.git.commit(api(*BAD), SUBJECT)
    eventually(lambda: daemon.stalled(bad))
    good = w.git.revert()
    eventually(lambda: daemon.in_sync(good))

    found = told(w, *of(daemon))
    lines = [f"{line['source']}: {line['what']}" for line in found["timeline"]]
    text = "\n".join(lines)

    assert f"git: commit {bad[:8]} by Ann: {SUBJECT}" in text
    assert f"trueup: commit {bad[:8]} came into force" in text
    assert f"deployment of {SERVICE}:125 is rolled back by ECS itself to {SERVICE}:124: ECS deployment circuit" in text
    assert f"3 tasks of {SERVICE}:125 stopped" in text
    assert "Task failed container health checks" in text
    assert "service api is stalled (it was progressing): ECS gave up the rollout" in text
    assert f"trueup: everything is in sync with commit {good[:8]}" in text
    times = {(each["what"], each["about"]): each for each in found["times"]}
    assert times["act", f"commit {bad[:8]}"]["seconds"] < 5
    assert times["converge", f"commit {bad[:8]}"]["note"] == "not before the next commit"
    assert times["converge", f"commit {good[:8]}"]["seconds"] < 10
    assert times["recover", "service api was stalled"]["seconds"] > 0
    assert found["drifts"] == []
    assert [change["verb"] for change in found["changes"]] == ["deploy"]
    assert found["summary"].endswith(f"it ended in sync with commit {good[:8]}.")
    document = report(w, *of(daemon), "--since", bad[:10]).stdout
    assert "`` Release | `v2` <b>now</b> ``" in document
    assert "- [x] Check ECS task count matches desired count: `api` runs 4 of 4" in document


def test_whoever_changed_something_by_hand_is_named(w: World) -> None:
    daemon = w.following(api(*PINNED), interval=0.5)
    drift_by_hand(w, daemon)

    drift = told(w, *of(daemon))["drifts"][0]
    assert drift["drifts"] == [{"field": "desired_count", "live": "2", "desired": "4"}]
    assert [(call["who"], call["called"]) for call in drift["calls"]] == [("ann", "UpdateService")]
    assert drift["repaired_at"] > drift["at"]

    w.aws.fault("cloudtrail", "LookupEvents", "error", times=20)
    document = report(w, *of(daemon))
    assert document.returncode == 0
    assert "Who: not known: CloudTrail did not tell (see below)." in document.stdout
    assert "who changed something is not known: CloudTrail did not answer" in document.stdout


def test_a_release_that_fails_its_checks_is_told_with_the_evidence_and_the_checklist(w: World) -> None:
    with health(w) as page:
        _takes_back(w, page)


def _takes_back(w: World, page: Health) -> None:
    checks = (
        f"verify:\n  http: [{{url: {page.url}, contains: ok}}]\n  running_tasks: true\n"
        f"  target_group_healthy: {{load_balancer: {ALB}}}\non_failure: revert\n"
    )
    w.git.run("config", "receive.denyCurrentBranch", "updateInstead")
    first = w.git.commit(api("task_revision: 124") + checks, "Pin what runs")
    daemon = w.daemon(interval=0.5)
    eventually(lambda: daemon.in_sync(first))
    page.healthy = {"124"}
    bad = w.git.commit(api("task_revision: 123") + checks, "Release the new checkout")
    eventually(lambda: any(event["event"] == "reverted" for event in events(daemon)), within=60)
    back = w.git.run("rev-parse", "main")
    eventually(lambda: daemon.in_sync(back))

    found = told(w, *of(daemon), "--since", first)
    text = "\n".join(line["what"] for line in found["timeline"])
    assert f"commit {bad[:8]} failed its checks: http {page.url}: answered 500, not 200" in text
    assert f"took commit {bad[:8]} back by commit {back[:8]}, with the pins of {first[:8]}" in text
    assert f"commit {back[:8]} is verified: 3 checks held" in text
    assert f"it ended verified with commit {back[:8]}" in found["summary"] or "in sync with" in found["summary"]
    items = {item["item"]: item for item in found["checklist"]}
    assert items["Verify API is responding"]["done"]
    assert items["Verify API is responding"]["evidence"].startswith(f"{page.url} answered 200 in ")
    assert items["Review ALB target health"]["done"]
    assert items["Check ECS task count matches desired count"]["done"]
    assert not items["Check CloudWatch logs for errors"]["done"]
    assert not items["Update team on status"]["done"]
    verified = {each["about"]: each["seconds"] for each in found["times"] if each["what"] == "verify"}
    assert verified[f"commit {bad[:8]}"] is None
    assert verified[f"commit {back[:8]}"] > 0


def test_what_was_live_is_known_after_the_daemon_was_killed_and_without_any_daemon(w: World, tmp_path: Path) -> None:
    daemon = w.following(api(*PINNED), interval=0.5)
    drift_by_hand(w, daemon)
    before = events(daemon)
    kept = tmp_path / "cache" / "events.jsonl"
    eventually(lambda: len(kept.read_text().splitlines()) == len(before))
    daemon.kill()
    with kept.open("a") as file:
        file.write('{"at": "2024-02-')  # as a kill in the middle of a write leaves it

    again = w.daemon(interval=0.5)
    again.after_passes(3)
    assert events(again) == before, "a restart in sync is no event"
    assert again.stop() == 0

    offline = told(w, "--events", str(kept))
    assert [drift["calls"][0]["who"] for drift in offline["drifts"]] == ["ann"]
    assert [gap.partition(" before ")[0] for gap in offline["missing"]] == ["the daemon tells of nothing"]


def test_a_report_without_daemon_and_without_aws_says_what_is_missing(w: World, tmp_path: Path) -> None:
    commit = w.git.commit(api(*PINNED), "Pin what runs")
    w.aws.close()
    nobody = ("--daemon", "http://127.0.0.1:9", "--aws-timeout", "1")

    done = report(w, *nobody)
    assert done.returncode == 0, done.stderr
    assert f"git: commit `{commit[:8]}` by `Ann`: `Pin what runs`" in done.stdout
    assert "what the daemon saw and did is missing: no daemon answers at http://127.0.0.1:9" in done.stdout
    assert "what AWS knows is missing: " in done.stdout
    assert "There was 1 commit. Not known: what drifted, what was asked of AWS, whether" in done.stdout
    assert not re.search("no (drift|change)", done.stdout)
    assert "- [ ] Check ECS task count matches desired count: ECS was not read" in done.stdout

    file = tmp_path / "incident.md"
    assert report(w, *nobody, "--write", str(file)).returncode == 0
    assert file.read_text().startswith(f"# Incident report: `{ENVIRONMENT}`")
    file.write_text("what a person has written")
    refused = report(w, *nobody, "--write", str(file))
    assert refused.returncode == 1
    assert "is there already; name a file that is not" in refused.stderr
    assert file.read_text() == "what a person has written"


def test_what_cannot_be_reported_is_refused_in_one_line(w: World) -> None:
    w.git.commit(api(*PINNED), "Pin what runs")
    refusals = {
        ("--since", "yesterday"): "is no time; write 2h, 2024-02-24T12:00:00Z, or a commit",
        ("--since", "1h", "--until", "2h"): "which is not before",
        ("--since", "200d"): "is more than 80 days",
        ("--since", "1h", "--events", "none.jsonl"): "cannot be read",
    }
    for words, said in refusals.items():
        done = report(w, *words)

        assert done.returncode == 1, words
        assert said in done.stderr, words
        assert len(done.stderr.splitlines()) == 1, words
