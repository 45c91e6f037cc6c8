"""Why something is, or is not, being done: sentences for every condition, from the status page alone."""

from collections.abc import Iterator
from typing import Any

import pytest

from daemon import cli
from daemon.verbs import why
from daemon.verbs.seen import Seen
from daemon.verbs.why import Paragraph
from tests.daemon.fakes import counts
from tests.daemon.pages import Json, Web, drift, environment, page, resource, seen, serving

AHEAD = [drift("image_tag", "v2", "v1")]
ROLLING = "rolling out api:123: 2 of 4 tasks running"
WINDOW = "waits for its window, which opens Mon 26 Feb 09:00 UTC; to go on now, set emergency_until to an instant"
REFUSED = (
    "commit 99887766 is refused: production.yaml:3: x: is unknown; take it out; the last good commit, 1a2b3c4d, stays"
)
PROBLEMS = [
    {"file": "production.yaml", "line": 3, "key": "x", "message": "is unknown", "mend": "take it out"},
    {"file": "production.yaml", "line": 9, "key": "y", "message": "is unknown too", "mend": "take it out"},
    {"file": "other.yaml", "line": 1, "key": "z", "message": "is of others", "mend": "take it out"},
]


def told(found: Seen) -> list[Paragraph]:
    return list(why.paragraphs(found, found.environments[0]))


def text(found: Seen) -> str:
    return "\n".join(each.text for each in told(found))


def later(field: str, live: str, desired: str, verb: str) -> Json:
    return {"verb": verb, **drift(field, live, desired), "takes": "about 12 min"}


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        pytest.param(
            resource("api", "progressing", ROLLING),
            (f"Service api has been on its way for 2 min: {ROLLING}.", "Nothing has to be done", "newer commit"),
            id="progressing",
        ),
        pytest.param(
            resource("api", "progressing", ROLLING, deadline=900),
            ("After 15 min it counts as stalled",),
            id="progressing, with its deadline",
        ),
        pytest.param(
            resource("api", "progressing", "asked AWS to deploy", drift=AHEAD),
            ("Asked for: image_tag (v2 → v1).",),
            id="progressing, just asked for",
        ),
        pytest.param(
            resource("api", "progressing", "waits for database postgres (progressing: asked AWS to restore)"),
            ("waits for database postgres", "It goes on by itself once that has settled."),
            id="waiting for a database",
        ),
        pytest.param(
            resource("maintenance", "progressing", "leaves maintenance once api has settled", kind="maintenance"),
            ("Maintenance has been on its way", "It goes on by itself once that has settled."),
            id="waiting to leave maintenance",
        ),
        pytest.param(
            resource(
                "postgres",
                "progressing",
                "restoring",
                kind="database",
                drift=[drift("instance", "absent", "new"), drift("endpoint", "old", "the new instance")],
                ahead=[later("endpoint", "old", "the new instance", "publish")],
            ),
            (
                "Asked for: instance (absent → new).",
                "What follows: publish endpoint: old → the new instance (about 12 min).",
            ),
            id="what follows later",
        ),
        pytest.param(
            resource("api", "retrying", "DescribeServices failed (500): no"),
            ("Service api has been out of reach for 2 min", "tries again by itself, at least once a minute"),
            id="retrying",
        ),
        pytest.param(
            resource("api", "retrying", "DescribeServices failed (500): no", drift=AHEAD),
            ("What was read 3 s ago differs in image_tag (v2 → v1).",),
            id="retrying, with what was known before",
        ),
        pytest.param(
            resource("api", "stalled", "ECS gave up the rollout of api:124; pin another revision", drift=AHEAD),
            (
                "Service api has been stalled for 2 min: ECS gave up the rollout of api:124; pin another revision.",
                "It differs in image_tag (v2 → v1).",
                "it takes a new commit or a person",
                "SIGHUP",
            ),
            id="stalled",
        ),
        pytest.param(
            resource(
                "api",
                "drifted",
                WINDOW,
                drift=AHEAD,
                waits={"for": "window", "until": "2024-02-26T09:00:00Z"},
            ),
            ("waits for its window", "It goes on by itself at 2024-02-26 09:00 UTC, in 45 h."),
            id="waiting for its window",
        ),
        pytest.param(
            resource("api", "drifted", "9 entries would change at once", drift=AHEAD, waits={"for": "limit"}),
            ("9 entries would change at once", "It waits for a person, without an end."),
            id="above the limit",
        ),
        pytest.param(
            resource("api", "drifted", "held by the tag trueup:hold until 2024-02-24T13:00Z", drift=AHEAD),
            ("held by the tag trueup:hold", "once the tag is removed"),
            id="held by a person",
        ),
        pytest.param(
            resource("api", "drifted", "waits for infrastructure network (stalled: no)", drift=AHEAD),
            ("waits for infrastructure network", "once that is mended"),
            id="waiting for what is stalled",
        ),
        pytest.param(
            resource("api", "drifted", "would be changed", drift=AHEAD),
            ("Service api differs in image_tag (v2 → v1).", "changes it in its next pass"),
            id="of one look, without a daemon",
        ),
        pytest.param(
            resource("api", "puzzled", "for a reason of a later version"),
            ("Service api has been puzzled for 2 min: for a reason of a later version.",),
            id="a condition of a later version",
        ),
        pytest.param(
            resource(
                "verification",
                "stalled",
                "health fails",
                kind="verification",
                checks=[{"check": "http https://x/health", "ok": False, "evidence": "answered 503"}],
            ),
            (
                "Verification has been stalled",
                "The check https://x/health fails: answered 503.",
                "To go back at once: trueup rollback production.",
            ),
            id="a check that fails",
        ),
        pytest.param(
            resource(
                "verification",
                "progressing",
                "does not hold yet: http https://x/health: answered 503",
                kind="verification",
                checks=[{"check": "http https://x/health", "ok": False, "evidence": "answered 503"}],
            ),
            (
                "does not hold yet: https://x/health: answered 503.",
                "If that stays so, the commit has failed: with on_failure: revert its pins are taken back",
                "To go back at once: trueup rollback production.",
            ),
            id="a check that fails and does not count yet",
        ),
    ],
)
def test_every_condition_says_why_what_comes_next_and_what_a_person_can_do(entry: Json, parts: tuple[str, ...]) -> None:
    said = text(seen(entry))

    for part in parts:
        assert part.lower() in said.lower(), f"{part!r} is not in {said!r}"


def test_a_file_that_only_reports_says_how_to_have_it_repaired() -> None:
    entry = resource("api", "drifted", "mode is observe: reported, not repaired", drift=AHEAD)

    assert "To have it repaired, commit mode: enforce." in text(seen(entry, mode="observe"))


def test_a_suspended_environment_says_how_to_go_on_and_nothing_else() -> None:
    (only,) = told(seen(mode="suspended", in_sync=False))

    assert "nothing is read and nothing is written" in only.text
    assert "commit mode: enforce" in only.text


def test_a_refused_commit_names_every_mistake_of_its_file_and_none_of_others() -> None:
    file = resource("desired_state", "stalled", REFUSED, kind="desired_state")

    said = text(seen(file, resource(), valid=False, git={"problems": PROBLEMS}))

    assert "Commit 99887766 is refused: production.yaml:3: x: is unknown" in said
    assert "production.yaml:9: y: is unknown too; take it out" in said
    assert "is of others" not in said
    assert "Commit a correction" in said


def test_when_everything_is_in_sync_it_says_so_and_that_nothing_has_to_be_done() -> None:
    (only,) = told(seen(resource(), verified=True))

    assert only.text.startswith("Everything is as commit 1a2b3c4d of production.yaml says, and its checks have held.")
    assert "nothing has to be" in only.text


def test_what_was_in_sync_when_it_was_last_seen_is_not_said_to_be_so_now() -> None:
    said = text(seen(resource(), last_pass="2024-02-24T11:40:00Z"))

    assert "Everything was as commit" in said
    assert "nothing has to be" not in said


def test_while_a_check_fails_nobody_is_told_that_nothing_has_to_be_done() -> None:
    check = {"check": "http https://x/", "ok": False, "evidence": "answered 503"}
    reason = "not healthy now: http https://x/: answered 503"
    entry = resource("verification", "progressing", reason, kind="verification", checks=[check])

    assert "othing has to be done" not in text(seen(resource(), entry))


def test_no_way_back_is_offered_where_none_is_known() -> None:
    reason = "verification: alarm a: ALARM; held: what runs stays; no earlier pins are known to go back to"

    said = text(seen(resource("verification", "stalled", reason, kind="verification")))

    assert "sees when the checks hold" in said
    assert "trueup rollback" not in said


def test_what_holds_for_many_is_said_once() -> None:
    said = text(seen(*(resource(f"s{number}", "progressing", ROLLING) for number in range(40))))

    assert said.count("othing has to be done") == 1
    assert said.count("has been on its way") == 40


def test_the_order_is_the_one_of_a_pass_and_the_quiet_ones_are_summed_up_last() -> None:
    entries = [resource("postgres", "stalled", "gone", kind="database"), resource("api", "progressing", ROLLING)]

    starts = [each.text.split()[0:2] for each in told(seen(*entries, *(resource(f"q{n}") for n in range(9))))]

    assert starts == [["Database", "postgres"], ["Service", "api"], ["In", "sync:"]]


@pytest.mark.parametrize(
    ("more", "part"),
    [
        pytest.param({"git": {"error": "no answer"}}, "Git could not be asked: no answer; it was", id="git"),
        pytest.param(
            {"last_pass": "2024-02-24T11:40:00Z"},
            "AWS has not answered for 20 min, or no pass has ended since 11:40:00Z; one should end every 30 s.",
            id="no pass for long",
        ),
        pytest.param({"last_pass": None, "in_sync": False}, "The first pass is under way", id="no pass yet"),
    ],
)
def test_trouble_of_the_daemon_itself_comes_first(more: dict[str, Any], part: str) -> None:
    assert part in told(seen(resource(), **more))[0].text


def test_a_note_on_what_is_in_sync_is_told() -> None:
    entry = resource(advice=[{"type": "base_not_pinned", "message": "add `task_revision: 7`"}])

    assert "Service api is in sync. Add `task_revision: 7`." in text(seen(entry))


# --- the verb


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as made:
        yield made


def test_the_verb_asks_the_daemon_and_folds_at_80_columns(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    web.tell(page(environment(resource("api", "stalled", "no such image " * 20))))

    code = cli.run(("explain", "production", "--daemon", web.address))

    lines = capsys.readouterr().out.splitlines()
    assert code == 2
    assert lines[0] == "production at commit 1a2b3c4d of production.yaml"
    assert max(map(len, lines)) <= 80


def test_the_verb_knows_deadlines_from_the_file_at_hand(
    web: Web, capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "production.yaml").write_text(counts(api=4))
    web.tell(page(environment(resource("api", "progressing", ROLLING))))

    cli.run(("explain", "production.yaml", "--daemon", web.address))

    assert "After 15 min it counts as stalled" in capsys.readouterr().out


def test_without_a_daemon_and_without_a_file_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.run(("explain", "nobody", "--daemon", "http://127.0.0.1:9"))

    assert code == 1
    assert "or name the environment's file" in capsys.readouterr().err
