"""Whether a database takes a login with the credentials of its secret: a real connection, and one statement."""

import json
import re
import time
from collections.abc import Iterable
from typing import Any, Final

from botocore.exceptions import ClientError

from reconcilers.aws import Connection, code
from reconcilers.checks import Check, Probe, unmade
from reconcilers.contract import Absent, Stalled
from reconcilers.credentials import Credentials, credentials
from reconcilers.plain import one_line

_WITHIN: Final = 10.0  # seconds for the whole of it
_SHOWN: Final = 300
_PORT: Final = 5432
_OURS: Final = re.compile("root certificate|invalid sslmode|could not translate host name.*Temporary failure")
"""What libpq says of this machine, and not of the server."""


def database(secret: str, aws: Connection) -> Probe:
    """GetSecretValue, then `select 1` in PostgreSQL. Absent: no such secret. Stalled: another kind of database."""
    name = f"database of {secret}"

    def ask() -> Iterable[Check]:
        text = _text(secret, aws)
        if engine := _other_engine(text):
            raise Stalled(f"secret {secret} is of {engine}, and only PostgreSQL can be checked: take database out")
        login = credentials(text)
        if login.disputed or not login.host:
            what = f"two different ones of {', '.join(sorted(login.disputed))}" if login.disputed else "no host"
            raise Stalled(f"secret {secret} names {what}: correct it")
        return (_logged_in(name, login),)

    return Probe(name, ask, _WITHIN + 10.0)


def _text(secret: str, aws: Connection) -> str:
    try:
        told = aws.reading("secretsmanager").get_secret_value(SecretId=secret)
    except ClientError as error:
        if code(error) == "ResourceNotFoundException":
            raise Absent(f"there is no secret {secret}, or it has no value: create it") from error
        raise
    if "SecretString" not in told:
        raise Stalled(f"secret {secret} is binary: store it as a JSON object or as one URL")
    return told["SecretString"]


def _other_engine(text: str) -> str:
    """What the secret says that it is of, where that is not PostgreSQL; a word of it alone, never more of the text."""
    url, engine = text, ""
    if text.lstrip().startswith("{"):
        try:
            members: Any = json.loads(text)
        except ValueError:
            return ""  # what is wrong with it is told by whoever reads it next
        url, engine = f"{members.get('url', '')}", f"{members.get('engine', '')}"
    scheme = re.match(r"\s*([A-Za-z][A-Za-z0-9+.-]{0,30})://", url)
    for word in (engine[:30], scheme[1] if scheme else ""):
        if word and "postgres" not in word.lower():
            return one_line(word)
    return ""


def _logged_in(name: str, login: Credentials) -> Check:
    from reconcilers.libpq import NoLogin, select_one  # 10 MB that only those need who ask for this

    began = time.monotonic()
    where = f"{login.host}:{login.port or _PORT}"
    try:
        select_one(login, began + _WITHIN)
    except TimeoutError:
        return Check(name, ok=False, evidence=f"{where} did not answer within {_WITHIN:.0f} s")
    except NoLogin as error:
        said = one_line(f"{error}".replace(login.password, "[redacted]") if login.password else f"{error}", _SHOWN)
        if _OURS.search(said):
            return unmade(name, said)
        return Check(name, ok=False, evidence=f"no login to {where}: {said}")
    return Check(name, ok=True, evidence=f"login to {where} in {time.monotonic() - began:.2f} s")
