"""Many services at once, for the benchmarks: as old and as talkative as services in production are."""

from dataclasses import replace
from typing import Any

from rehearsal import ecs_clusters, ecs_definitions, ecs_services, rollout
from rehearsal.ecs import Ecs
from rehearsal.ecs_state import Timeline
from rehearsal.service_values import Service

_AGE = 86400.0
_STEADY = 21600.0  # ECS repeats that a service is steady every six hours


def add(
    ecs: Ecs,
    *,
    services: int,
    clusters: int,
    events: int = 100,
    desired: int = 2,
    revisions: int = 2,
    region: str = "us-east-1",
) -> dict[str, Any]:
    """So many services in so many clusters, each COMPLETED on the newest of the `revisions` of its own family."""
    place = ecs.region(region)
    now = place.clock.now()
    names = [f"fleet-{each:03}" for each in range(clusters)]
    for each in names:
        ecs_clusters.create(place, {"clusterName": each})
    for index in range(services):
        cluster, name = names[index % clusters], f"service-{index:04}"
        for revision in range(revisions):
            ecs_definitions.register(place, _definition(name, revision))
        service = Service(
            arn=place.arn("service", f"{cluster}/{name}"),
            name=name,
            cluster=cluster,
            created=now - _AGE,
            desired=desired,
            settings=ecs_services.settings(_SETTINGS),
            tags={},
        )
        arn = place.arn("task-definition", f"{name}:{revisions}")
        target = ecs_services.revision_of(place, service, arn, now - _AGE)
        service = rollout.start(service, target, now - _AGE, 60.0, healthy=True)
        service = rollout.settled(service, now, 60.0)
        for back in range(events - len(service.events), 0, -1):
            service = rollout.said(service, now - back * _STEADY / 100, "has reached a steady state.")
        place.services[cluster, name] = Timeline(replace(service, events=service.events[:events]), now)
    return {"clusters": names, "services": services}


_SETTINGS = {
    "launchType": "FARGATE",
    "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0001"], "securityGroups": ["sg-0001"]}},
    "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
}


def _definition(family: str, revision: int) -> dict[str, Any]:
    environment = [{"name": f"SETTING_{each:02}", "value": f"value-{revision}-{each}"} for each in range(20)]
    return {
        "family": family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [
            {
                "name": "app",
                "image": f"registry.example/{family}:v{revision + 1}",
                "portMappings": [{"containerPort": 8080}],
                "environment": environment,
            }
        ],
    }
