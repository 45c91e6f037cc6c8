"""What is known of the versions that can be gone back to: the last look, and the last verdict with its age. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daemon.plain import one_line
from desired_state.history import Version
from reconcilers.readiness import Finding, Verdict, Weight, confirmed

Json = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """One version that can be gone back to, and whether that would work."""

    back: int  # how many versions before the present one, from 1 on
    commit: str
    ready: bool | None = None  # the last verdict that could be told; None: there never was one
    told: datetime | None = None  # when it was (UTC, local clock)
    looked: datetime | None = None  # when it was looked at last
    findings: tuple[Finding, ...] = ()  # of the last look


@dataclass(frozen=True)
class Look:
    """What a check of an environment came to."""

    verdicts: tuple[Verdict, ...] = ()  # as AWS answered
    known: tuple[Known, ...] = ()  # what counts of it

    @property
    def doubtful(self) -> bool:
        """Whether something was said to be missing for the first time: a second look decides."""
        told = {(each.commit, finding) for each in self.known for finding in each.findings}
        return any((each.commit, finding) not in told for each in self.verdicts for finding in each.missing)


def looked(before: Look, versions: Sequence[Version], verdicts: Sequence[Verdict], now: datetime) -> Look:
    """The next look after `before`. A verdict that could not be told leaves the one before it, with its age."""
    answered = {each.commit: each for each in before.verdicts}
    former = {each.commit: each for each in before.known}
    found = {each.commit: confirmed(each, answered.get(each.commit)) for each in verdicts}
    known = []
    for back, version in enumerate(versions, start=1):
        commit = version.commit.oid
        verdict = found.get(commit, Verdict(commit))
        last = former.get(commit, Known(back, commit))
        ready, told = (last.ready, last.told) if verdict.ready is None else (verdict.ready, now)
        known.append(Known(back, commit, ready, told, now, verdict.findings))
    return Look(tuple(verdicts), tuple(known))


def shown(known: Known) -> Json:
    """For the status page and `trueup history`."""
    return {
        "commits_back": known.back,
        "commit": known.commit,
        "ready": known.ready,
        "told": _instant(known.told),
        "looked": _instant(known.looked),
        "findings": list(_findings(known, Weight.MISSING, Weight.UNREAD)),
        "unchecked": list(_findings(known, Weight.UNCHECKED)),
    }


def _findings(known: Known, *weights: Weight) -> Iterator[Json]:
    for each in known.findings:
        if each.weight in weights:
            missing = each.weight is Weight.MISSING
            yield {"entry": each.entry, "message": one_line(each.message), "missing": missing}


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
