"""An earlier version of the secret: pinned, its value is put as a new one; and where a restore asks for it."""

import json
from datetime import timedelta

import pytest

from rehearsal.replaydash_names import DATABASE
from tests.end_to_end.inside import Inside
from tests.end_to_end.restores import (
    FIT,
    INSTANCE,
    RESTORE,
    REVERTED,
    address,
    assert_led_to,
    assert_stalled,
    at_rest,
    begun,
    committed,
    control,
    document,
    following,
    operations,
    pinned,
    put,
    restoring,
    rotate,
    shown,
    versions,
)
from tests.end_to_end.world import SECRET, World

NOBODY = "00000000-0000-4000-8000-000000000000"


def current(on: World) -> str:
    """The id of the version that is in use."""
    return next(each["VersionId"] for each in versions(on) if "AWSCURRENT" in each["VersionStages"])


def test_the_value_of_a_pinned_version_is_put_as_a_new_one_and_the_tasks_restart_once(slow: World) -> None:
    old, text = current(slow), slow.secret()
    put(slow, document(FIT))
    run = following(slow)
    deployment, held = slow.primary()["id"], len(versions(slow))

    slow.git.commit(pinned(f"secret_version: {old}"))
    at_rest(run)

    assert run.in_sync(), run.reasons()
    assert slow.secret() == text, "to the byte"
    assert (current(slow) == old, len(versions(slow))) == (False, held + 1)
    assert slow.writes() == ["PutSecretValue", "UpdateService"]
    assert slow.primary()["id"] != deployment
    slow.aws.clear_calls()
    slow.git.commit(pinned())
    at_rest(run)
    assert (run.in_sync(), slow.secret(), slow.writes()) == (True, text, []), "null asks for nothing"


def test_with_an_endpoint_the_old_value_leads_there(slow: World) -> None:
    old, text = current(slow), slow.secret()
    put(slow, document(FIT))
    following(slow)

    run = committed(slow, pinned(f"secret_version: {old}", host=address("other")))

    assert run.in_sync(), run.reasons()
    assert slow.secret() == text.replace(address(DATABASE), address("other"))
    assert slow.writes() == list(REVERTED)


def test_a_version_whose_value_is_in_use_already_asks_for_nothing(slow: World) -> None:
    following(slow)

    run = committed(slow, pinned(f"secret_version: {current(slow)}"))

    assert (run.in_sync(), slow.writes()) == (True, [])


def test_a_version_that_is_not_there_stalls(slow: World) -> None:
    following(slow)

    for text in (pinned(f"secret_version: {NOBODY}"), restoring(f"secret_version: {NOBODY}")):
        run = committed(slow, text)

        assert (run.conditions()["postgres"], slow.writes()) == ("stalled", [])
        assert f"has no version {NOBODY}" in run.reasons()["postgres"]
        assert "pin another secret_version, or none" in run.reasons()["postgres"]


def test_a_rotation_under_way_holds_back_the_value(slow: World) -> None:
    old = current(slow)
    put(slow, document(FIT))
    following(slow)
    slow.client("secretsmanager").put_secret_value(
        SecretId=SECRET, SecretString=slow.secret(), VersionStages=["AWSPENDING"]
    )
    slow.aws.clear_calls()

    run = committed(slow, pinned(f"secret_version: {old}"))

    assert (run.conditions()["postgres"], slow.writes()) == ("stalled", [])
    assert "AWSPENDING" in run.reasons()["postgres"]


def test_with_a_restore_the_master_gets_the_password_of_the_pinned_version(slow: World) -> None:
    old, text = current(slow), slow.secret()
    rotate(slow)
    following(slow)

    run = committed(slow, restoring(f"secret_version: {old}"))

    assert run.in_sync(), run.reasons()
    assert_led_to(slow, text)
    assert slow.writes().count("PutSecretValue") == 1
    assert not slow.aws.login(INSTANCE, json.loads(text)["username"], FIT)


def test_its_revert_leads_nobody_back_with_a_password_that_opens_nothing_and_says_what_to_pin(slow: World) -> None:
    old = current(slow)
    rotate(slow)
    following(slow)
    new, before = current(slow), slow.secret()
    committed(slow, restoring(f"secret_version: {old}"))
    slow.aws.clear_calls()

    slow.git.revert()
    stuck = at_rest(Inside(slow))
    assert_stalled(slow, stuck, "with another login", f"pin secret_version: {new}")
    run = committed(slow, pinned(f"secret_version: {new}"))

    assert run.in_sync(), run.reasons()
    assert_led_to(slow, before, DATABASE)


# --- a user that is not the master


@pytest.fixture
def app(slow: World) -> World:
    """The secret's user is one of the team's own, and there is a snapshot `mine` of when its password was another."""
    _let_in(slow, "app-one-1")
    slow.client("rds").create_db_snapshot(DBInstanceIdentifier=DATABASE, DBSnapshotIdentifier="mine")
    slow.aws.advance(3600)
    return slow


def _let_in(on: World, password: str) -> str:
    """The user gets this password, and the secret tells it; some time passes. The id of the new version."""
    control(on, "databases/roles", instance=DATABASE, user="app", password=password)
    version = put(on, document(password, "app"))
    on.aws.advance(3600)
    return version


def test_whose_password_has_changed_since_stalls_before_publishing_and_the_named_version_lets_it_go_on(
    app: World,
) -> None:
    then, before = current(app), document("app-one-1", "app")
    _let_in(app, "app-two-2")
    _let_in(app, "app-three-3")
    following(app)

    stuck = committed(app, restoring(snapshot="mine"))
    reason = stuck.reasons()["postgres"]
    written, condition = app.writes(), stuck.conditions()["postgres"]
    run = committed(app, restoring(f"secret_version: {then}", snapshot="mine"))

    assert (condition, written) == ("stalled", [RESTORE])
    assert f"secret {SECRET} has changed since" in reason
    assert f"pin secret_version: {then}" in reason
    assert run.in_sync(), run.reasons()
    assert_led_to(app, before)
    assert app.writes().count(RESTORE) == 1
    assert len(operations(app, "ModifyDBInstance")) == 1, "the master keeps its password"


def test_of_whose_password_no_version_is_as_old_stalls_and_the_newest_can_be_pinned(slow: World) -> None:
    at = (slow.aws.now() - timedelta(days=100)).isoformat()
    control(slow, "snapshots", region="us-east-1", instance=DATABASE, name="ancient", at=at)
    put(slow, document(FIT, "app"))
    following(slow)

    stuck = committed(slow, restoring(snapshot="ancient"))
    reason = stuck.reasons()["postgres"]
    run = committed(slow, restoring(f"secret_version: {current(slow)}", snapshot="ancient"))

    assert stuck.conditions()["postgres"] == "stalled"
    assert "none of its versions is as old" in reason
    assert run.in_sync(), run.reasons()
    assert json.loads(slow.secret())["host"] == address()


def test_whose_password_is_the_same_goes_on_by_itself(app: World) -> None:
    put(app, document("app-one-1", "app", host=address("elsewhere")))
    app.aws.advance(3600)
    following(app)
    before = app.secret()

    run = committed(app, restoring(snapshot="mine"))

    assert run.in_sync(), run.reasons()
    assert_led_to(app, before)


def test_without_a_user_in_the_secret_it_is_published_and_said_that_nothing_was_compared(slow: World) -> None:
    put(slow, json.dumps({"host": address(DATABASE), "port": 5432}))
    slow.aws.advance(60)
    slow.client("rds").create_db_snapshot(DBInstanceIdentifier=DATABASE, DBSnapshotIdentifier="mine")
    following(slow)
    run, said = begun(slow, restoring(snapshot="mine")), set[str]()
    while not shown(slow).get("Endpoint") or run.loop.unsettled:
        run.wait(run.step())
        said |= {each.type for r in run.loop.status().environments[0].resources for each in r.advice}

    assert json.loads(slow.secret())["host"] == address()
    assert "password_not_compared" in said
    assert [call for call in operations(slow, "ModifyDBInstance") if "MasterUserPassword" in call["summary"]] == []
