"""How far a restore is, and what it takes to tell. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from desired_state.model import Endpoint
from reconcilers.contract import Advice, Change
from reconcilers.rds_reads import Instance

DEADLINE: Final = timedelta(hours=2)
"""How long a restore may take before it counts as stalled."""


USABLE: Final = frozenset(
    {"available", "backing-up", "storage-optimization", "storage-config-upgrade", "storage-initialization"}
)
"""The states in which a database takes connections. RDS takes the first backup for hours before it says available."""


BROKEN: Final[Mapping[str, str]] = {
    "deleted": "it is gone",
    "deleting": "it is being deleted",
    "failed": "it cannot be recovered",
    "inaccessible-encryption-credentials": "its KMS key cannot be used: enable the key, and grant its use",
    "inaccessible-encryption-credentials-recoverable": "its KMS key cannot be used: enable the key, and start it",
    "incompatible-credentials": "its credentials do not fit",
    "incompatible-network": "its subnets or addresses do not suffice",
    "incompatible-option-group": "its option group does not fit its version",
    "incompatible-parameters": "its parameter group does not fit its class or version: mend the group and reboot it",
    "incompatible-restore": "the snapshot cannot be restored so",
    "insufficient-capacity": "AWS has no capacity of this class in these zones",
    "restore-error": "RDS could not restore it",
    "stopped": "it is stopped: start it (StartDBInstance)",
    "stopping": "it is being stopped",
    "storage-full": "its storage is full: enlarge it",
}
"""The states in which it takes none, and will not by itself; and what that means."""


@dataclass(frozen=True)
class Secret:
    """What the secret says that matters for a restored instance; no password."""

    version: str  # whose value is to be used
    user: str = ""  # "" where that cannot be told
    unclear: str = ""  # why it cannot be told who it lets in
    unfit: str = ""  # why RDS would not take its password for a master user
    outdated: str = ""  # why another user's password may not be that of the restored data
    hosts: tuple[str, ...] = ()  # that its current and its previous version name
    elsewhere: bool = True  # whether it names another host than that of the instance


@dataclass(frozen=True)
class Restoring:
    """How far it is."""

    endpoint: Endpoint | None = None  # once the instance may be used
    steps: tuple[Change, ...] = ()  # what must be done before it may be
    later: tuple[Change, ...] = ()  # what may be done while it is in use
    settling: str = ""
    overdue: str = ""
    blocked: str = ""
    aside: bool = False  # what settles holds nobody up
    pace: float = 0.0
    advice: tuple[Advice, ...] = ()


def kept_days(instance: Instance | None) -> int:
    """For how many days the automated backups of an instance are kept."""
    return int(instance.settings.get("backup_retention_days") or 0) if instance else 0


def span(seconds: float) -> str:
    """A time as people say it, in steps that do not change every second."""
    if seconds < 10:
        return "some seconds"
    if seconds < 120:
        return f"{int(seconds) // 10 * 10} s"
    return f"{int(seconds) // 60} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def instant(text: str) -> datetime | None:
    """An instant as a tag has it; None: it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def free_name(name: str, taken: Collection[str]) -> str:
    """A name like this one that no instance has."""
    if name not in taken:
        return name
    base, number = name[:59].rstrip("-"), 2
    while f"{base}-{number}" in taken:
        number += 1
    return f"{base}-{number}"
