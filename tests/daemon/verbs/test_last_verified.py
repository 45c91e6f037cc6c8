"""Which version `trueup rollback` takes by itself, and what it offers where it takes none."""

from __future__ import annotations

import pytest

from daemon.past import Note, Past
from daemon.verbs.last_verified import choice, none_verified, to_choose
from daemon.verbs.pins import Behind
from desired_state.history import Version
from desired_state.model import Environment
from tests.daemon.verbs.test_pins import released, said, text

VERSIONS = tuple(released("59 58 57"))  # newest first
GONE = Note("service api", "image api:v1 is not in ECR any more", missing=True)
SNAPSHOT = Note("database postgres", "there is no snapshot before", missing=True)
NEVER = "it is not known to have been verified"


def knowing(**versions: Past) -> dict[str, Past]:
    """By the revision that a version pins: v59."""
    oids = dict(zip(("v59", "v58", "v57"), (each.commit.oid for each in VERSIONS), strict=True))
    return {oids[name]: past for name, past in versions.items()}


def past(verified: bool | None = None, ready: bool | None = None, *findings: Note) -> Past:
    return Past(1, "", verified=verified, ready=ready, findings=findings)


@pytest.mark.parametrize(
    ("known", "left", "taken", "skipped"),
    [
        pytest.param({"v59": past(True, True)}, (), 0, [], id="the newest one"),
        pytest.param(
            {"v59": past(False, True), "v58": past(True, True)}, (), 1, ["its checks failed"], id="behind a bad one"
        ),
        pytest.param(
            {"v59": past(True, False, GONE), "v57": past(True, True)},
            (),
            2,
            ["not ready: service api: image api:v1 is not in ECR any more", NEVER],
            id="behind one that is not ready, and one that nobody knows",
        ),
        pytest.param({"v59": past(True, False), "v58": past(True)}, (), 1, ["not ready"], id="for no reason told"),
        pytest.param({"v59": past(True, False, SNAPSHOT)}, (), 0, [], id="what no rollback touches is no matter"),
        pytest.param(
            {"v59": past(True, True), "v58": past(True, True)},
            (0,),
            1,
            ["it was gone back from already"],
            id="behind one that was left",
        ),
        pytest.param({"v58": past(None, True), "v59": past(True, False, GONE)}, (), None, [], id="none"),
    ],
)
def test_the_newest_version_that_was_verified_and_is_not_known_to_be_not_ready(
    known: dict[str, Past], left: tuple[int, ...], taken: int | None, skipped: list[str]
) -> None:
    behind = Behind(VERSIONS, frozenset(VERSIONS[number].commit.oid for number in left))

    found = choice(behind, knowing(**known), "api")

    assert (found.version if found else None) == (None if taken is None else VERSIONS[taken])
    if found:
        assert [note.partition("): ")[2] for note in found.notes[1:]] == skipped
        assert ("and can be gone back to" in found.notes[0]) is bool(skipped)


def test_another_service_that_is_not_ready_is_no_matter_of_this_one() -> None:
    known, behind = knowing(v59=past(True, False, Note("service api-2", "gone", missing=True))), Behind(VERSIONS)

    assert choice(behind, known, "api")
    assert choice(behind, known, None) is None


@pytest.mark.parametrize(
    ("now", "known", "left", "why"),
    [
        pytest.param(said(text()), {}, (), "the file has no `verify`, so", id="without checks"),
        pytest.param(said(text(more="verify: {running_tasks: true}\n")), {}, (), "none was verified", id="with some"),
        pytest.param(said(text()), {"v59": past(True, False)}, (), "none is ready", id="none is ready"),
        pytest.param(said(text()), {"v59": past(True, True)}, (0, 1, 2), "no version further back", id="all were left"),
    ],
)
def test_why_none_was_taken(now: Environment, known: dict[str, Past], left: tuple[int, ...], why: str) -> None:
    behind = Behind(VERSIONS, frozenset(VERSIONS[number].commit.oid for number in left))

    told = none_verified(behind, knowing(**known), now)

    assert why in told
    assert ("`verify`" in told) is (now.verify is None and not known)


def _ids(told: str) -> list[str]:
    by = {each.commit.oid[:8]: _revision(each) for each in VERSIONS}
    return [by[line.split()[0]] for line in told.splitlines()[2::2]]


def _revision(version: Version) -> str:
    assert version.environment
    return f"{version.environment.services['api'].task_revision}"


def test_ready_versions_come_first_and_each_is_marked() -> None:
    known = knowing(v59=past(None, False, GONE), v58=past(False, True), v57=past(None, True))

    told = to_choose("Why", Behind(VERSIONS), known, None)

    assert _ids(told) == ["57", "58", "59"]
    assert [line.strip() for line in told.splitlines()[3::2]] == [
        "ready; api 57",
        "its checks failed; ready; api 58",
        "not ready; api 59",
    ]


def test_what_was_gone_back_from_comes_last() -> None:
    told = to_choose("Why", Behind(VERSIONS, frozenset({VERSIONS[0].commit.oid})), knowing(v59=past(True, True)), None)

    assert _ids(told) == ["58", "57", "59"]
    assert told.splitlines()[-1].strip() == "it was gone back from already; ready; api 59"
