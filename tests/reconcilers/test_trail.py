"""Who changed something, and what ECS and CloudWatch still know of the past."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from reconcilers import alarm_history, ecs_history
from reconcilers.aws import Connection, Place
from reconcilers.contract import Absent
from reconcilers.trail import Trail
from rehearsal import replaydash
from rehearsal.replaydash_names import BAD_TAG
from rehearsal.server import Pace, Rehearsal
from tests.reconcilers.fake_aws import refused

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLUSTER, SERVICE = "replaydash-production-cluster", "replaydash-production-api"


class FakeTrail:
    """LookupEvents of a list, page by page."""

    def __init__(self, *events: dict[str, Any], page: int = 50, error: Exception | None = None) -> None:
        self.events, self.page, self.error = events, page, error
        self.calls: list[dict[str, Any]] = []

    def lookup_events(self, **asked: Any) -> dict[str, Any]:
        self.calls.append(asked)
        if self.error:
            raise self.error
        first = int(asked.get("NextToken", "0"))
        more = {"NextToken": str(first + self.page)} if len(self.events) > first + self.page else {}
        return {"Events": list(self.events[first : first + self.page]), **more}


class Asked:
    """A connection with one client, and the pauses that were made."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.pauses: list[float] = []

    def trail(self) -> Trail:
        return Trail(self, self.pauses.append)  # all that is used of a connection

    def reading(self, _: str) -> Any:
        return self.client


def event(
    *, identity: dict[str, Any] | None = None, asked: Any = None, name: str = "UpdateService", **more: Any
) -> dict[str, Any]:
    document = {
        "userIdentity": {"type": "IAMUser", "userName": "ann"} if identity is None else identity,
        "requestParameters": {"service": "api", "cluster": "main"} if asked is None else asked,
        **more,
    }
    return {"EventTime": NOON, "EventName": name, "ReadOnly": "false", "CloudTrailEvent": json.dumps(document)}


@pytest.mark.parametrize(
    ("identity", "who"),
    [
        pytest.param({"type": "IAMUser", "userName": "ann"}, "ann", id="user"),
        pytest.param(
            {"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/Admin/ann@example.com"},
            "ann@example.com as role Admin",
            id="role",
        ),
        pytest.param({"type": "Root", "arn": "arn:aws:iam::1:root"}, "the root user", id="root"),
        pytest.param(
            {"type": "AWSService", "invokedBy": "ecs.application-autoscaling.amazonaws.com"},
            "ecs.application-autoscaling.amazonaws.com",
            id="a service of AWS",
        ),
        pytest.param({"type": "IAMUser", "accessKeyId": "AKIAIOSFODNN7EXAMPLE"}, "never the key", id="no name"),
        pytest.param({"type": "IAMUser", "userName": "a\nb\x1b[2J"}, "a b\\x1b[2J", id="hostile"),
    ],
)
def test_who_did_it_is_told_as_people_know_them(identity: dict[str, Any], who: str) -> None:
    deed = Asked(FakeTrail(event(identity=identity))).trail().deeds(["UpdateService"], NOON, NOON).deeds[0]

    if who == "never the key":
        who = "somebody whom CloudTrail does not name"
    assert deed.who == who


def test_what_it_was_about_is_named_also_by_the_end_of_its_arn() -> None:
    asked = {
        "service": "arn:aws:ecs:us-east-1:1:service/main/api",
        "changeBatch": {"changes": [{"resourceRecordSet": {"name": "db.example.internal."}}]},
        "desiredCount": 2,
    }
    deed = Asked(FakeTrail(event(asked=asked))).trail().deeds(["UpdateService"], NOON, NOON).deeds[0]

    assert {"api", "db.example.internal."} <= deed.names


def test_trueups_own_calls_and_refused_ones_are_known_as_such() -> None:
    own = event(userAgent="Boto3/1.35 md/Botocore#1.35 trueup")
    refused_one = event(errorCode="AccessDenied")
    deeds = Asked(FakeTrail(own, refused_one)).trail().deeds(["UpdateService"], NOON, NOON).deeds

    assert [(deed.ours, deed.error) for deed in deeds] == [(True, ""), (False, "AccessDenied")]


def test_the_trail_is_asked_slowly_and_for_a_few_pages_only() -> None:
    client = FakeTrail(*[event() for _ in range(40)], page=5)
    asked = Asked(client)
    found = asked.trail().deeds([f"Operation{n}" for n in range(9)], NOON, NOON + HOUR)

    assert len(client.calls) == 16
    assert len(asked.pauses) == 15
    assert min(asked.pauses) > 0.5, "two a second is all that AWS grants"
    assert any("the oldest were not looked at" in gap for gap in found.gaps)
    assert any("16 calls are enough" in gap for gap in found.gaps)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(refused("AccessDeniedException", "LookupEvents"), "allow cloudtrail:LookupEvents", id="denied"),
        pytest.param(refused("UnknownOperationException", "LookupEvents"), "has no CloudTrail", id="an emulator"),
        pytest.param(refused("ThrottlingException", "LookupEvents"), "did not answer", id="throttled"),
        pytest.param(EndpointConnectionError(endpoint_url="https://x"), "did not answer", id="unreachable"),
    ],
)
def test_a_trail_that_does_not_tell_is_one_gap(error: Exception, said: str) -> None:
    found = Asked(FakeTrail(error=error)).trail().deeds(["UpdateService", "PutSecretValue"], NOON, NOON)

    assert found.deeds == ()
    assert not found.whole
    assert len(found.gaps) == 1
    assert said in found.gaps[0]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"EventTime": NOON, "EventName": "X", "CloudTrailEvent": "{"}, id="torn"),
        pytest.param({"EventTime": NOON, "EventName": "X", "CloudTrailEvent": "[]"}, id="a list"),
        pytest.param({"EventTime": NOON, "EventName": "X"}, id="nothing"),
        pytest.param({"EventName": "X", "CloudTrailEvent": "{}"}, id="no time"),
        pytest.param({**event(), "ReadOnly": "true"}, id="only read"),
        pytest.param(event(identity={"type": 3}, asked={"a": [{"b": [[[1]]]}]}), id="strange"),
    ],
)
def test_an_event_that_says_too_little_breaks_nothing(told: dict[str, Any]) -> None:
    assert Asked(FakeTrail(told)).trail().deeds(["X"], NOON, NOON).gaps == ()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rehearsal]:
    with Rehearsal(pace=Pace(rollout=2.0)) as rehearsal:
        monkeypatch.setenv("AWS_ENDPOINT_URL", rehearsal.url)
        replaydash.seed(rehearsal.url)
        yield rehearsal


def release(aws: Rehearsal, tag: str) -> None:
    """A person registers a revision with this image and deploys it."""
    keys = {"aws_access_key_id": "ann", "aws_secret_access_key": "x"}
    ecs = boto3.client("ecs", region_name="us-east-1", endpoint_url=aws.url, **keys)
    running = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]["taskDefinition"]
    told = ecs.describe_task_definition(taskDefinition=running)["taskDefinition"]
    named = ("family", "containerDefinitions", "cpu", "memory", "networkMode", "executionRoleArn", "taskRoleArn")
    content: Any = {name: told[name] for name in named if name in told}
    container = content["containerDefinitions"][0]
    container["image"] = f"{container['image'].rpartition(':')[0]}:{tag}"
    revision = ecs.register_task_definition(**content)["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=revision)


def test_a_release_that_ecs_rolled_back_is_told_with_its_reasons(aws: Rehearsal) -> None:
    connection = Connection(Place("us-east-1"))
    before = connection.now()
    release(aws, BAD_TAG)
    aws.advance(10)

    past = ecs_history.past(connection, CLUSTER, SERVICE, before, aws.now())
    deployment = past.deployments[-1]

    assert (deployment.revision, deployment.status) == (f"{SERVICE}:125", "ROLLBACK_SUCCESSFUL")
    assert deployment.rolled_back_to == f"{SERVICE}:124"
    assert "circuit breaker" in deployment.rollback_reason
    assert deployment.rolled_back is not None
    assert deployment.finished is not None
    assert deployment.created < deployment.rolled_back <= deployment.finished
    assert [(each.revision, each.reason) for each in past.stopped] == [
        (f"{SERVICE}:125", "Task failed container health checks")
    ]
    assert any("rolling back" in each.message for each in past.events)
    assert past.running == past.desired
    assert past.gaps == ()


def test_what_was_before_or_after_is_not_told(aws: Rehearsal) -> None:
    connection = Connection(Place("us-east-1"))
    release(aws, BAD_TAG)
    aws.advance(10)
    later = aws.now() + timedelta(seconds=1)
    aws.advance(20)

    past = ecs_history.past(connection, CLUSTER, SERVICE, later, later + timedelta(seconds=5))

    assert (past.deployments, past.events, past.stopped) == ((), (), ())


def test_tasks_that_stop_because_others_take_their_place_are_no_news(aws: Rehearsal) -> None:
    connection = Connection(Place("us-east-1"))
    before = connection.now()
    keys = {"aws_access_key_id": "ann", "aws_secret_access_key": "x"}
    ecs = boto3.client("ecs", region_name="us-east-1", endpoint_url=aws.url, **keys)
    ecs.update_service(cluster=CLUSTER, service=SERVICE, forceNewDeployment=True)
    aws.advance(10)

    past = ecs_history.past(connection, CLUSTER, SERVICE, before, aws.now())

    assert [each.status for each in past.deployments] == ["SUCCESSFUL"]
    assert past.stopped == ()


def test_a_service_that_is_not_there_is_absent(aws: Rehearsal) -> None:
    with pytest.raises(Absent, match="has no service none"):
        ecs_history.past(Connection(Place("us-east-1")), CLUSTER, "none", NOON, NOON)


def test_the_person_is_found_by_the_name_of_the_service(aws: Rehearsal) -> None:
    connection = Connection(Place("us-east-1"))
    release(aws, BAD_TAG)
    now = connection.now()

    found = Trail(connection, lambda _: None).deeds(["UpdateService"], now - HOUR, now + HOUR)

    assert [(deed.who, SERVICE in deed.names, deed.ours) for deed in found.deeds] == [("ann", True, False)]


def test_the_history_of_alarms_is_told_as_cloudwatch_says_it() -> None:
    calls: list[dict[str, Any]] = []

    def describe(**asked: Any) -> dict[str, Any]:
        calls.append(asked)
        summary = "Alarm updated from OK\nto ALARM"
        return {"AlarmHistoryItems": [{"Timestamp": NOON, "HistorySummary": summary}, {"HistorySummary": "no time"}]}

    asked: Any = Asked(SimpleNamespace(describe_alarm_history=describe))
    told = list(alarm_history.changes(asked, [f"alarm-{n}" for n in range(30)], NOON - HOUR, NOON))

    assert len(calls) == alarm_history.MOST
    assert (calls[0]["StartDate"], calls[0]["HistoryItemType"]) == (NOON - HOUR, "StateUpdate")
    assert told[0] == alarm_history.AlarmChange(NOON, "alarm-0", "Alarm updated from OK to ALARM")


def test_alarms_that_may_not_be_read_are_an_error_of_the_caller() -> None:
    def describe(**_: Any) -> dict[str, Any]:
        raise refused("AccessDenied", "DescribeAlarmHistory")

    asked: Any = Asked(SimpleNamespace(describe_alarm_history=describe))
    with pytest.raises(ClientError):
        list(alarm_history.changes(asked, ["a"], NOON, NOON))
