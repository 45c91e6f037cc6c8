"""CloudTrail's event history: who called what, when and with which program. No value that may be secret is in it."""

import json
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rehearsal.calls import Entry
from rehearsal.wire import ACCOUNT, Answer, Call, Refused, Unsupported, told

_KEPT = 5000
_ATTRIBUTES = frozenset({"EventId", "EventName", "ReadOnly", "Username", "EventSource", "AccessKeyId"})
_SOURCES = {"elbv2": "elasticloadbalancing", "cloudwatch": "monitoring"}
# Of data planes, which the event history does not tell.
_SILENT = frozenset({"logs", "s3"})


@dataclass(frozen=True)
class _Seen:
    """One call, as it was made."""

    call: Call
    entry: Entry
    id: str


class Trail:
    """Every call of a management plane. The layer's lock guards it."""

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque(maxlen=_KEPT)

    def record(self, call: Call, entry: Entry) -> None:
        """One call has come in; what it comes to is in its entry later."""
        if call.service not in _SILENT:
            self._seen.append(_Seen(call, entry, str(uuid.uuid4())))

    def answer(self, call: Call) -> Answer:
        """LookupEvents, newest first."""
        if call.operation != "LookupEvents":
            raise Unsupported(f"cloudtrail {call.operation}")
        params = call.params
        most = params.get("MaxResults", 50)
        if not 1 <= most <= 50:
            raise Refused("InvalidMaxResultsException", "MaxResults must be between 1 and 50.")
        first, last = params.get("StartTime", 0.0), params.get("EndTime", float("inf"))
        if first > last:
            raise Refused("InvalidTimeRangeException", "StartTime must be before EndTime.")
        after = int(params.get("NextToken", "0"))
        found = [event for event in self._events(call.region, params) if first <= event["EventTime"] <= last]
        more = {"NextToken": str(after + most)} if len(found) > after + most else {}
        return told({"Events": found[after : after + most], **more})

    def _events(self, region: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        attributes = params.get("LookupAttributes", [])
        if len(attributes) > 1 or any(each["AttributeKey"] not in _ATTRIBUTES for each in attributes):
            raise Refused("InvalidLookupAttributesException", "Exactly one lookup attribute, of a known key, is taken.")
        for seen in reversed(self._seen):
            event = _event(seen)
            fits = all(event[each["AttributeKey"]] == each["AttributeValue"] for each in attributes)
            if fits and seen.entry.code != "dropped" and region == seen.call.region:
                yield event


def _event(seen: _Seen) -> dict[str, Any]:
    call, at = seen.call, int(seen.entry.at)  # CloudTrail counts whole seconds
    user = _user(call)
    shown: dict[str, Any] = {
        "EventId": seen.id,
        "EventName": call.operation,
        "ReadOnly": "false" if call.write else "true",
        "AccessKeyId": user,
        "EventTime": at,
        "EventSource": f"{_SOURCES.get(call.service, call.service)}.amazonaws.com",
        "Username": user,
        "Resources": [],
    }
    return shown | {"CloudTrailEvent": json.dumps(_document(seen, user))}


def _document(seen: _Seen, user: str) -> dict[str, Any]:
    call, code = seen.call, seen.entry.code
    identity = {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/{user}", "userName": user, "accountId": ACCOUNT}
    failed = {"errorCode": code} if code and not code.isdigit() else {}
    return {
        "eventVersion": "1.09",
        "userIdentity": identity,
        "eventName": call.operation,
        "awsRegion": call.region,
        "sourceIPAddress": "192.0.2.7",
        "userAgent": call.request.headers.get("user-agent", ""),
        "requestParameters": {f"{name[0].lower()}{name[1:]}": value for name, value in seen.entry.summary.items()},
        "eventID": seen.id,
        "readOnly": not call.write,
        **failed,
    }


def _user(call: Call) -> str:
    """Whoever signed: the rehearsal knows no users, so the id of the access key is the name of its user."""
    return call.request.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0] or "nobody"
