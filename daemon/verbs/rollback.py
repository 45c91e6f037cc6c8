"""`trueup rollback`: the services' pins of an earlier version, a revision or an image tag, as a commit."""

import argparse
import re
from collections.abc import Mapping
from typing import Final

from daemon import verb
from daemon.past import Past, read
from daemon.plain import one_line
from daemon.refusals import by_account
from daemon.sources import Misused, service_of, version_at, versions_of
from daemon.verb import Verb
from daemon.verbs import client, last_verified, pins, proposing
from daemon.verbs.client import Unreached
from daemon.verbs.history import PAGE
from daemon.verbs.pins import SHORT, Pins
from daemon.verbs.proposing_bad import named
from daemon.wiring import place
from desired_state.history import Version
from desired_state.in_force import Standing
from desired_state.model import Environment
from desired_state.revision import Revision
from reconcilers.aws import Connection
from reconcilers.ecs_reads import EcsReads
from reconcilers.ecs_records import family_of
from reconcilers.one_off import TROUBLE

_COMMIT: Final = re.compile("[0-9a-f]{7,64}")


def rollback(chosen: argparse.Namespace) -> int:
    """`trueup rollback`."""
    standing = named(chosen)
    made = _last_verified(chosen, standing) if chosen.to is None else _named(chosen, standing, chosen.to)
    return proposing.propose(chosen, standing, made.edits, made.subject, made.notes)


def _named(chosen: argparse.Namespace, standing: Standing, word: str) -> Pins:
    """What --to says: a commit where there is one of that id, else a revision, else a tag."""
    now, is_id = standing.environment, _COMMIT.fullmatch(word) is not None
    if is_id and (version := _version(chosen, standing, word)):
        return pins.back_to_version(now, version, chosen.service)
    service = chosen.service or pins.only_service(now)
    if revision := pins.revision_of(word):
        made = pins.back_to_revision(now, service, revision)
        return Pins(made.edits, made.subject, (*_family(chosen, now, service, revision), *made.notes))
    made = pins.back_to_tag(now, service, word)
    if not is_id:
        return made
    note = f"no commit {one_line(word[:12])} of the file is known here, so it is taken for an image tag"
    return Pins(made.edits, made.subject, (note, *made.notes))


def _family(chosen: argparse.Namespace, now: Environment, name: str, revision: Revision) -> tuple[str, ...]:
    """A word where the revision is of another family than the service runs. What AWS does not tell, the plan says."""
    if revision.family is None:
        return ()
    service, connection = now.services[name], Connection(place(now), timeout=chosen.aws_timeout)
    try:
        if by_account(now, connection):
            return ()
        running = EcsReads(connection).service((service.cluster, service.service)).task_definition
    except TROUBLE:
        return ()
    return pins.another_family(name, revision, family_of(running))


def _version(chosen: argparse.Namespace, standing: Standing, word: str) -> Version | None:
    """The version that a commit brought, or that counted at it where it changed another file."""
    found = [each for each in versions_of(chosen, standing) if each.commit.oid.startswith(word)]
    if len(found) > 1:
        raise Misused(f"{word} begins the id of {len(found)} commits; write more of it")
    return found[0] if found else version_at(chosen, standing, word)


def _last_verified(chosen: argparse.Namespace, standing: Standing) -> Pins:
    """The newest version that would change something and held its checks, which only a daemon knows."""
    now = standing.environment
    if chosen.service is not None:
        service_of(now, chosen.service)
    behind = pins.going_back(versions_of(chosen, standing), now, chosen.service)
    if not behind.versions:
        raise Misused(
            f"no earlier version of {standing.file} pins anything else; name a revision or an image tag with --to"
        )
    known, why = _known(chosen.daemon, now.environment)
    found = None if behind.went else last_verified.choice(behind, known, chosen.service)
    if found is None:
        went = behind.went and behind.went.commit
        why = f"you went back already, by {went.oid[:SHORT]} ({one_line(went.subject, 80)})" if went else why
        why = why or last_verified.none_verified(behind, known, now)
        raise Misused(last_verified.to_choose(why, behind, known, chosen.service))
    made = pins.back_to_version(now, found.version, chosen.service)
    return Pins(made.edits, made.subject, (*found.notes, *made.notes))


def _known(address: str, environment: str) -> tuple[Mapping[str, Past], str]:
    """What a daemon knows of the versions of a file, by commit; or why it knows nothing."""
    try:
        told = read(client.get(address, PAGE).document)
    except Unreached as error:
        return {}, f"{error}"
    versions = next((each.versions for each in told if each.environment == environment), None)
    if versions is None:
        known = ", ".join(each.environment for each in told) or "none"
        return {}, f"the daemon at {address} has no environment {environment} (it has {known})"
    return {each.commit: each for each in versions}, ""


_ABOUT = """
Go back to former pins: edits the file, shows change and plan, and commits.

  trueup rollback production.yaml                       the last verified, ready version
  trueup rollback production.yaml --to 4f2c9e1a         the services as of a commit
  trueup rollback production.yaml api --to 122          a revision, without overlay
  trueup rollback production.yaml api --to v20240224    an image tag or a digest

ENVIRONMENT is a file, or the name of an environment: in the repository where
one is given, else in this folder. Only pins of services go back:
databases, infrastructure and maintenance never do. Which version was verified is
asked of the running daemon.
Exit code: 0 committed or nothing to do, 1 not; --dry-run: as `trueup plan`.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser)
    parser.add_argument("service", nargs="?", metavar="SERVICE", help="one service of the file; unset: all of them")
    parser.add_argument("--to", metavar="TARGET", help="a commit, a revision (123, family:123), a tag or a digest")
    client.arguments(parser)
    proposing.arguments(parser)


VERB = Verb(
    "rollback",
    verb.CHANGE,
    "go back to a version, a revision or a tag",
    _ABOUT,
    rollback,
    arguments=_arguments,
)
