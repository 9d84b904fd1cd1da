"""What every process of the benchmarks does: it hears ``go``, ``look`` and ``stop``, and speaks in JSON."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvloop

Options = dict[str, Any]


class Orders:
    """What the measuring process says: ``go``, ``look`` and ``stop``; its end means all of them."""

    def __init__(self) -> None:
        self.go, self.look, self.stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def listen(self) -> None:
        """Until the end of standard input."""
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            {b"go": self.go, b"look": self.look}.get(line.strip(), self.stop).set()
        for order in (self.go, self.look, self.stop):
            order.set()


Role = Callable[[str, Orders, Options], Awaitable[dict[str, Any]]]
"""What a process does with a database (its DSN), its orders and its options; answers what it says last."""


def tell(**said: Any) -> None:
    """One JSON line to whoever measures."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


async def _play(role: Role, dsn: str, options: Options) -> None:
    orders = Orders()
    hearing = asyncio.create_task(orders.listen())
    tell(last=True, **await role(dsn, orders, options))
    hearing.cancel()


def main(roles: Mapping[str, Role]) -> None:
    """Play the role that the command line names to its end: ``ROLE DSN OPTIONS``."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    role, dsn, options = sys.argv[1:4]
    uvloop.run(_play(roles[role], dsn, json.loads(options)))
