"""DescribeImages as ECR makes it: in no order and a page at a time; moto tells all images at once, as pushed."""

import json
import re
from typing import Any

from rehearsal.wire import Answer, Call, Refused, told

_DEFAULT, _MOST = 100, 1000


def paged(call: Call, answer: Answer) -> Answer:
    """The answer itself, unless it lists a whole repository."""
    lists = (call.service, call.operation) == ("ecr", "DescribeImages") and not call.params.get("imageIds")
    if not lists or answer.status >= 300:
        return answer
    images = sorted(json.loads(answer.body)["imageDetails"], key=lambda image: image["imageDigest"])
    start, size = _start(call.params), _size(call.params)
    page: dict[str, Any] = {"imageDetails": images[start : start + size]}
    return told(page | ({"nextToken": f"page-{start + size}"} if start + size < len(images) else {}))


def _size(params: dict[str, Any]) -> int:
    size = params.get("maxResults", _DEFAULT)
    if not 1 <= size <= _MOST:
        raise Refused("InvalidParameterException", f"maxResults must be between 1 and {_MOST}")
    return int(size)


def _start(params: dict[str, Any]) -> int:
    token = params.get("nextToken", "page-0")
    if not re.fullmatch(r"page-\d+", token):
        raise Refused("InvalidParameterException", "Invalid parameter at 'nextToken'")
    return int(token.removeprefix("page-"))
