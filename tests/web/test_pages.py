"""Pages as a browser without JavaScript gets them."""

from __future__ import annotations

import re
from importlib.resources import files

import httpx
import pytest

from openbell.web.fragments import environment
from tests.web.conftest import PRICES, PROFILE, QUOTE, Site

COOKIE = "openbell_watchlist"


async def test_a_first_visit_has_a_list(site: Site) -> None:
    """Issue 2: `/` is a watchlist; the first visit shows five symbols and creates no cookie."""
    answer = await site.http.get("/")
    assert re.findall(r'data-symbol="(\w+)"', answer.text) == ["AAPL", "MSFT", "IBM", "GOOG", "FB"]
    assert "set-cookie" not in answer.headers


async def test_a_row_shows_price_change_age_source_and_state(site: Site) -> None:
    """LOOK: freshness is part of every figure, negative with a true minus, synthetic data wears its label."""
    await site.publish("quote", "AAPL", QUOTE)
    await site.publish("eod-prices", "AAPL", PRICES)
    await site.publish("profile", "AAPL", PROFILE)
    page = (await site.http.get("/")).text
    for text in ("562.95", "USD", "\u221214.78", "\u22122.56\u202f%", "18.6\u202fm", "FMP", "synthetic", "<polyline"):
        assert text in page
    assert re.search(r'data-age="[\d.]+">0\u202fs</span> ago', page)
    assert "Replayed market day 1 Jun 2012" in page
    assert "Fri 1 Jun 2012, 15:42 ET" in page


async def test_the_list_changes_by_plain_forms(site: Site) -> None:
    """Issue 2: add, remove and reorder, kept per browser, by POST and 303."""
    for form, symbols in (
        ({"add": "orcl"}, "AAPL~MSFT~IBM~GOOG~FB~ORCL"),
        ({"up": "ORCL"}, "AAPL~MSFT~IBM~GOOG~ORCL~FB"),
        ({"down": "AAPL"}, "MSFT~AAPL~IBM~GOOG~ORCL~FB"),
        ({"remove": "IBM"}, "MSFT~AAPL~GOOG~ORCL~FB"),
    ):
        answer = await site.http.post("/watchlist", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert site.http.cookies[COOKIE] == symbols
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "SameSite=lax" in answer.headers["set-cookie"]


async def test_an_added_symbol_is_asked_for(site: Site) -> None:
    """Adding is a request: the symbol is on its way before the page is back."""
    await site.http.post("/watchlist", data={"add": "ORCL"})
    assert await site.pool.fetchval("select count(*) from openbell.job where key = 'ORCL'") == 3


async def test_an_emptied_list_says_what_to_do(site: Site) -> None:
    """LOOK: empty states say what to do first; the list of a first visit can be brought back."""
    site.http.cookies.set(COOKIE, "AAPL")
    await site.http.post("/watchlist", data={"remove": "AAPL"})
    page = await site.http.get("/")
    assert "Your list is empty" in page.text
    assert "data-stream" not in page.text
    await site.http.post("/watchlist", data={"reset": "1"})
    assert "MSFT" in (await site.http.get("/")).text


@pytest.mark.parametrize("symbol", ["", "$$", "A" * 16, "<b>", "-X"])
async def test_a_malformed_symbol_is_refused_with_a_sentence(site: Site, symbol: str) -> None:
    """Bad input: 400, the list stays as it was, and what was typed is not echoed as markup."""
    answer = await site.http.post("/watchlist", data={"add": symbol})
    assert answer.status_code == 400
    assert "That is no symbol" in answer.text
    assert "<b>" not in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_cookie_is_input_like_any_other(site: Site) -> None:
    """Nonsense in the cookie is left out, and its length is bounded."""
    nonsense = "~".join(["AAPL", "<script>", "AAPL", *(f"X{n}" for n in range(500))])
    page = await site.http.get("/", headers={"Cookie": f"{COOKIE}={nonsense}"})
    assert page.status_code == 200
    assert page.text.count('data-key="quote:') == 50
    assert "<script>" not in page.text.replace('<script src="', "")


async def test_a_symbol_page_has_price_chart_and_profile(site: Site) -> None:
    """Issue 2: `/symbol/{symbol}`; hostile text from a source is text, and only web addresses become links."""
    for product, value in (("quote", QUOTE), ("eod-prices", PRICES), ("profile", PROFILE)):
        await site.publish(product, "AAPL", value)
    page = (await site.http.get("/symbol/AAPL")).text
    assert "562.95" in page
    assert 'data-day="2012-06-01"' in page
    assert "&lt;b&gt;Makes&lt;/b&gt; phones." in page
    assert "javascript:alert" not in page
    table = (await site.http.get("/symbol/AAPL/prices?range=3m")).text
    assert "31 May 2012" in table
    assert "17,559,800" in table
    assert "prices in USD" in table


async def test_an_unknown_symbol_says_so(site: Site) -> None:
    """Bad input: an unknown symbol is shown as "nothing known under this name", with what to do."""
    await site.publish("quote", "NOPE", None, version=0, state="empty")
    answer = await site.http.get("/symbol/NOPE")
    assert answer.status_code == 404
    assert "Nothing is known under this name" in answer.text
    assert "nothing known" in (await site.http.get("/", headers={"Cookie": f"{COOKIE}=NOPE"})).text


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("/symbol/%21%21", 400), ("/symbol/AAPL?range=9y", 400), ("/static/none.css", 404)],
)
async def test_errors_are_pages_with_an_id(site: Site, path: str, status: int) -> None:
    """LOOK: errors say what happened, to what, and what next, with an id."""
    answer = await site.http.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-request-id"] in answer.text


async def test_a_symbol_has_one_address(site: Site) -> None:
    """A lower-case symbol leads to its canonical address."""
    answer = await site.http.get("/symbol/aapl")
    assert (answer.status_code, answer.headers["location"]) == (308, "/symbol/AAPL")


async def test_search_without_javascript(site: Site) -> None:
    """A search is a form: it asks, and leads to an address that can be kept."""
    found = {
        "query": "app",
        "matches": [{"symbol": "AAPL", "name": "Apple Inc.", "exchange": "NASDAQ", "currency": "USD"}],
    }
    await site.publish("symbol-search", "app", found)
    answer = await site.http.post("/search", data={"q": " APP "}, follow_redirects=True)
    assert answer.url.query == b"q=app"
    assert 'href="/symbol/AAPL"' in answer.text
    list_only = await site.http.post("/suggest", data={"q": "app"})
    assert 'role="option"' in list_only.text


async def test_nothing_inline_and_strict_headers(site: Site) -> None:
    """PF, platform G: strict CSP without inline script or style, in every template and on every answer."""
    for name in environment().list_templates():
        text = files("openbell.web").joinpath("templates", name).read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|\son\w+=\"|<style|<script(?! src=)", text), name
    for path in ("/", "/nowhere", "/api/v1/products", "/api/v1/nothing", "/livez"):
        headers = (await site.http.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


async def test_a_first_page_is_light_and_its_files_are_kept(site: Site) -> None:
    """Goal: at most 100 kB for a first page without charts; files carry their hash and are kept for good."""
    page = await site.http.get("/")
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    answers = [await site.http.get(address) for address in addresses]
    assert sum(len(answer.content) for answer in [page, *answers]) < 100_000
    for answer in answers:
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (await site.http.get("/static/openbell.css?v=old")).headers["cache-control"] == "no-cache"


async def test_a_page_refreshes_without_javascript(site: Site) -> None:
    """A form asks for what is stale and comes back to the page."""
    answer = await site.http.post("/refresh", data={"symbol": "ORCL"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/symbol/ORCL")
    assert await site.count("job") == 4


async def test_foreign_forms_are_refused_with_a_page(site: Site) -> None:
    """DESIGN 7: a form on another site cannot change a list."""
    answer = await site.http.post("/watchlist", data={"add": "ORCL"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "origin_refused" in answer.text
    assert isinstance(answer, httpx.Response)
    assert "set-cookie" not in answer.headers
