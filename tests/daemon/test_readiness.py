"""What is known of the versions that can be gone back to, and when they are looked at."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from daemon import readiness_loop
from daemon.readiness import Known, Look, looked, shown
from daemon.readiness_loop import ReadinessLoop
from daemon.status import EnvironmentStatus, GitStatus, Status
from desired_state.history import Version
from desired_state.in_force import Standing
from desired_state.parse import parse
from desired_state.repository import Commit
from reconcilers.aws import Place
from reconcilers.readiness import Finding, Verdict, Weight
from tests.daemon.fakes import Time

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)
GONE = Finding("service api", "the image is gone")
DENIED = Finding("service api", "not allowed to call GetRole", Weight.UNREAD)
OTHER = Finding("service api", "in another registry: not checked", Weight.UNCHECKED)


def text(revision: int, name: str = "production", mode: str = "enforce", region: str = "us-east-1") -> bytes:
    return (
        f"version: 1\nenvironment: {name}\naws: {{region: {region}}}\nmode: {mode}\n"
        f"services: {{api: {{cluster: c, service: s, task_revision: {revision}}}}}\n"
    ).encode()


def version(revision: int) -> Version:
    return Version(Commit(f"{revision:040}", NOON, "Ann", f"Pin {revision}"), parse(text(revision), "production.yaml"))


def standing(now: int = 3, *earlier: int, **how: str) -> Standing:
    environment = parse(text(now, **how), "production.yaml")
    return Standing("production.yaml", f"{now:040}", environment, recent=tuple(map(version, earlier or (2, 1))))


def look(before: Look, *findings: tuple[Finding, ...], at: datetime = NOON) -> Look:
    """A look at versions 2, 1, … that found this in each."""
    versions = [version(number) for number in range(len(findings), 0, -1)]
    verdicts = [Verdict(each.commit.oid, found) for each, found in zip(versions, findings, strict=True)]
    return looked(before, versions, verdicts, at)


def ready(found: Look) -> list[bool | None]:
    return [each.ready for each in found.known]


# What counts of a look


def test_what_is_missing_waits_for_a_second_look_and_is_not_ready_until_it_is_back() -> None:
    well = look(Look(), (), ())
    once = look(well, (), (GONE,))
    twice = look(once, (), (GONE,))
    back = look(twice, (), ())

    assert [ready(each) for each in (well, once, twice, back)] == [[True, True]] * 2 + [[True, False], [True, True]]
    assert [each.doubtful for each in (well, once, twice, back)] == [False, True, False, False]
    assert twice.known[1].findings == (GONE,)


def test_a_first_look_that_finds_something_missing_has_no_verdict_yet() -> None:
    once = look(Look(), (GONE,))

    assert (ready(once), once.doubtful) == ([None], True)
    assert ready(look(once, (GONE,))) == [False]


def test_what_cannot_be_read_leaves_the_last_verdict_with_its_age() -> None:
    later = NOON.replace(hour=13)
    before = look(look(Look(), (), (GONE,)), (), (GONE,))

    after = look(before, (DENIED,), (DENIED,), at=later)

    assert ready(after) == [True, False]
    assert [(each.told, each.looked) for each in after.known] == [(NOON, later)] * 2
    assert [each.findings for each in after.known] == [(DENIED,)] * 2
    assert ready(look(Look(), (DENIED,))) == [None]


def test_a_verdict_follows_its_commit_when_a_newer_version_comes() -> None:
    before = look(look(Look(), (), (GONE,)), (), (GONE,))

    after = looked(before, [version(3), version(2), version(1)], [Verdict(f"{3:040}")], NOON)

    assert [(each.back, each.ready) for each in after.known] == [(1, True), (2, True), (3, True)]


def test_it_is_shown_with_what_counts_apart_from_what_nobody_checks() -> None:
    known = Known(2, "c", False, NOON, NOON, (GONE, DENIED, OTHER))

    assert shown(known) == {
        "commits_back": 2,
        "commit": "c",
        "ready": False,
        "told": "2024-02-24T12:00:00.000Z",
        "looked": "2024-02-24T12:00:00.000Z",
        "findings": [
            {"entry": "service api", "message": "the image is gone", "missing": True},
            {"entry": "service api", "message": "not allowed to call GetRole", "missing": False},
        ],
        "unchecked": [{"entry": "service api", "message": OTHER.message, "missing": False}],
    }


def test_nothing_that_looks_like_a_credential_is_shown() -> None:
    known = Known(1, "c", None, None, None, (replace(DENIED, message="postgres://u:hunter2@host\x1b[2J"),))

    message = shown(known)["findings"][0]["message"]

    assert "hunter2" not in message
    assert message.isprintable()


# When it is looked


class Checks:
    """Stands in for the checks of a place, and the calls that they make."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[str, ...]] = []
        self.findings: tuple[Finding, ...] = ()
        self.reads = 3
        self.fails: Exception | None = None
        self.refused: Any = None
        self.while_checking: Callable[[], None] = lambda: None
        monkeypatch.setattr(readiness_loop, "Readiness", lambda connection: SimpleNamespace(of=self._of(connection)))
        monkeypatch.setattr(readiness_loop, "by_account", lambda *_: self.refused)

    def _of(self, heard: Any) -> Any:
        def of(now: Any, versions: Any, go_on: Any) -> Any:
            self.made.append(tuple(each.commit.oid[-1] for each in versions))
            for _ in range(self.reads):
                heard.on_call("ecs", "DescribeServices", "", 0.1)
            if self.fails:
                raise self.fails
            self.while_checking()
            return tuple(Verdict(each.commit.oid, self.findings) for each in versions) if go_on() else None

        return of


class Readied:
    """A loop whose threads are ours to begin, with a clock that stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *standings: Standing) -> None:
        self.time = Time()
        self.checks = Checks(monkeypatch)
        self.standings = list(standings)
        self.failures: list[str] = []
        self.places: list[Place] = []
        self.loop = ReadinessLoop(
            lambda: tuple(self.standings),
            self._connect,
            30.0,
            failed=lambda name, _: self.failures.append(name),
            clock=self.time.clock,
        )

    def _connect(self, where: Place, heard: Any) -> Any:
        self.places.append(where)
        return SimpleNamespace(on_call=heard, new_pass=lambda: None)

    def step(self, seconds: float = 0.0) -> list[tuple[str, ...]]:
        """Let time pass and do what is due; which versions were checked."""
        self.time.pass_(seconds)
        self.checks.made.clear()
        before = set(threading.enumerate())
        self.loop.begin_due()
        for thread in set(threading.enumerate()) - before:
            thread.join(5)
        return list(self.checks.made)


@pytest.fixture
def readied(monkeypatch: pytest.MonkeyPatch) -> Readied:
    return Readied(monkeypatch, standing())


def test_it_looks_at_once_and_then_every_interval(readied: Readied) -> None:
    assert [readied.step(seconds) for seconds in (0, 29, 1, 0)] == [[("2", "1")], [], [("2", "1")], []]
    assert [each.ready for each in readied.loop.of("production")] == [True, True]
    assert readied.loop.of("other") == ()


def test_what_takes_many_reads_rests_for_half_a_second_each(readied: Readied) -> None:
    readied.checks.reads = 30
    readied.loop._interval = 5.0

    assert [readied.step(seconds) for seconds in (0, 14, 1)] == [[("2", "1")], [], [("2", "1")]]


def test_more_reads_than_a_burst_are_made_two_a_second(readied: Readied, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(readied.loop._stop, "wait", waits.append)
    readied.checks.reads = 43

    readied.step()

    assert waits == [0.5, 1.0, 1.5], "no time passes here; the clock would take each of them back"


def test_a_new_commit_is_looked_at_at_once_and_breaks_a_look_off(readied: Readied) -> None:
    readied.step()
    readied.standings = [standing(4, 3, 2, 1)]
    assert readied.step() == [("3", "2", "1")]

    readied.checks.while_checking = lambda: readied.standings.__setitem__(0, standing(5, 4, 3))
    readied.step(30)
    assert [each.commit[-1] for each in readied.loop.of("production")] == ["3", "2", "1"], "it said nothing"

    readied.checks.while_checking = lambda: None
    assert readied.step() == [("4", "3")]


def test_what_is_said_to_be_missing_is_looked_at_again_after_five_seconds(readied: Readied) -> None:
    readied.step()
    readied.checks.findings = (GONE,)

    readied.step(30)
    assert [each.ready for each in readied.loop.of("production")] == [True, True]
    assert [readied.step(seconds) for seconds in (4, 1)] == [[], [("2", "1")]]
    assert [each.ready for each in readied.loop.of("production")] == [False, False]
    assert readied.step(29) == []


@pytest.mark.parametrize(
    "quiet",
    [
        pytest.param(standing(3, 2, mode="suspended"), id="suspended"),
        pytest.param(replace(standing(), recent=()), id="a single version"),
    ],
)
def test_nothing_is_asked_or_told_where_there_is_nothing_to_look_at(readied: Readied, quiet: Standing) -> None:
    readied.step()
    readied.standings = [quiet]

    assert readied.step(100) == []
    assert readied.loop.of("production") == ()


def test_credentials_of_another_account_look_at_nothing(readied: Readied) -> None:
    readied.checks.refused = SimpleNamespace(reason="the credentials are of account 1, but the file names 2")

    assert readied.step() == []
    assert [(each.ready, each.findings[0].message) for each in readied.loop.of("production")] == [
        (None, "the credentials are of account 1, but the file names 2")
    ] * 2


def test_a_mistake_of_ours_in_one_environment_is_told_and_leaves_what_is_known(readied: Readied) -> None:
    readied.step()
    readied.checks.fails = ValueError("oops")

    readied.step(30)

    assert readied.failures == ["production"]
    assert [each.ready for each in readied.loop.of("production")] == [True, True]
    assert readied.step(29) == [], "it is not tried again at once"


def test_each_place_has_a_connection_of_its_own(readied: Readied) -> None:
    readied.standings.append(standing(3, 2, name="elsewhere", region="eu-west-1"))
    readied.standings.append(standing(3, 2, name="beside"))

    assert sorted(readied.step()) == [("2",), ("2",), ("2", "1")]
    assert [each.region for each in readied.places] == ["us-east-1", "eu-west-1"]


def test_the_status_tells_it(readied: Readied) -> None:
    readied.step()
    known = EnvironmentStatus(name="production", file="f", commit="c", mode="enforce", valid=True)
    status = Status(git=GitStatus(repository="", branch="", path=""), environments=(known,))

    assert [each.back for each in readied.loop.added(status).environments[0].rollback_ready] == [1, 2]


def test_it_keeps_time_by_itself_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    readied = Readied(monkeypatch, standing())
    monkeypatch.setattr(readiness_loop, "_TICK", 0.01)

    readied.loop.start()
    end = time.monotonic() + 5
    while not readied.loop.of("production") and time.monotonic() < end:
        time.sleep(0.01)
    readied.loop.stop()

    assert readied.loop.of("production")
