"""How the demo speaks: chapters, labelled lines, and what they took."""

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

from daemon.demo_stage import Stage

_LABEL = 8  # columns


@dataclass
class Teller:
    """Says what happens, step by step, and remembers how long each took."""

    console: Console
    took: list[tuple[str, float]] = field(default_factory=list)

    @property
    def width(self) -> int:
        """How many columns are left beside a label."""
        return min(self.console.width, 110) - _LABEL - 1

    def chapter(self, title: str, about: str) -> None:
        """A new step of the story."""
        self.console.print()
        self.console.rule(Text(f" {len(self.took) + 1}. {title} ", style="bold"), align="left", style="dim")
        self.console.print(Text(about, style="italic"))

    def block(self, label: str, lines: list[str], style: str = "") -> None:
        """Some lines under a label; what is too long for the terminal goes on below its own beginning."""
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=_LABEL, style="cyan")
        grid.add_column(overflow="fold", style=style)
        for number, line in enumerate(lines):
            grid.add_row(label if not number else "", Text(line))
        self.console.print(grid)

    def diff(self, lines: list[str]) -> None:
        """The lines that a commit changed."""
        for line in lines:
            self.block("", [line], "green" if line.startswith("+") else "red")

    def ended(self, title: str, seconds: float) -> None:
        """A step is over."""
        self.took.append((title, seconds))
        self.block("took", [f"{seconds:.1f} s"], "bold")


def said(on: Stage, teller: Teller) -> None:
    """The newest commit, as git shows it."""
    teller.block("commit", [on.git("log", "-1", "--format=%h %s")], "bold")
    teller.diff(on.diff())


def live(on: Stage) -> str:
    """The revision that ECS has, and how far its rollout is."""
    revision, state = on.live()
    return f"{revision} is {state}"
