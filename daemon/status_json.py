"""The status as JSON values, for the status page and for `plan --output json`."""

from datetime import datetime
from typing import Any

from daemon import readiness
from daemon.plain import redacted
from daemon.status import EnvironmentStatus, GitStatus, ResourceStatus, Status
from desired_state.parse import Problem
from reconcilers import verification
from reconcilers.contract import Advice, Drift
from reconcilers.infrastructure import LiveInfrastructure
from reconcilers.terraform import Check
from reconcilers.workshop import Report

Json = dict[str, Any]

_MOST_PROBLEMS = 20  # shown; a file of nonsense has tens of thousands


def everything(status: Status) -> Json:
    """The whole status."""
    return {
        "git": _git(status.git),
        "environments": [environment(each) for each in status.environments],
        "leader": status.leader,
        "ready": status.ready,
        "interval": status.interval,
    }


def environment(status: EnvironmentStatus) -> Json:
    """One environment with its resources."""
    return {
        "environment": status.name,
        "file": status.file,
        "commit": status.commit,
        "mode": status.mode,
        "valid": status.valid,
        "in_sync": status.in_sync,
        "verified": status.verified,
        "rollback_ready": [readiness.shown(each) for each in status.rollback_ready],
        "last_pass": _instant(status.last_pass),
        "last_in_sync": _instant(status.last_in_sync),
        "maintenance_enabled": status.maintenance_enabled,
        "resources": [resource(each) for each in status.resources],
    }


def resource(status: ResourceStatus) -> Json:
    """One resource, its drift by field, and what a person should know of it."""
    about: Json = {"terraform": _terraform(status.infrastructure)} if status.infrastructure else {}
    about |= {"checks": [verified(each) for each in status.checks]} if status.checks else {}
    return {
        "kind": status.kind,
        "name": status.name,
        "condition": status.condition.value,
        "reason": redacted(status.reason),
        "since": _instant(status.since),
        "observed": _instant(status.observed),
        "drifted_since": _instant(status.drifted_since),
        "drift": [drift(each) for each in status.drifts],
        "ahead": [{"verb": each.verb, **drift(each.drift), "takes": each.takes or None} for each in status.ahead],
        "advice": [advice(each) for each in status.advice],
        "waits": {"for": status.wait.kind, "until": _instant(status.wait.until)} if status.wait else None,
    } | about


def _terraform(live: LiveInfrastructure) -> Json:
    """What the last check found, what the last apply did, and what goes on."""
    doing = {"what": live.doing.value, "since": _instant(live.since)} if live.doing else None
    report = live.report
    return {
        "commit": live.commit,
        "doing": doing,
        "check": check(live.check) if live.check else None,
        "apply": {"at": _instant(report.at), **applied(report)} if report else None,
    }


def verified(found: verification.Check) -> Json:
    """One check of `verify`, and what came of it."""
    return {"check": redacted(found.name), "ok": found.ok, "evidence": redacted(found.evidence)}


def check(found: Check) -> Json:
    """What terraform found, in numbers."""
    return {
        "at": _instant(found.at),
        "version": found.version,
        "add": found.add,
        "change": found.change,
        "destroy": found.destroy,
        "replace": found.replace,
        "serial": found.serial,
        "changed_outside": list(found.drifted),
    }


def applied(report: Report) -> Json:
    """What an apply came to."""
    counts = ("add", "change", "destroy")
    done = {count: getattr(report.applied, count) for count in counts} if report.applied else {}
    error = {"error": redacted(report.error)} if report.error else {}
    return {"result": report.result, "seconds": round(report.seconds, 1), **done, **error}


def advice(value: Advice) -> Json:
    """Something a person should know that is not drift."""
    return {"type": value.type, "message": redacted(value.message)}


def drift(value: Drift) -> Json:
    """One field that differs."""
    return {"field": value.field, "live": redacted(value.live), "desired": redacted(value.desired)}


def problem(value: Problem) -> Json:
    """One thing that is wrong with a file."""
    return {
        "file": value.file,
        "line": value.line,
        "key": value.key,
        "message": redacted(value.message),
        "mend": redacted(value.mend),
    }


def _git(status: GitStatus) -> Json:
    return {
        "repository": redacted(status.repository),
        "branch": status.branch,
        "path": status.path,
        "head": status.head,
        "error": redacted(status.error),
        "rewritten": status.rewritten,
        "last_fetch": _instant(status.last_fetch),
        "problems": [problem(each) for each in status.problems[:_MOST_PROBLEMS]],
        "problem_count": len(status.problems),
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
