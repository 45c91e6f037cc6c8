"""What the words of each verb make of a file: edits, the subject of the commit, and what a person is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.sources import Misused
from daemon.verbs import pins, set_words
from daemon.verbs.pins import Pins
from daemon.verbs.set_words import Laid
from desired_state.edit import REMOVE, Edit, edit
from desired_state.history import Version
from desired_state.model import Environment
from desired_state.parse import Invalid, parse
from desired_state.repository import Commit
from desired_state.revision import Revision
from reconcilers.variables import Variables

HEAD = "version: 1\nenvironment: production\naws: {region: us-east-1}\n"
NOW = datetime(2024, 2, 24, 12, 0, 0, 123, UTC)
NOTHING = Laid({}, ())


def text(api: str = "", web: str | None = None, more: str = "") -> str:
    """A file with a service api, and perhaps a service web."""
    second = "" if web is None else f"  web: {{cluster: c, service: web{web}}}\n"
    return f"{HEAD}services:\n  api: {{cluster: c, service: api{api}}}\n{second}{more}"


def said(content: str) -> Environment:
    return parse(content.encode(), "production.yaml")


def version(content: str, number: int = 1) -> Version:
    at = datetime(2024, 2, 23, 9, 30, tzinfo=UTC)
    commit = Commit(f"{number}".rjust(8, "a") + "b" * 32, at, "Ann", "Pin it")
    try:
        return Version(commit, said(content), content.encode())
    except Invalid as error:
        return Version(commit, None, content.encode(), error.problems)


def result(before: str, made: Pins) -> str:
    """The services of a file after a change, without its first lines."""
    return edit(before.encode(), made.edits).decode().removeprefix(HEAD)


# --- back to a version


def test_all_services_go_back_to_a_version_and_nothing_else_does() -> None:
    now = text(", task_revision: 124", "", "maintenance: {enabled: true, load_balancer: a}\n")
    then = text(", task_revision: 123", more="maintenance: {enabled: false, load_balancer: a}\n")

    made = pins.back_to_version(said(now), version(then), None)

    assert result(now, made) == (
        "services:\n  api: {cluster: c, service: api, task_revision: 123}\n"
        "maintenance: {enabled: true, load_balancer: a}\n"
    )
    assert made.subject == "Roll back the services of production to aaaaaaa1"
    assert made.notes == (
        "commit aaaaaaa1 of 2024-02-23 09:30 UTC by Ann: Pin it",
        "web: not in the file then, and taken out of it",
        "not taken back, though the file said something else then: maintenance",
    )


def test_one_service_goes_back_alone() -> None:
    now = text(", task_revision: 124", ", task_revision: 9")
    then = text(", task_revision: 123", ", task_revision: 8")

    made = pins.back_to_version(said(now), version(then), "web")

    assert result(now, made) == text(", task_revision: 124", ", task_revision: 8").removeprefix(HEAD)
    assert made.subject == "Roll back web of production to aaaaaaa1"


@pytest.mark.parametrize(
    ("then", "service", "why"),
    [
        pytest.param(text(", task_revision: x"), None, "was bad at commit aaaaaaa1.*task_revision", id="a bad version"),
        pytest.param(text(), "web", "had no service web at commit aaaaaaa1 .it had api.", id="no such service"),
    ],
)
def test_no_version_to_go_back_to(then: str, service: str | None, why: str) -> None:
    with pytest.raises(Misused, match=why):
        pins.back_to_version(said(text()), version(then), service)


def test_what_would_change_nothing_is_no_way_back() -> None:
    now = said(text(", task_revision: 3", ", task_revision: 3"))
    bad = version(text(", task_revision: x"), 4)
    same = version(text(", task_revision: 3", ", task_revision: 3", "mode: observe\n"), 3)
    api = version(text(", task_revision: 2", ", task_revision: 3"), 2)
    web = version(text(", task_revision: 3", ", task_revision: 2"), 1)

    without = version(text(", task_revision: 3"), 5)
    every = [bad, same, without, api, web]

    assert pins.going_back(every, now, None).versions == (without, api, web)
    assert pins.going_back(every, now, "web").versions == (web,)


def released(words: str) -> list[Version]:
    """Versions that pin a revision each, newest first; `3x2` pins a count of 2 as well."""
    pinned = [word.partition("x") for word in words.split()]
    texts = [f", task_revision: {one}" + (f", desired_count: {count}" if count else "") for one, _, count in pinned]
    return [version(text(each), len(texts) - place) for place, each in enumerate(texts)]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        pytest.param("59 58 57", [], id="releases alone"),
        pytest.param("58 57 58 56", [1], id="one that was left"),
        pytest.param("56 58 57 58 56 55", [1, 2, 3], id="two that were left, one after the other"),
        pytest.param("57 56 57 56 55", [1], id="what came back, and goes again"),
        pytest.param("59 58 57 58 56", [2], id="one that was left before the last release"),
        pytest.param("58x6 57x4 58x4 56x4", [1], id="another count since"),
        pytest.param("58x6 58x4 58x2", [], id="counts alone"),
        pytest.param("58x4 58x0 58x4 57x4", [1], id="a shutdown that is over"),
    ],
)
def test_what_was_gone_back_from_is_no_way_back(words: str, left: list[int]) -> None:
    versions = released(words)
    assert versions[0].environment

    behind = pins.going_back(versions, versions[0].environment, "api")

    assert behind.left == {versions[number].commit.oid for number in left}
    assert behind.left <= {each.commit.oid for each in behind.versions}
    assert behind.went is None


@pytest.mark.parametrize(
    ("subject", "words", "went"),
    [
        pytest.param("Roll back api of production to revision 58", "58 57", True, id="to a revision that was no pin"),
        pytest.param('Revert "Release"', "58 57", True, id="by a revert"),
        pytest.param("Roll back api of production to aaaaaaa1", "58 57 58", False, id="to a version that is known"),
        pytest.param("Release", "58 57", False, id="a release"),
    ],
)
def test_pins_that_are_a_way_back_to_nothing_known_are_told(subject: str, words: str, went: bool) -> None:
    first, *others = released(words)
    assert first.environment
    back = replace(first, commit=replace(first.commit, subject=subject))

    behind = pins.going_back([back, *others], first.environment, None)

    assert behind.went == (back if went else None)


@pytest.mark.parametrize(
    ("word", "running", "warned"),
    [("web:58", "api", True), ("web:58", "web", False), ("58", "api", False)],
)
def test_a_revision_of_another_family_is_warned_of(word: str, running: str, warned: bool) -> None:
    revision = pins.revision_of(word)
    assert revision

    notes = pins.another_family("api", revision, running)

    assert [note.partition(":")[0] for note in notes] == (["web"] if warned else [])


# --- back to a revision or a tag


@pytest.mark.parametrize(
    ("word", "means"),
    [
        pytest.param("122", Revision(number=122), id="a number"),
        pytest.param("web:7", Revision(family="web", number=7), id="a family"),
        pytest.param("v1", None, id="a tag"),
        pytest.param("0122", None, id="no number that is a revision"),
        pytest.param("20240224120000", None, id="too large for one"),
        pytest.param("sha256:123", None, id="a digest cut short"),
    ],
)
def test_a_revision_is_a_number_with_or_without_its_family(word: str, means: Revision | None) -> None:
    assert pins.revision_of(word) == means


def test_a_revision_takes_out_what_would_be_laid_over_it_and_says_so() -> None:
    now = text(", task_revision: 124, image_tag: v2, env: {A: x, B: null}, desired_count: 4")

    made = pins.back_to_revision(said(now), "api", Revision(number=122))

    assert result(now, made) == text(", task_revision: 122, desired_count: 4").removeprefix(HEAD)
    assert made.subject == "Roll back api of production to revision 122"
    assert made.notes == (
        "image_tag v2 is taken out: it would be laid over revision 122",
        "env is taken out (A, B): it would be laid over revision 122",
    )


def test_a_revision_of_another_family_is_written_with_it() -> None:
    made = pins.back_to_revision(said(text()), "api", Revision(family="old", number=7))

    assert result(text(), made) == text(", task_revision: old:7").removeprefix(HEAD)
    assert made.notes == ()


@pytest.mark.parametrize(
    ("tag", "subject"),
    [
        pytest.param("v1", "Roll back api of production to image v1", id="a tag"),
        pytest.param("sha256:" + "0" * 64, "Roll back api of production to image sha256:000000000000…", id="a digest"),
    ],
)
def test_a_tag_is_laid_over_the_revision_that_is_pinned(tag: str, subject: str) -> None:
    now = text(", task_revision: 124, env: {A: x}")

    made = pins.back_to_tag(said(now), "api", tag)

    assert result(now, made) == text(f", task_revision: 124, env: {{A: x}}, image_tag: {tag}").removeprefix(HEAD)
    assert made.subject == subject
    assert made.notes == ("revision 124 stays pinned: the image is laid over it",)


@pytest.mark.parametrize("word", ["HEAD~1", "repository:v1", "sha256:abc", ""])
def test_what_is_no_target_is_said(word: str) -> None:
    with pytest.raises(Misused, match="is no commit, revision or image tag; write"):
        pins.back_to_tag(said(text()), "api", word)


def test_of_several_services_one_must_be_named() -> None:
    assert pins.only_service(said(text())) == "api"
    with pytest.raises(Misused, match="there is api, web"):
        pins.only_service(said(text(web="")))


# --- maintenance, restart, shutdown

PAGE = "maintenance: {{enabled: {}, load_balancer: a{}}}\n"


@pytest.mark.parametrize(
    ("before", "words", "after", "noted"),
    [
        pytest.param(("false", ""), {"enabled": True}, ("true", ""), False, id="on"),
        pytest.param(("true", ""), {"enabled": False}, ("false", ""), False, id="off"),
        pytest.param(
            ("false", ", message: x"),
            {"enabled": True, "message": "Back: at noon", "until": NOW},
            ("true", ', message: "Back: at noon", until: 2024-02-24T12:00:00Z'),
            False,
            id="with what is said of it",
        ),
        pytest.param(
            ("false", ", until: 2024-01-01T00:00:00Z"),
            {"enabled": True},
            ("true", ", until: null"),
            True,
            id="on, without the end of another time",
        ),
        pytest.param(
            ("true", ", until: 2024-01-01T00:00:00Z"),
            {"enabled": False},
            ("false", ", until: null"),
            True,
            id="off, with its end",
        ),
        pytest.param(
            ("true", ", until: 2024-01-01T00:00:00Z"),
            {"enabled": True, "message": "x"},
            ("true", ", until: 2024-01-01T00:00:00Z, message: x"),
            False,
            id="another message while it is on",
        ),
    ],
)
def test_maintenance(before: tuple[str, str], words: dict[str, Any], after: tuple[str, str], noted: bool) -> None:
    now = text(more=PAGE.format(*before))

    made = pins.maintenance(said(now), **({"message": None, "until": None} | words))

    assert result(now, made) == text(more=PAGE.format(*after)).removeprefix(HEAD)
    assert made.subject == f"Turn maintenance of production {'on' if words['enabled'] else 'off'}"
    assert made.notes == (("until becomes null: 2024-01-01T00:00:00Z was the end of another maintenance",) * noted)


def test_maintenance_needs_a_place_and_a_page() -> None:
    with pytest.raises(Misused, match="has no maintenance section; add one"):
        pins.maintenance(said(text()), enabled=True, message=None, until=None)
    with pytest.raises(Misused, match="leave them out with off"):
        pins.maintenance(said(text(more=PAGE.format("true", ""))), enabled=False, message="x", until=None)


@pytest.mark.parametrize(
    ("before", "notes"),
    [
        pytest.param("", (), id="the first time"),
        pytest.param(", restarted_at: 2024-02-24T11:00:00Z", (), id="again"),
        pytest.param(
            ", restarted_at: 2124-02-24T11:00:00Z",
            ("restarted_at was 2124-02-24T11:00:00Z, which is still to come",),
            id="an instant that was a mistake",
        ),
    ],
)
def test_a_restart_is_an_instant_to_the_second(before: str, notes: tuple[str, ...]) -> None:
    made = pins.restart(said(text(before)), "api", NOW)

    assert result(text(before), made) == text(", restarted_at: 2024-02-24T12:00:00Z").removeprefix(HEAD)
    assert (made.subject, made.notes) == ("Restart api of production", notes)


def test_a_restart_of_what_is_shut_down_is_said_to_do_nothing() -> None:
    assert "shut down" in pins.restart(said(text(", desired_count: 0")), "api", NOW).notes[0]


@pytest.mark.parametrize(
    ("before", "back"), [("", "unset"), (", desired_count: 4", "4"), (", desired_count: 0", "unset")]
)
def test_a_shutdown_says_the_way_back(before: str, back: str) -> None:
    made = pins.shutdown(said(text(before)), "api")

    assert result(text(before), made) == text(", desired_count: 0").removeprefix(HEAD)
    assert made.subject == "Shut down api of production"
    assert made.notes == (f"to bring it back: trueup set production api desired_count={back}",)


@pytest.mark.parametrize("verb", [pins.shutdown, lambda now, name: pins.restart(now, name, NOW)])
def test_a_service_that_is_not_there_is_named(verb: Any) -> None:
    with pytest.raises(Misused, match="has no service db; it has api"):
        verb(said(text()), "db")


# --- set


@pytest.mark.parametrize(
    ("before", "words", "after"),
    [
        pytest.param("", "image_tag=v1", ", image_tag: v1", id="a tag"),
        pytest.param("", "image_tag=1.20", ', image_tag: "1.20"', id="a tag that YAML reads as a number"),
        pytest.param("", "image_tag=20240224", ', image_tag: "20240224"', id="a tag of digits"),
        pytest.param("", "task_revision=122 desired_count=0", ", task_revision: 122, desired_count: 0", id="numbers"),
        pytest.param("", "task_revision=old:7", ", task_revision: old:7", id="a family"),
        pytest.param(", image_tag: v1", "image_tag=unset", "", id="no pin"),
        pytest.param("", "env.A=x=y env.B= env.C=null", ', env: {A: x=y, B: "", C: null}', id="variables"),
        pytest.param("", "env.a.b=1", ', env: {a.b: "1"}', id="a variable with a dot"),
        pytest.param("", 'env.A="null" env.B="unset"', ', env: {A: "null", B: unset}', id="these very words"),
        pytest.param(", env: {A: x, B: y}", "env.A=unset", ", env: {B: y}", id="a variable that is not pinned"),
        pytest.param(
            ", env: {A: x}, desired_count: 1",
            "env.A=unset env.B=y",
            ", env: {B: y}, desired_count: 1",
            id="what goes goes last, so that a section stays where it is",
        ),
        pytest.param(", env: {A: x}", "env=unset image_tag=v1", ", image_tag: v1", id="no variables at all"),
    ],
)
def test_pins_are_set(before: str, words: str, after: str) -> None:
    made = set_words.assigned(said(text(before)), "api", set_words.wish(words.split()), NOTHING)

    assert result(text(before), made) == text(after).removeprefix(HEAD)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        pytest.param("image_tag", "image_tag is not understood; write image_tag=…", id="no value"),
        pytest.param("colour=red", "colour=red is not understood", id="no pin"),
        pytest.param("env.=x", "is not understood", id="no variable"),
        pytest.param("env=x", "write env.NAME=…, or env=unset", id="all variables"),
        pytest.param("env@v1", "names no revision; write env@122", id="no revision"),
        pytest.param("env@1 env@2", "written twice", id="two revisions"),
        pytest.param("env.A=1 env.A=2", "env.A is written twice", id="twice"),
        pytest.param("env=unset env.A=2", "env=unset takes all variables out", id="all and one"),
        pytest.param("env=unset env@2", "env=unset takes all variables out", id="all and those of a revision"),
    ],
)
def test_words_that_mean_nothing_are_said(words: str, why: str) -> None:
    with pytest.raises(Misused, match=why):
        set_words.wish(words.split())


def test_the_subject_holds_no_value_of_a_variable() -> None:
    wished = set_words.wish(["image_tag=v2", "env.TOKEN=abc", "env@122", "desired_count=4", "env.B=x"])

    made = set_words.assigned(said(text()), "api", wished, NOTHING)

    assert made.subject == "Set image_tag=v2, env.TOKEN, env@122 and 2 more of api in production"


def test_a_credential_that_is_written_out_is_warned_of_without_its_value() -> None:
    made = set_words.assigned(said(text()), "api", set_words.wish(["env.DB_PASSWORD=hunter2", "env.A=b"]), NOTHING)

    assert made.notes == ("env.DB_PASSWORD looks like a credential, and everybody who reads git reads it",)


@pytest.mark.parametrize(
    ("words", "notes"),
    [
        pytest.param(
            "task_revision=122",
            (
                "image_tag v2 stays, and is laid over revision 122; image_tag=unset takes it out",
                "env stays, and is laid over revision 122; env=unset takes it out",
            ),
            id="both",
        ),
        pytest.param("task_revision=122 image_tag=v1 env=unset", (), id="what is named itself needs no word"),
        pytest.param("image_tag=v3", (), id="nor what is not laid over anything new"),
        pytest.param("task_revision=unset", (), id="nor no revision"),
    ],
)
def test_what_is_laid_over_a_new_revision_is_said(words: str, notes: tuple[str, ...]) -> None:
    now = said(text(", image_tag: v2, env: {A: x}"))

    assert set_words.assigned(now, "api", set_words.wish(words.split()), NOTHING).notes == notes


# --- the variables of another revision


def variables(plain: dict[str, str], secrets: dict[str, str] | None = None, files: tuple[str, ...] = ()) -> Variables:
    return Variables("api:9", plain, secrets or {}, files)


@pytest.mark.parametrize(
    ("env", "base", "there", "values"),
    [
        pytest.param("", {"A": "1"}, {"A": "1"}, {}, id="the same"),
        pytest.param("", {"A": "1"}, {"A": "2"}, {"A": "2"}, id="another value"),
        pytest.param("", {"A": "1"}, {}, {"A": None}, id="one that was not there"),
        pytest.param("", {}, {"A": ""}, {"A": ""}, id="one that was there, and empty"),
        pytest.param("A: x", {"A": "1"}, {"A": "1"}, {"A": REMOVE}, id="a line that is needed no more"),
        pytest.param("A: null", {"A": "1"}, {"A": "1"}, {"A": REMOVE}, id="one that took a variable away"),
        pytest.param("A: x", {}, {}, {"A": REMOVE}, id="one that the revision knows nothing of"),
        pytest.param("A: x", {"A": "1"}, {"A": "2"}, {"A": "2"}, id="one with another value"),
        pytest.param("A: x", {"A": "1"}, {}, {"A": None}, id="one that becomes null"),
        pytest.param("A: '2'", {"A": "1"}, {"A": "2"}, {}, id="one that says so already"),
        pytest.param("A: '1'", {"A": "1"}, {"A": "1"}, {}, id="one that was never needed, and harms nobody"),
        pytest.param("A: null", {}, {}, {}, id="the same of null"),
    ],
)
def test_lines_of_env_give_the_variables_of_a_revision(
    env: str, base: dict[str, str], there: dict[str, str], values: dict[str, Any]
) -> None:
    service = said(text(f", env: {{{env}}}")).services["api"]

    laid = set_words.laid_out(service, variables(base), variables(there))

    assert (laid.values, laid.notes) == (values, ())
    over = {**service.env, **values}
    then = {name: over.get(name, base.get(name)) for name in {*over, *base} if over.get(name) is not REMOVE}
    then |= {name: base.get(name) for name in over if over[name] is REMOVE}
    assert {name: value for name, value in then.items() if value is not None} == there


@pytest.mark.parametrize(
    ("base", "there", "notes"),
    [
        pytest.param(variables({}, {"A": "arn"}), variables({}, {"A": "arn"}), (), id="the same secret"),
        pytest.param(variables({"A": "x"}), variables({}, {"A": "arn"}), ("A comes from a secret",), id="there"),
        pytest.param(variables({}, {"A": "arn"}), variables({"A": "x"}), ("A comes from a secret",), id="here"),
        pytest.param(variables({}, {"A": "arn"}), variables({}), ("A comes from a secret",), id="here alone"),
        pytest.param(variables({}), variables({"DB_PASSWORD": "hunter2"}), ("DB_PASSWORD looks",), id="bare"),
        pytest.param(variables({}), variables({"URL": "pg://u:hunter2@h/d"}), ("URL looks",), id="in a URL"),
        pytest.param(variables({}, files=("a",)), variables({}, files=("b",)), ("environment files",), id="files"),
    ],
)
def test_secrets_are_left_alone_and_said(base: Variables, there: Variables, notes: tuple[str, ...]) -> None:
    laid = set_words.laid_out(said(text()).services["api"], base, there)

    assert laid.values == {}
    assert len(laid.notes) == len(notes)
    assert all(part in note for part, note in zip(notes, laid.notes, strict=True))
    assert "hunter2" not in f"{laid}"


def test_what_is_named_itself_wins_over_the_revision() -> None:
    wished = set_words.wish(["env@9", "env.A=mine"])
    laid = Laid({"A": "theirs", "B": None}, ("noted",))

    made = set_words.assigned(said(text()), "api", wished, laid)

    assert made.edits == (Edit(("services", "api", "env", "A"), "mine"), Edit(("services", "api", "env", "B"), None))
    assert made.notes == ("noted",)


@pytest.mark.parametrize(
    ("words", "revision"),
    [("image_tag=v1", Revision(number=5)), ("task_revision=7", Revision(number=7)), ("task_revision=unset", None)],
)
def test_variables_are_compared_with_the_revision_that_is_wished(words: str, revision: Revision | None) -> None:
    service = said(text(", task_revision: 5")).services["api"]

    assert set_words.wish(words.split()).changed(service).task_revision == revision


def test_what_a_version_pins_is_told_in_a_few_words() -> None:
    environment = said(text(", task_revision: 3, image_tag: v1, env: {A: x}, desired_count: 2", ""))

    assert pins.all_pinned(environment) == "api 3 v1 1 env count 2, web nothing"
