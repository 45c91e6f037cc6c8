"""The runs of several methods as a table, and trueup's against the runbook's."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from tests.bench.methods import CORRECTED, Method, Task
from tests.bench.table import Figure, Section, figures

_FASTER = 5  # times, against the runbook
_REACHED = ("UpdateService", "stable", "done")
_COLUMNS = ("method", *(f"→ {what}" for what in _REACHED), "commands", "AWS calls", "registered", "deregistered")


@dataclass(frozen=True)
class Run:
    """One rollback."""

    # From the first command until: UpdateService arrived; PRIMARY is another revision and COMPLETED; the last command
    # returned, or trueup says in sync.
    seconds: tuple[float, float, float]
    calls: Counter[str]
    retired: tuple[str, ...]  # revisions that were deregistered
    left: str


def section(task: Task, runs: dict[str, list[Run]], rollout: float) -> Section:
    """One task: a row a method."""
    rows = [_row(method, runs[method.name]) for method in task.methods]
    notes = [_note(name, each) for name, each in runs.items()]
    rounds = len(next(iter(runs.values())))
    notes.append(
        f"medians, from the first command, nobody's typing counted; runs of each: {rounds}; a rollout: {rollout} s; "
        "done: the last command returned, or trueup says in sync"
    )
    return Section(f"Side by side: {task.title}", _COLUMNS, rows, notes)


def against_the_runbook(task: Task, runs: dict[str, list[Run]], interval: float) -> Section:
    """How many times faster the second method of the task, trueup, is than the first, the runbook."""
    runbook, trueup = task.methods[0], task.methods[1]
    slow, fast = _medians(runs[runbook.name]), _medians(runs[trueup.name])
    told = [_faster(*each) for each in zip(_REACHED, slow, fast, strict=True)]
    few = f"{trueup.commands} (git commit, git push) instead of {runbook.commands}"
    told.append(Figure("commands typed", few, "one commit instead of ≥ 4 commands", runbook.commands >= 4))
    return figures(
        "trueup against the runbook, back to an existing revision",
        told,
        f"trueup polls git every {interval:.0f} s here; with its default of 30 s the first write comes 15 s after the "
        "push on average",
        "the awscli's waiter looks every 15 s, which is most of the runbook's time until done; a rollout in AWS takes "
        "minutes whoever asks for it, so that stable and done differ by less there",
        CORRECTED,
    )


def _row(method: Method, runs: list[Run]) -> tuple[str, ...]:
    times = (f"{seconds:.2f} s" for seconds in _medians(runs))
    calls = [run.calls for run in runs]
    counts = [_range(made.total() for made in calls)]
    counts += [_range(made[f"{verb}TaskDefinition"] for made in calls) for verb in ("Register", "Deregister")]
    return method.name, *times, str(method.commands), *counts


def _note(name: str, runs: list[Run]) -> str:
    left = " / ".join(sorted({run.left for run in runs}))
    retired = sorted({revision.rpartition("/")[2] for run in runs for revision in run.retired})
    also = f"; {', '.join(retired)} can be run no more" if retired else ""
    return f"{name}: what runs against its base differs in: {left}{also}"


def _medians(runs: list[Run]) -> tuple[float, ...]:
    return tuple(median(column) for column in zip(*(run.seconds for run in runs), strict=True))


def _faster(what: str, slow: float, fast: float) -> Figure:
    told = f"{slow / fast:.1f} times faster ({slow:.2f} s / {fast:.2f} s)"
    return Figure(f"first command → {what}", told, f"≥ {_FASTER} times faster", slow / fast >= _FASTER)


def _range(numbers: Iterable[int]) -> str:
    found = list(numbers)
    return f"{min(found)}" if min(found) == max(found) else f"{min(found)} to {max(found)}"
