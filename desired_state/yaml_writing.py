"""How a value is written in a YAML text, so that every reader reads it as what it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import yaml

from desired_state.yaml_places import PARSER
from desired_state.yaml_scalars import plain, type_of

Scalar = str | int | bool | datetime | None
"""What a key of the file may be set to."""


def written(value: Scalar, *, flow: bool = False, style: str = "") -> str:
    """The value as it stands in the file.

    Args:
        flow: whether it stands between braces, where commas and brackets have a meaning.
        style: the quotes of the value that it takes the place of; a text keeps them.
    """
    if isinstance(value, datetime):
        text = instant_text(value)
        return f"{style}{text}{style}" if style in ("'", '"') else text
    if isinstance(value, str):
        return _text(value, flow=flow, style=style)
    return json.dumps(value)  # true, false, null and whole numbers, as in YAML


def key(name: str, *, flow: bool = False) -> str:
    """The same of a key."""
    text = f"{{{name}: 1, z: 1}}" if flow else f"{name}: 1"
    is_plain = type_of(name) == "str" and _scalars(text)[:1] == [(name, True)] and len(_scalars(text)) == 2 + 2 * flow
    return name if is_plain else _quoted(name)


def instant_text(at: datetime) -> str:
    """An instant in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _text(value: str, *, flow: bool, style: str) -> str:
    if style == '"':
        return _quoted(value)
    if style == "'" and value.isprintable():
        doubled = value.replace("'", "''")
        return f"'{doubled}'"
    return value if _is_plain(value, flow=flow) else _quoted(value)


def _is_plain(value: str, *, flow: bool) -> bool:
    """Whether it needs no quotes where it stands: asked of the parser, since its rules are many."""
    if plain(value) != value or not value.isprintable():
        return False
    text = f"{{k: {value}, z: 1}}" if flow else f"k: {value}  # end"
    return _scalars(text) == [("k", True), (value, True), *([("z", True), ("1", True)] if flow else [])]


def _scalars(text: str) -> list[tuple[str, bool]]:
    """The scalars of a text of one flat section, and whether each is without quotes; empty where it is none."""
    try:
        return list(_read(text))
    except yaml.YAMLError:
        return []


def _read(text: str) -> Iterator[tuple[str, bool]]:
    for event in yaml.parse(text, Loader=PARSER):
        if isinstance(event, yaml.ScalarEvent):
            yield str(event.value), not event.style and event.tag is None and event.anchor is None
        elif isinstance(event, yaml.SequenceStartEvent | yaml.AliasEvent):
            raise yaml.YAMLError


def _quoted(value: str) -> str:
    """In double quotes. What cannot be seen is written as an escape."""
    return "".join(_escaped(character) for character in json.dumps(value, ensure_ascii=False))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"
