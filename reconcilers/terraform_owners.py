"""Whether a terraform plan touches what the file itself pins: two owners would undo each other for ever."""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from desired_state.model import Database, Dns, Environment, Maintenance, Service, Strategy
from reconcilers.terraform_plan import PlannedChange

_TAGS: Final = ("tags", "tags_all")
_NO_PART_OF_A_RECORD: Final = ("allow_overwrite", "fqdn", "id", "timeouts")
_VALUE: Final = ("secret_binary", "secret_string", "secret_string_wo_version", "version_stages")
_ADOPTS: Final = {("import",), ("move",), ("forget",)}  # only the state changes


@dataclass(frozen=True)
class Contest:
    """A change of a plan that the file decides, too."""

    address: str  # of terraform's resource
    pinned_by: str  # the key in the file, such as services.api
    what: str  # what the plan does: "changes task_definition of aws_ecs_service.api"
    mend: str  # the next thing to do


def contests(environment: Environment, changes: Iterable[PlannedChange]) -> tuple[Contest, ...]:
    """Every change that touches what this file pins. Pure.

    A change is told by its facts: where terraform does not know yet which thing in AWS it means, it makes that one.
    """
    return tuple(found for change in changes for found in _JUDGES.get(change.type, _nobody)(environment, change))


def _nobody(_: Environment, __: PlannedChange) -> Iterator[Contest]:
    yield from ()


def _service(environment: Environment, change: PlannedChange) -> Iterator[Contest]:
    for name, service in environment.services.items():
        if change.replaces or not _is_service(environment, service, change):
            continue  # whether it may be made anew, `apply` says
        if change.destroys:
            yield _destroyed(change, f"services.{name}")
        elif fields := [field for field in change.changed_fields if field in _pinned(service)]:
            yield _changed(change, f"services.{name}", fields)


def _is_service(environment: Environment, service: Service, change: PlannedChange) -> bool:
    if change.facts.get("name") != service.service:
        return False
    if cluster := _last(change, "cluster"):
        return cluster == service.cluster
    return sum(each.service == service.service for each in environment.services.values()) == 1


def _pinned(service: Service) -> Iterator[str]:
    if service.task_revision or service.image_tag or service.env:
        yield "task_definition"
    if service.desired_count is not None:
        yield "desired_count"
    if service.desired_count == 0:
        yield from _TAGS  # trueup keeps the count there that it replaced


def _scaling(environment: Environment, change: PlannedChange) -> Iterator[Contest]:
    for name, service in environment.services.items():
        is_it = change.facts.get("resource_id") == f"service/{service.cluster}/{service.service}"
        if is_it and service.desired_count == 0 and "suspended_state" in _updated(change):
            yield _changed(change, f"services.{name}", ["suspended_state"])


def _secret_value(environment: Environment, change: PlannedChange) -> Iterator[Contest]:
    if change.actions in _ADOPTS:
        return
    for name, database in environment.databases.items():
        if not _pins_secret(database) or not _is_secret(database, change):
            continue
        if fields := list(_values(change)):
            yield _changed(change, f"databases.{name}", fields)
        else:
            verb = "writes" if "create" in change.actions else "removes" if change.destroys else "changes"
            what = f"{verb} a value of the secret {database.secret}, by {change.address}"
            mend = f"{_given_up(change)}, or take the pin out of the file"
            yield Contest(change.address, f"databases.{name}", what, mend)


def _values(change: PlannedChange) -> Iterator[str]:
    for field in change.changed_fields:
        # Of a version that is made anew, its stages are known only later: they are not the cause.
        if field in _VALUE and not (change.replaces and field == "version_stages"):
            yield field


def _secret(environment: Environment, change: PlannedChange) -> Iterator[Contest]:
    for name, database in environment.databases.items():
        if change.destroys and _pins_secret(database) and change.facts.get("name") == database.secret:
            yield _destroyed(change, f"databases.{name}")


def _pins_secret(database: Database) -> bool:
    return bool(database.endpoint or database.restore or database.secret_version)


def _is_secret(database: Database, change: PlannedChange) -> bool:
    named = str(change.facts.get("secret_id", ""))
    _, is_arn, name = named.partition(":secret:")
    if not is_arn:
        return named == database.secret
    # AWS puts six characters of its own at the end of an ARN; it takes one without them, too.
    return re.fullmatch(f"{re.escape(database.secret)}(-[A-Za-z0-9]{{6}})?", name) is not None


def _instance(environment: Environment, change: PlannedChange) -> Iterator[Contest]:
    for name, database in environment.databases.items():
        restored = database.restore.instance if database.restore else None
        if change.facts.get("identifier", "") not in (restored, _instance_of(database)):
            continue
        # Another identifier is another endpoint. trueup marks by tags what it restored.
        ours = ("identifier", *_TAGS) if restored else ("identifier",)
        if change.destroys:
            yield _destroyed(change, f"databases.{name}")
        elif "create" in change.actions:
            mend = "it would be empty: import the instance if it is there, else write restore into the file"
            yield Contest(change.address, f"databases.{name}", f"creates {change.address}", mend)
        elif fields := [field for field in change.changed_fields if field in ours]:
            yield _changed(change, f"databases.{name}", fields)


def _instance_of(database: Database) -> str | None:
    """The instance that an endpoint of RDS belongs to; None for any other name."""
    host = database.endpoint.host.lower() if database.endpoint else ""
    return host.partition(".")[0] if re.fullmatch(r"[^.]+\.[^.]+\.[^.]+\.rds\.amazonaws\.com(\.cn)?", host) else None


def _record(environment: Environment, change: PlannedChange) -> Iterator[Contest]:
    for name, database in environment.databases.items():
        if database.dns is None or not _is_record(database.dns, change):
            continue
        if change.destroys:
            yield _destroyed(change, f"databases.{name}.dns")
        elif fields := [field for field in change.changed_fields if _is_led(database.dns, field)]:
            yield _changed(change, f"databases.{name}.dns", fields)


def _is_record(dns: Dns, change: PlannedChange) -> bool:
    zone = _last(change, "zone_id")
    elsewhere = zone and "." not in dns.zone and zone != dns.zone  # a public and a private zone share their names
    return str(change.facts.get("name", "")).lower().rstrip(".") == dns.record and not elsewhere


def _is_led(dns: Dns, field: str) -> bool:
    """Whether this part of a record is pinned: all of where it leads, and how long it is remembered if that is said."""
    return field not in _NO_PART_OF_A_RECORD and (field != "ttl" or dns.ttl is not None)


def _listener(environment: Environment, change: PlannedChange) -> Iterator[Contest]:
    maintenance = environment.maintenance
    if maintenance is None or not _is_listener(maintenance, change):
        return
    if change.destroys and maintenance.enabled:
        yield _destroyed(change, "maintenance")
    elif fields := [field for field in _updated(change) if field in _shown(maintenance, change)]:
        yield _changed(change, "maintenance", fields)


def _shown(maintenance: Maintenance, change: PlannedChange) -> Iterator[str]:
    if maintenance.strategy is Strategy.DEFAULT_ACTION:
        yield "default_action"
    if change.facts.get("trueups"):
        yield from _TAGS  # they tell that the page is trueup's, and what it returns to


def _is_listener(maintenance: Maintenance, change: PlannedChange) -> bool:
    if maintenance.listener_arn is not None:
        return change.facts.get("arn") == maintenance.listener_arn
    balancer = re.search(r":loadbalancer/app/([^/]+)/", str(change.facts.get("load_balancer_arn", "")))
    named = balancer is not None and balancer[1] == maintenance.load_balancer
    return named and change.facts.get("port") == maintenance.port


def _rule(_: Environment, change: PlannedChange) -> Iterator[Contest]:
    if change.facts.get("trueups") and change.actions not in _ADOPTS:
        mend = f"{_given_up(change)}: trueup makes and removes it"
        yield Contest(change.address, "maintenance", f"touches the rule of trueup's own page, {change.address}", mend)


_JUDGES: Final[Mapping[str, Callable[[Environment, PlannedChange], Iterator[Contest]]]] = {
    "aws_alb_listener": _listener,
    "aws_alb_listener_rule": _rule,
    "aws_appautoscaling_target": _scaling,
    "aws_db_instance": _instance,
    "aws_ecs_service": _service,
    "aws_lb_listener": _listener,
    "aws_lb_listener_rule": _rule,
    "aws_route53_record": _record,
    "aws_secretsmanager_secret": _secret,
    "aws_secretsmanager_secret_version": _secret_value,
}


def _changed(change: PlannedChange, key: str, fields: Iterable[str]) -> Contest:
    listed = ", ".join(sorted(fields))
    block = re.sub(r'\[(\d+|"([^"\\]|\\.)*")\]$', "", change.address)  # for_each and count have one block for all
    mend = f"write lifecycle {{ ignore_changes = [{listed}] }} into {block}, or take the pin out of the file"
    return Contest(change.address, key, f"changes {listed} of {change.address}", mend)


def _destroyed(change: PlannedChange, key: str) -> Contest:
    mend = "pin a commit that keeps it, or take it out of this file first"
    return Contest(change.address, key, f"destroys {change.address}", mend)


def _given_up(change: PlannedChange) -> str:
    """What to do so that terraform owns it no more: in the configuration, the state or both, wherever it is now."""
    state = f"run terraform state rm {shlex.quote(change.address)}"
    configuration = "take it out of the configuration"
    if change.actions == ("create",):
        return configuration
    return state if change.actions == ("delete",) else f"{configuration} and {state}"


def _updated(change: PlannedChange) -> tuple[str, ...]:
    """What changes in place."""
    return () if change.destroys else change.changed_fields


def _last(change: PlannedChange, fact: str) -> str:
    """A name, also where it stands at the end of an ARN."""
    return str(change.facts.get(fact, "")).rpartition("/")[2]
