"""What a company is."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol

Blank = BeforeValidator(lambda value: None if value == "" else value)
"""The provider writes "" where it means nothing."""

Text = Annotated[str | None, Blank]


class Profile(BaseModel):
    """A company and its listing. ``market_cap`` is in ``currency``."""

    symbol: str
    name: Text = Field(None, validation_alias="companyName")
    exchange: Text = None
    exchange_name: Text = Field(None, validation_alias="exchangeFullName")
    currency: Text = None
    sector: Text = None
    industry: Text = None
    country: Text = None
    ceo: Text = None
    employees: Annotated[int | None, Blank] = Field(None, validation_alias="fullTimeEmployees", ge=0)
    website: Text = None
    description: Text = None
    ipo_date: Annotated[date | None, Blank] = Field(None, validation_alias="ipoDate")
    market_cap: Annotated[float | None, Blank] = Field(None, validation_alias="marketCap", ge=0)
    beta: float | None = None
    is_etf: bool | None = Field(None, validation_alias="isEtf")
    is_active: bool | None = Field(None, validation_alias="isActivelyTrading")
    cik: Text = None
    isin: Text = None


@product(
    "profile",
    key=Symbol,
    version=1,
    ttl=hours(24),
    stale=days(30),
    empty=hours(24),
    retry=minutes(10),
    keep=days(30),
    timeout=seconds(20),
    spends={"fmp": Calls(1, bytes=5_000)},
    licence="personal",
)
async def profile(symbol: Symbol, ctx: Context) -> Profile:
    """Ask for one symbol."""
    return Profile.model_validate(await ctx.fmp.profile(symbol))
