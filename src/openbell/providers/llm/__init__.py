"""Language models of Anthropic, OpenAI and servers that speak like OpenAI, through pydantic-ai.

* ``client``  one question, one spend
* ``prices``  what a question may cost, and what it has cost
* ``errors``  what refusals and failures mean

The libraries behind it take more than a second to import. Only :func:`open_models` does, so that what merely names
this package stays quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from openbell.engine.ledger import Limit

if TYPE_CHECKING:
    from openbell.providers.llm.client import Models

Kind = Literal["anthropic", "openai", "compatible"]
"""Which protocol: Anthropic's messages, OpenAI's responses, or the chat completions that other servers imitate."""


def limits(
    provider: str,
    *,
    usd_micro_per_month: int,
    calls_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
    zone: str = "UTC",
) -> list[Limit]:
    """The limits of an account at a provider. Rates differ by account, so that they are given; money always is."""
    minute = timedelta(minutes=1)
    accounts = [
        Limit(provider, "usd_micro", "month", usd_micro_per_month, closes="charge", calendar="month", zone=zone)
    ]
    for resource, granted in (("calls", calls_per_minute or 50), ("tokens", tokens_per_minute)):
        if granted is not None:
            accounts.append(Limit(provider, resource, "minute", granted, span=minute))
    return accounts


def open_models(
    provider: str, kind: Kind, base_url: str, key: str, *, prices: Mapping[str, tuple[Decimal, Decimal]] | None = None
) -> Models:
    """The models of one provider, with their connection pool.

    ``provider`` is its name in the ledger. ``prices`` are US dollars per million tokens in and out by model, for models
    that genai-prices does not know, or sells at another price.
    """
    from openbell.providers.llm.client import open_models as opened  # noqa: PLC0415 (takes more than a second)

    return opened(provider, kind, base_url, key, prices or {})
