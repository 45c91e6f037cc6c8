"""Whether a commit has arrived: judged from the status page alone, and waited for through restarts."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from daemon import cli
from daemon.verbs.arrival import judge
from tests.daemon.pages import COMMIT, Json, Web, environment, page, resource, seen, serving

LATER = "9f" * 20
BAD = "77" * 20
FILE = resource("desired_state", "stalled", f"commit {BAD[:8]} is refused: production.yaml:3: x", kind="desired_state")
WRONG = [{"file": "production.yaml", "line": 3, "key": "x", "message": "is unknown", "mend": "take it out"}]
REVERTED = {"at": "2024-02-24T11:59:00Z", "environment": "production", "event": "reverted", "commit": LATER}
HISTORY = {
    "environments": [
        {"environment": "staging", "file": "staging.yaml", "versions": []},
        {"environment": "production", "file": "production.yaml", "versions": [{"commit": LATER}, {"commit": COMMIT}]},
    ]
}
MOVING = resource("api", "progressing", "rolling out")
STUCK = resource("worker", "stalled", "gone")


def never(_: str) -> bool | None:
    raise AssertionError("nobody has to be asked")


def always(_: str) -> bool | None:
    return True


def not_known(_: str) -> bool | None:
    return None


@pytest.mark.parametrize(
    ("page_told", "commit", "contains", "result", "reason"),
    [
        pytest.param(seen(resource()), COMMIT, never, "in_sync", "", id="in force and in sync"),
        pytest.param(seen(resource()), COMMIT[:7].upper(), never, "in_sync", "", id="abbreviated"),
        pytest.param(
            seen(MOVING), COMMIT, never, "waiting", "service api is progressing: rolling out", id="rolling out"
        ),
        pytest.param(seen(MOVING, STUCK), COMMIT, never, "stalled", "service worker is stalled: gone", id="stalled"),
        pytest.param(seen(last_pass=None), COMMIT, never, "waiting", "not looked at yet", id="no pass yet"),
        pytest.param(
            seen(resource(), last_pass="2024-02-24T11:40:00Z"),
            COMMIT,
            never,
            "waiting",
            "AWS has not answered for 20 min",
            id="in sync when AWS answered last",
        ),
        pytest.param(seen(mode="suspended"), COMMIT, never, "stalled", "mode: suspended", id="suspended"),
        pytest.param(seen(resource()), LATER, lambda _: False, "waiting", "1a2b3c4d is in force", id="not yet there"),
        pytest.param(seen(resource()), LATER, not_known, "waiting", "is not known here", id="whether it is contained"),
        pytest.param(seen(resource()), LATER, always, "in_sync", "contains 9f9f9f9f", id="superseded"),
        pytest.param(seen(MOVING), LATER, always, "waiting", "rolling out", id="superseded, and not in sync yet"),
        pytest.param(
            seen(FILE, resource(), valid=False, git={"head": BAD, "problems": WRONG}),
            BAD,
            never,
            "refused",
            "is refused: production.yaml:3",
            id="refused",
        ),
        pytest.param(
            seen(FILE, resource(), valid=False, git={"head": BAD, "problems": WRONG}),
            COMMIT,
            never,
            "in_sync",
            "",
            id="a later commit is refused",
        ),
        pytest.param(
            seen(FILE, resource(), valid=False, git={"head": LATER}),
            LATER,
            lambda _: False,
            "waiting",
            "is in force",
            id="the correction of a refused one, before it was looked at",
        ),
        pytest.param(
            seen(resource(), environment="staging"), LATER, never, "waiting", "no environment", id="not there yet"
        ),
        pytest.param(
            seen(resource(), environment="staging"),
            COMMIT,
            never,
            "unknown",
            "there is: staging",
            id="no such environment",
        ),
        pytest.param(
            seen(resource(), environment="staging", git={"problems": WRONG}),
            COMMIT,
            never,
            "refused",
            "production.yaml:3: x: is unknown",
            id="its first version is refused",
        ),
    ],
)
def test_a_commit_is_judged(
    page_told: Any, commit: str, contains: Callable[[str], bool | None], result: str, reason: str
) -> None:
    verdict = judge(page_told, "production", commit, contains)

    assert verdict.result == result
    assert reason in "; ".join(verdict.reasons)


# --- the verb


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as made:
        yield made


def wait(web: Web, *words: str, timeout: str = "5s") -> int:
    command = ("wait", "production", "--daemon", web.address, "--timeout", timeout, "--interval", "0.05")
    return cli.run((*command, *(words or ("--commit", COMMIT))))


def one(*resources: Json, **more: Any) -> Json:
    return page(environment(*resources, **more))


def test_it_ends_with_0_once_the_commit_is_in_sync_and_tells_each_change(
    web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    for told in (one(resource(), commit=LATER), one(MOVING), one(MOVING), one(resource(), verified=True)):
        web.tell(told)

    code = wait(web)

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert [line.partition("production: ")[2] for line in lines[:-1]] == [
        "commit 9f9f9f9f: in sync",
        "service api: progressing: rolling out",
        "commit 1a2b3c4d: not in sync: 1 progressing",
        "service api: in sync",
        "commit 1a2b3c4d: in sync, verified",
    ]
    assert lines[-1].startswith("production at commit 1a2b3c4d: in sync after")


def test_it_ends_with_2_and_the_reasons_when_the_commit_is_stalled(
    web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    web.tell(one(MOVING, STUCK))

    assert wait(web, "--commit", COMMIT, "--output", "json") == 2

    told = json.loads(capsys.readouterr().out)
    assert (told["result"], told["in_force"]) == ("stalled", COMMIT)
    assert told["reasons"] == ["service worker is stalled: gone"]


def test_it_ends_with_3_when_the_time_is_up(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    web.tell(one(MOVING))

    assert wait(web, timeout="0.3s".removesuffix("s")) == 3

    assert "the time is up" in capsys.readouterr().out


def test_it_outlives_a_daemon_that_restarts(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    web.tell(one(MOVING))
    web.tell(b"not yet")
    web.tell(b"still not")
    web.tell({"git": {}, "environments": [], "leader": True, "ready": False})
    web.tell(one(resource()))

    assert wait(web) == 0

    assert capsys.readouterr().out.count("asking again until the time is up") == 1


def test_an_environment_that_is_not_there_ends_with_1(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    web.tell(one(resource(), environment="staging"))

    assert wait(web) == 1

    assert "there is: staging" in capsys.readouterr().out


def test_a_commit_that_was_replaced_counts_when_the_history_has_it(
    web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    web.tell(one(resource(), commit=LATER))
    web.tell(HISTORY, "/api/v1/history")

    assert wait(web) == 0

    assert "contains 1a2b3c4d" in capsys.readouterr().out
    assert "/api/v1/history?environment=production" in web.asked


def test_a_commit_that_was_replaced_and_never_seen_is_not_taken_on_trust(web: Web) -> None:
    web.tell(one(resource(), commit=LATER))

    assert wait(web, timeout="0.3") == 3


def test_a_commit_that_was_taken_back_has_not_held_however_well_the_later_one_does(
    web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    web.tell(one(resource(), commit=LATER))
    web.tell(HISTORY, "/api/v1/history")
    web.tell({"events": [REVERTED | {"bad": COMMIT, "to": "0" * 40}]}, "/api/v1/events")

    assert wait(web) == 2

    told = capsys.readouterr().out
    assert "production at commit 1a2b3c4d: taken back by 9f9f9f9f after" in told
    assert "commit 9f9f9f9f took it back" in told
    assert "stalled" not in told


def test_a_commit_that_leaves_the_file_alone_is_taken_back_with_what_it_stands_on(web: Web) -> None:
    web.tell(one(MOVING, commit=BAD))
    web.tell(one(resource(), commit=LATER))
    web.tell(HISTORY, "/api/v1/history")
    web.tell({"events": [REVERTED | {"bad": "0" * 40, "to": COMMIT}]}, "/api/v1/events")

    assert wait(web, "--commit", BAD) == 2


def test_an_earlier_commit_that_was_gone_back_to_has_held(web: Web) -> None:
    web.tell(one(resource(), commit=LATER))
    web.tell(HISTORY, "/api/v1/history")
    web.tell({"events": [REVERTED | {"bad": BAD, "to": COMMIT}]}, "/api/v1/events")

    assert wait(web) == 0


@pytest.mark.parametrize(
    ("versions", "head", "code"),
    [
        pytest.param([COMMIT, LATER], COMMIT, 3, id="the history knows of ours, and the status does not yet"),
        pytest.param([BAD, COMMIT, LATER], BAD, 3, id="even of one that came after ours"),
        pytest.param([COMMIT], COMMIT, 3, id="what is in force left the file alone, and is not the head any more"),
        pytest.param([COMMIT], LATER, 0, id="what is in force left the file alone, and is the head"),
        pytest.param([LATER, COMMIT], BAD, 0, id="ours came before what is in force, and a newer one is refused"),
    ],
)
def test_a_history_that_is_ahead_of_the_status_proves_nothing(
    web: Web, versions: list[str], head: str, code: int
) -> None:
    web.tell(page(environment(resource(), commit=LATER), head=head))
    told = {"environment": "production", "file": "production.yaml", "versions": [{"commit": each} for each in versions]}
    web.tell({"environments": [told]}, "/api/v1/history")

    assert wait(web, timeout="0.3") == code


@pytest.mark.parametrize("commit", ["main", "1a2b3c", "", "g" * 8, "1" * 65])
def test_only_the_id_of_a_commit_is_taken(commit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.run(("wait", "production", f"--commit={commit}"))

    assert end.value.code == 1
    assert "at least 7 characters" in capsys.readouterr().err
