"""Whether services stand still: a task that ECS no longer counts may still write."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from reconcilers.contract import Absent
from reconcilers.ecs_records import Deployment, ServiceRecord
from reconcilers.standstill import Standstill
from tests.reconcilers.ecs_world import CLUSTER, SESSION, record

API, WORKER = (CLUSTER, "api"), (CLUSTER, "worker")


class Ecs:
    """What DescribeServices said, and what ListTasks and DescribeTasks answer, in this order."""

    def __init__(self) -> None:
        client = SESSION.client("ecs", aws_access_key_id="a", aws_secret_access_key="b")
        self.stubber = Stubber(client)
        self.stubber.activate()
        self.services: dict[tuple[str, str], ServiceRecord] = {}
        connection: Any = SimpleNamespace(reading=lambda _: client)
        reads: Any = SimpleNamespace(service=self._service)
        self.standstill = Standstill(connection, reads)

    def _service(self, key: tuple[str, str]) -> ServiceRecord:
        if key not in self.services:
            raise Absent(f"there is no {key[1]}")
        return self.services[key]

    def lists(self, *arns: str, service: str = "api") -> None:
        self.stubber.add_response(
            "list_tasks",
            {"taskArns": list(arns)},
            {"cluster": CLUSTER, "serviceName": service, "desiredStatus": "STOPPED"},
        )

    def tasks(self, *statuses: str, service: str = "api") -> None:
        """Tasks that are to stop, each in one of these states; "" where the endpoint says none."""
        arns = [f"arn:aws:ecs:us-east-1:123456789012:task/{CLUSTER}/{number}" for number, _ in enumerate(statuses)]
        self.lists(*arns, service=service)
        if arns:
            told = [{"lastStatus": status} if status else {} for status in statuses]
            self.stubber.add_response("describe_tasks", {"tasks": told}, {"cluster": CLUSTER, "tasks": arns})


@pytest.fixture
def ecs() -> Iterator[Ecs]:
    ecs = Ecs()
    yield ecs
    ecs.stubber.assert_no_pending_responses()


def still(**more: Any) -> ServiceRecord:
    known: dict[str, Any] = {"desired": 0, "running": 0, "deployments": (deployment(),)}
    return replace(record(), **(known | more))


def deployment(running: int = 0) -> Deployment:
    return replace(record().deployments[0], desired=0, running=running)


def test_without_services_nothing_is_waited_for(ecs: Ecs) -> None:
    assert ecs.standstill.waits_for(()) == ""


@pytest.mark.parametrize(
    ("found", "count"),
    [
        pytest.param(still(desired=3), 3, id="tasks are still wanted"),
        pytest.param(still(running=2), 2, id="tasks still run"),
        pytest.param(still(running=None, deployments=(deployment(2),)), 2, id="where only deployments are counted"),
        pytest.param(still(deployments=(deployment(1), deployment(2))), 3, id="of an old deployment too"),
        pytest.param(still(desired=2, running=5), 5, id="more than are wanted"),
    ],
)
def test_a_service_with_tasks_is_waited_for_without_a_further_look(ecs: Ecs, found: ServiceRecord, count: int) -> None:
    ecs.services[API] = found
    assert ecs.standstill.waits_for((API,)) == f"api ({count} running)"


@pytest.mark.parametrize(
    ("statuses", "waits"),
    [
        pytest.param((), "", id="none"),
        pytest.param(("STOPPED", "DEPROVISIONING"), "", id="ended"),
        pytest.param(("",), "", id="not said"),
        pytest.param(("STOPPED", "STOPPING"), "api (1 running)", id="on its way down"),
        pytest.param(("RUNNING", "DEACTIVATING", "PENDING"), "api (3 running)", id="told to stop, and not there yet"),
        pytest.param(("A_STATE_OF_NEXT_YEAR",), "api (1 running)", id="a state that nobody knows"),
    ],
)
def test_what_is_on_its_way_down_still_runs(ecs: Ecs, statuses: tuple[str, ...], waits: str) -> None:
    ecs.services[API] = still()
    ecs.tasks(*statuses)
    assert ecs.standstill.waits_for((API,)) == waits


def test_every_service_that_runs_is_named(ecs: Ecs) -> None:
    quiet = (CLUSTER, "quiet")
    ecs.services = {API: still(desired=1), WORKER: still(), quiet: still()}
    ecs.tasks("STOPPING", "STOPPING", service="worker")
    ecs.tasks(service="quiet")
    assert ecs.standstill.waits_for((API, WORKER, quiet)) == "api (1 running), worker (2 running)"


def test_no_more_tasks_are_described_than_one_call_takes(ecs: Ecs) -> None:
    ecs.services[API] = still()
    arns = [f"arn:aws:ecs:us-east-1:123456789012:task/{CLUSTER}/{number}" for number in range(120)]
    ecs.lists(*arns)
    ecs.stubber.add_response("describe_tasks", {"tasks": []}, {"cluster": CLUSTER, "tasks": arns[:100]})
    assert ecs.standstill.waits_for((API,)) == ""


def test_an_endpoint_that_lists_no_tasks_is_believed(ecs: Ecs) -> None:
    ecs.services[API] = still()
    ecs.stubber.add_client_error("list_tasks", "501", http_status_code=501)
    assert ecs.standstill.waits_for((API,)) == ""


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "ServerException"])
def test_what_cannot_be_read_does_not_stand_still(ecs: Ecs, code: str) -> None:
    ecs.services[API] = still()
    ecs.stubber.add_client_error("list_tasks", code)
    with pytest.raises(ClientError):
        ecs.standstill.waits_for((API,))


def test_a_service_that_is_not_there_does_not_stand_still(ecs: Ecs) -> None:
    with pytest.raises(Absent):
        ecs.standstill.waits_for((API,))
