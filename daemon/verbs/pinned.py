"""Which commits of an environment's file pinned which revision, and which image, of a service. Pure."""

from collections.abc import Iterable, Mapping

from desired_state.history import Version

Pins = Mapping[str, tuple[str, ...]]
"""By `family:number`, or by tag or digest: the commits that brought the pin, newest first."""


def revisions(versions: Iterable[Version], name: str, family: str) -> Pins:
    """By `family:number`. `family`: what a bare number means."""
    found: dict[str, list[str]] = {}
    for version in versions:
        service = version.environment.services.get(name) if version.environment else None
        if service and service.task_revision:
            pinned = f"{service.task_revision.family or family}:{service.task_revision.number}"
            found.setdefault(pinned, []).append(version.commit.oid)
    return {pinned: tuple(commits) for pinned, commits in found.items()}


def images(versions: Iterable[Version], name: str) -> Pins:
    """By tag or `sha256:…` digest."""
    found: dict[str, list[str]] = {}
    for version in versions:
        service = version.environment.services.get(name) if version.environment else None
        if service and service.image_tag:
            found.setdefault(service.image_tag, []).append(version.commit.oid)
    return {pinned: tuple(commits) for pinned, commits in found.items()}


def shown(commits: tuple[str, ...], *, now: bool) -> str:
    """`pinned now, by 1a2b3c4d`: in the words of a list. Empty: no version of the file pins it."""
    by = f"by {commits[0][:8]}" if commits else ""
    more = f" and {len(commits) - 1} more" if len(commits) > 1 else ""
    if now:
        return f"pinned now, {by}{more}" if by else "pinned now, not committed"
    return f"pinned {by}{more}" if by else ""
