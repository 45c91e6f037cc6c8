"""Route 53: which changes AWS refuses, in which order it lists, and what the log of calls says."""

import json
from typing import Any

import pytest

from tests.rehearsal.place import Aws, code, message


class Zone:
    """A private zone of its own for every test."""

    def __init__(self, aws: Aws) -> None:
        self.aws, self.route53, self.name = aws, aws.caller.aws("route53"), f"{aws.name('zone')}.internal"
        made = self.route53.create_hosted_zone(Name=self.name, CallerReference=self.name)
        self.id = made["HostedZone"]["Id"].rpartition("/")[2]

    def change(self, *changes: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = self.route53.change_resource_record_sets(
            HostedZoneId=self.id, ChangeBatch={"Changes": list(changes)}
        )["ChangeInfo"]
        return made

    def refused(self, *changes: dict[str, Any]) -> tuple[str, str]:
        sent = {"HostedZoneId": self.id, "ChangeBatch": {"Changes": list(changes)}}
        call = self.route53.change_resource_record_sets
        return code(call, **sent), message(call, **sent)

    def record(self, label: str = "db", kind: str = "CNAME", *values: str, ttl: int | None = 60) -> dict[str, Any]:
        name = f"{label}.{self.name}" if label else self.name
        held = {"ResourceRecords": [{"Value": each} for each in values or ("one.example",)]}
        return {"Name": name, "Type": kind, **held, **({} if ttl is None else {"TTL": ttl})}

    def listed(self, **asked: Any) -> list[tuple[str, str]]:
        """The labels and types of what is listed."""
        found = self.route53.list_resource_record_sets(HostedZoneId=self.id, **asked)["ResourceRecordSets"]
        return [(each["Name"].removesuffix(f"{self.name}.").rstrip("."), each["Type"]) for each in found]

    def values(self, label: str = "db") -> list[str]:
        found = self.route53.list_resource_record_sets(HostedZoneId=self.id)["ResourceRecordSets"]
        wanted = [each for each in found if each["Name"] == f"{label}.{self.name}."]
        return [value["Value"] for each in wanted for value in each["ResourceRecords"]]


@pytest.fixture
def zone(aws: Aws) -> Zone:
    return Zone(aws)


def create(record: dict[str, Any]) -> dict[str, Any]:
    return {"Action": "CREATE", "ResourceRecordSet": record}


def upsert(record: dict[str, Any]) -> dict[str, Any]:
    return {"Action": "UPSERT", "ResourceRecordSet": record}


def delete(record: dict[str, Any]) -> dict[str, Any]:
    return {"Action": "DELETE", "ResourceRecordSet": record}


def test_a_record_is_made_replaced_and_deleted(zone: Zone) -> None:
    made = zone.change(create(zone.record()))
    assert (made["Status"], zone.values()) == ("PENDING", ["one.example"])

    zone.change(upsert(zone.record("db", "CNAME", "two.example", ttl=30)))
    assert zone.values() == ["two.example"]
    zone.change(upsert(zone.record("new", "A", "10.0.0.1", "10.0.0.2")))
    assert zone.values("new") == ["10.0.0.1", "10.0.0.2"]

    zone.change(delete(zone.record("db", "CNAME", "two.example", ttl=30)))
    assert zone.values() == []
    zone.change(create(zone.record()))
    assert zone.values() == ["one.example"]


def test_what_was_there_before_is_there_after_a_change(zone: Zone) -> None:
    before = zone.route53.list_resource_record_sets(HostedZoneId=zone.id)["ResourceRecordSets"]

    zone.change(create(zone.record()))

    after = zone.route53.list_resource_record_sets(HostedZoneId=zone.id)["ResourceRecordSets"]
    assert [each for each in after if each["Type"] != "CNAME"] == before
    assert [each["Type"] for each in before] == ["NS", "SOA"]
    assert zone.route53.get_hosted_zone(Id=zone.id)["HostedZone"]["ResourceRecordSetCount"] == 3


def test_a_name_is_kept_in_lower_case_and_ends_with_a_dot(zone: Zone) -> None:
    zone.change(create({**zone.record(), "Name": f"DB.{zone.name.upper()}."}))

    assert zone.values() == ["one.example"]
    assert zone.refused(create(zone.record()))[0] == "InvalidChangeBatch"


def test_what_exists_is_not_created(zone: Zone) -> None:
    zone.change(create(zone.record()))

    refused, said = zone.refused(create(zone.record("db", "CNAME", "two.example")))

    assert (refused, "already exists" in said) == ("InvalidChangeBatch", True)
    assert zone.values() == ["one.example"]


@pytest.mark.parametrize(
    ("label", "value", "ttl", "said"),
    [
        pytest.param("other", "one.example", 60, "was not found", id="another name"),
        pytest.param("db", "two.example", 60, "do not match", id="another value"),
        pytest.param("db", "one.example", 61, "do not match", id="another TTL"),
    ],
)
def test_only_exactly_what_is_there_is_deleted(zone: Zone, label: str, value: str, ttl: int, said: str) -> None:
    zone.change(create(zone.record()))

    refused, told = zone.refused(delete(zone.record(label, "CNAME", value, ttl=ttl)))

    assert (refused, said in told) == ("InvalidChangeBatch", True)
    assert zone.values() == ["one.example"]


@pytest.mark.parametrize("make", [create, upsert])
def test_a_cname_stands_alone_and_below_the_apex(zone: Zone, make: Any) -> None:
    zone.change(create(zone.record("db", "A", "10.0.0.1")), create(zone.record("www")))

    at_the_apex = zone.refused(make(zone.record("")))
    beside_another = zone.refused(make(zone.record()))
    another_beside_it = zone.refused(make(zone.record("www", "A", "10.0.0.1")))
    with_two_values = zone.refused(make(zone.record("two", "CNAME", "one.example", "two.example")))

    all_of_them = (at_the_apex, beside_another, another_beside_it, with_two_values)
    assert {refused for refused, _ in all_of_them} == {"InvalidChangeBatch"}
    for (_, told), said in zip(all_of_them, ("at apex", "conflicts", "conflicting", "more than one"), strict=True):
        assert said in told
    assert zone.listed() == [("", "NS"), ("", "SOA"), ("db", "A"), ("www", "CNAME")]


def test_a_record_is_inside_its_zone(zone: Zone) -> None:
    for name in ("db.example.com", f"not{zone.name}", "internal"):
        refused, told = zone.refused(create({**zone.record(), "Name": name}))

        assert (refused, "not permitted in zone" in told) == ("InvalidChangeBatch", True)


def test_a_record_has_a_ttl_and_values_or_is_an_alias(zone: Zone) -> None:
    refused, told = zone.refused(create(zone.record(ttl=None)))
    assert (refused, "Expected exactly one of" in told) == ("InvalidInput", True)
    alias = {"HostedZoneId": "Z1", "DNSName": "lb.example.", "EvaluateTargetHealth": False}

    zone.change(create({"Name": zone.name, "Type": "A", "AliasTarget": alias}))

    found = zone.route53.list_resource_record_sets(HostedZoneId=zone.id)["ResourceRecordSets"]
    assert [each["AliasTarget"] for each in found if each["Type"] == "A"] == [alias]


def test_a_batch_is_done_whole_or_not_at_all(zone: Zone) -> None:
    zone.change(create(zone.record()))

    refused, _ = zone.refused(create(zone.record("new")), create(zone.record()))
    assert (refused, zone.values("new")) == ("InvalidChangeBatch", [])

    zone.change(delete(zone.record()), create(zone.record("db", "A", "10.0.0.1")))
    assert zone.values() == ["10.0.0.1"]


def test_a_zone_has_to_be_there(aws: Aws) -> None:
    route53 = aws.caller.aws("route53")
    batch = {"Changes": [create({"Name": "a.b", "Type": "A", "TTL": 1, "ResourceRecords": [{"Value": "10.0.0.1"}]})]}

    with pytest.raises(route53.exceptions.NoSuchHostedZone) as refused:
        route53.change_resource_record_sets(HostedZoneId="Z0", ChangeBatch=batch)

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert code(route53.list_resource_record_sets, HostedZoneId="Z0") == "NoSuchHostedZone"
    assert code(route53.get_hosted_zone, Id="Z0") == "NoSuchHostedZone"


# --- lists


def test_records_are_listed_by_their_labels_from_the_last_to_the_first(zone: Zone) -> None:
    for label in ("b", "a-b", "x.a", "a", "*"):
        zone.change(create(zone.record(label)))
    zone.change(create(zone.record("c", "TXT", '"t"')), create(zone.record("c", "A", "10.0.0.1")))

    labels = [label for label, _ in zone.listed() if label]

    assert labels == ["\\052", "a-b", "a", "x.a", "b", "c", "c"]
    assert zone.listed()[-2:] == [("c", "A"), ("c", "TXT")]


def test_a_list_begins_with_a_name_and_a_type_and_ends_after_so_many(zone: Zone) -> None:
    zone.change(*(create(zone.record(label)) for label in "abc"))
    zone.change(create(zone.record("d", "A", "10.0.0.1")), create(zone.record("d", "TXT", '"t"')))

    assert zone.listed(StartRecordName=f"b.{zone.name}", MaxItems="2") == [("b", "CNAME"), ("c", "CNAME")]
    assert zone.listed(StartRecordName=f"bb.{zone.name}.", MaxItems="1") == [("c", "CNAME")]
    assert zone.listed(StartRecordName=f"D.{zone.name}", StartRecordType="B") == [("d", "TXT")]
    page = zone.route53.list_resource_record_sets(HostedZoneId=zone.id, MaxItems="2")
    assert (page["IsTruncated"], page["NextRecordName"], page["NextRecordType"]) == (True, f"a.{zone.name}.", "CNAME")
    paged = zone.route53.get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=zone.id, PaginationConfig={"PageSize": 2}
    )
    assert [len(each["ResourceRecordSets"]) for each in paged] == [2, 2, 2, 1]


@pytest.mark.parametrize("asked", [{"StartRecordType": "A"}, {"MaxItems": "0"}, {"MaxItems": "many"}])
def test_a_list_that_cannot_be_is_refused(zone: Zone, asked: dict[str, str]) -> None:
    assert code(zone.route53.list_resource_record_sets, HostedZoneId=zone.id, **asked) == "InvalidInput"


def test_zones_are_listed_from_a_name_on_and_not_only_those_of_that_name(aws: Aws) -> None:
    zones = [Zone(aws), Zone(aws)]
    route53, first = zones[0].route53, min(zone.name for zone in zones)

    found = route53.list_hosted_zones_by_name(DNSName=first)["HostedZones"]
    one = route53.list_hosted_zones_by_name(DNSName=first, MaxItems="1")

    assert [each["Name"] for each in found][:2] == sorted(f"{zone.name}." for zone in zones)
    assert (len(one["HostedZones"]), one["IsTruncated"], one["NextDNSName"]) == (1, True, found[1]["Name"])


# --- the log of calls


def test_a_change_is_a_write_and_is_told_with_what_it_named(zone: Zone) -> None:
    zone.aws.rehearsal.clear_calls()

    zone.change(upsert(zone.record("db", "CNAME", "one.example", ttl=30)))
    zone.refused(create(zone.record()))
    zone.listed()
    zone.route53.get_hosted_zone(Id=zone.id)
    zone.route53.list_hosted_zones_by_name()

    calls = zone.aws.rehearsal.calls()
    changed = ("ChangeResourceRecordSets", True)
    assert [(each["operation"], each["write"]) for each in calls] == [
        *[changed] * 3,
        ("ListResourceRecordSets", False),
        ("GetHostedZone", False),
        ("ListHostedZonesByName", False),
    ]
    assert [each["code"] for each in calls[:2]] == ["200", "InvalidChangeBatch"]
    change = {"Action": "UPSERT", "Name": f"db.{zone.name}", "Type": "CNAME", "TTL": 30, "Values": ["one.example"]}
    assert calls[0]["summary"] == {"HostedZoneId": zone.id, "Changes": [change]}
    assert calls[3]["summary"] == {"HostedZoneId": zone.id}
    assert json.dumps(calls)


@pytest.mark.parametrize(("kind", "done"), [("throttle", False), ("drop_after", True)])
def test_a_fault_comes_before_or_after_the_change(zone: Zone, kind: str, done: bool) -> None:
    zone.aws.rehearsal.fault("route53", "ChangeResourceRecordSets", kind)

    with pytest.raises(Exception, match=r"Throttling|closed"):
        zone.change(create(zone.record()))

    assert zone.values() == (["one.example"] if done else [])
