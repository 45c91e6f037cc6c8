"""Where every key and value of a YAML text stands, to the character."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

import yaml

Path = tuple[str, ...]
"""The keys that lead to something; lists are not looked into."""

PARSER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
HEADER: Final = re.compile("[|>][0-9+-]*")
"""How a text over several lines begins."""


class OddlyWritten(Exception):
    """The text is written in a way that is not edited here; the message says what."""


@dataclass(frozen=True)
class Entry:
    """A key and its value."""

    key: yaml.ScalarNode
    value: yaml.Node


class Text:
    """A YAML text without mistakes, and where everything in it stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root = yaml.compose(text, Loader=PARSER) or yaml.MappingNode("", [])
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    @property
    def eol(self) -> str:
        """How its lines end."""
        return "\r\n" if "\r\n" in self.text else "\n"

    def line_start(self, index: int) -> int:
        """Where the line of a character begins."""
        return self._starts[bisect_right(self._starts, index) - 1]

    def line_end(self, index: int) -> int:
        """Where the line of a character ends, behind its end-of-line mark."""
        following = bisect_right(self._starts, index)
        return self._starts[following] if following < len(self._starts) else len(self.text)

    def end(self, node: yaml.Node) -> int:
        """Where a value ends: behind its last character, without comments and blank lines."""
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            return self._end_of_block(node)
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            last = node.value[-1]
            return self.end(last[1] if isinstance(last, tuple) else last)
        return int(node.end_mark.index)

    def _end_of_block(self, node: yaml.ScalarNode) -> int:
        header = HEADER.match(self.text, node.start_mark.index)
        keeps_blank_lines = header is not None and "+" in header[0]
        return int(node.end_mark.index) if keeps_blank_lines else self.last(node)

    def last(self, node: yaml.Node) -> int:
        """Behind the last character of a scalar that is no blank."""
        start = int(node.start_mark.index)
        return start + len(self.text[start : node.end_mark.index].rstrip())

    def found(self, path: Path) -> tuple[list[Entry], yaml.MappingNode]:
        """The entries along the path, as far as there are any, and the innermost section that was reached."""
        entries: list[Entry] = []
        section = section_of(self.root)
        for step in path:
            entry = next((Entry(*pair) for pair in section.value if pair[0].value == step), None)
            if entry is None:
                break
            entries.append(entry)
            if len(entries) < len(path):
                if is_null(entry.value):
                    break
                section = section_of(entry.value)
        return entries, section

    def replaced(self, start: int, end: int, by: str) -> str:
        """The text with another piece in it."""
        return self.text[:start] + by + self.text[end:]

    def lines(self, entry: Entry) -> tuple[int, int]:
        """The lines of an entry, with the comments that stand in its section, also below its last key."""
        start = self.line_start(entry.key.start_mark.index)
        if self.text[start : entry.key.start_mark.index].strip(" "):
            raise OddlyWritten(f"the key {entry.key.value} does not begin its line")
        end = self.line_end(max(self.end(entry.value) - 1, start))
        return start, end if is_flow(entry.value) else self._with_comments(end, entry.key.start_mark.column)

    def _with_comments(self, end: int, column: int) -> int:
        at = end
        while at < len(self.text):
            line = self.text[at : self.line_end(at)]
            bare = line.strip()
            if bare and not (bare.startswith("#") and len(line) - len(line.lstrip(" ")) > column):
                break
            at += len(line)
            end = at if bare else end
        return end


def section_of(node: yaml.Node) -> yaml.MappingNode:
    """The value as a section. OddlyWritten: it is none."""
    if not isinstance(node, yaml.MappingNode):
        raise OddlyWritten(f"line {node.start_mark.line + 1} holds a value where a section is expected")
    return node


def is_null(node: yaml.Node) -> bool:
    """Whether it is written as null."""
    return isinstance(node, yaml.ScalarNode) and not node.style and node.tag == "tag:yaml.org,2002:null"


def is_flow(node: yaml.Node) -> bool:
    """Whether it may stand between braces: all but a section or a list over lines of its own."""
    return not isinstance(node, yaml.CollectionNode) or bool(node.flow_style)
