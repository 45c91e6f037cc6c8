"""`trueup images`: the newest images that a service's container could run."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.filesize import decimal

from daemon import verb
from daemon.plain import one_line
from daemon.refusals import by_account
from daemon.sources import Misused, named, service_of, versions_of
from daemon.verb import Verb
from daemon.verbs import pinned
from daemon.verbs.pinned import Pins
from daemon.verbs.status_text import Line
from daemon.verbs.status_verb import show
from daemon.wiring import place
from desired_state.model import Service
from reconcilers.aws import Connection, sentence
from reconcilers.contract import Absent, Stalled
from reconcilers.ecs_records import Incomplete
from reconcilers.releases import Image, Images, ReleaseReads

_TITLES = ("tag", "pushed (UTC)", "digest", "size", "")
_DIGEST = 19  # characters: `sha256:` and twelve


def images(chosen: argparse.Namespace) -> int:
    """`trueup images`."""
    standing = named(chosen)
    environment = standing.environment
    service = service_of(environment, chosen.service)
    connection = Connection(place(environment), timeout=chosen.aws_timeout)
    try:
        if refused := by_account(environment, connection):
            raise Misused(refused.reason)
        found = ReleaseReads(connection).images(service, chosen.most)
    except (Absent, Stalled, Incomplete, ClientError, BotoCoreError) as error:
        raise Misused(sentence(error)) from error
    pins = pinned.images(versions_of(chosen, standing), chosen.service)
    if chosen.output == "json":
        sys.stdout.write(json.dumps([_as_json(each, pins, service) for each in found], indent=2) + "\n")
    else:
        words = f"{chosen.environment} {chosen.service}"
        console = Console(highlight=False)
        width = console.width if console.is_terminal else None
        show(console, (line for each in found for line in _lines(each, pins, service, words, width)))
    return 0


def _lines(found: Images, pins: Pins, service: Service, words: str, width: int | None) -> Iterator[Line]:
    """`width`: columns that the table must fit in; None: it may be as wide as it is."""
    account, region, repository = found.registry
    counted = f"the newest {len(found.found)} of {found.count}" if found.count > len(found.found) else "newest first"
    yield Line(f"{one_line(repository, 300)} in account {account}, {region}: {counted}", "bold")
    if found.partial:
        yield Line("It holds more images than were looked at, and newer ones may be among those.", "yellow")
    if not found.found:
        yield Line("There is no image with a tag.", "yellow")
        return
    rows = [_TITLES, *(_cells(each, found, pins, service) for each in found.found)]
    table = list(_aligned(rows))
    notes = [""] * len(rows)
    if width is not None and max(map(len, table)) > width:  # what is last goes below
        table, notes = list(_aligned([row[:-1] for row in rows])), [row[-1] for row in rows]
    for number, (line, note) in enumerate(zip(table, notes, strict=True)):
        runs = number > 0 and _runs(found.found[number - 1], found)
        style = "bold" if number == 0 else "bold green" if runs else ""
        yield Line(line, style)
        if note:
            yield Line(note, style, 4)
    if other := _before(found):
        yield Line(f"For example: trueup rollback {words} --to {one_line(other, 200)}", "dim")


def _cells(image: Image, found: Images, pins: Pins, service: Service) -> tuple[str, ...]:
    names = (*image.tags, image.digest)
    commits = tuple(dict.fromkeys(commit for name in names for commit in pins.get(name, ())))
    notes = ["RUNS NOW"] if _runs(image, found) else []
    notes += [note] if (note := pinned.shown(commits, now=service.image_tag in names)) else []
    return (
        one_line(", ".join(image.tags) or "none", 200),
        f"{image.pushed:%Y-%m-%d %H:%M}" if image.pushed else "not known",
        one_line(image.digest[:_DIGEST], 100),
        decimal(image.size),
        "; ".join(notes),
    )


def _before(found: Images) -> str:
    """The tag of the image before the one that runs; of the newest other one where that is not among these."""
    others = [each for each in found.found if each.tags]
    running = next((number for number, each in enumerate(others) if _runs(each, found)), -1)
    return next((each.tags[0] for each in others[running + 1 :]), "")


def _runs(image: Image, found: Images) -> bool:
    """Whether the running revision names it; a tag that was pushed again since may have run as another image."""
    return found.running in (*image.tags, image.digest)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _as_json(found: Images, pins: Pins, service: Service) -> dict[str, Any]:
    account, region, repository = found.registry
    return {
        "repository": repository,
        "account": account,
        "region": region,
        "count": found.count,
        "partial": found.partial,
        "images": [_shown(each, found, pins, service) for each in found.found],
    }


def _shown(image: Image, found: Images, pins: Pins, service: Service) -> dict[str, Any]:
    names = (*image.tags, image.digest)
    return {
        "tags": list(image.tags),
        "digest": image.digest,
        "pushed": f"{image.pushed:%FT%TZ}" if image.pushed else None,
        "bytes": image.size,
        "runs": _runs(image, found),
        "pinned": service.image_tag in names,
        "pinned_by": list(dict.fromkeys(commit for name in names for commit in pins.get(name, ()))),
    }


_ABOUT = """
The newest images in the ECR repository of a service's container: their tags, when each
was pushed, which one the running revision names, and which commit pinned it.

  trueup images production.yaml api
  trueup images replaydash-production api --most 30 --output json

ENVIRONMENT is a file, or the name of an environment: in the repository where one is
given, else in this folder. SERVICE is the name of its entry. Nothing is written.
"""


VERB = Verb("images", verb.LOOK, "the newest images a service could run", _ABOUT, images, arguments=verb.listing)
