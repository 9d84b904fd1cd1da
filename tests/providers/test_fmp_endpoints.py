"""Every endpoint of the FMP client: what is asked, what is held for it, and the traps of its rows (table B1).

All rows here are synthetic: written for these tests in the shapes of the service.
"""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.engine.attempt import Attempt, Claim
from openbell.engine.errors import NothingKnown, NotInPlan, Permanent, ProducerError, ProviderStopped, Transient
from openbell.engine.spends import Intent, Ledger, Verdict
from openbell.providers import fmp
from openbell.providers.fmp import Fmp, Rows, client, every_page, instant, local_time, read_csv, refusal
from openbell.providers.fmp.rows import MOST_ROWS, between, limited, of
from tests.providers.attempts import an_attempt
from tests.providers.scripted import Scripted, http, serving
from tests.sandbox.harness import Start

SINCE, UNTIL = date(2012, 5, 1), date(2012, 5, 31)
RANGE = {"from": "2012-05-01", "to": "2012-05-31"}
ONE = {"symbol": "AAPL"}
Ask = Callable[[Fmp], Awaitable[Any]]

# what is called, the path that it asks for, the parameters that it names
SYMBOL_ENDPOINTS: list[tuple[Ask, str, dict[str, str]]] = [
    (lambda f: f.quote("AAPL"), "quote", ONE),
    (lambda f: f.quote_short("AAPL"), "quote-short", ONE),
    (lambda f: f.batch_quote(["AAPL"]), "batch-quote", {"symbols": "AAPL"}),
    (lambda f: f.batch_quote_short(["AAPL", "MSFT"]), "batch-quote-short", {"symbols": "AAPL,MSFT"}),
    (lambda f: f.aftermarket_quote("AAPL"), "aftermarket-quote", ONE),
    (lambda f: f.aftermarket_trade("AAPL"), "aftermarket-trade", ONE),
    (lambda f: f.price_change("AAPL"), "stock-price-change", ONE),
    (lambda f: f.profile("AAPL"), "profile", ONE),
    (lambda f: f.end_of_day("AAPL"), "historical-price-eod/full", ONE),
    (lambda f: f.end_of_day("AAPL", since=SINCE, until=UNTIL), "historical-price-eod/full", ONE | RANGE),
    (lambda f: f.end_of_day_light("AAPL", since=SINCE), "historical-price-eod/light", ONE | {"from": "2012-05-01"}),
    (lambda f: f.end_of_day_unadjusted("AAPL"), "historical-price-eod/non-split-adjusted", ONE),
    (
        lambda f: f.end_of_day_dividend_adjusted("AAPL", since=SINCE, until=UNTIL),
        "historical-price-eod/dividend-adjusted",
        ONE | RANGE,
    ),
    (
        lambda f: f.intraday("AAPL", "5min", since=SINCE, until=UNTIL, extended=True, nonadjusted=True),
        "historical-chart/5min",
        ONE | RANGE | {"extended": "true", "nonadjusted": "true"},
    ),
    (
        lambda f: f.income_statement("AAPL", period="quarter", limit=8),
        "income-statement",
        ONE | {"period": "quarter", "limit": "8"},
    ),
    (lambda f: f.income_statement_ttm("AAPL"), "income-statement-ttm", ONE | {"limit": "1"}),
    (lambda f: f.balance_sheet("AAPL"), "balance-sheet-statement", ONE | {"period": "annual", "limit": "5"}),
    (lambda f: f.balance_sheet_ttm("AAPL"), "balance-sheet-statement-ttm", ONE | {"limit": "1"}),
    (lambda f: f.cash_flow("AAPL", period="Q1"), "cash-flow-statement", ONE | {"period": "Q1", "limit": "5"}),
    (lambda f: f.cash_flow_ttm("AAPL"), "cash-flow-statement-ttm", ONE | {"limit": "1"}),
    (lambda f: f.ratios("AAPL"), "ratios", ONE | {"period": "annual", "limit": "5"}),
    (lambda f: f.ratios_ttm("AAPL"), "ratios-ttm", ONE),
    (lambda f: f.key_metrics("AAPL"), "key-metrics", ONE | {"period": "annual", "limit": "5"}),
    (lambda f: f.key_metrics_ttm("AAPL"), "key-metrics-ttm", ONE),
    (
        lambda f: f.revenue_by_product("AAPL"),
        "revenue-product-segmentation",
        ONE | {"period": "annual", "structure": "flat"},
    ),
    (
        lambda f: f.revenue_by_geography("AAPL", period="quarter"),
        "revenue-geographic-segmentation",
        ONE | {"period": "quarter", "structure": "flat"},
    ),
    (lambda f: f.price_target_summary("AAPL"), "price-target-summary", ONE),
    (lambda f: f.price_target_consensus("AAPL"), "price-target-consensus", ONE),
    (lambda f: f.grades("AAPL", page=2), "grades", ONE | {"page": "2"}),
    (lambda f: f.grades_historical("AAPL"), "grades-historical", ONE | {"limit": "100"}),
    (lambda f: f.grades_consensus("AAPL"), "grades-consensus", ONE),
    (
        lambda f: f.analyst_estimates("AAPL"),
        "analyst-estimates",
        ONE | {"period": "annual", "page": "0", "limit": "10"},
    ),
    (lambda f: f.ratings_snapshot("AAPL"), "ratings-snapshot", ONE),
    (lambda f: f.ratings_historical("AAPL", limit=3), "ratings-historical", ONE | {"limit": "3"}),
    (lambda f: f.dividends("AAPL"), "dividends", ONE),
    (lambda f: f.earnings("AAPL", limit=4), "earnings", ONE | {"limit": "4"}),
    (lambda f: f.splits("AAPL"), "splits", ONE),
    (
        lambda f: f.insider_trades("AAPL", page=1, limit=250),
        "insider-trading/search",
        ONE | {"page": "1", "limit": "250"},
    ),
    (lambda f: f.insider_statistics("AAPL"), "insider-trading/statistics", ONE),
    (lambda f: f.discounted_cash_flow("AAPL"), "discounted-cash-flow", ONE),
    (
        lambda f: f.stock_news(["AAPL", "MSFT"], since=SINCE, limit=50),
        "news/stock",
        {"symbols": "AAPL,MSFT", "from": "2012-05-01", "page": "0", "limit": "50"},
    ),
    (
        lambda f: f.press_releases(["AAPL"], page=1),
        "news/press-releases",
        {"symbols": "AAPL", "page": "1", "limit": "20"},
    ),
]

NYSE = {"exchange": "NYSE"}
MARKET_ENDPOINTS: list[tuple[Ask, str, dict[str, str]]] = [
    (lambda f: f.search("app", limit=3), "search-symbol", {"query": "app", "limit": "3"}),
    (lambda f: f.search_name("apple"), "search-name", {"query": "apple", "limit": "10"}),
    (lambda f: f.latest_stock_news(), "news/stock-latest", {"page": "0", "limit": "20"}),
    (lambda f: f.latest_general_news(page=3), "news/general-latest", {"page": "3", "limit": "20"}),
    (lambda f: f.dividends_calendar(SINCE, UNTIL), "dividends-calendar", RANGE | {"page": "0"}),
    (lambda f: f.earnings_calendar(SINCE, UNTIL, page=1), "earnings-calendar", RANGE | {"page": "1"}),
    (lambda f: f.splits_calendar(SINCE, UNTIL), "splits-calendar", RANGE | {"page": "0"}),
    (lambda f: f.constituents("sp500"), "sp500-constituent", {}),
    (lambda f: f.constituents("nasdaq"), "nasdaq-constituent", {}),
    (lambda f: f.constituents("dowjones"), "dowjones-constituent", {}),
    (lambda f: f.historical_constituents("sp500"), "historical-sp500-constituent", {}),
    (lambda f: f.exchange_variants("AAPL"), "search-exchange-variants", ONE),
    (lambda f: f.treasury_rates(since=SINCE, until=UNTIL), "treasury-rates", RANGE),
    (lambda f: f.market_risk_premium(), "market-risk-premium", {}),
    (lambda f: f.market_hours("NYSE"), "exchange-market-hours", NYSE),
    (lambda f: f.holidays("NYSE", since=SINCE, until=UNTIL), "holidays-by-exchange", NYSE | RANGE),
]

BULK_ENDPOINTS: list[tuple[Ask, str, dict[str, str]]] = [
    (lambda f: f.bulk_end_of_day(SINCE), "eod-bulk", {"date": "2012-05-01"}),
    (lambda f: f.bulk_profiles(0), "profile-bulk", {"part": "0"}),
    (lambda f: f.bulk_ratios_ttm(), "ratios-ttm-bulk", {}),
    (lambda f: f.bulk_key_metrics_ttm(), "key-metrics-ttm-bulk", {}),
]


@dataclass
class Wire:
    """A service that answers what a test has put down, and a client of it."""

    fmp: Fmp
    attempt: Attempt
    server: Scripted
    answers: dict[str, bytes] = field(default_factory=dict)

    def say(self, answer: Any, *, status: int = 200, path: str | None = None) -> None:
        """Answer this from now on: rows as JSON, text as it is."""
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.answers["*" if path is None else f"/stable/{path}"] = http(status, body)

    @property
    def last(self) -> tuple[str, dict[str, str]]:
        """The path and the parameters of the last request."""
        parts = urlsplit(self.server.targets[-1])
        return parts.path.removeprefix("/stable/"), dict(parse_qsl(parts.query))

    def planned(self, plan: str) -> Fmp:
        """A client that knows the plan."""
        return Fmp(self.fmp._http, self.attempt, plan=plan)


class Generous(Ledger):
    """A ledger without a database that has room for everything and keeps what was asked of it."""

    def __init__(self) -> None:
        self.intents: list[Intent] = []

    async def reserve_or_abandon(self, intent: Intent) -> Verdict:
        self.intents.append(intent)
        return Verdict(len(self.intents), "ok", None, None, timedelta(0))

    async def mark_sent(self, spend_id: int, job_id: int | None, token: int | None) -> bool:
        return True


def an_unlimited_attempt() -> Attempt:
    """An attempt whose every call is granted."""
    now, hour = datetime.now(UTC), timedelta(hours=1)
    claim = Claim(
        id=1, product="asking", key="a", token=1, attempt=1, max_attempts=1, job_class=1, queued_at=now, now=now,
        timeout=hour, ttl=hour, stale_ttl=hour, empty_ttl=hour, retry_ttl=hour, args=None, wanted=True, refresh_at=None,
    )  # fmt: skip
    return Attempt(claim, cast(asyncpg.Pool, None), Generous(), {})


@asynccontextmanager
async def wired(attempt: Attempt) -> AsyncIterator[Wire]:
    """A service for this attempt."""
    answers: dict[str, bytes] = {}
    async with serving(answers) as server, fmp.open_http(server.url, "a-key") as pooled:
        yield Wire(Fmp(pooled, attempt), attempt, server, answers)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """A service for an attempt whose every call is granted: what is tried here is what comes over the wire."""
    async with wired(an_unlimited_attempt()) as made:
        yield made


async def caught(ask: Awaitable[Any]) -> ProducerError:
    with pytest.raises(ProducerError) as raised:
        await ask
    return raised.value


async def test_every_endpoint_asks_for_what_it_says(pool: asyncpg.Pool) -> None:
    """PF-21: each endpoint is one GET with the names of the wire, under a spend that holds what it may take."""
    attempt = await an_attempt(pool, fmp.limits("ultimate", calls_per_minute=10_000))
    async with wired(attempt) as wire:
        wire.say([{"symbol": "AAPL", "exchange": "NYSE", "date": "2012-05-31"}])
        for ask, path, params in SYMBOL_ENDPOINTS + MARKET_ENDPOINTS:
            rows = await ask(wire.fmp)
            assert wire.last == (path, params)
            assert (rows if isinstance(rows, dict) else rows[0])["symbol"] == "AAPL", path
        ended = attempt.take_ended()
        held = await pool.fetch("select operation, (held ->> 'bytes')::bigint as bytes from openbell.spend")
        assert len(ended) == len(held) == len(wire.server.asked)
        assert {one.state for one in ended} == {"settled"}
        assert all(one["bytes"] >= 200 for one in held), held
        assert {source["operation"] for source in attempt.sources} == {
            path for _, path, _ in SYMBOL_ENDPOINTS + MARKET_ENDPOINTS
        }
        assert all("apikey" not in target and "a-key" not in target for target in wire.server.targets)


async def test_rows_of_another_symbol_are_refused_everywhere(wire: Wire) -> None:
    """MD-7: no endpoint takes the figures of another company; bars, which name nobody, are taken as they are."""
    wire.say([{"symbol": "AAPL"}, {"symbol": "TSLA"}])
    for ask, path, _ in SYMBOL_ENDPOINTS:
        error = await caught(ask(wire.fmp))
        assert (type(error), error.code) == (Permanent, "wrong_symbol"), path
    wire.say([{"date": "2012-06-01 09:30:00", "close": 1}])
    assert len(await wire.fmp.intraday("AAPL", "1min")) == 1
    assert (await caught(wire.fmp.quote("AAPL"))).code == "wrong_symbol"
    wire.say([{"exchange": "LSE"}])
    for of_exchange in (wire.fmp.market_hours("NYSE"), wire.fmp.holidays("NYSE")):
        assert (await caught(of_exchange)).code == "wrong_exchange"


async def test_an_empty_answer_is_nothing_known_everywhere(wire: Wire) -> None:
    """MD-6: `[]` is an answer of its own, also where nothing was named and in place of a table."""
    wire.say([])
    for ask, path, _ in SYMBOL_ENDPOINTS + MARKET_ENDPOINTS + BULK_ENDPOINTS[:1]:
        assert isinstance(await caught(ask(wire.fmp)), NothingKnown), path
    assert "sp500-constituent" in str(await caught(wire.fmp.constituents("sp500")))


async def test_values_stay_as_they_are(wire: Wire) -> None:
    """MD-7: null, the empty string and fields that nobody knows yet are passed on untouched; nothing is filled in."""
    row = {"symbol": "AAPL", "marketCap": None, "ipoDate": "", "priceToEarningsDilutedRatio": 1.5}
    wire.say([row])
    assert await wire.fmp.profile("AAPL") == row
    assert await wire.fmp.ratios("AAPL") == [row]


async def test_a_list_that_ends_at_the_cap_is_marked(wire: Wire) -> None:
    """MD-15: 250 rows where more were asked for are marked as cut; fewer, or as many as were asked for, are not."""
    rows = [{"symbol": "AAPL", "date": f"row {number}"} for number in range(MOST_ROWS)]
    wire.say(rows)
    assert (await wire.fmp.ratings_historical("AAPL", limit=1_000)).cut
    assert wire.last[1]["limit"] == "1000"
    assert not (await wire.fmp.ratings_historical("AAPL", limit=250)).cut
    assert (await wire.fmp.earnings_calendar(SINCE, UNTIL)).cut
    assert (await wire.fmp.constituents("sp500")).cut
    news = await wire.fmp.stock_news(["AAPL"], limit=400)
    assert (news.cut, news.full, wire.last[1]["limit"]) == (True, True, "250")
    wire.say(rows[:-1])
    fewer = await wire.fmp.earnings_calendar(SINCE, UNTIL)
    assert (fewer.cut, fewer.full) == (False, False)


async def test_a_range_that_ends_at_the_cap_is_marked(wire: Wire) -> None:
    """MD-15: a history of 250 rows is whole only when it reaches back to the day that was asked for."""
    days = [(UNTIL - timedelta(days=number)).isoformat() for number in range(MOST_ROWS)]
    wire.say([{"symbol": "AAPL", "date": day} for day in days])
    oldest = date.fromisoformat(days[-1])
    assert not (await wire.fmp.end_of_day("AAPL", since=oldest)).cut
    assert (await wire.fmp.end_of_day_light("AAPL", since=oldest - timedelta(days=1))).cut
    assert (await wire.fmp.end_of_day("AAPL")).cut
    wire.say([{"date": f"{day} 15:55:00"} for day in days])
    assert not (await wire.fmp.intraday("AAPL", "5min", since=oldest)).cut
    assert (await wire.fmp.intraday("AAPL", "5min", since=oldest - timedelta(days=1))).cut


async def test_a_calendar_gives_the_whole_market(wire: Wire) -> None:
    """MD-15: a calendar ignores `symbol`, so it cannot be asked for one company; all its rows are passed on."""
    wire.say([{"symbol": "AAPL", "epsActual": None}, {"symbol": "MSFT", "epsActual": 1.2}])
    assert {row["symbol"] for row in await wire.fmp.earnings_calendar(SINCE, UNTIL)} == {"AAPL", "MSFT"}
    assert "symbol" not in wire.last[1]
    with pytest.raises(ValueError, match="ends before it begins"):
        await wire.fmp.dividends_calendar(UNTIL, SINCE)


async def test_the_plan_lowers_a_limit(wire: Wire) -> None:
    """PF-8: a `limit` beyond the plan is lowered to it, and what may be missing for that is marked, also by page."""
    basic = wire.planned("basic")
    wire.say([{"symbol": "AAPL"}] * 5)
    statements = await basic.income_statement("AAPL", limit=40)
    assert (wire.last[1]["limit"], statements.cut) == ("5", True)
    assert not (await basic.income_statement("AAPL", limit=5)).cut
    news = await basic.stock_news(["AAPL"], limit=20)
    assert (wire.last[1]["limit"], news.cut, news.full) == ("5", True, True)
    wire.say([{"symbol": "AAPL"}] * 3)
    assert not (await basic.income_statement("AAPL", limit=40)).cut
    await wire.planned("starter").income_statement("AAPL", limit=40)
    assert wire.last[1]["limit"] == "40"
    wire.say(
        "Premium Query Parameter: 'Special Parameters : The values for 'limit' must be between 0 and 5'", status=402
    )
    error = await caught(wire.fmp.income_statement("AAPL", limit=40))
    assert (type(error), error.code) == (NotInPlan, "parameter_not_in_plan")


async def test_an_endpoint_outside_the_plan_is_named(wire: Wire) -> None:
    """PF-8: what is refused is the operation, so that it alone is left alone; a table may be refused within a 200."""
    wire.say("Restricted Endpoint: This endpoint is not available under your current subscription", status=402)
    for ask, path, _ in (SYMBOL_ENDPOINTS[13], MARKET_ENDPOINTS[0], BULK_ENDPOINTS[0]):
        error = await caught(ask(wire.fmp))
        assert isinstance(error, NotInPlan)
        assert (error.code, error.operation) == ("endpoint_not_in_plan", path)


async def test_a_bulk_table_becomes_rows(wire: Wire) -> None:
    """MD-20, MD-7: bulk answers are CSV, with commas, quotes and lines within values; held for as large."""
    wire.say('\ufeff"symbol","companyName","price"\r\n"AAPL","Apple, ""the"" Inc.\nCupertino","1.5"\r\n"IBM","",""\r\n')
    for ask, path, params in BULK_ENDPOINTS:
        assert await ask(wire.fmp) == [
            {"symbol": "AAPL", "companyName": 'Apple, "the" Inc.\nCupertino', "price": "1.5"},
            {"symbol": "IBM", "companyName": "", "price": ""},
        ]
        assert wire.last == (path, params)
    assert isinstance(wire.attempt.ledger, Generous)
    assert min(intent.held["bytes"] for intent in wire.attempt.ledger.intents) >= 20_000_000


async def test_a_large_table_is_read_beside_the_loop(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """MD-20: what takes long to read is read in another thread, so that everybody else's calls go on meanwhile."""
    threads: list[int] = []

    def noted(status: int, body: bytes) -> list[dict[str, Any]] | ProducerError:
        threads.append(threading.get_ident())
        return read_csv(status, body)

    monkeypatch.setattr(client, "read_csv", noted)
    monkeypatch.setattr(client, "AT_ONCE", 1_000)
    for lines in (10, 1_000):
        wire.say("symbol,price\n" + "AAPL,1\n" * lines)
        assert len(await wire.fmp.bulk_profiles(0)) == lines
    small, large = threads
    assert small == threading.get_ident() != large


async def test_what_cannot_be_asked_is_not_sent(wire: Wire) -> None:
    """PF-21: a call that makes no sense costs nothing."""
    asked: list[Callable[[], Awaitable[Any]]] = [
        partial(wire.fmp.batch_quote, []),
        partial(wire.fmp.stock_news, []),
        partial(wire.fmp.batch_quote_short, [f"S{number}" for number in range(1_001)]),
        partial(wire.fmp.ratios, "AAPL", limit=0),
        partial(wire.fmp.grades, "AAPL", page=-1),
        partial(wire.fmp.bulk_profiles, -1),
        partial(wire.fmp.end_of_day, "AAPL", since=UNTIL, until=SINCE),
    ]
    for ask in asked:
        with pytest.raises(ValueError, match=r"ask for|there is no|ends before"):
            await ask()
    assert (wire.server.asked, wire.attempt.take_ended()) == ([], [])


# what the sandbox has nothing of, on the day on which its replay stands
NOTHING = {"dividends", "earnings-calendar", "splits-calendar", "search-symbol"}


async def test_every_endpoint_over_a_real_socket(start: Start) -> None:
    """DG-9, PF-21: the client takes what the sandbox serves at every endpoint, and none brings more than is held."""
    sandbox = await start(plan="ultimate")
    attempt = an_unlimited_attempt()
    taken: dict[str, int] = {}
    async with fmp.open_http(sandbox.url, "sandbox") as pooled:
        asking = Fmp(pooled, attempt)
        for ask, path, _ in SYMBOL_ENDPOINTS + MARKET_ENDPOINTS + BULK_ENDPOINTS:
            try:
                taken[path] = len(await ask(asking))
            except NothingKnown:
                assert path in NOTHING, path
        whole = await asking.end_of_day("AAPL", since=SINCE, until=UNTIL)
    assert (len(whole), whole.cut) == (22, False)
    assert all(taken.values())
    ledger = attempt.ledger
    assert isinstance(ledger, Generous)
    for settlement, intent in zip(attempt.take_ended(), ledger.intents, strict=True):
        assert 0 < settlement.took["bytes"] <= intent.held["bytes"], intent.operation


# --- without a socket ------------------------------------------------------------------------------------------------


def pages(*lengths: int) -> tuple[Callable[[int], Awaitable[Rows]], list[int]]:
    """An endpoint with these pages, and the numbers of those that were asked for."""
    asked: list[int] = []

    async def ask(page: int) -> Rows:
        asked.append(page)
        if page >= len(lengths) or not lengths[page]:
            raise NothingKnown("no more")
        return limited([{"page": page, "row": row} for row in range(lengths[page])], None, None)

    return ask, asked


@pytest.mark.parametrize(
    ("lengths", "most", "asked", "cut"),
    [
        ([250, 250, 10], 10, 3, False),
        ([250, 250], 10, 3, False),
        ([7], 10, 1, False),
        ([250, 250, 250], 2, 2, True),
        ([250], 1, 1, True),
    ],
)
async def test_pages_are_turned_to_their_end(lengths: list[int], most: int, asked: int, cut: bool) -> None:
    """MD-15: pages are read until one is not full, and never more than were allowed; then the rest is marked as cut."""
    ask, numbers = pages(*lengths)
    rows = await every_page(ask, most=most)
    assert len(rows) == sum(lengths[:most])
    assert (numbers, rows.cut) == (list(range(asked)), cut)


async def test_small_pages_are_turned_too() -> None:
    """MD-15: a page of as many rows as were asked for is whole, and yet the next page may have more."""
    sizes = [20, 20, 3]

    async def ask(page: int) -> Rows:
        return limited([{"page": page, "row": row} for row in range(sizes[page])], 20, 20)

    rows = await every_page(ask)
    assert (len(rows), rows.cut) == (43, False)


async def test_an_endpoint_that_ignores_pages_is_seen() -> None:
    """MD-15: an endpoint that answers every page with the first is read once, and marked as cut."""
    asked: list[int] = []

    async def ask(page: int) -> Rows:
        asked.append(page)
        return limited([{"row": row} for row in range(250)], None, None)

    rows = await every_page(ask)
    assert (len(rows), rows.cut, asked) == (250, True, [0, 1])


async def test_no_first_page_is_nothing_known() -> None:
    """MD-6: an endpoint without rows has no pages either; no pages at all cannot be asked for."""
    with pytest.raises(NothingKnown):
        await every_page(pages()[0])
    with pytest.raises(ValueError, match="at least 1"):
        await every_page(pages()[0], most=0)


@given(count=st.integers(0, 600), asked=st.none() | st.integers(1, 600))
def test_only_what_falls_short_is_cut(count: int, asked: int | None) -> None:
    """MD-15: rows are never marked as cut when as many came as were asked for, and always at the cap below that."""
    rows = limited([{"n": n} for n in range(count)], asked, asked)
    assert rows.cut == (count == MOST_ROWS and (asked is None or asked > MOST_ROWS))
    assert json.loads(json.dumps(rows)) == list(rows)


@pytest.mark.parametrize("symbol", [None, "", "aapl", ["AAPL"], {"a": 1}, 3])
def test_a_row_must_say_whose_it_is(symbol: Any) -> None:
    """MD-7: a row whose symbol is another, none or nothing of the kind is refused, and the error stays short."""
    with pytest.raises(Permanent, match="when asked for AAPL"):
        of("AAPL", Rows([{"symbol": symbol}]))


def test_a_range_without_dates_counts_as_cut() -> None:
    """MD-15: 250 rows that do not say of what day they are cannot be shown to be whole."""
    assert between([{"close": 1}] * MOST_ROWS, SINCE).cut


TABLES: list[tuple[str, type[ProducerError] | int]] = [
    ("symbol,price\nAAPL,1\nMSFT,2\n", 2),
    ("symbol,price\n\nAAPL,1\n", 1),
    ("symbol,price\n", 0),
    ("", 0),
    ("[]", 0),
    ("symbol,price\nAAPL,1\nMS", Transient),
    ('symbol,price\nAAPL,"1', Transient),
    ("symbol,symbol\nAAPL,1\n", Transient),
    ("<html><p>busy, later</p></html>", Transient),
    ('{"Error Message": "Limit Reach . Please upgrade your plan, or wait"}', fmp.refusal(429, "").__class__),
    ('{"Error Message": "Invalid API KEY. Please retry, or visit"}', ProviderStopped),
    ("Exclusive Endpoint : This endpoint is not available", NotInPlan),
]


@pytest.mark.parametrize(("text", "means"), TABLES)
def test_a_table_is_whole_or_an_error(text: str, means: type[ProducerError] | int) -> None:
    """MD-7, MD-21: a table that was cut off, a refusal within a 200 and a page of HTML are never taken for rows."""
    answer = read_csv(200, text.encode())
    if isinstance(means, int):
        assert isinstance(answer, list)
        assert len(answer) == means
    else:
        assert type(answer) is means


@given(
    status=st.sampled_from([200, 402, 429, 500]), body=st.binary(max_size=300) | st.text(max_size=300).map(str.encode)
)
def test_any_table_is_rows_or_a_typed_error(status: int, body: bytes) -> None:
    """MD-7: no answer, however strange, is an untyped failure."""
    answer = read_csv(status, body)
    assert isinstance(answer, ProducerError) or (status == 200 and all(len(row) > 1 for row in answer))


@pytest.mark.parametrize(
    ("value", "code"),
    [("symbol", "symbol_not_in_plan"), ("period", "parameter_not_in_plan")],
)
def test_a_value_outside_the_plan_is_told_apart(value: str, code: str) -> None:
    """MD-21: a symbol outside the plan is that symbol's fault, a period is not."""
    text = f"Premium Query Parameter: 'Special Endpoint : This value set for '{value}' is not available under your plan"
    assert refusal(402, text).code == code


def test_words_far_into_a_page_mean_nothing() -> None:
    """MD-21: an outage whose page happens to speak of suspended accounts somewhere is an outage."""
    assert refusal(502, "<html>" + " " * 5_000 + "account suspended").code == "outage"


def test_times_without_a_zone() -> None:
    """MD-7: times are read in the zone that they are in, in summer and winter; the repeated hour is the first one."""
    assert local_time("2012-06-01 09:30:00") == datetime(2012, 6, 1, 13, 30, tzinfo=UTC)
    assert local_time("2012-12-03 09:30:00") == datetime(2012, 12, 3, 14, 30, tzinfo=UTC)
    assert local_time("2012-11-04 01:30:00") == datetime(2012, 11, 4, 5, 30, tzinfo=UTC)
    assert local_time("2012-06-01 09:30:00", "Europe/London") == datetime(2012, 6, 1, 8, 30, tzinfo=UTC)
    for text in ("", "2012-06-01", "2012-06-01T09:30:00Z", "tomorrow"):
        with pytest.raises(ValueError, match="time data"):
            local_time(text)


def test_timestamps_are_seconds_or_milliseconds() -> None:
    """MD-7: quotes count seconds, the hours outside trading count milliseconds; both mean the same instant."""
    assert instant(1_338_557_400) == instant(1_338_557_400_000) == datetime(2012, 6, 1, 13, 30, tzinfo=UTC)
