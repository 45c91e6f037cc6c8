"""What a plan says, before anybody decides how it looks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from daemon.plain import one_line
from daemon.status import EnvironmentStatus, ResourceStatus
from desired_state.model import Environment, Service
from desired_state.parse import Problem
from reconcilers.contract import Advice, Change, Condition, Drift

NEW_PINS = "A revert restores only what an older commit pins. Where one of these is new, commit what is live first:"

_LONGEST = 300  # characters of one value
_WRONG = (Condition.STALLED, Condition.RETRYING)
# What nobody records but the file. Tags, env, a count of 0 and maintenance find their way back by themselves.
_ONLY_IN_THE_FILE = {"service": {"task_revision", "desired_count"}, "database": {"endpoint"}}


@dataclass(frozen=True)
class Row:
    """A field that would change; no field where a step only prepares or tidies up."""

    verb: str
    field: str = ""
    live: str = ""
    desired: str = ""
    effect: str = ""  # what it takes away from users the moment it is made


def with_overrides(status: EnvironmentStatus, environment: Environment) -> EnvironmentStatus:
    """The status, which also says where a tag or variables of the file override a revision that it pins."""
    resources = (
        replace(resource, advice=(*resource.advice, *_overrides(environment.services[resource.name])))
        if resource.kind == "service" and resource.name in environment.services
        else resource
        for resource in status.resources
    )
    return replace(status, resources=tuple(resources))


def rows(resource: ResourceStatus) -> Iterator[Row]:
    """What would change, in the order of the pass."""
    for change in resource.changes:
        verb = change.verb.replace("_", " ")
        if not change.drifts:
            yield Row(verb)
        for drift in change.drifts:
            live, desired = one_line(drift.live, _LONGEST), one_line(drift.desired, _LONGEST)
            yield Row(verb, one_line(drift.field, _LONGEST), live, desired, effect(change, drift))


def effect(change: Change, drift: Drift) -> str:
    """What a change takes away from users the moment it is made."""
    if drift.field == "desired_count" and drift.desired == "0":
        return "SHUTDOWN: stops every task"
    if change.verb == "enter_maintenance" and drift.field == "enabled":
        return "MAINTENANCE: every request gets the page"
    return ""


def is_wrong(resource: ResourceStatus) -> bool:
    """Whether a pass would end in an error."""
    return resource.condition in _WRONG


def reason(status: EnvironmentStatus, resource: ResourceStatus) -> str:
    """Why a pass would not make the changes, or what it waits for; empty where the changes say it all."""
    would_change = resource.changes and not is_wrong(resource) and resource.reason == "would be changed"
    return "" if would_change else one_line(resource.reason)


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
    """What is in sync."""
    return [called(each) for each in status.resources if each.condition is Condition.IN_SYNC]


def called(resource: ResourceStatus) -> str:
    """What people call a resource; every environment has one maintenance at most."""
    return resource.kind if resource.kind == resource.name else f"{resource.kind} {resource.name}"


def new_pins(status: EnvironmentStatus) -> list[str]:
    """The lines that pin what is live, for every pin that may be new to its file."""
    return [
        f"{resource.kind}s.{resource.name}.{drift.field}: {one_line(drift.live, _LONGEST)}"
        for resource in status.resources
        for drift in resource.drifts
        if drift.field in _ONLY_IN_THE_FILE.get(resource.kind, ()) and drift.desired != "0"
    ]


def closing(statuses: Sequence[EnvironmentStatus], problems: Sequence[Problem]) -> str:
    """The whole plan in one line."""
    resources = [resource for status in statuses for resource in status.resources]
    changing = [resource for resource in resources if resource.drifts]
    changes = sum(1 for resource in changing for change in resource.changes if change.drifts)
    wrong = sum(1 for resource in resources if is_wrong(resource))
    parts = [f"{_counted(changes, 'change')} in {_counted(len(changing), 'resource')}" if changes else "no changes"]
    parts += [f"{_counted(wrong, 'resource')} in error"] if wrong else []
    parts += [_counted(len(problems), "problem")] if problems else []
    parts += ["no environment was found"] if not statuses and not problems else []
    return f"Plan: {', '.join(parts)}; nothing was written."


def _overrides(service: Service) -> Iterator[Advice]:
    laid = ["image_tag"] if service.image_tag else []
    laid += [f"env.{name}" for name in sorted(service.env)]
    if laid and service.task_revision is not None:
        message = f"task_revision {service.task_revision} is only the base: {', '.join(laid)} override what it says"
        yield Advice("revision_overridden", message)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
