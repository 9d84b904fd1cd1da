"""Requests that nobody thought of, made from the OpenAPI document by schemathesis, to a web process on a real socket.

    python -m tests.web.fuzz --requests 20000 --seed 1

brings up a database of its own, asks as an operator, and ends with one line of figures. The exit code is 1 when an
answer was a server error, had a status or a type that the document does not name, or another form.
`/api/v1/stream` is left out: it does not end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from openbell.people import add_person
from openbell.people.doors import make_token
from openbell.postgres.embedded import EmbeddedServer
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import open_pool
from openbell.products import registry

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
COVERAGE, PER_EXAMPLE = 800, 24
"""Requests that the edges of the document come to, and that one more example of each operation adds, roughly."""


@dataclass(frozen=True)
class Fuzzed:
    """How many requests were made, and what schemathesis says."""

    requests: int
    passed: bool
    said: str


async def fuzz(address: str, token: str, *, examples: int, seed: int, folder: Path, phases: str) -> Fuzzed:
    """Ask everything that the document of a running web process names."""
    report = folder / "report.ndjson"
    arguments = [
        "run", f"{address}/openapi.json", "--checks", CHECKS, "--max-examples", str(examples), "--seed", str(seed),
        "--exclude-path", "/api/v1/stream", "--header", f"Authorization:Bearer {token}", "--no-shrink",
        "--phases", phases, "--workers", "2", "--continue-on-failure",
        "--report", "ndjson", "--report-ndjson-path", str(report),
        "--suppress-health-check", "all", "--request-timeout", "30", "--warnings", "off", "--no-color",
    ]  # fmt: skip
    program = Path(sys.executable).parent / "schemathesis"
    child = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder
    )
    told, _ = await child.communicate()
    said = told.decode()
    counted = re.search(r"([\d,]+) generated", said)
    return Fuzzed(int(counted[1].replace(",", "")) if counted else 0, child.returncode == 0, said)


async def operators_token(pool: asyncpg.Pool) -> str:
    """A token with which everything may be asked."""
    boss = await add_person(pool, "boss@example.com", role="admin", state="active")
    return await make_token(pool, boss, "fuzz", scope="operator")


async def _main(requests: int, seed: int) -> int:
    from tests.web.conftest import serve

    with tempfile.TemporaryDirectory(prefix="ob-") as name:
        folder = Path(name)
        server = EmbeddedServer(folder)
        dsn = await server.start()
        try:
            await migrate(dsn)
            pool = await open_pool(dsn, name="fuzz", max_size=2)
            await registry().seed(pool)
            async with serve(dsn, pool, cron_secret="a" * 20, warmup_secret="b" * 20) as site:
                await site.ready()
                token = await operators_token(pool)
                examples = max(1, (requests - COVERAGE) // PER_EXAMPLE)
                phases = "examples,coverage,fuzzing"
                done = await fuzz(site.address, token, examples=examples, seed=seed, folder=folder, phases=phases)
            await pool.close()
        finally:
            await server.stop()
    sys.stderr.write(done.said)
    print(json.dumps({"requests": done.requests, "passed": done.passed, "seed": seed}))
    return 0 if done.passed else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.exit(asyncio.run(_main(given.requests, given.seed)))
