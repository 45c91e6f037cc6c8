"""One git command at a time: an environment made from scratch, a deadline, and nothing left running when it passes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

_KEPT: Final = (
    "PATH",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "GIT_SSL_CAINFO",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
)
_FIXED: Final = {
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_ASKPASS": "true",  # a program that answers nothing: never a prompt, never a window
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=10",
    "GIT_TERMINAL_PROMPT": "0",
}
_SETTINGS: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.helper=",
    "fetch.fsckObjects=true",
    # Harmless flaws of old histories, which many good repositories carry.
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.missingSpaceBeforeEmail=ignore",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "gc.auto=0",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=10",
    "maintenance.auto=false",
    "protocol.ext.allow=never",
)
# The user name and the password reach git by its environment: its arguments can be read by everybody on the machine.
_HELPER: Final = (
    'credential.helper=!f() { test "$1" = get && '
    'printf "username=%s\\npassword=%s\\n" "$TRUEUP_GIT_USERNAME" "$TRUEUP_GIT_TOKEN"; }; f'
)
_SCP: Final = re.compile(r"(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9.-]+:(?!//)[^\s]+")
_RULE: Final = re.compile(r"remote:[\s=*#-]*")  # a line that a server draws around what it says
_SECURE: Final = ("https", "ssh", "file")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Failed(Exception):
    """A git command ended with an error; the message is its own last words. `told`: all that it said, unfit to show."""

    def __init__(self, message: str, told: str = "") -> None:
        super().__init__(message)
        self.told = told


class Refused(Exception):
    """A repository, branch or path that is never handed to git; the message says what to write instead."""


class Remote:
    """Where a repository is, with the credentials taken out of its address."""

    def __init__(self, location: str, environ: Mapping[str, str] = os.environ) -> None:
        self.address, username, password = _taken_apart(location)
        self.credentials = {
            "TRUEUP_GIT_USERNAME": username or environ.get("TRUEUP_GIT_USERNAME") or "x-access-token",
            "TRUEUP_GIT_TOKEN": password or environ.get("TRUEUP_GIT_TOKEN", ""),
        }


def named_remote(location: str, own: str) -> Remote:
    """A repository that a file names. The daemon's credentials go to the host of `own`, its own repository, alone."""
    named, ours = Remote(location, {}), Remote(own) if own else None
    if ours and _host(named.address) == _host(ours.address):
        named.credentials = ours.credentials
    return named


def _host(address: str) -> tuple[str, str]:
    """How and where it is reached; alike for all paths of this machine."""
    parts = urlsplit(address) if "://" in address else None
    return (parts.scheme, parts.netloc) if parts else ("", "")


def checked_location(location: str) -> None:
    """Refused: git may not be given it, or it means another repository in each folder. The disk is not looked at."""
    _check_start(location)
    if "://" in location:
        _of_url(location)
    elif not location.startswith("/") and not _SCP.fullmatch(location):
        raise Refused("the repository is neither a URL nor an absolute path; write https:// or ssh://, or begin with /")


def shown_location(location: str) -> str:
    """The location without any user name and password, for people."""
    parts = urlsplit(location) if "://" in location else None
    if parts is None or not parts.netloc:
        return location
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def git(
    *words: str,
    timeout: float,
    folder: Path | None = None,
    remote: Remote | None = None,
    told: bytes = b"",
    also: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """What a git command prints, `told` on its standard input. Failed: an error, or no end within `timeout` seconds.

    `also`: variables of its environment that belong to this one command, like who commits.
    """
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ} | _FIXED | dict(also)
    settings = [*_SETTINGS]
    if remote and remote.credentials["TRUEUP_GIT_TOKEN"]:
        environ |= remote.credentials
        settings.append(_HELPER)
    command = ["git", *(word for setting in settings for word in ("-c", setting))]
    command += [f"--git-dir={folder}"] if folder else []
    try:
        process = subprocess.Popen(
            [*command, *words],
            env=environ,
            cwd="/",
            stdin=subprocess.PIPE if told else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise Failed("the program git is not installed") from None
    return _ended(process, words[0], timeout, told)


def own_git(*words: str, folder: Path, shown: bool = False, timeout: float | None = None) -> str:
    """What a git command prints to whoever works in a folder: with their identity, hooks, signing and credentials.

    `shown`: it says it to them, on stderr, and may ask them, as when they type it. Failed: an error, or no end.
    """
    here = {} if shown else {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=folder,
            env=os.environ | here,
            stdin=None if shown else subprocess.DEVNULL,
            stdout=sys.stderr.fileno() if shown else subprocess.PIPE,
            stderr=None if shown else subprocess.PIPE,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise Failed("the program git is not installed") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"git {words[0]} did not end within {timeout:g} seconds") from None
    if done.returncode:
        raise Failed(_last_words(done.stderr or b"") or f"git {words[0]} ended with {done.returncode}")
    return (done.stdout or b"").decode(errors="surrogateescape").rstrip("\n")


def _ended(process: subprocess.Popen[bytes], verb: str, timeout: float, told: bytes) -> bytes:
    with process:
        try:
            out, err = process.communicate(told or None, timeout=timeout)
        except BaseException as error:
            # git starts others (ssh, git-remote-https), which outlive it unless their whole group is ended.
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise Failed(f"git {verb} did not end within {timeout:g} seconds") from None
            raise
    if process.returncode:
        said = (out + err).decode(errors="replace")
        raise Failed(_last_words(err) or f"git {verb} ended with {process.returncode}", said)
    return out


def _last_words(err: bytes) -> str:
    lines = [line.strip() for line in err.decode(errors="replace").splitlines()]
    lines = [line for line in lines if line and not _RULE.fullmatch(line)]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "ERROR:", "remote:"))] or lines
    said = "; ".join(line.removeprefix("fatal: ").removeprefix("error: ") for line in telling[:3])
    # Whatever a server says is printed: nothing of it may move a cursor or carry credentials.
    said = re.sub(r"://[^/@\s]*@", "://", said)
    return re.sub(r"[^\x20-\x7e]+", " ", said)[:400]


def _check_start(location: str) -> None:
    if not location or location.startswith("-") or re.search(r"[\x00-\x1f\x7f]", location):
        raise Refused("the repository is neither a path nor a URL; write a folder, or https:// or ssh://")
    if "::" in location.partition("/")[0]:
        raise Refused(f"{location.partition('::')[0]}:: is not allowed for a repository; write https:// or ssh://")


def _taken_apart(location: str) -> tuple[str, str, str]:
    _check_start(location)
    if "://" in location:
        return _of_url(location)
    if _SCP.fullmatch(location) and not Path(location).exists():
        return location, "", ""
    return str(Path(location).resolve()), "", ""


def _of_url(location: str) -> tuple[str, str, str]:
    try:
        parts = urlsplit(location)
        host, username, password, _ = parts.hostname or "", parts.username, parts.password, parts.port
    except ValueError:
        raise Refused("the repository is not a URL that can be read; write https://host/path") from None
    if parts.scheme not in _SECURE and not (parts.scheme in ("http", "git") and host in _LOOPBACK):
        raise Refused(f"{parts.scheme}:// is not allowed for a repository; write https:// or ssh://")
    if parts.scheme != "file" and (not host or host.startswith("-")):
        raise Refused("the repository's URL names no host; write https://host/path")
    if parts.scheme == "ssh":
        at = f"{quote(unquote(username), safe='')}@" if username else ""
        return urlunsplit(parts._replace(netloc=at + parts.netloc.rpartition("@")[2])), "", ""
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return address, unquote(username or ""), unquote(password or "")
