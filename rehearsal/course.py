"""The course of a thing: what it was, what it is, and what it will be as far as that is decided."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Course(Generic[T]):
    """States, each since its instant. None: it is not there."""

    def __init__(self) -> None:
        self._states: list[tuple[float, T | None]] = []  # oldest first

    def at(self, instant: float) -> T | None:
        """The state at an instant, also one of the past."""
        return next((state for since, state in reversed(self._states) if since <= instant), None)

    def put(self, instant: float, *steps: tuple[float, T | None]) -> None:
        """From an instant on it takes these states, each so many seconds later. What was decided before is void."""
        self._states = [each for each in self._states if each[0] <= instant]
        self._states += [(instant + later, state) for later, state in steps]

    def amend(self, instant: float, change: Callable[[T], T]) -> None:
        """Change what it is at an instant, and everything that it is still to be."""
        present, coming = self.at(instant), [each for each in self._states if each[0] > instant]
        self.put(instant, (0.0, present and change(present)))
        self._states += [(since, state and change(state)) for since, state in coming]

    def since(self, fits: Callable[[T], bool]) -> float | None:
        """Since when it first is like this; an instant to come where it is only going to be."""
        return next((since for since, state in self.known() if fits(state)), None)

    def known(self) -> Iterator[tuple[float, T]]:
        """Every state, oldest first, and since when."""
        return ((since, state) for since, state in self._states if state is not None)
