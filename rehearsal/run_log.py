"""What the commands of tasks print, as CloudWatch Logs has it."""

from math import inf

from rehearsal import moto_app
from rehearsal.ecs_state import Params, Region


def pour(region: Region) -> None:
    """Put what the commands have printed by now where their task definition says."""
    now = region.clock.now()
    for each in region.runs.tasks.values():
        log = options(region, each.definition, each.container)
        group = moto_app.logs(log["awslogs-region"]).groups.get(log["awslogs-group"]) if log else None
        if log is None or group is None or now < each.started or each.started == inf:
            continue
        name = f"{log['awslogs-stream-prefix']}/{each.container}/{each.id}"
        if name not in group.streams:
            group.create_log_stream(name)
        lines = each.printed(now)[len(group.streams[name].events) :]
        if lines:
            group.streams[name].put_log_events([{"timestamp": int(at * 1000), "message": line} for at, line in lines])


def options(region: Region, definition: str, container: str) -> dict[str, str] | None:
    """The options of the container's log driver. None: it is not awslogs, or gives its streams no names."""
    found = region.definition(definition)
    containers = found.content["containerDefinitions"] if found else []
    log: Params = next((each.get("logConfiguration", {}) for each in containers if each["name"] == container), {})
    given: dict[str, str] = {"awslogs-region": region.name} | log.get("options", {})
    return given if log.get("logDriver") == "awslogs" and "awslogs-stream-prefix" in given else None


def has_group(log: dict[str, str]) -> bool:
    """Whether there is the log group that a container needs to start."""
    return log["awslogs-group"] in moto_app.logs(log["awslogs-region"]).groups
