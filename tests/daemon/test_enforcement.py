"""One environment: passes over its entries, with an AWS of three numbers and clocks that stand still."""

import pytest

from daemon.journal import _facts
from daemon.wiring import Territory
from desired_state.parse import Problem
from reconcilers.aws import Connection, Place
from reconcilers.contract import Absent, Stalled
from tests.daemon.fakes import One, counts

ROLE = "arn:aws:iam::123456789012:role/trueup"
DATABASE = "databases:\n  postgres: {secret: s, endpoint: new.example.com}\n"
SERVICE_ON_DATABASE = (
    "services:\n  api: {cluster: c, service: api, desired_count: 2, databases: [postgres]}\n" + DATABASE
)
BASE = "version: 1\nenvironment: production\naws: {region: us-east-1}\n"


def page(enabled: str, **services: int) -> str:
    return counts(**services) + f"maintenance: {{enabled: {enabled}, load_balancer: alb}}\n"


def test_what_differs_is_written_once_and_then_rests() -> None:
    one = One(counts(api=4))

    assert one.look() == {"api": "progressing"}
    assert one.look() == {"api": "in_sync"}
    assert one.look() == {"api": "in_sync"}

    assert one.ground.writes == [("api", "4")]


def test_one_broken_entry_does_not_stop_the_others() -> None:
    one = One(counts(api=4, worker=4, web=4))
    one.ground.services.errors["api"] = ZeroDivisionError("a bug")
    one.ground.services.refusals["worker"] = Stalled("AWS says no")

    assert one.look() == {"api": "retrying", "worker": "stalled", "web": "progressing"}


@pytest.mark.parametrize(
    ("mode", "may_write", "expected"),
    [
        pytest.param("enforce", True, {"api": "progressing"}, id="enforce"),
        pytest.param("observe", True, {"api": "drifted"}, id="observe reports"),
        pytest.param("suspended", True, {}, id="suspended does not even read"),
        pytest.param("enforce", False, {"api": "drifted"}, id="a plan writes nothing"),
    ],
)
def test_a_mode_says_how_far_a_pass_goes(mode: str, may_write: bool, expected: dict[str, str]) -> None:
    one = One(counts(mode=mode, api=4), may_write=may_write)

    assert one.look() == expected

    assert bool(one.ground.writes) is (mode == "enforce" and may_write)
    assert bool(one.ground.services.looks) is (mode != "suspended")


def test_a_suspended_environment_is_not_in_sync_and_shows_nothing_of_before() -> None:
    one = One(page("false", api=1))
    assert one.look() == {"api": "in_sync", "maintenance": "in_sync"}
    assert one.enforcement.status().in_sync
    assert one.enforcement.status().maintenance_enabled is False

    one.commit(counts(mode="suspended", api=1))
    one.look(full=False)

    status = one.enforcement.status()
    assert (status.mode, status.commit, status.resources, status.in_sync) == ("suspended", "c2", (), False)
    assert status.maintenance_enabled is None
    assert not one.enforcement.waiting


@pytest.mark.parametrize("what", ["a rollout", "a failure"])
def test_nothing_is_due_in_an_environment_that_is_suspended_during(what: str) -> None:
    one = One(counts(api=4))
    if what == "a failure":
        one.ground.services.errors["api"] = OSError("no answer")
    one.look()
    assert one.enforcement.next_look() < float("inf")

    one.commit(counts(mode="suspended", api=4))
    one.look(full=False)
    one.time.pass_(9)

    assert one.enforcement.next_look() == float("inf")
    assert (one.enforcement.moving, one.enforcement.unsettled) == (0, False)


def test_what_was_asked_before_a_suspension_is_not_asked_twice_after_it() -> None:
    one = One(counts(api=4))
    one.ground.services.deaf = True
    one.look()
    one.commit(counts(mode="suspended", api=4))
    one.look()

    one.commit(counts(api=4), commit="c3")

    assert one.look() == {"api": "progressing"}
    assert one.ground.services.writes == [("api", "4")]


def test_a_suspended_environment_resumes() -> None:
    one = One(counts(mode="suspended", api=4))
    one.look()

    one.commit(counts(api=4))

    assert one.look(full=False) == {"api": "progressing"}


@pytest.mark.parametrize(
    ("environ", "role", "reason"),
    [
        pytest.param({}, ROLE, "Unable to locate credentials; set AWS_PROFILE, or ", id="no credentials for a role"),
        pytest.param({}, "", "Unable to locate credentials; set AWS_PROFILE, or ", id="no credentials"),
        pytest.param({"AWS_PROFILE": "nope"}, "", "(nope) could not be found; correct AWS_PROFILE", id="no profile"),
        pytest.param(
            {"AWS_ENDPOINT_URL": "localhost:5000", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"},
            "",
            "Invalid endpoint: localhost:5000; write AWS_ENDPOINT_URL as http://host:port",
            id="no URL",
        ),
    ],
)
def test_where_no_client_can_be_made_every_entry_is_retried_and_says_what_to_do(
    environ: dict[str, str], role: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (environ | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)
    territory = Territory(Connection(Place("us-east-1", role or None)))
    text = counts(api=4) + "databases: {postgres: {secret: s}}\nmaintenance: {enabled: false, load_balancer: alb}\n"
    one = One(text, ground=territory)

    assert one.look() == {"postgres": "retrying", "api": "retrying", "maintenance": "retrying"}
    assert all(reason in one.reason(name) for name in one.conditions)
    assert not any("traceback" in _facts(outcome) for *_, outcome in one.told.outcomes)


def test_another_account_is_neither_read_nor_written() -> None:
    one = One(counts(account="999999999999", api=4))

    assert one.look()["api"] == "stalled"

    assert "account 123456789012, but the file names 999999999999" in one.reason("api")
    assert one.ground.services.looks == []


def test_an_account_that_cannot_be_checked_is_retried() -> None:
    one = One(counts(account="999999999999", api=4))
    one.ground.connection.account = lambda: 1 / 0

    assert one.look()["api"] == "retrying"

    assert one.ground.services.looks == []


def test_a_commit_shows_only_once_it_was_looked_at() -> None:
    one = One(counts(api=1))
    one.look()

    one.commit(counts(api=4))

    status = one.enforcement.status()
    assert (status.commit, status.in_sync) == ("c1", True)
    one.look(full=False)
    status = one.enforcement.status()
    assert (status.commit, status.in_sync) == ("c2", False)


def test_a_commit_that_takes_an_entry_away_takes_its_status_away() -> None:
    one = One(counts(api=1, worker=1))
    one.look()

    one.commit(counts(api=1))

    assert one.look(full=False) == {"api": "in_sync"}


def test_resources_stand_in_the_order_of_a_pass_also_after_a_commit() -> None:
    one = One(counts(worker=1))
    one.look()

    one.commit(page("true", api=1, worker=1) + DATABASE)

    assert list(one.look()) == ["maintenance", "postgres", "api", "worker"]


# --- what waits for what


def test_a_service_waits_while_its_database_has_a_change_pending() -> None:
    one = One(BASE + SERVICE_ON_DATABASE)

    assert one.look() == {"postgres": "progressing", "api": "progressing"}
    assert one.reason("api").startswith("waits for database postgres")
    assert one.ground.writes == [("postgres", "new.example.com")]

    one.time.pass_(1)
    assert one.look(full=False) == {"postgres": "in_sync", "api": "progressing"}
    assert one.ground.services.writes == [("api", "2")]


def test_a_service_whose_database_is_stalled_says_so_and_does_not_hurry() -> None:
    one = One(BASE + SERVICE_ON_DATABASE)
    one.ground.databases.refusals["postgres"] = Stalled("not allowed")

    assert one.look() == {"postgres": "stalled", "api": "drifted"}

    assert one.enforcement.next_look() == float("inf")


def test_a_database_that_cannot_be_read_holds_nobody_up() -> None:
    one = One(BASE + SERVICE_ON_DATABASE)
    one.ground.databases.errors["postgres"] = OSError("no answer")

    assert one.look() == {"postgres": "retrying", "api": "progressing"}

    assert one.ground.services.writes == [("api", "2")]


def test_maintenance_is_entered_before_anything_else() -> None:
    one = One(page("true", api=4))
    order: list[str] = []
    one.ground.maintenance.before = order.append
    one.ground.services.before = order.append

    one.look()

    assert order == ["maintenance", "api"]


def test_maintenance_is_left_once_the_services_have_settled() -> None:
    one = One(page("false", api=4))
    one.ground.maintenance.live["maintenance"] = "on"
    one.ground.services.settling["api"] = "rolling out"
    one.look()
    one.time.pass_(1)
    assert one.look()["maintenance"] == "progressing"
    assert "once api has settled" in one.reason("maintenance")

    del one.ground.services.settling["api"]
    one.time.pass_(1)
    one.look(full=False)

    assert one.ground.maintenance.writes == [("maintenance", "off")]


def test_maintenance_does_not_wait_for_a_stalled_service() -> None:
    one = One(page("false", api=4))
    one.ground.maintenance.live["maintenance"] = "on"
    one.ground.services.refusals["api"] = Stalled("AWS says no")

    one.look()

    assert one.ground.maintenance.writes == [("maintenance", "off")]


def test_one_failed_read_in_the_middle_of_a_rollout_does_not_end_maintenance() -> None:
    one = One(page("false", api=1))
    one.ground.maintenance.live["maintenance"] = "on"
    one.ground.services.settling["api"] = "rolling out"
    one.look()

    one.ground.services.errors["api"] = OSError("throttled")
    one.time.pass_(1)
    one.look()

    assert one.ground.maintenance.writes == []


def test_maintenance_that_the_file_does_not_name_is_shown_only_while_it_is_live() -> None:
    one = One(counts(api=1))
    one.ground.maintenance.live["maintenance"] = "on"

    assert "maintenance" in one.look()
    assert one.enforcement.status().maintenance_enabled is True
    one.time.pass_(1)
    assert "maintenance" not in one.look()
    assert one.enforcement.status().maintenance_enabled is None


# --- a newer commit


def test_a_newer_commit_stops_the_next_write() -> None:
    one = One(counts(api=4, worker=4))
    one.ground.services.before = lambda name: one.commit(counts(api=9, worker=9))

    one.look()

    assert one.ground.writes == []
    assert one.enforcement.waiting


def test_an_unrelated_commit_stops_nothing() -> None:
    one = One(counts(api=4))
    one.ground.services.before = lambda name: one.commit(counts(api=4))

    one.look()

    assert one.ground.writes == [("api", "4")]


def test_the_end_of_the_process_stops_the_next_write() -> None:
    one = One(counts(api=4))

    def stop(_: str) -> None:
        one.stopping = True

    one.ground.services.before = stop
    one.look()

    assert one.ground.writes == []


def test_a_commit_during_a_pass_is_enacted_by_the_next_one() -> None:
    one = One(counts(api=4))
    one.look()
    one.ground.services.before = lambda name: one.commit(counts(api=9)) if one.ground.writes == [("api", "4")] else None
    one.look()
    one.ground.services.before = lambda name: None

    assert one.enforcement.next_look() == 0.0
    one.look(full=False)

    assert one.ground.writes == [("api", "4"), ("api", "9")]


def test_what_is_left_of_a_pass_is_not_even_read_once_a_newer_commit_is_there() -> None:
    one = One(counts(api=1, worker=4))
    one.ground.services.before = lambda name: one.commit(counts(api=9, worker=9))

    one.look()

    assert one.ground.services.looks == ["api"]
    assert one.told.passes == []


@pytest.mark.parametrize("last", [False, True], ids=["in the middle of a pass", "at its end"])
def test_an_environment_that_left_the_repository_is_neither_written_nor_told_of_any_more(*, last: bool) -> None:
    one = One(counts(api=4, worker=4) if not last else counts(api=1))
    kind = one.ground.maintenance if last else one.ground.services
    kind.before = lambda name: one.enforcement.retire()

    one.look()

    assert one.ground.writes == []
    assert one.ground.services.looks == ["api"]
    assert one.told.passes == []


# --- when to look again


def test_what_progresses_is_looked_at_every_second() -> None:
    one = One(counts(api=1, worker=1))
    one.ground.services.settling["api"] = "rolling out"
    one.look()
    one.ground.services.looks.clear()

    assert one.enforcement.next_look() == one.time.now + 1
    one.look(full=False)
    assert one.ground.services.looks == []
    one.time.pass_(1)
    one.look(full=False)
    assert one.ground.services.looks == ["api"]


def test_looks_at_one_resource_do_not_put_off_another() -> None:
    one = One(counts(api=1, **{f"broken{number}": 1 for number in range(12)}))
    one.ground.services.settling["api"] = "rolling out"
    one.ground.services.errors |= {f"broken{number}": OSError("no answer") for number in range(12)}
    one.look()
    one.ground.services.looks.clear()

    for _ in range(60):
        one.time.pass_(0.1)
        one.look(full=False)

    assert one.ground.services.looks.count("api") >= 5


def test_many_that_progress_are_looked_at_politely() -> None:
    one = One(counts(**{f"s{number}": 1 for number in range(200)}))
    one.ground.services.settling |= {f"s{number}": "rolling out" for number in range(200)}

    one.look()

    assert one.enforcement.moving == 200
    assert one.enforcement.next_look(pace=4.0) == one.time.now + 4.0
    one.time.pass_(3.9)
    assert one.enforcement.due(full=False, pace=4.0) == []


def test_what_fails_rests_longer_and_longer_and_is_left_alone_meanwhile() -> None:
    one = One(counts(api=1))
    one.ground.services.errors["api"] = OSError("no answer")
    rests = []
    for _ in range(10):
        one.look()
        rests.append(one.enforcement.next_look() - one.time.now)
        one.ground.services.looks.clear()
        one.look()
        assert one.ground.services.looks == []
        one.time.pass_(rests[-1])

    assert 0.5 <= rests[0] <= 1
    assert 30 <= rests[-1] <= 60


def test_a_very_long_outage_ends_like_a_short_one() -> None:
    one = One(counts(api=1))
    one.ground.services.errors["api"] = OSError("no answer")
    for _ in range(1100):
        one.look()
        one.time.pass_(61)

    one.ground.services.errors.clear()

    assert one.look() == {"api": "in_sync"}


def test_a_failed_read_keeps_what_was_seen_with_its_age() -> None:
    one = One(counts(mode="observe", api=4))
    one.look()
    seen = one.enforcement.status().resources[0]

    one.ground.services.errors["api"] = OSError("no answer")
    one.time.pass_(30)
    one.look()

    now = one.enforcement.status().resources[0]
    assert (now.condition, now.drifts, now.observed) == ("retrying", seen.drifts, seen.observed)
    assert now.drifted_since == seen.drifted_since


def test_a_drift_counts_from_when_it_was_first_seen_until_it_is_gone() -> None:
    one = One(counts(mode="observe", api=4))
    one.look()
    first = one.enforcement.status().resources[0].drifted_since
    one.time.pass_(30)
    one.look()
    assert one.enforcement.status().resources[0].drifted_since == first

    one.ground.services.live["api"] = "4"
    one.look()
    assert one.enforcement.status().resources[0].drifted_since is None

    one.ground.services.live["api"] = "1"
    one.look()
    assert one.enforcement.status().resources[0].drifted_since != first


def test_a_missing_resource_stalls_at_the_second_look() -> None:
    one = One(counts(api=1))
    one.ground.services.errors["api"] = Absent("no such service")

    assert one.look() == {"api": "retrying"}
    one.time.pass_(5)
    assert one.look(full=False) == {"api": "stalled"}


def test_what_aws_refused_is_not_asked_again_until_a_person_asks() -> None:
    one = One(counts(api=4))
    one.ground.services.refusals["api"] = Stalled("AWS says no")
    one.look()
    one.ground.services.refusals.clear()
    one.time.pass_(600)
    assert one.look() == {"api": "stalled"}

    one.enforcement.ask_again()

    assert one.enforcement.next_look() == 0.0
    assert one.look(full=False) == {"api": "progressing"}


def test_what_aws_refused_is_asked_again_by_a_commit_that_changes_the_environment_and_by_no_other() -> None:
    one = One(counts(api=4))
    one.ground.services.refusals["api"] = Stalled("AWS says no")
    one.look()
    one.ground.services.refusals.clear()

    one.commit(counts(api=4))
    assert one.look(full=False) == {"api": "stalled"}
    one.commit(counts(api=5))
    assert one.look(full=False) == {"api": "progressing"}


# --- when a process may stop looking


def test_a_rollout_is_unsettled_and_a_standstill_is_not() -> None:
    one = One(counts(api=4, worker=1))
    assert one.enforcement.unsettled
    one.ground.services.refusals["worker"] = Stalled("AWS says no")
    one.look()
    assert one.enforcement.unsettled

    one.time.pass_(1)
    one.look(full=False)

    assert not one.enforcement.unsettled


def test_what_cannot_be_read_is_given_up_only_after_some_tries_of_its_own() -> None:
    one = One(counts(**{f"s{number}": 1 for number in range(9)}))
    one.ground.services.errors |= {f"s{number}": OSError("no answer") for number in range(9)}

    for _ in range(5):
        one.look()
        assert one.enforcement.unsettled
        assert not one.enforcement.hopeless(tries=5)
        one.time.pass_(60)
    one.look()

    assert one.enforcement.unsettled
    assert one.enforcement.hopeless(tries=5)


def test_a_missing_resource_is_not_given_up_before_its_second_look() -> None:
    one = One(counts(api=1))
    one.ground.services.errors["api"] = Absent("no such service")
    one.look()

    assert not one.enforcement.hopeless(tries=5)
    one.time.pass_(5)
    one.look(full=False)
    assert not one.enforcement.unsettled


# --- the file itself


def test_a_bad_file_is_a_stalled_desired_state_while_the_last_good_commit_stays() -> None:
    one = One(counts(api=1))
    one.look()
    good = one.enforcement.status()

    one.enforcement.judge(
        "0123456789abcdef", (Problem("production.yaml", 4, "services.api.x", "is unknown", "take it out"),) * 3
    )

    bad = one.enforcement.status()
    first = bad.resources[0]
    assert (first.kind, first.name, first.condition) == ("desired_state", "desired_state", "stalled")
    assert first.reason == (
        "commit 01234567 is refused: production.yaml:4: services.api.x: is unknown; take it out (and 2 more); "
        f"the last good commit, {good.commit[:8]}, stays in force"
    )
    assert (bad.valid, bad.in_sync, bad.commit) == (False, False, good.commit)
    assert bad.resources[1:] == good.resources
    assert one.told.resources[-1] == ("production", "desired_state", "desired_state", "stalled")


def test_time_in_sync_stops_while_the_file_is_bad_and_goes_on_when_it_is_mended() -> None:
    one = One(counts(api=1))
    one.look()
    good = one.enforcement.status()
    one.enforcement.judge("0123456789abcdef", (Problem("production.yaml", 1, "", "is empty", "fill it"),))
    one.time.pass_(30)
    one.look()
    assert one.enforcement.status().last_in_sync == good.last_in_sync

    one.enforcement.judge("0123456789abcdef", ())
    one.look()

    mended = one.enforcement.status()
    assert (mended.valid, mended.in_sync, mended.resources) == (True, True, mended.resources)
    assert [resource.kind for resource in mended.resources] == ["service"]
    assert mended.last_in_sync == mended.last_pass


# --- figures


def test_first_write_and_convergence_count_once_from_when_the_commit_was_seen() -> None:
    one = One(BASE + SERVICE_ON_DATABASE)
    one.look()
    one.time.pass_(1)
    one.look(full=False)
    one.time.pass_(1)
    one.look(full=False)
    one.commit((BASE + SERVICE_ON_DATABASE).replace("new.", "newer.").replace("count: 2", "count: 3"))
    one.time.pass_(3)
    assert one.look(full=False) == {"postgres": "progressing", "api": "progressing"}
    one.time.pass_(2)
    assert one.look(full=False) == {"postgres": "in_sync", "api": "progressing"}
    one.time.pass_(2)
    assert one.look(full=False) == {"postgres": "in_sync", "api": "in_sync"}
    one.time.pass_(30)
    one.look()

    assert one.told.first_writes == [("production", 3.0)]
    assert one.told.convergences == [("production", 7.0)]


def test_what_was_in_force_at_the_start_is_not_timed() -> None:
    one = One(counts(api=4))
    one.look()
    one.time.pass_(1)
    one.look()

    assert (one.told.first_writes, one.told.convergences) == ([], [])


@pytest.mark.parametrize("what", ["an unrelated commit", "a person who asks again"])
def test_only_a_commit_that_changes_the_file_is_timed(what: str) -> None:
    one = One(counts(api=1))
    one.look()
    if what == "an unrelated commit":
        one.commit(counts(api=1))
    else:
        one.enforcement.ask_again()
    one.look(full=False)
    one.ground.services.live["api"] = "7"
    one.time.pass_(100)
    one.look()
    one.time.pass_(1)
    one.look()

    assert one.ground.writes == [("api", "1")]
    assert (one.told.first_writes, one.told.convergences) == ([], [])


def test_the_summary_counts_the_writes_of_a_pass() -> None:
    one = One(counts(api=4, worker=4))
    one.look()
    one.time.pass_(1)
    one.look()

    assert one.told.passes == [("production", 2), ("production", 0)]


def test_the_last_time_in_sync_stays_while_something_is_wrong() -> None:
    one = One(counts(api=1))
    one.look()
    good = one.enforcement.status().last_in_sync
    one.ground.services.errors["api"] = OSError("no answer")
    one.time.pass_(30)
    one.look()

    status = one.enforcement.status()
    assert status.last_in_sync == good
    assert status.last_pass is not None
    assert good is not None
    assert status.last_pass > good
