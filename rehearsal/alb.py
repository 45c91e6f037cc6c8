"""An Application Load Balancer at work: what it does with a request, by the listeners and rules that moto holds."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from rehearsal import moto_app
from rehearsal.elb import TERMINAL

Params = dict[str, Any]


def route(region: str, load_balancer: str, port: int, host: str, path: str) -> Params:
    """What the listener does with a request: the first rule that matches, by priority; the default one last."""
    backend = moto_app.elb(region)
    balancer = next((each for each in backend.load_balancers.values() if each.name == load_balancer), None)
    if balancer is None:
        raise LookupError(f"there is no load balancer {load_balancer}")
    listener = next((each for each in balancer.listeners.values() if int(each.port) == port), None)
    if listener is None:
        raise LookupError(f"{load_balancer} does not listen on {port}")
    rules = sorted((r for r in listener.rules.values() if not _is_default(r)), key=lambda rule: int(rule.priority))
    defaults = [r for r in listener.rules.values() if _is_default(r)]
    chosen = next((rule for rule in rules if _matches(rule.conditions, host, path)), defaults[0])
    return _outcome(backend, chosen, listener.default_actions if chosen is defaults[0] else chosen.actions)


def host_of(listener: Any, groups: Collection[str]) -> str | None:
    """A host whose requests this listener forwards to one of these target groups; None: it forwards none there.

    Empty where any host will do.
    """
    for rule in sorted(listener.rules.values(), key=_is_default):
        actions = listener.default_actions if _is_default(rule) else rule.actions
        if any(arn in groups for action in actions for arn, _ in _targets(action.data)):
            conditions: list[Params] = [] if _is_default(rule) else rule.conditions
            named: Params = next((each for each in conditions if each["Field"] == "host-header"), {})
            values = named.get("HostHeaderConfig", {}).get("Values") or named.get("Values") or [""]
            return str(values[0]).replace("*", "any")
    return None


def _outcome(backend: Any, rule: Any, actions: list[Any]) -> Params:
    action = next((each for each in actions if each.type in TERMINAL), actions[-1])
    fixed = action.data.get("FixedResponseConfig", {})
    shown: Params = {"action": action.type, "rule_arn": rule.arn, "priority": str(rule.priority)}
    shown |= {"status": int(fixed["StatusCode"]) if fixed else None}
    shown |= {"content_type": fixed.get("ContentType", "text/plain") if fixed else None}
    shown |= {"body": fixed.get("MessageBody", "") if fixed else None, "target_groups": []}
    for arn, weight in _targets(action.data):
        group = backend.target_groups.get(arn)
        shown["target_groups"].append({"arn": arn, "name": group.name if group else None, "weight": weight})
    return shown


def _targets(data: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    groups = data.get("ForwardConfig", {}).get("TargetGroups", [])
    if not groups and "TargetGroupArn" in data:
        groups = [{"TargetGroupArn": data["TargetGroupArn"]}]
    for group in groups:
        yield group["TargetGroupArn"], int(group.get("Weight", 1))


def _is_default(rule: Any) -> bool:
    return str(rule.priority) == "default"


def _matches(conditions: list[Params], host: str, path: str) -> bool:
    return all(_holds(condition, host, path) for condition in conditions)


def _holds(condition: Params, host: str, path: str) -> bool:
    """Of several values one is enough. Conditions on anything else than host and path never hold here."""
    host_values = condition.get("HostHeaderConfig", {}).get("Values") or condition.get("Values", [])
    path_values = condition.get("PathPatternConfig", {}).get("Values") or condition.get("Values", [])
    if condition["Field"] == "host-header":
        return any(_like(pattern.lower(), host.partition(":")[0].lower()) for pattern in host_values)
    if condition["Field"] == "path-pattern":
        return any(_like(pattern, path.partition("?")[0]) for pattern in path_values)
    return False


def _like(pattern: str, text: str) -> bool:
    """`*` is any number of characters, `?` exactly one."""
    expression = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None
