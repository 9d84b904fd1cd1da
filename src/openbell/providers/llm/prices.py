"""What a question may cost at most. Prices are data: our own first, then those of genai-prices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from genai_prices import Usage, calc_price

from openbell.engine.errors import Permanent
from openbell.providers.money import micro

Prices = Mapping[str, tuple[Decimal, Decimal]]

OVERHEAD_TOKENS = 1_000
"""What providers and libraries add to a prompt by themselves, for instance how to call the tool for the answer."""


def price(provider: str, model: str, read: int, said: int, prices: Prices) -> Decimal | None:
    """US dollars for so many tokens in and out, at full price; None for a model that nobody has a price of."""
    if model in prices:
        per_input, per_output = prices[model]
        return (per_input * read + per_output * said) / 1_000_000
    try:
        return calc_price(Usage(input_tokens=read, output_tokens=said), model, provider_id=provider).total_price
    except LookupError:
        return None


def most_tokens(prompt_bytes: int, max_tokens: int, requests: int) -> tuple[int, int]:
    """Tokens in and out of a question at most. A token is at least one byte; a second try reads the first as well."""
    read = sum(prompt_bytes + OVERHEAD_TOKENS + n * (max_tokens + OVERHEAD_TOKENS) for n in range(requests))
    return read, max_tokens * requests


def most_micro(provider: str, model: str, read: int, said: int, prices: Prices) -> int:
    """Micro-dollars to hold. Raises :class:`Permanent` with the code `price_unknown`."""
    usd = price(provider, model, read, said, prices)
    amount = None if usd is None else micro(usd)
    if amount is None:
        raise Permanent(
            f"the price of {model[:60]!r} at {provider} is not known; add it, or say how much to hold",
            code="price_unknown",
        )
    return amount
