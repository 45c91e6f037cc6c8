"""Requests and answers on the wire: which operation a request is, and how each AWS protocol says no."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

ACCOUNT = "123456789012"
APP = "/_rehearsal/app/"
"""Below this the services answer over HTTP, as their users would find them: /_rehearsal/app/SERVICE/health."""

# The name that boto3 has for what the signature calls otherwise.
_CLIENTS = {"elasticloadbalancing": "elbv2", "monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi"}
_REST = frozenset({"route53", "s3"})
_READS = ("Describe", "List", "Get", "BatchGet", "Assume", "Head", "Lookup", "Filter", "Query", "Scan", "Search")


class Refused(Exception):
    """AWS understood the request and says no."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Unsupported(Refused):
    """AWS has this operation; the rehearsal has not."""

    def __init__(self, operation: str) -> None:
        super().__init__("UnknownOperationException", f"the rehearsal AWS does not implement {operation}")


@dataclass(frozen=True)
class Request:
    """One HTTP request, with lower-case header names."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `dropped` closes the connection without one."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    dropped: bool = False
    code: str = field(default="", compare=False)


DROPPED = Answer(0, dropped=True, code="dropped")


@dataclass(frozen=True)
class Call:
    """What a request asks of which service: `service` is boto3's name for it."""

    service: str
    operation: str
    region: str
    protocol: str
    params: dict[str, Any]
    request: Request

    @property
    def write(self) -> bool:
        if self.protocol == "rest-xml":
            return self.request.method not in ("GET", "HEAD")
        return not self.operation.startswith(_READS)


def decode(request: Request) -> Call:
    """Which call a request is. Operations of services that nobody rehearses may come out as method and path."""
    signed, region = _scope(request.headers.get("authorization", ""))
    service = _CLIENTS.get(signed, signed)
    if target := request.headers.get("x-amz-target", ""):
        params = json.loads(request.body or b"{}")
        return Call(service, target.rpartition(".")[2], region, "json", params, request)
    if "/operation/" in request.path:
        return Call(service, request.path.rpartition("/")[2], region, "cbor", {}, request)
    form = "x-www-form-urlencoded" in request.headers.get("content-type", "")
    params = dict(parse_qsl((request.body.decode() if form else request.query), keep_blank_values=True))
    if action := params.get("Action"):
        return Call(service, action, region, "query", params, request)
    operation = _rest_operation(service, request.method, request.path) if service in _REST else ""
    return Call(service, operation or f"{request.method} {request.path}", region, "rest-xml", {}, request)


def refusal(call: Call, refused: Refused) -> Answer:
    """The error in the protocol of the service that was called."""
    code, message, status = refused.code, refused.message, refused.status
    if call.protocol == "json":
        document = json.dumps({"__type": code, "message": message, "Message": message}).encode()
        kind = [("x-amzn-errortype", code)]
        return Answer(status, document, (("content-type", "application/x-amz-json-1.1"), *kind), code=code)
    if call.protocol == "cbor":
        body = b"\xa2" + b"".join(map(_cbor_text, ("__type", code, "message", message)))
        return Answer(
            status, body, (("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")), code=code
        )
    kind_of = "Sender" if status < 500 else "Receiver"
    text = (
        f"<ErrorResponse><Error><Type>{kind_of}</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "</Error><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
    )
    return Answer(status, text.encode(), (("content-type", "text/xml"),), code=code)


def told(document: Mapping[str, Any] | bytes) -> Answer:
    """A good answer of a JSON service."""
    body = document if isinstance(document, bytes) else json.dumps(document, separators=(",", ":")).encode()
    return Answer(200, body, (("content-type", "application/x-amz-json-1.1"),))


def _scope(authorization: str) -> tuple[str, str]:
    """Service and region as the signature names them."""
    parts = authorization.partition("Credential=")[2].partition(",")[0].strip().split("/")
    return (parts[3], parts[2]) if len(parts) == 5 else ("", "us-east-1")


def _cbor_text(text: str) -> bytes:
    data = text.encode()
    return b"\x79" + len(data).to_bytes(2, "big") + data


@cache
def _rest_operations(service: str) -> list[tuple[str, list[str], str]]:
    import botocore.session

    model = botocore.session.get_session().get_service_model(service)
    found = [(name, model.operation_model(name).http) for name in model.operation_names]
    return [(http["method"], http["requestUri"].partition("?")[0].strip("/").split("/"), name) for name, http in found]


def _rest_operation(service: str, method: str, path: str) -> str:
    parts = path.strip("/").split("/")
    for verb, pattern, name in _rest_operations(service):
        if verb == method and _fits(pattern, parts):
            return name
    return ""


def _fits(pattern: list[str], parts: list[str]) -> bool:
    same = len(pattern) == len(parts)
    return same and all(want.startswith("{") or want == part for want, part in zip(pattern, parts, strict=True))
