"""Who a secret's text lets in, and to which database."""

import json
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcilers.contract import Stalled
from reconcilers.credentials import Credentials, credentials

KEYS = {"username": "ann", "password": "p:%w", "host": "h.example", "port": 5432, "dbname": "shop"}
URL = "postgresql://ann:p%3A%25w@h.example:5432/shop"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(json.dumps(KEYS), "ann h.example 5432 shop", id="keys as RDS writes them"),
        pytest.param(
            '{"user": "ann", "password": "p:%w", "host": "h.example", "port": "5432", "database": "shop"}',
            "ann h.example 5432 shop",
            id="keys as others write them",
        ),
        pytest.param(json.dumps(KEYS | {"url": URL}), "ann h.example 5432 shop", id="keys and a url that agree"),
        pytest.param(json.dumps({"url": URL}), "ann h.example 5432 shop", id="a url alone"),
        pytest.param(URL, "ann h.example 5432 shop", id="one bare URL"),
        pytest.param(f" {URL}?schema=public#x\n", "ann h.example 5432 shop", id="parameters and a line's end"),
        pytest.param("x://ann:p:%25w@[::1]", "ann ::1 None ", id="a raw colon, an IPv6 host and no database"),
        pytest.param("x://%61nn:p%3a%25w@h.example/sh%20op", "ann h.example None sh op", id="percent-encoded"),
        pytest.param(
            json.dumps({"password": "p:%w", "url": "x://ann@:5432/"}),
            "ann  5432 ",
            id="a password beside an emptied url",
        ),
        pytest.param(
            json.dumps({"username": None, "dbname": "", "host": "h.example"} | {"url": URL}),
            "ann h.example 5432 shop",
            id="keys that say nothing",
        ),
    ],
)
def test_what_a_secret_says_is_read_from_its_keys_or_its_url(text: str, found: str) -> None:
    read = credentials(text)

    assert f"{read.user} {read.host} {read.port} {read.database}" == found
    assert read.password == "p:%w"
    assert read.disputed == frozenset()


@pytest.mark.parametrize(
    ("keys", "disputed"),
    [
        pytest.param({"host": "other.example"}, {"host"}, id="host"),
        pytest.param({"host": ""}, {"host"}, id="a host that was emptied"),
        pytest.param({"host": "H.Example"}, set(), id="capitals of a host"),
        pytest.param({"port": 1}, {"port"}, id="port"),
        pytest.param({"dbname": "other"}, {"database"}, id="database"),
        pytest.param({"database": "other"}, {"database"}, id="two keys for the database"),
        pytest.param({"sslmode": "disable"}, {"sslmode"}, id="sslmode"),
    ],
)
def test_what_keys_and_url_disagree_on_is_told_and_the_keys_come_first(
    keys: dict[str, object], disputed: set[str]
) -> None:
    read = credentials(json.dumps(KEYS | {"sslmode": "require"} | keys | {"url": f"{URL}?sslmode=require"}))

    assert read.disputed == disputed
    assert read.host == keys.get("host", "h.example")
    assert read.port == keys.get("port", 5432)
    assert read.database == keys.get("dbname", "shop")
    assert read.sslmode == keys.get("sslmode", "require")


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            json.dumps(KEYS | {"password": SECRET, "url": URL}),
            "its key password and its key url name two different passwords: ",
            id="two passwords",
        ),
        pytest.param(
            json.dumps(KEYS | {"username": SECRET, "url": URL}),
            "its key username and its key url name two different users: ",
            id="two users",
        ),
        pytest.param(
            json.dumps(KEYS | {"user": SECRET}),
            "its key username and its key user name two",
            id="two keys for the user",
        ),
        pytest.param(f'{{"host": "h", "password": "{SECRET}"}}', "it names no user: ", id="no user"),
        pytest.param(f"x://:{SECRET}@h/db", "it names no user: ", id="no user in a URL"),
        pytest.param(f'{{"host": "h", "user": "{SECRET}"}}', "it names no password: ", id="no password"),
        pytest.param(f'{{"host": "h", "user": "{SECRET}", "password": ""}}', "no password: ", id="an empty password"),
        pytest.param(f"x://{SECRET}@h/db", "it names no password: ", id="no password in a URL"),
        pytest.param(f'{{"host": "h", "password": ["{SECRET}"]}}', "its key password holds", id="no text"),
        pytest.param(
            f'{{"host": "h", "password": "{SECRET}\\ud800"}}', "its key password holds", id="half a character"
        ),
        pytest.param(f'{{"host": "h", "password": "{SECRET}\\u0000"}}', "its key password holds", id="a NUL"),
        pytest.param(f"x://u:{SECRET}%ff@h/db", "its text holds what is no character", id="not UTF-8"),
        pytest.param(f"x://u:{SECRET}%@h/db", "a % that stands for nothing: ", id="a percent sign not encoded"),
        pytest.param(f"x://u:{SECRET}%2@h/db", "a % that stands for nothing: ", id="a percent sign and one digit"),
        pytest.param(f"x://u:p@h/db?%70assword={SECRET}", "a parameter password: ", id="a password as parameter"),
        pytest.param(f"x://u:p@h/db?dbname={SECRET}", "a parameter dbname: ", id="a database as parameter"),
        pytest.param(f'{{"password": "{SECRET}"', "mend its JSON", id="JSON cut off"),
        pytest.param(f'{{"host": "h", "password": "{SECRET}", "password": "x"}}', "one key twice", id="a key twice"),
        pytest.param(f"x://u:12/{SECRET}@h/db", "cannot be told for certain", id="a raw slash in the password"),
        pytest.param(SECRET, "is not one URL", id="neither JSON nor a URL"),
    ],
)
def test_what_cannot_be_read_in_one_way_stalls_and_the_error_shows_none_of_it(text: str, said: str) -> None:
    with pytest.raises(Stalled) as caught:
        credentials(text)

    error = caught.value
    assert said in str(error)
    assert SECRET not in f"{error} {error!r} {error.__context__!r} {error.__cause__!r}"
    assert error.__context__ is None, "an error of a decoder carries the whole text"


def test_the_password_is_not_in_the_repr() -> None:
    shown = repr(Credentials("ann", SECRET, "h", None, "shop", ""))

    assert "ann" in shown
    assert SECRET not in shown


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@settings(max_examples=200, deadline=None)
@given(user=TEXTS, password=TEXTS, database=TEXTS, plain=st.booleans())
def test_odd_users_passwords_and_names_are_the_same_by_key_and_by_url(
    user: str, password: str, database: str, plain: bool
) -> None:
    parts = [quote(each, safe="") for each in (user, password, database)]
    url = "postgres://{}:{}@h:1/{}?sslmode=require".format(*parts)
    keys = {"username": user, "password": password, "host": "h", "port": 1, "dbname": database, "sslmode": "require"}

    expected = Credentials(user, password, "h", 1, database, "require")
    for text in (url, json.dumps({"url": url}), json.dumps(keys | {"url": url}, ensure_ascii=plain), json.dumps(keys)):
        assert credentials(text) == expected


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"\{?\"?[a-z]+://[^\s]{0,30}@[^\s]{0,20}", fullmatch=True))
def test_any_text_is_either_read_or_stalls(text: str) -> None:
    with suppress(Stalled):
        assert credentials(text).user
