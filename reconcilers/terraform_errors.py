"""What can go wrong with terraform, as exceptions whose message is one sentence for a person."""

from pathlib import Path
from typing import Final

IMPORTS: Final = "trueup-imports.tf"
"""The file in which trueup writes the imports for terraform."""


class Failed(Exception):
    """Terraform did not do what it was asked; a later try may succeed. Every other error here is one, too."""


class Locked(Failed):
    """Somebody else holds the lock of the state. It is never taken away from them."""

    def __init__(self, *, id: str, who: str, operation: str, when: str) -> None:  # noqa: A002 - terraform's word
        self.id, self.who, self.operation, self.when = id, who, operation, when
        about = f"{f' for {operation}' if operation else ''}{f' since {when}' if when else ''}"
        super().__init__(
            f"the state is locked by {who or 'somebody'}{about} (lock {id or 'without an id'}): wait for that to end;"
            f" if it is dead, say terraform force-unlock {id}".rstrip()
        )


class Busy(Failed):
    """Another process on this machine runs terraform for the same entry, perhaps one that outlived a killed daemon."""


class Broken(Failed):
    """The configuration is wrong: only a new commit helps."""


class MissingWorkspace(Failed):
    """The workspace does not exist. None is ever created."""


class TimedOut(Failed):
    """Terraform did not end in time; it was asked to stop, and killed where it did not."""


class Interrupted(Failed):
    """Terraform was asked to stop, since the daemon ends; what it had done is in its state."""


class ProgramMissing(Failed):
    """There is no terraform and no tofu on this machine."""


class Stale(Failed):
    """The plan no longer is what was looked at: look again."""


class StateErrored(Failed):
    """Terraform changed things and could not save its state: nothing more is done until a person has saved it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"terraform could not save its state, which is kept in {path}:"
            " save it with terraform state push, then remove the file"
        )
