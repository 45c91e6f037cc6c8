"""What holds for every test: loopback only, and no AWS account anywhere in sight."""

import importlib.util
import os
import signal
from pathlib import Path

_GUARD = Path(__file__).parent / "guard"


def pytest_configure() -> None:
    """Guard this process and, by PYTHONPATH, every Python process that a test starts."""
    spec = importlib.util.spec_from_file_location("trueup_guard", _GUARD / "sitecustomize.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    # Where the tests run in the background a shell makes them deaf for Ctrl-C, and so every process that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for variable in [name for name in os.environ if name.startswith(("AWS_", "TRUEUP_"))]:
        if variable != "TRUEUP_ALL_TOOLS":
            del os.environ[variable]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "PYTHONPATH": str(_GUARD),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
