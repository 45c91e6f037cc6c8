"""Whether a database takes a login with the credentials of its secret: a real connection, and one statement."""

import json
import re
import select
import time
from collections.abc import Iterable
from typing import Any, Final

from botocore.exceptions import ClientError
from psycopg import OperationalError
from psycopg.conninfo import make_conninfo
from psycopg.pq import ConnStatus, ExecStatus, PGconn, PollingStatus
from psycopg.pq.abc import PGconn as Connected

from reconcilers.aws import Connection, code
from reconcilers.checks import Check, Probe, unmade
from reconcilers.contract import Absent, Stalled
from reconcilers.credentials import Credentials, credentials
from reconcilers.plain import one_line

_WITHIN: Final = 10.0  # seconds for the whole of it
_SHOWN: Final = 160
_PORT: Final = 5432
_OURS: Final = re.compile("root certificate|invalid sslmode|could not translate host name.*Temporary failure")
"""What libpq says of this machine, and not of the server."""


def database(secret: str, aws: Connection) -> Probe:
    """GetSecretValue, then `select 1` in PostgreSQL. Absent: no such secret. Stalled: another kind of database."""
    name = f"database of {secret}"

    def ask() -> Iterable[Check]:
        text = _text(secret, aws)
        if engine := _other_engine(text):
            raise Stalled(f"secret {secret} is of {engine}, and only PostgreSQL can be checked: take database out")
        login = credentials(text)
        if login.disputed or not login.host:
            what = f"two different ones of {', '.join(sorted(login.disputed))}" if login.disputed else "no host"
            raise Stalled(f"secret {secret} names {what}: correct it")
        return (_logged_in(name, login),)

    return Probe(name, ask, _WITHIN + 10.0)


def _text(secret: str, aws: Connection) -> str:
    try:
        told = aws.reading("secretsmanager").get_secret_value(SecretId=secret)
    except ClientError as error:
        if code(error) == "ResourceNotFoundException":
            raise Absent(f"there is no secret {secret}, or it has no value: create it") from error
        raise
    if "SecretString" not in told:
        raise Stalled(f"secret {secret} is binary: store it as a JSON object or as one URL")
    return told["SecretString"]


def _other_engine(text: str) -> str:
    """What the secret says that it is of, where that is not PostgreSQL; a word of it alone, never more of the text."""
    url, engine = text, ""
    if text.lstrip().startswith("{"):
        try:
            members: Any = json.loads(text)
        except ValueError:
            return ""  # what is wrong with it is told by whoever reads it next
        url, engine = f"{members.get('url', '')}", f"{members.get('engine', '')}"
    scheme = re.match(r"\s*([A-Za-z][A-Za-z0-9+.-]{0,30})://", url)
    for word in (engine[:30], scheme[1] if scheme else ""):
        if word and "postgres" not in word.lower():
            return one_line(word)
    return ""


def _logged_in(name: str, login: Credentials) -> Check:
    began = time.monotonic()
    where = f"{login.host}:{login.port or _PORT}"
    try:
        _select_one(login, began + _WITHIN)
    except TimeoutError:
        return Check(name, ok=False, evidence=f"{where} did not answer within {_WITHIN:.0f} s")
    except OperationalError as error:
        said = one_line(f"{error}".replace(login.password, "[redacted]") if login.password else f"{error}", _SHOWN)
        if _OURS.search(said):
            return unmade(name, said)
        return Check(name, ok=False, evidence=f"no login to {where}: {said}")
    return Check(name, ok=True, evidence=f"login to {where} in {time.monotonic() - began:.2f} s")


def _select_one(login: Credentials, deadline: float) -> None:
    """TimeoutError: not all of it was done in time. OperationalError: the server, or libpq, says no.

    libpq is driven here step by step, because nothing else bounds the time that a server may keep silent.
    """
    connection = PGconn.connect_start(_conninfo(login).encode())
    try:
        _connect(connection, deadline)
        connection.nonblocking = 1
        connection.send_query(b"select 1")
        while connection.flush():
            _wait(connection, PollingStatus.WRITING, deadline)
        connection.consume_input()
        while connection.is_busy():
            _wait(connection, PollingStatus.READING, deadline)
            connection.consume_input()
        result = connection.get_result()
        if result is None or result.status != ExecStatus.TUPLES_OK:
            raise OperationalError(_said(result or connection))
    finally:
        connection.finish()


def _connect(connection: Connected, deadline: float) -> None:
    status = PollingStatus.WRITING  # as libpq wants it taken before its first step
    while connection.status != ConnStatus.BAD:
        _wait(connection, status, deadline)
        status = PollingStatus(connection.connect_poll())
        if status == PollingStatus.OK:
            return
        if status == PollingStatus.FAILED:
            break
    raise OperationalError(_said(connection))


def _wait(connection: Connected, status: PollingStatus, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    poll = select.poll()
    poll.register(connection.socket, select.POLLIN if status == PollingStatus.READING else select.POLLOUT)
    if not poll.poll(left * 1000):
        raise TimeoutError


def _said(by: Any) -> str:
    """The last line of what libpq says: the ones before it tell of other addresses of the same host."""
    lines = by.error_message.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "the server ended the connection"


def _conninfo(login: Credentials) -> str:
    """Everything that a PG… variable of this process could change is said here."""
    return make_conninfo(
        "",
        host=login.host,
        hostaddr="",
        port=login.port or _PORT,
        user=login.user,
        password=login.password,
        dbname=login.database or login.user,
        sslmode=login.sslmode or "prefer",
        application_name="trueup verify",
        options="",
        gssencmode="disable",
        client_encoding="UTF8",
        target_session_attrs="any",
    )
