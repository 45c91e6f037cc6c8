"""Task definitions: nothing sent is lost, AWS's defaults are added, and order is lost where AWS loses it."""

import hashlib
import json
import re
from dataclasses import replace
from typing import Any

from rehearsal.ecs_state import Definition, Params, Region, page, tag_list, tag_map
from rehearsal.wire import ACCOUNT, Refused

_LONGEST = 65536
_NOWHERE = Refused("ClientException", "Unable to describe task definition.")


def register(region: Region, params: Params) -> Params:
    """RegisterTaskDefinition."""
    family, sent = params["family"], {name: value for name, value in params.items() if name != "tags"}
    tags = tag_map(params.get("tags"))
    _check(sent)
    number = max(region.numbering.get(family, 0), *region.families.get(family, {0: None})) + 1
    definition = Definition(
        arn=region.arn("task-definition", f"{family}:{number}"),
        family=family,
        revision=number,
        content={},
    )
    definition = replace(definition, content=_content(definition, sent, region.clock.now()))
    region.families.setdefault(family, {})[number] = definition
    if tags:
        region.tags[definition.arn] = tags
    return {"taskDefinition": definition.shown(), **({"tags": tag_list(tags)} if tags else {})}


def describe(region: Region, params: Params) -> Params:
    """DescribeTaskDefinition."""
    definition = region.definition(params["taskDefinition"])
    if definition is None:
        raise _NOWHERE
    asked = "TAGS" in params.get("include", ())
    tags = {"tags": tag_list(region.tags.get(definition.arn, {}))} if asked else {}
    return {"taskDefinition": definition.shown(), **tags}


def deregister(region: Region, params: Params) -> Params:
    """DeregisterTaskDefinition."""
    given = params["taskDefinition"]
    definition = region.definition(given)
    if ":" not in given.rpartition("/")[2] or definition is None:
        raise Refused("InvalidParameterException", "The specified revision could not be found.")
    gone = replace(definition, status="INACTIVE", deregistered=region.clock.now())
    region.families[gone.family][gone.revision] = gone
    return {"taskDefinition": gone.shown()}


def delete(region: Region, params: Params) -> Params:
    """DeleteTaskDefinitions: INACTIVE ones become DELETE_IN_PROGRESS."""
    if len(params["taskDefinitions"]) > 10:
        raise Refused("InvalidParameterException", "Task definitions cannot have more than 10 elements.")
    deleted, failures = [], []
    for given in params["taskDefinitions"]:
        definition = region.definition(given)
        if definition is None or definition.status == "ACTIVE":
            why = "The specified task definition is still in ACTIVE status." if definition else "MISSING"
            failures.append({"arn": given, "reason": why})
            continue
        going = replace(definition, status="DELETE_IN_PROGRESS")
        region.families[going.family][going.revision] = going
        deleted.append({**going.shown(), "deleteRequestedAt": region.clock.now()})
    return {"taskDefinitions": deleted, "failures": failures}


def list_revisions(region: Region, params: Params) -> Params:
    """ListTaskDefinitions: numerically by revision, one exact family."""
    prefix, status = params.get("familyPrefix"), params.get("status", "ACTIVE")
    found = [
        each
        for family in sorted(region.families)
        if prefix in (None, family)
        for each in region.families[family].values()
        if each.status == status
    ]
    found.sort(key=lambda each: (each.family, each.revision), reverse=params.get("sort") == "DESC")
    shown, more = page([each.arn for each in found], params, 100)
    return {"taskDefinitionArns": shown, **more}


def list_families(region: Region, params: Params) -> Params:
    """ListTaskDefinitionFamilies: by true prefix, unlike ListTaskDefinitions."""
    prefix, status = params.get("familyPrefix", ""), params.get("status", "ACTIVE")
    found = []
    for family, revisions in sorted(region.families.items()):
        active = any(each.status == "ACTIVE" for each in revisions.values())
        if family.startswith(prefix) and (status == "ALL" or active == (status == "ACTIVE")):
            found.append(family)
    shown, more = page(found, params, 100)
    return {"families": shown, **more}


def _check(sent: Params) -> None:
    containers = sent.get("containerDefinitions") or []
    size = len(json.dumps(sent, separators=(",", ":")).encode())
    wrong = ""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", sent["family"]):
        wrong = "Family contains invalid characters."
    elif not containers:
        wrong = "Container list cannot be empty."
    elif len({each["name"] for each in containers}) < len(containers):
        wrong = "Container names must be unique."
    elif not any(each.get("essential", True) for each in containers):
        wrong = "A task definition must have at least one essential container."
    elif size > _LONGEST:
        wrong = f"Actual length: '{size}'. Max allowed length is '{_LONGEST}' bytes."
    elif "FARGATE" in sent.get("requiresCompatibilities", ()) and not (sent.get("cpu") and sent.get("memory")):
        wrong = "Fargate requires that 'cpu' and 'memory' be defined at the task level."
    if wrong:
        raise Refused("ClientException", wrong)
    for container in containers:
        both = _names(container, "environment") & _names(container, "secrets")
        if both:
            named = sorted(both)[0]
            raise Refused(
                "ClientException",
                f"The secret name must be unique and not shared with any new or existing "
                f"environment variables set on the container, such as '{named}'.",
            )


def _names(container: Params, member: str) -> set[str]:
    return {each["name"] for each in container.get(member) or ()}


def _content(definition: Definition, sent: Params, now: float) -> Params:
    fargate = sent.get("networkMode") == "awsvpc"
    described: Params = {
        **sent,
        "taskDefinitionArn": definition.arn,
        "revision": definition.revision,
        "containerDefinitions": [_container(each, sent) for each in sent["containerDefinitions"]],
        "volumes": sent.get("volumes", []),
        "placementConstraints": sent.get("placementConstraints", []),
        "requiresAttributes": [{"name": name} for name in sorted(_attributes(sent))],
        "compatibilities": ["EC2", "FARGATE"] if fargate else ["EXTERNAL", "EC2"],
        "registeredAt": round(now, 3),
        "registeredBy": f"arn:aws:iam::{ACCOUNT}:user/rehearsal",
    }
    if "requiresCompatibilities" in sent:
        described["requiresCompatibilities"] = _shuffled(sent["requiresCompatibilities"])
    return described


def _container(sent: Params, task: Params) -> Params:
    container = {
        "cpu": 0,
        "essential": True,
        **sent,
        "environment": _shuffled(sent.get("environment", [])),
        "mountPoints": sent.get("mountPoints", []),
        "volumesFrom": sent.get("volumesFrom", []),
        "systemControls": sent.get("systemControls", []),
        "portMappings": [_port(each, task) for each in sent.get("portMappings", [])],
    }
    if "secrets" in sent:
        container["secrets"] = _shuffled(sent["secrets"])
    if "healthCheck" in sent:
        container["healthCheck"] = {"interval": 30, "timeout": 5, "retries": 3, **sent["healthCheck"]}
    return container


def _port(sent: Params, task: Params) -> Params:
    host = sent.get("containerPort", 0) if task.get("networkMode") in ("awsvpc", "host") else 0
    return {"hostPort": host, "protocol": "tcp", **sent}


def _shuffled(items: list[Any]) -> list[Any]:
    """The same items in an order that has nothing to do with the one they came in."""
    return sorted(items, key=lambda item: hashlib.sha256(json.dumps(item, sort_keys=True).encode()).digest())


def _attributes(sent: Params) -> set[str]:
    found = {"com.amazonaws.ecs.capability.docker-remote-api.1.18"}
    if sent.get("networkMode") == "awsvpc":
        found.add("ecs.capability.task-eni")
    if sent.get("executionRoleArn"):
        found.add("ecs.capability.execution-role-awslogs")
    for container in sent["containerDefinitions"]:
        if driver := container.get("logConfiguration", {}).get("logDriver"):
            found.add(f"com.amazonaws.ecs.capability.logging-driver.{driver}")
        if container.get("secrets"):
            found.add("ecs.capability.secrets.asm.environment-variables")
        if container.get("healthCheck"):
            found.add("ecs.capability.container-health-check")
    return found
