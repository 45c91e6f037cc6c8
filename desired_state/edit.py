"""Another value of a key in a desired-state file, while comments, order and everything else in it stay as they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from pydantic import ValidationError

from desired_state.model import Environment
from desired_state.parse import Invalid, parse
from desired_state.values import printable
from desired_state.yaml_nodes import load
from desired_state.yaml_places import OddlyWritten
from desired_state.yaml_surgery import remove_key, set_key, take_over
from desired_state.yaml_writing import Scalar, instant_text

Section = dict[str, Any]


class CannotEdit(Exception):
    """The file has to be edited by hand; the message says why."""


class Removal(Enum):
    """The value of a key that is to be in the file no more."""

    REMOVE = "remove"


REMOVE: Final = Removal.REMOVE


@dataclass(frozen=True)
class Edit:
    """One key of the file, by its path, and what it is set to."""

    path: tuple[str, ...]
    value: Scalar | Removal


@dataclass(frozen=True)
class Splice:
    """A whole section, by its path, taken over to the letter from another text; removed where that has none."""

    path: tuple[str, ...]
    content: bytes


def edit(content: bytes, edits: Iterable[Edit | Splice]) -> bytes:
    """The text of a file with these edits, in their order, and every other byte as it was.

    Raises:
        CannotEdit: the file is bad or would be, or it is written in a way that cannot be edited without a doubt. What
            is returned says what was meant, and all else that it said before.
    """
    _checked(content, "the file is bad already")
    text, meant = content.decode(), _section(content)
    for each in edits:
        try:
            text, meant = _edited(text, meant, each)
        except OddlyWritten as error:
            raise _by_hand(f"{error}") from None
    _proven(text.encode(), meant)
    return text.encode()


def _proven(edited: bytes, meant: Section) -> None:
    """CannotEdit: the text does not say what was meant, or what was meant is not allowed."""
    expected = _said(meant)
    try:
        said = _checked(edited, "the file would be bad")
    except CannotEdit:
        if expected is None:
            raise
        said = None
    if said is None or said != expected:
        raise _by_hand("its lines are written in a way that would say something else afterwards")


def _edited(text: str, meant: Section, each: Edit | Splice) -> tuple[str, Section]:
    """The text and what it must say with one edit."""
    if isinstance(each, Splice):
        _checked(each.content, "the version to take it from is bad")
        theirs = _at(_section(each.content), each.path)
        if theirs is not REMOVE:
            return take_over(text, each.path, each.content.decode()), _with(meant, each.path, theirs)
        return _removed(text, meant, each.path)
    if isinstance(each.value, Removal):
        return _removed(text, meant, each.path)
    value = instant_text(each.value) if isinstance(each.value, datetime) else each.value
    return set_key(text, each.path, each.value), _with(meant, each.path, value)


def _removed(text: str, meant: Section, path: tuple[str, ...]) -> tuple[str, Section]:
    """Without a key, and without the section that it leaves empty where that says the same as an empty one."""
    if _at(meant, path) is REMOVE:
        return text, meant
    without = _without(meant, path)
    while len(path) > 1 and _at(without, path[:-1]) == {}:
        shorter = _without(without, path[:-1])
        said = _said(shorter)
        if said is None or said != _said(without):
            break
        without, path = shorter, path[:-1]
    return remove_key(text, path), without


def _said(section: Section) -> Environment | None:
    """None: it says nothing that is allowed."""
    try:
        return Environment.model_validate(section)
    except ValidationError:
        return None


def _checked(content: bytes, otherwise: str) -> Environment:
    try:
        return parse(content, "file")
    except Invalid as error:
        first = error.problems[0]
        at = first.key or f"line {first.line}"
        raise CannotEdit(f"{otherwise}: {at}: {first.message}; {first.mend}") from None


def _section(content: bytes) -> Section:
    tree = load(content.decode())
    value = tree.value if tree else {}
    return value if isinstance(value, dict) else {}


def _at(section: Section, path: tuple[str, ...]) -> Any:
    """What stands at a path; REMOVE where nothing does."""
    value: Any = section
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return REMOVE
        value = value[step]
    return value


def _with(section: Section, path: tuple[str, ...], value: Any) -> Section:
    first, *rest = path
    inner = section.get(first)
    inner = {} if inner is None else inner
    if rest and not isinstance(inner, dict):
        raise OddlyWritten(f"{printable(first)} is no section")
    return {**section, first: _with(inner, tuple(rest), value) if rest else value}


def _without(section: Section, path: tuple[str, ...]) -> Section:
    first, *rest = path
    if rest:
        return {**section, first: _without(section[first], tuple(rest))}
    return {name: value for name, value in section.items() if name != first}


def _by_hand(why: str) -> CannotEdit:
    return CannotEdit(f"edit the file by hand: {why}")
