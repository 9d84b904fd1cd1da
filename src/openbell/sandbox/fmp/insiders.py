"""Invented insiders: what they bought, sold and were given, and the figures of each quarter counted from that.

Every company has eight insiders. Each month some of them trade, at the close of that day; what each owns afterwards is
what it owned before and the trade. Statistics count transactions, as the provider does, not shares or money.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.fmp import statements
from openbell.sandbox.fmp.ask import Ask, chance
from openbell.sandbox.fmp.rows import Row

NAMES = (
    "Abel Corwin", "Berit Halloran", "Cosmo Vantree", "Dagny Okafor", "Emeric Sool", "Fenna Brightwater",
    "Goran Pell", "Hestia Marlowe", "Ivo Tanager", "Jorun Castellane", "Kasimir Reed", "Linnea Osterby",
)  # fmt: skip
OFFICES = (
    "officer: Chief Executive Officer", "officer: Chief Financial Officer", "officer: General Counsel",
    "officer: SVP, Operations", "director", "director", "director", "10 percent owner",
)  # fmt: skip
MONTHS_BACK = 132  # all that is told of the past
PER_MONTH = 5
KINDS = ("S-Sale", "P-Purchase", "A-Award", "M-Exempt", "F-InKind", "G-Gift")
KIND_WEIGHTS = (40, 12, 16, 16, 12, 4)
ACQUIRED = frozenset(("P-Purchase", "A-Award", "M-Exempt"))
UNPAID = frozenset(("A-Award", "G-Gift"))
_INSIDER_CIK = 9_800_000_000


@dataclass(frozen=True, slots=True)
class Deal:
    """One transaction: who (number in OFFICES), when it was made and filed, of what kind, and how much."""

    who: int
    made: date
    filed: date
    kind: str
    shares: int
    owned: int
    price: float

    @property
    def acquired(self) -> bool:
        """Whether the insider has more afterwards."""
        return self.kind in ACQUIRED


def _deals(ask: Ask) -> list[Deal]:
    """What was filed about a listed company by now and within the plan's reach, newest first."""
    market = ask.market
    listed = market.calendar.day(market.first_session(ask.symbol) or 0)
    now = ask.today.year * 12 + ask.today.month - 1
    start = max(listed.year * 12 + listed.month, now - MONTHS_BACK)
    owned = [20_000 + chance("owned", ask.symbol, who).randrange(400_000) for who in range(len(OFFICES))]
    found: list[Deal] = []
    for month in range(start, now + 1):
        rng = chance("insider", ask.symbol, month)
        for made in sorted(date(month // 12, month % 12 + 1, rng.randint(1, 28)) for _ in range(PER_MONTH)):
            who, [kind] = rng.randrange(len(OFFICES)), rng.choices(KINDS, KIND_WEIGHTS)
            shares = rng.randint(1, 90) * 100
            if kind not in ACQUIRED:
                shares = min(shares, owned[who] // 2)
            owned[who] += shares if kind in ACQUIRED else -shares
            price = 0.0 if kind in UNPAID else round(ask.close(made), 2)
            filed = made + timedelta(days=rng.randint(1, 2))
            if shares:
                found.append(Deal(who, made, filed, kind, shares, owned[who], price))
    kept = [deal for deal in found if ask.reach <= deal.filed <= ask.today]
    return sorted(kept, key=lambda deal: (deal.filed, deal.made), reverse=True)


def transactions(ask: Ask) -> Iterator[Row]:
    """Rows of `insider-trading/search`, newest filing first, 100 unless `limit` says more."""
    if ask.company is None:
        return iter(())
    return ask.paged((_row(ask.symbol, deal) for deal in _deals(ask)), 100)


def _row(symbol: str, deal: Deal) -> Row:
    first = chance("people", symbol).randrange(len(NAMES))
    cik = f"{_INSIDER_CIK + list(COMPANIES).index(symbol) * 10 + deal.who:010d}"
    return {
        "symbol": symbol,
        "filingDate": deal.filed.isoformat(),
        "transactionDate": deal.made.isoformat(),
        "reportingCik": cik,
        "companyCik": statements.cik_of(symbol),
        "transactionType": deal.kind,
        "securitiesOwned": deal.owned,
        "reportingName": NAMES[(first + deal.who) % len(NAMES)],
        "typeOfOwner": OFFICES[deal.who],
        "acquisitionOrDisposition": "A" if deal.acquired else "D",
        "directOrIndirect": "D",
        "formType": "4",
        "securitiesTransacted": deal.shares,
        "price": deal.price,
        "securityName": "Common Stock",
        "url": f"https://filings.example/{cik}/{deal.filed:%Y%m%d}.htm",
    }


def statistics(ask: Ask) -> Iterator[Row]:
    """Rows of `insider-trading/statistics`, the newest quarter first."""
    if ask.company is None:
        return iter(())
    quarters = groupby(_deals(ask), key=lambda deal: (deal.filed.year, (deal.filed.month + 2) // 3))
    return (_statistic(ask.symbol, *quarter, list(deals)) for quarter, deals in quarters)


def _statistic(symbol: str, year: int, quarter: int, deals: Sequence[Deal]) -> Row:
    bought, sold = ([deal.shares for deal in deals if deal.acquired is side] for side in (True, False))
    return {
        "symbol": symbol,
        "cik": statements.cik_of(symbol),
        "year": year,
        "quarter": quarter,
        "acquiredTransactions": len(bought),
        "disposedTransactions": len(sold),
        "acquiredDisposedRatio": round(len(bought) / len(sold), 4) if sold else 0.0,
        "totalAcquired": sum(bought),
        "totalDisposed": sum(sold),
        "averageAcquired": round(sum(bought) / len(bought), 4) if bought else 0.0,
        "averageDisposed": round(sum(sold) / len(sold), 4) if sold else 0.0,
        "totalPurchases": sum(deal.kind == "P-Purchase" for deal in deals),
        "totalSales": sum(deal.kind == "S-Sale" for deal in deals),
    }
