"""What Elastic Load Balancing is asked: the rules of a listener, once a pass; names and tags, once they are facts."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from desired_state.model import Maintenance
from reconcilers.aws import Connection, code, sentence
from reconcilers.contract import Absent, Stalled
from reconcilers.listener_records import (
    ENVIRONMENT,
    LOOK_AGAIN,
    MAINTENANCE,
    RESPONSE,
    TARGET_GROUP,
    Listener,
    Page,
    Shown,
    Twice,
    page_in,
    plain_forward,
    rule_record,
)

if TYPE_CHECKING:
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_elbv2.type_defs import RuleTypeDef

_TAGS_A_CALL: Final = 20
Tags = dict[str, str]


class Listeners:
    """Reads of one connection, and what it remembers of names and tags. For one thread at a time.

    `monotonic`: seconds, for looks that lie apart.
    """

    def __init__(self, connection: Connection, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._now = monotonic
        self._arns: dict[tuple[str, int], str] = {}
        self._target_groups: dict[str, str] = {}
        self._tags: dict[str, dict[str, Tags]] = {}  # by listener, then by rule, or by the listener itself
        self._nobodys: dict[
            str, Twice[tuple[str, Page]]
        ] = {}  # by listener: pages whose tags do not say whose they are
        self._scanned: tuple[float, tuple[Listener, ...]] | None = None  # when, and what was found

    @property
    def _elb(self) -> "ElasticLoadBalancingv2Client":
        return self._connection.reading("elbv2")

    def arn(self, section: Maintenance) -> str:
        """The ARN of the listener that a section names. Absent: no such load balancer. Stalled: no such port."""
        if section.listener_arn:
            return section.listener_arn
        key = (section.load_balancer or "", section.port)
        if key not in self._arns:
            self._arns[key] = self._find(*key)
        return self._arns[key]

    def read(self, arn: str) -> Listener:
        """DescribeRules: the rules of a listener, and its default action. Absent: no such listener."""
        with _present(f"there is no listener {arn}: correct it in the file, or create it", lambda: self._forget(arn)):
            pages = self._elb.get_paginator("describe_rules").paginate(ListenerArn=arn)
            told = [rule for page in pages for rule in page["Rules"]]
        default = next((rule for rule in told if rule.get("IsDefault")), None)
        if default is None:  # every listener has a default rule: this answer says nothing
            raise Absent(f"AWS names no rules for the listener {arn}")
        listener = Listener(
            arn=arn,
            rules=tuple(rule_record(rule) for rule in told if rule is not default),
            page=page_in(default.get("Actions", [])),
            forwards_to=plain_forward(default.get("Actions", [])),
            default=_described(default),
        )
        self._forget_but(listener)
        return listener

    def target_group(self, name: str, listener: Listener) -> str:
        """DescribeTargetGroups: the ARN of a target group. Absent: there is none of that name.

        Asked again where the listener forwards to another one: a target group may be replaced by one of its name.
        """
        known = self._target_groups.get(name)
        if known is not None and listener.forwards_to in ("", known):
            return known
        with _present(f"there is no target group {name}: correct its name in the file"):
            told = self._elb.describe_target_groups(Names=[name])["TargetGroups"]
        if not told:
            raise Absent(f"there is no target group {name}: correct its name in the file")
        self._target_groups[name] = told[0]["TargetGroupArn"]
        return self._target_groups[name]

    def ours(self, environment: str, listener: Listener, former: Collection[str] = ()) -> tuple[Shown, ...]:
        """What of this listener is maintenance that trueup made for this environment, also under a former name.

        DescribeTags for what is new, and a second time for a page whose tags do not say whose it is.
        """
        known = self._tags.setdefault(listener.arn, {})
        nobodys = self._nobodys.setdefault(listener.arn, Twice(self._now))
        again = {page[0] for page in _unclaimed(listener, known) if nobodys.due(page)}
        wanted = (listener.arn, *(rule.arn for rule in listener.rules))
        read = self._described_tags(arn for arn in wanted if arn not in known or arn in again)
        known.update(read)
        for page in _unclaimed(listener, known):
            if page[0] in read:
                nobodys.missing(page)
        return tuple(_ours(environment, former, listener, known))

    def unsure(self, listener: Listener) -> bool:
        """Whether this listener shows a page of which one answer alone says that trueup did not make it."""
        nobodys = self._nobodys.setdefault(listener.arn, Twice(self._now))
        return any(page not in nobodys for page in _unclaimed(listener, self._tags.get(listener.arn, {})))

    def learn(self, listener: str, arn: str, tags: Tags) -> None:
        """Remember the tags that were just written on a rule or a listener."""
        self._tags.setdefault(listener, {})[arn] = tags

    @contextmanager
    def changing(self, arn: str) -> "Iterator[ElasticLoadBalancingv2Client]":
        """The client that writes. What AWS refuses for want of room stalls; what went away is looked for again."""
        try:
            yield self._connection.writing("elbv2")
        except ClientError as error:
            if code(error) == "PriorityInUse":
                raise Stalled(
                    f"another rule of listener {arn} took the priority that maintenance needs: give it a larger number"
                ) from error
            if code(error) == "TooManyRules":
                raise Stalled(
                    f"listener {arn} has as many rules as AWS allows: remove one, or raise the quota"
                ) from error
            if code(error).endswith("NotFound"):
                self._target_groups.clear()
                raise Absent(f"part of listener {arn} went away meanwhile: {sentence(error)}") from error
            raise
        finally:
            self._scanned = None  # whatever was written, or perhaps written, is not in it

    def scan(self) -> tuple[Listener, ...]:
        """All listeners that answer something fixed, each with those rules only that do.

        DescribeLoadBalancers, DescribeListeners, DescribeRules: once for all environments of a pass.
        """
        if self._scanned is None or self._now() - self._scanned[0] >= LOOK_AGAIN:
            read = (self.read(arn).only_fixed() for arn in self._all())
            found = tuple(listener for listener in read if listener.may_be_maintenance)
            self._scanned = (self._now(), found)
        return self._scanned[1]

    def _all(self) -> Iterator[str]:
        for page in self._elb.get_paginator("describe_load_balancers").paginate():
            for balancer in page["LoadBalancers"]:
                if balancer.get("Type", "application") == "application":
                    listeners = self._listeners(balancer["LoadBalancerArn"])
                    yield from (listener["ListenerArn"] for listener in listeners)

    def _find(self, balancer: str, port: int) -> str:
        missing = f"there is no load balancer {balancer}: correct its name in the file"
        with _present(missing):
            told = self._elb.describe_load_balancers(Names=[balancer])["LoadBalancers"]
            listeners = self._listeners(told[0]["LoadBalancerArn"]) if told else []
        if not told:
            raise Absent(missing)
        found = next((listener["ListenerArn"] for listener in listeners if listener.get("Port") == port), "")
        if not found:
            ports = ", ".join(sorted(str(listener.get("Port")) for listener in listeners)) or "none"
            raise Stalled(f"load balancer {balancer} has no listener on port {port}: it listens on {ports}")
        return found

    def _listeners(self, balancer: str) -> Sequence[Any]:
        pages = self._elb.get_paginator("describe_listeners").paginate(LoadBalancerArn=balancer)
        return [listener for page in pages for listener in page["Listeners"]]

    def _forget(self, listener: str) -> None:
        self._arns = {key: arn for key, arn in self._arns.items() if arn != listener}
        self._tags.pop(listener, None)
        self._nobodys.pop(listener, None)

    def _forget_but(self, listener: Listener) -> None:
        """Forget the rules and the pages that a listener no longer has."""
        there = {listener.arn, *(rule.arn for rule in listener.rules)}
        if known := self._tags.get(listener.arn):
            self._tags[listener.arn] = {arn: tags for arn, tags in known.items() if arn in there}
        if nobodys := self._nobodys.get(listener.arn):
            nobodys.keep(listener.pages.items())

    def _described_tags(self, arns: Iterable[str]) -> dict[str, Tags]:
        left = list(arns)
        found: dict[str, Tags] = {arn: {} for arn in left}
        while left:
            batch, left = left[:_TAGS_A_CALL], left[_TAGS_A_CALL:]
            with _present("a rule went away while it was read"):
                told = self._elb.describe_tags(ResourceArns=batch)
            for each in told["TagDescriptions"]:
                tags = {tag["Key"]: tag.get("Value", "") for tag in each.get("Tags", [])}
                found[each["ResourceArn"]] = {key: value for key, value in tags.items() if key.startswith("trueup:")}
        return found


def _ours(environment: str, former: Collection[str], listener: Listener, tags: dict[str, Tags]) -> Iterator[Shown]:
    for rule in listener.rules:
        name = tags[rule.arn].get(ENVIRONMENT)
        if name in (environment, *former) and tags[rule.arn].get(MAINTENANCE) == "rule":
            yield Shown(listener.arn, rule.page, rule=rule.arn, priority=rule.priority, former=name != environment)
    own = tags[listener.arn]
    name = own.get(ENVIRONMENT)
    if name in (environment, *former) and own.get(MAINTENANCE) == "default_action":
        page = listener.page if listener.page and listener.page.digest in own.get(RESPONSE, "").split() else None
        yield Shown(listener.arn, page, target_group=own.get(TARGET_GROUP, ""), former=name != environment)


def _unclaimed(listener: Listener, tags: dict[str, Tags]) -> Iterator[tuple[str, Page]]:
    """The pages of which no tag says that trueup made them, whatever for."""
    for arn, page in listener.pages.items():
        own = tags.get(arn, {})
        if own.get(MAINTENANCE) != "rule" and page.digest not in own.get(RESPONSE, "").split():
            yield arn, page


def _described(default: "RuleTypeDef") -> str:
    return " then ".join(str(action.get("Type")) for action in default.get("Actions", []))


@contextmanager
def _present(otherwise: str, gone: Callable[[], object] = lambda: None) -> Iterator[None]:
    """What AWS calls not found is Absent, with a sentence for it."""
    try:
        yield
    except ClientError as error:
        if not code(error).endswith("NotFound"):
            raise
        gone()
        raise Absent(otherwise) from error
