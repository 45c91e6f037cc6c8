"""A Terraform configuration pinned at a commit: terraform works aside, and a pass looks at what it has found."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from desired_state.model import Apply, Environment, Infrastructure
from desired_state.repository import Unreachable
from reconcilers.aws import Connection, sentence
from reconcilers.contract import Advice, Change, Drift, Observation, Reconciler, Stalled
from reconcilers.terraform import Check, Failed, PlannedChange
from reconcilers.terraform_backups import Backup
from reconcilers.terraform_owners import Contest, contests
from reconcilers.workshop import PERSON_NEEDED, Doing, Look, Order, Report, Workshop

_MOST_NAMED = 5  # addresses in one sentence
_MOST_FAILURES = 3  # applies in a row; one that fails again and again makes and destroys the same thing each time
_FORESEEN = (*PERSON_NEEDED, Failed, Unreachable, ClientError, BotoCoreError)
_OF_TARGETS = ("Resource targeting is in effect", "Applied changes may be incomplete")  # the file says so itself


@dataclass(frozen=True)
class InfrastructurePin:
    """An entry under `infrastructure`, and what must be known of its file."""

    name: str
    infrastructure: Infrastructure
    environment: Environment  # what else the file pins
    repository: str = field(repr=False)  # where the commit is; it may hold credentials

    @property
    def only_looks(self) -> bool:
        """Whether nothing may be written, not even the lock of the state."""
        return self.infrastructure.apply is Apply.NEVER or self.environment.mode != "enforce"


@dataclass(frozen=True, kw_only=True)
class LiveInfrastructure(Observation):
    """What terraform found last, and what it does now."""

    commit: str = ""
    check: Check | None = None
    doing: Doing | None = None
    since: datetime | None = None
    report: Report | None = None


@dataclass(frozen=True, kw_only=True)
class ApplyTerraform(Change):
    """terraform apply of the saved plan of one check.

    The state before it is kept; in a bucket by PutObject, and by DeleteObject for those that are too old.
    """

    actions: ClassVar[tuple[str, ...]] = ("s3:PutObject", "s3:DeleteObject")  # where backups are kept in a bucket
    told: ClassVar[str] = "terraform apply has begun"

    check: Check

    @property
    def asks(self) -> tuple[str, ...]:
        """A plan is made after all that was done before it: another one is another request."""
        return (self.verb, self.check.digest)


class InfrastructureReconciler(Reconciler[InfrastructurePin, LiveInfrastructure]):
    """Drives what a Terraform configuration describes to a commit of it."""

    reads: ClassVar[tuple[str, ...]] = ("s3:GetObject", "s3:ListBucket")  # where backups are kept in a bucket

    def __init__(self, connection: Connection, workshop: Workshop) -> None:
        self._connection = connection
        self._beside = connection.beside()
        self._workshop = workshop

    def observe(self, desired: InfrastructurePin) -> LiveInfrastructure:
        """The last check, where there is one; begins another where it is time. Calls nobody itself."""
        pinned = desired.infrastructure
        if not desired.repository:
            raise Stalled("the file is in no git repository, and so names no commit of one: add repository")
        look = self._workshop.look(self._order(desired), pinned.check_every, lock=not desired.only_looks)
        if look.error is not None and not isinstance(look.error, _FORESEEN):
            raise look.error  # a mistake of ours, with its place
        return LiveInfrastructure(
            commit=pinned.commit,
            check=look.check,
            doing=look.doing,
            since=look.since,
            report=look.report,
            settling=_settling(pinned, look),
            blocked=_with_failure(_blocked(desired, look), look) or _repeated(look),
            held="apply is never: reported, not applied" if pinned.apply is Apply.NEVER else "",
            failing=_failing(pinned, look),
            trying=look.doing is Doing.CHECK,
            waiting="terraform looks again before anything is applied" if look.doing else "",
            advice=tuple(_advice(desired, look.check)),
        )

    @staticmethod
    def diff(desired: InfrastructurePin, live: LiveInfrastructure) -> Iterable[ApplyTerraform]:
        """What the plan of the last check would do, as one change; nothing while an apply is under way."""
        if live.check is not None and live.check.differs and live.doing is not Doing.APPLY:
            yield ApplyTerraform(drifts=tuple(_drifts(live.check)), check=live.check)

    def apply(self, desired: InfrastructurePin, change: Change) -> None:
        """Begin to apply that very plan."""
        if not isinstance(change, ApplyTerraform):
            raise TypeError(change)
        self._connection.guard()
        self._workshop.apply(self._order(desired), change.check, desired.infrastructure.check_every)

    def renew(self, desired: InfrastructurePin) -> None:
        """A commit, or a person who asks again: look at once."""
        self._workshop.renew(self._order(desired).key)

    def backups(self, desired: InfrastructurePin) -> tuple[Backup, ...]:
        """The backups of its state, newest first. Failed: they cannot be listed."""
        return self._workshop.backups(self._order(desired)).listed(desired.infrastructure.workspace or "default")

    def _order(self, desired: InfrastructurePin) -> Order:
        pinned = desired.infrastructure
        return Order(
            environment=desired.environment.environment,
            entry=desired.name,
            location=desired.repository,
            commit=pinned.commit,
            directory=pinned.directory,
            workspace=pinned.workspace,
            variables_file=pinned.variables_file,
            targets=pinned.targets,
            imports=pinned.imports,
            place=self._beside.place,
            connection=self._beside,
        )


def _settling(pinned: Infrastructure, look: Look) -> str:
    if look.since is None or (look.doing is Doing.CHECK and look.check is not None):
        return ""  # a check that is repeated says nothing before it has ended
    since = f"since {look.since.astimezone(UTC):%H:%M:%SZ}"
    going = f"terraform {look.doing} of commit {look.commit[:12]} is under way {since}"
    return going if look.commit == pinned.commit else f"{going}; commit {pinned.commit[:12]} comes next"


def _blocked(desired: InfrastructurePin, look: Look) -> str:
    """Why nothing must be applied until a commit or a person helps."""
    if isinstance(look.error, PERSON_NEEDED):
        return f"{look.error}"
    if look.check is None or not look.check.differs or desired.infrastructure.apply is Apply.NEVER:
        return ""
    if look.lost:
        return look.lost
    if found := contests(desired.environment, look.check.changes):
        return _contested(found)
    if unmade := _created(desired.infrastructure, look.check):
        return (
            f"the plan creates {_listed(unmade)}, which imports names: the state still has it under another id, and it"
            f" is gone; say terraform state rm {unmade[0]}, or take it out of imports"
        )
    destroyed = [change for change in look.check.changes if change.destroys]
    if destroyed and desired.infrastructure.apply is not Apply.DESTROY_ALLOWED:
        return f"the plan destroys {_listed(map(_destroyed, destroyed))}: {_instead(destroyed)}"
    return ""


def _created(pinned: Infrastructure, check: Check) -> list[str]:
    """What should be imported and would be made anew, empty: terraform passes over an import of what the state has."""
    return [
        change.address for change in check.changes if "create" in change.actions and change.address in pinned.imports
    ]


def _destroyed(change: PlannedChange) -> str:
    if change.tainted:
        return f"{change.address} (replaced: its creation failed, or it was tainted)"
    return f"{change.address} (replaced)" if change.replaces else change.address


def _instead(destroyed: list[PlannedChange]) -> str:
    tainted = [change.address for change in destroyed if change.tainted]
    kept = f", or keep what is there with terraform untaint {tainted[0]}" if tainted else ""
    return f"pin another commit, or write apply: destroy_allowed if that is meant{kept}"


def _repeated(look: Look) -> str:
    """Why an apply is not tried any more."""
    if look.failures < _MOST_FAILURES or look.check is None or not look.check.differs:
        return ""
    return f"terraform apply failed {look.failures} times, the last time: {_cause(look.report)}: SIGHUP tries again"


def _with_failure(blocked: str, look: Look) -> str:
    """What an apply left half made is to be made anew: then the failure is what a person must know."""
    error = _cause(look.report)
    return f"{blocked}; the last apply failed: {error}" if blocked and error else blocked


def _contested(found: tuple[Contest, ...]) -> str:
    first, others = found[0], list(dict.fromkeys(contest.address for contest in found[1:]))
    more = f"; and so it is with {_listed(others)}" if others else ""
    return f"the plan {first.what}, which {first.pinned_by} of this file decides: {first.mend}{more}"


def _failing(pinned: Infrastructure, look: Look) -> str:
    if look.error is not None:
        return f"{sentence(look.error)}; looking again within a minute, or at once with SIGHUP"
    if look.report is None or look.rest <= 0 or look.check is None or not look.check.differs:
        return ""
    error = _cause(look.report)
    what = f"terraform apply failed: {error}" if error else "terraform has applied it, and it still differs"
    what = what if look.report.began else f"nothing was applied, since the state could not be kept: {error}"
    again = look.report.at + timedelta(seconds=pinned.check_every)
    return f"{what}; the next try is at {again.astimezone(UTC):%H:%M:%SZ}"


def _cause(report: Report | None) -> str:
    """Why an apply failed; some errors begin with saying that it did."""
    return report.error.removeprefix("terraform apply failed: ") if report else ""


def _drifts(check: Check) -> Iterator[Drift]:
    for change in check.changes:
        yield Drift(change.address, *_told(change))
    if check.outputs_changed:
        yield Drift("outputs", "as they were", "as the commit says")
    if not check.changes and not check.outputs_changed:
        yield Drift("state", "older than what is live", "brought up to date")


def _told(change: PlannedChange) -> tuple[str, str]:
    """What is there, and what becomes of it."""
    fields = f" ({', '.join(change.changed_fields)})" if change.changed_fields else ""
    if change.imported_as:
        return f"{change.imported_as}, not in the state", f"imported{f' and changed{fields}' if fields else ''}"
    if change.replaces:
        return "there", "destroyed and made anew"
    whole: dict[tuple[str, ...], tuple[str, str]] = {
        ("create",): ("not there", "created"),
        ("update",): ("there", f"changed{fields}"),
        ("delete",): ("there", "destroyed"),
        ("forget",): ("in the state", "no longer managed"),
        ("move",): ("under another address", "moved"),
    }
    return whole.get(change.actions, ("there", ", ".join(change.actions)))


def _advice(desired: InfrastructurePin, check: Check | None) -> Iterator[Advice]:
    if check is None:
        return
    pinned = desired.infrastructure
    for contest in contests(desired.environment, check.changes)[1:]:  # the reason tells of the first
        yield Advice("contested", f"the plan {contest.what}, too: {contest.mend}")
    if pinned.apply is Apply.DESTROY_ALLOWED and not check.differs:
        yield Advice("destroy_allowed", "nothing differs any more: take apply: destroy_allowed out again")
    if check.differs and check.drifted:
        yield Advice("changed_outside", f"changed outside terraform since its last apply: {_listed(check.drifted)}")
    for warning in check.warnings:
        if not (pinned.targets and warning.startswith(_OF_TARGETS)):
            yield Advice("terraform_warning", warning)


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = len(every) - _MOST_NAMED
    return ", ".join([*every[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
