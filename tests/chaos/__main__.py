"""``python -m tests.chaos``: a long run by hand, with SECONDS and SEED from the environment, as ``make chaos`` does it.

Prints every broken promise, then one JSON line with the figures; the exit code is 1 when there was any.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from openbell.postgres.embedded import EmbeddedServer
from tests.chaos.run import Plan, run

SHOWN = 40


async def main(folder: Path) -> int:
    """Run, report, and keep the folder only when there is something to look at."""
    plan = Plan(
        seed=int(os.environ.get("SEED", "1")),
        seconds=float(os.environ.get("SECONDS", "300")),
        mutant=os.environ.get("MUTANT"),
        pace=float(os.environ.get("PACE", "1")),
    )
    server = EmbeddedServer(folder / "database")
    try:
        report = await run(plan, folder, server, await server.start())
    finally:
        await server.stop()
    for rule, seen in report.violations[:SHOWN]:
        print(f"BROKEN {rule}: {seen}")
    if report.violations:
        print(f"{len(report.violations)} in all: {dict(report.broken)}; the record is in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(report.figures))
    return 1 if report.violations else 0


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="ob-chaos-"))
    place.chmod(0o755)  # PostgreSQL runs as another user when we are root
    sys.exit(asyncio.run(main(place)))
