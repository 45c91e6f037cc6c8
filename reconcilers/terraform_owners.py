"""Whether a terraform plan touches what the file itself pins: two owners would undo each other for ever."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from desired_state.model import Database, Environment, Maintenance, Service, Strategy
from reconcilers.terraform_plan import PlannedChange

_TAGS: Final = ("tags", "tags_all")
_RECORD: Final = ("alias", "records", "ttl", "type", "set_identifier")
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
        if is_it and service.desired_count == 0 and "suspended_state" in change.changed_fields:
            yield _changed(change, f"services.{name}", ["suspended_state"])


def _secret_value(environment: Environment, change: PlannedChange) -> Iterator[Contest]:
    if change.actions in _ADOPTS:
        return
    for name, database in environment.databases.items():
        if not _pins_secret(database) or not _is_secret(database, change):
            continue
        fields = [field for field in change.changed_fields if field in _VALUE]
        if fields:
            yield _changed(change, f"databases.{name}", fields)
        elif "create" in change.actions or change.destroys:
            what = f"{'removes' if not change.replaces and change.destroys else 'writes'} a value of {database.secret}"
            mend = f"take {change.address} out with terraform state rm, or the pin out of the file"
            yield Contest(change.address, f"databases.{name}", what, mend)


def _secret(environment: Environment, change: PlannedChange) -> Iterator[Contest]:
    for name, database in environment.databases.items():
        if change.destroys and _pins_secret(database) and change.facts.get("name") == database.secret:
            yield _destroyed(change, f"databases.{name}")


def _pins_secret(database: Database) -> bool:
    return bool(database.endpoint or database.restore or database.secret_version)


def _is_secret(database: Database, change: PlannedChange) -> bool:
    named = str(change.facts.get("secret_id", ""))
    arn = re.fullmatch(r"arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:(.+)-[A-Za-z0-9]{6}", named)
    return database.secret == (arn[1] if arn else named)


def _instance(environment: Environment, change: PlannedChange) -> Iterator[Contest]:
    instance = change.facts.get("identifier")
    for name, database in environment.databases.items():
        restored = database.restore is not None and database.restore.instance == instance
        if not restored and _instance_of(database) != instance:
            continue
        tags = [field for field in change.changed_fields if field in _TAGS]
        if change.destroys:
            yield _destroyed(change, f"databases.{name}")
        elif restored and tags:  # trueup marks there what it restored
            yield _changed(change, f"databases.{name}", tags)


def _instance_of(database: Database) -> str | None:
    """The instance that an endpoint of RDS belongs to; None for any other name."""
    host = database.endpoint.host if database.endpoint else ""
    return host.partition(".")[0] if re.fullmatch(r"[^.]+\.[^.]+\.[^.]+\.rds\.amazonaws\.com(?:\.cn)?", host) else None


def _record(environment: Environment, change: PlannedChange) -> Iterator[Contest]:
    led = str(change.facts.get("name", "")).lower().rstrip(".")
    for name, database in environment.databases.items():
        if database.dns is None or database.dns.record != led:
            continue
        if fields := [field for field in change.changed_fields if field in _RECORD]:
            yield _changed(change, f"databases.{name}.dns", fields)
        elif change.destroys:
            yield _destroyed(change, f"databases.{name}.dns")


def _listener(environment: Environment, change: PlannedChange) -> Iterator[Contest]:
    maintenance = environment.maintenance
    if maintenance is None or not _is_listener(maintenance, change):
        return
    if change.destroys and maintenance.enabled:
        yield _destroyed(change, "maintenance")
    elif maintenance.strategy is Strategy.DEFAULT_ACTION and "default_action" in change.changed_fields:
        yield _changed(change, "maintenance", ["default_action"])


def _is_listener(maintenance: Maintenance, change: PlannedChange) -> bool:
    if maintenance.listener_arn is not None:
        return change.facts.get("arn") == maintenance.listener_arn
    balancer = re.search(r":loadbalancer/app/([^/]+)/", str(change.facts.get("load_balancer_arn", "")))
    named = balancer is not None and balancer[1] == maintenance.load_balancer
    return named and change.facts.get("port") == maintenance.port


def _rule(_: Environment, change: PlannedChange) -> Iterator[Contest]:
    if change.facts.get("trueups") and change.actions not in _ADOPTS:
        mend = f"take it out with terraform state rm {change.address}: trueup makes and removes it"
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
    block = re.sub(r"\[[^\]]*\]$", "", change.address)  # for_each and count have one block for all
    mend = f"write lifecycle {{ ignore_changes = [{listed}] }} into {block}, or take the pin out of the file"
    return Contest(change.address, key, f"changes {listed} of {change.address}", mend)


def _destroyed(change: PlannedChange, key: str) -> Contest:
    mend = "pin a commit that keeps it, or take it out of this file first"
    return Contest(change.address, key, f"destroys {change.address}", mend)


def _last(change: PlannedChange, fact: str) -> str:
    """A name, also where it stands at the end of an ARN."""
    return str(change.facts.get(fact, "")).rpartition("/")[2]
