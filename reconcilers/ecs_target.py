"""Which revision a service must run: the pinned one, or a base with the file's overlay."""

import json
import re
from dataclasses import dataclass

from desired_state.model import Revision as PinnedRevision
from desired_state.model import Service
from reconcilers.contract import Advice, Drift, Stalled
from reconcilers.ecs_reads import EcsReads
from reconcilers.ecs_records import TAG, Revision, ServiceRecord, family_of, number_of, short, sibling
from reconcilers.task_definition import MAX_BYTES, Content, drifts, mark, overlay, repository_of, runs_overlay, same

BASE = TAG + "base"  # family:revision that a registered revision was made from
OVERLAY = TAG + "overlay"  # the mark that proves that trueup registered it
FAMILY = "family"  # a tag on the service: its own family, while a pin names another one; without its prefix

_ECR = re.compile(r"(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(.+)")


@dataclass(frozen=True)
class Target:
    """The revision that must run."""

    arn: str  # "" while it has yet to be registered
    drifts: tuple[Drift, ...] = ()  # empty: it is what the service runs
    base: str = ""  # the ARN of the revision that it is made from
    text: str = ""  # what to register, as JSON
    advice: tuple[Advice, ...] = ()


class Targets:
    """Finds the target of a service. Reads only; every revision is read once."""

    def __init__(self, reads: EcsReads) -> None:
        self._reads = reads

    def of(self, service: Service, record: ServiceRecord) -> Target | None:
        """The revision that the file means. None: the file names none, and trueup changed none.

        Raises Stalled where the file asks for something that cannot be, before anything is written.
        """
        overlaid = bool(service.image_tag or service.env)
        if service.task_revision is None:
            return self._unpinned(service, record) if overlaid else self._former(service, record)
        pinned = self._pinned(service.task_revision, record)
        if overlaid:
            return self._overlaid(service, record, self._reads.revision(pinned))
        if pinned == record.task_definition:
            return Target(pinned)
        return self._exactly(service, record, pinned)

    def _pinned(self, revision: PinnedRevision, record: ServiceRecord) -> str:
        """A bare number is of the service's own family, also while it runs another one."""
        return sibling(record.task_definition, revision.family or _own_family(record), revision.number)

    def _exactly(self, service: Service, record: ServiceRecord, arn: str) -> Target:
        revision = self._reads.revision(arn, fresh=True)
        if not revision.active:  # ECS refuses it for new tasks: run its content under a new number
            return self._overlaid(service, record, revision)
        return Target(arn, (Drift("task_revision", short(record.task_definition), short(arn)),))

    def _former(self, service: Service, record: ServiceRecord) -> Target | None:
        """What ran before trueup registered what runs now."""
        if self._root(self._reads.revision(record.task_definition)) is None:
            return None
        base = self._root(self._reads.revision(record.task_definition, fresh=True))
        return self._exactly(service, record, base.arn) if base else None

    def _unpinned(self, service: Service, record: ServiceRecord) -> Target:
        running = self._reads.revision(record.task_definition)
        base = self._root(running) or running
        own = family_of(base.arn) == _own_family(record)
        line = f"task_revision: {number_of(base.arn) if own else short(base.arn)}"
        message = f"the base of image_tag and env is what ran when they first came; add `{line}` to pin it"
        return self._overlaid(service, record, base, (Advice("base_not_pinned", message),))

    def _overlaid(
        self, service: Service, record: ServiceRecord, base: Revision, advice: tuple[Advice, ...] = ()
    ) -> Target:
        running = self._reads.revision(record.task_definition)
        env = tuple(sorted(service.env.items()))
        if runs_overlay(running.text, base.text, service.container, service.image_tag, env):
            return Target(running.arn, base=base.arn, advice=advice)
        wanted = overlay(json.loads(base.text), service.container, service.image_tag, service.env)
        self._check_image(service, wanted)
        found = drifts(json.loads(running.text), wanted)
        found = found or (Drift("task_revision", short(running.arn), f"like {short(base.arn)}"),)
        if equal := self._registered(wanted, base, only_ours=service.task_revision is None):
            return Target(equal, found, base.arn, advice=advice)
        return Target("", found, base.arn, _registerable(base, wanted), advice)

    def _registered(self, wanted: Content, base: Revision, *, only_ours: bool) -> str:
        """An ACTIVE revision that means the same. Where the base is not pinned it must record that base too,
        or its revert would not find the way back."""
        for arn in self._reads.active(family_of(base.arn)):
            candidate = self._reads.revision(arn)
            if not same(json.loads(candidate.text), wanted):
                continue
            root = self._root(candidate)
            if not only_ours or arn == base.arn or (root is not None and root.arn == base.arn):
                return arn
        return ""

    def _root(self, revision: Revision) -> Revision | None:
        """The revision that trueup first started from; None where this revision is not of trueup's making."""
        root = None
        for _ in range(20):
            base = revision.tags.get(BASE, "")
            if not re.fullmatch(r"[\w-]+:\d+", base) or revision.tags.get(OVERLAY) != mark(
                base, json.loads(revision.text)
            ):
                return root
            family, _, number = base.rpartition(":")
            revision = root = self._reads.revision(sibling(revision.arn, family, int(number)))
        return root

    def _check_image(self, service: Service, wanted: Content) -> None:
        containers = wanted["containerDefinitions"]
        image = next(c["image"] for c in containers if service.container in (None, c["name"]))
        registry = _ECR.fullmatch(repository_of(image))
        if not service.image_tag or registry is None:
            return
        if not self._reads.has_image(registry[1], registry[2], registry[3], service.image_tag):
            raise Stalled(
                f"ECR repository {registry[3]} has no image {service.image_tag}; "
                "pin a tag that exists (aws ecr describe-images lists them), or push it again"
            )


def _own_family(record: ServiceRecord) -> str:
    return record.tags.get(FAMILY) or family_of(record.task_definition)


def _registerable(base: Revision, wanted: Content) -> str:
    if base.unmodelled:
        raise Stalled(
            f"{short(base.arn)} carries {base.unmodelled}, which this version of trueup does not know and would lose; "
            "upgrade trueup, or register the revision yourself and pin it with task_revision"
        )
    text = json.dumps(wanted, separators=(",", ":"))
    if len(text.encode()) > MAX_BYTES:
        raise Stalled(
            f"the task definition would have {len(text.encode())} bytes; ECS takes {MAX_BYTES}; shorten `env`"
        )
    return text
