"""Options of the command line, and the environment variables that stand in for them."""

import argparse
from pathlib import Path

import pytest

from daemon import settings
from daemon.settings import AWS, DAEMON, REPOSITORY, TERRAFORM, cache_of


def read(words: list[str], environ: dict[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    settings.add(parser, REPOSITORY + AWS + TERRAFORM + DAEMON, environ)
    return parser.parse_args(words)


def test_every_option_has_the_default_of_the_contract() -> None:
    assert vars(read([], {})) == {
        "repository": None,
        "branch": "main",
        "path": None,
        "cache": None,
        "git_timeout": 20.0,
        "aws_timeout": 8.0,
        "terraform": None,
        "terraform_timeout": 3600.0,
        "state_backups": None,
        "interval": 30.0,
        "listen": "127.0.0.1:8080",
        "state_backup_days": 30,
        "log_level": "info",
    }


@pytest.mark.parametrize("option", REPOSITORY + AWS + TERRAFORM + DAEMON, ids=lambda option: option.name)
def test_every_option_can_come_from_the_environment(option: settings.Option) -> None:
    value = {"log-level": "debug"}.get(option.name, "12")

    found = getattr(read([], {option.variable: value}), option.name.replace("-", "_"))

    assert option.variable == "TRUEUP_" + option.name.upper().replace("-", "_")
    assert found == option.read(value)


def test_a_flag_wins_over_a_variable_and_an_empty_variable_counts_for_nothing() -> None:
    assert read(["--branch", "flag"], {"TRUEUP_BRANCH": "variable"}).branch == "flag"
    assert read([], {"TRUEUP_BRANCH": ""}).branch == "main"


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "86401", "", "5m", "1e9"])
def test_what_is_no_number_of_seconds_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentError):
        read([f"--interval={text}"], {})


def test_a_mistake_in_a_variable_is_refused_like_one_in_a_flag() -> None:
    with pytest.raises(argparse.ArgumentError):
        read([], {"TRUEUP_INTERVAL": "soon"})


@pytest.mark.parametrize("text", ["trace", "critical", "1", ""])
def test_what_is_no_level_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentError):
        read([f"--log-level={text}"], {})


def test_a_level_may_be_written_in_capitals() -> None:
    assert read(["--log-level", "DEBUG"], {}).log_level == "debug"


def test_every_repository_has_a_cache_of_its_own_below_the_users() -> None:
    one, other = (cache_of(None, repository, {"XDG_CACHE_HOME": "/cache"}) for repository in ("one", "other"))

    assert one.parent == other.parent == Path("/cache/trueup")
    assert one != other
    assert cache_of(Path("/given"), "one", {}) == Path("/given")
