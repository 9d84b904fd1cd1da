"""``python -m tests.conformance``: the whole table, as Markdown, from a server of its own.

Openbell runs in this environment, its peers in ``.venv-conformance``, which ``make conformance`` makes from
requirements.txt. With ``--write`` the table goes into docs/conformance.md, between its two marks.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import asyncpg

from openbell.postgres.embedded import EmbeddedServer
from tests.conformance.run_one import ENGINES
from tests.conformance.suite import SCENARIOS
from tests.support import TestServer

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".venv-conformance" / "bin" / "python"
PAGE = ROOT / "docs" / "conformance.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
WORDS = {True: "kept", False: "**broken**", None: "–"}


async def main(folder: Path) -> str:
    """The table and its footnotes."""
    server = EmbeddedServer(folder / "database", settings={"max_connections": "150"})
    dsn = await server.start()
    try:
        rows = [await _row(dsn, engine) for engine in ENGINES]
    finally:
        await server.stop()
    return _table(rows)


async def _row(dsn: str, engine: str) -> dict[str, Any]:
    names = [f"{engine}_{number}" for number in range(len(SCENARIOS))]
    connection = await asyncpg.connect(dsn)
    for name in names:
        await connection.execute(f"create database {name}")
    await connection.close()
    python = sys.executable if engine == "openbell" else str(PEERS)
    process = await asyncio.create_subprocess_exec(
        python, "-m", "tests.conformance.run_one", engine, *(TestServer(dsn).dsn_of(name) for name in names),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{engine} could not be run: {errors.decode()[-2_000:]}")
    row: dict[str, Any] = json.loads(output.decode().splitlines()[-1])
    return row


def _table(rows: list[dict[str, Any]]) -> str:
    lines = ["| engine | " + " | ".join(SCENARIOS) + " |", "|---" * (len(SCENARIOS) + 1) + "|"]
    notes = []
    for row in rows:
        cells = [WORDS[row[name]["kept"]] for name in SCENARIOS]
        lines.append(f"| {row['engine']} {row['version']} | " + " | ".join(cells) + " |")
        notes.append(
            f"- **{row['engine']} {row['version']}**, by {row['how']}. "
            + " ".join(_note(name, row[name]) for name in SCENARIOS)
        )
    return "\n".join([*lines, "", *notes])


def _note(name: str, verdict: dict[str, Any]) -> str:
    return f"{name.capitalize()}: {verdict['seen']}."


def _write(table: str) -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="ob-conf-"))
    place.chmod(0o755)  # PostgreSQL runs as another user when we are root
    made = asyncio.run(main(place))
    print(made)
    if "--write" in sys.argv:
        _write(made)
