"""What a reconciler is. Knows no AWS, no logging and no metrics."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar


@dataclass(frozen=True)
class Advice:
    """Something a person should know that is not drift. `type` is bounded: it becomes a metric label."""

    type: str
    message: str


@dataclass(frozen=True)
class Drift:
    """One field that differs. Both values are shown to people: never put a secret, or what may be one, in them."""

    field: str
    live: str
    desired: str


@dataclass(frozen=True)
class Ahead:
    """A step that cannot be made yet. People see it; nothing acts on it."""

    verb: str
    drift: Drift
    takes: str = ""  # how long, where that is known


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What AWS says now. Subclasses mirror the desired model, field by field."""

    settling: str = ""  # why AWS is still converging; empty once it has settled
    overdue: str = ""  # why converging has taken too long; heals by itself when AWS does finish
    blocked: str = ""  # why nothing may be written until a commit or a person helps
    held: str = ""  # a person's brake: report, do not write
    failing: str = ""  # why the last try did not help, and when the next one comes
    trying: bool = False  # that is under way
    waiting: str = ""  # why what differs cannot be changed yet: a later look may find that it can
    aside: bool = False  # what settles holds nobody up
    pace: float = 0.0  # seconds before which another look is not worth it while it settles
    ahead: tuple[Ahead, ...] = ()  # what follows once that has settled, in its order
    advice: tuple[Advice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one verb will do to AWS to repair some drift. Each subclass is a verb; its docstring names its AWS calls."""

    actions: ClassVar[tuple[str, ...]] = ()  # the IAM actions that this verb needs
    once: ClassVar[bool] = False  # nobody can take its effect back: a stale read must never make it twice
    aside: ClassVar[bool] = False  # nothing that comes later waits for it
    lenient: ClassVar[bool] = False  # what comes later waits for it, but not where it fails
    told: ClassVar[str] = ""  # how people are told that it was asked for; empty: by its verb

    drifts: tuple[Drift, ...] = ()  # empty for a step that only prepares or tidies up after another change

    @property
    def verb(self) -> str:
        """The verb as people and metrics spell it: `enter_maintenance` for EnterMaintenance."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def at_once(self) -> bool:
        """Whether it waits for nothing that comes first: it takes load away, or only prepares that."""
        return False

    @property
    def follows(self) -> bool:
        """Whether it only goes along with a change that was made already, and users would suffer without it."""
        return False

    @property
    def asks(self) -> tuple[str, ...]:
        """What this change asks of AWS, whatever is live: two changes that ask the same are the same request."""
        return (self.verb, *(f"{drift.field}={drift.desired}" for drift in self.drifts))


class Condition(StrEnum):
    """What a pass over one resource came to, by what has to happen next."""

    IN_SYNC = "in_sync"  # live equals desired, and AWS has settled
    PROGRESSING = "progressing"  # we acted, or AWS is still converging
    DRIFTED = "drifted"  # live differs, and we may not act
    RETRYING = "retrying"  # failed; a later pass tries again
    STALLED = "stalled"  # failed; only a new commit or a person can help


@dataclass(frozen=True)
class Wait:
    """What changes wait for although nothing is wrong with them. `kind` is bounded: it becomes a metric label."""

    kind: str  # window | limit
    until: datetime | None = None  # None: until a person decides


@dataclass(frozen=True)
class Refusal:
    """Why the changes of this pass may not be made now, and the condition that this amounts to."""

    condition: Condition
    reason: str
    wait: Wait | None = None


Gate = Callable[[tuple[Change, ...]], Refusal | None]


class Result(StrEnum):
    """How one write ended."""

    OK = "ok"
    FAILED = "failed"  # AWS said no: the effect was certainly not made
    UNKNOWN = "unknown"  # no answer: the effect may have been made, so look before trying again


@dataclass(frozen=True)
class Attempt:
    """One change that was asked of AWS in this pass."""

    change: Change
    result: Result


@dataclass(frozen=True)
class Outcome:
    """What one pass over one resource came to: the daemon's only source of logs, metrics and status."""

    condition: Condition
    reason: str = ""
    changes: tuple[Change, ...] = ()  # what differed when we looked
    attempts: tuple[Attempt, ...] = ()  # what was asked of AWS
    live: Observation | None = None
    error: Exception | None = None
    wait: Wait | None = None  # what the changes wait for, where it is a calendar or a person

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """Every field that differed when we looked."""
        return (*(drift for change in self.changes for drift in change.drifts), *self._ahead)

    @property
    def _ahead(self) -> tuple[Drift, ...]:
        return tuple(step.drift for step in self.live.ahead) if self.live else ()


class Stalled(Exception):
    """Retrying cannot help: the message tells a person what to do."""


class Absent(Exception):
    """AWS says that something does not exist. One answer is not a fact: it stalls once a second look agrees."""


class Unseen(Exception):
    """AWS took a request, and a read does not show its effect yet: look before asking again."""


class NotNow(Exception):
    """AWS will do it, once what goes on there has ended: it is asked again, and nothing is wrong."""


class Superseded(Exception):
    """A newer commit, or the end of the process, stops this pass before its next write."""


Desired = TypeVar("Desired")
Live = TypeVar("Live", bound=Observation)


class Reconciler(ABC, Generic[Desired, Live]):
    """Drives one kind of resource from what is live to what is desired."""

    reads: ClassVar[tuple[str, ...]] = ()  # the IAM actions that observing needs

    @abstractmethod
    def observe(self, desired: Desired) -> Live:
        """Read what is live. Never writes."""

    @staticmethod
    @abstractmethod
    def diff(desired: Desired, live: Live) -> Iterable[Change]:
        """Say what must change, in the order in which it must be made. Pure: no AWS, no clock, no self."""

    @abstractmethod
    def apply(self, desired: Desired, change: Change) -> None:
        """Ask AWS for one change, without waiting for it. Safe to repeat."""
