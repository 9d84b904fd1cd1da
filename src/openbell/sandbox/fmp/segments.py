"""Revenue by product and by region: parts that add up to the statement's revenue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from openbell.sandbox.fmp import statements
from openbell.sandbox.fmp.ask import Ask, chance
from openbell.sandbox.fmp.rows import Row
from openbell.sandbox.news.subjects import BY_SYMBOL

REGIONS = ("Americas", "Europe", "Asia Pacific", "Rest of the World")


def rows(ask: Ask) -> Iterator[Row]:
    """Rows of `revenue-product-segmentation` and `revenue-geographic-segmentation`, in the flat structure."""
    company = ask.company
    if company is None:
        return
    by_product = ask.path == "revenue-product-segmentation"
    names = [name.title() for name in BY_SYMBOL[ask.symbol].products] + ["Services"] if by_product else REGIONS
    for quarters in statements.periods(ask):
        head = statements.head(ask.symbol, quarters)
        yield {
            "symbol": ask.symbol,
            "fiscalYear": int(head["fiscalYear"]),
            "period": head["period"],
            "reportedCurrency": company.currency,
            "date": head["date"],
            "data": _data(ask.path, ask.symbol, names, quarters),
        }


def _data(path: str, symbol: str, names: Sequence[str], quarters: range) -> dict[str, int]:
    """Each quarter is split by itself, so that a year's segments are the sums of its quarters'."""
    data = dict.fromkeys(names, 0)
    weights = [chance(path, symbol, name).uniform(1, 4) for name in names]
    for quarter in quarters:
        revenue = statements.quarter_income(symbol, quarter)["revenue"]
        parts = [int(revenue * weight / sum(weights)) for weight in weights]
        parts[0] += revenue - sum(parts)
        for name, part in zip(names, parts, strict=True):
            data[name] += part
    return data
