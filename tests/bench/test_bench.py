"""The benchmark's own parts: how many calls are allowed, what counts as left behind, and the world it opens."""

from pathlib import Path

import pytest

from tests.bench.calls import budget
from tests.bench.left_behind import difference, with_image
from tests.bench.production import cluster_sizes, passes, pinned, production
from tests.end_to_end.world import eventually


@pytest.mark.parametrize(
    ("services", "around", "most"),
    [
        pytest.param(10, {}, 1, id="ten services fit into one call"),
        pytest.param(11, {}, 2, id="eleven do not"),
        pytest.param(1000, {}, 100, id="a thousand in ten clusters"),
        pytest.param(1000, {"listeners": 1, "secrets": 1}, 103, id="and a listener and a secret"),
        pytest.param(1000, {"counts": 51}, 102, id="counts are read fifty at a time"),
    ],
)
def test_a_steady_pass_has_a_budget_of_calls(services: int, around: dict[str, int], most: int) -> None:
    assert budget(cluster_sizes(services), **around) == most


def _told(*, image: str = "app:1", tags: tuple[str, ...] = ("team",), **more: object) -> dict[str, object]:
    container = {"name": "app", "image": image, "environment": [{"name": "A", "value": "1"}]} | more
    definition = {"revision": 7, "status": "ACTIVE", "containerDefinitions": [container], "volumes": []}
    return {"taskDefinition": definition, "tags": [{"key": key, "value": "x"} for key in tags]}


@pytest.mark.parametrize(
    ("base", "made", "said"),
    [
        pytest.param(_told(), _told(), "nothing", id="equal"),
        pytest.param(with_image(_told(), "app", "app:2"), _told(image="app:2"), "nothing", id="the image asked for"),
        pytest.param(_told(), _told(image="app:2"), "changed containerDefinitions[app].image", id="another image"),
        pytest.param(_told(), _told(tags=()), "lost tags (team)", id="tags lost"),
        pytest.param(_told(), _told(tags=("team", "ours")), "added tags (ours)", id="tags added"),
        pytest.param(
            _told(stopTimeout=60), _told(), "lost containerDefinitions[app].stopTimeout", id="a container's field lost"
        ),
        pytest.param(
            _told(environment=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
            _told(environment=[{"name": "B", "value": "2"}, {"name": "A", "value": "3"}]),
            "changed containerDefinitions[app].environment[A].value",
            id="the order of variables means nothing",
        ),
    ],
)
def test_what_is_left_behind_is_told_field_by_field(base: dict, made: dict, said: str) -> None:
    assert str(difference(base, made)) == said


def test_a_steady_pass_over_what_is_measured_keeps_to_the_budget(tmp_path: Path) -> None:
    """The world of the bench opens, and what it would measure at a small size is met."""
    with production(tmp_path / "world", services=12) as world:
        commit = world.git.commit(pinned(12))
        daemon = world.daemon(interval=0.5)
        eventually(lambda: daemon.in_sync(commit))
        made = passes(daemon)[0]
        world.aws.clear_calls()
        eventually(lambda: passes(daemon)[0] >= made + 3)

        assert {call["operation"] for call in world.aws.calls()} == {"DescribeServices"}
