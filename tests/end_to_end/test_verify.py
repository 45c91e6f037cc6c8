"""Verification through the real daemon: what AWS calls done is in sync only once production is found healthy."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from rehearsal.caller import Caller
from rehearsal.replaydash_names import ALARMS, GOOD_TAG, LIVE_TAG, SICK_TAG
from tests.end_to_end import postgres
from tests.end_to_end.world import ALB, SECRET, SERVICE, Daemon, World, eventually, production
from tests.reconcilers.test_check_http import answer, drip, endless, redirecting, serving, silent

GROUP = f"/ecs/{SERVICE}"
EVERYTHING = (
    f"target_group_healthy: {{load_balancer: {ALB}}}",
    f"alarms: [{', '.join(ALARMS)}]",
    f"logs: {{group: {GROUP}, pattern: '?ERROR ?FATAL'}}",
    "running_tasks: true",
)


def health(world: World) -> str:
    """The check of the URL that the rehearsal's app answers."""
    return f"http: [{{url: {world.aws.url}/_rehearsal/app/{SERVICE}/health, contains: ok, within: 2s}}]"


def verified_by(*checks: str, tag: str = LIVE_TAG, **more: Any) -> str:
    """ReplayDash with a tag of its API, and these checks."""
    entries = {"api": ["task_revision: 124", f"image_tag: {tag}"], **more}
    return production(**entries) + "verify:\n" + "".join(f"  {check}\n" for check in checks)


def checks(daemon: Daemon) -> dict[str, Any]:
    """What the last round said, by check."""
    return {each["check"]: each for each in daemon.resource("verification").get("checks", [])}


def reason(daemon: Daemon) -> str:
    return daemon.resource("verification").get("reason", "")


def ask(world: World, what: str, **sent: Any) -> None:
    Caller(world.aws.url).ask(what, **sent)


def test_a_release_is_in_sync_once_everything_has_held(replaydash: World) -> None:
    commit = replaydash.git.commit(verified_by(health(replaydash), *EVERYTHING, "for: 4s", tag=GOOD_TAG))
    daemon = replaydash.daemon()

    eventually(lambda: daemon.condition("api") == "in_sync" and "has held for 4s" in reason(daemon))
    assert not daemon.in_sync(commit)
    assert daemon.environment()["verified"] is False
    eventually(lambda: daemon.in_sync(commit))

    assert daemon.environment()["verified"] is True
    found = checks(daemon)
    assert {each["ok"] for each in found.values()} == {True}
    assert [name.split()[0] for name in found] == ["http", "targets", "alarm", "alarm", "logs", "running"]
    assert found[f"targets of {SERVICE}"]["evidence"] == "4 of 4 healthy"
    assert not [call for call in replaydash.aws.calls() if call["code"] not in ("200", "")]


def test_a_release_that_aws_calls_done_and_users_do_not(replaydash: World) -> None:
    good = verified_by(health(replaydash), "running_tasks: true")
    daemon = replaydash.following(good)
    replaydash.git.commit(verified_by(health(replaydash), "running_tasks: true", tag=SICK_TAG), "Release")

    eventually(lambda: daemon.condition("verification") == "stalled", within=40)
    assert replaydash.primary()["rolloutState"] == "COMPLETED"
    assert (daemon.condition("api"), daemon.environment()["verified"]) == ("in_sync", False)
    assert "answered 500, not 200, in 0." in reason(daemon)
    assert 'relation "plans" does not exist' in reason(daemon)
    assert checks(daemon)[f"running tasks of {SERVICE}"]["ok"] is True
    replaydash.aws.clear_calls()
    daemon.after_passes(3)
    assert replaydash.writes() == []

    back = replaydash.git.revert()
    eventually(lambda: daemon.in_sync(back), within=40)
    assert daemon.environment()["verified"] is True


def test_what_fails_later_is_told_and_heals_by_itself(replaydash: World) -> None:
    commit = replaydash.git.commit(verified_by(health(replaydash), *EVERYTHING))
    daemon = replaydash.daemon()
    eventually(lambda: daemon.in_sync(commit))

    ask(replaydash, "alarms", name=ALARMS[0], state="ALARM", reason="Too many errors.")
    ask(replaydash, "targets", service=SERVICE, unhealthy=1)
    ask(replaydash, "logs", group=GROUP, messages=["ERROR: password=hunter2 is wrong"])
    eventually(lambda: daemon.condition("verification") == "progressing")
    eventually(lambda: daemon.condition("verification") == "stalled", within=40)

    found = {name: each["evidence"] for name, each in checks(daemon).items() if each["ok"] is False}
    assert found[f"alarm {ALARMS[0]}"].endswith("UTC: Too many errors.")
    assert found[f"targets of {SERVICE}"] == "3 of 4 healthy: Health checks failed with these codes: [503]"
    assert found[f"logs {GROUP}"].endswith("; the first: ERROR: password=[redacted] is wrong")
    assert len(found) == 3
    assert "hunter2" not in daemon.printed() + daemon.get("/api/v1/status") + daemon.get("/metrics")

    ask(replaydash, "alarms", name=ALARMS[0], state="OK")
    ask(replaydash, "targets", service=SERVICE, unhealthy=0)
    replaydash.aws.advance(400)
    eventually(lambda: daemon.in_sync(commit))


def test_nothing_is_verified_behind_a_maintenance_page(replaydash: World) -> None:
    daemon = replaydash.following(verified_by(health(replaydash), maintenance=["enabled: false"]))
    on = replaydash.git.commit(verified_by(health(replaydash), maintenance=["enabled: true"]))

    eventually(lambda: daemon.in_sync(on))
    assert [each["type"] for each in daemon.resource("verification")["advice"]] == ["not_verified"]
    daemon.after_passes(2)
    assert daemon.in_sync(on)

    off = replaydash.git.revert()
    eventually(lambda: daemon.in_sync(off))
    assert daemon.environment()["verified"] is True


def test_hostile_urls_cost_no_pass_and_say_what_they_did(replaydash: World) -> None:
    with (
        serving(silent) as hanging,
        serving(drip(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 999, 0.05)) as dripping,
        serving(endless) as huge,
        redirecting(*["http://169.254.169.254/latest/meta-data/iam/"] * 999) as metadata,
        serving(answer("500 No", b"boom")) as broken,
    ):
        urls = {each.url(): each for each in (hanging, dripping, huge, metadata, broken)}
        listed = ", ".join(f"{{url: '{each}', within: 3s}}" for each in urls)
        replaydash.git.commit(verified_by(f"http: [{listed}]"))
        daemon = replaydash.daemon()
        eventually(lambda: len(checks(daemon)) == 5)
        before = daemon.passes()
        time.sleep(4)
        assert daemon.passes() - before >= 3
        eventually(lambda: daemon.condition("verification") == "stalled", within=40)

        found = checks(daemon)
        told = [found[f"http {each}"] for each in urls]
        assert [each["ok"] for each in told] == [False, False, True, False, False]
        assert told[0]["evidence"] == told[1]["evidence"] == "no whole answer within 3s"
        assert told[3]["evidence"].startswith("redirects to another host, 169.254.169.254")
        assert told[4]["evidence"].endswith(": boom")

        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 3


def test_what_cannot_be_asked_is_retried_and_fails_nothing(replaydash: World) -> None:
    replaydash.git.commit(verified_by(f"alarms: [{ALARMS[0]}]"))
    replaydash.aws.fault("cloudwatch", "DescribeAlarms", "error", times=10_000)
    daemon = replaydash.daemon()

    eventually(lambda: daemon.condition("verification") == "retrying", within=40)
    assert reason(daemon).startswith("cannot be verified now: alarms: DescribeAlarms failed")
    assert daemon.environment()["verified"] is False

    replaydash.aws.clear_faults()
    eventually(lambda: daemon.condition("verification") == "in_sync")


def test_a_killed_daemon_begins_the_trial_again(replaydash: World) -> None:
    replaydash.git.commit(verified_by(health(replaydash), tag=SICK_TAG))
    daemon = replaydash.daemon()
    eventually(lambda: daemon.condition("verification") == "stalled", within=40)
    daemon.kill()

    again = replaydash.daemon()
    eventually(lambda: reason(again).startswith("does not hold yet: http "))
    eventually(lambda: again.condition("verification") == "stalled", within=40)


@pytest.mark.parametrize(("tag", "code"), [pytest.param(GOOD_TAG, 0, id="well"), pytest.param(SICK_TAG, 1, id="sick")])
def test_once_ends_with_what_was_verified(replaydash: World, tag: str, code: int) -> None:
    replaydash.git.commit(verified_by(health(replaydash), tag=tag))

    assert replaydash.once().returncode == code


# The database


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    with postgres.server() as made:
        yield made


def use(world: World, server: postgres.Server) -> None:
    """Let the secret of production lead to this server."""
    login = f"{postgres.ADMIN}:{quote(postgres.ADMIN_PASSWORD)}"
    told = {"url": f"postgresql://{login}@localhost:{server.port}/postgres"}
    world.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=json.dumps(told))


def test_a_database_that_takes_logins_and_then_hangs_and_comes_back(replaydash: World, server: postgres.Server) -> None:
    use(replaydash, server)
    text = verified_by("database: postgres", postgres=[f"endpoint: localhost:{server.port}"])
    daemon = replaydash.following(text)
    (name,) = checks(daemon)
    assert checks(daemon)[name]["evidence"].startswith(f"login to localhost:{server.port} in 0.")

    with server.frozen():
        eventually(lambda: "did not answer within 10 s" in checks(daemon)[name]["evidence"], within=40)
        before = daemon.passes()
        eventually(lambda: daemon.condition("verification") == "stalled", within=60)
        assert daemon.passes() > before
    eventually(lambda: daemon.condition("verification") == "in_sync", within=60)

    server.run(f"ALTER ROLE {postgres.ADMIN} PASSWORD 'another'")
    eventually(lambda: checks(daemon)[name]["ok"] is False)
    assert "password authentication failed" in checks(daemon)[name]["evidence"]
    assert postgres.ADMIN_PASSWORD not in daemon.printed() + daemon.get("/api/v1/status")
