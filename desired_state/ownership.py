"""What an environment claims for itself: no two files may claim the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from desired_state.model import Aws, Environment, Maintenance


@dataclass(frozen=True, order=True)
class Claim:
    """A name or a thing in AWS that only one file may have."""

    kind: str
    """environment, service, secret or listener."""
    identity: str
    """Where it is and what it is called; equal exactly when it is the same thing."""


def claims(environment: Environment) -> Mapping[Claim, str]:
    """Each claim of an environment, with the key in its file that makes it, such as services.api."""
    return dict(_claims(environment))


def _claims(environment: Environment) -> Iterator[tuple[Claim, str]]:
    yield Claim("environment", environment.environment), "environment"
    place = _place(environment.aws)
    for name, service in environment.services.items():
        yield Claim("service", f"{place}/{service.cluster}/{service.service}"), f"services.{name}"
    for name, database in environment.databases.items():
        yield Claim("secret", f"{place}/{database.secret}"), f"databases.{name}"
    if environment.maintenance is not None:
        yield Claim("listener", _listener(place, environment.maintenance)), "maintenance"


def _place(aws: Aws) -> str:
    # Without an account the file lives wherever the credentials of the daemon do, and so does every such file.
    account = aws.account or (aws.role_arn.split(":")[4] if aws.role_arn else "own account")
    return f"{account}/{aws.region}"


def _listener(place: str, maintenance: Maintenance) -> str:
    if maintenance.listener_arn is not None:
        return maintenance.listener_arn
    return f"{place}/{maintenance.load_balancer}:{maintenance.port}"
