"""What we make: every product by its declaration. One file per product; :func:`registry` finds them all."""

from __future__ import annotations

import importlib
import pkgutil

import openbell.products.market as market
from openbell.engine.registry import Product, Registry
from openbell.engine.schedules import Schedule


def registry() -> Registry:
    """Every product and schedule declared on this floor, found by looking: adding one touches no other file."""
    found = Registry()
    for package in (market,):
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(info.name)
            for one in vars(module).values():
                if isinstance(one, Product):
                    found.add(one)
                elif isinstance(one, Schedule):
                    found.add_schedule(one)
    return found
