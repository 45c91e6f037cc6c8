"""Whether a commit is part of another one that is in force, and whether it was taken back: by the daemon and by git."""

import re
from pathlib import Path
from typing import Final

from daemon import events, past
from daemon.events import Event, What
from daemon.verbs import client
from daemon.verbs.arrival import is_of
from daemon.verbs.client import Unreached
from desired_state.git import Failed, git

_GIT: Final = 5.0  # seconds for one question to the repository of this folder


class Ancestry:
    """Of one commit, in one environment of a daemon."""

    def __init__(self, address: str, name: str, commit: str) -> None:
        self._address, self._name, self._commit = address, name, commit
        self._contained: dict[str, bool] = {}  # by the commit in force; only what is certain is kept

    def in_history_of(self, other: str) -> bool | None:
        """Whether another commit has ours in it. None: neither the daemon nor the repository of this folder knows."""
        if other not in self._contained:
            found = self._told_before(other)
            found = _ancestor(self._commit, other) if found is None else found
            if found is None:
                return None
            self._contained[other] = found
        return self._contained[other]

    def taken_back_by(self, in_force: str) -> str:
        """The commit with which trueup took ours back, or what ours stands on. Empty: it did not."""
        return next((each.commit for each in self._events() if self._takes_back(each, in_force)), "")

    def _told_before(self, other: str) -> bool | None:
        """Whether the daemon's history has ours before another commit. None: it does not say.

        The history may know of a newer commit than the status does: that it lists ours is not enough.
        """
        versions = self._versions()
        ours = next((number for number, each in enumerate(versions) if is_of(each, self._commit)), None)
        if ours is None:
            return None
        if other in versions:
            return ours > versions.index(other)
        try:  # a commit that leaves the file alone; as long as it is the head, all of its versions come before it
            return True if client.status(self._address).git.head == other else None
        except Unreached:
            return None

    def _takes_back(self, event: Event, in_force: str) -> bool:
        if event.event != What.REVERTED:
            return False
        if is_of(event.text("bad"), self._commit):
            return True
        # A commit that leaves the file alone is no version of it, and stands on the one that was taken back.
        return event.commit == in_force and not any(is_of(each, self._commit) for each in self._versions())

    def _versions(self) -> list[str]:
        """The commits that brought the file's versions, newest first, as far as the daemon tells them."""
        told = past.read(self._page("/api/v1/history"))
        return [each.commit for history in told if history.environment == self._name for each in history.versions]

    def _events(self) -> list[Event]:
        """What happened in this environment, as far as the daemon tells it."""
        told = self._page("/api/v1/events")
        listed = told.get("events") if isinstance(told, dict) else None
        return [event for each in listed if (event := events.read(each))] if isinstance(listed, list) else []

    def _page(self, path: str) -> object:
        try:
            return client.get(self._address, path, {"environment": self._name}).document
        except Unreached:
            return None


def _ancestor(commit: str, other: str) -> bool | None:
    """The same by the repository of this folder. None: it lacks one of the two."""
    if not re.fullmatch("[0-9a-f]{40,64}", other):  # it is somebody else's text
        return None
    at = ("-C", f"{Path().absolute()}")
    try:
        git(*at, "rev-parse", "--verify", "--quiet", f"{other}^{{commit}}", timeout=_GIT)
        full = git(*at, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}", timeout=_GIT).decode().strip()
        base = git(*at, "merge-base", full, other, timeout=_GIT).decode().strip()
    except Failed:
        return None
    return base == full
