"""Where a secret points and where it must: the judgement that a database and its services share."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from desired_state.model import Database, Endpoint
from reconcilers.contract import Absent, Stalled
from reconcilers.restoring import BROKEN
from reconcilers.secret_text import Address
from reconcilers.secret_values import unfit
from reconcilers.switch import Switch
from tests.reconcilers.fake_aws import ARN, SECRET, Fakes, refused
from tests.reconcilers.rds_world import (
    ASKED,
    DATA,
    DOMAIN,
    FROM,
    HOST,
    LIKE,
    NAME,
    NOW,
    PASSWORD,
    SNAPSHOT,
    TAKEN,
    V1,
    V2,
    V3,
    VERIFIED,
    ago,
    restore,
)

OLD = f"{LIKE}.{DOMAIN}"
HOUR = timedelta(hours=1)
KNOWN = {FROM: SNAPSHOT, ASKED: ago(10), DATA: TAKEN.isoformat()}


def holding(host: str, port: int = 5432, *, user: str = "app", password: str = "hunter2") -> str:
    return json.dumps({"username": user, "password": password, "host": host, "port": port})


def pinned(**more: Any) -> Database:
    return Database(secret=SECRET, **more)


@pytest.fixture
def aws() -> Fakes:
    """The secret points at the old instance, in its second version, which is older than the snapshot."""
    fakes = Fakes()
    fakes.secret.put(V1, holding("first"), TAKEN - 2 * HOUR)
    fakes.secret.put(V2, holding(OLD), TAKEN - HOUR)
    fakes.aws_rds.add(LIKE)
    fakes.aws_rds.snapshots[SNAPSHOT] = {
        "DBSnapshotIdentifier": SNAPSHOT,
        "DBInstanceIdentifier": LIKE,
        "Status": "available",
        "SnapshotCreateTime": TAKEN,
        "MasterUsername": "postgres",
        "AllocatedStorage": 20,
    }
    return fakes


def look(aws: Fakes, database: Database) -> Switch:
    aws.new_pass()
    return aws.switches.of(database)


# --- nothing is pinned


def test_what_pins_nothing_reads_no_value(aws: Fakes) -> None:
    found = look(aws, pinned(backups={"retention_days": 7}))
    assert (found.found, found.goal, found.elsewhere, found.pending) == ((), None, False, False)
    assert aws.calls == {"DescribeSecret": 1, "ListSecretVersionIds": 1}
    assert aws.switches.addresses(pinned()) == (Address(OLD, 5432),)


def test_a_secret_that_is_to_be_deleted_stalls_whatever_is_pinned(aws: Fakes) -> None:
    aws.secret.more = {"DeletedDate": NOW}
    for database in (pinned(), pinned(endpoint="new"), pinned(restore=restore())):
        with pytest.raises(Stalled, match="restore it"):
            look(aws, database)


# --- an endpoint


@pytest.mark.parametrize(
    ("endpoint", "goal", "elsewhere", "moves"),
    [
        pytest.param(OLD, Endpoint(host=OLD), False, False, id="where it is"),
        pytest.param(OLD.upper(), Endpoint(host=OLD.upper()), False, False, id="in capitals"),
        pytest.param(f"{OLD}:5433", Endpoint(host=OLD, port=5433), True, False, id="another port of the same host"),
        pytest.param("db.internal", Endpoint(host="db.internal"), True, True, id="a host of somebody else"),
        pytest.param("db.internal:6", Endpoint(host="db.internal", port=6), True, True, id="and its port"),
        pytest.param(f"other.{DOMAIN}", Endpoint(host=f"other.{DOMAIN}", port=5433), True, True, id="an instance"),
        pytest.param(
            f"OTHER.{DOMAIN}", Endpoint(host=f"OTHER.{DOMAIN}", port=5433), True, True, id="an instance in capitals"
        ),
        pytest.param(
            f"other.{DOMAIN}:9", Endpoint(host=f"other.{DOMAIN}", port=9), True, True, id="a port that is said"
        ),
        pytest.param(f"new.{DOMAIN}", Endpoint(host=f"new.{DOMAIN}"), True, True, id="an instance without a port"),
    ],
)
def test_a_pinned_endpoint_gets_the_port_of_its_instance_where_it_says_none(
    aws: Fakes, endpoint: str, goal: Endpoint, elsewhere: bool, moves: bool
) -> None:
    aws.aws_rds.add("other", Endpoint={"Address": f"other.{DOMAIN}", "Port": 5433})
    aws.aws_rds.add("new", Endpoint={"Address": f"new.{DOMAIN}"})
    aws.aws_rds.add("creating", Endpoint={})
    found = look(aws, pinned(endpoint=endpoint))
    assert (found.goal, found.elsewhere, found.moves, found.pending) == (goal, elsewhere, moves, moves)


def test_instances_are_asked_for_only_where_the_host_changes(aws: Fakes) -> None:
    for endpoint, asked in ((OLD, 0), (f"{OLD}:1", 0), ("db.internal:1", 1), ("db.internal", 1)):
        look(aws, pinned(endpoint=endpoint))
        assert aws.calls["DescribeDBInstances"] == asked


@pytest.mark.parametrize("error", [refused("AccessDenied"), refused("404", status=404)])
def test_an_endpoint_is_pinned_as_it_is_written_where_instances_may_not_be_read(aws: Fakes, error: Exception) -> None:
    aws.aws_rds.error = error
    assert look(aws, pinned(endpoint=f"other.{DOMAIN}")).goal == Endpoint(host=f"other.{DOMAIN}")


@pytest.mark.parametrize("error", [refused("Throttling"), refused("InternalFailure", status=500), OSError("no answer")])
def test_nothing_is_published_with_a_guessed_port_while_instances_cannot_be_read(aws: Fakes, error: Exception) -> None:
    aws.aws_rds.error = error
    for endpoint in (f"other.{DOMAIN}", f"other.{DOMAIN}:5433"):
        with pytest.raises(type(error)):
            look(aws, pinned(endpoint=endpoint))
    assert look(aws, pinned(endpoint=OLD)).goal == Endpoint(host=OLD)


def test_the_port_of_a_host_that_is_no_instance_is_the_one_that_it_had(aws: Fakes) -> None:
    aws.secret.texts |= {V1: holding("pooler.internal", 6432), V2: holding(OLD)}
    assert look(aws, pinned(endpoint="POOLER.internal")).goal == Endpoint(host="POOLER.internal", port=6432)
    assert look(aws, pinned(endpoint="other.internal")).goal == Endpoint(host="other.internal")


@pytest.mark.parametrize("status", sorted(BROKEN))
@pytest.mark.parametrize("port", ["", ":5432"])
def test_nobody_is_led_to_an_instance_that_takes_no_connections(aws: Fakes, status: str, port: str) -> None:
    aws.aws_rds.add("other", DBInstanceStatus=status)
    with pytest.raises(Stalled) as stalled:
        look(aws, pinned(endpoint=f"Other.{DOMAIN}{port}"))
    assert str(stalled.value) == (
        f"instance other is {status}: {BROKEN[status]}; nothing is published until it is available"
    )


@pytest.mark.parametrize("status", ["stopped", "deleting"])
def test_the_database_that_is_in_use_is_no_longer_led_to(aws: Fakes, status: str) -> None:
    aws.aws_rds.add(LIKE, DBInstanceStatus=status)
    assert not look(aws, pinned(endpoint=OLD)).elsewhere
    assert look(aws, pinned(endpoint=f"{OLD}:5433")).elsewhere


@pytest.mark.parametrize(
    ("login", "stalls"),
    [
        pytest.param({"password": "0ld"}, True, id="another password"),
        pytest.param({"user": "other"}, True, id="another user"),
        pytest.param({}, False, id="the same"),
    ],
)
def test_nobody_is_led_back_to_a_database_that_had_another_login(
    aws: Fakes, login: dict[str, Any], stalls: bool
) -> None:
    aws.secret.put(V3, holding("elsewhere", **login), NOW - HOUR)
    back = pinned(endpoint=Endpoint(host=OLD))
    if not stalls:
        assert look(aws, back).pending
        return
    with pytest.raises(Stalled) as stalled:
        look(aws, back)
    assert f"named {OLD} last with another login: pin secret_version: {V2} to go back" in str(stalled.value)
    assert f"secret_version: {V3} to keep" in str(stalled.value)
    for version in (V2, V3):
        assert look(aws, pinned(endpoint=Endpoint(host=OLD), secret_version=version)).pending


def test_an_instance_without_an_endpoint_listens_nowhere(aws: Fakes) -> None:
    aws.aws_rds.add("odd", Endpoint={})
    assert aws.rds.at("") is None


def test_two_places_that_disagree_are_elsewhere_and_move(aws: Fakes) -> None:
    text = json.dumps({"host": OLD, "port": 5432, "url": "postgres://app:hunter2@other:5432/x"})
    aws.secret.put(V3, text, TAKEN)
    found = look(aws, pinned(endpoint=OLD))
    assert found.found == (Address(OLD, 5432), Address("other", 5432))
    assert (found.elsewhere, found.moves, found.pending) == (True, True, True)


@pytest.mark.parametrize(
    "more",
    [
        {"OwningService": "rds"},
        {"PrimaryRegion": "eu-west-1"},
        {"VersionIdsToStages": {V1: ["AWSPENDING"], V2: ["AWSCURRENT"]}},
    ],
    ids=["managed", "a replica", "in rotation"],
)
def test_services_stand_still_for_nothing_that_cannot_be_written(aws: Fakes, more: dict[str, Any]) -> None:
    aws.secret.more = more
    found = look(aws, pinned(endpoint="new"))
    assert (found.elsewhere, found.moves, found.pending) == (True, True, False)


# --- the value of an earlier version


def test_an_earlier_version_is_put_where_the_current_value_is_another(aws: Fakes) -> None:
    found = look(aws, pinned(secret_version=V1))
    assert (found.renewed, found.moves, found.goal, found.pending) == (True, True, None, True)


def test_an_earlier_version_at_the_same_host_moves_nothing(aws: Fakes) -> None:
    aws.secret.put(V3, holding(OLD.upper(), password="rotated"), TAKEN)
    found = look(aws, pinned(secret_version=V2))
    assert (found.renewed, found.moves, found.elsewhere, found.pending) == (True, False, True, False)


def test_equal_values_are_in_sync_whatever_their_versions(aws: Fakes) -> None:
    aws.secret.put(V3, holding("first"), NOW)
    found = look(aws, pinned(secret_version=V1))
    assert (found.renewed, found.moves, found.elsewhere) == (False, False, False)


def test_an_earlier_version_is_compared_at_the_pinned_endpoint(aws: Fakes) -> None:
    database = pinned(secret_version=V1, endpoint="db.internal:6")
    found = look(aws, database)
    assert (found.renewed, found.moves, found.goal) == (True, True, Endpoint(host="db.internal", port=6))
    aws.secret.put(V3, holding("db.internal", 6), NOW)
    assert not look(aws, database).elsewhere


def test_an_earlier_version_is_put_once_with_the_port_of_the_pinned_instance(aws: Fakes) -> None:
    aws.aws_rds.add("other", Endpoint={"Address": f"other.{DOMAIN}", "Port": 5433})
    database = pinned(secret_version=V1, endpoint=f"other.{DOMAIN}")
    assert look(aws, database).goal == Endpoint(host=f"other.{DOMAIN}", port=5433)
    aws.secret.put(V3, holding(f"other.{DOMAIN}", 5433), NOW)
    found = look(aws, database)
    assert (found.renewed, found.elsewhere) == (False, False)


def test_a_version_that_names_no_host_leads_nowhere(aws: Fakes) -> None:
    aws.secret.texts[V1] = holding("")
    with pytest.raises(Stalled) as stalled:
        look(aws, pinned(secret_version=V1))
    assert str(stalled.value) == f"version {V1} of secret {SECRET} names no host: pin another secret_version"
    assert look(aws, pinned(secret_version=V1, endpoint="db.internal:6")).goal == Endpoint(host="db.internal", port=6)


def test_the_current_version_pinned_is_in_sync(aws: Fakes) -> None:
    assert not look(aws, pinned(secret_version=V2)).elsewhere


def test_whether_a_value_is_that_of_a_version_is_read_once(aws: Fakes) -> None:
    database = pinned(secret_version=V1)
    look(aws, database)
    look(aws, database)
    assert aws.calls == {"DescribeSecret": 1}
    aws.secret.put(V3, holding(OLD, 5433), NOW)
    assert look(aws, database).renewed
    assert aws.calls["GetSecretValue"] == 3  # the addresses, then the new value against the old one


def test_a_version_that_is_gone_is_absent_and_says_what_to_pin(aws: Fakes) -> None:
    with pytest.raises(Absent, match=f"secret {SECRET} has no version {V3} .any more.: pin another secret_version"):
        look(aws, pinned(secret_version=V3))


@pytest.mark.parametrize("text", [b"\0", "hunter2", '{"host": "hunter2@"}'])
@pytest.mark.parametrize("endpoint", [None, "new"])
def test_a_version_without_a_readable_value_stalls(aws: Fakes, text: str | bytes, endpoint: str | None) -> None:
    aws.secret.texts[V1] = text
    with pytest.raises(Stalled) as stalled:
        look(aws, pinned(secret_version=V1, endpoint=endpoint))
    assert SECRET in str(stalled.value)
    assert "hunter2" not in f"{stalled.value!r} {stalled.value.__cause__} {stalled.value.__context__}"


# --- a restore


def test_a_missing_instance_has_no_goal_and_the_services_go_on(aws: Fakes) -> None:
    found = look(aws, pinned(restore=restore()))
    assert found.restoring is not None
    assert [change.verb for change in found.restoring.steps] == ["restore"]
    assert (found.goal, found.elsewhere, found.moves, found.pending) == (None, False, False, False)


@pytest.mark.parametrize(
    ("current", "previous"),
    [
        pytest.param(HOST, "first", id="the secret names it"),
        pytest.param(OLD, HOST, id="its previous version names it"),
        pytest.param(OLD, HOST.upper(), id="in capitals"),
    ],
)
def test_an_instance_that_was_in_use_and_is_gone_is_not_brought_back(aws: Fakes, current: str, previous: str) -> None:
    aws.secret.texts[V2] = holding(previous)
    aws.secret.put(V3, holding(current), NOW)
    found = look(aws, pinned(restore=restore()))
    assert found.restoring is not None
    assert "was in use and is gone" in found.restoring.blocked


@pytest.mark.parametrize("text", [b"\0", "nonsense", "{"])
def test_a_previous_version_that_cannot_be_read_says_nothing(aws: Fakes, text: str | bytes) -> None:
    aws.secret.texts[V1] = text
    found = look(aws, pinned(restore=restore()))
    assert found.restoring is not None
    assert [change.verb for change in found.restoring.steps] == ["restore"]


def test_a_snapshot_that_is_not_there_is_absent(aws: Fakes) -> None:
    with pytest.raises(Absent, match="there is no snapshot other: correct its name in the file"):
        look(aws, pinned(restore=restore(snapshot="other")))
    with pytest.raises(Absent, match="there is no instance gone whose past could be restored"):
        look(aws, pinned(restore=restore(snapshot=None, to_time=TAKEN, of="gone")))


def test_a_point_in_time_is_that_of_the_instance_that_it_is_of(aws: Fakes) -> None:
    found = look(aws, pinned(restore=restore(snapshot=None, to_time=TAKEN, of=LIKE)))
    assert found.restoring is not None
    assert [change.verb for change in found.restoring.steps] == ["restore"]
    aws.aws_rds.instances[LIKE]["LatestRestorableTime"] = TAKEN - HOUR
    found = look(aws, pinned(restore=restore(snapshot=None, to_time=TAKEN, of=LIKE)))
    assert found.restoring is not None
    assert found.restoring.settling.startswith(f"by now {LIKE} can be restored to 2024-02-24T02:00:00Z")


def test_an_earlier_version_waits_for_the_instance(aws: Fakes) -> None:
    found = look(aws, pinned(restore=restore(), secret_version=V1))
    assert (found.goal, found.renewed, found.moves, found.elsewhere, found.pending) == (
        None,
        False,
        False,
        False,
        False,
    )


def test_a_shared_snapshot_is_asked_for_by_its_arn(aws: Fakes) -> None:
    arn = "arn:aws:rds:us-east-1:210987654321:snapshot:shared"
    aws.aws_rds.snapshots[arn] = aws.aws_rds.snapshots[SNAPSHOT]
    assert look(aws, pinned(restore=restore(snapshot=arn))).restoring is not None
    assert aws.calls["IncludeShared"] == 1
    look(aws, pinned(restore=restore()))
    assert aws.calls["IncludeShared"] == 0


@pytest.mark.parametrize(
    ("tags", "steps"),
    [
        pytest.param({}, ["set_password"], id="its password is that of the snapshot"),
        pytest.param({PASSWORD: V1}, ["set_password"], id="it has that of another version"),
        pytest.param({PASSWORD: V2}, [], id="it has that of this version"),
    ],
)
def test_the_master_user_gets_the_password_that_the_secret_has(
    aws: Fakes, tags: dict[str, str], steps: list[str]
) -> None:
    aws.secret.texts[V2] = holding(OLD, user="postgres")
    aws.aws_rds.add(NAME, tags={**KNOWN, **tags})
    found = look(aws, pinned(restore=restore()))
    assert found.restoring is not None
    assert [change.verb for change in found.restoring.steps] == steps
    assert found.goal == (None if steps else Endpoint(host=HOST, port=5432))
    assert (found.pending, found.moves) == (not steps, not steps)


def test_the_master_user_gets_the_password_of_the_pinned_version(aws: Fakes) -> None:
    aws.secret.texts[V1] = holding("first", user="postgres", password="earlier")
    aws.aws_rds.add(NAME, tags={**KNOWN, PASSWORD: V2})
    database = pinned(restore=restore(), secret_version=V1)
    found = look(aws, database)
    assert found.restoring is not None
    assert [change.asks for change in found.restoring.steps] == [
        ("set_password", "master_user=the password of the secret", V1)
    ]
    aws.aws_rds.add(NAME, tags={**KNOWN, PASSWORD: V1})
    found = look(aws, database)
    assert (found.goal, found.renewed, found.pending) == (Endpoint(host=HOST, port=5432), True, True)


def test_a_secret_that_names_the_restored_instance_reads_no_credentials(aws: Fakes) -> None:
    aws.secret.put(V3, json.dumps({"host": HOST.upper(), "port": 5432}), NOW)
    aws.aws_rds.add(NAME, tags={**KNOWN, VERIFIED: ago(1)})
    found = look(aws, pinned(restore=restore()))
    assert (found.goal, found.elsewhere, found.moves) == (Endpoint(host=HOST, port=5432), False, False)
    look(aws, pinned(restore=restore()))
    assert aws.calls == {"DescribeSecret": 1, "DescribeDBInstances": 1}


def test_a_restored_instance_with_another_port_is_published_without_a_move(aws: Fakes) -> None:
    aws.secret.put(V3, holding(HOST, 5433), NOW)
    aws.aws_rds.add(NAME, tags={**KNOWN, VERIFIED: ago(1)})
    found = look(aws, pinned(restore=restore()))
    assert (found.elsewhere, found.moves, found.pending) == (True, False, False)


def test_only_one_of_two_places_at_the_restored_instance_is_not_in_use_yet(aws: Fakes) -> None:
    aws.secret.put(V3, json.dumps({"host": HOST, "url": f"postgres://app:hunter2@{OLD}/x"}), TAKEN)
    aws.aws_rds.add(NAME, tags=KNOWN)
    found = look(aws, pinned(restore=restore()))
    assert found.restoring is not None
    assert (found.pending, found.restoring.later) == (True, ())


# --- a password that may not be that of the restored data


def outdated(aws: Fakes, **more: Any) -> str:
    aws.aws_rds.add(NAME, tags=KNOWN)
    found = look(aws, pinned(restore=restore(), **more))
    assert found.restoring is not None
    return found.restoring.blocked


def foretold(aws: Fakes, **more: Any) -> str:
    """The same, before the restore is made."""
    found = look(aws, pinned(restore=restore(), **more))
    assert found.restoring is not None
    assert [change.verb for change in found.restoring.steps] == ["restore"]
    (said,) = [each.message for each in found.restoring.advice if each.type == "password_outdated"] or [""]
    return said


SINCE = f"the restored data is of 2024-02-24T03:00:00Z, and secret {SECRET} has changed since"


def test_a_secret_older_than_the_data_has_the_password_of_the_data(aws: Fakes) -> None:
    assert outdated(aws) == ""
    aws.secret.made[V2] = TAKEN
    assert outdated(aws) == ""


def test_a_younger_secret_with_another_password_names_the_version_to_pin(aws: Fakes) -> None:
    aws.secret.put(V3, holding(OLD, password="rotated"), TAKEN + HOUR)
    assert outdated(aws) == (
        f"{SINCE}, so its password may not be the one of that time: pin secret_version: {V2} "
        f"(and to go back one day, {V3})"
    )


def test_a_restore_that_will_not_be_published_says_so_before_it_is_made(aws: Fakes) -> None:
    assert foretold(aws) == ""
    aws.secret.put(V3, holding(OLD, password="rotated"), TAKEN + HOUR)
    assert foretold(aws) == f"what is restored will not be published: {outdated(aws)}"


def test_what_was_in_use_before_may_have_got_the_new_password(aws: Fakes) -> None:
    aws.secret.put(V3, holding(OLD, password="rotated"), TAKEN + HOUR)
    aws.aws_rds.add(NAME, tags={**KNOWN, VERIFIED: ago(60)})
    assert look(aws, pinned(restore=restore())).goal == Endpoint(host=HOST, port=5432)


def test_a_password_that_cannot_be_told_may_be_another_too(aws: Fakes) -> None:
    text = {**json.loads(holding(OLD, password="rotated")), "url": f"postgres://app:hunter2@{OLD}/x"}
    aws.secret.put(V3, json.dumps(text), TAKEN + HOUR)
    said, why = foretold(aws), outdated(aws)
    assert why.startswith(f"secret {SECRET}: its key password and its key url name two different passwords")
    assert f"; {SINCE}" in why
    assert why in said
    aws.secret.made[V3] = TAKEN
    assert outdated(aws) == ""


def test_the_time_of_the_data_is_told_in_utc(aws: Fakes) -> None:
    aws.secret.put(V3, holding(OLD, password="rotated"), NOW)
    aws.aws_rds.add(NAME, tags={**KNOWN, DATA: "2024-02-24T03:55:00+01:00"})
    found = look(aws, pinned(restore=restore())).restoring
    assert found is not None
    assert found.blocked.startswith("the restored data is of 2024-02-24T02:55:00Z")


@pytest.mark.parametrize("host", [OLD, "another.example"])
def test_a_younger_secret_that_lets_the_same_user_in_is_as_good(aws: Fakes, host: str) -> None:
    aws.secret.put(V3, holding(host), TAKEN + HOUR)
    assert outdated(aws) == ""


def test_another_user_with_the_same_password_is_not_the_same(aws: Fakes) -> None:
    aws.secret.put(V3, holding(OLD, user="other"), TAKEN + HOUR)
    assert f"pin secret_version: {V2}" in outdated(aws)


def test_the_version_to_pin_is_the_newest_that_is_as_old_as_the_data(aws: Fakes) -> None:
    aws.secret.made |= {V1: TAKEN - HOUR, V2: TAKEN + HOUR}
    aws.secret.put(V3, holding(OLD, password="rotated"), TAKEN + 2 * HOUR)
    assert f"pin secret_version: {V1}" in outdated(aws)
    aws.secret.made[V2] = TAKEN
    assert f"pin secret_version: {V2}" in outdated(aws)


def test_without_a_version_as_old_a_person_has_to_know(aws: Fakes) -> None:
    aws.secret.made = {V1: TAKEN + HOUR, V2: TAKEN + 2 * HOUR}
    assert outdated(aws) == (
        f"{SINCE}; none of its versions is as old: put the user's password of that time into the secret, "
        f"or pin secret_version: {V2} if it is the same"
    )


@pytest.mark.parametrize("text", [b"\0", "nonsense", '{"host": "a"}', '{"host": "a", "user": "a", "username": "b"}'])
def test_an_old_version_that_cannot_be_read_lets_nobody_in(aws: Fakes, text: str | bytes) -> None:
    aws.secret.put(V3, holding(OLD), TAKEN + HOUR)
    aws.secret.texts[V2] = text
    assert f"pin secret_version: {V2}" in outdated(aws)
    del aws.secret.texts[V2]
    assert f"pin secret_version: {V2}" in outdated(aws)


def test_a_pinned_version_is_a_persons_word(aws: Fakes) -> None:
    aws.secret.put(V3, holding(OLD, password="rotated"), TAKEN + HOUR)
    assert outdated(aws, secret_version=V3) == ""


@pytest.mark.parametrize("data", ["", "yesterday", "2024-02-24 03:00:00"])
def test_an_instance_that_does_not_say_when_its_data_is_of_is_not_compared(aws: Fakes, data: str) -> None:
    aws.secret.put(V3, holding(OLD, password="rotated"), TAKEN + HOUR)
    aws.aws_rds.add(NAME, tags={**KNOWN, DATA: data})
    found = look(aws, pinned(restore=restore()))
    assert found.restoring is not None
    assert (found.restoring.blocked, found.goal) == ("", Endpoint(host=HOST, port=5432))


def test_the_master_user_needs_no_password_of_that_time(aws: Fakes) -> None:
    aws.secret.put(V3, holding(OLD, user="postgres", password="rotated"), TAKEN + HOUR)
    assert outdated(aws) == ""


def test_a_secret_without_credentials_is_published_with_a_word(aws: Fakes) -> None:
    aws.secret.texts[V2] = json.dumps({"host": OLD})
    aws.aws_rds.add(NAME, tags=KNOWN)
    found = look(aws, pinned(restore=restore()))
    assert found.restoring is not None
    assert found.goal == Endpoint(host=HOST, port=5432)
    assert [each.type for each in found.restoring.advice] == ["password_not_compared"]


@pytest.mark.parametrize(
    ("password", "fits"),
    [
        ("hunter22", True),
        ("hunter2", False),
        ("x" * 128, True),
        ("x" * 129, False),
        ("with space", False),
        ("with/slash", False),
        ('with"quote', False),
        ("with@sign1", False),
        ("with'#!~`1", True),
        ("with\u00e9clat", False),
        ("with\ttab1", False),
        ("with\n1234", False),
        ("12345678\n", False),
    ],
)
def test_a_password_that_rds_takes_for_a_master_user(aws: Fakes, password: str, fits: bool) -> None:
    aws.secret.put(V3, holding(OLD, password=password), TAKEN)
    found = aws.switches.values.credentials(aws.secrets.state(SECRET))
    said = unfit(SECRET, found)
    assert (said == "") is fits
    assert password not in said


# --- one look a pass, and what is kept of it


def test_one_database_is_looked_at_once_a_pass(aws: Fakes) -> None:
    database = pinned(restore=restore())
    first = look(aws, database)
    calls = dict(aws.calls)
    assert aws.switches.of(pinned(restore=restore())) is first
    assert aws.calls == calls
    aws.switches.forget(database)
    aws.switches.forget(database)  # also where nothing is known of it
    assert aws.switches.of(database) is not first


def test_databases_that_differ_are_told_apart(aws: Fakes) -> None:
    one, other = pinned(endpoint="new"), pinned(endpoint=OLD)
    assert look(aws, one).elsewhere
    assert not aws.switches.of(other).elsewhere
    assert aws.calls["DescribeSecret"] == 1


@pytest.mark.parametrize("error", [refused("AccessDeniedException"), RuntimeError("a mistake of ours")])
def test_an_error_is_kept_for_a_pass_and_raised_again(aws: Fakes, error: Exception) -> None:
    aws.secret.errors[V2] = error
    for _ in range(2):
        with pytest.raises(type(error)):
            aws.switches.of(pinned(endpoint="new"))
    assert aws.calls["GetSecretValue"] == 1
    del aws.secret.errors[V2]
    assert look(aws, pinned(endpoint="new")).elsewhere


def test_an_error_of_rds_is_kept_for_all_that_name_an_instance(aws: Fakes) -> None:
    aws.aws_rds.error = refused("Throttling")
    for name in (NAME, "another"):
        with pytest.raises(type(aws.aws_rds.error)):
            aws.switches.of(pinned(restore=restore(instance=name)))
    assert aws.calls["DescribeDBInstances"] == 1


def test_nothing_that_is_kept_carries_a_password(aws: Fakes) -> None:
    aws.secret.put(V3, holding(OLD, user="postgres", password="hunter2-rotated"), TAKEN + HOUR)
    aws.aws_rds.add(NAME, tags=KNOWN)
    for more in ({}, {"restore": restore()}, {"endpoint": "new"}, {"secret_version": V1}, {"secret_version": V2}):
        aws.switches.of(pinned(**more))
    aws.secret.texts[V1] = "hunter2"
    aws.secret.put("4" * 32, "hunter2", NOW)
    aws.new_pass()
    for more in ({"restore": restore()}, {"endpoint": "newer"}, {"secret_version": V2}):
        with pytest.raises(Stalled):
            aws.switches.of(pinned(**more))
    kept = walked((aws.switches, aws.secrets, aws.rds), set())
    assert ARN in kept
    assert "hunter2" not in kept


def walked(value: Any, seen: set[int]) -> str:
    """Everything that can be reached from a value, but for what stands in for AWS and the frames of errors."""
    if id(value) in seen or isinstance(value, type):
        return ""
    seen.add(id(value))
    if isinstance(value, dict):
        return " ".join(walked(each, seen) for pair in value.items() for each in pair)
    if isinstance(value, tuple | list | set | frozenset):
        return " ".join(walked(each, seen) for each in value)
    if isinstance(value, str | int | float | datetime | None):
        return str(value)
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    inner = {name: getattr(value, name) for name in slots if hasattr(value, name)} | getattr(value, "__dict__", {})
    inner.pop("_connection", None)
    if isinstance(value, BaseException):
        inner |= {"args": value.args, "cause": value.__cause__, "context": value.__context__}
    return f"{value!r} {walked(inner, seen)}"
