"""The watchlist of one browser: an ordered set of symbols in a cookie. Pure functions, no I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence

COOKIE = "openbell_watchlist"
FIRST_VISIT = ("AAPL", "MSFT", "IBM", "GOOG", "FB")
SYMBOLS_MAX = 50
EMPTY = "-"  # no symbol begins with a dash, so an emptied list differs from a first visit
SEPARATOR = "~"  # in no symbol, and needs no quoting in a cookie
SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,14}")


def decode(cookie: str | None) -> list[str]:
    """The list in a cookie; a missing one is a first visit. What is no symbol is left out: cookies are input."""
    if cookie is None:
        return list(FIRST_VISIT)
    seen = dict.fromkeys(s for s in cookie[:2_000].split(SEPARATOR) if SYMBOL.fullmatch(s))
    return list(seen)[:SYMBOLS_MAX]


def encode(symbols: Sequence[str]) -> str:
    """The cookie of a list."""
    return SEPARATOR.join(symbols) or EMPTY


def add(symbols: Sequence[str], symbol: str) -> list[str]:
    """The new symbol comes last; one that is there already stays where it is."""
    return list(symbols) if symbol in symbols else [*symbols, symbol][:SYMBOLS_MAX]


def remove(symbols: Sequence[str], symbol: str) -> list[str]:
    """The list without the symbol."""
    return [s for s in symbols if s != symbol]


def move(symbols: Sequence[str], symbol: str, by: int) -> list[str]:
    """Move by places, -1 up and 1 down; at either end nothing happens."""
    if symbol not in symbols:
        return list(symbols)
    rest = remove(symbols, symbol)
    place = min(max(list(symbols).index(symbol) + by, 0), len(rest))
    return [*rest[:place], symbol, *rest[place:]]
