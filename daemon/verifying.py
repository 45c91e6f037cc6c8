"""When an environment is verified, and what the checks are of: after everything else in its file."""

from dataclasses import dataclass, replace
from datetime import datetime

from daemon.entry import Entry, Key, Others, Run
from desired_state.in_force import Standing
from desired_state.model import Environment, Verify
from reconcilers.contract import Condition, Gate, Outcome
from reconcilers.ecs_service import LiveService
from reconcilers.reconcile import reconcile
from reconcilers.verification import VerificationPin, VerificationReconciler

KEY: Key = ("verification", "verification")
_STUCK = (Condition.STALLED, Condition.DRIFTED)


@dataclass(frozen=True)
class _Rest:
    """What the other entries of a file have come to."""

    moving: str  # what has not come to rest yet; empty: nothing
    stuck: str  # what only a person can bring further; empty: nothing
    settled_at: datetime | None  # the end of the newest rollout (AWS time), where it is known


def verification(standing: Standing, verify: Verify, reconciler: VerificationReconciler) -> Entry:
    """The entry for `verify`."""
    return Entry(*KEY, _run(standing.environment, verify, reconciler))


def _run(environment: Environment, verify: Verify, reconciler: VerificationReconciler) -> Run:
    database = environment.databases[verify.database] if verify.database else None
    pin = VerificationPin(
        environment=environment.environment,
        verify=verify,
        secret=database.secret if database else None,
        services=tuple((each.cluster, each.service) for each in environment.services.values()),
        of=(environment.services, environment.databases, environment.infrastructure, verify),
        settling="",
        paused=_paused(environment),
        settled_at=None,
    )

    def run(gate: Gate, look: Others) -> Outcome:
        rest = _rest(environment, look)
        settling = rest.moving or rest.stuck
        outcome = reconcile(reconciler, replace(pin, settling=settling, settled_at=rest.settled_at), gate)
        if rest.stuck and not rest.moving and outcome.condition is Condition.PROGRESSING:
            return replace(outcome, condition=Condition.DRIFTED)
        return outcome

    return run


def _paused(environment: Environment) -> str:
    """Why nobody expects production to answer now."""
    if environment.maintenance is not None and environment.maintenance.enabled:
        return "maintenance is on"
    down = [name for name, service in environment.services.items() if service.desired_count == 0]
    return f"{', '.join(down)} is shut down" if down else ""


def _rest(environment: Environment, look: Others) -> _Rest:
    keys: list[Key] = [("database", name) for name in environment.databases]
    keys += [("service", name) for name in environment.services]
    keys += [("maintenance", "maintenance")] if environment.maintenance is not None else []
    seen = {key: look(key) for key in keys}
    infrastructure = {name: look(("infrastructure", name)) for name in environment.infrastructure}
    applied = [name for name, each in infrastructure.items() if each and each.condition is Condition.PROGRESSING]
    moving = [_called(key) for key, each in seen.items() if each is None or not _is_at_rest(each)]
    stuck = [f"{_called(key)} is {each.condition.value}" for key, each in seen.items() if each and _is_stuck(each)]
    lives = [each.live for each in seen.values() if each and isinstance(each.live, LiveService)]
    primaries = [live.record.primary for live in lives]
    ends = [primary.updated for primary in primaries if primary and primary.updated]
    waits = [*moving, *(f"infrastructure {name}" for name in applied)]
    return _Rest(
        f"verified once {', '.join(waits)} {'has' if len(waits) == 1 else 'have'} settled" if waits else "",
        f"not verified while {', '.join(stuck)}" if stuck else "",
        max(ends, default=None),
    )


def _is_at_rest(outcome: Outcome) -> bool:
    return outcome.condition is Condition.IN_SYNC or _is_stuck(outcome)


def _is_stuck(outcome: Outcome) -> bool:
    return outcome.condition in _STUCK


def _called(key: Key) -> str:
    kind, name = key
    return kind if kind == name else f"{kind} {name}"
