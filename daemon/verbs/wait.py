"""`trueup wait`: block until a commit is in force and in sync, for a CI job that must know how it ended."""

import argparse
import json
import re
import sys
import time
from dataclasses import replace
from typing import Any, Final

from daemon import settings, verb
from daemon.verb import Verb
from daemon.verbs import client
from daemon.verbs.ancestry import Ancestry
from daemon.verbs.arrival import Result, Verdict, is_of, judge
from daemon.verbs.changes import changes
from daemon.verbs.client import Unreached
from daemon.verbs.seen import Seen
from daemon.verbs.status_text import short

_CODES: Final = {Result.IN_SYNC: 0, Result.STALLED: 2, Result.REFUSED: 2, Result.UNKNOWN: 1, Result.TIMED_OUT: 3}
_TIMES: Final = (
    ("--timeout", "10m", "how long to wait: 90s, 10m, 1h"),
    ("--interval", "2s", "time between two looks at the daemon"),
)
_HELP: Final = "only a new commit or a person can help"
_SURE: Final = 2  # looks in a row that must say that there is no such environment: one is being taken in


def wait(chosen: argparse.Namespace) -> int:
    """`trueup wait`."""
    name = client.name_of(chosen.environment, chosen.daemon)
    watch = _Watch(chosen.daemon, name, chosen.commit, as_json=chosen.output == "json")
    begun = time.monotonic()
    verdict = watch.until(begun + chosen.timeout, chosen.interval)
    seconds = time.monotonic() - begun
    if chosen.output == "json":
        sys.stdout.write(json.dumps(_as_json(watch, verdict, seconds), indent=2) + "\n")
    else:
        sys.stdout.write(_closing(watch, verdict, seconds))
    return _CODES[verdict.result]


class _Watch:
    """Looks at a daemon until a commit has arrived or cannot arrive any more."""

    def __init__(self, address: str, name: str, commit: str, *, as_json: bool) -> None:
        self.name, self.commit = name, commit
        self._address = address
        self._out = sys.stderr if as_json else sys.stdout
        self._before: Seen | None = None
        self._last = Verdict(Result.WAITING)
        self._was_in_force = self._rewritten = False
        self._silent = False
        self._unknown = 0
        self._ancestry = Ancestry(address, name, commit)

    def until(self, end: float, interval: float) -> Verdict:
        """Look until it has ended, or `end` (monotonic seconds). What cannot be reached is asked again."""
        while True:
            self._look()
            self._unknown = self._unknown + 1 if self._last.result is Result.UNKNOWN else 0
            if self._last.result is not Result.WAITING and self._unknown in (0, _SURE):
                return self._last
            if time.monotonic() + interval >= end:
                time.sleep(max(0.0, end - time.monotonic()))
                self._look()
                late = self._last.result in (Result.WAITING, Result.UNKNOWN)
                return replace(self._last, result=Result.TIMED_OUT) if late else self._last
            time.sleep(interval)

    def _look(self) -> None:
        try:
            now = client.status(self._address)
        except Unreached as error:
            if not self._silent:
                self._say(f"{error}; asking again until the time is up")
            self._silent = True
            self._last = Verdict(Result.WAITING, (f"{error}",))
            return
        self._silent = False
        for line in changes(self._before, now, {self.name}):
            self._say(line)
        self._before = now
        self._rewritten |= now.git.rewritten
        known = self._was_in_force and not self._rewritten
        self._last = judge(now, self.name, self.commit, lambda other: known or self._ancestry.in_history_of(other))
        self._was_in_force |= is_of(self._last.in_force, self.commit)
        if self._last.arrived and not is_of(self._last.in_force, self.commit):
            self._last = self._unless_taken_back(self._last)

    def _unless_taken_back(self, verdict: Verdict) -> Verdict:
        """A commit that trueup has taken back since has not held, however well the later one does."""
        by = self._ancestry.taken_back_by(verdict.in_force)
        if not by:
            return verdict
        reason = f"it failed its checks, and commit {short(by)} took it back"
        return replace(verdict, result=Result.STALLED, reasons=(reason, *verdict.reasons), taken_back_by=by)

    def _say(self, line: str) -> None:
        print(line, file=self._out, flush=True)


def _closing(watch: _Watch, verdict: Verdict, seconds: float) -> str:
    took, by = f"after {seconds:.0f} s", verdict.taken_back_by
    words = {
        Result.IN_SYNC: f"in sync {took}" + (", verified" if verdict.verified else ""),
        Result.STALLED: f"taken back by {short(by)} {took}" if by else f"stalled {took}: {_HELP}",
        Result.REFUSED: f"refused {took}: the file is bad at this commit, and what was in force stays",
        Result.UNKNOWN: "no such environment",
        Result.TIMED_OUT: f"not there {took}: the time is up",
    }
    told = [f"{watch.name} at commit {short(watch.commit)}: {words[verdict.result]}"]
    return "".join(f"{line}\n" for line in (*told, *(f"  {reason}" for reason in verdict.reasons)))


def _as_json(watch: _Watch, verdict: Verdict, seconds: float) -> dict[str, Any]:
    return {
        "environment": watch.name,
        "commit": watch.commit,
        "result": verdict.result.value,
        "in_force": verdict.in_force or None,
        "verified": verdict.verified,
        "seconds": round(seconds, 1),
        "reasons": list(verdict.reasons),
    }


def _commit(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{7,64}", text):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is no commit: write at least 7 characters of its id")
    return text.lower()


_ABOUT = """
Block until a commit is in force and in sync (verified, where the file says verify).

  trueup wait replaydash-production --commit $GITHUB_SHA --timeout 15m
  trueup wait production.yaml --commit 1a2b3c4 --output json

A line is printed at each change. A later commit that is in force counts in its place if
it contains this one, as the daemon's history or a clone in this folder says, unless
trueup took this one back. A daemon that restarts meanwhile is asked again.
Exit code: 0 in sync, 2 stalled or refused, with the reasons, 3 timed out, 1 error.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser)
    parser.add_argument("--commit", required=True, type=_commit, metavar="SHA", help="at least 7 characters of its id")
    for name, default, about in _TIMES:  # by no environment variable: TRUEUP_INTERVAL is the daemon's
        shown = f"{about} (default: {default})"
        parser.add_argument(name, type=settings.duration, default=default, metavar="TIME", help=shown)
    verb.output(parser)
    client.arguments(parser)


VERB = Verb("wait", verb.LOOK, "block until a commit is in sync, for CI", _ABOUT, wait, arguments=_arguments)
