"""What psql and pg_restore say of their end, as a person reads it."""

import pytest

from daemon.verbs.pg_client import explained


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        pytest.param(
            ["psql:<stdin>:1: error: invalid command \\restrict"], "update the PostgreSQL client", id="old psql"
        ),
        pytest.param(
            ["ERROR:  CREATE DATABASE cannot run inside a transaction block"], "and without --create", id="--create"
        ),
        pytest.param(["ERROR:  must be owner of extension plpgsql"], "or let the user own it", id="a comment"),
        pytest.param(['ERROR:  role "ann" does not exist'], "pg_dump --no-owner --no-privileges", id="a role"),
        pytest.param(['ERROR:  relation "a" does not exist'], 'relation "a" does not exist', id="anything else"),
    ],
)
def test_an_error_that_is_known_is_followed_by_what_to_do(lines: list[str], shown: str) -> None:
    assert explained(lines).endswith(shown)


def test_what_comes_before_the_last_error_is_left_out_and_an_endless_one_is_cut() -> None:
    lines = ["WARNING: x", "ERROR:  first", "WARNING: y", "psql: error: last", *(f"more {n}" for n in range(9))]

    assert explained(lines) == "psql: error: last\nmore 0\nmore 1\nmore 2"


def test_without_an_error_the_last_lines_are_shown() -> None:
    assert explained([f"line {n}" for n in range(6)]) == "line 2\nline 3\nline 4\nline 5"
    assert explained([]) == ""
