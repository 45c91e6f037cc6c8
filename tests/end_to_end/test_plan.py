"""`trueup plan`: what a pass would change, in three forms, from files and from git, and never a write."""

import json

import pytest

from rehearsal.replaydash_names import DATABASE_HOST, GOOD_TAG
from tests.end_to_end.combined import BEFORE, OTHER_HOST, after
from tests.end_to_end.world import FILE, World, api, production

ROLLBACK = production(
    api=["task_revision: 123", "desired_count: 2", "env:", "  LOG_LEVEL: pinned-value-1"],
    worker=["desired_count: 0"],
    postgres=[f"endpoint: {OTHER_HOST}"],
    maintenance=["enabled: true"],
)


def test_no_drift_is_0_drift_is_2_and_an_error_is_1_from_files(replaydash: World) -> None:
    codes = {}
    for name, text in {
        "none": api("task_revision: 124"),
        "drift": api("task_revision: 123"),
        "stalled": api("task_revision: 124", "image_tag: v9"),
        "bad": api("task_revision: x:y:z"),
    }.items():
        (replaydash.folder / f"{name}.yaml").write_text(text)
        done = replaydash.trueup("plan", f"{name}.yaml", "--aws-timeout", "2")
        codes[name] = done.returncode
        assert "Traceback" not in done.stderr

    assert codes == {"none": 0, "drift": 2, "stalled": 1, "bad": 1}
    assert replaydash.writes() == []
    assert replaydash.trueup("plan", "missing.yaml").returncode == 1


def test_from_git_it_reads_what_is_committed_and_writes_nothing(replaydash: World) -> None:
    replaydash.git.commit(api("task_revision: 123"))
    (replaydash.git.folder / FILE).write_text(api("task_revision: 120"))
    words = ("--repository", str(replaydash.git.folder), "--path", FILE, "--output", "json")

    drift = replaydash.trueup("plan", *words)
    replaydash.git.run("checkout", "--quiet", FILE)
    replaydash.git.commit(api("task_revision: 124"))
    none = replaydash.trueup("plan", *words)

    assert (drift.returncode, none.returncode) == (2, 0)
    resource = _resource(json.loads(drift.stdout), "api")
    assert resource["changes"] == [
        {
            "verb": "deploy",
            "drift": [
                {
                    "field": "task_revision",
                    "live": "replaydash-production-api:124",
                    "desired": "replaydash-production-api:123",
                }
            ],
            "effect": None,
            "takes": None,
        }
    ]
    assert replaydash.writes() == []


def test_the_plan_of_a_whole_rollback_names_every_change_in_every_form(replaydash: World) -> None:
    (replaydash.folder / "rollback.yaml").write_text(ROLLBACK)
    shown = {
        form: replaydash.trueup("plan", "rollback.yaml", "--output", form) for form in ("text", "json", "markdown")
    }

    assert {done.returncode for done in shown.values()} == {2}, shown["text"].stderr
    for form in ("text", "markdown"):
        said = " ".join(shown[form].stdout.split())
        for part in ("env.LOG_LEVEL", "desired_count", "endpoint", OTHER_HOST, "SHUTDOWN", "MAINTENANCE"):
            assert part in said, (form, part)
        assert "\x1b" not in said
    told = json.loads(shown["json"].stdout)
    verbs = {
        each["name"]: [change["verb"] for change in each["changes"]] for each in told["environments"][0]["resources"]
    }
    assert told["result"] == "drift"
    assert verbs["api"] == ["deploy"], "one call of UpdateService is one change"
    assert verbs["worker"] == ["remember_tag", "suspend_scaling", "scale"]
    assert (verbs["postgres"], verbs["maintenance"]) == (["publish"], ["enter_maintenance"])
    everything = "".join(done.stdout + done.stderr for done in shown.values())
    assert "pinned-value-1" not in everything, "a variable's value may be secret: its name is enough"
    assert replaydash.writes() == []


def test_a_tag_without_a_base_is_planned_with_the_line_to_add(replaydash: World) -> None:
    (replaydash.folder / "tag.yaml").write_text(api(f"image_tag: {GOOD_TAG}"))

    done = replaydash.trueup("plan", "tag.yaml")

    assert done.returncode == 2
    assert "task_revision: 124" in done.stdout


def test_the_same_value_that_is_pinned_first_is_shown_as_it_is_live(replaydash: World) -> None:
    """A revert restores only what an older commit pinned, so the reader is told what to commit first."""
    (replaydash.folder / "first.yaml").write_text(api("task_revision: 123", "desired_count: 6"))

    done = replaydash.trueup("plan", "first.yaml", "--output", "markdown")

    assert "services.api.task_revision: replaydash-production-api:124" in done.stdout
    assert "services.api.desired_count: 4" in done.stdout


@pytest.mark.parametrize("text", [BEFORE, after()], ids=["before the change", "the change"])
def test_a_plan_and_the_pass_that_follows_agree(replaydash: World, text: str) -> None:
    """What is planned as a change is written, and where nothing is planned nothing is."""
    replaydash.git.commit(text)
    words = ("--repository", str(replaydash.git.folder), "--path", FILE)
    plan = replaydash.trueup("plan", *words, "--output", "json")
    assert replaydash.writes() == []

    assert replaydash.once().returncode == 0

    changes = sum(len(each["changes"]) for each in json.loads(plan.stdout)["environments"][0]["resources"])
    assert bool(replaydash.writes()) is bool(changes)
    assert replaydash.trueup("plan", *words).returncode == 0
    assert json.loads(replaydash.secret())["host"] == (OTHER_HOST if text != BEFORE else DATABASE_HOST)


def test_two_files_that_claim_one_service_are_an_error(replaydash: World) -> None:
    for name in ("a", "b"):
        text = api("task_revision: 124").replace("environment: replaydash-production", f"environment: {name}")
        (replaydash.folder / f"{name}.yaml").write_text(text)

    done = replaydash.trueup("plan", "a.yaml", "b.yaml")

    assert done.returncode == 1
    assert "claimed" in done.stdout + done.stderr


def _resource(told: dict, name: str) -> dict:
    return next(each for each in told["environments"][0]["resources"] if each["name"] == name)
