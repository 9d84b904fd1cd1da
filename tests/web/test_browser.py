"""The pages in a real Chromium, over the real set that `openbell up` brings: database, sandbox, worker, web."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, Request, ViewportSize, expect

from tests.cli import house
from tests.support import eventually
from tests.web.conftest import Browser, shot

EVERY_PART = "figures,statements,quarters,dividends,segments,analysts,insiders,listings,headlines"
PAGES = (
    "/", "/?edit=1", f"/symbol/AAPL?range=1d&open={EVERY_PART}", "/symbol/AAPL/prices?range=1m",
    "/market?open=rates,premiums,earnings,dividends,headlines", "/leaderboard", "/types", "/budgets", "/search?q=apple",
    "/nowhere",
)  # fmt: skip
PHONE: ViewportSize = {"width": 390, "height": 844}
CHECKS: dict[Literal["light", "dark"], dict[str, Any]] = {
    "light": {"rules": {"target-size": {"enabled": True}}},  # every rule, with that of WCAG 2.2
    "dark": {"runOnly": ["color-contrast", "link-in-text-block"]},  # nothing but colours differs
}
PRICE = ".watch tr[data-symbol=AAPL] [data-figure]"

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[house.House]:
    """A running `openbell up`."""
    running = house.start(tmp_path_factory.mktemp("house"))
    yield running
    running.end()


async def fits(page: Page) -> bool:
    """Nothing to scroll sideways."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


async def test_a_stranger_watches_prices_move(up: house.House, browser: Browser) -> None:
    """Issue 2: one command, and the watchlist is live: prices come, move, are added and removed, and tell their age."""
    async with browser() as (_, page, complaints):
        await page.goto(up.address)
        await expect(page.locator(PRICE)).to_have_text(re.compile(r"^\d+\.\d\d"))
        await expect(page.locator("[data-live]")).to_contain_text("Live")
        await expect(page.locator(".watch .label").first).to_have_text("synthetic")
        await expect(page.locator("[data-market]")).to_contain_text("Replayed market day")

        await page.locator(".watch tr[data-symbol=AAPL] summary").click()
        await expect(page.locator(".watch tr[data-symbol=AAPL] .panel")).to_contain_text("Fresh until")
        await page.keyboard.press("Escape")
        await expect(page.locator(".watch tr[data-symbol=AAPL] .panel")).to_be_hidden()

        await page.locator("#add").fill("orcl")
        await page.keyboard.press("Enter")
        await expect(page.locator(".watch tr[data-symbol=ORCL]")).to_be_visible()
        await page.goto(f"{up.address}/?edit=1")
        await page.get_by_role("button", name="Remove ORCL").click()
        await expect(page.locator(".watch tr[data-symbol=ORCL]")).to_have_count(0)

        await page.goto(up.address)
        await expect(page.locator(PRICE)).to_be_visible()
        before = await page.locator(PRICE).inner_text()
        await expect(page.locator(PRICE)).not_to_have_text(before, timeout=90_000)
        await expect(page.locator(".watch svg.spark")).to_have_count(5)
        await shot(page, "watchlist-light")
        assert complaints == []


async def test_keys_work(up: house.House, browser: Browser) -> None:
    """LOOK: search is a keystroke away, lists move with j and k, Escape closes."""
    async with browser() as (_, page, complaints):
        await page.goto(up.address)
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await page.keyboard.press("k")
        await expect(page.locator(".watch tr.selected")).to_have_attribute("data-symbol", "AAPL")
        await page.keyboard.press("/")
        await expect(page.locator("#q")).to_be_focused()
        await page.keyboard.type("ibm")
        await expect(page.locator(".suggest li").first).to_contain_text("IBM")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(r"/symbol/IBM$"))
        assert complaints == []


async def test_a_symbol_page_draws_its_chart(up: house.House, browser: Browser) -> None:
    """Issue 2: candlesticks and profile, in both themes and on a phone, without a complaint of the console."""
    for name, options in (
        ("light", {}),
        ("dark", {"color_scheme": "dark"}),
        ("phone", {"viewport": {"width": 390, "height": 844}}),
    ):
        async with browser(**options) as (_, page, complaints):
            await page.goto(f"{up.address}/symbol/AAPL")
            await expect(page.locator(".canvas canvas").first).to_be_visible(timeout=15_000)
            await expect(page.locator("[data-legend]")).to_contain_text("close")
            await page.get_by_role("link", name="3 months").click()
            await expect(page).to_have_url(re.compile("range=3m"))
            assert await fits(page)
            await shot(page, f"symbol-{name}")
            await page.goto(up.address)
            await expect(page.locator(PRICE)).to_be_visible(timeout=15_000)
            assert await fits(page)
            await shot(page, f"watchlist-{name}")
            assert complaints == []


async def test_a_paused_page_asks_for_nothing(up: house.House, browser: Browser) -> None:
    """Pause is shown, gives the stream up, and takes it again."""
    async with browser() as (_, page, _complaints):
        await page.goto(up.address)
        await expect(page.locator("[data-live]")).to_contain_text("Live")
        await page.locator("[data-live] button").click()
        await expect(page.locator("[data-live] span")).to_have_text("Paused")
        await page.locator("[data-live] button").click()
        await expect(page.locator("[data-live] span")).to_have_text("Live")


async def test_without_javascript_everything_but_the_movement_is_there(up: house.House, browser: Browser) -> None:
    """Platform G: works without JavaScript except live updates."""
    async with browser(java_script_enabled=False) as (_, page, _complaints):
        await page.goto(up.address)
        await page.get_by_role("button", name="Fetch what is stale and reload").click()
        await expect(page.locator(PRICE)).to_be_visible()
        await page.locator("#add").fill("NVDA")
        await page.get_by_role("button", name="Add", exact=True).click()
        await expect(page.locator(".watch tr[data-symbol=NVDA]")).to_be_visible()
        await page.locator("#q").fill("micro")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("q=micro"))


async def test_parts_of_a_page_open_and_close(up: house.House, browser: Browser) -> None:
    """Issue 5: what is opened is demanded, fetched and drawn, and closing it ends the demand; by keyboard alone."""
    watched: list[str] = []

    def hear(request: Request) -> None:
        if "/api/v1/stream" in request.url:
            watched.append(request.url)

    async with browser() as (_, page, complaints):
        page.on("request", hear)
        await page.goto(f"{up.address}/symbol/MSFT")
        await expect(page.locator("[data-live]")).to_contain_text("Live")
        await expect(page.locator("#figures .facts").first).to_be_visible(timeout=15_000)
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(page.locator("#statements table").first).to_contain_text("Revenue")
        await expect(page).to_have_url(re.compile(r"open=figures(,|%2C)statements"))
        assert "financial-statements" in watched[-1]
        await page.keyboard.press("Enter")
        await expect(page.locator("#statements table").first).to_be_hidden()
        await expect(page).not_to_have_url(re.compile("statements"))
        await eventually(lambda: "financial-statements" not in watched[-1])
        await expect(page.locator("[data-live]")).to_contain_text("Live")
        assert complaints == []


async def test_the_chart_shows_prices_within_the_day(up: house.House, browser: Browser) -> None:
    """Issue 5: ranges from one day on; prices within the day are fetched only while they are shown."""
    async with browser() as (_, page, complaints):
        await page.goto(f"{up.address}/symbol/IBM?open=")
        await expect(page.locator("[data-legend]")).to_contain_text("close")
        await page.get_by_role("link", name="1 day", exact=True).click()
        await expect(page.locator("[data-legend]")).to_contain_text(re.compile(r"\d\d:\d\d: open"))
        await expect(page.locator("[data-within=yes]")).to_contain_text("times of New York")
        await page.get_by_role("link", name="1 month", exact=True).click()
        await expect(page.locator("[data-within=yes]")).to_be_hidden()
        await expect(page.locator("[data-legend]")).to_contain_text(re.compile(r"20\d\d: open"))
        assert complaints == []


async def test_pages_are_accessible(up: house.House, browser: Browser) -> None:
    """LOOK: WCAG 2.2 AA, checked by axe on every page in both themes; nothing to scroll sideways on a phone."""
    async with browser() as (_, page, _complaints):
        for path in PAGES:
            await page.set_viewport_size({"width": 1280, "height": 860})
            await page.goto(up.address + path)
            if "symbol/AAPL?" in path:
                await expect(page.locator("#statements table").first).to_be_visible(timeout=15_000)
                await expect(page.locator("#headlines li").first).to_be_visible(timeout=15_000)
            for scheme, checks in CHECKS.items():
                await page.emulate_media(color_scheme=scheme)
                found = await Axe().run(page, options=checks)
                assert found.violations_count == 0, f"{path} in {scheme}:\n{found.generate_report()}"
            await page.set_viewport_size(PHONE)
            assert await fits(page), path
