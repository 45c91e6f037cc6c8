"""What RDS is asked to do to an instance, member by member, and what its refusals mean."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from desired_state.model import Database
from desired_state.values import FrozenMap
from reconcilers import rds_changes as verbs
from reconcilers.contract import Absent, Change, Drift, NotNow, Stalled, Unseen
from reconcilers.rds_reads import RdsReads
from reconcilers.rds_settings import Difference, differences
from reconcilers.rds_writes import InstanceWrites, NoCapacity
from reconcilers.secrets import Moved
from tests.reconcilers.ecs_world import SESSION
from tests.reconcilers.fake_aws import SECRET, Fakes, refused
from tests.reconcilers.rds_world import ASKED, DATA, FROM, LIKE, NAME, NOW, PASSWORD, SNAPSHOT, TAKEN, V1, V2, restore
from tests.reconcilers.test_switch import holding

ARN = f"arn:aws:rds:us-east-1:123456789012:db:{NAME}"
COMMIT = "0123456789abcdef"
PLACE = FrozenMap({"DBSnapshotIdentifier": SNAPSHOT, "DBInstanceIdentifier": NAME})


class Writes:
    """The writes over a secret and an RDS of dictionaries; what is asked for is answered in this order."""

    def __init__(self) -> None:
        self.fakes = Fakes()
        self.fakes.secret.put(V1, holding("first", user="postgres", password="earlier"), TAKEN)
        self.fakes.secret.put(V2, holding("old", user="postgres", password="hunter22"), TAKEN)
        self.fakes.aws_rds.add(NAME)
        client = SESSION.client("rds", aws_access_key_id="a", aws_secret_access_key="b")
        self.stubber = Stubber(client)
        self.stubber.activate()
        connection: Any = SimpleNamespace(writing=lambda _: client, now=lambda: NOW)
        self.writes = InstanceWrites(connection, self.fakes.rds, self.fakes.secrets, self.fakes.switches.values)

    def expects(self, operation: str, **members: Any) -> None:
        self.stubber.add_response(operation, {}, members)

    def tags(self, **tags: str) -> None:
        told = [{"Key": f"trueup:{key.replace('_', '-')}", "Value": value} for key, value in tags.items()]
        self.expects("add_tags_to_resource", ResourceName=ARN, Tags=told)

    def make(self, change: Change, *, commit: str = COMMIT, **more: Any) -> None:
        database = Database(secret=SECRET, **({"restore": restore()} | more))
        self.writes.make(database, change, commit)


@pytest.fixture
def aws() -> Iterator[Writes]:
    writes = Writes()
    yield writes
    writes.stubber.assert_no_pending_responses()


def restoring(source: Any = PLACE, **values: Any) -> verbs.Restore:
    return verbs.Restore(source=source, values=FrozenMap(values), data=TAKEN)


def tagged(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


OURS = [
    {"Key": FROM, "Value": SNAPSHOT},
    {"Key": ASKED, "Value": "2024-02-24T12:00:00+00:00"},
    {"Key": DATA, "Value": "2024-02-24T03:00:00+00:00"},
]


def test_a_restore_is_one_call_that_records_where_it_came_from(aws: Writes) -> None:
    aws.expects(
        "restore_db_instance_from_db_snapshot",
        DBSnapshotIdentifier=SNAPSHOT,
        DBInstanceIdentifier=NAME,
        MultiAZ=True,
        VpcSecurityGroupIds=["sg-1"],
        Tags=[*tagged(team="a"), *OURS, *tagged(**{"trueup:commit": COMMIT})],
    )
    values = {"multi_az": True, "security_groups": ("sg-1",), "max_allocated_storage": 50}
    aws.make(restoring(**values, tags=FrozenMap({"team": "a"})))


def test_without_a_commit_none_is_recorded(aws: Writes) -> None:
    aws.expects(
        "restore_db_instance_from_db_snapshot", DBSnapshotIdentifier=SNAPSHOT, DBInstanceIdentifier=NAME, Tags=OURS
    )
    aws.make(restoring(), commit="")


def test_a_point_in_time_is_its_own_call(aws: Writes) -> None:
    at = datetime(2024, 2, 24, 2, 55, tzinfo=UTC)
    source = {"SourceDBInstanceIdentifier": LIKE, "TargetDBInstanceIdentifier": NAME, "RestoreTime": at}
    tags = [{"Key": FROM, "Value": f"{LIKE} at 2024-02-24T02:55:00Z"}, *OURS[1:], *tagged(**{"trueup:commit": COMMIT})]
    aws.expects("restore_db_instance_to_point_in_time", **source, Tags=tags)
    aws.make(restoring(FrozenMap(source)), restore=restore(snapshot=None, to_time=at, of=LIKE))


def test_a_password_is_that_of_the_version_and_is_recorded_by_its_id(aws: Writes) -> None:
    for version, password in ((V2, "hunter22"), (V1, "earlier")):
        aws.expects("modify_db_instance", DBInstanceIdentifier=NAME, MasterUserPassword=password, ApplyImmediately=True)
        aws.tags(password_of=version)
        aws.make(verbs.SetPassword(version=version))


def test_a_password_of_another_user_is_never_set(aws: Writes) -> None:
    aws.fakes.secret.texts[V2] = holding("old", user="app")
    with pytest.raises(Moved, match="was written meanwhile: it is compared again before a write"):
        aws.make(verbs.SetPassword(version=V2))


def test_a_password_that_was_set_and_could_not_be_recorded_is_set_again(aws: Writes) -> None:
    aws.expects("modify_db_instance", DBInstanceIdentifier=NAME, MasterUserPassword=ANY, ApplyImmediately=True)
    aws.stubber.add_client_error("add_tags_to_resource", "AccessDenied", http_status_code=403)
    with pytest.raises(ClientError):
        aws.make(verbs.SetPassword(version=V2))
    assert PASSWORD not in aws.fakes.rds.instances()[NAME].tags


def found(want: dict[str, Any], live: dict[str, Any]) -> tuple[Difference, ...]:
    return tuple(differences(FrozenMap(want), FrozenMap(live)))


@pytest.mark.parametrize("verb", [verbs.CorrectSettings, verbs.CompleteSettings])
def test_settings_are_changed_at_once_by_one_call_and_tags_by_another(aws: Writes, verb: Any) -> None:
    aws.expects("modify_db_instance", DBInstanceIdentifier=NAME, MultiAZ=True, DBPortNumber=6, ApplyImmediately=True)
    aws.expects("add_tags_to_resource", ResourceName=ARN, Tags=tagged(team="a"))
    aws.make(verb(found=found({"multi_az": True, "port": 6, "tags": FrozenMap({"team": "a"})}, {})))


def test_only_tags_are_one_call(aws: Writes) -> None:
    aws.expects("add_tags_to_resource", ResourceName=ARN, Tags=tagged(team="a"))
    aws.make(verbs.CompleteSettings(found=found({"tags": FrozenMap({"team": "a"})}, {})))


def test_the_other_verbs(aws: Writes) -> None:
    aws.expects("reboot_db_instance", DBInstanceIdentifier=NAME)
    aws.make(verbs.Reboot())
    aws.tags(verified="2024-02-24T12:00:00+00:00")
    aws.make(verbs.MarkVerified())
    aws.expects("modify_db_instance", DBInstanceIdentifier="other", BackupRetentionPeriod=9, ApplyImmediately=True)
    aws.make(verbs.KeepBackups(instance="other", days=9), restore=None, backups={"retention_days": 9})


@pytest.mark.parametrize("change", [verbs.MarkVerified(), verbs.SetPassword(version=V2)])
def test_an_instance_that_is_not_shown_any_more_is_looked_at_again(aws: Writes, change: Change) -> None:
    aws.fakes.aws_rds.instances.clear()
    with pytest.raises(Unseen, match=f"RDS does not show instance {NAME} any more"):
        aws.make(change)


@pytest.mark.parametrize("change", [verbs.Reboot(), verbs.MarkVerified(), restoring(), Change()])
def test_without_a_restore_in_the_file_nothing_is_made_to_its_instance(aws: Writes, change: Change) -> None:
    with pytest.raises(TypeError, match="a database knows no"):
        aws.make(change, restore=None)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("DBInstanceAlreadyExists", Unseen, "RDS says that the instance exists, and does not show it yet"),
        ("DBInstanceAlreadyExistsFault", Unseen, "RDS says that the instance exists"),
        ("InvalidDBInstanceState", NotNow, "RDS takes no change of the instance now: the words of RDS; it is asked"),
        ("InsufficientDBInstanceCapacity", NoCapacity, "(InsufficientDBInstanceCapacity); it is asked again"),
        ("InstanceQuotaExceeded", Stalled, "raise the quota or remove an instance"),
        ("StorageQuotaExceeded", Stalled, "RDS has no room left (StorageQuotaExceeded): the words of RDS; raise"),
        ("InvalidRestoreFault", ClientError, "the words of RDS"),
        ("KMSKeyNotAccessibleFault", ClientError, "the words of RDS"),
        ("Throttling", ClientError, "the words of RDS"),
    ],
)
def test_what_a_refusal_means(aws: Writes, code: str, error: type[Exception], words: str) -> None:
    aws.stubber.add_client_error("restore_db_instance_from_db_snapshot", code, "the words of RDS")
    with pytest.raises(error) as raised:
        aws.make(restoring())
    assert words in str(raised.value)


def test_after_every_try_instances_are_read_again(aws: Writes) -> None:
    aws.fakes.rds.instances()
    aws.expects("reboot_db_instance", DBInstanceIdentifier=NAME)
    aws.make(verbs.Reboot())
    aws.fakes.rds.instances()
    aws.stubber.add_client_error("reboot_db_instance", "InvalidDBInstanceState")
    with pytest.raises(NotNow):
        aws.make(verbs.Reboot())
    aws.fakes.rds.instances()
    assert aws.fakes.calls["DescribeDBInstances"] == 3


def test_there_is_no_verb_that_deletes_renames_or_stops() -> None:
    made = [each for each in vars(verbs).values() if isinstance(each, type) and issubclass(each, Change)]
    actions = {action.partition(":")[2] for each in made for action in each.actions}
    assert actions == {
        "RestoreDBInstanceFromDBSnapshot",
        "RestoreDBInstanceToPointInTime",
        "ModifyDBInstance",
        "RebootDBInstance",
        "AddTagsToResource",
    }


# --- what it reads


def test_an_instance_is_told_in_small_letters_with_its_own_tags(aws: Writes) -> None:
    aws.fakes.aws_rds.add("Mixed", tags={"aws:x": "1", "trueup:y": "2", "team": "3"}, PendingModifiedValues={"Port": 6})
    told = aws.fakes.rds.instances()["mixed"]
    assert (told.name, told.pending) == ("mixed", {"Port"})
    assert (told.tags, told.settings["tags"]) == ({"aws:x": "1", "trueup:y": "2", "team": "3"}, {"team": "3"})


def test_an_instance_that_is_hardly_told_is_still_one(aws: Writes) -> None:
    aws.fakes.aws_rds.instances = {"bare": {"DBInstanceIdentifier": "bare"}}
    told = aws.fakes.rds.instances()["bare"]
    assert (told.status, told.host, told.port, told.created, told.groups, told.pending) == (
        "",
        "",
        None,
        None,
        frozenset(),
        frozenset(),
    )


def test_an_instance_is_found_by_its_host_whatever_its_letters(aws: Writes) -> None:
    told = aws.fakes.rds.instances()[NAME]
    assert aws.fakes.rds.at(told.host.upper()) is told
    assert aws.fakes.rds.at("elsewhere") is None


def test_the_groups_of_an_instance_are_told_with_how_far_they_are(aws: Writes) -> None:
    aws.fakes.aws_rds.add(
        NAME,
        DBParameterGroups=[{"DBParameterGroupName": "p", "ParameterApplyStatus": "pending-reboot"}],
        OptionGroupMemberships=[{"OptionGroupName": "o", "Status": "in-sync"}, {"OptionGroupName": "q"}],
    )
    assert aws.fakes.rds.instances()[NAME].groups == {"pending-reboot", "in-sync"}


def test_the_time_of_a_snapshot_is_that_of_its_data_and_not_of_its_copy(aws: Writes) -> None:
    told = {"DBSnapshotIdentifier": "s", "SnapshotCreateTime": NOW}
    aws.fakes.aws_rds.snapshots = {"copy": {**told, "OriginalSnapshotCreateTime": TAKEN}, "own": told, "new": {}}
    assert [aws.fakes.rds.snapshot(name).taken for name in ("copy", "own", "new")] == [TAKEN, NOW, None]


def test_a_snapshot_is_asked_for_once_a_pass_also_where_there_is_none(aws: Writes) -> None:
    aws.fakes.aws_rds.snapshots = {"s": {"DBSnapshotIdentifier": "s"}}
    for _ in range(2):
        aws.fakes.rds.snapshot("s")
        with pytest.raises(Absent, match="there is no snapshot gone: correct its name in the file"):
            aws.fakes.rds.snapshot("gone")
    assert aws.fakes.calls["DescribeDBSnapshots"] == 2


class Pages:
    """One operation of RDS that is answered page by page, or an error."""

    def __init__(self, *pages: list[dict[str, Any]], key: str = "DBSnapshots", error: Exception | None = None) -> None:
        self.pages = [{key: page} for page in pages]
        self.error = error
        self.asked: list[tuple[str, dict[str, Any]]] = []
        connection: Any = SimpleNamespace(reading=lambda _: self)
        self.reads = RdsReads(connection)

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **asked: self.asked.append((operation, asked)) or self.pages)

    def describe_db_engine_versions(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(("describe_db_engine_versions", asked))
        if self.error:
            raise self.error
        return self.pages[0]


def test_instances_come_a_hundred_at_a_time() -> None:
    aws = Pages([{"DBInstanceIdentifier": "a"}], [{"DBInstanceIdentifier": "b"}], key="DBInstances")
    assert list(aws.reads.instances()) == ["a", "b"]
    assert aws.asked == [("describe_db_instances", {"PaginationConfig": {"PageSize": 100}})]


def test_the_snapshots_of_an_instance_are_told_newest_first() -> None:
    old, new = {"SnapshotCreateTime": TAKEN}, {"SnapshotCreateTime": NOW}
    aws = Pages([{**old, "DBSnapshotIdentifier": "old"}, {"DBSnapshotIdentifier": "being-taken"}], [])
    aws.pages.append({"DBSnapshots": [{**new, "DBSnapshotIdentifier": "new"}, {"DBSnapshotIdentifier": "taken-too"}]})
    assert [each.name for each in aws.reads.snapshots_of(LIKE)][2:] == ["new", "old"]
    assert aws.asked == [("describe_db_snapshots", {"DBInstanceIdentifier": LIKE})]


@pytest.mark.parametrize(
    ("versions", "offered"),
    [
        ([{"Status": "available"}], True),
        ([{}], True),
        ([{"Status": "deprecated"}], False),
        ([{"Status": "deprecated"}, {"Status": "available"}], True),
        ([], False),
    ],
)
def test_whether_a_version_is_still_offered(versions: list[dict[str, Any]], offered: bool) -> None:
    aws = Pages(versions, key="DBEngineVersions")
    assert aws.reads.offers("postgres", "16.4") is offered
    assert aws.asked == [("describe_db_engine_versions", {"Engine": "postgres", "EngineVersion": "16.4"})]


def test_an_endpoint_that_knows_no_versions_offers_them_all() -> None:
    assert Pages(error=refused("InvalidAction")).reads.offers("postgres", "16.4")
    with pytest.raises(ClientError):
        Pages(error=refused("AccessDenied")).reads.offers("postgres", "16.4")


def test_an_answer_without_a_snapshot_is_one_that_is_not_there(aws: Writes) -> None:
    aws.fakes.aws_rds.describe_db_snapshots = lambda **_: {}
    with pytest.raises(Absent):
        aws.fakes.rds.snapshot("s")


def test_a_mistake_of_rds_is_not_a_snapshot_that_is_not_there(aws: Writes) -> None:
    def refuse(**_: object) -> Any:
        raise refused("InvalidParameterValue")

    aws.fakes.aws_rds.describe_db_snapshots = refuse
    with pytest.raises(ClientError):
        aws.fakes.rds.snapshot("s")


def test_a_drift_never_shows_a_password(aws: Writes) -> None:
    change = verbs.SetPassword(version=V2, drifts=(Drift("master_user", "a", "b"),))
    assert "hunter22" not in repr(change)
    assert "hunter22" not in str(change.asks)
