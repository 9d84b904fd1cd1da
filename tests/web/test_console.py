"""The console's overview and freshness: what an operator sees at a glance, the rows behind it, live and by keys."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path

import asyncpg
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from openbell.engine.demand import want
from openbell.engine.trends import Folder
from openbell.engine.upkeep import Sampler
from openbell.web.console.charts import linear, nice, spans
from openbell.web.console.frame import PLACES
from tests.web.conftest import QUOTE, Browser, Site, shot
from tests.web.test_people_pages import SIDEWAYS

HISTORY = """
insert into openbell.job_history (id, product, key, job_class, outcome, attempts, queued_at, started_at, finished_at,
    cost_micro)
values ($1, 'quote', 'AAPL', $2, $3::text::openbell.job_outcome, 1, $4, $5, $6, 0)
"""
SPENT = """
insert into openbell.spend (product, key, provider, operation, effect, state, intended_at, tried_at, ended_at, timeout,
    held, took, cost_micro, charged, outcome)
values ('news', 'AAPL', $1, 'research', 'never', 'settled', $2, $2, $3, interval '10 s', '{"usd_micro": 9}', '{}', $4,
    true, 'ok')
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due for a moment stays due for a moment, however long a slow machine takes to look."""
    for place in ("frame", "freshness"):
        monkeypatch.setattr(f"openbell.web.console.{place}.LATE", timedelta(minutes=2))


async def lived_in(site: Site) -> None:
    """A house in the middle of its day: fresh values, late ones, a failure, a worker, a day of work and of costs."""
    await site.ready()
    now: datetime = await site.pool.fetchval("select openbell.now()")
    dice = random.Random(7)
    jobs, spends = [], []
    for n in range(600):
        end = now - timedelta(minutes=1_440 * dice.random() ** 1.5)
        start = end - timedelta(seconds=dice.random())
        wait = timedelta(seconds=10 ** dice.uniform(-2, 1.5))
        outcome = "failed" if n % 17 == 0 else "done"
        jobs.append((5_000 + n, dice.choice((0, 10, 90)), outcome, start - wait, start, end))
        if n % 5 == 0:
            provider = dice.choice(("perplexity", "webshare", "claude"))
            spends.append((provider, start, end, dice.randrange(60_000)))
    await site.pool.executemany(HISTORY, jobs)
    await site.pool.executemany(SPENT, spends)
    await site.pool.execute(
        """insert into openbell.depth (at, product, job_class, waiting, parked, running)
           select date_trunc('minute', openbell.now(), 'UTC') - n * interval '1 minute', 'quote', 0,
               (30 + 25 * sin(n / 60.0))::int, n % 7, 4
           from generate_series(1, 1430) n where n not between 500 and 560"""
    )
    await site.pool.execute(
        "insert into openbell.worker (name, slots, expires_at) values ('w', 8, openbell.now() + interval '1 day')"
    )
    for n in range(12):
        await site.publish("quote", f"S{n}", QUOTE, hint=False)
    await site.publish("quote", "LATE", QUOTE, fresh="-6 minutes", hint=False)
    await site.publish("profile", "LATE", {"symbol": "LATE"}, fresh="-3 seconds", hint=False)
    keys = [("quote", f"S{n}") for n in range(12)] + [("quote", "LATE"), ("profile", "LATE"), ("eod-prices", "NONE")]
    await want(site.pool, keys, source="web:test", seconds=3_600, weight=2)
    await want(site.pool, [("quote", "LATE")], source="schedule:open", seconds=3_600)
    await site.pool.execute("delete from openbell.job where key = 'NONE'")
    await site.pool.execute(
        """insert into openbell.cooldown (product, key, code, message, at, retry_at, job_id)
           values ('eod-prices', 'NONE', 'bad_answer', '<i>odd</i> answer', openbell.now() - interval '4 minutes',
               openbell.now() + interval '1 hour', 5001)"""
    )
    await Sampler(site.pool).beat()
    await site.pool.execute(
        """insert into openbell.meta values ('trends', to_jsonb(openbell.now() - interval '1 day'))"""
    )
    for _ in range(9):
        await Folder(site.pool).beat()


@pytest.mark.browser
async def test_the_console_in_a_browser(site: Site, browser: Browser) -> None:
    """Step 8, LOOK: no violation that axe finds, nothing to scroll sideways on a phone, no complaint of the browser."""
    await lived_in(site)
    places = {
        "overview": "/console",
        "table": "/console?as=table",
        "freshness": "/console/freshness",
        "key": "/console/freshness/quote/LATE",
    }
    async with browser() as (_, page, complaints):
        for name, place in places.items():
            await page.set_viewport_size({"width": 1280, "height": 900})
            await page.goto(site.address + place)
            for scheme, phone in (("light", False), ("dark", False), ("dark", True), ("light", True)):
                await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                if phone:
                    await page.set_viewport_size({"width": 390, "height": 844})
                    assert not await page.evaluate(SIDEWAYS)
                if not phone or scheme == "light":
                    result = await Axe().run(page)
                    assert not result.violations_count, result.generate_report()
                await shot(page, f"console-{name}-{scheme}{'-phone' if phone else ''}")
        assert complaints == []


async def test_the_overview_answers_and_links_what_is_behind(site: Site, pool: asyncpg.Pool) -> None:
    """Step 8, console: fresh, late and why, today's cost, stuck; each figure leads to its rows; figures over time."""
    await lived_in(site)
    page = (await site.http.get("/console")).text
    assert "2 of 15 are late, nothing is stuck" in page
    assert re.search(r'<b data-figure="share">80\u202f%</b><span class="note">12 of 15 wanted values', page)
    assert "The last attempt failed: &lt;i&gt;odd&lt;/i&gt; answer. It is tried again after" in page
    today = await pool.fetchval(
        """select coalesce(sum(cost_micro), 0)::bigint from openbell.spend
           where intended_at >= date_trunc('day', openbell.now(), 'UTC')"""
    )
    shown = re.search(r'<b data-figure="cost">\$([0-9.]+)</b>', page)
    assert shown
    assert abs(float(shown[1]) * 1e6 - today) <= 5_000
    for over, rows in (("hour", 60), ("day", 96), ("week", 84)):
        found = unescape((await site.http.get(f"/console?over={over}")).text)
        assert len(re.findall(r'<rect class="hit"', found)) == 3 * rows
    for job_class, number in (("", None), ("background", 90)):
        text = (await site.http.get(f"/console?as=table&over=day&class={job_class}")).text
        lines = re.findall(r"<th scope=\"row\"><a href=\"/console/jobs\?from=[^\"]+\">.*?</tr>", text, re.DOTALL)
        cells = [re.findall(r"<td>([^<]*)</td>", line) for line in lines]
        counted = await pool.fetchrow(
            """select count(*) filter (where outcome = 'done') as good,
                   count(*) filter (where outcome = 'failed') as bad
               from openbell.job_history where ($1::int is null or job_class = $1)
                   and finished_at >= date_bin('15 minutes', openbell.now(), timestamptz '2000-01-01 00:00Z')
                       - 95 * interval '15 minutes'""",
            number,
        )
        assert counted
        assert sum(int(cell[3]) for cell in cells if cell[3] != "–") == counted["good"]
        assert sum(int(cell[4]) for cell in cells if cell[4] != "–") == counted["bad"]
    links = {unescape(one).partition("#")[0] for one in re.findall(r'href="(/[^"]+)"', page)}
    kinds = {
        (one.partition("?")[0], tuple(re.findall(r"[?&](\w+)=", one))): one
        for one in links
        if one.startswith("/console")
    }
    assert ("/console/jobs", ("from", "to")) in kinds
    assert ("/console/spends", ("from", "to")) in kinds
    for link in kinds.values():
        assert (await site.http.get(link)).status_code == 200, link
    ended = next(one for one in sorted(links, reverse=True) if one.startswith("/console/jobs?from="))
    assert 'href="/console/jobs/5' in (await site.http.get(ended)).text
    odd = await site.http.get("/console?over=year&class=%00")
    assert odd.status_code == 200
    await pool.execute("delete from openbell.worker")
    await pool.execute("insert into openbell.cooldown select 'quote', 'X', 'c', 'm', now(), '9999-12-31', 1, 5002")
    await pool.execute(
        """insert into openbell.alert (code, about, level, message, mend, figure, state, first_at, seen_at, fired_at)
           values ('success_rate', 'quote', 'critical', '3 % of the jobs succeeded.', '', 3, 'firing', now(), now(),
               now())"""
    )
    page = (await site.http.get("/console")).text
    assert "3 things are stuck" in page
    assert "3 % of the jobs succeeded." in page
    assert "No worker is alive" in page
    assert "1 left alone after a failure" in page


async def test_freshness_by_product_and_key_and_a_wish(site: Site, pool: asyncpg.Pool) -> None:
    """Step 8, console: filters live in the address; why in words; a wish queues at once and is audited; odd input."""
    await lived_in(site)
    page = (await site.http.get("/console/freshness")).text
    keys = [unescape(one) for one in re.findall(r'<th scope="row"><a href="/console/freshness/([^"]+)"', page)]
    assert keys[:3] == ["quote/LATE", "eod-prices/NONE", "profile/LATE"]
    assert len(keys) == 15
    for query, found in (
        ("state=late", ["quote/LATE", "eod-prices/NONE"]),
        ("state=due&product=profile", ["profile/LATE"]),
        ("state=missing", ["eod-prices/NONE"]),
        ("key=s11", ["quote/S11"]),
        ("product=quote&key=none", []),
        ("state=%00&key=%25", []),
    ):
        page = (await site.http.get(f"/console/freshness?{query}")).text
        assert re.findall(r'<th scope="row"><a href="/console/freshness/([^"]+)"', page) == found, query
    assert "2 viewers, schedule open" in (await site.http.get("/console/freshness?product=quote&key=LATE")).text
    assert (
        'href="/console/freshness/quote/IBM"' in (await site.http.get("/console/freshness?product=quote&key=IBM")).text
    )
    one = (await site.http.get("/console/freshness/quote/S1")).text
    assert "Fresh until" in one
    assert (await site.http.get("/console/freshness/nothing/S1")).status_code == 400
    assert (await site.http.get("/console/freshness/quote/%00")).status_code == 400
    assert (await site.http.post("/console/freshness/nothing/S1")).status_code == 400
    foreign = await site.http.post("/console/freshness/quote/S1", headers={"Origin": "https://foreign.example"})
    assert foreign.status_code == 403
    assert not await pool.fetchval("select count(*) from openbell.job where key = 'S1'")
    for back, place in (
        ("/console/freshness?product=quote", "/console/freshness?product=quote"),
        ("https://foreign.example", "/console/freshness/quote/S1"),
    ):
        answer = await site.http.post("/console/freshness/quote/S1", data={"back": back})
        assert (answer.status_code, answer.headers["location"]) == (303, place)
    assert await pool.fetchval("select count(*) from openbell.job where key = 'S1'") == 1
    await pool.execute("update openbell.cooldown set retry_at = '9999-12-31'")
    refused = await site.http.post("/console/freshness/eod-prices/NONE")
    assert refused.status_code == 409
    assert "may have been paid for" in refused.text
    assert not await pool.fetchval("select count(*) from openbell.job where key = 'NONE'")
    audited = await pool.fetch("select target from openbell.audit where action = 'key.refresh'")
    assert [row["target"] for row in audited] == ["quote S1"] * 2


@pytest.mark.browser
async def test_live_regions_and_keys(site: Site, browser: Browser) -> None:
    """Step 8, console: what changes is exchanged unless paused or being typed in; every row is reached by keys."""
    await lived_in(site)
    async with browser() as (_, page, complaints):
        await page.goto(f"{site.address}/console/freshness")
        await expect(page.locator("[data-pulse] span")).to_have_text("Live")
        await page.keyboard.press("k")
        for _ in range(4):
            await page.keyboard.press("j")
        chosen = page.locator("tr.selected a").first
        await expect(chosen).to_have_text("NONE")
        await expect(chosen).to_be_focused()
        await site.publish("quote", "LATE", QUOTE, version=2, hint=False)  # its row goes elsewhere
        await expect(page.locator("[data-live=keys] tbody tr").first).to_contain_text("NONE")
        await expect(chosen).to_have_text("NONE")
        await expect(chosen).to_be_focused()
        await page.keyboard.press("Tab")  # what acts within the row keeps the focus, too
        await site.publish("profile", "LATE", {"symbol": "LATE"}, version=2, hint=False)
        await expect(page.locator("[data-live=keys] tbody tr").nth(1)).to_contain_text("Fresh until")
        await expect(page.get_by_role("button", name="Refresh eod-prices NONE now")).to_be_focused()
        await page.keyboard.press("k")
        await page.keyboard.press("p")
        await expect(page.locator("[data-pulse]")).to_contain_text("Paused")
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console/freshness/eod-prices/NONE")
        await expect(page.locator("[data-pulse]")).to_contain_text("Paused")  # a pause outlives the page
        await page.go_back()
        await page.keyboard.press("/")
        await expect(page.locator("#key")).to_be_focused()
        await page.keyboard.type("s3")
        await page.keyboard.press("Escape")
        await expect(page.locator("#key")).not_to_be_focused()
        await page.keyboard.press("?")
        await expect(page.locator("[data-keys]")).to_be_visible()
        await page.set_viewport_size({"width": 390, "height": 844})
        await expect(page.locator("#places")).not_to_be_visible()
        await page.get_by_role("button", name="Console: Freshness").click()
        await expect(page.locator("#places")).to_be_visible()
        result = await Axe().run(page)
        assert not result.violations_count, result.generate_report()
        await shot(page, "console-menu-phone")
        await page.get_by_role("link", name="Overview").click()
        await page.wait_for_url("**/console")
        assert complaints == []
    async with browser(java_script_enabled=False) as (_, page, _):
        await page.goto(f"{site.address}/console/freshness?state=late")
        await expect(page.locator("[data-pulse]")).not_to_be_visible()
        await page.get_by_role("button", name="Refresh eod-prices NONE now").click()
        await page.wait_for_url("**/console/freshness?state=late")
        assert await site.pool.fetchval("select count(*) from openbell.job where key = 'NONE'") == 1


@pytest.mark.browser
async def test_focus_goes_to_no_other_row(site: Site, browser: Browser) -> None:
    """Step 8, console: when rows move, the focus stays at its own, or is lost: a button of another acts on another."""
    await site.ready()
    await site.pool.execute(
        "insert into openbell.person (address, state, confirmed_at) select 'p' || n || '@example.test', 'active', now()"
        " from generate_series(1, 3) n"
    )
    async with browser() as (_, page, _):
        await page.goto(f"{site.address}/console/people")
        row = page.locator("tr", has_text="p2@example.test")
        await row.get_by_role("button").last.focus()
        await site.pool.execute("delete from openbell.person where address in ('p1@example.test', 'p3@example.test')")
        await expect(page.locator("tr", has_text="p3@example.test")).to_have_count(0)
        await expect(row.get_by_role("button").last).to_be_focused()


def test_the_guide_says_what_each_page_answers() -> None:
    """The operator's guide has a line for each place of the console, with the question that it answers."""
    guide = (Path(__file__).parents[2] / "docs/console.md").read_text()
    missing = [one.path for one in PLACES if f"| `{one.path}` | {one.answers} |" not in guide and "console" in one.path]
    assert missing == []


def test_scales() -> None:
    """Round marks, and a place for every span."""
    assert [nice(value) for value in (0, 0.03, 1, 1.1, 7, 100, 101)] == [1, 0.04, 1, 2, 8, 100, 200]
    assert [name for _, name in linear(30, str).marks] == ["0", "20.0", "40.0"]
    for values in ([], [0.0004], [0.5], [0.02, 20_000], [86_400]):
        scale = spans(values)
        assert len(scale.marks) >= 2
        assert [scale.place(value) for value, _ in scale.marks] == sorted(
            scale.place(value) for value, _ in scale.marks
        )
