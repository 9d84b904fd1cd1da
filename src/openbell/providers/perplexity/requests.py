"""What is asked of the Agent API, and how much may be held for it.

The service refuses a body with any field it does not know, so that only documented fields are written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from openbell.engine.errors import Permanent
from openbell.providers.money import micro

PRICES: Mapping[str, tuple[Decimal, Decimal]] = {"perplexity/sonar": (Decimal("0.25"), Decimal("2.50"))}
"""US dollars per million tokens, in and out, as of 2026-10-07: docs.perplexity.ai/docs/getting-started/pricing.

Models of other makers (`maker/model`) are sold at their makers' prices, which genai-prices knows.
"""

TOOL_PRICES: Mapping[str, Decimal] = {
    "web_search": Decimal("0.0025"),
    "fetch_url": Decimal("0.0005"),
    "image_search": Decimal("0.0025"),
    "finance_search": Decimal("0.005"),
    "people_search": Decimal("0.005"),
    "sandbox": Decimal("0.03"),
}
"""US dollars per invocation (`sandbox`: per session), same date and page; the dearer figure where there are two."""

MAKERS = {"xai": "x-ai"}
"""Makers that genai-prices knows by another name."""

CALLS_PER_STEP = 3
"""How often a step may use each tool, for the estimate: the service has no field that caps it."""

TOKENS_PER_CALL = 10_000
"""What one invocation of a tool may add to what the model reads, for the estimate, where the tool names no cap."""

_EFFORT = re.compile(r"(fast|low|medium|high|xhigh)(@\d{4}-\d{2}-\d{2}\.\d+)?")


@dataclass(frozen=True, slots=True)
class Ask:
    """One question.

    ``effort`` chooses a configuration of the service's (pin it, as in ``low@2026-10-16.0``: a bare name changes without
    notice), ``model`` one model (``maker/name``); at least one of them. ``schema`` makes the answer JSON of that form.
    ``hold_micro`` is what to hold for the run, where :func:`estimate` cannot know it: an effort alone has no price.
    """

    input: str
    effort: str | None = None
    model: str | None = None
    instructions: str | None = None
    schema: type[BaseModel] | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    max_output_tokens: int = 8_000
    max_steps: int = 5
    hold_micro: int | None = None

    def __post_init__(self) -> None:
        if self.effort is None and self.model is None:
            raise ValueError("a question to Perplexity needs an effort or a model")
        if self.effort is not None and _EFFORT.fullmatch(self.effort) is None:
            raise ValueError(f"{self.effort!r} is no effort; it is fast, low, medium, high or xhigh, and @version")
        if self.max_output_tokens < 1 or not 1 <= self.max_steps <= 100:
            raise ValueError("max_output_tokens must be at least 1, max_steps from 1 to 100")

    def body(self) -> dict[str, Any]:
        """The request without what makes it a background run."""
        fields = {
            "input": self.input,
            "effort": self.effort,
            "model": self.model,
            "instructions": self.instructions,
            "tools": [dict(tool) for tool in self.tools] or None,
            "max_output_tokens": self.max_output_tokens,
            "max_steps": self.max_steps,
            "response_format": None if self.schema is None else _response_format(self.schema),
        }
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def hold(self) -> int:
        """Micro-dollars to hold. Raises :class:`Permanent` when nobody can say what it may cost."""
        return self.hold_micro if self.hold_micro is not None else estimate(self)


def estimate(ask: Ask, *, prices: Mapping[str, tuple[Decimal, Decimal]] = PRICES) -> int:
    """The most that a run may cost, in micro-dollars: token caps times prices, and every tool in every step.

    Every step reads the question and all that was found and said before it. Raises :class:`Permanent` with the code
    `price_unknown` before anything is sent.
    """
    if ask.model is None:
        raise Permanent(
            f"the effort {ask.effort} of Perplexity has no price of its own; say how much to hold for it",
            code="price_unknown",
        )
    invocations = CALLS_PER_STEP * ask.max_steps
    tools, found = Decimal(0), 0
    for tool in ask.tools:
        kind = str(tool.get("type"))
        if kind not in TOOL_PRICES:
            raise Permanent(f"the price of Perplexity's tool {kind[:40]!r} is not known", code="price_unknown")
        tools += TOOL_PRICES[kind] * invocations
        found += int(tool.get("max_tokens", TOKENS_PER_CALL)) * invocations
    said = ask.max_output_tokens * ask.max_steps
    # A token is at least one byte, so that bytes are a bound on tokens in any language.
    read = (len(json.dumps(ask.body(), ensure_ascii=False).encode()) + found + said) * ask.max_steps
    amount = micro(_tokens(ask.model, read, said, prices) + tools)
    if amount is None:
        raise Permanent(f"the estimate for Perplexity's {ask.model} makes no sense", code="price_unknown")
    return amount


def _tokens(model: str, read: int, said: int, prices: Mapping[str, tuple[Decimal, Decimal]]) -> Decimal:
    if model in prices:
        per_input, per_output = prices[model]
        return (per_input * read + per_output * said) / 1_000_000
    from genai_prices import Usage, calc_price  # noqa: PLC0415 (imports an HTTP library that few processes need)

    maker, _, name = model.partition("/")
    usage = Usage(input_tokens=read, output_tokens=said)
    try:
        return calc_price(usage, name, provider_id=MAKERS.get(maker, maker)).total_price
    except LookupError:
        raise Permanent(
            f"the price of {model[:60]!r} at Perplexity is not known; add it, or say how much to hold",
            code="price_unknown",
        ) from None


def _response_format(schema: type[BaseModel]) -> dict[str, Any]:
    described = {"name": schema.__name__, "schema": schema.model_json_schema(), "strict": True}
    return {"type": "json_schema", "json_schema": described}
