"""The real daily prices: five companies, 2000-03-01 to 2013-03-01, as they were printed on the day (unadjusted).

Source: bokeh_sampledata, `stocks.csv.gz`, public domain (Quandl WIKI). Only the file is used, none of its code.
"""

from __future__ import annotations

import csv
import gzip
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from typing import NamedTuple

# Recognised by comparing the raw close with the adjusted close of the same file, and checked against public record.
# On the named day the price was divided by the ratio. GOOG, FB and IBM had no split inside the file's years.
KNOWN_SPLITS: Mapping[str, Mapping[date, float]] = {
    "AAPL": {date(2000, 6, 21): 2.0, date(2005, 2, 28): 2.0},
    "MSFT": {date(2003, 2, 18): 2.0},
}


class Bar(NamedTuple):
    """One market day. Prices in currency units per share, volume in shares."""

    open: float
    high: float
    low: float
    close: float
    volume: int

    def times(self, price: float, volume: float, digits: int | None = None) -> Bar:
        """The day with all prices and the volume multiplied; prices rounded if `digits` says so."""
        prices = [value * price for value in (self.open, self.high, self.low, self.close)]
        if digits is not None:
            prices = [round(value, digits) for value in prices]
        return Bar(prices[0], prices[1], prices[2], prices[3], round(self.volume * volume))


@dataclass(slots=True)
class Series:
    """One company's unadjusted days, one row per common trading date, from `first` (row number) on without a gap.

    `adj_close` is the close adjusted for splits and dividends as of the end of the file; only its ratios matter.
    `splits` maps a row number to the ratio of the split that took effect that morning.
    """

    symbol: str
    first: int
    splits: dict[int, float] = field(default_factory=dict)
    open: array[float] = field(default_factory=lambda: array("d"))
    high: array[float] = field(default_factory=lambda: array("d"))
    low: array[float] = field(default_factory=lambda: array("d"))
    close: array[float] = field(default_factory=lambda: array("d"))
    adj_close: array[float] = field(default_factory=lambda: array("d"))
    volume: array[int] = field(default_factory=lambda: array("q"))

    def bar(self, row: int) -> Bar:
        """The printed day of a row; the row must be `first` or later."""
        i = row - self.first
        return Bar(self.open[i], self.high[i], self.low[i], self.close[i], self.volume[i])

    def total_factor(self, row: int) -> float:
        """How many times larger the printed close is than the fully adjusted one."""
        i = row - self.first
        return self.close[i] / self.adj_close[i]


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All series on one list of trading dates."""

    dates: tuple[date, ...]
    series: Mapping[str, Series]


def load() -> PriceBook:
    """Read the packaged file (about 12,000 rows, well under a second, under 1 MB in memory)."""
    by_symbol: dict[str, list[list[str]]] = {}
    for row in _csv_rows():
        by_symbol.setdefault(row[0], []).append(row)
    dates = tuple(date.fromisoformat(text) for text in sorted({row[1] for row in by_symbol["AAPL"]}))
    row_of = {day: number for number, day in enumerate(dates)}
    return PriceBook(dates, {symbol: _series(symbol, rows, row_of) for symbol, rows in by_symbol.items()})


def _csv_rows() -> Iterator[list[str]]:
    packaged = files("bokeh_sampledata") / "_data" / "stocks.csv.gz"
    with packaged.open("rb") as raw, gzip.open(raw, "rt", newline="") as text:
        reader = csv.reader(text)
        next(reader)  # Ticker, Date, Open, High, Low, Close, Volume, Adj Close
        yield from reader


def _series(symbol: str, rows: list[list[str]], row_of: Mapping[date, int]) -> Series:
    rows.sort(key=lambda row: row[1])
    series = Series(symbol, first=row_of[date.fromisoformat(rows[0][1])])
    series.splits = {row_of[day]: ratio for day, ratio in KNOWN_SPLITS.get(symbol, {}).items()}
    for offset, row in enumerate(rows):
        if row_of[date.fromisoformat(row[1])] != series.first + offset:
            raise ValueError(f"{symbol} has a gap before {row[1]} in the packaged price file")
        series.open.append(float(row[2]))
        series.high.append(float(row[3]))
        series.low.append(float(row[4]))
        series.close.append(float(row[5]))
        series.volume.append(int(float(row[6])))
        series.adj_close.append(float(row[7]))
    return series
