"""Windows and limits hold changes back, say until when, and never hold back maintenance, a shutdown or the way back."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.end_to_end.world import (
    CLUSTER,
    ENVIRONMENT,
    FILE,
    SERVICE,
    WORKER,
    Daemon,
    World,
    eventually,
    instant,
    production,
)

SECOND = f"{SERVICE}-second"
THREE = ("api", "worker", "second")
WAITS = 'trueup_changes_waiting{environment="replaydash-production",kind="service",name="api",reason="%s"}'
UNTIL = 'trueup_changes_waiting_until_timestamp_seconds{environment="replaydash-production",kind="service",name="api"}'


def hours(opens: float, closes: float) -> str:
    """A window from so many hours from now on."""
    now = datetime.now(UTC)
    clocks = [f"{now + timedelta(hours=each):%H:%M}" for each in (opens, closes)]
    return f'windows: [{{allow: "{"-".join(clocks)}"}}]\n'


def closed() -> str:
    return hours(2, 3)


def opened() -> str:
    return hours(-1, 1)


def opening() -> datetime:
    """When the closed window opens."""
    return (datetime.now(UTC) + timedelta(hours=2)).replace(second=0, microsecond=0)


def held(daemon: Daemon, commit: str, reason: str = "window", name: str = "api") -> bool:
    """Whether a commit was looked at, and its change waits."""
    waits = daemon.resource(name).get("waits") or {}
    return daemon.environment().get("commit") == commit and waits.get("for") == reason


def runs(world: World, revision: str, name: str = SERVICE) -> bool:
    return world.service(name)["taskDefinition"].endswith(f":{revision}")


def test_a_release_outside_the_window_waits_and_everybody_says_until_when(replaydash: World) -> None:
    daemon = replaydash.following(production(api=["task_revision: 124"]) + closed(), interval=0.3)
    window, opens = closed(), opening()
    text = production(api=["task_revision: 123"]) + window
    commit = replaydash.git.commit(text)
    eventually(lambda: held(daemon, commit))
    daemon.after_passes(3)

    assert replaydash.writes() == []
    assert daemon.condition() == "drifted"
    spelled = f"{opens:%Y-%m-%dT%H:%M}"
    shown = f"{opens:%a %d %b %H:%M} UTC"
    assert daemon.resource()["waits"]["until"].startswith(spelled)
    assert f"waits for its window, which opens {shown}" in daemon.resource()["reason"]
    assert daemon.metric(WAITS % "window") == 1
    assert daemon.metric(UNTIL) == opens.timestamp()

    url = f"http://{daemon.address}"
    place = ("--repository", str(replaydash.git.folder), "--path", FILE)
    pages = {
        "plan": replaydash.trueup("plan", *place),
        "plan of the file": replaydash.trueup("plan", str(replaydash.git.folder / FILE)),
        "status": replaydash.trueup("status", ENVIRONMENT, "--daemon", url),
        "explain": replaydash.trueup("explain", ENVIRONMENT, "--daemon", url),
    }
    for name, page in pages.items():
        assert f"{opens:%H:%M}" in page.stdout, (name, page.stdout, page.stderr)
        assert "window" in page.stdout, (name, page.stdout)
        assert page.returncode == 2, (name, page.stderr)
    as_json = json.loads(replaydash.trueup("plan", *place, "--output", "json").stdout)
    assert json.dumps(as_json).count(spelled) >= 1


def test_a_window_that_is_open_holds_nothing_back(replaydash: World) -> None:
    daemon = replaydash.following(production(api=["task_revision: 124"]) + opened(), interval=0.3)
    commit = replaydash.git.commit(production(api=["task_revision: 123"]) + opened())

    eventually(lambda: daemon.in_sync(commit))
    assert daemon.metric("trueup_changes_waiting{") is None


def test_a_rollback_is_never_blocked_by_a_calendar(replaydash: World) -> None:
    def pinned(revision: int) -> str:
        return production(api=[f"task_revision: {revision}"])

    daemon = replaydash.following(pinned(123), interval=0.3)
    released = replaydash.git.commit(pinned(124), "Release")
    eventually(lambda: daemon.in_sync(released))
    frozen = replaydash.git.commit(pinned(124) + closed(), "Freeze for the weekend")
    eventually(lambda: daemon.in_sync(frozen))

    back = replaydash.git.commit(pinned(123) + closed(), "Roll back")

    eventually(lambda: daemon.in_sync(back))
    assert runs(replaydash, "123")


def test_neither_maintenance_nor_a_shutdown_and_its_end_wait(replaydash: World) -> None:
    def pinned(count: int, page: str) -> str:
        return closed() + production(worker=[f"desired_count: {count}"], maintenance=[f"enabled: {page}"])

    count = replaydash.service(WORKER)["desiredCount"]
    daemon = replaydash.following(pinned(count, "false"), interval=0.3)

    down = replaydash.git.commit(pinned(0, "true"))
    eventually(lambda: daemon.in_sync(down))
    assert replaydash.service(WORKER)["desiredCount"] == 0
    assert replaydash.route()["status"] == 503

    up = replaydash.git.commit(pinned(count, "false"))
    eventually(lambda: daemon.in_sync(up))
    assert replaydash.service(WORKER)["desiredCount"] == count
    assert replaydash.route()["status"] != 503


def test_a_change_by_hand_waits_for_the_window_as_well(replaydash: World) -> None:
    text = production(api=["task_revision: 124"]) + closed()
    daemon = replaydash.following(text, interval=0.3)
    replaydash.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=f"{SERVICE}:123")
    replaydash.aws.clear_calls()

    eventually(lambda: (daemon.resource().get("waits") or {}).get("for") == "window")
    daemon.after_passes(3)
    assert replaydash.writes() == []


def test_an_emergency_opens_the_window_until_it_is_over(replaydash: World) -> None:
    pinned = production(api=["task_revision: 124"])
    daemon = replaydash.following(pinned + closed(), interval=0.3)
    release = pinned.replace("124", "123") + closed()
    waiting = replaydash.git.commit(release)
    eventually(lambda: held(daemon, waiting))

    over = datetime.now(UTC) - timedelta(minutes=1)
    still = replaydash.git.commit(release + f"emergency_until: {instant(over)}\n")
    eventually(lambda: held(daemon, still))
    assert replaydash.writes() == []

    until = datetime.now(UTC) + timedelta(minutes=10)
    now = replaydash.git.commit(release + f"emergency_until: {instant(until)}\n")
    eventually(lambda: daemon.in_sync(now))
    assert runs(replaydash, "123")


def three(limit: int | None, api: int, worker: int, more: str = "") -> str:
    """Three services that can change at once, and how many may."""
    text = production(api=[f"task_revision: {api}"], worker=[f"task_revision: {worker}"])
    text += f"  second:\n    cluster: {CLUSTER}\n    service: {SECOND}\n"
    text += f'    task_revision: "{WORKER}:{worker}"\n{more}'
    return text + (f"limits: {{changes_per_pass: {limit}}}\n" if limit else "")


@pytest.fixture
def second(replaydash: World) -> World:
    """The same with a second service that runs the worker's image, without autoscaling."""
    worker = replaydash.service(WORKER)
    replaydash.client("ecs").create_service(
        cluster=CLUSTER,
        serviceName=SECOND,
        taskDefinition=worker["taskDefinition"],
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration=worker["networkConfiguration"],
    )
    return replaydash


def test_more_changes_than_the_limit_all_wait_for_a_person(second: World) -> None:
    daemon = second.following(three(3, 124, 57), interval=0.3)

    commit = second.git.commit(three(2, 123, 58), "Change three at once")
    eventually(lambda: all(held(daemon, commit, "limit", name) for name in THREE))
    daemon.after_passes(3)

    assert second.writes() == []
    assert {daemon.condition(name) for name in THREE} == {"drifted"}
    reason = daemon.resource()["reason"]
    assert reason.startswith("3 entries would change at once, and limits.changes_per_pass is 2: a person decides")
    assert daemon.metric(WAITS % "limit") == 1
    plan = second.trueup("plan", str(second.git.folder / FILE))
    assert plan.returncode == 2
    assert "3 entries would change" in " ".join(plan.stdout.split())

    raised = second.git.commit(three(3, 123, 58), "Three may change")
    eventually(lambda: daemon.in_sync(raised))
    assert runs(second, "123")
    assert runs(second, "58", SECOND)


def test_as_many_changes_as_the_limit_are_made(second: World) -> None:
    daemon = second.following(three(3, 124, 57), interval=0.3)

    commit = second.git.commit(three(3, 123, 58))
    eventually(lambda: daemon.in_sync(commit))


def test_a_limit_counts_what_could_not_be_read_at_first(second: World) -> None:
    """A service without autoscaling whose count is pinned is looked at twice, five seconds apart."""
    daemon = second.following(three(3, 124, 57), interval=0.3)

    commit = second.git.commit(three(2, 123, 58, more="    desired_count: 2\n"), "Change three at once")
    eventually(lambda: all(held(daemon, commit, "limit", name) for name in THREE))
    assert second.writes() == []


def test_a_limit_holds_back_no_rollback(second: World) -> None:
    daemon = second.following(three(None, 124, 57), interval=0.3)
    released = second.git.commit(three(None, 123, 58), "Change three at once")
    eventually(lambda: daemon.in_sync(released))

    back = second.git.commit(three(1, 124, 57), "Back, and never again so many")
    eventually(lambda: daemon.in_sync(back))
    assert runs(second, "124")


def test_what_runs_once_is_held_by_the_window_too(replaydash: World) -> None:
    replaydash.git.commit(production(api=["task_revision: 123"]) + closed())
    done = replaydash.once()

    assert done.returncode == 1
    assert replaydash.writes() == []
    assert "waits for its window" in done.stderr
