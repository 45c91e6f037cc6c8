"""`trueup adopt`: a first file from what is live in a cluster, which then plans no change."""

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import boto3
from botocore.exceptions import BotoCoreError
from rich.console import Console
from rich.text import Text

from daemon import commands, plan, plan_facts, settings, verb
from daemon.plain import one_line
from daemon.settings import Option
from daemon.sources import Misused
from daemon.status import EnvironmentStatus
from daemon.verb import Verb
from daemon.verbs.adopt_file import as_file, left_out
from daemon.verbs.adopt_words import environment_name
from desired_state.in_force import Standing
from desired_state.model import Environment
from desired_state.parse import Invalid, parse
from desired_state.values import printable
from reconcilers.adoption import TROUBLE, Adoption, Found
from reconcilers.aws import Connection, Place, sentence

_REGION: Final = Option(
    "region", "the AWS region of the cluster; unset: AWS_REGION, or that of the profile", metavar="REGION"
)
_ECS: Final = re.compile("[A-Za-z0-9_-]{1,255}")
_ENTRY: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_STDOUT: Final = "the adopted file"  # what it is called where it has no name yet


def adopt(chosen: argparse.Namespace) -> int:
    """`trueup adopt`."""
    name = _checked(chosen)
    connection = Connection(Place(_region(chosen.region)), timeout=chosen.aws_timeout)
    try:
        found = Adoption(connection).of(chosen.cluster, chosen.services, name)
        now = connection.now()
    except TROUBLE as error:
        raise Misused(one_line(sentence(error))) from error
    if not found.services:
        why = "; ".join(f"{each.name}: {each.why}" for each in found.unfit)
        raise Misused(one_line(f"there is nothing in {chosen.cluster} that trueup can look after: {why}"))
    text = as_file(found, name, now)
    environment = _read(text)
    _put(text, chosen.write)
    standing = Standing(str(chosen.write or _STDOUT), "", environment)
    statuses = commands.planned([standing], lambda _: None, chosen)
    _tell(found, statuses, chosen.write)
    return plan.exit_code(statuses, ())


def _checked(chosen: argparse.Namespace) -> str:
    """The name of the environment, once all words are possible. Misused: one of them is not."""
    for word in (chosen.cluster, *chosen.services):
        if not _ECS.fullmatch(word):
            last = f", such as {printable(re.split('[:/]', word)[-1])}" if word.startswith("arn:") else ""
            raise Misused(f"{printable(word)} is not the name of a cluster or a service; write its name{last}")
    name: str = chosen.environment or environment_name(chosen.cluster)
    if not _ENTRY.fullmatch(name):
        rule = "1 to 63 letters, digits, dots, underscores and hyphens, the first a letter or a digit"
        raise Misused(f"{printable(name)} cannot be the name of an environment; write {rule}")
    if chosen.write and os.path.lexists(chosen.write):
        raise Misused(f"{printable(str(chosen.write), 200)} is there already; name a file that is not")
    return name


def _region(given: str | None) -> str:
    try:
        region = given or os.environ.get("AWS_REGION") or boto3.Session().region_name
    except BotoCoreError as error:
        raise Misused(f"AWS cannot be asked: {sentence(error)}") from error
    if not region:
        raise Misused("no region is set; name that of the cluster, such as --region us-east-1")
    return region


def _read(text: str) -> Environment:
    """The file as trueup reads it. Misused: it would not be valid, which is a mistake of trueup's own."""
    try:
        return parse(text.encode(), _STDOUT)
    except Invalid as error:
        raise Misused(
            f"what is live cannot be written as one file: {error}; name fewer services, or report this"
        ) from None


def _put(text: str, file: Path | None) -> None:
    if file is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        with file.open("x", encoding="utf-8", newline="\n") as new:
            new.write(text)
    except OSError as error:
        raise Misused(f"{printable(str(file), 200)} cannot be written: {error.strerror}; name another file") from error


def _tell(found: Found, statuses: Sequence[EnvironmentStatus], file: Path | None) -> None:
    """On stderr: stdout is the file."""
    console = Console(stderr=True, highlight=False)
    lead = f"wrote {printable(str(file), 200)}; " if file else ""
    verdict, style = _verdict(statuses)
    console.print(Text(lead + verdict, style=style), soft_wrap=True)
    for line in _differences(statuses):
        console.print(Text(f"  {line}"), soft_wrap=True)
    if left := len(list(left_out(found))):
        things = "1 thing is" if left == 1 else f"{left} things are"
        console.print(Text(f"{things} left out; the end of the file says which, and why"), soft_wrap=True)


def _verdict(statuses: Sequence[EnvironmentStatus]) -> tuple[str, str]:
    """In words, and their colour."""
    if any(resource.drifts for status in statuses for resource in status.resources):
        return "this file would change what is live:", "yellow"
    if plan.exit_code(statuses, ()):
        return "this file plans no change, but not all is well:", "yellow"
    return "this file plans no change", "green"


def _differences(statuses: Sequence[EnvironmentStatus]) -> Iterator[str]:
    for status in statuses:
        for resource in status.resources:
            called = plan_facts.called(resource)
            for row in plan_facts.rows(resource):
                yield f"{called}: {row.verb}" + (f" {row.field}: {row.live} → {row.desired}" if row.field else "")
            if (resource.drifts or plan_facts.is_wrong(resource)) and (reason := plan_facts.reason(status, resource)):
                yield f"{called}: {resource.condition.value}: {reason}"
            yield from (f"{called}: {one_line(advice.message)}" for advice in resource.advice)


_ABOUT = """
Write a first environment file from what is live in an ECS cluster. AWS is only read.

  trueup adopt replaydash-production-cluster --write production.yaml
  trueup adopt replaydash-production-cluster replaydash-production-api > api.yaml

Without SERVICE all services of the cluster are adopted. What trueup cannot look after,
and what may not be read, is left out, with a comment that says why. No value of a secret
is written. Then the file is planned, and stderr says what it would change.

Exit code: 0 the file plans no change, 2 it does (a service is not as it was when it was
read, for example), 1 error.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cluster", metavar="CLUSTER", help="the name of an ECS cluster")
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="names of its services; none: all of them")
    parser.add_argument("--environment", metavar="NAME", help="(default: the name of the cluster, without -cluster)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a file that is not there yet (default: stdout)")
    settings.add(parser, (_REGION, *settings.AWS))


VERB = Verb(
    "adopt",
    verb.FILES,
    "write a first file from what is live",
    _ABOUT,
    adopt,
    arguments=_arguments,
)
