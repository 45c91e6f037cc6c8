"""The way to AWS: one session per account and region, kept clients, time-outs, retries and what errors mean."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    InvalidEndpointConfigurationError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from reconcilers.contract import Stalled

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sts import STSClient

# Codes differ by protocol: JSON services say AccessDeniedException, query services AccessDenied.
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})
_THROTTLED = frozenset(
    {
        "ConcurrentUpdateException",
        "LimitExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
_UNSUPPORTED = frozenset({"404", "501", "InvalidAction", "NotImplemented", "UnknownOperationException"})
# A ClientException by its code, a passing state by its words: ECS has no code for it, and botocore never retries it.
_PASSING = ("Too many concurrent attempts",)

_SILENT = (ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError)
# What to do about an error that botocore only names.
_MENDS: tuple[tuple[type[Exception], str], ...] = (
    (
        NoCredentialsError,
        "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine or the pod a role",
    ),
    (ProfileNotFound, "correct AWS_PROFILE, or add the profile to ~/.aws/config"),
    (InvalidEndpointConfigurationError, "write AWS_ENDPOINT_URL as http://host:port, or unset it"),
)

_LOADERS: dict[str, Any] = {}  # the first session's, shared by all

Observer = Callable[[str, str, str, float], None]  # service, operation, error code or "", seconds


@dataclass(frozen=True)
class Place:
    """Where an environment lives. Environments of one place share its connection and its batched reads."""

    region: str
    role_arn: str | None = None


class Connection:
    """One account and region: a session, and per service one client that reads and one that writes.

    Reading retries with jitter. Writing makes one attempt: after a time-out the caller has to look again first.
    A service that did not answer a read is not asked again in the same pass, and neither are credentials.
    `guard` runs right before every write is sent and may raise `Superseded`. `on_call` hears of every call that ended.
    """

    def __init__(self, place: Place, *, timeout: float = 8.0, on_call: Observer = lambda *_: None) -> None:
        self.place = place
        self.guard: Callable[[], None] = lambda: None
        self.writes_in_flight = 0
        self._on_call = on_call
        self._timeout = timeout
        self._lock = threading.RLock()  # creating clients is not documented as thread-safe; using them is
        self._clients: dict[tuple[str, str, bool], Any] = {}
        self._session: boto3.Session | None = None
        self._silent: dict[str, Exception] = {}  # what went unanswered in this pass, by service
        self._clock: tuple[datetime, float] | None = None
        self._account: tuple[str, float] | None = None

    def new_pass(self) -> None:
        """Ask again what did not answer in the last pass."""
        self._silent = {}

    @overload
    def reading(self, service: Literal["ecs"]) -> "ECSClient": ...
    @overload
    def reading(self, service: Literal["elbv2"]) -> "ElasticLoadBalancingv2Client": ...
    @overload
    def reading(self, service: Literal["secretsmanager"]) -> "SecretsManagerClient": ...
    @overload
    def reading(self, service: Literal["application-autoscaling"]) -> "ApplicationAutoScalingClient": ...
    @overload
    def reading(self, service: Literal["rds"]) -> "RDSClient": ...
    @overload
    def reading(self, service: Literal["route53"]) -> "Route53Client": ...
    @overload
    def reading(self, service: Literal["logs"], region: str | None = None) -> "CloudWatchLogsClient": ...
    @overload
    def reading(self, service: Literal["s3"]) -> "S3Client": ...
    @overload
    def reading(self, service: Literal["sts"]) -> "STSClient": ...
    @overload
    def reading(self, service: Literal["cloudwatch"]) -> "CloudWatchClient": ...
    @overload
    def reading(self, service: Literal["cloudtrail"]) -> "CloudTrailClient": ...
    @overload
    def reading(self, service: Literal["iam"]) -> "IAMClient": ...
    @overload
    def reading(self, service: Literal["ecr"], region: str) -> "ECRClient": ...
    def reading(self, service: str, region: str | None = None) -> Any:
        """The client for reads: three attempts with jitter. BotoCoreError: credentials or settings do not allow one."""
        return self._client(service, region or self.place.region, writes=False)

    @overload
    def writing(self, service: Literal["ecs"]) -> "ECSClient": ...
    @overload
    def writing(self, service: Literal["elbv2"]) -> "ElasticLoadBalancingv2Client": ...
    @overload
    def writing(self, service: Literal["secretsmanager"]) -> "SecretsManagerClient": ...
    @overload
    def writing(self, service: Literal["application-autoscaling"]) -> "ApplicationAutoScalingClient": ...
    @overload
    def writing(self, service: Literal["rds"]) -> "RDSClient": ...
    @overload
    def writing(self, service: Literal["route53"]) -> "Route53Client": ...
    @overload
    def writing(self, service: Literal["s3"]) -> "S3Client": ...
    def writing(self, service: str) -> Any:
        """The client for writes: one attempt, and the guard right before it."""
        return self._client(service, self.place.region, writes=True)

    def beside(self) -> "Connection":
        """Another connection to the same place, for work beside the passes: it has no guard, and clients of its own."""
        return Connection(self.place, timeout=self._timeout, on_call=self._on_call)

    def environ(self) -> dict[str, str]:
        """What another program needs to act in the same place: its region, and the role's credentials for an hour.

        Without a role it finds its credentials as we do. ClientError or BotoCoreError: the role cannot be assumed.
        """
        found = {"AWS_REGION": self.place.region, "AWS_DEFAULT_REGION": self.place.region}
        if self.place.role_arn is None:
            return found
        # Not those of our own session: they may be about to end.
        credentials = _session(self.place, _config(self._timeout, attempts=3)).get_credentials()
        if credentials is None:
            raise NoCredentialsError
        frozen = credentials.get_frozen_credentials()
        found |= {"AWS_ACCESS_KEY_ID": f"{frozen.access_key}", "AWS_SECRET_ACCESS_KEY": f"{frozen.secret_key}"}
        return found | ({"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {})

    @property
    def is_real_aws(self) -> bool:
        """False where AWS_ENDPOINT_URL leads to an emulator or a proxy."""
        return ".amazonaws.com" in self.reading("ecs").meta.endpoint_url

    def now(self) -> datetime:
        """The time by AWS: the Date of its last answer, carried on by the monotonic clock."""
        if self._clock is None:
            self.account()
        date, at = self._clock or (datetime.now(UTC), time.monotonic())
        return date + timedelta(seconds=time.monotonic() - at)

    @property
    def was_answered(self) -> bool:
        """Whether AWS has answered anything yet, be it an error."""
        return self._clock is not None

    def account(self) -> str:
        """The account that STS says we act in (12 digits); asked again every quarter of an hour."""
        if self._account is None or time.monotonic() - self._account[1] > 900:
            self._account = (self.reading("sts").get_caller_identity()["Account"], time.monotonic())
        return self._account[0]

    def _client(self, service: str, region: str, *, writes: bool) -> Any:
        with self._lock:
            key = (service, region, writes)
            if key not in self._clients:
                self._clients[key] = self._create(service, region, writes=writes)
            return self._clients[key]

    def _create(self, service: str, region: str, *, writes: bool) -> Any:
        session = self._session = self._session or self._open()
        config = _config(self._timeout, attempts=1 if writes else 3)
        try:
            client = session.client(cast(Any, service), region_name=region, config=config)
        except ValueError as error:  # botocore's only word for an AWS_ENDPOINT_URL that is no URL
            raise InvalidEndpointConfigurationError(msg=f"{error}") from error
        events = client.meta.events
        events.register("before-call", self._started)
        events.register("after-call", self._ended)
        events.register("after-call-error", self._broke)
        if not writes:
            events.register_first("before-call", self._about_to_read)
            events.register("after-call-error", self._unanswered)
        if writes:
            events.register_first("before-call", self._about_to_write)
            events.register_last("after-call", self._wrote)
            events.register_last("after-call-error", self._wrote)
        return client

    def _open(self) -> boto3.Session:
        if error := self._silent.get("credentials"):
            raise error
        try:
            return _session(self.place, _config(self._timeout, attempts=3))
        except BotoCoreError as error:
            self._silent["credentials"] = error
            raise

    def _about_to_read(self, event_name: str, **_: object) -> None:
        if error := self._silent.get(event_name.split(".")[1]):
            raise error

    def _unanswered(self, exception: Exception, event_name: str, **_: object) -> None:
        if isinstance(exception, _SILENT):
            self._silent[event_name.split(".")[1]] = exception

    def _about_to_write(self, **_: object) -> None:
        self.guard()
        with self._lock:
            self.writes_in_flight += 1

    def _wrote(self, **_: object) -> None:
        with self._lock:
            self.writes_in_flight -= 1

    def _started(self, context: dict[str, Any], **_: object) -> None:
        context["trueup_started"] = time.monotonic()

    def _ended(
        self, http_response: Any, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: object
    ) -> None:
        if date := _date(http_response.headers.get("Date", "")):
            self._clock = (date, time.monotonic())
        self._tell(model, context, parsed.get("Error", {}).get("Code", "") if http_response.status_code >= 300 else "")

    def _broke(self, exception: Exception, context: dict[str, Any], event_name: str, **_: object) -> None:
        service, operation = event_name.split(".")[1:3]
        self._on_call(service, operation, type(exception).__name__, time.monotonic() - context["trueup_started"])

    def _tell(self, model: Any, context: dict[str, Any], code: str) -> None:
        seconds = time.monotonic() - context["trueup_started"]
        self._on_call(model.service_model.service_id.hyphenize(), model.name, code, seconds)


def _config(timeout: float, *, attempts: int) -> Config:
    return Config(
        connect_timeout=min(2.0, timeout),
        read_timeout=timeout,
        max_pool_connections=16,
        retries={"mode": "standard", "total_max_attempts": attempts},
        user_agent_extra="trueup",
    )


def _botocore() -> botocore.session.Session:
    """A session of botocore that shares with all others what it reads of AWS's regions and APIs, some 14 MB."""
    core = botocore.session.get_session()
    core.register_component("data_loader", _LOADERS.setdefault("data", core.get_component("data_loader")))
    return core


def _session(place: Place, config: Config) -> boto3.Session:
    core = _botocore()
    core.set_default_client_config(config)  # for the clients that fetch credentials
    source = boto3.Session(botocore_session=core, region_name=place.region)
    credentials = source.get_credentials()
    if credentials is None:  # a client made now would stay without them for good
        raise NoCredentialsError
    if place.role_arn is None:
        return source
    fetcher = AssumeRoleCredentialFetcher(
        source._session.create_client,
        credentials,
        place.role_arn,
        extra_args={"RoleSessionName": "trueup"},
    )
    assumed = _botocore()
    # botocore's own seam: boto3 offers none for credentials that refresh themselves.
    cast(Any, assumed)._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    return boto3.Session(botocore_session=assumed, region_name=place.region)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None  # a proxy's own idea of a date: the answer itself is good
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)


def code(error: Exception) -> str:
    """The AWS error code, or "" for anything that AWS did not answer."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_denied(error: Exception) -> bool:
    """AWS understood and refused: a permission is missing."""
    return code(error) in _DENIED


def is_unsupported(error: Exception) -> bool:
    """The endpoint does not know this API at all. Emulators say so with an HTML page and status 500."""
    if not isinstance(error, ClientError):
        return False
    kind = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("content-type", "")
    return code(error) in _UNSUPPORTED or (code(error) == "500" and kind.startswith("text/html"))


def is_ambiguous(error: Exception) -> bool:
    """Whether a write that ended so may have had its effect all the same."""
    if isinstance(error, ClientError):
        return _status(error) >= 500 and code(error) not in _THROTTLED
    return isinstance(error, HTTPClientError | ResponseParserError)


def is_terminal(error: Exception) -> bool:
    """Whether trying again cannot help: AWS understood the request and said no, for a reason that does not pass."""
    if isinstance(error, NoCredentialsError | NoRegionError):
        return False  # credentials come and go with their provider
    if isinstance(error, ClientError):
        passing = code(error) in _THROTTLED or any(words in str(error) for words in _PASSING)
        return 400 <= _status(error) < 500 and _status(error) not in (408, 429) and not passing and not _expired(error)
    return isinstance(error, BotoCoreError) and type(error).__name__ in {"ParamValidationError", "UnknownServiceError"}


def sentence(error: Exception) -> str:
    """The error as one line for a person, with the permission to add where one is missing."""
    if not isinstance(error, ClientError):
        said = f"{error}" if isinstance(error, Stalled) else " ".join(f"{error}".split())[:500] or type(error).__name__
        return "; ".join((said, *(mend for kind, mend in _MENDS if isinstance(error, kind))))
    message = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())[:400]
    if is_denied(error):
        return f"not allowed to call {error.operation_name}: {message}; grant it to the role that trueup runs as"
    return f"{error.operation_name} failed ({code(error) or _status(error)}): {message}"


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _expired(error: ClientError) -> bool:
    return code(error) in {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeTooSkewed"}
