"""A CNAME in Route 53 that follows the endpoint of a database."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from botocore.exceptions import ClientError

from desired_state.model import Dns
from reconcilers.aws import Connection, code
from reconcilers.contract import Absent, Change, Stalled

if TYPE_CHECKING:
    from mypy_boto3_route53.type_defs import ResourceRecordSetOutputTypeDef, ResourceRecordSetTypeDef

_NEW_TTL: Final = 30  # seconds, of a record that is not there yet


@dataclass(frozen=True)
class Record:
    """A name as Route 53 has it."""

    zone: str  # the id of its hosted zone
    host: str = ""  # where it leads; "" where there is no such record yet
    ttl: int = _NEW_TTL

    def leads_to(self, host: str, ttl: int | None) -> bool:
        """Whether it is as it must be. A pin without a TTL says nothing about the TTL."""
        return self.host == host.lower() and ttl in (None, self.ttl)


@dataclass(frozen=True, kw_only=True)
class PointName(Change):
    """ChangeResourceRecordSets: the CNAME leads to the endpoint. Nothing is ever deleted."""

    actions: ClassVar[tuple[str, ...]] = ("route53:ChangeResourceRecordSets",)
    lenient: ClassVar[bool] = True  # the services find the database by the secret

    zone: str
    host: str
    ttl: int


class Names:
    """The records of one connection. The id of a zone is looked up once; a record, every time that it is asked for."""

    reads: ClassVar[tuple[str, ...]] = ("route53:ListHostedZonesByName", "route53:ListResourceRecordSets")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._zones: dict[str, str] = {}

    def record(self, dns: Dns) -> Record:
        """ListResourceRecordSets from this name on. Absent: no such zone. Stalled: the name is something else."""
        zone = self._zone(dns.zone)
        try:
            told = self._connection.reading("route53").list_resource_record_sets(
                HostedZoneId=zone, StartRecordName=dns.record, MaxItems="10"
            )
        except ClientError as error:
            if code(error) == "NoSuchHostedZone":
                self._zones.pop(dns.zone, None)
                raise Absent(f"there is no hosted zone {dns.zone}: correct dns.zone in the file") from error
            raise
        return _record(dns, zone, [each for each in told["ResourceRecordSets"] if _plain(each["Name"]) == dns.record])

    def point(self, dns: Dns, change: PointName) -> None:
        """UPSERT: made or replaced, and safe to repeat."""
        record: ResourceRecordSetTypeDef = {
            "Name": dns.record,
            "Type": "CNAME",
            "TTL": change.ttl,
            "ResourceRecords": [{"Value": change.host}],
        }
        self._connection.writing("route53").change_resource_record_sets(
            HostedZoneId=change.zone,
            ChangeBatch={"Comment": "trueup", "Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]},
        )

    def _zone(self, named: str) -> str:
        if "." not in named:
            return named
        if named not in self._zones:
            told = self._connection.reading("route53").list_hosted_zones_by_name(DNSName=named, MaxItems="10")
            found = [each["Id"].rpartition("/")[2] for each in told["HostedZones"] if _plain(each["Name"]) == named]
            if not found:
                raise Absent(f"there is no hosted zone {named}: correct dns.zone in the file")
            if len(found) > 1:
                raise Stalled(
                    f"there are {len(found)} hosted zones {named}: write the id of one as dns.zone ({', '.join(found)})"
                )
            self._zones[named] = found[0]
        return self._zones[named]


def _record(dns: Dns, zone: str, found: "list[ResourceRecordSetOutputTypeDef]") -> Record:
    if not found:
        return Record(zone)
    one = found[0]
    if len(found) > 1 or one["Type"] != "CNAME" or "SetIdentifier" in one or len(one.get("ResourceRecords", [])) != 1:
        kinds = ", ".join(dict.fromkeys(each["Type"] for each in found))
        raise Stalled(
            f"{dns.record} is not one plain CNAME ({kinds}); trueup replaces nothing else: name another record, "
            "or take dns out of the file"
        )
    return Record(zone, _plain(one.get("ResourceRecords", [{"Value": ""}])[0]["Value"]), one.get("TTL", _NEW_TTL))


def _plain(name: str) -> str:
    return name.lower().rstrip(".")
