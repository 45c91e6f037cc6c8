"""The server and the requests under /rehearsal/: its clock, its images, and one at a time in a process."""

import json
import socket
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from rehearsal.server import Rehearsal
from tests.rehearsal.place import CLUSTER, ROLLOUT, Aws, code


def ask(aws: Aws, method: str, path: str, sent: Any = None) -> tuple[int, Any]:
    """Status and document of a request to /rehearsal/."""
    body = None if sent is None else json.dumps(sent).encode()
    request = urllib.request.Request(f"{aws.rehearsal.url}/rehearsal/{path}", body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_only_one_rehearsal_is_open_in_a_process(aws: Aws) -> None:
    with pytest.raises(RuntimeError, match=r"another rehearsal is open.*python -m rehearsal"):
        Rehearsal()


def test_the_time_of_an_answer_is_the_time_of_the_rehearsal(aws: Aws) -> None:
    aws.rehearsal.advance(7 * 86400)

    answer = aws.ecs.list_clusters()["ResponseMetadata"]["HTTPHeaders"]["date"]

    assert abs(parsedate_to_datetime(answer) - datetime.now(UTC) - timedelta(days=7)) < timedelta(hours=1)
    assert abs(parsedate_to_datetime(answer) - aws.rehearsal.now()) < timedelta(seconds=5)


def test_the_clock_is_read_and_advanced(aws: Aws) -> None:
    _, before = ask(aws, "GET", "clock")
    _, after = ask(aws, "POST", "clock", {"advance": 100})

    assert 100 <= after["now"] - before["now"] < 105
    assert before["pace"]["rollout"] == ROLLOUT


def test_the_past_begins_only_where_nothing_has_happened_yet(aws: Aws) -> None:
    aws.service(aws.family())
    before = aws.rehearsal.now()

    assert ask(aws, "POST", "clock", {"begin": 86400}) == (200, {"behind": 0.0})
    assert aws.rehearsal.now() >= before


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "said"),
    [
        pytest.param("GET", "weather", None, 404, "knows no GET /rehearsal/weather", id="nothing of that name"),
        pytest.param("POST", "clock", {"advance": -1}, 400, "only goes forward", id="back in time"),
        pytest.param("POST", "clock", {}, 400, "advance", id="a clock that is told nothing"),
        pytest.param("POST", "faults", {"kind": "flood"}, 400, "missing", id="half a fault"),
        pytest.param("GET", "alb?load_balancer=nobody&host=x", None, 404, "no load balancer nobody", id="no balancer"),
        pytest.param(
            "POST", "images", {"image": "app:v1", "pushed_at": "2024-02-24"}, 400, "not an image of ECR", id="no ECR"
        ),
        pytest.param(
            "POST",
            "images",
            {"image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/tags:gone", "pushed_at": "2024-02-24"},
            400,
            "no image of tags has the tag gone",
            id="a tag that is not there",
        ),
    ],
)
def test_what_cannot_be_done_is_said(aws: Aws, method: str, path: str, sent: Any, status: int, said: str) -> None:
    code(aws.caller.aws("ecr").create_repository, repositoryName="tags")

    got, document = ask(aws, method, path, sent)

    assert got == status
    assert said in document["error"]


def test_faults_are_ordered_and_called_off_by_request(aws: Aws) -> None:
    ask(aws, "POST", "faults", {"service": "ecs", "operation": "ListClusters", "kind": "throttle", "times": 9})
    assert code(aws.ecs.list_clusters) == "ThrottlingException"

    assert ask(aws, "DELETE", "faults") == (200, None)

    assert code(aws.ecs.list_clusters) == ""


def test_calls_are_read_and_forgotten_by_request_and_do_not_count_themselves(aws: Aws) -> None:
    ask(aws, "DELETE", "calls")
    aws.ecs.list_clusters()

    assert [each["operation"] for each in ask(aws, "GET", "calls")[1]] == ["ListClusters"]


def test_an_image_is_bad_from_the_next_deployment_on(aws: Aws) -> None:
    image = "registry.example/app:soon-bad"
    service = aws.service(aws.family(image))

    ask(aws, "POST", "images", {"image": image, "bad": True})

    assert service.deployments() == [("PRIMARY", "1", "COMPLETED")]
    service.update(forceNewDeployment=True)
    aws.rehearsal.advance(ROLLOUT + 0.1)
    assert service.deployments()[1] == ("ACTIVE", "1", "FAILED")


def test_a_fleet_is_steady_old_and_talkative(aws: Aws) -> None:
    _, made = ask(aws, "POST", "fleet", {"services": 25, "clusters": 3})
    assert made == {"clusters": ["fleet-000", "fleet-001", "fleet-002"], "services": 25}

    arns = aws.ecs.list_services(cluster="fleet-000", maxResults=100)["serviceArns"]
    services = aws.ecs.describe_services(cluster="fleet-000", services=arns)["services"]

    assert len(services) == 9
    for each in services:
        deployment = each["deployments"][0]
        assert (deployment["rolloutState"], len(each["deployments"]), len(each["events"])) == ("COMPLETED", 1, 100)
        assert deployment["taskDefinition"].endswith(":2")
        assert each["runningCount"] == each["desiredCount"] == 2


def test_a_crash_of_the_rehearsal_is_an_answer(aws: Aws) -> None:
    request = urllib.request.Request(aws.rehearsal.url, b"{}", method="POST")
    request.add_header("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition")
    request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=x/20240224/us-east-1/ecs/aws4_request, rest")

    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(request, timeout=5)

    assert answer.value.code == 500
    assert "the rehearsal failed" in json.load(answer.value)["message"]


def test_a_cluster_that_is_there_is_made_once(aws: Aws) -> None:
    assert aws.ecs.create_cluster(clusterName=CLUSTER)["cluster"]["status"] == "ACTIVE"
    assert aws.ecs.list_clusters()["clusterArns"].count("arn:aws:ecs:us-east-1:123456789012:cluster/main") == 1


def test_whoever_asks_whether_to_go_on_is_answered_before_the_rest_is_sent(aws: Aws) -> None:
    host, _, port = aws.rehearsal.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        head = "PUT /shop/key HTTP/1.1\r\nHost: s3\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
