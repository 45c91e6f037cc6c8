"""Bytes become an environment, or problems that a person can mend; whatever the bytes are, nothing else happens."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from desired_state.model import Environment, Mode, Revision
from desired_state.parse import Invalid, Problem, parse, schema

EXAMPLE = Path(__file__).parents[2] / "examples" / "replaydash-production.yaml"
HEAD = "version: 1\nenvironment: p\naws: {region: us-east-1}\n"
SERVICE = HEAD + "services:\n  api:\n    cluster: c\n    service: s\n"
PAGE = HEAD + "maintenance:\n  load_balancer: alb\n"
BUDGET_SECONDS = 5.0


def problems(content: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(Invalid) as invalid:
        parse(content.encode() if isinstance(content, str) else content, "production.yaml")
    return invalid.value.problems


def problem(content: str | bytes) -> Problem:
    (only,) = problems(content)
    return only


def outcome(content: bytes) -> Environment | Invalid:
    try:
        return parse(content, "any.yaml")
    except Invalid as invalid:
        return invalid


def parsed(content: str) -> Environment:
    return parse(content.encode(), "production.yaml")


def test_the_example_says_what_it_says() -> None:
    example = parse(EXAMPLE.read_bytes(), EXAMPLE.name)
    api = example.services["api"]
    assert (example.environment, example.mode, example.aws.account) == (
        "replaydash-production",
        Mode.ENFORCE,
        "123456789012",
    )
    assert (api.cluster, api.service) == ("replaydash-production-cluster", "replaydash-production-api")
    assert (api.task_revision, api.image_tag) == (Revision(number=123), "v20240224-120000")
    assert api.env == {"LOG_LEVEL": "info", "FEATURE_REPLAY": "on", "OLD_FLAG": None}
    assert api.restarted_at == datetime(2024, 2, 24, 12, tzinfo=UTC)
    assert api.databases == ("postgres",)
    assert str(example.databases["postgres"].endpoint).startswith("replaydash-production-postgres.")
    assert example.maintenance is not None
    assert (example.maintenance.enabled, example.maintenance.load_balancer) == (False, "replaydash-production-alb")


def test_windows_line_ends_change_nothing() -> None:
    content = EXAMPLE.read_bytes()
    assert parse(content.replace(b"\n", b"\r\n"), "x") == parse(content, "x")


def test_a_problem_reads_as_one_sentence_with_its_place_and_its_mend() -> None:
    assert str(problem(SERVICE + "    image_tag: 1.20\n")) == (
        "production.yaml:8: services.api.image_tag: "
        'must be a string; YAML reads 1.20 as the number 1.2; write "1.20" in quotes'
    )


@pytest.mark.parametrize(
    ("written", "mend"),
    [
        pytest.param("1.20", '"1.20"', id="a fraction that loses its zero"),
        pytest.param("NO", '"NO"', id="a country"),
        pytest.param("on", '"on"', id="a switch"),
        pytest.param("true", '"true"', id="a boolean"),
        pytest.param("0123", '"0123"', id="an octal number"),
        pytest.param("1:30", '"1:30"', id="a number to the base of sixty"),
        pytest.param("2024-01-01", '"2024-01-01"', id="a date"),
        pytest.param("0x1F", '"0x1F"', id="a hexadecimal number"),
        pytest.param("1_000", '"1_000"', id="a number with an underscore"),
        pytest.param(".inf", '".inf"', id="infinity"),
        pytest.param(".nan", '".nan"', id="not a number"),
        pytest.param("123", '"123"', id="a plain number"),
        pytest.param("9" * 5000, "in quotes", id="a number too long for Python"),
        pytest.param("0x_", '"0x_"', id="a number that YAML itself cannot read"),
        pytest.param("=", '"="', id="the default key"),
        pytest.param("", "write null", id="nothing at all"),
    ],
)
@pytest.mark.parametrize("key", ["image_tag", "env"])
def test_what_yaml_would_coerce_is_never_taken_for_a_string(key: str, written: str, mend: str) -> None:
    line = f"    image_tag: {written}\n" if key == "image_tag" else f"    env: {{A: {written}}}\n"
    found = problem(SERVICE + line)
    assert found.line == 8
    assert found.key == ("services.api.image_tag" if key == "image_tag" else "services.api.env.A")
    assert mend in found.mend


@pytest.mark.parametrize("written", ["yes", "y_es", "1e3", "v1.20", "5e12345", "'1.20'", '"NO"', "08"])
def test_only_what_yaml_coerces_is_refused(written: str) -> None:
    if written == "yes":
        assert "boolean true" in problem(SERVICE + f"    image_tag: {written}\n").message
    else:
        assert parsed(SERVICE + f"    image_tag: {written}\n").services["api"].image_tag == written.strip("'\"")


@pytest.mark.parametrize("written", ["null", "~"])
def test_null_unsets_a_pin_and_removes_a_variable(written: str) -> None:
    api = parsed(SERVICE + f"    image_tag: {written}\n    env: {{A: {written}, B: ''}}\n").services["api"]
    assert api.image_tag is None
    assert api.env == {"A": None, "B": ""}


@pytest.mark.parametrize(
    ("content", "line", "key", "said"),
    [
        pytest.param(HEAD + "mode: off\n", 4, "mode", "write enforce, observe or suspended", id="mode off"),
        pytest.param(HEAD + "mode: Enforce\n", 4, "mode", "write enforce, observe or suspended", id="mode in capitals"),
        pytest.param(PAGE + "  enabled: NO\n", 6, "maintenance.enabled", "write false", id="enabled NO"),
        pytest.param(PAGE + "  enabled: yes\n", 6, "maintenance.enabled", "write true", id="enabled yes"),
        pytest.param(PAGE + "  enabled: True\n", 6, "maintenance.enabled", "write true", id="enabled True"),
        pytest.param(PAGE + "  enabled: 'true'\n", 6, "maintenance.enabled", "without quotes", id="enabled in quotes"),
        pytest.param(PAGE + "  enabled: 1\n", 6, "maintenance.enabled", "write true or false", id="enabled 1"),
        pytest.param(PAGE, 4, "maintenance.enabled", "whether the page is shown", id="enabled missing"),
        pytest.param(
            HEAD.replace("us-east-1", "us-east-1, account: 123456789012"),
            3,
            "aws.account",
            'write "123456789012" in quotes',
            id="an account without quotes",
        ),
        pytest.param(SERVICE + "    task_revision: 0\n", 8, "services.api.task_revision", "the first", id="revision 0"),
        pytest.param(SERVICE + "    task_revision: -1\n", 8, "services.api.task_revision", "the first", id="below 0"),
        pytest.param(SERVICE + "    task_revision: 1.5\n", 8, "services.api.task_revision", "family:123", id="1.5"),
        pytest.param(SERVICE + "    task_revision: '123'\n", 8, "services.api.task_revision", "without", id="quoted"),
        pytest.param(SERVICE + "    task_revision: 0123\n", 8, "services.api.task_revision", "family:123", id="octal"),
        pytest.param(
            SERVICE + "    desired_count: '4'\n", 8, "services.api.desired_count", "write 4", id="count quoted"
        ),
        pytest.param(SERVICE + "    desired_count: 04\n", 8, "services.api.desired_count", "0 to 9", id="count octal"),
        pytest.param(
            SERVICE + "    desired_count: -1\n", 8, "services.api.desired_count", "from 0", id="count below 0"
        ),
        pytest.param(SERVICE + "    desired_count: 5001\n", 8, "services.api.desired_count", "up to 5000", id="count"),
        pytest.param(SERVICE + "    desired_count: 1.0\n", 8, "services.api.desired_count", "0 to 9", id="count 1.0"),
        pytest.param(SERVICE + "    desired_count: .inf\n", 8, "services.api.desired_count", "0 to 9", id="count inf"),
        pytest.param(
            SERVICE + "    restarted_at: 2024-02-24T12:00:00\n",
            8,
            "services.api.restarted_at",
            "write 2024-02-24T12:00:00Z",
            id="an instant without offset",
        ),
        pytest.param(
            SERVICE + "    restarted_at: 2024-02-24\n", 8, "services.api.restarted_at", "add the time", id="day"
        ),
        pytest.param(SERVICE + "    progress_deadline: 15\n", 8, "services.api.progress_deadline", "15s", id="no unit"),
        pytest.param(SERVICE + "    progress_deadline: 1:30\n", 8, "services.api.progress_deadline", "15m", id="1:30"),
        pytest.param(
            SERVICE + "    imagetag: v1\n", 8, "services.api.imagetag", "write image_tag", id="a typing error"
        ),
        pytest.param(SERVICE + "    zzz: v1\n", 8, "services.api.zzz", "write one of cluster", id="an unknown key"),
        pytest.param(HEAD + "service: {}\n", 4, "service", "write services", id="an unknown section"),
        pytest.param(HEAD + "notify: {}\n", 4, "notify", "write []", id="a section for a list"),
        pytest.param(HEAD + "verify: {fro: 60s}\n", 4, "verify.fro", "write for", id="a key with another name inside"),
        pytest.param(
            HEAD + "windows: [{alow: x}]\n", 4, "windows[0].alow", "write allow", id="a key in an item of a list"
        ),
        pytest.param(HEAD + "on_failure: revert\n", 4, "on_failure", "add verify", id="nothing to verify"),
        pytest.param(HEAD + "services: []\n", 4, "services", "key: value", id="a list for a section"),
        pytest.param(HEAD + "services: null\n", 4, "services", "remove the line", id="null for a section"),
        pytest.param(HEAD + "services:\n", 4, "services", "remove the line", id="nothing in a section"),
        pytest.param(HEAD + "services: {api: null}\n", 4, "services.api", "remove the line", id="null for an entry"),
        pytest.param(SERVICE + "    databases: db\n", 8, "services.api.databases", "write [db]", id="a list forgotten"),
        pytest.param(
            SERVICE + "    databases: [db]\n", 8, "services.api.databases[0]", "under databases", id="unknown"
        ),
        pytest.param(SERVICE + "    needs:\n    - net\n", 9, "services.api.needs[0]", "infrastructure", id="needs"),
        pytest.param(
            HEAD + "services:\n  a: {cluster: c, service: s}\n  b:\n    cluster: c\n    service: s\n",
            8,
            "services.b.service",
            "services.a",
            id="one service twice",
        ),
        pytest.param(
            HEAD + "databases:\n  a: {secret: s}\n  b: {secret: s}\n",
            6,
            "databases.b.secret",
            "databases.a",
            id="secret",
        ),
        pytest.param(
            SERVICE.replace("cluster: c", "cluster: arn:aws:ecs:us-east-1:123456789012:cluster/prod"),
            6,
            "services.api.cluster",
            '"prod"',
            id="an ARN for a name",
        ),
        pytest.param(
            SERVICE.replace("service: s", "service: \u0430pi"), 7, "services.api.service", "plain", id="look-alike"
        ),
        pytest.param(
            HEAD + 'services:\n  "../api": {}\n', 5, "services.../api", "plain letters", id="a path for a name"
        ),
        pytest.param(
            HEAD + "databases: {db: {secret: s, endpoint: 5432}}\n",
            4,
            "databases.db.endpoint",
            "host:port",
            id="a port alone",
        ),
        pytest.param(
            SERVICE + "    task_revision: [1]\n",
            8,
            "services.api.task_revision",
            "family:123",
            id="a list for a revision",
        ),
        pytest.param(
            SERVICE + "    image_tag: [v1]\n", 8, "services.api.image_tag", "one string", id="a list for a tag"
        ),
        pytest.param(HEAD + "maintenance: {enabled: [x]}\n", 4, "maintenance.enabled", "true or false", id="a list"),
        pytest.param(HEAD.replace("environment: p\n", ""), 1, "environment", "add it", id="no environment"),
        pytest.param(HEAD.replace("version: 1", "version: 2"), 1, "version", "write version: 1", id="a later version"),
        pytest.param(HEAD.replace("version: 1", "version: true"), 1, "version", "write version: 1", id="true is not 1"),
        pytest.param(
            HEAD.replace("{region: us-east-1}", "us-east-1"), 3, "aws", "section", id="a string for a section"
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_its_mend(content: str, line: int, key: str, said: str) -> None:
    found = [item for item in problems(content) if item.key == key]
    assert [item.line for item in found] == [line]
    assert said in f"{found[0].message}; {found[0].mend}"


BOMB = "".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        pytest.param("", 1, "is empty", id="empty"),
        pytest.param("# nothing yet\n\n", 1, "is empty", id="only comments"),
        pytest.param("---\n...\n", 1, "is empty", id="an empty document"),
        pytest.param("null\n", 1, "is empty", id="null"),
        pytest.param("- a\n", 1, "not a section of keys", id="a list"),
        pytest.param("production\n", 1, "not a section of keys", id="a word"),
        pytest.param(HEAD + "---\n" + HEAD, 4, "second document", id="two documents"),
        pytest.param(HEAD + "\tservices: {}\n", 4, "tabs cannot indent", id="a tab"),
        pytest.param(HEAD + "services: {api: [\n", 5, "is not YAML", id="cut off"),
        pytest.param("a: " + "[" * 200_000, 1, "32 levels", id="deep lists, which crash the C constructor"),
        pytest.param("{a: " * 50_000, 1, "32 levels", id="deep sections"),
        pytest.param("? " * 50_000, 1, "32 levels", id="deep keys"),
        pytest.param("".join(f"k{n}: 1\n" for n in range(80_000)), 50_000, "100000 values", id="a flat map too large"),
        pytest.param("a: [" + "a," * 300_000, 1, "100000 values", id="a list too large"),
        pytest.param(b"x" * (1024 * 1024 + 1), 1, "larger than 1048576 bytes", id="too large"),
        pytest.param(b"\xef\xbb\xbf" + HEAD.encode(), 1, "byte-order mark", id="a byte-order mark"),
        pytest.param(HEAD.encode("utf-16"), 1, "byte-order mark", id="UTF-16"),
        pytest.param(HEAD.encode("utf-16-le"), 1, "NUL", id="UTF-16 without a mark"),
        pytest.param(HEAD.encode() + b"# \xff\n", 4, "not UTF-8", id="not UTF-8"),
        pytest.param(HEAD.encode() + b"# \xed\xa0\x80\n", 4, "not UTF-8", id="half a surrogate"),
        pytest.param(HEAD + "# \0\n", 4, "NUL", id="NUL"),
        pytest.param(HEAD + "# \x1b[2J\n", 4, "U+001B", id="a terminal escape"),
        pytest.param(HEAD + "# \u202e\n", 4, "U+202E", id="a bidi control in a comment"),
        pytest.param(HEAD + "# x\u2028mode: suspended\n", 4, "U+2028", id="a line end that no editor shows"),
        pytest.param(HEAD + "# x\rmode: suspended\n", 4, "U+000D", id="a carriage return that hides a line"),
        pytest.param(HEAD + "# x\x85mode: suspended\n", 4, "U+0085", id="a next-line that hides a line"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(content: str | bytes, line: int, said: str) -> None:
    started = time.monotonic()
    found = problem(content)
    assert time.monotonic() - started < BUDGET_SECONDS
    assert (found.line, found.key) == (line, "")
    assert said in f"{found.message}; {found.mend}"


@pytest.mark.parametrize(
    ("content", "line", "key", "said"),
    [
        pytest.param(SERVICE + "    image_tag: &tag v1\n", 8, "services.api.image_tag", "anchor &tag", id="an anchor"),
        pytest.param(SERVICE + "    image_tag: *tag\n", 8, "services.api.image_tag", "alias *tag", id="an alias"),
        pytest.param(HEAD + "services: &a [*a]\n", 4, "services", "anchor &a", id="a list in itself"),
        pytest.param(SERVICE + "    <<: {}\n", 8, "services.api.<<", "merge keys", id="a merge key"),
        pytest.param("a0: &a0 {b: c}\n" + BOMB, 3, "a1.<<", "merge keys", id="a merge-key bomb"),
        pytest.param(SERVICE + "    image_tag: !!str 1.20\n", 8, "services.api.image_tag", "quotes", id="!!str"),
        pytest.param(SERVICE + "    image_tag: !!binary djE=\n", 8, "services.api.image_tag", "tag", id="!!binary"),
        pytest.param(SERVICE + "    image_tag: ! v1\n", 8, "services.api.image_tag", "tag", id="a tag without a name"),
        pytest.param("!!python/object/apply:os.system [id]", 1, "", "tag", id="a tag that runs code elsewhere"),
        pytest.param(SERVICE + "    cluster: d\n", 8, "services.api.cluster", "first on line 6", id="a key twice"),
        pytest.param(SERVICE + "  api: {}\n", 8, "services.api", "first on line 5", id="an entry twice"),
        pytest.param(SERVICE + "    env: {ON: x}\n", 8, "services.api.env.ON", 'write "ON"', id="a boolean as a key"),
        pytest.param(SERVICE + "    env: {1: x}\n", 8, "services.api.env.1", 'write "1"', id="a number as a key"),
        pytest.param(SERVICE + "    env: {null: x}\n", 8, "services.api.env.null", 'write "null"', id="null as a key"),
        pytest.param(SERVICE + "    env: {? : x}\n", 8, "services.api.env.", "key is missing", id="no key at all"),
        pytest.param(SERVICE + "    env: {[a]: x}\n", 8, "services.api.env.?", "name as the key", id="a list as a key"),
    ],
)
def test_what_makes_yaml_say_another_thing_than_it_shows_is_refused(
    content: str, line: int, key: str, said: str
) -> None:
    started = time.monotonic()
    found = [item for item in problems(content) if item.key == key]
    assert time.monotonic() - started < BUDGET_SECONDS
    assert found[0].line == line
    assert said in f"{found[0].message}; {found[0].mend}"


def test_all_problems_are_reported_together_in_the_order_of_the_file() -> None:
    found = problems(
        SERVICE
        + "    image_tag: 1.20\n    env: {A: NO, A: x, 'a=b': y}\n    zzz: 1\n"
        + "databases:\n  db: {secret: &a s, endpoint: 'u:hunter2@h'}\nmode: on\n"
    )
    assert [(item.line, item.key) for item in found] == [
        (8, "services.api.image_tag"),
        (9, "services.api.env.A"),
        (9, "services.api.env.a=b"),
        (10, "services.api.zzz"),
        (12, "databases.db.secret"),
        (12, "databases.db.endpoint"),
        (13, "mode"),
    ]
    assert not any("hunter2" in str(item) for item in found)


def test_more_than_20_problems_are_counted() -> None:
    content = HEAD + "".join(f"k{n}: 1\n" for n in range(30_000))
    started = time.monotonic()
    with pytest.raises(Invalid) as invalid:
        parse(content.encode(), "production.yaml")
    text = str(invalid.value)
    assert time.monotonic() - started < BUDGET_SECONDS
    assert len(text.splitlines()) == 21
    assert text.endswith("and 29980 more")


def test_the_largest_file_that_is_valid_takes_seconds_and_not_minutes() -> None:
    databases = "".join(f"  d{n}: {{secret: s{n}}}\n" for n in range(15_000))
    named = ", ".join(f"d{n}" for n in range(15_000))
    content = SERVICE + f"    databases: [{named}]\ndatabases:\n{databases}"
    started = time.monotonic()
    assert len(parsed(content).services["api"].databases) == 15_000
    assert time.monotonic() - started < BUDGET_SECONDS


def test_hostile_text_stays_on_one_bounded_line_of_plain_characters() -> None:
    hostile = '"' + "x\\n\\e[2J\\u202e" * 50 + '"'
    content = SERVICE + f"    image_tag: {hostile}\n    {hostile}: 1\n    env: {{{hostile}: x}}\n"
    for found in problems(content):
        assert str(found).isascii()
        assert str(found).isprintable()
        assert len(str(found)) < 500
    with pytest.raises(Invalid) as invalid:
        parse(b"", "evil\n\x1b[2J.yaml")
    assert len(str(invalid.value).splitlines()) == 1


def test_a_secret_pasted_in_the_wrong_place_is_not_repeated() -> None:
    for key in ("secret: 'hunter2 '", "secret: s\n    endpoint: postgresql://u:hunter2@db/x"):
        assert not any("hunter2" in str(item) for item in problems(HEAD + f"databases:\n  db:\n    {key}\n"))
    assert "hunter2" not in str(problem(SERVICE + '    env: {PASSWORD: "hunter2\\0"}\n'))


def test_a_file_cut_off_anywhere_is_a_smaller_file_or_invalid() -> None:
    content = EXAMPLE.read_bytes()
    for length in range(len(content)):
        found = outcome(content[:length])
        assert isinstance(found, Environment) or found.problems


LINES = (
    "version: 1|environment: p|services:|  api:|    cluster: c|    env: x|    needs: [x]|databases: {a: {secret: s}}"
)
MARKS = "{ } [ ] : , - ? & * ! | > ' % @ # ~ = 0 a 1.20 null &a *a <<: --- !!str \" \t \ufeff \u2028 \\"
FRAGMENTS = st.sampled_from([*(f"{line}\n" for line in LINES.split("|")), *MARKS.split(" "), " ", "\n", ": "])


YAML_LIKE = st.tuples(st.sampled_from(["", HEAD, SERVICE, SERVICE + "    "]), st.lists(FRAGMENTS, max_size=30))


@settings(max_examples=150, deadline=2000)
@given(st.one_of(st.binary(max_size=300), YAML_LIKE.map(lambda parts: (parts[0] + "".join(parts[1])).encode())))
def test_any_bytes_are_an_environment_or_invalid(content: bytes) -> None:
    found = outcome(content)
    if isinstance(found, Invalid):
        assert found.problems
        assert all(item.line >= 1 and item.message and item.mend for item in found.problems)
        assert str(found).isascii()


def for_json(value: Any) -> Any:
    """What an editor hands to a JSON Schema: a YAML instant is a string to it, and so is the key `on`."""
    if isinstance(value, dict):
        return {"on" if key is True else key: for_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [for_json(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


SAMPLES = [
    pytest.param(EXAMPLE.read_text(), True, id="the example"),
    pytest.param(HEAD, True, id="nothing managed"),
    pytest.param(
        SERVICE + "    task_revision: family:123\n    progress_deadline: 30s\n", True, id="family and revision"
    ),
    pytest.param(SERVICE + "    image_tag: null\n    env: {A: null}\n", True, id="null"),
    pytest.param(PAGE + "  enabled: true\n  until: 2024-02-24T12:00:00Z\n", True, id="maintenance"),
    pytest.param(SERVICE + "    image_tag: 1.20\n", False, id="a number for a tag"),
    pytest.param(SERVICE + "    task_revision: 0\n", False, id="revision 0"),
    pytest.param(SERVICE + "    imagetag: v1\n", False, id="an unknown key"),
    pytest.param(SERVICE + "    progress_deadline: 15\n", False, id="a duration without a unit"),
    pytest.param(HEAD + "services: {a b: {cluster: c, service: s}}\n", False, id="a name with a space"),
    pytest.param(PAGE + "  enabled: 1\n", False, id="1 for true"),
    pytest.param("version: 1\n", False, id="keys missing"),
]


@pytest.mark.parametrize(("content", "valid"), SAMPLES)
def test_the_schema_agrees_with_parse(content: str, valid: bool) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    document = for_json(yaml.safe_load(content))
    assert jsonschema.Draft202012Validator(schema()).is_valid(document) == valid
    if valid:
        parsed(content)
    else:
        assert problems(content)


def test_the_schema_is_one_and_explains_every_key() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    found = schema()
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    parts = [found, *(part for part in found["$defs"].values() if "properties" in part)]
    keys = {key: rule for part in parts for key, rule in part["properties"].items()}
    assert {"image_tag", "endpoint", "load_balancer", "region", "services"} <= keys.keys()
    assert [key for key, rule in keys.items() if "$ref" not in rule and not rule.get("description")] == []
    assert (keys["progress_deadline"]["default"], keys["env"]["default"]) == ("15m", {})
