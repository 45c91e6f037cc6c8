"""The maintenance page that a load balancer shows instead of the services: entered, corrected, left, and tidied up."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from botocore.exceptions import BotoCoreError, ClientError

from desired_state.model import Maintenance, Strategy
from reconcilers.aws import Connection, sentence
from reconcilers.contract import Absent, Advice, Change, Reconciler
from reconcilers.listener_records import (
    COMMIT,
    ENVIRONMENT,
    EVERYTHING,
    LOOK_AGAIN,
    MAINTENANCE,
    RESPONSE,
    TARGET_GROUP,
    Shown,
    Twice,
)
from reconcilers.listeners import Listeners
from reconcilers.maintenance_plan import (
    EnterMaintenance,
    LeaveMaintenance,
    LiveMaintenance,
    MaintenancePin,
    by_default,
    by_rule,
    to_enter,
    to_leave,
)

if TYPE_CHECKING:
    from mypy_boto3_elbv2.type_defs import TagTypeDef

__all__ = ["EnterMaintenance", "LeaveMaintenance", "LiveMaintenance", "MaintenancePin", "MaintenanceReconciler"]

_EFFECT: Final = 300.0  # seconds after a write in which AWS may not show it yet


class MaintenanceReconciler(Reconciler[MaintenancePin, LiveMaintenance]):
    """Shows the maintenance page exactly where and while the file asks for it."""

    reads: ClassVar[tuple[str, ...]] = (
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroups",
    )

    def __init__(self, connection: Connection, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic`: seconds, for looks that lie apart."""
        self._connection = connection
        self._now = monotonic
        self._listeners = Listeners(connection, monotonic)
        self._searches: dict[str, _Search] = {}  # by environment

    def observe(self, desired: MaintenancePin) -> LiveMaintenance:
        """One DescribeRules; and looks at all listeners for what an older section, or an older name, left behind."""
        live = self._at_pinned_listener(desired, desired.section) if desired.section else LiveMaintenance()
        if not any(to_enter(desired, live)):  # what must be entered does not wait for that look
            live = self._with_strays(desired, live)
        if live.strays and not (desired.section and desired.section.enabled):
            live = replace(live, blocked="")  # what stands against entering must not keep a page up
        shown = [live.shown, *live.strays]
        return self._overdue(desired, replace(live, enabled=any(each and each.page for each in shown)))

    @staticmethod
    def diff(desired: MaintenancePin, live: LiveMaintenance) -> Iterator[Change]:
        """Enter first; what no file asks for goes once the page is where it should be."""
        entering = tuple(to_enter(desired, live))
        return iter(entering or to_leave(desired, live))

    def apply(self, desired: MaintenancePin, change: Change) -> None:
        """Make one change. Stalled: the listener has no room for it."""
        if isinstance(change, LeaveMaintenance):
            self._leave(change.shown)
            self._search(desired).gone.removed(change.shown.listener)
        elif not isinstance(change, EnterMaintenance):
            raise TypeError(f"maintenance knows no {change.verb}")
        elif change.target_group:
            self._replace_default(desired, change)
        elif change.shown is None:
            self._create_rule(desired, change)
        else:
            self._correct_rule(change, change.shown)

    def _at_pinned_listener(self, desired: MaintenancePin, section: Maintenance) -> LiveMaintenance:
        listener = self._listeners.read(self._listeners.arn(section))
        ours = self._listeners.ours(desired.environment, listener, desired.former)
        if section.strategy is Strategy.RULE:
            live = by_rule(section, listener, ours)
        else:
            target_group = self._listeners.target_group(section.target_group or "", listener)
            live = by_default(section, listener, ours, target_group)
        unsure = self._listeners.unsure(listener)
        return replace(live, settling=f"looking again whose page it is that {listener.arn} shows" if unsure else "")

    def _with_strays(self, desired: MaintenancePin, live: LiveMaintenance) -> LiveMaintenance:
        """What is live at the pinned listener, and what is left at any other."""
        search = self._search(desired)
        advice: tuple[Advice, ...] = ()
        if search.due(desired):
            try:
                self._scan(desired, search, live.listener)
            except (ClientError, BotoCoreError, Absent) as error:
                message = f"whether maintenance was left on elsewhere is not known: {sentence(error)}"
                advice = (Advice("maintenance_unknown", message),)
        strays = self._strays(desired, search, live.listener)
        live = replace(live, strays=live.strays + strays, advice=live.advice + advice)
        if live.settling or not (search.vanishing or (search.unsure and not advice)):
            return live
        return replace(live, settling="looking again whether maintenance was left on elsewhere")

    def _search(self, desired: MaintenancePin) -> "_Search":
        return self._searches.setdefault(desired.environment, _Search(self._now))

    def _scan(self, desired: MaintenancePin, search: "_Search", here: str) -> None:
        elsewhere = [listener for listener in self._listeners.scan() if listener.arn != here]
        carrying = {each.arn for each in elsewhere if self._listeners.ours(desired.environment, each, desired.former)}
        search.looked(desired, carrying, unsure=any(map(self._listeners.unsure, elsewhere)))

    def _strays(self, desired: MaintenancePin, search: "_Search", here: str) -> tuple[Shown, ...]:
        strays: list[Shown] = []
        search.vanishing = False
        for arn in sorted(search.carrying - {here}):
            shown = self._strays_at(desired, arn)
            strays += shown
            search.saw(arn, carries=bool(shown))
        return tuple(strays)

    def _strays_at(self, desired: MaintenancePin, arn: str) -> tuple[Shown, ...]:
        try:
            return self._listeners.ours(desired.environment, self._listeners.read(arn), desired.former)
        except Absent:
            return ()

    def _overdue(self, desired: MaintenancePin, live: LiveMaintenance) -> LiveMaintenance:
        until = desired.section.until if desired.section and desired.section.enabled else None
        if until is None or not live.shown or self._connection.now() < until:
            return live
        message = f"forgotten: maintenance was to end at {until.isoformat()}; set enabled: false or a later until"
        return replace(live, overdue=message, advice=(*live.advice, Advice("maintenance_forgotten", message)))

    def _create_rule(self, desired: MaintenancePin, change: EnterMaintenance) -> None:
        tags = {ENVIRONMENT: desired.environment, MAINTENANCE: "rule", COMMIT: desired.commit}
        with self._listeners.changing(change.listener) as elb:
            told = elb.create_rule(
                ListenerArn=change.listener,
                Priority=change.priority,
                Conditions=[{"Field": "path-pattern", "Values": [EVERYTHING]}],
                Actions=[change.page.action],
                Tags=_as_told(tags),
            )
        self._listeners.learn(change.listener, told["Rules"][0]["RuleArn"], tags)

    def _correct_rule(self, change: EnterMaintenance, shown: Shown) -> None:
        with self._listeners.changing(change.listener) as elb:
            if shown.page != change.page:
                elb.modify_rule(
                    RuleArn=shown.rule,
                    Conditions=[{"Field": "path-pattern", "Values": [EVERYTHING]}],
                    Actions=[change.page.action],
                )
            if shown.priority != change.priority:
                elb.set_rule_priorities(RulePriorities=[{"RuleArn": shown.rule, "Priority": change.priority}])

    def _replace_default(self, desired: MaintenancePin, change: EnterMaintenance) -> None:
        replaced = change.shown.page if change.shown else None
        tags = {
            ENVIRONMENT: desired.environment,
            MAINTENANCE: "default_action",
            COMMIT: desired.commit,
            TARGET_GROUP: change.target_group,
            # Either page may be live if we are cut off between the two calls.
            RESPONSE: " ".join(dict.fromkeys(page.digest for page in (change.page, replaced) if page)),
        }
        with self._listeners.changing(change.listener) as elb:
            # Tags first: whatever happens then, what is live is known to be ours.
            elb.add_tags(ResourceArns=[change.listener], Tags=_as_told(tags))
            self._listeners.learn(change.listener, change.listener, tags)
            elb.modify_listener(ListenerArn=change.listener, DefaultActions=[change.page.action])

    def _leave(self, shown: Shown) -> None:
        with self._listeners.changing(shown.listener) as elb:
            if shown.rule:
                elb.delete_rule(RuleArn=shown.rule)
                return
            if shown.page:
                elb.modify_listener(
                    ListenerArn=shown.listener,
                    DefaultActions=[{"Type": "forward", "TargetGroupArn": shown.target_group}],
                )
            elb.remove_tags(
                ResourceArns=[shown.listener], TagKeys=[ENVIRONMENT, MAINTENANCE, COMMIT, TARGET_GROUP, RESPONSE]
            )
            self._listeners.learn(shown.listener, shown.listener, {})


class _Search:
    """The listeners, but the pinned one, that carry maintenance of one environment. Times are monotonic seconds.

    All are looked through for everything new that a file says of maintenance: at once; again while it is not sure whose
    a page is; and once more when every write that was on its way must have shown.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.carrying: set[str] = set()
        self.gone = Twice[str](monotonic)
        self.unsure = False  # a page was seen of which one answer alone says that it is nobody's
        self.vanishing = False  # one look alone did not find what another one had found
        self._now = monotonic
        self._key: tuple[object, ...] = ()
        self._since = self._last = 0.0  # the first look for this, and the last one

    def due(self, desired: MaintenancePin) -> bool:
        """Whether to look through all listeners."""
        age = self._now() - self._last
        late = self._last - self._since < _EFFECT <= self._now() - self._since
        return self._key != desired.key or late or (self.unsure and age >= LOOK_AGAIN)

    def looked(self, desired: MaintenancePin, carrying: set[str], *, unsure: bool) -> None:
        """All listeners were looked through."""
        self._last = self._now()
        if self._key != desired.key:
            self._key, self._since = desired.key, self._last
        self.carrying |= carrying
        self.gone.keep(self.carrying - carrying)
        self.unsure = unsure

    def saw(self, arn: str, *, carries: bool) -> None:
        """One listener was looked at. It counts until two looks have found nothing there."""
        if not carries and not self.gone.missing(arn):
            self.vanishing = True
            return
        self.gone.keep(self.carrying - {arn})
        if not carries:
            self.carrying.discard(arn)


def _as_told(tags: dict[str, str]) -> "list[TagTypeDef]":
    return [{"Key": key, "Value": value} for key, value in tags.items()]
