"""Faults on demand: which call is next to be throttled, to break, to hang, to be dropped, or to read the past."""

from dataclasses import dataclass, replace

from rehearsal.wire import Call, Refused

KINDS = frozenset(
    {
        "throttle",
        "error",
        "concurrent",
        "capacity",
        "hang_before",
        "hang_after",
        "drop_before",
        "drop_after",
        "stale",
    }
)
STALE = frozenset({"DescribeServices", "DescribeSecret", "DescribeDBInstances"})  # nothing else remembers its past
HOLDING = frozenset({"hang_before", "hang_after", "drop_before", "drop_after"})  # the answer comes late, if at all


@dataclass(frozen=True)
class Fault:
    """`times` calls of an operation go wrong after `skip` went well. `seconds`: how long, or how long ago."""

    service: str
    operation: str
    kind: str
    times: int = 1
    skip: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no fault {self.kind!r}; there are {', '.join(sorted(KINDS))}")
        if self.kind == "stale" and self.operation not in STALE:
            raise ValueError(f"{self.operation} cannot be stale; what can: {', '.join(sorted(STALE))}")

    def matches(self, call: Call) -> bool:
        return self.service in ("*", call.service) and self.operation in ("*", call.operation)


class Faults:
    """The faults that are still to come. The layer's lock guards it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def next(self, call: Call) -> Fault | None:
        """The fault that this call meets. Each call uses up one of the first fault that matches it."""
        for index, fault in enumerate(self._faults):
            if not fault.matches(call):
                continue
            if fault.skip:
                self._faults[index] = replace(fault, skip=fault.skip - 1)
                return None
            self._faults[index] = replace(fault, times=fault.times - 1)
            if fault.times <= 1:
                del self._faults[index]
            return fault
        return None


def refused(call: Call, kind: str) -> Refused | None:
    """What AWS says for a fault that is an answer."""
    if kind == "throttle":
        return throttled(call)
    if kind == "error":
        code = "ServerException" if call.service == "ecs" else "InternalFailure"
        return Refused(code, "An internal error occurred. This one was asked for.", 500)
    if kind == "concurrent":
        return Refused(
            "ClientException", "Too many concurrent attempts to create a new revision of the specified family."
        )
    if kind == "capacity":
        return Refused(
            "InsufficientDBInstanceCapacity", "The DB instance class is not available in this Zone right now."
        )
    return None


def throttled(call: Call) -> Refused:
    """The throttling error of the service that was called: JSON services call it otherwise than the others."""
    return Refused("ThrottlingException" if call.protocol == "json" else "Throttling", "Rate exceeded")
