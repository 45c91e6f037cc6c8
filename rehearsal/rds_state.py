"""What the rehearsal's RDS knows of one region: instances with their course, snapshots, and what is still free."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from rehearsal.clock import Clock, Pace
from rehearsal.course import Course
from rehearsal.rds_checks import invalid, missing
from rehearsal.rds_values import Instance, Snapshot
from rehearsal.shapes import Params
from rehearsal.wire import ACCOUNT, Refused

READY = ("available", "storage-optimization")  # what can be changed
_DAY = 86400.0
_BEHIND = 300.0  # how far the newest point in time lies behind
_BACKING_UP = 0.25  # of the time that creating takes, where the pace does not say


@dataclass
class Region:
    """The RDS of one region."""

    name: str
    clock: Clock
    pace: Pace
    courses: dict[str, Course[Instance]] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)  # by ARN
    quota: int = 40  # of instances

    def instances(self, *, ago: float = 0.0) -> dict[str, Instance]:
        """Every instance that is there, or was some seconds ago, in the order of the names."""
        at = self.clock.now() - ago
        found = {name: course.at(at) for name, course in sorted(self.courses.items())}
        return {name: instance for name, instance in found.items() if instance is not None}

    def instance(self, given: str, *, ago: float = 0.0) -> Instance:
        """An instance by name or ARN, refused where there is none."""
        name = given.removeprefix(f"arn:aws:rds:{self.name}:{ACCOUNT}:db:").lower()
        found = self.instances(ago=ago).get(name)
        if found is None:
            raise missing("DBInstanceNotFound", f"DBInstance {given} not found.")
        return found

    def ready(self, given: str) -> Instance:
        """An instance that can be changed now."""
        instance = self.instance(given)
        if instance.state not in READY:
            raise Refused("InvalidDBInstanceState", f"Instance {instance.name} is {instance.state}, not available.")
        return instance

    def take(self, instance: Instance, *steps: tuple[float, Instance | None]) -> None:
        """Let an instance take these states, each so many seconds from now."""
        self.courses.setdefault(instance.name, Course()).put(self.clock.now(), *steps)

    def amend(self, given: str, change: Callable[[Instance], Instance]) -> None:
        """Change an instance, and whatever it is about to become."""
        self.courses[self.instance(given).name].amend(self.clock.now(), change)

    def begin(self, instance: Instance) -> None:
        """Let a new instance be created, backed up where it keeps backups, and available."""
        steps, at = [(0.0, instance)], self.pace.creating
        if instance.keeps_backups:
            backing_up = self.pace.backing_up
            steps.append((at, replace(instance, status="backing-up")))
            at += self.pace.creating * _BACKING_UP if backing_up is None else backing_up
        self.take(instance, *steps, (at, replace(instance, status="available")))

    def restorable(self, instance: Instance, at: float) -> tuple[float, float] | None:
        """The earliest and the latest time to which it can be restored, as of an instant; None before it can be."""
        course = self.courses[instance.name]
        since = course.since(lambda each: _is_backed_up(each, instance.resource))
        if not instance.keeps_backups or since is None or since > at:
            return None
        return max(since, at - _DAY * instance.settings["BackupRetentionPeriod"]), max(since, at - _BEHIND)

    def shown(self, instance: Instance, *, ago: float = 0.0) -> Params:
        """An instance as DescribeDBInstances shows it."""
        span = self.restorable(instance, self.clock.now() - ago)
        return instance.shown(span[1] if span else None)

    def snapshot(self, given: str) -> Snapshot:
        """A snapshot by ARN, or by name where it is one's own; refused where there is none."""
        arn = given if given.startswith("arn:") else f"arn:aws:rds:{self.name}:{ACCOUNT}:snapshot:{given.lower()}"
        if arn not in self.snapshots:
            raise missing("DBSnapshotNotFound", f"DBSnapshot {given} not found.")
        return self.snapshots[arn]


def _is_backed_up(instance: Instance, resource: str) -> bool:
    return instance.resource == resource and instance.keeps_backups and instance.status == "available"


def fits(facts: Mapping[str, Collection[str]], filters: list[Params] | None) -> bool:
    """Whether something of which these facts hold passes every filter."""
    for each in filters or ():
        if each["Name"] not in facts:
            raise invalid(f"Unrecognized filter name: {each['Name']}")
        if not set(each["Values"]) & set(facts[each["Name"]]):
            return False
    return True


def page(found: Mapping[str, Params], params: Params) -> tuple[list[Params], str | None]:
    """One page in the order of the keys, and the marker of the next one where there is more."""
    keys = sorted(key for key in found if key > params.get("Marker", ""))
    size = params.get("MaxRecords", 100)
    return [found[key] for key in keys[:size]], keys[size - 1] if len(keys) > size else None
