"""A Secrets Manager and an RDS of a few dictionaries, for what the rehearsal cannot be brought to say."""

from collections import Counter
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from reconcilers.rds_reads import RdsReads
from reconcilers.secrets import Secrets
from reconcilers.switch import Switches
from tests.reconcilers.rds_world import DOMAIN, NOW, SETTINGS, TAKEN

SECRET = "production/db"
ARN = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{SECRET}-AbCdEf"


def refused(code: str, operation: str = "Call", status: int = 400) -> ClientError:
    """What AWS answers, as botocore raises it."""
    return ClientError(
        {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation
    )


class FakeSecrets:
    """One secret: its versions in the order in which they were made, and which labels they have."""

    def __init__(self, calls: Counter[str]) -> None:
        self.calls = calls
        self.texts: dict[str, str | bytes] = {}
        self.made: dict[str, datetime] = {}
        self.stages: dict[str, list[str]] = {}
        self.more: dict[str, Any] = {}  # of what DescribeSecret tells
        self.errors: dict[str, Exception] = {}  # by version

    def put(self, version: str, text: str | bytes, made: datetime) -> None:
        """A new current version; what was current is the previous one, and loses that label in turn."""
        current = next((each for each, stages in self.stages.items() if "AWSCURRENT" in stages), "")
        self.stages = {version: ["AWSCURRENT"], **({current: ["AWSPREVIOUS"]} if current else {})}
        self.texts[version], self.made[version] = text, made

    def describe_secret(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 — as boto3 calls it
        self.calls["DescribeSecret"] += 1
        if SecretId not in (SECRET, ARN):
            raise refused("ResourceNotFoundException", "DescribeSecret")
        return {"ARN": ARN, "VersionIdsToStages": self.stages, **self.more}

    def list_secret_version_ids(self, **_: object) -> dict[str, Any]:
        self.calls["ListSecretVersionIds"] += 1
        return {"Versions": [{"VersionId": each, "CreatedDate": made} for each, made in self.made.items()]}

    def get_secret_value(self, SecretId: str, VersionId: str, VersionStage: str = "") -> dict[str, Any]:  # noqa: N803
        assert SecretId == ARN
        self.calls["GetSecretValue"] += 1
        if VersionId in self.errors:
            raise self.errors[VersionId]
        if VersionId not in self.texts or (VersionStage and VersionStage not in self.stages.get(VersionId, [])):
            raise refused("ResourceNotFoundException", "GetSecretValue")
        text = self.texts[VersionId]
        return {"SecretString": text} if isinstance(text, str) else {"SecretBinary": text}


class FakeRds:
    """Instances and snapshots as RDS tells them."""

    def __init__(self, calls: Counter[str]) -> None:
        self.calls = calls
        self.instances: dict[str, dict[str, Any]] = {}
        self.snapshots: dict[str, dict[str, Any]] = {}
        self.error: Exception | None = None

    def add(self, name: str, *, tags: dict[str, str] | None = None, **more: Any) -> None:
        """An instance that has been there for a while; `more` are members of what RDS tells of it."""
        told = {
            "DBInstanceIdentifier": name,
            "DBInstanceArn": f"arn:aws:rds:us-east-1:123456789012:db:{name}",
            "DBInstanceStatus": "available",
            "Endpoint": {"Address": f"{name}.{DOMAIN}", "Port": 5432},
            "Engine": "postgres",
            "MasterUsername": "postgres",
            "DBInstanceClass": SETTINGS["instance_class"],
            "BackupRetentionPeriod": 7,
            "AllocatedStorage": 20,
            "InstanceCreateTime": TAKEN,
            "LatestRestorableTime": NOW,
            "TagList": [{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        }
        self.instances[name] = {**told, **more}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "describe_db_instances"

        def paginate(**_: object) -> list[dict[str, Any]]:
            self.calls["DescribeDBInstances"] += 1
            if self.error:
                raise self.error
            return [{"DBInstances": list(self.instances.values())}]

        return SimpleNamespace(paginate=paginate)

    def describe_db_snapshots(self, DBSnapshotIdentifier: str, **more: Any) -> dict[str, Any]:  # noqa: N803
        self.calls["DescribeDBSnapshots"] += 1
        self.calls["IncludeShared"] += bool(more.get("IncludeShared"))
        if DBSnapshotIdentifier not in self.snapshots:
            raise refused("DBSnapshotNotFound", "DescribeDBSnapshots", 404)
        return {"DBSnapshots": [self.snapshots[DBSnapshotIdentifier]]}


class Fakes:
    """One process of ours and the AWS that it looks at."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.secret, self.aws_rds = FakeSecrets(self.calls), FakeRds(self.calls)
        self.clients: dict[str, Any] = {"secretsmanager": self.secret, "rds": self.aws_rds}
        self.connection: Any = SimpleNamespace(reading=self.clients.__getitem__, now=lambda: NOW)
        self.secrets, self.rds = Secrets(self.connection), RdsReads(self.connection)
        self.switches = Switches(self.connection, self.secrets, self.rds)

    def new_pass(self) -> None:
        self.calls.clear()
        for each in (self.secrets, self.rds, self.switches):
            each.new_pass()
