"""What RDS is asked to do to an instance, one call a change."""

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from desired_state.model import Database, Restore
from reconcilers import rds_changes as verbs
from reconcilers.aws import Connection, code
from reconcilers.contract import Change, NotNow, Stalled, Unseen
from reconcilers.rds_changes import ASKED, DATA, FROM, PASSWORD, VERIFIED, mark, tagged
from reconcilers.rds_reads import Instance, RdsReads
from reconcilers.rds_settings import asked, changing
from reconcilers.secret_values import SecretValues
from reconcilers.secrets import Moved, Secrets

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient

_EXISTS: Final = frozenset({"DBInstanceAlreadyExists", "DBInstanceAlreadyExistsFault"})
_FULL: Final = frozenset({"InstanceQuotaExceeded", "InstanceQuotaExceededFault", "StorageQuotaExceeded"})
_NOT_NOW: Final = frozenset({"InvalidDBInstanceState", "InvalidDBInstanceStateFault"})


class NoCapacity(Exception):
    """AWS has no machine for the instance now, and may have one later."""


class InstanceWrites:
    """The writes of one connection."""

    def __init__(self, connection: Connection, rds: RdsReads, secrets: Secrets, values: SecretValues) -> None:
        self._connection = connection
        self._rds = rds
        self._secrets = secrets
        self._values = values

    @property
    def _client(self) -> "RDSClient":
        return self._connection.writing("rds")

    def make(self, database: Database, change: Change, commit: str) -> None:
        """One change. NotNow, NoCapacity: not at this time. Stalled: RDS will not. Unseen: it was made before."""
        try:
            self._make(database, change, commit)
        except ClientError as error:
            said = str(error.response.get("Error", {}).get("Message", ""))
            if code(error) in _EXISTS:
                raise Unseen(f"RDS says that the instance exists, and does not show it yet: {said}") from error
            if code(error) in _NOT_NOW:
                raise NotNow(
                    f"RDS takes no change of the instance now: {said.rstrip('.')}; it is asked again"
                ) from error
            if code(error) == "InsufficientDBInstanceCapacity":
                raise NoCapacity(
                    f"AWS has no machine for the instance now ({code(error)}); it is asked again"
                ) from error
            if code(error) in _FULL:
                mend = (
                    "raise the quota or remove an instance, then ask again with SIGHUP, or commit a change of this file"
                )
                raise Stalled(f"RDS has no room left ({code(error)}): {said}; {mend}") from error
            raise
        finally:
            self._rds.new_pass()

    def _make(self, database: Database, change: Change, commit: str) -> None:
        restore = database.restore
        match change:
            case verbs.Restore() if restore:
                self._restore(restore, change, commit)
            case verbs.SetPassword() if restore:
                self._set_password(database, self._instance(restore.instance), change)
            case verbs.CorrectSettings() if restore:
                self._adjust(self._instance(restore.instance), change)
            case verbs.Reboot() if restore:
                self._client.reboot_db_instance(DBInstanceIdentifier=restore.instance)
            case verbs.MarkVerified() if restore:
                self._tag(self._instance(restore.instance), {VERIFIED: self._now()})
            case verbs.KeepBackups(instance=name, days=days):
                self._client.modify_db_instance(
                    DBInstanceIdentifier=name, BackupRetentionPeriod=days, ApplyImmediately=True
                )
            case _:
                raise TypeError(f"a database knows no {change.verb}")

    def _restore(self, restore: Restore, change: verbs.Restore, commit: str) -> None:
        members = {**change.source, **asked(change.values)}
        ours = {FROM: mark(restore.source), ASKED: self._now(), DATA: change.data.isoformat(), verbs.COMMIT: commit}
        tags = [*members.pop("Tags", []), *tagged({key: value for key, value in ours.items() if value})]
        if "DBSnapshotIdentifier" in members:
            self._client.restore_db_instance_from_db_snapshot(**members, Tags=tags)
        else:
            self._client.restore_db_instance_to_point_in_time(**members, Tags=tags)

    def _set_password(self, database: Database, instance: Instance, change: verbs.SetPassword) -> None:
        state = self._secrets.state(database.secret)
        found = self._values.credentials(state, change.version)
        if found.user != instance.master:
            raise Moved(f"secret {database.secret} was written meanwhile: it is compared again before a write")
        self._client.modify_db_instance(
            DBInstanceIdentifier=instance.name, MasterUserPassword=found.password, ApplyImmediately=True
        )
        self._tag(instance, {PASSWORD: change.version})

    def _adjust(self, instance: Instance, change: verbs.CorrectSettings) -> None:
        if members := changing(change.found):
            self._client.modify_db_instance(DBInstanceIdentifier=instance.name, **members, ApplyImmediately=True)
        for each in change.found:
            if each.setting.key == "tags":
                self._tag(instance, dict(each.wanted))

    def _tag(self, instance: Instance, tags: dict[str, str]) -> None:
        self._client.add_tags_to_resource(ResourceName=instance.arn, Tags=tagged(tags))

    def _instance(self, name: str) -> Instance:
        found = self._rds.instances().get(name)
        if found is None:
            raise Unseen(f"RDS does not show instance {name} any more: it is looked at again before a write")
        return found

    def _now(self) -> str:
        return f"{self._connection.now():%Y-%m-%dT%H:%M:%S+00:00}"
