"""Whether going back to an earlier version would work now, of versions and in a production that stands still."""

from collections.abc import Iterator
from typing import Any

import pytest

from desired_state.history import Version
from desired_state.model import Environment
from desired_state.repository import Commit
from reconcilers.readiness import Finding, Touched, Verdict, Weight, confirmed, touched
from reconcilers.readiness_reads import Needs, ecr_image, needs_of
from rehearsal import replaydash_names as names
from rehearsal.server import Rehearsal
from tests.reconcilers.readiness_world import (
    DIGEST,
    HEAD,
    NOON,
    NOW,
    OTHER,
    Production,
    file,
    maintenance,
    restore,
    said,
    seeded,
)


@pytest.fixture(scope="module")
def aws() -> Iterator[Rehearsal]:
    """An AWS in which nobody changes anything."""
    with seeded() as made:
        yield made


@pytest.fixture
def still(aws: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Production]:
    """The production of all tests that only look."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    yield Production(aws)
    aws.clear_faults()


# What going back would touch


@pytest.mark.parametrize(
    ("then", "services", "databases"),
    [
        pytest.param(NOW, [], [], id="nothing"),
        pytest.param(
            file(api="task_revision: 123", worker="task_revision: 58", postgres=f"endpoint: {names.DATABASE_HOST}"),
            ["api"],
            [],
            id="one service of two",
        ),
        pytest.param(
            file(api="task_revision: 124", worker="task_revision: 58", postgres="endpoint: other.example"),
            [],
            ["postgres"],
            id="a database that nobody follows",
        ),
    ],
)
def test_what_going_back_would_touch(then: Environment, services: list[str], databases: list[str]) -> None:
    found = touched(NOW, then)

    assert ([name for name, _ in found.services], [name for name, _ in found.databases]) == (services, databases)
    assert found.maintenance is None


def test_who_restarts_with_a_database_is_touched_with_it() -> None:
    api = "task_revision: 124, databases: [postgres]"
    now = file(api=api, worker="task_revision: 58", postgres=f"endpoint: {names.DATABASE_HOST}")

    found = touched(now, file(api=api, worker="task_revision: 58", postgres=restore()))

    assert ([name for name, _ in found.services], [name for name, _ in found.databases]) == (["api"], ["postgres"])


def test_a_service_that_left_the_file_since_is_touched() -> None:
    assert [name for name, _ in touched(file(api="task_revision: 124"), NOW).services] == ["worker"]


def test_what_nobody_checks_is_said() -> None:
    infrastructure = f"infrastructure: {{net: {{commit: {'a' * 40}}}}}\n"
    then = file(api="task_revision: 124", more=infrastructure)

    found = touched(file(api="task_revision: 124"), then.model_copy(update={"mode": type(then.mode).OBSERVE}))

    assert [(each.entry, each.weight) for each in found.unchecked] == [
        ("infrastructure net", Weight.UNCHECKED),
        ("mode", Weight.UNCHECKED),
    ]
    assert touched(then, then) == Touched()


# What tasks need


@pytest.mark.parametrize(
    ("image", "found"),
    [
        pytest.param("team/api:v1", None, id="no registry"),
        pytest.param("public.ecr.aws/x/api:v1", None, id="the public registry"),
        pytest.param(
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/api:v1",
            (("123456789012", "eu-west-1", "team/api"), "v1"),
            id="a tag",
        ),
        pytest.param(
            f"123456789012.dkr.ecr.us-east-1.amazonaws.com/api:v1@{DIGEST}",
            (("123456789012", "us-east-1", "api"), DIGEST),
            id="a digest counts more than a tag",
        ),
        pytest.param(
            "123456789012.dkr-ecr.us-east-1.on.aws/api",
            (("123456789012", "us-east-1", "api"), "latest"),
            id="both families of addresses, no tag",
        ),
        pytest.param(
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/api:v1",
            (("123456789012", "cn-north-1", "api"), "v1"),
            id="China",
        ),
    ],
)
def test_where_an_image_is(image: str, found: object) -> None:
    assert ecr_image(image) == found


def test_what_a_task_definition_names() -> None:
    containers: list[dict[str, Any]] = [
        {
            "image": "a:1",
            "secrets": [{"name": "A", "valueFrom": "arn:a"}, {"name": "B", "valueFrom": "/b"}],
            "repositoryCredentials": {"credentialsParameter": "arn:r"},
        },
        {"image": "a:1", "logConfiguration": {"secretOptions": [{"name": "T", "valueFrom": "arn:l"}]}, "secrets": None},
    ]

    found = needs_of({"containerDefinitions": containers, "executionRoleArn": "arn:x", "taskRoleArn": "arn:x"})

    assert found == Needs(("a:1",), ("arn:a", "/b", "arn:r", "arn:l"), ("arn:x",))
    assert needs_of({}) == Needs()


# One answer alone


def test_what_is_missing_counts_once_it_was_said_twice() -> None:
    gone, unread = Finding("service api", "the image is gone"), Finding("service api", "denied", Weight.UNREAD)
    first = Verdict("c", (gone, unread))

    once = confirmed(first, None)
    twice = confirmed(first, first)

    assert (once.ready, twice.ready) == (None, False)
    assert once.findings[0].message.startswith("the image is gone")
    assert twice == first
    assert confirmed(first, Verdict("c", (unread,))).ready is None


def test_a_verdict_is_ready_not_ready_or_unknown() -> None:
    gone, unread, other = (Finding("x", "y", weight) for weight in Weight)

    verdicts = [Verdict("c", found).ready for found in ((), (other,), (unread, other), (unread, gone), (gone,))]

    assert verdicts == [True, True, None, False, False]


# Services


def test_a_version_is_ready_while_all_that_it_names_is_there(still: Production) -> None:
    verdict = still.look(file(api="task_revision: 123", worker="task_revision: 57"))[0]

    assert (verdict.ready, said(verdict, Weight.UNCHECKED)) == (True, [f"service api: {OTHER}"])


def test_five_versions_cost_what_is_distinct_in_them(still: Production) -> None:
    pins = ("123", "122", "121", "120", "123, desired_count: 4")
    versions = [file(api=f"task_revision: {pin}", worker="task_revision: 57") for pin in pins]
    still.look(*versions)

    verdicts = still.look(*versions)

    assert [verdict.ready for verdict in verdicts] == [True] * 5
    assert still.calls() == {
        "DescribeServices": 1,
        "DescribeScalableTargets": 1,
        "DescribeTaskDefinition": 5,  # their status; their content is known
        "DescribeImages": 2,  # one a repository
        "DescribeSecret": 1,
        "GetRole": 2,
    }


def test_nothing_is_asked_where_going_back_touches_nothing(still: Production) -> None:
    assert still.look(NOW)[0].ready
    assert still.calls() == {}


def test_an_image_in_the_archive_cannot_be_pulled(still: Production) -> None:
    client: Any = still.connection.reading("ecr", "us-east-1")
    client.meta.events.register(
        "after-call.ecr.DescribeImages",
        lambda parsed, **_: [each.update(imageStatus="ARCHIVED") for each in parsed["imageDetails"]],
    )

    assert "is ARCHIVED in ECR" in still.missing(file(api="task_revision: 123"))[0]


def test_a_revision_that_never_was_is_named(still: Production) -> None:
    assert still.missing(file(api="task_revision: 999")) == [
        f"service api: there is no task definition {names.API}:999; "
        "pin a revision that exists (aws ecs list-task-definitions lists them)"
    ]


def test_what_a_file_asks_and_cannot_be_is_said_in_the_words_of_a_pass(still: Production) -> None:
    messages = still.missing(file(api="task_revision: 123, env: {DATABASE_URL: x}"))

    assert "takes this variable from a secret" in messages[0]


def test_a_count_outside_of_what_autoscaling_allows_is_said(still: Production) -> None:
    assert (
        "desired_count 40 is outside what autoscaling allows (2 to 10)"
        in still.missing(file(worker="task_revision: 57, desired_count: 40"))[0]
    )


def test_a_service_that_is_gone_is_named(still: Production) -> None:
    gone = NOW.services["api"].model_copy(update={"service": "gone"})
    then = NOW.model_copy(update={"services": type(NOW.services)({"api": gone})})

    assert "has no service gone" in still.missing(then)[0]


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("ecs", "DescribeServices"),
        ("ecs", "DescribeTaskDefinition"),
        ("ecr", "DescribeImages"),
        ("secretsmanager", "DescribeSecret"),
        ("iam", "GetRole"),
    ],
)
def test_what_cannot_be_read_makes_nothing_not_ready(still: Production, service: str, operation: str) -> None:
    still.aws.fault(service, operation, "error", times=9)

    verdict = still.look(file(api="task_revision: 123"))[0]

    assert verdict.ready is None
    assert f"{operation} failed" in said(verdict, Weight.UNREAD)[0]
    still.aws.clear_faults()
    assert still.look(file(api="task_revision: 123"))[0].ready


# Databases


def test_a_database_that_is_as_now_is_ready(still: Production) -> None:
    now = file(postgres="endpoint: other.example")

    assert still.look(file(postgres=f"endpoint: {names.DATABASE_HOST}"), now=now)[0].ready
    once = ("DescribeSecret", "ListSecretVersionIds", "GetSecretValue", "DescribeDBInstances")
    assert still.calls() == dict.fromkeys(once, 1)


def test_an_endpoint_elsewhere_is_not_checked(still: Production) -> None:
    verdict = still.look(file(postgres="endpoint: db.elsewhere.example"))[0]

    assert verdict.ready
    assert "is no RDS instance of this account and region: not checked" in said(verdict, Weight.UNCHECKED)[0]


def test_what_an_engine_no_longer_offers_cannot_be_restored(still: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(still.readiness._databases._rds, "offers", lambda *_: False)

    assert "RDS no longer offers postgres 16.3" in still.missing(file(postgres=restore()))[0]


def test_a_version_of_the_secret_must_still_be_there(still: Production) -> None:
    message = still.missing(file(postgres='secret_version: "12345678-1234-1234-1234-123456789012"'))[0]

    assert "has no version 12345678-1234-1234-1234-123456789012 (any more)" in message


# Maintenance, and what lies elsewhere


def test_the_listener_of_a_maintenance_page_must_be_there(still: Production) -> None:
    assert still.look(file(more=maintenance()), now=file())[0].ready
    gone = file(more=maintenance(balancer="nobody"))
    assert (
        f"load balancer {names.ALB} has no listener on port 444"
        in still.missing(file(more=maintenance(port=444)), file())[0]
    )
    assert "there is no load balancer nobody" in still.missing(gone, file())[0]


def test_a_version_of_another_region_is_unknown(still: Production) -> None:
    verdict = still.look(file(api="task_revision: 123", head=HEAD.replace("us-east-1", "eu-west-1")))[0]

    assert (verdict.ready, still.calls()) == (None, {})


def test_a_check_that_is_broken_off_says_nothing(still: Production) -> None:
    version = Version(Commit("a" * 40, NOON, "Ann", "Pin"), file(api="task_revision: 123"))
    still.aws.clear_calls()

    assert still.readiness.of(NOW, [version], lambda: False) is None
    assert still.calls() == {}


def test_no_check_ever_writes(still: Production) -> None:
    still.look(
        file(api="task_revision: 122, image_tag: v1, env: {A: b}", worker="desired_count: 3", postgres=restore()),
        file(api="task_revision: 1", postgres="endpoint: db.elsewhere.example", more=maintenance()),
    )

    assert [call["operation"] for call in still.aws.calls() if call["write"]] == []
