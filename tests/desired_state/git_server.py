"""A git repository behind HTTP on loopback, that takes pushes, as a forge does."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def http(root: Path, *, pushes: bool = True, lost: list[str] | None = None) -> Iterator[str]:
    """The address of the repositories in a folder. `lost`: services whose next answer never comes, though it was done.

    Without `pushes` a push is answered with 403, as to a key that may only read.
    """
    lost = lost if lost is not None else []

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            told = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path, _, query = self.path.partition("?")
            if not pushes and "git-receive-pack" in self.path:
                return self._answer(403, b"Content-Type: text/plain", b"this key may only read")
            environ = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_COUNT": "2",
                "GIT_CONFIG_KEY_0": "http.receivepack",
                "GIT_CONFIG_VALUE_0": "true",
                "GIT_CONFIG_KEY_1": "safe.directory",
                "GIT_CONFIG_VALUE_1": "*",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            }
            done = subprocess.run(["git", "http-backend"], env=environ, input=told, capture_output=True, check=False)
            if path.rpartition("/")[2] in lost:
                lost.remove(path.rpartition("/")[2])
                return self.connection.close()
            head, _, body = done.stdout.partition(b"\r\n\r\n")
            return self._answer(200, head, body)

        def _answer(self, status: int, head: bytes, body: bytes) -> None:
            self.send_response(status)
            for line in head.decode().splitlines():
                self.send_header(*line.split(": ", 1))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve  # noqa: N815 — as http.server spells them

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):  # the client was killed, or we hung up
                return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
