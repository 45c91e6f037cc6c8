"""What ECS refuses, and moto does not."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.place import CLUSTER, NETWORK, Aws, Service, code, message


@pytest.fixture(scope="module")
def service(aws: Aws) -> Service:
    return aws.service(aws.family("registry.example/app:v1", "registry.example/app:v2"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"taskDefinition": "nobody:1"}, "ClientException", id="a family that does not exist"),
        pytest.param({"desiredCount": -1}, "InvalidParameterException", id="a negative count"),
        pytest.param({"cluster": "nowhere"}, "ClusterNotFoundException", id="a cluster that does not exist"),
        pytest.param({"service": "nobody"}, "ServiceNotFoundException", id="a service that does not exist"),
    ],
)
def test_update_service_refuses(aws: Aws, service: Service, changes: dict[str, Any], expected: str) -> None:
    before = service.shown()
    sent = {"cluster": CLUSTER, "service": service.name} | changes

    assert code(aws.ecs.update_service, **sent) == expected
    assert service.shown() == before


@pytest.mark.parametrize("place", ["us-east-1:999999999999", "eu-west-1:123456789012"])
def test_a_revision_of_another_account_or_region_is_refused(aws: Aws, place: str) -> None:
    family = aws.family("registry.example/app:v1", "registry.example/app:v2")
    service = aws.service(family)

    with pytest.raises(ClientError, match="TaskDefinition not found"):
        service.update(taskDefinition=f"arn:aws:ecs:{place}:task-definition/{family}:2")

    assert service.deployments() == [("PRIMARY", "1", "COMPLETED")]


def test_an_inactive_revision_is_refused(aws: Aws) -> None:
    family = aws.family("registry.example/app:v1", "registry.example/app:v2")
    service = aws.service(family)
    aws.ecs.deregister_task_definition(taskDefinition=f"{family}:2")

    with pytest.raises(ClientError, match="TaskDefinition is inactive"):
        service.update(taskDefinition=f"{family}:2")

    assert service.deployments() == [("PRIMARY", "1", "COMPLETED")]


def test_a_service_goes_on_with_a_revision_that_was_retired_under_it(aws: Aws) -> None:
    family = aws.family("registry.example/app:v1")
    service = aws.service(family)
    aws.ecs.deregister_task_definition(taskDefinition=f"{family}:1")

    service.update(desiredCount=3)
    aws.rehearsal.advance(60)

    assert service.shown()["runningCount"] == 3


def test_a_deleted_service_is_not_active_for_updates(aws: Aws) -> None:
    service = aws.service(aws.family())
    aws.ecs.delete_service(cluster=CLUSTER, service=service.name, force=True)

    assert code(aws.ecs.update_service, cluster=CLUSTER, service=service.name, desiredCount=1) == (
        "ServiceNotActiveException"
    )


def test_a_service_that_is_scaled_above_zero_is_deleted_by_force_only(aws: Aws) -> None:
    service = aws.service(aws.family())

    assert code(aws.ecs.delete_service, cluster=CLUSTER, service=service.name) == "InvalidParameterException"
    assert service.shown()["status"] == "ACTIVE"


def test_ecs_deploys_only_what_it_deploys_itself(aws: Aws) -> None:
    family = aws.family("registry.example/app:v1", "registry.example/app:v2")
    service = aws.service(family, deploymentController={"type": "CODE_DEPLOY"})

    refused = message(aws.ecs.update_service, cluster=CLUSTER, service=service.name, taskDefinition=f"{family}:2")

    assert "CODE_DEPLOY deployment controller" in refused


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"serviceName": "taken"}, id="a name that is taken"),
        pytest.param({"networkConfiguration": None}, id="awsvpc without a network"),
        pytest.param({"desiredCount": -1}, id="a negative count"),
        pytest.param({"tags": []}, id="an empty list of tags"),
    ],
)
def test_create_service_refuses(aws: Aws, changes: dict[str, Any]) -> None:
    family = aws.family()
    sent: dict[str, Any] = {"cluster": CLUSTER, "taskDefinition": family, "networkConfiguration": NETWORK}
    code(aws.ecs.create_service, **sent, serviceName="taken", desiredCount=1)
    sent |= {"serviceName": aws.name(), "desiredCount": 1} | changes

    given = {name: value for name, value in sent.items() if value is not None}

    assert code(aws.ecs.create_service, **given) == "InvalidParameterException"


def test_ten_services_are_described_at_once_and_eleven_are_refused(aws: Aws, service: Service) -> None:
    names = [service.name, *(f"absent-{each}" for each in range(10))]

    assert code(aws.ecs.describe_services, cluster=CLUSTER, services=names[:10]) == ""
    assert code(aws.ecs.describe_services, cluster=CLUSTER, services=names) == "InvalidParameterException"
    assert code(aws.ecs.describe_services, cluster=CLUSTER, services=[]) == "InvalidParameterException"


def test_a_service_that_is_not_there_is_a_failure_and_no_error(aws: Aws, service: Service) -> None:
    answer = aws.ecs.describe_services(cluster=CLUSTER, services=["nobody", service.name])

    assert [each["serviceName"] for each in answer["services"]] == [service.name]
    assert answer["failures"] == [
        {"arn": "arn:aws:ecs:us-east-1:123456789012:service/main/nobody", "reason": "MISSING"}
    ]


def test_a_service_is_found_by_name_and_by_arn(aws: Aws, service: Service) -> None:
    shown = service.shown()

    by_arn = aws.ecs.describe_services(cluster=shown["clusterArn"], services=[shown["serviceArn"]])

    assert by_arn["services"] == [shown]
    assert shown["clusterArn"] == "arn:aws:ecs:us-east-1:123456789012:cluster/main"


def test_an_arn_names_its_own_cluster_and_region(aws: Aws, service: Service) -> None:
    aws.ecs.create_cluster(clusterName="other")
    arn = service.shown()["serviceArn"]

    elsewhere = aws.ecs.describe_services(cluster=CLUSTER, services=[arn.replace(":service/main/", ":service/other/")])

    assert [each["reason"] for each in elsewhere["failures"]] == ["MISSING"]
    cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/main"
    assert code(aws.ecs.describe_services, cluster=cluster, services=[service.name]) == "ClusterNotFoundException"


def test_services_are_listed_ten_a_page(aws: Aws) -> None:
    aws.ecs.create_cluster(clusterName="crowded")
    family = aws.family()
    for each in range(23):
        aws.ecs.create_service(
            cluster="crowded", serviceName=f"s-{each}", taskDefinition=family, networkConfiguration=NETWORK
        )

    pages = list(aws.ecs.get_paginator("list_services").paginate(cluster="crowded"))

    assert [len(page["serviceArns"]) for page in pages] == [10, 10, 3]
    assert len({arn for page in pages for arn in page["serviceArns"]}) == 23


def test_a_cluster_counts_what_is_in_it(aws: Aws) -> None:
    aws.ecs.create_cluster(clusterName="counted")
    family = aws.family()
    for name, desired in (("a", 2), ("b", 3)):
        aws.ecs.create_service(
            cluster="counted",
            serviceName=name,
            taskDefinition=family,
            desiredCount=desired,
            networkConfiguration=NETWORK,
        )
    aws.rehearsal.advance(60)

    shown = aws.ecs.describe_clusters(clusters=["counted", "nowhere"])

    assert shown["clusters"][0]["activeServicesCount"] == 2
    assert shown["clusters"][0]["runningTasksCount"] == 5
    assert [each["reason"] for each in shown["failures"]] == ["MISSING"]
    assert code(aws.ecs.delete_cluster, cluster="counted") == "ClusterContainsServicesException"


def test_a_deleted_cluster_is_inactive_and_refused(aws: Aws) -> None:
    aws.ecs.create_cluster(clusterName="short-lived")

    aws.ecs.delete_cluster(cluster="short-lived")

    assert aws.ecs.describe_clusters(clusters=["short-lived"])["clusters"][0]["status"] == "INACTIVE"
    assert code(aws.ecs.list_services, cluster="short-lived") == "ClusterNotFoundException"


def test_revisions_and_clusters_are_tagged_too(aws: Aws) -> None:
    cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/main"
    revision = f"arn:aws:ecs:us-east-1:123456789012:task-definition/{aws.family()}:1"

    for arn in (cluster, revision):
        aws.ecs.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "1"}])

    shown = aws.ecs.describe_clusters(clusters=["main"], include=["TAGS"])["clusters"][0]
    described = aws.ecs.describe_task_definition(taskDefinition=revision, include=["TAGS"])
    assert shown["tags"] == described["tags"] == [{"key": "a", "value": "1"}]
    nobody = revision.replace("family", "nobody")
    assert code(aws.ecs.list_tags_for_resource, resourceArn=nobody) == "InvalidParameterException"


def test_tags_are_set_and_taken_away_by_key(aws: Aws, service: Service) -> None:
    arn = service.shown()["serviceArn"]

    aws.ecs.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    aws.ecs.tag_resource(resourceArn=arn, tags=[{"key": "b", "value": "3"}])
    aws.ecs.untag_resource(resourceArn=arn, tagKeys=["a"])

    assert service.shown(tags=True)["tags"] == [{"key": "b", "value": "3"}]
    assert aws.ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "b", "value": "3"}]


def test_what_is_not_there_cannot_be_tagged(aws: Aws) -> None:
    arn = "arn:aws:ecs:us-east-1:123456789012:service/main/nobody"

    assert code(aws.ecs.tag_resource, resourceArn=arn, tags=[{"key": "a", "value": "1"}]) == "InvalidParameterException"


def test_regions_know_nothing_of_each_other(aws: Aws, service: Service) -> None:
    import boto3

    elsewhere = boto3.client("ecs", region_name="eu-west-1", endpoint_url=aws.rehearsal.url)

    assert code(elsewhere.describe_services, cluster=CLUSTER, services=[service.name]) == "ClusterNotFoundException"


def test_what_the_rehearsal_has_not_is_said_in_so_many_words(aws: Aws) -> None:
    assert message(aws.ecs.put_account_setting, name="containerInsights", value="enabled") == (
        "the rehearsal AWS does not implement ecs PutAccountSetting"
    )
