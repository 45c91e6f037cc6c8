"""What one version of a file pins, and what it says otherwise than another, in the few words of a list. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from daemon.plain import one_line
from desired_state.model import Database, Environment, Infrastructure, Service

_NOTHING: Final = "nothing"
_SHORT: Final = 8
_OTHERS: Final = ("mode", "verify", "on_failure", "windows", "limits", "emergency_until", "notify", "aws")
_PINS: Final = ("task_revision", "image_tag", "desired_count", "restarted_at")
_SPELLED: Final = {"image_tag": " image", "desired_count": " count", "restarted_at": " restarted_at"}
"""What a change of a pin is called behind its entry; that of others, such as the revision, goes without a name."""
_ADDED, _TAKEN_OUT = "is added", "is taken out"


@dataclass(frozen=True)
class Pin:
    """One thing that an entry pins. Of a variable nothing but the name is ever told."""

    entry: str
    """`service api`."""
    key: str
    """As the file has it: task_revision; env.LOG_LEVEL of a variable."""
    value: str | None


@dataclass(frozen=True)
class Change:
    """One thing that another version says otherwise."""

    entry: str
    """`service api`; `environment` where it is of no entry."""
    key: str
    """As the file has it; empty: the whole entry."""
    before: str | None = None
    """None with `after` None: what it is is not told."""
    after: str | None = None


def differences(before: Environment, after: Environment) -> tuple[str, ...]:
    """What changes on the way from one to the other: `api 124 → 123`. No value of a variable is told."""
    return told(changes(before, after))


def told(found: Iterable[Change]) -> tuple[str, ...]:
    """Changes in words, entry by entry."""
    groups = groupby(found, key=lambda each: each.entry)
    return tuple(one_line(", ".join(_told(entry, list(of))), 200) for entry, of in groups)


def changes(before: Environment, after: Environment) -> tuple[Change, ...]:
    """The same for scripts: infrastructure first, then databases, services, and the rest."""
    return tuple(_changes(before, after))


def pins(environment: Environment) -> tuple[Pin, ...]:
    """What a version pins: services first, then databases and infrastructure, and the page where it is shown."""
    return tuple(_pins(environment))


def pinned(found: Iterable[Pin]) -> str:
    """The same in words: `api 123 count 4, worker 58; database postgres main`."""
    kinds: dict[str, list[str]] = {}
    for entry, of in groupby(found, key=lambda each: each.entry):
        kind, _, name = entry.partition(" ")
        shown = " ".join(_pinned(list(of)))
        kinds.setdefault(kind, []).append(f"{name} {shown}".strip())
    return "; ".join(("" if kind == "service" else f"{kind} ") + ", ".join(each) for kind, each in kinds.items())


def _pins(environment: Environment) -> Iterator[Pin]:
    for name, service in environment.services.items():
        values = {key: getattr(service, key) for key in _PINS}
        yield from (Pin(f"service {name}", key, _text(value)) for key, value in values.items() if value is not None)
        yield from (Pin(f"service {name}", f"env.{key}", None) for key in service.env)
    for name, database in environment.databases.items():
        if place := _place(database):
            yield Pin(f"database {name}", _place_key(database), place)
    for name, each in environment.infrastructure.items():
        yield Pin(f"infrastructure {name}", "commit", each.commit)
    if _page(environment) == "on":
        yield Pin("maintenance", "enabled", "on")


def _pinned(of: list[Pin]) -> Iterator[str]:
    variables = sum(each.key.startswith("env.") for each in of)
    for each in of:
        if each.key != "restarted_at" and each.value is not None:
            yield ("count " if each.key == "desired_count" else "") + _shown(each.key, each.value)
    if variables:
        yield f"{variables} env"


def _changes(before: Environment, after: Environment) -> Iterator[Change]:
    yield from _entries("infrastructure", before.infrastructure, after.infrastructure, _infrastructure)
    yield from _entries("database", before.databases, after.databases, _database)
    yield from _entries("service", before.services, after.services, _service)
    if before.maintenance != after.maintenance:
        was, becomes = _page(before) or None, _page(after) or None
        yield Change("maintenance", "") if was == becomes else Change("maintenance", "enabled", was, becomes)
    yield from (Change("environment", key) for key in _OTHERS if _differs(before, after, key))


def _entries(
    kind: str, before: Mapping[str, Any], after: Mapping[str, Any], of: Callable[[str, Any, Any], Iterator[Change]]
) -> Iterator[Change]:
    for name in dict.fromkeys((*before, *after)):
        entry = f"{kind} {name}"
        if name not in before:
            yield Change(entry, "", after=_ADDED)
        elif name not in after:
            yield Change(entry, "", after=_TAKEN_OUT)
        elif before[name] != after[name]:
            yield from of(entry, before[name], after[name])


def _service(entry: str, before: Service, after: Service) -> Iterator[Change]:
    for key in _PINS:
        if _differs(before, after, key):
            yield Change(entry, key, _text(getattr(before, key)), _text(getattr(after, key)))
    for key in sorted(before.env.keys() | after.env.keys()):
        if _pair(before, key) != _pair(after, key):
            yield Change(entry, f"env.{key}")
    yield from _others(entry, before, after, {*_PINS, "env"})


def _database(entry: str, before: Database, after: Database) -> Iterator[Change]:
    rest = set[str]()
    if _place(before) != _place(after):
        yield Change(entry, _place_key(after), _place(before) or None, _place(after) or None)
        rest = {"endpoint", "restore"}
    yield from _others(entry, before, after, rest)


def _infrastructure(entry: str, before: Infrastructure, after: Infrastructure) -> Iterator[Change]:
    if before.commit != after.commit:
        yield Change(entry, "commit", before.commit, after.commit)
    yield from _others(entry, before, after, {"commit"})


def _others(entry: str, before: Any, after: Any, but: set[str]) -> Iterator[Change]:
    keys = (key for key in type(before).model_fields if key not in but)
    yield from (Change(entry, key) for key in keys if _differs(before, after, key))


def _told(entry: str, of: list[Change]) -> Iterator[str]:
    name = "" if entry == "environment" else entry.partition(" ")[2] or entry
    for each in of:
        if each.key == "" and each.after is not None:
            yield f"{name} {each.after}"
        elif (each.before, each.after) != (None, None):
            was, becomes = _shown(each.key, each.before), _shown(each.key, each.after)
            yield f"{name}{_SPELLED.get(each.key, '')} {was} → {becomes}"
    untold = [each.key for each in of if each.before is None and each.after is None]
    if variables := [key.removeprefix("env.") for key in untold if key.startswith("env.")]:
        yield f"{name} env {' '.join(variables)}"
    if others := [key for key in untold if not key.startswith("env.")]:
        yield f"{name} {' '.join(others)}".strip() if name else ", ".join(others)


def _text(value: object) -> str | None:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return None if value is None else f"{value}"


def _shown(key: str, value: str | None) -> str:
    """A digest and a commit are told by their beginning, an instant by its minute."""
    if value is None:
        return _NOTHING
    if key == "restarted_at":
        return value[:16] + "Z"
    if key == "commit":
        return value[:_SHORT]
    return value[: 7 + _SHORT + 4] if value.startswith("sha256:") else value


def _place(database: Database) -> str:
    """Where it is: the first word of a host tells it from the others."""
    if endpoint := database.endpoint:
        return endpoint.host.partition(".")[0] + (f":{endpoint.port}" if endpoint.port else "")
    return f"{database.restore.instance} from {database.restore.source}" if database.restore else ""


def _place_key(database: Database) -> str:
    return "endpoint" if database.restore is None else "restore"


def _page(environment: Environment) -> str:
    return "" if environment.maintenance is None else "on" if environment.maintenance.enabled else "off"


def _pair(service: Service, key: str) -> tuple[bool, str | None]:
    return key in service.env, service.env.get(key)


def _differs(before: Any, after: Any, key: str) -> bool:
    return bool(getattr(before, key) != getattr(after, key))
