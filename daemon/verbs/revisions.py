"""`trueup revisions`: which revisions of a service there are, and which of them it can be brought back to now."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from daemon import verb
from daemon.plain import one_line, redacted
from daemon.refusals import by_account
from daemon.sources import Misused, named, service_of, versions_of
from daemon.verb import Verb
from daemon.verbs import pinned
from daemon.verbs.pinned import Pins
from daemon.verbs.status_text import Line, age
from daemon.verbs.status_verb import show
from daemon.wiring import place
from desired_state.history import Version
from desired_state.model import Service
from reconcilers.aws import Connection, sentence
from reconcilers.contract import Absent, Stalled
from reconcilers.ecs_records import Incomplete, family_of, number_of, short
from reconcilers.readiness_words import Finding, Weight
from reconcilers.releases import Difference, Release, ReleaseReads, Releases


def revisions(chosen: argparse.Namespace) -> int:
    """`trueup revisions`."""
    standing = named(chosen)
    environment = standing.environment
    service = service_of(environment, chosen.service)
    connection = Connection(place(environment), timeout=chosen.aws_timeout)
    try:
        if refused := by_account(environment, connection):
            raise Misused(refused.reason)
        found = ReleaseReads(connection).of(service, chosen.most)
        now = connection.now()
    except (Absent, Stalled, Incomplete, ClientError, BotoCoreError) as error:
        raise Misused(sentence(error)) from error
    listed = _Listed(found, service, versions_of(chosen, standing), f"{chosen.environment} {chosen.service}")
    if chosen.output == "json":
        sys.stdout.write(json.dumps(listed.as_json(), indent=2) + "\n")
    else:
        show(Console(highlight=False), listed.lines(now))
    return 0


class _Listed:
    """What was found, beside what the file says and said."""

    def __init__(self, found: Releases, service: Service, versions: Iterable[Version], words: str) -> None:
        self._found, self._words = found, words
        name = words.rpartition(" ")[2]
        self._pins: Pins = pinned.revisions(versions, name, found.family)
        pin = service.task_revision
        self._now = f"{pin.family or found.family}:{pin.number}" if pin else ""
        self._shared = _shared(found.found)

    def lines(self, now: datetime) -> Iterator[Line]:
        """For people."""
        found = self._found
        if family_of(found.running) != found.family:
            yield Line(f"The service runs {short(found.running)}, of another family than its own.", "yellow")
        elif all(release.arn != found.running for release in found.found):
            yield Line(f"The service runs {short(found.running)}, which is not among these.", "yellow")
        if not found.found:
            yield Line(f"There is no ACTIVE revision of {found.family}.", "yellow")
            return
        shown, more = len(found.found), "or more " if found.active >= 100 else ""
        which = f"the newest {shown} of {found.active} {more}" if found.active > shown else ""
        yield Line(f"{found.family}: {which}ACTIVE revisions, newest first", "bold")
        for release in found.found:
            yield from self._release(release, now)
        if self._shared:
            yield Line("Of all that name it:" if len(found.found) > 1 else "Besides:", "dim")
            yield from (_finding(each, 5) for each in self._shared.values())
        yield from self._how_to()

    def _release(self, release: Release, now: datetime) -> Iterator[Line]:
        runs, ready = release.arn == self._found.running, release.verdict.ready
        style = "bold green" if runs else "red" if ready is False else ""
        yield Line(f"{number_of(release.arn)}  {_when(release, now)}{'  RUNS NOW' if runs else ''}", style)
        yield Line(one_line(", ".join(image.rpartition("/")[2] for image in release.images)), "", 5)
        if release.base:
            yield Line(f"made by trueup from {one_line(release.base, 300)}", "dim", 5)
        if by := pinned.shown(self._pins.get(short(release.arn), ()), now=short(release.arn) == self._now):
            yield Line(by, "", 5)
        if not runs and (differs := _differs(release.difference)):
            yield Line(f"against {number_of(self._found.running)}: {differs}", "", 5)
        yield from (_finding(each, 5) for each in release.verdict.findings if _key(each) not in self._shared)

    def _how_to(self) -> Iterator[Line]:
        if line := self._go_back():
            yield Line(f"To go back, for example: {line}", "dim")

    def _go_back(self) -> str:
        """The line to type, for the newest one below what runs that would start. Empty: there is none."""
        running, family = self._found.running, self._found.family
        below = number_of(running) if family_of(running) == family else 2**31
        good = (each.arn for each in self._found.found if number_of(each.arn) < below and each.verdict.ready)
        arn = next(good, "")
        return f"trueup rollback {self._words} --to {number_of(arn)}" if arn else ""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "family": self._found.family,
            "running": short(self._found.running),
            "revisions": [self._shown(release) for release in self._found.found],
            "go_back": self._go_back() or None,
        }

    def _shown(self, release: Release) -> dict[str, Any]:
        differs = release.difference
        return {
            "revision": number_of(release.arn),
            "arn": release.arn,
            "registered": f"{release.registered:%FT%TZ}" if release.registered else None,
            "registered_by": release.by or None,
            "base": release.base or None,
            "images": list(release.images),
            "runs": release.arn == self._found.running,
            "pinned": short(release.arn) == self._now,
            "pinned_by": list(self._pins.get(short(release.arn), ())),
            "env": {"comes": list(differs.comes), "goes": list(differs.goes), "changes": list(differs.changes)},
            "also_differs": list(differs.others),
            "ready": release.verdict.ready,
            "findings": [
                {"message": redacted(each.message), "weight": each.weight.value} for each in release.verdict.findings
            ],
        }


def _shared(releases: Sequence[Release]) -> dict[tuple[str, Weight], Finding]:
    """What is said once: nobody looks at it, or every revision lacks it."""
    found: dict[tuple[str, Weight], Finding] = {}
    counts = Counter(_key(each) for release in releases for each in release.verdict.findings)
    for each in (each for release in releases for each in release.verdict.findings):
        if each.weight is Weight.UNCHECKED or counts[_key(each)] == len(releases):
            found.setdefault(_key(each), each)
    return found


def _key(finding: Finding) -> tuple[str, Weight]:
    return finding.message, finding.weight


def _finding(finding: Finding, indent: int) -> Line:
    words = {Weight.MISSING: "cannot run: ", Weight.UNREAD: "not known: ", Weight.UNCHECKED: ""}
    style = {Weight.MISSING: "red", Weight.UNREAD: "yellow"}.get(finding.weight, "dim")
    return Line(words[finding.weight] + one_line(finding.message), style, indent)


def _when(release: Release, now: datetime) -> str:
    """When it was registered, and by whom: the name at the end of an ARN."""
    at = (
        f"registered {release.registered:%Y-%m-%d %H:%M}Z, {age(now, release.registered)} ago"
        if release.registered
        else ""
    )
    by = one_line(release.by.rpartition(":")[2].partition("/")[2] or release.by, 100)
    return f"{at}{f', by {by}' if by else ''}"


def _differs(difference: Difference) -> str:
    """Names of variables, never what is in them."""
    told = [f"{', '.join(names)} {what}" for names, what in _groups(difference) if names]
    return one_line("; ".join(told))


def _groups(difference: Difference) -> Iterator[tuple[tuple[str, ...], str]]:
    for names, one, many in (
        (difference.changes, "changes", "change"),
        (difference.comes, "comes", "come"),
        (difference.goes, "goes", "go"),
    ):
        yield tuple(f"env.{name}" for name in names), one if len(names) == 1 else many
    yield difference.others, "differs" if len(difference.others) == 1 else "differ"


_ABOUT = """
The newest ACTIVE revisions of a service's task family: who registered each and when,
its image, what differs from the one that runs (names of variables, never their values),
which commit of the file pinned it, and whether its tasks could start now.

  trueup revisions production.yaml api
  trueup revisions replaydash-production api --most 30 --output json

ENVIRONMENT is a file, or the name of an environment: in the repository where one is
given, else in this folder. SERVICE is the name of its entry. Nothing is written.
"""


VERB = Verb(
    "revisions",
    verb.LOOK,
    "which revisions a service can go back to",
    _ABOUT,
    revisions,
    arguments=verb.listing,
)
