"""Whether an edition may be shown: known companies, no doubles, within the interests, figures as stored. Pure.

What is only written otherwise is mended: ``$AAPL``, ``NASDAQ:AAPL`` and ``BRK.B`` mean the symbols that we store.
What is wrong is named, and nothing is left out or filled in silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from rapidfuzz.fuzz import token_set_ratio

from openbell.products.keys import Symbol
from openbell.products.picks.content import Citation, Content, Pick, Theme
from openbell.products.picks.figures import Fact
from openbell.products.picks.profile import LEAST_YIELD, SECTORS

LEAST_SHARE = 0.6
SAME_NAME = 80.0
TOLERANCE = 0.03
"""How far a figure in the text may be from the stored one, as a share of it."""

ADVICE = re.compile(
    r"\b(?:you should (?:buy|sell|invest)|(?:strong|must|screaming)[ -](?:buy|sell)|buy now|sell now|guarantee[ds]?|"
    r"risk[- ]free|can(?:no|'|\u2019)t lose|sure (?:thing|bet)|get rich|double your money|no[- ]brainer|"
    r"all[- ]in on|insider tip|will (?:certainly|definitely) (?:rise|double|triple))\b",
    re.IGNORECASE,
)
_FIGURE = re.compile(
    r"(?<![\w.,])(?:(\$)\s?)?([-\u2212]?\d[\d,]*(?:\.\d+)?)\s?(%|per ?cent\b|percent\b|x\b)?(?!\w)", re.IGNORECASE
)
_CITED = re.compile(r"\[(\d{1,3})\]")
_LEGAL = re.compile(
    r"\b(?:inc|incorporated|corp|corporation|co|company|ltd|limited|plc|llc|nv|sa|ag|se|the|class [abc]|holdings?"
    r"|group)\b"
)
_EXCHANGES: Mapping[str, str] = {
    "nasdaqgs": "nasdaq", "nasdaqgm": "nasdaq", "nasdaqcm": "nasdaq", "nasdaqglobalselect": "nasdaq",
    "nasdaqglobalmarket": "nasdaq", "nasdaqcapitalmarket": "nasdaq", "nasdaqstockmarket": "nasdaq",
    "newyorkstockexchange": "nyse", "nysearca": "nyse", "nyseamerican": "amex", "americanstockexchange": "amex",
    "nysemkt": "amex",
}  # fmt: skip


@dataclass(slots=True)
class Checked:
    """The content with symbols as we write them, what was mended, and why it may not be shown."""

    content: Content
    repairs: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def check(
    content: Content, facts: Mapping[str, Fact], *, interests: Sequence[str] = (), citations: Sequence[Citation] = ()
) -> Checked:
    """Look at everything, so that all that is wrong is told at once."""
    found = Checked(content)
    picks = [_mended(pick, facts, found) for pick in content.picks]
    themes = [_theme(theme, facts, found) for theme in content.themes]
    found.content = content.model_copy(update={"picks": picks, "themes": themes})
    found.reasons += _doubles(picks)
    for pick in picks:
        found.reasons += _company(pick, facts)
    found.reasons += _share(picks, facts, interests)
    for where, text, fact in _texts(found.content, facts):
        found.reasons += _text(where, text, fact, citations)
    return found


def good_citations(sources: Sequence[tuple[str | None, str, str, str | None]]) -> list[Citation]:
    """Of (id, url, title, date) what leads somewhere; numbered as the text refers to them."""
    found: list[Citation] = []
    for place, (name, url, title, day) in enumerate(sources, 1):
        parts = urlsplit(url) if len(url) <= 2_000 and not re.search(r"[\s<>\"\x00-\x1f]", url) else None
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or "." not in parts.hostname:
            continue
        number = int(name) if name and name.isdecimal() and len(name) < 6 else place
        while number in {one.number for one in found}:
            number += 1
        found.append(Citation(number=number, url=url, title=title[:200], date=day))
    return found


def in_interests(fact: Fact | None, interests: Sequence[str]) -> bool:
    """Whether a company lies in one of the interests, by its stored sector or its dividends."""
    if fact is None:
        return False
    if "dividends" in interests and (fact.dividend_yield or 0) >= LEAST_YIELD:
        return True
    return fact.sector in {SECTORS[one] for one in interests if one in SECTORS}


def symbol_of(text: str) -> str:
    """The symbol that is meant by ``$AAPL``, ``NASDAQ: AAPL`` or ``brk.b``; the text itself where none is."""
    bare = text.strip().lstrip("$").rpartition(":")[2].strip()
    try:
        return Symbol.parse(bare)
    except ValueError:
        return text


def _mended(pick: Pick, facts: Mapping[str, Fact], found: Checked) -> Pick:
    symbol = symbol_of(pick.ticker)
    if symbol not in facts and symbol.replace(".", "-") in facts:
        symbol = symbol.replace(".", "-")
    if symbol == pick.ticker:
        return pick
    found.repairs.append(f"{pick.ticker} is written {symbol}")
    return pick.model_copy(update={"ticker": symbol})


def _theme(theme: Theme, facts: Mapping[str, Fact], found: Checked) -> Theme:
    tickers = [symbol_of(one) for one in theme.tickers]
    if unknown := [one for one in tickers if one not in facts]:
        found.reasons.append(f"unknown_ticker: {', '.join(unknown)} in the theme {theme.title[:40]!r}")
    if len(set(tickers)) < len(tickers):
        found.reasons.append(f"duplicate: a company twice in the theme {theme.title[:40]!r}")
    return theme.model_copy(update={"tickers": tickers})


def _doubles(picks: Sequence[Pick]) -> list[str]:
    tickers = [pick.ticker for pick in picks]
    twice = sorted({one for one in tickers if tickers.count(one) > 1})
    names = [_bare(pick.company_name) for pick in picks]
    same = sorted({p.company_name for p in picks if names.count(_bare(p.company_name)) > 1 and p.ticker not in twice})
    return [f"duplicate: {one} is picked twice" for one in twice] + [f"duplicate: {one} by two symbols" for one in same]


def _company(pick: Pick, facts: Mapping[str, Fact]) -> Iterator[str]:
    fact = facts.get(pick.ticker)
    if fact is None:
        yield f"unknown_ticker: {pick.ticker}"
        return
    if token_set_ratio(_bare(pick.company_name), _bare(fact.name)) < SAME_NAME:
        meant = [t for t, other in facts.items() if token_set_ratio(_bare(pick.company_name), _bare(other.name)) >= 95]
        which = f", which is {', '.join(sorted(meant)[:3])}" if meant else ""
        yield f"wrong_company: {pick.ticker} is {fact.name}, not {pick.company_name[:60]}{which}"
    if fact.exchange and _market(pick.exchange) != _market(fact.exchange):
        yield f"wrong_exchange: {pick.ticker} is listed on {fact.exchange}, not {pick.exchange}"


def _share(picks: Sequence[Pick], facts: Mapping[str, Fact], interests: Sequence[str]) -> list[str]:
    if not interests:
        return []
    within = sum(in_interests(facts.get(pick.ticker), interests) for pick in picks)
    if within >= LEAST_SHARE * len(picks):
        return []
    return [f"outside_interests: {within} of {len(picks)} picks are in {', '.join(interests)}; 60 % must be"]


def _texts(content: Content, facts: Mapping[str, Fact]) -> Iterator[tuple[str, str, Fact | None]]:
    for pick in content.picks:
        yield pick.ticker, pick.rationale, facts.get(pick.ticker)
    for theme in content.themes:
        yield f"theme {theme.title[:40]!r}", f"{theme.title}. {theme.summary} {theme.report}", None
    for name, text in content.market_analysis:
        yield name, text, None


def _text(where: str, text: str, fact: Fact | None, citations: Sequence[Citation]) -> Iterator[str]:
    if found := ADVICE.search(text):
        yield f"advice: {found[0]!r} in {where}"
    numbers = {one.number for one in citations}
    if lost := sorted({int(n) for n in _CITED.findall(text)} - numbers):
        yield f"lost_citation: [{lost[0]}] in {where} has no source"
    if fact is None:
        return
    for sentence in re.split(r"(?<=[.;])\s+", text):
        if any(int(n) in numbers for n in _CITED.findall(sentence)):
            continue
        for money, digits, unit in _FIGURE.findall(sentence):
            if (money or unit) and not _stands(digits, unit, fact):
                said = f"{money}{digits}{' ' + unit if unit else ''}"
                yield f"unsupported_figure: {said} of {where} is neither stored nor cited"


def _stands(digits: str, unit: str, fact: Fact) -> bool:
    value = float(digits.replace(",", "").replace("\u2212", "-"))
    scaled = value / 100 if unit and unit.lower() != "x" else value
    rounding = 0.5 * 10 ** -len(digits.partition(".")[2]) / (100 if scaled != value else 1)
    return any(abs(abs(known) - abs(scaled)) <= max(TOLERANCE * abs(known), rounding) for known in fact.figures())


def _bare(name: str) -> str:
    return " ".join(_LEGAL.sub(" ", re.sub(r"[^\w ]", " ", name.lower())).split())


def _market(name: str) -> str:
    plain = re.sub(r"[^a-z]", "", name.lower())
    return _EXCHANGES.get(plain, plain)
