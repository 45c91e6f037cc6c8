"""AWS_ENDPOINT_URL may name an emulator that is kinder than AWS: nothing crashes, and nothing is written twice."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tests.end_to_end.world import (
    CLUSTER,
    ENVIRONMENT,
    SECRET,
    SERVICE,
    Daemon,
    Git,
    World,
    api,
    eventually,
    free_port,
    instant,
    production,
)


@dataclass
class _Moto:
    """A moto server in a process of its own."""

    url: str


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service on revision 2 of two, its secret and its load balancer, in plain moto."""
    folder, port = tmp_path_factory.mktemp("moto"), free_port()
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with (folder / "moto.log").open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink)
    made = World(folder, _Moto(f"http://127.0.0.1:{port}"), Git(folder / "repository"))
    try:
        eventually(lambda: _answers(made.aws.url), within=30)
        _seed(made)
        yield made
    finally:
        for daemon in made.daemons:
            if daemon.process.poll() is None:
                daemon.kill()
        process.kill()
        process.wait(10)


def test_pins_end_in_one_write_each_whatever_moto_says_of_the_rollout(moto: World) -> None:
    moto.git.commit(api("task_revision: 1"))
    daemon = moto.daemon(interval=0.3)
    _comes_to_rest(moto, daemon, updates=1)
    assert moto.service()["taskDefinition"].endswith(f"{SERVICE}:1")

    moto.git.commit(api("task_revision: 2", "env:", "  LEVEL: warn"))
    _comes_to_rest(moto, daemon, updates=2)
    assert _calls(daemon, "RegisterTaskDefinition") == 1

    moto.git.commit(api("task_revision: 2", "env:", "  LEVEL: warn", "desired_count: 3"))
    _comes_to_rest(moto, daemon, updates=3)
    assert moto.service()["desiredCount"] == 3

    assert daemon.process.poll() is None
    assert "Traceback" not in daemon.printed()
    assert daemon.stop() == 0


def test_a_restart_an_endpoint_and_maintenance_are_made_once(moto: World) -> None:
    moto.git.commit(
        production(
            api=["task_revision: 1", f"restarted_at: {instant(datetime.now(UTC))}"],
            postgres=["endpoint: other.example:5433"],
            maintenance=["enabled: true"],
        )
    )
    daemon = moto.daemon(interval=0.3)

    eventually(lambda: moto.secret() == "postgresql://u:p@other.example:5433/x")
    eventually(lambda: daemon.condition("maintenance") == "in_sync")
    daemon.after_passes(5)

    assert _calls(daemon, "PutSecretValue") == 1
    assert _calls(daemon, "CreateRule") == 1
    assert _calls(daemon, "UpdateService") <= 2
    assert daemon.condition() in ("in_sync", "progressing")
    assert "Traceback" not in daemon.printed()


def test_a_restore_is_made_once_and_published(moto: World) -> None:
    for each in moto.daemons:
        each.kill()
    _with_a_database(moto)
    restore = ["restore:", "  snapshot: before", "  instance: restored", "  like: production"]
    moto.git.commit(
        production(
            api=["task_revision: 1", "databases: [postgres]"],
            postgres=[*restore, "dns: {zone: example.internal, record: db.example.internal}"],
        )
    )
    daemon = moto.daemon(interval=0.3)

    eventually(lambda: "@restored." in moto.secret())
    eventually(lambda: daemon.condition("postgres") == "in_sync")
    daemon.after_passes(5)

    assert daemon.condition("postgres") == "in_sync", daemon.resource("postgres")
    made = {name: _calls(daemon, name) for name in ("RestoreDBInstanceFromDBSnapshot", "PutSecretValue")}
    assert made == {"RestoreDBInstanceFromDBSnapshot": 1, "PutSecretValue": 1}
    assert _calls(daemon, "ChangeResourceRecordSets") == 1
    assert _calls(daemon, "UpdateService") <= 2
    assert "Traceback" not in daemon.printed()


def _with_a_database(moto: World) -> None:
    """The secret names an instance `production`, of which there is a snapshot `before`; and there is a zone."""
    rds = moto.client("rds")
    told = rds.create_db_instance(
        DBInstanceIdentifier="production",
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="u",
        MasterUserPassword="a-password-1",
    )
    rds.create_db_snapshot(DBInstanceIdentifier="production", DBSnapshotIdentifier="before")
    host = told["DBInstance"]["Endpoint"]["Address"]
    text = f"postgresql://u:a-password-1@{host}:5432/x"
    moto.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=text)
    moto.client("route53").create_hosted_zone(Name="example.internal", CallerReference="here")


def _comes_to_rest(moto: World, daemon: Daemon, updates: int) -> None:
    eventually(lambda: _calls(daemon, "UpdateService") == updates)
    daemon.after_passes(5)
    assert _calls(daemon, "UpdateService") == updates
    assert daemon.condition() in ("in_sync", "progressing")
    assert daemon.environment(ENVIRONMENT)["commit"] == moto.git.run("rev-parse", "HEAD")


def _calls(daemon: Daemon, operation: str) -> float:
    """How often the daemon has called this operation, whatever came of it."""
    lines = [line for line in daemon.get("/metrics").splitlines() if line.startswith("trueup_aws_calls_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if f'operation="{operation}"' in line)


def _seed(made: World) -> None:
    ecs, elb, ec2 = made.client("ecs"), made.client("elbv2"), made.client("ec2")
    ecs.create_cluster(clusterName=CLUSTER)
    for level in ("info", "debug"):
        environment = [{"name": "LEVEL", "value": level}]
        container = {"name": "api", "image": "registry.example/api:v1", "memory": 128, "environment": environment}
        ecs.register_task_definition(family=SERVICE, containerDefinitions=[container])
    ecs.create_service(cluster=CLUSTER, serviceName=SERVICE, taskDefinition=f"{SERVICE}:2", desiredCount=2)
    made.client("secretsmanager").create_secret(Name=SECRET, SecretString="postgresql://u:p@db.example:5432/x")
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]][:2]
    network = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    balancer = elb.create_load_balancer(Name="replaydash-production-alb", Subnets=subnets)["LoadBalancers"][0]
    group = elb.create_target_group(Name="api", Protocol="HTTP", Port=80, VpcId=network)["TargetGroups"][0]
    forward = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
    arn = balancer["LoadBalancerArn"]
    elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=443, DefaultActions=forward)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/moto-api/", timeout=1):
            return True
    except OSError:
        return False
