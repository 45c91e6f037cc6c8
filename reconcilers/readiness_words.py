"""What is said of a version that can be gone back to: whether it would work now, and what stands against it. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from reconcilers.aws import is_unsupported, sentence
from reconcilers.contract import Absent, NotNow, Stalled
from reconcilers.ecs_records import Incomplete
from reconcilers.secrets import Moved


class Weight(StrEnum):
    """What a finding means for the version."""

    MISSING = "missing"  # going back would not work
    UNREAD = "unread"  # whether it would work could not be told
    UNCHECKED = "unchecked"  # nobody looks at this: it counts for nothing, and is said


@dataclass(frozen=True)
class Finding:
    """One thing that stands against going back, or that is not known: why, and what to do."""

    entry: str  # as people say it: service api, database postgres, maintenance
    message: str
    weight: Weight = Weight.MISSING


@dataclass(frozen=True)
class Verdict:
    """What one look at a version came to."""

    commit: str
    findings: tuple[Finding, ...] = ()

    @property
    def ready(self) -> bool | None:
        """Whether going back would work now; None: it could not be told."""
        weights = {finding.weight for finding in self.findings}
        if Weight.MISSING in weights:
            return False
        return None if Weight.UNREAD in weights else True

    @property
    def missing(self) -> frozenset[Finding]:
        """What AWS says is not there, or cannot be."""
        return frozenset(finding for finding in self.findings if finding.weight is Weight.MISSING)


def confirmed(verdict: Verdict, before: Verdict | None) -> Verdict:
    """What counts of a look: an answer that something is missing is a fact once a second look agrees."""
    known = before.missing if before else frozenset()
    return replace(verdict, findings=tuple(each if each in known else _doubted(each) for each in verdict.findings))


def tried(
    entry: str, look: Callable[[], Iterable[Finding]], emulated: Callable[[], bool] = lambda: False
) -> tuple[Finding, ...]:
    """What a look finds, also where it fails. `emulated`: whether an API may be missing; not in AWS itself."""
    try:
        return tuple(look())
    except (Absent, Stalled) as error:
        return (Finding(entry, f"{error}"),)
    except (Incomplete, Moved, NotNow) as error:
        return (Finding(entry, f"{error}", Weight.UNREAD),)
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and is_unsupported(error) and emulated():
            return (Finding(entry, f"this endpoint knows no {error.operation_name}: not checked", Weight.UNCHECKED),)
        return (Finding(entry, sentence(error), Weight.UNREAD),)


def _doubted(finding: Finding) -> Finding:
    if finding.weight is not Weight.MISSING:
        return finding
    return replace(finding, message=f"{finding.message} (said once: looked at again in a moment)", weight=Weight.UNREAD)
