"""What a pass would make of a change of the file, and whether what it touches could work at all."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from daemon import commands, plan
from daemon.plain import one_line
from daemon.plan_facts import called
from daemon.sources import Misused
from daemon.status import EnvironmentStatus, ResourceStatus
from daemon.wiring import place
from desired_state.in_force import Standing, with_former
from desired_state.model import Environment, Mode
from desired_state.parse import Problem
from reconcilers.aws import Connection, sentence
from reconcilers.contract import Condition

PATIENCE: Final = 4.0
"""Seconds for one answer of AWS: a person waits for the plan, and may go on without it."""
_OF_TWO: Final = 2 / 3  # a read is tried three times: in all that is the time of two

_BLOCKED: Final = "revision_blocked"  # a count does not wait for it: the pass after that is stalled


@dataclass(frozen=True)
class Planned:
    """What a pass would make of the new text."""

    statuses: tuple[EnvironmentStatus, ...] = ()
    problems: tuple[Problem, ...] = ()
    why_not: str = ""
    """Why there is no plan."""

    @property
    def code(self) -> int:
        """The exit code of `trueup plan`."""
        return 1 if self.why_not else plan.exit_code(self.statuses, self.problems)


def planned(
    chosen: argparse.Namespace, supposed: Standing, problems: tuple[Problem, ...], before: Environment
) -> Planned:
    """AWS that does not answer is no reason not to go back: then there is no plan, and people are told why."""
    brief = argparse.Namespace(**vars(chosen) | {"aws_timeout": min(chosen.aws_timeout, PATIENCE)})
    try:
        _ask(supposed.environment, brief.aws_timeout)
        statuses = commands.planned([supposed], lambda _: before, brief)
    except (Misused, OSError) as error:
        return Planned(problems=problems, why_not=one_line(f"{error}"))
    return Planned((), problems, why_not) if (why_not := _silent(statuses)) else Planned(statuses, problems)


def hopeless(chosen: argparse.Namespace, made: Planned, standing: Standing, now: Environment) -> list[str]:
    """What the change touches and could not work, each in a sentence: what was as hopeless before does not count.

    `standing`: what the file says without the change, which is looked at too, where that matters. `now`: with it.
    """
    claimed = [one_line(f"{problem}") for problem in made.problems]
    found = [(each, why) for each, why in _stuck(made.statuses) if touches(standing.environment, now, each)]
    if not found:
        return claimed
    (former,) = (standing,) if standing.commit else with_former([standing])
    before = planned(chosen, former, (), standing.environment)
    if before.why_not:  # AWS has ceased to answer: what was before is not known, and nobody is held up
        return claimed
    known = {(each.kind, each.name, why) for each, why in _stuck(before.statuses)}
    fresh = [(each, why) for each, why in found if (each.kind, each.name, why) not in known]
    return claimed + [f"{called(each)}: {one_line(why)}" for each, why in fresh]


def touches(before: Environment, now: Environment, entry: ResourceStatus) -> bool:
    """Whether a change of the file says something else of an entry. Pure."""
    if entry.kind == "maintenance":
        return before.maintenance != now.maintenance
    kinds: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
        "service": (before.services, now.services),
        "database": (before.databases, now.databases),
        "infrastructure": (before.infrastructure, now.infrastructure),
    }
    then, after = kinds.get(entry.kind, ({}, {}))
    return then.get(entry.name) != after.get(entry.name)


def _stuck(statuses: Sequence[EnvironmentStatus]) -> Iterator[tuple[ResourceStatus, str]]:
    """What only a person can mend, and why: at once, or once what else differs was changed."""
    for entry in _entries(statuses):
        if entry.condition is Condition.STALLED:
            yield entry, entry.reason
        yield from ((entry, each.message) for each in entry.advice if each.type == _BLOCKED)


def _entries(statuses: Sequence[EnvironmentStatus]) -> Iterator[ResourceStatus]:
    return (entry for status in statuses for entry in status.resources)


def _ask(environment: Environment, timeout: float) -> None:
    """One read, so that nobody waits for each service of an AWS that is silent. Misused: it is."""
    if environment.mode is Mode.SUSPENDED:
        return
    connection = Connection(place(environment), timeout=timeout * _OF_TWO)
    cluster = next((each.cluster for each in environment.services.values()), "default")
    try:
        connection.reading("ecs").describe_clusters(clusters=[cluster])
    except (BotoCoreError, ClientError) as error:
        if not connection.was_answered:
            raise Misused(f"AWS did not answer: {sentence(error)}") from error


def _silent(statuses: Sequence[EnvironmentStatus]) -> str:
    """Why nothing at all could be read; empty where something was."""
    entries = list(_entries(statuses))
    if entries and all(each.condition is Condition.RETRYING and not each.changes for each in entries):
        return one_line(entries[0].reason)
    return ""
