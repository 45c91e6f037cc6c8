"""A psql that is told what to do, in one connection."""

import os
import queue
import re
import secrets
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from daemon.verbs.pg_client import Failed, Lines, check_tools, end, environment, explained, fileno, started
from reconcilers.credentials import Credentials

_PSQL: Final = ("psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password", "--file=-")
# An index takes long, and what stands between here and the server may forget a connection that is silent for minutes.
_ALIVE: Final = "--dbname=keepalives_idle=60 keepalives_interval=10"
# AUTOCOMMIT: what follows a ROLLBACK stays uncommitted, too. VERBOSITY: an error does not show the row that it met.
_VARIABLES: Final = ("ON_ERROR_STOP=1", "AUTOCOMMIT=off", "VERBOSITY=terse")


class Unsure(Exception):
    """The connection ended while COMMIT was under way: whether it was made is not known."""


class Session:
    """One psql, one connection, and what is told to it. It ends with this: whatever is uncommitted by then, never was.

    From its first line on psql takes no command of its own (`\\restrict`): a dump can neither connect elsewhere nor
    run a program. Failed, in every method: psql has ended.
    """

    def __init__(self, login: Credentials) -> None:
        self._login = login
        self.nonce = secrets.token_hex(16)  # nothing in a dump can know it
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._own_lines = 0
        self._finishing = False

    def __enter__(self) -> Self:
        check_tools()
        self._folder = tempfile.TemporaryDirectory(prefix="trueup-")  # made with mode 0700
        try:
            command = (*_PSQL, _ALIVE, *(f"--variable={each}" for each in _VARIABLES))
            login = _login_environment(self._login, _pass_file(self._login, Path(self._folder.name)))
            self._process = started(command, login, stdin=subprocess.PIPE)
        except BaseException:
            self._folder.cleanup()
            raise
        self._errors = Lines(self._process.stderr)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._process)
        self._folder.cleanup()
        self._reader.join()
        self._errors.join()

    def begin(self, statements: str) -> None:
        """Send these, before any others. psql connects meanwhile; `ask` is what waits for it."""
        self._tell(f"\\restrict {self.nonce}\n{statements}")

    def ask(self, expression: str) -> str:
        """The value of one SQL expression as text, which must have no line breaks; empty for NULL."""
        self._tell(self._question(expression))
        answer = self._answers.get()
        self._folder.cleanup()  # libpq has read the pass file: it is there for no longer than it takes to connect
        if answer is None:
            raise self._failure()
        return answer

    def feed(self, chunks: Iterable[bytes]) -> None:
        """Send SQL that comes from elsewhere. An error in it is told by a later call, or by this one."""
        for chunk in chunks:
            self._write(chunk)

    def finish(self, statements: str, expression: str) -> str:
        """Send the last statements, COMMIT among them, and end. Returns the value of an expression once they are made.

        Failed: they were not reached, or not made. Unsure: it is not known whether they were.
        """
        self._finishing = True
        self._write(f"{statements}{self._question(expression)}".encode())
        self._close()
        answer = self._answers.get()
        if answer:
            return answer
        if self._process.wait() in (0, 3):  # 3: a statement failed. Anything else is a connection that was lost.
            raise self._failure()
        raise Unsure(f"{self._failure()}")

    def settled(self) -> bool | None:
        """End psql at once. Whether what `finish` sent was made all the same; None: that is not known."""
        if not self._finishing:
            return False
        end(self._process)
        if self._answers.get():
            return True
        return False if self._process.returncode == 3 else None

    def _question(self, expression: str) -> str:
        return f"SELECT '{self.nonce}' || coalesce(({expression})::text, '');\n"

    def _tell(self, text: str) -> None:
        self._own_lines += text.count("\n")
        self._write(text.encode())

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(fileno(self._process.stdin), rest) :]
        except BrokenPipeError:
            raise self._failure() from None

    def _close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()

    def _failure(self) -> Failed:
        self._close()
        if not self._process.wait():  # no error, and yet not all of what it was told
            return Failed("the dump ends in the middle of a statement or of a table: make it again, or copy it again")
        lines = [self._placed(line) for line in self._errors.join()]
        return Failed(explained(lines) or f"psql ended with {self._process.returncode}")

    def _placed(self, line: str) -> str:
        """psql counts our own lines, too: what is shown is the line of the dump."""
        return re.sub(r"^psql:<stdin>:(\d+): ", lambda at: f"line {max(1, int(at[1]) - self._own_lines)}: ", line)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            text = line.decode(errors="replace").rstrip("\n")
            if text.startswith(self.nonce):
                self._answers.put(text.removeprefix(self.nonce))
        self._answers.put(None)


def _login_environment(login: Credentials, pass_file: Path) -> dict[str, bytes]:
    given = {
        "PGHOST": login.host,
        "PGPORT": str(login.port or ""),
        "PGUSER": login.user,
        "PGDATABASE": login.database,
        "PGSSLMODE": login.sslmode,
        "PGPASSFILE": str(pass_file),
        "PGCONNECT_TIMEOUT": "10",
        "PGAPPNAME": "trueup load-dump",
        "PGCLIENTENCODING": "UTF8",
    }
    return environment() | {name: value.encode() for name, value in given.items() if value}


def _pass_file(login: Credentials, folder: Path) -> Path:
    if re.search(r"[\r\n]", login.password):
        raise Failed("the password has a line break in it, with which psql cannot log in: change the password")
    file = folder / "pass"
    escaped = re.sub(r"([:\\])", r"\\\1", login.password)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(f"*:*:*:*:{escaped}\n".encode())
    return file
