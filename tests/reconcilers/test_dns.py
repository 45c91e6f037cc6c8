"""The CNAME that follows a database: one plain record of one certain zone, and nothing else is ever replaced."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from desired_state.model import Database, Dns, Endpoint
from reconcilers.contract import Absent, Change, Stalled
from reconcilers.database import DatabasePin, DatabaseReconciler, LiveDatabase
from reconcilers.dns import Names, PointName, Record
from reconcilers.secret_text import Address
from tests.reconcilers.ecs_world import SESSION

ID, ZONE, NAME = "Z0123456789ABC", "replaydash.internal", "db.replaydash.internal"
HOST = "new.rds.example.com"


def dns(zone: str = ZONE, **more: Any) -> Dns:
    return Dns(zone=zone, record=NAME, **more)


class Route53:
    """Answers that are given in order; a call that is not expected fails."""

    def __init__(self) -> None:
        client = SESSION.client("route53", aws_access_key_id="a", aws_secret_access_key="b")
        self.stubber = Stubber(client)
        self.stubber.activate()
        connection: Any = SimpleNamespace(reading=lambda _: client, writing=lambda _: client)
        self.names = Names(connection)

    def zones(self, *found: tuple[str, str]) -> None:
        zones = [{"Id": f"/hostedzone/{key}", "Name": name, "CallerReference": "x"} for key, name in found]
        self.stubber.add_response(
            "list_hosted_zones_by_name",
            {"HostedZones": zones, "IsTruncated": False, "MaxItems": "10"},
            {"DNSName": ZONE, "MaxItems": "10"},
        )

    def records(self, *found: dict[str, Any], zone: str = ID) -> None:
        self.stubber.add_response(
            "list_resource_record_sets",
            {"ResourceRecordSets": list(found), "IsTruncated": False, "MaxItems": "10"},
            {"HostedZoneId": zone, "StartRecordName": NAME, "MaxItems": "10"},
        )


@pytest.fixture
def aws() -> Iterator[Route53]:
    route53 = Route53()
    yield route53
    route53.stubber.assert_no_pending_responses()


def cname(host: str = "old.rds.example.com", name: str = f"{NAME}.", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": host}], **more}


@pytest.mark.parametrize(
    ("found", "record"),
    [
        pytest.param([cname()], Record(ID, "old.rds.example.com", 60), id="a CNAME"),
        pytest.param([cname("Old.RDS.example.com.")], Record(ID, "old.rds.example.com", 60), id="capitals and a dot"),
        pytest.param([cname(name="DB.ReplayDash.internal.")], Record(ID, "old.rds.example.com", 60), id="its own name"),
        pytest.param([cname(name=NAME, TTL=0)], Record(ID, "old.rds.example.com", 0), id="a TTL of 0"),
        pytest.param([], Record(ID), id="an empty zone"),
        pytest.param([cname(name=f"e{NAME}.")], Record(ID), id="only the next name"),
        pytest.param([cname(), cname(name=f"e{NAME}.")], Record(ID, "old.rds.example.com", 60), id="and the next name"),
    ],
)
def test_a_record_is_found_by_its_name(aws: Route53, found: list[dict[str, Any]], record: Record) -> None:
    aws.zones((ID, f"{ZONE}."))
    aws.records(*found)
    assert aws.names.record(dns()) == record


def test_a_record_that_is_not_there_leads_nowhere_and_will_be_remembered_for_half_a_minute(aws: Route53) -> None:
    aws.zones((ID, f"{ZONE}."))
    aws.records()
    record = aws.names.record(dns())
    assert (record.host, record.ttl) == ("", 30)


def other(kind: str, **more: Any) -> dict[str, Any]:
    return {"Name": f"{NAME}.", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": "10.0.0.7"}], **more}


ALIAS = {"HostedZoneId": ID, "DNSName": "elb.example.com.", "EvaluateTargetHealth": False}


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        pytest.param([other("A")], "A", id="an address"),
        pytest.param([other("A"), other("AAAA")], "A, AAAA", id="two kinds of address"),
        pytest.param([other("NS"), other("SOA")], "NS, SOA", id="the zone itself"),
        pytest.param([other("TXT")], "TXT", id="a text"),
        pytest.param([cname(SetIdentifier="a", Weight=1)], "CNAME", id="a weighted CNAME alone"),
        pytest.param(
            [cname(SetIdentifier="a", Weight=1), cname(SetIdentifier="b", Weight=9)], "CNAME", id="weighted CNAMEs"
        ),
        pytest.param([{"Name": f"{NAME}.", "Type": "CNAME", "AliasTarget": ALIAS}], "CNAME", id="an alias"),
        pytest.param([cname(ResourceRecords=[{"Value": "a"}, {"Value": "b"}])], "CNAME", id="a CNAME to two hosts"),
    ],
)
def test_what_is_not_one_plain_cname_is_not_replaced(aws: Route53, found: list[dict[str, Any]], kinds: str) -> None:
    aws.zones((ID, f"{ZONE}."))
    aws.records(*found)
    with pytest.raises(Stalled) as stalled:
        aws.names.record(dns())
    assert str(stalled.value) == (
        f"{NAME} is not one plain CNAME ({kinds}); trueup replaces nothing else: name another record, "
        "or take dns out of the file"
    )


def test_a_zone_is_looked_up_once_and_a_record_every_time(aws: Route53) -> None:
    aws.zones((ID, f"{ZONE}."), ("ZNEXT00000", "replaydash.internal.example.com."))
    aws.records(cname())
    aws.records(cname(HOST))
    assert [aws.names.record(dns()).host for _ in range(2)] == ["old.rds.example.com", HOST]


def test_a_zone_that_is_named_by_its_id_is_not_looked_up(aws: Route53) -> None:
    aws.records(cname())
    assert aws.names.record(dns(ID)) == Record(ID, "old.rds.example.com", 60)


@pytest.mark.parametrize("found", [[], [("ZNEXT00000", "replaydash.internal.example.com.")], [("Z1", "internal.")]])
def test_a_zone_that_is_not_there_is_absent_and_looked_up_again(aws: Route53, found: list[tuple[str, str]]) -> None:
    aws.zones(*found)
    with pytest.raises(Absent, match=f"there is no hosted zone {ZONE}: correct dns.zone in the file"):
        aws.names.record(dns())
    aws.zones((ID, f"{ZONE}."))
    aws.records(cname())
    assert aws.names.record(dns()).zone == ID


def test_of_several_zones_of_one_name_a_person_has_to_choose(aws: Route53) -> None:
    aws.zones(("ZPUBLIC000", f"{ZONE}."), ("ZPRIVATE00", f"{ZONE}."))
    with pytest.raises(Stalled, match=r"there are 2 hosted zones .* \(ZPUBLIC000, ZPRIVATE00\)"):
        aws.names.record(dns())
    aws.zones((ID, f"{ZONE}."))
    aws.records()
    assert aws.names.record(dns()).zone == ID


def test_a_zone_that_was_made_anew_is_looked_up_again(aws: Route53) -> None:
    aws.zones((ID, f"{ZONE}."))
    aws.stubber.add_client_error("list_resource_record_sets", "NoSuchHostedZone", http_status_code=404)
    with pytest.raises(Absent, match=f"there is no hosted zone {ZONE}"):
        aws.names.record(dns())
    aws.zones(("ZNEW000000", f"{ZONE}."))
    aws.records(zone="ZNEW000000")
    assert aws.names.record(dns()).zone == "ZNEW000000"


@pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
def test_what_cannot_be_read_is_not_absent(aws: Route53, code: str) -> None:
    aws.stubber.add_client_error("list_hosted_zones_by_name", code)
    with pytest.raises(ClientError):
        aws.names.record(dns())
    aws.zones((ID, f"{ZONE}."))
    aws.stubber.add_client_error("list_resource_record_sets", code)
    with pytest.raises(ClientError):
        aws.names.record(dns())
    aws.records(cname())
    assert aws.names.record(dns()).zone == ID


def test_pointing_is_one_upsert(aws: Route53) -> None:
    record = {"Name": NAME, "Type": "CNAME", "TTL": 45, "ResourceRecords": [{"Value": HOST}]}
    aws.stubber.add_response(
        "change_resource_record_sets",
        {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING", "SubmittedAt": "2024-02-24T12:00:00Z"}},
        {
            "HostedZoneId": ID,
            "ChangeBatch": {"Comment": "trueup", "Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]},
        },
    )
    aws.names.point(dns(ttl=45), PointName(zone=ID, host=HOST, ttl=45))


# --- what differs


def changes(pin: Dns, record: Record, goal: str | None = HOST, found: str = HOST) -> list[Change]:
    goals = Endpoint(host=goal) if goal else None
    database = Database(secret="a/b", endpoint=HOST, dns=pin)
    live = LiveDatabase(secret="arn", version="v", addresses=(Address(found, 5432),), goal=goals, record=record)
    return list(DatabaseReconciler.diff(DatabasePin("postgres", database), live))


LED = Record(ID, HOST, 60)


@pytest.mark.parametrize(
    ("pin", "record", "drifts", "ttl"),
    [
        pytest.param(dns(), LED, [], None, id="as it must be"),
        pytest.param(dns(ttl=60), LED, [], None, id="with the TTL that is pinned"),
        pytest.param(dns(), Record(ID), [("", "absent", HOST)], 30, id="a new record"),
        pytest.param(dns(ttl=5), Record(ID), [("", "absent", HOST)], 5, id="a new record with a TTL"),
        pytest.param(dns(), Record(ID, "old", 300), [("", "old", HOST)], 300, id="elsewhere, and the TTL stays"),
        pytest.param(dns(ttl=30), LED, [(" ttl", "60", "30")], 30, id="only the TTL"),
        pytest.param(
            dns(ttl=30), Record(ID, "old", 60), [("", "old", HOST), (" ttl", "60", "30")], 30, id="both at once"
        ),
    ],
)
def test_what_differs_is_one_point(pin: Dns, record: Record, drifts: list[tuple[str, str, str]], ttl: int) -> None:
    found = changes(pin, record)
    named = [(f"dns {NAME}{field}", live, desired) for field, live, desired in drifts]
    assert [(d.field, d.live, d.desired) for change in found for d in change.drifts] == named
    assert found == ([PointName(drifts=found[0].drifts, zone=ID, host=HOST, ttl=ttl)] if drifts else [])


def test_capitals_in_the_pinned_host_do_not_differ() -> None:
    assert changes(dns(), LED, HOST.upper()) == []
    (moved,) = changes(dns(), Record(ID, "old", 60), HOST.upper())
    assert isinstance(moved, PointName)
    assert moved.host == HOST.upper()


def test_the_name_follows_the_secret_and_never_leads_it() -> None:
    assert [change.verb for change in changes(dns(), Record(ID, "old"), found="old")] == ["publish", "point_name"]
    assert changes(dns(), Record(ID, "old"), goal=None) == []
