"""Requests and answers member by member, as AWS describes the service: for the protocols that speak XML."""

from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from rehearsal.wire import Answer, Call

Params = dict[str, Any]


def given(call: Call) -> Params:
    """What a call gives, by AWS's names. An instant is seconds since the epoch; what is left out is not there."""
    from moto.core.parse import PROTOCOL_PARSERS

    operation, request = _model(call.service, call.operation), call.request
    parser = PROTOCOL_PARSERS[call.protocol](operation, timestamp_parser=_seconds)
    sent: Any = {
        "values": call.params or dict(parse_qsl(request.query)),
        "headers": request.headers,
        "body": request.body,
        "url_params": _labels(operation.http["requestUri"], request.path),
    }
    parsed: Params = parser.parse(sent)
    return parsed


def answered(call: Call, result: Params) -> Answer:
    """A good answer. What AWS does not show of `result` is left out, and so is None."""
    from moto.core.serialize import get_serializer_class

    told = get_serializer_class(call.service, call.protocol)(_model(call.service, call.operation)).serialize(result)
    return Answer(200, str(told["body"]).encode(), (("content-type", told["headers"]["Content-Type"]),))


@cache
def members(service: str, operation: str) -> frozenset[str]:
    """The names of what an operation takes."""
    return frozenset(_model(service, operation).input_shape.members)


def _model(service: str, operation: str) -> Any:
    from moto.core.utils import get_service_model

    return get_service_model(service).operation_model(operation)


def _labels(pattern: str, path: str) -> dict[str, str]:
    wanted, parts = (text.partition("?")[0].strip("/").split("/") for text in (pattern, path))
    return {name[1:-1]: unquote(part) for name, part in zip(wanted, parts, strict=False) if name.startswith("{")}


def _seconds(text: str) -> float:
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
