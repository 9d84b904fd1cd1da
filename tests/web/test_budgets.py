"""The page of budgets, its API, and what /health says of money."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from openbell.engine.books import grant, list_books
from openbell.engine.estimates import Estimator
from openbell.engine.ledger import Limit, ensure_accounts
from openbell.engine.naming import period_words
from openbell.engine.spends import Ledger, Settlement, Spends
from tests.support import Clock
from tests.web.conftest import Browser, Site, shot

MINUTE, DAY, MONTH = timedelta(minutes=1), timedelta(days=1), timedelta(days=30)
DOLLAR = 1_000_000
LIMITS = (
    Limit("fmp", "calls", "minute", 285, span=MINUTE),
    Limit("fmp", "bytes", "30 days", 19_000_000_000, span=MONTH, grain=timedelta(hours=1)),
    Limit(
        "perplexity",
        "usd_micro",
        "month",
        20 * DOLLAR,
        closes="charge",
        calendar="month",
        floors={"scheduled": 5 * DOLLAR},
    ),
    Limit("perplexity", "calls", "minute", 50, span=MINUTE),
    Limit("scrapfly", "credits", "month", 1_000, closes="charge", calendar="month"),
    Limit("scrapfly", "calls", "at once", 5, closes="release"),
    Limit("mail", "mails", "day", 400, span=DAY),
)


async def gate(site: Site, provider: str, product: str = "picks", key: str = "2026-W47") -> Spends:
    """Spends with a provider, of no job."""
    accounts = (await ensure_accounts(site.pool, LIMITS))[provider]
    return Spends(Ledger(site.pool), provider, accounts, product, key, None, None, None)


async def call(spends: Spends, operation: str, end: str = "settled", outcome: str = "ok", **amounts: Any) -> int:
    """One call; ``took_…`` is what it took, the rest is held. The id of its spend."""
    took = {name.removeprefix("took_"): n for name, n in amounts.items() if name.startswith("took_")}
    held = {name: n for name, n in amounts.items() if not name.startswith("took_")}
    async with spends.call(operation, effect="never", **held) as made:
        pass
    spends.ended.clear()
    await spends.ledger.settle([Settlement(made.spend_id, end, outcome, took)])  # type: ignore[arg-type]
    return made.spend_id


async def some_weeks(site: Site, clock: Clock) -> None:
    """Three weeks of a small house: paid runs, failures, doubt, a grant, a breaker and free reads."""
    paid, free = await gate(site, "perplexity"), await gate(site, "fmp", "quote", "AAPL")
    await clock.advance(days=-21)
    for step in range(7):
        await clock.advance(days=3)
        paid.accounts = (await ensure_accounts(site.pool, LIMITS))["perplexity"]
        for n in range(2 + step % 3):
            await call(paid, "v1/agent", usd_micro=1_200_000, took_usd_micro=710_000 + 37_123 * n + 5_001 * step)
        await call(paid, "v1/agent", "settled", "failed", usd_micro=900_000, took_usd_micro=120_000)
        await call(free, "quote", bytes=2_000, took_bytes=611)
        await call(free, "historical-price-eod/full", bytes=2_000_000_000, took_bytes=1_830_000_000)
    await call(paid, "v1/agent", "unknown", "timeout", usd_micro=900_000)
    await grant(site.pool, "perplexity", "usd_micro", 5 * DOLLAR, reason="launch week", actor="ada")
    scraped = await gate(site, "scrapfly", "digest", "AAPL 2026-11-22")
    await call(scraped, "scrape", credits=930, took_credits=912)
    await call(scraped, "scrape", "unknown", "timeout", credits=30)
    await call(await gate(site, "mail"), "send", mails=1)
    await site.pool.execute(
        """insert into openbell.breaker (provider, operation, opened_at, open_until, openings, code, reason) values
        ('scrapfly', '', openbell.now() - interval '95 s', openbell.now() + interval '4 minutes', 3, 'outage',
            '6 of the last 8 calls failed or were slow'),
        ('fmp', 'batch-quote', openbell.now() - interval '2 days', openbell.now() + interval '5 days', 1,
            'endpoint_not_in_plan', 'FMP does not include batch-quote in this plan.')"""
    )


async def test_the_page_shows_every_budget(site: Site, clock: Clock) -> None:
    """Issue 4: each budget with held, spent, doubtful and free, how long it lasts, breakers, doubts, costs."""
    await some_weeks(site, clock)
    html = (await site.http.get("/budgets")).text
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert "Cost Of it failed Held Estimate In doubt" in text
    (money,) = await list_books(site.pool, "perplexity", "usd_micro")
    for words in (
        "FMP", "bytes in any 30 days", "12.81 GB used", f"dollars, {period_words(money.period)}",
        "; $5.00 granted beyond the limit", "$0.90 held for calls in doubt", "work: $5.00 for scheduled",
        "5 calls at once", "50 calls in any minute", "ScrapFly", "for the 3rd time in a row", "Costs by week",
        f"Perplexity dollars, {period_words(money.period)}",
        "openbell spends resolve ID", "All of these",
    ):  # fmt: skip
        assert words in text, words
    spent = (await site.http.get("/api/v1/costs?by=provider&since=2000-01-01")).json()["total"]["cost_micro"]
    assert f"${spent / DOLLAR:,.6f}".rstrip("0") in text
    widths = [float(width) for width in re.findall(r'width="([\d.]+)%" height="10"><title>', html)]
    assert len(widths) == 6
    assert all(0 < width <= 100 for width in widths)


async def test_an_empty_house_says_what_to_do(site: Site) -> None:
    """LOOK: empty states say what to do first."""
    text = (await site.http.get("/budgets")).text
    for words in (
        "There are no accounts yet",
        "openbell worker",
        "All closed",
        "None. Of every call",
        "No calls that are paid for",
    ):
        assert words in text


async def test_words_from_outside_are_no_markup(site: Site) -> None:
    """DESIGN 7: keys, outcomes and reasons of providers are shown as text."""
    spends = await gate(site, "mail", "notice", "<b>ada</b>")
    await call(spends, "send", "unknown", "<script>alert(1)</script>", mails=1)
    await site.pool.execute(
        """insert into openbell.breaker (provider, operation, opened_at, open_until, code, reason)
        values ('<i>x</i>', '', openbell.now(), openbell.now(), 'outage', '<u>why</u>')"""
    )
    text = (await site.http.get("/budgets")).text
    for markup in ("<b>ada", "<script>alert", "<i>x", "<u>why"):
        assert markup not in text


async def test_the_api_gives_the_same_figures(site: Site, clock: Clock) -> None:
    """Issue 4: accounts, costs and spends as JSON, in whole units, and adding up."""
    await some_weeks(site, clock)
    await Estimator(site.pool, lag=timedelta(0)).beat()
    body = (await site.http.get("/api/v1/accounts")).json()
    accounts = {(one["subject"], one["resource"], one["closes"]): one for one in body["accounts"]}
    assert accounts["scrapfly", "credits", "charge"]["spent"] == 912
    assert accounts["perplexity", "usd_micro", "charge"]["doubtful"] == 900_000
    assert body["doubtful"]["held"] == {"usd_micro": 900_000, "credits": 30}
    assert [one["provider"] for one in body["breakers"]] == ["fmp", "scrapfly"]
    assert {"budget", "breaker", "unknown_spends"} <= {one["code"] for one in body["alarms"]}
    costs = {
        by: (await site.http.get(f"/api/v1/costs?by={by}&since=2000-01-01")).json() for by in ("week", "operation")
    }
    assert costs["week"]["total"] == costs["operation"]["total"]
    assert costs["week"]["total"]["failed_micro"] == 7 * 120_000
    assert sum(row["cost_micro"] for row in costs["week"]["rows"]) == costs["week"]["total"]["cost_micro"]
    (agent,) = [row for row in costs["operation"]["rows"] if row["operation"] == "v1/agent"]
    assert agent["estimates"][0]["resource"] == "usd_micro"
    doubtful = (await site.http.get("/api/v1/spends?state=unknown")).json()["spends"]
    assert [one["provider"] for one in doubtful] == ["scrapfly", "perplexity"]
    assert len((await site.http.get("/api/v1/spends?provider=fmp&limit=7")).json()["spends"]) == 7


@pytest.mark.parametrize(
    "path",
    [
        "costs?by=moon",
        "costs?since=yesterday",
        "spends?state=lost",
        "spends?limit=0",
        "spends?limit=501",
        "spends?job=x",
    ],
)
async def test_nonsense_is_refused(site: Site, path: str) -> None:
    """Bad input: 400 with a stable code, and no trace."""
    answer = await site.http.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


async def test_health_warns_of_money(site: Site) -> None:
    """PF-34: /health warns of a budget at 90 %, and says which, how much and until when; a calm house passes."""
    assert (await site.http.get("/health")).json()["status"] == "pass"
    await call(await gate(site, "scrapfly"), "scrape", credits=910)
    body = (await site.http.get("/health")).json()
    assert body["status"] == "warn"
    assert "91 % used: 910 credits of 1,000 credits" in body["output"]
    assert body["checks"]["money"][0]["observedValue"] == 91.0


def test_periods_are_told_in_words() -> None:
    """LOOK: dates as people say them; any other name of a period stays as it is."""
    assert [period_words(one) for one in ("2026-11", "2026-W47", "2026-11-22", "ever", "2026-99", "2026-99-99")] == [
        "November 2026", "week of 16 Nov 2026", "22 Nov 2026", "ever", "2026-99", "2026-99-99",
    ]  # fmt: skip


@pytest.mark.browser
@pytest.mark.slow
async def test_it_looks_like_the_others(site: Site, clock: Clock, browser: Browser) -> None:
    """LOOK: both themes, a phone without sideways scrolling, no complaint of the console, no script needed."""
    await some_weeks(site, clock)
    for name, options in (
        ("light", {}),
        ("dark", {"color_scheme": "dark"}),
        ("phone", {"viewport": {"width": 390, "height": 844}, "java_script_enabled": False}),
    ):
        async with browser(**options) as (_, page, complaints):
            await page.goto(f"{site.address}/budgets")
            assert await page.locator(".budgets li").count() == 4
            await shot(page, f"budgets-{name}")
            assert await page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
            assert complaints == []


async def test_play_money_is_labelled(site: Site) -> None:
    """Real: sums of a sandbox are labelled synthetic; those of a live database are not."""
    await site.pool.execute("insert into openbell.meta (key, value) values ('mode', to_jsonb('sandbox'::text))")
    assert '<span class="label">synthetic</span>' in (await site.http.get("/budgets")).text
    await site.pool.execute("update openbell.meta set value = to_jsonb('live'::text) where key = 'mode'")
    assert '<span class="label">synthetic</span>' not in (await site.http.get("/budgets")).text
