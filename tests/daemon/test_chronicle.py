"""What happened is told once, kept on disk and in memory, and found again after the process has died."""

import http.client
import json
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon import chronicle as chronicles
from daemon import event_file
from daemon.chronicle import Chronicle
from daemon.event_file import NAME, EventFile
from daemon.events import Event, What, read
from daemon.http import serve
from daemon.metrics import Metrics
from daemon.record import Record
from daemon.status import EnvironmentStatus, GitStatus, ResourceStatus, Status
from desired_state.repository import Commit
from reconcilers.checks import Check
from reconcilers.contract import Attempt, Change, Condition, Drift, Observation, Outcome, Result, Wait
from tests.daemon.fakes import counts, standing

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)
ANN = Commit("a" * 40, NOON, "Ann", "Pin 4")
BOB = Commit("b" * 40, NOON, "Bob", "Pin 5")
COUNT = Drift("desired_count", "2", "4")


class Scale(Change):
    """A verb."""


class Watch:
    """A clock that moves a second a look."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def good() -> Outcome:
    return Outcome(Condition.IN_SYNC, live=Observation())


def differs(*drifts: Drift, condition: Condition = Condition.DRIFTED, done: Result | None = None) -> Outcome:
    change = Scale(drifts=drifts)
    attempts = (Attempt(change, done),) if done else ()
    return Outcome(condition, "mode is observe", changes=(change,), attempts=attempts, live=Observation())


def moving(reason: str = "2 of 4 run") -> Outcome:
    return Outcome(Condition.PROGRESSING, reason, live=Observation())


def status(condition: Condition = Condition.IN_SYNC, commit: str = ANN.oid, name: str = "production") -> Any:
    entry = ResourceStatus(kind="service", name="api", condition=condition, reason="", since=NOON, observed=NOON)
    return EnvironmentStatus(
        name=name, file="f", commit=commit, mode="enforce", valid=True, resources=(entry,), last_pass=NOON
    )


class Told:
    """A chronicle that is told things of one environment."""

    def __init__(self, folder: Path | None = None) -> None:
        self.complaints: list[str] = []
        file = EventFile(folder, self.complaints.append) if folder else None
        self.chronicle = Chronicle(file, Watch())

    def follow(self, by: Commit = ANN, count: int = 4, *, head: str = "", seen: bool = True) -> None:
        at = replace(standing(counts(api=count, worker=1), head or by.oid))
        self.chronicle.followed(at, seen=seen, by=by)

    def look(self, outcome: Outcome, commit: str = ANN.oid, name: str = "api") -> None:
        self.chronicle.resource("production", commit, "service", name, outcome)

    def passes(self, condition: Condition = Condition.IN_SYNC, commit: str = ANN.oid) -> None:
        self.chronicle.passed(status(condition, commit))

    def words(self) -> list[str]:
        """Every event in a few words."""
        return [_spelled(event) for event in self.chronicle.events()]


def _spelled(event: Event) -> str:
    told = event.text("to") or event.text("cause") or event.text("verb") or event.text("for")
    return f"{event.event} {told}".strip()


def test_a_steady_state_is_told_once_however_many_passes_there_are() -> None:
    told = Told()
    told.follow()
    for _ in range(50):
        told.look(good())
        told.passes()

    assert told.words() == ["commit", "in_sync"]


def test_a_drift_is_told_when_it_is_first_seen_and_when_it_has_gone() -> None:
    told = Told()
    told.follow()
    told.look(good())
    told.passes()
    for count in "234":  # what is live changes from look to look
        told.look(differs(Drift("desired_count", count, "5")))
    told.look(good())
    told.passes()

    assert told.words() == ["commit", "in_sync", "drift live", "condition drifted", "condition in_sync"]
    drift = told.chronicle.events()[2]
    assert drift.facts["drifts"] == [{"field": "desired_count", "live": "2", "desired": "5"}]
    assert drift.instant("unseen_since") == told.chronicle.events()[1].at - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("steps", "causes"),
    [
        pytest.param(["differ"], ["unknown"], id="never seen in sync"),
        pytest.param(["good", "differ"], ["live"], id="somebody changed it"),
        pytest.param(["good", "pin", "differ"], ["commit"], id="the commit asks for it"),
        pytest.param(["good", "other", "differ"], ["live"], id="the commit asks for something else"),
        pytest.param(["good", "pin", "moving", "differ"], ["commit"], id="ECS went back while it was on its way"),
        pytest.param(["good", "pin", "differ", "moving", "differ"], ["commit"], id="the same one came back"),
        pytest.param(["good", "pin", "differ", "good", "differ"], ["commit", "live"], id="once it was in sync"),
    ],
)
def test_what_led_to_a_drift_is_told_with_it(steps: list[str], causes: list[str]) -> None:
    told = Told()
    told.follow()
    commit = ANN.oid
    for step in steps:
        if step in ("pin", "other"):
            commit = BOB.oid
            file = counts(api=5, worker=1) if step == "pin" else counts(api=4, worker=2)
            told.chronicle.followed(standing(file, commit), seen=True, by=BOB)
        else:
            told.look({"good": good, "moving": moving, "differ": lambda: differs(COUNT)}[step](), commit)

    assert [event.text("cause") for event in told.chronicle.events() if event.event == What.DRIFT] == causes


def test_every_write_is_told_with_its_fields_and_its_result() -> None:
    told = Told()
    told.look(differs(COUNT, condition=Condition.PROGRESSING, done=Result.OK))
    told.look(differs(COUNT, condition=Condition.RETRYING, done=Result.FAILED))

    changes = [event for event in told.chronicle.events() if event.event == What.CHANGE]
    assert [event.facts["result"] for event in changes] == ["ok", "failed"]
    assert changes[0].facts["drifts"] == [{"field": "desired_count", "live": "2", "desired": "4"}]


def test_a_read_that_failed_says_nothing_of_what_differs() -> None:
    told = Told()
    told.look(differs(COUNT))
    told.look(Outcome(Condition.RETRYING, "no answer"))
    told.look(differs(COUNT))

    assert [word for word in told.words() if word.startswith("drift")] == ["drift unknown"]


def test_what_progresses_is_told_once_whatever_its_numbers_do_and_another_stall_is_told_again() -> None:
    told = Told()
    for running in range(5):
        told.look(moving(f"{running} of 4 run"))
    for reason in ("the image is gone", "the image is gone", "the role is gone"):
        told.look(Outcome(Condition.STALLED, reason, live=Observation()))

    assert told.words() == ["condition progressing", "condition stalled", "condition stalled"]


def test_a_calendar_is_told_once() -> None:
    told = Told()
    wait = Outcome(Condition.DRIFTED, "window", live=Observation(), wait=Wait("window", NOON))
    for outcome in (wait, wait, good(), wait):
        told.look(outcome)

    assert [word for word in told.words() if word.startswith("waiting")] == ["waiting window", "waiting window"]


def test_a_bad_file_is_told_as_refused() -> None:
    told = Told()
    bad = Outcome(Condition.STALLED, "commit bbbb is refused: f:1: unknown key")
    for outcome in (Outcome(Condition.IN_SYNC), bad, bad, Outcome(Condition.IN_SYNC)):
        told.chronicle.resource("production", ANN.oid, "desired_state", "desired_state", outcome)

    assert told.words() == ["refused", "condition in_sync"]


def test_a_pass_over_the_former_commit_that_ends_late_says_nothing_of_the_new_one() -> None:
    told = Told()
    told.follow()
    told.passes()
    told.follow(BOB, 5)
    told.passes(commit=ANN.oid)
    told.passes(Condition.PROGRESSING, BOB.oid)
    told.passes(commit=BOB.oid)

    assert [event.commit for event in told.chronicle.events() if event.event == What.IN_SYNC] == [ANN.oid, BOB.oid]


def test_the_life_of_each_version_is_known_by_its_commit_and_by_the_head() -> None:
    told = Told()
    told.follow(head="c" * 40)
    told.chronicle.verified("production", "d" * 40, 3.0, [Check("running tasks", ok=True, evidence="4 of 4")])
    told.follow(BOB, 5)
    told.chronicle.verification_failed("production", BOB.oid, "http fails", [])
    told.follow(ANN, 4)

    live, verified = told.chronicle.live_since, told.chronicle.is_verified
    assert [live("production", oid) for oid in (ANN.oid, ANN.oid[:12], BOB.oid)] == [
        NOON + timedelta(seconds=5),
        NOON + timedelta(seconds=5),
        NOON + timedelta(seconds=3),
    ]
    assert [verified("production", oid) for oid in (ANN.oid, "d" * 40, BOB.oid, "e" * 40)] == [None, True, False, None]
    assert live("production", ANN.oid[:8]) is None, "so short a name may mean another commit"
    assert live("elsewhere", ANN.oid) is None


def test_a_restart_knows_what_was_live_and_tells_nothing_twice(tmp_path: Path) -> None:
    first = Told(tmp_path)
    first.follow()
    first.look(differs(COUNT))
    first.passes(Condition.DRIFTED)
    first.look(good(), name="worker")
    first.chronicle.verified("production", ANN.oid, 3.0, [])
    first.chronicle.close()
    before = first.words()

    second = Told(tmp_path)
    second.follow(seen=False)
    second.look(differs(COUNT))
    second.passes(Condition.DRIFTED)

    assert second.words() == before
    assert second.chronicle.live_since("production", ANN.oid) == NOON + timedelta(seconds=1)
    assert second.chronicle.is_verified("production", ANN.oid) is True


def test_a_restart_in_sync_is_no_event(tmp_path: Path) -> None:
    for _ in range(3):
        told = Told(tmp_path)
        told.follow(seen=False)
        told.look(good())
        told.passes()
        told.chronicle.close()

    assert told.words() == ["commit", "in_sync"]


def test_a_torn_line_and_what_is_no_event_are_passed_over(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.follow()
    told.chronicle.close()
    file = tmp_path / NAME
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"at": 1}\n[]\nnull\n"x"\n\xff\n' + b"[" * 5000 + b"\n" + whole[: len(whole) // 2])

    again = Told(tmp_path)
    again.chronicle.verified("production", ANN.oid, None, [])
    again.chronicle.close()

    assert again.words() == ["commit", "verified"]
    assert Told(tmp_path).words() == ["commit", "verified"], "what is appended after a torn line stays whole"


def test_the_file_is_bounded_and_never_loses_which_commit_was_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_file, "_LARGEST", 6000)
    told = Told(tmp_path)
    told.follow()
    told.chronicle.verified("production", ANN.oid, 1.0, [])
    for number in range(300):
        told.look(moving() if number % 2 else good())
    told.chronicle.close()

    again = Told(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, f"{NAME}.1"]
    assert all(path.stat().st_size < 7000 for path in tmp_path.iterdir())
    assert len(again.words()) < 100
    assert again.words().count("commit") == again.words().count("verified") == 1
    assert again.chronicle.live_since("production", ANN.oid) == NOON + timedelta(seconds=1)
    assert again.chronicle.is_verified("production", ANN.oid) is True


def test_a_folder_that_cannot_be_written_costs_one_complaint_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in its place")
    told = Told(tmp_path / "cache")
    for number in range(10):
        told.look(moving() if number % 2 else good())
    told.chronicle.close()

    assert len(told.words()) == 9
    assert len(told.complaints) == 1
    assert "kept in memory alone" in told.complaints[0]


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(tmp_path / "precious")
    told = Told(tmp_path)
    told.follow()
    told.chronicle.close()

    assert not (tmp_path / "precious").exists()
    assert len(told.complaints) == 1


def test_a_disk_that_hangs_does_not_hold_a_pass_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()
    monkeypatch.setattr(os, "write", lambda *_: let_go.wait(30))
    monkeypatch.setattr(event_file, "_WAITING", 50)
    monkeypatch.setattr(event_file, "_PATIENCE", 0.1)
    told = Told(tmp_path)
    for number in range(300):
        told.look(moving() if number % 2 else good())
    told.chronicle.close()
    let_go.set()

    assert len(told.words()) == 299


def test_a_noisy_environment_does_not_take_the_place_of_a_quiet_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronicles, "MOST", 40)
    told = Told()
    for number in range(10):
        told.chronicle.resource("quiet", ANN.oid, "service", "api", moving() if number % 2 else good())
    for number in range(500):
        told.look(moving() if number % 2 else good())

    assert len(told.chronicle.events("quiet")) == 9
    assert len(told.chronicle.events()) == 40
    assert told.chronicle.events("production")[-1].at == told.chronicle.events()[-1].at, "the newest ones are kept"


def test_no_secret_and_no_line_break_is_kept(tmp_path: Path) -> None:
    told = Told(tmp_path)
    secret = "password=hunter2hunter2"
    told.look(Outcome(Condition.STALLED, f"no login\nwith {secret}", live=Observation()))
    told.look(differs(Drift("endpoint", f"postgresql://u:hunter2hunter2@h/db {secret}", "h"), done=Result.OK))
    told.chronicle.verified("production", ANN.oid, 1.0, [Check(f"http {secret}", ok=True, evidence=secret)])
    told.chronicle.verification_failed("production", ANN.oid, secret, [])
    told.chronicle.followed(
        standing(counts(api=1)), seen=True, by=replace(ANN, subject=f"{secret}\n\x1b[2J", author=secret)
    )
    told.chronicle.close()

    kept = (tmp_path / NAME).read_text()
    assert "hunter2" not in kept
    assert "\\u001b" not in kept
    assert len(kept.splitlines()) == len(told.chronicle.events())


def test_an_event_is_read_as_it_was_told() -> None:
    told = Told()
    told.follow()
    told.look(differs(COUNT, done=Result.OK))

    for event in told.chronicle.events():
        assert replace(read(json.loads(json.dumps(event.as_json()))) or event, at=event.at) == event


def test_a_record_keeps_the_last_fifty_versions() -> None:
    events = [Event(NOON + timedelta(hours=n), "e", "commit", f"{n:040}") for n in range(60)]
    record = Record(events)

    assert record.of(f"{9:040}") is None
    assert record.of(f"{10:040}") is not None
    assert record.present is record.lives[-1]


def test_the_page_of_events_tells_one_environment_from_an_instant_on() -> None:
    told = Told()
    told.follow()
    for number in range(6):
        told.look(moving() if number % 2 else good())
    told.chronicle.resource("elsewhere", ANN.oid, "service", "api", moving())
    empty = Status(git=GitStatus(repository="", branch="", path=""))
    server = serve("127.0.0.1:0", lambda: empty, Metrics(lambda: empty), told.chronicle)

    def get(query: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("GET", f"/api/v1/events{query}")
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, json.loads(body)["events"] if answer.status == 200 else body.decode()

    try:
        code, every = get("")
        assert (code, len(every)) == (200, 7)
        assert [event["at"] for event in every] == sorted(event["at"] for event in every)
        assert [event["environment"] for event in get("?environment=elsewhere")[1]] == ["elsewhere"]
        assert get("?environment=none")[1] == []
        assert get("?environment=production&since=2024-02-24T12:00:05Z")[1] == every[3:6]
        assert get("?environment=production&since=2024-02-24T12:00:05%2B00:00")[1] == every[3:6]
        assert get("?limit=2")[1] == every[-2:]
        assert get("?limit=0")[1] == []
        assert get("?since=yesterday") == (
            400,
            "since is no instant; write one such as 2024-02-24T12:00:00Z\n",
        )
        assert get("?limit=-1")[0] == 400
    finally:
        server.close()
