"""A restore that has not begun: what is asked of RDS, or why it cannot be made. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from desired_state.model import Restore
from desired_state.values import FrozenMap
from reconcilers import rds_changes as verbs
from reconcilers.contract import Advice, Drift
from reconcilers.rds_changes import ASKED
from reconcilers.rds_reads import Instance, Snapshot
from reconcilers.rds_settings import Values, wanted
from reconcilers.restore_values import Restoring, Secret, free_name, instant, kept_days, span


def missing(
    restore: Restore,
    source: Snapshot | Instance,
    like: Instance | None,
    secret: Secret,
    now: datetime,
    instances: Mapping[str, Instance],
) -> Restoring:
    """There is no such instance yet: the restore itself, or why it cannot be made."""
    if any(_is_endpoint_of(restore.instance, host) for host in secret.hosts):
        free = free_name(restore.instance, {restore.instance, *instances})
        return Restoring(
            blocked=f"instance {restore.instance} was in use and is gone: old data is not brought back by itself; "
            f"choose a new instance name, such as {free}, or pin the endpoint of another database"
        )
    if blocked := _cannot_start(restore, source, like, secret, now):
        return Restoring(blocked=blocked)
    if waiting := _not_yet(restore, source):
        return Restoring(settling=waiting, pace=5.0)
    values = _values(restore, source, like)
    drift = Drift("instance", "absent", f"{restore.instance}, restored from {restore.source}")
    change = verbs.Restore(
        drifts=(drift,),
        source=_source(restore),
        values=values,
        data=_time_of(restore, source) or now,
        takes=_took(instances.values()),
    )
    return Restoring(steps=(change,), advice=(*unfit_advice(source.master, secret), *_outdated(secret)))


def _cannot_start(
    restore: Restore, source: Snapshot | Instance, like: Instance | None, secret: Secret, now: datetime
) -> str:
    """Why a restore cannot be made, whatever RDS may say of it."""
    if restore.like and like is None:
        return (
            f"there is no instance {restore.like} to be like: correct restore.like, or write subnet_group, "
            "security_groups and multi_az in its place"
        )
    for each in (source, like):
        if each and (each.engine.startswith("aurora") or (isinstance(each, Instance) and each.cluster)):
            return (
                f"{each.name} is of a cluster ({each.engine}), which has to be restored by hand: then pin its endpoint"
            )
    if isinstance(source, Snapshot):
        known = source.status in ("available", "creating", "copying")
        return "" if known else f"snapshot {source.name} is {source.status}: choose another one"
    if restore.to_time and restore.to_time > now:
        return f"{restore.source} is in the future: write an instant that has passed"
    if not kept_days(source):
        return f"instance {source.name} keeps no automated backups, so it has no past to go back to; name a snapshot"
    oldest = now - timedelta(days=kept_days(source))
    if restore.to_time and restore.to_time < oldest:
        until = f" to {source.restorable:%Y-%m-%dT%H:%MZ}" if source.restorable else ""
        return (
            f"instance {source.name} can be restored to an instant from {oldest:%Y-%m-%dT%H:%MZ}{until}: "
            "write one of these, or name a snapshot"
        )
    return ""


def _not_yet(restore: Restore, source: Snapshot | Instance) -> str:
    if isinstance(source, Snapshot):
        return "" if source.status == "available" else f"snapshot {source.name} is {source.status}"
    if restore.to_time and source.restorable and restore.to_time > source.restorable:
        return f"by now {source.name} can be restored to {source.restorable:%Y-%m-%dT%H:%M:%SZ}; RDS is minutes behind"
    return ""


def _values(restore: Restore, source: Snapshot | Instance, like: Instance | None) -> Values:
    values = wanted(restore, like.settings if like else None)
    least = source.size if isinstance(source, Snapshot) else int(source.settings.get("allocated_storage") or 0)
    dropped = []
    if values.get("allocated_storage", least) <= least:  # it comes with the data, and never shrinks
        dropped.append("allocated_storage")
    if values.get("max_allocated_storage", least) < least:
        dropped.append("max_allocated_storage")
    return FrozenMap({key: value for key, value in values.items() if key not in dropped})


def _source(restore: Restore) -> Values:
    if restore.snapshot:
        return FrozenMap({"DBSnapshotIdentifier": restore.snapshot, "DBInstanceIdentifier": restore.instance})
    names = {"SourceDBInstanceIdentifier": restore.of, "TargetDBInstanceIdentifier": restore.instance}
    return FrozenMap({**names, "RestoreTime": restore.to_time})


def _time_of(restore: Restore, source: Snapshot | Instance) -> datetime | None:
    return restore.to_time or (source.taken if isinstance(source, Snapshot) else None)


def unfit_advice(master: str, secret: Secret) -> tuple[Advice, ...]:
    """Said while RDS is still creating: the answer to the change of the password comes much later."""
    said = secret.unfit if secret.user == master else ""
    return (Advice("password_unfit", said),) if said else ()


def _outdated(secret: Secret) -> tuple[Advice, ...]:
    """Said before RDS has made anything: the restore takes its time, and ends in this."""
    message = f"what is restored will not be published: {secret.outdated}"
    return (Advice("password_outdated", message),) if secret.outdated else ()


def _took(instances: Iterable[Instance]) -> str:
    """How long the last restore took, by what is recorded on the instances that are still there."""
    known = [
        (each.created, each.created - asked)
        for each in instances
        if each.created and (asked := instant(each.tags.get(ASKED, ""))) and each.created > asked
    ]
    return f"the last one took {span(max(known)[1].total_seconds())}" if known else ""


def _is_endpoint_of(instance: str, host: str) -> bool:
    first, _, rest = host.lower().partition(".")
    return first == instance and ".rds." in rest
