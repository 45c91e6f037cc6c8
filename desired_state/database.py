"""A database in the desired-state file: its secret, where that must point, and how an older state is brought back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from desired_state.endpoint import WrittenEndpoint
from desired_state.times import Instant
from desired_state.values import FROZEN, Part, printable, wrong
from desired_state.words import (
    AwsWord,
    EntryName,
    InstanceName,
    RecordName,
    SecretName,
    SecurityGroup,
    SnapshotName,
    VersionId,
    ZoneName,
)

_WITHOUT_LIKE: Final = ("subnet_group", "security_groups", "multi_az")
"""What must not be left to the defaults of RDS: its default network, and a single zone."""


def _some(groups: tuple[str, ...]) -> tuple[str, ...]:
    if not groups:
        raise wrong("names none", "write one id at least, such as [sg-0123456789abcdef0], or remove the line")
    return groups


class Restore(Part):
    """An instance made from a snapshot, or from a point in time. Once it is in use, its settings are not managed."""

    snapshot: SnapshotName | None = None
    """The snapshot: its name, rds:… for an automated one, or the ARN of a shared one. Or write to_time and of."""
    to_time: Instant | None = None
    """The instant to go back to, together with of; or write snapshot."""
    of: InstanceName | None = None
    """The instance whose past to_time means."""
    instance: InstanceName
    """The name of the new instance. trueup never takes over one that is there already."""
    like: InstanceName | None = None
    """The instance whose network, groups and settings are copied, except for those that are written here."""
    instance_class: AwsWord | None = None
    """The class, such as db.t4g.medium."""
    subnet_group: AwsWord | None = None
    """The DB subnet group."""
    security_groups: Annotated[tuple[SecurityGroup, ...], AfterValidator(_some)] | None = None
    """The ids of the VPC security groups."""
    parameter_group: AwsWord | None = None
    """The DB parameter group."""
    option_group: AwsWord | None = None
    """The option group."""
    multi_az: bool | None = None
    """Whether there is a standby in another zone."""
    publicly_accessible: bool | None = None
    """Whether it has a public address."""
    port: Annotated[int, Field(ge=1150, le=65535)] | None = None
    """The port that it listens on."""
    network_type: AwsWord | None = None
    """IPV4 or DUAL."""
    iam_authentication: bool | None = None
    """Whether IAM users may log in."""
    deletion_protection: bool | None = None
    """Whether it is protected against deletion."""
    log_exports: tuple[AwsWord, ...] | None = None
    """The logs that go to CloudWatch, such as postgresql."""
    ca_certificate: AwsWord | None = None
    """The certificate authority of its TLS certificate."""
    auto_minor_version_upgrade: bool | None = None
    """Whether minor versions are installed by themselves."""
    license_model: AwsWord | None = None
    """The license model, where the engine has several."""
    engine_lifecycle_support: AwsWord | None = None
    """Whether extended support is paid for."""
    storage_type: AwsWord | None = None
    """The storage type, such as gp3."""
    allocated_storage: Annotated[int, Field(ge=5, le=65536)] | None = None
    """The storage in GiB; never less than the snapshot has."""
    iops: Annotated[int, Field(ge=1000, le=256000)] | None = None
    """The provisioned input and output operations a second."""
    storage_throughput: Annotated[int, Field(ge=125, le=4000)] | None = None
    """The throughput of gp3 storage in MiB/s."""
    dedicated_log_volume: bool | None = None
    """Whether the log has a volume of its own."""
    max_allocated_storage: Annotated[int, Field(ge=5, le=65536)] | None = None
    """Up to how many GiB the storage grows by itself."""
    backup_retention_days: Annotated[int, Field(ge=0, le=35)] | None = None
    """For how many days automated backups are kept."""
    backup_window: AwsWord | None = None
    """When backups are taken (UTC), such as 03:00-03:30."""
    copy_tags_to_snapshot: bool | None = None
    """Whether its snapshots get its tags."""
    maintenance_window: AwsWord | None = None
    """When AWS may work on it (UTC), such as sun:04:00-sun:04:30."""
    monitoring_interval: Annotated[int, Field(ge=0, le=60)] | None = None
    """Seconds between two points of enhanced monitoring; 0: none."""
    monitoring_role: AwsWord | None = None
    """The ARN of the role for enhanced monitoring."""
    performance_insights: bool | None = None
    """Whether Performance Insights is on."""
    performance_insights_key: AwsWord | None = None
    """The KMS key of Performance Insights."""
    performance_insights_retention_days: Annotated[int, Field(ge=7, le=731)] | None = None
    """For how many days Performance Insights keeps its data."""
    database_insights: AwsWord | None = None
    """The mode of Database Insights: standard or advanced."""
    tags: Annotated[Mapping[str, str], *FROZEN] | None = None
    """The tags of the instance."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.snapshot is None) == (self.to_time is None):
            raise wrong("must say what is restored in exactly one way", "write either snapshot, or to_time with of")
        if (self.to_time is None) != (self.of is None):
            raise wrong("to_time and of belong together", "write both, or neither")
        if self.instance in (self.like, self.of):
            raise wrong(
                f"cannot restore {self.instance} into itself", f"write a new name, such as {self.instance}-restored"
            )
        if self.tags and (ours := [key for key in self.tags if key.lower().startswith(("trueup:", "aws:"))]):
            raise wrong(f"the tag {printable(ours[0])} is not a team's own", "remove it: trueup and AWS write theirs")
        missing = [key for key in _WITHOUT_LIKE if getattr(self, key) is None]
        if self.like is None and missing:
            raise wrong(
                f"does not say what the new instance is like ({', '.join(missing)})",
                "write like, or all of " + ", ".join(_WITHOUT_LIKE),
            )
        return self

    @property
    def source(self) -> str:
        """What is restored, as people say it and as it is recorded on the instance."""
        if self.snapshot is not None or self.to_time is None:
            return self.snapshot or ""
        return f"{self.of} at {self.to_time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


class Dns(Part):
    """A CNAME that follows the endpoint of the database."""

    zone: ZoneName
    """The hosted zone: its name, or its id where several have the same name."""
    record: RecordName
    """The full name of the CNAME."""
    ttl: Annotated[int, Field(ge=1, le=86400)] | None = None
    """Seconds for which it may be remembered. Unset: as it is; 30 where the record is new."""

    @model_validator(mode="after")
    def _is_inside(self) -> Self:
        by_name = "." in self.zone
        if by_name and self.record == self.zone:
            raise wrong(
                "is the zone itself, which can have no CNAME", f"write a name inside it, such as db.{self.zone}"
            )
        if by_name and not self.record.endswith(f".{self.zone}"):
            raise wrong(f"{self.record} is not inside the zone {self.zone}", f"write db.{self.zone}, or another zone")
        return self


class Backups(Part):
    """What must not be lost of the backups of the instance in use."""

    retention_days: Annotated[int, Field(ge=1, le=35)]
    """For how many days automated backups are kept at least."""


class Database(Part):
    """A database, known by the secret that says where it is."""

    secret: SecretName
    """The name of the secret in Secrets Manager that the services read."""
    endpoint: WrittenEndpoint | None = None
    """The host, or host:port, that the secret must carry; or write restore."""
    restore: Restore | None = None
    """The instance to restore, whose endpoint the secret must carry once it is there; or write endpoint."""
    dns: Dns | None = None
    """A CNAME that follows the endpoint."""
    quiesce: tuple[EntryName, ...] = ()
    """The services that run no task while the secret is moved to another database."""
    secret_version: VersionId | None = None
    """The id of an earlier version of the secret, whose value is put as a new one."""
    backups: Backups | None = None
    """The backups of the instance in use."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.endpoint is not None and self.restore is not None:
            raise wrong("has an endpoint and a restore, and can follow only one of them", "remove one of the two")
        if self.dns is not None and self.endpoint is None and self.restore is None:
            raise wrong("dns has nothing to follow", "add endpoint or restore")
        if self.dns is not None and self.endpoint is not None:
            host = self.endpoint.host.lower()
            if host == self.dns.record:
                raise wrong(f"dns would lead {host} to itself", "write the endpoint as RDS shows it")
            if host.replace(".", "").isdigit():
                raise wrong("dns is a CNAME, which cannot lead to an address", "write an endpoint with a name")
        return self
