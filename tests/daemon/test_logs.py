"""What the daemon says in its log, line by line."""

import json
import logging
import os
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from daemon import logs
from daemon.journal import REMIND, Journal
from daemon.status import EnvironmentStatus, GitStatus, ResourceStatus, Status
from daemon.terminal_log import TerminalRenderer
from desired_state.parse import Problem
from reconcilers.contract import Advice, Attempt, Change, Condition, Drift, Observation, Outcome, Result, Stalled

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)
GIT = GitStatus(repository="r", branch="main", path="p.yaml", head="c1")
IN_SYNC = Outcome(Condition.IN_SYNC)


class Deploy(Change):
    """A revision."""


CHANGE = Deploy(drifts=(Drift("image", "api:v2", "api:v1"),))


class Log:
    """A journal, what it wrote, and a clock moved by hand."""

    def __init__(self, printed: pytest.CaptureFixture[str]) -> None:
        self._printed = printed
        self.now = 0.0
        self.journal = Journal(lambda: self.now)

    def resource(self, outcome: Outcome, name: str = "api") -> list[dict[str, Any]]:
        self.journal.resource("production", "c1", "service", name, outcome)
        return self.lines()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._printed.readouterr().err.splitlines()]


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Log]:
    yield from _configured(capsys, "info")


@pytest.fixture
def debug(capsys: pytest.CaptureFixture[str]) -> Iterator[Log]:
    yield from _configured(capsys, "debug")


def _configured(printed: pytest.CaptureFixture[str], level: str) -> Iterator[Log]:
    before = logging.root.handlers[:], logging.root.level
    logs.configure(level)
    yield Log(printed)
    logging.captureWarnings(False)
    logging.root.handlers[:], level_before = before
    logging.root.setLevel(level_before)


def status(*conditions: Condition, name: str = "production", commit: str = "c1") -> EnvironmentStatus:
    resources = tuple(
        ResourceStatus(kind="service", name=f"s{n}", condition=condition, reason="", since=NOON, observed=NOON)
        for n, condition in enumerate(conditions)
    )
    return EnvironmentStatus(
        name=name, file="p.yaml", commit=commit, mode="enforce", valid=True, resources=resources, last_pass=NOON
    )


# --- one line for a resource when something changed


def test_a_change_is_one_line_with_all_its_facts(log: Log) -> None:
    attempts = (Attempt(CHANGE, Result.OK),)
    (line,) = log.resource(Outcome(Condition.PROGRESSING, "asked AWS to deploy", (CHANGE,), attempts))

    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "event": "resource",
        "environment": "production",
        "commit": "c1",
        "kind": "service",
        "name": "api",
        "condition": "progressing",
        "reason": "asked AWS to deploy",
        "drifts": ["image: api:v2 -> api:v1"],
        "verbs": ["deploy"],
        "result": "ok",
    }


def test_facts_that_matter_come_first(log: Log) -> None:
    (line,) = log.resource(Outcome(Condition.STALLED, "no such service"))

    assert list(line)[:3] == ["ts", "level", "event"]


def test_what_was_in_sync_from_the_start_says_nothing(log: Log) -> None:
    assert log.resource(IN_SYNC) == []
    assert log.resource(IN_SYNC) == []


def test_coming_into_sync_is_said_once(log: Log) -> None:
    log.resource(Outcome(Condition.PROGRESSING, "rolling out"))

    assert [line["condition"] for line in log.resource(IN_SYNC)] == ["in_sync"]
    assert log.resource(IN_SYNC) == []


@pytest.mark.parametrize(
    ("second", "lines"),
    [
        pytest.param(Outcome(Condition.PROGRESSING, "1 of 2 tasks running"), 0, id="nothing new"),
        pytest.param(Outcome(Condition.PROGRESSING, "2 of 2 tasks running"), 1, id="another reason"),
        pytest.param(Outcome(Condition.STALLED, "1 of 2 tasks running"), 1, id="another condition"),
        pytest.param(
            Outcome(
                Condition.PROGRESSING, "1 of 2 tasks running", (CHANGE,), attempts=(Attempt(CHANGE, Result.UNKNOWN),)
            ),
            1,
            id="something was asked of AWS",
        ),
    ],
)
def test_a_line_needs_news(log: Log, second: Outcome, lines: int) -> None:
    log.resource(Outcome(Condition.PROGRESSING, "1 of 2 tasks running"))

    assert len(log.resource(second)) == lines


def test_advice_is_said_once_as_a_warning_also_while_in_sync(log: Log) -> None:
    advised = Outcome(
        Condition.IN_SYNC, live=Observation(advice=(Advice("base_not_pinned", "add `task_revision: 7`"),))
    )

    (line,) = log.resource(advised)
    assert (line["level"], line["advice"]) == ("warning", ["add `task_revision: 7`"])
    assert log.resource(advised) == []
    assert len(log.resource(Outcome(Condition.IN_SYNC, live=Observation()))) == 1


def test_two_resources_are_told_apart(log: Log) -> None:
    wrong = Outcome(Condition.STALLED, "no such service")

    assert len(log.resource(wrong, "api")) == len(log.resource(wrong, "worker")) == 1


def test_what_stays_wrong_is_said_again_after_ten_minutes_and_no_sooner(log: Log) -> None:
    wrong = Outcome(Condition.STALLED, "no such service")
    log.resource(wrong)
    log.now = REMIND - 1
    assert log.resource(wrong) == []

    log.now = REMIND

    assert len(log.resource(wrong)) == 1
    assert log.resource(wrong) == []


@pytest.mark.parametrize(
    ("condition", "level"),
    [
        (Condition.PROGRESSING, "info"),
        (Condition.DRIFTED, "warning"),
        (Condition.RETRYING, "warning"),
        (Condition.STALLED, "error"),
    ],
)
def test_a_condition_has_its_level(log: Log, condition: Condition, level: str) -> None:
    (line,) = log.resource(Outcome(condition, "why"))

    assert line["level"] == level


@pytest.mark.parametrize(
    ("results", "worst"),
    [
        ((Result.OK, Result.OK), "ok"),
        ((Result.OK, Result.FAILED), "failed"),
        ((Result.OK, Result.UNKNOWN), "unknown"),
    ],
)
def test_the_worst_result_is_the_result(log: Log, results: tuple[Result, ...], worst: str) -> None:
    attempts = tuple(Attempt(CHANGE, result) for result in results)

    assert log.resource(Outcome(Condition.RETRYING, "x", (CHANGE,), attempts))[0]["result"] == worst


# --- errors


def test_a_mistake_of_ours_says_where_it_was_made_and_no_value(log: Log) -> None:
    (line,) = log.resource(Outcome(Condition.RETRYING, "division by zero", error=_raised()))

    assert line["error"] == "ZeroDivisionError"
    assert line["traceback"][-1].startswith("test_logs.py:")
    assert line["traceback"][-1].endswith(" _divide")
    assert "hunter2" not in json.dumps(line)


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDenied"}}, "DescribeServices"),
        Stalled("no such service"),
        ConnectionResetError("reset"),
    ],
    ids=["of AWS", "foreseen", "of the network"],
)
def test_what_can_be_foreseen_carries_no_traceback(log: Log, error: Exception) -> None:
    (line,) = log.resource(Outcome(Condition.STALLED, "why", error=error))

    assert "traceback" not in line


def test_a_pass_that_failed_is_told(log: Log) -> None:
    log.journal.failed("production", _raised())

    (line,) = log.lines()
    assert (line["event"], line["level"], line["error"]) == ("pass_failed", "error", "ZeroDivisionError")


# --- a line for a pass


def test_a_full_pass_is_always_told_and_a_quick_look_only_with_news(log: Log) -> None:
    log.journal.passed(status(Condition.PROGRESSING), 0.1, 0, full=True)
    assert len(log.lines()) == 1

    for _ in range(9):
        log.now += 1
        log.journal.passed(status(Condition.PROGRESSING), 0.1, 0, full=False)
    assert log.lines() == []

    log.journal.passed(status(Condition.PROGRESSING), 0.1, 0, full=True)
    assert len(log.lines()) == 1


def test_at_debug_there_is_a_line_for_every_pass(debug: Log) -> None:
    for _ in range(3):
        debug.journal.passed(status(Condition.IN_SYNC), 0.1, 0, full=False)

    assert [line["level"] for line in debug.lines()] == ["info", "debug", "debug"]


def test_a_pass_sums_up(log: Log) -> None:
    log.journal.passed(status(Condition.IN_SYNC, Condition.STALLED, Condition.IN_SYNC), 0.12345, 2, full=False)

    (line,) = log.lines()
    assert {key: line[key] for key in ("event", "environment", "commit", "conditions", "writes", "seconds")} == {
        "event": "pass",
        "environment": "production",
        "commit": "c1",
        "conditions": {"in_sync": 2, "stalled": 1},
        "writes": 2,
        "seconds": 0.123,
    }


@pytest.mark.parametrize(
    ("second", "writes"),
    [
        pytest.param(status(Condition.IN_SYNC), 1, id="it wrote"),
        pytest.param(status(Condition.PROGRESSING), 0, id="other sums"),
        pytest.param(status(Condition.IN_SYNC, commit="c2"), 0, id="another commit"),
    ],
)
def test_a_pass_with_news_is_told(log: Log, second: EnvironmentStatus, writes: int) -> None:
    log.journal.passed(status(Condition.IN_SYNC), 0.1, 0, full=False)
    log.lines()

    log.journal.passed(second, 0.1, writes, full=False)

    assert len(log.lines()) == 1


# --- the end, and a person who asks


def test_the_end_of_once_says_what_is_not_in_sync(log: Log) -> None:
    everything = Status(git=GIT, environments=(status(Condition.IN_SYNC, Condition.STALLED),))

    log.journal.ended(everything, in_sync=False, timed_out=True)
    log.journal.ended(Status(git=GIT, environments=(status(Condition.IN_SYNC),)), in_sync=True, timed_out=False)

    bad, good = log.lines()
    assert (bad["level"], bad["timed_out"]) == ("warning", True)
    assert [each.rpartition(" ")[2] for each in bad["not_in_sync"]] == ["stalled"]
    assert (good["level"], good["in_sync"], good["not_in_sync"]) == ("info", True, [])


def test_that_a_person_asked_is_told(log: Log) -> None:
    log.journal.asked_again()

    assert [line["event"] for line in log.lines()] == ["asked_again"]


# --- git


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        pytest.param(replace(GIT, last_fetch=NOON), None, id="nothing new"),
        pytest.param(replace(GIT, head="c2"), ("info", {"commit": "c2"}), id="another head"),
        pytest.param(replace(GIT, head="c2", rewritten=True), ("warning", {"rewritten": True}), id="rewritten"),
        pytest.param(replace(GIT, error="no route"), ("warning", {"reason": "no route"}), id="unreachable"),
        pytest.param(
            replace(GIT, problems=(Problem("p.yaml", 3, "a", "is unknown", "take it out"),)),
            ("warning", {"problems": ["p.yaml:3: a: is unknown; take it out"]}),
            id="a bad file",
        ),
    ],
)
def test_a_poll_is_told_when_it_found_something_else(
    log: Log, second: GitStatus, expected: tuple[str, dict[str, object]] | None
) -> None:
    log.journal.git(GIT)
    log.lines()

    log.journal.git(second)

    lines = log.lines()
    assert len(lines) == (expected is not None)
    if expected:
        assert (lines[0]["event"], lines[0]["level"]) == ("git", expected[0])
        assert expected[1].items() <= lines[0].items()


def test_a_thousand_problems_are_one_bounded_line(log: Log) -> None:
    many = tuple(Problem("p.yaml", n, "x" * 3000, "y" * 3000, "z") for n in range(1000))
    log.journal.git(replace(GIT, problems=many))

    (line,) = log.lines()
    assert line["problems"][-1] == "and 980 more"
    assert len(json.dumps(line)) < 30_000


# --- what left


def test_what_left_the_file_is_forgotten_so_that_it_is_news_when_it_comes_back(log: Log) -> None:
    wrong = Outcome(Condition.STALLED, "no such service")
    log.resource(wrong)
    log.journal.passed(status(), 0.1, 0, full=False)
    log.lines()

    assert len(log.resource(wrong)) == 1


def test_an_environment_that_left_is_told_and_forgotten(log: Log) -> None:
    wrong = Outcome(Condition.STALLED, "no such service")
    log.resource(wrong)

    log.journal.gone("production")

    assert [line["event"] for line in log.lines()] == ["environment_gone"]
    assert len(log.resource(wrong)) == 1


def test_an_environment_may_leave_while_passes_over_others_are_told(log: Log) -> None:
    interval, ended = sys.getswitchinterval(), threading.Event()
    sys.setswitchinterval(1e-6)

    def passes() -> None:
        for number in range(1500):
            log.journal.resource("other", "c1", "service", f"s{number}", Outcome(Condition.IN_SYNC))
            log.journal.passed(replace(status(), name=f"e{number}"), 0.1, 0, full=False)
        ended.set()

    other = threading.Thread(target=passes)
    try:
        other.start()
        while not ended.is_set():
            log.journal.gone("production")
    finally:
        sys.setswitchinterval(interval)
        other.join()


# --- nothing that must not be seen


@pytest.mark.parametrize(
    "leak",
    [
        "postgres://app:hunter2@db.example.com:5432/x",
        "https://ann:hunter2@git.example/p.git did not answer",
        '{"username": "app", "password": "hunter2"}',
        "password=hunter2",
        "aws_secret_access_key = hunter2",
        "Authorization: Bearer hunter2hunter2hunter2",
        "?X-Amz-Signature=hunter2&x=1",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhunter2",
        "ghp_hunter2hunter2hunter2hunter2hunter2",
    ],
)
def test_a_credential_that_slipped_through_is_hidden(log: Log, leak: str) -> None:
    drift = Drift("x", leak, leak)
    (line,) = log.resource(Outcome(Condition.STALLED, f"before {leak} after", (Change(drifts=(drift,)),)))

    assert "hunter2" not in json.dumps(line)
    assert "before " in line["reason"]


def test_text_without_credentials_stays_as_it_is(log: Log) -> None:
    text = "123456789012.dkr.ecr.us-east-1.amazonaws.com/api@sha256:0a1b: secret replaydash/db/password has no host"
    (line,) = log.resource(Outcome(Condition.STALLED, text))

    assert line["reason"] == text


def test_a_hostile_text_stays_on_its_line(log: Log) -> None:
    (line,) = log.resource(Outcome(Condition.STALLED, 'x\n{"event": "forged"}\x1b[2J\u202e'))

    assert line["reason"] == 'x {"event": "forged"}\\x1b[2J\\u202e'


# --- libraries


def test_warnings_of_libraries_come_through_the_same_door(log: Log) -> None:
    logging.getLogger("urllib3.connectionpool").warning("retrying https://ann:%s@host/x", "hunter2")

    (line,) = log.lines()
    assert (line["event"], line["level"], line["logger"]) == ("library", "warning", "urllib3.connectionpool")
    assert line["message"] == "retrying https://[redacted]@host/x"


def test_an_error_of_the_scheduler_says_where_it_was_made(log: Log) -> None:
    error = _raised()
    logging.getLogger("apscheduler.executors.default").error("Job raised", exc_info=error)

    (line,) = log.lines()
    assert (line["level"], line["error"]) == ("error", "ZeroDivisionError")
    assert line["traceback"][-1].endswith(" _divide")


@pytest.mark.parametrize("name", ["botocore.endpoint", "botocore", "urllib3", "apscheduler.scheduler"])
def test_libraries_are_never_heard_below_warning(debug: Log, name: str) -> None:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.debug("Sending http request: SecretString=hunter2")
    logger.info("Found credentials")
    logger.setLevel(before)

    assert debug.lines() == []


def test_python_warnings_are_log_lines(log: Log) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    assert log.lines()[0]["logger"] == "py.warnings"


# --- where it goes


def test_a_reader_that_left_does_not_stop_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as broken:
        monkeypatch.setattr(sys, "stderr", broken)
        logs._Stderr().msg("a line")
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), broken.fileno())


def test_a_terminal_gets_short_lines_and_a_pipe_gets_json() -> None:
    program = (
        "import sys; sys.stderr.isatty = lambda: {terminal}\n"
        "from daemon import logs; logs.configure('info'); logs.Journal().started('127.0.0.1:8080', 30.0)"
    )
    said = {}
    for terminal in (True, False):
        run = [sys.executable, "-c", program.format(terminal=terminal)]
        environ = os.environ | {"NO_COLOR": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        said[terminal] = subprocess.run(run, env=environ, capture_output=True, text=True, check=True).stderr

    assert json.loads(said[False])["event"] == "started"
    assert re.fullmatch(r"\d\d:\d\d:\d\d started     version=\S+ listen=127.0.0.1:8080 interval=30.0\n", said[True])


@pytest.mark.parametrize(
    ("event", "line"),
    [
        pytest.param(
            {
                "level": "error",
                "event": "resource",
                "environment": "production",
                "commit": "0123456789abcdef",
                "kind": "service",
                "name": "api",
                "condition": "stalled",
                "reason": "pin another revision",
                "drifts": ["task_revision: api:2 -> api:1", "env.A: absent -> the pinned value"],
            },
            "stalled     production service api at 01234567 - pin another revision "
            "drifts=task_revision: api:2 -> api:1; env.A: absent -> the pinned value",
            id="a resource",
        ),
        pytest.param(
            {
                "level": "info",
                "event": "resource",
                "environment": "production",
                "kind": "maintenance",
                "name": "maintenance",
                "condition": "in_sync",
                "reason": "",
            },
            "in sync     production maintenance",
            id="one of its kind",
        ),
        pytest.param(
            {
                "level": "info",
                "event": "pass",
                "environment": "production",
                "in_sync": False,
                "conditions": {"in_sync": 2, "stalled": 1},
                "writes": 0,
            },
            "pass        production in_sync=False conditions=in_sync:2,stalled:1 writes=0",
            id="a pass",
        ),
    ],
)
def test_a_line_at_a_terminal_is_for_people(event: dict[str, Any], line: str) -> None:
    stamped = {"ts": "2024-02-24T12:34:56.789Z", **event}

    assert TerminalRenderer(colours=False)(None, "", stamped) == f"12:34:56 {line}"
    coloured = TerminalRenderer(colours=True)(None, "", stamped)
    assert line in coloured
    assert ("\x1b[31m" in coloured) is (event["level"] == "error")


def _raised() -> Exception:
    try:
        _divide("hunter2")
    except ZeroDivisionError as error:
        return error
    raise AssertionError


def _divide(secret: str) -> float:
    return len(secret) / 0
