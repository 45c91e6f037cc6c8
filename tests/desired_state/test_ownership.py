"""What an environment claims, and when two environments claim the same."""

from __future__ import annotations

from typing import Any

import pytest

from desired_state.model import Aws, Database, Environment, Maintenance, Service
from desired_state.ownership import Claim, claims

LISTENER = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/alb/50dc6c495c0c9188/f2f7dc8efc522ab2"
ROLE = "arn:aws:iam::123456789012:role/trueup"


def environment(*, aws: dict[str, Any] | None = None, page: dict[str, Any] | None = None) -> Environment:
    return Environment(
        version=1,
        environment="production",
        aws=Aws(**({"region": "us-east-1"} | (aws or {}))),
        services={"api": Service(cluster="c", service="s")},
        databases={"postgres": Database(secret="a/b")},
        maintenance=Maintenance(enabled=False, **(page or {"load_balancer": "alb"})),
    )


def test_every_claim_names_the_key_that_makes_it() -> None:
    made = {(claim.kind, key) for claim, key in claims(environment()).items()}
    assert made == {
        ("environment", "environment"),
        ("service", "services.api"),
        ("secret", "databases.postgres"),
        ("listener", "maintenance"),
    }


def test_an_empty_environment_claims_only_its_name() -> None:
    empty = Environment(version=1, environment="p", aws=Aws(region="us-east-1"))
    assert claims(empty) == {Claim("environment", "p"): "environment"}


def meeting(one: Environment, other: Environment) -> set[str]:
    """The kinds of what both claim."""
    return {mine.kind for mine in claims(one) for theirs in claims(other) if mine.may_be(theirs)}


EVERYTHING = {"environment", "service", "secret", "listener"}


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        pytest.param({}, {}, EVERYTHING, id="the same place"),
        pytest.param({}, {"region": "eu-west-1"}, {"environment"}, id="another region"),
        pytest.param({"account": "1" * 12}, {"account": "2" * 12}, {"environment"}, id="another account"),
        pytest.param({"account": "123456789012"}, {"role_arn": ROLE}, EVERYTHING, id="the account of the role"),
        pytest.param({"account": "123456789012"}, {}, EVERYTHING, id="one that does not say its account"),
    ],
)
def test_all_but_the_name_meet_only_in_what_may_be_one_account_and_region(
    one: dict[str, Any], other: dict[str, Any], shared: set[str]
) -> None:
    assert meeting(environment(aws=one), environment(aws=other)) == shared
    assert meeting(environment(aws=other), environment(aws=one)) == shared


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        pytest.param({"load_balancer": "alb"}, {"load_balancer": "alb"}, True, id="the same listener"),
        pytest.param({"load_balancer": "alb"}, {"load_balancer": "alb", "port": 80}, False, id="another port"),
        pytest.param({"load_balancer": "alb"}, {"load_balancer": "other"}, False, id="another load balancer"),
        pytest.param({"load_balancer": "alb"}, {"listener_arn": LISTENER}, True, id="an ARN does not say its port"),
        pytest.param({"load_balancer": "other"}, {"listener_arn": LISTENER}, False, id="an ARN says its load balancer"),
        pytest.param({"listener_arn": LISTENER}, {"listener_arn": LISTENER}, True, id="the same ARN"),
        pytest.param({"listener_arn": LISTENER}, {"listener_arn": LISTENER[:-1] + "3"}, False, id="another ARN"),
    ],
)
def test_listeners_are_told_apart_by_all_that_is_known(
    one: dict[str, Any], other: dict[str, Any], shared: bool
) -> None:
    assert ("listener" in meeting(environment(page=one), environment(page=other))) is shared


def test_claims_are_ordered_so_that_reports_are_stable() -> None:
    assert [claim.kind for claim in sorted(claims(environment()))] == ["environment", "listener", "secret", "service"]
    assert Claim("secret", "a") < Claim("secret", "b") < Claim("service", "a")
