"""A database is logged in to with its secret: a real PostgreSQL, and servers that keep silent at every stage."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest

from reconcilers import check_database, libpq
from reconcilers.check_database import database
from reconcilers.checks import Check
from tests.end_to_end import postgres
from tests.end_to_end.postgres import Server
from tests.end_to_end.world import free_port
from tests.reconcilers.fake_aws import refused

USER, PASSWORD = "replaydash", r"""p:a\s's"w%o r d é#1"""
SECRET = "production/db"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres.server() as made:
        made.run(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
        made.run(f"CREATE DATABASE shop OWNER {USER}")
        yield made


class Aws:
    """A Secrets Manager with one secret."""

    def __init__(self, told: Any) -> None:
        self._told = told

    def reading(self, service: str) -> Aws:
        assert service == "secretsmanager"
        return self

    def get_secret_value(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 — as boto3 calls it
        assert SecretId == SECRET
        if isinstance(self._told, Exception):
            raise self._told
        return {"SecretString": self._told} if isinstance(self._told, str) else {"SecretBinary": b""}


def asked(told: Any) -> Check:
    """What the check comes to with this secret."""
    text = json.dumps(told) if isinstance(told, dict) else told
    found = database(SECRET, Aws(text)).answer()
    assert len(found) == 1
    assert PASSWORD not in found[0].evidence
    assert "hunter2" not in found[0].evidence
    return found[0]


def secret(port: int, **more: Any) -> dict[str, Any]:
    return {
        "engine": "postgres",
        "host": "127.0.0.1",
        "port": port,
        "username": USER,
        "password": PASSWORD,
        "dbname": "shop",
    } | more


def url(port: int, scheme: str = "postgresql", more: str = "") -> str:
    return f"{scheme}://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/shop{more}"


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(secret, id="fields"),
        pytest.param(url, id="a URL"),
        pytest.param(lambda port: url(port, "postgres", "?schema=public&sslmode=prefer"), id="of Prisma"),
        pytest.param(lambda port: url(port, "postgresql+asyncpg"), id="of SQLAlchemy"),
        pytest.param(lambda port: secret(port, engine="aurora-postgresql", url=url(port)), id="both"),
    ],
)
def test_it_logs_in(server: Server, told: Any) -> None:
    found = asked(told(server.port))

    assert (found.name, found.ok) == (f"database of {SECRET}", True), found
    assert found.evidence.startswith(f"login to 127.0.0.1:{server.port} in 0.")


def test_no_variable_of_this_process_leads_elsewhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"HOSTADDR": "127.0.0.9", "OPTIONS": "-c nobody=1", "SSLMODE": "verify-full"}
    wrong |= {
        "TARGETSESSIONATTRS": "standby",
        "DATABASE": "x",
        "PASSWORD": "x",
        "PASSFILE": "/x",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(f"PG{name}", value)

    assert asked(secret(server.port)).ok is True, asked(secret(server.port))


@pytest.mark.parametrize(
    ("more", "evidence"),
    [
        pytest.param({"password": "hunter2"}, "password authentication failed for user", id="password"),
        pytest.param({"username": "nobody"}, "password authentication failed for user", id="user"),
        pytest.param({"dbname": "nothing"}, 'database "nothing" does not exist', id="database"),
        pytest.param({"sslmode": "require"}, "server does not support SSL", id="no TLS"),
    ],
)
def test_the_server_says_no(server: Server, more: dict[str, str], evidence: str) -> None:
    found = asked(secret(server.port, **more))

    assert (found.ok, evidence in found.evidence) == (False, True), found
    assert found.evidence.startswith(f"no login to 127.0.0.1:{server.port}: ")
    assert found.evidence.isprintable()


def test_nobody_listens() -> None:
    found = asked(secret(free_port()))

    assert (found.ok, "Connection refused" in found.evidence) == (False, True), found


@pytest.mark.parametrize(
    ("told", "evidence"),
    [
        pytest.param(secret(1, engine="mysql"), "is of mysql, and only PostgreSQL can be checked", id="an engine"),
        pytest.param("mysql://a:hunter2@db:3306/x", "is of mysql, and only PostgreSQL", id="a URL"),
        pytest.param(secret(1, host=""), "names no host", id="emptied"),
        pytest.param(secret(1, url=url(2)), "names two different ones of port", id="of two minds"),
        pytest.param("hunter2", "is not one URL", id="no URL"),
        pytest.param("{hunter2", "begins like a JSON object and is none", id="no JSON"),
        pytest.param(secret(1, password=None), "it names no password", id="no password"),
        pytest.param(None, "is binary", id="binary"),
        pytest.param(refused("ResourceNotFoundException", "GetSecretValue"), "there is no secret", id="no secret"),
    ],
)
def test_a_secret_that_a_person_must_mend(told: Any, evidence: str) -> None:
    found = asked(told)

    assert (found.ok, found.stuck, evidence in found.evidence) == (None, True, True), found


@pytest.mark.parametrize(
    ("told", "evidence"),
    [
        pytest.param(refused("AccessDeniedException", "GetSecretValue"), "not allowed to call", id="denied"),
        pytest.param(secret(1, sslmode="no-verify"), "invalid sslmode", id="a mode that libpq does not know"),
        pytest.param(secret(1, sslmode="verify-full"), "root certificate", id="no certificates here"),
    ],
)
def test_what_cannot_be_made_here(told: Any, evidence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with silent(b"S") as port:
        found = asked({**told, "port": port} if isinstance(told, dict) else told)

    assert (found.ok, found.stuck, evidence in found.evidence) == (None, False, True), found


# Servers that keep silent


@contextmanager
def silent(*answers: bytes) -> Iterator[int]:
    """A server that answers so many messages, and then nothing any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                kept.append(connection)
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        def talk(connection: socket.socket) -> None:
            try:
                for answer in answers:
                    connection.recv(8192)
                    connection.sendall(answer)
            except OSError:
                pass

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in kept:
                connection.close()


def message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!I", len(content) + 4) + content


LET_IN = message(b"R", struct.pack("!I", 0)) + message(b"Z", b"I")
REFUSES = message(b"E", b"SFATAL\0C57P03\0Mthe database system is shutting down\0\0")


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([], id="from the beginning"),
        pytest.param([b"N"], id="before the login"),
        pytest.param([b"N", LET_IN], id="after the login"),
        pytest.param([b"N", LET_IN, message(b"T", b"\0\0")], id="in the answer"),
    ],
)
def test_a_server_that_keeps_silent(answers: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_database, "_WITHIN", 1.0)
    began = time.monotonic()
    with silent(*answers) as port:
        found = asked(secret(port))

    assert (found.ok, found.evidence) == (False, f"127.0.0.1:{port} did not answer within 1 s")
    assert time.monotonic() - began < 1.5


def test_a_server_that_is_shutting_down() -> None:
    with silent(b"N", REFUSES) as port:
        assert asked(secret(port)).evidence.endswith("the database system is shutting down")


def test_a_server_that_lets_in_and_fails() -> None:
    broken = message(b"E", b"SERROR\0C53100\0Mno space left\0\0") + message(b"Z", b"I")
    with silent(b"N", LET_IN, broken) as port:
        found = asked(secret(port))

    assert (found.ok, "no space left" in found.evidence) == (False, True), found


def test_the_password_is_not_told_whatever_libpq_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise libpq.NoLogin(f"could not log in with {PASSWORD}")

    monkeypatch.setattr(libpq, "select_one", fail)
    assert asked(secret(1)).evidence == "no login to 127.0.0.1:1: could not log in with [redacted]"
