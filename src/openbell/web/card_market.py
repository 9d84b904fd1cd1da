"""Cards about the whole market: rates, premiums, calendars of a week, headlines. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as url_quote

from openbell.web import words
from openbell.web.card_company import headlines
from openbell.web.cards import Body, Cell, Table, cells, facts, kind
from openbell.web.watchlist import SYMBOL

if TYPE_CHECKING:
    from openbell.web.views import Aside

Value = Mapping[str, Any]

TERMS = {
    "month_1": "1 month", "month_2": "2 months", "month_3": "3 months", "month_6": "6 months", "year_1": "1 year",
    "year_2": "2 years", "year_3": "3 years", "year_5": "5 years", "year_7": "7 years", "year_10": "10 years",
    "year_20": "20 years", "year_30": "30 years",
}  # fmt: skip
BACK_DAYS = (7, 31, 90)
COUNTRIES = ("United States", "Canada", "United Kingdom", "Germany", "France", "Switzerland", "Japan", "China", "India")
LARGEST = 40


@kind("treasury-rates", "Treasury rates", "The source has no rates.")
def treasuries(value: Value, _: Aside) -> Body:
    """The newest day by term, beside days before."""
    rows: Sequence[Value] = value.get("rows") or []
    if not rows:
        return Body()
    newest = rows[-1]
    short, long = newest.get("year_2"), newest.get("year_10")
    spread = long - short if words.is_number(long) and words.is_number(short) else None
    lines = facts(
        *((TERMS[term], words.per_cent(newest.get(term))) for term in ("month_3", "year_2", "year_10", "year_30")),
        ("10 years over 2 years", f"{words.signed(spread)} points" if spread is not None else ""),
    )
    days = [newest, *(before(rows, back) for back in BACK_DAYS)]
    columns = list({day["date"]: day for day in days if day}.values())
    table = Table(
        "Per cent a year",
        ("Term", *(words.iso_day(day["date"]) for day in columns)),
        [
            [Cell(title), *(Cell(words.number(day.get(term))) for day in columns)]
            for term, title in TERMS.items()
            if any(words.is_number(day.get(term)) for day in columns)
        ],
    )
    return Body(groups=[(f"Per cent a year, {words.iso_day(newest['date'])}", lines)], tables=[table])


def before(rows: Sequence[Value], back: int) -> Value | None:
    """The newest row that lies `back` days before the newest of all; None where there is none so old."""
    limit = (date.fromisoformat(rows[-1]["date"]) - timedelta(days=back)).isoformat()
    return next((row for row in reversed(rows) if row["date"] <= limit), None)


@kind("market-risk-premium", "Risk premium", "The source has no risk premiums.")
def premiums(value: Value, _: Aside) -> Body:
    """What shares must earn above safe bonds; a few countries, and all of them folded."""
    rows: Sequence[Value] = value.get("rows") or []
    known = {r["country"]: r for r in rows}
    lines = facts(*((c, words.per_cent(known[c].get("total_equity_risk_premium"))) for c in COUNTRIES if c in known))
    table = Table(
        "Per cent a year",
        ("Country", "Total", "Of it for the country"),
        [
            cells(
                r["country"],
                words.number(r.get("total_equity_risk_premium")),
                words.number(r.get("country_risk_premium")),
            )
            for r in rows
        ],
        folded=f"All {len(rows):,} countries",
    )
    title = "What shares must earn above safe bonds, per cent a year"
    return Body(groups=[(title, lines)] if lines else [], tables=[table])


@kind("market-headlines", "Headlines", "The source has no headlines.")
def market_headlines(value: Value, aside: Aside) -> Body:
    """The newest articles."""
    return headlines(value, aside)


@kind("earnings-calendar", "Earnings", "The source knows of no company that reports in this week.")
def earnings(value: Value, _: Aside) -> Body:
    """Who reports on which day; of a long list the largest by revenue."""
    rows: Sequence[Value] = value.get("rows") or []

    def size(row: Value) -> float:
        known = (row.get("revenue_actual"), row.get("revenue_estimated"))
        return max((v for v in known if words.is_number(v)), default=0.0)

    table = Table(
        "In the currency in which each company reports",
        ("Day", "Symbol", "Per share", "Expected", "Revenue", "Expected"),
        [
            [
                *dated(r),
                Cell(words.number(r.get("eps_actual"))),
                Cell(words.number(r.get("eps_estimated"))),
                Cell(words.compact(r.get("revenue_actual"))),
                Cell(words.compact(r.get("revenue_estimated"))),
            ]
            for r in largest(rows, size)
        ],
        words=(1,),
    )
    return Body(tables=[table], notes=listed(value, rows, "by revenue"))


@kind("dividends-calendar", "Dividends", "The source knows of no dividend in this week.")
def dividends(value: Value, _: Aside) -> Body:
    """Whose shares are traded without a dividend from which day on; of a long list those with the highest yield."""
    rows: Sequence[Value] = value.get("rows") or []

    def height(row: Value) -> float:
        found = row.get("dividend_yield")
        return found if words.is_number(found) else 0.0

    table = Table(
        "In the currency of each listing, per share",
        ("First day without it", "Symbol", "Dividend", "Yield", "Paid on"),
        [
            [
                *dated(r),
                Cell(words.number(r.get("dividend"), 4)),
                Cell(words.per_cent(r.get("dividend_yield"))),
                Cell(words.iso_day(r.get("payment_date"))),
            ]
            for r in largest(rows, height)
        ],
        words=(1,),
    )
    return Body(tables=[table], notes=listed(value, rows, "by yield"))


def dated(row: Value) -> list[Cell]:
    """Day and symbol."""
    symbol = str(row["symbol"])
    return [
        Cell(words.iso_day(row["date"])),
        Cell(symbol, link=f"/symbol/{url_quote(symbol)}" if SYMBOL.fullmatch(symbol) else ""),
    ]


def home(rows: Sequence[Value]) -> list[Value]:
    """Listings of the United States, which have no suffix: figures of one currency, so that they can be ranked."""
    return [row for row in rows if "." not in str(row["symbol"])]


def largest(rows: Sequence[Value], size: Any) -> list[Value]:
    """The largest of the United States, by day and symbol."""
    found = sorted(home(rows), key=size, reverse=True)[:LARGEST]
    return sorted(found, key=lambda row: (row["date"], row["symbol"]))


def listed(value: Value, rows: Sequence[Value], by: str) -> list[str]:
    """How many are shown of how many, and what is missing."""
    shown = min(LARGEST, len(home(rows)))
    notes = [f"The {shown:,} largest {by} with a listing in the United States, of {len(rows):,} worldwide."]
    if not value.get("complete", True):
        notes.append("The source ends the list here; there are more.")
    if value.get("left_out"):
        notes.append(f"{value['left_out']:,} entries of the source were out of shape and are left out.")
    return notes
