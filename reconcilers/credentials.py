"""Who a database secret lets in, and to which database: read from its text. Pure.

No error here carries any part of the text: it names the key that is wrong, and never what stands there.
"""

import json
import re
from collections.abc import Iterator, Sized
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from reconcilers.contract import Stalled
from reconcilers.secret_text import addresses

# What secret_text has found to be one URL, taken apart.
_URL: Final = re.compile(
    r"\s*[^:]+://(?P<user>[^:/?#@]*)(?::(?P<password>[^/?#@]*))?@[^/?#]*(?:/(?P<database>[^?#\s]*))?"
    r"(?:\?(?P<query>[^#\s]*))?.*",
    re.DOTALL,
)
_KEYS: Final = {
    "user": ("username", "user"),
    "password": ("password",),
    "database": ("dbname", "database"),
    "sslmode": ("sslmode",),
}
_OVERRULING: Final = frozenset({"user", "password", "passfile", "dbname"})  # parameters that libpq prefers to the rest
_NO_TEXT: Final = re.compile(r"[\0\ud800-\udfff]")  # what no UTF-8 text of PostgreSQL can hold
_STRAY: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What it takes to log in to a database. Must not be kept or shown: only the password is left out of its repr."""

    user: str
    password: str = field(repr=False)
    host: str  # empty where the secret was emptied
    port: int | None
    database: str  # empty where the secret names none
    sslmode: str  # empty where the secret names none
    disputed: frozenset[str] = frozenset()  # host, port, database, sslmode: what its keys and its url disagree on


def credentials(text: str) -> Credentials:
    """What a secret's text says, percent-decoded: its keys first, then its key `url`, or the one URL that it is.

    Stalled: neither a JSON object nor one URL, or it names no user, no password, or two different ones.
    """
    found = addresses(text)  # whatever has no certain meaning is refused there
    claims = tuple(_claims(text))
    database, sslmode = _values(claims, "database"), _values(claims, "sslmode")
    hosts = dict.fromkeys(address.host.lower() for address in found)
    ports = dict.fromkeys(address.port for address in found if address.port is not None)
    several: dict[str, Sized] = {"host": hosts, "port": ports, "database": database, "sslmode": sslmode}
    return Credentials(
        user=_only(claims, "user"),
        password=_only(claims, "password"),
        host=found[0].host,
        port=next(iter(ports), None),
        database=next(iter(database), ""),
        sslmode=next(iter(sslmode), ""),
        disputed=frozenset(part for part, values in several.items() if len(values) > 1),
    )


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one place of the secret says of one part."""

    part: str
    place: str
    value: str = field(repr=False)


def _claims(text: str) -> Iterator[_Claim]:
    if not text.lstrip().startswith("{"):
        yield from _claims_of_url(text, "its text")
        return
    members = json.loads(text)
    for part, keys in _KEYS.items():
        for key in keys:
            if members.get(key) not in (None, ""):
                yield _Claim(part, f"its key {key}", _text(members[key], f"its key {key}"))
    if "url" in members:
        yield from _claims_of_url(members["url"], "its key url")


def _claims_of_url(url: str, place: str) -> Iterator[_Claim]:
    parts = _URL.fullmatch(url)
    if parts is None:
        raise Stalled(f"{place} is not one URL: store scheme://user:password@host:port/name there")
    for part in ("user", "password", "database"):
        if parts[part]:
            yield _Claim(part, place, _decoded(parts[part], place))
    for pair in re.split("[&;]", parts["query"] or ""):
        name, _, value = pair.partition("=")
        if unquote(name).lower() in _OVERRULING:
            raise Stalled(
                f"{place} is a URL with a parameter {unquote(name).lower()}: "
                "write user:password@host:port/name, and remove the parameter"
            )
        if unquote(name) == "sslmode" and value:
            yield _Claim("sslmode", place, _decoded(value, place))


def _decoded(written: str, place: str) -> str:
    if _STRAY.search(written):
        raise Stalled(f"{place} is a URL with a % that stands for nothing: write %25 for it")
    return _text(unquote(written, errors="surrogateescape"), place)


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise Stalled(f"{place} holds something else than a text: store a text there")
    if _NO_TEXT.search(value):
        raise Stalled(f"{place} holds what is no character: store it as UTF-8 text")
    return value


def _values(claims: tuple[_Claim, ...], part: str) -> dict[str, str]:
    """The different values of one part, each with the first place that says so, in the order of the places."""
    found: dict[str, str] = {}
    for claim in claims:
        if claim.part == part:
            found.setdefault(claim.value, claim.place)
    return found


def _only(claims: tuple[_Claim, ...], part: str) -> str:
    found = _values(claims, part)
    if len(found) > 1:
        raise Stalled(f"{' and '.join(found.values())} name two different {part}s: correct the one that is wrong")
    if not found:
        raise Stalled(f"it names no {part}: store it under a key {_KEYS[part][0]}, or in the URL")
    return next(iter(found))
