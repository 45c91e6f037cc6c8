"""A status page as a daemon tells it, and a server on loopback that tells whatever a test wants."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from daemon.verbs.seen import Seen, read

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)
COMMIT = "1a2b3c4d" * 5
Json = dict[str, Any]


def resource(name: str = "api", condition: str = "in_sync", reason: str = "", **more: Any) -> Json:
    """One entry, in its condition since 11:58 and read last at 11:59:57."""
    told = {"kind": "service", "name": name, "condition": condition, "reason": reason}
    times = {"since": "2024-02-24T11:58:00.000Z", "observed": "2024-02-24T11:59:57.000Z", "drifted_since": None}
    return told | times | {"drift": [], "ahead": [], "advice": [], "waits": None} | more


def environment(*resources: Json, **more: Any) -> Json:
    """One environment, looked at a second ago."""
    in_sync = all(each["condition"] == "in_sync" for each in resources)
    told = {"environment": "production", "file": "production.yaml", "commit": COMMIT, "mode": "enforce", "valid": True}
    told |= {"in_sync": in_sync, "verified": None, "last_pass": "2024-02-24T11:59:59.000Z", "last_in_sync": None}
    return told | {"maintenance_enabled": None, "resources": list(resources)} | more


def page(*environments: Json, **git: Any) -> Json:
    """The whole page."""
    known = {"repository": "https://git.example/p.git", "branch": "main", "path": "production.yaml", "head": COMMIT}
    known |= {"error": "", "rewritten": False, "last_fetch": "2024-02-24T11:59:30.000Z", "problems": []}
    rest = {"leader": True, "ready": True, "interval": 30.0}
    return {"git": known | git, "environments": list(environments), **rest}


def seen(*resources: Json, git: Json | None = None, **more: Any) -> Seen:
    """What a client makes of a page with one environment, at noon."""
    return read(page(environment(*resources, **more), **(git or {})), NOON)


def drift(name: str = "image_tag", live: str = "v2", desired: str = "v1") -> Json:
    return {"field": name, "live": live, "desired": desired}


@dataclass
class Web:
    """A server whose next answers are those of `answers`, by path; the last of each is told again and again."""

    address: str = ""
    answers: dict[str, list[Callable[[BaseHTTPRequestHandler], None]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def tell(self, document: Any, path: str = "/api/v1/status") -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        self.answers.setdefault(path, []).append(answer)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        self.asked.append(handler.path)
        known = self.answers.get(path, [])
        if not known:
            handler.send_error(404)
            return
        (known.pop(0) if len(known) > 1 else known[0])(handler)


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """An answer that never comes to its end."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def elsewhere(handler: BaseHTTPRequestHandler) -> None:
    """A redirect to another page of the same server."""
    handler.send_response(302)
    handler.send_header("Location", "/secret")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@contextmanager
def serving() -> Iterator[Web]:
    """A server on loopback."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                web.answer(self)
            except OSError:
                self.close_connection = True

        def date_time_string(self, timestamp: float | None = None) -> str:
            return format_datetime(NOON, usegmt=True)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the name that http.server uses
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    web.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
