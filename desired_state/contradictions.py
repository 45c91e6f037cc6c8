"""What cannot hold at once within one desired-state file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from desired_state.values import shown
from desired_state.verify import OnFailure

if TYPE_CHECKING:
    from desired_state.model import Database, Environment, Service


@dataclass(frozen=True)
class Contradiction:
    """Two parts of one file that cannot both hold."""

    at: tuple[str | int, ...]
    message: str
    mend: str


def contradictions(environment: Environment) -> Iterator[Contradiction]:
    """Everything in an environment whose parts are each possible and that cannot hold together."""
    yield from _claimed_twice(environment)
    for name, service in environment.services.items():
        yield from _names_nothing(environment, name, service)
    for name, database in environment.databases.items():
        yield from _quiesces_nothing(environment, name, database)
    yield from _verifies_nothing(environment)
    yield from _elsewhere(environment)


def _claimed_twice(environment: Environment) -> Iterator[Contradiction]:
    owners: dict[tuple[str, str], str] = {}
    for name, service in environment.services.items():
        owner = owners.setdefault((service.cluster, service.service), name)
        if owner != name:
            message = f"claims the service that services.{owner} claims already"
            yield Contradiction(("services", name, "service"), message, "keep one of the two entries")
    secrets: dict[str, str] = {}
    for name, database in environment.databases.items():
        owner = secrets.setdefault(database.secret, name)
        if owner != name:
            message = f"claims the secret that databases.{owner} claims already"
            yield Contradiction(("databases", name, "secret"), message, "keep one of the two entries")
    yield from _made_twice(environment)
    states: dict[tuple[str, str, str], str] = {}
    for name, pinned in environment.infrastructure.items():
        # With other targets it is the same state all the same: two pins would undo each other.
        owner = states.setdefault(pinned.state, name)
        if owner != name:
            message = f"runs the state that infrastructure.{owner} runs already"
            mend = "keep one of the two, or give one another directory or workspace"
            yield Contradiction(("infrastructure", name, "commit"), message, mend)


def _made_twice(environment: Environment) -> Iterator[Contradiction]:
    instances: dict[str, str] = {}
    records: dict[str, str] = {}
    for name, database in environment.databases.items():
        if restore := database.restore:
            owner = instances.setdefault(restore.instance, name)
            if owner != name:
                message = f"restores the instance that databases.{owner} restores already"
                yield Contradiction(("databases", name, "restore", "instance"), message, "write another name")
        if dns := database.dns:
            owner = records.setdefault(dns.record, name)
            if owner != name:
                message = f"claims the record that databases.{owner} claims already"
                yield Contradiction(("databases", name, "dns", "record"), message, "keep one of the two")


def _names_nothing(environment: Environment, name: str, service: Service) -> Iterator[Contradiction]:
    at = ("services", name)
    yield from _references((*at, "databases"), service.databases, "database", "databases", environment.databases)
    yield from _references(
        (*at, "needs"), service.needs, "infrastructure", "infrastructure", environment.infrastructure
    )


def _references(
    at: tuple[str, ...], written: Iterable[str], noun: str, section: str, there: Collection[str]
) -> Iterator[Contradiction]:
    """Names of a list that are no key of the section that they are meant to be in, or that stand there twice."""
    known = ", ".join(list(there)[:10]) or "none yet"
    seen: set[str] = set()
    for position, each in enumerate(written):
        if each not in there:
            mend = f"write one of those under {section} ({known}), or add it there"
            yield Contradiction((*at, position), f"there is no {noun} {shown(each)} in this file", mend)
        elif each in seen:
            yield Contradiction((*at, position), f"names {each} twice", "remove one of the two")
        seen.add(each)


def _quiesces_nothing(environment: Environment, name: str, database: Database) -> Iterator[Contradiction]:
    known = ", ".join(list(environment.services)[:10]) or "none yet"
    for position, service in enumerate(database.quiesce):
        at = ("databases", name, "quiesce", position)
        if service not in environment.services:
            message = f"there is no service {shown(service)} in this file"
            yield Contradiction(at, message, f"write one of those under services ({known}), or add it there")
        elif service in database.quiesce[:position]:
            yield Contradiction(at, f"names {service} twice", "remove one of the two")
        elif name not in environment.services[service].databases:
            message = f"{service} does not use {name}: its tasks would come back with the old database"
            yield Contradiction(at, message, f"add {name} to services.{service}.databases")


def _verifies_nothing(environment: Environment) -> Iterator[Contradiction]:
    verify = environment.verify
    if verify is not None and verify.database is not None:
        named = (verify.database,)
        for found in _references(("verify", "database"), named, "database", "databases", environment.databases):
            yield Contradiction(found.at[:-1], found.message, found.mend)
    if environment.on_failure is OnFailure.REVERT and verify is None:
        yield Contradiction(("on_failure",), "there is nothing to verify", "add verify, or remove on_failure")


def _elsewhere(environment: Environment) -> Iterator[Contradiction]:
    aws = environment.aws
    role = aws.role_arn.split(":")[4] if aws.role_arn else None
    if aws.account and role not in (None, aws.account):
        message = f"is a role of the account {role}, and aws.account is {aws.account}"
        yield Contradiction(("aws", "role_arn"), message, "mend one of the two")
    listener = environment.maintenance.listener_arn if environment.maintenance else None
    if listener is None:
        return
    region, account = listener.split(":")[3:5]
    at = ("maintenance", "listener_arn")
    if region != aws.region:
        message = f"is a listener in {region}, and this environment is in {aws.region}"
        yield Contradiction(at, message, "write the ARN of a listener of this environment")
    if aws.account not in (None, account):
        message = f"is a listener of the account {account}, and this environment is in {aws.account}"
        yield Contradiction(at, message, "write the ARN of a listener of this environment")
