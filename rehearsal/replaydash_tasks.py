"""The task definitions of the ReplayDash production, revision by revision."""

from typing import Any

from rehearsal.replaydash_names import API, CONTAINER, REGION, WORKER, image
from rehearsal.wire import ACCOUNT

Document = dict[str, Any]

EXECUTION_ROLE, TASK_ROLE = "replaydash-production-execution", f"{API}-task"

_API_ENV = {
    "NODE_ENV": "production",
    "PORT": "3000",
    "LOG_LEVEL": "info",
    "CACHE_TTL_SECONDS": "60",
    "EXTRA_CORS_ORIGINS": "",
    "OLD_FLAG": "on",
}
# What each release changed in the environment of the one before it.
_API_CHANGES: dict[int, dict[str, str]] = {
    121: {"CACHE_TTL_SECONDS": "120"},
    122: {"FEATURE_REPLAY": "off"},
    123: {"FEATURE_REPLAY": "on"},
    124: {"LOG_LEVEL": "debug", "CACHE_TTL_SECONDS": "300"},
}


def api(revision: int, tag: str, secret_arn: str) -> Document:
    """RegisterTaskDefinition of one revision of the API: the container that serves, and a collector beside it."""
    return {
        **_fargate(API, cpu="1024", memory="2048"),
        "taskRoleArn": f"arn:aws:iam::{ACCOUNT}:role/{TASK_ROLE}",
        "ephemeralStorage": {"sizeInGiB": 30},
        "volumes": [{"name": "uploads"}],
        "containerDefinitions": [_serving(revision, tag, secret_arn), _collector()],
        "tags": _tags(revision, tag),
    }


def worker(revision: int, tag: str, secret_arn: str) -> Document:
    """RegisterTaskDefinition of one revision of the worker: a single container."""
    container = {
        "name": "worker",
        "image": image(WORKER, tag),
        "essential": True,
        "command": ["node", "dist/worker.js"],
        "environment": _pairs({"NODE_ENV": "production", "LOG_LEVEL": "info", "CONCURRENCY": str(2 * revision - 108)}),
        "secrets": [_database_url(secret_arn)],
        "logConfiguration": _logs(WORKER, "worker"),
        "stopTimeout": 120,
    }
    return {
        **_fargate(WORKER, cpu="512", memory="1024"),
        "containerDefinitions": [container],
        "tags": _tags(revision, tag),
    }


def _fargate(family: str, *, cpu: str, memory: str) -> Document:
    return {
        "family": family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        "cpu": cpu,
        "memory": memory,
        "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}",
    }


def _serving(revision: int, tag: str, secret_arn: str) -> Document:
    return {
        "name": CONTAINER,
        "image": image(API, tag),
        "cpu": 896,
        "memoryReservation": 1536,
        "essential": True,
        "portMappings": [{"containerPort": 3000, "protocol": "tcp", "name": "http", "appProtocol": "http"}],
        "environment": _pairs(api_environment(revision)),
        "secrets": [_database_url(secret_arn)],
        "mountPoints": [{"sourceVolume": "uploads", "containerPath": "/var/uploads", "readOnly": False}],
        "dependsOn": [{"containerName": "otel", "condition": "START"}],
        "ulimits": [{"name": "nofile", "softLimit": 65536, "hardLimit": 65536}],
        "healthCheck": {
            "command": ["CMD-SHELL", "curl -fsS http://localhost:3000/health || exit 1"],
            "interval": 15,
            "startPeriod": 30,
        },
        "logConfiguration": _logs(API, "api"),
        "linuxParameters": {"initProcessEnabled": True},
        "stopTimeout": 60,
    }


def _collector() -> Document:
    return {
        "name": "otel",
        "image": "public.ecr.aws/aws-observability/aws-otel-collector:v0.38.1",
        "cpu": 128,
        "essential": False,
        "command": ["--config=/etc/ecs/ecs-default-config.yaml"],
        "restartPolicy": {"enabled": True, "restartAttemptPeriod": 180},
        "logConfiguration": _logs(API, "otel"),
    }


def api_environment(revision: int) -> dict[str, str]:
    """The environment of the API's own container in a revision."""
    environment = dict(_API_ENV)
    for later in sorted(_API_CHANGES):
        environment |= _API_CHANGES[later] if later <= revision else {}
    return environment


def _database_url(secret_arn: str) -> Document:
    return {"name": "DATABASE_URL", "valueFrom": f"{secret_arn}:url::"}


def _logs(group: str, prefix: str) -> Document:
    options = {"awslogs-group": f"/ecs/{group}", "awslogs-region": REGION, "awslogs-stream-prefix": prefix}
    return {"logDriver": "awslogs", "options": options}


def _pairs(environment: dict[str, str]) -> list[Document]:
    return [{"name": name, "value": value} for name, value in environment.items()]


def _tags(revision: int, tag: str) -> list[Document]:
    told = {"team": "platform", "environment": "production", "release": tag, "pipeline": f"build-{revision * 7}"}
    return [{"key": key, "value": value} for key, value in told.items()]
