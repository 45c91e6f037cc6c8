"""When polls and passes happen, with real threads and a loop that only counts."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo

import pytest
from apscheduler.executors import base as executors
from apscheduler.schedulers import base as schedulers
from apscheduler.triggers import date, interval

from daemon.schedule import Schedule
from reconcilers.aws import Place

HERE, THERE = Place("us-east-1"), Place("us-west-2")


class Counting:
    """Stands in for Loop."""

    def __init__(self, wait: float = 60.0) -> None:
        self.places = [HERE]
        self.wait = wait
        self.writing = False
        self.asked = 0
        self.polls = 0
        self.looks: list[Place] = []
        self.during: Callable[[Place], None] = lambda _: None
        self.woken: list[Place] = [HERE]
        self.at_once: dict[Place, int] = {HERE: 0, THERE: 0}

    def poll(self) -> list[Place]:
        self.polls += 1
        woken, self.woken = self.woken, []
        return woken

    def look(self, place: Place) -> float:
        self.at_once[place] += 1
        assert self.at_once[place] == 1, "two looks at one place at once"
        self.looks.append(place)
        try:
            self.during(place)
        finally:
            self.at_once[place] -= 1
        return self.wait

    def ask_again(self) -> None:
        self.asked += 1


@contextmanager
def running(loop: Counting, interval: float = 60.0) -> Iterator[Schedule]:
    schedule = Schedule(loop, interval)
    schedule.start()
    try:
        yield schedule
    finally:
        schedule.stop()


def until(claim: Callable[[], bool], within: float = 3.0) -> None:
    end = time.monotonic() + within
    while not claim():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.005)


def test_it_polls_at_once_and_looks_where_a_commit_has_come() -> None:
    loop = Counting()
    with running(loop):
        until(lambda: loop.looks == [HERE])

    assert loop.polls == 1


def test_a_poll_that_takes_longer_than_the_interval_is_not_made_twice_at_once() -> None:
    loop, at_once = Counting(), []
    poll = loop.poll

    def slow() -> list[Place]:
        at_once.append(None)
        assert len(at_once) == 1
        time.sleep(0.12)
        at_once.clear()
        return poll()

    loop.poll = slow
    with running(loop, interval=0.05):
        until(lambda: loop.polls >= 3)


def test_it_polls_every_interval() -> None:
    loop = Counting()
    with running(loop, interval=0.05):
        until(lambda: loop.polls >= 3)

    assert loop.looks == [HERE]


def test_a_place_is_looked_at_again_when_the_look_says_so() -> None:
    loop = Counting(wait=0.02)
    with running(loop):
        until(lambda: len(loop.looks) >= 3)


def test_a_wake_up_during_a_look_is_heard_when_the_look_has_ended() -> None:
    loop, go, looking = Counting(), threading.Event(), threading.Event()

    def wait(_: Place) -> None:
        looking.set()
        go.wait(3)

    loop.during = wait
    with running(loop) as schedule:
        assert looking.wait(3)
        schedule.ask_again()
        time.sleep(0.1)
        assert loop.looks == [HERE]
        go.set()
        until(lambda: loop.looks == [HERE, HERE])


def test_a_hundred_wake_ups_during_a_look_are_one_more_look() -> None:
    loop, go, looking = Counting(), threading.Event(), threading.Event()

    def wait(_: Place) -> None:
        looking.set()
        go.wait(3)

    loop.during = wait
    with running(loop) as schedule:
        assert looking.wait(3)
        for _ in range(100):
            schedule._soon(HERE, 0.0)
            time.sleep(0.001)
        go.set()
        until(lambda: loop.looks == [HERE, HERE])
        schedule.ask_again()
        until(lambda: loop.looks == [HERE, HERE, HERE])


def test_the_end_of_a_look_does_not_put_off_a_look_that_is_due_already() -> None:
    loop = Counting()
    with running(loop) as schedule:
        until(lambda: loop.looks == [HERE])
        schedule._soon(HERE, 0.15)
        schedule._soon(HERE, 60.0)
        until(lambda: loop.looks == [HERE, HERE], within=1.0)


def test_an_earlier_look_takes_the_place_of_a_later_one() -> None:
    loop = Counting(wait=60.0)
    with running(loop) as schedule:
        until(lambda: loop.looks == [HERE])
        schedule.ask_again()
        until(lambda: loop.looks == [HERE, HERE], within=1.0)

    assert loop.asked == 1
    assert loop.polls == 2


def test_a_look_that_raises_is_made_again_after_the_interval() -> None:
    loop = Counting()

    def fail(_: Place) -> None:
        raise KeyError("a bug")

    loop.during = fail
    with running(loop, interval=0.05):
        until(lambda: len(loop.looks) >= 3)


def test_a_place_that_left_is_not_looked_at_any_more() -> None:
    loop = Counting(wait=0.02)
    loop.during = lambda _: loop.places.clear()
    with running(loop):
        until(lambda: loop.looks == [HERE])
        time.sleep(0.1)

    assert loop.looks == [HERE]


def test_a_slow_place_holds_up_neither_another_one_nor_git() -> None:
    loop, go = Counting(wait=0.02), threading.Event()
    loop.places = loop.woken = [HERE, THERE]
    loop.during = lambda place: None if place == THERE else go.wait(3) and None
    with running(loop, interval=0.05):
        until(lambda: loop.looks.count(THERE) >= 3 and loop.polls >= 3)
        go.set()

    assert loop.looks.count(HERE) >= 1


def test_a_commit_is_seen_while_every_place_waits_for_aws() -> None:
    loop, go = Counting(), threading.Event()
    loop.places = loop.woken = [Place(f"us-east-{number}") for number in range(40)]
    loop.at_once = dict.fromkeys(loop.places, 0)
    loop.during = lambda _: go.wait(3) and None
    with running(loop, interval=0.05):
        until(lambda: len(loop.looks) >= 32)
        before = loop.polls
        until(lambda: loop.polls >= before + 3, within=1.0)
        go.set()


@pytest.mark.parametrize(
    ("writing", "shortest", "longest"),
    [pytest.param(False, 0.9, 1.6, id="a read is not waited for long"), pytest.param(True, 1.4, 2.5, id="a write is")],
)
def test_stopping_waits_for_a_write_and_not_for_a_read(*, writing: bool, shortest: float, longest: float) -> None:
    loop, go, looking = Counting(), threading.Event(), threading.Event()

    def wait(_: Place) -> None:
        loop.writing = writing
        looking.set()
        go.wait(1.5)
        loop.writing = False
        go.wait(3)

    loop.during = wait
    schedule = Schedule(loop, 60.0)
    schedule.start()
    assert looking.wait(3)
    begun = time.monotonic()
    schedule.stop()
    took = time.monotonic() - begun
    go.set()

    assert shortest <= took <= longest


def test_stopping_with_nothing_on_its_way_takes_no_time() -> None:
    loop = Counting()
    schedule = Schedule(loop, 60.0)
    schedule.start()
    until(lambda: loop.looks == [HERE])
    time.sleep(0.05)
    begun = time.monotonic()

    schedule.stop()

    assert time.monotonic() - begun < 0.5


@pytest.mark.parametrize("hours", [pytest.param(-1, id="back"), pytest.param(1, id="on")])
def test_a_clock_that_is_set_by_an_hour_stops_and_hurries_nothing(hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall(monkeypatch)
    loop = Counting(wait=0.1)
    with running(loop, interval=0.1) as schedule:
        until(lambda: loop.polls >= 2 and len(loop.looks) >= 2)
        wall.step(hours)
        polls, looks, begun = loop.polls, len(loop.looks), time.monotonic()
        until(lambda: loop.polls >= polls + 4 and len(loop.looks) >= looks + 4)
        took = time.monotonic() - begun
        asked = loop.polls
        schedule.ask_again()
        until(lambda: loop.polls > asked)

    assert took > 0.2


class Wall:
    """The time of day as APScheduler reads it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead = timedelta(0)
        wall = self

        class Stepping(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:
                return datetime.now(tz) + wall._ahead

        for module in (schedulers, executors, interval, date):
            monkeypatch.setattr(module, "datetime", Stepping)

    def step(self, hours: int) -> None:
        self._ahead += timedelta(hours=hours)
