"""A worker of awa for the suite; see :mod:`tests.conformance.engines.process`."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

from awa import AsyncClient

from tests.conformance.engines.process import say


@dataclass
class Work:
    """The job."""

    n: int


async def main(options: dict[str, Any]) -> None:
    """Run until killed."""
    client: Any = AsyncClient(options["dsn"])
    words: asyncio.Queue[str] = asyncio.Queue()

    @client.task(Work, queue=options["queue"])
    async def work(_job: Any) -> None:
        say("began")
        word = await words.get()
        say("ended")
        if word == "fail":
            raise RuntimeError("it broke")

    await client.start(
        [(options["queue"], 4)], poll_interval_ms=100, leader_election_interval_ms=1000, heartbeat_interval_ms=2000,
        heartbeat_rescue_interval_ms=1000, heartbeat_staleness_ms=10_000, promote_interval_ms=200,
    )  # fmt: skip
    say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        words.put_nowait(line.strip())


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
