"""The hosted zones and the records of Route 53 as AWS shows them, and the order in which it lists them."""

from typing import Any

from rehearsal import moto_app
from rehearsal.shapes import Params
from rehearsal.wire import Refused

_MOST_RECORDS, _MOST_ZONES = 300, 100  # on a page


def list_records(params: Params) -> Params:
    """ListResourceRecordSets, in the order of the labels from the last to the first."""
    name, kind = params.get("StartRecordName"), params.get("StartRecordType", "")
    if kind and not name:
        raise Refused("InvalidInput", "StartRecordType needs a StartRecordName.")
    start = (_reversed(name), kind) if name else ("", "")
    found = sorted(map(shown, zone(params["HostedZoneId"]).rrsets), key=_place)
    found = [each for each in found if _place(each)[:2] >= start]
    size = _size(params, _MOST_RECORDS)
    page, rest = found[:size], found[size:]
    following = {"NextRecordName": rest[0]["Name"], "NextRecordType": rest[0]["Type"]} if rest else {}
    return {"ResourceRecordSets": page, "IsTruncated": bool(rest), "MaxItems": size, **following}


def list_zones(params: Params) -> Params:
    """ListHostedZonesByName: every zone from the given name on, not only those of that name."""
    places = {(_reversed(each.name), each.resource_id): each for each in moto_app.route53().zones.values()}
    start = (_reversed(params.get("DNSName", "")), params.get("HostedZoneId", ""))
    found = [places[place] for place in sorted(places) if place >= start]
    size = _size(params, _MOST_ZONES)
    page, rest = found[:size], found[size:]
    following = {"NextDNSName": stored(rest[0].name), "NextHostedZoneId": rest[0].resource_id} if rest else {}
    asked = {name: params.get(name) for name in ("DNSName", "HostedZoneId")}
    told = {"HostedZones": [_zone_shown(each) for each in page], "IsTruncated": bool(rest), "MaxItems": size}
    return {**told, **asked, **following}


def zone(given: str) -> Any:
    """moto's hosted zone of this id."""
    found = moto_app.route53().zones.get(given.removeprefix("/hostedzone/"))
    if found is None:
        raise Refused("NoSuchHostedZone", f"No hosted zone found with ID: {given}", 404)
    return found


def shown(record: Any) -> Params:
    """A record of moto's as AWS shows it. Of the one that moto makes itself, each value is in a shell of its own."""
    values = [each["Value"] if isinstance(each, dict) else each for each in record.records or ()]
    named = {
        "Name": stored(record.name),
        "Type": record.type,
        "TTL": record.ttl if record.ttl is None else int(record.ttl),
        "SetIdentifier": record.set_identifier,
        "Weight": record.weight,
        "Region": record.region,
        "Failover": record.failover,
        "HealthCheckId": record.health_check_id,
        "MultiValueAnswer": record.multi_value_answer,
        "AliasTarget": record.alias_target,
        "GeoLocation": record.geo_location,
        "ResourceRecords": [{"Value": each} for each in values] or None,
    }
    return {name: value for name, value in named.items() if value is not None}


def values_of(record: Params) -> list[str]:
    return [each["Value"] for each in record.get("ResourceRecords") or ()]


def stored(name: str) -> str:
    """A name as Route 53 keeps it."""
    return name.lower().rstrip(".").replace("*", "\\052") + "."


def _reversed(name: str) -> str:
    """The labels from the last to the first, each with a dot behind it: the dot counts in the order."""
    return "".join(f"{label}." for label in reversed(stored(name)[:-1].split(".")) if label)


def _place(record: Params) -> tuple[str, str, str]:
    return _reversed(record["Name"]), record["Type"], record.get("SetIdentifier", "")


def _size(params: Params, most: int) -> int:
    size = params.get("MaxItems") or str(most)
    if not (size.isdecimal() and int(size)):
        raise Refused("InvalidInput", "MaxItems has to be a number from 1.")
    return min(int(size), most)


def _zone_shown(found: Any) -> Params:
    return {
        "Id": found.id,
        "Name": stored(found.name),
        "CallerReference": found.caller_reference,
        "Config": {"Comment": found.comment, "PrivateZone": found.private_zone},
        "ResourceRecordSetCount": len(found.rrsets),
    }
