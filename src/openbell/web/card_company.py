"""Cards about a company: key figures, dividends, segments, analysts, insiders, listings, shares, headlines. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as url_quote

from openbell.web import words
from openbell.web.cards import Bar, Body, Cell, Headline, Table, bars, cells, facts, in_currency, kind, scale_of
from openbell.web.watchlist import SYMBOL

if TYPE_CHECKING:
    from openbell.web.views import Aside

Value = Mapping[str, Any]

ROWS_SHOWN = 12
TRADES_SHOWN = 20
QUARTERS_SHOWN = 8
YEARS_SHOWN = 4
HEADLINES_SHOWN = 10
CODE = re.compile(r"[A-Z]-(?=[A-Z])")  # "S-Sale" is a sale


@kind("ratios-ttm", "Key figures", "The source has no key figures of this symbol, as for a fund or a currency.")
def ratios(value: Value, _: Aside) -> Body:
    """Ratios of the last twelve months, by what they tell."""

    def times(name: str, digits: int = 1) -> str:
        return words.number(value.get(name), digits)

    def part(name: str) -> str:
        return words.share(value.get(name))

    worth, gain = value.get("book_value_per_share"), value.get("net_income_per_share")
    equity = gain / worth if words.is_number(worth) and worth > 0 and words.is_number(gain) else None
    groups = [
        ("Valuation, times", facts(
            ("Price to earnings", times("price_to_earnings_ratio")), ("Price to book", times("price_to_book_ratio")),
            ("Price to sales", times("price_to_sales_ratio")),
            ("Price to free cash flow", times("price_to_free_cash_flow_ratio")),
            ("Enterprise value to EBITDA", times("enterprise_value_multiple")),
            ("Price to earnings to growth", times("price_to_earnings_growth_ratio", 2)),
        )),
        ("Profitability", facts(
            ("Gross margin", part("gross_profit_margin")), ("Operating margin", part("operating_profit_margin")),
            ("Net margin", part("net_profit_margin")), ("Return on equity", words.share(equity)),
            ("Effective tax rate", part("effective_tax_rate")),
        )),
        ("Health, times", facts(
            ("Current ratio", times("current_ratio", 2)), ("Quick ratio", times("quick_ratio", 2)),
            ("Debt to equity", times("debt_to_equity_ratio", 2)),
            ("Interest coverage", times("interest_coverage_ratio")),
        )),
        ("Income and per share, in the currency of the statements", facts(
            ("Dividend yield", part("dividend_yield")), ("Paid out of earnings", part("dividend_payout_ratio")),
            ("Dividend", times("dividend_per_share", 2)), ("Earnings", times("net_income_per_share", 2)),
            ("Book value", times("book_value_per_share", 2)), ("Free cash flow", times("free_cash_flow_per_share", 2)),
        )),
    ]  # fmt: skip
    return Body(groups=[(title, lines) for title, lines in groups if lines], notes=["Of the last twelve months."])


@kind("dividend-history", "Dividends", "The source knows of no dividend of this symbol.")
def dividends(value: Value, aside: Aside) -> Body:
    """The newest dividends, and what a year has brought."""
    rows: Sequence[Value] = value.get("rows") or []
    if not rows:
        return Body()
    newest = rows[-1]
    year = (date.fromisoformat(newest["date"]) - timedelta(days=364)).isoformat()
    paid = [r.get("adjusted") for r in rows if r["date"] > year]
    known = [one for one in paid if words.is_number(one)]
    lines = facts(
        ("Newest", in_currency(words.number(newest.get("dividend"), 4), aside.currency)),
        ("Twelve months up to it", in_currency(words.number(sum(known), 4), aside.currency) if known else ""),
        ("Yield then", words.per_cent(newest.get("dividend_yield"))),
        ("Paid", str(newest.get("frequency") or "").lower()),
    )
    table = Table(
        f"The newest {min(len(rows), ROWS_SHOWN)} of {len(rows):,}, {per(aside)}",
        ("First day without it", "Dividend", "In today's shares", "Yield", "Paid on"),
        [
            cells(
                words.iso_day(r["date"]),
                words.number(r.get("dividend"), 4),
                words.number(r.get("adjusted"), 4),
                words.per_cent(r.get("dividend_yield")),
                words.iso_day(r.get("payment_date")),
            )
            for r in reversed(rows[-ROWS_SHOWN:])
        ],
    )
    return Body(groups=[("", lines)], tables=[table], notes=cut(value))


@kind("revenue-product-segmentation", "Revenue by product", "The source has no revenue by product of this company.")
def segments(value: Value, _: Aside) -> Body:
    """Revenue by segment of the newest year as bars, and the years before as a table."""
    years = list(reversed((value.get("rows") or [])[-YEARS_SHOWN:]))
    if not years:
        return Body()
    newest: Value = years[0]["segments"]
    scale = scale_of([v for year in years for v in year["segments"].values()])
    total = sum(v for v in newest.values() if words.is_number(v))
    order = sorted(newest, key=lambda name: -(newest[name] or 0))
    parts = [
        (name, newest[name], words.share(newest[name] / total) if total > 0 and newest[name] else "") for name in order
    ]
    currencies = {str(year.get("currency") or "") for year in years}
    currency = currencies.pop() if len(currencies) == 1 else ""
    names = dict.fromkeys([*order, *(name for year in years for name in year["segments"])])
    table = Table(
        scale.caption("Revenue", currency),
        ("Segment", *(label(year) for year in years)),
        [[Cell(name), *(Cell(scale.of(year["segments"].get(name))) for year in years)] for name in names],
    )
    return Body(
        bars=bars(parts),
        bars_caption=f"Share of revenue, {label(years[0])}",
        tables=[table],
        notes=["Companies rename and regroup their segments: two years need not match."],
    )


@kind("grades-historical", "What analysts recommend", "The source knows of no recommendation for this symbol.")
def grades(value: Value, _: Aside) -> Body:
    """The newest recommendations as bars, and month by month."""
    rows: Sequence[Value] = value.get("rows") or []
    if not rows:
        return Body()
    names = {"strong_buy": "Strong buy", "buy": "Buy", "hold": "Hold", "sell": "Sell", "strong_sell": "Strong sell"}
    newest = rows[-1]
    table = Table(
        "Analysts, by month",
        ("Month", *names.values()),
        [
            cells(words.iso_day(r["date"]), *(words.number(r.get(name), 0) for name in names))
            for r in reversed(rows[-ROWS_SHOWN:])
        ],
        folded="Month by month",
    )
    return Body(
        bars=counted(newest, names),
        bars_caption=f"Number of analysts, {words.iso_day(newest['date'])}",
        tables=[table],
        notes=cut(value),
    )


def counted(row: Value, names: Mapping[str, str]) -> list[Bar]:
    """Numbers of people as bars; a number that is zero is said, since nobody is an answer too."""
    values = {name: row.get(name) for name in names}
    widest = max((v for v in values.values() if words.is_number(v)), default=0) or 1
    return [
        Bar(title, words.number(v, 0), round(v / widest * 100, 1) if words.is_number(v) else 0.0)
        for (name, title), v in zip(names.items(), values.values(), strict=True)
    ]


@kind("analyst-price-targets", "Price targets", "The source knows of no price target for this symbol.")
def targets(value: Value, aside: Aside) -> Body:
    """What analysts expect the price to be in a year."""
    now: Value = value.get("consensus") or {}
    then: Value = value.get("summary") or {}
    low, high = words.price(now.get("low")), words.price(now.get("high"))
    last = aside.closes[-1] if aside.closes else None
    lines = facts(
        ("Mean", in_currency(words.price(now.get("mean")), aside.currency)),
        ("Median", in_currency(words.price(now.get("median")), aside.currency)),
        ("Low to high", in_currency(f"{low} to {high}", aside.currency) if words.DASH not in (low, high) else ""),
        ("Mean against the last close", words.growth(now.get("mean"), last)),
    )
    spans = {
        "last_month": "Last month",
        "last_quarter": "Last quarter",
        "last_year": "Last year",
        "all_time": "All time",
    }
    rows = [
        cells(title, words.number(then.get(f"{name}_count"), 0), words.price(then.get(f"{name}_average")))
        for name, title in spans.items()
    ]
    table = Table(f"Targets given, {per(aside)}", ("Within", "Number", "Average"), rows)
    return Body(groups=[("", lines)] if lines else [], tables=[table] if then else [])


@kind("valuations", "Discounted cash flow", "The source makes no estimate of this share's worth.")
def valuation(value: Value, aside: Aside) -> Body:
    """The provider's estimate beside the price."""
    lines = facts(
        ("Estimated worth", in_currency(words.price(value.get("dcf")), aside.currency)),
        ("Price it was set beside", in_currency(words.price(value.get("price")), aside.currency)),
        ("Worth against price", words.growth(value.get("dcf"), value.get("price"))),
        ("Of", words.iso_day(value.get("date"))),
    )
    return Body(groups=[("", lines)], notes=["The provider's estimate by its own assumptions; no advice."])


@kind("insider-trading-statistics", "Insiders by quarter", "The source knows of no trade of this company's insiders.")
def insider_statistics(value: Value, _: Aside) -> Body:
    """Quarters, newest first."""
    rows: Sequence[Value] = value.get("rows") or []
    names = (
        "acquired_transactions",
        "disposed_transactions",
        "total_purchases",
        "total_sales",
        "total_acquired",
        "total_disposed",
    )
    table = Table(
        "Transactions, of them in the open market, and shares",
        (
            "Quarter",
            "Acquired",
            "Disposed of",
            "Bought in the market",
            "Sold in the market",
            "Shares acquired",
            "Shares disposed of",
        ),
        [
            cells(f"Q{r['quarter']} {r['year']}", *(words.number(r.get(name), 0) for name in names))
            for r in reversed(rows[-QUARTERS_SHOWN:])
        ],
    )
    return Body(tables=[table], notes=cut(value))


@kind("insider-transactions", "Newest insider transactions", "The source knows of no trade of this company's insiders.")
def insider_trades(value: Value, _: Aside) -> Body:
    """The newest transactions."""
    rows: Sequence[Value] = value.get("rows") or []
    table = Table(
        f"The newest {min(len(rows), TRADES_SHOWN)} of {len(rows):,} that are stored; dollars per share",
        ("Filed", "Who", "What", "Shares", "Price", "Owned after"),
        [trade(r) for r in reversed(rows[-TRADES_SHOWN:])],
        words=(1, 2),
    )
    return Body(tables=[table], notes=[] if value.get("complete") else ["Older transactions are not stored."])


def trade(row: Value) -> list[Cell]:
    """One transaction; the direction is told by a word."""
    direction = {"A": "acquired", "D": "disposed of"}.get(str(row.get("direction") or ""), "")
    what = CODE.sub("", str(row.get("transaction_type") or ""))
    price = row.get("price")
    return [
        Cell(words.iso_day(row["filing_date"]), link=str(row.get("url") or "")),
        Cell(str(row.get("reporting_name") or words.DASH), str(row.get("type_of_owner") or "")),
        Cell(
            what or direction or words.DASH, ", ".join(t for t in (direction, str(row.get("security_name") or "")) if t)
        ),
        Cell(words.number(row.get("securities_transacted"), 0)),
        Cell("nothing" if price == 0 else words.price(price)),
        Cell(words.number(row.get("securities_owned"), 0)),
    ]


@kind("exchange-variants", "Where else it is listed", "The source knows of no other listing.")
def variants(value: Value, _: Aside) -> Body:
    """The listings, each in its own currency."""
    rows: Sequence[Value] = value.get("rows") or []
    table = Table(
        "Listings, each in its own currency",
        ("Symbol", "Exchange", "Price", "Market value", "Currency"),
        [
            [
                Cell(r["symbol"], link=f"/symbol/{url_quote(r['symbol'])}" if SYMBOL.fullmatch(r["symbol"]) else ""),
                Cell(
                    str(r.get("exchange_name") or r.get("exchange") or words.DASH),
                    "no longer traded" if r.get("is_active") is False else "",
                ),
                Cell(words.price(r.get("price"))),
                Cell(words.compact(r.get("market_cap"))),
                Cell(str(r.get("currency") or words.DASH)),
            ]
            for r in rows
        ],
        words=(1,),
    )
    return Body(tables=[table])


@kind("sec-outstanding-shares", "Shares outstanding", "The SEC has no count of this company's shares.")
def shares(value: Value, _: Aside) -> Body:
    """What the company has told the SEC, as counted then."""
    rows: Sequence[Value] = value.get("rows") or []
    if not rows:
        return Body()
    newest = rows[-1]
    lines = facts(
        ("Shares", words.compact(newest.get("shares"))),
        ("On", words.iso_day(newest.get("as_of"))),
        ("Told in", f"{newest.get('form')}, filed {words.iso_day(newest.get('filed'))}"),
    )
    table = Table(
        "Shares, as they were counted then",
        ("On", "Shares", "Report", "Filed"),
        [
            cells(
                words.iso_day(r["as_of"]),
                words.number(r.get("shares"), 0),
                str(r.get("form")),
                words.iso_day(r["filed"]),
            )
            for r in reversed(rows[-ROWS_SHOWN:])
        ],
        folded="Report by report",
    )
    return Body(groups=[("", lines)], tables=[table], notes=["Splits since then are not taken into account."])


@kind("stock-headlines", "Headlines", "The source has no headlines about this company.")
def headlines(value: Value, _: Aside) -> Body:
    """The newest articles."""
    rows: Sequence[Value] = value.get("rows") or []
    return Body(headlines=[headline(r) for r in reversed(rows[-HEADLINES_SHOWN:])])


def headline(row: Value) -> Headline:
    """One article; the time in New York, where the source's markets are."""
    at = words.moment(row.get("published"))
    return Headline(
        when=words.exchange_time(at) if at else "",
        title=str(row.get("title") or ""),
        link=str(row.get("url") or ""),
        publisher=str(row.get("publisher") or row.get("site") or ""),
    )


def label(period: Value) -> str:
    """`FY 2024`, or the last day of the period."""
    year = period.get("fiscal_year")
    return f"{period.get('period') or 'FY'} {year}" if year else words.iso_day(period.get("date"))


def per(aside: Aside) -> str:
    """The unit of figures per share of the listing."""
    return f"{aside.currency} per share" if aside.currency else "per share"


def cut(value: Value) -> list[str]:
    """What to say when the provider ended the list."""
    return [] if value.get("complete", True) else ["The source ends the list here; older entries exist."]
