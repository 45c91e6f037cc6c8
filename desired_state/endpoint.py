"""Where a database listens, as the desired-state file names it."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from desired_state.values import Part, wrong


class Endpoint(Part):
    """Where a database listens: a host as the file writes it, and a port where the file names one."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] | None = None

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @field_validator("host")
    @classmethod
    def _host_is_possible(cls, host: str) -> str:
        # The host is never shown: a connection URL with its password may have been pasted here.
        if not host:
            raise wrong("names no host", "write the host of the database, or host:port")
        if re.search("[/@?#]", host):
            raise wrong(
                "takes a host and a port, and neither scheme, user, password nor path", "write host or host:port"
            )
        if re.fullmatch("[0-9.]+|0[xX].*", host):
            return _checked_address(host)
        label = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
        if len(host) > 253 or not re.fullmatch(rf"{label}(?:\.{label})*", host):
            raise wrong("is neither a DNS name nor an IPv4 address", "write host or host:port as AWS shows it")
        return host


def _checked_address(host: str) -> str:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        raise wrong("is not an IPv4 address", "write four numbers from 0 to 255, or a DNS name") from None
    if address.is_link_local or address.is_unspecified or address.is_multicast:
        raise wrong(f"no database listens at {host}", "write the endpoint of the database as AWS shows it")
    return host


def _read_endpoint(value: object) -> object:
    if isinstance(value, Endpoint):
        return value
    if not isinstance(value, str):
        raise wrong("is not an endpoint", "write host or host:port as AWS shows it, in quotes if it is a number")
    host, colon, port = value.rpartition(":")
    if not colon or re.search("[/@?#]", value):
        return {"host": value}
    if not re.fullmatch("[1-9][0-9]{0,4}", port) or int(port) > 65535:
        raise wrong("what follows the colon is not a port", "write host:port with a port from 1 to 65535")
    return {"host": host, "port": int(port)}


WrittenEndpoint = Annotated[
    Endpoint, BeforeValidator(_read_endpoint), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 259})
]
