"""The events of one YAML document, stopped before its depth, its size or a second document can hurt a reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from desired_state.values import printable

Path = tuple[str | int, ...]
"""Where something stands: the keys, and the positions in lists, that lead to it."""

DEEPEST: Final = 32
MOST_NODES: Final = 100_000
# The C parser where there is one, for speed. Its constructor is never used: deep nesting crashes the process there.
_PARSER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a file: where, what, and what to do about it."""

    line: int
    path: Path
    message: str
    mend: str


class Unreadable(Exception):
    """The text cannot be read any further than this finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding


def events(text: str) -> Iterator[yaml.Event]:
    """The nodes and the ends of collections of the only document in a text, one by one; raises Unreadable."""
    try:
        yield from _bounded(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        mend = "check the indentation, the quotes and the brackets around this line; tabs cannot indent"
        raise unreadable(mark.line + 1 if mark else 1, f"is not YAML: {printable(what, 200)}", mend) from None
    except yaml.YAMLError:
        raise unreadable(1, "is not YAML", "save it as plain text in UTF-8") from None


def line_of(event: yaml.Event) -> int:
    """The line on which an event starts, from 1 on."""
    return event.start_mark.line + 1 if event.start_mark else 1


def unreadable(line: int, message: str, mend: str) -> Unreadable:
    """That the file as a whole cannot be read, and why."""
    return Unreadable(Finding(line, (), message, mend))


def _bounded(text: str) -> Iterator[yaml.Event]:
    depth = nodes = documents = 0
    for event in yaml.parse(text, Loader=_PARSER):
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        if documents > 1:
            raise unreadable(line_of(event), "a second document starts here", "write one environment in one file")
        if depth > DEEPEST:
            raise unreadable(line_of(event), f"is nested more than {DEEPEST} levels deep", "remove the nesting")
        if nodes > MOST_NODES:
            raise unreadable(line_of(event), f"holds more than {MOST_NODES} values", "split it into several files")
        if isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            yield event
