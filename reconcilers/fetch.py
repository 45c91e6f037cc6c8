"""One URL, asked with GET: at an address that was looked at first, and within limits of time, size and redirects."""

import base64
import errno
import http.client
import io
import re
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from desired_state.verify import is_metadata

MOST: Final = 64 * 1024
"""Bytes of an answer that are read."""
_REDIRECTS: Final = 3
_PORTS: Final = {"http": 80, "https": 443}
_OWN: Final = (
    *(errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS),
)


class Forbidden(Exception):
    """Where this leads is never asked. The message says where that is."""


@dataclass(frozen=True)
class Page:
    """The beginning of an answer."""

    status: int
    location: str  # where a redirect leads; empty where it leads nowhere
    body: bytes


def get(url: str, within: float, wanted: int = 200) -> Page:
    """What a URL answers, after up to three redirects on its own host, unless one has the wanted status itself.

    `within`: seconds for all of it. TimeoutError: it took longer. Forbidden: a redirect leads elsewhere. Refused:
    its name leads to an address that is never asked. OSError (socket.gaierror and ssl.SSLError among them) and
    http.client.HTTPException: it did not answer, or not in HTTP.

    No library's time-out bounds a whole answer, only each read of it: this is why the socket is held here.
    """
    deadline = time.monotonic() + within
    for _ in range(_REDIRECTS + 1):
        page = _ask(urlsplit(url), deadline)
        if page.status == wanted or not page.location or not 300 <= page.status < 400:
            return page
        url = _followed(url, page.location)
    raise Forbidden(f"redirects more than {_REDIRECTS} times")


class Refused(Forbidden):
    """The name of the URL itself leads to an address that is never asked."""


def is_own(error: Exception) -> bool:
    """Whether an error says more of this machine than of the one that was asked."""
    return isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno in _OWN)


def _followed(url: str, location: str) -> str:
    """Where a redirect leads, if that is the same host, and no step back from https to http."""
    try:
        there = urljoin(url, location)
        old, new = urlsplit(url), urlsplit(there)
        is_url = re.fullmatch("[!-~]{1,2048}", there) is not None and new.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise Forbidden("redirects to what is no URL")
    if new.hostname != old.hostname:
        raise Forbidden(f"redirects to another host, {new.hostname or 'none'}: ask that one itself")
    if new.scheme not in (old.scheme, "https"):
        raise Forbidden(f"redirects from {old.scheme} to {new.scheme}")
    return new._replace(fragment="").geturl()


def _ask(url: SplitResult, deadline: float) -> Page:
    with _connected(url, deadline) as connection:
        path = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
        head = f"GET {path} HTTP/1.1\r\nHost: {url.netloc.rpartition('@')[2]}\r\nUser-Agent: trueup\r\n"
        _send(connection, f"{head}Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n", deadline)
        answer = http.client.HTTPResponse(_Timed(connection, deadline), method="GET")  # type: ignore[arg-type]  # it asks for makefile() only
        answer.begin()
        return Page(answer.status, answer.getheader("Location", ""), answer.read(MOST))


def _connected(url: SplitResult, deadline: float) -> socket.socket:
    host, port = url.hostname or "", url.port or _PORTS[url.scheme]
    if is_metadata(host):
        raise Refused(f"leads to {host}, which is never asked")
    proxy = _proxy(host) if url.scheme == "https" else None
    connection = _through(proxy, host, port, deadline) if proxy else _reached(_addresses(host, port), deadline)
    if url.scheme == "http":
        return connection
    try:
        connection.settimeout(_left(deadline))
        return _trusted().wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def _addresses(host: str, port: int) -> list[Any]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in found:
        if is_metadata(f"{address[0]}"):
            raise Refused(f"its name leads to {address[0]}, which is never asked")
    return [(family, address) for family, *_, address in found]


def _reached(addresses: Iterable[Any], deadline: float) -> socket.socket:
    """A connection to the first of these that takes one: exactly what was looked at, and no second look-up."""
    every, failed = list(addresses), list[OSError]()
    for number, (family, address) in enumerate(every):
        try:
            return _connection(family, address, _left(deadline) / (len(every) - number))
        except OSError as error:
            failed.append(error)
    # A machine without IPv6 says so of every IPv6 address, which tells nothing of the one that refused.
    theirs = (error for error in failed if not is_own(error))
    raise next(theirs, failed[0] if failed else OSError("its name has no address"))


def _connection(family: int, address: Any, within: float) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(within)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _proxy(host: str) -> SplitResult | None:
    """The proxy of HTTPS_PROXY, as for git and for AWS. Only https goes through one: there a certificate proves who

    answers, whatever address the proxy finds; plain http would tell what the machine of the proxy may see.
    """
    proxies = urllib.request.getproxies_environment()
    if "https" not in proxies or urllib.request.proxy_bypass(host):
        return None
    text = proxies["https"]
    return urlsplit(text if "://" in text else f"http://{text}")


def _through(proxy: SplitResult, host: str, port: int, deadline: float) -> socket.socket:
    if proxy.scheme != "http":
        raise Refused("HTTPS_PROXY is no http proxy: write http://host:port, or name the host in NO_PROXY")
    found = socket.getaddrinfo(proxy.hostname, proxy.port or 80, type=socket.SOCK_STREAM)
    connection = _reached([(family, address) for family, *_, address in found], deadline)
    try:
        there = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        login = f"Proxy-Authorization: Basic {_basic(proxy)}\r\n" if proxy.username else ""
        _send(connection, f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n{login}\r\n", deadline)
        answer = http.client.HTTPResponse(_Timed(connection, deadline), method="CONNECT")  # type: ignore[arg-type]  # as above
        answer.begin()
    except BaseException:
        connection.close()
        raise
    if answer.status != 200:
        connection.close()
        raise http.client.HTTPException(f"the proxy answered {answer.status}")
    return connection


def _basic(proxy: SplitResult) -> str:
    login = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    return base64.b64encode(login.encode()).decode()


def _send(connection: socket.socket, text: str, deadline: float) -> None:
    connection.settimeout(_left(deadline))
    connection.sendall(text.encode("ascii"))


class _Timed(io.RawIOBase):
    """What a connection receives until a deadline, however slowly it drips."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The file that http.client reads."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """What has come, waiting for no longer than there is time."""
        self._connection.settimeout(_left(self._deadline))
        return self._connection.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that this machine trusts; SSL_CERT_FILE adds a company's own."""
    return ssl.create_default_context()
