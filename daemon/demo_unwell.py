"""The chapter of a release that AWS calls COMPLETED and that does not serve: held, and then taken back by itself."""

import time

from daemon.demo_stage import Stage
from daemon.demo_teller import Teller, live, said
from rehearsal.replaydash_names import API, SICK_TAG

_SHOWN = ("Times", "Post-rollback checklist")  # the parts of the report that are shown


def unwell(first: str, pin: str, on: Stage, teller: Teller) -> float:
    """Hold it, go back by hand, then let trueup go back. `first`: the file so far; `pin`: the line of its revision."""
    _held(first, pin, on, teller)
    seconds = _taken_back(first, pin, on, teller)
    since = f"{int(seconds) + 1}s"
    teller.block("report", [f"trueup report {on.status()['environment']} --since {since}"], "bold")
    teller.block("", _parts(on.report(since, teller.width)), "dim")
    return seconds


def _held(first: str, pin: str, on: Stage, teller: Teller) -> None:
    well = _verified(first, on, "hold")
    asked = on.commit(well, "Say what healthy means")
    said(on, teller)
    on.until(lambda: on.in_sync(asked))
    teller.block("trueup", [f"verified: {_checks(on)}"], "green")
    bad = on.commit(well.replace(pin, f"{pin}    image_tag: {SICK_TAG}\n"), f"Release {SICK_TAG}")
    said(on, teller)
    on.until(lambda: live(on).endswith("is COMPLETED") and on.status()["commit"] == bad)
    teller.block("AWS", [live(on)], "yellow")
    on.until(lambda: on.resource("verification").get("condition") == "stalled")
    teller.block("trueup", [f"stalled: {on.resource('verification')['reason']}"], "red")
    teller.block("metrics", on.metrics("trueup_verified"))
    back = on.revert()
    said(on, teller)
    on.until(lambda: on.in_sync(back))
    teller.block("AWS", [f"{live(on)}; verified"], "green")


def _taken_back(first: str, pin: str, on: Stage, teller: Teller) -> float:
    well = _verified(first, on, "revert")
    allowed = on.commit(well, "Let trueup go back by itself")
    said(on, teller)
    on.until(lambda: on.in_sync(allowed))
    bad = on.commit(well.replace(pin, f"{pin}    image_tag: {SICK_TAG}\n"), f"Release {SICK_TAG} once more")
    started = time.monotonic()
    said(on, teller)
    on.until(lambda: on.git("rev-parse", "HEAD") != bad)
    teller.block("trueup", [f"pushed a commit of its own after {time.monotonic() - started:.1f} s"], "yellow")
    said(on, teller)
    on.until(lambda: on.in_sync(on.git("rev-parse", "HEAD")))
    seconds = time.monotonic() - started
    teller.block("AWS", [f"{live(on)}; verified, {seconds:.1f} s after the release"], "green")
    teller.block("metrics", on.metrics("trueup_verified", "trueup_reverts_total"))
    return seconds


def _verified(first: str, on: Stage, on_failure: str) -> str:
    """The file with what must hold; the page is the one that the rehearsal AWS serves for the service."""
    url = f"{on.aws.url}/_rehearsal/app/{API}/health"
    checks = f"verify:\n  http: [{{url: {url}, contains: ok}}]\n  running_tasks: true\n"
    return f"{first}{checks}on_failure: {on_failure}\n"


def _checks(on: Stage) -> str:
    return "; ".join(f"{each['check']}: {each['evidence']}" for each in on.resource("verification").get("checks", []))


def _parts(report: list[str]) -> list[str]:
    """What it came to, how long all of it took, and the checklist; the timeline has been told already."""
    summary = [line for line in report if line.startswith("**")]
    shown, title = [*summary], ""
    for line in report:
        title = line.removeprefix("## ") if line.startswith("## ") else title
        shown += [line] if title in _SHOWN and line else []
    return shown
