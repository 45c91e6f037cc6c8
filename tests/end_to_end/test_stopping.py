"""SIGTERM ends the daemon soon, whichever of its threads the kernel hands the signal to."""

import os
import signal

import pytest

from tests.end_to_end.world import World, api


@pytest.mark.parametrize(
    "main", [pytest.param(True, id="the main thread"), pytest.param(False, id="a thread that cannot run handlers")]
)
def test_a_sigterm_ends_the_process_whichever_thread_receives_it(replaydash: World, main: bool) -> None:
    replaydash.git.commit(api("task_revision: 124"))
    daemon = replaydash.daemon(interval=30.0)
    pid = daemon.process.pid
    other = next(int(thread) for thread in os.listdir(f"/proc/{pid}/task") if int(thread) != pid)

    os.kill(pid if main else other, signal.SIGTERM)  # Linux offers a signal first to the thread that is named

    assert daemon.process.wait(3) == 0
