"""The log as a person at a terminal reads it: one short line a fact, the reason last."""

from collections.abc import Iterator, MutableMapping
from typing import Any

Event = MutableMapping[str, Any]

_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_DIM, _END = "\x1b[2m", "\x1b[0m"
_SAID = ("ts", "level", "event", "environment", "commit", "kind", "name", "condition", "reason")
_COMMIT = 8  # characters of a commit's id


class TerminalRenderer:
    """A structlog renderer."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, _: object, __: str, event: Event) -> str:
        clock = str(event.get("ts", ""))[11:19]
        what = str(event.get("condition") or event.get("event", "")).replace("_", " ")
        line = f"{what:<11} {' '.join(_words(event))}".rstrip()
        if not self._colours:
            return f"{clock} {line}"
        colour = _COLOURS.get(str(event.get("level")), "")
        return f"{_DIM}{clock}{_END} {colour}{line}{_END if colour else ''}"


def _words(event: Event) -> Iterator[str]:
    if environment := event.get("environment"):
        yield str(environment)
    if kind := event.get("kind"):
        yield str(kind) if kind == event.get("name") else f"{kind} {event.get('name')}"
    if commit := event.get("commit"):
        yield f"at {str(commit)[:_COMMIT]}"
    if reason := event.get("reason"):
        yield f"- {reason}"
    said = _SAID if event.get("verbs") or event.get("condition") != "progressing" else (*_SAID, "drifts")
    for key, value in event.items():
        if key not in said and value not in (None, "", [], {}):
            yield f"{key}={_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}:{each}" for key, each in value.items())
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
