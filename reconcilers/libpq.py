"""A login to PostgreSQL, one statement, and nothing that could take longer than it may."""

import re
import select
import time
from typing import Any, Final

from psycopg import OperationalError
from psycopg.conninfo import make_conninfo
from psycopg.pq import ConnStatus, ExecStatus, PGconn, PollingStatus
from psycopg.pq.abc import PGconn as Connected

from reconcilers.credentials import Credentials

_PORT: Final = 5432
_WHERE: Final = re.compile(r'connection to server at "[^"]*"(?: \([^)]*\))?, port \d+ failed: ')


class NoLogin(Exception):
    """The server, or libpq, says no. The message is all that it says, in one line."""


def select_one(login: Credentials, deadline: float) -> None:
    """Log in and `select 1`. `deadline`: of the monotonic clock. TimeoutError: it had passed. NoLogin: as it says.

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
            raise NoLogin(_said(result or connection))
    except OperationalError as error:
        raise NoLogin(_one_line(f"{error}")) from error
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
    raise NoLogin(_said(connection))


def _wait(connection: Connected, status: PollingStatus, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    poll = select.poll()
    poll.register(connection.socket, select.POLLIN if status == PollingStatus.READING else select.POLLOUT)
    if not poll.poll(left * 1000):
        raise TimeoutError


def _said(by: Any) -> str:
    return _one_line(by.error_message.decode(errors="replace")) or "the server ended the connection"


def _one_line(text: str) -> str:
    return _WHERE.sub("", " ".join(text.split())).removeprefix("ERROR: ")


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
