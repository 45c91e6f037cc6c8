"""The words of a first file: short names for its entries, scalars that YAML reads as they are meant, comments. Pure."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, takewhile
from typing import Final

from daemon.plain import one_line
from desired_state.yaml_scalars import plain

_WIDTH: Final = 79  # of a line with a comment, in characters
_LONGEST: Final = 63  # of the name of an entry
# What begins like a number has quotes, whether or not this YAML would read it as one: others do.
_SAFE: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+@=-]*(?::[A-Za-z0-9]+)?")
_SEPARATORS: Final = "[-_./+=@]"


def environment_name(cluster: str) -> str:
    """The name of an environment, from that of its cluster."""
    return _possible(re.sub("[-_]*cluster$", "", cluster)) or _possible(cluster) or "environment"


def entry_names(called: Mapping[str, str], around: Sequence[str], otherwise: str) -> dict[str, str]:
    """A short name for each key, unique among them: what it is called, without the words that one of `around` has too.

    `otherwise`: what to call one of whose name nothing can stand in a file.
    """
    found: dict[str, str] = {}
    for key, name in called.items():
        shortest = min((_without(name, other) for other in around), key=len, default=name)
        wanted = [each for each in (_possible(shortest), _possible(name)) if each] or [otherwise]
        taken = set(found.values())
        found[key] = next(each for each in _candidates(wanted) if each not in taken)
    return found


def scalar(text: str) -> str:
    """A text as YAML, with quotes where it would be read as something else without."""
    return text if _SAFE.fullmatch(text) and plain(text) == text else quoted(text)


def quoted(text: str) -> str:
    """A text as YAML, in double quotes."""
    return f'"{"".join(map(_escaped, text))}"'


def comment(text: str, indent: int = 0) -> list[str]:
    """The lines of a comment, folded at its words. Whatever the text is, nothing of it stands outside the comment."""
    start = " " * indent + "# "
    shown = one_line(text)
    return textwrap.wrap(
        shown, _WIDTH, initial_indent=start, subsequent_indent=start, break_long_words=False, break_on_hyphens=False
    )


def _without(name: str, other: str) -> str:
    """The name without the words at its start that the other one starts with, too; all of it where none is left."""
    mine, theirs = re.split(_SEPARATORS, name), re.split(_SEPARATORS, other)
    same = list(takewhile(lambda pair: pair[0] == pair[1], zip(mine, theirs, strict=False)))
    return name[sum(len(word) + 1 for word, _ in same) :] or name


def _possible(name: str) -> str:
    """What of a name can be the name of an entry; "" where nothing can."""
    return re.sub("[^A-Za-z0-9._-]", "-", name).strip("._-")[:_LONGEST].rstrip("._-")


def _candidates(wanted: list[str]) -> Iterator[str]:
    yield from wanted
    for number in count(2):
        yield f"{wanted[0][: _LONGEST - 6]}-{number}"


def _escaped(character: str) -> str:
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if character in short or character.isprintable():
        return short.get(character, character)
    return f"\\U{ord(character):08x}"
