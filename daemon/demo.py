"""`trueup demo`: a rollback story in the terminal, played for real on a rehearsal AWS on this machine."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from daemon.demo_stage import FILE, Missed, Stage, stage
from daemon.demo_teller import Teller, live, said
from daemon.demo_unwell import unwell
from rehearsal.replaydash_names import (
    ALB,
    API,
    BAD_TAG,
    CLUSTER,
    DATABASE,
    DATABASE_HOST,
    HOST,
    LIVE_REVISION,
    REGION,
    SECRET,
    SNAPSHOT,
    ZONE,
)

NAME = f"db.{ZONE}"

_FIRST = f"""version: 1
environment: replaydash-production
aws: {{region: us-east-1}}
services:
  api:
    cluster: {CLUSTER}
    service: {API}
    container: api
    task_revision: {LIVE_REVISION}
    databases: [postgres]
databases:
  postgres:
    secret: {SECRET}
    endpoint: {DATABASE_HOST}:5432
    dns: {{zone: {ZONE}, record: {NAME}}}
maintenance:
  enabled: false
  load_balancer: {ALB}
"""
_ENDPOINT = f"    endpoint: {DATABASE_HOST}:5432\n"
_RESTORED = f"{DATABASE}-restored"
_RESTORE = f"""    restore:
      snapshot: {SNAPSHOT}
      instance: {_RESTORED}
      like: {DATABASE}
    quiesce: [api]
"""
_PIN = f"    task_revision: {LIVE_REVISION}\n"
_BY_HAND = 122  # the revision that somebody deploys by hand in the story
_VARIABLE = "NEW_CHECKOUT"


Step = Callable[[Stage, Teller], float]


def tell(*, stay: bool) -> int:
    """Play the story. Returns 0 when all of it came about. `stay`: then leave everything running until Ctrl-C."""
    for each in (signal.SIGTERM, signal.SIGHUP):  # also where the terminal is closed, nothing is left running
        signal.signal(each, lambda *_: sys.exit(1))
    teller = Teller(Console(highlight=False))
    teller.console.print(Text.assemble(("trueup demo", "bold"), ("  nothing leaves this machine", "dim")))
    teller.console.print("Starting a rehearsal AWS, a git repository and trueup …")
    try:
        with stage(_FIRST) as on:
            teller.block("AWS", [f"{on.aws.url} with two services, a load balancer and a database"])
            teller.block("git", [f"{FILE} pins {API}:{LIVE_REVISION}, which is what runs"])
            teller.block("trueup", [f"http://{on.address}/metrics; it looks every second"])
            for title, about, step in _STORY:
                teller.chapter(title, about)
                teller.ended(title, step(on, teller))
            _close(on, teller)
            if stay:
                _stay(on, teller)
    except Missed as missed:
        teller.console.print(Text(f"The demo did not get through: {missed}", style="red"))
        return 1
    return 0


def _bad_release(on: Stage, teller: Teller) -> float:
    text = _FIRST.replace(_PIN, f"{_PIN}    image_tag: {BAD_TAG}\n")
    teller.block("plan", on.plan(text, teller.width), "dim")
    commit = on.commit(text, f"Release {BAD_TAG}")
    started = time.monotonic()
    said(on, teller)
    on.until(lambda: "failed" in on.resource("api").get("reason", "") and on.status()["commit"] == commit)
    seconds = time.monotonic() - started
    teller.block("AWS", [live(on)], "yellow")
    teller.block("trueup", [f"{on.resource('api')['condition']}: {on.resource('api')['reason']}"], "yellow")
    wanted = (r'trueup_resource_condition\{condition="progressing".*kind="service"', "trueup_changes_total.*ok.*deploy")
    teller.block("metrics", on.metrics(*wanted))
    return seconds


def _revert(on: Stage, teller: Teller) -> float:
    teller.block("plan", on.plan(_FIRST, teller.width), "dim")
    on.aws.clear_calls()
    commit = on.revert()
    started = time.monotonic()
    said(on, teller)
    # On a slow machine ECS may have given the release up by itself meanwhile: then there is nothing to call.
    first = on.until(lambda: on.calls("UpdateService") or on.in_sync(commit))
    on.until(lambda: on.in_sync(commit))
    seconds = time.monotonic() - started
    calls = [f"{len(on.calls(each))} {each}" for each in ("UpdateService", "RegisterTaskDefinition")]
    teller.block("AWS", [live(on), f"{' and '.join(calls)}; {first:.1f} s after the commit"], "green")
    return seconds


def _by_hand(on: Stage, teller: Teller) -> float:
    on.aws.clear_calls()
    on.ecs().update_service(cluster=CLUSTER, service=API, taskDefinition=f"{API}:{_BY_HAND}")
    started = time.monotonic()
    teller.block("by hand", [f"aws ecs update-service … --task-definition {API}:{_BY_HAND}"], "red")
    first = on.until(lambda: len(on.calls("UpdateService")) > 1)
    on.until(lambda: on.live() == (f"{API}:{LIVE_REVISION}", "COMPLETED") and on.status()["in_sync"])
    seconds = time.monotonic() - started
    teller.block("AWS", [f"{live(on)}; seen and corrected {first:.1f} s after the change"], "green")
    teller.block("metrics", on.metrics("trueup_changes_total.*ok.*deploy"))
    return seconds


def _variable(on: Stage, teller: Teller) -> float:
    text = _FIRST.replace(_PIN, f"{_PIN}    env: {{{_VARIABLE}: enabled}}\n")
    teller.block("plan", on.plan(text, teller.width), "dim")
    commit = on.commit(text, "Enable the new checkout")
    started = time.monotonic()
    said(on, teller)
    on.until(lambda: on.in_sync(commit))
    teller.block("AWS", [f"{live(on)}; {_VARIABLE} is {on.variable(_VARIABLE)}"], "green")
    back = on.revert()
    said(on, teller)
    on.until(lambda: on.in_sync(back))
    seconds = time.monotonic() - started
    teller.block("AWS", [f"{live(on)}; {_VARIABLE} is {on.variable(_VARIABLE)}"], "green")
    return seconds


def _maintenance(on: Stage, teller: Teller) -> float:
    text = _FIRST.replace("enabled: false", "enabled: true")
    teller.block("plan", on.plan(text, teller.width), "dim")
    commit = on.commit(text, "Show the maintenance page")
    started = time.monotonic()
    said(on, teller)
    on.until(lambda: on.in_sync(commit))
    teller.block("AWS", [f"https://{HOST}/any/path  {_page(on)}"], "yellow")
    teller.block("metrics", on.metrics("trueup_maintenance_enabled"))
    back = on.revert()
    said(on, teller)
    on.until(lambda: on.in_sync(back))
    seconds = time.monotonic() - started
    teller.block("AWS", [f"https://{HOST}/any/path  {_page(on)}"], "green")
    return seconds


def _database(on: Stage, teller: Teller) -> float:
    text = _FIRST.replace(_ENDPOINT, _RESTORE)
    teller.block("plan", [_cut(line) for line in on.plan(text, teller.width)], "dim")
    on.aws.clear_calls()
    commit = on.commit(text, "Go back to the database of 24 February")
    started = time.monotonic()
    said(on, teller)
    teller.block("trueup", [_because(on, commit, "is creating")], "yellow")
    teller.block("", [_because(on, commit, "no task of these services runs")], "yellow")
    on.until(lambda: on.in_sync(commit))
    seconds = time.monotonic() - started
    teller.block("AWS", _led(on), "green")
    writes = ("RestoreDBInstanceFromDBSnapshot", "PutSecretValue", "ChangeResourceRecordSets", "UpdateService")
    teller.block("", [", ".join(f"{len(on.calls(each))} {each}" for each in writes)], "green")
    back = on.revert()
    teller.block("commit", [on.git("log", "-1", "--format=%h %s")], "bold")
    on.until(lambda: on.in_sync(back))
    teller.block("AWS", _led(on), "green")
    teller.block("", [f"{_RESTORED} stays, until a person deletes it: trueup deletes no database"], "yellow")
    return seconds


_STORY: tuple[tuple[str, str, Step], ...] = (
    ("A bad release", "A new image is committed. Its tasks never become healthy.", _bad_release),
    ("The rollback", "One `git revert`. It does not wait until the stuck rollout has ended.", _revert),
    ("A change by hand", "Somebody deploys an old revision with the AWS command line.", _by_hand),
    ("A variable, there and back", "A variable is pinned; the revert of that commit takes it away again.", _variable),
    (
        "The database rollback",
        "A migration went wrong. One commit restores a snapshot, and leads the tasks to it when it is ready.",
        _database,
    ),
    ("Maintenance", "The load balancer shows a page for every path, until the revert.", _maintenance),
    (
        "A release that is not well",
        "AWS calls it COMPLETED, and its users get an error. The file says what healthy means.",
        partial(unwell, _FIRST, _PIN),
    ),
)


def _because(on: Stage, commit: str, words: str) -> str:
    """What trueup says of the database, once these words are in it."""
    on.until(lambda: words in on.resource("postgres").get("reason", "") or on.in_sync(commit))
    return str(on.resource("postgres")["reason"])


def _led(on: Stage) -> list[str]:
    """Where the secret and the name lead, and what runs."""
    lines = [f"secret {SECRET}: {on.host()}", f"{NAME}: {on.cname(NAME)}"]
    return [*lines, f"{live(on)}; {on.running()} tasks"]


def _cut(line: str, longest: int = 260) -> str:
    return line if len(line) <= longest else f"{line[:longest]}…"


def _page(on: Stage) -> str:
    found = on.aws.route(ALB, HOST, "/any/path")
    if found["action"] == "fixed-response":
        return f"{found['status']} {found['body']}"
    return f"is forwarded to {', '.join(group['name'] for group in found['target_groups'])}"


def _close(on: Stage, teller: Teller) -> None:
    teller.console.print()
    teller.console.rule(Text(" What it took ", style="bold"), align="left", style="dim")
    for title, seconds in teller.took:
        teller.console.print(f"{title:<28} {seconds:5.1f} s")
    commits = on.git("rev-list", "--count", "HEAD")
    teller.console.print(
        f"{commits} commits; what takes the rehearsal AWS 5 s, a rollout or a restore, takes minutes in life."
    )


def _stay(on: Stage, teller: Teller) -> None:
    """Leave everything running, and say how to go on by hand."""
    teller.console.print()
    teller.console.rule(Text(" Go on by hand ", style="bold"), align="left", style="dim")
    for line in _by_yourself(on):
        teller.console.print(Text(line), soft_wrap=True)
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda *_: stop.set())
    while not stop.wait(3600):
        pass
    teller.console.print("Stopped; nothing is left behind.")


def _by_yourself(on: Stage) -> Iterator[str]:
    yield f"AWS     {on.aws.url}"
    yield f"trueup  http://{on.address}/api/v1/status"
    yield f"git     {on.folder}"
    yield "In another terminal:"
    yield f"  export AWS_ENDPOINT_URL={on.aws.url} AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION}"
    here = Path(sys.executable).parent
    yield f"  export AWS_ACCESS_KEY_ID=rehearsal AWS_SECRET_ACCESS_KEY=rehearsal PATH={here}:$PATH"
    yield f"  cd {on.folder} && sed -i 's/task_revision: {LIVE_REVISION}/task_revision: 123/' {FILE}"
    yield "Then three things to try:"
    yield f"  trueup plan {FILE}"
    yield f"  git commit -am 'Roll back to 123' && watch -n 1 'curl -s http://{on.address}/api/v1/status'"
    yield f"  curl -s http://{on.address}/metrics | grep trueup_"
    yield "Ctrl-C ends it all."
