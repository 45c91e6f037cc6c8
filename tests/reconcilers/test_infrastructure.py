"""What is said and done of infrastructure, judged from what terraform found: no terraform runs here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from desired_state.parse import parse
from desired_state.tree import NoSuchCommit, Refused, Unfit, Unreachable
from reconcilers.aws import Connection, Place
from reconcilers.contract import Condition, Drift, Outcome, Superseded
from reconcilers.infrastructure import ApplyTerraform, InfrastructurePin, InfrastructureReconciler
from reconcilers.reconcile import reconcile
from reconcilers.terraform import (
    Applied,
    Broken,
    Busy,
    Check,
    Failed,
    Locked,
    MissingWorkspace,
    ProgramMissing,
    StateErrored,
    TimedOut,
)
from reconcilers.terraform_plan import PlannedChange
from reconcilers.workshop import Doing, Look, Order, Report

NOW = datetime(2026, 2, 24, 12, 0, tzinfo=UTC)
COMMIT, OLDER = "4f2c9e1a02b3" + "0" * 28, "1" * 40


def pin(*lines: str, mode: str = "enforce", more: str = "", repository: str = "/repository") -> InfrastructurePin:
    """A file with one entry, and these lines in it."""
    text = f"version: 1\nenvironment: shop\naws: {{region: us-east-1}}\nmode: {mode}\n"
    text += f'infrastructure:\n  network:\n    commit: "{COMMIT}"\n' + "".join(f"    {line}\n" for line in lines) + more
    environment = parse(text.encode(), "shop.yaml")
    return InfrastructurePin("network", environment.infrastructure["network"], environment, repository)


def change(address: str, *actions: str, fields: tuple[str, ...] = (), imported_as: str = "", **facts: str):
    kind, _, name = address.partition(".")
    return PlannedChange(address, kind, name, actions, fields, facts, imported_as)


def check(*changes: PlannedChange, **more: object) -> Check:
    plain = {"outputs_changed": False, "drifted": (), "warnings": (), "differs": bool(changes)}
    about = {"at": NOW, "version": "1.11.4", "serial": 3, "lineage": "x", "plan": Path("plan"), "digest": "d"}
    return Check(changes=changes, **(about | plain | more))


@dataclass
class FakeWorkshop:
    """What the work has come to, as a test says, and what was asked of it."""

    seen: Look = field(default_factory=Look)
    asked: list[object] = field(default_factory=list)

    def look(self, order: Order, every: float, *, lock: bool) -> Look:
        self.asked.append((order.commit, every, lock))
        return self.seen

    def apply(self, order: Order, found: Check, every: float) -> None:
        self.asked.append(("apply", order.key, found.digest))

    def renew(self, key: tuple[str, str]) -> None:
        self.asked.append(("renew", key))


def passed(seen: Look, pinned: InfrastructurePin | None = None, workshop: FakeWorkshop | None = None) -> Outcome:
    """One pass, and what it came to."""
    workshop = workshop or FakeWorkshop()
    workshop.seen = seen
    reconciler = InfrastructureReconciler(Connection(Place("us-east-1")), workshop)
    return reconcile(reconciler, pinned or pin(), lambda _: None)


CREATED = change("aws_ecs_cluster.main", "create")
GONE = change("aws_ecs_cluster.old", "delete")
ANEW = change("aws_ecs_cluster.new", "delete", "create", fields=("name",))


@pytest.mark.parametrize(
    ("seen", "lines", "condition", "reason"),
    [
        (
            Look(doing=Doing.CHECK, commit=COMMIT, since=NOW),
            (),
            Condition.PROGRESSING,
            "terraform plan of commit 4f2c9e1a02b3 is under way since 12:00:00Z",
        ),
        (
            Look(doing=Doing.APPLY, commit=COMMIT, since=NOW, check=check(CREATED)),
            (),
            Condition.PROGRESSING,
            "terraform apply of commit 4f2c9e1a02b3 is under way since 12:00:00Z",
        ),
        (
            Look(doing=Doing.APPLY, commit=OLDER, since=NOW),
            (),
            Condition.PROGRESSING,
            "terraform apply of commit 111111111111 is under way since 12:00:00Z; commit 4f2c9e1a02b3 comes next",
        ),
        (Look(check=check()), (), Condition.IN_SYNC, ""),
        (Look(check=check(), doing=Doing.CHECK, commit=COMMIT, since=NOW), (), Condition.IN_SYNC, ""),
        (Look(check=check(), report=Report(NOW, COMMIT, 1.0, error="broke"), rest=9), (), Condition.IN_SYNC, ""),
        (Look(check=check(CREATED)), (), Condition.PROGRESSING, "terraform apply has begun"),
        (
            Look(check=check(CREATED), doing=Doing.CHECK, commit=COMMIT, since=NOW),
            (),
            Condition.PROGRESSING,
            "terraform looks again before anything is applied",
        ),
        (Look(check=check(CREATED)), ("apply: never",), Condition.DRIFTED, "apply is never: reported, not applied"),
        (Look(check=check(GONE)), ("apply: never",), Condition.DRIFTED, "apply is never: reported, not applied"),
        (
            Look(check=check(CREATED, GONE, ANEW)),
            ("apply: approved",),
            Condition.STALLED,
            "the plan destroys aws_ecs_cluster.old, aws_ecs_cluster.new (replaced): "
            "pin another commit, or write apply: destroy_allowed if that is meant",
        ),
        (
            Look(check=check(GONE, ANEW)),
            ("apply: destroy_allowed",),
            Condition.PROGRESSING,
            "terraform apply has begun",
        ),
        (
            Look(check=check(*[change(f"a.n{n}", "delete") for n in range(8)])),
            (),
            Condition.STALLED,
            "the plan destroys a.n0, a.n1, a.n2, a.n3, a.n4, and 3 more: "
            "pin another commit, or write apply: destroy_allowed if that is meant",
        ),
        (Look(check=check(CREATED), lost="the state is empty"), (), Condition.STALLED, "the state is empty"),
        (
            Look(check=check(CREATED), report=Report(NOW, COMMIT, 1.0, error="it broke"), rest=10.0),
            ("check_every: 900",),
            Condition.RETRYING,
            "terraform apply failed: it broke; the next try is at 12:15:00Z",
        ),
        (
            Look(check=check(CREATED), report=Report(NOW, COMMIT, 1.0, Applied(1.0, 1, 0, 0)), rest=10.0),
            ("check_every: 60",),
            Condition.RETRYING,
            "terraform has applied it, and it still differs; the next try is at 12:01:00Z",
        ),
        (
            Look(check=check(CREATED), report=Report(NOW, COMMIT, 1.0, error="it broke"), rest=0.0),
            (),
            Condition.PROGRESSING,
            "terraform apply has begun",
        ),
    ],
)
def test_what_terraform_found_decides(seen: Look, lines: tuple[str, ...], condition: Condition, reason: str) -> None:
    outcome = passed(seen, pin(*lines))
    assert (outcome.condition, outcome.reason) == (condition, reason)


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (Locked(id="7", who="ann@desk", operation="apply", when="noon"), Condition.RETRYING),
        (Busy("another terraform runs"), Condition.RETRYING),
        (TimedOut("it took too long"), Condition.RETRYING),
        (Failed("terraform plan failed"), Condition.RETRYING),
        (Unreachable("git does not answer"), Condition.RETRYING),
        (Broken("the configuration is wrong"), Condition.STALLED),
        (MissingWorkspace("there is none"), Condition.STALLED),
        (ProgramMissing("install it"), Condition.STALLED),
        (StateErrored(Path("/home/errored.tfstate")), Condition.STALLED),
        (NoSuchCommit("there is none"), Condition.STALLED),
        (Unfit("a link"), Condition.STALLED),
        (Refused("ext:: is not allowed"), Condition.STALLED),
    ],
)
def test_a_check_that_failed_says_who_can_help(error: Exception, condition: Condition) -> None:
    passing = "; looking again within a minute, or at once with SIGHUP" if condition is Condition.RETRYING else ""
    for known in (check(CREATED), check(), None):  # what was found before stays known, and is not acted on
        outcome = passed(Look(error=error, check=known))
        assert (outcome.condition, outcome.reason) == (condition, f"{error}{passing}")
        assert outcome.live.check is known
        assert outcome.attempts == ()


def test_a_mistake_of_ours_is_told_with_its_place() -> None:
    outcome = passed(Look(error=ZeroDivisionError("division by zero")))
    assert (outcome.condition, type(outcome.error)) == (Condition.RETRYING, ZeroDivisionError)


def test_what_retries_says_whether_it_is_at_it() -> None:
    waiting = passed(Look(error=Failed("no"), check=check()))
    trying = passed(Look(error=Failed("no"), check=check(), doing=Doing.CHECK, commit=COMMIT, since=NOW))
    assert (waiting.live.trying, trying.live.trying) == (False, True)
    assert trying.condition is Condition.RETRYING


def test_what_should_be_imported_is_not_made_anew_and_empty() -> None:
    imports = 'imports: {aws_db_instance.db: "shop-db"}'
    outcome = passed(Look(check=check(change("aws_db_instance.db", "create"))), pin(imports))
    assert outcome.condition is Condition.STALLED
    assert outcome.reason.startswith("the plan creates aws_db_instance.db, which imports names: ")
    assert "terraform state rm aws_db_instance.db" in outcome.reason
    imported = change("aws_db_instance.db", "import", imported_as="shop-db")
    assert passed(Look(check=check(imported)), pin(imports)).attempts


def test_what_is_half_made_is_told_and_can_be_kept() -> None:
    half = replace(ANEW, tainted=True)
    reason = passed(Look(check=check(half), report=Report(NOW, COMMIT, 1.0, error="it broke"))).reason
    assert reason == (
        "the plan destroys aws_ecs_cluster.new (replaced: its creation failed, or it was tainted): pin another commit, "
        "or write apply: destroy_allowed if that is meant, or keep what is there with terraform untaint "
        "aws_ecs_cluster.new; the last apply failed: it broke"
    )


@pytest.mark.parametrize(("failures", "condition"), [(2, Condition.PROGRESSING), (3, Condition.STALLED)])
def test_an_apply_that_always_fails_is_given_up(failures: int, condition: Condition) -> None:
    report = Report(NOW, COMMIT, 1.0, error="terraform apply failed: it broke")
    outcome = passed(Look(check=check(CREATED), report=report, failures=failures))
    assert outcome.condition is condition
    if condition is Condition.STALLED:
        assert outcome.reason == "terraform apply failed 3 times, the last time: it broke: SIGHUP tries again"


def test_an_apply_that_never_began_is_not_called_a_failed_one() -> None:
    report = Report(NOW, COMMIT, 0.0, error="the bucket is not there", began=False)
    reason = passed(Look(check=check(CREATED), report=report, rest=9.0)).reason
    assert reason.startswith(
        "nothing was applied, since the state could not be kept: the bucket is not there; the next"
    )


def test_every_contest_is_told_with_its_mend() -> None:
    services = "services:\n  api: {cluster: main, service: shop-api, task_revision: 12}\n"
    services += "  web: {cluster: main, service: shop-web, desired_count: 2}\n"
    one = change("aws_ecs_service.api", "update", fields=("task_definition",), name="shop-api", cluster="main")
    two = change("aws_ecs_service.web", "update", fields=("desired_count",), name="shop-web", cluster="main")
    outcome = passed(Look(check=check(one, two)), pin(more=services))
    (told,) = outcome.live.advice
    assert told.type == "contested"
    assert "ignore_changes = [desired_count] } into aws_ecs_service.web" in told.message


@pytest.mark.parametrize(("found", "told"), [(check(), True), (check(GONE), False)])
def test_leave_to_destroy_is_to_be_taken_back(found: Check, told: bool) -> None:
    outcome = passed(Look(check=found), pin("apply: destroy_allowed"))
    assert [advice.type for advice in outcome.live.advice] == (["destroy_allowed"] if told else [])


def test_a_file_in_no_repository_must_name_one() -> None:
    outcome = passed(Look(), pin(repository=""))
    assert outcome.condition is Condition.STALLED
    assert "add repository" in outcome.reason


@pytest.mark.parametrize(
    ("planned", "drift"),
    [
        (CREATED, Drift("aws_ecs_cluster.main", "not there", "created")),
        (GONE, Drift("aws_ecs_cluster.old", "there", "destroyed")),
        (ANEW, Drift("aws_ecs_cluster.new", "there", "destroyed and made anew")),
        (replace(ANEW, actions=("create", "delete")), Drift("aws_ecs_cluster.new", "there", "destroyed and made anew")),
        (change("a.b", "update", fields=("input", "tags")), Drift("a.b", "there", "changed (input, tags)")),
        (change("a.b", "import", imported_as="i-1"), Drift("a.b", "i-1, not in the state", "imported")),
        (
            change("a.b", "update", fields=("tags",), imported_as="i-1"),
            Drift("a.b", "i-1, not in the state", "imported and changed (tags)"),
        ),
        (change("a.b", "forget"), Drift("a.b", "in the state", "no longer managed")),
        (change("a.b", "move"), Drift("a.b", "under another address", "moved")),
    ],
)
def test_every_planned_change_is_a_field_that_differs(planned: PlannedChange, drift: Drift) -> None:
    outcome = passed(Look(check=check(planned)), pin("apply: never"))
    assert outcome.drifts == (drift,)


def test_outputs_alone_differ_without_their_values() -> None:
    outcome = passed(Look(check=check(differs=True, outputs_changed=True)), pin("apply: never"))
    assert outcome.drifts == (Drift("outputs", "as they were", "as the commit says"),)


def test_a_state_that_is_only_older_is_brought_up_to_date() -> None:
    outcome = passed(Look(check=check(differs=True)), pin("apply: never"))
    assert outcome.drifts == (Drift("state", "older than what is live", "brought up to date"),)


def test_the_very_plan_is_applied_and_another_plan_is_another_request() -> None:
    workshop, planned = FakeWorkshop(), check(CREATED)
    outcome = passed(Look(check=planned), workshop=workshop)
    assert workshop.asked[-1] == ("apply", ("shop", "network"), "d")
    one = outcome.changes[0]
    assert isinstance(one, ApplyTerraform)
    assert (one.check, one.verb) == (planned, "apply_terraform")
    assert one.asks != replace(one, check=replace(planned, digest="e")).asks


def test_a_newer_commit_stops_an_apply_before_it_begins() -> None:
    workshop = FakeWorkshop(Look(check=check(CREATED)))
    connection = Connection(Place("us-east-1"))

    def guard() -> None:
        raise Superseded("commit 1234567 has arrived")

    connection.guard = guard
    outcome = reconcile(InfrastructureReconciler(connection, workshop), pin(), lambda _: None)
    assert outcome.reason == "commit 1234567 has arrived"
    assert [asked for asked in workshop.asked if asked[0] == "apply"] == []


@pytest.mark.parametrize(
    ("pinned", "lock"),
    [
        (pin(), True),
        (pin("apply: destroy_allowed"), True),
        (pin("apply: never"), False),
        (pin(mode="observe"), False),
    ],
)
def test_what_may_not_be_written_is_looked_at_without_the_lock(pinned: InfrastructurePin, lock: bool) -> None:
    workshop = FakeWorkshop()
    passed(Look(check=check()), pinned, workshop)
    assert workshop.asked == [(COMMIT, 900, lock)]


def test_a_plan_that_touches_what_the_file_pins_is_never_applied() -> None:
    services = "services:\n  api: {cluster: main, service: shop-api, task_revision: 12}\n"
    touched = change("aws_ecs_service.api", "update", fields=("task_definition",), name="shop-api", cluster="main")
    outcome = passed(Look(check=check(touched, CREATED)), pin("apply: destroy_allowed", more=services))
    assert outcome.condition is Condition.STALLED
    for part in ("aws_ecs_service.api", "services.api", "lifecycle { ignore_changes = [task_definition] }"):
        assert part in outcome.reason
    assert outcome.attempts == ()
    reported = passed(Look(check=check(touched)), pin("apply: never", more=services))
    assert reported.condition is Condition.DRIFTED


def test_what_was_changed_outside_and_what_terraform_warns_of_is_told() -> None:
    warned = check(CREATED, drifted=("a.b",), warnings=("Deprecated attribute",))
    outcome = passed(Look(check=warned), pin("apply: never"))
    told = {advice.type: advice.message for advice in outcome.live.advice}
    assert told == {
        "changed_outside": "changed outside terraform since its last apply: a.b",
        "terraform_warning": "Deprecated attribute",
    }


def test_a_warning_about_targets_that_the_file_names_is_none() -> None:
    warned = check(warnings=("Resource targeting is in effect", "Applied changes may be incomplete", "Another"))
    outcome = passed(Look(check=warned), pin("targets: [aws_ecs_cluster.main]"))
    assert [advice.message for advice in outcome.live.advice] == ["Another"]


def test_a_person_who_asks_again_reaches_the_entry() -> None:
    workshop = FakeWorkshop()
    InfrastructureReconciler(Connection(Place("us-east-1")), workshop).renew(pin())
    assert workshop.asked == [("renew", ("shop", "network"))]
