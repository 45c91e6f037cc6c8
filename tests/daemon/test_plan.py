"""What a plan says, in words, in JSON and in Markdown."""

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from daemon import plan, plan_text
from daemon.status import EnvironmentStatus, ResourceStatus
from desired_state.parse import Problem, parse
from reconcilers.contract import Advice, Change, Condition, Drift
from tests.daemon.fakes import counts

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Deploy(Change):
    """A revision."""


@dataclass(frozen=True, kw_only=True)
class Publish(Change):
    """An endpoint."""


@dataclass(frozen=True, kw_only=True)
class Scale(Change):
    """A count."""


@dataclass(frozen=True, kw_only=True)
class RememberTag(Change):
    """A step that only prepares."""


@dataclass(frozen=True, kw_only=True)
class EnterMaintenance(Change):
    """A page."""


def resource(
    name: str = "api",
    *changes: Change,
    kind: str = "service",
    condition: Condition | None = None,
    reason: str = "would be changed",
    advice: tuple[Advice, ...] = (),
) -> ResourceStatus:
    condition = condition or (Condition.DRIFTED if changes else Condition.IN_SYNC)
    reason = "" if condition is Condition.IN_SYNC else reason
    return ResourceStatus(
        kind=kind,
        name=name,
        condition=condition,
        reason=reason,
        since=NOON,
        observed=NOON,
        changes=changes,
        advice=advice,
    )


def environment(*resources: ResourceStatus, mode: str = "enforce", commit: str = "") -> EnvironmentStatus:
    return EnvironmentStatus(
        name="production", file="p.yaml", commit=commit, mode=mode, valid=True, resources=resources, last_pass=NOON
    )


ROLLBACK = Deploy(drifts=(Drift("image", "api:v2", "api:v1"), Drift("env.FLAG", "absent", "the pinned value")))
SHUTDOWN = Scale(drifts=(Drift("desired_count", "4", "0"),))
ENTER = EnterMaintenance(drifts=(Drift("enabled", "off", "on"),))
PROBLEM = Problem("p.yaml", 3, "services.api.x", "is unknown", "take it out")
STALLED = resource("worker", condition=Condition.STALLED, reason="ECS gave up the rollout; pin another revision")


def text(*statuses: EnvironmentStatus, problems: tuple[Problem, ...] = (), terminal: bool = False) -> str:
    """What print_text prints, at 80 columns."""
    sink = StringIO()
    colours = "standard" if terminal else None
    console = Console(file=sink, width=80, force_terminal=terminal, highlight=False, color_system=colours)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_text, "Console", lambda **_: console)
        plan.print_text(statuses, problems)
    return sink.getvalue()


def bare(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


# --- the exit code


@pytest.mark.parametrize(
    ("statuses", "problems", "code"),
    [
        pytest.param([environment(resource())], [], 0, id="in sync"),
        pytest.param([environment(resource("api", ROLLBACK))], [], 2, id="drift"),
        pytest.param([environment(resource("api", ROLLBACK), mode="observe")], [], 2, id="drift, only observed"),
        pytest.param([environment(resource("api", ROLLBACK, reason="held by a tag"))], [], 2, id="drift, held"),
        pytest.param([environment(resource("api", RememberTag()))], [], 0, id="tidying up is no drift"),
        pytest.param([environment(resource(condition=Condition.PROGRESSING))], [], 0, id="a rollout under way"),
        pytest.param([environment(STALLED)], [], 1, id="stalled"),
        pytest.param([environment(resource(condition=Condition.RETRYING))], [], 1, id="cannot be read"),
        pytest.param([environment(resource("api", ROLLBACK), STALLED)], [], 1, id="drift and an error"),
        pytest.param([environment(mode="suspended")], [], 0, id="suspended"),
        pytest.param([environment(resource())], [PROBLEM], 1, id="a bad file beside a good one"),
        pytest.param([], [], 1, id="nothing to plan"),
    ],
)
def test_the_exit_code_is_0_without_drift_2_with_and_1_for_an_error(
    statuses: list[EnvironmentStatus], problems: list[Problem], code: int
) -> None:
    assert plan.exit_code(statuses, problems) == code


# --- the closing line, which all of them share


@pytest.mark.parametrize(
    ("statuses", "problems", "line"),
    [
        pytest.param([environment(resource())], (), "no changes", id="in sync"),
        pytest.param([environment(resource("api", ROLLBACK))], (), "1 change in 1 resource", id="one"),
        pytest.param(
            [environment(resource("api", ROLLBACK, SHUTDOWN), resource("web", ROLLBACK))],
            (),
            "3 changes in 2 resources",
            id="several",
        ),
        pytest.param(
            [environment(resource("api", RememberTag(), ROLLBACK))], (), "1 change in 1 resource", id="a step before"
        ),
        pytest.param([environment(STALLED)], (), "no changes, 1 resource in error", id="an error"),
        pytest.param(
            [environment(resource("api", ROLLBACK, reason="held by a tag"), resource("web", ROLLBACK))],
            (),
            "1 change in 1 resource, 1 resource held back",
            id="one is held",
        ),
        pytest.param(
            [environment(resource("api", ROLLBACK), mode="observe")],
            (),
            "no changes, 1 resource held back",
            id="only observed",
        ),
        pytest.param(
            [environment(mode="suspended")], (), "no changes, 1 environment suspended and not compared", id="suspended"
        ),
        pytest.param([], (PROBLEM, PROBLEM), "no changes, 2 problems", id="problems"),
        pytest.param([], (), "no changes, no environment was found", id="nothing"),
    ],
)
def test_a_plan_ends_with_one_line_that_sums_it_up(
    statuses: list[EnvironmentStatus], problems: tuple[Problem, ...], line: str
) -> None:
    expected = f"Plan: {line}; nothing was written."

    assert text(*statuses, problems=problems).splitlines()[-1] == expected
    assert bare(text(*statuses, problems=problems, terminal=True)).rstrip().endswith(expected)
    assert plan.as_markdown(statuses, problems).startswith(f"**{expected}**")


# --- words


def test_a_pipe_gets_one_line_a_field_in_the_order_of_the_pass() -> None:
    moved = Publish(drifts=(Drift("endpoint", "old.example.com", "new.example.com"),))
    shown = text(
        environment(
            resource("maintenance", ENTER, kind="maintenance"),
            resource("postgres", moved, kind="database"),
            resource("api", RememberTag(), ROLLBACK),
            resource("web"),
            commit="0123456789abcdef",
        )
    )

    assert shown == (
        "production  p.yaml at 0123456789ab\n"
        "  maintenance: enter maintenance enabled: off → on  MAINTENANCE: every request gets the page\n"
        "  database postgres: publish endpoint: old.example.com → new.example.com"
        "  LEAVES BEHIND what was written to old.example.com\n"
        "  service api: deploy image: api:v2 → api:v1\n"
        "  service api: deploy env.FLAG: absent → the pinned value\n"
        "  in sync: service web\n"
        "\n"
        "Plan: 3 changes in 3 resources; nothing was written.\n"
    )


def test_a_pipe_gets_long_values_whole_and_without_colour() -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/replaydash-production-api:v20240227-163000"
    shown = text(environment(resource("api", Deploy(drifts=(Drift("image", image, image + "1"),)))))

    assert f"{image} → {image}1\n" in shown
    assert "\x1b" not in shown


def test_a_terminal_gets_colour_and_a_table_that_fits() -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/replaydash-production-api:v20240227-163000"
    shown = text(
        environment(resource("api", Deploy(drifts=(Drift("image", image, image + "1"),)), SHUTDOWN), STALLED),
        terminal=True,
    )

    assert "\x1b[31m" in shown
    assert "live → desired" in bare(shown)
    assert "─────" in shown
    assert max(map(len, bare(shown).splitlines())) <= 80
    assert "SHUTDOWN: stops every task" in bare(shown)


@pytest.mark.parametrize(
    ("status", "line"),
    [
        pytest.param(
            environment(resource("api", ROLLBACK, reason="held by the tag trueup:hold until noon")),
            "  service api: drifted: held by the tag trueup:hold until noon",
            id="held",
        ),
        pytest.param(
            environment(STALLED),
            "  service worker: stalled: ECS gave up the rollout; pin another revision",
            id="stalled",
        ),
        pytest.param(
            environment(resource("api", ROLLBACK, condition=Condition.STALLED, reason="ECS gave it up")),
            "  service api: stalled: ECS gave it up",
            id="blocked, with what would change",
        ),
        pytest.param(
            environment(resource(condition=Condition.PROGRESSING, reason="rolling out: 1 of 4 tasks running")),
            "  service api: progressing: rolling out: 1 of 4 tasks running",
            id="under way",
        ),
        pytest.param(
            environment(resource(advice=(Advice("base_not_pinned", "add `task_revision: 7`"),))),
            "  service api: add `task_revision: 7`",
            id="advice",
        ),
        pytest.param(
            environment(resource("api", ROLLBACK), mode="observe"),
            "  mode is observe: a pass reports this and writes nothing",
            id="observed",
        ),
    ],
)
def test_what_stands_in_the_way_is_said(status: EnvironmentStatus, line: str) -> None:
    assert line in text(status).splitlines()


def test_what_would_simply_be_changed_needs_no_reason() -> None:
    assert "would be changed" not in text(environment(resource("api", ROLLBACK)))


def test_problems_are_named_with_line_and_mend() -> None:
    assert "p.yaml:3: services.api.x: is unknown; take it out\n" in text(problems=(PROBLEM,))


@pytest.mark.parametrize("terminal", [True, False])
def test_a_hostile_value_moves_no_cursor_and_is_no_markup(*, terminal: bool) -> None:
    drift = Drift("image", "\x1b[2J\x1b[31mx\r\u202e", "[bold]y[/bold]\n[link=http://evil]")
    shown = text(environment(resource("api", Deploy(drifts=(drift,)), reason="\x1b]0;x\x07")), terminal=terminal)

    assert "\x1b[2J" not in shown
    assert "\x1b]" not in shown
    assert "\u202e" not in shown
    assert "[bold]y[/bold]" in bare(shown)


def test_a_credential_in_a_value_is_hidden() -> None:
    drift = Drift("endpoint", "postgres://app:hunter2@db/x", "new")
    status = environment(resource("p", Publish(drifts=(drift,)), kind="database", reason="password=hunter2"))

    for shown in (text(status), plan.as_markdown([status], []), plan.as_json([status], [])):
        assert "hunter2" not in shown


# --- first pins, and pins that are overridden


PINNED = counts(api=2) + "databases: {db: {secret: s, endpoint: b}}\n"
UNPINNED = counts(api=2).replace(", desired_count: 2", "")


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        pytest.param(
            resource("api", Deploy(drifts=(Drift("task_revision", "api:7", "api:6"),))),
            "services.api.task_revision: api:7",
            id="a revision",
        ),
        pytest.param(
            resource("api", Scale(drifts=(Drift("desired_count", "4", "2"),))),
            "services.api.desired_count: 4",
            id="a count",
        ),
        pytest.param(
            resource("db", Publish(drifts=(Drift("endpoint", "a:5432", "b"),)), kind="database"),
            "databases.db.endpoint: a:5432",
            id="an endpoint",
        ),
        pytest.param(resource("api", SHUTDOWN), None, id="a shutdown records the way back"),
        pytest.param(resource("api", ROLLBACK), None, id="a tag and env record their base"),
        pytest.param(resource("m", ENTER, kind="maintenance"), None, id="maintenance takes itself away"),
        pytest.param(resource(), None, id="in sync"),
    ],
)
@pytest.mark.parametrize("before", [UNPINNED, None], ids=["pinned nothing", "is not known"])
def test_a_first_pin_is_shown_with_what_is_live(shown: ResourceStatus, line: str | None, before: str | None) -> None:
    said = _advice(shown, PINNED, before)

    assert said == (
        [f"no earlier version of the file pins this; for a revert to lead back, first commit {line}"] if line else []
    )


def test_a_port_that_was_not_pinned_is_a_first_pin() -> None:
    """A revert to a host alone leaves the port as it is: the file does not say which."""
    moved = resource("db", Publish(drifts=(Drift("endpoint", "a:5432", "b:5433"),)), kind="database")
    with_port = PINNED.replace("endpoint: b", "endpoint: b:5433")

    assert len(_advice(moved, with_port, PINNED)) == 1
    assert _advice(moved, with_port, PINNED.replace("endpoint: b", "endpoint: a:5432")) == []
    assert _advice(moved, PINNED, PINNED.replace("endpoint: b", "endpoint: a")) == []


def test_a_pin_that_moves_is_no_first_pin() -> None:
    moved = resource("api", Scale(drifts=(Drift("desired_count", "4", "2"),)))

    assert _advice(moved, PINNED, counts(api=4)) == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        pytest.param("task_revision: 7", None, id="a revision alone"),
        pytest.param("image_tag: v1", None, id="a tag alone"),
        pytest.param(
            "task_revision: 7, image_tag: v1",
            "task_revision 7 is only the base: image_tag overrides what it says",
            id="a tag over a revision",
        ),
        pytest.param(
            'task_revision: "api:7", image_tag: v1, env: {B: x, A: null}',
            "task_revision api:7 is only the base: image_tag, env.A, env.B override what it says",
            id="both over a revision of a family",
        ),
    ],
)
def test_a_tag_or_env_over_a_pinned_revision_is_said_also_while_in_sync(entry: str, message: str | None) -> None:
    file = counts(api=1).replace("desired_count: 1", entry)

    assert _advice(resource(), file, file) == ([message] if message else [])


def test_what_the_file_tells_its_reader_comes_after_what_is_known_already() -> None:
    known = Advice("base_not_pinned", "add `task_revision: 7`")
    shown = resource("api", Scale(drifts=(Drift("desired_count", "4", "2"),)), advice=(known,))

    assert _advice(shown, PINNED, None)[0] == known.message
    assert len(_advice(shown, PINNED, None)) == 2


def _advice(shown: ResourceStatus, now: str, before: str | None) -> list[str]:
    earlier = parse(before.encode(), "p.yaml") if before is not None else None
    (said,) = plan.annotated(environment(shown), parse(now.encode(), "p.yaml"), earlier).resources
    assert said.condition is shown.condition
    return [advice.message for advice in said.advice]


def test_the_plan_of_a_database_names_the_services_that_restart() -> None:
    file = parse(
        (
            counts(api=2, web=1).replace("desired_count: 2", "databases: [db]") + "databases: {db: {secret: s}}\n"
        ).encode(),
        "p.yaml",
    )
    moved = resource("db", Publish(drifts=(Drift("endpoint", "a:1", "b:1"),)), kind="database")
    status = plan.annotated(environment(moved, resource("api"), resource("web")), file, file)

    shown = text(status)

    assert "service api: all its tasks are replaced once the secret of database db has changed" in shown
    assert "in sync: service web\n" in shown


# --- JSON


def test_json_carries_every_change_with_its_fields_and_effect() -> None:
    shown = json.loads(plan.as_json([environment(resource("api", ROLLBACK, SHUTDOWN))], []))

    assert shown["result"] == "drift"
    (entry,) = shown["environments"][0]["resources"]
    assert entry["changes"] == [
        {
            "verb": "deploy",
            "drift": [
                {"field": "image", "live": "api:v2", "desired": "api:v1"},
                {"field": "env.FLAG", "live": "absent", "desired": "the pinned value"},
            ],
            "effect": None,
            "takes": None,
        },
        {
            "verb": "scale",
            "drift": [{"field": "desired_count", "live": "4", "desired": "0"}],
            "effect": "SHUTDOWN: stops every task",
            "takes": None,
        },
    ]


@pytest.mark.parametrize(
    ("statuses", "problems", "result"),
    [([environment(resource())], [], "no_drift"), ([environment(STALLED)], [], "error"), ([], [PROBLEM], "error")],
)
def test_json_says_what_the_exit_code_says(
    statuses: list[EnvironmentStatus], problems: list[Problem], result: str
) -> None:
    assert json.loads(plan.as_json(statuses, problems))["result"] == result


def test_json_carries_problems() -> None:
    assert json.loads(plan.as_json([], [PROBLEM]))["problems"] == [
        {"file": "p.yaml", "line": 3, "key": "services.api.x", "message": "is unknown", "mend": "take it out"}
    ]


# --- Markdown


def test_markdown_has_a_heading_a_table_and_the_values_below() -> None:
    shown = plan.as_markdown([environment(resource("api", ROLLBACK), resource("web"), STALLED)], [PROBLEM])

    assert (
        shown
        == """\
**Plan: 1 change in 1 resource, 1 resource in error, 1 problem; nothing was written.**

- `p.yaml:3: services.api.x: is unknown; take it out`

### `production`

`p.yaml`

| resource | condition | change | fields |
|---|---|---|---|
| `service api` | drifted | deploy | `image`, `env.FLAG` |

- `service worker` is stalled: `ECS gave up the rollout; pin another revision`

In sync: `service web`

<details><summary>live and desired</summary>

`service api`

```diff
- image: api:v2
+ image: api:v1
- env.FLAG: absent
+ env.FLAG: the pinned value
```

</details>"""
    )


def test_markdown_says_loudly_what_takes_the_service_away() -> None:
    shown = plan.as_markdown([environment(resource("api", SHUTDOWN), resource("m", ENTER, kind="maintenance"))], [])

    assert "**SHUTDOWN: stops every task**" in shown
    assert "**MAINTENANCE: every request gets the page**" in shown


HOSTILE = (
    "a|b",
    "`x`",
    "``` \n</details>",
    "@everyone #1 <img src=x onerror=alert(1)>",
    "[x](http://evil)",
    "a\\|b\\",
    "\n\n# big\n",
    "`` ` ```",
    "x\r\ny\u2028z",
)


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_hostile_leaves_its_code_in_markdown(value: str) -> None:
    change = Deploy(drifts=(Drift(f"env.{value}", value, value),))
    advice = (Advice("x", value),)
    status = environment(resource("api", change, condition=Condition.STALLED, reason=value, advice=advice))

    markdown = plan.as_markdown([status], [Problem(value, 1, value, value, value)])
    outside = _outside_code(markdown)

    for sign in ("@", "#1", "<img", "](", "evil", "big", "onerror"):
        assert sign not in outside
    # A row is cut at its pipes before anything else is read: not even code protects them.
    assert {line.count("|") for line in markdown.splitlines() if line.startswith("|")} == {5}
    assert outside.count("</details>") == 1


def test_markdown_that_is_too_long_for_a_comment_gives_up_the_values_first() -> None:
    many = [resource(f"s{n}", Deploy(drifts=(Drift("image", "x" * 290, "y" * 290),))) for n in range(200)]
    shown = plan.as_markdown([environment(*many)], [])

    assert len(shown) < 65_000
    assert "`service s199`" in shown
    assert "details" not in shown

    endless = [replace(each, name=each.name + "x" * 50) for each in many * 5]
    shown = plan.as_markdown([environment(*endless)], [])
    assert len(shown) < 65_000
    assert shown.endswith("The plan is too long for a comment; `trueup plan` shows all of it.")


def _outside_code(markdown: str) -> str:
    """The text with blocks and spans of code taken out, as CommonMark finds them."""
    kept: list[str] = []
    fence = ""
    for line in markdown.splitlines():
        if not fence and (opening := re.match("`{3,}", line)) and "`" not in line[opening.end() :]:
            fence = opening.group()
        elif fence and re.fullmatch("`{3,}", line) and len(line) >= len(fence):
            fence = ""
        elif not fence:
            kept.append(re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "CODE", line))
    assert not fence, "a block of code was not closed"
    return "\n".join(kept)
