"""What a window and a limit hold back, and what they never do."""

from datetime import UTC, datetime, timedelta

import pytest

from daemon import freeze
from daemon.entry import Entry
from desired_state.history import Version
from desired_state.in_force import Standing
from desired_state.model import Environment
from desired_state.parse import parse
from desired_state.repository import Commit
from reconcilers.contract import Condition, Outcome
from tests.daemon.fakes import EPOCH, One, counts

HEAD = "version: 1\nenvironment: production\naws: {region: us-east-1}\n"
MONDAY = datetime(2024, 2, 26, 12, tzinfo=UTC)
WINDOW = 'windows: [{allow: "Mon-Thu 09:00-17:00", timezone: America/New_York}]\n'
LIMIT = "limits: {changes_per_pass: 2}\n"
THREE = frozenset({("service", "a"), ("service", "b"), ("service", "c")})


def file(text: str) -> Environment:
    return parse((HEAD + text).encode(), "production.yaml")


def api(pins: str, more: str = "") -> str:
    return f"services:\n  api: {{cluster: c, service: api, {pins}}}\n{more}"


def standing(*texts: str) -> Standing:
    """A file whose earlier versions said these things, the newest first."""
    commit = Commit("a" * 40, MONDAY, "Ann", "Pin")
    recent = tuple(Version(commit, file(text)) for text in texts[1:])
    return Standing("production.yaml", "a" * 40, file(texts[0]), recent=recent)


def entry(kind: str = "service", name: str = "api", depends_on: tuple[str, ...] = ()) -> Entry:
    return Entry(kind, name, lambda *_: Outcome(Condition.IN_SYNC), depends_on=depends_on)


ON_OLD = api("databases: [p]", "databases:\n  p: {secret: s, endpoint: old.example}\n")
ON_NEW = api("databases: [p]", "databases:\n  p: {secret: s, endpoint: new.example}\n")


@pytest.mark.parametrize(
    ("texts", "of", "free"),
    [
        pytest.param((api("task_revision: 2"), api("task_revision: 1")), entry(), False, id="a release"),
        pytest.param((api("task_revision: 1"),), entry(), False, id="a change by hand of what was always pinned"),
        pytest.param(
            (api("task_revision: 1"), api("task_revision: 2"), api("task_revision: 1")), entry(), True, id="a rollback"
        ),
        pytest.param(
            (
                api("task_revision: 1, progress_deadline: 5m"),
                api("task_revision: 2"),
                api("task_revision: 3"),
                api("task_revision: 1"),
            ),
            entry(),
            True,
            id="a rollback over two releases, with another deadline",
        ),
        pytest.param(
            (api("task_revision: 1, image_tag: v3"), api("task_revision: 2"), api("task_revision: 1")),
            entry(),
            False,
            id="an earlier revision with a new image",
        ),
        pytest.param(
            (
                api("task_revision: 1, restarted_at: 2024-02-24T12:00:00Z, desired_count: 6"),
                api("task_revision: 2, restarted_at: 2024-02-24T12:00:00Z, desired_count: 6"),
                api("task_revision: 2"),
                api("task_revision: 1"),
            ),
            entry(),
            True,
            id="a rollback that keeps a later restart and a later count",
        ),
        pytest.param(
            (api("task_revision: 1, desired_count: 6"), api("task_revision: 2"), api("task_revision: 1")),
            entry(),
            False,
            id="a rollback with a count that never was",
        ),
        pytest.param((api("desired_count: 0"), api("desired_count: 4")), entry(), True, id="a shutdown"),
        pytest.param((api("desired_count: 4"), api("desired_count: 3")), entry(), False, id="another count"),
        pytest.param((api("task_revision: 1"),), entry("maintenance", "maintenance"), True, id="maintenance"),
        pytest.param((ON_NEW, ON_OLD), entry("database", "p"), False, id="another database"),
        pytest.param((ON_OLD, ON_NEW, ON_OLD), entry("database", "p"), True, id="the database of before"),
        pytest.param((ON_OLD, ON_NEW, ON_OLD), entry(depends_on=("p",)), True, id="the tasks that follow it back"),
        pytest.param(
            (ON_OLD.replace("databases: [p]", "databases: [p], image_tag: v9", 1), ON_NEW, ON_OLD),
            entry(depends_on=("p",)),
            False,
            id="a release that comes with the way back of its database",
        ),
        pytest.param(("services: {}\n", api("task_revision: 2"), "services: {}\n"), entry(), True, id="left"),
    ],
)
def test_only_the_way_back_is_free(texts: tuple[str, ...], of: Entry, free: bool) -> None:
    assert freeze.is_free(of, standing(*texts)) is free


@pytest.mark.parametrize(
    ("more", "now", "until"),
    [
        pytest.param("", MONDAY, None, id="no window"),
        pytest.param(WINDOW, MONDAY + timedelta(hours=4), None, id="open: 11 o'clock in New York"),
        pytest.param(WINDOW, MONDAY, MONDAY + timedelta(hours=2), id="closed: 7 o'clock in New York"),
        pytest.param(
            WINDOW, MONDAY + timedelta(days=4), MONDAY + timedelta(days=7, hours=2), id="closed on Friday until Monday"
        ),
        pytest.param(WINDOW + "emergency_until: 2024-02-26T12:30:00Z\n", MONDAY, None, id="an emergency"),
        pytest.param(
            WINDOW + "emergency_until: 2024-02-26T12:00:00Z\n",
            MONDAY,
            MONDAY + timedelta(hours=2),
            id="one that is over",
        ),
    ],
)
def test_outside_its_window_a_change_waits_and_says_until_when(
    more: str, now: datetime, until: datetime | None
) -> None:
    refusal = freeze.by_window(file(more), now)

    if until is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.wait is not None
        assert (refusal.condition, refusal.wait.kind, refusal.wait.until) == (Condition.DRIFTED, "window", until)
        assert f"{until:%Y-%m-%dT%H:%M:%SZ}" in refusal.reason


@pytest.mark.parametrize(
    ("more", "pending", "condition"),
    [
        pytest.param("", None, None, id="no limit"),
        pytest.param(LIMIT, None, Condition.PROGRESSING, id="not counted yet"),
        pytest.param(LIMIT, frozenset({("service", "b")}), Condition.PROGRESSING, id="seen for the first time"),
        pytest.param(LIMIT, frozenset({("service", "a"), ("service", "b")}), None, id="as many as may"),
        pytest.param(LIMIT, THREE, Condition.DRIFTED, id="one more"),
        pytest.param(LIMIT + "emergency_until: 2024-02-26T12:30:00Z\n", THREE, None, id="an emergency"),
    ],
)
def test_more_than_the_limit_waits_for_a_person(
    more: str, pending: frozenset[tuple[str, str]] | None, condition: Condition | None
) -> None:
    refusal = freeze.by_limit(file(more), MONDAY, ("service", "a"), pending)

    assert (refusal.condition if refusal else None) is condition
    if condition is Condition.DRIFTED:
        assert refusal is not None
        assert refusal.reason.startswith("3 entries would change at once, and limits.changes_per_pass is 2")


def paced(limit: int, **services: int) -> str:
    return counts(**services) + f"limits: {{changes_per_pass: {limit}}}\n"


def test_what_differs_is_counted_before_anything_is_changed() -> None:
    one = One(paced(2, a=2, b=2))

    assert one.look() == {"a": "progressing", "b": "progressing"}
    assert one.ground.writes == []

    one.look()
    assert one.ground.writes == [("a", "2"), ("b", "2")]


def test_more_than_the_limit_is_not_changed_until_a_commit_allows_it() -> None:
    one = One(paced(2, a=2, b=2, c=2))
    for _ in range(3):
        conditions = one.look()
    assert conditions == {"a": "drifted", "b": "drifted", "c": "drifted"}
    assert one.ground.writes == []

    one.commit(paced(3, a=2, b=2, c=2))
    one.look()
    one.look()
    assert len(one.ground.writes) == 3


def test_a_plan_counts_as_well() -> None:
    one = One(paced(1, a=2, b=2), may_write=False)
    one.look()
    one.look()

    assert "limits.changes_per_pass is 1" in one.reason("a")


def test_a_closed_window_holds_a_release_and_says_so_in_the_status() -> None:
    one = One(counts(api=4) + 'windows: [{allow: "Sun 00:00-01:00"}]\n')

    assert one.look() == {"api": "drifted"}
    (api_,) = one.enforcement.status().resources
    assert api_.wait is not None
    assert api_.wait.kind == "window"
    assert one.ground.writes == []
    one.commit(counts(api=0) + 'windows: [{allow: "Sun 00:00-01:00"}]\n')
    one.look()
    assert one.ground.writes == [("api", "0")]


def test_what_was_begun_within_the_window_is_brought_to_its_end() -> None:
    one = One(counts(api=4) + 'windows: [{allow: "Sat 11:00-12:30"}]\n')
    one.ground.services.deaf = True
    one.look()
    assert one.ground.writes == [("api", "4")]

    one.ground.connection.now = lambda: EPOCH + timedelta(hours=1)
    one.time.pass_(400)
    one.look()
    assert one.ground.writes == [("api", "4"), ("api", "4")]
