"""Invented rates: the yields of treasury bills and bonds, and what shares must earn above them, by country."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

from openbell.sandbox.fmp.ask import CALENDAR_DAYS_MAX, Ask, chance, share
from openbell.sandbox.fmp.rows import Row

YEARS = {
    "month1": 1 / 12, "month2": 1 / 6, "month3": 1 / 4, "month6": 1 / 2, "year1": 1.0, "year2": 2.0, "year3": 3.0,
    "year5": 5.0, "year7": 7.0, "year10": 10.0, "year20": 20.0, "year30": 30.0,
}  # fmt: skip
WAVE_DAYS = 2_600.0  # in which yields go up and down once
MATURE_MARKET_PREMIUM = 4.6  # per cent
COUNTRIES = (
    ("Argentina", "South America", 9.0, 14.0), ("Australia", "Australia & New Zealand", 0.0, 0.0),
    ("Austria", "Western Europe", 0.3, 0.6), ("Belgium", "Western Europe", 0.6, 1.0),
    ("Brazil", "South America", 2.8, 3.8), ("Canada", "North America", 0.0, 0.0),
    ("Chile", "South America", 0.8, 1.3), ("China", "Asia", 0.7, 1.2), ("Denmark", "Western Europe", 0.0, 0.0),
    ("Egypt", "Africa", 7.0, 10.0), ("Finland", "Western Europe", 0.3, 0.7), ("France", "Western Europe", 0.4, 0.9),
    ("Germany", "Western Europe", 0.0, 0.0), ("India", "Asia", 2.0, 3.1), ("Italy", "Western Europe", 2.0, 3.0),
    ("Japan", "Asia", 0.7, 1.2), ("Mexico", "Central and South America", 1.7, 2.6), ("Nigeria", "Africa", 6.0, 9.0),
    ("Norway", "Western Europe", 0.0, 0.0), ("Singapore", "Asia", 0.0, 0.0), ("South Africa", "Africa", 3.0, 4.4),
    ("Switzerland", "Western Europe", 0.0, 0.0), ("United Kingdom", "Western Europe", 0.5, 1.0),
    ("United States", "North America", 0.0, 0.0),
)  # fmt: skip


def treasury(ask: Ask) -> Iterator[Row]:
    """Rows of `treasury-rates`, newest first, in per cent a year: the last 90 days of `from` to `to`."""
    last = min(ask.day("to") or ask.today, ask.today)
    first = max(ask.day("from") or ask.reach, last - timedelta(days=CALENDAR_DAYS_MAX), ask.reach)
    for back in range((last - first).days + 1):
        day = last - timedelta(days=back)
        if day.weekday() < 5:
            level = 2.5 + 1.5 * math.sin(2 * math.pi * day.toordinal() / WAVE_DAYS) + 0.1 * share("yield", day)
            yields = {name: round(level + 0.45 * math.log1p(years), 2) for name, years in YEARS.items()}
            yield {"date": day.isoformat(), **yields}


def risk_premium(ask: Ask) -> Iterator[Row]:
    """Rows of `market-risk-premium`, by country, in per cent; another year has other figures."""
    for country, continent, least, most in COUNTRIES:
        own = round(chance("premium", country, ask.today.year).uniform(least, most), 2)
        yield {
            "country": country,
            "continent": continent,
            "countryRiskPremium": own,
            "totalEquityRiskPremium": round(MATURE_MARKET_PREMIUM + own, 2),
        }
