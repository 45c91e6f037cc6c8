"""Instances, snapshots and secrets as they are told, for what is judged without any AWS."""

from datetime import UTC, datetime, timedelta
from typing import Any

from desired_state.model import Restore
from desired_state.values import FrozenMap
from reconcilers.rds_reads import Instance, Snapshot
from reconcilers.restoring import Secret

NOW = datetime(2024, 2, 24, 12, tzinfo=UTC)
TAKEN = datetime(2024, 2, 24, 3, tzinfo=UTC)
NAME, LIKE, SNAPSHOT = "postgres-restored", "postgres", "rds:postgres-2024-02-24-03-00"
DOMAIN = "abc123.us-east-1.rds.amazonaws.com"
HOST = f"{NAME}.{DOMAIN}"
FROM, ASKED, DATA, PASSWORD, VERIFIED = (
    f"trueup:{name}" for name in ("restored-from", "restore-asked", "data-of", "password-of", "verified")
)
V1, V2, V3 = ("1" * 32, "2" * 32, "3" * 32)
SETTINGS = {
    "instance_class": "db.t4g.medium",
    "subnet_group": "private",
    "parameter_group": "tuned",
    "security_groups": ("sg-0123456789abcdef0",),
    "multi_az": True,
    "log_exports": ("postgresql",),
    "allocated_storage": 20,
    "backup_retention_days": 7,
    "monitoring_interval": 0,
    "tags": FrozenMap({"team": "platform"}),
}


def at(minutes: float) -> datetime:
    """So many minutes ago."""
    return NOW - timedelta(minutes=minutes)


def ago(minutes: float) -> str:
    """The same as a tag says it."""
    return at(minutes).isoformat()


def restore(**more: Any) -> Restore:
    return Restore(**{"snapshot": SNAPSHOT, "instance": NAME, "like": LIKE, **more})


def to_time(at: datetime) -> Restore:
    return Restore(to_time=at, of=LIKE, instance=NAME, like=LIKE)


def instance(name: str = LIKE, *, tags: dict[str, str] | None = None, **more: Any) -> Instance:
    """One that has been there for a month, available and in sync; `settings` are laid over SETTINGS."""
    known: dict[str, Any] = {
        "name": name,
        "arn": f"arn:aws:rds:us-east-1:123456789012:db:{name}",
        "status": "available",
        "host": f"{name}.{DOMAIN}",
        "port": 5432,
        "engine": "postgres",
        "created": NOW - timedelta(days=30),
        "master": "postgres",
        "cluster": "",
        "groups": frozenset({"in-sync"}),
        "pending": frozenset(),
        "restorable": NOW - timedelta(minutes=5),
        "tags": FrozenMap(tags or {}),
    }
    values = FrozenMap({**SETTINGS, **more.pop("settings", {})})
    return Instance(**(known | more), settings=values)


def restored(*, tags: dict[str, str] | None = None, **more: Any) -> Instance:
    """One that was restored from the pin, asked for ten minutes ago."""
    ours = {FROM: SNAPSHOT, ASKED: ago(10), DATA: TAKEN.isoformat()}
    return instance(NAME, tags={**ours, **(tags or {})}, **{"created": at(5), **more})


def snapshot(**more: Any) -> Snapshot:
    known: dict[str, Any] = {
        "name": SNAPSHOT,
        "arn": f"arn:aws:rds:us-east-1:123456789012:snapshot:{SNAPSHOT}",
        "instance": LIKE,
        "kind": "automated",
        "status": "available",
        "taken": TAKEN,
        "engine": "postgres",
        "version": "16.4",
        "size": 20,
        "master": "postgres",
        "encrypted": True,
    }
    return Snapshot(**(known | more))


def secret(version: str = V2, **more: Any) -> Secret:
    """One whose user is not the master, with a password as old as the data."""
    return Secret(version, **{"user": "app", **more})
