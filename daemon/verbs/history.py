"""`trueup history`: the last versions of a file, when each was live, and whether going back to it would work now."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from daemon import verb
from daemon.chronicle import Chronicle
from daemon.differences import pinned
from daemon.differences import told as told_of
from daemon.past import History, Past, as_json, history, present, read
from daemon.plain import one_line
from daemon.readiness import Look, looked
from daemon.refusals import by_account
from daemon.sources import Misused, named, versions_of
from daemon.verb import Verb
from daemon.verbs import client
from daemon.verbs.client import Unreached
from daemon.verbs.status_text import Line, short
from daemon.verbs.status_verb import show
from daemon.wiring import place
from desired_state.history import RECENT, earlier
from desired_state.in_force import Standing
from reconcilers.aws import Connection, sentence
from reconcilers.readiness import Readiness

PAGE: Final = "/api/v1/history"
_PAUSE: Final = 5.0  # seconds between the two looks that make a missing answer a fact
_MOST_NOTES: Final = 5  # of one version; --output json has all
_STYLES: Final = {True: "green", False: "red", None: "yellow"}


def run(chosen: argparse.Namespace) -> int:
    """`trueup history`."""
    name = client.name_of(chosen.environment, chosen.daemon)
    found, note = _told(chosen.daemon, name)
    if found is None:
        found = _looked_at(chosen, note)
    if chosen.output == "json":
        sys.stdout.write(json.dumps({"from_daemon": not note, **as_json(found)}, indent=2) + "\n")
    else:
        show(Console(highlight=False), lines(found, note))
    return 0


def lines(found: History, note: str) -> Iterator[Line]:
    """For people: two lines a version at least, the present one first. Pure."""
    yield Line(f"{found.environment}: the versions of {found.file} (times in UTC)", "bold")
    if note:
        yield Line(f"{note}; looked at now with your own credentials, and when each was live is not known", "yellow")
    for past in found.versions:
        yield from _version(past)
    yield from _unchecked(found)
    if len(found.versions) == 1:
        yield Line("no earlier version says anything else: there is nothing to go back to", "dim", 2)
    elif any(past.ready for past in found.versions[1:]):
        yield Line(f"to take the services back: trueup rollback {found.environment} --to COMMIT", "dim")


def _unchecked(found: History) -> Iterator[Line]:
    """Once, since most of it is the same in every version."""
    every = dict.fromkeys(f"{each.entry}: {each.message}" for past in found.versions for each in past.unchecked)
    yield from (Line(each, "dim") for each in islice(every, _MOST_NOTES))
    if len(every) > _MOST_NOTES:
        yield Line(f"and {len(every) - _MOST_NOTES} more that are not checked", "dim")


def _version(past: Past) -> Iterator[Line]:
    where = "now" if past.back == 0 else f"{past.back:>3}"
    yield Line(f"{where} {short(past.commit)} {past.subject}".rstrip(), "bold" if past.back == 0 else "", 1)
    about = [f"{past.at:%Y-%m-%d %H:%M} by {past.author}" if past.at else f"by {past.author}" if past.author else ""]
    about += [_life(past), {True: "verified", False: "its checks failed", None: ""}[past.verified]]
    if told := "; ".join(each for each in about if each):
        yield Line(told, "dim", 5)
    if words := pinned(past.pins):
        yield Line(f"pins {words}", "", 5)
    if past.changed:
        yield Line(f"going back changes: {', '.join(told_of(past.changed))}", "", 5)
    if past.back and past.pins and not past.changed:
        yield Line("it says what is there now: going back changes nothing", "dim", 5)
    elif past.back:
        yield from _readiness(past)


def _life(past: Past) -> str:
    if past.live is None:
        return ""
    until = f" to {past.until:%Y-%m-%d %H:%M}" if past.until else ""
    return f"live {past.live:%Y-%m-%d %H:%M}{until}" if until else f"live since {past.live:%Y-%m-%d %H:%M}"


def _readiness(past: Past) -> Iterator[Line]:
    ready = "would work, but its checks failed" if past.verified is False else "ready to go back to"
    verdict = {True: ready, False: "not ready", None: "not known whether it is ready"}[past.ready]
    missing = [each for each in past.findings if each.missing]
    if past.ready and past.findings and past.told:
        verdict += f", as of {past.told:%Y-%m-%d %H:%M}"
    shown = missing or list(past.findings)
    if len(shown) == 1:
        verdict += f": {shown[0].entry}: {shown[0].message}"
    yield Line(verdict, _STYLES[past.ready], 5)
    if len(shown) > 1:
        yield from (Line(f"{each.entry}: {each.message}", "", 7) for each in shown[:_MOST_NOTES])
        if len(shown) > _MOST_NOTES:
            yield Line(f"and {len(shown) - _MOST_NOTES} more", "dim", 7)


def _told(address: str, name: str) -> tuple[History | None, str]:
    """What the daemon knows of an environment, or why it does not."""
    try:
        every = read(client.get(address, PAGE).document)
    except Unreached as error:
        return None, f"{error}".partition(";")[0]
    for each in every:
        if each.environment == name:
            return each, ""
    known = ", ".join(each.environment for each in every) or "none"
    return None, f"the daemon at {address} has no environment {one_line(name, 100)} (it has: {known})"


def _looked_at(chosen: argparse.Namespace, note: str) -> History:
    """The same from git and AWS themselves. Misused: there is no such environment here either."""
    try:
        standing = named(chosen)
    except Misused as error:
        raise Misused(f"{note}, and here {error}") from error
    every = versions_of(chosen, standing)
    recent = tuple(islice(earlier(every, standing.environment), RECENT))
    by = every[0].commit if every and every[0].environment == standing.environment else None
    standing = replace(standing, recent=recent)
    known = _checked(chosen, standing).known if recent else ()
    return history(standing, present(standing, by), known, Chronicle())


def _checked(chosen: argparse.Namespace, standing: Standing) -> Look:
    """One check; what is missing gets a second look, five seconds later."""
    connection = Connection(place(standing.environment), timeout=chosen.aws_timeout)
    readiness, look = Readiness(connection), Look()
    try:
        if refused := by_account(standing.environment, connection):
            raise Misused(refused.reason)
        for pause in (0.0, _PAUSE):
            time.sleep(pause)
            connection.new_pass()
            verdicts = readiness.of(standing.environment, standing.recent) or ()
            look = looked(look, standing.recent, verdicts, datetime.now(UTC))
            if not look.doubtful:
                break
    except (ClientError, BotoCoreError) as error:
        raise Misused(sentence(error)) from error
    return look


_ABOUT = """
The last versions of an environment's file that said something else: who committed
each, what it pins, when it was live, whether its checks held, what going back to it
changes now, and whether that would work right now, or what is missing.

  trueup history replaydash-production
  trueup history production.yaml --output json

ENVIRONMENT is a file, or the name of an environment. The running daemon is asked;
where none answers, git and AWS are read with your own credentials. Nothing is written.
Exit code: 0 told, 1 error.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser)
    verb.output(parser)
    client.arguments(parser)
    verb.where(parser)


VERB = Verb("history", verb.LOOK, "what can be gone back to, and whether it would work", _ABOUT, run, _arguments)
