"""How far the instance of a `restore` is, and what is next: until its endpoint may be used, and after. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from desired_state.model import Endpoint, Restore
from reconcilers import rds_changes as verbs
from reconcilers.contract import Absent, Advice, Change, Drift
from reconcilers.rds_changes import ASKED, FROM, PASSWORD, VERIFIED, mark
from reconcilers.rds_reads import Instance
from reconcilers.rds_settings import Difference, differences, spelled, wanted
from reconcilers.restore_start import missing, unfit_advice
from reconcilers.restore_values import (
    BROKEN,
    DEADLINE,
    USABLE,
    Restoring,
    Secret,
    free_name,
    instant,
    kept_days,
    span,
)

__all__ = [
    "BROKEN",
    "DEADLINE",
    "USABLE",
    "Restoring",
    "Secret",
    "free_name",
    "instant",
    "kept_days",
    "missing",
    "present",
    "span",
]


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
        return Restoring(settling=waiting, overdue=reason, pace=pace, advice=unfit_advice(instance.master, secret))
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


def _taken(instance: Instance, now: datetime) -> float:
    """Seconds since the restore was asked for."""
    began = instant(instance.tags.get(ASKED, "")) or instance.created
    return (now - began).total_seconds() if began else 0.0


def _not_compared(instance: Instance, secret: Secret) -> tuple[Advice, ...]:
    if not secret.unclear:
        return ()
    message = f"whether its password is that of instance {instance.name} was not compared: {secret.unclear}"
    return (Advice("password_not_compared", message),)
