"""Where a file is that a verb changes: what the rest of the work needs to know of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from desired_state.in_force import Standing
from desired_state.model import Environment
from desired_state.parse import Problem


@dataclass(frozen=True)
class Made:
    """A commit."""

    commit: str
    branch: str
    """Where it is."""
    shown: str
    """The same for people, with the name of the repository."""
    pushed: bool
    is_new: bool
    """Whether the branch was made for it, so that it counts only once that is merged."""
    back: str = ""
    """The branch that was checked out before; empty where that is as it was."""
    aside: str = ""
    """How it comes to count where it is on a branch that is not followed; empty where it is on the one that is."""
    trouble: str = ""
    """Why it was not pushed though it should be, and how to go on; empty where all went well."""


class Place(Protocol):
    """A file in a person's work tree, or at the head of a branch."""

    @property
    def file(self) -> str:
        """As people know it."""

    @property
    def path(self) -> str:
        """The same without where it is."""

    @property
    def branch(self) -> str:
        """The branch that its commits go to."""

    @property
    def content(self) -> bytes:
        """What the file says now."""

    @property
    def counting(self) -> bytes:
        """What counts of it, and is edited: something else where it is bad now."""

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know before they say yes."""

    @property
    def left(self) -> str:
        """What is still to be done where the file says it all already; empty where there is nothing."""

    @property
    def is_alone(self) -> bool:
        """Whether what is left to push changes this file only."""

    def push_again(self) -> Made:
        """Push what is left. The trouble of it says why it was not taken."""

    def doing(self, branch: str) -> str:
        """What would be done, as a question without its mark. `branch`: a new one; empty for the one there is."""

    def supposing(self, environment: Environment) -> tuple[Standing, tuple[Problem, ...]]:
        """What would count if the file said this, and what is wrong with that."""

    def commit(self, content: bytes, message: str, branch: str) -> Made:
        """Commit and push. Misused: nothing was done; the message says why."""
