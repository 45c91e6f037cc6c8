"""Whom the desired-state file says to tell, and of what."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from desired_state.values import Part, shown, wrong

_OURS: Final = ("AWS_", "TRUEUP_", "KUBERNETES_", "PATH", "HOME")


class Event(StrEnum):
    """What may be told."""

    DRIFTED = "drifted"
    STALLED = "stalled"
    IN_SYNC = "in_sync"
    REVERTED = "reverted"


def _check_variable(name: str) -> str:
    # The text is shown only where it can be a name: the URL itself, with its token, may have been pasted here.
    if not name.isascii() or not name.isidentifier() or len(name) > 128 or name.upper() != name:
        raise wrong(
            "is not the name of an environment variable",
            "write a name such as SLACK_URL, and give the daemon the URL in that variable",
        )
    if name.startswith(_OURS):
        raise wrong(f"{shown(name)} holds something else", "write the name of a variable that holds only this URL")
    return name


def _check_events(events: tuple[Event, ...]) -> tuple[Event, ...]:
    if not events:
        raise wrong("names nothing to tell", "write what to tell, such as [drifted, stalled, in_sync]")
    if len(set(events)) < len(events):
        raise wrong("names something twice", "remove one of the two")
    return events


class Notify(Part):
    """Somebody who is told when an environment changes its condition."""

    url_from: Annotated[str, AfterValidator(_check_variable)]
    """The environment variable of the daemon that holds the URL. The URL itself is a secret and never in the file."""
    on: Annotated[tuple[Annotated[Event, Field(strict=False)], ...], AfterValidator(_check_events)]
    """What to tell: drifted, stalled, in_sync, reverted."""
