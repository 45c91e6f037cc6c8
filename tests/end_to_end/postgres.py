"""A real PostgreSQL server on loopback, as an unprivileged user, gone with the test that started it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.end_to_end.world import eventually, free_port
from tests.tools import tool

ADMIN, ADMIN_PASSWORD = "admin", "only-for-this-test"
# Nothing here has to outlive the power.
_SETTINGS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off", "shared_buffers=16MB")


@dataclass(frozen=True)
class Server:
    """A running server, and what its administrator can do in it."""

    port: int
    pid: int

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it take connections and say nothing on them."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    @property
    def environ(self) -> dict[str, str]:
        login = {"PGUSER": ADMIN, "PGPASSWORD": ADMIN_PASSWORD, "PGHOST": "127.0.0.1", "PGPORT": str(self.port)}
        return {"PATH": os.environ["PATH"], "LC_ALL": "C", "PGCLIENTENCODING": "UTF8", **login}

    def run(self, sql: str, database: str = "postgres") -> str:
        """What psql prints for these statements."""
        command = [program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"]
        done = subprocess.run(command, input=sql, env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def dump(self, database: str, *options: str) -> bytes:
        """What pg_dump makes of a database."""
        command = [program("pg_dump"), *options, database]
        return subprocess.run(command, env=self.environ, capture_output=True, check=True).stdout

    @contextmanager
    def holding(self, lock: int, database: str) -> Iterator[None]:
        """Let everything in this database wait that wants this advisory lock."""
        command = [program("psql"), "-X", "-q", "-A", "-t", "-d", database]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, env=self.environ, text=True, bufsize=1, **pipes) as holder:
            holder.stdin.write(f"SELECT pg_advisory_lock({lock})::text || 'held';\n")
            assert "held" in holder.stdout.readline()
            try:
                yield
            finally:
                holder.stdin.close()


def program(name: str) -> str:
    """A program of PostgreSQL, of the newest version that is installed."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    return tool(name, map(str, reversed(versions)))


@contextmanager
def server() -> Iterator[Server]:
    """A new cluster. Skips the test where PostgreSQL is not installed."""
    programs = [program(name) for name in ("initdb", "postgres", "psql", "pg_dump", "pg_restore")]
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        as_user = _unprivileged(folder)
        data, password = f"{folder}/data", Path(folder, "password")
        password.write_text(ADMIN_PASSWORD)
        password.chmod(0o644)
        initdb = [programs[0], "-D", data, "-U", ADMIN, f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync"]
        subprocess.run([*initdb, "-E", "UTF8", "--locale=C"], cwd=folder, check=True, capture_output=True, **as_user)
        port = free_port()
        words = [programs[1], "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", ""]
        words += [word for setting in _SETTINGS for word in ("-c", setting)]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, **as_user)
        made = Server(port, process.pid)
        try:
            eventually(lambda: _listens(made, process), every=0.05)
            yield made
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(20)
            shutil.rmtree(data, ignore_errors=True)


def _listens(made: Server, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the server has ended"
    command = [program("psql"), "-X", "-c", "SELECT 1", "postgres"]
    return subprocess.run(command, env=made.environ, capture_output=True, check=False).returncode == 0


def _unprivileged(folder: str) -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {each.pw_name: each for each in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
