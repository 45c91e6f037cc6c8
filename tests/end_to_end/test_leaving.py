"""An entry that leaves the file: what trueup did for it is taken back, and nothing else of it is touched."""

from tests.end_to_end.world import ALB, CLUSTER, FILE, HEAD, SERVICE, World, api, eventually

NOTHING = HEAD
ON = HEAD + f"maintenance: {{enabled: true, load_balancer: {ALB}}}\n"


def test_reverting_the_commit_that_added_an_entry_with_a_tag_returns_to_what_ran(replaydash: World) -> None:
    replaydash.git.commit(NOTHING)
    replaydash.git.commit(api("image_tag: v20240224-120000"))
    assert replaydash.once().returncode == 0
    assert not replaydash.settled_on("124")
    replaydash.aws.clear_calls()

    replaydash.git.revert()
    assert replaydash.once().returncode == 0

    assert replaydash.settled_on("124")
    assert replaydash.writes() == ["UpdateService"]


def test_reverting_the_commit_that_added_an_entry_with_a_count_of_0_returns_to_the_count(replaydash: World) -> None:
    replaydash.git.commit(NOTHING)
    daemon = replaydash.daemon()
    down = replaydash.git.commit(api("desired_count: 0"))
    eventually(lambda: daemon.in_sync(down))
    assert replaydash.service()["desiredCount"] == 0

    back = replaydash.git.revert()
    eventually(lambda: daemon.in_sync(back) and replaydash.service()["runningCount"] == 4)

    assert not [tag for tag in replaydash.service()["tags"] if tag["key"].startswith("trueup:")]


def test_an_entry_that_leaves_with_a_plain_pin_is_left_as_it_is(replaydash: World) -> None:
    replaydash.git.commit(api("task_revision: 123"))
    assert replaydash.once().returncode == 0
    replaydash.aws.clear_calls()

    replaydash.git.commit(NOTHING)
    assert replaydash.once().returncode == 0

    assert replaydash.settled_on("123")
    assert replaydash.writes() == []


def test_a_plan_of_the_removal_shows_what_is_taken_back(replaydash: World) -> None:
    replaydash.git.commit(api("image_tag: v20240224-120000"))
    assert replaydash.once().returncode == 0
    (replaydash.git.folder / FILE).write_text(NOTHING)

    done = replaydash.trueup("plan", str(replaydash.git.folder / FILE))

    assert done.returncode == 2
    assert f"{SERVICE}:124" in done.stdout


def test_a_service_that_was_deleted_after_it_left_the_file_is_no_trouble(replaydash: World) -> None:
    replaydash.git.commit(api("task_revision: 123"))
    assert replaydash.once().returncode == 0
    replaydash.git.commit(NOTHING)
    replaydash.client("ecs").delete_service(cluster=CLUSTER, service=SERVICE, force=True)

    assert replaydash.once().returncode == 0


def test_a_page_is_taken_away_also_where_the_environment_was_renamed_meanwhile(replaydash: World) -> None:
    replaydash.git.commit(ON)
    assert replaydash.once().returncode == 0
    assert _page(replaydash) == 503

    replaydash.git.commit(
        ON.replace("enabled: true", "enabled: false").replace("replaydash-production\n", "renamed\n", 1)
    )
    assert replaydash.once().returncode == 0

    assert _page(replaydash) is None


def test_a_plan_from_a_file_or_from_git_shows_that_a_removed_section_ends_maintenance(replaydash: World) -> None:
    replaydash.git.commit(ON)
    assert replaydash.once().returncode == 0
    replaydash.git.commit(NOTHING)

    plans = [
        replaydash.trueup("plan", str(replaydash.git.folder / FILE)),
        replaydash.trueup("plan", "--repository", str(replaydash.git.folder), "--path", FILE),
    ]

    assert [plan.returncode for plan in plans] == [2, 2]
    assert all("leave maintenance" in plan.stdout for plan in plans)


def _page(world: World) -> int | None:
    status: int | None = world.aws.route(ALB, "api.replaydash.com")["status"]
    return status
