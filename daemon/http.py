"""The pages of the daemon: /metrics, /healthz, /readyz, /api/v1/status, …/events and …/history. They only read."""

import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qsl

from daemon import status_json
from daemon.chronicle import MOST, Chronicle
from daemon.events import instant
from daemon.metrics import CONTENT_TYPE, Metrics
from daemon.status import Status

_MOST = 32  # requests at once; more are turned away
_DEADLINE = 10.0  # seconds for one request, however slowly it comes
_WORTH_PACKING = 4096  # bytes; the metrics of 1,000 services are 700 kB, and 25 kB packed
_PLAIN = "text/plain; charset=utf-8"
_JSON = "application/json"
_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.%a-z]+)\]|(?P<host>[^:\[\]\s]*)):(?P<port>\d{1,5})")

Page = tuple[HTTPStatus, str, bytes]  # status, content type, body
Query = dict[str, str]


def serve(
    listen: str,
    status: Callable[[], Status],
    metrics: Metrics,
    chronicle: Chronicle,
    history: Callable[[], object] = lambda: {"environments": []},
) -> "Server":
    """Listen on HOST:PORT from now on, in threads of its own. ValueError or OSError: it cannot be listened on."""
    match = _ADDRESS.fullmatch(listen)
    if match is None or int(match["port"]) > 65_535:
        raise ValueError("it is not HOST:PORT")
    pages: dict[str, Callable[[Query], Page]] = {
        "/metrics": lambda _: (HTTPStatus.OK, CONTENT_TYPE, metrics.render()),
        "/healthz": lambda _: _health(status()),
        "/readyz": lambda _: _readiness(status()),
        "/api/v1/status": lambda _: (HTTPStatus.OK, _JSON, _json(status_json.everything(status()))),
        "/api/v1/events": lambda query: _events(chronicle, query),
        "/api/v1/history": lambda _: (HTTPStatus.OK, _JSON, _json(history())),
    }
    return Server(match["six"] or match["host"], int(match["port"]), pages)


class Server(ThreadingHTTPServer):
    """Bounded: so many requests at once, so many seconds for each."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, pages: dict[str, Callable[[Query], Page]]) -> None:
        self.pages = pages
        self._free = threading.BoundedSemaphore(_MOST)
        self._begun: dict[socket.socket, float] = {}
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self.address_family = family
        super().__init__(address[:2], _Handler)  # type: ignore[arg-type]  # host and port, whatever the family
        threading.Thread(target=self.serve_forever, args=(0.1,), name="http", daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens; chosen by the system where 0 was asked for."""
        return int(self.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's looks the host's name up, which may take long
        self.server_name, self.server_port = str(self.server_address[0]), self.port

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self._turn_away(request)
            return
        self._begun[request] = time.monotonic()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread could be started
            self._done(request)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._done(request)

    def service_actions(self) -> None:
        """A few times a second: cut off whoever has taken too long."""
        end = time.monotonic() - _DEADLINE
        for request, begun in list(self._begun.items()):
            if begun < end:
                with suppress(OSError):  # it has just ended by itself
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""

    def _turn_away(self, request: Any) -> None:
        with suppress(OSError):
            request.settimeout(0)
            request.send(b"HTTP/1.0 503 Service Unavailable\r\nConnection: close\r\n\r\ntoo many requests at once\n")
        self.shutdown_request(request)

    def _done(self, request: Any) -> None:
        self._begun.pop(request, None)
        self._free.release()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = _DEADLINE
    default_request_version = "HTTP/1.0"  # what cannot be read is answered with a status line, too

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        page = self.server.pages.get(path)
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            self._answer(*page(dict(parse_qsl(query))))
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 — a page that fails must say so, and must not end the thread silently
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, type(error).__name__)

    do_HEAD = do_GET  # noqa: N815 — the name that http.server calls

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """In plain text, and repeating nothing of the request."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            code = HTTPStatus.METHOD_NOT_ALLOWED
        text = HTTPStatus(code).phrase if code != HTTPStatus.INTERNAL_SERVER_ERROR else f"{message}"
        self.close_connection = True
        self._answer(HTTPStatus(code), _PLAIN, f"{text}\n".encode())

    def version_string(self) -> str:
        return "trueup"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the name that http.server uses
        """Requests are not logged: probes and scrapes come every few seconds."""

    def _answer(self, code: HTTPStatus, kind: str, body: bytes) -> None:
        # A request that could not be read has left no headers behind.
        headers = getattr(self, "headers", None)
        packed = len(body) > _WORTH_PACKING and headers and "gzip" in headers.get("Accept-Encoding", "")
        body = gzip.compress(body, compresslevel=1) if packed else body
        self.send_response(code)
        self.send_header("Content-Type", kind)
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if code is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _health(status: Status) -> Page:
    if status.alive:
        return HTTPStatus.OK, _PLAIN, b"ok\n"
    return HTTPStatus.SERVICE_UNAVAILABLE, _PLAIN, b"a poll or a pass is stuck\n"


def _readiness(status: Status) -> Page:
    if status.ready:
        return HTTPStatus.OK, _PLAIN, b"ready\n"
    return HTTPStatus.SERVICE_UNAVAILABLE, _PLAIN, f"not ready: {_missing(status)}\n".encode()


def _events(chronicle: Chronicle, query: Query) -> Page:
    """What happened, newest last: of one environment, from an instant on, and not more than so many."""
    since, limit = query.get("since"), query.get("limit", f"{MOST}")
    after = instant(since)
    if since is not None and after is None:
        return HTTPStatus.BAD_REQUEST, _PLAIN, b"since is no instant; write one such as 2024-02-24T12:00:00Z\n"
    if not limit.isascii() or not limit.isdigit() or len(limit) > 6:
        return HTTPStatus.BAD_REQUEST, _PLAIN, b"limit is no number of events\n"
    found = chronicle.events(query.get("environment"), after, min(int(limit), MOST))
    return HTTPStatus.OK, _JSON, _json({"events": [event.as_json() for event in found]})


def _missing(status: Status) -> str:
    if not status.git.head:
        return f"the repository has not been read: {status.git.error or 'the first poll is under way'}"
    if not status.environments:
        first = f": {status.git.problems[0]}" if status.git.problems else ""
        return f"no environment is in force{first}"
    waiting = sorted(each.name for each in status.environments if each.last_pass is None)
    if waiting:
        return f"the first pass over {', '.join(waiting)} is under way"
    return f"AWS has not answered yet for {', '.join(sorted(each.name for each in status.environments))}"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
