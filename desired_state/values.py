"""What the words and the parts of the desired-state file are made of, and how they say that a value is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, WrapSerializer
from pydantic_core import PydanticCustomError

V = TypeVar("V")


class Part(BaseModel):
    """A part of the file: frozen, nothing coerced, nothing unknown, no content in its errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


@dataclass(frozen=True)
class Unquoted:
    """What stands in a file without quotes and would be read as something other than its own text."""

    text: str
    reading: str
    """What YAML makes of it, for people: "the number 1.2", "the boolean false"."""


class FrozenMap(Mapping[str, V], Generic[V]):
    """A mapping that nobody can change: equal and hashed by content, in the order of the file."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[str, V]) -> None:
        self._entries = MappingProxyType(dict(entries))

    def __getitem__(self, key: str) -> V:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __hash__(self) -> int:
        return hash(frozenset(self._entries.items()))

    def __repr__(self) -> str:
        return repr(dict(self._entries))

    def __reduce__(self) -> tuple[type[FrozenMap[V]], tuple[dict[str, V]]]:
        return FrozenMap, (dict(self._entries),)


FROZEN: Final = (
    AfterValidator(FrozenMap),
    WrapSerializer(lambda entries, serialise: serialise(dict(entries))),
)


def wrong(message: str, mend: str) -> PydanticCustomError:
    """The error of a value: what is wrong with it, and what to write instead."""
    return PydanticCustomError("wrong", "{message}; {mend}", {"message": message, "mend": mend})


def printable(text: str, longest: int = 60) -> str:
    """Text from a file, cut to so many characters, with nothing in it that could move a cursor or forge a line."""
    cut = text if len(text) <= longest else text[:longest] + "..."
    return cut.encode("unicode_escape").decode("ascii")


def shown(text: str) -> str:
    """The same in quotes."""
    return f'"{printable(text)}"'
