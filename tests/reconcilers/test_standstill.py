"""Whether services stand still: a task that ECS no longer counts may still write."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from reconcilers.contract import Absent, Stalled
from reconcilers.ecs_records import Deployment, ServiceRecord
from reconcilers.standstill import Standstill
from tests.reconcilers.ecs_world import CLUSTER, SESSION, record
from tests.reconcilers.rds_world import NOW

API, WORKER = (CLUSTER, "api"), (CLUSTER, "worker")
HELD = {"hold": "2024-02-25T00:00:00Z"}


def arns(count: int) -> list[str]:
    return [f"arn:aws:ecs:us-east-1:123456789012:task/{CLUSTER}/{number}" for number in range(count)]


class Ecs:
    """What DescribeServices said, and what ListTasks and DescribeTasks answer, in this order."""

    def __init__(self) -> None:
        client = SESSION.client("ecs", aws_access_key_id="a", aws_secret_access_key="b")
        self.stubber = Stubber(client)
        self.stubber.activate()
        self.services: dict[tuple[str, str], ServiceRecord] = {}
        connection: Any = SimpleNamespace(reading=lambda _: client, now=lambda: NOW)
        reads: Any = SimpleNamespace(service=self._service)
        self.standstill = Standstill(connection, reads)

    def _service(self, key: tuple[str, str]) -> ServiceRecord:
        if key not in self.services:
            raise Absent(f"there is no {key[1]}")
        return self.services[key]

    def lists(self, status: str, *pages: list[str], service: str = "api", cluster: str = CLUSTER) -> None:
        """The tasks that are to be in a state, in so many answers; none at all without pages."""
        for number, page in enumerate(pages or ([],)):
            told = {"taskArns": page, **({"nextToken": f"{number + 1}"} if number + 1 < len(pages) else {})}
            asked = {"cluster": cluster, "serviceName": service, "desiredStatus": status}
            self.stubber.add_response("list_tasks", told, {**asked, **({"nextToken": f"{number}"} if number else {})})

    def describes(self, asked: list[str], statuses: list[str]) -> None:
        told = [{"lastStatus": status} if status else {} for status in statuses]
        self.stubber.add_response("describe_tasks", {"tasks": told}, {"cluster": CLUSTER, "tasks": asked})

    def tasks(self, *statuses: str, service: str = "api", cluster: str = CLUSTER) -> None:
        """Tasks that are to stop, each in one of these states; "" where the endpoint says none."""
        self.lists("RUNNING", service=service, cluster=cluster)
        self.lists("STOPPED", arns(len(statuses)), service=service, cluster=cluster)
        if statuses:
            self.describes(arns(len(statuses)), list(statuses))


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
def test_a_service_that_counts_tasks_is_waited_for_whatever_is_listed(
    ecs: Ecs, found: ServiceRecord, count: int
) -> None:
    ecs.services[API] = found
    ecs.tasks()
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


def test_a_task_that_the_service_does_not_count_runs_all_the_same(ecs: Ecs) -> None:
    ecs.services[API] = still()
    ecs.lists("RUNNING", arns(2), arns(1))
    ecs.lists("STOPPED")
    ecs.describes([*arns(2), *arns(1)], ["RUNNING", "PENDING", "PROVISIONING"])
    assert ecs.standstill.waits_for((API,)) == "api (3 running)"


def test_every_service_that_runs_is_named(ecs: Ecs) -> None:
    quiet = (CLUSTER, "quiet")
    ecs.services = {API: still(desired=1), WORKER: still(), quiet: still()}
    ecs.tasks()
    ecs.tasks("STOPPING", "STOPPING", service="worker")
    ecs.tasks(service="quiet")
    assert ecs.standstill.waits_for((API, WORKER, quiet)) == "api (1 running), worker (2 running)"


@pytest.mark.parametrize("order", [1, -1])
def test_one_name_in_two_clusters_is_two_services(ecs: Ecs, order: int) -> None:
    other = ("other", "api")
    ecs.services = {API: still(), other: still(desired=2)}
    for cluster in (CLUSTER, "other")[::order]:
        ecs.tasks(cluster=cluster)
    assert ecs.standstill.waits_for((API, other)[::order]) == "api (2 running)"


def test_no_more_tasks_are_described_than_one_call_takes(ecs: Ecs) -> None:
    ecs.services[API] = still()
    ecs.lists("RUNNING")
    ecs.lists("STOPPED", arns(120))
    ecs.describes(arns(120)[:100], ["STOPPED"] * 100)
    ecs.describes(arns(120)[100:], ["STOPPED"] * 19 + ["STOPPING"])
    assert ecs.standstill.waits_for((API,)) == "api (1 running)"


def test_every_page_of_stopped_tasks_is_looked_at(ecs: Ecs) -> None:
    ecs.services[API] = still()
    ecs.lists("RUNNING")
    ecs.lists("STOPPED", arns(101)[:100], arns(101)[100:])
    ecs.describes(arns(101)[:100], ["STOPPED"] * 100)
    ecs.describes(arns(101)[100:], ["STOPPING"])
    assert ecs.standstill.waits_for((API,)) == "api (1 running)"


def test_an_endpoint_that_lists_no_tasks_is_believed(ecs: Ecs) -> None:
    ecs.services[API] = still()
    ecs.stubber.add_client_error("list_tasks", "501", http_status_code=501)
    assert ecs.standstill.waits_for((API,)) == ""


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "ServerException"])
@pytest.mark.parametrize("operation", ["list_tasks", "describe_tasks"])
@pytest.mark.parametrize("running", [0, 3])
def test_what_cannot_be_read_does_not_stand_still(ecs: Ecs, operation: str, code: str, running: int) -> None:
    """Also before anything has stopped: a permission that is missing must not be found out at 0 tasks."""
    ecs.services[API] = still(desired=running, running=running)
    if operation == "describe_tasks":
        ecs.lists("RUNNING")
        ecs.lists("STOPPED", arns(1))
    ecs.stubber.add_client_error(operation, code)
    with pytest.raises(ClientError):
        ecs.standstill.waits_for((API,))


def test_a_service_that_is_not_there_does_not_stand_still(ecs: Ecs) -> None:
    with pytest.raises(Absent):
        ecs.standstill.waits_for((API,))


# --- what will never stand still by itself


@pytest.mark.parametrize("count", [0, 2])
def test_a_daemon_service_has_no_count_and_stops_for_nothing(ecs: Ecs, count: int) -> None:
    ecs.services[API] = still(name="every", scheduling="DAEMON", desired=count)
    with pytest.raises(Stalled) as stalled:
        ecs.standstill.waits_for((API,))
    assert str(stalled.value) == (
        "service every is to run no task while the database is moved: "
        "it is a DAEMON service and has no count; take it out of quiesce"
    )


def test_a_service_that_a_person_holds_is_not_waited_for_until_they_let_go(ecs: Ecs) -> None:
    ecs.services = {API: still(), WORKER: still(name="worker", desired=3, tags=HELD)}
    ecs.tasks()
    with pytest.raises(Stalled, match=r"^service worker is to run no task .* held by the tag"):
        ecs.standstill.waits_for((API, WORKER))


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"tags": HELD}, id="at 0"),
        pytest.param({"tags": HELD, "running": 1}, id="on its way there"),
        pytest.param({"tags": {"hold": "2024-02-24T11:00:00Z"}, "desired": 1}, id="the hold has ended"),
        pytest.param({"tags": HELD, "status": "DRAINING", "desired": 1}, id="being deleted"),
        pytest.param({"scheduling": "DAEMON", "status": "DRAINING", "running": 1}, id="a DAEMON, being deleted"),
    ],
)
def test_a_hold_matters_only_where_tasks_are_wanted(ecs: Ecs, more: dict[str, Any]) -> None:
    ecs.services[API] = still(**more)
    ecs.tasks()
    assert ecs.standstill.waits_for((API,)) == ("" if more == {"tags": HELD} else "api (1 running)")
