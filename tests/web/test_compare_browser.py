"""The pages of comparisons in a real Chromium: pictures for people, axe, and the swap when a forecast comes."""

from __future__ import annotations

import re
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import ViewportSize, expect

from openbell.products.forecast.keys import pair_of
from tests.web.comparisons import comparison
from tests.web.conftest import Browser, Site, shot

PAIR = pair_of("amazon", "costco")
PAGE = "/compare/amazon-vs-costco?tf=12m"
SIZES: dict[str, ViewportSize] = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RULES: dict[str, Any] = {"rules": {"target-size": {"enabled": True}}}

pytestmark = [pytest.mark.browser]


async def test_pages_are_accessible_and_fit(site: Site, browser: Browser) -> None:
    """LOOK: axe finds nothing in either theme, nothing scrolls sideways on a phone; pictures are kept for people."""
    await site.publish("comparison", PAIR.key, comparison())
    note = {"text": "Amazon leads by 31.0 points.", "dropped": 1, "provider": "openai", "model": "gpt-6-luna",
            "prompt": "comparison-note@1", "cost_micro": 900}  # fmt: skip
    await site.publish("comparison-note", comparison()["forecast_key"], note)
    java = [{"title": "Java (programming language)", "description": "Object-oriented language"},
            {"title": "Java", "description": "Island in Indonesia"}]  # fmt: skip
    await site.publish("entity", "java", {"term": "java", "kind": "ambiguous", "title": None, "choices": java})
    five = pair_of("amazon", "costco", "5y")
    await site.publish("comparison", five.key, comparison(five))
    pages = {"compare": PAGE, "compare-5y": "/compare/amazon-vs-costco?tf=5y", "compare-home": "/compare"}
    pages["compare-cold"] = "/compare/coffee-vs-tea?tf=12m"
    pages["compare-choices"] = "/compare/costco-vs-java?tf=12m"
    for scheme in SCHEMES:
        for size, viewport in SIZES.items():
            async with browser(color_scheme=scheme, viewport=viewport) as (_, page, complaints):
                for name, address in pages.items():
                    await page.goto(site.address + address)
                    assert await page.evaluate(
                        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
                    ), f"{name} scrolls sideways on a {size}"
                    await shot(page, f"{name}-{size}-{scheme}")
                    if size == "desk" or scheme == "light":
                        found = await Axe().run(page, options=RULES)
                        assert found.violations_count == 0, found.generate_report()
                assert complaints == []


async def test_a_forecast_appears_when_it_is_ready(site: Site, browser: Browser) -> None:
    """FC-1: the open page is the demand, and shows the comparison by itself as soon as it is published, whole."""
    async with browser() as (_, page, _complaints):
        await page.goto(site.address + PAGE)
        await expect(page.locator(".comparison .blank")).to_contain_text("Waiting for a free place")
        assert await site.count("job") == 1
        await site.publish("comparison", PAIR.key, comparison())
        await expect(page.locator("svg.wide").first).to_be_visible()
        await expect(page.locator(".says").first).to_contain_text(re.compile("leads by"))
        await expect(page.locator("#keep")).to_be_visible()


async def test_a_term_is_suggested_and_taken_by_keys(site: Site, browser: Browser) -> None:
    """Build 7: a few letters bring what was looked up before; arrow and Enter take it, and nothing is sent yet."""
    page_of = {"term": "coffee", "kind": "page", "title": "Coffee", "description": "Brewed drink", "choices": []}
    await site.publish("entity", "coffee", page_of)
    async with browser(viewport=SIZES["phone"]) as (_, page, complaints):
        await page.goto(site.address + "/compare")
        await page.locator("#a").press_sequentially("cof")
        await expect(page.locator(".suggest li")).to_have_count(1)
        await shot(page, "compare-suggest-phone-light")
        found = await Axe().run(page, options=RULES)
        assert found.violations_count == 0, found.generate_report()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await expect(page.locator("#a")).to_have_value("coffee")
        assert page.url.endswith("/compare")
        assert complaints == []
