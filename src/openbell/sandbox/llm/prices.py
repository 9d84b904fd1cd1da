"""What the simulated models cost, in whole micro-dollars (millionths of a US dollar) per million tokens.

The figures are those of public price lists of November 2026; they are the sandbox's own, so that a client's price list
is tested against them. Token counts are made up (a token is four bytes), always multiples of 20: with the prices here
every amount is then a whole number of micro-dollars, also at half price, and no two parties differ by their rounding.
Where a fraction remains all the same (tokens given by a fault), it is rounded up, once per call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BYTES_PER_TOKEN = 4
TOKENS_STEP = 20
PER_MILLION = 1_000_000
MODELS_CREATED = 1_790_000_000


@dataclass(frozen=True, slots=True)
class Model:
    """A model and its prices in micro-dollars per million tokens."""

    name: str
    owner: str
    input: int
    output: int
    cache_read: int = 0
    context_tokens: int = 200_000

    def cost(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0, *, half: bool = False) -> int:
        """Micro-dollars for a call; `cached_tokens` is the part of the input that comes from the cache."""
        fresh = (input_tokens - cached_tokens) * self.input
        parts = fresh + cached_tokens * self.cache_read + output_tokens * self.output
        return -(-parts // (2 * PER_MILLION if half else PER_MILLION))


def _table(*models: Model) -> Mapping[str, Model]:
    return {model.name: model for model in models}


OPENAI = _table(
    Model("gpt-6-luna", "openai", 100_000, 500_000, 10_000),
    Model("gpt-6.1-terra", "openai", 1_000_000, 5_000_000, 50_000),
    Model("gpt-6-sol", "openai", 2_000_000, 10_000_000, 200_000),
)
ANTHROPIC = _table(
    Model("claude-haiku-5-5", "anthropic", 100_000, 500_000, 10_000),
    Model("claude-haiku-4-5", "anthropic", 1_000_000, 5_000_000, 100_000),
    Model("claude-sonnet-5-5", "anthropic", 2_000_000, 10_000_000, 100_000),
    Model("claude-opus-5-5", "anthropic", 4_000_000, 20_000_000, 200_000),
)
GEMINI = _table(
    Model("gemini-2.5-flash", "google", 300_000, 2_500_000, 30_000, 1_000_000),
    Model("gemini-2.5-pro", "google", 1_250_000, 10_000_000, 125_000, 1_000_000),
)
PERPLEXITY = _table(
    Model("perplexity/sonar", "perplexity", 250_000, 2_500_000, 62_500),
    *(
        Model(f"{model.owner}/{model.name}", model.owner, model.input, model.output, model.cache_read)
        for model in (*OPENAI.values(), *ANTHROPIC.values())
    ),
)


def listing(models: Mapping[str, Model]) -> dict[str, Any]:
    """The body of GET /v1/models, in the form that OpenAI made and Perplexity took over."""
    data = [
        {"id": model.name, "object": "model", "created": MODELS_CREATED, "owned_by": model.owner}
        for model in models.values()
    ]
    return {"object": "list", "data": data}


def tokens(text: str) -> int:
    """How many tokens a text has here: a quarter of its bytes, up to the next multiple of 20, at least 20."""
    return step(-(-len(text.encode()) // BYTES_PER_TOKEN))


def step(count: int) -> int:
    """The next multiple of 20, at least 20."""
    return max(TOKENS_STEP, -(-count // TOKENS_STEP) * TOKENS_STEP)


def text_of(value: Any) -> str:
    """A request's content as the text whose tokens are counted."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
