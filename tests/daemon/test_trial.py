"""A commit on trial: when it is verified, held, or must be taken back."""

from desired_state.in_force import Standing
from tests.daemon.fakes import One, counts, standing

VERIFY = "verify: {running_tasks: true}\n"
REVERT = VERIFY + "on_failure: revert\n"


def production(count: int, more: str = VERIFY) -> str:
    return counts(api=count) + more


def condemned(one: One) -> str:
    found: Standing | None = one.enforcement.condemned
    return found.commit if found else ""


def released(more: str = REVERT) -> One:
    """A commit that arrived while trueup ran, and was rolled out."""
    one = One(production(1, more))
    one.look()
    one.commit(production(4, more))
    one.look()
    return one


def test_a_commit_is_verified_after_all_else_has_settled() -> None:
    one = One(production(4))

    assert one.look() == {"api": "progressing", "verification": "progressing"}
    assert one.reason("verification") == "verified once service api has settled"
    assert one.look() == {"api": "in_sync", "verification": "in_sync"}

    assert one.enforcement.status().verified is True
    assert one.told.trials == [("production", "c1", "verified")]


def test_a_commit_is_in_sync_only_once_its_checks_have_held() -> None:
    one = One(production(1))
    one.ground.verification.verified = False

    assert one.look() == {"api": "in_sync", "verification": "progressing"}
    assert (one.enforcement.status().in_sync, one.enforcement.status().verified) == (False, False)

    one.ground.verification.verified = True
    one.look()
    assert (one.enforcement.status().in_sync, one.enforcement.status().verified) == (True, True)


def test_nothing_is_verified_while_a_person_must_help() -> None:
    one = One(production(4).replace("mode: enforce", "mode: observe"))

    assert one.look() == {"api": "drifted", "verification": "drifted"}
    assert one.reason("verification") == "not verified while service api is drifted"


def test_a_file_without_checks_has_no_verification() -> None:
    one = One(counts(api=1))

    assert one.look() == {"api": "in_sync"}
    assert one.enforcement.status().verified is None
    assert one.told.trials == []


def test_a_plan_verifies_nothing() -> None:
    one = One(production(4), may_write=False)

    assert one.look() == {"api": "drifted"}
    assert one.ground.verification.pins == []


def test_while_maintenance_is_on_nobody_expects_an_answer() -> None:
    one = One(production(1) + "maintenance: {enabled: true, load_balancer: alb}\n")
    one.look()
    one.look()

    assert one.ground.verification.pins[-1].paused == "maintenance is on"
    assert one.enforcement.status().verified is None
    assert one.told.trials == []


def test_a_shutdown_is_not_verified() -> None:
    one = One(production(0))
    one.look()

    assert one.ground.verification.pins[-1].paused == "api is shut down"


def test_a_failed_commit_is_held_and_says_how_to_go_back() -> None:
    one = released(VERIFY)
    one.ground.verification.failed = "http https://x/health: 500"

    assert one.look() == {"api": "in_sync", "verification": "stalled"}
    assert one.reason("verification") == (
        "verification: http https://x/health: 500; held: what runs stays; "
        "to go back by hand: git revert --no-edit c2 && git push"
    )
    assert condemned(one) == ""
    assert one.told.trials[-1] == ("production", "c2", "verification: http https://x/health: 500")
    assert one.enforcement.status().verified is False


def test_what_failed_is_told_once_and_so_is_that_it_healed() -> None:
    one = released(VERIFY)
    one.ground.verification.failed = "alarm x: ALARM"
    for _ in range(3):
        one.look()
    one.ground.verification.failed = ""
    for _ in range(3):
        one.look()

    assert [what for _, commit, what in one.told.trials if commit == "c2"] == [
        "verification: alarm x: ALARM",
        "verified",
    ]


def test_a_failed_commit_is_taken_back_where_the_file_says_so() -> None:
    one = released()
    one.ground.verification.failed = "http https://x/health: 500"
    one.look()

    assert condemned(one) == "c2"
    assert one.enforcement.hurries
    one.enforcement.tried()
    assert not one.enforcement.hurries
    assert condemned(one) == "c2"

    one.enforcement.answer("taken back by commit c3")
    one.look()
    assert condemned(one) == ""
    assert "; taken back by commit c3; " in one.reason("verification")


def test_where_nothing_may_be_written_nothing_is_taken_back() -> None:
    one = One(production(1, REVERT).replace("mode: enforce", "mode: observe"))
    one.look()
    one.commit(production(1, REVERT + "# twice\n").replace("mode: enforce", "mode: observe").replace("api", "web"))
    one.ground.verification.failed = "http https://x/health: 500"
    one.look()

    assert one.conditions["verification"] == "stalled"
    assert condemned(one) == ""


def test_nothing_is_taken_back_for_what_comes_and_goes() -> None:
    one = released()
    one.ground.verification.failed, one.ground.verification.sure = "it holds now and then", False
    one.look()

    assert condemned(one) == ""
    assert "held: what runs stays, since nothing is taken back for what comes and goes" in one.reason("verification")


def test_a_newer_commit_wins_over_taking_back() -> None:
    one = released()
    one.ground.verification.failed = "http https://x/health: 500"
    one.look()

    one.commit(production(5, REVERT), "c3")
    assert condemned(one) == ""


def test_what_ran_when_the_process_started_is_never_taken_back() -> None:
    one = One(production(4, REVERT))
    one.ground.verification.failed = "http https://x/health: 500"
    one.look()
    one.look()

    assert condemned(one) == ""
    assert "since trueup was started after the commit came" in one.reason("verification")


def test_what_was_verified_is_not_taken_back_when_it_breaks_later() -> None:
    one = released()
    one.look()
    one.ground.verification.failed = "database postgres: no answer"
    one.look()

    assert condemned(one) == ""
    assert "the commit was verified before" in one.reason("verification")


def test_a_commit_that_says_the_same_is_no_new_trial() -> None:
    one = released()
    one.look()
    one.enforcement.follow(standing(production(4, REVERT), "c3"))
    one.look()
    one.ground.verification.failed = "alarm x: ALARM"
    one.look()

    assert condemned(one) == ""
