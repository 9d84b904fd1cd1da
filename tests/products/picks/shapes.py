"""An answer of the right form, about the sandbox's companies."""

from __future__ import annotations

import json
from typing import Any

from openbell.sandbox.companies import COMPANIES

TICKERS = ("AAPL", "MSFT", "IBM", "GOOG", "FB", "SYN001")


def content() -> dict[str, Any]:
    """Six picks, four themes, the analysis."""
    return {
        "picks": [
            {
                "ticker": ticker,
                "company_name": COMPANIES[ticker].name,
                "exchange": COMPANIES[ticker].exchange,
                "rationale": "A synthetic rationale of a test, with no figure in it.",
                "risk_level": "medium",
            }
            for ticker in TICKERS
        ],
        "themes": [
            {
                "title": f"Theme {n}",
                "summary": "A synthetic summary of a test, long enough.",
                "report": "A synthetic report of a test, long enough.",
                "tickers": list(TICKERS[n : n + 3]),
                "category": "macro",
            }
            for n in range(4)
        ],
        "market_analysis": {
            "current_environment": "A synthetic sentence about the market.",
            "risk_factors": "A synthetic sentence about risks to it.",
            "opportunities": "A synthetic sentence about chances in it.",
        },
    }


def said(**other: Any) -> str:
    """The same as text."""
    return json.dumps(content() | other)
