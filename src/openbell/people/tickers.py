"""From what somebody types to one known symbol, or to what may have been meant. Pure but for reading what is known."""

from __future__ import annotations

import re
from collections.abc import Mapping

from openbell.engine.database import Db
from openbell.people.database import SQL
from openbell.people.errors import FollowRefused

MOST_SUGGESTED = 5
LEAST_LIKE = 70.0
"""How alike two names are, of 100, for one to be suggested for the other."""
LONGEST = 60

_SUFFIX = re.compile(r"[.\-].*")


async def known_symbols(db: Db) -> dict[str, str]:
    """Every symbol that something is known about, with the name of its company where that is known."""
    return {row["symbol"]: row["name"] or "" for row in await db.fetch(SQL.get("list_symbols"))}


def resolve(text: str, known: Mapping[str, str]) -> str:
    """The one known symbol that ``text`` is.

    Raises :class:`FollowRefused` `ambiguous_ticker` where several may be meant, and `unknown_ticker`, with candidates.
    """
    written = " ".join(text[:LONGEST].upper().split())
    if written in known:
        return written
    same = sorted(symbol for symbol in known if _SUFFIX.sub("", symbol) == written)
    named = sorted(symbol for symbol, name in known.items() if name and name.upper() == written)
    if found := list(dict.fromkeys(same + named)):
        told = [(symbol, known[symbol]) for symbol in found[:MOST_SUGGESTED]]
        shown = " or ".join(symbol for symbol, _ in told)
        raise FollowRefused(f"{written} can be {shown}: which do you mean?", "ambiguous_ticker", told)
    told = _alike(written, known)
    hint = f" Do you mean {' or '.join(symbol for symbol, _ in told)}?" if told else ""
    raise FollowRefused(f"We know no symbol {written!r}.{hint}", "unknown_ticker", told)


def _alike(written: str, known: Mapping[str, str]) -> list[tuple[str, str]]:
    """The known symbols whose own or whose company's name is like what was written, the likest first."""
    if not written:
        return []
    from rapidfuzz import fuzz, process  # noqa: PLC0415 - most processes never look for a name

    names = {symbol: name.upper() for symbol, name in known.items() if name}
    by_symbol = process.extract(written, list(known), scorer=fuzz.ratio, limit=MOST_SUGGESTED, score_cutoff=LEAST_LIKE)
    by_name = process.extract(written, names, scorer=fuzz.WRatio, limit=MOST_SUGGESTED, score_cutoff=LEAST_LIKE)
    scores = {symbol: score for symbol, score, _ in by_symbol}
    for _, score, symbol in by_name:
        scores[symbol] = max(score, scores.get(symbol, 0.0))
    best = sorted(scores, key=lambda symbol: (-scores[symbol], symbol))[:MOST_SUGGESTED]
    return [(symbol, known[symbol]) for symbol in best]
