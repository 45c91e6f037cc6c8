"""What an environment claims for itself: no two files may claim the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from desired_state.model import Aws, Environment, Infrastructure, Maintenance


@dataclass(frozen=True, order=True)
class Claim:
    """A name or a thing in AWS that only one file may have."""

    kind: str
    """environment, infrastructure, service, secret, instance, record or listener."""
    name: str
    """Its region and what it is called; a listener goes by its load balancer, infrastructure by its state."""
    account: str = ""
    """Empty where the file does not say it: then it is the one that the daemon's credentials belong to."""
    listener: str = ""
    """Of a listener: its port, or its ARN."""

    def may_be(self, other: Claim) -> bool:
        """Whether both may mean the same thing. A clash too many has a mend (say more); a fight unseen has none."""
        if (self.kind, self.name) != (other.kind, other.name):
            return False
        if self.account and other.account and self.account != other.account:
            return False
        ports = [claim.listener for claim in (self, other) if not claim.listener.startswith("arn:")]
        return self.listener == other.listener or len(ports) == 1  # an ARN does not say its port


def claims(environment: Environment) -> Mapping[Claim, str]:
    """Each claim of an environment, with the key in its file that makes it, such as services.api."""
    return dict(_claims(environment))


def _claims(environment: Environment) -> Iterator[tuple[Claim, str]]:
    yield Claim("environment", environment.environment), "environment"
    region, account = environment.aws.region, _account(environment.aws)
    for name, service in environment.services.items():
        yield Claim("service", f"{region}/{service.cluster}/{service.service}", account), f"services.{name}"
    for name, database in environment.databases.items():
        yield Claim("secret", f"{region}/{database.secret}", account), f"databases.{name}"
        if database.restore is not None:
            yield Claim("instance", f"{region}/{database.restore.instance}", account), f"databases.{name}.restore"
        if database.dns is not None:
            yield Claim("record", database.dns.record, account), f"databases.{name}.dns"
    for name, pinned in environment.infrastructure.items():
        yield _state(pinned), f"infrastructure.{name}"
    if environment.maintenance is not None:
        yield _listener(region, account, environment.maintenance), "maintenance"


def _state(pinned: Infrastructure) -> Claim:
    """The state belongs to its backend, and to no account or region."""
    repository, directory, workspace = pinned.state
    return Claim("infrastructure", f"{repository}/{directory}:{workspace}")


def _account(aws: Aws) -> str:
    return aws.account or (aws.role_arn.split(":")[4] if aws.role_arn else "")


def _listener(region: str, account: str, maintenance: Maintenance) -> Claim:
    if maintenance.listener_arn is None:
        return Claim("listener", f"{region}/{maintenance.load_balancer}", account, str(maintenance.port))
    arn = maintenance.listener_arn
    return Claim("listener", f"{arn.split(':')[3]}/{arn.split('/')[2]}", arn.split(":")[4], arn)
