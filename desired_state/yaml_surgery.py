"""Setting, removing and taking over one key of a YAML text, while every other byte of it stays as it was."""

from __future__ import annotations

import re
from typing import Final

import yaml

from desired_state.yaml_places import HEADER, Entry, OddlyWritten, Path, Text, is_flow, is_null
from desired_state.yaml_writing import Scalar, key, written

_STEP: Final = 2


def set_key(text: str, path: Path, value: Scalar) -> str:
    """The text with a key set to a value; sections that are missing are made."""
    on = Text(text)
    entries, section = on.found(path)
    if len(entries) == len(path):
        return _value_replaced(on, entries[-1].value, value, flow=bool(section.flow_style))
    rest = path[len(entries) :]
    if entries and is_null(entries[-1].value):
        node = entries[-1].value
        return on.replaced(node.start_mark.index, node.end_mark.index, f"{{{_in_flow(rest, value)}}}")
    if section.flow_style:
        return _added_in_flow(on, section, _in_flow(rest, value))
    column, step = section.value[0][0].start_mark.column, _step(section, entries)
    lines = [f"{' ' * (column + step * depth)}{key(name)}:" for depth, name in enumerate(rest)]
    lines[-1] += f" {written(value)}"
    return _added_below(on, section, lines)


def remove_key(text: str, path: Path) -> str:
    """The text without a key; a section that has nothing else becomes {}."""
    on = Text(text)
    entries, section = on.found(path)
    if len(entries) < len(path):
        return text
    if len(section.value) == 1:
        return _emptied(on, entries)
    if section.flow_style:
        return _removed_in_flow(on, section, entries[-1])
    start, end = on.lines(entries[-1])
    return _without(on.text, start, end)


def take_over(text: str, path: Path, other: str) -> str:
    """The text with the section at a path as it stands in another text, to the letter; removed where that has none."""
    source = Text(other)
    theirs, their_section = source.found(path)
    if len(theirs) < len(path):
        return remove_key(text, path)
    on = Text(text)
    ours, section = on.found(path)
    if len(ours) < len(path) - 1 or (ours and is_null(ours[-1].value) and len(ours) < len(path)):
        raise OddlyWritten(f"there is no section {'.'.join(path[:-1])}")
    if section.flow_style:
        return _taken_over_in_flow(on, ours if len(ours) == len(path) else [], section, source, theirs[-1])
    column = section.value[0][0].start_mark.column
    lines = _taken(source, theirs[-1], column, in_flow=bool(their_section.flow_style))
    if len(ours) < len(path):
        return _added_below(on, section, lines)
    start, end = on.lines(ours[-1])
    ends_line = on.text[start:end].endswith("\n")
    return on.replaced(start, end, on.eol.join(lines) + (on.eol if ends_line else ""))


def _step(section: yaml.MappingNode, entries: list[Entry]) -> int:
    """By how much the sections of this file are indented."""
    column = section.value[0][0].start_mark.column
    if entries:
        return int(column - entries[-1].key.start_mark.column)
    inner = (value for _, value in section.value if isinstance(value, yaml.MappingNode) and not value.flow_style)
    return next((value.start_mark.column - column for value in inner), _STEP)


def _in_flow(path: Path, value: Scalar) -> str:
    inner = written(value, flow=True)
    for name in reversed(path[1:]):
        inner = f"{{{key(name, flow=True)}: {inner}}}"
    return f"{key(path[0], flow=True)}: {inner}"


def _value_replaced(on: Text, node: yaml.Node, value: Scalar, *, flow: bool) -> str:
    if not is_flow(node):
        raise OddlyWritten(f"line {node.start_mark.line + 1} holds a section where a value is expected")
    style = node.style if isinstance(node, yaml.ScalarNode) and node.style in ("'", '"') else ""
    text, start = written(value, flow=flow, style=style), node.start_mark.index
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        header = HEADER.match(on.text, start)
        rest_of_line = on.text[header.end() if header else start : on.line_end(start)].rstrip("\r\n")
        return on.replaced(start, on.last(node), text + rest_of_line)
    return on.replaced(start, on.end(node), text)


def _added_in_flow(on: Text, section: yaml.MappingNode, entry: str) -> str:
    if not section.value:
        return on.replaced(section.start_mark.index, section.end_mark.index, f"{{{entry}}}")
    at = on.end(section.value[-1][1])
    return on.replaced(at, at, f", {entry}")


def _added_below(on: Text, section: yaml.MappingNode, lines: list[str]) -> str:
    at = on.line_end(max(on.end(section.value[-1][1]) - 1, 0))
    text = on.eol.join(lines)
    return on.replaced(at, at, text + on.eol if on.text[:at].endswith("\n") else on.eol + text)


def _without(text: str, start: int, end: int) -> str:
    """The text without some lines; one that does not end its last line does not do so afterwards."""
    before = text[:start]
    if end == len(text) and not text.endswith("\n"):
        before = before.removesuffix("\n").removesuffix("\r")
    return before + text[end:]


def _emptied(on: Text, entries: list[Entry]) -> str:
    """The section around the last of these entries, which is its only one, becomes {}."""
    if len(entries) == 1:
        raise OddlyWritten("nothing would be left of the file")
    around, entry = entries[-2], entries[-1]
    if is_flow(around.value):
        return on.replaced(around.value.start_mark.index, on.end(around.value), "{}")
    start, end = on.lines(entry)
    colon = on.text.index(":", around.key.end_mark.index) + 1
    return on.text[:colon] + " {}" + _without(on.text, start, end)[colon:]


def _removed_in_flow(on: Text, section: yaml.MappingNode, entry: Entry) -> str:
    pairs = [Entry(*pair) for pair in section.value]
    at = next(number for number, each in enumerate(pairs) if each.key is entry.key)
    start, end = entry.key.start_mark.index, on.end(entry.value)
    if at + 1 < len(pairs) and _joins(on.text[end : (following := pairs[at + 1].key.start_mark.index)]):
        return on.replaced(start, following, "")
    if at > 0 and _joins(on.text[(former := on.end(pairs[at - 1].value)) : start]):
        return on.replaced(former, end, "")
    comma = re.compile(r"\s*,").match(on.text, end)
    end = comma.end() if comma else end
    rest = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)").match(on.text, end)
    if rest and not on.text[on.line_start(start) : start].strip():
        return on.replaced(on.line_start(start), rest.end(), "")
    return on.replaced(start, end, "")


def _joins(between: str) -> bool:
    """Whether two entries stand on one line, with a comma between them."""
    return re.fullmatch("[ \t]*,[ \t]*", between) is not None


def _taken_over_in_flow(on: Text, ours: list[Entry], section: yaml.MappingNode, source: Text, theirs: Entry) -> str:
    if not is_flow(theirs.value):
        raise OddlyWritten(f"{theirs.key.value} stands between braces here and over several lines there")
    value = source.text[theirs.value.start_mark.index : source.end(theirs.value)]
    if ours:
        return on.replaced(ours[-1].value.start_mark.index, on.end(ours[-1].value), value)
    return _added_in_flow(on, section, f"{key(theirs.key.value, flow=True)}: {value}")


def _taken(source: Text, entry: Entry, column: int, *, in_flow: bool) -> list[str]:
    """The lines of an entry, as far to the right as they must stand."""
    if in_flow:
        value = source.text[entry.value.start_mark.index : source.end(entry.value)]
        return f"{' ' * column}{key(entry.key.value)}: {value}".splitlines()
    start, end = source.lines(entry)
    lines = [line.removesuffix("\r") for line in source.text[start:end].removesuffix("\n").split("\n")]
    return [_moved(line, column - entry.key.start_mark.column) for line in lines]


def _moved(line: str, by: int) -> str:
    if by >= 0:
        return " " * by + line if line else line
    return line[min(-by, len(line) - len(line.lstrip(" "))) :]
