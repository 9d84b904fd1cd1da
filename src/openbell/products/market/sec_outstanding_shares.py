"""How many shares of a company there are, as it has told the SEC.

Reports come in when they come, so this is made by schedule, once a day for every company at whose profile somebody has
looked lately, and also when somebody looks at the shares. What is fresh already is left alone, and the profile is taken
as it is: the schedule must not buy anew what nobody looks at.
"""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field

from openbell.engine.artifacts import known_keys
from openbell.engine.demand import want
from openbell.engine.errors import NothingKnown
from openbell.engine.registry import Calls, Series, days, hours, minutes, product, seconds, task
from openbell.engine.schedules import schedule
from openbell.products.context import Context
from openbell.products.keys import Global, Symbol
from openbell.products.market.fields import in_order
from openbell.providers.edgar import Fact

FACTS = (("dei", "EntityCommonStockSharesOutstanding"), ("us-gaap", "CommonStockSharesOutstanding"))
"""Where the figure is: on the cover of a report, else in its balance sheet."""


AT_ONCE = 500
"""Companies that one statement wants."""

WANTED_FOR = hours(6)
"""How long the interest of a day lasts: long enough to refresh what was still fresh when it began."""

LATELY = days(7)
"""How long the schedule goes on with a company after its profile was asked for."""

DUE = "schedule:sec-outstanding-shares"


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
    series=Series("rows", ("as_of",)),
)
async def sec_outstanding_shares(symbol: Symbol, ctx: Context) -> SecOutstandingShares:
    """Ask EDGAR by the number that the profile gives; until there is a profile, wait for it.

    A company that the SEC does not know, or that reports its shares by class only, has nothing available.
    """
    profile = await ctx.attempt.artifact("profile", symbol, any_age=True)
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


@task(
    "sec-outstanding-shares-due",
    key=Global,
    version=1,
    timeout=minutes(5),
    retry=minutes(10),
    job_class="scheduled",
)
async def sec_outstanding_shares_due(_: Global, ctx: Context) -> None:
    """Want the shares of the companies that people look at, some hundreds at a time; EDGAR's limits set the pace."""
    pool, after = ctx.attempt.pool, ""
    while symbols := await known_keys(pool, "profile", within=LATELY, after=after, limit=AT_ONCE):
        wanted = [("sec-outstanding-shares", symbol) for symbol in symbols]
        await want(pool, wanted, source=DUE, seconds=WANTED_FOR.total_seconds(), job_class="scheduled")
        after = symbols[-1]
        await ctx.attempt.progress(f"wanted up to {after}")


DAILY = schedule(
    "sec-outstanding-shares",
    sec_outstanding_shares_due,
    "GLOBAL",
    cron="0 6 * * *",
    zone="America/New_York",
    missed="late",
    max_late=hours(12),
)
