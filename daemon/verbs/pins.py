"""What each verb that changes the file makes of its words: edits of pins, and what a person should know. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daemon.plain import one_line
from daemon.sources import Misused, service_of
from desired_state.edit import REMOVE, Edit, Splice
from desired_state.history import Version
from desired_state.model import Environment, Service
from desired_state.revision import Revision
from desired_state.yaml_writing import instant_text

SHORT: Final = 8
"""How many characters of a commit people are shown."""
_TAG: Final = re.compile(r"sha256:[0-9a-f]{64}|[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_REVISION: Final = re.compile(r"(?:([A-Za-z0-9_-]{1,255}):)?([1-9][0-9]{0,9})")
_LEFT_ALONE: Final = ("mode", "infrastructure", "databases", "maintenance", "verify", "on_failure", "windows", "limits")
_MOST_NAMED: Final = 3


@dataclass(frozen=True)
class Pins:
    """A change of a file."""

    edits: tuple[Edit | Splice, ...]
    subject: str
    """The first line of its commit."""
    notes: tuple[str, ...] = ()
    """What a person should know before they say yes."""


def back_to_version(now: Environment, version: Version, service: str | None) -> Pins:
    """The services' pins of an earlier version, or one service's. Nothing else of that version is taken over.

    Misused: that version was bad, or has no such service.
    """
    shown = version.commit.oid[:SHORT]
    then = version.environment
    if then is None:
        why = version.problems[0] if version.problems else "it cannot be read"
        raise Misused(f"the file was bad at commit {shown}, so it was never in force ({why}); name another one")
    if service is not None and service not in then.services:
        known = ", ".join(then.services) or "none"
        raise Misused(f"the file had no service {one_line(service)} at commit {shown} (it had {known}); name another")
    path = ("services",) if service is None else ("services", service)
    what = "the services" if service is None else service
    subject = f"Roll back {what} of {now.environment} to {shown}"
    return Pins((Splice(path, version.content),), subject, tuple(_of_version(now, then, version, service)))


def _of_version(now: Environment, then: Environment, version: Version, service: str | None) -> Iterator[str]:
    commit = version.commit
    about = f"{commit.at:%Y-%m-%d %H:%M} UTC by {one_line(commit.author, 40)}: {one_line(commit.subject, 80)}"
    yield f"commit {commit.oid[:SHORT]} of {about}"
    if service is None:
        if added := [name for name in now.services if name not in then.services]:
            yield f"{', '.join(added)}: not in the file then, and taken out of it"
        if gone := [name for name in then.services if name not in now.services]:
            yield f"{', '.join(gone)}: no longer in the file, and put back into it"
    if others := [name for name in _LEFT_ALONE if getattr(now, name) != getattr(then, name)]:
        yield f"not taken back, though the file said something else then: {', '.join(others)}"


def revision_of(word: str) -> Revision | None:
    """The revision that a word means: 123 or family:123. None: it means something else."""
    match = _REVISION.fullmatch(word)
    if match is None or int(match[2]) >= 2**31 or match[1] == "sha256":
        return None
    return Revision(family=match[1], number=int(match[2]))


def back_to_revision(now: Environment, name: str, revision: Revision) -> Pins:
    """A revision as it is: a tag or variables that are left over would be laid over it, so they go."""
    service = service_of(now, name)
    edits = [_edit(name, "task_revision", revision.number if revision.family is None else str(revision))]
    notes = []
    if service.image_tag is not None:
        edits.append(Edit(("services", name, "image_tag"), REMOVE))
        notes.append(f"image_tag {service.image_tag} is taken out: it would be laid over revision {revision}")
    if service.env:
        edits.append(Edit(("services", name, "env"), REMOVE))
        named = ", ".join(one_line(each, 60) for each in service.env)
        notes.append(f"env is taken out ({named}): it would be laid over revision {revision}")
    return Pins(tuple(edits), f"Roll back {name} of {now.environment} to revision {revision}", tuple(notes))


def back_to_tag(now: Environment, name: str, tag: str) -> Pins:
    """An image tag, or the sha256: digest of an image. Misused: it can be none."""
    service = service_of(now, name)
    if not _TAG.fullmatch(tag):
        raise Misused(
            f"{one_line(tag, 80)} is no commit, revision or image tag; "
            "write a commit's id, 123, family:123, a tag or sha256:…"
        )
    notes = (
        [f"revision {service.task_revision} stays pinned: the image is laid over it"] if service.task_revision else []
    )
    shown = tag[:19] + "…" if tag.startswith("sha256:") else tag
    subject = f"Roll back {name} of {now.environment} to image {shown}"
    return Pins((_edit(name, "image_tag", tag),), subject, tuple(notes))


def only_service(now: Environment) -> str:
    """The service that is meant where none is named. Misused: there are several, or none."""
    if len(now.services) == 1:
        return next(iter(now.services))
    known = ", ".join(now.services) or "none"
    raise Misused(f"a revision or a tag is of one service: name it behind the environment; there is {known}")


def maintenance(now: Environment, *, enabled: bool, message: str | None, until: datetime | None) -> Pins:
    """The maintenance page on or off. Misused: the file says nothing of where it would be shown."""
    section = now.maintenance
    if section is None:
        raise Misused(
            f"environment {now.environment} has no maintenance section; add one with enabled and load_balancer first"
        )
    if not enabled and (message is not None or until is not None):
        raise Misused("--message and --until say something of a page that is shown; leave them out with off")
    edits, notes = [Edit(("maintenance", "enabled"), enabled)], []
    if message is not None:
        edits.append(Edit(("maintenance", "message"), message))
    if until is not None:
        edits.append(Edit(("maintenance", "until"), until))
    elif section.until is not None and not (enabled and section.enabled):
        edits.append(Edit(("maintenance", "until"), None))
        notes.append(f"until becomes null: {instant_text(section.until)} was the end of another maintenance")
    return Pins(tuple(edits), f"Turn maintenance of {now.environment} {'on' if enabled else 'off'}", tuple(notes))


def restart(now: Environment, name: str, at: datetime) -> Pins:
    """Every task newer than an instant."""
    service = service_of(now, name)
    notes = []
    if service.restarted_at is not None and service.restarted_at > at:
        notes.append(f"restarted_at was {instant_text(service.restarted_at)}, which is still to come")
    if service.desired_count == 0:
        notes.append("the service is shut down (desired_count: 0), so there is no task to restart")
    edit = Edit(("services", name, "restarted_at"), at)
    return Pins((edit,), f"Restart {name} of {now.environment}", tuple(notes))


def shutdown(now: Environment, name: str) -> Pins:
    """No task at all."""
    count = service_of(now, name).desired_count
    back = "unset" if count in (None, 0) else count
    notes = (f"to bring it back: trueup set {now.environment} {name} desired_count={back}",)
    return Pins((_edit(name, "desired_count", 0),), f"Shut down {name} of {now.environment}", notes)


def pinned(service: Service) -> str:
    """What a service pins, in a few words."""
    parts = [f"{service.task_revision}" if service.task_revision else "", service.image_tag or ""]
    parts += [f"{len(service.env)} env"] if service.env else []
    parts += [] if service.desired_count is None else [f"count {service.desired_count}"]
    return " ".join(part for part in parts if part) or "nothing"


def all_pinned(environment: Environment) -> str:
    """The same of all its services."""
    each = [f"{name} {pinned(service)}" for name, service in environment.services.items()]
    more = len(each) - _MOST_NAMED
    return ", ".join(each[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class Behind:
    """The good versions that would change a pin."""

    versions: tuple[Version, ...] = ()
    """Newest first."""
    left: frozenset[str] = frozenset()
    """The commits of those that were gone back from already: to take one of them would be a way forward again."""
    went: Version | None = None
    """Set: the present pins are a way back themselves, and no version that is known had them before."""


def going_back(versions: Sequence[Version], now: Environment, service: str | None) -> Behind:
    """What going back to each of the versions, newest first, means for the services, or for the one that is named."""
    good = [(each, each.environment) for each in versions if each.environment]
    releases = [_released(each, service) for each in (now, *(each for _, each in good))]
    same = [number for number, (_, then) in enumerate(good) if _said(then, service) == _said(now, service)]
    found = [(number, each) for number, (each, then) in enumerate(good) if _differs(then, now, service)]
    left = [each for number, each in found if number < max(same, default=0) or _is_left(releases, number + 1)]
    brought = good[same[-1]][0] if same else None
    return Behind(
        tuple(each for _, each in found),
        frozenset(each.commit.oid for each in left),
        brought if brought and _is_way_back(brought) else None,
    )


def _said(environment: Environment, service: str | None) -> Mapping[str, Service]:
    services = environment.services
    return {name: each for name, each in services.items() if service in (None, name)}


def _released(environment: Environment, service: str | None) -> object:
    """What runs, without how many of it and since when."""
    said = _said(environment, service)
    return {name: (each.task_revision, each.image_tag, each.env) for name, each in said.items()}


def _is_left(releases: Sequence[object], number: int) -> bool:
    """Whether a later version runs what an earlier one ran, and this one does not."""
    later, release, earlier = releases[:number], releases[number], releases[number + 1 :]
    return any(each in earlier for each in later if each != release)


def _is_way_back(version: Version) -> bool:
    commit = version.commit
    return bool(commit.reverts) or commit.subject.startswith(("Roll back ", 'Revert "'))


def _differs(then: Environment, now: Environment, service: str | None) -> bool:
    return (service is None or service in then.services) and _said(then, service) != _said(now, service)


def another_family(name: str, revision: Revision, running: str) -> tuple[str, ...]:
    """What a person should know of a revision that is not of the family `running`."""
    if revision.family in (None, running):
        return ()
    return (f"{revision} is of another family: {name} runs {running} now, so this deploys something else into it",)


def _edit(service: str, key: str, value: str | int) -> Edit:
    return Edit(("services", service, key), value)
