"""What was measured, as Markdown: the machine, the versions, and figure by figure whether its target was met."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("boto3", "botocore", "moto", "awscli", "ecs-deploy")


@dataclass(frozen=True)
class Figure:
    """One line of the table. Without a target it is told for what it is."""

    name: str
    measured: str
    target: str = ""
    met: bool | None = None

    @property
    def row(self) -> tuple[str, ...]:
        """Its cells."""
        return self.name, self.measured, self.target, {True: "yes", False: "**no**", None: ""}[self.met]


@dataclass(frozen=True)
class Section:
    """A heading, a table, and how it was measured."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def figures(title: str, measured: Iterable[Figure], *notes: str) -> Section:
    """A section of figures against their targets."""
    return Section(title, ("figure", "measured", "target", "met"), [each.row for each in measured], notes)


def markdown(sections: Iterable[Section], about: Iterable[str]) -> str:
    """The whole document."""
    head = ["# trueup: counts and figures", "", *(f"- {line}" for line in about), ""]
    return "\n".join(head + [line for section in sections for line in _lines(section)])


def about(started: datetime, load: float) -> list[str]:
    """The machine, how busy it was, and every version that has a say."""
    ended = datetime.now(UTC)
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    memory = psutil.virtual_memory().total / 2**30
    return [
        f"machine: {_cpu()}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}",
        f"measured: {started:%Y-%m-%d %H:%M}Z, {(ended - started).total_seconds():.0f} s; "
        f"load average before: {load:.1f} (above 0.5 somebody else was busy: times are then too long)",
        f"trueup {version('trueup')} at {_commit()}; Python {platform.python_version()}; {_said('git', '--version')}",
        f"{packages}; {_said(str(Path(sys.executable).with_name('aws')), '--version')}",
    ]


def _lines(section: Section) -> list[str]:
    lines = [f"## {section.title}", "", _row(section.columns), _row("---" for _ in section.columns)]
    lines += [_row(row) for row in section.rows]
    return [*lines, "", *(f"- {note}" for note in section.notes), *([""] if section.notes else [])]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    changed = " with uncommitted changes" if _said("git", "status", "--porcelain") else ""
    return (_said("git", "rev-parse", "--short=12", "HEAD") or "no commit") + changed


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip()
