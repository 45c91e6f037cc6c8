"""A small ECS of our own: one cluster, one service with two revisions, and one process that passes over it."""

from collections import Counter
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import boto3

from desired_state.model import Service
from reconcilers.aws import Connection, Place
from reconcilers.contract import Gate, Outcome
from reconcilers.ecs_reads import EcsReads
from reconcilers.ecs_records import Deployment, ServiceRecord
from reconcilers.ecs_service import EcsServiceReconciler, LiveService, ServicePin
from reconcilers.rds_reads import RdsReads
from reconcilers.reconcile import reconcile
from reconcilers.secrets import Secrets
from reconcilers.switch import Switches
from rehearsal.server import Rehearsal

CLUSTER = "production"
NAME = "production-api"
PREFIX = "arn:aws:ecs:us-east-1:123456789012"
ROLLOUT = 60.0  # seconds; a test lets them pass with `World.settle`
SECRET = "production/db"
SESSION = boto3.Session(region_name="us-east-1")  # with its own for each process, loading it would take half the time


def arn(revision: str) -> str:
    """The ARN of `family:revision`."""
    return f"{PREFIX}:task-definition/{revision}"


def pinned(*, secrets: tuple[str, ...] = (), commit: str = "c1", name: str = NAME, **more: Any) -> ServicePin:
    """A pin of the service, with the keys of its entry in the file."""
    databases = tuple(f"database-{number}" for number, _ in enumerate(secrets))
    return ServicePin("api", Service(cluster=CLUSTER, service=name, databases=databases, **more), secrets, commit)


def record(running: str = "api:1", *, primary: str = "", **more: Any) -> ServiceRecord:
    """A service as ECS tells it; `more` are members of its record or, if they are of a deployment, of its PRIMARY."""
    started = datetime.fromisoformat("2024-02-24T12:00:00+00:00")
    about: dict[str, Any] = {"rollout": "COMPLETED", "created": started, "desired": 2, "running": 2, "failed": 0}
    about |= {name: more.pop(name) for name in ("rollout", "created", "failed") if name in more}
    deployment = Deployment(status="PRIMARY", task_definition=arn(primary or running), **about)
    known: dict[str, Any] = {
        "arn": f"{PREFIX}:service/{CLUSTER}/{NAME}",
        "name": NAME,
        "status": "ACTIVE",
        "controller": "ECS",
        "scheduling": "REPLICA",
        "task_definition": arn(running),
        "desired": 2,
        "running": 2,
        "deployments": (deployment,),
        "tags": {},
    }
    return ServiceRecord(**(known | more))


class World:
    """Somebody else, who also has access. The service `production-api` runs two tasks of api:1 since a while ago."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal
        self.ecs: Any = SESSION.client("ecs")
        self.ecs.create_cluster(clusterName=CLUSTER)
        self.register(image="registry.example/api:v1")
        self.register(image="registry.example/api:v2")
        self.create(NAME)
        rehearsal.clear_calls()

    @cached_property
    def scaling(self) -> Any:
        return SESSION.client("application-autoscaling")

    @cached_property
    def secrets(self) -> Any:
        return SESSION.client("secretsmanager")

    def create(self, name: str, revision: str = "api:1", **more: Any) -> None:
        breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
        self.ecs.create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=revision,
            **{"desiredCount": 2, "deploymentConfiguration": breaker, **more},
        )
        self.settle()

    def register(self, family: str = "api", tags: dict[str, str] | None = None, **container: Any) -> str:
        """`family:revision` of a new revision with one container."""
        app = {"name": "app", "image": "registry.example/api:v1", "memory": 128, **container}
        return self.register_all([app], family, tags)

    def register_all(self, containers: list[Any], family: str = "api", tags: dict[str, str] | None = None) -> str:
        given: dict[str, Any] = {"tags": [{"key": k, "value": v} for k, v in tags.items()]} if tags else {}
        told = self.ecs.register_task_definition(family=family, containerDefinitions=containers, **given)
        return self.short(told["taskDefinition"]["taskDefinitionArn"])

    def settle(self) -> None:
        """Let every rollout and every scaling end."""
        self.rehearsal.advance(ROLLOUT + 1)

    def service(self, name: str = NAME) -> dict[str, Any]:
        told = self.ecs.describe_services(cluster=CLUSTER, services=[name], include=["TAGS"])
        return told["services"][0]

    def primary(self) -> dict[str, Any]:
        return next(each for each in self.service()["deployments"] if each["status"] == "PRIMARY")

    def runs(self) -> str:
        """`family:revision` that the service runs."""
        return self.short(self.service()["taskDefinition"])

    def tags(self) -> dict[str, str]:
        return {tag["key"]: tag["value"] for tag in self.service()["tags"]}

    def revisions(self, family: str = "api") -> list[str]:
        """The ACTIVE revisions, newest first."""
        told = self.ecs.list_task_definitions(familyPrefix=family, sort="DESC")["taskDefinitionArns"]
        return [self.short(each) for each in told]

    def revision(self, name: str) -> dict[str, Any]:
        told = self.ecs.describe_task_definition(taskDefinition=name, include=["TAGS"])
        return told["taskDefinition"] | {"tags": {tag["key"]: tag["value"] for tag in told["tags"]}}

    def environment(self, name: str) -> dict[str, str]:
        told = self.revision(name)["containerDefinitions"][0]["environment"]
        return {each["name"]: each["value"] for each in told}

    def autoscale(self, minimum: int, maximum: int, **suspended: bool) -> None:
        self.scaling.register_scalable_target(
            ServiceNamespace="ecs",
            ResourceId=f"service/{CLUSTER}/{NAME}",
            ScalableDimension="ecs:service:DesiredCount",
            MinCapacity=minimum,
            MaxCapacity=maximum,
            SuspendedState=suspended,
        )

    def suspended(self) -> set[str]:
        told = self.scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]["SuspendedState"]
        return {name for name, on in told.items() if on}

    def secret(self, value: str = "one") -> None:
        """A new secret, or a new version of it, a moment ago."""
        if any(each["Name"] == SECRET for each in self.secrets.list_secrets()["SecretList"]):
            self.secrets.put_secret_value(SecretId=SECRET, SecretString=value)
        else:
            self.secrets.create_secret(Name=SECRET, SecretString=value)

    def writes(self) -> list[str]:
        """The operations that changed something since the last `forget`, in order."""
        return [call["operation"] for call in self.calls() if call["write"]]

    def calls(self) -> list[dict[str, Any]]:
        return [call for call in self.rehearsal.calls() if not call["service"].startswith("sts")]

    def updates(self) -> list[dict[str, Any]]:
        """What each UpdateService asked for, without naming the service."""
        asked = [call["summary"] for call in self.calls() if call["operation"] == "UpdateService"]
        return [{name: value for name, value in each.items() if name not in ("cluster", "service")} for each in asked]

    def forget(self) -> None:
        self.rehearsal.clear_calls()

    @staticmethod
    def short(arn: str) -> str:
        return arn.rpartition("/")[2]

    def instant(self, seconds: float = 0.0) -> datetime:
        """So many seconds from now, by the time in this AWS."""
        return self.rehearsal.now() + timedelta(seconds=seconds)


class Process:
    """One process: passes over one service, with the memory that a process has.

    `looked`: it has looked at the service long ago, and was told no scalable target.
    """

    def __init__(self, *, looked: bool = True) -> None:
        self.calls: Counter[str] = Counter()
        self.connection = Connection(
            Place("us-east-1"), on_call=lambda _, operation, *rest: self.calls.update([operation])
        )
        self.connection._session = SESSION
        self.reads = EcsReads(self.connection, lambda: self.connection.now().timestamp())
        if looked:
            self.reads._without_band[CLUSTER, NAME] = 0.0
        self.secrets = Secrets(self.connection)
        self.rds = RdsReads(self.connection)
        self.switches = Switches(self.connection, self.secrets, self.rds)
        self.reconciler = EcsServiceReconciler(self.connection, self.reads, self.secrets)

    def new_pass(self, pin: ServicePin) -> None:
        counted = [pin.key] if pin.service.desired_count is not None else []
        self.reads.new_pass([pin.key], counted)
        self.secrets.new_pass()
        self.rds.new_pass()
        self.switches.new_pass()
        self.calls.clear()

    def observe(self, pin: ServicePin) -> LiveService:
        self.new_pass(pin)
        return self.reconciler.observe(pin)

    def pass_over(self, pin: ServicePin, gate: Gate = lambda _: None) -> Outcome:
        self.new_pass(pin)
        return reconcile(self.reconciler, pin, gate)

    def tells(self, operation: str, edit: Any, service: str = "ecs") -> None:
        """What AWS answers to an operation, edited: for answers that the rehearsal cannot be brought to give."""
        client: Any = self.connection.reading(service)
        name = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"after-call.{name}.{operation}", lambda parsed, **_: edit(parsed))
