"""The status for people: what is wrong first, what is well summed up, and what has changed since the last look."""

from datetime import timedelta
from typing import Any

import pytest

from daemon.verbs import status_text
from daemon.verbs.changes import changes
from daemon.verbs.seen import Seen, read
from tests.daemon.pages import NOON, drift, environment, page, resource, seen


def lines(found: Seen) -> list[str]:
    return [line.text for line in status_text.lines(found, found.environments)]


def test_of_forty_entries_those_in_sync_take_one_line() -> None:
    told = lines(seen(*(resource(f"s{number}") for number in range(39)), resource("api", "stalled", "gone")))

    assert len(told) == 4
    assert told[0] == "production: not in sync: 1 stalled, 39 in sync"
    assert told[2:] == ["service api: stalled for 2 min: gone", "in sync: 39 services"]


def test_few_that_are_in_sync_are_named() -> None:
    assert lines(seen(resource(), resource("worker")))[-1] == "in sync: service api, service worker"


def test_drift_is_told_field_by_field_and_what_follows_after_it() -> None:
    ahead = [{"verb": "publish", **drift("endpoint", "old", "new"), "takes": "about 9 min"}]
    fields = [drift("instance", "absent", "new"), drift("endpoint", "old", "new")]
    entry = resource("postgres", "progressing", "asked AWS to restore", kind="database", drift=fields, ahead=ahead)

    told = lines(seen(entry))

    assert told[3:] == ["instance: absent → new", "then publish endpoint: old → new (about 9 min)"]


def test_of_many_fields_the_first_ten_and_how_many_more() -> None:
    told = lines(seen(resource("api", "drifted", "", drift=[drift(f"env.V{number}") for number in range(25)])))

    assert told[-2:] == ["env.V9: v2 → v1", "and 15 more fields"]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        pytest.param({"maintenance_enabled": True}, "maintenance is on: users see the page", id="maintenance"),
        pytest.param({"verified": False}, "this commit is not verified yet", id="not verified"),
        pytest.param({"mode": "suspended", "in_sync": False}, "suspended: nothing is looked at", id="suspended"),
        pytest.param({"last_pass": None, "in_sync": False}, "production: not looked at yet", id="not looked at"),
        pytest.param({"verified": True}, "production: in sync, verified", id="verified"),
        pytest.param({"git": {"rewritten": True}}, "the branch was rewritten", id="force push"),
        pytest.param({"git": {"error": "no answer", "last_fetch": None}}, "no answer; it never answered", id="git"),
    ],
)
def test_what_else_there_is_to_know_has_a_line(more: dict[str, Any], line: str) -> None:
    assert any(line in each for each in lines(seen(resource(), **more)))


@pytest.mark.parametrize(
    ("interval", "seconds", "silent"),
    [
        pytest.param(2.0, 20, False, id="a short interval, and not old yet"),
        pytest.param(2.0, 21, True, id="a short interval"),
        pytest.param(30.0, 90, False, id="the usual interval, and not old yet"),
        pytest.param(30.0, 91, True, id="the usual interval"),
        pytest.param(None, 91, True, id="a daemon that does not tell its interval"),
    ],
)
def test_a_look_that_is_too_old_is_told_and_not_taken_for_now(
    interval: float | None, seconds: int, silent: bool
) -> None:
    last = f"{NOON - timedelta(seconds=seconds):%FT%TZ}"
    found = read(page(environment(resource(), verified=True, last_pass=last)) | {"interval": interval}, NOON)

    told = lines(found)

    assert any(f"AWS has not answered for {seconds} s" in line for line in told) is silent
    assert (told[0] == "production: was in sync, verified, when it was last looked at") is silent
    (changed,) = list(changes(seen(resource(), verified=True), found)) or [""]
    assert changed.endswith("was in sync, verified, when it was last looked at") is silent


def test_a_suspended_environment_is_never_too_old() -> None:
    told = lines(seen(mode="suspended", in_sync=False, last_pass="2024-02-24T01:00:00Z"))

    assert told[0] == "production: suspended: nothing is looked at"


def test_a_failure_is_told_once() -> None:
    checks = [
        {"check": "http https://x/health", "ok": False, "evidence": "answered 503"},
        {"check": "alarm a", "ok": False, "evidence": "ALARM"},
    ]
    reason = "verification: http https://x/health: answered 503, since 11:58:00 UTC"
    told = lines(seen(resource("verification", "stalled", reason, kind="verification", checks=checks)))

    assert told[2:] == [
        "verification: stalled for 2 min: https://x/health: answered 503, since 11:58:00 UTC",
        "fails: alarm a: ALARM",
    ]


def test_a_note_that_is_the_reason_as_well_is_told_once() -> None:
    why = "forgotten: maintenance was to end at noon"
    entry = resource("maintenance", "drifted", why, kind="maintenance", advice=[{"type": "x", "message": why}])

    assert sum("forgotten" in line for line in lines(seen(entry))) == 1


def test_a_mistake_in_a_file_that_is_in_force_nowhere_is_told() -> None:
    problem = {"file": "new.yaml", "line": 2, "key": "x", "message": "is unknown", "mend": "take it out"}

    assert "new.yaml:2: x: is unknown; take it out" in lines(seen(resource(), git={"problems": [problem]}))


def _ready(back: int, ready: bool | None, *findings: Any) -> dict[str, Any]:
    return {"commits_back": back, "commit": f"{back}c" * 20, "ready": ready, "findings": list(findings)}


GONE = {"entry": "service api", "message": "image v1 is gone", "weight": "missing"}


@pytest.mark.parametrize(
    ("told", "line"),
    [
        pytest.param([_ready(1, True)], "rollback: ready to go back 1 version", id="one"),
        pytest.param(
            [_ready(1, True), _ready(2, True), _ready(3, True)],
            "rollback: ready to go back 1 to 3 versions",
            id="all of them",
        ),
        pytest.param(
            [_ready(1, False, GONE), _ready(2, False, GONE), _ready(3, True), _ready(4, True), _ready(5, False, GONE)],
            "rollback: ready to go back 3 or 4 versions; "
            "not ready to go back 1, 2 and 5: service api: image v1 is gone",
            id="what holds for several is said once",
        ),
        pytest.param(
            [
                _ready(1, True),
                _ready(2, False, {"entry": "service api", "message": "image v1 is gone"}),
                _ready(3, None),
            ],
            "rollback: ready to go back 1 version; not ready to go back 2 (2c2c2c2c): service api: image v1 is gone; "
            "whether going back 3 would work is not known",
            id="not all of them",
        ),
    ],
)
def test_whether_one_can_go_back_is_one_line(told: list[dict[str, Any]], line: str) -> None:
    assert lines(seen(resource(), rollback_ready=told))[-1] == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (99, "99 s"), (100, "1 min"), (5999, "99 min"), (6000, "1 h"), (172799, "47 h"), (172800, "2 days")],
)
def test_ages_are_told_in_steps_that_are_worth_reading(seconds: int, text: str) -> None:
    assert status_text.age(NOON, NOON - timedelta(seconds=seconds)) == text


def test_a_clock_that_is_behind_makes_no_age_below_zero() -> None:
    assert status_text.age(NOON, NOON + timedelta(seconds=5)) == "0 s"


# --- what changed


def test_nothing_is_told_while_nothing_changes() -> None:
    assert list(changes(seen(resource()), seen(resource()))) == []


def test_the_first_look_tells_what_is_wrong_and_the_sum() -> None:
    told = list(changes(None, seen(resource(), resource("worker", "stalled", "gone"))))

    assert told == [
        "12:00:00Z production: service worker: stalled: gone",
        "12:00:00Z production: commit 1a2b3c4d: not in sync: 1 stalled, 1 in sync",
    ]


def test_each_change_is_a_line() -> None:
    before = seen(resource(), resource("worker", "progressing", "1 of 2"), git={"error": "no answer"})
    now = seen(resource("api", "drifted", "held"), commit="9" * 40)

    assert [line.removeprefix("12:00:00Z ") for line in changes(before, now)] == [
        "git answers again",
        "production: service api: drifted: held",
        "production: service worker: no longer told",
        "production: commit 99999999: not in sync: 1 drifted",
    ]


def test_a_commit_that_is_refused_and_mended_is_told() -> None:
    bad = seen(resource("desired_state", "stalled", "commit 9 is refused", kind="desired_state"), resource())

    told = [line.partition(" ")[2] for line in (*changes(seen(resource()), bad), *changes(bad, seen(resource())))]

    assert told[0] == "production: the file: stalled: commit 9 is refused"
    assert "production: the file is good again" in told


def test_only_the_environment_that_was_asked_for_is_told() -> None:
    assert list(changes(None, seen(resource("api", "stalled", "gone")), {"staging"})) == []
