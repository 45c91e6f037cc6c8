"""Copies of a terraform state in a local folder, each made before something was changed."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from reconcilers.terraform_errors import Failed

NEVER_FEWER: Final = 3
"""So many of the newest are kept, however old they are."""
_INSTANT: Final = "%Y%m%dT%H%M%SZ"


def serial_of(state: bytes) -> int:
    """The serial of a state. Failed: this is none."""
    try:
        return int(json.loads(state)["serial"])
    except (ValueError, KeyError, TypeError):
        raise Failed("terraform state pull did not answer with a state: nothing is kept of it") from None


def keep(state: bytes, folder: Path, workspace: str, keep_days: int, now: datetime) -> Path:
    """Write a state into a folder, and remove those of this workspace that are older than `keep_days`.

    Failed: this is no state, or it cannot be written; then nothing is removed.
    """
    name = f"{quote(workspace, safe='')}-{now.astimezone(UTC).strftime(_INSTANT)}-{serial_of(state)}.tfstate"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / name, state)
    except OSError as error:
        raise Failed(f"the state cannot be kept in {folder}: {error.strerror}: make it a folder of trueup's") from None
    for old in _kept(folder, workspace)[:-NEVER_FEWER]:
        if _instant(old) < now - timedelta(days=keep_days):
            old.unlink(missing_ok=True)
    return folder / name


def _write(path: Path, state: bytes) -> None:
    """All of it or nothing, for nobody else to read."""
    new = path.with_suffix(f".{os.getpid()}")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(state)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def _kept(folder: Path, workspace: str) -> list[Path]:
    """Those of a workspace, oldest first."""
    ours = re.compile(rf"{re.escape(quote(workspace, safe=''))}-\d{{8}}T\d{{6}}Z-\d+\.tfstate")
    return sorted((path for path in folder.iterdir() if ours.fullmatch(path.name)), key=_instant)


def _instant(path: Path) -> datetime:
    return datetime.strptime(path.name.rsplit("-", 2)[1], _INSTANT).replace(tzinfo=UTC)
