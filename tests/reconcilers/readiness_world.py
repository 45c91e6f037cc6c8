"""ReplayDash's production, one who looks whether it can go back, and the versions of its file."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import boto3

from desired_state.history import Version
from desired_state.model import Environment
from desired_state.parse import parse
from desired_state.repository import Commit
from reconcilers.aws import Connection, Place
from reconcilers.readiness import Readiness, Verdict, Weight
from rehearsal import replaydash
from rehearsal import replaydash_names as names
from rehearsal.caller import Caller
from rehearsal.replaydash_names import DATABASE, SNAPSHOT
from rehearsal.server import Pace, Rehearsal

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)
SESSION: Any = boto3.Session(region_name="us-east-1")  # with its own for each test, loading would take half the time
HEAD = "version: 1\nenvironment: production\naws: {region: us-east-1}\n"
API = f"cluster: {names.CLUSTER}, service: {names.API}, container: api"
WORKER = f"cluster: {names.CLUSTER}, service: {names.WORKER}"
RESTORED = f"{DATABASE}-restored"
OTHER = "image public.ecr.aws/aws-observability/aws-otel-collector:v0.38.1 is in another registry: not checked"
DIGEST = "sha256:" + "a" * 64


def file(api: str = "", worker: str = "", postgres: str = "", more: str = "", head: str = HEAD) -> Environment:
    """An environment with these keys, in flow style, in its entries."""
    entries = (("api", API, api), ("worker", WORKER, worker))
    services = "".join(f"  {name}: {{{where}, {keys}}}\n" for name, where, keys in entries if keys)
    text = head + (f"services:\n{services}" if services else "")
    text += f"databases: {{postgres: {{secret: {names.SECRET}, {postgres}}}}}\n" if postgres else ""
    return parse((text + more).encode(), "production.yaml")


def restore(snapshot: str = SNAPSHOT, instance: str = RESTORED, more: str = "") -> str:
    return f'restore: {{snapshot: "{snapshot}", instance: {instance}, like: {DATABASE}{more}}}'


def maintenance(port: int = 443, balancer: str = names.ALB) -> str:
    return f"maintenance: {{enabled: false, load_balancer: {balancer}, port: {port}}}\n"


NOW = file(api="task_revision: 124", worker="task_revision: 58", postgres=f"endpoint: {names.DATABASE_HOST}")


class Production:
    """ReplayDash's production, and one who looks whether it can go back."""

    def __init__(self, aws: Rehearsal) -> None:
        self.aws = aws
        self.caller = Caller(aws.url)
        self.connection = Connection(Place("us-east-1"))
        self.connection._session = SESSION
        self.readiness = Readiness(self.connection)
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = SESSION.client(service)
        return self._clients[service]

    def look(self, *then: Environment, now: Environment = NOW) -> list[Verdict]:
        """One check of these versions."""
        versions = [Version(Commit(f"{number:040}", NOON, "Ann", "Pin"), each) for number, each in enumerate(then)]
        self.aws.clear_calls()
        return list(self.readiness.of(now, versions) or ())

    def missing(self, then: Environment, now: Environment = NOW) -> list[str]:
        """What stands against going back to this version."""
        return said(self.look(then, now=now)[0])

    def calls(self) -> dict[str, int]:
        return dict(Counter(call["operation"] for call in self.aws.calls() if not call["service"].startswith("sts")))

    def delete_image(self, tag: str) -> None:
        self.client("ecr").batch_delete_image(repositoryName=names.API, imageIds=[{"imageTag": tag}])

    def push(self, tag: str) -> str:
        """Its digest."""
        kind = "application/vnd.oci.image.manifest.v1+json"
        config = {"digest": DIGEST, "size": 1, "mediaType": "application/vnd.oci.image.config.v1+json"}
        manifest = {"schemaVersion": 2, "mediaType": kind, "layers": [], "config": config, "of": tag}
        told = self.client("ecr").put_image(repositoryName=names.API, imageManifest=json.dumps(manifest), imageTag=tag)
        return str(told["image"]["imageId"]["imageDigest"])

    def registered(self, revision: int, **other: Any) -> int:
        """The number of a further revision with the content of this one, but for what is given of its container."""
        ecs = self.client("ecs")
        content = ecs.describe_task_definition(taskDefinition=f"{names.API}:{revision}")["taskDefinition"]
        takes = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
        content["containerDefinitions"][0] |= other
        told = ecs.register_task_definition(**{key: value for key, value in content.items() if key in takes})
        return int(told["taskDefinition"]["revision"])


def said(verdict: Verdict, weight: Weight = Weight.MISSING) -> list[str]:
    return [f"{each.entry}: {each.message}" for each in verdict.findings if each.weight is weight]


@contextmanager
def seeded() -> Iterator[Rehearsal]:
    """An AWS with the production in it."""
    with Rehearsal(pace=Pace(rollout=1.0, creating=10.0, backing_up=0.0)) as aws:
        replaydash.seed(aws.url)
        yield aws
