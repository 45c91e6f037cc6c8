"""What a commit that failed its checks is taken back to, and when nothing is taken back."""

from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.way_back import Back, Held, body, by_hand, way_back
from desired_state.history import Version
from desired_state.in_force import Standing
from desired_state.parse import parse
from desired_state.repository import Commit

HEAD = "version: 1\nenvironment: production\naws: {region: us-east-1}\nverify: {running_tasks: true}\n"

ONE, TWO, THREE = "1" * 12, "2" * 12, "3" * 12


def revert(commit: str) -> str:
    return f"git revert --no-edit {commit} && git push"


def rollback(commit: str) -> str:
    return f"trueup rollback production --to {commit}"


def text(revision: int, more: str = "", count: int = 4) -> str:
    pins = f"task_revision: {revision}, desired_count: {count}"
    return f"{HEAD}services:\n  api: {{cluster: c, service: api, {pins}}}\n{more}"


def version(number: int, content: str, **about: Any) -> Version:
    commit = Commit(f"{number}" * 40, datetime(2024, 2, 24, tzinfo=UTC), "Ann", **({"subject": "Pin"} | about))
    return Version(commit, parse(content.encode(), "production.yaml"), content.encode())


def judged(*contents: str, known: dict[int, bool] | None = None, **about: Any) -> Back | Held:
    """What follows when the first of these versions, the newest, has failed.

    `known`: whether the checks of a version held; the oldest is number 1.
    """
    first = version(len(contents), contents[0], **about)
    others = [version(len(contents) - place, content) for place, content in enumerate(contents[1:], 1)]
    assert first.environment is not None
    standing = Standing("production.yaml", first.commit.oid, first.environment)
    return way_back(standing, [first, *others], lambda commit: (known or {}).get(int(commit[0])))


def test_a_failed_release_goes_back_to_the_version_before() -> None:
    back = judged(text(124), text(123), text(122))

    assert isinstance(back, Back)
    assert (back.bad.commit.oid[-1], back.to.commit.oid[-1]) == ("3", "2")


def test_a_version_that_says_the_same_is_no_way_back() -> None:
    back = judged(text(124), text(124) + "# for the new checkout\n", text(123))

    assert isinstance(back, Back)
    assert back.to.commit.oid[-1] == "1"


def test_the_same_bad_release_once_more_goes_back_to_what_was_well() -> None:
    back = judged(text(124), text(123), text(124), known={1: False, 2: True})

    assert isinstance(back, Back)
    assert back.to.commit.oid[-1] == "2"


@pytest.mark.parametrize(
    "before", [pytest.param({1: True, 2: True}, id="it was well"), pytest.param({2: True}, id="?")]
)
def test_a_person_who_goes_back_is_not_sent_forward_again(before: dict[int, bool]) -> None:
    held = judged(text(123), text(124), text(123), known=before)

    assert isinstance(held, Held)
    assert "a way back is never taken back" in held.why


def test_a_version_that_never_was_verified_is_no_way_back_where_another_one_was() -> None:
    held = judged(text(124, count=5), text(124), text(123), known={1: True})

    assert isinstance(held, Held)
    assert held.why == "the version before it, 22222222, never was verified; the last one that was is 11111111"


def test_a_version_that_is_known_to_be_bad_is_no_way_back() -> None:
    held = judged(text(124), text(123), known={1: False})

    assert isinstance(held, Held)
    assert "failed its checks as well" in held.why


@pytest.mark.parametrize(
    ("contents", "about", "why"),
    [
        pytest.param((text(124),), {}, "no earlier version", id="the first commit"),
        pytest.param((text(123), text(124)), {"reverts": "a" * 40}, "is a revert itself", id="made by trueup"),
        pytest.param(
            (text(123), text(124)), {"subject": 'Revert "Pin"'}, "is a revert itself", id="made by git revert"
        ),
        pytest.param((text(123), text(124), text(123)), {}, "way back", id="pins that were there before"),
        pytest.param(
            (text(123, "databases: {p: {secret: s, endpoint: new.example}}\n"), text(123)),
            {},
            "no pin",
            id="a database",
        ),
        pytest.param(
            (text(123, "maintenance: {enabled: true, load_balancer: a}\n"), text(123)), {}, "no pin", id="maintenance"
        ),
        pytest.param((text(123, "", 0), text(123)), {}, "shuts api down", id="a shutdown"),
        pytest.param(
            (text(124).replace("us-east-1", "us-west-2"), text(123)), {}, "another place", id="another region"
        ),
    ],
)
def test_nothing_is_taken_back(contents: tuple[str, ...], about: dict[str, Any], why: str) -> None:
    held = judged(*contents, **about)

    assert isinstance(held, Held)
    assert why in held.why


@pytest.mark.parametrize(
    ("contents", "known", "said"),
    [
        pytest.param(
            (text(124), text(123)),
            {},
            f"{revert(TWO)}, or {rollback(ONE)}",
            id="a release",
        ),
        pytest.param(
            (text(124), text(123), text(122)),
            {2: False, 1: True},
            f"{revert(THREE)}, or {rollback(ONE)}",
            id="behind a bad one",
        ),
        pytest.param(
            (text(124, "limits: {changes_per_pass: 5}\n"), text(124), text(123)),
            {},
            rollback(ONE),
            id="no release",
        ),
        pytest.param((text(124),), {}, revert(ONE), id="the first commit"),
    ],
)
def test_the_commands_lead_to_other_pins_than_those_that_failed(
    contents: tuple[str, ...], known: dict[int, bool], said: str
) -> None:
    versions = [version(len(contents) - place, content) for place, content in enumerate(contents)]
    now = versions[0]
    assert now.environment is not None
    standing = Standing("f", now.commit.oid, now.environment, recent=tuple(versions[1:]), version=now.commit)

    told = by_hand(standing, lambda commit: known.get(int(commit[0])))

    assert told == "to go back by hand: " + said


def test_a_history_that_was_rewritten_meanwhile_takes_nothing_back() -> None:
    gone = Standing("production.yaml", "f" * 40, parse(text(125).encode(), "production.yaml"))

    assert isinstance(way_back(gone, [version(2, text(124)), version(1, text(123))], lambda _: True), Held)
    assert isinstance(way_back(gone, [], lambda _: True), Held)


def test_the_commit_says_what_failed_and_carries_the_trailer_that_ends_it() -> None:
    back = judged(text(124), text(123))

    assert isinstance(back, Back)
    lines = body(back, "production", ["http https://api.example/health", "running tasks"]).splitlines()
    assert lines[0] == "Take back the services of production: 22222222 failed its checks"
    assert len(lines[0]) <= 80
    assert "Failed: http https://api.example/health, running tasks" in lines
    assert lines[-1] == f"Trueup-Reverts: {back.bad.commit.oid}"
