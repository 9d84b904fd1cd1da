"""What is being worked at, for every log line of it: job, product, key, attempt, worker, spend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_known: ContextVar[dict[str, Any]] = ContextVar("openbell_log_context", default={})  # noqa: B039 (never changed in place)


def known() -> dict[str, Any]:
    """The ids that hold here."""
    return _known.get()


@contextmanager
def about(**ids: Any) -> Iterator[None]:
    """These ids hold within the block, beside those around it; tasks that begin in it keep them."""
    before = _known.get()
    _known.set({**before, **ids})
    try:
        yield
    finally:
        _known.set(before)  # not by its token: what cleans up after a broken task runs in another context
