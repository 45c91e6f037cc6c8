"""What windows and limits hold back, and what they never do: maintenance, a count of 0, and the way back. Pure."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from daemon.entry import Entry, Key
from desired_state.history import Version
from desired_state.in_force import Standing
from desired_state.model import Environment, Service
from desired_state.windows import opens_at
from reconcilers.contract import Change, Condition, Refusal, Wait

_NOW = "; to go on now, set emergency_until to an instant that is near"
_COUNTED = Refusal(Condition.PROGRESSING, "differs; what else does is counted first, since the file limits it")
# What of a service does not say what runs.
_ASIDE = {"databases", "needs", "progress_deadline"}
_SECTIONS = {"service": "services", "database": "databases", "infrastructure": "infrastructure"}


def is_free(entry: Entry, standing: Standing) -> bool:
    """Whether an entry waits for no window and counts for no limit."""
    if entry.kind not in _SECTIONS:
        return True
    now = standing.environment
    service = now.services.get(entry.name) if entry.kind == "service" else None
    if service is not None and service.desired_count == 0:
        return True
    if _returns(entry.key, now, standing.recent):
        return True
    # A service that follows its database back must not be left behind, with tasks that know the other one.
    followed = [("database", name) for name in entry.depends_on]
    return same_pins(entry.key, now, standing.recent) and any(_returns(key, now, standing.recent) for key in followed)


def is_follow_up(entry: Entry, standing: Standing, changes: Iterable[Change]) -> bool:
    """Whether an earlier change of AWS has begun this, so that users would suffer if it stopped half way."""
    if all(change.follows for change in changes):
        return True
    database = standing.environment.databases.get(entry.name) if entry.kind == "database" else None
    return database is not None and database.restore is not None and not any(c.verb == "restore" for c in changes)


def pins_alike(key: Key, one: Standing, other: Standing) -> bool:
    """Whether two versions of a file pin the same here."""
    return key[0] in _SECTIONS and _pinned(key, one.environment) == _pinned(key, other.environment)


def same_pins(key: Key, now: Environment, recent: Iterable[Version]) -> bool:
    """Whether the last version that said something else pinned the same here."""
    former = next((version.environment for version in recent if version.environment is not None), None)
    return former is not None and _pinned(key, former) == _pinned(key, now)


def _returns(key: Key, now: Environment, recent: Iterable[Version]) -> bool:
    """Whether each field that was pinned otherwise before is again as one of the versions before that had it.

    What a commit leaves as it was, such as restarted_at, does not keep the rest of it from being a way back.
    """
    present = _pinned(key, now)
    versions = [_pinned(key, version.environment) for version in recent if version.environment is not None]
    moved = next((number for number, pins in enumerate(versions) if pins != present), len(versions))
    former, earlier = versions[moved : moved + 1], versions[moved + 1 :]
    changed = {field for pins in former for field in {*present, *pins} if present.get(field) != pins.get(field)}
    return any(all(pins.get(field) == present.get(field) for field in changed) for pins in earlier)


def _pinned(key: Key, environment: Environment) -> Mapping[str, object]:
    """What an entry pins; nothing where the file does not name it."""
    kind, name = key
    entry = getattr(environment, _SECTIONS[kind]).get(name)
    return entry.model_dump(exclude=_ASIDE if isinstance(entry, Service) else None) if entry else {}


def by_window(environment: Environment, now: datetime) -> Refusal | None:
    """Outside the windows what differs is reported and waits."""
    at = None if _is_emergency(environment, now) else opens_at(environment.windows, now)
    if at is None:
        return None
    zone = next(each.timezone for each in environment.windows if any(at == start for start, _ in each.spans(now)))
    reason = f"waits for its window, which opens {spelled(at, zone)}{_NOW}"
    return Refusal(Condition.DRIFTED, reason, Wait("window", at))


def by_limit(environment: Environment, now: datetime, key: Key, pending: Collection[Key] | None) -> Refusal | None:
    """More entries than the limit wait for a person. `pending`: what differed in the last look; None: not counted."""
    if environment.limits is None or _is_emergency(environment, now):
        return None
    if pending is None or key not in pending:
        return _COUNTED
    most = environment.limits.changes_per_pass
    if len(pending) <= most:
        return None
    reason = (
        f"{len(pending)} entries would change at once, and limits.changes_per_pass is {most}: a person decides; "
        "raise it by a commit, or commit fewer changes"
    )
    return Refusal(Condition.DRIFTED, reason + _NOW, Wait("limit"))


def _is_emergency(environment: Environment, now: datetime) -> bool:
    return environment.emergency_until is not None and now < environment.emergency_until


def spelled(at: datetime, zone: str) -> str:
    """An instant in a time zone and in UTC."""
    utc = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"{at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M} {zone}" + ("" if zone == "UTC" else f" ({utc})")
