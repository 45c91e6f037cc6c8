"""The secrets that containers name, and which of them say where a database of RDS is. Values are read, never told."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from desired_state.model import Endpoint
from reconcilers.adoption_services import TROUBLE
from reconcilers.aws import Connection, sentence
from reconcilers.contract import Stalled
from reconcilers.rds_reads import RdsReads
from reconcilers.secret_text import Address
from reconcilers.secret_values import SecretValues
from reconcilers.secrets import Secrets, SecretState

_RDS: Final = re.compile(r"([a-z][a-z0-9-]*)\.[a-z0-9.-]+\.rds\.amazonaws\.com(?:\.cn)?", re.IGNORECASE)


@dataclass(frozen=True)
class Kept:
    """A secret that says where a database of RDS is."""

    secret: str  # its name
    database: str  # the name that RDS has for the database
    endpoint: Endpoint
    unpinned: str = ""  # why the endpoint may not be pinned


@dataclass
class Looked:
    """What the secrets came to."""

    kept: dict[str, Kept] = field(default_factory=dict)  # by ARN
    others: list[str] = field(default_factory=list)  # names of secrets that name no database of RDS
    unknown: list[tuple[str, str]] = field(default_factory=list)  # what could not be read, and why


class DatabaseReads:
    """The secrets and the instances of one connection."""

    reads = (
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecretVersionIds",
        "rds:DescribeDBInstances",
    )

    def __init__(self, connection: Connection, secrets: Secrets) -> None:
        self._connection = connection
        self._secrets = secrets
        self._values = SecretValues(secrets)
        self._rds = RdsReads(connection)

    def of(self, arns: Iterable[str]) -> Looked:
        """Look at each secret once. What cannot be read is told, and stops nothing."""
        looked = Looked()
        for arn in arns:
            region, account = arn.split(":")[3:5]
            if (region, account) != (self._connection.place.region, self._connection.account()):
                looked.unknown.append((_named(arn), f"it is a secret of {account} in {region}"))
                continue
            try:
                self._look(arn, looked)
            except TROUBLE as error:
                looked.unknown.append((_named(arn), sentence(error)))
        return looked

    def _look(self, arn: str, looked: Looked) -> None:
        name = self._connection.reading("secretsmanager").describe_secret(SecretId=arn)["Name"]
        state = self._secrets.state(name)
        if state.deleted:
            raise Stalled(state.blocked)
        try:
            found = self._values.addresses(name, state)
        except Stalled:  # a key of an API, a certificate: no database
            found = ()
        database = next(filter(None, (self._database(each.host) for each in found)), "")
        if database:
            looked.kept[arn] = _kept(name, database, found, state)
        else:
            looked.others.append(name)

    def _database(self, host: str) -> str:
        """What RDS calls the database at a host; "" where it is none of RDS. TROUBLE: RDS does not tell."""
        if not host:
            return ""
        if instance := self._rds.at(host):
            return instance.name
        match = _RDS.fullmatch(host)  # of a cluster, or of another account
        return match[1].lower() if match else ""


def _kept(name: str, database: str, found: tuple[Address, ...], state: SecretState) -> Kept:
    hosts, ports = {each.host.lower() for each in found}, {each.port for each in found}
    try:
        endpoint = Endpoint(host=found[0].host, port=ports.pop() if len(ports) == 1 else None)
    except ValidationError:
        raise Stalled(f"secret {name} names a host that no file can name") from None
    several = "it names several hosts, of which a file can pin one: the secret would change" if len(hosts) > 1 else ""
    return Kept(name, database, endpoint, unpinned=several or state.blocked)


def _named(arn: str) -> str:
    """The name in a secret's ARN, without the six random characters that AWS appends."""
    return "secret " + re.sub("-[A-Za-z0-9]{6}$", "", arn.split(":", 6)[-1])
