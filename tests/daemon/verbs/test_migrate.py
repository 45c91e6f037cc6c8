"""What is told of a task that is run once, where AWS cannot be brought to give the answer."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from daemon.sources import Misused
from daemon.verbs import migrate
from daemon.verbs.migrate import _announce, _check_databases, _followed, _Follower
from daemon.wiring import Territory
from desired_state.model import Database, Environment, Service
from reconcilers.aws import Connection, Place
from reconcilers.log_tail import Log
from reconcilers.one_off import Job, OneOffs, Progress
from tests.reconcilers.fake_aws import SECRET, Fakes
from tests.reconcilers.rds_world import DOMAIN, LIKE, SNAPSHOT, TAKEN, V1, V2, restore

TASK = "arn:aws:ecs:us-east-1:123456789012:task/production/0123abcd"
JOB = Job("production", "arn:aws:ecs:us-east-1:123456789012:task-definition/api:7", "app", ("npx", "a b"))
LEFT = f"aws ecs stop-task --cluster production --task {TASK}"
OLD = f"{LIKE}.{DOMAIN}"
USERS: dict[str, tuple[str, ...]] = {"api": ("db",), "web": ()}
Capture = pytest.CaptureFixture[str]


class Told:
    """One task as ECS tells it, look by look; an error is raised."""

    def __init__(self, *looks: Progress | Exception | None, lines: tuple[str | Exception, ...] = ()) -> None:
        self._looks, self._lines = list(looks), lines

    def look(self, *_: Any) -> Progress | None:
        found = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(found, Exception):
            raise found
        return found

    def tail(self, *_: Any) -> "Told":
        return self

    def lines(self) -> Iterator[str]:
        lines, self._lines = self._lines, ()
        for line in lines:
            if isinstance(line, Exception):
                raise line
            yield line


def denied(operation: str) -> ClientError:
    answer: Any = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
    return ClientError(answer | {"ResponseMetadata": {"HTTPStatusCode": 400}}, operation)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_SOON", "_LATER", "_LAST_LINES"):
        monkeypatch.setattr(migrate, name, 0.0)


def followed(told: Told, timeout: float = 10.0) -> int:
    job = Job(JOB.cluster, JOB.revision, JOB.container, JOB.command, log=Log(None, "group", "app/app"))
    return _followed(_Follower(Connection(Place("us-east-1")), cast(OneOffs, told), job, TASK), timeout)


def test_a_task_is_announced_with_what_is_odd_about_its_container(capsys: Capture) -> None:
    _announce(Job(JOB.cluster, JOB.revision, JOB.container, JOB.command, has_entry_point=True))

    assert capsys.readouterr().err.splitlines() == [
        "trueup: runs in container app of api:7 on cluster production: npx 'a b'",
        "trueup: container app has an entryPoint, which gets these words as its arguments",
        "trueup: container app does not log by awslogs with a stream prefix: its lines are not shown here",
    ]


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        pytest.param(Progress("STOPPED", 0, "EssentialContainerExited"), 0, "exit code 0\n", id="good"),
        pytest.param(Progress("STOPPED", 137, "x; OutOfMemoryError"), 137, "137 (x; OutOfMemoryError)", id="memory"),
        pytest.param(Progress("STOPPED", -1073741510), 1, "exit code -1073741510\n", id="no code of a process here"),
        pytest.param(Progress("STOPPED"), 1, "no exit code (ECS does not say why)", id="nothing known"),
    ],
)
def test_the_end_of_a_task_is_the_end_of_the_command(end: Progress, code: int, said: str, capsys: Capture) -> None:
    assert followed(Told(None, Progress("RUNNING"), Progress("RUNNING"), end)) == code

    err = capsys.readouterr().err
    assert said in err
    assert err.count("task 0123abcd is running") == 1


def test_a_task_that_ecs_forgets_has_no_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(migrate, "_FORGOTTEN", 0.0)

    assert followed(Told(Progress("RUNNING"), None)) == 1
    assert f"no exit code (ECS does not know task {TASK} any more)" in capsys.readouterr().err


def test_a_look_that_is_not_allowed_ends_it_and_says_that_the_task_goes_on(capsys: Capture) -> None:
    with pytest.raises(ClientError):
        followed(Told(denied("DescribeTasks")))

    assert LEFT in capsys.readouterr().err


def test_a_log_that_may_not_be_read_is_said_once_and_the_task_followed(capsys: Capture) -> None:
    told = Told(Progress("RUNNING"), Progress("STOPPED", 0), lines=("first", denied("GetLogEvents")))

    assert followed(told) == 0
    printed = capsys.readouterr()
    assert printed.out == "first\n"
    assert printed.err.count("the log cannot be read: not allowed to call GetLogEvents") == 1


def test_when_the_time_is_up_the_way_to_the_task_is_told(capsys: Capture) -> None:
    assert followed(Told(Progress("RUNNING")), timeout=0.0) == 1

    err = capsys.readouterr().err
    assert "has not ended within 0 seconds; the task goes on by itself" in err
    assert LEFT in err


# --- a database that is being moved


@pytest.mark.parametrize(
    ("pins", "moving"),
    [
        pytest.param({}, False, id="nothing is pinned"),
        pytest.param({"endpoint": OLD}, False, id="where it is"),
        pytest.param({"endpoint": "new.example:6"}, True, id="another host"),
        pytest.param({"endpoint": f"{OLD}:5433"}, True, id="another port"),
        pytest.param({"secret_version": V1}, True, id="an earlier version"),
        pytest.param({"secret_version": V2}, False, id="the current version"),
        pytest.param({"restore": restore()}, True, id="an instance that is not there yet"),
    ],
)
def test_a_command_does_not_run_in_the_database_that_is_being_left(pins: dict[str, Any], *, moving: bool) -> None:
    aws = Fakes()
    aws.secret.put(V1, json.dumps({"host": "first", "port": 5432}), TAKEN)
    aws.secret.put(V2, json.dumps({"host": OLD, "port": 5432}), TAKEN)
    aws.aws_rds.snapshots[SNAPSHOT] = {"DBSnapshotIdentifier": SNAPSHOT, "Status": "creating"}
    aws.aws_rds.add(LIKE)
    territory = Territory(aws.connection)
    environment = _environment(Database(secret=SECRET, **pins))
    refused = pytest.raises(Misused, match=r"^database db is being moved to another one; run ")
    with refused if moving else nullcontext():
        _check_databases(environment, environment.services["api"], territory)
    _check_databases(environment, environment.services["web"], territory)  # which does not use it


def _environment(database: Database) -> Environment:
    services = {name: Service(cluster="c", service=name, databases=used) for name, used in USERS.items()}
    return Environment(
        version=1, environment="p", aws={"region": "us-east-1"}, services=services, databases={"db": database}
    )
