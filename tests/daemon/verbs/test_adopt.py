"""A first file: its words, and its text from what was found live."""

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from daemon.verbs.adopt_file import as_file, left_out
from daemon.verbs.adopt_words import comment, entry_names, environment_name, quoted, scalar
from desired_state.model import Endpoint, Environment, Strategy
from desired_state.parse import parse
from reconcilers.adoption import Door, Found, Kept, Running, Unfit
from reconcilers.adoption_services import Container
from reconcilers.ecs_records import Band
from reconcilers.listener_records import Page, Shown
from tests.reconcilers.ecs_world import arn, record

NOW = datetime(2024, 3, 1, 15, 0, tzinfo=UTC)
LISTENER = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/shop-alb/0123456789abcdef/0123456789abcdef"
NAMES = st.text("ab01-_.xXonN/@+=", max_size=80)

# --- words


@pytest.mark.parametrize(
    ("cluster", "name"),
    [
        pytest.param("replaydash-production-cluster", "replaydash-production", id="without -cluster"),
        pytest.param("shop_cluster", "shop", id="without _cluster"),
        pytest.param("shop-cluster-2", "shop-cluster-2", id="only at its end"),
        pytest.param("cluster", "cluster", id="nothing would be left"),
        pytest.param("_shop-", "shop", id="begins and ends with letters"),
        pytest.param("___", "environment", id="nothing that a name could be"),
        pytest.param("x" * 255, "x" * 63, id="not endless"),
    ],
)
def test_an_environment_has_the_name_of_its_cluster(cluster: str, name: str) -> None:
    assert environment_name(cluster) == name


@pytest.mark.parametrize(
    ("names", "entries"),
    [
        pytest.param(["shop-production-api", "shop-production-job"], ["api", "job"], id="without what they share"),
        pytest.param(["shop-api", "other-api"], ["api", "other-api"], id="as many words as they share"),
        pytest.param(["shopping-api"], ["shopping-api"], id="whole words only"),
        pytest.param(["shop-production"], ["shop-production"], id="something is left"),
        pytest.param(["shop-api", "api"], ["api", "api-2"], id="no name twice"),
        pytest.param(["api", "shop-api"], ["api", "shop-api"], id="the whole name, where the short one is taken"),
        pytest.param(["shop/db/password"], ["db-password"], id="no stroke in a name"),
        pytest.param(["@@", "__"], ["thing", "thing-2"], id="nothing that a name could be"),
        pytest.param(["a" * 70, "a" * 71], ["a" * 63, "a" * 57 + "-2"], id="not endless"),
    ],
)
def test_entries_have_short_names(names: list[str], entries: list[str]) -> None:
    found = entry_names({name: name for name in names}, ("shop-production", "shop-production-cluster"), "thing")

    assert list(found.values()) == entries


@given(st.lists(NAMES, unique=True, max_size=30), NAMES)
def test_names_of_entries_are_possible_and_differ(names: list[str], cluster: str) -> None:
    found = entry_names({name: name for name in names}, (environment_name(cluster), cluster), "service")

    assert len(set(found.values())) == len(names)
    entries = "".join(f"  {scalar(each)}: {{cluster: a, service: s{at}}}\n" for at, each in enumerate(found.values()))
    text = f"version: 1\nenvironment: {scalar(environment_name(cluster))}\naws: {{region: us-east-1}}\n"
    assert set(parse((text + "services:\n" + entries if entries else text).encode(), "x").services) == set(
        found.values()
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("api", "api", id="a word"),
        pytest.param("db.abc.us-east-1.rds.amazonaws.com:5432", "db.abc.us-east-1.rds.amazonaws.com:5432", id="a host"),
        pytest.param("/ecs/api", "/ecs/api", id="a path"),
        pytest.param("on", '"on"', id="a boolean"),
        pytest.param("0123", '"0123"', id="a number"),
        pytest.param("1e5", '"1e5"', id="a float"),
        pytest.param("12:30", '"12:30"', id="minutes"),
        pytest.param("null", '"null"', id="nothing"),
        pytest.param("2024-01-01", '"2024-01-01"', id="a date"),
        pytest.param("-x", '"-x"', id="a list"),
        pytest.param("@db", '"@db"', id="a sign with a meaning"),
        pytest.param("", '""', id="empty"),
    ],
)
def test_a_scalar_has_quotes_only_where_it_needs_them(text: str, written: str) -> None:
    assert scalar(text) == written


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_is_written_reads_as_it_was(text: str) -> None:
    assert yaml.safe_load(f"[{scalar(text)}, {{x: {quoted(text)}}}]") == [text, {"x": text}]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from([0, 4]))
def test_nothing_stands_outside_a_comment(text: str, indent: int) -> None:
    lines = "\n".join(comment(text, indent))

    assert all(line.startswith(" " * indent + "# ") for line in lines.splitlines())
    assert yaml.safe_load(lines) is None


# --- the file


def running(name: str = "shop-api", runs: str = "api:7", **more: Any) -> Running:
    """A service as it was found."""
    about: dict[str, Any] = {
        "record": record(runs, name=name, **more.pop("record", {})),
        "revision": arn(runs),
        "family": "api",
        "containers": (Container("app", "registry.example/api:v1", "/ecs/api"),),
        "groups": (),
        "named": (),
        "band": None,
        "count": 2,
        "rolling": "",
        "notes": (),
    }
    return Running(**(about | more))


def found(*services: Running, **more: Any) -> Found:
    """What was found in a cluster."""
    return Found("shop-cluster", "us-east-1", "123456789012", services or (running(),), **more)


def kept(secret: str = "shop/db", database: str = "shop-postgres", **more: Any) -> Kept:
    return Kept(secret, database, Endpoint(host="db.example", port=5432), **more)


def read(of: Found) -> Environment:
    return parse(as_file(of, "shop", NOW).encode(), "adopted.yaml")


def entry(of: Found) -> dict[str, Any]:
    """The first service of the file, without what is always there."""
    told = next(iter(read(of).services.values())).model_dump(exclude_defaults=True)
    return {key: value for key, value in told.items() if key not in ("cluster", "service")}


SERVICES = [
    pytest.param(running(), {"task_revision": 7, "desired_count": 2}, id="revision and count"),
    pytest.param(running(count=0), {"task_revision": 7, "desired_count": 0}, id="a count of 0"),
    pytest.param(running(count=None, band=Band(2, 9, frozenset())), {"task_revision": 7}, id="autoscaling decides"),
    pytest.param(running(count=None), {"task_revision": 7}, id="no count"),
    pytest.param(running(family="other"), {"task_revision": "api:7", "desired_count": 2}, id="of another family"),
    pytest.param(running(runs="12:30", family="x"), {"task_revision": "12:30", "desired_count": 2}, id="like minutes"),
    pytest.param(
        running(containers=(Container("on", "a", ""), Container("b", "b", ""))),
        {"task_revision": 7, "desired_count": 2, "container": "on"},
        id="several containers",
    ),
    pytest.param(running(containers=()), {"task_revision": 7, "desired_count": 2}, id="containers are not known"),
    pytest.param(
        running(rolling="rolling out\nmode: observe", notes=("a note\n  desired_count: 9",)),
        {"task_revision": 7, "desired_count": 2},
        id="what is told of it stays in comments",
    ),
]


@pytest.mark.parametrize(("service", "says"), SERVICES)
def test_a_service_is_pinned_to_what_it_is(service: Running, says: dict[str, Any]) -> None:
    told = entry(found(service))

    revision = told.pop("task_revision")
    assert (
        told
        | {
            "task_revision": f"{revision['family']}:{revision['number']}"
            if revision.get("family")
            else revision["number"]
        }
        == says
    )


TAGS = [
    pytest.param("registry.example:5000/api:v1", "v1", id="a tag"),
    pytest.param("api:1.20", '"1.20"', id="a tag like a number"),
    pytest.param(f"api@sha256:{'ab' * 32}", f"sha256:{'ab' * 32}", id="a digest"),
    pytest.param(f"api:v1@sha256:{'ab' * 32}", f"sha256:{'ab' * 32}", id="a digest behind a tag"),
    pytest.param("api:latest", "", id="what moves with every push"),
    pytest.param("registry.example:5000/api", "", id="none"),
]


@pytest.mark.parametrize(("image", "tag"), TAGS)
def test_the_tag_that_runs_is_a_comment_that_can_be_taken_in(image: str, tag: str) -> None:
    text = as_file(found(running(containers=(Container("app", image, ""),))), "shop", NOW)

    assert [line.rpartition("   #")[0].strip() for line in text.splitlines() if "image_tag:" in line] == (
        [f"# image_tag: {tag}"] if tag else []
    )
    parse(text.replace("# image_tag", "image_tag").encode(), "x")


def test_databases_are_named_by_what_rds_calls_them_and_by_their_secrets_where_that_is_not_enough() -> None:
    pair = (kept("shop/reader"), kept("shop/writer"), kept("other", "shop-orders"))
    file = read(found(running(secrets=("shop/writer", "other")), databases=pair))

    assert {name: each.secret for name, each in file.databases.items()} == {
        "reader": "shop/reader",
        "writer": "shop/writer",
        "orders": "other",
    }
    assert file.services["api"].databases == ("writer", "orders")


def test_no_two_databases_share_a_name() -> None:
    clash = (kept("x", "pg"), kept("pg", "two"), kept("z", "two"))

    assert sorted(each.secret for each in read(found(databases=clash)).databases.values()) == ["pg", "x", "z"]


def test_an_endpoint_that_may_not_be_pinned_is_a_comment_with_the_reason() -> None:
    text = as_file(found(databases=(kept(unpinned="it is a replica\nendpoint: x"),)), "shop", NOW)

    assert "    # endpoint: db.example:5432\n    # not pinned: it is a replica endpoint: x\n" in text
    assert parse(text.encode(), "x").databases["postgres"].endpoint is None


DOOR = Door("shop-alb", 8443, ("shop-api",))
PAGE = Page(503, "text/html", '<p>"Back" soon\n# ✓\u2028</p>')


def test_maintenance_is_off_and_other_listeners_are_told() -> None:
    text = as_file(found(doors=(DOOR, Door("admin", 80, ("shop-api",)))), "shop", NOW)
    section = parse(text.encode(), "x").maintenance

    assert section is not None
    assert (section.enabled, section.load_balancer, section.port) == (False, "shop-alb", 8443)
    assert "# not covered by this: the listener of admin on port 80, which leads to api" in text


@pytest.mark.parametrize(
    ("shown", "strategy", "group"),
    [
        pytest.param(Shown(LISTENER, PAGE, rule="r", priority=1), Strategy.RULE, None, id="a rule"),
        pytest.param(
            Shown(LISTENER, PAGE, target_group="arn:aws:e:r:a:targetgroup/web/0123"),
            Strategy.DEFAULT_ACTION,
            "web",
            id="in place of the default action",
        ),
    ],
)
def test_a_page_of_trueups_own_is_adopted_as_it_is_shown(shown: Shown, strategy: Strategy, group: str | None) -> None:
    section = read(found(doors=(Door("shop-alb", 443, ("shop-api",), shown),))).maintenance

    assert section is not None
    assert (section.enabled, section.strategy, section.target_group) == (True, strategy, group)
    assert Page.pinned(section) == PAGE


def test_without_a_load_balancer_there_is_no_maintenance() -> None:
    assert read(found()).maintenance is None


def test_the_suggestions_are_comments_and_good_once_they_are_taken_in() -> None:
    odd = '5xx "of" {api}: [a, b] # …'
    containers = (Container("app", "a:v1", "/ecs/api"), Container("b", "b:v1", "/ecs/b"))
    text = as_file(found(running(containers=containers), doors=(DOOR,), alarms=(odd, "on", "\u200e")), "shop", NOW)
    taken = text.replace("# verify:", "verify:").replace("\n#   ", "\n  ")
    verify = parse(taken.encode(), "x").verify

    assert parse(text.encode(), "x").verify is None
    assert verify is not None
    assert verify.running_tasks
    assert verify.target_group_healthy is not None
    assert verify.logs is not None
    assert (verify.target_group_healthy.load_balancer, verify.logs.group) == ("shop-alb", "/ecs/api")
    assert verify.alarms == (odd, "on")
    assert "# other log groups: /ecs/b" in text


def test_what_is_left_out_is_told_once_with_its_reason() -> None:
    of = found(
        unfit=(Unfit("old", "it is DRAINING"),),
        unknown=(("secret a/password", "denied"), ("secret b", "denied"), ("alarms", "no answer")),
        others=("shop/key", "shop/redis"),
    )

    assert list(left_out(of)) == [
        ("service old", "it is DRAINING"),
        ("secret a/password, secret b", "denied"),
        ("alarms", "no answer"),
        ("secrets shop/key, shop/redis", "they name no database of RDS"),
    ]
    assert "# secret a/password, secret b - denied\n" in as_file(of, "shop", NOW)
