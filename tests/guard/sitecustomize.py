"""Refuses every connection that is not loopback, in the tests and in every Python process that they start."""

import ipaddress
import socket
import sys


def _is_loopback(host: object) -> bool:
    if host in ("localhost", "", None):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        family, address = getattr(arguments[0], "family", None), arguments[1]
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        if family != socket.AF_UNIX and not _is_loopback(host):
            raise PermissionError(f"a test wanted to connect to {address}: only loopback is allowed")
    elif event == "socket.getaddrinfo" and not _is_loopback(arguments[0]):
        raise PermissionError(f"a test wanted to look up {arguments[0]!r}: only loopback is allowed")


sys.addaudithook(_refuse)
