"""How many tasks a service must run: the pinned count, autoscaling's band, and the way back from a shutdown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcilers.contract import Change, Drift
from reconcilers.ecs_count import Count, ForgetTag, RememberTag, ResumeScaling, Shutdown, SuspendScaling
from reconcilers.ecs_records import Band

ALL = frozenset({"in", "out", "scheduled"})
BAND = Band(2, 10, ALL)
SUSPENDED = Band(2, 10, frozenset())
KEY = "trueup:count-before-shutdown"
SUSPEND = SuspendScaling(drifts=(Drift("autoscaling", "active", "suspended"),))
FORGET = ForgetTag(key=KEY)


def remember(value: str, before: str = "") -> RememberTag:
    return RememberTag(key=KEY, value=value, before=before)


def resume(*kinds: str) -> ResumeScaling:
    return ResumeScaling(kinds=frozenset(kinds), drifts=(Drift("autoscaling", "suspended", "active"),))


@pytest.mark.parametrize(
    ("count", "wanted"),
    [
        pytest.param(Count(3, None), None, id="not pinned"),
        pytest.param(Count(3, None, BAND), None, id="not pinned, with autoscaling"),
        pytest.param(Count(0, None), None, id="not pinned, and 0 by somebody else"),
        pytest.param(Count(4, 4), None, id="as pinned"),
        pytest.param(Count(3, 4), 4, id="too few"),
        pytest.param(Count(5, 4), 4, id="too many"),
        pytest.param(Count(7, 4, BAND), None, id="inside the band it is autoscaling's"),
        pytest.param(Count(2, 4, BAND), None, id="at the lower end of the band"),
        pytest.param(Count(10, 4, BAND), None, id="at the upper end of the band"),
        pytest.param(Count(1, 4, BAND), 4, id="below the band"),
        pytest.param(Count(11, 4, BAND), 4, id="above the band"),
        pytest.param(Count(5, 0), 0, id="a shutdown"),
        pytest.param(Count(5, 0, BAND), 0, id="a shutdown below the band"),
        pytest.param(Count(5, 0, Band(0, 10, ALL)), 0, id="a shutdown inside a band that has 0"),
        pytest.param(Count(0, 0, BAND), None, id="shut down"),
        pytest.param(Count(3, 0, BAND, Shutdown(4, ALL)), 0, id="shut down, and somebody started tasks"),
        pytest.param(Count(0, None, None, Shutdown(4, ALL)), 4, id="the way back to what ran"),
        pytest.param(Count(3, None, None, Shutdown(4, ALL)), None, id="the way back that somebody has gone"),
        pytest.param(Count(0, None, None, Shutdown(0, ALL)), None, id="the way back to nothing"),
        pytest.param(Count(0, 6, None, Shutdown(4, ALL)), 6, id="the way back to a pinned count"),
        pytest.param(
            Count(0, 6, Band(0, 10, frozenset()), Shutdown(4, ALL)), 6, id="the way back, although the band has 0"
        ),
        pytest.param(Count(0, 6, Band(0, 10, ALL)), None, id="0 by autoscaling"),
    ],
)
def test_the_count_to_ask_for(count: Count, wanted: int | None) -> None:
    assert count.wanted() == wanted
    assert count.drift() == (() if wanted is None else (Drift("desired_count", str(count.live), str(wanted)),))


@pytest.mark.parametrize(
    ("count", "blocked"),
    [
        pytest.param(Count(3, 11, BAND), True, id="above the band"),
        pytest.param(Count(3, 1, BAND), True, id="below the band"),
        pytest.param(Count(11, 11, BAND), True, id="outside the band, and live"),
        pytest.param(Count(3, 10, BAND), False, id="inside the band"),
        pytest.param(Count(3, 0, BAND), False, id="0 is always enacted"),
        pytest.param(Count(3, None, BAND), False, id="not pinned"),
        pytest.param(Count(3, 50), False, id="without autoscaling"),
    ],
)
def test_a_count_that_autoscaling_would_undo_stalls(count: Count, blocked: bool) -> None:
    words = f"desired_count {count.pinned} is outside what autoscaling allows (2 to 10)"
    assert count.blocked().startswith(words) is blocked
    assert bool(count.blocked()) is blocked


@pytest.mark.parametrize(
    ("count", "changes"),
    [
        pytest.param(Count(4, None), [], id="not pinned"),
        pytest.param(Count(4, 3, BAND), [], id="another count"),
        pytest.param(Count(4, 0), [remember("4")], id="without autoscaling"),
        pytest.param(Count(4, 0, BAND), [remember("4 resume:in+out+scheduled"), SUSPEND], id="with autoscaling"),
        pytest.param(Count(4, 0, SUSPENDED), [remember("4")], id="with scaling that a person had suspended"),
        pytest.param(
            Count(4, 0, Band(2, 10, frozenset({"in"}))), [remember("4 resume:in"), SUSPEND], id="with some of it"
        ),
        pytest.param(Count(4, 0, BAND, Shutdown(6, ALL)), [SUSPEND], id="remembered already: the first count stays"),
        pytest.param(
            Count(0, 0, BAND, Shutdown(6, frozenset())),
            [remember("6 resume:in+out+scheduled", "6"), SUSPEND],
            id="remembered while no scalable target was told",
        ),
        pytest.param(
            Count(0, 0, Band(2, 10, frozenset({"out"})), Shutdown(6, frozenset({"in"}))),
            [remember("6 resume:in+out", "6 resume:in"), SUSPEND],
            id="resumed by somebody who had suspended it",
        ),
        pytest.param(Count(4, 0, SUSPENDED, Shutdown(6, ALL)), [], id="remembered and suspended already"),
        pytest.param(Count(0, 0, BAND), [remember("0 resume:in+out+scheduled"), SUSPEND], id="no tasks to begin with"),
        pytest.param(Count(0, 0), [], id="no tasks and no autoscaling"),
        pytest.param(Count(0, 0, SUSPENDED, Shutdown(6, ALL)), [], id="shut down"),
        pytest.param(Count(0, 0, BAND, Shutdown(6, ALL)), [SUSPEND], id="shut down, and somebody resumed scaling"),
    ],
)
def test_before_a_shutdown_scales(count: Count, changes: list[Change]) -> None:
    assert list(count.first()) == changes


@pytest.mark.parametrize(
    ("count", "changes"),
    [
        pytest.param(Count(4, None), [], id="never shut down"),
        pytest.param(Count(0, 0, SUSPENDED, Shutdown(4, ALL)), [], id="still shut down"),
        pytest.param(Count(0, None, None, Shutdown(4, frozenset())), [FORGET], id="without autoscaling"),
        pytest.param(
            Count(0, None, SUSPENDED, Shutdown(4, ALL)), [resume("in", "out", "scheduled"), FORGET], id="with it"
        ),
        pytest.param(
            Count(0, None, SUSPENDED, Shutdown(4, frozenset({"in"}))), [resume("in"), FORGET], id="only what was active"
        ),
        pytest.param(
            Count(3, None, Band(2, 10, frozenset({"in", "out"})), Shutdown(4, ALL)),
            [resume("scheduled"), FORGET],
            id="only what nobody has resumed yet",
        ),
        pytest.param(Count(3, None, BAND, Shutdown(4, ALL)), [FORGET], id="all of it resumed by somebody"),
        pytest.param(Count(0, None, None, Shutdown(4, ALL)), [FORGET], id="the scalable target is gone"),
        pytest.param(Count(0, 6, SUSPENDED, Shutdown(4, frozenset({"out"}))), [resume("out"), FORGET], id="pinned"),
    ],
)
def test_after_the_way_back_has_scaled(count: Count, changes: list[Change]) -> None:
    assert list(count.last()) == changes


@pytest.mark.parametrize(
    ("count", "needs"),
    [
        pytest.param(Count(4, None), False, id="nothing pinned"),
        pytest.param(Count(4, 4), False, id="as pinned"),
        pytest.param(Count(8, 4), True, id="a count that may be autoscaling's"),
        pytest.param(Count(4, 0), False, id="a shutdown waits for nothing"),
        pytest.param(Count(0, 0, None, Shutdown(4, ALL)), False, id="shut down"),
        pytest.param(Count(0, None, None, Shutdown(4, frozenset())), False, id="the way back, nothing to resume"),
        pytest.param(Count(0, None, None, Shutdown(4, ALL)), True, id="the way back, with scaling to resume"),
        pytest.param(Count(4, 4, None, Shutdown(4, ALL)), True, id="gone back, with scaling to resume"),
    ],
)
def test_what_is_only_right_without_autoscaling(count: Count, needs: bool) -> None:
    assert count.needs_a_band is needs


def test_a_record_that_is_completed_is_another_request() -> None:
    assert remember("4").asks == remember("5").asks
    assert remember("4").asks != remember("4 resume:in", "4").asks


@given(st.builds(Shutdown, st.integers(0, 5000), st.frozensets(st.sampled_from(sorted(ALL)))))
def test_what_a_shutdown_remembers_is_read_again(shutdown: Shutdown) -> None:
    assert Shutdown.read(str(shutdown)) == shutdown


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param("", None, id="empty"),
        pytest.param("four", None, id="no number"),
        pytest.param("-4", None, id="below zero"),
        pytest.param("4 resume:", None, id="cut off"),
        pytest.param("4000000", None, id="a number that cannot be"),
        pytest.param("4 resume:in+sideways", Shutdown(4, frozenset({"in"})), id="a kind that there is not"),
    ],
)
def test_a_tag_that_somebody_else_wrote_is_read_with_care(text: str, read: Shutdown | None) -> None:
    assert Shutdown.read(text) == read


def test_every_value_is_one_that_a_tag_may_have() -> None:
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789 +-=._:/@")
    assert set(str(Shutdown(12, ALL))) <= allowed


@pytest.mark.parametrize(
    ("count", "idle"),
    [
        pytest.param(Count(3, 5, Band(2, 10, frozenset({"in"}))), True, id="another count inside the band"),
        pytest.param(Count(5, 5, Band(2, 10, frozenset({"in"}))), False, id="that very count"),
        pytest.param(Count(1, 5, Band(2, 10, frozenset({"in"}))), False, id="outside the band: it is enacted"),
        pytest.param(Count(3, None, Band(2, 10, frozenset({"in"}))), False, id="nothing pinned"),
        pytest.param(Count(3, 0, Band(2, 10, frozenset({"in"}))), False, id="a shutdown"),
        pytest.param(Count(3, 5), False, id="no autoscaling"),
    ],
)
def test_a_count_that_autoscaling_decides_is_said_to_have_no_effect(count: Count, idle: bool) -> None:
    assert [each.message for each in count.idle] == (
        ["desired_count 5 has no effect: autoscaling decides between 2 and 10"] if idle else []
    )
