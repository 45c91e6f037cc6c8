"""What Elastic Load Balancing is asked: the rules of a listener, once a pass; names and tags, once for ever."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from desired_state.model import Maintenance
from reconcilers.aws import Connection, code, sentence
from reconcilers.contract import Absent, Stalled
from reconcilers.listener_records import (
    ENVIRONMENT,
    MAINTENANCE,
    RESPONSE,
    TARGET_GROUP,
    Listener,
    Shown,
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
    """Reads of one connection, and what it remembers of names and tags. For one thread at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._elb = connection.reading("elbv2")
        self._arns: dict[tuple[str, int], str] = {}
        self._target_groups: dict[str, str] = {}
        self._tags: dict[str, dict[str, Tags]] = {}  # by listener, then by rule, or by the listener itself

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
        return Listener(
            arn=arn,
            rules=tuple(rule_record(rule) for rule in told if rule is not default),
            page=page_in(default.get("Actions", [])),
            forwards_to=plain_forward(default.get("Actions", [])),
            default=_described(default),
        )

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

    def ours(self, environment: str, listener: Listener, *, fresh: bool = False) -> tuple[Shown, ...]:
        """What of this listener is maintenance that trueup made for this environment. DescribeTags, for what is new.

        `fresh` reads the tags of the listener itself again.
        """
        known = self._tags.get(listener.arn, {})
        if fresh:
            known = {arn: tags for arn, tags in known.items() if arn != listener.arn}
        wanted = (listener.arn, *(rule.arn for rule in listener.rules))
        new = self._described_tags(arn for arn in wanted if arn not in known)
        tags = self._tags[listener.arn] = {arn: known[arn] if arn in known else new[arn] for arn in wanted}
        return tuple(_ours(environment, listener, tags))

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

    def scan(self, environment: str, but: str) -> set[str]:
        """The ARNs of all listeners, but one, that carry maintenance of this environment.

        DescribeLoadBalancers, DescribeListeners, DescribeRules; DescribeTags only for what shows a fixed response.
        """
        return {
            listener.arn
            for arn in self._all()
            if arn != but
            and (listener := self.read(arn).only_fixed()).may_be_maintenance
            and self.ours(environment, listener)
        }

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


def _ours(environment: str, listener: Listener, tags: dict[str, Tags]) -> Iterator[Shown]:
    for rule in listener.rules:
        if tags[rule.arn].get(ENVIRONMENT) == environment and tags[rule.arn].get(MAINTENANCE) == "rule":
            yield Shown(listener.arn, rule.page, rule=rule.arn, priority=rule.priority)
    own = tags[listener.arn]
    if own.get(ENVIRONMENT) == environment and own.get(MAINTENANCE) == "default_action":
        is_ours = listener.page is not None and listener.page.digest in own.get(RESPONSE, "").split()
        yield Shown(listener.arn, listener.page if is_ours else None, target_group=own.get(TARGET_GROUP, ""))


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
