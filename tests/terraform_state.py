"""A server that keeps one terraform state and its lock, as terraform's HTTP backend wants it. Loopback only."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class StateServer:
    """What is kept, and how the server behaves. A test may change any of it, at any time."""

    url: str = ""
    state: bytes = b""
    """Empty where there is none yet."""
    lock: dict[str, str] = field(default_factory=dict)
    """Who holds it, in terraform's words; empty while nobody does."""
    refuses_writes: bool = False
    delay: float = 0.0
    """Seconds before the state is given or taken."""
    guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def backend(self) -> str:
        """The lines of a configuration that keeps its state here."""
        return (
            'terraform {\n  backend "http" {\n'
            f'    address = "{self.url}"\n    lock_address = "{self.url}"\n    unlock_address = "{self.url}"\n'
            "  }\n}\n"
        )


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Whoever asked was killed meanwhile."""


@contextmanager
def state_server() -> Iterator[StateServer]:
    """A server with no state."""
    kept = StateServer()
    with _Server(("127.0.0.1", 0), _handler(kept)) as server:
        kept.url = f"http://127.0.0.1:{server.server_address[1]}/state"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield kept
        server.shutdown()


def _handler(kept: StateServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(kept.delay)
            self._answer(200 if kept.state else 404, kept.state)

        def do_POST(self) -> None:
            told = self._told()
            time.sleep(kept.delay)
            holder = kept.lock.get("ID", "")
            if kept.refuses_writes or (holder and f"ID={holder}" not in self.path):
                return self._answer(403)
            kept.state = told
            return self._answer(200)

        def do_LOCK(self) -> None:
            told = self._told()
            with kept.guard:
                if kept.lock:
                    return self._answer(423, json.dumps(kept.lock).encode())
                kept.lock = json.loads(told)
            return self._answer(200)

        def do_UNLOCK(self) -> None:
            self._told()
            kept.lock = {}
            self._answer(200)

        def _told(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
