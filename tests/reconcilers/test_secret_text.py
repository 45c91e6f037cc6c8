"""The host and the port inside a secret's text."""

import json
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desired_state.model import Endpoint
from reconcilers.contract import Stalled
from reconcilers.secret_text import Address, addresses, readdressed

NEW = Endpoint(host="new.example.com")
NEW_6432 = Endpoint(host="new.example.com", port=6432)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param('{"host": "old", "port": 5432}', ["old:5432"], id="the port as a number"),
        pytest.param('{"host": "old", "port": "5432"}', ["old:5432"], id="the port as a string"),
        pytest.param('{"host": "old"}', ["old"], id="no port"),
        pytest.param('{"url": "postgres://u:p@old:5432/db"}', ["old:5432"], id="a url alone"),
        pytest.param(
            '{"host": "a", "port": 1, "url": "postgres://u:p@b:2/db"}', ["a:1", "b:2"], id="host and url that disagree"
        ),
        pytest.param('{"port": 1, "url": "postgres://u:p@b:2/db"}', ["b:1", "b:2"], id="port and url that disagree"),
        pytest.param("postgresql://u:p@old:5432/db?sslmode=require", ["old:5432"], id="one bare URL"),
        pytest.param("redis://:p@old/0\n", ["old"], id="a URL without a user, and a line's end"),
        pytest.param("mysql://u:p%40%2F@old:/db", ["old"], id="a URL with a colon and no port"),
        pytest.param("postgres://u:p@[::1]:5432/db", ["[::1]:5432"], id="an IPv6 host in brackets"),
        pytest.param('{"host": "::1", "port": 5432}', ["[::1]:5432"], id="an IPv6 host alone"),
        pytest.param('{"url": "postgres:\\/\\/u:\\u0070\\ud83d\\ude00@old:5432\\/db"}', ["old:5432"], id="escapes"),
        pytest.param('{"host": "", "url": "postgres://u:p@:5432/db"}', ["(no host)", "(no host):5432"], id="emptied"),
        pytest.param('{"host": "old", "replicas": [{"host": "b"}, {"host": "b"}]}', ["old"], id="hosts further inside"),
    ],
)
def test_an_address_is_read_from_each_place_that_has_one(text: str, found: list[str]) -> None:
    assert [str(address) for address in addresses(text)] == found


@pytest.mark.parametrize(
    ("endpoint", "before", "after"),
    [
        pytest.param(
            NEW,
            '{ "username":"u",  "password":"p\\u0040é\\/",\n\t"host" : "old.example.com" ,"port":5432, "x": 1.0 }\n',
            '{ "username":"u",  "password":"p\\u0040é\\/",\n\t"host" : "new.example.com" ,"port":5432, "x": 1.0 }\n',
            id="odd spacing, escapes and floats",
        ),
        pytest.param(
            NEW_6432,
            '{"host": "old", "port": 5432, "url": "postgres://u:p@old:5432/db?a=1#f"}',
            '{"host": "new.example.com", "port": 6432, "url": "postgres://u:p@new.example.com:6432/db?a=1#f"}',
            id="a pinned port reaches the key and the url",
        ),
        pytest.param(
            NEW,
            '{"host": "old", "port": 5432, "url": "postgres://u:p@old:5432/db"}',
            '{"host": "new.example.com", "port": 5432, "url": "postgres://u:p@new.example.com:5432/db"}',
            id="no pinned port leaves both ports",
        ),
        pytest.param(
            NEW_6432,
            '{"port": "5432", "host": "old"}',
            '{"port": "6432", "host": "new.example.com"}',
            id="a port that was a string stays one",
        ),
        pytest.param(
            NEW_6432,
            '{\n  "host": "old",\n  "user": "u"\n}',
            '{\n  "host": "new.example.com",\n  "port": 6432,\n  "user": "u"\n}',
            id="a missing port is added after the host, spaced as the host is",
        ),
        pytest.param(
            NEW_6432, '{"host":""}', '{"host":"new.example.com","port":6432}', id="a missing port after an empty host"
        ),
        pytest.param(
            NEW_6432, "postgres://u:p@/db", "postgres://u:p@new.example.com:6432/db", id="a URL whose host was emptied"
        ),
        pytest.param(
            NEW, "postgres://u:p@:5432/db", "postgres://u:p@new.example.com:5432/db", id="as the runbook emptied it"
        ),
        pytest.param(NEW_6432, "redis://:p@old:/0 \n", "redis://:p@new.example.com:6432/0 \n", id="a colon, no port"),
        pytest.param(NEW_6432, "x://u:p@[::1]:5/d", "x://u:p@new.example.com:6432/d", id="an IPv6 host in a URL"),
        pytest.param(
            NEW,
            '{"url": "postgres:\\/\\/u:\\u0070\\ud83d\\ude00@old:5432\\/db"}',
            '{"url": "postgres:\\/\\/u:\\u0070\\ud83d\\ude00@new.example.com:5432\\/db"}',
            id="escapes before the host",
        ),
        pytest.param(
            NEW_6432,
            '{"port": 1, "url": "x://u:p@b:2"}',
            '{"port": 6432, "url": "x://u:p@new.example.com:6432"}',
            id="a port beside a url",
        ),
        pytest.param(
            NEW_6432,
            '{"host": "NEW.example.com", "port": 1}',
            '{"host": "NEW.example.com", "port": 6432}',
            id="capitals of a host that is right are kept",
        ),
    ],
)
def test_only_host_and_port_are_rewritten(endpoint: Endpoint, before: str, after: str) -> None:
    assert readdressed(before, endpoint) == after
    assert all(address.is_at(endpoint) for address in addresses(after))
    assert readdressed(after, endpoint) == after


@pytest.mark.parametrize(
    ("address", "endpoint", "agrees"),
    [
        pytest.param(Address("new.example.com", 5432), NEW, True, id="no port pinned"),
        pytest.param(Address("NEW.Example.COM", 5432), NEW, True, id="capitals"),
        pytest.param(Address("new.example.com", 6432), NEW_6432, True, id="the same port"),
        pytest.param(Address("new.example.com", 5432), NEW_6432, False, id="another port"),
        pytest.param(Address("new.example.com", None), NEW_6432, False, id="a port pinned and none there"),
        pytest.param(Address("old.example.com", 6432), NEW_6432, False, id="another host"),
        pytest.param(Address("", None), NEW, False, id="no host"),
    ],
)
def test_an_address_agrees_with_a_pin_by_host_and_by_a_pinned_port(
    address: Address, endpoint: Endpoint, agrees: bool
) -> None:
    assert address.is_at(endpoint) is agrees


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("hunter2secret", id="neither JSON nor a URL"),
        pytest.param("", id="nothing"),
        pytest.param('["hunter2secret"]', id="a JSON list"),
        pytest.param('"hunter2secret"', id="a JSON string"),
        pytest.param("{}", id="an empty object"),
        pytest.param('{"password": "hunter2secret"}', id="neither host nor url"),
        pytest.param('{"password": "hunter2secret", "host": "a"', id="JSON cut off"),
        pytest.param('{"host": "a", "password": "hunter2secret"} x', id="something after the object"),
        pytest.param('{"host": "a", "password": "hunter2secret",}', id="a comma too many"),
        pytest.param("{'host': 'a', 'password': 'hunter2secret'}", id="quotes of another language"),
        pytest.param('{"host": "a", "x": ' + "[" * 50_000 + "}", id="nested without an end"),
        pytest.param('{"host": "a", "host": "hunter2secret"}', id="host twice"),
        pytest.param('{"host": "a", "p": "hunter2secret", "p": ""}', id="any other key twice"),
        pytest.param('{"host": "a", "ho\\u0073t": "hunter2secret"}', id="host twice, once by an escape"),
        pytest.param('{"host": ["hunter2secret"]}', id="host is a list"),
        pytest.param('{"host": null, "password": "hunter2secret"}', id="host is null"),
        pytest.param('{"host": "a:5432", "password": "hunter2secret"}', id="host with a port"),
        pytest.param('{"host": "a,hunter2secret"}', id="two hosts in host"),
        pytest.param('{"host": "u:hunter2secret@a"}', id="host with a password"),
        pytest.param('{"host": "a", "port": {"hunter2secret": 1}}', id="port is an object"),
        pytest.param('{"host": "a", "port": true, "p": "hunter2secret"}', id="port is true"),
        pytest.param('{"host": "a", "port": 5432.0, "p": "hunter2secret"}', id="port is a float"),
        pytest.param('{"host": "a", "port": 0, "p": "hunter2secret"}', id="port 0"),
        pytest.param('{"host": "a", "port": 70000, "p": "hunter2secret"}', id="port 70000"),
        pytest.param('{"host": "a", "port": "hunter2secret"}', id="port is a word"),
        pytest.param('{"host": "a", "url": 5, "p": "hunter2secret"}', id="url is a number"),
        pytest.param('{"host": "a", "url": "hunter2secret"}', id="url is none"),
        pytest.param("postgres://u:hunter2secret@a:1,b:2/db", id="several hosts"),
        pytest.param("postgres://u:hunter2secret@a,b/db", id="several hosts without ports"),
        pytest.param("postgres://u:hunter2secret@/db?host=/tmp", id="a host among the parameters"),
        pytest.param("postgres://u:hunter2secret@a/db?sslmode=require&hostaddr=10.0.0.1", id="hostaddr"),
        pytest.param("postgres://u:hunter2secret@a/db?x=1&%68ost=b", id="host, percent-encoded"),
        pytest.param("postgres://u:hunter2secret@a/db?port=1", id="a port among the parameters"),
        pytest.param("postgres://u:12/hunter2secret@a:5432/db", id="a raw slash in the password"),
        pytest.param("postgres://u:12?hunter2secret@a:5432/db", id="a raw question mark in the password"),
        pytest.param("postgres://u:12#hunter2secret@a:5432/db", id="a raw hash in the password"),
        pytest.param("postgres://u:hunter2@secret@a:5432/db", id="a raw at sign in the password"),
        pytest.param("postgres://u:12\\hunter2secret@a:5432/db", id="a raw backslash in the password"),
        pytest.param("postgres://u:hunter2 secret@a:5432/db", id="a space in the password"),
        pytest.param("postgres://hunter2secret:5432/db", id="no user: what is the host?"),
        pytest.param("postgres://u:hunter2secret@a:b/db", id="a port that is a word"),
        pytest.param("postgres://u:hunter2secret@a:99999/db", id="a port too large"),
        pytest.param("postgres://u:hunter2secret@%2Ftmp/db", id="a socket's path"),
        pytest.param("postgres://u:hunter2secret@[::1/db", id="a bracket that is left open"),
        pytest.param("jdbc:postgresql://a/db?user=u&password=hunter2secret", id="JDBC"),
        pytest.param("postgres://u:hunter2secret@a/db\npostgres://u:hunter2secret@b/db", id="two URLs"),
    ],
)
def test_what_cannot_be_read_in_one_way_stalls_and_the_error_shows_none_of_it(text: str) -> None:
    for act in (addresses, lambda text: readdressed(text, NEW_6432)):
        with pytest.raises(Stalled) as caught:
            act(text)
        error = caught.value
        assert ":" in str(error)  # what is wrong, and what to do
        assert "hunter2" not in f"{error} {error!r} {error.__context__!r} {error.__cause__!r}"
        assert not hasattr(error.__context__, "doc")  # a JSONDecodeError carries the whole text


HOSTS = st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z]{1,5}){0,2}", fullmatch=True)
PORTS = st.none() | st.integers(1, 65535)
SAFE = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="-._~!$&'()*+,;=%:"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    rest=st.dictionaries(
        st.text(max_size=6).filter(lambda key: key not in ("host", "port", "url")),
        st.text(max_size=8) | st.integers() | st.none(),
        max_size=4,
    ),
    user=SAFE,
    host=HOSTS,
    port=PORTS,
    pin=st.builds(Endpoint, host=HOSTS, port=PORTS),
    indent=st.sampled_from([None, 0, 2]),
    plain=st.booleans(),
)
def test_whatever_else_a_secret_holds_is_the_same_afterwards(
    rest: dict[str, object],
    user: str,
    host: str,
    port: int | None,
    pin: Endpoint,
    indent: int | None,
    plain: bool,
) -> None:
    authority = host if port is None else f"{host}:{port}"
    before = {**rest, "host": host, "url": f"postgres://{user}@{authority}/db?a=b"}
    if port is not None:
        before["port"] = port
    text = readdressed(json.dumps(before, indent=indent, ensure_ascii=plain), pin)
    after = json.loads(text)
    assert all(address.is_at(pin) for address in addresses(text))
    assert after.pop("host") == pin.host
    assert after.pop("port", None) == (port if pin.port is None else pin.port)
    url = urlsplit(after.pop("url"))
    assert (url.hostname, url.port) == (pin.host, port if pin.port is None else pin.port)
    assert url.netloc.rpartition("@")[0] == user
    assert after == rest
