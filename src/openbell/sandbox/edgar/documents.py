"""The words of the filings: our own, about figures that nobody has reported."""

from __future__ import annotations

from html import escape

from openbell.sandbox.edgar.filings import TAGS, Filer, Filing

NOTE = "Synthetic filing made by the Openbell sandbox. Not filed with anybody, not for investment use."
EXHIBIT = "ex99-1.htm"
"""The file name of a press release."""
_RISKS = (
    "Demand for what we sell may change faster than we can.",
    "Some of our suppliers are the only ones who make what we need.",
    "We are party to disputes whose outcome we cannot foresee.",
    "Changes in the value of foreign currencies affect what we report.",
)
_RISK_WORDS = " ".join(_RISKS)


def html(filer: Filer, filing: Filing) -> str:
    """The primary document."""
    name = escape(filer.company.name)
    body = _report(filer, filing) if filing.figures else _event(filer, filing)
    return (
        f'<html><head><title>{filing.form} {name}</title><meta name="data-class" content="{NOTE}"></head><body>'
        f"<p>{NOTE}</p><h1>FORM {filing.form}</h1><p>{name} (Commission file number 000-{int(filer.cik) % 100_000:05d})"
        f"</p>{body}</body></html>\n"
    )


def text(filer: Filer, filing: Filing) -> str:
    """What a full text search looks at, lower case."""
    words = f"{filing.about} {filing.fiscal_period} {filing.fiscal_year} risk factors {_RISK_WORDS}"
    about = words if filing.figures else f"{filing.items} {filing.about}"
    return f"{filer.company.name} {filer.company.symbol} {filing.form} {about}".lower()


def _report(filer: Filer, filing: Filing) -> str:
    assert filing.figures is not None
    rows = "".join(
        f"<tr><td>{TAGS[tag][1]}</td><td>{_shown(tag, value)}</td></tr>" for tag, value in filing.figures.items()
    )
    revenue, income = filing.figures["Revenues"], filing.figures["NetIncomeLoss"]
    risks = "".join(f"<li>{risk}</li>" for risk in _RISKS)
    return (
        f"<p>For {filing.about} ended {filing.period:%d %B %Y}.</p><h2>Item 1A. Risk Factors</h2><ul>{risks}</ul>"
        "<h2>Management's Discussion</h2>"
        f"<p>Revenue was ${revenue:,} and net income ${income:,}, a margin of {100 * income / revenue:.1f}%. "
        f"{escape(filer.company.description)}</p><h2>Financial Statements</h2><table>{rows}</table>"
    )


def _event(filer: Filer, filing: Filing) -> str:
    items = "".join(f"<h2>Item {item}</h2>" for item in filing.items.split(","))
    return (
        f"<p>Date of report: {filing.period:%d %B %Y}</p>{items}"
        f"<p>{escape(filer.company.name)} reports {filing.about}. Details follow in later reports.</p>"
        f'<h2>Item 9.01 Exhibits</h2><p>99.1 <a href="{EXHIBIT}">Press release</a></p>'
    )


def release(filer: Filer, filing: Filing) -> str:
    """The press release beside a current report."""
    name = escape(filer.company.name)
    return (
        f"<html><head><title>EX-99.1</title></head><body><p>{NOTE}</p><h1>{name}: {filing.about}</h1>"
        f"<p>{name} today announced {filing.about}, dated {filing.period:%d %B %Y}. The chief executive said that the "
        f"company looks ahead with confidence. {escape(filer.company.description)}</p></body></html>\n"
    )


def _shown(tag: str, value: int) -> str:
    return f"{value / 100:.2f}" if tag == "EarningsPerShareDiluted" else f"{value:,}"
