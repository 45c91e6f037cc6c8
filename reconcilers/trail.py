"""Who changed something in AWS, as far as CloudTrail's event history tells: 90 days, and some minutes late."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from reconcilers.aws import Connection, is_denied, is_unsupported, sentence
from reconcilers.plain import one_line

ACTIONS: Final = ("cloudtrail:LookupEvents",)
LATE: Final = "CloudTrail tells of a call only some minutes after it, at times a quarter of an hour"
_PACE: Final = 0.55  # seconds between two calls: AWS grants two a second for the whole account and region
_PAGES: Final = 3  # of fifty events, for each kind of call
_CALLS: Final = 16  # altogether
_DEEP: Final = 6  # levels of a request that are looked through
_OURS: Final = "trueup"  # in the user agent of every call of ours


@dataclass(frozen=True)
class Deed:
    """One call that changed something. Where it came from is left out: it says more of a person than is asked."""

    at: datetime  # CloudTrail counts whole seconds
    operation: str
    who: str
    names: frozenset[str]  # of what it was about: names, and the last parts of ARNs
    ours: bool  # made by trueup
    error: str = ""  # AWS refused it


@dataclass(frozen=True)
class Found:
    """What the history tells of some operations. `gaps`: what it does not, and why. `whole`: it answered to the end."""

    deeds: tuple[Deed, ...] = ()
    gaps: tuple[str, ...] = ()
    whole: bool = True


class Trail:
    """LookupEvents, slowly: at most so many calls, and two a second."""

    def __init__(self, connection: Connection, pause: Callable[[float], None] = time.sleep) -> None:
        self._connection = connection
        self._pause = pause
        self._calls = 0

    def deeds(self, operations: Iterable[str], since: datetime, until: datetime) -> Found:
        """Every call of these operations between two instants, oldest first. Never raises."""
        found: list[Deed] = []
        gaps: list[str] = []
        for operation in dict.fromkeys(operations):
            try:
                for event in self._events(operation, since, until, gaps):
                    found += [deed] if (deed := _deed(event)) else []
            except (ClientError, BotoCoreError) as error:
                return Found(tuple(found), (*gaps, _why(error)), whole=False)
        return Found(tuple(sorted(found, key=lambda deed: deed.at)), tuple(gaps))

    def _events(self, operation: str, since: datetime, until: datetime, gaps: list[str]) -> Iterator[Mapping[str, Any]]:
        asked: dict[str, Any] = {
            "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": operation}],
            "StartTime": since,
            "EndTime": until,
            "MaxResults": 50,
        }
        for _ in range(_PAGES):
            if self._calls >= _CALLS:
                gaps.append(f"CloudTrail was not asked further for {operation}: {_CALLS} calls are enough for a report")
                return
            if self._calls:
                self._pause(_PACE)
            self._calls += 1
            told = self._connection.reading("cloudtrail").lookup_events(**asked)
            yield from told.get("Events", [])
            if not told.get("NextToken"):
                return
            asked["NextToken"] = told["NextToken"]
        gaps.append(f"CloudTrail tells of more than {_PAGES * 50} calls of {operation}; the oldest were not looked at")


def _why(error: Exception) -> str:
    if is_denied(error):
        return "who changed something is not known: trueup may not read CloudTrail (allow cloudtrail:LookupEvents)"
    if is_unsupported(error):
        return "who changed something is not known: this AWS endpoint has no CloudTrail"
    return f"who changed something is not known: CloudTrail did not answer ({one_line(sentence(error), 300)})"


def _deed(told: Mapping[str, Any]) -> Deed | None:
    """An event of the history. None: it only read, or it says too little."""
    try:
        document = json.loads(told.get("CloudTrailEvent") or "{}")
    except ValueError:
        document = {}
    if not isinstance(document, dict) or told.get("ReadOnly") == "true" or "EventTime" not in told:
        return None
    identity, asked = _object(document, "userIdentity"), _object(document, "requestParameters")
    return Deed(
        at=told["EventTime"].astimezone(UTC),
        operation=one_line(str(told.get("EventName", "")), 100),
        who=one_line(
            _who(identity) or str(told.get("Username") or "") or "somebody whom CloudTrail does not name", 200
        ),
        names=frozenset(_names(asked)),
        ours=_OURS in str(document.get("userAgent", "")),
        error=one_line(str(document.get("errorCode") or ""), 100),
    )


def _who(identity: Mapping[str, Any]) -> str:
    """`ann`, `ann as role Admin`, `the root user`, or the service of AWS that did it. Never the id of a key."""
    kind, arn = identity.get("type"), str(identity.get("arn", ""))
    if kind == "Root":
        return "the root user"
    if by := identity.get("invokedBy"):
        return str(by)
    if kind == "AssumedRole" and ":assumed-role/" in arn:
        role, _, session = arn.partition(":assumed-role/")[2].partition("/")
        return f"{session} as role {role}" if session else f"role {role}"
    return str(identity.get("userName") or arn.rpartition("/")[2] or "")


def _names(value: object, depth: int = 0) -> Iterator[str]:
    """What a request names: each text, and of an ARN what people call it."""
    if isinstance(value, str) and len(value) <= 2048:
        yield value
        if value.startswith("arn:"):
            yield value.rpartition("/")[2] if "/" in value else value.rpartition(":")[2]
    elif isinstance(value, dict) and depth < _DEEP:
        for each in value.values():
            yield from _names(each, depth + 1)
    elif isinstance(value, list) and depth < _DEEP:
        for each in value:
            yield from _names(each, depth + 1)


def _object(of: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = of.get(key)
    return value if isinstance(value, dict) else {}
