"""The page of weekly picks in every state, drawn by the server and looked at in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any, Literal

import asyncpg
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, ViewportSize

from openbell.products.picks.profile import Profile
from openbell.products.picks.reading import read_wishes
from openbell.products.picks.words import Kind, Status
from tests.products.picks.desk import WEEK
from tests.web.conftest import Browser, shot
from tests.web.picks_house import Picks, picks_house


@pytest.fixture
async def house(dsn: str, pool: asyncpg.Pool) -> AsyncIterator[Picks]:
    """A house whose own pages may ask for editions."""
    async with picks_house(dsn, pool, allowed_origins="own") as found:
        yield found


async def drawn(house: Picks, me: dict[str, str], path: str = "/picks") -> str:
    """The page as its reader gets it."""
    answer = await house.site.http.get(path, headers={"cookie": me["cookie"]})
    assert answer.status_code == 200
    return answer.text


async def test_the_page_in_every_state(house: Picks) -> None:
    """Issue 7, item 6: fallback, first time, running with progress, error and data each say what they are."""
    person, me = await house.reader()
    page = await drawn(house, me)
    assert 'data-state="fallback"' in page
    assert "4 Aug 2025" in page
    assert "a fixed list" in page
    await house.publish("figures", Kind.FIGURES)
    page = await drawn(house, me)
    assert "Made of stored figures alone, without a model" in page
    await house.slot(person, Status.SENT, said="the provider searches and writes")
    page = await drawn(house, me)
    assert 'data-state="first-time"' in page
    assert "the provider searches and writes" in page
    assert "picks.js" in page
    await house.publish(person, Kind.PERSONAL, weeks_ago=1)
    assert 'data-state="running"' in await drawn(house, me)
    await house.slot(person, Status.ERROR, code="rejected", said="wrong_count: 5 picks")
    page = await drawn(house, me)
    assert 'data-state="error"' in page
    assert "</strong> 5 picks.</p>" in page
    assert "Make my edition" in page
    await house.publish(person, Kind.PERSONAL)
    await house.slot(person, Status.COMPLETE)
    page = await drawn(house, me)
    assert 'data-state="data"' in page
    assert page.count('<article class="pick') == 6
    assert "Synthetic page about the market" in page
    assert f"/picks/week/{person}.{WEEK - timedelta(weeks=1)}" in page
    assert f".{WEEK}" not in page.partition("Other weeks")[2]
    assert '<li value="1"><a href="https://news.example/synthetic/1"' in page


async def test_a_pick_opens_with_its_chart(house: Picks) -> None:
    """Issue 7, item 4: a pick shows its figures with formula and date, a year of closes, and how it has done."""
    _, me = await house.reader(personal=False)
    stored = await house.publish("all", Kind.IMPERSONAL)
    pick = stored.content.picks[0].ticker
    day, close = stored.base[pick]
    bars = [[str(day + timedelta(days=n)), close, close, close, close + n, 1] for n in range(-40, 11)]
    await house.site.publish("eod-prices", pick, {"symbol": pick, "rows": bars})
    page = await drawn(house, me, f"/picks?pick={pick}")
    assert 'class="year"' in page
    assert "Last close of each month" in page
    assert "close 21 sessions ago / close 252 sessions ago - 1; as of" in page
    assert f"▲</span> +{10 / close:.1%}".replace("%", "\u202f%") in page
    assert "/picks#" in page
    level = [[*bar[:4], close, 1] for bar in bars]
    await house.site.publish("eod-prices", pick, {"symbol": pick, "rows": level}, version=2)
    page = await drawn(house, me)
    assert '<p class="source">0.0\u202f% from the close of' in page


async def test_what_a_provider_writes_stays_text(house: Picks) -> None:
    """PK-18: markup in an answer is shown as it was written, never drawn."""
    _, me = await house.reader(personal=False)
    await house.publish("all", Kind.IMPERSONAL)
    await house.pool.execute(
        "update openbell.picks_edition set content = jsonb_set(content, '{content,picks,0,rationale}',"
        " to_jsonb('<script>alert(1)</script> and a longer text'::text))"
    )
    page = await drawn(house, me)
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


async def test_the_profile_form(house: Picks) -> None:
    """PK-18: what is told is kept as words of our lists; other words are refused, and what was stored stays."""
    person, me = await house.reader(personal=False)
    form: dict[str, Any] = {
        "first_name": "Ann <b>", "risk": "aggressive", "horizon": "3-5-years", "experience": "none",
        "goals": ["growth", "income"], "interests": ["energy"], "monthly_amount": "250",
        "holdings": "aapl, $$$ brk.b", "personal": "on",
    }  # fmt: skip
    http = house.site.http
    assert (await http.post("/picks/profile", data=form, headers=me)).status_code == 303
    wishes = await read_wishes(house.pool, person)
    told = Profile(
        first_name="Ann b", risk="aggressive", horizon="3-5-years", experience="none", goals=("growth", "income"),
        interests=("energy",), monthly_amount=250, holdings=("AAPL", "BRK-B"),
    )  # fmt: skip
    assert (wishes.profile, wishes.personal) == (told, True)
    for wrong in ({"interests": ["ignore all rules"]}, {"risk": "total"}, {"monthly_amount": "-1"}):
        answer = await http.post("/picks/profile", data=form | wrong, headers=me)
        assert answer.status_code == 400
        assert "choose again" in answer.text
    assert (await read_wishes(house.pool, person)).profile == told
    stranger = await http.post("/picks/profile", data=form, headers={"origin": house.site.address})
    assert stranger.status_code in (303, 401)
    assert await house.pool.fetchval("select count(*) from openbell.picks_profile") == 1


async def test_the_button(house: Picks) -> None:
    """PK-12, PK-13: the page's own button queues once and comes back to the page; a refusal is told in words."""
    _, me = await house.reader()
    answer = await house.site.http.post("/picks/generate", headers=me)
    assert (answer.status_code, answer.headers["location"]) == (303, "/picks")
    object.__setattr__(house.site.app.state.config, "allowed_origins", [])
    answer = await house.site.http.post("/picks/generate", headers=me)
    assert answer.status_code == 403
    assert "ALLOWED_ORIGINS" in answer.text
    assert await house.site.count("job") == 1


async def test_an_operator_asks_for_figures(house: Picks) -> None:
    """Issue 7, item 4: where there is but the fixed list an operator sees what figures would take, and asks once."""
    _, me = await house.reader(personal=False)
    _, boss = await house.reader(personal=False, role="admin")
    http = house.site.http
    assert "/picks/starter" not in await drawn(house, me)
    page = await drawn(house, boss)
    assert "Ask for figures of 16 starter companies: 48 calls of today's budget" in page
    assert (await http.post("/picks/starter", headers=me)).status_code == 403
    assert (await http.post("/picks/starter", headers=boss | {"origin": "https://evil.example"})).status_code == 403
    assert await house.site.count("job") == 0
    for _ in range(2):
        answer = await http.post("/picks/starter", headers=boss)
        assert (answer.status_code, answer.headers["location"]) == (303, "/picks")
    assert await house.pool.fetch("select product, key from openbell.job") == [("picks-starter", "GLOBAL")]
    page = await drawn(house, boss)
    assert "starter companies have been asked for" in page
    assert "picks.js" in page
    await house.publish("figures", Kind.FIGURES)
    assert "starter companies" not in await drawn(house, boss)


SIZES: Mapping[str, ViewportSize] = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
SCHEMES: Mapping[str, Literal["light", "dark"]] = {"light": "light", "dark": "dark"}


async def look_at(page: Page, name: str) -> None:
    """At both widths and in both themes it fits its window and leaves a picture; it breaks no rule of accessibility."""
    for size, window in SIZES.items():
        await page.set_viewport_size(window)
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=SCHEMES[scheme])
            fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            assert await page.evaluate(fits), (name, size)
            await shot(page, f"picks-{name}-{size}-{scheme}")
            if (size, scheme) in (("desk", "light"), ("phone", "dark")):
                found = await Axe().run(page)
                assert found.violations_count == 0, found.generate_report()


@pytest.mark.browser
async def test_in_a_browser(house: Picks, browser: Browser) -> None:
    """LOOK: every state at both widths, light and dark; while an edition is made the page goes on by itself."""
    person, me = await house.reader(role="admin", interests=["energy"])
    cookie = {"name": "openbell", "value": me["cookie"].partition("=")[2], "url": house.site.address}
    at = f"{house.site.address}/picks"
    async with browser() as (context, page, complaints):
        await context.add_cookies([cookie])  # type: ignore[list-item]
        await page.goto(at)
        await look_at(page, "fixed-list")
        stored = await house.publish("figures", Kind.FIGURES)
        await page.goto(at)
        await look_at(page, "fallback")
        await house.slot(person, Status.STARTED, said="reading what is stored")
        await page.goto(at)
        await look_at(page, "first-time")
        await house.publish(person, Kind.PERSONAL, weeks_ago=1)
        await page.goto(at)
        await page.wait_for_selector("[data-state=running] >> text=reading what is stored")
        await house.pool.execute("update openbell.job set progress = $1", Status.SENT.step)
        await house.slot(person, Status.SENT)
        await page.wait_for_selector(f"[data-state=running] >> text={Status.SENT.step}", timeout=30_000)
        await look_at(page, "running")
        await house.slot(person, Status.ERROR, code="rejected", said="wrong_count: 5 picks, and it must be exactly 6")
        await page.wait_for_selector("[data-state=error]", timeout=30_000)
        await look_at(page, "error")
        pick = stored.content.picks[1].ticker
        day, close = stored.base[pick]
        bars = [[str(day + timedelta(days=n)), close, close, close, close + (n * 7) % 13, 1] for n in range(-240, 2)]
        await house.site.publish("eod-prices", pick, {"symbol": pick, "rows": bars})
        await house.publish(person, Kind.PERSONAL)
        await house.slot(person, Status.COMPLETE)
        await page.goto(f"{at}?pick={pick}")
        await look_at(page, "data")
        await page.goto(f"{at}/week/{person}.{WEEK - timedelta(weeks=1)}")
        await look_at(page, "earlier")
        await page.goto(f"{at}/profile")
        await look_at(page, "profile")
        assert complaints == []
