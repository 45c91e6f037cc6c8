"""`trueup report`: the draft of a post-mortem, made of facts alone."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from daemon import verb
from daemon.events import instant
from daemon.plain import one_line
from daemon.refusals import by_account
from daemon.sources import Misused, named, versions_of
from daemon.verb import Verb
from daemon.verbs import client, report_text
from daemon.verbs.report_collect import Collection
from daemon.verbs.report_story import story
from daemon.wiring import place
from desired_state.history import Version
from desired_state.model import Environment
from reconcilers.aws import Connection, sentence
from reconcilers.contract import Condition

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST: Final = timedelta(days=80)  # ECS tells of its deployments no further back


def report(chosen: argparse.Namespace) -> int:
    """`trueup report`."""
    standing = named(chosen)
    versions = versions_of(chosen, standing)
    connection, gaps, made = _aws(chosen, standing.environment)
    span = _span(chosen, made, versions)
    if chosen.write is not None and chosen.write.exists():
        raise Misused(f"{one_line(f'{chosen.write}', 200)} is there already; name a file that is not")
    told = story(Collection(connection, gaps).facts(chosen, standing, versions, span, made))
    as_text = chosen.output == "markdown"
    text = report_text.as_markdown(told) if as_text else json.dumps(report_text.as_json(told), indent=2) + "\n"
    if chosen.write is None:
        sys.stdout.write(text)
    else:
        _write(chosen.write, text)
    return 0


def _aws(chosen: argparse.Namespace, environment: Environment) -> tuple[Connection | None, list[str], datetime]:
    """AWS and its time; without it, why, and this machine's. Misused: the credentials are of another account."""
    connection = Connection(place(environment), timeout=chosen.aws_timeout)
    try:
        made = connection.now()
    except (ClientError, BotoCoreError) as error:
        return None, [f"what AWS knows is missing: {sentence(error)}"], datetime.now(UTC)
    refused = by_account(environment, connection)
    if refused and refused.condition is Condition.STALLED:
        raise Misused(refused.reason)
    return (None, [refused.reason], made) if refused else (connection, [], made)


def _span(chosen: argparse.Namespace, made: datetime, versions: Sequence[Version]) -> tuple[datetime, datetime]:
    """Without --until it is now by the later of two clocks: the daemon's may be another one than AWS's."""
    now = max(made, datetime.now(UTC))
    since = moment("--since", chosen.since, now, versions)
    until = moment("--until", chosen.until, now, versions) if chosen.until else now
    if since >= until:
        raise Misused(f"--since is {since:%FT%TZ}, which is not before {until:%FT%TZ}; name an earlier one")
    if until - since > _LONGEST:
        raise Misused(f"that is more than {_LONGEST.days} days; ECS tells no further back: name a later --since")
    return since, until


def moment(option: str, word: str, now: datetime, versions: Sequence[Version]) -> datetime:
    """What a person means by `2h`, an instant or a commit of the file. Misused: none of them."""
    if match := re.fullmatch(r"(\d{1,5})([smhd])", word, re.ASCII):
        return now - timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if at := instant(word):
        return at
    if re.fullmatch("[0-9a-f]{4,64}", word):
        found = [each.commit for each in versions if each.commit.oid.startswith(word)]
        if len(found) == 1:
            return found[0].at
        wrong = f"{len(found)} commits begin so" if found else "no commit that changed the file begins so"
        raise Misused(f"{option} {word}: {wrong}; `git log -- FILE` lists them")
    raise Misused(f"{option} {one_line(word, 60)} is no time; write 2h, 2024-02-24T12:00:00Z, or a commit of the file")


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise Misused(f"{one_line(f'{file}', 200)} cannot be written: {error.strerror}") from error
    sys.stderr.write(f"the report is in {one_line(f'{file}', 200)}\n")


_ABOUT = """
The draft of a post-mortem, made of facts alone: a timeline of commits, drifts (and who
changed it, from CloudTrail), changes, deployments and verifications; how long it took to
detect, to act, to converge and to verify; and the checklist of the runbook, ticked with
evidence. What is not known is said; what happened and why is for people to write.

  trueup report replaydash-production --since 2h
  trueup report production.yaml --since 1a2b3c4d --write incident.md

--since and --until take 2h, 2024-02-24T12:00:00Z, or a commit of the file. The daemon is
asked for what it saw; --events reads its events.jsonl where it runs no more. Reads only.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser)
    parser.add_argument("--since", required=True, metavar="WHEN", help="from when on: 2h, an instant, or a commit")
    parser.add_argument("--until", metavar="WHEN", help="to when (default: now)")
    parser.add_argument("--output", choices=("markdown", "json"), default="markdown", help="(default: markdown)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a new file for it, in place of the terminal")
    parser.add_argument("--events", type=Path, metavar="FILE", help="the daemon's events.jsonl, in place of the daemon")
    client.arguments(parser)
    verb.where(parser)


VERB = Verb("report", verb.LOOK, "draft a post-mortem from facts", _ABOUT, report, arguments=_arguments)
