"""The price of a ticker as it is known, without asking for it: a digest does not wait for a quote."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from openbell.engine.artifacts import read_many
from openbell.products.context import Context
from openbell.products.digest.inputs import PriceFacts
from openbell.products.licences import is_reserved

CLOSES = 90
"""Days of closes on the price card."""


async def price_facts(ctx: Context, ticker: str) -> PriceFacts | None:
    """The last quote, else the last close, with up to 90 closes before; None where neither is known, or where it
    may not be shown to others.
    """
    quote, bars, profile = await read_many(
        ctx.attempt.pool, [("quote", ticker), ("eod-prices", ticker), ("profile", ticker)]
    )
    if any(is_reserved(one, ctx.connections.displays) for one in (quote, bars)):  # a digest goes to subscribers
        return None
    closes = _closes(bars.value)
    currency = profile.value.get("currency") if isinstance(profile.value, dict) else None
    if isinstance(quote.value, dict) and quote.value.get("price") is not None and quote.checked_at is not None:
        given = quote.value
        return PriceFacts(
            currency=currency, price=given["price"], change=given.get("change"),
            change_percent=given.get("change_percent"), as_of=datetime.fromisoformat(given["source_time"]),
            closes=closes, synthetic=quote.synthetic,
        )  # fmt: skip
    if not closes or bars.checked_at is None:
        return None
    change = closes[-1][1] - closes[-2][1] if len(closes) > 1 else None
    percent = 100 * change / closes[-2][1] if change is not None and closes[-2][1] else None
    return PriceFacts(
        currency=currency, price=closes[-1][1], change=change, change_percent=percent, as_of=bars.checked_at,
        closes=closes, synthetic=bars.synthetic,
    )  # fmt: skip


def _closes(value: Any) -> list[tuple[date, float]]:
    """Days and closes of the stored bars, whose columns are day, open, high, low, close, volume."""
    rows = value.get("rows", []) if isinstance(value, dict) else []
    return [(date.fromisoformat(row[0]), float(row[4])) for row in rows[-CLOSES:]]
