"""The work beside the passes: what is begun when, what is kept, what is given up, and that nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from desired_state.tree import NoSuchCommit, Unreachable
from reconcilers.aws import Connection, Place
from reconcilers.contract import NotNow
from reconcilers.terraform import Applied, Broken, Check, Failed, Interrupted, Locked, Stack, Stale, StateErrored
from reconcilers.terraform_plan import PlannedChange
from reconcilers.workshop import Doing, Order, Report, Workshop

NOW = datetime(2026, 2, 24, 12, 0, tzinfo=UTC)
EVERY = 900.0
ONE, TWO = "1" * 40, "2" * 40
STATE = b'{"serial": 3, "lineage": "the-one", "resources": [{}]}'


def check(*actions: str, lineage: str = "the-one", digest: str = "d") -> Check:
    """What a plan with one change of each of these kinds is read as."""
    changes = tuple(PlannedChange(f"a.{n}", "a", f"{n}", (action,), ()) for n, action in enumerate(actions))
    return Check(
        at=NOW,
        version="1.11.4",
        differs=bool(actions),
        changes=changes,
        outputs_changed=False,
        drifted=(),
        warnings=(),
        serial=3,
        lineage=lineage,
        plan=Path("plan"),
        digest=digest,
    )


@dataclass
class FakeTerraform:
    """Answers as it is told, and notes what was asked. An answer that is an exception is raised."""

    finds: object = field(default_factory=check)
    does: object = field(default_factory=lambda: Applied(seconds=2.0, add=1, change=0, destroy=0))
    holds: bytes = STATE
    asked: list[str] = field(default_factory=list)
    running: bool = False
    meanwhile: Callable[[], None] = lambda: None

    def check(self, stack: Stack, at: datetime, *, lock: bool) -> Check:
        self.asked.append(f"check {stack.root.name[:1]}{'' if lock else ' without lock'}")
        return _answer(self.finds)

    def state(self, stack: Stack) -> bytes:
        self.asked.append("state")
        self.meanwhile()
        return self.holds

    def apply(self, stack: Stack, found: Check) -> Applied:
        self.asked.append(f"apply {found.digest}")
        return _answer(self.does)

    def interrupt(self, home: Path) -> None:
        self.asked.append(f"interrupt {home.name}")

    def stop(self) -> None:
        self.asked.append("stop")


def _answer(answer):
    if isinstance(answer, Exception):
        raise answer
    return answer


@dataclass
class FakeTrees:
    fails: Exception | None = None

    def at(self, location: str, commit: str, directory: str) -> Path:
        if self.fails:
            raise self.fails
        return Path(commit)


class Bench:
    """A workshop whose threads run when the test says so."""

    def __init__(self, folder: Path, **how: object) -> None:
        self.terraform = FakeTerraform()
        self.trees = FakeTrees()
        self.time = 1000.0
        self.begun: list[Callable[[], None]] = []
        self.reports: list[Report] = []
        self.folder = folder
        self.workshop = Workshop(
            self.terraform,
            self.trees,
            folder / "homes",
            self.begun.append,
            backups=f"{folder / 'backups'}",
            days=30,
            wall=lambda: NOW,
            monotonic=lambda: self.time,
            on_applied=lambda *told: self.reports.append(told),
            **how,
        )

    def work(self) -> None:
        """Let what has begun come to its end."""
        while self.begun:
            self.begun.pop(0)()

    def look(self, order: Order, *, lock: bool = True):
        return self.workshop.look(order, EVERY, lock=lock)

    def apply(self, order: Order, found: Check) -> None:
        self.workshop.apply(order, found, EVERY)

    def checked(self, order: Order):
        """A look, the work that it begins, and a look at what that came to."""
        self.look(order)
        self.work()
        return self.look(order)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def order(commit: str = ONE, entry: str = "network", **more: object) -> Order:
    plain = {"directory": "", "workspace": None, "variables_file": None, "targets": (), "imports": {}}
    place = Place("us-east-1")
    return Order(
        "shop", entry, "/repository", commit, **(plain | {"place": place} | more), connection=Connection(place)
    )


def test_a_look_begins_a_check_and_does_not_wait_for_it(bench: Bench) -> None:
    first = bench.look(order())
    assert (first.doing, first.commit, first.since, first.check) == (Doing.CHECK, ONE, NOW, None)
    assert bench.terraform.asked == []
    bench.work()
    assert bench.look(order()).check is bench.terraform.finds
    assert bench.terraform.asked == ["check 1"]
    assert bench.begun == []


def test_the_next_check_comes_when_the_last_one_is_old_and_keeps_it_meanwhile(bench: Bench) -> None:
    bench.checked(order())
    bench.time += EVERY - 1
    assert bench.look(order()).doing is None
    bench.time += 1
    looked = bench.look(order())
    assert looked.doing is Doing.CHECK
    assert looked.check is bench.terraform.finds


def test_one_thing_at_a_time_for_an_entry_and_any_number_of_entries(bench: Bench) -> None:
    for _ in range(3):
        bench.look(order())
        bench.look(order(entry="other"))
    assert len(bench.begun) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"commit": TWO},
        {"directory": "infra"},
        {"workspace": "production"},
        {"variables_file": "x.tfvars"},
        {"targets": ("a.b",)},
        {"imports": {"a.b": "c"}},
        {"place": Place("us-east-1", "arn:aws:iam::123456789012:role/other")},
    ],
)
def test_another_pin_forgets_what_the_old_one_came_to(bench: Bench, other: dict[str, object]) -> None:
    bench.checked(order())
    looked = bench.look(replace(order(), **other))
    assert (looked.doing, looked.check) == (Doing.CHECK, None)


def test_a_check_for_an_older_pin_is_stopped_and_its_answer_thrown_away(bench: Bench) -> None:
    bench.look(order())
    looked = bench.look(order(TWO))
    assert looked.commit == ONE
    assert bench.terraform.asked == ["interrupt network"]
    bench.work()
    assert bench.look(order(TWO)).commit == TWO
    bench.work()
    assert bench.look(order(TWO)).check is bench.terraform.finds
    assert bench.terraform.asked == ["interrupt network", "check 2"]


def test_a_check_that_nobody_wants_any_more_is_not_begun(bench: Bench) -> None:
    bench.look(order())
    bench.look(order(TWO))
    bench.work()
    assert not any(asked.startswith("check") for asked in bench.terraform.asked)


def test_without_a_thread_nothing_goes_on_and_the_next_look_tries_again(bench: Bench) -> None:
    begun = bench.workshop._aside

    def none(_: object) -> None:
        raise RuntimeError("can't start new thread")

    bench.workshop._aside = none
    with pytest.raises(RuntimeError):
        bench.look(order())
    bench.workshop._aside = begun
    assert bench.checked(order()).check is bench.terraform.finds


def test_an_apply_of_an_older_pin_is_left_to_its_end(bench: Bench) -> None:
    bench.terraform.finds = check("create")
    bench.apply(order(), bench.checked(order()).check)
    looked = bench.look(order(TWO))
    assert (looked.doing, looked.commit, looked.check) == (Doing.APPLY, ONE, None)
    bench.work()
    assert "apply d" not in bench.terraform.asked  # it had not begun yet when the newer pin came
    assert not any(asked.startswith("interrupt") for asked in bench.terraform.asked)


def test_an_apply_keeps_the_state_does_that_very_plan_and_checks_again(bench: Bench) -> None:
    bench.terraform.finds = planned = check("create")
    found = bench.checked(order()).check
    bench.apply(order(), found)
    assert bench.look(order()).doing is Doing.APPLY
    bench.terraform.finds = check()
    bench.work()
    looked = bench.look(order())
    assert bench.terraform.asked == ["check 1", "state", f"apply {planned.digest}", "check 1"]
    assert looked.check is bench.terraform.finds
    assert bench.reports == [("shop", "network", looked.report)]
    assert looked.report == Report(NOW, ONE, 2.0, bench.terraform.does)
    kept = list((bench.folder / "backups" / "shop" / "network").iterdir())
    assert [file.read_bytes() for file in kept] == [STATE]


@pytest.mark.parametrize("empty", [b"", b"\n", b'{"serial": 0, "lineage": "new", "resources": [], "outputs": {}}'])
def test_a_state_that_holds_nothing_needs_no_backup(bench: Bench, empty: bytes) -> None:
    bench.terraform.finds, bench.terraform.holds = check("create", lineage=""), empty
    bench.apply(order(), bench.checked(order()).check)
    bench.work()
    assert "apply d" in bench.terraform.asked
    assert not (bench.folder / "backups").exists()


def test_nothing_is_applied_without_a_backup(bench: Bench) -> None:
    bench.terraform.finds = check("create")
    found = bench.checked(order()).check
    (bench.folder / "backups").write_text("a file where the folder should be")
    bench.apply(order(), found)
    bench.work()
    assert not any(asked.startswith("apply") for asked in bench.terraform.asked)
    looked = bench.look(order())
    assert str(bench.folder / "backups") in looked.report.error
    assert (looked.report.began, looked.rest, bench.reports) == (False, EVERY, [])


def test_a_newer_commit_that_comes_during_the_backup_stops_the_apply(bench: Bench) -> None:
    bench.terraform.finds = check("create")
    bench.apply(order(), bench.checked(order()).check)
    bench.terraform.meanwhile = lambda: bench.look(order(TWO))
    bench.work()
    assert "apply d" not in bench.terraform.asked
    assert bench.reports == []


def test_only_the_newest_check_is_applied_and_only_while_nothing_goes_on(bench: Bench) -> None:
    bench.terraform.finds = check("create", digest="old")
    old = bench.checked(order()).check
    bench.time += EVERY
    bench.look(order())
    with pytest.raises(NotNow):
        bench.apply(order(), old)
    bench.terraform.finds = check("create", digest="new")
    bench.work()
    with pytest.raises(NotNow):
        bench.apply(order(), old)
    bench.apply(order(), bench.look(order()).check)
    with pytest.raises(NotNow):
        bench.apply(order(), bench.look(order()).check)


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (Locked(id="1", who="ann", operation="apply", when=""), [5, 10, 20, 40, 60, 60]),
        (Failed("terraform plan failed"), [5, 10, 20]),
        (Unreachable("no answer"), [5, 10, 20]),
        (Broken("the configuration is wrong"), [EVERY, EVERY]),
        (NoSuchCommit("there is none"), [EVERY, EVERY]),
        (ZeroDivisionError("a mistake of ours"), [5, 10]),
    ],
)
def test_a_check_that_failed_is_told_until_another_one_has_ended(
    bench: Bench, error: Exception, pauses: list[float]
) -> None:
    bench.terraform.finds = error
    assert bench.checked(order()).error is error
    for pause in pauses:
        bench.time += pause - 0.1
        assert bench.look(order()).doing is None
        bench.time += 0.2
        assert (bench.look(order()).doing, bench.look(order()).error) == (Doing.CHECK, error)
        bench.work()
    bench.terraform.finds = check()
    bench.time += EVERY
    assert bench.checked(order()).error is None


def test_what_a_failed_check_found_before_is_kept(bench: Bench) -> None:
    found = bench.checked(order()).check
    bench.terraform.finds = Failed("no answer")
    bench.time += EVERY
    looked = bench.checked(order())
    assert looked.check is found
    assert looked.error is bench.terraform.finds


def test_a_commit_that_cannot_be_fetched_is_told(bench: Bench) -> None:
    bench.trees.fails = Unreachable("git does not answer")
    assert bench.checked(order()).error is bench.trees.fails


@pytest.mark.parametrize("answer", [Failed("it broke"), Applied(3.0, 1, 0, 0, errored="it broke")])
def test_a_failed_apply_rests_until_the_next_check_is_due(bench: Bench, answer: object) -> None:
    bench.terraform.finds, bench.terraform.does = check("create"), answer
    bench.apply(order(), bench.checked(order()).check)
    bench.work()
    looked = bench.look(order())
    assert (looked.report.error, looked.report.result, looked.rest) == ("it broke", "failed", EVERY)
    bench.time += 300
    assert bench.look(order()).rest == EVERY - 300


@pytest.mark.parametrize("error", [Locked(id="1", who="ann", operation="apply", when=""), Stale("look again")])
def test_an_apply_that_could_not_begin_is_no_failed_one(bench: Bench, error: Exception) -> None:
    bench.terraform.finds, bench.terraform.does = check("create"), error
    bench.apply(order(), bench.checked(order()).check)
    bench.work()
    assert (bench.look(order()).report, bench.reports) == (None, [])
    assert bench.terraform.asked[-1] == "check 1"


def test_failed_applies_are_counted_until_one_succeeds(bench: Bench) -> None:
    bench.terraform.finds, bench.terraform.does = check("create"), Failed("it broke")
    for times in (1, 2, 3):
        bench.apply(order(), bench.checked(order()).check)
        bench.work()
        assert bench.look(order()).failures == times
        bench.time += EVERY
        bench.checked(order())
    bench.terraform.does = Applied(seconds=2.0, add=1, change=0, destroy=0)
    bench.apply(order(), bench.checked(order()).check)
    bench.work()
    assert bench.look(order()).failures == 0


def test_a_stopped_apply_is_told_for_something_may_have_been_done(bench: Bench) -> None:
    bench.terraform.finds, bench.terraform.does = check("create"), Interrupted("asked to stop")
    bench.apply(order(), bench.checked(order()).check)
    assert bench.workshop.working
    bench.work()
    assert bench.reports[0][2].error == "asked to stop"
    assert not bench.workshop.working


def test_the_check_after_an_apply_is_a_check(bench: Bench) -> None:
    bench.terraform.finds = check("create")
    bench.apply(order(), bench.checked(order()).check)
    seen = []
    checking = bench.terraform.check

    def look_meanwhile(*about: object, **more: object) -> Check:
        seen.append(bench.look(order()).doing)
        return checking(*about, **more)

    bench.terraform.check = look_meanwhile
    bench.work()
    assert seen == [Doing.CHECK]


def test_a_person_who_asks_again_is_answered_at_once_and_keeps_what_is_known(bench: Bench) -> None:
    bench.terraform.finds, bench.terraform.does = check("create"), Failed("it broke")
    bench.apply(order(), bench.checked(order()).check)
    bench.work()
    bench.terraform.finds = Broken("wrong")
    bench.time += EVERY
    bench.checked(order())
    bench.workshop.renew(order().key)
    looked = bench.look(order())
    assert (looked.doing, looked.error, looked.failures, looked.rest) == (Doing.CHECK, None, 0, 0.0)
    assert looked.report.error == "it broke"


def test_what_only_looks_takes_no_lock(tmp_path: Path, bench: Bench) -> None:
    bench.look(order(), lock=False)
    bench.work()
    planning = Bench(tmp_path, only_looks=True)
    planning.checked(order())
    assert bench.terraform.asked == planning.terraform.asked == ["check 1 without lock"]


def backed_up(bench: Bench, text: bytes = STATE, workspace: str = "default") -> None:
    """Keep a state, as an apply does."""
    bench.workshop.backups(order()).keep(text, workspace, NOW)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (check("create", lineage=""), "the state is empty, unlike its backup"),
        (check("create", lineage="another"), "the state is another one than its backup"),
        (check("create"), ""),
        (check("update", lineage="another"), ""),
        (check(lineage=""), ""),
        (replace(check("create"), serial=2), "the state is older than its backup"),
        (replace(check("create"), serial=4), ""),
        (replace(check("create"), serial=None), ""),
    ],
)
def test_a_state_that_is_not_the_one_of_before_is_not_filled_anew(bench: Bench, found: Check, said: str) -> None:
    backed_up(bench)
    bench.terraform.finds = found
    lost = bench.checked(order()).lost
    assert lost.startswith(said)
    assert bool(lost) is bool(said)
    assert not said or "-3.tfstate" in lost


def test_a_state_that_could_not_be_saved_is_kept_once_with_the_others(bench: Bench) -> None:
    errored = bench.folder / "errored.tfstate"
    errored.write_bytes(b'{"serial": 9, "lineage": "the-one", "resources": [{}]}')
    bench.terraform.finds = StateErrored(errored)
    for _ in range(2):
        assert bench.checked(order()).error is bench.terraform.finds
        bench.time += EVERY
    (kept,) = bench.workshop.backups(order()).listed("default")
    assert (kept.serial, Path(kept.place).read_bytes()) == (9, errored.read_bytes())
    bench.terraform.finds = check("create")  # on another machine, where the file is not
    assert bench.checked(order()).lost.startswith("the state is older than its backup")


def test_another_workspace_has_another_state(bench: Bench) -> None:
    backed_up(bench, workspace="staging")
    bench.terraform.finds = check("create", lineage="")
    assert bench.checked(order()).lost == ""


def test_whether_the_state_is_the_right_one_must_be_known_before_an_apply(bench: Bench) -> None:
    (bench.folder / "backups" / "shop").mkdir(parents=True)
    (bench.folder / "backups" / "shop" / "network").write_text("no folder")
    bench.terraform.finds = check("create")
    assert isinstance(bench.checked(order()).error, Failed)
    bench.workshop.renew(order().key)
    bench.look(order(), lock=False)
    bench.work()
    assert bench.look(order(), lock=False).error is None


def test_to_stop_is_to_ask_terraform_to_stop(bench: Bench) -> None:
    bench.terraform.running = True
    assert bench.workshop.working
    bench.workshop.stop()
    assert bench.terraform.asked == ["stop"]


def test_an_order_shows_nothing_that_may_hold_credentials() -> None:
    assert "hidden" not in repr(replace(order(), location="https://ann:hidden@git.example/x.git"))
