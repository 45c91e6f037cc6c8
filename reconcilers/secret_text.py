"""The host and the port inside a database secret's text: read, and rewritten with every other byte kept. Pure.

No error here carries any part of the text: it names the key that is wrong, and never what stands there.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final
from urllib.parse import unquote

from desired_state.model import Endpoint
from reconcilers.contract import Stalled

_BARE_HOST: Final = re.compile(r"[A-Za-z0-9_.-]*|[0-9A-Fa-f.]*(?::[0-9A-Fa-f.]*){2,}")
_URL: Final = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://(?P<authority>[^/?#]*)(?P<rest>\S*)\s*")
_AUTHORITY: Final = re.compile(r"[^@\s\\]*@(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]*)(?P<port>:[0-9]*)?")
_OVERRULING: Final = frozenset(
    {"host", "hostaddr", "port", "service"}
)  # parameters that libpq prefers to the authority
_SPACE: Final = re.compile(r"[ \t\r\n]*")
# What stands for one character of a JSON string: a surrogate pair, an escape or the character itself.
_CHARACTER: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]", re.DOTALL
)
_JSON: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Address:
    """What one place of a secret says of where its database is. No host (""): the place was emptied."""

    host: str
    port: int | None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host or "(no host)"
        return host if self.port is None else f"{host}:{self.port}"

    def is_at(self, endpoint: Endpoint) -> bool:
        """Whether this is the pinned endpoint. A pin without a port says nothing about the port."""
        return self.has_host(endpoint) and endpoint.port in (None, self.port)

    def has_host(self, endpoint: Endpoint) -> bool:
        """Whether this is the host of the pinned endpoint: DNS does not tell capitals from small letters."""
        return self.host.lower() == endpoint.host.lower()


def addresses(text: str) -> tuple[Address, ...]:
    """Every address in a secret: of its keys `host` and `port`, of its key `url`, or of the one URL that it is.

    Stalled: neither a JSON object with one of these keys nor one URL, or there is more than one way to read it.
    """
    return tuple(place.address for place in _places(text))


def readdressed(text: str, endpoint: Endpoint) -> str:
    """The text with this host, and with this port where one is pinned, in every place. Stalled: as for `addresses`."""
    edits: list[tuple[_Site, str]] = []
    for place in _places(text):
        if place.host and not place.address.has_host(endpoint):
            edits.append((place.host, endpoint.host))
        if place.port and endpoint.port not in (None, place.address.port):
            edits.append((place.port, str(endpoint.port)))
    done, written = 0, ""
    for site, value in sorted(edits, key=lambda edit: edit[0].start):
        written += text[done : site.start] + site.lead + value
        done = site.end
    return written + text[done:]


@dataclass(frozen=True, slots=True)
class _Site:
    """Where a host or a port stands. A missing port has an empty site; `lead` is written before it."""

    start: int
    end: int
    lead: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """An address and where it stands in the text."""

    address: Address
    host: _Site | None
    port: _Site | None


def _places(text: str) -> tuple[_Place, ...]:
    if text.lstrip().startswith("{"):
        return tuple(_places_of_object(text))
    return (_place_of_url(text, "its text"),)


def _place_of_url(url: str, what: str) -> _Place:
    whole = _URL.fullmatch(url)
    if whole is None:
        raise Stalled(f"{what} is not one URL: store scheme://user:password@host:port/name there")
    authority = _AUTHORITY.fullmatch(whole["authority"])
    if authority is None or "@" in whole["rest"]:
        raise Stalled(
            f"{what} is a URL whose host cannot be told for certain: write user:password@host:port before its path, "
            "with one host, and / ? # @ in the password as %2F %3F %23 %40"
        )
    if named := _overruling(whole["rest"]):
        raise Stalled(f"{what} is a URL with a parameter {named}, which overrules its host: remove the parameter")
    start, end = (whole.start("authority") + at for at in authority.span("host"))
    port = _Site(end + 1, whole.end("authority")) if authority["port"] else _Site(end, end, ":")
    address = Address(authority["host"].strip("[]"), _number((authority["port"] or "")[1:], what))
    return _Place(address, _Site(start, end), port)


def _overruling(rest: str) -> str:
    query = rest.partition("?")[2].partition("#")[0]
    names = (unquote(pair.partition("=")[0]).lower() for pair in re.split("[&;]", query))
    return next((name for name in names if name in _OVERRULING), "")


@dataclass(frozen=True, slots=True)
class _Member:
    """One member of a JSON object: the space before its key, and where its colon and its value stand."""

    key: str
    space: str
    colon: int
    start: int
    end: int
    value: Any


def _places_of_object(text: str) -> Iterator[_Place]:
    members = _members(text)
    host, port, url = members.get("host"), members.get("port"), members.get("url")
    in_url = _place_of_member(text, url) if url else None
    if host:
        if not isinstance(host.value, str) or not _BARE_HOST.fullmatch(host.value):
            raise Stalled("its key host holds something else than the name of one host: store the bare name there")
        missing = _Site(host.end, host.end, f',{host.space}"port"{text[host.colon : host.start]}')
        address = Address(host.value, _port(port) if port else None)
        yield _Place(address, _Site(host.start + 1, host.end - 1), _inside(port) if port else missing)
    elif in_url and port:
        yield _Place(Address(in_url.address.host, _port(port)), None, _inside(port))
    if in_url:
        yield in_url
    elif not host:
        raise Stalled("it has neither a key host nor a key url: store the host under one of them")


def _place_of_member(text: str, member: _Member) -> _Place:
    if not isinstance(member.value, str):
        raise Stalled("its key url holds something else than a text: store scheme://user:password@host:port/name there")
    place = _place_of_url(member.value, "its key url")
    characters = _CHARACTER.findall(text[member.start + 1 : member.end - 1])
    offsets = list(accumulate(map(len, characters), initial=member.start + 1))
    host, port = (
        _Site(offsets[site.start], offsets[site.end], site.lead) if site else None for site in (place.host, place.port)
    )
    return _Place(place.address, host, port)


def _port(member: _Member) -> int | None:
    if type(member.value) is int or isinstance(member.value, str):
        return _number(str(member.value), "its key port")
    raise Stalled("its key port holds something else than a number: store the port there")


def _inside(member: _Member) -> _Site:
    quotes = isinstance(member.value, str)
    return _Site(member.start + quotes, member.end - quotes)


def _number(digits: str, what: str) -> int | None:
    if not digits:
        return None
    if not re.fullmatch("[0-9]{1,5}", digits) or not 0 < int(digits) < 65536:
        raise Stalled(f"{what} has a port that is not a number from 1 to 65535: store the port there")
    return int(digits)


def _members(text: str) -> dict[str, _Member]:
    try:
        members = tuple(_scan(text))
    except (ValueError, RecursionError):
        members = ()  # raised below: raised here, the error would carry the text in its context
    if not members:
        raise Stalled("its text begins like a JSON object and is none, or an empty one: mend its JSON")
    found = {member.key: member for member in members}
    if len(found) < len(members):
        raise Stalled("it has one key twice: remove one of the two")
    return found


def _scan(text: str) -> Iterator[_Member]:
    """The members of the one JSON object that the text is. ValueError: it is no such object."""
    at, mark = _skip(text, 0), "{"
    while text[at : at + 1] == mark:
        key_at = _skip(text, at + 1)
        key, key_end = _JSON.raw_decode(text, key_at)
        colon = _skip(text, key_end)
        start = _skip(text, colon + 1)
        if not isinstance(key, str) or text[colon : colon + 1] != ":":
            raise ValueError
        value, end = _JSON.raw_decode(text, start)
        yield _Member(key, text[at + 1 : key_at], colon, start, end, value)
        at, mark = _skip(text, end), ","
    if text[at : at + 1] != "}" or _skip(text, at + 1) != len(text):
        raise ValueError


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at
