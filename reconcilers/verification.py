"""Whether production is healthy: the checks of an environment, and since when they have held. Without any verb."""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from desired_state.model import Verify
from desired_state.times import duration_text
from reconcilers.aws import Connection
from reconcilers.check_alarms import alarms
from reconcilers.check_database import database
from reconcilers.check_http import urls
from reconcilers.check_logs import logs
from reconcilers.check_targets import Targets
from reconcilers.check_tasks import running_tasks
from reconcilers.checks import Check, Probe
from reconcilers.contract import Advice, Change, Observation, Reconciler
from reconcilers.rounds import Round, Rounds, in_a_thread
from reconcilers.verdict import Failure, Verdict

__all__ = ["Check", "LiveVerification", "VerificationPin", "VerificationReconciler"]

NOT_VERIFIED: Final = "not_verified"
"""The advice that nothing is checked now."""
_SOON: Final = 2.0  # seconds from one round to the next while something is open
_LATER: Final = 5.0


@dataclass(frozen=True)
class VerificationPin:
    """What must hold, and of what."""

    environment: str
    verify: Verify
    secret: str | None  # of the database that is logged in to
    services: tuple[tuple[str, str], ...]  # cluster and service
    of: Hashable  # what is on trial: another value begins another trial
    settling: str  # why what runs has not settled: checks are made, and nothing is concluded from them
    paused: str  # why nobody expects production to answer: no check is made
    settled_at: datetime | None  # when the newest rollout ended, by the time of AWS; None: not known

    @property
    def hold(self) -> timedelta:
        """For how long everything must hold; nothing: in one whole round."""
        return self.verify.for_ or timedelta(0)


@dataclass(frozen=True, kw_only=True)
class LiveVerification(Observation):
    """What the checks have come to."""

    checks: tuple[Check, ...] = ()  # of the last round that came to its end
    verified: bool = False  # everything has held for long enough, at least once in this trial
    failed: str = ""  # what failed with its evidence, once that counts
    sure: bool = True  # it failed all the time; False: it holds now and then, so nothing is taken back for it
    held_for: float = 0.0  # seconds for which everything has held by now


@dataclass
class _Trial:
    """One trial of one environment. It is lost with the process, and the next one begins it again."""

    of: Hashable
    verdict: Verdict = field(default_factory=Verdict)
    checks: tuple[Check, ...] = ()
    round: Round | None = None
    judged: bool = False  # whether a verdict follows from the round: what runs had settled before it began, and stayed
    next: float = 0.0  # when the next round is due
    told: tuple[Failure, str] | None = None  # the failure that counts, with the time of day at which it began
    settled_at: datetime | None = None  # when what is on trial settled; scaling moves what ECS says of it later

    def unsettle(self) -> None:
        """What runs has begun to change."""
        if self.judged or self.verdict.restless is not None or self.verdict.holding is not None:
            self.judged, self.verdict, self.next = False, self.verdict.unsettled(), 0.0


class VerificationReconciler(Reconciler[VerificationPin, LiveVerification]):
    """Looks, and changes nothing. The checks are made in rounds beside the passes; see `Verdict` for what they come to.

    `aside` runs one check, and returns at once. `monotonic`: seconds.
    """

    reads = (
        "cloudwatch:DescribeAlarms",
        "ecs:DescribeServices",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
        "logs:FilterLogEvents",
        "secretsmanager:GetSecretValue",
    )

    def __init__(
        self,
        connection: Connection,
        monotonic: Callable[[], float] = time.monotonic,
        aside: Callable[[Callable[[], None]], None] = in_a_thread,
    ) -> None:
        self._connection = connection
        self._now = monotonic
        self._rounds = Rounds(aside, monotonic)
        self._targets = Targets(connection)
        self._trials: dict[str, _Trial] = {}

    def observe(self, desired: VerificationPin) -> LiveVerification:
        """What the last round said. Begins the next one when it is due, and waits for none."""
        trial = self._trial(desired)
        if desired.paused:
            self._trials[desired.environment] = _Trial(desired.of, Verdict(verified=trial.verdict.verified))
            advice = Advice(NOT_VERIFIED, f"not verified while {desired.paused}")
            return LiveVerification(verified=trial.verdict.verified, advice=(advice,))
        if desired.settling:
            trial.unsettle()
        trial.settled_at = None if desired.settling else trial.settled_at or desired.settled_at
        self._take(trial, desired)
        self._begin(trial, desired)
        return self._live(trial, desired)

    @staticmethod
    def diff(desired: VerificationPin, live: LiveVerification) -> Iterable[Change]:
        """Nothing: what does not hold is a matter for a commit or a person."""
        return ()

    def apply(self, desired: VerificationPin, change: Change) -> None:
        """Never asked for."""
        raise NotImplementedError

    def _trial(self, desired: VerificationPin) -> _Trial:
        trial = self._trials.get(desired.environment)
        if trial is None or trial.of != desired.of:
            trial = self._trials[desired.environment] = _Trial(desired.of)
        return trial

    def _take(self, trial: _Trial, desired: VerificationPin) -> None:
        if trial.round is None or not trial.round.is_over(self._now()):
            return
        trial.checks = trial.round.checks()
        if trial.judged:
            trial.verdict = trial.verdict.after(trial.round.began, trial.checks, desired.hold.total_seconds())
        waits = _LATER if desired.settling or (trial.verdict.verified and trial.verdict.holding is not None) else _SOON
        trial.next, trial.round = trial.round.began + waits, None

    def _begin(self, trial: _Trial, desired: VerificationPin) -> None:
        if trial.round is None and self._now() >= trial.next:
            since = replace(desired, settled_at=trial.settled_at or desired.settled_at)
            trial.round = self._rounds.begin(desired.environment, tuple(self._probes(since)))
            trial.judged = not desired.settling

    def _probes(self, desired: VerificationPin) -> Iterator[Probe]:
        verify, aws = desired.verify, self._connection
        yield from urls(verify.http)
        if verify.target_group_healthy:
            yield self._targets.probe(verify.target_group_healthy)
        if verify.alarms:
            yield alarms(verify.alarms, desired.settled_at, aws)
        if verify.logs:
            yield logs(verify.logs, desired.settled_at, aws)
        if verify.running_tasks:
            yield running_tasks(desired.services, aws)
        if desired.secret:
            yield database(desired.secret, aws)

    def _live(self, trial: _Trial, desired: VerificationPin) -> LiveVerification:
        verdict = trial.verdict
        failed = self._spelled(trial)
        held_before = "; the commit had been verified" if failed and verdict.verified else ""
        return LiveVerification(
            checks=trial.checks,
            verified=verdict.verified,
            failed=failed + held_before,
            sure=verdict.failure is None or verdict.failure.sure,
            held_for=verdict.held,
            blocked=f"verification: {failed or verdict.stuck}" if failed or verdict.stuck else "",
            failing="" if desired.settling or not verdict.unseen else f"cannot be verified now: {verdict.unseen}",
            settling=desired.settling or _open(verdict, desired.hold),
        )

    def _spelled(self, trial: _Trial) -> str:
        """The failure in words that stay the same for as long as it is the same one."""
        failure = trial.verdict.failure
        if failure is None:
            trial.told = None
            return ""
        if trial.told is None or trial.told[0] != failure:
            since = self._connection.now() - timedelta(seconds=self._now() - failure.since)
            trial.told = (failure, f"{failure.what}, since {since:%H:%M:%S} UTC")
        return trial.told[1]


def _open(verdict: Verdict, hold: timedelta) -> str:
    """What is still open; empty: nothing. It does not change with every round, for each change is told."""
    if verdict.amiss:
        return f"{'not healthy now' if verdict.verified else 'does not hold yet'}: {verdict.amiss}"
    if verdict.verified:
        return "" if verdict.holding is not None else "its checks are made again"
    if not hold:
        return "verified once everything has held in one round"
    quarters = int(4 * verdict.held / hold.total_seconds())
    so_far = f"; {duration_text(timedelta(seconds=quarters * hold.total_seconds() // 4))} so far" if quarters else ""
    return f"verified once everything has held for {duration_text(hold)}{so_far}"
