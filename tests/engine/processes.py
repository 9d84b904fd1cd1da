"""A real worker process: ``python tests/engine/processes.py '{"dsn": …, "url": …}'``.

    dsn, url      the database and the provider
    granted       calls in any ``span_s`` seconds
    keys          how many keys it has, each with that limit; without, it has one
    slots         jobs at a time
    grace_s       how long it may drain
    poll_s        how often it looks for work that no hint has told it of
    rival         whether it knows the challenger of quotes

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
from openbell.engine.challenger import Rule, challenger
from openbell.engine.ledger import Limit, by_key
from openbell.engine.registry import Calls, seconds
from openbell.engine.worker import Worker
from openbell.postgres.pool import open_pool
from openbell.products import registry
from openbell.products.context import Context, contexts
from openbell.products.keys import Symbol
from openbell.products.market.exchanges import calendar_of
from openbell.products.market.quote import Quote, quote
from openbell.products.sources import Connections, Source


@challenger(
    "quote-next",
    of=quote,
    version=2,
    timeout=seconds(20),
    spends={"fmp": Calls(1, bytes=700)},
    budget={"calls": 10_000},
    rule=Rule(at_least=20, most_different=0.02, most_failed=0.05),
)
async def quote_next(symbol: Symbol, ctx: Context) -> Quote:
    """The quote of one symbol by the call that takes many."""
    (row,) = await ctx.fmp.batch_quote([symbol])
    value = Quote.model_validate(row)
    return value.model_copy(update={"calendar": calendar_of(value.exchange)})


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
    products = registry()
    if order.get("rival"):
        products.add(quote_next)
    limits = [
        Limit("fmp", "calls", "minute", int(str(order.get("granted", 1_000))), span=span),
        Limit("fmp", "bytes", "day", 10**12, span=timedelta(days=1)),
    ]
    worker = Worker(
        pool,
        str(order["dsn"]),
        products,
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
