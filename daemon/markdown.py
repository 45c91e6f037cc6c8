"""Text that may be hostile, inside Markdown: it stands in code, and can leave it nowhere."""

import re

from daemon.plain import one_line


def code(text: str, longest: int = 1000) -> str:
    """A span of code, whatever is in the text."""
    line = one_line(text, longest)
    ticks = fence(line, shortest=1)
    space = " " if "`" in line else ""
    return f"{ticks}{space}{line}{space}{ticks}" if line.strip() else ""


def cell(text: str, longest: int = 1000) -> str:
    """The same inside a table, where a pipe would end the cell even in code."""
    return code(text.replace("|", "¦"), longest)


def fence(text: str, shortest: int) -> str:
    """As many backticks as nothing in the text can close."""
    return "`" * max(shortest, max(map(len, re.findall("`+", text)), default=0) + 1)
