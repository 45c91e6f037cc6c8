"""Asking a daemon: what comes is bounded, trusted in nothing, and a daemon that does not answer is said in one line."""

import argparse
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon import settings
from daemon.sources import Misused
from daemon.verbs import client, seen
from daemon.verbs.client import Unreached
from tests.daemon.pages import COMMIT, NOON, Web, dripping, elsewhere, environment, page, resource, serving


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as made:
        yield made


def test_the_status_of_a_daemon_is_read(web: Web) -> None:
    web.tell(page(environment(resource("api", "stalled", "no such image"))))

    found = client.status(web.address)

    assert [(each.name, each.commit) for each in found.environments] == [("production", COMMIT)]
    assert [(each.called, each.condition) for each in found.environments[0].entries] == [("service api", "stalled")]


def test_a_daemon_that_is_not_there_is_said_with_what_to_do() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"

    with pytest.raises(Unreached, match="Connection refused") as caught:
        client.status(address)

    assert "--daemon" in f"{caught.value}"
    assert "kubectl port-forward" in f"{caught.value}"
    assert "\n" not in f"{caught.value}"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>hello</html>", id="a page of somebody else"),
        pytest.param(b"[" * 200_000, id="nested without end"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"environments": 3}', id="no list of environments"),
    ],
)
def test_what_is_no_status_is_said_and_not_shown(web: Web, body: bytes) -> None:
    web.tell(body)

    with pytest.raises(Unreached, match="no trueup daemon") as caught:
        client.status(web.address)

    assert "hello" not in f"{caught.value}"


def test_a_redirect_is_not_followed(web: Web) -> None:
    web.answers["/api/v1/status"] = [elsewhere]
    web.tell(page(), "/secret")

    with pytest.raises(Unreached, match="answered with 302"):
        client.status(web.address)

    assert web.asked == ["/api/v1/status"]


def test_an_answer_that_is_too_large_is_not_read_to_its_end(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_LARGEST", 1000)
    web.tell(page(environment(*(resource(f"s{number}") for number in range(100)))))

    with pytest.raises(Unreached, match="more than"):
        client.status(web.address)


def test_an_answer_that_drips_is_given_up(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_WHOLE", 0.5)
    web.answers["/api/v1/status"] = [dripping]

    with pytest.raises(Unreached, match="not within"):
        client.status(web.address)


def test_text_of_the_daemon_moves_no_cursor_and_carries_no_credential(web: Web) -> None:
    reason = "\x1b[2Jgone\nhttps://user:hunter2@host/ failed"
    web.tell(page(environment(resource("a\x07pi", "retrying", reason), commit="\x1b]0;x\x07")))

    found = client.status(web.address).environments[0]

    told = [found.commit, found.entries[0].name, found.entries[0].reason]
    assert all(text.isprintable() for text in told)
    assert "hunter2" not in found.entries[0].reason


NAMED = "version: 1\nenvironment: production\naws: {region: eu-central-1}\n"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        pytest.param("environments/a.yaml", "as-the-daemon-says", id="the daemon has it"),
        pytest.param("environments/b.yaml", "production", id="it has another file"),
        pytest.param(None, "production", id="no daemon answers"),
    ],
)
def test_a_bad_file_has_the_name_that_the_daemon_knows_or_that_it_had(
    web: Web, tmp_path: Path, file: str | None, name: str
) -> None:
    bad = committed(tmp_path / "environments" / "a.yaml", NAMED, "services: [")
    web.tell(page(environment(environment="as-the-daemon-says", file=file)))

    assert client.name_of(str(bad), web.address if file else "http://127.0.0.1:1") == name
    assert client.name_of(str(bad)) == "production"


def test_a_file_that_never_was_good_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    bad = committed(tmp_path / "a.yaml", "services: [")

    with pytest.raises(Misused, match="name the environment itself"):
        client.name_of(str(bad), "http://127.0.0.1:1")


def committed(file: Path, *texts: str) -> Path:
    """A file in a repository of its own, with a commit for each text."""
    top = file.parent if file.parent.exists() else file.parent.parent
    file.parent.mkdir(exist_ok=True)
    git = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.test")
    subprocess.run([*git, "init", "--quiet"], cwd=top, check=True)
    for text in texts:
        file.write_text(text)
        subprocess.run([*git, "add", "-A"], cwd=top, check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", "x"], cwd=top, check=True)
    return file


JUNK: tuple[Any, ...] = (
    None,
    3,
    -1.5,
    True,
    "x",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"for": 3},
    ["\x1b"],
    float("inf"),
    10**400,
    "0001-01-01T00:00:00+14:00",
)


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_a_page_of_the_wrong_shape_is_read_as_far_as_it_goes(junk: Any) -> None:
    whole = environment(resource())
    for key in whole:
        assert seen.read(page(whole | {key: junk}), NOON).environments
    for key in (*resource(), "deadline", "checks"):
        assert seen.read(page(environment(resource() | {key: junk})), NOON).environments[0].entries
    for key in (*page()["git"], "problem_count"):
        assert seen.read(page(whole, **{key: junk}), NOON).environments


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param("http://127.0.0.1:8080", "http://127.0.0.1:8080", id="this machine"),
        pytest.param("http://localhost:8080/", "http://localhost:8080", id="localhost"),
        pytest.param("http://[::1]:8080", "http://[::1]:8080", id="IPv6"),
        pytest.param("https://trueup.example/production", "https://trueup.example/production", id="https, with a path"),
    ],
)
def test_an_address_is_of_this_machine_or_https(text: str, address: str) -> None:
    assert settings.daemon_address(text) == address


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("http://trueup:8080", "https://trueup", id="http to another machine"),
        pytest.param("http://169.254.169.254/", "this machine only", id="metadata service"),
        pytest.param("127.0.0.1:8080", "http://127.0.0.1:8080", id="no scheme"),
        pytest.param("file:///etc/passwd", "no address", id="a file"),
        pytest.param("http://127.0.0.1:99999", "no address", id="no such port"),
        pytest.param("https://user:secret@host", "without a user", id="a password"),
        pytest.param("https://host/?x=1", "without", id="a query"),
        pytest.param("https://ho st", "no address", id="a space"),
        pytest.param("", "no address", id="nothing"),
    ],
)
def test_any_other_address_is_refused_and_says_what_to_write(text: str, said: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        settings.daemon_address(text)

    assert said in f"{caught.value}"
    assert "secret" not in f"{caught.value}"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90.0), ("10m", 600.0), ("1h", 3600.0), ("45", 45.0), ("0.5", 0.5)]
)
def test_a_time_is_written_as_in_the_file_or_in_seconds(text: str, seconds: float) -> None:
    assert settings.duration(text) == seconds


@pytest.mark.parametrize("text", ["0s", "10 m", "25h", "soon", "-1", "nan"])
def test_no_other_time_is_taken(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        settings.duration(text)
