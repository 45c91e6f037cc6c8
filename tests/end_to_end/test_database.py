"""The endpoint in a database's secret: published, taken back, never a byte more, and the services restarted once."""

import json

import pytest

from rehearsal.replaydash_names import DATABASE_HOST, PASSWORD, URL
from tests.end_to_end.inside import Inside
from tests.end_to_end.world import SECRET, World, eventually, production

OTHER = "replaydash-production-postgres-restored.abc123.us-east-1.rds.amazonaws.com"
BARE = f"postgresql://replaydash:p%2Fw@{DATABASE_HOST}:5432/replaydash?sslmode=require"


def pinned(host: str) -> str:
    """The api on its live revision, following a database that must be at this host."""
    return production(api=["task_revision: 124", "databases: [postgres]"], postgres=[f"endpoint: {host}"])


def test_an_endpoint_is_published_and_its_services_restarted_once_and_a_revert_takes_both_back(
    replaydash: World,
) -> None:
    daemon = replaydash.following(pinned(DATABASE_HOST))
    before, deployment = replaydash.secret(), replaydash.primary()["id"]

    moved = replaydash.git.commit(pinned(OTHER))
    eventually(lambda: daemon.in_sync(moved))
    published, restarted = replaydash.secret(), replaydash.primary()["id"]
    reverted = replaydash.git.revert()
    eventually(lambda: daemon.in_sync(reverted))

    assert published == before.replace(DATABASE_HOST, OTHER), "every other byte is as it was"
    assert json.loads(published) == json.loads(before) | {"host": OTHER, "url": URL.replace(DATABASE_HOST, OTHER)}
    assert json.loads(published)["password"] == PASSWORD
    assert replaydash.secret() == before
    assert len({deployment, restarted, replaydash.primary()["id"]}) == 3
    assert replaydash.writes() == ["PutSecretValue", "UpdateService"] * 2
    assert replaydash.settled_on("124")


def test_there_and_back_again_is_four_versions_and_four_restarts(replaydash: World) -> None:
    """A token made from host and port alone would make the third write do nothing."""
    run = _following(replaydash, pinned(DATABASE_HOST))
    before = replaydash.secret()

    for host in (OTHER, DATABASE_HOST, OTHER, DATABASE_HOST):
        replaydash.git.commit(pinned(host))
        run.converge()
        assert run.in_sync(), run.conditions()
        assert json.loads(replaydash.secret())["host"] == host

    assert replaydash.secret() == before
    assert replaydash.writes() == ["PutSecretValue", "UpdateService"] * 4


def test_a_secret_that_is_one_url_keeps_everything_but_host_and_port(replaydash: World) -> None:
    _put(replaydash, SecretString=BARE)
    run = _following(replaydash, pinned(DATABASE_HOST))

    replaydash.git.commit(pinned(f"{OTHER}:6432"))
    run.converge()

    assert run.in_sync()
    assert replaydash.secret() == BARE.replace(f"{DATABASE_HOST}:5432", f"{OTHER}:6432")


def test_a_person_who_moves_the_secret_back_is_answered_with_a_younger_version(replaydash: World) -> None:
    run = _following(replaydash, pinned(DATABASE_HOST))
    replaydash.git.commit(pinned(OTHER))
    run.converge()
    replaydash.aws.clear_calls()

    _move_back(replaydash)
    run.wait(30)
    run.converge()

    assert run.in_sync(), run.conditions()
    assert json.loads(replaydash.secret())["host"] == OTHER
    assert replaydash.writes().count("PutSecretValue") == 1
    assert replaydash.writes().count("UpdateService") == 1, "tasks that started with the old value are replaced"


def test_a_person_who_moves_an_unpinned_secret_back_restarts_its_services_once(replaydash: World) -> None:
    run = _following(replaydash, pinned(DATABASE_HOST))
    replaydash.git.commit(pinned(OTHER))
    run.converge()
    replaydash.git.commit(production(api=["task_revision: 124", "databases: [postgres]"], postgres=[]))
    run.converge()
    replaydash.aws.clear_calls()
    run.wait(30)

    _move_back(replaydash)
    run.wait(30)
    for _ in range(3):
        run.converge()
        run.wait(30)

    assert run.in_sync(), run.conditions()
    assert replaydash.writes() == ["UpdateService"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("hunter2-only", "is not one URL", id="neither JSON nor a URL"),
        pytest.param('{"user": "x", "password": "hunter2-only"}', "neither a key host nor a key url", id="no host"),
        pytest.param('{"host": "a", "host": "b", "password": "hunter2-only"}', "one key twice", id="two hosts"),
        pytest.param(f"postgresql://u:hunter2-only@a,{OTHER}/x", "cannot be told", id="two hosts in one URL"),
        pytest.param(" ", "is not one URL", id="blank"),
    ],
)
def test_a_secret_that_cannot_be_read_for_certain_stalls_without_a_write(
    replaydash: World, text: str, said: str
) -> None:
    _put(replaydash, SecretString=text)
    replaydash.git.commit(pinned(OTHER))
    run = Inside(replaydash)

    run.converge()

    assert run.conditions()["postgres"] == "stalled"
    assert said in run.reasons()["postgres"]
    assert "hunter2" not in run.reasons()["postgres"]
    assert replaydash.secret() == text
    assert "PutSecretValue" not in replaydash.writes()


def test_a_rotation_under_way_is_left_alone(replaydash: World) -> None:
    run = _following(replaydash, pinned(DATABASE_HOST))
    _put(replaydash, SecretString='{"host": "new"}', VersionStages=["AWSPENDING"])

    replaydash.git.commit(pinned(OTHER))
    run.converge()

    assert run.conditions()["postgres"] == "stalled"
    assert "being rotated" in run.reasons()["postgres"]
    assert replaydash.writes() == []


def test_a_deleted_secret_is_left_alone_and_its_services_keep_running(replaydash: World) -> None:
    secrets = replaydash.client("secretsmanager")
    secrets.delete_secret(SecretId=SECRET)
    replaydash.aws.clear_calls()
    replaydash.git.commit(pinned(OTHER).replace("task_revision: 124", "task_revision: 123"))

    done = replaydash.once()

    assert done.returncode == 1
    assert "scheduled for deletion" in done.stderr
    assert "PutSecretValue" not in replaydash.writes()


def test_a_secret_that_is_not_there_is_said_after_a_second_look(replaydash: World) -> None:
    replaydash.git.commit(pinned(OTHER).replace("db/password", "db/passwort"))
    run = Inside(replaydash)

    run.loop.poll()
    run.step()
    first = run.conditions()["postgres"]
    run.converge()

    assert (first, run.conditions()["postgres"]) == ("retrying", "stalled")
    assert "PutSecretValue" not in replaydash.writes()


def _following(world: World, text: str) -> Inside:
    """The loop, in sync with this file."""
    world.git.commit(text)
    run = Inside(world)
    run.converge()
    assert run.in_sync(), run.conditions()
    world.aws.clear_calls()
    return run


def _put(world: World, **value: object) -> None:
    world.client("secretsmanager").put_secret_value(SecretId=SECRET, **value)
    world.aws.clear_calls()


def _move_back(world: World) -> None:
    """AWSCURRENT by hand from the newest version to the one before it."""
    secrets = world.client("secretsmanager")
    stages = {stage: version for version, held in _stages(secrets).items() for stage in held}
    secrets.update_secret_version_stage(
        SecretId=SECRET,
        VersionStage="AWSCURRENT",
        MoveToVersionId=stages["AWSPREVIOUS"],
        RemoveFromVersionId=stages["AWSCURRENT"],
    )
    world.aws.clear_calls()


def _stages(secrets) -> dict[str, list[str]]:
    return secrets.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
