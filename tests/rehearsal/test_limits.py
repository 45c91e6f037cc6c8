"""The request rates of AWS: a burst, then as many a second as the guides say."""

from collections.abc import Iterator

import pytest

from rehearsal.caller import Caller
from rehearsal.clock import Clock
from rehearsal.limits import Limits
from rehearsal.server import Rehearsal
from rehearsal.wire import Call, Request
from tests.rehearsal.place import code


class Frozen(Clock):
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time


def call(service: str, operation: str, region: str = "us-east-1") -> Call:
    return Call(service, operation, region, "json", {}, Request("POST", "/", "", {}, b""))


def admitted(limits: Limits, asked: Call, tries: int = 500) -> int:
    return sum(limits.admits(asked) for _ in range(tries))


@pytest.mark.parametrize(
    ("service", "operation", "burst", "refill"),
    [
        ("ecs", "RegisterTaskDefinition", 20, 1),
        ("ecs", "DescribeTaskDefinition", 50, 20),
        ("ecs", "DeleteTaskDefinitions", 5, 1),
        ("ecs", "UpdateService", 50, 5),
        ("ecs", "DescribeServices", 100, 20),
        ("ecs", "ListServiceDeployments", 50, 20),
        ("ecs", "DescribeServiceRevisions", 50, 20),
        ("ecs", "DescribeTasks", 100, 20),
        ("ecs", "TagResource", 20, 10),
        ("elbv2", "ModifyListener", 20, 3),
        ("elbv2", "RegisterTargets", 20, 4),
        ("elbv2", "DescribeRules", 40, 10),
        ("secretsmanager", "PutSecretValue", 50, 50),
    ],
)
def test_a_burst_and_then_a_rate(service: str, operation: str, burst: int, refill: int) -> None:
    clock = Frozen()
    limits = Limits(clock)

    assert admitted(limits, call(service, operation)) == burst
    clock.time += 1.0
    assert admitted(limits, call(service, operation)) == refill
    clock.time += 1000.0
    assert admitted(limits, call(service, operation)) == burst


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        pytest.param("RegisterTaskDefinition", "DeregisterTaskDefinition", True, id="what changes revisions"),
        pytest.param("DescribeServices", "ListServices", True, id="what reads services"),
        pytest.param("UpdateService", "DescribeServices", False, id="writes and reads"),
        pytest.param("ListServiceDeployments", "DescribeServiceRevisions", False, id="deployments and revisions"),
    ],
)
def test_some_operations_share_their_rate(one: str, other: str, shared: bool) -> None:
    limits = Limits(Frozen())
    admitted(limits, call("ecs", one))

    assert limits.admits(call("ecs", other)) is not shared


def test_every_call_to_load_balancing_counts_against_the_account() -> None:
    limits = Limits(Frozen())
    admitted(limits, call("elbv2", "DescribeRules"))

    assert not limits.admits(call("elbv2", "ModifyListener"))


def test_regions_have_rates_of_their_own_and_the_rest_has_none() -> None:
    limits = Limits(Frozen())
    admitted(limits, call("ecs", "UpdateService"))

    assert limits.admits(call("ecs", "UpdateService", region="eu-west-1"))
    assert admitted(limits, call("rds", "DescribeDBInstances")) == 500


@pytest.fixture
def throttled() -> Iterator[Rehearsal]:
    with Rehearsal(throttle=True) as rehearsal:
        yield rehearsal


def test_who_is_too_fast_is_throttled_and_may_go_on_later(throttled: Rehearsal) -> None:
    ecs = Caller(throttled.url).aws("ecs")
    container = {"name": "app", "image": "i"}

    def register() -> str:
        return code(ecs.register_task_definition, family="fast", containerDefinitions=[container])

    codes = [register() for _ in range(40)]
    assert codes[:20] == [""] * 20
    assert codes[-1] == "ThrottlingException"

    throttled.advance(2)
    assert register() == ""
    assert ecs.describe_task_definition(taskDefinition="fast")["taskDefinition"]["revision"] == codes.count("") + 1


def test_nothing_is_throttled_unless_asked() -> None:
    with Rehearsal() as rehearsal:
        ecs = Caller(rehearsal.url).aws("ecs")
        codes = {code(ecs.create_cluster, clusterName=f"c-{each}") for each in range(25)}

    assert codes == {""}
