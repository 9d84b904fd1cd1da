"""Openbell: market intelligence in which every expensive result is made once, on time, and within a budget.

What a builder needs is here: to declare a product, and to ask a running Openbell (`Client`, `BlockingClient`). It is
loaded on first use, so that the command line starts quickly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openbell.client import BlockingClient, Client
    from openbell.engine.errors import NothingKnown, Permanent, RateLimited, Transient
    from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
    from openbell.engine.schedules import schedule
    from openbell.forecasting import forecast
    from openbell.products.context import Context
    from openbell.products.keys import Symbol

_HOMES = {
    "openbell.client": ("BlockingClient", "Client"),
    "openbell.engine.errors": ("NothingKnown", "Permanent", "RateLimited", "Transient"),
    "openbell.engine.registry": ("Calls", "days", "hours", "minutes", "product", "seconds"),
    "openbell.engine.schedules": ("schedule",),
    "openbell.forecasting": ("forecast",),
    "openbell.products.context": ("Context",),
    "openbell.products.keys": ("Symbol",),
}

__all__ = [
    "BlockingClient",
    "Calls",
    "Client",
    "Context",
    "NothingKnown",
    "Permanent",
    "RateLimited",
    "Symbol",
    "Transient",
    "days",
    "forecast",
    "hours",
    "minutes",
    "product",
    "schedule",
    "seconds",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'openbell' has no attribute {name!r}")
