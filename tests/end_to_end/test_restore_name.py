"""The name that follows a database: the zone and the record that are meant, and what stands against them."""

import itertools

import pytest

from rehearsal.replaydash_names import ZONE
from tests.end_to_end.restores import NAME, RECORD, address, assert_stalled, at_rest, looked, restoring
from tests.end_to_end.world import World


@pytest.fixture(autouse=True)
def ids_of_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """As AWS gives them: those of moto may begin with any letter."""
    numbers = itertools.count(1)
    monkeypatch.setattr("moto.route53.models.create_route53_zone_id", lambda *_, **__: f"Z{next(numbers):013}")


def _zone(on: World) -> str:
    """The id of one more zone of the same name."""
    made = on.client("route53").create_hosted_zone(Name=ZONE, CallerReference="another")
    on.aws.clear_calls()
    return str(made["HostedZone"]["Id"]).rpartition("/")[2]


def _known(on: World) -> str:
    """The id of the zone that was there from the beginning."""
    zones = on.client("route53").list_hosted_zones_by_name(DNSName=ZONE)["HostedZones"]
    return str(zones[0]["Id"]).rpartition("/")[2]


def test_two_zones_of_one_name(slow: World) -> None:
    other = _zone(slow)

    run = looked(slow, restoring())

    assert_stalled(slow, run, f"there are 2 hosted zones {ZONE}", other, "write the id of one")


def test_a_zone_by_its_id_is_the_one_that_is_meant(slow: World) -> None:
    other = _zone(slow)

    run = at_rest(looked(slow, restoring(name=f"dns: {{zone: {other}, record: {RECORD}}}")))

    assert run.in_sync(), run.reasons()
    told = slow.client("route53").list_resource_record_sets(HostedZoneId=other)["ResourceRecordSets"]
    records = [(each["TTL"], each["ResourceRecords"][0]["Value"]) for each in told if each["Type"] == "CNAME"]
    assert records == [(30, address())]


@pytest.mark.parametrize(
    "name", [NAME.replace("replaydash.internal", "nowhere.internal"), "dns: {zone: Z0NOBODY, record: x.y}"]
)
def test_a_zone_that_is_not_there(slow: World, name: str) -> None:
    run = looked(slow, restoring(name=name))

    assert_stalled(slow, run, "there is no hosted zone", "correct dns.zone")


def test_a_record_that_is_no_cname(slow: World) -> None:
    record = {"Name": f"old.{ZONE}", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.20.10.9"}]}
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    slow.client("route53").change_resource_record_sets(HostedZoneId=_known(slow), ChangeBatch=batch)
    slow.aws.clear_calls()

    run = looked(slow, restoring(name=NAME.replace(RECORD, f"old.{ZONE}")))

    assert_stalled(slow, run, f"old.{ZONE} is not one plain CNAME (A)", "name another record")


def test_the_name_of_the_zone_itself(slow: World) -> None:
    """By its name the file is refused; by its id only Route 53 knows."""
    (slow.folder / "apex.yaml").write_text(restoring(name=f"dns: {{zone: {ZONE}, record: {ZONE}}}"))

    run = looked(slow, restoring(name=f"dns: {{zone: {_known(slow)}, record: {ZONE}}}"))
    said = slow.trueup("validate", "apex.yaml")

    assert_stalled(slow, run, "is not one plain CNAME")
    assert (said.returncode, f"write a name inside it, such as db.{ZONE}" in said.stderr) == (1, True)
