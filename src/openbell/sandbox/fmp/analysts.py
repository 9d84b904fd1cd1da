"""Invented analysts: estimates, grades, price targets and ratings that agree with each other.

An opinion is a grade and a target that a house gives on a day; houses take turns, each speaks every six months. All
summaries are counted from the opinions. Estimates scatter around what the statements will say.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean, median

from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.fmp import ratios, statements
from openbell.sandbox.fmp.ask import Ask, chance, share
from openbell.sandbox.fmp.rows import Row
from openbell.sandbox.news.subjects import PUBLISHERS

GRADES = ("Strong Sell", "Sell", "Hold", "Buy", "Strong Buy")
GRADE_FIELDS = ("strongSell", "sell", "hold", "buy", "strongBuy")
GRADE_STEPS = (0.05, 0.15, 0.47, 0.84)  # so many houses say at most Strong Sell, Sell, Hold, Buy
HOUSES = (
    "Corvale Research", "Bram & Oakes", "Pinehurst Equity Notes", "Kestrel Desk", "Linden Row Securities",
    "Ashgrove Capital Notes", "Marlin & Tate", "Quayside Equities", "Old Mill Research", "Sable Point",
    "Verity Lane", "Westmark Analysts",
)  # fmt: skip
MONTHS_PER_ROUND = 6  # in which every house speaks once
PER_MONTH = len(HOUSES) // MONTHS_PER_ROUND
MONTHS_BACK = 132  # all that is told of the past
YEARS_AHEAD = 3
CURRENT_DAYS = 365
SPANS = {"lastMonth": 30, "lastQuarter": 91, "lastYear": CURRENT_DAYS, "allTime": 1_000_000}


def expected(symbol: str, quarters: Sequence[int]) -> Row:
    """The estimates for some quarters, a field of `analyst-estimates` each."""
    made = [_expected(symbol, quarter) for quarter in quarters]
    amounts = {name: sum(one[name] for one in made) for name in made[0]}
    shares = COMPANIES[symbol].shares
    row: Row = {}
    for name, amount in amounts.items():
        row |= {f"{name}Low": round(amount * 0.95), f"{name}High": round(amount * 1.05), f"{name}Avg": amount}
    eps = amounts["netIncome"] / shares
    row |= {"epsAvg": round(eps, 2), "epsHigh": round(eps * 1.05, 2), "epsLow": round(eps * 0.95, 2)}
    return row | {"numAnalystsRevenue": len(HOUSES), "numAnalystsEps": len(HOUSES) - 2}


def _expected(symbol: str, quarter: int) -> dict[str, int]:
    true, error = statements.quarter_income(symbol, quarter), chance("surprise", symbol, quarter).uniform(0.96, 1.04)
    lines = {"sgaExpense": "sellingGeneralAndAdministrativeExpenses"}
    names = ("revenue", "ebitda", "ebit", "netIncome", "sgaExpense")
    return {name: round(true[lines.get(name, name)] * error) for name in names}


def estimates(ask: Ask) -> Iterator[Row]:
    """Rows of `analyst-estimates`, furthest in the future first."""
    if ask.company is None:
        return iter(())
    return ask.paged(_estimates(ask), 10)


def _estimates(ask: Ask) -> Iterator[Row]:
    size = 4 if ask.period == "annual" else 1
    last = (ask.today.year + YEARS_AHEAD) * 4 + 3
    first = ask.reach.year * 4
    for quarter in range(last, first + size - 2, -size):
        quarters = range(quarter - size + 1, quarter + 1)
        if ask.period in ("annual", "quarter", f"Q{quarter % 4 + 1}"):
            day = statements.quarter_end(quarter)
            yield {"symbol": ask.symbol, "date": day.isoformat(), **expected(ask.symbol, quarters)}


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a house said: GRADES[grade], the grade it had given before (None: its first), and its target."""

    day: date
    house: str
    grade: int
    previous: int | None
    target: float
    price: float


def opinions(ask: Ask, first_day: date = date.min) -> Iterator[Opinion]:
    """What was said of a listed company by now, newest first."""
    market = ask.market
    listed = market.calendar.day(market.first_session(ask.symbol) or 0)
    now = ask.today.year * 12 + ask.today.month - 1
    start = max(listed.year * 12 + listed.month - 1, now - MONTHS_BACK)
    for month in range(now, start - 1, -1):
        said = [_opinion(ask, month, turn, start) for turn in range(PER_MONTH)]
        for opinion in sorted(said, key=lambda one: (one.day, one.house), reverse=True):
            if opinion.day < max(listed, first_day):
                return
            if opinion.day <= ask.today:
                yield opinion


def _opinion(ask: Ask, month: int, turn: int, start: int) -> Opinion:
    house = HOUSES[month % MONTHS_PER_ROUND * PER_MONTH + turn]
    day = date(month // 12, month % 12 + 1, 1 + int(14 * (turn + share("said", ask.symbol, month, turn))))
    grade, price = _grade(ask.symbol, house, month), ask.close(day - timedelta(days=1))
    previous = _grade(ask.symbol, house, month - MONTHS_PER_ROUND) if month - MONTHS_PER_ROUND >= start else None
    target = round(price * (0.84 + 0.1 * grade) * (0.93 + 0.14 * share("target", ask.symbol, house, month)), 2)
    return Opinion(day, house, grade, previous, target, round(price, 2))


def _grade(symbol: str, house: str, month: int) -> int:
    """Houses change their minds in every other round at most."""
    spoken = month // (2 * MONTHS_PER_ROUND)
    return bisect_right(GRADE_STEPS, share("grade", symbol, house, spoken))


def current(said: Iterable[Opinion], day: date) -> list[Opinion]:
    """The newest opinion of each house on a day, if it is not older than a year."""
    found: dict[str, Opinion] = {}
    for opinion in said:
        if opinion.day <= day - timedelta(days=CURRENT_DAYS):
            break
        if opinion.day <= day:
            found.setdefault(opinion.house, opinion)
    return list(found.values())


def _current(ask: Ask) -> list[Opinion]:
    return current(opinions(ask), ask.today) if ask.company else []


def _tally(said: Sequence[Opinion]) -> dict[str, int]:
    return {name: sum(one.grade == n for one in said) for n, name in enumerate(GRADE_FIELDS)}


def grades(ask: Ask) -> Iterator[Row]:
    """Rows of `grades`, newest first."""
    if ask.company is None:
        return iter(())
    said = (_grade_row(ask.symbol, opinion) for opinion in opinions(ask, ask.reach))
    return ask.paged(said, 100)


def _grade_row(symbol: str, said: Opinion) -> Row:
    action = "initialise"
    if said.previous is not None:
        action = {1: "upgrade", 0: "maintain", -1: "downgrade"}[
            (said.grade > said.previous) - (said.grade < said.previous)
        ]
    return {
        "symbol": symbol,
        "date": said.day.isoformat(),
        "gradingCompany": said.house,
        "previousGrade": "" if said.previous is None else GRADES[said.previous],
        "newGrade": GRADES[said.grade],
        "action": action,
    }


def grades_historical(ask: Ask) -> Iterator[Row]:
    """Rows of `grades-historical`: the tally on the first of each month, newest first."""
    if ask.company is None:
        return iter(())
    return ask.paged(_monthly(ask), 100)


def _monthly(ask: Ask) -> Iterator[Row]:
    day, every = ask.today.replace(day=1), list(opinions(ask))
    while day >= ask.reach and (said := current(every, day)):
        tally = _tally(said)
        counts = {f"analystRatings{name[0].upper()}{name[1:]}": tally[name] for name in reversed(GRADE_FIELDS)}
        yield {"symbol": ask.symbol, "date": day.isoformat(), **counts}
        day = (day - timedelta(days=1)).replace(day=1)


def grades_consensus(ask: Ask) -> Iterator[Row]:
    """The row of `grades-consensus`."""
    said = _current(ask)
    if said:
        tally = _tally(said)
        consensus = GRADES[round(fmean(one.grade for one in said))]
        yield {
            "symbol": ask.symbol,
            **{name: tally[name] for name in reversed(GRADE_FIELDS)},
            "consensus": consensus,
        }


def target_consensus(ask: Ask) -> Iterator[Row]:
    """The row of `price-target-consensus`."""
    targets = [one.target for one in _current(ask)]
    if targets:
        yield {
            "symbol": ask.symbol,
            "targetHigh": max(targets),
            "targetLow": min(targets),
            "targetConsensus": round(fmean(targets), 2),
            "targetMedian": round(median(targets), 2),
        }


def target_summary(ask: Ask) -> Iterator[Row]:
    """The row of `price-target-summary`: longer spans contain the shorter ones."""
    if ask.company is None:
        return
    said = list(opinions(ask))
    row: Row = {"symbol": ask.symbol}
    for name, days in SPANS.items():
        targets = [one.target for one in said if (ask.today - one.day).days < days]
        average = round(fmean(targets), 2) if targets else 0.0
        row |= {f"{name}Count": len(targets), f"{name}AvgPriceTarget": average}
    yield row | {"publishers": json.dumps([paper.name for paper in PUBLISHERS[:3]])}


_RECOMMENDATIONS = "FDCBA"


def rating(ask: Ask, price: float, quarters: range) -> Row:
    """Six scores of 1 to 5 from the ratios, their mean, and its letter."""
    its = ratios.books(ask, quarters, price)
    found = ratios.ratios(its) | ratios.metrics(its)
    scores = {
        "discountedCashFlowScore": _score(found["freeCashFlowYield"], (0.02, 0.04, 0.06, 0.09)),
        "returnOnEquityScore": _score(found["returnOnEquity"], (0.05, 0.1, 0.15, 0.2)),
        "returnOnAssetsScore": _score(found["returnOnAssets"], (0.03, 0.06, 0.09, 0.12)),
        "debtToEquityScore": _score(-found["debtToEquityRatio"], (-0.6, -0.4, -0.25, -0.1)),
        "priceToEarningsScore": _score(-found["priceToEarningsRatio"], (-40, -25, -18, -10)),
        "priceToBookScore": _score(-found["priceToBookRatio"], (-8, -5, -3, -1.5)),
    }
    overall = round(fmean(scores.values()))
    return {"rating": _RECOMMENDATIONS[overall - 1], "overallScore": overall, **scores}


def _score(value: float, steps: tuple[float, float, float, float]) -> int:
    return 1 + sum(value >= step for step in steps)


def ratings_snapshot(ask: Ask) -> Iterator[Row]:
    """The row of `ratings-snapshot`."""
    if ask.company is not None:
        yield {"symbol": ask.symbol, **rating(ask, ask.price(), statements.last_year(ask))}


def ratings_historical(ask: Ask) -> Iterator[Row]:
    """Rows of `ratings-historical`: every finished market day, newest first; one unless `limit` says more."""
    if ask.company is None:
        return iter(())
    return ask.paged(_daily(ask), 1)


def _daily(ask: Ask) -> Iterator[Row]:
    for session in ask.market.sessions(ask.symbol, ask.reach, None, ask.moment):
        day = ask.market.calendar.day(session)
        newest = statements.latest(ask.symbol, day)
        row = rating(ask, ask.close(day), range(newest - 3, newest + 1))
        yield {"symbol": ask.symbol, "date": day.isoformat(), **row}
