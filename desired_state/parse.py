"""The bytes of a desired-state file as an Environment, or all that is wrong with them: file, line, key and mend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails

from desired_state.explain import advice
from desired_state.model import Environment
from desired_state.values import FrozenMap, printable
from desired_state.yaml_events import Finding, Path, Unreadable, unreadable
from desired_state.yaml_nodes import Tree, load

LARGEST: Final = 1024 * 1024
_MOST_SHOWN: Final = 20
_MOST_EXPLAINED: Final = 100
# What makes a reviewer see another text than YAML does: other ends of a line, other directions, invisible marks.
_DECEPTIVE: Final = re.compile("\r(?!\n)|[\x85\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a file, and what to write instead."""

    file: str
    line: int
    key: str
    """The key as a path, such as services.api.image_tag; empty where the whole file is meant."""
    message: str
    mend: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{printable(self.file, 200)}:{self.line}: {key}{self.message}; {self.mend}"


class Invalid(Exception):
    """A file that says nothing that trueup may act on."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:_MOST_SHOWN]]
        more = len(self.problems) - len(lines)
        return "\n".join([*lines, f"and {more} more"] if more else lines)


def parse(content: bytes, file: str) -> Environment:
    """The environment that a file describes.

    Args:
        content: the bytes of the file; nothing is assumed about them.
        file: how to call the file in errors.

    Raises:
        Invalid: with all problems of the file, and whatever the bytes are nothing else is raised.
    """
    try:
        tree = load(_text(content))
    except Unreadable as error:
        raise Invalid((_problem(file, error.finding),)) from None
    if tree is None:
        mend = "write at least version, environment and aws.region; nothing was changed"
        raise Invalid((Problem(file, 1, "", "is empty", mend),))
    environment, findings = _environment(tree)
    if environment is None or tree.findings:
        everything = sorted((*tree.findings, *findings), key=lambda finding: finding.line)
        raise Invalid(tuple(_problem(file, finding) for finding in everything))
    return environment


def _problem(file: str, finding: Finding) -> Problem:
    return Problem(file, finding.line, _key(finding.path), finding.message, finding.mend)


def _key(path: Path) -> str:
    key = "".join(f"[{step}]" if isinstance(step, int) else f".{printable(step)}" for step in path)
    return key.removeprefix(".")


def _text(content: bytes) -> str:
    if len(content) > LARGEST:
        raise unreadable(1, f"is larger than {LARGEST} bytes", "split it into one file for each environment")
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        raise unreadable(1, "starts with a byte-order mark", "save it as UTF-8 without one")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise unreadable(line, "is not UTF-8 text", "save it as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise unreadable(line, "holds a NUL character", "save it as plain text in UTF-8")
    if odd := _DECEPTIVE.search(text) or _UNPRINTABLE.search(text):
        message = f"holds the invisible character U+{ord(odd[0]):04X}, which can hide what the file says"
        raise unreadable(text.count("\n", 0, odd.start()) + 1, message, "remove it")
    return text


def _environment(tree: Tree) -> tuple[Environment | None, list[Finding]]:
    if not isinstance(tree.value, dict):
        message = "the file is not a section of keys"
        return None, [Finding(tree.lines[()], (), message, "start it with the line: version: 1")]
    try:
        return Environment.model_validate(tree.value), []
    except ValidationError as error:
        return None, list(_findings(error.errors(include_url=False), tree))


def _findings(errors: Iterable[ErrorDetails], tree: Tree) -> Iterator[Finding]:
    reported = {finding.path for finding in tree.findings}
    for path, message, mend in _advice(errors, tree):
        # What the writing already made unreadable is not to be reported once more for its value.
        if reported.isdisjoint(path[:length] for length in range(1, len(path) + 1)):
            yield Finding(_line(path, tree), path, message, mend)


def _advice(errors: Iterable[ErrorDetails], tree: Tree) -> Iterator[tuple[Path, str, str]]:
    # In the order of the file, since looking for the nearest known key is dear and only the first problems are read.
    in_order = sorted(errors, key=lambda error: _line(error["loc"], tree))
    for number, error in enumerate(in_order):
        for contradiction in error.get("ctx", {}).get("contradictions", ()):
            yield contradiction.at, contradiction.message, contradiction.mend
        if error["type"] != "contradictions":
            said = advice(error) if number < _MOST_EXPLAINED else (error["msg"], "mend the problems above first")
            yield _path(error, tree), *said


def _path(error: ErrorDetails, tree: Tree) -> Path:
    """The path of the key in the file that an error is about."""
    path = error["loc"]
    if error["type"] == "missing":
        return path
    return next(path[:length] for length in range(len(path), -1, -1) if path[:length] in tree.lines)


def _line(path: Path, tree: Tree) -> int:
    """The line of a path, or of the nearest section around it."""
    return next(tree.lines[path[:length]] for length in range(len(path), -1, -1) if path[:length] in tree.lines)


class _ForEditors(GenerateJsonSchema):
    """Says nothing that an editor cannot use."""

    schema_dialect = "https://json-schema.org/draft/2020-12/schema"

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        mapping = super().dict_schema(schema)
        return {**mapping, "additionalProperties": False} if "patternProperties" in mapping else mapping

    def encode_default(self, dft: Any) -> Any:
        return dict(dft) if isinstance(dft, FrozenMap) else super().encode_default(dft)


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the file, for editors; what it cannot express, parse alone checks."""
    return {
        "$schema": _ForEditors.schema_dialect,
        **Environment.model_json_schema(schema_generator=_ForEditors),
        "title": "trueup desired state",
    }
