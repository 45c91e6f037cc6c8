"""What a service can be brought back to: the newest revisions of its family, and the images. Reads only."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from desired_state.model import Service
from reconcilers.aws import Connection, code
from reconcilers.contract import Absent, Stalled
from reconcilers.ecs_reads import EcsReads
from reconcilers.ecs_records import family_of, short
from reconcilers.ecs_target import BASE, FAMILY
from reconcilers.readiness_reads import Images as ImageLooks
from reconcilers.readiness_reads import Registry, Roles, TaskSecrets, ecr_image, needs_of
from reconcilers.readiness_words import Verdict
from reconcilers.task_definition import Content, drifts, normalised

if TYPE_CHECKING:
    from mypy_boto3_ecr.type_defs import ImageDetailTypeDef

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_PAGES: Final = 20  # of 1,000 images each: what a repository may hold by default
_A_PAGE: Final = 1000


@dataclass(frozen=True)
class Difference:
    """What would be otherwise than in the revision that runs. Names alone: a value may be secret."""

    comes: tuple[str, ...] = ()  # variables that it has, and the running one has not
    goes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # anything else than images and variables


@dataclass(frozen=True)
class Release:
    """One ACTIVE revision of a service's family."""

    arn: str
    registered: datetime | None
    by: str  # the ARN of whoever registered it; empty where AWS does not say
    base: str  # the revision that trueup made it from; empty where somebody else made it
    images: tuple[str, ...]
    difference: Difference
    verdict: Verdict  # whether its tasks could start now


@dataclass(frozen=True)
class Releases:
    """Of one service, the newest first."""

    family: str
    running: str  # the ARN of the revision that the service is told to run
    found: tuple[Release, ...]
    active: int  # how many there are, up to 100


@dataclass(frozen=True)
class Image:
    """One image of a repository."""

    digest: str
    tags: tuple[str, ...]
    pushed: datetime | None
    size: int  # bytes, packed


@dataclass(frozen=True)
class Images:
    """Of one repository in ECR, the newest first."""

    registry: Registry
    running: str  # the tag or digest that the running revision names
    found: tuple[Image, ...]  # those that have a tag, or run
    count: int  # how many of these there are
    partial: bool  # there are more than could be looked at: newer ones may be among them


@dataclass
class ReleaseReads:
    """For one look of a person."""

    connection: Connection
    reads = (
        "ecs:DescribeServices",
        "ecs:ListTaskDefinitions",
        "ecs:DescribeTaskDefinition",
        *ImageLooks.reads,
        *Roles.reads,
        *TaskSecrets.reads,
    )

    def __post_init__(self) -> None:
        self._ecs = EcsReads(self.connection)
        self._looks = ImageLooks(self.connection)
        self._roles = Roles(self.connection)
        self._secrets = TaskSecrets(self.connection)

    def of(self, service: Service, most: int) -> Releases:
        """The newest revisions. Absent, Stalled: there is no such service, or it runs none."""
        running, family = self._running(service)
        arns = self._ecs.active(family)
        contents = {arn: json.loads(self._ecs.revision(arn).text) for arn in arns[:most]}
        self._looks.look(image for content in contents.values() for image in needs_of(content).images)
        now = json.loads(self._ecs.revision(running).text)
        return Releases(family, running, tuple(self._release(*each, now) for each in contents.items()), len(arns))

    def images(self, service: Service, most: int) -> tuple[Images, ...]:
        """The newest images of each repository that the service's container is of. Stalled: it is none in ECR."""
        running, _ = self._running(service)
        containers = json.loads(self._ecs.revision(running).text).get("containerDefinitions") or []
        named = [c["image"] for c in containers if service.container in (None, c["name"]) and "image" in c]
        inside = dict(found for image in named if (found := ecr_image(image)))
        if not inside:
            told = ", ".join(named) or "none"
            raise Stalled(f"{short(running)} takes no image from ECR (it runs {told}); look in its own registry")
        return tuple(self._images(registry, version, most) for registry, version in inside.items())

    def _running(self, service: Service) -> tuple[str, str]:
        """The revision that it runs, and its own family, also while it runs one of another."""
        record = self._ecs.service((service.cluster, service.service))
        if not record.task_definition:
            raise Stalled(f"{record.name} is deployed by {record.controller}, and ECS names no revision of it")
        return record.task_definition, record.tags.get(FAMILY) or family_of(record.task_definition)

    def _release(self, arn: str, content: Content, running: Content) -> Release:
        told = self.connection.reading("ecs").describe_task_definition(taskDefinition=arn, include=["TAGS"])
        tags = {tag["key"]: tag["value"] for tag in told.get("tags", [])}
        needs, name = needs_of(content), short(arn)
        findings = [each for image in needs.images for each in self._looks.findings(name, image)]
        findings += [each for secret in needs.secrets for each in self._secrets.findings(name, secret)]
        findings += [each for role in needs.roles for each in self._roles.findings(name, role)]
        return Release(
            arn=arn,
            registered=_utc(told["taskDefinition"].get("registeredAt")),
            by=told["taskDefinition"].get("registeredBy", ""),
            base=tags.get(BASE, ""),
            images=needs.images,
            difference=difference(running, content),
            verdict=Verdict("", tuple(dict.fromkeys(findings))),
        )

    def _images(self, registry: Registry, running: str, most: int) -> Images:
        told, partial = self._described(registry)
        named = [each for each in told if each.tags or each.digest == running]
        dated = sorted(named, key=lambda each: (each.pushed or _NEVER, each.tags), reverse=True)
        return Images(registry, running, tuple(dated[:most]), len(named), partial)

    def _described(self, registry: Registry) -> tuple[list[Image], bool]:
        """DescribeImages: ECR tells them in no order, so the newest are known only once all pages are."""
        account, region, repository = registry
        found: list[Image] = []
        token: dict[str, Any] = {}
        ecr = self.connection.reading("ecr", region)
        for _ in range(_PAGES):
            try:
                told = ecr.describe_images(registryId=account, repositoryName=repository, maxResults=_A_PAGE, **token)
            except ClientError as error:
                if code(error) == "RepositoryNotFoundException":
                    raise Absent(f"ECR has no repository {repository}; push its image again") from error
                raise
            found += [_image(each) for each in told.get("imageDetails", [])]
            if not told.get("nextToken"):
                return found, False
            token = {"nextToken": told["nextToken"]}
        return found, True


def difference(running: Content, other: Content) -> Difference:
    """What the other one would bring. Pure."""
    variables = [each for each in drifts(running, other) if each.field.startswith("env.")]
    names = {each.field.removeprefix("env."): (each.live, each.desired) for each in variables}
    comes = tuple(name for name, (live, _) in names.items() if live == "absent")
    goes = tuple(name for name, (_, desired) in names.items() if desired == "absent")
    changes = tuple(name for name in names if name not in (*comes, *goes))
    return Difference(comes, goes, changes, tuple(dict.fromkeys(_others(normalised(running), normalised(other)))))


def _others(running: Content, other: Content) -> Iterator[str]:
    known = ("containerDefinitions", "family", "image", "environment", "name")
    yield from _differing(running, other, known)
    one, two = ({c["name"]: c for c in each.get("containerDefinitions") or []} for each in (running, other))
    if one.keys() != two.keys():
        yield "containers"
    for name in sorted(one.keys() & two.keys()):
        yield from _differing(one[name], two[name], known)


def _differing(one: Mapping[str, Any], two: Mapping[str, Any], known: Sequence[str]) -> Iterator[str]:
    return (key for key in sorted(one.keys() | two.keys()) if key not in known and one.get(key) != two.get(key))


def _image(told: "ImageDetailTypeDef") -> Image:
    tags = tuple(sorted(told.get("imageTags", [])))
    return Image(told.get("imageDigest", ""), tags, _utc(told.get("imagePushedAt")), told.get("imageSizeInBytes", 0))


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at else None
