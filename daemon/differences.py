"""What one version of a file says otherwise than another, in the few words that a list has room for. Pure."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from daemon.plain import one_line
from desired_state.model import Database, Environment, Infrastructure, Service

_NOTHING: Final = "nothing"
_SHORT: Final = 8
_OTHERS: Final = ("mode", "verify", "on_failure", "windows", "limits", "emergency_until", "notify", "aws")


def differences(before: Environment, after: Environment) -> tuple[str, ...]:
    """What changes on the way from one to the other: `api 124 → 123`. No value of a variable is told."""
    return tuple(one_line(each, 200) for each in _all(before, after))


def _all(before: Environment, after: Environment) -> Iterator[str]:
    yield from _entries(before.infrastructure, after.infrastructure, _infrastructure)
    yield from _entries(before.databases, after.databases, _database)
    yield from _entries(before.services, after.services, _service)
    if before.maintenance != after.maintenance:
        same = _page(before) == _page(after)
        yield "maintenance" if same else _moved("maintenance", _page(before), _page(after))
    if others := [name for name in _OTHERS if getattr(before, name) != getattr(after, name)]:
        yield ", ".join(others)


def _entries(before: Mapping[str, Any], after: Mapping[str, Any], told: Any) -> Iterator[str]:
    for name in dict.fromkeys((*before, *after)):
        if name not in before:
            yield f"{name} is added"
        elif name not in after:
            yield f"{name} is taken out"
        elif before[name] != after[name]:
            yield ", ".join(told(name, before[name], after[name])) or name


def _service(name: str, before: Service, after: Service) -> Iterator[str]:
    if before.task_revision != after.task_revision:
        yield _moved(name, before.task_revision, after.task_revision)
    for key, spelled in (("image_tag", "image"), ("desired_count", "count"), ("restarted_at", "restarted_at")):
        was, becomes = getattr(before, key), getattr(after, key)
        if was != becomes:
            yield _moved(f"{name} {spelled}", _short(was), _short(becomes))
    if before.env != after.env:
        keys = sorted(key for key in before.env.keys() | after.env.keys() if _pair(before, key) != _pair(after, key))
        yield f"{name} env {' '.join(keys)}"
    rest = {"task_revision", "image_tag", "desired_count", "restarted_at", "env"}
    if others := [key for key in Service.model_fields if key not in rest and _differs(before, after, key)]:
        yield f"{name} {' '.join(others)}"


def _database(name: str, before: Database, after: Database) -> Iterator[str]:
    if _place(before) != _place(after):
        yield _moved(name, _place(before), _place(after))
        rest = {"endpoint", "restore"}
    else:
        rest = set()
    if others := [key for key in Database.model_fields if key not in rest and _differs(before, after, key)]:
        yield f"{name} {' '.join(others)}"


def _infrastructure(name: str, before: Infrastructure, after: Infrastructure) -> Iterator[str]:
    if before.commit != after.commit:
        yield _moved(name, before.commit[:_SHORT], after.commit[:_SHORT])
    if others := [key for key in Infrastructure.model_fields if key != "commit" and _differs(before, after, key)]:
        yield f"{name} {' '.join(others)}"


def _place(database: Database) -> str:
    """Where it is: the first word of a host tells it from the others."""
    if endpoint := database.endpoint:
        return endpoint.host.partition(".")[0] + (f":{endpoint.port}" if endpoint.port else "")
    return f"{database.restore.instance} from {database.restore.source}" if database.restore else ""


def _page(environment: Environment) -> str:
    return "" if environment.maintenance is None else "on" if environment.maintenance.enabled else "off"


def _pair(service: Service, key: str) -> tuple[bool, str | None]:
    return key in service.env, service.env.get(key)


def _differs(before: Any, after: Any, key: str) -> bool:
    return bool(getattr(before, key) != getattr(after, key))


def _short(value: object) -> object:
    """A digest is told by its beginning, an instant by its minute."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
    return value[: 7 + _SHORT + 4] if isinstance(value, str) and value.startswith("sha256:") else value


def _moved(what: str, was: object, becomes: object) -> str:
    was, becomes = (_NOTHING if each in (None, "") else each for each in (was, becomes))
    return f"{what} {was} → {becomes}"
