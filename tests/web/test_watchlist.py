"""The list of one browser, its groups, and the cookie that holds it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.web import watchlist
from tests.web.conftest import Site

ENTRIES = st.lists(
    st.from_regex(watchlist.SYMBOL, fullmatch=True)
    | st.from_regex(watchlist.NAME, fullmatch=True).map(watchlist.heading).filter(bool),
    max_size=30,
    unique=True,
).filter(lambda entries: sum(map(watchlist.is_heading, entries)) <= watchlist.GROUPS_MAX)


@given(ENTRIES)
def test_a_list_survives_its_cookie(entries: list[str]) -> None:
    """What is kept is what was there, with groups and order, and needs no quoting in a cookie."""
    cookie = watchlist.encode(entries)
    assert re.fullmatch(r"[\w.~%\-]*", cookie, re.ASCII)
    if len(cookie) <= watchlist.COOKIE_MAX:
        assert watchlist.decode(cookie) == entries


@given(st.text(max_size=300))
def test_any_cookie_is_a_list(cookie: str) -> None:
    """Cookies are input: whatever is in one, symbols and headings come out, within their limits."""
    entries = watchlist.decode(cookie)
    assert all(watchlist.SYMBOL.fullmatch(symbol) for symbol in watchlist.symbols_of(entries))
    assert len(watchlist.symbols_of(entries)) <= watchlist.SYMBOLS_MAX


def test_symbols_move_from_group_to_group() -> None:
    """A list is one sequence: up and down cross a heading, and a removed heading leaves its symbols."""
    entries = ["AAPL", "_Banks", "JPM"]
    assert watchlist.groups_of(entries) == [("", ["AAPL"]), ("Banks", ["JPM"])]
    assert watchlist.groups_of(watchlist.move(entries, "JPM", -1)) == [("", ["AAPL", "JPM"]), ("Banks", [])]
    assert watchlist.groups_of(watchlist.remove(entries, "_Banks")) == [("", ["AAPL", "JPM"])]
    more = [*entries, "_Oil", "XOM"]
    assert watchlist.add(more, "BAC", "Banks") == ["AAPL", "_Banks", "JPM", "BAC", "_Oil", "XOM"]
    assert watchlist.add(more, "CVX", "nothing of the kind")[-1] == "CVX"


async def test_groups_are_made_by_plain_forms(site: Site) -> None:
    """Issue 5, item 8: the watchlist with groups, kept per browser, by POST and 303."""
    site.http.cookies.set("openbell_watchlist", "AAPL~JPM", domain="127.0.0.1", path="/")
    for form, cookie in (
        ({"group": " Banks &  more "}, "AAPL~JPM~_Banks%20%26%20more"),
        ({"down": "JPM"}, "AAPL~_Banks%20%26%20more~JPM"),
        ({"group": "Oil"}, "AAPL~_Banks%20%26%20more~JPM~_Oil"),
        ({"add": "bac", "into": "Banks & more"}, "AAPL~_Banks%20%26%20more~JPM~BAC~_Oil"),
    ):
        answer = await site.http.post("/watchlist", data=form)
        assert answer.status_code == 303
        assert site.http.cookies["openbell_watchlist"] == cookie
    page = (await site.http.get("/?edit=1")).text
    assert re.findall(r"<h2>(.+?)</h2>|data-symbol=\"(\w+)\"", page) == [
        ("", "AAPL"), ("Banks &amp; more", ""), ("", "JPM"), ("", "BAC"), ("Oil", ""),
    ]  # fmt: skip
    assert "no symbol yet" in page
    await site.http.post("/watchlist", data={"ungroup": "Banks & more"})
    assert site.http.cookies["openbell_watchlist"] == "AAPL~JPM~BAC~_Oil"


@pytest.mark.parametrize("name", ["<b>", "~", "_x", "x" * 25, "a\x00b"])
async def test_a_bad_name_of_a_group_is_refused(site: Site, name: str) -> None:
    """Bad input: 400 with a sentence, and the list stays as it was."""
    answer = await site.http.post("/watchlist", data={"group": name})
    assert answer.status_code == 400
    assert "no name of a group" in answer.text
    assert "set-cookie" not in answer.headers


async def test_groups_are_limited(site: Site) -> None:
    """A list holds ten groups."""
    site.http.cookies.set("openbell_watchlist", "~".join(f"_G{n}" for n in range(10)))
    answer = await site.http.post("/watchlist", data={"group": "One more"})
    assert answer.status_code == 400
    assert "10 groups" in answer.text
