"""Whether the targets of a load balancer are healthy."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from desired_state.verify import TargetHealth
from reconcilers.aws import Connection, code
from reconcilers.checks import Check, Probe, listed, unmade
from reconcilers.contract import Absent

_KEPT: Final = 60.0  # seconds for which the groups of a load balancer are taken to be the same
_COMING: Final = 120.0  # seconds that new targets may take to be found healthy, when ECS replaces or adds tasks
_NOT_COUNTED: Final = ("draining", "unhealthy.draining", "unused")


class Targets:
    """The target groups of one connection, and the health of what is in them."""

    def __init__(self, aws: Connection) -> None:
        self._aws = aws
        self._groups: dict[TargetHealth, tuple[float, dict[str, str]]] = {}  # when, and ARN by name

    def probe(self, check: TargetHealth) -> Probe:
        """DescribeLoadBalancers, DescribeTargetGroups, now and then; DescribeTargetHealth of each group.

        Absent: there is no such load balancer, or no such group.
        """
        return Probe(f"targets of {check.load_balancer or check.target_group}", lambda: self._ask(check))

    def _ask(self, check: TargetHealth) -> Iterator[Check]:
        groups = self._known(check)
        if not groups:
            raise Absent(f"load balancer {check.load_balancer} has no target group: name the one that serves")
        for name, arn in groups.items():
            yield _judged(f"targets of {name}", self._states(arn), check.min_healthy_percent)

    def _known(self, check: TargetHealth) -> dict[str, str]:
        at, groups = self._groups.get(check, (0.0, {}))
        if not groups or time.monotonic() - at > _KEPT:
            groups = self._find(check)
            self._groups[check] = (time.monotonic(), groups)
        return groups

    def _find(self, check: TargetHealth) -> dict[str, str]:
        elb = self._aws.reading("elbv2")
        named = check.load_balancer or check.target_group
        wanted: dict[str, Any] = {"Names": [check.target_group]}
        try:
            if check.load_balancer:
                balancers = elb.describe_load_balancers(Names=[check.load_balancer])["LoadBalancers"]
                wanted = {"LoadBalancerArn": balancers[0]["LoadBalancerArn"]}
            pages = elb.get_paginator("describe_target_groups").paginate(**wanted)
            groups = [group for page in pages for group in page["TargetGroups"]]
        except (ClientError, IndexError) as error:
            if isinstance(error, IndexError) or code(error) in ("LoadBalancerNotFound", "TargetGroupNotFound"):
                kind = "load balancer" if check.load_balancer else "target group"
                raise Absent(f"there is no {kind} {named}: correct its name in the file, or create it") from error
            raise
        return {group["TargetGroupName"]: group["TargetGroupArn"] for group in groups}

    def _states(self, arn: str) -> list[Any]:
        try:
            told = self._aws.reading("elbv2").describe_target_health(TargetGroupArn=arn)
        except ClientError as error:
            if code(error) == "TargetGroupNotFound":
                self._groups = {}  # replaced by another of its name: found again by the next round
            raise
        return [target["TargetHealth"] for target in told["TargetHealthDescriptions"]]


def _judged(name: str, states: list[Any], least: int) -> Check:
    counts = Counter(state.get("State", "unavailable") for state in states if state.get("State") not in _NOT_COUNTED)
    if counts["unavailable"]:
        return unmade(name, "their health is not known: AWS checks none of them, or cannot tell")
    total, healthy = counts.total(), counts["healthy"]
    if not total:
        also = f"; its {len(states)} are unused or draining" if states else ""
        return Check(name, ok=False, evidence=f"none{also}", patience=_COMING)
    if 100 * healthy >= least * total:
        return Check(name, ok=True, evidence=f"{healthy} of {total} healthy")
    why = listed(sorted({_reason(state) for state in states if state.get("State") == "unhealthy"} - {""}))
    coming = counts["initial"] if 100 * (healthy + counts["initial"]) >= least * total else 0
    soon = f", {coming} still in their first checks" if coming else ""
    evidence = f"{healthy} of {total} healthy{soon}{f': {why}' if why else ''}"
    return Check(name, ok=False, evidence=evidence, patience=_COMING if coming else 0.0)


def _reason(state: Any) -> str:
    return str(state.get("Description") or state.get("Reason") or "")
