"""Where terraform works, and on which threads: made of the settings of a run."""

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from daemon.settings import cache_of
from desired_state.tree import Trees
from reconcilers.terraform import Terraform
from reconcilers.workshop import Report, Workshop

_LONGEST_END: Final = 300.0  # seconds that an apply may take to come to an end; whoever is in a hurry kills us first
_LONGEST_LOOK: Final = 10.0  # the same for a check, which has nothing to save; it gives the lock back
_LOOK: Final = 0.05


def open_workshop(
    chosen: argparse.Namespace,
    *,
    days: int = 0,
    rehearsed_in: Path | None = None,
    on_applied: Callable[[str, str, Report], None] = lambda *_: None,
) -> Workshop:
    """The workshop of a run. `days`: for which a state is kept. `rehearsed_in`: a folder that is thrown away, for a
    command that writes nothing.
    """
    cache = cache_of(chosen.cache, chosen.repository or "")
    return Workshop(
        Terraform(chosen.terraform or "", cache / "plugins", chosen.terraform_timeout),
        Trees(cache, own=chosen.repository or "", timeout=chosen.git_timeout),
        rehearsed_in or homes(chosen),
        _in_a_thread,
        backups=kept(chosen),
        days=days,
        only_looks=rehearsed_in is not None,
        wall=lambda: datetime.now(UTC),
        on_applied=on_applied,
    )


def homes(chosen: argparse.Namespace) -> Path:
    """Where the daemon's terraform has its folders."""
    return cache_of(chosen.cache, chosen.repository or "") / "terraform"


@contextmanager
def rehearsal(chosen: argparse.Namespace) -> Iterator[Workshop]:
    """The workshop of a command that writes nothing: its folder is thrown away, for plans hold secrets."""
    cache = cache_of(chosen.cache, chosen.repository or "")
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache, prefix="plan-", ignore_cleanup_errors=True) as folder:
        workshop = open_workshop(chosen, rehearsed_in=Path(folder))
        try:
            yield workshop
        finally:
            end(workshop)


def end(workshop: Workshop) -> None:
    """Let what runs come to an end: killed, terraform would forget what it was making."""
    workshop.stop()
    began = time.monotonic()
    while workshop.working and time.monotonic() - began < (_LONGEST_END if workshop.applying else _LONGEST_LOOK):
        time.sleep(_LOOK)


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="terraform", daemon=True).start()


def kept(chosen: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> str:
    """Where states are kept. If nothing is said, not in the cache, which may be emptied, unless there is no home."""
    home = os.path.expanduser("~")
    root = environ.get("XDG_STATE_HOME") or (f"{home}/.local/state" if os.path.isabs(home) else "")
    in_cache = f"{cache_of(chosen.cache, chosen.repository or '') / 'state-backups'}"
    return str(chosen.state_backups or (f"{root}/trueup/state-backups" if root else in_cache))
