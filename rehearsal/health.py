"""How well production is: the health of targets, the state of alarms, what stands in logs, and the app that answers."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from math import inf
from typing import Any

from rehearsal import alb, moto_app
from rehearsal.clock import Clock, Pace
from rehearsal.ecs import Ecs
from rehearsal.images import Images
from rehearsal.service_values import Service, Task
from rehearsal.shapes import answered, given
from rehearsal.wire import APP, Answer, Call

Params = dict[str, Any]

_INITIAL: Params = {
    "State": "initial",
    "Reason": "Elb.RegistrationInProgress",
    "Description": "Target registration is in progress",
}
_UNHEALTHY: Params = {
    "State": "unhealthy",
    "Reason": "Target.ResponseCodeMismatch",
    "Description": "Health checks failed with these codes: [503]",
}
_DRAINING: Params = {
    "State": "draining",
    "Reason": "Target.DeregistrationInProgress",
    "Description": "Target deregistration is in progress",
}


class Health:
    """Follows what ECS really runs. Nothing here is remembered but what somebody has set."""

    def __init__(self, clock: Clock, pace: Pace, ecs: Ecs, images: Images) -> None:
        self._clock, self._pace, self._ecs, self._images = clock, pace, ecs, images
        self._unhealthy: dict[str, int] = {}  # how many targets of a service do not pass their health check
        self._turns = itertools.count()

    def answer(self, call: Call) -> Answer | None:
        """DescribeTargetHealth of a group that ECS keeps its tasks in; None where it is moto's."""
        if call.operation != "DescribeTargetHealth":
            return None
        params = given(call)
        served = [each for _, each in self._behind(call.region, params["TargetGroupArn"])]
        if not served:
            return None
        shown = [target for service in served for target in self._targets(service)]
        wanted = {target["Id"] for target in params.get("Targets", ())}
        found = [target for target in shown if not wanted or target["Target"]["Id"] in wanted]
        return answered(call, {"TargetHealthDescriptions": found})

    def mark_targets(self, service: str, unhealthy: int) -> None:
        """So many of the service's targets do not pass their health check from now on; ECS runs them all the same."""
        self._unhealthy[service] = unhealthy

    def alarm(self, name: str, state: str, reason: str = "Set by hand.", region: str = "us-east-1") -> None:
        """Put an alarm into a state: OK, ALARM or INSUFFICIENT_DATA. LookupError: there is no such alarm."""
        found = moto_app.cloudwatch(region).alarms.get(name)
        if found is None:
            raise LookupError(f"there is no alarm {name}")
        found.update_state(reason, "{}", state)
        found.state_updated_timestamp = datetime.fromtimestamp(self._clock.now(), UTC).replace(tzinfo=None)

    def log(
        self, group: str, messages: list[str], stream: str = "rehearsal", ago: float = 0.0, region: str = "us-east-1"
    ) -> None:
        """Let these lines stand in a log, `ago` seconds old. The group is made where there is none."""
        backend = moto_app.logs(region)
        if group not in backend.groups:
            backend.create_log_group(group, {})
        there = backend.groups[group]
        if stream not in there.streams:
            there.create_log_stream(stream)
        at = int((self._clock.now() - ago) * 1000)
        there.streams[stream].put_log_events([{"timestamp": at, "message": message} for message in messages])

    def app(self, path: str) -> Answer:
        """What a user of a service gets: the page of its load balancer, or the answer of one of its running tasks."""
        name, _, rest = path.removeprefix(APP).partition("/")
        found = next(((region, each) for region, each in self._ecs.services() if each.name == name), None)
        if found is None:
            return _text(404, f"there is no service {name}")
        region, service = found
        if page := _page(region, service, f"/{rest}"):
            return page
        serving = [task for task in service.tasks if task.status(self._clock.now()) == "RUNNING"]
        if not serving:
            return _text(503, "Service Temporarily Unavailable")
        task = serving[next(self._turns) % len(serving)]
        if any(self._images.is_sick(image) for _, image, _ in task.revision.images):
            return _text(500, 'relation "plans" does not exist')
        return _text(200, "ok")

    def _behind(self, region: str, group: str) -> Iterator[tuple[str, Service]]:
        for name, service in self._ecs.services():
            if name == region and group in _groups(service):
                yield name, service

    def _targets(self, service: Service) -> Iterator[Params]:
        now, failing = self._clock.now(), self._unhealthy.get(service.name, 0)
        port = next((each["containerPort"] for each in service.settings["loadBalancers"]), 80)
        for task in service.tasks:
            health = self._health(task, now)
            if health == {"State": "healthy"} and failing > 0:
                failing -= 1
                health = _UNHEALTHY
            if health:
                target = {"Id": _address(task), "Port": port}
                yield {"Target": target, "HealthCheckPort": f"{port}", "TargetHealth": health}

    def _health(self, task: Task, now: float) -> Params:
        """Empty where the task is no target: it has not begun, or is long gone."""
        state = task.status(now)
        if state == "RUNNING":
            return {"State": "healthy"}
        if state == "PENDING":
            return _INITIAL
        if state == "STOPPED" and task.started != inf and now < task.stopped + self._pace.rollout:
            return _DRAINING
        return {}


def _groups(service: Service) -> list[str]:
    return [each.get("targetGroupArn", "") for each in service.settings["loadBalancers"]]


def _address(task: Task) -> str:
    number = int(task.id[:8], 16)
    return f"10.20.{10 + number % 2}.{4 + number // 2 % 250}"


def _page(region: str, service: Service, path: str) -> Answer | None:
    """What the load balancer answers itself, in place of the service."""
    backend = moto_app.elb(region)
    for balancer in backend.load_balancers.values():
        for listener in balancer.listeners.values():
            host = alb.host_of(listener, _groups(service))
            if host is None:
                continue
            outcome = alb.route(region, balancer.name, int(listener.port), host, path)
            if outcome["action"] == "fixed-response":
                kind = (("content-type", outcome["content_type"]),)
                return Answer(outcome["status"], outcome["body"].encode(), kind)
    return None


def _text(status: int, text: str) -> Answer:
    return Answer(status, text.encode(), (("content-type", "text/plain"),))
