"""When a commit counts as verified, when it has failed, and that no pass ever waits for a check."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from desired_state.model import Verify
from desired_state.verify import HttpCheck
from reconcilers import verification
from reconcilers.check_http import urls
from reconcilers.checks import Check, Probe, listed, numbered
from reconcilers.contract import Absent, Condition, Outcome, Stalled
from reconcilers.reconcile import reconcile
from reconcilers.rounds import ROUNDS_AT_ONCE, Round, Rounds
from reconcilers.verdict import FAILS_AFTER, FLAPS_AFTER, Verdict
from reconcilers.verification import LiveVerification, VerificationPin, VerificationReconciler

NOW = datetime(2026, 2, 24, 12, 0, tzinfo=UTC)
A, B = "http https://a/", "http https://b/"


# What rounds amount to


def check(name: str, ok: bool | None = True, **more: Any) -> Check:
    return Check(name, ok, evidence="fine" if ok else "not fine", **more)


def judged(hold: float, *rounds: tuple[float, tuple[Check, ...]]) -> Verdict:
    """The verdict after rounds that began at these times."""
    verdict = Verdict()
    for began, checks in rounds:
        verdict = verdict.after(began, checks, hold)
    return verdict


def row(*of: bool | None, every: float = 2.0, first: float = 0.0, **more: Any) -> list[tuple[float, tuple[Check, ...]]]:
    """Rounds of one check that came out like this, one after the other."""
    return [(first + every * number, (check(A, ok, **more),)) for number, ok in enumerate(of)]


@pytest.mark.parametrize(
    ("hold", "rounds", "expected"),
    [
        pytest.param(0, row(True), True, id="one whole round, where the file asks for no more"),
        pytest.param(0, row(False), False, id="a round that does not hold"),
        pytest.param(0, row(None), False, id="a round that could not be made"),
        pytest.param(4, row(True, True), False, id="not yet for long enough"),
        pytest.param(4, row(True, True, True), True, id="for long enough"),
        pytest.param(4, row(True, True, False, True, True), False, id="one failure begins it anew"),
        pytest.param(4, row(True, True, None, True, True), False, id="so does a round that could not be made"),
        pytest.param(4, row(True, True, False, True, True, True), True, id="and then it holds"),
        pytest.param(4, row(True, True, True, False), True, id="what was verified stays so"),
        pytest.param(0, [(0.0, ())], True, id="nothing is asked for"),
        pytest.param(0, [(0.0, (check(A), check(B, ok=False)))], False, id="all but one hold"),
    ],
)
def test_verified(hold: float, rounds: Any, expected: bool) -> None:
    assert judged(hold, *rounds).verified is expected


OFTEN = int(FAILS_AFTER / 2) + 1  # rounds until a failure counts
FLAPS = [True, False] * int(FLAPS_AFTER / 4 + 1)
BLIPS = ([True] * 29 + [False] * 6) * 20  # twelve seconds of every seventy


def both(
    one: list[tuple[float, tuple[Check, ...]]], other: list[tuple[float, tuple[Check, ...]]]
) -> list[tuple[float, tuple[Check, ...]]]:
    """Rounds of two checks."""
    return [
        (began, (*first, *(replace(each, name=B) for each in second)))
        for (began, first), (_, second) in zip(one, other, strict=True)
    ]


def in_turn(first_until: float, second_until: float) -> list[tuple[float, tuple[Check, ...]]]:
    """One falls short up to this time, the other from one minute on, as tasks do that come and go."""
    times = [2.0 * number for number in range(int(second_until / 2))]
    return [(now, (check(A, now >= first_until, patience=120.0), check(B, now < 60, patience=120.0))) for now in times]


@pytest.mark.parametrize(
    ("hold", "rounds", "expected"),
    [
        pytest.param(0, row(*[False] * (OFTEN - 1)), False, id="too short"),
        pytest.param(0, row(*[False] * OFTEN), True, id="ten seconds"),
        pytest.param(20, row(*[False] * OFTEN), False, id="shorter than everything must hold"),
        pytest.param(20, row(*[False] * 11), True, id="as long as everything must hold"),
        pytest.param(0, row(*[False] * 3, None, *[False] * (OFTEN - 4)), True, id="a gap between two failures"),
        pytest.param(0, row(*[None] * 100), False, id="what cannot be made never fails"),
        pytest.param(0, row(False, *[None] * 100), False, id="not even after a failure"),
        pytest.param(60, row(*[False] * 3, True, *[False] * 3), False, id="it held between"),
        pytest.param(0, row(*[False] * OFTEN, patience=60), False, id="a while of it is usual"),
        pytest.param(0, row(*[False] * 31, patience=60), True, id="and not for so long"),
        pytest.param(0, [*row(*[False] * OFTEN), *row(None, first=20)], True, id="it stays until all has held"),
        pytest.param(0, [*row(*[False] * OFTEN), *row(True, first=20)], False, id="it has healed"),
        pytest.param(4, [*row(*[False] * OFTEN), *row(True, True, first=20)], True, id="it is healing"),
        pytest.param(4, [*row(*[False] * OFTEN), *row(True, True, True, first=20)], False, id="it has healed for long"),
        pytest.param(4, row(*FLAPS), True, id="to and fro for a quarter of an hour"),
        pytest.param(4, row(*FLAPS[:-4]), False, id="to and fro for a shorter time"),
        pytest.param(0, row(*FLAPS), False, id="to and fro, and once is enough"),
        pytest.param(2000, row(*[True] * 600, False), False, id="it takes long, and failed once"),
        pytest.param(2000, row(*[True] * 1000, False), False, id="it failed once, in the end"),
        pytest.param(2000, row(*([True] * 1000 + [False]) * 3), True, id="it failed each time, in the end"),
        pytest.param(60, row(*BLIPS, patience=120), False, id="blips that are usual, however often"),
        pytest.param(60, row(*BLIPS), True, id="blips that are not"),
        pytest.param(60, both(row(*BLIPS), row(*BLIPS, patience=120)), True, id="blips of two, and one is usual"),
        pytest.param(60, in_turn(70.0, 130.0), False, id="two fall short one after the other"),
        pytest.param(60, in_turn(124.0, 130.0), True, id="one of two falls short for as long as is usual"),
        pytest.param(
            0, [(2.0 * n, (check(A, ok=n % 2 == 0), check(B, ok=n % 2 == 1))) for n in range(20)], False, id="in turns"
        ),
        pytest.param(0, row(True, *[False] * OFTEN), True, id="after it was verified"),
    ],
)
def test_failed(hold: float, rounds: Any, expected: bool) -> None:
    assert (judged(hold, *rounds).failure is not None) is expected


def test_a_failure_is_told_as_it_was_first_seen() -> None:
    verdict = Verdict()
    for number in range(20):
        verdict = verdict.after(2.0 * number, (Check(A, ok=False, evidence=f"in {number} s"),), 0)

    assert verdict.failure is not None
    assert (verdict.failure.what, verdict.failure.since) == (f"{A}: in 0 s", 0.0)


@pytest.mark.parametrize(
    ("rounds", "sure"),
    [
        pytest.param(row(*[False] * OFTEN), True, id="it failed all the time"),
        pytest.param(row(*FLAPS), False, id="to and fro"),
        pytest.param([*row(*FLAPS), *row(*[False] * OFTEN, first=1000)], True, id="to and fro, and then all the time"),
    ],
)
def test_only_what_failed_all_the_time_is_sure(rounds: Any, sure: bool) -> None:
    failure = judged(4, *rounds).failure

    assert failure is not None
    assert failure.sure is sure


def test_a_blip_that_is_usual_is_not_told_of_what_comes_and_goes() -> None:
    failure = judged(60, *both(row(*BLIPS), row(*BLIPS, patience=120))).failure

    assert failure is not None
    assert failure.what == f"it holds now and then, and never for long enough; last: {A}: not fine"


def test_what_cannot_be_made_is_told_after_a_while_and_forgotten_at_once() -> None:
    assert judged(0, *row(None, None)).unseen == ""
    assert judged(0, *row(*[None] * OFTEN)).unseen == f"{A}: not fine"
    assert judged(0, *row(*[None] * OFTEN)).stuck == ""
    assert judged(0, *row(*[None] * OFTEN, stuck=True)).stuck == f"{A}: not fine"
    assert judged(0, *row(*[None] * OFTEN, True, stuck=True)).unseen == ""


def test_what_runs_changes_and_a_judgement_stays() -> None:
    failed = judged(0, *row(True, *[False] * OFTEN)).unsettled()

    assert (failed.verified, failed.failure is not None, failed.holding, failed.failing) == (True, True, None, {})


def test_the_first_few_are_listed() -> None:
    assert listed("abc") == "a, b, c"
    assert listed("abcde") == "a, b, c and 2 more"


def test_names_that_are_the_same_are_numbered() -> None:
    assert numbered(["a", "b", "a", "a", "b"]) == ["a", "b", "a (2)", "a (3)", "b (2)"]


# One probe


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(Stalled("mend it"), Check("p", None, "mend it", stuck=True), id="a person must help"),
        pytest.param(Absent("not there"), Check("p", None, "not there", stuck=True), id="it is not there"),
        pytest.param(OSError("no\nway"), Check("p", None, "no way"), id="anything else"),
        pytest.param(RuntimeError("password=hunter2"), Check("p", None, "password=[redacted]"), id="with a secret"),
    ],
)
def test_what_cannot_be_asked_is_an_answer_too(error: Exception, expected: Check) -> None:
    def ask() -> Any:
        raise error

    assert Probe("p", ask).answer() == (expected,)


# Rounds


@dataclass
class Threads:
    """Runs what it is given when it is told to."""

    waiting: list[Callable[[], None]] = field(default_factory=list)
    full: bool = False

    def __call__(self, work: Callable[[], None]) -> None:
        if self.full:
            raise RuntimeError("can't start new thread")
        self.waiting.append(work)

    def run(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def probe(name: str, within: float = 5.0) -> Probe:
    return Probe(name, lambda: (check(name),), within)


def begun(rounds: Rounds, key: Hashable, *probes: Probe) -> Round:
    made = rounds.begin(key, probes)
    assert made is not None
    return made


def test_a_round_is_over_once_every_check_has_come_back() -> None:
    threads, clock = Threads(), Clock()
    made = begun(Rounds(threads, clock), "e", probe("a"), probe("b"))

    threads.waiting.pop()()
    assert not made.is_over(clock.now)
    threads.run()
    assert made.is_over(clock.now)
    assert [each.name for each in made.checks()] == ["a", "b"]


def test_nobody_waits_for_a_check_that_does_not_come_back() -> None:
    threads, clock = Threads(), Clock()
    made = begun(Rounds(threads, clock), "e", probe("a"), probe("b"))
    threads.waiting.pop()()

    assert not made.is_over(clock.now + 4.9)
    assert made.is_over(clock.now + 5)
    assert made.checks() == (Check("a", None, "did not come back within 5 s"), check("b"))


def test_threads_do_not_pile_up_behind_a_check_that_hangs() -> None:
    threads, clock = Threads(), Clock()
    rounds = Rounds(threads, clock)
    begun(rounds, "e", probe("a"), probe("b"))
    threads.waiting.pop()()
    clock.now += 5

    second = begun(rounds, "e", probe("a"), probe("b"))
    assert len(threads.waiting) == 2
    threads.waiting.pop()()
    assert second.checks() == (Check("a", None, "has not come back since an earlier try"), check("b"))

    threads.run()
    assert len(begun(rounds, "e", probe("a")).checks()) == 1
    assert len(threads.waiting) == 1


def test_only_so_many_environments_are_looked_at_together() -> None:
    threads, clock = Threads(), Clock()
    rounds = Rounds(threads, clock)
    for number in range(ROUNDS_AT_ONCE):
        begun(rounds, number, probe("a"))

    assert rounds.begin("one more", [probe("a")]) is None
    threads.run()
    assert rounds.begin("one more", [probe("a")]) is not None


def test_a_thread_that_cannot_be_started_is_told() -> None:
    made = begun(Rounds(Threads(full=True), Clock()), "e", probe("a"))

    assert made.checks() == (Check("a", None, "can't start new thread"),)


def test_what_hangs_does_not_keep_the_process_from_ending() -> None:
    hangs = threading.Event()
    begun(Rounds(), "e", Probe("a", lambda: (check("a", hangs.wait(10)),)))

    assert [each.daemon for each in threading.enumerate() if each.name == "check"] == [True]
    hangs.set()


# The reconciler


def verify_of(section: dict[str, Any]) -> Verify:
    """The section of a file."""
    return Verify.model_validate_json(json.dumps(section))


class Hours:
    """A connection that is asked nothing but the time."""

    def now(self) -> datetime:
        return NOW


class Stage:
    """An environment with two URLs, and a process that looks at it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, bool | None] = {"https://a/": True, "https://b/": True}
        self.asked = 0
        self.clock, self.threads = Clock(), Threads()
        self.pin = VerificationPin(
            environment="production",
            verify=verify_of({"http": [{"url": each} for each in self.answers], "for": "60s"}),
            secret=None,
            services=(),
            of="c1",
            settling="",
            paused="",
            settled_at=None,
        )
        monkeypatch.setattr(verification, "urls", lambda checks: map(self._probe, checks))
        self.restart()

    def restart(self) -> None:
        self.reconciler = VerificationReconciler(Hours(), self.clock, self.threads)

    def _probe(self, asked: HttpCheck) -> Probe:
        def ask() -> Any:
            self.asked += 1
            return (check(f"http {asked.url}", self.answers[asked.url]),)

        return Probe(f"http {asked.url}", ask)

    def look(self, seconds: float = 0.0, **changed: Any) -> Outcome:
        """Looks every second for so long; what the last one came to. Every round ends before the next look."""
        self.pin = VerificationPin(**{**self.pin.__dict__, **changed})
        for _ in range(int(seconds)):
            self.once()
            self.clock.now += 1
        return self.once()

    def once(self) -> Outcome:
        outcome = reconcile(self.reconciler, self.pin, lambda _: None)
        self.threads.run()
        return outcome


def live(outcome: Outcome) -> LiveVerification:
    assert isinstance(outcome.live, LiveVerification)
    return outcome.live


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def test_a_pass_never_waits_and_a_round_begins_every_two_seconds(stage: Stage) -> None:
    assert reconcile(stage.reconciler, stage.pin, lambda _: None).condition is Condition.PROGRESSING
    assert (stage.asked, len(stage.threads.waiting)) == (0, 2)
    stage.threads.run()

    stage.look(20)
    assert stage.asked == 2 * 11


def test_a_commit_is_verified_once_everything_has_held(stage: Stage) -> None:
    outcome = stage.look(10)
    assert (outcome.condition, outcome.reason) == (
        Condition.PROGRESSING,
        "verified once everything has held for 1m",
    )
    assert stage.look(25).reason == "verified once everything has held for 1m; 30s so far"
    assert live(stage.look(0)).checks == (check(A), check(B))

    outcome = stage.look(30)
    assert (outcome.condition, outcome.reason, live(outcome).verified) == (Condition.IN_SYNC, "", True)
    assert live(outcome).held_for >= 60


def test_what_is_told_does_not_change_with_every_look(stage: Stage) -> None:
    assert len({stage.look(1).reason for _ in range(70)}) == 5
    stage.answers["https://b/"] = False
    assert len({stage.look(1).reason for _ in range(300)}) == 3


def test_once_verified_it_is_looked_at_less_often(stage: Stage) -> None:
    stage.look(70)
    stage.asked = 0
    stage.look(60)

    assert stage.asked == 2 * 12


def test_a_check_that_fails_holds_the_commit_back_and_then_counts(stage: Stage) -> None:
    stage.answers["https://b/"] = False
    outcome = stage.look(50)
    assert (outcome.condition, outcome.reason) == (Condition.PROGRESSING, f"does not hold yet: {B}: not fine")

    outcome = stage.look(30)
    assert (outcome.condition, outcome.reason) == (
        Condition.STALLED,
        f"verification: {B}: not fine, since 11:58:59 UTC",
    )
    assert live(outcome).failed == f"{B}: not fine, since 11:58:59 UTC"
    assert live(outcome).verified is False


@pytest.mark.parametrize(
    ("fails", "sure"),
    [
        pytest.param(lambda second: True, True, id="all the time"),
        pytest.param(lambda second: second % 40 < 20, False, id="now and then"),
    ],
)
def test_whether_a_failure_is_sure_is_told(stage: Stage, fails: Callable[[int], bool], sure: bool) -> None:
    assert live(stage.look(10)).sure is True
    for second in range(1000):
        stage.answers["https://b/"] = not fails(second)
        outcome = stage.look(1)

    assert (outcome.condition, live(outcome).failed != "", live(outcome).sure) == (Condition.STALLED, True, sure)


def test_a_url_that_comes_back_late_is_told_without_what_may_be_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    stage = Stage(monkeypatch)
    monkeypatch.setattr(verification, "urls", urls)
    addresses = [{"url": "https://a/?token=hunter2", "within": "5s"}, {"url": "https://a/?token=hunter3"}]
    stage.pin = replace(stage.pin, verify=verify_of({"http": addresses}))
    stage.threads.run = lambda: None  # it hangs

    found = live(stage.look(60)).checks
    assert [each.name for each in found] == [f"{A}?…", f"{A}?… (2)"]
    assert {each.evidence for each in found} == {"has not come back since an earlier try"}


SCALED = [NOW + timedelta(seconds=each) for each in range(300)]


@pytest.mark.parametrize(
    ("settling", "expected"),
    [
        pytest.param("", NOW, id="it is scaled, and stays settled"),
        pytest.param("api is rolled out", SCALED[2], id="it is rolled out meanwhile"),
    ],
)
def test_the_end_of_the_rollout_stays_where_it_was(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, settling: str, expected: datetime
) -> None:
    seen: list[datetime | None] = []

    def logged(_: Any, settled_at: datetime | None, __: Any) -> Probe:
        seen.append(settled_at)
        return Probe("logs /ecs/api", lambda: (check("logs /ecs/api"),))

    def rung(_: Any, settled_at: datetime | None, __: Any) -> Probe:
        seen.append(settled_at)
        return Probe("alarms", lambda: (check("alarm 5xx"),))

    monkeypatch.setattr(verification, "logs", logged)
    monkeypatch.setattr(verification, "alarms", rung)
    verify = verify_of({"alarms": ["5xx"], "logs": {"group": "/ecs/api", "pattern": "ERROR"}})
    stage.look(3, verify=verify, settled_at=SCALED[0])
    stage.look(3, settled_at=SCALED[1], settling=settling)
    stage.look(3, settled_at=SCALED[2], settling="")
    stage.look(9, settled_at=SCALED[3])

    assert seen[0] == SCALED[0]
    assert set(seen[-2:]) == {expected}


def test_the_end_of_the_rollout_is_taken_once_it_is_known(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[datetime | None] = []

    def rung(_: Any, settled_at: datetime | None, __: Any) -> Probe:
        seen.append(settled_at)
        return Probe("alarms", lambda: (check("alarm 5xx"),))

    monkeypatch.setattr(verification, "alarms", rung)
    stage.look(3, verify=verify_of({"alarms": ["5xx"]}), settled_at=None)
    for at in SCALED[:2]:
        stage.look(6, settled_at=at)
    assert (seen[0], seen[-1]) == (None, SCALED[0])

    stage.look(6, of="c2", settled_at=SCALED[2])
    assert seen[-1] == SCALED[2]


def test_a_failed_commit_can_heal(stage: Stage) -> None:
    stage.answers["https://b/"] = False
    stage.look(80)
    stage.answers["https://b/"] = True

    assert stage.look(50).condition is Condition.STALLED
    outcome = stage.look(15)
    assert (outcome.condition, live(outcome).verified, live(outcome).failed) == (Condition.IN_SYNC, True, "")


def test_what_fails_later_does_not_take_back_that_it_was_verified(stage: Stage) -> None:
    stage.look(70)
    stage.answers["https://b/"] = False
    outcome = stage.look(10)
    assert (outcome.condition, outcome.reason) == (Condition.PROGRESSING, f"not healthy now: {B}: not fine")

    outcome = stage.look(70)
    assert (outcome.condition, live(outcome).verified) == (Condition.STALLED, True)
    assert live(outcome).failed.endswith("; the commit had been verified")

    stage.answers["https://b/"] = True
    assert stage.look(50).condition is Condition.STALLED
    assert stage.look(20).condition is Condition.IN_SYNC


def test_a_blip_after_it_was_verified_is_over_with_the_next_good_round(stage: Stage) -> None:
    stage.look(70)
    stage.answers["https://b/"] = False
    stage.look(10)
    stage.answers["https://b/"] = True

    assert stage.look(4).condition is Condition.IN_SYNC


def test_what_cannot_be_made_is_retried_and_never_fails(stage: Stage) -> None:
    stage.answers["https://b/"] = None
    outcome = stage.look(2000)

    assert (outcome.condition, outcome.reason) == (Condition.RETRYING, f"cannot be verified now: {B}: not fine")
    assert (live(outcome).failed, live(outcome).verified) == ("", False)


def test_nothing_is_concluded_before_everything_has_settled(stage: Stage) -> None:
    stage.answers["https://b/"] = False
    outcome = stage.look(300, settling="verified once service api has settled")
    assert (outcome.condition, outcome.reason) == (Condition.PROGRESSING, "verified once service api has settled")
    assert live(outcome).checks == (check(A), check(B, ok=False))

    assert stage.look(50, settling="").condition is Condition.PROGRESSING
    assert stage.look(15).condition is Condition.STALLED


def test_what_holds_while_something_settles_does_not_count(stage: Stage) -> None:
    stage.look(300, settling="api is rolled out")

    assert stage.look(50, settling="").condition is Condition.PROGRESSING
    assert stage.look(20).condition is Condition.IN_SYNC


def test_a_round_that_began_before_it_settled_does_not_count(stage: Stage) -> None:
    hour = verify_of({"http": [{"url": each} for each in stage.answers]})
    reconcile(stage.reconciler, VerificationPin(**{**stage.pin.__dict__, "settling": "api", "verify": hour}), any)
    stage.pin = VerificationPin(**{**stage.pin.__dict__, "verify": hour})
    stage.threads.run()

    assert stage.once().condition is Condition.PROGRESSING
    assert stage.look(4).condition is Condition.IN_SYNC


def test_something_that_settles_again_begins_the_time_anew(stage: Stage) -> None:
    stage.look(50)
    stage.look(1, settling="api is scaled")

    assert stage.look(50, settling="").condition is Condition.PROGRESSING
    assert stage.look(20).condition is Condition.IN_SYNC


def test_a_new_commit_begins_a_new_trial(stage: Stage) -> None:
    stage.look(70)

    outcome = stage.look(0, of="c2")
    assert (outcome.condition, live(outcome).verified, live(outcome).checks) == (Condition.PROGRESSING, False, ())


def test_a_restart_of_the_process_begins_the_trial_again(stage: Stage) -> None:
    stage.answers["https://b/"] = False
    assert stage.look(80).condition is Condition.STALLED
    stage.restart()

    outcome = stage.look(50)
    assert (outcome.condition, live(outcome).failed) == (Condition.PROGRESSING, "")


def test_nothing_is_asked_while_nobody_expects_an_answer(stage: Stage) -> None:
    stage.answers["https://b/"] = False
    stage.look(80)
    stage.asked = 0

    outcome = stage.look(80, paused="maintenance is on")
    assert (outcome.condition, stage.asked, live(outcome).failed) == (Condition.IN_SYNC, 0, "")
    assert [(each.type, each.message) for each in live(outcome).advice] == [
        ("not_verified", "not verified while maintenance is on")
    ]
    assert stage.look(30, paused="").condition is Condition.PROGRESSING


def test_what_was_verified_before_a_pause_was_verified(stage: Stage) -> None:
    stage.look(70)

    assert live(stage.look(5, paused="maintenance is on")).verified is True
    outcome = stage.look(0, paused="")
    assert (outcome.condition, outcome.reason) == (Condition.PROGRESSING, "its checks are made again")


def test_it_is_stuck_until_a_person_helps(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(_: HttpCheck) -> Probe:
        def ask() -> Any:
            raise Stalled("its name leads to 169.254.169.254, which is never asked")

        return Probe("http https://a/", ask)

    monkeypatch.setattr(verification, "urls", lambda checks: map(asked, checks))
    stage.pin = VerificationPin(**{**stage.pin.__dict__, "verify": verify_of({"http": [{"url": "https://a/"}]})})

    outcome = stage.look(20)
    assert outcome.condition is Condition.STALLED
    assert outcome.reason == f"verification: {A}: its name leads to 169.254.169.254, which is never asked"
    assert live(outcome).failed == ""


def test_every_check_of_the_file_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    verify = verify_of(
        {
            "http": [{"url": "https://a/"}],
            "target_group_healthy": {"load_balancer": "alb"},
            "alarms": ["5xx"],
            "logs": {"group": "/ecs/api", "pattern": "ERROR"},
            "running_tasks": True,
            "database": "postgres",
        }
    )
    pin = VerificationPin("production", verify, "db", (("c", "api"),), "c1", "", "", NOW - timedelta(hours=1))
    reconciler = VerificationReconciler(Hours())

    names = [each.name for each in reconciler._probes(pin)]
    assert names == [A, "targets of alb", "alarms", "logs /ecs/api", "running tasks", "database of db"]
    assert list(reconciler.diff(pin, LiveVerification())) == []
    with pytest.raises(NotImplementedError):
        reconciler.apply(pin, None)
