"""`trueup`, and `python -m daemon`."""

import sys

from daemon.cli import run


def main() -> None:
    """The command's entry point."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
