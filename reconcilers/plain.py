"""Text that came from elsewhere, made fit to be shown: no credentials in it, one line, and not endless."""

import re

_HIDDEN = "[redacted]"
# A net below the rule that no secret is ever put into a value that is shown: each replaces what is in group 1.
_CREDENTIALS = (
    re.compile(r"[a-z][a-z0-9+.-]{0,30}://([^\s/@]{1,500})@", re.IGNORECASE),  # https://user:password@host
    re.compile(r"\b((?:AKIA|ASIA)[A-Z0-9]{16})\b"),  # the id of an AWS access key
    re.compile(r"\b(gh[a-z]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{15,}|xox[a-z]-[\w-]{10,})"),
    re.compile(r"\b(eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"),  # a JSON web token
    re.compile(r"(?:bearer|basic)\s+([A-Za-z0-9._~+/=-]{12,})", re.IGNORECASE),
    re.compile(
        r"(?:password|passwd|secret_?access_?key|session_?token|security-token|x-amz-signature|api_?key)"
        r"[\"']?\s*[=:]\s*[\"']?([^\s\"',;&}]+)",
        re.IGNORECASE,
    ),
    re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))", re.DOTALL),
)


def redacted(text: str) -> str:
    """The text with whatever looks like a credential replaced."""
    for pattern in _CREDENTIALS:
        text = pattern.sub(_hide, text)
    return text


def one_line(text: str, longest: int = 1000) -> str:
    """The same as one line of at most so many characters, with nothing that moves a cursor or turns the writing."""
    text = redacted(" ".join(text.split()) if not text.isprintable() else text)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return text if len(text) <= longest else text[:longest] + "…"


def _hide(match: re.Match[str]) -> str:
    start, end = match.span(1)
    whole = match.group()
    offset = match.start()
    return whole[: start - offset] + _HIDDEN + whole[end - offset :]
