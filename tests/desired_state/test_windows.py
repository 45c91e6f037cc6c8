"""When changes may be made: every hour of a week, over midnight, over the end of the week and over summer time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from desired_state.windows import Window, is_open, opens_at

NEW_YORK, LONDON, LORD_HOWE = "America/New_York", "Europe/London", "Australia/Lord_Howe"
NEVER = None
MINUTE = timedelta(minutes=1)


def window(allow: str, timezone: str = "UTC") -> Window:
    return Window(allow=allow, timezone=timezone)


def at(text: str) -> datetime:
    """An instant, in UTC where nothing else is said."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# 2024-02-25 is a Sunday, 2024-02-26 a Monday.
@pytest.mark.parametrize(
    ("allow", "now", "is_it"),
    [
        pytest.param("09:00-17:00", "2024-02-26T08:59:59.999999", False, id="a moment too early"),
        pytest.param("09:00-17:00", "2024-02-26T09:00:00", True, id="from its first moment on"),
        pytest.param("09:00-17:00", "2024-02-26T16:59:59.999999", True, id="up to its last moment"),
        pytest.param("09:00-17:00", "2024-02-26T17:00:00", False, id="not at its end"),
        pytest.param("09:00-17:00", "2024-02-25T12:00:00", True, id="without days also on Sunday"),
        pytest.param("Mon-Thu 09:00-17:00", "2024-02-29T12:00:00", True, id="the last of its days"),
        pytest.param("Mon-Thu 09:00-17:00", "2024-03-01T12:00:00", False, id="the day after"),
        pytest.param("Mon 09:00-17:00", "2024-02-26T12:00:00", True, id="one day"),
        pytest.param("Mon-Mon 09:00-17:00", "2024-02-27T12:00:00", False, id="from Monday to Monday is one day"),
        pytest.param("Mon,Wed,Fri 09:00-17:00", "2024-02-28T12:00:00", True, id="named one by one"),
        pytest.param("Mon,Wed-Fri 09:00-17:00", "2024-02-27T12:00:00", False, id="a day between two groups"),
        pytest.param("Sat-Mon 09:00-17:00", "2024-02-25T12:00:00", True, id="days over the end of the week: Sunday"),
        pytest.param("Sat-Mon 09:00-17:00", "2024-02-26T12:00:00", True, id="days over the end of the week: Monday"),
        pytest.param("Sat-Mon 09:00-17:00", "2024-02-27T12:00:00", False, id="days over the end of the week: Tuesday"),
        pytest.param("00:00-24:00", "2024-02-26T23:59:59.999999", True, id="the whole day"),
        pytest.param("Mon 00:00-24:00", "2024-02-27T00:00:00", False, id="a whole day ends at midnight"),
        pytest.param("Mon 23:00-24:00", "2024-02-26T23:30:00", True, id="the last hour"),
        pytest.param(
            "Mon 23:00-00:00", "2024-02-26T23:30:00", True, id="the last hour, written with the next midnight"
        ),
        pytest.param("Mon 23:00-00:00", "2024-02-27T00:00:00", False, id="which ends there as well"),
        pytest.param("22:00-02:00", "2024-02-26T01:59:00", True, id="over midnight: the hours after it"),
        pytest.param("22:00-02:00", "2024-02-26T02:00:00", False, id="over midnight: its end"),
        pytest.param("22:00-02:00", "2024-02-26T22:00:00", True, id="over midnight: its beginning"),
        pytest.param("Sun 22:00-02:00", "2024-02-26T01:00:00", True, id="Sunday's hours on Monday"),
        pytest.param("Sun 22:00-02:00", "2024-02-25T01:00:00", False, id="not Saturday's hours on Sunday"),
        pytest.param("Mon 22:00-21:59", "2024-02-27T21:58:00", True, id="nearly a whole day"),
    ],
)
def test_a_window_is_open_from_its_first_moment_up_to_its_end(allow: str, now: str, is_it: bool) -> None:
    assert is_open([window(allow)], at(now)) is is_it


@pytest.mark.parametrize(
    ("allow", "timezone", "now", "opens"),
    [
        pytest.param(
            "Mon-Thu 09:00-17:00", NEW_YORK, "2024-03-01T12:00", "2024-03-04T09:00-05:00", id="over a weekend"
        ),
        pytest.param("Mon 09:00-10:00", "UTC", "2024-02-26T10:00", "2024-03-04T09:00", id="a week later"),
        pytest.param(
            "Sun 22:00-02:00", "UTC", "2024-02-26T02:00", "2024-03-03T22:00", id="over midnight, a week later"
        ),
        pytest.param(
            "09:00-17:00", NEW_YORK, "2024-03-10T12:59", "2024-03-10T13:00", id="in summer time one hour earlier"
        ),
        pytest.param("09:00-17:00", NEW_YORK, "2024-03-09T13:59", "2024-03-09T14:00", id="the day before it"),
        pytest.param("09:00-17:00", NEW_YORK, "2024-11-03T13:59", "2024-11-03T14:00", id="in winter time again"),
        pytest.param(
            "02:30-05:00", NEW_YORK, "2024-03-10T06:59", "2024-03-10T03:30-04:00", id="an opening that is skipped"
        ),
        pytest.param(
            "Sun 02:15-02:45", NEW_YORK, "2024-03-10T06:00", "2024-03-10T03:15-04:00", id="skipped as a whole"
        ),
        pytest.param(
            "Sun 02:30-03:00", NEW_YORK, "2024-03-10T06:00", "2024-03-17T02:30-04:00", id="left out for a day"
        ),
        pytest.param(
            "Sun 02:30-03:00", NEW_YORK, "2024-03-03T08:00", "2024-03-17T02:30-04:00", id="left out for a week"
        ),
        pytest.param(
            "01:30-01:45", NEW_YORK, "2024-11-03T05:00", "2024-11-03T01:30-04:00", id="an hour that comes twice"
        ),
        pytest.param(
            "01:30-01:45", NEW_YORK, "2024-11-03T06:30", "2024-11-04T01:30-05:00", id="counts the first time only"
        ),
        pytest.param("01:30-04:00", LONDON, "2024-03-31T00:00", "2024-03-31T02:30+01:00", id="London skips an hour"),
        pytest.param("09:00-17:00", LONDON, "2024-10-27T08:00", "2024-10-27T09:00", id="London is UTC again"),
        pytest.param(
            "02:15-04:00", LORD_HOWE, "2024-10-05T15:00", "2024-10-06T02:45+11:00", id="half an hour is skipped"
        ),
        pytest.param("02:15-02:30", LORD_HOWE, "2024-10-05T15:00", "2024-10-07T02:15+11:00", id="all of it is skipped"),
        pytest.param(
            "09:00-17:00", LORD_HOWE, "2024-04-06T20:00", "2024-04-07T09:00+10:30", id="half an hour comes twice"
        ),
        pytest.param(
            "00:00-01:00", "Africa/Cairo", "2024-04-25T20:00", "2024-04-27T00:00+03:00", id="no midnight: no hour"
        ),
        pytest.param(
            "09:00-17:00", "Pacific/Kiritimati", "2024-02-26T12:00", "2024-02-26T19:00", id="the first on earth"
        ),
        pytest.param("00:00-24:00", "UTC", "2024-02-26T12:00", NEVER, id="open now"),
    ],
)
def test_it_is_known_when_the_next_window_opens(allow: str, timezone: str, now: str, opens: str | None) -> None:
    found = opens_at([window(allow, timezone)], at(now))

    assert found == (at(opens) if opens else None)
    assert found is None or found.tzinfo is UTC
    assert found is None or (
        is_open([window(allow, timezone)], found) and not is_open([window(allow, timezone)], found - MINUTE)
    )


@pytest.mark.parametrize(
    ("closes", "still_open", "closed"),
    [
        pytest.param("03:30", "2024-03-10T07:29", "2024-03-10T07:30", id="after the skipped hour"),
        pytest.param("02:30", "2024-03-10T07:29", "2024-03-10T07:30", id="in the skipped hour"),
        pytest.param("02:00", "2024-11-03T06:59", "2024-11-03T07:00", id="after the hour that comes twice"),
        pytest.param("01:30", "2024-11-03T05:29", "2024-11-03T05:30", id="in the hour that comes twice"),
    ],
)
def test_a_night_of_summer_time_ends_where_the_clock_says(closes: str, still_open: str, closed: str) -> None:
    night = [window(f"22:00-{closes}", NEW_YORK)]
    assert (is_open(night, at(still_open)), is_open(night, at(closed))) == (True, False)


def test_of_several_windows_one_is_enough_and_the_next_to_open_is_told() -> None:
    several = [window("Mon 09:00-10:00", NEW_YORK), window("Tue 09:00-10:00"), window("Wed 09:00-10:00", LONDON)]
    assert is_open(several, at("2024-02-27T09:30"))
    assert opens_at(several, at("2024-02-26T12:00")) == at("2024-02-26T14:00")
    assert opens_at(several, at("2024-02-26T15:00")) == at("2024-02-27T09:00")
    assert opens_at(several, at("2024-02-27T10:00")) == at("2024-02-28T09:00")


def test_without_a_window_changes_may_always_be_made() -> None:
    assert is_open([], at("2024-02-26T12:00"))
    assert opens_at([], at("2024-02-26T12:00")) is None


def test_the_zone_of_the_clock_that_asks_does_not_matter() -> None:
    now = at("2024-03-10T12:59")
    for zone in (NEW_YORK, LORD_HOWE, "Pacific/Kiritimati"):
        assert opens_at([window("09:00-17:00", NEW_YORK)], now.astimezone(ZoneInfo(zone))) == at("2024-03-10T13:00")


DAYS = st.sampled_from(["", "Mon ", "Sun ", "Sat-Mon ", "Mon-Thu ", "Tue,Thu-Fri ", "Wed,Wed "])
CLOCKS = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
ZONES = st.sampled_from(["UTC", NEW_YORK, LONDON, LORD_HOWE, "Africa/Cairo", "America/Santiago", "Asia/Kathmandu"])
WINDOWS = st.tuples(DAYS, CLOCKS, CLOCKS | st.just("24:00"), ZONES).filter(lambda parts: parts[1] != parts[2])
# Around the nights in which one of these zones changes its clocks, and on any other day of two years.
CHANGES = [
    "2024-03-10",
    "2024-11-03",
    "2024-03-31",
    "2024-10-27",
    "2024-10-06",
    "2024-04-07",
    "2024-04-26",
    "2024-09-08",
]
DAYTIMES = st.sampled_from(CHANGES).map(at) | st.integers(0, 730).map(
    lambda day: at("2024-01-01") + timedelta(days=day)
)
INSTANTS = st.builds(lambda day, second: day + timedelta(seconds=second), DAYTIMES, st.integers(-(9 * 86_400), 86_400))


@settings(max_examples=400, deadline=None)
@given(st.lists(WINDOWS, min_size=1, max_size=3), INSTANTS)
def test_what_is_closed_opens_later_and_not_before(found: list[tuple[str, str, str, str]], now: datetime) -> None:
    windows = [window(f"{days}{opens}-{closes}", zone) for days, opens, closes, zone in found]
    at_last = opens_at(windows, now)
    assert (at_last is None) == is_open(windows, now)
    if at_last is not None:
        assert now < at_last <= now + timedelta(days=14, hours=1)
        assert is_open(windows, at_last)
        between = (now + (at_last - now) * step / 16 for step in range(16))
        assert not any(is_open(windows, instant) for instant in between)


@settings(max_examples=300, deadline=None)
@given(WINDOWS, INSTANTS)
def test_on_an_ordinary_day_a_window_is_open_when_a_clock_on_the_wall_says_so(
    found: tuple[str, str, str, str], now: datetime
) -> None:
    days, opens, closes, zone = found
    local = now.astimezone(ZoneInfo(zone))
    around = {(local + timedelta(days=step)).utcoffset() for step in (-2, -1, 0, 1, 2)}
    if len(around) > 1:
        return  # the clocks change: told by the tables above
    shown = f"{local:%H:%M}"
    one = window(f"{days}{opens}-{closes}", zone)
    if opens < closes:
        expected = local.weekday() in one.days and opens <= shown < closes
    else:
        tonight, last_night = local.weekday() in one.days, (local.weekday() - 1) % 7 in one.days
        expected = (tonight and shown >= opens) or (last_night and shown < closes)
    assert is_open([one], now) is expected


@pytest.mark.parametrize(
    ("allow", "mend"),
    [
        pytest.param("", "write days and hours", id="nothing"),
        pytest.param("Mon-Thu", "write days and hours", id="days alone"),
        pytest.param("9:00-17:00", "write days and hours", id="an hour with one digit"),
        pytest.param("09:00 - 17:00", "write days and hours", id="spaces"),
        pytest.param("09:00-17:60", "write days and hours", id="no such minute"),
        pytest.param("24:00-02:00", "write days and hours", id="opens at 24:00"),
        pytest.param("09:00-25:00", "write days and hours", id="no such hour"),
        pytest.param("mon 09:00-17:00", "write days and hours", id="small letters"),
        pytest.param("Monday 09:00-17:00", "write days and hours", id="a day in full"),
        pytest.param("Mon, Tue 09:00-17:00", "write days and hours", id="a space after the comma"),
        pytest.param("Mon  09:00-17:00", "write days and hours", id="two spaces"),
        pytest.param("Mon-Wed-Fri 09:00-17:00", "write days and hours", id="three days in a row"),
        pytest.param("09:00-17:00 UTC", "write days and hours", id="a zone"),
        pytest.param("09:00-17:00\n", "write days and hours", id="a line end"),
        pytest.param("\u0660\u0669:00-17:00", "write days and hours", id="digits of another script"),
        pytest.param("09:00-09:00", '"00:00-24:00" for whole days', id="no time at all"),
    ],
)
def test_what_is_no_window_is_refused_with_its_mend(allow: str, mend: str) -> None:
    with pytest.raises(ValidationError) as refused:
        window(allow)
    assert mend in str(refused.value)


@pytest.mark.parametrize("name", ["UTC", NEW_YORK, "Etc/GMT+5", "America/Argentina/Buenos_Aires", "EST5EDT"])
def test_a_time_zone_is_named_as_the_time_zone_database_does(name: str) -> None:
    assert window("09:00-17:00", name).timezone == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("", "is not a time zone", id="nothing"),
        pytest.param("EDT", "is not a time zone", id="half of a zone"),
        pytest.param("America/New York", "is not a time zone", id="a space"),
        pytest.param("America", "is not a time zone", id="a folder"),
        pytest.param("+02:00", "is not a time zone", id="an offset"),
        pytest.param("../../etc/passwd", "is not a time zone", id="a path"),
        pytest.param("/etc/localtime", "is not a time zone", id="an absolute path"),
        pytest.param("tzdata.zi", "is not a time zone", id="another file of the database"),
        pytest.param("Europe/London\n", "is not a time zone", id="a line end"),
        pytest.param("a" * 500, "is not a time zone", id="endless"),
        pytest.param("localtime", "another time on every machine", id="of this machine"),
        pytest.param("posixrules", "another time on every machine", id="of this machine as well"),
    ],
)
def test_what_is_no_time_zone_is_refused(name: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        window("09:00-17:00", name)
    assert said in str(refused.value)
