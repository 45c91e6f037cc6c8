"""Terraform (or tofu) on one configuration at one commit. Blocking, silent, and not to be called from a pass.

No value of a variable, of an output or of a sensitive attribute leaves here: not in what is returned, nor in an error.
"""

import json
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

from reconcilers.terraform_errors import (
    Broken,
    Busy,
    Failed,
    Interrupted,
    Locked,
    MissingWorkspace,
    ProgramMissing,
    Stale,
    StateErrored,
    TimedOut,
)
from reconcilers.terraform_hidden import hidden_values
from reconcilers.terraform_home import Home, Stack
from reconcilers.terraform_plan import Check, Plan, PlannedChange, bare, read_plan, state_in
from reconcilers.terraform_run import Ended, Runs, environment, found
from reconcilers.terraform_words import events, failure, json_diagnostics, text_diagnostics

__all__ = [
    "Applied",
    "Broken",
    "Busy",
    "Check",
    "Failed",
    "Interrupted",
    "Locked",
    "MissingWorkspace",
    "PlannedChange",
    "ProgramMissing",
    "Stack",
    "Stale",
    "StateErrored",
    "Terraform",
    "TimedOut",
    "found",
]

_QUIET: Final = ("-input=false", "-no-color")
_LOCK: Final = "-lock-timeout=0s"  # never wait for a lock: the next look does
_DONE: Final = {"create": "add", "update": "change", "delete": "destroy"}


@dataclass(frozen=True)
class Applied:
    """What an apply came to. The counts are of what was done, also where it failed later."""

    seconds: float
    add: int
    change: int
    destroy: int
    errored: str = ""  # why not all of it was done


class Terraform:
    """Runs it. `program`: a name or a path; empty for terraform, else tofu. `plugins`: a folder that all share.

    `timeout`: seconds for one command. Every method raises Failed, in one of its kinds.
    """

    def __init__(self, program: str, plugins: Path, timeout: float) -> None:
        self._program = program
        self._plugins = plugins.absolute()
        self._runs = Runs(timeout)

    def stop(self) -> None:
        """Ask whatever runs to stop, from any thread, and start nothing more. An apply then saves its state first."""
        self._runs.stop()

    @property
    def running(self) -> bool:
        """Whether a command runs now."""
        return self._runs.count > 0

    def interrupt(self, home: Path) -> None:
        """Ask a check in this home to stop, from any thread: its answer is not wanted any more. An apply goes on."""
        self._runs.interrupt(home.absolute())

    def check(self, stack: Stack, at: datetime, *, lock: bool = True) -> Check:
        """Compare what is live with the commit. `at`: the time to note on it. Changes nothing but the state's lock.

        `lock`: take that, so that nobody changes anything meanwhile; without it, not even that is written.
        """
        with self._opened(stack, writes=True) as session:
            session.home.lay(afresh=True)
            session.prepare()
            return session.check(at, lock=lock)

    def apply(self, stack: Stack, check: Check) -> Applied:
        """Do exactly what a check has planned. Stale: that plan is gone, or the state has changed since."""
        with self._opened(stack, writes=True) as session:
            if not session.home.is_laid or not check.plan.is_file() or _digest(check.plan) != check.digest:
                raise Stale("the plan is no longer the one that was looked at: look again")
            return session.apply(check.plan)

    def state(self, stack: Stack) -> bytes:
        """The state as terraform keeps it, secrets and all; empty where there is none yet."""
        with self._opened(stack) as session:
            session.home.lay(afresh=False)
            session.prepare()
            return session.told("state", "pull", "-no-color").out

    @contextmanager
    def _opened(self, stack: Stack, *, writes: bool = False) -> Iterator["_Session"]:
        program = found(self._program)
        home = Home(stack)
        try:
            with home.held() as lock:
                if writes:
                    home.check_errored()
                yield _Session(program, self._plugins, self._runs, stack, home, lock)
        except OSError as error:
            raise Failed(f"{error.filename or stack.home} cannot be used: {error.strerror}") from None


class _Session:
    """Commands on one stack, while its home is held."""

    def __init__(self, program: str, plugins: Path, runs: Runs, stack: Stack, home: Home, lock: int) -> None:
        self.home = home
        self._program = program
        self._plugins = plugins
        self._runs = runs
        self._stack = stack
        self._lock = lock
        self._environ = environment(home.folder, plugins, stack.environ)

    @property
    def variables(self) -> tuple[str, ...]:
        """The options that name the variables."""
        return (f"-var-file={self._stack.variables_file}",) if self._stack.variables_file else ()

    def prepare(self) -> None:
        """Make terraform ready in this folder and select the workspace. Broken: the commit does not fit together."""
        file = self._stack.variables_file
        if file and not (self.home.work / file).is_file():
            raise Broken(f"there is no file {file} in {self._stack.directory or 'the top folder'}: correct the name")
        for remembered in ("terraform.tfstate", "environment"):  # the backend and the workspace of another commit
            (self.home.data / remembered).unlink(missing_ok=True)
        readonly = ("-lockfile=readonly",) if (self.home.work / ".terraform.lock.hcl").exists() else ()
        with self._runs.filling(self._plugins) as cache:
            self.told("init", "-input=false", "-no-color", *readonly, locks=(cache,))
        _check_backend(self.home, self._stack.workspace)
        if self._stack.workspace not in (None, "default"):
            self._select(f"{self._stack.workspace}")

    def check(self, at: datetime, *, lock: bool) -> Check:
        """Plan, save the plan, and read it."""
        self.home.plan.unlink(missing_ok=True)
        targets = [f"-target={address}" for address in self._stack.targets]
        locking = _LOCK if lock else "-lock=false"
        words = ("-detailed-exitcode", "-input=false", "-json", locking, f"-out={self.home.plan}")
        ended = self.run("plan", *words, *self.variables, *targets)
        diagnostics = list(json_diagnostics(ended.out))
        if ended.code not in (0, 2):
            raise self._failure("plan", ended)
        plan = read_plan(self.told("show", "-json", f"{self.home.plan}").out)
        _check_targets(self._stack.targets, plan)
        serial, lineage = state_in(self.home.plan)
        hidden, digest = self._hidden(), _digest(self.home.plan)
        if ended.code == 0:
            self.home.plan.unlink()  # it holds the whole state, and nobody needs it
        return Check(
            at=at,
            version=_version(ended.out),
            differs=ended.code == 2,
            changes=plan.changes,
            outputs_changed=plan.outputs_changed,
            drifted=plan.drifted,
            warnings=tuple(
                one.seen_from(self._stack.directory).told(hidden) for one in diagnostics if not one.is_error
            ),
            serial=serial,
            lineage=lineage,
            plan=self.home.plan,
            digest=digest,
        )

    def apply(self, plan: Path) -> Applied:
        """Apply a saved plan."""
        started = time.monotonic()
        ended = self.run("apply", "-input=false", "-json", _LOCK, f"{plan}", changes=True)
        done = [event["hook"].get("action") for event in events(ended.out) if event.get("type") == "apply_complete"]
        error = self._failure("apply", ended) if ended.code else None
        if isinstance(error, Locked | Stale):
            raise error
        plan.unlink()
        counts = {count: done.count(action) for action, count in _DONE.items()}
        return Applied(seconds=time.monotonic() - started, errored=f"{error}" if error else "", **counts)

    def run(self, *words: str, locks: tuple[int, ...] = (), changes: bool = False) -> Ended:
        """One command, however it ends."""
        command = [self._program, *words]
        return self._runs.run(command, self.home.work, self._environ, locks=(self._lock, *locks), changes=changes)

    def told(self, *words: str, locks: tuple[int, ...] = ()) -> Ended:
        """One command that must succeed."""
        verb = " ".join(word for word in words[:2] if not word.startswith("-"))
        ended = self.run(*words, locks=locks)
        if ended.code:
            raise self._failure(verb, ended)
        return ended

    def _select(self, workspace: str) -> None:
        ended = self.run("workspace", "select", "-no-color", workspace)
        if b"doesn't exist" in ended.out + ended.err:
            raise MissingWorkspace(
                f"the workspace {workspace} does not exist: correct its name,"
                f" or make it with terraform workspace new {workspace}"
            )
        if ended.code:
            raise self._failure("workspace select", ended)

    def _failure(self, verb: str, ended: Ended) -> Failed:
        if ended.code < 0:
            return Failed(f"terraform {verb} was killed by signal {-ended.code}: the next look goes on")
        diagnostics = [*json_diagnostics(ended.out), *text_diagnostics(ended.err), *text_diagnostics(ended.out)]
        placed = [one.seen_from(self._stack.directory) for one in diagnostics]
        return failure(verb, placed, self._hidden())

    def _hidden(self) -> Collection[str]:
        return hidden_values(self._environ, self.home.work, self._stack.variables_file)


def _check_backend(home: Home, workspace: str | None) -> None:
    """Broken: the state would be kept in the copy of the commit, and go with it."""
    try:
        backend: dict[str, Any] = json.loads((home.data / "terraform.tfstate").read_text())["backend"]
    except (OSError, ValueError, KeyError):
        raise Broken("the configuration names no backend for its state: add one, such as s3") from None
    if backend.get("type") == "local":
        key = "path" if workspace in (None, "default") else "workspace_dir"
        if not Path(backend.get("config", {}).get(key) or "").is_absolute():
            raise Broken(
                f"the local backend keeps the state beside the configuration: write an absolute {key}, or use s3"
            )


def _check_targets(targets: Collection[str], plan: Plan) -> None:
    """Broken: terraform finds nothing at such an address, and would say that nothing differs."""
    for target in targets:
        if bare(target) not in plan.known:
            raise Broken(f"targets names {target}, which neither the commit nor the state has: correct the address")


def _version(out: bytes) -> str:
    told = next((event for event in events(out) if event.get("type") == "version"), {})
    return str(told.get("terraform") or told.get("tofu") or "")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
