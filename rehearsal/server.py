"""The server: AWS to rehearse on, over HTTP on this machine, in threads of this process."""

import socket
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar

from rehearsal.clock import Clock, Pace
from rehearsal.faults import Fault
from rehearsal.run_values import Script
from rehearsal.wire import APP, Answer, Request


class Rehearsal:
    """An AWS of its own, empty until something is created in it. One at a time in a process: moto's state is global.

    `url` is what AWS_ENDPOINT_URL has to be. `throttle` enforces AWS's published request rates.
    """

    _open: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, pace: Pace | None = None, throttle: bool = False
    ) -> None:
        from rehearsal.control import Control
        from rehearsal.layer import Layer

        if not Rehearsal._open.acquire(blocking=False):
            raise RuntimeError(
                "another rehearsal is open in this process; close it first, or start `python -m rehearsal`"
            )
        try:
            self._layer = Layer(Clock(), pace or Pace(), throttle=throttle)
            self._control = Control(self._layer)
            self._server = _Server((host, port), _Exchange)
        except BaseException:
            Rehearsal._open.release()
            raise
        self._server.rehearsal = self
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> "Rehearsal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving and let go of every held answer."""
        if self._layer.closing.is_set():
            return
        self._layer.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        Rehearsal._open.release()

    def calls(self) -> list[dict[str, Any]]:
        """Every call so far: at, service, operation, code, write and summary."""
        with self._layer.lock:
            return self._control.calls()

    def clear_calls(self) -> None:
        """Forget the calls so far."""
        with self._layer.lock:
            self._control.clear_calls()

    def fault(
        self, service: str, operation: str, kind: str, *, times: int = 1, skip: int = 0, seconds: float = 0.0
    ) -> None:
        """Let the next `times` calls go wrong, after `skip` that do not. The kinds are in `faults.KINDS`."""
        with self._layer.lock:
            self._control.fault(Fault(service, operation, kind, times, skip, seconds))

    def clear_faults(self) -> None:
        """No fault is to come any more."""
        with self._layer.lock:
            self._control.clear_faults()

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self._control.advance(seconds)

    def now(self) -> datetime:
        """The time in this AWS."""
        return datetime.fromtimestamp(self._layer.clock.now(), UTC)

    def mark_bad(self, image: str, *, bad: bool = True) -> None:
        """No task of this image becomes healthy any more; with bad=False they do again, also in a stuck rollout."""
        with self._layer.lock:
            self._control.mark(image, bad=bad)

    def command(self, *words: str, output: Sequence[str] = (), exit_code: int = 0, starts: bool = True) -> None:
        """What a command does in a task that is run once; one that nobody set prints a line and ends with 0."""
        with self._layer.lock:
            self._control.script(words, Script(tuple(output), exit_code, starts))

    def route(
        self, load_balancer: str, host: str, path: str = "/", *, port: int = 443, region: str = "us-east-1"
    ) -> dict[str, Any]:
        """What the load balancer does with a request: see `alb.route`."""
        from rehearsal import alb

        with self._layer.lock:
            return alb.route(region, load_balancer, port, host, path)

    def login(self, instance: str, user: str, password: str, *, region: str = "us-east-1") -> bool:
        """Whether this user gets into a DB instance, named by its identifier or its address, with this password."""
        with self._layer.lock:
            return self._layer.databases.login(instance, user, password, region)

    def answer(self, request: Request) -> Answer:
        """The answer to one HTTP request."""
        if request.path.startswith(APP):
            with self._layer.lock:
                return self._layer.health.app(request.path)
        asked = self._control if request.path.startswith("/rehearsal/") else self._layer
        return asked.answer(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    rehearsal: Rehearsal

    def __init__(self, *of: Any) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*of)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for each in list(self._connections):  # kept alive by their clients
            self.shutdown_request(each)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone away is no news."""


class _Exchange(BaseHTTPRequestHandler):
    """One connection, kept alive."""

    server: "_Server"
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together: two small writes cost 40 ms of delayed acknowledgement
    disable_nagle_algorithm = True

    def handle_expect_100(self) -> bool:
        """Whoever asks whether to go on waits for the answer: it must not stay in our buffer."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, query, headers, self.rfile.read(length) if length else b"")
        answer = self.server.rehearsal.answer(request)
        if answer.dropped:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        self.send_header("Date", format_datetime(self.server.rehearsal.now(), usegmt=True))
        self.send_header("x-amzn-RequestId", f"{id(answer):032x}")
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _serve  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Nothing is printed: the log of calls has it."""
