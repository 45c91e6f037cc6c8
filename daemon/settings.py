"""What a run needs to know from its command line and from `TRUEUP_*` environment variables."""

import argparse
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reconcilers.terraform_backups import checked_place

Reader = Callable[[str], Any]


@dataclass(frozen=True)
class Option:
    """One option: `--name`, or the environment variable TRUEUP_NAME."""

    name: str
    help: str
    default: str | None = None
    read: Reader = str
    metavar: str = "VALUE"

    @property
    def variable(self) -> str:
        """The environment variable that stands in for the option."""
        return "TRUEUP_" + self.name.replace("-", "_").upper()


def seconds(text: str) -> float:
    """A number of seconds above 0 and at most a day."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 86400 seconds")
    return value


def count(text: str) -> int:
    """How many lines of a list to show, from 1 to 100."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 100")
    return int(text)


def days(text: str) -> int:
    """A number of days, from 1 to ten years."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 3650:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 1 to 3650")
    return int(text)


def backups_place(text: str) -> str:
    """A folder, or s3://bucket/prefix."""
    try:
        return checked_place(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}") from None


def level(text: str) -> str:
    """A log level."""
    if text.lower() not in ("debug", "info", "warning", "error"):
        raise argparse.ArgumentTypeError(f"{text!r} is none of debug, info, warning, error")
    return text.lower()


def daemon_address(text: str) -> str:
    """Where a daemon listens: https, or http on this machine alone, since nothing proves whose answer http brings."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError("it is no address; write http://127.0.0.1:8080 or https://host")
    if parts.username is not None or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("write the address alone, without a user, a ? or a #")
    if parts.scheme == "http" and not _is_this_machine(host):
        raise argparse.ArgumentTypeError(
            f"http is asked on this machine only; write https://{host}, or lead a port here with kubectl port-forward"
        )
    return text.rstrip("/")


def duration(text: str) -> float:
    """A time as the file writes it (`30s`, `10m`, `1h`), or a number of seconds. In seconds; at most a day."""
    match = re.fullmatch(r"(\d{1,6})([smh])", text, re.ASCII)
    if match is None:
        return seconds(text)
    return seconds(f"{int(match[1]) * {'s': 1, 'm': 60, 'h': 3600}[match[2]]}")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


REPOSITORY = (
    Option("repository", "git repository that holds the environment files: a path or a URL", metavar="URL-OR-PATH"),
    Option("branch", "branch to follow", "main", metavar="NAME"),
    Option("path", "file, folder or glob inside the repository", metavar="PATH"),
    Option("cache", "folder for the bare copy of the repository", read=Path, metavar="FOLDER"),
    Option("git-timeout", "seconds that one git command may take", "20", seconds, "SECONDS"),
)
AWS = (Option("aws-timeout", "seconds to wait for one answer of AWS", "8", seconds, "SECONDS"),)
TERRAFORM = (
    Option("terraform", "the program to run: a name or a path; unset: terraform, else tofu", metavar="PROGRAM"),
    Option("terraform-timeout", "seconds that one terraform command may take", "3600", seconds, "SECONDS"),
    Option(
        "state-backups",
        "where states are kept before an apply (unset: ~/.local/state/trueup/state-backups)",
        read=backups_place,
        metavar="FOLDER-OR-S3-URL",
    ),
)
DAEMON = (
    Option("state-backup-days", "days for which a state is kept; the newest three always are", "30", days, "DAYS"),
    Option("interval", "seconds between two looks at git and at everything in AWS", "30", seconds, "SECONDS"),
    Option("listen", "address for /metrics, /healthz, /readyz and /api/v1", "127.0.0.1:8080", metavar="HOST:PORT"),
    Option("log-level", "debug, info, warning or error", "info", level, "LEVEL"),
)
CLIENT = (Option("daemon", "address of the running daemon to ask", "http://127.0.0.1:8080", daemon_address, "URL"),)


def add(parser: argparse.ArgumentParser, options: tuple[Option, ...], environ: Mapping[str, str] = os.environ) -> None:
    """Give the parser these options, with their environment variables as defaults. Flags win over variables."""
    for option in options:
        default = environ.get(option.variable) or option.default
        shown = f"{option.help} (default: {option.default})" if option.default else option.help
        parser.add_argument(
            f"--{option.name}",
            type=option.read,
            default=default,
            metavar=option.metavar,
            help=f"{shown} [{option.variable}]",
        )


def cache_of(given: Path | None, repository: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The folder for the bare copy: the one given, else one of this repository's own below the user's cache."""
    if given is not None:
        return given
    root = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "trueup" / sha256(repository.encode()).hexdigest()[:16]
