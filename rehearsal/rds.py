"""RDS: a new instance takes its time, and has no endpoint before it is there."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rehearsal import moto_app
from rehearsal.clock import Clock, Pace
from rehearsal.wire import Answer, Call, Refused

_NEW = frozenset({"CreateDBInstance", "RestoreDBInstanceFromDBSnapshot", "RestoreDBInstanceToPointInTime"})
_BACKING_UP = 0.25  # how much longer than `creating` the first backup takes
# What a restore turns off unless asked, and moto keeps on as the source had it: moto's name for it, and the answer's.
_OFF = {
    "PubliclyAccessible": ("publicly_accessible", "PubliclyAccessible"),
    "MultiAZ": ("multi_az", "MultiAZ"),
    "DeletionProtection": ("deletion_protection", "DeletionProtection"),
    "EnableIAMDatabaseAuthentication": ("enable_iam_database_authentication", "IAMDatabaseAuthenticationEnabled"),
}


class Databases:
    """The phases of new instances, laid over moto's."""

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self._clock, self._pace = clock, pace
        self._new: dict[tuple[str, str], float] = {}

    def before(self, call: Call) -> None:
        """Bring every instance of the region to where it is by now; refuse a page that AWS would not give."""
        if not 20 <= int(size := call.params.get("MaxRecords", "100")) <= 100:
            raise Refused("InvalidParameterValue", f"Invalid value {size} for MaxRecords. Must be between 20 and 100")
        for name, instance in moto_app.rds(call.region).databases.items():
            _dress(instance)
            since = self._new.get((call.region, name))
            if since is not None:
                instance.status = self._phase(instance, self._clock.now() - since)
                if instance.status == "available":
                    del self._new[call.region, name]

    def after(self, call: Call, answer: Answer) -> Answer:
        """A new instance is `creating`; what is new was made at the rehearsal's time."""
        if answer.status != 200:
            return answer
        if call.operation in _NEW:
            return replace(answer, body=self._begun(call, answer.body))
        if call.operation == "CreateDBSnapshot":
            taken = moto_app.rds(call.region).database_snapshots[call.params["DBSnapshotIdentifier"]]
            taken.created = taken.original_snapshot_create_time = self._now()
            return replace(answer, body=_with(answer.body, SnapshotCreateTime=f"{taken.created.isoformat()}Z"))
        return answer

    def _begun(self, call: Call, body: bytes) -> bytes:
        name = call.params.get("DBInstanceIdentifier", call.params.get("TargetDBInstanceIdentifier", "")).lower()
        instance, now = moto_app.rds(call.region).databases[name], self._clock.now()
        _dress(instance)
        shown = {"DBInstanceStatus": "creating"}
        if call.operation != "CreateDBInstance":
            for parameter, (attribute, member) in _OFF.items():
                if call.params.get(parameter, "false") == "false":
                    setattr(instance, attribute, False)
                    shown[member] = "false"
        digest = hashlib.sha256(f"{call.region}{name}{now}".encode()).digest()
        instance.dbi_resource_id = shown["DbiResourceId"] = f"db-{base64.b32encode(digest).decode()[:26]}"
        instance.status, instance.created = "creating", self._now()
        instance.instance_create_time = instance.created
        self._new[call.region, name] = now
        return re.sub(rb"<Endpoint>.*?</Endpoint>", b"", _with(body, **shown), flags=re.DOTALL)

    def _now(self) -> datetime:
        """The time as moto keeps it: UTC that does not say so."""
        return datetime.fromtimestamp(self._clock.now(), UTC).replace(tzinfo=None)

    def snapshot(self, region: str, instance: str, name: str, at: datetime) -> None:
        """Put a snapshot of the past there. One named rds:… is automated; moto's own automated one of today goes."""
        backend = moto_app.rds(region)
        kind = "automated" if name.startswith("rds:") else "manual"
        taken = backend.create_db_snapshot(instance, name, snapshot_type=kind)
        taken.created = taken.original_snapshot_create_time = at.astimezone(UTC).replace(tzinfo=None)
        for key in [key for key in backend.database_snapshots if key.startswith("rds:") and _is_todays(key, instance)]:
            del backend.database_snapshots[key]

    def _phase(self, instance: Any, age: float) -> str:
        if age < self._pace.creating:
            return "creating"
        backed_up = int(instance.backup_retention_period or 0) > 0
        if backed_up and age < self._pace.creating * (1 + _BACKING_UP):
            return "backing-up"
        return "available"


def _is_todays(key: str, instance: str) -> bool:
    return key.startswith(f"rds:{instance}-{datetime.now(UTC):%Y}")


def _with(body: bytes, **members: str) -> bytes:
    """The answer with these values in place of moto's."""
    for member, value in members.items():
        name = member.encode()
        body = re.sub(rb"<%b>[^<]*<" % name, b"<%b>%b<" % (name, value.encode()), body)
    return body


def _dress(instance: Any) -> None:
    """Give a moto instance the endpoint that the ReplayDash runbook has, and none while it is creating."""
    kind = type(instance)
    if not getattr(kind, "rehearsed", False):
        named = {
            "rehearsed": True,
            "address": property(lambda self: f"{self.db_instance_identifier}.abc123.{self.region}.rds.amazonaws.com"),
            "endpoint": property(
                lambda self: None if self.status == "creating" else {"Address": self.address, "Port": self.port}
            ),
        }
        instance.__class__ = type(kind.__name__, (kind,), named)
