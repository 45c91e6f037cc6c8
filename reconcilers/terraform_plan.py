"""What a terraform plan would do, without a value that is sensitive, a variable or an output: pure reading."""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from reconcilers.terraform_errors import Failed

_LISTENER: Final = ("arn", "load_balancer_arn", "port")
_RULE: Final = ("listener_arn", "priority")
_PAGES: Final = ("aws_alb_listener", "aws_alb_listener_rule", "aws_lb_listener", "aws_lb_listener_rule")
# What tells which thing in AWS a change is about: the only values that leave a plan, and only where not sensitive.
_FACTS: Final[Mapping[str, tuple[str, ...]]] = {
    "aws_alb_listener": _LISTENER,
    "aws_alb_listener_rule": _RULE,
    "aws_appautoscaling_target": ("service_namespace", "resource_id", "scalable_dimension"),
    "aws_db_instance": ("identifier",),
    "aws_ecs_cluster": ("name",),
    "aws_ecs_service": ("name", "cluster"),
    "aws_lb_listener": _LISTENER,
    "aws_lb_listener_rule": _RULE,
    "aws_route53_record": ("zone_id", "name", "type"),
    "aws_secretsmanager_secret": ("name",),
    "aws_secretsmanager_secret_version": ("secret_id",),
}
Fact = str | int | bool


@dataclass(frozen=True)
class PlannedChange:
    """What a plan does to one resource."""

    address: str
    type: str
    name: str
    actions: tuple[str, ...]  # terraform's words: create, update, delete, forget; move and import where that is all
    changed_fields: tuple[str, ...]  # its top attributes that change or may change, sorted; empty if not an update
    facts: Mapping[str, Fact] = field(default_factory=dict)  # which thing in AWS it is, as it is now
    imported_as: str = ""  # the id under which it is taken into the state
    tainted: bool = False  # it is made anew since its creation has failed, or since somebody asked for that

    @property
    def destroys(self) -> bool:
        """Whether the resource that is there now is destroyed, also where another one follows."""
        return "delete" in self.actions

    @property
    def sign(self) -> str:
        """As terraform marks it: + created, - destroyed, ± made anew, ~ anything else."""
        if self.destroys:
            return "±" if self.replaces else "-"
        return "+" if "create" in self.actions else "~"

    @property
    def replaces(self) -> bool:
        """Whether it is destroyed and made anew."""
        return self.destroys and "create" in self.actions


@dataclass(frozen=True)
class Check:
    """What one look at a stack came to. Nothing in it is secret, except what is in the file of the plan."""

    at: datetime
    version: str  # of terraform
    differs: bool  # there is something to apply
    changes: tuple[PlannedChange, ...]
    outputs_changed: bool
    drifted: tuple[str, ...]  # the addresses that somebody else changed since terraform last looked
    warnings: tuple[str, ...]
    serial: int | None  # of the state; None where it cannot be told
    lineage: str  # of the state; empty where there is none yet
    plan: Path
    digest: str  # sha256 of that file

    @property
    def add(self) -> int:
        """How many are created, as terraform counts: a replacement is one, too."""
        return sum("create" in change.actions for change in self.changes)

    @property
    def change(self) -> int:
        """How many are changed in place."""
        return sum("update" in change.actions for change in self.changes)

    @property
    def destroy(self) -> int:
        """How many are destroyed, as terraform counts: a replacement is one, too."""
        return sum(change.destroys for change in self.changes)

    @property
    def replace(self) -> int:
        """How many of those are replacements."""
        return sum(change.replaces for change in self.changes)


@dataclass(frozen=True)
class Plan:
    """What `terraform show -json` says of a plan."""

    changes: tuple[PlannedChange, ...]
    outputs_changed: bool
    drifted: tuple[str, ...]
    known: frozenset[str] = frozenset()  # what the configuration and the state have: addresses without any index


def read_plan(shown: bytes) -> Plan:
    """Read it. Failed: it is in no form that is known."""
    try:
        told = json.loads(shown)
        changes = tuple(_changes(told.get("resource_changes", [])))
        outputs = [output["actions"] for output in told.get("output_changes", {}).values()]
        drifted = [_changes([one]) for one in told.get("resource_drift", [])]
        addresses = tuple(change.address for some in drifted for change in some if change.actions != ("move",))
        known = {*_written(told.get("configuration", {}).get("root_module", {}), "")}
        known |= {*_kept(told.get("prior_state", {}).get("values", {}).get("root_module", {}))}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failed("the plan is in a form that is not known: install terraform 1.5 or newer, or tofu") from None
    return Plan(changes, any(actions != ["no-op"] for actions in outputs), addresses, frozenset(known))


def bare(address: str) -> str:
    """An address without any index: as it stands in the configuration."""
    return re.sub(r'\[(?:"[^"]*"|[0-9]+)\]', "", address)


def _written(module: Mapping[str, Any], within: str) -> Iterator[str]:
    """The addresses of a module of the configuration, and of all modules in it."""
    for resource in module.get("resources", []):
        yield within + resource["address"]
    for name, call in module.get("module_calls", {}).items():
        yield f"{within}module.{name}"
        yield from _written(call.get("module", {}), f"{within}module.{name}.")


def _kept(module: Mapping[str, Any]) -> Iterator[str]:
    """The same of a module of the state."""
    for resource in module.get("resources", []):
        yield bare(resource["address"])
    for child in module.get("child_modules", []):
        yield bare(child.get("address", ""))
        yield from _kept(child)


def state_in(plan: Path) -> tuple[int | None, str]:
    """The serial and the lineage of the state that a plan was made of; None and empty where they cannot be told."""
    try:
        with zipfile.ZipFile(plan) as opened:
            state = json.loads(opened.read("tfstate"))
        return state["serial"], state["lineage"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None, ""


def _changes(told: list[dict[str, Any]]) -> Iterator[PlannedChange]:
    for resource in told:
        change = resource["change"]
        actions = tuple(change["actions"])
        if actions == ("no-op",):
            actions = ("import",) if "importing" in change else ("move",) if "previous_address" in resource else ()
        if resource.get("mode") == "managed" and actions:
            yield PlannedChange(
                address=resource["address"],
                type=resource["type"],
                name=resource["name"],
                actions=actions,
                changed_fields=tuple(_changed(change)) if change["before"] and change["after"] else (),
                facts=MappingProxyType(dict(_facts(resource["type"], change))),
                imported_as=str(change.get("importing", {}).get("id", "")),
                tainted=resource.get("action_reason") == "replace_because_tainted",
            )


def _changed(change: Mapping[str, Any]) -> Iterator[str]:
    before, after, unknown = change["before"], change["after"], change.get("after_unknown") or {}
    for name in sorted({*before, *after, *unknown}):
        if _any(unknown.get(name)) or before.get(name) != after.get(name):
            yield name


def _any(marks: object) -> bool:
    """Whether anything is marked, however deep: terraform mirrors the shape of the value."""
    if isinstance(marks, dict):
        return any(_any(mark) for mark in marks.values())
    if isinstance(marks, list):
        return any(_any(mark) for mark in marks)
    return marks is True


def _facts(kind: str, change: Mapping[str, Any]) -> Iterator[tuple[str, Fact]]:
    side = "before" if change["before"] else "after"
    values, sensitive = change[side] or {}, change.get(f"{side}_sensitive") or {}
    for name in _FACTS.get(kind, ()):
        value = values.get(name)
        is_sensitive = sensitive is True or _any(sensitive.get(name))
        if isinstance(value, Fact) and not is_sensitive:
            yield name, value
    if kind in _PAGES and side == "before" and any(tag.startswith("trueup:") for tag in _tags(values)):
        yield "trueups", True


def _tags(values: Mapping[str, Any]) -> Iterator[str]:
    for name in ("tags", "tags_all"):
        yield from values.get(name) or {}
