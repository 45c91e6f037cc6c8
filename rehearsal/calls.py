"""The log of every call: who did what to which thing, and never a value that could be secret."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rehearsal import route53
from rehearsal.wire import Call

# Only what names a thing or counts one is ever kept.
_NAMING = (
    "cluster",
    "clusterName",
    "service",
    "services",
    "serviceName",
    "taskDefinition",
    "desiredCount",
    "forceNewDeployment",
    "family",
    "familyPrefix",
    "resourceArn",
    "tagKeys",
    "tasks",
    "task",
    "startedBy",
    "clientToken",
    "logGroupName",
    "logStreamName",
    "serviceRevisionArns",
    "repositoryName",
    "Name",
    "SecretId",
    "VersionId",
    "VersionStage",
    "MoveToVersionId",
    "RemoveFromVersionId",
    "ResourceId",
    "ResourceIds",
    "MinCapacity",
    "MaxCapacity",
    "SuspendedState",
    "DBInstanceIdentifier",
    "SourceDBInstanceIdentifier",
    "TargetDBInstanceIdentifier",
    "DBSnapshotIdentifier",
    "SnapshotType",
    "RestoreTime",
    "UseLatestRestorableTime",
    "DBInstanceClass",
    "DBParameterGroupName",
    "OptionGroupName",
    "DBSubnetGroupName",
    "MaxAllocatedStorage",
    "ApplyImmediately",
    "ResourceName",
    "LoadBalancerArn",
    "ListenerArn",
    "TargetGroupArn",
    "RuleArn",
    "Priority",
    "RoleArn",
)
_TAG_KEY = re.compile(r"(Tags\.Tag\.\d+\.Key|TagKeys\.member\.\d+)")


@dataclass
class Entry:
    """One call. `code` is the error code, else the HTTP status: what AWS did, also where the caller never hears of it.

    "dropped" where AWS did nothing and said nothing; empty until that is known.
    """

    at: float
    service: str
    operation: str
    write: bool
    summary: dict[str, Any]
    code: str = ""

    def shown(self) -> dict[str, Any]:
        at = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")
        return {**self.__dict__, "at": at}


def entry(call: Call, now: float) -> Entry:
    """The entry of a call that has just come in."""
    named = {name: call.params[name] for name in _NAMING if name in call.params}
    lists = {key: value for key, value in call.params.items() if key.partition(".")[0] in ("Names", "ListenerArns")}
    if "tags" in call.params:
        named["tags"] = sorted(str(tag.get("key")) for tag in call.params["tags"])
    if keys := [value for name, value in call.params.items() if _TAG_KEY.fullmatch(name)]:
        named["tags"] = sorted(keys)
    if "MasterUserPassword" in call.params:
        named["MasterUserPassword"] = "****"  # that there is one, and never which
    if call.service == "route53":
        named |= route53.summary(call)
    return Entry(now, call.service, call.operation, call.write, {**named, **lists})
