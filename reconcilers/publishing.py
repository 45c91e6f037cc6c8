"""Writing a database's secret: a new version with another endpoint, or with the value of an older version."""

from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from desired_state.model import Endpoint
from reconcilers.aws import Connection, code, sentence
from reconcilers.contract import Absent, Change, Stalled, Unseen
from reconcilers.secret_values import SecretValues, rewritten
from reconcilers.secrets import Moved, Secrets, SecretState


@dataclass(frozen=True, kw_only=True)
class Publish(Change):
    """PutSecretValue: a new version with the endpoint, and every other byte as it was, here or in an older version.

    UpdateSecretVersionStage, where that very version exists already and only AWSCURRENT has to move to it.
    """

    actions: ClassVar[tuple[str, ...]] = (
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
    )

    version: str  # the version that was live when it was compared: no other one is replaced
    endpoint: Endpoint | None  # None: as the value has it
    value: str = ""  # the version whose value is put; "" where it is the live one


class Publisher:
    """Writes secrets, and reads back what it wrote."""

    def __init__(self, connection: Connection, secrets: Secrets, values: SecretValues) -> None:
        self._connection = connection
        self._secrets = secrets
        self._values = values

    def publish(self, name: str, change: Publish) -> None:
        """Write the new version, and read it back. Moved: someone else wrote meanwhile; the next pass looks again.

        Unseen: it was written, and does not show yet.
        """
        before = self._fresh(name)
        if before.blocked or before.current != change.version:
            raise Moved(before.blocked or f"secret {name} was written meanwhile: it is compared again before a write")
        try:
            self._write(name, before, change)
        finally:
            self._secrets.forget(name)

    def _write(self, name: str, before: SecretState, change: Publish) -> None:
        text = rewritten(name, self._values.text(before, change.value), change.endpoint)
        token = _token(before, change)
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


def _token(before: SecretState, change: Publish) -> str:
    """The id of the version that follows this one: the same however often it is asked for, and never of a password.

    AWSPREVIOUS is part of it, so that a pin that a person undid by moving AWSCURRENT back is published as a younger
    version, and the tasks that started in between are restarted.
    """
    to = (change.endpoint.host, str(change.endpoint.port or "")) if change.endpoint else ("", "")
    parts = (before.arn, before.current, before.previous, *to, *([change.value] if change.value else []))
    return sha256("\n".join(parts).encode()).hexdigest()
