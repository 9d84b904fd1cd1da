"""From readings to what the templates draw. Pure: a page and a stream show the same row from the same reading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from openbell.web import words
from openbell.web.market_line import market_parts
from openbell.web.marks import Mark, mark
from openbell.web.sparkline import Sparkline, sparkline

if TYPE_CHECKING:
    from openbell.engine.artifacts import Reading

CLOSES_SHOWN = 30
RANGES = {"1m": 31, "3m": 92, "1y": 366, "5y": 1_827, "all": None}  # days of daily prices
SESSIONS = {"1d": 1, "5d": 5}  # sessions of prices within the day
RANGE_NAMES = {
    "1d": "1 day", "5d": "5 days", "1m": "1 month", "3m": "3 months", "1y": "1 year", "5y": "5 years", "all": "All",
}  # fmt: skip
DEFAULT_RANGE = "1y"


@dataclass(frozen=True, slots=True)
class Aside:
    """What a quote is drawn with besides itself: the newest closes, oldest first, and the currency of the listing."""

    closes: tuple[float, ...] = ()
    currency: str = ""


NO_ASIDE = Aside()


@dataclass(frozen=True, slots=True)
class Move:
    """A change, told by sign and arrow as well as by colour."""

    direction: str  # up, down, flat, or empty when nothing is known
    change: str
    percent: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the watchlist; also the head of a symbol's page."""

    symbol: str
    version: int
    known: bool  # a value is there
    name: str
    price: str
    currency: str
    move: Move
    low: str
    high: str
    place: float | None  # where the price stands between low (0) and high (1)
    volume: str
    spark: Sparkline | None
    mark: Mark
    market: str
    live: dict[str, str]  # for the chart: today's candle, as written by the source
    facts: list[tuple[str, str]] = field(default_factory=list)


def row(reading: Reading, aside: Aside = NO_ASIDE) -> Row:
    """A quote as one line."""
    value = reading.value if isinstance(reading.value, dict) else {}
    last = value.get("price")
    low, high = value.get("day_low"), value.get("day_high")
    return Row(
        symbol=reading.key,
        version=reading.version,
        known=bool(value),
        name=str(value.get("name") or ""),
        price=words.price(last),
        currency=aside.currency if value else "",
        move=moved(value),
        low=words.price(low),
        high=words.price(high),
        place=between(last, low, high),
        volume=words.compact(value.get("volume")),
        spark=sparkline(aside.closes, last if words.is_number(last) else None) if value else None,
        mark=mark(reading),
        market=market_parts(reading),
        live=live_candle(value),
        facts=quote_facts(value),
    )


def moved(value: dict[str, Any]) -> Move:
    """The change since the previous close."""
    change = value.get("change")
    return Move(words.direction(change), words.signed(change), words.percent(value.get("change_percent")))


def between(last: Any, low: Any, high: Any) -> float | None:
    """Where `last` stands from `low` (0) to `high` (1); None when that says nothing."""
    if not (words.is_number(last) and words.is_number(low) and words.is_number(high)) or high <= low:
        return None
    return min(max((last - low) / (high - low), 0.0), 1.0)


def live_candle(value: dict[str, Any]) -> dict[str, str]:
    """The quote as today's candle, for the chart; empty unless day, open, high, low and price are all known."""
    at = words.moment(value.get("source_time"))
    figures = [value.get(k) for k in ("open", "day_high", "day_low", "price")]
    if at is None or not all(words.is_number(f) for f in figures):
        return {}
    zone = words.new_york()
    day = (at.astimezone(zone) if zone else at).date().isoformat()
    volume = value.get("volume")
    names = ("open", "high", "low", "close")
    candle = {"day": day} | {n: repr(f) for n, f in zip(names, figures, strict=True)}
    return candle | ({"volume": repr(volume)} if words.is_number(volume) else {})


def quote_facts(value: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures under the price."""
    if not value:
        return []
    return [
        ("Open", words.price(value.get("open"))),
        ("Previous close", words.price(value.get("previous_close"))),
        ("Day", f"{words.price(value.get('day_low'))} to {words.price(value.get('day_high'))}"),
        ("Year", f"{words.price(value.get('year_low'))} to {words.price(value.get('year_high'))}"),
        ("Volume", words.compact(value.get("volume"))),
        ("Market value", words.compact(value.get("market_cap"))),
    ]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a company is, as lines to show."""

    symbol: str
    known: bool
    version: int
    description: str
    website: str
    facts: list[tuple[str, str]]
    mark: Mark


def profile(reading: Reading) -> Profile:
    """A profile as lines; what the source left out is left out."""
    value = reading.value if isinstance(reading.value, dict) else {}
    site = str(value.get("website") or "")
    return Profile(
        symbol=reading.key,
        known=bool(value),
        version=reading.version,
        description=str(value.get("description") or ""),
        website=site if site.startswith(("https://", "http://")) else "",  # no other scheme becomes a link
        facts=[(name, text) for name, text in profile_facts(value) if text and text != words.DASH],
        mark=mark(reading),
    )


def profile_facts(value: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and text of every line, empty where nothing is known."""

    def text(name: str) -> str:
        return str(value.get(name) or "")

    listed = words.moment(value.get("ipo_date"))
    kind = "Exchange-traded fund" if value.get("is_etf") else "Share"
    exchange = text("exchange_name") or text("exchange")
    return [
        ("Kind", kind if value else ""),
        ("Exchange", f"{exchange} ({text('exchange')})" if text("exchange") not in ("", exchange) else exchange),
        ("Sector", text("sector")),
        ("Industry", text("industry")),
        ("Country", text("country")),
        ("Chief executive", text("ceo")),
        ("Employees", words.number(value.get("employees"), 0)),
        ("Market value", words.compact(value.get("market_cap"))),
        ("Beta", words.number(value.get("beta"))),
        ("Listed", words.day(listed.date()) if listed else ""),
        ("ISIN", text("isin")),
        ("CIK", text("cik")),
        ("Trading", "no longer traded" if value.get("is_active") is False else ""),
    ]


@dataclass(frozen=True, slots=True)
class Prices:
    """End-of-day prices; `rows` newest first, cut to the range."""

    symbol: str
    known: bool
    version: int
    currency: str
    adjusted: str
    chosen: str
    span: str
    rows: list[tuple[str, ...]]
    mark: Mark


def prices(reading: Reading, aside: Aside = NO_ASIDE, chosen: str = DEFAULT_RANGE, *, rows: bool = False) -> Prices:
    """Without `rows` only the head is made: the chart loads the figures by the API."""
    value = reading.value if isinstance(reading.value, dict) else {}
    shown = cut(value.get("rows") or [], chosen)
    span = f"{iso(shown[0][0])} to {iso(shown[-1][0])}" if shown else ""
    table = [price_row(r) for r in reversed(shown)] if rows else []
    return Prices(
        symbol=reading.key,
        known=bool(value.get("rows")),
        version=reading.version,
        currency=aside.currency,
        adjusted=str(value.get("adjusted") or ""),
        chosen=chosen,
        span=span,
        rows=table,
        mark=mark(reading),
    )


def daily_range(chosen: str) -> str:
    """The range of the daily prices when the chosen one is within the day."""
    return chosen if chosen in RANGES else DEFAULT_RANGE


@dataclass(frozen=True, slots=True)
class Intraday(Prices):
    """Prices of five minutes; times in `zone`, that of the exchange."""

    zone: str = ""


def intraday(reading: Reading, aside: Aside = NO_ASIDE, chosen: str = "1d", *, rows: bool = False) -> Intraday:
    """Without `rows` only the head is made."""
    value = reading.value if isinstance(reading.value, dict) else {}
    bars = value.get("rows") or []
    days = sorted({str(bar[0])[:10] for bar in bars})[-SESSIONS.get(chosen, 1) :]
    shown = [bar for bar in bars if str(bar[0])[:10] in days]
    table = [bar_row(bar) for bar in reversed(shown)] if rows else []
    span = (iso(days[0]) if days[0] == days[-1] else f"{iso(days[0])} to {iso(days[-1])}") if days else ""
    zone = str(value.get("zone") or "")
    return Intraday(
        symbol=reading.key,
        known=bool(bars),
        version=reading.version,
        currency=aside.currency,
        adjusted=str(value.get("adjusted") or ""),
        chosen=chosen,
        span=f"{span}, times of {zone.rpartition('/')[2].replace('_', ' ') or 'the exchange'}" if span else "",
        rows=table,
        mark=mark(reading),
        zone=zone,
    )


def bar_row(bar: list[Any]) -> tuple[str, ...]:
    """Five minutes of the table."""
    at = datetime.fromisoformat(str(bar[0]))
    name = f"{words.day(at.date())}, {at:%H:%M}"
    return (name, *(words.price(v) for v in bar[1:5]), words.number(bar[5], 0))


def cut(rows: list[list[Any]], chosen: str) -> list[list[Any]]:
    """The rows of the last days before the newest row: the newest, not today, since a listing may have ended."""
    days = RANGES[chosen]
    if not rows or days is None:
        return rows
    first = (date.fromisoformat(str(rows[-1][0])) - timedelta(days=days)).isoformat()
    return [r for r in rows if str(r[0]) >= first]


def price_row(row: list[Any]) -> tuple[str, ...]:
    """One session of the table."""
    opened, high, low, close, volume = row[1:6]
    return (iso(row[0]), *(words.price(v) for v in (opened, high, low, close)), words.number(volume, 0))


def iso(text: Any) -> str:
    """An ISO date as people read it."""
    return words.day(date.fromisoformat(str(text)[:10]))


def aside_of(readings: Iterable[Reading], before: Aside = NO_ASIDE) -> Aside:
    """The aside of one symbol, brought up to the prices and the profile among `readings`."""
    aside = before
    for reading in readings:
        value = reading.value if isinstance(reading.value, dict) else {}
        if reading.product == "eod-prices":
            newest = (value.get("rows") or [])[-CLOSES_SHOWN:]
            aside = replace(aside, closes=tuple(float(r[4]) for r in newest if words.is_number(r[4])))
        elif reading.product == "profile":
            aside = replace(aside, currency=str(value.get("currency") or ""))
    return aside


@dataclass(frozen=True, slots=True)
class Match:
    """One listing that a search found."""

    symbol: str
    name: str
    exchange: str
    currency: str


def matches(reading: Reading, limit: int = 10) -> list[Match]:
    """What a search found."""
    value = reading.value if isinstance(reading.value, dict) else {}
    found = value.get("matches") or []
    return [Match(*(str(m.get(k) or "") for k in ("symbol", "name", "exchange", "currency"))) for m in found[:limit]]
