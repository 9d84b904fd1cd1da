"""What analysts expect a share to cost in a year."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Self

from pydantic import BaseModel, Field, model_validator

from openbell.engine.errors import NothingKnown
from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import Count, Figures, Target, step
from openbell.providers.fmp import Row, Rows


class Consensus(Figures):
    """The targets that count now, in the currency of the listing."""

    high: Target = Field(validation_alias="targetHigh")
    low: Target = Field(validation_alias="targetLow")
    mean: Target = Field(validation_alias="targetConsensus")
    median: Target = Field(validation_alias="targetMedian")

    @model_validator(mode="after")
    def _within_range(self) -> Self:
        if self.low is not None and self.high is not None:
            inside = [one for one in (self.mean, self.median) if one is not None]
            if not all(self.low <= one <= self.high for one in (self.low, *inside)):
                raise ValueError("a target lies outside of the range of all targets")
        return self


class Summary(Figures):
    """How many targets were given within a span, and their average.

    The provider writes 0 for the average of no targets, which is nothing here.
    """

    last_month_count: Count
    last_month_average: Target = Field(validation_alias="lastMonthAvgPriceTarget")
    last_quarter_count: Count
    last_quarter_average: Target = Field(validation_alias="lastQuarterAvgPriceTarget")
    last_year_count: Count
    last_year_average: Target = Field(validation_alias="lastYearAvgPriceTarget")
    all_time_count: Count
    all_time_average: Target = Field(validation_alias="allTimeAvgPriceTarget")


class AnalystPriceTargets(BaseModel):
    """Price targets; a part is None where the provider has none."""

    symbol: str
    consensus: Consensus | None
    summary: Summary | None


@product(
    "analyst-price-targets",
    key=Symbol,
    version=1,
    ttl=hours(24),
    stale=days(30),
    empty=days(7),
    retry=minutes(10),
    keep=days(30),
    timeout=seconds(40),
    spends={"fmp": Calls(2, bytes=2_000)},
    licence="personal",
)
async def analyst_price_targets(symbol: Symbol, ctx: Context) -> AnalystPriceTargets:
    """Ask for the consensus and for the summary, each as a step."""
    consensus = await step(ctx, "consensus", partial(_one, ctx.fmp.price_target_consensus, symbol))
    summary = await step(ctx, "summary", partial(_one, ctx.fmp.price_target_summary, symbol))
    if not consensus and not summary:
        raise NothingKnown(f"FMP knows of no price target for {symbol}")
    return AnalystPriceTargets(
        symbol=symbol,
        consensus=Consensus.model_validate(consensus[0]) if consensus else None,
        summary=Summary.model_validate(summary[0]) if summary else None,
    )


async def _one(ask: Callable[[str], Awaitable[Row]], symbol: str) -> Rows:
    return Rows([await ask(symbol)])
