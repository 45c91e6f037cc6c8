"""`trueup snapshots`, and the plan of a restore: what a person reads before and while a database is brought back."""

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from daemon import cli
from rehearsal.replaydash_names import DATABASE, MANUAL_SNAPSHOT, PASSWORD, SNAPSHOT
from tests.end_to_end.inside import Inside
from tests.end_to_end.restores import (
    INSTANCE,
    RECORD,
    RESTORE,
    address,
    at_rest,
    control,
    following,
    pinned,
    restoring,
)
from tests.end_to_end.world import ENVIRONMENT, FILE, World, world

FORMS = ("text", "json", "markdown")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Production, in sync with its file at the head of git; nothing here writes to AWS but one test, which is last."""
    with world(tmp_path_factory.mktemp("snapshots"), rollout=0.4, creating=10.0, backing_up=0.0) as made:
        following(made)
        (made.folder / "production.yaml").write_text(pinned())
        yield made


def _of_git(on: World) -> tuple[str, ...]:
    return "--repository", str(on.git.folder), "--path", FILE


def _listed(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [each["snapshot"] for each in json.loads(done.stdout)["snapshots"]]


# --- the list


def test_the_snapshots_are_listed_by_file_by_name_and_from_git(shared: World) -> None:
    ways: dict[str, tuple[str, ...]] = {
        "file": ("production.yaml", "postgres"),
        "name": (ENVIRONMENT, "postgres"),
        "git": (ENVIRONMENT, "postgres", *_of_git(shared)),
    }

    listed = {way: _listed(shared.trueup("snapshots", *words, "--output", "json")) for way, words in ways.items()}

    assert listed["file"] == listed["name"] == listed["git"]
    assert len(listed["file"]) == 8
    assert listed["file"][-2:] == [SNAPSHOT, MANUAL_SNAPSHOT], "the newest first"
    assert shared.writes() == []


def test_for_people_it_says_which_can_be_restored_and_what_to_write(shared: World) -> None:
    done = shared.trueup("snapshots", "production.yaml", "postgres")

    lines = [line for line in done.stdout.splitlines() if SNAPSHOT in line or MANUAL_SNAPSHOT in line]
    assert (done.returncode, done.stderr) == (0, "")
    told = [("  yes  " in line, "100 GiB" in line, "postgres 16.3" in line) for line in lines]
    assert told == [(True, True, True)] * 2
    assert "automated" in lines[0]
    assert "manual" in lines[1]
    for part in ("Point in time", "7 days", f"instance: {INSTANCE}", f"like: {DATABASE}"):
        assert part in done.stdout, part
    assert PASSWORD not in done.stdout


def test_in_a_terminal_it_fits_80_columns_and_names_are_whole(
    shared: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shared.folder)
    for name, value in (shared.environ | {"FORCE_COLOR": "1", "TERM": "dumb", "COLUMNS": "80"}).items():
        monkeypatch.setenv(name, value)

    assert cli.run(("snapshots", "production.yaml", "postgres")) == 0

    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= 80
    assert {SNAPSHOT, MANUAL_SNAPSHOT} <= set(lines)
    assert sum("ago; can be restored" in line for line in lines) == 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("nobody", "postgres"), "there is no environment called nobody", id="no such environment"),
        pytest.param(("nobody.yaml", "postgres"), "nobody.yaml", id="no such file"),
        pytest.param(("production.yaml", "mysql"), "has no database mysql; it has postgres", id="no such database"),
        pytest.param(("production.yaml",), "DATABASE", id="no database"),
        pytest.param(("production.yaml", "postgres", "--output", "markdown"), "--output", id="no such form"),
    ],
)
def test_what_cannot_be_listed_ends_with_1_and_says_why(shared: World, words: tuple[str, ...], said: str) -> None:
    done = shared.trueup("snapshots", *words)

    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_of_more_than_ten_the_newest_and_of_each_why_it_cannot_be_restored(shared: World) -> None:
    names = [f"old-{number}" for number in range(5)]
    for number, name in enumerate(names):
        at = (shared.aws.now() - timedelta(days=1, hours=1 + number)).isoformat()
        control(shared, "snapshots", region="us-east-1", instance=DATABASE, name=name, at=at)
    control(shared, "snapshots/status", name="old-1", status="failed")

    told = json.loads(shared.trueup("snapshots", "production.yaml", "postgres", "--output", "json").stdout)

    found = {each["snapshot"]: (each["restorable"], each["hindrance"]) for each in told["snapshots"]}
    assert len(found) == 10
    assert [found[name] for name in names] == [(False, "it is failed") if n == 1 else (True, None) for n in range(5)]
    taken = [each["taken"] for each in told["snapshots"]]
    assert taken == sorted(taken, reverse=True)
    assert MANUAL_SNAPSHOT not in found


# --- the plan


def _plans(on: World, *words: str) -> dict[str, subprocess.CompletedProcess[str]]:
    return {form: on.trueup("plan", *words, "--output", form) for form in FORMS}


def _database(told: str) -> dict[str, Any]:
    resources = json.loads(told)["environments"][0]["resources"]
    return next(each for each in resources if each["name"] == "postgres")


def test_the_plan_of_a_restore_tells_all_that_follows_and_what_a_revert_will_not_undo(shared: World) -> None:
    (shared.folder / "restore.yaml").write_text(restoring("quiesce: [api]"))

    shown = _plans(shared, "restore.yaml")

    assert {done.returncode for done in shown.values()} == {2}, shown["text"].stderr
    database = _database(shown["json"].stdout)
    assert [each["verb"] for each in database["changes"]] == ["restore"]
    assert [each["verb"] for each in database["ahead"]] == ["publish", "point_name"]
    assert "STAYS after a revert" in database["changes"][0]["effect"]
    for form in ("text", "markdown"):
        said = " ".join(shown[form].stdout.split())
        for part in (
            SNAPSHOT,
            INSTANCE,
            "STAYS after a revert",
            RECORD,
            "subnet_group",
            "its tasks stop once the new database is ready",
            "are replaced",
        ):
            assert part in said, (form, part)
        assert [said.index(verb) for verb in ("restore", "publish", "point name")] == sorted(
            said.index(verb) for verb in ("restore", "publish", "point name")
        )
        assert PASSWORD not in said
    assert shared.writes() == []


def test_the_settings_that_it_prints_can_be_committed_in_place_of_like(shared: World) -> None:
    (shared.folder / "restore.yaml").write_text(restoring())
    printed = _database(shared.trueup("plan", "restore.yaml", "--output", "json").stdout)["settings"]
    said = shared.trueup("plan", "restore.yaml").stdout
    assert [line for line in printed.splitlines() if line not in said] == []
    settings = tuple(line.strip() for line in printed.splitlines()[1:] if "tags" not in line)

    (shared.folder / "written.yaml").write_text(restoring(like="", settings=settings))
    shown = shared.trueup("plan", "written.yaml", "--output", "json")

    assert shown.returncode == 2, shown.stdout
    assert "multi_az: true" in settings
    assert [each["verb"] for each in _database(shown.stdout)["changes"]] == ["restore"]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        pytest.param({"snapshot": "of-nobody"}, 1, "there is no snapshot of-nobody", id="no such snapshot"),
        pytest.param({"like": "of-nobody"}, 1, "no instance of-nobody to be like", id="nothing to be like"),
        pytest.param(
            {"instance": DATABASE, "like": INSTANCE}, 1, "was not restored by trueup", id="a foreign instance"
        ),
        pytest.param({"instance": "2nd"}, 1, "restore.instance", id="no name of an instance"),
    ],
)
def test_a_plan_of_what_cannot_be_restored_ends_with_1(
    shared: World, more: dict[str, str], code: int, said: str
) -> None:
    (shared.folder / "wrong.yaml").write_text(restoring(**more))

    done = shared.trueup("plan", "wrong.yaml")

    assert done.returncode == code
    assert said in " ".join(done.stdout.split()) + done.stderr


def test_a_plan_in_the_middle_of_a_restore_says_how_far_it_is_and_ends_with_2_and_then_with_0(shared: World) -> None:
    shared.git.commit(restoring())
    run = Inside(shared)
    run.loop.poll()
    run.step()
    assert shared.writes() == [RESTORE]

    shown = _plans(shared, *_of_git(shared))
    at_rest(run)
    done = shared.trueup("plan", *_of_git(shared))

    assert {each.returncode for each in shown.values()} == {2}, shown["text"].stdout
    for form in FORMS:
        assert f"RDS is creating {INSTANCE} from {SNAPSHOT}" in shown[form].stdout, form
        assert f"the endpoint of {INSTANCE}" in shown[form].stdout, form
    database = _database(shown["json"].stdout)
    assert (database["condition"], database["changes"]) == ("progressing", [])
    assert [each["verb"] for each in database["ahead"]] == ["publish", "point_name"]
    assert (done.returncode, address() in shared.secret()) == (0, True), done.stdout
