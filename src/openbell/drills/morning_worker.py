"""A worker of the drill of a morning: ``python -m openbell.drills.morning_worker DSN SANDBOX OPTIONS``.

It does what the worker of a house does for digests and mail. SIGTERM lets it finish or hand back what it has, as a
deploy does; when its standard input ends, the drill is gone, and so is it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
from typing import Any

from openbell.engine import schedules, sweep
from openbell.engine.registry import Registry
from openbell.engine.worker import Worker
from openbell.mail.gate import stamp
from openbell.mail.rules import Rules
from openbell.postgres.pool import open_pool
from openbell.products import registry
from openbell.products.context import contexts
from openbell.products.sources import Connections, Source
from openbell.providers.mail import Relay

BUDGET = 10_000_000_000
MODEL = "anthropic:claude-haiku-5-5"
RULES = Rules(
    sender="Openbell <mail@openbell.example>",
    home="https://bell.example.com",
    per_minute=120,
    per_domain=60,
)


def connections_to(sandbox: str, smtp_port: int, model: str) -> Connections:
    """Whom the worker asks; there is money enough, and providers set no limits below their own."""
    sources = {
        "news": Source(f"{sandbox}/news", calls_per_minute=10_000),
        "edgar": Source(f"{sandbox}/edgar"),
        "anthropic": Source(f"{sandbox}/anthropic", key="sandbox", budget=BUDGET, calls_per_minute=10_000),
    }
    relay = Relay("127.0.0.1", smtp_port, tls="none")
    return Connections(sources, contact="drill@openbell.example", relay=relay, mail_rules=RULES, digest_models=model)


def declared() -> Registry:
    """Digests, mail, and their schedules."""
    found = registry()
    due = [one for name, one in found.schedules.items() if name.startswith(("digest", "mail"))]
    spread = {one.spreads.name for one in due if one.spreads is not None}
    made = [one for one in found if one.name.startswith(("digest", "mail")) and one.name not in spread]
    return Registry(made, due)


async def work(dsn: str, sandbox: str, options: dict[str, Any]) -> None:
    """Until it is asked to stop; looks often, since a drill moves the clock and tells nobody."""
    sweep.IDLE_BEAT_S = 0.4
    schedules.LOOK_S = 0.5
    pool = await open_pool(dsn, name=options["name"], max_size=8, ordered=True)
    connections = connections_to(sandbox, options["smtp"], options["model"])
    await stamp(pool, connections.mail)
    worker = Worker(
        pool,
        dsn,
        declared(),
        limits=connections.limits,
        context=contexts(connections),
        slots=options["slots"],
        name=options["name"],
    )
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    def wait_for_the_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    await worker.run(stop)
    await connections.close()
    pool.terminate()


def main() -> None:
    """The options are JSON: name, slots, smtp (a port), model."""
    dsn, sandbox, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    asyncio.run(work(dsn, sandbox, options))


if __name__ == "__main__":
    main()
