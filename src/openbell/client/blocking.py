"""The same client for programs without an event loop, such as notebooks and scripts. It runs `Client` in a thread."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from openbell.client.client import PAUSE_MAX_S, TIMEOUT_S, URL, Client

P = ParamSpec("P")
T = TypeVar("T")


def _waits(
    method: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[BlockingClient, P], T]:
    """The method of the client, waited for."""

    @functools.wraps(method)
    def call(self: BlockingClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(method(self._client, *args, **kwargs))

    return call


def _iterates(
    method: Callable[Concatenate[Client, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[BlockingClient, P], Iterator[T]]:
    """The method of the client as a plain iterator."""

    @functools.wraps(method)
    def call(self: BlockingClient, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self._iterate(method(self._client, *args, **kwargs))

    return call


class BlockingClient:
    """A web process of Openbell. The methods are those of :class:`Client`; each waits for its answer.

    Use it in ``with``, or ``close`` it. It works where a loop runs already, as in a notebook.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
        pause_max_s: float = PAUSE_MAX_S,
    ) -> None:
        self._client = Client(url, token=token, timeout_s=timeout_s, pause_max_s=pause_max_s)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openbell client", daemon=True)
        self._thread.start()

    products = _waits(Client.products)
    read = _waits(Client.read)
    demand = _waits(Client.demand)
    get = _waits(Client.get)
    why = _waits(Client.why)
    costs = _waits(Client.costs)
    watch = _iterates(Client.watch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back and end the thread; a second time does nothing."""
        if self._loop.is_closed():
            return
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for it; Ctrl-C ends the work too."""
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("This client is closed: make another one.")
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()
            raise

    async def _end(self) -> None:
        """End what an interrupt has left behind, in order: work, iterators, connections."""
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._client.close()

    def _iterate(self, changes: AsyncGenerator[T, None]) -> Iterator[T]:
        while (found := self._run(_next(changes))) is not None:
            try:
                yield found
            except GeneratorExit:
                if not self._loop.is_closed():
                    self._run(changes.aclose())
                raise


async def _next(changes: AsyncGenerator[T, None]) -> T | None:
    return await anext(changes, None)
