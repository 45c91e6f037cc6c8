"""Ask a running daemon for what it knows: over loopback or https, with limits on size and time, and no redirects."""

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import urllib3

from daemon import settings
from daemon.plain import one_line
from daemon.sources import Misused, from_files
from daemon.verbs import seen
from daemon.verbs.seen import Seen
from desired_state.history import work_tree_versions
from desired_state.repository import repository_of

STATUS: Final = "/api/v1/status"
_LARGEST: Final = 64 * 1024 * 1024  # bytes; the status of 1,000 services with all of them drifted is 2 MB
_PIECE: Final = 256 * 1024
_CONNECT: Final = 3.0  # seconds
_WHOLE: Final = 10.0  # seconds for one answer, however slowly it comes
_LOOKED_AT: Final = 50  # commits of a bad file that are looked through for a good one
_HOW: Final = (
    "start it with trueup run, name its address with --daemon, or lead its port here: "
    "kubectl port-forward service/trueup 8080"
)


class Unreached(Misused):
    """No daemon answered, or what answered is none. Trying again may help; the message says what else does."""


@dataclass(frozen=True)
class Answer:
    """What a page of the daemon holds, and when it was told by the daemon's own clock."""

    document: Any
    at: datetime


def arguments(parser: argparse.ArgumentParser) -> None:
    """`--daemon`."""
    settings.add(parser, settings.CLIENT)


def status(address: str) -> Seen:
    """The daemon's status. Unreached: it does not answer."""
    return status_of(address, get(address, STATUS))


def status_of(address: str, answer: Answer) -> Seen:
    """The status that a page holds. Unreached: it holds none."""
    try:
        return seen.read(answer.document, answer.at)
    except seen.NoStatus as error:
        raise Unreached(f"what {address} answered is no status: that is no trueup daemon; {_HOW}") from error


def get(address: str, path: str, query: Mapping[str, str] | None = None) -> Answer:
    """One page of a daemon, which must be JSON. Unreached: no answer that can be used, and what to do about it."""
    url = f"{address}{path}" + (f"?{urlencode(query)}" if query else "")
    end = time.monotonic() + _WHOLE
    timeout = urllib3.Timeout(connect=_CONNECT, read=_WHOLE)
    try:
        with urllib3.PoolManager(retries=False, timeout=timeout) as pool:
            told = pool.request("GET", url, redirect=False, preload_content=False, headers={"Accept": "*/*"})
            if told.status != 200:
                raise Unreached(f"{address} answered with {told.status}: that is no trueup daemon; {_HOW}")
            return Answer(json.loads(_body(address, told, end)), _date(told.headers.get("Date", "")))
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Unreached(f"no daemon answers at {address} ({_why(error)}); {_HOW}") from error
    except (ValueError, RecursionError) as error:
        raise Unreached(f"what {address} answered is no JSON: that is no trueup daemon; {_HOW}") from error


def name_of(word: str, address: str = "") -> str:
    """The environment that a verb's word means: that of a file, or the word itself.

    A bad file is that of the environment that a daemon at `address` has from it; else of its last good commit.
    Misused: neither knows it.
    """
    if not Path(word).is_file():
        if word.endswith((".yaml", ".yml")):
            raise Misused(f"there is no file {one_line(word, 200)}; name the environment, or its file")
        return word
    standings, problems = from_files([Path(word)])
    if standings:
        return standings[0].environment.environment
    name = (_known_by(address, Path(word)) if address else "") or _committed(Path(word))
    if not name:
        raise Misused(f"{problems[0]}; mend the file, or name the environment itself")
    return name


def _known_by(address: str, file: Path) -> str:
    """The environment that a daemon has from this file of its repository; empty where that is not known."""
    top = repository_of(file)
    if not top:
        return ""
    try:
        path = file.resolve().relative_to(Path(top).resolve())
        found = [each.name for each in status(address).environments if each.file == path.as_posix()]
    except (Unreached, ValueError):
        return ""
    return found[0] if len(found) == 1 else ""


def _committed(file: Path) -> str:
    """What the file called its environment when it was good; empty where no commit says it."""
    versions = (each.environment for each in work_tree_versions(file, _LOOKED_AT))
    return next((each.environment for each in versions if each), "")


def _body(address: str, told: urllib3.BaseHTTPResponse, end: float) -> bytes:
    """Piece by piece: a time-out of urllib3 is for each piece alone."""
    pieces, size = [], 0
    while piece := told.read1(_PIECE, decode_content=False):
        pieces.append(piece)
        size += len(piece)
        if size > _LARGEST or time.monotonic() > end:
            told.close()
            what = "more than 64 MiB" if size > _LARGEST else f"not within {_WHOLE:g} seconds"
            raise Unreached(f"{address} answered with {what}: that is no trueup daemon; {_HOW}")
    return b"".join(pieces)


def _why(error: Exception) -> str:
    """The cause below urllib3's own words, without objects and addresses in memory."""
    while cause := error.__cause__ or error.__context__:
        if not isinstance(cause, Exception):
            break
        error = cause
    return one_line(getattr(error, "strerror", None) or f"{error}" or type(error).__name__, 200)


def _date(text: str) -> datetime:
    """The daemon's clock, by which its instants are told. Without one, our own."""
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return datetime.now(UTC)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
