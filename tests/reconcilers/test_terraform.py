"""The real terraform on a configuration at a commit: what it plans, does, refuses, survives, and never tells."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import boto3
import psutil
import pytest

from reconcilers import terraform_run
from reconcilers.terraform import (
    Applied,
    Broken,
    Busy,
    Check,
    Failed,
    Interrupted,
    Locked,
    MissingWorkspace,
    ProgramMissing,
    Stack,
    Stale,
    StateErrored,
    TimedOut,
    found,
)
from reconcilers.terraform_errors import IMPORTS
from rehearsal.server import Rehearsal
from tests.reconcilers.terraform_world import NOW, SLOW, Stage, sleeping, thing, until
from tests.terraform_state import StateServer, state_server
from tests.tools import tool


@pytest.fixture(autouse=True)
def _installed() -> None:
    tool("terraform")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def server() -> Iterator[StateServer]:
    with state_server() as kept:
        yield kept


def terraforms() -> list[psutil.Process]:
    """The terraform processes that we started."""
    return [one for one in psutil.Process().children(recursive=True) if one.name() in ("terraform", "tofu")]


def counts(check: Check) -> tuple[int, int, int, int]:
    return check.add, check.change, check.destroy, check.replace


@contextmanager
def applying(stage: Stage, stack: Stack, marker: str) -> Iterator[list[object]]:
    """An apply that runs in another thread until the end of this; yields what it came to, once it has."""
    came: list[object] = []
    check = stage.check(stack)

    def run() -> None:
        try:
            came.append(stage.terraform.apply(stack, check))
        except Failed as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: sleeping(marker))
        yield came
    finally:
        for sleeper in sleeping(marker):
            sleeper.kill()
        thread.join()


def in_state(state: Path | bytes) -> dict[str, str]:
    told = json.loads(state.read_text() if isinstance(state, Path) else state)
    return {one["name"]: one["instances"][0].get("status", "whole") for one in told["resources"]}


# What is planned and done


def test_a_pin_is_applied_and_rests(stage: Stage) -> None:
    stack = stage.commit(thing("one", "input = 1") + thing("two"))

    check = stage.check(stack)
    assert (counts(check), check.differs, check.at, check.lineage) == ((2, 0, 0, 0), True, NOW, "")
    assert [(change.address, change.actions) for change in check.changes] == [
        ("terraform_data.one", ("create",)),
        ("terraform_data.two", ("create",)),
    ]
    applied = stage.terraform.apply(stack, check)
    assert applied == Applied(seconds=applied.seconds, add=2, change=0, destroy=0)

    again = stage.check(stack)
    assert (counts(again), again.differs, again.changes) == ((0, 0, 0, 0), False, ())
    assert again.lineage == json.loads(stage.state.read_text())["lineage"]
    assert again.serial == json.loads(stage.state.read_text())["serial"]
    assert again.version.count(".") == 2


def test_every_kind_of_change_is_counted_and_named(stage: Stage) -> None:
    before = thing("same") + thing("changed", "input = 1") + thing("gone") + thing("anew", "triggers_replace = 1")
    after = thing("same") + thing("changed", "input = 2") + thing("new") + thing("anew", "triggers_replace = 2")
    stage.applied(stage.commit(before))
    stack = stage.commit(after)

    check = stage.check(stack)

    assert counts(check) == (2, 1, 2, 1)
    told = {change.name: (set(change.actions), change.changed_fields) for change in check.changes}
    assert told == {
        "changed": ({"update"}, ("input", "output")),
        "new": ({"create"}, ()),
        "gone": ({"delete"}, ()),
        "anew": ({"create", "delete"}, ("id", "triggers_replace")),
    }
    applied = stage.terraform.apply(stack, check)
    assert (applied.add, applied.change, applied.destroy, applied.errored) == (2, 1, 2, "")


def test_the_pin_back_is_the_rollback(stage: Stage) -> None:
    old = stage.commit(thing("one", "input = 1"))
    stage.applied(old)
    stage.applied(stage.commit(thing("one", "input = 2")))

    assert counts(stage.check(old)) == (0, 1, 0, 0)
    stage.applied(old)
    assert not stage.check(old).differs


def test_what_somebody_did_by_hand_is_seen(stage: Stage) -> None:
    stack = stage.commit(thing("one", "input = 1"))
    stage.applied(stack)
    state = json.loads(stage.state.read_text())
    state["resources"][0]["instances"][0]["attributes"]["input"]["value"] = 7
    stage.state.write_text(json.dumps(state | {"serial": state["serial"] + 1}))

    check = stage.check(stack)

    assert [(change.name, change.actions) for change in check.changes] == [("one", ("update",))]


def test_outputs_alone_are_a_difference_without_their_values(stage: Stage) -> None:
    stage.applied(stage.commit('output "o" { value = "old-value" }\n'))

    check = stage.check(stage.commit('output "o" { value = "new-value" }\n'))

    assert (check.differs, check.outputs_changed, check.changes) == (True, True, ())
    assert "-value" not in repr(check)


def test_targets_and_a_file_of_variables(stage: Stage) -> None:
    text = 'variable "v" {}\n' + thing("one", "input = var.v") + thing("two", "input = var.v")
    file = {"infra/production.tfvars": "v = 3\n"}
    stack = stage.commit(text, files=file, variables_file="production.tfvars", targets=("terraform_data.two",))

    check = stage.check(stack)

    assert [change.name for change in check.changes] == ["two"]
    assert any("targeting" in warning for warning in check.warnings)
    assert stage.terraform.apply(stack, check).add == 1
    assert json.loads(stage.state.read_text())["resources"][0]["instances"][0]["attributes"]["input"]["value"] == 3


def test_the_files_of_the_commit_are_not_written_to_and_paths_do_not_change_with_it(stage: Stage) -> None:
    text = thing("one", "input = abspath(path.module)", 'provisioner "local-exec" { command = "touch made-by-it" }')
    first, second = stage.commit(text), stage.commit(text)
    before = sorted(first.root.rglob("*"))

    stage.applied(first)

    assert sorted(first.root.rglob("*")) == before
    assert not stage.check(second).differs


def test_entries_of_one_commit_keep_apart(stage: Stage) -> None:
    one = stage.commit(thing("one"), home="a")
    two = Stack(**{**vars(one), "home": stage.folder / "b"})

    check = stage.check(one)
    stage.check(two)

    assert stage.terraform.apply(one, check).add == 1
    assert stat.S_IMODE((stage.folder / "a").stat().st_mode) == 0o700


def test_an_import_is_part_of_the_plan_and_made_once(stage: Stage) -> None:
    imports = {"terraform_data.one": 'an-id "${x}"'}
    stack = stage.commit(thing("one") + thing("two"), imports=imports)
    check = stage.check(stack)
    assert {change.address: (change.actions, change.imported_as) for change in check.changes} == {
        "terraform_data.one": (("import",), 'an-id "${x}"'),
        "terraform_data.two": (("create",), ""),
    }

    assert stage.terraform.apply(stack, check).add == 1

    ids = {
        each["name"]: each["instances"][0]["attributes"]["id"]
        for each in json.loads(stage.state.read_text())["resources"]
    }
    assert ids["one"] == 'an-id "${x}"'
    assert not stage.check(stack).differs
    assert not stage.check(replace(stack, imports={})).differs


def test_an_import_needs_a_resource_in_the_configuration(stage: Stage) -> None:
    with pytest.raises(
        Broken,
        match=r"^imports is wrong: .*import target terraform_data.other does not exist.* in the environment file$",
    ):
        stage.check(stage.commit(thing("one"), imports={"terraform_data.other": "x"}))
    ours = {f"infra/{IMPORTS}": ""}
    with pytest.raises(Broken, match="rename it"):
        stage.check(stage.commit(thing("one"), files=ours, imports={"terraform_data.one": "x"}))


@pytest.mark.parametrize("target", ["terraform_data.typo", "terraform_data.one_more", "module.none"])
def test_a_target_that_is_nothing_is_refused(stage: Stage, target: str) -> None:
    stage.applied(stage.commit(thing("one")))
    with pytest.raises(Broken, match=rf"targets names {target}, which neither the commit nor the state has"):
        stage.check(stage.commit(thing("one"), targets=(target,)))


def test_a_target_may_be_indexed_in_a_module_or_only_in_the_state(stage: Stage) -> None:
    many = thing("many", 'for_each = toset(["a b", "c"])')
    module = {"infra/shop/main.tf": thing("inner")}
    text = thing("old") + many + 'module "shop" {\n  source = "./shop"\n}\n'
    stage.applied(stage.commit(text, files=module))
    less = text.replace(thing("old"), "")
    targets = ("terraform_data.old", 'terraform_data.many["a b"]', "module.shop", "module.shop.terraform_data.inner")
    for target in targets:
        stage.check(stage.commit(less, files=module, targets=(target,)))


def test_what_is_tainted_is_told_apart(stage: Stage) -> None:
    stack = stage.commit(thing("x", 'provisioner "local-exec" { command = "exit 1" }'))
    assert stage.applied(stack).errored
    (change,) = stage.check(stack).changes
    assert (change.replaces, change.tainted, change.sign) == (True, True, "±")


def test_a_plan_with_other_imports_is_another_plan(stage: Stage) -> None:
    stack = stage.commit(thing("one"))
    check = stage.check(stack)
    with pytest.raises(Stale):
        stage.terraform.apply(replace(stack, imports={"terraform_data.one": "x"}), check)


def test_a_check_can_leave_the_lock_alone(stage: Stage, server: StateServer) -> None:
    stage.backend = server.backend
    server.lock = {"ID": "7d3e"}
    stack = stage.commit(thing("one"))
    assert stage.terraform.check(stack, NOW, lock=False).differs
    with pytest.raises(Locked):
        stage.check(stack)


def test_what_only_looks_can_be_stopped_alone(stage: Stage, server: StateServer) -> None:
    stage.backend, server.delay = server.backend, 5.0
    looking, other = stage.commit(thing("one")), stage.commit(thing("one"), home="other")
    ended: list[Exception] = []

    def look() -> None:
        try:
            stage.check(looking)
        except Failed as error:
            ended.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    until(lambda: stage.terraform.running)
    stage.terraform.interrupt(other.home)
    time.sleep(0.2)
    assert thread.is_alive()
    server.delay = 0.0
    until(lambda: stage.terraform.interrupt(looking.home) or not thread.is_alive())
    assert not isinstance(ended[0], Interrupted)
    assert stage.check(other).differs  # only that one was asked to stop


@pytest.mark.skipif(not shutil.which("tofu"), reason="tofu is not installed")
def test_tofu_does_the_same(stage: Stage) -> None:
    stage.terraform = stage.process(program="tofu")
    stack = stage.commit(thing("one"))

    assert stage.applied(stack).add == 1
    assert not stage.check(stack).differs


# Workspaces and backends


def workspaces(stage: Stage) -> str:
    return f'terraform {{\n  backend "local" {{\n    workspace_dir = "{stage.folder}/kept"\n  }}\n}}\n'


def test_a_workspace_is_selected_and_never_made(stage: Stage) -> None:
    stage.backend = workspaces(stage)
    stack = stage.commit(thing("one"), workspace="production")
    with pytest.raises(
        MissingWorkspace, match=r"production does not exist: .* make it with terraform workspace new pro"
    ):
        stage.check(stack)
    assert not (stage.folder / "kept" / "production").exists()

    (stage.folder / "kept" / "production").mkdir(parents=True)
    stage.applied(stack)
    assert in_state(stage.folder / "kept" / "production" / "terraform.tfstate") == {"one": "whole"}


def test_a_workspace_that_the_file_no_longer_names_is_left(stage: Stage) -> None:
    named = f'  workspace_dir = "{stage.folder}/kept"\n  path = "{stage.state}"\n'
    stage.backend = f'terraform {{\n  backend "local" {{\n{named}  }}\n}}\n'
    (stage.folder / "kept" / "production").mkdir(parents=True)
    stage.applied(stage.commit(thing("one"), workspace="production"))

    assert counts(stage.check(stage.commit(thing("one")))) == (1, 0, 0, 0)
    assert counts(stage.check(stage.commit(thing("one"), workspace="default"))) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        pytest.param("\n", "names no backend", id="none"),
        pytest.param('terraform {\n  backend "local" {}\n}\n', "write an absolute path", id="beside the configuration"),
    ],
)
def test_a_state_that_would_go_with_the_commit_is_refused(stage: Stage, backend: str, said: str) -> None:
    stage.backend = backend

    with pytest.raises(Broken, match=said):
        stage.check(stage.commit(thing("one")))


def test_another_backend_in_another_commit_is_used_and_nothing_is_moved(stage: Stage, server: StateServer) -> None:
    stage.applied(stage.commit(thing("one")))
    stage.backend = server.backend

    assert counts(stage.check(stage.commit(thing("one")))) == (1, 0, 0, 0)
    assert server.state == b""


# What is wrong with a configuration


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('foo "x" {\n}\n', r'infra/main\.tf:4: Unsupported block type: Blocks of type "foo" are not expected'),
        (thing("x", "inptu = 1"), r'infra/main\.tf:5: Unsupported argument: An argument named "inptu"'),
        (thing("x", "input = var.v"), r'infra/main\.tf:5: Reference to undeclared input variable: .* "v" has not'),
        ('variable "v" {}\n', r'infra/main\.tf:4: No value for required variable: .*"v" is not set'),
        ('module "m" {\n  source = "./nowhere"\n}\n', "Unreadable module directory"),
        ('terraform {\n  required_version = ">= 99"\n}\n', r"infra/main\.tf:5: Unsupported .* version"),
        (thing("x", "input = {"), r"infra/main\.tf:"),
    ],
)
def test_a_broken_configuration_says_where(stage: Stage, text: str, said: str) -> None:
    with pytest.raises(Broken, match=said) as error:
        stage.check(stage.commit(text))

    assert "\n" not in f"{error.value}"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"variables_file": "nowhere.tfvars"}, "there is no file nowhere.tfvars in infra"),
        ({"targets": ("not an address",)}, "Invalid target"),
        ({"directory": "nowhere"}, "there is no folder nowhere"),
    ],
)
def test_what_the_commit_does_not_have_is_said(stage: Stage, how: dict[str, object], said: str) -> None:
    stack = stage.commit(thing("one"))

    with pytest.raises(Broken, match=said):
        stage.check(Stack(**{**vars(stack), **how}))


def test_an_apply_that_fails_tells_what_was_done_and_what_was_not(stage: Stage) -> None:
    failing = thing("bad", "depends_on = [terraform_data.one]", 'provisioner "local-exec" { command = "exit 7" }')

    applied = stage.applied(stage.commit(thing("one") + failing))

    assert (applied.add, applied.change, applied.destroy) == (1, 0, 0)
    assert "infra/main.tf:8: local-exec provisioner error" in applied.errored


# What is never told

SECRET = "tops3cret-value"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(thing("x", "input = var.s"), id="created"),
        pytest.param(
            thing("x", "input = { deep = [var.s] }") + 'output "o" {\n value = var.s\n sensitive = true\n}', id="deep"
        ),
        pytest.param(thing("x", f'input = "{SECRET}"'), id="in the code itself"),
        pytest.param(
            thing(
                "x", "input = 1", 'provisioner "local-exec" { command = "echo $V; exit 1"\nenvironment = {V = var.s}}'
            ),
            id="fails",
        ),
        pytest.param(thing("x", f'provisioner "local-exec" {{ command = "echo {SECRET}; exit 1" }}'), id="fails aloud"),
        pytest.param(thing("x", "input = var.s.none"), id="broken by it"),
        pytest.param(thing("x", "input = tonumber(nonsensitive(var.s))"), id="broken by its value"),
        pytest.param(thing("x", "input = file(nonsensitive(var.s))"), id="a file of that name"),
        pytest.param(
            'check "c" {\n assert {\ncondition = var.s == 1\nerror_message = nonsensitive(var.s)\n}\n}\n',
            id="a warning",
        ),
        pytest.param(
            thing(
                "x",
                "lifecycle {",
                " precondition {",
                "condition = nonsensitive(var.s) == 1",
                "error_message = nonsensitive(var.s)",
                "}",
                "}",
            ),
            id="a precondition",
        ),
        pytest.param('variable "v" {\n type = number\n default = "' + SECRET + '"\n}\n', id="a wrong default"),
    ],
)
@pytest.mark.parametrize("given", ["environment", "file", "default"])
def test_a_secret_is_in_nothing_that_is_returned_or_raised(
    stage: Stage, text: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = f'  default = "{SECRET}"\n' if given == "default" else ""
    file = {"infra/v.tfvars": f's = "{SECRET}"\n' if given == "file" else ""}
    if given == "environment":
        monkeypatch.setenv("TF_VAR_s", SECRET)
    stack = stage.commit(
        f'variable "s" {{\n  sensitive = true\n{default}}}\n{text}', files=file, variables_file="v.tfvars"
    )
    told: list[object] = []
    try:
        told.append(check := stage.check(stack))
        told.append(stage.terraform.apply(stack, check))
        told.append(stage.terraform.running)
    except Failed as error:
        told += [error, error.args, repr(error.__cause__)]

    assert told
    assert SECRET not in repr(told)
    assert not any(SECRET in str(one) for one in told)


def test_nobody_else_can_read_what_is_kept(stage: Stage) -> None:
    stack = stage.commit(thing("one"))
    stage.check(stack)

    assert stat.S_IMODE(stack.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((stack.home / "plan.tfplan").stat().st_mode) == 0o600


# Locks, deadlines, ends


def test_a_lock_of_somebody_else_is_told_and_left(stage: Stage) -> None:
    other = stage.commit(SLOW % "61.1", home="other")
    with applying(stage, other, "61.1"):
        with pytest.raises(Locked) as locked:
            stage.check(stage.commit(thing("one")))
        holder = json.loads(next(stage.state.parent.glob(".*.lock.info")).read_text())

    error = locked.value
    assert (error.id, error.who, error.operation) == (holder["ID"], holder["Who"], "apply")
    assert error.when[:10] == holder["Created"][:10]
    assert f"locked by {holder['Who']} for apply since {error.when}" in f"{error}"
    assert f"terraform force-unlock {holder['ID']}" in f"{error}"


def test_a_lock_on_a_server_is_told_and_left(stage: Stage, server: StateServer) -> None:
    stage.backend = server.backend
    stack = stage.commit(thing("one"))
    check = stage.check(stack)
    server.lock = {
        "ID": "7d3e",
        "Who": "ann@laptop",
        "Operation": "OperationTypePlan",
        "Created": "2026-02-24T11:58:01Z",
    }

    for ask in (
        lambda: stage.terraform.apply(stack, check),
        lambda: stage.check(stack),
    ):
        with pytest.raises(Locked) as locked:
            ask()
        # Who it is, terraform does not say of this backend: it shows what its own lock would have been.
        assert (locked.value.id, locked.value.who, locked.value.when) == ("7d3e", "", "")
    assert server.lock["ID"] == "7d3e"

    server.lock = {}
    assert stage.applied(stack).add == 1


S3 = """
terraform {
  backend "s3" {
    bucket                      = "state"
    key                         = "terraform.tfstate"
    region                      = "us-east-1"
    use_lockfile                = true
    use_path_style              = true
    skip_credentials_validation = true
    skip_requesting_account_id  = true
  }
}
"""


def test_a_bucket_keeps_the_state_and_tells_who_holds_its_lock(stage: Stage) -> None:
    stage.backend = S3
    with Rehearsal() as aws:
        bucket = boto3.client("s3", region_name="us-east-1", endpoint_url=aws.url)
        bucket.create_bucket(Bucket="state")
        stack = stage.commit(thing("one"), environ={"AWS_ENDPOINT_URL": aws.url})
        assert stage.applied(stack).add == 1
        state = bucket.get_object(Bucket="state", Key="terraform.tfstate")["Body"].read()
        assert json.loads(state) == json.loads(stage.terraform.state(stack))
        lock = {"ID": "7d3e", "Who": "ann@laptop", "Operation": "OperationTypePlan", "Created": "2026-02-24T11:58:01Z"}
        bucket.put_object(Bucket="state", Key="terraform.tfstate.tflock", Body=json.dumps(lock))

        with pytest.raises(Locked, match=r"by ann@laptop for plan since 2026-02-24 11:58:01 .* \(lock 7d3e\)"):
            stage.check(stack)


def test_an_apply_that_takes_too_long_is_stopped_and_saves_what_it_did(stage: Stage) -> None:
    stack = stage.commit(SLOW % "61.2")
    check = stage.check(stack)
    hasty = stage.process(timeout=1)

    with pytest.raises(TimedOut, match="did not end within 1 seconds"):
        hasty.apply(stack, check)

    assert in_state(stage.state) == {"first": "whole", "slow": "tainted"}
    assert not sleeping("61.2")
    assert counts(stage.check(stack)) == (2, 0, 1, 1)


def test_what_does_not_stop_is_killed(stage: Stage, server: StateServer, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.backend = server.backend
    stack = stage.commit(thing("one"))
    stage.check(stack)
    server.delay = 5
    monkeypatch.setattr(terraform_run, "GRACE", 0.3)
    started = time.monotonic()

    with pytest.raises(TimedOut):
        stage.process(timeout=1).check(stack, NOW)

    assert time.monotonic() - started < 4
    assert not terraforms()


def test_to_stop_is_to_stop_gently_and_for_good(stage: Stage, server: StateServer) -> None:
    stage.backend = server.backend
    stack = stage.commit(SLOW % "61.3")
    with applying(stage, stack, "61.3") as came:
        server.delay = 0.5
        for _ in range(3):  # asked twice, terraform itself would end at once, and save nothing
            stage.terraform.stop()
            time.sleep(0.15)
        until(lambda: came)

    assert isinstance(came[0], Interrupted)
    assert in_state(server.state) == {"first": "whole", "slow": "tainted"}
    assert not server.lock
    with pytest.raises(Interrupted, match="not started"):
        stage.check(stack)
    assert stage.process().check(stack, NOW).differs


def test_a_terraform_that_is_killed_leaves_what_it_did(stage: Stage) -> None:
    stack = stage.commit(SLOW % "61.4")
    with applying(stage, stack, "61.4") as came:
        terraforms()[0].kill()
        until(lambda: came)

    assert isinstance(came[0], Applied)
    assert (came[0].add, came[0].errored) == (1, "terraform apply was killed by signal 9: the next look goes on")
    assert not stage.check(stage.commit(thing("first"))).differs


def test_a_terraform_that_is_killed_leaves_its_lock_on_a_server(stage: Stage, server: StateServer) -> None:
    stage.backend = server.backend
    stack = stage.commit(SLOW % "61.5")
    with applying(stage, stack, "61.5") as came:
        terraforms()[0].kill()
        until(lambda: came)
    left = server.lock["ID"]

    with pytest.raises(Locked) as locked:
        stage.check(stack)
    assert locked.value.id == left
    assert f"locked by somebody (lock {left}): wait" in f"{locked.value}"

    server.lock = {}  # a person has said force-unlock
    assert stage.applied(stage.commit(thing("first") + thing("slow"))).errored == ""


DAEMON = """
import sys, datetime, pathlib
from reconcilers.terraform import Stack, Terraform
root, home, plugins = map(pathlib.Path, sys.argv[1:])
stack = Stack(root, "infra", None, None, (), home)
terraform = Terraform("", plugins, 60)
terraform.apply(stack, terraform.check(stack, datetime.datetime.now(datetime.UTC)))
"""


def test_a_daemon_that_is_killed_leaves_a_terraform_that_ends_by_itself(stage: Stage) -> None:
    stack = stage.commit(SLOW % "61.6")
    command = [sys.executable, "-c", DAEMON, str(stack.root), str(stack.home), str(stage.folder / "plugins")]
    environ = os.environ | {"PYTHONPATH": f"{os.environ['PYTHONPATH']}:{Path(__file__).parents[2]}"}
    with subprocess.Popen(command, env=environ) as daemon:
        until(lambda: sleeping("61.6"))
        daemon.kill()

    with pytest.raises(Busy, match="wait for it"):
        stage.check(stack)

    (sleeper,) = sleeping("61.6")
    sleeper.send_signal(signal.SIGTERM)
    # Not before it has let go of the lock: the state may be half written.
    until(lambda: not list(stage.state.parent.glob(".*.lock.info")) and "slow" in in_state(stage.state))
    until(lambda: _free(stage, stack))
    assert in_state(stage.state) == {"first": "whole", "slow": "tainted"}


def _free(stage: Stage, stack: Stack) -> bool:
    try:
        return stage.check(stack).differs
    except Busy:
        return False


# Plans that are no longer good, and states that could not be saved


def test_a_plan_is_stale_once_the_state_has_moved(stage: Stage) -> None:
    stack = stage.commit(thing("one"))
    check = stage.check(stack)
    stage.applied(stage.commit(thing("two"), home="other"))

    with pytest.raises(Stale, match="look again"):
        stage.terraform.apply(stack, check)

    assert in_state(stage.state) == {"two": "whole"}


@pytest.mark.parametrize("change", ["another look", "other bytes", "gone", "another commit"])
def test_only_the_very_plan_that_was_looked_at_is_applied(stage: Stage, change: str) -> None:
    stack = stage.commit(thing("one"))
    check = stage.check(stack)
    if change == "another look":
        stage.check(stage.commit(thing("two")))
    elif change == "other bytes":
        check.plan.write_bytes(check.plan.read_bytes() + b" ")
    elif change == "gone":
        check.plan.unlink()
    else:
        stack = stage.commit(thing("one"))

    with pytest.raises(Stale, match="no longer the one"):
        stage.terraform.apply(stack, check)

    assert not stage.state.exists()


def test_a_state_that_could_not_be_saved_is_kept_until_a_person_has(stage: Stage, server: StateServer) -> None:
    stage.backend = server.backend
    stack = stage.commit(thing("one"))
    check = stage.check(stack)
    server.refuses_writes = True

    with pytest.raises(StateErrored, match="save it with terraform state push, then remove the file") as errored:
        stage.terraform.apply(stack, check)

    kept = errored.value.path
    assert kept.parent == stack.home
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["resources"][0]["name"] == "one"
    server.refuses_writes = False
    for ask in (stage.check, lambda stack: stage.terraform.apply(stack, check)):
        with pytest.raises(StateErrored):  # it would make everything once more
            ask(stage.commit(thing("one")))
    server.state, server.lock = kept.read_bytes(), {}
    kept.unlink()
    assert not stage.check(stack).differs


def test_a_state_that_a_killed_daemon_left_is_found(stage: Stage) -> None:
    stack = stage.commit(thing("one"))
    stage.check(stack)
    (stack.home / "work" / "infra" / "errored.tfstate").write_text("{}")

    for _ in range(2):
        with pytest.raises(StateErrored) as errored:
            stage.check(stage.commit(thing("one")))
        assert errored.value.path.read_text() == "{}"


# The program and its surroundings


def test_a_program_that_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tofu").write_text("#!/bin/sh\n")
    (tmp_path / "tofu").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    assert found() == f"{tmp_path}/tofu"

    monkeypatch.setenv("PATH", f"{tmp_path}/nowhere")
    with pytest.raises(ProgramMissing, match="neither terraform nor tofu is on this machine: install"):
        found()
    with pytest.raises(ProgramMissing, match="my-terraform is not on this machine"):
        found("my-terraform")


def test_surroundings_are_made_from_scratch(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "show").write_text(f'#!/bin/sh\nenv > {tmp_path}/seen; echo "$@" > {tmp_path}/words; exit 1\n')
    (tmp_path / "show").chmod(0o755)
    for name in (
        "TF_LOG",
        "TF_CLI_ARGS",
        "TF_WORKSPACE",
        "LD_PRELOAD_X",
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "TF_VAR_a",
    ):
        monkeypatch.setenv(name, f"of-the-daemon-{name}")
    stack = stage.commit(thing("one"), files={"infra/.terraform.lock.hcl": ""}, environ={"AWS_ACCESS_KEY_ID": "key"})

    with pytest.raises(Failed, match="did not say why"):
        stage.process(program=str(tmp_path / "show")).check(stack, NOW)

    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines())
    assert seen["TF_VAR_a"] == "of-the-daemon-TF_VAR_a"
    assert seen["AWS_ACCESS_KEY_ID"] == "key"  # and nothing that goes with another key
    assert not {"TF_LOG", "TF_CLI_ARGS", "TF_WORKSPACE", "LD_PRELOAD_X", "AWS_PROFILE", "AWS_SESSION_TOKEN"} & set(seen)
    assert seen["HOME"] == str(stack.home)
    assert Path(seen["TF_DATA_DIR"]).parent == Path(seen["TMPDIR"]).parent == stack.home
    assert Path(seen["TF_CLI_CONFIG_FILE"]).read_bytes() == b""
    assert "-lockfile=readonly" in (tmp_path / "words").read_text().split()


def test_the_plugin_cache_is_filled_by_one_at_a_time(stage: Stage, tmp_path: Path) -> None:
    stack = stage.commit(thing("one"))
    with terraform_run.Runs(1).filling(stage.folder / "plugins"):
        started = time.monotonic()
        with pytest.raises(TimedOut, match="filling"):
            stage.process(timeout=0.5).check(stack, NOW)
        assert time.monotonic() - started >= 0.5

    assert stage.check(stack).differs
