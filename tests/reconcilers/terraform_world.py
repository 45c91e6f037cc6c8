"""Terraform on this machine, with commits that a test writes and things in its state that need no cloud."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from reconcilers.terraform import Applied, Check, Stack, Terraform

NOW = datetime(2026, 2, 24, 12, 0, tzinfo=UTC)
SLOW = """
resource "terraform_data" "first" {}
resource "terraform_data" "slow" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" { command = "exec sleep %s" }
}
resource "terraform_data" "after" {
  depends_on = [terraform_data.slow]
}
"""


def thing(name: str, *lines: str) -> str:
    """A resource that is only in the state."""
    return f'resource "terraform_data" "{name}" {{\n' + "".join(f"  {line}\n" for line in lines) + "}\n"


@dataclass
class Stage:
    """A backend, and the commits of a configuration that keeps its state there."""

    folder: Path
    backend: str = ""
    directory: str = "infra"
    terraform: Terraform = field(init=False)
    commits: int = 0

    def __post_init__(self) -> None:
        self.backend = self.backend or f'terraform {{\n  backend "local" {{ path = "{self.state}" }}\n}}\n'
        self.terraform = self.process()

    @property
    def state(self) -> Path:
        """Where the local backend keeps it."""
        return self.folder / "kept" / "terraform.tfstate"

    def process(self, *, timeout: float = 60, program: str = "") -> Terraform:
        """A terraform as a process that has just started has it."""
        return Terraform(program, self.folder / "plugins", timeout)

    def commit(self, text: str, *, files: dict[str, str] | None = None, home: str = "home", **how: object) -> Stack:
        """The files of another commit, laid out."""
        self.commits += 1
        root = self.folder / "trees" / f"{self.commits}"
        for name, content in {f"{self.directory}/main.tf": self.backend + text, **(files or {})}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
        plain = {"workspace": None, "variables_file": None, "targets": (), "environ": {}}
        return Stack(root=root, directory=self.directory, home=self.folder / home, **plain | how)

    def check(self, stack: Stack) -> Check:
        """Look."""
        return self.terraform.check(stack, NOW)

    def applied(self, stack: Stack) -> Applied:
        """Look, and do what that came to."""
        return self.terraform.apply(stack, self.check(stack))


def until(found: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def sleeping(marker: str) -> list[psutil.Process]:
    """The provisioners that sleep for so long: what a slow apply waits for."""
    return [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", marker]]
