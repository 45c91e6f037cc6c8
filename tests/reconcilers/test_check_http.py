"""A URL is asked within limits: of time, of size, and of where it may lead. What comes of it is said with evidence."""

from __future__ import annotations

import errno
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from desired_state.verify import HttpCheck
from reconcilers import fetch
from reconcilers.check_http import urls
from reconcilers.checks import Check, Probe

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers every connection with these pieces, as slowly as they come, and notes what it was asked."""

    def __init__(self, pieces: Callable[[], Iterable[bytes]], tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[bytes] = []
        self._pieces, self._tls = pieces, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._stopped = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as talk:
                self.asked.append(talk.recv(65536))
                for piece in self._pieces():
                    talk.sendall(piece)
        except OSError:
            pass

    def url(self, path: str = "/health", scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def close(self) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def serving(pieces: bytes | Callable[[], Iterable[bytes]], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server((lambda: [pieces]) if isinstance(pieces, bytes) else pieces, tls)
    try:
        yield server
    finally:
        server.close()


def asked(address: str, **section: Any) -> Check:
    """What a check of the file comes to."""
    (probe,) = probes({"url": address, **section})
    found = probe.answer()
    assert len(found) == 1
    return found[0]


def probes(*sections: dict[str, Any]) -> list[Probe]:
    return list(urls([HttpCheck.model_validate_json(json.dumps(section)) for section in sections]))


def answer(status: str = "200 OK", body: bytes = b"ok", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def drip(data: bytes, every: float = 0.05) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        for byte in data:
            yield bytes([byte])
            time.sleep(every)

    return pieces


def endless() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while True:
        yield b"x" * 65536


def silent() -> Iterator[bytes]:
    time.sleep(30)
    yield b""


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nal\r\n5\r\nl ok!\r\n0\r\n\r\n"
TOKEN = b"password=hunter2 " + b"y" * 100


@pytest.mark.parametrize(
    ("pieces", "section", "ok", "evidence"),
    [
        pytest.param(OK, {}, True, "answered 200 in 0.0", id="it answers"),
        pytest.param(OK, {"contains": "ok"}, True, "answered 200 in 0.0", id="with the text"),
        pytest.param(answer("503 No", b"maintenance"), {"status": 503}, True, "answered 503", id="another status"),
        pytest.param(answer("301 Moved", b"", "Location: /x"), {"status": 301}, True, "answered 301", id="a redirect"),
        pytest.param(answer("404 No", b""), {"status": 404}, True, "answered 404", id="an empty page"),
        pytest.param(CHUNKED, {"contains": "all ok"}, True, "answered 200", id="in chunks"),
        pytest.param(answer("500 No", b"boom\n\x1b[31m"), {}, False, "in 0.0", id="an error"),
        pytest.param(answer("500 No", b"boom\x1b"), {}, False, r": boom\x1b", id="an error with its text"),
        pytest.param(OK, {"contains": "well"}, False, "without 'well': ok", id="without the text"),
        pytest.param(answer("500 No", TOKEN), {}, False, "password=[redacted] yyyy", id="a secret in the text"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", {"contains": "ok"}, False, "without 'ok'", id="nothing"),
        pytest.param(b"220 smtp\r\n", {}, False, "no answer in HTTP: 220 smtp", id="another protocol"),
        pytest.param(b"", {}, False, "no answer: Remote end closed", id="it hangs up"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200, {}, False, "no answer in HTTP", id="many headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\na: " + b"b" * 99999, {}, False, "no answer in HTTP", id="a long header"),
    ],
)
def test_what_comes_of_it(pieces: bytes, section: dict[str, Any], ok: bool, evidence: str) -> None:
    with serving(pieces) as server:
        found = asked(server.url(), **section)

    assert (found.name, found.ok) == (f"http {server.url()}", ok)
    assert evidence in found.evidence
    assert "hunter2" not in found.evidence
    assert found.evidence.isprintable()
    assert len(found.evidence) < 250


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(silent, id="it says nothing"),
        pytest.param(drip(OK, 0.2), id="headers in drips"),
        pytest.param(drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 99, 0.02), id="going on without end"),
        pytest.param(lambda: [b"HTTP/1.1 200 OK\r\n\r\n", *drip(b"x" * 9, 1)()], id="a body that stops"),
        pytest.param(drip(answer(body=b"x" * 1000), 0.02), id="a body in drips"),
    ],
)
def test_the_whole_answer_must_come_in_time(pieces: Callable[[], Iterable[bytes]]) -> None:
    began = time.monotonic()
    with serving(pieces) as server:
        found = asked(server.url(), within="1s")

    assert (found.ok, found.evidence) == (False, "no whole answer within 1s")
    assert time.monotonic() - began < 1.5


def test_no_more_than_64_kib_are_read() -> None:
    with serving(endless) as server:
        assert asked(server.url()).ok is True
        assert asked(server.url(), contains="ok").evidence.endswith("x…")
    with serving(answer(body=b"x" * 65534 + b"ok")) as server:
        assert asked(server.url(), contains="ok").ok is True
    with serving(answer(body=b"x" * 65535 + b"ok")) as server:
        assert asked(server.url(), contains="ok").ok is False


def test_what_is_sent_says_who_asks_and_nothing_else() -> None:
    with serving(OK) as server:
        asked(server.url("/health?deep=1"))

    lines = server.asked[0].decode().split("\r\n")
    assert lines[0] == "GET /health?deep=1 HTTP/1.1"
    assert lines[1] == f"Host: 127.0.0.1:{server.port}"
    assert {line.partition(":")[0] for line in lines[1:] if line} == {
        *("Host", "User-Agent", "Accept", "Accept-Encoding", "Connection")
    }


def test_what_may_be_a_token_is_not_shown() -> None:
    with serving(OK) as server:
        assert asked(server.url("/health?token=abc")).name == f"http {server.url('/health')}?…"


def test_urls_that_differ_only_in_what_is_not_shown_are_numbered() -> None:
    with serving(OK) as good, serving(answer("500 No")) as bad:
        sections = [{"url": server.url(path)} for server in (good, bad) for path in ("/a?b", "/a?c", "/a")]
        made = probes(*sections)
        found = [check for probe in made for check in probe.answer()]

    names = [f"http {each.url('/a')}{end}" for each in (good, bad) for end in ("?…", "?… (2)", "")]
    assert [each.name for each in made] == [each.name for each in found] == names
    assert [each.ok for each in found] == [True] * 3 + [False] * 3


def test_nobody_listens() -> None:
    with serving(OK) as server:
        address = server.url()

    assert (asked(address).ok, asked(address).evidence) == (False, "no answer: Connection refused")


# Redirects


@contextmanager
def redirecting(*locations: str, then: bytes = OK) -> Iterator[Server]:
    """A server whose first answers are these redirects; {port} is its own."""
    answers = iter(locations)

    def pieces() -> Iterator[bytes]:
        location = next(answers, None)
        if location is None:
            yield then
        else:
            yield answer("302 Found", b"", f"Location: {location.format(port=server.port)}")

    with serving(pieces) as server:
        yield server


def test_a_redirect_on_the_same_host_is_followed() -> None:
    with redirecting("/a?b=1", "http://127.0.0.1:{port}/c#d", "e") as server:
        assert asked(server.url("/"), contains="ok").ok is True

    assert [request.split()[1] for request in server.asked] == [b"/", b"/a?b=1", b"/c", b"/e"]


@pytest.mark.parametrize(
    ("location", "evidence"),
    [
        pytest.param("http://169.254.169.254/latest/meta-data/", "another host, 169.254.169.254", id="metadata"),
        pytest.param("//169.254.169.254/", "another host, 169.254.169.254", id="metadata without a scheme"),
        pytest.param("http://localhost:{port}/", "another host, localhost", id="another name of the same machine"),
        pytest.param("http://[fe80::1]/", "another host, fe80::1", id="link-local"),
        pytest.param("https://example.com/x", "another host, example.com", id="another host"),
        pytest.param("http://a@127.0.0.1@example.com/", "another host, example.com", id="a host in disguise"),
        pytest.param("file:///etc/passwd", "another host, none", id="a file"),
        pytest.param("ftp://127.0.0.1/", "from http to ftp", id="another scheme"),
        pytest.param("/a b\x0bc", "no URL", id="no URL"),
        pytest.param("http://127.0.0.1:99999/", "no URL", id="no port"),
        pytest.param("http://[127.0.0.1/", "no URL", id="no address"),
        pytest.param("/" + "x" * 3000, "no URL", id="endless"),
    ],
)
def test_a_redirect_anywhere_else_is_not(location: str, evidence: str) -> None:
    with redirecting(location) as server:
        found = asked(server.url())

    assert (found.ok, evidence in found.evidence) == (False, True), found
    assert len(server.asked) == 1


def test_redirects_come_to_an_end() -> None:
    with redirecting("/1", "/2", "/3", "/4") as server:
        assert asked(server.url()).evidence == "redirects more than 3 times"

    assert len(server.asked) == 4


def test_redirects_take_from_the_same_time() -> None:
    def slowly() -> Iterator[bytes]:
        time.sleep(0.4)
        yield answer("302 Found", b"", "Location: /again")

    began = time.monotonic()
    with serving(slowly) as server:
        assert asked(server.url(), within="1s").evidence == "no whole answer within 1s"
    assert time.monotonic() - began < 1.5


# Names and addresses


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str, port: int = 0) -> list[Any]:
    """Every name has these addresses."""
    asked_for: list[Any] = []

    def getaddrinfo(host: str, asked_port: int, **_: Any) -> list[Any]:
        asked_for.append((host, asked_port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port or asked_port)) for each in addresses]

    monkeypatch.setattr(fetch.socket, "getaddrinfo", getaddrinfo)
    return asked_for


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(["169.254.169.254"], id="metadata"),
        pytest.param(["127.0.0.1", "169.254.170.2"], id="one of two"),
        pytest.param(["fe80::1%eth0"], id="link-local with a scope"),
        pytest.param(["::ffff:169.254.169.254"], id="mapped"),
        pytest.param(["fd00:ec2::254"], id="metadata over IPv6"),
    ],
)
def test_a_name_that_leads_to_the_metadata_service_is_never_asked(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolving(monkeypatch, *addresses)
    monkeypatch.setattr(fetch, "_reached", lambda *_: pytest.fail("it was asked"))

    found = asked("http://innocent.example/")
    assert (found.ok, found.stuck) == (None, True)
    assert found.evidence == f"its name leads to {addresses[-1]}, which is never asked"


def test_a_redirect_is_looked_at_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    with redirecting("/next") as server:
        addresses = [["127.0.0.1"], ["169.254.169.254"]]

        def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, server.port)) for each in addresses.pop(0)]

        monkeypatch.setattr(fetch.socket, "getaddrinfo", getaddrinfo)
        assert "never asked" in asked("http://rebinding.example/").evidence
    assert len(server.asked) == 1


def test_it_connects_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK) as server:
        names = resolving(monkeypatch, "127.0.0.1", port=server.port)
        assert asked("http://api.example/").ok is True

    assert names == [("api.example", 80)]
    assert b"\r\nHost: api.example\r\n" in server.asked[0]


def test_another_address_of_the_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK) as server:
        resolving(monkeypatch, "127.0.0.2", "127.0.0.1", port=server.port)
        assert asked("http://api.example/").ok is True


@pytest.mark.parametrize(
    ("error", "ok", "evidence"),
    [
        pytest.param(socket.gaierror(socket.EAI_NONAME, "x"), False, "its name is not known", id="no such name"),
        pytest.param(socket.gaierror(socket.EAI_AGAIN, "x"), None, "no name server answers this machine", id="no DNS"),
        pytest.param(OSError(errno.ENETUNREACH, "no network"), None, "this machine cannot ask: no network", id="ours"),
        pytest.param(PermissionError("not allowed"), None, "this machine cannot ask", id="forbidden here"),
        pytest.param(OSError(errno.EHOSTUNREACH, "no route"), False, "no answer: no route", id="theirs"),
        pytest.param(ConnectionResetError(), False, "no answer: the connection was lost", id="without a word"),
        pytest.param(http.client.HTTPException(), False, "it ended the connection", id="no HTTP"),
    ],
)
def test_whose_fault_it_is(monkeypatch: pytest.MonkeyPatch, error: Exception, ok: bool | None, evidence: str) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(fetch.socket, "getaddrinfo", fail)
    found = asked("http://api.example/")
    assert (found.ok, evidence in found.evidence) == (ok, True), found


UNREACHABLE = OSError(errno.ENETUNREACH, "Network is unreachable")
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
NO_SUCH_FAMILY = OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")


@pytest.mark.parametrize(
    ("errors", "ok", "evidence"),
    [
        pytest.param([REFUSED, UNREACHABLE], False, "no answer: Connection refused", id="down, and no IPv6 here"),
        pytest.param([UNREACHABLE, REFUSED], False, "no answer: Connection refused", id="no IPv6 here, and down"),
        pytest.param([REFUSED, TimeoutError(), UNREACHABLE], False, "no answer: Connection", id="the first of theirs"),
        pytest.param([UNREACHABLE, UNREACHABLE], None, "this machine cannot ask: Network", id="no network here"),
        pytest.param([PermissionError(errno.EPERM, "no"), REFUSED], False, "no answer: Conn", id="forbidden, and down"),
        pytest.param([NO_SUCH_FAMILY], None, "this machine cannot ask: Address family", id="no such family here"),
    ],
)
def test_a_name_with_several_addresses_fails_as_the_first_that_could_be_asked(
    monkeypatch: pytest.MonkeyPatch, errors: list[OSError], ok: bool | None, evidence: str
) -> None:
    resolving(monkeypatch, *["127.0.0.1"] * len(errors))
    left = list(errors)

    def connect(*_: Any) -> None:
        raise left.pop(0)

    monkeypatch.setattr(fetch.socket.socket, "connect", connect)
    found = asked("http://api.example/")
    assert (found.ok, evidence in found.evidence) == (ok, True), found


def test_a_machine_without_sockets_of_one_family_asks_over_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK) as server:

        def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
            there = ("127.0.0.1", server.port)
            return [(family, socket.SOCK_STREAM, 6, "", there) for family in (99, socket.AF_INET)]

        monkeypatch.setattr(fetch.socket, "getaddrinfo", getaddrinfo)
        assert asked("http://api.example/").ok is True


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


class Authority:
    """Somebody who signs certificates, and the file that makes them known."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        made = self._built(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def serves(self, host: str, days: int = 1) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        made = self._built(name, key.public_key(), days).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False
        )
        file = self._folder / f"{host}{days}.pem"
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _built(self, name: x509.Name, key: Any, days: int = 1) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(days=9)).not_valid_after(now + timedelta(days=days))


@pytest.fixture
def trusting(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    fetch._trusted.cache_clear()
    yield
    fetch._trusted.cache_clear()


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    ("host", "days", "ok", "evidence"),
    [
        pytest.param("api.example", 1, True, "answered 200", id="good"),
        pytest.param("other.example", 1, False, "its certificate is not good: Hostname mismatch", id="of another"),
        pytest.param("api.example", -1, False, "its certificate is not good: certificate has expired", id="expired"),
    ],
)
def test_a_certificate(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, host: str, days: int, ok: bool, evidence: str
) -> None:
    with serving(OK, authority.serves(host, days)) as server:
        resolving(monkeypatch, "127.0.0.1", port=server.port)
        found = asked("https://api.example/")

    assert (found.ok, evidence in found.evidence) == (ok, True), found


def test_an_issuer_that_is_not_known_here_is_no_fault_of_production(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch._trusted.cache_clear()
    with serving(OK, authority.serves("api.example")) as server:
        resolving(monkeypatch, "127.0.0.1", port=server.port)
        found = asked("https://api.example/")

    assert (found.ok, found.stuck, "SSL_CERT_FILE" in found.evidence) == (None, True, True), found


@pytest.mark.parametrize("pieces", [pytest.param(silent, id="silent"), pytest.param(drip(OK, 0.2), id="in drips")])
def test_what_does_not_speak_tls(pieces: Callable[[], Iterable[bytes]]) -> None:
    began = time.monotonic()
    with serving(pieces) as server:
        found = asked(server.url(scheme="https"), within="1s")

    assert found.ok is False
    assert time.monotonic() - began < 1.5


# Proxies


@contextmanager
def proxy(to: int) -> Iterator[Server]:
    """Leads every CONNECT to a port of this machine, and notes it."""

    class Proxy(Server):
        def _answer(self, connection: socket.socket) -> None:
            self.asked.append(connection.recv(65536))
            if to == 0:
                connection.sendall(b"HTTP/1.1 403 No\r\n\r\n")
                connection.close()
                return
            behind = socket.create_connection(("127.0.0.1", to))
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            for one, other in ((connection, behind), (behind, connection)):
                threading.Thread(target=_copy, args=(one, other), daemon=True).start()

    server = Proxy(list)
    try:
        yield server
    finally:
        server.close()


def _copy(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.mark.usefixtures("trusting")
def test_https_goes_through_the_proxy_that_git_and_aws_go_through(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(OK, authority.serves("api.example")) as server, proxy(server.port) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ann:p%40ss@127.0.0.1:{between.port}")
        assert asked("https://api.example/").ok is True
        monkeypatch.setenv("NO_PROXY", "api.example")
        resolving(monkeypatch, "127.0.0.1", port=server.port)
        assert asked("https://api.example/").ok is True

    assert len(between.asked) == 1
    assert between.asked[0].startswith(b"CONNECT api.example:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic YW5uOnBAc3M=\r\n" in between.asked[0]


def test_http_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK) as server, proxy(server.port) as between:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{between.port}")
        assert asked(server.url()).ok is True

    assert between.asked == []


def test_a_proxy_that_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(0) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{between.port}")
        assert asked("https://api.example/").evidence == "no answer in HTTP: the proxy answered 403"


def test_a_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")

    assert asked("https://api.example/").stuck is True


def test_the_metadata_service_is_not_asked_through_a_proxy_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")

    with pytest.raises(fetch.Refused):
        fetch._connected(urlsplit("https://169.254.169.254/"), time.monotonic() + 1)
