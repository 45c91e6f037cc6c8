"""Scalable targets: of services that are there, with what was suspended, a page at a time."""

from typing import Any

import pytest

from tests.rehearsal.place import CLUSTER, Aws, code

DIMENSION = "ecs:service:DesiredCount"


@pytest.fixture
def scaling(aws: Aws) -> Any:
    return aws.caller.aws("application-autoscaling")


def target(name: str, **more: Any) -> dict[str, Any]:
    return {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{CLUSTER}/{name}",
        "ScalableDimension": DIMENSION,
        **more,
    }


@pytest.fixture
def name(aws: Aws, scaling: Any) -> str:
    """A service that is scaled from 2 to 10."""
    name = aws.service(aws.family()).name
    scaling.register_scalable_target(**target(name, MinCapacity=2, MaxCapacity=10))
    return name


def shown(scaling: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = scaling.describe_scalable_targets(
        ServiceNamespace="ecs", ResourceIds=[f"service/{CLUSTER}/{name}"]
    )["ScalableTargets"][0]
    return found


def test_a_target_has_its_band_and_nothing_suspended(scaling: Any, name: str) -> None:
    found = shown(scaling, name)

    assert (found["MinCapacity"], found["MaxCapacity"]) == (2, 10)
    assert set(found["SuspendedState"].values()) == {False}


def test_registering_again_changes_only_what_is_named(scaling: Any, name: str) -> None:
    scaling.register_scalable_target(**target(name, SuspendedState={"DynamicScalingInSuspended": True}))
    scaling.register_scalable_target(**target(name, MaxCapacity=20))

    found = shown(scaling, name)
    assert (found["MinCapacity"], found["MaxCapacity"]) == (2, 20)
    assert found["SuspendedState"] == {
        "DynamicScalingInSuspended": True,
        "DynamicScalingOutSuspended": False,
        "ScheduledScalingSuspended": False,
    }


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(target("nobody", MinCapacity=1, MaxCapacity=2), id="a service that is not there"),
        pytest.param(target("new", MinCapacity=1), id="a new target without its band"),
        pytest.param(target("new", MinCapacity=3, MaxCapacity=2), id="a band that is upside down"),
        pytest.param({**target("new", MinCapacity=1, MaxCapacity=2), "ResourceId": "service/new"}, id="half a name"),
    ],
)
def test_registering_refuses(aws: Aws, scaling: Any, sent: dict[str, Any]) -> None:
    name = aws.service(aws.family()).name
    sent = {**sent, "ResourceId": sent["ResourceId"].replace("/new", f"/{name}")}

    assert code(scaling.register_scalable_target, **sent) == "ValidationException"


def test_a_refused_change_changes_nothing(scaling: Any, name: str) -> None:
    refused = code(scaling.register_scalable_target, **target(name, MinCapacity=11))

    assert refused == "ValidationException"
    assert shown(scaling, name)["MinCapacity"] == 2


def test_a_target_that_is_gone_is_not_deregistered_again(scaling: Any, name: str) -> None:
    scaling.deregister_scalable_target(**target(name))

    assert code(scaling.deregister_scalable_target, **target(name)) == "ObjectNotFoundException"


def test_fifty_are_asked_for_at_once_and_51_are_refused(scaling: Any, name: str) -> None:
    names = [f"service/{CLUSTER}/{name}", *(f"service/{CLUSTER}/absent-{each}" for each in range(50))]

    def described(count: int) -> dict[str, Any]:
        return {"ServiceNamespace": "ecs", "ResourceIds": names[:count]}

    assert len(scaling.describe_scalable_targets(**described(50))["ScalableTargets"]) == 1
    assert code(scaling.describe_scalable_targets, **described(51)) == "ValidationException"


def test_more_than_fifty_come_in_pages(aws: Aws, scaling: Any) -> None:
    family = aws.family()
    for _ in range(60):
        service = aws.service(family, desired=0)
        scaling.register_scalable_target(**target(service.name, MinCapacity=0, MaxCapacity=1))

    pages = list(scaling.get_paginator("describe_scalable_targets").paginate(ServiceNamespace="ecs"))

    assert [len(page["ScalableTargets"]) <= 50 for page in pages] == [True] * len(pages)
    assert len({each["ResourceId"] for page in pages for each in page["ScalableTargets"]}) >= 60
    assert code(scaling.describe_scalable_targets, ServiceNamespace="ecs", MaxResults=51) == "ValidationException"
