"""Instants and durations as the desired-state file writes them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from desired_state.values import Unquoted, wrong

_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_LONGEST: Final = timedelta(hours=24)
_EXAMPLE: Final = "2024-02-24T12:00:00Z"
_INSTANT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:(?:[Tt]| +)(\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?) ?([Zz]|[+-]\d{2}:\d{2})?)?", re.ASCII
)


def _as_written(value: object) -> object:
    return value.text if isinstance(value, Unquoted) else value


def _read_instant(value: object) -> datetime:
    if isinstance(value, datetime):
        return _check_instant(value)
    text = _as_written(value)
    match = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise wrong("is not an instant", f"write date, time and offset, such as {_EXAMPLE}")
    date, time, offset = match.groups()
    if time is None:
        raise wrong(f"{date} is a day and not an instant", f"add the time and its offset, such as {date}T12:00:00Z")
    if offset is None:
        raise wrong(f"{date}T{time} has no offset", f"write {date}T{time}Z if that is UTC, else its own offset")
    try:
        return _check_instant(datetime.fromisoformat(f"{date}T{time}{offset.upper()}"))
    except ValueError:
        raise wrong("there is no such date or time", f"write one like {_EXAMPLE}") from None


def _check_instant(instant: datetime) -> datetime:
    if instant.utcoffset() is None:
        raise wrong("has no offset", "add Z or the offset")
    # Far from both ends of the calendar, so that no arithmetic on an instant can overflow.
    if not 2000 <= instant.year <= 2199:
        raise wrong(f"the year {instant.year} cannot be meant", "write a year from 2000 to 2199")
    return instant


Instant = Annotated[
    datetime, BeforeValidator(_read_instant), WithJsonSchema({"type": "string", "examples": [_EXAMPLE]})
]


def _read_duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return _check_duration(value)
    text = _as_written(value)
    if type(text) is int:
        raise wrong(f"{text} has no unit", f"write {text}s if seconds are meant, or minutes like 15m")
    match = re.fullmatch("([0-9]{1,6})([smh])", text) if isinstance(text, str) else None
    if match is None:
        raise wrong("is not a duration", "write a whole number with s, m or h, such as 30s, 15m or 1h")
    return _check_duration(timedelta(seconds=int(match[1]) * _UNITS[match[2]]))


def _check_duration(duration: timedelta) -> timedelta:
    if not timedelta(0) < duration <= _LONGEST:
        raise wrong("is not a possible duration", "write one from 1s to 24h")
    return duration


def duration_text(duration: timedelta) -> str:
    """A duration as the file writes it, in the largest unit that divides it."""
    seconds = int(duration.total_seconds())
    unit = next(unit for unit in ("h", "m", "s") if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(duration_text),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,6}[smh]$", "examples": ["15m"]}),
]
