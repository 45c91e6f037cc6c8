"""The environment variables of a service's revisions: of the one that its pins are laid over, and of any other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from desired_state.model import Revision as PinnedRevision
from desired_state.model import Service
from reconcilers.contract import Stalled
from reconcilers.ecs_reads import EcsReads
from reconcilers.ecs_records import Revision, short
from reconcilers.ecs_target import Targets


@dataclass(frozen=True)
class Variables:
    """What one container of a revision finds in its environment."""

    revision: str
    """As people say it: api:122."""
    plain: Mapping[str, str] = field(repr=False)
    """Values may be secret although they should not be: they are shown to nobody here."""
    secrets: Mapping[str, str]
    """Where a variable comes from, in place of its value."""
    files: tuple[str, ...] = ()
    """The files in S3 that more of them are in."""


class VariableReads:
    """Reads the variables of revisions. Raises Absent, Incomplete, Stalled, ClientError, BotoCoreError."""

    actions = ("ecs:DescribeServices", "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions")

    def __init__(self, reads: EcsReads) -> None:
        self._reads = reads
        self._targets = Targets(reads)

    def base(self, service: Service) -> Variables:
        """Of the revision that the service's tag and variables are laid over."""
        return self._of(service, service.task_revision)

    def of(self, service: Service, revision: PinnedRevision) -> Variables:
        """Of any revision. A number alone is of the service's own family."""
        return self._of(service, revision)

    def _of(self, service: Service, pinned: PinnedRevision | None) -> Variables:
        record = self._reads.service((service.cluster, service.service))
        if not record.task_definition:
            raise Stalled(f"service {record.name} has no task definition of its own; edit env by hand")
        bare = Service(cluster=service.cluster, service=service.service, task_revision=pinned)
        target = self._targets.of(bare, record)
        arn = (target.base or target.arn) if target else record.task_definition
        return variables(self._reads.revision(arn), service.container)


def variables(revision: Revision, container: str | None) -> Variables:
    """Of one container of a revision. Stalled: it cannot be told which one, or there is no such one."""
    containers: list[dict[str, Any]] = json.loads(revision.text).get("containerDefinitions") or []
    names = ", ".join(sorted(each["name"] for each in containers))
    chosen = [each for each in containers if container in (None, each["name"])]
    if not chosen:
        raise Stalled(f"revision {short(revision.arn)} has no container {container}; it has {names}")
    if len(chosen) > 1:
        raise Stalled(f"revision {short(revision.arn)} has several containers ({names}); add container to the service")
    return Variables(
        short(revision.arn),
        {each["name"]: each.get("value", "") for each in chosen[0].get("environment") or []},
        {each["name"]: each["valueFrom"] for each in chosen[0].get("secrets") or []},
        tuple(each["value"] for each in chosen[0].get("environmentFiles") or []),
    )
