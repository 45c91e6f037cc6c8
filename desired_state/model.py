"""The whole vocabulary of the desired-state file, as frozen values that check themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from desired_state.contradictions import contradictions
from desired_state.database import Backups, Database, Dns, Restore
from desired_state.endpoint import Endpoint
from desired_state.infrastructure import Apply, Infrastructure
from desired_state.notify import Event, Notify
from desired_state.revision import Revision, WrittenRevision
from desired_state.times import Duration, Instant
from desired_state.values import FROZEN, FrozenMap, Part, wrong
from desired_state.verify import HttpCheck, Limits, LogCheck, OnFailure, TargetHealth, Verify
from desired_state.windows import Window
from desired_state.words import (
    Account,
    EcsName,
    EntryName,
    ImageTag,
    ListenerArn,
    LoadBalancerName,
    Message,
    Region,
    RoleArn,
    StatusCode,
    VariableName,
    VariableValue,
)

__all__ = [
    "Apply",
    "Aws",
    "Backups",
    "Database",
    "Dns",
    "Endpoint",
    "Environment",
    "Event",
    "HttpCheck",
    "Infrastructure",
    "Limits",
    "LogCheck",
    "Maintenance",
    "Mode",
    "Notify",
    "OnFailure",
    "Restore",
    "Revision",
    "Service",
    "Strategy",
    "TargetHealth",
    "Verify",
    "Window",
]


class Mode(StrEnum):
    """How far trueup may go in an environment."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
    SUSPENDED = "suspended"


class Strategy(StrEnum):
    """How maintenance takes the traffic: by a rule of our own, or in place of the listener's default action."""

    RULE = "rule"
    DEFAULT_ACTION = "default_action"


class Aws(Part):
    """Which AWS the environment lives in."""

    region: Region
    """The AWS region of everything in this file."""
    account: Account | None = None
    """The AWS account, in quotes: trueup refuses to act when its credentials belong to another one."""
    role_arn: RoleArn | None = None
    """The role to assume for this environment."""


class Service(Part):
    """An ECS service, and what of it is pinned. Nothing pinned means: what ran before trueup pinned anything."""

    cluster: EcsName
    """The name of the ECS cluster."""
    service: EcsName
    """The name of the ECS service."""
    task_revision: WrittenRevision | None = None
    """The task definition's revision: 123, or "family:123". With image_tag or env it is the base they are laid over."""
    image_tag: ImageTag | None = None
    """The tag, or the sha256: digest, to run from the container's own repository."""
    container: EcsName | None = None
    """The container that image_tag and env apply to; needed only with several containers."""
    env: Annotated[Mapping[VariableName, VariableValue | None], *FROZEN] = Field(default=FrozenMap({}), repr=False)
    """Environment variables laid over those of the base revision; null means that the variable must be absent."""
    desired_count: Annotated[int, Field(ge=0, le=5000)] | None = None
    """How many tasks must run; 0 shuts the service down. Unset: never touched."""
    restarted_at: Instant | None = None
    """Every task must be newer than this instant."""
    databases: tuple[EntryName, ...] = ()
    """The databases of this file whose changed secret restarts the service."""
    needs: tuple[EntryName, ...] = ()
    """The infrastructure entries that must be settled first."""
    progress_deadline: Duration = Field(default=timedelta(minutes=15), json_schema_extra={"default": "15m"})
    """How long a rollout may take before it counts as stalled."""


class Maintenance(Part):
    """The page that a load balancer shows instead of the services while they are worked on."""

    enabled: bool
    """Whether the page is shown."""
    load_balancer: LoadBalancerName | None = None
    """The name of the load balancer; or name the listener itself by listener_arn."""
    listener_arn: ListenerArn | None = None
    """The ARN of the listener; or name the load balancer by load_balancer."""
    port: Annotated[int, Field(ge=1, le=65535)] = 443
    """The port of the load balancer's listener."""
    until: Instant | None = None
    """From this instant on, maintenance counts as forgotten. It is never ended by itself."""
    status_code: StatusCode = 503
    """The HTTP status of the page."""
    content_type: Literal["text/plain", "text/css", "text/html", "application/javascript", "application/json"] = (
        "text/plain"
    )
    """The media type of the page."""
    message: Message = "Service under maintenance. We'll be back soon!"
    """The content of the page, at most 1024 bytes."""
    strategy: Annotated[Strategy, Field(strict=False)] = Strategy.RULE
    """rule: a rule of our own before every other one. default_action: replace the listener's default action."""
    target_group: LoadBalancerName | None = None
    """The target group that default_action returns to."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.load_balancer is None) == (self.listener_arn is None):
            raise wrong(
                "must name its listener in exactly one way",
                "write either load_balancer (with port) or listener_arn",
            )
        if self.strategy is Strategy.DEFAULT_ACTION and self.target_group is None:
            raise wrong("default_action does not say what to return to", "add target_group")
        return self


def _read_version(value: object) -> object:
    # Not left to Literal: true equals 1 in Python.
    if type(value) is not int or value != 1:
        raise wrong("must be 1, the only version of this format that is known here", "write version: 1")
    return value


class Environment(Part):
    """One file: everything that one environment must be."""

    version: Annotated[Literal[1], BeforeValidator(_read_version)]
    """The version of this format."""
    environment: EntryName
    """The name of the environment, in metrics, logs and plans."""
    aws: Aws
    """Which AWS the environment lives in."""
    mode: Annotated[Mode, Field(strict=False)] = Mode.ENFORCE
    """enforce: repair drift. observe: report it and write nothing. suspended: do not even read."""
    infrastructure: Annotated[Mapping[EntryName, Infrastructure], *FROZEN] = FrozenMap({})
    """The Terraform configurations, each under a name of your own."""
    services: Annotated[Mapping[EntryName, Service], *FROZEN] = FrozenMap({})
    """The ECS services, each under a name of your own."""
    databases: Annotated[Mapping[EntryName, Database], *FROZEN] = FrozenMap({})
    """The databases, each under a name of your own."""
    maintenance: Maintenance | None = None
    """The maintenance page of the environment."""
    verify: Verify | None = None
    """What must hold before a commit counts as in sync."""
    on_failure: Annotated[OnFailure, Field(strict=False)] = OnFailure.HOLD
    """When it does not hold. hold: keep what runs, and say so. revert: push the services' former pins."""
    windows: Annotated[tuple[Window, ...], Field(max_length=20)] = ()
    """When changes may be made. Maintenance, a count of 0 and a rollback never wait. Unset: always."""
    limits: Limits | None = None
    """How much may change without a person."""
    emergency_until: Instant | None = None
    """Until this instant windows and limits do not count."""
    notify: Annotated[tuple[Notify, ...], Field(max_length=20)] = ()
    """Whom to tell when the condition of the environment changes."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        found = tuple(contradictions(self))
        if found:
            context: dict[str, Any] = {"message": found[0].message, "mend": found[0].mend, "contradictions": found}
            raise PydanticCustomError("contradictions", "{message}; {mend}", context)
        return self
