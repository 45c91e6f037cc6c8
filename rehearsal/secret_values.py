"""A secret and its versions: frozen values, and how a staging label moves among them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Version:
    """One version: what it holds (SecretString or SecretBinary) and since when."""

    id: str
    value: Mapping[str, Any] = field(repr=False)
    created: float
    stages: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Secret:
    """One secret; `about` holds Description, KmsKeyId and the like as they were sent."""

    arn: str
    name: str
    created: float
    changed: float
    about: Mapping[str, Any]
    tags: Mapping[str, str]
    versions: Mapping[str, Version]
    deleted: float | None = None

    def holder(self, stage: str) -> str | None:
        """The id of the version that carries a stage."""
        return next((each.id for each in self.versions.values() if stage in each.stages), None)


def with_version(
    secret: Secret, token: str, value: Mapping[str, Any], stages: list[str], now: float
) -> tuple[Secret, Version]:
    """The secret with one more version that takes these stages, and that version."""
    versions: Mapping[str, Version] = {**secret.versions, token: Version(token, value, now)}
    for stage in stages:
        versions = staged(versions, stage, token)
    return replace(secret, versions=versions, changed=now), versions[token]


def staged(versions: Mapping[str, Version], stage: str, target: str | None) -> Mapping[str, Version]:
    """The versions after a stage has moved; AWSPREVIOUS follows AWSCURRENT."""
    held = next((each.id for each in versions.values() if stage in each.stages), None)
    moved = {
        each.id: replace(each, stages=(each.stages - {stage}) | ({stage} if each.id == target else frozenset()))
        for each in versions.values()
    }
    if stage == "AWSCURRENT" and held and held != target:
        return staged(moved, "AWSPREVIOUS", held)
    return moved
