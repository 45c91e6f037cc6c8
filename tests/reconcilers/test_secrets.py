"""What Secrets Manager is asked, and what is made of its answers."""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from reconcilers.aws import Connection, Place
from reconcilers.contract import Absent, Stalled
from reconcilers.secrets import Moved, Secrets, SecretState
from rehearsal.server import Rehearsal

NAME = "replaydash-production/db/password"
ARN = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{NAME}-AbCdEf"
OLD, CURRENT = "0" * 36, "1" * 36
EARLIER = datetime(2024, 2, 24, 3, 0, tzinfo=UTC)
LATER = EARLIER + timedelta(hours=9)
LAST_CHANGED = LATER + timedelta(hours=1)


@pytest.fixture
def calls() -> Counter[str]:
    return Counter()


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch, calls: Counter[str]) -> Iterator[Connection]:
    with Rehearsal() as rehearsal:
        monkeypatch.setenv("AWS_ENDPOINT_URL", rehearsal.url)
        yield Connection(Place("us-east-1"), on_call=lambda _, operation, *rest: calls.update([operation]))


@pytest.fixture
def aws(connection: Connection) -> Any:
    """Somebody else, who also has access."""
    return boto3.client("secretsmanager", "us-east-1")


def described(**more: Any) -> dict[str, Any]:
    stages = {CURRENT: ["AWSCURRENT"], OLD: ["AWSPREVIOUS"]}
    return {"ARN": ARN, "Name": NAME, "VersionIdsToStages": stages, "LastChangedDate": LAST_CHANGED, **more}


def answering(
    connection: Connection, description: dict[str, Any], created: dict[str, datetime]
) -> Callable[[], SecretState]:
    """The state that is made of answers which the rehearsal cannot be brought to give."""
    boto3.client("secretsmanager", "us-east-1").create_secret(Name=NAME, SecretString="one")
    pages = [{"Versions": [{"VersionId": version, "CreatedDate": date}]} for version, date in created.items()]
    for number, page in enumerate(pages[:-1]):
        page["NextToken"] = f"page {number + 1}"
    events = connection.reading("secretsmanager").meta.events
    replace_answer(events, "DescribeSecret", [description])
    replace_answer(events, "ListSecretVersionIds", pages or [{"Versions": []}])
    return lambda: Secrets(connection).state(NAME)


def replace_answer(events: Any, operation: str, answers: list[dict[str, Any]]) -> None:
    left = iter(answers)

    def replace(parsed: dict[str, Any], **_: object) -> None:
        parsed.clear()
        parsed.update(next(left))

    def ask_for_what_there_is(params: dict[str, Any], **_: object) -> None:
        params["SecretId"] = NAME
        params.pop("NextToken", None)

    events.register(f"before-parameter-build.secrets-manager.{operation}", ask_for_what_there_is)
    events.register(f"after-call.secrets-manager.{operation}", replace)


def test_s1_a_steady_pass_is_one_description_and_reads_no_value(
    connection: Connection, aws: Any, calls: Counter[str]
) -> None:
    aws.create_secret(Name=NAME, SecretString="one")
    secrets = Secrets(connection)
    first = secrets.state(NAME)
    calls.clear()
    for _ in range(3):
        secrets.new_pass()
        assert secrets.state(NAME) is secrets.state(NAME)
    assert secrets.state(NAME) == first
    assert calls == {"DescribeSecret": 3}


def test_s1_a_new_version_is_seen_by_its_id_and_dated_once(
    connection: Connection, aws: Any, calls: Counter[str]
) -> None:
    aws.create_secret(Name=NAME, SecretString="one")
    secrets = Secrets(connection)
    before = secrets.state(NAME)
    aws.put_secret_value(SecretId=NAME, SecretString="two", ClientRequestToken=CURRENT)
    assert secrets.state(NAME) == before  # until the pass ends, everyone sees the same
    calls.clear()
    secrets.new_pass()
    after = secrets.state(NAME)
    secrets.forget(NAME)
    secrets.state(NAME)
    assert (after.current, after.previous, after.blocked, after.deleted) == (CURRENT, before.current, "", False)
    assert secrets.text(after) == "two"
    assert calls == {"DescribeSecret": 2, "ListSecretVersionIds": 1, "GetSecretValue": 1}


@pytest.mark.parametrize(
    ("created", "changed"),
    [
        pytest.param({OLD: EARLIER, CURRENT: LATER}, LATER, id="the version in use was put last"),
        pytest.param({OLD: LATER, CURRENT: EARLIER}, LAST_CHANGED, id="a person moved AWSCURRENT back"),
        pytest.param({OLD: EARLIER, CURRENT: EARLIER}, EARLIER, id="both within one second"),
        pytest.param({CURRENT: LATER}, LATER, id="the version before is listed no more"),
    ],
)
def test_s5_tasks_older_than_the_value_in_use_are_outdated(
    connection: Connection, created: dict[str, datetime], changed: datetime
) -> None:
    assert answering(connection, described(), created)().changed == changed


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({}, "", id="nothing stands against it"),
        pytest.param({"DeletedDate": LATER}, "restore it (RestoreSecret)", id="scheduled for deletion"),
        pytest.param({"OwningService": "rds"}, "is managed by rds: change it there", id="owned by a service"),
        pytest.param({"PrimaryRegion": "eu-west-1"}, "its primary region, eu-west-1", id="a replica"),
        pytest.param({"PrimaryRegion": "us-east-1"}, "", id="a primary that has replicas"),
        pytest.param(
            {"VersionIdsToStages": {CURRENT: ["AWSCURRENT"], "2" * 36: ["AWSPENDING"]}},
            "wait for the rotation to end, or cancel it",
            id="in rotation",
        ),
        pytest.param(
            {"VersionIdsToStages": {CURRENT: ["AWSCURRENT", "AWSPENDING"]}}, "", id="a rotation that has ended"
        ),
    ],
)
def test_s4_a_secret_that_must_not_be_written_says_why_and_what_to_do(
    connection: Connection, more: dict[str, Any], words: str
) -> None:
    state = answering(connection, described(**more), {CURRENT: LATER})()
    assert words in state.blocked
    assert bool(words) is bool(state.blocked)
    assert state.deleted is ("DeletedDate" in more)


def test_a_missing_secret_is_absent_and_asked_for_once_a_pass(connection: Connection, calls: Counter[str]) -> None:
    secrets = Secrets(connection)
    for _ in range(2):
        with pytest.raises(Absent, match=f"there is no secret {NAME}: create it, or correct its name"):
            secrets.state(NAME)
    assert calls == {"DescribeSecret": 1}


@pytest.mark.parametrize(
    "description",
    [
        pytest.param(described(VersionIdsToStages={OLD: ["AWSPENDING"]}), id="labels, and not this one"),
        pytest.param({"ARN": ARN, "Name": NAME}, id="no labels at all"),
    ],
)
def test_a_secret_without_a_value_is_absent(connection: Connection, description: dict[str, Any]) -> None:
    read = answering(connection, description, {})
    with pytest.raises(Absent, match=f"secret {NAME} has no AWSCURRENT version"):
        read()


def test_a_current_version_that_is_not_listed_is_absent(connection: Connection) -> None:
    read = answering(connection, described(), {OLD: EARLIER})
    with pytest.raises(Absent, match="does not list its AWSCURRENT version"):
        read()


def test_a_failed_read_is_raised_to_everyone_who_asks_in_this_pass(connection: Connection, calls: Counter[str]) -> None:
    connection.reading("secretsmanager").meta.events.register("before-send.secrets-manager", refuse)
    secrets = Secrets(connection)
    for _ in range(2):
        with pytest.raises(ClientError, match="AccessDenied"):
            secrets.state(NAME)
    assert calls == {"DescribeSecret": 1}


def refuse(request: Any, **_: object) -> AWSResponse:
    body = io.BytesIO(b'{"__type": "AccessDeniedException", "message": "no"}')
    body.stream = lambda **_: iter([body.read()])
    return AWSResponse(request.url, 400, {}, body)


def test_a_value_is_never_that_of_another_version_than_was_seen(connection: Connection, aws: Any) -> None:
    aws.create_secret(Name=NAME, SecretString="one")
    secrets = Secrets(connection)
    seen = secrets.state(NAME)
    aws.put_secret_value(SecretId=NAME, SecretString="two")
    with pytest.raises(Moved, match=f"AWSCURRENT of {NAME} moved"):
        secrets.text(seen)


def test_a_binary_secret_stalls(connection: Connection, aws: Any) -> None:
    aws.create_secret(Name=NAME, SecretBinary=b"hunter2")
    secrets = Secrets(connection)
    with pytest.raises(Stalled, match=f"secret {NAME} is binary: store it as"):
        secrets.text(secrets.state(NAME))
