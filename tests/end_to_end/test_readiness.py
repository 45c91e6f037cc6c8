"""Whether the last versions can be gone back to, as a running daemon knows it: what goes missing is named, until it is
back. And `trueup history`, with a daemon and without."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.caller import Caller
from rehearsal.replaydash_names import API, API_RELEASES, DATABASE, DATABASE_HOST, PASSWORD
from tests.end_to_end.world import ENVIRONMENT, FILE, Daemon, World, eventually, production, world

RESTORED = f"{DATABASE}-restored"


def _ready(daemon: Daemon, back: int) -> dict[str, Any]:
    return next((each for each in daemon.environment().get("rollback_ready", []) if each["commits_back"] == back), {})


def _verdict(daemon: Daemon, back: int) -> bool | None:
    return _ready(daemon, back).get("ready")


def _missing(daemon: Daemon, back: int) -> list[str]:
    return [f"{each['entry']}: {each['message']}" for each in _ready(daemon, back)["findings"] if each["missing"]]


def _gauge(daemon: Daemon, back: int) -> float | None:
    return daemon.metric(f'trueup_rollback_ready{{commits_back="{back}",environment="{ENVIRONMENT}"}}')


def _history(on: World, address: str, *words: str) -> subprocess.CompletedProcess[str]:
    return on.trueup("history", *words, "--daemon", f"http://{address}")


def _of_git(on: World) -> tuple[str, ...]:
    return "--repository", str(on.git.folder), "--path", FILE


def test_what_goes_missing_in_aws_is_named_until_it_is_back(replaydash: World) -> None:
    ecr, ecs, image = replaydash.client("ecr"), replaydash.client("ecs"), {"imageTag": API_RELEASES[122]}
    for revision in ("121", "122", "123"):
        replaydash.git.commit(production(api=[f"task_revision: {revision}"]), f"Release {revision}")
    daemon = replaydash.following(production(api=["task_revision: 124"]))
    eventually(lambda: [_verdict(daemon, back) for back in (1, 2, 3)] == [True, True, True])
    assert [_gauge(daemon, back) for back in (1, 2, 3, 4)] == [1.0, 1.0, 1.0, None]

    manifest = ecr.batch_get_image(repositoryName=API, imageIds=[image])["images"][0]["imageManifest"]
    ecr.batch_delete_image(repositoryName=API, imageIds=[image])
    ecs.deregister_task_definition(taskDefinition=f"{API}:121")
    eventually(lambda: [_verdict(daemon, back) for back in (1, 2, 3)] == [True, False, False])

    assert [_gauge(daemon, back) for back in (1, 2, 3)] == [1.0, 0.0, 0.0]
    assert _missing(daemon, 2)[0].startswith(f"service api: image {API}:{API_RELEASES[122]} is not in ECR any more")
    assert _missing(daemon, 3)[0].startswith(f"service api: revision {API}:121 is deregistered")
    told = _history(replaydash, daemon.address, ENVIRONMENT).stdout
    assert f"not ready: service api: image {API}:{API_RELEASES[122]} is not in ECR any more" in told
    assert told.count("ready to go back to") == 1

    ecr.put_image(repositoryName=API, imageManifest=manifest, imageTag=API_RELEASES[122])
    content = ecs.describe_task_definition(taskDefinition=f"{API}:121")["taskDefinition"]
    takes = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    ecs.register_task_definition(**{key: value for key, value in content.items() if key in takes})
    eventually(lambda: [_verdict(daemon, back) for back in (1, 2, 3)] == [True, True, True])
    assert "RegisterTaskDefinition" not in daemon.get("/metrics"), "it looks, and never writes"


def test_a_snapshot_that_is_deleted_is_named_and_what_cannot_be_read_changes_no_verdict(slow: World) -> None:
    rds, here = slow.client("rds"), f"endpoint: {DATABASE_HOST}"
    taken = f"{DATABASE}-by-hand"
    rds.create_db_snapshot(DBInstanceIdentifier=DATABASE, DBSnapshotIdentifier=taken)
    Caller(slow.aws.url).ask("snapshots/status", name=taken, status="available")
    there = ["restore:", f"  snapshot: {taken}", f"  instance: {RESTORED}", f"  like: {DATABASE}"]
    slow.git.commit(production(postgres=there), "Go back to the data of then")
    daemon = slow.following(production(postgres=[here]))
    eventually(lambda: _verdict(daemon, 1) is True)

    rds.delete_db_snapshot(DBSnapshotIdentifier=taken)
    eventually(lambda: _verdict(daemon, 1) is False)
    assert _missing(daemon, 1)[0].startswith(f"database postgres: there is no snapshot {taken}")

    slow.aws.fault("rds", "DescribeDBSnapshots", "error", times=9)
    eventually(lambda: "DescribeDBSnapshots failed" in json.dumps(_ready(daemon, 1)))
    assert (_verdict(daemon, 1), _gauge(daemon, 1)) == (False, 0.0)
    assert _ready(daemon, 1)["told"] < _ready(daemon, 1)["looked"]
    slow.aws.clear_faults()

    rds.create_db_snapshot(DBInstanceIdentifier=DATABASE, DBSnapshotIdentifier=taken)
    eventually(lambda: _verdict(daemon, 1) is True)


def test_a_single_version_costs_no_call(replaydash: World) -> None:
    daemon = replaydash.following(production(api=["task_revision: 124"]))

    daemon.after_passes(5)

    assert {call["operation"] for call in replaydash.aws.calls()} == {"DescribeServices"}
    assert daemon.environment()["rollback_ready"] == []


def test_its_calls_are_counted_and_rest_for_half_a_second_each(replaydash: World) -> None:
    replaydash.git.commit(production(api=["task_revision: 123"]))
    daemon = replaydash.following(production(api=["task_revision: 124"]), interval=0.5)
    eventually(lambda: _verdict(daemon, 1))
    first = _ready(daemon, 1)["looked"]
    replaydash.aws.clear_calls()

    eventually(lambda: _ready(daemon, 1)["looked"] > first)

    looks = [call for call in replaydash.aws.calls() if call["operation"] == "DescribeImages"]
    assert len(looks) == 1
    assert (daemon.metric('trueup_aws_calls_total{code="ok",operation="DescribeImages",service="ecr"}') or 0) >= 2


# The verb


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Production in sync, after a few versions of its file. Nothing here writes to AWS."""
    with world(tmp_path_factory.mktemp("history"), rollout=0.4) as made:
        versions = (
            (["task_revision: 122"], "Release 122"),
            (["task_revision: 123", "image_tag: gone"], "Release 123 | with\x1b[31m colour"),
            (["task_revision: 123", "env:", "  LOG_LEVEL: hunter2"], "Say more"),
        )
        for lines, subject in versions:
            made.git.commit(production(api=lines, postgres=[f"endpoint: {DATABASE_HOST}"]), subject)
        made.git.commit(production(api=["task_revision: 124"], postgres=[f"endpoint: {DATABASE_HOST}"]), "Release 124")
        (made.folder / "nothing").mkdir()
        yield made


@pytest.fixture(scope="module")
def daemon(past: World) -> Daemon:
    found = past.daemon()
    eventually(lambda: [_verdict(found, back) for back in (1, 2, 3)] == [True, False, True])
    return found


def test_people_read_the_versions_from_the_daemon(past: World, daemon: Daemon) -> None:
    done = _history(past, daemon.address, ENVIRONMENT)

    lines = [line.strip() for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0] == f"{ENVIRONMENT}: the versions of {FILE} (times in UTC)"
    assert [line.split(" ", 2)[2] for line in lines if line.startswith(("now ", "1 ", "2 ", "3 "))][1:3] == [
        "Say more",
        "Release 123 | with\\x1b[31m colour",
    ]
    for part in (
        "pins api 123 1 env; database postgres",
        "going back changes: api 124 → 123, api env LOG_LEVEL",
        "pins api 123 gone; database postgres",
        "going back changes: api 124 → 122",
        "live since",
        "by Ann",
    ):
        assert part in done.stdout, part
    assert f"not ready: service api: image {API}:gone is not in ECR any more" in done.stdout
    assert f"to take the services back: trueup rollback {ENVIRONMENT} --to COMMIT" in done.stdout
    assert "hunter2" not in done.stdout
    assert PASSWORD not in done.stdout


@pytest.mark.parametrize("way", ["daemon", "repository", "file"])
def test_scripts_read_the_same_with_a_daemon_and_without(past: World, daemon: Daemon, way: str) -> None:
    nobody = "127.0.0.1:9"
    words = {
        "daemon": (daemon.address, ENVIRONMENT),
        "repository": (nobody, ENVIRONMENT, *_of_git(past)),
        "file": (nobody, str(past.git.folder / FILE)),
    }[way]

    done = _history(past, *words, "--output", "json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    versions = told["versions"]
    assert told["from_daemon"] is (way == "daemon")
    assert [each["commits_back"] for each in versions] == [0, 1, 2, 3]
    assert [each["ready"] for each in versions] == [None, True, False, True]
    assert [each["subject"] for each in versions][1:] == [
        "Say more",
        "Release 123 | with\\x1b[31m colour",
        "Release 122",
    ]
    assert versions[1]["changed"] == [
        {"entry": "service api", "key": "task_revision", "before": "124", "after": "123"},
        {"entry": "service api", "key": "env.LOG_LEVEL", "before": None, "after": None},
    ]
    assert {"entry": "service api", "key": "task_revision", "value": "122"} in versions[3]["pins"]
    assert [bool(each["live_since"]) for each in versions] == [way == "daemon", False, False, False]
    assert f"image {API}:gone" in versions[2]["findings"][0]["message"]
    assert past.writes() == []


def test_without_a_daemon_it_says_so_and_looks_by_itself(past: World) -> None:
    done = _history(past, "127.0.0.1:9", str(past.git.folder / FILE))

    assert done.returncode == 0
    assert "no daemon answers at http://127.0.0.1:9" in done.stdout
    assert "looked at now with your own credentials" in done.stdout
    assert "ready to go back to" in done.stdout


def test_where_nobody_knows_the_environment_it_says_both_reasons(past: World, daemon: Daemon) -> None:
    done = _history(past, daemon.address, "staging")

    assert (done.returncode, done.stdout) == (1, "")
    assert f"has no environment staging (it has: {ENVIRONMENT})" in done.stderr
    assert "and here there is no environment called staging" in done.stderr
