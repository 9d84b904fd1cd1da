"""The door for people at a terminal: `openbell …`."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code. Errors become one sentence on stderr."""
    from openbell.cli import lifeline

    lifeline.hold()
    from openbell.cli.app import run

    return run(sys.argv[1:] if arguments is None else arguments)
