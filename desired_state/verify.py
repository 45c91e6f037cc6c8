"""How the desired-state file says that production is healthy, and what follows when it is not."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from desired_state.times import Duration
from desired_state.values import Part, shown, wrong
from desired_state.words import EntryName, LoadBalancerName

_LONGEST_URL: Final = 2048
_LABEL: Final = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST: Final = rf"(?=.{{1,254}}$){_LABEL}(?:\.{_LABEL})*\.?"
_LONGEST_TEXT: Final = 1024
_MOST_URLS: Final = 20
_MOST_ALARMS: Final = 100  # DescribeAlarms takes no more names at once
_LONGEST_LOOK_BACK: Final = timedelta(hours=1)
_SLOWEST: Final = timedelta(seconds=60)
_METADATA: Final = tuple(ipaddress.ip_network(each) for each in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32"))
_CARRIERS: Final = tuple(ipaddress.IPv6Network(each) for each in ("::/96", "::ffff:0:0/96", "64:ff9b::/96"))


class OnFailure(StrEnum):
    """What follows when a commit that changed something does not pass its checks."""

    HOLD = "hold"
    REVERT = "revert"


def _check_url(text: str) -> str:
    # The text is never shown: somebody may have written a password or a token into it.
    if len(text) > _LONGEST_URL or not re.fullmatch("[!-~]+", text):
        raise wrong("is not a URL", "write it in full, with %20 for a space")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise wrong("is not a URL", "write it in full, such as https://api.example.com/health") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise wrong("is not an http URL", "write it in full, such as https://api.example.com/health")
    if parts.username is not None or parts.password is not None:
        raise wrong("holds a user name or a password", "take it out: no secret may stand in the file")
    _check_host(host, in_brackets="[" in parts.netloc)
    if parts.fragment:
        raise wrong("has a part behind #, which no server receives", "remove it")
    return text


def _check_host(host: str, *, in_brackets: bool) -> None:
    if is_metadata(host):
        raise wrong("leads to the metadata service of the machine", "write the address of the service")
    # 2852039166, 0xa9fea9fe and 0251.0376.0251.0376 are addresses too to the resolver, and no reviewer can read them.
    is_odd = re.fullmatch("[0-9]+|0x[0-9a-f]*", host.rstrip(".").rpartition(".")[2]) and not _is_address(host)
    is_name = not in_brackets and re.fullmatch(_HOST, host)
    if is_odd or not (is_name or _is_address(host)):
        raise wrong("has a host that is neither a name nor an address", "write a name, or an address such as 10.0.0.7")


def _is_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version in (4, 6)
    except ValueError:
        return False


def is_metadata(host: str) -> bool:
    """Whether an address is link-local or of a metadata service: never asked, whatever leads there.

    An IPv6 address that carries an IPv4 one counts as that. A name does not lead anywhere yet: what it resolves to is
    asked about once it is connected to.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0].rstrip("."))
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        carried = any(address in network for network in _CARRIERS)
        address = address.sixtofour or (ipaddress.IPv4Address(address.packed[-4:]) if carried else address)
    return any(address in network for network in _METADATA if network.version == address.version)


def _check_text(text: str) -> str:
    if not text or len(text) > _LONGEST_TEXT:
        raise wrong(f"must have 1 to {_LONGEST_TEXT} characters", "write a part of the page that is always there")
    return text


def _check_within(duration: timedelta) -> timedelta:
    if duration > _SLOWEST:
        raise wrong("is too long for one answer", "write one up to 60s")
    return duration


def _check_over(duration: timedelta) -> timedelta:
    if duration > _LONGEST_LOOK_BACK:
        raise wrong("is too long", "write one up to 1h")
    return duration


def _check_alarm(name: str) -> str:
    if not 0 < len(name) <= 255 or not name.isprintable():
        raise wrong(f"{shown(name)} is not the name of an alarm", "write it as CloudWatch shows it, not its ARN")
    if name.startswith("arn:"):
        raise wrong("takes a name, not an ARN", f"write the last part of the ARN, {shown(name.split(':')[-1])}")
    return name


def _check_group(name: str) -> str:
    if not re.fullmatch("[A-Za-z0-9_/.#-]{1,512}", name):
        raise wrong(f"{shown(name)} is not the name of a log group", "write it as CloudWatch shows it")
    return name


def _check_alarms(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) > _MOST_ALARMS:
        raise wrong(f"names {len(names)} alarms, more than {_MOST_ALARMS}", "name a composite alarm instead")
    if len(set(names)) < len(names):
        raise wrong("names an alarm twice", "remove one of the two")
    return names


def _check_urls(checks: tuple[HttpCheck, ...]) -> tuple[HttpCheck, ...]:
    if len(checks) > _MOST_URLS:
        raise wrong(f"has {len(checks)} URLs, more than {_MOST_URLS}", "keep those that tell whether users are served")
    if len({check.url for check in checks}) < len(checks):
        raise wrong("asks one URL twice", "remove one of the two")
    return checks


Url = Annotated[
    str, AfterValidator(_check_url), WithJsonSchema({"type": "string", "format": "uri", "pattern": "^https?://"})
]
HttpStatus = Annotated[int, Field(ge=100, le=599)]


class HttpCheck(Part):
    """A URL that must answer."""

    url: Url
    """The URL, asked with GET. A redirect is followed on its own host only."""
    status: HttpStatus = 200
    """The status that the answer must have."""
    contains: Annotated[str, AfterValidator(_check_text)] | None = None
    """Text that must be in the first 64 KiB of the answer."""
    within: Annotated[Duration, AfterValidator(_check_within)] = Field(
        default=timedelta(seconds=5), json_schema_extra={"default": "5s"}
    )
    """How long the whole answer may take."""


class TargetHealth(Part):
    """Targets that must be healthy."""

    load_balancer: LoadBalancerName | None = None
    """The load balancer, all of whose target groups are meant; or name one by target_group."""
    target_group: LoadBalancerName | None = None
    """The target group; or name the load balancer by load_balancer."""
    min_healthy_percent: Annotated[int, Field(ge=1, le=100)] = 100
    """How many of a group's targets must be healthy. Those that are draining do not count."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.load_balancer is None) == (self.target_group is None):
            raise wrong("must say in exactly one way which targets are meant", "write load_balancer or target_group")
        return self


class LogCheck(Part):
    """A log group in which a pattern must not be found more often than this."""

    group: Annotated[str, AfterValidator(_check_group)]
    """The log group."""
    pattern: Annotated[str, AfterValidator(_check_text)]
    """A CloudWatch Logs filter pattern, such as "?ERROR ?FATAL"."""
    at_most: Annotated[int, Field(ge=0, le=1000)] = 0
    """How many events may match."""
    over: Annotated[Duration, AfterValidator(_check_over)] = Field(
        default=timedelta(minutes=5), json_schema_extra={"default": "5m"}
    )
    """How far to look back; never further than to the end of the last rollout."""


class Verify(Part):
    """When a commit counts as in sync: AWS has settled, and all of this has held for a while."""

    http: Annotated[tuple[HttpCheck, ...], AfterValidator(_check_urls)] = ()
    """URLs that must answer."""
    target_group_healthy: TargetHealth | None = None
    """Targets of a load balancer that must be healthy."""
    alarms: Annotated[tuple[Annotated[str, AfterValidator(_check_alarm)], ...], AfterValidator(_check_alarms)] = ()
    """CloudWatch alarms that must not be in ALARM."""
    logs: LogCheck | None = None
    """What must not stand in a log."""
    running_tasks: bool = False
    """Whether every service of this file must run exactly as many tasks as it desires."""
    database: EntryName | None = None
    """The database of this file that must take a login with the credentials of its secret."""
    for_: Duration | None = Field(default=None, alias="for", description="How long all of it must hold after a change.")


class Limits(Part):
    """How much may change without a person."""

    changes_per_pass: Annotated[int, Field(ge=1, le=10000)]
    """How many entries may change at once; where more differ, all of them wait for a person."""
