"""What the daemon saw and did, for `trueup report` and `trueup history`: in memory, and in a file for the next process.

It is told by `Telling` and tells whoever asks. Nothing that is decided about AWS ever depends on it.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from daemon.entry import Key
from daemon.event_file import EventFile
from daemon.events import Event, Json, What, shown, verdicts
from daemon.record import Record
from daemon.status import EnvironmentStatus
from daemon.transitions import Transitions
from desired_state.in_force import Standing
from desired_state.repository import Commit
from reconcilers.checks import Check
from reconcilers.contract import Outcome
from reconcilers.workshop import Report

MOST: Final = 2000
"""Events in memory. Where there are more, the environment with the most of them loses its oldest one."""
_CARRIED: Final = 6  # versions of each file that are known for ever: the present one, and the five to go back to


def _utc() -> datetime:
    return datetime.now(UTC)


class Chronicle:
    """Any thread may tell it something and ask it. `file` None: it is lost with the process."""

    def __init__(self, file: EventFile | None = None, wall: Callable[[], datetime] = _utc) -> None:
        self._file = file
        self._wall = wall
        self._lock = threading.Lock()
        self._events: defaultdict[str, deque[Event]] = defaultdict(deque)
        self._records: defaultdict[str, Record] = defaultdict(Record)
        self._transitions: dict[str, Transitions] = {}
        if file is not None:
            file.carry = self._carried
            for event in file.load(MOST):
                self._remember(event)
                self._known(event.environment).recall(event)

    def resource(self, environment: str, commit: str, kind: str, name: str, outcome: Outcome) -> None:
        """A pass looked at one entry."""
        with self._lock:
            self._take(self._known(environment).looked(self._wall(), commit, (kind, name), outcome))

    def passed(self, status: EnvironmentStatus) -> None:
        """A pass has ended."""
        with self._lock:
            self._take(self._known(status.name).passed(self._wall(), status))

    def followed(self, standing: Standing, *, seen: bool, by: Commit | None) -> None:
        """A version of a file is in force. Where it was already, that is no event: the process was only restarted."""
        environment = standing.environment.environment
        about: Json = {"file": shown(standing.file), "seen": seen}
        if by is not None:
            about |= {"version": by.oid, "author": shown(by.author), "subject": shown(by.subject)}
        with self._lock:
            present = self._records[environment].present
            new = not present or present.commits.isdisjoint({standing.commit, by.oid if by else standing.commit})
            self._known(environment).followed(standing, new=new)
            if new:
                self._happened(What.COMMIT, environment, standing.commit, about)

    def verified(self, environment: str, commit: str, seconds: float | None, checks: Sequence[Check]) -> None:
        """The checks of a commit have held, so long after it was seen."""
        took: Json = {} if seconds is None else {"seconds": round(seconds, 3)}
        with self._lock:
            self._happened(What.VERIFIED, environment, commit, took | {"checks": verdicts(checks)})

    def verification_failed(self, environment: str, commit: str, reason: str, checks: Sequence[Check]) -> None:
        """The checks of a commit have failed for so long that it counts."""
        with self._lock:
            about: Json = {"reason": shown(reason), "checks": verdicts(checks)}
            self._happened(What.VERIFICATION_FAILED, environment, commit, about)

    def reverted(self, environment: str, bad: str, commit: str, to: str) -> None:
        """The pins of a bad commit were taken back by another commit, to those of an earlier one."""
        with self._lock:
            self._happened(What.REVERTED, environment, commit, {"bad": bad, "to": to})

    def applied(self, environment: str, name: str, report: Report) -> None:
        """Terraform came to the end of an apply."""
        counts = ("add", "change", "destroy")
        done = {each: getattr(report.applied, each) for each in counts} if report.applied else {}
        why = {"reason": shown(report.error)} if report.error else {}
        told = {"result": report.result, "seconds": round(report.seconds, 1), "pinned": report.commit, **done, **why}
        with self._lock:
            self._happened(What.APPLY, environment, "", told, ("infrastructure", name))

    def gone(self, environment: str) -> None:
        """An environment has left the repository."""
        with self._lock:
            self._happened(What.GONE, environment, "", {})
            self._transitions.pop(environment, None)

    def events(self, environment: str | None = None, since: datetime | None = None, limit: int = MOST) -> list[Event]:
        """What happened, newest last; the newest ones where there are more than `limit`."""
        with self._lock:
            chosen = [environment] if environment is not None else list(self._events)
            found = [event for name in chosen for event in self._events.get(name, ())]
        found = [event for event in found if since is None or event.at >= since]
        return sorted(found, key=lambda event: event.at)[-limit:] if limit > 0 else []

    def live_since(self, environment: str, commit: str) -> datetime | None:
        """From when on a commit's version was in force, the last time that it was. None: not that is known."""
        with self._lock:
            life = self._records[environment].of(commit) if environment in self._records else None
            return life.since if life else None

    def is_verified(self, environment: str, commit: str) -> bool | None:
        """Whether the checks of a commit's version held. None: not that is known."""
        with self._lock:
            life = self._records[environment].of(commit) if environment in self._records else None
            return life.verified if life else None

    def close(self) -> None:
        """The process ends: what is owed to the disk is written."""
        if self._file is not None:
            self._file.close()

    def _known(self, environment: str) -> Transitions:
        return self._transitions.setdefault(environment, Transitions(environment))

    def _happened(self, what: What, environment: str, commit: str, facts: Json, key: Key = ("", "")) -> None:
        self._take((Event(self._wall(), environment, what.value, commit, *key, facts),))

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            self._remember(event)
            if self._file is not None:
                self._file.append(event)

    def _remember(self, event: Event) -> None:
        self._events[event.environment].append(event)
        self._records[event.environment].take(event)
        if sum(map(len, self._events.values())) > MOST:
            most = max(self._events, key=lambda name: len(self._events[name]))
            self._events[most].popleft()

    def _carried(self) -> Iterator[Event]:
        with self._lock:
            lives = [life for record in self._records.values() for life in record.lives[-_CARRIED:]]
            return iter(sorted((event for life in lives for event in life.events), key=lambda event: event.at))
