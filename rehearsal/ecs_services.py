"""Services: what CreateService, UpdateService and DeleteService refuse, and what they set going."""

import json
from dataclasses import replace
from typing import Any

from rehearsal import ecs_shown, rollout
from rehearsal.ecs_state import Definition, Params, Region, Timeline, page, tag_map
from rehearsal.service_values import Revision, Service
from rehearsal.wire import Refused

# The members of UpdateService that start a deployment when they change.
_DEPLOYING = frozenset(
    {
        "taskDefinition",
        "networkConfiguration",
        "platformVersion",
        "loadBalancers",
        "serviceRegistries",
        "serviceConnectConfiguration",
        "volumeConfigurations",
        "vpcLatticeConfigurations",
    }
)
_KEPT = frozenset(ecs_shown.ECHOED) | _DEPLOYING - {"taskDefinition"}
_DEFAULTS: Params = {
    "loadBalancers": [],
    "serviceRegistries": [],
    "schedulingStrategy": "REPLICA",
    "enableECSManagedTags": False,
    "propagateTags": "NONE",
    "enableExecuteCommand": False,
    "availabilityZoneRebalancing": "ENABLED",
    "placementConstraints": [],
    "placementStrategy": [],
}
_ROLLING: Params = {"maximumPercent": 200, "minimumHealthyPercent": 100, "strategy": "ROLLING", "bakeTimeInMinutes": 0}


def create(region: Region, params: Params) -> Params:
    """CreateService."""
    cluster, name, now = region.cluster(params.get("cluster")), params["serviceName"], region.clock.now()
    there = region.timeline(cluster, name)
    if there and there.present.status == "ACTIVE":
        raise Refused("InvalidParameterException", "Creation of service was not idempotent.")
    if there and there.present.status == "DRAINING":
        raise Refused("InvalidParameterException", "Unable to Start a service that is still Draining.")
    definition = runnable(region, params["taskDefinition"])
    check_network(definition, params)
    service = Service(
        arn=region.arn("service", f"{cluster}/{name}"),
        name=name,
        cluster=cluster,
        created=now,
        desired=_count(params.get("desiredCount", 0)),
        settings=settings(params),
        tags=tag_map(params.get("tags")),
    )
    started = _deploy(region, service, definition.arn, now)
    region.services[cluster, name] = Timeline(started, now)
    return _shown(region, region.services[cluster, name], tags=True)


def update(region: Region, params: Params) -> Params:
    """UpdateService."""
    timeline, now = region.living(region.cluster(params.get("cluster")), params["service"]), region.clock.now()
    service = timeline.present
    definition = runnable(region, params["taskDefinition"]).arn if "taskDefinition" in params else None
    desired = _count(params.get("desiredCount", service.desired))
    controller = service.settings.get("deploymentController", {}).get("type", "ECS")
    if controller != "ECS" and (definition or params.get("forceNewDeployment")):
        raise Refused(
            "InvalidParameterException",
            f"Unable to update task definition on services with a {controller} deployment controller.",
        )
    target = definition or service.primary.revision.task_definition
    settings = _merged(service, params)
    redeploys = params.get("forceNewDeployment") or target != service.primary.revision.task_definition
    redeploys = redeploys or any(service.settings.get(name) != settings.get(name) for name in _DEPLOYING)
    changed = replace(service, settings=settings)
    if redeploys:
        changed = _deploy(region, replace(changed, desired=desired), target, now)
    elif desired != service.desired:
        changed = rollout.scale(changed, desired, now, region.pace.rollout / 2)
    timeline.put(changed, now)
    return _shown(region, timeline, tags=True)


def delete(region: Region, params: Params) -> Params:
    """DeleteService."""
    timeline, now = region.living(region.cluster(params.get("cluster")), params["service"]), region.clock.now()
    if timeline.present.desired and not params.get("force"):
        raise Refused("InvalidParameterException", "The service cannot be stopped while it is scaled above 0.")
    timeline.put(rollout.drain(timeline.present, now, region.pace.rollout / 2), now)
    return _shown(region, timeline, tags=True)


def describe(region: Region, params: Params, *, ago: float = 0.0) -> bytes:
    """DescribeServices, as of `ago` seconds in the past where a stale read is rehearsed."""
    names, now = params["services"], region.clock.now()
    if not names:
        raise Refused("InvalidParameterException", "Services cannot be empty.")
    if len(names) > 10:
        raise Refused("InvalidParameterException", "Services cannot have more than 10 elements.")
    cluster, tags = region.cluster(params.get("cluster")), "TAGS" in params.get("include", ())
    found, failures = [], []
    for given in dict.fromkeys(names):
        timeline = region.timeline(cluster, given)
        past = timeline.as_of(now - ago) if timeline and ago else None
        if timeline is None or (ago and past is None):
            arn = region.arn("service", f"{cluster}/{given.rpartition('/')[2]}")
            failures.append({"arn": arn, "reason": "MISSING"})
        elif past is not None:
            found.append(ecs_shown.service(past, now - ago, tags=tags))
        else:
            found.append(ecs_shown.rendered(timeline, now, tags=tags))
    return b'{"services":[' + b",".join(found) + b'],"failures":' + json.dumps(failures).encode() + b"}"


def list_services(region: Region, params: Params) -> Params:
    """ListServices: ten a page unless asked otherwise; INACTIVE ones are gone."""
    cluster = region.cluster(params.get("cluster"))
    found = [
        timeline.present.arn
        for timeline in region.of_cluster(cluster)
        if timeline.present.status != "INACTIVE"
        and params.get("launchType") in (None, timeline.present.settings.get("launchType"))
        and params.get("schedulingStrategy") in (None, timeline.present.settings["schedulingStrategy"])
    ]
    shown, more = page(found, params, 10)
    return {"serviceArns": shown, **more}


def heal(region: Region) -> None:
    """Rollouts that were stuck on an image which is good now go on."""
    now = region.clock.now()
    for timeline in region.services.values():
        region.settle(timeline)
        service = timeline.present
        if not service.deployments or service.primary.healthy or service.primary.rollout != "IN_PROGRESS":
            continue
        if not any(region.registry.is_bad(image) for _, image, _ in service.primary.revision.images):
            timeline.put(rollout.heal(service, now, region.pace.rollout), now)


def revision_of(region: Region, service: Service, task_definition: str, now: float) -> Revision:
    """What a deployment that starts now rolls out, every tag resolved to its digest."""
    definition = region.definition(task_definition)
    containers = definition.content["containerDefinitions"] if definition else []
    images = tuple((each["name"], each["image"], region.registry.digest(each["image"])) for each in containers)
    return Revision(rollout.revision_arn(service, now), now, task_definition, images, service.settings)


def _deploy(region: Region, service: Service, task_definition: str, now: float) -> Service:
    revision = revision_of(region, service, task_definition, now)
    healthy = not any(region.registry.is_bad(image) for _, image, _ in revision.images)
    return rollout.start(service, revision, now, region.pace.rollout, healthy=healthy)


def runnable(region: Region, given: str) -> Definition:
    """An ACTIVE revision, refused where there is none."""
    definition = region.definition(given)
    if definition is None:
        raise Refused("ClientException", "TaskDefinition not found.")
    if definition.status != "ACTIVE":
        raise Refused("ClientException", "TaskDefinition is inactive")
    return definition


def check_network(definition: Definition, params: Params) -> None:
    """Refuse tasks that need a network and are given none."""
    if definition.content.get("networkMode") == "awsvpc" and not params.get("networkConfiguration"):
        raise Refused(
            "InvalidParameterException",
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )


def _count(desired: int) -> int:
    if desired < 0:
        raise Refused("InvalidParameterException", "desiredCount must be a non-negative integer.")
    return desired


def settings(params: Params) -> Params:
    settings = _DEFAULTS | {name: value for name, value in params.items() if name in _KEPT}
    if "capacityProviderStrategy" not in settings:
        settings.setdefault("launchType", "EC2")
    if settings.get("launchType") == "FARGATE":
        settings = {"platformVersion": "LATEST", "platformFamily": "Linux", **settings}
    given = params.get("deploymentConfiguration", {})
    breaker = {"enable": False, "rollback": False} | given.get("deploymentCircuitBreaker", {})
    return settings | {"deploymentConfiguration": _ROLLING | given | {"deploymentCircuitBreaker": breaker}}


def _merged(service: Service, params: Params) -> dict[str, Any]:
    settings = {**service.settings, **{name: value for name, value in params.items() if name in _KEPT}}
    if "deploymentConfiguration" in params:
        settings["deploymentConfiguration"] = (
            service.settings["deploymentConfiguration"] | params["deploymentConfiguration"]
        )
    return settings


def _shown(region: Region, timeline: Timeline, *, tags: bool) -> Params:
    shown: Params = json.loads(ecs_shown.rendered(timeline, region.clock.now(), tags=tags))
    return {"service": shown}
