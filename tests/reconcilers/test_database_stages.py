"""How the instance, the secret and the name follow each other, and what holds them up."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from desired_state.model import Database, Endpoint
from reconcilers.contract import Absent, Condition, Gate, Observation, Outcome, Refusal, Stalled
from reconcilers.database import DatabasePin, DatabaseReconciler, LiveDatabase
from reconcilers.dns import Record
from reconcilers.publishing import Publish
from reconcilers.rds_changes import MarkVerified, Reboot
from reconcilers.reconcile import reconcile
from reconcilers.secret_text import Address
from tests.reconcilers.fake_aws import ARN, SECRET, Fakes, refused
from tests.reconcilers.rds_world import DATA, DOMAIN, FROM, LIKE, NAME, NOW, SNAPSHOT, TAKEN, V1, V2, V3, restore

OLD, NEW = f"{LIKE}.{DOMAIN}", f"{NAME}.{DOMAIN}"
DNS = {"zone": "Z0123456789", "record": "db.example.internal"}
KEYS = (("c", "api"), ("c", "worker"))


def holding(host: str, password: str = "hunter2") -> str:
    return json.dumps({"username": "app", "password": password, "host": host, "port": 5432})


class Stage:
    """A database of which the secret points at the old instance; services that run, or do not."""

    def __init__(self) -> None:
        self.aws = Fakes()
        self.aws.secret.put(V1, holding("first"), TAKEN)
        self.aws.secret.put(V2, holding(OLD), TAKEN)
        self.aws.aws_rds.add(LIKE)
        self.running = ""
        self.asked: list[Any] = []
        self.led = [self.cname(OLD)]
        names = SimpleNamespace(list_resource_record_sets=lambda **_: {"ResourceRecordSets": self.led})
        self.aws.clients["route53"] = names
        standstill: Any = SimpleNamespace(waits_for=self._waits_for)
        self.reconciler = DatabaseReconciler(
            self.aws.connection, self.aws.secrets, self.aws.rds, self.aws.switches, standstill
        )

    def _waits_for(self, keys: Any) -> str:
        self.asked.append(keys)
        return self.running

    @staticmethod
    def cname(host: str) -> dict[str, Any]:
        return {"Name": f"{DNS['record']}.", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": host}]}

    def look(self, quiesced: Any = (), **more: Any) -> tuple[LiveDatabase, list[str]]:
        self.aws.new_pass()
        pin = DatabasePin("postgres", Database(secret=SECRET, **more), quiesced)
        live = self.reconciler.observe(pin)
        return live, [change.verb for change in self.reconciler.diff(pin, live)]

    def pass_over(self, gate: Gate = lambda _: None, **more: Any) -> Outcome:
        self.aws.new_pass()
        return reconcile(self.reconciler, DatabasePin("postgres", Database(secret=SECRET, **more), KEYS), gate)


@pytest.fixture
def stage() -> Iterator[Stage]:
    return Stage()


# --- services that stand still first


def test_while_services_run_nothing_is_written_and_what_will_be_is_said(stage: Stage) -> None:
    stage.running = "api (2 running)"
    outcome = stage.pass_over(endpoint="new.example:6", dns=DNS)
    assert outcome.condition is Condition.PROGRESSING
    assert outcome.reason == "waits until no task of these services runs: api (2 running)"
    assert outcome.attempts == ()
    assert [(change.verb, d.field, d.live, d.desired) for change in outcome.changes for d in change.drifts] == [
        ("publish", "endpoint", f"{OLD}:5432", "new.example:6"),
        ("point_name", "dns db.example.internal", OLD, "new.example"),
    ]
    assert isinstance(outcome.live, LiveDatabase)
    assert (outcome.live.still, outcome.live.settling, outcome.live.ahead, outcome.live.pace) == (True, "", (), 3.0)
    assert stage.asked == [KEYS]


def test_who_may_not_write_is_told_so_whether_services_run_or_not(stage: Stage) -> None:
    for stage.running in ("", "api (2 running)"):
        outcome = stage.pass_over(lambda _: Refusal(Condition.DRIFTED, "observed only"), endpoint="new.example:6")
        assert (outcome.condition, outcome.reason) == (Condition.DRIFTED, "observed only")


@pytest.mark.parametrize("error", [Stalled("held"), refused("AccessDenied"), refused("Throttling")])
def test_services_of_which_nothing_is_known_are_not_told_to_stop(stage: Stage, error: Exception) -> None:
    def unknown(_: Any) -> str:
        raise error

    stage.reconciler._standstill = SimpleNamespace(waits_for=unknown)
    outcome = stage.pass_over(endpoint="new.example:6")
    assert (outcome.live, outcome.error, outcome.attempts) == (None, error, ())


def test_once_they_stand_still_all_of_it_is_written(stage: Stage) -> None:
    live, verbs = stage.look(KEYS, endpoint="new.example:6", dns=DNS)
    assert (verbs, live.still, live.waiting, live.settling, live.ahead) == (["publish", "point_name"], True, "", "", ())


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="nothing is pinned"),
        pytest.param({"endpoint": OLD}, id="nothing to do"),
        pytest.param({"endpoint": OLD.upper()}, id="the same host in capitals"),
        pytest.param({"endpoint": f"{OLD}:5433"}, id="only a port"),
        pytest.param({"secret_version": V2}, id="the version that is current"),
        pytest.param({"restore": restore(instance="other", snapshot=SNAPSHOT)}, id="not there yet"),
    ],
)
def test_services_are_not_even_looked_at_where_nothing_moves(stage: Stage, more: dict[str, Any]) -> None:
    stage.aws.aws_rds.snapshots[SNAPSHOT] = {"DBSnapshotIdentifier": SNAPSHOT, "Status": "creating"}
    stage.running = "api (2 running)"
    live, _ = stage.look(KEYS, **more)
    assert (stage.asked, live.still, live.waiting) == ([], False, "")


def test_without_services_to_wait_for_none_are_looked_at(stage: Stage) -> None:
    live, verbs = stage.look(endpoint="new.example:6")
    assert (verbs, live.still, stage.asked) == (["publish"], False, [])


def test_an_earlier_version_waits_as_well_where_it_moves(stage: Stage) -> None:
    stage.running = "api (2 running)"
    outcome = stage.pass_over(secret_version=V1)
    assert (outcome.condition, outcome.attempts) == (Condition.PROGRESSING, ())
    assert [(d.field, d.live, d.desired) for d in outcome.drifts] == [("secret_version", V2, V1)]
    assert outcome.reason.startswith("waits until no task")


def test_what_is_about_to_be_written_is_not_ahead_as_well(stage: Stage) -> None:
    live, verbs = stage.look(secret_version=V1)
    assert (verbs, live.ahead) == (["publish"], ())


# --- the instance first


def test_a_step_of_the_instance_comes_alone_and_the_rest_is_ahead(stage: Stage) -> None:
    stage.aws.aws_rds.snapshots[SNAPSHOT] = {
        "DBSnapshotIdentifier": SNAPSHOT,
        "Status": "available",
        "SnapshotCreateTime": TAKEN,
    }
    live, verbs = stage.look(KEYS, restore=restore(), dns=DNS)
    assert verbs == ["restore"]
    assert [(step.verb, step.drift.desired) for step in live.ahead] == [
        ("publish", f"the endpoint of {NAME}"),
        ("point_name", f"the endpoint of {NAME}"),
    ]
    assert live.ahead[1].drift.live == OLD
    assert live.ahead[1].takes == "some remember the old one for 60 s more"
    stage.led = []
    nowhere = stage.look(KEYS, restore=restore(), dns=DNS)[0].ahead[1]
    assert (nowhere.drift.live, nowhere.takes) == ("absent", "")


def test_a_restored_instance_is_published_and_then_completed(stage: Stage) -> None:
    stage.aws.aws_rds.add(NAME, tags={FROM: SNAPSHOT, DATA: TAKEN.isoformat()}, MultiAZ=False)
    stage.aws.aws_rds.instances[LIKE]["MultiAZ"] = True
    assert stage.look(restore=restore())[1] == ["publish"]
    stage.aws.secret.put(V3, holding(NEW), NOW)
    assert stage.look(restore=restore())[1] == ["complete_settings"]
    stage.aws.aws_rds.instances[NAME]["MultiAZ"] = True
    assert stage.look(restore=restore())[1] == ["mark_verified"]


def test_a_secret_that_cannot_be_written_blocks_a_restore_from_the_start(stage: Stage) -> None:
    stage.aws.secret.stages[V3] = ["AWSPENDING"]
    stage.aws.aws_rds.snapshots[SNAPSHOT] = {"DBSnapshotIdentifier": SNAPSHOT, "Status": "available"}
    live, verbs = stage.look(restore=restore())
    assert verbs == ["restore"]
    assert "is being rotated" in live.blocked


@pytest.mark.parametrize(
    ("endpoint", "blocked", "advice"),
    [
        pytest.param("new.example:6", True, [], id="that has to be written"),
        pytest.param(OLD, False, ["secret_not_writable"], id="that has not"),
    ],
)
def test_a_secret_in_rotation(stage: Stage, endpoint: str, blocked: bool, advice: list[str]) -> None:
    stage.aws.secret.stages[V3] = ["AWSPENDING"]
    live, _ = stage.look(KEYS, endpoint=endpoint)
    assert (bool(live.blocked), [each.type for each in live.advice]) == (blocked, advice)
    assert (stage.asked, live.still) == ([], False)


def test_what_the_name_is_is_part_of_what_is_observed(stage: Stage) -> None:
    stage.led = [{**stage.cname(OLD), "Type": "A"}]
    with pytest.raises(Stalled, match="is not one plain CNAME"):
        stage.look(endpoint="new.example:6", dns=DNS)


# --- the name


def test_a_name_that_is_not_there_yet_is_made(stage: Stage) -> None:
    stage.running, stage.led = "api (1 running)", []
    outcome = stage.pass_over(endpoint="new.example:6", dns=DNS)
    assert [(d.field, d.live, d.desired) for d in outcome.drifts[1:]] == [
        ("dns db.example.internal", "absent", "new.example")
    ]


def test_a_name_that_leads_there_already_is_left_as_it_is(stage: Stage) -> None:
    stage.running, stage.led = "api (1 running)", [stage.cname("NEW.example.")]
    assert stage.look(KEYS, endpoint="new.example:6", dns=DNS)[1] == ["publish"]


# --- backups of the instance in use


@pytest.mark.parametrize(
    ("kept", "wanted", "status", "verbs"),
    [
        pytest.param(7, 7, "available", [], id="as long as asked"),
        pytest.param(14, 7, "available", [], id="longer"),
        pytest.param(3, 7, "available", ["keep_backups"], id="shorter"),
        pytest.param(0, 1, "available", ["keep_backups"], id="none"),
        pytest.param(3, 7, "backing-up", [], id="shorter, and busy"),
        pytest.param(3, 7, "modifying", [], id="being changed"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"endpoint": OLD}])
def test_backups_are_kept_as_long_as_asked(
    stage: Stage, kept: int, wanted: int, status: str, verbs: list[str], more: dict[str, Any]
) -> None:
    stage.aws.aws_rds.instances[LIKE] |= {"BackupRetentionPeriod": kept, "DBInstanceStatus": status}
    live, made = stage.look(backups={"retention_days": wanted}, **more)
    assert made == verbs
    if verbs:
        drift = live.later[0].drifts[0]
        assert (drift.field, drift.live, drift.desired) == ("backups", f"{kept} days", f"{wanted} days")


def test_backups_wait_until_the_secret_is_written(stage: Stage) -> None:
    stage.aws.aws_rds.instances[LIKE]["BackupRetentionPeriod"] = 3
    live, verbs = stage.look(backups={"retention_days": 7}, endpoint="new.example:6")
    assert (verbs, [change.verb for change in live.later]) == (["publish"], ["keep_backups"])


def test_a_database_that_is_no_instance_of_ours_has_no_backups_to_compare(stage: Stage) -> None:
    stage.aws.secret.put(V3, holding("elsewhere.example"), NOW)
    live, verbs = stage.look(backups={"retention_days": 7})
    assert (verbs, [each.type for each in live.advice]) == ([], ["backups_not_compared"])
    assert "listens at elsewhere.example" in live.advice[0].message


def test_without_pinned_backups_instances_are_not_read(stage: Stage) -> None:
    stage.look(endpoint=OLD)
    assert stage.aws.calls == {"DescribeSecret": 1, "ListSecretVersionIds": 1, "GetSecretValue": 1}


# --- the order, and what is forgotten


def live(**more: Any) -> LiveDatabase:
    return LiveDatabase(secret=ARN, version=V2, addresses=(Address(OLD, 5432),), **more)


def diffed(found: LiveDatabase, **more: Any) -> list[Any]:
    return list(DatabaseReconciler.diff(DatabasePin("postgres", Database(secret=SECRET, **more)), found))


def test_what_nobody_waits_for_comes_last_of_all() -> None:
    aside = (MarkVerified(),)
    assert diffed(live(later=aside)) == [MarkVerified()]
    assert diffed(live(later=aside, steps=(Reboot(),))) == [Reboot()]
    moved = diffed(live(later=aside, goal=Endpoint(host=NEW)))
    assert [change.verb for change in moved] == ["publish"]


def test_a_value_is_put_with_the_pinned_endpoint_and_otherwise_as_it_is() -> None:
    (whole,) = diffed(live(renewed=True), secret_version=V1)
    assert isinstance(whole, Publish)
    assert (whole.version, whole.endpoint, whole.value) == (V2, None, V1)
    (at,) = diffed(live(renewed=True, goal=Endpoint(host=NEW, port=6)), secret_version=V1)
    assert isinstance(at, Publish)
    assert (at.endpoint, at.value) == (Endpoint(host=NEW, port=6), V1)
    assert [(d.field, d.live, d.desired) for d in at.drifts] == [
        ("secret_version", V2, V1),
        ("endpoint", f"{OLD}:5432", f"{NEW}:6"),
    ]


def test_a_name_without_a_goal_is_left_alone() -> None:
    assert diffed(live(record=Record("Z", "old"))) == []


def refuse(_: str) -> Any:
    raise refused("AccessDenied")


def test_after_a_write_that_failed_the_database_is_looked_at_anew(stage: Stage) -> None:
    pin = DatabasePin("postgres", Database(secret=SECRET, restore=restore()))
    stage.aws.aws_rds.add(NAME, tags={FROM: SNAPSHOT})
    before = stage.aws.switches.of(pin.database)
    stage.aws.connection.writing = refuse
    with pytest.raises(ClientError):
        stage.reconciler.apply(pin, Reboot())
    assert stage.aws.switches.of(pin.database) is not before


@pytest.mark.parametrize("error", [refused("AccessDenied"), Absent("gone"), OSError("no answer")])
def test_what_cannot_be_read_is_not_observed(stage: Stage, error: Exception) -> None:
    stage.aws.secret.errors[V2] = error
    with pytest.raises(type(error)):
        stage.look(endpoint="new.example:6")


def test_what_is_observed_carries_no_password(stage: Stage) -> None:
    found: Observation = stage.look(endpoint="new.example:6", dns=DNS)[0]
    assert "hunter2" not in repr(found)
