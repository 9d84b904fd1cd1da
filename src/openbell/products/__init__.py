"""What we make: every product by its declaration; :func:`registry` finds them all."""

from __future__ import annotations

import importlib
import logging
import pkgutil

from openbell.engine.registry import Product, Registry
from openbell.engine.schedules import Schedule
from openbell.telemetry.tally import swallowed

log = logging.getLogger(__name__)


def registry() -> Registry:
    """Every product and schedule declared on this floor, found by looking: adding one touches no other file.

    A module that does not load is left out and named in ``broken``; the others are made, and readiness says so (PF-30).
    """
    found = Registry()
    for info in pkgutil.walk_packages(__path__, f"{__name__}.", onerror=lambda _: None):
        try:
            module = importlib.import_module(info.name)
        except Exception as error:  # whatever a module raises, the others are made
            found.broken[info.name] = type(error).__name__
            swallowed("producers.load", error)
            log.error("producers.broken module=%s", info.name, exc_info=error)
            continue
        for one in vars(module).values():
            if isinstance(one, Product) and found.products.get(one.name) is not one:
                found.add(one)
            elif isinstance(one, Schedule) and found.schedules.get(one.name) is not one:
                found.add_schedule(one)
    return found
