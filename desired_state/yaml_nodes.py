"""A YAML text as a tree with line numbers: nothing in it aliased, tagged, written twice or silently coerced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import yaml

from desired_state.values import printable
from desired_state.yaml_events import Finding, Path, events, line_of
from desired_state.yaml_scalars import plain, reading, type_of

_WORDS: Final = frozenset({("notify", "on")})
"""Keys of items of a list that are words here, whatever YAML 1.1 makes of them: its section and the key."""


@dataclass(frozen=True)
class Tree:
    """What a text says: its value, the line of every key and item in it, and what is wrong with its writing."""

    value: object
    lines: Mapping[Path, int]
    findings: tuple[Finding, ...]


def load(text: str) -> Tree | None:
    """The tree of a text; None when it says nothing at all; raises Unreadable.

    A mapping becomes a dict, a sequence a tuple, and a scalar a str, an int, a bool, None, or Unquoted.
    """
    composition = _Composition(events(text))
    root = next(composition.events, None)
    if root is None or (isinstance(root, yaml.ScalarEvent) and _is_plain(root) and type_of(root.value) == "null"):
        return None
    value = composition.node(root, ())
    for _ in composition.events:
        pass  # only the end of the events shows that no second document follows
    return Tree(value, composition.lines, tuple(composition.findings))


@dataclass
class _Composition:
    """A tree under construction."""

    events: Iterator[yaml.Event]
    lines: dict[Path, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def node(self, event: yaml.Event, path: Path) -> object:
        self.lines.setdefault(path, line_of(event))
        self._refuse_references(event, path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._scalar(event, path) if isinstance(event, yaml.ScalarEvent) else None

    def _find(self, line: int, path: Path, message: str, mend: str) -> None:
        self.findings.append(Finding(line, path, message, mend))

    def _refuse_references(self, event: yaml.Event, path: Path) -> None:
        line = line_of(event)
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if isinstance(event, yaml.AliasEvent):
            mend = "write the value out; aliases are not supported"
            self._find(line, path, f"uses the alias *{printable(str(anchor))}", mend)
        elif anchor is not None:
            mend = "remove it; anchors are not supported"
            self._find(line, path, f"sets the anchor &{printable(str(anchor))}", mend)
        if tag is not None:
            mend = "remove it; a string needs quotes around it instead"
            self._find(line, path, f"carries the tag {printable(str(tag))}", mend)

    def _sequence(self, path: Path) -> tuple[object, ...]:
        items: list[object] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, (*path, len(items))))
        return tuple(items)

    def _mapping(self, path: Path) -> dict[str, object]:
        entries: dict[str, object] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, path)
            here = (*path, key)
            if key in entries:
                message = f"is written twice, first on line {self.lines[here]}"
                self._find(line_of(event), here, message, "keep one of the two")
            self.lines.setdefault(here, line_of(event))
            value = self.node(next(self.events), here)
            entries.setdefault(key, value)
        return entries

    def _key(self, event: yaml.Event, path: Path) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            return self._odd_key(event, (*path, "?"))
        key = str(event.value)
        here = (*path, key)
        self._refuse_references(event, here)
        if _is_plain(event) and here[::2] not in _WORDS and (kind := type_of(key)) != "str":
            self._refuse_key(line_of(event), here, key, kind)
        return key

    def _odd_key(self, event: yaml.Event, here: Path) -> str:
        self.node(event, here)
        message = "a list, a section or an alias stands where a key is expected"
        self._find(line_of(event), here, message, "write a name as the key")
        return "?"

    def _refuse_key(self, line: int, here: Path, key: str, kind: str) -> None:
        if kind == "merge":
            self._find(line, here, "merge keys are not supported", "write the values out")
        elif not key:
            self._find(line, here, "a key is missing before the colon", "write a name as the key")
        else:
            message = f"a key must be a string; YAML reads {printable(key)} as {reading(key, kind)}"
            self._find(line, here, message, f'write "{printable(key)}" in quotes')

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> object:
        text = str(event.value)
        if not _is_plain(event):
            return text
        if not text and event.tag is None:
            # Deleting a pin's value by accident must not read as "no longer pinned".
            mend = 'write null if none is meant, "" for an empty text, or remove the line'
            self._find(self.lines[path], path, "has no value", mend)
        return plain(text)


def _is_plain(event: yaml.ScalarEvent) -> bool:
    return not event.style  # None from the Python parser, empty from the C parser
