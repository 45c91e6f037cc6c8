"""FilterLogEvents as AWS makes it: patterns that moto takes for everything, and pages that may be empty."""

import re
from typing import Any

from rehearsal import moto_app
from rehearsal.wire import Answer, Call, Refused, told

_WORD = re.compile(r'([?-]?)(?:"([^"]*)"|([^\s"]+))\s*')
_NONE = "from-0"

Params = dict[str, Any]


def answer(call: Call) -> Answer:
    """The first page is empty and names the next one: a search of CloudWatch Logs may well begin so."""
    params = call.params
    group = moto_app.logs(call.region).groups.get(params.get("logGroupName"))
    if group is None:
        raise Refused("ResourceNotFoundException", "The specified log group does not exist.")
    fits = matcher(params.get("filterPattern", ""))
    found = [
        {"logStreamName": name, "timestamp": event.timestamp, "message": event.message, "eventId": f"{event.event_id}"}
        for name, stream in group.streams.items()
        for event in stream.events
        if params.get("startTime", 0) <= event.timestamp <= params.get("endTime", event.timestamp)
        and fits(event.message)
    ]
    return told(_page(sorted(found, key=lambda event: event["timestamp"]), params))


def _page(found: list[Params], params: Params) -> Params:
    token, limit = params.get("nextToken"), int(params.get("limit", 10000))
    if token is None:
        return {"events": [], "searchedLogStreams": [], "nextToken": _NONE}
    if not re.fullmatch(r"from-\d+", token):
        raise Refused("InvalidParameterException", "The specified nextToken is invalid.")
    start = int(token.removeprefix("from-"))
    more = {"nextToken": f"from-{start + limit}"} if start + limit < len(found) else {}
    return {"events": found[start : start + limit], "searchedLogStreams": [], **more}


def matcher(pattern: str) -> Any:
    """Whether a message fits: every word, at least one of those with ?, and none of those with -."""
    words = _WORD.findall(pattern)
    if "".join(match.group() for match in _WORD.finditer(pattern)) != pattern.lstrip():
        raise Refused("InvalidParameterException", "Invalid filter pattern")
    texts = [(mark, quoted or bare) for mark, quoted, bare in words]
    every, any_of, none = ([text for mark, text in texts if mark == each] for each in ("", "?", "-"))
    return lambda message: (
        all(text in message for text in every)
        and (not any_of or any(text in message for text in any_of))
        and not any(text in message for text in none)
    )
