"""The page of a symbol: its cards, and what of them is read and demanded."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from openbell.engine.artifacts import Reading
from openbell.products import registry
from openbell.products.keys import Symbol
from openbell.web import cards, sections
from openbell.web.views import NO_ASIDE
from tests.support import eventually
from tests.web.conftest import PRICES, PROFILE, QUOTE, Site

RATIOS: dict[str, Any] = {
    "symbol": "AAPL",
    "gross_profit_margin": 0.44,
    "net_profit_margin": -0.0312,
    "price_to_earnings_ratio": None,
    "current_ratio": 1.2,
    "dividend_yield": 0.0,
}
FIRST_LOOK_CALLS = 5
"""Calls of a first look at a symbol nobody has looked at: quote, daily prices, profile, key figures, with some room."""


def period(year: int, revenue: float | None, **more: Any) -> dict[str, Any]:
    """A year with an income statement."""
    income = {"revenue": revenue, "eps_diluted": 1.5, "operating_income": None, **more}
    return {
        "date": f"{year}-09-30", "period": "FY", "fiscal_year": year, "currency": "USD", "filed": f"{year}-10-31",
        "accepted": None, "income": income, "balance": None, "cash_flow": None,
    }  # fmt: skip


STATEMENTS = {
    "symbol": "AAPL",
    "periods": [period(2009, -5e9), period(2010, 65_225e6), period(2011, 108_249e6)],
    "complete": True,
}


async def look(site: Site, address: str) -> str:
    """The page with a known quote."""
    for product, value in (("quote", QUOTE), ("eod-prices", PRICES), ("profile", PROFILE)):
        await site.publish(product, "AAPL", value)
    answer = await site.http.get(address)
    assert answer.status_code == 200
    return answer.text


def part(page: str, key: str) -> str:
    """The HTML of one card."""
    return page.split(f'data-key="{key}"')[1].split("</section>", maxsplit=1)[0]


async def test_a_first_look_costs_few_calls(site: Site) -> None:
    """Issue 5: a page view demands what is open on it, not every data type there is."""
    page = await look(site, "/symbol/AAPL")
    address = re.search(r'data-stream="([^"]+)"', page)
    assert address is not None
    opened = re.findall(r'data-watch="([^"]+)" open', page)
    watched = [
        *re.findall(r"watch=([a-z-]+):", address[1]),
        *(w.split(":")[0] for part in opened for w in part.split()),
    ]
    assert sum(registry().get(product).estimate.calls for product in watched) <= FIRST_LOOK_CALLS
    assert watched == ["quote", "eod-prices", "profile", "ratios-ttm"]


def test_every_company_type_has_a_place() -> None:
    """Issue 5, item 8: every data type of a symbol is on its page."""
    layout = sections.layout_of(registry())
    shown = {*sections.ALWAYS, "intraday-prices", *sections.products_of(list(layout), layout)}
    assert shown == {one.name for one in registry() if one.key is Symbol and not one.is_task}


def test_a_new_type_needs_no_change_of_the_pages() -> None:
    """Issue 5: a data type is one file; one that the pages do not know stands in a part of its own."""
    known = registry()
    known.add(replace(known.get("valuations"), name="moon-phases"))
    layout = sections.layout_of(known)
    assert layout[sections.MORE] == ("More", ("moon-phases",))
    value = {
        "symbol": "AAPL",
        "is_full": True,
        "share": 0.5,
        "rows": [{"date": "2012-06-01", "light": 3}],
        "none": None,
    }
    card = cards.card(market_reading("moon-phases", value), NO_ASIDE)
    assert card.title == "Moon phases"
    assert card.body.groups[0][1] == [("Symbol", "AAPL"), ("Is full", "yes"), ("Share", "0.50")]
    assert [[cell.text for cell in row] for row in card.body.tables[0].rows] == [["2012-06-01", "3"]]


def market_reading(product: str, value: Any) -> Reading:
    """A fresh value."""
    now = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
    return Reading(
        product=product, key="AAPL", version=1, state="fresh", value=value, checked_at=now, changed_at=now,
        source_time=None, fresh_until=now, stale_until=now, provenance={}, licence=None, cost_micro=0, job=None,
        setback=None, blockage=None, hours=None, enabled=True, demanded=True, now=now,
    )  # fmt: skip


async def test_closed_parts_are_not_read(site: Site) -> None:
    """Issue 5: what is below the fold is fetched, read and drawn when it is opened; its price is told."""
    await site.publish("financial-statements", "AAPL", STATEMENTS)
    page = await look(site, "/symbol/AAPL")
    assert "108,249" not in page
    assert "at most 3 calls" in page
    assert "108,249" in await look(site, "/symbol/AAPL?open=statements")


async def test_filings_that_are_stored_are_listed(site: Site) -> None:
    """Issue 5, build 8: the latest filings with form, day and document; what is no web address is no link; or none."""
    assert "No filing of AAPL is stored." in await look(site, "/symbol/AAPL")
    await site.pool.executemany(
        "insert into openbell.digest_filing (ticker, accession, form, filed, title, address, state, synthetic)"
        " values ($1, $2, $3, $4, $5, $6, 'baseline', 'invented filings')",
        [
            ("AAPL", f"0000320193-26-{n:06}", "8-K", date(2026, 11, 1 + n), f"Report {n}", f"https://sec.example/{n}")
            for n in range(14)
        ]
        + [
            ("AAPL", "0000320193-26-000099", "10-K", date(2026, 11, 20), "<b>Annual</b>", "javascript:alert(1)"),
            ("MSFT", "0000789019-26-000001", "10-Q", date(2026, 11, 21), "Of another", "https://sec.example/other"),
        ],
    )
    filings = (await look(site, "/symbol/AAPL")).partition('id="filings"')[2]
    assert re.findall(r"<td>(\d+ Nov 2026)</td>", filings) == [f"{day} Nov 2026" for day in (20, *range(14, 3, -1))]
    assert re.findall(r'href="(https://sec\.example/\w+)"', filings) == [
        f"https://sec.example/{n}" for n in range(13, 2, -1)
    ]
    assert "&lt;b&gt;Annual&lt;/b&gt;" in filings
    assert "javascript:" not in filings
    assert "synthetic" in filings
    assert "Of another" not in filings


async def test_figures_have_units_and_blanks_stay_blank(site: Site) -> None:
    """No zero for a blank: what is unknown is left out, a true zero is shown, and parts are told in per cent."""
    await site.publish("ratios-ttm", "AAPL", RATIOS)
    card = part(await look(site, "/symbol/AAPL"), "ratios-ttm:AAPL")
    assert "44.0\u202f%" in card
    assert "\u22123.1\u202f%" in card
    assert "Price to earnings" not in card
    assert re.search(r"Dividend yield</dt><dd>0\.0", card)


async def test_statements_show_growth_and_their_unit(site: Site) -> None:
    """Statements as tables with growth: newest first, unit and currency in the caption, no growth from a loss."""
    await site.publish("financial-statements", "AAPL", STATEMENTS)
    card = part(await look(site, "/symbol/AAPL?open=statements"), "financial-statements:AAPL")
    assert "Income, millions of USD" in card
    assert card.index("FY 2011") < card.index("FY 2009")
    assert "108,249<small>+66.0\u202f%</small>" in card
    assert "65,225</td>" in card
    assert "\u22125,000</td>" in card
    assert "Operating income" not in card


async def test_each_state_of_a_card_is_told(site: Site) -> None:
    """LOOK: not here, nothing there, and failed are told apart, in words."""
    page = await look(site, "/symbol/AAPL?open=dividends,segments,headlines")
    assert "It is fetched while this part of the page is open." in part(page, "dividend-history:AAPL")
    await site.publish("dividend-history", "AAPL", None, version=0, state="empty")
    await site.pool.execute(
        """insert into openbell.cooldown (product, key, code, message, at, retry_at, job_id)
           values ('stock-headlines', 'AAPL', 'payment_required', 'The plan does not have it', openbell.now(),
               openbell.now() + interval '1 hour', 1)"""
    )
    page = await look(site, "/symbol/AAPL?open=dividends,headlines")
    assert "The source knows of no dividend" in part(page, "dividend-history:AAPL")
    assert "The last attempt failed: The plan does not have it." in part(page, "stock-headlines:AAPL")
    await site.publish("dividend-history", "AAPL", {"symbol": "AAPL", "rows": [], "complete": True}, fresh="-1 hour")
    assert "stale" in part(await look(site, "/symbol/AAPL?open=dividends"), "dividend-history:AAPL")


async def test_cards_are_live_in_the_currency_of_the_listing(site: Site) -> None:
    """PF-43: the same card comes by the stream, and is drawn again when the profile brings the currency."""
    worth = {"symbol": "AAPL", "date": "2012-06-01", "dcf": 600.0, "price": 500.0}
    await site.publish("valuations", "AAPL", worth)
    async with site.watch("quote:AAPL", "profile:AAPL", "valuations:AAPL", form="card") as stream:
        await eventually(lambda: any("600.00" in event["html"] for event in stream.events))
        await site.publish("profile", "AAPL", PROFILE)
        await eventually(lambda: any("600.00\u202fUSD" in event["html"] for event in stream.events))
    assert any("+20.0\u202f%" in event["html"] for event in stream.events)


async def test_opened_parts_are_refreshed_without_javascript(site: Site) -> None:
    """Platform G: the form asks for what is open on the page, and comes back to it with the same parts open."""
    answer = await site.http.post("/refresh", data={"symbol": "AAPL", "open": "dividends"})
    assert answer.headers["location"] == "/symbol/AAPL?open=dividends"
    wanted = await site.pool.fetch("select product from openbell.job order by product")
    assert [row["product"] for row in wanted] == ["dividend-history", "eod-prices", "profile", "quote"]


async def test_prices_within_the_day_are_a_table_too(site: Site) -> None:
    """LOOK: the figures of a chart as a table, also those of the last session; times in the exchange's zone."""
    bars = [["2012-05-31T15:55:00", 1, 2, 1, 2, 10], ["2012-06-01T09:30:00", 560.5, 561.0, 560.0, 560.9, 1_234]]
    value = {"symbol": "AAPL", "unit": "per share", "adjusted": "splits", "zone": "America/New_York", "rows": bars}
    await site.publish("intraday-prices", "AAPL", value)
    table = (await site.http.get("/symbol/AAPL/prices?range=1d")).text
    assert "1 Jun 2012, 09:30" in table
    assert "times of New York" in table
    assert "31 May 2012" not in table
    assert "31 May 2012, 15:55" in (await site.http.get("/symbol/AAPL/prices?range=5d")).text


@pytest.mark.parametrize("query", ["open=everything", "range=9y"])
async def test_an_unknown_choice_is_refused(site: Site, query: str) -> None:
    """Bad input: an unknown part or range is a page with status 400, not a guess."""
    answer = await site.http.get(f"/symbol/AAPL?{query}")
    assert answer.status_code == 400
    assert "Choose" in answer.text
