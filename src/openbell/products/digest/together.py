"""Work that goes side by side within one attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

from openbell.engine.errors import Fenced, Waiting

T = TypeVar("T")


async def together(works: Iterable[Awaitable[T]], *, at_once: int) -> list[T]:
    """The results in the order of the works, at most ``at_once`` at a time.

    All of them end before an error is raised, so that no call that is under way is given up because of another: what
    has been paid for is kept. Of several errors the one that ends the attempt for good goes first, then one that is a
    failure, then one that only waits.
    """
    places = asyncio.Semaphore(at_once)

    async def placed(work: Awaitable[T]) -> T:
        async with places:
            return await work

    results = await asyncio.gather(*(placed(work) for work in works), return_exceptions=True)
    if failed := [result for result in results if isinstance(result, BaseException)]:
        raise _first(failed)
    return [result for result in results if not isinstance(result, BaseException)]


def _first(errors: Sequence[BaseException]) -> BaseException:
    return min(errors, key=lambda error: 0 if isinstance(error, Fenced) else 2 if isinstance(error, Waiting) else 1)
