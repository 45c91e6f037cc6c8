"""Which version of each file counts, as the history of the branch goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from desired_state.in_force import InForce, Source, committed_before
from desired_state.parse import parse
from desired_state.repository import Refused, Repository, Unreachable
from tests.desired_state.git_world import Work, environment, service

FILE = "production.yaml"
BAD = environment() + "task_revision: 5\n"


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work.at(tmp_path / "work")


def source(work: Work, path: str = FILE) -> Source:
    """As a process that has just started would read it, with the cache that earlier ones left."""
    return Source(Repository(str(work.folder), "main", work.folder.parent / "cache"), path)


def versions(found: InForce | None) -> dict[str, str]:
    assert found is not None
    return {standing.file: standing.commit for standing in found.standings}


def test_a_good_file_counts_at_the_head(work: Work) -> None:
    work.commit({FILE: environment()})
    head = work.commit({"README.md": "about something else"})

    found = source(work).poll()

    assert versions(found) == {FILE: head}
    assert (found.head, found.problems, found.bad_files, found.rewritten) == (head, (), frozenset(), False)


def test_an_unchanged_head_costs_one_question(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.commit({FILE: environment()})
    files = source(work)
    found = files.poll()
    asked: list[str] = []
    import desired_state.repository as module

    real = module.git
    monkeypatch.setattr(module, "git", lambda *words, **options: asked.append(words[0]) or real(*words, **options))

    assert files.poll() is found
    assert asked == ["ls-remote"]


def test_a_bad_commit_changes_nothing(work: Work) -> None:
    good = work.commit({FILE: environment()})
    files = source(work)
    files.poll()
    bad = work.commit({FILE: BAD})

    found = files.poll()

    assert versions(found) == {FILE: good}
    assert (found.head, found.bad_files) == (bad, {FILE})
    assert [problem.line for problem in found.problems] == [4]


def test_the_last_good_commit_is_found_again_after_a_restart(work: Work) -> None:
    good = work.commit({FILE: environment()})
    for number in range(50):
        work.commit({FILE: BAD + f"# {number}\n"})

    assert versions(source(work).poll()) == {FILE: good}


def test_fifty_commits_back_is_as_far_as_is_looked(work: Work) -> None:
    work.commit({FILE: environment()})
    for number in range(51):
        work.commit({FILE: BAD + f"# {number}\n"})

    found = source(work).poll()

    assert versions(found) == {}
    assert found.bad_files == {FILE}


def test_a_merge_counts_as_its_own_branch_saw_it(work: Work) -> None:
    good = work.commit({FILE: environment()})
    work.git("checkout", "--quiet", "-b", "feature")
    work.commit({FILE: environment("production", "mode: observe")})
    work.commit({FILE: BAD})
    work.git("checkout", "--quiet", "main")
    work.git("merge", "--quiet", "--no-ff", "-m", "Merge", "feature")

    found = source(work).poll()

    assert versions(found) == {FILE: good}
    assert found.standings[0].environment.mode == "enforce"


@pytest.mark.parametrize(
    ("write", "said"),
    [
        pytest.param(lambda work: (work.folder / FILE).unlink(), "is not there", id="deleted"),
        pytest.param(lambda work: (work.folder / FILE).chmod(0o755), "mode is 100755", id="a program"),
        pytest.param(lambda work: (work.folder / FILE).write_bytes(b""), "is empty", id="emptied"),
        pytest.param(lambda work: (work.folder / FILE).write_bytes(b"#" * 1048577), "is larger", id="too large"),
        pytest.param(lambda work: _link(work.folder / FILE), "mode is 120000", id="a link"),
    ],
)
def test_what_is_no_file_changes_nothing(work: Work, write, said: str) -> None:
    good = work.commit({FILE: environment()})
    write(work)
    work.commit({})

    found = source(work).poll()

    assert versions(found) == {FILE: good}
    assert said in found.problems[0].message
    assert found.bad_files == {FILE}


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def test_an_unreachable_repository_leaves_what_counted_also_after_a_restart(work: Work) -> None:
    good = work.commit({FILE: environment()})
    work.commit({FILE: BAD})
    source(work).poll()
    work.folder.rename(work.folder.with_name("gone"))

    restarted = source(work)
    with pytest.raises(Unreachable):
        restarted.poll()

    assert versions(restarted.current) == {FILE: good}


def test_nothing_is_known_before_the_first_answer(work: Work) -> None:
    assert source(work).current is None


def test_a_rewritten_head_is_followed_and_said_once(work: Work) -> None:
    first = work.commit({FILE: environment()})
    work.commit({FILE: environment("production", "mode: observe")})
    files = source(work)
    files.poll()
    work.git("reset", "--quiet", "--hard", first)

    back = files.poll()
    work.commit({FILE: environment("production", "mode: suspended")})
    onward = files.poll()

    assert versions(back) == {FILE: first}
    assert (back.rewritten, onward.rewritten) == (True, False)


def test_a_head_that_was_rewritten_while_nobody_looked_is_said(work: Work) -> None:
    first = work.commit({FILE: environment()})
    work.commit({FILE: environment("production", "mode: observe")})
    source(work).poll()
    work.git("reset", "--quiet", "--hard", first)

    assert source(work).poll().rewritten


def test_a_damaged_copy_is_fetched_anew(work: Work) -> None:
    work.commit({FILE: environment()})
    files = source(work)
    files.poll()
    for path in (work.folder.parent / "cache").rglob("*"):
        if path.is_file() and "objects" in path.parts:
            path.unlink()
    head = work.commit({FILE: environment("production", "mode: observe")})

    assert versions(files.poll()) == {FILE: head}
    assert source(work).current is not None


def test_a_path_out_of_the_repository_is_refused_at_once(work: Work) -> None:
    with pytest.raises(Refused):
        source(work, "../production.yaml")


def test_each_file_of_a_folder_counts_for_itself(work: Work) -> None:
    good = work.commit({"a.yaml": environment("a"), "b.yaml": environment("b")})
    head = work.commit({"a.yaml": "nonsense", "b.yaml": environment("b", "mode: observe")})

    found = source(work, ".").poll()

    assert versions(found) == {"a.yaml": good, "b.yaml": head}
    assert found.bad_files == {"a.yaml"}


def test_a_file_that_left_the_folder_counts_no_more(work: Work) -> None:
    work.commit({"a.yaml": environment("a"), "b.yaml": environment("b")})
    head = work.commit({"a.yaml": None})

    assert versions(source(work, ".").poll()) == {"b.yaml": head}


def test_a_folder_that_was_emptied_changes_nothing(work: Work) -> None:
    good = work.commit({"e/a.yaml": environment("a"), "e/b.yaml": environment("b")})
    work.commit({"e/a.yaml": None, "e/b.yaml": None})

    found = source(work, "e").poll()

    assert versions(found) == {"e/a.yaml": good, "e/b.yaml": good}
    assert found.bad_files == {"e"}


def test_the_earlier_owner_stays_in_a_running_process_however_many_commits_follow(work: Work) -> None:
    work.commit({"a.yaml": environment("a", *service("api")), "b.yaml": environment("b")})
    work.commit({"b.yaml": environment("b", *service("thief"))})
    files = source(work, ".")
    for number in range(60):
        head = work.commit({"README.md": str(number)})
        if number % 20 == 0:
            files.poll()

    found = files.poll()

    assert versions(found)["a.yaml"] == head
    assert found.bad_files == {"b.yaml"}


def test_the_last_good_version_stays_in_a_running_process_however_many_bad_ones_follow(work: Work) -> None:
    good = work.commit({FILE: environment()})
    files = source(work)
    files.poll()
    for number in range(120):
        work.commit({FILE: BAD + f"# {number}\n"})
        if number % 40 == 0:
            files.poll()

    assert versions(files.poll()) == {FILE: good}


def test_a_second_claim_leaves_the_earlier_owner_in_force(work: Work) -> None:
    first = work.commit({"a.yaml": environment("a", *service("api")), "b.yaml": environment("b")})
    head = work.commit({"b.yaml": environment("b", *service("thief"))})

    found = source(work, ".").poll()

    assert versions(found) == {"a.yaml": head, "b.yaml": first}
    assert [str(problem) for problem in found.problems] == [
        "b.yaml:1: services.thief: is claimed already by services.api of a.yaml; remove it from one of the two"
    ]


def test_the_earlier_owner_stays_also_when_the_names_sort_the_other_way(work: Work) -> None:
    first = work.commit({"b.yaml": environment("b", *service("api"))})
    head = work.commit({"a.yaml": environment("a", *service("thief"))})

    found = source(work, ".").poll()

    assert versions(found) == {"b.yaml": head}
    assert found.bad_files == {"a.yaml"}
    assert first != head


def test_a_claim_moves_from_one_file_to_another_in_one_commit(work: Work) -> None:
    work.commit({"a.yaml": environment("a", *service("api")), "b.yaml": environment("b")})
    head = work.commit({"a.yaml": environment("a"), "b.yaml": environment("b", *service("api"))})

    found = source(work, ".").poll()

    assert versions(found) == {"a.yaml": head, "b.yaml": head}
    assert found.problems == ()


def test_a_claim_that_is_free_again_is_granted(work: Work) -> None:
    work.commit({"a.yaml": environment("a", *service("api")), "b.yaml": environment("b")})
    work.commit({"b.yaml": environment("b", *service("api"))})
    files = source(work, ".")
    files.poll()
    head = work.commit({"a.yaml": environment("a")})

    assert versions(files.poll()) == versions(source(work, ".").poll()) == {"a.yaml": head, "b.yaml": head}


def test_two_that_claim_the_same_in_one_commit_keep_what_they_had(work: Work) -> None:
    first = work.commit({"a.yaml": environment("a"), "b.yaml": environment("b")})
    work.commit({"a.yaml": environment("a", *service("api")), "b.yaml": environment("b", *service("api"))})

    found = source(work, ".").poll()

    assert versions(found) == {"a.yaml": first, "b.yaml": first}
    assert found.bad_files == {"a.yaml", "b.yaml"}


def test_a_name_belongs_to_one_file(work: Work) -> None:
    work.commit({"a.yaml": environment("production")})
    head = work.commit({"b.yaml": environment("production")})

    found = source(work, ".").poll()

    assert versions(found) == {"a.yaml": head}
    assert "is claimed already by environment of a.yaml" in found.problems[0].message


def test_what_gives_a_claim_up_in_a_bad_commit_has_not_given_it_up(work: Work) -> None:
    first = work.commit({"a.yaml": environment("a", *service("api")), "b.yaml": environment("b")})
    work.commit({"a.yaml": "nonsense", "b.yaml": environment("b", *service("api"))})

    found = source(work, ".").poll()

    assert versions(found) == {"a.yaml": first, "b.yaml": first}
    assert found.bad_files == {"a.yaml", "b.yaml"}


@pytest.mark.parametrize(
    ("versions_", "mode"),
    [
        pytest.param([], None, id="a first version"),
        pytest.param(["mode: observe"], "observe", id="the one before"),
        pytest.param(["mode: observe", "nonsense"], "observe", id="behind a bad one"),
        pytest.param(["mode: observe", "mode: enforce"], "observe", id="behind one that says the same"),
    ],
)
def test_what_a_file_said_before_is_found(work: Work, versions_: list[str], mode: str | None) -> None:
    for line in versions_:
        work.commit({FILE: environment("production", line)})
    work.commit({FILE: environment("production", "mode: enforce") + "# now\n"})
    files = source(work)
    standing = files.poll().standings[0]

    found = (files.before(standing), committed_before(work.folder / FILE, standing.environment))

    assert [earlier and earlier.mode for earlier in found] == [mode, mode]


def test_a_file_outside_any_repository_said_nothing_before(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(environment())

    assert committed_before(tmp_path / FILE, parse(environment().encode(), FILE)) is None


# What a file named before


def former(work: Work, path: str = FILE) -> dict[str, str]:
    """The services that are no longer named, by the name that they had."""
    standing = source(work, path).poll().standings[0]
    assert not any(each.task_revision or each.env for each in standing.former.services.values())
    return {name: each.service for name, each in standing.former.services.items()}


def test_an_entry_that_left_the_file_is_remembered_without_its_pins(work: Work) -> None:
    work.commit({FILE: environment()})
    work.commit({FILE: environment("production", *service("api"))})
    assert former(work) == {}
    work.git("revert", "--no-edit", "HEAD")

    assert former(work) == {"api": "service"}


def test_what_a_bad_version_named_does_not_count(work: Work) -> None:
    work.commit({FILE: BAD + "\n".join(service("api"))})
    work.commit({FILE: environment()})

    assert former(work) == {}


def test_an_entry_that_was_renamed_has_not_left(work: Work) -> None:
    work.commit({FILE: environment("production", *service("api"))})
    work.commit({FILE: environment("production", *service("web"))})

    assert former(work) == {}


def test_an_entry_whose_name_is_used_again_gets_another(work: Work) -> None:
    work.commit({FILE: environment("production", *service("api", of="old"))})
    work.commit({FILE: environment("production", *service("api", of="new"))})

    assert former(work) == {"cluster.old": "old"}


def test_an_entry_that_moved_to_another_file_has_an_owner(work: Work) -> None:
    work.commit({"a.yaml": environment("a", *service("api")), "b.yaml": environment("b")})
    work.commit({"a.yaml": environment("a"), "b.yaml": environment("b", *service("api"))})

    assert former(work, "*.yaml") == {}


def test_an_entry_in_another_place_is_out_of_reach(work: Work) -> None:
    work.commit({FILE: environment("production", *service("api")).replace("us-east-1", "eu-west-1")})
    work.commit({FILE: environment()})

    assert former(work) == {}


def test_the_former_names_of_an_environment_are_known(work: Work) -> None:
    for name in ("first", "second", "third"):
        work.commit({FILE: environment(name)})

    assert set(source(work).poll().standings[0].former.environments) == {"first", "second"}


def test_ten_versions_back_is_as_far_as_is_looked_for_names(work: Work) -> None:
    work.commit({FILE: environment("production", *service("api"))})
    for number in range(9):
        work.commit({FILE: environment() + f"# {number}\n"})
        work.commit({"README.md": str(number)})
    assert former(work) == {"api": "service"}

    work.commit({FILE: environment()})

    assert former(work) == {}


def recent(found: InForce) -> list[str]:
    """What the versions to go back to say of their mode, newest first."""
    return [each.environment.mode.value for each in found.standings[0].recent if each.environment]


def mode(word: str) -> str:
    return environment("production", f"mode: {word}")


def test_the_versions_to_go_back_to_are_those_that_said_something_else(work: Work) -> None:
    for text in (mode("observe"), mode("suspended"), "nonsense\n", mode("suspended") + "# why\n", mode("enforce")):
        work.commit({FILE: text})
    last = work.commit({FILE: mode("enforce") + "# as before\n"}, "Say why")

    found = source(work).poll()

    assert recent(found) == ["suspended", "observe"]
    version = found.standings[0].version
    assert version is not None
    assert (version.oid, version.subject) == (last, "Say why")


def test_versions_are_found_behind_many_commits_of_other_files(work: Work) -> None:
    work.commit({FILE: mode("observe")})
    work.commit({FILE: mode("suspended")})
    brought = work.commit({FILE: mode("enforce")}, "Enforce")
    for number in range(60):
        work.commit({"other.txt": f"{number}\n"})

    found = source(work).poll()

    assert recent(found) == ["suspended", "observe"]
    version = found.standings[0].version
    assert version is not None
    assert (version.oid, version.subject) == (brought, "Enforce")
    work.commit({"other.txt": "once more\n"})
    assert recent(source(work).poll()) == ["suspended", "observe"]


def test_a_server_that_does_not_give_more_history_keeps_no_commit_back(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.commit({FILE: mode("observe")})
    head = work.commit({FILE: mode("enforce")})
    for number in range(60):
        head = work.commit({"other.txt": f"{number}\n"})
    fetched = Repository.fetched

    def impatient(self: Repository, branch: str, at: str) -> str:
        if self._depth > 51:
            raise Unreachable("it took too long")
        return fetched(self, branch, at)

    monkeypatch.setattr(Repository, "fetched", impatient)

    assert source(work).poll().head == head
