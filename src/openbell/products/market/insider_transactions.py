"""What insiders of a company have reported to have bought, sold or been given: the latest 500."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import AliasChoices, BaseModel, Field

from openbell.engine.errors import NothingKnown
from openbell.engine.registry import Calls, Series, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import Day, Link, Record, Shares, Text, records, step
from openbell.providers.fmp import Rows, every_page

MOST_ROWS = 500
PAGE = 250


class InsiderTransaction(Record):
    """One transaction. ``price`` is dollars per share as reported, 0 where nothing was paid, such as for an award."""

    filing_date: Day
    transaction_date: Day | None
    reporting_cik: Text
    reporting_name: Text
    type_of_owner: Text
    transaction_type: Text = Field(description="the SEC's code and its word, such as S-Sale")
    direction: Text = Field(
        validation_alias=AliasChoices("acquisitionOrDisposition", "acquistionOrDisposition"),
        description="A: acquired, D: disposed of",
    )
    ownership: Text = Field(None, validation_alias="directOrIndirect", description="D: direct, I: indirect")
    security_name: Text
    securities_transacted: Shares
    securities_owned: Shares = Field(description="after the transaction")
    price: Annotated[float | None, Field(ge=0)]
    form_type: Text = None
    url: Link = None


class InsiderTransactions(BaseModel):
    """The transactions, oldest filing first; ``complete`` when the company has reported no more than these."""

    symbol: str
    rows: list[InsiderTransaction] = Field(min_length=1, max_length=MOST_ROWS)
    complete: bool


NATURAL_KEY = (
    "filing_date", "transaction_date", "reporting_cik", "security_name", "transaction_type", "direction", "ownership",
    "form_type", "securities_transacted", "price", "securities_owned",
)  # fmt: skip
"""What makes a transaction one of its own.

One filing often has several lots of the same security, of the same kind and direction: price and amounts tell them
apart, so they belong to the key.
"""


@product(
    "insider-transactions",
    key=Symbol,
    version=1,
    ttl=hours(24),
    stale=days(30),
    empty=days(7),
    retry=minutes(30),
    keep=days(30),
    timeout=seconds(40),
    spends={"fmp": Calls(2, bytes=200_000)},
    licence="personal",
    series=Series("rows", NATURAL_KEY),
)
async def insider_transactions(symbol: Symbol, ctx: Context) -> InsiderTransactions:
    """Ask page by page; when a filing comes in between, a row that moved to the next page is there once."""

    async def page(number: int) -> Rows:
        return await step(ctx, f"page {number}", partial(ctx.fmp.insider_trades, symbol, page=number, limit=PAGE))

    rows = await every_page(page, most=MOST_ROWS // PAGE)
    if not rows:
        raise NothingKnown(f"FMP knows of no insider of {symbol} who has traded")
    found = records(InsiderTransaction, rows, *NATURAL_KEY)
    return InsiderTransactions(symbol=symbol, rows=found, complete=not rows.cut)
