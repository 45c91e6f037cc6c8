"""Rollouts take their time and follow what was asked; moto's never move."""

import json
from typing import Any

import pytest

from tests.rehearsal.place import BREAKER, CLUSTER, NETWORK, ROLLOUT, Aws

OLD, NEW = "registry.example/app:v1", "registry.example/app:v2"


def test_a_rollout_is_in_progress_before_it_is_completed(aws: Aws) -> None:
    family = aws.family(OLD, NEW)
    service = aws.service(family)

    service.update(taskDefinition=f"{family}:2")

    assert service.deployments() == [("PRIMARY", "2", "IN_PROGRESS"), ("ACTIVE", "1", "COMPLETED")]
    aws.rehearsal.advance(ROLLOUT - 1)
    assert service.deployments()[0] == ("PRIMARY", "2", "IN_PROGRESS")
    aws.rehearsal.advance(2)
    assert service.deployments() == [("PRIMARY", "2", "COMPLETED")]


def test_the_answer_to_an_update_shows_the_new_deployment_and_full_arns(aws: Aws) -> None:
    family = aws.family(OLD, NEW)
    service = aws.service(family)
    before = service.shown()

    answer = service.update(taskDefinition=f"{family}:2")

    arn = f"arn:aws:ecs:us-east-1:123456789012:task-definition/{family}:2"
    assert answer["taskDefinition"] == arn
    assert answer["deployments"][0]["taskDefinition"] == arn
    assert answer["deployments"][0]["id"] != before["deployments"][0]["id"]
    assert answer["deployments"][1]["id"] == before["deployments"][0]["id"]


def test_a_family_without_a_revision_is_its_newest_active_one(aws: Aws) -> None:
    family = aws.family(OLD, NEW, OLD)
    service = aws.service(family)
    aws.ecs.deregister_task_definition(taskDefinition=f"{family}:3")

    assert service.update(taskDefinition=family)["taskDefinition"].endswith(f"/{family}:2")


def test_tasks_move_from_the_old_deployment_to_the_new_one_by_and_by(aws: Aws) -> None:
    family = aws.family(OLD, NEW)
    service = aws.service(family, desired=4)

    service.update(taskDefinition=f"{family}:2")
    aws.rehearsal.advance(ROLLOUT / 2 + 0.5)

    new, old = service.shown()["deployments"]
    assert 0 < new["runningCount"] < 4
    assert new["runningCount"] + new["pendingCount"] == 4
    assert 0 < old["runningCount"] < 4
    images = {each["containers"][0]["image"] for each in service.tasks()}
    assert images == {OLD, NEW}


def test_a_forced_deployment_is_a_new_one_of_the_same_revision(aws: Aws) -> None:
    service = aws.service(aws.family(OLD))
    before = service.shown()["deployments"][0]["id"]
    tasks = {each["taskArn"] for each in service.tasks()}

    service.update(forceNewDeployment=True)

    assert [each[:2] for each in service.deployments()] == [("PRIMARY", "1"), ("ACTIVE", "1")]
    aws.rehearsal.advance(ROLLOUT + 1)
    assert service.shown()["deployments"][0]["id"] != before
    assert not tasks & {each["taskArn"] for each in service.tasks()}


def test_the_revision_that_runs_already_starts_no_deployment(aws: Aws) -> None:
    family = aws.family(OLD)
    service = aws.service(family)
    before = service.shown()["deployments"]

    service.update(taskDefinition=f"{family}:1", desiredCount=2)

    assert service.shown()["deployments"] == before


@pytest.mark.parametrize(
    ("changes", "deploys"),
    [
        pytest.param({"platformVersion": "1.4.0"}, True, id="platform version"),
        pytest.param({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-2"]}}}, True, id="network"),
        pytest.param({"networkConfiguration": NETWORK}, False, id="the same network"),
        pytest.param({"desiredCount": 3}, False, id="desired count"),
        pytest.param({"deploymentConfiguration": {"maximumPercent": 150}}, False, id="deployment configuration"),
        pytest.param({"healthCheckGracePeriodSeconds": 30}, False, id="grace period"),
        pytest.param({"enableExecuteCommand": True}, False, id="execute command"),
    ],
)
def test_only_what_changes_the_tasks_starts_a_deployment(aws: Aws, changes: dict[str, Any], deploys: bool) -> None:
    service = aws.service(aws.family(OLD), launchType="FARGATE")
    before = service.shown()["deployments"][0]["id"]

    service.update(**changes)

    assert (service.shown()["deployments"][0]["id"] != before) is deploys


def test_an_update_changes_what_it_names_and_keeps_the_rest(aws: Aws) -> None:
    service = aws.service(aws.family(OLD), healthCheckGracePeriodSeconds=60, enableExecuteCommand=True)

    service.update(deploymentConfiguration={"minimumHealthyPercent": 50})

    shown = service.shown()
    assert shown["deploymentConfiguration"]["minimumHealthyPercent"] == 50
    assert shown["deploymentConfiguration"]["deploymentCircuitBreaker"] == BREAKER["deploymentCircuitBreaker"]
    assert (shown["healthCheckGracePeriodSeconds"], shown["enableExecuteCommand"]) == (60, True)


def test_scaling_up_takes_time(aws: Aws) -> None:
    service = aws.service(aws.family(OLD), desired=2)

    service.update(desiredCount=4)

    shown = service.shown()
    assert (shown["desiredCount"], shown["runningCount"], shown["pendingCount"]) == (4, 2, 2)
    aws.rehearsal.advance(ROLLOUT)
    assert service.shown()["runningCount"] == 4


def test_scaling_to_zero_stops_the_tasks_one_after_the_other(aws: Aws) -> None:
    service = aws.service(aws.family(OLD), desired=4)

    service.update(desiredCount=0)

    aws.rehearsal.advance(ROLLOUT / 4)
    assert 0 < service.shown()["runningCount"] < 4
    aws.rehearsal.advance(ROLLOUT)
    assert service.shown()["runningCount"] == 0
    assert service.tasks() == []
    assert service.deployments() == [("PRIMARY", "1", "COMPLETED")]


def test_a_count_that_comes_back_while_tasks_still_stop_is_reached(aws: Aws) -> None:
    service = aws.service(aws.family(OLD), desired=4)
    aws.rehearsal.advance(ROLLOUT)

    service.update(desiredCount=2)
    service.update(desiredCount=4)
    aws.rehearsal.advance(3 * ROLLOUT)

    assert service.shown()["runningCount"] == 4


def test_pin_and_count_in_one_update_are_one_deployment(aws: Aws) -> None:
    family = aws.family(OLD, NEW)
    service = aws.service(family)

    service.update(taskDefinition=f"{family}:2", desiredCount=5)
    aws.rehearsal.advance(ROLLOUT + 1)

    assert service.shown()["runningCount"] == 5
    assert len(service.history()) == 2


def test_a_newer_deployment_preempts_the_one_under_way(aws: Aws) -> None:
    family = aws.family(OLD, NEW, OLD)
    service = aws.service(family)

    service.update(taskDefinition=f"{family}:2")
    aws.rehearsal.advance(ROLLOUT / 2)
    service.update(taskDefinition=f"{family}:3")

    assert [each[1] for each in service.deployments()] == ["3", "2", "1"]
    assert [each["status"] for each in service.history()][1:] == ["STOPPED", "SUCCESSFUL"]
    aws.rehearsal.advance(ROLLOUT + 1)
    assert service.deployments() == [("PRIMARY", "3", "COMPLETED")]


def test_a_deployment_keeps_the_digest_that_its_tag_had_when_it_started(aws: Aws) -> None:
    ecr = aws.caller.aws("ecr")
    ecr.create_repository(repositoryName="moving")
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/moving:latest"
    first = _push(ecr, "moving", "latest", 1)
    service = aws.service(aws.family(image), desired=1)

    second = _push(ecr, "moving", "latest", 2)

    assert service.tasks()[0]["containers"][0]["imageDigest"] == first
    service.update(forceNewDeployment=True)
    aws.rehearsal.advance(ROLLOUT + 1)
    assert service.tasks()[0]["containers"][0]["imageDigest"] == second


def test_events_say_what_happened_and_the_newest_comes_first(aws: Aws) -> None:
    family = aws.family(OLD, NEW)
    service = aws.service(family)

    service.update(taskDefinition=f"{family}:2")
    aws.rehearsal.advance(ROLLOUT + 1)

    said = [each["message"] for each in service.shown()["events"]]
    assert said[0].endswith("has reached a steady state.")
    assert "deployment completed" in said[1]
    assert "has started 2 tasks" in said[2]


def test_no_more_than_a_hundred_events_are_shown(aws: Aws) -> None:
    service = aws.service(aws.family(OLD))

    for count in range(80):
        service.update(desiredCount=1 + count % 2)
        aws.rehearsal.advance(ROLLOUT)

    assert len(service.shown()["events"]) == 100


def test_the_tags_of_a_service_are_shown_only_when_asked_for(aws: Aws) -> None:
    service = aws.service(aws.family(OLD), tags=[{"key": "team", "value": "platform"}])

    assert "tags" not in service.shown()
    assert service.shown(tags=True)["tags"] == [{"key": "team", "value": "platform"}]


def test_what_ecs_lets_go_of_is_draining_and_then_inactive(aws: Aws) -> None:
    service = aws.service(aws.family(OLD))

    aws.ecs.delete_service(cluster=CLUSTER, service=service.name, force=True)

    assert service.shown()["status"] == "DRAINING"
    aws.rehearsal.advance(ROLLOUT)
    assert service.shown()["status"] == "INACTIVE"
    assert all(service.name not in arn for arn in aws.ecs.list_services(cluster=CLUSTER)["serviceArns"])


def _push(ecr: Any, repository: str, tag: str, content: int) -> str:
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": {"size": content}, "layers": []})
    pushed = ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag)
    return str(pushed["image"]["imageId"]["imageDigest"])
