"""The page of a digest: for whom, what it shows, and that reading costs nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe

from openbell.products.digest.digest import Digest
from tests.products.digest.contents import content
from tests.products.digest.writing import inputs
from tests.web.conftest import Browser, Site, shot

KEY = "ACME|weekly|2026-11-24"
ADDRESS = "/digest/ACME/2026-11-24"


async def publish(site: Site, edition: Any = "weekly", **other: Any) -> None:
    value = Digest(inputs=inputs(edition=edition), content=content(edition, **other)).model_dump(mode="json")
    await site.publish("digest", KEY.replace("weekly", edition), value)


async def test_the_page_says_what_the_mail_says(site: Site) -> None:
    """Issue 6, Build 5: sections, sources with marks, the chart with its table, how it was made; no job comes of it."""
    await publish(site)
    page = (await site.http.get(ADDRESS)).text
    for words in (
        "Acme Robotics (ACME)", "Revenue rose 12.4% to $3.42 billion", "The probe concerns 1,250 warehouse systems.",
        "From the filings (10-K of 12 Feb 2026)", "quality 7/10", "Closes of 60 sessions", "claude-haiku-5-5",
        "What speaks against it", "bullets@1", "Profit was $999 million.", "repeats per-1",
    ):  # fmt: skip
        assert words in page, words
    links = set(re.findall(r'href="(https?://[^"]+)"', page))
    assert all("example.com" in link or "tradingview" in link for link in links)
    assert await site.count("job") == await site.count("demand") == 0


async def test_editions_of_a_day_and_of_a_ticker(site: Site) -> None:
    """DG-1: daily and weekly of one day are two digests; the list of a ticker names both, newest day first."""
    await publish(site)
    await publish(site, "daily")
    assert "Daily digest of" in (await site.http.get(ADDRESS)).text
    assert "Weekly report of" in (await site.http.get(f"{ADDRESS}?edition=weekly")).text
    listed = (await site.http.get("/digest/acme")).text
    assert f'href="{ADDRESS}?edition=daily"' in listed
    assert f'href="{ADDRESS}?edition=weekly"' in listed
    assert "There is no digest of ACM yet" in (await site.http.get("/digest/ACM")).text


async def test_what_is_not_there_says_so(site: Site) -> None:
    """LOOK: empty states say what to do; a bad address is an error with a code, never a stack."""
    missing = await site.http.get("/digest/ACME/2026-11-25")
    assert (missing.status_code, "There is no digest of ACME for this day" in missing.text) == (404, True)
    for address, status in (
        (f"{ADDRESS}?edition=hourly", 400),
        ("/digest/ACME/yesterday", 400),
        ("/digest/%3Cb%3E/2026-11-24", 404),
    ):
        answer = await site.http.get(address)
        assert (answer.status_code, "<b>" in answer.text) == (status, False)


async def test_strangers_sign_in_first(site: Site) -> None:
    """Section 7: through a proxy, that is from elsewhere, only who has signed in reads a digest."""
    await publish(site)
    answer = await site.http.get(ADDRESS, headers={"X-Forwarded-For": "203.0.113.9"}, follow_redirects=False)
    assert answer.status_code in (302, 303, 401)
    assert "Acme Robotics" not in answer.text


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_reads_well_everywhere(site: Site, browser: Browser, scheme: Any) -> None:
    """Issue 6, Done when: phone and desktop, light and dark, nothing scrolls sideways, no violation, no complaint."""
    await publish(site)
    for width in (390, 1280):
        async with browser(color_scheme=scheme, viewport={"width": width, "height": 900}) as (_, page, complaints):
            for name, address in (("digest", ADDRESS), ("digest-editions", "/digest/ACME")):
                await page.goto(f"{site.address}{address}")
                for one in await page.locator("details summary").all():
                    await one.click()
                assert await page.evaluate("document.documentElement.scrollWidth") <= width
                found = await Axe().run(page)
                assert found.response["violations"] == [], name
                await shot(page, f"{name}-{scheme}-{width}")
            assert complaints == []
