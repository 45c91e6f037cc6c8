"""`trueup revisions`, `trueup images`, and `trueup explain` without a daemon: one look at AWS, which writes nothing."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from daemon import cli
from rehearsal.replaydash_names import API_RELEASES, LIVE_REVISION, LIVE_TAG, PASSWORD, PREVIOUS_REVISION, PREVIOUS_TAG
from tests.end_to_end.world import ENVIRONMENT, FILE, SERVICE, World, production, world

BACK = production(api=(f"task_revision: {PREVIOUS_REVISION}",), worker=("task_revision: 58",))
LIVE = production(api=(f"task_revision: {LIVE_REVISION}",), worker=("task_revision: 58",))


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Production as it is, two versions of its file, and no daemon. The last tests take images away and add some."""
    with world(tmp_path_factory.mktemp("looking")) as made:
        made.git.commit(BACK, "Go back")
        made.git.commit(LIVE, "Go on")
        (made.folder / FILE).write_text(LIVE)
        made.aws.clear_calls()
        yield made


def of_git(on: World) -> tuple[str, ...]:
    return "--repository", str(on.git.folder), "--path", FILE


def test_without_a_daemon_explain_looks_at_aws_itself_and_says_so(still: World) -> None:
    (still.folder / FILE).write_text(BACK)
    try:
        silent = still.trueup("explain", FILE, "--daemon", "http://127.0.0.1:9")
        chosen = still.trueup("explain", ENVIRONMENT, "--no-daemon", *of_git(still))
    finally:
        (still.folder / FILE).write_text(LIVE)

    assert (silent.returncode, chosen.returncode) == (2, 0)
    assert "No daemon answers at http://127.0.0.1:9" in " ".join(silent.stdout.split()).replace(
        "no daemon", "No daemon"
    )
    assert "Service api differs in task_revision" in " ".join(silent.stdout.split())
    assert "No daemon was asked" in chosen.stdout
    assert still.writes() == []


def test_revisions_say_what_runs_what_is_pinned_and_what_to_type(still: World) -> None:
    told = still.trueup("revisions", ENVIRONMENT, "api", *of_git(still))

    assert (told.returncode, told.stderr) == (0, "")
    lines = told.stdout.splitlines()
    numbers = [line.split()[0] for line in lines if line[:1].isdigit()]
    assert numbers == [str(number) for number in sorted(API_RELEASES, reverse=True)]
    assert next(line for line in lines if line.startswith(f"{LIVE_REVISION} ")).endswith("RUNS NOW")
    assert all(f"{SERVICE}:{tag}" in told.stdout for tag in API_RELEASES.values())
    assert f"against {LIVE_REVISION}: env." in told.stdout
    assert PASSWORD not in told.stdout
    assert still.writes() == []


def test_revisions_as_json_name_the_commits_and_no_value(still: World) -> None:
    go_on, go_back = still.git.run("log", "--format=%H").split()

    told = json.loads(still.trueup("revisions", ENVIRONMENT, "api", "--output", "json", *of_git(still)).stdout)

    by_number = {each["revision"]: each for each in told["revisions"]}
    assert by_number[LIVE_REVISION]["pinned_by"] == [go_on]
    assert by_number[PREVIOUS_REVISION]["pinned_by"] == [go_back]
    assert [number for number, each in by_number.items() if each["runs"]] == [LIVE_REVISION]
    assert [number for number, each in by_number.items() if each["pinned"]] == [LIVE_REVISION]
    assert all("rehearsal" in each["registered_by"] for each in told["revisions"])


def test_images_are_listed_by_when_they_were_pushed_whatever_the_order_of_ecr(still: World) -> None:
    told = json.loads(still.trueup("images", FILE, "api", "--output", "json").stdout)

    (repository,) = told
    pushed = [each["pushed"] for each in repository["images"]]
    assert pushed == sorted(pushed, reverse=True)
    assert [each["tags"] for each in repository["images"] if each["runs"]] == [[LIVE_TAG]]
    assert still.writes() == []


def test_images_for_people_fit_80_columns_and_say_what_to_type(still: World) -> None:
    told = still.trueup("images", FILE, "api")

    lines = told.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("RUNS NOW" in line for line in lines) == 1
    assert lines[-1] == f"For example: trueup rollback {FILE} api --to {PREVIOUS_TAG}"


def test_images_that_are_too_wide_for_a_terminal_have_their_notes_below(
    still: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(still.folder)
    for name, value in (still.environ | {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "70"}).items():
        monkeypatch.setenv(name, value)

    assert cli.run(("images", FILE, "api")) == 0

    plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    lines = [line.rstrip() for line in plain.splitlines()]
    assert max(map(len, lines)) <= 70
    (at,) = (number for number, line in enumerate(lines) if line == "    RUNS NOW")
    assert lines[at - 1].startswith(LIVE_TAG)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("revisions", "nobody", "api"), "there is no environment called nobody", id="no environment"),
        pytest.param(("revisions", FILE, "mail"), "has no service mail; it has api, worker", id="no service"),
        pytest.param(("images", FILE, "mail"), "has no service mail; it has api, worker", id="no service of images"),
        pytest.param(("revisions", FILE, "api", "--most", "0"), "not a number from 1 to 100", id="no length"),
        pytest.param(("status", "--daemon", "http://example.com"), "this machine only", id="another machine"),
    ],
)
def test_what_cannot_be_shown_ends_with_1_and_one_line(still: World, words: tuple[str, ...], said: str) -> None:
    done = still.trueup(*words)

    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# --- with images taken away, and added


def test_a_revision_whose_image_is_gone_cannot_be_gone_back_to_and_is_not_proposed(still: World) -> None:
    still.client("ecr").batch_delete_image(repositoryName=SERVICE, imageIds=[{"imageTag": PREVIOUS_TAG}])

    done = still.trueup("revisions", FILE, "api", "--output", "json")

    told = json.loads(done.stdout)
    gone = next(each for each in told["revisions"] if each["revision"] == PREVIOUS_REVISION)
    assert gone["ready"] is False
    assert any(PREVIOUS_TAG in each["message"] for each in gone["findings"])
    assert told["go_back"] != f"trueup rollback {FILE} api --to {PREVIOUS_REVISION}"


def test_of_a_repository_of_many_pages_the_newest_are_found(still: World) -> None:
    still.aws.clear_calls()
    _push_many(still.client("ecr"), 1050)

    done = still.trueup("images", FILE, "api", "--most", "3")

    assert done.returncode == 0, done.stderr
    calls = [call for call in still.aws.calls() if call["operation"] == "DescribeImages"]
    assert len(calls) == 2, "two pages, and each once"
    assert "the newest 3 of 105" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()[2:5]] == ["late-1049", "late-1048", "late-1047"]


def _push_many(ecr: Any, count: int) -> None:
    for number in range(count):
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "n": number}
        ecr.put_image(repositoryName=SERVICE, imageManifest=json.dumps(manifest), imageTag=f"late-{number:04}")
