"""A plan for people: with colour and a table at a terminal, one line a field where it is piped."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from daemon import plan_facts as facts
from daemon.plain import one_line
from daemon.plan_facts import Row
from daemon.status import EnvironmentStatus, ResourceStatus
from desired_state.parse import Problem

_LOUD = "bold white on red"


def print_text(statuses: Sequence[EnvironmentStatus], problems: Sequence[Problem]) -> None:
    """To stdout."""
    console = Console(highlight=False)
    for problem in problems:
        _say(console, one_line(str(problem)), "red", indent=0)
    for status in statuses:
        _environment(console, status)
    _say(console, facts.closing(statuses, problems), "bold", indent=0)


def _environment(console: Console, status: EnvironmentStatus) -> None:
    console.print(Text.assemble((status.name, "bold"), "  ", (facts.about(status), "dim")), soft_wrap=True)
    if note := facts.mode_note(status):
        _say(console, note, "yellow")
    changing = [resource for resource in status.resources if resource.changes or resource.ahead]
    if changing and console.is_terminal:
        console.print(_table(changing))
    else:
        for resource in changing:
            for line in _lines(resource):
                _say(console, line)
    for resource in status.resources:
        _notes(console, status, resource)
    if quiet := facts.quiet(status):
        _say(console, f"in sync: {', '.join(quiet)}", "green")
    for resource in status.resources:
        if block := facts.settings(resource):
            _say(console, f"{facts.called(resource)}: to fix in the file what the new instance gets:", "dim")
            for line in block.splitlines():
                _say(console, one_line(line), "dim", indent=4)
    console.print()


def _table(resources: Sequence[ResourceStatus]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", expand=False)
    table.add_column("change", overflow="fold", max_width=34)
    table.add_column("live → desired", overflow="fold")
    for resource in resources:
        for number, (verb, group) in enumerate(groupby(facts.rows(resource), key=lambda row: row.verb)):
            name = Text(facts.called(resource) if not number else "", style="bold")
            table.add_row(name.append(f"{': ' if not number else '  then '}{verb}", style="cyan"), "")
            for row in group:
                if row.field:
                    table.add_row(Text(f"  {row.field}"), _both(row))
    return table


def _both(row: Row) -> Text:
    shown = Text.assemble(
        (row.live, "red"), "\n→ " if len(row.live + row.desired) > 36 else " → ", (row.desired, "green")
    )
    if row.takes:
        shown.append(f"\n{row.takes}", style="dim")
    return shown.append(f"\n{row.effect}", style=_LOUD) if row.effect else shown


def _lines(resource: ResourceStatus) -> Iterator[str]:
    for row in facts.rows(resource):
        start = f"{facts.called(resource)}: {'then ' if row.later else ''}{row.verb}"
        effect = f" ({row.takes})" if row.takes else ""
        effect += f"  {row.effect}" if row.effect else ""
        yield f"{start} {row.field}: {row.live} → {row.desired}{effect}" if row.field else start


def _notes(console: Console, status: EnvironmentStatus, resource: ResourceStatus) -> None:
    if reason := facts.reason(status, resource):
        style = "red" if facts.is_wrong(resource) else "yellow"
        _say(console, f"{facts.called(resource)}: {resource.condition.value}: {reason}", style)
    for note in facts.notes(resource):
        _say(console, f"{facts.called(resource)}: {one_line(note, facts.NOTE)}", "yellow")


def _say(console: Console, line: str, style: str = "", *, indent: int = 2) -> None:
    """One line; a terminal folds it at its words, a pipe gets it whole."""
    text = Text(line, style=style)
    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, indent)))
    else:
        console.print(Text(" " * indent) + text, soft_wrap=True)
