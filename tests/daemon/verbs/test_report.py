"""The draft of a post-mortem: what it says, what it says is missing, and that nothing can break out of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.events import Event
from daemon.sources import Misused
from daemon.verbs.report import moment
from daemon.verbs.report_checklist import checklist
from daemon.verbs.report_drifts import found, is_about
from daemon.verbs.report_facts import Facts
from daemon.verbs.report_story import story
from daemon.verbs.report_text import as_json, as_markdown
from daemon.verbs.report_times import times
from daemon.verbs.report_words import counted, in_text, lasted
from desired_state.history import Version
from desired_state.parse import parse
from desired_state.repository import Commit
from reconcilers.alarm_history import AlarmChange
from reconcilers.ecs_history import PastDeployment, PastEvent, ServicePast, StoppedTasks
from reconcilers.trail import Deed

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)
GOLDEN = Path(__file__).with_name("report.md")
FIRST, BAD, BACK = "1" * 40, "b" * 40, "c" * 40
HOSTILE = "`a` ``b`` | <b>x</b> <!-- [l](http://e) @team\n# head\n- [x] done ![i](u) \x1b[2J ‮"

FILE = """
version: 1
environment: production
aws: {{region: us-east-1}}
services:
  api: {{cluster: main, service: production-api, image_tag: {tag}, desired_count: 4}}
databases:
  postgres:
    secret: production/db
    endpoint: old.example.com
    dns: {{zone: example.internal, record: db.example.internal}}
maintenance: {{enabled: false, load_balancer: production-alb}}
{verify}
"""
VERIFY = "verify: {http: [{url: https://api.example.com/health}], running_tasks: true, for: 30s}"


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def event(after: float, what: str, commit: str = BAD, key: tuple[str, str] = ("", ""), **facts: Any) -> Event:
    return Event(at(after), "production", what, commit, *key, facts={k.rstrip("_"): v for k, v in facts.items()})


def version(oid: str, seconds: float, tag: str, subject: str, **more: Any) -> Version:
    commit = Commit(oid, at(seconds), more.pop("author", "Ann"), subject, **more)
    return Version(commit, parse(FILE.format(tag=tag, verify=VERIFY).encode(), "f"))


API = ("service", "api")
NOTHING: dict[str, Any] = {
    "events": (),
    "versions": (),
    "services": {},
    "alarms": (),
    "deeds": (),
    "deeds_known": False,
}
TAG = {"field": "image_tag", "live": "v1", "desired": "v2"}
BACK_AGAIN = {"field": "image_tag", "live": "v2", "desired": "v1"}
COUNT = {"field": "desired_count", "live": "2", "desired": "4"}
HEALTH = "http https://api.example.com/health"
FELL = f"{HEALTH}: answered 500, not 200, in 0.03 s: no connection"

EVENTS = (
    event(-300, "drift", FIRST, API, drifts=[COUNT], cause="live", unseen_since="2024-02-24T11:54:30.000Z"),
    event(-300, "change", FIRST, API, verb="scale", result="ok", drifts=[COUNT]),
    event(-300, "condition", FIRST, API, from_="in_sync", to="progressing", reason="asked AWS to scale"),
    event(-280, "condition", FIRST, API, from_="progressing", to="in_sync", reason=""),
    event(-280, "in_sync", FIRST),
    event(10, "commit", BAD, seen=True, version=BAD, author="Ann", subject="Release v2"),
    event(10.5, "drift", BAD, API, drifts=[TAG], cause="commit", unseen_since="2024-02-24T12:00:09.000Z"),
    event(10.5, "change", BAD, API, verb="deploy", result="ok", drifts=[TAG]),
    event(10.5, "condition", BAD, API, from_="in_sync", to="progressing", reason="asked AWS to deploy"),
    event(70, "condition", BAD, API, from_="progressing", to="in_sync", reason=""),
    event(
        85, "verification_failed", BAD, reason=FELL, checks=[{"check": HEALTH, "ok": False, "evidence": "answered 500"}]
    ),
    event(86, "reverted", BACK, bad=BAD, to=FIRST),
    event(87, "commit", BACK, seen=True, version=BACK, author="trueup", subject="Take back the services"),
    event(87.5, "change", BACK, API, verb="deploy", result="ok", drifts=[BACK_AGAIN]),
    event(140, "in_sync", BACK),
    event(
        171,
        "verified",
        BACK,
        seconds=84.0,
        checks=[
            {"check": HEALTH, "ok": True, "evidence": "answered 200 in 0.04 s"},
            {"check": "running tasks", "ok": True, "evidence": "4 of 4"},
        ],
    ),
)
DEPLOYED = PastDeployment("production-api:125", "SUCCESSFUL", at(11), at(69))
DOWN = ServicePast(
    desired=4,
    running=4,
    at=at(200),
    deployments=(DEPLOYED, PastDeployment("production-api:124", "SUCCESSFUL", at(88), at(139))),
    events=(PastEvent(at(60), "(service production-api) (task 1) failed container health checks."),),
    stopped=(StoppedTasks("production-api:125", "Essential container exited; api: exit code 1", 3, at(30), at(50)),),
)
ANN = Deed(at(-310), "UpdateService", "ann as role Admin", frozenset({"production-api", "main"}), ours=False)
OWN = replace(ANN, who="trueup", ours=True)
REFUSED = replace(ANN, who="eve", error="AccessDenied")
OTHER = replace(ANN, who="bob", names=frozenset({"production-api2", "main"}))
EARLIER = replace(ANN, who="old", at=at(-900))
ALARM = AlarmChange(at(40), "production-5xx", "Alarm updated from OK to ALARM")


def facts(**more: Any) -> Facts:
    known: dict[str, Any] = {
        "environment": parse(FILE.format(tag="v1", verify=VERIFY).encode(), "f"),
        "file": "production.yaml",
        "since": at(-600),
        "until": at(200),
        "made": at(200),
        "events": EVENTS,
        "versions": (
            version(BACK, 86, "v1", "Take back the services", author="trueup", reverts=BAD),
            version(BAD, 4, "v2", "Release v2"),
            version(FIRST, -9000, "v1", "Pin what runs"),
        ),
        "services": {"api": DOWN},
        "alarms": (ALARM,),
        "deeds": (EARLIER, ANN, OWN, REFUSED, OTHER),
        "deeds_known": True,
    }
    return Facts(**known | more)


def test_the_whole_report_is_as_it_should_be() -> None:
    """After a change that is meant: `python -m tests.daemon.test_report` writes it anew, and a person reads it."""
    assert as_markdown(story(facts())) == GOLDEN.read_text()


def test_the_same_facts_are_told_to_a_script() -> None:
    told = as_json(story(facts()))

    assert json.loads(json.dumps(told)) == told
    assert told["summary"] == (
        "There were 2 commits, 1 drift, 3 changes asked of AWS, 1 failed verification and "
        "1 commit taken back by trueup; it ended verified with commit cccccccc."
    )
    assert told["drifts"][0]["calls"] == [
        {"at": "2024-02-24T11:54:50.000Z", "who": "ann as role Admin", "called": "UpdateService"}
    ]
    assert told["drifts"][0]["repaired_at"] == "2024-02-24T11:55:20.000Z"
    assert [item["done"] for item in told["checklist"]] == [True, False, False, False, False, True, False, False, False]


def test_a_commit_stands_in_its_second_after_what_led_to_it_and_before_what_followed() -> None:
    early = replace(version(BACK, 86, "v1", "Take back"), commit=Commit(BACK, at(85), "trueup", "Take back"))
    told = [in_text(line.words) for line in story(facts(versions=(early,))).timeline if 85 <= _after(line.at) <= 86]

    assert [words.partition(":")[0] for words in told] == [
        "commit bbbbbbbb failed its checks",
        "commit cccccccc by trueup",
        "took commit bbbbbbbb back by commit cccccccc, with the pins of 11111111",
    ]


def _after(at: datetime) -> float:
    return (at - NOON).total_seconds()


def seconds_of(told: Facts) -> Mapping[tuple[str, str], float | None]:
    return {(took.what, in_text(took.about)): took.seconds for took in times(told, found(told))}


def test_every_time_is_made_of_two_instants() -> None:
    assert seconds_of(facts()) == {
        ("detect", "commit bbbbbbbb"): 6.0,
        ("act", "commit bbbbbbbb"): 0.5,
        ("notice", "commit bbbbbbbb"): 75.0,
        ("converge", "commit bbbbbbbb"): None,
        ("verify", "commit bbbbbbbb"): None,
        ("detect", "commit cccccccc"): 1.0,
        ("act", "commit cccccccc"): 0.5,
        ("converge", "commit cccccccc"): 53.0,
        ("verify", "commit cccccccc"): 84.0,
        ("detect", "drift of service api"): 10.0,
        ("act", "drift of service api"): 0.0,
        ("converge", "drift of service api"): 20.0,
        ("recover", "commit bbbbbbbb failed its checks"): 55.0,
    }


@pytest.mark.parametrize(
    ("more", "about", "said"),
    [
        pytest.param({"versions": ()}, ("detect", "commit bbbbbbbb"), "git does not tell", id="no git"),
        pytest.param({}, ("converge", "commit bbbbbbbb"), "not before the next commit", id="superseded"),
        pytest.param({"events": EVENTS[:14]}, ("converge", "commit cccccccc"), "not by the end", id="still on its way"),
        pytest.param({"deeds": ()}, ("detect", "drift of service api"), "at most", id="nobody known"),
        pytest.param({"events": EVENTS[:12]}, ("recover", "commit bbbbbbbb failed its checks"), "not by", id="unwell"),
        pytest.param(
            {"events": (EVENTS[0], *EVENTS[3:])}, ("act", "drift of service api"), "wrote nothing", id="it healed"
        ),
    ],
)
def test_a_time_that_is_not_known_is_said_not_to_be(more: dict[str, Any], about: tuple[str, str], said: str) -> None:
    told = facts(**more)
    words = {(took.what, in_text(took.about)): took.words for took in times(told, found(told))}

    assert said in words[about]


def test_a_clock_that_is_ahead_never_makes_a_time_below_zero() -> None:
    ahead = facts(versions=(version(BAD, 30, "v2", "Release v2"),))

    assert seconds_of(ahead)["detect", "commit bbbbbbbb"] == 0.0


@pytest.mark.parametrize(
    ("more", "who"),
    [
        pytest.param({}, "ann as role Admin called UpdateService at 2024-02-24 11:54:50", id="found"),
        pytest.param(
            {"deeds": (OWN, REFUSED, OTHER, EARLIER)}, "CloudTrail has no call that fits", id="none that fits"
        ),
        pytest.param({"deeds": (), "deeds_known": False}, "not known: CloudTrail did not tell", id="not allowed"),
    ],
)
def test_who_caused_a_drift_is_named_or_it_is_said_why_not(more: dict[str, Any], who: str) -> None:
    assert in_text(found(facts(**more))[0].who).startswith(who)


@pytest.mark.parametrize(
    ("kind", "names", "operation"),
    [
        pytest.param(("database", "postgres"), ["production/db"], "PutSecretValue", id="secret by name"),
        pytest.param(
            ("database", "postgres"),
            ["arn:aws:secretsmanager:us-east-1:1:secret:production/db-AbCdEf"],
            "PutSecretValue",
            id="secret by ARN",
        ),
        pytest.param(
            ("database", "postgres"), ["db.example.internal."], "ChangeResourceRecordSets", id="a record's last dot"
        ),
        pytest.param(
            ("maintenance", "maintenance"),
            ["arn:aws:elasticloadbalancing:us-east-1:1:listener-rule/app/production-alb/1/2/3"],
            "ModifyRule",
            id="a rule of the load balancer",
        ),
    ],
)
def test_a_call_is_found_by_what_it_names(kind: tuple[str, str], names: list[str], operation: str) -> None:
    drift = event(-300, "drift", FIRST, kind, drifts=[COUNT], cause="live")
    deed = replace(ANN, operation=operation, names=frozenset(names))

    assert found(facts(events=(drift,), deeds=(deed,)))[0].by == (deed,)


@pytest.mark.parametrize(
    "name",
    [
        "production-api2",
        "my-production-api",
        "arn:aws:ecs:us-east-1:1:service/main/production-api2",
        "arn:aws:ecs:us-east-1:1:service/main/my-production-api",
        "arn:aws:secretsmanager:us-east-1:1:secret:production-api-Abc",
    ],
)
def test_another_thing_of_a_similar_name_is_not_meant(name: str) -> None:
    assert not is_about(replace(ANN, names=frozenset({name})), "production-api")


def items(**more: Any) -> dict[str, tuple[bool, str]]:
    return {item.title: (item.done, in_text(item.words)) for item in checklist(facts(**more))}


def test_an_item_is_ticked_with_its_evidence() -> None:
    told = items()

    assert told["Verify API is responding"] == (
        True,
        "https://api.example.com/health answered 200 in 0.04 s at 2024-02-24 12:02:51",
    )
    assert told["Check ECS task count matches desired count"] == (True, "api runs 4 of 4 at 2024-02-24 12:03:20")


@pytest.mark.parametrize(
    ("more", "title", "said"),
    [
        pytest.param({"events": ()}, "Verify API is responding", "no verification in this time", id="nothing told"),
        pytest.param({"events": EVENTS[:11]}, "Verify API is responding", "answered 500", id="it failed last"),
        pytest.param({}, "Test critical API endpoints", "one URL only", id="one URL"),
        pytest.param({}, "Verify database connectivity", "does not ask for it", id="not asked"),
        pytest.param(
            {"services": {"api": replace(DOWN, running=3)}},
            "Check ECS task count matches desired count",
            "runs 3 of 4",
            id="a task is missing",
        ),
        pytest.param({}, "Update team on status", "does not know", id="a person's work"),
    ],
)
def test_an_item_is_left_open_with_why(more: dict[str, Any], title: str, said: str) -> None:
    done, words = items(**more)[title]

    assert not done
    assert said in words


def test_a_file_that_verifies_nothing_is_said_to() -> None:
    bare = parse(FILE.format(tag="v1", verify="").encode(), "f")
    told = as_markdown(story(facts(environment=bare, events=EVENTS[:5])))

    assert "- [ ] Verify API is responding: the file verifies no URL" in told
    assert "The file asks for none (`verify`)" in told


def test_a_report_of_nothing_says_what_is_missing_and_invents_nothing() -> None:
    gaps = ("what the daemon saw and did is missing: no daemon answers", "what AWS knows is missing: no credentials")
    empty = facts(heard=False, **NOTHING, gaps=gaps)
    told = as_markdown(story(empty))

    assert "**Not known: the commits, what drifted, what was asked of AWS, whether anything was verified or" in told
    assert told.count("\nNot known: nobody told what the daemon saw and did") == 5, "one for each section"
    assert not re.search(r"\bno (commit|drift|change)s\b|None that is known|in this time", told)
    assert "- [ ] Verify API is responding: not known: nobody told what the daemon saw" in told
    assert all(f"- `{gap}`" in told for gap in gaps)
    assert "[x]" not in told


def test_without_the_daemon_what_git_and_ecs_tell_is_counted_and_the_rest_is_not_known() -> None:
    rolled_back = replace(DEPLOYED, rolled_back=at(69))
    alone = facts(heard=False, events=(), services={"api": replace(DOWN, deployments=(rolled_back,))})
    told = as_json(story(alone))

    assert told["summary"] == (
        "There were 2 commits and 1 deployment that ECS rolled back. Not known: what drifted, what was asked of AWS, "
        "whether anything was verified or taken back and how it ended."
    )
    assert (told["drifts"], told["changes"], told["verifications"]) == (None, None, None)


def test_what_was_before_the_daemon_started_is_not_known() -> None:
    started = event(-290, "commit", FIRST, seen=False, version=FIRST)
    told = story(facts(events=(started, *EVENTS[4:])))

    assert "; what was before 2024-02-24 11:55:10 is not known; it ended verified" in in_text(told.summary)
    assert told.gaps == ("the daemon tells of nothing before 2024-02-24 11:55:10; it may have started then",)


def test_nothing_that_happened_is_another_thing_than_nothing_that_is_known() -> None:
    told = as_markdown(story(facts(**NOTHING)))

    assert "There were no commits, no drifts and no changes asked of AWS; the daemon saw nothing change." in told
    assert "Not known: nobody" not in told


def test_a_step_that_only_prepares_or_tidies_up_goes_without_saying() -> None:
    steps = [event(10.5, "change", BAD, API, verb=verb, result="ok") for verb in ("remember_tag", "forget_tag")]
    failed = event(10.5, "change", BAD, API, verb="forget_tag", result="failed")

    assert as_markdown(story(facts(events=(*EVENTS[:7], *steps, *EVENTS[7:])))) == GOLDEN.read_text()
    assert "`forget_tag`" in as_markdown(story(facts(events=(*EVENTS[:7], failed, *EVENTS[7:]))))


def test_commits_that_changed_nothing_are_one_line() -> None:
    quiet = [
        event(180, "commit", "d" * 40, seen=True, version="d" * 40),
        event(181, "in_sync", "d" * 40),
        event(182, "commit", "e" * 40, seen=True, version="e" * 40),
        event(183, "commit", "f" * 40, seen=True, version="f" * 40),
        event(184, "in_sync", "f" * 40),
    ]
    told = as_markdown(story(facts(events=(*EVENTS, *quiet))))
    table = told.partition("## Times")[2].partition("## Drifts")[0]

    assert table == GOLDEN.read_text().partition("## Times")[2].partition("## Drifts")[0] + (
        "And 3 commits that changed nothing in AWS.\n\n"
    )


def test_a_commit_that_says_nothing_new_was_not_there_at_the_start() -> None:
    """The daemon says of it that it was not seen to arrive, because nothing of it had to."""
    same = version("d" * 40, 179, "v1", "Say why")
    words = [event(180, "commit", "d" * 40, seen=False, version="d" * 40), event(181, "in_sync", "d" * 40)]
    known = facts()
    told = as_markdown(story(facts(events=(*EVENTS, *words), versions=(same, *known.versions))))

    assert "commit `dddddddd` came into force" in told
    assert "And 1 commit that changed nothing in AWS." in told


def test_what_is_repaired_after_a_commit_was_in_sync_was_not_written_for_it() -> None:
    repaired = event(300, "change", BACK, API, verb="scale", result="ok", drifts=[COUNT])
    without = [each for each in EVENTS if (each.commit, each.event) != (BACK, "change")]

    assert seconds_of(facts(events=(*without, repaired)))["act", "commit cccccccc"] is None


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(["condition", "in_sync"], id="it was on its way"),
        pytest.param(["in_sync", "verification_failed"], id="it failed its checks"),
        pytest.param([], id="it is not in sync yet"),
    ],
)
def test_a_commit_of_which_there_is_something_to_tell_is_no_part_of_that_line(then: list[str]) -> None:
    later = [event(181 + n, what, "d" * 40, to="progressing") for n, what in enumerate(then)]
    commit = event(180, "commit", "d" * 40, seen=True, version="d" * 40)

    assert "| act | commit `dddddddd` |" in as_markdown(story(facts(events=(*EVENTS, commit, *later))))


def test_a_commit_whose_file_asked_for_no_checks_waits_for_none() -> None:
    version_of_bad = version(BAD, 4, "v2", "Release v2")
    bare = replace(version_of_bad, environment=parse(FILE.format(tag="v2", verify="").encode(), "f"))

    assert ("verify", "commit bbbbbbbb") not in seconds_of(facts(versions=(bare,)))


def test_what_is_too_much_for_a_document_is_said_to_be_left_out() -> None:
    many = tuple(event(n / 10, "change", BAD, API, verb="deploy", result="failed") for n in range(500))
    told = story(facts(events=many))

    assert (len(told.timeline), len(told.changes)) == (400, 100)
    assert [gap.partition(";")[0] for gap in told.gaps] == [
        "the timeline holds its newest 400 lines",
        "there were 500 changes",
    ]


def hostile_facts() -> Facts:
    """Every text that somebody else wrote is as bad as it can be."""
    drift = [{"field": HOSTILE, "live": HOSTILE, "desired": HOSTILE}]
    checks = [{"check": HOSTILE, "ok": False, "evidence": HOSTILE}, {"check": 3, "ok": "yes"}]
    key = (HOSTILE, HOSTILE)
    facts_of: dict[str, Any] = {"reason": HOSTILE, "verb": HOSTILE, "result": HOSTILE, "for": HOSTILE, "until": HOSTILE}
    facts_of |= {"subject": HOSTILE, "author": HOSTILE, "from": HOSTILE, "to": HOSTILE, "version": HOSTILE}
    facts_of |= {"bad": HOSTILE, "drifts": drift, "checks": checks, "seconds": HOSTILE, "cause": HOSTILE, "seen": True}
    words = "commit refused drift change condition in_sync verified verification_failed reverted waiting apply gone new"
    events = tuple(Event(at(n), "production", word, HOSTILE, *key, facts_of) for n, word in enumerate(words.split()))
    live = Event(at(50), "production", "drift", HOSTILE, *API, {"drifts": drift, "cause": "live"})
    deed = replace(ANN, at=at(49), who=HOSTILE)
    past = ServicePast(
        4,
        4,
        at(1),
        (PastDeployment(HOSTILE, HOSTILE, at(1), at(2), HOSTILE, at(1), HOSTILE, HOSTILE + "x"),),
        (PastEvent(at(1), HOSTILE),),
        (StoppedTasks(HOSTILE, HOSTILE, 2, at(1), at(2)),),
    )
    return facts(
        file=HOSTILE,
        events=(*events, live),
        versions=(version(BAD, 4, "v2", HOSTILE, author=HOSTILE, reverts=HOSTILE),),
        services={HOSTILE: past},
        alarms=(AlarmChange(at(1), HOSTILE, HOSTILE),),
        deeds=(deed,),
        gaps=(HOSTILE,),
    )


def test_text_from_elsewhere_cannot_break_the_document() -> None:
    plain, told = as_markdown(story(facts())), as_markdown(story(hostile_facts()))
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", told)  # what is not in a span of code

    assert not re.search(r"[<>\[@\x1b‮]", re.sub(r"^ *- \[[ x]\] ", "", outside, flags=re.MULTILINE)), outside
    assert [line for line in told.splitlines() if line.startswith("#")][1:] == [
        line for line in plain.splitlines() if line.startswith("#")
    ][1:]
    for table in (line for line in told.splitlines() if line.startswith("|")):
        assert table.count("|") in (4, 7), table


def test_strange_events_are_told_to_a_script_too() -> None:
    assert json.dumps(as_json(story(hostile_facts())))


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        pytest.param("90s", at(-90), id="seconds"),
        pytest.param("2h", at(-7200), id="hours"),
        pytest.param("3d", at(-259200), id="days"),
        pytest.param("2024-02-24T11:00:00Z", at(-3600), id="instant"),
        pytest.param("2024-02-24T12:00:00+01:00", at(-3600), id="instant with an offset"),
        pytest.param("bbbb", at(4), id="commit"),
    ],
)
def test_a_time_is_meant_in_three_ways(word: str, meant: datetime) -> None:
    assert moment("--since", word, NOON, facts().versions) == meant


@pytest.mark.parametrize(
    ("word", "said"),
    [
        pytest.param("yesterday", "is no time; write 2h", id="a word"),
        pytest.param("2024-02-24T11:00:00", "is no time", id="no offset"),
        pytest.param("dddd", "no commit that changed the file begins so", id="unknown commit"),
        pytest.param("2h\x1b[2J", "is no time", id="hostile"),
    ],
)
def test_what_is_no_time_is_refused(word: str, said: str) -> None:
    with pytest.raises(Misused, match=said) as refused:
        moment("--since", word, NOON, facts().versions)

    assert "\x1b" not in f"{refused.value}"


def test_two_commits_that_begin_alike_are_not_guessed_between() -> None:
    alike = (version("abcd0" + "0" * 35, 0, "v1", "one"), version("abcd1" + "1" * 35, 0, "v1", "two"))
    with pytest.raises(Misused, match="2 commits begin so"):
        moment("--since", "abcd", NOON, alike)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (252, "4 min 12 s"), (7500, "2 h 5 min"), (200_000, "2 days 7 h")],
)
def test_lengths_of_time_are_told_in_the_units_of_people(seconds: float, said: str) -> None:
    assert lasted(seconds) == said


def test_numbers_are_told_with_their_noun() -> None:
    assert [counted(n, "drift") for n in (0, 1, 2)] == ["no drifts", "1 drift", "2 drifts"]


if __name__ == "__main__":
    GOLDEN.write_text(as_markdown(story(facts())))
