"""Identities, tickers and consents."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.people import (
    FollowRefused,
    InvalidAddress,
    add_person,
    consent,
    consents_of,
    find_by_address,
    follow,
    followers,
    move,
    normalise,
    tickers_of,
    unfollow,
    wants,
)
from openbell.people.addresses import hidden
from openbell.people.follows import followed
from openbell.people.tickers import resolve

KNOWN = {
    "AAPL": "Apple Inc.",
    "MSFT": "Microsoft Corporation",
    "BRK-A": "Berkshire Hathaway",
    "BRK-B": "Berkshire Hathaway",
}


@pytest.mark.parametrize(
    ("typed", "one"),
    [
        (" Jane.Doe@Example.COM ", "jane.doe@example.com"),
        ("JANE+news@EXAMPLE.com", "jane+news@example.com"),
        ("jane@m\u00fcnchen.example", "jane@xn--mnchen-3ya.example"),
    ],
)
def test_one_spelling_for_one_mailbox(typed: str, one: str) -> None:
    """DG-33: case, blanks and letters of a domain do not make another person; dots and tags may, and are left alone."""
    assert normalise(typed) == one == normalise(one)


@pytest.mark.parametrize(
    "typed",
    ["", "jane", "jane@", "@example.com", "a b@example.com", "jane@localhost", "x" * 300, "j@e.com\nBcc: k@e.com"],
)
def test_what_is_no_address(typed: str) -> None:
    """Bad input: refused before anything is stored, and never with a second line for a header."""
    with pytest.raises(InvalidAddress):
        normalise(typed)


def test_lists_show_others_little() -> None:
    """DG-34: an address as a log or a list of others may show it."""
    assert hidden("jane@example.com") == "j\u2026@example.com"


async def test_the_same_person_is_one_row(pool: asyncpg.Pool) -> None:
    """DG-33: signing up twice, in another spelling, at the same time: one person, one list of tickers."""
    made = await asyncio.gather(*(add_person(pool, text) for text in ("Jane@Example.com", "jane@example.com") * 4))
    assert len({one.id for one in made}) == 1
    for text, ticker in (("JANE@example.com", "AAPL"), ("jane@EXAMPLE.com", "MSFT")):
        person = await find_by_address(pool, text)
        assert person is not None
        await follow(pool, person, ticker)
    assert await tickers_of(pool, made[0].id) == ["AAPL", "MSFT"]


async def test_three_tickers_and_no_more(pool: asyncpg.Pool) -> None:
    """Issue 6: a subscriber follows three at most, also by eight requests at once; an admin any number."""
    jane = await add_person(pool, "jane@example.com", state="active")
    boss = await add_person(pool, "boss@example.com", state="active", role="admin")
    tried = await asyncio.gather(*(follow(pool, jane, f"T{n}") for n in range(8)), return_exceptions=True)
    assert tried.count(True) == 3
    assert {one.code for one in tried if isinstance(one, FollowRefused)} == {"limit_reached"}
    assert not await follow(pool, jane, (await tickers_of(pool, jane.id))[0]), "following twice is following"
    assert all([await follow(pool, boss, f"T{n}") for n in range(8)])
    assert await unfollow(pool, boss.id, "T1")
    assert not await unfollow(pool, boss.id, "T1")


async def test_who_gets_a_digest_is_asked_now(pool: asyncpg.Pool) -> None:
    """DG-22: active, following, subscribed; each as it is at the moment of asking."""
    people = [await add_person(pool, f"p{n}@example.com", state="active") for n in range(4)]
    for one in people:
        await follow(pool, one, "AAPL")
        await consent(pool, one.id, ["mail"], given=True, source="test")
    await move(pool, people[0].id, "pause", actor="test")
    await consent(pool, people[1].id, ["mail:digest"], given=False, source="test")
    await unfollow(pool, people[2].id, "AAPL")
    assert [one.id for one in await followers(pool, "AAPL")] == [people[3].id]
    assert await followed(pool) == ["AAPL"]
    await consent(pool, people[3].id, ["mail"], given=False, source="test")
    assert await followed(pool) == []


async def test_consents_are_kept_with_version_time_and_place(pool: asyncpg.Pool) -> None:
    """DG-32: each change is a row, saying the same twice is one; the latest word holds; a new version is a new row."""
    jane = await add_person(pool, "jane@example.com")
    for _ in range(2):
        await consent(pool, jane.id, ["terms", "mail"], given=True, source="sign-up page")
    await consent(pool, jane.id, ["terms"], given=True, version="2027-01", source="account page")
    await consent(pool, jane.id, ["mail"], given=False, source="left")
    kept = await consents_of(pool, jane.id)
    assert [(one.kind, one.version, one.given) for one in kept] == [
        ("terms", "2026-11", True), ("mail", "2026-11", True), ("terms", "2027-01", True), ("mail", "2026-11", False)
    ]  # fmt: skip
    assert not wants(kept, "digest")


@pytest.mark.parametrize(("typed", "symbol"), [("aapl", "AAPL"), (" msft ", "MSFT"), ("BRK-B", "BRK-B")])
def test_a_known_symbol_is_taken(typed: str, symbol: str) -> None:
    """Issue 6: a ticker is one that is known."""
    assert resolve(typed, KNOWN) == symbol


@pytest.mark.parametrize(
    ("typed", "code", "first"),
    [
        ("BRK", "ambiguous_ticker", "BRK-A"),
        ("berkshire hathaway", "ambiguous_ticker", "BRK-A"),
        ("apple", "unknown_ticker", "AAPL"),
        ("MSTF", "unknown_ticker", "MSFT"),
        ("zzzzqq", "unknown_ticker", None),
        ("", "unknown_ticker", None),
    ],
)
def test_what_is_not_clear_is_asked_back(typed: str, code: str, first: str | None) -> None:
    """Issue 6: unknown and ambiguous tickers are refused with candidates, never guessed."""
    with pytest.raises(FollowRefused) as seen:
        resolve(typed, KNOWN)
    assert seen.value.code == code
    assert next((symbol for symbol, _ in seen.value.candidates), None) == first


@given(st.text(max_size=80))
def test_any_text_is_resolved_or_refused(typed: str) -> None:
    """Bad input: whatever is typed, a known symbol comes out or a refusal in words."""
    try:
        found = resolve(typed, KNOWN)
    except FollowRefused as error:
        found, said = None, str(error)
    assert found in KNOWN or said
