"""What a steady pass costs: a few reads that grow with the clusters' size, and never a write."""

import json
import urllib.request
from collections import Counter
from math import ceil
from pathlib import Path

from rehearsal.replaydash_names import DATABASE_HOST
from tests.end_to_end.inside import Inside
from tests.end_to_end.world import HEAD, World, production, world

SERVICES, CLUSTERS = 25, 3


def test_25_services_in_3_clusters_cost_4_describe_services_and_nothing_else(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        _fleet(made, services=SERVICES, clusters=CLUSTERS)
        daemon = made.following(_file(SERVICES, CLUSTERS, "task_revision: 2"))
        of_each = Counter(index % CLUSTERS for index in range(SERVICES))
        packed = sum(ceil(count / 10) for count in of_each.values())
        passes, eventually_passes = daemon.passes(), 3

        daemon.after_passes(eventually_passes)
        assert daemon.stop() == 0

        calls = Counter(call["operation"] for call in made.aws.calls())
        assert packed == 3
        assert set(calls) == {"DescribeServices"}
        assert calls["DescribeServices"] % packed == 0
        assert calls["DescribeServices"] >= packed * eventually_passes
        assert passes
        assert made.writes() == []


def test_counts_that_are_pinned_cost_one_page_of_scalable_targets(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        _fleet(made, services=SERVICES, clusters=CLUSTERS)
        made.git.commit(_file(SERVICES, CLUSTERS, "desired_count: 2"))
        run = _settled(made)

        _full_pass(run)

        assert _calls(made) == {"DescribeServices": 3, "DescribeScalableTargets": 1}


def test_replaydash_with_everything_pinned_costs_one_call_a_listener_and_one_a_secret(replaydash: World) -> None:
    text = production(
        api=["task_revision: 124", "desired_count: 4", "databases: [postgres]"],
        worker=["task_revision: 58"],
        postgres=[f"endpoint: {DATABASE_HOST}"],
        maintenance=["enabled: false"],
    )
    replaydash.git.commit(text)
    run = _settled(replaydash)

    _full_pass(run)

    assert _calls(replaydash) == {
        "DescribeServices": 1,
        "DescribeScalableTargets": 1,
        "DescribeRules": 1,
        "DescribeSecret": 1,
    }


def test_a_revision_is_read_once_for_ever_where_it_carries_an_overlay(replaydash: World) -> None:
    replaydash.git.commit(production(api=["task_revision: 124", "env:", "  LOG_LEVEL: warn"]))
    run = _settled(replaydash)

    _full_pass(run)

    assert _calls(replaydash) == {"DescribeServices": 1}


def _settled(made: World) -> Inside:
    run = Inside(made)
    run.converge()
    assert run.in_sync(), run.reasons()
    return run


def _full_pass(run: Inside) -> None:
    run.wait(31)
    run.world.aws.clear_calls()
    run.step()


def _calls(made: World) -> dict[str, int]:
    return dict(Counter(call["operation"] for call in made.aws.calls()))


def _fleet(made: World, **size: int) -> None:
    request = urllib.request.Request(f"{made.aws.url}/rehearsal/fleet", json.dumps(size).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    made.aws.clear_calls()


def _file(services: int, clusters: int, pin: str) -> str:
    entries = (
        f"  s{index}: {{cluster: fleet-{index % clusters:03}, service: service-{index:04}, {pin}}}\n"
        for index in range(services)
    )
    return HEAD + "services:\n" + "".join(entries)
