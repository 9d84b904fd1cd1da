"""How many shares of a company there are, as it has told the SEC."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field

from openbell.engine.errors import NothingKnown
from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import in_order
from openbell.providers.edgar import Fact

FACTS = (("dei", "EntityCommonStockSharesOutstanding"), ("us-gaap", "CommonStockSharesOutstanding"))
"""Where the figure is: on the cover of a report, else in its balance sheet."""


class SharesOutstanding(BaseModel):
    """The shares on one day, as they were counted then: splits since then are not taken into account."""

    as_of: date
    shares: float = Field(gt=0, description="shares")
    form: str = Field(description="the SEC's name of the report, such as 10-K")
    filed: date
    accession: str = Field(description="the SEC's number of the report")


class SecOutstandingShares(BaseModel):
    """The days, oldest first; where several reports speak of a day, the one filed last."""

    symbol: str
    cik: int = Field(gt=0, description="the SEC's number of the company")
    fact: str = Field(description="the taxonomy and tag of the figure")
    rows: list[SharesOutstanding] = Field(min_length=1)


@product(
    "sec-outstanding-shares",
    key=Symbol,
    version=1,
    ttl=hours(24),
    stale=days(90),
    empty=days(7),
    retry=minutes(30),
    keep=days(30),
    timeout=seconds(60),
    spends={"edgar": Calls(1, bytes=100_000)},
    licence="public-domain",
    job_class="scheduled",
)
async def sec_outstanding_shares(symbol: Symbol, ctx: Context) -> SecOutstandingShares:
    """Ask EDGAR by the number that the profile gives; until there is a profile, wait for it.

    A company that the SEC does not know, or that reports its shares by class only, has nothing available.
    """
    profile = await ctx.attempt.artifact("profile", symbol)
    number = (profile or {}).get("cik") or ""
    if not number.isdecimal():
        raise NothingKnown(f"{symbol} has no number at the SEC")
    cik = int(number)
    for taxonomy, tag in FACTS:
        try:
            found = await ctx.edgar.facts(cik, taxonomy, tag, "shares")
        except NothingKnown:
            continue
        if rows := _rows(found):
            return SecOutstandingShares(symbol=symbol, cik=cik, fact=f"{taxonomy}:{tag}", rows=rows)
    raise NothingKnown(f"EDGAR has no count of the shares of {symbol}")


def _rows(found: list[Fact]) -> list[SharesOutstanding]:
    """Latest report first, so that it is the one that stays. Some reports say 0 for a blank; that is no count."""
    latest = sorted(found, key=lambda fact: (fact.filed, fact.accession), reverse=True)
    return in_order(
        (
            SharesOutstanding(as_of=one.end, shares=one.value, form=one.form, filed=one.filed, accession=one.accession)
            for one in latest
            if one.value
        ),
        "as_of",
    )
