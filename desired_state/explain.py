"""What pydantic finds wrong with a file, in the words of the person who must mend it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from desired_state.model import (
    Aws,
    Backups,
    Database,
    Dns,
    Environment,
    HttpCheck,
    Infrastructure,
    Limits,
    LogCheck,
    Maintenance,
    Notify,
    Restore,
    Service,
    TargetHealth,
    Verify,
    Window,
)
from desired_state.values import Unquoted, printable, shown

Advice = tuple[str, str]
"""What is wrong, and what to write instead."""

_SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "aws": Aws,
    "maintenance": Maintenance,
    "verify": Verify,
    "limits": Limits,
}
_ITEMS: Final[Mapping[tuple[str, ...], type[BaseModel]]] = {
    ("windows",): Window,
    ("notify",): Notify,
    ("verify", "http"): HttpCheck,
}
_ENTRIES: Final[Mapping[str, type[BaseModel]]] = {
    "infrastructure": Infrastructure,
    "services": Service,
    "databases": Database,
}
_PARTS: Final[Mapping[tuple[str, str], type[BaseModel]]] = {
    ("databases", "restore"): Restore,
    ("databases", "dns"): Dns,
    ("databases", "backups"): Backups,
}
_WITHIN: Final[Mapping[tuple[str, str], type[BaseModel]]] = {
    ("verify", "target_group_healthy"): TargetHealth,
    ("verify", "logs"): LogCheck,
}


def advice(error: ErrorDetails) -> Advice:
    """The message and the mend for one pydantic error of an Environment."""
    context = error.get("ctx", {})
    if "mend" in context:
        return context["message"], context["mend"]
    explain = _EXPLANATIONS.get(error["type"])
    if explain is None:
        return f"is not possible: {error['msg']}", "compare with the documentation of this key"
    return explain(error)


def part_at(path: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The part of the vocabulary whose keys stand directly under a path; None where the names are free."""
    if not path:
        return Environment
    if isinstance(path[-1], int):
        return _ITEMS.get(tuple(str(step) for step in path[:-1]))
    if len(path) == 1:
        return _SECTIONS.get(str(path[0]))
    if len(path) == 2:
        return _ENTRIES.get(str(path[0])) or _WITHIN.get((str(path[0]), str(path[1])))
    return _PARTS.get((str(path[0]), str(path[2]))) if len(path) == 3 else None


def _unknown(error: ErrorDetails) -> Advice:
    key = str(error["loc"][-1])
    part = part_at(error["loc"][:-1])
    known = [field.alias or name for name, field in part.model_fields.items()] if part else []
    near = get_close_matches(key, known, n=1) if len(key) <= 64 else []
    return "is not a key that trueup knows here", f"write {near[0]}" if near else f"write one of {', '.join(known)}"


def _missing(error: ErrorDetails) -> Advice:
    part = part_at(error["loc"][:-1])
    field = part.model_fields.get(str(error["loc"][-1])) if part else None
    meaning = (field.description or "").split(".")[0] if field else ""
    return "is missing", f"add it: {meaning[:1].lower()}{meaning[1:]}" if meaning else "add it"


def _string(error: ErrorDetails) -> Advice:
    written, reading = _as_written(error["input"])
    if written is None:
        return f"must be a string and is {reading}", "write one string"
    if error["input"] is None:
        return "must be a string; YAML reads null as no value", "write a string, or remove the line if it is optional"
    if len(written) > 20:
        return f"must be a string; YAML reads it as {reading}", "put it in quotes"
    return f"must be a string; YAML reads {written} as {reading}", f'write "{written}" in quotes'


def _integer(error: ErrorDetails) -> Advice:
    value = error["input"]
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return "must be a number and is a string", f"write {int(value)} without quotes"
    written, reading = _as_written(value)
    if isinstance(value, Unquoted):
        return f"must be a whole number; YAML reads {written} as {reading}", "write it with the digits 0 to 9 only"
    return f"must be a whole number and is {reading}", "write it with the digits 0 to 9 only"


def _boolean(error: ErrorDetails) -> Advice:
    value = error["input"]
    if isinstance(value, str) and value in ("true", "false"):
        return "must be true or false and is a string", f"write {value} without quotes"
    if isinstance(value, Unquoted) and value.reading.startswith("the boolean "):
        return f"must be true or false, not {value.text}", f"write {value.reading.removeprefix('the boolean ')}"
    return f"must be true or false and is {_as_written(value)[1]}", "write true or false"


def _choice(error: ErrorDetails) -> Advice:
    choices = str(error["ctx"]["expected"]).replace("'", "")
    value = error["input"]
    what = shown(value) if isinstance(value, str) else _as_written(value)[1]
    return f"cannot be {what}", f"write {choices}"


def _section(error: ErrorDetails) -> Advice:
    if error["input"] is None:
        return "must be a section of keys and has no value", "write {} or remove the line"
    return f"must be a section of keys and is {_as_written(error['input'])[1]}", "write key: value lines below it"


def _list(error: ErrorDetails) -> Advice:
    value = error["input"]
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", value)
    mend = f"write [{value}]" if plain else "write [], or names in brackets"
    return f"must be a list and is {_as_written(value)[1]}", mend


def _range(error: ErrorDetails) -> Advice:
    context = error["ctx"]
    if "ge" in context:
        return f"cannot be {error['input']}", f"write a number from {context['ge']} on"
    return f"cannot be {error['input']}", f"write a number up to {context['le']}"


def _too_long(error: ErrorDetails) -> Advice:
    return f"has more than {error['ctx']['max_length']} items", "keep fewer"


def _as_written(value: object) -> tuple[str | None, str]:
    """A value as it stands in the file, where it is one word, and what it is."""
    if isinstance(value, Unquoted):
        return printable(value.text), value.reading
    if value is None:
        return "null", "null"
    if isinstance(value, bool):
        return str(value).lower(), f"the boolean {str(value).lower()}"
    if isinstance(value, int):
        return str(value), "a number"
    kinds: Mapping[type[object], str] = {str: "a string", tuple: "a list", dict: "a section of keys"}
    return None, kinds.get(type(value), "something else")


_EXPLANATIONS: Final[Mapping[str, Callable[[ErrorDetails], Advice]]] = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "string_type": _string,
    "int_type": _integer,
    "bool_type": _boolean,
    "enum": _choice,
    "literal_error": _choice,
    "dict_type": _section,
    "mapping_type": _section,
    "model_type": _section,
    "model_attributes_type": _section,
    "tuple_type": _list,
    "too_long": _too_long,
    "greater_than_equal": _range,
    "less_than_equal": _range,
}
