"""A plan for a comment on a pull request. What is live may be hostile: it stands in code, and can leave it nowhere."""

from collections.abc import Iterator, Sequence

from daemon import plan_facts as facts
from daemon.markdown import cell, code, fence
from daemon.plain import one_line
from daemon.status import EnvironmentStatus, ResourceStatus
from desired_state.parse import Problem

_LONGEST = 60_000  # characters; GitHub takes 65,536
_CUT = "The plan is too long for a comment; `trueup plan` shows all of it."


def as_markdown(statuses: Sequence[EnvironmentStatus], problems: Sequence[Problem]) -> str:
    """A heading and a table for each environment, and the values below."""
    for detailed in (True, False):
        text = "\n".join(_lines(statuses, problems, detailed=detailed))
        if len(text) <= _LONGEST:
            return text
    return f"{text[:_LONGEST].rpartition(chr(10))[0]}\n\n{_CUT}"


def _lines(statuses: Sequence[EnvironmentStatus], problems: Sequence[Problem], *, detailed: bool) -> Iterator[str]:
    yield f"**{facts.closing(statuses, problems)}**"
    if problems:
        yield ""
        yield from (f"- {code(str(problem))}" for problem in problems)
    for status in statuses:
        yield from _environment(status, detailed=detailed)


def _environment(status: EnvironmentStatus, *, detailed: bool) -> Iterator[str]:
    yield from ("", f"### {code(status.name)}", "", code(facts.about(status)))
    if note := facts.mode_note(status):
        yield from ("", f"{note[0].upper()}{note[1:]}.")
    changing = [resource for resource in status.resources if resource.changes or resource.ahead]
    if changing:
        yield from ("", "| resource | condition | change | fields |", "|---|---|---|---|")
        yield from map(_row, changing)
    if notes := [note for resource in status.resources for note in _notes(status, resource)]:
        yield from ("", *notes)
    if quiet := facts.quiet(status):
        yield from ("", f"In sync: {', '.join(map(code, quiet))}")
    if changing and detailed:
        yield from ("", "<details><summary>live and desired</summary>", "")
        for resource in changing:
            yield from _values(resource)
        yield "</details>"
    for resource in status.resources:
        if detailed and (block := facts.settings(resource)):
            lines = [one_line(line) for line in block.splitlines()]
            ticks = fence("\n".join(lines), shortest=3)
            yield from ("", "<details><summary>what the new instance gets, for the file</summary>", "")
            yield from (f"{ticks}yaml", *lines, ticks, "", "</details>")


def _row(resource: ResourceStatus) -> str:
    rows = list(facts.rows(resource))
    effects = "".join(f"**{row.effect}** " for row in rows if row.effect)
    verbs = ", ".join(dict.fromkeys(row.verb for row in rows))
    fields = ", ".join(cell(row.field) for row in rows if row.field)
    return f"| {cell(facts.called(resource))} | {resource.condition.value} | {effects}{verbs} | {fields} |"


def _notes(status: EnvironmentStatus, resource: ResourceStatus) -> Iterator[str]:
    name = code(facts.called(resource))
    if reason := facts.reason(status, resource):
        yield f"- {name} is {resource.condition.value}: {code(reason)}"
    for note in facts.notes(resource):
        yield f"- {name}: {code(note, facts.NOTE)}"


def _values(resource: ResourceStatus) -> Iterator[str]:
    """A block of code: nothing in it means anything to Markdown, and no name in it is a mention."""
    lines: list[str] = []
    for row in facts.rows(resource):
        if row.field and row.sign:
            lines.append(f"{row.sign} {row.field}: {row.live} → {row.desired}")
        elif row.field:
            lines += [f"- {row.field}: {row.live}", f"+ {row.field}: {row.desired}"]
        lines += [f"  {row.takes}"] if row.takes else []
    ticks = fence("\n".join(lines), shortest=3)
    yield from (code(facts.called(resource)), "", f"{ticks}diff", *lines, ticks, "")
