"""What `trueup history` says: of a page that a daemon tells, and of what changed between two versions."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.chronicle import Chronicle
from daemon.differences import Change, Pin, changes, differences, pinned, pins
from daemon.past import History, Note, Past, as_json, present, read
from daemon.past import history as told_of
from daemon.past import page as pages_of
from daemon.readiness import Known
from daemon.sources import Misused
from daemon.verbs import client, history
from daemon.verbs.client import Answer, Unreached
from daemon.verbs.history import lines
from desired_state.history import Version
from desired_state.in_force import Standing
from desired_state.model import Environment
from desired_state.parse import parse
from desired_state.repository import Commit
from reconcilers.readiness import Finding, Weight

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)
HEAD = "version: 1\nenvironment: production\naws: {region: us-east-1}\n"
MISSING = "image api:v1 is not in ECR any more; push it again, or go back to another version"


def file(api: str = "", postgres: str = "", more: str = "") -> Environment:
    text = HEAD + (f"services: {{api: {{cluster: c, service: s, {api}}}}}\n" if api else "")
    text += f"databases: {{postgres: {{secret: x, {postgres}}}}}\n" if postgres else ""
    return parse((text + more).encode(), "production.yaml")


def restore(snapshot: str, more: str = "") -> str:
    return f"restore: {{snapshot: {snapshot}, instance: new, like: old{more}}}"


def commit(number: int, subject: str = "Pin") -> Commit:
    return Commit(f"{number:08x}" * 5, NOON.replace(hour=number), "Ann", subject)


# What changed


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param(
            file(api="task_revision: 124"), file(api="task_revision: 123"), ["api 124 → 123"], id="a revision"
        ),
        pytest.param(
            file(api="image_tag: v2"),
            file(api="task_revision: 1"),
            ["api nothing → 1, api image v2 → nothing"],
            id="a tag",
        ),
        pytest.param(
            file(api=f'image_tag: "sha256:{"a" * 64}"'),
            file(api="image_tag: v1"),
            ["api image sha256:aaaaaaaaaaaa → v1"],
            id="a digest",
        ),
        pytest.param(
            file(api="env: {A: one, B: two}"), file(api="env: {B: other, C: null}"), ["api env A B C"], id="variables"
        ),
        pytest.param(
            file(api="desired_count: 4"),
            file(api="desired_count: 0, restarted_at: 2024-02-24T12:00:00Z"),
            ["api count 4 → 0, api restarted_at nothing → 2024-02-24T12:00Z"],
            id="a count and a restart",
        ),
        pytest.param(
            file(api="progress_deadline: 5m"), file(api="progress_deadline: 9m"), ["api progress_deadline"], id="others"
        ),
        pytest.param(file(api="task_revision: 1"), file(), ["api is taken out"], id="an entry less"),
        pytest.param(file(), file(api="task_revision: 1"), ["api is added"], id="an entry more"),
        pytest.param(
            file(postgres="endpoint: old.abc.us-east-1.rds.amazonaws.com"),
            file(postgres=restore("before")),
            ["postgres old → new from before"],
            id="a database",
        ),
        pytest.param(
            file(postgres="endpoint: a.example:5432"),
            file(postgres="endpoint: a.other:5432"),
            ["postgres endpoint"],
            id="a host of the same name",
        ),
        pytest.param(
            file(postgres=restore("before")),
            file(postgres=restore("before", ", port: 5433")),
            ["postgres restore"],
            id="settings",
        ),
        pytest.param(
            file(more="maintenance: {enabled: false, load_balancer: alb}\n"),
            file(more="maintenance: {enabled: true, load_balancer: alb}\n"),
            ["maintenance off → on"],
            id="maintenance",
        ),
        pytest.param(
            file(more="maintenance: {enabled: true, load_balancer: alb}\n"),
            file(more="maintenance: {enabled: true, load_balancer: alb, message: Soon}\n"),
            ["maintenance"],
            id="another page",
        ),
        pytest.param(
            file(more=f"infrastructure: {{net: {{commit: {'a' * 40}}}}}\n"),
            file(more=f"infrastructure: {{net: {{commit: {'b' * 40}, directory: net}}}}\n"),
            ["net aaaaaaaa → bbbbbbbb, net directory"],
            id="infrastructure",
        ),
        pytest.param(
            file(more="mode: observe\n"),
            file(more="limits: {changes_per_pass: 5}\n"),
            ["mode, limits"],
            id="how it is looked after",
        ),
        pytest.param(file(api="task_revision: 1"), file(api="task_revision: 1"), [], id="nothing"),
    ],
)
def test_what_a_version_says_otherwise(before: Environment, after: Environment, said: list[str]) -> None:
    assert list(differences(before, after)) == said


def test_no_value_of_a_variable_is_told() -> None:
    assert "hunter2" not in f"{differences(file(api='env: {A: hunter2}'), file(api='env: {A: hunter3}'))}"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param(file(api="task_revision: 123, desired_count: 4"), "api 123 count 4", id="a count"),
        pytest.param(
            file(api="image_tag: v1, env: {A: hunter2, B: null}"), "api v1 2 env", id="an image and variables"
        ),
        pytest.param(
            file(api=f'task_revision: 1, image_tag: "sha256:{"a" * 64}", restarted_at: 2024-02-24T12:00:00Z'),
            "api 1 sha256:aaaaaaaaaaaa",
            id="a digest and a restart",
        ),
        pytest.param(
            file("task_revision: 1", "endpoint: old.abc.us-east-1.rds.amazonaws.com"),
            "api 1; database postgres old",
            id="a database",
        ),
        pytest.param(file(postgres=restore("before")), "database postgres new from before", id="a restore"),
        pytest.param(
            file(more=f"infrastructure: {{net: {{commit: {'a' * 40}}}, dns: {{commit: {'b' * 40}, directory: d}}}}\n"),
            "infrastructure net aaaaaaaa, dns bbbbbbbb",
            id="infrastructure",
        ),
        pytest.param(
            file(more="maintenance: {enabled: true, load_balancer: alb}\n"), "maintenance on", id="maintenance"
        ),
        pytest.param(file(api="progress_deadline: 5m"), "", id="nothing"),
    ],
)
def test_what_a_version_pins(said: Environment, words: str) -> None:
    assert pinned(pins(said)) == words
    assert "hunter2" not in f"{pins(said)}"


def test_scripts_are_told_key_by_key_what_changes() -> None:
    before = file("task_revision: 2, env: {A: hunter2}", "endpoint: old.abc.us-east-1.rds.amazonaws.com")
    after = file("task_revision: 1, desired_count: 3", restore("before"))

    assert changes(before, after) == (
        Change("database postgres", "restore", "old", "new from before"),
        Change("service api", "task_revision", "2", "1"),
        Change("service api", "desired_count", None, "3"),
        Change("service api", "env.A"),
    )


# What is known of the versions


class Lives:
    """From when on which commit was live."""

    def __init__(self, since: Mapping[int, int], verified: Mapping[int, bool]) -> None:
        self.since, self.verified = since, verified

    def live_since(self, _: str, oid: str) -> datetime | None:
        hour = self.since.get(int(oid[:8], 16))
        return None if hour is None else NOON.replace(hour=hour)

    def is_verified(self, _: str, oid: str) -> bool | None:
        return self.verified.get(int(oid[:8], 16))


def standing() -> Standing:
    said = {3: "task_revision: 124", 2: "task_revision: 123", 1: "task_revision: 122"}
    recent = tuple(Version(commit(number), file(api=said[number])) for number in (2, 1))
    return Standing("production.yaml", "f" * 40, file(api=said[3]), recent=recent)


def test_each_version_has_its_time_its_checks_and_its_verdict() -> None:
    findings = (Finding("service api", MISSING), Finding("service api", "not checked", Weight.UNCHECKED))
    known = [Known(1, commit(2).oid, True, NOON, NOON), Known(2, commit(1).oid, False, NOON, NOON, findings)]

    lives = Lives({3: 15, 2: 11, 1: 9}, {2: True})
    found = told_of(standing(), present(standing(), commit(3, "Release")), known, lives)

    lived = [(each.back, each.live and each.live.hour, each.until and each.until.hour) for each in found.versions]
    assert lived == [(0, 15, None), (1, 11, 15), (2, 9, 11)]
    assert [each.verified for each in found.versions] == [None, True, None]
    assert [each.ready for each in found.versions] == [None, True, False]
    assert [each.pins for each in found.versions] == [
        (Pin("service api", "task_revision", number),) for number in ("124", "123", "122")
    ]
    assert [each.changed for each in found.versions] == [
        (),
        (Change("service api", "task_revision", "124", "123"),),
        (Change("service api", "task_revision", "124", "122"),),
    ], "against what is pinned now, which is what going back changes"
    assert found.versions[0].subject == "Release"
    assert found.versions[2].findings == (Note("service api", MISSING, missing=True),)
    assert found.versions[2].unchecked == (Note("service api", "not checked"),)


def test_a_version_that_came_back_ends_no_life_of_before() -> None:
    found = told_of(standing(), present(standing(), commit(3)), (), Lives({3: 9, 2: 11, 1: 10}, {}))

    assert [each.until and each.until.hour for each in found.versions] == [None, None, 11]


def test_without_anybody_who_knows_there_are_the_commits_alone() -> None:
    found = told_of(standing(), present(standing(), None), (), Chronicle())

    assert [(each.commit[:8], each.live, each.ready) for each in found.versions] == [
        ("ffffffff", None, None),
        ("00000002", None, None),
        ("00000001", None, None),
    ]


def test_a_page_is_read_as_it_was_told() -> None:
    findings = (Finding("service api", MISSING), Finding("x", "y", Weight.UNCHECKED))
    known = [Known(2, commit(1).oid, False, NOON, NOON, findings)]
    found = told_of(standing(), present(standing(), commit(3)), known, Lives({3: 9, 2: 8}, {2: False}))

    assert read(json.loads(json.dumps({"environments": [as_json(found)]}))) == (found,)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="a list"),
        pytest.param({"environments": 3}, id="a number"),
        pytest.param({"environments": [1, None]}, id="no objects"),
    ],
)
def test_what_is_no_page_has_no_environment(page: object) -> None:
    assert read(page) == ()


def test_nothing_in_a_page_is_trusted() -> None:
    odd: dict[str, Any] = {
        "commits_back": "one",
        "commit": "c\x1b[2J",
        "at": "yesterday",
        "subject": "x" * 9999,
        "pins": [1, {"entry": "service a\nb", "key": "image_tag", "value": 3}],
        "changed": ["a", {"entry": 1, "before": "x\x1b[2J"}],
        "ready": "yes",
        "findings": [3, {"entry": 1, "message": "postgres://u:hunter2@h"}],
    }

    past = read({"environments": [{"environment": "e", "versions": [odd, "x"]}]})[0].versions[0]

    assert past.commit.isprintable()
    assert (past.back, past.at, past.ready) == (0, None, None)
    assert past.pins == (Pin("service a b", "image_tag", None),)
    assert past.changed == (Change("", "", "x\\x1b[2J", None),)
    assert len(past.subject) < 400
    assert "hunter2" not in past.findings[0].message


# For people


def shown(*versions: Past, note: str = "") -> list[str]:
    found = History("production", "production.yaml", versions)
    return [" " * line.indent + line.text for line in lines(found, note)]


NOW = Past(0, "c" * 40, NOON, "Ann", "Release 124", live=NOON, verified=True)


def test_people_read_a_few_lines_a_version() -> None:
    earlier = Past(
        1,
        "b" * 40,
        NOON,
        "Bob",
        "Release 123",
        (Pin("service api", "task_revision", "123"), Pin("service worker", "task_revision", "58")),
        (Change("service api", "task_revision", "124", "123"), Change("database postgres", "endpoint", "new", "old")),
        NOON.replace(hour=10),
        NOON,
        False,
        False,
        NOON,
        (Note("service api", MISSING, missing=True),),
        (Note("service api", "image x is in another registry: not checked"), Note("service api", "y")),
    )

    assert shown(NOW, earlier) == [
        "production: the versions of production.yaml (times in UTC)",
        " now cccccccc Release 124",
        "     2024-02-24 12:00 by Ann; live since 2024-02-24 12:00; verified",
        "   1 bbbbbbbb Release 123",
        "     2024-02-24 12:00 by Bob; live 2024-02-24 10:00 to 2024-02-24 12:00; its checks failed",
        "     pins api 123, worker 58",
        "     going back changes: api 124 → 123, postgres new → old",
        f"     not ready: service api: {MISSING}",
        "service api: image x is in another registry: not checked",
        "service api: y",
    ]


@pytest.mark.parametrize(
    ("past", "said"),
    [
        pytest.param(Past(1, "b", ready=True, told=NOON), ["ready to go back to"], id="ready"),
        pytest.param(
            Past(1, "b", verified=False, ready=True),
            ["its checks failed", "would work, but its checks failed"],
            id="ready, but it was bad",
        ),
        pytest.param(
            Past(1, "b", pins=(Pin("service api", "task_revision", "1"),), ready=True),
            ["pins api 1", "it says what is there now: going back changes nothing"],
            id="the same as now",
        ),
        pytest.param(Past(1, "b"), ["not known whether it is ready"], id="nobody has looked"),
        pytest.param(
            Past(1, "b", ready=True, told=NOON, findings=(Note("x", "not allowed"),)),
            ["ready to go back to, as of 2024-02-24 12:00: x: not allowed"],
            id="ready a while ago",
        ),
        pytest.param(
            Past(1, "b", ready=False, findings=tuple(Note("x", f"{n}", missing=n < 6) for n in range(8))),
            ["not ready", "  x: 0", "  x: 1", "  x: 2", "  x: 3", "  x: 4", "  and 1 more"],
            id="much is missing",
        ),
    ],
)
def test_people_read_whether_it_is_ready(past: Past, said: list[str]) -> None:
    assert [line[5:] for line in shown(NOW, past)[4 : 4 + len(said)]] == said


def test_people_read_how_to_go_back_where_that_would_work() -> None:
    assert (
        shown(NOW, Past(1, "b", ready=True))[-1] == "to take the services back: trueup rollback production --to COMMIT"
    )
    assert "there is nothing to go back to" in shown(NOW)[-1]
    assert shown(NOW, note="no daemon answers")[1].startswith("no daemon answers; looked at now with your own")


# The verb


def chosen(**more: Any) -> argparse.Namespace:
    return argparse.Namespace(
        **{"environment": "production", "output": "json", "daemon": "http://127.0.0.1:1", "repository": None, **more}
    )


def test_a_daemon_that_knows_the_environment_is_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = pages_of([standing()], lambda _: (), Chronicle())
    monkeypatch.setattr(client, "get", lambda *_: Answer(page, NOON))

    assert history.run(chosen()) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["from_daemon"]
    assert [each["commits_back"] for each in told["versions"]] == [0, 1, 2]


def test_the_daemon_names_who_brought_the_present_version() -> None:
    chronicle = Chronicle()
    chronicle.followed(standing(), seen=True, by=commit(3, "Release"))

    now = replace(standing(), version=commit(3, "Release"))
    first = pages_of([now], lambda _: (), chronicle)["environments"][0]["versions"][0]

    assert (first["commit"], first["author"], first["subject"]) == (commit(3).oid, "Ann", "Release")
    assert first["live_since"]


def test_without_a_daemon_and_without_the_file_it_says_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    def nobody(*_: Any) -> Answer:
        raise Unreached("no daemon answers at http://127.0.0.1:1 (refused); start it")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "get", nobody)

    with pytest.raises(Misused, match=r"no daemon answers at .*, and here there is no environment called production"):
        history.run(chosen())


def test_a_daemon_of_other_environments_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    page = pages_of([standing()], lambda _: (), Chronicle())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "get", lambda *_: Answer(page, NOON))

    with pytest.raises(Misused, match=r"has no environment staging \(it has: production\), and here"):
        history.run(chosen(environment="staging"))
