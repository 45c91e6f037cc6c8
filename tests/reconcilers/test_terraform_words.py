"""What is read of terraform's plans and errors, as tables: the facts that are wanted, and no value besides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconcilers.terraform_errors import IMPORTS, Broken, Failed, Locked, Stale
from reconcilers.terraform_hidden import hidden_values
from reconcilers.terraform_plan import read_plan
from reconcilers.terraform_words import Diagnostic, failure, json_diagnostics, text_diagnostics

NOTHING: frozenset[str] = frozenset()


def planned(kind: str, before: object, after: object, **more: object) -> dict[str, object]:
    """A change in the form in which `terraform show -json` tells it."""
    actions = ["create"] if before is None else ["delete"] if after is None else ["update"]
    change = {"actions": actions, "before": before, "after": after, "after_unknown": {}, **more}
    return {"address": f"{kind}.main", "mode": "managed", "type": kind, "name": "main", "change": change}


def read(*changes: dict[str, object], **more: object):
    return read_plan(json.dumps({"resource_changes": changes, **more}).encode())


SERVICE = {"name": "api", "cluster": "arn:c", "task_definition": "api:1", "desired_count": 2, "tags": {"a": "x"}}


@pytest.mark.parametrize(
    ("change", "fields", "facts"),
    [
        pytest.param(
            planned("aws_ecs_service", SERVICE, SERVICE | {"task_definition": "api:2", "desired_count": 3}),
            ("desired_count", "task_definition"),
            {"name": "api", "cluster": "arn:c"},
            id="a service: what is pinned is named, its values are not",
        ),
        pytest.param(
            planned(
                "aws_ecs_service",
                SERVICE,
                {key: value for key, value in SERVICE.items() if key != "task_definition"},
                after_unknown={"task_definition": True, "tags": {"a": False}, "load_balancer": [{"x": False}]},
            ),
            ("task_definition",),
            {"name": "api", "cluster": "arn:c"},
            id="a value that is known only later may change",
        ),
        pytest.param(
            planned("aws_ecs_service", None, SERVICE), (), {"name": "api", "cluster": "arn:c"}, id="a new service"
        ),
        pytest.param(
            planned("aws_ecs_service", SERVICE, None), (), {"name": "api", "cluster": "arn:c"}, id="a service that goes"
        ),
        pytest.param(
            planned(
                "aws_ecs_service", SERVICE, SERVICE | {"tags": {}}, before_sensitive={"name": True, "cluster": False}
            ),
            ("tags",),
            {"cluster": "arn:c"},
            id="a name that is sensitive stays",
        ),
        pytest.param(
            planned("aws_ecs_service", SERVICE, SERVICE | {"tags": {}}, before_sensitive=True),
            ("tags",),
            {},
            id="all of it is sensitive",
        ),
        pytest.param(
            planned(
                "aws_secretsmanager_secret_version",
                {"secret_id": "arn:s", "secret_string": "hush-1"},
                {"secret_id": "arn:s", "secret_string": "hush-2"},
            ),
            ("secret_string",),
            {"secret_id": "arn:s"},
            id="a secret",
        ),
        pytest.param(
            planned("aws_lb_listener_rule", {"listener_arn": "arn:l", "priority": 1, "action": [{}]}, None),
            (),
            {"listener_arn": "arn:l", "priority": 1},
            id="a listener rule",
        ),
        pytest.param(
            planned("aws_lb_listener_rule", {"priority": 1, "tags_all": {"trueup:environment": "hush"}}, None),
            (),
            {"priority": 1, "trueups": True},
            id="a rule that trueup made, told by its live tags",
        ),
        pytest.param(
            planned(
                "aws_lb_listener",
                {"port": 443, "tags": {"trueup:maintenance": "hush"}},
                {"port": 443, "tags": None},
            ),
            ("tags",),
            {"port": 443, "trueups": True},
            id="a listener whose default action trueup has replaced",
        ),
        pytest.param(
            planned("aws_lb_listener_rule", None, {"priority": 1, "tags": {"trueup:environment": "hush"}}),
            (),
            {"priority": 1},
            id="a rule that is to be made is not trueup's",
        ),
        pytest.param(
            planned("aws_ecs_service", SERVICE | {"name": ["api"]}, None), (), {"cluster": "arn:c"}, id="no scalar"
        ),
        pytest.param(planned("aws_other", {"name": "hush"}, {"name": "hush-2"}), ("name",), {}, id="any other thing"),
    ],
)
def test_a_change_is_named_with_the_facts_that_tell_what_it_is(change, fields, facts) -> None:
    (found,) = read(change).changes

    assert (found.changed_fields, dict(found.facts)) == (fields, facts)
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("actions", "more", "found"),
    [
        (["no-op"], {}, None),
        (["read"], {"mode": "data"}, None),
        (["no-op"], {"previous_address": "aws_x.old"}, ("move",)),
        (["forget"], {}, ("forget",)),
        (["delete", "create"], {}, ("delete", "create")),
    ],
)
def test_what_is_no_change_is_left_out(actions, more, found) -> None:
    change = planned("aws_x", {"a": 1}, {"a": 1})
    change["change"]["actions"] = actions

    assert [one.actions for one in read(change | more).changes] == ([found] if found else [])


def test_an_import_without_a_change_is_one() -> None:
    change = planned("aws_x", {"a": 1}, {"a": 1}, importing={"id": "i"})
    change["change"]["actions"] = ["no-op"]

    assert read(change).changes[0].actions == ("import",)


def test_drift_is_told_by_address() -> None:
    drift = [
        planned("aws_x", {"a": "hush"}, {"a": "b"}),
        planned("aws_y", {"a": 1}, {"a": 1}) | {"previous_address": "o"},
    ]
    drift[1]["change"]["actions"] = ["no-op"]

    assert read(resource_drift=drift).drifted == ("aws_x.main",)


@pytest.mark.parametrize("shown", [b"", b"[]", b"{", b'{"resource_changes": [{}]}', b'{"resource_changes": 1}'])
def test_a_plan_in_another_form_is_refused(shown: bytes) -> None:
    with pytest.raises(Failed, match="a form that is not known"):
        read_plan(shown)


S3_LOCK = """
╷
│ Error: Error acquiring the state lock
│ 
│ Error message: operation error S3: PutObject, https response error
│ StatusCode: 412, RequestID: 1, api error PreconditionFailed: At
│ least one of the pre-conditions you specified did not hold
│ Lock Info:
│   ID:        7d3e-1
│   Path:      state/a/terraform.tfstate
│   Operation: OperationTypeApply
│   Who:       ann@laptop
│   Version:   1.11.4
│   Created:   2026-02-24 11:58:01.5 +0000 UTC
│   Info:      
│ 
│ 
│ Terraform acquires a state lock to protect the state from being written
╵
"""  # noqa: W291 - as terraform writes it


def test_a_lock_is_read_from_what_is_written_for_people() -> None:
    error = failure("import", list(text_diagnostics(S3_LOCK.encode())), NOTHING)

    assert isinstance(error, Locked)
    assert (error.id, error.who, error.operation) == ("7d3e-1", "ann@laptop", "apply")
    assert error.when == "2026-02-24 11:58:01 UTC"


def test_a_lock_that_cannot_be_asked_for_is_no_lock() -> None:
    detail = "Error message: operation error DynamoDB: PutItem, AccessDeniedException: no\n\nTerraform acquires …"

    error = failure("plan", [Diagnostic("Error acquiring the state lock", detail)], NOTHING)

    assert type(error) is Failed
    assert "AccessDeniedException" in f"{error}"


TEXT = b"""
Warning: Something old

Error: Terraform encountered problems during initialisation, including problems
with the configuration, described below.

Error: Unsupported block type that has a
long name

  with module.a.aws_x.y["k"],
  on ../modules/a/main.tf line 3, in resource "aws_x" "y":
   3:   password = "hush"

Its value is "hush".
"""


def test_what_is_written_for_people_is_read_without_the_code_it_shows() -> None:
    (told,) = text_diagnostics(TEXT)

    assert told.summary == "Unsupported block type that has a long name"
    assert (told.place, told.address) == ("../modules/a/main.tf:3", 'module.a.aws_x.y["k"]')
    assert told.seen_from("infra/live").place == "infra/modules/a/main.tf:3"
    assert told.seen_from("infra/live").told(NOTHING) == f"infra/modules/a/main.tf:3: {told.summary}"


def test_json_lines_are_read_and_others_passed_over() -> None:
    diagnostic = {"severity": "warning", "summary": "Old", "detail": "d", "snippet": {"code": "hush"}}
    lines = [b"panic: no", b"3", json.dumps({"type": "diagnostic", "diagnostic": diagnostic}).encode(), b""]

    assert list(json_diagnostics(b"\n".join(lines))) == [Diagnostic("Old", "d", is_error=False)]


@pytest.mark.parametrize(
    ("told", "kind", "said"),
    [
        (
            Diagnostic("creating ECS Service (api): AccessDenied", "hush", "a.tf:1", "aws_ecs_service.api"),
            Failed,
            "Acc",
        ),
        (
            Diagnostic("Invalid expression", "hush", "a.tf:1"),
            Broken,
            r"a\.tf:1: Invalid expression: correct it and pin",
        ),
        (Diagnostic("expected a to be one of [x], got hush or so", "", "a.tf:1", "x.y"), Failed, r"got \(hidden\)"),
        (Diagnostic("the password s3cret-one is too long", "", "a.tf:1", "x.y"), Failed, r"password \(hidden\) is"),
        (Diagnostic("Get https://ann:hush@host/x failed"), Failed, "https://host/x failed"),
        (Diagnostic("a\x1b[2J\nb"), Failed, r"a \[2J b"),
        (Diagnostic("Saved plan is stale", "hush"), Stale, "look again"),
        (Diagnostic("Failed to download module", "Could not. hush", "a.tf:1"), Failed, "module: Could not"),
        (Diagnostic("x" * 5000), Failed, "x{300}"),
        (Diagnostic("Failed to request discovery document", "dial tcp: no such host", "a.tf:1"), Failed, "plan failed"),
        (
            Diagnostic("Cannot import", "hush", f"infra/{IMPORTS}:2"),
            Broken,
            "^imports is wrong: Cannot import: correct",
        ),
    ],
)
def test_an_error_is_one_line_without_a_value(told: Diagnostic, kind: type[Failed], said: str) -> None:
    error = failure("plan", [told], frozenset({"s3cret-one"}))

    assert type(error) is kind
    with pytest.raises(kind, match=said):
        raise error
    assert "hush" not in f"{error}"
    assert "\n" not in f"{error}"
    assert len(f"{error}") < 600


CODE = """
variable "plain" {
  default = "plain-default"
}
variable "s" {
  type      = map(string)
  sensitive = true
  default   = { a = "default-of-s", b = 12345678 }
}
  variable "e" {
ephemeral = true
}
resource "x" "y" {
  sensitive = true
  name      = "a-name"
}
"""


def test_the_values_of_sensitive_variables_are_known(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(CODE)
    (tmp_path / "terraform.tfvars").write_text(
        'plain = "plain-value"\ns = {\n  a = "value-1"\n}\nother = "other-value"\n'
    )
    (tmp_path / "live.json").write_text(json.dumps({"e": ["in-a-list"], "plain": "plain-json"}))
    environ = {"TF_VAR_x": '{"k": "in-the-environment"}', "AWS_SESSION_TOKEN": "a-token", "AWS_REGION": "us-east-1"}

    found = hidden_values(environ, tmp_path, "live.json")

    assert found == {
        "default-of-s",
        "12345678",
        "value-1",
        "in-a-list",
        "in-the-environment",
        '{"k": "in-the-environment"}',
        "a-token",
    }
