"""One terraform command at a time: an environment made from scratch, a deadline, a gentle way to stop."""

import fcntl
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from reconcilers.terraform_errors import Interrupted, ProgramMissing, TimedOut

GRACE: Final = 30.0
"""Seconds that a command is given to stop by itself before it is killed."""
APPLY_GRACE: Final = 300.0
"""The same for one that changes things: killed, it forgets what it was making."""
_KEPT: Final = ("PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_KEPT_BEGINNINGS: Final = ("AWS_", "TF_VAR_", "TF_TOKEN_", "TF_HTTP_", "SSL_CERT_")
_FIXED: Final = {
    "LC_ALL": "C.UTF-8",
    "TF_IN_AUTOMATION": "1",
    "TF_INPUT": "0",
    "CHECKPOINT_DISABLE": "1",
    "GIT_ASKPASS": "true",  # modules may come by git: never a prompt
    "GIT_TERMINAL_PROMPT": "0",
}
# Whoever gives a key gives all of its kind: half of the daemon's own credentials would belong to somebody else.
_OTHER_CREDENTIALS: Final = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


@dataclass(frozen=True, repr=False)
class Ended:
    """What a command came to. What it printed may hold secrets."""

    code: int
    out: bytes
    err: bytes


class Runs:
    """The commands that run now, in any thread. `timeout`: seconds for one of them."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._guard = threading.Lock()
        self._running: dict[subprocess.Popen[bytes], Path] = {}  # and where each runs
        self._changing: set[subprocess.Popen[bytes]] = set()
        self._stopping = False
        self.count = 0  # of the commands that have not ended

    def stop(self) -> None:
        """Ask all that runs to stop, and start nothing more. Returns at once; nothing is killed."""
        with self._guard:
            self._stopping = True
            for process in list(self._running):
                self._interrupt(process)

    def interrupt(self, home: Path) -> None:
        """Ask what only looks, in this folder or below, to stop: its answer is not wanted any more."""
        with self._guard:
            for process, folder in list(self._running.items()):
                if folder.is_relative_to(home) and process not in self._changing:
                    self._interrupt(process)

    @contextmanager
    def filling(self, plugins: Path) -> Iterator[int]:
        """The plugin cache is ours meanwhile: terraform's own is not safe for two at once.

        Returns the lock, for terraform to inherit. TimedOut: it never was.
        """
        plugins.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(f"{plugins}.busy", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + self._timeout
        try:
            while not _taken(lock):
                self._check_stopping()
                if time.monotonic() > end:
                    raise TimedOut(f"another terraform has been filling {plugins} for {self._timeout:g} seconds")
                time.sleep(0.1)
            yield lock
        finally:
            os.close(lock)

    def run(
        self, command: list[str], folder: Path, environ: Mapping[str, str], *, locks: tuple[int, ...], changes: bool
    ) -> Ended:
        """Run a command to its end. It inherits `locks`: they are held as long as it runs, whatever becomes of us.

        `changes`: it changes things, and so gets longer to stop.

        TimedOut: it did not end in time. Interrupted: `stop` was called, and it did not succeed.
        """
        # Files, not pipes: if this process is killed, terraform goes on and saves its state.
        with TemporaryFile(dir=environ["TMPDIR"]) as out, TemporaryFile(dir=environ["TMPDIR"]) as err:
            process = self._start(command, folder, environ, locks, out, err, changes=changes)
            try:
                self._await(process, APPLY_GRACE if changes else GRACE)
            finally:
                with self._guard:
                    self.count -= 1
                    self._running.pop(process, None)
                    self._changing.discard(process)
                with suppress(ProcessLookupError):  # what it left behind
                    os.killpg(process.pid, signal.SIGKILL)
            if process.returncode and self._stopping:
                raise Interrupted("terraform was asked to stop, since the daemon ends; the next look goes on")
            return Ended(process.returncode, _read(out), _read(err))

    def _start(
        self,
        command: list[str],
        folder: Path,
        environ: Mapping[str, str],
        locks: tuple[int, ...],
        out: IO[bytes],
        err: IO[bytes],
        *,
        changes: bool,
    ) -> subprocess.Popen[bytes]:
        with self._guard:
            self._check_stopping()
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=locks,
                start_new_session=True,
                umask=0o077,
            )
            self._running[process] = folder
            self.count += 1
            if changes:
                self._changing.add(process)
            return process

    def _await(self, process: subprocess.Popen[bytes], grace: float) -> None:
        try:
            process.wait(self._timeout)
        except BaseException as error:
            with self._guard:
                self._interrupt(process)
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimedOut(f"terraform did not end within {self._timeout:g} seconds and was stopped") from None
            raise

    def _check_stopping(self) -> None:
        if self._stopping:
            raise Interrupted("terraform is not started, since the daemon ends; the next look goes on")

    def _interrupt(self, process: subprocess.Popen[bytes]) -> None:
        """Once at most: asked twice, terraform ends without saving its state."""
        if self._running.pop(process, None):
            process.send_signal(signal.SIGINT)


def found(program: str = "") -> str:
    """The path of terraform, or of what is named instead. ProgramMissing: it is not there; says what to install."""
    for name in [program] if program else ["terraform", "tofu"]:
        if path := shutil.which(name):
            return path
    if program:
        raise ProgramMissing(f"{program} is not on this machine: install it, or name another program")
    raise ProgramMissing("neither terraform nor tofu is on this machine: install one of them where PATH finds it")


def environment(home: Path, plugins: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Everything that a command may know of its surroundings; nothing else of the daemon's reaches it."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_BEGINNINGS)}
    if "AWS_ACCESS_KEY_ID" in given:
        kept = {name: value for name, value in kept.items() if name not in _OTHER_CREDENTIALS}
    ours = {
        "HOME": f"{home}",
        "TMPDIR": f"{home / 'tmp'}",
        "TF_DATA_DIR": f"{home / 'data'}",
        "TF_CLI_CONFIG_FILE": f"{home / 'empty.tfrc'}",
        "TF_PLUGIN_CACHE_DIR": f"{plugins}",
    }
    # HOME is another one, and so these would not be found where they usually are.
    aws = os.path.expanduser("~/.aws")  # as it is where there is no home
    files = {"AWS_CONFIG_FILE": f"{aws}/config", "AWS_SHARED_CREDENTIALS_FILE": f"{aws}/credentials"}
    return {"PATH": os.defpath} | files | kept | dict(given) | _FIXED | ours


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
