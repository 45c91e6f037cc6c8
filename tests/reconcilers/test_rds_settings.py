"""The settings of a database instance: none that the API knows is forgotten, and what differs is what must differ."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, Shape, StructureShape
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from desired_state.model import Restore
from desired_state.values import FrozenMap
from reconcilers.rds_left_alone import NO_SETTING, NOT_ASKED
from reconcilers.rds_reads import _instance
from reconcilers.rds_settings import (
    KEYS,
    SETTINGS,
    Setting,
    Values,
    all_tags,
    asked,
    changing,
    differences,
    own_tags,
    settings,
    spelled,
    wanted,
)

OPERATIONS = ("RestoreDBInstanceFromDBSnapshot", "RestoreDBInstanceToPointInTime")
OF_THE_PIN = {"snapshot", "to_time", "of", "instance", "like"}
ONLY_COPIED = {"processor_features", "domain", "customer_owned_ip", "backup_target"}
GROUP = "sg-0123456789abcdef0"


@cache
def model() -> Any:
    return botocore.session.Session().get_service_model("rds")


def members(operation: str) -> set[str]:
    return set(model().operation_model(operation).input_shape.members)


def shown_members() -> set[str]:
    return set(model().shape_for("DBInstance").members)


def restore(**more: Any) -> Restore:
    return Restore(**{"snapshot": "s", "instance": "new", "like": "old", **more})


def like(**values: Any) -> Values:
    return FrozenMap(values)


# --- nothing is forgotten


def astray(known: set[str], taken: Iterable[str], reasons: Iterable[str]) -> set[str]:
    """What is in neither list, in both of them, or not known to the API at all."""
    one, other = set(taken), set(reasons)
    return (known - one - other) | (one & other) | ((one | other) - known)


def not_shown(those: Iterable[Setting], reasons: Iterable[str]) -> set[str]:
    return astray(shown_members(), (each.shown for each in those), reasons)


def not_asked(those: Iterable[Setting], reasons: Iterable[str]) -> set[str]:
    known = members(OPERATIONS[0]) | members(OPERATIONS[1])
    return astray(known, (member for each in those for member in each.asked), reasons)


def test_every_member_of_an_instance_is_a_setting_or_has_a_reason_not_to_be_one() -> None:
    assert not_shown(SETTINGS, NO_SETTING) == set()


def test_every_member_of_both_restores_is_asked_for_or_has_a_reason_not_to_be() -> None:
    assert not_asked(SETTINGS, NOT_ASKED) == set()


def test_one_that_is_forgotten_is_found() -> None:
    for setting in SETTINGS:
        others = [each for each in SETTINGS if each is not setting]
        assert not_shown(others, NO_SETTING) == {setting.shown}
        assert not_asked(others, NOT_ASKED) == set(setting.asked)
    for name in NO_SETTING:
        assert not_shown(SETTINGS, set(NO_SETTING) - {name}) == {name}
    for name in NOT_ASKED:
        assert not_asked(SETTINGS, set(NOT_ASKED) - {name}) == {name}


def test_what_is_asked_for_is_taken_by_both_restores() -> None:
    for setting in SETTINGS:
        for operation in OPERATIONS:
            assert set(setting.asked) <= members(operation), setting.key


def test_what_is_changed_is_a_member_of_modify_and_of_no_other_setting() -> None:
    changed = [setting.changed for setting in SETTINGS if setting.changed]
    assert set(changed) <= members("ModifyDBInstance")
    assert len(set(changed)) == len(changed)


def test_the_file_knows_every_setting_but_those_that_can_only_be_copied() -> None:
    assert len(set(KEYS)) == len(KEYS)
    assert set(Restore.model_fields) - OF_THE_PIN == set(KEYS) - ONLY_COPIED
    assert set(KEYS) >= ONLY_COPIED


def test_these_must_be_right_before_an_instance_is_used() -> None:
    """Who gets in, where, and what it runs with; the rest is put right while it is in use."""
    assert {setting.key for setting in SETTINGS if setting.first} == {
        "instance_class",
        "subnet_group",
        "security_groups",
        "parameter_group",
        "option_group",
        "publicly_accessible",
        "port",
        "network_type",
        "iam_authentication",
    }


# --- what an instance has


def made_up(shape: Shape, name: str = "") -> Any:
    """A value of a shape, with every member."""
    if isinstance(shape, StructureShape):
        return {name: made_up(member, name) for name, member in shape.members.items()}
    if isinstance(shape, ListShape):
        return [made_up(shape.member, name)]
    kinds: dict[str, Any] = {
        "string": f"a {name}",
        "boolean": True,
        "integer": 7,
        "timestamp": datetime(2024, 2, 24, tzinfo=UTC),
    }
    return kinds[shape.type_name]


def everything() -> dict[str, Any]:
    told: dict[str, Any] = made_up(model().shape_for("DBInstance"))
    return told


def test_an_instance_that_tells_everything_has_every_setting() -> None:
    assert set(settings(everything())) == set(KEYS)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_a_setting_is_read_from_the_member_that_it_names_and_from_no_other(setting: Setting) -> None:
    told = everything()
    before = settings(told)
    del told[setting.shown]
    after = settings(told)
    changed = {key for key in KEYS if before.get(key) != after.get(key)}
    assert changed == {setting.key}
    assert not after.get(setting.key)


def test_what_is_no_setting_is_not_read() -> None:
    told = everything()
    assert settings({name: told[name] for name in told if name not in NO_SETTING}) == settings(told)


def test_an_endpoint_that_tells_hardly_anything_has_hardly_any_settings() -> None:
    assert settings({"DBInstanceIdentifier": "db"}) == {"log_exports": (), "tags": {}}
    empty: Any = {
        "DBSubnetGroup": {},
        "VpcSecurityGroups": [],
        "DBParameterGroups": [],
        "OptionGroupMemberships": [],
        "Endpoint": {},
        "ProcessorFeatures": [],
        "DomainMemberships": [{}],
        "CustomerOwnedIpEnabled": False,
        "BackupTarget": "region",
        "TagList": [],
    }
    assert settings(empty) == {"log_exports": (), "tags": {}}


def test_the_settings_of_an_instance_are_told_as_the_file_says_them() -> None:
    told: Any = {
        "DBSubnetGroup": {"DBSubnetGroupName": "Private"},
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-2"}, {"VpcSecurityGroupId": "sg-1"}],
        "DBParameterGroups": [{"DBParameterGroupName": "tuned", "ParameterApplyStatus": "in-sync"}],
        "OptionGroupMemberships": [{"OptionGroupName": "none", "Status": "in-sync"}],
        "Endpoint": {"Address": "a", "Port": 5433, "HostedZoneId": "Z"},
        "EnabledCloudwatchLogsExports": ["upgrade", "postgresql"],
        "PreferredMaintenanceWindow": "Sun:04:00-Sun:04:30",
        "MultiAZ": False,
        "TagList": [{"Key": "team", "Value": "a"}, {"Key": "aws:x", "Value": "b"}, {"Key": "trueup:y", "Value": "c"}],
    }
    assert settings(told) == {
        "subnet_group": "private",
        "security_groups": ("sg-1", "sg-2"),
        "parameter_group": "tuned",
        "option_group": "none",
        "port": 5433,
        "log_exports": ("postgresql", "upgrade"),
        "maintenance_window": "sun:04:00-sun:04:30",
        "multi_az": False,
        "tags": {"team": "a"},
    }
    assert own_tags(all_tags(told)) == {"team": "a"}
    assert all_tags(told) == {"team": "a", "aws:x": "b", "trueup:y": "c"}


# --- what a restored instance must be


IO = {"iops": 12000, "storage_throughput": 500}


@pytest.mark.parametrize(
    ("written", "live", "expected"),
    [
        pytest.param({}, {}, {}, id="nothing"),
        pytest.param({}, {"multi_az": True}, {"multi_az": True}, id="as like"),
        pytest.param({"multi_az": False}, {"multi_az": True}, {"multi_az": False}, id="written beats like"),
        pytest.param({"log_exports": ()}, {"log_exports": ("a",)}, {"log_exports": ()}, id="also where it is empty"),
        pytest.param({"tags": {}}, {"tags": {"a": "b"}}, {"tags": {}}, id="also tags"),
        pytest.param(
            {"security_groups": (GROUP, "sg-00000000")},
            {},
            {"security_groups": ("sg-00000000", GROUP)},
            id="in the order in which they are compared",
        ),
        pytest.param(
            {"subnet_group": "Private", "maintenance_window": "Sun:04:00-Sun:04:30"},
            {},
            {"subnet_group": "private", "maintenance_window": "sun:04:00-sun:04:30"},
            id="in the letters in which RDS keeps them",
        ),
        pytest.param(
            {"instance_class": "db.t4g.large"},
            {"instance_class": "db.r7g.large", "processor_features": (("coreCount", "1"),)},
            {"instance_class": "db.t4g.large"},
            id="another class, without the features of the old one",
        ),
        pytest.param(
            {"instance_class": "db.r7g.large"},
            {"instance_class": "db.r7g.large", "processor_features": (("coreCount", "1"),)},
            {"instance_class": "db.r7g.large", "processor_features": (("coreCount", "1"),)},
            id="the same class, with its features",
        ),
        pytest.param(
            {},
            {"parameter_group": "default.postgres16", "option_group": "default:postgres-16"},
            {},
            id="the default groups of another version are not asked for",
        ),
        pytest.param(
            {"parameter_group": "default.postgres16", "option_group": "default:postgres-16"},
            {},
            {"parameter_group": "default.postgres16", "option_group": "default:postgres-16"},
            id="unless they are written",
        ),
        pytest.param(
            {"parameter_group": "default.postgres16"},
            {"option_group": "default:postgres-16"},
            {"parameter_group": "default.postgres16"},
            id="each for itself",
        ),
        pytest.param(
            {},
            {"monitoring_interval": 60, "monitoring_role": "arn:r"},
            {"monitoring_interval": 60, "monitoring_role": "arn:r"},
            id="monitoring with its role",
        ),
        pytest.param(
            {"monitoring_interval": 0},
            {"monitoring_interval": 60, "monitoring_role": "arn:r"},
            {"monitoring_interval": 0},
            id="no monitoring, and no role",
        ),
        pytest.param(
            {"performance_insights": False},
            {
                "performance_insights": True,
                "performance_insights_key": "arn:k",
                "performance_insights_retention_days": 7,
            },
            {"performance_insights": False},
            id="no insights, and nothing that goes with them",
        ),
        pytest.param({}, {"dedicated_log_volume": False}, {}, id="no log volume is not asked for"),
        pytest.param(
            {"dedicated_log_volume": False},
            {"dedicated_log_volume": True},
            {"dedicated_log_volume": False},
            id="unless it is written",
        ),
        pytest.param(
            {},
            {"storage_type": "gp3", "iops": 3000, "storage_throughput": 125},
            {"storage_type": "gp3"},
            id="what gp3 has by itself",
        ),
        pytest.param({}, {"storage_type": "gp3", **IO}, {"storage_type": "gp3"}, id="and what large gp3 has"),
        pytest.param(
            {"iops": 12000},
            {"storage_type": "gp3", **IO},
            {"storage_type": "gp3", "iops": 12000},
            id="what is written is asked for, also where gp3 has it by itself",
        ),
        pytest.param(IO, {"storage_type": "gp3", **IO}, {"storage_type": "gp3", **IO}, id="all of written gp3"),
        pytest.param(
            {},
            {"storage_type": "gp3", "iops": 12000, "storage_throughput": 501},
            {"storage_type": "gp3", "iops": 12000, "storage_throughput": 501},
            id="more than gp3 has by itself",
        ),
        pytest.param(
            {}, {"storage_type": "io2", **IO}, {"storage_type": "io2", "iops": 12000}, id="io2 has iops alone"
        ),
        pytest.param(
            {"storage_type": "gp2"}, {"storage_type": "gp3", **IO}, {"storage_type": "gp2"}, id="gp2 has none"
        ),
        pytest.param({}, {"storage_type": "standard", **IO}, {"storage_type": "standard"}, id="nor has magnetic"),
    ],
)
def test_a_restored_instance_must_be_what_is_written_and_else_as_like(
    written: dict[str, Any], live: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert wanted(restore(**written), like(**live)) == expected


def test_a_speed_belongs_to_its_kind_of_storage() -> None:
    for live in ({"storage_type": "io1", "iops": 20000}, {"storage_type": "gp3", "iops": 20000}):
        found = wanted(restore(storage_type="gp3"), like(**live))
        assert found.get("iops") == (20000 if live["storage_type"] == "gp3" else None)


def test_what_is_written_is_never_left_out() -> None:
    bare = {"subnet_group": "a", "security_groups": (GROUP,), "multi_az": False}
    for written in ({"storage_throughput": 500}, {"iops": 3000, "storage_throughput": 125, "storage_type": "gp3"}):
        assert wanted(restore(like=None, **bare, **written), None) == {**bare, **written}


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("subnet_group", "Private"),
        ("parameter_group", "Tuned"),
        ("option_group", "Mine"),
        ("maintenance_window", "SUN"),
    ],
)
def test_capitals_make_no_difference_to_what_rds_keeps_in_small_letters(key: str, written: str) -> None:
    found = wanted(restore(**{key: written}), None)
    assert list(differences(found, FrozenMap({key: written.lower()}))) == []


def test_the_order_of_processor_features_makes_no_difference() -> None:
    told: list[Any] = [{"Name": "coreCount", "Value": "2"}, {"Name": "threadsPerCore", "Value": "1"}]
    one, other = (settings({"ProcessorFeatures": each}) for each in (told, told[::-1]))
    assert one["processor_features"] == (("coreCount", "2"), ("threadsPerCore", "1"))
    assert list(differences(one, other)) == []


@pytest.mark.parametrize("pending", [{"MultiAZ": False}, {"BackupRetentionPeriod": 0}, {"DBInstanceClass": "x"}])
def test_a_change_to_less_is_pending_too(pending: dict[str, Any]) -> None:
    told: Any = {"DBInstanceIdentifier": "a", "PendingModifiedValues": pending}
    assert _instance(told).pending == set(pending)
    told["PendingModifiedValues"] = {"PendingCloudwatchLogsExports": {}, "ProcessorFeatures": []}
    assert _instance(told).pending == frozenset()


def test_without_like_it_must_be_what_is_written() -> None:
    bare = {"subnet_group": "a", "security_groups": (GROUP,), "parameter_group": "p", "multi_az": False}
    assert wanted(restore(like=None, **bare), None) == bare


@pytest.mark.parametrize(
    ("values", "members"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"subnet_group": "a"}, {"DBSubnetGroupName": "a"}, id="a name of its own"),
        pytest.param({"security_groups": ("sg-1",)}, {"VpcSecurityGroupIds": ["sg-1"]}, id="a list"),
        pytest.param({"multi_az": False}, {"MultiAZ": False}, id="what is off is said"),
        pytest.param({"max_allocated_storage": 9}, {}, id="what a restore does not take"),
        pytest.param({"port": 5433}, {"Port": 5433}, id="the port"),
        pytest.param(
            {"tags": FrozenMap({"a": "b"})}, {"Tags": [{"Key": "a", "Value": "b"}]}, id="tags as RDS takes them"
        ),
        pytest.param(
            {"processor_features": (("coreCount", "2"), ("threadsPerCore", "1"))},
            {
                "ProcessorFeatures": [
                    {"Name": "coreCount", "Value": "2"},
                    {"Name": "threadsPerCore", "Value": "1"},
                ]
            },
            id="features",
        ),
        pytest.param(
            {"domain": (("Domain", "d-1"), ("IAMRoleName", "r"))},
            {"Domain": "d-1", "DomainIAMRoleName": "r"},
            id="a directory of AWS",
        ),
        pytest.param(
            {"domain": (("FQDN", "a.b"), ("OU", "OU=x"), ("AuthSecretArn", "arn:s"), ("DnsIps", ("1.2.3.4",)))},
            {
                "DomainFqdn": "a.b",
                "DomainOu": "OU=x",
                "DomainAuthSecretArn": "arn:s",
                "DomainDnsIps": ["1.2.3.4"],
            },
            id="a directory of one's own",
        ),
    ],
)
def test_what_a_restore_is_asked(values: dict[str, Any], members: dict[str, Any]) -> None:
    assert asked(like(**values)) == members


# --- what differs


@pytest.mark.parametrize(
    ("key", "want", "have", "differs"),
    [
        pytest.param("multi_az", True, True, False, id="alike"),
        pytest.param("multi_az", True, False, True, id="another value"),
        pytest.param("multi_az", True, None, True, id="not told"),
        pytest.param("multi_az", False, None, False, id="AWS leaves out what is off"),
        pytest.param("monitoring_interval", 0, None, False, id="and what is 0"),
        pytest.param("backup_retention_days", 0, 7, True, id="but 7 is not 0"),
        pytest.param("log_exports", (), None, False, id="no logs"),
        pytest.param("log_exports", (), ("a",), True, id="a log too many"),
        pytest.param("log_exports", ("a",), ("b",), True, id="another log"),
        pytest.param("allocated_storage", 20, 20, False, id="the storage"),
        pytest.param("allocated_storage", 20, 50, False, id="storage never shrinks"),
        pytest.param("allocated_storage", 50, 20, True, id="storage that is too small"),
        pytest.param("allocated_storage", 50, None, True, id="storage that is not told"),
        pytest.param("tags", {"a": "1"}, {"a": "1", "b": "2"}, False, id="a tag that somebody added"),
        pytest.param("tags", {"a": "1"}, {"a": "2"}, True, id="a tag with another value"),
        pytest.param("tags", {"a": "1"}, None, True, id="no tags"),
        pytest.param("tags", {}, None, False, id="no tags, and none wanted"),
        pytest.param("iops", 3000, 3001, True, id="iops are exact"),
    ],
)
def test_what_differs(key: str, want: Any, have: Any, differs: bool) -> None:
    want, have = (FrozenMap(each) if isinstance(each, dict) else each for each in (want, have))
    live = like() if have is None else like(**{key: have})
    found = [(each.setting.key, each.live, each.wanted) for each in differences(like(**{key: want}), live)]
    assert found == ([(key, have, want)] if differs else [])


def test_what_is_not_wanted_does_not_differ() -> None:
    assert list(differences(like(), like(multi_az=True, iops=3000))) == []


@pytest.mark.parametrize(
    ("want", "live", "members"),
    [
        pytest.param({"port": 5433}, {"port": 5432}, {"DBPortNumber": 5433}, id="the port goes by another name"),
        pytest.param(
            {"security_groups": ("sg-1", "sg-2")},
            {},
            {"VpcSecurityGroupIds": ["sg-1", "sg-2"]},
            id="all groups at once",
        ),
        pytest.param(
            {"monitoring_interval": 60, "monitoring_role": "arn:r"},
            {"monitoring_interval": 0},
            {"MonitoringInterval": 60, "MonitoringRoleArn": "arn:r"},
            id="an interval with its role",
        ),
        pytest.param(
            {"log_exports": ("a", "b")},
            {"log_exports": ("b", "c")},
            {"CloudwatchLogsExportConfiguration": {"EnableLogTypes": ["a"], "DisableLogTypes": ["c"]}},
            id="a log on, a log off",
        ),
        pytest.param(
            {"log_exports": ("a",)},
            {},
            {"CloudwatchLogsExportConfiguration": {"EnableLogTypes": ["a"]}},
            id="only a log on",
        ),
        pytest.param(
            {"log_exports": ()},
            {"log_exports": ("a",)},
            {"CloudwatchLogsExportConfiguration": {"DisableLogTypes": ["a"]}},
            id="only a log off",
        ),
        pytest.param({"tags": FrozenMap({"a": "b"})}, {}, {}, id="tags have a call of their own"),
        pytest.param({"subnet_group": "a"}, {"subnet_group": "b"}, {}, id="what stays as it was made"),
        pytest.param({"multi_az": False}, {"multi_az": True}, {"MultiAZ": False}, id="turned off"),
    ],
)
def test_what_modify_is_given(want: dict[str, Any], live: dict[str, Any], members: dict[str, Any]) -> None:
    assert changing(tuple(differences(like(**want), like(**live)))) == members


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        ("sun:04:00-sun:04:30", "sun:04:00-sun:04:30"),
        (("postgresql", "upgrade"), "[postgresql, upgrade]"),
        ((), "[]"),
        ((("coreCount", "2"),), "[coreCount=2]"),
        (FrozenMap({"b": "2", "a": "1"}), "{a: 1, b: 2}"),
    ],
)
def test_a_value_is_spelled_as_the_file_would_say_it(value: object, text: str) -> None:
    assert spelled(value) == text


# --- whatever an instance is like


WORDS = st.sampled_from(["a", "b", "default.x", "default:x-1", "B"])
INSTANCES = st.fixed_dictionaries(
    {},
    optional={
        "DBInstanceClass": WORDS,
        "DBSubnetGroup": st.builds(lambda name: {"DBSubnetGroupName": name}, WORDS),
        "VpcSecurityGroups": st.lists(st.builds(lambda name: {"VpcSecurityGroupId": name}, WORDS), max_size=3),
        "DBParameterGroups": st.lists(st.builds(lambda name: {"DBParameterGroupName": name}, WORDS), max_size=1),
        "OptionGroupMemberships": st.lists(st.builds(lambda name: {"OptionGroupName": name}, WORDS), max_size=1),
        "MultiAZ": st.booleans(),
        "Endpoint": st.builds(lambda port: {"Address": "a", "Port": port}, st.integers(1150, 65535)),
        "EnabledCloudwatchLogsExports": st.lists(WORDS, unique=True, max_size=3),
        "StorageType": st.sampled_from(["gp2", "gp3", "io1", "io2", "standard"]),
        "AllocatedStorage": st.integers(5, 65536),
        "Iops": st.sampled_from([0, 3000, 12000, 64000]),
        "StorageThroughput": st.sampled_from([0, 125, 500, 4000]),
        "DedicatedLogVolume": st.booleans(),
        "MaxAllocatedStorage": st.integers(5, 65536),
        "BackupRetentionPeriod": st.integers(0, 35),
        "PreferredMaintenanceWindow": st.sampled_from(["sun:04:00-sun:04:30", "Mon:01:00-Mon:02:00"]),
        "MonitoringInterval": st.sampled_from([0, 60]),
        "MonitoringRoleArn": st.just("arn:r"),
        "PerformanceInsightsEnabled": st.booleans(),
        "PerformanceInsightsKMSKeyId": st.just("arn:k"),
        "PerformanceInsightsRetentionPeriod": st.sampled_from([7, 465]),
        "TagList": st.lists(st.builds(lambda key: {"Key": key, "Value": "v"}, WORDS), max_size=2),
        "ProcessorFeatures": st.lists(st.just({"Name": "coreCount", "Value": "2"}), max_size=1),
        "DomainMemberships": st.lists(
            st.sampled_from([{"Domain": "d-1", "IAMRoleName": "r"}, {"FQDN": "a.b", "DnsIps": ["1.2.3.4"]}, {}]),
            max_size=2,
        ),
        "CustomerOwnedIpEnabled": st.booleans(),
        "BackupTarget": st.sampled_from(["region", "outposts"]),
    },
)
WRITTEN = st.fixed_dictionaries(
    {},
    optional={
        "instance_class": WORDS,
        "security_groups": st.just((GROUP,)),
        "multi_az": st.booleans(),
        "log_exports": st.lists(WORDS, unique=True, max_size=2).map(tuple),
        "storage_type": st.sampled_from(["gp2", "gp3", "io2"]),
        "iops": st.sampled_from([3000, 12000]),
        "storage_throughput": st.sampled_from([125, 500]),
        "monitoring_interval": st.sampled_from([0, 60]),
        "performance_insights": st.booleans(),
        "dedicated_log_volume": st.booleans(),
        "tags": st.dictionaries(WORDS, WORDS, max_size=2),
    },
)


@given(INSTANCES, WRITTEN)
def test_an_instance_that_is_as_it_must_be_differs_in_nothing(told: Any, written: dict[str, Any]) -> None:
    values = wanted(restore(**written), settings(told))
    assert list(differences(values, values)) == []
    assert changing(differences(values, values)) == {}


@given(INSTANCES)
def test_what_is_restored_like_an_instance_does_not_differ_from_it(told: Any) -> None:
    assert list(differences(wanted(restore(), settings(told)), settings(told))) == []


@given(INSTANCES, INSTANCES, WRITTEN)
def test_what_is_asked_of_rds_is_what_rds_takes(one: Any, other: Any, written: dict[str, Any]) -> None:
    values = wanted(restore(**written), settings(one))
    for operation in OPERATIONS:
        assert _complaints(operation, asked(values)) == ""
    assert _complaints("ModifyDBInstance", changing(differences(values, settings(other)))) == ""


def _complaints(operation: str, given: dict[str, Any]) -> str:
    shape = model().operation_model(operation).input_shape
    required = dict.fromkeys(shape.required_members, "x")
    return str(ParamValidator().validate({**required, **given}, shape).generate_report())
