"""A change of the file by a verb: what it says and what follows from it is shown, and only then it is committed."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from daemon import plan, settings, verb
from daemon.plain import one_line
from daemon.sources import Misused
from daemon.verbs import proposing_here, proposing_plan, proposing_text, proposing_there
from daemon.verbs.proposing_place import Made, Place
from daemon.verbs.proposing_plan import Planned
from desired_state.edit import CannotEdit, Edit, Splice, edit
from desired_state.in_force import Standing
from desired_state.parse import Invalid, parse
from desired_state.repository import checked_branch

_SLUG: Final = 40
"""The longest name that is made of a subject, in characters."""


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
        return _nothing(chosen, place, environment.environment)
    supposed, problems = place.supposing(environment)
    said = proposing_text.Said(subject, place, content, (*notes, *place.notes))
    if chosen.output == "text":
        proposing_text.show_change(said)
    planned = proposing_plan.planned(chosen, supposed, problems, standing.environment)
    if chosen.output == "text":
        proposing_text.show_plan(planned.statuses, planned.problems, planned.why_not)
    hopeless = [] if chosen.dry_run else proposing_plan.hopeless(chosen, planned, standing, environment)
    branch = None if chosen.yes and hopeless else _decided(chosen, said, hopeless)
    if branch is None and chosen.yes and hopeless:
        return _refused(chosen, said, planned, hopeless)
    if branch is None:
        return _left(chosen, said, planned)
    made = place.commit(content, "\n\n".join((subject, *notes)), branch)
    return _told(chosen, said, planned, made, environment.environment)


def _decided(chosen: argparse.Namespace, said: proposing_text.Said, hopeless: Sequence[str]) -> str | None:
    """The new branch to commit on, empty for the one that is followed; None where nothing is to be done."""
    branch: str = chosen.new_branch or ""
    if chosen.dry_run:
        return None
    if chosen.yes:
        return branch
    if chosen.output != "text" or not sys.stdin.isatty():
        return None
    doing = said.place.doing(branch)
    if hopeless:
        proposing_text.say(f"{doing}? This would be stalled: {'; '.join(hopeless)}")
        answer = proposing_text.asked("This would be stalled. Commit all the same? [y/N] ").lower()
    elif branch:
        answer = proposing_text.asked(f"{doing}? [y/N] ").lower()
    else:
        answer = proposing_text.asked(f"{doing}? [y/N, b: a branch instead] ").lower()
        if answer == "b":
            return _named(said.subject, said.content)
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


def _nothing(chosen: argparse.Namespace, place: Place, environment: str) -> int:
    """The file says it already: what is left to do, if anything, is to push."""
    made = _pushed_again(chosen, place)
    if chosen.output == "json":
        here = (made.commit, made.branch, made.pushed) if made else ("", place.branch, not place.left)
        _write_json(here, None, None)
    proposing_text.say(f"{place.file} says so already: nothing is committed.")
    if made:
        proposing_text.done(made, environment)
        return 1 if made.trouble else 0
    if place.left:
        proposing_text.say(place.left)
    return 1 if place.left and not chosen.dry_run and not chosen.no_push else 0


def _pushed_again(chosen: argparse.Namespace, place: Place) -> Made | None:
    """What an earlier run of the same command committed and could not push. None: there is none, or nobody said yes."""
    if chosen.dry_run or not place.left or not place.is_alone:
        return None
    if not chosen.yes:
        if chosen.output != "text" or not sys.stdin.isatty():
            return None
        if proposing_text.asked(f"{place.left}. Push now? [y/N] ").lower() not in ("y", "yes"):
            return None
    return place.push_again()


def _refused(chosen: argparse.Namespace, said: proposing_text.Said, planned: Planned, hopeless: Sequence[str]) -> int:
    """Nothing was done, since it cannot work, and nobody has read the plan."""
    if chosen.output == "json":
        _write_json(("", chosen.new_branch or said.place.branch, False), said, planned)
    raise Misused(
        f"nothing was committed, since this would be stalled: {'; '.join(hopeless)}. Choose something else; to commit "
        "it all the same, run the command without --yes at a terminal, or edit the file and commit it by hand"
    )


def _left(chosen: argparse.Namespace, said: proposing_text.Said, planned: Planned) -> int:
    """Nothing was done."""
    if chosen.output == "json":
        _write_json(("", chosen.new_branch or said.place.branch, False), said, planned)
    if chosen.dry_run:
        return planned.code
    if chosen.output != "text" or not sys.stdin.isatty():
        raise Misused(
            "nothing was done, since nobody can be asked here; --yes commits and pushes, --dry-run only looks"
        )
    proposing_text.say("Nothing was done.")
    return 1


def _told(chosen: argparse.Namespace, said: proposing_text.Said, planned: Planned, made: Made, environment: str) -> int:
    if chosen.output == "json":
        _write_json((made.commit, made.branch, made.pushed), said, planned)
    proposing_text.done(made, environment)
    return 1 if made.trouble else 0


def _write_json(made: tuple[str, str, bool], said: proposing_text.Said | None, planned: Planned | None) -> None:
    """For programs. `made`: the commit, empty where there is none, its branch, and whether it was pushed."""
    shown = None
    if planned is not None and not planned.why_not:
        shown = json.loads(plan.as_json(planned.statuses, planned.problems))
    commit, branch, pushed = made
    told = {
        "title": one_line(said.subject) if said else None,
        "notes": [one_line(note) for note in said.notes] if said else [],
        "commit": commit or None,
        "branch": branch,
        "pushed": pushed,
        "diff": said.diff if said else "",
        "plan": shown,
        "no_plan": planned.why_not if planned and planned.why_not else None,
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
