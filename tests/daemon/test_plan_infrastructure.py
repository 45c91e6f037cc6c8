"""How a plan shows what terraform would do: counted, marked as a diff marks it, and loud where something goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon import plan
from daemon.refusals import PLANNED
from daemon.status import EnvironmentStatus, ResourceStatus
from desired_state.parse import parse
from reconcilers.contract import Change, Condition, Drift
from reconcilers.infrastructure import ApplyTerraform, LiveInfrastructure
from reconcilers.terraform import Check, PlannedChange

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)
FILE = (
    "version: 1\nenvironment: shop\naws: {region: us-east-1}\n"
    f"infrastructure:\n  network: {{commit: '{'4f' * 20}'}}\n"
    "services:\n  api: {cluster: c, service: s, task_revision: 3, needs: [network]}\n"
    "  down: {cluster: c, service: d, desired_count: 0, needs: [network]}\n"
)
NOW = parse(FILE.encode(), "shop.yaml")


def found(*actions: tuple[str, ...], lineage: str = "x") -> ResourceStatus:
    """What a check with such changes looks like in a plan: a.0, a.1 and so on."""
    changes = tuple(PlannedChange(f"a.{n}", "a", f"{n}", each, ()) for n, each in enumerate(actions))
    check = Check(
        at=NOON,
        version="1.11.4",
        differs=bool(changes),
        changes=changes,
        outputs_changed=False,
        drifted=(),
        warnings=(),
        serial=1,
        lineage=lineage,
        plan=Path("plan"),
        digest="d",
    )
    drifts = tuple(Drift(change.address, "there", "made so") for change in changes)
    return ResourceStatus(
        kind="infrastructure",
        name="network",
        condition=Condition.DRIFTED if changes else Condition.IN_SYNC,
        reason=PLANNED if changes else "",
        since=NOON,
        observed=NOON,
        changes=(ApplyTerraform(drifts=drifts, check=check),) if changes else (),
        infrastructure=LiveInfrastructure(check=check),
    )


def service(name: str, *drifts: Drift) -> ResourceStatus:
    changes = (Change(drifts=drifts),) if drifts else ()
    condition = Condition.DRIFTED if drifts else Condition.IN_SYNC
    return ResourceStatus(
        kind="service", name=name, condition=condition, reason=PLANNED, since=NOON, observed=NOON, changes=changes
    )


def annotated(*resources: ResourceStatus, before: str = "") -> EnvironmentStatus:
    status = EnvironmentStatus(
        name="shop", file="shop.yaml", commit="", mode="enforce", valid=True, resources=resources, last_pass=NOON
    )
    return plan.annotated(status, NOW, parse(before.encode(), "shop.yaml") if before else None)


def advice(status: EnvironmentStatus, name: str = "network") -> dict[str, str]:
    (resource,) = (each for each in status.resources if each.name == name)
    return {each.type: each.message for each in resource.advice}


def test_what_terraform_would_do_is_counted_as_terraform_counts() -> None:
    told = advice(annotated(found(("create",), ("update",), ("delete", "create"), ("delete",)), before=FILE))
    assert told == {"terraform_plan": "terraform plan: 2 to add, 1 to change, 2 to destroy"}
    assert advice(annotated(found(), before=FILE)) == {}


@pytest.mark.parametrize(
    ("lineage", "before", "told"),
    [
        ("x", "", True),
        ("x", FILE.replace("network:", "other:").replace("[network]", "[other]"), True),
        ("x", FILE, False),
        ("", "", False),  # there is no state: nothing was applied before
    ],
)
def test_a_first_pin_is_told_where_something_was_applied_before(lineage: str, before: str, told: bool) -> None:
    assert ("first_pin" in advice(annotated(found(("update",), lineage=lineage), before=before))) is told


def test_who_will_wait_is_told() -> None:
    revision, count = Drift("task_revision", "2", "3"), Drift("desired_count", "2", "0")
    status = annotated(found(("create",)), service("api", revision), service("down", count), before=FILE)
    assert advice(status, "api") == {"waits": "waits until infrastructure network has settled"}
    assert advice(status, "down") == {}
    assert advice(annotated(found(), service("api", revision), before=FILE), "api") == {}
    assert advice(annotated(found(("create",)), service("api")), "api") == {}


def test_what_is_destroyed_is_told_once_and_loudly() -> None:
    text = plan.as_markdown([annotated(found(("create",), ("delete",), ("delete", "create")), before=FILE)], [])
    assert text.count("DESTROYS 2 resources: no revert brings back what was there") == 1
    assert "DESTROYS" not in plan.as_markdown([annotated(found(("create",), ("update",)), before=FILE)], [])


def test_a_diff_marks_what_comes_goes_and_changes() -> None:
    actions = (("create",), ("update",), ("delete",), ("delete", "create"), ("import",))
    text = plan.as_markdown([annotated(found(*actions), before=FILE)], [])
    lines = [line for line in text.splitlines() if line.endswith(": there → made so")]
    assert [line.split(":")[0] for line in lines] == ["+ a.0", "! a.1", "- a.2", "- a.3", "! a.4"]


def test_the_exit_code_counts_it_in() -> None:
    assert plan.exit_code([annotated(found(("create",)))], []) == 2
    assert plan.exit_code([annotated(found())], []) == 0
    stalled = replace(found(("delete",)), condition=Condition.STALLED, reason="the plan destroys a.0")
    assert plan.exit_code([annotated(stalled)], []) == 1
