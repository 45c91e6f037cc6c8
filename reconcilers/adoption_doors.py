"""The listeners that lead to services, and the maintenance pages that they show. Reads only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reconcilers.aws import Connection
from reconcilers.listener_records import Page, Shown
from reconcilers.listeners import Listeners

if TYPE_CHECKING:
    from mypy_boto3_elbv2.type_defs import ListenerTypeDef

_HTTPS: Final = 443


@dataclass(frozen=True)
class Door:
    """A listener of an application load balancer."""

    load_balancer: str
    port: int
    services: tuple[str, ...]  # what it leads to
    shown: Shown | None = None  # the page of this environment that trueup shows there
    others: Page | None = None  # a page that comes before everything else there, and is not this environment's


class DoorReads:
    """The load balancers of one connection."""

    reads = (
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroups",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._listeners = Listeners(connection)

    def to(self, groups: Mapping[str, tuple[str, ...]], environment: str) -> tuple[Door, ...]:
        """The doors to target groups (ARN: the services behind it), the one for a maintenance page first.

        Where trueup shows a page of this environment, that door is the first.
        Raises ClientError, BotoCoreError, Absent.
        """
        doors = [self._door(environment, arn, port, services) for arn, port, services in self._leading(groups)]
        return tuple(sorted(doors, key=_rank))

    def _leading(self, groups: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, int, tuple[str, ...]]]:
        """ARN, port and services of each listener that leads to one of these target groups."""
        for balancer in self._balancers(set(groups)):
            for listener in self._listeners_of(balancer):
                services = {name for arn in self._forwards(listener["ListenerArn"]) for name in groups.get(arn, ())}
                if services:
                    yield listener["ListenerArn"], listener["Port"], tuple(sorted(services))

    def _balancers(self, groups: set[str]) -> list[str]:
        """The ARNs of the application load balancers that these target groups hang at."""
        if not groups:
            return []
        pages = self._connection.reading("elbv2").get_paginator("describe_target_groups").paginate()
        told = [each for page in pages for each in page["TargetGroups"] if each["TargetGroupArn"] in groups]
        arns = dict.fromkeys(arn for each in told for arn in each.get("LoadBalancerArns", ()))
        return sorted(arn for arn in arns if ":loadbalancer/app/" in arn)

    def _listeners_of(self, balancer: str) -> "Iterator[ListenerTypeDef]":
        pages = self._connection.reading("elbv2").get_paginator("describe_listeners")
        for page in pages.paginate(LoadBalancerArn=balancer):
            yield from page["Listeners"]

    def _forwards(self, listener: str) -> Iterator[str]:
        """The ARNs of all target groups that its rules lead to."""
        for page in self._connection.reading("elbv2").get_paginator("describe_rules").paginate(ListenerArn=listener):
            for rule in page["Rules"]:
                for action in rule.get("Actions", ()):
                    yield from _targets(action)

    def _door(self, environment: str, arn: str, port: int, services: tuple[str, ...]) -> Door:
        listener = self._listeners.read(arn)
        live = [each for each in self._listeners.ours(environment, listener) if each.rule or each.page]
        shown = min(live, key=lambda each: each.priority, default=None)
        first = min(listener.rules, key=lambda rule: rule.priority, default=None)
        others = first.page if first and not shown else None
        return Door(_balancer(arn), port, services, shown, others)


def _targets(action: Any) -> Iterator[str]:
    config = action.get("ForwardConfig", {})
    yield from (each["TargetGroupArn"] for each in config.get("TargetGroups", ()))
    if arn := action.get("TargetGroupArn"):
        yield arn


def _balancer(listener: str) -> str:
    """`name` of arn:…:listener/app/name/…/…"""
    return listener.split("/")[2]


def _rank(door: Door) -> tuple[object, ...]:
    return door.shown is None, -len(door.services), door.port != _HTTPS, door.port, door.load_balancer
