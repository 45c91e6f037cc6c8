"""A change of the file by a verb: what it says and what follows from it is shown, and only then it is committed."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from daemon import commands, plan, settings, verb
from daemon.plain import one_line
from daemon.sources import Misused
from daemon.status import EnvironmentStatus
from daemon.verbs import proposing_here, proposing_text, proposing_there
from daemon.verbs.proposing_place import Made, Place
from desired_state.edit import CannotEdit, Edit, Splice, edit
from desired_state.in_force import Standing
from desired_state.parse import Invalid, Problem, parse
from desired_state.repository import checked_branch

_PATIENCE: Final = 4.0
"""Seconds for one answer of AWS: a person waits for the plan, and may go on without it."""
_SLUG: Final = 40
"""The longest name that is made of a subject, in characters."""


@dataclass(frozen=True)
class _Planned:
    """What a pass would make of the new text."""

    statuses: tuple[EnvironmentStatus, ...] = ()
    problems: tuple[Problem, ...] = ()
    why_not: str = ""
    """Why there is no plan."""

    @property
    def code(self) -> int:
        """The exit code of `trueup plan`."""
        return 1 if self.why_not else plan.exit_code(self.statuses, self.problems)


def arguments(parser: argparse.ArgumentParser) -> None:
    """All options of a verb that changes the file, also those of the repository, of AWS and of terraform."""
    parser.add_argument("--yes", action="store_true", help="commit and push without asking")
    parser.add_argument("--dry-run", action="store_true", help="show it only; exit code as `trueup plan`: 0, 2 or 1")
    parser.add_argument("--new-branch", metavar="NAME", help="commit on a new branch, for a pull request")
    parser.add_argument("--no-push", action="store_true", help="commit in this folder only")
    verb.output(parser)
    settings.add(parser, settings.REPOSITORY + settings.AWS + settings.TERRAFORM)


def propose(
    chosen: argparse.Namespace,
    standing: Standing,
    edits: Sequence[Edit | Splice],
    subject: str,
    notes: Sequence[str] = (),
) -> int:
    """Show what these edits make of the file and of AWS, ask, commit, push. Returns the exit code.

    `standing`: as `sources.named` found it. `subject`: the first line of the commit; the notes are shown, and are its
    body. Misused: it cannot be done, and nothing was, unless the message says what.
    """
    if chosen.new_branch is not None:
        checked_branch(chosen.new_branch)
    place = proposing_there.place(chosen, standing) if standing.commit else proposing_here.place(chosen, standing)
    try:
        content = edit(place.counting, edits)
        environment = parse(content, standing.file)
    except CannotEdit as error:
        raise Misused(one_line(f"{standing.file}: {error}")) from error
    except Invalid as error:
        raise Misused(one_line(f"what would be committed is wrong: {error.problems[0]}")) from error
    if content == place.content:
        return _nothing(chosen, place)
    supposed, problems = place.supposing(environment)
    said = proposing_text.Said(subject, place, content, (*notes, *place.notes))
    if chosen.output == "text":
        proposing_text.show_change(said)
    planned = _planned(chosen, supposed, problems, standing)
    if chosen.output == "text":
        proposing_text.show_plan(planned.statuses, planned.problems, planned.why_not)
    branch = _decided(chosen, place, subject, content)
    if branch is None:
        return _left(chosen, said, planned)
    made = place.commit(content, "\n\n".join((subject, *notes)), branch)
    return _told(chosen, said, planned, made, environment.environment)


def _planned(
    chosen: argparse.Namespace, supposed: Standing, problems: tuple[Problem, ...], before: Standing
) -> _Planned:
    """AWS that does not answer is no reason not to go back: then there is no plan, and people are told why."""
    brief = argparse.Namespace(**vars(chosen) | {"aws_timeout": min(chosen.aws_timeout, _PATIENCE)})
    try:
        statuses = commands.planned([supposed], lambda _: before.environment, brief)
    except (Misused, OSError) as error:
        return _Planned(problems=problems, why_not=one_line(f"{error}"))
    return _Planned(statuses, problems)


def _decided(chosen: argparse.Namespace, place: Place, subject: str, content: bytes) -> str | None:
    """The new branch to commit on, empty for the one that is followed; None where nothing is to be done."""
    branch: str = chosen.new_branch or ""
    if chosen.dry_run:
        return None
    if chosen.yes:
        return branch
    if chosen.output != "text" or not sys.stdin.isatty():
        return None
    if branch:
        answer = proposing_text.asked(f"{place.doing(branch)}? [y/N] ").lower()
    else:
        answer = proposing_text.asked(f"{place.doing('')}? [y/N, b: a branch instead] ").lower()
        if answer == "b":
            return _named(subject, content)
    return branch if answer in ("y", "yes") else None


def _named(subject: str, content: bytes) -> str:
    """A name for the branch: the same each time for the same change, so that it is not proposed twice."""
    suggested = branch_name(subject, content)
    answer = proposing_text.asked(f"Name of the branch [{suggested}]: ")
    return checked_branch(answer or suggested)


def branch_name(subject: str, content: bytes) -> str:
    """The name of a branch for a change: what it does, and a mark of what the file then says."""
    slug = re.sub("[^a-z0-9]+", "-", subject.lower()).strip("-")[:_SLUG].strip("-")
    return f"trueup/{slug or 'change'}-{sha256(content).hexdigest()[:6]}"


def _nothing(chosen: argparse.Namespace, place: Place) -> int:
    """The file says it already: what is left to do, if anything, is to push."""
    if chosen.output == "json":
        _write_json("", place.branch, pushed=not place.left, diff="", planned=None)
    proposing_text.say(f"{place.file} says so already: nothing is committed.")
    if place.left:
        proposing_text.say(place.left)
    return 0


def _left(chosen: argparse.Namespace, said: proposing_text.Said, planned: _Planned) -> int:
    """Nothing was done."""
    if chosen.output == "json":
        _write_json("", chosen.new_branch or said.place.branch, pushed=False, diff=said.diff, planned=planned)
    if chosen.dry_run:
        return planned.code
    if chosen.output != "text" or not sys.stdin.isatty():
        raise Misused(
            "nothing was done, since nobody can be asked here; --yes commits and pushes, --dry-run only looks"
        )
    proposing_text.say("Nothing was done.")
    return 1


def _told(
    chosen: argparse.Namespace, said: proposing_text.Said, planned: _Planned, made: Made, environment: str
) -> int:
    if chosen.output == "json":
        _write_json(made.commit, made.branch, pushed=made.pushed, diff=said.diff, planned=planned)
    proposing_text.done(made, environment)
    return 1 if made.trouble else 0


def _write_json(commit: str, branch: str, *, pushed: bool, diff: str, planned: _Planned | None) -> None:
    shown = None
    if planned is not None and not planned.why_not:
        shown = json.loads(plan.as_json(planned.statuses, planned.problems))
    told = {
        "commit": commit or None,
        "branch": branch,
        "pushed": pushed,
        "diff": diff,
        "plan": shown,
        "no_plan": planned.why_not if planned and planned.why_not else None,
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
