"""What holds for every reconciler: it observes without writing, converges, rests, and survives a crash anywhere."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import botocore.client
import pytest
from botocore.exceptions import ReadTimeoutError

from desired_state.model import Backups, Database, Dns, Endpoint, Maintenance, Restore
from reconcilers.aws import Connection, Place
from reconcilers.contract import Change, Condition, Outcome, Reconciler, Refusal, Result
from reconcilers.database import DatabasePin
from reconcilers.maintenance import MaintenancePin, MaintenanceReconciler
from reconcilers.reconcile import reconcile
from tests.reconcilers.database_world import DatabaseProcess
from tests.reconcilers.ecs_world import SESSION, Process, World, pinned

READS = ("Describe", "List", "Get", "BatchGet", "Assume")
_IAM = {"elbv2": "elasticloadbalancing"}  # what IAM calls a service, where boto3 calls it otherwise


class Died(BaseException):
    """The process is gone: nothing may catch this."""


Pass = Callable[[], tuple[Reconciler[Any, Any], Any]]  # a pass that begins: who makes it, and for what


@dataclass(frozen=True)
class Scenario:
    """Something that differs, the writes that mend it, and what AWS must say in the end."""

    prepare: Callable[[World], Callable[[], Pass]]  # lets something differ; returns how to start a process
    writes: tuple[str, ...]
    reached: Callable[[World], object]
    result: object
    passes: int = 3  # that it takes to settle, and one more


# An ECS service


def of_service(**more: Any) -> Callable[[World], Callable[[], Pass]]:
    def prepare(world: World) -> Callable[[], Pass]:
        pin = pinned(**{name: value(world) if callable(value) else value for name, value in more.items()})
        return lambda: _passes(Process(), pin)

    return prepare


def _passes(process: Process, pin: Any) -> Pass:
    def begin() -> tuple[Reconciler[Any, Any], Any]:
        process.new_pass(pin)
        return process.reconciler, pin

    return begin


def autoscaled(world: World) -> Callable[[], Pass]:
    world.autoscale(1, 10, ScheduledScalingSuspended=True)
    return of_service(desired_count=0)(world)


def shut_down(world: World) -> Callable[[], Pass]:
    begin = autoscaled(world)()
    reconcile(*begin(), allow)
    world.settle()
    return of_service()(world)


def of_another_family(world: World) -> Callable[[], Pass]:
    world.register("web")
    return of_service(task_revision="web:1")(world)


def retired(world: World) -> Callable[[], Pass]:
    world.ecs.deregister_task_definition(taskDefinition="api:2")
    return of_service(task_revision=2)(world)


def runs(world: World) -> object:
    primary = world.primary()
    return World.short(primary["taskDefinition"]), primary["rolloutState"], primary["runningCount"]


def overlaid(world: World) -> object:
    return runs(world), world.environment(world.runs()), len(world.revisions())


def scaled(world: World) -> object:
    return world.service()["runningCount"], world.tags(), sorted(world.suspended())


# A database's secret

SECRET = "production/db"


def elsewhere(world: World) -> Callable[[], Pass]:
    world.secret(json.dumps(OLD))
    return of_database(endpoint=Endpoint(host="new.example"))


def of_an_older_version(world: World) -> Callable[[], Pass]:
    """The first version is pinned, and the second one is in use."""
    world.secret(json.dumps(OLD))
    first = world.secrets.get_secret_value(SecretId=SECRET)["VersionId"]
    world.secret(json.dumps({**OLD, "password": "hunter3"}))
    return of_database(secret_version=first)


def of_database(**more: Any) -> Callable[[], Pass]:
    pin = DatabasePin("postgres", Database.model_construct(secret=SECRET, **more), commit="c1")

    def start() -> Pass:
        connection = connected()
        process = DatabaseProcess(connection)

        def begin() -> tuple[Reconciler[Any, Any], Any]:
            process.new_pass()
            return process.reconciler, pin

        return begin

    return start


def value(world: World) -> object:
    versions = world.secrets.list_secret_version_ids(SecretId=SECRET, IncludeDeprecated=True)["Versions"]
    told = json.loads(world.secrets.get_secret_value(SecretId=SECRET)["SecretString"])
    return told, len(versions)


# A database instance

ZONE = "production.internal"
NAME = Dns(zone=ZONE, record=f"db.{ZONE}")
MASTER, PASSWORD = "app", "hunter2-of-old"


def with_an_instance(world: World, **told: str) -> None:
    """The instance `old` is in use, `before` is a snapshot of it, and the secret tells the password of today."""
    rds: Any = SESSION.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="tuned", DBParameterGroupFamily="postgres16", Description="tuned"
    )
    rds.create_db_instance(
        DBInstanceIdentifier="old",
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        AllocatedStorage=20,
        MaxAllocatedStorage=100,
        MasterUsername=MASTER,
        MasterUserPassword=PASSWORD,
        Tags=[{"Key": "team", "Value": "platform"}],
    )
    world.settle()
    host = rds.describe_db_instances(DBInstanceIdentifier="old")["DBInstances"][0]["Endpoint"]["Address"]
    world.secret(json.dumps({"host": host, "port": 5432, **told}))
    world.settle()
    rds.create_db_snapshot(DBInstanceIdentifier="old", DBSnapshotIdentifier="before")
    if told:
        now = f"{PASSWORD}-no-more"
        rds.modify_db_instance(DBInstanceIdentifier="old", MasterUserPassword=now, ApplyImmediately=True)
        world.secret(json.dumps({"host": host, "port": 5432, **told, "password": now}))
        world.settle()
    SESSION.client("route53").create_hosted_zone(Name=ZONE, CallerReference="production")


def to_restore(world: World) -> Callable[[], Pass]:
    with_an_instance(world, username=MASTER, password=PASSWORD)
    return of_database(restore=Restore(snapshot="before", instance="new", like="old"), dns=NAME)


def to_correct(world: World) -> Callable[[], Pass]:
    """The instance is restored, and then the file names another parameter group; the secret names no user."""
    with_an_instance(world)
    reconcile(*of_database(restore=Restore(snapshot="before", instance="new", like="old"))()(), allow)
    world.settle()
    return of_database(restore=Restore(snapshot="before", instance="new", like="old", parameter_group="tuned"))


def to_keep(world: World) -> Callable[[], Pass]:
    with_an_instance(world)
    return of_database(backups=Backups(retention_days=7))


def to_lead(world: World) -> Callable[[], Pass]:
    with_an_instance(world)
    host = json.loads(world.secrets.get_secret_value(SecretId=SECRET)["SecretString"])["host"]
    return of_database(endpoint=Endpoint(host=host), dns=NAME)


def used(world: World) -> object:
    """The instance that the secret names, whether its user gets in, where the name leads, and the tags of `new`."""
    told = json.loads(world.secrets.get_secret_value(SecretId=SECRET)["SecretString"])
    gets_in = world.rehearsal.login(told["host"], told["username"], told["password"])
    found = _instance(told["host"].partition(".")[0])
    own = sorted(tag["Key"].partition(":")[2] or tag["Value"] for tag in found["TagList"])
    return found["DBInstanceIdentifier"], gets_in, led(), found.get("MaxAllocatedStorage"), own


def grouped(world: World) -> object:
    """The instance that the secret names, its parameter group, and its most storage."""
    told = json.loads(world.secrets.get_secret_value(SecretId=SECRET)["SecretString"])
    found = _instance(told["host"].partition(".")[0])
    group = found["DBParameterGroups"][0]
    named = found["DBInstanceIdentifier"], group["DBParameterGroupName"], group["ParameterApplyStatus"]
    return (*named, found.get("MaxAllocatedStorage"))


def led(_: World | None = None) -> str:
    """The instance that the name leads to."""
    route53: Any = SESSION.client("route53")
    zone = route53.list_hosted_zones_by_name(DNSName=ZONE)["HostedZones"][0]["Id"]
    records = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return next(
        (each["ResourceRecords"][0]["Value"].partition(".")[0] for each in records if each["Type"] == "CNAME"), ""
    )


def _instance(name: str) -> dict[str, Any]:
    rds: Any = SESSION.client("rds")
    return rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]


# A load balancer


def of_maintenance(*, before: bool = False, **more: Any) -> Callable[[World], Callable[[], Pass]]:
    """With `before`, the page is shown already, and has to go."""

    def prepare(world: World) -> Callable[[], Pass]:
        _balance()
        about: dict[str, Any] = {"load_balancer": "production", "port": 80, "target_group": "api", **more}
        on, off = (MaintenancePin("production", "c1", Maintenance(enabled=each, **about)) for each in (True, False))
        if before:
            reconcile(MaintenanceReconciler(connected()), on, allow)

        def start() -> Pass:
            reconciler = MaintenanceReconciler(connected())
            return lambda: (reconciler, off if before else on)

        return start

    return prepare


def _balance() -> None:
    """A load balancer `production` that forwards to the target group `api`."""
    ec2: Any = SESSION.client("ec2")
    elb: Any = SESSION.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("ab")
    ]
    group = elb.create_target_group(Name="api", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")["TargetGroups"][0]
    balancer = elb.create_load_balancer(Name="production", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    forward = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward)


def shown(world: World) -> object:
    """What a visitor gets, how many rules there are, and how many tags the listener has."""
    elb: Any = SESSION.client("elbv2")
    told = world.rehearsal.route("production", "production.example", "/", port=80)
    balancer = elb.describe_load_balancers(Names=["production"])["LoadBalancers"][0]["LoadBalancerArn"]
    listener = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]["ListenerArn"]
    tags = elb.describe_tags(ResourceArns=[listener])["TagDescriptions"][0]["Tags"]
    return told["action"], len(elb.describe_rules(ListenerArn=listener)["Rules"]), bool(tags)


REMEMBERED = {"trueup:count-before-shutdown": "2 resume:in+out"}
ALL_SUSPENDED = ["DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"]
OLD = {"host": "old.example", "port": 5432, "password": "hunter2"}
NEW = {**OLD, "host": "new.example"}
TAGS = ["commit", "data-of", "password-of", "platform", "restore-asked", "restored-from", "verified"]
SCENARIOS = {
    "a pinned revision": Scenario(of_service(task_revision=2), ("UpdateService",), runs, ("api:2", "COMPLETED", 2)),
    "a variable": Scenario(
        of_service(env={"A": "1"}),
        ("RegisterTaskDefinition", "UpdateService"),
        overlaid,
        (("api:3", "COMPLETED", 2), {"A": "1"}, 3),
    ),
    "a variable, a count and a restart at once": Scenario(
        of_service(env={"A": "1"}, desired_count=3, restarted_at=lambda world: world.instant(-5)),
        ("RegisterTaskDefinition", "UpdateService"),
        overlaid,
        (("api:3", "COMPLETED", 3), {"A": "1"}, 3),
    ),
    "a retired revision": Scenario(
        retired, ("RegisterTaskDefinition", "UpdateService"), runs, ("api:3", "COMPLETED", 2)
    ),
    "another family": Scenario(
        of_another_family,
        ("TagResource", "UpdateService"),
        lambda world: (runs(world), world.tags()),
        (("web:1", "COMPLETED", 2), {"trueup:family": "api"}),
    ),
    "a restart": Scenario(
        of_service(restarted_at=lambda world: world.instant(-5)), ("UpdateService",), runs, ("api:1", "COMPLETED", 2)
    ),
    "a shutdown": Scenario(
        autoscaled,
        ("TagResource", "RegisterScalableTarget", "UpdateService"),
        scaled,
        (0, REMEMBERED, ALL_SUSPENDED),
    ),
    "the way back from a shutdown": Scenario(
        shut_down,
        ("UpdateService", "RegisterScalableTarget", "UntagResource"),
        scaled,
        (2, {}, ["ScheduledScalingSuspended"]),
    ),
    "an endpoint": Scenario(elsewhere, ("PutSecretValue",), value, (NEW, 2)),
    "an older version of the secret": Scenario(of_an_older_version, ("PutSecretValue",), value, (OLD, 3)),
    "a restore": Scenario(
        to_restore,
        (
            "RestoreDBInstanceFromDBSnapshot",
            "ModifyDBInstance",
            "AddTagsToResource",
            "PutSecretValue",
            "ChangeResourceRecordSets",
            "ModifyDBInstance",
            "AddTagsToResource",
        ),
        used,
        ("new", True, "new", 100, TAGS),
        passes=7,
    ),
    "a setting of an instance that is not in use yet": Scenario(
        to_correct,
        (
            "ModifyDBInstance",
            "RebootDBInstance",
            "PutSecretValue",
            "ModifyDBInstance",
            "AddTagsToResource",
        ),
        grouped,
        ("new", "tuned", "in-sync", 100),
        passes=6,
    ),
    "backups": Scenario(to_keep, ("ModifyDBInstance",), lambda _: _instance("old")["BackupRetentionPeriod"], 7),
    "a name": Scenario(to_lead, ("ChangeResourceRecordSets",), led, "old"),
    "maintenance": Scenario(of_maintenance(), ("CreateRule",), shown, ("fixed-response", 2, False)),
    "maintenance by the default action": Scenario(
        of_maintenance(strategy="default_action"),
        ("AddTags", "ModifyListener"),
        shown,
        ("fixed-response", 1, True),
    ),
    "the end of maintenance": Scenario(of_maintenance(before=True), ("DeleteRule",), shown, ("forward", 1, False)),
    "the end of maintenance by the default action": Scenario(
        of_maintenance(before=True, strategy="default_action"),
        ("ModifyListener", "RemoveTags"),
        shown,
        ("forward", 1, False),
    ),
}
REPEATABLE = {"AddTags", "RemoveTags", "AddTagsToResource", "ModifyDBInstance", "ChangeResourceRecordSets"}
EACH_WRITE = [
    pytest.param(scenario, nth, id=f"{name}-{operation}")
    for name, scenario in SCENARIOS.items()
    for nth, operation in enumerate(scenario.writes)
]


def allow(_: tuple[Change, ...]) -> None:
    return None


def refuse(_: tuple[Change, ...]) -> Refusal:
    return Refusal(Condition.DRIFTED, "not now")


def connected() -> Connection:
    connection = Connection(Place("us-east-1"))
    connection._session = SESSION
    return connection


@pytest.fixture(params=SCENARIOS.values(), ids=SCENARIOS.keys())
def scenario(request: pytest.FixtureRequest) -> Iterator[Scenario]:
    return request.param


def passes(world: World, begin: Pass, count: int = 3) -> list[Outcome]:
    """Passes of one process, with time for AWS to settle after each."""
    outcomes = []
    for _ in range(count):
        outcomes.append(reconcile(*begin(), allow))
        world.settle()
    return outcomes


def test_observing_never_writes_and_a_refused_pass_writes_nothing(scenario: Scenario, world: World) -> None:
    begin = scenario.prepare(world)()
    world.forget()
    reconciler, desired = begin()
    changes = tuple(reconciler.diff(desired, reconciler.observe(desired)))
    outcome = reconcile(*begin(), refuse)
    assert (outcome.condition, outcome.reason, outcome.changes) == (Condition.DRIFTED, "not now", changes)
    assert outcome.drifts
    assert world.calls()
    assert world.writes() == []


def test_it_converges_by_these_writes_and_then_rests(scenario: Scenario, world: World) -> None:
    begin = scenario.prepare(world)()
    world.forget()
    first, *_, last = outcomes = passes(world, begin, scenario.passes)
    assert first.condition is Condition.PROGRESSING
    assert {attempt.result for outcome in outcomes for attempt in outcome.attempts} == {Result.OK}
    assert (last.condition, last.changes) == (Condition.IN_SYNC, ())
    assert tuple(world.writes()) == scenario.writes
    assert scenario.reached(world) == scenario.result
    world.forget()
    assert passes(world, begin, 1)[0].condition is Condition.IN_SYNC
    assert world.writes() == []


def crashes(monkeypatch: pytest.MonkeyPatch, nth: int, when: str, error: Callable[[], BaseException]) -> None:
    """The nth write from now on ends in this error, before or after it was made."""
    real = botocore.client.BaseClient._make_api_call
    writes = iter(range(1000))

    def call(self: Any, operation: str, params: Any) -> Any:
        fatal = not operation.startswith(READS) and next(writes) == nth
        if fatal and when == "before":
            raise error()
        answer = real(self, operation, params)
        if fatal:
            raise error()
        return answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("scenario", "nth"), EACH_WRITE)
def test_a_crash_around_any_write_is_survived_and_nothing_is_made_twice(
    scenario: Scenario, world: World, monkeypatch: pytest.MonkeyPatch, nth: int, when: str
) -> None:
    start = scenario.prepare(world)
    world.forget()
    with monkeypatch.context() as patch:
        crashes(patch, nth, when, Died)
        with pytest.raises(Died):
            passes(world, start(), scenario.passes)
        outcomes = passes(world, start(), scenario.passes)
    assert (outcomes[-1].condition, outcomes[-1].changes) == (Condition.IN_SYNC, ())
    assert made(world.writes()) == made(scenario.writes)
    assert scenario.reached(world) == scenario.result


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("scenario", "nth"), EACH_WRITE)
def test_a_time_out_around_any_write_is_looked_at_again_and_nothing_is_made_twice(
    scenario: Scenario, world: World, monkeypatch: pytest.MonkeyPatch, nth: int, when: str
) -> None:
    begin = scenario.prepare(world)()
    world.forget()
    with monkeypatch.context() as patch:
        crashes(patch, nth, when, lambda: ReadTimeoutError(endpoint_url="aws"))
        *outcomes, last = passes(world, begin, scenario.passes + 1)
    unknown = [outcome for outcome in outcomes if Result.UNKNOWN in [each.result for each in outcome.attempts]]
    assert [(outcome.condition, outcome.attempts[-1].result) for outcome in unknown] == [
        (Condition.RETRYING, Result.UNKNOWN)
    ]
    assert (last.condition, last.changes) == (Condition.IN_SYNC, ())
    assert made(world.writes()) == made(scenario.writes)
    assert scenario.reached(world) == scenario.result


def made(writes: Iterable[str]) -> Counter[str]:
    """How often each write was made, without those that make nothing new when they are made again."""
    return Counter(operation for operation in writes if operation not in REPEATABLE)


def actions(calls: list[dict[str, Any]], *, write: bool) -> set[str]:
    made = [call for call in calls if call["write"] is write]
    return {f"{_IAM.get(call['service'], call['service'])}:{call['operation']}" for call in made}


def test_every_verb_declares_the_permissions_that_it_uses(scenario: Scenario, world: World) -> None:
    begin = scenario.prepare(world)()
    world.forget()
    made = 0
    for _ in range(scenario.passes):
        reconciler, desired = begin()
        for change in tuple(reconciler.diff(desired, reconciler.observe(desired))):
            assert actions(world.calls(), write=False) <= {*reconciler.reads, "sts:GetCallerIdentity"}
            world.forget()
            reconciler.apply(desired, change)
            assert actions(world.calls(), write=True)
            assert actions(world.calls(), write=True) <= set(change.actions)
            made += len(world.writes())
        world.settle()
    assert made == len(scenario.writes)


def verbs(of: type[Change] = Change) -> Iterator[type[Change]]:
    for each in of.__subclasses__():
        if not each.__name__.startswith("_") and each.__module__.startswith("reconcilers."):
            yield each
        yield from verbs(each)


@pytest.mark.parametrize("verb", sorted(set(verbs()), key=lambda verb: verb.__name__), ids=lambda verb: verb.__name__)
def test_every_verb_says_which_calls_of_aws_it_makes(verb: type[Change]) -> None:
    implied = {"iam:PassRole"} | ({"ecs:TagResource"} if "ecs:RegisterTaskDefinition" in verb.actions else set())
    named = {action for action in verb.actions if action.partition(":")[2] in (verb.__doc__ or "")}
    assert named
    assert named == set(verb.actions) - implied


def test_a_shutdown_that_was_cut_short_is_taken_back_all_the_same(world: World) -> None:
    """The commit is reverted after the process died, at every step of its way."""
    world.autoscale(1, 10)
    steps = list(SCENARIOS["a shutdown"].writes)
    for done in range(len(steps) + 1):
        process, pin = Process(), pinned(desired_count=0)
        process.new_pass(pin)
        changes = list(process.reconciler.diff(pin, process.reconciler.observe(pin)))
        for change in changes[:done]:
            process.reconciler.apply(pin, change)
        world.settle()
        last = passes(world, of_service()(world)())[-1]
        assert last.condition is Condition.IN_SYNC
        assert scaled(world) == (2, {}, [])
