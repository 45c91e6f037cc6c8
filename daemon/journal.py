"""What the daemon says in its log: one line a fact, and none for what is as it was."""

import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from daemon import status_json
from daemon.status import EnvironmentStatus, GitStatus, Status
from desired_state.in_force import Standing
from desired_state.repository import Commit, Unreachable
from reconcilers.checks import Check
from reconcilers.contract import Absent, Condition, Drift, Outcome, Result, Stalled, Superseded, Unseen
from reconcilers.secrets import Moved
from reconcilers.terraform import Failed
from reconcilers.workshop import Report

REMIND = 600.0  # seconds after which what is still wrong, and unchanged, is said again
_LEVELS = {
    Condition.DRIFTED: logging.WARNING,
    Condition.RETRYING: logging.WARNING,
    Condition.STALLED: logging.ERROR,
}
_FORESEEN = (ClientError, BotoCoreError, OSError, Stalled, Absent, Superseded, Unseen, Moved, Failed, Unreachable)
_FRAMES = 6  # of a traceback
_MOST_SHOWN = 20


class Journal:
    """Says in the log what happened. Steady states are said once, and again every ten minutes where they are wrong."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log: Any = structlog.get_logger()
        self._now = monotonic
        self._said: dict[Hashable, tuple[object, float]] = {}

    def started(self, listen: str, interval: float) -> None:
        """The daemon has begun."""
        self._log.info("started", version=version("trueup"), listen=listen, interval=interval)

    def ending(self) -> None:
        """The daemon waits for terraform, which must save what it has done. A second signal does not wait."""
        self._log.info("ending", reason="terraform was asked to stop, and saves its state; a second signal leaves it")

    def stopped(self) -> None:
        """The daemon has ended in good order."""
        self._log.info("stopped")

    def asked_again(self) -> None:
        """A person asks: everything is looked at now, and what AWS refused is tried again."""
        self._log.info("asked_again")

    def ended(self, status: Status, *, in_sync: bool, timed_out: bool) -> None:
        """`run --once` has come to its end, and to what."""
        wrong = [
            f"{environment.name} {resource.kind} {resource.name}: {resource.condition.value}"
            for environment in status.environments
            for resource in environment.resources
            if resource.condition is not Condition.IN_SYNC
        ]
        line: dict[str, Any] = {"in_sync": in_sync, "timed_out": timed_out, "not_in_sync": _listed(wrong)}
        self._log.log(logging.INFO if in_sync else logging.WARNING, "ended", **line)

    def resource(self, environment: str, commit: str, kind: str, name: str, outcome: Outcome) -> None:
        """One line when something changed, was attempted, or is still wrong after ten minutes."""
        key, advice = (environment, kind, name), _advice(outcome)
        quiet = outcome.condition is Condition.IN_SYNC and not advice and key not in self._said
        news = self._is_news(key, (outcome.condition, outcome.reason, advice), wrong=outcome.condition in _LEVELS)
        if outcome.attempts or (news and not quiet):
            named = {"environment": environment, "commit": commit, "kind": kind, "name": name}
            level = _LEVELS.get(outcome.condition, logging.WARNING if advice else logging.INFO)
            self._log.log(level, "resource", **named, **_facts(outcome))

    def passed(self, status: EnvironmentStatus, seconds: float, writes: int, *, full: bool) -> None:
        """One line a pass: at info for a full one, and where it wrote or its sums changed; else at debug.

        While something is progressing most passes look only at that, every second.
        """
        self._prune(status)
        counts = dict(sorted(Counter(resource.condition.value for resource in status.resources).items()))
        news = self._is_news((status.name,), (status.commit, counts), wrong=not status.in_sync)
        self._log.log(
            logging.INFO if full or writes or news else logging.DEBUG,
            "pass",
            environment=status.name,
            commit=status.commit,
            in_sync=status.in_sync,
            conditions=counts,
            writes=writes,
            seconds=round(seconds, 3),
        )

    def applied(self, environment: str, name: str, report: Report) -> None:
        """One line for every terraform apply that has ended, however it did."""
        done = status_json.applied(report)
        named = {"environment": environment, "kind": "infrastructure", "name": name, "reason": done.pop("error", "")}
        event = "terraform_apply_failed" if report.error else "terraform_applied"
        self._log.log(
            logging.ERROR if report.error else logging.INFO, event, **named, pinned=report.commit[:12], **done
        )

    def followed(self, standing: Standing, by: Commit | None) -> None:
        """One line when another version of a file is in force."""
        about = {"environment": standing.environment.environment, "commit": standing.commit, "file": standing.file}
        about |= {"author": by.author, "subject": by.subject} if by else {}
        self._log.info("in_force", **about)

    def untold(self, variable: str, reason: str) -> None:
        """One line, once, when nobody hears what is told to the URL in this environment variable."""
        self._log.warning("notify_failed", url_from=variable, reason=reason)

    def unkept(self, reason: str) -> None:
        """One line, once, when what happens cannot be kept on disk."""
        self._log.warning("events_not_kept", reason=reason)

    def verified(self, environment: str, commit: str, seconds: float | None, checks: Iterable[Check]) -> None:
        """One line when the checks of a commit have held."""
        took = {} if seconds is None else {"seconds": round(seconds, 1)}
        self._log.info("verified", environment=environment, commit=commit, checks=_evidence(checks), **took)

    def verification_failed(self, environment: str, commit: str, reason: str, checks: Iterable[Check]) -> None:
        """One line when a check has failed for so long that it counts."""
        line = {"environment": environment, "commit": commit, "reason": reason, "checks": _evidence(checks)}
        self._log.error("verification_failed", **line)

    def reverted(self, environment: str, bad: str, commit: str, to: str) -> None:
        """One line when a commit was pushed that takes another one's pins back."""
        self._log.warning("reverted", environment=environment, reverted=bad, commit=commit, pins_of=to)

    def git(self, status: GitStatus) -> None:
        """One line when the head, or what is wrong with it, changed."""
        problems = [str(problem) for problem in status.problems]
        facts = (status.head, status.error, problems, status.rewritten)
        wrong = bool(status.error or problems)
        if not self._is_news("git", facts, wrong=wrong):
            return
        line: dict[str, Any] = {"repository": status.repository, "branch": status.branch, "commit": status.head}
        line |= {"rewritten": True} if status.rewritten else {}
        line |= {"reason": status.error} if status.error else {}
        line |= {"problems": _listed(problems)} if problems else {}
        self._log.log(logging.WARNING if wrong or status.rewritten else logging.INFO, "git", **line)

    def failed(self, environment: str, error: Exception) -> None:
        """A pass over an environment ended with a mistake of ours; the next one begins anew."""
        line = {"error": type(error).__name__, "reason": str(error), "traceback": frames(error)}
        self._log.error("pass_failed", environment=environment, **line)

    def gone(self, environment: str) -> None:
        """An environment left the repository: nothing in AWS is touched."""
        for key in [key for key in list(self._said) if isinstance(key, tuple) and key[0] == environment]:
            self._said.pop(key, None)
        self._log.info("environment_gone", environment=environment)

    def _is_news(self, key: Hashable, facts: object, *, wrong: bool) -> bool:
        now = self._now()
        said, at = self._said.get(key, (None, now))
        if said == facts and not (wrong and now - at >= REMIND):
            return False
        self._said[key] = (facts, now)
        return True

    def _prune(self, status: EnvironmentStatus) -> None:
        """Forget what left the file."""
        kept = {(status.name, resource.kind, resource.name) for resource in status.resources} | {(status.name,)}
        for key in [key for key in list(self._said) if isinstance(key, tuple) and key[0] == status.name]:
            if key not in kept:
                self._said.pop(key, None)


def _facts(outcome: Outcome) -> dict[str, Any]:
    facts: dict[str, Any] = {"condition": outcome.condition.value, "reason": outcome.reason}
    if outcome.drifts:
        facts["drifts"] = _listed(_spelled(drift) for drift in outcome.drifts)
    if outcome.attempts:
        facts["verbs"] = [attempt.change.verb for attempt in outcome.attempts]
        facts["result"] = _worst(attempt.result for attempt in outcome.attempts).value
    if advice := _advice(outcome):
        facts["advice"] = list(advice)
    if outcome.error is not None and not isinstance(outcome.error, _FORESEEN):
        facts["error"] = type(outcome.error).__name__
        facts["traceback"] = frames(outcome.error)
    return facts


def _evidence(checks: Iterable[Check]) -> list[str]:
    words = {True: "holds", False: "fails", None: "could not be made"}
    return _listed(f"{check.name} {words[check.ok]}: {check.evidence}" for check in checks)


def _advice(outcome: Outcome) -> tuple[str, ...]:
    return tuple(advice.message for advice in outcome.live.advice) if outcome.live else ()


def _spelled(drift: Drift) -> str:
    return f"{drift.field}: {drift.live} -> {drift.desired}"


def _listed(texts: Iterable[str]) -> list[str]:
    every = list(texts)
    more = len(every) - _MOST_SHOWN
    return [*every[:_MOST_SHOWN], f"and {more} more"] if more > 0 else every


def _worst(results: Iterable[Result]) -> Result:
    return max(results, key=list(Result).index)


def frames(error: BaseException) -> list[str]:
    """Where an error came from: places in the code only, never values."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
