"""Tasks, and the history of a service: its service deployments and service revisions."""

from collections.abc import Container, Iterator
from math import inf

from rehearsal import ecs_run, ecs_shown
from rehearsal.ecs_state import Params, Region, page
from rehearsal.service_values import Revision, Service, Task
from rehearsal.wire import Refused


def list_tasks(region: Region, params: Params) -> Params:
    """ListTasks."""
    cluster, now = region.cluster(params.get("cluster")), region.clock.now()
    stopped = params.get("desiredStatus", "RUNNING") == "STOPPED"
    only = (params.get("serviceName") or "").rpartition("/")[2]
    if only and region.timeline(cluster, only) is None:
        raise Refused("ServiceNotFoundException", "Service not found.")
    if "startedBy" in params and params.keys() & {"serviceName", "family", "containerInstance", "launchType"}:
        raise Refused("InvalidParameterException", "startedBy must be the only filter.")
    found = [
        _task_arn(region, service, task)
        for service, task in _tasks(region, cluster, now)
        if only in ("", service.name)
        and stopped == (task.status(now) == "STOPPED")
        and params.get("startedBy") in (None, task.deployment)
        and params.get("family") in (None, _family(task.revision))
    ]
    shown, more = page([*found, *ecs_run.listed(region, cluster, params)], params, 100)
    return {"taskArns": shown, **more}


def describe_tasks(region: Region, params: Params) -> Params:
    """DescribeTasks, by id or ARN."""
    if len(params["tasks"]) > 100:
        raise Refused("InvalidParameterException", "Tasks cannot have more than 100 elements.")
    cluster, now = region.cluster(params.get("cluster")), region.clock.now()
    known = {task.id: (service, task) for service, task in _tasks(region, cluster, now)}
    once = {run.id: run for run in region.runs.of_cluster(cluster, now)}
    shown, failures = [], []
    for given in params["tasks"]:
        identifier = given.rpartition("/")[2]
        if identifier in once:
            shown.append(ecs_run.shown(region, once[identifier], tags="TAGS" in params.get("include", ())))
            continue
        if identifier not in known:
            failures.append({"arn": region.arn("task", f"{cluster}/{identifier}"), "reason": "MISSING"})
            continue
        service, task = known[identifier]
        definition = region.definition(task.revision.task_definition)
        shown.append(ecs_shown.task(task, service, definition, now, arn=_task_arn(region, service, task)))
    return {"tasks": shown, "failures": failures}


def list_service_deployments(region: Region, params: Params) -> Params:
    """ListServiceDeployments: newest first."""
    cluster = region.cluster(params.get("cluster"))
    timeline, now = region.timeline(cluster, params["service"]), region.clock.now()
    if timeline is None:
        raise Refused("ServiceNotFoundException", "Service not found.")
    window, wanted = params.get("createdAt", {}), params.get("status") or ()
    after, before = window.get("after", -inf), window.get("before", inf)
    if after != -inf and now - after > 92 * 86400:
        raise Refused("InvalidParameterException", "createdAt must be within the last 3 months.")
    found = [
        ecs_shown.brief(record, now)
        for record in timeline.present.history
        if after <= record.created <= before and (not wanted or record.status in wanted)
    ]
    shown, more = page(found, params, 100)
    return {"serviceDeployments": shown, **more}


def describe_service_deployments(region: Region, params: Params) -> Params:
    """DescribeServiceDeployments."""
    arns, now = _at_most_20(params["serviceDeploymentArns"]), region.clock.now()
    known = {record.arn: (record, each) for each in _services(region) for record in each.history}
    shown = [ecs_shown.record(*known[arn], now) for arn in arns if arn in known]
    return {"serviceDeployments": shown, "failures": _missing(arns, known)}


def describe_service_revisions(region: Region, params: Params) -> Params:
    """DescribeServiceRevisions."""
    arns = _at_most_20(params["serviceRevisionArns"])
    known = {each.arn: each for service in _services(region) for each in _revisions(service)}
    shown = [ecs_shown.revision(known[arn]) for arn in arns if arn in known]
    return {"serviceRevisions": shown, "failures": _missing(arns, known)}


def _at_most_20(arns: list[str]) -> list[str]:
    if len(arns) > 20:
        raise Refused("InvalidParameterException", "No more than 20 ARNs can be described at once.")
    return arns


def _missing(arns: list[str], known: Container[str]) -> list[Params]:
    return [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known]


def _services(region: Region) -> Iterator[Service]:
    for timeline in region.services.values():
        region.settle(timeline)
        yield timeline.present


def _revisions(service: Service) -> Iterator[Revision]:
    yield from (record.target for record in service.history)
    yield from (deployment.revision for deployment in service.deployments)


def _tasks(region: Region, cluster: str, now: float) -> Iterator[tuple[Service, Task]]:
    for timeline in region.of_cluster(cluster):
        for task in timeline.present.tasks:
            if task.status(now):
                yield timeline.present, task


def _task_arn(region: Region, service: Service, task: Task) -> str:
    return region.arn("task", f"{service.cluster}/{task.id}")


def _family(revision: Revision) -> str:
    return revision.task_definition.rpartition("/")[2].partition(":")[0]
