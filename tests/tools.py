"""Programs that some tests need. Where one is missing the test is skipped, or fails if TRUEUP_ALL_TOOLS is set."""

import os
import shutil
from collections.abc import Iterable

import pytest


def tool(name: str, folders: Iterable[str] = ()) -> str:
    """The path of a program: in these folders, else on the PATH."""
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    if found:
        return found
    end = pytest.fail if os.environ.get("TRUEUP_ALL_TOOLS") else pytest.skip
    return end(f"{name} is not installed")
