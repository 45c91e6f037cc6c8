"""The ECS services of a cluster as they run, and which of them trueup cannot look after. Reads only."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from reconcilers.aws import Connection, code, sentence
from reconcilers.contract import Absent, Stalled
from reconcilers.ecs_count import SHUTDOWN, Shutdown
from reconcilers.ecs_reads import EcsReads
from reconcilers.ecs_records import Band, Incomplete, ServiceRecord, family_of, service_record, short
from reconcilers.ecs_rollout import settling
from reconcilers.ecs_target import FAMILY
from reconcilers.log_tail import log_of
from reconcilers.secrets import Moved

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

TROUBLE: Final = (Absent, Incomplete, Moved, Stalled, BotoCoreError, ClientError)  # what a read may raise

_SERVICES_A_CALL: Final = 10
_NAMES_A_PAGE: Final = 100
# A secret's ARN as containers name it; behind it a key of its JSON, a stage and a version, all of which may be empty.
_SECRET: Final = re.compile(
    r"(arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[^:]+)(?::([^:]*):([^:]*):([^:]*))?"
)


@dataclass(frozen=True)
class Container:
    """One container of the revision that runs."""

    name: str
    image: str
    log_group: str  # in this region; "" where it logs elsewhere


@dataclass(frozen=True)
class Running:
    """A service that trueup can look after, as it is live."""

    record: ServiceRecord
    revision: str  # the ARN of what its PRIMARY deployment runs
    family: str  # its own, also while it runs a revision of another one
    containers: tuple[Container, ...]  # the one that serves first; none where its task definition could not be read
    groups: tuple[str, ...]  # the ARNs of its target groups
    named: tuple[str, ...]  # the ARNs of the secrets that its containers name
    band: Band | None  # what autoscaling may do to its count
    count: int | None  # what a file may pin; None: it is not for a file to say
    rolling: str  # the rollout that is under way
    notes: tuple[str, ...]  # what else a reader of the file has to know of it
    secrets: tuple[str, ...] = ()  # the names of the secrets whose change must restart it

    @property
    def name(self) -> str:
        """Of the service."""
        return self.record.name


@dataclass(frozen=True)
class Unfit:
    """A service that trueup cannot look after, and why."""

    name: str
    why: str


class ServiceReads:
    """The services of one connection's clusters."""

    reads = (
        "ecs:ListServices",
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "application-autoscaling:DescribeScalableTargets",
    )

    def __init__(self, connection: Connection, reads: EcsReads) -> None:
        self._connection = connection
        self._reads = reads

    def of(self, cluster: str, names: Iterable[str]) -> tuple[Running | Unfit, ...]:
        """These services, or all of the cluster by name. Absent: no such cluster or service. Raises TROUBLE."""
        chosen = tuple(dict.fromkeys(names)) or self._all(cluster)
        batches = (chosen[at : at + _SERVICES_A_CALL] for at in range(0, len(chosen), _SERVICES_A_CALL))
        told = [each for batch in batches for each in self._described(cluster, batch)]
        keys = [(cluster, each["serviceName"]) for each in told]
        self._reads.new_pass(keys, keys)
        return tuple(self._look(cluster, each) for each in told)

    def _all(self, cluster: str) -> tuple[str, ...]:
        pages = self._connection.reading("ecs").get_paginator("list_services")
        with _present(cluster):
            told = pages.paginate(cluster=cluster, PaginationConfig={"PageSize": _NAMES_A_PAGE})
            names = sorted(arn.rpartition("/")[2] for page in told for arn in page["serviceArns"])
        if not names:
            raise Absent(f"ECS cluster {cluster} has no service; name a cluster that has one")
        return tuple(names)

    def _described(self, cluster: str, names: Sequence[str]) -> "Iterator[ServiceTypeDef]":
        with _present(cluster):
            told = self._connection.reading("ecs").describe_services(cluster=cluster, services=names, include=["TAGS"])
        found = {each["serviceName"]: each for each in told.get("services", [])}
        if missing := ", ".join(name for name in names if name not in found):
            raise Absent(f"ECS cluster {cluster} has no service {missing}; correct its name, or name none to adopt all")
        yield from (found[name] for name in names)

    def _look(self, cluster: str, told: "ServiceTypeDef") -> Running | Unfit:
        try:
            record = service_record(told)
        except Incomplete as error:
            return Unfit(told["serviceName"], f"{error}")
        if why := _unfit(record):
            return Unfit(record.name, why)
        # What it pins is what its PRIMARY deployment runs, also while ECS is still rolling that out.
        revision = (record.primary and record.primary.task_definition) or record.task_definition
        containers, notes = self._containers(revision)
        behind = [each for each in told.get("loadBalancers", []) if "targetGroupArn" in each]
        serving = {each.get("containerName", "") for each in behind}
        containers = sorted(containers, key=lambda each: _rank(each, serving, record.name))
        band, unsure = self._band(cluster, record)
        count = _count(record, band, known=not unsure)
        return Running(
            record=record,
            revision=revision,
            family=record.tags.get(FAMILY) or family_of(record.task_definition),
            containers=tuple(self._container(each) for each in containers),
            groups=tuple(dict.fromkeys(each["targetGroupArn"] for each in behind)),
            named=tuple(dict.fromkeys(_secrets(containers))),
            band=band,
            count=count,
            rolling=settling(record, count_is_pinned=count is not None),
            notes=(*notes, *unsure, *_about_count(record)),
        )

    def _containers(self, revision: str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        try:
            content = json.loads(self._reads.revision(revision).text)
        except TROUBLE as error:
            return [], (
                f"what {short(revision)} runs could not be read, so its databases are left out: {sentence(error)}",
            )
        return content.get("containerDefinitions") or [], ()

    def _container(self, told: Mapping[str, Any]) -> Container:
        log = log_of(told)
        here = log is not None and log.region in (None, self._connection.place.region)
        return Container(told["name"], told.get("image", ""), log.group if log and here else "")

    def _band(self, cluster: str, record: ServiceRecord) -> tuple[Band | None, tuple[str, ...]]:
        if record.scheduling == "DAEMON":
            return None, ()
        try:
            return self._reads.band((cluster, record.name)), ()
        except TROUBLE as error:
            why = f"desired_count is left out, since it is not known whether autoscaling decides it: {sentence(error)}"
            return None, (why,)


def _unfit(record: ServiceRecord) -> str:
    if record.status not in ("ACTIVE", ""):
        return f"it is {record.status}"
    if record.controller != "ECS":
        return f"it is deployed by {record.controller}; trueup drives only ECS's own rolling deployments"
    return "" if record.task_definition else "ECS does not say which task definition it runs"


def _count(record: ServiceRecord, band: Band | None, *, known: bool) -> int | None:
    """What may be pinned. A shutdown of trueup's own counts as pinned: without it the tasks would come back."""
    if record.scheduling == "DAEMON":
        return None
    if record.desired == 0 and _shutdown(record):
        return 0
    return record.desired if known and band is None else None


def _shutdown(record: ServiceRecord) -> Shutdown | None:
    return Shutdown.read(record.tags[SHUTDOWN]) if SHUTDOWN in record.tags else None


def _about_count(record: ServiceRecord) -> Iterator[str]:
    before = _shutdown(record)
    if record.scheduling == "DAEMON":
        yield "a DAEMON service has no desired_count"
    elif before and record.desired == 0:
        yield f"trueup shut it down; without desired_count: 0 it returns to {before.count}"


def _rank(container: Mapping[str, Any], serving: set[str], service: str) -> tuple[object, ...]:
    """The container that people mean first: ECS tells them in any order."""
    named = container["name"] in re.split("[-_]", service)
    return container["name"] not in serving, not container.get("essential", True), not named, container["name"]


def _secrets(containers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The ARNs of secrets that follow AWSCURRENT. What is tied to one version gains nothing by a restart."""
    for container in containers:
        for each in container.get("secrets") or ():
            match = _SECRET.fullmatch(each["valueFrom"])
            if match and match[3] in (None, "", "AWSCURRENT") and not match[4]:
                yield match[1]


@contextmanager
def _present(cluster: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code(error) != "ClusterNotFoundException":
            raise
        raise Absent(f"there is no ECS cluster {cluster} in this region; correct its name, or --region") from error
