"""RunTask and StopTask: what ECS refuses, and when a task starts and ends."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Any

from rehearsal import run_log, run_values
from rehearsal.ecs_services import check_network, runnable
from rehearsal.ecs_state import Definition, Params, Region, tag_map
from rehearsal.run_values import Run, Script
from rehearsal.service_values import digest_of
from rehearsal.wire import Refused

_LONGEST = 8192  # characters of the overrides
_EXITED = "Essential container in task exited"
_REMEMBERED = 86400.0  # seconds for which a client token counts
_NO_GROUP = (
    "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to "
    "create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist. : exit status 1"
)


def run(region: Region, params: Params) -> Params:
    """RunTask. The same client token with the same request is the same tasks."""
    cluster, now = region.cluster(params.get("cluster")), region.clock.now()
    asked = {name: value for name, value in params.items() if name not in ("clientToken", "cluster")}
    token = (cluster, params.get("clientToken") or digest_of("token", now, len(region.runs.tasks)))
    at, before, ids = region.runs.tokens.get(token, (-inf, {}, []))
    if now - at >= _REMEMBERED:
        ids = _started(region, cluster, asked, now)
        region.runs.tokens[token] = (now, asked, ids)
    elif before != asked:
        raise Refused("ConflictException", "The provided clientToken is already in use with a different request.")
    return {"tasks": [shown(region, region.runs.tasks[each], tags=True) for each in ids], "failures": []}


def stop(region: Region, params: Params) -> Params:
    """StopTask, of a task that was run once."""
    cluster, now = region.cluster(params.get("cluster")), region.clock.now()
    found = region.runs.tasks.get(params["task"].rpartition("/")[2])
    if found is None or found.cluster != cluster or not found.visible(now):
        raise Refused("InvalidParameterException", "The referenced task was not found.")
    if now < found.stopped:
        why = ("UserInitiated", params.get("reason") or "Task stopped by user")
        region.runs.tasks[found.id] = replace(found, stopped=now, stop=why, started=_begun(found, now))
    return {"task": shown(region, region.runs.tasks[found.id], tags=False)}


def shown(region: Region, of: Run, *, tags: bool) -> Params:
    """A task as DescribeTasks shows it."""
    definition = region.definition(of.definition)
    return run_values.shown(of, definition.content if definition else {}, region.clock.now(), tags=tags)


def listed(region: Region, cluster: str, params: Params) -> Iterator[str]:
    """The ARNs that ListTasks adds for tasks that were run once."""
    now = region.clock.now()
    stopped = params.get("desiredStatus", "RUNNING") == "STOPPED"
    for each in region.runs.of_cluster(cluster, now):
        fits = params.get("startedBy") in (None, each.asked.get("startedBy"))
        fits = fits and params.get("family") in (None, each.family) and not params.get("serviceName")
        if fits and stopped == (each.status(now) == "STOPPED"):
            yield each.arn


def _started(region: Region, cluster: str, asked: Params, now: float) -> list[str]:
    definition = runnable(region, asked["taskDefinition"])
    _check(definition, asked)
    made = [_made(region, cluster, definition, asked, now) for _ in range(asked.get("count", 1))]
    return [each.id for each in made]


def _made(region: Region, cluster: str, definition: Definition, asked: Params, now: float) -> Run:
    containers = definition.content["containerDefinitions"]
    container, command = _command(containers, asked)
    script = region.runs.scripts.get(tuple(command), Script((f"the rehearsal ran {' '.join(command) or container}",)))
    reason, broken = _broken(region, definition, container, command, script)
    identifier, pace = digest_of("run", cluster, now, len(region.runs.tasks)), region.pace.task
    starts = now + pace
    made = Run(
        id=identifier,
        arn=region.arn("task", f"{cluster}/{identifier}"),
        definition=definition.arn,
        images=tuple((each["name"], each["image"], region.registry.digest(each["image"])) for each in containers),
        asked=asked,
        tags=tag_map(asked.get("tags")),
        container=container,
        script=script,
        created=now,
        pending=now + pace / 2,
        started=inf if reason else starts,
        ends=starts + pace,
        stopped=starts if reason else starts + pace,
        stop=("TaskFailedToStart", reason) if reason else ("EssentialContainerExited", _EXITED),
        broken=broken,
    )
    region.runs.tasks[identifier] = made
    return made


def _command(containers: list[Params], asked: Params) -> tuple[str, list[str]]:
    """The container that runs the command, and the command."""
    for each in asked.get("overrides", {}).get("containerOverrides", ()):
        if each.get("command"):
            return each["name"], each["command"]
    first = next(each for each in containers if each["essential"])
    return first["name"], first.get("command", [])


def _broken(
    region: Region, definition: Definition, container: str, command: list[str], script: Script
) -> tuple[str, str]:
    """Why the task cannot start: stoppedReason, and the reason of the container."""
    log = run_log.options(region, definition.arn, container)
    if log and not run_log.has_group(log):
        return _NO_GROUP, ""
    if script.starts:
        return "", ""
    program = f'exec: "{command[0] if command else container}": executable file not found in $PATH: unknown'
    return "Task failed to start", f"CannotStartContainerError: failed to create shim task: {program}"


def _begun(found: Run, now: float) -> float:
    """A task that is stopped before it has started never does."""
    return found.started if found.started <= now else inf


def _check(definition: Definition, asked: Params) -> None:
    wrong = next(_wrong(definition, asked), "")
    if wrong:
        raise Refused("InvalidParameterException", wrong)
    check_network(definition, asked)


def _wrong(definition: Definition, asked: Params) -> Iterator[str]:
    content, overrides = definition.content, asked.get("overrides", {})
    names = {each["name"] for each in content["containerDefinitions"]}
    for each in overrides.get("containerOverrides", ()):
        if each.get("name") not in names:
            yield f"Override for container named {each.get('name')} is not a container in the TaskDefinition."
    if len(json.dumps(overrides, separators=(",", ":"))) > _LONGEST:
        yield f"Container Overrides length must be at most {_LONGEST}"
    if not 1 <= asked.get("count", 1) <= 10:
        yield "count should be between 1 and 10 (inclusive)"
    if not re.fullmatch(r"[A-Za-z0-9/_-]{1,128}", asked.get("startedBy", "-")):
        yield "startedBy may only have up to 128 letters, numbers, hyphens, slashes and underscores."
    if asked.get("propagateTags") == "SERVICE":
        yield "propagateTags cannot be SERVICE for a task that no service runs."
    yield from _wrong_capacity(content, asked)


def _wrong_capacity(content: Any, asked: Params) -> Iterator[str]:
    if "launchType" in asked and "capacityProviderStrategy" in asked:
        yield "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
    if asked.get("launchType") == "FARGATE" and "FARGATE" not in content["compatibilities"]:
        yield "Task definition does not support launch_type FARGATE."
    if asked.get("networkConfiguration") and content.get("networkMode") != "awsvpc":
        yield "Network Configuration is not valid for the given networkMode of this task definition."
