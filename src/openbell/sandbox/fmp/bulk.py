"""The bulk files: every listed symbol in one answer, as CSV. An empty cell is a null."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date

from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.fmp import ratios, refusals, rows, statements
from openbell.sandbox.fmp.ask import Ask, refused
from openbell.sandbox.fmp.rows import Row

PROFILES_PER_PART = 100


def listed(ask: Ask) -> Iterator[Ask]:
    """The question about every listed symbol."""
    for symbol in COMPANIES:
        one = ask.about(symbol)
        if one.company is not None:
            yield one


def prices(ask: Ask) -> Iterator[Row]:
    """`eod-bulk?date=`: the finished day of every symbol; nothing when it was no trading day."""
    day = _day(ask)
    for one in listed(ask):
        for session in one.market.sessions(one.symbol, day, day, one.moment):
            bar = one.market.split_adjusted(one.symbol, session, one.moment.session)
            adjusted = one.market.printed(one.symbol, session).close / one.market.total_factor(
                one.symbol, session, one.moment.session
            )
            cells = zip(("open", "low", "high", "close"), (bar.open, bar.low, bar.high, bar.close), strict=True)
            row: Row = {"symbol": one.symbol, "date": day.isoformat()}
            row |= {name: round(value, rows.DIGITS) for name, value in cells}
            yield row | {"adjClose": round(adjusted, rows.DIGITS), "volume": bar.volume}


def _day(ask: Ask) -> date:
    day = ask.day("date")
    if day is None:
        raise refused(refusals.bad_parameter("date", "a date like 2012-06-01"))
    return day


def profiles(ask: Ask) -> Iterator[Row]:
    """`profile-bulk?part=`: parts from 0; beyond the last one nothing."""
    first = ask.number("part", 0) * PROFILES_PER_PART
    for one in list(listed(ask))[first : first + PROFILES_PER_PART]:
        row = rows.profile(one.market, one.symbol, one.moment)
        assert row is not None
        yield row


def trailing(ask: Ask) -> Iterator[Row]:
    """`ratios-ttm-bulk` and `key-metrics-ttm-bulk`."""
    for one in listed(ask):
        yield from ratios.trailing_rows(one)


def statement(ask: Ask) -> Iterator[Row]:
    """`income-statement-bulk` and the other two, of one `year` and `period`: those that are out."""
    path, year = ask.path.removesuffix("-bulk"), str(ask.number("year", ask.today.year))
    for one in listed(ask):
        for quarters in statements.periods(one):
            if str(quarters[-1] // 4) == year:
                yield statements.make(path, one.symbol, quarters)


def as_csv(made: Iterable[Row]) -> bytes:
    """The rows as a file whose first line has the names; empty without rows."""
    made = list(made)
    if not made:
        return b""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(made[0]), lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in made)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value
