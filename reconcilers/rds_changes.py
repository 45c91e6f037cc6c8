"""What may be done to a database instance. There is no verb that deletes, renames or stops one."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar, Final

from reconcilers.contract import Change
from reconcilers.rds_settings import TAG, Difference, Values

FROM: Final = TAG + "restored-from"
"""A tag on the instance: what it was made from, as the file says it."""
ASKED: Final = TAG + "restore-asked"
"""A tag on the instance: when it was asked for."""
DATA: Final = TAG + "data-of"
"""A tag on the instance: the time of its data. The snapshot itself may be gone one day."""
PASSWORD: Final = TAG + "password-of"
"""A tag on the instance: the version of the secret whose password its master user has."""
COMMIT: Final = TAG + "commit"
"""A tag on the instance: the commit that asked for it."""
VERIFIED: Final = TAG + "verified"
"""A tag on the instance: when every setting was seen to be as asked for. From then on they are not managed."""


@dataclass(frozen=True, kw_only=True)
class Restore(Change):
    """RestoreDBInstanceFromDBSnapshot or RestoreDBInstanceToPointInTime, with everything that they take.

    What it was made from goes along as tags (AddTagsToResource is needed for that).
    """

    actions: ClassVar[tuple[str, ...]] = (
        "rds:RestoreDBInstanceFromDBSnapshot",
        "rds:RestoreDBInstanceToPointInTime",
        "rds:AddTagsToResource",
    )
    once: ClassVar[bool] = True

    source: Values  # the members that say what is restored
    values: Values  # the settings
    data: datetime  # the time of the data
    takes: str = ""  # how long the last one took, where that is known


@dataclass(frozen=True, kw_only=True)
class SetPassword(Change):
    """ModifyDBInstance with the master password that the secret has; AddTagsToResource, to say which one it was."""

    actions: ClassVar[tuple[str, ...]] = ("rds:ModifyDBInstance", "rds:AddTagsToResource")

    version: str  # of the secret

    @property
    def asks(self) -> tuple[str, ...]:
        return (*super().asks, self.version)


@dataclass(frozen=True, kw_only=True)
class CorrectSettings(Change):
    """ModifyDBInstance with the settings that a restore does not take; AddTagsToResource for tags."""

    actions: ClassVar[tuple[str, ...]] = ("rds:ModifyDBInstance", "rds:AddTagsToResource")

    found: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class CompleteSettings(CorrectSettings):
    """ModifyDBInstance and AddTagsToResource, for what may be put right while the instance is in use."""

    aside: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Reboot(Change):
    """RebootDBInstance, of an instance that is not in use yet: its parameters take effect."""

    actions: ClassVar[tuple[str, ...]] = ("rds:RebootDBInstance",)
    once: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class MarkVerified(Change):
    """AddTagsToResource: every setting has been seen to be as asked for."""

    actions: ClassVar[tuple[str, ...]] = ("rds:AddTagsToResource",)
    aside: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class KeepBackups(Change):
    """ModifyDBInstance with a longer retention of automated backups."""

    actions: ClassVar[tuple[str, ...]] = ("rds:ModifyDBInstance",)
    aside: ClassVar[bool] = True

    instance: str
    days: int


def mark(source: str) -> str:
    """What a restore is recorded as: a tag takes 256 characters, and an ARN may have more."""
    return source if len(source) <= 256 else "sha256:" + sha256(source.encode()).hexdigest()


def tagged(tags: dict[str, str]) -> list[Any]:
    """Tags as RDS takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
