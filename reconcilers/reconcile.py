"""One pass over one resource: observe, diff, apply. The only place that decides whether to act."""

from dataclasses import replace

from reconcilers.aws import is_ambiguous, is_terminal, sentence
from reconcilers.contract import (
    Attempt,
    Change,
    Condition,
    Desired,
    Gate,
    Live,
    NotNow,
    Observation,
    Outcome,
    Reconciler,
    Refusal,
    Result,
    Stalled,
    Superseded,
    Unseen,
)


def reconcile(reconciler: Reconciler[Desired, Live], desired: Desired, gate: Gate) -> Outcome:
    """Move live one step closer to desired. Never raises, so that one bad entry cannot stop the others.

    `gate` is asked once, with everything that would change, and may refuse.
    """
    try:
        live = reconciler.observe(desired)
        changes = tuple(reconciler.diff(desired, live))
        refusal = _refusal(live, changes, gate) if changes else None
    except Exception as error:  # noqa: BLE001 — whatever one resource raises must not stop the others
        return _failed(error)
    if not changes:
        return _settled(live)
    if refusal:
        return Outcome(refusal.condition, refusal.reason, changes, live=live, wait=refusal.wait)
    return _applied(reconciler, desired, Outcome(Condition.PROGRESSING, "", changes, live=live))


def _settled(live: Observation) -> Outcome:
    if live.blocked or live.overdue:
        return Outcome(Condition.STALLED, live.blocked or live.overdue, live=live)
    if live.failing:
        return Outcome(Condition.RETRYING, live.failing, live=live)
    if live.settling:
        return Outcome(Condition.PROGRESSING, live.settling, live=live)
    return Outcome(Condition.IN_SYNC, live=live)


def _refusal(live: Observation, changes: tuple[Change, ...], gate: Gate) -> Refusal | None:
    if live.blocked:
        return Refusal(Condition.STALLED, live.blocked)
    if live.held:
        return Refusal(Condition.DRIFTED, live.held)
    if live.failing:
        return Refusal(Condition.RETRYING, live.failing)
    if refusal := gate(changes):
        return refusal
    return Refusal(Condition.PROGRESSING, live.waiting) if live.waiting else None


def _applied(reconciler: Reconciler[Desired, Live], desired: Desired, so_far: Outcome) -> Outcome:
    attempts: list[Attempt] = []
    for change in so_far.changes:
        try:
            reconciler.apply(desired, change)
        except Superseded as error:
            return replace(so_far, reason=str(error), attempts=tuple(attempts))
        except NotNow as error:
            attempts.append(Attempt(change, Result.FAILED))
            return replace(so_far, reason=str(error), attempts=tuple(attempts))
        except Exception as error:  # noqa: BLE001 — as above
            unknown = isinstance(error, Unseen) or is_ambiguous(error)
            attempts.append(Attempt(change, Result.UNKNOWN if unknown else Result.FAILED))
            failed = _failed(error)
            return replace(
                so_far, condition=failed.condition, reason=failed.reason, error=error, attempts=tuple(attempts)
            )
        attempts.append(Attempt(change, Result.OK))
    made = [attempt.change for attempt in attempts]
    return replace(
        so_far, reason=_asked([change for change in made if change.drifts] or made), attempts=tuple(attempts)
    )


def _asked(made: list[Change]) -> str:
    told = [change.told for change in made if change.told]
    verbs = [change.verb.replace("_", " ") for change in made if not change.told]
    return "; ".join([*([f"asked AWS to {', '.join(verbs)}"] if verbs else []), *told])


def _failed(error: Exception) -> Outcome:
    stalled = isinstance(error, Stalled) or is_terminal(error)
    return Outcome(Condition.STALLED if stalled else Condition.RETRYING, sentence(error), error=error)
