"""The maintenance page: where it is shown, what stands in its way, and that nothing else is ever touched."""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from desired_state.model import Maintenance
from reconcilers.aws import Connection, Place
from reconcilers.contract import Absent, Change, Condition, Drift, Outcome, Result, Stalled
from reconcilers.listener_records import Listener, Page, Rule, Shown, Twice, page_in, plain_forward, rule_record
from reconcilers.maintenance import (
    EnterMaintenance,
    LeaveMaintenance,
    LiveMaintenance,
    MaintenancePin,
    MaintenanceReconciler,
)
from reconcilers.maintenance_plan import by_default, by_rule
from reconcilers.reconcile import reconcile
from rehearsal.server import Rehearsal

ENVIRONMENT = "replaydash-production"
BALANCER = "replaydash-production-alb"
LISTENER = (
    f"arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/{BALANCER}/0123456789abcdef/0123456789abcdef"
)
TARGET = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/replaydash-production-api/0123456789abcdef"
OTHER = TARGET.replace("-api", "-web")
MESSAGE = "Service under maintenance. We'll be back soon!"


def section(**more: Any) -> Maintenance:
    return Maintenance(**{"enabled": True, "load_balancer": BALANCER, "port": 80, **more})


def by_default_action(**more: Any) -> Maintenance:
    return section(strategy="default_action", target_group="replaydash-production-api", **more)


def pin(asked: Maintenance | None, commit: str = "c1", **more: Any) -> MaintenancePin:
    return MaintenancePin(**{"environment": ENVIRONMENT, "commit": commit, "section": asked, **more})


PAGE = Page.pinned(section())
OTHER_PAGE = replace(PAGE, message="another message")


# Pure decisions


def rules(*priorities: int) -> tuple[Rule, ...]:
    return tuple(Rule(f"rule-{number}", number, None, is_fixed=False) for number in priorities)


def listener(*others: int, own: tuple[int, ...] = (), **more: Any) -> tuple[Listener, tuple[Shown, ...]]:
    ours = tuple(Rule(f"own-{number}", number, PAGE, is_fixed=True) for number in own)
    shown = tuple(Shown(LISTENER, rule.page, rule=rule.arn, priority=rule.priority) for rule in ours)
    about: dict[str, Any] = {"page": None, "forwards_to": TARGET, "default": "forward", **more}
    return Listener(LISTENER, rules=(*rules(*others), *ours), **about), shown


@pytest.mark.parametrize(
    ("others", "own", "priority"),
    [
        pytest.param((), (), 50_000, id="an empty listener"),
        pytest.param((10, 20), (), 9, id="below every other rule"),
        pytest.param((2,), (), 1, id="the last free number"),
        pytest.param((1, 20), (), 0, id="no free number"),
        pytest.param((10,), (9,), 9, id="in its place already"),
        pytest.param((10,), (3,), 3, id="further down than needed, and left there"),
        pytest.param((5, 10), (9,), 4, id="somebody added a rule below ours"),
        pytest.param((1, 10), (9,), 0, id="somebody took the first number"),
        pytest.param((10,), (12, 9), 9, id="two of ours: the first one stays"),
    ],
)
def test_a1_our_rule_is_numbered_below_every_other_one(
    others: tuple[int, ...], own: tuple[int, ...], priority: int
) -> None:
    live = by_rule(section(), *listener(*others, own=own))
    assert live.priority == priority
    assert bool(live.blocked) is (priority == 0)
    assert len(live.strays) == max(len(own) - 1, 0)


@pytest.mark.parametrize(
    ("others", "own", "former", "priority"),
    [
        pytest.param((10,), (), 9, 8, id="ours comes before the one of a former name"),
        pytest.param((20,), (12,), 9, 12, id="ours stays where it is until that one has gone"),
        pytest.param((2,), (), 1, 0, id="no free number"),
    ],
)
def test_a_rule_of_a_former_name_is_a_stray(
    others: tuple[int, ...], own: tuple[int, ...], former: int, priority: int
) -> None:
    at, ours = listener(*others, own=(*own, former))
    ours = tuple(replace(shown, former=shown.priority == former) for shown in ours)
    live = by_rule(section(), at, ours)
    assert (live.priority, live.shown is not None) == (priority, bool(own))
    assert [shown.priority for shown in live.strays] == [former]


def entering(**more: Any) -> tuple[str, ...]:
    live = LiveMaintenance(**{"listener": LISTENER, "priority": 9, **more})
    return next(iter(MaintenanceReconciler.diff(pin(section()), live))).asks


def test_what_is_refused_at_one_place_is_another_request_than_the_next_place() -> None:
    later = pin(section(message="another message"))
    other_page = next(iter(MaintenanceReconciler.diff(later, LiveMaintenance(listener=LISTENER, priority=9))))
    places: list[dict[str, Any]] = [
        {},
        {"priority": 8},
        {"listener": "l"},
        {"target_group": TARGET},
        {"target_group": OTHER},
    ]
    assert len({*(entering(**place) for place in places), other_page.asks}) == len(places) + 1
    assert entering() == entering()
    left = [Shown("l", PAGE, "r"), Shown("l", PAGE, "s"), Shown("l", PAGE), Shown("k", PAGE)]
    live = LiveMaintenance(strays=tuple(left))
    assert len({change.asks for change in MaintenanceReconciler.diff(pin(None), live)}) == len(left)


@pytest.mark.parametrize(
    ("looks", "fact"),
    [
        pytest.param([0], False, id="one look"),
        pytest.param([0, 4.9], False, id="two looks that lie too close together"),
        pytest.param([0, 5], True, id="two looks that lie apart"),
        pytest.param([0, "there", 5], False, id="it was there between them"),
        pytest.param(["removed", 0], True, id="one look after AWS said so"),
        pytest.param(["removed", "there", 0], False, id="it was there although AWS said so"),
    ],
)
def test_what_is_missing_is_a_fact_once_two_looks_that_lie_apart_agree(looks: list[Any], fact: bool) -> None:
    now = [0.0]
    twice = Twice[str](lambda: now[0])
    seen = False
    for look in looks:
        if look == "there":
            twice.keep(())
        elif look == "removed":
            twice.removed("it")
        else:
            now[0] = look
            seen = twice.missing("it")
    assert (seen, "it" in twice) == (fact, fact)


@settings(max_examples=100, deadline=None)
@given(st.sets(st.integers(2, 200), max_size=30), st.integers(1, 200))
def test_a1_whatever_rules_there_are_ours_comes_first_and_is_numbered_freely(others: set[int], own: int) -> None:
    mine = (own,) if own not in others else ()
    priority = by_rule(section(), *listener(*others, own=mine)).priority
    assert all(0 < priority < other for other in others)


@pytest.mark.parametrize(
    ("asked", "live", "drifts"),
    [
        pytest.param(section(), LiveMaintenance(priority=9), ["enabled: off -> on"], id="to be entered"),
        pytest.param(section(enabled=False), LiveMaintenance(priority=9), [], id="off, as pinned"),
        pytest.param(None, LiveMaintenance(), [], id="no section, and nothing live"),
        pytest.param(section(), LiveMaintenance(priority=9, shown=Shown("l", PAGE, "r", 9)), [], id="on, as pinned"),
        pytest.param(
            section(enabled=False),
            LiveMaintenance(priority=9, shown=Shown("l", PAGE, "r", 9)),
            ["enabled: on (rule r) -> off"],
            id="to be left",
        ),
        pytest.param(
            section(),
            LiveMaintenance(priority=4, shown=Shown("l", OTHER_PAGE, "r", 9)),
            [f"response: 503 text/plain: another message -> 503 text/plain: {MESSAGE}", "priority: 9 -> 4"],
            id="another message, and a rule before ours",
        ),
        pytest.param(
            section(),
            LiveMaintenance(priority=9, shown=Shown("l", None, "r", 9)),
            [f"response: something else -> 503 text/plain: {MESSAGE}"],
            id="somebody changed our rule",
        ),
        pytest.param(
            section(),
            LiveMaintenance(priority=9, strays=(Shown("l", PAGE, "r", 9),)),
            ["enabled: off -> on"],
            id="entering comes before tidying up",
        ),
        pytest.param(
            section(),
            LiveMaintenance(priority=9, shown=Shown("l", PAGE, "r", 9), strays=(Shown("k", PAGE),)),
            ["enabled: on (default action of k) -> off"],
            id="what an older file asked for elsewhere",
        ),
        pytest.param(
            None, LiveMaintenance(strays=(Shown("l", PAGE, "r"),)), ["enabled: on (rule r) -> off"], id="no section"
        ),
        pytest.param(None, LiveMaintenance(strays=(Shown("l", None),)), [], id="only tags are left"),
    ],
)
def test_what_differs_is_entered_corrected_or_left(
    asked: Maintenance | None, live: LiveMaintenance, drifts: list[str]
) -> None:
    changes = list(MaintenanceReconciler.diff(pin(asked), live))
    assert [f"{d.field}: {d.live} -> {d.desired}" for change in changes for d in change.drifts] == drifts


def forward(*groups: str, sticky: bool = False, weight: int = 1, **more: Any) -> list[Any]:
    config: dict[str, Any] = {"TargetGroups": [{"TargetGroupArn": group, "Weight": weight} for group in groups]}
    config["TargetGroupStickinessConfig"] = {"Enabled": sticky}
    return [{"Type": "forward", "ForwardConfig": config, **more}]


FIXED: Any = {
    "Type": "fixed-response",
    "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain", "MessageBody": MESSAGE},
}


@pytest.mark.parametrize(
    ("actions", "group"),
    [
        pytest.param([{"Type": "forward", "TargetGroupArn": TARGET}], TARGET, id="by ARN alone"),
        pytest.param(forward(TARGET), TARGET, id="by a configuration with one entry"),
        pytest.param(forward(TARGET, TargetGroupArn=TARGET, weight=7), TARGET, id="by both, as AWS echoes it"),
        pytest.param(forward(TARGET, OTHER), "", id="weights"),
        pytest.param(forward(TARGET, sticky=True), "", id="stickiness"),
        pytest.param([{"Type": "authenticate-oidc"}, *forward(TARGET)], "", id="behind OIDC"),
        pytest.param([{"Type": "redirect"}], "", id="a redirect"),
        pytest.param([FIXED], "", id="a fixed response"),
        pytest.param([], "", id="nothing"),
    ],
)
def test_a6_a_forward_to_one_group_is_one_however_it_is_written(actions: list[Any], group: str) -> None:
    assert plain_forward(actions) == group


@pytest.mark.parametrize(
    ("conditions", "actions", "page"),
    [
        pytest.param([{"Field": "path-pattern", "Values": ["/*"]}], [FIXED], PAGE, id="as we make it"),
        pytest.param(
            [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}], [FIXED], PAGE, id="as AWS may echo it"
        ),
        pytest.param([{"Field": "path-pattern", "Values": ["/api/*"]}], [FIXED], None, id="not every path"),
        pytest.param([{"Field": "path-pattern", "Values": ["/*", "/x"]}], [FIXED], None, id="two patterns"),
        pytest.param([{"Field": "host-header", "Values": ["/*"]}], [FIXED], None, id="a host"),
        pytest.param([], [FIXED], None, id="no condition"),
        pytest.param([{"Field": "path-pattern", "Values": ["/*"]}], forward(TARGET), None, id="a forward"),
    ],
)
def test_a_rule_shows_a_page_where_it_answers_it_to_every_path(
    conditions: list[Any], actions: list[Any], page: Page | None
) -> None:
    told: Any = {"RuleArn": "r", "Priority": "9", "Conditions": conditions, "Actions": actions}
    assert rule_record(told).page == page


@pytest.mark.parametrize("message", ["", "one\r\ntwo\rthree", MESSAGE])
def test_a_page_is_the_same_when_it_comes_back_from_aws(message: str) -> None:
    page = Page.pinned(section(message=message))
    echoed: Any = page.action
    assert page_in([echoed]) == page


def test_two_pages_never_look_the_same() -> None:
    one, two = (Page.of(503, "text/plain", "x" * 200 + end) for end in "ab")
    assert str(one) != str(two)
    assert len(str(one)) < 100


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(
    ("more", "words", "blocks_while_off"),
    [
        pytest.param({"forwards_to": OTHER}, f"forwards to {OTHER}", False, id="another target group"),
        pytest.param({"forwards_to": "", "default": "redirect"}, "is redirect", False, id="a redirect"),
        pytest.param(
            {"forwards_to": "", "default": "authenticate-oidc then forward"},
            "is authenticate-oidc then forward",
            False,
            id="OIDC",
        ),
        pytest.param(
            {"forwards_to": "", "default": "fixed-response", "page": Page.of(404, "text/plain", "no such page")},
            "is fixed-response",
            True,
            id="a fixed 404 of somebody else",
        ),
    ],
)
def test_a3_only_a_plain_forward_and_a_page_of_ours_are_ever_replaced(
    enabled: bool, more: dict[str, Any], words: str, blocks_while_off: bool
) -> None:
    live = by_default(by_default_action(enabled=enabled), *listener(**more), TARGET)
    assert live.shown is None
    assert (words in live.blocked) is (enabled or blocks_while_off)
    assert [advice.type for advice in live.advice] == ([] if live.blocked else ["maintenance_not_possible"])


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"message": "x" * 1025}, id="a page that is too long"),
        pytest.param({"message": "\u00e9" * 513}, id="a page that is too long in bytes"),
        pytest.param({"status_code": 302}, id="a redirect"),
        pytest.param({"status_code": 600}, id="a status that there is not"),
        pytest.param({"content_type": "text/xml"}, id="a type that a load balancer does not send"),
    ],
)
def test_a4_a_page_that_a_load_balancer_refuses_is_refused_before(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(more))):
        section(**more)


# On an AWS that answers


class Daemon:
    """One process: passes over one environment, with the memory that a process has and a clock that stands still."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.connection = Connection(
            Place("us-east-1"), on_call=lambda _, operation, *rest: self.calls.update([operation])
        )
        self.now = 0.0
        self.reconciler = MaintenanceReconciler(self.connection, lambda: self.now)

    def pass_over(self, asked: Maintenance | None, commit: str = "c1", *, may_act: bool = True, **more: Any) -> Outcome:
        self.calls.clear()
        refusal = None if may_act else Outcome(Condition.DRIFTED)
        wanted = pin(asked, commit, **more)
        return reconcile(self.reconciler, wanted, lambda _: refusal)

    def settle(self, asked: Maintenance | None, commit: str = "c1", **more: Any) -> Outcome:
        """Passes until nothing changes any more; at most three."""
        outcomes = [self.pass_over(asked, commit, **more)]
        while outcomes[-1].condition is Condition.PROGRESSING and len(outcomes) < 3:
            outcomes.append(self.pass_over(asked, commit, **more))
        return outcomes[-1]

    def misread(self, operation: str, edit: Callable[[dict[str, Any]], None], after: int = 0) -> None:
        """One answer to this read is an old one: the next, or the one after so many others."""
        answers = iter(range(after + 1))

        def once(parsed: dict[str, Any], **_: object) -> None:
            if next(answers, None) == after:
                edit(parsed)

        events = self.connection.reading("elbv2").meta.events
        events.register(f"after-call.elastic-load-balancing-v2.{operation}", once)


class LoadBalancing:
    """Somebody else, who also has access: a load balancer with listeners on 80 and 8080, and rules 10 and 20 on 80."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal
        self.elb = boto3.client("elbv2", "us-east-1")
        ec2 = boto3.client("ec2", "us-east-1")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
                "SubnetId"
            ]
            for n, zone in enumerate("ab")
        ]
        names = ("replaydash-production-api", "replaydash-production-web")
        self.api, self.web = (
            self.elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")[
                "TargetGroups"
            ][0]["TargetGroupArn"]
            for name in names
        )
        self.balancer = self.elb.create_load_balancer(Name=BALANCER, Subnets=self.subnets)["LoadBalancers"][0][
            "LoadBalancerArn"
        ]
        self.http, self.other = self.listen(80), self.listen(8080)
        self.ten, self.twenty = self.add_rule(10), self.add_rule(20)

    def listen(self, port: int) -> str:
        to_api: Any = [{"Type": "forward", "TargetGroupArn": self.api}]
        told = self.elb.create_listener(
            LoadBalancerArn=self.balancer, Protocol="HTTP", Port=port, DefaultActions=to_api
        )
        return told["Listeners"][0]["ListenerArn"]

    def add_rule(self, priority: int, **more: Any) -> str:
        told = self.elb.create_rule(
            ListenerArn=self.http,
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": ["/login"]}],
            **{"Actions": [{"Type": "forward", "TargetGroupArn": self.web}], **more},
        )
        return told["Rules"][0]["RuleArn"]

    def add_page(self, **tags: str) -> None:
        """Somebody's rule that answers every path with a page."""
        told: Any = [{"Key": f"trueup:{key}", "Value": value} for key, value in tags.items()]
        self.elb.create_rule(
            ListenerArn=self.http,
            Priority=7,
            Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[FIXED],
            Tags=[{"Key": "team", "Value": "web"}, *told],
        )

    def state(self, listener: str = "") -> list[tuple[str, Any, Any]]:
        told = self.elb.describe_rules(ListenerArn=listener or self.http)["Rules"]
        return sorted((rule["Priority"], rule["Conditions"], rule["Actions"]) for rule in told)

    def shows(self, path: str = "/login", port: int = 80) -> str:
        """What a visitor gets: the message of a page, or the name of a target group."""
        told = self.rehearsal.route(BALANCER, "replaydash.com", path, port=port)
        return told["body"] if told["action"] == "fixed-response" else told["target_groups"][0]["name"]

    def priorities(self) -> list[str]:
        return [rule["Priority"] for rule in self.elb.describe_rules(ListenerArn=self.http)["Rules"]]

    def own_rule(self) -> str:
        told = self.elb.describe_rules(ListenerArn=self.http)["Rules"]
        return next(rule["RuleArn"] for rule in told if rule["Actions"][0]["Type"] == "fixed-response")

    def tags(self, arn: str) -> dict[str, str]:
        told = self.elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
        return {tag["Key"]: tag["Value"] for tag in told}

    def default(self, *actions: Any) -> None:
        self.elb.modify_listener(ListenerArn=self.http, DefaultActions=list(actions))


@pytest.fixture
def rehearsal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rehearsal]:
    with Rehearsal() as rehearsal:
        monkeypatch.setenv("AWS_ENDPOINT_URL", rehearsal.url)
        yield rehearsal


@pytest.fixture
def aws(rehearsal: Rehearsal) -> LoadBalancing:
    return LoadBalancing(rehearsal)


@pytest.fixture
def daemon(aws: LoadBalancing) -> Daemon:
    return Daemon()


STRATEGIES = [pytest.param(section, id="rule"), pytest.param(by_default_action, id="default_action")]


def test_a1_the_page_is_seen_although_other_rules_match(daemon: Daemon, aws: LoadBalancing) -> None:
    outcome = daemon.pass_over(section())
    assert (outcome.condition, outcome.reason) == (Condition.PROGRESSING, "asked AWS to enter maintenance")
    assert [aws.shows(path) for path in ("/login", "/", "/a/b?c")] == [MESSAGE] * 3
    assert "9" in aws.priorities()
    assert aws.tags(aws.own_rule()) == {
        "trueup:environment": ENVIRONMENT,
        "trueup:maintenance": "rule",
        "trueup:commit": "c1",
    }
    after = daemon.pass_over(section())
    assert after.condition is Condition.IN_SYNC
    assert isinstance(after.live, LiveMaintenance)
    assert after.live.enabled


@pytest.mark.parametrize("make", STRATEGIES)
def test_a2_leaving_puts_everything_back_as_it_was(daemon: Daemon, aws: LoadBalancing, make: Any) -> None:
    before = aws.state()
    assert daemon.settle(make()).condition is Condition.IN_SYNC
    assert aws.shows("/") == MESSAGE
    outcome = daemon.pass_over(make(enabled=False), "c2")
    assert (outcome.condition, outcome.reason) == (Condition.PROGRESSING, "asked AWS to leave maintenance")
    assert daemon.pass_over(make(enabled=False), "c2").condition is Condition.IN_SYNC
    assert (aws.state(), aws.tags(aws.http)) == (before, {})


def test_a2_weights_that_moved_meanwhile_stay_as_they_are(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(section())
    groups: Any = [{"TargetGroupArn": aws.web, "Weight": 0}, {"TargetGroupArn": aws.api, "Weight": 100}]
    aws.elb.modify_rule(RuleArn=aws.ten, Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}])
    shifted = [rule for rule in aws.state() if rule[0] != "9"]
    daemon.settle(section(enabled=False), "c2")
    assert aws.state() == shifted


@pytest.mark.parametrize("make", STRATEGIES)
@pytest.mark.parametrize("enabled", [True, False])
def test_a_steady_pass_is_one_call(daemon: Daemon, aws: LoadBalancing, make: Any, enabled: bool) -> None:
    daemon.settle(make(enabled=enabled))
    for _ in range(3):
        assert daemon.pass_over(make(enabled=enabled)).condition is Condition.IN_SYNC
        assert daemon.calls == {"DescribeRules": 1}


def test_a_commit_that_says_nothing_new_of_maintenance_costs_nothing_more(daemon: Daemon, aws: LoadBalancing) -> None:
    for asked, cost in ((None, {}), (section(enabled=False), {"DescribeRules": 1})):
        daemon.settle(asked, "c1")
        daemon.now += 60
        daemon.pass_over(asked, "c2")
        assert daemon.calls == cost


def test_all_environments_of_a_pass_share_one_look_at_all_listeners(daemon: Daemon, aws: LoadBalancing) -> None:
    aws.add_page(environment="e3", maintenance="rule")
    found = [len(daemon.pass_over(None, may_act=False, environment=f"e{n}").drifts) for n in range(3)]
    daemon.calls.clear()
    assert len(daemon.pass_over(None, may_act=False, environment="e3").drifts) == 1
    assert found == [0, 0, 0]
    assert daemon.calls["DescribeLoadBalancers"] == 0


def test_a_look_at_all_listeners_is_not_shared_across_a_write(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.pass_over(None, environment="another")
    daemon.pass_over(section())
    assert [drift.desired for drift in daemon.pass_over(None, "c2").drifts] == ["off"]
    assert aws.shows() == "replaydash-production-web"


def test_a_file_without_maintenance_costs_nothing_once_all_listeners_were_looked_through(
    daemon: Daemon, aws: LoadBalancing
) -> None:
    assert daemon.pass_over(None).condition is Condition.IN_SYNC
    daemon.pass_over(None)
    assert daemon.calls == {}


def test_who_made_a_rule_is_asked_once_and_twenty_at_a_time(daemon: Daemon, aws: LoadBalancing) -> None:
    for priority in range(30, 60):
        aws.add_rule(priority)
    daemon.pass_over(section(enabled=False))
    assert daemon.calls["DescribeTags"] == 2  # 32 rules and the listener
    aws.add_rule(60)
    daemon.pass_over(section(enabled=False))
    assert daemon.calls == {"DescribeRules": 1, "DescribeTags": 1}


def test_another_message_changes_our_rule_in_place(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(section())
    rule = aws.own_rule()
    outcome = daemon.pass_over(section(message="Back at noon.", status_code=500), "c2")
    assert [drift.field for drift in outcome.drifts] == ["response"]
    assert (aws.shows(), aws.own_rule()) == ("Back at noon.", rule)
    assert daemon.pass_over(section(message="Back at noon.", status_code=500), "c2").condition is Condition.IN_SYNC


def test_a3_what_somebody_made_of_our_rule_is_replaced_as_a_whole(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(section())
    rule = aws.own_rule()
    aws.elb.modify_rule(
        RuleArn=rule,
        Conditions=[{"Field": "path-pattern", "Values": ["/api/*"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": aws.web}],
    )
    assert daemon.settle(section()).condition is Condition.IN_SYNC
    assert (aws.shows("/x"), aws.own_rule()) == (MESSAGE, rule)


def test_a1_a_rule_added_before_ours_moves_ours_and_nothing_else(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(section())
    aws.add_rule(5)
    assert aws.shows() == "replaydash-production-web"
    before = [rule for rule in aws.state() if rule[0] != "9"]
    outcome = daemon.pass_over(section())
    assert outcome.drifts == (Drift("priority", "9", "4"),)
    assert daemon.calls == {"DescribeRules": 1, "DescribeTags": 1, "SetRulePriorities": 1}
    assert aws.shows() == MESSAGE
    assert [rule for rule in aws.state() if rule[0] != "4"] == before
    assert daemon.pass_over(section()).condition is Condition.IN_SYNC


def test_a5_without_a_free_number_it_stalls_and_names_the_rule_in_the_way(daemon: Daemon, aws: LoadBalancing) -> None:
    first = aws.add_rule(1)
    before = aws.state()
    outcome = daemon.pass_over(section())
    assert (outcome.condition, outcome.attempts) == (Condition.STALLED, ())
    assert f"before the rule {first} (priority 1): give that rule a larger number" in outcome.reason
    assert aws.state() == before


@pytest.mark.parametrize("occupied", [True, False])
def test_while_it_is_off_every_pass_says_whether_it_would_be_possible(
    daemon: Daemon, aws: LoadBalancing, occupied: bool
) -> None:
    if occupied:
        aws.add_rule(1)
    for _ in range(2):
        outcome = daemon.pass_over(section(enabled=False))
        assert outcome.condition is Condition.IN_SYNC
        assert outcome.live is not None
        assert [advice.type for advice in outcome.live.advice] == ["maintenance_not_possible"] * occupied


def test_a5_a_full_listener_is_known_while_off_and_stalls_when_entered(daemon: Daemon, aws: LoadBalancing) -> None:
    for priority in range(100, 198):
        aws.add_rule(priority)
    before = aws.state()
    off = daemon.pass_over(section(enabled=False))
    assert off.live is not None
    assert "has 100 rules" in off.live.advice[0].message
    outcome = daemon.pass_over(section())
    assert outcome.condition is Condition.STALLED
    assert "as many rules as AWS allows: remove one, or raise the quota" in outcome.reason
    assert aws.state() == before


def test_a5_priority_in_use_stalls_and_reshuffles_nothing(daemon: Daemon, aws: LoadBalancing) -> None:
    live = daemon.reconciler.observe(pin(section()))
    change = next(iter(MaintenanceReconciler.diff(pin(section()), live)))
    aws.add_rule(9)
    before = aws.state()
    with pytest.raises(Stalled, match="took the priority that maintenance needs: give it a larger number"):
        daemon.reconciler.apply(pin(section()), change)
    assert aws.state() == before
    after = daemon.pass_over(section())
    assert after.attempts[0].change.asks != change.asks  # the next free number is another request
    assert aws.shows() == MESSAGE


@pytest.mark.parametrize("make", STRATEGIES)
@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
@pytest.mark.parametrize("operation", ["CreateRule", "ModifyListener", "AddTags"])
def test_entering_without_an_answer_ends_in_one_page(
    daemon: Daemon, aws: LoadBalancing, make: Any, fault: str, operation: str
) -> None:
    before = len(aws.state())
    aws.rehearsal.fault("elbv2", operation, fault)
    daemon.pass_over(make())
    assert daemon.settle(make()).condition is Condition.IN_SYNC
    assert aws.shows("/") == MESSAGE
    assert len(aws.state()) == before + (make is section)


@pytest.mark.parametrize("operation", ["ModifyListener", "RemoveTags"])
@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_leaving_the_default_action_without_an_answer_is_finished_later(
    daemon: Daemon, aws: LoadBalancing, fault: str, operation: str
) -> None:
    before = aws.state()
    daemon.settle(by_default_action())
    aws.rehearsal.fault("elbv2", operation, fault)
    daemon.pass_over(by_default_action(enabled=False), "c2")
    assert daemon.settle(by_default_action(enabled=False), "c2").condition is Condition.IN_SYNC
    assert (aws.state(), aws.tags(aws.http)) == (before, {})


def test_the_default_action_is_tagged_before_it_is_replaced(daemon: Daemon, aws: LoadBalancing) -> None:
    aws.rehearsal.clear_calls()
    daemon.pass_over(by_default_action())
    written = [call["operation"] for call in aws.rehearsal.calls() if call["write"]]
    assert written == ["AddTags", "ModifyListener"]
    assert aws.tags(aws.http) == {
        "trueup:environment": ENVIRONMENT,
        "trueup:maintenance": "default_action",
        "trueup:commit": "c1",
        "trueup:target-group": aws.api,
        "trueup:response": PAGE.digest,
    }


@pytest.mark.parametrize("fault", ["", "drop_before", "drop_after"])
def test_our_older_page_is_known_again_by_its_digest(daemon: Daemon, aws: LoadBalancing, fault: str) -> None:
    daemon.settle(by_default_action())
    if fault:
        aws.rehearsal.fault("elbv2", "ModifyListener", fault)
    daemon.pass_over(by_default_action(message="Back at noon."), "c2")
    restarted = Daemon()
    assert restarted.settle(by_default_action(message="Back at noon."), "c2").condition is Condition.IN_SYNC
    assert aws.shows("/") == "Back at noon."
    assert (
        restarted.settle(by_default_action(enabled=False, message="Never shown."), "c3").condition is Condition.IN_SYNC
    )
    assert aws.shows("/") == "replaydash-production-api"


def test_what_another_process_entered_is_known_to_be_ours(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(by_default_action(enabled=False))
    Daemon().settle(by_default_action(message="Back at noon."), "c2")
    assert daemon.settle(by_default_action(), "c3").condition is Condition.IN_SYNC
    assert aws.shows("/") == MESSAGE


def test_a_page_that_somebody_else_put_there_is_not_taken_away(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(by_default_action())
    foreign = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "MessageBody": "gone"}}
    aws.default(foreign)
    before = aws.state()
    for asked in (by_default_action(), by_default_action(enabled=False)):
        outcome = daemon.settle(asked, "c2")
        assert outcome.condition is Condition.STALLED
        assert "restore that forward by hand" in outcome.reason
        assert aws.state() == before


def test_what_stands_against_entering_does_not_keep_a_page_up(daemon: Daemon, aws: LoadBalancing) -> None:
    aws.default({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "MessageBody": "gone"}})
    daemon.settle(section())
    outcome = daemon.pass_over(by_default_action(enabled=False), "c2")
    assert [change.verb for change in outcome.changes] == ["leave_maintenance"]
    assert aws.shows() == "replaydash-production-web"
    assert daemon.pass_over(by_default_action(enabled=False), "c2").condition is Condition.STALLED


@pytest.mark.parametrize("restarted", [True, False])
@pytest.mark.parametrize("make", STRATEGIES)
def test_a_page_that_no_file_asks_for_any_more_is_taken_away(
    daemon: Daemon, aws: LoadBalancing, make: Any, restarted: bool
) -> None:
    before = aws.state()
    daemon.settle(make())
    daemon = Daemon() if restarted else daemon
    held = daemon.pass_over(None, "c2", may_act=False)
    assert (held.condition, len(held.drifts)) == (Condition.DRIFTED, 1)  # and known again in every later pass
    assert len(daemon.pass_over(None, "c2").drifts) == 1
    assert daemon.pass_over(None, "c2").condition is Condition.IN_SYNC
    assert (aws.state(), aws.tags(aws.http)) == (before, {})


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        pytest.param(section(), section(port=8080), id="another port"),
        pytest.param(section(), by_default_action(), id="the default action instead of a rule"),
        pytest.param(by_default_action(), section(), id="a rule instead of the default action"),
        pytest.param(by_default_action(), section(port=8080), id="another port and strategy"),
    ],
)
@pytest.mark.parametrize("enabled", [True, False])
def test_a_page_that_moves_is_first_shown_at_the_new_place(
    daemon: Daemon, aws: LoadBalancing, earlier: Maintenance, later: Maintenance, enabled: bool
) -> None:
    before = {arn: aws.state(arn) for arn in (aws.http, aws.other)}
    daemon.settle(earlier)
    asked = later.model_copy(update={"enabled": enabled})
    first = daemon.pass_over(asked, "c2")
    assert [change.verb for change in first.changes] == ["enter_maintenance" if enabled else "leave_maintenance"]
    assert daemon.settle(asked, "c2").condition is Condition.IN_SYNC
    assert daemon.settle(asked.model_copy(update={"enabled": False}), "c3").condition is Condition.IN_SYNC
    assert {arn: aws.state(arn) for arn in (aws.http, aws.other)} == before


def test_the_page_of_another_environment_is_never_touched(daemon: Daemon, aws: LoadBalancing) -> None:
    tags = {"trueup:environment": "somebody-else", "trueup:maintenance": "rule"}
    aws.add_rule(7, Actions=[FIXED], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    before = aws.state()
    assert daemon.settle(None).condition is Condition.IN_SYNC
    daemon.settle(section(), "c2")
    assert "6" in aws.priorities()
    daemon.settle(section(enabled=False), "c3")
    assert aws.state() == before


def test_whose_a_page_is_counts_once_two_looks_agree(daemon: Daemon, aws: LoadBalancing) -> None:
    aws.add_page()
    for asked, per_pass in ((section(enabled=False), 1), (None, 0)):
        daemon = Daemon()
        first = daemon.pass_over(asked)
        assert (first.condition, first.reason[:13]) == (Condition.PROGRESSING, "looking again")
        daemon.now += 5
        assert daemon.pass_over(asked).condition is Condition.IN_SYNC
        assert daemon.calls["DescribeTags"] == 1
        daemon.now += 5
        assert daemon.pass_over(asked).condition is Condition.IN_SYNC
        assert daemon.calls == +Counter(DescribeRules=per_pass)


def without_tags(parsed: dict[str, Any]) -> None:
    for told in parsed["TagDescriptions"]:
        told["Tags"] = []


def without_rules(parsed: dict[str, Any]) -> None:
    parsed["Rules"] = [rule for rule in parsed["Rules"] if rule["IsDefault"]]


@pytest.mark.parametrize(
    ("make", "later"),
    [
        pytest.param(section, section(enabled=False), id="a rule, at the pinned listener"),
        pytest.param(section, None, id="a rule, elsewhere"),
        pytest.param(by_default_action, section(enabled=False), id="the default action, at the pinned listener"),
        pytest.param(by_default_action, None, id="the default action, elsewhere"),
    ],
)
def test_one_answer_without_tags_keeps_no_page_up(
    daemon: Daemon, aws: LoadBalancing, make: Any, later: Maintenance | None
) -> None:
    before = aws.state()
    daemon.settle(make())
    restarted = Daemon()
    restarted.misread("DescribeTags", without_tags)
    assert restarted.pass_over(later, "c2").condition is Condition.PROGRESSING
    restarted.now += 5
    assert restarted.settle(later, "c2").condition is Condition.IN_SYNC
    assert (aws.state(), aws.tags(aws.http)) == (before, {})


@pytest.mark.parametrize("left_before", [True, False])
def test_one_answer_without_the_stray_keeps_no_page_up(daemon: Daemon, aws: LoadBalancing, left_before: bool) -> None:
    daemon.settle(section())
    if left_before:
        daemon.settle(section(enabled=False))
        daemon.settle(section())
    daemon.now += 5
    daemon.misread("DescribeRules", without_rules, after=2)  # both listeners are looked through before
    assert daemon.pass_over(None, "c2").attempts == ()
    assert daemon.pass_over(None, "c2").condition is Condition.PROGRESSING
    assert daemon.settle(None, "c2").condition is Condition.IN_SYNC
    assert aws.shows() == "replaydash-production-web"


def test_a_stray_that_somebody_took_away_is_gone_once_two_looks_agree(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(section())
    daemon.pass_over(None, "c2", may_act=False)
    aws.elb.delete_rule(RuleArn=aws.own_rule())
    assert daemon.pass_over(None, "c2").condition is Condition.PROGRESSING
    daemon.now += 5
    assert daemon.pass_over(None, "c2").condition is Condition.IN_SYNC
    daemon.pass_over(None, "c2")
    assert daemon.calls == {}


def test_a_rule_that_shows_only_after_the_look_at_all_listeners_is_found_by_a_later_one(
    daemon: Daemon, aws: LoadBalancing
) -> None:
    daemon.pass_over(None, "c2")
    aws.add_page(environment=ENVIRONMENT, maintenance="rule")
    daemon.now += 300
    assert daemon.settle(None, "c2").condition is Condition.IN_SYNC
    assert aws.shows() == "replaydash-production-web"
    daemon.now += 3000
    daemon.pass_over(None, "c2")
    assert daemon.calls == {}


RENAMED: Any = {"environment": "renamed", "former": ("older", ENVIRONMENT)}


@pytest.mark.parametrize("later", [None, "off"])
@pytest.mark.parametrize("make", STRATEGIES)
def test_a_page_of_a_former_name_is_taken_away(
    daemon: Daemon, aws: LoadBalancing, make: Any, later: str | None
) -> None:
    before = aws.state()
    daemon.settle(make())
    asked = make(enabled=False) if later else None
    assert daemon.settle(asked, "c2", **RENAMED).condition is Condition.IN_SYNC
    assert (aws.state(), aws.tags(aws.http)) == (before, {})


def test_a_rule_of_a_former_name_goes_once_our_own_is_entered(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(section())
    first = daemon.pass_over(section(), "c2", **RENAMED)
    assert [change.verb for change in first.changes] == ["enter_maintenance"]
    assert sorted(aws.priorities()) == ["10", "20", "8", "9", "default"]
    assert daemon.settle(section(), "c2", **RENAMED).condition is Condition.IN_SYNC
    assert sorted(aws.priorities()) == ["10", "20", "8", "default"]
    assert aws.tags(aws.own_rule())["trueup:environment"] == "renamed"
    assert aws.shows() == MESSAGE


def test_a_default_action_of_a_former_name_is_tagged_anew(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(by_default_action())
    during = aws.state()
    assert daemon.settle(by_default_action(), "c2", **RENAMED).condition is Condition.IN_SYNC
    assert aws.state() == during
    assert aws.tags(aws.http)["trueup:environment"] == "renamed"
    daemon.pass_over(by_default_action(), "c2", **RENAMED)
    assert daemon.calls == {"DescribeRules": 1}


def refuse(daemon: Daemon, operation: str, code: str, status: int, kind: str = "text/xml") -> None:
    def answer(request: Any, **_: object) -> AWSResponse:
        body = io.BytesIO(
            f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>".encode()
        )
        body.stream = lambda **_: iter([body.read()])
        return AWSResponse(request.url, status, {"content-type": kind}, body)

    daemon.connection.reading("elbv2").meta.events.register(
        f"before-send.elastic-load-balancing-v2.{operation}", answer
    )


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(("AccessDenied", 403), id="not allowed"),
        pytest.param(("InvalidAction", 400), id="an endpoint without load balancing"),
        pytest.param(("501", 501), id="an endpoint that does not implement it"),
    ],
)
@pytest.mark.parametrize("asked", [None, section(enabled=False), section()])
def test_listeners_that_cannot_be_looked_through_are_advice_and_no_error(
    daemon: Daemon, aws: LoadBalancing, asked: Maintenance | None, answer: tuple[str, int]
) -> None:
    daemon.settle(asked)  # names are known from here on
    refuse(daemon, "DescribeLoadBalancers", *answer)
    daemon.now += 300
    for _ in range(2):  # and asked again, until it is known
        outcome = daemon.pass_over(asked)
        assert outcome.condition is Condition.IN_SYNC
        assert outcome.live is not None
        assert [advice.type for advice in outcome.live.advice] == ["maintenance_unknown"]
    assert daemon.calls["DescribeLoadBalancers"] == 1


def test_what_cannot_be_read_at_the_pinned_listener_is_an_error(daemon: Daemon, aws: LoadBalancing) -> None:
    refuse(daemon, "DescribeRules", "AccessDenied", 403)
    outcome = daemon.pass_over(section())
    assert outcome.condition is Condition.STALLED
    assert "not allowed to call DescribeRules" in outcome.reason


@pytest.mark.parametrize(
    ("asked", "kind", "words"),
    [
        pytest.param(section(load_balancer="nope"), Absent, "there is no load balancer nope", id="load balancer"),
        pytest.param(section(port=81), Stalled, "no listener on port 81: it listens on 80, 8080", id="port"),
        pytest.param(
            Maintenance(enabled=True, listener_arn=LISTENER), Absent, f"there is no listener {LISTENER}", id="listener"
        ),
        pytest.param(
            section(strategy="default_action", target_group="nope"), Absent, "there is no target group nope", id="group"
        ),
    ],
)
def test_what_is_not_there_is_said(
    daemon: Daemon, aws: LoadBalancing, asked: Maintenance, kind: type[Exception], words: str
) -> None:
    outcome = daemon.pass_over(asked)
    assert type(outcome.error) is kind
    assert words in outcome.reason
    assert outcome.attempts == ()


def test_an_answer_without_rules_says_nothing(daemon: Daemon, aws: LoadBalancing) -> None:
    def empty(parsed: dict[str, Any], **_: object) -> None:
        parsed["Rules"] = []

    daemon.connection.reading("elbv2").meta.events.register("after-call.elastic-load-balancing-v2.DescribeRules", empty)
    outcome = daemon.pass_over(section())
    assert isinstance(outcome.error, Absent)
    assert outcome.attempts == ()


def test_a_load_balancer_that_was_made_anew_is_found_again(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(section(enabled=False))
    aws.elb.delete_load_balancer(LoadBalancerArn=aws.balancer)
    assert isinstance(daemon.pass_over(section()).error, Absent)
    aws.balancer = aws.elb.create_load_balancer(Name=BALANCER, Subnets=aws.subnets)["LoadBalancers"][0][
        "LoadBalancerArn"
    ]
    aws.http = aws.listen(80)
    assert daemon.settle(section()).condition is Condition.IN_SYNC
    assert aws.shows() == MESSAGE


def test_a_target_group_that_was_made_anew_is_found_again(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(by_default_action())
    vpc = aws.elb.describe_target_groups(TargetGroupArns=[aws.api])["TargetGroups"][0]["VpcId"]
    aws.elb.modify_listener(ListenerArn=aws.other, DefaultActions=[{"Type": "forward", "TargetGroupArn": aws.web}])
    aws.elb.delete_target_group(TargetGroupArn=aws.api)
    told = aws.elb.create_target_group(
        Name="replaydash-production-api", Protocol="HTTP", Port=81, VpcId=vpc, TargetType="ip"
    )
    assert told["TargetGroups"][0]["TargetGroupArn"] != aws.api
    assert daemon.settle(by_default_action(enabled=False), "c2").condition is not Condition.STALLED
    assert daemon.settle(by_default_action(enabled=False), "c2").condition is Condition.IN_SYNC
    assert aws.shows("/") == "replaydash-production-api"


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("hours", [-1, 1])
def test_maintenance_that_outlives_its_end_is_reported_and_never_ended(
    daemon: Daemon, aws: LoadBalancing, hours: int, enabled: bool
) -> None:
    until = aws.rehearsal.now() + timedelta(hours=hours)
    outcome = daemon.settle(section(until=until, enabled=enabled))
    forgotten = enabled and hours < 0
    assert outcome.condition is (Condition.STALLED if forgotten else Condition.IN_SYNC)
    assert outcome.live is not None
    assert [advice.type for advice in outcome.live.advice] == ["maintenance_forgotten"] * forgotten
    if forgotten:
        assert outcome.reason.startswith("forgotten: maintenance was to end at")
    assert (aws.shows() == MESSAGE) is enabled


def test_maintenance_that_has_just_been_asked_for_is_entered_whatever_its_end(
    daemon: Daemon, aws: LoadBalancing
) -> None:
    daemon.pass_over(section(until=datetime(2024, 2, 24, tzinfo=UTC)))
    assert aws.shows() == MESSAGE


def test_a_rule_that_went_away_meanwhile_is_looked_for_again(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(section())
    live = daemon.reconciler.observe(pin(section(message="Back at noon.")))
    aws.elb.delete_rule(RuleArn=aws.own_rule())
    change = next(iter(MaintenanceReconciler.diff(pin(section(message="Back at noon.")), live)))
    with pytest.raises(Absent, match="went away meanwhile"):
        daemon.reconciler.apply(pin(section(message="Back at noon.")), change)
    assert daemon.settle(section(message="Back at noon.")).condition is Condition.IN_SYNC


def test_a_second_rule_of_ours_is_taken_away(daemon: Daemon, aws: LoadBalancing) -> None:
    daemon.settle(section())
    twin = {"trueup:environment": ENVIRONMENT, "trueup:maintenance": "rule"}
    aws.add_rule(15, Actions=[FIXED], Tags=[{"Key": key, "Value": value} for key, value in twin.items()])
    assert daemon.pass_over(section()).attempts[0].result is Result.OK
    assert "15" not in aws.priorities()
    assert daemon.pass_over(section()).condition is Condition.IN_SYNC


def test_a_change_of_another_kind_is_refused(daemon: Daemon) -> None:
    with pytest.raises(TypeError, match="maintenance knows no change"):
        daemon.reconciler.apply(pin(section()), Change())


def test_the_verbs_name_the_permissions_that_they_use() -> None:
    writes = {"AddTags", "CreateRule", "DeleteRule", "ModifyListener", "ModifyRule", "RemoveTags", "SetRulePriorities"}
    declared = {*EnterMaintenance.actions, *LeaveMaintenance.actions}
    assert declared == {f"elasticloadbalancing:{operation}" for operation in writes}
