"""Whether a service could run what an earlier version pins: the revision, and what its tasks need. Reads only."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from desired_state.model import Service
from reconcilers.aws import Connection
from reconcilers.contract import Absent
from reconcilers.ecs_count import Count
from reconcilers.ecs_records import Incomplete, ServiceRecord, short
from reconcilers.ecs_rollout import undrivable
from reconcilers.ecs_target import Target, Targets
from reconcilers.readiness_reads import FreshReads, Images, Needs, Roles, TaskSecrets, needs_of
from reconcilers.readiness_words import Finding, tried


@dataclass(frozen=True)
class Wanted:
    """What a service would run."""

    findings: tuple[Finding, ...]
    needs: Needs


class ServiceChecks:
    """The reads of a connection; what revisions say is kept for ever. For one thread at a time."""

    reads = (
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:ListTaskDefinitions",
        "application-autoscaling:DescribeScalableTargets",
        *Images.reads,
        *Roles.reads,
        *TaskSecrets.reads,
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._reads = FreshReads(connection)
        self._targets = Targets(self._reads)
        self.new_check(())

    def new_check(self, services: Iterable[Service]) -> None:
        """Forget what may have changed. These services will be asked for."""
        every = list(services)
        counted = [each for each in every if each.desired_count]
        self._reads.new_pass(_keys(every), _keys(counted))
        self._wanted: dict[tuple[str, Service], Wanted] = {}
        self._images = Images(self._connection)
        self._roles = Roles(self._connection)
        self._secrets = TaskSecrets(self._connection)

    def look(self, entry: str, service: Service) -> Wanted:
        """What it would run. The images are read by `look_at_images`, once everything has been looked at."""
        if (entry, service) not in self._wanted:
            needs: list[Needs] = []
            findings = tried(entry, lambda: self._look(entry, service, needs))
            self._wanted[entry, service] = Wanted(findings, needs[0] if needs else Needs())
        return self._wanted[entry, service]

    def look_at_images(self) -> None:
        """DescribeImages of all that was looked at."""
        self._images.look(image for wanted in self._wanted.values() for image in wanted.needs.images)

    def findings(self, entry: str, service: Service) -> Iterator[Finding]:
        """All that is to be said of it."""
        wanted = self.look(entry, service)
        yield from wanted.findings
        for image in wanted.needs.images:
            yield from self._images.findings(entry, image)
        for secret in wanted.needs.secrets:
            yield from self._secrets.findings(entry, secret)
        for role in wanted.needs.roles:
            yield from self._roles.findings(entry, role)

    def _look(self, entry: str, service: Service, needs: list[Needs]) -> Iterator[Finding]:
        record = self._reads.service((service.cluster, service.service))
        if record.status not in ("ACTIVE", ""):
            raise Absent(f"ECS service {record.name} is {record.status}; create it again")
        if service.desired_count == 0:
            return  # a complete shutdown is made whatever is wrong with the other pins
        if blocked := self._count_blocked(service, record):
            yield Finding(entry, blocked)
        if record.controller != "ECS":
            yield from (Finding(entry, why) for why in [undrivable(service, record)] if why)
            return
        if not record.task_definition:
            raise Incomplete(f"ECS did not say which task definition service {record.name} runs")
        target = self._targets.of(service, record) or Target(record.task_definition)
        if not target.arn and not self._reads.revision(target.base, fresh=True).active:
            yield Finding(
                entry,
                f"revision {short(target.base)} is deregistered, and no ACTIVE one is equal to it; "
                "register its content again, or pin another revision",
            )
        text = self._reads.revision(target.arn).text if target.arn else target.text
        needs.append(needs_of(json.loads(text)))

    def _count_blocked(self, service: Service, record: ServiceRecord) -> str:
        if not service.desired_count:
            return ""
        if record.scheduling == "DAEMON":
            return f"{record.name} is a DAEMON service and has no count; take desired_count out"
        band = self._reads.band((service.cluster, service.service))
        return Count(record.desired, service.desired_count, band).blocked()


def _keys(services: Iterable[Service]) -> Iterator[tuple[str, str]]:
    return ((each.cluster, each.service) for each in services)
