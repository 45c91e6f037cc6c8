"""What goes missing in AWS makes the versions that need it not ready, by name, until it is back."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconcilers.readiness import Weight, confirmed
from rehearsal import replaydash_names as names
from rehearsal.replaydash_names import API_RELEASES, DATABASE, SNAPSHOT
from rehearsal.replaydash_tasks import EXECUTION_ROLE, TASK_ROLE
from tests.reconcilers.readiness_world import (
    OTHER,
    RESTORED,
    Production,
    file,
    restore,
    said,
    seeded,
)


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Iterator[Production]:
    """A production of one test alone."""
    with seeded() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
        yield Production(aws)


def test_an_image_that_is_gone_is_named_and_the_others_are_well(production: Production) -> None:
    versions = [file(api=f"task_revision: {number}") for number in (123, 122, 121, 120)]
    production.delete_image(API_RELEASES[122])

    verdicts = production.look(*versions)

    message = f"service api: image {names.API}:{API_RELEASES[122]} is not in ECR any more; "
    assert [verdict.ready for verdict in verdicts] == [True, False, True, True]
    assert said(verdicts[1]) == [f"{message}push it again, or go back to another version"]
    assert production.calls()["DescribeImages"] == 5, "the whole, its halves, and those of the half that failed"

    production.push(API_RELEASES[122])
    assert production.look(versions[1])[0].ready


def test_a_repository_that_is_gone_takes_all_its_images_along(production: Production) -> None:
    production.client("ecr").delete_repository(repositoryName=names.API, force=True)

    verdicts = production.look(file(api="task_revision: 123"), file(api="task_revision: 122"))

    assert [verdict.ready for verdict in verdicts] == [False, False]
    assert production.calls()["DescribeImages"] == 1


def test_an_image_is_found_by_its_digest(production: Production) -> None:
    digest = production.push("v9")
    then = file(api=f'task_revision: 123, image_tag: "{digest}"')
    assert production.look(then)[0].ready

    production.client("ecr").batch_delete_image(repositoryName=names.API, imageIds=[{"imageDigest": digest}])

    assert production.missing(then) == [
        f"service api: image {names.API}@{digest} is not in ECR any more; push it again, or go back to another version"
    ]


def test_a_revision_that_is_deregistered_is_named_until_an_equal_one_is_there(production: Production) -> None:
    then = file(api="task_revision: 122")
    assert production.look(then)[0].ready
    production.client("ecs").deregister_task_definition(taskDefinition=f"{names.API}:122")

    assert production.missing(then) == [
        f"service api: revision {names.API}:122 is deregistered, and no ACTIVE one is equal to it; "
        "register its content again, or pin another revision"
    ]

    production.registered(122)
    assert production.look(then)[0].ready


def test_a_revision_that_is_deleted_after_it_was_deregistered_is_named(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = file(api="task_revision: 122")
    production.client("ecs").deregister_task_definition(taskDefinition=f"{names.API}:122")
    production.registered(122)
    assert production.look(then)[0].ready

    def gone(**_: Any) -> None:
        error = {"Error": {"Code": "ClientException", "Message": "Unable to describe task definition."}}
        raise ClientError(error, "DescribeTaskDefinition")

    monkeypatch.setattr(production.connection.reading("ecs"), "describe_task_definition", gone)

    assert "there is no task definition" in production.missing(then)[0]


def test_an_overlay_needs_its_base_and_its_image_and_is_registered_where_it_is_not_yet(production: Production) -> None:
    overlay = file(api=f"task_revision: 122, image_tag: {API_RELEASES[123]}, env: {{A: b}}")
    assert production.look(overlay)[0].ready
    production.client("ecs").deregister_task_definition(taskDefinition=f"{names.API}:122")

    assert [each.partition(",")[0] for each in production.missing(overlay)] == [
        f"service api: revision {names.API}:122 is deregistered"
    ]
    assert production.missing(file(api="task_revision: 123, image_tag: v0")) == [
        f"service api: image {names.API}:v0 is not in ECR any more; push it again, or go back to another version"
    ]


def test_a_complete_shutdown_needs_no_image(production: Production) -> None:
    production.client("ecr").delete_repository(repositoryName=names.API, force=True)

    assert production.look(file(api="task_revision: 123, desired_count: 0"))[0].ready


def test_a_role_that_is_gone_is_named_and_one_that_may_not_be_read_is_unknown(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = file(api="task_revision: 123")
    production.client("iam").delete_role(RoleName=TASK_ROLE)
    assert production.missing(then) == [
        f"service api: there is no IAM role {TASK_ROLE}, which its tasks need; create it again"
    ]

    def denied(**_: Any) -> None:
        error = {"Error": {"Code": "AccessDenied", "Message": f"no one may read {EXECUTION_ROLE}"}}
        raise ClientError(error, "GetRole")

    monkeypatch.setattr(production.connection.reading("iam"), "get_role", denied)
    verdict = production.look(then)[0]
    assert verdict.ready is None
    assert said(verdict, Weight.UNREAD)[0].startswith("service api: not allowed to call GetRole")


def test_a_secret_that_is_about_to_be_deleted_is_named(production: Production) -> None:
    secrets, then = production.client("secretsmanager"), file(api="task_revision: 123")
    secrets.delete_secret(SecretId=names.SECRET, RecoveryWindowInDays=7)
    assert "is scheduled for deletion: restore it" in production.missing(then)[0]

    secrets.restore_secret(SecretId=names.SECRET)
    assert production.look(then)[0].ready


@pytest.mark.parametrize(
    ("suffix", "weight", "words"),
    [
        pytest.param(":url::", None, "", id="a key of it"),
        pytest.param(":url:AWSCURRENT:", None, "", id="its label"),
        pytest.param(":url:AWSPREVIOUS:", Weight.MISSING, "has no AWSPREVIOUS version", id="a label that is not there"),
        pytest.param(":::" + "1" * 32, Weight.UNREAD, "no label", id="a version"),
    ],
)
def test_the_version_of_a_secret_that_a_container_names(
    production: Production, suffix: str, weight: Weight | None, words: str
) -> None:
    arn = production.client("secretsmanager").describe_secret(SecretId=names.SECRET)["ARN"]
    number = production.registered(123, secrets=[{"name": "X", "valueFrom": f"{arn}{suffix}"}])

    verdict = production.look(file(api=f"task_revision: {number}"))[0]

    found = [each for each in verdict.findings if "secret" in each.message]
    assert [(each.weight, words in each.message) for each in found] == ([(weight, True)] if weight else [])


def test_secrets_that_nobody_looks_at_or_that_are_gone(production: Production) -> None:
    gone = "arn:aws:secretsmanager:us-east-1:123456789012:secret:gone-abcdef"
    far = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:far-abcdef"
    named = ["/team/parameter", "arn:aws:ssm:us-east-1:123456789012:parameter/team/other", far, gone]
    secrets = [{"name": f"S{number}", "valueFrom": each} for number, each in enumerate(named)]

    verdict = production.look(file(api=f"task_revision: {production.registered(123, secrets=secrets)}"))[0]

    assert said(verdict) == ["service api: there is no secret gone-abcdef, which its containers name; create it again"]
    assert sorted(said(verdict, Weight.UNCHECKED)) == [
        "service api: SSM parameter /team/other: not checked",
        "service api: SSM parameter /team/parameter: not checked",
        f"service api: {OTHER}",
        "service api: secret far-abcdef is in region eu-west-1: not checked",
    ]


def test_an_endpoint_must_be_there_and_take_connections(production: Production) -> None:
    host = names.DATABASE_HOST.replace(DATABASE, "gone", 1)
    now = file(postgres="endpoint: other.example")
    then = file(postgres=f"endpoint: {names.DATABASE_HOST}")
    assert production.missing(file(postgres=f"endpoint: {host}"), now) == [
        "database postgres: instance gone is gone; restore it under a new name, or pin another endpoint"
    ]

    production.caller.ask("databases/status", instance=DATABASE, status="stopped")
    assert production.missing(then, now) == [
        f"database postgres: instance {DATABASE} is stopped: it is stopped: start it (StartDBInstance)"
    ]
    production.caller.ask("databases/status", instance=DATABASE, status="rebooting")
    assert production.look(then, now=now)[0].ready is None
    production.caller.ask("databases/status", instance=DATABASE, status="modifying")
    assert production.look(then, now=now)[0].ready


def test_a_snapshot_must_be_there_and_available(production: Production) -> None:
    then, status = file(postgres=restore()), "snapshots/status"
    assert production.look(then)[0].ready

    production.caller.ask(status, name=SNAPSHOT, status="failed")
    assert production.missing(then) == [f"database postgres: snapshot {SNAPSHOT} is failed: choose another one"]
    production.caller.ask(status, name=SNAPSHOT, status="creating")
    assert production.look(then)[0].ready is None
    production.caller.ask(status, name=SNAPSHOT, status="available")
    assert production.look(then)[0].ready

    manual = file(postgres=restore(names.MANUAL_SNAPSHOT))
    production.client("rds").delete_db_snapshot(DBSnapshotIdentifier=names.MANUAL_SNAPSHOT)
    assert f"there is no snapshot {names.MANUAL_SNAPSHOT}" in production.missing(manual)[0]


def test_a_restore_needs_room_for_one_more_instance(production: Production) -> None:
    production.caller.ask("databases/quota", instances=1)

    assert production.missing(file(postgres=restore())) == [
        "database postgres: the account uses 1 of 1 DB instances, and the restore needs 1 more; "
        "raise the quota, or remove an instance"
    ]


def test_a_restore_needs_room_for_its_data(production: Production) -> None:
    client: Any = production.connection.reading("rds")
    client.meta.events.register(
        "after-call.rds.DescribeAccountAttributes",
        lambda parsed, **_: parsed["AccountQuotas"][1].update(Used=950, Max=1000),
    )

    assert (
        "uses 950 of 1000 GiB of database storage, and the restore needs 100 more"
        in production.missing(file(postgres=restore()))[0]
    )


def test_the_name_of_a_restored_instance_must_be_free_or_ours(production: Production) -> None:
    production.client("rds").restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier=RESTORED, DBSnapshotIdentifier=SNAPSHOT
    )

    assert (
        f"instance {RESTORED} is there already and was not restored by trueup"
        in production.missing(file(postgres=restore()))[0]
    )


def test_an_instance_that_is_gone_from_one_answer_alone_is_confirmed_by_a_second(production: Production) -> None:
    now, then = file(postgres="endpoint: other.example"), file(postgres=f"endpoint: {names.DATABASE_HOST}")
    good = production.look(then, now=now)[0]
    production.client("rds").create_db_instance(
        DBInstanceIdentifier="second",
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        MasterUsername="x",
        MasterUserPassword="0123456789",
        AllocatedStorage=20,
    )
    client: Any = production.connection.reading("rds")
    told: list[int] = []

    def omit(parsed: Any, **_: Any) -> None:
        told.append(1)
        if len(told) == 1:
            parsed["DBInstances"] = [each for each in parsed["DBInstances"] if each["DBInstanceIdentifier"] != DATABASE]

    production.aws.advance(20)
    client.meta.events.register("after-call.rds.DescribeDBInstances", omit)

    odd, again = production.look(then, now=now)[0], production.look(then, now=now)[0]

    assert (good.ready, odd.ready, again.ready) == (True, False, True)
    assert (confirmed(odd, good).ready, confirmed(again, odd).ready) == (None, True)
