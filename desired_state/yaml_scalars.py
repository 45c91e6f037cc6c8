"""What a YAML scalar without quotes is read as, and when that is not what its writer meant."""

from __future__ import annotations

import re
from typing import Final

import yaml

from desired_state.values import Unquoted

_TAG: Final = "tag:yaml.org,2002:"
_RESOLVERS: Final = yaml.SafeLoader.yaml_implicit_resolvers
_READER: Final = yaml.constructor.SafeConstructor()


def type_of(text: str) -> str:
    """The type that YAML 1.1 gives to a text without quotes: str, int, float, bool, null, timestamp, merge or value."""
    for tag, pattern in _RESOLVERS.get(text[:1], ()):
        if pattern.match(text):
            return str(tag).removeprefix(_TAG)
    return "str"


def plain(text: str) -> str | int | bool | Unquoted | None:
    """The value of a text without quotes; Unquoted where other readers, or people, would read it differently."""
    kind = type_of(text)
    if kind == "str":
        return text
    if kind == "null":
        return None
    if text in ("true", "false"):
        return text == "true"
    # Only numbers that mean the same to every reader; 18 digits are more than any number here needs.
    if re.fullmatch("-?[1-9][0-9]{0,17}|0", text):
        return int(text)
    return Unquoted(text, reading(text, kind))


def reading(text: str, kind: str) -> str:
    """What YAML makes of a text of this kind, for people."""
    if kind == "bool":
        return f"the boolean {str(_READER.bool_values[text.lower()]).lower()}"
    if kind in ("int", "float"):
        return _number(text, kind)
    return {"null": "no value", "timestamp": "a date"}.get(kind, "a sign with a meaning of its own")


def _number(text: str, kind: str) -> str:
    if len(text) > 30:
        return "a number"
    node = yaml.ScalarNode(f"{_TAG}{kind}", text)
    try:
        number = _READER.construct_yaml_int(node) if kind == "int" else _READER.construct_yaml_float(node)
    except (ValueError, OverflowError):
        return "a number"
    return "a number" if str(number) == text else f"the number {number}"
