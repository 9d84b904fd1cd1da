"""A real worker process: ``python tests/engine/processes.py '{"dsn": …, "url": …}'``.

    dsn, url      the database and the provider
    granted       calls in any ``span_s`` seconds
    keys          how many keys it has, each with that limit; without, it has one
    slots         jobs at a time
    grace_s       how long it may drain
    poll_s        how often it looks for work that no hint has told it of

It says ``ready`` once it listens, drains on SIGTERM, and exits 0.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from datetime import timedelta

from openbell.engine import worker as worker_module
from openbell.engine.ledger import Limit, by_key
from openbell.engine.worker import Worker
from openbell.postgres.pool import open_pool
from openbell.products import registry
from openbell.products.context import contexts
from openbell.products.sources import Connections, Source


async def main(order: dict[str, object]) -> None:
    """Work until SIGTERM."""
    worker_module.POLL_S = float(str(order.get("poll_s", worker_module.POLL_S)))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    pool = await open_pool(str(order["dsn"]), name="worker process")
    names = [f"k{n}" for n in range(1, int(str(order.get("keys", 0))) + 1)]
    keys = {name: "sandbox" if name == "k1" else f"sandbox-{name[1:]}" for name in names}
    connections = Connections({"fmp": Source(str(order["url"]), "sandbox", keys)})
    span = timedelta(seconds=float(str(order.get("span_s", 60))))
    limits = [
        Limit("fmp", "calls", "minute", int(str(order.get("granted", 1_000))), span=span),
        Limit("fmp", "bytes", "day", 10**12, span=timedelta(days=1)),
    ]
    worker = Worker(
        pool,
        str(order["dsn"]),
        registry(),
        limits=by_key(limits, names) if names else limits,
        context=contexts(connections),
        slots=int(str(order.get("slots", 4))),
        grace_s=float(str(order.get("grace_s", 2.0))),
    )
    running = asyncio.create_task(worker.run(stop))
    listening = asyncio.create_task(worker.hints.listening.wait())
    await asyncio.wait((running, listening), return_when=asyncio.FIRST_COMPLETED)
    print("ready", flush=True)
    await running
    await connections.close()
    pool.terminate()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asyncio.run(main(json.loads(sys.argv[1])))
