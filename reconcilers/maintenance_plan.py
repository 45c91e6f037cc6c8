"""What is live of an environment's maintenance, and what must change about it: decided from values alone. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from desired_state.model import Maintenance
from reconcilers.contract import Advice, Change, Drift, Observation
from reconcilers.listener_records import Listener, Page, Shown

_LOWEST: Final = 50_000  # AWS counts priorities from 1, the first, to this one, the last
_RULES_ALLOWED: Final = 100  # of a load balancer, unless the quota was raised


@dataclass(frozen=True)
class MaintenancePin:
    """What a file says of maintenance: nothing, where it has no such section."""

    environment: str
    commit: str
    section: Maintenance | None
    former: tuple[str, ...] = ()  # names that this file's environment had before

    @property
    def key(self) -> tuple[object, ...]:
        """What decides which pages are asked for and which are left over: the same from commit to commit, mostly."""
        return (self.environment, self.former, self.section)


@dataclass(frozen=True, kw_only=True)
class LiveMaintenance(Observation):
    """The maintenance of an environment that is live, where the file wants it and anywhere else."""

    enabled: bool = False
    listener: str = ""  # the ARN of the pinned listener
    shown: Shown | None = None  # what is live there, in the pinned way
    priority: int = 0  # what our rule there must be numbered to come before every other rule; 0: no number is free
    target_group: str = ""  # the ARN of the pinned target group
    strays: tuple[Shown, ...] = ()  # what no file asks for


@dataclass(frozen=True, kw_only=True)
class EnterMaintenance(Change):
    """CreateRule with our tags; ModifyRule and SetRulePriorities on that rule. Or AddTags, then ModifyListener."""

    actions: ClassVar[tuple[str, ...]] = (
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateRule",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:ModifyRule",
        "elasticloadbalancing:SetRulePriorities",
    )

    listener: str
    page: Page
    shown: Shown | None  # what is live already
    priority: int = 0  # of the rule
    target_group: str = ""  # what the default action returns to, its ARN; "": a rule is wanted

    @property
    def asks(self) -> tuple[str, ...]:
        """With its place: what AWS refused at one priority says nothing about the next one that is free."""
        place = self.target_group or f"priority {self.priority}"
        return (*super().asks, self.listener, place, self.page.digest)


@dataclass(frozen=True, kw_only=True)
class LeaveMaintenance(Change):
    """DeleteRule, of our own rule only. Or ModifyListener back to the target group, then RemoveTags."""

    actions: ClassVar[tuple[str, ...]] = (
        "elasticloadbalancing:DeleteRule",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:RemoveTags",
    )

    shown: Shown

    @property
    def asks(self) -> tuple[str, ...]:
        """With the rule, or the listener for its default action."""
        return (*super().asks, self.shown.rule or self.shown.listener)


def to_enter(desired: MaintenancePin, live: LiveMaintenance) -> Iterator[EnterMaintenance]:
    """What shows the pinned page at the pinned listener, where the file asks for it and it is not there."""
    section, shown = desired.section, live.shown
    if section is None or not section.enabled:
        return
    page, drifts = Page.pinned(section), list[Drift]()
    if shown is None:
        drifts.append(Drift("enabled", live="off", desired="on"))
    elif shown.page != page:
        drifts.append(Drift("response", live=str(shown.page or "something else"), desired=str(page)))
    if shown and shown.priority != live.priority:
        drifts.append(Drift("priority", live=str(shown.priority), desired=str(live.priority or "none is free")))
    if drifts or (shown and shown.former):  # the page of a former name is tagged anew
        yield EnterMaintenance(
            drifts=tuple(drifts),
            listener=live.listener,
            page=page,
            shown=shown,
            priority=live.priority,
            target_group=live.target_group,
        )


def to_leave(desired: MaintenancePin, live: LiveMaintenance) -> Iterator[LeaveMaintenance]:
    """What takes away every page that the file does not ask for, and tags that such a page left behind."""
    wanted = desired.section is not None and desired.section.enabled
    unwanted = (live.shown,) if live.shown and not wanted else ()
    for shown in (*unwanted, *live.strays):
        place = f"rule {shown.rule}" if shown.rule else f"default action of {shown.listener}"
        is_live = shown.rule or shown.page
        drift = Drift("enabled", live=f"on ({place})", desired="off")
        yield LeaveMaintenance(drifts=(drift,) if is_live else (), shown=shown)


def by_rule(section: Maintenance, listener: Listener, ours: tuple[Shown, ...]) -> LiveMaintenance:
    """What is live at a listener whose maintenance is a rule of our own, numbered below every other rule."""
    own = sorted((shown for shown in ours if shown.rule and not shown.former), key=lambda shown: shown.priority)
    taken = {rule.priority for rule in listener.rules}
    first = min(taken - {shown.priority for shown in ours if shown.rule}, default=_LOWEST + 1)
    if own and own[0].priority < first:
        priority = own[0].priority
    else:
        priority = next((number for number in range(first - 1, 0, -1) if number not in taken), 0)
    obstacle = "" if priority else _no_number(listener, first)
    return LiveMaintenance(
        listener=listener.arn,
        shown=own[0] if own else None,
        priority=priority,
        blocked=obstacle if section.enabled else "",
        advice=() if section.enabled or own else _impossible(obstacle or _crowded(listener)),
        strays=tuple(shown for shown in ours if shown not in own[:1]),
    )


def _no_number(listener: Listener, first: int) -> str:
    holder = next(rule.arn for rule in listener.rules if rule.priority == first)
    return f"no priority is free before the rule {holder} (priority {first}): give that rule a larger number"


def _crowded(listener: Listener) -> str:
    if len(listener.rules) < _RULES_ALLOWED:
        return ""
    return f"listener {listener.arn} has {len(listener.rules)} rules, and AWS may allow no more: remove one"


def by_default(section: Maintenance, listener: Listener, ours: tuple[Shown, ...], target_group: str) -> LiveMaintenance:
    """What is live at a listener whose maintenance takes the place of its default action."""
    tagged = next((shown for shown in ours if not shown.rule), None)
    shown: Shown | None = None
    if listener.page == Page.pinned(section) or (tagged and tagged.page):
        former = tagged is not None and tagged.former
        shown = Shown(listener.arn, listener.page, target_group=target_group, former=former)
    obstacle = ""
    if not shown and listener.forwards_to != target_group:
        does = f"forwards to {listener.forwards_to}" if listener.forwards_to else f"is {listener.default}"
        obstacle = (
            f"the default action of listener {listener.arn} {does}, neither a plain forward to {section.target_group} "
            "nor a page of trueup: restore that forward by hand, or use strategy: rule"
        )
    # A fixed response that is not ours may be maintenance that somebody began by hand: it cannot be ended here.
    blocked = obstacle if section.enabled or listener.page else ""
    strays = tuple(each for each in ours if each.rule or not (each.page or section.enabled))
    return LiveMaintenance(
        listener=listener.arn,
        shown=shown,
        target_group=target_group,
        blocked=blocked,
        advice=() if blocked else _impossible(obstacle),
        strays=strays,
    )


def _impossible(obstacle: str) -> tuple[Advice, ...]:
    message = f"maintenance could not be entered: {obstacle}"
    return (Advice("maintenance_not_possible", message),) if obstacle else ()
