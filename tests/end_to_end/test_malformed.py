"""A file that is wrong changes nothing: refused within seconds, and the last good commit stays in force."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.world import CLUSTER, FILE, HEAD, SERVICE, Daemon, World, api, eventually, world

GOOD = api("task_revision: 124")


def _bomb(levels: int, per_level: int, start: str) -> str:
    names = [f"a{level}" for level in range(levels)]
    lines = [f"{names[0]}: &{names[0]} {start}"]
    for before, name in itertools.pairwise(names):
        lines.append(f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * per_level)}]}}")
    return "\n".join(lines) + "\n"


def _aliases(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


BAD = {
    "empty": b"",
    "only comments": b"# nothing\n",
    "null": b"null\n",
    "a scalar": b"hello\n",
    "a list": b"- version: 1\n",
    "no services section's value": (HEAD + "services:\n").encode(),
    "a service without anything": (HEAD + "services: {api: }\n").encode(),
    "null service": (HEAD + "services: {api: null}\n").encode(),
    "merge-key bomb": _bomb(9, 9, "{x: 1}").encode(),
    "alias bomb": _aliases(9).encode(),
    "a list that holds itself": b"a: &a [*a]\n",
    "200 kB of opening brackets": b"[" * 200_000,
    "200 kB of nested maps": b"{a:" * 70_000,
    "200 kB of nested maps, closed": b"{a: " * 40_000 + b"1" + b"}" * 40_000,
    "2 MB": GOOD.encode() + b"# " + b"x" * 2_000_000,
    "200,000 keys in less than 1 MiB": b"".join(b"%x:\n" % n for n in range(150_000)),
    "not UTF-8": GOOD.encode() + b"# \xff\xfe\n",
    "UTF-16": GOOD.encode("utf-16"),
    "NUL": GOOD.encode() + b"# \0\n",
    "a second document": GOOD.encode() + b"---\n" + GOOD.encode(),
    "tabs": GOOD.replace("    service", "\t\tservice").encode(),
    "a Python object": GOOD.encode() + b"x: !!python/object/apply:os.system [id]\n",
    "binary": api("image_tag: !!binary aGk=").encode(),
    "an anchor": GOOD.replace("  api:", "  api: &x").encode(),
    "a duplicate key": api("task_revision: 124", "task_revision: 123").encode(),
    "two entries of one service": (GOOD + f"  again: {{cluster: {CLUSTER}, service: {SERVICE}}}\n").encode(),
    "an unknown key": api("task_revison: 124").encode(),
    "an unknown section": (GOOD + "serivces: {}\n").encode(),
    "image_tag 1.20": api("image_tag: 1.20").encode(),
    "image_tag NO": api("image_tag: NO").encode(),
    "image_tag 0123": api("image_tag: 0123").encode(),
    "image_tag 1:30": api("image_tag: 1:30").encode(),
    "image_tag 2024-01-01": api("image_tag: 2024-01-01").encode(),
    "image_tag latest": api("image_tag: latest").encode(),
    "image_tag of another repository": api("image_tag: evil.example/x:1").encode(),
    "env yes": api("env: {FLAG: yes}").encode(),
    "env number": api("env: {N: 1}").encode(),
    "env name with =": api('env: {"A=B": "1"}').encode(),
    "revision 0": api("task_revision: 0").encode(),
    "revision -1": api("task_revision: -1").encode(),
    "revision 1.5": api("task_revision: 1.5").encode(),
    "a huge revision": api(f"task_revision: {'9' * 400}").encode(),
    "a huge hexadecimal number": api(f"task_revision: 0x{'f' * 5000}").encode(),
    "infinity": api("desired_count: .inf").encode(),
    "count -1": api("desired_count: -1").encode(),
    "an instant without offset": api("restarted_at: 2024-02-24T12:00:00").encode(),
    "a path as service": GOOD.replace(SERVICE, "../../etc/passwd").encode(),
    "an option as service": GOOD.replace(SERVICE, "--upload-pack=id").encode(),
    "a shell's work as cluster": GOOD.replace(CLUSTER, "$(id)").encode(),
    "a key with terminal codes": (GOOD + '"\\e[2J": 1\n').encode(),
    "letters that only look like others": GOOD.replace(
        "replaydash-production-api", "repl\u0430ydash-production-api"
    ).encode(),
    "version 2": GOOD.replace("version: 1", "version: 2").encode(),
    "version true": GOOD.replace("version: 1", "version: true").encode(),
    "an ARN for a region": GOOD.replace("us-east-1", "arn:aws:iam::1:role/x").encode(),
}
# One of each kind; 50 commits back is as far as the last good one is looked for.
COMMITTED = (
    "empty",
    "a list",
    "null service",
    "merge-key bomb",
    "alias bomb",
    "a list that holds itself",
    "200 kB of opening brackets",
    "200 kB of nested maps, closed",
    "2 MB",
    "200,000 keys in less than 1 MiB",
    "not UTF-8",
    "NUL",
    "a second document",
    "a Python object",
    "a duplicate key",
    "two entries of one service",
    "image_tag 1.20",
    "a huge hexadecimal number",
    "a path as service",
    "a key with terminal codes",
)
CUTS = tuple(range(3, len(GOOD) - 20, 23))


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in BAD.items()])
def test_validate_refuses_it_within_seconds(tmp_path: Path, content: bytes) -> None:
    """The same function that the command calls, in this process: an example of each kind goes through it below."""
    (tmp_path / FILE).write_bytes(content)
    begun = time.monotonic()

    from daemon.cli import run

    assert run(["validate", str(tmp_path / FILE)]) == 1
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("names", [list(BAD)], ids=["all of them"])
def test_the_command_refuses_all_of_them_without_a_traceback(tmp_path: Path, names: list[str]) -> None:
    files = []
    for number, name in enumerate(names):
        files.append(tmp_path / f"{number}.yaml")
        files[-1].write_bytes(BAD[name])
    made = World(tmp_path, None, None)

    done = made.trueup("validate", *map(str, files))

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
    unnamed = [name for name, file in zip(names, files, strict=True) if f"{file}:" not in done.stderr]
    assert unnamed == [], "each file is named"
    assert done.stdout == ""
    assert max(map(len, done.stderr.splitlines())) < 1000


@pytest.fixture(scope="module")
def following(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Daemon]]:
    """A daemon in sync with the good file."""
    with world(tmp_path_factory.mktemp("malformed"), rollout=0.4) as made:
        yield made, made.following(GOOD, interval=0.2)


def test_a_malformed_commit_writes_nothing_and_the_last_good_one_stays_in_force(
    following: tuple[World, Daemon],
) -> None:
    made, daemon = following
    good = daemon.environment()["commit"]

    for name in COMMITTED:
        head = _commit(made, BAD[name])
        eventually(lambda head=head: daemon.status()["git"]["head"] == head, every=0.05)
        assert (daemon.environment()["commit"], daemon.environment()["valid"]) == (good, False), name

    daemon.after_passes(1)
    assert daemon.metric('trueup_desired_state_valid{environment="replaydash-production"}') == 0
    assert daemon.condition("desired_state") == "stalled"
    assert daemon.condition() == "in_sync"
    assert daemon.status()["git"]["problems"]
    assert made.writes() == []
    assert "Traceback" not in daemon.printed()


def test_drift_is_still_repaired_by_the_last_good_commit_and_a_good_commit_heals(
    following: tuple[World, Daemon],
) -> None:
    made, daemon = following
    _commit(made, BAD["2 MB"])
    made.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=f"{SERVICE}:121")
    eventually(lambda: made.settled_on("124"))

    healed = made.git.commit(api("task_revision: 123"))
    eventually(lambda: daemon.in_sync(healed))

    assert daemon.metric('trueup_desired_state_valid{environment="replaydash-production"}') == 1
    assert daemon.condition("desired_state") in ("", "in_sync")
    assert daemon.status()["git"]["problems"] == []


def test_a_file_that_is_cut_off_anywhere_never_changes_production(following: tuple[World, Daemon]) -> None:
    """Where what is left happens to be a good file, it is one that pins less: nothing is written either."""
    made, daemon = following
    back = made.git.commit(GOOD)
    eventually(lambda: daemon.in_sync(back))
    made.aws.clear_calls()

    for cut in CUTS:
        head = _commit(made, GOOD.encode()[:cut])
        eventually(lambda head=head: daemon.status()["git"]["head"] == head, every=0.05)

    daemon.after_passes(2)
    assert made.writes() == []


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda file: file.symlink_to("/etc/passwd"), id="a link"),
        pytest.param(lambda file: file.mkdir(), id="an empty folder"),
        pytest.param(lambda file: None, id="gone"),
    ],
)
def test_what_is_no_file_at_all_changes_nothing(following: tuple[World, Daemon], make) -> None:
    made, daemon = following
    back = made.git.commit(GOOD)
    eventually(lambda: daemon.in_sync(back))
    made.aws.clear_calls()
    file = made.git.folder / FILE

    file.unlink()
    make(file)
    made.git.run("add", "-A")
    made.git.run("commit", "--quiet", "--allow-empty", "-m", "Not a file")
    head = made.git.run("rev-parse", "HEAD")
    eventually(lambda: daemon.status()["git"]["head"] == head)
    daemon.after_passes(1)

    assert daemon.environment()["commit"] == back
    assert daemon.status()["git"]["problems"]
    assert made.writes() == []
    assert "root:" not in daemon.printed() + daemon.get("/api/v1/status")
    made.git.run("rm", "-rq", "--ignore-unmatch", FILE)
    if file.is_dir():
        file.rmdir()


def _commit(made: World, content: bytes) -> str:
    (made.git.folder / FILE).write_bytes(content)
    made.git.run("add", "-A")
    made.git.run("commit", "--quiet", "--allow-empty", "-m", "Bad")
    return made.git.run("rev-parse", "HEAD")
