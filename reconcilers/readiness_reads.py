"""What the tasks of a revision need besides it, asked of AWS in as few calls as it takes. For one check at a time."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from reconcilers.aws import Connection, code
from reconcilers.contract import Absent
from reconcilers.ecs_reads import EcsReads
from reconcilers.ecs_records import Revision
from reconcilers.readiness_words import Finding, Weight, tried
from reconcilers.task_definition import repository_of

_IMAGES_A_CALL: Final = 100
_ECR: Final = re.compile(
    r"(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn)/(.+)"
)
_GONE: Final = "; push it again, or go back to another version"

Content = Mapping[str, Any]
Registry = tuple[str, str, str]  # account, region, repository


@dataclass(frozen=True)
class Needs:
    """What the tasks of a revision cannot start without. Each as the task definition names it."""

    images: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


def needs_of(content: Content) -> Needs:
    """What a task definition names."""
    containers = content.get("containerDefinitions") or []
    roles = (content.get("executionRoleArn"), content.get("taskRoleArn"))
    return Needs(
        images=tuple(dict.fromkeys(str(each["image"]) for each in containers if each.get("image"))),
        secrets=tuple(dict.fromkeys(name for each in containers for name in _secrets(each))),
        roles=tuple(dict.fromkeys(role for role in roles if role)),
    )


def _secrets(container: Content) -> Iterator[str]:
    logs = (container.get("logConfiguration") or {}).get("secretOptions") or []
    yield from (each["valueFrom"] for each in (*(container.get("secrets") or []), *logs) if each.get("valueFrom"))
    if private := (container.get("repositoryCredentials") or {}).get("credentialsParameter"):
        yield private


def ecr_image(image: str) -> tuple[Registry, str] | None:
    """The repository of an image in ECR, and its tag or `sha256:…` digest; None: it is in another registry."""
    found = _ECR.fullmatch(repository_of(image))
    if found is None:
        return None
    name, _, digest = image.partition("@")
    tag = name.removeprefix(repository_of(image))[1:]
    return (found[1], found[2], found[3]), digest or tag or "latest"


class FreshReads(EcsReads):
    """The reads of a check: the status of each revision once, and every image later, with all others."""

    def new_pass(self, services: Iterable[tuple[str, str]], counts: Iterable[tuple[str, str]]) -> None:
        super().new_pass(services, counts)
        self._fresh: dict[str, Revision | Absent] = {}
        self._active: dict[str, list[str]] = {}

    def revision(self, arn: str, *, fresh: bool = False) -> Revision:
        if not fresh:
            return super().revision(arn)
        if arn not in self._fresh:
            if (known := self._revisions.get(arn)) and not known.active:
                del self._revisions[arn]  # it may have been deleted since
            try:
                self._fresh[arn] = super().revision(arn, fresh=True)
            except Absent as error:
                self._fresh[arn] = error
        found = self._fresh[arn]
        if isinstance(found, Absent):
            raise found
        return found

    def active(self, family: str) -> list[str]:
        if family not in self._active:
            self._active[family] = super().active(family)
        return self._active[family]

    def has_image(self, account: str, region: str, repository: str, tag: str) -> bool:
        return True


class Images:
    """DescribeImages: which images are still in ECR, up to 100 of a repository at once."""

    reads = ("ecr:DescribeImages",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._there: dict[tuple[Registry, str], str | Exception] = {}  # its status; "" where it is gone

    def look(self, images: Iterable[str]) -> None:
        """Read these. What goes wrong is said by `findings`."""
        wanted: dict[Registry, list[str]] = {}
        for registry, name in dict.fromkeys(found for image in images if (found := ecr_image(image))):
            if (registry, name) not in self._there:
                wanted.setdefault(registry, []).append(name)
        for registry, names in wanted.items():
            for start in range(0, len(names), _IMAGES_A_CALL):
                self._read(registry, names[start : start + _IMAGES_A_CALL])

    def findings(self, entry: str, image: str) -> Iterator[Finding]:
        """What is to be said of an image that was looked at."""
        found = ecr_image(image)
        if found is None:
            yield Finding(entry, f"image {image} is in another registry: not checked", Weight.UNCHECKED)
            return
        (_, _, repository), name = found
        shown = f"{repository}{'@' if name.startswith('sha256:') else ':'}{name}"
        status = self._there.get(found, "")
        if isinstance(status, Exception):
            yield from tried(entry, lambda: _raised(status))
        elif not status:
            yield Finding(entry, f"image {shown} is not in ECR any more{_GONE}")
        elif status != "ACTIVE":
            yield Finding(entry, f"image {shown} is {status} in ECR and cannot be pulled; restore it from the archive")

    def _read(self, registry: Registry, names: list[str]) -> None:
        try:
            told = self._describe(registry, names)
        except (ClientError, BotoCoreError) as error:
            self._there |= dict.fromkeys(((registry, name) for name in names), error)
        else:
            self._there |= {(registry, name): told.get(name, "") for name in names}

    def _describe(self, registry: Registry, names: list[str]) -> dict[str, str]:
        """The status of those that are there. One that is gone fails the whole call: then by halves."""
        account, region, repository = registry
        ids: list[Any] = [{"imageDigest" if each.startswith("sha256:") else "imageTag": each} for each in names]
        try:
            ecr = self._connection.reading("ecr", region)
            told = ecr.describe_images(registryId=account, repositoryName=repository, imageIds=ids)
        except ClientError as error:
            if code(error) == "RepositoryNotFoundException":
                return {}
            if code(error) != "ImageNotFoundException":
                raise
            if len(names) == 1:
                return {}
            half = len(names) // 2
            return self._describe(registry, names[:half]) | self._describe(registry, names[half:])
        found: dict[str, str] = {}
        for each in told.get("imageDetails", []):
            status = each.get("imageStatus", "ACTIVE")
            found |= dict.fromkeys((each.get("imageDigest", ""), *each.get("imageTags", [])), status)
        return found


class Roles:
    """GetRole: whether the roles of tasks exist, each once."""

    reads = ("iam:GetRole",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._there: dict[str, bool | Exception] = {}

    def findings(self, entry: str, role: str) -> Iterator[Finding]:
        """What is to be said of a role, named by its ARN or its name."""
        name = role.rpartition("/")[2]
        if name not in self._there:
            self._there[name] = self._look(name)
        found = self._there[name]
        if isinstance(found, Exception):
            yield from tried(entry, lambda: _raised(found), lambda: not self._connection.is_real_aws)
        elif not found:
            yield Finding(entry, f"there is no IAM role {name}, which its tasks need; create it again")

    def _look(self, name: str) -> bool | Exception:
        try:
            self._connection.reading("iam").get_role(RoleName=name)
        except ClientError as error:
            return False if code(error) == "NoSuchEntity" else error
        except BotoCoreError as error:
            return error
        return True


class TaskSecrets:
    """DescribeSecret: whether what the containers name exists, each secret once. No value is read."""

    reads = ("secretsmanager:DescribeSecret",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._there: dict[str, Mapping[str, Any] | Exception] = {}

    def findings(self, entry: str, named: str) -> Iterator[Finding]:
        """What is to be said of the `valueFrom` of a container."""
        parts = named.split(":")
        if parts[2:3] != ["secretsmanager"]:
            yield Finding(entry, f"SSM parameter {_parameter(named)}: not checked", Weight.UNCHECKED)
        elif parts[3] != self._connection.place.region:
            yield Finding(entry, f"secret {parts[6]} is in region {parts[3]}: not checked", Weight.UNCHECKED)
        else:
            stage, version = [*parts[8:10], "", ""][:2]
            yield from tried(entry, lambda: self._look(entry, ":".join(parts[:7]), stage, version))

    def _look(self, entry: str, arn: str, stage: str, version: str) -> Iterator[Finding]:
        told, name = self._secret(arn), arn.split(":", 6)[6]
        stages = told.get("VersionIdsToStages") or {}
        if told.get("DeletedDate"):
            yield Finding(entry, f"secret {name} is scheduled for deletion: restore it (RestoreSecret)")
        elif version and version not in stages:
            unclear = f"version {version} of secret {name} has no label any more: AWS may have removed it"
            yield Finding(entry, unclear, Weight.UNREAD)
        elif not version and not any((stage or "AWSCURRENT") in each for each in stages.values()):
            yield Finding(entry, f"secret {name} has no {stage or 'AWSCURRENT'} version; put a value into it")

    def _secret(self, arn: str) -> Mapping[str, Any]:
        if arn not in self._there:
            try:
                self._there[arn] = self._connection.reading("secretsmanager").describe_secret(SecretId=arn)
            except (ClientError, BotoCoreError) as error:
                self._there[arn] = error
        found = self._there[arn]
        if isinstance(found, ClientError) and code(found) == "ResourceNotFoundException":
            raise Absent(f"there is no secret {arn.split(':', 6)[6]}, which its containers name; create it again")
        if isinstance(found, Exception):
            raise found
        return found


def _parameter(named: str) -> str:
    return named.partition(":parameter")[2] if named.startswith("arn:") else named


def _raised(error: Exception) -> Iterable[Finding]:
    raise error
