"""Polls and passes over several environments, with a source and places that are made up."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from daemon.enforcement import Surroundings
from daemon.loop import STUCK, Loop
from daemon.status import GitStatus
from desired_state.parse import Problem
from desired_state.repository import Refused
from reconcilers.aws import Place
from tests.daemon.fakes import Ground, Source, Time, Told, counts, in_force, standing

EAST, WEST = Place("us-east-1"), Place("us-west-2")
INTERVAL = 30.0


@dataclass
class Several:
    """A loop over made-up places."""

    source: Source = field(default_factory=Source)
    time: Time = field(default_factory=Time)
    told: Told = field(default_factory=Told)
    grounds: dict[Place, Ground] = field(default_factory=dict)
    interval: float = INTERVAL

    def __post_init__(self) -> None:
        around = Surroundings(self.told, self.time.clock)
        git = GitStatus(repository="r", branch="main", path=".")
        self.loop = Loop(self.source, git, self.ground, around, self.interval)

    def ground(self, where: Place) -> Ground:
        return self.grounds.setdefault(where, Ground(where))

    def head(self, *texts: str, commit: str = "c1", problems: tuple[Problem, ...] = ()) -> list[Place]:
        """A new head with these files, polled."""
        standings = [standing(text, commit, file=f"{number}.yaml") for number, text in enumerate(texts)]
        self.source.found = in_force(*standings, head=commit, problems=problems)
        return self.loop.poll()

    def look(self) -> float:
        return min(self.loop.look(where) for where in self.loop.places)

    def conditions(self) -> dict[str, dict[str, str]]:
        return {e.name: {r.name: r.condition.value for r in e.resources} for e in self.loop.status().environments}


class Broken:
    """A connection that no pass can begin with."""

    def __init__(self, where: Place) -> None:
        self.place = where

    guard = property(fset=lambda *_: (_ for _ in ()).throw(ValueError("a bug")))


@pytest.fixture
def several() -> Several:
    return Several()


def test_the_first_poll_names_every_place_to_look_at(several: Several) -> None:
    assert several.head(counts("a", x=1), counts("b", x=1), counts("c", region="us-west-2", x=1)) == [EAST, WEST]


def test_an_unchanged_head_wakes_nobody(several: Several) -> None:
    several.head(counts("a", x=1))
    several.look()

    assert several.loop.poll() == []
    assert len(several.told.polls) == 2


def test_only_the_place_of_a_change_is_woken(several: Several) -> None:
    several.head(counts("a", x=1), counts("b", region="us-west-2", x=1))
    several.look()
    several.source.found = in_force(
        standing(counts("a", x=1), "c1", "0.yaml"), standing(counts("b", region="us-west-2", x=4), "c2", "1.yaml")
    )

    assert several.loop.poll() == [WEST]


def test_environments_of_one_place_share_one_batch_of_reads(several: Several) -> None:
    several.head(counts("a", x=1, y=1), counts("b", z=1))

    several.look()

    assert several.grounds[EAST].passes == [["x", "y", "maintenance", "z", "maintenance"]]


def test_a_mistake_of_ours_in_one_environment_does_not_stop_the_others(several: Several) -> None:
    several.head(counts("a", x=1), counts("b", y=4))
    passed = several.told.passed

    def broken(status: object, seconds: float, writes: int, *, full: bool) -> None:
        if status.name == "a":
            raise KeyError("a bug")
        passed(status, seconds, writes, full=full)

    several.told.passed = broken

    assert several.look() >= 1
    assert several.grounds[EAST].writes == [("y", "4")]
    assert several.told.failures == [("a", "'a bug'")]


def test_a_pass_that_cannot_even_begin_is_not_tried_again_without_a_pause(several: Several) -> None:
    several.head(counts("a", x=4))
    several.look()
    several.time.pass_(5)
    several.grounds[EAST].connection = Broken(EAST)

    assert several.loop.look(EAST) == 1
    assert several.told.failures == [("a", "a bug")]


def test_everything_is_looked_at_every_interval_and_what_rests_is_not(several: Several) -> None:
    several.head(counts("a", x=1))
    looks = several.ground(EAST).services.looks

    assert several.look() == INTERVAL
    several.time.pass_(INTERVAL - 1)
    assert several.look() == 1
    assert looks == ["x"]
    several.time.pass_(1)
    several.look()
    assert looks == ["x", "x"]


def test_what_progresses_is_looked_at_after_a_second(several: Several) -> None:
    several.head(counts("a", x=4), counts("b", y=1))

    assert several.look() == 1
    several.time.pass_(1)
    several.look()

    assert several.grounds[EAST].passes == [["x", "maintenance", "y", "maintenance"], ["x"]]


def test_many_that_progress_in_one_place_share_a_polite_pace(several: Several) -> None:
    several.head(*(counts(f"e{number}", x=1) for number in range(100)))
    several.ground(EAST).services.settling["x"] = "rolling out"

    assert several.look() == 2


def test_a_commit_during_a_look_is_looked_at_at_once(several: Several) -> None:
    several.head(counts("a", x=1, y=1))
    several.ground(EAST).services.before = lambda name: several.head(counts("a", x=4, y=4), commit="c2")

    assert several.look() == 0.0
    several.ground(EAST).services.before = lambda name: None
    several.look()

    assert several.grounds[EAST].writes == [("x", "4"), ("y", "4")]
    assert several.loop.status().environments[0].commit == "c2"


def test_no_commit_is_lost_between_a_poll_and_a_look(several: Several) -> None:
    """Two threads, many commits: the last one is always enacted."""
    several.head(counts("a", x=1))
    several.look()
    stop = threading.Event()

    def looking() -> None:
        while not stop.is_set():
            several.loop.look(EAST)

    thread = threading.Thread(target=looking)
    thread.start()
    for number in range(2, 150):
        several.head(counts("a", x=number), commit=f"c{number}")
    stop.set()
    thread.join()
    several.loop.look(EAST)

    assert several.grounds[EAST].services.live["x"] == "149"
    assert several.loop.status().environments[0].commit == "c149"


def test_a_new_environment_is_looked_at_also_when_it_comes_later(several: Several) -> None:
    several.head(counts("a", x=1))
    several.look()

    assert several.head(counts("a", x=1), counts("b", y=4), commit="c2") == [EAST]
    several.look()

    assert several.grounds[EAST].writes == [("y", "4")]


def test_the_environment_with_a_new_commit_is_looked_at_first(several: Several) -> None:
    several.head(counts("a", x=1), counts("b", y=1))
    several.look()

    several.head(counts("a", x=1), counts("b", y=4), commit="c2")
    several.look()

    assert several.grounds[EAST].services.looks == ["x", "y", "y", "x"]


def test_a_new_commit_ends_a_round_over_other_environments_and_what_is_left_follows_it(several: Several) -> None:
    several.head(counts("a", x=1, y=1, z=1), counts("b", w=1))
    several.look()
    several.time.pass_(INTERVAL)
    ground = several.ground(EAST)
    ground.services.looks.clear()
    ground.services.before = lambda name: (
        several.head(counts("a", x=1, y=1, z=1), counts("b", w=4), commit="c2") if name == "x" else None
    )

    assert several.look() == 0.0
    assert ground.services.looks == ["x"]
    ground.services.before = lambda name: None
    several.look()

    assert ground.services.looks == ["x", "w", "x", "y", "z"]
    assert ground.writes == [("w", "4")]


def test_a_commit_that_changes_nothing_here_ends_no_round(several: Several) -> None:
    several.head(counts("a", x=1, y=1), counts("b", w=1))
    several.ground(EAST).services.before = lambda name: (
        several.head(counts("a", x=1, y=1), counts("b", w=1), commit="c2") and None
    )

    several.look()

    assert several.grounds[EAST].services.looks == ["x", "y", "w"]


def test_a_place_that_cannot_be_set_up_keeps_no_commit_from_the_others_and_is_tried_again(several: Several) -> None:
    broken, ground = True, several.ground

    def territory(where: Place) -> Ground:
        if broken and where == WEST:
            raise ValueError("a bug")
        return ground(where)

    several.loop._territory = territory
    several.head(counts("a", x=1))
    several.look()

    several.head(counts("bad", region="us-west-2", x=1), counts("a", x=4), commit="c2")
    several.look()
    assert several.grounds[EAST].writes == [("x", "4")]
    assert (several.told.failures, several.told.left) == ([("bad", "a bug")], [])

    broken = False
    assert several.loop.poll() == [WEST]
    several.look()
    assert several.conditions() == {"bad": {"x": "in_sync"}, "a": {"x": "progressing"}}
    assert several.loop.poll() == []


def test_a_new_environment_is_timed_from_its_commit_and_the_first_ones_are_not(several: Several) -> None:
    several.head(counts("a", x=4))
    several.look()
    several.head(counts("a", x=4), counts("b", y=4), commit="c2")
    several.time.pass_(2)
    several.look()

    assert several.told.first_writes == [("b", 2.0)]


def test_an_environment_that_left_is_forgotten_and_touched_no_more(several: Several) -> None:
    several.head(counts("a", x=1), counts("b", y=4))
    several.look()

    several.head(counts("a", x=1), commit="c2")
    several.grounds[EAST].services.live["y"] = "9"
    several.time.pass_(INTERVAL)
    several.look()

    assert several.told.left == ["b"]
    assert list(several.conditions()) == ["a"]
    assert several.grounds[EAST].writes == [("y", "4")]


def test_an_environment_that_leaves_during_a_pass_is_not_written_any_more(several: Several) -> None:
    several.head(counts("a", x=1), counts("b", y=4))
    several.ground(EAST).services.before = lambda name: (
        several.head(counts("a", x=1), commit="c2") if name == "y" else None
    )

    several.look()

    assert several.grounds[EAST].writes == []


def test_an_environment_that_moves_to_another_region_is_looked_after_there_and_only_there(several: Several) -> None:
    several.head(counts("a", x=4))
    several.look()

    assert several.head(counts("a", region="us-west-2", x=5), commit="c2") == [WEST]
    several.look()
    several.time.pass_(INTERVAL)
    several.look()

    assert several.grounds[EAST].writes == [("x", "4")]
    assert several.grounds[WEST].writes == [("x", "5")]
    assert several.told.left == []


def test_a_guard_is_of_the_environment_that_is_looked_at(several: Several) -> None:
    """Both share a connection: a commit to the one must not stop a write of the other, nor let one through."""
    several.head(counts("a", x=4), counts("b", y=4))
    several.ground(EAST).services.before = lambda name: (
        several.head(counts("a", x=9), counts("b", y=4), commit="c2") if name == "y" else None
    )

    several.look()

    assert several.grounds[EAST].writes == [("x", "4"), ("y", "4")]


def test_a_person_who_asks_again_wakes_what_was_refused(several: Several) -> None:
    several.head(counts("a", x=4))
    several.ground(EAST).services.errors["x"] = OSError("no answer")
    several.look()
    del several.ground(EAST).services.errors["x"]

    several.loop.ask_again()
    several.look()

    assert several.grounds[EAST].writes == [("x", "4")]


# --- the repository


def test_an_unreachable_repository_keeps_the_last_good_commit_in_force(several: Several) -> None:
    several.head(counts("a", x=1))
    several.look()
    fetched = several.loop.status().git.last_fetch

    several.source.error = "no route to host"
    several.time.pass_(INTERVAL)
    assert several.loop.poll() == []
    several.grounds[EAST].services.live["x"] = "7"
    several.look()

    git = several.loop.status().git
    assert (git.head, git.error, git.last_fetch) == ("c1", "no route to host", fetched)
    assert several.grounds[EAST].writes == [("x", "1")]


def test_after_a_restart_the_commit_of_the_former_process_is_in_force_without_the_repository(several: Several) -> None:
    several.source.error = "no route to host"
    several.source.current = in_force(standing(counts("a", x=4)))

    assert several.loop.poll() == [EAST]
    several.look()

    assert several.grounds[EAST].writes == [("x", "4")]
    assert several.loop.status().git.error == "no route to host"


def test_an_answer_takes_the_error_away(several: Several) -> None:
    several.source.error = "no route to host"
    several.loop.poll()

    several.source.error = ""
    several.head(counts("a", x=1))

    assert several.loop.status().git.error == ""


def test_a_copy_that_cannot_be_written_is_said_and_ends_nothing(several: Several) -> None:
    several.head(counts("a", x=1))

    def full() -> None:
        raise OSError(28, "No space left on device")

    several.source.poll = full

    assert several.loop.poll() == []
    assert several.loop.status().git.error == "[Errno 28] No space left on device"


def test_a_path_that_cannot_be_meant_is_said_and_ends_nothing(several: Several) -> None:
    def refuse() -> None:
        raise Refused("the path leads out of the repository")

    several.source.poll = refuse

    assert several.loop.poll() == []
    assert several.loop.status().git.error == "the path leads out of the repository"


def test_a_bad_file_is_said_of_its_own_environment_only(several: Several) -> None:
    problem = Problem("1.yaml", 3, "services", "is empty", "name one")
    several.head(counts("a", x=1), counts("b", y=1), problems=(problem,))
    several.look()

    a, b = several.loop.status().environments
    assert (a.valid, a.in_sync) == (True, True)
    assert (b.valid, b.in_sync) == (False, False)
    assert several.loop.status().git.problems == (problem,)


# --- ready and alive


def test_ready_comes_with_the_first_good_pass_over_every_environment(several: Several) -> None:
    assert not several.loop.status().ready
    several.head(counts("a", x=1), counts("b", region="us-west-2", y=1))
    assert not several.loop.status().ready
    several.loop.look(EAST)
    assert not several.loop.status().ready

    several.loop.look(WEST)

    assert several.loop.status().ready


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        pytest.param(counts("a", mode="suspended", x=1), True, id="suspended"),
        pytest.param(counts("a", account="999999999999", x=1), True, id="of another account"),
        pytest.param(counts("a", x=1), False, id="nothing can be read"),
    ],
)
def test_a_pass_is_good_when_aws_answered(several: Several, text: str, *, ready: bool) -> None:
    several.head(text)
    ground = several.ground(EAST)
    ground.services.errors["x"] = ground.maintenance.errors["maintenance"] = OSError("no answer")

    several.look()

    assert several.loop.status().ready is ready


def test_ready_stays_when_a_later_environment_cannot_be_read(several: Several) -> None:
    several.head(counts("a", x=1))
    several.look()
    assert several.loop.status().ready
    ground = several.ground(WEST)
    ground.services.errors["y"] = ground.maintenance.errors["maintenance"] = OSError("no answer")

    several.head(counts("a", x=1), counts("b", region="us-west-2", y=1), commit="c2")
    several.loop.look(WEST)

    assert several.loop.status().ready


def test_an_environment_that_left_before_its_first_look_does_not_keep_the_others_from_ready(several: Several) -> None:
    several.head(counts("a", x=1), counts("b", region="us-west-2", y=1))
    several.loop.look(EAST)
    several.head(counts("a", x=1), commit="c2")

    several.loop.look(EAST)

    assert several.loop.status().ready


@pytest.mark.parametrize(
    ("seconds", "alive"), [pytest.param(STUCK - 1, True, id="slow"), pytest.param(STUCK + 1, False, id="stuck")]
)
def test_one_entry_that_never_ends_is_not_alive(several: Several, seconds: float, *, alive: bool) -> None:
    several.head(counts("a", x=1, y=1))
    seen = _during(several, lambda: several.time.pass_(seconds))

    several.look()

    assert seen == [alive, alive]
    assert several.loop.status().alive


def test_a_long_pass_in_which_entries_come_to_their_ends_is_alive(several: Several) -> None:
    several.head(counts("a", **{f"s{number}": 1 for number in range(9)}))
    seen = _during(several, lambda: several.time.pass_(STUCK / 3))

    several.look()

    assert seen == [True] * 9


def test_a_poll_that_never_ends_is_not_alive(several: Several) -> None:
    def poll() -> None:
        several.time.pass_(STUCK + 1)
        assert not several.loop.status().alive
        raise Refused("at last")

    several.source.poll = poll
    several.loop.poll()

    assert several.loop.status().git.error == "at last"
    assert several.loop.status().alive


@pytest.mark.parametrize("what", ["poll", "look"])
@pytest.mark.parametrize(
    ("seconds", "alive"), [pytest.param(STUCK - 1, True, id="late"), pytest.param(STUCK + 1, False, id="never")]
)
def test_a_process_in_which_nothing_begins_any_more_is_not_alive(
    several: Several, what: str, seconds: float, *, alive: bool
) -> None:
    several.head(counts("a", x=1))
    several.look()

    several.time.pass_(seconds)
    if what == "poll":
        several.look()
    else:
        several.loop.poll()

    assert several.loop.status().alive is alive
    several.look()
    several.loop.poll()
    assert several.loop.status().alive


def test_a_long_interval_between_two_looks_is_no_sign_of_death() -> None:
    several = Several(interval=3600)
    several.head(counts("a", x=1))
    several.look()
    several.time.pass_(3600 + STUCK)

    assert several.loop.status().alive


def test_nothing_is_expected_of_a_place_that_left(several: Several) -> None:
    several.head(counts("a", x=1), counts("b", region="us-west-2", x=1))
    several.look()
    several.head(counts("a", x=1), commit="c2")

    several.time.pass_(STUCK + 1)
    several.loop.look(EAST)
    several.loop.poll()

    assert several.loop.status().alive


def _during(several: Several, act: Callable[[], None]) -> list[bool]:
    """Whether the process counted as alive during each look at a service that takes as long as `act`; git goes on."""
    seen: list[bool] = []

    def look(_: str) -> None:
        act()
        several.loop.poll()
        seen.append(several.loop.status().alive)

    several.ground(EAST).services.before = look
    return seen
