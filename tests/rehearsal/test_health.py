"""How well production is: targets follow the tasks, the app answers by what serves, alarms and logs can be set."""

import http.client
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from rehearsal import log_search, replaydash
from rehearsal.caller import Caller
from rehearsal.clock import Pace
from rehearsal.replaydash_names import ALARMS, ALB, API, BAD_TAG, CLUSTER, CONTAINER, LIVE_REVISION, SICK_TAG, image
from rehearsal.server import Rehearsal
from tests.rehearsal.place import code

ROLLOUT = 20.0
GROUP = f"/ecs/{API}"


class Production:
    """ReplayDash, and what its users see of it."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal, self.caller = rehearsal, Caller(rehearsal.url)
        self.elb, self.ecs = self.caller.aws("elbv2"), self.caller.aws("ecs")

    def states(self) -> Counter[str]:
        group = self.elb.describe_target_groups(Names=[API])["TargetGroups"][0]["TargetGroupArn"]
        told = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return Counter(each["TargetHealth"]["State"] for each in told)

    def get(self, path: str = f"/_rehearsal/app/{API}/health") -> tuple[int, str]:
        at = urlsplit(self.rehearsal.url)
        connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=5)
        connection.request("GET", path)
        answer = connection.getresponse()
        found = answer.status, answer.read().decode()
        connection.close()
        return found

    def release(self, tag: str) -> None:
        told = self.ecs.describe_task_definition(taskDefinition=f"{API}:{LIVE_REVISION}")["taskDefinition"]
        for each in told["containerDefinitions"]:
            each["image"] = image(API, tag) if each["name"] == CONTAINER else each["image"]
        kept = {"family", "networkMode", "containerDefinitions", "volumes", "cpu", "memory", "requiresCompatibilities"}
        made = self.ecs.register_task_definition(**{name: told[name] for name in kept})
        self.deploy(made["taskDefinition"]["taskDefinitionArn"])

    def deploy(self, revision: str) -> None:
        self.ecs.update_service(cluster=CLUSTER, service=API, taskDefinition=revision)

    def alarm(self, name: str) -> dict[str, Any]:
        told = self.caller.aws("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm"])
        found: dict[str, Any] = told["MetricAlarms"][0]
        return found


@pytest.fixture
def production() -> Iterator[Production]:
    with Rehearsal(pace=Pace(rollout=ROLLOUT)) as opened:
        replaydash.seed(opened.url)
        yield Production(opened)


def test_the_targets_are_the_tasks_of_the_service(production: Production) -> None:
    assert production.states() == {"healthy": 4}

    production.deploy(f"{API}:123")
    assert production.states() == {"healthy": 4, "initial": 4}
    production.rehearsal.advance(ROLLOUT / 2 + 0.1)
    assert production.states() == {"healthy": 4, "initial": 2, "draining": 2}
    production.rehearsal.advance(ROLLOUT / 2)
    assert production.states() == {"healthy": 4, "draining": 4}
    production.rehearsal.advance(ROLLOUT)
    assert production.states() == {"healthy": 4}


def test_targets_can_fail_their_health_check(production: Production) -> None:
    production.caller.ask("targets", service=API, unhealthy=3)

    assert production.states() == {"healthy": 1, "unhealthy": 3}


def test_a_group_that_ecs_knows_nothing_of_is_as_somebody_registered_it(production: Production) -> None:
    vpc = production.elb.describe_target_groups(Names=[API])["TargetGroups"][0]["VpcId"]
    made = production.elb.create_target_group(Name="other", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")
    group = made["TargetGroups"][0]["TargetGroupArn"]
    production.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "10.20.10.99"}])

    told = production.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert [each["Target"]["Id"] for each in told] == ["10.20.10.99"]


def test_the_app_answers_by_what_serves(production: Production) -> None:
    assert production.get() == (200, "ok")

    production.release(SICK_TAG)
    production.rehearsal.advance(ROLLOUT + 1)
    service = production.ecs.describe_services(cluster=CLUSTER, services=[API])["services"][0]
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    assert production.states()["healthy"] == 4
    assert production.get()[0] == 500

    production.deploy(f"{API}:{LIVE_REVISION}")
    assert production.get()[0] == 500
    production.rehearsal.advance(ROLLOUT + 1)
    assert production.get() == (200, "ok")


def test_an_image_that_never_comes_up_takes_nothing_from_the_users(production: Production) -> None:
    production.release(BAD_TAG)
    production.rehearsal.advance(ROLLOUT / 2)

    assert production.get() == (200, "ok")


def test_the_app_of_no_task_and_of_no_service(production: Production) -> None:
    production.ecs.update_service(cluster=CLUSTER, service=API, desiredCount=0)
    production.rehearsal.advance(ROLLOUT)

    assert production.get()[0] == 503
    assert production.states()["healthy"] == 0
    assert production.get("/_rehearsal/app/nobody/health")[0] == 404


def test_the_app_shows_the_maintenance_page_of_its_load_balancer(production: Production) -> None:
    balancer = production.elb.describe_load_balancers(Names=[ALB])["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = production.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    page = {"StatusCode": "503", "ContentType": "text/plain", "MessageBody": "Back soon."}
    production.elb.create_rule(
        ListenerArn=next(each["ListenerArn"] for each in listeners if each["Port"] == 443),
        Priority=1,
        Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": page}],
    )

    assert production.get() == (503, "Back soon.")


def test_an_alarm_can_be_set_at_the_time_of_the_rehearsal(production: Production) -> None:
    production.rehearsal.advance(3600)
    production.caller.ask("alarms", name=ALARMS[0], state="ALARM", reason="Too many errors.")

    shown = production.alarm(ALARMS[0])
    assert (shown["StateValue"], shown["StateReason"]) == ("ALARM", "Too many errors.")
    assert abs((production.rehearsal.now() - shown["StateUpdatedTimestamp"]).total_seconds()) < 5
    with pytest.raises(ValueError, match="no alarm nobody"):
        production.caller.ask("alarms", name="nobody", state="OK")


def test_a_search_of_a_log_begins_with_an_empty_page(production: Production) -> None:
    logs = production.caller.aws("logs")
    production.caller.ask("logs", group=GROUP, messages=["ERROR one", "fine", "FATAL two"])
    production.caller.ask("logs", group=GROUP, messages=["ERROR of yesterday"], ago=86400, stream="old")
    since = int((production.rehearsal.now().timestamp() - 60) * 1000)
    asked = {"logGroupName": GROUP, "filterPattern": "?ERROR ?FATAL", "startTime": since, "limit": 1}

    first = logs.filter_log_events(**asked)
    second = logs.filter_log_events(**asked, nextToken=first["nextToken"])
    third = logs.filter_log_events(**asked, nextToken=second["nextToken"])

    pages = [[each["message"] for each in page["events"]] for page in (first, second, third)]
    assert pages == [[], ["ERROR one"], ["FATAL two"]]
    assert "nextToken" not in third
    assert code(logs.filter_log_events, logGroupName="/nobody") == "ResourceNotFoundException"
    assert code(logs.filter_log_events, logGroupName=GROUP, filterPattern='"open') == "InvalidParameterException"


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        pytest.param("", ["anything"], [], id="nothing"),
        pytest.param("ERROR", ["an ERROR"], ["an error"], id="a word"),
        pytest.param("ERROR disk", ["disk ERROR"], ["ERROR", "disk"], id="every word"),
        pytest.param("?ERROR ?FATAL", ["ERROR", "FATAL"], ["fine"], id="any of them"),
        pytest.param("ERROR -health", ["ERROR"], ["ERROR of health"], id="not this one"),
        pytest.param('"disk full"', ["the disk full"], ["full disk"], id="a phrase"),
    ],
)
def test_a_pattern(pattern: str, fits: list[str], does_not: list[str]) -> None:
    matches = log_search.matcher(pattern)

    assert all(matches(each) for each in fits)
    assert not any(matches(each) for each in does_not)
