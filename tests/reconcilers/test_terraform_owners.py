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
VERSION = {"secret_id": ARN % ("secretsmanager", "secret:shop/db-AbC1d2"), "secret_string": "x"}
INSTANCE = {"identifier": "shop-db", "tags": None}
RESTORED = {"identifier": "shop-db-2", "tags": {"trueup:restored": "x"}}
ON_80 = {"arn": LISTENER, "load_balancer_arn": ALB, "port": 443, "default_action": [1]}
RULE = {"listener_arn": LISTENER, "priority": 1, "tags": None, "tags_all": {"trueup:maintenance": "rule"}}
NAME = {"name": "DB.shop.internal.", "records": ["a"], "ttl": 60}


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
        (API % "desired_count: 0", updated("aws_appautoscaling_target", TARGET, max_capacity=3), None),
        (
            DB % f"endpoint: {HOST}",
            updated("aws_secretsmanager_secret_version", VERSION, secret_string="y"),
            "secret_string",
        ),
        (
            DB % f"secret_version: {'a' * 32}",
            updated("aws_secretsmanager_secret_version", VERSION, version_stages=["x"]),
            "version_stages",
        ),
        (
            DB % RESTORE,
            updated("aws_secretsmanager_secret_version", VERSION | {"secret_id": "shop/db"}, secret_string="y"),
            "secret_string",
        ),
        (
            DB % "backups: {retention_days: 7}",
            updated("aws_secretsmanager_secret_version", VERSION, secret_string="y"),
            None,
        ),
        (
            DB % f"endpoint: {HOST}",
            updated("aws_secretsmanager_secret_version", VERSION | {"secret_id": "other"}, secret_string="y"),
            None,
        ),
        (DB % RESTORE, updated("aws_db_instance", RESTORED, tags={}), "tags"),
        (DB % f"endpoint: {HOST}", updated("aws_db_instance", INSTANCE, tags={}), None),
        (DB % f"endpoint: {HOST}", updated("aws_db_instance", INSTANCE, instance_class="x"), None),
        (
            DB % f"endpoint: {HOST}, dns: {{zone: shop.internal, record: db.shop.internal}}",
            updated("aws_route53_record", NAME, records=["b"], ttl=30),
            "records, ttl",
        ),
        (DB % f"endpoint: {HOST}", updated("aws_route53_record", NAME, records=["b"]), None),
        (PAGE % ("false", DEFAULT), updated("aws_lb_listener", ON_80, default_action=[2]), "default_action"),
        (PAGE % ("false", DEFAULT), updated("aws_alb_listener", ON_80, default_action=[2]), "default_action"),
        (PAGE % ("true", "port: 443"), updated("aws_lb_listener", ON_80, default_action=[2]), None),
        (PAGE % ("false", DEFAULT), updated("aws_lb_listener", ON_80 | {"port": 80}, default_action=[2]), None),
        (PAGE % ("false", DEFAULT), updated("aws_lb_listener", ON_80, certificate_arn="x"), None),
        (
            f"maintenance: {{enabled: false, listener_arn: '{LISTENER}', {DEFAULT}}}\n",
            updated("aws_lb_listener", ON_80, default_action=[2]),
            "default_action",
        ),
    ],
)
def test_a_field_that_the_file_pins_is_to_be_ignored_by_terraform(text: str, change: tuple, fields: str | None) -> None:
    contested = found(text, *change)
    address = f"{change[0]}.x"
    assert [each.what for each in contested] == ([f"changes {fields} of {address}"] if fields else [])
    for each in contested:
        assert f"write lifecycle {{ ignore_changes = [{fields}] }} into {address}, " in each.mend


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
        (
            DB % f"endpoint: {HOST}",
            ("aws_secretsmanager_secret", {"name": "shop/db"}, None, "delete"),
            "destroys aws_secretsmanager_secret.x",
        ),
        (DB % f"endpoint: {HOST}", ("aws_secretsmanager_secret", None, {"name": "shop/db"}, "create"), None),
        (
            DB % f"endpoint: {HOST}",
            ("aws_secretsmanager_secret_version", None, VERSION, "create"),
            "writes a value of shop/db",
        ),
        (
            DB % f"endpoint: {HOST}",
            ("aws_secretsmanager_secret_version", VERSION, None, "delete"),
            "removes a value of shop/db",
        ),
        (
            DB % f"endpoint: {HOST}, dns: {{zone: shop.internal, record: db.shop.internal}}",
            ("aws_route53_record", NAME, None, "delete"),
            "destroys aws_route53_record.x",
        ),
        (PAGE % ("true", "port: 443"), ("aws_lb_listener", ON_80, None, "delete"), "destroys aws_lb_listener.x"),
        (PAGE % ("false", "port: 443"), ("aws_lb_listener", ON_80, None, "delete"), None),
        (
            "",
            ("aws_lb_listener_rule", RULE, RULE | {"priority": 2}, "update"),
            "touches the rule of trueup's own page, aws_lb_listener_rule.x",
        ),
        (
            "",
            ("aws_lb_listener_rule", RULE, None, "delete"),
            "touches the rule of trueup's own page, aws_lb_listener_rule.x",
        ),
        ("", ("aws_lb_listener_rule", RULE | {"tags_all": {"a": "b"}}, None, "delete"), None),
        ("", ("aws_lb_listener_rule", None, RULE, "create"), None),
        ("", ("terraform_data", {"name": "shop-api"}, None, "delete"), None),
    ],
)
def test_what_the_file_needs_is_neither_destroyed_nor_written(text: str, change: tuple, what: str | None) -> None:
    assert [each.what for each in found(text, *change)] == ([what] if what else [])


@pytest.mark.parametrize("unknown", ["name", "cluster"])
def test_what_is_not_known_yet_is_made_now(unknown: str) -> None:
    after = {key: value for key, value in SERVICE.items() if key != unknown}
    assert found(API % "task_revision: 1", "aws_ecs_service", None, after, "create", unknown={unknown: True}) == ()


def test_without_a_cluster_only_a_service_of_its_own_name_is_meant() -> None:
    two = API % "task_revision: 1" + "  web: {cluster: other, service: shop-api, task_revision: 1}\n"
    assert found(two, *updated("aws_ecs_service", {"name": "shop-api"}, task_definition="2")) == ()


def test_a_block_is_named_without_its_index_and_in_its_module() -> None:
    (contest,) = found(
        API % "task_revision: 1",
        *updated("aws_ecs_service", SERVICE, task_definition="api:2"),
        address='module.shop["a"].aws_ecs_service.api["x"]',
    )
    assert contest.address == 'module.shop["a"].aws_ecs_service.api["x"]'
    assert 'into module.shop["a"].aws_ecs_service.api, or' in contest.mend
    assert contest.pinned_by == "services.api"


def test_what_only_the_state_learns_touches_nothing() -> None:
    for actions in (("forget",), ("no-op",)):
        assert found(DB % f"endpoint: {HOST}", "aws_secretsmanager_secret_version", VERSION, VERSION, *actions) == ()
