"""For operators: one console, a module a page; :func:`routers` finds them, :mod:`frame` is what stands around them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from fastapi import APIRouter


def routers() -> Iterator[APIRouter]:
    """The router of every module of this package that has one: adding a page touches no other file."""
    for info in pkgutil.iter_modules(__path__, f"{__name__}."):
        router = getattr(importlib.import_module(info.name), "router", None)
        if isinstance(router, APIRouter):
            yield router
