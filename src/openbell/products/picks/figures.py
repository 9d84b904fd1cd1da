"""The figures behind a pick, each by one formula from what is stored. Pure.

* momentum: close 21 sessions ago over the close 252 sessions ago, less one: a year without its last month, as in
  Jegadeesh and Titman, Returns to Buying Winners and Selling Losers, Journal of Finance 48 (1993)
* value: earnings yield, one over the price-earnings ratio of twelve months
* quality: return on equity, net income per share over book value per share, of twelve months
* risk: standard deviation of the daily log returns of 252 sessions, times the root of 252; less is calmer
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from statistics import stdev
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from openbell.products.market.pillars import measures, percentiles
from openbell.products.picks.content import Backing

YEAR, MONTH = 252, 21
FORMULAS: Mapping[Literal["momentum", "value", "quality", "risk"], str] = {
    "momentum": "close 21 sessions ago / close 252 sessions ago - 1",
    "value": "1 / price-earnings ratio of twelve months",
    "quality": "net income per share / book value per share, twelve months",
    "risk": "standard deviation of daily log returns, 252 sessions, a year",
}
NAMES: Mapping[str, str] = {
    "momentum": "Momentum, a year",
    "value": "Earnings yield",
    "quality": "Return on equity",
    "risk": "Volatility, a year",
}
"""What readers call them: the risk that a pick is rated at is a word, not this figure."""
MEANINGS: Mapping[str, str] = {
    "momentum": "the change of the price over a year, without its last month",
    "value": "earnings of twelve months over the price; the more, the cheaper",
    "quality": "net income of twelve months over the book value",
    "risk": "how widely daily changes spread, put as a year; the less, the calmer",
}
"""The same in plain words; FORMULAS has them to the letter."""
CALM, ROUGH = 0.20, 0.35
"""Below and above which yearly deviation a company counts as of low and of high risk."""


class Fact(BaseModel):
    """What is known of one company: figures as plain ratios, ``close`` in the currency of the listing."""

    model_config = ConfigDict(frozen=True)

    ticker: str
    name: str
    exchange: str | None = None
    sector: str | None = None
    currency: str | None = None
    day: date | None = None
    close: float | None = None
    momentum: float | None = None
    value: float | None = None
    quality: float | None = None
    risk: float | None = None
    price_earnings: float | None = None
    dividend_yield: float | None = None
    net_margin: float | None = None
    checked: date | None = None
    synthetic: str | None = None

    def backing(self) -> list[Backing]:
        """The four figures with formula and date."""
        dates = {"momentum": self.day, "risk": self.day, "value": self.checked, "quality": self.checked}
        return [
            Backing(name=name, value=getattr(self, name), unit="ratio", formula=formula, as_of=dates[name])
            for name, formula in FORMULAS.items()
        ]

    def figures(self) -> list[float]:
        """Every figure that a text about the company may state."""
        known = (
            self.close, self.momentum, self.value, self.quality, self.risk, self.price_earnings, self.dividend_yield,
            self.net_margin,
        )  # fmt: skip
        return [value for value in known if value is not None]


def fact_of(row: Mapping[str, Any]) -> Fact:
    """The fact of a row of ``read_universe``: bars as [day, open, high, low, close, volume], oldest first."""
    ratios: Mapping[str, Any] = row["ratios"] or {}
    bars = [(date.fromisoformat(bar[0]), float(bar[4])) for bar in row["bars"] or []]
    closes = [close for _, close in bars]
    known = measures(ratios, [])
    return Fact(
        ticker=row["ticker"],
        name=row["name"] or row["ticker"],
        exchange=row["exchange"],
        sector=row["sector"],
        currency=row["currency"],
        day=bars[-1][0] if bars else None,
        close=closes[-1] if closes else None,
        momentum=momentum(closes),
        value=known["earnings_yield"],
        quality=known["return_on_equity"],
        risk=deviation(closes),
        price_earnings=_number(ratios.get("price_to_earnings_ratio")),
        dividend_yield=known["dividend_yield"],
        net_margin=known["net_margin"],
        checked=row["checked_at"].date() if row["checked_at"] else None,
        synthetic=row["synthetic"],
    )


def momentum(closes: Sequence[float]) -> float | None:
    """A year without its last month; None with fewer sessions."""
    if len(closes) <= YEAR or closes[-1 - YEAR] <= 0:
        return None
    return closes[-1 - MONTH] / closes[-1 - YEAR] - 1


def deviation(closes: Sequence[float]) -> float | None:
    """Yearly standard deviation of daily log returns; None with fewer sessions, or a price that is none."""
    last = closes[-1 - YEAR :]
    if len(last) <= YEAR or min(last) <= 0:
        return None
    return stdev(math.log(after / before) for before, after in pairwise(last)) * math.sqrt(YEAR)


def risk_level(fact: Fact) -> Literal["low", "medium", "high"]:
    """By the deviation; unknown counts as high."""
    if fact.risk is None or fact.risk > ROUGH:
        return "high"
    return "low" if fact.risk < CALM else "medium"


def scores(facts: Mapping[str, Fact]) -> dict[str, float]:
    """By ticker the mean of four percentiles, 0 to 100; only of those of which three figures are known at least."""
    placed = {
        "momentum": percentiles({ticker: one.momentum for ticker, one in facts.items()}),
        "value": percentiles({ticker: one.value for ticker, one in facts.items()}),
        "quality": percentiles({ticker: one.quality for ticker, one in facts.items()}),
        "risk": percentiles({ticker: None if one.risk is None else -one.risk for ticker, one in facts.items()}),
    }
    found = {}
    for ticker in facts:
        known = [own[ticker] for own in placed.values() if ticker in own]
        if len(known) >= 3:
            found[ticker] = round(sum(known) / len(known), 1)
    return found


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None
