"""Elastic Load Balancing: what AWS refuses and moto does not."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from rehearsal import moto_app
from rehearsal.wire import Call, Refused

_WRITES = frozenset({"CreateListener", "ModifyListener", "CreateRule", "ModifyRule"})
_CONTENT_TYPES = ("text/plain", "text/css", "text/html", "application/javascript", "application/json")
TERMINAL = ("forward", "fixed-response", "redirect")
_RULES = 100  # of one load balancer, defaults not counted

Params = dict[str, Any]


def checked(call: Call) -> Call:
    """The call as moto has to see it, or Refused as AWS would."""
    if call.operation == "DescribeTags" and len(_members(call.params, "ResourceArns.member.")) > 20:
        raise _invalid("Member must have length less than or equal to 20")
    for name, value in call.params.items():
        if name.rpartition(".")[2] == "Priority" and not 1 <= int(value) <= 50000:
            raise Refused("ValidationError", "The priority must be between 1 and 50000.")
    if call.operation in ("CreateTargetGroup", "ModifyTargetGroup"):
        _check_health(call)
    if call.operation in ("DeleteRule", "ModifyRule", "SetRulePriorities"):
        _check_rules(call)
    return _with_actions(call) if call.operation in _WRITES else call


def _with_actions(call: Call) -> Call:
    prefixes = list(_actions(call.params))
    if call.operation == "CreateRule":
        _check_room(call)
        if not prefixes or not _members(call.params, "Conditions.member."):
            raise Refused("ValidationError", "A rule needs at least one condition and one action.")
    if prefixes and sum(call.params.get(f"{each}.Type") in TERMINAL for each in prefixes) != 1:
        raise Refused(
            "InvalidLoadBalancerAction", "There must be exactly one action of type forward, redirect or fixed-response."
        )
    added: Params = {}
    for prefix in prefixes:
        if call.params.get(f"{prefix}.Type") == "fixed-response":
            _check_fixed(call.params, f"{prefix}.FixedResponseConfig")
        elif call.params.get(f"{prefix}.Type") == "forward":
            added |= _forward(call, prefix)
    return _rewritten(call, added) if added else call


def _check_health(call: Call) -> None:
    """Only what a lambda answers may go unchecked."""
    if call.params.get("HealthCheckEnabled") != "false":
        return
    there = moto_app.elb(call.region).target_groups.get(call.params.get("TargetGroupArn"))
    kind = there.target_type if there else call.params.get("TargetType", "instance")
    if kind != "lambda":
        raise Refused(
            "ValidationError", f"Health check enabled must be true for target groups with target type '{kind}'"
        )


def _check_rules(call: Call) -> None:
    """Of the default rule only the listener can be changed, and what is gone cannot be deleted once more."""
    named = [value for name, value in call.params.items() if name.rpartition(".")[2] == "RuleArn"]
    listeners = [x for each in moto_app.elb(call.region).load_balancers.values() for x in each.listeners.values()]
    known = {rule.arn: str(rule.priority) for listener in listeners for rule in listener.rules.values()}
    if any(arn not in known for arn in named):
        raise Refused("RuleNotFound", "One or more rules not found")
    if any(known[arn] == "default" for arn in named):
        raise Refused("OperationNotPermitted", f"Default rule '{named[0]}' cannot be modified")


def _check_room(call: Call) -> None:
    balancers = moto_app.elb(call.region).load_balancers.values()
    owner = next((b for b in balancers if call.params.get("ListenerArn") in b.listeners), None)
    if owner and sum(len(listener.rules) - 1 for listener in owner.listeners.values()) >= _RULES:
        raise Refused("TooManyRules", "The maximum number of rules per load balancer has been reached.")


def _check_fixed(params: Params, prefix: str) -> None:
    body, kind, status = (params.get(f"{prefix}.{each}", "") for each in ("MessageBody", "ContentType", "StatusCode"))
    if len(body) > 1024:
        wrong = "the message body must have length less than or equal to 1024"
    elif not re.fullmatch(r"[245]\d\d", status):
        wrong = f"the status code '{status}' must satisfy regular expression pattern: ^(2|4|5)\\d\\d$"
    elif kind and kind not in _CONTENT_TYPES:
        raise Refused("InvalidLoadBalancerAction", f"The ContentType must be one of: {', '.join(_CONTENT_TYPES)}")
    else:
        return
    raise _invalid(wrong)


def _forward(call: Call, prefix: str) -> Params:
    """A plain forward is also a ForwardConfig with one entry, and the other way round, as AWS answers it."""
    params, groups = call.params, f"{prefix}.ForwardConfig.TargetGroups.member."
    numbers = sorted(_members(params, groups))
    arns = [params[f"{groups}{number}.TargetGroupArn"] for number in numbers]
    plain = params.get(f"{prefix}.TargetGroupArn")
    known = moto_app.elb(call.region).target_groups
    if not (plain or arns) or any(arn not in known for arn in [*arns, *([plain] if plain else [])]):
        raise Refused("TargetGroupNotFound", "One or more target groups not found")
    if any(not 0 <= int(params.get(f"{groups}{number}.Weight", 1)) <= 999 for number in numbers):
        raise Refused("ValidationError", "Target group weights must be between 0 and 999.")
    if plain and arns and arns != [plain]:
        raise Refused("InvalidLoadBalancerAction", "TargetGroupArn and ForwardConfig must name the same target group.")
    if plain and not arns:
        return {f"{groups}1.TargetGroupArn": plain, f"{groups}1.Weight": "1"}
    return {f"{prefix}.TargetGroupArn": arns[0]} if len(arns) == 1 and not plain else {}


def _rewritten(call: Call, added: Params) -> Call:
    params = call.params | added
    return replace(call, params=params, request=replace(call.request, body=urlencode(params).encode()))


def _actions(params: Params) -> Iterator[str]:
    for kind in ("DefaultActions.member.", "Actions.member."):
        yield from (f"{kind}{number}" for number in sorted(_members(params, kind)))


def _members(params: Params, prefix: str) -> set[int]:
    tails = (key[len(prefix) :].partition(".")[0] for key in params if key.startswith(prefix))
    return {int(tail) for tail in tails if tail.isdecimal()}


def _invalid(wrong: str) -> Refused:
    return Refused("ValidationError", f"1 validation error detected: {wrong}")
