"""How a report says things: our own words, and quoted ones that came from elsewhere and may be hostile."""

from dataclasses import dataclass
from datetime import datetime

from daemon.markdown import code
from daemon.plain import one_line

_SHORT = 200  # characters of a quoted text in a line


@dataclass(frozen=True)
class Quoted:
    """Somebody else's text: in Markdown it stands in code."""

    text: str


Phrase = tuple[str | Quoted, ...]
"""Words in their order; a space goes where the words put one."""


def quoted(text: str, longest: int = _SHORT) -> Quoted:
    """A name, a subject or a reason, on one line and not endless."""
    return Quoted(one_line(text, longest))


def short(commit: str) -> Quoted:
    """A commit, as people write it."""
    return Quoted(one_line(commit, 60)[:8])


def in_markdown(phrase: Phrase) -> str:
    """The phrase for a Markdown document."""
    return "".join(code(each.text) if isinstance(each, Quoted) else each for each in phrase)


def in_text(phrase: Phrase) -> str:
    """The phrase for JSON."""
    return "".join(each.text if isinstance(each, Quoted) else each for each in phrase)


def when(at: datetime) -> str:
    """An instant for a line, in UTC, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S}"


def precisely(at: datetime) -> str:
    """The same to the millisecond, without the day."""
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"


def lasted(seconds: float) -> str:
    """A length of time: 0.8 s, 42.0 s, 4 min 12 s, 2 h 5 min."""
    if seconds < 60:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 commit`, `no drift`, `3 commits`."""
    return f"{count or 'no'} {noun if count == 1 else plural or f'{noun}s'}"
