"""The windows of a DB instance: those that AWS chooses, and what may be wrong with two of them."""

import hashlib
from collections.abc import Iterator

from rehearsal.rds_values import Settings


def backup(name: str, source: Settings) -> Iterator[str]:
    """Backup windows that AWS may choose for an instance."""
    start = hashlib.sha256(name.encode()).digest()[0]
    for each in range(start, start + 16):
        minutes = 180 + 30 * (each % 16)
        window = f"{_time(minutes)}-{_time(minutes + 30)}"
        if window != source.get("PreferredBackupWindow"):
            yield window


def maintenance(name: str, source: Settings) -> Iterator[str]:
    """Maintenance windows that AWS may choose for an instance."""
    start = hashlib.sha256(name.encode()).digest()[1]
    for each in range(start, start + 70):
        day, minutes = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[each % 7], 185 + 37 * (each % 10)
        window = f"{day}:{_time(minutes)}-{day}:{_time(minutes + 30)}"
        if window != source.get("PreferredMaintenanceWindow"):
            yield window


def _time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def wrong(maintenance: str, backup: str) -> str | None:
    """What is wrong with the two windows, if anything."""
    from moto.rds.utils import valid_preferred_maintenance_window

    found: str | None = valid_preferred_maintenance_window(maintenance, backup)
    return found
