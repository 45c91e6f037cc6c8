"""Faults on demand: what the caller meets, and whether AWS did what was asked."""

import threading
import time
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from tests.rehearsal.place import CLUSTER, ROLLOUT, Aws, Service, code

TOO_LONG = 30.0  # the rehearsal lets go of it when it closes


@pytest.fixture
def service(aws: Aws) -> Service:
    return aws.service(aws.family("registry.example/app:v1", "registry.example/app:v2"))


@pytest.fixture
def impatient(aws: Aws) -> Any:
    """An ECS client that waits for a fifth of a second, once."""
    config = Config(read_timeout=0.2, retries={"total_max_attempts": 1})
    return boto3.client("ecs", region_name="us-east-1", endpoint_url=aws.rehearsal.url, config=config)


def count(aws: Aws, service: Service, desired: int) -> str:
    """The code of an UpdateService that changes the count."""
    return code(aws.ecs.update_service, cluster=CLUSTER, service=service.name, desiredCount=desired)


def did(aws: Aws) -> str:
    """What AWS did with the first call of the log, as soon as it is known."""
    end = time.monotonic() + 5
    while not (calls := aws.rehearsal.calls()) or not calls[0]["code"]:
        assert time.monotonic() < end, calls
        time.sleep(0.01)
    return str(calls[0]["code"])


@pytest.mark.parametrize(
    ("client", "operation", "asked", "kind", "expected"),
    [
        pytest.param("ecs", "ListClusters", "list_clusters", "throttle", "ThrottlingException", id="JSON throttled"),
        pytest.param(
            "rds", "DescribeDBInstances", "describe_db_instances", "throttle", "Throttling", id="XML throttled"
        ),
        pytest.param("route53", "ListHostedZones", "list_hosted_zones", "throttle", "Throttling", id="REST throttled"),
        pytest.param("ecs", "ListClusters", "list_clusters", "error", "ServerException", id="ECS broken"),
        pytest.param("elbv2", "DescribeRules", "describe_rules", "error", "InternalFailure", id="ELB broken"),
        pytest.param("secretsmanager", "ListSecrets", "list_secrets", "error", "InternalFailure", id="secrets broken"),
    ],
)
def test_a_fault_is_said_as_the_service_says_it(
    aws: Aws, client: str, operation: str, asked: str, kind: str, expected: str
) -> None:
    call = getattr(aws.caller.aws(client), asked)
    aws.rehearsal.fault(client, operation, kind)

    assert code(call) == expected
    assert code(call) != expected


@pytest.mark.parametrize("kind", ["throttle", "error", "concurrent"])
def test_what_is_refused_is_not_done(aws: Aws, service: Service, kind: str) -> None:
    aws.rehearsal.fault("ecs", "UpdateService", kind)

    assert count(aws, service, 7) != ""
    assert service.shown()["desiredCount"] == 2


def test_a_family_that_is_registered_at_the_same_time_is_refused(aws: Aws) -> None:
    aws.rehearsal.fault("ecs", "RegisterTaskDefinition", "concurrent")
    family = aws.name("family")
    container = {"name": "app", "image": "i"}

    refused = code(aws.ecs.register_task_definition, family=family, containerDefinitions=[container])

    assert refused == "ClientException"
    assert aws.register(family, [container]).endswith(":1")


@pytest.mark.parametrize(("kind", "done"), [("drop_before", False), ("drop_after", True)])
def test_a_dropped_connection_comes_before_or_after_the_effect(
    aws: Aws, service: Service, kind: str, done: bool
) -> None:
    aws.rehearsal.fault("ecs", "UpdateService", kind)
    aws.rehearsal.clear_calls()

    with pytest.raises(ConnectionClosedError):
        service.update(desiredCount=7)

    assert did(aws) == ("200" if done else "dropped")
    assert service.shown()["desiredCount"] == (7 if done else 2)


@pytest.mark.parametrize(("kind", "done"), [("hang_before", False), ("hang_after", True)])
def test_a_time_out_comes_before_or_after_the_effect(
    aws: Aws, impatient: Any, service: Service, kind: str, done: bool
) -> None:
    aws.rehearsal.fault("ecs", "UpdateService", kind, seconds=TOO_LONG)
    aws.rehearsal.clear_calls()

    with pytest.raises(ReadTimeoutError):
        impatient.update_service(cluster=CLUSTER, service=service.name, desiredCount=7)

    assert did(aws) == ("200" if done else "dropped")
    assert service.shown()["desiredCount"] == (7 if done else 2)


def test_a_late_answer_is_still_the_answer(aws: Aws, service: Service) -> None:
    aws.rehearsal.fault("ecs", "UpdateService", "hang_after", seconds=0.1)
    begun = time.monotonic()

    assert service.update(desiredCount=7)["desiredCount"] == 7
    assert time.monotonic() - begun >= 0.1


def test_a_call_that_is_held_keeps_no_other_waiting(aws: Aws, service: Service) -> None:
    aws.rehearsal.fault("ecs", "ListClusters", "drop_before", seconds=1)
    aws.rehearsal.clear_calls()

    def hold() -> None:
        with suppress(ConnectionClosedError):
            aws.ecs.list_clusters()

    thread = threading.Thread(target=hold)
    thread.start()
    did(aws)
    service.shown()

    assert thread.is_alive()
    thread.join()


def test_a_fault_skips_and_counts_the_calls_that_it_matches(aws: Aws, service: Service) -> None:
    aws.rehearsal.fault("ecs", "UpdateService", "throttle", times=2, skip=1)

    codes = [count(aws, service, desired) for desired in (3, 4, 5, 6)]

    assert codes == ["", "ThrottlingException", "ThrottlingException", ""]
    assert service.shown()["desiredCount"] == 6


def test_a_fault_is_for_one_service_and_one_operation(aws: Aws, service: Service) -> None:
    aws.rehearsal.fault("secretsmanager", "TagResource", "throttle")
    arn = service.shown()["serviceArn"]

    assert code(aws.ecs.tag_resource, resourceArn=arn, tags=[{"key": "a", "value": "1"}]) == ""
    assert code(aws.caller.aws("secretsmanager").list_secrets) == ""


def test_a_fault_may_be_for_every_call_until_it_is_cleared(aws: Aws) -> None:
    aws.rehearsal.fault("*", "*", "throttle", times=1000)
    assert code(aws.ecs.list_clusters) == "ThrottlingException"
    assert code(aws.caller.aws("rds").describe_db_instances) == "Throttling"

    aws.rehearsal.clear_faults()

    assert code(aws.ecs.list_clusters) == ""


def test_a_stale_read_shows_a_service_as_it_was(aws: Aws, service: Service) -> None:
    family = service.shown()["taskDefinition"].rpartition(":")[0]
    service.update(taskDefinition=f"{family}:2")
    aws.rehearsal.advance(2 * ROLLOUT)
    aws.rehearsal.fault("ecs", "DescribeServices", "stale", times=2, seconds=1.5 * ROLLOUT)

    stale = service.deployments()
    aws.rehearsal.fault("ecs", "DescribeServices", "stale", seconds=2.5 * ROLLOUT)

    assert stale == [("PRIMARY", "2", "IN_PROGRESS"), ("ACTIVE", "1", "COMPLETED")]
    assert service.deployments() == stale
    assert service.deployments() == [("PRIMARY", "1", "COMPLETED")]
    assert service.deployments() == [("PRIMARY", "2", "COMPLETED")]


def test_a_stale_read_misses_a_service_that_is_younger(aws: Aws, service: Service) -> None:
    aws.rehearsal.fault("ecs", "DescribeServices", "stale", seconds=86400)

    answer = aws.ecs.describe_services(cluster=CLUSTER, services=[service.name])

    assert (answer["services"], answer["failures"][0]["reason"]) == ([], "MISSING")


def test_a_stale_read_shows_a_secret_as_it_was(aws: Aws) -> None:
    secrets = aws.caller.aws("secretsmanager")
    secrets.create_secret(Name="aged", SecretString="one", ClientRequestToken="1" * 32)
    aws.rehearsal.advance(60)
    secrets.put_secret_value(SecretId="aged", SecretString="two", ClientRequestToken="2" * 32)
    aws.rehearsal.fault("secretsmanager", "DescribeSecret", "stale", seconds=30)

    assert secrets.describe_secret(SecretId="aged")["VersionIdsToStages"] == {"1" * 32: ["AWSCURRENT"]}
    assert "2" * 32 in secrets.describe_secret(SecretId="aged")["VersionIdsToStages"]


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        pytest.param("UpdateService", "explode", id="a kind that is not there"),
        pytest.param("ListClusters", "stale", id="a read whose past nobody remembers"),
    ],
)
def test_a_fault_that_could_not_come_is_refused(aws: Aws, operation: str, kind: str) -> None:
    with pytest.raises(ValueError, match=operation if kind == "stale" else kind):
        aws.rehearsal.fault("ecs", operation, kind)


def test_calls_are_told_in_order_with_what_they_named(aws: Aws, service: Service) -> None:
    aws.rehearsal.clear_calls()

    service.update(desiredCount=3)
    count(aws, service, -1)
    service.shown()

    calls = aws.rehearsal.calls()
    assert [(each["operation"], each["write"], each["code"]) for each in calls] == [
        ("UpdateService", True, "200"),
        ("UpdateService", True, "InvalidParameterException"),
        ("DescribeServices", False, "200"),
    ]
    assert calls[0]["summary"] == {"cluster": CLUSTER, "service": service.name, "desiredCount": 3}


def test_no_value_that_could_be_secret_is_ever_told(aws: Aws) -> None:
    secrets = aws.caller.aws("secretsmanager")
    secrets.create_secret(Name="quiet", SecretString="never-told")
    secrets.put_secret_value(SecretId="quiet", SecretString='{"password": "never-told"}')
    environment = [{"name": "KEY", "value": "never-told"}]
    aws.register("quiet", [{"name": "app", "image": "i", "environment": environment}])

    assert "never-told" not in str(aws.rehearsal.calls())


def test_revisions_that_are_registered_at_once_have_numbers_of_their_own(aws: Aws) -> None:
    family, container = aws.name("family"), {"name": "app", "image": "i"}
    arns: list[str] = []
    threads = [threading.Thread(target=lambda: arns.append(aws.register(family, [container]))) for _ in range(8)]

    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(int(arn.rpartition(":")[2]) for arn in arns) == list(range(1, 9))
