"""The vocabulary of the desired-state file as values: frozen, strict, and silent about environment variables."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from desired_state.model import Aws, Database, Endpoint, Environment, Maintenance, Mode, Revision, Service, Strategy


def service(**fields: Any) -> Service:
    return Service(cluster="c", service="s", **fields)


def environment(**fields: Any) -> Environment:
    return Environment(version=1, environment="production", aws=Aws(region="us-east-1"), **fields)


def refusal(**fields: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        service(**fields)
    return str(refused.value)


def test_what_is_not_written_has_the_documented_default() -> None:
    written = service()
    assert (written.env, written.databases, written.needs) == ({}, (), ())
    assert written.progress_deadline == timedelta(minutes=15)
    assert (written.task_revision, written.image_tag, written.desired_count, written.restarted_at) == (None,) * 4
    page = Maintenance(enabled=False, load_balancer="alb")
    assert (page.port, page.status_code, page.content_type, page.strategy) == (443, 503, "text/plain", Strategy.RULE)
    assert page.message == "Service under maintenance. We'll be back soon!"
    assert environment().mode is Mode.ENFORCE


def test_values_can_neither_be_changed_nor_extended() -> None:
    pinned = service(env={"A": "1"})
    with pytest.raises(ValidationError):
        pinned.image_tag = "v2"
    with pytest.raises(TypeError):
        pinned.env["A"] = "2"
    assert "imagetag" in refusal(imagetag="v1")


def test_a_value_does_not_follow_the_mapping_it_was_made_from() -> None:
    variables = {"A": "1"}
    pinned = service(env=variables)
    variables["A"] = "2"
    assert pinned.env == {"A": "1"}


def test_equal_values_have_equal_hashes_and_survive_a_copy() -> None:
    one, other = (environment(services={"api": service(env={"A": "1", "B": None})}) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one  # our own bytes
    assert one != environment(services={"api": service(env={"A": "2", "B": None})})


def test_neither_repr_nor_an_error_shows_the_value_of_a_variable() -> None:
    assert "hunter2" not in repr(environment(services={"api": service(env={"PASSWORD": "hunter2"})}))
    assert "hunter2" not in refusal(env={"PASSWORD": "hunter2\0"})
    assert "hunter2" not in refusal(env={"PASSWORD": "hunter2"}, image_tag="latest")


@pytest.mark.parametrize("text", ["123", "replaydash-production-api:123"])
def test_a_revision_gives_back_what_was_written(text: str) -> None:
    written = int(text) if text.isdigit() else text
    assert str(service(task_revision=written).task_revision) == text


def test_a_revision_is_a_family_and_a_number() -> None:
    assert service(task_revision="api:7").task_revision == Revision(family="api", number=7)
    assert service(task_revision=7).task_revision == Revision(number=7)


@pytest.mark.parametrize(
    "revision",
    [
        pytest.param(0, id="zero"),
        pytest.param(-1, id="negative"),
        pytest.param(1.5, id="a fraction"),
        pytest.param(True, id="a boolean"),
        pytest.param("123", id="a number in quotes"),
        pytest.param("api:0", id="zero with a family"),
        pytest.param("api:07", id="a padded number"),
        pytest.param("api:", id="a family alone"),
        pytest.param("arn:aws:ecs:us-east-1:123456789012:task-definition/api:3", id="an ARN"),
        pytest.param(2**31, id="larger than ECS can count"),
    ],
)
def test_an_impossible_revision_is_refused(revision: object) -> None:
    assert "task_revision" in refusal(task_revision=revision)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        pytest.param("db.abc.rds.amazonaws.com", Endpoint(host="db.abc.rds.amazonaws.com"), id="host"),
        pytest.param("db.internal:5433", Endpoint(host="db.internal", port=5433), id="host and port"),
        pytest.param("10.0.0.7:5432", Endpoint(host="10.0.0.7", port=5432), id="address"),
        pytest.param("localhost", Endpoint(host="localhost"), id="loopback, to rehearse"),
        pytest.param("DB.Internal", Endpoint(host="DB.Internal"), id="the case is kept"),
    ],
)
def test_an_endpoint_gives_back_what_was_written(text: str, endpoint: Endpoint) -> None:
    written = Database(secret="a/b", endpoint=text).endpoint
    assert written == endpoint
    assert str(written) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("postgresql://user:hunter2@db:5432/name", id="a connection URL"),
        pytest.param("user:hunter2@db", id="user and password"),
        pytest.param("db/hunter2", id="a path"),
        pytest.param("db:0", id="port zero"),
        pytest.param("db:65536", id="a port too far"),
        pytest.param("db:", id="a colon and no port"),
        pytest.param("169.254.169.254", id="the metadata service"),
        pytest.param("169.254.169.254:80", id="the metadata service with a port"),
        pytest.param("2852039166", id="the metadata service as one number"),
        pytest.param("0xA9FEA9FE", id="the metadata service in hexadecimal"),
        pytest.param("0.0.0.0", id="no address at all"),
        pytest.param("10.0.0.300", id="not an address"),
        pytest.param("::1", id="IPv6"),
        pytest.param("db..internal", id="an empty label"),
        pytest.param("-db", id="a leading hyphen"),
        pytest.param("d\u0430tabase", id="a Cyrillic look-alike"),
        pytest.param("a" * 64, id="a label too long"),
        pytest.param(".".join(["a" * 60] * 5), id="a name too long"),
        pytest.param("db\n", id="a line end"),
    ],
)
def test_an_impossible_endpoint_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Database(secret="a/b", endpoint=text)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("tag", ["v20240224-120000", "1.20", "_", "a" * 128, "sha256:" + "0f" * 32])
def test_a_tag_or_a_digest_is_taken_as_written(tag: str) -> None:
    assert service(image_tag=tag).image_tag == tag


@pytest.mark.parametrize(
    ("tag", "mend"),
    [
        pytest.param("latest", "does not move", id="latest"),
        pytest.param("Latest", "does not move", id="latest in disguise"),
        pytest.param("repo:v1", "after the last colon", id="repository and tag"),
        pytest.param("host/repo:v1", "after the last colon", id="a whole image"),
        pytest.param("sha256:0f", "64 digits", id="half a digest"),
        pytest.param("sha256:" + "0F" * 32, "lower case", id="a digest in upper case"),
        pytest.param("-v1", "not a dot or a hyphen", id="a leading hyphen"),
        pytest.param("../v1", "after the last colon", id="a path"),
        pytest.param("$(id)", "plain letters", id="a shell's substitution"),
        pytest.param("{{tag}}", "plain letters", id="a template"),
        pytest.param("v1\n", "plain letters", id="a line end"),
        pytest.param("a" * 129, "1 to 128", id="too long"),
        pytest.param("", "1 to 128", id="empty"),
    ],
)
def test_what_is_not_a_pin_is_refused(tag: str, mend: str) -> None:
    assert mend in refusal(image_tag=tag)


NAMES = [
    pytest.param("", id="empty"),
    pytest.param("a b", id="a space"),
    pytest.param("../a", id="a path"),
    pytest.param("$(id)", id="a shell's substitution"),
    pytest.param("{{a}}", id="a template"),
    pytest.param("\u0430pi", id="a Cyrillic look-alike"),
    pytest.param("api\u202e", id="a bidi control"),
    pytest.param("api\n", id="a line end"),
    pytest.param("api\x1b[2J", id="a terminal escape"),
    pytest.param("a" * 256, id="too long"),
    pytest.param("\u0661\u0662", id="digits of another script"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_not_plain_is_refused_everywhere(name: str) -> None:
    for wrong in (
        lambda: Service(cluster=name, service="s"),
        lambda: Service(cluster="c", service=name),
        lambda: service(container=name),
        lambda: environment(services={name: service()}),
        lambda: environment(databases={name: Database(secret="s")}),
        lambda: Environment(version=1, environment=name, aws=Aws(region="us-east-1")),
        lambda: Maintenance(enabled=False, load_balancer=name),
    ):
        with pytest.raises(ValidationError) as refused:
            wrong()
        assert refused.value.errors()[0]["msg"].isprintable()
        assert refused.value.errors()[0]["msg"].isascii()


@pytest.mark.parametrize("name", ["-api", ".api", "_api", "a" * 64])
def test_an_entry_starts_with_a_letter_or_a_digit_and_stays_short(name: str) -> None:
    with pytest.raises(ValidationError):
        environment(services={name: service()})


def test_the_mend_for_an_arn_is_its_last_part() -> None:
    with pytest.raises(ValidationError, match='write the last part of the ARN, "prod"'):
        Service(cluster="arn:aws:ecs:us-east-1:123456789012:cluster/prod", service="s")
    with pytest.raises(ValidationError, match="not its ARN"):
        Database(secret="arn:aws:secretsmanager:us-east-1:123456789012:secret:db-a1b2c3")


@pytest.mark.parametrize("name", ["", "A=B", "A\0", "A B", "A\n", "\u0410", "a" * 256])
def test_an_impossible_variable_is_refused(name: str) -> None:
    assert "cannot be the name of a variable" in refusal(env={name: "x"})


def test_a_variable_may_hold_any_text_but_nul() -> None:
    variables = {"EMPTY": "", "LINES": "a\nb", "LONG": "x" * 5000, "ABSENT": None, "dotted.name-1": "$(id) {{x}}"}
    assert service(env=variables).env == variables


@pytest.mark.parametrize("count", [-1, 5001, True, "4", 4.0])
def test_a_count_is_a_whole_number_up_to_5000(count: object) -> None:
    assert "desired_count" in refusal(desired_count=count)


def test_an_instant_has_an_offset() -> None:
    noon = datetime(2024, 2, 24, 12, tzinfo=UTC)
    for written in (noon, "2024-02-24T12:00:00Z", "2024-02-24T14:00:00+02:00", "2024-02-24 12:00:00.0 Z"):
        assert service(restarted_at=written).restarted_at == noon
    assert "has no offset" in refusal(restarted_at=noon.replace(tzinfo=None))
    assert "has no offset" in refusal(restarted_at="2024-02-24T12:00:00")


@pytest.mark.parametrize(
    "text", ["2024-02-24", "2024-02-30T12:00:00Z", "9999-12-31T23:59:59Z", "now", 5, "", "2024-W01-1"]
)
def test_what_is_not_an_instant_is_refused(text: object) -> None:
    assert "restarted_at" in refusal(restarted_at=text)


def test_a_duration_has_a_unit() -> None:
    for text, seconds in (("30s", 30), ("5m", 300), ("24h", 86400)):
        assert service(progress_deadline=text).progress_deadline == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["0s", "-1s", "25h", "1d", "1.5h", "15", 15, "1h30m", "", "999999999s", timedelta(0)])
def test_what_is_not_a_possible_duration_is_refused(text: object) -> None:
    assert "progress_deadline" in refusal(progress_deadline=text)


LISTENER = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/alb/50dc6c495c0c9188/f2f7dc8efc522ab2"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({}, "exactly one way", id="no listener"),
        pytest.param({"load_balancer": "a", "listener_arn": LISTENER}, "exactly one way", id="two listeners"),
        pytest.param({"load_balancer": "a", "strategy": "default_action"}, "target_group", id="nowhere to return to"),
        pytest.param({"load_balancer": "a", "status_code": 301}, "200 to 299", id="a redirect"),
        pytest.param({"load_balancer": "a", "status_code": 600}, "200 to 299", id="no status"),
        pytest.param({"load_balancer": "a", "message": "\u20ac" * 342}, "1026 bytes", id="1026 bytes in 342 letters"),
        pytest.param({"load_balancer": "a", "message": "\x1b[2J"}, "control character", id="a terminal escape"),
        pytest.param({"load_balancer": "a", "content_type": "text/xml"}, "content_type", id="a type ALBs do not send"),
        pytest.param({"load_balancer": "a", "port": 0}, "port", id="port zero"),
        pytest.param({"load_balancer": "-a"}, "hyphen", id="a leading hyphen"),
        pytest.param({"listener_arn": LISTENER.replace("/app/", "/net/")}, "ARN", id="a network load balancer"),
    ],
)
def test_an_impossible_maintenance_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Maintenance(enabled=True, **fields)


def test_an_entry_with_nothing_pinned_is_legal() -> None:
    assert environment(services={"api": service()}, databases={"db": Database(secret="s")}).services["api"] == service()


def test_an_environment_does_not_contradict_itself() -> None:
    with pytest.raises(ValidationError, match=r"services\.a claims already"):
        environment(services={"a": service(), "b": service(desired_count=1)})
    with pytest.raises(ValidationError, match=r"databases\.a claims already"):
        environment(databases={"a": Database(secret="s"), "b": Database(secret="s")})
    with pytest.raises(ValidationError, match="no database"):
        environment(services={"a": service(databases=("postgres",))})
    with pytest.raises(ValidationError, match="names db twice"):
        environment(services={"a": service(databases=("db", "db"))}, databases={"db": Database(secret="s")})
    with pytest.raises(ValidationError, match="no infrastructure"):
        environment(services={"a": service(needs=("network",))})


@pytest.mark.parametrize(
    "aws",
    [
        pytest.param(Aws(region="eu-west-1"), id="another region"),
        pytest.param(Aws(region="us-east-1", account="999999999999"), id="another account"),
    ],
)
def test_a_listener_lives_where_its_environment_does(aws: Aws) -> None:
    page = Maintenance(enabled=False, listener_arn=LISTENER)
    with pytest.raises(ValidationError, match="is a listener"):
        Environment(version=1, environment="p", aws=aws, maintenance=page)


def test_a_role_belongs_to_the_account_of_its_environment() -> None:
    aws = Aws(region="us-east-1", account="999999999999", role_arn="arn:aws:iam::123456789012:role/trueup")
    with pytest.raises(ValidationError, match="is a role of the account 123456789012"):
        Environment(version=1, environment="p", aws=aws)


@pytest.mark.parametrize("version", [True, 2, "1", 1.0, None])
def test_only_version_1_is_known(version: object) -> None:
    with pytest.raises(ValidationError, match="write version: 1"):
        Environment(version=version, environment="p", aws=Aws(region="us-east-1"))
