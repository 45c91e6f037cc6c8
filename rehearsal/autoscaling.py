"""Application Auto Scaling: the scalable targets of ECS services, with what is suspended in them."""

from collections.abc import Callable, Mapping
from typing import Any

from rehearsal.clock import Clock
from rehearsal.wire import ACCOUNT, Answer, Call, Refused, Unsupported, told

Params = dict[str, Any]

_SUSPENDABLE = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
_LONGEST = 50  # of a page, and of the resources that one call asks for
_ROLE = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_ECSService"
)


class Autoscaling:
    """The scalable targets of every region. `exists` says whether a region has a cluster's service."""

    def __init__(self, clock: Clock, exists: Callable[[str, str, str], bool]) -> None:
        self._clock, self._exists = clock, exists
        self._targets: dict[tuple[str, str, str, str], Params] = {}
        self._operations: Mapping[str, Callable[[str, Params], Params]] = {
            "RegisterScalableTarget": self._register,
            "DescribeScalableTargets": self._describe,
            "DeregisterScalableTarget": self._deregister,
        }

    def answer(self, call: Call) -> Answer:
        operation = self._operations.get(call.operation)
        if operation is None:
            raise Unsupported(f"application-autoscaling {call.operation}")
        return told(operation(call.region, call.params))

    def _register(self, region: str, params: Params) -> Params:
        key = _key(region, params)
        target = self._targets.get(key) or self._new(region, params)
        target = target | {name: params[name] for name in ("MinCapacity", "MaxCapacity") if name in params}
        if target["MinCapacity"] > target["MaxCapacity"]:
            raise Refused("ValidationException", "Maximum capacity cannot be less than minimum capacity")
        target["SuspendedState"] = target["SuspendedState"] | params.get("SuspendedState", {})
        self._targets[key] = target
        return {"ScalableTargetARN": target["ScalableTargetARN"]}

    def _describe(self, region: str, params: Params) -> Params:
        wanted, size = params.get("ResourceIds") or [], params.get("MaxResults", _LONGEST)
        if len(wanted) > _LONGEST:
            raise Refused("ValidationException", f"Member must have length less than or equal to {_LONGEST}")
        if not 1 <= size <= _LONGEST:
            raise Refused("ValidationException", f"Member must have value between 1 and {_LONGEST}")
        found = [
            target
            for (where, namespace, resource, dimension), target in self._targets.items()
            if where == region
            and namespace == params["ServiceNamespace"]
            and (not wanted or resource in wanted)
            and params.get("ScalableDimension") in (None, dimension)
        ]
        start = int(params.get("NextToken", "0"))
        more = {"NextToken": str(start + size)} if start + size < len(found) else {}
        return {"ScalableTargets": found[start : start + size], **more}

    def _deregister(self, region: str, params: Params) -> Params:
        if self._targets.pop(_key(region, params), None) is None:
            raise Refused("ObjectNotFoundException", f"No scalable target found for {params['ResourceId']}")
        return {}

    def _new(self, region: str, params: Params) -> Params:
        resource = params["ResourceId"]
        parts = resource.split("/")
        if params["ServiceNamespace"] == "ecs" and (len(parts) != 3 or not self._exists(region, parts[1], parts[2])):
            raise Refused("ValidationException", f"ECS service doesn't exist: {resource}")
        if "MinCapacity" not in params or "MaxCapacity" not in params:
            raise Refused("ValidationException", "MinCapacity and MaxCapacity are required for a new scalable target.")
        return {
            "ServiceNamespace": params["ServiceNamespace"],
            "ResourceId": resource,
            "ScalableDimension": params["ScalableDimension"],
            "RoleARN": _ROLE,
            "CreationTime": round(self._clock.now(), 3),
            "SuspendedState": dict.fromkeys(_SUSPENDABLE, False),
            "ScalableTargetARN": f"arn:aws:application-autoscaling:{region}:{ACCOUNT}:scalable-target/"
            f"{len(self._targets):032x}",
        }


def _key(region: str, params: Params) -> tuple[str, str, str, str]:
    return region, params["ServiceNamespace"], params["ResourceId"], params["ScalableDimension"]
