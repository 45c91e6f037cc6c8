"""Infrastructure in the file: what is taken, and what is refused with a mend."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest
import yaml

from desired_state.git import Refused, Remote, checked_location
from desired_state.model import Apply, Environment, Infrastructure
from desired_state.ownership import Claim, claims
from desired_state.parse import Invalid, Problem, parse, schema

COMMIT = "4f2c9e1a02b3c4d5e6f708192a3b4c5d6e7f8091"
HEAD = "version: 1\nenvironment: p\naws: {region: us-east-1}\ninfrastructure:\n  network:\n"
PINNED = HEAD + f"    commit: {COMMIT}\n"
LINE = 7  # of the first key after the commit
WHOLE = PINNED + (
    "    repository: https://git.example/infrastructure.git\n    directory: infrastructure/terraform\n"
    "    workspace: production\n    variables_file: production.tfvars\n    targets: [aws_ecs_cluster.main]\n"
    "    imports: {aws_db_instance.postgresql: replaydash-production-postgres-restored}\n"
    "    apply: destroy_allowed\n    check_every: 60\n"
)


def parsed(content: str) -> Environment:
    return parse(content.encode(), "p.yaml")


def network(content: str) -> Infrastructure:
    return parsed(content).infrastructure["network"]


def problems(content: str) -> tuple[Problem, ...]:
    with pytest.raises(Invalid) as invalid:
        parsed(content)
    return invalid.value.problems


def test_a_commit_is_all_that_must_be_written() -> None:
    pinned = network(PINNED)
    assert pinned == Infrastructure(commit=COMMIT)
    assert (pinned.repository, pinned.directory, pinned.workspace, pinned.variables_file) == (None, "", None, None)
    assert (pinned.targets, dict(pinned.imports), pinned.apply, pinned.check_every) == ((), {}, Apply.APPROVED, 900)


def test_everything_that_can_be_written() -> None:
    assert network(WHOLE) == Infrastructure(
        commit=COMMIT,
        repository="https://git.example/infrastructure.git",
        directory="infrastructure/terraform",
        workspace="production",
        variables_file="production.tfvars",
        targets=("aws_ecs_cluster.main",),
        imports={"aws_db_instance.postgresql": "replaydash-production-postgres-restored"},
        apply=Apply.DESTROY_ALLOWED,
        check_every=60,
    )


@pytest.mark.parametrize(
    ("lines", "key", "value"),
    [
        ("directory: ./a//b/", "directory", "a/b"),
        ("directory: .", "directory", ""),
        ("variables_file: env/p.tfvars", "variables_file", "env/p.tfvars"),
        ("repository: git@git.example:shop/infra.git", "repository", "git@git.example:shop/infra.git"),
        ("repository: git@git.example:/srv/infra.git", "repository", "git@git.example:/srv/infra.git"),
        ("repository: https://ann@git.example/infra.git", "repository", "https://ann@git.example/infra.git"),
        ("repository: http://127.0.0.1:8080/infra.git", "repository", "http://127.0.0.1:8080/infra.git"),
        ("repository: /srv/a:b@c", "repository", "/srv/a:b@c"),
        ("repository: ssh://git@git.example/infra.git", "repository", "ssh://git@git.example/infra.git"),
        ("repository: /srv/infra", "repository", "/srv/infra"),
        ("repository: file:///srv/infra", "repository", "file:///srv/infra"),
        ("workspace: default", "workspace", "default"),
        ("workspace: a.b_c-1", "workspace", "a.b_c-1"),
        ("workspace: ...", "workspace", "..."),
        ("targets: [module.data.x.y]", "targets", ("module.data.x.y",)),
        ("targets: [module.a, 'module.a[\"x y\"].b.c[0]', 'a.b[\"k.v\"]']", "targets", None),
        ("imports: {'module.a.b.c[\"x\"]': 'arn:aws:x:::y/${z}'}", "imports", None),
        ("check_every: 5", "check_every", 5),
        ("check_every: 15m", "check_every", 900),
        ("check_every: 1h", "check_every", 3600),
    ],
)
def test_what_is_taken(lines: str, key: str, value: object) -> None:
    pinned = network(PINNED + f"    {lines}\n")
    assert getattr(pinned, key) == value if value is not None else getattr(pinned, key)


def test_a_sha256_id_is_a_commit() -> None:
    assert network(HEAD + f"    commit: {'a1' * 32}\n").commit == "a1" * 32


@pytest.mark.parametrize(
    ("written", "message", "mend"),
    [
        ("main", '"main" is no commit: a branch or a tag moves', "git rev-parse"),
        ("v1.2.3", "a branch or a tag moves", "git rev-parse"),
        ("HEAD", "a branch or a tag moves", "git rev-parse"),
        ("4f2c9e1", '"4f2c9e1" is only a part of an id', "git rev-parse 4f2c9e1"),
        (COMMIT[:-1], "is only a part of an id", "git rev-parse"),
        ("4F2C9E1", '"4F2C9E1" is only a part of an id', "git rev-parse 4F2C9E1"),
        ("1234567", '"1234567" is only a part of an id', "git rev-parse 1234567"),
        ("0123456", '"0123456" is only a part of an id', "git rev-parse 0123456"),
        (COMMIT + "0", "has 41 digits, and a full id has 40", "git rev-parse"),
        ("a" * 65, "has 65 digits", "git rev-parse"),
        (COMMIT.upper(), "small letters", f"write {COMMIT}"),
        ("1" * 40, "YAML reads it as a number", f'write it in quotes: "{"1" * 40}"'),
        ("null", "must be a string", ""),
        ("[a]", "must be a string", ""),
    ],
)
def test_only_a_full_id_pins_a_commit(written: str, message: str, mend: str) -> None:
    (problem,) = problems(HEAD + f"    commit: {written}\n")
    assert (problem.line, problem.key) == (6, "infrastructure.network.commit")
    assert message in problem.message
    assert mend in problem.mend


def test_a_commit_must_be_there() -> None:
    (problem,) = problems(HEAD + "    directory: a\n")
    assert (problem.key, problem.message) == ("infrastructure.network.commit", "is missing")


@pytest.mark.parametrize(
    ("lines", "key", "message", "mend"),
    [
        ("repository: ../infra", "repository", "neither a URL nor an absolute path", "https://"),
        ("repository: http://git.example/x", "repository", "http:// is not allowed", "https://"),
        ("repository: ext::sh -c x", "repository", "ext:: is not allowed", "https://"),
        ("repository: https://ann:s3cret-word@git.example/x", "repository", "holds a password", "--repository"),
        ("repository: ssh://ann:s3cret-word@git.example/x", "repository", "holds a password", "take it out"),
        ("repository: https://:s3cret-word@git.example/x", "repository", "holds a password", "take it out"),
        ("repository: https://ann:1/s3cret-word@git.example/x", "repository", "holds a password", "take it out"),
        ("repository: https://ann:s3cret-word@x@git.example/x", "repository", "holds a password", "take it out"),
        ("repository: http://ann:s3cret-word@git.example/x", "repository", "holds a password", "take it out"),
        ("repository: ann:s3cret-word@git.example:x", "repository", "holds a password", "take it out"),
        ("repository: ann:s3cret-word::x@git.example:x", "repository", "holds a password", "take it out"),
        ("repository: https://s3cret-word:s3cret-word/x", "repository", "not a URL that can be read", "https://host"),
        ("repository: ssh://git@git.example:shop/infra", "repository", "not a URL that can be read", "https://host"),
        ("repository: a b:c", "repository", "neither a URL nor an absolute path", "https://"),
        ('repository: "/srv/a\\nb"', "repository", "neither a path nor a URL", "https://"),
        (f"repository: /{'x' * 2048}", "repository", "longer than 2048", "of a repository"),
        ("repository: https:///x", "repository", "names no host", "https://host/path"),
        ("directory: ../x", "directory", '"../x" leads out', "top folder"),
        ("directory: /x", "directory", "leads out", "top folder"),
        ("directory: a/.git/b", "directory", "is not possible", "path of the commit"),
        ("directory: 'a\\b'", "directory", "is not possible", "path of the commit"),
        ("directory: -x", "directory", "is not possible", "path of the commit"),
        ('directory: "a\\x85b"', "directory", "is not possible", "path of the commit"),
        ('directory: "a\\u202eb"', "directory", r'"a\u202eb" is not possible', "path of the commit"),
        ("variables_file: .", "variables_file", "names no file", "production.tfvars"),
        ("variables_file: ../x.tfvars", "variables_file", "leads out", ""),
        ("workspace: -x", "workspace", "cannot be the name of a workspace", "workspace list"),
        ("workspace: ..", "workspace", "cannot be the name of a workspace", "workspace list"),
        (f"workspace: {'a' * 91}", "workspace", "cannot be the name of a workspace", "workspace list"),
        ("workspace: a/b", "workspace", "cannot be the name of a workspace", "workspace list"),
        ("workspace: ''", "workspace", "cannot be the name of a workspace", "workspace list"),
        ("targets: [main]", "targets[0]", '"main" is not the address', "aws_ecs_cluster.main"),
        ("targets: [data.a.b]", "targets[0]", "is not the address", ""),
        ("targets: [module.a.data.b.c]", "targets[0]", "is not the address", ""),
        ("targets: ['a.b[-1]']", "targets[0]", "is not the address", ""),
        (f"targets: [a.{'b' * 500}]", "targets[0]", "is not the address", ""),
        ("targets: ['a.b\\n']", "targets[0]", "is not the address", ""),
        ("targets: ['a.b[\"${x}\"]']", "targets[0]", "is not the address", ""),
        ("targets: [a.b, a.b]", "targets", "names a.b twice", "remove"),
        ("targets: a.b", "targets", "must be a list", ""),
        (
            "imports: {module.a: x}",
            "imports.module.a",
            "is not the address of a resource",
            "aws_db_instance.postgresql",
        ),
        ("imports: {data.a.b: x}", "imports.data.a.b", "is not the address of a resource", ""),
        ("imports: {a.b: ''}", "imports.a.b", "is not possible", "import"),
        ("imports: {'a.b }': x}", "imports.a.b }", "is not the address", ""),
        ("apply: always", "apply", 'cannot be "always"', "destroy_allowed"),
        ("check_every: 4", "check_every", "cannot be 4", "5"),
        ("check_every: 15x", "check_every", "whole number", ""),
        ("check_every: 1s", "check_every", "cannot be 1", "5"),
        ("check_every: 25h", "check_every", "cannot be 25h", "86400"),
        ("targets: aws_ecs_cluster.main", "targets", "must be a list", "write [aws_ecs_cluster.main]"),
        ("variables_file: a/../x.tfvars", "variables_file", "leads out of directory", "inside directory"),
        ("ref: main", "ref", "is not a key that trueup knows", ""),
        ("work_space: x", "work_space", "is not a key", "write workspace"),
    ],
)
def test_what_is_refused_says_what_to_write(lines: str, key: str, message: str, mend: str) -> None:
    (problem,) = problems(PINNED + f"    {lines}\n")
    assert (problem.file, problem.line) == ("p.yaml", LINE)
    assert problem.key == f"infrastructure.network.{key}"
    assert message in problem.message
    assert mend in problem.mend
    assert "s3cret-word" not in str(problem)


SERVICE = "services:\n  api: {cluster: c, service: s, needs: [%s]}\n"


def test_a_service_names_what_it_needs() -> None:
    assert parsed(PINNED + SERVICE % "network").services["api"].needs == ("network",)


@pytest.mark.parametrize(
    ("needs", "message", "mend"),
    [
        ("net", 'there is no infrastructure "net"', "(network)"),
        ("network, network", "names network twice", "remove"),
    ],
)
def test_a_service_needs_only_what_the_file_names(needs: str, message: str, mend: str) -> None:
    problem = problems(PINNED + SERVICE % needs)[0]
    assert problem.key.startswith("services.api.needs")
    assert message in problem.message
    assert mend in problem.mend


@pytest.mark.parametrize(
    ("lines", "clash"),
    [
        ("", True),
        ("targets: [a.b]", True),
        ("variables_file: other.tfvars", True),
        ("workspace: default", True),
        ("directory: ./", True),
        ("workspace: staging", False),
        ("directory: other", False),
        ("repository: https://git.example/other", False),
    ],
)
def test_one_state_has_one_pin(lines: str, clash: bool) -> None:
    text = PINNED + f"  again:\n    commit: {'0a' * 20}\n" + (f"    {lines}\n" if lines else "")
    if clash:
        assert "runs the state that infrastructure.network runs already" in problems(text)[0].message
    else:
        assert len(parsed(text).infrastructure) == 2


@pytest.mark.parametrize("again", ["https://git.example/x", "https://git.example/x.git", "https://git.example/x.git/"])
def test_one_repository_is_one_however_it_is_written(again: str) -> None:
    one, other = ("    repository: https://git.example/x\n", f"    repository: {again}\n")
    text = PINNED + one + f"  again:\n    commit: {COMMIT}\n" + other
    (problem,) = problems(text)
    assert (problem.line, problem.key) == (9, "infrastructure.again.commit")
    assert problem.mend == "keep one of the two, or give one another directory or workspace"


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ("", "/:default"),
        ("directory: a/b/\n    workspace: w", "/a/b:w"),
        ("repository: https://git.example/x.git", "https://git.example/x/:default"),
        ("repository: https://git.example/x/", "https://git.example/x/:default"),
        ("repository: /srv/x/.git", "/srv/x/:default"),
        ("workspace: default", "/:default"),
    ],
)
def test_no_two_files_may_claim_one_state(lines: str, name: str) -> None:
    found = claims(parsed(PINNED + (f"    {lines}\n" if lines else "")))
    assert found[Claim("infrastructure", name)] == "infrastructure.network"


def test_an_editor_knows_every_key() -> None:
    known = schema()["$defs"]["Infrastructure"]
    assert set(known["properties"]) == set(Infrastructure.model_fields)
    assert all(each.get("description") for each in known["properties"].values())
    assert known["required"] == ["commit"]


@pytest.mark.parametrize(
    ("lines", "valid"),
    [
        ("targets: ['module.a[\"x\"].b.c[0]', module.a]", True),
        ("imports: {'a.b[\"k\"]': id}", True),
        ("workspace: a.b", True),
        ("targets: [data.a.b]", False),
        ("imports: {module.a: id}", False),
        ("imports: {a.b: ''}", False),
        ("workspace: ..", False),
        ("check_every: 1", False),
        ("apply: always", False),
    ],
)
def test_an_editor_and_trueup_agree(lines: str, valid: bool) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    text = PINNED + f"    {lines}\n"
    assert jsonschema.Draft202012Validator(schema()).is_valid(yaml.safe_load(text)) == valid
    assert parsed(text) if valid else problems(text)


@pytest.mark.parametrize(
    "location", ["git@git.example:/srv/x.git", "git@git.example:x", "git.example:x", "https://git.example/x", "/srv/x"]
)
def test_what_a_file_may_name_reaches_git_as_it_stands(location: str) -> None:
    checked_location(location)
    assert Remote(location, {}).address == location


def test_a_file_names_no_folder_beside_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "infra").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match="neither a URL nor an absolute path"):
        checked_location("infra")


def test_no_word_costs_more_than_its_length() -> None:
    """A commit may hold anything: with a square of its length these two would take minutes, and now take a second."""
    many = ", ".join(f"a.b{number:x}" for number in range(90_000))
    before = process_time()
    assert len(network(PINNED + f"    targets: [{many}]\n").targets) == 90_000
    (problem,) = problems(PINNED + f"    repository: 'https://{'a:' * 100_000}'\n")
    assert "longer than 2048" in problem.message
    assert process_time() - before < 15
