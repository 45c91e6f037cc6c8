"""The endpoint in a database's secret, kept at the pinned one."""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from daemon.brake import Brake
from desired_state.model import Database, Endpoint
from reconcilers.aws import Connection, Place
from reconcilers.contract import Absent, Change, Condition, Gate, Outcome, Refusal, Result, Unseen
from reconcilers.database import DatabasePin, DatabaseReconciler, LiveDatabase
from reconcilers.reconcile import reconcile
from reconcilers.secret_text import Address
from reconcilers.secrets import Moved
from rehearsal.server import Rehearsal
from tests.reconcilers.database_world import DatabaseProcess

NAME = "replaydash-production/db/password"
ARN = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{NAME}-AbCdEf"
VERSION = "1" * 36
A, B = Endpoint(host="a.rds.example.com"), Endpoint(host="b.rds.example.com", port=5433)


def pinned(endpoint: Endpoint | None) -> DatabasePin:
    return DatabasePin("postgres", Database.model_construct(secret=NAME, endpoint=endpoint))


def holding(host: str, port: int = 5432, password: str = "hunter2") -> str:
    url = f"postgres://app:{password}@{host}:{port}/replaydash?sslmode=require"
    return json.dumps({"username": "app", "password": password, "host": host, "port": port, "url": url}, indent=1)


class Daemon:
    """One process: passes over one secret, with the memory that a process has."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.connection = Connection(Place("us-east-1"), on_call=lambda _, operation, *rest: self.heard(operation))
        self._process = DatabaseProcess(self.connection)
        self.secrets = self._process.secrets
        self.reconciler = self._process.reconciler
        self.after: dict[str, Callable[[], object]] = {}  # what somebody else does right after our first such call

    def heard(self, operation: str) -> None:
        self.calls[operation] += 1
        if act := self.after.pop(operation, None):
            act()

    def pass_over(self, endpoint: Endpoint | None, gate: Gate = lambda _: None) -> Outcome:
        self.calls.clear()
        self._process.new_pass()
        return reconcile(self.reconciler, pinned(endpoint), gate)


@pytest.fixture
def rehearsal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rehearsal]:
    with Rehearsal() as rehearsal:
        monkeypatch.setenv("AWS_ENDPOINT_URL", rehearsal.url)
        yield rehearsal


@pytest.fixture
def daemon(rehearsal: Rehearsal) -> Daemon:
    return Daemon()


@pytest.fixture
def aws(daemon: Daemon) -> Any:
    """Somebody else, who also has access. The secret points at A, in its second version."""
    client = boto3.client("secretsmanager", "us-east-1")
    client.create_secret(Name=NAME, SecretString=holding("first"))
    client.put_secret_value(SecretId=NAME, SecretString=holding(A.host))
    return client


def current(aws: Any) -> tuple[str, str]:
    told = aws.get_secret_value(SecretId=NAME, VersionStage="AWSCURRENT")
    return told["SecretString"], told["VersionId"]


def versions(aws: Any) -> int:
    return len(aws.list_secret_version_ids(SecretId=NAME, IncludeDeprecated=True)["Versions"])


@pytest.mark.parametrize(
    ("endpoint", "found", "drift"),
    [
        pytest.param(None, [], None, id="no endpoint pinned"),
        pytest.param(A, [Address(A.host, 5432)], None, id="the same host"),
        pytest.param(A, [Address(A.host.upper(), None)], None, id="the same host in capitals"),
        pytest.param(B, [Address(B.host, 5433), Address(B.host, 5433)], None, id="host and url agree"),
        pytest.param(A, [Address("old", 5432)], ("old:5432", "a.rds.example.com:5432"), id="another host"),
        pytest.param(B, [Address(B.host, 5432)], (f"{B.host}:5432", f"{B.host}:5433"), id="another port"),
        pytest.param(
            A, [Address("old", 1), Address("old", 1)], ("old:1", "a.rds.example.com:1"), id="the same elsewhere twice"
        ),
        pytest.param(
            A,
            [Address(A.host, 1), Address("old", 1)],
            ("a.rds.example.com:1 and old:1", "a.rds.example.com:1"),
            id="only the url is elsewhere",
        ),
        pytest.param(A, [Address("", 1)], ("(no host):1", "a.rds.example.com:1"), id="the host was emptied"),
        pytest.param(
            A,
            [Address("old", 1), Address("old", None)],
            ("old:1 and old", "a.rds.example.com:1 and a.rds.example.com"),
            id="two ports, which both stay",
        ),
    ],
)
def test_what_differs_is_one_publish(
    endpoint: Endpoint | None, found: list[Address], drift: tuple[str, str] | None
) -> None:
    live = LiveDatabase(secret=ARN, version=VERSION, addresses=tuple(found), goal=endpoint)
    changes = list(DatabaseReconciler.diff(pinned(endpoint), live))
    assert [(d.field, d.live, d.desired) for c in changes for d in c.drifts] == (
        [("endpoint", *drift)] if drift else []
    )
    assert [(c.version, c.endpoint) for c in changes] == ([(VERSION, endpoint)] if drift else [])


def test_publishing_keeps_every_other_byte_and_the_next_pass_is_in_sync(daemon: Daemon, aws: Any) -> None:
    outcome = daemon.pass_over(B)
    assert (outcome.condition, outcome.reason) == (Condition.PROGRESSING, "asked AWS to publish")
    assert current(aws)[0] == holding(B.host, 5433)
    assert daemon.pass_over(B).condition is Condition.IN_SYNC


def test_s1_a_steady_pass_is_one_call_and_reads_no_value(daemon: Daemon, aws: Any) -> None:
    daemon.pass_over(A)
    for _ in range(3):
        assert daemon.pass_over(A).condition is Condition.IN_SYNC
        assert daemon.calls == {"DescribeSecret": 1}


def test_without_a_pinned_endpoint_no_value_is_read_and_a_missing_secret_is_absent(daemon: Daemon, aws: Any) -> None:
    assert daemon.pass_over(None).condition is Condition.IN_SYNC
    assert "GetSecretValue" not in daemon.calls
    aws.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)
    assert isinstance(daemon.pass_over(None).error, Absent)


def test_s2_a_rollback_writes_the_older_endpoint_into_the_value_of_today(daemon: Daemon, aws: Any) -> None:
    daemon.pass_over(B)
    aws.put_secret_value(SecretId=NAME, SecretString=holding(B.host, 5433, password="rotated"))
    daemon.pass_over(A)
    assert current(aws)[0] == holding(A.host, 5433, password="rotated")


def test_s2_back_and_forth_and_back_each_time_is_a_younger_version(daemon: Daemon, aws: Any) -> None:
    a = Endpoint(host=A.host, port=5432)
    seen = [current(aws)]
    for endpoint in (B, a, B, a):
        assert daemon.pass_over(endpoint).attempts[0].result is Result.OK
        assert daemon.pass_over(endpoint).condition is Condition.IN_SYNC
        seen.append(current(aws))
    assert [text for text, _ in seen] == [holding(A.host), holding(B.host, 5433)] * 2 + [holding(A.host)]
    assert len({version for _, version in seen}) == 5


def test_s3_the_token_is_made_of_the_versions_and_the_pin_and_of_nothing_else(daemon: Daemon, aws: Any) -> None:
    state = daemon.secrets.state(NAME)
    daemon.pass_over(B)
    parts = (state.arn, state.current, state.previous, "b.rds.example.com", "5433")
    assert current(aws)[1] == sha256("\n".join(parts).encode()).hexdigest()


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_s3_a_put_without_an_answer_makes_one_version_in_all(
    daemon: Daemon, aws: Any, rehearsal: Rehearsal, fault: str
) -> None:
    before = versions(aws)
    rehearsal.fault("secretsmanager", "PutSecretValue", fault)
    assert daemon.pass_over(B).attempts[0].result is Result.UNKNOWN
    outcome = daemon.pass_over(B)
    assert outcome.condition is (Condition.IN_SYNC if fault == "drop_after" else Condition.PROGRESSING)
    assert (current(aws)[0], versions(aws)) == (holding(B.host, 5433), before + 1)


def test_s3_a_version_that_exists_already_becomes_current_again(daemon: Daemon, aws: Any) -> None:
    first, second = (daemon.secrets.state(NAME).previous, current(aws)[1])
    daemon.pass_over(B)
    token = current(aws)[1]
    for away, to in ((token, first), (first, second)):  # until both labels stand as they stood before
        aws.update_secret_version_stage(
            SecretId=NAME, VersionStage="AWSCURRENT", RemoveFromVersionId=away, MoveToVersionId=to
        )
    before = versions(aws)
    assert daemon.pass_over(B).attempts[0].result is Result.OK
    assert daemon.calls["UpdateSecretVersionStage"] == 1
    assert (*current(aws), versions(aws)) == (holding(B.host, 5433), token, before)
    assert daemon.pass_over(B).condition is Condition.IN_SYNC


def test_s5_undoing_a_person_who_moved_awscurrent_back_makes_a_younger_version(daemon: Daemon, aws: Any) -> None:
    second = current(aws)[1]
    daemon.pass_over(B)
    ours = current(aws)[1]
    aws.update_secret_version_stage(
        SecretId=NAME, VersionStage="AWSCURRENT", RemoveFromVersionId=ours, MoveToVersionId=second
    )
    daemon.pass_over(B)
    assert current(aws)[0] == holding(B.host, 5433)
    assert current(aws)[1] not in (ours, second)


def test_s3_a_version_of_that_id_with_another_content_stalls(daemon: Daemon, aws: Any) -> None:
    before = current(aws)
    refuse_puts(daemon, "ResourceExistsException")
    outcome = daemon.pass_over(B)
    assert outcome.condition is Condition.STALLED
    assert "put the endpoint into the secret by hand" in outcome.reason
    assert current(aws) == before


def refuse_puts(daemon: Daemon, code: str) -> None:
    def refuse(request: Any, **_: object) -> AWSResponse:
        body = io.BytesIO(json.dumps({"__type": code, "message": "no"}).encode())
        body.stream = lambda **_: iter([body.read()])
        return AWSResponse(request.url, 400, {}, body)

    events = daemon.connection.writing("secretsmanager").meta.events
    events.register("before-send.secrets-manager.PutSecretValue", refuse)


def test_s6_a_secret_that_somebody_else_keeps_changing_is_written_three_times_an_hour(daemon: Daemon, aws: Any) -> None:
    now, written = 0.0, 0
    brake = Brake(lambda: now)
    for _ in range(60):
        outcome = brake.learn(daemon.pass_over(A, brake.refusal))
        written += len(outcome.attempts)
        if outcome.condition is Condition.IN_SYNC:
            aws.put_secret_value(SecretId=NAME, SecretString=holding("elsewhere"))
        now += 59.0
    assert written == 3
    assert (outcome.condition, outcome.reason.partition(":")[0]) == (Condition.STALLED, "contended")


def in_rotation(aws: Any) -> None:
    aws.put_secret_value(SecretId=NAME, SecretString=holding(A.host), VersionStages=["AWSPENDING"])


def test_s4_a_secret_in_rotation_is_not_written(daemon: Daemon, aws: Any) -> None:
    in_rotation(aws)
    before = current(aws)
    outcome = daemon.pass_over(B)
    assert (outcome.condition, len(outcome.drifts), outcome.attempts) == (Condition.STALLED, 1, ())
    assert "is being rotated" in outcome.reason
    assert current(aws) == before


def test_s4_a_secret_in_rotation_that_carries_the_pin_is_in_sync(daemon: Daemon, aws: Any) -> None:
    in_rotation(aws)
    outcome = daemon.pass_over(A)
    assert outcome.condition is Condition.IN_SYNC
    assert outcome.live is not None
    assert [advice.type for advice in outcome.live.advice] == ["secret_not_writable"]


def test_s4_a_rotation_that_begins_after_the_comparison_is_left_alone(daemon: Daemon, aws: Any) -> None:
    daemon.after["GetSecretValue"] = lambda: in_rotation(aws)
    before = current(aws)
    outcome = daemon.pass_over(B)
    assert (outcome.condition, type(outcome.error)) == (Condition.RETRYING, Moved)
    assert "PutSecretValue" not in daemon.calls
    assert current(aws) == before


@pytest.mark.parametrize("endpoint", [None, A, B])
def test_s4_a_secret_scheduled_for_deletion_stalls_whatever_it_holds(
    daemon: Daemon, aws: Any, endpoint: Endpoint | None
) -> None:
    daemon.pass_over(A)
    aws.delete_secret(SecretId=NAME)
    outcome = daemon.pass_over(endpoint)
    assert (outcome.condition, outcome.attempts) == (Condition.STALLED, ())
    assert "restore it (RestoreSecret)" in outcome.reason


def test_a_value_that_somebody_wrote_after_the_comparison_is_not_overwritten(daemon: Daemon, aws: Any) -> None:
    rotated = holding(A.host, password="rotated")
    daemon.after["GetSecretValue"] = lambda: aws.put_secret_value(SecretId=NAME, SecretString=rotated)
    outcome = daemon.pass_over(B)
    assert (outcome.condition, type(outcome.error)) == (Condition.RETRYING, Moved)
    assert current(aws)[0] == rotated
    daemon.pass_over(B)
    assert current(aws)[0] == holding(B.host, 5433, password="rotated")


def test_a_value_that_somebody_wrote_at_the_moment_of_our_write_is_put_back(daemon: Daemon, aws: Any) -> None:
    rotated = holding(A.host, password="rotated")
    daemon.pass_over(A)
    daemon.pass_over(B, lambda _: Refusal(Condition.DRIFTED, "not now"))  # all that is read before has been read
    daemon.after["GetSecretValue"] = lambda: aws.put_secret_value(SecretId=NAME, SecretString=rotated)
    outcome = daemon.pass_over(B)
    assert "PutSecretValue" in daemon.calls
    assert (outcome.condition, type(outcome.error)) == (Condition.RETRYING, Moved)
    assert current(aws)[0] == rotated
    daemon.pass_over(B)
    assert current(aws)[0] == holding(B.host, 5433, password="rotated")


def test_a_put_that_is_not_seen_yet_is_looked_at_again(daemon: Daemon, aws: Any, rehearsal: Rehearsal) -> None:
    rehearsal.advance(60)
    rehearsal.fault("secretsmanager", "DescribeSecret", "stale", skip=2, seconds=30)  # the third is after the write
    outcome = daemon.pass_over(B)
    assert (outcome.condition, type(outcome.error)) == (Condition.RETRYING, Unseen)
    assert [attempt.result for attempt in outcome.attempts] == [Result.UNKNOWN]
    assert current(aws)[0] == holding(B.host, 5433)
    assert daemon.pass_over(B).condition is Condition.IN_SYNC


def test_a_put_that_cannot_be_read_back_may_have_had_its_effect(daemon: Daemon, aws: Any, rehearsal: Rehearsal) -> None:
    rehearsal.fault("secretsmanager", "DescribeSecret", "error", skip=2, times=3)
    outcome = daemon.pass_over(B)
    assert (outcome.condition, outcome.attempts[0].result) == (Condition.RETRYING, Result.UNKNOWN)
    assert "was written, and could not be read back: DescribeSecret failed" in outcome.reason
    assert daemon.pass_over(B).condition is Condition.IN_SYNC


def test_an_unreadable_secret_stalls_and_is_read_once(daemon: Daemon, aws: Any) -> None:
    aws.put_secret_value(SecretId=NAME, SecretString="postgres://app:hunter2@a,b/replaydash")
    reasons = {daemon.pass_over(A).reason for _ in range(3)}
    assert daemon.calls == {"DescribeSecret": 1}
    assert len(reasons) == 1
    assert f"secret {NAME}: its text is a URL whose host cannot be told for certain" in reasons.pop()


def test_a_change_of_another_kind_is_refused(daemon: Daemon, aws: Any) -> None:
    with pytest.raises(TypeError, match="a database knows no change"):
        daemon.reconciler.apply(pinned(B), Change())


def shown(value: object) -> str:
    """Everything that a log line or a status page could make of a value."""
    chain = ""
    while isinstance(value, BaseException):
        chain += f"{value} {value!r} {value.args} {vars(value)} "
        value = value.__cause__ or value.__context__
    return f"{chain} {value} {value!r}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(holding("old"), id="a change that is made"),
        pytest.param(holding("old")[:-3], id="JSON cut off"),
        pytest.param("postgres://app:hunter2@a,b/replaydash", id="several hosts"),
        pytest.param("postgres://hunter2:5432/replaydash", id="no user"),
        pytest.param('{"host": "u:hunter2@a"}', id="a password in the host"),
        pytest.param("hunter2", id="no address at all"),
    ],
)
@pytest.mark.parametrize("refused", ["", "ResourceExistsException", "AccessDeniedException", "InternalServiceError"])
def test_no_value_error_or_drift_ever_shows_the_password(daemon: Daemon, aws: Any, text: str, refused: str) -> None:
    aws.put_secret_value(SecretId=NAME, SecretString=text)
    if refused:
        refuse_puts(daemon, refused)
    outcome = daemon.pass_over(B)
    again = daemon.pass_over(A)
    seen = (
        outcome,
        outcome.error,
        outcome.live,
        again,
        again.error,
        vars(daemon.secrets),
        vars(daemon._process.switches),
        vars(daemon._process.switches.values),
    )
    assert "hunter2" not in " ".join(map(shown, seen))


def test_memory_holds_no_more_versions_than_it_may(daemon: Daemon, aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconcilers.secret_values._KEPT", 2)
    monkeypatch.setattr("reconcilers.secrets._DATES_KEPT", 2)
    for number in range(5):
        aws.put_secret_value(SecretId=NAME, SecretString=holding(f"h{number}"))
        assert daemon.pass_over(Endpoint(host=f"h{number}")).condition is Condition.IN_SYNC
    assert len(daemon._process.switches.values._addresses) == 2
    assert len(daemon.secrets._created) == 2
