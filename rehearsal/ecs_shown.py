"""Services, tasks and the deployment history as the answers of ECS show them."""

import json
from math import inf
from typing import Any

from rehearsal.ecs_state import Definition, Timeline, tag_list
from rehearsal.service_values import Deployment, Record, Revision, Service, Task, counts, next_change

# Members of CreateService that DescribeServices echoes as they are.
ECHOED = (
    "loadBalancers",
    "serviceRegistries",
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "platformFamily",
    "deploymentConfiguration",
    "networkConfiguration",
    "healthCheckGracePeriodSeconds",
    "schedulingStrategy",
    "deploymentController",
    "enableECSManagedTags",
    "propagateTags",
    "enableExecuteCommand",
    "availabilityZoneRebalancing",
    "placementConstraints",
    "placementStrategy",
    "roleArn",
)
_PENDING = 0.1  # seconds until a service deployment is taken up
_OF_DEPLOYMENT = ("launchType", "capacityProviderStrategy", "platformVersion", "platformFamily", "networkConfiguration")


def rendered(timeline: Timeline, now: float, *, tags: bool) -> bytes:
    """One entry of services[], kept for as long as nothing in it changes."""
    until, body = timeline.cache.get(tags, (-inf, b""))
    if until <= now:
        body = service(timeline.present, now, tags=tags)
        timeline.cache[tags] = (next_change(timeline.present, now), body)
    return body


def service(of: Service, now: float, *, tags: bool) -> bytes:
    """One entry of services[] with its events, which are JSON already."""
    running, pending, _ = counts(of, now)
    shown: dict[str, Any] = {
        "serviceArn": of.arn,
        "serviceName": of.name,
        "clusterArn": of.arn.replace(":service/", ":cluster/").rpartition("/")[0],
        "status": of.status,
        "desiredCount": of.desired,
        "runningCount": running,
        "pendingCount": pending,
        "createdAt": _at(of.created),
        "createdBy": "arn:aws:iam::123456789012:user/rehearsal",
        "deployments": [_deployment(each, of, now) for each in of.deployments],
        **{name: of.settings[name] for name in ECHOED if name in of.settings},
    }
    if of.deployments:
        shown["taskDefinition"] = of.primary.revision.task_definition
        shown["currentServiceRevisions"] = _revisions_in_use(of, now)
    elif of.completed:
        shown["taskDefinition"] = of.completed.task_definition
    if of.history and of.history[0].finished is None:
        shown["currentServiceDeployment"] = of.history[0].arn
    if tags:
        shown["tags"] = tag_list(of.tags)
    body = json.dumps(shown, separators=(",", ":"))
    return f'{body[:-1]},"events":[{",".join(of.events)}]}}'.encode()


def record(of: Record, service: Service, now: float) -> dict[str, Any]:
    """A service deployment as DescribeServiceDeployments shows it."""
    shown = brief(of, now) | {
        "updatedAt": _at(of.updated),
        "sourceServiceRevisions": [{"arn": arn} for arn in of.sources],
        "targetServiceRevision": {"arn": of.target.arn},
        "deploymentConfiguration": service.settings["deploymentConfiguration"],
    }
    del shown["targetServiceRevisionArn"]
    if of.rollback:
        why, at, arn = of.rollback
        shown["rollback"] = {"reason": why, "startedAt": _at(at), "serviceRevisionArn": arn}
    return shown


def brief(of: Record, now: float) -> dict[str, Any]:
    """A service deployment as ListServiceDeployments shows it."""
    service, cluster = _owners(of.arn)
    finished = {} if of.finished is None else {"finishedAt": _at(of.finished)}
    return {
        "serviceDeploymentArn": of.arn,
        "serviceArn": service,
        "clusterArn": cluster,
        "createdAt": _at(of.created),
        "startedAt": _at(of.created),
        **finished,
        "targetServiceRevisionArn": of.target.arn,
        "status": "PENDING" if of.status == "IN_PROGRESS" and now - of.created < _PENDING else of.status,
        **({"statusReason": of.reason} if of.reason else {}),
    }


def revision(of: Revision) -> dict[str, Any]:
    """A service revision as DescribeServiceRevisions shows it."""
    service, cluster = _owners(of.arn)
    images = [{"containerName": name, "image": image, "imageDigest": digest} for name, image, digest in of.images]
    kept = ("launchType", "platformVersion", "platformFamily", "networkConfiguration", "loadBalancers")
    return {
        "serviceRevisionArn": of.arn,
        "serviceArn": service,
        "clusterArn": cluster,
        "taskDefinition": of.task_definition,
        "containerImages": images,
        "createdAt": _at(of.created),
        **{name: of.settings[name] for name in kept if name in of.settings},
    }


def task(of: Task, service: Service, definition: Definition | None, now: float, *, arn: str) -> dict[str, Any]:
    """A task as DescribeTasks shows it."""
    state = of.status(now)
    target = of.revision
    health = "HEALTHY" if state == "RUNNING" else "UNKNOWN"
    shown: dict[str, Any] = {
        "taskArn": arn,
        "clusterArn": service.arn.replace(":service/", ":cluster/").rpartition("/")[0],
        "taskDefinitionArn": target.task_definition,
        "group": f"service:{service.name}",
        "startedBy": of.deployment,
        "lastStatus": state,
        "desiredStatus": "STOPPED" if state == "STOPPED" else "RUNNING",
        "healthStatus": health,
        "createdAt": _at(of.created),
        "launchType": target.settings.get("launchType", "EC2"),
        "containers": [
            {
                "name": name,
                "image": image,
                "imageDigest": digest,
                "lastStatus": state,
                "healthStatus": health,
                "taskArn": arn,
                "containerArn": f"{arn.replace(':task/', ':container/')}/{name}",
                "runtimeId": f"{of.id}-{name}",
            }
            for name, image, digest in target.images
        ],
    }
    content = definition.content if definition else {}
    shown |= {name: content[name] for name in ("cpu", "memory") if name in content}
    if of.started <= now and of.started < of.stopped:
        shown["startedAt"] = _at(of.started)
    if state == "STOPPED":
        code = "TaskFailedToStart" if of.started == inf else "ServiceSchedulerInitiated"
        shown |= {"stoppedAt": _at(of.stopped), "stoppedReason": of.reason, "stopCode": code}
    return shown


def _deployment(of: Deployment, service: Service, now: float) -> dict[str, Any]:
    running, pending, failed = counts(service, now, of.id)
    return {
        "id": of.id,
        "status": of.status,
        "taskDefinition": of.revision.task_definition,
        "desiredCount": of.desired,
        "pendingCount": pending,
        "runningCount": running,
        "failedTasks": failed,
        "createdAt": _at(of.created),
        "updatedAt": _at(of.updated),
        **{name: of.revision.settings[name] for name in _OF_DEPLOYMENT if name in of.revision.settings},
        "rolloutState": of.rollout,
        "rolloutStateReason": of.reason,
    }


def _revisions_in_use(service: Service, now: float) -> list[dict[str, Any]]:
    shown = []
    for each in service.deployments:
        running, pending, _ = counts(service, now, each.id)
        counted = {"requestedTaskCount": each.desired, "runningTaskCount": running, "pendingTaskCount": pending}
        shown.append({"arn": each.revision.arn, **counted})
    return shown


def _owners(arn: str) -> tuple[str, str]:
    """The ARNs of the service and the cluster that an ARN of a deployment or revision belongs to."""
    prefix, _, rest = arn.partition(":service-")
    _, cluster, service, _ = rest.split("/")
    return f"{prefix}:service/{cluster}/{service}", f"{prefix}:cluster/{cluster}"


def _at(instant: float) -> float:
    return round(instant, 3)
