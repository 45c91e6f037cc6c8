"""What the demo plays on, all on this machine: a rehearsal AWS, a git repository, and trueup as a process."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3

from rehearsal import replaydash
from rehearsal import replaydash_names as names
from rehearsal.clock import Pace
from rehearsal.server import Rehearsal

FILE = "production.yaml"
_ROLLOUT = 5.0  # seconds that the rehearsal AWS takes for what takes minutes in life
_LONGEST = 60.0  # seconds until a step of the story counts as failed
_KEY = "rehearsal"  # any will do: nobody checks it


class Missed(Exception):
    """What the story tells of did not come about."""


@dataclass(frozen=True)
class Stage:
    """Everything that the story needs to act and to look."""

    aws: Rehearsal
    folder: Path  # the work tree of the repository
    address: str  # where the daemon answers

    @property
    def file(self) -> Path:
        """The environment file, as a person edits it."""
        return self.folder / FILE

    def git(self, *words: str) -> str:
        """Run git in the work tree, as the person on call."""
        return subprocess.run(
            ["git", *words], cwd=self.folder, capture_output=True, text=True, check=True
        ).stdout.strip()

    def commit(self, text: str, subject: str) -> str:
        """Write the file and commit it. Returns the commit."""
        self.file.write_text(text)
        self.git("add", FILE)
        self.git("commit", "--quiet", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def revert(self) -> str:
        """Revert the newest commit. Returns the commit that does."""
        self.git("revert", "--no-edit", "HEAD")
        return self.git("rev-parse", "HEAD")

    def diff(self) -> list[str]:
        """The lines that the newest commit took away and added."""
        shown = self.git("show", "--format=", "--unified=0", "HEAD").splitlines()
        return [line for line in shown if re.match(r"[+-](?![+-])", line)]

    def plan(self, text: str, width: int) -> list[str]:
        """What `trueup plan` says of the file before it is committed, in so many columns."""
        self.file.write_text(text)
        done = _run(self.aws.url, "plan", FILE, cwd=self.folder, width=width)
        self.git("checkout", "--quiet", "--", FILE)
        if done.returncode == 1:
            raise Missed(done.stdout + done.stderr)
        return [line.rstrip() for line in done.stdout.strip().splitlines() if line.strip()]

    def report(self, since: str, width: int) -> list[str]:
        """What `trueup report` says of the time since, line by line."""
        words = ("report", FILE, "--since", since, "--daemon", f"http://{self.address}")
        done = _run(self.aws.url, *words, cwd=self.folder, width=width)
        if done.returncode:
            raise Missed(done.stdout + done.stderr)
        return done.stdout.splitlines()

    def status(self) -> dict[str, Any]:
        """The environment, as /api/v1/status has it."""
        environments = json.loads(self._get("/api/v1/status"))["environments"]
        return dict(environments[0]) if environments else {}

    def resource(self, name: str) -> dict[str, Any]:
        """One of its resources."""
        return next((each for each in self.status().get("resources", []) if each["name"] == name), {})

    def in_sync(self, commit: str) -> bool:
        """Whether everything is as this commit says."""
        status = self.status()
        return status.get("commit") == commit and bool(status["in_sync"])

    def metrics(self, *patterns: str) -> list[str]:
        """The lines of /metrics that match one of these expressions."""
        return [line for line in self._get("/metrics").splitlines() if any(re.match(each, line) for each in patterns)]

    def ecs(self) -> Any:
        """A client of ECS, as a person at a terminal would use it."""
        return self._client("ecs")

    def host(self) -> str:
        """Where the secret says that the database listens. Nothing else of it leaves this function."""
        told = self._client("secretsmanager").get_secret_value(SecretId=names.SECRET)
        return str(json.loads(told["SecretString"])["host"])

    def cname(self, name: str) -> str:
        """Where a name leads."""
        route53 = self._client("route53")
        zone = route53.list_hosted_zones_by_name(DNSName=names.ZONE)["HostedZones"][0]["Id"]
        told = route53.list_resource_record_sets(HostedZoneId=zone, StartRecordName=name, MaxItems="1")
        return str(told["ResourceRecordSets"][0]["ResourceRecords"][0]["Value"])

    def running(self) -> int:
        """How many tasks of the service run."""
        told = self.ecs().describe_services(cluster=names.CLUSTER, services=[names.API])
        return int(told["services"][0]["runningCount"])

    def _client(self, service: str) -> Any:
        keys: Any = boto3.Session(_KEY, _KEY, region_name=names.REGION)
        return keys.client(service, endpoint_url=self.aws.url)

    def live(self) -> tuple[str, str]:
        """The revision that ECS rolls out or has rolled out, and how far it is."""
        told = self.ecs().describe_services(cluster=names.CLUSTER, services=[names.API])["services"][0]
        primary = next(each for each in told["deployments"] if each["status"] == "PRIMARY")
        return primary["taskDefinition"].rpartition("/")[2], primary["rolloutState"]

    def variable(self, name: str) -> str:
        """An environment variable of the live revision."""
        told = self.ecs().describe_task_definition(taskDefinition=self.live()[0])["taskDefinition"]
        container = next(c for c in told["containerDefinitions"] if c["name"] == names.CONTAINER)
        return str(next((v["value"] for v in container["environment"] if v["name"] == name), "absent"))

    def calls(self, operation: str) -> list[dict[str, Any]]:
        """The calls of one operation since they were last forgotten."""
        return [call for call in self.aws.calls() if call["operation"] == operation]

    def until(self, claim: Callable[[], Any]) -> float:
        """Wait until something is so. Returns the seconds that it took. Missed: it never was."""
        started = time.monotonic()
        while not claim():
            if time.monotonic() - started > _LONGEST:
                raise Missed(f"not within {_LONGEST:g} seconds; the daemon says: {self.status()}")
            time.sleep(0.05)
        return time.monotonic() - started

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=5) as answer:
            return str(answer.read().decode())


@contextmanager
def stage(first: str) -> Iterator[Stage]:
    """ReplayDash's production, a repository whose first commit is this text, and a daemon that follows it."""
    with (
        TemporaryDirectory(prefix="trueup-demo-") as root,
        Rehearsal(pace=Pace(rollout=_ROLLOUT, creating=_ROLLOUT)) as aws,
    ):
        replaydash.seed(aws.url)
        folder = Path(root) / "repository"
        folder.mkdir()
        made = Stage(aws, folder, f"127.0.0.1:{_free_port()}")
        made.git("init", "--quiet", "--initial-branch=main")
        made.git("config", "user.name", "On call")
        made.git("config", "receive.denyCurrentBranch", "updateInstead")  # what trueup pushes is seen at once
        made.git("config", "user.email", "on-call@replaydash.example")
        made.commit(first, "Pin what runs")
        aws.clear_calls()
        with _daemon(made, Path(root)):
            yield made


@contextmanager
def _daemon(on: Stage, root: Path) -> Iterator[None]:
    words = ("--repository", str(on.folder), "--path", FILE, "--interval", "1", "--listen", on.address)
    command = [sys.executable, "-m", "daemon", "run", *words, "--cache", str(root / "cache")]
    with (root / "daemon.log").open("wb") as log:
        process = subprocess.Popen(command, env=environ(on.aws.url), cwd=root, stdout=log, stderr=log)
    try:
        on.until(lambda: process.poll() is not None or _is_ready(on))
        if process.poll() is not None:
            raise Missed((root / "daemon.log").read_text())
        yield
    finally:
        process.terminate()
        process.wait(10)


def environ(url: str) -> dict[str, str]:
    """The environment in which the AWS SDKs talk to the rehearsal and to nothing else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TRUEUP_"))}
    alone = {"AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
    keys = {"AWS_ACCESS_KEY_ID": _KEY, "AWS_SECRET_ACCESS_KEY": _KEY, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return kept | alone | keys


def _is_ready(on: Stage) -> bool:
    try:
        return on.in_sync(on.git("rev-parse", "HEAD"))
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _run(url: str, *words: str, cwd: Path, width: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon", *words]
    surroundings = environ(url) | {"COLUMNS": str(width)}
    return subprocess.run(command, env=surroundings, cwd=cwd, capture_output=True, text=True, check=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
