"""A database, as the services see it: where its secret says that it listens."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, Final

from botocore.exceptions import BotoCoreError, ClientError

from desired_state.model import Database, Endpoint
from reconcilers.aws import Connection, code, sentence
from reconcilers.contract import Absent, Advice, Change, Drift, Observation, Reconciler, Stalled, Unseen
from reconcilers.secret_text import Address, addresses, readdressed
from reconcilers.secrets import Moved, Secrets, SecretState

_ADDRESSES_KEPT: Final = 4096  # versions


@dataclass(frozen=True)
class DatabasePin:
    """An entry of `databases`, and its name there."""

    name: str
    database: Database


@dataclass(frozen=True, kw_only=True)
class LiveDatabase(Observation):
    """What the secret says, without its value."""

    secret: str  # its ARN
    version: str  # the version id that AWSCURRENT is on
    addresses: tuple[Address, ...] = ()  # one for each place that names a host; none where no endpoint is pinned


@dataclass(frozen=True, kw_only=True)
class Publish(Change):
    """PutSecretValue: a new version with the pinned host and port, and every other byte as it was.

    UpdateSecretVersionStage, where that very version exists already and only AWSCURRENT has to move to it.
    """

    actions: ClassVar[tuple[str, ...]] = (
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
    )

    version: str  # the version that was live when it was compared: no other one is replaced
    endpoint: Endpoint


class DatabaseReconciler(Reconciler[DatabasePin, LiveDatabase]):
    """Keeps the endpoint in a database's secret at the pinned one."""

    reads: ClassVar[tuple[str, ...]] = (
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecretVersionIds",
    )

    def __init__(self, connection: Connection, secrets: Secrets) -> None:
        self._connection = connection
        self._secrets = secrets
        # Hosts and ports by ARN and version id, or why there are none. A version never changes.
        self._addresses: dict[tuple[str, str], tuple[Address, ...] | str] = {}

    def observe(self, desired: DatabasePin) -> LiveDatabase:
        """DescribeSecret; GetSecretValue only where the version is new. Absent: no such secret. Stalled: unreadable."""
        state = self._secrets.state(desired.database.secret)
        if state.deleted:
            raise Stalled(state.blocked)
        endpoint = desired.database.endpoint
        if endpoint is None:
            return LiveDatabase(secret=state.arn, version=state.current)
        found = self._read(desired.database.secret, state)
        published = all(address.is_at(endpoint) for address in found)
        return LiveDatabase(
            secret=state.arn,
            version=state.current,
            addresses=found,
            blocked="" if published else state.blocked,
            advice=(Advice("secret_not_writable", state.blocked),) if published and state.blocked else (),
        )

    @staticmethod
    def diff(desired: DatabasePin, live: LiveDatabase) -> Iterator[Publish]:
        """One Publish where any place of the secret names another endpoint than the pinned one."""
        endpoint = desired.database.endpoint
        if endpoint is None or all(address.is_at(endpoint) for address in live.addresses):
            return
        shown = " and ".join(dict.fromkeys(map(str, live.addresses)))
        drift = Drift("endpoint", live=shown, desired=_resulting(endpoint, live.addresses))
        yield Publish(drifts=(drift,), version=live.version, endpoint=endpoint)

    def apply(self, desired: DatabasePin, change: Change) -> None:
        """Write the new version, and read it back. Moved: someone else wrote meanwhile; the next pass looks again.

        Unseen: it was written, and does not show yet.
        """
        if not isinstance(change, Publish):
            raise TypeError(f"a database knows no {change.verb}")
        name = desired.database.secret
        before = self._fresh(name)
        if before.blocked or before.current != change.version:
            raise Moved(before.blocked or f"secret {name} was written meanwhile: it is compared again before a write")
        try:
            self._publish(name, before, change.endpoint)
        finally:
            self._secrets.forget(name)

    def _publish(self, name: str, before: SecretState, endpoint: Endpoint) -> None:
        text = _rewritten(name, self._secrets.text(before), endpoint)
        token = _token(before, endpoint)
        if not self._put(name, before.arn, text, token):
            self._move(before.arn, to=token, away_from=before.current)
        try:
            after = self._fresh(name)
            shown = after.current == token and self._secrets.text(after) == text
        except (Absent, Moved, BotoCoreError, ClientError) as error:
            raise Unseen(f"secret {name} was written, and could not be read back: {sentence(error)}") from error
        if not shown:
            raise Unseen(f"secret {name} does not show its new version {token} yet: it is read again before a write")
        if after.previous not in ("", before.current):
            self._move(before.arn, to=after.previous, away_from=token)
            raise Moved(f"someone else wrote secret {name} at the same moment: their version was put back")

    def _put(self, name: str, arn: str, text: str, token: str) -> bool:
        """Whether the version is current now. Not so where it existed: then AWS does nothing, and says so."""
        try:
            told = self._connection.writing("secretsmanager").put_secret_value(
                SecretId=arn, SecretString=text, ClientRequestToken=token
            )
        except ClientError as error:
            if code(error) == "ResourceExistsException":
                raise Stalled(
                    f"secret {name} has a version {token} with another content than trueup would write: "
                    "put the endpoint into the secret by hand"
                ) from error
            raise
        return "AWSCURRENT" in told["VersionStages"]

    def _move(self, arn: str, *, to: str, away_from: str) -> None:
        try:
            self._connection.writing("secretsmanager").update_secret_version_stage(
                SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=to, RemoveFromVersionId=away_from
            )
        except ClientError as error:
            if code(error) == "InvalidParameterException":  # the label is no longer where we saw it
                raise Moved(f"AWSCURRENT of {arn} moved meanwhile: it is compared again before a write") from error
            raise

    def _fresh(self, name: str) -> SecretState:
        self._secrets.forget(name)
        return self._secrets.state(name)

    def _read(self, name: str, state: SecretState) -> tuple[Address, ...]:
        key = (state.arn, state.current)
        if key not in self._addresses:
            found = _parsed(name, self._secrets.text(state))
            while len(self._addresses) >= _ADDRESSES_KEPT:
                del self._addresses[next(iter(self._addresses))]
            self._addresses[key] = found
        found = self._addresses[key]
        if isinstance(found, str):
            raise Stalled(found)
        return found


def _resulting(endpoint: Endpoint, found: tuple[Address, ...]) -> str:
    """The pinned endpoint, with the port that stays where the file names none: the reader sees where it leads."""
    kept = dict.fromkeys(str(endpoint.port or address.port or "") for address in found)
    return " and ".join(f"{endpoint.host}:{port}" if port else endpoint.host for port in kept)


def _parsed(name: str, text: str) -> tuple[Address, ...] | str:
    try:
        return addresses(text)
    except Stalled as unreadable:
        return f"secret {name}: {unreadable}"


def _rewritten(name: str, text: str, endpoint: Endpoint) -> str:
    try:
        return readdressed(text, endpoint)
    except Stalled as unreadable:
        raise Stalled(f"secret {name}: {unreadable}") from None


def _token(before: SecretState, endpoint: Endpoint) -> str:
    """The id of the version that follows this one: the same however often it is asked for, and never of a password.

    AWSPREVIOUS is part of it, so that a pin that a person undid by moving AWSCURRENT back is published as a younger
    version, and the tasks that started in between are restarted.
    """
    parts = (before.arn, before.current, before.previous, endpoint.host, str(endpoint.port or ""))
    return sha256("\n".join(parts).encode()).hexdigest()
