"""What the daemon knows, as one frozen value: metrics, the status page and `plan` all read this and nothing else."""

from dataclasses import dataclass
from datetime import datetime

from daemon.readiness import Known
from desired_state.parse import Problem
from reconcilers.contract import Advice, Ahead, Change, Condition, Drift, Wait
from reconcilers.infrastructure import LiveInfrastructure
from reconcilers.verification import Check


@dataclass(frozen=True, kw_only=True)
class ResourceStatus:
    """One entry of a file and what the last pass over it came to."""

    kind: str  # infrastructure | service | database | maintenance | desired_state
    name: str  # the entry's name in the file
    condition: Condition
    reason: str
    since: datetime  # when the condition last became what it is (UTC, local clock)
    observed: datetime | None  # when it was last read successfully; None: never yet
    changes: tuple[Change, ...] = ()  # what the last good read said must change
    ahead: tuple[Ahead, ...] = ()  # and what follows once that has settled
    drifted_since: datetime | None = None  # None while nothing differs
    advice: tuple[Advice, ...] = ()
    wait: Wait | None = None  # what the changes wait for, where it is a calendar or a person
    infrastructure: LiveInfrastructure | None = None  # what terraform found, where this is about that
    checks: tuple[Check, ...] = ()  # what was verified, where this is about that

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """The fields that differ."""
        made = (drift for change in self.changes for drift in change.drifts)
        return (*made, *(step.drift for step in self.ahead))


@dataclass(frozen=True, kw_only=True)
class EnvironmentStatus:
    """One environment file in force."""

    name: str
    file: str
    commit: str  # the commit whose version of the file is in force
    mode: str  # enforce | observe | suspended
    valid: bool  # False: the file is bad at the head and an older version is in force
    resources: tuple[ResourceStatus, ...] = ()
    last_pass: datetime | None = None
    last_in_sync: datetime | None = None
    maintenance_enabled: bool | None = None  # live; None: the file has no maintenance or it was never read
    verified: bool | None = None  # whether the checks of this commit have held; None: the file has none
    rollback_ready: tuple[Known, ...] = ()  # the versions that can be gone back to, the newest first

    @property
    def in_sync(self) -> bool:
        """Everything in the file was read and is in sync."""
        looked = self.last_pass is not None and self.mode != "suspended"
        return looked and all(resource.condition is Condition.IN_SYNC for resource in self.resources)


@dataclass(frozen=True, kw_only=True)
class GitStatus:
    """The repository as the last poll found it."""

    repository: str  # never with credentials in it
    branch: str
    path: str
    head: str = ""  # "" until the first poll that succeeded, in this process or an earlier one
    error: str = ""  # why the last poll failed; the last good commit stays in force
    rewritten: bool = False  # the head was replaced by one that does not contain the former head
    problems: tuple[Problem, ...] = ()  # what is wrong with the files at the head
    last_fetch: datetime | None = None  # the last poll that succeeded


@dataclass(frozen=True, kw_only=True)
class Status:
    """Everything, at one instant."""

    git: GitStatus
    environments: tuple[EnvironmentStatus, ...] = ()
    leader: bool = True
    alive: bool = True  # False: a pass or a poll has been stuck past its deadline
    ready: bool = False  # a first good pass over every environment is done
    interval: float | None = None  # seconds between two looks at everything; a pass that ended long before is told
