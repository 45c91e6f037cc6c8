"""Whether a plan touches what the file pins: as a table of plans, as terraform writes them, and of files."""

from __future__ import annotations

import json

import pytest

from desired_state.parse import parse
from reconcilers.terraform_owners import Contest, contests
from reconcilers.terraform_plan import PlannedChange, read_plan

HEAD = "version: 1\nenvironment: shop\naws: {region: us-east-1}\n"
API = "services:\n  api: {cluster: main, service: shop-api, %s}\n"
DB = "databases:\n  db: {secret: shop/db, %s}\n"
HOST = "shop-db.abc123.us-east-1.rds.amazonaws.com"
RESTORE = "restore: {snapshot: s, instance: shop-db-2, like: shop-db}"
PAGE = "maintenance: {enabled: %s, load_balancer: shop-alb, %s}\n"
DEFAULT = "strategy: default_action, target_group: shop"
ARN = "arn:aws:%s:us-east-1:123456789012:%s"
ALB = ARN % ("elasticloadbalancing", "loadbalancer/app/shop-alb/50dc6c495c0c9188")
LISTENER = ARN % ("elasticloadbalancing", "listener/app/shop-alb/50dc6c495c0c9188/f2f7dc8efc522ab2")
SERVICE = {"name": "shop-api", "cluster": ARN % ("ecs", "cluster/main"), "task_definition": "api:1", "desired_count": 2}
TARGET = {"resource_id": "service/main/shop-api", "suspended_state": []}
KEPT = "aws_secretsmanager_secret_version"
VERSION = {"secret_id": ARN % ("secretsmanager", "secret:shop/db-AbC1d2"), "secret_string": "x"}
INSTANCE = {"identifier": "shop-db", "tags": None}
RESTORED = {"identifier": "shop-db-2", "tags": {"trueup:restored": "x"}}
ON_443 = {"arn": LISTENER, "load_balancer_arn": ALB, "port": 443, "default_action": [1]}
SHOWN = ON_443 | {"tags": {"trueup:maintenance": "default_action"}}
RULE = {"listener_arn": LISTENER, "priority": 1, "tags": None, "tags_all": {"trueup:maintenance": "rule"}}
NAME = {"name": "DB.shop.internal.", "zone_id": "Z0PRIVATE1", "records": ["a"], "ttl": 60}
LED = f"endpoint: {HOST}, dns: {{zone: %s, record: db.shop.internal%s}}"


def planned(
    kind: str, before: dict | None, after: dict | None, *actions: str, address: str = "", unknown: dict | None = None
) -> tuple[PlannedChange, ...]:
    """One change, read as it is read from terraform."""
    change = {"actions": list(actions), "before": before, "after": after, "after_unknown": unknown or {}}
    about = {"address": address or f"{kind}.x", "mode": "managed", "type": kind, "name": "x", "change": change}
    return read_plan(json.dumps({"resource_changes": [about]}).encode()).changes


def found(text: str, *change: object, **more: object) -> tuple[Contest, ...]:
    return contests(parse((HEAD + text).encode(), "shop.yaml"), planned(*change, **more))


def updated(kind: str, before: dict, **after: object) -> tuple:
    """An update of these fields."""
    return (kind, before, before | after, "update")


def made_anew(kind: str, before: dict, **after: object) -> tuple:
    """A replacement because of these fields."""
    return (kind, before, before | after, "delete", "create")


@pytest.mark.parametrize(
    ("text", "change", "fields"),
    [
        (API % "task_revision: 1", updated("aws_ecs_service", SERVICE, task_definition="api:2"), "task_definition"),
        (API % "image_tag: v1", updated("aws_ecs_service", SERVICE, task_definition="api:2"), "task_definition"),
        (API % "env: {A: b}", updated("aws_ecs_service", SERVICE, task_definition="api:2"), "task_definition"),
        (API % "desired_count: 2", updated("aws_ecs_service", SERVICE, task_definition="api:2"), None),
        (API % "desired_count: 2", updated("aws_ecs_service", SERVICE, desired_count=3), "desired_count"),
        (API % "desired_count: 0", updated("aws_ecs_service", SERVICE, desired_count=3), "desired_count"),
        (API % "task_revision: 1", updated("aws_ecs_service", SERVICE, desired_count=3), None),
        (
            API % "task_revision: 1, desired_count: 2",
            updated("aws_ecs_service", SERVICE, task_definition="api:2", desired_count=3, propagate_tags="SERVICE"),
            "desired_count, task_definition",
        ),
        (API % "desired_count: 0", updated("aws_ecs_service", SERVICE, tags={}), "tags"),
        (API % "desired_count: 1", updated("aws_ecs_service", SERVICE, tags={}), None),
        (
            API % "task_revision: 1",
            updated("aws_ecs_service", SERVICE | {"cluster": "main"}, task_definition="2"),
            "task_definition",
        ),
        (
            API % "task_revision: 1",
            updated("aws_ecs_service", SERVICE | {"cluster": "other"}, task_definition="2"),
            None,
        ),
        (
            API % "task_revision: 1",
            updated("aws_ecs_service", {"name": "shop-api"}, task_definition="2"),
            "task_definition",
        ),
        (API % "task_revision: 1", updated("aws_ecs_service", SERVICE | {"name": "x"}, task_definition="2"), None),
        (API % "restarted_at: 2024-02-24T12:00:00Z", updated("aws_ecs_service", SERVICE, task_definition="2"), None),
        (
            API % "desired_count: 0",
            updated("aws_appautoscaling_target", TARGET, suspended_state=[1]),
            "suspended_state",
        ),
        (API % "desired_count: 1", updated("aws_appautoscaling_target", TARGET, suspended_state=[1]), None),
        (API % "desired_count: 0", made_anew("aws_appautoscaling_target", TARGET, suspended_state=[1]), None),
        (
            API % "desired_count: 0",
            updated(
                "aws_appautoscaling_target", TARGET | {"resource_id": "service/other/shop-api"}, suspended_state=[1]
            ),
            None,
        ),
        (API % "desired_count: 0", updated("aws_appautoscaling_target", TARGET, max_capacity=3), None),
        (DB % f"endpoint: {HOST}", made_anew(KEPT, VERSION, secret_string="y"), "secret_string"),
        (DB % f"endpoint: {HOST}", made_anew(KEPT, VERSION, secret_binary="eQ=="), "secret_binary"),
        (DB % f"endpoint: {HOST}", made_anew(KEPT, VERSION, secret_string_wo_version=2), "secret_string_wo_version"),
        (DB % f"endpoint: {HOST}", updated(KEPT, VERSION, secret_string="y"), "secret_string"),
        (DB % f"secret_version: {'a' * 32}", updated(KEPT, VERSION, version_stages=["x"]), "version_stages"),
        (DB % RESTORE, made_anew(KEPT, VERSION | {"secret_id": "shop/db"}, secret_string="y"), "secret_string"),
        (
            DB % RESTORE,
            made_anew(KEPT, VERSION | {"secret_id": ARN % ("secretsmanager", "secret:shop/db")}, secret_string="y"),
            "secret_string",
        ),
        (DB % "backups: {retention_days: 7}", made_anew(KEPT, VERSION, secret_string="y"), None),
        (DB % f"endpoint: {HOST}", made_anew(KEPT, VERSION | {"secret_id": "other"}, secret_string="y"), None),
        (
            DB % f"endpoint: {HOST}",
            made_anew(KEPT, VERSION | {"secret_id": "shop/db-AbC1d2"}, secret_string="y"),
            None,
        ),
        (
            DB % f"endpoint: {HOST}",
            made_anew(
                KEPT, VERSION | {"secret_id": ARN % ("secretsmanager", "secret:shop/db-old-AbC1d2")}, secret_string="y"
            ),
            None,
        ),
        (DB % RESTORE, updated("aws_db_instance", RESTORED, tags={}), "tags"),
        (DB % RESTORE, updated("aws_db_instance", RESTORED, tags={}, tags_all={}), "tags, tags_all"),
        (DB % RESTORE, updated("aws_db_instance", RESTORED, identifier="shop-db"), "identifier"),
        (DB % RESTORE, updated("aws_db_instance", INSTANCE, identifier="shop-db-3", tags={}), None),
        (DB % f"endpoint: {HOST}", updated("aws_db_instance", INSTANCE, identifier="shop-db-3"), "identifier"),
        (DB % f"endpoint: {HOST}", updated("aws_db_instance", INSTANCE, tags={}), None),
        (DB % f"endpoint: {HOST}", updated("aws_db_instance", INSTANCE, instance_class="x"), None),
        (DB % LED % ("shop.internal", ""), updated("aws_route53_record", NAME, records=["b"], ttl=30), "records"),
        (
            DB % LED % ("shop.internal", ", ttl: 60"),
            updated("aws_route53_record", NAME, records=["b"], ttl=30),
            "records, ttl",
        ),
        (DB % LED % ("shop.internal", ""), updated("aws_route53_record", NAME, ttl=30), None),
        (
            DB % LED % ("shop.internal", ""),
            updated("aws_route53_record", NAME, records=None, alias=[{"name": "x"}]),
            "alias, records",
        ),
        (
            DB % LED % ("shop.internal", ""),
            updated("aws_route53_record", NAME, weighted_routing_policy=[{"weight": 1}]),
            "weighted_routing_policy",
        ),
        (DB % LED % ("shop.internal", ""), updated("aws_route53_record", NAME, allow_overwrite=True), None),
        (DB % LED % ("Z0PRIVATE1", ""), updated("aws_route53_record", NAME, records=["b"]), "records"),
        (DB % LED % ("Z0PUBLIC22", ""), updated("aws_route53_record", NAME, records=["b"]), None),
        (DB % f"endpoint: {HOST}", updated("aws_route53_record", NAME, records=["b"]), None),
        (PAGE % ("false", DEFAULT), updated("aws_lb_listener", ON_443, default_action=[2]), "default_action"),
        (
            PAGE % ("true", DEFAULT),
            updated("aws_lb_listener", SHOWN, default_action=[2], tags={}),
            "default_action, tags",
        ),
        (PAGE % ("true", "port: 443"), updated("aws_lb_listener", SHOWN, default_action=[2], tags={}), "tags"),
        (PAGE % ("true", DEFAULT), updated("aws_lb_listener", ON_443, tags={"team": "a"}), None),
        (PAGE % ("false", DEFAULT), made_anew("aws_lb_listener", ON_443, default_action=[2], protocol="TLS"), None),
        (PAGE % ("false", DEFAULT), updated("aws_alb_listener", ON_443, default_action=[2]), "default_action"),
        (PAGE % ("true", "port: 443"), updated("aws_lb_listener", ON_443, default_action=[2]), None),
        (PAGE % ("false", DEFAULT), updated("aws_lb_listener", ON_443 | {"port": 80}, default_action=[2]), None),
        (PAGE % ("false", DEFAULT), updated("aws_lb_listener", ON_443, certificate_arn="x"), None),
        (
            f"maintenance: {{enabled: false, listener_arn: '{LISTENER}', {DEFAULT}}}\n",
            updated("aws_lb_listener", ON_443, default_action=[2]),
            "default_action",
        ),
    ],
)
def test_a_field_that_the_file_pins_is_to_be_ignored_by_terraform(text: str, change: tuple, fields: str | None) -> None:
    contested = found(text, *change)
    address = f"{change[0]}.x"
    assert [each.what for each in contested] == ([f"changes {fields} of {address}"] if fields else [])
    for each in contested:
        assert each.mend == (
            f"write lifecycle {{ ignore_changes = [{fields}] }} into {address}, or take the pin out of the file"
        )


@pytest.mark.parametrize(
    ("text", "change", "what"),
    [
        (API % "task_revision: 1", ("aws_ecs_service", SERVICE, None, "delete"), "destroys aws_ecs_service.x"),
        (API % "task_revision: 1", ("aws_ecs_service", SERVICE, SERVICE, "delete", "create"), None),
        (API % "task_revision: 1", ("aws_ecs_service", None, SERVICE, "create"), None),
        (API % "task_revision: 1", ("aws_ecs_cluster", {"name": "main"}, None, "delete"), None),
        (DB % f"endpoint: {HOST}", ("aws_db_instance", INSTANCE, None, "delete"), "destroys aws_db_instance.x"),
        (
            DB % f"endpoint: {HOST}:5433",
            ("aws_db_instance", INSTANCE, INSTANCE, "create", "delete"),
            "destroys aws_db_instance.x",
        ),
        (DB % "endpoint: shop-db.shop.internal", ("aws_db_instance", INSTANCE, None, "delete"), None),
        (DB % RESTORE, ("aws_db_instance", RESTORED, None, "delete"), "destroys aws_db_instance.x"),
        (DB % RESTORE, ("aws_db_instance", INSTANCE, None, "delete"), None),
        (DB % f"endpoint: {HOST.title()}", ("aws_db_instance", INSTANCE, None, "delete"), "destroys aws_db_instance.x"),
        (DB % f"endpoint: {HOST}", ("aws_db_instance", {"tags": None}, None, "delete"), None),
        (DB % "endpoint: shop-db.shop.internal", ("aws_db_instance", {"tags": None}, None, "delete"), None),
        (
            DB % f"endpoint: {HOST}",
            ("aws_secretsmanager_secret", {"name": "shop/db"}, None, "delete"),
            "destroys aws_secretsmanager_secret.x",
        ),
        (DB % f"endpoint: {HOST}", ("aws_secretsmanager_secret", None, {"name": "shop/db"}, "create"), None),
        (
            DB % f"endpoint: {HOST}",
            made_anew("aws_secretsmanager_secret", {"name": "shop/db"}, name="shop/db-2"),
            "destroys aws_secretsmanager_secret.x",
        ),
        (
            DB % "backups: {retention_days: 7}",
            ("aws_secretsmanager_secret", {"name": "shop/db"}, None, "delete"),
            None,
        ),
        (
            DB % LED % ("shop.internal", ""),
            ("aws_route53_record", NAME, None, "delete"),
            "destroys aws_route53_record.x",
        ),
        (
            DB % LED % ("shop.internal", ""),
            made_anew("aws_route53_record", NAME, name="db2.shop.internal"),
            "destroys aws_route53_record.x",
        ),
        (DB % LED % ("shop.internal", ""), ("aws_route53_record", None, NAME, "create"), None),
        (
            PAGE % ("true", DEFAULT),
            made_anew("aws_lb_listener", ON_443, default_action=[2]),
            "destroys aws_lb_listener.x",
        ),
        (API % "desired_count: 0", ("aws_appautoscaling_target", TARGET, None, "delete"), None),
        (PAGE % ("true", "port: 443"), ("aws_lb_listener", ON_443, None, "delete"), "destroys aws_lb_listener.x"),
        (PAGE % ("false", "port: 443"), ("aws_lb_listener", ON_443, None, "delete"), None),
        ("", ("aws_lb_listener_rule", RULE | {"tags_all": {"a": "b"}}, None, "delete"), None),
        ("", ("aws_lb_listener_rule", None, RULE, "create"), None),
        ("", ("terraform_data", {"name": "shop-api"}, None, "delete"), None),
    ],
)
def test_what_the_file_needs_is_neither_destroyed_nor_written(text: str, change: tuple, what: str | None) -> None:
    assert [each.what for each in found(text, *change)] == ([what] if what else [])


@pytest.mark.parametrize(
    ("pinned", "change", "what", "mend"),
    [
        (
            f"endpoint: {HOST}",
            (KEPT, None, VERSION, "create"),
            "writes",
            "take it out of the configuration, or take the pin out of the file",
        ),
        (
            RESTORE,
            (KEPT, VERSION, None, "delete"),
            "removes",
            f"run terraform state rm {KEPT}.x, or take the pin out of the file",
        ),
        (
            f"secret_version: {'a' * 32}",
            made_anew(KEPT, VERSION, secret_id="other", version_stages=["x"]),
            "writes",
            f"take it out of the configuration and run terraform state rm {KEPT}.x, or take the pin out of the file",
        ),
        (
            f"endpoint: {HOST}",
            updated(KEPT, VERSION, has_secret_string_wo=False),
            "changes",
            f"take it out of the configuration and run terraform state rm {KEPT}.x, or take the pin out of the file",
        ),
    ],
)
def test_a_value_that_no_field_keeps_apart_has_one_owner(pinned: str, change: tuple, what: str, mend: str) -> None:
    told = f"{what} a value of the secret shop/db, by {KEPT}.x"
    assert found(DB % pinned, *change) == (Contest(f"{KEPT}.x", "databases.db", told, mend),)


@pytest.mark.parametrize(
    ("change", "mend"),
    [
        (
            updated("aws_lb_listener_rule", RULE, priority=2),
            "take it out of the configuration and run terraform state rm 'aws_lb_listener_rule.x[\"a\"]'",
        ),
        (("aws_lb_listener_rule", RULE, None, "delete"), "run terraform state rm 'aws_lb_listener_rule.x[\"a\"]'"),
        (
            made_anew("aws_alb_listener_rule", RULE, listener_arn="other"),
            "take it out of the configuration and run terraform state rm 'aws_alb_listener_rule.x[\"a\"]'",
        ),
    ],
)
def test_the_rule_of_a_page_is_known_by_its_tags(change: tuple, mend: str) -> None:
    (contest,) = found("", *change, address=f'{change[0]}.x["a"]')
    assert contest.what == f"touches the rule of trueup's own page, {contest.address}"
    assert contest.mend == f"{mend}: trueup makes and removes it"


def test_several_changes_are_told_in_their_order() -> None:
    pinned = API % "task_revision: 1" + DB % f"endpoint: {HOST}"
    plan = (
        *planned("aws_db_instance", INSTANCE, None, "delete"),
        *planned("terraform_data", None, {}, "create"),
        *planned(*updated("aws_ecs_service", SERVICE, task_definition="api:2")),
    )
    told = contests(parse((HEAD + pinned).encode(), "shop.yaml"), plan)
    assert [each.pinned_by for each in told] == ["databases.db", "services.api"]
    assert told[0].mend == "pin a commit that keeps it, or take it out of this file first"


@pytest.mark.parametrize(
    ("text", "instance", "contested"),
    [(DB % f"endpoint: {HOST}", INSTANCE, True), (DB % RESTORE, RESTORED, True), (DB % RESTORE, INSTANCE, False)],
)
def test_a_database_that_the_file_names_is_not_made_anew_and_empty(text: str, instance: dict, contested: bool) -> None:
    told = found(text, "aws_db_instance", None, instance, "create")
    assert [each.what for each in told] == (["creates aws_db_instance.x"] if contested else [])
    assert all("write restore into the file" in each.mend for each in told)


@pytest.mark.parametrize("unknown", ["name", "cluster"])
def test_what_is_not_known_yet_is_made_now(unknown: str) -> None:
    after = {key: value for key, value in SERVICE.items() if key != unknown}
    assert found(API % "task_revision: 1", "aws_ecs_service", None, after, "create", unknown={unknown: True}) == ()


def test_without_a_cluster_only_a_service_of_its_own_name_is_meant() -> None:
    two = API % "task_revision: 1" + "  web: {cluster: other, service: shop-api, task_revision: 1}\n"
    assert found(two, *updated("aws_ecs_service", {"name": "shop-api"}, task_definition="2")) == ()


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("aws_ecs_service.api[0]", "aws_ecs_service.api"),
        ('module.shop["a"].aws_ecs_service.api["x"]', 'module.shop["a"].aws_ecs_service.api'),
        ('aws_ecs_service.api["a[0].b]"]', "aws_ecs_service.api"),
        (r'aws_ecs_service.api["a\"]b"]', "aws_ecs_service.api"),
        ("module.shop[1].aws_ecs_service.api", "module.shop[1].aws_ecs_service.api"),
    ],
)
def test_a_block_is_named_without_its_index_and_in_its_module(address: str, block: str) -> None:
    change = updated("aws_ecs_service", SERVICE, task_definition="api:2")
    (contest,) = found(API % "task_revision: 1", *change, address=address)
    assert (contest.address, contest.pinned_by) == (address, "services.api")
    assert contest.mend.startswith(f"write lifecycle {{ ignore_changes = [task_definition] }} into {block}, or")


def test_an_import_that_renames_the_restored_instance_is_contested() -> None:
    told = {"actions": ["update"], "before": RESTORED, "after": INSTANCE, "importing": {"id": "shop-db-2"}}
    about = {"address": "aws_db_instance.x", "mode": "managed", "type": "aws_db_instance", "name": "x", "change": told}
    changes = read_plan(json.dumps({"resource_changes": [about]}).encode()).changes
    (contest,) = contests(parse((HEAD + DB % RESTORE).encode(), "shop.yaml"), changes)
    assert contest.what == "changes identifier, tags of aws_db_instance.x"


@pytest.mark.parametrize(
    "more",
    [
        {"change": {"actions": ["forget"]}},
        {"change": {"actions": ["no-op"], "importing": {"id": "i"}}},
        {"change": {"actions": ["no-op"]}, "previous_address": "a.b"},
    ],
)
@pytest.mark.parametrize(("kind", "before"), [(KEPT, VERSION), ("aws_lb_listener_rule", RULE)])
def test_what_only_the_state_learns_touches_nothing(more: dict, kind: str, before: dict) -> None:
    change = {"before": before, "after": before, **more["change"]}
    about = {"address": f"{kind}.x", "mode": "managed", "type": kind, "name": "x", **more, "change": change}
    changes = read_plan(json.dumps({"resource_changes": [about]}).encode()).changes
    assert len(changes) == 1
    assert contests(parse((HEAD + DB % f"endpoint: {HOST}").encode(), "shop.yaml"), changes) == ()
