"""One message to one URL: as JSON to any, in their own way to those that apprise knows, and never a URL in a log."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from daemon.notice_text import Notice
from daemon.posting import Unusable, post
from desired_state.model import Event

ROOT = Path(__file__).parents[2]
TOKEN = "T0KEN8c1d2e3f4a5b6c7d8e9f"
NOTICE = Notice("production: stalled at 1a2b3c4", "a < b\n*c* & _d_", Event.STALLED, "production", "1a2b3c4")


class Hook:
    """A receiver that answers a status, on loopback."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.answer = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.asked.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(hook.answer)
                self.send_header("Location", f"http://127.0.0.1:{hook.port}/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        pytest.param(f"http://127.0.0.1:{{port}}/hooks/{TOKEN}?to=ops&x=", "/hooks/" + TOKEN + "?to=ops&x=", id="http"),
        pytest.param("http://127.0.0.1:{port}/a%20b", "/a%20b", id="an escaped space"),
        pytest.param("http://127.0.0.1:{port}", "/", id="no path"),
        pytest.param("json://127.0.0.1:{port}/hook", "/hook", id="as apprise writes it"),
    ],
)
def test_a_url_that_is_of_no_known_service_takes_json(hook: Hook, url: str, path: str) -> None:
    assert post(url.format(port=hook.port), NOTICE) == ""
    ((asked, headers, said),) = hook.asked
    assert asked == path
    assert (said["title"], said["message"], said["type"]) == (NOTICE.title, NOTICE.body, "failure")
    assert headers["User-Agent"] == "trueup"
    if url.startswith("http:"):
        assert (said["environment"], said["event"], said["commit"]) == ("production", "stalled", "1a2b3c4")


def test_a_login_in_the_url_is_a_header(hook: Hook) -> None:
    assert post(f"http://ann:p%40ss@127.0.0.1:{hook.port}/", NOTICE) == ""
    assert hook.asked[0][1]["Authorization"] == "Basic YW5uOnBAc3M="


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_no_yes_is_told_by_its_status(hook: Hook, status: int) -> None:
    hook.answer = status
    assert post(f"http://127.0.0.1:{hook.port}/{TOKEN}", NOTICE) == f"it answered {status}"
    assert len(hook.asked) == 1, "no redirect is followed"


def test_what_does_not_answer_is_told_without_its_url() -> None:
    assert post(f"http://127.0.0.1:1/{TOKEN}", NOTICE) == "it did not answer in time, or not at all"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("nonsense", id="no URL"),
        pytest.param(f"nonsense://{TOKEN}", id="a scheme that nobody knows"),
        pytest.param("https://", id="no host"),
        pytest.param("http://h:99999/", id="a port too far"),
        pytest.param("http://[::1/", id="half a bracket"),
        pytest.param(f"slack://{TOKEN}", id="half a Slack URL"),
    ],
)
def test_a_url_that_nobody_understands_is_said_without_it(url: str) -> None:
    with pytest.raises(Unusable) as unusable:
        post(url, NOTICE)
    assert "is no URL" in str(unusable.value)
    assert TOKEN not in str(unusable.value)


def test_slack_is_told_in_its_own_way_and_nothing_in_the_text_is_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str]] = []

    class Answer:
        status_code, content, text = 200, b"ok", "ok"

    def request(*_: str, **how: Any) -> Answer:
        sent.append((next(each for each in _ if each.startswith("http")), how["data"]))
        return Answer()

    monkeypatch.setattr("requests.post", request)
    monkeypatch.setattr("requests.request", request)
    assert post(f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{TOKEN}", NOTICE) == ""
    ((url, data),) = sent
    assert url == f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{TOKEN}"
    assert NOTICE.title in data
    assert "a &lt; b" in data
    assert "github" not in data, "no picture from elsewhere"


LOGGED = """
import sys
from daemon import logs
from daemon.posting import Unusable, post
from tests.daemon.test_posting import NOTICE
logs.configure("debug")
for url in sys.argv[1:]:
    try:
        print(post(url, NOTICE))
    except Unusable as error:
        print(error)
"""


def test_nothing_of_it_reaches_the_log_of_the_daemon(hook: Hook) -> None:
    hook.answer = 500
    urls = (f"http://127.0.0.1:{hook.port}/{TOKEN}", f"http://127.0.0.1:1/{TOKEN}", f"slack://{TOKEN}", "x://y")
    done = subprocess.run(
        [sys.executable, "-c", LOGGED, *urls], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "it answered 500",
        "it did not answer in time, or not at all",
        "is no URL that can be told anything",
        "is no URL that can be told anything",
    ]


def test_the_library_is_loaded_by_the_first_message_only() -> None:
    script = "import sys, daemon.cli, daemon.commands; sys.exit('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
