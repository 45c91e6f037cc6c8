"""The text of a first file, from what was found live. Pure. What cannot be pinned stands in it as a comment."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import TypeAdapter, ValidationError

from daemon.verbs.adopt_words import comment, entry_names, quoted, scalar
from desired_state.words import ImageTag
from reconcilers.adoption import Door, Found, Kept, Running
from reconcilers.ecs_records import family_of, number_of, short
from reconcilers.listener_records import Page
from reconcilers.task_definition import repository_of

_IMAGE_TAG: Final = TypeAdapter[str](ImageTag)
_MOST_ALARMS: Final = 100  # that a file may name


def as_file(found: Found, environment: str, now: datetime) -> str:
    """The text. `now`: the time in AWS."""
    services = entry_names({each.name: each.name for each in found.services}, (environment, found.cluster), "service")
    databases = _database_names(found, environment)
    lines = [
        *_head(found, environment, now),
        *_services(found, services, databases),
        *_databases(found, databases),
        *_maintenance(found, services),
        *_verify(found),
        *_left_out(found),
    ]
    return "\n".join(lines) + "\n"


def _head(found: Found, environment: str, now: datetime) -> Iterator[str]:
    yield from comment(
        f"What ran in cluster {found.cluster} on {now.astimezone(UTC):%Y-%m-%d at %H:%M} UTC. trueup keeps it so once "
        "this is committed. To roll back, change a pin here. What is not written is not managed: take out what you do "
        "not want."
    )
    yield from ("", "version: 1", f"environment: {scalar(environment)}", "")
    yield from ("aws:", f"  region: {scalar(found.region)}", f"  account: {quoted(found.account)}", "")


def _services(found: Found, names: Mapping[str, str], databases: Mapping[str, str]) -> Iterator[str]:
    yield "services:"
    for service in found.services:
        yield f"  {scalar(names[service.name])}:"
        yield f"    cluster: {scalar(found.cluster)}"
        yield f"    service: {scalar(service.name)}"
        yield from _revision(service)
        yield from _count(service)
        if service.secrets:
            yield f"    databases: [{', '.join(scalar(databases[each]) for each in service.secrets)}]"
        for note in service.notes:
            yield from comment(note, 4)
    yield ""


def _revision(service: Running) -> Iterator[str]:
    number = number_of(service.revision)
    if service.rolling:
        yield from comment(f"When this was written: {service.rolling}.", 4)
    own = family_of(service.revision) == service.family
    yield f"    task_revision: {number if own else quoted(short(service.revision))}"
    if not service.containers:
        return
    main, *others = service.containers
    if tag := _tag(main.image):
        yield f"    # image_tag: {scalar(tag)}   # what {number} runs"
    if others:
        yield f"    container: {scalar(main.name)}   # what image_tag and env are for"
        yield from comment(f"its other containers: {', '.join(each.name for each in others)}", 4)


def _tag(image: str) -> str:
    """The tag or the digest of an image, where a file can pin it."""
    tag = image.partition("@")[2] or image.removeprefix(repository_of(image))[1:]
    try:
        return _IMAGE_TAG.validate_python(tag)
    except ValidationError:
        return ""


def _count(service: Running) -> Iterator[str]:
    if service.count is not None:
        yield f"    desired_count: {service.count}"
    elif service.band:
        band = f"between {service.band.minimum} and {service.band.maximum}"
        yield f"    # desired_count: {service.record.desired}   # autoscaling decides, {band}"


def _database_names(found: Found, environment: str) -> dict[str, str]:
    """By secret. Two secrets of one database are told apart by their own names."""
    known = [each.database for each in found.databases]
    called = {
        each.secret: each.database if known.count(each.database) == 1 else each.secret for each in found.databases
    }
    return entry_names(called, (environment, found.cluster), "database")


def _databases(found: Found, names: Mapping[str, str]) -> Iterator[str]:
    if not found.databases:
        return
    yield "databases:"
    for kept in found.databases:
        yield f"  {scalar(names[kept.secret])}:"
        yield f"    secret: {scalar(kept.secret)}"
        yield from _endpoint(kept)
    yield ""


def _endpoint(kept: Kept) -> Iterator[str]:
    line = f"endpoint: {scalar(str(kept.endpoint))}"
    if not kept.unpinned:
        yield f"    {line}"
        return
    yield f"    # {line}"
    yield from comment(f"not pinned: {kept.unpinned}", 4)


def _maintenance(found: Found, names: Mapping[str, str]) -> Iterator[str]:
    if not found.doors:
        return
    door, *others = found.doors
    yield "maintenance:"
    yield f"  enabled: {'true' if door.shown else 'false'}"
    yield f"  load_balancer: {scalar(door.load_balancer)}"
    yield f"  port: {door.port}"
    if door.shown:
        yield from _page(door)
    if door.others:
        yield from comment(f"everybody gets a page here now that trueup did not make: {door.others}", 2)
    for each in others:
        behind = ", ".join(names[name] for name in each.services)
        about = f"the listener of {each.load_balancer} on port {each.port}, which leads to {behind}"
        yield from comment(f"not covered by this: {about}", 2)
    yield ""


def _page(door: Door) -> Iterator[str]:
    shown = door.shown
    if shown is None:
        return
    if isinstance(shown.page, Page):
        yield f"  status_code: {shown.page.status}"
        if shown.page.content_type:
            yield f"  content_type: {scalar(shown.page.content_type)}"
        yield f"  message: {quoted(shown.page.message)}"
    if not shown.rule:
        yield "  strategy: default_action"
        yield f"  target_group: {scalar(shown.target_group.split('/')[1])}"


def _verify(found: Found) -> Iterator[str]:
    """Suggestions: a first file asks for nothing that nobody has asked for."""
    groups = list(dict.fromkeys(each.log_group for one in found.services for each in one.containers if each.log_group))
    yield from comment("What could be verified after every change: take away the # of what you want.")
    yield "# verify:"
    if found.doors:
        yield f"#   target_group_healthy: {{load_balancer: {scalar(found.doors[0].load_balancer)}}}"
    yield "#   running_tasks: true"
    if groups:
        yield f'#   logs: {{group: {scalar(groups[0])}, pattern: "?ERROR ?FATAL", at_most: 0, over: 5m}}'
    if alarms := [quoted(each) for each in found.alarms if each.isprintable()][:_MOST_ALARMS]:
        yield f"#   alarms: [{', '.join(alarms)}]"
    yield "#   for: 60s"
    if groups[1:]:
        yield from comment(f"other log groups: {', '.join(groups[1:])}")


def _left_out(found: Found) -> Iterator[str]:
    left = list(left_out(found))
    if left:
        yield from ("", "# Left out:")
    for what, why in left:
        yield from comment(f"{what} - {why}")  # a colon behind the name of a password would look like one


def left_out(found: Found) -> Iterator[tuple[str, str]]:
    """What the file does not say although it is live, or may be, and why."""
    for unfit in found.unfit:
        yield f"service {unfit.name}", unfit.why
    yield from _grouped(found.unknown)
    if found.others:
        yield f"secrets {', '.join(found.others)}", "they name no database of RDS"


def _grouped(unknown: Sequence[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """What has the same reason is told together."""
    reasons: dict[str, list[str]] = {}
    for what, why in unknown:
        reasons.setdefault(why, []).append(what)
    return ((", ".join(what), why) for why, what in reasons.items())
