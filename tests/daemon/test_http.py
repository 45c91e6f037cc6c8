"""The pages, over real sockets on loopback."""

import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from daemon import http as pages
from daemon.chronicle import Chronicle
from daemon.http import Server, serve
from daemon.metrics import Metrics
from daemon.status import EnvironmentStatus, GitStatus, ResourceStatus, Status
from desired_state.parse import Problem
from reconcilers.contract import Advice, Change, Condition, Drift

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)
GIT = GitStatus(repository="https://git.example/p.git", branch="main", path="production.yaml", head="a" * 40)
RESOURCE = ResourceStatus(
    kind="service",
    name="api",
    condition=Condition.DRIFTED,
    reason="mode is observe: reported, not repaired",
    since=NOON,
    observed=NOON,
    changes=(Change(drifts=(Drift("desired_count", "2", "4"),)),),
    drifted_since=NOON,
    advice=(Advice("base_not_pinned", "add `task_revision: 7`"),),
)
ENVIRONMENT = EnvironmentStatus(
    name="production", file="production.yaml", commit="a" * 40, mode="observe", valid=True, resources=(RESOURCE,)
)


@dataclass
class Web:
    """A server and what it tells."""

    server: Server
    status: Status

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=5)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), body

    def send(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=5) as client:
            client.sendall(request)
            return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.fixture
def web() -> Iterator[Web]:
    made: list[Web] = []

    def status() -> Status:
        return made[0].status

    server = serve("127.0.0.1:0", status, Metrics(status), Chronicle())
    made.append(Web(server, Status(git=GIT, environments=(ENVIRONMENT,), ready=True)))
    try:
        yield made[0]
    finally:
        server.close()


def test_of_a_file_of_nonsense_the_status_page_shows_the_first_problems_and_how_many_there_are(web: Web) -> None:
    problems = tuple(Problem("production.yaml", line, "k", "is unknown", "take it out") for line in range(45_000))
    web.status = replace(web.status, git=replace(GIT, problems=problems))

    git = json.loads(web.get("/api/v1/status")[2])["git"]

    assert [problem["line"] for problem in git["problems"]] == list(range(20))
    assert git["problem_count"] == 45_000


def test_metrics_are_prometheus_text(web: Web) -> None:
    code, headers, body = web.get("/metrics")

    assert (code, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b'trueup_resource_drift{environment="production",kind="service",name="api"} 1.0' in body


def test_what_is_large_is_packed_for_whoever_asks(web: Web) -> None:
    many = tuple(replace(RESOURCE, name=f"s{number}") for number in range(100))
    web.status = replace(web.status, environments=(replace(ENVIRONMENT, resources=many),))

    _, headers, body = web.get("/metrics", Accept_Encoding="gzip")

    assert headers["Content-Encoding"] == "gzip"
    assert b'name="s99"' in gzip.decompress(body)
    assert int(headers["Content-Length"]) == len(body)
    assert "Content-Encoding" not in web.get("/metrics")[1]


def test_the_status_page_has_every_key_of_the_contract(web: Web) -> None:
    problem = Problem("production.yaml", 3, "services.api.x", "is unknown", "take it out")
    web.status = replace(web.status, git=replace(GIT, problems=(problem,), last_fetch=NOON))

    code, headers, body = web.get("/api/v1/status")

    assert (code, headers["Content-Type"], body[-1:]) == (200, "application/json", b"\n")
    assert json.loads(body) == {
        "git": {
            "repository": "https://git.example/p.git",
            "branch": "main",
            "path": "production.yaml",
            "head": "a" * 40,
            "error": "",
            "rewritten": False,
            "last_fetch": "2024-02-24T12:00:00.000Z",
            "problem_count": 1,
            "problems": [
                {
                    "file": "production.yaml",
                    "line": 3,
                    "key": "services.api.x",
                    "message": "is unknown",
                    "mend": "take it out",
                }
            ],
        },
        "environments": [
            {
                "environment": "production",
                "file": "production.yaml",
                "commit": "a" * 40,
                "mode": "observe",
                "valid": True,
                "in_sync": False,
                "verified": None,
                "rollback_ready": [],
                "last_pass": None,
                "last_in_sync": None,
                "maintenance_enabled": None,
                "resources": [
                    {
                        "kind": "service",
                        "name": "api",
                        "condition": "drifted",
                        "reason": "mode is observe: reported, not repaired",
                        "since": "2024-02-24T12:00:00.000Z",
                        "observed": "2024-02-24T12:00:00.000Z",
                        "drifted_since": "2024-02-24T12:00:00.000Z",
                        "drift": [{"field": "desired_count", "live": "2", "desired": "4"}],
                        "ahead": [],
                        "advice": [{"type": "base_not_pinned", "message": "add `task_revision: 7`"}],
                        "waits": None,
                    }
                ],
            }
        ],
        "leader": True,
        "ready": True,
        "interval": None,
    }


def test_a_credential_that_slipped_into_a_reason_is_not_shown(web: Web) -> None:
    leaky = replace(RESOURCE, reason="cannot reach postgres://app:hunter2@db.example/x", drifted_since=None)
    web.status = replace(
        web.status,
        git=replace(GIT, error="https://ann:hunter2@git.example/p.git did not answer"),
        environments=(replace(ENVIRONMENT, resources=(leaky,)),),
    )

    assert b"hunter2" not in web.get("/api/v1/status")[2]


@pytest.mark.parametrize(("alive", "code"), [(True, 200), (False, 503)])
def test_healthz_says_whether_the_process_makes_progress(web: Web, *, alive: bool, code: int) -> None:
    web.status = replace(web.status, alive=alive)

    assert web.get("/healthz")[0] == code


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(
            Status(git=replace(GIT, head="")),
            "the repository has not been read: the first poll is under way",
            id="at the very start",
        ),
        pytest.param(
            Status(git=replace(GIT, head="", error="no route to host")),
            "the repository has not been read: no route to host",
            id="no repository",
        ),
        pytest.param(
            Status(git=replace(GIT, problems=(Problem("p.yaml", 1, "", "is empty", "fill it"),))),
            "no environment is in force: p.yaml:1: is empty; fill it",
            id="no good file",
        ),
        pytest.param(
            Status(git=GIT, environments=(ENVIRONMENT,)),
            "the first pass over production is under way",
            id="before the first pass",
        ),
        pytest.param(
            Status(git=GIT, environments=(replace(ENVIRONMENT, last_pass=NOON),)),
            "AWS has not answered yet for production",
            id="nothing can be read",
        ),
    ],
)
def test_readyz_says_what_is_missing(web: Web, status: Status, expected: str) -> None:
    web.status = status

    code, _, body = web.get("/readyz")

    assert (code, body.decode()) == (503, f"not ready: {expected}\n")


def test_readyz_is_good_once_ready(web: Web) -> None:
    assert web.get("/readyz")[0] == 200


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/api/v1/status"])
def test_head_is_get_without_a_body(web: Web, path: str) -> None:
    code, headers, body = web.get(path, "HEAD")

    assert (code, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", ["/", "/metricsx", "/api/v1", "/../etc/passwd", "/<script>"])
def test_any_other_path_is_not_found_in_plain_words(web: Web, path: str) -> None:
    code, headers, body = web.get(path)

    assert (code, headers["Content-Type"], body) == (404, "text/plain; charset=utf-8", b"Not Found\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_any_other_method_is_not_allowed(web: Web, method: str) -> None:
    code, headers, _ = web.get("/api/v1/status", method)

    assert (code, headers["Allow"]) == (405, "GET, HEAD")


def test_no_version_is_told(web: Web) -> None:
    for path in ("/healthz", "/nothing"):
        assert web.get(path)[1]["Server"] == "trueup"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414", id="an endless path"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", b"431", id="an endless header"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431", id="too many headers"),
        pytest.param(b"\x16\x03\x01\x00\x05hello\r\n\r\n", b"400", id="no HTTP at all"),
        pytest.param(b"GET /healthz HTTP/9.9\r\n\r\n", b"505", id="a version of its own"),
    ],
)
def test_a_bad_request_is_refused_in_plain_words(web: Web, request_: bytes, code: bytes) -> None:
    answer = web.send(request_)

    assert code in answer.partition(b"\r\n")[0]
    assert b"<" not in answer
    assert web.get("/healthz")[0] == 200


def test_a_page_that_fails_says_so_without_details(web: Web) -> None:
    def fail() -> Status:
        raise KeyError("hunter2")

    web.server.pages["/healthz"] = lambda _: pages._health(fail())

    code, _, body = web.get("/healthz")
    assert (code, body) == (500, b"KeyError\n")


def test_a_client_that_says_nothing_is_cut_off(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_DEADLINE", 0.3)
    begun = time.monotonic()

    with socket.create_connection(("127.0.0.1", web.server.port), timeout=5) as client:
        client.sendall(b"GET /healthz HTT")
        assert client.recv(100) == b""

    assert time.monotonic() - begun < 2


def test_a_client_that_sends_drop_by_drop_is_cut_off_too(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_DEADLINE", 0.4)
    begun = time.monotonic()

    with socket.create_connection(("127.0.0.1", web.server.port), timeout=0.05) as client:
        while time.monotonic() - begun < 5:
            client.send(b"x")
            with suppress(TimeoutError):
                assert client.recv(100) == b""
                break

    assert time.monotonic() - begun < 2


def test_too_many_at_once_are_turned_away_and_the_others_are_served(web: Web) -> None:
    held = [socket.create_connection(("127.0.0.1", web.server.port), timeout=5) for _ in range(pages._MOST)]
    time.sleep(0.1)

    assert web.get("/healthz")[0] == 503

    held[0].sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert b"200" in held[0].recv(100)
    for client in held:
        client.close()
    time.sleep(0.2)
    assert web.get("/healthz")[0] == 200


def test_many_who_ask_at_once_are_all_answered(web: Web) -> None:
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(web.get("/metrics")[0])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert codes == [200] * 20


def test_it_listens_on_ipv6() -> None:
    try:
        server = serve("[::1]:0", lambda: Status(git=GIT), Metrics(lambda: Status(git=GIT)), Chronicle())
    except OSError:
        pytest.skip("this machine has no IPv6")
    connection = http.client.HTTPConnection("::1", server.port, timeout=5)
    connection.request("GET", "/healthz")

    assert connection.getresponse().status == 200
    connection.close()
    server.close()


@pytest.mark.parametrize(
    "listen", ["8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "::1:8080", "http://127.0.0.1:80", "a b:80", ""]
)
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        serve(listen, lambda: Status(git=GIT), Metrics(lambda: Status(git=GIT)), Chronicle())


def test_a_port_that_is_taken_is_an_error(web: Web) -> None:
    with pytest.raises(OSError, match="in use"):
        serve(f"127.0.0.1:{web.server.port}", lambda: web.status, Metrics(lambda: web.status), Chronicle())


def test_a_closed_server_does_not_listen_any_more() -> None:
    server = serve("127.0.0.1:0", lambda: Status(git=GIT), Metrics(lambda: Status(git=GIT)), Chronicle())
    port = server.port
    server.close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_the_history_page_tells_what_it_is_given(web: Web) -> None:
    code, headers, body = web.get("/api/v1/history?environment=production")

    assert (code, headers["Content-Type"], json.loads(body)) == (200, "application/json", {"environments": []})
