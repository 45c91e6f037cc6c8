"""What Secrets Manager is asked: one DescribeSecret per secret and pass, dates once per version, values never kept."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from reconcilers.aws import Connection, code
from reconcilers.contract import Absent, Stalled

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import DescribeSecretResponseTypeDef

_DATES_KEPT: Final = 4096  # versions; two for each secret of a large account
_NOT_LISTED: Final = datetime.min.replace(tzinfo=UTC)


class Moved(Exception):
    """AWSCURRENT moved, or began to, between two looks at a secret: the next pass looks again."""


@dataclass(frozen=True, slots=True)
class SecretState:
    """What is known of a secret without reading its value."""

    arn: str
    current: str  # the version id that AWSCURRENT is on
    changed: datetime  # tasks older than this were started with an older value
    blocked: str  # why it must not be written, and what to do; empty where it may be
    previous: str = ""  # the version id that AWSPREVIOUS is on; empty where there is none
    undone: bool = False  # AWSPREVIOUS is the younger of the two: AWSCURRENT was moved back
    deleted: bool = False  # scheduled for deletion: its value cannot be read, so no task can start with it


class Secrets:
    """The reads of one connection, shared by all that name a secret. For one thread at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._created: dict[tuple[str, str], datetime] = {}
        self.new_pass()

    @property
    def _client(self) -> "SecretsManagerClient":
        return self._connection.reading("secretsmanager")

    def new_pass(self) -> None:
        """Forget what the last pass read. When a version was created stays known: it cannot change."""
        self._states: dict[str, SecretState | Exception] = {}

    def forget(self, secret: str) -> None:
        """Read this secret again when it is asked for next: it was written, or is about to be."""
        self._states.pop(secret, None)

    def state(self, secret: str) -> SecretState:
        """DescribeSecret, once a pass; ListSecretVersionIds, where a version is new. Absent: no secret, or no value."""
        if secret not in self._states:
            try:
                self._states[secret] = self._read(secret)
            except Exception as error:  # noqa: BLE001 — kept, and raised again to whatever else names this secret
                self._states[secret] = error
        state = self._states[secret]
        if isinstance(state, Exception):
            raise state
        return state

    def text(self, state: SecretState) -> str:
        """GetSecretValue of exactly the version that was seen as AWSCURRENT. The caller must not keep or show it."""
        try:
            told = self._client.get_secret_value(SecretId=state.arn, VersionId=state.current, VersionStage="AWSCURRENT")
        except ClientError as error:
            # Both codes are in use for a label that is not on this version.
            if code(error) == "ResourceNotFoundException" or "VersionStage" in str(error):
                raise Moved(f"AWSCURRENT of {_name(state.arn)} moved while it was read") from error
            raise
        if "SecretString" not in told:
            raise Stalled(f"secret {_name(state.arn)} is binary: store it as a JSON object or as one URL")
        return told["SecretString"]

    def value(self, arn: str, version: str) -> str:
        """GetSecretValue of one version, whatever labels it has. As for `text`. Absent: there is no such version."""
        try:
            told = self._client.get_secret_value(SecretId=arn, VersionId=version)
        except ClientError as error:
            if code(error) == "ResourceNotFoundException":
                raise Absent(
                    f"secret {_name(arn)} has no version {version} (any more): pin another secret_version, or none"
                ) from error
            raise
        if "SecretString" not in told:
            raise Stalled(f"version {version} of secret {_name(arn)} is binary: pin another secret_version, or none")
        return told["SecretString"]

    def versions(self, arn: str) -> dict[str, datetime]:
        """ListSecretVersionIds: every version that is still kept, and when it was made."""
        return self._dates(arn, deprecated=True)

    def _read(self, secret: str) -> SecretState:
        try:
            told = self._client.describe_secret(SecretId=secret)
        except ClientError as error:
            if code(error) == "ResourceNotFoundException":
                raise Absent(f"there is no secret {secret}: create it, or correct its name in the file") from error
            raise
        stages = told.get("VersionIdsToStages", {})
        current = _version(stages, "AWSCURRENT")
        if not current:
            raise Absent(f"secret {secret} has no AWSCURRENT version: put a value into it")
        previous = _version(stages, "AWSPREVIOUS")
        self._learn(told["ARN"], current, previous)
        created = self._created[told["ARN"], current]
        moved_back = bool(previous) and self._created[told["ARN"], previous] > created
        return SecretState(
            arn=told["ARN"],
            current=current,
            changed=told.get("LastChangedDate", created) if moved_back else created,
            blocked=_blocked(secret, told, current),
            previous=previous,
            undone=moved_back,
            deleted="DeletedDate" in told,
        )

    def _learn(self, arn: str, current: str, previous: str) -> None:
        wanted = [version for version in (current, previous) if version]
        if all((arn, version) in self._created for version in wanted):
            return
        dates = self._dates(arn)
        if current not in dates:
            raise Absent(f"secret {_name(arn)} does not list its AWSCURRENT version {current}")
        while len(self._created) + len(wanted) > _DATES_KEPT:
            del self._created[next(iter(self._created))]
        self._created |= {(arn, version): dates.get(version, _NOT_LISTED) for version in wanted}

    def _dates(self, arn: str, *, deprecated: bool = False) -> dict[str, datetime]:
        page = self._client.list_secret_version_ids(SecretId=arn, IncludeDeprecated=deprecated)
        versions = list(page["Versions"])
        while token := page.get("NextToken"):
            page = self._client.list_secret_version_ids(SecretId=arn, IncludeDeprecated=deprecated, NextToken=token)
            versions += page["Versions"]
        return {version["VersionId"]: version["CreatedDate"] for version in versions}


def _version(stages: dict[str, list[str]], stage: str) -> str:
    return next((version for version, names in stages.items() if stage in names), "")


def _blocked(secret: str, told: "DescribeSecretResponseTypeDef", current: str) -> str:
    if "DeletedDate" in told:
        return f"secret {secret} is scheduled for deletion: restore it (RestoreSecret), or name another in the file"
    if owner := told.get("OwningService"):
        return f"secret {secret} is managed by {owner}: change it there, and remove its endpoint from the file"
    if told.get("PrimaryRegion", region := told["ARN"].split(":")[3]) != region:
        return f"secret {secret} is a replica: pin it in the environment of its primary region, {told['PrimaryRegion']}"
    if _version(told["VersionIdsToStages"], "AWSPENDING") not in ("", current):
        return (
            f"secret {secret} is being rotated (AWSPENDING is on another version than AWSCURRENT): "
            "wait for the rotation to end, or cancel it (CancelRotateSecret) if it failed"
        )
    return ""


def _name(arn: str) -> str:
    """The name in a secret's ARN, without the six random characters that AWS appends."""
    return arn.split(":", 6)[-1].rpartition("-")[0] or arn
