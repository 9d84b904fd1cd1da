"""Cards of what a company has reported: three tables, newest period first, with growth against a year before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openbell.web import words
from openbell.web.card_company import label
from openbell.web.cards import Body, Cell, Scale, Table, kind, scale_of

if TYPE_CHECKING:
    from openbell.web.views import Aside

Value = Mapping[str, Any]

PERIODS_SHOWN = {"FY": 5, "Q": 8}
GROWING = frozenset(
    {
        "revenue",
        "gross_profit",
        "operating_income",
        "net_income",
        "eps_diluted",
        "operating_cash_flow",
        "free_cash_flow",
    }
)
PER_SHARE = frozenset({"eps", "eps_diluted"})
INCOME = {
    "revenue": "Revenue", "cost_of_revenue": "Cost of revenue", "gross_profit": "Gross profit",
    "research_and_development_expenses": "Research and development",
    "selling_general_and_administrative_expenses": "Selling, general, administrative",
    "operating_income": "Operating income", "ebitda": "EBITDA", "interest_expense": "Interest expense",
    "income_before_tax": "Income before tax", "income_tax_expense": "Income tax", "net_income": "Net income",
    "eps_diluted": "Earnings per share, diluted", "shares_diluted": "Shares, diluted average",
}  # fmt: skip
BALANCE = {
    "cash_and_short_term_investments": "Cash and short-term investments", "net_receivables": "Receivables",
    "inventory": "Inventory", "total_current_assets": "Current assets",
    "property_plant_equipment_net": "Property, plant, equipment",
    "goodwill_and_intangible_assets": "Goodwill and intangibles", "total_assets": "Total assets",
    "total_current_liabilities": "Current liabilities", "long_term_debt": "Long-term debt",
    "total_liabilities": "Total liabilities", "total_stockholders_equity": "Shareholders' equity",
    "total_debt": "Total debt", "net_debt": "Net debt",
}  # fmt: skip
CASH_FLOW = {
    "net_income": "Net income", "depreciation_and_amortization": "Depreciation and amortisation",
    "stock_based_compensation": "Paid in shares", "change_in_working_capital": "Change in working capital",
    "operating_cash_flow": "Operating cash flow", "capital_expenditure": "Capital expenditure",
    "free_cash_flow": "Free cash flow", "acquisitions_net": "Acquisitions",
    "common_stock_repurchased": "Shares bought back", "net_dividends_paid": "Dividends paid",
    "net_debt_issuance": "Debt taken up", "net_change_in_cash": "Change in cash",
}  # fmt: skip
PARTS = (("income", "Income", INCOME), ("balance", "Balance sheet", BALANCE), ("cash_flow", "Cash flow", CASH_FLOW))


@kind("financial-statements", "Statements by year", "The source has no statements of this symbol, as for a fund.")
def annual(value: Value, _: Aside) -> Body:
    """Years."""
    return statements(value)


@kind("quarterly-statements", "Statements by quarter", "The source has no quarterly statements of this symbol.")
def quarterly(value: Value, _: Aside) -> Body:
    """Quarters, each beside the same quarter of the year before."""
    return statements(value)


def statements(value: Value) -> Body:
    """The newest periods of the three statements."""
    periods: Sequence[Value] = list(reversed(value.get("periods") or []))
    if not periods:
        return Body()
    most = PERIODS_SHOWN["FY" if periods[0].get("period") == "FY" else "Q"]
    shown = periods[:most]
    currencies = {str(p.get("currency") or "") for p in shown}
    currency = next(iter(currencies)) if len(currencies) == 1 else ""
    every = [
        p[part].get(name)
        for p in shown
        for part, _, lines in PARTS
        if p.get(part)
        for name in lines
        if name not in PER_SHARE
    ]
    scale = scale_of(every)
    tables = [
        Table(
            scale.caption(title, currency) + (", earnings per share in whole units" if part == "income" else ""),
            ("", *(head(p, mixed=not currency) for p in shown)),
            [line(part, name, text, shown, periods, scale) for name, text in lines.items() if known(part, name, shown)],
        )
        for part, title, lines in PARTS
        if any(p.get(part) for p in shown)
    ]
    newest = periods[0]
    said = f"The newest was filed {words.iso_day(newest['filed'])}." if newest.get("filed") else ""
    grown = "Growth is against the year before; it is left out where that was not above zero."
    count = f"{len(shown)} of {len(periods)} periods that are stored." if len(periods) > len(shown) else ""
    return Body(tables=tables, notes=[" ".join(t for t in (said, grown, count) if t)])


def head(period: Value, *, mixed: bool) -> str:
    """The name of a column, with its currency where the columns differ in it."""
    return f"{label(period)}, {period['currency']}" if mixed and period.get("currency") else label(period)


def known(part: str, name: str, shown: Sequence[Value]) -> bool:
    """Whether any of the periods has the figure: a line of blanks says nothing."""
    return any(words.is_number((p.get(part) or {}).get(name)) for p in shown)


def line(part: str, name: str, text: str, shown: Sequence[Value], every: Sequence[Value], scale: Scale) -> list[Cell]:
    """One line of a statement."""
    return [Cell(text), *(figure(part, name, p, every, scale) for p in shown)]


def figure(part: str, name: str, period: Value, every: Sequence[Value], scale: Scale) -> Cell:
    """One figure, with its growth below where that tells something."""
    value = (period.get(part) or {}).get(name)
    text = words.number(value, 2) if name in PER_SHARE else scale.of(value)
    before = year_before(period, every) if name in GROWING else None
    if before is None:
        return Cell(text)
    return Cell(text, words.growth(value, (before.get(part) or {}).get(name)))


def year_before(period: Value, every: Sequence[Value]) -> Value | None:
    """The same period of the year before, in the same currency."""
    year = period.get("fiscal_year")
    if not year:
        return None
    same = (p for p in every if p.get("period") == period.get("period") and p.get("fiscal_year") == year - 1)
    found = next(same, None)
    return found if found and found.get("currency") == period.get("currency") else None
