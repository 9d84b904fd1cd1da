"""Who files what and when, and the figures: a pure function of company and day.

Each company files a 10-K or 10-Q a quarter, an 8-K with its results some days before, and an 8-K about something else
in most months, from 2019 on. Figures are in whole dollars and agree between the filings and the facts.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from openbell.sandbox.companies import COMPANIES, Company

FIRST_YEAR = 2019
LAST_YEAR = 2199
_INVENTED_CIK = 9_900_000_000
_FISCAL_YEAR_END = {"AAPL": 9, "MSFT": 6}  # month; the others December
_EXCHANGE = {"NASDAQ": "Nasdaq", "NYSE": "NYSE"}
_SIC = {
    "Technology": ("3571", "Electronic Computers"),
    "Communication Services": ("7370", "Services-Computer Services"),
}
_ITEMS = (
    ("1.01,9.01", "entry into a material agreement"),
    ("5.02", "a change in the board"),
    ("7.01,9.01", "a presentation for investors"),
    ("8.01", "other events"),
)


@dataclass(frozen=True, slots=True)
class Filer:
    """A company as EDGAR knows it. `cik` has ten digits."""

    cik: str
    company: Company
    fiscal_end_month: int

    @property
    def exchange(self) -> str | None:
        """EDGAR's name of the exchange; none for invented companies."""
        return _EXCHANGE.get(self.company.exchange)

    @property
    def sic(self) -> tuple[str, str]:
        """Industry code and its description."""
        return _SIC.get(self.company.sector, ("6770", "Blank Checks"))


@dataclass(frozen=True, slots=True)
class Filing:
    """One filing. `figures` of the period by tag, for 10-K and 10-Q."""

    accession: str
    form: str
    filed: date
    period: date
    accepted: datetime
    items: str = ""
    about: str = ""
    fiscal_year: int = 0
    fiscal_period: str = ""  # Q1 to Q3, FY
    period_start: date | None = None
    figures: Mapping[str, int] | None = None

    @property
    def document(self) -> str:
        """The file name of the primary document."""
        return f"{self.form.lower().replace('-', '')}-{self.period:%Y%m%d}.htm"


# Tags of the facts: taxonomy, label, unit; EPS is in cents here and in dollars on the wire.
TAGS: Mapping[str, tuple[str, str, str]] = {
    "Revenues": ("us-gaap", "Revenues", "USD"),
    "NetIncomeLoss": ("us-gaap", "Net Income (Loss)", "USD"),
    "Assets": ("us-gaap", "Assets", "USD"),
    "EarningsPerShareDiluted": ("us-gaap", "Earnings Per Share, Diluted", "USD/shares"),
    "EntityCommonStockSharesOutstanding": ("dei", "Entity Common Stock, Shares Outstanding", "shares"),
}


def _filer(number: int, company: Company) -> Filer:
    cik = company.cik or str(_INVENTED_CIK + number)
    return Filer(cik, company, _FISCAL_YEAR_END.get(company.symbol, 12))


FILERS: Sequence[Filer] = [_filer(number, company) for number, company in enumerate(COMPANIES.values())]
BY_CIK: Mapping[int, Filer] = {int(filer.cik): filer for filer in FILERS}


def filed_until(filer: Filer, now: datetime) -> list[Filing]:
    """Everything accepted up to a moment (aware), newest first."""
    filings = _all(filer, min(now.year, LAST_YEAR))
    return list(reversed(filings[: bisect_right(filings, now, key=lambda filing: filing.accepted)]))


@lru_cache(256)
def _all(filer: Filer, last_year: int) -> list[Filing]:
    """Every filing about the months to the end of a year, by the time of its acceptance."""
    months = [(year, month) for year in range(FIRST_YEAR, last_year + 1) for month in range(1, 13)]
    found: list[Filing] = []
    for year, month in months:
        found += _of_month(filer, year, month)
    return sorted(found, key=lambda filing: filing.accepted)


def _of_month(filer: Filer, year: int, month: int) -> list[Filing]:
    """What is filed about a month: its event, and the quarter if one ends with it."""
    rng = random.Random(f"edgar {filer.cik} {year}-{month}")  # noqa: S311 - invented figures
    made: list[Filing] = []
    if rng.random() < 0.7:
        items, about = rng.choice(_ITEMS)
        day = _workday(date(year, month, rng.randint(2, 26)))
        made.append(_event(filer, rng, day, items, about, serial=1))
    if (month - filer.fiscal_end_month) % 3 == 0:
        made += _quarter(filer, rng, year, month)
    return made


def _event(filer: Filer, rng: random.Random, day: date, items: str, about: str, serial: int) -> Filing:
    accession = _accession(filer, day, serial)
    return Filing(accession, "8-K", day, day, _accepted(rng, day), items=items, about=about)


def _quarter(filer: Filer, rng: random.Random, year: int, month: int) -> list[Filing]:
    """The results of the quarter that ends with a month: an 8-K, then the report itself."""
    end = _month_end(year, month)
    number = (month - filer.fiscal_end_month) // 3 % 4  # 0: the fiscal year ends
    fiscal_year = year if month <= filer.fiscal_end_month else year + 1
    filed = _workday(end + timedelta(days=(52 if number == 0 else 34) + rng.randint(0, 4)))
    announced = _workday(filed - timedelta(days=rng.randint(3, 9)))
    report = Filing(
        accession=_accession(filer, filed, 3),
        form="10-Q" if number else "10-K",
        filed=filed,
        period=end,
        accepted=_accepted(rng, filed),
        about="the year" if number == 0 else "the quarter",
        fiscal_year=fiscal_year,
        fiscal_period=f"Q{number}" if number else "FY",
        period_start=_month_end(*_months_before(year, month, 3 if number else 12)) + timedelta(days=1),
        figures=_figures(filer, year, month, quarters=1 if number else 4),
    )
    return [_event(filer, rng, announced, "2.02,9.01", "results of operations", serial=2), report]


def _figures(filer: Filer, year: int, month: int, quarters: int) -> dict[str, int]:
    """Sums over the quarters that end with a month."""
    ends = [_months_before(year, month, 3 * back) for back in range(quarters)]
    revenue = sum(_quarter_revenue(filer, *end) for end in ends)
    margin = random.Random(f"margin {filer.cik} {year}-{month}").uniform(0.08, 0.28)  # noqa: S311
    shares = filer.company.shares
    income = int(revenue * margin)
    return {
        "Revenues": revenue,
        "NetIncomeLoss": income,
        "Assets": _quarter_revenue(filer, year, month) * 7,
        "EarningsPerShareDiluted": round(100 * income / shares),
        "EntityCommonStockSharesOutstanding": shares,
    }


def _quarter_revenue(filer: Filer, year: int, month: int) -> int:
    rng = random.Random(f"revenue {filer.cik} {year}-{month}")  # noqa: S311
    level = filer.company.shares * random.Random(filer.cik).uniform(5, 40)  # noqa: S311
    growth: float = 1.015 ** (4 * (year - FIRST_YEAR) + month / 3)
    return round(level * growth * rng.uniform(0.93, 1.07) / 1_000_000) * 1_000_000


def _accession(filer: Filer, day: date, serial: int) -> str:
    """The same for ever: filer, year, and a number made of month and serial."""
    return f"{filer.cik}-{day:%y}-{day:%m%d}{serial:02d}"


def _accepted(rng: random.Random, day: date) -> datetime:
    return datetime.combine(day, time(rng.randint(11, 21), rng.randint(0, 59), rng.randint(0, 59)), UTC)


def _workday(day: date) -> date:
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)


def _months_before(year: int, month: int, back: int) -> tuple[int, int]:
    months = year * 12 + month - 1 - back
    return months // 12, months % 12 + 1


def _month_end(year: int, month: int) -> date:
    year, month = _months_before(year, month, -1)
    return date(year, month, 1) - timedelta(days=1)
