"""The maintenance page that a load balancer shows instead of the services: entered, corrected, left, and tidied up."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from desired_state.model import Maintenance, Strategy
from reconcilers.aws import Connection, sentence
from reconcilers.contract import Absent, Advice, Change, Reconciler
from reconcilers.listener_records import (
    COMMIT,
    ENVIRONMENT,
    EVERYTHING,
    MAINTENANCE,
    RESPONSE,
    TARGET_GROUP,
    Page,
    Shown,
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


class MaintenanceReconciler(Reconciler[MaintenancePin, LiveMaintenance]):
    """Shows the maintenance page exactly where and while the file asks for it."""

    reads: ClassVar[tuple[str, ...]] = (
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroups",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._listeners = Listeners(connection)
        # By environment: the commit for which all listeners were looked through, and those that carry strays.
        self._scans: dict[str, tuple[str, set[str]]] = {}

    def observe(self, desired: MaintenancePin) -> LiveMaintenance:
        """One DescribeRules, and once for every commit a look at all listeners for what an older one left behind."""
        live = self._at_pinned_listener(desired.environment, desired.section) if desired.section else LiveMaintenance()
        if not any(to_enter(desired, live)):  # what must be entered does not wait for that look
            strays, advice = self._elsewhere(desired, live.listener)
            live = replace(live, strays=live.strays + strays, advice=live.advice + advice)
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
        elif not isinstance(change, EnterMaintenance):
            raise TypeError(f"maintenance knows no {change.verb}")
        elif change.target_group:
            self._replace_default(desired, change)
        elif change.shown is None:
            self._create_rule(desired, change)
        else:
            self._correct_rule(change, change.shown)

    def _at_pinned_listener(self, environment: str, section: Maintenance) -> LiveMaintenance:
        listener = self._listeners.read(self._listeners.arn(section))
        ours = self._listeners.ours(environment, listener)
        if section.strategy is Strategy.RULE:
            return by_rule(section, listener, ours)
        target_group = self._listeners.target_group(section.target_group or "", listener)
        if listener.page and listener.page != Page.pinned(section) and not any(s.page and not s.rule for s in ours):
            ours = self._listeners.ours(environment, listener, fresh=True)  # another process may have entered
        return by_default(section, listener, ours, target_group)

    def _elsewhere(self, desired: MaintenancePin, here: str) -> tuple[tuple[Shown, ...], tuple[Advice, ...]]:
        commit, found = self._scans.get(desired.environment, ("", set[str]()))
        advice: tuple[Advice, ...] = ()
        if commit != desired.commit:
            try:
                found = self._listeners.scan(desired.environment, but=here)
                self._scans[desired.environment] = (desired.commit, found)
            except (ClientError, BotoCoreError, Absent) as error:
                message = f"whether maintenance was left on elsewhere is not known: {sentence(error)}"
                advice = (Advice("maintenance_unknown", message),)
        strays: list[Shown] = []
        for arn in sorted(found - {here}):
            shown = self._strays_at(desired.environment, arn)
            strays += shown
            if not shown:
                found.discard(arn)
        return tuple(strays), advice

    def _strays_at(self, environment: str, arn: str) -> tuple[Shown, ...]:
        try:
            return self._listeners.ours(environment, self._listeners.read(arn))
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
            RESPONSE: " ".join(page.digest for page in (change.page, replaced) if page),
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


def _as_told(tags: dict[str, str]) -> "list[TagTypeDef]":
    return [{"Key": key, "Value": value} for key, value in tags.items()]
