"""The history of a service and its tasks: what ECS remembers, how it is asked, and where it stops."""

from datetime import timedelta
from typing import Any

import pytest

from tests.rehearsal.place import CLUSTER, ROLLOUT, Aws, Service, code

OLD, NEW = "registry.example/app:v1", "registry.example/app:v2"


@pytest.fixture
def service(aws: Aws) -> Service:
    """A service that was updated once, each of its two rollouts long done."""
    family = aws.family(OLD, NEW)
    service = aws.service(family)
    service.update(taskDefinition=f"{family}:2")
    aws.rehearsal.advance(2 * ROLLOUT)
    return service


def listed(aws: Aws, service: Service, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.ecs.list_service_deployments(cluster=CLUSTER, service=service.name, **more)[
        "serviceDeployments"
    ]
    return found


def test_every_deployment_is_in_the_history_newest_first(aws: Aws, service: Service) -> None:
    newest, oldest = service.history()

    assert (newest["status"], oldest["status"]) == ("SUCCESSFUL", "SUCCESSFUL")
    assert newest["createdAt"] > oldest["createdAt"]
    assert [each["arn"] for each in newest["sourceServiceRevisions"]] == [oldest["targetServiceRevision"]["arn"]]


def test_a_deployment_is_pending_before_it_is_in_progress(aws: Aws, service: Service) -> None:
    for _ in range(20):  # it is pending for a tenth of a second, which a busy machine can miss
        service.update(forceNewDeployment=True)
        if service.history()[0]["status"] == "PENDING":
            break
    else:
        pytest.fail("no deployment was ever pending")

    aws.rehearsal.advance(1)
    assert service.history()[0]["status"] == "IN_PROGRESS"
    assert service.shown()["currentServiceDeployment"] == service.history()[0]["serviceDeploymentArn"]


def test_a_service_at_rest_has_no_current_deployment(service: Service) -> None:
    assert "currentServiceDeployment" not in service.shown()


def test_a_service_revision_says_what_ran_with_which_digest(aws: Aws, service: Service) -> None:
    arns = [each["targetServiceRevision"]["arn"] for each in service.history()]

    revisions = aws.ecs.describe_service_revisions(serviceRevisionArns=arns)["serviceRevisions"]

    assert [each["taskDefinition"].rpartition(":")[2] for each in revisions] == ["2", "1"]
    assert [each["containerImages"][0]["image"] for each in revisions] == [NEW, OLD]
    assert all(each["containerImages"][0]["imageDigest"].startswith("sha256:") for each in revisions)


def test_the_revision_in_use_is_the_one_that_was_deployed_last(service: Service) -> None:
    current = service.shown()["currentServiceRevisions"]

    assert [each["arn"] for each in current] == [service.history()[0]["targetServiceRevision"]["arn"]]
    assert current[0]["runningTaskCount"] == 2


def test_the_history_is_filtered_by_status(aws: Aws, service: Service) -> None:
    service.update(forceNewDeployment=True)
    aws.rehearsal.advance(1)

    assert len(listed(aws, service, status=["IN_PROGRESS"])) == 1
    assert len(listed(aws, service, status=["SUCCESSFUL"])) == 2


def test_the_history_is_filtered_by_time_and_no_further_back_than_three_months(aws: Aws, service: Service) -> None:
    newest = listed(aws, service)[0]["createdAt"]
    long_ago = aws.rehearsal.now() - timedelta(days=100)

    assert len(listed(aws, service, createdAt={"after": newest - timedelta(seconds=1)})) == 1
    assert len(listed(aws, service, createdAt={"before": newest - timedelta(seconds=1)})) == 1
    too_far = code(
        aws.ecs.list_service_deployments, cluster=CLUSTER, service=service.name, createdAt={"after": long_ago}
    )
    assert too_far == "InvalidParameterException"


def test_the_history_comes_in_pages(aws: Aws, service: Service) -> None:
    answer = aws.ecs.list_service_deployments(cluster=CLUSTER, service=service.name, maxResults=1)

    rest = listed(aws, service, nextToken=answer["nextToken"])

    assert [*answer["serviceDeployments"], *rest] == listed(aws, service)


@pytest.mark.parametrize(
    ("operation", "parameter"),
    [
        ("describe_service_deployments", "serviceDeploymentArns"),
        ("describe_service_revisions", "serviceRevisionArns"),
    ],
)
def test_twenty_are_described_at_once_and_21_are_refused(aws: Aws, operation: str, parameter: str) -> None:
    kind = "service-deployment" if "deployment" in operation else "service-revision"
    arns = [f"arn:aws:ecs:us-east-1:123456789012:{kind}/main/nobody/{each}" for each in range(21)]
    describe = getattr(aws.ecs, operation)

    assert [each["reason"] for each in describe(**{parameter: arns[:20]})["failures"]] == ["MISSING"] * 20
    assert code(describe, **{parameter: arns}) == "InvalidParameterException"


def test_a_task_says_what_it_runs_and_for_whom(aws: Aws, service: Service) -> None:
    task = service.tasks()[0]

    assert task["group"] == f"service:{service.name}"
    assert task["startedBy"] == service.shown()["deployments"][0]["id"]
    assert task["taskDefinitionArn"] == service.shown()["taskDefinition"]
    assert (task["lastStatus"], task["healthStatus"]) == ("RUNNING", "HEALTHY")
    assert task["containers"][0]["image"] == NEW
    assert task["createdAt"] <= task["startedAt"] <= aws.rehearsal.now()


def test_tasks_that_were_replaced_are_listed_as_stopped(aws: Aws, service: Service) -> None:
    stopped = aws.ecs.list_tasks(cluster=CLUSTER, serviceName=service.name, desiredStatus="STOPPED")["taskArns"]

    tasks = aws.ecs.describe_tasks(cluster=CLUSTER, tasks=stopped)["tasks"]

    assert {each["taskDefinitionArn"].rpartition(":")[2] for each in tasks} == {"1"}
    assert {each["stopCode"] for each in tasks} == {"ServiceSchedulerInitiated"}


def test_a_hundred_tasks_are_described_at_once_and_101_are_refused(aws: Aws) -> None:
    names = [f"{each:032x}" for each in range(101)]

    assert len(aws.ecs.describe_tasks(cluster=CLUSTER, tasks=names[:100])["failures"]) == 100
    assert code(aws.ecs.describe_tasks, cluster=CLUSTER, tasks=names) == "InvalidParameterException"


def test_tasks_come_in_pages_of_a_hundred(aws: Aws) -> None:
    service = aws.service(aws.family(OLD), desired=130)

    pages = list(aws.ecs.get_paginator("list_tasks").paginate(cluster=CLUSTER, serviceName=service.name))

    assert [len(page["taskArns"]) for page in pages] == [100, 30]
