"""One rehearsal as its tests use it: clients, a few things to create, and the code of what is refused."""

import itertools
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.caller import Caller
from rehearsal.server import Rehearsal

ROLLOUT = 10.0  # seconds, by the clock of the rehearsal
CREATING = 20.0
CLUSTER = "main"
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}


def code(call: Callable[..., Any], **params: Any) -> str:
    """The error code of a call that AWS refuses; empty where it does not."""
    try:
        call(**params)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def message(call: Callable[..., Any], **params: Any) -> str:
    """What AWS says to a call that it refuses; empty where it does not."""
    try:
        call(**params)
    except ClientError as error:
        return str(error.response["Error"]["Message"])
    return ""


class Aws:
    """A rehearsal with one cluster in it."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal
        self.caller = Caller(rehearsal.url)
        self.ecs = self.caller.aws("ecs")
        self.ecs.create_cluster(clusterName=CLUSTER)
        self._numbers = itertools.count()

    def name(self, kind: str = "service") -> str:
        """A name that nothing has yet."""
        return f"{kind}-{next(self._numbers)}"

    def family(self, *images: str, **more: Any) -> str:
        """A family with one revision an image, each with a single container."""
        family = self.name("family")
        for image in images or ("registry.example/app:v1",):
            self.register(family, [{"name": "app", "image": image}], **more)
        return family

    def register(self, family: str, containers: list[dict[str, Any]], **more: Any) -> str:
        given = {"networkMode": "awsvpc", "containerDefinitions": containers} | more
        made = self.ecs.register_task_definition(family=family, **given)
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def service(self, family: str, revision: int = 1, *, desired: int = 2, **more: Any) -> "Service":
        """A service on a revision of a family, its first rollout long done."""
        service = Service(self, self.name())
        self.ecs.create_service(
            cluster=CLUSTER,
            serviceName=service.name,
            taskDefinition=f"{family}:{revision}",
            desiredCount=desired,
            **({"networkConfiguration": NETWORK, "deploymentConfiguration": BREAKER} | more),
        )
        self.rehearsal.advance(5 * ROLLOUT)
        return service


class Service:
    """A service of the cluster."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws, self.name = aws, name

    def update(self, **changes: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._aws.ecs.update_service(cluster=CLUSTER, service=self.name, **changes)["service"]
        return answer

    def shown(self, *, tags: bool = False) -> dict[str, Any]:
        include = {"include": ["TAGS"]} if tags else {}
        answer = self._aws.ecs.describe_services(cluster=CLUSTER, services=[self.name], **include)
        found: dict[str, Any] = answer["services"][0]
        return found

    def deployments(self) -> list[tuple[str, str, str]]:
        """Status, revision number and rollout state of each, newest first."""
        return [
            (each["status"], each["taskDefinition"].rpartition(":")[2], each["rolloutState"])
            for each in self.shown()["deployments"]
        ]

    def history(self) -> list[dict[str, Any]]:
        listed = self._aws.ecs.list_service_deployments(cluster=CLUSTER, service=self.name)["serviceDeployments"]
        arns = [each["serviceDeploymentArn"] for each in listed]
        found: list[dict[str, Any]] = self._aws.ecs.describe_service_deployments(serviceDeploymentArns=arns)[
            "serviceDeployments"
        ]
        return found

    def tasks(self) -> list[dict[str, Any]]:
        """Every task that has not stopped."""
        arns = self._aws.ecs.list_tasks(cluster=CLUSTER, serviceName=self.name)["taskArns"]
        found: list[dict[str, Any]] = self._aws.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
        return found
