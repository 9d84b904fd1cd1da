"""The work that is measured: it does nothing, so that all the time is the engine's."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from openbell.engine.keys import Key
from openbell.engine.ledger import Limit
from openbell.engine.registry import Calls, Product, product, task

BUNDLE = 1_000
SHOP = "bench-shop"
LIMITS = (Limit(SHOP, "calls", "minute", 1_000_000_000, span=timedelta(minutes=1)),)


@dataclass(slots=True)
class Effects:
    """What the handlers of this process have done."""

    runs: int = 0
    starts: dict[str, float] = field(default_factory=dict)


EFFECTS = Effects()


class Receipt(BaseModel):
    """The result of a paid job."""

    key: str


@task(
    "bench-noop",
    version=1,
    timeout=timedelta(minutes=1),
    retry=timedelta(seconds=30),
    patience=timedelta(days=30),
    bundle=BUNDLE,
)
async def noop(_key: Key, _ctx: Any) -> None:
    """Nothing, in bundles."""
    EFFECTS.runs += 1


@task("bench-tick", version=1, timeout=timedelta(minutes=1), retry=timedelta(seconds=30), job_class="interactive")
async def tick(key: Key, _ctx: Any) -> None:
    """Notes when it began; ``time.time`` is one clock for all processes of a machine."""
    EFFECTS.starts[str(key)] = time.time()
    EFFECTS.runs += 1


@product(
    "bench-paid",
    key=Key,
    version=1,
    ttl=timedelta(days=1),
    stale=timedelta(days=2),
    empty=timedelta(days=1),
    retry=timedelta(minutes=1),
    keep=timedelta(days=1),
    timeout=timedelta(minutes=1),
    spends={SHOP: Calls(1)},
    licence="internal",
)
async def paid(key: Key, ctx: Any) -> Receipt:
    """One call that is paid for and takes no time."""
    async with ctx.spends(SHOP).call("buy"):
        EFFECTS.runs += 1
    ctx.cite(provider=SHOP, operation="buy")
    return Receipt(key=key)


PRODUCTS: tuple[Product, ...] = (noop, tick, paid)


def arguments(n: int) -> dict[str, Any]:
    """The JSON arguments of job ``n``, about 50 bytes."""
    return {"n": n, "symbol": f"SYM{n % 5_000:04d}", "source": "bench"}
