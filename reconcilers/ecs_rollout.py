"""What a service's rollout and its tags say: still moving, too late, not ours to drive, or held by a person. Pure."""

from datetime import datetime, timedelta

from desired_state.model import Service
from reconcilers.ecs_records import TAG, ServiceRecord, short

HOLD = "hold"  # a tag on the service: report and do not write until this instant; without its prefix
_LONGEST_HOLD = timedelta(hours=24)


def settling(record: ServiceRecord, *, count_is_pinned: bool) -> str:
    """Why ECS is still converging."""
    primary = record.primary
    if primary is None:
        return "ECS shows no PRIMARY deployment yet" if record.controller == "ECS" else ""
    if primary.task_definition != record.task_definition:
        return f"waiting for ECS to start the rollout of {short(record.task_definition)}"
    if primary.rollout == "IN_PROGRESS":
        failed = f", {primary.failed} failed" if primary.failed else ""
        tasks = f"{primary.running} of {primary.desired} tasks running{failed}"
        return f"rolling out {short(primary.task_definition)}: {tasks}"
    if record.running is None or record.running == record.desired:
        return ""
    # Without a pinned count autoscaling moves it, a few tasks at a time; fewer than half is an outage.
    if not count_is_pinned and record.running * 2 >= record.desired:
        return ""
    if not record.desired:
        return f"stopping: {record.running} tasks still run"
    return f"{record.running} of {record.desired} tasks running"


def since(record: ServiceRecord) -> datetime | None:
    """Since when what is settling has been so; None where DescribeServices does not say."""
    primary = record.primary
    if primary is None or primary.task_definition != record.task_definition:
        return None
    return primary.created if primary.rollout == "IN_PROGRESS" else primary.updated or primary.created


def overdue(why: str, began: datetime, deadline: timedelta, now: datetime) -> str:
    """Why converging has taken too long. `why` and `began`: what is settling, and since when."""
    if now - began <= deadline:
        return ""
    minutes = round((now - began).total_seconds() / 60)
    return (
        f"{why}, for {minutes} minutes: longer than its progress_deadline; look at the service's events, "
        "or pin another revision"
    )


def failed(record: ServiceRecord) -> str:
    """What ECS gave up and did not undo, whatever the file pins. Without tasks there is nothing to roll out."""
    primary = record.primary
    if primary is None or primary.rollout != "FAILED" or not record.desired:
        return ""
    return gave_up(primary.task_definition, primary.created)


def gave_up(revision: str, at: datetime | None) -> str:
    """What to do about a rollout that ECS itself ended: its circuit breaker is never fought."""
    began = f" started at {at:%Y-%m-%d %H:%M:%SZ}" if at else ""
    return (
        f"ECS gave up the rollout of {short(revision)}{began}; pin another revision, or set restarted_at to try again"
    )


def undrivable(service: Service, record: ServiceRecord) -> str:
    """Why what the file pins cannot be made by UpdateService: another controller deploys this service."""
    if service.task_revision or service.image_tag or service.env or service.restarted_at or service.databases:
        return f"{record.name} is deployed by {record.controller}; trueup drives only ECS's own rolling deployments"
    return ""


def held(record: ServiceRecord, now: datetime) -> str:
    """Why a person wants nothing to be written now."""
    if not (text := record.tags.get(HOLD)):
        return ""
    mend = f"write an instant such as {now + timedelta(hours=1):%Y-%m-%dT%H:%MZ}, or remove the tag"
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        return f"held: the tag {TAG}{HOLD} is not an instant; {mend}"
    if until.tzinfo is None:
        return f"held: the tag {TAG}{HOLD} has no offset; {mend}"
    if until <= now:
        return ""
    if until > now + _LONGEST_HOLD:
        return f"held: the tag {TAG}{HOLD} is more than 24 h ahead; {mend}"
    return f"held by the tag {TAG}{HOLD} until {text}"
