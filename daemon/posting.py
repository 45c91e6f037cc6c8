"""One message to one URL, through apprise, which knows how Slack and a hundred others want to be told."""

import logging
import re
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from daemon.notice_text import Notice
from desired_state.model import Event

LONGEST: Final = 10.0
"""Seconds after which nobody waits for an answer any more."""
_LOOKS: Final = {Event.STALLED: "failure", Event.DRIFTED: "warning", Event.REVERTED: "warning"}


class Unusable(Exception):
    """The URL is none that can be told anything. The message never holds it."""


def post(url: str, notice: Notice) -> str:
    """Tell it, once, in the time that it may take. Returns why it was not heard; empty: it was.

    Unusable: nothing was sent, and trying again changes nothing.
    """
    apprise, asset = _library()
    try:
        target = apprise.Apprise.instantiate(_addressed(url, notice), asset=asset)
    except Exception:  # noqa: BLE001 — whatever a service makes of its URL, the URL must not be shown
        target = None
    if target is None:
        raise Unusable("is no URL that can be told anything")
    service = apprise.Apprise(asset=asset)
    service.add(target)
    done = service.notify(
        body=notice.body,
        title=notice.title,
        notify_type=_LOOKS.get(notice.event, "success"),
        body_format=apprise.NotifyFormat.TEXT,
        timeout=LONGEST,
    )
    return "" if done else _why(entry.message for entry in done.logs())


def _addressed(url: str, notice: Notice) -> str | dict[str, Any]:
    """A URL of http that is of no service that apprise knows takes JSON: the message, and what it is about."""
    apprise, _ = _library()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Unusable("is no URL") from None
    if parts.scheme not in ("http", "https") or apprise.plugins.url_to_dict(url) is not None:
        return url
    if not parts.hostname:
        raise Unusable("is no URL")
    return {
        "schema": "jsons" if parts.scheme == "https" else "json",
        "host": f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname,
        "port": port,
        "fullpath": parts.path,
        "params": dict(parse_qsl(parts.query, keep_blank_values=True)),
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "payload": {"environment": notice.environment, "event": notice.event.value, "commit": notice.commit},
    }


def _why(said: Any) -> str:
    """Only the status of an answer is taken out of what apprise says, since the rest may hold the URL."""
    for message in said:
        if found := re.search(r"\berror=(\d{3})\b", message):
            return f"it answered {found[1]}"
    return "it did not answer in time, or not at all"


@cache
def _library() -> tuple[Any, Any]:
    """apprise, with its mouth shut: its log holds URLs. Loaded at the first message, for it takes its time."""
    log = logging.getLogger("apprise")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    log.setLevel(logging.WARNING)  # what it warns of is caught with the result, and not printed
    import apprise

    asset = apprise.AppriseAsset(
        app_id="trueup",
        app_desc="trueup",
        app_url="",
        image_url_mask="",  # nothing is loaded from elsewhere to be shown with a message
        http_redirects=False,
        storage_mode="memory",
        async_mode=False,
    )
    return apprise, asset
