"""The two clocks of the daemon, in one place so that a test can stand in for both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """`monotonic` (seconds) decides; `wall` (UTC) is only ever shown to people."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], datetime] = _utc
