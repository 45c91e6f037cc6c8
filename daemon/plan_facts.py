"""What a plan says, before anybody decides how it looks."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

import yaml

from daemon.plain import one_line
from daemon.refusals import PLANNED
from daemon.status import EnvironmentStatus, ResourceStatus
from desired_state.model import Endpoint, Environment
from desired_state.model import Restore as Restored
from desired_state.parse import Problem
from desired_state.values import FrozenMap
from reconcilers.contract import Advice, Change, Condition, Drift
from reconcilers.infrastructure import ApplyTerraform
from reconcilers.rds_changes import KeepBackups, Restore
from reconcilers.restoring import span
from reconcilers.terraform import Check

_RESTART, _QUIESCE = "restart_follows", "quiesced"
_FIRST_COMMIT = (
    "no earlier version of the file pins a commit here, so a revert takes nothing of this back; "
    "for a revert to lead back, first pin the commit that was applied last"
)
_LONGEST = 300  # characters of one value
NOTE = 4000  # characters of what a person is told besides
_WRONG = (Condition.STALLED, Condition.RETRYING)
# What nobody records but the file. Tags, env, a count of 0 and maintenance find their way back by themselves.
_ONLY_IN_THE_FILE = {"service": {"task_revision", "desired_count"}, "database": {"endpoint", "secret_version"}}


@dataclass(frozen=True)
class Row:
    """A field that would change; no field where a step only prepares or tidies up."""

    verb: str
    field: str = ""
    live: str = ""
    desired: str = ""
    effect: str = ""  # what it takes away from users the moment it is made, or what no revert takes back
    later: bool = False  # it follows once the others are done
    takes: str = ""  # how long, where that is known
    sign: str = ""  # of a diff, where it is not one value that goes and another that comes


def annotated(
    status: EnvironmentStatus,
    now: Environment,
    before: Environment | None,
    took: Mapping[str, float] = FrozenMap({}),
) -> EnvironmentStatus:
    """The status, which also says what the file itself should tell its reader.

    Where a tag or variables override a revision that it pins; where a pin is the first of its kind (`before` is what
    the file said earlier, None where it said nothing); and what the change of a database will restart. `took`: how
    many seconds the last rollout of a service took, by its name, where that is known.
    """
    moved = {each.name: each for each in status.resources if each.kind == "database" and writes_secret(each)}
    pending = {each.name for each in status.resources if each.kind == "infrastructure" and each.drifts}
    resources = []
    for resource in status.resources:
        more = (
            *_overrides(resource, now),
            *_first_pins(resource, now, before),
            *_restarts(resource, now, moved, took.get(resource.name)),
            *_waits(resource, now, pending),
            *_counts(resource),
        )
        resources.append(replace(resource, advice=(*resource.advice, *more)))
    return replace(status, resources=tuple(resources))


def writes_secret(resource: ResourceStatus) -> bool:
    """Whether the secret of a database would change."""
    return not is_wrong(resource) and any(drift.field in ("endpoint", "secret_version") for drift in resource.drifts)


def _moves(resource: ResourceStatus) -> bool:
    """Whether it would name another host."""
    moved = [drift for drift in resource.drifts if drift.field == "endpoint"]
    return any(_host(drift.live) != _host(drift.desired) for drift in moved)


def _host(address: str) -> str:
    return address.partition(":")[0]


def rows(resource: ResourceStatus) -> Iterator[Row]:
    """What would change, in the order of the pass. Steps that only prepare or tidy up go without saying."""
    for change in resource.changes:
        verb = change.verb.replace("_", " ")
        if not change.drifts and not resource.drifts:
            yield Row(verb)
        for drift in change.drifts:
            live, desired = one_line(drift.live, _LONGEST), one_line(drift.desired, _LONGEST)
            field = one_line(drift.field, _LONGEST)
            sign = _sign(change, drift)
            yield Row(verb, field, live, desired, effect(change, drift), takes=takes(change), sign=sign)
    for step in () if is_wrong(resource) else resource.ahead:
        drift = step.drift
        live, desired = one_line(drift.live, _LONGEST), one_line(drift.desired, _LONGEST)
        verb, field = step.verb.replace("_", " "), one_line(drift.field, _LONGEST)
        yield Row(verb, field, live, desired, later=True, takes=step.takes)


def takes(change: Change) -> str:
    """How long a change took the last time, where that is known."""
    return change.takes if isinstance(change, Restore) else ""


def effect(change: Change, drift: Drift) -> str:
    """What a change takes away from users the moment it is made, or what no revert takes back."""
    if isinstance(change, Restore):
        since = f"{change.data.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
        return f"LOSES what was written since {since}; STAYS after a revert, and costs money until it is deleted"
    if change.verb == "publish" and drift.field == "endpoint" and _host(drift.live) != _host(drift.desired):
        return f"LEAVES BEHIND what was written to {_host(drift.live)}"
    if isinstance(change, KeepBackups) and drift.live == "0 days":
        return "OUTAGE: RDS restarts the database to begin with backups"
    if isinstance(change, ApplyTerraform):
        return _destroys(change.check, drift)
    if drift.field == "desired_count" and drift.desired == "0":
        return "SHUTDOWN: stops every task"
    if change.verb == "enter_maintenance" and drift.field == "enabled":
        return "MAINTENANCE: every request gets the page"
    return ""


def _destroys(check: Check, drift: Drift) -> str:
    """Said once for all that is destroyed, at the first of it."""
    gone = [change.address for change in check.changes if change.destroys]
    if not gone or drift.field != gone[0]:
        return ""
    return f"DESTROYS {_counted(len(gone), 'resource')}: no revert brings back what was there"


def _sign(change: Change, drift: Drift) -> str:
    """As a diff marks what terraform does: + - or ! for a change. Empty for anything else than terraform."""
    if not isinstance(change, ApplyTerraform):
        return ""
    signs = {each.address: each.sign for each in change.check.changes}
    return {"+": "+", "-": "-", "±": "-"}.get(signs.get(drift.field, ""), "!")


def is_wrong(resource: ResourceStatus) -> bool:
    """Whether a pass would end in an error."""
    return resource.condition in _WRONG


def reason(status: EnvironmentStatus, resource: ResourceStatus) -> str:
    """Why a pass would not make the changes, or what it waits for; empty where the changes say it all."""
    planned = resource.changes and not is_wrong(resource) and resource.reason == PLANNED
    return "" if planned else one_line(resource.reason)


def notes(resource: ResourceStatus) -> list[str]:
    """What a person should know besides; what the reason says already is said once."""
    return [advice.message for advice in resource.advice if advice.message not in resource.reason]


def mode_note(status: EnvironmentStatus) -> str:
    """What a mode other than enforce means for the plan."""
    notes = {
        "observe": "mode is observe: a pass reports this and writes nothing",
        "suspended": "mode is suspended: nothing was read or compared",
    }
    return notes.get(status.mode, "")


def about(status: EnvironmentStatus) -> str:
    """Which file, and of which commit."""
    at = f" at {status.commit[:12]}" if status.commit else ""
    return one_line(status.file) + at


def quiet(status: EnvironmentStatus) -> list[str]:
    """What is in sync, and stays so."""
    return [
        called(each)
        for each in status.resources
        if each.condition is Condition.IN_SYNC
        and not any(advice.type in (_RESTART, _QUIESCE) for advice in each.advice)
    ]


def called(resource: ResourceStatus) -> str:
    """What people call a resource; every environment has one maintenance at most."""
    return resource.kind if resource.kind == resource.name else f"{resource.kind} {resource.name}"


def closing(statuses: Sequence[EnvironmentStatus], problems: Sequence[Problem]) -> str:
    """The whole plan in one line."""
    resources = [(status, resource) for status in statuses for resource in status.resources]
    changing = [resource for status, resource in resources if resource.drifts and will_change(status, resource)]
    changes = sum(1 for resource in changing for change in resource.changes if change.drifts)
    wrong = sum(1 for _, resource in resources if is_wrong(resource))
    moving = sum(1 for _, resource in resources if resource.drifts and resource.condition is Condition.PROGRESSING)
    held = sum(1 for _, resource in resources if resource.drifts and not is_wrong(resource)) - len(changing) - moving
    suspended = sum(1 for status in statuses if status.mode == "suspended")
    parts = [f"{_counted(changes, 'change')} in {_counted(len(changing), 'resource')}" if changes else "no changes"]
    later = sum(len(resource.ahead) for _, resource in resources if not is_wrong(resource))
    parts += [f"{_counted(later, 'step')} to follow"] if later else []
    parts += [f"{_counted(moving, 'resource')} in progress"] if moving else []
    parts += [f"{_counted(held, 'resource')} held back"] if held else []
    parts += [f"{_counted(wrong, 'resource')} in error"] if wrong else []
    parts += [f"{_counted(suspended, 'environment')} suspended and not compared"] if suspended else []
    parts += [_counted(len(problems), "problem")] if problems else []
    parts += ["no environment was found"] if not statuses and not problems else []
    return f"Plan: {', '.join(parts)}; nothing was written."


def will_change(status: EnvironmentStatus, resource: ResourceStatus) -> bool:
    """Whether a pass would make the changes, and not only report what differs."""
    return status.mode == "enforce" and not is_wrong(resource) and resource.reason == PLANNED


def _overrides(resource: ResourceStatus, now: Environment) -> Iterator[Advice]:
    service = now.services.get(resource.name) if resource.kind == "service" else None
    if service is None or service.task_revision is None or is_wrong(resource):
        return
    laid = ["image_tag"] if service.image_tag else []
    laid += [f"env.{name}" for name in sorted(service.env)]
    if laid:
        override = "overrides" if len(laid) == 1 else "override"
        message = f"task_revision {service.task_revision} is only the base: {', '.join(laid)} {override} what it says"
        yield Advice("revision_overridden", message)


def _first_pins(resource: ResourceStatus, now: Environment, before: Environment | None) -> Iterator[Advice]:
    """What a revert cannot restore, since no earlier version of the file says what is live."""
    if resource.kind == "database" and (message := _first_name(resource, now, before)):
        yield Advice("first_pin", message)
    if _is_first_commit(resource, before):
        yield Advice("first_pin", _FIRST_COMMIT)
    for drift in resource.drifts:
        only_here = drift.field in _ONLY_IN_THE_FILE.get(resource.kind, ()) and drift.desired != "0"
        if only_here and _is_first(resource, drift.field, now, before):
            line = f"{resource.kind}s.{resource.name}.{drift.field}: {one_line(drift.live, _LONGEST)}"
            message = f"no earlier version of the file pins this; for a revert to lead back, first commit {line}"
            yield Advice("first_pin", message)


def _is_first_commit(resource: ResourceStatus, before: Environment | None) -> bool:
    """Whether something was applied before, at a commit that no version of the file says."""
    check = resource.infrastructure.check if resource.infrastructure else None
    pinned = before is not None and resource.name in before.infrastructure
    return check is not None and check.differs and bool(check.lineage) and not pinned


def _first_name(resource: ResourceStatus, now: Environment, before: Environment | None) -> str:
    """What to commit first, where a name is led for the first time."""
    dns, earlier = now.databases[resource.name].dns, before.databases.get(resource.name) if before else None
    moved = [drift for drift in resource.drifts if drift.field.startswith("dns ")]
    if not dns or not moved or (earlier and earlier.dns):
        return ""
    return (
        f"no earlier version of the file leads {dns.record}; for a revert to lead it back, first commit dns with "
        f"the endpoint that it leads to now: {one_line(moved[0].live, _LONGEST)}"
    )


def _is_first(resource: ResourceStatus, field: str, now: Environment, before: Environment | None) -> bool:
    earlier, pinned = _pin(resource, field, before), _pin(resource, field, now)
    if isinstance(earlier, Endpoint) and isinstance(pinned, Endpoint):
        return earlier.port is None and pinned.port is not None  # without a port the file does not say which
    return earlier is None


def _pin(resource: ResourceStatus, field: str, file: Environment | None) -> object:
    entries = {"service": file.services, "database": file.databases}[resource.kind] if file else {}
    entry = entries.get(resource.name)
    if field == "endpoint":  # a restore says it as well
        return getattr(entry, "endpoint", None) or getattr(entry, "restore", None)
    return getattr(entry, field, None)


def _restarts(
    resource: ResourceStatus, now: Environment, moved: Mapping[str, ResourceStatus], took: float | None
) -> Iterator[Advice]:
    service = now.services.get(resource.name) if resource.kind == "service" else None
    for name in service.databases if service else ():
        if name in moved:
            how_long = f"; the last rollout took {span(took)}" if took is not None else ""
            message = f"all its tasks are replaced once the secret of database {name} has changed{how_long}"
            yield Advice(_RESTART, message)
    for name, database in moved.items():
        quiesced = resource.kind == "service" and resource.name in now.databases[name].quiesce
        if quiesced and _moves(database):
            message = f"its tasks stop once the new database is ready, and come back when the secret of {name} names it"
            yield Advice(_QUIESCE, message)


def _waits(resource: ResourceStatus, now: Environment, pending: Collection[str]) -> Iterator[Advice]:
    service = now.services.get(resource.name) if resource.kind == "service" and resource.drifts else None
    held = [name for name in service.needs if name in pending] if service and service.desired_count != 0 else []
    if held:
        yield Advice("waits", f"waits until infrastructure {', '.join(held)} has settled")


def _counts(resource: ResourceStatus) -> Iterator[Advice]:
    check = resource.infrastructure.check if resource.infrastructure else None
    if check is not None and check.differs:
        counts = f"{check.add} to add, {check.change} to change, {check.destroy} to destroy"
        yield Advice("terraform_plan", f"terraform plan: {counts}")


def settings(resource: ResourceStatus) -> str:
    """What `like` comes to, in the words of the file: to be committed in its place, in advance. Empty: nothing."""
    for change in resource.changes:
        if isinstance(change, Restore) and not is_wrong(resource):
            known = {key: value for key, value in change.values.items() if key in Restored.model_fields}
            plain = {key: dict(each) if isinstance(each, Mapping) else each for key, each in known.items()}
            listed = {key: list(each) if isinstance(each, tuple) else each for key, each in plain.items()}
            return yaml.safe_dump({"restore": listed}, sort_keys=False, width=200, default_flow_style=None)
    return ""


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
