"""The database rollback, killed at every write and with every call going wrong: nothing is lost, nothing made twice."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from botocore.retries.standard import ExponentialBackoff

from rehearsal.replaydash_names import DATABASE
from tests.end_to_end.inside import Inside, Killed
from tests.end_to_end.restores import (
    RESTORE,
    REVERTED,
    WRITES,
    assert_led_to,
    at_rest,
    begun,
    control,
    pinned,
    restoring,
    rotate,
    shown,
    tags,
    versions,
)
from tests.end_to_end.world import World, world

QUIESCED = (*WRITES[:3], "TagResource", "UpdateService", *WRITES[3:], "UntagResource")
# Making the same setting or the same record again is no second effect.
REPEATABLE = {"ModifyDBInstance", "AddTagsToResource", "ChangeResourceRecordSets"}
_NAMES = (f"restored-{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all cases: each restores an instance of its own, and comes from the database of the beginning."""
    pace = {"rollout": 0.4, "creating": 1.5, "backing_up": 0.0}
    with pytest.MonkeyPatch.context() as patch, world(tmp_path_factory.mktemp("crash"), **pace) as made:
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.0)
        control(made, "databases/quota", instances=400)
        rotate(made)
        made.git.commit(pinned())
        made.git.run("tag", "beginning")
        yield made


@pytest.fixture(scope="module")
def preparing(shared: World) -> Inside:
    """The run that goes back to where each case starts."""
    return Inside(shared)


@pytest.fixture
def settled(shared: World, preparing: Inside) -> Iterator[World]:
    """In sync with the file before the change; afterwards, what the case restored is deleted."""
    shared.aws.clear_faults()
    shared.git.run("reset", "--quiet", "--hard", "beginning")  # a long history takes long to read
    _follow(shared, preparing)
    yield shared
    rds = shared.client("rds")
    for each in rds.describe_db_instances()["DBInstances"]:
        if (name := each["DBInstanceIdentifier"]) != DATABASE:
            rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
            shared.aws.advance(2)
            rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


def _follow(on: World, run: Inside) -> None:
    run.loop.ask_again()  # to it, what the cases do is somebody else's doing
    at_rest(run)
    assert run.in_sync(), run.reasons()
    on.aws.clear_calls()


@dataclass(frozen=True)
class Story:
    """What a file says more, and the writes that lead there and back."""

    more: tuple[str, ...]
    there: tuple[str, ...]
    back: tuple[str, ...]
    deaths: tuple[bool, ...] = (False, True)  # after the effect of a write, and before it


STORIES = {
    "restore": Story((), WRITES, REVERTED, (True,)),
    "restore at rest": Story(("quiesce: [api]",), QUIESCED, (*QUIESCED[3:7], "UpdateService", "UntagResource")),
}


@pytest.mark.parametrize("name", STORIES)
def test_undisturbed_there_and_back_make_exactly_these_writes(settled: World, name: str) -> None:
    story, instance, before = STORIES[name], next(_NAMES), settled.secret()
    run = Inside(settled)

    settled.git.commit(restoring(*story.more, instance=instance))
    at_rest(run)
    there = settled.writes()
    assert_led_to(settled, before, instance)
    settled.aws.clear_calls()
    settled.git.commit(pinned(*story.more))
    at_rest(run)

    assert (tuple(there), tuple(settled.writes())) == (story.there, story.back)
    assert_led_to(settled, before, DATABASE)
    assert shown(settled, instance)["DBInstanceStatus"] == "available", "it stays"


@pytest.mark.parametrize(
    ("name", "number", "late"),
    [
        pytest.param(name, number, late, id=f"{name}: {'after' if late else 'before'} {number + 1}. {write}")
        for name, story in STORIES.items()
        for number, write in enumerate(story.there)
        for late in story.deaths
    ],
)
def test_a_crash_at_a_write_of_a_restore_is_survived(settled: World, name: str, number: int, late: bool) -> None:
    story, instance, before, held = STORIES[name], next(_NAMES), settled.secret(), len(versions(settled))
    settled.git.commit(restoring(*story.more, instance=instance))

    with pytest.raises(Killed):
        at_rest(Inside(settled, death=(number, late)))
    run = at_rest(Inside(settled))

    assert run.in_sync(), run.reasons()
    assert_led_to(settled, before, instance)
    assert len(versions(settled)) == held + 1
    assert _once_only(settled) == _counted(story.there)
    assert _is_complete(settled, instance)
    settled.aws.clear_calls()
    run.wait(31)
    run.converge()
    assert settled.writes() == [], "and it rests"


@pytest.mark.parametrize(
    ("name", "number", "late"),
    [
        pytest.param(name, number, late, id=f"{name}: {'after' if late else 'before'} {number + 1}. {write}")
        for name, story in STORIES.items()
        for number, write in enumerate(story.back)
        for late in story.deaths
    ],
)
def test_a_crash_at_a_write_of_the_revert_is_survived(
    settled: World, preparing: Inside, name: str, number: int, late: bool
) -> None:
    story, instance, before = STORIES[name], next(_NAMES), settled.secret()
    settled.git.commit(restoring(*story.more, instance=instance))
    _follow(settled, preparing)
    settled.git.commit(pinned(*story.more))

    with pytest.raises(Killed):
        at_rest(Inside(settled, death=(number, late)))
    run = at_rest(Inside(settled))

    assert run.in_sync(), run.reasons()
    assert_led_to(settled, before, DATABASE)
    assert _once_only(settled) == _counted(story.back)


# --- what goes wrong on the way


CALLED = (
    ("application-autoscaling", "DescribeScalableTargets"),
    ("ecs", "DescribeServices"),
    ("ecs", "DescribeTaskDefinition"),
    ("ecs", "DescribeTasks"),
    ("ecs", "ListServiceDeployments"),
    ("ecs", "ListTasks"),
    ("ecs", "TagResource"),
    ("ecs", "UntagResource"),
    ("ecs", "UpdateService"),
    ("rds", "AddTagsToResource"),
    ("rds", "DescribeDBInstances"),
    ("rds", "DescribeDBSnapshots"),
    ("rds", "ModifyDBInstance"),
    ("rds", RESTORE),
    ("route53", "ChangeResourceRecordSets"),
    ("route53", "ListHostedZonesByName"),
    ("route53", "ListResourceRecordSets"),
    ("secretsmanager", "DescribeSecret"),
    ("secretsmanager", "GetSecretValue"),
    ("secretsmanager", "ListSecretVersionIds"),
    ("secretsmanager", "PutSecretValue"),
)
WRITTEN = tuple((service, operation) for service, operation in CALLED if operation in QUIESCED)
READ = tuple(call for call in CALLED if call not in WRITTEN)
KINDS = ("throttle", "error", "drop_before", "drop_after")
HANGS = ("hang_before", "hang_after")
ATTEMPTS = 3  # as many as a read makes before its pass gives up


def test_these_are_the_calls_that_the_restore_makes(settled: World) -> None:
    settled.git.commit(restoring("quiesce: [api]", instance=next(_NAMES)))

    at_rest(Inside(settled))

    called = {(call["service"], call["operation"]) for call in settled.aws.calls()}
    assert tuple(sorted(call for call in called if call[0] != "elbv2")) == CALLED


@pytest.mark.parametrize(
    ("service", "operation", "kind"),
    [
        *[pytest.param(*call, kind, id=f"{call[1]}: {kind}") for call in WRITTEN for kind in KINDS],
        *[pytest.param("rds", RESTORE, kind, id=f"{RESTORE}: {kind}") for kind in HANGS],
        *[pytest.param("ecs", "UpdateService", kind, id=f"UpdateService: {kind}") for kind in HANGS],
        *[pytest.param(*call, kind, id=f"{call[1]}: {kind}") for call in READ for kind in KINDS[:2]],
        pytest.param("rds", "DescribeDBInstances", "hang_after", id="DescribeDBInstances: hang_after"),
    ],
)
def test_a_fault_on_a_call_is_survived(settled: World, service: str, operation: str, kind: str) -> None:
    instance, before, held = next(_NAMES), settled.secret(), len(versions(settled))
    times, hangs = 1 if operation in QUIESCED else ATTEMPTS, kind in HANGS
    settled.git.commit(restoring("quiesce: [api]", instance=instance))
    settled.aws.fault(service, operation, kind, times=times, seconds=0.35 if hangs else 0.0)

    run = at_rest(Inside(settled, timeout=0.3 if hangs else 2.0))

    assert operation in {call["operation"] for call in settled.aws.calls()}
    assert run.in_sync(), run.reasons()
    assert_led_to(settled, before, instance)
    assert len(versions(settled)) == held + 1
    assert _once_only(settled) == _counted(QUIESCED)
    assert _is_complete(settled, instance)


@pytest.mark.parametrize(
    ("service", "operation", "written"),
    [
        ("rds", "DescribeDBInstances", RESTORE),
        ("rds", "DescribeDBInstances", "AddTagsToResource"),
        ("secretsmanager", "DescribeSecret", "PutSecretValue"),
        ("ecs", "DescribeServices", "UpdateService"),
        ("ecs", "DescribeServices", "UntagResource"),
    ],
)
def test_stale_reads_after_a_write_make_no_second_one(
    settled: World, service: str, operation: str, written: str
) -> None:
    instance, before = next(_NAMES), settled.secret()
    run = begun(settled, restoring("quiesce: [api]", instance=instance))
    for _ in range(90):
        run.wait(run.step())
        if written in settled.writes():
            break

    settled.aws.fault(service, operation, "stale", times=4, seconds=2)
    at_rest(run)

    assert run.in_sync(), run.reasons()
    assert_led_to(settled, before, instance)
    assert _once_only(settled) == _counted(QUIESCED)


def _once_only(on: World) -> Counter[str]:
    return _counted(on.writes())


def _counted(writes: "tuple[str, ...] | list[str]") -> Counter[str]:
    return Counter(write for write in writes if write not in REPEATABLE)


def _is_complete(on: World, instance: str) -> bool:
    return shown(on, instance)["MaxAllocatedStorage"] == 500 and "trueup:verified" in tags(on, instance)
