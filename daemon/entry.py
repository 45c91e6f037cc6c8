"""One entry of a file, ready to be reconciled, and what it may know of the others."""

from collections.abc import Callable
from dataclasses import dataclass

from reconcilers.contract import Gate, Outcome
from reconcilers.ecs_service import ServicePin

Key = tuple[str, str]
"""The kind and the name of an entry."""
Others = Callable[[Key], Outcome | None]
"""What the last look at another entry of the same file came to; None: there was none yet."""
Run = Callable[[Gate, Others], Outcome]


@dataclass(frozen=True)
class Entry:
    """One entry of a file, ready to be reconciled."""

    kind: str
    name: str
    run: Run
    waits_for: tuple[str, ...] = ()  # the databases that must be settled first
    needs: tuple[str, ...] = ()  # the infrastructure that must be settled first
    depends_on: tuple[str, ...] = ()  # the databases whose move changes what it must be
    waits_for_services: bool = False  # leaving maintenance comes last of all
    named: bool = True  # False: the file says nothing of it, so it is shown only when there is something to say
    service: ServicePin | None = None  # what the batched reads of a pass need to know
    renew: Callable[[], None] = lambda: None  # a commit, or a person who asks again: what rests is tried at once

    @property
    def key(self) -> Key:
        """Its kind and its name."""
        return self.kind, self.name
