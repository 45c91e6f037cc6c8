"""When changes may be made: windows of the week, and when the next one opens. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, WithJsonSchema

from desired_state.values import Part, shown, wrong

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY: Final = "|".join(_DAYS)
_CLOCK: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_ALLOW: Final = rf"(?:(?:{_DAY})(?:-(?:{_DAY}))?(?:,(?:{_DAY})(?:-(?:{_DAY}))?)* )?(?:{_CLOCK})-(?:{_CLOCK}|24:00)"
_AHEAD: Final = 15  # days that are looked through for an opening: two weeks, for summer time may skip a window of one
_LOCAL: Final = ("localtime", "posixrules", "Factory")  # what these mean depends on the machine


def _check_allow(text: str) -> str:
    if not re.fullmatch(_ALLOW, text):
        raise wrong(
            f"{shown(text)} is not a window", 'write days and hours, such as "Mon-Thu 09:00-17:00" or "22:00-02:00"'
        )
    opens, _, closes = text.rpartition(" ")[2].partition("-")
    if opens == closes:
        raise wrong("opens and closes at the same time", 'write "00:00-24:00" for whole days')
    return text


def _check_zone(name: str) -> str:
    if name in _LOCAL:
        raise wrong(f"{shown(name)} means another time on every machine", "write one such as America/New_York or UTC")
    try:
        ZoneInfo(name if re.fullmatch("[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}", name) else "?")
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise wrong(f"{shown(name)} is not a time zone", "write one such as America/New_York or UTC") from None
    return name


class Window(Part):
    """A part of the week in which changes may be made."""

    allow: Annotated[str, AfterValidator(_check_allow), WithJsonSchema({"type": "string", "pattern": f"^{_ALLOW}$"})]
    """Days and hours, such as "Mon-Thu 09:00-17:00"; without days every day. It may reach over midnight."""
    timezone: Annotated[str, AfterValidator(_check_zone)] = Field(default="UTC")
    """The time zone that the hours are of."""

    @property
    def days(self) -> frozenset[int]:
        """The days on which it opens; Monday is 0."""
        named, _, _ = self.allow.rpartition(" ")
        if not named:
            return frozenset(range(7))
        found: set[int] = set()
        for part in named.split(","):
            first, _, last = part.partition("-")
            start, end = _DAYS.index(first), _DAYS.index(last or first)
            found |= {(start + step) % 7 for step in range((end - start) % 7 + 1)}
        return frozenset(found)

    def spans(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """When it opens and closes, from the one that began yesterday to two weeks ahead, in UTC.

        One that lies within the hour that the change to summer time skips is left out on that day.
        """
        opens, closes = self.allow.rpartition(" ")[2].split("-")
        today = now.astimezone(ZoneInfo(self.timezone)).date()
        days, over_midnight = self.days, closes <= opens
        for step in range(-1, _AHEAD):
            day = today + timedelta(days=step)
            if day.weekday() not in days:
                continue
            start, end = self._at(day, opens), self._at(day + timedelta(days=over_midnight), closes)
            if start < end:
                yield start, end

    def _at(self, day: date, clock: str) -> datetime:
        """An hour that the change to summer time skips is the one after it; of one that comes twice, the first."""
        if clock == "24:00":
            return self._at(day + timedelta(days=1), "00:00")
        return datetime.combine(day, time.fromisoformat(clock), ZoneInfo(self.timezone)).astimezone(UTC)


def is_open(windows: Iterable[Window], now: datetime) -> bool:
    """Whether changes may be made. Without any window they always may."""
    every = tuple(windows)
    return not every or any(start <= now < end for window in every for start, end in window.spans(now))


def opens_at(windows: Iterable[Window], now: datetime) -> datetime | None:
    """When the next window opens (UTC); None where one is open or there is none."""
    every = tuple(windows)
    if is_open(every, now):
        return None
    return min((start for window in every for start, _ in window.spans(now) if start > now), default=None)
