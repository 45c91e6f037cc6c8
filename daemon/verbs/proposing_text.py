"""What a person sees of a change before they say yes, and after."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff

from rich.console import Console
from rich.text import Text

from daemon import plan
from daemon.plain import one_line
from daemon.status import EnvironmentStatus
from daemon.verbs.proposing_place import Made, Place
from desired_state.parse import Problem
from reconcilers.contract import Condition

_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_HEAD = 2  # lines of a diff that name the file


@dataclass(frozen=True)
class Said:
    """A change, as it is shown."""

    subject: str
    place: Place
    content: bytes
    notes: tuple[str, ...]

    @property
    def diff(self) -> str:
        """The lines that change, with three around them."""
        return "".join(f"{line}\n" for line in diff(self.place.content, self.content, self.place.path))


def diff(before: bytes, after: bytes, file: str) -> Iterator[str]:
    """A unified diff of two texts, each line fit to be shown."""
    old, new = (text.decode(errors="replace").splitlines() for text in (before, after))
    lines = unified_diff(old, new, f"a/{file}", f"b/{file}", lineterm="")
    return (one_line(line) for line in lines)


def show_change(said: Said) -> None:
    """What the file will say, to stdout."""
    console = Console(highlight=False)
    _line(console, one_line(said.subject), "bold")
    console.print()
    for number, line in enumerate(said.diff.splitlines()):
        style = "bold" if number < _HEAD else _STYLES.get(line[:1], "")
        console.print(Text(line, style=style), soft_wrap=True)
    console.print()
    for note in said.notes:
        _line(console, one_line(note), "yellow")
    if said.notes:
        console.print()
    sys.stdout.flush()
    say("Asking AWS what a pass would change …")


def show_plan(statuses: Sequence[EnvironmentStatus], problems: Sequence[Problem], why_not: str) -> None:
    """What AWS will have to become, to stdout."""
    console = Console(highlight=False)
    if why_not:
        _line(console, f"The plan could not be made: {why_not}", "red")
    else:
        plan.print_text(statuses, problems)
    resources = (resource for status in statuses for resource in status.resources)
    if why_not or any(resource.condition is Condition.RETRYING for resource in resources):
        _line(console, "The file can be changed all the same: trueup acts on it as soon as AWS answers.")
    sys.stdout.flush()


def asked(question: str) -> str:
    """The answer of a person; empty where there is none."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def done(made: Made, environment: str) -> None:
    """What has become of it, to stderr."""
    where = f"pushed to {made.shown}" if made.pushed else f"committed to {made.branch}, not pushed"
    say(f"Commit {made.commit[:12]}: {where}.")
    if made.trouble:
        say(f"{made.trouble[0].upper()}{made.trouble[1:]}.")
    elif made.pushed and made.is_new:
        say(f"It counts once {made.branch} is merged: open a pull request.")
        if made.back:
            say(f"This folder is on {made.branch} now; back: git switch {made.back}")
    elif made.aside:
        say(f"{made.aside}.")
    elif made.pushed:
        say(f"To follow it: trueup wait {environment} --commit {made.commit[:12]}")


def say(line: str) -> None:
    """One line to stderr."""
    console = Console(stderr=True, highlight=False)
    _line(console, line)


def _line(console: Console, line: str, style: str = "") -> None:
    """A terminal folds it at its words, a pipe gets it whole."""
    console.print(Text(line, style=style), soft_wrap=not console.is_terminal)
