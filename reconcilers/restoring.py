"""How far the instance of a `restore` is, and what is next: from a snapshot to an endpoint that may be used. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from desired_state.model import Endpoint, Restore
from desired_state.values import FrozenMap
from reconcilers import rds_changes as verbs
from reconcilers.contract import Absent, Advice, Change, Drift
from reconcilers.rds_changes import ASKED, FROM, PASSWORD, VERIFIED, mark
from reconcilers.rds_reads import Instance, Snapshot
from reconcilers.rds_settings import Difference, Values, differences, spelled, wanted

DEADLINE: Final = timedelta(hours=2)
"""How long a restore may take before it counts as stalled."""
USABLE: Final = frozenset(
    {"available", "backing-up", "storage-optimization", "storage-config-upgrade", "storage-initialization"}
)
"""The states in which a database takes connections. RDS takes the first backup for hours before it says available."""
BROKEN: Final[Mapping[str, str]] = {
    "deleted": "it is gone",
    "deleting": "it is being deleted",
    "failed": "it cannot be recovered",
    "inaccessible-encryption-credentials": "its KMS key cannot be used: enable the key, and grant its use",
    "inaccessible-encryption-credentials-recoverable": "its KMS key cannot be used: enable the key, and start it",
    "incompatible-credentials": "its credentials do not fit",
    "incompatible-network": "its subnets or addresses do not suffice",
    "incompatible-option-group": "its option group does not fit its version",
    "incompatible-parameters": "its parameter group does not fit its class or version: mend the group and reboot it",
    "incompatible-restore": "the snapshot cannot be restored so",
    "insufficient-capacity": "AWS has no capacity of this class in these zones",
    "restore-error": "RDS could not restore it",
    "stopped": "it is stopped: start it (StartDBInstance)",
    "stopping": "it is being stopped",
    "storage-full": "its storage is full: enlarge it",
}
"""The states in which it takes none, and will not by itself; and what that means."""


@dataclass(frozen=True)
class Secret:
    """What the secret says that matters for a restored instance; no password."""

    version: str  # whose value is to be used
    user: str = ""  # "" where that cannot be told
    unclear: str = ""  # why it cannot be told who it lets in
    unfit: str = ""  # why RDS would not take its password for a master user
    outdated: str = ""  # why another user's password may not be that of the restored data
    hosts: tuple[str, ...] = ()  # that its current and its previous version name
    elsewhere: bool = True  # whether it names another host than that of the instance


@dataclass(frozen=True)
class Restoring:
    """How far it is."""

    endpoint: Endpoint | None = None  # once the instance may be used
    steps: tuple[Change, ...] = ()  # what must be done before it may be
    later: tuple[Change, ...] = ()  # what may be done while it is in use
    settling: str = ""
    overdue: str = ""
    blocked: str = ""
    aside: bool = False  # what settles holds nobody up
    pace: float = 0.0
    advice: tuple[Advice, ...] = ()


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
    return Restoring(steps=(change,), advice=(*_unfit(source.master, secret), *_outdated(secret)))


def present(
    restore: Restore,
    instance: Instance,
    like: Instance | None,
    secret: Secret,
    now: datetime,
    instances: Mapping[str, Instance],
) -> Restoring:
    """There is an instance of that name: whether it is ours, whether it may be used, and what is next."""
    if instance.cluster:
        return Restoring(
            blocked=f"{instance.name} belongs to the cluster {instance.cluster}; only instances can be restored"
        )
    if FROM not in instance.tags and not secret.elsewhere:  # Terraform takes away tags that it does not know
        message = f"instance {instance.name} is in use, and its tags no longer say what it was restored from"
        endpoint = Endpoint(host=instance.host, port=instance.port)
        return Restoring(endpoint, advice=(Advice("not_recorded", f"{message}: nothing more of it is compared"),))
    if (made_from := instance.tags.get(FROM)) != mark(restore.source):
        said = f"was restored from {made_from}" if made_from else "was not restored by trueup"
        mend = (
            f"choose another instance name, such as {free_name(instance.name, instances)}, or pin its endpoint instead"
        )
        return Restoring(
            blocked=f"instance {instance.name} is there already and {said}, not from {restore.source}; "
            f"it is left alone: {mend}"
        )
    if not secret.elsewhere:
        return _in_use(restore, instance, like)
    return _staged(restore, instance, like, secret, now)


def kept_days(instance: Instance | None) -> int:
    """For how many days the automated backups of an instance are kept."""
    return int(instance.settings.get("backup_retention_days") or 0) if instance else 0


def span(seconds: float) -> str:
    """A time as people say it, in steps that do not change every second."""
    if seconds < 10:
        return "some seconds"
    if seconds < 120:
        return f"{int(seconds) // 10 * 10} s"
    return f"{int(seconds) // 60} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _staged(restore: Restore, instance: Instance, like: Instance | None, secret: Secret, now: datetime) -> Restoring:
    """The instance is ours, and not in use yet."""
    broken = BROKEN.get(instance.status)
    if broken:
        return Restoring(
            blocked=f"instance {instance.name} is {instance.status}: {broken}; or restore again under a new name"
        )
    if instance.status in USABLE and not instance.host:
        raise Absent(
            f"RDS shows instance {instance.name} as {instance.status} and without an endpoint: nothing is published; "
            "look at it in the console, or restore again under a new name"
        )
    # One that was in use before is no longer being restored.
    taken = 0.0 if VERIFIED in instance.tags else _taken(instance, now)
    pace = min(15.0, max(1.0, taken / 20))
    if waiting := _settling(instance, taken, again=VERIFIED in instance.tags):
        late = taken > DEADLINE.total_seconds()
        reason = f"{waiting}: longer than any restore should take; look at its events" if late else ""
        return Restoring(settling=waiting, overdue=reason, pace=pace, advice=_unfit(instance.master, secret))
    steps, blocked = _before_use(restore, instance, like, secret)
    if steps or blocked:
        # RDS may refuse a change while it takes the first backup: that is asked for seldom.
        slow = min(60.0, taken / 5) if instance.status != "available" else 0.0
        return Restoring(steps=steps, blocked=blocked, pace=slow)
    return Restoring(Endpoint(host=instance.host, port=instance.port), advice=_not_compared(instance, secret))


def _settling(instance: Instance, taken: float, *, again: bool) -> str:
    elapsed = f"; its restore began {span(taken)} ago" if not again else ""
    if instance.status == "creating":
        usual = "10 to 15 min is usual"
        return f"RDS is creating {instance.name} from {instance.tags[FROM]}, for {span(taken)} so far; {usual}"
    if instance.status not in USABLE:
        return f"instance {instance.name} is {instance.status}{elapsed}"
    if again and "MasterUserPassword" not in instance.pending:
        return ""  # what others have deferred to the maintenance window holds nobody up
    if instance.pending:
        changing = ", ".join(sorted(instance.pending))
        return f"RDS is changing {instance.name} ({changing}){elapsed}"
    if applying := instance.groups - {"in-sync", "pending-reboot"}:
        return f"RDS is applying the groups of {instance.name} ({', '.join(sorted(applying))})"
    return ""


def _before_use(
    restore: Restore, instance: Instance, like: Instance | None, secret: Secret
) -> tuple[tuple[Change, ...], str]:
    """What has to be done before the instance may be used, and what stands against using it."""
    again = VERIFIED in instance.tags  # its settings belong to others by now
    found = () if again else tuple(each for each in _differing(restore, instance, like) if each.setting.first)
    if fixed := tuple(each for each in found if not each.setting.changed):
        return (), f"{_never(instance, fixed)}; restore again under a new name"
    if found:
        return (verbs.CorrectSettings(drifts=tuple(_drifts(found)), found=found),), ""
    if "pending-reboot" in instance.groups and not again:
        return (verbs.Reboot(drifts=(Drift("parameters", "pending-reboot", "in-sync"),)),), ""
    if secret.user and secret.user == instance.master:
        if instance.tags.get(PASSWORD) == secret.version:
            return (), ""
        drift = Drift("master_user", "the password that it has", "the password of the secret")
        return (verbs.SetPassword(drifts=(drift,), version=secret.version),), ""
    return (), secret.outdated


def _in_use(restore: Restore, instance: Instance, like: Instance | None) -> Restoring:
    """The secret names it: its settings are put right once, and then they belong to whoever owns the instance."""
    endpoint = Endpoint(host=instance.host, port=instance.port) if instance.host else None
    if broken := BROKEN.get(instance.status):
        return Restoring(endpoint, overdue=f"instance {instance.name} is in use and {instance.status}: {broken}")
    if VERIFIED in instance.tags:
        return Restoring(endpoint)
    # What had to be right before it was used was so: whoever changed it since meant it.
    found = tuple(each for each in _differing(restore, instance, like) if not each.setting.first)
    mendable = tuple(each for each in found if each.setting.changed or each.setting.key == "tags")
    if instance.status == "backing-up":  # for hours, in which RDS takes no change
        message = f"instance {instance.name} is backing-up: its last settings are compared once it is available"
        return Restoring(endpoint, advice=(Advice("settings_follow", message),) if mendable else ())
    if instance.status != "available" or instance.pending:
        return Restoring(endpoint, settling=f"RDS is still changing {instance.name}, which is in use", aside=True)
    if mendable:
        return Restoring(endpoint, later=(verbs.CompleteSettings(drifts=tuple(_drifts(mendable)), found=mendable),))
    advice = (Advice("settings_differ", _never(instance, found)),) if found else ()
    return Restoring(endpoint, later=(verbs.MarkVerified(),), advice=advice)


def _never(instance: Instance, found: tuple[Difference, ...]) -> str:
    told = ", ".join(f"{each.setting.key} is {spelled(each.live)}, not {spelled(each.wanted)}" for each in found)
    return f"instance {instance.name} was not made as asked for, and cannot be changed: {told}"


def _differing(restore: Restore, instance: Instance, like: Instance | None) -> Iterator[Difference]:
    return differences(wanted(restore, like.settings if like else None), instance.settings)


def _drifts(found: tuple[Difference, ...]) -> Iterator[Drift]:
    for each in found:
        yield Drift(each.setting.key, spelled(each.live), spelled(each.wanted))


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


def _taken(instance: Instance, now: datetime) -> float:
    """Seconds since the restore was asked for."""
    began = instant(instance.tags.get(ASKED, "")) or instance.created
    return (now - began).total_seconds() if began else 0.0


def _unfit(master: str, secret: Secret) -> tuple[Advice, ...]:
    """Said while RDS is still creating: the answer to the change of the password comes much later."""
    said = secret.unfit if secret.user == master else ""
    return (Advice("password_unfit", said),) if said else ()


def _outdated(secret: Secret) -> tuple[Advice, ...]:
    """Said before RDS has made anything: the restore takes its time, and ends in this."""
    message = f"what is restored will not be published: {secret.outdated}"
    return (Advice("password_outdated", message),) if secret.outdated else ()


def _not_compared(instance: Instance, secret: Secret) -> tuple[Advice, ...]:
    if not secret.unclear:
        return ()
    message = f"whether its password is that of instance {instance.name} was not compared: {secret.unclear}"
    return (Advice("password_not_compared", message),)


def _took(instances: Iterable[Instance]) -> str:
    """How long the last restore took, by what is recorded on the instances that are still there."""
    known = [
        (each.created, each.created - asked)
        for each in instances
        if each.created and (asked := instant(each.tags.get(ASKED, ""))) and each.created > asked
    ]
    return f"the last one took {span(max(known)[1].total_seconds())}" if known else ""


def instant(text: str) -> datetime | None:
    """An instant as a tag has it; None: it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def _is_endpoint_of(instance: str, host: str) -> bool:
    first, _, rest = host.lower().partition(".")
    return first == instance and ".rds." in rest


def free_name(name: str, taken: Collection[str]) -> str:
    """A name like this one that no instance has."""
    if name not in taken:
        return name
    base, number = name[:59].rstrip("-"), 2
    while f"{base}-{number}" in taken:
        number += 1
    return f"{base}-{number}"
