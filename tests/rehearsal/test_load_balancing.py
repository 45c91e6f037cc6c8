"""Load balancers: what AWS refuses, how it answers a forward, and what a request meets."""

from typing import Any

import pytest

from tests.rehearsal.place import Aws, code


class Balancer:
    """A load balancer with two target groups and a listener on port 80 that forwards to the first."""

    def __init__(self, aws: Aws, name: str) -> None:
        self.aws, self.name, self.elb = aws, name, aws.caller.aws("elbv2")
        ec2 = aws.caller.aws("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{zone}.0/24", AvailabilityZone=f"us-east-1{letter}")[
                "Subnet"
            ]["SubnetId"]
            for zone, letter in enumerate("ab")
        ]
        self.arn = self.elb.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
        self.api, self.web = (self._group(f"{name}-{each}", vpc) for each in ("api", "web"))
        self.listener = self.listen(80)

    def _group(self, name: str, vpc: str) -> str:
        made = self.elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def listen(self, port: int) -> str:
        made = self.elb.create_listener(
            LoadBalancerArn=self.arn, Protocol="HTTP", Port=port, DefaultActions=[forward(self.api)]
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def rule(self, priority: int, conditions: list[dict[str, Any]], *actions: dict[str, Any]) -> dict[str, Any]:
        made = self.elb.create_rule(
            ListenerArn=self.listener, Priority=priority, Conditions=conditions, Actions=list(actions)
        )
        rule: dict[str, Any] = made["Rules"][0]
        return rule

    def default(self) -> list[dict[str, Any]]:
        shown = self.elb.describe_listeners(ListenerArns=[self.listener])["Listeners"][0]
        actions: list[dict[str, Any]] = shown["DefaultActions"]
        return actions

    def asked(self, host: str, path: str = "/", port: int = 80) -> dict[str, Any]:
        return self.aws.rehearsal.route(self.name, host, path, port=port)


def forward(arn: str) -> dict[str, Any]:
    return {"Type": "forward", "TargetGroupArn": arn}


def fixed(status: str = "503", **more: str) -> dict[str, Any]:
    return {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": status} | more}


def path(*patterns: str) -> dict[str, Any]:
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(patterns)}}


def host(*patterns: str) -> dict[str, Any]:
    return {"Field": "host-header", "HostHeaderConfig": {"Values": list(patterns)}}


@pytest.fixture(scope="module")
def shared(aws: Aws) -> Balancer:
    """One that is only refused things."""
    return Balancer(aws, "shared")


@pytest.fixture
def balancer(aws: Aws) -> Balancer:
    return Balancer(aws, aws.name("alb"))


GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/nobody/0123456789abcdef"
WRONG_ACTIONS = [
    pytest.param([fixed("999")], "ValidationError", id="status 999"),
    pytest.param([fixed("302")], "ValidationError", id="status 302"),
    pytest.param([fixed(MessageBody="x" * 1025)], "ValidationError", id="a body of 1025"),
    pytest.param([fixed(ContentType="text/markdown")], "InvalidLoadBalancerAction", id="a content type"),
    pytest.param([fixed(), fixed()], "InvalidLoadBalancerAction", id="two terminal actions"),
    pytest.param([forward(GROUP)], "TargetGroupNotFound", id="a target group that is not there"),
    pytest.param(
        [{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": GROUP}]}}],
        "TargetGroupNotFound",
        id="a target group that is not there, weighted",
    ),
]


@pytest.mark.parametrize(("actions", "expected"), WRONG_ACTIONS)
def test_a_listener_refuses(shared: Balancer, actions: list[dict[str, Any]], expected: str) -> None:
    before = shared.default()

    assert code(shared.elb.modify_listener, ListenerArn=shared.listener, DefaultActions=actions) == expected
    assert shared.default() == before


@pytest.mark.parametrize(("actions", "expected"), WRONG_ACTIONS)
def test_a_rule_refuses(shared: Balancer, actions: list[dict[str, Any]], expected: str) -> None:
    sent = {"ListenerArn": shared.listener, "Priority": 7, "Conditions": [path("/x")], "Actions": actions}

    assert code(shared.elb.create_rule, **sent) == expected
    assert len(shared.elb.describe_rules(ListenerArn=shared.listener)["Rules"]) == 1


def test_what_is_just_within_the_limits_is_taken(balancer: Balancer) -> None:
    page = fixed("599", MessageBody="x" * 1024, ContentType="text/html")

    assert balancer.rule(50000, [path("/*")], page)["Actions"][0]["FixedResponseConfig"]["StatusCode"] == "599"


def test_weights_end_at_999(balancer: Balancer) -> None:
    def weighted(weight: int) -> list[dict[str, Any]]:
        groups = [{"TargetGroupArn": balancer.api, "Weight": weight}, {"TargetGroupArn": balancer.web, "Weight": 1}]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]

    modify = balancer.elb.modify_listener
    assert code(modify, ListenerArn=balancer.listener, DefaultActions=weighted(999)) == ""
    assert code(modify, ListenerArn=balancer.listener, DefaultActions=weighted(1000)) == "ValidationError"


def test_priorities_end_at_50000_and_are_taken_once(balancer: Balancer) -> None:
    rule = balancer.rule(10, [path("/a")], fixed())
    sent = {"ListenerArn": balancer.listener, "Conditions": [path("/b")], "Actions": [fixed()]}

    assert code(balancer.elb.create_rule, **sent, Priority=60000) == "ValidationError"
    assert code(balancer.elb.create_rule, **sent, Priority=10) == "PriorityInUse"
    moved = [{"RuleArn": rule["RuleArn"], "Priority": 60000}]
    assert code(balancer.elb.set_rule_priorities, RulePriorities=moved) == "ValidationError"


def test_a_load_balancer_has_room_for_a_hundred_rules_besides_the_default_ones(balancer: Balancer) -> None:
    balancer.listen(81)
    for each in range(1, 101):
        balancer.rule(each, [path(f"/{each}")], fixed())

    sent = {"ListenerArn": balancer.listener, "Priority": 101, "Conditions": [path("/x")], "Actions": [fixed()]}
    assert code(balancer.elb.create_rule, **sent) == "TooManyRules"


def test_the_default_rule_is_changed_through_its_listener_only(balancer: Balancer) -> None:
    default = balancer.elb.describe_rules(ListenerArn=balancer.listener)["Rules"][0]["RuleArn"]

    assert code(balancer.elb.delete_rule, RuleArn=default) == "OperationNotPermitted"
    assert code(balancer.elb.modify_rule, RuleArn=default, Actions=[fixed()]) == "OperationNotPermitted"
    moved = [{"RuleArn": default, "Priority": 1}]
    assert code(balancer.elb.set_rule_priorities, RulePriorities=moved) == "OperationNotPermitted"


def test_a_rule_is_deleted_once(balancer: Balancer) -> None:
    rule = balancer.rule(10, [path("/a")], fixed())["RuleArn"]

    assert code(balancer.elb.delete_rule, RuleArn=rule) == ""
    assert code(balancer.elb.delete_rule, RuleArn=rule) == "RuleNotFound"


@pytest.mark.parametrize("missing", ["Conditions", "Actions"])
def test_a_rule_needs_a_condition_and_an_action(shared: Balancer, missing: str) -> None:
    sent = {"ListenerArn": shared.listener, "Priority": 7, "Conditions": [path("/x")], "Actions": [fixed()]}

    assert code(shared.elb.create_rule, **{**sent, missing: []}) == "ValidationError"


def test_a_plain_forward_is_answered_with_a_forward_config(balancer: Balancer) -> None:
    action = balancer.default()[0]
    rule = balancer.rule(5, [path("/*")], forward(balancer.web))["Actions"][0]

    for shown, group in ((action, balancer.api), (rule, balancer.web)):
        assert shown["TargetGroupArn"] == group
        assert shown["ForwardConfig"]["TargetGroups"] == [{"TargetGroupArn": group, "Weight": 1}]


def test_a_forward_config_with_one_entry_is_answered_with_a_plain_forward_too(balancer: Balancer) -> None:
    config = {"TargetGroups": [{"TargetGroupArn": balancer.web, "Weight": 7}]}

    balancer.elb.modify_listener(
        ListenerArn=balancer.listener, DefaultActions=[{"Type": "forward", "ForwardConfig": config}]
    )

    assert balancer.default()[0]["TargetGroupArn"] == balancer.web
    assert balancer.default()[0]["ForwardConfig"]["TargetGroups"] == config["TargetGroups"]


def test_the_two_spellings_of_a_forward_must_agree(shared: Balancer) -> None:
    config = {"TargetGroups": [{"TargetGroupArn": shared.web}]}
    action = {**forward(shared.api), "ForwardConfig": config}

    refused = code(shared.elb.modify_listener, ListenerArn=shared.listener, DefaultActions=[action])

    assert refused == "InvalidLoadBalancerAction"


def test_health_checks_of_ip_targets_cannot_be_turned_off(shared: Balancer) -> None:
    create, modify = shared.elb.create_target_group, shared.elb.modify_target_group
    vpc = shared.elb.describe_target_groups(TargetGroupArns=[shared.api])["TargetGroups"][0]["VpcId"]
    new = {"Name": "unchecked", "Protocol": "HTTP", "Port": 80, "VpcId": vpc, "HealthCheckEnabled": False}

    assert code(modify, TargetGroupArn=shared.api, HealthCheckEnabled=False) == "ValidationError"
    assert code(modify, TargetGroupArn=shared.api, HealthCheckEnabled=True) == ""
    assert code(create, **new) == code(create, **new, TargetType="ip") == "ValidationError"
    assert code(create, Name="function", TargetType="lambda", HealthCheckEnabled=False) == ""


def test_tags_of_more_than_twenty_are_refused(shared: Balancer) -> None:
    assert code(shared.elb.describe_tags, ResourceArns=[shared.arn] * 21) == "ValidationError"


def test_a_request_meets_the_matching_rule_with_the_lowest_number(balancer: Balancer) -> None:
    balancer.rule(20, [path("/*")], fixed("418"))
    balancer.rule(10, [host("api.example.test")], forward(balancer.web))

    met = balancer.asked("api.example.test", "/anything")

    assert (met["action"], met["priority"]) == ("forward", "10")
    assert met["target_groups"] == [{"arn": balancer.web, "name": f"{balancer.name}-web", "weight": 1}]
    assert balancer.asked("other.example.test")["status"] == 418


def test_a_request_that_no_rule_matches_meets_the_default_action_as_it_is_now(balancer: Balancer) -> None:
    balancer.rule(10, [host("api.example.test")], forward(balancer.web))

    balancer.elb.modify_listener(
        ListenerArn=balancer.listener,
        DefaultActions=[fixed("503", MessageBody="back soon", ContentType="text/plain")],
    )

    met = balancer.asked("other.example.test")
    assert (met["status"], met["content_type"], met["body"]) == (503, "text/plain", "back soon")
    assert balancer.asked("api.example.test")["action"] == "forward"


@pytest.mark.parametrize(
    ("conditions", "name", "asked", "holds"),
    [
        pytest.param([path("/*")], "x.test", "/", True, id="every path"),
        pytest.param([path("/a/*")], "x.test", "/a/b/c?q=1", True, id="a star crosses slashes"),
        pytest.param([path("/a/*")], "x.test", "/a", False, id="a star needs its prefix"),
        pytest.param([path("/a?c")], "x.test", "/abc", True, id="a question mark is one character"),
        pytest.param([path("/A")], "x.test", "/a", False, id="paths mind the case"),
        pytest.param([path("/a", "/b")], "x.test", "/b", True, id="one value is enough"),
        pytest.param([host("*.EXAMPLE.test")], "api.example.TEST:443", "/", True, id="hosts do not, nor the port"),
        pytest.param([host("*.example.test")], "example.test", "/", False, id="a subdomain is asked for"),
        pytest.param([host("x.test"), path("/a")], "x.test", "/b", False, id="every condition has to hold"),
    ],
)
def test_conditions(balancer: Balancer, conditions: list[dict[str, Any]], name: str, asked: str, holds: bool) -> None:
    balancer.rule(10, conditions, fixed("418"))

    assert (balancer.asked(name, asked)["status"] == 418) is holds


def test_what_does_not_listen_is_said(shared: Balancer) -> None:
    with pytest.raises(LookupError, match="no load balancer nobody"):
        shared.aws.rehearsal.route("nobody", "x.test")
    with pytest.raises(LookupError, match="does not listen on 8080"):
        shared.asked("x.test", port=8080)
