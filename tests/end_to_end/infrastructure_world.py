"""A team's Terraform beside its environment file: commits, a backend for its state, and a person with terraform."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil

from tests.end_to_end.world import ENVIRONMENT, World, production
from tests.terraform_state import StateServer
from tests.tools import tool

BUCKET = "replaydash-states"


def thing(name: str, *lines: str) -> str:
    """A resource that is only in the state."""
    return f'resource "terraform_data" "{name}" {{\n' + "".join(f"  {line}\n" for line in lines) + "}\n"


@dataclass
class Team:
    """The repository has infra/ beside the file. `backend`: the lines that say where the state is."""

    world: World
    backend: str
    server: StateServer | None = None
    directory: str = "infra"

    def terraform(self, text: str, files: dict[str, str] | None = None) -> str:
        """Commit another configuration. Returns the id of the commit."""
        folder = self.world.git.folder / self.directory
        folder.mkdir(exist_ok=True)
        for name, content in {"main.tf": self.backend + text, **(files or {})}.items():
            (folder / name).write_text(content)
        self.world.git.run("add", "-A")
        self.world.git.run("commit", "--quiet", "-m", "Terraform")
        return self.world.git.run("rev-parse", "HEAD")

    def pinned(self, commit: str, *lines: str, **entries: Any) -> str:
        """The environment file with this pin."""
        return production(**entries) + infrastructure(commit, *lines, directory=self.directory)

    def pin(self, commit: str, *lines: str, **entries: Any) -> str:
        """Commit that file. Returns the id of the commit."""
        return self.world.git.commit(self.pinned(commit, *lines, **entries), "Pin the infrastructure")

    def run(self, commit: str, *words: str, home: str = "ann") -> str:
        """A person runs terraform on a commit, in a clone of their own."""
        clone = self.world.folder / home
        if not clone.exists():
            subprocess.run(["git", "clone", "-q", self.world.git.folder, clone], check=True, env=_plain())
        environ = os.environ | _plain() | {"TF_CLI_CONFIG_FILE": os.devnull, "TF_INPUT": "0"}
        for command in (
            ["git", "fetch", "-q"],
            ["git", "checkout", "-q", commit],
            [tool("terraform"), f"-chdir={self.directory}", "init", "-reconfigure", "-no-color"],
            [tool("terraform"), f"-chdir={self.directory}", *words],
        ):
            done = subprocess.run(command, cwd=clone, env=environ, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"
        return done.stdout

    @property
    def state(self) -> dict[str, Any]:
        """What terraform keeps, by the names of the resources; empty where nothing can be read."""
        try:
            told = json.loads(self.kept)
        except ValueError:  # there is none yet, or it is half written: terraform writes a local one in place
            return {}
        return {one["name"]: one["instances"][0]["attributes"] for one in told["resources"]}

    @property
    def backups(self) -> list[Path]:
        """The backups of the entry `network` in the default place, oldest first."""
        folder = self.world.folder / "state" / "trueup" / "state-backups" / ENVIRONMENT / "network"
        return sorted(
            folder.glob("*.tfstate"), key=lambda path: (path.name.split("-")[1], int(path.stem.split("-")[2]))
        )

    @property
    def kept(self) -> bytes:
        """The state as it lies there; empty where there is none."""
        if self.server:
            return self.server.state
        if 'backend "s3"' in self.backend:
            objects = self.world.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
            keys = [each["Key"] for each in objects if each["Key"] == "infra.tfstate"]
            return self.world.client("s3").get_object(Bucket=BUCKET, Key=keys[0])["Body"].read() if keys else b""
        path = self.world.folder / "kept" / "terraform.tfstate"
        return path.read_bytes() if path.exists() else b""


def infrastructure(commit: str, *lines: str, directory: str = "infra", name: str = "network") -> str:
    """The section of a file, with one entry."""
    text = f'infrastructure:\n  {name}:\n    commit: "{commit}"\n    directory: {directory}\n    check_every: 5\n'
    return text + "".join(f"    {line}\n" for line in lines)


def local(folder: Path) -> str:
    """A backend in a folder."""
    return f'terraform {{\n  backend "local" {{ path = "{folder}/kept/terraform.tfstate" }}\n}}\n'


def bucket(url: str) -> str:
    """A backend in a bucket of the rehearsal AWS, made here."""
    boto3.client("s3", region_name="us-east-1", endpoint_url=url).create_bucket(Bucket=BUCKET)
    flags = ("use_path_style", "skip_credentials_validation", "skip_region_validation", "skip_metadata_api_check")
    lines = [f'bucket = "{BUCKET}"', 'key = "infra.tfstate"', 'region = "us-east-1"', "use_lockfile = true"]
    lines += [f"{flag} = true" for flag in (*flags, "skip_requesting_account_id", "skip_s3_checksum")]
    return 'terraform {\n  backend "s3" {\n' + "".join(f"    {line}\n" for line in lines) + "  }\n}\n"


def terraforms(folder: Path) -> list[psutil.Process]:
    """The terraform processes that work below a folder."""
    found = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "terraform":
            try:
                if Path(process.cwd()).is_relative_to(folder):
                    found.append(process)
            except psutil.Error:
                continue
    return found


def _plain() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
