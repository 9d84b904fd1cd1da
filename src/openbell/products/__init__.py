"""What we make: every product by its declaration; :func:`registry` finds them all."""

from __future__ import annotations

import importlib
import pkgutil

from openbell.engine.registry import Product, Registry
from openbell.engine.schedules import Schedule


def registry() -> Registry:
    """Every product and schedule declared on this floor, found by looking: adding one touches no other file."""
    found = Registry()
    for info in pkgutil.walk_packages(__path__, f"{__name__}."):
        module = importlib.import_module(info.name)
        for one in vars(module).values():
            if isinstance(one, Product) and found.products.get(one.name) is not one:
                found.add(one)
            elif isinstance(one, Schedule) and found.schedules.get(one.name) is not one:
                found.add_schedule(one)
    return found
