"""The pages about all symbols: the market, the leaderboard, the data types."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openbell.engine.challenger import challenger
from openbell.engine.errors import NothingKnown
from openbell.engine.registry import Registry, seconds
from openbell.engine.rollout import set_flag
from openbell.engine.sessions import Session, write_sessions
from openbell.products import registry
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.quote import Quote
from tests.web.conftest import Site


def rates(day: str, ten: float | None) -> dict[str, Any]:
    """A day of rates."""
    return {"date": day, "month_3": 2.0, "year_2": 2.5, "year_10": ten, "year_30": None}


def announcement(symbol: str, revenue: float | None, eps: float | None = None) -> dict[str, Any]:
    """An entry of the calendar of earnings."""
    return {
        "symbol": symbol, "date": "2012-06-05", "eps_actual": eps, "eps_estimated": 1.25,
        "revenue_actual": None, "revenue_estimated": revenue,
    }  # fmt: skip


async def test_the_market_has_rates_and_what_they_were(site: Site) -> None:
    """Issue 5, item 8: rates by term beside days before, in per cent; a term without a figure stays blank."""
    rows = [rates("2012-05-25", 2.9), rates("2012-06-01", 3.1)]
    await site.publish("treasury-rates", "GLOBAL", {"rows": rows})
    page = (await site.http.get("/market")).text
    assert "3.10\u202f%" in page
    assert "+0.60 points" in page
    assert re.search(r"10 years</th><td>3\.10</td><td>2\.90</td>", page)
    assert "30 years" not in page
    assert "no-store" in (await site.http.get("/market")).headers["cache-control"]
    assert await site.count("job") == 0


async def test_a_week_shows_who_reports(site: Site) -> None:
    """A long calendar shows the largest of one currency and counts the rest; what is not out yet is no zero."""
    many = [announcement(f"S{n}", 1e6 + n) for n in range(60)]
    rows = [announcement("BIG", 5e10, 1.5), announcement("7203.T", 1e13), announcement("TINY", None), *many]
    value = {"week": "2012-W23", "rows": rows, "complete": False, "left_out": 2}
    await site.publish("earnings-calendar", "2012-W23", value)
    page = (await site.http.get("/market?week=2012-06-05&open=earnings")).text
    assert "4 Jun 2012 to 10 Jun 2012" in page
    assert 'href="/symbol/BIG"' in page
    assert "50.0\u202fbn" in page
    assert "7203.T" not in page
    assert ">TINY<" not in page
    assert "The 40 largest by revenue with a listing in the United States, of 63 worldwide." in page
    assert "there are more" in page
    assert "2 entries of the source were out of shape" in page


async def test_the_market_tells_trading_hours(site: Site) -> None:
    """The hours of every market that is known, each in its own time."""
    assert "No trading hours are written yet" in (await site.http.get("/market")).text
    now = datetime.now(UTC)
    sessions = [
        Session((now + timedelta(days=n)).date(), now + timedelta(days=n, hours=-1), now + timedelta(days=n, hours=1))
        for n in range(3)
    ]
    async with site.pool.acquire() as conn:
        await write_sessions(conn, "XLON", sessions)
    assert "London open until" in (await site.http.get("/market")).text


async def test_the_market_is_refreshed_without_javascript(site: Site) -> None:
    """Platform G: the form asks for what is open, and comes back to the same week."""
    answer = await site.http.post("/market", data={"open": "rates,earnings", "week": "2012-W23"})
    assert answer.headers["location"] == "/market?week=2012-W23&open=rates,earnings"
    wanted = await site.pool.fetch("select product, key from openbell.job order by product")
    assert [tuple(row) for row in wanted] == [("earnings-calendar", "2012-W23"), ("treasury-rates", "GLOBAL")]


def ratios(earnings: float | None, margin: float) -> dict[str, Any]:
    """Ratios that say something about value, profitability, income and health."""
    return {
        "price_to_earnings_ratio": earnings, "price_to_book_ratio": earnings, "operating_profit_margin": margin,
        "net_profit_margin": margin, "dividend_yield": margin / 10, "dividend_payout_ratio": 0.5,
        "current_ratio": 1 + margin, "debt_to_equity_ratio": 0.5,
    }  # fmt: skip


async def test_the_leaderboard_ranks_what_is_stored(site: Site) -> None:
    """Issue 5: five pillars with percentiles and weight presets, from what is there alone: nothing is asked for."""
    assert "Nothing can be ranked yet" in (await site.http.get("/leaderboard")).text
    for symbol, value in (("CHEAP", ratios(5, 0.01)), ("RICH", ratios(50, 0.4)), ("MID", ratios(20, 0.2))):
        await site.publish("ratios-ttm", symbol, value)
    await site.publish("ratios-ttm", "GONE", ratios(1, 0.9), fresh="-2 days")
    await site.publish("ratios-ttm", "BLANK", {"current_ratio": 2.0, "dividend_yield": None})

    async def order(weights: str) -> list[str]:
        page = (await site.http.get(f"/leaderboard?weights={weights}")).text
        return re.findall(r'<th scope="row"><a href="/symbol/(\w+)"', page)

    assert await order("quality") == ["RICH", "MID", "CHEAP", "BLANK"]
    assert await order("value") == ["CHEAP", "MID", "RICH", "BLANK"]
    page = (await site.http.get("/leaderboard")).text
    assert "3 of 4 are ranked" in page
    assert "all of them fresh" in page
    assert await site.count("job") + await site.count("demand") == 0
    assert (await site.http.get("/leaderboard?weights=luck")).status_code == 400


async def test_every_type_is_on_the_page_of_types(site: Site) -> None:
    """Issue 5, item 8: per type success, staleness, demand, calls, bytes, errors and mode."""
    page = (await site.http.get("/types")).text
    names = [one.name for one in registry() if not one.is_task]
    assert re.findall(r'<th scope="row">([a-z-]+)<', page) == sorted(names)
    assert f"All {len(names)} types are well" in page


async def test_a_type_tells_its_figures_and_its_trouble(site: Site) -> None:
    """What an operator needs is in one line: how much failed and of what, and how far demand has taken over a list."""
    await site.http.post("/refresh", data={"symbol": "AAPL"})
    await site.pool.execute(
        """insert into openbell.job_history (id, product, key, job_class, outcome, attempts, queued_at, finished_at,
               cost_micro, code)
           select n, 'quote', 'AAPL', 0, (case when n < 4 then 'done' else 'failed' end)::openbell.job_outcome, 1,
               openbell.now(), openbell.now(), 0, case when n = 4 then 'invalid_answer' end
           from generate_series(1, 4) n"""
    )
    await site.pool.execute("insert into openbell.poll (product, key) values ('quote', 'A'), ('quote', 'B')")
    await site.pool.execute(
        """insert into openbell.flag (name, mode, salt, allow, about, owner, remove_by)
           values ('demand-quote', 'percent', 'salt', '{A}', 'a trial', 'somebody', '2030-01-01')"""
    )
    page = (await site.http.get("/types?only=trouble")).text
    line = page.split('<th scope="row">quote<', maxsplit=1)[1].split("</tr>", maxsplit=1)[0]
    assert "75.0\u202f%" in line
    assert "invalid answer" in line
    assert "polled: 1 of 2 keys taken over, flag 0 %" in line
    assert ">treasury-rates<" not in page
    assert "1 of" in page


async def test_a_type_tells_who_challenges_it(site: Site) -> None:
    """PF-28, issue 5, item 6: the mode of a type names what runs in its shadow, how it compares, what took over."""
    number = registry().artifact("quote")

    async def another(symbol: Symbol, ctx: Context) -> Quote:
        raise NothingKnown("nothing")

    declared = challenger("quote-next", of=number, version=9, timeout=seconds(5), spends={}, budget={"calls": 1})
    await Registry([number, declared(another)]).seed(site.pool)
    await site.pool.execute(
        """insert into openbell.trial (challenger, key, at, job_id, producer_version, live_version, verdict, fields,
               differences, calls, bytes, cost_micro, took_s, live_calls, live_bytes, live_cost_micro)
           select 'quote-next', 'A', openbell.now(), n, 9, 1, case when n = 1 then 'different' else 'equal' end, 1,
               '[]', 1, 1, 0, 1, 1, 1, 0 from generate_series(1, 3) n"""
    )
    for mode, share, words in (
        ("off", 0, '<td class="text">demand</td>'),
        ("shadow", 1_000, "demand; quote-next in shadow 10 %: 3 compared, 1 unlike"),
        ("percent", 1_000, "demand; 10 % made by quote-next"),
        ("on", 0, "demand; made by quote-next"),
    ):
        await set_flag(
            site.pool,
            "quote-next",
            mode=mode,
            share=share,
            actor="test",
            force=True,
            reason="a test",  # type: ignore[arg-type]
        )
        page = (await site.http.get("/types")).text
        line = page.split('<th scope="row">quote<', maxsplit=1)[1].split("</tr>", maxsplit=1)[0]
        assert words in line
        assert ">quote-next<" not in page


async def test_a_type_tells_what_was_prefetched(site: Site) -> None:
    """Issue 5, item 4: how much was made before anybody asked, and how much of what is over was opened in time."""
    await site.pool.execute(
        """insert into openbell.prefetch_count (product, day, made, hits, missed)
           values ('profile', openbell.now()::date, 40, 12, 20), ('profile', openbell.now()::date - 60, 9, 9, 9),
               ('ratios-ttm', openbell.now()::date, 3, 0, 0)"""
    )
    page = (await site.http.get("/types?over=week")).text
    assert "demand; 40 prefetched: 12 opened in time, 20 gone stale unopened" in page
    assert "demand; 3 prefetched: 0 opened in time, 0 gone stale unopened" in page
    assert page.count("prefetched") == 2


@pytest.mark.parametrize("address", ["/types?over=year", "/market?open=all", "/market?week=2012-W99"])
async def test_what_cannot_be_meant_is_refused(site: Site, address: str) -> None:
    """Bad input: a page with status 400 and what to choose."""
    answer = await site.http.get(address)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
