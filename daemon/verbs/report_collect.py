"""Collect what a report is made of. Whatever does not answer is a gap that the report names, and never ends it."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from daemon.chronicle import MOST
from daemon.event_file import lines_of
from daemon.events import Event, read, spelled
from daemon.plain import one_line
from daemon.sources import Misused
from daemon.verbs import client, report_drifts
from daemon.verbs.client import Unreached
from daemon.verbs.report_facts import Facts
from desired_state.history import Version
from desired_state.in_force import Standing
from reconcilers import alarm_history, ecs_history
from reconcilers.aws import Connection, sentence
from reconcilers.contract import Absent, Stalled
from reconcilers.ecs_history import ServicePast
from reconcilers.trail import Trail

Told = TypeVar("Told")

EVENTS: Final = "/api/v1/events"
_APART: Final = 2.5  # seconds between two clocks that people are told of
_SERVICES: Final = 20  # that ECS is asked about
_LARGEST: Final = 16 * 1024 * 1024  # bytes of a file of events


class Collection:
    """What is asked, one after the other."""

    def __init__(self, connection: Connection | None, gaps: Sequence[str] = ()) -> None:
        """`connection` None: AWS cannot be asked; `gaps` says why."""
        self._aws = connection
        self._gaps = list(gaps)

    def facts(
        self,
        chosen: argparse.Namespace,
        standing: Standing,
        versions: Sequence[Version],
        span: tuple[datetime, datetime],
        made: datetime,
    ) -> Facts:
        """Everything about one environment between two instants. Misused: a file of events cannot be read."""
        (since, until), environment = span, standing.environment
        if not versions:
            self._gaps.append("git knows no version of the file, so its commits are missing")
        events = self._events(chosen, environment.environment, since, until)
        facts = Facts(
            environment=environment,
            file=standing.file,
            since=since,
            until=until,
            made=made,
            heard=events is not None,
            events=tuple(events or ()),
            versions=tuple(versions),
            services=dict(self._services(standing, since, until)),
            alarms=tuple(self._alarms(standing, since, until)),
        )
        facts = self._with_deeds(facts)
        return replace(facts, gaps=tuple(dict.fromkeys(one_line(gap) for gap in self._gaps)))

    def _events(self, chosen: argparse.Namespace, name: str, since: datetime, until: datetime) -> list[Event] | None:
        told = _of_file(chosen.events) if chosen.events else self._of_daemon(chosen.daemon, name, since)
        if told is None:
            return None
        return [each for each in told if each.environment == name and since <= each.at <= until]

    def _of_daemon(self, address: str, name: str, since: datetime) -> list[Event] | None:
        """None: nobody tells, which is another thing than that nothing happened."""
        try:
            answer = client.get(address, EVENTS, {"environment": name, "since": spelled(since)})
        except Unreached as error:
            self._gaps.append(f"what the daemon saw and did is missing: {error}; or give its file with --events")
            return None
        self._compare_clocks(answer.at)
        told = answer.document.get("events") if isinstance(answer.document, dict) else None
        if not isinstance(told, list):
            self._gaps.append(f"what the daemon saw and did is missing: what {address} answered holds no events")
            return None
        if len(told) >= MOST:
            self._gaps.append("the daemon had more to tell than it keeps in memory; its file (--events) has more")
        return [event for each in told if (event := read(each))]

    def _compare_clocks(self, daemon: datetime) -> None:
        """Both tell whole seconds."""
        apart = (daemon - self._aws.now()).total_seconds() if self._aws else 0.0
        if abs(apart) > _APART:
            ahead = "ahead of" if apart > 0 else "behind"
            self._gaps.append(
                f"the clock of the daemon's machine is {abs(apart):.0f} s {ahead} that of AWS: "
                "the lines of trueup are that far from those of AWS"
            )

    def _services(self, standing: Standing, since: datetime, until: datetime) -> Iterator[tuple[str, ServicePast]]:
        services = list(standing.environment.services.items())
        if len(services) > _SERVICES:
            self._gaps.append(f"the file has {len(services)} services; ECS was asked about the first {_SERVICES}")
        for name, service in services[:_SERVICES]:
            past = self._asked(
                f"what ECS knows of service {name}",
                lambda aws, of=service: ecs_history.past(aws, of.cluster, of.service, since, until),  # type: ignore[misc]  # mypy infers no default of a lambda
            )
            if past is not None:
                self._gaps += past.gaps
                yield name, past

    def _alarms(self, standing: Standing, since: datetime, until: datetime) -> Sequence[alarm_history.AlarmChange]:
        verify = standing.environment.verify
        if verify is None or not verify.alarms:
            return ()
        if len(verify.alarms) > alarm_history.MOST:
            self._gaps.append(f"the file names {len(verify.alarms)} alarms; the first {alarm_history.MOST} are told")
        told = self._asked(
            "the history of the alarms", lambda aws: list(alarm_history.changes(aws, verify.alarms, since, until))
        )
        return told or ()

    def _with_deeds(self, facts: Facts) -> Facts:
        """Who changed what has drifted. Nobody is looked for where nothing has."""
        between, operations = report_drifts.span(facts), report_drifts.operations(facts)
        if self._aws is None or between is None or not operations:
            return facts
        found = Trail(self._aws).deeds(operations, *between)
        self._gaps += found.gaps
        return replace(facts, deeds=found.deeds, deeds_known=found.whole)

    def _asked(self, what: str, ask: Callable[[Connection], Told]) -> Told | None:
        """What AWS says, or None and a gap. Where AWS cannot be reached it is not asked for the next thing."""
        if self._aws is None:
            return None
        try:
            return ask(self._aws)
        except (Absent, Stalled, ClientError) as error:
            self._gaps.append(f"{what} is missing: {sentence(error)}")
        except BotoCoreError as error:
            self._gaps.append(f"what AWS knows is missing: {sentence(error)}")
            self._aws = None
        return None


def _of_file(file: Path) -> list[Event]:
    try:
        with file.open("rb") as opened:
            return lines_of(opened.read(_LARGEST))
    except OSError as error:
        raise Misused(f"{one_line(str(file), 200)} cannot be read ({error.strerror}); name an events.jsonl") from error
