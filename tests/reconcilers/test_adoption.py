"""What is live in a cluster: which services can be looked after, what of them can be pinned, what cannot be read."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from desired_state.model import Endpoint
from reconcilers.adoption import Adoption, Found, Kept, Running, Unfit
from reconcilers.adoption_services import _rank, _secrets
from reconcilers.contract import Absent
from reconcilers.listener_records import Page
from tests.reconcilers.ecs_world import CLUSTER, NAME, SECRET, Process, World

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/db-AbCdEf"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef"
HOST = "shop.abc123.us-east-1.rds.amazonaws.com"
TAG = {"key": "trueup:count-before-shutdown", "value": "3 resume:in+out"}


def look(process: Process, *names: str, environment: str = "production") -> Found:
    return Adoption(process.connection).of(CLUSTER, names, environment)


def one(process: Process, name: str = NAME) -> Running:
    return next(each for each in look(process, name).services)


def with_secret(world: World, text: str, name: str = SECRET, **more: Any) -> str:
    """A secret that is older than the service `reader`, whose container names it; its ARN."""
    made = world.secrets.create_secret(Name=name, SecretString=text)["ARN"]
    world.settle()
    reference = {"name": "X", "valueFrom": made}
    world.create("reader", world.register(family=f"reader-{name.replace('/', '-')}", secrets=[reference]), **more)
    return str(made)


# --- decisions


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        pytest.param(ARN, [ARN], id="the whole secret"),
        pytest.param(f"{ARN}:url::", [ARN], id="a key of it"),
        pytest.param(f"{ARN}:url:AWSCURRENT:", [ARN], id="the current version by name"),
        pytest.param(f"{ARN}:::", [ARN], id="nothing but colons"),
        pytest.param(f"{ARN}:url:AWSPREVIOUS:", [], id="always the previous version"),
        pytest.param(f"{ARN}:::0123", [], id="one version for ever"),
        pytest.param("arn:aws:ssm:us-east-1:123456789012:parameter/x", [], id="a parameter"),
        pytest.param("x", [], id="a parameter by its name"),
    ],
)
def test_a_secret_counts_where_the_container_follows_it(reference: str, named: list[str]) -> None:
    assert list(_secrets([{"secrets": [{"name": "X", "valueFrom": reference}]}])) == named


@pytest.mark.parametrize(
    ("containers", "serving", "main"),
    [
        pytest.param([{"name": "a"}, {"name": "z"}], {"z"}, "z", id="the one behind the load balancer"),
        pytest.param([{"name": "a", "essential": False}, {"name": "z"}], set(), "z", id="the essential one"),
        pytest.param([{"name": "a"}, {"name": "api"}], set(), "api", id="the one that the service is called by"),
        pytest.param([{"name": "b"}, {"name": "a"}], set(), "a", id="in any order the same"),
    ],
)
def test_the_container_that_people_mean_comes_first(
    containers: list[dict[str, Any]], serving: set[str], main: str
) -> None:
    for told in (containers, containers[::-1]):
        assert min(told, key=lambda each: _rank(each, serving, "shop-api"))["name"] == main


# --- services


def test_a_service_is_told_as_it_is(world: World, process: Process) -> None:
    found = one(process)

    assert (found.name, world.short(found.revision), found.family, found.count) == (NAME, "api:1", "api", 2)
    assert [(each.name, each.image) for each in found.containers] == [("app", "registry.example/api:v1")]
    assert (found.band, found.rolling, found.notes, found.secrets) == (None, "", (), ())
    assert world.writes() == []


def test_all_services_are_found_by_name_however_many_pages_they_fill(world: World, process: Process) -> None:
    names = [f"s-{number:03}" for number in range(103)]
    for name in names:
        world.ecs.create_service(cluster=CLUSTER, serviceName=name, taskDefinition="api:1", desiredCount=0)

    assert [each.name for each in look(process).services] == [NAME, *names]
    assert (process.calls["ListServices"], process.calls["DescribeServices"]) == (2, 11)


def test_named_services_are_told_in_their_order_and_once(world: World, process: Process) -> None:
    world.create("second")

    assert [each.name for each in look(process, "second", NAME, "second").services] == ["second", NAME]


def test_what_is_not_there_is_absent(world: World, process: Process) -> None:
    world.ecs.create_cluster(clusterName="empty")

    with pytest.raises(Absent, match="has no service nobody; correct its name"):
        look(process, NAME, "nobody")
    with pytest.raises(Absent, match="there is no ECS cluster nowhere in this region"):
        Adoption(process.connection).of("nowhere", (), "x")
    with pytest.raises(Absent, match="ECS cluster empty has no service"):
        Adoption(process.connection).of("empty", (), "x")


@pytest.mark.parametrize("controller", ["CODE_DEPLOY", "EXTERNAL"])
def test_what_another_controller_deploys_is_unfit(world: World, process: Process, controller: str) -> None:
    world.create("other", deploymentController={"type": controller})

    why = f"it is deployed by {controller}; trueup drives only ECS's own rolling deployments"
    assert look(process).unfit == (Unfit("other", why),)


def test_what_is_going_away_is_unfit(world: World, process: Process) -> None:
    world.create("going")
    world.ecs.delete_service(cluster=CLUSTER, service="going", force=True)

    assert look(process, "going").unfit == (Unfit("going", "it is DRAINING"),)
    assert look(process, "going").services == ()


@pytest.mark.parametrize(
    ("told", "why"),
    [
        pytest.param({"desiredCount": None}, "ECS did not say the desiredCount of service", id="without its count"),
        pytest.param(
            {"taskDefinition": None, "deployments": None}, "does not say which task definition", id="or what it runs"
        ),
    ],
)
def test_a_service_of_which_too_little_is_told_is_unfit(
    world: World, process: Process, told: dict[str, None], why: str
) -> None:
    process.tells("DescribeServices", lambda parsed: [parsed["services"][0].pop(name) for name in told])

    assert why in look(process).unfit[0].why


COUNTS = [
    pytest.param({}, None, 2, id="a count"),
    pytest.param({"desiredCount": 0}, None, 0, id="a count of 0"),
    pytest.param({}, (1, 5), None, id="autoscaling decides"),
    pytest.param({"desiredCount": 0}, (0, 5), None, id="autoscaling decided for 0"),
    pytest.param({"desiredCount": 0, "tags": [TAG]}, None, 0, id="trueup shut it down"),
    pytest.param({"desiredCount": 0, "tags": [TAG]}, (1, 5), 0, id="trueup shut it down, and autoscaling waits"),
]


@pytest.mark.parametrize(("settings", "band", "count"), COUNTS)
def test_a_count_is_pinned_where_nobody_else_decides_it(
    world: World, process: Process, settings: dict[str, Any], band: tuple[int, int] | None, count: int | None
) -> None:
    world.create("counted", **settings)
    if band:
        world.scaling.register_scalable_target(
            ServiceNamespace="ecs",
            ResourceId=f"service/{CLUSTER}/counted",
            ScalableDimension="ecs:service:DesiredCount",
            MinCapacity=band[0],
            MaxCapacity=band[1],
        )
    found = one(process, "counted")

    assert found.count == count
    assert (found.band and (found.band.minimum, found.band.maximum)) == band


def test_a_daemon_service_has_no_count(world: World, process: Process) -> None:
    world.ecs.create_service(cluster=CLUSTER, serviceName="each", taskDefinition="api:1", schedulingStrategy="DAEMON")

    assert (one(process, "each").count, one(process, "each").notes) == (
        None,
        ("a DAEMON service has no desired_count",),
    )


def test_the_revision_is_the_one_that_is_being_rolled_out(world: World, process: Process) -> None:
    world.ecs.update_service(cluster=CLUSTER, service=NAME, taskDefinition="api:2")
    found = one(process)

    assert world.short(found.revision) == "api:2"
    assert found.rolling.startswith("rolling out api:2: ")


def test_a_service_remembers_its_own_family_while_it_runs_another(world: World, process: Process) -> None:
    world.create("moved", tags=[{"key": "trueup:family", "value": "own"}])

    assert one(process, "moved").family == "own"


def test_logs_of_another_region_are_nobody_s_suggestion(world: World, process: Process) -> None:
    options = {"awslogs-group": "/x", "awslogs-stream-prefix": "x", "awslogs-region": "eu-west-1"}
    world.create("far", world.register(family="far", logConfiguration={"logDriver": "awslogs", "options": options}))

    assert one(process, "far").containers[0].log_group == ""


# --- databases


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        pytest.param({"host": HOST, "port": 5432}, f"{HOST}:5432", id="host and port"),
        pytest.param({"host": HOST.upper(), "port": "5432"}, f"{HOST.upper()}:5432", id="as it stands"),
        pytest.param({"host": HOST}, HOST, id="no port"),
        pytest.param({"url": f"postgresql://u:p@{HOST}:6432/x"}, f"{HOST}:6432", id="a URL"),
        pytest.param({"host": HOST, "port": 1, "url": f"pg://u:p@{HOST}:2/x"}, HOST, id="two ports: none is pinned"),
        pytest.param(f"postgresql://u:p@{HOST}/x", HOST, id="one bare URL"),
        pytest.param(
            {"host": "shop.cluster-abc.us-east-1.rds.amazonaws.com"},
            "shop.cluster-abc.us-east-1.rds.amazonaws.com",
            id="of a cluster of instances",
        ),
    ],
)
def test_a_secret_that_names_a_database_is_kept_with_its_endpoint(
    world: World, process: Process, text: Any, endpoint: str
) -> None:
    with_secret(world, text if isinstance(text, str) else json.dumps(text))
    found = look(process, "reader")

    assert [(each.secret, each.database, str(each.endpoint), each.unpinned) for each in found.databases] == [
        (SECRET, "shop", endpoint, "")
    ]
    assert (found.services[0].secrets, found.others, found.unknown) == ((SECRET,), (), ())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("sk-0123456789", id="a key of an API"),
        pytest.param('{"host": "cache.internal", "port": 6379}', id="a host that is none of RDS"),
        pytest.param('{"host": ""}', id="no host"),
        pytest.param('{"token": "x"}', id="JSON without a host"),
    ],
)
def test_what_names_no_database_of_rds_is_only_named(world: World, process: Process, text: str) -> None:
    with_secret(world, text)
    found = look(process, "reader")

    assert (found.databases, found.services[0].secrets, found.others) == ((), (), (SECRET,))


def test_a_secret_that_names_two_hosts_is_kept_without_pinning_one(world: World, process: Process) -> None:
    with_secret(world, json.dumps({"host": HOST, "url": f"pg://u:p@other{HOST}/x"}))
    found = look(process, "reader")

    assert "several hosts" in found.databases[0].unpinned
    assert found.services[0].secrets == (SECRET,)


def test_a_secret_that_trueup_may_not_write_is_kept_without_its_endpoint(world: World, process: Process) -> None:
    with_secret(world, json.dumps({"host": HOST}))
    process.tells("DescribeSecret", lambda parsed: parsed.update(OwningService="rds"), "secretsmanager")

    assert "is managed by rds" in look(process, "reader").databases[0].unpinned


def test_a_secret_that_is_to_be_deleted_is_left_out_with_the_reason(world: World, process: Process) -> None:
    with_secret(world, json.dumps({"host": HOST}))
    world.secrets.delete_secret(SecretId=SECRET)
    found = look(process, "reader")

    assert (found.databases, found.unknown[0][0]) == ((), f"secret {SECRET}")
    assert "is scheduled for deletion" in found.unknown[0][1]


def test_a_secret_of_another_region_is_left_out_with_the_reason(world: World, process: Process) -> None:
    far = ARN.replace("us-east-1", "eu-west-1")
    world.create("far", world.register(family="far", secrets=[{"name": "X", "valueFrom": far}]))

    assert look(process, "far").unknown == (("secret shop/db", "it is a secret of 123456789012 in eu-west-1"),)


def test_a_service_whose_tasks_are_older_than_the_secret_is_not_to_be_restarted_by_it(
    world: World, process: Process
) -> None:
    with_secret(world, json.dumps({"host": HOST}))
    world.secrets.put_secret_value(SecretId=SECRET, SecretString=json.dumps({"host": HOST, "port": 5432}))
    world.settle()
    found = look(process, "reader")

    assert [each.secret for each in found.databases] == [SECRET]
    assert found.services[0].secrets == ()
    assert "its tasks are older" in found.services[0].notes[0]


def test_nothing_that_is_told_holds_a_value(world: World, process: Process) -> None:
    with_secret(world, f"postgresql://user-h1dden:password-h1dden@{HOST}:5432/name-h1dden?key=h1dden")

    assert "h1dden" not in repr(look(process, "reader"))


# --- listeners


class Balanced:
    """A load balancer in front of the service `web`."""

    def __init__(self, world: World) -> None:
        ec2, self.elb = boto3.client("ec2", "us-east-1"), boto3.client("elbv2", "us-east-1")
        subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]][:2]
        self.balancer = self.elb.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0][
            "LoadBalancerArn"
        ]
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        told = self.elb.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")
        self.group = told["TargetGroups"][0]["TargetGroupArn"]
        self.forward: Any = {"Type": "forward", "TargetGroupArn": self.group}
        behind = [{"targetGroupArn": self.group, "containerName": "app", "containerPort": 80}]
        task = world.register(family="web", portMappings=[{"containerPort": 80}])
        world.create("web", task, loadBalancers=behind)

    def listener(self, port: int, default: Any = None) -> str:
        told = self.elb.create_listener(
            LoadBalancerArn=self.balancer, Protocol="HTTP", Port=port, DefaultActions=[default or self.forward]
        )
        return str(told["Listeners"][0]["ListenerArn"])

    def rule(self, listener: str, priority: int, action: Any, path: str = "/*", **tags: str) -> None:
        self.elb.create_rule(
            ListenerArn=listener,
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": [path]}],
            Actions=[action],
            Tags=[
                {"Key": "team", "Value": "x"},
                *({"Key": f"trueup:{key}", "Value": each} for key, each in tags.items()),
            ],
        )


FIXED: Any = {
    "Type": "fixed-response",
    "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain", "MessageBody": "Soon"},
}


@pytest.fixture
def balanced(world: World) -> Balanced:
    return Balanced(world)


def test_without_a_listener_there_is_no_door(balanced: Balanced, process: Process) -> None:
    assert look(process, "web").doors == ()


def test_https_comes_before_other_ports_that_lead_to_as_many_services(balanced: Balanced, process: Process) -> None:
    for port in (80, 443, 8443):
        balanced.listener(port)

    assert [(each.load_balancer, each.port, each.services) for each in look(process, "web").doors] == [
        ("shop", 443, ("web",)),
        ("shop", 80, ("web",)),
        ("shop", 8443, ("web",)),
    ]


def test_a_listener_that_leads_elsewhere_is_no_door(balanced: Balanced, process: Process) -> None:
    balanced.listener(443, FIXED)
    weighted = {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": balanced.group, "Weight": 1}]}}
    balanced.rule(balanced.listener(80, FIXED), 5, weighted, "/web/*")

    assert [each.port for each in look(process, "web").doors] == [80]


def test_a_page_of_this_environment_makes_its_door_the_first(balanced: Balanced, process: Process) -> None:
    balanced.listener(443)
    balanced.rule(balanced.listener(80), 1, FIXED, environment="production", maintenance="rule")
    first = look(process, "web").doors[0]

    assert (first.port, first.shown and first.shown.page) == (80, Page(503, "text/plain", "Soon"))


def test_a_page_of_somebody_else_is_told_and_not_adopted(balanced: Balanced, process: Process) -> None:
    balanced.rule(balanced.listener(443), 1, FIXED, environment="other", maintenance="rule")
    door = look(process, "web").doors[0]

    assert (door.shown, door.others) == (None, Page(503, "text/plain", "Soon"))


def test_a_fixed_answer_to_what_nothing_else_matches_is_no_page(balanced: Balanced, process: Process) -> None:
    listener = balanced.listener(443, FIXED)
    balanced.rule(listener, 1, balanced.forward, "/web/*")
    balanced.rule(listener, 2, FIXED)
    door = look(process, "web").doors[0]

    assert (door.shown, door.others) == (None, None)


# --- alarms


@pytest.mark.parametrize(
    ("dimensions", "watches"),
    [
        pytest.param({"ServiceName": NAME, "ClusterName": CLUSTER}, True, id="the service"),
        pytest.param({"ServiceName": NAME}, True, id="the service, in whatever cluster"),
        pytest.param({"ServiceName": NAME, "ClusterName": "other"}, False, id="its namesake in another cluster"),
        pytest.param({"ServiceName": "other", "ClusterName": CLUSTER}, False, id="its neighbour"),
        pytest.param({}, False, id="nothing in particular"),
    ],
)
@pytest.mark.parametrize("of_metrics", [False, True])
def test_an_alarm_is_suggested_where_it_watches_the_service(
    world: World, process: Process, dimensions: dict[str, str], watches: bool, of_metrics: bool
) -> None:
    told = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    about: Any = {"Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Dimensions": told}
    if of_metrics:
        metric: Any = {"Metric": about, "Period": 60, "Stat": "Average"}
        about = {"Metrics": [{"Id": "m", "MetricStat": metric, "ReturnData": True}]}
    else:
        about |= {"Period": 60, "Statistic": "Average"}
    boto3.client("cloudwatch", "us-east-1").put_metric_alarm(
        AlarmName="busy", EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanThreshold", **about
    )

    assert look(process).alarms == (("busy",) if watches else ())


# --- trouble


def test_what_ecs_does_not_tell_is_raised(world: World, process: Process) -> None:
    world.rehearsal.fault("ecs", "DescribeServices", "error", times=9)

    with pytest.raises(ClientError):
        look(process, NAME)


@pytest.mark.parametrize(
    ("service", "operation", "part"),
    [
        pytest.param("secretsmanager", "DescribeSecret", f"secret {SECRET}", id="secrets"),
        pytest.param("rds", "DescribeDBInstances", f"secret {SECRET}", id="RDS"),
        pytest.param("elbv2", "DescribeTargetGroups", "maintenance", id="load balancers"),
        pytest.param("cloudwatch", "DescribeAlarms", "alarms", id="alarms"),
    ],
)
def test_a_part_that_cannot_be_read_is_unknown_and_stops_nothing(
    world: World, process: Process, service: str, operation: str, part: str
) -> None:
    behind = [{"targetGroupArn": GROUP, "containerName": "app", "containerPort": 80}]
    with_secret(world, json.dumps({"host": HOST}), loadBalancers=behind)
    world.rehearsal.fault(service, operation, "error", times=9)
    found = look(process, "reader")

    assert [what for what, _ in found.unknown] == [part]
    assert [each.name for each in found.services] == ["reader"]


def test_a_secret_that_two_services_name_is_read_once(world: World, process: Process) -> None:
    arn = with_secret(world, json.dumps({"host": HOST, "port": 5432}))
    world.create("again", world.register(family="again", secrets=[{"name": "X", "valueFrom": f"{arn}:url::"}]))
    found = look(process)

    assert found.databases == (Kept(SECRET, "shop", Endpoint(host=HOST, port=5432)),)
    assert process.calls["GetSecretValue"] == 1
    assert {each.name: each.secrets for each in found.services} == {NAME: (), "reader": (SECRET,), "again": (SECRET,)}
