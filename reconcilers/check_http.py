"""Whether a URL answers as the file says."""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from typing import Final

from desired_state.times import duration_text
from desired_state.verify import HttpCheck
from reconcilers import fetch
from reconcilers.checks import Check, Probe, numbered, unmade
from reconcilers.fetch import Page
from reconcilers.plain import one_line

_SHOWN: Final = 80  # characters of a page that is not as it should be
_PATIENCE: Final = 5.0  # seconds for a name server, which cannot be told how long it may take
_UNKNOWN_ISSUER: Final = (18, 19, 20, 21)  # of OpenSSL: who signed it is not known here


def urls(checks: Sequence[HttpCheck]) -> Iterator[Probe]:
    """A probe for each, with a name of its own: GET, with limits on time, size and redirects; see `fetch.get`."""
    for name, check in zip(numbered(map(_shown, checks)), checks, strict=True):
        yield _probe(name, check)


def _shown(check: HttpCheck) -> str:
    """What follows a question mark may be a token that somebody put there."""
    return f"http {check.url.partition('?')[0]}{'?…' if '?' in check.url else ''}"


def _probe(name: str, check: HttpCheck) -> Probe:
    within = check.within.total_seconds()
    return Probe(name, lambda: _asked(name, check, within), within + _PATIENCE)


def _asked(name: str, check: HttpCheck, within: float) -> Iterator[Check]:
    began = time.monotonic()
    try:
        page = fetch.get(check.url, within, check.status)
    except fetch.Refused as error:
        yield Check(name, None, f"{error}", stuck=True)
    except fetch.Forbidden as error:
        yield Check(name, ok=False, evidence=one_line(f"{error}", _SHOWN + 60))
    except TimeoutError:
        yield Check(name, ok=False, evidence=f"no whole answer within {duration_text(check.within)}")
    except (OSError, http.client.HTTPException) as error:
        yield _unanswered(name, error)
    else:
        yield _judged(name, check, page, time.monotonic() - began)


def _judged(name: str, check: HttpCheck, page: Page, seconds: float) -> Check:
    text = page.body.decode(errors="replace")
    shown = f": {one_line(text.strip(), _SHOWN)}" if text.strip() else ""
    if page.status != check.status:
        return Check(name, ok=False, evidence=f"answered {page.status}, not {check.status}, in {seconds:.2f} s{shown}")
    if check.contains is not None and check.contains.encode() not in page.body:
        what = one_line(check.contains, _SHOWN)
        return Check(name, ok=False, evidence=f"answered {page.status} in {seconds:.2f} s without {what!r}{shown}")
    return Check(name, ok=True, evidence=f"answered {page.status} in {seconds:.2f} s")


def _unanswered(name: str, error: Exception) -> Check:
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return unmade(name, "no name server answers this machine")
        return Check(name, ok=False, evidence="its name is not known")
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _UNKNOWN_ISSUER:
            mend = "set SSL_CERT_FILE to a file that holds its issuer"
            return Check(name, None, f"who signed its certificate is not known here: {mend}", stuck=True)
        return Check(name, ok=False, evidence=one_line(f"its certificate is not good: {error.verify_message}"))
    if fetch.is_own(error):
        return unmade(name, f"this machine cannot ask: {error.strerror if isinstance(error, OSError) else error}")
    if isinstance(error, ssl.SSLError):
        return Check(name, ok=False, evidence=f"no TLS: {error.reason or 'it does not speak it'}")
    if isinstance(error, OSError):
        said = error.strerror or f"{error}" or "the connection was lost"
        return Check(name, ok=False, evidence=one_line(f"no answer: {said}", _SHOWN + 60))
    said = one_line(f"{error}", _SHOWN) or "it ended the connection"
    return Check(name, ok=False, evidence=f"no answer in HTTP: {said}")
