"""CloudTrail's event history: who called what, newest first, without a value that may be secret."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.rehearsal.place import Aws, code


def by(url: str, user: str, service: str = "secretsmanager") -> Any:
    agent = Config(user_agent_extra=f"program-of-{user}", retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": user, "aws_secret_access_key": "x"}
    return boto3.client(service, region_name="us-east-1", endpoint_url=url, config=agent, **keys)


def called(operation: str) -> list[dict[str, str]]:
    return [{"AttributeKey": "EventName", "AttributeValue": operation}]


def test_a_call_is_told_with_who_made_it_and_no_secret(aws: Aws) -> None:
    name = aws.name("team/secret")
    by(aws.rehearsal.url, "ann").create_secret(Name=name, SecretString="hunter2")
    by(aws.rehearsal.url, "bob").put_secret_value(SecretId=name, SecretString="hunter2")

    trail = aws.caller.aws("cloudtrail")
    told = trail.lookup_events(LookupAttributes=called("PutSecretValue"))["Events"][0]
    document = json.loads(told["CloudTrailEvent"])

    assert (told["Username"], told["ReadOnly"]) == ("bob", "false")
    assert document["userIdentity"]["userName"] == "bob"
    assert document["requestParameters"]["secretId"] == name
    assert "program-of-bob" in document["userAgent"]
    assert abs(told["EventTime"] - aws.rehearsal.now()) < timedelta(seconds=5)
    assert "hunter2" not in json.dumps(trail.lookup_events(), default=str)


def test_the_newest_come_first_page_by_page_and_only_from_the_window(aws: Aws) -> None:
    ecs, trail = by(aws.rehearsal.url, "carl", "ecs"), aws.caller.aws("cloudtrail")
    for number in range(5):
        ecs.create_cluster(clusterName=f"cluster-{number}")
    mine = [{"AttributeKey": "Username", "AttributeValue": "carl"}]

    first = trail.lookup_events(LookupAttributes=mine, MaxResults=3)
    rest = trail.lookup_events(LookupAttributes=mine, MaxResults=3, NextToken=first["NextToken"])
    names = [
        json.loads(event["CloudTrailEvent"])["requestParameters"]["clusterName"]
        for event in (*first["Events"], *rest["Events"])
    ]

    assert names == [f"cluster-{number}" for number in (4, 3, 2, 1, 0)]
    assert "NextToken" not in rest
    assert not trail.lookup_events(LookupAttributes=mine, StartTime=datetime.now(UTC) + timedelta(hours=1))["Events"]


def test_a_refused_call_is_told_with_its_error(aws: Aws) -> None:
    with pytest.raises(Exception, match="ClusterNotFound"):
        by(aws.rehearsal.url, "dora", "ecs").update_service(cluster="none", service="none")

    told = aws.caller.aws("cloudtrail").lookup_events(LookupAttributes=called("UpdateService"))["Events"][0]
    assert json.loads(told["CloudTrailEvent"])["errorCode"] == "ClusterNotFoundException"


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        pytest.param({"MaxResults": 50, "StartTime": 2, "EndTime": 1}, "InvalidTimeRangeException", id="backwards"),
        pytest.param(
            {"LookupAttributes": [*called("A"), *called("B")]}, "InvalidLookupAttributesException", id="two attributes"
        ),
    ],
)
def test_what_cloudtrail_does_not_take_is_refused(aws: Aws, asked: dict[str, Any], refused: str) -> None:
    assert code(lambda: aws.caller.aws("cloudtrail").lookup_events(**asked)) == refused
