"""What ECS is asked: services ten at a time and once a pass, revisions once for ever."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StructureShape

from reconcilers.aws import Connection, code, is_unsupported
from reconcilers.contract import Absent
from reconcilers.ecs_records import (
    Band,
    Incomplete,
    Revision,
    ServiceDeployment,
    ServiceRecord,
    family_of,
    number_of,
    service_record,
    short,
)

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling.type_defs import ScalableTargetTypeDef
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import (
        DescribeServicesResponseTypeDef,
        ServiceDeploymentBriefTypeDef,
        ServiceTypeDef,
    )

Key = tuple[str, str]  # cluster, service
Found = TypeVar("Found")

_SERVICES_A_CALL = 10
_TARGETS_A_CALL = 50
_REVISIONS = 100  # how many of a family's newest ACTIVE revisions are looked through for an equal one
_REVISIONS_KEPT = 8192  # some 4 KB each; two for each of the services with an overlay are in use all the time
_LOOK_AGAIN = 5.0  # seconds between two looks that together make a fact
HISTORY = timedelta(days=80)  # ListServiceDeployments refuses a window of more than three months


class EcsReads:
    """Batched reads of one connection. A pass starts with `new_pass`; revisions are kept for ever."""

    def __init__(self, connection: Connection, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._monotonic = monotonic
        self._without_band: dict[Key, float] = {}  # since when no scalable target has been told; it only brakes
        self._unmodelled = ""
        self._revisions: dict[str, Revision] = {}
        self._history_is_unsupported = False
        self.new_pass((), ())

    @cached_property
    def _ecs(self) -> "ECSClient":
        ecs = self._connection.reading("ecs")
        ecs.meta.events.register("before-parse.ecs.DescribeServices", _without_events)
        ecs.meta.events.register("before-parse.ecs.DescribeTaskDefinition", self._inspect)
        return ecs

    @cached_property
    def _registerable(self) -> set[str]:
        shape = self._ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape
        return cast(StructureShape, shape).members.keys() - {"tags"}

    @cached_property
    def _described(self) -> StructureShape:
        shape = self._ecs.meta.service_model.operation_model("DescribeTaskDefinition").output_shape
        return cast(StructureShape, shape)

    def new_pass(self, services: Iterable[Key], counts: Iterable[Key]) -> None:
        """Forget what the last pass read. `services` will be asked for, and of them `counts` pin a count."""
        self._wanted = list(dict.fromkeys(services))
        self._counted = list(dict.fromkeys(counts))
        self._services: dict[Key, ServiceRecord | Exception] = {}
        self._bands: dict[Key, Band | Exception | None] = {}

    def service(self, key: Key) -> ServiceRecord:
        """DescribeServices, for up to ten of the same cluster at once."""
        if key not in self._services:
            batch = _batch(key, self._wanted, self._services, _SERVICES_A_CALL, same=lambda other: other[0] == key[0])
            self._read_services(key[0], [name for _, name in batch])
        return _kept(self._services[key])

    def band(self, key: Key) -> Band | None:
        """DescribeScalableTargets, for up to fifty services at once. None: no autoscaling."""
        if key not in self._bands:
            batch = _batch(key, self._counted, self._bands, _TARGETS_A_CALL, same=lambda _: True)
            self._read_bands(batch)
        return _kept(self._bands[key])

    def confirm_no_band(self, key: Key) -> None:
        """Absent: that there is no autoscaling has not been told twice, at least five seconds apart.

        Once it has, it counts until a target is told: only the first count of a process waits for it.
        """
        if self._monotonic() - self._without_band.get(key, self._monotonic()) < _LOOK_AGAIN:
            raise Absent(f"application autoscaling told no scalable target for service {key[1]}")

    def revision(self, arn: str, *, fresh: bool = False) -> Revision:
        """DescribeTaskDefinition with tags. Content never changes and is kept; `fresh` reads status and tags anew,
        unless the revision is INACTIVE, which it stays."""
        known = self._revisions.pop(arn, None)
        if known is None or (fresh and known.active):
            known = self._describe(arn)
        while len(self._revisions) >= _REVISIONS_KEPT:  # a family has up to a million: the oldest use goes first
            del self._revisions[next(iter(self._revisions))]
        self._revisions[arn] = known
        return known

    def active(self, family: str) -> list[str]:
        """ListTaskDefinitions: the newest 100 ACTIVE revisions of a family, newest first."""
        told = self._ecs.list_task_definitions(familyPrefix=family, status="ACTIVE", sort="DESC", maxResults=_REVISIONS)
        arns = [arn for arn in told.get("taskDefinitionArns", []) if family_of(arn) == family]
        return sorted(arns, key=number_of, reverse=True)[:_REVISIONS]

    def last_deployment(self, cluster: str, service_arn: str) -> ServiceDeployment | None:
        """The newest entry of the deployment history. None: there is none, or the endpoint keeps none."""
        newest = next(iter(self._history(cluster, service_arn, self._connection.now() - HISTORY)), None)
        if newest is None or "targetServiceRevisionArn" not in newest:
            return None
        told = self._ecs.describe_service_revisions(serviceRevisionArns=[newest["targetServiceRevisionArn"]])
        target = "".join(each.get("taskDefinition", "") for each in told.get("serviceRevisions", []))
        return ServiceDeployment(target, newest.get("status", ""), newest["createdAt"]) if target else None

    def statuses_since(self, cluster: str, service_arn: str, at: datetime) -> tuple[str, ...]:
        """How the deployments that were begun at `at` or later stand, newest first. The history has 80 days."""
        after = max(at, self._connection.now() - HISTORY)
        return tuple(each["status"] for each in self._history(cluster, service_arn, after) if "status" in each)

    def last_took(self, cluster: str, service_arn: str) -> timedelta | None:
        """How long the newest deployment that ended well took. None: none is known."""
        for each in self._history(cluster, service_arn, self._connection.now() - HISTORY):
            if each.get("status") == "SUCCESSFUL" and "finishedAt" in each:
                return each["finishedAt"] - each.get("startedAt", each["createdAt"])
        return None

    def has_image(self, account: str, region: str, repository: str, tag: str) -> bool:
        """DescribeImages: whether ECR has this tag, or this `sha256:…` digest."""
        image: Any = {"imageDigest": tag} if tag.startswith("sha256:") else {"imageTag": tag}
        try:
            ecr = self._connection.reading("ecr", region)
            told = ecr.describe_images(registryId=account, repositoryName=repository, imageIds=[image])
        except ClientError as error:
            if code(error) in ("ImageNotFoundException", "RepositoryNotFoundException"):
                return False
            raise
        return bool(told.get("imageDetails"))  # some emulators answer with an empty list

    def _read_services(self, cluster: str, names: Sequence[str]) -> None:
        try:
            told = self._ecs.describe_services(cluster=cluster, services=names, include=["TAGS"])
        except ClientError as error:
            if code(error) == "ClusterNotFoundException":
                self._keep(
                    cluster,
                    names,
                    Absent(f"there is no ECS cluster {cluster}; correct its name in the file, or create it"),
                )
            elif code(error) == "InvalidParameterException" and len(names) > 1:
                for name in names:  # one bad name must not hide the other nine
                    self._read_services(cluster, [name])
            else:
                self._keep(cluster, names, error)
        except Exception as error:  # noqa: BLE001 — kept, and raised again to every service of this batch
            self._keep(cluster, names, error)
        else:
            self._take(cluster, names, told)

    def _take(self, cluster: str, names: Sequence[str], told: "DescribeServicesResponseTypeDef") -> None:
        for name in names:
            self._services[cluster, name] = Absent(
                f"ECS cluster {cluster} has no service {name}; correct its name in the file, or create it"
            )
        for failure in told.get("failures", []):
            if (reason := failure.get("reason", "")) != "MISSING":
                name = failure.get("arn", "").rpartition("/")[2]
                self._services[cluster, name] = Incomplete(f"ECS could not describe service {name}: {reason}")
        for service in told.get("services", []):
            self._services[cluster, service["serviceName"]] = _record(service)

    def _keep(self, cluster: str, names: Sequence[str], error: Exception) -> None:
        for name in names:
            self._services[cluster, name] = error

    def _read_bands(self, batch: Sequence[Key]) -> None:
        resources = {f"service/{cluster}/{name}": (cluster, name) for cluster, name in batch}
        try:
            pages = self._connection.reading("application-autoscaling").get_paginator("describe_scalable_targets")
            asked = pages.paginate(
                ServiceNamespace="ecs", ResourceIds=list(resources), ScalableDimension="ecs:service:DesiredCount"
            )
            found = {target["ResourceId"]: _band(target) for page in asked for target in page["ScalableTargets"]}
        except Exception as error:  # noqa: BLE001 — kept, and raised again to every service of this batch
            missing = self._is_missing_api(error)
            self._bands |= dict.fromkeys(batch, None if missing else error)
            self._without_band |= dict.fromkeys(batch, float("-inf")) if missing else {}
        else:
            for resource, key in resources.items():
                self._see_band(key, found.get(resource))

    def _see_band(self, key: Key, band: Band | None) -> None:
        self._bands[key] = band
        if band is None:
            self._without_band.setdefault(key, self._monotonic())
        else:
            self._without_band.pop(key, None)

    def _is_missing_api(self, error: Exception) -> bool:
        return is_unsupported(error) and not self._connection.is_real_aws

    def _describe(self, arn: str) -> Revision:
        try:
            told = self._ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
        except ClientError as error:
            if code(error) == "ClientException" and "Unable to describe task definition" in str(error):
                raise Absent(
                    f"there is no task definition {short(arn)}; pin a revision that exists "
                    "(aws ecs list-task-definitions lists them)"
                ) from error
            raise
        content = {name: value for name, value in told["taskDefinition"].items() if name in self._registerable}
        return Revision(
            arn=told["taskDefinition"]["taskDefinitionArn"],
            active=told["taskDefinition"].get("status", "ACTIVE") == "ACTIVE",
            tags={tag["key"]: tag["value"] for tag in told.get("tags", [])},
            text=json.dumps(content, separators=(",", ":"), default=str),
            unmodelled=self._unmodelled,
        )

    def _history(self, cluster: str, service_arn: str, after: datetime) -> "list[ServiceDeploymentBriefTypeDef]":
        """ListServiceDeployments, newest first. Empty where the endpoint keeps no history."""
        if self._history_is_unsupported:
            return []
        try:
            told = self._ecs.list_service_deployments(
                cluster=cluster, service=service_arn, createdAt={"after": after}, maxResults=100
            )
        except ClientError as error:
            if not self._is_missing_api(error):
                raise
            self._history_is_unsupported = True
            return []
        dated = [each for each in told.get("serviceDeployments", []) if "createdAt" in each]
        return sorted(dated, key=lambda each: each["createdAt"], reverse=True)

    def _inspect(self, response_dict: dict[str, Any], **_: object) -> None:
        """Botocore drops members that it does not model: see them before it does."""
        try:
            self._unmodelled = _unmodelled(self._described, json.loads(response_dict["body"])) or ""
        except ValueError:
            self._unmodelled = ""  # an error page: botocore will say so


def _batch(key: Key, wanted: Iterable[Key], read: dict[Key, Any], size: int, same: Callable[[Key], bool]) -> list[Key]:
    waiting = [other for other in wanted if other not in read and other != key and same(other)]
    return [key, *waiting[: size - 1]]


def _kept(found: Found | Exception) -> Found:
    if isinstance(found, Exception):
        raise found
    return found


def _record(told: "ServiceTypeDef") -> ServiceRecord | Incomplete:
    try:
        return service_record(told)
    except Incomplete as error:  # kept, and raised to whoever asks for this service: the others are well
        return error


def _band(told: "ScalableTargetTypeDef") -> Band:
    suspended = told.get("SuspendedState", {})
    active = {
        "in": not suspended.get("DynamicScalingInSuspended", False),
        "out": not suspended.get("DynamicScalingOutSuspended", False),
        "scheduled": not suspended.get("ScheduledScalingSuspended", False),
    }
    return Band(told["MinCapacity"], told["MaxCapacity"], frozenset(name for name, on in active.items() if on))


def _without_events(response_dict: dict[str, Any], **_: object) -> None:
    """Up to 100 events a service make parsing eight times slower, and nothing here reads them."""
    try:
        body = json.loads(response_dict["body"])
    except ValueError:
        return
    for service in body.get("services", []):
        service.pop("events", None)
    response_dict["body"] = json.dumps(body).encode()


def _unmodelled(shape: Shape, value: Any) -> str | None:
    """The path of the first member in an answer that this botocore does not know."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, each in value.items():
            if name not in members:
                return str(name)
            if inner := _unmodelled(members[name], each):
                return f"{name}.{inner}"
    elif isinstance(shape, ListShape) and isinstance(value, list):
        return _first(_unmodelled(shape.member, each) for each in value)
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        return _first(_unmodelled(shape.value, each) for each in value.values())
    return None


def _first(paths: Iterable[str | None]) -> str | None:
    return next((path for path in paths if path is not None), None)
