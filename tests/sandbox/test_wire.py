"""The answers as they arrive: rows, plans, ledger and clock."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from openbell.sandbox import PortTaken, serve
from openbell.sandbox.fmp import plans as plan_module
from openbell.sandbox.fmp.plans import GB, PLANS, Meter
from openbell.sandbox.server import StateUnreadable
from tests.sandbox.harness import Running, Start
from tests.support import eventually


def names(text: str) -> list[str]:
    return text.split()


QUOTE_FIELDS = names(
    "symbol name price changePercentage change volume dayLow dayHigh yearHigh yearLow marketCap priceAvg50 priceAvg200 "
    "exchange open previousClose timestamp"
)
PROFILE_FIELDS = names(
    "symbol price marketCap beta lastDividend range change changePercentage volume averageVolume companyName currency "
    "cik isin cusip exchangeFullName exchange industry website description ceo sector country fullTimeEmployees phone "
    "address city state zip image ipoDate defaultImage isEtf isActivelyTrading isAdr isFund"
)
FULL_FIELDS = names("symbol date open high low close volume change changePercent vwap")
ADJUSTED_FIELDS = names("symbol date adjOpen adjHigh adjLow adjClose volume")


@pytest.mark.parametrize(
    ("path", "params", "fields"),
    [
        ("quote", {"symbol": "AAPL"}, QUOTE_FIELDS),
        ("batch-quote", {"symbols": "AAPL,FB"}, QUOTE_FIELDS),
        ("quote-short", {"symbol": "AAPL"}, ["symbol", "price", "change", "volume"]),
        ("batch-quote-short", {"symbols": "AAPL"}, ["symbol", "price", "change", "volume"]),
        ("profile", {"symbol": "IBM"}, PROFILE_FIELDS),
        ("historical-price-eod/full", {"symbol": "FB"}, FULL_FIELDS),
        ("historical-price-eod/light", {"symbol": "FB"}, ["symbol", "date", "price", "volume"]),
        ("historical-price-eod/non-split-adjusted", {"symbol": "FB"}, ADJUSTED_FIELDS),
        ("historical-price-eod/dividend-adjusted", {"symbol": "FB"}, ADJUSTED_FIELDS),
        ("search-symbol", {"query": "aap"}, ["symbol", "name", "currency", "exchangeFullName", "exchange"]),
        ("search-name", {"query": "apple"}, ["symbol", "name", "currency", "exchangeFullName", "exchange"]),
    ],
)
async def test_rows_have_the_documented_fields(
    sandbox: Running, path: str, params: dict[str, str], fields: list[str]
) -> None:
    """Every endpoint answers a flat array whose rows carry exactly the documented names, labelled synthetic."""
    answer = await sandbox.get(path, **params)
    rows = answer.json()
    assert rows
    assert all(sorted(row) == sorted(fields) for row in rows)
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["x-data-class"] == "synthetic; replay of real daily prices, market day 2012-06-01"


async def test_price_change_fields(sandbox: Running) -> None:
    """Price changes of a young company are measured from its first day, so that no span is missing."""
    [row] = await sandbox.rows("stock-price-change", symbol="FB")
    assert set(row) == {"symbol", "1D", "5D", "1M", "3M", "6M", "ytd", "1Y", "3Y", "5Y", "10Y", "max"}
    assert row["10Y"] == row["max"]


async def test_quote_is_the_real_open(sandbox: Running) -> None:
    """At the open of 2012-06-01 Apple shows that day's real open, and the time of the replay in epoch seconds."""
    [row] = await sandbox.rows("quote", symbol="AAPL")
    assert (row["price"], row["previousClose"], row["timestamp"]) == (569.16, 577.73, 1338557400)


async def test_todays_row_appears_at_the_close(sandbox: Running) -> None:
    """The daily history ends yesterday while the market is open and today once it has closed."""
    before = await sandbox.rows("historical-price-eod/full", symbol="AAPL")
    clock = await sandbox.clock(advance_days=0.95)
    after = await sandbox.rows("historical-price-eod/full", symbol="AAPL")
    assert not clock["market_open"]
    assert (before[0]["date"], after[0]["date"]) == ("2012-05-31", "2012-06-01")
    assert after[1:] == before
    [quote] = await sandbox.rows("quote", symbol="AAPL")
    assert quote["price"] == after[0]["close"]


async def test_history_is_newest_first_and_bounded(sandbox: Running) -> None:
    """`from` and `to` are both included, the newest day comes first."""
    rows = await sandbox.rows("historical-price-eod/light", symbol="IBM", **{"from": "2012-05-21", "to": "2012-05-25"})
    days = [row["date"] for row in rows]
    assert days == ["2012-05-25", "2012-05-24", "2012-05-23", "2012-05-22", "2012-05-21"]


async def test_history_goes_on_over_laps(sandbox: Running) -> None:
    """Past the end of the data the history has every date once, in order, and the quote's day after it."""
    await sandbox.clock(advance_days=500)
    rows = await sandbox.rows("historical-price-eod/light", symbol="FB")
    days = [row["date"] for row in rows]
    assert days == sorted(set(days), reverse=True)
    assert len(days) == 9 + 500
    assert (await sandbox.clock())["market_day"] > days[0]


async def test_full_and_printed_differ_by_the_split(sandbox: Running) -> None:
    """Before Apple's split of February 2005 the printed price is twice the one in today's shares."""
    span = {"symbol": "AAPL", "from": "2005-02-25", "to": "2005-02-25"}
    [full] = await sandbox.rows("historical-price-eod/full", **span)
    [printed] = await sandbox.rows("historical-price-eod/non-split-adjusted", **span)
    assert (printed["adjClose"], full["close"]) == (88.99, 44.495)
    assert full["volume"] == 2 * printed["volume"]


@pytest.mark.parametrize("path", ["quote", "quote-short", "profile", "historical-price-eod/full", "stock-price-change"])
async def test_unknown_symbol_is_an_empty_array(sandbox: Running, path: str) -> None:
    """An unknown symbol is no error: 200 and []."""
    assert await sandbox.rows(path, symbol="NOPE") == []


async def test_two_hundred_invented_symbols(sandbox: Running) -> None:
    """Two hundred further symbols can be watched, and the label says that they are invented."""
    symbols = ",".join(f"SYN{n:03d}" for n in range(1, 201))
    answer = await sandbox.get("batch-quote", symbols=symbols)
    rows = answer.json()
    assert len({row["symbol"] for row in rows}) == 200
    assert all(row["price"] > 0 for row in rows)
    assert "invented company" in answer.headers["x-data-class"]


@pytest.mark.parametrize("params", [{}, {"apikey": "wrong"}])
async def test_wrong_key_is_401(sandbox: Running, params: dict[str, str]) -> None:
    """A missing or wrong key is 401 with the documented JSON, and is not billed."""
    answer = await sandbox.client.get("/stable/quote", params={"symbol": "AAPL", **params})
    assert answer.status_code == 401
    assert answer.json()["Error Message"].startswith("Invalid API KEY.")
    assert (await sandbox.ledger())["totals"]["billed"] == 0


async def test_key_in_the_query(sandbox: Running) -> None:
    """The key may also come in the query."""
    answer = await sandbox.client.get("/stable/quote", params={"symbol": "AAPL", "apikey": "sandbox"})
    assert answer.status_code == 200


async def test_paths_that_do_not_exist(sandbox: Running) -> None:
    """Old paths are 403 Legacy Endpoint, unknown ones 404 in HTML."""
    legacy = await sandbox.client.get("/api/v3/quote/AAPL")
    unknown = await sandbox.get("quotes", symbol="AAPL")
    assert (legacy.status_code, legacy.json()["Error Message"][:17]) == (403, "Legacy Endpoint :")
    assert (unknown.status_code, unknown.headers["content-type"][:9]) == (404, "text/html")


async def test_minute_limit(start: Start) -> None:
    """Calls beyond the plan's minute are 429 in the documented form and are not billed."""
    running = await start(calls_per_minute=3)
    # Eight calls span at most two minutes, so at most six can pass and at least two must not.
    statuses = [(await running.get("quote-short", symbol="IBM")).status_code for _ in range(8)]
    billed = (await running.ledger())["totals"]["billed"]
    assert statuses.count(200) == billed <= 6
    assert statuses.count(429) == 8 - billed


async def test_basic_plan(start: Start) -> None:
    """Basic refuses batches, large limits and symbols outside its sample, each in its own words."""
    running = await start(plan="basic")
    batch = await running.get("batch-quote", symbols="AAPL,IBM")
    limit = await running.get("search-name", query="inc", limit=6)
    symbol = await running.get("quote", symbol="SYN001")
    comma = await running.get("quote", symbol="AAPL,IBM")
    assert [answer.status_code for answer in (batch, limit, symbol, comma)] == [402] * 4
    assert batch.text.startswith("Restricted Endpoint:")
    assert "between 0 and 5" in limit.text
    assert "'symbol'" in symbol.text
    assert "'symbol'" in comma.text
    assert len(await running.rows("search-name", query="inc", limit=5)) == 3


async def test_starter_has_five_years(start: Start) -> None:
    """Starter has no batch and cuts histories after five years without a word."""
    running = await start(plan="starter")
    assert (await running.get("batch-quote-short", symbols="AAPL")).status_code == 402
    rows = await running.rows("historical-price-eod/light", symbol="IBM", **{"from": "2000-01-01"})
    assert rows[-1]["date"] == "2007-06-01"


def test_meter_counts_minute_day_and_month() -> None:
    """The three published dimensions: calls per minute, per New York day, and bytes in 30 days."""
    noon = 1_700_000_000.0 // 86_400 * 86_400 + 17 * 3_600
    minute = Meter(PLANS["starter"])
    assert [minute.admit(noon) is None for _ in range(301)] == [True] * 300 + [False]
    assert minute.admit(noon + 60) is None
    day = Meter(PLANS["basic"])
    assert [day.admit(noon + n) is None for n in range(251)] == [True] * 250 + [False]
    assert day.admit(noon + 86_400) is None
    month = Meter(PLANS["basic"])
    month.add_bytes(noon, GB // 2)
    refusal = month.admit(noon)
    assert refusal is not None
    assert b"Bandwidth" in refusal.body
    assert month.admit(noon + 29 * 86_400) is not None
    assert month.admit(noon + plan_module.DAYS_OF_BYTES * 86_400) is None


async def test_ledger_counts_every_call(sandbox: Running) -> None:
    """The ledger lists each call once, in order, with bytes and totals; DELETE begins anew."""
    answers = [await sandbox.get("quote", symbol=symbol) for symbol in ("AAPL", "IBM", "IBM")]
    answers.append(await sandbox.get("batch-quote", symbols="IBM,FB"))
    ledger = await sandbox.ledger()
    entries, totals = ledger["entries"], ledger["totals"]
    assert [entry["n"] for entry in entries] == [1, 2, 3, 4]
    assert [entry["bytes"] for entry in entries] == [len(answer.content) for answer in answers]
    assert all(earlier["received_at"] <= later["received_at"] for earlier, later in itertools.pairwise(entries))
    assert totals["by_symbol"]["IBM"] == {"calls": 3, "billed": 3}
    assert totals["by_path"]["/stable/quote"]["billed"] == 3
    assert totals["bytes"] == sum(len(answer.content) for answer in answers)
    assert [entry["n"] for entry in (await sandbox.ledger(since=3))["entries"]] == [4]
    await sandbox.client.delete("/_control/ledger")
    assert (await sandbox.ledger())["totals"]["calls"] == 0
    await sandbox.get("quote", symbol="FB")
    assert [entry["n"] for entry in (await sandbox.ledger())["entries"]] == [5]


async def test_control_is_no_billed_call(sandbox: Running) -> None:
    """Looking at the ledger or misspelling a control path is not a call to the provider."""
    assert (await sandbox.client.get("/_control/ledgers")).status_code == 404
    assert (await sandbox.ledger())["totals"]["calls"] == 0


async def test_clock_moves_only_forward(sandbox: Running) -> None:
    """The clock can be advanced and frozen, never set back."""
    before = await sandbox.clock()
    assert (before["market_day"], before["frozen"]) == ("2012-06-01", True)
    assert (await sandbox.clock(advance_days=1))["market_day"] == "2012-06-04"
    back = await sandbox.client.post("/_control/clock", json={"advance_days": -1})
    assert back.status_code == 400
    assert (await sandbox.clock())["market_day"] == "2012-06-04"


async def test_clock_runs(start: Start) -> None:
    """Without a freeze the market day advances by itself."""
    running = await start(freeze=False, day_seconds=0.05)

    async def a_week_has_passed() -> bool:
        return bool((await running.clock())["market_day"] > "2012-06-08")

    await eventually(a_week_has_passed)


async def test_restart_goes_on(start: Start, tmp_path: Path) -> None:
    """With a state file a restart goes on where the replay would be, and never goes back."""
    state = tmp_path / "kept" / "clock.json"
    first = await start(state=state)
    shown = await first.clock(advance_days=300.5)
    first.stop.set()
    await first.task
    second = await start(freeze=False, state=state)
    assert (await second.clock())["timestamp"] >= shown["timestamp"]


async def test_broken_state_is_named(start: Start, tmp_path: Path) -> None:
    """A state file that is not one of ours is not overwritten, and the error names it."""
    state = tmp_path / "clock.json"
    state.write_text("[1]")
    with pytest.raises(StateUnreadable, match=r"clock\.json"):
        await start(state=state)
    assert state.read_text() == "[1]"


async def test_taken_port_is_named(sandbox: Running) -> None:
    """A port that is taken is a clear error with its number."""
    with pytest.raises(PortTaken, match=str(sandbox.port)):
        await serve("127.0.0.1", sandbox.port)


async def test_unknown_plan_is_named() -> None:
    """A plan that does not exist is named, with the ones that do."""
    with pytest.raises(ValueError, match=r"'gold'.*premium"):
        await serve("127.0.0.1", 0, plan="gold")
