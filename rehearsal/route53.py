"""Route 53: what AWS refuses of a change of records, and what the log of calls says of one. moto keeps the records."""

from typing import Any

from rehearsal import route53_records
from rehearsal.route53_records import stored, values_of
from rehearsal.shapes import Params, answered, given
from rehearsal.wire import Answer, Call, Refused

_COMPARED = ("TTL", "Weight", "Region", "Failover", "HealthCheckId", "MultiValueAnswer", "AliasTarget", "GeoLocation")

_Key = tuple[str, str, str | None]


def answer(call: Call, now: float) -> Answer | None:
    """The answer to a call about records, or about zones by name; None where it is moto's."""
    if call.operation == "ChangeResourceRecordSets":
        return answered(call, _change(given(call), now))
    if call.operation == "ListResourceRecordSets":
        return answered(call, route53_records.list_records(given(call)))
    if call.operation == "ListHostedZonesByName":
        return answered(call, route53_records.list_zones(given(call)))
    return None


def summary(call: Call) -> dict[str, Any]:
    """What a call names: the hosted zone, and every record that it changes. Nothing of what cannot be read."""
    if not call.operation.endswith("ResourceRecordSets"):
        return {}
    try:
        params = given(call)
        changes = [_summed_up(each) for each in params.get("ChangeBatch", {}).get("Changes", ())]
    except Exception:  # noqa: BLE001 - whoever answers the call says what is wrong with it
        return {}
    return {"HostedZoneId": params["HostedZoneId"], **({"Changes": changes} if changes else {})}


def _summed_up(change: Params) -> Params:
    record = change["ResourceRecordSet"]
    named = {name: record.get(name) for name in ("Name", "Type", "TTL")}
    return {"Action": change["Action"], **named, "Values": values_of(record)}


def _change(params: Params, now: float) -> Params:
    """ChangeResourceRecordSets: all of it, or nothing."""
    zone = route53_records.zone(params["HostedZoneId"])
    records = {_key(each): each for each in map(route53_records.shown, zone.rrsets)}
    for change in params["ChangeBatch"]["Changes"]:
        action, record = change["Action"], change["ResourceRecordSet"]
        record = {**record, "Name": stored(record["Name"])}
        _check(stored(zone.name), records, action, record)
        if action == "DELETE":
            del records[_key(record)]
        else:
            records[_key(record)] = record
    zone.rrsets = []
    for record in records.values():
        zone.add_rrset({**record, "ResourceRecords": values_of(record)})
    return {"ChangeInfo": {"Id": "/change/C2682N5HXP0BZ4", "Status": "PENDING", "SubmittedAt": now}}


def _check(apex: str, records: dict[_Key, Params], action: str, record: Params) -> None:
    name, kind = record["Name"], record["Type"]
    if not ("AliasTarget" in record or ("TTL" in record and values_of(record))):
        raise Refused(
            "InvalidInput",
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
            f"TrafficPolicyInstanceId], but found none in Change with [Action={action}, Name={name}, Type={kind}, "
            f"SetIdentifier={record.get('SetIdentifier', 'null')}]",
        )
    if action == "DELETE":
        _check_same(records.get(_key(record)), record)
        return
    if action == "CREATE" and _key(record) in records:
        raise _refused(f"Tried to create resource record set [name='{name}', type='{kind}'] but it already exists")
    if not f".{name}".endswith(f".{apex}"):
        raise _refused(f"RRSet with DNS name {name} is not permitted in zone {apex}")
    _check_cname(apex, {there for named, there, _ in records if named == name}, record)


def _check_cname(apex: str, there: set[str], record: Params) -> None:
    """A CNAME has one value, and nothing beside it; so there is none at the apex."""
    name, kind = record["Name"], record["Type"]
    if kind == "CNAME" and name == apex:
        raise _refused(f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {apex}")
    if kind == "CNAME" and len(values_of(record)) > 1:
        raise _refused(f"RRSet of type CNAME with DNS name {name} has more than one resource record")
    if kind == "CNAME" and there - {kind}:
        raise _refused(
            f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with the "
            f"same DNS name in zone {apex}"
        )
    if "CNAME" in there - {kind}:
        raise _refused(
            f"RRSet of type {kind} with DNS name {name} is not permitted because a conflicting RRSet of type CNAME "
            f"with the same DNS name already exists in zone {apex}"
        )


def _check_same(there: Params | None, record: Params) -> None:
    tried = f"Tried to delete resource record set [name='{record['Name']}', type='{record['Type']}']"
    if there is None:
        raise _refused(f"{tried} but it was not found")
    same = all(there.get(name) == record.get(name) for name in _COMPARED)
    if not same or sorted(values_of(there)) != sorted(values_of(record)):
        raise _refused(f"{tried} but the values provided do not match the current values")


def _key(record: Params) -> _Key:
    return record["Name"], record["Type"], record.get("SetIdentifier")


def _refused(message: str) -> Refused:
    return Refused("InvalidChangeBatch", f"[{message}]")
