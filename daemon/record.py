"""Which version of a file was live from when on, and whether its checks held: a fold of what happened. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from daemon.events import Event, What

VERSIONS: Final = 50
"""How many versions of one file are remembered."""
FOLDED: Final = (What.COMMIT, What.VERIFIED, What.VERIFICATION_FAILED)
"""The events that a record is made of."""
_VERDICTS: Final = {What.VERIFIED: True, What.VERIFICATION_FAILED: False}


@dataclass
class Life:
    """One version of a file: from when it was in force, and what its checks came to."""

    commits: set[str]  # the commit that brought it, and the heads at which it was in force
    since: datetime
    verified: bool | None = None  # None: nothing was verified, or not yet
    events: list[Event] = field(default_factory=list)  # that this is known from


class Record:
    """The versions of one environment, oldest first."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        """`events`: of one environment, oldest first."""
        self.lives: list[Life] = []
        for event in events:
            self.take(event)

    def take(self, event: Event) -> None:
        """One more thing that happened."""
        if event.event == What.COMMIT:
            self._live(event)
        elif event.event in _VERDICTS and (life := self.of(event.commit) or self.present):
            life.verified = _VERDICTS[What(event.event)]
            life.commits.add(event.commit)
            life.events = [*(each for each in life.events if each.event not in _VERDICTS), event]
        elif event.event == What.IN_SYNC and event.text("verify") == "no":
            self._in_sync(event)

    @property
    def present(self) -> Life | None:
        """The version that is in force."""
        return self.lives[-1] if self.lives else None

    def of(self, commit: str) -> Life | None:
        """The last time that this commit's version was in force; an abbreviation of twelve characters will do."""
        return next((life for life in reversed(self.lives) if _has(life.commits, commit)), None)

    def _in_sync(self, event: Event) -> None:
        """Where the file has no checks, being in sync is all that can be known."""
        life = self.of(event.commit) or self.present
        if life and life.verified is None:
            life.verified = True
            life.commits.add(event.commit)
            life.events = [*life.events, event]

    def _live(self, event: Event) -> None:
        commits = {event.commit, event.text("version")} - {""}
        if self.present and self.present.commits & commits:
            self.present.commits |= commits
            return
        self.lives.append(Life(commits, event.at, events=[event]))
        del self.lives[:-VERSIONS]


def _has(commits: set[str], commit: str) -> bool:
    return commit in commits or (len(commit) >= 12 and any(each.startswith(commit) for each in commits))
