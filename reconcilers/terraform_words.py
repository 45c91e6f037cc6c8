"""What terraform says when something is wrong: read, cleaned of every value, and turned into an error of ours."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from posixpath import normpath
from typing import Any, Final

from reconcilers.terraform_errors import IMPORTS, Broken, Failed, Locked, Stale

_LOCKED: Final = "Error acquiring the state lock"
_STALE: Final = ("Saved plan is stale", "Saved plan does not match")
# Errors of a configuration that terraform ties to no line.
_BROKEN: Final = (
    "Failed to read variables file",
    "Inconsistent dependency lock file",
    "Invalid target",
    "No configuration files",
    "Provider dependency changes detected",
    "Unreadable module",
)
# Only of these and those the details are shown, too: they name what is written in the configuration, never a value.
_REMOTE: Final = frozenset(
    {"Failed to download module", "Failed to install provider", "Failed to query available provider packages"}
)
# What it talks to did not answer, whatever line of the configuration names that.
_NO_ANSWER: Final = re.compile(r"no such host|dial tcp|connection refused|i/o timeout|TLS handshake|unexpected EOF")
_CODE: Final = frozenset(
    {
        "Configuration for import target does not exist",
        "Invalid reference",
        "Invalid resource type",
        "Missing required argument",
        "Module not installed",
        "No value for required variable",
        "Reference to undeclared input variable",
        "Reference to undeclared local value",
        "Reference to undeclared module",
        "Reference to undeclared resource",
        "Unclosed configuration block",
        "Unreadable module directory",
        "Unsupported Terraform Core version",
        "Unsupported argument",
        "Unsupported attribute",
        "Unsupported block type",
    }
)


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning. `summary` and `detail` are terraform's own words: only `told` is fit for people."""

    summary: str
    detail: str = ""
    place: str = ""  # file:line
    address: str = ""
    is_error: bool = True

    @property
    def is_broken(self) -> bool:
        """Whether the configuration is at fault, and not what it talks to."""
        if self.summary in _REMOTE or _NO_ANSWER.search(f"{self.summary} {self.detail}"):
            return False
        return bool(self.place and not self.address) or self.summary in _CODE or self.summary.startswith(_BROKEN)

    def seen_from(self, directory: str) -> "Diagnostic":
        """The same with its place as it is in the repository: terraform tells it from within `directory`."""
        return replace(self, place=normpath(f"{directory}/{self.place}")) if self.place and directory else self

    def told(self, hidden: Collection[str]) -> str:
        """One line for people, without a value: neither one of `hidden`, nor one that a provider echoes."""
        words = self.summary
        if self.summary in _CODE | _REMOTE:
            words = f"{words}: {re.split(r'[.!?](?: |$)', _line(self.detail))[0]}"
        where = f"{self.place}: " if self.place else f"{self.address}: " if self.address else ""
        return (where + cleaned(words, hidden))[:400]


def cleaned(words: str, hidden: Collection[str]) -> str:
    """On one line, without any of `hidden`, without credentials in addresses, and nothing that moves a cursor."""
    for value in sorted(hidden, key=len, reverse=True):
        words = words.replace(value, "(hidden)")
    words = re.sub(r"://[^/@\s]*@", "://", _line(words))
    return re.sub(r"\b([Gg]ot:?) .*", r"\1 (hidden)", words)


def json_diagnostics(out: bytes) -> Iterator[Diagnostic]:
    """What `-json` wrote, line by line."""
    for event in events(out):
        if event.get("type") == "diagnostic":
            told = event.get("diagnostic", {})
            at = told.get("range") or {}
            yield Diagnostic(
                summary=told.get("summary", ""),
                detail=told.get("detail", ""),
                place=f"{at['filename']}:{at['start']['line']}" if at else "",
                address=told.get("address", ""),
                is_error=told.get("severity") == "error",
            )


def events(out: bytes) -> Iterator[dict[str, Any]]:
    """The events that `-json` wrote; any other line is passed over."""
    for line in out.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def text_diagnostics(text: bytes) -> Iterator[Diagnostic]:
    """The errors that terraform wrote for people."""
    for block in re.split(r"^(?:[│╷╵] ?)*Error: ", text.decode(errors="replace"), flags=re.MULTILINE)[1:]:
        summary, *others = re.split(r"\n[│ ]*\n", block)
        if "encountered problems during init" in _line(summary):  # the others say which
            continue
        at = re.search(r"^[│ ]*on (.+?) line (\d+)", block, flags=re.MULTILINE)
        address = re.search(r"^[│ ]*with (.+),$", block, flags=re.MULTILINE)
        detail = [one for one in others if not re.match(r"[│ ]*(?:with|on) \S", one)]
        yield Diagnostic(
            summary=_line(summary),
            detail="\n\n".join(detail),
            place=f"{at[1]}:{at[2]}" if at else "",
            address=address[1] if address else "",
        )


def failure(verb: str, found: Collection[Diagnostic], hidden: Collection[str]) -> Failed:
    """The error that these amount to: the first that says where, else the first."""
    errors = [one for one in found if one.is_error]
    if not errors:
        return Failed(f"terraform {verb} failed and did not say why: run it by hand to see more")
    if locks := [one for one in errors if one.summary == _LOCKED]:
        return _lock(locks[0], hidden)
    if any(one.summary.startswith(_STALE) for one in errors):
        return Stale("the state has changed since the plan was made: look again")
    first = next((one for one in errors if one.place), errors[0])
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    if first.place.rpartition("/")[2].startswith(f"{IMPORTS}:"):
        said = replace(first, place="").told(hidden)
        return Broken(f"imports is wrong: {said}{more}: correct the address or the id in the environment file")
    if first.is_broken:
        return Broken(f"the configuration is wrong: {first.told(hidden)}{more}: correct it and pin that commit")
    return Failed(f"terraform {verb} failed: {first.told(hidden)}{more}")


def _lock(told: Diagnostic, hidden: Collection[str]) -> Failed:
    if theirs := re.search(r"already locked: ID=(\S+)", told.detail):
        # The HTTP backend: the info that follows is of the lock that we asked for, and not of the one that is there.
        return Locked(id=_line(theirs[1]), who="", operation="", when="")
    if "Lock Info:" not in told.detail:
        cause = re.search(r"Error message: (.*)", told.detail)
        return Failed(f"the state cannot be locked: {cleaned(cause[1], hidden) if cause else 'terraform says no more'}")
    said = {key: _line(value) for key, value in re.findall(r"^[│ ]*(\w+): +(.*)$", told.detail, flags=re.MULTILINE)}
    when = re.sub(r"(\d\d:\d\d:\d\d)(?:\.\d+)? \+0000 UTC", r"\1 UTC", said.get("Created", ""))
    operation = said.get("Operation", "").removeprefix("OperationType").lower()
    return Locked(id=said.get("ID", ""), who=said.get("Who", ""), operation=operation, when=when)


def _line(words: str) -> str:
    return " ".join(re.sub(r"[^\x20-\x7e]+", " ", words).split())
