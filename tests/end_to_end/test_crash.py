"""A crash right before and right after every write of every kind of change: the loop of a new process finds its way."""

from collections import Counter
from dataclasses import dataclass

import pytest

from rehearsal.replaydash_names import GOOD_TAG
from tests.end_to_end.combined import BEFORE, WRITES, after
from tests.end_to_end.inside import Inside, Killed
from tests.end_to_end.world import SERVICE, World, production

PAGE = ["strategy: default_action", f"target_group: {SERVICE}"]


@dataclass(frozen=True)
class Change:
    """A file, the one that replaces it, and the writes that this leads to."""

    before: str
    after: str
    writes: tuple[str, ...]


CHANGES = {
    "combined": Change(BEFORE, after(), WRITES),
    "its revert": Change(after(), BEFORE, ("PutSecretValue", "UpdateService", "DeleteRule")),
    "shutdown": Change(
        production(worker=[]),
        production(worker=["desired_count: 0"]),
        ("TagResource", "RegisterScalableTarget", "UpdateService"),
    ),
    "return from shutdown": Change(
        production(worker=["desired_count: 0"]),
        production(worker=[]),
        ("UpdateService", "RegisterScalableTarget", "UntagResource"),
    ),
    "default action": Change(
        production(maintenance=["enabled: false", *PAGE]),
        production(maintenance=["enabled: true", *PAGE]),
        ("AddTags", "ModifyListener"),
    ),
    "default action back": Change(
        production(maintenance=["enabled: true", *PAGE]),
        production(maintenance=["enabled: false", *PAGE]),
        ("ModifyListener", "RemoveTags"),
    ),
    "first tag reverted": Change(production(api=[f"image_tag: {GOOD_TAG}"]), production(api=[]), ("UpdateService",)),
}
# Tagging a thing again with the same tags is no second effect.
REPEATABLE = {"AddTags"}


@pytest.mark.parametrize(
    ("name", "number", "late"),
    [
        pytest.param(name, number, late, id=f"{name}: {'after' if late else 'before'} {write}")
        for name, change in CHANGES.items()
        for number, write in enumerate(change.writes)
        for late in (False, True)
    ],
)
def test_a_crash_at_a_write_is_survived(replaydash: World, name: str, number: int, late: bool) -> None:
    change = CHANGES[name]
    replaydash.git.commit(change.before)
    Inside(replaydash).converge()
    replaydash.aws.clear_calls()
    replaydash.git.commit(change.after)

    with pytest.raises(Killed):
        Inside(replaydash, death=(number, late)).converge()
    run = Inside(replaydash)
    run.converge()

    assert run.in_sync(), run.reasons()
    made = Counter(replaydash.writes())
    assert {write: made[write] for write in made if write not in REPEATABLE} == {
        write: count for write, count in Counter(change.writes).items() if write not in REPEATABLE
    }
    replaydash.aws.clear_calls()
    run.wait(31)
    run.converge()
    assert replaydash.writes() == [], "and it rests"


@pytest.mark.parametrize("name", CHANGES)
def test_undisturbed_a_change_makes_exactly_these_writes(replaydash: World, name: str) -> None:
    change = CHANGES[name]
    replaydash.git.commit(change.before)
    Inside(replaydash).converge()
    replaydash.aws.clear_calls()
    replaydash.git.commit(change.after)

    run = Inside(replaydash)
    run.converge()

    assert run.in_sync(), run.reasons()
    assert tuple(replaydash.writes()) == change.writes
