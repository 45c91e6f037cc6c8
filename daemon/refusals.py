"""Why an entry may not be written now: the mode of its file, the account of the credentials, and what comes first."""

from collections.abc import Mapping

from daemon.entry import Entry, Key
from daemon.tracked import Tracked
from desired_state.model import Environment, Mode
from reconcilers.aws import Connection, sentence
from reconcilers.contract import Change, Condition, Outcome, Refusal, Stalled
from reconcilers.infrastructure import LiveInfrastructure

_WITHOUT = "; to go on without it, take it out of needs"
PLANNED = "would be changed"  # by a pass, were this not a plan


def by_plan(*, may_write: bool) -> Refusal | None:
    """`trueup plan` never writes."""
    return None if may_write else Refusal(Condition.DRIFTED, PLANNED)


def by_mode(mode: Mode) -> Refusal | None:
    """Only `enforce` writes."""
    if mode is not Mode.ENFORCE:
        return Refusal(Condition.DRIFTED, "mode is observe: reported, not repaired")
    return None


def by_order(entry: Entry, changes: tuple[Change, ...], tracked: Mapping[Key, Tracked]) -> Refusal | None:
    """Whether what this entry waits for has a change pending or in progress. What cannot be read holds nobody up."""
    if all(change.at_once for change in changes):
        return None
    for name in entry.needs:
        infrastructure = tracked.get(("infrastructure", name))
        if infrastructure and infrastructure.outcome and _is_unsettled(infrastructure):
            return _waits(f"infrastructure {name}", infrastructure.outcome)
    for name in entry.waits_for:
        database = tracked.get(("database", name))
        outcome = database.outcome if database else None
        hopeless = outcome is not None and (outcome.condition is Condition.STALLED or outcome.wait is not None)
        if outcome and _holds_up(outcome) and not (hopeless and _comes_back(changes)):
            return _waits(f"database {name}", outcome)
    if not entry.waits_for_services:
        return None
    services = (each for (kind, _), each in tracked.items() if kind == "service" and each.entry.named)
    moving = sorted(each.entry.name for each in services if each.moving)
    if not moving:
        return None
    return Refusal(Condition.PROGRESSING, f"leaves maintenance once {', '.join(moving)} has settled")


def _waits(what: str, outcome: Outcome) -> Refusal:
    stuck = outcome.condition in (Condition.STALLED, Condition.DRIFTED)
    reason = f"waits for {what} ({outcome.condition.value}: {outcome.reason})"
    reason += f"{_WITHOUT}" if stuck and what.startswith("infrastructure") else ""
    return Refusal(Condition.DRIFTED if stuck else Condition.PROGRESSING, reason)


def _is_unsettled(infrastructure: Tracked) -> bool:
    """Whether a change of it is pending or under way, or only a person can settle it.

    Not where it is only reported (`apply: never`), nor where a check failed after one that found nothing to do.
    """
    outcome = infrastructure.outcome
    if outcome is None or outcome.condition is not Condition.RETRYING:
        return outcome is not None and outcome.condition in (Condition.PROGRESSING, Condition.STALLED)
    live = outcome.live
    return bool(outcome.changes) or not (isinstance(live, LiveInfrastructure) and live.check is not None)


def _comes_back(changes: tuple[Change, ...]) -> bool:
    """Whether a service returns from 0 tasks: also for a move that is not made, it finds the database of before."""
    drifts = (drift for change in changes for drift in change.drifts)
    return any(drift.field == "desired_count" and drift.live == "0" for drift in drifts)


def _holds_up(outcome: Outcome) -> bool:
    if outcome.changes:
        failing = outcome.condition in (Condition.STALLED, Condition.RETRYING)
        return not all(change.aside or (change.lenient and failing) for change in outcome.changes)
    settles_aside = outcome.live is not None and outcome.live.aside
    return outcome.condition is Condition.PROGRESSING and not settles_aside


def by_account(environment: Environment, connection: Connection) -> Outcome | None:
    """An environment that names its account is never touched with another account's credentials."""
    named = environment.aws.account
    if named is None:
        return None
    try:
        actual = connection.account()
    except Exception as error:  # noqa: BLE001 — whatever STS does, the other environments go on
        return Outcome(Condition.RETRYING, f"the account could not be checked: {sentence(error)}", error=error)
    if actual == named:
        return None
    reason = f"the credentials are of account {actual}, but the file names {named}; nothing is read or written"
    return Outcome(Condition.STALLED, reason, error=Stalled(reason))
