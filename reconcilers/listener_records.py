"""What a listener shows, as values: its rules, its default action, and the maintenance page among them. No AWS."""

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from math import inf
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from desired_state.model import Maintenance

if TYPE_CHECKING:
    from mypy_boto3_elbv2.type_defs import ActionOutputTypeDef, ActionTypeDef, RuleTypeDef

# The tags by which trueup knows its own work again.
ENVIRONMENT: Final = "trueup:environment"
MAINTENANCE: Final = "trueup:maintenance"  # rule | default_action
COMMIT: Final = "trueup:commit"
TARGET_GROUP: Final = "trueup:target-group"  # what the default action returns to
RESPONSE: Final = "trueup:response"  # the digests of the pages that are ours

EVERYTHING: Final = "/*"
LOOK_AGAIN: Final = 5.0  # seconds between two looks that together make a fact
_SHOWN: Final = 60
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Page:
    """A fixed response."""

    status: int
    content_type: str  # "" for a page without a message, which has no type either
    message: str

    @classmethod
    def of(cls, status: int, content_type: str, message: str) -> "Page":
        """The page in the form in which AWS returns it: XML knows one kind of line end."""
        message = message.replace("\r\n", "\n").replace("\r", "\n")
        return cls(status, content_type if message else "", message)

    @classmethod
    def pinned(cls, section: Maintenance) -> "Page":
        """The page that the file asks for."""
        return cls.of(section.status_code, section.content_type, section.message)

    def __str__(self) -> str:
        if not self.message:
            return f"{self.status}"
        message = self.message
        if len(message) > _SHOWN:  # with a digest, so that two pages never look the same
            message = f"{message[:_SHOWN]}… [{self.digest[:8]}]"
        return f"{self.status} {self.content_type}: {message}"

    @property
    def digest(self) -> str:
        """What a tag remembers of the page."""
        return sha256(f"{self.status}\n{self.content_type}\n{self.message}".encode()).hexdigest()

    @property
    def action(self) -> "ActionTypeDef":
        """The page as Elastic Load Balancing takes it."""
        if not self.message:
            return {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": str(self.status)}}
        return {
            "Type": "fixed-response",
            "FixedResponseConfig": {
                "StatusCode": str(self.status),
                "ContentType": self.content_type,
                "MessageBody": self.message,
            },
        }


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that is not the default one."""

    arn: str
    priority: int
    page: Page | None  # what it answers to every path; None: it does something else
    is_fixed: bool  # it answers something fixed, whatever to


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener: its rules, and what it does when none of them matches."""

    arn: str
    rules: tuple[Rule, ...]
    page: Page | None  # its default action, where that is a fixed response
    forwards_to: str  # the one target group that it forwards to by default; "" where it does anything else
    default: str  # its default action in words

    def only_fixed(self) -> "Listener":
        """The listener with those rules only that could be maintenance."""
        return replace(self, rules=tuple(rule for rule in self.rules if rule.is_fixed))

    @property
    def pages(self) -> dict[str, Page]:
        """What is answered to every path: by the ARN of the rule, or of the listener for its default action."""
        pages = {rule.arn: rule.page for rule in self.rules if rule.page}
        return pages | ({self.arn: self.page} if self.page else {})

    @property
    def may_be_maintenance(self) -> bool:
        """Whether anything here answers a fixed response."""
        return self.page is not None or any(rule.is_fixed for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Shown:
    """Maintenance of one environment that is live: a rule of its own, or in place of the default action."""

    listener: str
    page: Page | None  # None: somebody made something else of it
    rule: str = ""  # its ARN; "" for the default action
    priority: int = 0  # of the rule
    target_group: str = ""  # the ARN that the default action returns to
    former: bool = False  # its tag carries a name that the environment had before


class Twice(Generic[Key]):
    """What was missing in two looks that lie apart, and is a fact therefore. Times are seconds of a monotonic clock."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._since: dict[Key, float] = {}
        self._facts: set[Key] = set()

    def __contains__(self, key: Key) -> bool:
        """Whether it is a fact that this is missing."""
        return key in self._facts

    def due(self, key: Key) -> bool:
        """Whether one more look could make a fact of it."""
        return key not in self._facts and self._now() - self._since.get(key, -inf) >= LOOK_AGAIN

    def missing(self, key: Key) -> bool:
        """One more look without it. Returns whether that is a fact now."""
        if self._now() - self._since.setdefault(key, self._now()) >= LOOK_AGAIN:
            self._facts.add(key)
        return key in self._facts

    def removed(self, key: Key) -> None:
        """AWS has said that it took it away: one look without it confirms that."""
        self._since[key] = -inf

    def keep(self, keys: Collection[Key]) -> None:
        """Forget everything about the others."""
        self._since = {key: since for key, since in self._since.items() if key in keys}
        self._facts.intersection_update(keys)


def page_in(actions: "Sequence[ActionOutputTypeDef]") -> Page | None:
    """The page, where a fixed response is all that happens."""
    if len(actions) != 1 or actions[0].get("Type") != "fixed-response":
        return None
    told = actions[0].get("FixedResponseConfig", {})
    return Page.of(int(told.get("StatusCode", 0)), told.get("ContentType", ""), told.get("MessageBody", ""))


def plain_forward(actions: "Sequence[ActionOutputTypeDef]") -> str:
    """The ARN of the target group, where forwarding to one is all that happens. AWS echoes it in two ways."""
    if len(actions) != 1 or actions[0].get("Type") != "forward":
        return ""
    config: Any = actions[0].get("ForwardConfig", {})
    groups = [group["TargetGroupArn"] for group in config.get("TargetGroups", [])]
    if config.get("TargetGroupStickinessConfig", {}).get("Enabled") or len(groups) > 1:
        return ""
    return groups[0] if groups else actions[0].get("TargetGroupArn", "")


def rule_record(told: "RuleTypeDef") -> Rule:
    """What matters of a rule."""
    actions = told.get("Actions", [])
    return Rule(
        arn=told.get("RuleArn", ""),
        priority=int(told.get("Priority", 0)),
        page=page_in(actions) if _matches_everything(told.get("Conditions", [])) else None,
        is_fixed=any(action.get("Type") == "fixed-response" for action in actions),
    )


def _matches_everything(conditions: Sequence[Any]) -> bool:
    if len(conditions) != 1 or conditions[0].get("Field") != "path-pattern":
        return False
    values = conditions[0].get("Values") or conditions[0].get("PathPatternConfig", {}).get("Values")
    return list(values or ()) == [EVERYTHING]
