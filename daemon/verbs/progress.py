"""How far something long has come, on stderr: a bar at a terminal, a line each tenth where it is piped."""

import sys
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

_COLUMNS: Final = (TextColumn("{task.description}"), BarColumn(bar_width=20), DownloadColumn(), TimeElapsedColumn())


class Progress:
    """Bytes done of a total. It is over with the `with` that it stands in."""

    def __init__(self, doing: str, total: int) -> None:
        self._doing, self._total, self._tenths = doing, total, 0
        console = Console(stderr=True, highlight=False)
        self._bar = Bar(*_COLUMNS, console=console) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._bar:
            self._task = self._bar.add_task(self._doing, total=self._total)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def at(self, done: int) -> None:
        """So many bytes are done."""
        if self._bar:
            self._bar.update(self._task, completed=done)
            return
        tenths = min(10, 10 * done // max(1, self._total))
        if tenths > self._tenths:
            self._tenths = tenths
            say(f"{self._doing}: {10 * tenths} % of {decimal(self._total)}")

    def then(self, doing: str) -> None:
        """All bytes are done, and this goes on for a time that is not known."""
        self.at(self._total)
        if self._bar:
            self._bar.update(self._task, description=doing, total=None)
        else:
            say(doing)


def say(text: str) -> None:
    """One line to stderr."""
    print(f"trueup: {text}", file=sys.stderr, flush=True)  # noqa: T201 — the command line's own voice
