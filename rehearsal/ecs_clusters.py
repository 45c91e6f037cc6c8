"""Clusters, and the tags of everything in ECS."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from rehearsal.ecs_state import Params, Region, Timeline, page, tag_list, tag_map
from rehearsal.service_values import counts
from rehearsal.wire import Refused


def create(region: Region, params: Params) -> Params:
    """CreateCluster: idempotent."""
    name = params.get("clusterName") or "default"
    arn = region.arn("cluster", name)
    if region.clusters.get(name, {}).get("status") != "ACTIVE":
        kept: Params = {"settings": [], "capacityProviders": [], "defaultCapacityProviderStrategy": []}
        given = {key: value for key, value in params.items() if key not in ("clusterName", "tags")}
        region.clusters[name] = {"clusterName": name, "clusterArn": arn, "status": "ACTIVE", **kept, **given}
        region.tags[arn] = tag_map(params.get("tags"))
    return {"cluster": _shown(region, name, tags=True)}


def describe(region: Region, params: Params) -> Params:
    """DescribeClusters."""
    names = [given.rpartition("/")[2] for given in params.get("clusters") or ["default"]]
    tags = "TAGS" in params.get("include", ())
    failures = [
        {"arn": region.arn("cluster", each), "reason": "MISSING"} for each in names if each not in region.clusters
    ]
    return {
        "clusters": [_shown(region, each, tags=tags) for each in names if each in region.clusters],
        "failures": failures,
    }


def list_clusters(region: Region, params: Params) -> Params:
    """ListClusters."""
    found = [each["clusterArn"] for each in region.clusters.values() if each["status"] == "ACTIVE"]
    shown, more = page(found, params, 100)
    return {"clusterArns": shown, **more}


def delete(region: Region, params: Params) -> Params:
    """DeleteCluster: refused while services are in it."""
    name = region.cluster(params["cluster"])
    if any(timeline.present.status != "INACTIVE" for timeline in region.of_cluster(name)):
        raise Refused("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
    region.clusters[name]["status"] = "INACTIVE"
    return {"cluster": _shown(region, name, tags=False)}


def tag(region: Region, params: Params) -> Params:
    """TagResource."""
    added = tag_map(params["tags"])
    _retag(region, params["resourceArn"], lambda tags: tags | added)
    return {}


def untag(region: Region, params: Params) -> Params:
    """UntagResource."""
    gone = set(params["tagKeys"])
    _retag(region, params["resourceArn"], lambda tags: {k: v for k, v in tags.items() if k not in gone})
    return {}


def list_tags(region: Region, params: Params) -> Params:
    """ListTagsForResource."""
    return {"tags": tag_list(_tags(region, params["resourceArn"]))}


def _retag(region: Region, arn: str, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    tags = change(dict(_tags(region, arn)))
    timeline = _service(region, arn)
    if timeline is None:
        region.tags[arn] = tags
    else:
        timeline.put(replace(timeline.present, tags=tags), region.clock.now())


def _tags(region: Region, arn: str) -> Mapping[str, str]:
    timeline = _service(region, arn)
    if timeline is not None:
        return timeline.present.tags
    known = region.definition(arn) is not None or arn.rpartition("/")[2] in region.clusters
    if not known:
        raise Refused("InvalidParameterException", "The specified resource could not be found.")
    return region.tags.get(arn, {})


def _service(region: Region, arn: str) -> Timeline | None:
    if ":service/" not in arn:
        return None
    _, cluster, name = arn.split("/")
    timeline = region.timeline(cluster, name)
    if timeline is None or timeline.present.status != "ACTIVE":
        raise Refused("InvalidParameterException", "The specified service is inactive. Specify an active service.")
    return timeline


def _shown(region: Region, name: str, *, tags: bool) -> Params:
    services = [timeline.present for timeline in region.of_cluster(name)]
    now = region.clock.now()
    totals = [counts(service, now) for service in services]
    return {
        **region.clusters[name],
        "activeServicesCount": sum(service.status == "ACTIVE" for service in services),
        "runningTasksCount": sum(running for running, _, _ in totals),
        "pendingTasksCount": sum(pending for _, pending, _ in totals),
        "registeredContainerInstancesCount": 0,
        **({"tags": tag_list(region.tags.get(region.arn("cluster", name), {}))} if tags else {}),
    }
