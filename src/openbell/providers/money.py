"""Money as it is booked: whole millionths of a US dollar."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

MICRO = 1_000_000
MOST_USD = Decimal(1_000_000)
"""A single call that claims to have cost this much or more is not believed."""


def micro(usd: Decimal) -> int | None:
    """The amount in millionths of a dollar, rounded up; None for what cannot be the price of a call."""
    if not usd.is_finite() or not 0 <= usd < MOST_USD:
        return None
    return int((usd * MICRO).to_integral_value(rounding=ROUND_CEILING))
