"""Clusters that somebody else built, each by its own random seed, and what a first file has to say of each."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote

from rehearsal.caller import Caller
from rehearsal.server import Rehearsal

ACCOUNT = "123456789012"
ROLLOUT = 300.0  # seconds by the clock of the rehearsal: longer than a test takes, shorter than any deadline
MARK = "h1dden"  # in every value that is secret
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}
_CLUSTERS = (
    "on",
    "123",
    "1e5",
    "0x1F",
    "null",
    "___",
    "-",
    "12-30",
    "Cluster",
    "y",
    "_a_",
    "NO",
    "x" * 255,
    "A--B",
)
_SERVICES = ("api", "worker", "on", "0123", "1_000", "null", "-x-", "API", "__", "a" * 240, "true", "9e9", "cron-job")
_SECRETS = ("db/password", "db+url=1", "@db", "0123", "on", "Db.Main_x")
_KINDS = ("plain", "scaled", "rolling", "of another family", "inactive", "daemon", "code-deploy", "shut", "going")
_SCALING = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
_VALUES = ("json", "json-url", "url-only", "url", "url-no-port", "json-no-port")


@dataclass
class Expected:
    """What the file says of a service: independent of how it is found out."""

    revision: int | str
    count: int | None
    containers: int
    named: frozenset[str]  # the secrets of databases that its containers name
    secrets: set[str]  # those of them that may restart it
    late: bool = False  # it is being rolled out


@dataclass
class Cluster:
    """One generated cluster."""

    name: str
    seed: int
    services: dict[str, Expected] = field(default_factory=dict)
    unfit: set[str] = field(default_factory=set)
    secrets: dict[str, str] = field(default_factory=dict)  # of databases: name, and the endpoint that a file pins
    doors: dict[tuple[str, int], set[str]] = field(default_factory=dict)  # balancer and port: what it leads to
    behind: dict[str, set[str]] = field(default_factory=dict)  # target group: the services behind it
    environment: str = ""  # to be given, where trueup shows the page of this one
    page: tuple[str, int] | None = None  # and where it shows it

    @property
    def open(self) -> set[tuple[str, int]]:
        """The listeners that lead to a service."""
        return {door for door, groups in self.doors.items() if any(self.behind.get(each) for each in groups)}

    @property
    def front(self) -> tuple[str, int] | None:
        """The listener of its maintenance: where the page is, else the one that most services are behind."""
        if self.page:
            return self.page
        led = {door: set[str]().union(*(self.behind[each] for each in self.doors[door])) for door in self.open}
        return min(led, key=lambda door: (-len(led[door]), door[1] != 443, door[1], door[0]), default=None)


class Builder:
    """Builds clusters in one rehearsal."""

    def __init__(self, aws: Rehearsal) -> None:
        self.aws, self.caller = aws, Caller(aws.url)
        self._subnets: list[str] = []
        self._vpc = ""
        self._late: list[Callable[[], Any]] = []  # rollouts that are under way at the end, services that go

    def build(self, seeds: range) -> list[Cluster]:
        """One cluster a seed. Everything has settled, but what is rolled out at the end."""
        ec2 = self.caller.aws("ec2")
        self._subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]][:2]
        self._vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        hosts = self._instances(range(0, len(seeds), 3))
        clusters = [self._cluster(seed, hosts.get(at - at % 3, [])) for at, seed in enumerate(seeds)]
        self.aws.advance(6 * ROLLOUT)
        for cluster in clusters[::4]:
            self._change_secret(cluster)
        self.aws.advance(60)
        for act in self._late:
            act()
        self.aws.advance(5)
        return clusters

    def _instances(self, numbers: range) -> dict[int, list[str]]:
        rds, made = self.caller.aws("rds"), {}
        for number in numbers:
            name = f"shop-{number}-postgres"
            rds.create_db_instance(
                DBInstanceIdentifier=name,
                DBInstanceClass="db.t4g.small",
                Engine="postgres",
                MasterUsername="shop",
                MasterUserPassword=f"{MARK}-{number}-password",
                AllocatedStorage=20,
            )
            made[number] = name
        self.aws.advance(3600)
        told = {each["DBInstanceIdentifier"]: each for each in rds.describe_db_instances()["DBInstances"]}
        return {number: [told[name]["Endpoint"]["Address"]] for number, name in made.items()}

    def _cluster(self, seed: int, hosts: list[str]) -> Cluster:
        random = Random(seed)
        plain = f"shop-{seed}-{random.choice(['cluster', 'main', 'x_cluster'])}"
        made = Cluster(_CLUSTERS[seed] if seed < len(_CLUSTERS) else plain, seed)
        self.caller.aws("ecs").create_cluster(clusterName=made.name)
        secrets = self._secrets(random, made, hosts)
        self._balancers(random, made)
        for service in self._names(random, made):
            self._service(random, made, service, secrets)
        if made.open and random.random() < 0.4:
            made.environment = f"env-{seed}"
            made.page = sorted(made.doors)[-1]
            self._page(made, made.page)
        return made

    def _change_secret(self, made: Cluster) -> None:
        """Nobody restarted the services: naming the database of this secret would. Those rolled out later are well."""
        for name in sorted(made.secrets)[:1]:
            manager = self.caller.aws("secretsmanager")
            manager.put_secret_value(
                SecretId=name, SecretString=manager.get_secret_value(SecretId=name)["SecretString"] + " "
            )
            for each in made.services.values():
                if not each.late:
                    each.secrets.discard(name)

    def _names(self, random: Random, made: Cluster) -> list[str]:
        wanted = 104 if made.seed == 20 else random.choice([1, 2, 3, 3, 4, 12])
        prefix = random.choice(["", f"{made.name.removesuffix('-cluster')}-", f"shop-{made.seed}-", "shop_"])
        pool = [*_SERVICES, *(f"service-{number}" for number in range(wanted))]
        names = [f"{prefix}{each}"[:255] for each in random.sample(pool[: max(wanted, len(_SERVICES))], wanted)]
        return list(dict.fromkeys(names))

    # --- secrets

    def _secrets(self, random: Random, made: Cluster, hosts: list[str]) -> dict[str, str]:
        """ARNs by name: of databases, of a key, and of what is no database of RDS."""
        manager, arns = self.caller.aws("secretsmanager"), {}
        for at, host in enumerate(hosts * random.choice([1, 1, 2])):
            name = (
                f"{random.choice(['', 'shop/'])}{random.choice(_SECRETS)}{random.choice('-_./')}{made.seed}{'x' * at}"
            )
            shape = random.choice(_VALUES)
            text, port = _value(shape, host)
            arns[name] = manager.create_secret(Name=name, SecretString=text)["ARN"]
            made.secrets[name] = f"{host}:{port}" if port else host
        if random.random() < 0.5:
            arns["key"] = manager.create_secret(Name=f"shop/{made.seed}/key", SecretString=f"{MARK}-key")["ARN"]
        if random.random() < 0.4:
            text = json.dumps({"host": f"{MARK}.redis.internal", "port": 6379, "password": f"{MARK}-p"})
            arns["redis"] = manager.create_secret(Name=f"shop/{made.seed}/redis", SecretString=text)["ARN"]
        return arns

    # --- load balancers

    def _balancers(self, random: Random, made: Cluster) -> None:
        elb = self.caller.aws("elbv2")
        for number in range(random.choice([0, 0, 0, 1, 2])):
            name = f"shop-{made.seed}-{number}"
            balancer = elb.create_load_balancer(Name=name, Subnets=self._subnets)["LoadBalancers"][0]["LoadBalancerArn"]
            groups = [self._group(f"{name}-{each}") for each in range(random.choice([1, 2, 3]))]
            for port in random.sample([80, 443, 8443], random.choice([1, 2])):
                made.doors[name, port] = self._listener(random, balancer, port, groups)
            made.behind |= {arn: set() for arn in groups}

    def _group(self, name: str) -> str:
        told = self.caller.aws("elbv2").create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=self._vpc, TargetType="ip"
        )
        return str(told["TargetGroups"][0]["TargetGroupArn"])

    def _listener(self, random: Random, balancer: str, port: int, groups: list[str]) -> set[str]:
        """A listener that leads to these groups by default, by a rule or by weights; what it leads to as ARNs."""
        elb, led = self.caller.aws("elbv2"), set[str]()
        first, *others = groups
        fixed = {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "Not here."}
        default: dict[str, Any] = random.choice(
            [{"Type": "forward", "TargetGroupArn": first}, {"Type": "fixed-response", "FixedResponseConfig": fixed}]
        )
        led |= {first} if default["Type"] == "forward" else set()
        made = elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=port, DefaultActions=[default])
        listener = made["Listeners"][0]["ListenerArn"]
        for priority, arn in enumerate([first, *others], 10):
            weights = [{"TargetGroupArn": each, "Weight": 1} for each in (arn, first)][: 2 if arn != first else 1]
            action: dict[str, Any] = {"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}
            if random.random() < 0.7:
                condition = {"Field": "path-pattern", "Values": [f"/{priority}/*"]}
                elb.create_rule(ListenerArn=listener, Priority=priority, Conditions=[condition], Actions=[action])
                led |= {each["TargetGroupArn"] for each in weights}
        return led

    def _page(self, made: Cluster, door: tuple[str, int]) -> None:
        """trueup's own maintenance page of this environment."""
        elb, (name, port) = self.caller.aws("elbv2"), door
        balancer = elb.describe_load_balancers(Names=[name])["LoadBalancers"][0]["LoadBalancerArn"]
        listeners = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        arn = next(each["ListenerArn"] for each in listeners if each["Port"] == port)
        page = {"StatusCode": "503", "ContentType": "text/html", "MessageBody": '<p>"Back: soon"</p>\n# ✓ 100 %'}
        tags = {"trueup:environment": made.environment, "trueup:maintenance": "rule"}
        elb.create_rule(
            ListenerArn=arn,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[{"Type": "fixed-response", "FixedResponseConfig": page}],
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )

    # --- services

    def _service(self, random: Random, made: Cluster, name: str, secrets: dict[str, str]) -> None:
        family = random.choice([name, f"f-{name}", "123"])[:255]
        named = random.sample(sorted(secrets), random.randint(0, len(secrets)))
        containers = self._containers(random, [secrets[each] for each in named])
        revision = self._register(family, containers)
        kind = random.choices(_KINDS, [14, 3, 2, 2, 2, 1, 1, 1, 1])[0] if made.services else "plain"
        about = self._about(random, made, kind, name, containers[0]["name"])
        self.caller.aws("ecs").create_service(
            cluster=made.name, serviceName=name, taskDefinition=revision, networkConfiguration=NETWORK, **about
        )
        if kind in ("code-deploy", "going"):
            made.unfit.add(name)
        else:
            count = None if kind in ("daemon", "scaled") else about["desiredCount"]
            databases = frozenset(each for each in named if each in made.secrets)
            number = int(revision.rpartition(":")[2])
            made.services[name] = Expected(number, count, len(containers), databases, set(databases))
        arns = [secrets[each] for each in named]
        self._afterwards(random, made, kind, name, revision, lambda: self._containers(random, arns, len(containers)))

    def _about(self, random: Random, made: Cluster, kind: str, name: str, serving: str) -> dict[str, Any]:
        """What CreateService gets besides."""
        shut = {"key": "trueup:count-before-shutdown", "value": "3 resume:in+out"}
        about: dict[str, Any] = {"desiredCount": random.choice([0, 1, 2, 5])}
        if kind == "daemon":
            about = {"schedulingStrategy": "DAEMON"}
        elif kind == "code-deploy":
            about["deploymentController"] = {"type": "CODE_DEPLOY"}
        elif kind == "shut":
            about = {"desiredCount": 0, "tags": [shut]}
        elif kind != "going":
            groups = random.sample(sorted(made.behind), min(len(made.behind), random.choice([0, 1, 1, 2])))
            about["loadBalancers"] = [
                {"targetGroupArn": arn, "containerName": serving, "containerPort": 80} for arn in groups
            ]
            for arn in groups:
                made.behind[arn].add(name)
        return about

    def _afterwards(
        self,
        random: Random,
        made: Cluster,
        kind: str,
        name: str,
        revision: str,
        containers: Callable[[], list[dict[str, Any]]],
    ) -> None:
        """What becomes of the service once it is there."""
        ecs, there = self.caller.aws("ecs"), {"cluster": made.name, "service": name}
        if kind == "going":
            self._late.append(lambda: ecs.delete_service(**there, force=True))
        elif kind in ("scaled", "shut"):
            self._scale(random, made, name, suspended=kind == "shut")
        elif kind == "of another family":
            arn = f"arn:aws:ecs:us-east-1:{ACCOUNT}:service/{made.name}/{name}"
            ecs.tag_resource(resourceArn=arn, tags=[{"key": "trueup:family", "value": "another-family"}])
            made.services[name].revision = revision.rpartition("/")[2]
        elif kind == "rolling":
            later = self._register(revision.rpartition("/")[2].rpartition(":")[0], containers())
            self._late.append(lambda: ecs.update_service(**there, taskDefinition=later))
            made.services[name].revision = int(later.rpartition(":")[2])
            made.services[name].late = True
        elif kind == "inactive":
            ecs.deregister_task_definition(taskDefinition=revision)

    def _scale(self, random: Random, made: Cluster, name: str, *, suspended: bool) -> None:
        self.caller.aws("application-autoscaling").register_scalable_target(
            ServiceNamespace="ecs",
            ResourceId=f"service/{made.name}/{name}",
            ScalableDimension="ecs:service:DesiredCount",
            MinCapacity=random.choice([0, 1]),
            MaxCapacity=9,
            SuspendedState=dict.fromkeys(_SCALING, suspended),
        )

    def _register(self, family: str, containers: list[dict[str, Any]]) -> str:
        told = self.caller.aws("ecs").register_task_definition(
            family=family, networkMode="awsvpc", containerDefinitions=containers
        )
        return str(told["taskDefinition"]["taskDefinitionArn"])

    def _containers(self, random: Random, arns: list[str], many: int = 0) -> list[dict[str, Any]]:
        names = random.sample(["app", "web", "on", "envoy", "0123", "x_y-z"], many or random.choice([1, 1, 1, 2, 3]))
        containers = [self._container(random, name) for name in names]
        for number, arn in enumerate(arns):
            reference = arn + random.choice(["", ":url::", ":password:AWSCURRENT:", ":::"])
            container = random.choice(containers)
            container.setdefault("secrets", []).append({"name": f"SECRET_{number}", "valueFrom": reference})
        return containers

    def _container(self, random: Random, name: str) -> dict[str, Any]:
        repository = random.choice(
            [f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/shop", "registry.example:5000/shop", "nginx"]
        )
        tag = random.choice(["", ":latest", ":v1", ":1.20", f"@sha256:{'ab' * 32}", f":v2@sha256:{'cd' * 32}", ":0123"])
        driver: dict[str, Any] = {"logDriver": "awsfirelens"}
        if random.random() < 0.6:
            options = {"awslogs-group": f"/ecs/{name}.log", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "x"}
            driver = {"logDriver": "awslogs", "options": options}
        return {
            "name": name,
            "image": repository + tag,
            "memory": 128,
            "portMappings": [{"containerPort": 80}],
            "environment": [{"name": "API_TOKEN", "value": f"{MARK}-token"}],
            "logConfiguration": driver,
        }


def _value(shape: str, host: str) -> tuple[str, int | None]:
    """The text of a database's secret, and the port that it names everywhere."""
    password = f"{MARK}/pass?word"
    url = f"postgresql://shop:{quote(password, safe='')}@{host}:5432/shop?sslmode=require"
    document: dict[str, Any] = {"username": "shop", "password": password, "host": host, "port": 5432}
    match shape:
        case "json":
            return json.dumps(document), 5432
        case "json-no-port":
            del document["port"]
            return json.dumps(document), None
        case "json-url":
            return json.dumps(document | {"url": url, "port": "5432"}, indent=1), 5432
        case "url-only":
            return json.dumps({"url": url}), 5432
        case "url":
            return url, 5432
        case _:
            return url.replace(":5432", ""), None
