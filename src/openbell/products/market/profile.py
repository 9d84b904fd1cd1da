"""What a company is."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import Link, Record, Text


class Profile(Record):
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
    employees: int | None = Field(None, validation_alias="fullTimeEmployees", ge=0)
    website: Link = None
    description: Text = None
    ipo_date: date | None = None
    market_cap: float | None = Field(None, ge=0)
    beta: float | None = None
    is_etf: bool | None = None
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
