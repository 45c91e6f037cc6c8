"""The ReplayDash production of the runbook: one cluster, two services, and three weeks of releases behind them."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rehearsal import replaydash_data, replaydash_network, replaydash_tasks
from rehearsal import replaydash_names as names
from rehearsal.caller import Caller
from rehearsal.replaydash_names import API, BAD_TAG, CLUSTER, GOOD_TAG, REGION, SICK_TAG, WORKER, ago, image
from rehearsal.replaydash_network import Network

__all__ = ["BAD_TAG", "GOOD_TAG", "SICK_TAG", "seed"]  # every other name is in replaydash_names

_PAST = timedelta(days=20)
_BUILD = timedelta(minutes=12)  # from the push of an image to its release


@dataclass(frozen=True)
class _Service:
    """A service, its releases (revision: tag), how each is registered, and what CreateService gets besides."""

    name: str
    releases: dict[int, str]
    definition: Callable[[int, str, str], dict[str, Any]]
    settings: dict[str, Any]


def seed(url: str) -> None:
    """Build the production in an empty rehearsal. Its past lies before the present time, whatever the names say."""
    caller = Caller(url)
    if not caller.ask("clock", begin=_PAST.total_seconds())["behind"]:
        raise ValueError(f"the rehearsal at {url} is in use already; ReplayDash needs an empty one")
    end = _now(caller) + _PAST
    network = replaydash_network.lay(caller)
    group = replaydash_network.balance(caller, network)
    replaydash_data.database(caller, network)
    secret = replaydash_data.secret(caller)
    replaydash_data.name(caller, network)
    _watch(caller)
    _let_in(caller)
    caller.aws("ecs").create_cluster(clusterName=CLUSTER, settings=[{"name": "containerInsights", "value": "enabled"}])
    _live_through(caller, (_api(network, group), _worker(network)), secret, end)
    replaydash_data.snapshots(caller, end)
    for tag in (GOOD_TAG, BAD_TAG, SICK_TAG):
        _push(caller, API, tag, end - ago(tag))
    caller.ask("images", image=image(API, BAD_TAG), bad=True)
    caller.ask("images", image=image(API, SICK_TAG), sick=True)
    _wait(caller, datetime.now(UTC))  # building all this took seconds by which its clock would stay behind


def _live_through(caller: Caller, services: tuple[_Service, ...], secret: str, end: datetime) -> None:
    """Every release at its time, then on to the present."""
    for service in services:
        caller.aws("ecr").create_repository(repositoryName=service.name)
        caller.ask("families", region=REGION, family=service.name, first=min(service.releases))
    past = [(end - ago(tag), service, revision) for service in services for revision, tag in service.releases.items()]
    for at, service, revision in sorted(past, key=lambda release: release[0]):
        _wait(caller, at)
        _push(caller, service.name, service.releases[revision], at - _BUILD)
        _release(caller, service, revision, secret)
    _scale_by_itself(caller)
    _wait(caller, end)


def _release(caller: Caller, service: _Service, revision: int, secret: str) -> None:
    ecs = caller.aws("ecs")
    definition = service.definition(revision, service.releases[revision], secret)
    arn = ecs.register_task_definition(**definition)["taskDefinition"]["taskDefinitionArn"]
    if revision == min(service.releases):
        ecs.create_service(cluster=CLUSTER, serviceName=service.name, taskDefinition=arn, **service.settings)
    else:
        ecs.update_service(cluster=CLUSTER, service=service.name, taskDefinition=arn)


def _api(network: Network, group: str) -> _Service:
    behind = {
        "loadBalancers": [{"targetGroupArn": group, "containerName": names.CONTAINER, "containerPort": 3000}],
        "healthCheckGracePeriodSeconds": 60,
    }
    settings = _settings(network, names.DESIRED) | behind
    return _Service(API, names.API_RELEASES, replaydash_tasks.api, settings)


def _worker(network: Network) -> _Service:
    return _Service(WORKER, names.WORKER_RELEASES, replaydash_tasks.worker, _settings(network, 3))


def _settings(network: Network, desired: int) -> dict[str, Any]:
    return {
        "desiredCount": desired,
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "networkConfiguration": network.awsvpc(),
        "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        "enableECSManagedTags": True,
        "propagateTags": "SERVICE",
        "tags": [{"key": "team", "value": "platform"}, {"key": "environment", "value": "production"}],
    }


def _scale_by_itself(caller: Caller) -> None:
    caller.aws("application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId=f"service/{CLUSTER}/{WORKER}",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=2,
        MaxCapacity=10,
    )


def _watch(caller: Caller) -> None:
    """Log groups and alarms."""
    for family in (API, WORKER):
        caller.aws("logs").create_log_group(logGroupName=f"/ecs/{family}")
    cloudwatch = caller.aws("cloudwatch")
    watched = (("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", 25.0), ("AWS/ECS", "CPUUtilization", 85.0))
    for name, (namespace, metric, threshold) in zip(names.ALARMS, watched, strict=True):
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace=namespace,
            MetricName=metric,
            Statistic="Average",
            Period=60,
            EvaluationPeriods=5,
            Threshold=threshold,
            ComparisonOperator="GreaterThanThreshold",
        )
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="Threshold not crossed.")


def _let_in(caller: Caller) -> None:
    """The roles of the tasks."""
    allowed = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    for role in (replaydash_tasks.EXECUTION_ROLE, replaydash_tasks.TASK_ROLE):
        caller.aws("iam").create_role(RoleName=role, AssumeRolePolicyDocument=document)


def _push(caller: Caller, repository: str, tag: str, at: datetime) -> None:
    """An image of this tag, pushed at that time."""
    blob = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 61_000_000}
    digest = "sha256:" + hashlib.sha256(f"{repository}:{tag}".encode()).hexdigest()
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 7023, "digest": digest},
        "layers": [{**blob, "digest": digest}],
    }
    caller.aws("ecr").put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag=tag)
    caller.ask("images", image=image(repository, tag), pushed_at=at.isoformat())


def _now(caller: Caller) -> datetime:
    return datetime.fromtimestamp(caller.ask("clock", advance=0)["now"], UTC)


def _wait(caller: Caller, until: datetime) -> None:
    caller.ask("clock", advance=max(0.0, (until - _now(caller)).total_seconds()))
