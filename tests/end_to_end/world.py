"""A team's world on this machine: a git repository, a rehearsal AWS, and trueup as a real process between them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3

from rehearsal.server import Rehearsal

CLUSTER = "replaydash-production-cluster"
SERVICE = "replaydash-production-api"
WORKER = "replaydash-production-worker"
SECRET = "replaydash-production/db/password"
ALB = "replaydash-production-alb"
HOST = "api.replaydash.com"
FILE = "production.yaml"
ENVIRONMENT = "replaydash-production"
HEAD = f"version: 1\nenvironment: {ENVIRONMENT}\naws: {{region: us-east-1}}\n"
WRITES = (
    "Create",
    "Update",
    "Put",
    "Register",
    "Modify",
    "Delete",
    "Tag",
    "Untag",
    "Set",
    "Add",
    "Remove",
    "Deregister",
)


Lines = Sequence[str]


def api(*lines: str) -> str:
    """An environment file with the api service and these lines in its entry."""
    return production(api=lines)


def production(
    api: Lines | None = None,
    worker: Lines | None = None,
    postgres: Lines | None = None,
    maintenance: Lines | None = None,
    head: str = HEAD,
) -> str:
    """An environment file of ReplayDash with these entries, and these lines in each."""
    services = []
    if api is not None:
        services += [("api", (f"cluster: {CLUSTER}", f"service: {SERVICE}", "container: api", *api))]
    if worker is not None:
        services += [("worker", (f"cluster: {CLUSTER}", f"service: {WORKER}", *worker))]
    text = head + ("services:\n" if services else "")
    text += "".join(_entry(name, lines) for name, lines in services)
    if postgres is not None:
        text += "databases:\n" + _entry("postgres", (f"secret: {SECRET}", *postgres))
    if maintenance is not None:
        text += "maintenance:\n" + "".join(f"  {line}\n" for line in (f"load_balancer: {ALB}", *maintenance))
    return text


def _entry(name: str, lines: Lines) -> str:
    return f"  {name}:\n" + "".join(f"    {line}\n" for line in lines)


def instant(at: datetime) -> str:
    """An instant as the file spells it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def eventually(claim: Callable[[], Any], within: float = 30.0, every: float = 0.1) -> Any:
    """The first true value of a claim; fails with its last value once the time is up."""
    end = time.monotonic() + within
    while not (value := claim()):
        assert time.monotonic() < end, f"never came true within {within} s; last: {value!r}"
        time.sleep(every)
    return value


class Git:
    """A work tree with a branch main, as a person commits to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.run("init", "--quiet", "--initial-branch=main")

    def run(self, *words: str) -> str:
        who = {"NAME": "Ann", "EMAIL": "ann@example.test"}
        names = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in who.items()}
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1", **names}
        done = subprocess.run(["git", *words], cwd=self.folder, env=environ, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, text: str, message: str = "Pin", file: str = FILE) -> str:
        (self.folder / file).write_text(text)
        self.run("add", "-A")
        self.run("commit", "--quiet", "--allow-empty", "-m", message)
        return self.run("rev-parse", "HEAD")

    def revert(self, commit: str = "HEAD") -> str:
        self.run("revert", "--no-edit", commit)
        return self.run("rev-parse", "HEAD")


@dataclass
class Daemon:
    """A running `trueup run`, and all that it ever printed."""

    process: subprocess.Popen[bytes]
    address: str
    output: Path

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=5) as answer:
            return answer.read().decode()

    def status(self) -> dict[str, Any]:
        return json.loads(self.get("/api/v1/status"))

    def environment(self, name: str = ENVIRONMENT) -> dict[str, Any]:
        return next((e for e in self.status()["environments"] if e["environment"] == name), {})

    def resource(self, name: str = "api") -> dict[str, Any]:
        return next((r for r in self.environment().get("resources", []) if r["name"] == name), {})

    def condition(self, name: str = "api") -> str:
        return self.resource(name).get("condition", "")

    def stalled(self, commit: str, name: str = "api") -> bool:
        """Whether this commit was looked at, and only a person can help."""
        return self.environment().get("commit") == commit and self.condition(name) == "stalled"

    def passes(self) -> float:
        """How many passes have ended."""
        return self.metric("trueup_pass_duration_seconds_count{") or 0.0

    def after_passes(self, count: int = 3) -> None:
        """Let so many more passes end."""
        target = self.passes() + count
        eventually(lambda: self.passes() >= target)

    def in_sync(self, commit: str) -> bool:
        environment = self.environment()
        return environment.get("commit") == commit and environment["in_sync"]

    def metric(self, start: str) -> float | None:
        lines = [line for line in self.get("/metrics").splitlines() if line.startswith(start)]
        return float(lines[0].rpartition(" ")[2]) if lines else None

    def printed(self) -> str:
        return self.output.read_text()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@dataclass
class World:
    """Everything that an end-to-end test touches."""

    folder: Path
    aws: Rehearsal
    git: Git
    daemons: list[Daemon] = field(default_factory=list)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def environ(self) -> dict[str, str]:
        return os.environ | {
            "AWS_ENDPOINT_URL": self.aws.url if self.aws else "http://127.0.0.1:1",
            "TRUEUP_CACHE": str(self.folder / "cache"),
            "COLUMNS": "100",
        }

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service, region_name="us-east-1", endpoint_url=self.aws.url)
        return self._clients[service]

    def trueup(self, *words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "daemon", *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=timeout, check=False
        )

    def once(self, *words: str, timeout: float = 40.0, path: str = FILE) -> subprocess.CompletedProcess[str]:
        command = ("run", "--once", "--repository", str(self.git.folder), "--path", path, "--timeout", str(timeout))
        return self.trueup(*command, "--aws-timeout", "2", *words, timeout=timeout + 30)

    def daemon(self, *words: str, interval: float = 1.0, ready: bool = True, path: str = FILE) -> Daemon:
        address = f"127.0.0.1:{free_port()}"
        output = self.folder / f"output-{len(self.daemons)}.log"
        command = [sys.executable, "-m", "daemon", "run", "--repository", str(self.git.folder), "--path", path]
        command += ["--interval", str(interval), "--listen", address, "--aws-timeout", "2", *words]
        with output.open("wb") as sink:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environ, stdout=sink, stderr=sink)
        daemon = Daemon(process, address, output)
        self.daemons.append(daemon)
        if ready:
            eventually(lambda: self._ready(daemon), within=20)
        return daemon

    def _ready(self, daemon: Daemon) -> bool:
        assert daemon.process.poll() is None, daemon.printed()
        try:
            return daemon.get("/readyz") is not None
        except (urllib.error.URLError, ConnectionError):
            return False

    def following(self, text: str, **how: Any) -> Daemon:
        """A daemon that is in sync with this file; the calls that led there are forgotten."""
        commit = self.git.commit(text, "Pin what runs")
        daemon = self.daemon(**how)
        eventually(lambda: daemon.in_sync(commit))
        self.aws.clear_calls()
        return daemon

    def service(self, name: str = SERVICE) -> dict[str, Any]:
        found = self.client("ecs").describe_services(cluster=CLUSTER, services=[name], include=["TAGS"])
        return found["services"][0]

    def primary(self, name: str = SERVICE) -> dict[str, Any]:
        return next(d for d in self.service(name)["deployments"] if d["status"] == "PRIMARY")

    def secret(self) -> str:
        """The text that the database's secret holds now."""
        return self.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"]

    def route(self, path: str = "/", host: str = HOST) -> dict[str, Any]:
        """What the load balancer does with a request."""
        return self.aws.route(ALB, host, path)

    def settled_on(self, revision: str) -> bool:
        primary = self.primary()
        return primary["taskDefinition"].endswith(f":{revision}") and primary["rolloutState"] == "COMPLETED"

    def running(self) -> dict[str, Any]:
        """The task definition that the service runs, as DescribeTaskDefinition tells it with tags."""
        return self.client("ecs").describe_task_definition(
            taskDefinition=self.service()["taskDefinition"], include=["TAGS"]
        )

    def writes(self) -> list[str]:
        """The operations that changed something since the last `clear_calls`, in order."""
        return [
            call["operation"] for call in self.aws.calls() if call["write"] and call["code"] in ("", "200", 200, None)
        ]


@contextmanager
def world(folder: Path, **pace: Any) -> Iterator[World]:
    """ReplayDash's production, seeded, with an empty repository."""
    from rehearsal import replaydash
    from rehearsal.server import Pace

    with Rehearsal(port=0, pace=Pace(**({"rollout": 0.8} | pace))) as aws, _endpoint(aws.url):
        replaydash.seed(aws.url)
        aws.clear_calls()
        made = World(folder, aws, Git(folder / "repository"))
        try:
            yield made
        finally:
            for daemon in made.daemons:
                if daemon.process.poll() is None:
                    daemon.kill()


@contextmanager
def _endpoint(url: str) -> Iterator[None]:
    """Where AWS is, for what this process asks of it itself."""
    os.environ["AWS_ENDPOINT_URL"] = url
    try:
        yield
    finally:
        del os.environ["AWS_ENDPOINT_URL"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
