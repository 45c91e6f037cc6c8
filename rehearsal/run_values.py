"""Tasks that are run once: what their command does and when, and how ECS shows them. Values, and what is read off."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

_VISIBLE = 3600.0  # seconds for which a stopped task is still shown


@dataclass(frozen=True)
class Script:
    """What a command does: the lines that it prints and its exit code. `starts`: whether there is such a program."""

    output: tuple[str, ...] = ()
    exit_code: int = 0
    starts: bool = True


@dataclass(frozen=True)
class Run:
    """One task of RunTask, with the instants at which it is taken up, starts, would end, and stops.

    `container` runs the command. A task that cannot start has an infinite `started`, and `broken` says why.
    """

    id: str
    arn: str
    definition: str
    images: tuple[tuple[str, str, str], ...]  # container, image and digest of each
    asked: Mapping[str, Any]  # the members of RunTask
    tags: Mapping[str, str]
    container: str
    script: Script
    created: float
    pending: float
    started: float
    ends: float
    stopped: float
    stop: tuple[str, str]  # stopCode and stoppedReason
    broken: str = ""

    @property
    def cluster(self) -> str:
        return self.arn.rpartition(":task/")[2].partition("/")[0]

    @property
    def family(self) -> str:
        return self.definition.rpartition("/")[2].partition(":")[0]

    def status(self, now: float) -> str:
        if now >= self.stopped:
            return "STOPPED"
        if now >= self.started:
            return "RUNNING"
        return "PENDING" if now >= self.pending else "PROVISIONING"

    def visible(self, now: float) -> bool:
        return now < self.stopped + _VISIBLE

    def printed(self, now: float) -> list[tuple[float, str]]:
        """The lines so far, each with its instant: they come evenly while the command runs."""
        if self.started == inf:
            return []
        step = (self.ends - self.started) / (len(self.script.output) + 1)
        lines = [(self.started + step * number, line) for number, line in enumerate(self.script.output, start=1)]
        return [(at, line) for at, line in lines if at <= min(now, self.stopped)]

    def exit_code(self, container: str) -> int:
        """Of a stopped container. All others are killed when the one with the command has ended, or the task is."""
        ended = container == self.container and self.stopped == self.ends
        return self.script.exit_code if ended else 137


@dataclass
class Runs:
    """What RunTask has started in a region, and what the commands that are known there do."""

    tasks: dict[str, Run] = field(default_factory=dict)
    scripts: dict[tuple[str, ...], Script] = field(default_factory=dict)
    # By cluster and client token: when, what was asked, and the ids of the tasks.
    tokens: dict[tuple[str, str], tuple[float, Mapping[str, Any], list[str]]] = field(default_factory=dict)

    def of_cluster(self, cluster: str, now: float) -> Iterator[Run]:
        """Those that DescribeTasks still shows."""
        return (run for run in self.tasks.values() if run.cluster == cluster and run.visible(now))


def shown(run: Run, content: Mapping[str, Any], now: float, *, tags: bool) -> dict[str, Any]:
    """A task as DescribeTasks shows it. `content`: of its task definition."""
    state, asked = run.status(now), run.asked
    told: dict[str, Any] = {
        "taskArn": run.arn,
        "clusterArn": run.arn.replace(":task/", ":cluster/").rpartition("/")[0],
        "taskDefinitionArn": run.definition,
        "group": asked.get("group") or f"family:{run.family}",
        "lastStatus": state,
        "desiredStatus": "STOPPED" if state == "STOPPED" else "RUNNING",
        "healthStatus": "UNKNOWN",
        "createdAt": round(run.created, 3),
        "overrides": {"containerOverrides": [], "inferenceAcceleratorOverrides": []} | asked.get("overrides", {}),
        "containers": [_container(run, *each, now) for each in run.images],
        **_capacity(asked),
        **{name: content[name] for name in ("cpu", "memory") if name in content},
        **{name: asked[name] for name in ("startedBy", "enableExecuteCommand") if name in asked},
    }
    if run.started <= now:
        told["startedAt"] = round(run.started, 3)
    if state == "STOPPED":
        told |= {"stopCode": run.stop[0], "stoppedReason": run.stop[1]}
        told |= dict.fromkeys(("stoppingAt", "executionStoppedAt", "stoppedAt"), round(run.stopped, 3))
    if tags:
        told["tags"] = [{"key": key, "value": value} for key, value in run.tags.items()]
    return told


def _container(run: Run, name: str, image: str, digest: str, now: float) -> dict[str, Any]:
    state = run.status(now)
    told: dict[str, Any] = {
        "containerArn": f"{run.arn.replace(':task/', ':container/')}/{name}",
        "taskArn": run.arn,
        "name": name,
        "image": image,
        "lastStatus": "PENDING" if state == "PROVISIONING" else state,
        "healthStatus": "UNKNOWN",
    }
    if run.started <= now:
        told |= {"imageDigest": digest, "runtimeId": f"{run.id}-{name}"}
    if state == "STOPPED" and run.started < inf:
        told["exitCode"] = run.exit_code(name)
    if state == "STOPPED" and run.broken and name == run.container:
        told["reason"] = run.broken
    return told


def _capacity(asked: Mapping[str, Any]) -> dict[str, Any]:
    if strategy := asked.get("capacityProviderStrategy"):
        return {"capacityProviderName": strategy[0]["capacityProvider"]}
    kind = asked.get("launchType", "EC2")
    version = asked.get("platformVersion", "LATEST")
    fargate = {"platformVersion": "1.4.0" if version == "LATEST" else version, "platformFamily": "Linux"}
    return {"launchType": kind, **(fargate if kind == "FARGATE" else {})}
