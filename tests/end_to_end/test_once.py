"""`trueup run --once`: passes until nothing is progressing, and an exit code that says how it ended."""

import time
from pathlib import Path

import pytest

from rehearsal.replaydash_names import BAD_TAG, GOOD_TAG
from tests.end_to_end.world import FILE, World, api, production, world


def test_it_ends_with_0_once_everything_is_in_sync(replaydash: World) -> None:
    replaydash.git.commit(production(api=["task_revision: 123"], worker=["task_revision: 57"]))

    done = replaydash.once()

    assert done.returncode == 0, done.stderr
    assert replaydash.settled_on("123")
    assert replaydash.primary("replaydash-production-worker")["rolloutState"] == "COMPLETED"
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(api("task_revision: 124", f"image_tag: {BAD_TAG}"), "ECS gave up the rollout", id="rolled back"),
        pytest.param(api("task_revision: 124", "image_tag: v9"), "has no image v9", id="a tag that ECR does not have"),
        pytest.param(api("task_revision: 123", "task_revision: 124"), "is written twice", id="a malformed file"),
        pytest.param("mode: observe\n" + api("task_revision: 123"), "mode is observe", id="drift, and only observed"),
        pytest.param("mode: suspended\n" + api("task_revision: 124"), "", id="suspended"),
    ],
)
def test_it_ends_with_1_where_something_is_not_in_sync(replaydash: World, text: str, said: str) -> None:
    replaydash.git.commit(text)

    done = replaydash.once()

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_it_ends_with_1_when_its_time_is_up(tmp_path: Path) -> None:
    with world(tmp_path, rollout=300.0) as slow:
        slow.aws.advance(300.0)
        slow.git.commit(api("task_revision: 123"))
        begun = time.monotonic()

        done = slow.once(timeout=1.5)

        assert done.returncode == 1
        assert time.monotonic() - begun < 6
        assert slow.writes() == ["UpdateService"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("--path", FILE), "name the repository", id="no repository"),
        pytest.param(
            ("--repository", ".", "--path", "../x"), "leads out of the repository", id="a path that leads out"
        ),
        pytest.param(("--repository", ".", "--path", FILE, "--interval", "0"), "--interval", id="an interval of 0"),
        pytest.param(
            ("--repository", "ext::sh -c id", "--path", FILE), "trueup: ", id="a transport that runs programs"
        ),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_1(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    made = World(tmp_path, None, None)
    done = made.trueup("run", "--once", *words)

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_changed_image_tag_is_found_by_the_next_run_alone(replaydash: World) -> None:
    """Nothing is remembered between two runs but what AWS says."""
    replaydash.git.commit(api("task_revision: 124", f"image_tag: {GOOD_TAG}"))
    assert replaydash.once().returncode == 0
    replaydash.aws.clear_calls()
    (replaydash.folder / "cache").rename(replaydash.folder / "lost")

    assert replaydash.once().returncode == 0

    assert replaydash.writes() == []
