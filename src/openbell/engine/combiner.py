"""Turns contention into batches: requests that arrive while batches are under way form the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Combiner(Generic[Request, Answer]):
    """Calls ``run`` with lists of requests, and hands each caller its own answer.

    There is no timer: an idle combiner runs a single request at once. Beside a list under way another one is begun only
    when it is full, up to ``at_once``: lists of a few would only wait for one another. ``run`` must answer in the order
    of the requests; when it raises, every caller of that batch gets the error.
    """

    def __init__(
        self, run: Callable[[list[Request]], Awaitable[list[Answer]]], *, most: int = 200, at_once: int = 1
    ) -> None:
        self._run = run
        self._most, self._at_once = most, at_once
        self._waiting: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def ask(self, request: Request) -> Answer:
        """The answer to one request. Cancelling the caller does not take its request out of a batch under way."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        self._begin()
        return await future

    def _begin(self) -> None:
        """Begin a batch of what waits, if one is due."""
        under_way, waiting = len(self._under_way), len(self._waiting)
        if waiting and (not under_way or (under_way < self._at_once and waiting >= self._most)):
            task = asyncio.create_task(self._drain())
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._begin()

    async def _drain(self) -> None:
        batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        if batch:  # another one, begun in the same moment, may have taken them all
            await self._answer(batch)

    async def _answer(self, batch: list[tuple[Request, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._run([request for request, _ in batch])
            if len(answers) != len(batch):
                raise RuntimeError(f"{len(batch)} requests got {len(answers)} answers")
        except Exception as error:  # noqa: BLE001 (handed on to every caller)
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
