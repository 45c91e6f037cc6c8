"""A database in the file: its restore, its name, and what stands still for it. What is taken, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from desired_state.model import Backups, Database, Dns, Endpoint, Environment, Restore
from desired_state.ownership import Claim, claims
from desired_state.parse import Invalid, Problem, parse, schema

HEAD = "version: 1\nenvironment: p\naws: {region: us-east-1}\nservices:\n  api: {cluster: c, service: s}\n"
DATABASE = HEAD.replace("service: s}", "service: s, databases: [db]}") + "databases:\n  db:\n    secret: s\n"
RESTORE = DATABASE + "    restore:\n      snapshot: s\n      instance: new\n      like: old\n"
BARE = {"subnet_group": "a", "security_groups": ("sg-01234567",), "multi_az": False}
ARN = "arn:aws:rds:us-east-1:210987654321:snapshot:"
VERSION = "3e1b7a52-5a0c-4c5e-9d0a-2f6f5c0e8a11"


def parsed(content: str) -> Environment:
    return parse(content.encode(), "p.yaml")


def database(content: str) -> Database:
    return parsed(content).databases["db"]


def problems(content: str) -> tuple[Problem, ...]:
    with pytest.raises(Invalid) as invalid:
        parsed(content)
    return invalid.value.problems


def restore(**more: Any) -> Restore:
    return Restore(**{"snapshot": "s", "instance": "new", "like": "old", **more})


def test_the_whole_vocabulary_of_a_database() -> None:
    content = DATABASE + (
        "    restore:\n"
        "      to_time: 2024-02-24T03:55:00+01:00\n"
        "      of: Postgres\n"
        "      instance: Postgres-Restored\n"
        "      like: POSTGRES\n"
        "      instance_class: db.t4g.medium\n"
        "      security_groups: [sg-01234567, sg-0123456789abcdef0]\n"
        "      multi_az: false\n"
        "      log_exports: []\n"
        '      tags: {team: "7", "": ""}\n'
        "    dns: {zone: Example.Internal., record: DB.Example.internal., ttl: 86400}\n"
        "    quiesce: [api]\n"
        f"    secret_version: {VERSION}\n"
        "    backups: {retention_days: 35}\n"
    )
    assert database(content) == Database(
        secret="s",
        restore=Restore(
            to_time=datetime(2024, 2, 24, 2, 55, tzinfo=UTC),
            of="postgres",
            instance="postgres-restored",
            like="postgres",
            instance_class="db.t4g.medium",
            security_groups=("sg-01234567", "sg-0123456789abcdef0"),
            multi_az=False,
            log_exports=(),
            tags={"team": "7", "": ""},
        ),
        dns=Dns(zone="example.internal", record="db.example.internal", ttl=86400),
        quiesce=("api",),
        secret_version=VERSION,
        backups=Backups(retention_days=35),
    )


def test_what_is_not_written_is_not_managed() -> None:
    plain = database(DATABASE)
    assert (plain.endpoint, plain.restore, plain.dns, plain.quiesce, plain.secret_version, plain.backups) == (
        None,
        None,
        None,
        (),
        None,
        None,
    )
    settings = set(Restore.model_fields) - {"snapshot", "instance", "like"}
    assert {getattr(restore(), name) for name in settings} == {None}


def test_a_database_can_be_a_key_of_what_is_known() -> None:
    one, other = (database(RESTORE + "      tags: {a: b}\n") for _ in range(2))
    assert {one: 1}[other] == 1
    assert one != database(RESTORE + "      tags: {a: c}\n")


# --- what is restored


@pytest.mark.parametrize(
    "snapshot",
    [
        "a",
        "Before-Migration-2",
        "rds:postgres-2024-02-24-03-00",
        "awsbackup:job-3e1b7a52-5a0c-4c5e-9d0a-2f6f5c0e8a11",
        ARN + "shared",
        ARN + "rds:postgres-2024-02-24-03-00",
        "arn:aws-cn:rds:cn-north-1:210987654321:snapshot:a",
        "arn:aws-us-gov:rds:us-gov-west-1:210987654321:snapshot:a",
        "a" * 255,
    ],
)
def test_a_snapshot_is_taken_as_it_is_written(snapshot: str) -> None:
    assert restore(snapshot=snapshot).snapshot == snapshot
    assert restore(snapshot=snapshot).source == snapshot


@pytest.mark.parametrize(
    "snapshot",
    [
        "",
        "1a",
        "-a",
        "a-",
        "a--b",
        "a b",
        "a_b",
        "a.b",
        "a\n",
        "\u0430",
        "a" * 300,
        "{{snapshot}}",
        "rds:",
        "other:a",
        "arn:aws:rds:us-east-1:210987654321:cluster-snapshot:a",
        "arn:aws:rds:us-east-1:210987654321:db:a",
        "arn:aws:rds:us-east-1:2109:snapshot:a",
    ],
)
def test_what_is_no_snapshot_is_refused(snapshot: str) -> None:
    with pytest.raises(ValidationError, match="is not a snapshot; write its name as AWS shows it"):
        restore(snapshot=snapshot)


@pytest.mark.parametrize(
    ("written", "name"), [("a", "a"), ("Postgres-2", "postgres-2"), ("a" * 63, "a" * 63), ("a-b-c", "a-b-c")]
)
def test_an_instance_is_known_in_small_letters(written: str, name: str) -> None:
    assert restore(instance=written).instance == name
    assert restore(like=written).like == name
    assert restore(snapshot=None, to_time=datetime(2024, 2, 24, tzinfo=UTC), of=written).of == name


@pytest.mark.parametrize("name", ["", "1a", "-a", "a-", "a--b", "a_b", "a.b", "a" * 64, "a\n", "\u0430", "arn:aws:x"])
@pytest.mark.parametrize("key", ["instance", "like", "of"])
def test_what_is_no_instance_is_refused(key: str, name: str) -> None:
    with pytest.raises(ValidationError, match="cannot be the name of a database instance"):
        restore(**{key: name})


@pytest.mark.parametrize(
    ("instant", "source"),
    [
        ("2024-02-24T02:55:00Z", "old at 2024-02-24T02:55:00Z"),
        ("2024-02-24T03:55:00+01:00", "old at 2024-02-24T02:55:00Z"),
        ("2024-02-23T21:25:00-05:30", "old at 2024-02-24T02:55:00Z"),
    ],
)
def test_an_instant_is_recorded_in_utc_whatever_its_offset(instant: str, source: str) -> None:
    content = RESTORE.replace("snapshot: s", f"to_time: {instant}\n      of: old")
    found = database(content).restore
    assert found is not None
    assert found.source == source


@pytest.mark.parametrize("missing", sorted(BARE))
def test_without_like_what_must_not_be_left_to_rds_has_to_be_written(missing: str) -> None:
    assert Restore(snapshot="s", instance="new", **BARE).like is None
    others = {key: value for key, value in BARE.items() if key != missing}
    with pytest.raises(ValidationError, match=rf"like \({missing}\); write like, or all of subnet_group, security_gr"):
        Restore(snapshot="s", instance="new", **others)
    assert restore(**others).like == "old"


RANGES = [
    ("port", 1150, 65535),
    ("allocated_storage", 5, 65536),
    ("iops", 1000, 256000),
    ("storage_throughput", 125, 4000),
    ("max_allocated_storage", 5, 65536),
    ("backup_retention_days", 0, 35),
    ("monitoring_interval", 0, 60),
    ("performance_insights_retention_days", 7, 731),
]


@pytest.mark.parametrize(("key", "least", "most"), RANGES)
def test_a_number_has_the_range_that_rds_gives_it(key: str, least: int, most: int) -> None:
    for value in (least, most):
        assert getattr(restore(**{key: value}), key) == value
    for value in (least - 1, most + 1, True, str(least), float(least)):
        with pytest.raises(ValidationError, match=key):
            restore(**{key: value})


def test_days_and_ttls_have_their_ranges() -> None:
    assert [Backups(retention_days=each).retention_days for each in (1, 35)] == [1, 35]
    assert [Dns(zone="a.b", record="c.a.b", ttl=each).ttl for each in (1, 86400)] == [1, 86400]
    for wrong in (lambda: Backups(retention_days=36), lambda: Dns(zone="a.b", record="c.a.b", ttl=86401)):
        with pytest.raises(ValidationError):
            wrong()


@pytest.mark.parametrize("key", ["trueup:verified", "trueup:restored-from", "Trueup:x", "aws:a", "AWS:a"])
def test_a_tag_of_trueup_or_aws_is_no_tag_of_the_team(key: str) -> None:
    with pytest.raises(ValidationError, match=f"the tag {key} is not a team's own; remove it: trueup and AWS write"):
        restore(tags={key: "x"})


# --- the name that follows


@pytest.mark.parametrize("host", ["c.a.b", "C.A.b:5432", "10.0.0.7"])
def test_a_name_leads_to_another_name(host: str) -> None:
    with pytest.raises(ValidationError, match="dns"):
        Database(secret="s", endpoint=host, dns={"zone": "a.b", "record": "c.a.b"})


@pytest.mark.parametrize(
    ("zone", "record"),
    [
        pytest.param("example.internal", "db.example.internal", id="inside"),
        pytest.param("example.internal", "a.b.db.example.internal", id="deep inside"),
        pytest.param("example.internal", "_db.example.internal", id="an underscore"),
        pytest.param("Z0123456789ABCDEFGHIJ", "db.anything.example", id="a zone by its id"),
        pytest.param("z.example.internal", "db.z.example.internal", id="a zone that begins like an id"),
    ],
)
def test_a_name_inside_its_zone_is_taken_without_capitals_and_dots(zone: str, record: str) -> None:
    written = Dns(zone=zone if zone.startswith("Z") else f"{zone.upper()}.", record=f"{record.title()}.")
    assert (written.zone, written.record) == (zone, record)


@pytest.mark.parametrize(
    ("zone", "record"),
    [
        pytest.param("example.internal", "EXAMPLE.internal.", id="the zone itself"),
        pytest.param("example.internal", "db.example.com", id="elsewhere"),
        pytest.param("example.internal", "dbexample.internal", id="not a part of its own"),
        pytest.param("example.internal", "internal.example", id="the other way round"),
        pytest.param("example.internal", "db", id="a label alone"),
        pytest.param("example.internal", "db..example.internal", id="an empty label"),
        pytest.param("example.internal", "*.example.internal", id="a wildcard"),
        pytest.param("example.internal", "10.0.0.7", id="an address"),
        pytest.param("example.internal", f"{'a' * 64}.example.internal", id="a label too long"),
        pytest.param("example.internal", "db.example.internal..", id="two dots"),
        pytest.param("example.internal", "-db.example.internal", id="a leading hyphen"),
        pytest.param("z0123456789", "db.example.internal", id="an id in small letters"),
        pytest.param("/hostedzone/Z0123456789", "db.example.internal", id="an id with its path"),
        pytest.param("Z012", "db.example.internal", id="an id too short"),
        pytest.param("", "db.example.internal", id="no zone"),
    ],
)
def test_a_name_that_cannot_be_is_refused(zone: str, record: str) -> None:
    with pytest.raises(ValidationError):
        Dns(zone=zone, record=record)


# --- every mistake has its place and its mend


@pytest.mark.parametrize(
    ("content", "line", "key", "said"),
    [
        pytest.param(
            RESTORE.replace("      snapshot: s\n", ""),
            9,
            "restore",
            "must say what is restored in exactly one way; write either snapshot, or to_time with of",
            id="nothing to restore",
        ),
        pytest.param(
            RESTORE + "      to_time: 2024-02-24T02:55:00Z\n      of: old\n",
            9,
            "restore",
            "in exactly one way",
            id="a snapshot and an instant",
        ),
        pytest.param(
            RESTORE.replace("snapshot: s", "to_time: 2024-02-24T02:55:00Z"),
            9,
            "restore",
            "to_time and of belong together; write both, or neither",
            id="an instant of nothing",
        ),
        pytest.param(RESTORE + "      of: old\n", 9, "restore", "belong together", id="a snapshot and an instance"),
        pytest.param(RESTORE + "      to_time: 2024-02-24\n", 13, "restore.to_time", "2024-02-24 is a day", id="a day"),
        pytest.param(
            RESTORE.replace("instance: new", "instance: OLD"),
            9,
            "restore",
            "cannot restore old into itself; write a new name, such as old-restored",
            id="into itself, in capitals",
        ),
        pytest.param(
            RESTORE.replace("      instance: new\n", ""),
            9,
            "restore.instance",
            "is missing; add it: the name of the new instance",
            id="no name for it",
        ),
        pytest.param(
            RESTORE.replace("      like: old\n", "      multi_az: true\n"),
            9,
            "restore",
            "does not say what the new instance is like (subnet_group, security_groups)",
            id="like nothing",
        ),
        pytest.param(
            RESTORE + "      subnet_groups: a\n", 13, "restore.subnet_groups", "write subnet_group", id="a typing error"
        ),
        pytest.param(
            RESTORE + "      engine_version: '16'\n", 13, "restore.engine_version", "not a key", id="an upgrade"
        ),
        pytest.param(RESTORE + "      port: 80\n", 13, "restore.port", "write a number from 1150 on", id="a low port"),
        pytest.param(
            RESTORE + "      port: '5432'\n", 13, "restore.port", "5432 without quotes", id="a port in quotes"
        ),
        pytest.param(RESTORE + "      multi_az: yes\n", 13, "restore.multi_az", "write true", id="yes"),
        pytest.param(
            RESTORE + "      security_groups: [default]\n",
            13,
            "restore.security_groups[0]",
            "write the id of a security group, such as sg-0123456789abcdef0",
            id="a group by its name",
        ),
        pytest.param(
            RESTORE + "      security_groups: sg-01234567\n",
            13,
            "restore.security_groups",
            "must be a list",
            id="one group",
        ),
        pytest.param(RESTORE + "      tags: {a: 1}\n", 13, "restore.tags.a", 'write "1" in quotes', id="a number tag"),
        pytest.param(
            RESTORE + "      instance_class: ''\n", 13, "restore.instance_class", "as AWS shows it", id="empty"
        ),
        pytest.param(
            RESTORE + "      backup_retention_days: 36\n", 13, "restore.backup_retention_days", "up to 35", id="36 days"
        ),
        pytest.param(
            RESTORE + "      performance_insights_retention_days: 6\n",
            13,
            "restore.performance_insights_retention_days",
            "from 7 on",
            id="6 days of insights",
        ),
        pytest.param(
            DATABASE + "    restore: s\n",
            9,
            "restore",
            "must be a section of keys",
            id="a snapshot without its section",
        ),
        pytest.param(
            RESTORE + "    endpoint: a\n",
            7,
            "",
            "has an endpoint and a restore, and can follow only one of them; remove one of the two",
            id="two goals",
        ),
        pytest.param(
            DATABASE + "    dns: {zone: a.b, record: c.a.b}\n",
            7,
            "",
            "dns has nothing to follow; add endpoint or restore",
            id="a name of nothing",
        ),
        pytest.param(
            DATABASE + f"    secret_version: {VERSION}\n    dns: {{zone: a.b, record: c.a.b}}\n",
            7,
            "",
            "dns has nothing to follow",
            id="a name of an earlier version",
        ),
        pytest.param(
            RESTORE + "    dns: {zone: a.b, record: A.B.}\n",
            13,
            "dns",
            "is the zone itself, which can have no CNAME; write a name inside it, such as db.a.b",
            id="the zone itself",
        ),
        pytest.param(
            RESTORE + "    dns: {zone: a.b, record: db.c}\n",
            13,
            "dns",
            "db.c is not inside the zone a.b; write db.a.b, or another zone",
            id="another zone",
        ),
        pytest.param(
            RESTORE + "    dns: {zone: internal, record: db.internal}\n",
            13,
            "dns.zone",
            "write the name of a hosted zone, such as example.internal, or its id",
            id="a zone of one label",
        ),
        pytest.param(
            RESTORE + "    dns: {zone: a.b, record: c.a.b, ttl: 0}\n", 13, "dns.ttl", "from 1 on", id="no TTL"
        ),
        pytest.param(
            RESTORE + "    dns: {zone: a.b}\n", 13, "dns.record", "the full name of the CNAME", id="no record"
        ),
        pytest.param(RESTORE + "    quiesce: api\n", 13, "quiesce", "write [api]", id="one service"),
        pytest.param(
            RESTORE + "    quiesce: [api, web]\n",
            13,
            "quiesce[1]",
            'there is no service "web" in this file; write one of those under services (api), or add it there',
            id="a service of another file",
        ),
        pytest.param(
            RESTORE + "    quiesce: [api, api]\n", 13, "quiesce[1]", "names api twice", id="one service twice"
        ),
        pytest.param(
            RESTORE.replace(", databases: [db]", "") + "    quiesce: [api]\n",
            13,
            "quiesce[0]",
            "api does not use db: its tasks would come back with the old database; add db to services.api.databases",
            id="a service that would not be restarted",
        ),
        pytest.param(
            RESTORE + "      security_groups: []\n",
            13,
            "restore.security_groups",
            "names none; write one id at least, such as [sg-0123456789abcdef0], or remove the line",
            id="no security group",
        ),
        pytest.param(
            DATABASE + "    secret_version: AWSPREVIOUS\n", 9, "secret_version", "32 to 64 letters", id="a label"
        ),
        pytest.param(
            DATABASE + f"    secret_version: {'1' * 32}\n", 9, "secret_version", "in quotes", id="only digits"
        ),
        pytest.param(DATABASE + "    backups: 7\n", 9, "backups", "must be a section", id="days alone"),
        pytest.param(DATABASE + "    backups: {}\n", 9, "backups.retention_days", "automated backups", id="no days"),
        pytest.param(
            DATABASE + "    backups: {retention_days: 0}\n", 9, "backups.retention_days", "from 1", id="0 days"
        ),
        pytest.param(
            DATABASE + "    backup: {retention_days: 1}\n", 9, "backup", "write backups", id="a typing error too"
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_its_mend(content: str, line: int, key: str, said: str) -> None:
    path = f"databases.db.{key}".rstrip(".")
    found = [item for item in problems(content) if item.key == path]
    assert [item.line for item in found] == [line]
    assert said in f"{found[0].message}; {found[0].mend}"


def test_a_mistake_in_one_part_does_not_hide_one_in_another() -> None:
    content = RESTORE + "      port: 80\n    dns: {zone: a.b, record: c}\n    quiesce: api\n    secret_version: x\n"
    assert [item.key.removeprefix("databases.db.") for item in problems(content)] == [
        "restore.port",
        "dns.record",
        "quiesce",
        "secret_version",
    ]


# --- what cannot hold at once, and what belongs to one file alone


BOTH = HEAD + (
    "databases:\n"
    "  db:\n"
    "    secret: s\n"
    "    restore: {snapshot: s, instance: new, like: old}\n"
    "    dns: {zone: a.b, record: c.a.b}\n"
    "  other:\n"
    "    secret: t\n"
    "    restore: {snapshot: s, instance: NEW, like: old}\n"
    "    dns: {zone: Z0123456789, record: C.a.b.}\n"
)


def test_two_databases_neither_restore_one_instance_nor_lead_one_name() -> None:
    assert [(item.line, item.key, item.message, item.mend) for item in problems(BOTH)] == [
        (
            13,
            "databases.other.restore.instance",
            "restores the instance that databases.db restores already",
            "write another name",
        ),
        (14, "databases.other.dns.record", "claims the record that databases.db claims already", "keep one of the two"),
    ]
    assert parsed(BOTH.replace("NEW", "newer").replace("C.a.b", "D.a.b")).databases["other"].restore is not None


def test_two_databases_may_be_restored_from_one_snapshot_like_one_instance() -> None:
    found = parsed(BOTH.replace("NEW", "old-2").replace("C.a.b", "D.a.b"))
    assert {each.restore.like for each in found.databases.values() if each.restore} == {"old"}


def test_a_restored_instance_and_a_record_are_claimed_and_what_is_only_read_is_not() -> None:
    made = claims(parsed(BOTH.replace("NEW", "newer").replace("C.a.b", "D.a.b")))
    assert {claim.name: key for claim, key in made.items() if claim.kind == "instance"} == {
        "us-east-1/new": "databases.db.restore",
        "us-east-1/newer": "databases.other.restore",
    }
    assert [key for claim, key in made.items() if claim.kind == "record"] == ["databases.db.dns", "databases.other.dns"]


@pytest.mark.parametrize(
    ("edit", "shared"),
    [
        pytest.param(("", ""), {"environment", "service", "secret", "instance", "record"}, id="the same file"),
        pytest.param(("us-east-1", "eu-west-1"), {"environment", "record"}, id="another region: zones are global"),
        pytest.param(
            ("instance: new", "instance: New"), {"environment", "service", "secret", "instance", "record"}, id="="
        ),
        pytest.param(
            ("instance: new", "instance: newer"), {"environment", "service", "secret", "record"}, id="instance"
        ),
        pytest.param(("record: c.", "record: d."), {"environment", "service", "secret", "instance"}, id="record"),
    ],
)
def test_two_files_meet_in_what_both_would_write(edit: tuple[str, str], shared: set[str]) -> None:
    content = RESTORE + "    dns: {zone: a.b, record: c.a.b}\n"
    mine, theirs = claims(parsed(content)), claims(parsed(content.replace(*edit)))
    assert {one.kind for one in mine for other in theirs if one.may_be(other)} == shared


def test_a_record_is_one_whether_its_zone_is_named_or_given_by_its_id() -> None:
    text = RESTORE + "    dns: {zone: a.b, record: c.a.b}\n"
    one, other = (claims(parsed(text.replace("zone: a.b", f"zone: {zone}"))) for zone in ("a.b", "Z0123456789"))
    assert {mine.kind for mine in one for theirs in other if mine.may_be(theirs) and mine.kind == "record"} == {
        "record"
    }


def test_an_account_tells_instances_and_records_apart() -> None:
    one, other = (Claim("instance", "us-east-1/new", each * 12) for each in "12")
    assert not one.may_be(other)
    assert one.may_be(Claim("instance", "us-east-1/new"))


# --- for editors


def test_the_schema_knows_every_key_with_its_meaning() -> None:
    definitions = schema()["$defs"]
    for part in (Database, Restore, Dns, Backups):
        properties = definitions[part.__name__]["properties"]
        assert set(properties) == set(part.model_fields)
        assert all(each.get("description") for each in properties.values())
        assert definitions[part.__name__]["additionalProperties"] is False


def test_a_pinned_endpoint_is_still_taken_beside_the_rest() -> None:
    content = DATABASE + "    endpoint: db.example:6\n    dns: {zone: a.b, record: c.a.b}\n    quiesce: [api]\n"
    assert database(content).endpoint == Endpoint(host="db.example", port=6)
