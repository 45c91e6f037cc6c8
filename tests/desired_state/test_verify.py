"""The words of verify, on_failure, windows, limits, emergency_until and notify: what they take and what they refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from desired_state.model import Environment, Event, LogCheck, OnFailure, TargetHealth, Verify, Window
from desired_state.parse import Invalid, Problem, parse, schema
from desired_state.verify import is_metadata

HEAD = "version: 1\nenvironment: p\naws: {region: us-east-1}\n"
DATABASE = "databases: {postgres: {secret: s}}\n"
URL = "https://api.example.com/health"
TOKEN = "T0KEN-1c5e7"  # what must never be shown


def parsed(text: str) -> Environment:
    return parse((HEAD + text).encode(), "p.yaml")


def verify(text: str) -> Verify:
    found = parsed(f"verify: {text}\n{DATABASE}").verify
    assert found is not None
    return found


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(Invalid) as invalid:
        parse((HEAD + text).encode(), "p.yaml")
    return invalid.value.problems


def test_everything_that_the_runbook_asks_after_a_rollback_can_be_written() -> None:
    environment = parsed(
        DATABASE
        + """\
verify:
  http: [{url: https://api.replaydash.com/health, status: 200, contains: ok, within: 5s}]
  target_group_healthy: {load_balancer: replaydash-production-alb, min_healthy_percent: 90}
  alarms: [replaydash-production-5xx, replaydash-production-cpu]
  logs: {group: /ecs/replaydash-production-api, pattern: "?ERROR ?FATAL", at_most: 2, over: 10m}
  running_tasks: true
  database: postgres
  for: 60s
on_failure: revert
windows:
  - {allow: "Mon-Thu 09:00-17:00", timezone: America/New_York}
limits: {changes_per_pass: 5}
emergency_until: 2024-02-24T12:00:00Z
notify: [{url_from: SLACK_URL, on: [drifted, stalled, in_sync, reverted]}]
"""
    )
    found = environment.verify
    assert found is not None
    (page,) = found.http
    assert (page.url, page.status, page.contains, page.within) == (
        "https://api.replaydash.com/health",
        200,
        "ok",
        timedelta(seconds=5),
    )
    assert found.target_group_healthy == TargetHealth(load_balancer="replaydash-production-alb", min_healthy_percent=90)
    assert found.alarms == ("replaydash-production-5xx", "replaydash-production-cpu")
    assert found.logs == LogCheck(
        group="/ecs/replaydash-production-api", pattern="?ERROR ?FATAL", at_most=2, over=timedelta(minutes=10)
    )
    assert (found.running_tasks, found.database, found.for_) == (True, "postgres", timedelta(seconds=60))
    assert environment.on_failure is OnFailure.REVERT
    assert environment.windows == (Window(allow="Mon-Thu 09:00-17:00", timezone="America/New_York"),)
    assert environment.limits is not None
    assert environment.limits.changes_per_pass == 5
    assert environment.emergency_until == datetime(2024, 2, 24, 12, tzinfo=UTC)
    (told,) = environment.notify
    assert (told.url_from, told.on) == ("SLACK_URL", (Event.DRIFTED, Event.STALLED, Event.IN_SYNC, Event.REVERTED))


def test_what_is_not_written_has_the_documented_default() -> None:
    silent = parsed("")
    assert (silent.verify, silent.limits, silent.emergency_until) == (None, None, None)
    assert (silent.windows, silent.notify, silent.on_failure) == ((), (), OnFailure.HOLD)
    found = verify(
        f'{{http: [{{url: "{URL}"}}], logs: {{group: g, pattern: ERROR}}, target_group_healthy: {{target_group: t}}}}'
    )
    (page,) = found.http
    assert (page.status, page.contains, page.within) == (200, None, timedelta(seconds=5))
    assert found.logs is not None
    assert (found.logs.at_most, found.logs.over) == (0, timedelta(minutes=5))
    assert found.target_group_healthy is not None
    assert found.target_group_healthy.min_healthy_percent == 100
    assert (found.alarms, found.running_tasks, found.database, found.for_) == ((), False, None, None)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(URL, id="https"),
        pytest.param("http://127.0.0.1:8080", id="loopback without a path"),
        pytest.param("http://localhost:8080/health?deep=1&wait=2", id="a query"),
        pytest.param("https://[2001:db8::7]:8443/", id="an IPv6 address"),
        pytest.param("http://10.0.0.7/a%20b", id="an escaped space"),
        pytest.param("https://api_1.internal./", id="an underscore and the root's dot"),
        pytest.param("https://1password.com/", id="a name that begins with a digit"),
        pytest.param("https://xn--bcher-kva.example/", id="a name in punycode"),
        pytest.param("https://e.com/" + "a" * 2034, id="as long as may be"),
    ],
)
def test_a_url_is_taken_as_written(url: str) -> None:
    assert verify(f'{{http: [{{url: "{url}"}}]}}').http[0].url == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param("api.example.com/health", "is not an http URL; write it in full", id="no scheme"),
        pytest.param("ftp://api.example.com/", "is not an http URL", id="another scheme"),
        pytest.param("file:///etc/passwd", "is not an http URL", id="a file"),
        pytest.param("https://", "is not an http URL", id="no host"),
        pytest.param("https:///health", "is not an http URL", id="an empty host"),
        pytest.param("https://api.example.com:99999/", "is not a URL", id="a port too far"),
        pytest.param("https://api.example.com:0/", "is not an http URL", id="port zero"),
        pytest.param("https://[::1/", "is not a URL", id="half a bracket"),
        pytest.param("https://[v1.x]/", "neither a name nor", id="an address of the future"),
        pytest.param("https://api.example.com/a b", "%20 for a space", id="a space"),
        pytest.param("https://api.example.com/\\n", "%20 for a space", id="a line end"),
        pytest.param("https://b\u00fccher.example/", "%20 for a space", id="letters outside ASCII"),
        pytest.param("https://e.com/" + "a" * 2035, "is not a URL", id="too long"),
        pytest.param(f"https://ann:{TOKEN}@api.example.com/", "no secret may stand in the file", id="a password"),
        pytest.param(f"https://{TOKEN}@api.example.com/", "no secret may stand in the file", id="a user"),
        pytest.param("https://example.com\\\\@169.254.169.254/", "take it out", id="a host behind a backslash"),
        pytest.param(f"{URL}#part", "remove it", id="a part behind #"),
        pytest.param("https://api..example.com/", "neither a name nor an address", id="an empty label"),
        pytest.param("https://-api.example.com/", "neither a name nor an address", id="a leading hyphen"),
        pytest.param("https://" + "a" * 64 + ".com/", "neither a name nor an address", id="a label too long"),
        pytest.param("https://10.0.0.300/", "neither a name nor an address", id="not an address"),
    ],
)
def test_what_is_no_url_is_refused_without_being_shown(url: str, said: str) -> None:
    (found,) = problems(f'verify:\n  http:\n    - url: "{url}"\n')
    assert (found.line, found.key) == (6, "verify.http[0].url")
    assert said in str(found)
    assert TOKEN not in str(found)


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("169.254.169.254", id="plain"),
        pytest.param("169.254.169.254:80", id="with a port"),
        pytest.param("169.254.169.254.", id="with the root's dot"),
        pytest.param("169.254.170.2", id="of a task of ECS"),
        pytest.param("169.254.170.23", id="of a pod of EKS"),
        pytest.param("[fd00:ec2::254]", id="by IPv6"),
        pytest.param("[FD00:EC2:0:0::254]", id="by IPv6, spelled otherwise"),
        pytest.param("[fe80::a9fe:a9fe%25eth0]", id="link-local with a zone"),
        pytest.param("[::ffff:169.254.169.254]", id="mapped to IPv6"),
        pytest.param("[::ffff:a9fe:a9fe]", id="mapped, in hexadecimal"),
        pytest.param("[::169.254.169.254]", id="the former way of mapping"),
        pytest.param("[64:ff9b::169.254.169.254]", id="through NAT64"),
        pytest.param("[2002:a9fe:a9fe::1]", id="through 6to4"),
        pytest.param("2852039166", id="as one number"),
        pytest.param("0xA9FEA9FE", id="in hexadecimal"),
        pytest.param("0xa9.0xfe.0xa9.0xfe", id="each part in hexadecimal"),
        pytest.param("0251.0376.0251.0376", id="in octal"),
        pytest.param("025177524776", id="as one octal number"),
        pytest.param("169.254.43518", id="in three parts"),
        pytest.param("169.16689662", id="in two parts"),
        pytest.param("%31%36%39.254.169.254", id="escaped"),
        pytest.param("169.254.169.254\\\\.example.com", id="cut off by a backslash"),
    ],
)
def test_no_spelling_of_the_metadata_service_is_taken(host: str) -> None:
    """A name that leads there is taken: it is refused where it is connected to."""
    (found,) = problems(f'verify: {{http: [{{url: "http://{host}/latest/meta-data/"}}]}}\n')
    assert "metadata service" in found.message or "neither a name nor an address" in found.message


@pytest.mark.parametrize(
    ("address", "is_it"),
    [
        ("169.254.169.254", True),
        ("169.255.0.1", False),
        ("fd00:ec2::254", True),
        ("fe80::1%eth0", True),
        ("::ffff:169.254.169.254", True),
        ("::ffff:10.0.0.7", False),
        ("64:ff9b::a9fe:a9fe", True),
        ("64:ff9b::a00:7", False),
        ("2002:a9fe:a9fe::", True),
        ("::1", False),
        ("127.0.0.1", False),
        ("10.0.0.7", False),
        ("api.example.com", False),
        ("", False),
    ],
)
def test_an_address_that_a_name_leads_to_is_judged_by_where_it_ends(address: str, is_it: bool) -> None:
    assert is_metadata(address) is is_it


HTTP = f"verify:\n  http:\n    - url: {URL}\n"
NAMES = "[" + ", ".join(f"a{number}" for number in range(101)) + "]"
URLS = "[" + ", ".join(f"{{url: 'https://e.com/{number}'}}" for number in range(21)) + "]"
WINDOWS = "[" + ", ".join('{allow: "09:00-17:00"}' for _ in range(21)) + "]"
ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:5xx"


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        pytest.param("verify: true\n", 4, "verify", "must be a section of keys", id="a switch"),
        pytest.param("verify: {htpp: []}\n", 4, "verify.htpp", "write http", id="a typing error"),
        pytest.param("verify: {for_: 60s}\n", 4, "verify.for_", "write for", id="the name inside the code"),
        pytest.param("verify: {zzz: 1}\n", 4, "verify.zzz", "target_group_healthy, alarms, logs", id="an unknown key"),
        pytest.param("verify: {for: 60}\n", 4, "verify.for", "write 60s if seconds", id="for without a unit"),
        pytest.param("verify: {for: 0s}\n", 4, "verify.for", "from 1s to 24h", id="for no time"),
        pytest.param("verify: {for: 25h}\n", 4, "verify.for", "from 1s to 24h", id="for longer than a day"),
        pytest.param("verify: {running_tasks: yes}\n", 4, "verify.running_tasks", "write true", id="yes"),
        pytest.param("verify: {running_tasks: 1}\n", 4, "verify.running_tasks", "write true or false", id="1 for true"),
        pytest.param("verify: {database: postgres}\n", 4, "verify.database", "postgres", id="no such database"),
        pytest.param("verify: {database: [p]}\n", 4, "verify.database", "write one string", id="a list for a database"),
        pytest.param(f"verify: {{http: {URL}}}\n", 4, "verify.http", "must be a list", id="a URL for a list"),
        pytest.param(
            f"verify: {{http: ['{URL}']}}\n", 4, "verify.http[0]", "section of keys", id="a URL for a section"
        ),
        pytest.param(
            "verify: {http: [{status: 200}]}\n", 4, "verify.http[0].url", "the URL, asked with GET", id="no URL"
        ),
        pytest.param(
            HTTP + "      stauts: 200\n", 7, "verify.http[0].stauts", "write status", id="another typing error"
        ),
        pytest.param(HTTP + "      status: 99\n", 7, "verify.http[0].status", "from 100 on", id="no such status"),
        pytest.param(HTTP + "      status: 600\n", 7, "verify.http[0].status", "up to 599", id="status 600"),
        pytest.param(
            HTTP + "      status: '200'\n", 7, "verify.http[0].status", "without quotes", id="status in quotes"
        ),
        pytest.param(
            HTTP + "      contains: ok\n      contains: k\n", 8, "verify.http[0].contains", "line 7", id="twice"
        ),
        pytest.param(
            HTTP + "      contains: true\n", 7, "verify.http[0].contains", '"true" in quotes', id="true as text"
        ),
        pytest.param(HTTP + "      contains: ''\n", 7, "verify.http[0].contains", "1 to 1024", id="no text"),
        pytest.param(
            HTTP + f"      contains: {'a' * 1025}\n", 7, "verify.http[0].contains", "1 to 1024", id="long text"
        ),
        pytest.param(HTTP + "      within: 61s\n", 7, "verify.http[0].within", "up to 60s", id="an answer too slow"),
        pytest.param(HTTP + "      within: 0s\n", 7, "verify.http[0].within", "from 1s", id="no time to answer"),
        pytest.param(HTTP + f"    - url: {URL}\n", 5, "verify.http", "one URL twice", id="one URL twice"),
        pytest.param(f"verify: {{http: {URLS}}}\n", 4, "verify.http", "has 21 URLs, more than 20", id="too many URLs"),
        pytest.param(
            "verify: {target_group_healthy: {}}\n", 4, "verify.target_group_healthy", "exactly one", id="none"
        ),
        pytest.param(
            "verify: {target_group_healthy: {load_balancer: a, target_group: b}}\n",
            4,
            "verify.target_group_healthy",
            "write load_balancer or target_group",
            id="a load balancer and a group",
        ),
        pytest.param(
            "verify: {target_group_healthy: {loadbalancer: a}}\n",
            4,
            "verify.target_group_healthy.loadbalancer",
            "write load_balancer",
            id="a typing error in a part",
        ),
        pytest.param(
            "verify: {target_group_healthy: {target_group: t, min_healthy_percent: 0}}\n",
            4,
            "verify.target_group_healthy.min_healthy_percent",
            "from 1 on",
            id="no healthy target at all",
        ),
        pytest.param(
            "verify: {target_group_healthy: {target_group: t, min_healthy_percent: 101}}\n",
            4,
            "verify.target_group_healthy.min_healthy_percent",
            "up to 100",
            id="more than all",
        ),
        pytest.param("verify: {alarms: 5xx}\n", 4, "verify.alarms", "must be a list", id="an alarm for a list"),
        pytest.param("verify: {alarms: [5]}\n", 4, "verify.alarms[0]", "in quotes", id="a number for an alarm"),
        pytest.param("verify: {alarms: ['']}\n", 4, "verify.alarms[0]", "as CloudWatch shows it", id="an empty alarm"),
        pytest.param(
            f"verify: {{alarms: ['{ARN}']}}\n", 4, "verify.alarms[0]", 'the last part of the ARN, "5xx"', id="ARN"
        ),
        pytest.param("verify: {alarms: [a, b, a]}\n", 4, "verify.alarms", "an alarm twice", id="an alarm twice"),
        pytest.param(f"verify: {{alarms: {NAMES}}}\n", 4, "verify.alarms", "composite alarm", id="too many alarms"),
        pytest.param("verify: {logs: {group: g}}\n", 4, "verify.logs.pattern", "filter pattern", id="no pattern"),
        pytest.param("verify: {logs: {pattern: E}}\n", 4, "verify.logs.group", "the log group", id="no group"),
        pytest.param(
            "verify: {logs: {group: 'a b', pattern: E}}\n", 4, "verify.logs.group", "CloudWatch", id="a space"
        ),
        pytest.param(
            "verify: {logs: {group: g, pattern: ''}}\n", 4, "verify.logs.pattern", "1 to 1024", id="all events"
        ),
        pytest.param(
            "verify: {logs: {group: g, pattern: E, at_most: -1}}\n", 4, "verify.logs.at_most", "from 0 on", id="below 0"
        ),
        pytest.param(
            "verify: {logs: {group: g, pattern: E, at_most: 1001}}\n", 4, "verify.logs.at_most", "up to 1000", id="1001"
        ),
        pytest.param(
            "verify: {logs: {group: g, pattern: E, over: 2h}}\n", 4, "verify.logs.over", "up to 1h", id="a look too far"
        ),
        pytest.param(
            "verify: {logs: {group: g, pattern: E, over: 5}}\n", 4, "verify.logs.over", "write 5s", id="over no unit"
        ),
        pytest.param("on_failure: rollback\n", 4, "on_failure", "write hold or revert", id="another word"),
        pytest.param("on_failure: null\n", 4, "on_failure", "write hold or revert", id="no word"),
        pytest.param("windows: Mon 09:00-17:00\n", 4, "windows", "must be a list", id="a window for a list"),
        pytest.param("windows: ['09:00-17:00']\n", 4, "windows[0]", "section of keys", id="a window for a section"),
        pytest.param("windows: [{timezone: UTC}]\n", 4, "windows[0].allow", "days and hours", id="no hours"),
        pytest.param("windows: [{alow: x}]\n", 4, "windows[0].alow", "write allow", id="allow misspelled"),
        pytest.param("windows:\n  - allow: 9-17\n", 5, "windows[0].allow", "Mon-Thu 09:00-17:00", id="hours alone"),
        pytest.param("windows:\n  - allow: 09:00\n", 5, "windows[0].allow", "is not a window", id="an hour"),
        pytest.param(
            'windows:\n  - allow: "09:00-17:00"\n    timezone: New York\n',
            6,
            "windows[0].timezone",
            "America/New_York or UTC",
            id="a city for a zone",
        ),
        pytest.param(f"windows: {WINDOWS}\n", 4, "windows", "more than 20 items; keep fewer", id="too many windows"),
        pytest.param("limits: 5\n", 4, "limits", "section of keys", id="a number for a section"),
        pytest.param("limits: {}\n", 4, "limits.changes_per_pass", "how many entries", id="no limit in limits"),
        pytest.param("limits: {changes: 5}\n", 4, "limits.changes", "write changes_per_pass", id="changes"),
        pytest.param("limits: {changes_per_pass: 0}\n", 4, "limits.changes_per_pass", "from 1 on", id="nothing may"),
        pytest.param("limits: {changes_per_pass: 1.5}\n", 4, "limits.changes_per_pass", "whole number", id="a half"),
        pytest.param("limits: {changes_per_pass: 10001}\n", 4, "limits.changes_per_pass", "up to 10000", id="no limit"),
        pytest.param("emergency_until: 1h\n", 4, "emergency_until", "date, time and offset", id="a duration"),
        pytest.param("emergency_until: 2024-02-24\n", 4, "emergency_until", "add the time", id="a day"),
        pytest.param("emergency_until: 2024-02-24T12:00:00\n", 4, "emergency_until", "no offset", id="no offset"),
        pytest.param("emergency_until: true\n", 4, "emergency_until", "is not an instant", id="for ever"),
        pytest.param("notify: {url_from: A}\n", 4, "notify", "must be a list", id="one for a list"),
        pytest.param("notify: [{on: [stalled]}]\n", 4, "notify[0].url_from", "environment variable", id="to nobody"),
        pytest.param("notify: [{url_from: A}]\n", 4, "notify[0].on", "what to tell", id="of what is not said"),
        pytest.param("notify: [{url_from: A, on: []}]\n", 4, "notify[0].on", "names nothing to tell", id="of nothing"),
        pytest.param("notify: [{url_from: A, on: stalled}]\n", 4, "notify[0].on", "write [stalled]", id="a word"),
        pytest.param("notify: [{url_from: A, on: [failed]}]\n", 4, "notify[0].on[0]", "drifted", id="another event"),
        pytest.param("notify: [{url_from: A, on: [stalled, stalled]}]\n", 4, "notify[0].on", "twice", id="twice told"),
        pytest.param("notify: [{url_from: a_url, on: [stalled]}]\n", 4, "notify[0].url_from", "SLACK_URL", id="small"),
        pytest.param("notify: [{url_from: 1A, on: [stalled]}]\n", 4, "notify[0].url_from", "SLACK_URL", id="a digit"),
        pytest.param(
            "notify: [{url_from: AWS_X, on: [stalled]}]\n", 4, "notify[0].url_from", "only this URL", id="AWS"
        ),
        pytest.param("notify: [{url: A, on: [stalled]}]\n", 4, "notify[0].url", "write one of url_from, on", id="url"),
        pytest.param(
            f"notify: [{{url_from: 'https://hooks.slack.com/services/{TOKEN}', on: [stalled]}}]\n",
            4,
            "notify[0].url_from",
            "give the daemon the URL in that variable",
            id="the URL itself",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_its_mend(text: str, line: int, key: str, said: str) -> None:
    found = [item for item in problems(text) if item.key == key]
    assert [item.line for item in found] == [line], problems(text)
    assert said in f"{found[0].message}; {found[0].mend}"
    assert TOKEN not in str(found[0])


SAMPLES = [
    pytest.param("verify: {}\n", True, id="an empty verify"),
    pytest.param("verify: null\nlimits: null\nemergency_until: null\n", True, id="null"),
    pytest.param(f"verify: {{http: [{{url: '{URL}', status: 204, within: 60s}}], for: 60s}}\n", True, id="a URL"),
    pytest.param(
        "verify: {target_group_healthy: {load_balancer: a}, alarms: [a b], running_tasks: true}\n", True, id="AWS"
    ),
    pytest.param("verify: {logs: {group: /ecs/a, pattern: '?E ?F', at_most: 0, over: 1h}}\n", True, id="logs"),
    pytest.param(
        "verify: {running_tasks: true}\non_failure: revert\nlimits: {changes_per_pass: 1}\n", True, id="one change"
    ),
    pytest.param("windows: [{allow: 'Sat-Mon,Wed 22:00-24:00', timezone: Europe/London}]\n", True, id="a window"),
    pytest.param("emergency_until: 2024-02-24T12:00:00Z\n", True, id="an instant"),
    pytest.param('notify: [{url_from: SLACK_URL, "on": [drifted, stalled, in_sync, reverted]}]\n', True, id="notify"),
    pytest.param("verify: {http: [{url: 'ftp://a/'}]}\n", False, id="another scheme"),
    pytest.param("verify: {http: [{url: 5}]}\n", False, id="a number for a URL"),
    pytest.param(f"verify: {{http: [{{url: '{URL}', status: 99}}]}}\n", False, id="no such status"),
    pytest.param("verify: {for: 60}\n", False, id="no unit"),
    pytest.param("verify: {for_: 60s}\n", False, id="the name inside the code"),
    pytest.param("verify: {logs: {group: g}}\n", False, id="no pattern"),
    pytest.param("on_failure: rollback\n", False, id="another word"),
    pytest.param("windows: [{allow: '9-17'}]\n", False, id="hours alone"),
    pytest.param("limits: {changes_per_pass: 0}\n", False, id="nothing may change"),
    pytest.param('notify: [{url_from: A, "on": [failed]}]\n', False, id="another event"),
    pytest.param('notify: [{"on": [stalled]}]\n', False, id="to nobody"),
]


@pytest.mark.parametrize(("text", "valid"), SAMPLES)
def test_the_schema_agrees_with_parse(text: str, valid: bool) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    assert jsonschema.Draft202012Validator(schema()).is_valid(_for_json(yaml.safe_load(HEAD + text))) == valid
    if valid:
        parsed(text)
    else:
        assert problems(text)


def _for_json(value: Any) -> Any:
    """What an editor hands to a JSON Schema: a YAML instant is a string to it."""
    if isinstance(value, dict):
        return {key: _for_json(item) for key, item in value.items()}
    return value.isoformat() if isinstance(value, datetime) else value


def test_the_schema_tells_the_defaults_and_explains_every_word() -> None:
    parts = schema()["$defs"]
    assert parts["HttpCheck"]["properties"]["within"]["default"] == "5s"
    assert parts["LogCheck"]["properties"]["over"]["default"] == "5m"
    assert parts["Window"]["properties"]["timezone"]["default"] == "UTC"
    assert "for" in parts["Verify"]["properties"]
    words = {
        f"{name}.{key}": rule.get("description") or parts[rule["$ref"].rpartition("/")[2]].get("description")
        for name in ("Verify", "HttpCheck", "TargetHealth", "LogCheck", "Limits", "Window", "Notify")
        for key, rule in parts[name]["properties"].items()
    }
    assert [key for key, about in words.items() if not about] == []


def test_what_a_value_writes_a_value_reads() -> None:
    text = f"verify: {{http: [{{url: '{URL}'}}], for: 90s, logs: {{group: g, pattern: E}}}}\n"
    environment = parsed(text + "windows: [{allow: '22:00-02:00'}]\n")
    dumped = environment.model_dump(mode="json", by_alias=True)
    assert dumped["verify"]["for"] == "90s"
    assert parse(yaml.safe_dump(dumped).encode(), "p.yaml") == environment
