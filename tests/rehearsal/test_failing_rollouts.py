"""An image that no task can run: the circuit breaker gives up and rolls back, or does not, as it is set."""

from typing import Any

import pytest

from tests.rehearsal.place import CLUSTER, ROLLOUT, Aws, Service

GOOD, BAD = "registry.example/app:v1", "registry.example/app:bad"


def breaker(*, enable: bool, rollback: bool) -> dict[str, Any]:
    return {"deploymentCircuitBreaker": {"enable": enable, "rollback": rollback}}


def released(aws: Aws, bad: str = BAD, *, desired: int = 2, **configuration: bool) -> Service:
    """A service that ran well, right after it was updated to an image that does not run."""
    aws.rehearsal.mark_bad(BAD)
    family = aws.family(GOOD, bad)
    service = aws.service(family, desired=desired, deploymentConfiguration=breaker(**configuration))
    service.update(taskDefinition=f"{family}:2")
    return service


def test_the_circuit_breaker_rolls_back_to_what_was_completed_last(aws: Aws) -> None:
    service = released(aws, enable=True, rollback=True)
    good = service.shown()["deployments"][1]["id"]
    assert service.deployments()[0] == ("PRIMARY", "2", "IN_PROGRESS")

    aws.rehearsal.advance(ROLLOUT + 0.1)

    assert service.deployments()[:2] == [("PRIMARY", "1", "IN_PROGRESS"), ("ACTIVE", "2", "FAILED")]
    assert f"rolling back to deploymentId {good}" in service.shown()["deployments"][0]["rolloutStateReason"]
    aws.rehearsal.advance(ROLLOUT + 0.1)
    assert service.deployments() == [("PRIMARY", "1", "COMPLETED")]
    assert service.shown()["taskDefinition"].endswith(":1")


def test_the_history_tells_of_the_rollback(aws: Aws) -> None:
    service = released(aws, enable=True, rollback=True)
    first = service.history()[-1]["targetServiceRevision"]["arn"]

    aws.rehearsal.advance(ROLLOUT + 0.1)
    assert service.history()[0]["status"] == "ROLLBACK_IN_PROGRESS"
    aws.rehearsal.advance(ROLLOUT + 0.1)

    undone = service.history()[0]
    assert undone["status"] == "ROLLBACK_SUCCESSFUL"
    assert undone["rollback"]["serviceRevisionArn"] == first
    assert "circuit breaker" in undone["statusReason"]
    assert "finishedAt" in undone


def test_without_a_rollback_the_deployment_stays_failed_and_the_old_tasks_go_on(aws: Aws) -> None:
    service = released(aws, enable=True, rollback=False)

    aws.rehearsal.advance(3 * ROLLOUT)

    assert service.deployments() == [("PRIMARY", "2", "FAILED"), ("ACTIVE", "1", "COMPLETED")]
    assert service.shown()["runningCount"] == 2
    assert {each["containers"][0]["image"] for each in service.tasks()} == {GOOD}


def test_without_a_circuit_breaker_the_rollout_never_ends(aws: Aws) -> None:
    service = released(aws, enable=False, rollback=False)

    aws.rehearsal.advance(100 * ROLLOUT)

    assert service.deployments()[0] == ("PRIMARY", "2", "IN_PROGRESS")
    assert service.shown()["runningCount"] == 2


def test_a_stuck_rollout_goes_on_once_its_image_is_good(aws: Aws) -> None:
    service = released(aws, enable=False, rollback=False)
    aws.rehearsal.advance(10 * ROLLOUT)

    aws.rehearsal.mark_bad(BAD, bad=False)

    assert service.deployments()[0] == ("PRIMARY", "2", "IN_PROGRESS")
    aws.rehearsal.advance(ROLLOUT + 0.1)
    assert service.deployments() == [("PRIMARY", "2", "COMPLETED")]


def test_a_first_deployment_has_nothing_to_be_rolled_back_to(aws: Aws) -> None:
    aws.rehearsal.mark_bad(BAD)

    service = aws.service(aws.family(BAD), deploymentConfiguration=breaker(enable=True, rollback=True))

    assert service.deployments() == [("PRIMARY", "1", "FAILED")]
    assert service.shown()["runningCount"] == 0


def test_at_a_count_of_zero_a_bad_image_is_never_found_out(aws: Aws) -> None:
    service = released(aws, desired=0, enable=True, rollback=True)

    aws.rehearsal.advance(ROLLOUT + 0.1)

    assert service.deployments() == [("PRIMARY", "2", "COMPLETED")]


def test_a_tag_that_its_ecr_repository_lacks_is_a_bad_image(aws: Aws) -> None:
    aws.caller.aws("ecr").create_repository(repositoryName="app")

    service = released(aws, "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:gone", enable=True, rollback=True)
    aws.rehearsal.advance(ROLLOUT + 0.1)

    assert service.deployments()[1] == ("ACTIVE", "2", "FAILED")


@pytest.mark.parametrize(
    ("desired", "failures"),
    [
        pytest.param(1, 3, id="never fewer than three"),
        pytest.param(10, 5, id="half of the desired count"),
    ],
)
def test_the_breaker_gives_up_after_half_of_the_desired_count(aws: Aws, desired: int, failures: int) -> None:
    service = released(aws, desired=desired, enable=True, rollback=False)

    aws.rehearsal.advance(ROLLOUT + 0.1)

    assert service.shown()["deployments"][0]["failedTasks"] == failures


def test_tasks_fail_one_after_the_other(aws: Aws) -> None:
    service = released(aws, enable=True, rollback=True)

    failed = []
    for _ in range(2):
        failed.append(service.shown()["deployments"][0]["failedTasks"])
        aws.rehearsal.advance(ROLLOUT / 2)

    assert failed == [0, 1]


def test_failed_tasks_say_why_they_stopped(aws: Aws) -> None:
    service = released(aws, enable=True, rollback=False)
    aws.rehearsal.advance(ROLLOUT + 0.1)

    arns = aws.ecs.list_tasks(cluster=CLUSTER, serviceName=service.name, desiredStatus="STOPPED")["taskArns"]
    stopped = aws.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]

    failed = [each for each in stopped if each["taskDefinitionArn"].endswith(":2")]
    assert len(failed) == 3
    assert {(each["stopCode"], each["stoppedReason"]) for each in failed} == {
        ("TaskFailedToStart", "Task failed container health checks")
    }


def test_the_next_good_release_ends_a_failed_one(aws: Aws) -> None:
    service = released(aws, enable=True, rollback=False)
    aws.rehearsal.advance(2 * ROLLOUT)

    service.update(taskDefinition=service.shown()["deployments"][1]["taskDefinition"])
    aws.rehearsal.advance(ROLLOUT + 0.1)

    assert service.deployments() == [("PRIMARY", "1", "COMPLETED")]
    assert service.shown()["runningCount"] == 2
