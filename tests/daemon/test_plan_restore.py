"""What a plan says of a restore: every stage of it, what no revert takes back, and what could be committed first."""

import json
import textwrap
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from daemon import plan
from daemon.entry import Entry
from daemon.refusals import PLANNED
from daemon.status import EnvironmentStatus
from daemon.tracked import Tracked
from desired_state.parse import parse
from reconcilers.contract import Condition, Refusal
from reconcilers.database import DatabasePin, DatabaseReconciler
from reconcilers.reconcile import reconcile
from tests.daemon.fakes import Time
from tests.daemon.test_plan import bare, environment, resource, text
from tests.reconcilers.fake_aws import SECRET, Fakes
from tests.reconcilers.rds_world import (
    ASKED,
    DATA,
    DOMAIN,
    FROM,
    LIKE,
    NAME,
    PASSWORD,
    SNAPSHOT,
    TAKEN,
    V1,
    V2,
    VERIFIED,
    ago,
)

HEAD = "version: 1\nenvironment: production\naws: {region: us-east-1}\n"
SERVICES = "services:\n  api: {cluster: c, service: api, databases: [postgres]}\n  web: {cluster: c, service: web}\n"
BEFORE = f"databases:\n  postgres: {{secret: {SECRET}, endpoint: {LIKE}.{DOMAIN}}}\n"
RESTORE = (
    f"databases:\n  postgres:\n    secret: {SECRET}\n"
    f'    restore: {{snapshot: "{SNAPSHOT}", instance: {NAME}, like: {LIKE}, instance_class: db.r7g.large}}\n'
)
DNS = "    dns: {zone: Z0123456789, record: db.example.internal}\n"
STAYS = "LOSES what was written since 2024-02-24 03:00:00Z; STAYS after a revert, and costs money until it is deleted"
KNOWN = {FROM: SNAPSHOT, ASKED: ago(10), DATA: TAKEN.isoformat(), PASSWORD: V2}
OLD, NEW = f"{LIKE}.{DOMAIN}", f"{NAME}.{DOMAIN}"
LEAVES = f"LEAVES BEHIND what was written to {OLD}"


@pytest.fixture
def aws() -> Fakes:
    """The database in use, a snapshot of it, a name that leads to it, and another that was restored before."""
    fakes = Fakes()
    text = json.dumps({"username": "postgres", "password": "hunter22", "host": OLD, "port": 5432})
    fakes.secret.put(V1, text, TAKEN)
    fakes.secret.put(V2, text, TAKEN)
    fakes.aws_rds.add(
        LIKE,
        DBInstanceClass="db.t4g.medium",
        DBSubnetGroup={"DBSubnetGroupName": "private"},
        VpcSecurityGroups=[{"VpcSecurityGroupId": "sg-0123456789abcdef0"}],
        DBParameterGroups=[{"DBParameterGroupName": "tuned", "ParameterApplyStatus": "in-sync"}],
        MultiAZ=True,
        EnabledCloudwatchLogsExports=["upgrade", "postgresql"],
        PreferredMaintenanceWindow="sun:04:00-sun:04:30",
        TagList=[{"Key": "team", "Value": "yes"}, {"Key": "owner", "Value": "Zo\u00eb: 1.20"}],
    )
    fakes.aws_rds.add("earlier", tags={ASKED: "2024-02-24T02:48:00+00:00"})
    snapshot = {"Status": "available", "SnapshotCreateTime": TAKEN, "AllocatedStorage": 20}
    fakes.aws_rds.snapshots[SNAPSHOT] = {"DBSnapshotIdentifier": SNAPSHOT, "MasterUsername": "postgres", **snapshot}
    led = {"Name": "db.example.internal.", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": OLD}]}
    fakes.clients["route53"] = SimpleNamespace(list_resource_record_sets=lambda **_: {"ResourceRecordSets": [led]})
    return fakes


def planned(aws: Fakes, databases: str, before: str = BEFORE, running: str = "") -> EnvironmentStatus:
    """What `trueup plan` knows of the environment."""
    now = parse((HEAD + SERVICES + databases).encode(), "p.yaml")
    standstill: Any = SimpleNamespace(waits_for=lambda _: running)
    reconciler = DatabaseReconciler(aws.connection, aws.secrets, aws.rds, aws.switches, standstill)
    database = now.databases["postgres"]
    pin = DatabasePin("postgres", database, tuple(("c", each) for each in database.quiesce))
    tracked = Tracked(Entry("database", "postgres", lambda *_: outcome), Time().clock)
    outcome = reconcile(reconciler, pin, lambda _: Refusal(Condition.DRIFTED, PLANNED))
    tracked.take(outcome)
    assert tracked.status is not None
    status = environment(tracked.status, resource("api"), resource("web"))
    return plan.annotated(status, now, parse((HEAD + SERVICES + before).encode(), "p.yaml"), {"api": 95.0})


def lines(status: EnvironmentStatus) -> list[str]:
    return [line.strip() for line in text(status).splitlines()[1:-2]]


def settings(status: EnvironmentStatus) -> str:
    """What the new instance gets, as it is printed for the file."""
    shown = text(status).partition("to fix in the file what the new instance gets:\n")[2].partition("\n\n")[0]
    return "\n".join(line.removeprefix("    ") for line in shown.splitlines())


# --- before anything is made


def test_the_whole_future_of_a_restore_in_the_order_in_which_it_comes(aws: Fakes) -> None:
    status = planned(aws, RESTORE + DNS + "    quiesce: [api]\n")
    assert lines(status) == [
        f"database postgres: restore instance: absent → {NAME}, restored from {SNAPSHOT} (the last one took 12 min)"
        f"  {STAYS}",
        f"database postgres: then publish endpoint: {OLD}:5432 → the endpoint of {NAME}",
        f"database postgres: then point name dns db.example.internal: {OLD} → the endpoint of {NAME} "
        "(some remember the old one for 60 s more)",
        "database postgres: no earlier version of the file leads db.example.internal; for a revert to lead it back, "
        f"first commit dns with the endpoint that it leads to now: {OLD}",
        "service api: all its tasks are replaced once the secret of database postgres has changed; "
        "the last rollout took 90 s",
        "service api: its tasks stop once the new database is ready, and come back when the secret of postgres "
        "names it",
        "in sync: service web",
        "database postgres: to fix in the file what the new instance gets:",
        *map(str.strip, settings(status).splitlines()),
    ]
    assert text(status).splitlines()[-1] == "Plan: 1 change in 1 resource, 2 steps to follow; nothing was written."
    assert plan.exit_code([status], []) == 2


def test_a_terminal_gets_every_stage_and_says_loudly_what_stays(aws: Fakes) -> None:
    shown = bare(text(planned(aws, RESTORE + DNS), terminal=True))
    assert max(map(len, shown.splitlines())) <= 80
    words = " ".join(shown.split())
    for said in ("STAYS after a revert", "the last one took 12 min", "then publish", "then point name"):
        assert said in words
    assert "\x1b[1;37;41m" in text(planned(aws, RESTORE), terminal=True)


def test_json_carries_every_stage(aws: Fakes) -> None:
    shown = json.loads(plan.as_json([planned(aws, RESTORE + DNS)], []))
    database = shown["environments"][0]["resources"][0]
    drift = {"field": "instance", "live": "absent", "desired": f"{NAME}, restored from {SNAPSHOT}"}
    assert database["changes"] == [
        {"verb": "restore", "drift": [drift], "effect": STAYS, "takes": "the last one took 12 min"}
    ]
    assert yaml.safe_load(database["settings"])["restore"]["multi_az"] is True
    assert database["ahead"] == [
        {
            "verb": "publish",
            "field": "endpoint",
            "live": f"{OLD}:5432",
            "desired": f"the endpoint of {NAME}",
            "takes": None,
        },
        {
            "verb": "point_name",
            "field": "dns db.example.internal",
            "live": OLD,
            "desired": f"the endpoint of {NAME}",
            "takes": "some remember the old one for 60 s more",
        },
    ]
    assert [each["field"] for each in database["drift"]] == ["instance", "endpoint", "dns db.example.internal"]
    assert (shown["result"], database["condition"]) == ("drift", "drifted")


def test_markdown_carries_every_stage(aws: Fakes) -> None:
    shown = plan.as_markdown([planned(aws, RESTORE + DNS)], [])
    row = (
        f"| `database postgres` | drifted | **{STAYS}** restore, publish, point name "
        "| `instance`, `endpoint`, `dns db.example.internal` |"
    )
    assert row in shown.splitlines()
    block = shown.partition("```diff\n")[2].partition("\n```")[0].splitlines()
    assert block == [
        "- instance: absent",
        f"+ instance: {NAME}, restored from {SNAPSHOT}",
        "  the last one took 12 min",
        f"- endpoint: {OLD}:5432",
        f"+ endpoint: the endpoint of {NAME}",
        f"- dns db.example.internal: {OLD}",
        f"+ dns db.example.internal: the endpoint of {NAME}",
        "  some remember the old one for 60 s more",
    ]


def test_the_settings_that_it_gets_can_be_committed_in_the_place_of_like(aws: Fakes) -> None:
    status = planned(aws, RESTORE)
    written = settings(status)
    assert f"```yaml\n{written}\n```" in plan.as_markdown([status], [])
    inner = textwrap.indent(f'{written}\n  snapshot: "{SNAPSHOT}"\n  instance: {NAME}', "    ")
    file = parse(f"{HEAD}databases:\n  db:\n    secret: s\n{inner}\n".encode(), "p.yaml")
    committed = file.databases["db"].restore
    assert committed is not None
    said = committed.model_dump(exclude_none=True)
    assert said == {
        "snapshot": SNAPSHOT,
        "instance": NAME,
        "instance_class": "db.r7g.large",
        "subnet_group": "private",
        "security_groups": ("sg-0123456789abcdef0",),
        "parameter_group": "tuned",
        "multi_az": True,
        "port": 5432,
        "log_exports": ("postgresql", "upgrade"),
        "backup_retention_days": 7,
        "maintenance_window": "sun:04:00-sun:04:30",
        "tags": {"team": "yes", "owner": "Zo\u00eb: 1.20"},
    }


def test_the_first_restore_of_all_is_no_first_pin_of_an_endpoint_that_was_pinned(aws: Fakes) -> None:
    assert planned(aws, RESTORE).resources[0].advice == ()
    first = planned(aws, RESTORE, before=f"databases: {{postgres: {{secret: {SECRET}}}}}\n").resources[0]
    assert [each.message for each in first.advice if each.type == "first_pin"] == [
        "no earlier version of the file pins this; for a revert to lead back, first commit "
        f"databases.postgres.endpoint: {OLD}:5432"
    ]


def test_a_name_that_an_earlier_version_led_is_no_first_pin(aws: Fakes) -> None:
    before = BEFORE.replace("}\n", ", dns: {zone: Z0123456789, record: db.example.internal}}\n")
    assert planned(aws, RESTORE + DNS, before=before).resources[0].advice == ()


def test_a_service_that_names_no_database_is_not_restarted(aws: Fakes) -> None:
    assert planned(aws, RESTORE).resources[2].advice == ()


# --- on the way


def stage(aws: Fakes, status: str = "creating", databases: str = RESTORE, **more: Any) -> EnvironmentStatus:
    tags = {**KNOWN, **more.pop("tags", {})}
    like = aws.aws_rds.instances[LIKE]
    groups = {name: like[name] for name in ("DBSubnetGroup", "VpcSecurityGroups", "DBParameterGroups", "MultiAZ")}
    running = more.pop("running", "")
    class_ = {"DBInstanceClass": "db.r7g.large", "Endpoint": {"Address": NEW, "Port": 5432}}
    aws.aws_rds.add(NAME, tags=tags, DBInstanceStatus=status, **{**groups, **class_, **more})
    return planned(aws, databases, running=running)


def test_while_it_is_created_the_rest_is_still_ahead(aws: Fakes) -> None:
    status = stage(aws, Endpoint={})
    assert lines(status)[:2] == [
        f"database postgres: then publish endpoint: {OLD}:5432 → the endpoint of {NAME}",
        f"database postgres: progressing: RDS is creating {NAME} from {SNAPSHOT}, for 10 min so far; "
        "10 to 15 min is usual",
    ]
    assert text(status).splitlines()[-1] == (
        "Plan: no changes, 1 step to follow, 1 resource in progress; nothing was written."
    )
    shown = plan.as_markdown([status], [])
    assert "| `database postgres` | progressing | publish | `endpoint` |" in shown
    assert f"`database postgres` is progressing: `RDS is creating {NAME}" in shown


def test_what_blocks_it_is_said_and_nothing_is_promised(aws: Fakes) -> None:
    status = stage(aws, "incompatible-network")
    assert (plan.exit_code([status], []), status.resources[0].condition) == (1, Condition.STALLED)
    assert "its subnets or addresses do not suffice; or restore again under a new name" in lines(status)[0]
    assert "publish" not in text(status)
    assert status.resources[1].advice == ()  # its tasks are replaced by nothing


def test_once_it_is_ready_the_secret_and_the_name_are_plain_changes(aws: Fakes) -> None:
    status = stage(aws, "backing-up", RESTORE + DNS)
    assert lines(status)[:2] == [
        f"database postgres: publish endpoint: {OLD}:5432 → {NEW}:5432  {LEAVES}",
        f"database postgres: point name dns db.example.internal: {OLD} → {NEW}",
    ]
    assert text(status).splitlines()[-1] == "Plan: 2 changes in 1 resource; nothing was written."


@pytest.mark.parametrize("running", ["", "api (2 running)"])
def test_a_move_that_waits_for_services_is_planned_like_any_other(aws: Fakes, running: str) -> None:
    status = stage(aws, "available", RESTORE + DNS + "    quiesce: [api]\n", running=running)
    assert lines(status)[:2] == [
        f"database postgres: publish endpoint: {OLD}:5432 → {NEW}:5432  {LEAVES}",
        f"database postgres: point name dns db.example.internal: {OLD} → {NEW}",
    ]
    assert "service api: its tasks stop once the new database is ready" in text(status)
    assert (plan.exit_code([status], []), status.resources[0].reason) == (2, PLANNED)


def test_who_is_quiesced_goes_on_where_the_host_stays(aws: Fakes) -> None:
    status = planned(aws, f'databases: {{postgres: {{secret: {SECRET}, endpoint: "{OLD}:5433", quiesce: [api]}}}}\n')
    assert [each.type for each in status.resources[1].advice] == ["restart_follows"]
    assert "LEAVES BEHIND" not in text(status)


def test_a_new_name_alone_replaces_no_task(aws: Fakes) -> None:
    led = BEFORE.replace("}\n", ", dns: {zone: Z0123456789, record: other.example.internal}, quiesce: [api]}\n")
    status = planned(aws, led)
    assert [change.verb for change in status.resources[0].changes] == ["point_name"]
    assert status.resources[1].advice == ()


def test_once_it_is_in_use_nothing_of_it_is_left(aws: Fakes) -> None:
    aws.secret.texts[V2] = json.dumps({"host": NEW, "port": 5432})
    status = stage(aws, "available", tags={VERIFIED: ago(1)})
    assert lines(status) == ["in sync: database postgres, service api, service web"]
    assert plan.exit_code([status], []) == 0


def test_backups_that_begin_interrupt_the_database(aws: Fakes) -> None:
    pinned = BEFORE.replace("}\n", ", backups: {retention_days: 7}}\n")
    for days, effect in ((0, "OUTAGE: RDS restarts the database to begin with backups"), (3, None)):
        aws.new_pass()
        aws.aws_rds.instances[LIKE]["BackupRetentionPeriod"] = days
        shown = json.loads(plan.as_json([planned(aws, pinned)], []))
        (change,) = shown["environments"][0]["resources"][0]["changes"]
        assert (change["verb"], change["effect"]) == ("keep_backups", effect)
        assert change["drift"] == [{"field": "backups", "live": f"{days} days", "desired": "7 days"}]


def test_an_earlier_version_is_a_first_pin_that_says_what_is_live(aws: Fakes) -> None:
    aws.secret.texts[V1] = json.dumps({"host": OLD, "port": 5432, "password": "hunter21"})
    pinned = BEFORE.replace("}\n", f', secret_version: "{V1}"}}\n')
    database = planned(aws, pinned).resources[0]
    assert [(each.field, each.live, each.desired) for each in database.drifts] == [("secret_version", V2, V1)]
    assert [each.message for each in database.advice] == [
        "no earlier version of the file pins this; for a revert to lead back, first commit "
        f"databases.postgres.secret_version: {V2}"
    ]


# --- no plan shows a password


@pytest.mark.parametrize("databases", [RESTORE + DNS, BEFORE, BEFORE.replace("}\n", f', secret_version: "{V1}"}}\n')])
def test_no_plan_shows_a_password(aws: Fakes, databases: str) -> None:
    aws.secret.texts[V1] = json.dumps({"username": "postgres", "password": "hunter21", "host": "first"})
    status = planned(aws, databases)
    for shown in (text(status), plan.as_json([status], []), plan.as_markdown([status], []), repr(status)):
        assert "hunter2" not in shown


def test_hostile_tags_of_an_instance_leave_their_code_nowhere(aws: Fakes) -> None:
    aws.aws_rds.instances[LIKE]["TagList"] = [{"Key": "x", "Value": "\x1b[2J``` @all </details> password=hunter22"}]
    status = planned(aws, RESTORE)
    for shown in (text(status), plan.as_json([status], []), plan.as_markdown([status], [])):
        assert "\x1b" not in shown
        assert "hunter22" not in shown
