"""What shares must earn above safe bonds, by country."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from openbell.engine.registry import Calls, Series, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Global
from openbell.products.market.fields import Record, Text, records

Premium = Annotated[float | None, Field(ge=0, le=100, description="per cent a year: 4.6 is 4.6 %")]


class CountryPremium(Record):
    """One country; ``total_equity_risk_premium`` is that of a mature market and the country's own."""

    country: str = Field(min_length=1, max_length=100)
    continent: Text
    country_risk_premium: Premium
    total_equity_risk_premium: Premium


class MarketRiskPremium(BaseModel):
    """The countries, by name."""

    rows: list[CountryPremium] = Field(min_length=1)


@product(
    "market-risk-premium",
    key=Global,
    version=1,
    ttl=hours(24),
    stale=days(90),
    empty=hours(24),
    retry=minutes(30),
    keep=days(90),
    timeout=seconds(20),
    spends={"fmp": Calls(1, bytes=50_000)},
    licence="personal",
    series=Series("rows", ("country",)),
)
async def market_risk_premium(_: Global, ctx: Context) -> MarketRiskPremium:
    """Ask for all countries."""
    return MarketRiskPremium(rows=records(CountryPremium, await ctx.fmp.market_risk_premium(), "country"))
