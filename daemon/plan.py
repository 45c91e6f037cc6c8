"""A plan: what a pass would change, as a person, a program or a pull request reads it."""

import json
from collections.abc import Sequence

from daemon import plan_facts, status_json
from daemon.plain import redacted
from daemon.plan_facts import annotated
from daemon.plan_markdown import as_markdown
from daemon.plan_text import print_text
from daemon.status import EnvironmentStatus
from desired_state.parse import Problem
from reconcilers.contract import Change

__all__ = ["annotated", "as_json", "as_markdown", "exit_code", "print_text"]


def exit_code(statuses: Sequence[EnvironmentStatus], problems: Sequence[Problem]) -> int:
    """0 no drift, 2 drift, 1 error."""
    resources = [resource for status in statuses for resource in status.resources]
    if problems or not statuses or any(map(plan_facts.is_wrong, resources)):
        return 1
    return 2 if any(resource.drifts for resource in resources) else 0


def as_json(statuses: Sequence[EnvironmentStatus], problems: Sequence[Problem]) -> str:
    """For programs: the environments as the status page has them, with the changes of each resource."""
    environments = []
    for status in statuses:
        shown = status_json.environment(status)
        for resource, known in zip(shown["resources"], status.resources, strict=True):
            resource["changes"] = [_change(change) for change in known.changes]
            resource["settings"] = redacted(plan_facts.settings(known)) or None
        environments.append(shown)
    result = ("no_drift", "error", "drift")[exit_code(statuses, problems)]
    told = [status_json.problem(problem) for problem in problems]
    return json.dumps({"result": result, "environments": environments, "problems": told}, indent=2)


def _change(change: Change) -> status_json.Json:
    effects = [effect for drift in change.drifts if (effect := plan_facts.effect(change, drift))]
    drifts = [status_json.drift(drift) for drift in change.drifts]
    takes = plan_facts.takes(change) or None
    return {"verb": change.verb, "drift": drifts, "effect": effects[0] if effects else None, "takes": takes}
