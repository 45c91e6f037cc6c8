"""A terraform that takes as long as a test wants it to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.end_to_end.infrastructure_world import terraforms, thing

READS = 5
EMPTY_STATE = (
    b'{"version": 4, "terraform_version": "1.5.0", "serial": 1, "lineage": "read", "outputs": {}, "resources": []}'
)


@dataclass(frozen=True)
class Gate:
    """An apply that makes `first`, and then `slow`, which lasts until the gate is opened. `path`: not there yet."""

    path: Path

    @property
    def configuration(self) -> str:
        """What is applied so."""
        command = f"echo >> {self._visitors}; until test -e {self.path}; do sleep 0.1; done"
        lines = ("depends_on = [terraform_data.first]", f'provisioner "local-exec" {{ command = "{command}" }}')
        return thing("first") + thing("slow", *lines)

    @property
    def visits(self) -> int:
        """How many applies have come to the gate, ever."""
        return len(self._visitors.read_text()) if self._visitors.exists() else 0

    @property
    def waits(self) -> bool:
        """Whether an apply has come to the gate, and it is shut."""
        return bool(self.visits) and not self.path.exists()

    def open(self) -> None:
        """Let `slow` be done, now and from now on."""
        self.path.touch()

    @property
    def _visitors(self) -> Path:
        return self.path.with_suffix(".visitors")


def slow_to_plan(url: str) -> str:
    """A configuration whose plan reads another state, at this address, READS times, one after the other."""
    text = ""
    for number in range(READS):
        after = f"  depends_on = [data.terraform_remote_state.read{number - 1}]\n" if number else ""
        text += f'data "terraform_remote_state" "read{number}" {{\n  backend = "http"\n'
        text += f'  config = {{ address = "{url}" }}\n{after}}}\n'
    return text


def plans(folder: Path) -> list[psutil.Process]:
    """The plans that are made below a folder now."""
    return [process for process in terraforms(folder) if "plan" in process.cmdline()]
