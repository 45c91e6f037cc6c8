"""A task definition's revision as the desired-state file names it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from desired_state.values import Part, Unquoted, shown, wrong
from desired_state.words import EcsName


class Revision(Part):
    """A task definition's revision: `123` of the running family, or `family:123`."""

    family: EcsName | None = None
    number: Annotated[int, Field(ge=1, le=2**31 - 1)]

    def __str__(self) -> str:
        return f"{self.family}:{self.number}" if self.family else str(self.number)


def _read_revision(value: object) -> object:
    if isinstance(value, Revision):
        return value
    if type(value) is int:
        return _revision(None, value)
    text = value.text if isinstance(value, Unquoted) else value
    if not isinstance(text, str):
        raise wrong("is not a revision", "write its number, such as 123, or family:123")
    if isinstance(value, str) and re.fullmatch("[0-9]{1,10}", text):
        raise wrong("the number of a revision takes no quotes", f"write {int(text)} without quotes")
    if text.startswith("arn:"):
        raise wrong("takes a revision, not an ARN", f"write what follows its last slash, {shown(text.split('/')[-1])}")
    match = re.fullmatch("([A-Za-z0-9_-]{1,255}):([1-9][0-9]{0,9})", text)
    if match is None or isinstance(value, Unquoted):
        raise wrong(f"{shown(text)} is not a revision", "write its number, such as 123, or family:123")
    return _revision(match[1], int(match[2]))


def _revision(family: str | None, number: int) -> Revision:
    if not 1 <= number < 2**31:
        raise wrong(f"there is no revision {number}", "write a revision that exists; the first one is 1")
    return Revision(family=family, number=number)


WrittenRevision = Annotated[
    Revision,
    BeforeValidator(_read_revision),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,255}:[1-9][0-9]{0,9}$"},
            ]
        }
    ),
]
