"""From a snapshot to an endpoint that may be used: every state on the way, and what is said of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from desired_state.model import Endpoint
from reconcilers import rds_changes as verbs
from reconcilers.contract import Absent
from reconcilers.rds_reads import Instance, Snapshot
from reconcilers.restoring import (
    BROKEN,
    DEADLINE,
    USABLE,
    Restoring,
    Secret,
    free_name,
    kept_days,
    missing,
    present,
    span,
)
from tests.reconcilers.rds_world import (
    ASKED,
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
    VERIFIED,
    ago,
    at,
    instance,
    restore,
    restored,
    secret,
    snapshot,
    to_time,
)

GOAL = Endpoint(host=HOST, port=5432)
THERE = {LIKE: instance()}
MASTER = Secret(V2, "postgres")


def absent(
    pin: Any = None,
    source: Snapshot | Instance | None = None,
    like: Instance | None = THERE[LIKE],
    said: Secret | None = None,
    **instances: Instance,
) -> Restoring:
    return missing(pin or restore(), source or snapshot(), like, said or secret(), NOW, instances or THERE)


def there(
    found: Instance, said: Secret | None = None, pin: Any = None, like: Instance | None = THERE[LIKE]
) -> Restoring:
    return present(pin or restore(), found, like, said or secret(), NOW, {**THERE, found.name: found})


def steps(found: Restoring) -> list[str]:
    return [change.verb for change in (*found.steps, *found.later)]


def drifts(found: Restoring) -> list[tuple[str, str, str]]:
    return [(d.field, d.live, d.desired) for change in (*found.steps, *found.later) for d in change.drifts]


def advice(found: Restoring) -> list[str]:
    return [each.type for each in found.advice]


# --- there is none yet


def test_what_is_missing_is_restored_with_everything_that_a_restore_takes() -> None:
    found = absent()
    (change,) = found.steps
    assert isinstance(change, verbs.Restore)
    assert drifts(found) == [("instance", "absent", f"{NAME}, restored from {SNAPSHOT}")]
    assert change.source == {"DBSnapshotIdentifier": SNAPSHOT, "DBInstanceIdentifier": NAME}
    assert set(change.values) == set(THERE[LIKE].settings) - {"allocated_storage"}
    assert (change.data, change.takes) == (TAKEN, "")
    assert replace(found, steps=()) == Restoring()


def test_the_data_of_a_snapshot_without_a_time_is_of_now() -> None:
    (change,) = absent(source=snapshot(taken=None)).steps
    assert isinstance(change, verbs.Restore)
    assert change.data == NOW


@pytest.mark.parametrize(
    ("size", "wanted", "asked"),
    [
        pytest.param(20, 20, None, id="as large as the data"),
        pytest.param(50, 20, None, id="smaller than the data"),
        pytest.param(20, 50, 50, id="larger than the data"),
        pytest.param(20, None, None, id="not said"),
    ],
)
def test_storage_is_asked_for_only_where_it_is_more_than_the_data_has(
    size: int, wanted: int | None, asked: int | None
) -> None:
    pin, written = restore(), {} if wanted is None else {"allocated_storage": wanted}
    like = replace(THERE[LIKE], settings={**THERE[LIKE].settings, "allocated_storage": 5})
    for source in (snapshot(size=size), instance(settings={"allocated_storage": size})):
        (change,) = absent(restore(**written) if written else pin, source, like).steps
        assert isinstance(change, verbs.Restore)
        assert change.values.get("allocated_storage") == asked


def test_a_point_in_time_is_restored_from_the_instance_that_it_is_of() -> None:
    pin = to_time(at(60))
    found = absent(pin, instance())
    (change,) = found.steps
    assert isinstance(change, verbs.Restore)
    assert change.source == {
        "SourceDBInstanceIdentifier": LIKE,
        "TargetDBInstanceIdentifier": NAME,
        "RestoreTime": at(60),
    }
    assert change.data == at(60)
    assert drifts(found) == [("instance", "absent", f"{NAME}, restored from {LIKE} at 2024-02-24T11:00:00Z")]


WRITTEN = {"subnet_group": "a", "security_groups": ("sg-0123456789abcdef0",), "parameter_group": "p", "multi_az": False}


def test_without_like_it_gets_what_is_written() -> None:
    (change,) = absent(restore(like=None, **WRITTEN), like=None).steps
    assert isinstance(change, verbs.Restore)
    assert change.values == WRITTEN


IN_USE = f"instance {NAME} was in use and is gone: old data is not brought back by itself"
BEHIND = f"by now {LIKE} can be restored to 2024-02-24T11:55:00Z; RDS is minutes behind"
CLUSTER = "has to be restored by hand: then pin its endpoint"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(absent(said=secret(hosts=(f"other.{DOMAIN}", HOST))), IN_USE, id="in use, and gone"),
        pytest.param(absent(said=secret(hosts=(HOST.upper(),))), IN_USE, id="in use in capitals"),
        pytest.param(
            absent(said=secret(hosts=(f"{NAME}.abc.rds.cn-north-1.amazonaws.com.cn.",))), IN_USE, id="in use in China"
        ),
        pytest.param(absent(like=None), f"there is no instance {LIKE} to be like: correct restore.like", id="no like"),
        pytest.param(
            absent(source=snapshot(engine="aurora-postgresql")),
            f"{SNAPSHOT} is of a cluster (aurora-postgresql), which {CLUSTER}",
            id="a snapshot of Aurora",
        ),
        pytest.param(absent(like=instance(cluster="c")), f"{LIKE} is of a cluster (postgres)", id="like a cluster"),
        pytest.param(
            absent(to_time(at(60)), instance(cluster="c")), f"{LIKE} is of a cluster (postgres)", id="of a cluster"
        ),
        pytest.param(
            absent(source=snapshot(status="failed")),
            f"snapshot {SNAPSHOT} is failed: choose another one",
            id="a snapshot that failed",
        ),
        pytest.param(absent(source=snapshot(status="deleting")), "is deleting: choose another", id="one that goes"),
        pytest.param(absent(source=snapshot(status="")), f"snapshot {SNAPSHOT} is ", id="one without a status"),
        pytest.param(
            absent(to_time(at(-1)), instance()),
            f"{LIKE} at 2024-02-24T12:01:00Z is in the future: write an instant that has passed",
            id="the future",
        ),
        pytest.param(
            absent(to_time(at(60)), instance(settings={"backup_retention_days": 0})),
            f"instance {LIKE} keeps no automated backups, so it has no past to go back to; name a snapshot",
            id="no backups",
        ),
    ],
)
def test_what_cannot_be_restored_is_blocked(found: Restoring, words: str) -> None:
    assert words in found.blocked
    assert replace(found, blocked="") == Restoring()


@pytest.mark.parametrize("host", [f"{NAME}-2.{DOMAIN}", "db.example.com", NAME, "", f"{NAME}.example.com"])
def test_another_host_does_not_mean_that_it_was_in_use(host: str) -> None:
    assert steps(absent(said=secret(hosts=(host,)))) == ["restore"]


def test_what_was_in_use_is_told_a_name_that_is_free() -> None:
    instances = {f"{NAME}-2": instance(f"{NAME}-2"), LIKE: instance()}
    assert f"choose a new instance name, such as {NAME}-3," in absent(said=secret(hosts=(HOST,)), **instances).blocked


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(absent(source=snapshot(status="creating")), f"snapshot {SNAPSHOT} is creating", id="being taken"),
        pytest.param(absent(source=snapshot(status="copying")), f"snapshot {SNAPSHOT} is copying", id="being copied"),
        pytest.param(absent(to_time(at(4)), instance()), BEHIND, id="before RDS is as far"),
    ],
)
def test_what_cannot_be_restored_yet_is_waited_for(found: Restoring, words: str) -> None:
    assert (found.settling, found.pace) == (words, 5.0)
    assert replace(found, settling="", pace=0.0) == Restoring()


@pytest.mark.parametrize("minutes", [0, 5, 60])
def test_an_instant_that_rds_has_reached_is_restored(minutes: float) -> None:
    assert steps(absent(to_time(at(minutes)), instance(restorable=at(minutes)))) == ["restore"]
    assert steps(absent(to_time(at(minutes)), instance(restorable=None))) == ["restore"]


@pytest.mark.parametrize(
    ("instances", "takes"),
    [
        pytest.param((), "", id="none was restored before"),
        pytest.param(((30, 20),), "the last one took 10 min", id="one"),
        pytest.param(((30, 20), (90, 45)), "the last one took 10 min", id="the last of two"),
        pytest.param(((90, 45), (30, 20)), "the last one took 10 min", id="in whatever order"),
        pytest.param(((20, 30),), "", id="made before it was asked for: the tag is another's"),
        pytest.param(((30, None),), "", id="still being made"),
        pytest.param(((200, 20),), "the last one took 3.0 h", id="hours"),
    ],
)
def test_how_long_the_last_one_took(instances: tuple[tuple[int, int | None], ...], takes: str) -> None:
    named = {
        f"r{number}": instance(f"r{number}", tags={ASKED: ago(asked)}, created=None if made is None else at(made))
        for number, (asked, made) in enumerate(instances)
    }
    (change,) = absent(**{LIKE: instance()}, **named).steps
    assert isinstance(change, verbs.Restore)
    assert change.takes == takes


@pytest.mark.parametrize("asked", ["yesterday", "2024-01-25", "2024-01-25T12:00:00"])
def test_a_tag_that_is_no_instant_does_not_count(asked: str) -> None:
    (change,) = absent(**{LIKE: instance(tags={ASKED: asked})}).steps
    assert isinstance(change, verbs.Restore)
    assert change.takes == ""


def test_a_password_that_rds_will_not_take_is_said_before_the_restore_and_while_it_runs() -> None:
    unfit = Secret(V2, "postgres", unfit="too short")
    for found in (absent(said=unfit), there(restored(status="creating", host=""), unfit)):
        assert [(each.type, each.message) for each in found.advice] == [("password_unfit", "too short")]
    assert advice(absent(said=replace(unfit, user="app"))) == []


# --- whose it is


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(restored(cluster="c"), f"{NAME} belongs to the cluster c; only instances can be", id="a cluster"),
        pytest.param(
            instance(NAME),
            f"instance {NAME} is there already and was not restored by trueup, not from {SNAPSHOT}; it is left alone: "
            f"choose another instance name, such as {NAME}-2, or pin its endpoint instead",
            id="somebody else's",
        ),
        pytest.param(
            restored(tags={FROM: "another"}),
            f"instance {NAME} is there already and was restored from another, not from {SNAPSHOT}",
            id="from another snapshot",
        ),
        pytest.param(restored(tags={FROM: SNAPSHOT.upper()}), "was restored from RDS:", id="in capitals"),
        pytest.param(instance(NAME, tags={VERIFIED: ago(1)}), "was not restored by trueup", id="verified without from"),
    ],
)
@pytest.mark.parametrize("elsewhere", [True, False])
def test_an_instance_that_is_not_ours_is_left_alone(found: Instance, words: str, elsewhere: bool) -> None:
    seen = there(found, secret(elsewhere=elsewhere))
    assert words in seen.blocked
    assert replace(seen, blocked="") == Restoring()


def test_a_snapshot_with_a_name_too_long_for_a_tag_is_known_by_its_digest() -> None:
    arn = "arn:aws:rds:us-east-1:123456789012:snapshot:" + "a" * 250
    assert len(verbs.mark(arn)) <= 256
    assert verbs.mark(arn[:-1]) != verbs.mark(arn)
    assert there(restored(tags={FROM: verbs.mark(arn)}), pin=restore(snapshot=arn)).endpoint == GOAL


def test_a_point_in_time_is_known_whatever_its_offset() -> None:
    tags = {FROM: f"{LIKE} at 2024-02-24T11:00:00Z"}
    assert there(restored(tags=tags), pin=to_time(at(60).astimezone(ZoneInfo("Asia/Kolkata")))).endpoint == GOAL


# --- not in use yet


@pytest.mark.parametrize("status", sorted(USABLE))
def test_one_that_is_as_it_must_be_may_be_used(status: str) -> None:
    assert there(restored(status=status)) == Restoring(GOAL)


@pytest.mark.parametrize("status", sorted(BROKEN))
def test_one_that_is_broken_is_blocked(status: str) -> None:
    found = there(restored(status=status))
    assert found.blocked == (f"instance {NAME} is {status}: {BROKEN[status]}; or restore again under a new name")
    assert replace(found, blocked="") == Restoring()


def test_no_state_is_both_usable_and_broken() -> None:
    assert not USABLE & set(BROKEN)


@pytest.mark.parametrize("status", sorted(USABLE))
def test_one_that_is_available_and_shows_no_endpoint_is_not_published(status: str) -> None:
    with pytest.raises(Absent, match=f"{NAME} as {status} and without an endpoint: nothing is published"):
        there(restored(status=status, host="", port=None))


@pytest.mark.parametrize(
    ("found", "words", "pace"),
    [
        pytest.param(
            restored(status="creating", host="", created=None),
            f"RDS is creating {NAME} from {SNAPSHOT}, for 10 min so far; 10 to 15 min is usual",
            15.0,
            id="creating",
        ),
        pytest.param(
            restored(status="creating", host="", created=None, tags={ASKED: ago(0.1)}),
            f"RDS is creating {NAME} from {SNAPSHOT}, for some seconds so far; 10 to 15 min is usual",
            1.0,
            id="just asked for",
        ),
        pytest.param(
            restored(status="creating", tags={ASKED: ago(1.55)}),
            f"RDS is creating {NAME} from {SNAPSHOT}, for 90 s so far; 10 to 15 min is usual",
            4.65,
            id="in steps of ten seconds",
        ),
        pytest.param(
            restored(status="creating", tags={ASKED: "?"}, created=at(5)),
            f"RDS is creating {NAME} from {SNAPSHOT}, for 5 min so far; 10 to 15 min is usual",
            15.0,
            id="with a tag that is no instant",
        ),
        pytest.param(
            restored(status="creating", tags={ASKED: "?"}, created=None),
            f"RDS is creating {NAME} from {SNAPSHOT}, for some seconds so far; 10 to 15 min is usual",
            1.0,
            id="nobody knows since when",
        ),
        pytest.param(
            restored(status="modifying"),
            f"instance {NAME} is modifying; its restore began 10 min ago",
            15.0,
            id="other",
        ),
        pytest.param(
            restored(status="a state of next year"),
            f"instance {NAME} is a state of next year; its restore began 10 min ago",
            15.0,
            id="a state that nobody knows",
        ),
        pytest.param(
            restored(pending=frozenset({"Port", "MasterUserPassword"})),
            f"RDS is changing {NAME} (MasterUserPassword, Port); its restore began 10 min ago",
            15.0,
            id="pending values",
        ),
        pytest.param(
            restored(groups=frozenset({"in-sync", "pending-reboot", "applying", "pending-apply"})),
            f"RDS is applying the groups of {NAME} (applying, pending-apply)",
            15.0,
            id="groups",
        ),
    ],
)
def test_what_rds_is_still_doing_is_waited_for(found: Instance, words: str, pace: float) -> None:
    seen = there(found)
    assert (seen.settling, seen.overdue) == (words, "")
    assert seen.pace == pytest.approx(pace)
    assert replace(seen, settling="", pace=0.0) == Restoring()


@pytest.mark.parametrize(("minutes", "late"), [(119, False), (120, False), (121, True)])
def test_after_two_hours_it_is_overdue(minutes: float, late: bool) -> None:
    seen = there(restored(status="creating", host="", tags={ASKED: ago(minutes)}))
    assert timedelta(minutes=120) == DEADLINE
    assert seen.settling
    assert ("longer than any restore should take; look at its events" in seen.overdue) is late
    assert bool(seen.overdue) is late


# --- before it is used


def test_a_first_setting_that_differs_is_put_right_before_anything_else() -> None:
    differing = {"instance_class": "db.t4g.large", "parameter_group": "default.postgres16", "multi_az": False}
    found = there(restored(settings=differing, groups=frozenset({"pending-reboot"})), MASTER)
    assert steps(found) == ["correct_settings"]
    assert drifts(found) == [
        ("instance_class", "db.t4g.large", "db.t4g.medium"),
        ("parameter_group", "default.postgres16", "tuned"),
    ]
    assert (found.endpoint, found.blocked) == (None, "")


def test_one_that_cannot_be_changed_any_more_is_blocked() -> None:
    found = there(restored(settings={"subnet_group": "default", "instance_class": "x"}), MASTER)
    assert found.blocked == (
        f"instance {NAME} was not made as asked for, and cannot be changed: subnet_group is default, not private; "
        "restore again under a new name"
    )
    assert steps(found) == []


@pytest.mark.parametrize(
    "differing",
    [{"multi_az": False}, {"log_exports": ()}, {"tags": {}}, {"backup_retention_days": 1}, {"allocated_storage": 5}],
)
def test_what_can_be_put_right_in_use_holds_nothing_up(differing: dict[str, Any]) -> None:
    assert there(restored(settings=differing)) == Restoring(GOAL)


def test_what_is_written_counts_and_not_what_like_has() -> None:
    pin = restore(instance_class="db.r7g.large")
    assert drifts(there(restored(), pin=pin)) == [("instance_class", "db.t4g.medium", "db.r7g.large")]
    assert there(restored(settings={"instance_class": "db.r7g.large"}), pin=pin).endpoint == GOAL


def test_without_like_only_what_is_written_is_compared() -> None:
    """The instance that it was like is gone by now: what was made is still good."""
    differing = {"subnet_group": "default", "instance_class": "x"}
    assert there(restored(settings=differing), like=None).endpoint == GOAL


def test_parameters_take_effect_by_a_reboot_before_the_password_is_set() -> None:
    found = there(restored(groups=frozenset({"pending-reboot", "in-sync"})), MASTER)
    assert steps(found) == ["reboot"]
    assert drifts(found) == [("parameters", "pending-reboot", "in-sync")]


def test_the_master_user_gets_the_password_of_the_secret_before_it_is_used() -> None:
    found = there(restored(), MASTER)
    assert [change.asks for change in found.steps] == [
        ("set_password", "master_user=the password of the secret", V2),
    ]
    assert drifts(found) == [("master_user", "the password that it has", "the password of the secret")]
    assert found.endpoint is None


@pytest.mark.parametrize(
    ("tags", "said", "step"),
    [
        pytest.param({PASSWORD: V2}, MASTER, [], id="set already"),
        pytest.param({PASSWORD: V1}, MASTER, ["set_password"], id="that of another version"),
        pytest.param({}, Secret(V2, "Postgres"), [], id="users are told apart by capitals"),
        pytest.param({}, Secret(V2, "app"), [], id="another user"),
        pytest.param({}, Secret(V2), [], id="a user that cannot be told"),
    ],
)
def test_a_password_is_set_once_for_each_version(tags: dict[str, str], said: Secret, step: list[str]) -> None:
    assert steps(there(restored(tags=tags), said)) == step


def test_a_password_that_may_be_another_is_not_published() -> None:
    found = there(restored(), secret(outdated="pin secret_version"))
    assert (found.blocked, found.endpoint, steps(found)) == ("pin secret_version", None, [])


def test_what_the_secret_does_not_say_is_told() -> None:
    found = there(restored(), Secret(V2, unclear="secret x: it names no user"))
    assert (found.endpoint, advice(found)) == (GOAL, ["password_not_compared"])
    assert found.advice[0].message == (
        f"whether its password is that of instance {NAME} was not compared: secret x: it names no user"
    )


# --- in use


def used(found: Instance, **more: Any) -> Restoring:
    return there(found, Secret(V2, elsewhere=False), **more)


def test_one_that_was_verified_belongs_to_others() -> None:
    odd = {"instance_class": "x", "subnet_group": "y", "multi_az": False, "tags": {}}
    verified = restored(tags={VERIFIED: ago(1)}, settings=odd, status="modifying", pending=frozenset({"MultiAZ"}))
    assert used(verified) == Restoring(GOAL)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"pending": frozenset({"DBInstanceClass"})}, id="a change that waits for the maintenance window"),
        pytest.param({"groups": frozenset({"in-sync", "pending-maintenance-apply"})}, id="a group that does"),
        pytest.param({"groups": frozenset({"pending-reboot"})}, id="a group that waits for a reboot"),
        pytest.param({"settings": {"instance_class": "db.r7g.4xlarge", "subnet_group": "x"}}, id="other settings"),
        pytest.param({"created": at(60 * 24)}, id="made long ago"),
    ],
)
def test_one_that_was_verified_is_gone_back_to_as_it_is(more: dict[str, Any]) -> None:
    found = there(restored(tags={VERIFIED: ago(60), ASKED: ago(60 * 24)}, **more))
    assert (found.endpoint, steps(found), found.blocked, found.settling) == (GOAL, [], "", "")


def test_one_that_was_verified_is_not_being_restored_while_it_starts() -> None:
    found = there(restored(tags={VERIFIED: ago(60), ASKED: ago(600)}, status="starting"))
    assert (found.settling, found.overdue) == (f"instance {NAME} is starting", "")


def test_what_is_as_it_must_be_is_marked_so() -> None:
    found = used(restored())
    assert (steps(found), found.endpoint, found.advice) == (["mark_verified"], GOAL, ())
    assert all(change.aside for change in found.later)


def test_what_is_not_yet_as_it_must_be_is_completed() -> None:
    found = used(restored(settings={"multi_az": False, "tags": {}, "subnet_group": "default"}))
    assert steps(found) == ["complete_settings"]
    assert drifts(found) == [("multi_az", "false", "true"), ("tags", "{}", "{team: platform}")]
    assert all(change.aside for change in found.later)
    assert found.endpoint == GOAL


def test_what_can_never_be_as_it_must_be_is_said_once_and_marked() -> None:
    features = {"processor_features": (("coreCount", "2"),)}
    found = used(restored(), like=instance(settings=features))
    assert (steps(found), found.endpoint, advice(found)) == (["mark_verified"], GOAL, ["settings_differ"])
    assert "cannot be changed: processor_features is none, not [coreCount=2]" in found.advice[0].message


@pytest.mark.parametrize(
    "changed", [{"subnet_group": "default"}, {"instance_class": "db.r7g.4xlarge"}, {"publicly_accessible": True}]
)
def test_what_somebody_changed_while_it_is_in_use_is_not_changed_back(changed: dict[str, Any]) -> None:
    like = instance(settings={"publicly_accessible": False})
    found = used(restored(settings={"publicly_accessible": False, **changed}), like=like)
    assert (steps(found), found.endpoint, found.advice) == (["mark_verified"], GOAL, ())


def test_while_rds_takes_its_first_backup_nothing_is_changed_and_nothing_waits() -> None:
    differing = used(restored(status="backing-up", settings={"multi_az": False}))
    assert (steps(differing), differing.settling, advice(differing)) == ([], "", ["settings_follow"])
    assert used(restored(status="backing-up")) == Restoring(GOAL)


@pytest.mark.parametrize(
    "found",
    [restored(status="modifying"), restored(pending=frozenset({"MultiAZ"})), restored(status="storage-config-upgrade")],
)
def test_while_rds_is_busy_it_settles_aside(found: Instance) -> None:
    seen = used(found)
    assert seen == Restoring(GOAL, settling=f"RDS is still changing {NAME}, which is in use", aside=True)


@pytest.mark.parametrize("tags", [{}, {VERIFIED: ago(1)}])
def test_one_that_breaks_in_use_is_said_and_goes_on_being_pinned(tags: dict[str, str]) -> None:
    seen = used(restored(status="storage-full", tags=tags))
    assert seen == Restoring(
        GOAL, overdue=f"instance {NAME} is in use and storage-full: its storage is full: enlarge it"
    )


# --- going back to one that was in use before


def test_one_that_was_verified_is_published_again_whatever_its_settings_are_by_now() -> None:
    odd = {"instance_class": "x", "subnet_group": "y", "parameter_group": "z"}
    verified = {VERIFIED: ago(60 * 24), ASKED: ago(60 * 25)}
    found = there(restored(tags=verified, settings=odd, groups=frozenset({"pending-reboot"})))
    assert found == Restoring(GOAL)


def test_one_that_was_verified_is_never_overdue() -> None:
    found = there(restored(tags={VERIFIED: ago(60 * 24), ASKED: ago(60 * 25)}, status="starting"))
    assert (bool(found.settling), found.overdue, found.pace) == (True, "", 1.0)


def test_one_that_was_verified_gets_the_password_of_today() -> None:
    tags = {VERIFIED: ago(60), PASSWORD: V1}
    assert steps(there(restored(tags=tags), MASTER)) == ["set_password"]
    assert steps(there(restored(tags={**tags, PASSWORD: V2}), MASTER)) == []


def test_one_that_was_verified_and_is_stopped_waits_for_a_person() -> None:
    found = there(restored(tags={VERIFIED: ago(60)}, status="stopped"))
    assert "it is stopped: start it (StartDBInstance)" in found.blocked


# --- words and names


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "some seconds"),
        (0, "some seconds"),
        (9.9, "some seconds"),
        (10, "10 s"),
        (119, "110 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2.0 h"),
        (86400, "24.0 h"),
    ],
)
def test_a_time_as_people_say_it(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("name", "taken", "free"),
    [
        pytest.param("a", [], "a", id="nobody has it"),
        pytest.param("a", ["a"], "a-2", id="taken"),
        pytest.param("a", ["a", "a-2", "a-3"], "a-4", id="taken several times"),
        pytest.param("a" * 63, ["a" * 63], "a" * 59 + "-2", id="as long as a name may be"),
        pytest.param("a" * 58 + "-bcde", ["a" * 58 + "-bcde"], "a" * 58 + "-2", id="cut at a hyphen"),
        pytest.param(
            "a" * 58 + "-bcde", ["a" * 58 + "-bcde", "a" * 58 + "-2"], "a" * 58 + "-3", id="cut there, and taken"
        ),
    ],
)
def test_a_name_that_is_free(name: str, taken: list[str], free: str) -> None:
    found = free_name(name, taken)
    assert found == free
    assert len(found) <= 63
    assert "--" not in found


def test_how_long_backups_are_kept() -> None:
    assert kept_days(instance()) == 7
    assert kept_days(instance(settings={"backup_retention_days": 0})) == 0
    assert kept_days(replace(instance(), settings={})) == 0
    assert kept_days(None) == 0
