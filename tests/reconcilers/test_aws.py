"""The way to AWS: one session, kept clients, time-outs, retries, and what an error means."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    InvalidEndpointConfigurationError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from reconcilers.aws import Connection, Place, code, is_ambiguous, is_denied, is_terminal, is_unsupported, sentence
from reconcilers.contract import Absent, Stalled, Superseded
from rehearsal.server import Rehearsal

ROLE = "arn:aws:iam::123456789012:role/trueup"


@pytest.fixture
def rehearsal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rehearsal]:
    with Rehearsal() as rehearsal:
        monkeypatch.setenv("AWS_ENDPOINT_URL", rehearsal.url)
        yield rehearsal


@pytest.fixture
def connection(rehearsal: Rehearsal) -> Connection:
    return Connection(Place("us-east-1"))


def operations(rehearsal: Rehearsal) -> list[str]:
    return [call["operation"] for call in rehearsal.calls()]


def write(connection: Connection) -> None:
    connection.writing("ecs").create_cluster(clusterName="production")


# Sessions and clients


def test_b1_one_session_and_one_client_of_each_kind_are_kept(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[Any] = []
    real = botocore.session.get_session
    monkeypatch.setattr(botocore.session, "get_session", lambda *given: sessions.append(1) or real(*given))
    for _ in range(3):
        clients = [
            connection.reading("ecs"),
            connection.writing("ecs"),
            connection.reading("secretsmanager"),
            connection.reading("ecr", "us-east-1"),
            connection.reading("ecr", "eu-west-1"),
        ]
        assert len({id(client) for client in clients}) == 5
        assert connection.reading("ecs") is clients[0]
    assert len(sessions) == 1


def test_b1_clients_are_created_one_at_a_time(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    real, at_once, most = boto3.Session.client, [0], [0]

    def client(self: Any, *given: Any, **more: Any) -> Any:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        made = real(self, *given, **more)
        at_once[0] -= 1
        return made

    monkeypatch.setattr(boto3.Session, "client", client)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(connection.reading("ecs"))) for _ in range(8)]
    threads += [threading.Thread(target=lambda: connection.writing("ecs")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert len({id(client) for client in found}) == 1


def test_b1_two_places_share_nothing(rehearsal: Rehearsal) -> None:
    one, other = (Connection(Place(region)) for region in ("us-east-1", "eu-west-1"))
    assert one.reading("ecs") is not other.reading("ecs")
    assert other.reading("ecs").meta.region_name == "eu-west-1"


def test_b2_b3_b4_the_retries_are_pinned_to_standard_and_writing_has_none(connection: Connection) -> None:
    for client, attempts in ((connection.reading("ecs"), 3), (connection.writing("ecs"), 1)):
        assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": attempts}


def test_b2_whatever_the_environment_says(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")
    rehearsal.fault("ecs", "DescribeClusters", "throttle", times=9)
    with pytest.raises(ClientError, match="reached max retries: 2"):
        Connection(Place("us-east-1")).reading("ecs").describe_clusters()
    assert operations(rehearsal) == ["DescribeClusters"] * 3


@pytest.mark.parametrize("fault", ["throttle", "error", "drop_before", "drop_after"])
def test_b4_a_write_is_sent_once_whatever_becomes_of_it(
    rehearsal: Rehearsal, connection: Connection, fault: str
) -> None:
    rehearsal.fault("ecs", "CreateCluster", fault)
    with pytest.raises((ClientError, ConnectionClosedError)):
        write(connection)
    assert operations(rehearsal) == ["CreateCluster"]


def test_b5_pool_and_time_outs_are_set(rehearsal: Rehearsal) -> None:
    config = Connection(Place("us-east-1"), timeout=5.0).reading("ecs").meta.config
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (2.0, 5.0, 16)
    assert Connection(Place("us-east-1"), timeout=0.5).writing("ecs").meta.config.connect_timeout == 0.5


def test_b5_an_answer_that_does_not_come_ends_the_call(rehearsal: Rehearsal) -> None:
    rehearsal.fault("ecs", "CreateCluster", "hang_after", seconds=30)
    with pytest.raises(ReadTimeoutError):
        write(Connection(Place("us-east-1"), timeout=0.2))


# A service that does not answer


def test_a_service_that_did_not_answer_a_read_is_not_asked_again_in_the_same_pass(rehearsal: Rehearsal) -> None:
    connection = Connection(Place("us-east-1"), timeout=0.2)
    rehearsal.fault("ecs", "ListClusters", "hang_before", times=9, seconds=30)
    for _ in range(3):
        with pytest.raises(ReadTimeoutError):
            connection.reading("ecs").list_clusters()
    with pytest.raises(ReadTimeoutError):
        connection.reading("ecs").describe_clusters()
    assert operations(rehearsal) == ["ListClusters"] * 3

    connection.reading("secretsmanager").list_secrets()
    write(connection)
    connection.new_pass()
    connection.reading("ecs").describe_clusters()
    assert operations(rehearsal)[3:] == ["ListSecrets", "CreateCluster", "DescribeClusters"]


@pytest.mark.parametrize("fault", ["throttle", "error", "drop_before"])
def test_a_service_that_answers_badly_is_asked_again(rehearsal: Rehearsal, connection: Connection, fault: str) -> None:
    rehearsal.fault("ecs", "ListClusters", fault, times=3)
    with pytest.raises((ClientError, ConnectionClosedError)):
        connection.reading("ecs").list_clusters()
    assert connection.reading("ecs").list_clusters()["clusterArns"] == []


def test_a_service_that_nobody_listens_for_is_not_asked_again_in_the_same_pass(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", "http://127.0.0.1:1")
    calls: list[Any] = []
    connection = Connection(Place("us-east-1"), on_call=lambda *call: calls.append(call))
    for _ in range(3):
        with pytest.raises(EndpointConnectionError):
            connection.reading("ecs").list_clusters()
    assert len(calls) == 1


# Credentials


def test_a_role_is_assumed_once_for_all_clients(rehearsal: Rehearsal) -> None:
    connection = Connection(Place("us-east-1", ROLE))
    assert connection.account() == "123456789012"
    connection.reading("ecs").list_clusters()
    write(connection)
    assert operations(rehearsal) == ["AssumeRole", "GetCallerIdentity", "ListClusters", "CreateCluster"]
    assert rehearsal.calls()[0]["summary"] == {"RoleArn": ROLE}
    assert "assumed-role/trueup/trueup" in connection.reading("sts").get_caller_identity()["Arn"]


def test_b2_b5_whatever_fetches_credentials_has_the_same_limits(rehearsal: Rehearsal) -> None:
    rehearsal.fault("sts", "AssumeRole", "hang_before", times=9, seconds=30)
    connection = Connection(Place("us-east-1", ROLE), timeout=0.2)
    with pytest.raises(ReadTimeoutError):
        connection.account()
    assert operations(rehearsal) == ["AssumeRole"] * 3


def test_another_program_gets_the_region_and_the_credentials_of_the_role(rehearsal: Rehearsal) -> None:
    assert Connection(Place("eu-west-1")).environ() == {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert operations(rehearsal) == []

    connection = Connection(Place("us-east-1", ROLE))
    one, two = connection.environ(), connection.environ()
    assert operations(rehearsal) == ["AssumeRole"] * 2  # for each piece of work anew: the last ones may be about to end
    assert one["AWS_SESSION_TOKEN"] != ""
    assert one["AWS_ACCESS_KEY_ID"] not in ("rehearsal", two["AWS_ACCESS_KEY_ID"])
    assert {*one} == {
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    }


def test_a_connection_beside_has_no_guard_and_is_counted_all_the_same(rehearsal: Rehearsal) -> None:
    calls: list[tuple[str, str, str, float]] = []
    connection = Connection(Place("us-east-1"), on_call=lambda *call: calls.append(call))

    def never() -> None:
        raise Superseded("a newer commit has arrived")

    connection.guard = never
    write(connection.beside())
    assert operations(rehearsal) == ["CreateCluster"]
    assert [call[:2] for call in calls] == [("ecs", "CreateCluster")]


def test_without_credentials_there_is_an_error_that_passes(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    for place in (Place("us-east-1"), Place("us-east-1", ROLE)):
        with pytest.raises(NoCredentialsError) as caught:
            Connection(place).account()
        assert not is_terminal(caught.value)
        assert sentence(caught.value).startswith("Unable to locate credentials; set AWS_PROFILE, or ")


def test_credentials_that_come_later_are_found_and_looked_for_once_a_pass(
    rehearsal: Rehearsal, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(NoCredentialsError):
            connection.reading("ecs")
    with pytest.raises(NoCredentialsError):
        connection.reading("sts")
    connection.new_pass()
    assert connection.account() == "123456789012"


@pytest.mark.parametrize("url", ["localhost:5000", "http://", "nonsense"])
def test_an_endpoint_that_is_no_url_is_an_error_that_says_what_to_write(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(InvalidEndpointConfigurationError) as caught:
        Connection(Place("us-east-1")).reading("ecs")
    assert "write AWS_ENDPOINT_URL as http://host:port, or unset it" in sentence(caught.value)
    assert not is_terminal(caught.value)


def test_the_account_is_asked_again_every_quarter_of_an_hour(
    rehearsal: Rehearsal, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for seconds, calls in ((0, 1), (899, 1), (902, 2), (1700, 2), (1900, 3)):
        now[0] = 1000.0 + seconds
        assert connection.account() == "123456789012"
        assert len(rehearsal.calls()) == calls


# Time


def test_now_is_the_date_of_the_last_answer_carried_on(rehearsal: Rehearsal, connection: Connection) -> None:
    rehearsal.advance(86_400)
    assert abs(connection.now() - rehearsal.now()) < timedelta(seconds=2)
    assert operations(rehearsal) == ["GetCallerIdentity"]
    rehearsal.advance(60)
    assert connection.now() < rehearsal.now() - timedelta(seconds=58)
    connection.reading("ecs").list_clusters()
    assert abs(connection.now() - rehearsal.now()) < timedelta(seconds=2)


@pytest.mark.parametrize(
    ("date", "hour"),
    [
        pytest.param("Sat, 24 Feb 2024 12:00:00 GMT", 12, id="as AWS writes it"),
        pytest.param("Sat, 24 Feb 2024 12:00:00 +0200", 10, id="an offset"),
        pytest.param("Sat, 24 Feb 2024 12:00:00 -0000", 12, id="no offset"),
    ],
)
def test_a_date_is_read_as_what_it_means(connection: Connection, date: str, hour: int) -> None:
    told(connection, date)
    connection.reading("ecs").list_clusters()
    assert connection.now().astimezone(UTC).replace(microsecond=0) == datetime(2024, 2, 24, hour, tzinfo=UTC)


@pytest.mark.parametrize("date", ["", "yesterday", "0"])
def test_an_answer_whose_date_is_none_is_an_answer_all_the_same(connection: Connection, date: str) -> None:
    told(connection, date)
    assert connection.reading("ecs").list_clusters()["clusterArns"] == []


def told(connection: Connection, date: str) -> None:
    """What a proxy in between makes of the Date."""

    def replace(http_response: Any, **_: object) -> None:
        http_response.headers["Date"] = date

    connection.reading("ecs").meta.events.register_first("after-call.ecs.ListClusters", replace)


# Writing


def test_the_guard_is_asked_right_before_each_write_and_before_no_read(
    rehearsal: Rehearsal, connection: Connection
) -> None:
    asked: list[int] = []
    connection.writing("ecs")
    connection.guard = lambda: asked.append(len(rehearsal.calls()))
    connection.reading("ecs").list_clusters()
    write(connection)
    write(connection)
    assert asked == [1, 2]


def test_a_guard_that_refuses_keeps_the_write_from_being_sent(rehearsal: Rehearsal, connection: Connection) -> None:
    def refuse() -> None:
        raise Superseded("commit abc has arrived")

    connection.guard = refuse
    with pytest.raises(Superseded):
        write(connection)
    assert (operations(rehearsal), connection.writes_in_flight) == ([], 0)


@pytest.mark.parametrize("fault", ["", "throttle", "error", "drop_before"])
def test_a_write_is_in_flight_until_it_has_ended_somehow(
    rehearsal: Rehearsal, connection: Connection, fault: str
) -> None:
    seen: list[int] = []
    client = connection.writing("ecs")
    client.meta.events.register("before-send", lambda **_: seen.append(connection.writes_in_flight))
    if fault:
        rehearsal.fault("ecs", "CreateCluster", fault)
        with pytest.raises((ClientError, ConnectionClosedError)):
            write(connection)
    else:
        write(connection)
    connection.reading("ecs").list_clusters()
    assert (seen, connection.writes_in_flight) == ([1], 0)


# Telling


@pytest.mark.parametrize(
    ("fault", "times", "heard"),
    [
        pytest.param("", 0, "", id="an answer"),
        pytest.param("throttle", 3, "ThrottlingException", id="an error"),
        pytest.param("throttle", 2, "", id="an answer in the end"),
        pytest.param("drop_before", 3, "ConnectionClosedError", id="no answer"),
    ],
)
def test_every_call_is_heard_of_once_when_it_has_ended(
    rehearsal: Rehearsal, fault: str, times: int, heard: str
) -> None:
    calls: list[Any] = []
    connection = Connection(Place("us-east-1"), on_call=lambda *call: calls.append(call))
    if fault:
        rehearsal.fault("secretsmanager", "ListSecretVersionIds", fault, times=times)
    boto3.client("secretsmanager", "us-east-1").create_secret(Name="a", SecretString="b")
    try:
        connection.reading("secretsmanager").list_secret_version_ids(SecretId="a")
    except (ClientError, ConnectionClosedError):
        assert heard
    (service, operation, error, seconds) = calls[0]
    assert (len(calls), service, operation, error) == (1, "secrets-manager", "ListSecretVersionIds", heard)
    assert 0 < seconds < 10


# What an error means


def answered(code: str, status: int = 400, message: str = "no", kind: str = "application/json") -> ClientError:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {"content-type": kind}}
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}
    return ClientError(response, "UpdateService")


CONCURRENT = answered(
    "ClientException", message="Too many concurrent attempts to create a new revision of the specified family."
)
NO_ANSWER = ReadTimeoutError(endpoint_url="aws")


@pytest.mark.parametrize(
    ("error", "terminal", "ambiguous"),
    [
        pytest.param(answered("ClientException"), True, False, id="a request that AWS refuses"),
        pytest.param(answered("AccessDeniedException"), True, False, id="a permission is missing"),
        pytest.param(answered("AccessDenied", 403), True, False, id="a permission is missing, by the query protocol"),
        pytest.param(answered("ServiceNotFoundException"), True, False, id="not there"),
        pytest.param(answered("ResourceExistsException"), True, False, id="there already"),
        pytest.param(CONCURRENT, False, False, id="somebody else registers too"),
        pytest.param(answered("ConcurrentUpdateException"), False, False, id="somebody else scales too"),
        pytest.param(answered("ThrottlingException"), False, False, id="throttled"),
        pytest.param(answered("Throttling"), False, False, id="throttled, by the query protocol"),
        pytest.param(answered("ThrottlingException", 503), False, False, id="throttled, with another status"),
        pytest.param(answered("LimitExceededException"), False, False, id="a quota"),
        pytest.param(answered("429", 429), False, False, id="a proxy has enough"),
        pytest.param(answered("408", 408), False, False, id="a proxy does not wait"),
        pytest.param(answered("ExpiredTokenException"), False, False, id="credentials have expired"),
        pytest.param(answered("RequestTimeTooSkewed", 403), False, False, id="this machine's clock is wrong"),
        pytest.param(answered("ServerException", 500), False, True, id="an error of AWS"),
        pytest.param(answered("502", 502), False, True, id="an error of a proxy"),
        pytest.param(NO_ANSWER, False, True, id="no answer"),
        pytest.param(ConnectionClosedError(endpoint_url="aws"), False, True, id="the connection was closed"),
        pytest.param(ResponseParserError("cut off"), False, True, id="an answer that cannot be read"),
        pytest.param(EndpointConnectionError(endpoint_url="aws"), False, False, id="nobody is there"),
        pytest.param(ConnectTimeoutError(endpoint_url="aws"), False, False, id="nobody answers the door"),
        pytest.param(NoCredentialsError(), False, False, id="no credentials"),
        pytest.param(NoRegionError(), False, False, id="no region"),
        pytest.param(ParamValidationError(report="x"), True, False, id="a request that botocore refuses"),
        pytest.param(ValueError("x"), False, False, id="a mistake of ours"),
    ],
)
def test_whether_trying_again_can_help_and_whether_a_write_may_have_been_made(
    error: Exception, terminal: bool, ambiguous: bool
) -> None:
    assert (is_terminal(error), is_ambiguous(error)) == (terminal, ambiguous)


@pytest.mark.parametrize(
    ("error", "denied"),
    [
        pytest.param(answered("AccessDeniedException"), True, id="by the JSON protocols"),
        pytest.param(answered("AccessDenied", 403), True, id="by the query protocol"),
        pytest.param(answered("UnauthorizedOperation", 403), True, id="by EC2"),
        pytest.param(answered("403", 403), True, id="by an emulator"),
        pytest.param(answered("ExpiredToken", 403), False, id="expired"),
        pytest.param(answered("ClientException"), False, id="refused for another reason"),
        pytest.param(NO_ANSWER, False, id="no answer"),
    ],
)
def test_whether_a_permission_is_missing(error: Exception, denied: bool) -> None:
    assert is_denied(error) is denied


@pytest.mark.parametrize(
    ("error", "unsupported"),
    [
        pytest.param(answered("UnknownOperationException"), True, id="by name"),
        pytest.param(answered("InvalidAction"), True, id="by the query protocol"),
        pytest.param(answered("404", 404), True, id="by status"),
        pytest.param(answered("500", 500, kind="text/html; charset=utf-8"), True, id="by a page of HTML"),
        pytest.param(answered("500", 500), False, id="an error of AWS"),
        pytest.param(answered("ServerException", 500, kind="text/html"), False, id="an error of AWS with a name"),
        pytest.param(answered("AccessDeniedException"), False, id="a permission is missing"),
        pytest.param(NO_ANSWER, False, id="no answer"),
    ],
)
def test_whether_an_endpoint_has_an_api_at_all(error: Exception, unsupported: bool) -> None:
    assert is_unsupported(error) is unsupported


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(
            answered("AccessDeniedException", message="User x is not authorized"),
            "not allowed to call UpdateService: User x is not authorized; grant it to the role that trueup runs as",
            id="a permission",
        ),
        pytest.param(
            answered("ClientException", message="one\n two"),
            "UpdateService failed (ClientException): one two",
            id="AWS",
        ),
        pytest.param(answered("", 502, message=""), "UpdateService failed (502): ", id="an error without a code"),
        pytest.param(Stalled("pin another revision"), "pin another revision", id="ours"),
        pytest.param(Absent("there is no secret x"), "there is no secret x", id="ours too"),
        pytest.param(KeyError(), "KeyError", id="an error without words"),
    ],
)
def test_an_error_is_one_line_for_a_person(error: Exception, words: str) -> None:
    assert sentence(error) == words


def test_a_long_error_is_cut_off() -> None:
    assert len(sentence(answered("ClientException", message="x" * 9_000))) < 500
    assert len(sentence(ValueError("x" * 9_000))) == 500


def test_a_code_is_what_aws_answered() -> None:
    assert (code(answered("ClientException")), code(NO_ANSWER)) == ("ClientException", "")


def test_an_emulator_is_not_aws(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not connection.is_real_aws
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    for region in ("us-east-1", "cn-north-1"):
        assert Connection(Place(region)).is_real_aws
