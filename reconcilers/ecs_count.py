"""How many tasks a service runs: the pinned count, autoscaling's band, and the way back from a shutdown. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconcilers.contract import Advice, Change, Drift
from reconcilers.ecs_records import TAG, Band

SHUTDOWN = "count-before-shutdown"  # a tag on the service; without its prefix
_KINDS = frozenset({"in", "out", "scheduled"})  # of scaling


@dataclass(frozen=True, kw_only=True)
class RememberTag(Change):
    """TagResource on the service: what the next change replaces, so that its revert finds the way back."""

    actions = ("ecs:TagResource",)

    key: str
    value: str
    before: str = ""  # what the tag says now

    @property
    def at_once(self) -> bool:
        return True

    @property
    def asks(self) -> tuple[str, ...]:
        return (*super().asks, self.key, self.before)


@dataclass(frozen=True, kw_only=True)
class ForgetTag(Change):
    """UntagResource on the service, once the way back has been gone."""

    actions = ("ecs:UntagResource",)

    key: str

    @property
    def follows(self) -> bool:
        return True

    @property
    def asks(self) -> tuple[str, ...]:
        return (*super().asks, self.key)


class SuspendScaling(Change):
    """RegisterScalableTarget with every kind of scaling suspended, so that nothing starts tasks again."""

    actions = ("application-autoscaling:RegisterScalableTarget",)

    @property
    def at_once(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class ResumeScaling(Change):
    """RegisterScalableTarget that resumes what the shutdown suspended, and nothing that a person had suspended."""

    actions = ("application-autoscaling:RegisterScalableTarget",)

    kinds: frozenset[str]  # of in, out, scheduled

    @property
    def follows(self) -> bool:
        return True


@dataclass(frozen=True)
class Shutdown:
    """What a shutdown replaced: the count, and which kinds of scaling were active."""

    count: int
    resume: frozenset[str]

    def __str__(self) -> str:
        return f"{self.count} resume:{'+'.join(sorted(self.resume))}" if self.resume else str(self.count)

    @classmethod
    def read(cls, text: str) -> "Shutdown | None":
        """From the tag's value; None where it is not one of ours."""
        match = re.fullmatch(r"(\d{1,5})(?: resume:([a-z+]+))?", text)
        return cls(int(match[1]), _KINDS & frozenset((match[2] or "").split("+"))) if match else None


@dataclass(frozen=True)
class Count:
    """The live count with all that decides about it."""

    live: int
    pinned: int | None
    band: Band | None = None  # None: no autoscaling, or nothing here needs to know
    replaced: Shutdown | None = None  # recorded by a shutdown that is not yet taken back

    def wanted(self) -> int | None:
        """The count to ask for now; None: leave it."""
        shutdown = self.replaced if self.live == 0 else None
        if self.pinned is None:
            return (shutdown.count or None) if shutdown else None
        # Autoscaling may move a count inside its band, but 0 after a shutdown is not its doing.
        left_alone = self.pinned > 0 and self._in_band(self.live) and shutdown is None
        return None if self.live == self.pinned or left_alone else self.pinned

    def blocked(self) -> str:
        """Why the pinned count cannot be enacted."""
        if not self.pinned or self.band is None or self._in_band(self.pinned):
            return ""
        return (
            f"desired_count {self.pinned} is outside what autoscaling allows ({self.band.minimum} to "
            f"{self.band.maximum}); pin a count inside it, change the scalable target, or leave it to autoscaling"
        )

    @property
    def idle(self) -> tuple[Advice, ...]:
        """That a pinned count has no effect, since autoscaling decides within its band."""
        if not self.pinned or self.band is None or self.live == self.pinned or self.wanted() is not None:
            return ()
        limits = f"{self.band.minimum} and {self.band.maximum}"
        message = f"desired_count {self.pinned} has no effect: autoscaling decides between {limits}"
        return (Advice("count_left_to_autoscaling", message),)

    @property
    def needs_a_band(self) -> bool:
        """Whether a scalable target that is there, but was not told, would have stopped what is asked for now."""
        resumes = self.pinned != 0 and self.replaced is not None and bool(self.replaced.resume)
        return resumes or (bool(self.pinned) and self.wanted() is not None)

    def drift(self) -> tuple[Drift, ...]:
        """The count as a field that differs."""
        wanted = self.wanted()
        return () if wanted is None else (Drift("desired_count", str(self.live), str(wanted)),)

    def first(self) -> Iterator[Change]:
        """What a shutdown does before it scales."""
        if self.pinned != 0:
            return
        active = self.band.active if self.band else frozenset()
        before = self.replaced or Shutdown(self.live, frozenset())
        after = Shutdown(before.count, before.resume | active)
        if (self.live or active) and after != self.replaced:
            yield RememberTag(key=TAG + SHUTDOWN, value=str(after), before=str(self.replaced or ""))
        if active:
            yield SuspendScaling(drifts=(Drift("autoscaling", "active", "suspended"),))

    def last(self) -> Iterator[Change]:
        """What the way back from a shutdown does after it has scaled."""
        if self.pinned == 0 or self.replaced is None:
            return
        kinds = self.replaced.resume - self.band.active if self.band else frozenset()
        if kinds:
            yield ResumeScaling(kinds=kinds, drifts=(Drift("autoscaling", "suspended", "active"),))
        yield ForgetTag(key=TAG + SHUTDOWN)

    def _in_band(self, count: int) -> bool:
        return self.band is not None and self.band.minimum <= count <= self.band.maximum
