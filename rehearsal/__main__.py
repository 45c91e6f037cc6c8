"""`python -m rehearsal`: an AWS on this machine until somebody stops it."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from rehearsal.clock import Pace
from rehearsal.server import Rehearsal

_HELP = """\
Serves an AWS on this machine that is as strict and as slow as the real one, so that a rollback can be rehearsed.
It prints what to export; point trueup, the awscli (with --endpoint-url) or any SDK at it, with any access key.
Nothing is kept: every start is a new AWS. Ctrl-C stops it."""
_SEEDS = """\
replaydash: the production of the ReplayDash runbook, with five revisions of its API behind it;
empty: nothing (default: %(default)s)"""


def main(words: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. The exit code: 0, or 1 where the port is taken."""
    chosen = _parser().parse_args(words)
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    pace = Pace(rollout=chosen.rollout, creating=chosen.creating)
    try:
        rehearsal = Rehearsal(port=chosen.port, pace=pace, throttle=chosen.throttle)
    except (OSError, OverflowError) as error:
        sys.stderr.write(f"cannot listen on port {chosen.port}: {error}\n")
        return 1
    with rehearsal:
        if chosen.seed == "replaydash":
            from rehearsal import replaydash

            replaydash.seed(rehearsal.url)
            rehearsal.clear_calls()
        region = "AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1"  # the awscli reads only the second
        keys = "AWS_ACCESS_KEY_ID=rehearsal AWS_SECRET_ACCESS_KEY=rehearsal"
        sys.stdout.write(f"export AWS_ENDPOINT_URL={rehearsal.url}\nexport {region} {keys}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--port",
        type=int,
        default=4566,
        metavar="N",
        help="where to listen, on 127.0.0.1 only; 0: any free port (default: %(default)s)",
    )
    add("--seed", choices=("replaydash", "empty"), default="replaydash", help=_SEEDS)
    add(
        "--rollout",
        type=_seconds,
        default=20.0,
        metavar="SECONDS",
        help="how long a deployment takes (default: %(default)s)",
    )
    add(
        "--creating",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long a restored database takes (default: %(default)s)",
    )
    add("--throttle", action="store_true", help="refuse what comes faster than AWS's published request rates")
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
