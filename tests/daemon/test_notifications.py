"""Who is told what, and when: from the ends of passes to the messages, without a network."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.events import Event as Happened
from daemon.notice_text import Notice, spelled
from daemon.notifications import Notifications, without_url
from daemon.posting import Unusable
from daemon.receiver import Receiver
from daemon.status import EnvironmentStatus, ResourceStatus
from desired_state.in_force import Standing
from desired_state.model import Event
from desired_state.parse import parse
from desired_state.repository import Commit
from reconcilers.contract import Change, Condition, Drift

NOON = datetime(2024, 2, 24, 12, tzinfo=UTC)
HEAD = "version: 1\nenvironment: {name}\naws: {{region: us-east-1}}\n"
ALL = "[drifted, stalled, in_sync, reverted]"
URL = "https://hooks.example.com/services/T0KEN"
DRIFTED, STALLED, IN_SYNC = Condition.DRIFTED, Condition.STALLED, Condition.IN_SYNC
PROGRESSING, RETRYING = Condition.PROGRESSING, Condition.RETRYING


def resource(name: str, condition: Condition, reason: str = "", kind: str = "service", **more: Any) -> ResourceStatus:
    return ResourceStatus(kind=kind, name=name, condition=condition, reason=reason, since=NOON, observed=NOON, **more)


def status(commit: str, *resources: ResourceStatus) -> EnvironmentStatus:
    return EnvironmentStatus(
        name="production",
        file="production.yaml",
        commit=commit,
        mode="enforce",
        valid=True,
        resources=resources,
        last_pass=NOON,
    )


def standing(on: str = ALL, commit: str = "a" * 40, more: str = "", name: str = "production") -> Standing:
    text = HEAD.format(name=name) + f"notify: [{{url_from: URL, on: {on}}}]\n{more}"
    return Standing("production.yaml", commit, parse(text.encode(), "production.yaml"))


def by(commit: str, subject: str = "Pin what runs") -> Commit:
    return Commit(commit, NOON, "Ann", subject)


class Room:
    """Notifications, a clock that is moved by hand, and what was told and counted."""

    def __init__(self, *happened: Happened, on: str = ALL, seen: bool = False, environ: Any = None) -> None:
        self.now = 1000.0
        self.told: list[Notice] = []
        self.counts: list[tuple[str, str, str]] = []
        self.troubles: list[tuple[str, str]] = []
        self.why = ""  # why nothing is heard
        self.commit = "a" * 40
        self.on = on
        self.notifications = Notifications(
            lambda *counted: self.counts.append(counted),
            lambda *trouble: self.troubles.append(trouble),
            happened,
            environ={"URL": URL} if environ is None else environ,
            monotonic=lambda: self.now,
            send=self._send,
        )
        self.notifications.followed(standing(on), seen=seen, by=by(self.commit))

    def _send(self, url: str, notice: Notice) -> str:
        assert url == URL
        if self.why:
            raise Unusable(self.why)  # not tried again, so that the test need not wait
        self.told.append(notice)
        return ""

    def passed(self, *resources: ResourceStatus, name: str = "production", **more: Any) -> list[str]:
        """A pass, and the titles of the messages that it led to."""
        before = len(self.told)
        self.notifications.passed(replace(status(self.commit, *resources), name=name, **more))
        self.settle()
        return [notice.title for notice in self.told[before:]]

    def came_to(self, condition: Condition, name: str = "api") -> list[str]:
        return self.passed(resource(name, condition, "because"))

    def commits(self, commit: str, more: str = "mode: observe\n") -> None:
        """Another version comes into force."""
        self.notifications.followed(standing(self.on, commit * 40, more), seen=True, by=by(commit * 40))
        self.commit = commit * 40

    def settle(self) -> None:
        """Let what is on its way arrive."""
        end = time.monotonic() + 5
        while any(receiver.busy for receiver in self.notifications._receivers.values()):
            assert time.monotonic() < end
            time.sleep(0.001)

    @property
    def last(self) -> Notice:
        return self.told[-1]


def quiet(**more: Any) -> Room:
    """In sync, and an hour later."""
    room = Room(**more)
    assert room.came_to(IN_SYNC) == []
    room.now += 3600
    return room


def test_the_worst_condition_of_an_environment_is_told_when_it_changes() -> None:
    room = quiet()

    assert room.came_to(DRIFTED) == ["production: drifted at aaaaaaa"]
    assert room.came_to(DRIFTED) == []
    assert room.passed(resource("api", DRIFTED), resource("web", STALLED)) == ["production: stalled at aaaaaaa"]
    assert room.passed(resource("api", IN_SYNC), resource("web", IN_SYNC)) == ["production: in sync at aaaaaaa again"]
    assert room.came_to(IN_SYNC) == []


def test_what_has_not_settled_is_not_told() -> None:
    room = quiet()

    assert room.came_to(PROGRESSING) == []
    assert room.came_to(RETRYING) == []
    assert room.came_to(IN_SYNC) == []
    assert room.came_to(STALLED) == ["production: stalled at aaaaaaa"]
    assert room.came_to(PROGRESSING) == []
    assert room.came_to(IN_SYNC) == ["production: in sync at aaaaaaa again"]


def test_another_entry_that_stalls_is_told_and_one_that_heals_is_not() -> None:
    room = quiet()
    api, web = resource("api", STALLED), resource("web", STALLED)

    assert len(room.passed(api)) == 1
    room.now += 60
    assert len(room.passed(web)) == 1
    room.now += 60
    assert room.passed(api, web) == []
    assert room.passed(api) == []


def test_a_commit_that_comes_in_sync_is_told_once_with_the_time_that_it_took() -> None:
    room = quiet()
    room.commits("b")

    assert room.came_to(PROGRESSING) == []
    room.notifications.converged("production", 42.4)
    assert room.came_to(IN_SYNC) == ["production: in sync at bbbbbbb after 42 s"]
    assert room.came_to(IN_SYNC) == []
    assert room.last.body == "commit bbbbbbb by Ann: Pin what runs"


def test_what_is_wrong_with_another_version_is_told_although_the_former_one_was_wrong_too() -> None:
    room = quiet()

    assert len(room.came_to(STALLED)) == 1
    room.now += 60
    room.commits("b")
    assert room.came_to(STALLED) == ["production: stalled at bbbbbbb"]
    room.now += 60
    room.commits("c", more="mode: observe\n# a comment\n")
    assert room.came_to(STALLED) == [], "a commit that says the same is no other version"


def test_what_is_wrong_with_a_version_that_comes_while_a_message_is_on_its_way_is_told_too() -> None:
    room = quiet()
    on_its_way, let_go = threading.Event(), threading.Event()

    def send(url: str, notice: Notice) -> str:
        on_its_way.set()
        let_go.wait(10)
        room.told.append(notice)
        return ""

    room.notifications._send = send
    room.notifications.passed(status(room.commit, resource("api", STALLED)))
    assert on_its_way.wait(5)
    room.commits("b")
    room.notifications.passed(status(room.commit, resource("api", STALLED)))
    let_go.set()
    room.settle()
    room.now += 60

    assert room.came_to(STALLED) == ["production: stalled at bbbbbbb"]
    assert len(room.told) == 2


def test_a_pass_over_the_former_version_says_nothing_of_the_newer_one() -> None:
    room = quiet()
    former = room.commit

    room.commits("b")
    assert room.passed(resource("api", STALLED), commit=former) == []
    assert room.came_to(STALLED) == ["production: stalled at bbbbbbb"]


@pytest.mark.parametrize(
    ("on", "told"),
    [
        pytest.param("[stalled]", ["stalled", "stalled"], id="stalled, each time"),
        pytest.param("[stalled, in_sync]", ["stalled", "in_sync", "stalled", "in_sync"], id="and that it is over"),
        pytest.param("[drifted]", ["drifted"], id="drifted"),
        pytest.param("[drifted, in_sync]", ["drifted", "in_sync"], id="that it is over only where it began"),
        pytest.param("[in_sync]", [], id="in sync with commits only"),
        pytest.param("[reverted]", [], id="reverted"),
    ],
)
def test_a_listener_hears_what_it_wants(on: str, told: list[str]) -> None:
    room = quiet(on=on)
    for condition in (STALLED, IN_SYNC, DRIFTED, IN_SYNC, STALLED, IN_SYNC):
        room.now += 60
        room.came_to(condition)

    assert [notice.event.value for notice in room.told] == told


def test_a_commit_that_is_taken_back_is_told_at_once() -> None:
    room = quiet()
    room.commits("b")
    room.came_to(PROGRESSING)

    room.notifications.reverted("production", "b" * 40, "c" * 40, "a" * 40)
    room.settle()

    assert room.last.title == "production: bbbbbbb failed its checks and was taken back"
    assert "commit ccccccc pins its services again as aaaaaaa did" in room.last.body
    assert room.came_to(PROGRESSING) == []


def test_what_comes_and_goes_is_told_once_a_minute_and_summed_up() -> None:
    room = quiet()

    for _ in range(30):  # a minute in which it comes and goes every second
        room.came_to(STALLED)
        room.now += 1
        room.came_to(IN_SYNC)
        room.now += 1
    assert [notice.event for notice in room.told] == [Event.STALLED, Event.IN_SYNC]

    assert room.came_to(STALLED) == ["production: stalled at aaaaaaa"]
    assert room.last.body.endswith("and 29 more changes since the last message")
    room.now += 1
    room.came_to(IN_SYNC)
    assert "more change" not in room.last.body


def test_a_change_that_came_too_early_is_told_when_its_minute_is_over() -> None:
    room = quiet()
    room.came_to(STALLED)
    room.came_to(IN_SYNC)

    assert room.came_to(STALLED) == []
    room.now += 59
    assert room.came_to(STALLED) == []
    room.now += 1
    assert room.came_to(STALLED) == ["production: stalled at aaaaaaa"]
    assert "more change" not in room.last.body, "it is the one that waited"


def test_one_url_hears_20_messages_an_hour() -> None:
    room = quiet()
    for _ in range(15):
        for condition in (STALLED, IN_SYNC):
            room.came_to(condition)
            room.now += 60
    assert len(room.told) == 20
    assert room.came_to(STALLED) == []

    room.now += 1800
    assert room.came_to(STALLED) == ["production: stalled at aaaaaaa"]
    assert "more changes since the last message" in room.last.body
    assert room.counts.count(("production", "stalled", "dropped")) == 6


def test_environments_with_one_url_share_its_hour_and_not_its_minute() -> None:
    room = quiet()
    room.notifications.followed(standing(name="staging"), seen=True, by=None)

    room.came_to(STALLED)
    assert room.passed(resource("api", STALLED), name="staging") == ["staging: stalled at aaaaaaa"]


def test_what_was_wrong_at_the_start_is_told_after_a_minute() -> None:
    room = Room()

    assert room.came_to(STALLED) == []
    room.now += 59
    assert room.came_to(STALLED) == []
    room.now += 1
    assert room.came_to(STALLED) == ["production: stalled at aaaaaaa"]


def test_what_heals_in_the_first_minute_is_never_told_and_what_breaks_then_is() -> None:
    room = Room()
    assert room.came_to(STALLED) == []
    assert room.came_to(IN_SYNC) == []
    assert room.came_to(STALLED) == ["production: stalled at aaaaaaa"]


def test_a_commit_ends_the_silence_of_the_first_minute() -> None:
    room = Room()
    assert room.came_to(STALLED) == []
    room.commits("b")
    assert room.came_to(STALLED) == ["production: stalled at bbbbbbb"]


def happened(event: str, name: str = "", to: str = "", commit: str = "a" * 40) -> Happened:
    facts = {"to": to, "reason": "because"} if to else {}
    return Happened(NOON, "production", event, commit, "service" if name else "", name, facts)


BEFORE = (happened("commit"), happened("condition", "api", "stalled"))


def test_a_restart_tells_nothing_again_that_was_so_before() -> None:
    room = Room(*BEFORE)
    room.now += 3600
    assert room.came_to(STALLED) == []
    assert room.passed(resource("api", STALLED), resource("web", STALLED)) == ["production: stalled at aaaaaaa"]


def test_a_restart_tells_what_has_healed_meanwhile() -> None:
    assert Room(*BEFORE).came_to(IN_SYNC) == ["production: in sync at aaaaaaa again"]
    assert Room(*BEFORE, happened("in_sync")).came_to(IN_SYNC) == []
    assert Room(*BEFORE, happened("gone")).came_to(IN_SYNC) == []


def test_a_restart_tells_what_is_wrong_with_a_version_that_came_meanwhile() -> None:
    room = Room(happened("commit", commit="9" * 40), *BEFORE[1:])
    assert room.came_to(STALLED) == []
    room.now += 60
    assert room.came_to(STALLED) == ["production: stalled at aaaaaaa"]


def test_a_file_that_is_refused_at_the_head_is_told() -> None:
    room = quiet()
    refused = resource("desired_state", STALLED, "commit b is refused: it is not YAML", kind="desired_state")

    assert room.passed(resource("api", IN_SYNC), refused) == ["production: stalled at aaaaaaa"]
    assert "the file: stalled: commit b is refused: it is not YAML" in room.last.body


def test_without_its_variable_nobody_is_told_and_that_is_said_once() -> None:
    room = quiet(environ={"URL": ""})
    for condition in (STALLED, IN_SYNC, STALLED):
        room.came_to(condition)

    assert room.told == []
    assert [variable for variable, _ in room.troubles] == ["URL"]
    assert {result for *_, result in room.counts} == {"unconfigured"}
    assert without_url(standing().environment, {}) == ("URL",)
    assert without_url(standing().environment, {"URL": URL}) == ()


def test_what_was_not_heard_is_told_later_if_it_is_still_so() -> None:
    room = quiet()
    room.why = "it answered 503"
    room.came_to(STALLED)
    room.now += 60
    room.came_to(STALLED)  # not heard, either: the receiver rests for two minutes now
    assert [variable for variable, _ in room.troubles] == ["URL"]
    assert URL not in str(room.troubles)

    room.why = ""
    room.now += 60
    assert room.came_to(STALLED) == []
    room.now += 60
    assert room.came_to(STALLED) == ["production: stalled at aaaaaaa"]
    assert room.counts.count(("production", "stalled", "failed")) == 2
    assert room.counts[-1] == ("production", "stalled", "sent")


def test_what_was_not_heard_and_is_over_is_not_told() -> None:
    room = quiet()
    room.why = "it answered 503"
    room.came_to(STALLED)
    room.why = ""
    room.now += 3600
    assert room.came_to(IN_SYNC) == []


def test_a_listener_that_a_commit_takes_away_hears_no_more() -> None:
    room = quiet()
    silent = Standing("production.yaml", "b" * 40, parse(HEAD.format(name="production").encode(), "p"))
    room.notifications.followed(silent, seen=True, by=None)
    room.commit = "b" * 40
    assert room.came_to(STALLED) == []


def test_an_environment_that_has_left_is_told_no_more() -> None:
    room = quiet()
    room.notifications.gone("production")
    assert room.came_to(STALLED) == []


def test_a_message_says_what_is_wrong_and_what_to_do_next() -> None:
    room = quiet()
    drift = Change(drifts=tuple(Drift(f"field{number}", f"{number}", "9") for number in range(5)))
    room.passed(resource("api", DRIFTED, "mode is observe: reported, not repaired", changes=(drift,)))

    assert room.last.body == (
        "commit aaaaaaa by Ann: Pin what runs\n"
        "service api: drifted: mode is observe: reported, not repaired"
        " (field0 0 -> 9, field1 1 -> 9, field2 2 -> 9 and 2 more)\n"
        "What to do next: trueup explain production"
    )


def test_a_message_names_ten_entries_and_counts_the_others() -> None:
    room = quiet()
    room.passed(*(resource(f"s{number}", STALLED, "r") for number in range(13)))
    assert [line for line in room.last.body.splitlines() if line.startswith("service")][-1] == "service s9: stalled: r"
    assert "and 3 more" in room.last.body.splitlines()


def test_what_others_wrote_is_one_line_without_secrets_and_calls_nobody() -> None:
    room = quiet()
    hostile = "<!channel> @everyone\n\x1b[2J https://ann:hunter2@db/ password=hunter2 " + "x" * 5000
    room.notifications.followed(standing(), seen=True, by=by("a" * 40, hostile))
    room.commit = "b" * 40
    room.passed(resource("api", STALLED, hostile))

    assert "hunter2" not in room.last.body
    assert "\x1b" not in room.last.body
    assert "@everyone" not in room.last.body
    assert "!channel" not in room.last.body
    assert len(room.last.body.splitlines()) == 3
    assert len(room.last.body) < 1000


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (754, "12 min 34 s"), (7322, "2 h 2 min")]
)
def test_a_length_of_time_is_spelled_as_people_say_it(seconds: float, text: str) -> None:
    assert spelled(seconds) == text


NOTICE = Notice("title", "body", Event.STALLED, "production", "a" * 40)


def test_a_receiver_that_hangs_holds_nobody_up_and_takes_a_bounded_number() -> None:
    hang, now = threading.Event(), [0.0]

    def send(url: str, notice: Notice) -> str:
        hang.wait(10)
        return ""

    receiver = Receiver(URL, send, lambda: now[0])
    done: list[str] = []
    started = time.monotonic()
    taken = [receiver.takes(NOTICE, done.append) for _ in range(30)]
    assert time.monotonic() - started < 1
    assert taken == [True] * 20 + [False] * 10
    for _ in range(6):
        now[0] += 3600
        taken += [receiver.takes(NOTICE, done.append) for _ in range(20)]
    assert taken.count(True) <= 102
    assert done == []
    hang.set()


def test_a_message_is_tried_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.receiver._PAUSES", (0.0, 0.01, 0.01))
    tries: list[str] = []

    def send(url: str, notice: Notice) -> str:
        tries.append(url)
        if len(tries) == 2:
            raise RuntimeError(f"broken: {url}")
        return "it answered 500"

    done: list[str] = []
    receiver = Receiver(URL, send, time.monotonic)
    receiver.takes(NOTICE, done.append)
    while receiver.busy:
        time.sleep(0.001)
    assert (len(tries), done) == (3, ["it answered 500"])


def test_the_end_waits_for_what_is_being_sent_and_not_longer_than_it_may() -> None:
    room = quiet()
    hang = threading.Event()

    def send(url: str, notice: Notice) -> str:
        hang.wait(10)
        return ""

    room.notifications._send = send
    room.notifications.passed(status(room.commit, resource("api", STALLED)))
    started = time.monotonic()
    room.notifications.close(0.2)
    assert 0.2 <= time.monotonic() - started < 1.0
    threading.Timer(0.1, hang.set).start()
    room.notifications.close(5.0)
    assert time.monotonic() - started < 3.0
