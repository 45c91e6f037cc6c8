"""The same rollback by the runbook, by ecs-deploy and by trueup, on one rehearsal AWS a round.

The clock starts with the first command (for trueup: with `git commit`); nobody's typing, reading or editing is counted.
Every method begins with the service COMPLETED on the same revision, and the bench itself polls the service, in the same
way for all, until the PRIMARY deployment is another one and COMPLETED. Its own polls are taken out of the calls.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.bench.comparison import Run, against_the_runbook, section
from tests.bench.first_write import updated_at
from tests.bench.left_behind import difference, with_image
from tests.bench.methods import CONTAINER, IMAGE, REVISION, STARTING, TAGGED, Method, Task
from tests.bench.production import production
from tests.bench.table import Section
from tests.end_to_end.world import CLUSTER, FILE, SERVICE, Daemon, World, api, eventually

_ROLLOUT = 1.5  # seconds that a deployment takes in the rehearsal; minutes in AWS, the same for every method
_INTERVAL = 1.0  # seconds between two polls of trueup
_POLL = 0.05


def measure(folder: Path, rounds: int) -> list[Section]:
    """Both tasks, all methods, so many rounds, and trueup against the runbook's own commands."""
    revision, tagged = (_measured(folder / name, task, rounds) for name, task in (("a", REVISION), ("b", TAGGED)))
    sections = [section(REVISION, revision, _ROLLOUT), section(TAGGED, tagged, _ROLLOUT)]
    return [*sections, against_the_runbook(REVISION, revision, _INTERVAL)]


def _measured(folder: Path, task: Task, rounds: int) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {method.name: [] for method in task.methods}
    for number in range(rounds):
        with production(folder / f"round-{number}", rollout=_ROLLOUT) as world:
            _publish(world)
            for method in task.methods:
                daemon = _begin(world, method, pause=_INTERVAL * (number + 0.5) / rounds)
                runs[method.name].append(_run(world, task, method, daemon))
                _end(daemon)
    return runs


def _publish(world: World) -> None:
    """A bare repository to push to, as a team has one."""
    world.git.commit(api(f"task_revision: {STARTING}"))
    subprocess.run(["git", "clone", "--quiet", "--bare", world.git.folder, _origin(world)], check=True, timeout=30)
    world.git.run("remote", "add", "origin", str(_origin(world)))


def _begin(world: World, method: Method, pause: float) -> Daemon | None:
    """Revision 124, COMPLETED, whatever the method before left; for trueup a running daemon, and the edited file.

    The pause spreads the rounds over the poll interval.
    """
    if not world.settled_on(str(STARTING)):
        world.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=f"{SERVICE}:{STARTING}")
        eventually(lambda: world.settled_on(str(STARTING)))
    if not method.edit:
        return None
    daemon = world.daemon("--repository", str(_origin(world)), interval=_INTERVAL)
    eventually(lambda: daemon.in_sync(_head(world)), every=_POLL)
    (world.git.folder / FILE).write_text(method.edit)
    time.sleep(pause)
    return daemon


def _run(world: World, task: Task, method: Method, daemon: Daemon | None) -> Run:
    ahead = world.aws.ahead()
    world.aws.clear_calls()
    started = time.time()
    process = _script(world, method)
    try:
        polls = _until_stable(world, process)
    except AssertionError as error:
        process.kill()
        said = f"{process.communicate()[0]}{daemon.printed() if daemon else ''}"
        raise RuntimeError(f"{method.name}: {error}\n{said}") from error
    stable = time.time()
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, f"{method.name} failed: {said}"
    commit = _head(world)
    if daemon:
        eventually(lambda: daemon.in_sync(commit), every=_POLL)
    done = time.time()
    updated, calls = updated_at(world), world.aws.calls()
    assert updated is not None, f"{method.name} updated nothing"
    return Run(
        seconds=(updated - ahead - started, stable - started, done - started),
        calls=_counted(calls, polls),
        retired=tuple(c["summary"]["taskDefinition"] for c in calls if c["operation"] == "DeregisterTaskDefinition"),
        left=_left(world, task),
    )


def _script(world: World, method: Method) -> subprocess.Popen[str]:
    who = {f"GIT_{role}_{part}": "ann@example.test" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    rest = {"PATH": path, "HOME": str(world.folder), "AWS_DEFAULT_REGION": "us-east-1"}
    return subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", method.script],
        cwd=world.git.folder,
        env=world.environ | who | rest,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _until_stable(world: World, process: subprocess.Popen[str]) -> int:
    """Returns how often the service was polled."""
    ecs, polls = world.client("ecs"), 0
    end = time.monotonic() + 60
    while True:
        polls += 1
        service = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
        primary = next(each for each in service["deployments"] if each["status"] == "PRIMARY")
        moved = not primary["taskDefinition"].endswith(f":{STARTING}")
        if moved and primary["rolloutState"] == "COMPLETED":
            return polls
        assert process.poll() in (None, 0), "a command failed"
        assert time.monotonic() < end, "the service was not stable within a minute"
        time.sleep(_POLL)


def _counted(calls: list[dict[str, object]], polls: int) -> Counter[str]:
    counted = Counter(str(call["operation"]) for call in calls)
    counted["DescribeServices"] -= polls
    return +counted


def _left(world: World, task: Task) -> str:
    ecs = world.client("ecs")
    base = ecs.describe_task_definition(taskDefinition=f"{SERVICE}:{task.base}", include=["TAGS"])
    return str(difference(with_image(base, CONTAINER, IMAGE), world.running()))


def _end(daemon: Daemon | None) -> None:
    if daemon:
        assert daemon.stop() == 0, daemon.printed()


def _head(world: World) -> str:
    return world.git.run("rev-parse", "HEAD")


def _origin(world: World) -> Path:
    return world.folder / "origin.git"
